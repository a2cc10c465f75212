/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The confined child and its pipe.
 *
 * Between fork and confinement the child runs our code on our data only: it moves three
 * descriptors to known numbers, closes all others, and gives up everything else in
 * cs_confine_self. Hostile bytes are first read after that. If confinement fails nothing is read.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/sandbox.h"
#include "names.h"

/* Holds the largest frame. */
#define STREAM_BUF (4 * FRAME_DATA_MAX)
_Static_assert(STREAM_BUF >= FRAME_HEAD_LEN + CAPTURE_PATH_MAX + FRAME_DATA_MAX,
	       "a frame fits the buffer");

/* ---- the child ------------------------------------------------------------------------------- */

enum { CHILD_OUT = 3, CHILD_LAYER, CHILD_PRISTINE, CHILD_FDS };

/* Standard streams to /dev/null, the three descriptors to their numbers, all others closed. */
static int keep_only(struct reader *r, struct cs_err *err)
{
	const int wanted[] = { r->out_fd, r->layer_fd, r->pristine_fd };
	int moved[CS_COUNT(wanted)];
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < CS_COUNT(wanted); i++) {
		moved[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, CHILD_FDS);
		if (moved[i] < 0)
			return cs_err_sys(err, "move descriptor");
	}
	for (int fd = 0; fd < CHILD_OUT; fd++) {
		if (dup2(null_fd, fd) < 0)
			return cs_err_sys(err, "/dev/null");
	}
	for (size_t i = 0; i < CS_COUNT(wanted); i++) {
		if (dup2(moved[i], CHILD_OUT + (int)i) < 0)
			return cs_err_sys(err, "move descriptor");
	}
	if (close_range(CHILD_FDS, ~0u, 0) < 0)
		return cs_err_sys(err, "close descriptors");
	r->out_fd = CHILD_OUT;
	r->layer_fd = CHILD_LAYER;
	r->pristine_fd = CHILD_PRISTINE;
	return 0;
}

static int prepare(struct reader *r, const struct stream_opts *opts, struct cs_err *err)
{
	const int read_fds[] = { CHILD_LAYER, CHILD_PRISTINE };
	struct cs_confine confine = {
		.uid = opts->uid,
		.gid = opts->gid,
		.read_fds = read_fds,
		.n_read_fds = CS_COUNT(read_fds),
		.max_memory = opts->max_memory,
		.max_cpu_s = opts->max_cpu_s,
	};
	int rc = keep_only(r, err);

	/* Its start-up opens files. */
	git_libgit2_init();
	return rc < 0 ? rc : cs_confine_self(&confine, err);
}

static void send_error(struct reader *r, const struct cs_err *err)
{
	struct frame f = {
		.type = FRAME_ERROR,
		.flag = (unsigned int)-err->code,
		.data = *err->msg ? err->msg : "unknown",
	};

	f.data_len = strlen(f.data);
	frame_format(&r->out, &f);
	/* Nobody is left to tell if this fails: the writer then sees the end of the stream. */
	(void)!reader_flush(r, NULL);
}

static _Noreturn void run_child(const struct reader *template, int out_fd, reader_fn fn,
				const struct stream_opts *opts, pid_t parent)
{
	struct reader r = *template;
	struct cs_err err = CS_ERR_INIT;
	int rc;

	r.out_fd = out_fd;
	r.out = (struct cs_buf)CS_BUF_INIT;
	signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	cs_fault("reader-begins");
	rc = prepare(&r, opts, &err);
	if (!rc)
		rc = fn(&r, &err);
	cs_fault("reader-done");
	if (rc < 0)
		send_error(&r, &err);
	_exit(rc < 0);
}

int stream_open(struct stream *out, const struct stream_opts *opts, const struct reader *r,
		reader_fn fn, struct cs_err *err)
{
	pid_t parent = getpid();
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cs_err_sys(err, "pipe");
	pid = fork();
	if (pid == 0)
		run_child(r, fds[1], fn, opts, parent);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return cs_err_sys(err, "fork");
	}
	*out = (struct stream){
		.pid = pid,
		.fd = fds[0],
		.deadline_ns = cs_mono_ns() + (int64_t)opts->deadline_ms * 1000000,
		.deadline_ms = opts->deadline_ms,
		.buf = cs_malloc(STREAM_BUF),
	};
	return 0;
}

/* ---- the writer's end ------------------------------------------------------------------------ */

/* A child that closed its pipe is about to end; one that is not is killed. */
#define LAST_WORDS_MS 10000

static int reap(struct stream *s)
{
	AUTO_FD int pidfd = pidfd_open(s->pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int status = 0;

	if (pidfd < 0 || poll(&p, 1, LAST_WORDS_MS) < 1)
		kill(s->pid, SIGKILL);
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
	return status;
}

void stream_release(struct stream *s)
{
	if (s->pid) {
		kill(s->pid, SIGKILL);
		reap(s);
	}
	cs_close(&s->fd);
	free(s->buf);
	s->buf = NULL;
}

static int too_late(struct stream *s, struct cs_err *err)
{
	return cs_err_set(err, CS_LIMIT, "the reader was not ready after %d s",
			  (s->deadline_ms + 999) / 1000);
}

/* Waits for bytes or the end. */
static int wait_readable(struct stream *s, struct cs_err *err)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	for (;;) {
		int64_t left = (s->deadline_ns - cs_mono_ns() + 999999) / 1000000;
		int n;

		if (left <= 0)
			return too_late(s, err);
		n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return cs_err_sys(err, "wait for the reader");
	}
}

/* More bytes behind those that wait: their number, 0 at the end of the stream. */
static ssize_t fill(struct stream *s, struct cs_err *err)
{
	ssize_t n;
	int rc;

	if (s->start) {
		memmove(s->buf, s->buf + s->start, s->end - s->start);
		s->end -= s->start;
		s->start = 0;
	}
	rc = wait_readable(s, err);
	if (rc < 0)
		return rc;
	do {
		n = read(s->fd, s->buf + s->end, STREAM_BUF - s->end);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return cs_err_sys(err, "read from the reader");
	s->end += (size_t)n;
	return n;
}

static int ended(struct stream *s, struct cs_err *err)
{
	int status = reap(s);

	if (WIFSIGNALED(status))
		return cs_err_set(err, CS_CORRUPT, "the reader was killed: %s",
				  strsignal(WTERMSIG(status)));
	return cs_err_set(err, CS_CORRUPT, "the reader ended too early (status %d)",
			  WEXITSTATUS(status));
}

static int carried_error(const struct frame *f, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int code = -(int)f->flag;

	cs_escape_terminal(&text, f->data, f->data_len, CS_ESCAPE_LINE);
	if (code > CS_MALFUNCTION || code < CS_BUSY)
		code = CS_CORRUPT;
	return cs_err_set(err, code, "reader: %s", text.data);
}

int stream_next(struct frame *out, struct stream *s, struct cs_err *err)
{
	for (;;) {
		ssize_t n = frame_parse(out, s->buf + s->start, s->end - s->start, err);

		if (n < 0)
			return (int)n;
		if (n > 0) {
			s->start += (size_t)n;
			return out->type == FRAME_ERROR ? carried_error(out, err) : 0;
		}
		n = fill(s, err);
		if (n < 0)
			return (int)n;
		if (!n)
			return ended(s, err);
	}
}

int stream_finish(struct stream *s, struct cs_err *err)
{
	struct frame f;
	ssize_t n = 0;
	int status;

	if (s->start == s->end)
		n = fill(s, err);
	if (n < 0)
		return (int)n;
	if (s->start != s->end) {
		int rc = stream_next(&f, s, err);

		return rc < 0 ? rc
			      : cs_err_set(err, CS_CORRUPT, "the reader sent more than it said");
	}
	status = reap(s);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return cs_err_set(err, CS_CORRUPT, "the reader ended badly");
	return 0;
}
