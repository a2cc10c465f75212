/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log as people read it: commands with their outcome, connections, refusals. Strings in
 * events are the agent's; all of them leave through add_foreign() and add_words().
 */
#include "log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOG_FILE "events.jsonl"
#define MAX_PID	 (1 << 22) /* PID_MAX_LIMIT */

static bool is_allowed(const cJSON *event)
{
	return !strcmp(cs_json_str(event, "decision", "deny"), "allow");
}

static bool is_type(const cJSON *event, const char *type)
{
	return !strcmp(cs_json_str(event, "type", ""), type);
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
static void add_reason(struct cs_buf *out, const cJSON *event)
{
	add_field(out, "  -- ", event, "reason");
	add_field(out, "  -- rule ", event, "rule");
}

static void add_decision(const struct out *to, struct cs_buf *out, const cJSON *event)
{
	if (is_allowed(event))
		return;
	out_colour(to, out, RED);
	cs_buf_adds(out, "denied ");
	out_colour(to, out, PLAIN);
}

static void format_exec(struct cs_buf *out, const struct out *to, const cJSON *event)
{
	add_decision(to, out, event);
	add_words(out, cJSON_GetObjectItemCaseSensitive(event, "argv"));
	if (!cs_json_bool(event, "verified", true))
		cs_buf_adds(out, "  [unverified]");
	if (!is_allowed(event))
		add_reason(out, event);
}

static void add_outcome(struct cs_buf *out, const cJSON *event)
{
	int64_t signal = cs_json_int(event, "signal", 0);

	if (signal)
		cs_buf_addf(out, "signal %" PRId64, signal);
	else
		cs_buf_addf(out, "exit %" PRId64, cs_json_int(event, "code", -1));
}

static void format_exit(struct cs_buf *out, const struct out *to, const cJSON *event)
{
	(void)to;
	cs_buf_addf(out, "process %" PRId64 ": ", cs_json_int(event, "pid", 0));
	add_outcome(out, event);
	cs_buf_adds(out, " after ");
	add_duration(out, cs_json_int(event, "duration_ms", 0));
}

static void format_connect(struct cs_buf *out, const struct out *to, const cJSON *event)
{
	add_decision(to, out, event);
	add_field(out, "", event, "host");
	cs_buf_addf(out, ":%" PRId64, cs_json_int(event, "port", 0));
	add_field(out, " -> ", event, "addr");
	add_reason(out, event);
}

static void format_connect_end(struct cs_buf *out, const struct out *to, const cJSON *event)
{
	(void)to;
	add_field(out, "", event, "host");
	cs_buf_addf(out, ":%" PRId64 " closed, %" PRId64 " bytes out, %" PRId64 " in",
		    cs_json_int(event, "port", 0), cs_json_int(event, "bytes_out", 0),
		    cs_json_int(event, "bytes_in", 0));
}

static void format_dns(struct cs_buf *out, const struct out *to, const cJSON *event)
{
	add_decision(to, out, event);
	add_field(out, "", event, "name");
	add_reason(out, event);
}

static void format_finding(struct cs_buf *out, const struct out *to, const cJSON *event)
{
	AUTO_BUF struct cs_buf detail = CS_BUF_INIT;

	out_colour(to, out, YELLOW);
	add_field(out, "", event, "kind");
	out_colour(to, out, PLAIN);
	add_field(out, "  ", event, "path");
	if (cs_json_get_bytes(&detail, event, "detail") < 0 || !detail.len)
		return;
	cs_buf_adds(out, "  ");
	add_detail(out, detail.data);
}

/* Everything else: its fields as they are. */
static void format_other(struct cs_buf *out, const struct out *to, const cJSON *event)
{
	static const char *const known[] = { "seq", "t", "prev", "type" };
	AUTO_JSON cJSON *rest = cJSON_Duplicate(event, true);

	(void)to;
	for (size_t i = 0; i < CS_COUNT(known); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(rest, known[i]);
	cs_json_print(out, rest, false);
}

static const struct {
	const char *type;
	enum show view;
	void (*format)(struct cs_buf *out, const struct out *to, const cJSON *event);
} kinds[] = {
	{ "exec", SHOW_COMMANDS, format_exec },
	{ "exit", SHOW_COMMANDS, format_exit },
	{ "connect", SHOW_NETWORK, format_connect },
	{ "connect.end", SHOW_NETWORK, format_connect_end },
	{ "dns", SHOW_NETWORK, format_dns },
	{ "finding", SHOW_FINDINGS, format_finding },
	{ "limit", SHOW_DENIED, format_other },
};

static bool is_denial(const cJSON *event)
{
	return is_type(event, "limit") ||
	       (cJSON_GetObjectItemCaseSensitive(event, "decision") && !is_allowed(event));
}

void format_event(struct cs_buf *out, const struct log *log, const cJSON *event, enum show show,
		  int64_t started_ns)
{
	const char *type = cs_json_str(event, "type", "?");
	void (*format)(struct cs_buf *, const struct out *, const cJSON *) = format_other;
	enum show view = SHOW_EVENTS;
	int64_t at_ns;

	for (size_t i = 0; i < CS_COUNT(kinds); i++) {
		if (!strcmp(kinds[i].type, type)) {
			format = kinds[i].format;
			view = kinds[i].view;
		}
	}
	if (show == SHOW_DENIED ? !is_denial(event) : show != SHOW_SUMMARY && show != view)
		return;
	if (cs_time_parse(&at_ns, cs_json_str(event, "t", "")) < 0)
		at_ns = started_ns;
	out_colour(&log->out, out, DIM);
	cs_buf_addf(out, "%10.3fs  ", (double)(at_ns - started_ns) / 1e9);
	out_colour(&log->out, out, PLAIN);
	cs_escape_terminal(out, type, strlen(type), CS_ESCAPE_LINE);
	cs_buf_addf(out, "%*s", strlen(type) < 12 ? (int)(12 - strlen(type)) : 1, "");
	format(out, &log->out, event);
	cs_buf_addc(out, '\n');
}

/* ---- reading ---- */

/*
 * Reads the log and says on standard error when it is not what the record vouches for: it is
 * shown all the same, since it is what there is.
 */
static int read_log(struct cs_buf *text, struct log *log, const struct cs_run_info *info,
		    struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	char head[CS_SHA256_HEX] = "";
	int64_t events;
	int rc = cs_run_read(text, log->repo, log->state_dir, info->id, LOG_FILE, err);

	if (rc < 0)
		return rc;
	/* The writer may be in the middle of a line. */
	while (info->state == CS_RUN_RUNNING && text->len && text->data[text->len - 1] != '\n')
		cs_buf_truncate(text, text->len - 1);
	rc = cs_log_verify(&events, head, text->data, text->len, &why);
	if (rc == 0 && *info->trace_head && strcmp(head, info->trace_head) != 0)
		rc = cs_err_set(&why, CS_CORRUPT, "it is not the log that the record names");
	if (rc < 0) {
		AUTO_FREE char *line = cs_escape_line(why.msg);

		fprintf(stderr, "git-agent-log: warning: event log damaged: %s\n", line);
	}
	return 0;
}

struct reader {
	struct log *log;
	const struct cs_run_info *info;
	enum show show;
	void (*each)(struct reader *r, const cJSON *event);
	struct command *commands;
	size_t n, cap;
	uint32_t *latest; /* by pid: index of its latest command plus one */
};

/* Lines that do not parse are in the warning; nothing can be said of them here. */
static void each_line(struct reader *r, const struct cs_buf *text)
{
	const char *at = text->data;
	const char *end = at + text->len;

	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		size_t len = lf ? (size_t)(lf - at) : (size_t)(end - at);
		AUTO_JSON cJSON *event = NULL;

		if (cs_json_parse(&event, at, len, NULL) == 0)
			r->each(r, event);
		at += len + 1;
	}
}

/* ---- commands, joined with how they ended ---- */

struct command {
	struct cs_buf line; /* argv and marks */
	int64_t at_ns;
	bool denied, ended, replaced;
	int64_t code, signal, duration_ms;
};

static uint32_t *latest_of(struct reader *r, const cJSON *event)
{
	int64_t pid = cs_json_int(event, "pid", -1);

	return pid >= 0 && pid < MAX_PID ? &r->latest[pid] : NULL;
}

static void add_command(struct reader *r, const cJSON *event)
{
	uint32_t *latest = latest_of(r, event);
	struct command *c;

	CS_GROW(r->commands, r->n, r->cap);
	if (latest && *latest)
		r->commands[*latest - 1].replaced = !r->commands[*latest - 1].ended;
	c = &r->commands[r->n++];
	*c = (struct command){ .line = CS_BUF_INIT, .denied = !is_allowed(event) };
	if (cs_time_parse(&c->at_ns, cs_json_str(event, "t", "")) < 0)
		c->at_ns = r->info->started_ns;
	format_exec(&c->line, &r->log->out, event);
	if (latest)
		*latest = (uint32_t)r->n;
}

static void end_command(struct reader *r, const cJSON *event)
{
	uint32_t *latest = latest_of(r, event);
	struct command *c;

	if (!latest || !*latest)
		return;
	c = &r->commands[*latest - 1];
	c->ended = true;
	c->code = cs_json_int(event, "code", -1);
	c->signal = cs_json_int(event, "signal", 0);
	c->duration_ms = cs_json_int(event, "duration_ms", 0);
	*latest = 0; /* the number may be used again */
}

static void join_command(struct reader *r, const cJSON *event)
{
	if (is_type(event, "exec"))
		add_command(r, event);
	else if (is_type(event, "exit"))
		end_command(r, event);
}

/* "exit 1", "signal 9"; "->" for one that went on as the next command of its process. */
static void add_end(struct cs_buf *out, const struct command *c)
{
	if (c->denied)
		cs_buf_adds(out, "denied");
	else if (c->replaced)
		cs_buf_adds(out, "->");
	else if (!c->ended)
		cs_buf_adds(out, "?");
	else if (c->signal)
		cs_buf_addf(out, "signal %" PRId64, c->signal);
	else
		cs_buf_addf(out, "exit %" PRId64, c->code);
}

static void write_command(struct reader *r, struct command *c)
{
	const struct out *to = &r->log->out;
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	AUTO_BUF struct cs_buf end = CS_BUF_INIT;
	AUTO_BUF struct cs_buf took = CS_BUF_INIT;
	bool bad = c->denied || (c->ended && (c->signal || c->code));

	add_end(&end, c);
	if (c->ended)
		add_duration(&took, c->duration_ms);
	out_colour(to, &line, DIM);
	cs_buf_addf(&line, "%10.3fs  ", (double)(c->at_ns - r->info->started_ns) / 1e9);
	out_colour(to, &line, PLAIN);
	if (bad)
		out_colour(to, &line, RED);
	cs_buf_addf(&line, "%-9s", end.data);
	if (bad)
		out_colour(to, &line, PLAIN);
	cs_buf_addf(&line, " %7s  %s\n", took.data, c->line.data);
	out_write(&r->log->out, &line);
	cs_buf_release(&c->line);
}

static void write_commands(struct reader *r, const struct cs_buf *text)
{
	r->latest = cs_calloc(MAX_PID, sizeof(*r->latest)); /* touched where pids are */
	r->each = join_command;
	each_line(r, text);
	for (size_t i = 0; i < r->n; i++)
		write_command(r, &r->commands[i]);
	free(r->commands);
	free(r->latest);
}

/* ---- the views ---- */

static void write_event(struct reader *r, const cJSON *event)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;

	format_event(&line, r->log, event, r->show, r->info->started_ns);
	out_write(&r->log->out, &line);
}

int show_events(struct log *log, const struct cs_run_info *info, enum show show, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf safe = CS_BUF_INIT;
	struct reader r = { .log = log, .info = info, .show = show, .each = write_event };
	int rc = read_log(&text, log, info, err);

	if (rc < 0)
		return rc;
	if (show == SHOW_EVENTS) {
		/* Changes nothing in what we wrote: it is ASCII. Somebody else's may not be. */
		cs_escape_terminal(&safe, text.data, text.len, CS_ESCAPE_TEXT);
		out_write(&log->out, &safe);
	} else if (show == SHOW_COMMANDS) {
		write_commands(&r, &text);
	} else {
		each_line(&r, &text);
	}
	return 0;
}
