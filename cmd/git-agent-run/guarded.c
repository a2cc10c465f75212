/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories of the operator's repository that the agent must not meet by another way than the one
 * that the worktree prepares: git's own (configuration with credentials, hooks, references), ours
 * (prompts and traces of other runs), and, where the policy hides files, whatever else holds their
 * bytes: stores of objects and other checkouts.
 *
 *	--carry		a directory that is one of git's or ours, lies in one or holds one, is refused.
 *			Compared are devices and inodes on the way up to the root: names say nothing,
 *			a git directory has any
 *	what is mounted anyway (/opt, toolchains, PATH)
 *			one that lies below is covered; a mount that lies in one is covered as a whole
 *
 * Not found: a second mount of the host's (a bind) that shows one of them at another place.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_WAY 4096 /* of "..": PATH_MAX has no more */

enum guard {
	GUARD_GIT = 0, /* in any case */
	GUARD_STORE, /* of objects: a carried directory has none; else where something is hidden */
	GUARD_TREE,  /* a checkout: where something is hidden */
};

struct place {
	enum guard guard;
	char *path; /* real */
};
struct places {
	struct place *v;
	size_t n, cap;
};

static void places_release(struct places *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].path);
	free(p->v);
}

/* What is not there holds nothing. */
static void add_place(struct places *p, enum guard guard, const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);

	for (size_t i = 0; real && i < p->n; i++)
		if (!strcmp(p->v[i].path, real))
			return;
	if (!real)
		return;
	CS_GROW(p->v, p->n, p->cap);
	p->v[p->n++] = (struct place){ .guard = guard, .path = cs_steal(&real) };
}

static void add_git(struct places *p, const struct run *run)
{
	const struct cs_strv *objects = cs_repo_object_dirs(run->repo);
	AUTO_FREE char *state = cs_state_path(run->repo);

	add_place(p, GUARD_GIT, cs_repo_common_dir(run->repo));
	add_place(p, GUARD_GIT, cs_repo_git_dir(run->repo));
	add_place(p, GUARD_GIT, state);
	for (size_t i = 0; i < objects->n; i++)
		add_place(p, GUARD_STORE, objects->v[i]);
}

/* ---- checkouts -------------------------------------------------------------------------------- */

/* <common dir>/worktrees/<id>/gitdir names the ".git" of a linked checkout. */
static void add_linked(struct places *p, int worktrees_fd, const char *dir, const char *id)
{
	AUTO_FREE char *name = cs_asprintf("%s/gitdir", id);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *path = NULL;
	char *slash;

	if (cs_read_file(&text, worktrees_fd, name, PATH_MAX, NULL) < 0)
		return;
	cs_buf_truncate(&text, strcspn(text.data, "\n"));
	slash = strrchr(text.data, '/');
	if (!slash)
		return;
	cs_buf_truncate(&text, (size_t)(slash - text.data));
	path = text.data[0] == '/' ? cs_strdup(text.data)
				   : cs_asprintf("%s/%s/%s", dir, id, text.data);
	add_place(p, GUARD_TREE, path);
}

/* The main checkout is where git says, else beside a directory named ".git". */
static int add_main(struct places *p, const struct run *run, struct cs_err *err)
{
	const char *common = cs_repo_common_dir(run->repo);
	const size_t len = strlen(common);
	AUTO_FREE char *set = NULL;
	AUTO_FREE char *path = NULL;
	int rc = cs_repo_config(&set, run->repo, "core.worktree", err);

	if (rc < 0)
		return rc;
	if (set) {
		path = set[0] == '/' ? cs_strdup(set) : cs_asprintf("%s/%s", common, set);
		add_place(p, GUARD_TREE, path);
	} else if (len > 5 && !strcmp(common + len - 5, "/.git")) {
		path = cs_strndup(common, len - 5);
		add_place(p, GUARD_TREE, path);
	}
	return 0;
}

static int add_checkouts(struct places *p, const struct run *run, struct cs_err *err)
{
	AUTO_FREE char *dir = cs_asprintf("%s/worktrees", cs_repo_common_dir(run->repo));
	AUTO_DIR DIR *list = opendir(dir);

	if (!list && errno != ENOENT)
		return cs_err_sys(err, "open %s", dir);
	for (struct dirent *e; list && (e = readdir(list));)
		if (e->d_name[0] != '.')
			add_linked(p, dirfd(list), dir, e->d_name);
	if (cs_repo_worktree(run->repo))
		add_place(p, GUARD_TREE, cs_repo_worktree(run->repo));
	return add_main(p, run, err);
}

/* ---- carried ---------------------------------------------------------------------------------- */

/* Does the way up from dir_fd pass what st is, dir_fd itself included? 1, 0, or -1 with errno. */
static int passes(int dir_fd, const struct stat *st)
{
	AUTO_FD int at = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat here, above;

	if (at < 0 || fstat(at, &here) < 0)
		return -1;
	for (int i = 0; i < MAX_WAY; i++) {
		int up;

		if (here.st_dev == st->st_dev && here.st_ino == st->st_ino)
			return 1;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -1;
		cs_close(&at);
		at = up;
		if (fstat(at, &above) < 0)
			return -1;
		if (above.st_dev == here.st_dev && above.st_ino == here.st_ino)
			return 0;
		here = above;
	}
	errno = ELOOP;
	return -1;
}

static int check_apart(int dir_fd, const struct place *p, struct cs_err *err)
{
	AUTO_FD int place = open(p->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat ours, dir;
	int in, holds;

	if (place < 0 && errno == ENOENT)
		return 0;
	if (place < 0 || fstat(place, &ours) < 0 || fstat(dir_fd, &dir) < 0)
		return cs_err_sys(err, "open %s", p->path);
	in = passes(dir_fd, &ours);
	holds = in ? 0 : passes(place, &dir);
	if (in < 0 || holds < 0)
		return cs_err_sys(err, "find out where %s lies", p->path);
	if (!in && !holds)
		return 0;
	return cs_err_set(err, CS_REFUSED, "%s stays outside, and %s (%s)",
			  p->guard == GUARD_GIT ? "the git directory" : "a store of objects",
			  in ? "this is of it" : "this holds it", p->path);
}

int guarded_carry(const struct run *run, int dir_fd, struct cs_err *err)
{
	struct places places = { 0 };
	int rc = 0;

	add_git(&places, run);
	for (size_t i = 0; i < places.n && !rc; i++)
		rc = check_apart(dir_fd, &places.v[i], err);
	places_release(&places);
	return rc;
}

/* ---- mounted ---------------------------------------------------------------------------------- */

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return !strncmp(path, dir, n) && (path[n] == '/' || !path[n]);
}

/* Mounts of what the host has anyway: not of what was made for the run, or prepared. */
static bool is_of_host(const struct run *run, const struct cs_mount *m)
{
	switch (m->kind) {
	case CS_MOUNT_RO:
	case CS_MOUNT_QUIET:
	case CS_MOUNT_OVERLAY:
		return !below(m->src, run->state_dir) && !below(m->dst, run->worktree.path);
	default:
		return false;
	}
}

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

bool guarded_hides(const struct run *run, const char *path)
{
	const struct cs_strv *globs = cs_policy_list(run->policy, "sandbox.hide");
	AUTO_FREE char *above = cs_strdup(path);

	for (char *end = above + strlen(above); end; end = strrchr(above, '/')) {
		*end = '\0';
		if (cs_glob_matches(globs, above))
			return true;
	}
	return false;
}

/* Where inside a place is to be covered, owned; NULL: this mount does not show it. */
static char *where_shown(const struct run *run, const struct cs_mount *m, const char *real,
			 const struct place *p)
{
	if (below(p->path, real))
		return cs_asprintf("%s%s", m->dst, p->path + strlen(real));
	if (!below(real, p->path))
		return NULL;
	/* A program that lies in a checkout is wanted, whatever is beside it. */
	if (p->guard == GUARD_TREE && is_file(real) &&
	    !guarded_hides(run, real + strlen(p->path) + 1))
		return NULL;
	return cs_strdup(m->dst);
}

static void cover(struct run *run, size_t i, const struct places *places)
{
	AUTO_FREE char *real = realpath(run->plan.mounts[i].src, NULL);
	const bool hides = cs_policy_list(run->policy, "sandbox.hide")->n > 0;

	for (size_t k = 0; real && k < places->n; k++) {
		const struct place *p = &places->v[k];
		AUTO_FREE char *dst = NULL;

		if (p->guard == GUARD_GIT || hides)
			dst = where_shown(run, &run->plan.mounts[i], real, p);
		if (dst)
			cs_plan_mount(&run->plan, CS_MOUNT_MASK, NULL, dst, NULL);
	}
}

int guarded_cover(struct run *run, size_t first, struct cs_err *err)
{
	const size_t n = run->plan.n_mounts;
	struct places places = { 0 };
	int rc = 0;

	add_git(&places, run);
	if (cs_policy_list(run->policy, "sandbox.hide")->n)
		rc = add_checkouts(&places, run, err);
	for (size_t i = first; i < n && !rc; i++)
		if (is_of_host(run, &run->plan.mounts[i]))
			cover(run, i, &places);
	places_release(&places);
	return rc;
}
