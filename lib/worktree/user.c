/* SPDX-License-Identifier: Apache-2.0 */
/* A look at the user's own side: is the checkout dirty, and as what tree would it be committed. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_MAX ((size_t)1 << 30)

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

/*
 * The index is the user's: what is added is added to a copy. That is as old as the index: git reads
 * those files again that changed no earlier, whatever else it knows of them.
 */
static int copy_index(const struct cs_repo *repo, const char *to, struct cs_err *err)
{
	AUTO_FREE char *from = cs_asprintf("%s/index", cs_repo_git_dir(repo));
	AUTO_FD int fd = open(from, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return cs_err_sys(err, "open %s", from);
	rc = cs_read_fd(&text, fd, INDEX_MAX, err);
	if (rc == 0)
		rc = cs_write_file(AT_FDCWD, to, text.data, text.len, 0600, err);
	times[1] = st.st_mtim;
	if (rc == 0 && utimensat(AT_FDCWD, to, times, AT_SYMLINK_NOFOLLOW) < 0)
		rc = cs_err_sys(err, "set the time of %s", to);
	return rc;
}

static int refuse_conflicts(const struct cs_git_call *call, struct cs_err *err)
{
	static const char *const args[] = { "ls-files", "--unmerged", NULL };
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct cs_git_call ask = *call;
	int rc;

	ask.args = args;
	rc = cs_git(&list, &ask, err);
	if (rc < 0 || !list.len)
		return rc;
	return cs_err_set(err, CS_REFUSED,
			  "there are unmerged paths: resolve them and git add them first");
}

static int count_untracked(size_t *out, const struct cs_git_call *call, struct cs_err *err)
{
	static const char *const args[] = {
		"ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory",
		NULL
	};
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct cs_git_call ask = *call;
	int rc;

	ask.args = args;
	rc = cs_git(&list, &ask, err);
	*out = 0;
	for (size_t i = 0; rc == 0 && i < list.len; i++)
		*out += list.data[i] == '\n';
	return rc;
}

static int write_tree(struct cs_oid *out, const struct cs_git_call *call, struct cs_err *err)
{
	static const char *const args[] = { "write-tree", NULL };
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_git_call ask = *call;
	int rc;

	ask.args = args;
	rc = cs_git(&text, &ask, err);
	if (rc < 0)
		return rc;
	text.data[strcspn(text.data, "\n")] = '\0';
	return cs_oid_parse(out, text.data) < 0 ? cs_err_set(err, CS_MALFUNCTION, "git write-tree")
						: 0;
}

int cs_worktree_uncommitted(struct cs_oid *tree, size_t *untracked, const struct cs_repo *repo,
			    const char *index_file, struct cs_err *err)
{
	static const char *const args[] = { "add", "--update", "--", ":/", NULL };
	/* The other half of a split index would be written beside the user's. */
	static const char *const config[] = { "core.splitIndex=false", NULL };
	const struct cs_git_call call = { .git_dir = cs_repo_git_dir(repo),
					  .work_tree = cs_repo_worktree(repo),
					  .index_file = index_file,
					  .args = args,
					  .config = config,
					  .as_user = true };
	int rc;

	if (!call.work_tree)
		return cs_err_set(err, CS_USAGE, "a bare repository has no uncommitted changes");
	rc = copy_index(repo, index_file, err);
	if (rc == 0)
		rc = refuse_conflicts(&call, err);
	if (rc == 0)
		rc = cs_git(NULL, &call, err);
	if (rc == 0)
		rc = write_tree(tree, &call, err);
	if (rc == 0)
		rc = count_untracked(untracked, &call, err);
	unlink(index_file);
	return rc < 0 ? cs_err_wrap(err, "uncommitted changes") : 0;
}

int cs_worktree_ignores(bool *ignored, const struct cs_repo *repo, const char *path,
			struct cs_err *err)
{
	AUTO_FREE char *spec = cs_asprintf("./%s/", path);
	const char *const args[] = { "ls-files",    "--others", "--ignored", "--exclude-standard",
				     "--directory", "--",	spec,	     NULL };
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	const struct cs_git_call call = { .git_dir = cs_repo_git_dir(repo),
					  .work_tree = cs_repo_worktree(repo),
					  .args = args,
					  .as_user = true };
	AUTO_FREE char *wanted = cs_asprintf("%s/\n", path);
	int rc = cs_git(&list, &call, err);

	if (rc == 0)
		*ignored = !strcmp(list.data, wanted);
	return rc;
}

int cs_worktree_hash(struct cs_oid *out, const struct cs_repo *repo, const char *path,
		     struct cs_err *err)
{
	AUTO_FREE char *as = cs_asprintf("--path=%s", path);
	AUTO_FREE char *file = cs_asprintf("%s/%s", cs_repo_worktree(repo), path);
	const char *const args[] = { "hash-object", as, "--", file, NULL };
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	const struct cs_git_call call = { .git_dir = cs_repo_git_dir(repo),
					  .work_tree = cs_repo_worktree(repo),
					  .args = args,
					  .as_user = true };
	int rc = cs_git(&text, &call, err);

	if (rc < 0)
		return rc;
	text.data[strcspn(text.data, "\n")] = '\0';
	return cs_oid_parse(out, text.data) < 0 ? cs_err_set(err, CS_MALFUNCTION, "git hash-object")
						: 0;
}
