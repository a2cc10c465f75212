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
 *
 * What goes to a terminal of ours goes through cs_terminal_filter(), a pipe's bytes too; a file or
 * a pipe of ours gets them as they are. Two flows to terminals share one filter and take turns, so
 * that no part of one's sequence meets a part of the other's. At the end, on suspension and at exit
 * the modes that the agent left are reset before anything of ours is printed, and input that came
 * too late for it (keys, answers of the terminal) is discarded: it must not reach the shell.
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

#define CHUNK		  65536
#define ANSWERS_WITHIN_MS 250 /* a terminal that does not answer by then does not answer */
#define RECENT_NS	  (int64_t)2000000000

struct flow {
	struct stream *stream;
	int from, to;
	bool own_from; /* closed at the end: the writer sees that nobody reads */
	bool own_to;   /* closed at the end: the reader sees end of file */
	bool done;
	bool filtered;	 /* to a terminal: what is written is text, not data */
	bool ended;	 /* nothing more to read; text is still to be written */
	bool waits;	 /* for the other one to finish its sequence */
	uint64_t again;	 /* timer of a descriptor that epoll cannot watch, or 0 */
	size_t len, off; /* of what is to be written */
	struct cs_buf text;
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
	struct cs_terminal filter;
	int terminal_fd;       /* where filtered text goes, or -1 */
	bool cut;	       /* text was dropped, perhaps in the middle of a sequence */
	int64_t asked_mono_ns; /* when a question to the terminal last passed */
	struct flow *writing;  /* the filtered flow that has begun to write */
	struct flow flows[3];
};

/* For the handler that exit() runs: the terminal must be usable whatever ended us. */
static struct stream *raw_stream;

/* Whether the terminal reads UTF-8: its line discipline knows, or the locale says so. */
static bool reads_utf8(int fd)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *locale = NULL;
	struct termios t;

	if (tcgetattr(fd, &t) == 0 && t.c_iflag & IUTF8)
		return true;
	for (size_t i = 0; i < CS_COUNT(names) && (!locale || !*locale); i++)
		locale = getenv(names[i]);
	return locale && (strcasestr(locale, "utf-8") || strcasestr(locale, "utf8"));
}

static void leave_modes(struct stream *s)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	if (s->terminal_fd < 0)
		return;
	/* CAN ends a sequence that was written in part. */
	if (s->cut)
		cs_buf_addc(&out, '\030');
	s->cut = false;
	cs_terminal_leave(&out, &s->filter);
	/* A terminal that is gone needs nothing. */
	if (out.len && cs_write_all(s->terminal_fd, out.data, out.len) < 0)
		s->terminal_fd = -1;
}

/*
 * Answers to questions of the agent's that are still on their way: a terminal answers in order, so
 * the answer to a question of our own, one that the filter keeps for us, is the last of them.
 * Everything up to it is discarded.
 */
static void await_answers(struct stream *s)
{
	static const char question[] = "\033[5n", last[] = "\033[0n";
	int64_t until = cs_mono_ns() + ANSWERS_WITHIN_MS * (int64_t)1000000;
	struct pollfd p = { .fd = 0, .events = POLLIN };
	size_t seen = 0;

	if (!s->asked_mono_ns || cs_mono_ns() - s->asked_mono_ns > RECENT_NS ||
	    s->terminal_fd < 0 || cs_write_all(s->terminal_fd, question, sizeof question - 1) < 0)
		return;
	while (last[seen] && cs_mono_ns() < until) {
		char c;
		if (poll(&p, 1, (int)((until - cs_mono_ns()) / 1000000) + 1) <= 0 ||
		    read(0, &c, 1) != 1)
			return;
		seen = c == last[seen] ? seen + 1 : c == last[0];
	}
}

static void restore(void)
{
	struct stream *s = raw_stream;

	if (!s)
		return;
	leave_modes(s);
	if (s->raw) {
		await_answers(s);
		tcsetattr(0, TCSAFLUSH, &s->saved);
	}
	s->raw = false;
	raw_stream = NULL;
}

/* From here on exit() gives the terminal back. */
static void guard(struct stream *s)
{
	static bool registered;

	if (!registered)
		atexit(restore);
	registered = true;
	raw_stream = s;
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
	guard(s);
	return 0;
}

int streams_open(struct run *run, int stdio[3], struct cs_err *err)
{
	struct stream *s = cs_calloc(1, sizeof *s);
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, errs[2] = { -1, -1 };

	run->stream = s;
	s->in_fd = s->out_fd = s->err_fd = s->master_fd = s->terminal_fd = -1;
	for (size_t i = 0; i < CS_COUNT(s->flows); i++)
		s->flows[i].text = (struct cs_buf)CS_BUF_INIT;
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
static void flow_again(void *arg);
static void pass_turn(struct flow *f);

static void flow_end(struct flow *f)
{
	f->done = true;
	pass_turn(f);
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
	const char *data = f->filtered ? f->text.data : f->data;

	while (f->off < f->len) {
		struct pollfd p = { .fd = f->to, .events = POLLOUT };
		if (poll(&p, 1, 0) == 0)
			return;
		size_t n = f->len - f->off;
		ssize_t w = write(f->to, data + f->off, n > PIPE_BUF ? PIPE_BUF : n);
		if (w < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (w < 0) {
			/*
			 * Our reader is gone: the writer learns it as it would without us. What
			 * cannot be written for another reason is dropped.
			 */
			bool gone = errno == EPIPE && f->own_from;
			f->off = f->len = 0;
			pass_turn(f);
			if (f->own_to || gone)
				flow_end(f);
			return;
		}
		f->off += (size_t)w;
	}
	f->off = f->len = 0;
	pass_turn(f);
}

/* What was read, as the terminal may see it. */
static void filter(struct flow *f, size_t n)
{
	struct stream *s = f->stream;
	uint64_t before = s->filter.queries;

	cs_buf_truncate(&f->text, 0);
	if (n)
		cs_terminal_filter(&f->text, &s->filter, f->data, n);
	else
		cs_terminal_end(&f->text, &s->filter);
	if (s->filter.queries != before)
		s->asked_mono_ns = cs_mono_ns();
	f->len = f->text.len;
}

static void flow_read(struct flow *f)
{
	ssize_t n = read(f->from, f->data, sizeof f->data);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* EIO: the terminal has no slave any more */
		f->ended = true;
		if (f->filtered)
			filter(f, 0);
		return;
	}
	f->len = (size_t)n;
	f->total += f->len;
	count_interrupts(f);
	if (f->filtered)
		filter(f, (size_t)n);
}

static void flow_step(struct flow *f)
{
	struct stream *s = f->stream;

	if (f->filtered && s->writing && s->writing != f) {
		f->waits = true;
		return;
	}
	if (!f->len && !f->ended)
		flow_read(f);
	if (f->len) {
		if (f->filtered)
			s->writing = f;
		flow_write(f);
	}
	if (!f->len && f->ended && !f->done)
		flow_end(f);
	if (!f->done)
		flow_wait(f);
}

/* Lets the other terminal flow write, if it was this one's turn. */
static void pass_turn(struct flow *f)
{
	struct stream *s = f->stream;

	if (s->writing != f)
		return;
	s->writing = NULL;
	for (size_t i = 0; i < CS_COUNT(s->flows); i++) {
		struct flow *other = &s->flows[i];
		if (!other->waits)
			continue;
		other->waits = false;
		/* From the loop, not from here: the two would call each other. */
		other->again = cs_loop_after(s->loop, 0, flow_again, other);
	}
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
	int rc = f->len ? cs_loop_add(s->loop, f->to, EPOLLOUT, flow_ready, f, NULL)
			: cs_loop_add(s->loop, f->from, EPOLLIN, flow_ready, f, NULL);

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

/* Marks a flow that ends at a terminal. */
static void to_terminal(struct stream *s, struct flow *f, int fd, unsigned flags)
{
	f->filtered = true;
	s->terminal_fd = fd;
	s->filter.flags = flags | (reads_utf8(fd) ? 0 : CS_TERMINAL_EIGHT_BIT);
	guard(s);
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
		/* Answers would go to whoever reads the terminal, and that is not the agent. */
		for (int fd = 2; fd >= 1; fd--)
			if (isatty(fd))
				to_terminal(s, &s->flows[fd], fd, CS_TERMINAL_NO_QUERIES);
		s->flows[0].own_to = s->flows[1].own_from = s->flows[2].own_from = true;
		flow_start(s, &s->flows[0], 0, cs_steal_fd(&s->in_fd));
		flow_start(s, &s->flows[1], cs_steal_fd(&s->out_fd), 1);
		flow_start(s, &s->flows[2], cs_steal_fd(&s->err_fd), 2);
		return 0;
	}
	if (fcntl(master_fd, F_SETFL, O_NONBLOCK) < 0 || make_raw(s) < 0)
		return cs_err_sys(err, "terminal");
	streams_resize(run);
	to_terminal(s, &s->flows[1], 1, 0);
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
	if (f->filtered && f->len)
		f->stream->cut = true;
	if (f->again || f->waits)
		; /* not in the loop */
	else if (!f->done && f->len)
		cs_loop_remove(f->stream->loop, f->to);
	else if (!f->done)
		cs_loop_remove(f->stream->loop, f->from);
	if (f->again)
		cs_loop_cancel(f->stream->loop, f->again);
	f->again = 0;
	f->waits = false;
	if (!f->done)
		flow_end(f);
}

void streams_finish(struct run *run)
{
	struct stream *s = run->stream;

	for (size_t i = 0; i < CS_COUNT(s->flows); i++)
		flow_stop(&s->flows[i]);
	restore();
}

void streams_suspend(struct run *run)
{
	leave_modes(run->stream);
	if (run->stream->raw)
		tcsetattr(0, TCSAFLUSH, &run->stream->saved);
}

/*
 * The modes as the agent has them. A program that was stopped without a chance to clean up does
 * not know that its screen is gone: a size that changes and changes back makes it draw.
 */
static void enter_modes(struct stream *s)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct winsize size;

	if (s->terminal_fd < 0)
		return;
	cs_terminal_enter(&out, &s->filter);
	if (!out.len || cs_write_all(s->terminal_fd, out.data, out.len) < 0)
		return;
	if (s->master_fd >= 0 && ioctl(s->master_fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 1) {
		size.ws_row--;
		ioctl(s->master_fd, TIOCSWINSZ, &size);
	}
}

void streams_resume(struct run *run)
{
	struct termios raw;

	if (!run->stream->raw) {
		enter_modes(run->stream);
		return;
	}
	if (tcgetattr(0, &run->stream->saved) < 0)
		return;
	raw = run->stream->saved;
	cfmakeraw(&raw);
	tcsetattr(0, TCSADRAIN, &raw);
	enter_modes(run->stream);
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
	for (size_t i = 0; i < CS_COUNT(s->flows); i++)
		cs_buf_release(&s->flows[i].text);
	free(s);
	run->stream = NULL;
}
