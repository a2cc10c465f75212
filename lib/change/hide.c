/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the agent does not see: the tree that it gets has none of them. */
#include "countersign/change.h"

static bool is_hidden(const struct cs_strv *globs, const char *prefix, const char *path)
{
	AUTO_FREE char *whole = NULL;

	if (!*prefix)
		return cs_glob_covers(globs, path);
	whole = cs_asprintf("%s%s", prefix, path);
	return cs_glob_covers(globs, whole);
}

int cs_tree_hide(struct cs_oid *out, size_t *hidden, struct cs_repo *repo,
		 const struct cs_oid *tree, const char *prefix, const struct cs_strv *globs,
		 struct cs_err *err)
{
	const struct cs_oid nothing = { 0 };
	AUTO_FREE struct cs_tree_update *updates = NULL;
	struct cs_change all = CS_CHANGE_INIT;
	size_t n = 0, cap = 0;
	int rc = cs_change_between(&all, repo, &nothing, tree, false, err);

	for (size_t i = 0; rc == 0 && i < all.n; i++) {
		if (!is_hidden(globs, prefix, all.list[i].path))
			continue;
		CS_GROW(updates, n, cap);
		updates[n++] = (struct cs_tree_update){ .path = all.list[i].path };
	}
	*hidden = n;
	*out = *tree;
	if (rc == 0 && n)
		rc = cs_repo_update_tree(out, repo, tree, updates, n, err);
	cs_change_release(&all);
	return rc < 0 ? cs_err_wrap(err, "hide files") : 0;
}
