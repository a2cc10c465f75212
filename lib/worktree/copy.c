/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkout mode: a private copy of the pristine, where overlayfs is not to be had. Shared extents
 * where the file system can (btrfs, xfs), copied in the kernel elsewhere. Times are kept, so that
 * the pristine's index describes the copy as well and git inside reads no file again.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define PROGRESS_EVERY 1024
#define CHUNK	       (1 << 16)

struct copying {
	int from_fd, to_fd;
	const struct cs_wt_job *job;
	bool no_clone; /* the file system has said so */
	bool no_range;
};

static int make_dir(void *arg, const char *dir, struct cs_err *err)
{
	const struct copying *c = arg;

	return cs_wt_mkdir(c->to_fd, dir, 0777, &c->job->owner, err);
}

/* Read and write, from wherever both descriptors stand. 0, or -1 with errno. */
static int pump(int from, int to)
{
	char buf[CHUNK];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || cs_write_all(to, buf, (size_t)n) < 0)
			return -1;
	}
	return 0;
}

/* Small files are read and written: two calls, where asking the file system costs as much. */
static int copy_data(struct copying *c, int from, int to, off_t size)
{
	if (size > CHUNK && !c->no_clone) {
		if (ioctl(to, FICLONE, from) == 0)
			return 0;
		c->no_clone = true;
	}
	while (size > CHUNK && !c->no_range) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)1 << 30, 0);

		if (n == 0)
			return 0;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
			return -1;
		c->no_range = n < 0 && errno != EINTR;
	}
	return pump(from, to);
}

static int copy_file(struct copying *c, const char *path, const struct stat *st, struct cs_err *err)
{
	const struct timespec times[2] = { st->st_mtim, st->st_mtim };
	AUTO_FD int from = openat(c->from_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD int to = -1;

	if (from < 0)
		return cs_err_sys(err, "open %s", path);
	to = openat(c->to_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    st->st_mode & S_IXUSR ? 0777 : 0666);
	if (to < 0)
		return cs_err_sys(err, "create %s", path);
	if (copy_data(c, from, to, st->st_size) < 0 || cs_wt_give(to, &c->job->owner) < 0 ||
	    futimens(to, times) < 0 || close(cs_steal_fd(&to)) < 0)
		return cs_err_sys(err, "write %s", path);
	return 0;
}

static int copy_link(struct copying *c, const char *path, const struct stat *st, struct cs_err *err)
{
	const struct timespec times[2] = { st->st_mtim, st->st_mtim };
	const struct cs_wt_owner *owner = &c->job->owner;
	char target[PATH_MAX];
	ssize_t n = readlinkat(c->from_fd, path, target, sizeof(target) - 1);

	if (n < 0)
		return cs_err_sys(err, "read link %s", path);
	target[n] = '\0'; /* the kernel makes no longer links */
	if (symlinkat(target, c->to_fd, path) < 0 ||
	    (owner->give &&
	     fchownat(c->to_fd, path, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0) ||
	    utimensat(c->to_fd, path, times, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "create link %s", path);
	return 0;
}

static int copy_entry(struct copying *c, const struct cs_wt_entry *e, struct cs_err *err)
{
	struct stat st;

	if (fstatat(c->from_fd, e->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "copy %s", e->path);
	if (S_ISDIR(st.st_mode)) /* a submodule's place */
		return make_dir(c, e->path, err);
	if (S_ISLNK(st.st_mode))
		return copy_link(c, e->path, &st, err);
	return copy_file(c, e->path, &st, err);
}

static int copy_all(struct copying *c, struct cs_wt_index *ix, struct cs_err *err)
{
	struct cs_wt_entry e;
	const char *prev = "";
	uint64_t done = 0;
	int rc;

	while ((rc = cs_wt_index_next(&e, ix, err)) > 0) {
		if (done++ % PROGRESS_EVERY == 0)
			cs_wt_tell(c->job->opts, -1, done - 1, ix->count);
		if (e.absent)
			continue;
		rc = cs_wt_new_dirs(prev, e.path, make_dir, c, err);
		if (rc == 0)
			rc = copy_entry(c, &e, err);
		if (rc < 0)
			return rc;
		prev = e.path;
	}
	return rc;
}

/* What is at place in both trees, by its index in the pristine. */
static int copy_files(struct copying *c, int from_tree_fd, int to_tree_fd, const char *place,
		      const char *index, struct cs_err *err)
{
	AUTO_FD int from_fd = cs_opendir_beneath(from_tree_fd, place);
	AUTO_FD int to_fd = cs_opendir_beneath(to_tree_fd, place);
	struct cs_wt_index ix = CS_WT_INDEX_INIT;
	int rc;

	if (from_fd < 0 || to_fd < 0)
		return cs_err_sys(err, "open directory %s", place);
	rc = cs_wt_index_load(&ix, c->job->dir_fd, index, err);
	c->from_fd = from_fd;
	c->to_fd = to_fd;
	if (rc == 0)
		rc = copy_all(c, &ix, err);
	cs_wt_index_release(&ix);
	return rc;
}

static int copy_modules(struct copying *c, int from_fd, int to_fd, struct cs_err *err)
{
	const struct cs_wt_modules *modules = &c->job->modules;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < modules->n; i++) {
		AUTO_FREE char *index = cs_wt_module_index(i);

		if (!modules->list[i].why)
			rc = copy_files(c, from_fd, to_fd, modules->list[i].path, index, err);
	}
	return rc;
}

int cs_wt_copy(const struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_FD int from_fd = -1;
	AUTO_FD int to_fd = -1;
	struct copying c = { .job = job };
	int rc = cs_wt_opendir(&from_fd, job->dir_fd, "tree", err);

	if (rc == 0)
		rc = cs_wt_mkdir(job->run_fd, "tree", 0777, &job->owner, err);
	if (rc == 0)
		rc = cs_wt_opendir(&to_fd, job->run_fd, "tree", err);
	if (rc == 0)
		rc = copy_files(&c, from_fd, to_fd, ".", "tree/.git/index", err);
	if (rc == 0)
		rc = copy_modules(&c, from_fd, to_fd, err);
	return rc < 0 ? cs_err_wrap(err, "copy of the base") : 0;
}
