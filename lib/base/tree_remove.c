/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a tree that a hostile process wrote.
 *
 * The walk goes down by openat(O_NOFOLLOW) from one directory descriptor to the next, so that no
 * name is ever resolved twice and no link is followed. It keeps a stack of levels in memory and
 * only the innermost OPEN_LEVELS directories open: the tree may be deeper than the descriptors
 * that we may have. A directory whose descriptor was given up is opened again as ".." of its
 * child, and must then be the directory that we came from (device and inode): somebody who moves
 * directories while we walk cannot lead us out. It is then read from its start; what was there
 * before is gone. A wide directory is read again only after OPEN_LEVELS levels below it have been
 * removed, so that the work stays in proportion to the tree.
 *
 * Directories that their owner may not read or write (mode 000 in overlayfs's work directory, or
 * by malice) are opened up first. Removal stops at the first failure, and never enters anything
 * that is mounted inside the tree (EXDEV): a bind mount that somebody left there would show, and
 * lose, the files of another place.
 */
#include "countersign/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "countersign/base/own.h"

#define OPEN_LEVELS 32

struct level {
	DIR *dir;   /* NULL: given up, reached again through its child */
	char *name; /* in the level above; owned */
	dev_t dev;
	ino_t ino;
};

struct walk {
	struct level *levels;
	size_t n;
	size_t cap;
	int dir_fd; /* of the caller: holds the top */
};

static void give_up(struct level *level)
{
	if (level->dir)
		closedir(level->dir);
	level->dir = NULL;
}

static void walk_release(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++) {
		give_up(&w->levels[i]);
		free(w->levels[i].name);
	}
	free(w->levels);
}

/* Makes a directory readable that its owner may not open. */
static int open_up(int parent_fd, const char *name)
{
	AUTO_FD int fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char self[sizeof("/proc/self/fd/") + 11];

	if (fd < 0)
		return -1;
	/* An O_PATH descriptor has no fchmod; its entry in /proc is that very directory. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (chmod(self, 0700) < 0)
		return -1;
	return openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Opens a directory so that it can be emptied; a descriptor, or -1 with errno. */
static int open_level(int parent_fd, const char *name, bool top, struct stat *st)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	/* The caller's own name may well be a path across mounts. */
	AUTO_FD int fd = top ? openat(parent_fd, name, (int)how.flags) :
			       (int)syscall(SYS_openat2, parent_fd, name, &how, sizeof(how));

	if (fd < 0 && errno == EACCES)
		fd = open_up(parent_fd, name);
	if (fd < 0 || fstat(fd, st) < 0)
		return -1;
	/* Where this fails, the first removal inside says why. */
	if ((st->st_mode & 0700) != 0700)
		(void)!fchmod(fd, 0700);
	return cs_steal_fd(&fd);
}

static int push(struct walk *w, int parent_fd, const char *name)
{
	struct level *level;
	struct stat st;
	AUTO_FD int fd = open_level(parent_fd, name, w->n == 0, &st);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -1;
	cs_steal_fd(&fd);
	if (w->n >= OPEN_LEVELS)
		give_up(&w->levels[w->n - OPEN_LEVELS]);
	CS_GROW(w->levels, w->n, w->cap);
	level = &w->levels[w->n++];
	level->dir = dir;
	level->name = cs_strdup(name);
	level->dev = st.st_dev;
	level->ino = st.st_ino;
	return 0;
}

/* Opens the given-up level above child again. ESTALE: it is another directory now. */
static int reopen(struct level *level, const struct level *child)
{
	AUTO_FD int fd = openat(dirfd(child->dir), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_dev != level->dev || st.st_ino != level->ino) {
		errno = ESTALE;
		return -1;
	}
	level->dir = fdopendir(fd);
	if (!level->dir)
		return -1;
	cs_steal_fd(&fd);
	return 0;
}

/* Leaves the innermost level, which is empty, and removes it. */
static int pop(struct walk *w)
{
	struct level *level = &w->levels[w->n - 1];
	struct level *above = w->n > 1 ? level - 1 : NULL;

	if (above && !above->dir && reopen(above, level) < 0)
		return -1;
	if (unlinkat(above ? dirfd(above->dir) : w->dir_fd, level->name, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		return -1;
	give_up(level);
	free(level->name);
	w->n--;
	return 0;
}

/* Removes the next entry of the innermost level, or enters it. */
static int step(struct walk *w)
{
	DIR *dir = w->levels[w->n - 1].dir;
	struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	if (!entry)
		return errno ? -1 : pop(w);
	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
		return 0;
	if (entry->d_type != DT_DIR) {
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR) /* a file system that does not tell types */
			return -1;
	}
	/* Another process that removes the same tree is no failure. */
	return push(w, dirfd(dir), entry->d_name) < 0 && errno != ENOENT ? -1 : 0;
}

int cs_remove_tree(int dir_fd, const char *name, struct cs_err *err)
{
	__attribute__((cleanup(walk_release))) struct walk w = { .dir_fd = dir_fd };

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return cs_err_sys(err, "remove %s", name);
	if (push(&w, dir_fd, name) < 0 && errno != ENOENT)
		return cs_err_sys(err, "remove %s", name);
	while (w.n)
		if (step(&w) < 0)
			return cs_err_sys(err, "remove %s: %zu levels down, in %s", name, w.n,
					  w.levels[w.n - 1].name);
	return 0;
}
