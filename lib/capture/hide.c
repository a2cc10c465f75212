/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the agent did not see (cs_tree_hide): the tree that it left gets them back as they were.
 * Whatever it wrote in their places is not captured, and told: it could not know what it wrote over.
 */
#include "countersign/capture.h"

#include <string.h>
#include "countersign/change.h"
#include "finding.h"

struct back {
	struct cs_repo *repo;
	struct cs_findings *found;
	const struct cs_oid *tree; /* what the agent left */
	struct cs_tree_update *updates;
	size_t n, cap;
};

static void add(struct back *b, const char *path, uint32_t mode, const struct cs_oid *oid)
{
	CS_GROW(b->updates, b->n, b->cap);
	b->updates[b->n++] = (struct cs_tree_update){ .path = path, .mode = mode, .oid = *oid };
}

/*
 * What is at the path now, or is no directory and above it, has to go; once, though several hidden
 * files may lie below it. paths owns the names of what goes.
 */
static int clear(struct back *b, struct cs_strv *paths, const char *path, bool above,
		 struct cs_err *err)
{
	const struct cs_oid none = { 0 };
	struct cs_oid oid;
	uint32_t mode = 0;
	int rc = cs_repo_tree_lookup(&mode, &oid, b->repo, b->tree, path, err);

	if (rc == CS_NOTFOUND)
		return 0;
	if (rc < 0 || (above && mode == CS_MODE_TREE) || cs_strv_has(paths, path))
		return rc;
	cs_strv_add(paths, path);
	add(b, paths->v[paths->n - 1], 0, &none);
	cs_finding_add(b->found, capture_kind_word(KIND_HIDDEN_PATH), path,
		       "written where the policy hides a file: not captured");
	return 0;
}

static int bring_back(struct back *b, struct cs_strv *paths, const struct cs_transition *t,
		      struct cs_err *err)
{
	int rc = 0;

	for (const char *slash = strchr(t->path, '/'); slash && rc == 0;
	     slash = strchr(slash + 1, '/')) {
		AUTO_FREE char *above = cs_strndup(t->path, (size_t)(slash - t->path));

		rc = clear(b, paths, above, true, err);
	}
	if (rc == 0)
		rc = clear(b, paths, t->path, false, err);
	if (rc == 0)
		add(b, t->path, t->after.mode, &t->after.oid);
	return rc;
}

int cs_tree_unhide(struct cs_oid *tree, struct cs_findings *found, struct cs_repo *repo,
		   const struct cs_oid *visible, const struct cs_oid *all, struct cs_err *err)
{
	AUTO_STRV struct cs_strv paths = CS_STRV_INIT;
	struct cs_change hidden = CS_CHANGE_INIT;
	struct back b = { .repo = repo, .found = found, .tree = tree };
	struct cs_oid whole = { 0 };
	int rc = cs_change_between(&hidden, repo, visible, all, false, err);

	for (size_t i = 0; rc == 0 && i < hidden.n; i++)
		rc = bring_back(&b, &paths, &hidden.list[i], err);
	if (rc == 0 && b.n)
		rc = cs_repo_update_tree(&whole, repo, tree, b.updates, b.n, err);
	if (rc == 0 && b.n)
		*tree = whole;
	free(b.updates);
	cs_change_release(&hidden);
	return rc < 0 ? cs_err_wrap(err, "put hidden files back") : 0;
}
