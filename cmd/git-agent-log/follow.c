/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A live run's events as they are written: from the start of the log to run.end. The log's
 * descriptor stays good when the directory goes at the end of the run; a supervisor that was
 * killed is seen by its lock. Ctrl-C ends the watching, between two lines, and not the run.
 */
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOG_FILE  "events.jsonl"
#define LOOK_MS	  1000 /* how often a silent run is asked whether it lives */
#define READ_STEP 65536

static volatile sig_atomic_t stopped;

struct follower {
	struct log *log;
	enum show show;
	struct live live;
	struct cs_buf rest; /* an unfinished line */
	int64_t offset;	    /* of it in the log */
	bool ended;
};

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* The first one ends the watching; a second one this program. */
static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void write_raw(struct follower *f, const char *line, size_t len)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	cs_escape_terminal(&text, line, len, CS_ESCAPE_TEXT);
	cs_buf_addc(&text, '\n');
	cs_out_write(&f->log->out, &text);
}

static void write_line(struct follower *f, const cJSON *event)
{
	struct line line;

	line_init(&line);
	event_line(&line, f->log, &f->live, event);
	line_write(&line, &f->log->out);
	line_release(&line);
}

static void take_line(struct follower *f, const char *line, size_t len)
{
	AUTO_JSON cJSON *event = NULL;

	if (cs_json_parse(&event, line, len, NULL) < 0)
		return;
	if (!f->live.started_ns)
		f->live.started_ns = event_time(event, 0);
	if (f->show == SHOW_EVENTS)
		write_raw(f, line, len);
	else if (event_is_shown(event, f->show))
		write_line(f, event);
	live_take(&f->live, event, (struct cs_log_place){ f->offset, (uint32_t)len });
	f->ended = is_type(event, "run.end");
}

/* Everything that is there now. */
static int take_new(struct follower *f, int fd, struct cs_err *err)
{
	while (!stopped) {
		const char *lf;
		size_t used = 0;
		ssize_t n;

		cs_buf_reserve(&f->rest, READ_STEP);
		n = read(fd, f->rest.data + f->rest.len, READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cs_err_sys(err, "read " LOG_FILE);
		if (n == 0)
			break;
		f->rest.len += (size_t)n;
		while (!stopped && (lf = memchr(f->rest.data + used, '\n', f->rest.len - used))) {
			size_t len = (size_t)(lf - f->rest.data) - used;

			take_line(f, f->rest.data + used, len);
			f->offset += (int64_t)len + 1;
			used += len + 1;
		}
		cs_buf_consume(&f->rest, used);
	}
	if (fflush(f->log->out.file))
		return cs_err_sys(err, "write");
	return 0;
}

/* Waits until the log may have grown; the notifications themselves say nothing more. */
static void wait_for_more(int notify_fd)
{
	struct pollfd p = { .fd = notify_fd, .events = POLLIN };
	char events[4096];

	if (poll(&p, 1, LOOK_MS) > 0 && read(notify_fd, events, sizeof(events)) < 0)
		p.revents = 0;
}

static bool is_running(const struct log *log, const char *id)
{
	struct cs_run_info info;
	bool running;

	cs_run_info_init(&info);
	running = cs_run_load(&info, log->repo, log->state_dir, id, NULL) == 0 &&
		  info.state == CS_RUN_RUNNING;
	cs_run_info_release(&info);
	return running;
}

static int follow_file(struct follower *f, const char *id, const char *path, int fd,
		       struct cs_err *err)
{
	/* Without inotify (its limits are small) looking once a second is good enough. */
	AUTO_FD int notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int rc = 0;

	if (notify_fd >= 0 && inotify_add_watch(notify_fd, path, IN_MODIFY) < 0)
		cs_close(&notify_fd);
	while (rc == 0 && !f->ended && !stopped) {
		bool running = is_running(f->log, id); /* asked first: then nothing is missed */

		rc = take_new(f, fd, err);
		if (!running)
			break;
		if (rc == 0 && !f->ended && !stopped)
			wait_for_more(notify_fd);
	}
	return rc;
}

/* A run that is over: its events from the record. */
static int replay(struct log *log, const char *id, enum show show, struct cs_err *err)
{
	struct cs_run_info info;
	int rc;

	cs_run_info_init(&info);
	rc = cs_run_load(&info, log->repo, log->state_dir, id, err);
	if (rc == 0)
		rc = show == SHOW_COMMANDS  ? show_commands(log, &info, err)
		     : show == SHOW_NETWORK ? show_network(log, &info, err)
					    : show_events(log, &info, show, err);
	cs_run_info_release(&info);
	return rc;
}

int follow(struct log *log, const char *id, enum show show, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/runs/%s/" LOG_FILE, log->state_dir, id);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct follower f = { .log = log, .show = show, .rest = CS_BUF_INIT };
	int rc;

	if (fd < 0)
		return replay(log, id, show, err);
	live_init(&f.live, fd, 0);
	watch_signals();
	rc = follow_file(&f, id, path, fd, err);
	if (rc == 0 && stopped)
		fprintf(stderr, "git-agent-log: stopped watching; run %.8s goes on\n", id);
	live_release(&f.live);
	cs_buf_release(&f.rest);
	return rc;
}
