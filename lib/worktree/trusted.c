/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bare git directory of our own making, for git to work in: it reads objects of the host, the
 * repository's or a submodule's, and nothing else of the host. No hooks, no remotes, no drivers; its info/attributes has the last
 * word over every .gitattributes and turns all conversions off.
 */
#include "internal.h"

static const char neutral_attributes[] =
	"* -text -eol -ident !filter -working-tree-encoding !diff !merge\n";

static const char trusted_config[] = "[index]\n"
				     "\tversion = 2\n"
				     "\tsparse = false\n"
				     "[core]\n"
				     "\trepositoryformatversion = 0\n"
				     "\tfilemode = true\n"
				     "\tsplitIndex = false\n"
				     "\ttrustctime = false\n" /* a link changes it */
				     "\tuntrackedCache = false\n";

static const struct cs_wt_owner ours; /* gives nothing away */

/* One path a line; git reads a line that starts with a quote as a C string. */
void cs_wt_alternates(struct cs_buf *out, const struct cs_strv *dirs)
{
	for (size_t i = 0; i < dirs->n; i++) {
		const char *p = dirs->v[i];

		if (!strchr(p, '\n')) {
			cs_buf_addf(out, "%s\n", p);
			continue;
		}
		cs_buf_addc(out, '"');
		for (; *p; p++) {
			if (*p == '\n')
				cs_buf_adds(out, "\\n");
			else if (*p == '"' || *p == '\\')
				cs_buf_addf(out, "\\%c", *p);
			else
				cs_buf_addc(out, *p);
		}
		cs_buf_adds(out, "\"\n");
	}
}

static int fill(int git_fd, const struct cs_strv *object_dirs, const struct cs_wt_sparse *sparse,
		struct cs_err *err)
{
	static const char *const dirs[] = { "info", "objects", "objects/info", "objects/pack",
					    "refs" };
	static const char head[] = "ref: refs/heads/none\n";
	const struct cs_buf *patterns = &sparse->patterns;
	AUTO_BUF struct cs_buf config = CS_BUF_INIT;
	AUTO_BUF struct cs_buf objects = CS_BUF_INIT;
	int rc = 0;

	cs_buf_adds(&config, trusted_config);
	cs_wt_sparse_config(&config, sparse);
	cs_wt_alternates(&objects, object_dirs);
	for (size_t i = 0; rc == 0 && i < CS_COUNT(dirs); i++)
		rc = cs_wt_mkdir(git_fd, dirs[i], 0777, &ours, err);
	if (rc == 0)
		rc = cs_wt_put(git_fd, "config", config.data, config.len, &ours, err);
	if (rc == 0)
		rc = cs_wt_put(git_fd, "objects/info/alternates", objects.data, objects.len, &ours,
			       err);
	if (rc == 0)
		rc = cs_wt_put(git_fd, "info/attributes", neutral_attributes,
			       strlen(neutral_attributes), &ours, err);
	if (rc == 0 && sparse->on)
		rc = cs_wt_put(git_fd, "info/sparse-checkout", patterns->data, patterns->len, &ours,
			       err);
	if (rc == 0)
		rc = cs_wt_put(git_fd, "HEAD", head, strlen(head), &ours, err);
	return rc;
}

int cs_wt_trusted_make(int dir_fd, const char *name, const struct cs_strv *object_dirs,
		       const struct cs_wt_sparse *sparse, struct cs_err *err)
{
	AUTO_FD int git_fd = -1;
	int rc = cs_wt_mkdir(dir_fd, name, 0700, &ours, err);

	if (rc == 0)
		rc = cs_wt_opendir(&git_fd, dir_fd, name, err);
	if (rc == 0)
		rc = fill(git_fd, object_dirs, sparse, err);
	return rc;
}
