/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which submodules of the base can be populated: from .gitmodules of the base's own tree down to
 * the commits that its gitlinks name, and again in these.
 *
 *	may:	 read objects, of the repository and of the user's git directories of submodules
 *	mustn't: read any of their configuration, hooks, references, indexes; write anything; fetch
 *
 * Names and paths come from whoever wrote the base; the git directories are the user's. They are
 *
 *	<git dir>/modules/<name>	made by `git submodule` (of a linked worktree: its own)
 *	<common dir>/modules/<name>	the main worktree's
 *	<checkout>/<path>/.git		a directory, from before 1.7.8, or added by hand
 *
 * and for a submodule of a submodule the same below its git directory. Each is opened beneath the
 * directory before it, without following a link; its owner must be one that git would accept
 * (safe.directory), whoever named the repository around it; and what is read from it is the commit
 * that the gitlink names, so neither a name nor a path can lead to anything but these files.
 *
 * Whatever is not as it has to be leaves that submodule empty, with the reason. The cost is by the
 * number of submodules.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>

/* Submodules in each other, and in all. */
#define DEPTH_MAX   8
#define MODULES_MAX CS_SUBMODULES_MAX

#define FETCH "git submodule update --init --recursive"

struct search {
	struct cs_wt_job *job;
	int checkout_fd; /* -1: bare */
};

/* A directory that may have modules/. */
struct home {
	int fd;
	const char *path;
};

/* A tree with submodules. */
struct level {
	const struct cs_repo *repo;
	const struct cs_oid *tree;
	const char *prefix; /* of its paths: "" or "a/b/" */
	struct home homes[2];
	size_t n_homes;
	size_t around;
	unsigned int depth;
};

static int search_level(struct search *s, const struct level *level, struct cs_err *err);

void cs_wt_modules_release(struct cs_wt_modules *modules)
{
	for (size_t i = 0; i < modules->n; i++) {
		struct cs_wt_module *m = &modules->list[i];

		free(m->path);
		free(m->why);
		free(m->git_dir);
		cs_strv_release(&m->objects);
	}
	free(modules->list);
	*modules = (struct cs_wt_modules){ 0 };
}

/* ---- one git directory ---- */

/* The first reason stands. */
static CS_PRINTF(2, 3) void set_why(char **why, const char *fmt, ...)
{
	va_list ap;

	if (*why)
		return;
	va_start(ap, fmt);
	if (vasprintf(why, fmt, ap) < 0)
		*why = cs_strdup("out of memory");
	va_end(ap);
}

/* Its commit, and the objects that it is among. */
static bool read_module(struct cs_wt_module *m, struct cs_repo **repo, const char *git_dir)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_commit commit = { 0 };
	char hex[CS_OID_HEX];
	int rc = cs_repo_open_objects(repo, git_dir, &err);

	if (rc == 0)
		rc = cs_repo_read_commit(&commit, *repo, &m->commit, &err);
	if (rc == 0) {
		const struct cs_strv *dirs = cs_repo_object_dirs(*repo);

		m->tree = commit.tree;
		m->git_dir = cs_strdup(git_dir);
		for (size_t i = 0; i < dirs->n; i++)
			cs_strv_add(&m->objects, dirs->v[i]);
	} else if (rc == CS_NOTFOUND) {
		set_why(&m->why, "%.10s is not in %s: " FETCH, cs_oid_hex(hex, &m->commit),
			git_dir);
	} else {
		set_why(&m->why, "%s", err.msg);
	}
	cs_commit_release(&commit);
	return rc == 0;
}

/* Opens what may be its git directory; -1: it is none, or not to be used. */
static int open_git_dir(struct cs_wt_module *m, const struct home *home, const char *rel,
			const char *git_dir)
{
	AUTO_FD int fd = cs_opendir_beneath(home->fd, rel);
	AUTO_FD int objects_fd = fd < 0 ? -1 : cs_opendir_beneath(fd, "objects");
	struct cs_err err = CS_ERR_INIT;

	if (objects_fd >= 0) {
		if (cs_repo_check_owner(fd, git_dir, &err) == 0)
			return cs_steal_fd(&fd);
		set_why(&m->why, "%s", err.msg);
	} else if (errno == ELOOP) {
		set_why(&m->why, "%s leads through a symbolic link", git_dir);
	} else if (errno != ENOENT && errno != ENOTDIR) {
		set_why(&m->why, "%s: %s", git_dir, strerror(errno));
	}
	return -1;
}

/* ---- one submodule ---- */

/* Where its commit was found. */
struct found {
	struct cs_repo *repo;
	char *git_dir;
	int fd; /* of that */
};

static void found_release(struct found *f)
{
	cs_repo_free(f->repo);
	free(f->git_dir);
	cs_close(&f->fd);
}

static bool look_in(struct found *out, struct cs_wt_module *m, const struct home *home,
		    const char *rel)
{
	CS_AUTO(found_release)
	struct found f = { .git_dir = cs_asprintf("%s/%s", home->path, rel) };

	f.fd = open_git_dir(m, home, rel, f.git_dir);
	if (f.fd < 0 || !read_module(m, &f.repo, f.git_dir))
		return false;
	free(cs_steal(&m->why)); /* an earlier place's */
	*out = f;
	f = (struct found){ .fd = -1 };
	return true;
}

/* Every place, until one has the commit. The first reason stands: the others are no likelier. */
static bool look_everywhere(struct found *out, const struct search *s, struct cs_wt_module *m,
			    const char *name, const struct level *level)
{
	AUTO_FREE char *by_name = cs_asprintf("modules/%s", name);
	AUTO_FREE char *by_path = cs_asprintf("%s/.git", m->path);
	const struct home checkout = { s->checkout_fd, cs_repo_worktree(s->job->opts->repo) };

	if (level->depth == DEPTH_MAX) {
		set_why(&m->why, "it lies in %d others", DEPTH_MAX);
		return false;
	}
	if (!cs_submodule_name_ok(name)) {
		set_why(&m->why, "git takes no such name as it has in .gitmodules");
		return false;
	}
	for (size_t i = 0; i < level->n_homes; i++)
		if (look_in(out, m, &level->homes[i], by_name))
			return true;
	if (checkout.fd >= 0 && look_in(out, m, &checkout, by_path))
		return true;
	set_why(&m->why, "it is not here: " FETCH);
	return false;
}

/* NOLINTBEGIN(misc-no-recursion): one call for each submodule around it, DEPTH_MAX bounds them. */

/* What it has of its own; where that cannot be read, it is not to be had either. */
static int search_in(struct search *s, size_t at, const struct level *above, const struct found *f,
		     struct cs_err *err)
{
	AUTO_FREE char *prefix = cs_asprintf("%s/", s->job->modules.list[at].path);
	const struct cs_oid tree = s->job->modules.list[at].tree;
	struct cs_err local = CS_ERR_INIT;
	const struct level level = {
		.repo = f->repo,
		.tree = &tree,
		.prefix = prefix,
		.homes = { { f->fd, f->git_dir } },
		.n_homes = 1,
		.around = at,
		.depth = above->depth + 1,
	};
	int rc = search_level(s, &level, &local);

	if (rc == CS_NOTFOUND || rc == CS_CORRUPT)
		set_why(&s->job->modules.list[at].why, "%s", local.msg);
	else if (rc < 0)
		return cs_err_set(err, rc, "%s", local.msg);
	return 0;
}

static int search_one(struct search *s, const struct cs_submodule *sub, const struct level *level,
		      struct cs_err *err)
{
	struct cs_wt_modules *all = &s->job->modules;
	struct cs_wt_module m = { .commit = sub->commit, .around = level->around };
	CS_AUTO(found_release) struct found f = { .fd = -1 };
	bool found;

	m.path = cs_asprintf("%s%s", level->prefix, sub->path);
	/* What is hidden is not told either. */
	if (s->job->opts->hide && cs_glob_covers(s->job->opts->hide, m.path)) {
		free(m.path);
		return 0;
	}
	if (all->n == MODULES_MAX)
		set_why(&m.why, "there are more than %d", MODULES_MAX);
	found = !m.why && look_everywhere(&f, s, &m, sub->name, level);
	/* Of those that are too many one is enough, to be told. */
	if (all->n > MODULES_MAX) {
		free(m.path);
		free(m.why);
		return 0;
	}
	CS_GROW(all->list, all->n, all->cap);
	all->list[all->n++] = m;
	return found ? search_in(s, all->n - 1, level, &f, err) : 0;
}

static int search_level(struct search *s, const struct level *level, struct cs_err *err)
{
	AUTO_SUBMODULES struct cs_submodules list = CS_SUBMODULES_INIT;
	int rc = cs_repo_submodules(&list, level->repo, level->tree, err);

	for (size_t i = 0; rc == 0 && i < list.n; i++)
		rc = search_one(s, &list.list[i], level, err);
	return rc;
}

/* NOLINTEND(misc-no-recursion) */

int cs_wt_modules_find(struct cs_wt_job *job, struct cs_err *err)
{
	const struct cs_repo *repo = job->opts->repo;
	const char *const dirs[] = { cs_repo_git_dir(repo), cs_repo_common_dir(repo) };
	struct level top = { .repo = repo,
			     .tree = &job->opts->tree,
			     .prefix = "",
			     .n_homes = strcmp(dirs[0], dirs[1]) ? 2 : 1,
			     .around = CS_WT_NO_MODULE };
	struct search s = { .job = job, .checkout_fd = -1 };
	int fds[3] = { -1, -1, -1 };
	int rc = 0;

	if (!job->opts->submodules)
		return 0;
	for (size_t i = 0; rc == 0 && i < top.n_homes; i++) {
		rc = cs_wt_opendir(&fds[i], AT_FDCWD, dirs[i], err);
		top.homes[i] = (struct home){ fds[i], dirs[i] };
	}
	if (rc == 0 && cs_repo_worktree(repo))
		fds[2] = open(cs_repo_worktree(repo), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s.checkout_fd = fds[2];
	if (rc == 0)
		rc = search_level(&s, &top, err);
	for (size_t i = 0; i < CS_COUNT(fds); i++)
		cs_close(&fds[i]);
	/* What the base lacks its checkout tells better. */
	if (rc == CS_NOTFOUND || rc == CS_CORRUPT)
		rc = 0;
	return rc < 0 ? cs_err_wrap(err, "submodules") : 0;
}

/* ---- the pristine's key ---- */

void cs_wt_modules_key(struct cs_buf *key, const struct cs_wt_job *job, const struct cs_buf *tried)
{
	const struct cs_strv *hide = job->opts->hide;
	uint8_t sum[CS_SHA256_LEN];
	char hex[CS_OID_HEX];
	struct cs_sha256 h;
	bool any = false;

	cs_sha256_init(&h);
	for (size_t i = 0; i < job->modules.n; i++) {
		const struct cs_wt_module *m = &job->modules.list[i];

		if (m->why)
			continue;
		any = true;
		cs_sha256_add(&h, m->path, strlen(m->path) + 1);
		cs_oid_hex(hex, &m->commit);
		cs_sha256_add(&h, hex, strlen(hex) + 1);
	}
	for (size_t i = 0; hide && i < hide->n; i++)
		cs_sha256_add(&h, hide->v[i], strlen(hide->v[i]) + 1);
	cs_sha256_add(&h, tried->data, tried->len);
	cs_sha256_end(&h, sum);
	if (any)
		cs_buf_addf(key, "-m%s", cs_hex(hex, sum, 8));
}
