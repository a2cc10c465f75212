/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: written before what they describe takes effect. When the log does not take one, every
 * verdict from then on is "deny", and the supervisor ends the run.
 */
#include "report.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void report_add(struct report *r, const char *type, cJSON *fields)
{
	struct cs_err err;

	if (cs_log_add(r->run->log, type, fields, &err) < 0 && !r->err.code)
		r->err = err;
}

#define MAX_DENIALS 65536

/*
 * One line for the agent to read in /run/agent-run/denials, so that it need not try again; the event
 * in the log is what counts. An agent that tries all the same does not fill the disk with it.
 */
static void tell_denied(struct report *r, const char *what, const char *detail)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	AUTO_FD int fd = cs_open_beneath(r->run->dir.fd, "denials", O_WRONLY | O_APPEND, 0);
	struct stat st;

	cs_escape_terminal(&line, what, strlen(what), CS_ESCAPE_LINE);
	cs_buf_adds(&line, ": ");
	cs_escape_terminal(&line, detail, strlen(detail), CS_ESCAPE_LINE);
	cs_buf_addc(&line, '\n');
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size >= MAX_DENIALS)
		return;
	if (st.st_size + (off_t)line.len >= MAX_DENIALS) {
		cs_buf_truncate(&line, 0);
		cs_buf_addf(&line, "%*s\n", (int)(MAX_DENIALS - st.st_size - 1),
			    "and more, which are not listed here");
	}
	/* A full disk ends the run elsewhere. */
	(void)!cs_write_all(fd, line.data, line.len);
}

void report_unreachable(struct report *r, const char *host, uint16_t port, const char *why)
{
	AUTO_FREE char *target = cs_asprintf("network: %s:%u", host, port);

	tell_denied(r, target, why);
}

/* ---- the relay ---- */

static cJSON *host_event(const struct cs_egress_event *e)
{
	cJSON *o = cJSON_CreateObject();
	cs_json_add_bytes(o, "host", e->host, strlen(e->host));
	return o;
}

static void add_command(cJSON *o, struct report *r, const struct cs_egress_event *e)
{
	pid_t pid = peers_command(r->peers, e->cookie);

	if (pid)
		cs_json_add_int(o, "pid", pid);
	else
		cs_json_add_str(o, "pid", NULL);
	if (!pid && e->type != CS_EGRESS_CLOSED)
		r->unattributed++;
}

static cJSON *connect_event(struct report *r, const struct cs_egress_event *e, bool allow)
{
	cJSON *o = host_event(e);

	cs_json_add_int(o, "connection", (int64_t)e->id);
	add_command(o, r, e);
	cs_json_add_str(o, "addr", e->addr[0] ? e->addr : NULL);
	cs_json_add_int(o, "port", e->port);
	cs_json_add_str(o, "proto", "tcp");
	cs_json_add_str(o, "decision", allow ? "allow" : "deny");
	cs_json_add_str(o, "rule", e->origin[0] ? e->origin : NULL);
	if (e->reason[0])
		cs_json_add_bytes(o, "reason", e->reason, strlen(e->reason));
	return o;
}

static cJSON *dns_event(const struct cs_egress_event *e)
{
	cJSON *o = cJSON_CreateObject();

	cs_json_add_bytes(o, "name", e->host, strlen(e->host));
	cs_json_add_str(o, "decision", e->allowed ? "allow" : "deny");
	return o;
}

void report_egress(struct report *r, const struct cs_egress_event *e)
{
	struct cs_run_info *info = &r->run->info;
	AUTO_FREE char *target = cs_asprintf("network: %s:%u", e->host, e->port);
	cJSON *o;

	switch (e->type) {
	case CS_EGRESS_DNS:
		peers_stands(r->peers, e->local_addr, e->host);
		report_add(r, "dns", dns_event(e));
		if (!e->allowed)
			tell_denied(r, e->host, "no rule allows this host");
		break;
	case CS_EGRESS_CONNECT:
		info->counts.connections++;
		report_add(r, "connect", connect_event(r, e, true));
		break;
	case CS_EGRESS_REFUSED:
		info->counts.connections++;
		info->counts.connections_denied++;
		report_add(r, "connect", connect_event(r, e, false));
		tell_denied(r, target, e->reason);
		break;
	case CS_EGRESS_CLOSED:
		/* The rule allowed it, then the address, the protocol or the network did not. */
		if (!e->allowed) {
			info->counts.connections_denied++;
			tell_denied(r, target, e->reason);
		}
		o = connect_event(r, e, e->allowed);
		cs_json_add_int(o, "bytes_in", (int64_t)e->bytes_in);
		cs_json_add_int(o, "bytes_out", (int64_t)e->bytes_out);
		report_add(r, "connect.end", o);
		break;
	}
}

/* ---- commands ---- */

static cJSON *argv_event(const struct cs_trace_exec *e, size_t *redacted)
{
	AUTO_BUF struct cs_buf shown = CS_BUF_INIT;
	cJSON *list = cJSON_CreateArray();

	*redacted = cs_trace_redact(&shown, e->argv, e->argv_len, e->argv_total > e->argv_len);
	for (size_t at = 0; at < shown.len;) {
		size_t len = strnlen(shown.data + at, shown.len - at);
		cJSON_AddItemToArray(list, cs_json_bytes(shown.data + at, len));
		at += len + 1;
	}
	return list;
}

static cJSON *exec_event(const struct cs_trace_exec *e, const struct judgement *j)
{
	cJSON *o = cJSON_CreateObject();
	size_t redacted;

	cs_json_add_int(o, "pid", e->pid);
	cs_json_add_int(o, "ppid", e->parent ? e->parent : e->ppid);
	cs_json_add_bytes(o, "exe", e->exe, strlen(e->exe));
	if (strcmp(e->exe, e->file) != 0)
		cs_json_add_bytes(o, "file", e->file, strlen(e->file));
	cs_json_add_str(o, "sha256", e->sha256[0] ? e->sha256 : NULL);
	cs_json_add(o, "argv", argv_event(e, &redacted));
	if (redacted)
		cs_json_add_int(o, "redacted", (int64_t)redacted);
	if (e->argv_total > e->argv_len) {
		cs_json_add_int(o, "argc", e->argc);
		cs_json_add_int(o, "argv_bytes", (int64_t)e->argv_total);
		cs_json_add_str(o, "argv_sha256", e->argv_sha256[0] ? e->argv_sha256 : NULL);
	}
	cs_json_add_bytes(o, "cwd", e->cwd, strlen(e->cwd));
	cs_json_add_str(o, "decision", j->allow ? "allow" : "deny");
	cs_json_add_str(o, "rule", j->rule ? j->rule->origin : NULL);
	if (j->why)
		cs_json_add_str(o, "reason", j->why);
	cs_json_add_bool(o, "verified", e->verified);
	if (e->unverified)
		cs_json_add_str(o, "unverified", e->unverified);
	return o;
}

static void tell_refused(struct report *r, const struct cs_trace_exec *e,
			 const struct judgement *j, char reason[CS_TRACE_REASON_MAX])
{
	const char *words = j->rule ? j->rule->words : e->file;
	const char *origin = j->rule ? j->rule->origin : "the trace";

	snprintf(reason, CS_TRACE_REASON_MAX, "'%s' is refused by %s%s%s", words, origin,
		 j->why ? ": " : "", j->why ? j->why : "");
	tell_denied(r, words, j->why ? j->why : origin);
}

enum cs_trace_verdict report_exec(void *arg, const struct cs_trace_exec *e,
				  char reason[CS_TRACE_REASON_MAX])
{
	struct report *r = arg;
	struct judgement j;

	judge_command(&j, r, e);
	if (!j.allow) {
		r->run->info.counts.commands_denied++;
		tell_refused(r, e, &j, reason);
	}
	r->run->info.counts.commands++;
	report_add(r, "exec", exec_event(e, &j));
	return j.allow && !r->err.code ? CS_TRACE_RUN : CS_TRACE_DENY;
}

void report_exit(void *arg, const struct cs_trace_exit *end)
{
	struct report *r = arg;
	cJSON *o = cJSON_CreateObject();

	cs_json_add_int(o, "pid", end->pid);
	if (end->status >= 0 && WIFEXITED(end->status))
		cs_json_add_int(o, "code", WEXITSTATUS(end->status));
	else if (end->status >= 0 && WIFSIGNALED(end->status))
		cs_json_add_int(o, "signal", WTERMSIG(end->status));
	if (end->status > 0)
		r->run->info.counts.commands_failed++;
	cs_json_add_int(o, "duration_ms", end->duration_ms);
	report_add(r, "exit", o);
}

/* What could not be seen is said, loudly: never a silent gap. */
void report_trace_end(struct report *r, const struct cs_trace *trace)
{
	struct cs_trace_counts c;
	cJSON *o = cJSON_CreateObject();

	cs_trace_counts(trace, &c);
	r->run->info.counts.commands_unverified = (int64_t)c.unverified;
	r->run->info.counts.failed_execs = (int64_t)c.failed_execs;
	const struct {
		const char *name;
		uint64_t n;
		const char *finding;
	} table[] = {
		{ "failed_execs", c.failed_execs, NULL },
		{ "unverified", c.unverified, "programs whose image the supervisor could not read" },
		{ "debugged", c.debugged, NULL },
		{ "unknown_exits", c.unknown_exits, NULL },
		{ "unfollowed", c.unfollowed, "programs whose end was not followed" },
		{ "refused", c.refused, "program starts refused: too many at once" },
		{ "broken", c.broken, "the trace broke; no program could start from then on" },
		{ "unattributed", r->unattributed, NULL },
	};
	for (size_t i = 0; i < CS_COUNT(table); i++) {
		cs_json_add_int(o, table[i].name, (int64_t)table[i].n);
		if (table[i].n && table[i].finding)
			cs_finding_add(&r->run->info.findings, "trace", "", "%llu %s",
				       (unsigned long long)table[i].n, table[i].finding);
	}
	report_add(r, "trace.end", o);
}
