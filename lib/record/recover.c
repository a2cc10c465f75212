/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run whose supervisor died, finished by somebody else. What the supervisor knew in memory is
 * gone; what it knew is in the log, because events are written before they take effect.
 */
#include "record_dir.h"

#include <string.h>

#define NS_PER_MS 1000000

static bool is_type(const cJSON *event, const char *type)
{
	return !strcmp(cs_json_str(event, "type", ""), type);
}

static bool is_allowed(const cJSON *event)
{
	return !strcmp(cs_json_str(event, "decision", ""), "allow");
}

static void recall_finding(struct cs_run_info *info, const cJSON *event)
{
	AUTO_BUF struct cs_buf path = CS_BUF_INIT;
	AUTO_BUF struct cs_buf detail = CS_BUF_INIT;

	/* What is missing or no text stays empty. */
	if (cs_json_get_bytes(&path, event, "path") < 0)
		cs_buf_truncate(&path, 0);
	if (cs_json_get_bytes(&detail, event, "detail") < 0)
		cs_buf_truncate(&detail, 0);
	cs_finding_copy(&info->findings, cs_json_str(event, "kind", "unknown"), path.data,
			detail.data);
}

/* Counts and findings, from each event that the log has. */
static void recall(void *arg, const cJSON *event)
{
	struct cs_run_info *info = arg;

	if (is_type(event, "exec")) {
		info->counts.commands++;
		info->counts.commands_denied += !is_allowed(event);
		info->counts.commands_unverified += !cs_json_bool(event, "verified", true);
	} else if (is_type(event, "exit")) {
		info->counts.commands_failed +=
			cs_json_int(event, "code", 0) != 0 || cs_json_int(event, "signal", 0) != 0;
	} else if (is_type(event, "connect")) {
		info->counts.connections++;
		info->counts.connections_denied += !is_allowed(event);
	} else if (is_type(event, "finding")) {
		recall_finding(info, event);
	}
}

static void forget_counts(struct cs_run_info *info)
{
	cs_findings_release(&info->findings);
	info->findings = (struct cs_findings)CS_FINDINGS_INIT;
	memset(&info->counts, 0, sizeof(info->counts));
}

static void mark_interrupted(struct cs_run_info *info, const struct cs_log *log)
{
	if (info->state != CS_RUN_FAILED)
		info->state = CS_RUN_INTERRUPTED;
	if (!info->ended_ns)
		info->ended_ns = cs_log_last_ns(log);
	if (info->ended_ns < info->started_ns)
		info->ended_ns = info->started_ns;
	if (!info->duration_ms)
		info->duration_ms = (info->ended_ns - info->started_ns) / NS_PER_MS;
	if (!info->exit_reason)
		info->exit_reason = cs_strdup("interrupted");
}

/* With the directory locked: everything up to the reference. */
static int recover_locked(struct cs_run_info *info, struct cs_run_dir *dir,
			  const struct cs_finish_opts *opts, struct cs_err *err)
{
	struct cs_finish_opts finish = *opts;
	struct cs_log *log = NULL;
	int rc;

	forget_counts(info);
	rc = cs_log_reopen(&log, dir->fd, recall, info, err);
	if (rc < 0)
		return rc;
	mark_interrupted(info, log);
	rc = cs_log_add(log, "run.recover", NULL, err);
	cs_fault("recover-begun");
	finish.dir = dir;
	finish.log = log;
	if (rc == 0)
		rc = cs_run_finish_again(info, &finish, true, err);
	cs_log_free(log);
	return rc;
}

static int remove_unbegun(struct cs_run_dir *dir, struct cs_err *err)
{
	char id[CS_RUN_ID_HEX];
	int rc;

	memcpy(id, dir->id, sizeof(id));
	rc = cs_run_dir_remove(dir, err);
	if (rc < 0)
		return rc;
	return cs_err_set(err, CS_NOTFOUND, "run %s had not begun; its directory is removed", id);
}

static int record_now(struct cs_run_info *info, const char *state_dir, struct cs_run_dir *dir,
		      const struct cs_finish_opts *opts, struct cs_err *err)
{
	AUTO_FD int runs_fd = cs_runs_open(state_dir, err);
	int rc;

	if (runs_fd < 0)
		return runs_fd;
	rc = cs_run_dir_load(info, runs_fd, dir->id, err);
	if (rc == 0 && !info->base_commit.len)
		return remove_unbegun(dir, err);
	return rc < 0 ? rc : recover_locked(info, dir, opts, err);
}

static void tell_login(void *arg, const char *path, const struct cs_err *why)
{
	const struct cs_finish_opts *opts = arg;
	AUTO_FREE char *text =
		why ? cs_asprintf("~/%s is not copied back: %s", path, why->msg)
		    : cs_asprintf("~/%s: the agent refreshed this login, it is copied back", path);

	if (opts->warn)
		opts->warn(opts->arg, text);
}

static int recover(struct cs_run_info *info, const char *state_dir, struct cs_run_dir *dir,
		   const struct cs_finish_opts *opts, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	struct cs_oid record;
	int rc = cs_run_record(&record, opts->repo, dir->id, err);

	if (rc == 1) { /* it was killed after the commit point */
		rc = cs_run_load(info, opts->repo, state_dir, dir->id, err);
		if (rc == 0)
			rc = cs_provenance_attach_again(opts->repo, state_dir, dir->id, err);
	} else if (rc == 0) {
		rc = record_now(info, state_dir, dir, opts, err);
	}
	if (rc == 0 && opts->home)
		cs_run_return_logins(dir, opts->home, tell_login, (void *)opts);
	/* The session is not worth the run, nor that its directory is met again and again. */
	if (rc == 0 && cs_run_keep_sessions(dir, state_dir, &why) < 0 && opts->warn)
		opts->warn(opts->arg, why.msg);
	return rc < 0 ? rc : cs_run_dir_remove(dir, err);
}

int cs_run_recover(struct cs_run_info *info, const char *state_dir, const char *id,
		   const struct cs_finish_opts *opts, struct cs_err *err)
{
	struct cs_run_dir dir = CS_RUN_DIR_INIT;
	int rc = cs_run_dir_open(&dir, state_dir, id, err);

	if (rc < 0)
		return rc;
	rc = recover(info, state_dir, &dir, opts, err);
	cs_run_dir_close(&dir);
	return rc < 0 ? cs_err_wrap(err, "recover") : 0;
}
