/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a run starts: at a commit, at the operator's uncommitted changes on it (a commit that only
 * the run has), or where an earlier run ended. Its change is always that since the base.
 * What [sandbox] hide names is not in its worktree; nor is the history, which may have it.
 */
#include "run.h"

#include <string.h>
#include <time.h>

#define SHORT_ID 10

static int one_of(const struct run_opts *o, struct cs_err *err)
{
	const struct {
		const char *name;
		bool given;
	} starts[] = { { "--base", o->base },
		       { "--continue", o->continues },
		       { "--with-uncommitted", o->with_uncommitted } };
	const char *first = NULL;

	for (size_t i = 0; i < CS_COUNT(starts); i++) {
		if (!starts[i].given)
			continue;
		if (first)
			return cs_err_set(err, CS_USAGE,
					  "%s and %s: each says where the run starts, give one",
					  first, starts[i].name);
		first = starts[i].name;
	}
	return 0;
}

static int check_ended(const struct cs_run_info *before, struct cs_err *err)
{
	if (before->state == CS_RUN_RUNNING)
		return cs_err_set(err, CS_BUSY, "run %.8s is still running", before->id);
	if (!*before->trace_head)
		return cs_err_set(err, CS_REFUSED,
				  "run %.8s was interrupted, and is not recorded yet: "
				  "git agent-log recover %.8s",
				  before->id, before->id);
	return 0;
}

/* The same base, the change in place; title and profile unless others are given. */
static void take_over(struct run *run, struct cs_run_info *before)
{
	struct cs_run_info *info = &run->info;
	const bool changed = before->change_commit.len > 0;

	memcpy(info->continues, before->id, sizeof info->continues);
	info->base_commit = before->base_commit;
	info->base_tree = before->base_tree;
	info->uncommitted_on = before->uncommitted_on;
	info->start_commit = changed ? before->change_commit : before->base_commit;
	info->start_tree = changed ? before->change_tree : before->base_tree;
	run->earlier_title = cs_steal(&before->title);
	run->earlier_profile = cs_steal(&before->profile);
}

/* A record may come from somebody else: which tree a commit has is the commit's to say. */
static int read_trees(struct cs_run_info *info, const struct cs_repo *repo, struct cs_err *err)
{
	struct cs_commit base = { .parents = NULL };
	struct cs_commit start = { .parents = NULL };
	int rc = cs_repo_read_commit(&base, repo, &info->base_commit, err);

	if (!rc)
		rc = cs_repo_read_commit(&start, repo, &info->start_commit, err);
	if (!rc) {
		info->base_tree = base.tree;
		info->start_tree = start.tree;
	}
	cs_commit_release(&base);
	cs_commit_release(&start);
	return rc;
}

static int start_continued(struct run *run, struct cs_err *err)
{
	AUTO_FREE char *state_dir = cs_state_path(run->repo);
	struct cs_run_info before;
	char id[CS_RUN_ID_HEX];
	int rc;

	cs_run_info_init(&before);
	rc = cs_run_find(id, run->repo, state_dir, run->opts->continues, err);
	if (!rc)
		rc = cs_run_load(&before, run->repo, state_dir, id, err);
	if (!rc)
		rc = check_ended(&before, err);
	if (!rc)
		take_over(run, &before);
	if (!rc)
		rc = read_trees(&run->info, run->repo, err);
	cs_run_info_release(&before);
	return rc < 0 ? cs_err_wrap(err, "--continue") : 0;
}

static int start_at_commit(struct run *run, struct cs_err *err)
{
	const char *rev = run->opts->base ? run->opts->base : "HEAD";

	if (run->opts->with_uncommitted && run->operator.root && !run->root_owned)
		return cs_err_set(err, CS_USAGE,
				  "--with-uncommitted: the repository is uid %u's, and so would be "
				  "the objects: start it as that user",
				  run->operator.uid);
	return cs_repo_resolve(&run->info.base_commit, &run->info.base_tree, run->repo, rev, err);
}

int ask_start(struct run *run, struct cs_err *err)
{
	int rc = one_of(run->opts, err);

	if (!rc)
		rc = run->opts->continues ? start_continued(run, err) : start_at_commit(run, err);
	if (!rc)
		rc = cs_repo_identity(&run->info.operator_name, &run->info.operator_email,
				      run->repo, err);
	return rc;
}

/* A commit on HEAD that no reference of the operator's names. */
static int commit_uncommitted(struct run *run, const struct cs_oid *tree, struct cs_err *err)
{
	struct cs_run_info *info = &run->info;
	char hex[CS_OID_HEX];
	AUTO_FREE char *message = cs_asprintf("Uncommitted changes on %.*s\n", SHORT_ID,
					      cs_oid_hex(hex, &info->base_commit));
	const struct cs_new_commit commit = {
		.tree = *tree,
		.parents = &info->base_commit,
		.n_parents = 1,
		.author_name = info->operator_name,
		.author_email = info->operator_email,
		.committer_name = info->operator_name,
		.committer_email = info->operator_email,
		.time = time(NULL),
		.message = message,
	};
	struct cs_oid oid;
	int rc = cs_repo_write_commit(&oid, run->repo, &commit, err);

	if (rc < 0)
		return rc;
	info->uncommitted_on = info->base_commit;
	info->base_commit = oid;
	info->base_tree = *tree;
	return 0;
}

int start_uncommitted(struct run *run, struct cs_err *err)
{
	AUTO_FREE char *index = cs_asprintf("%s/index", run->dir.path);
	struct cs_oid tree;
	size_t untracked;
	int rc;

	if (!run->opts->with_uncommitted)
		return 0;
	rc = cs_worktree_uncommitted(&tree, &untracked, run->repo, index, err);
	if (rc < 0)
		return rc;
	if (untracked)
		note("%zu untracked files or directories are not in the run: git add -N takes one "
		     "in",
		     untracked);
	if (cs_oid_equal(&tree, &run->info.base_tree)) {
		note("there are no uncommitted changes: the run starts from the commit");
		return 0;
	}
	return commit_uncommitted(run, &tree, err);
}

int start_hide(struct run *run, struct cs_err *err)
{
	const struct cs_strv *globs = cs_policy_list(run->policy, "sandbox.hide");
	struct cs_run_info *info = &run->info;
	size_t hidden = 0;
	int rc;

	if (!globs->n)
		return 0;
	rc = cs_tree_hide(&info->visible_tree, &hidden, run->repo, cs_run_start_tree(info), "",
			  globs, err);
	info->hidden_files = (int64_t)hidden;
	if (!hidden)
		info->visible_tree.len = 0;
	return rc;
}
