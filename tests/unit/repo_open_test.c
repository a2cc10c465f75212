/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/repo.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sys/stat.h>
#include "fixture.h"

#define FOREIGN_UID 1234

/* Compares with what git says about the same place. */
static void must_be_as_git(const char *dir)
{
	struct cs_repo *repo = fx_open(dir);
	char *git_dir = fx_line("git -C %s rev-parse --absolute-git-dir 2>/dev/null", dir);
	char *common =
		fx_line("cd %s && realpath $(git rev-parse --git-common-dir 2>/dev/null)", dir);
	char *top = fx_line("git -C %s rev-parse --show-toplevel 2>/dev/null || true", dir);

	ck_assert_str_eq(cs_repo_git_dir(repo), git_dir);
	ck_assert_str_eq(cs_repo_common_dir(repo), common);
	if (*top == '/')
		ck_assert_str_eq(cs_repo_worktree(repo), top);
	else
		ck_assert_ptr_null(cs_repo_worktree(repo));
	cs_repo_free(repo);
	free(git_dir);
	free(common);
	free(top);
}

/* ---- discovery ---- */

static const struct {
	const char *name;
	const char *make;
	const char *dir;
} places[] = {
	{ "top", "git init -q r", "r" },
	{ "below", "git init -q r; mkdir -p r/a/b", "r/a/b" },
	{ "link to below", "git init -q r; mkdir -p r/a/b; ln -s r/a/b l", "l" },
	{ "bare", "git init -q --bare b", "b" },
	{ "below bare", "git init -q --bare b; mkdir b/x", "b/x" },
	{ "inside .git", "git init -q r", "r/.git" },
	{ "linked worktree",
	  "git init -q r; git -C r commit -q --allow-empty -m x; git -C r worktree add -q ../w",
	  "w" },
	{ "worktree of bare",
	  "git init -q r; git -C r commit -q --allow-empty -m x; git clone -q --bare r b; "
	  "git -C b worktree add -q ../w HEAD",
	  "w" },
	{ "relative link between worktree and .git",
	  "git init -q r; git -C r commit -q --allow-empty -m x; git -C r worktree add -q ../w; "
	  "echo gitdir: ../r/.git/worktrees/w > w/.git",
	  "w" },
	{ "separate git dir", "git init -q --separate-git-dir=g r", "r" },
	{ "core.worktree", "git init -q r; mkdir o; git -C r config core.worktree ../../o",
	  "o/../r" },
	{ "core.bare in .git", "git init -q r; git -C r config core.bare true", "r" },
	{ "bare wins over core.worktree",
	  "git init -q r; git -C r config core.bare true; mkdir o; "
	  "git -C r config core.worktree ../../o",
	  "r" },
	{ "worktreeConfig at format 0 (sparse checkout)",
	  "git init -q r; echo x > r/x; git -C r add x; git -C r commit -qm x; "
	  "git -C r sparse-checkout init --cone 2>/dev/null",
	  "r" },
	{ "config.worktree of a linked worktree",
	  "git init -q --bare b; git -C b commit-tree -m x $(git -C b mktree </dev/null) "
	  "| xargs git -C b update-ref refs/heads/m; git -C b config extensions.worktreeConfig "
	  "true; "
	  "git -C b config --unset core.bare; git -C b config --worktree core.bare true; "
	  "git -C b worktree add -q ../w m",
	  "w" },
	{ "submodule",
	  "git init -q s; git -C s commit -q --allow-empty -m x; git init -q r; "
	  "git -C r -c protocol.file.allow=always submodule --quiet add ../s s",
	  "r/s" },
	{ "partial clone",
	  "git init -q r; git -C r commit -q --allow-empty -m x; git -C r config "
	  "uploadpack.allowFilter true; git clone -q --no-local --filter=blob:none "
	  "file://$PWD/r c",
	  "c" },
	{ "worktreeConfig at format 1",
	  "git init -q r; git -C r config core.repositoryFormatVersion 1; "
	  "git -C r config extensions.worktreeConfig true",
	  "r" },
	{ "objectFormat = sha1",
	  "git init -q r; git -C r config core.repositoryFormatVersion 1; "
	  "git -C r config extensions.objectFormat sha1",
	  "r" },
	{ "split index, index v4, untracked cache",
	  "git init -q r; echo x > r/x; git -C r add x; git -C r update-index --split-index "
	  "--index-version 4 --untracked-cache 2>/dev/null || true",
	  "r" },
};

START_TEST(finds)
{
	fx_run("%s", places[_i].make);
	must_be_as_git(places[_i].dir);
}
END_TEST

START_TEST(git_dir_is_honoured)
{
	struct cs_err err = CS_ERR_INIT;
	AUTO_REPO struct cs_repo *repo = NULL;
	char cwd[PATH_MAX];

	fx_run("git init -q r; git init -q --bare b; mkdir o");
	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	fx_ok(cs_repo_open(&repo, "o", "../r/.git", &err), err);
	ck_assert(strstr(cs_repo_git_dir(repo), "/r/.git"));
	ck_assert(strstr(cs_repo_worktree(repo), "/o")); /* as git: where the user stands */
	cs_repo_free(cs_steal(&repo));
	fx_ok(cs_repo_open(&repo, "b", ".", &err), err);
	ck_assert_ptr_null(cs_repo_worktree(repo));
	ck_assert(strstr(cs_repo_common_dir(repo), "/b"));
}
END_TEST

START_TEST(ceilings_are_honoured)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo = NULL;
	char cwd[PATH_MAX];

	fx_run("git init -q r; mkdir -p r/a/b");
	ck_assert_ptr_nonnull(realpath("r/a", cwd));
	setenv("GIT_CEILING_DIRECTORIES", cwd, 1);
	ck_assert_int_eq(cs_repo_open(&repo, "r/a/b", NULL, &err), CS_NOTFOUND);
	/* The start is looked at, and its parents too. */
	fx_ok(cs_repo_open(&repo, "r/a", NULL, &err), err);
	cs_repo_free(repo);
}
END_TEST

/* ---- refusals ---- */

static const struct {
	const char *name;
	const char *make;
	int code;
	const char *words;
} refusals[] = {
	{ "no repository", "mkdir r", CS_NOTFOUND, "not a git repository" },
	{ "no such directory", "true", CS_MALFUNCTION, "No such file" },
	{ "an empty .git directory", "mkdir -p r/.git", CS_NOTFOUND, "not a git repository" },
	{ "a .git file that leads nowhere", "mkdir r; echo gitdir: x > r/.git", CS_NOTFOUND,
	  "/r/x" },
	{ "a .git file of something else", "mkdir r; echo x > r/.git", CS_NOTFOUND, "invalid" },
	{ "SHA-256", "git init -q --object-format=sha256 r", CS_UNSUPPORTED,
	  "objectformat = sha256" },
	{ "SHA-256 at format 0",
	  "git init -q --object-format=sha256 r; sed -i s/=.1/=0/ r/.git/config", CS_UNSUPPORTED,
	  "objectformat" },
	{ "reftable",
	  "git init -q r; git -C r config core.repositoryFormatVersion 1; "
	  "printf '[extensions]\\n\\trefStorage = reftable\\n' >> r/.git/config",
	  CS_UNSUPPORTED, "refstorage = reftable" },
	{ "reftable at format 0",
	  "git init -q r; printf '[extensions]\\n\\trefStorage = reftable\\n' >> r/.git/config",
	  CS_UNSUPPORTED, "refstorage = reftable" },
	{ "an unknown extension",
	  "git init -q r; printf '[extensions]\\n\\tfutureThing = 1\\n' >> r/.git/config",
	  CS_UNSUPPORTED, "futurething" },
	{ "format 2", "git init -q r; git -C r config core.repositoryFormatVersion 2",
	  CS_UNSUPPORTED, "format version 2" },
	{ "sha1 extension at format 0",
	  "git init -q r; printf '[extensions]\\n\\tobjectFormat = sha1\\n' >> r/.git/config",
	  CS_UNSUPPORTED, "format version 0" },
	{ "a configuration that does not parse", "git init -q r; echo '[' >> r/.git/config",
	  CS_CORRUPT, "config" },
};

START_TEST(refuses)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo = NULL;
	int rc;

	fx_run("%s", refusals[_i].make);
	rc = cs_repo_open(&repo, "r", NULL, &err);
	ck_assert_msg(rc == refusals[_i].code, "%s: %d: %s", refusals[_i].name, rc, err.msg);
	ck_assert_msg(strstr(err.msg, refusals[_i].words), "%s: %s", refusals[_i].name, err.msg);
	ck_assert_ptr_null(repo);
}
END_TEST

/* Does what must be done as another user in a child; its status says whether it was right. */
static int as_foreigner(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) || setgid(FOREIGN_UID) || setuid(FOREIGN_UID))
			_exit(100);
		_exit(fn());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_foreign(void)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo = NULL;
	int rc = cs_repo_open(&repo, "it's", NULL, &err);

	cs_repo_free(repo);
	if (rc == 0)
		return 0;
	/* The command must be one that a shell understands. */
	return rc == CS_REFUSED && strstr(err.msg, "owned by another user") &&
			       strstr(err.msg, "--add safe.directory '/") &&
			       strstr(err.msg, "/it'\\''s'")
		       ? 1
		       : 2;
}

static int open_foreign_by_git_dir(void)
{
	struct cs_repo *repo = NULL;
	int rc = cs_repo_open(&repo, "it's", ".git", NULL);

	cs_repo_free(repo);
	return rc != 0;
}

START_TEST(another_owner)
{
	char cwd[PATH_MAX];

	fx_run("git init -q \"it's\"; chmod 777 home");
	ck_assert_int_eq(as_foreigner(open_foreign), 1);
	/* As git: naming the directory is consent. */
	ck_assert_int_eq(as_foreigner(open_foreign_by_git_dir), 0);
	ck_assert_ptr_nonnull(realpath("it's", cwd));
	fx_run("git config -f home/.gitconfig --add safe.directory /elsewhere");
	ck_assert_int_eq(as_foreigner(open_foreign), 1);
	fx_run("git config -f home/.gitconfig --add safe.directory \"%s\"", cwd);
	ck_assert_int_eq(as_foreigner(open_foreign), 0);
}
END_TEST

START_TEST(a_bare_repository_in_the_way)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo = NULL;

	fx_run("git init -q --bare b; git config -f home/.gitconfig safe.bareRepository explicit");
	ck_assert_int_eq(cs_repo_open(&repo, "b", NULL, &err), CS_REFUSED);
	fx_ok(cs_repo_open(&repo, "b", ".", &err), err);
	cs_repo_free(repo);
}
END_TEST

/* ---- what is known after opening ---- */

START_TEST(alternates)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	const struct cs_strv *dirs;
	char real[PATH_MAX];

	fx_run("for r in a 'b\"b' c d; do git init -q \"$r\"; done;"
	       "echo one | git -C a hash-object -w --stdin > /dev/null;"
	       "echo two | git -C 'b\"b' hash-object -w --stdin > /dev/null;"
	       "echo '../../../a/.git/objects' > 'b\"b/.git/objects/info/alternates';"
	       "{ echo '# a comment'; echo; echo /nonexistent;"
	       "  echo \"\\\"$PWD/b\\\\\\\"b/.git/objects\\\"\"; echo $PWD/a/.git/objects; } "
	       "> c/.git/objects/info/alternates;"
	       "echo $PWD/c/.git/objects > d/.git/objects/info/alternates");
	repo = fx_open("d");
	dirs = cs_repo_object_dirs(repo);
	ck_assert_int_eq(dirs->n, 4);
	ck_assert_ptr_nonnull(realpath("d/.git/objects", real));
	ck_assert_str_eq(dirs->v[0], real);
	ck_assert_ptr_nonnull(realpath("b\"b/.git/objects", real));
	ck_assert(cs_strv_has(dirs, real));
	for (int i = 0; i < 2; i++) {
		struct cs_err err = CS_ERR_INIT;
		char *hex = fx_line("echo %s | git hash-object --stdin", i ? "two" : "one");
		AUTO_BUF struct cs_buf b = CS_BUF_INIT;
		struct cs_oid oid;

		ck_assert_int_eq(cs_oid_parse(&oid, hex), 0);
		fx_ok(cs_repo_read(&b, repo, &oid, CS_OBJ_BLOB, 100, &err), err);
		ck_assert_str_eq(b.data, i ? "two\n" : "one\n");
		free(hex);
	}
}
END_TEST

START_TEST(endless_alternates)
{
	AUTO_REPO struct cs_repo *repo = NULL;

	fx_run("for r in a b; do git init -q $r; done;"
	       "echo $PWD/b/.git/objects > a/.git/objects/info/alternates;"
	       "echo $PWD/a/.git/objects > b/.git/objects/info/alternates");
	repo = fx_open("a");
	ck_assert_int_eq(cs_repo_object_dirs(repo)->n, 2);
}
END_TEST

START_TEST(shallow)
{
	AUTO_REPO struct cs_repo *full = NULL;
	AUTO_REPO struct cs_repo *repo = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid commit;
	struct cs_oid tree;

	fx_run("git init -q r; for i in 1 2 3; do git -C r commit -q --allow-empty -m $i; done;"
	       "git clone -q --depth 1 file://$PWD/r s");
	full = fx_open("r");
	repo = fx_open("s");
	ck_assert(!cs_repo_is_shallow(full));
	ck_assert(cs_repo_is_shallow(repo));
	fx_ok(cs_repo_resolve(&commit, &tree, repo, "HEAD", &err), err);
	ck_assert_int_eq(cs_repo_resolve(&commit, &tree, repo, "HEAD~1", &err), CS_NOTFOUND);
}
END_TEST

START_TEST(configuration)
{
	static const struct {
		const char *key;
		const char *value;
	} rows[] = {
		{ "user.name", "Local" },
		{ "USER.Name", "Local" },
		{ "core.excludesfile", "~/ign" },
		{ "remote.Origin.url", "exact" },
		{ "remote.origin.url", NULL },
		{ "a.flag", "true" },
		{ "a.empty", "" },
		{ "no.such", NULL },
		{ "inc.luded", "yes" },
		{ "nodot", NULL },
		{ "command.line", "x\ny" },
	};
	AUTO_REPO struct cs_repo *repo = NULL;

	fx_run("git init -q r; git config -f home/.gitconfig user.name Global;"
	       "git config -f home/.gitconfig core.excludesFile '~/ign';"
	       "git config -f r/.git/config user.name Local;"
	       "git config -f r/.git/config remote.Origin.url exact;"
	       "printf '[a]\\n flag\\n empty =\\n' >> r/.git/config;"
	       "git config -f home/more inc.luded yes;"
	       "git config -f home/.gitconfig include.path more");
	setenv("GIT_CONFIG_COUNT", "1", 1);
	setenv("GIT_CONFIG_KEY_0", "command.line", 1);
	setenv("GIT_CONFIG_VALUE_0", "x\ny", 1);
	repo = fx_open("r");
	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		struct cs_err err = CS_ERR_INIT;
		char *value = NULL;

		fx_ok(cs_repo_config(&value, repo, rows[i].key, &err), err);
		ck_assert_msg(value ? rows[i].value && !strcmp(value, rows[i].value)
				    : !rows[i].value,
			      "%s: %s", rows[i].key, value);
		free(value);
	}
}
END_TEST

static void must_be_identity(const char *want_name, const char *want_email)
{
	AUTO_REPO struct cs_repo *repo = fx_open("r");
	struct cs_err err = CS_ERR_INIT;
	char *name = NULL;
	char *email = NULL;

	fx_ok(cs_repo_identity(&name, &email, repo, &err), err);
	ck_assert_str_eq(name, want_name);
	if (want_email)
		ck_assert_str_eq(email, want_email);
	else
		ck_assert(strchr(email, '@'));
	free(name);
	free(email);
}

START_TEST(identity)
{
	/* Of the account: the first field of GECOS, or the login; "" where there is no account. */
	char *account = fx_line("getent passwd $(id -u) | "
				"awk -F: '{ split($5, g, \",\"); print g[1] ? g[1] : $1 }'");

	fx_run("git init -q r");
	must_be_identity("C. O. Mitter", "committer@example.com");
	unsetenv("GIT_COMMITTER_NAME");
	unsetenv("GIT_COMMITTER_EMAIL");
	if (*account) {
		must_be_identity(account, NULL);
	} else {
		AUTO_REPO struct cs_repo *repo = fx_open("r");
		struct cs_err err = CS_ERR_INIT;
		char *name = NULL;
		char *email = NULL;

		ck_assert_int_eq(cs_repo_identity(&name, &email, repo, &err), CS_USAGE);
		ck_assert_ptr_nonnull(strstr(err.msg, "git config --global user.name"));
	}
	fx_run("git config -f home/.gitconfig user.name N; "
	       "git config -f home/.gitconfig user.email n@x");
	must_be_identity("N", "n@x");
	fx_run("git config -f home/.gitconfig committer.email c@x");
	must_be_identity("N", "c@x");
	free(account);
}
END_TEST

/* Nothing that grows with the repository is opened: the files of a start are few and known. */
START_TEST(a_start_reads_little)
{
	char *opened;

	fx_run("git init -q r; cd r; git commit -q --allow-empty -m x; "
	       "for i in 1 2 3 4 5; do git update-ref refs/heads/b$i HEAD; done; git pack-refs "
	       "--all;"
	       "echo x > x; git add x; git repack -adq");
	if (access("/usr/bin/strace", X_OK) < 0) {
		puts("# SKIP a_start_reads_little: no strace");
		return;
	}
	opened = fx_output("FX_OPEN_ONLY=r ASAN_OPTIONS=detect_leaks=0 strace -f -e "
			   "trace=openat,open,execve -o log "
			   "/proc/%d/exe && grep -c execve log && "
			   "! grep -E 'packed-refs|/index\"|\\.pack\"|gitconfig' log",
			   getpid());
	ck_assert_msg(!strcmp(opened, "1\n"), "%s", opened);
	free(opened);
}
END_TEST

/* What the test above traces: this program, opening one repository. */
static int open_only(const char *dir)
{
	struct cs_repo *repo = NULL;
	int rc = cs_repo_open(&repo, dir, NULL, NULL);

	cs_repo_free(repo);
	return rc != 0;
}

int main(void)
{
	Suite *s = suite_create("repo/open");
	TCase *tc = tcase_create("open");

	if (getenv("FX_OPEN_ONLY"))
		return open_only(getenv("FX_OPEN_ONLY"));
	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_set_timeout(tc, FX_TIMEOUT_S);
	tcase_add_loop_test(tc, finds, 0, CS_COUNT(places));
	tcase_add_test(tc, git_dir_is_honoured);
	tcase_add_test(tc, ceilings_are_honoured);
	tcase_add_loop_test(tc, refuses, 0, CS_COUNT(refusals));
	if (getuid() == 0)
		tcase_add_test(tc, another_owner);
	else
		puts("# SKIP another_owner: only root can be somebody else");
	tcase_add_test(tc, a_bare_repository_in_the_way);
	tcase_add_test(tc, alternates);
	tcase_add_test(tc, endless_alternates);
	tcase_add_test(tc, shallow);
	tcase_add_test(tc, configuration);
	tcase_add_test(tc, identity);
	tcase_add_test(tc, a_start_reads_little);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
