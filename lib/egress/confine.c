/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Two processes read bytes that others wrote: the relay (names, hellos and
 * heads from inside, and the connections themselves) and the resolver (answers of the host's name
 * servers, read by libc and its plug-ins). Neither needs what a broken parser would be after:
 *
 *	user		the run's unprivileged one, without capabilities; no_new_privs; not
 *			dumpable; killed with the owner
 *	descriptors	only its own sockets
 *	files		relay: none. Resolver: reading the name service's configuration and the
 *			libraries that its plug-ins load. (Landlock)
 *	system calls	allow-lists. Neither can exec, trace, mount, make namespaces or change its
 *			identity; the relay cannot open a file or make a process at all. (seccomp)
 *
 * What is not on a list fails with EPERM. A filter that kills would end a run whenever a libc finds
 * a new way to do an old thing; a caller that is refused is confined just as well.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- user -------------------------------------------------------------------------------- */

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	return (int)syscall(SYS_capset, &head, none);
}

int cs_egress_confine_user(uid_t uid, gid_t gid, pid_t parent, struct cs_err *err)
{
	if (geteuid() == 0 && uid != 0) {
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			return cs_err_sys(err, "become user %u", uid);
	}
	if (drop_capabilities() < 0)
		return cs_err_sys(err, "drop capabilities");
	/* After the change of user, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return cs_err_sys(err, "tie to the parent's life");
	if (getppid() != parent)
		return cs_err_set(err, CS_MALFUNCTION, "the parent is gone");
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return cs_err_sys(err, "give up privileges");
	return 0;
}

/* ---- descriptors ------------------------------------------------------------------------- */

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int cs_egress_confine_descriptors(int *keep, size_t n, struct cs_err *err)
{
	unsigned from = 3;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return cs_err_sys(err, "open /dev/null");
	for (int i = 0; i < 3; i++)
		if (dup2(null_fd, i) < 0)
			return cs_err_sys(err, "replace descriptor %d", i);
	qsort(keep, n, sizeof(*keep), compare_ints);
	for (size_t i = 0; i < n; i++) {
		unsigned fd = (unsigned)keep[i];

		if (keep[i] < 3 || (fd > from && close_range(from, fd - 1, 0) < 0))
			return cs_err_sys(err, "close descriptors");
		from = fd + 1;
	}
	if (close_range(from, ~0u, 0) < 0)
		return cs_err_sys(err, "close descriptors");
	return 0;
}

/* ---- files ------------------------------------------------------------------------------- */

/* The headers may be older than the kernel: the newest layout, and rights as numbers. */
struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};
#define SCOPE_ABSTRACT_SOCKETS 1u
#define SCOPE_SIGNALS	       2u
#define READ_RIGHTS	       (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static const struct {
	int abi;
	uint64_t fs;
	uint64_t scoped;
	size_t size; /* of the attributes that this version knows */
} landlock_versions[] = {
	{ 6, 0xffff, SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS, 24 },
	{ 5, 0xffff, 0, 16 },
	{ 4, 0x7fff, 0, 16 },
	{ 3, 0x7fff, 0, 8 },
	{ 2, 0x3fff, 0, 8 },
	{ 1, 0x1fff, 0, 8 },
};

static int create_ruleset(int abi)
{
	size_t i = 0;
	struct ruleset_attr attr = { 0 };

	while (landlock_versions[i].abi > abi)
		i++;
	attr.handled_access_fs = landlock_versions[i].fs;
	attr.scoped = landlock_versions[i].scoped;
	return (int)syscall(SYS_landlock_create_ruleset, &attr, landlock_versions[i].size, 0);
}

static int allow_reading(int ruleset, const char *path, struct cs_err *err)
{
	AUTO_FD int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .allowed_access = READ_RIGHTS, .parent_fd = fd };

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES
			       ? 0
			       : cs_err_sys(err, "open %s", path);
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return cs_err_sys(err, "Landlock rule for %s", path);
	return 0;
}

int cs_egress_confine_files(int *abi, const char *const *paths, struct cs_err *err)
{
	AUTO_FD int ruleset = -1;
	int version = (int)cs_fake("landlock", syscall(SYS_landlock_create_ruleset, NULL, 0,
						       LANDLOCK_CREATE_RULESET_VERSION));

	if (!version || (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))) {
		*abi = 0;
		return 0;
	}
	if (version < 1)
		return cs_err_sys(err, "Landlock");
	ruleset = create_ruleset(version);
	if (ruleset < 0)
		return cs_err_sys(err, "Landlock ruleset");
	for (; *paths; paths++) {
		int rc = allow_reading(ruleset, *paths, err);

		if (rc < 0)
			return rc;
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return cs_err_sys(err, "Landlock");
	*abi = version;
	return 0;
}

/* ---- system calls ------------------------------------------------------------------------ */

/* Arguments that must have a value: (argument & mask) == value. mask 0: any. */
struct call {
	int number;
	unsigned arg;
	uint64_t mask;
	uint64_t value;
};

#define CALL(name)                      \
	{                               \
		SCMP_SYS(name), 0, 0, 0 \
	}
#define CALL_IF(name, arg, mask, value)                \
	{                                              \
		SCMP_SYS(name), (arg), (mask), (value) \
	}

#define ALL_BITS 0xffffffffu
#define NEW_NAMESPACES                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)
#define WRITING	    (O_ACCMODE | O_CREAT | O_TRUNC | TMPFILE_BIT)

/* clang-format off */
static const struct call common_calls[] = {
	CALL(read), CALL(write), CALL(close), CALL(recvfrom), CALL(recvmsg), CALL(sendto),
	CALL(sendmsg), CALL(bind), CALL(connect), CALL(getsockname), CALL(getpeername),
	CALL(getsockopt), CALL(setsockopt), CALL(shutdown), CALL(poll), CALL(ppoll), CALL(fcntl),
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(futex), CALL(clock_gettime),
	CALL(gettimeofday), CALL(time), CALL(getrandom), CALL(exit), CALL(exit_group),
	CALL(rt_sigreturn), CALL(rt_sigprocmask), CALL(sigaltstack), CALL(restart_syscall),
	CALL(getpid), CALL(gettid), CALL(sched_yield), CALL_IF(socket, 0, ALL_BITS, AF_INET),
	CALL_IF(socket, 0, ALL_BITS, AF_INET6),
};

static const struct call relay_calls[] = {
	CALL(accept4), CALL(listen), CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_ctl),
	CALL_IF(mmap, 2, PROT_EXEC, 0), CALL_IF(mprotect, 2, PROT_EXEC, 0),
};

/* What getaddrinfo and its plug-ins need. */
static const struct call lookup_calls[] = {
	CALL_IF(open, 1, WRITING, O_RDONLY), CALL_IF(openat, 2, WRITING, O_RDONLY), CALL(stat),
	CALL(lstat), CALL(fstat), CALL(newfstatat), CALL(statx), CALL(lseek), CALL(pread64),
	CALL(readlink), CALL(readlinkat), CALL(access), CALL(faccessat), CALL(faccessat2),
	CALL(getdents64), CALL(readv), CALL(writev), CALL(sendmmsg), CALL(recvmmsg), CALL(mmap),
	CALL(mprotect), CALL_IF(ioctl, 1, ALL_BITS, FIONREAD),
	CALL_IF(socket, 0, ALL_BITS, AF_UNIX), CALL_IF(socket, 0, ALL_BITS, AF_NETLINK),
	CALL(rt_sigaction), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid),
	CALL(getppid), CALL(uname), CALL(sysinfo), CALL(nanosleep), CALL(clock_nanosleep),
	CALL(dup), CALL(pipe2), CALL(eventfd2), CALL(epoll_create1), CALL(epoll_wait),
	CALL(epoll_pwait), CALL(epoll_ctl), CALL_IF(prlimit64, 2, UINT64_MAX, 0),
	CALL_IF(prctl, 0, ALL_BITS, PR_SET_NAME),
};

/* The resolver besides: forking children that tie and confine themselves further. */
static const struct call resolver_calls[] = {
	CALL_IF(clone, 0, NEW_NAMESPACES, 0), CALL(fork), CALL(set_robust_list), CALL(rseq),
	CALL(alarm), CALL(setitimer), CALL_IF(prctl, 0, ALL_BITS, PR_SET_PDEATHSIG),
	CALL(seccomp), CALL_IF(prctl, 0, ALL_BITS, PR_SET_SECCOMP),
};
/* clang-format on */

/* Its flags cannot be seen; libc falls back to clone. */
static const int unknown_calls[] = { SCMP_SYS(clone3) };

static int add_calls(scmp_filter_ctx ctx, const struct call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct scmp_arg_cmp cmp = { .arg = calls[i].arg,
					    .op = SCMP_CMP_MASKED_EQ,
					    .datum_a = calls[i].mask,
					    .datum_b = calls[i].value };
		int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, calls[i].number,
						calls[i].mask ? 1 : 0, &cmp);

		if (rc < 0)
			return rc;
	}
	return 0;
}

#define LIST(calls)                      \
	{                                \
		(calls), CS_COUNT(calls) \
	}

static const struct {
	enum cs_egress_role role;
	struct {
		const struct call *calls;
		size_t n;
	} lists[3];
} roles[] = {
	{ CS_EGRESS_ROLE_RELAY, { LIST(common_calls), LIST(relay_calls) } },
	{ CS_EGRESS_ROLE_RESOLVER,
	  { LIST(common_calls), LIST(lookup_calls), LIST(resolver_calls) } },
	{ CS_EGRESS_ROLE_LOOKUP, { LIST(common_calls), LIST(lookup_calls) } },
};

/* An unknown role may do nothing. */
static int fill(scmp_filter_ctx ctx, enum cs_egress_role role)
{
	int rc = 0;

	for (size_t r = 0; r < CS_COUNT(roles); r++)
		for (size_t i = 0; rc == 0 && roles[r].role == role && i < 3; i++)
			rc = add_calls(ctx, roles[r].lists[i].calls, roles[r].lists[i].n);
	for (size_t i = 0; rc == 0 && i < CS_COUNT(unknown_calls); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), unknown_calls[i], 0);
	/* no_new_privs is set already. */
	return rc == 0 ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) : rc;
}

int cs_egress_confine_calls(enum cs_egress_role role, struct cs_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc;

	if (!ctx)
		return cs_err_set(err, CS_MALFUNCTION, "seccomp: no filter");
	rc = fill(ctx, role);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	if (rc == 0)
		return 0;
	errno = -rc;
	return cs_err_sys(err, "seccomp filter");
}
