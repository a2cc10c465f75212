/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing runs. Named ones go whatever came of them; by age go, without --older-than, only runs
 * that are closed (they proposed nothing), after [record] keep; with it, every recorded run. A
 * running one never goes, an interrupted one that is not recorded only by name: its work exists
 * nowhere else. Pristine checkouts that no run needs any more go too (an interrupted one does).
 */
#include "log.h"

#include <stdlib.h>
#include "countersign/policy.h"
#include "countersign/worktree.h"

#define NS_PER_MS 1000000

struct pruning {
	struct log *log;
	int64_t max_age_ms;
	bool every_state;
	size_t removed, interrupted;
};

/* [record] keep: the operator's, within what the machine's owner demands. */
static int default_age(int64_t *ms, struct cs_err *err)
{
	AUTO_POLICY struct cs_policy *policy = NULL;
	const char *home = getenv("HOME");
	int rc;

	cs_policy_new(&policy);
	rc = cs_policy_load_managed(policy, NULL, err);
	if (rc == 0)
		rc = cs_policy_load_operator(policy, home ? home : "/", getenv("XDG_CONFIG_HOME"),
					     NULL, err);
	if (rc == 0)
		rc = cs_policy_seal(policy, err);
	if (rc == 0)
		*ms = cs_policy_int(policy, "record.keep");
	return rc < 0 ? cs_err_wrap(err, "load policy") : 0;
}

static int remove_run(struct pruning *p, const char *id, struct cs_err *err)
{
	int rc = cs_run_remove(p->log->repo, p->log->state_dir, id, err);

	if (rc < 0)
		return rc;
	fprintf(p->log->out.file, "removed run %s\n", id);
	p->removed++;
	return 0;
}

static bool is_due(const struct pruning *p, const struct cs_run_info *info)
{
	int64_t age_ms = (cs_wall_ns() - info->ended_ns) / NS_PER_MS;

	if (!p->every_state && info->change_commit.len)
		return false;
	return info->ended_ns && age_ms > p->max_age_ms;
}

static int prune_by_age(struct pruning *p, const char *id, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	struct cs_run_info info;
	int rc = 0;

	cs_run_info_init(&info);
	if (cs_run_load(&info, p->log->repo, p->log->state_dir, id, &why) < 0) {
		AUTO_FREE char *line = cs_escape_line(why.msg);

		fprintf(stderr, "git-agent-log: kept: %s\n", line);
	} else if (info.state == CS_RUN_RUNNING) {
		rc = 0;
	} else if (!*info.trace_head) {
		p->interrupted++;
	} else if (is_due(p, &info)) {
		rc = remove_run(p, id, err);
	}
	cs_run_info_release(&info);
	return rc;
}

static int prune_all(struct pruning *p, struct cs_err *err)
{
	AUTO_STRV struct cs_strv ids = CS_STRV_INIT;
	int rc = cs_run_list(&ids, p->log->repo, p->log->state_dir, err);

	for (size_t i = 0; rc == 0 && i < ids.n; i++)
		rc = prune_by_age(p, ids.v[i], err);
	if (rc == 0)
		rc = cs_worktree_prune(p->log->repo, p->log->state_dir, p->max_age_ms, err);
	if (rc < 0)
		return rc;
	if (!p->removed)
		fputs("git-agent-log: nothing to remove\n", stderr);
	if (p->interrupted)
		fprintf(stderr,
			"git-agent-log: kept %zu interrupted: git agent-log recover records them\n",
			p->interrupted);
	return 0;
}

static int prune_named(struct pruning *p, const struct cs_strv *specs, struct cs_err *err)
{
	AUTO_STRV struct cs_strv ids = CS_STRV_INIT;
	int rc = 0;

	/* All of them first: "-1" means another run once one is gone. */
	for (size_t i = 0; rc == 0 && i < specs->n; i++) {
		char id[CS_RUN_ID_HEX];

		rc = cs_run_find(id, p->log->repo, p->log->state_dir, specs->v[i], err);
		if (rc == 0 && !cs_strv_has(&ids, id))
			cs_strv_add(&ids, id);
	}
	for (size_t i = 0; rc == 0 && i < ids.n; i++)
		rc = remove_run(p, ids.v[i], err);
	return rc;
}

int log_prune(struct log *log, const struct cs_strv *specs, struct cs_err *err)
{
	struct pruning p = { .log = log, .max_age_ms = log->opts->older_than_ms };
	int rc = 0;

	if (specs->n && p.max_age_ms >= 0)
		return cs_err_set(err, CS_USAGE, "--older-than and named runs: give one of them");
	p.every_state = p.max_age_ms >= 0;
	if (specs->n)
		return prune_named(&p, specs, err);
	if (!p.every_state)
		rc = default_age(&p.max_age_ms, err);
	return rc < 0 ? rc : prune_all(&p, err);
}
