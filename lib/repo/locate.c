/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the repository is: what git's setup_git_directory() would find from a directory, without
 * reading more than it reads (gitrepository-layout(5)).
 *
 * Upwards from the start, each directory is tried twice: for ".git" (a directory, or a file
 * "gitdir: <path>"), then as a bare repository itself. A directory is a git directory when it has
 * a HEAD that looks like one, objects and refs, the latter two in the directory that its file
 * "commondir" names. The walk ends at the root, at GIT_CEILING_DIRECTORIES, and where the file
 * system changes.
 */
#include "internal.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* Of the small files that lead from one directory to another. */
#define POINTER_MAX (64 << 10)

void cs_location_release(struct cs_location *loc)
{
	free(loc->git_dir);
	free(loc->common_dir);
	free(loc->worktree);
	free(loc->gitfile);
	*loc = (struct cs_location){ 0 };
}

static char *join(const char *dir, const char *name)
{
	if (*name == '/')
		return cs_strdup(name);
	return cs_asprintf("%s/%s", !strcmp(dir, "/") ? "" : dir, name);
}

/* The content of a small file without its line end, or NULL. */
static char *read_pointer(const char *path)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	if (cs_read_file(&b, AT_FDCWD, path, POINTER_MAX, NULL) < 0)
		return NULL;
	while (b.len && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == '\r'))
		cs_buf_truncate(&b, b.len - 1);
	return cs_buf_take(&b);
}

static bool is_hex_id(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return n == 40 || n == 64;
}

/* HEAD: "ref: refs/..." or an id; an old symbolic link into refs too. */
static bool has_head(const char *dir)
{
	AUTO_FREE char *path = join(dir, "HEAD");
	AUTO_FREE char *text = NULL;
	char link[PATH_MAX];
	ssize_t n = readlink(path, link, sizeof(link) - 1);
	const char *ref;

	if (n >= 0) {
		link[n] = '\0';
		return !strncmp(link, "refs/", 5);
	}
	text = read_pointer(path);
	if (!text)
		return false;
	if (strncmp(text, "ref:", 4) != 0)
		return is_hex_id(text);
	ref = text + 4 + strspn(text + 4, " \t");
	return !strncmp(ref, "refs/", 5);
}

static bool has_directory(const char *dir, const char *name)
{
	AUTO_FREE char *path = join(dir, name);

	return access(path, X_OK) == 0;
}

/* The common directory of a git directory as a real path, or NULL when it is none. */
static char *common_dir_of(const char *git_dir)
{
	AUTO_FREE char *file = join(git_dir, "commondir");
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *real = NULL;

	if (!has_head(git_dir))
		return NULL;
	name = read_pointer(file);
	path = name ? join(git_dir, name) : cs_strdup(git_dir);
	real = realpath(path, NULL);
	if (!real || !has_directory(real, "objects") || !has_directory(real, "refs"))
		return NULL;
	return cs_steal(&real);
}

/* Fills the two directories when path is a git directory. */
static bool take_git_dir(struct cs_location *loc, const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);
	char *common = real ? common_dir_of(real) : NULL;

	if (!common)
		return false;
	loc->git_dir = cs_steal(&real);
	loc->common_dir = common;
	loc->linked = strcmp(loc->git_dir, loc->common_dir) != 0;
	return true;
}

/* A file "gitdir: <path>", relative to where it stands. */
static int take_gitfile(struct cs_location *loc, const char *dir, const char *path,
			struct cs_err *err)
{
	AUTO_FREE char *text = read_pointer(path);
	AUTO_FREE char *target = NULL;

	if (!text || strncmp(text, "gitdir: ", 8) != 0)
		return cs_err_set(err, CS_NOTFOUND, "not a git repository: invalid .git file %s",
				  path);
	target = join(dir, text + 8);
	if (!take_git_dir(loc, target))
		return cs_err_set(err, CS_NOTFOUND,
				  "not a git repository: %s points to %s, which is none", path,
				  target);
	loc->gitfile = cs_strdup(path);
	return 0;
}

/* Looks at one directory: 1 found, 0 not here, below 0 a broken .git file. */
static int look_in(struct cs_location *loc, const char *dir, struct cs_err *err)
{
	AUTO_FREE char *dot_git = join(dir, ".git");
	struct stat st;
	int rc;

	if (stat(dot_git, &st) == 0 && S_ISREG(st.st_mode)) {
		rc = take_gitfile(loc, dir, dot_git, err);
		if (rc < 0)
			return rc;
		loc->worktree = cs_strdup(dir);
		return 1;
	}
	if (take_git_dir(loc, dot_git)) {
		loc->worktree = cs_strdup(dir);
		return 1;
	}
	return take_git_dir(loc, dir);
}

/* A ceiling keeps the walk from entering that directory; the start itself is always looked at. */
static bool is_ceiling(const char *dir)
{
	const char *list = getenv("GIT_CEILING_DIRECTORIES");
	AUTO_FREE char *copy = cs_strdup(list ? list : "");
	char *rest = copy;
	char *item;

	while ((item = strsep(&rest, ":"))) {
		AUTO_FREE char *real = *item == '/' ? realpath(item, NULL) : NULL;

		if (real && !strcmp(real, dir))
			return true;
	}
	return false;
}

static bool may_cross_file_systems(void)
{
	const char *value = getenv("GIT_DISCOVERY_ACROSS_FILESYSTEM");

	return value && cs_config_bool(value) == 1;
}

/* Shortens dir to its parent; false at the end of the walk. */
static bool go_up(char *dir, dev_t device)
{
	char *slash = strrchr(dir, '/');
	struct stat st;

	if (!strcmp(dir, "/"))
		return false;
	slash[slash == dir] = '\0';
	if (is_ceiling(dir) || stat(dir, &st) < 0)
		return false;
	return st.st_dev == device || may_cross_file_systems();
}

static int discover(struct cs_location *loc, const char *start, struct cs_err *err)
{
	AUTO_FREE char *dir = cs_strdup(start);
	struct stat st;

	if (stat(dir, &st) < 0)
		return cs_err_sys(err, "%s", start);
	do {
		int rc = look_in(loc, dir, err);

		if (rc)
			return rc < 0 ? rc : 0;
	} while (go_up(dir, st.st_dev));
	return cs_err_set(err, CS_NOTFOUND, "not a git repository (or any of its parents): %s",
			  start);
}

/* GIT_DIR: no walk; the worktree is where the user stands. */
static int take_given(struct cs_location *loc, const char *start, const char *git_dir,
		      struct cs_err *err)
{
	AUTO_FREE char *path = join(start, git_dir);
	struct stat st;

	loc->given = true;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		AUTO_FREE char *dir = cs_strdup(path);

		*strrchr(dir, '/') = '\0';
		return take_gitfile(loc, *dir ? dir : "/", path, err);
	}
	if (!take_git_dir(loc, path))
		return cs_err_set(err, CS_NOTFOUND, "not a git repository: %s (GIT_DIR)", path);
	return 0;
}

int cs_locate(struct cs_location *out, const char *start, const char *git_dir_env,
	      struct cs_err *err)
{
	AUTO_LOCATION struct cs_location loc = { 0 };
	AUTO_FREE char *real = realpath(start, NULL);
	int rc;

	if (!real)
		return cs_err_sys(err, "%s", start);
	if (git_dir_env && *git_dir_env) {
		rc = take_given(&loc, real, git_dir_env, err);
		loc.worktree = cs_strdup(real);
	} else {
		rc = discover(&loc, real, err);
	}
	if (rc < 0)
		return rc;
	*out = loc;
	loc = (struct cs_location){ 0 };
	return 0;
}
