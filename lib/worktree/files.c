/* SPDX-License-Identifier: Apache-2.0 */
/* New files and directories, and who owns them. */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

int cs_wt_give(int fd, const struct cs_wt_owner *owner)
{
	return owner->give ? fchown(fd, owner->uid, owner->gid) : 0;
}

int cs_wt_put(int dir_fd, const char *path, const void *data, size_t len,
	      const struct cs_wt_owner *owner, struct cs_err *err)
{
	AUTO_FD int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return cs_err_sys(err, "create %s", path);
	if (cs_write_all(fd, data, len) < 0 || cs_wt_give(fd, owner) < 0 ||
	    close(cs_steal_fd(&fd)) < 0)
		return cs_err_sys(err, "write %s", path);
	return 0;
}

int cs_wt_mkdir(int dir_fd, const char *path, mode_t mode, const struct cs_wt_owner *owner,
		struct cs_err *err)
{
	if (mkdirat(dir_fd, path, mode) < 0)
		return cs_err_sys(err, "make directory %s", path);
	if (owner->give && fchownat(dir_fd, path, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "give directory %s", path);
	return 0;
}

int cs_wt_mkdirs(int dir_fd, const char *path, const struct cs_wt_owner *owner, struct cs_err *err)
{
	const char *end = path;

	while (end) {
		AUTO_FREE char *dir = NULL;
		int rc;

		end = strchr(end, '/');
		dir = end ? cs_strndup(path, (size_t)(end++ - path)) : cs_strdup(path);
		if (faccessat(dir_fd, dir, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		rc = cs_wt_mkdir(dir_fd, dir, 0777, owner, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cs_wt_opendir(int *out, int dir_fd, const char *path, struct cs_err *err)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd < 0) {
		rc = errno == ENOENT ? CS_NOTFOUND : CS_MALFUNCTION;
		cs_err_sys(err, "open directory %s", path);
		if (err)
			err->code = rc;
		return rc;
	}
	*out = fd;
	return 0;
}

int cs_wt_read(struct cs_buf *out, int dir_fd, const char *path, size_t max, struct cs_err *err)
{
	struct cs_err local = CS_ERR_INIT;
	int rc = cs_read_file(out, dir_fd, path, max, &local);

	if (rc == 0)
		return 1;
	if (rc == CS_NOTFOUND)
		return 0;
	if (err)
		*err = local;
	return rc;
}

static int give_name(int dir_fd, const char *name, const struct cs_wt_owner *owner,
		     struct cs_err *err)
{
	if (fchownat(dir_fd, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "give %s", name);
	return 0;
}

int cs_wt_give_tree(int dir_fd, const char *name, const struct cs_wt_owner *owner,
		    struct cs_err *err)
{
	AUTO_DIR DIR *dir = NULL;
	const struct dirent *e;
	int fd = -1;
	int rc;

	if (!owner->give)
		return 0;
	rc = cs_wt_opendir(&fd, dir_fd, name, err);
	if (rc < 0)
		return rc;
	dir = fdopendir(fd);
	if (!dir) {
		cs_close(&fd);
		return cs_err_sys(err, "read directory %s", name);
	}
	while ((e = readdir(dir))) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return cs_err_sys(err, "give %s", e->d_name);
		rc = S_ISDIR(st.st_mode) ? cs_wt_give_tree(fd, e->d_name, owner, err)
					 : give_name(fd, e->d_name, owner, err);
		if (rc < 0)
			return rc;
	}
	return give_name(dir_fd, name, owner, err);
}

int cs_wt_publish(int parent_fd, const char *tmp, const char *name, int dir_fd, struct cs_err *err)
{
	/*
	 * A rename may reach the disk before the data of the files below it: after a power cut a
	 * directory of empty files would be believed. Hence everything first.
	 */
	if (syncfs(dir_fd) < 0)
		return cs_err_sys(err, "write %s to disk", name);
	if (renameat2(parent_fd, tmp, parent_fd, name, RENAME_NOREPLACE) < 0)
		return cs_err_sys(err, "rename %s to %s", tmp, name);
	if (fsync(parent_fd) < 0)
		return cs_err_sys(err, "write %s to disk", name);
	return 0;
}

char *cs_wt_temp_name(const char *prefix)
{
	uint8_t random[8];
	char hex[2 * sizeof(random) + 1];

	cs_random(random, sizeof(random));
	return cs_asprintf("%s%s", prefix, cs_hex(hex, random, sizeof(random)));
}

void cs_wt_remove_leftovers(int dir_fd, const char *prefix)
{
	AUTO_DIR DIR *dir = NULL;
	const struct dirent *e;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cs_close(&fd);
		return;
	}
	while ((e = readdir(dir)))
		if (!strncmp(e->d_name, prefix, strlen(prefix)))
			(void)!cs_remove_tree(dir_fd, e->d_name, NULL);
}
