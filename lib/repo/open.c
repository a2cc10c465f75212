/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: find, check the owner, check the format, then libgit2, in this order, so that nothing
 * of a foreign repository is read before its owner is accepted and nothing unknown after.
 *
 * What libgit2 may do is narrowed before its first use: it looks for no configuration outside the
 * repository, leaves owners and extensions to the checks above, and does not hash objects again
 * when it reads them (neither does git: objects were hashed when they came in, and this store is
 * the user's own; it is the difference between 2.1 and 1.15 times git's own time for a walk over
 * trees). The git directory is opened bare: no index, no work tree. A start costs well below a
 * millisecond whatever the size of the repository.
 */
#include "internal.h"

#include <git2/odb_backend.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

int cs_err_git(struct cs_err *err, int code, const char *fmt, ...)
{
	static const struct {
		int git;
		enum cs_code ours;
	} codes[] = {
		{ GIT_ENOTFOUND, CS_NOTFOUND }, { GIT_EEXISTS, CS_EXISTS },
		{ GIT_EMODIFIED, CS_EXISTS },	{ GIT_ELOCKED, CS_BUSY },
		{ GIT_EINVALIDSPEC, CS_USAGE }, { GIT_EAMBIGUOUS, CS_USAGE },
		{ GIT_EMISMATCH, CS_CORRUPT },
	};
	/* Where a general failure is about the bytes that were read. */
	static const int parsers[] = { GIT_ERROR_ZLIB, GIT_ERROR_ODB, GIT_ERROR_OBJECT,
				       GIT_ERROR_TREE, GIT_ERROR_CONFIG };
	const git_error *last = git_error_last();
	AUTO_FREE char *said = cs_escape_line(last ? last->message : "libgit2 failed");
	enum cs_code ours = CS_MALFUNCTION;
	char what[256];
	va_list ap;

	for (size_t i = 0; i < CS_COUNT(codes); i++)
		if (codes[i].git == code)
			ours = codes[i].ours;
	for (size_t i = 0; code == GIT_ERROR && last && i < CS_COUNT(parsers); i++)
		if (parsers[i] == last->klass)
			ours = CS_CORRUPT;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return cs_err_set(err, ours, "%s: %s", what, said);
}

/* The calls that narrow it are the same every time: a second repository changes nothing. */
static int start_library(struct cs_repo *repo, struct cs_err *err)
{
	/* All that format.c lets pass; libgit2 knows "noop" by itself. */
	static const char *extensions[] = { "noop-v1",		"partialclone", "preciousobjects",
					    "worktreeconfig",	"objectformat", "refstorage",
					    "relativeworktrees" };
	static const int levels[] = { GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
				      GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL };
	int rc;

	cs_leave_network_out();
	rc = git_libgit2_init();
	if (rc < 0)
		return cs_err_git(err, rc, "start libgit2");
	repo->library = true;
	rc = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	if (rc == 0)
		rc = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	if (rc == 0)
		rc = git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, CS_COUNT(extensions));
	for (size_t i = 0; rc == 0 && i < CS_COUNT(levels); i++)
		rc = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	return rc < 0 ? cs_err_git(err, rc, "set up libgit2") : 0;
}

static int add_backend(git_odb *odb, git_odb_backend *b, int priority, bool alternate)
{
	return alternate ? git_odb_add_alternate(odb, b, priority)
			 : git_odb_add_backend(odb, b, priority);
}

/* One object directory, as loose objects and as packs. Only the first one is written to. */
int cs_add_objects(git_odb *odb, const char *dir, bool alternate)
{
	/* Packs first, as libgit2 does by itself and as git does: most objects are there. */
	enum { LOOSE = 1, PACKS = 2 };
	git_odb_backend *b = NULL;
	int rc = git_odb_backend_loose(&b, dir, -1, 0, 0, 0);

	if (rc == 0)
		rc = add_backend(odb, b, LOOSE, alternate);
	if (rc == 0)
		rc = git_odb_backend_pack(&b, dir);
	if (rc == 0)
		rc = add_backend(odb, b, PACKS, alternate);
	return rc;
}

/*
 * The object store is put together from our own list of alternates: libgit2's reader passes over
 * some relative and all quoted ones, and what others are told is what is read.
 */
static int open_objects(struct cs_repo *repo, const char *git_dir, struct cs_err *err)
{
	AUTO_FREE char *objects = cs_asprintf("%s/objects", git_dir);
	int rc = cs_find_object_dirs(&repo->object_dirs, git_dir, err);

	if (rc < 0)
		return rc;
	rc = git_odb_new(&repo->odb);
	for (size_t i = 0; rc == 0 && i < repo->object_dirs.n; i++)
		rc = cs_add_objects(repo->odb, repo->object_dirs.v[i], i > 0);
	if (rc == 0 && repo->git)
		rc = git_repository_set_odb(repo->git, repo->odb);
	else if (rc == 0)
		rc = git_repository_wrap_odb(&repo->git, repo->odb);
	return rc < 0 ? cs_err_git(err, rc, "open %s", objects) : 0;
}

static int open_git_dir(struct cs_repo *repo, struct cs_err *err)
{
	const unsigned int flags = GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE;
	int rc = git_repository_open_ext(&repo->git, repo->git_dir, flags, NULL);

	return rc < 0 ? cs_err_git(err, rc, "open %s", repo->git_dir) : 0;
}

int cs_repo_open(struct cs_repo **out, const char *start, const char *git_dir_env,
		 struct cs_err *err)
{
	AUTO_REPO struct cs_repo *repo = cs_calloc(1, sizeof(*repo));
	AUTO_LOCATION struct cs_location loc = { 0 };
	int rc;

	repo->lazy = cs_calloc(1, sizeof(*repo->lazy));
	rc = cs_locate(&loc, start, git_dir_env, err);
	if (rc == 0)
		rc = cs_check_owner(&loc, start, err);
	if (rc == 0)
		rc = start_library(repo, err);
	if (rc == 0)
		rc = cs_check_format(&loc, &repo->shared, err);
	if (rc < 0)
		return rc;
	repo->git_dir = cs_steal(&loc.git_dir);
	repo->common_dir = cs_steal(&loc.common_dir);
	repo->worktree = cs_steal(&loc.worktree);
	rc = open_git_dir(repo, err);
	if (rc == 0)
		rc = open_objects(repo, repo->common_dir, err);
	if (rc < 0)
		return rc;
	*out = cs_steal(&repo);
	return 0;
}

int cs_repo_open_objects(struct cs_repo **out, const char *git_dir, struct cs_err *err)
{
	AUTO_REPO struct cs_repo *repo = cs_calloc(1, sizeof(*repo));
	int rc;

	repo->lazy = cs_calloc(1, sizeof(*repo->lazy));
	repo->quarantine = cs_strdup(""); /* read-only */
	rc = start_library(repo, err);
	if (rc == 0)
		rc = open_objects(repo, git_dir, err);
	if (rc < 0)
		return rc;
	*out = cs_steal(&repo);
	return 0;
}

int cs_repo_open_quarantine(struct cs_repo **out, const char *start, const char *git_dir_env,
			    const char *object_dir_env, struct cs_err *err)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *real = NULL;
	int rc = cs_repo_open(&repo, start, git_dir_env, err);

	if (rc < 0)
		return rc;
	repo->quarantine = cs_strdup("");
	if (object_dir_env) {
		path = *object_dir_env == '/' ? cs_strdup(object_dir_env)
					      : cs_asprintf("%s/%s", start, object_dir_env);
		real = realpath(path, NULL);
		if (!real)
			return cs_err_sys(err, "%s", path);
	}
	if (real && !cs_strv_has(&repo->object_dirs, real)) {
		/* As an alternate: whatever libgit2 writes by mistake does not go there. */
		rc = cs_add_objects(repo->odb, real, true);
		if (rc < 0)
			return cs_err_git(err, rc, "open %s", real);
		free(repo->quarantine);
		repo->quarantine = cs_strdup(real);
		cs_strv_add(&repo->object_dirs, real);
	}
	*out = cs_steal(&repo);
	return 0;
}

int cs_check_writable(const struct cs_repo *repo, struct cs_err *err)
{
	return repo->quarantine
		       ? cs_err_set(err, CS_REFUSED, "nothing is written while a push is judged")
		       : 0;
}

void cs_repo_free(struct cs_repo *repo)
{
	if (!repo)
		return;
	cs_attr_cache_free(repo->lazy->attrs);
	cs_user_config_free(repo->lazy->config);
	free(repo->lazy);
	git_odb_free(repo->odb);
	git_repository_free(repo->git);
	if (repo->library)
		git_libgit2_shutdown();
	cs_strv_release(&repo->object_dirs);
	free(repo->quarantine);
	free(repo->worktree);
	free(repo->common_dir);
	free(repo->git_dir);
	free(repo);
}

const char *cs_repo_common_dir(const struct cs_repo *repo)
{
	return repo->common_dir;
}

const char *cs_repo_git_dir(const struct cs_repo *repo)
{
	return repo->git_dir;
}

const char *cs_repo_worktree(const struct cs_repo *repo)
{
	return repo->worktree;
}

const struct cs_strv *cs_repo_object_dirs(const struct cs_repo *repo)
{
	return &repo->object_dirs;
}

bool cs_repo_is_shallow(const struct cs_repo *repo)
{
	AUTO_FREE char *path = cs_asprintf("%s/shallow", repo->common_dir);
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
/*
 * libgit2 1.5 forgets a match's memory when a regular expression does not match (regexp.c); it
 * uses one for each extension of a repository of format 1. Read by LeakSanitizer, when it is there.
 */
const char *__lsan_default_suppressions(void); /* NOLINT: the sanitizer's name for it */
const char *__lsan_default_suppressions(void)  /* NOLINT */
{
	return "leak:pcre2_\n";
}
#endif
