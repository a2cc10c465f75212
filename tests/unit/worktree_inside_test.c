/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent finds inside a prepared worktree: git works as in a checkout of the user's own,
 * costs no second reading of the files, and changes nothing of the host.
 */
#include "worktree_host.h"

/* A repository with a bit of everything, a second branch, tags, remote-tracking branches. */
static const char make_repo[] =
	"git init -q repo && cd repo\n"
	"mkdir -p src/deep/er docs; echo 'int main(void) { return 0; }' > src/main.c\n"
	"echo deep > src/deep/er/file; echo '#!/bin/sh' > run; chmod +x run\n"
	"ln -s src/main.c link; ln -s /nowhere dangling; : > empty\n"
	"seq 1 200 > docs/numbers; git add -A; git commit -qm one\n"
	"git tag light; git tag -a annotated -m 'a tag'\n"
	"echo more >> docs/numbers; git commit -qam two\n"
	"git switch -qc side HEAD~1; echo side > side; git add side; git commit -qm side\n"
	"git switch -q main\n"
	"git update-ref refs/remotes/origin/main HEAD\n"
	"git update-ref refs/remotes/origin/side side\n"
	"git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main\n"
	"git update-ref refs/notes/x HEAD; git update-ref refs/stash side\n"
	"git config remote.origin.url https://me:token@example.org/x.git\n"
	"git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'\n"
	"git config branch.main.remote origin; git config branch.main.merge refs/heads/main\n"
	"git config core.hooksPath /nonexistent/hooks\n"
	"git config core.fsmonitor /nonexistent/monitor\n"
	"git config credential.helper '!leak'\n";

/* Content, mode, link target and index of everything that a run must leave alone. */
static char *fingerprint(const char *repo)
{
	return sh("cd '%s'; find . -path ./.git/agent-run -prune -o "
		  "-path ./.git/refs/agent-run -prune -o ! -type d "
		  "-printf '%%p %%m %%l %%T@\\n' | sort; "
		  "find . -path ./.git/agent-run -prune -o -path ./.git/refs/agent-run -prune "
		  "-o -type f -print0 | sort -z | xargs -0 sha256sum",
		  repo);
}

static const struct {
	const char *name;
	const char *script;
} works[] = {
	{ "status is clean", "test -z \"$(git status --porcelain)\"; git diff --quiet HEAD" },
	{ "no file is read again",
	  "strace -f -qq -e trace=open,openat -o $T/trace git status --porcelain\n"
	  "grep -q index $T/trace; no grep -e main.c -e numbers -e '\"run\"' -e '\"link\"' "
	  "$T/trace\n"
	  "cat run > $T/copy; cp $T/copy run\n" /* and that is how it looks when one is */
	  "strace -f -qq -e trace=open,openat -o $T/trace git status --porcelain\n"
	  "grep -q '\"run\"' $T/trace; no grep -e main.c $T/trace" },
	{ "no message of git",
	  "test -z \"$(git status 2>&1 >/dev/null; git log 2>&1 >/dev/null)\"" },
	{ "the branch", "test \"$(git symbolic-ref HEAD)\" = refs/heads/agent/7f3a09c1" },
	{ "identity", "test \"$(git config user.name)\" = 'A \"Q\" Developer'\n"
		      "test \"$(git config user.email)\" = dev@example.org" },
	{ "history", "test \"$(git log --format=%s | tr '\\n' ' ')\" = 'two one '\n"
		     "git show HEAD~1:src/main.c | cmp - src/main.c" },
	{ "references of the host",
	  "test \"$(git rev-parse main origin/main origin/HEAD | sort -u | wc -l)\" = 1\n"
	  "for r in side light annotated^{commit} origin/side; do git rev-parse -q --verify $r; "
	  "done\n"
	  "test \"$(git describe annotated)\" = annotated\n"
	  "no git rev-parse -q --verify refs/stash; no git rev-parse -q --verify refs/notes/x" },
	{ "no credentials, no hooks, no helpers",
	  "no grep -r token .git/config; test \"$(git remote get-url origin)\" = "
	  "https://example.org/x.git\n"
	  "no git config core.hooksPath; no git config credential.helper\n"
	  "test \"$(git config core.fsmonitor)\" = false; test ! -e .git/hooks" },
	{ "add, commit, diff",
	  "echo x >> run; git diff | grep -q '^+x'; git diff --stat; git add run\n"
	  "git commit -qm mine; test -z \"$(git status --porcelain)\"\n"
	  "git show --stat | grep -q run; test \"$(git log --oneline | wc -l)\" = 3" },
	{ "delete, add, mode, link",
	  "git rm -q docs/numbers; echo n > new; chmod -x run; ln -sf run link; rm dangling\n"
	  "test \"$(git status --porcelain | wc -l)\" = 5; git add -A; git commit -qm all\n"
	  "test \"$(git show --name-status --format= | wc -l)\" = 5" },
	{ "rebase", "echo a > a; git add a; git commit -qm a; git rebase -q side\n"
		    "test -e side; test -e a; test \"$(git log --format=%s -1)\" = a" },
	{ "interactive rebase with autosquash",
	  "echo 1 > f; git add f; git commit -qm f; echo 2 > f; git commit -qam 'fixup! f'\n"
	  "git rebase -q -i --autosquash HEAD~2; test \"$(git log --oneline | wc -l)\" = 3\n"
	  "test \"$(cat f)\" = 2" },
	{ "stash", "echo s >> run; git stash -q; test -z \"$(git status --porcelain)\"\n"
		   "git stash pop -q; test -n \"$(git status --porcelain)\"" },
	{ "switch", "git switch -q side; test -e side; git switch -q -; test ! -e side\n"
		    "git switch -qc mine; git switch -q --detach HEAD~1; git switch -q mine" },
	{ "merge", "git merge -q -m merge side; test -e side" },
	{ "reset", "echo x > run; git reset -q --hard; test -z \"$(git status --porcelain)\"\n"
		   "git reset -q --hard HEAD~1; git clean -qfd" },
	{ "gc",
	  "echo g > g; git add g; git commit -qm g; git gc -q --prune=now; git fsck --strict\n"
	  "git log --oneline | wc -l; test -z \"$(git status --porcelain)\"\n"
	  "test \"$(git cat-file -p HEAD:g)\" = g; git rev-parse -q --verify origin/side" },
	{ "repack everything", "git repack -qad; git fsck; git log --oneline >/dev/null" },
	{ "worktree add", "git worktree add -q -b other wt side; test -e wt/side\n"
			  "git -C wt status --porcelain; git worktree remove wt" },
	{ "tags and branches", "git tag -a mine -m x; git branch -D side; git branch moved main\n"
			       "git branch -f main HEAD~1; git for-each-ref | wc -l" },
	{ "reflog and expiry", "git commit -q --allow-empty -m e; git reflog | grep -q commit\n"
			       "git reflog expire --expire=now --all; git prune --expire=now" },
	{ "clone of it", "git clone -q . c; test -e c/run; rm -rf c" },
	{ "grep, blame, bisect, archive",
	  "git grep -q main; git blame run >/dev/null; git bisect start HEAD HEAD~1 | cat\n"
	  "git bisect reset 2>/dev/null; git archive HEAD | tar t >/dev/null" },
	{ "cherry-pick and revert",
	  "git cherry-pick side >/dev/null; git revert --no-edit HEAD >/dev/null" },
	{ "patches",
	  "git format-patch -q -1 -o $T; git reset -q --hard HEAD~1; git am -q $T/*.patch" },
};

static const struct {
	const char *name;
	enum cs_worktree_mode mode;
} modes[] = { { "overlay", CS_WORKTREE_AUTO }, { "checkout", CS_WORKTREE_CHECKOUT } };

/* moved: the base shares files with an older one. */
static void works_in(enum cs_worktree_mode mode, bool moved)
{
	AUTO_PREPARED struct prepared older = PREPARED_INIT;
	AUTO_FREE char *before = NULL;
	AUTO_FREE char *after = NULL;

	run_sh("%s", make_repo);
	before = fingerprint("repo");
	if (moved) {
		ready(&older, "repo", "older", "HEAD~1");
		go_well(&older);
	}
	for (size_t i = 0; i < CS_COUNT(works); i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *run = cs_asprintf("%zu", i);
		AUTO_FREE char *out = NULL;
		int status;

		ready(&p, "repo", run, NULL);
		p.opts.mode = mode;
		go_well(&p);
		run_sh("rm -rf scratch/*");
		out = inside(&status, &p, "%s", works[i].script);
		ck_assert_msg(status == 0, "[%s] %s: %s", operator_names[operator], works[i].name,
			      out);
	}
	after = fingerprint("repo");
	ck_assert_str_eq(before, after);
}

OPERATOR_TEST(overlay_works)
{
	works_in(CS_WORKTREE_OVERLAY, false);
}

OPERATOR_TEST(overlay_of_shared_files_works)
{
	works_in(CS_WORKTREE_OVERLAY, true);
}

OPERATOR_TEST(checkout_works)
{
	works_in(CS_WORKTREE_CHECKOUT, false);
}

/* ---- kinds of repositories --------------------------------------------------------------- */

/* Made by script in the test's directory; then a run of `repo` must pass `check` inside. */
static const struct {
	const char *name;
	const char *repo;
	const char *script;
	const char *check;
} kinds[] = {
	{ "linked worktree", "linked/src", "git -C repo worktree add -q ../linked side",
	  "test -e side; test \"$(git log --format=%s -1)\" = side" },
	{ "bare", "bare.git", "git clone -q --bare repo bare.git; mkdir bare",
	  "test -e run; test \"$(git log --oneline | wc -l)\" = 2" },
	{ "shallow", "shallow", "git clone -q --depth 1 \"file://$PWD/repo\" shallow",
	  "test -e run; test \"$(git log --oneline | wc -l)\" = 1\n"
	  "test \"$(git rev-parse --is-shallow-repository)\" = true; git gc -q; git fsck" },
	{ "split index", "split",
	  "git clone -q repo split; cd split; git update-index --split-index; echo x > x\n"
	  "git add x; git update-index --split-index; git reset -q",
	  "test -e run" },
	{ "index version 4", "v4", "git clone -q repo v4; git -C v4 update-index --index-version 4",
	  "test -e run" },
	{ "alternates", "borrowed",
	  "git clone -q -s repo borrowed; cd borrowed\n"
	  "echo own > own; git add own; git commit -qm own",
	  "test -e own; git log --oneline | wc -l; git fsck 2>&1 | tee $T/fsck\n"
	  "test \"$(git log 2>&1 >/dev/null | wc -l)\" = 0; git gc -q" },
	{ "alternates of alternates, odd path", "third",
	  "git clone -q -s repo 'se\"cond'; git clone -q -s 'se\"cond' third",
	  "test -e run; git fsck; test -z \"$(git log 2>&1 >/dev/null)\"" },
	{ "sparse, cone", "cone",
	  "git clone -q repo cone; cd cone; git sparse-checkout set --cone src/deep",
	  "test ! -e docs; test -e src/deep/er/file; test -e run\n"
	  "test \"$(git sparse-checkout list)\" = src/deep\n"
	  "git ls-files -t docs | grep -q '^S'; git sparse-checkout disable; test -e docs/numbers\n"
	  "git reset -q --hard" },
	{ "sparse, patterns", "patterns",
	  "git clone -q repo patterns; cd patterns\n"
	  "git sparse-checkout set --no-cone '/*' '!/docs/' '!dangling'",
	  "test ! -e docs; test ! -L dangling; test -e run; echo x > src/new; git add src/new\n"
	  "git commit -qm x; git ls-tree -r --name-only HEAD | grep -q docs/numbers" },
	{ "sparse index", "sparseindex",
	  "git clone -q repo sparseindex; cd sparseindex\n"
	  "git sparse-checkout set --cone --sparse-index docs",
	  "test ! -e src; test -e docs/numbers" },
	{ "sparse in a linked worktree only", "narrow/docs",
	  "git -C repo worktree add -q --detach ../narrow; cd narrow\n"
	  "git sparse-checkout set docs",
	  "test -e docs/numbers; test ! -e src" },
	{ "submodule", "super",
	  "git init -q super; cd super; git submodule --quiet add ../repo sub; git commit -qm s",
	  "test -d sub; test -z \"$(ls -A sub)\"; test -e .gitmodules; git add -A; git stash "
	  "list" },
	{ "LFS pointer, filters that would run", "lfs",
	  "git init -q lfs; cd lfs; printf 'version x\\noid sha256:1\\n' > big.bin; git add .\n"
	  "git commit -qm b; echo '*.bin filter=lfs' > .gitattributes; git add .; git commit -qm "
	  "l\n"
	  "git config filter.lfs.smudge \"touch $PWD/../scratch/ran\"\n"
	  "git config filter.lfs.process \"touch $PWD/../scratch/ran\"\n"
	  "git config filter.lfs.required true; git config core.hooksPath hooks; mkdir hooks\n"
	  "printf '#!/bin/sh\\ntouch ../scratch/ran\\n' > hooks/post-checkout; chmod +x hooks/*\n"
	  "cp hooks/post-checkout hooks/post-index-change",
	  "grep -q oid big.bin; test ! -e $T/ran; touch big.bin; git add -A" },
	{ "attributes that convert", "crlf",
	  "git init -q crlf; cd crlf; git config core.autocrlf false\n"
	  "printf 'a\\r\\nb\\r\\n' > dos; printf 'a\\nb\\n' > unix; printf '$Id$\\n' > id\n"
	  "printf 'a\\0\\r\\n' > bin; git add -A; git commit -qm raw\n"
	  "printf '* text=auto eol=crlf\\nid ident\\ndos text\\n' > .gitattributes\n"
	  "git add .gitattributes; git commit -qm attributes",
	  "printf 'a\\nb\\n' | cmp - unix; printf 'a\\r\\nb\\r\\n' | cmp - dos\n"
	  "printf '$Id$\\n' | cmp - id; find . -name .git -prune -o -type f -exec touch {} +\n"
	  "git add -A; test -z \"$(git status --porcelain)\"" },
	{ "odd names", "odd",
	  "git init -q odd; cd odd; git config core.protectNTFS false\n"
	  "for n in $'new\\nline' $'tab\\t' '\"quote\"' $'\\xff\\xfe' '-dash' ' space ' "
	  "'back\\slash' "
	  "'*' '?' '#' '!x' 'a -> b' '~' $'esc\\e[2J' con CON ; do echo \"$n\" > \"./$n\"; done\n"
	  "long=$(printf 'n%.0s' {1..255}); echo l > \"$long\"; d=deep; for i in {1..300}; do "
	  "d=$d/d; done\n"
	  "mkdir -p $d; echo d > $d/f; mkdir a a-b a.b; echo 1 | tee a/x a-b/x a.b/x a0 "
	  ">/dev/null\n"
	  "git add -A; git commit -qm odd",
	  "test \"$(git ls-files -z | tr -dc '\\0' | wc -c)\" = 22" },
	{ "empty tree", "void", "git init -q void; git -C void commit -q --allow-empty -m nothing",
	  "test \"$(ls -A)\" = .git; echo x > x; git add x; git commit -qm x" },
	{ "commit times from before and after", "times",
	  "git init -q times; cd times; echo x > x; git add x\n"
	  "GIT_COMMITTER_DATE='@1 +0000' git commit -qm old; echo y > y; git add y\n"
	  "GIT_COMMITTER_DATE='@4000000000 +0000' git commit -qm future",
	  "test $(stat -c %Y x) -lt $(date +%s); git log --format=%ct | grep -q 4000000000" },
	{ "a branch where the run's must be", "taken",
	  "git clone -q repo taken; git -C taken branch agent; git -C taken branch other",
	  "git commit -q --allow-empty -m x; git rev-parse -q --verify other\n"
	  "no git rev-parse -q --verify refs/heads/agent; git gc -q; git log --oneline -1" },
	{ "includes in the configuration", "includes",
	  "git clone -q repo includes; cd includes; git config include.path ../elsewhere\n"
	  "git config remote.origin.url ssh://git:secret@host/x",
	  "test \"$(git remote get-url origin)\" = ssh://git@host/x; no grep -r secret "
	  ".git/config" },
	{ "excludes of the user", "excluded",
	  "git clone -q repo excluded; mkdir -p .config/git; echo '*.mine' > .config/git/ignore\n"
	  "echo '*.own' > excluded/.git/info/exclude",
	  "touch a.mine b.own c; test \"$(git status --porcelain)\" = '?? c'" },
	{ "excludes file of the user", "excluded2",
	  "git clone -q repo excluded2; echo '*.set' > set; git config --global core.excludesFile "
	  "'~/set'",
	  "touch a.set c; test \"$(git status --porcelain)\" = '?? c'" },
	{ "grown by a partial clone", "partial",
	  "git -C repo config uploadpack.allowFilter true\n"
	  "git clone -q --filter=blob:none \"file://$PWD/repo\" partial",
	  "test -e run; echo x > x; git add x; git commit -qm x; git gc -q; git log --oneline" },
};

static void kinds_work(void)
{
	run_sh("%s", make_repo);
	for (size_t i = 0; i < 2 * CS_COUNT(kinds); i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *run = cs_asprintf("k%zu", i);
		AUTO_FREE char *out = NULL;
		const char *name = kinds[i / 2].name;
		int status;

		if (i % 2 == 0)
			run_sh("%s", kinds[i / 2].script);
		ready(&p, kinds[i / 2].repo, run, NULL);
		p.opts.mode = modes[i % 2].mode;
		go(&p);
		ck_assert_msg(p.rc == 0, "[%s] %s: %s", operator_names[operator], name, p.err.msg);
		run_sh("rm -rf scratch/*");
		out = inside(&status, &p, "test -z \"$(git status --porcelain)\"\n%s",
			     kinds[i / 2].check);
		ck_assert_msg(status == 0, "[%s] %s, %s: %s", operator_names[operator], name,
			      modes[i % 2].name, out);
	}
}

OPERATOR_TEST(kinds_of_repositories)
{
	kinds_work();
}

/* Each file of the pristine is its blob, byte for byte; modes and links too. */
OPERATOR_TEST(pristine_is_raw)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;

	run_sh("%s", make_repo);
	run_sh("cd repo; printf '* text=auto eol=crlf ident filter=x\\n' > .gitattributes; "
	       "git config filter.x.smudge 'sed s/a/b/'; printf 'a$Id$\\n' > id; git add -A; "
	       "git commit -qm attributes");
	prepare(&p, "repo", "1");
	run_sh("cd repo; git ls-tree -r HEAD | while read -r mode type id name; do "
	       "  case $mode in "
	       "  120000) test \"$(readlink '%s'/$name)\" = \"$(git cat-file blob $id)\";; "
	       "  100755) git cat-file blob $id | cmp - '%s'/$name; test -x '%s'/$name;; "
	       "  100644) git cat-file blob $id | cmp - '%s'/$name; test ! -x '%s'/$name;; "
	       "  esac; done; "
	       "test $(git ls-files | wc -l) = $(find '%s' -name .git -prune -o ! -type d -print | "
	       "wc -l)",
	       p.wt.lower, p.wt.lower, p.wt.lower, p.wt.lower, p.wt.lower, p.wt.lower);
}

/* ---- references -------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *script; /* in a clone of repo with 2,000 branches and 3,000 tags */
} ref_layouts[] = {
	{ "all loose", ":" },
	{ "all packed", "git pack-refs --all" },
	{ "packed, some moved and deleted since",
	  "git pack-refs --all; git branch -f b7 HEAD~1; git tag -d t8 >/dev/null; git branch -D "
	  "b9\n"
	  "git tag -f t10 HEAD~1; git tag -a loose -m l; git branch zzz; git branch aaa" },
	{ "packed by an old git, not sorted",
	  "git pack-refs --all; { echo '# pack-refs with: '; "
	  "grep -v '^#' .git/packed-refs | grep -v '^^' | sort -r; } > p; mv p .git/packed-refs" },
	{ "packed, no header", "git pack-refs --all; grep -v '^[#^]' .git/packed-refs > p; "
			       "mv p .git/packed-refs" },
};

OPERATOR_TEST(references_are_copied)
{
	run_sh("%s", make_repo);
	for (size_t i = 0; i < CS_COUNT(ref_layouts); i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *host = NULL;
		AUTO_FREE char *in = NULL;
		AUTO_FREE char *repo = cs_asprintf("r%zu", i);
		int status;

		run_sh("git clone -q repo %s; cd %s; git tag -d $(git tag) >/dev/null; { "
		       "for i in $(seq 200); do echo create refs/heads/b$i HEAD; done; "
		       "for i in $(seq 300); do echo create refs/tags/t$i HEAD; done; "
		       "echo create refs/heads/x/y/z HEAD; } | git update-ref --stdin; "
		       "git tag -a note -m n; %s",
		       repo, repo, ref_layouts[i].script);
		host = sh("cd %s; git show-ref -d", repo);
		prepare(&p, repo, "1");
		in = inside(&status, &p, "git update-ref -d HEAD; git show-ref -d");
		for (size_t k = 0; status == 0 && (host[k] || in[k]); k++)
			ck_assert_msg(host[k] == in[k], "[%s] %s: inside %.200s, outside %.200s",
				      operator_names[operator], ref_layouts[i].name, in + k,
				      host + k);
		ck_assert_msg(status == 0, "[%s] %s: %.200s", operator_names[operator],
			      ref_layouts[i].name, in);
	}
}

static const struct {
	const char *url, *inside; /* NULL: not there */
} urls[] = {
	{ "https://example.org/x.git", "https://example.org/x.git" },
	{ "https://user@example.org/x", "https://example.org/x" },
	{ "https://user:pass@example.org:8443/x", "https://example.org:8443/x" },
	{ "https://a@b:c@example.org/x", "https://example.org/x" },
	{ "https://example.org/x?private_token=1", "https://example.org/x" },
	{ "https://example.org/x#frag", "https://example.org/x" },
	{ "https://example.org/a@b/x", "https://example.org/a@b/x" },
	{ "ssh://git@example.org/x", "ssh://git@example.org/x" },
	{ "ssh://git:pass@example.org:22/x", "ssh://git@example.org:22/x" },
	{ "git@example.org:x/y.git", "git@example.org:x/y.git" },
	{ "/srv/x.git", "/srv/x.git" },
	{ "../x", "../x" },
	{ "file:///srv/x", "file:///srv/x" },
	{ "ext::sh -c secret", NULL },
	{ "https::https://user:pass@example.org/", NULL },
	{ "C:\\path \"quoted\"\ttab", "C:\\path \"quoted\"\ttab" },
};

OPERATOR_TEST(remotes_lose_credentials)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_BUF struct cs_buf expected = CS_BUF_INIT;
	AUTO_FREE char *in = NULL;
	int status;

	run_sh("%s", make_repo);
	for (size_t i = 0; i < CS_COUNT(urls); i++) {
		ck_assert_int_eq(setenv("URL", urls[i].url, 1), 0);
		run_sh("git -C repo config 'remote.r\"%zu.url' \"$URL\"", i);
	}
	prepare(&p, "repo", "1");
	for (size_t i = 0; i < CS_COUNT(urls); i++)
		if (urls[i].inside)
			cs_buf_addf(&expected, "r\"%zu=%s\n", i, urls[i].inside);
	in = inside(&status, &p,
		    "for i in $(seq 0 %zu); do "
		    "u=$(git config \"remote.r\\\"$i.url\") && echo \"r\\\"$i=$u\"; done; :",
		    CS_COUNT(urls) - 1);
	ck_assert_int_eq(status, 0);
	cs_buf_truncate(&expected, expected.len - 1);
	ck_assert_str_eq(in, expected.data);
}

/* ---- without history --------------------------------------------------------------------- */

OPERATOR_TEST(base_without_history)
{
	for (int i = 0; i < 3; i++) { /* made, found, as a copy */
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *run = cs_asprintf("%d", i);
		char head[CS_OID_HEX];
		char base[CS_OID_HEX];

		if (i == 0)
			run_sh("%s", make_repo);
		ready(&p, "repo", run, NULL);
		p.opts.history_base = true;
		p.opts.mode = modes[i == 2].mode;
		go_well(&p);
		ck_assert_uint_eq(p.wt.objects.n, 1);
		ck_assert_ptr_nonnull(strstr(p.wt.objects.v[0], "/history/objects"));
		run_sh("test ! -e '%s/info/alternates'", p.wt.objects.v[0]);
		cs_oid_hex(head, &p.wt.head);
		cs_oid_hex(base, &p.opts.commit);
		ck_assert_str_ne(head, base);
		ck_inside(
			&p,
			"test -z \"$(git status --porcelain)\"\n"
			"test \"$(git rev-parse HEAD)\" = %s; no git cat-file -e %s\n"
			"test \"$(git rev-list --all | wc -l)\" = 1; git fsck --strict\n"
			"no git cat-file -e $(printf 'side\\n' | git hash-object --stdin)\n"
			"git show HEAD:run | cmp - run; test \"$(git for-each-ref | wc -l)\" = 1\n"
			"echo x > x; git add x; git commit -qm x; git gc -q; git reset -q --hard "
			"HEAD~1; git stash list; test -z \"$(git status --porcelain)\"",
			head, base);
	}
}

int main(void)
{
	Suite *s = suite_create("worktree_inside");
	TCase *tc = tcase_create("inside");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, host_setup, host_teardown);
	tcase_add_loop_test(tc, overlay_works, 0, OPERATORS);
	tcase_add_loop_test(tc, overlay_of_shared_files_works, AS_USER, AS_USER + 1);
	tcase_add_loop_test(tc, checkout_works, 0, OPERATORS);
	tcase_add_loop_test(tc, kinds_of_repositories, 0, OPERATORS);
	tcase_add_loop_test(tc, pristine_is_raw, 0, OPERATORS);
	tcase_add_loop_test(tc, references_are_copied, 0, OPERATORS);
	tcase_add_loop_test(tc, remotes_lose_credentials, 0, OPERATORS);
	tcase_add_loop_test(tc, base_without_history, 0, OPERATORS);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
