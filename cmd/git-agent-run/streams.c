/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's standard streams: three pipes, or a terminal inside the sandbox whose master side is
 * here. Bytes are pumped between those and our own streams by flows: a flow reads only when it
 * holds nothing, and writes at most PIPE_BUF bytes where poll says there is room, so a slow reader
 * of ours never blocks the supervisor, and our streams' flags (shared with our parent) stay as
 * they are.
 *
 * In terminal mode our own terminal is raw while the agent runs, and restored at its end, on
 * suspension, and at exit.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define CHUNK 65536

struct flow {
	struct stream *stream;
	int from, to;
	bool own_from;	/* closed at the end: the writer sees that nobody reads */
	bool own_to;	/* closed at the end: the reader sees end of file */
	bool done;
	uint64_t again; /* timer of a descriptor that epoll cannot watch, or 0 */
	size_t len, off;
	uint64_t total; /* bytes read */
	char data[CHUNK];
};

struct stream {
	struct cs_loop *loop;
	int in_fd, out_fd, err_fd; /* our ends of the pipes */
	int master_fd;
	bool raw;
	int interrupts;
	struct termios saved;
	struct flow flows[3];
};

/* For the handler that exit() runs: the terminal must be usable whatever ended us. */
static struct stream *raw_stream;

static void restore(void)
{
	if (raw_stream && raw_stream->raw)
		tcsetattr(0, TCSADRAIN, &raw_stream->saved);
}

static int make_raw(struct stream *s)
{
	struct termios raw;

	if (tcgetattr(0, &s->saved) < 0)
		return -1;
	raw = s->saved;
	cfmakeraw(&raw);
	/* TCSADRAIN, not FLUSH: what was typed ahead is for the agent. */
	if (tcsetattr(0, TCSADRAIN, &raw) < 0)
		return -1;
	s->raw = true;
	if (!raw_stream)
		atexit(restore);
	raw_stream = s;
	return 0;
}

int streams_open(struct run *run, int stdio[3], struct cs_err *err)
{
	struct stream *s = cs_calloc(1, sizeof *s);
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, errs[2] = { -1, -1 };

	run->stream = s;
	s->in_fd = s->out_fd = s->err_fd = s->master_fd = -1;
	if (run->tty) {
		for (int i = 0; i < 3; i++) {
			stdio[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (stdio[i] < 0)
				return cs_err_sys(err, "open /dev/null");
		}
		return 0;
	}
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(errs, O_CLOEXEC) < 0) {
		cs_err_sys(err, "make pipes");
		int all[] = { in[0], in[1], out[0], out[1] };
		for (size_t i = 0; i < CS_COUNT(all); i++)
			cs_close(&all[i]);
		return CS_MALFUNCTION;
	}
	stdio[0] = in[0];
	stdio[1] = out[1];
	stdio[2] = errs[1];
	s->in_fd = in[1];
	s->out_fd = out[0];
	s->err_fd = errs[0];
	/* /dev/stdin and its like open the pipe anew: its owner must be the agent. */
	for (int i = 0; i < 3 && run->operator.root; i++)
		if (fchown(stdio[i], run->operator.uid, run->operator.gid) < 0)
			return cs_err_sys(err, "give a pipe to uid %u", run->operator.uid);
	return 0;
}

void streams_close_agent_side(int stdio[3])
{
	for (int i = 0; i < 3; i++)
		cs_close(&stdio[i]);
}

static void flow_wait(struct flow *f);

static void flow_end(struct flow *f)
{
	f->done = true;
	if (f->own_from)
		cs_close(&f->from);
	if (f->own_to)
		cs_close(&f->to);
}

/* Counts the Ctrl-C of a terminal that turns it into a signal: a raw one is the program's key. */
static void count_interrupts(struct flow *f)
{
	struct stream *s = f->stream;
	struct termios t;

	if (f->to != s->master_fd || s->master_fd < 0 || tcgetattr(s->master_fd, &t) < 0 ||
	    !(t.c_lflag & ISIG))
		return;
	for (size_t i = 0; i < f->len; i++)
		if ((cc_t)f->data[i] == t.c_cc[VINTR])
			s->interrupts++;
}

static void flow_write(struct flow *f)
{
	while (f->off < f->len) {
		struct pollfd p = { .fd = f->to, .events = POLLOUT };
		if (poll(&p, 1, 0) == 0)
			return;
		size_t n = f->len - f->off;
		ssize_t w = write(f->to, f->data + f->off, n > PIPE_BUF ? PIPE_BUF : n);
		if (w < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (w < 0) {
			/*
			 * Our reader is gone: the writer learns it as it would without us. What
			 * cannot be written for another reason is dropped.
			 */
			bool gone = errno == EPIPE && f->own_from;
			f->off = f->len = 0;
			if (f->own_to || gone)
				flow_end(f);
			return;
		}
		f->off += (size_t)w;
	}
	f->off = f->len = 0;
}

static void flow_read(struct flow *f)
{
	ssize_t n = read(f->from, f->data, sizeof f->data);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* EIO: the terminal has no slave any more */
		flow_end(f);
		return;
	}
	f->len = (size_t)n;
	f->total += f->len;
	count_interrupts(f);
}

static void flow_step(struct flow *f)
{
	if (!f->len)
		flow_read(f);
	if (f->len)
		flow_write(f);
	if (!f->done)
		flow_wait(f);
}

static void flow_ready(void *arg, int fd, uint32_t events)
{
	struct flow *f = arg;

	(void)events;
	cs_loop_remove(f->stream->loop, fd);
	flow_step(f);
}

static void flow_again(void *arg)
{
	struct flow *f = arg;

	f->again = 0;
	flow_step(f);
}

static void flow_wait(struct flow *f)
{
	struct stream *s = f->stream;
	int rc = f->len ? cs_loop_add(s->loop, f->to, EPOLLOUT, flow_ready, f, NULL) :
			  cs_loop_add(s->loop, f->from, EPOLLIN, flow_ready, f, NULL);

	/* Regular files are always ready, and epoll refuses them. */
	if (rc < 0)
		f->again = cs_loop_after(s->loop, 0, flow_again, f);
}

static void flow_start(struct stream *s, struct flow *f, int from, int to)
{
	f->stream = s;
	f->from = from;
	f->to = to;
	flow_wait(f);
}

int streams_start(struct run *run, struct cs_loop *loop, int master_fd, struct cs_err *err)
{
	struct stream *s = run->stream;

	s->loop = loop;
	s->master_fd = master_fd;
	if (!run->tty) {
		int ours[] = { s->in_fd, s->out_fd, s->err_fd };
		for (size_t i = 0; i < CS_COUNT(ours); i++)
			if (fcntl(ours[i], F_SETFL, O_NONBLOCK) < 0)
				return cs_err_sys(err, "streams");
		s->flows[0].own_to = s->flows[1].own_from = s->flows[2].own_from = true;
		flow_start(s, &s->flows[0], 0, cs_steal_fd(&s->in_fd));
		flow_start(s, &s->flows[1], cs_steal_fd(&s->out_fd), 1);
		flow_start(s, &s->flows[2], cs_steal_fd(&s->err_fd), 2);
		return 0;
	}
	if (fcntl(master_fd, F_SETFL, O_NONBLOCK) < 0 || make_raw(s) < 0)
		return cs_err_sys(err, "terminal");
	streams_resize(run);
	flow_start(s, &s->flows[0], 0, master_fd);
	flow_start(s, &s->flows[1], master_fd, 1);
	s->flows[2].done = true;
	return 0;
}

bool streams_drained(const struct run *run)
{
	const struct stream *s = run->stream;
	return s->flows[1].done && s->flows[2].done;
}

static void flow_stop(struct flow *f)
{
	if (!f->stream || !f->stream->loop)
		return;
	if (!f->done && f->len)
		cs_loop_remove(f->stream->loop, f->to);
	else if (!f->done)
		cs_loop_remove(f->stream->loop, f->from);
	if (f->again)
		cs_loop_cancel(f->stream->loop, f->again);
	f->again = 0;
	if (!f->done)
		flow_end(f);
}

void streams_finish(struct run *run)
{
	struct stream *s = run->stream;

	for (size_t i = 0; i < CS_COUNT(s->flows); i++)
		flow_stop(&s->flows[i]);
	restore();
	s->raw = false;
	raw_stream = NULL;
}

void streams_suspend(struct run *run)
{
	if (run->stream->raw)
		tcsetattr(0, TCSADRAIN, &run->stream->saved);
}

void streams_resume(struct run *run)
{
	struct termios raw;

	if (!run->stream->raw || tcgetattr(0, &run->stream->saved) < 0)
		return;
	raw = run->stream->saved;
	cfmakeraw(&raw);
	tcsetattr(0, TCSADRAIN, &raw);
	streams_resize(run);
}

void streams_resize(struct run *run)
{
	struct winsize size;

	if (run->stream->master_fd >= 0 && ioctl(0, TIOCGWINSZ, &size) == 0)
		ioctl(run->stream->master_fd, TIOCSWINSZ, &size);
}

int streams_interrupts(struct run *run)
{
	return run->stream->interrupts;
}

uint64_t streams_output(const struct run *run)
{
	return run->stream->flows[1].total + run->stream->flows[2].total;
}

void streams_free(struct run *run)
{
	struct stream *s = run->stream;

	if (!s)
		return;
	streams_finish(run);
	cs_close(&s->in_fd);
	cs_close(&s->out_fd);
	cs_close(&s->err_fd);
	cs_close(&s->master_fd);
	free(s);
	run->stream = NULL;
}
