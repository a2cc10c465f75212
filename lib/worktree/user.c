/* SPDX-License-Identifier: Apache-2.0 */
/* A look at the user's own side: is the checkout dirty. */
#include "internal.h"

int cs_worktree_dirty(bool *dirty, const struct cs_repo *repo, struct cs_err *err)
{
	/* Refreshed in memory only: cs_git forbids the locks that writing the index would need. */
	static const char *const args[] = {
		"status",	"--porcelain", "--untracked-files=no", "--ignore-submodules=all",
		"--no-renames", NULL
	};
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct cs_git_call call = { .git_dir = cs_repo_git_dir(repo),
				    .work_tree = cs_repo_worktree(repo),
				    .args = args };
	int rc;

	if (!call.work_tree) {
		*dirty = false;
		return 0;
	}
	rc = cs_git(&list, &call, err);
	if (rc < 0)
		return cs_err_wrap(err, "uncommitted changes");
	*dirty = list.len > 0;
	return 0;
}
