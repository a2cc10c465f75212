/* SPDX-License-Identifier: Apache-2.0 */
/* One run: which of its views was asked for. */
#include "log.h"

#include <string.h>

#define SESSION_FILE   "session"
#define STATEMENT_FILE "statement.json"

/* Said where a view has nothing to show, so that nobody takes silence for an answer. */
static void say_none(const struct cs_run_info *info, const char *what)
{
	fprintf(stderr, "git-agent-log: run %.8s has no %s\n", info->id, what);
}

static int show_session(struct log *log, const struct cs_run_info *info, struct cs_err *err)
{
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err why = CS_ERR_INIT;
	int rc = cs_run_read(&raw, log->repo, log->state_dir, info->id, SESSION_FILE, &why);

	if (rc == CS_NOTFOUND) {
		say_none(info, "recorded terminal session");
		return 0;
	}
	if (rc < 0)
		return cs_err_set(err, rc, "%s", why.msg);
	cs_escape_terminal(&text, raw.data, raw.len, CS_ESCAPE_TEXT);
	cs_out_write(&log->out, &text);
	return 0;
}

static int show_export(struct log *log, const struct cs_run_info *info, struct cs_err *err)
{
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc;

	if (info->state == CS_RUN_RUNNING)
		return cs_err_set(err, CS_USAGE, "run %.8s is running: it has no statement yet",
				  info->id);
	rc = cs_run_read(&raw, log->repo, log->state_dir, info->id, STATEMENT_FILE, err);
	if (rc < 0)
		return rc;
	cs_escape_terminal(&text, raw.data, raw.len, CS_ESCAPE_TEXT);
	cs_out_write(&log->out, &text);
	return 0;
}

static void show_json(struct log *log, const struct cs_run_info *info)
{
	AUTO_JSON cJSON *json = cs_run_info_to_json(info);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	cs_json_print(&text, json, true);
	cs_buf_addc(&text, '\n');
	cs_out_write(&log->out, &text);
}

static int show_diff(struct log *log, const struct cs_run_info *info, struct cs_err *err)
{
	const struct cs_diff what = { log->repo, NULL, info->base_tree, info->change_tree };

	if (!info->change_commit.len) {
		say_none(info, "change");
		return 0;
	}
	return cs_show_diff(&log->out, &what, err);
}

static int show_view(struct log *log, const struct cs_run_info *info, struct cs_err *err)
{
	enum show show = (enum show)log->opts->show;

	switch (show) {
	case SHOW_SUMMARY:
		return show_summary(log, info, err);
	case SHOW_DIFF:
		return show_diff(log, info, err);
	case SHOW_SESSION:
		return show_session(log, info, err);
	case SHOW_FINDINGS:
		if (!info->findings.n)
			say_none(info, "findings");
		show_findings(log, info, SIZE_MAX);
		return 0;
	case SHOW_COMMANDS:
		return show_commands(log, info, err);
	case SHOW_NETWORK:
		return show_network(log, info, err);
	default:
		return show_events(log, info, show, err);
	}
}

static int check_options(const struct log_opts *o, struct cs_err *err)
{
	if (o->export_format && (o->show || o->follow || o->json))
		return cs_err_set(err, CS_USAGE, "--export stands alone");
	if (o->json && o->show)
		return cs_err_set(err, CS_USAGE, "--json and --show: give one of them");
	if (o->all && (o->show != SHOW_COMMANDS || o->follow))
		return cs_err_set(err, CS_USAGE, "--all is for --show commands");
	if (o->follow && o->json)
		return cs_err_set(err, CS_USAGE, "--follow --json: use --follow --show events");
	if (o->follow && (o->show == SHOW_DIFF || o->show == SHOW_SESSION))
		return cs_err_set(err, CS_USAGE, "--follow shows events only");
	if (o->n >= 0)
		return cs_err_set(err, CS_USAGE, "-n is for the list of runs");
	return 0;
}

int log_show(struct log *log, const char *spec, struct cs_err *err)
{
	const struct log_opts *o = log->opts;
	char id[CS_RUN_ID_HEX];
	struct cs_run_info info;
	int rc = check_options(o, err);

	if (rc == 0)
		rc = cs_run_find(id, log->repo, log->state_dir, spec, err);
	if (rc < 0)
		return rc;
	if (o->follow)
		return follow(log, id, (enum show)o->show, err);
	cs_run_info_init(&info);
	rc = cs_run_load(&info, log->repo, log->state_dir, id, err);
	if (rc == 0 && o->export_format)
		rc = show_export(log, &info, err);
	else if (rc == 0 && o->json)
		show_json(log, &info);
	else if (rc == 0)
		rc = show_view(log, &info, err);
	cs_run_info_release(&info);
	return rc;
}
