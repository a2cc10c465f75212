/* SPDX-License-Identifier: Apache-2.0 */
/* The index of what runs made: what is in it is found, whatever happened to the file. */
#include "countersign/record.h"
#include "fixture.h"

#define RUN_A "0123456789abcdef0123456789abcdef"
#define RUN_B "ffffffffffffffffffffffffffffffff"

static struct cs_repo *repo;
static struct cs_oid start, commit, tree, large, small;

static void setup(void)
{
	char *state = NULL;
	struct cs_err err = CS_ERR_INIT;

	fx_setup();
	fx_run("git init -q -b main . && git commit -q --allow-empty -m s && git tag start && "
	       "seq 1 200 >large && echo x >small && git add . && git commit -qm c");
	repo = fx_open(".");
	fx_ok(cs_state_dir(&state, repo, &err), err);
	free(state);
	start = fx_oid("start^{tree}");
	commit = fx_oid("HEAD");
	tree = fx_oid("HEAD^{tree}");
	large = fx_oid("HEAD:large");
	small = fx_oid("HEAD:small");
}

static void teardown(void)
{
	cs_repo_free(repo);
	fx_teardown();
}

static void add(const char *run)
{
	struct cs_err err = CS_ERR_INIT;

	fx_ok(cs_made_add(repo, run, &start, &commit, &tree, &err), err);
}

static const char *find(const struct cs_oid *oid)
{
	static struct cs_made made[2];
	struct cs_err err = CS_ERR_INIT;

	memset(made, 0, sizeof(made));
	made[0].oid = start;
	made[1].oid = *oid;
	fx_ok(cs_made_find(repo, made, 2, &err), err);
	ck_assert_str_eq(made[0].run, "");
	return made[1].run;
}

START_TEST(found)
{
	ck_assert_str_eq(find(&commit), ""); /* no file yet */
	add(RUN_A);
	ck_assert_str_eq(find(&commit), RUN_A);
	ck_assert_str_eq(find(&tree), RUN_A);
	ck_assert_str_eq(find(&large), RUN_A);
	ck_assert_str_eq(find(&small), "");
	add(RUN_B);
	ck_assert_str_eq(find(&large), RUN_B);
}
END_TEST

/* A write that was cut off anywhere hides nothing that comes after it. */
START_TEST(torn)
{
	for (int cut = 0; cut < 64; cut += 7) {
		fx_run("rm -f .git/agent-run/made");
		add(RUN_A);
		fx_run("truncate -s %d .git/agent-run/made", cut);
		add(RUN_B);
		ck_assert_str_eq(find(&commit), RUN_B);
		ck_assert_str_eq(find(&large), RUN_B);
	}
}
END_TEST

START_TEST(damaged)
{
	add(RUN_A);
	/* a byte of the id of the run, in the first record: the commit's */
	fx_run("printf '\\377' | dd of=.git/agent-run/made bs=1 seek=40 conv=notrunc status=none");
	ck_assert_str_eq(find(&commit), "");
	ck_assert_str_eq(find(&large), RUN_A);
}
END_TEST

/* Across the chunks in which the file is read, after a piece that shifts everything. */
START_TEST(long_file)
{
	add(RUN_A);
	fx_run("cd .git/agent-run && cp made one && head -c 37 one >made && "
	       "for i in $(seq 1 12); do cat one one >two && mv two one; done && cat one one one "
	       "one >>made");
	ck_assert_str_eq(find(&large), RUN_A);
	fx_run("head -c 3000001 /dev/zero >>.git/agent-run/made");
	add(RUN_B);
	ck_assert_str_eq(find(&large), RUN_B);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record_made");
	TCase *t = tcase_create("made");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_test(t, found);
	tcase_add_test(t, torn);
	tcase_add_test(t, damaged);
	tcase_add_test(t, long_file);
	suite_add_tcase(s, t);
	return unit_run(s);
}
