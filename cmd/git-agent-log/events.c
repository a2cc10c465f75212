/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as they are, and as one line each: for what was denied, and for following a run. Strings
 * in events are the agent's; all of them leave through escaping.
 */
#include "view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BY_COLUMNS 40	 /* of a command in a remark */
#define LONG_MS	   1000	 /* an end that is worth a line */
#define COPY_STEP  65536 /* events are copied in pieces of this size */

/* ---- running commands ---- */

void live_init(struct live *live, int fd, int64_t started_ns)
{
	*live = (struct live){ .fd = fd, .started_ns = started_ns };
	live->by_pid = cs_calloc(MAX_PID, sizeof(*live->by_pid)); /* touched where pids are */
}

void live_release(struct live *live)
{
	free(live->by_pid);
}

static struct live_command *live_command(const struct live *live, const cJSON *event,
					 const char *key)
{
	int64_t pid = cs_json_int(event, key, -1);

	return live->by_pid && pid > 0 && pid < MAX_PID ? &live->by_pid[pid] : NULL;
}

/* As the tree has it: below its parent, or where the process was already. */
static uint32_t depth_of(const struct live *live, const cJSON *event)
{
	const struct live_command *own = live_command(live, event, "pid");
	const struct live_command *above = live_command(live, event, "ppid");

	if (own && own->depth)
		return own->depth - 1;
	return is_type(event, "exec") && above ? above->depth : 0;
}

void live_take(struct live *live, const cJSON *event, struct cs_log_place at)
{
	struct live_command *own = live_command(live, event, "pid");

	if (own && is_type(event, "exec"))
		*own = (struct live_command){ at, depth_of(live, event) + 1 };
	else if (own && is_type(event, "exit"))
		*own = (struct live_command){ 0 };
}

struct cs_log_place live_place(const struct live *live, const cJSON *event)
{
	const struct live_command *own = live_command(live, event, "pid");

	return own ? own->at : (struct cs_log_place){ 0 };
}

/* ---- one line for each kind ---- */

static void add_field(struct cs_buf *out, const char *lead, const cJSON *event, const char *key)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if (cs_json_get_bytes(&text, event, key) < 0 || !text.len)
		return;
	cs_buf_adds(out, lead);
	cs_escape_terminal(out, text.data, text.len, CS_ESCAPE_LINE);
}

/* Why something was refused: the rule, and what it says. */
static void tail_field(struct line *line, enum cs_colour colour, const char *lead,
		       const cJSON *event, const char *key)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	add_field(&text, lead, event, key);
	if (text.len)
		cs_buf_add(line_tail(line, colour), text.data, text.len);
}

static void tail_reason(struct line *line, const cJSON *event)
{
	tail_field(line, CS_RED, "-- ", event, "reason");
	tail_field(line, CS_DIM, "-- rule ", event, "rule");
}

static void say_decision(struct line *line, const cJSON *event)
{
	if (is_allowed(event))
		return;
	cs_buf_adds(&line->text, "denied ");
	line->colour = CS_RED;
}

void line_by(struct line *line, int fd, struct cs_log_place at)
{
	AUTO_JSON cJSON *exec = at.len ? read_event(fd, at) : NULL;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_buf *tail;

	if (!exec)
		return;
	add_command(&text, exec, BY_COLUMNS);
	cut_to(&text, BY_COLUMNS);
	tail = line_tail(line, CS_DIM);
	cs_buf_adds(tail, "by ");
	cs_buf_add(tail, text.data, text.len);
}

static void exec_line(struct line *line, const struct log *log, const struct live *live,
		      const cJSON *event)
{
	(void)live;
	say_decision(line, event);
	add_command(&line->text, event, line_room(line, &log->out));
	line_marks(line, event, NULL);
}

static void exit_line(struct line *line, const struct log *log, const struct live *live,
		      const cJSON *event)
{
	struct cs_log_place at = live_place(live, event);
	AUTO_JSON cJSON *exec = at.len ? read_event(live->fd, at) : NULL;
	int64_t signal = cs_json_int(event, "signal", 0), code = cs_json_int(event, "code", -1);

	if (signal)
		cs_buf_addf(&line->text, "signal %" PRId64, signal);
	else if (code < 0)
		cs_buf_adds(&line->text, "status unknown");
	else
		cs_buf_addf(&line->text, "status %" PRId64, code);
	line->colour = signal || code > 0 ? CS_RED : CS_DIM;
	cs_buf_adds(&line->text, " after ");
	add_duration(&line->text, cs_json_int(event, "duration_ms", 0));
	cs_buf_adds(&line->text, ": ");
	if (exec)
		add_command(&line->text, exec, line_room(line, &log->out));
	else
		cs_buf_addf(&line->text, "process %" PRId64, cs_json_int(event, "pid", 0));
}

static void connect_line(struct line *line, const struct log *log, const struct live *live,
			 const cJSON *event)
{
	(void)log;
	say_decision(line, event);
	add_field(&line->text, "", event, "host");
	cs_buf_addf(&line->text, ":%" PRId64, cs_json_int(event, "port", 0));
	add_field(&line->text, " -> ", event, "addr");
	line_by(line, live->fd, live_place(live, event));
	tail_reason(line, event);
}

static void connect_end_line(struct line *line, const struct log *log, const struct live *live,
			     const cJSON *event)
{
	connect_line(line, log, live, event);
	cs_buf_addf(line_tail(line, CS_PLAIN), "closed, %" PRId64 " bytes out, %" PRId64 " in",
		    cs_json_int(event, "bytes_out", 0), cs_json_int(event, "bytes_in", 0));
}

static void dns_line(struct line *line, const struct log *log, const struct live *live,
		     const cJSON *event)
{
	(void)log;
	say_decision(line, event);
	add_field(&line->text, "", event, "name");
	line_by(line, live->fd, live_place(live, event));
	tail_reason(line, event);
}

static void finding_line(struct line *line, const struct log *log, const struct live *live,
			 const cJSON *event)
{
	AUTO_BUF struct cs_buf detail = CS_BUF_INIT;

	(void)log;
	(void)live;
	add_field(&line->text, "", event, "kind");
	add_field(&line->text, "  ", event, "path");
	line->colour = CS_YELLOW;
	if (cs_json_get_bytes(&detail, event, "detail") == 0 && detail.len)
		add_detail(line_tail(line, CS_PLAIN), detail.data);
}

/* Everything else: its fields as they are, in JSON, which is ASCII. */
static void other_line(struct line *line, const struct log *log, const struct live *live,
		       const cJSON *event)
{
	static const char *const known[] = { "seq", "t", "prev", "type" };
	AUTO_JSON cJSON *rest = cJSON_Duplicate(event, true);

	(void)log;
	(void)live;
	for (size_t i = 0; i < CS_COUNT(known); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(rest, known[i]);
	cs_json_print(&line->text, rest, false);
}

typedef void fill_line(struct line *line, const struct log *log, const struct live *live,
		       const cJSON *event);
static const struct kind {
	const char *type;
	enum show view;
	fill_line *fill;
} kinds[] = {
	{ "exec", SHOW_COMMANDS, exec_line },
	{ "exit", SHOW_COMMANDS, exit_line },
	{ "connect", SHOW_NETWORK, connect_line },
	{ "connect.end", SHOW_NETWORK, connect_end_line },
	{ "dns", SHOW_NETWORK, dns_line },
	{ "finding", SHOW_FINDINGS, finding_line },
	{ NULL, SHOW_EVENTS, other_line },
};

static const struct kind *kind_of(const cJSON *event)
{
	const struct kind *kind = kinds;

	while (kind->type && !is_type(event, kind->type))
		kind++;
	return kind;
}

static bool is_denial(const cJSON *event)
{
	return is_type(event, "limit") ||
	       (cJSON_GetObjectItemCaseSensitive(event, "decision") && !is_allowed(event));
}

/* Of the many ends of commands, those that somebody may wait for. */
static bool is_dull(const cJSON *event)
{
	return is_type(event, "exit") && cs_json_int(event, "code", -1) == 0 &&
	       cs_json_int(event, "duration_ms", 0) < LONG_MS;
}

bool event_is_shown(const cJSON *event, enum show show)
{
	if (show == SHOW_DENIED)
		return is_denial(event);
	return show == SHOW_SUMMARY || (show == kind_of(event)->view && !is_dull(event));
}

void event_line(struct line *line, const struct log *log, const struct live *live,
		const cJSON *event)
{
	AUTO_BUF struct cs_buf type = CS_BUF_INIT;

	line_time(line, &log->out, event_time(event, live->started_ns));
	add_foreign(&type, cs_json_str(event, "type", "?"));
	cut_to(&type, 24);
	cs_buf_addf(&type, "%*s", columns_of(&type) < 12 ? 12 - (int)columns_of(&type) : 1, "");
	line_lead(line, &log->out, CS_PLAIN, type.data);
	line->indent = depth_of(live, event);
	kind_of(event)->fill(line, log, live, event);
}

/* ---- the views ---- */

struct reader {
	struct log *log;
	struct live live;
	enum show show;
	struct cs_buf before; /* the line before, without its time */
	uint64_t repeated;
};

static void say_repeated(struct reader *r)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if (r->repeated)
		cs_buf_addf(&text, "%25s... and %" PRIu64 " more times the same\n", "",
			    r->repeated);
	cs_out_write(&r->log->out, &text);
	r->repeated = 0;
}

/* An agent may be told the same again and again: that is one line, and a number. */
static bool repeats(struct reader *r, const struct line *line)
{
	AUTO_BUF struct cs_buf all = CS_BUF_INIT;
	bool same;

	cs_buf_add(&all, line->text.data, line->text.len);
	for (size_t i = 0; i < line->n_tails; i++)
		cs_buf_add(&all, line->tails[i].text.data, line->tails[i].text.len);
	same = all.len == r->before.len && !memcmp(all.data, r->before.data, all.len);
	if (same) {
		r->repeated++;
	} else {
		say_repeated(r);
		cs_buf_truncate(&r->before, 0);
		cs_buf_add(&r->before, all.data, all.len);
	}
	return same;
}

static void show_one(void *arg, const cJSON *event, struct cs_log_place at)
{
	struct reader *r = arg;
	struct line line;

	if (event_is_shown(event, r->show)) {
		line_init(&line);
		event_line(&line, r->log, &r->live, event);
		if (r->show == SHOW_DENIED)
			line.indent = 0; /* what it is below is not shown */
		if (r->show != SHOW_DENIED || !repeats(r, &line))
			line_write(&line, &r->log->out);
		line_release(&line);
	}
	live_take(&r->live, event, at);
}

static void ignore(void *arg, const cJSON *event, struct cs_log_place at)
{
	(void)arg;
	(void)event;
	(void)at;
}

/* Changes nothing in what we wrote: it is ASCII. Somebody else's may not be. */
static int copy_log(struct log *log, int fd, bool live, struct cs_err *err)
{
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	AUTO_BUF struct cs_buf safe = CS_BUF_INIT;

	for (off_t at = 0;;) {
		const char *lf;
		ssize_t n;

		cs_buf_reserve(&raw, COPY_STEP);
		n = pread(fd, raw.data + raw.len, COPY_STEP, at);
		if (n < 0)
			return cs_err_sys(err, "read the event log");
		at += n;
		raw.len += (size_t)n;
		/* In whole lines, so that no character is cut; but no more than a line's maximum.
		 */
		lf = memrchr(raw.data, '\n', raw.len);
		if (!lf && n && raw.len < (2u << 20))
			continue;
		if (n == 0 && live)
			break; /* the writer is in the middle of a line */
		n = n == 0 || !lf ? (ssize_t)raw.len : lf + 1 - raw.data;
		cs_buf_truncate(&safe, 0);
		cs_escape_terminal(&safe, raw.data, (size_t)n, CS_ESCAPE_TEXT);
		cs_out_write(&log->out, &safe);
		cs_buf_consume(&raw, (size_t)n);
		if (!n)
			break;
	}
	return 0;
}

int show_events(struct log *log, const struct cs_run_info *info, enum show show, struct cs_err *err)
{
	struct reader r = { .log = log, .show = show, .before = CS_BUF_INIT };
	AUTO_FD int fd = -1;
	int rc;

	live_init(&r.live, -1, info->started_ns);
	if (show == SHOW_EVENTS) {
		rc = read_log(&fd, log, info, ignore, NULL, err);
		if (rc == 0)
			rc = copy_log(log, fd, info->state == CS_RUN_RUNNING, err);
	} else {
		rc = read_log(&r.live.fd, log, info, show_one, &r, err);
		say_repeated(&r);
		cs_close(&r.live.fd);
	}
	cs_buf_release(&r.before);
	live_release(&r.live);
	return rc;
}
