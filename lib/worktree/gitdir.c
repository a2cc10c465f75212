/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private git directory of a run. It is the .git of the run's own layer: inside, overlayfs
 * merges it with the pristine's .git, which holds nothing but the index. Everything that git
 * changes inside (references, objects, reflogs, index, configuration) is written there; the host's
 * objects are a read-only alternate, its references a copy. Later no part of it is ever read as a
 * git directory on the host.
 *
 * The agent may rewrite all of it. What is written here is for the agent's comfort, not for
 * anybody's safety: that is the mount's work.
 */
#include "internal.h"

#include <fcntl.h>

/* Conversions off: the checkout is raw, and a plain `git add` inside must store it as it is. */
static const char raw_attributes[] = "* -text -eol -ident !filter -working-tree-encoding\n";

static const char *const directories[] = {
	".git/info", ".git/objects",	".git/objects/info", ".git/objects/pack",
	".git/refs", ".git/refs/heads", ".git/refs/tags",
};

/*
 * trustctime and checkStat: the stat data of the index was taken outside, where device, inode,
 * owner and change time may differ. gc: only when asked for, never in the background.
 */
static const char core_config[] = "[core]\n"
				  "\trepositoryformatversion = 0\n"
				  "\tfilemode = true\n"
				  "\tbare = false\n"
				  "\tlogallrefupdates = true\n"
				  "\ttrustctime = false\n"
				  "\tcheckStat = minimal\n"
				  "\tfsmonitor = false\n";
static const char other_config[] = "[gc]\n"
				   "\tauto = 0\n"
				   "\tautoDetach = false\n"
				   "[maintenance]\n"
				   "\tauto = false\n";

struct gitdir {
	int fd; /* of .git */
	const struct cs_wt_job *job;
};

static int put(const struct gitdir *g, const char *path, const struct cs_buf *text,
	       struct cs_err *err)
{
	return cs_wt_put(g->fd, path, text->data, text->len, &g->job->owner, err);
}

static int put_config(const struct gitdir *g, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *email = NULL;
	int rc = cs_repo_identity(&name, &email, g->job->opts->repo, err);

	if (rc < 0)
		return rc;
	cs_buf_adds(&text, core_config);
	cs_wt_sparse_config(&text, &g->job->sparse);
	cs_buf_adds(&text, other_config);
	cs_buf_adds(&text, "[user]\n");
	cs_wt_config_add(&text, "name", name);
	cs_wt_config_add(&text, "email", email);
	cs_buf_add(&text, g->job->host_config.data, g->job->host_config.len);
	return put(g, "config", &text, err);
}

/* HEAD and the branch that it names. */
static int put_head(const struct gitdir *g, const struct cs_oid *head, struct cs_err *err)
{
	AUTO_FREE char *ref = cs_asprintf("refs/heads/%s", g->job->opts->branch);
	AUTO_FREE char *dir = cs_strndup(ref, (size_t)(strrchr(ref, '/') - ref));
	AUTO_BUF struct cs_buf symbolic = CS_BUF_INIT;
	AUTO_BUF struct cs_buf id = CS_BUF_INIT;
	char hex[CS_OID_HEX];
	int rc;

	cs_buf_addf(&symbolic, "ref: %s\n", ref);
	cs_buf_addf(&id, "%s\n", cs_oid_hex(hex, head));
	rc = cs_wt_mkdirs(g->fd, dir, &g->job->owner, err);
	if (rc == 0)
		rc = put(g, ref, &id, err);
	if (rc == 0)
		rc = put(g, "HEAD", &symbolic, err);
	return rc;
}

static int put_objects(const struct gitdir *g, size_t n_objects, struct cs_err *err)
{
	AUTO_STRV struct cs_strv dirs = CS_STRV_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	for (size_t i = 0; i < n_objects; i++) {
		if (i == 0)
			cs_strv_add(&dirs, CS_OBJECTS_INSIDE);
		else
			cs_strv_addf(&dirs, "%s.%zu", CS_OBJECTS_INSIDE, i);
	}
	cs_wt_alternates(&text, &dirs);
	return put(g, "objects/info/alternates", &text, err);
}

static int put_info(const struct gitdir *g, struct cs_err *err)
{
	AUTO_BUF struct cs_buf excludes = CS_BUF_INIT;
	int rc = cs_worktree_excludes(&excludes, g->job->opts->repo, getenv("HOME"),
				      getenv("XDG_CONFIG_HOME"), err);

	if (rc == 0)
		rc = put(g, "info/exclude", &excludes, err);
	if (rc == 0)
		rc = cs_wt_put(g->fd, "info/attributes", raw_attributes, strlen(raw_attributes),
			       &g->job->owner, err);
	if (rc == 0 && g->job->sparse.on)
		rc = put(g, "info/sparse-checkout", &g->job->sparse.patterns, err);
	return rc;
}

static int put_shallow(const struct gitdir *g, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *path = cs_asprintf("%s/shallow", cs_repo_common_dir(g->job->opts->repo));
	int rc;

	if (!cs_repo_is_shallow(g->job->opts->repo))
		return 0;
	rc = cs_wt_read(&text, AT_FDCWD, path, CS_WT_SMALL, err);
	return rc > 0 ? put(g, "shallow", &text, err) : rc;
}

/* What the agent may know of the host's repository beside objects. */
static int put_host_view(const struct gitdir *g, struct cs_err *err)
{
	int rc = cs_wt_host_refs(g->fd, g->job, err);

	return rc < 0 ? rc : put_shallow(g, err);
}

int cs_wt_gitdir(int tree_fd, const struct cs_oid *head, size_t n_objects,
		 const struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_FD int fd = -1;
	struct gitdir g = { .job = job };
	int rc = cs_wt_mkdir(tree_fd, ".git", 0777, &job->owner, err);

	for (size_t i = 0; rc == 0 && i < CS_COUNT(directories); i++)
		rc = cs_wt_mkdir(tree_fd, directories[i], 0777, &job->owner, err);
	if (rc == 0)
		rc = cs_wt_opendir(&fd, tree_fd, ".git", err);
	g.fd = fd;
	if (rc == 0)
		rc = put_config(&g, err);
	if (rc == 0)
		rc = put_objects(&g, n_objects, err);
	if (rc == 0)
		rc = put_info(&g, err);
	if (rc == 0 && !job->opts->history_base)
		rc = put_host_view(&g, err);
	if (rc == 0)
		rc = put_head(&g, head, err);
	return rc < 0 ? cs_err_wrap(err, "private git directory") : 0;
}
