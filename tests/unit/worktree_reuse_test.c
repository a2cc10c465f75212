/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pristine made from an older one: the same as one made from nothing, whatever the base did in
 * between and whatever became of the older one; and what is shared stays as it was.
 */
#include "worktree_host.h"

static const char make_repo[] =
	"git init -q repo && cd repo\n"
	"for d in a b c/deep; do mkdir -p $d; for i in $(seq 20); do echo $d $i > $d/$i; done; "
	"done\n"
	"ln -s a/1 link; echo run > run; chmod +x run; : > empty; mkdir plain; echo x > plain/x\n"
	"git add -A; git commit -qm one\n";

/* From the first commit to the second; what follows is run on the old pristine, $OLD, between. */
static const struct {
	const char *name;
	const char *move;
	const char *meanwhile;
	bool shares;
} moves[] = {
	{ "contents, modes, names",
	  "echo 2 > a/1; echo n > n; git rm -q a/2; chmod +x a/3; chmod -x run; ln -sf b/1 link; "
	  "git mv plain z",
	  "", true },
	{ "one type becomes another",
	  "rm link a/1 run; echo l > link; ln -s 2 a/1; mkdir run; echo r > run/x; git rm -qr "
	  "plain; "
	  "echo p > plain; mkdir sub; "
	  "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub",
	  "", true },
	{ "directories go", "git rm -qr plain c; ln -s a plain", "", true },
	{ "little in common", "git rm -qr a b c; echo o > o", "", false },
	{ "a file was written to", "echo 2 > a/1", "echo more >> $OLD/tree/b/1", false },
	{ "a file was touched", "echo 2 > a/1", "touch $OLD/tree/b/1", false },
	{ "a mode was changed", "echo 2 > a/1", "chmod +x $OLD/tree/b/1", false },
	{ "nobody may write to it", "echo 2 > a/1", "chmod a-w $OLD/tree/b/1", false },
	{ "a file is gone", "echo 2 > a/1", "rm $OLD/tree/b/1", false },
	{ "a directory is a link", "echo 2 > a/1", "mv $OLD/tree/b $OLD/b; ln -s ../b $OLD/tree/b",
	  false },
	{ "a FIFO", "echo 2 > a/1", "rm $OLD/tree/b/1; mkfifo $OLD/tree/b/1", false },
	{ "no index", "echo 2 > a/1", "rm $OLD/tree/.git/index", false },
	{ "no such index", "echo 2 > a/1", "echo DIRC > $OLD/tree/.git/index", false },
	{ "an index of nothing", "echo 2 > a/1",
	  "GIT_INDEX_FILE=$OLD/tree/.git/index git read-tree --empty", false },
	{ "the old tree is gone", "echo 2 > a/1",
	  "rm -f .git/objects/$(git rev-parse HEAD~1^{tree} | sed 's,^..,&/,')", false },
	{ "no such lease", "echo 2 > a/1", "ln -sf tree/run $OLD/lease", false },
};

/* All that there is of a tree, but its directories and its .git. */
static char *contents(const char *tree)
{
	return sh("cd '%s'; find . -name .git -prune -o ! -type d -printf '%%p %%m %%l %%T@ "
		  "%%U\\n' | sort; "
		  "find . -name .git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum",
		  tree);
}

/* HEAD byte for byte, modes and links too, and nothing else; all files have one time. */
static void ck_is_head(const char *tree)
{
	run_sh("rm -rf expected; mkdir expected; git -C repo archive HEAD | tar x "
	       "--no-same-permissions -C expected\n"
	       "list() { cd \"$1\"; find . -path ./.git -prune -o -type d -print -o -printf '%%p "
	       "%%m "
	       "%%l\\n' | sort; }\n"
	       "diff -r --no-dereference --exclude=.git expected '%s'\n"
	       "diff <(list expected) <(list '%s')\n"
	       "test $(find '%s' -path '*/.git' -prune -o ! -type d -printf '%%T@\\n' | sort -u | "
	       "wc -l) "
	       "= 1",
	       tree, tree, tree);
}

/* What both commits have is one file, what changed is not; or nothing is shared at all. */
static void ck_shares(const char *name, const char *old, const char *new, bool shares)
{
	AUTO_FREE char *wrong = sh(
		"list() { cd \"$1\"; find . -path ./.git -prune -o ! -type d -printf '%%i %%P\\n' "
		"| "
		"sort; }\n"
		"comm -12 <(list '%s') <(list '%s') | cut -d' ' -f2- | sort > shared\n"
		"cd repo; comm -12 <(git ls-tree -r HEAD~1 | sort) <(git ls-tree -r HEAD | sort) | "
		"grep -v ^16 | cut -f2 | sort > ../same; cd ..\n"
		"test %d = 1 || : > same; diff same shared || :",
		old, new, shares);

	ck_assert_msg(!*wrong, "[%s] %s: %s", operator_names[operator], name, wrong);
}

OPERATOR_TEST(moved_bases)
{
	run_sh("%smv ../repo ../template", make_repo);
	for (size_t i = 0; i < CS_COUNT(moves); i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_PREPARED struct prepared q = PREPARED_INIT;
		AUTO_FREE char *before = NULL;
		AUTO_FREE char *after = NULL;

		if (*moves[i].meanwhile && operator== AS_ROOT)
			continue; /* the same files, for the same user */
		run_sh("chmod -R u+rwX repo 2>/dev/null || :; rm -rf repo; cp -a template repo; cd "
		       "repo; "
		       "%s; git add -A 2>/dev/null; git commit -qm two",
		       moves[i].move);
		ready(&p, "repo", "old", "HEAD~1");
		go_well(&p);
		run_sh("cd repo; OLD=$(dirname '%s'); %s", p.wt.lower, moves[i].meanwhile);
		before = contents(p.wt.lower);
		ready(&q, "repo", "new", NULL);
		go_well(&q);
		ck_is_head(q.wt.lower);
		ck_shares(moves[i].name, p.wt.lower, q.wt.lower, moves[i].shares);
		ck_inside(&q, "test -z \"$(git status --porcelain)\"; git diff --quiet HEAD\n"
			      "if test -f b/1; then echo mine >> b/1; fi");
		after = contents(p.wt.lower);
		ck_assert_str_eq(before, after);
		run_sh("cd '%s'; find '%s' runs/new '(' ! -user %u -o ! -group %u ')' "
		       "! -path runs/new ! -path runs/new/base ! -path 'runs/new/work/*' | tee "
		       "/dev/stderr | (! grep -q .)",
		       q.state, q.wt.lower, q.opts.uid, q.opts.gid);
	}
}

/* A file that is kept out of sight was never there, whichever pristine came first. */
OPERATOR_TEST(what_the_new_tree_has_not)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared q = PREPARED_INIT;

	run_sh("%s", make_repo);
	prepare(&p, "repo", "all");
	run_sh("cd repo; git rm -q a/1; git commit -qm hidden");
	/* Its directory cannot be written to: a removal of the file would fail. */
	run_sh("chmod a-w '%s/a'", p.wt.lower);
	prepare(&q, "repo", "some");
	ck_is_head(q.wt.lower);
	ck_shares("hidden", p.wt.lower, q.wt.lower, true);
}

/* Patterns and owners make other pristines. */
OPERATOR_TEST(nothing_of_another_kind)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared q = PREPARED_INIT;
	AUTO_PREPARED struct prepared r = PREPARED_INIT;

	run_sh("%secho 2 > a/1; git commit -qam two", make_repo);
	ready(&p, "repo", "all", "HEAD~1");
	go_well(&p);
	run_sh("cd repo; git sparse-checkout set --cone b");
	prepare(&q, "repo", "sparse");
	run_sh("test ! '%s/b/1' -ef '%s/b/1'; test ! -e '%s/a'", p.wt.lower, q.wt.lower,
	       q.wt.lower);
	run_sh("cd repo; git commit -q --allow-empty -m same; echo 3 > b/3; git commit -qam three");
	prepare(&r, "repo", "sparse too");
	run_sh("test '%s/b/1' -ef '%s/b/1'; test ! -e '%s/a'", q.wt.lower, r.wt.lower, r.wt.lower);
	ck_inside(&r, "test -z \"$(git status --porcelain)\"; git sparse-checkout disable\n"
		      "test \"$(cat a/1)\" = 2; test -z \"$(git status --porcelain)\"");
}

/* The older one goes; what it shared stays. */
OPERATOR_TEST(outlives_the_older)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared q = PREPARED_INIT;
	AUTO_FREE char *before = NULL;
	AUTO_FREE char *after = NULL;

	run_sh("%secho 2 > a/1; git commit -qam two", make_repo);
	ready(&p, "repo", "old", "HEAD~1");
	go_well(&p);
	prepare(&q, "repo", "new");
	before = contents(q.wt.lower);
	cs_worktree_release(&p.wt);
	run_sh("chmod -R u+rwx '%s'; rm -rf '%s'", p.run, p.run);
	ck_assert_int_eq(cs_worktree_prune(q.repo, q.state, 0, &q.err), 0);
	run_sh("test $(ls '%s/base' | grep -vc pins.lock) = 1", q.state);
	after = contents(q.wt.lower);
	ck_assert_str_eq(before, after);
	ck_inside(&q, "test -z \"$(git status --porcelain)\"; cat b/1");
}

/*
 * Root works for a user who owns the older pristine and turns its directory into a link to where
 * files of root lie: not one of them gets another name.
 */
OPERATOR_TEST(links_nothing_of_root)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared q = PREPARED_INIT;

	if (operator!= AS_ROOT)
		return;
	run_sh("%secho 2 > a/1; git commit -qam two", make_repo);
	ready(&p, "repo", "old", "HEAD~1");
	go_well(&p);
	run_sh("mkdir -m 700 secret; cp -p '%s'/b/* secret; chown -R 0:0 secret; "
	       "cp -p '%s/c/deep/1' hard; chown 0:0 hard; chmod 600 hard",
	       p.wt.lower, p.wt.lower);
	run_sh("mv '%s/b' b; ln -s \"$PWD/secret\" '%s/b'; ln -f hard '%s/c/deep/1'", p.wt.lower,
	       p.wt.lower, p.wt.lower);
	prepare(&q, "repo", "new");
	ck_is_head(q.wt.lower);
	run_sh("test -z \"$(find secret -type f -links +1)\"; test $(stat -c %%h hard) = 2");
}

int main(void)
{
	Suite *s = suite_create("worktree_reuse");
	TCase *tc = tcase_create("worktree_reuse");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, host_setup, host_teardown);
	tcase_add_loop_test(tc, moved_bases, 0, OPERATORS);
	tcase_add_loop_test(tc, what_the_new_tree_has_not, 0, OPERATORS);
	tcase_add_loop_test(tc, nothing_of_another_kind, 0, OPERATORS);
	tcase_add_loop_test(tc, outlives_the_older, 0, OPERATORS);
	tcase_add_loop_test(tc, links_nothing_of_root, 0, OPERATORS);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
