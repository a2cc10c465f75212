/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparse checkouts: a run gets the part of the tree that the user's own checkout has. The patterns
 * live in the git directory of the worktree, beside its own HEAD and index.
 */
#include "internal.h"

#include <fcntl.h>

static int read_switch(bool *out, const struct cs_repo *repo, const char *key, struct cs_err *err)
{
	AUTO_FREE char *value = NULL;
	int rc = cs_repo_config(&value, repo, key, err);

	if (rc == 0)
		*out = value && cs_config_bool(value) == 1;
	return rc;
}

int cs_wt_sparse_read(struct cs_wt_sparse *out, const struct cs_repo *repo, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/info/sparse-checkout", cs_repo_git_dir(repo));
	bool on = false;
	bool cone = false;
	int rc;

	if (!cs_repo_worktree(repo))
		return 0;
	rc = read_switch(&on, repo, "core.sparsecheckout", err);
	if (rc == 0)
		rc = read_switch(&cone, repo, "core.sparsecheckoutcone", err);
	if (rc < 0 || !on)
		return rc;
	rc = cs_wt_read(&out->patterns, AT_FDCWD, path, CS_WT_SMALL, err);
	if (rc < 0)
		return cs_err_wrap(err, "sparse checkout");
	out->on = rc > 0; /* as git: without patterns everything is there */
	out->cone = out->on && cone;
	return 0;
}

void cs_wt_sparse_config(struct cs_buf *out, const struct cs_wt_sparse *sparse)
{
	if (sparse->on)
		cs_buf_addf(out, "\tsparseCheckout = true\n\tsparseCheckoutCone = %s\n",
			    sparse->cone ? "true" : "false");
}
