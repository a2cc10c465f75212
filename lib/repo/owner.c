/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safe.directory: a repository of another user is not used unless the operator has said so,
 * because its configuration decides what git executes.
 *
 * The common case costs three lstat calls. Where the owner differs, and for a bare repository that
 * was found rather than named (safe.bareRepository), git itself is asked, with the operator's own
 * configuration: it alone knows all of its rules (sudo, wildcards, includes). It is asked before
 * anything of that repository has been read, and refuses before it reads anything itself.
 */
#include "internal.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_ours(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_uid == geteuid();
}

/* A path as a shell takes it: between quotes when it needs them. */
static char *shell_word(const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._+-";
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	if (path[strspn(path, plain)] == '\0')
		return cs_strdup(path);
	cs_buf_addc(&b, '\'');
	for (; *path; path++) {
		if (*path == '\'')
			cs_buf_adds(&b, "'\\''");
		else
			cs_buf_addc(&b, *path);
	}
	cs_buf_addc(&b, '\'');
	return cs_buf_take(&b);
}

/* Asks git, which looks at the repository that it finds from start; path is that, for the message. */
static int ask_git(const char *start, const char *path, struct cs_err *err)
{
	static const char *const args[] = { "rev-parse", "--git-dir", NULL };
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	AUTO_FREE char *word = NULL;
	int status;
	int rc = cs_git_as_user(NULL, &errout, &status, start, NULL, args, err);

	if (rc < 0)
		return rc;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (strstr(errout.data, "dubious ownership")) {
		word = shell_word(path);
		return cs_err_set(err, CS_REFUSED,
				  "%s is owned by another user; to use it nevertheless, run: "
				  "git config --global --add safe.directory %s",
				  path, word);
	}
	cs_git_failed(&(struct cs_git_call){ .args = args }, status, &errout, err);
	if (err)
		err->code = CS_REFUSED;
	return CS_REFUSED;
}

/*
 * safe.directory is about a stranger's repository. His .git may lead to one of root's instead,
 * which he could not read himself.
 */
static int check_same_owner(const struct cs_location *loc, struct cs_err *err)
{
	AUTO_FREE char *dot_git = loc->worktree ? cs_asprintf("%s/.git", loc->worktree) : NULL;
	const char *const way[] = { loc->gitfile, dot_git, loc->git_dir };

	if (geteuid() != 0 || !is_ours(loc->common_dir))
		return 0;
	for (size_t i = 0; i < CS_COUNT(way); i++)
		if (way[i] && !is_ours(way[i]))
			return cs_err_set(
				err, CS_REFUSED,
				"%s is another user's, and leads to root's %s: start there", way[i],
				loc->common_dir);
	return 0;
}

int cs_check_owner(const struct cs_location *loc, const char *start, struct cs_err *err)
{
	int rc;

	if (loc->given)
		return 0;
	if (loc->worktree && is_ours(loc->worktree) && is_ours(loc->git_dir) &&
	    (!loc->gitfile || is_ours(loc->gitfile)))
		return 0;
	rc = ask_git(start, loc->worktree ? loc->worktree : loc->git_dir, err);
	return rc < 0 ? rc : check_same_owner(loc, err);
}

int cs_repo_check_owner(int fd, const char *path, struct cs_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cs_err_sys(err, "%s", path);
	return st.st_uid == geteuid() ? 0 : ask_git(path, path, err);
}

bool cs_lets(const struct stat *st, uid_t uid, gid_t gid, mode_t bits)
{
	const mode_t mode = st->st_uid == uid	? st->st_mode >> 6
			    : st->st_gid == gid ? st->st_mode >> 3
						: st->st_mode;
	return (mode & bits) == bits;
}

bool cs_comes_to(const char *real, uid_t uid, gid_t gid)
{
	AUTO_FREE char *path = cs_strdup(real);
	struct stat st;

	for (char *slash; (slash = strrchr(path, '/')) && slash != path;) {
		*slash = '\0';
		if (lstat(path, &st) < 0 || !cs_lets(&st, uid, gid, 01))
			return false;
	}
	return true;
}
