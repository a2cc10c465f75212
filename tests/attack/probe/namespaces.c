/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces and mounts. */
#include "probe.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NR_OPEN_TREE_ATTR 467

static const struct {
	const char *name;
	unsigned flag;
} spaces[] = {
	{ "user", CLONE_NEWUSER },     { "mnt", CLONE_NEWNS },	{ "net", CLONE_NEWNET },
	{ "pid", CLONE_NEWPID },       { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },
	{ "cgroup", CLONE_NEWCGROUP }, { "time", 0x80 },
};

static unsigned space(const char *name)
{
	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
		if (!strcmp(spaces[i].name, name))
			return spaces[i].flag;
	exit(EXIT_WRONG_CALL);
}

static int leave(char **a)
{
	return met(unshare((int)space(a[0])));
}

static int clone_raw(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	int err = met(pid);
	if (!err)
		waitpid((pid_t)pid, NULL, 0);
	return err;
}

static int clone_into(char **a)
{
	return clone_raw(space(a[0]));
}

/* The kernel ignores the high half of clone's flags. */
static int clone_high(char **a)
{
	return clone_raw(space(a[0]) | 0xdead00000000ul);
}

static int clone3_into(char **a)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .flags = space(a[0]), .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		_exit(0);
	int err = met(pid);
	if (!err)
		waitpid((pid_t)pid, NULL, 0);
	return err;
}

static int enter(char **a)
{
	int fd = open(a[0], O_RDONLY | O_CLOEXEC);
	return fd < 0 ? errno : met(setns(fd, 0));
}

static int enter_process(char **a)
{
	int fd = (int)syscall(SYS_pidfd_open, number(a[0]), 0);
	return fd < 0 ? errno : met(setns(fd, CLONE_NEWNS | CLONE_NEWUTS));
}

static int mount_tmpfs(char **a)
{
	return met(mount("x", a[0], "tmpfs", 0, NULL));
}

static int mount_bind(char **a)
{
	return met(mount(a[0], a[1], NULL, MS_BIND | MS_REC, NULL));
}

static int mount_writable(char **a)
{
	return met(mount(NULL, a[0], NULL, MS_REMOUNT | MS_BIND | MS_RELATIME, NULL));
}

static int unmount(char **a)
{
	return met(umount2(a[0], MNT_DETACH));
}

static int tree_clone(char **a)
{
	return met(syscall(SYS_open_tree, AT_FDCWD, a[0], 1 /* CLONE */ | AT_RECURSIVE));
}

static int fs_open(char **a)
{
	return met(syscall(SYS_fsopen, a[0], 0));
}

static int fs_pick(char **a)
{
	return met(syscall(SYS_fspick, AT_FDCWD, a[0], 0));
}

/* Without a right to mount this is refused before the descriptors are looked at. */
static int move_a_mount(char **a)
{
	(void)a;
	return met(syscall(SYS_move_mount, -1, "", -1, "", 0x44 /* both empty paths */));
}

struct mount_attributes {
	uint64_t set, clear, propagation, userns_fd;
};

static int attributes_writable(char **a)
{
	struct mount_attributes m = { .clear = 1 /* RDONLY */ };
	return met(syscall(SYS_mount_setattr, AT_FDCWD, a[0], 0, &m, sizeof m));
}

static int tree_attributes(char **a)
{
	struct mount_attributes m = { .set = 1 };
	return met(syscall(NR_OPEN_TREE_ATTR, AT_FDCWD, a[0], 1 | AT_RECURSIVE, &m, sizeof m));
}

static int change_root(char **a)
{
	return met(chroot(a[0]));
}

static int pivot(char **a)
{
	return met(syscall(SYS_pivot_root, a[0], a[0]));
}

static int host_name(char **a)
{
	return met(sethostname(a[0], strlen(a[0])));
}

const struct attempt namespaces_attempts[] = {
	{ "unshare", 1, "leave a namespace", leave },
	{ "clone", 1, "clone into a new namespace", clone_into },
	{ "clone-high", 1, "the same with bits in the ignored half", clone_high },
	{ "clone3", 1, "clone3 into a new namespace", clone3_into },
	{ "setns", 1, "enter a namespace by its file", enter },
	{ "setns-process", 1, "enter the namespaces of a process", enter_process },
	{ "mount-tmpfs", 1, "mount a tmpfs", mount_tmpfs },
	{ "mount-bind", 2, "bind a directory", mount_bind },
	{ "mount-writable", 1, "remount writable", mount_writable },
	{ "umount", 1, "detach a mount", unmount },
	{ "open-tree", 1, "clone a mount tree", tree_clone },
	{ "open-tree-attr", 1, "clone a mount tree with attributes", tree_attributes },
	{ "fsopen", 1, "open a file system", fs_open },
	{ "fspick", 1, "pick a mounted file system", fs_pick },
	{ "move-mount", 0, "move a mount", move_a_mount },
	{ "mount-setattr", 1, "make a mount writable", attributes_writable },
	{ "chroot", 1, "change the root", change_root },
	{ "pivot-root", 1, "pivot the root", pivot },
	{ "sethostname", 1, "set the host's name", host_name },
	{ 0 },
};
