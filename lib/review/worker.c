/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile bytes are parsed in a child: it may read the repository's object directories and
 * nothing else, has no network and no exec, and says what it found through a pipe. What comes out
 * of the pipe is foreign text, escaped by us as any other. A child that dies is a malfunction.
 */
#include "countersign/review.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/sandbox.h"

#define MAX_OBJECT_DIRS 64
#define MAX_MEMORY	(1ull << 30)
#define MAX_CPU_S	300

struct pipes {
	int text[2]; /* read end, write end */
	int fault[2];
};

static void close_pipe(int fds[2])
{
	cs_close(&fds[0]);
	cs_close(&fds[1]);
}

/* The directories that the child may read; their number. Missing ones are passed over. */
static size_t open_object_dirs(int fds[MAX_OBJECT_DIRS], const struct cs_repo *repo)
{
	const struct cs_strv *dirs = cs_repo_object_dirs(repo);
	size_t n = 0;

	for (size_t i = 0; i < dirs->n && n < MAX_OBJECT_DIRS; i++) {
		fds[n] = open(dirs->v[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		n += fds[n] >= 0;
	}
	return n;
}

/* The child must not be able to write to our terminal, not even through the pager. */
static int lose_terminal(const struct cs_out *out)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return -1;
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (dup2(null_fd, fd) < 0)
			return -1;
	}
	return out->pager ? close(fileno(out->file)) : 0;
}

/* In the child; does not return. */
static void work(const struct cs_worker *worker, struct pipes *pipes, pid_t parent)
{
	int dirs[MAX_OBJECT_DIRS];
	struct cs_err err = CS_ERR_INIT;
	struct cs_confine confine = {
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.read_fds = dirs,
		.n_read_fds = open_object_dirs(dirs, worker->repo),
		.max_memory = MAX_MEMORY,
		.max_cpu_s = MAX_CPU_S,
	};
	int rc;

	close(pipes->text[0]);
	close(pipes->fault[0]);
	signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    lose_terminal(worker->out) < 0)
		_exit(1);
	rc = cs_confine_self(&confine, &err);
	if (rc == 0)
		rc = worker->work(worker->arg, pipes->text[1], &err);
	if (rc < 0 && cs_write_all(pipes->fault[1], err.msg, strlen(err.msg)) < 0)
		_exit(2);
	_exit(rc < 0);
}

static int drain(const struct cs_worker *worker, int fd, struct cs_err *err)
{
	char chunk[65536];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cs_err_sys(err, "read from the worker");
		if (n == 0)
			return 0;
		worker->sink(worker->arg, chunk, (size_t)n);
	}
}

/* What became of the child, in its own words where it had some. */
static int judge(pid_t pid, int fault_fd, struct cs_err *err)
{
	AUTO_BUF struct cs_buf fault = CS_BUF_INIT;
	int status;

	if (cs_read_fd(&fault, fault_fd, sizeof(err->msg), NULL) < 0)
		cs_buf_adds(&fault, "(no reason given)");
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return cs_err_sys(err, "wait for the worker");
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return cs_err_set(err, CS_MALFUNCTION, "the worker died: %s",
				  strsignal(WTERMSIG(status)));
	return cs_err_set(err, CS_MALFUNCTION, "%s", fault.data);
}

int cs_worker_run(const struct cs_worker *worker, struct cs_err *err)
{
	struct pipes pipes = { { -1, -1 }, { -1, -1 } };
	pid_t parent = getpid();
	pid_t pid = -1;
	int rc;

	fflush(worker->out->file); /* else the child would have a copy of what waits there */
	if (pipe2(pipes.text, O_CLOEXEC) == 0 && pipe2(pipes.fault, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0)
		work(worker, &pipes, parent);
	if (pid < 0) {
		rc = cs_err_sys(err, "start the worker");
	} else {
		cs_close(&pipes.text[1]);
		cs_close(&pipes.fault[1]);
		rc = drain(worker, pipes.text[0], err);
		cs_close(&pipes.text[0]);
		if (rc == 0)
			rc = judge(pid, pipes.fault[0], err);
		else
			waitpid(pid, NULL, 0);
	}
	close_pipe(pipes.text);
	close_pipe(pipes.fault);
	return rc;
}
