/* SPDX-License-Identifier: Apache-2.0 */
/* One run, for a person: what it was, what came of it, what to look at, what to do next. */
#include "log.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define MAX_FINDINGS 20
#define NEXT_WIDTH   32
#define DENIED_STEP  (1u << 31) /* no state: whatever it is, when something was refused */
#define NS_PER_S     INT64_C(1000000000)

static void add_label(struct cs_buf *out, const char *label)
{
	cs_buf_addf(out, "%-10s", label);
}

static void add_line(struct cs_buf *out, const char *label, const char *foreign)
{
	if (!foreign || !*foreign)
		return;
	add_label(out, label);
	add_foreign(out, foreign);
	cs_buf_addc(out, '\n');
}

static void add_list(struct cs_buf *out, const char *lead, const struct cs_strv *words)
{
	for (size_t i = 0; i < words->n; i++) {
		cs_buf_adds(out, i ? ", " : lead);
		add_foreign(out, words->v[i]);
	}
}

static void add_agent(struct cs_buf *out, const struct cs_run_info *info)
{
	AUTO_JSON cJSON *json = cs_run_info_to_json(info);
	const cJSON *agent = cJSON_GetObjectItemCaseSensitive(json, "agent");

	add_label(out, "agent");
	add_foreign(out, info->profile ? info->profile : "-");
	if (info->agent_version) {
		cs_buf_addc(out, ' ');
		add_foreign(out, info->agent_version);
	}
	cs_buf_addc(out, '\n');
	if (!info->argv.n)
		return;
	add_label(out, "command");
	add_words(out, cJSON_GetObjectItemCaseSensitive(agent, "argv"));
	cs_buf_addc(out, '\n');
}

/* How many had their files, and the names of those that did not. */
static void add_submodules(struct cs_buf *out, const struct cs_run_info *info)
{
	AUTO_BUF struct cs_buf empty = CS_BUF_INIT;
	size_t n = 0;
	size_t n_empty = 0;

	if (!info->submodules)
		return;
	for (const cJSON *m = info->submodules->child; m; m = m->next) {
		AUTO_BUF struct cs_buf path = CS_BUF_INIT;
		AUTO_FREE char *escaped = NULL;

		if (cs_json_bool(m, "populated", false)) {
			n++;
			continue;
		}
		if (cs_json_get_bytes(&path, m, "path") < 0)
			continue;
		escaped = cs_escape_line(path.data);
		cs_buf_addf(&empty, "%s %s", n_empty++ ? "," : "", escaped);
	}
	add_label(out, "populated");
	cs_buf_addf(out, "%zu submodule%s", n, n == 1 ? "" : "s");
	if (n_empty)
		cs_buf_addf(out, ", and %zu empty:%s", n_empty, empty.data);
	cs_buf_addc(out, '\n');
}

static void add_commits(struct cs_buf *out, const struct cs_run_info *info)
{
	char hex[CS_OID_HEX];

	if (info->base_commit.len) {
		add_label(out, "base");
		cs_buf_adds(out, cs_oid_hex(hex, &info->base_commit));
		if (info->uncommitted_on.len)
			cs_buf_addf(out, " (uncommitted changes on %.10s)",
				    cs_oid_hex(hex, &info->uncommitted_on));
		cs_buf_addc(out, '\n');
	}
	if (info->hidden_files) {
		add_label(out, "hidden");
		cs_buf_addf(out, "%" PRId64 " file%s of the base\n", info->hidden_files,
			    info->hidden_files == 1 ? "" : "s");
	}
	for (size_t i = 0; i < info->carried.n; i++) {
		AUTO_FREE char *path = cs_escape_line(info->carried.v[i]);

		add_label(out, "carried");
		cs_buf_addf(out, "%s\n", path);
	}
	add_submodules(out, info);
	if (*info->continues) {
		add_label(out, "continues");
		cs_buf_addf(out, "%.8s\n", info->continues);
	}
	if (!info->change_commit.len)
		return;
	add_label(out, "change");
	cs_buf_addf(out, "%s\n", cs_oid_hex(hex, &info->change_commit));
	add_label(out, "digest");
	cs_buf_addf(out, "sha256:%s\n", info->change_digest);
}

static void add_times(struct cs_buf *out, const struct cs_run_info *info)
{
	time_t s = (time_t)(info->started_ns / NS_PER_S);
	char text[64];
	struct tm tm;

	if (!info->started_ns || !localtime_r(&s, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm))
		return;
	add_label(out, "started");
	cs_buf_adds(out, text);
	if (info->ended_ns) {
		cs_buf_adds(out, ", took ");
		add_duration(out, info->duration_ms);
	}
	cs_buf_addc(out, '\n');
}

static void add_exit(struct cs_buf *out, const struct cs_run_info *info)
{
	if (!info->exit_reason && info->exit_code < 0 && info->exit_signal < 0)
		return;
	add_label(out, "exit");
	if (info->exit_code >= 0)
		cs_buf_addf(out, "status %d", info->exit_code);
	else if (info->exit_signal >= 0)
		cs_buf_addf(out, "signal %d (%s)", info->exit_signal, strsignal(info->exit_signal));
	if (info->exit_reason && strcmp(info->exit_reason, "exited") != 0) {
		cs_buf_adds(out, info->exit_code >= 0 || info->exit_signal >= 0 ? ", " : "");
		add_foreign(out, info->exit_reason);
	}
	cs_buf_addc(out, '\n');
}

static void add_sandbox(struct cs_buf *out, const struct cs_run_info *info)
{
	if (!info->level && !info->worktree)
		return;
	add_label(out, "sandbox");
	add_foreign(out, info->level ? info->level : "-");
	if (info->worktree) {
		cs_buf_adds(out, ", ");
		add_foreign(out, info->worktree);
	}
	add_list(out, "; not enforced: ", &info->not_enforced);
	cs_buf_addc(out, '\n');
}

static void add_policy(struct cs_buf *out, const struct cs_run_info *info)
{
	if (!*info->policy_digest)
		return;
	add_label(out, "policy");
	cs_buf_addf(out, "sha256:%.16s", info->policy_digest);
	add_list(out, " from ", &info->policy_sources);
	cs_buf_addc(out, '\n');
}

/* Whose key that is nobody here can say: on another machine it may be a listed one. */
static void add_signer(const struct log *log, struct cs_buf *out, const struct cs_run_info *info)
{
	struct cs_err err = CS_ERR_INIT;
	char fingerprint[64];
	int rc = cs_run_signer(fingerprint, log->repo, log->state_dir, info->id, &err);

	add_label(out, "signed");
	if (rc == 0)
		add_foreign(out, fingerprint);
	else if (rc == CS_NOTFOUND)
		cs_buf_adds(out, "no");
	else
		add_foreign(out, err.msg);
	cs_buf_addc(out, '\n');
}

static void add_counts(struct cs_buf *out, const struct cs_run_info *info)
{
	const struct {
		int64_t n;
		const char *what;
	} table[] = {
		{ info->counts.commands_failed, "failed" },
		{ info->counts.commands_denied, "denied" },
		{ info->counts.commands_unverified, "unverified" },
	};

	add_label(out, "commands");
	cs_buf_addf(out, "%" PRId64, info->counts.commands);
	for (size_t i = 0; i < CS_COUNT(table); i++) {
		if (table[i].n)
			cs_buf_addf(out, ", %" PRId64 " %s", table[i].n, table[i].what);
	}
	if (info->counts.failed_execs)
		cs_buf_addf(out, "; %" PRId64 " failed execs", info->counts.failed_execs);
	cs_buf_addc(out, '\n');
	add_label(out, "network");
	cs_buf_addf(out, "%" PRId64, info->counts.connections);
	if (info->counts.connections_denied)
		cs_buf_addf(out, ", %" PRId64 " denied", info->counts.connections_denied);
	cs_buf_addc(out, '\n');
}

static void add_head(const struct log *log, struct cs_buf *out, const struct cs_run_info *info)
{
	cs_out_colour(&log->out, out, CS_YELLOW);
	cs_buf_addf(out, "run %s", info->id);
	cs_out_colour(&log->out, out, CS_PLAIN);
	cs_buf_addf(out, " (%s)\n", cs_run_state_name(info->state));
	if (info->title && *info->title) {
		cs_buf_adds(out, "\n    ");
		cs_out_colour(&log->out, out, CS_BOLD);
		add_foreign(out, info->title);
		cs_out_colour(&log->out, out, CS_PLAIN);
		cs_buf_adds(out, "\n");
	}
	cs_buf_addc(out, '\n');
}

static void add_facts(const struct log *log, struct cs_buf *out, const struct cs_run_info *info)
{
	AUTO_FREE char *who = NULL;

	if (info->operator_name && info->operator_email)
		who = cs_asprintf("%s <%s>", info->operator_name, info->operator_email);
	add_agent(out, info);
	add_line(out, "operator", who);
	add_times(out, info);
	add_exit(out, info);
	add_commits(out, info);
	add_sandbox(out, info);
	add_policy(out, info);
	if (info->state != CS_RUN_RUNNING && *info->trace_head)
		add_signer(log, out, info);
	if (*info->trace_head) /* else nobody has counted yet */
		add_counts(out, info);
}

void show_findings(struct log *log, const struct cs_run_info *info, size_t max)
{
	size_t shown = info->findings.n < max ? info->findings.n : max;
	size_t total = info->findings.n + (size_t)info->findings.dropped;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	for (size_t i = 0; i < shown; i++) {
		const struct cs_finding *f = &info->findings.list[i];

		cs_buf_adds(&text, "    ");
		cs_out_colour(&log->out, &text, CS_YELLOW);
		add_foreign(&text, f->kind);
		cs_out_colour(&log->out, &text, CS_PLAIN);
		cs_buf_adds(&text, *f->path ? "  " : "");
		add_foreign(&text, f->path);
		cs_buf_adds(&text, *f->detail ? "  " : "");
		add_detail(&text, f->detail);
		cs_buf_addc(&text, '\n');
	}
	if (shown < total)
		cs_buf_addf(&text, "    and %zu more\n", total - shown);
	cs_out_write(&log->out, &text);
}

/* What one can do about a run in this state; its id follows the command. */
static const struct {
	unsigned states; /* bits; 0: whenever there is a change */
	const char *command, *what;
} next_steps[] = {
	{ 1u << CS_RUN_RUNNING, "git agent-log --follow", "watch it" },
	{ 1u << CS_RUN_INTERRUPTED, "git agent-log recover", "capture what is there" },
	{ 0, "git agent-log --show diff", "the change" },
	{ ~(1u << CS_RUN_RUNNING), "git agent-log --show commands", "what ran" },
	{ DENIED_STEP, "git agent-log --show denied", "what was refused" },
};

static bool applies(size_t step, const struct cs_run_info *info)
{
	bool has_record = info->trace_head[0] != '\0';

	if (next_steps[step].states == DENIED_STEP)
		return info->counts.commands_denied || info->counts.connections_denied;

	if (!next_steps[step].states)
		return info->change_commit.len > 0;
	if (next_steps[step].states == 1u << CS_RUN_INTERRUPTED && has_record)
		return false;
	return next_steps[step].states & 1u << info->state;
}

static void add_next(struct cs_buf *out, const struct cs_run_info *info)
{
	cs_buf_addc(out, '\n');
	for (size_t i = 0; i < CS_COUNT(next_steps); i++) {
		if (!applies(i, info))
			continue;
		cs_buf_addf(out, "  %s %.8s%*s%s\n", next_steps[i].command, info->id,
			    (int)(NEXT_WIDTH - strlen(next_steps[i].command)), "",
			    next_steps[i].what);
	}
}

int show_summary(struct log *log, const struct cs_run_info *info, struct cs_err *err)
{
	const struct cs_diff what = { log->repo, NULL, info->base_tree, info->change_tree };
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	size_t total;
	int rc = 0;

	add_head(log, &text, info);
	add_facts(log, &text, info);
	if (info->change_commit.len)
		cs_buf_addf(&text, "\n%" PRId64 " file%s changed, +%" PRId64 " -%" PRId64 "\n",
			    info->counts.files_changed, info->counts.files_changed == 1 ? "" : "s",
			    info->counts.lines_added, info->counts.lines_deleted);
	cs_out_write(&log->out, &text);
	cs_buf_truncate(&text, 0);
	if (info->change_commit.len)
		rc = cs_show_stat(&log->out, &what, err);
	if (info->findings.n) {
		total = info->findings.n + (size_t)info->findings.dropped;
		cs_buf_addf(&text, "\n%zu finding%s\n", total, total == 1 ? "" : "s");
		cs_out_write(&log->out, &text);
		cs_buf_truncate(&text, 0);
		show_findings(log, info, MAX_FINDINGS);
	}
	add_next(&text, info);
	cs_out_write(&log->out, &text);
	return rc;
}
