/* SPDX-License-Identifier: Apache-2.0 */
/* Files, descriptors, the environment. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- files ---- */

int write_at(const char *path, int flags, const char *text)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? errno : met(write(fd, text, strlen(text)));
}

static int append_file(char **a)
{
	return write_at(a[0], O_WRONLY | O_APPEND, "x\n");
}

static int create_file(char **a)
{
	return write_at(a[0], O_WRONLY | O_CREAT | O_EXCL, "x\n");
}

static int truncate_file(char **a)
{
	return met(open(a[0], O_WRONLY | O_TRUNC | O_CLOEXEC));
}

static int reserve(char **a)
{
	int fd = open(a[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? errno : met(syscall(SYS_fallocate, fd, strtoul(a[1], NULL, 0), 0, 1 << 20));
}

static int reserve_by_ioctl(char **a)
{
	struct {
		int16_t type, whence;
		int64_t start, len;
		int32_t sysid, pid, pad[4];
	} space = { .whence = SEEK_SET, .len = 1 << 20 };
	int fd = open(a[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? errno : met(ioctl(fd, strtoul(a[1], NULL, 0), &space));
}

static int open_to_write(char **a)
{
	return met(open(a[0], O_WRONLY | O_CLOEXEC | O_NOCTTY));
}

static int open_both(char **a)
{
	return met(open(a[0], O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

static int unlink_file(char **a)
{
	return met(unlink(a[0]));
}

static int rename_file(char **a)
{
	return met(rename(a[0], a[1]));
}

static int make_dir(char **a)
{
	return met(mkdir(a[0], 0700));
}

static int read_path(const char *path)
{
	char c;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, &c, 1);
	return n < 0 ? errno : n == 0 ? ENODATA : 0;
}

static int read_file(char **a)
{
	return read_path(a[0]);
}

static int list_dir(char **a)
{
	return opendir(a[0]) ? 0 : errno;
}

/* Writes back what is there, so that success changes nothing. */
static int rewrite_file(char **a)
{
	char text[4096];
	int in = open(a[0], O_RDONLY | O_CLOEXEC);
	ssize_t n = in < 0 ? -1 : read(in, text, sizeof text);
	int out = n < 0 ? -1 : open(a[0], O_WRONLY | O_CLOEXEC);
	return out < 0 ? errno : met(write(out, text, (size_t)n));
}

static int symlink_read(char **a)
{
	unlink("probe.link");
	return symlink(a[0], "probe.link") < 0 ? errno : read_path("probe.link");
}

static int symlink_write(char **a)
{
	unlink("probe.link");
	return symlink(a[0], "probe.link") < 0 ? errno
					       : write_at("probe.link", O_WRONLY | O_APPEND, "x\n");
}

static int hard_link(char **a)
{
	unlink("probe.hard");
	return met(link(a[0], "probe.hard"));
}

static int chmod_same(char **a)
{
	struct stat st;
	return stat(a[0], &st) < 0 ? errno : met(chmod(a[0], st.st_mode & 07777));
}

static int make_block_device(char **a)
{
	return met(mknod(a[0], S_IFBLK | 0600, (8 << 8) | 0));
}

/* The form of an overlay's deletion. */
static int make_whiteout(char **a)
{
	return met(mknod(a[0], S_IFCHR, 0));
}

static int set_xattr(char **a)
{
	return met(setxattr(a[0], a[1], a[2], strlen(a[2]), 0));
}

static int handle_open(char **a)
{
	union {
		struct file_handle h;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount_id, dir = open(a[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Not every file system has handles; the call itself is what is tried. */
	if (name_to_handle_at(dir, "", &u.h, &mount_id, AT_EMPTY_PATH) < 0)
		u.h.handle_bytes = 8;
	return met(open_by_handle_at(dir, &u.h, O_RDONLY));
}

/* ---- descriptors, environment ---- */

static int inherited(char **a)
{
	(void)a;
	for (int fd = 3; fd < 4096; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 0;
	return EBADF;
}

/* Standard input as a file of the host's can be opened again for writing; a pipe has no place. */
static int reopen_input(char **a)
{
	(void)a;
	int fd = open("/proc/self/fd/0", O_RDWR | O_CLOEXEC);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return errno;
	return met(write(fd, "x", 1));
}

static int in_environment(char **a)
{
	return getenv(a[0]) ? 0 : ENOENT;
}

const struct attempt files_attempts[] = {
	{ "append", 1, "append to a file", append_file },
	{ "create", 1, "create a file", create_file },
	{ "truncate", 1, "truncate a file", truncate_file },
	{ "reserve", 2, "reserve space for a file, in a mode of fallocate", reserve },
	{ "reserve-ioctl", 2, "reserve space for a file, by a request", reserve_by_ioctl },
	{ "open-write", 1, "open a file for writing, no more", open_to_write },
	{ "open-device", 1, "open a device for reading and writing", open_both },
	{ "rewrite", 1, "write back to a file what it holds", rewrite_file },
	{ "unlink", 1, "remove a file", unlink_file },
	{ "rename", 2, "rename a file over another", rename_file },
	{ "mkdir", 1, "make a directory", make_dir },
	{ "read", 1, "read a byte of a file", read_file },
	{ "list", 1, "list a directory", list_dir },
	{ "symlink-read", 1, "read through a new symbolic link", symlink_read },
	{ "symlink-write", 1, "append through a new symbolic link", symlink_write },
	{ "hard-link", 1, "link a file into this directory", hard_link },
	{ "chmod", 1, "set the mode that a file has", chmod_same },
	{ "mknod-block", 1, "make a node of the first disk", make_block_device },
	{ "mknod-whiteout", 1, "make an overlay's whiteout", make_whiteout },
	{ "setxattr", 3, "set an extended attribute", set_xattr },
	{ "open-by-handle", 1, "open a directory by its handle", handle_open },
	{ "inherited", 0, "find a descriptor beyond standard error", inherited },
	{ "reopen-input", 0, "open standard input again and write to it", reopen_input },
	{ "environment", 1, "see a variable of the environment", in_environment },
	{ 0 },
};
