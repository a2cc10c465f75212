/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups of our own, over a tree of plain files that looks like one: which group is chosen, what
 * counts as given, what is written. That a kernel holds what is written is the kernel's.
 */
#include "countersign/sandbox.h"

#include <errno.h>
#include <sys/stat.h>
#include "unit.h"

static void put(const char *path, const char *text)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(cs_write_all(fd, text, strlen(text)), 0);
}

static void group(const char *path, const char *controllers, const char *subtree)
{
	AUTO_FREE char *c = cs_asprintf("%s/cgroup.controllers", path);
	AUTO_FREE char *s = cs_asprintf("%s/cgroup.subtree_control", path);

	ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
	AUTO_FREE char *p = cs_asprintf("%s/cgroup.procs", path);
	put(c, controllers);
	put(s, subtree);
	put(p, "");
}

/* The group that the kernel would fill with files when it is made. */
static void prepared(const char *path)
{
	static const char *const files[] = { "cgroup.procs", "memory.max", "memory.swap.max",
					     "pids.max" };

	ck_assert_int_eq(mkdir(path, 0755), 0);
	for (size_t i = 0; i < CS_COUNT(files); i++) {
		AUTO_FREE char *file = cs_asprintf("%s/%s", path, files[i]);
		put(file, "");
	}
}

static const struct {
	const char *name;
	const char *own[2], *parent[2]; /* controllers, subtree_control */
	const char *made;		/* where it is made; NULL: refused */
	bool memory, pids;
} trees[] = {
	{ "beside us",
	  { "memory pids", "" },
	  { "cpu memory pids\n", "memory pids\n" },
	  "top/new",
	  true,
	  true },
	{ "below us",
	  { "memory pids\n", "memory pids\n" },
	  { "memory pids", "" },
	  "top/own/new",
	  true,
	  true },
	{ "only processes", { "pids", "" }, { "pids", "pids" }, "top/new", false, true },
	{ "more of them beside us",
	  { "memory pids", "memory" },
	  { "memory pids", "memory pids" },
	  "top/new",
	  true,
	  true },
	{ "nothing", { "", "" }, { "", "" }, NULL, false, false },
	{ "no such word",
	  { "hugetlb", "hugetlb" },
	  { "memorypids", "memorypids" },
	  NULL,
	  false,
	  false },
	/* Asking changes this file, but not to what a kernel that gave it would say. */
	{ "asked in vain", { "memory pids", "" }, { "memory pids", "" }, NULL, false, false },
};

START_TEST(a_group_is_made_where_it_was_given)
{
	char dir[64];
	struct cs_cgroup *cg = NULL;
	struct cs_err err = CS_ERR_INIT;

	unit_mkdir(dir);
	AUTO_FREE char *mount = cs_asprintf("%s/top", dir);
	struct cs_cgroup_opts opts = { mount, "/own", "new", 1 << 30, 77 };
	group("top", trees[_i].parent[0], trees[_i].parent[1]);
	group("top/own", trees[_i].own[0], trees[_i].own[1]);
	if (trees[_i].made)
		prepared(trees[_i].made);
	int rc = cs_cgroup_new(&cg, &opts, &err);
	if (!trees[_i].made) {
		ck_assert_msg(rc == CS_UNSUPPORTED, "%s: %d", trees[_i].name, rc);
		unit_rmdir(dir);
		return;
	}
	ck_assert_msg(rc == 0, "%s: %s", trees[_i].name, err.msg);
	ck_assert_int_eq(cs_cgroup_limits_memory(cg), trees[_i].memory);
	ck_assert_int_eq(cs_cgroup_limits_processes(cg), trees[_i].pids);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *file = cs_asprintf("%s/pids.max", trees[_i].made);
	ck_assert_int_eq(cs_read_file(&text, AT_FDCWD, file, 100, &err), 0);
	ck_assert_str_eq(text.data, trees[_i].pids ? "77" : "");
	AUTO_BUF struct cs_buf swap = CS_BUF_INIT;
	AUTO_FREE char *swap_file = cs_asprintf("%s/memory.swap.max", trees[_i].made);
	ck_assert_int_eq(cs_read_file(&swap, AT_FDCWD, swap_file, 100, &err), 0);
	ck_assert_str_eq(swap.data, trees[_i].memory ? "0" : "");
	ck_assert_int_eq(cs_write_all(cs_cgroup_fd(cg), "0", 1), 0);
	cs_cgroup_free(cg);
	unit_rmdir(dir);
}
END_TEST

/* What is over the limit would go to swap instead: then memory is not held. */
START_TEST(memory_counts_only_without_swap)
{
	static const struct {
		bool there, writable, held;
	} rows[] = { { true, true, true }, { true, false, false }, { false, false, true } };

	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		char dir[64];
		struct cs_cgroup *cg = NULL;
		struct cs_err err = CS_ERR_INIT;

		unit_mkdir(dir);
		struct cs_cgroup_opts opts = { dir, "/", "new", 1 << 30, 77 };
		group(".", "memory pids", "memory pids");
		prepared("new");
		ck_assert_int_eq(unlink("new/memory.swap.max"), 0);
		/* A directory cannot be written to, not even by root. */
		if (rows[i].there && !rows[i].writable)
			ck_assert_int_eq(mkdir("new/memory.swap.max", 0755), 0);
		else if (rows[i].there)
			put("new/memory.swap.max", "");
		ck_assert_msg(cs_cgroup_new(&cg, &opts, &err) == 0, "%s", err.msg);
		ck_assert_int_eq(cs_cgroup_limits_memory(cg), rows[i].held);
		ck_assert(cs_cgroup_limits_processes(cg));
		cs_cgroup_free(cg);
		unit_rmdir(dir);
	}
}
END_TEST

/* Without the right to move processes below it, a group that we may make is of no use. */
START_TEST(a_group_that_nobody_may_enter_is_not_made)
{
	char dir[64];
	struct cs_cgroup *cg = NULL;
	struct cs_err err = CS_ERR_INIT;

	unit_mkdir(dir);
	struct cs_cgroup_opts opts = { dir, "/", "new", 1 << 30, 77 };
	group(".", "memory pids", "memory pids");
	prepared("new");
	ck_assert_int_eq(unlink("cgroup.procs"), 0);
	ck_assert_int_eq(cs_cgroup_new(&cg, &opts, &err), CS_UNSUPPORTED);
	ck_assert_msg(strstr(err.msg, "not delegated") != NULL, "%s", err.msg);
	unit_rmdir(dir);
}
END_TEST

START_TEST(hits_are_counted)
{
	char dir[64];
	uint64_t memory = 9, processes = 9;
	struct cs_cgroup *cg = NULL;
	struct cs_err err = CS_ERR_INIT;

	unit_mkdir(dir);
	struct cs_cgroup_opts opts = { dir, "/", "new", 1 << 30, 77 };
	group(".", "memory pids", "memory pids");
	prepared("new");
	ck_assert_msg(cs_cgroup_new(&cg, &opts, &err) == 0, "%s", err.msg);
	cs_cgroup_hits(&memory, &processes, cg);
	ck_assert_uint_eq(memory, 0);
	ck_assert_uint_eq(processes, 0);
	put("new/memory.events", "low 0\nhigh 4\nmax 8\noom 3\noom_kill 2\noom_group_kill 0\n");
	put("new/pids.events", "max 5\n");
	cs_cgroup_hits(&memory, &processes, cg);
	ck_assert_uint_eq(memory, 2);
	ck_assert_uint_eq(processes, 5);
	cs_cgroup_free(cg);
	unit_rmdir(dir);
}
END_TEST

START_TEST(this_host_gives_one_or_says_why_not)
{
	struct cs_cgroup *cg = NULL;
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *name = cs_asprintf("agent-run-test-%d", getpid());
	struct cs_cgroup_opts opts = { .name = name, .memory_bytes = 1 << 30, .processes = 100 };

	if (cs_cgroup_new(&cg, &opts, &err) < 0) {
		ck_assert_int_eq(err.code, CS_UNSUPPORTED);
		ck_assert_int_ne(err.msg[0], '\0');
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		_exit(cs_write_all(cs_cgroup_fd(cg), "0", 1) < 0);
	int status = -1;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	cs_cgroup_free(cg);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sandbox_cgroup");
	TCase *tc = tcase_create("cgroup");

	tcase_add_loop_test(tc, a_group_is_made_where_it_was_given, 0, CS_COUNT(trees));
	tcase_add_test(tc, memory_counts_only_without_swap);
	tcase_add_test(tc, a_group_that_nobody_may_enter_is_not_made);
	tcase_add_test(tc, hits_are_counted);
	tcase_add_test(tc, this_host_gives_one_or_says_why_not);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
