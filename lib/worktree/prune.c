/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what no run uses any more: pristines, what crashes left of them, and the references
 * that kept their commits.
 *
 * A run uses a pristine while it holds its lease, and as long as its directory is there: an
 * interrupted run, whose lease ended with its process, is still to be captured. Its file `base`
 * says what it needs. That file is written under the shared lock of pins.lock; pins are removed
 * under the exclusive one, so a run that has just found its pin cannot lose it.
 */
#include "pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

struct pruning {
	struct cs_repo *repo;
	int state_fd, base_fd;
	int64_t max_age_ms;
	struct cs_strv keys, commits; /* that existing runs name */
};

/* ---- what runs use ---- */

static int read_use(struct pruning *p, int runs_fd, const char *run, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/" CS_WT_USE, run);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *commit = NULL;
	AUTO_FREE char *key = NULL;
	int rc = cs_wt_read(&text, runs_fd, path, CS_WT_USE_MAX, err);

	if (rc <= 0)
		return rc; /* a run that has not come so far */
	rc = cs_wt_use_parse(&commit, &key, text.data, err);
	if (rc < 0)
		return cs_err_wrap(err, "runs/%s", path);
	cs_strv_add(&p->commits, commit);
	cs_strv_add(&p->keys, key);
	return 0;
}

static int open_list(DIR **out, int dir_fd, const char *path, struct cs_err *err)
{
	int fd = -1;
	int rc = cs_wt_opendir(&fd, dir_fd, path, err);

	if (rc < 0)
		return rc;
	*out = fdopendir(fd);
	if (*out)
		return 0;
	cs_close(&fd);
	return cs_err_sys(err, "read directory %s", path);
}

static int read_uses(struct pruning *p, struct cs_err *err)
{
	AUTO_DIR DIR *dir = NULL;
	const struct dirent *e;
	int rc;

	if (faccessat(p->state_fd, "runs", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	rc = open_list(&dir, p->state_fd, "runs", err);
	while (rc == 0 && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			rc = read_use(p, dirfd(dir), e->d_name, err);
	return rc;
}

/* ---- pins ---- */

struct pin_list {
	const struct pruning *p;
	struct cs_strv names;
	struct cs_oid *oids;
	size_t n, cap;
};

static int unused_pin(void *arg, const char *name, const struct cs_oid *oid)
{
	struct pin_list *list = arg;

	if (cs_strv_has(&list->p->commits, name + strlen(CS_WT_PIN)))
		return 0;
	cs_strv_add(&list->names, name);
	CS_GROW(list->oids, list->n, list->cap);
	list->oids[list->n++] = *oid;
	return 0;
}

static int remove_pins(struct pruning *p, struct cs_err *err)
{
	struct pin_list list = { .p = p };
	int rc = cs_repo_each_ref(p->repo, CS_WT_PIN, unused_pin, &list, err);

	if (rc == 0 && list.n) {
		struct cs_ref_update *updates = cs_calloc(list.n, sizeof(*updates));

		for (size_t i = 0; i < list.n; i++) {
			updates[i].name = list.names.v[i];
			updates[i].old_oid = &list.oids[i];
		}
		rc = cs_repo_update_refs(p->repo, updates, list.n, err);
		free(updates);
	}
	cs_strv_release(&list.names);
	free(list.oids);
	return rc;
}

static int prune_pins(struct pruning *p, struct cs_err *err)
{
	AUTO_FD int lock_fd = -1;
	int rc = cs_wt_pins_lock(&lock_fd, p->base_fd, LOCK_EX, err);

	if (rc == 0)
		rc = read_uses(p, err);
	if (rc == 0)
		rc = remove_pins(p, err);
	return rc;
}

/* ---- directories ---- */

static bool is_old(const struct pruning *p, int lease_fd)
{
	struct stat st;
	int64_t used_ms;

	if (fstat(lease_fd, &st) < 0)
		return false;
	used_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return cs_wall_ns() / 1000000 - used_ms >= p->max_age_ms;
}

/* Out of sight first, under the exclusive lease: then nobody can begin to use it. */
static int prune_pristine(const struct pruning *p, const char *key, struct cs_err *err)
{
	AUTO_FREE char *lease = cs_asprintf("%s/lease", key);
	AUTO_FREE char *prefix = cs_asprintf("%s" CS_WT_OLD, key);
	AUTO_FREE char *old = cs_wt_temp_name(prefix);
	AUTO_FD int fd = openat(p->base_fd, lease, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : cs_err_sys(err, "open %s", lease);
	if (cs_strv_has(&p->keys, key) || !is_old(p, fd))
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : cs_err_sys(err, "lock %s", lease);
	if (renameat(p->base_fd, key, p->base_fd, old) < 0)
		return cs_err_sys(err, "rename %s", key);
	cs_close(&fd);
	return cs_remove_tree(p->base_fd, old, err);
}

/* The lock file of a maker, and with it what it left: unless it lives. */
static int prune_leftover(const struct pruning *p, const char *name, struct cs_err *err)
{
	AUTO_FREE char *key = cs_strndup(name, strcspn(name, "."));
	AUTO_FREE char *lock = cs_asprintf("%s" CS_WT_LOCK, key);
	AUTO_FD int fd = openat(p->base_fd, lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0)
		return cs_err_sys(err, "open %s", lock);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : cs_err_sys(err, "lock %s", lock);
	if (strcmp(name, lock) != 0)
		rc = cs_remove_tree(p->base_fd, name, err);
	if (unlinkat(p->base_fd, lock, 0) < 0 && errno != ENOENT && rc == 0)
		rc = cs_err_sys(err, "remove %s", lock);
	return rc;
}

static int prune_dirs(const struct pruning *p, struct cs_err *err)
{
	AUTO_DIR DIR *dir = NULL;
	const struct dirent *e;
	int rc = open_list(&dir, p->base_fd, ".", err);

	while (rc == 0 && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || !strcmp(e->d_name, CS_WT_PINS))
			continue;
		rc = strchr(e->d_name, '.') ? prune_leftover(p, e->d_name, err)
					    : prune_pristine(p, e->d_name, err);
	}
	return rc;
}

int cs_worktree_prune(struct cs_repo *repo, const char *state_dir, int64_t max_age_ms,
		      struct cs_err *err)
{
	AUTO_FREE char *base = cs_asprintf("%s/base", state_dir);
	AUTO_FD int state_fd = -1;
	AUTO_FD int base_fd = -1;
	struct pruning p = { .repo = repo, .max_age_ms = max_age_ms };
	int rc;

	if (faccessat(AT_FDCWD, base, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	rc = cs_wt_opendir(&state_fd, AT_FDCWD, state_dir, err);
	if (rc == 0)
		rc = cs_wt_opendir(&base_fd, state_fd, "base", err);
	p.state_fd = state_fd;
	p.base_fd = base_fd;
	if (rc == 0)
		rc = prune_pins(&p, err);
	if (rc == 0)
		rc = prune_dirs(&p, err);
	cs_strv_release(&p.keys);
	cs_strv_release(&p.commits);
	return rc < 0 ? cs_err_wrap(err, "prune base checkouts") : 0;
}
