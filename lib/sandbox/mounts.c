/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The new root. Every source is opened first (O_PATH, in the new mount namespace: a descriptor
 * from before belongs to the old one), then a tmpfs becomes the new root over /tmp, then each
 * mount of the plan is made on a descriptor of its mount point, reached beneath the new root
 * without following any link: a hostile repository's symlinks cannot move a mount point.
 *
 * /proc must be mounted while the old, fully visible one is still there (EPERM after).
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#define MOVE_F_EMPTY 0x04
#define MOVE_T_EMPTY 0x40

/* mount_setattr(2), whose header clashes with <sys/mount.h> on some systems. */
struct attr {
	uint64_t set, clear, propagation, userns_fd;
};
enum { ATTR_RDONLY = 1, ATTR_NOSUID = 2, ATTR_NODEV = 4 };

static int set_attr(int fd, const char *path, unsigned flags, uint64_t set)
{
	struct attr a = { .set = set };
	return (int)syscall(SYS_mount_setattr, fd, path, flags, &a, sizeof a);
}

static int open_path(struct inside *in, const struct cs_mount *m, const char *path, bool optional)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = m->no_links ? RESOLVE_NO_SYMLINKS : 0 };
	if (!path)
		return -1;
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
	if (fd < 0 && !(optional && errno == ENOENT))
		inside_fail(in, m->no_links ? "sources" : "mount", "open %s", path);
	return fd;
}

/* Who could swap it since then gets nothing mounted. */
static void check_seen(struct inside *in, const struct cs_mount *m, int fd)
{
	struct stat st;

	if (!m->seen.ino || fd < 0)
		return;
	if (fstat(fd, &st) < 0)
		inside_fail(in, "sources", "look at %s", m->src);
	errno = ESTALE;
	if (st.st_dev != m->seen.dev || st.st_ino != m->seen.ino)
		inside_fail(in, "sources", "%s is another one than before the start", m->src);
}

void mounts_open_sources(struct inside *in)
{
	const struct cs_plan *plan = in->plan;

	in->mount_fds = cs_calloc(plan->n_mounts + 1, sizeof *in->mount_fds);
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct cs_mount *m = &plan->mounts[i];
		in->mount_fds[i].src = open_path(in, m, m->src, m->optional);
		check_seen(in, m, in->mount_fds[i].src);
		in->mount_fds[i].upper = open_path(in, m, m->upper, false);
		in->mount_fds[i].work = open_path(in, m, m->work, false);
	}
}

/*
 * Makes the missing directories of a path. As root, what is made in a directory of the agent's is
 * the agent's: it could else not write beside what is mounted there.
 */
static void make_dirs(struct inside *in, int root, const char *path, mode_t mode)
{
	AUTO_FREE char *part = cs_strdup(path);
	AUTO_FD int at = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	for (char *rest = part, *name; at >= 0 && (name = strsep(&rest, "/"));) {
		if (!*name || !strcmp(name, "."))
			continue;
		bool made = mkdirat(at, name, mode) == 0;
		int next = -1;

		if (made || errno == EEXIST)
			next = cs_open_beneath(at, name, O_PATH | O_DIRECTORY, 0);

		if (next >= 0 && made && in->plan->drop && fstat(at, &st) == 0 &&
		    st.st_uid == in->plan->uid &&
		    fchownat(next, "", in->plan->uid, in->plan->gid, AT_EMPTY_PATH) < 0)
			cs_close(&next);
		cs_close(&at);
		at = next;
	}
	if (at < 0)
		inside_fail(in, "mount", "make /%s", path);
}

/* An O_PATH descriptor of the mount point, made with its parents. */
static int mount_point(struct inside *in, int root, const struct cs_mount *m, bool dir)
{
	const char *rel = m->dst + 1;
	mode_t mode = m->mode ? m->mode : 0755;
	char parent[4096];
	const char *slash = strrchr(rel, '/');

	if (dir) {
		/* The common case first: it is there (in a lower layer, or from a mount before). */
		int fd = cs_open_beneath(root, rel, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0)
			return fd;
		make_dirs(in, root, rel, mode);
		fd = cs_open_beneath(root, rel, O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			inside_fail(in, "mount", "open mount point %s", m->dst);
		return fd;
	}
	int fd = cs_open_beneath(root, rel, O_PATH, 0);
	if (fd >= 0)
		return fd;
	if (slash) {
		if ((size_t)snprintf(parent, sizeof parent, "%.*s", (int)(slash - rel), rel) >=
		    sizeof parent) {
			errno = ENAMETOOLONG;
			inside_fail(in, "mount", "%s", m->dst);
		}
		make_dirs(in, root, parent, 0755);
	}
	fd = cs_open_beneath(root, rel, O_CREAT | O_WRONLY | O_NOFOLLOW, 0644);
	if (fd < 0)
		inside_fail(in, "mount", "make mount point %s", m->dst);
	close(fd);
	fd = cs_open_beneath(root, rel, O_PATH, 0);
	if (fd < 0)
		inside_fail(in, "mount", "open mount point %s", m->dst);
	return fd;
}

static void bind_on(struct inside *in, const struct cs_mount *m, int src_fd, int point_fd,
		    uint64_t attributes)
{
	AUTO_FD int tree = (int)syscall(SYS_open_tree, src_fd, "",
					OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		inside_fail(in, "mount", "clone %s", m->src);
	if (set_attr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, attributes) < 0)
		inside_fail(in, "mount", "set attributes of %s", m->src);
	if (syscall(SYS_move_mount, tree, "", point_fd, "", MOVE_F_EMPTY | MOVE_T_EMPTY) < 0)
		inside_fail(in, "mount", "bind %s on %s", m->src, m->dst);
}

void mounts_bind_read_only(struct inside *in, const struct cs_mount *m, int src_fd, int point_fd)
{
	bind_on(in, m, src_fd, point_fd, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV);
}

static bool is_dir(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static void do_bind(struct inside *in, int root, size_t i, uint64_t attributes)
{
	const struct cs_mount *m = &in->plan->mounts[i];
	if (in->mount_fds[i].src < 0)
		return;
	AUTO_FD int point = mount_point(in, root, m, is_dir(in->mount_fds[i].src));
	bind_on(in, m, in->mount_fds[i].src, point, attributes);
}

static void do_quiet(struct inside *in, int root, size_t i)
{
	int src = in->mount_fds[i].src;
	if (src < 0)
		return;
	AUTO_FD int point = mount_point(in, root, &in->plan->mounts[i], is_dir(src));
	if (is_dir(src))
		sockets_hide(in, &in->plan->mounts[i], root, src, point);
	else
		mounts_bind_read_only(in, &in->plan->mounts[i], src, point);
}

static void mount_on(struct inside *in, const struct cs_mount *m, int point, const char *type,
		     unsigned long flags, const char *options, const char *step)
{
	char target[64];

	snprintf(target, sizeof target, "/proc/self/fd/%d", point);
	if (mount(type, target, type, flags, options) < 0)
		inside_fail(in, step, "mount %s on %s", type, m->dst);
}

/*
 * Layers by descriptor: no escapes, no length limit. `volatile`: an unmount would else sync the
 * whole file system; after a power cut the layer is not used. `userxattr`: works in a user
 * namespace, and as root gives the same form on disk.
 */
static void do_overlay(struct inside *in, int root, size_t i)
{
	const struct cs_mount *m = &in->plan->mounts[i];
	char options[256];

	if (in->mount_fds[i].src < 0)
		return;
	AUTO_FD int point = mount_point(in, root, m, true);
	errno = EPERM;
	if (!cs_fake("overlay", 1))
		inside_fail(in, "overlay", "mount overlay on %s", m->dst);
	snprintf(options, sizeof options,
		 "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,"
		 "userxattr,volatile",
		 in->mount_fds[i].src, in->mount_fds[i].upper, in->mount_fds[i].work);
	mount_on(in, m, point, "overlay", MS_NOSUID | MS_NODEV, options, "overlay");
}

static void do_tmpfs(struct inside *in, int root, const struct cs_mount *m)
{
	char options[64];

	AUTO_FD int point = mount_point(in, root, m, true);
	snprintf(options, sizeof options, "mode=%o%s%s", m->mode ? m->mode : 0755,
		 m->data ? ",size=" : "", m->data ? m->data : "");
	mount_on(in, m, point, "tmpfs", MS_NOSUID | MS_NODEV, options, "mount");
}

static void do_file(struct inside *in, int root, const struct cs_mount *m)
{
	close(mount_point(in, root, m, false));
	AUTO_FD int fd = cs_open_beneath(root, m->dst + 1, O_WRONLY | O_TRUNC, 0);

	if (fd < 0 || cs_write_all(fd, m->data, strlen(m->data)) < 0)
		inside_fail(in, "mount", "write %s", m->dst);
}

static void do_symlink(struct inside *in, int root, const struct cs_mount *m)
{
	const char *rel = m->dst + 1;
	const char *slash = strrchr(rel, '/');
	AUTO_FREE char *parent = slash ? cs_strndup(rel, (size_t)(slash - rel)) : cs_strdup(".");

	make_dirs(in, root, parent, 0755);
	AUTO_FD int dir = cs_open_beneath(root, parent, O_PATH | O_DIRECTORY, 0);
	if (dir < 0 || symlinkat(m->data, dir, slash ? slash + 1 : rel) < 0)
		inside_fail(in, "mount", "symlink %s", m->dst);
}

/* Covers a path by an empty directory or file: readable, so that nobody warns about it. */
static void do_mask(struct inside *in, int root, const struct cs_mount *m)
{
	AUTO_FD int point = cs_open_beneath(root, m->dst + 1, O_PATH, 0);
	char target[64];

	if (point < 0 && (errno == ENOENT || errno == ENOTDIR))
		return;
	if (point < 0)
		inside_fail(in, "mount", "open %s", m->dst);
	snprintf(target, sizeof target, "/proc/self/fd/%d", point);
	if (is_dir(point)) {
		if (mount("tmpfs", target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			  "mode=0555,size=4k") < 0)
			inside_fail(in, "mount", "mask %s", m->dst);
		return;
	}
	AUTO_FD int empty = cs_open_beneath(root, ".empty", O_CREAT | O_RDONLY, 0444);
	AUTO_FD int tree = empty < 0 ? -1 :
				       (int)syscall(SYS_open_tree, empty, "",
						    OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0 || set_attr(tree, "", AT_EMPTY_PATH, ATTR_RDONLY) < 0 ||
	    syscall(SYS_move_mount, tree, "", point, "", MOVE_F_EMPTY | MOVE_T_EMPTY) < 0)
		inside_fail(in, "mount", "mask %s", m->dst);
}

static void do_proc(struct inside *in, int root, const struct cs_mount *m)
{
	AUTO_FD int point = mount_point(in, root, m, true);
	mount_on(in, m, point, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, "proc");
}

static void do_devpts(struct inside *in, int root, const struct cs_mount *m)
{
	AUTO_FD int point = mount_point(in, root, m, true);
	/* gid=5 would be refused: it is not mapped. */
	mount_on(in, m, point, "devpts", MS_NOSUID | MS_NOEXEC,
		 "newinstance,ptmxmode=0666,mode=0620", "mount");
}

static void do_mount(struct inside *in, int root, size_t i)
{
	const struct cs_mount *m = &in->plan->mounts[i];

	switch (m->kind) {
	case CS_MOUNT_DIR:
		close(mount_point(in, root, m, true));
		break;
	case CS_MOUNT_RO:
		do_bind(in, root, i, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV);
		break;
	case CS_MOUNT_QUIET:
		do_quiet(in, root, i);
		break;
	case CS_MOUNT_RW:
		do_bind(in, root, i, ATTR_NOSUID | ATTR_NODEV);
		break;
	case CS_MOUNT_DEV:
		do_bind(in, root, i, ATTR_NOSUID);
		break;
	case CS_MOUNT_TMPFS:
		do_tmpfs(in, root, m);
		break;
	case CS_MOUNT_OVERLAY:
		do_overlay(in, root, i);
		break;
	case CS_MOUNT_FILE:
		do_file(in, root, m);
		break;
	case CS_MOUNT_MASK:
		do_mask(in, root, m);
		break;
	case CS_MOUNT_SYMLINK:
		do_symlink(in, root, m);
		break;
	case CS_MOUNT_DEVPTS:
		do_devpts(in, root, m);
		break;
	case CS_MOUNT_PROC:
		do_proc(in, root, m);
		break;
	}
}

void mounts_build(struct inside *in)
{
	umask(0);
	/* Over /tmp: whatever lies below was opened before. */
	if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
		inside_fail(in, "mount", "tmpfs for the new root");
	AUTO_FD int root = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		inside_fail(in, "mount", "open the new root");
	for (size_t i = 0; i < in->plan->n_mounts; i++)
		do_mount(in, root, i);
	for (size_t i = 0; i < in->plan->n_mounts; i++) {
		cs_close(&in->mount_fds[i].src);
		cs_close(&in->mount_fds[i].upper);
		cs_close(&in->mount_fds[i].work);
	}
	free(in->mount_fds);
	umask(022);
}

void mounts_enter(struct inside *in)
{
	if (chdir("/tmp") < 0 || mkdir("/tmp/.old", 0700) < 0)
		inside_fail(in, "pivot", "prepare the new root");
	if (syscall(SYS_pivot_root, ".", ".old") < 0)
		inside_fail(in, "pivot", "pivot_root");
	if (chdir("/") < 0 || umount2("/.old", MNT_DETACH) < 0 || rmdir("/.old") < 0)
		inside_fail(in, "pivot", "leave the old root");
	/* Only this mount: the writable ones below stay writable. */
	if (set_attr(AT_FDCWD, "/", 0, ATTR_RDONLY) < 0)
		inside_fail(in, "pivot", "make the root read-only");
	/* This descriptor is below the cover that comes next: it still reaches the real files. */
	in->userns_fd = open("/proc/sys/user", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* What in /proc changes the host or tells of it. Absent ones do not exist on this kernel. */
static const char *const covered[] = {
	"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi",
	"/proc/scsi", "/proc/asound", "/proc/driver",
};
static const char *const hidden[] = {
	"/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/sched_debug",
	"/proc/latency_stats", "/proc/kmsg", "/proc/kallsyms", "/proc/interrupts",
};

void mounts_cover_proc(struct inside *in)
{
	for (size_t i = 0; i < CS_COUNT(covered); i++) {
		if (mount(covered[i], covered[i], NULL, MS_BIND | MS_REC, NULL) < 0) {
			if (errno == ENOENT)
				continue;
			inside_fail(in, "proc", "cover %s", covered[i]);
		}
		if (set_attr(AT_FDCWD, covered[i], AT_RECURSIVE, ATTR_RDONLY) < 0)
			inside_fail(in, "proc", "make %s read-only", covered[i]);
	}
	for (size_t i = 0; i < CS_COUNT(hidden); i++)
		if (mount("/dev/null", hidden[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			inside_fail(in, "proc", "hide %s", hidden[i]);
}
