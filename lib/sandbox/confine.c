/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confinement of our own processes that parse hostile bytes (the capture's reader, a diff).
 *
 *	may:	 read files below the given directories, compute, write to the pipes it has
 *	mustn't: open anything for writing, exec, fork, connect, trace, signal others, change
 *		 any identity
 *
 * An allow-list: a system call that is not named kills the process, and its parent sees that.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const allowed[] = {
	"read", "pread64", "readv", "write", "writev", "close", "fstat", "newfstatat", "statx", "lseek",
	"openat2", "getdents64", "readlinkat", "fgetxattr", "flistxattr", "lgetxattr", "getxattr",
	"llistxattr", "listxattr", "readlink", "stat", "lstat", "access", "faccessat", "faccessat2",
	"getcwd",
	"mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "futex", "dup", "fcntl",
	"clock_gettime", "gettimeofday", "getrandom", "getpid", "gettid", "getuid", "geteuid",
	"getgid", "getegid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"exit", "exit_group", "poll", "ppoll", "sendmsg", "sendto", "recvmsg", "recvfrom", "uname",
	"sched_yield", "sched_getaffinity", "restart_syscall", "prlimit64", "getrusage", "fadvise64",
	"rseq", "set_robust_list", "sysinfo", /* the C library's qsort asks how much memory there is */
#ifdef __SANITIZE_ADDRESS__
	/* LeakSanitizer looks at the process from a thread of its own. */
	"clone", "ptrace", "wait4", "prctl", "kill", "tgkill", "arch_prctl",
#endif
};

static int add_opens(scmp_filter_ctx ctx)
{
	/* Read-only opens: neither access mode bit, nor a flag that creates or truncates. */
	scmp_datum_t mask = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				  SCMP_A2(SCMP_CMP_MASKED_EQ, mask, 0));
#ifdef __NR_open
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, mask, 0));
	/* Writing opens get an error instead of death: libraries try them and go on. */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EROFS), SCMP_SYS(unlink), 0);
#endif
	return rc;
}

static int load_filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = 0;

	if (!ctx)
		return -ENOMEM;
	for (size_t i = 0; i < CS_COUNT(allowed) && !rc; i++) {
		int nr = seccomp_syscall_resolve_name(allowed[i]);
		if (nr >= 0)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	if (!rc)
		rc = add_opens(ctx);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

/* Bytes of address space in use now: the limit is what may be added. */
static uint64_t mapped_now(void)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	/* procfs writes the first of several numbers, in pages; without /proc only the cap counts. */
	if (cs_read_file(&text, AT_FDCWD, "/proc/self/statm", 256, NULL) < 0)
		return 0;
	return (uint64_t)strtoull(text.data, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int set_limits(const struct cs_confine *c)
{
	uint64_t memory = mapped_now() + (c->max_memory ? c->max_memory : (uint64_t)4 << 30);
	rlim_t cpu = c->max_cpu_s ? (rlim_t)c->max_cpu_s : 1800;
	const struct {
		__rlimit_resource_t what;
		rlim_t value;
	} limits[] = {
#ifndef __SANITIZE_ADDRESS__
		{ RLIMIT_AS, memory },
#endif
		{ RLIMIT_CPU, cpu },
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_FSIZE, 0 },
	};

	(void)memory;
	for (size_t i = 0; i < CS_COUNT(limits); i++) {
		struct rlimit r = { limits[i].value, limits[i].value };
		if (setrlimit(limits[i].what, &r) < 0)
			return -1;
	}
	return 0;
}

int cs_confine_self(const struct cs_confine *c, struct cs_err *err)
{
	int abi = landlock_abi();

	if (c->uid != (uid_t)-1 && geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
	     setresuid(c->uid, c->uid, c->uid) < 0))
		return cs_err_sys(err, "confine: become uid %u", c->uid);
	if (set_limits(c) < 0)
		return cs_err_sys(err, "confine: limits");
	if (drop_capabilities() < 0)
		return cs_err_sys(err, "confine: capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return cs_err_sys(err, "confine: no_new_privs");
	prctl(PR_SET_DUMPABLE, 0);
	if (abi > 0 && landlock_read_only(c->read_fds, c->n_read_fds, abi) < 0)
		return cs_err_sys(err, "confine: Landlock");
	int rc = load_filter();
	if (rc < 0) {
		errno = -rc;
		return cs_err_sys(err, "confine: seccomp");
	}
	return 0;
}
