/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a program to its end and collecting what it writes. One poll loop feeds and drains all
 * pipes at once, so that neither side can wait for the other with a full pipe. The program's end
 * is told by its pidfd, not by end of file: a descendant that keeps a pipe open cannot hold us.
 */
#include "countersign/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "countersign/base/clock.h"
#include "countersign/base/own.h"
#include "spawn.h"

#define DEFAULT_MAX ((size_t)64 << 20)
#define READ_STEP   65536

enum { IN, OUT, ERR, CHILD, N_FDS };

struct capture {
	const struct cs_spawn *spec;
	struct pollfd fds[N_FDS]; /* our ends; -1: none, or done */
	struct cs_buf *bufs[N_FDS];
	size_t starts[N_FDS]; /* what the buffers held before */
	size_t sent;
	size_t max;
	int64_t deadline_mono_ns; /* 0: none */
	pid_t pid;
};

static void capture_release(struct capture *c)
{
	for (int i = 0; i < N_FDS; i++)
		cs_close(&c->fds[i].fd);
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		cs_reap(NULL, c->pid);
	}
}

/* A pipe: our end, not blocking, into *ours; the program's end into *theirs. */
static int make_pipe(int *ours, int *theirs, bool we_write)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ours = ends[we_write];
	*theirs = ends[!we_write];
	return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

/* Starts the program with pipes where bytes are to be fed or collected. */
static int start(struct capture *c, struct cs_err *err)
{
	struct cs_spawn spec = *c->spec;
	AUTO_FD int in = -1;
	AUTO_FD int out = -1;
	AUTO_FD int errors = -1;
	int rc;

	if ((spec.input && make_pipe(&c->fds[IN].fd, &in, true) < 0) ||
	    (c->bufs[OUT] && make_pipe(&c->fds[OUT].fd, &out, false) < 0) ||
	    (c->bufs[ERR] && make_pipe(&c->fds[ERR].fd, &errors, false) < 0))
		return cs_err_sys(err, "start %s: pipe", spec.argv[0]);
	if (spec.input)
		spec.stdin_fd = in;
	if (c->bufs[OUT])
		spec.stdout_fd = out;
	if (c->bufs[ERR])
		spec.stderr_fd = errors;
	rc = cs_spawn_start(&c->pid, &spec, err);
	if (rc < 0)
		return rc;
	c->fds[CHILD].fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->fds[CHILD].fd < 0)
		return cs_err_sys(err, "watch %s", spec.argv[0]);
	return 0;
}

/* Writes what fits. A program that does not want the rest is no failure. */
static int feed(struct capture *c, struct cs_err *err)
{
	const struct cs_spawn *spec = c->spec;
	ssize_t n = 0;

	if (c->sent < spec->input_len)
		n = write(c->fds[IN].fd, spec->input + c->sent, spec->input_len - c->sent);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != EPIPE)
		return cs_err_sys(err, "write to %s", spec->argv[0]);
	if (n > 0)
		c->sent += (size_t)n;
	if (n < 0 || c->sent == spec->input_len)
		cs_close(&c->fds[IN].fd);
	return 0;
}

/* Reads once: 1 when there may be more at once, 0 when not, below 0 a failure. */
static int drain(struct capture *c, int i, struct cs_err *err)
{
	struct cs_buf *b = c->bufs[i];
	size_t used = b->len - c->starts[i];
	size_t room = c->max - used < READ_STEP ? c->max - used + 1 : READ_STEP;
	ssize_t n;

	cs_buf_reserve(b, room);
	n = read(c->fds[i].fd, b->data + b->len, room);
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return cs_err_sys(err, "read from %s", c->spec->argv[0]);
	if (n == 0) {
		cs_close(&c->fds[i].fd);
		return 0;
	}
	b->len += (size_t)n;
	b->data[b->len] = '\0';
	if (b->len - c->starts[i] > c->max)
		return cs_err_set(err, CS_LIMIT, "%s: more than %zu bytes of output",
				  c->spec->argv[0], c->max);
	return 1;
}

/* Milliseconds until the deadline, for poll: rounded up, -1 for none. */
static int time_left(const struct capture *c)
{
	int64_t left;

	if (!c->deadline_mono_ns)
		return -1;
	left = c->deadline_mono_ns - cs_mono_ns();
	return left <= 0 ? 0 : (int)((left + 999999) / 1000000);
}

/* Waits once and moves bytes: 1 when the program has ended, 0 when not, below 0 a failure. */
static int turn(struct capture *c, struct cs_err *err)
{
	int rc = poll(c->fds, N_FDS, time_left(c));

	if (rc < 0 && errno != EINTR)
		return cs_err_sys(err, "wait for %s", c->spec->argv[0]);
	if (rc <= 0 || !c->fds[CHILD].revents) {
		if (time_left(c) == 0)
			return cs_err_set(err, CS_LIMIT, "%s: not done after %d ms",
					  c->spec->argv[0], c->spec->deadline_ms);
		if (rc <= 0)
			return 0;
	}
	if (c->fds[IN].revents && feed(c, err) < 0)
		return CS_MALFUNCTION;
	for (int i = OUT; i <= ERR; i++) {
		if (!c->fds[i].revents)
			continue;
		rc = drain(c, i, err);
		if (rc < 0)
			return rc;
	}
	return c->fds[CHILD].revents != 0;
}

/* Runs until the program has ended and its pipes are empty. */
static int converse(struct capture *c, struct cs_err *err)
{
	int rc;

	do {
		rc = turn(c, err);
	} while (rc == 0);
	if (rc < 0)
		return rc;
	for (int i = OUT; i <= ERR; i++) {
		while (c->fds[i].fd >= 0 && (rc = drain(c, i, err)) > 0)
			;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int run(struct capture *c, int *status, struct cs_err *err)
{
	int rc = start(c, err);

	if (rc == 0)
		rc = converse(c, err);
	if (rc < 0)
		return rc;
	if (cs_reap(status, c->pid) < 0)
		rc = cs_err_sys(err, "wait for %s", c->spec->argv[0]);
	c->pid = -1; /* reaped, or lost: either way no longer ours to kill */
	return rc;
}

/*
 * A write to a program that has closed its input raises SIGPIPE, and how the caller handles that
 * is not ours to change: it is blocked in this thread, and taken back when it was raised here.
 */
struct sigpipe {
	sigset_t before;
	bool pending;
};

static void sigpipe_hold(struct sigpipe *s)
{
	sigset_t set;

	sigpending(&set);
	s->pending = sigismember(&set, SIGPIPE);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, &s->before);
}

static void sigpipe_release(const struct sigpipe *s)
{
	const struct timespec now = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (!s->pending)
		while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}

int cs_spawn_capture(struct cs_buf *out, struct cs_buf *errout, int *status,
		     const struct cs_spawn *spec, struct cs_err *err)
{
	__attribute__((cleanup(capture_release))) struct capture c = {
		.spec = spec,
		.fds = { { -1, POLLOUT, 0 },
			 { -1, POLLIN, 0 },
			 { -1, POLLIN, 0 },
			 { -1, POLLIN, 0 } },
		.bufs = { [OUT] = out, [ERR] = errout },
		.starts = { [OUT] = out ? out->len : 0, [ERR] = errout ? errout->len : 0 },
		.max = spec->max_output ? spec->max_output : DEFAULT_MAX,
		.pid = -1,
	};
	struct sigpipe sigpipe;
	int rc;

	if (spec->input && spec->input_len > DEFAULT_MAX)
		return cs_err_set(err, CS_LIMIT, "%s: more than %zu bytes of input", spec->argv[0],
				  DEFAULT_MAX);
	if (spec->deadline_ms > 0)
		c.deadline_mono_ns = cs_mono_ns() + (int64_t)spec->deadline_ms * 1000000;
	sigpipe_hold(&sigpipe);
	rc = run(&c, status, err);
	sigpipe_release(&sigpipe);
	if (rc < 0 && out)
		cs_buf_truncate(out, c.starts[OUT]);
	if (rc < 0 && errout)
		cs_buf_truncate(errout, c.starts[ERR]);
	return rc;
}
