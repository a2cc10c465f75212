/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pristine of a tree: found, waited for, or made.
 *
 *	<key>		complete: renamed into place after everything in it was on disk
 *	<key>/lease	flocked shared by each run that uses it, exclusively by who removes it
 *	<key>.lock	flocked by the one process that makes <key>; holds two numbers, its progress
 *	<key>.new-*	being made, or left by a crash: whoever gets the lock next removes it
 *
 * Nothing is believed that does not have its final name. Locks are the kernel's: they end with the
 * process, however it ends. A locked file may have been removed while we waited for it, so a lock
 * counts only if the name still leads to the same file.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>

#define WAIT_NS 50000000

static const struct cs_wt_owner ours; /* gives nothing away */

static bool same_file(int fd, int dir_fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir_fd, path, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* ---- the lock of the maker ---- */

static void hear_maker(const struct cs_worktree_opts *opts, int lock_fd)
{
	uint64_t both[2];

	if (opts->progress && pread(lock_fd, both, sizeof(both), 0) == sizeof(both))
		opts->progress(opts->progress_arg, both[0], both[1]);
}

static int wait_for(int lock_fd, const struct cs_worktree_opts *opts, struct cs_err *err)
{
	static const struct timespec pause = { .tv_nsec = WAIT_NS };

	while (flock(lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return cs_err_sys(err, "lock");
		hear_maker(opts, lock_fd);
		nanosleep(&pause, NULL);
	}
	return 0;
}

int cs_wt_lock(int *lock_fd, struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_FREE char *name = cs_asprintf("%s" CS_WT_LOCK, job->key);

	for (;;) {
		AUTO_FD int fd =
			openat(job->base_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		int rc;

		if (fd < 0)
			return cs_err_sys(err, "create %s", name);
		if (cs_wt_give(fd, &job->owner) < 0)
			return cs_err_sys(err, "give %s", name);
		rc = wait_for(fd, job->opts, err);
		if (rc < 0)
			return rc;
		if (same_file(fd, job->base_fd, name)) {
			*lock_fd = cs_steal_fd(&fd);
			return 0;
		}
	}
}

void cs_wt_unlock(int *lock_fd, const struct cs_wt_job *job)
{
	AUTO_FREE char *name = cs_asprintf("%s" CS_WT_LOCK, job->key);

	if (*lock_fd < 0)
		return;
	unlinkat(job->base_fd, name, 0); /* ours; a file left behind would be harmless */
	cs_close(lock_fd);
}

/* ---- the lease ---- */

static int check_owner(const struct cs_wt_job *job, const struct stat *st, struct cs_err *err)
{
	if (st->st_uid == job->opts->uid)
		return 0;
	return cs_err_set(err, CS_REFUSED,
			  "%s belongs to user %u, not %u: remove it and it is made again", job->dir,
			  st->st_uid, job->opts->uid);
}

/* Whole, ours, and open in job->dir_fd. */
static int look_inside(struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_FD int fd = -1;
	struct stat st;
	int rc = cs_wt_opendir(&fd, job->base_fd, job->key, err);

	if (rc < 0)
		return rc;
	if (fstatat(fd, "tree", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    faccessat(fd, "tree/.git/index", F_OK, 0) < 0)
		return cs_err_set(err, CS_CORRUPT, "%s is damaged: remove it and it is made again",
				  job->dir);
	rc = check_owner(job, &st, err);
	if (rc == 0)
		job->dir_fd = cs_steal_fd(&fd);
	return rc;
}

/* Takes the lease of an existing pristine: 1, 0 where there is none, or a failure. */
static int take_lease(int *lease_fd, struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_FREE char *name = cs_asprintf("%s/lease", job->key);

	for (;;) {
		AUTO_FD int fd = openat(job->base_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		int rc;

		if (fd < 0 && errno == ENOENT)
			return 0;
		if (fd < 0)
			return cs_err_sys(err, "open %s", name);
		do {
			rc = flock(fd, LOCK_SH);
		} while (rc < 0 && errno == EINTR);
		if (rc < 0)
			return cs_err_sys(err, "lock %s", name);
		if (!same_file(fd, job->base_fd, name))
			continue; /* pruned while we waited */
		rc = look_inside(job, err);
		if (rc < 0)
			return rc;
		/* Its age counts from here. Not ours to touch: then it ages, nothing worse. */
		(void)!futimens(fd, NULL);
		*lease_fd = cs_steal_fd(&fd);
		return 1;
	}
}

/* ---- making ---- */

/* ext4 and f2fs can fold case by directory: names of the tree could then fall together. */
static int refuse_casefold(int fd, const struct cs_wt_job *job, struct cs_err *err)
{
	int flags = 0;

	/* File systems without flags fold no case either. */
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & FS_CASEFOLD_FL))
		return 0;
	return cs_err_set(err, CS_UNSUPPORTED, "%s does not tell case apart (chattr -F)",
			  job->opts->state_dir);
}

static int fill(int tmp_fd, const char *tmp, const struct cs_wt_job *job, int lock_fd,
		struct cs_err *err)
{
	AUTO_FREE char *dir = cs_asprintf("%s/base/%s", job->opts->state_dir, tmp);
	int rc = refuse_casefold(tmp_fd, job, err);

	if (rc == 0)
		rc = cs_wt_checkout(tmp_fd, dir, job, lock_fd, err);
	if (rc == 0)
		rc = cs_wt_populate(tmp_fd, dir, job, lock_fd, err);
	if (rc == 0)
		rc = cs_wt_put(tmp_fd, "lease", "", 0, &job->owner, err);
	if (rc == 0 && cs_wt_give(tmp_fd, &job->owner) < 0)
		rc = cs_err_sys(err, "give %s", tmp);
	return rc;
}

static int make(const struct cs_wt_job *job, int lock_fd, struct cs_err *err)
{
	AUTO_FREE char *prefix = cs_asprintf("%s" CS_WT_NEW, job->key);
	AUTO_FREE char *tmp = cs_wt_temp_name(prefix);
	AUTO_FD int tmp_fd = -1;
	int rc;

	cs_wt_tell(job->opts, lock_fd, 0, 0);
	cs_wt_remove_leftovers(job->base_fd, prefix);
	/* Nobody but us may look into it before it is complete: root gives it away last. */
	rc = cs_wt_mkdir(job->base_fd, tmp, 0700, &ours, err);
	if (rc < 0)
		return rc;
	rc = cs_wt_opendir(&tmp_fd, job->base_fd, tmp, err);
	if (rc == 0)
		rc = fill(tmp_fd, tmp, job, lock_fd, err);
	cs_fault("pristine-unnamed");
	if (rc == 0)
		rc = cs_wt_publish(job->base_fd, tmp, job->key, tmp_fd, err);
	if (rc < 0)
		(void)!cs_remove_tree(job->base_fd, tmp, NULL);
	return rc;
}

int cs_wt_pristine(int *lease_fd, struct cs_wt_job *job, struct cs_err *err)
{
	int lock_fd = -1;
	int rc = take_lease(lease_fd, job, err);

	/* More than once only where it is pruned as soon as it is there. */
	while (rc == 0) {
		rc = cs_wt_lock(&lock_fd, job, err);
		if (rc == 0)
			rc = take_lease(lease_fd, job, err); /* made while we waited? */
		if (rc == 0)
			rc = make(job, lock_fd, err);
		cs_wt_unlock(&lock_fd, job);
		if (rc == 0)
			rc = take_lease(lease_fd, job, err);
	}
	return rc < 0 ? cs_err_wrap(err, "base checkout") : 0;
}
