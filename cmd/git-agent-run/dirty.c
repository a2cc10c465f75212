/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Your uncommitted changes are not in the run": found out beside the run, since it costs a stat
 * for each tracked file and a start must not grow with the repository. A run that is over long
 * before the answer does not wait for it.
 */
#include "run.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLEAN = 0, DIRTY = 1, UNKNOWN = 2 };

void dirty_start(struct run *run)
{
	bool dirty = false;

	if (run->opts->base || run->opts->continues || run->opts->with_uncommitted ||
	    !cs_repo_worktree(run->repo))
		return;
	run->dirty_pid = fork();
	if (run->dirty_pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The run goes first. */
	if (nice(10) < 0)
		_exit(UNKNOWN);
	int rc = cs_worktree_dirty(&dirty, run->repo, NULL);
	_exit(rc < 0 ? UNKNOWN : dirty ? DIRTY : CLEAN);
}

bool dirty_reaped(struct run *run, pid_t pid, int status)
{
	if (run->dirty_pid <= 0 || pid != run->dirty_pid)
		return false;
	run->dirty_pid = 0;
	/* With a terminal the agent's program owns the screen: said in the summary instead. */
	run->dirty = WIFEXITED(status) && WEXITSTATUS(status) == DIRTY;
	if (run->dirty && !run->tty)
		dirty_say(run);
	return true;
}

void dirty_say(struct run *run)
{
	if (run->dirty)
		note("your uncommitted changes are not in the run: it starts from the commit");
	run->dirty = false;
}

/*
 * At the end: a moment in proportion to what the run took, then the question is dropped. Who is
 * killed is not waited for: it dies in its own time, and we end soon.
 */
void dirty_end(struct run *run)
{
	int64_t wait_ms = run->info.duration_ms / 10 + 2;

	if (run->dirty_pid > 0) {
		AUTO_FD int fd = (int)syscall(SYS_pidfd_open, run->dirty_pid, 0);
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int status;

		if (fd < 0 || poll(&p, 1, wait_ms > 1000 ? 1000 : (int)wait_ms) != 1)
			kill(run->dirty_pid, SIGKILL);
		else if (waitpid(run->dirty_pid, &status, WNOHANG) == run->dirty_pid)
			dirty_reaped(run, run->dirty_pid, status);
	}
	dirty_say(run);
}
