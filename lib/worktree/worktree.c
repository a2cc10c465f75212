/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One preparation: the base's pristine (made once), what this run keeps alive, its own layer with
 * a private git directory. Nothing here costs more in a large repository once the pristine is
 * there, but the copy in checkout mode.
 *
 * As root everything that the agent will own is given to its uid; directories that hold them stay
 * with whoever owns the state directory.
 */
#include "countersign/worktree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include "internal.h"
#include "pins.h"

/* What a preparation makes in the run's directory; undone when it fails. */
static const char *const run_entries[] = { CS_WT_USE, "upper", "work", "tree" };

/* Of a pristine whose submodules lack objects, under as many keys. */
#define TRIES_MAX 16

/* ---- the state directory ---- */

static int open_base(struct cs_wt_job *job, struct stat *state, struct cs_err *err)
{
	AUTO_FD int state_fd = -1;
	struct cs_wt_owner owner = { .give = job->owner.give };
	int rc = cs_wt_opendir(&state_fd, AT_FDCWD, job->opts->state_dir, err);

	if (rc < 0)
		return rc;
	if (fstat(state_fd, state) < 0)
		return cs_err_sys(err, "%s", job->opts->state_dir);
	owner.uid = state->st_uid;
	owner.gid = state->st_gid;
	if (faccessat(state_fd, "base", F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		struct cs_err local = CS_ERR_INIT;

		/* Another run may be making it at the same time. */
		rc = cs_wt_mkdir(state_fd, "base", 0700, &owner, &local);
		if (rc < 0 && local.sys_errno != EEXIST)
			return cs_err_set(err, rc, "%s: %s", job->opts->state_dir, local.msg);
	}
	return cs_wt_opendir(&job->base_fd, state_fd, "base", err);
}

/*
 * Checkouts differ by tree, by sparse patterns, by the submodules in them, and by owner: overlayfs
 * can only copy up what belongs to the user of its namespace.
 */
static char *pristine_key(const struct cs_wt_job *job, const struct stat *state,
			  const struct cs_buf *tried)
{
	AUTO_BUF struct cs_buf key = CS_BUF_INIT;
	char hex[CS_OID_HEX];

	cs_buf_adds(&key, cs_oid_hex(hex, &job->opts->tree));
	if (job->sparse.on) {
		uint8_t sum[CS_SHA256_LEN];
		char digits[17];

		cs_sha256(sum, job->sparse.patterns.data, job->sparse.patterns.len);
		cs_buf_addf(&key, "-%c%s", job->sparse.cone ? 'c' : 's', cs_hex(digits, sum, 8));
	}
	cs_wt_modules_key(&key, job, tried);
	if (job->opts->uid != state->st_uid)
		cs_buf_addf(&key, "-u%u", job->opts->uid);
	return cs_buf_take(&key);
}

/* Objects that were missing for a submodule may have come since, one after another. */
static int name_pristine(struct cs_wt_job *job, const struct stat *state, struct cs_err *err)
{
	AUTO_BUF struct cs_buf tried = CS_BUF_INIT;
	size_t before;

	for (unsigned int i = 0; i < TRIES_MAX; i++) {
		int rc;

		free(job->key);
		job->key = pristine_key(job, state, &tried);
		before = tried.len;
		rc = job->modules.n ? cs_wt_tried(&tried, job->key, job, err) : 0;
		if (rc < 0)
			return rc;
		if (tried.len == before)
			break;
	}
	job->dir = cs_asprintf("%s/base/%s", job->opts->state_dir, job->key);
	return 0;
}

/* ---- the run's directory ---- */

static void remove_entries(int run_fd)
{
	for (size_t i = 0; i < CS_COUNT(run_entries); i++)
		(void)!cs_remove_tree(run_fd, run_entries[i], NULL);
}

/*
 * An upper layer as it was prepared: nothing in it but .git, and nothing there that git makes as
 * soon as it is used. So it is when the overlay could not be mounted.
 */
static bool is_unused(int run_fd)
{
	AUTO_DIR DIR *dir = NULL;
	const struct dirent *e;
	int fd = openat(run_fd, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cs_close(&fd);
		return false;
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, ".git") != 0)
			return false;
	return faccessat(fd, ".git/index", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	       faccessat(fd, ".git/logs", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	       faccessat(run_fd, "tree", F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

static int open_run(struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_FD int fd = -1;
	int rc = cs_wt_opendir(&fd, AT_FDCWD, job->opts->run_dir, err);

	if (rc < 0)
		return rc;
	if (job->opts->mode == CS_WORKTREE_CHECKOUT && is_unused(fd))
		remove_entries(fd);
	for (size_t i = 0; i < CS_COUNT(run_entries); i++)
		if (faccessat(fd, run_entries[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return cs_err_set(err, CS_EXISTS, "%s/%s exists already",
					  job->opts->run_dir, run_entries[i]);
	job->run_fd = cs_steal_fd(&fd);
	return 0;
}

static int copy_index(const struct cs_wt_job *job, int tree_fd, struct cs_err *err)
{
	AUTO_BUF struct cs_buf index = CS_BUF_INIT;
	int rc = cs_read_file(&index, job->dir_fd, "tree/.git/index", CS_WT_LARGE, err);

	if (rc == 0)
		rc = cs_wt_put(tree_fd, ".git/index", index.data, index.len, &job->owner, err);
	return rc;
}

/* The run's own part: an empty upper layer, or a copy; in both the private git directory. */
static int make_layer(struct cs_worktree *out, const struct cs_wt_job *job, struct cs_err *err)
{
	bool copy = out->mode == CS_WORKTREE_CHECKOUT;
	const char *layer = copy ? "tree" : "upper";
	const char *run = job->opts->run_dir;
	AUTO_FD int fd = -1;
	int rc = copy ? cs_wt_copy(job, err)
		      : cs_wt_mkdir(job->run_fd, layer, 0777, &job->owner, err);

	if (rc == 0 && !copy)
		rc = cs_wt_mkdir(job->run_fd, "work", 0700, &job->owner, err);
	if (rc == 0)
		rc = cs_wt_opendir(&fd, job->run_fd, layer, err);
	if (rc == 0)
		rc = cs_wt_gitdir(fd, &out->head, out->objects.n, job, err);
	if (rc == 0 && copy)
		rc = copy_index(job, fd, err);
	if (rc < 0)
		return rc;
	out->copy = copy ? cs_asprintf("%s/tree", run) : NULL;
	out->upper = copy ? NULL : cs_asprintf("%s/upper", run);
	out->work = copy ? NULL : cs_asprintf("%s/work", run);
	return 0;
}

/* ---- objects ---- */

static bool may_enter(const struct stat *st, uid_t uid, gid_t gid)
{
	mode_t shift = st->st_uid == uid ? 6 : st->st_gid == gid ? 3 : 0;

	return (st->st_mode >> shift & 5) == 5;
}

/* Root may read what the agent's uid may not. Two looks a directory: it is a hint, not a proof. */
static int check_readable(const struct cs_strv *dirs, const struct cs_wt_owner *owner,
			  struct cs_err *err)
{
	for (size_t i = 0; owner->give && i < dirs->n; i++) {
		AUTO_FREE char *pack = cs_asprintf("%s/pack", dirs->v[i]);
		struct stat st;

		if ((stat(dirs->v[i], &st) == 0 && !may_enter(&st, owner->uid, owner->gid)) ||
		    (stat(pack, &st) == 0 && !may_enter(&st, owner->uid, owner->gid)))
			return cs_err_set(
				err, CS_REFUSED,
				"user %u, who the agent runs as, may not read the objects "
				"in %s: chmod -R go+rX there, or set worktree.history to "
				"base",
				owner->uid, dirs->v[i]);
	}
	return 0;
}

static int choose_objects(struct cs_worktree *out, struct cs_wt_job *job, struct cs_err *err)
{
	const struct cs_strv *host = cs_repo_object_dirs(job->opts->repo);
	AUTO_FREE char *store = NULL;
	int rc;

	if (job->opts->history_base) {
		rc = cs_wt_history(&store, &out->head, job, err);
		if (rc == 0)
			cs_strv_add(&out->objects, store);
		return rc;
	}
	rc = check_readable(host, &job->owner, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < host->n; i++)
		cs_strv_add(&out->objects, host->v[i]);
	out->head = job->opts->commit;
	return 0;
}

/* ---- preparing ---- */

/* A bare repository has no worktree; it is put where one would be cloned to. */
static char *path_inside(const struct cs_repo *repo)
{
	const char *path = cs_repo_worktree(repo);
	size_t len;

	if (path)
		return cs_strdup(path);
	path = cs_repo_common_dir(repo);
	len = strlen(path);
	if (len > 5 && !strcmp(path + len - 5, "/.git"))
		len -= 5;
	else if (len > 4 && !strcmp(path + len - 4, ".git"))
		len -= 4;
	return cs_strndup(path, len);
}

static int read_host(struct cs_wt_job *job, struct cs_err *err)
{
	struct stat state;
	int rc = open_run(job, err);

	if (rc == 0)
		rc = open_base(job, &state, err);
	if (rc == 0)
		rc = cs_wt_sparse_read(&job->sparse, job->opts->repo, err);
	if (rc == 0)
		rc = cs_wt_host_config(&job->host_config, &job->partial, job->opts->repo, err);
	if (rc == 0)
		rc = cs_wt_modules_find(job, err);
	if (rc == 0)
		rc = name_pristine(job, &state, err);
	return rc;
}

static void hand_over_modules(struct cs_worktree *out, struct cs_wt_job *job)
{
	const size_t n = job->modules.n;

	out->modules = cs_calloc(n ? n : 1, sizeof(*out->modules));
	for (size_t i = 0; i < n; i++) {
		struct cs_wt_module *m = &job->modules.list[i];

		out->modules[i].path = cs_steal(&m->path);
		out->modules[i].commit = m->commit;
		out->modules[i].why = cs_steal(&m->why);
	}
	out->n_modules = n;
}

static int prepare(struct cs_worktree *out, struct cs_wt_job *job, struct cs_err *err)
{
	int rc = cs_wt_use_write(job, err);

	cs_fault("worktree-use");
	if (rc == 0)
		rc = cs_wt_pristine(&out->lease_fd, job, err);
	if (rc == 0)
		rc = cs_wt_populated(job, err);
	if (rc == 0)
		rc = choose_objects(out, job, err);
	cs_fault("worktree-pristine");
	if (rc == 0)
		rc = make_layer(out, job, err);
	cs_fault("worktree-layer");
	if (rc == 0)
		rc = cs_wt_pin(job, err);
	if (rc < 0)
		return rc;
	out->lower = cs_asprintf("%s/tree", job->dir);
	out->path = path_inside(job->opts->repo);
	hand_over_modules(out, job);
	return 0;
}

static void job_release(struct cs_wt_job *job)
{
	cs_close(&job->run_fd);
	cs_close(&job->base_fd);
	cs_close(&job->dir_fd);
	cs_buf_release(&job->sparse.patterns);
	cs_wt_modules_release(&job->modules);
	cs_buf_release(&job->host_config);
	free(job->key);
	free(job->dir);
}

int cs_worktree_prepare(struct cs_worktree *out, const struct cs_worktree_opts *opts,
			struct cs_err *err)
{
	struct cs_wt_job job = {
		.opts = opts,
		.owner = { .give = geteuid() == 0, .uid = opts->uid, .gid = opts->gid },
		.sparse = { .patterns = CS_BUF_INIT },
		.host_config = CS_BUF_INIT,
		.run_fd = -1,
		.base_fd = -1,
		.dir_fd = -1,
	};
	struct cs_worktree wt = CS_WORKTREE_INIT;
	int rc;

	wt.mode = opts->mode == CS_WORKTREE_CHECKOUT ? CS_WORKTREE_CHECKOUT : CS_WORKTREE_OVERLAY;
	rc = read_host(&job, err);
	if (rc == 0) {
		rc = prepare(&wt, &job, err);
		if (rc < 0)
			remove_entries(job.run_fd);
	}
	job_release(&job);
	if (rc < 0) {
		cs_worktree_release(&wt);
		return cs_err_wrap(err, "worktree");
	}
	*out = wt;
	return 0;
}

void cs_worktree_release(struct cs_worktree *wt)
{
	free(wt->path);
	free(wt->lower);
	free(wt->upper);
	free(wt->work);
	free(wt->copy);
	for (size_t i = 0; i < wt->n_modules; i++) {
		free(wt->modules[i].path);
		free(wt->modules[i].why);
	}
	free(wt->modules);
	cs_strv_release(&wt->objects);
	cs_close(&wt->lease_fd);
	*wt = (struct cs_worktree)CS_WORKTREE_INIT;
}
