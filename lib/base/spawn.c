/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting programs of the host.
 *
 * fork and exec by hand: posix_spawn can neither set the parent-death signal nor close all other
 * descriptors. Between fork and exec the child makes async-signal-safe calls only (the parent may
 * have threads) and runs none of the parent's signal handlers (all signals are blocked around the
 * fork, and their dispositions are the default before they are unblocked). A failure travels to
 * the parent through a pipe that exec closes: end of file there means that the program runs.
 */
#include "countersign/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/base/own.h"
#include "spawn.h"

enum step { STEP_SETUP, STEP_CWD, STEP_EXEC };

/* What the child says when it could not become the program. */
struct failure {
	enum step step;
	int sys_errno;
};

static _Noreturn void fail(int report_fd, enum step step)
{
	struct failure f = { .step = step, .sys_errno = errno };
	ssize_t ignored = write(report_fd, &f, sizeof(f));

	(void)ignored; /* the parent has died, and with it the interest */
	_exit(127);
}

static int above_stdio(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/*
 * Puts the three descriptors at 0, 1 and 2 and marks all others close-on-exec. They are moved out
 * of the way first, because any of them may be any of 0, 1, 2.
 */
static int place_stdio(const struct cs_spawn *spec)
{
	const int given[3] = { spec->stdin_fd, spec->stdout_fd, spec->stderr_fd };
	int moved[3];

	for (int i = 0; i < 3; i++) {
		int fd = given[i] < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : given[i];

		moved[i] = fd < 0 ? -1 : above_stdio(fd);
		if (moved[i] < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(moved[i], i) < 0)
			return -1;
	return close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* The kernel's struct sigaction, all zero: SIG_DFL. */
struct default_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static int default_signals(void)
{
	static const struct default_action dfl;
	sigset_t none;

	/*
	 * exec keeps ignored signals ignored; posix_spawn leaves libc's own two so, which sigaction()
	 * would not touch. KILL and STOP refuse: nothing to do.
	 */
	for (int sig = 1; sig < NSIG; sig++)
		syscall(SYS_rt_sigaction, sig, &dfl, NULL, sizeof(dfl.mask));
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Dies with the parent. It may have died before the call: then nobody holds the reading end of
 * the report pipe any more. (getppid() would not tell: it is 0 across a pid namespace.)
 */
static int die_with_parent(int report_fd)
{
	struct pollfd gone = { .fd = report_fd };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	if (poll(&gone, 1, 0) > 0)
		_exit(127);
	return 0;
}

/* Not libc's: they would reach for the parent's other threads. */
static int become(const struct cs_spawn *spec)
{
	if (!spec->uid)
		return 0;
	return syscall(SYS_setgroups, 0, NULL) < 0 ||
			       syscall(SYS_setresgid, spec->gid, spec->gid, spec->gid) < 0 ||
			       syscall(SYS_setresuid, spec->uid, spec->uid, spec->uid) < 0
		       ? -1
		       : 0;
}

static _Noreturn void child(const struct cs_spawn *spec, int report_fd)
{
	static const char *const no_env[] = { NULL };
	const char *const *env = spec->env ? spec->env : no_env;
	int fd = above_stdio(report_fd);

	if (fd < 0)
		fail(report_fd, STEP_SETUP);
	/* Becoming another takes the parent-death signal back. */
	if (become(spec) < 0 || die_with_parent(fd) < 0 || place_stdio(spec) < 0 ||
	    default_signals() < 0)
		fail(fd, STEP_SETUP);
	if (spec->cwd && chdir(spec->cwd) < 0)
		fail(fd, STEP_CWD);
	execve(spec->argv[0], (char *const *)spec->argv, (char *const *)env);
	fail(fd, STEP_EXEC);
}

static int explain(const struct cs_spawn *spec, const struct failure *f, struct cs_err *err)
{
	const char *program = spec->argv[0];
	bool missing = f->step == STEP_EXEC && f->sys_errno == ENOENT;

	errno = f->sys_errno;
	if (f->step == STEP_CWD)
		cs_err_sys(err, "start %s: change to %s", program, spec->cwd);
	else
		cs_err_sys(err, "start %s", program);
	if (missing && err)
		err->code = CS_NOTFOUND;
	return missing ? CS_NOTFOUND : CS_MALFUNCTION;
}

int cs_reap(int *status, pid_t pid)
{
	pid_t got;

	do {
		got = waitpid(pid, status, 0);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -1 : 0;
}

/* 0 when the program runs; else what the child reported. */
static int await_exec(const struct cs_spawn *spec, pid_t pid, int report_fd, struct cs_err *err)
{
	struct failure f;
	ssize_t n;

	do {
		n = read(report_fd, &f, sizeof(f)); /* a pipe takes so few bytes at once or not */
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	cs_reap(NULL, pid);
	if (n != sizeof(f))
		return cs_err_set(err, CS_MALFUNCTION, "start %s: lost the child", spec->argv[0]);
	return explain(spec, &f, err);
}

int cs_spawn_start(pid_t *pid, const struct cs_spawn *spec, struct cs_err *err)
{
	AUTO_FD int report_r = -1;
	AUTO_FD int report_w = -1;
	sigset_t all;
	sigset_t before;
	int ends[2];
	pid_t p;
	int rc;

	if (!spec->argv || !spec->argv[0] || spec->argv[0][0] != '/')
		return cs_err_set(err, CS_USAGE, "start %s: not an absolute path",
				  spec->argv && spec->argv[0] ? spec->argv[0] : "nothing");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return cs_err_sys(err, "start %s: pipe", spec->argv[0]);
	report_r = ends[0];
	report_w = ends[1];

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	p = fork();
	if (p == 0) {
		close(report_r);
		child(spec, report_w);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL); /* keeps errno when it succeeds: always */
	if (p < 0)
		return cs_err_sys(err, "start %s: fork", spec->argv[0]);
	cs_close(&report_w);
	rc = await_exec(spec, p, report_r, err);
	if (rc < 0)
		return rc;
	*pid = p;
	return 0;
}
