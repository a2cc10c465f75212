/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/file.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "countersign/base/own.h"
#include "unit.h"

/*
 * These tests must be harmless when they fail, too: a removal that goes astray runs with all the
 * rights of whoever started it. So no link leads out of the test's own directory, and the work is
 * done NEST levels below it, more than any ".." taken in error can climb.
 */
#define NEST 100

static char top[64];
static char dir[64 + 2 * NEST];

/* outside/keep must survive everything; each test removes "tree". */
static void setup(void)
{
	unit_mkdir(top);
	ck_assert_int_eq(chmod(".", 0711), 0); /* for the tests that become an ordinary user */
	for (int i = 0; i < NEST; i++) {
		ck_assert_int_eq(mkdir("n", 0711), 0);
		ck_assert_int_eq(chdir("n"), 0);
	}
	ck_assert_ptr_nonnull(getcwd(dir, sizeof(dir)));
	ck_assert_int_eq(chmod(".", 0777), 0);
	ck_assert_int_eq(mkdir("outside", 0777), 0);
	ck_assert_int_eq(chmod("outside", 0777), 0);
	close(open("outside/keep", O_WRONLY | O_CREAT, 0666));
}

static void teardown(void)
{
	if (getuid() == 0) {
		ck_assert_int_eq(seteuid(0), 0);
		ck_assert_int_eq(setegid(0), 0);
	}
	unit_rmdir(top);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	close(fd);
}

/* Goes into a new directory. */
static void descend(const char *name)
{
	ck_assert_msg(mkdir(name, 0700) == 0 && chdir(name) == 0, "%s: %s", name, strerror(errno));
}

/* Until teardown, an ordinary user where we are root: modes mean nothing to root. */
static void become_ordinary(void)
{
	if (getuid() == 0) {
		ck_assert_int_eq(setegid(1234), 0);
		ck_assert_int_eq(seteuid(1234), 0);
	}
}

/* ---- what there may be ------------------------------------------------------------------- */

static void build_nothing(void)
{
}

static void build_file(void)
{
	make_file("tree");
}

static void build_link(void)
{
	ck_assert_int_eq(symlink("outside", "tree"), 0);
}

static void build_dangling(void)
{
	ck_assert_int_eq(symlink("nowhere", "tree"), 0);
}

static void build_empty(void)
{
	ck_assert_int_eq(mkdir("tree", 0700), 0);
}

static void build_kinds(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	descend("tree");
	make_file("file");
	make_file("-rf");
	make_file("new\nline");
	make_file("\xff\xfe");
	ck_assert_int_eq(link("file", "hard"), 0);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	ck_assert_int_eq(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(sock);
	ck_assert_int_eq(symlink("../outside", "up"), 0);
	ck_assert_int_eq(symlink(dir, "absolute"), 0);
	ck_assert_int_eq(symlink(".", "loop"), 0);
	descend("sub");
	ck_assert_int_eq(symlink("../../outside", "up"), 0);
	descend("sub");
}

static void build_wide(void)
{
	descend("tree");
	for (int i = 0; i < 3000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d", i);
		if (i % 3 == 0) {
			ck_assert_int_eq(mkdir(name, 0700), 0);
			snprintf(name, sizeof(name), "%d/file", i);
		}
		make_file(name);
	}
}

/* Modes that keep their owner out, in every combination, one inside the other too. */
static void build_modes(void)
{
	descend("tree");
	for (int mode = 0; mode < 8; mode++) {
		char name[16];

		snprintf(name, sizeof(name), "m%d", mode);
		descend(name);
		make_file("file");
		descend("sub");
		make_file("file");
		ck_assert_int_eq(chdir(".."), 0);
		ck_assert_int_eq(chmod("sub", (mode_t)mode << 6), 0);
		ck_assert_int_eq(chdir(".."), 0);
		ck_assert_int_eq(chmod(name, (mode_t)mode << 6), 0);
	}
	ck_assert_int_eq(chdir(".."), 0);
	ck_assert_int_eq(chmod("tree", 0), 0);
}

/* Deeper than there are descriptors, and than PATH_MAX. */
static void build_deep(void)
{
	descend("tree");
	for (int i = 0; i < 5000; i++) {
		if (i % 50 == 0)
			make_file("file");
		descend("directory");
	}
}

/* Directories whose descriptors are given up half-way: each level holds more than one chain. */
static void build_bushes(void)
{
	descend("tree");
	for (int i = 0; i < 45; i++)
		descend("trunk");
	for (int branch = 0; branch < 20; branch++) {
		AUTO_FD int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		char name[16];

		snprintf(name, sizeof(name), "b%d", branch);
		descend(name);
		for (int i = 0; i < 40; i++) {
			make_file("file");
			descend("sub");
		}
		ck_assert_int_eq(fchdir(here), 0);
	}
}

static const struct {
	const char *name;
	void (*build)(void);
} trees[] = {
	{ "nothing", build_nothing },	{ "a file", build_file }, { "a link", build_link },
	{ "dangling", build_dangling }, { "empty", build_empty }, { "kinds", build_kinds },
	{ "wide", build_wide },		{ "modes", build_modes }, { "deep", build_deep },
	{ "bushes", build_bushes },
};

static void ck_removal(const char *name)
{
	AUTO_FD int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct rlimit few = { 64, 64 };
	struct cs_err err = CS_ERR_INIT;
	int before;
	int rc;

	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	before = unit_count_fds();
	rc = cs_remove_tree(root, "tree", &err);
	ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
	ck_assert_int_eq(unit_count_fds(), before);
	ck_assert_int_eq(fchdir(root), 0);
	ck_assert_msg(!exists("tree"), "%s: still there", name);
	ck_assert_msg(exists("outside/keep"), "%s: removed what is outside", name);
}

START_TEST(removes)
{
	trees[_i].build();
	ck_removal(trees[_i].name);
}
END_TEST

START_TEST(removes_as_an_ordinary_user)
{
	become_ordinary();
	trees[_i].build();
	ck_removal(trees[_i].name);
}
END_TEST

/* ---- what may go wrong ------------------------------------------------------------------- */

START_TEST(says_what_it_could_not_remove)
{
	struct cs_err err = CS_ERR_INIT;

	descend("tree");
	descend("others");
	make_file("file");
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(chown("tree", 1234, 1234), 0);
	become_ordinary();
	ck_assert_int_eq(cs_remove_tree(AT_FDCWD, "tree", &err), CS_MALFUNCTION);
	ck_assert_int_eq(err.sys_errno, EPERM);
	ck_assert_ptr_nonnull(strstr(err.msg, "tree"));
}
END_TEST

START_TEST(a_missing_parent_is_nothing_to_do)
{
	ck_assert_int_eq(cs_remove_tree(AT_FDCWD, "none/tree", NULL), 0);
}
END_TEST

#define BAIT 4000

/* Waits until the removal is at the bottom, then moves a directory far above it elsewhere. */
static _Noreturn void mover(int inotify_fd)
{
	struct pollfd p = { .fd = inotify_fd, .events = POLLIN };

	if (poll(&p, 1, 30000) == 1)
		rename("tree/l/l/l", "outside/moved");
	_exit(0);
}

/*
 * As an ordinary user: without the check under test, what is above would be emptied.
 * The bottom is 40 levels down; three levels below the top, a directory is moved to outside/ while
 * the bottom is being emptied. Going up by ".." from there leads to outside/, where "keep" is.
 */
START_TEST(a_moved_directory_leads_nowhere)
{
	struct cs_err err = CS_ERR_INIT;
	int inotify_fd = inotify_init1(IN_CLOEXEC);
	pid_t pid;

	become_ordinary();
	descend("tree");
	for (int i = 0; i < 40; i++)
		descend("l");
	for (int i = 0; i < BAIT; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		make_file(name);
	}
	ck_assert_int_ge(inotify_add_watch(inotify_fd, ".", IN_DELETE), 0);
	ck_assert_int_eq(chdir(dir), 0);
	pid = fork();
	if (pid == 0)
		mover(inotify_fd);
	/* Both orders are right: refused half-way, or done before the move. */
	if (cs_remove_tree(AT_FDCWD, "tree", &err) != 0)
		ck_assert_int_eq(err.sys_errno, ESTALE);
	waitpid(pid, NULL, 0);
	ck_assert(exists("outside/keep"));
}
END_TEST

/* Two processes that clean up the same run. */
START_TEST(two_removals_at_once)
{
	struct cs_err err = CS_ERR_INIT;
	int status;
	pid_t pid;

	build_wide();
	ck_assert_int_eq(chdir(dir), 0);
	pid = fork();
	if (pid == 0)
		_exit(cs_remove_tree(AT_FDCWD, "tree", NULL) == 0 ? 0 : 1);
	ck_assert_msg(cs_remove_tree(AT_FDCWD, "tree", &err) == 0, "%s", err.msg);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert(!exists("tree"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/tree_remove");
	TCase *tc = tcase_create("tree_remove");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, removes, 0, CS_COUNT(trees));
	tcase_add_loop_test(tc, removes_as_an_ordinary_user, 0, CS_COUNT(trees));
	if (getuid() == 0)
		tcase_add_test(tc, says_what_it_could_not_remove);
	else
		puts("# SKIP says_what_it_could_not_remove: only root can make such a tree");
	tcase_add_test(tc, a_missing_parent_is_nothing_to_do);
	tcase_add_test(tc, a_moved_directory_leads_nowhere);
	tcase_add_test(tc, two_removals_at_once);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
