/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verdict is about: a run (base to change), a commit (first parent to commit) or a range
 * (a..b, as one change), limited to paths where some are given; and for which branch.
 */
#include "review.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "countersign/policy.h"

#define HEADS	    "refs/heads/"
#define MAX_POLICY  (4u << 20)
#define TREE_POLICY ".countersign/policy"

/* Trees to compare; base_tree len 0: from nothing. */
static int take(struct subject *s, const struct cs_oid *base, const char *commit,
		struct cs_oid *base_tree, struct cs_err *err)
{
	char hex[CS_OID_HEX];
	struct cs_oid parent;
	int rc = cs_repo_resolve(&s->signoff.commit, &s->signoff.tree, s->repo, commit, err);

	*base_tree = (struct cs_oid){ 0 };
	if (rc == 0 && !base) {
		rc = cs_repo_first_parent(&parent, s->repo, &s->signoff.commit, err);
		base = &parent;
	}
	if (rc < 0 || !base->len)
		return rc;
	return cs_repo_resolve(&s->signoff.base_commit, base_tree, s->repo, cs_oid_hex(hex, base),
			       err);
}

static int take_range(struct subject *s, const char *spec, const char *dots,
		      struct cs_oid *base_tree, struct cs_err *err)
{
	AUTO_FREE char *from = cs_strndup(spec, (size_t)(dots - spec));
	struct cs_oid base, tree;
	int rc = cs_repo_resolve(&base, &tree, s->repo, from, err);

	return rc < 0 ? rc : take(s, &base, dots + 2, base_tree, err);
}

static int take_run(struct subject *s, const char *state_dir, const char *id,
		    struct cs_oid *base_tree, struct cs_err *err)
{
	struct cs_run_info *info = &s->info;
	char hex[CS_OID_HEX];
	AUTO_FREE char *ref = cs_asprintf("refs/agent-run/%.2s/%s", id, id);
	int rc = cs_run_load(info, s->repo, state_dir, id, err);

	if (rc == 0 && !info->change_commit.len)
		rc = cs_err_set(err, CS_USAGE, "run %.8s changed nothing", id);
	if (rc == 0)
		rc = cs_repo_read_ref(&s->signoff.record, s->repo, ref, err);
	if (rc == 0)
		rc = take(s, &info->base_commit, cs_oid_hex(hex, &info->change_commit), base_tree,
			  err);
	if (rc == 0)
		snprintf(s->signoff.run, sizeof(s->signoff.run), "%s", id);
	return rc;
}

/* The policy of the commit that the change starts from: what a gate would read. None is none. */
static int add_tree_policy(struct cs_policy *policy, const struct cs_repo *repo,
			   const struct cs_oid *tree, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err why = CS_ERR_INIT;
	struct cs_oid oid;
	uint32_t mode;
	int rc = tree->len ? cs_repo_tree_lookup(&mode, &oid, repo, tree, TREE_POLICY, &why)
			   : CS_NOTFOUND;

	if (rc == CS_NOTFOUND)
		return 0;
	if (rc < 0)
		return cs_err_set(err, rc, "%s", why.msg);
	rc = cs_repo_read(&text, repo, &oid, CS_OBJ_BLOB, MAX_POLICY, err);
	return rc < 0 ? rc
		      : cs_policy_add(policy, CS_LAYER_REPOSITORY, TREE_POLICY, text.data, text.len,
				      err);
}

/* /etc and the reviewer's own policy may name more; all of them unite. */
static int mark_sensitive(struct subject *s, const struct cs_oid *base_tree, struct cs_err *err)
{
	AUTO_POLICY struct cs_policy *policy = NULL;
	int rc;

	cs_policy_new(&policy);
	rc = cs_policy_load_managed(policy, NULL, err);
	if (rc == 0)
		rc = cs_policy_load_operator(policy, getenv("HOME"), getenv("XDG_CONFIG_HOME"),
					     NULL, err);
	if (rc == 0)
		rc = add_tree_policy(policy, s->repo, base_tree, err);
	if (rc == 0)
		rc = cs_policy_seal(policy, err);
	for (size_t i = 0; rc == 0 && i < s->shown.n; i++)
		if (cs_glob_matches(cs_policy_list(policy, "review.sensitive"),
				    s->shown.list[i].path))
			cs_strv_add(&s->sensitive, s->shown.list[i].path);
	return rc;
}

static bool wanted(const struct review_args *args, const char *path)
{
	for (size_t i = 0; i < args->paths.n; i++) {
		const char *p = args->paths.v[i];
		const size_t len = strlen(p);

		if (!strncmp(path, p, len) &&
		    (!path[len] || path[len] == '/' || (len && p[len - 1] == '/')))
			return true;
	}
	return !args->paths.n;
}

/* Moves the wanted transitions into the sign-off, without their objects. */
static int select_paths(struct subject *s, const struct review_args *args, struct cs_err *err)
{
	struct cs_change *to = &s->signoff.change;
	size_t kept = 0;

	for (size_t i = 0; i < s->shown.n; i++) {
		if (wanted(args, s->shown.list[i].path))
			s->shown.list[kept++] = s->shown.list[i];
		else
			free(s->shown.list[i].path);
	}
	s->shown.n = kept;
	if (!kept)
		return cs_err_set(err, CS_USAGE, "there is no change in that");
	for (size_t i = 0; i < kept; i++) {
		CS_GROW(to->list, to->n, to->cap);
		to->list[to->n] = s->shown.list[i];
		to->list[to->n].path = cs_strdup(s->shown.list[i].path);
		to->list[to->n].before.oid.len = 0;
		to->list[to->n++].after.oid.len = 0;
	}
	cs_change_digest(s->signoff.change_digest, to);
	return 0;
}

static int find_target(struct subject *s, const struct review_args *args, struct cs_err *err)
{
	AUTO_FREE char *tracking = NULL;
	struct cs_oid tip;
	size_t n;
	int rc = cs_remote_find(&s->remote, s->repo, NULL, NULL, err);

	if (rc < 0)
		return rc;
	s->signoff.repository = cs_strdup(s->remote.repository);
	if (args->target && strncmp(args->target, "refs/", 5) != 0)
		s->signoff.target_ref = cs_asprintf(HEADS "%s", args->target);
	else if (args->target || s->remote.default_ref)
		s->signoff.target_ref =
			cs_strdup(args->target ? args->target : s->remote.default_ref);
	else
		return cs_err_set(err, CS_USAGE, "for which branch? Give --for <branch>");
	tracking = cs_remote_tracking(&s->remote, s->signoff.target_ref);
	if (!tracking || !s->signoff.base_commit.len ||
	    cs_repo_read_ref(&tip, s->repo, tracking, NULL) < 0)
		return 0;
	return cs_repo_merge_base(&s->signoff.target_base, &n, s->repo, &s->signoff.base_commit,
				  &tip, err);
}

int subject_find(struct subject *s, const struct review_args *args, const char *spec,
		 struct cs_err *err)
{
	AUTO_FREE char *state_dir = NULL;
	struct cs_oid base_tree;
	char id[CS_RUN_ID_HEX];
	const char *dots = spec ? strstr(spec, "..") : NULL;
	int rc;

	cs_signoff_init(&s->signoff);
	cs_run_info_init(&s->info);
	rc = cs_repo_open(&s->repo, ".", getenv("GIT_DIR"), err);
	if (rc < 0)
		return rc;
	state_dir = cs_state_path(s->repo);
	AUTO_FREE char *orphans = cs_run_orphans(s->repo);
	if (orphans)
		fprintf(stderr, "git-agent-review: %s\n", orphans);
	if (dots)
		rc = take_range(s, spec, dots, &base_tree, err);
	else if (cs_run_find(id, s->repo, state_dir, spec, spec ? NULL : err) == 0)
		rc = take_run(s, state_dir, id, &base_tree, err);
	else
		rc = spec ? take(s, NULL, spec, &base_tree, err) : CS_NOTFOUND;
	if (rc == 0)
		rc = cs_change_between(&s->shown, s->repo, &base_tree, &s->signoff.tree, true, err);
	if (rc == 0)
		rc = select_paths(s, args, err);
	if (rc == 0)
		rc = mark_sensitive(s, &base_tree, err);
	return rc < 0 ? rc : find_target(s, args, err);
}

void subject_release(struct subject *s)
{
	cs_signoff_release(&s->signoff);
	cs_change_release(&s->shown);
	cs_strv_release(&s->sensitive);
	cs_remote_release(&s->remote);
	cs_run_info_release(&s->info);
	cs_repo_free(s->repo);
}
