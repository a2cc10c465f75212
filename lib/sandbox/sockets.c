/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of the host that are shown without their sockets. A read-only bind keeps nobody from
 * connecting to a socket in it, Landlock does not look at paths of sockets before its ABI 9, and a
 * service of the host behind one is a way out. Through an overlay the agent meets an inode of the
 * overlay, to which nothing is bound: ECONNREFUSED, whatever is created in the tree and whenever.
 *
 * An overlay shows one mount and not those below it: each of them gets one of its own. Without an
 * upper layer an overlay wants two lower ones; the second is an empty directory.
 *
 * Where this kernel mounts no overlay the tree is bound as it is, and the layers say so
 * (sockets_shown): the caller names it, in the record and to the operator.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define EMPTY_DIR  ".none"
#define MAX_MOUNTS (16 << 20) /* bytes of mountinfo */

/* A mount point as mountinfo has it: blanks and the like as octal. In place. */
static void unescape(char *path)
{
	char *out = path;

	for (; *path; path++) {
		unsigned value;
		if (path[0] == '\\' && sscanf(path + 1, "%3o", &value) == 1) {
			*out++ = (char)value;
			path += 3;
		} else {
			*out++ = *path;
		}
	}
	*out = '\0';
}

/* The mount points below a directory, relative to it; parents come before their children. */
static int mounts_below(struct cs_strv *out, const char *dir, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	size_t len = strlen(dir);
	int rc = cs_read_file(&text, AT_FDCWD, "/proc/self/mountinfo", MAX_MOUNTS, err);
	char *rest = text.data;

	for (char *line; rc == 0 && (line = strsep(&rest, "\n"));) {
		char *path = line;
		for (int i = 0; path && i < 4; i++)
			path = strchr(path + (i > 0), ' ');
		if (!path)
			continue;
		path++;
		path[strcspn(path, " ")] = '\0';
		unescape(path);
		if (!strncmp(path, dir, len) && path[len] == '/' &&
		    !cs_strv_has(out, path + len + 1))
			cs_strv_add(out, path + len + 1);
	}
	return rc;
}

static int open_empty(int root)
{
	if (mkdirat(root, EMPTY_DIR, 0555) < 0 && errno != EEXIST)
		return -1;
	return cs_open_beneath(root, EMPTY_DIR, O_PATH | O_DIRECTORY, 0);
}

static int overlay_on(int point, int tree, int empty)
{
	char target[64], options[128];

	snprintf(target, sizeof target, "/proc/self/fd/%d", point);
	snprintf(options, sizeof options, "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d,userxattr",
		 tree, empty);
	return mount("overlay", target, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options);
}

/* What is mounted below, on the same place of what is shown. What cannot be reached is not shown.
 */
static void show_below(struct inside *in, const struct cs_mount *m, int root, int empty,
		       const char *real, const char *rel)
{
	AUTO_FREE char *source = cs_asprintf("%s/%s", real, rel);
	AUTO_FREE char *place = cs_asprintf("%s/%s", m->dst + 1, rel);
	AUTO_FD int tree = open(source, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	AUTO_FD int point = cs_open_beneath(root, place, O_PATH, 0);
	struct stat st;

	if (tree < 0 || point < 0 || fstat(tree, &st) < 0)
		return;
	if (!S_ISDIR(st.st_mode))
		mounts_bind_read_only(in, m, tree, point);
	else if (overlay_on(point, tree, empty) < 0)
		inside_fail(in, "overlay", "show %s without its sockets", source);
}

void sockets_hide(struct inside *in, const struct cs_mount *m, int root, int tree, int point)
{
	AUTO_STRV struct cs_strv below = CS_STRV_INIT;
	AUTO_FD int empty = open_empty(root);
	char real[PATH_MAX], link[64];
	struct cs_err err;
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", tree);
	n = readlink(link, real, sizeof real - 1);
	if (empty < 0 || n <= 0)
		inside_fail(in, "mount", "prepare %s", m->dst);
	real[n] = '\0';
	if (overlay_on(point, tree, empty) < 0) {
		in->layers.sockets_shown = true;
		mounts_bind_read_only(in, m, tree, point);
		return;
	}
	if (mounts_below(&below, real, &err) < 0)
		inside_fail(in, "mount", "%s", err.msg);
	for (size_t i = 0; i < below.n; i++)
		show_below(in, m, root, empty, real, below.v[i]);
}
