/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock (landlock(7)), the second wall for files: even where a mount were wrong, nothing
 * outside the writable paths can be written. Secrecy is the mount namespace's work; so the whole
 * (new) root is readable here. Used from ABI 2: ABI 1 denies every rename across directories.
 *
 * The installed headers may be older than the kernel, so the constants are ours.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

enum {
	LL_EXECUTE = 1 << 0,
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_TRUNCATE = 1 << 14,	/* ABI 3 */
	LL_IOCTL_DEV = 1 << 15, /* ABI 5 */
};
#define LL_READ	      (LL_EXECUTE | LL_READ_FILE | LL_READ_DIR)
#define LL_ALL_ABI2   0x3fffu /* up to and with REFER */
/* Rights that a rule on a file (not a directory) may hold. */
#define LL_FILE	      (LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV)
#define LL_SCOPE_ABSTRACT_UNIX 1u
#define LL_SCOPE_SIGNAL	       2u

struct ruleset_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};
struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

int landlock_abi(void)
{
	long abi = cs_fake("landlock",
			   syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* VERSION */));
	return abi < 2 ? 0 : (int)abi;
}

static uint64_t handled(int abi)
{
	uint64_t fs = LL_ALL_ABI2;
	if (abi >= 3)
		fs |= LL_TRUNCATE;
	if (abi >= 5)
		fs |= LL_IOCTL_DEV;
	return fs;
}

static int create(int abi, unsigned scoped)
{
	struct ruleset_attr attr = { .fs = handled(abi), .scoped = abi >= 6 ? scoped : 0 };
	size_t size = abi >= 6 ? sizeof attr : abi >= 4 ? 16 : 8;
	return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

static int allow(int ruleset, int dir_fd, uint64_t rights)
{
	struct stat st;
	if (fstat(dir_fd, &st) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		rights &= LL_FILE;
	struct path_beneath rule = { .allowed = rights, .parent_fd = dir_fd };
	return (int)syscall(SYS_landlock_add_rule, ruleset, 1 /* PATH_BENEATH */, &rule, 0);
}

static int enter(int ruleset)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}

int landlock_enter(const struct cs_strv *writable, int abi)
{
	AUTO_FD int ruleset = create(abi, LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL);
	AUTO_FD int root = open("/", O_PATH | O_CLOEXEC);

	if (ruleset < 0 || root < 0 || allow(ruleset, root, LL_READ) < 0)
		return -1;
	for (size_t i = 0; i < writable->n; i++) {
		AUTO_FD int fd = open(writable->v[i], O_PATH | O_CLOEXEC);
		/* A path that this run does not have needs no rule. */
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || allow(ruleset, fd, handled(abi)) < 0)
			return -1;
	}
	return enter(ruleset);
}

/* A path that is not there, or that the agent's user cannot reach, gives nobody anything. */
static int allow_paths(int ruleset, const struct cs_strv *paths, uint64_t rights)
{
	for (size_t i = 0; i < paths->n; i++) {
		AUTO_FD int fd = open(paths->v[i], O_PATH | O_CLOEXEC);
		if (fd >= 0 && allow(ruleset, fd, rights) < 0)
			return -1;
	}
	return 0;
}

int landlock_enter_paths(const struct cs_strv *readable, const struct cs_strv *writable, int abi)
{
	AUTO_FD int ruleset = create(abi, LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL);

	if (ruleset < 0 || allow_paths(ruleset, readable, LL_READ) < 0 ||
	    allow_paths(ruleset, writable, handled(abi)) < 0)
		return -1;
	return enter(ruleset);
}

int landlock_read_only(const int *dir_fds, size_t n, int abi)
{
	AUTO_FD int ruleset = create(abi, LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL);
	if (ruleset < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (allow(ruleset, dir_fds[i], LL_READ_FILE | LL_READ_DIR) < 0)
			return -1;
	return enter(ruleset);
}
