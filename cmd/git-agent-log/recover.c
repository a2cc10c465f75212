/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupted runs: captured and recorded as far as they came. */
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include "countersign/policy.h"
#include "countersign/worktree.h"

#define POLICY_FILE "policy"

/* The rules that were in force when the run started, for what is sensitive in its change. */
static int load_policy(struct cs_policy **out, struct log *log, const char *id, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_POLICY struct cs_policy *policy = NULL;
	struct cs_err why = CS_ERR_INIT;
	int rc = cs_run_read(&text, log->repo, log->state_dir, id, POLICY_FILE, &why);

	cs_policy_new(&policy);
	if (rc == 0)
		rc = cs_policy_add(policy, CS_LAYER_FILE, POLICY_FILE, text.data, text.len, &why);
	if (rc < 0 && rc != CS_NOTFOUND)
		return cs_err_set(err, rc, "run %.8s: %s", id, why.msg);
	rc = cs_policy_seal(policy, err);
	if (rc < 0)
		return rc;
	*out = cs_steal(&policy);
	return 0;
}

static void say_recovered(struct log *log, const struct cs_run_info *info)
{
	fprintf(log->out.file, "run %.8s: recorded as %s, %s\n", info->id,
		cs_run_state_name(info->state),
		info->change_commit.len ? "with a change" : "nothing changed");
}

static void warn(void *arg, const char *what)
{
	AUTO_FREE char *text = cs_escape_line(what);

	(void)arg;
	fprintf(stderr, "git-agent-log: %s\n", text);
}

static int recover_one(struct log *log, const char *id, const char *excludes, struct cs_err *err)
{
	AUTO_POLICY struct cs_policy *policy = NULL;
	AUTO_FREE char *key_dir = cs_config_path(getenv("HOME"), getenv("XDG_CONFIG_HOME"), NULL);
	struct cs_finish_opts opts = {
		.repo = log->repo,
		.home = getenv("HOME"),
		.user_excludes = excludes,
		.key_dir = key_dir,
		.warn = warn
	};
	struct cs_run_info info;
	int rc = load_policy(&policy, log, id, err);

	if (rc < 0)
		return rc;
	opts.sensitive = cs_policy_list(policy, "review.sensitive");
	cs_run_info_init(&info);
	rc = cs_run_recover(&info, log->state_dir, id, &opts, err);
	if (rc == 0)
		say_recovered(log, &info);
	cs_run_info_release(&info);
	return rc;
}

/* Every run whose directory nobody holds any more and that has no record. */
static int find_interrupted(struct cs_strv *ids, struct log *log, struct cs_err *err)
{
	AUTO_STRV struct cs_strv all = CS_STRV_INIT;
	int rc = cs_run_list(&all, log->repo, log->state_dir, err);

	for (size_t i = 0; rc == 0 && i < all.n; i++) {
		struct cs_run_info info;

		cs_run_info_init(&info);
		if (cs_run_load(&info, log->repo, log->state_dir, all.v[i], NULL) == 0 &&
		    info.state == CS_RUN_INTERRUPTED && !*info.trace_head)
			cs_strv_add(ids, all.v[i]);
		cs_run_info_release(&info);
	}
	return rc;
}

int log_recover(struct log *log, const struct cs_strv *specs, struct cs_err *err)
{
	AUTO_STRV struct cs_strv ids = CS_STRV_INIT;
	AUTO_BUF struct cs_buf excludes = CS_BUF_INIT;
	int rc = cs_worktree_excludes(&excludes, log->repo, getenv("HOME"),
				      getenv("XDG_CONFIG_HOME"), err);

	for (size_t i = 0; rc == 0 && i < specs->n; i++) {
		char id[CS_RUN_ID_HEX];

		rc = cs_run_find(id, log->repo, log->state_dir, specs->v[i], err);
		if (rc == 0)
			cs_strv_add(&ids, id);
	}
	if (rc == 0 && !specs->n)
		rc = find_interrupted(&ids, log, err);
	if (rc == 0 && !ids.n)
		fputs("git-agent-log: no interrupted runs\n", stderr);
	for (size_t i = 0; rc == 0 && i < ids.n; i++) {
		rc = recover_one(log, ids.v[i], excludes.data, err);
		/* One that had not begun is gone now: no reason to leave the others. */
		if (rc == CS_NOTFOUND && !specs->n) {
			fprintf(stderr, "git-agent-log: %s\n", err->msg);
			rc = 0;
		}
	}
	return rc;
}
