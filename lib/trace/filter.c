/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The notification filter, installed by the agent's process right before its first exec.
 *
 *	notified	execve, execveat; connect; ptrace where it attaches to somebody (a count);
 *			exit_group where the kernel does not keep the status (exit.c)
 *	refused		process_vm_writev (EPERM), and data before a connection (EOPNOTSUPP, which
 *			is also the word of a kernel without TCP Fast Open)
 *
 * process_vm_writev would let a process change the arguments of another one between its exec and
 * its first instruction, and back: what was recorded would not be what ran. The same by
 * /proc/<pid>/mem is the sandbox's to refuse (Landlock). A debugger needs neither of them, cannot
 * attach while we have the process, and is counted.
 *
 * execve and execveat of every ABI that a kernel of this architecture offers (x86-64, x32 and
 * i386; aarch64 and 32-bit ARM) become notifications; the call waits until the supervisor
 * answers. A call by an ABI that the filter does not know fails with ENOSYS, the word of a kernel
 * without this ABI. Whether the foreign ABIs may be used at all is not decided here: the sandbox's
 * own filter may refuse them, and the stricter of two filters wins.
 *
 * Nothing inside can get around this. Filters are inherited by every child and kept across exec;
 * a later filter of the agent can only refuse more (SECCOMP_RET_USER_NOTIF outranks TRACE, LOG and
 * ALLOW); a second listener is refused by the kernel with EBUSY.
 *
 * CLONE_UNTRACED is left alone: LeakSanitizer stops its threads from a child made with it. The flag
 * only keeps a *tracer* from inheriting a child, and we inherit none. The child has the filter, its
 * exec is a notification of its own, and its thread is seized then; the flag says nothing about
 * that.
 */
#include "internal.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

static void release_filter(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* Beside the native one. */
static const uint32_t more_abis[] = {
#if defined(__x86_64__)
	SCMP_ARCH_X86,
	SCMP_ARCH_X32,
#elif defined(__aarch64__)
	SCMP_ARCH_ARM,
#else
#error "no list of ABIs for this architecture"
#endif
};

/* mask 0: whatever the arguments are. */
static const struct rule {
	uint32_t action;
	int call;
	unsigned arg;
	uint64_t mask, value;
} rules[] = {
	{ SCMP_ACT_NOTIFY, SCMP_SYS(execve), 0, 0, 0 },
	{ SCMP_ACT_NOTIFY, SCMP_SYS(execveat), 0, 0, 0 },
	{ SCMP_ACT_NOTIFY, SCMP_SYS(connect), 0, 0, 0 },
	{ SCMP_ACT_NOTIFY, SCMP_SYS(ptrace), 0, 0xffffffff, PTRACE_ATTACH },
	{ SCMP_ACT_NOTIFY, SCMP_SYS(ptrace), 0, 0xffffffff, PTRACE_SEIZE },
	{ SCMP_ACT_ERRNO(EPERM), SCMP_SYS(process_vm_writev), 0, 0, 0 },
	{ SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(sendto), 3, MSG_FASTOPEN, MSG_FASTOPEN },
	{ SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(sendmsg), 2, MSG_FASTOPEN, MSG_FASTOPEN },
	{ SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(sendmmsg), 3, MSG_FASTOPEN, MSG_FASTOPEN },
};

/* 0 or a negative errno, as libseccomp has it. */
static int add_rules(scmp_filter_ctx ctx)
{
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));

	for (size_t i = 0; !rc && i < CS_COUNT(more_abis); i++)
		rc = seccomp_arch_add(ctx, more_abis[i]);
	for (size_t i = 0; !rc && i < CS_COUNT(rules); i++) {
		const struct rule *r = &rules[i];
		struct scmp_arg_cmp cmp = SCMP_CMP(r->arg, SCMP_CMP_MASKED_EQ, r->mask, r->value);

		rc = seccomp_rule_add_array(ctx, r->action, r->call, r->mask ? 1 : 0, &cmp);
	}
	if (!rc && !exit_is_kept())
		rc = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(exit_group), 0);
	return rc;
}

/* libseccomp 2.5 cannot ask for WAIT_KILLABLE_RECV: the program is loaded by hand. */
static int load(const struct sock_fprog *program)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* An unknown flag is EINVAL: what the test's fake asks for. */
	unsigned long killable =
		cs_fake("wait_killable", 1) ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 1UL << 31;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | killable, program);

	/* Before 5.19 other signals end the wait too, and the call is notified once more. */
	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
	return (int)fd;
}

int cs_trace_install(void)
{
	CS_AUTO(release_filter) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	AUTO_FD int program_fd = memfd_create("trace-filter", MFD_CLOEXEC);
	AUTO_FREE struct sock_filter *code = NULL;
	struct sock_fprog program;
	struct stat st;
	int rc;

	if (program_fd < 0)
		return -1;
	rc = ctx ? add_rules(ctx) : -ENOMEM;
	if (!rc)
		rc = seccomp_export_bpf(ctx, program_fd);
	if (rc < 0) {
		errno = -rc;
		return -1;
	}
	if (fstat(program_fd, &st) < 0)
		return -1;
	code = malloc((size_t)st.st_size);
	if (!code || pread(program_fd, code, (size_t)st.st_size, 0) != st.st_size)
		return -1;
	program.filter = code;
	program.len = (unsigned short)((size_t)st.st_size / sizeof(*code));
	return load(&program);
}
