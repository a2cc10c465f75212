/* SPDX-License-Identifier: Apache-2.0 */
/* Submodules in a pristine: which are populated, under which key, and what a copy has of them. */
#include "worktree_host.h"

static const char make_repos[] =
	"export GIT_COMMITTER_DATE='@1700000000 +0000'\n"
	"git init -q inner; (cd inner; echo i > i; git add -A; git commit -qm i)\n"
	"git init -q lib; (cd lib; echo l > l; echo s > .env; git submodule -q add ../inner in; "
	"git commit -qam lib; git add -A; git commit -qm l)\n"
	"git init -q repo; cd repo; echo t > t; git submodule -q add --name x/y ../lib sub; "
	"git submodule -q update --init --recursive; git add -A; git commit -qm t\n";

/* "path:why;" of each. */
static void ck_modules(const struct prepared *p, const char *expected)
{
	AUTO_BUF struct cs_buf got = CS_BUF_INIT;

	for (size_t i = 0; i < p->wt.n_modules; i++) {
		const struct cs_worktree_module *m = &p->wt.modules[i];

		cs_buf_addf(&got, "%s:%s;", m->path, m->why ? m->why : "");
	}
	ck_assert_str_eq(got.data, expected);
}

/* The suffix of the key. */
static char *key_of(const struct prepared *p)
{
	return sh("basename \"$(dirname '%s')\" | cut -c41-", p->wt.lower);
}

static void start(struct prepared *p, const char *run, enum cs_worktree_mode mode)
{
	ready(p, "repo", run, NULL);
	p->opts.submodules = true;
	p->opts.mode = mode;
	go_well(p);
}

OPERATOR_TEST(populated)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared copy = PREPARED_INIT;
	AUTO_FREE char *key = NULL;

	run_sh("%s", make_repos);
	start(&p, "overlay", CS_WORKTREE_OVERLAY);
	ck_modules(&p, "sub:;sub/in:;");
	key = key_of(&p);
	ck_assert_msg(!strncmp(key, "-m", 2), "%s", key);
	/* Complete, one time, one owner, and an index for each. */
	run_sh("cd '%s'; test \"$(cat sub/l sub/in/i sub/.env)\" = $'l\\ni\\ns'; test ! -e "
	       "sub/.git\n"
	       "test $(find . -path ./.git -prune -o -type f -printf '%%T@\\n' | sort -u | wc -l) "
	       "= 1\n"
	       "test $(find . -printf '%%U\\n' | sort -u) = %u\n"
	       "GIT_INDEX_FILE=$PWD/../modules/0.index git -C %s/lib ls-files | grep -qx l\n"
	       "GIT_INDEX_FILE=$PWD/../modules/1.index git -C %s/lib ls-files | grep -qx i\n"
	       "test ! -e ../git; test ! -e ../index",
	       p.wt.lower, p.opts.uid, dir, dir);
	ck_inside(&p, "test -z \"$(git status --porcelain --ignored)\"; echo x >> sub/l; "
		      "test -z \"$(git status --porcelain)\"");
	start(&copy, "copy", CS_WORKTREE_CHECKOUT);
	ck_inside(&copy, "test -z \"$(git status --porcelain --ignored)\"; cat sub/l sub/in/i");
	run_sh("cp -a '%s' seen; rm -r seen/.git; diff -r --exclude=.git seen '%s'", copy.wt.copy,
	       copy.wt.lower);
}

OPERATOR_TEST(keys)
{
	static const char *const globs[] = { ".env", NULL };
	struct cs_strv hide = CS_STRV_INIT;
	AUTO_PREPARED struct prepared all = PREPARED_INIT;
	AUTO_PREPARED struct prepared none = PREPARED_INIT;
	AUTO_PREPARED struct prepared less = PREPARED_INIT;
	AUTO_PREPARED struct prepared hidden = PREPARED_INIT;
	AUTO_FREE char *key_all = NULL, *key_none = NULL, *key_less = NULL, *key_hidden = NULL;

	run_sh("%s", make_repos);
	start(&all, "all", CS_WORKTREE_OVERLAY);
	key_all = key_of(&all);
	prepare(&none, "repo", "none");
	ck_modules(&none, "");
	key_none = key_of(&none);
	ck_assert_ptr_null(strstr(key_none, "-m"));
	run_sh("test -z \"$(ls -A '%s/sub')\"; test ! -e '%s/../modules'", none.wt.lower,
	       none.wt.lower);
	run_sh("mv repo/.git/modules/x/y/modules away");
	start(&less, "less", CS_WORKTREE_OVERLAY);
	ck_modules(&less, "sub:;sub/in:it is not here: git submodule update --init --recursive;");
	key_less = key_of(&less);
	ck_assert_str_ne(key_less, key_all);
	run_sh("test -z \"$(ls -A '%s/sub/in')\"; mv away repo/.git/modules/x/y/modules",
	       less.wt.lower);
	cs_strv_add(&hide, globs[0]);
	ready(&hidden, "repo", "hidden", NULL);
	hidden.opts.submodules = true;
	hidden.opts.hide = &hide;
	go_well(&hidden);
	key_hidden = key_of(&hidden);
	ck_assert_str_ne(key_hidden, key_all);
	run_sh("test ! -e '%s/sub/.env'; test -e '%s/sub/l'", hidden.wt.lower, hidden.wt.lower);
	/* The base's own files are those of the first one. */
	run_sh("test $(stat -c %%h '%s/t') = 4", hidden.wt.lower);
	cs_strv_release(&hide);
}

/* A list that is not what was written is no reason to believe it. */
OPERATOR_TEST(damaged_list)
{
	static const char *const damages[] = { "truncate -s 3", "truncate -s 0", "rm",
					       "sed -i s/sub/bus/", "sed -i s/^0/7/" };
	AUTO_PREPARED struct prepared first = PREPARED_INIT;

	run_sh("%s", make_repos);
	start(&first, "first", CS_WORKTREE_OVERLAY);
	run_sh("cp -a '%s/../modules' saved", first.wt.lower);
	for (size_t i = 0; i < CS_COUNT(damages); i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *run = cs_asprintf("%zu", i);

		run_sh("cp -a saved/list '%s/../modules/list'; %s '%s/../modules/list'",
		       first.wt.lower, damages[i], first.wt.lower);
		ready(&p, "repo", run, NULL);
		p.opts.submodules = true;
		go(&p);
		ck_assert_msg(p.rc < 0, "%s", damages[i]);
	}
}

int main(void)
{
	Suite *s = suite_create("worktree_submodules");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, host_setup, host_teardown);
	tcase_add_loop_test(tc, populated, 0, OPERATORS);
	tcase_add_loop_test(tc, keys, 0, OPERATORS);
	tcase_add_loop_test(tc, damaged_list, 0, OPERATORS);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
