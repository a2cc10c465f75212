/* SPDX-License-Identifier: Apache-2.0 */
/* Submodules as a tree names them, and repositories that are nothing but objects. */
#include "countersign/repo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "fixture.h"

#define FOREIGN_UID 1234

/* ---- names ---- */

static const struct {
	const char *name;
	bool good;
} names[] = {
	{ "a", true },	     { "libs/foo", true }, { "a.b", true },    { "..a", true },
	{ "a..", true },     { "...", true },	   { ".git", true },   { "a/.../b", true },
	{ "", false },	     { "..", false },	   { "../a", false },  { "a/..", false },
	{ "a/../b", false }, { "..\\a", false },   { "a\\..", false }, { "a\\../b", false },
	{ "/..", false },    { "//../", false },
};

START_TEST(submodule_names)
{
	ck_assert_msg(cs_submodule_name_ok(names[_i].name) == names[_i].good, "'%s'",
		      names[_i].name);
}
END_TEST

/* ---- .gitmodules ---- */

/* In the tree: gitlinks a, b and d/e; a file f; a link to a directory with nothing. */
#define TREE                                                                           \
	"git init -q o; git -C o commit -q --allow-empty -m o; git init -q r; cd r; "  \
	"git update-index --add --cacheinfo 160000,$(git -C ../o rev-parse HEAD),a "   \
	"--cacheinfo 160000,$(git -C ../o rev-parse HEAD),b "                          \
	"--cacheinfo 160000,$(git -C ../o rev-parse HEAD),d/e; echo f > f; ln -s d l;" \
	"%s; git add f l $(ls .gitmodules 2>/dev/null || :); git commit -q -m r"

#define M(name, path) "[submodule \\\"" name "\\\"]\\n\\tpath = " path "\\n"

static const struct {
	const char *name, *make, *wanted; /* "name=path;" each */
} files[] = {
	{ "none", ":", "" },
	{ "two", "printf \"" M("x/y", "a") M("d/e", "d/e") "\" > .gitmodules", "x/y=a;d/e=d/e;" },
	{ "no gitlink",
	  "printf \"" M("f", "f") M("g", "g") M("d", "d") M("l", "l/e") "\" > .gitmodules", "" },
	{ "paths that are none",
	  "printf \"" M("1", "") M("2", "/a") M("3", "../a") M("4", "a/") M("5", "./a")
		  M("6", "a/b") "\" > .gitmodules",
	  "" },
	{ "a path twice: the last name", "printf \"" M("x", "a") M("y", "a") "\" > .gitmodules",
	  "y=a;" },
	{ "a name twice: the last path", "printf \"" M("x", "a") M("x", "b") "\" > .gitmodules",
	  "x=b;" },
	{ "without a name", "printf \"[submodule]\\n\\tpath = a\\n\" > .gitmodules", "=a;" },
	{ "names are not looked at", "printf \"" M("..", "a") M("/", "b") "\" > .gitmodules",
	  "..=a;/=b;" },
	{ "another key",
	  "printf \"[submodule \\\"x\\\"]\\n\\turl = a\\n[other \\\"y\\\"]\\n\\tpath = a\\n\" > "
	  ".gitmodules",
	  "" },
	{ "an error behind", "printf \"" M("x", "a") "[\\n" M("y", "b") "\" > .gitmodules",
	  "x=a;" },
	{ "a link", "printf \"" M("x", "a") "\" > f; ln -s f .gitmodules", "" },
	{ "a directory", "mkdir .gitmodules; echo > .gitmodules/x", "" },
	{ "too large",
	  "{ printf \"" M("x", "a") "\"; head -c 1100000 /dev/zero | tr '\\0' '#'; } > .gitmodules",
	  "" },
};

START_TEST(gitmodules)
{
	AUTO_BUF struct cs_buf got = CS_BUF_INIT;
	AUTO_SUBMODULES struct cs_submodules list = CS_SUBMODULES_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid commit, tree;
	struct cs_repo *repo;

	fx_run(TREE, files[_i].make);
	repo = fx_open("r");
	fx_ok(cs_repo_resolve(&commit, &tree, repo, "HEAD", &err), err);
	fx_run("cd r; rm -rf .gitmodules"); /* the checkout's does not count */
	fx_ok(cs_repo_submodules(&list, repo, &tree, &err), err);
	ck_assert_int_eq(chdir("o"), 0);
	commit = fx_oid("HEAD");
	for (size_t i = 0; i < list.n; i++) {
		cs_buf_addf(&got, "%s=%s;", list.list[i].name, list.list[i].path);
		ck_assert(cs_oid_equal(&list.list[i].commit, &commit));
	}
	ck_assert_msg(!strcmp(got.data, files[_i].wanted), "%s: %s", files[_i].name, got.data);
	cs_repo_free(repo);
}
END_TEST

START_TEST(very_many)
{
	AUTO_SUBMODULES struct cs_submodules list = CS_SUBMODULES_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid commit, tree;
	struct cs_repo *repo;

	fx_run(TREE,
	       "for i in $(seq 1200); do printf '[submodule \"%d\"]\\n\\tpath = p%d\\n' $i $i; "
	       "done > .gitmodules; c=$(git -C ../o rev-parse HEAD); for i in $(seq 1200); do "
	       "printf '160000 %s\\tp%d\\n' $c $i; done | git update-index --index-info");
	repo = fx_open("r");
	fx_ok(cs_repo_resolve(&commit, &tree, repo, "HEAD", &err), err);
	fx_ok(cs_repo_submodules(&list, repo, &tree, &err), err);
	ck_assert_uint_eq(list.n, CS_SUBMODULES_MAX);
	cs_repo_free(repo);
}
END_TEST

/* ---- objects alone ---- */

START_TEST(objects_alone)
{
	struct cs_commit commit = { 0 };
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo = NULL;
	struct cs_oid oid, tree;

	/* Its configuration is none, its references are none, its objects are another's. */
	fx_run("git init -q r; git -C r commit -q --allow-empty -m x; git clone -q --shared r s; "
	       "echo '[' > s/.git/config; rm -r s/.git/refs s/.git/HEAD");
	ck_assert_int_eq(chdir("r"), 0);
	oid = fx_oid("HEAD");
	tree = fx_oid("HEAD^{tree}");
	ck_assert_int_eq(chdir(".."), 0);
	fx_ok(cs_repo_open_objects(&repo, "s/.git", &err), err);
	ck_assert_uint_eq(cs_repo_object_dirs(repo)->n, 2);
	fx_ok(cs_repo_read_commit(&commit, repo, &oid, &err), err);
	ck_assert(cs_oid_equal(&commit.tree, &tree));
	ck_assert_int_eq(cs_repo_write(&oid, repo, CS_OBJ_BLOB, "x", 1, &err), CS_REFUSED);
	oid.bytes[0] ^= 1;
	ck_assert_int_eq(cs_repo_read_commit(&commit, repo, &oid, &err), CS_NOTFOUND);
	cs_commit_release(&commit);
	cs_repo_free(repo);
	ck_assert_int_eq(cs_repo_open_objects(&repo, "nowhere", &err), CS_MALFUNCTION);
}
END_TEST

START_TEST(owner_of_a_git_directory)
{
	struct cs_err err = CS_ERR_INIT;
	char *path = cs_asprintf("%s/m.git", fx_top);
	int fd;

	fx_run("git init -q --bare m.git");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fx_ok(cs_repo_check_owner(fd, path, &err), err);
	if (geteuid() == 0) {
		fx_run("chown -R %d m.git", FOREIGN_UID);
		ck_assert_int_eq(cs_repo_check_owner(fd, path, &err), CS_REFUSED);
		ck_assert_ptr_nonnull(strstr(err.msg, "safe.directory"));
		fx_run("git config --global --add safe.directory %s", path);
		fx_ok(cs_repo_check_owner(fd, path, &err), err);
	}
	close(fd);
	free(path);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("repo_submodules");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, FX_TIMEOUT_S);
	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, submodule_names, 0, CS_COUNT(names));
	tcase_add_loop_test(tc, gitmodules, 0, CS_COUNT(files));
	tcase_add_test(tc, very_many);
	tcase_add_test(tc, objects_alone);
	tcase_add_test(tc, owner_of_a_git_directory);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
