/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deny filter of init and agent: system calls that an agent's work never needs and that have
 * been the way out of other sandboxes. Everything else is allowed: namespaces, mounts and the
 * missing capabilities contain; this filter takes away kernel surface and the few things that
 * namespaces do not cover (AF_VSOCK, keyrings, TIOCSTI).
 *
 * Any ABI but the native one gets ENOSYS: an allow by default must not be reachable through
 * another system call table.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef AF_MAX
#define AF_MAX 46
#endif
#ifdef __s390x__
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif
#define IPPROTO_SMC_ 256
#define CLONE_NEWTIME_ 0x00000080
/* Of XFS, and for every file system since: <linux/falloc.h> of the kernel, not of its users. */
#define FS_IOC_RESVSP_	   _IOC(_IOC_WRITE, 'X', 40, 48)
#define FS_IOC_RESVSP64_   _IOC(_IOC_WRITE, 'X', 42, 48)
#define FS_IOC_ZERO_RANGE_ _IOC(_IOC_WRITE, 'X', 57, 48)
#define TIOCLINUX_	0x541C
/* Younger than the library; one number on every architecture. */
#define NR_OPEN_TREE_ATTR 467

static const char *const denied[] = {
	/* mounts and namespaces */
	"mount", "umount2", "umount", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
	"open_tree", "move_mount", "mount_setattr", "unshare", "setns",
	/* files by handle: past the mount namespace */
	"open_by_handle_at",
	/* kernel memory, modules, boot, tracing of the kernel */
	"bpf", "perf_event_open", "kexec_load", "kexec_file_load", "init_module", "finit_module",
	"delete_module", "create_module", "query_module", "get_kernel_syms", "reboot", "syslog", "acct",
	"swapon", "swapoff", "quotactl", "quotactl_fd", "lookup_dcookie", "nfsservctl", "iopl",
	"ioperm", "modify_ldt", "vm86", "vm86old", "uselib", "ustat", "sysfs", "_sysctl", "vhangup",
	"fanotify_init",
	/* parks whoever reads the caller's memory; our tracer does */
	"userfaultfd",
	/* opens and connects without a system call that a filter sees */
	"io_uring_setup", "io_uring_enter", "io_uring_register",
	/* keyrings are not namespaced by the user namespace alone */
	"add_key", "request_key", "keyctl",
	/* clocks */
	"settimeofday", "clock_settime", "stime", "adjtimex", "clock_adjtime",
	/* NUMA and page migration of other processes */
	"move_pages", "migrate_pages",
};

/* Families that work inside an empty network namespace. The rest is not namespaced, or kernel surface. */
static bool family_allowed(int family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

static int add_sockets(scmp_filter_ctx ctx)
{
	uint32_t act = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	int sc = SCMP_SYS(socket), rc = 0;

	for (int family = 0; family < AF_MAX && !rc; family++)
		if (!family_allowed(family))
			rc = seccomp_rule_add(ctx, act, sc, 1,
					      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	/* The kernel takes an int; 64-bit values with a high half end here too. */
	if (!rc)
		rc = seccomp_rule_add(ctx, act, sc, 1, SCMP_A0(SCMP_CMP_GE, AF_MAX));
	if (!rc)
		rc = seccomp_rule_add(ctx, act, sc, 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
				      SCMP_A2(SCMP_CMP_NE, 0 /* NETLINK_ROUTE */));
	for (int i = 0; i < 2 && !rc; i++)
		rc = seccomp_rule_add(ctx, act, sc, 2,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)(i ? AF_INET6 : AF_INET)),
				      SCMP_A2(SCMP_CMP_MASKED_EQ, 0xffffffff, IPPROTO_SMC_));
	return rc;
}

static int add_clone(scmp_filter_ctx ctx, bool deny_clone3)
{
	static const unsigned flags[] = { CLONE_NEWUSER, CLONE_NEWNS,	 CLONE_NEWNET, CLONE_NEWPID,
					  CLONE_NEWIPC,	 CLONE_NEWUTS,	 CLONE_NEWCGROUP,
					  CLONE_NEWTIME_ };
	int rc = 0;

	for (size_t i = 0; i < CS_COUNT(flags) && !rc; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				      SCMP_CMP(CLONE_FLAGS_ARG, SCMP_CMP_MASKED_EQ, flags[i],
					       flags[i]));
	/*
	 * clone3's flags lie in memory. Where the user namespace limit could be set it is harmless;
	 * else every caller is sent to clone (libc and runtimes fall back on ENOSYS only).
	 */
	if (!rc && deny_clone3)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return rc;
}

/*
 * Space that is reserved is gone at once, terabytes in one call, before anybody can look at what is
 * left. Without that, files grow as fast as they are written. As on a file system that cannot do it:
 * posix_fallocate(3) then writes. Holes may be punched, that gives space back.
 */
static int add_reservations(scmp_filter_ctx ctx)
{
	static const unsigned ioctls[] = { FS_IOC_RESVSP_, FS_IOC_RESVSP64_, FS_IOC_ZERO_RANGE_ };
	const uint32_t act = SCMP_ACT_ERRNO(EOPNOTSUPP);
	int rc = seccomp_rule_add(ctx, act, SCMP_SYS(fallocate), 1,
				  SCMP_A1(SCMP_CMP_NE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE));

	for (size_t i = 0; i < CS_COUNT(ioctls) && !rc; i++)
		rc = seccomp_rule_add(ctx, act, SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, ioctls[i]));
	return rc;
}

static int add_misc(scmp_filter_ctx ctx, bool deny_tracing)
{
	/* The kernel compares 32 bits of the request. */
	static const unsigned ioctls[] = { TIOCSTI, TIOCLINUX_ };
	int rc = 0;

	/* A lease stops whoever opens the file next: the supervisor, or the host's git. */
	rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(fcntl), 1,
			      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, F_SETLEASE));
	/* The core size stays 1 (limit_core); who lowers it is told that it worked. */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(setrlimit), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, RLIMIT_CORE));
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(prlimit64), 2,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, RLIMIT_CORE),
				      SCMP_A2(SCMP_CMP_NE, 0));
	for (size_t i = 0; i < CS_COUNT(ioctls) && !rc; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, ioctls[i]));
	/* Limits go by uid alone: a processor limit of 0 would end init. Others' are none of ours. */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, 1));
	if (!rc && deny_tracing) {
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ptrace), 0);
		if (!rc)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
					      SCMP_SYS(process_vm_writev), 0);
		if (!rc)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
					      SCMP_SYS(process_vm_readv), 0);
	}
	return rc;
}

int filter_deny(bool deny_tracing, bool deny_clone3)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = 0;

	if (!ctx)
		return -ENOMEM;
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	if (!rc)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < CS_COUNT(denied) && !rc; i++) {
		int nr = seccomp_syscall_resolve_name(denied[i]);
		/* Negative: this architecture, or this library, does not know it. */
		if (nr >= 0)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), NR_OPEN_TREE_ATTR, 0);
	if (!rc)
		rc = add_sockets(ctx);
	if (!rc)
		rc = add_clone(ctx, deny_clone3);
	if (!rc)
		rc = add_reservations(ctx);
	if (!rc)
		rc = add_misc(ctx, deny_tracing);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

/* ---- without namespaces ---- */

/* Refused whatever the arguments, and as if the kernel had them not. */
static const char *const degraded_denied[] = {
	"socket", "shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget",
	"msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink",
};

/* Before ABI 3 Landlock lets files be cut that may not be written. */
static int add_truncation(scmp_filter_ctx ctx)
{
	scmp_datum_t mask = O_TRUNC | O_ACCMODE;
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(truncate), 0);

	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, mask, O_TRUNC | O_RDONLY));
#ifdef __NR_open
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(open), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, mask, O_TRUNC | O_RDONLY));
#endif
	/* Its flags lie in memory. */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
	return rc;
}

/*
 * Before ABI 6 Landlock lets everybody of the same user be signalled. A run whose watcher is dead
 * cannot be ended, so these two are kept from it; -1 would reach them as well.
 */
static int add_signals(scmp_filter_ctx ctx, pid_t supervisor, pid_t watcher)
{
	const uint32_t act = SCMP_ACT_ERRNO(EPERM);
	static const int calls[] = { SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(tgkill),
				     SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo) };
	/* Groups as well: the watcher leads one, and the supervisor may. */
	const int targets[] = { supervisor, watcher, -supervisor, -watcher, -getpgid(supervisor), -1 };
	int rc = seccomp_rule_add(ctx, act, SCMP_SYS(pidfd_send_signal), 0);

	for (size_t i = 0; i < CS_COUNT(calls); i++)
		for (size_t k = 0; k < CS_COUNT(targets) && !rc; k++)
			rc = seccomp_rule_add(ctx, act, calls[i], 1,
					      SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff,
						      (uint32_t)targets[k]));
	/* A descriptor's owner is sent signals by the kernel. */
	static const int owners[] = { F_SETOWN, F_SETOWN_EX };
	for (size_t i = 0; i < CS_COUNT(owners) && !rc; i++)
		rc = seccomp_rule_add(ctx, act, SCMP_SYS(fcntl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff,
					      (scmp_datum_t)owners[i]));
	return rc;
}

int filter_degraded(int abi, pid_t supervisor, pid_t watcher)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc;

	if (!ctx)
		return -ENOMEM;
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	for (size_t i = 0; i < CS_COUNT(degraded_denied) && !rc; i++) {
		int nr = seccomp_syscall_resolve_name(degraded_denied[i]);
		if (nr >= 0)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(i ? ENOSYS : EAFNOSUPPORT), nr, 0);
	}
	/* Limits go by uid alone: one of processor time would end the watcher. */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 2,
				      SCMP_A0(SCMP_CMP_NE, 0), SCMP_A2(SCMP_CMP_NE, 0));
	if (!rc && abi < 3)
		rc = add_truncation(ctx);
	if (!rc && abi < 6)
		rc = add_signals(ctx, supervisor, watcher);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}
