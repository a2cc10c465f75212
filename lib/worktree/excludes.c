/* SPDX-License-Identifier: Apache-2.0 */
/* What the user ignores, wherever git takes it from: core.excludesFile and info/exclude. */
#include "countersign/worktree.h"

#include <fcntl.h>

static int add_file(struct cs_buf *out, const char *path, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	int rc = cs_read_file(out, AT_FDCWD, path, CS_WORKTREE_EXCLUDES_MAX, &why);

	if (rc == 0 && out->len && out->data[out->len - 1] != '\n')
		cs_buf_addc(out, '\n');
	if (rc == 0 || rc == CS_NOTFOUND)
		return 0;
	return cs_err_set(err, rc, "ignore rules: %s", why.msg);
}

/* git's own default where core.excludesFile is not set; NULL without a home. */
static char *default_file(const char *home, const char *xdg_config)
{
	if (xdg_config && *xdg_config)
		return cs_asprintf("%s/git/ignore", xdg_config);
	return home ? cs_asprintf("%s/.config/git/ignore", home) : NULL;
}

int cs_worktree_excludes(struct cs_buf *out, const struct cs_repo *repo, const char *home,
			 const char *xdg_config, struct cs_err *err)
{
	AUTO_FREE char *info = cs_asprintf("%s/info/exclude", cs_repo_common_dir(repo));
	AUTO_FREE char *set = NULL;
	AUTO_FREE char *file = NULL;
	int rc = cs_repo_config(&set, repo, "core.excludesfile", err);

	if (rc < 0)
		return rc;
	if (!set)
		file = default_file(home, xdg_config);
	else if (set[0] == '~' && set[1] == '/' && home)
		file = cs_asprintf("%s%s", home, set + 1);
	else
		file = cs_strdup(set);
	rc = file ? add_file(out, file, err) : 0; /* info/exclude comes later: it is stronger */
	return rc < 0 ? rc : add_file(out, info, err);
}
