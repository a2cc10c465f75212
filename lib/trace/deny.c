/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusing an image that stands at its first instruction.
 *
 * SIGKILL would be sure, and would look like a crash (137). So the image gets a few instructions
 * of ours in the place of its first ones, exit_group(126), and a line on its standard error says
 * why. Setting registers instead is wrong: the return value of execve overwrites them on the way
 * out of the stop, and the image would run.
 *
 * The process stays traced until it is dead, and each of its stops is looked at: its first system
 * call must be our exit_group(126), seen by the kernel, where no memory can be changed any more.
 * Everything else ends in SIGKILL: another call (a process with ptrace rights restored the text),
 * too many stops, a second without any, instructions that cannot be written, an architecture that
 * is not in the table.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define STATUS	    126
#define MAX_STOPS   16 /* of a dying process; three are usual */
#define PATIENCE_MS 1000
#define CODE_LEN    16

/* ---- the instructions -------------------------------------------------------------------- */

/* What replaces the text, and the call that must come of it. The second one: 32-bit images. */
struct code {
	uint8_t text[CODE_LEN];
	uint32_t audit_arch;
	uint64_t nr;
};

#if defined(__x86_64__)
/* x32 images run the first one, too. */
static const struct code codes[] = {
	/* mov $231,%eax; mov $126,%edi; syscall; hlt */
	{ "\xb8\xe7\0\0\0\xbf\x7e\0\0\0\x0f\x05\xf4\xf4\xf4", AUDIT_ARCH_X86_64, 231 },
	/* mov $252,%eax; mov $126,%ebx; int $0x80; hlt */
	{ "\xb8\xfc\0\0\0\xbb\x7e\0\0\0\xcd\x80\xf4\xf4\xf4", AUDIT_ARCH_I386, 252 },
};
#elif defined(__aarch64__)
static const struct code codes[] = {
	/* mov x8,#94; mov w0,#126; svc #0; brk #0 */
	{ "\xc8\x0b\x80\xd2\xc0\x0f\x80\x52\x01\0\0\xd4\0\0\x20\xd4", AUDIT_ARCH_AARCH64, 94 },
};
#endif

static bool replace_text(pid_t pid)
{
	const struct code *code;
	struct regs regs;
	size_t which;
	long word;

	if (!regs_read(&regs, pid))
		return false;
	which = regs.narrow;
	if (which >= CS_COUNT(codes))
		return false;
	code = &codes[which];
	for (size_t i = 0; i < CODE_LEN; i += sizeof(word)) {
		memcpy(&word, code->text + i, sizeof(word));
		if (syscall(SYS_ptrace, PTRACE_POKETEXT, pid, regs.pc + i, word) < 0)
			return false;
	}
	return true;
}

static bool is_our_exit(const struct __ptrace_syscall_info *info)
{
	for (size_t i = 0; i < CS_COUNT(codes); i++)
		if (info->arch == codes[i].audit_arch && info->entry.nr == codes[i].nr)
			return info->entry.args[0] == STATUS;
	return false;
}

/* ---- the reason -------------------------------------------------------------------------- */

/*
 * Whether the standard error of t may be taken for a moment. Whoever closes the last descriptor of
 * an internet socket waits in close(2) for as long as SO_LINGER says, and that could be us: such a
 * socket is never taken. What it is must be known before: by name and protocol, which needs no
 * descriptor. t has its descriptors for itself since the exec and stands still, so it stays true.
 */
static bool may_take_stderr(const struct tracee *t)
{
	char path[32];
	char text[32] = "";
	struct statx st;

	snprintf(path, sizeof(path), "/proc/%d/fd/2", (int)t->tgid);
	if (readlink(path, text, sizeof(text) - 1) < 0)
		return false;
	if (strncmp(text, "pipe:[", 6) == 0)
		return true;
	if (strncmp(text, "socket:[", 8) == 0) {
		memset(text, 0, sizeof(text));
		return getxattr(path, "system.sockprotoname", text, sizeof(text) - 1) > 0 &&
		       strncmp(text, "UNIX", 4) == 0;
	}
	/* A file whose file system may be far away: no question to its server. */
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
		return false;
	return S_ISFIFO(st.stx_mode) || S_ISCHR(st.stx_mode);
}

/*
 * One write that can neither block us nor change how the descriptor behaves for the process, which
 * shares its flags: sockets have a flag for a single call, pipes and terminals are opened once
 * more. Anything else (the run's own file, perhaps at an offset that matters) is left alone. No
 * room, no reader: then it is not said there. The event has it anyway.
 */
static void write_once(int fd, const char *text, size_t len)
{
	AUTO_FD int again_fd = -1;
	ssize_t ignored;
	struct stat st;
	char path[64];

	if (fstat(fd, &st) < 0)
		return;
	if (S_ISSOCK(st.st_mode)) {
		send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	if (!S_ISFIFO(st.st_mode) && !(S_ISCHR(st.st_mode) && isatty(fd)))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ignored = again_fd < 0 ? 0 : write(again_fd, text, len);
	(void)ignored;
}

static void take_and_write(const struct tracee *t, const char *text, size_t len)
{
	AUTO_FD int pidfd = (int)syscall(SYS_pidfd_open, t->tgid, 0);
	AUTO_FD int fd = -1;

	if (pidfd >= 0)
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, STDERR_FILENO, 0);
	if (fd >= 0)
		write_once(fd, text, len);
}

/* A pipe without a reader raises SIGPIPE: taken back before anybody sees it. */
static void without_sigpipe(const struct tracee *t, const char *text, size_t len)
{
	static const struct timespec at_once = { 0 };
	sigset_t pipe_only;
	sigset_t pending;
	sigset_t before;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	take_and_write(t, text, len);
	if (!sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe_only, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/*
 * Guarded all the same: a local socket may hold internet sockets on their way to somebody, and
 * these end with it. If t is killed at this moment, its last descriptor is ours.
 */
static void tell(const struct tracee *t, const char *reason)
{
	char text[CS_TRACE_REASON_MAX + 32];
	int len = snprintf(text, sizeof(text), "git-agent-run: %s\n", reason);

	if (!*reason || !may_take_stderr(t))
		return;
	guard_start(&t->trace->guard);
	without_sigpipe(t, text, (size_t)len);
	guard_stop(&t->trace->guard);
}

/* ---- the process ------------------------------------------------------------------------- */

/* Sure. It is seized and not reaped, so the number is its own; ESRCH: dead already. */
static void put_down(const struct tracee *t)
{
	kill(t->tgid, SIGKILL);
}

static void out_of_patience(void *arg)
{
	struct tracee *t = arg;

	t->timer = 0;
	put_down(t);
}

void deny_start(struct tracee *t, const char *reason)
{
	t->stage = STAGE_DYING;
	exit_watch(t->trace, t->tgid, cs_steal_fd(&t->pidfd));
	tell(t, reason);
	t->timer = cs_loop_after(t->trace->loop, PATIENCE_MS, out_of_patience, t);
	if (!replace_text(t->tgid) || ptrace(PTRACE_SYSCALL, t->tgid, NULL, NULL) < 0)
		put_down(t);
}

/* The request that takes a dying process one stop further; 0: it is to be killed. */
static int next_request(struct tracee *t, int status)
{
	struct __ptrace_syscall_info info = { 0 };

	if (++t->steps > MAX_STOPS)
		return 0;
	if (WSTOPSIG(status) != (SIGTRAP | 0x80))
		return PTRACE_SYSCALL; /* the interrupt, or a signal: nothing that runs */
	if (syscall(SYS_ptrace, PTRACE_GET_SYSCALL_INFO, t->tgid, sizeof(info), &info) < 0)
		return 0;
	if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		return PTRACE_SYSCALL; /* of execve */
	return info.op == PTRACE_SYSCALL_INFO_ENTRY && is_our_exit(&info) ? PTRACE_CONT : 0;
}

void deny_stop(struct tracee *t, int status)
{
	int request = next_request(t, status);

	/* Signals are not passed on: it ends anyway. */
	if (!request || ptrace(request, t->tgid, NULL, NULL) < 0)
		put_down(t);
}
