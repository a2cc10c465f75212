/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new pristine from the one that was used last: files that both trees have are the same files, by
 * hard links. So a base that moves by a commit costs the checkout of what that commit changed, a
 * link for each other file, and the space of directories.
 *
 * The trees say what is the same; a file goes into the new pristine only where the old tree and the
 * new one agree on it, so nothing has to be taken out again, and nothing that the new tree has not
 * (a file that the policy hides) was ever there. git then adds the rest, by an index of what is
 * linked.
 *
 * Sharing is safe because no pristine is ever written to: runs have it as the lower layer of an
 * overlay, or a copy. It saves time and nothing else: whatever is not as expected (no hard links
 * here, a file that somebody touched, objects of the old tree that are gone) ends in a checkout
 * from nothing.
 *
 * As root, the old pristine is the agent's user's own and may change under our hands: directories
 * are opened beneath and without links, and what was linked is looked at afterwards, in a directory
 * that nobody else can reach yet. The names come from an index of that user's, but stand for paths
 * in the new tree only if the names are names.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include "countersign/change.h"

#define PROGRESS_EVERY 4096

static const struct cs_wt_owner ours; /* gives nothing away */

struct reuse {
	const struct cs_wt_job *job;
	int lock_fd;
	int old_fd, new_fd; /* the two trees */
	int from_fd, to_fd; /* in them, the directory of the last entry */
	int64_t time;	    /* of the files: a pristine's all have one */
};

/* ---- which one ---- */

/* The old pristine, its lease held: whoever prunes leaves it alone. */
struct old {
	int dir_fd, lease_fd;
	struct cs_oid tree;
};

static void old_release(struct old *old)
{
	cs_close(&old->lease_fd);
	cs_close(&old->dir_fd);
}

/* The suffixes of a key, but for its submodules: their files are taken from nowhere. */
static char *suffixes(const char *key, const struct cs_wt_job *job)
{
	const size_t hex = 2 * (size_t)job->opts->tree.len;
	const char *rest = strlen(key) < hex ? "" : key + hex;
	const char *modules = strstr(rest, "-m"); /* other suffixes have no m */
	const char *behind = modules ? strchrnul(modules + 1, '-') : "";

	if (!modules)
		return cs_strdup(rest);
	return cs_asprintf("%.*s%s", (int)(modules - rest), rest, behind);
}

/* Made under the same patterns for the same owner. */
static bool is_alike(const char *key, const struct cs_wt_job *job)
{
	AUTO_FREE char *theirs = suffixes(key, job);
	AUTO_FREE char *wanted = suffixes(job->key, job);

	return strlen(key) >= 2 * (size_t)job->opts->tree.len && !strchr(key, '.') &&
	       !strcmp(theirs, wanted) && strcmp(key, job->key) != 0;
}

/* Its name; NULL where there is none. The caller frees. */
static char *last_used(const struct cs_wt_job *job)
{
	AUTO_DIR DIR *dir = NULL;
	const struct dirent *e;
	char *best = NULL;
	struct timespec when = { 0 };
	int fd = openat(job->base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cs_close(&fd);
		return NULL;
	}
	while ((e = readdir(dir))) {
		AUTO_FREE char *lease = cs_asprintf("%s/lease", e->d_name);
		struct stat st;

		if (!is_alike(e->d_name, job) ||
		    fstatat(job->base_fd, lease, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (best &&
		    (st.st_mtim.tv_sec < when.tv_sec ||
		     (st.st_mtim.tv_sec == when.tv_sec && st.st_mtim.tv_nsec <= when.tv_nsec)))
			continue;
		when = st.st_mtim;
		free(best);
		best = cs_strdup(e->d_name);
	}
	return best;
}

static bool open_old(struct old *old, const struct cs_wt_job *job)
{
	AUTO_FREE char *key = last_used(job);
	AUTO_FREE char *hex = NULL;

	if (!key)
		return false;
	hex = cs_strndup(key, 2 * (size_t)job->opts->tree.len);
	if (cs_oid_parse(&old->tree, hex) < 0)
		return false;
	old->dir_fd = cs_opendir_beneath(job->base_fd, key);
	if (old->dir_fd < 0)
		return false;
	old->lease_fd = cs_open_beneath(old->dir_fd, "lease", O_RDONLY | O_NONBLOCK, 0);
	return old->lease_fd >= 0 && flock(old->lease_fd, LOCK_SH | LOCK_NB) == 0;
}

/* ---- what is the same ---- */

/* Both lists are in byte order of the path. */
struct leaving {
	const struct cs_change *change;
	size_t at;
};

static bool stays(void *arg, const struct cs_wt_entry *e)
{
	struct leaving *l = arg;
	const struct cs_change *c = l->change;

	while (l->at < c->n && strcmp(c->list[l->at].path, e->path) < 0)
		l->at++;
	return l->at == c->n || strcmp(c->list[l->at].path, e->path) != 0;
}

/* The old index without what changes; fails where too little would be left to be worth it. */
static int choose(struct cs_wt_index *ix, const struct old *old, const struct cs_wt_job *job,
		  struct cs_err *err)
{
	struct cs_change change = CS_CHANGE_INIT;
	struct leaving leaving = { .change = &change };
	int rc = cs_wt_index_load(ix, old->dir_fd, "tree/.git/index", err);

	if (rc == 0)
		rc = cs_change_between(&change, job->opts->repo, &old->tree, &job->opts->tree,
				       false, err);
	if (rc == 0 && change.n > ix->count / 2)
		rc = cs_err_set(err, CS_LIMIT, "the trees have little in common");
	if (rc == 0)
		rc = cs_wt_index_filter(ix, stays, &leaving, err);
	cs_change_release(&change);
	return rc;
}

/* ---- linking ---- */

static int enter(struct reuse *r, const char *dir, struct cs_err *err)
{
	cs_close(&r->from_fd);
	cs_close(&r->to_fd);
	r->from_fd = cs_opendir_beneath(r->old_fd, dir);
	r->to_fd = cs_opendir_beneath(r->new_fd, dir);
	return r->from_fd < 0 || r->to_fd < 0 ? cs_err_sys(err, "open directory %s", dir) : 0;
}

/* Is it what the old pristine was made with? Looked at where nobody else can change it any more. */
static int check(struct reuse *r, const struct cs_wt_entry *e, const char *name, struct cs_err *err)
{
	struct stat st;

	if (fstatat(r->to_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "%s", e->path);
	if (st.st_uid != r->job->opts->uid || !cs_wt_entry_is(e, &st) ||
	    (r->time && st.st_mtim.tv_sec != r->time))
		return cs_err_set(err, CS_CORRUPT, "%s was touched", e->path);
	r->time = st.st_mtim.tv_sec;
	return 0;
}

static int link_entry(struct reuse *r, const struct cs_wt_entry *e, struct cs_err *err)
{
	const char *slash = strrchr(e->path, '/');
	const char *name = slash ? slash + 1 : e->path;

	if (e->mode == CS_MODE_GITLINK)
		return cs_wt_mkdir(r->to_fd, name, 0777, &ours, err);
	if (linkat(r->from_fd, name, r->to_fd, name, 0) < 0)
		return cs_err_sys(err, "link %s", e->path);
	return check(r, e, name, err);
}

static int make_dir(void *arg, const char *dir, struct cs_err *err)
{
	const struct reuse *r = arg;

	return cs_mkdirs(r->new_fd, dir, 0777, err);
}

/* Length of the directory part; "" is the top. */
static size_t dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static int link_next(struct reuse *r, const char *prev, const struct cs_wt_entry *e,
		     struct cs_err *err)
{
	const size_t len = dir_len(e->path);
	int rc = cs_wt_new_dirs(prev, e->path, make_dir, r, err);

	if (rc == 0 && (r->to_fd < 0 || len != dir_len(prev) || strncmp(prev, e->path, len) != 0)) {
		AUTO_FREE char *dir = len ? cs_strndup(e->path, len) : cs_strdup(".");

		rc = enter(r, dir, err);
	}
	return rc < 0 ? rc : link_entry(r, e, err);
}

static int link_all(struct reuse *r, struct cs_wt_index *ix, struct cs_err *err)
{
	struct cs_wt_entry e;
	const char *prev = "";
	uint64_t done = 0;
	int rc;

	while ((rc = cs_wt_index_next(&e, ix, err)) > 0) {
		if (done++ % PROGRESS_EVERY == 0)
			cs_wt_tell(r->job->opts, r->lock_fd, done - 1, ix->count);
		rc = e.absent ? 0 : link_next(r, prev, &e, err);
		if (rc < 0)
			return rc;
		prev = e.absent ? prev : e.path;
	}
	return rc;
}

static int fill(struct reuse *r, int dir_fd, const struct old *old, struct cs_err *err)
{
	struct cs_wt_index ix = CS_WT_INDEX_INIT;
	int rc = choose(&ix, old, r->job, err);

	r->old_fd = rc < 0 ? -1 : cs_opendir_beneath(old->dir_fd, "tree");
	r->new_fd = rc < 0 ? -1 : cs_opendir_beneath(dir_fd, "tree");
	if (rc == 0 && (r->old_fd < 0 || r->new_fd < 0))
		rc = cs_err_sys(err, "open tree");
	if (rc == 0)
		rc = link_all(r, &ix, err);
	if (rc == 0)
		rc = cs_wt_index_store(&ix, dir_fd, "index", &ours, err);
	cs_close(&r->from_fd);
	cs_close(&r->to_fd);
	cs_close(&r->old_fd);
	cs_close(&r->new_fd);
	cs_wt_index_release(&ix);
	return rc;
}

int cs_wt_reuse(int64_t *time, int dir_fd, const struct cs_wt_job *job, int lock_fd,
		struct cs_err *err)
{
	struct reuse r = { job, lock_fd, -1, -1, -1, -1, 0 };
	CS_AUTO(old_release) struct old old = { .dir_fd = -1, .lease_fd = -1 };

	*time = 0;
	if (!open_old(&old, job))
		return 0;
	if (fill(&r, dir_fd, &old, NULL) == 0) {
		*time = r.time;
		return 0;
	}
	if (cs_remove_tree(dir_fd, "tree", err) < 0)
		return cs_err_wrap(err, "start again");
	return cs_wt_mkdir(dir_fd, "tree", 0777, &ours, err);
}
