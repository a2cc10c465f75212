/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparing worktrees: many at once, killed in the middle, on full and read-only disks, without
 * the objects; what is pinned and pruned; what a look at the user's checkout sees.
 */
#include "worktree_host.h"

#include <sys/socket.h>

static const char make_repo[] =
	"git init -q repo && cd repo\n"
	"for d in a b c; do mkdir $d; for i in $(seq 100); do "
	"echo $d $i > $d/$i; done; done\n"
	"git add -A; git commit -qm one; echo 2 > a/1; git commit -qam two\n";

/* Names in a directory, sorted; "" for none. */
static char *list(const char *path)
{
	return sh("ls -A '%s' | tr '\\n' ' '", path);
}

static void ck_list(const struct prepared *p, const char *sub, const char *expected)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", p->state, sub);
	AUTO_FREE char *names = list(path);

	ck_assert_str_eq(names, expected);
}

/* The only pristine there is, complete. */
static void ck_complete(const struct prepared *p)
{
	run_sh("cd '%s/base'; test \"$(ls | grep -vc pins.lock)\" = 1; mkdir ../expected; "
	       "git archive HEAD | tar x -C ../expected; rm -f pax_global_header; "
	       "diff -r --exclude=.git '%s' ../expected; rm -r ../expected",
	       p->state, p->wt.lower);
}

/* Like rm -rf; the kernel makes work/work with mode 000. */
static void remove_run(const struct prepared *p)
{
	run_sh("chmod -R u+rwx '%s'; rm -rf '%s'", p->run, p->run);
}

/* ---- many at once ------------------------------------------------------------------------ */

#define PARALLEL 8

static void one_of_many(int i, int start_fd)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_FREE char *run = cs_asprintf("%d", i);
	char byte;

	ready(&p, "repo", run, NULL);
	p.opts.history_base = i % 2;
	ck_assert_int_eq(read(start_fd, &byte, 1), 0); /* all at once, when it is closed */
	go_well(&p);
}

OPERATOR_TEST(many_at_once)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	pid_t pids[PARALLEL];
	int start[2];
	int status;

	run_sh("%s", make_repo);
	ck_assert_int_eq(pipe2(start, O_CLOEXEC), 0);
	for (int i = 0; i < PARALLEL; i++) {
		pids[i] = check_fork();
		if (pids[i] == 0) {
			close(start[1]);
			one_of_many(i, start[0]);
			exit(0);
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < PARALLEL; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		if (status != 0)
			exit(1);
	}
	prepare(&p, "repo", "last");
	ck_complete(&p);
	ck_list(&p, "runs", "0 1 2 3 4 5 6 7 last ");
}

/* ---- killed in the middle ---------------------------------------------------------------- */

/*
 * A blob of the base becomes a FIFO: git waits there for ever, in the middle of the checkout.
 * A process that is told to wait says so by `told`.
 */
struct stopped {
	pid_t pid;
	int told; /* end of a socket */
};

static void tell(void *arg, uint64_t done, uint64_t total)
{
	int fd = *(int *)arg;

	(void)done;
	(void)total;
	(void)!send(fd, "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static struct stopped start_prepare(const char *run)
{
	struct stopped s;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	s.pid = check_fork();
	if (s.pid == 0) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;

		close(ends[0]);
		ready(&p, "repo", run, NULL);
		p.opts.progress = tell;
		p.opts.progress_arg = &ends[1];
		go_well(&p);
		exit(0);
	}
	close(ends[1]);
	s.told = ends[0];
	return s;
}

#define BLOB "$(git -C repo rev-parse HEAD:b/50 | sed 's,^..,repo/.git/objects/&/,')"

OPERATOR_TEST(killed_in_the_middle)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_FREE char *left = NULL;
	struct stopped first, second;
	char byte;
	int status;

	run_sh("%s", make_repo);
	run_sh("cp -p " BLOB " saved; rm -f " BLOB "; mkfifo " BLOB);
	first = start_prepare("first");
	run_sh("until test -e repo/.git/agent-run/base/*.new-*/tree/b/49; do :; done");
	second = start_prepare("second");
	ck_assert_int_eq(recv(second.told, &byte, 1, 0), 1); /* it waits */
	run_sh("mv -f saved " BLOB);
	left = sh("ls -A repo/.git/agent-run/base");
	ck_assert_ptr_nonnull(strstr(left, ".new-"));
	ck_assert_int_eq(kill(first.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(first.pid, &status, 0), first.pid);
	ck_assert_int_eq(waitpid(second.pid, &status, 0), second.pid);
	if (status != 0)
		exit(1);
	prepare(&p, "repo", "third");
	ck_complete(&p);
	close(first.told);
	close(second.told);
}

/* ---- what goes wrong --------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *before; /* $STATE: the state directory; $PRISTINE in it */
	enum cs_code code;
	const char *message;
} failures[] = {
	{ "a blob is missing", "rm -f " BLOB, CS_NOTFOUND, "1 objects of the base are missing (" },
	{ "damaged pristine", "mkdir -p $PRISTINE/tree; : > $PRISTINE/lease", CS_CORRUPT,
	  "is damaged: remove it" },
	{ "the run's directory was used", "mkdir -p $STATE/runs/1/upper", CS_EXISTS,
	  "runs/1/upper exists already" },
	{ "no run directory", "rm -rf $STATE/runs/1", CS_NOTFOUND, "runs/1: No such file" },
	{ "base is a file", ": > $STATE/base", CS_MALFUNCTION, "base: Not a directory" },
	{ "packed-refs is no such file", "echo junk > repo/.git/packed-refs", CS_CORRUPT,
	  "packed-refs: unexpected line" },
	{ "endless excludes", "head -c 1100000 /dev/zero > repo/.git/info/exclude", CS_LIMIT,
	  "info/exclude" },
	{ "a name that git does not check out",
	  "cd repo; b=$(git rev-parse HEAD:a/1); t=$(printf '100644 blob %s\\tx\\n' $b | git "
	  "mktree); "
	  "t=$(printf '040000 tree %s\\t.git\\n' $t | git mktree); "
	  "git update-ref HEAD $(git commit-tree -m x $t)",
	  CS_REFUSED, "invalid path '.git/x'" },
};

OPERATOR_TEST(failures_leave_nothing)
{
	for (size_t i = 0; i < CS_COUNT(failures); i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *left = NULL;
		bool own = failures[i].code == CS_EXISTS;

		run_sh("rm -rf repo; %s", make_repo);
		ready(&p, "repo", "1", NULL);
		run_sh("STATE='%s'; PRISTINE=$STATE/base/$(git -C repo rev-parse HEAD^{tree})%s; "
		       "%s",
		       p.state, operator== AS_ROOT ? "-u1234" : "", failures[i].before);
		if (strstr(failures[i].before, "update-ref")) {
			prepared_release(&p);
			ready(&p, "repo", "1", NULL);
		}
		go(&p);
		ck_assert_msg(p.rc == (int)failures[i].code, "[%s] %s: %d %s",
			      operator_names[operator], failures[i].name, p.rc, p.err.msg);
		ck_assert_msg(strstr(p.err.msg, failures[i].message) && !strchr(p.err.msg, '\n'),
			      "[%s] %s: %s", operator_names[operator], failures[i].name, p.err.msg);
		left = sh("cd '%s'; ls -A runs/1 2>/dev/null || :; ls base | grep -e new -e "
			  "'[0-9a-f].lock' || :;"
			  " find ../refs -path '*agent-run*' -type f",
			  p.state);
		ck_assert_msg(!strcmp(left, own ? "upper" : ""), "[%s] %s: left %s",
			      operator_names[operator], failures[i].name, left);
	}
}

/* The command that the message names is the one that helps. */
OPERATOR_TEST(partial_clone_says_what_helps)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared again = PREPARED_INIT;
	const char *command;

	run_sh("%s\ngit config uploadpack.allowFilter true; cd ..\n"
	       "git clone -q --filter=blob:none --no-checkout \"file://$PWD/repo\" partial",
	       make_repo);
	ready(&p, "partial", "1", NULL);
	go(&p);
	ck_assert_int_eq(p.rc, CS_NOTFOUND);
	command = strstr(p.err.msg, "git -C ");
	ck_assert_msg(command && strstr(p.err.msg, "300 objects"), "%s", p.err.msg);
	run_sh("%s 2>&1", command);
	prepare(&again, "partial", "2");
	ck_complete(&again);
}

/* Runs fn with the state directory on a small or read-only file system of its own. */
static void on_file_system(void (*fn)(struct prepared *p), const char *options)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	int status;
	pid_t pid;

	run_sh("%s", make_repo);
	ready(&p, "repo", "1", NULL);
	pid = check_fork();
	if (pid == 0) {
		AUTO_FREE char *run = cs_asprintf("%s/runs/1", p.state);

		enter_namespaces(&p.opts);
		must(mount("tmpfs", p.state, "tmpfs", 0, options) == 0, "tmpfs");
		run_sh("mkdir -p '%s'", run);
		fn(&p);
		exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status != 0)
		exit(1);
}

static void ck_full(struct prepared *p)
{
	go(p);
	ck_assert_int_eq(p->rc, CS_MALFUNCTION);
	ck_assert_msg(strstr(p->err.msg, "No space left on device") != NULL, "%s", p->err.msg);
	ck_list(p, "base", "pins.lock ");
	ck_list(p, "runs/1", "");
}

static void ck_read_only(struct prepared *p)
{
	must(mount(NULL, p->state, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0, "remount");
	go(p);
	ck_assert_int_eq(p->rc, CS_MALFUNCTION);
	ck_assert_msg(strstr(p->err.msg, "Read-only file system") != NULL, "%s", p->err.msg);
}

/* Blocks run out while git writes files, inodes when it makes them. */
OPERATOR_TEST(disk_full_blocks)
{
	on_file_system(ck_full, "size=200k");
}

OPERATOR_TEST(disk_full_inodes)
{
	on_file_system(ck_full, "nr_inodes=150");
}

OPERATOR_TEST(disk_read_only)
{
	on_file_system(ck_read_only, "size=10m");
}

/* ---- whose everything is ----------------------------------------------------------------- */

OPERATOR_TEST(belongs_to_the_agent)
{
	for (int i = 0; i < 4; i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *run = cs_asprintf("%d", i);

		if (i == 0)
			run_sh("%s", make_repo);
		ready(&p, "repo", run, NULL);
		p.opts.mode = i % 2 ? CS_WORKTREE_CHECKOUT : CS_WORKTREE_OVERLAY;
		p.opts.history_base = i / 2;
		go_well(&p);
		run_sh("cd '%s'; test -z \"$(find base/*/* runs/%d/* '(' ! -user %u -o ! -group %u "
		       "')' ! -path runs/%d/base)\"",
		       p.state, i, p.opts.uid, p.opts.gid, i);
		run_sh("test \"$(stat -c %%u '%s/base' '%s' | uniq | wc -l)\" = 1", p.state,
		       p.state);
	}
}

OPERATOR_TEST(another_user_another_pristine)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared q = PREPARED_INIT;

	if (operator!= AS_ROOT)
		return;
	run_sh("%s", make_repo);
	prepare(&p, "repo", "1");
	ready(&q, "repo", "2", NULL);
	q.opts.uid = q.opts.gid = ORDINARY + 1;
	go_well(&q);
	ck_assert_str_ne(p.wt.lower, q.wt.lower);
	ck_inside(&q, "git status --porcelain; echo x > a/1; git commit -qam x");
}

OPERATOR_TEST(unreadable_objects_are_named)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared q = PREPARED_INIT;

	if (operator!= AS_ROOT)
		return;
	run_sh("%schmod 700 .git/objects/pack", make_repo);
	ready(&p, "repo", "1", NULL);
	go(&p);
	ck_assert_int_eq(p.rc, CS_REFUSED);
	ck_assert_msg(strstr(p.err.msg, "chmod -R go+rX") != NULL, "%s", p.err.msg);
	ready(&q, "repo", "2", NULL);
	q.opts.history_base = true;
	go_well(&q);
}

/* ---- pins and pruning -------------------------------------------------------------------- */

static void ck_pins(const char *expected)
{
	AUTO_FREE char *pins = sh("cd repo; git for-each-ref --format='%%(refname)' "
				  "refs/agent-run/base | while read -r r; do "
				  "git log -1 --format=%%s $r; done | sort | tr '\\n' ' '");

	ck_assert_str_eq(pins, expected);
}

static void prune(struct prepared *p, int64_t max_age_ms)
{
	int rc = cs_worktree_prune(p->repo, p->state, max_age_ms, &p->err);

	ck_assert_msg(rc == 0, "[%s] %s", operator_names[operator], p->err.msg);
}

static void ck_pristines(const struct prepared *p, const char *expected)
{
	AUTO_FREE char *n = sh("cd '%s/base'; ls | grep -v pins.lock | wc -l", p->state);

	ck_assert_str_eq(n, expected);
}

OPERATOR_TEST(pruning)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared q = PREPARED_INIT;

	run_sh("%s", make_repo);
	ready(&q, "repo", "old", "HEAD~1");
	prune(&q, 0); /* nothing there yet */
	go_well(&q);
	prepare(&p, "repo", "new");
	ck_pins("one two ");
	prune(&p, 0); /* both live */
	ck_pristines(&p, "2");
	ck_pins("one two ");

	cs_worktree_release(&q.wt); /* ended, but its directory is still there: interrupted */
	prune(&p, 0);
	ck_pristines(&p, "2");
	ck_pins("one two ");

	remove_run(&q);
	prune(&p, 3600 * 1000); /* too young, but nobody needs the pin */
	ck_pristines(&p, "2");
	ck_pins("two ");
	prune(&p, 0);
	ck_pristines(&p, "1");
	ck_inside(&p, "git status --porcelain; cat a/1 b/1 c/100");

	remove_run(&p); /* no directory, but the lease is held */
	prune(&p, 0);
	ck_pristines(&p, "1");
	cs_worktree_release(&p.wt);
	prune(&p, 0);
	ck_pristines(&p, "0");
	ck_pins("");
}

OPERATOR_TEST(pruning_what_crashes_left)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;

	run_sh("%s", make_repo);
	prepare(&p, "repo", "1");
	run_sh("cd '%s/base'; mkdir -p aa.new-1/tree bb.old-2/tree; : > cc.lock; : > bb.lock; "
	       "mkdir -m 000 aa.new-1/locked",
	       p.state);
	prune(&p, 3600 * 1000);
	ck_pristines(&p, "1");
	prune(&p, 3600 * 1000);
}

/* A run found its pin: a prune at the same time does not take it away again. */
OPERATOR_TEST(pin_is_kept_through_gc)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;

	run_sh("%s\ngit checkout -q --detach; echo 3 > a/1; git commit -qam three", make_repo);
	prepare(&p, "repo", "1");
	run_sh("cd repo; git switch -q main; git reflog expire --expire=now --all; "
	       "git gc -q --prune=now");
	prune(&p, 0);
	ck_pins("three ");
	ck_inside(&p, "git log --oneline | wc -l | grep -q 3; git fsck; echo 4 > a/1; "
		      "git commit -qam four");
}

/* ---- the user's own side ----------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *script; /* in a fresh clone */
	bool dirty;
} checkouts[] = {
	{ "clean", ":", false },
	{ "touched", "touch a/1", false },
	{ "touched, and the index is locked", "touch a/1; : > .git/index.lock", false },
	{ "edited", "echo x > a/1", true },
	{ "same size, same second", "printf 'A 2\\n' > a/2; touch -r .git/index a/2", true },
	{ "added", "echo x > new; git add new", true },
	{ "removed", "rm a/1", true },
	{ "removed from the index", "git rm -q --cached a/1", true },
	{ "mode", "chmod +x a/1", true },
	{ "untracked is not looked at", "echo x > new", false },
	{ "split index", "git update-index --split-index; echo x > a/1", true },
	{ "monitors and hooks do not run",
	  "git config core.fsmonitor \"touch $PWD/ran\"; git config core.hooksPath h; mkdir h; "
	  "printf '#!/bin/sh\\ntouch %s/ran\\n' \"$PWD\" > h/post-index-change; chmod +x h/*; "
	  "touch a/1",
	  false },
	{ "no commit yet", "git checkout -q --orphan x", true },
};

OPERATOR_TEST(dirty_checkouts)
{
	run_sh("%s", make_repo);
	for (size_t i = 0; i < CS_COUNT(checkouts); i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *path = cs_asprintf("%s/clone/b", dir);
		AUTO_FREE char *before = NULL;
		AUTO_FREE char *after = NULL;
		bool dirty = !checkouts[i].dirty;
		int rc;

		run_sh("rm -rf clone; git clone -q repo clone; cd clone; %s", checkouts[i].script);
		before = sh("cd clone/.git; stat -c '%%i %%s %%Y %%y' index; sha256sum index");
		ck_assert_int_eq(cs_repo_open(&p.repo, path, NULL, &p.err), 0);
		rc = cs_worktree_dirty(&dirty, p.repo, &p.err);
		ck_assert_msg(rc == 0, "%s: %s", checkouts[i].name, p.err.msg);
		ck_assert_msg(dirty == checkouts[i].dirty, "[%s] %s", operator_names[operator],
			      checkouts[i].name);
		after = sh("cd clone/.git; stat -c '%%i %%s %%Y %%y' index; sha256sum index; "
			   "test ! -e ../ran");
		ck_assert_str_eq(before, after);
	}
}

OPERATOR_TEST(bare_is_never_dirty)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_FREE char *path = cs_asprintf("%s/bare.git", dir);
	bool dirty = true;

	run_sh("%s\ncd ..; git clone -q --bare repo bare.git", make_repo);
	ck_assert_int_eq(cs_repo_open(&p.repo, path, NULL, &p.err), 0);
	ck_assert_int_eq(cs_worktree_dirty(&dirty, p.repo, &p.err), 0);
	ck_assert(!dirty);
}

/* ---- where things are -------------------------------------------------------------------- */

OPERATOR_TEST(says_what_to_mount)
{
	AUTO_PREPARED struct prepared p = PREPARED_INIT;
	AUTO_PREPARED struct prepared q = PREPARED_INIT;
	AUTO_PREPARED struct prepared r = PREPARED_INIT;
	AUTO_FREE char *repo = cs_asprintf("%s/repo", dir);
	AUTO_FREE char *bare = cs_asprintf("%s/x", dir);
	AUTO_FREE char *upper = NULL;

	run_sh("%s\ncd ..; git clone -q --bare repo x.git", make_repo);
	prepare(&p, "repo", "1");
	upper = cs_asprintf("%s/upper", p.run);
	ck_assert_int_eq(p.wt.mode, CS_WORKTREE_OVERLAY);
	ck_assert_str_eq(p.wt.path, repo);
	ck_assert_str_eq(p.wt.upper, upper);
	ck_assert_ptr_null(p.wt.copy);
	ck_assert(cs_oid_equal(&p.wt.head, &p.opts.commit));
	ck_assert_uint_eq(p.wt.objects.n, 1);

	ready(&q, "repo", "2", NULL);
	q.opts.mode = CS_WORKTREE_CHECKOUT;
	go_well(&q);
	ck_assert_int_eq(q.wt.mode, CS_WORKTREE_CHECKOUT);
	ck_assert_ptr_null(q.wt.upper);
	ck_assert_ptr_null(q.wt.work);
	ck_assert_str_eq(q.wt.lower, p.wt.lower);

	prepare(&r, "x.git", "3");
	ck_assert_str_eq(r.wt.path, bare);
}

/* The caller's fallback where the overlay could not be mounted; never over an agent's work. */
static const struct {
	const char *name;
	const char *script; /* in the run's directory */
	int rc;
} fallbacks[] = {
	{ "never mounted", ":", 0 },
	{ "mounted in vain", "mkdir -p work/work; chmod 0 work/work", 0 },
	{ "used", ": > upper/file", CS_EXISTS },
	{ "committed", "mkdir upper/.git/logs", CS_EXISTS },
	{ "staged", ": > upper/.git/index", CS_EXISTS },
	{ "a copy already", "mkdir tree", CS_EXISTS },
};

OPERATOR_TEST(falls_back_to_a_copy)
{
	run_sh("%s", make_repo);
	for (size_t i = 0; i < CS_COUNT(fallbacks); i++) {
		AUTO_PREPARED struct prepared p = PREPARED_INIT;
		AUTO_FREE char *run = cs_asprintf("%zu", i);

		prepare(&p, "repo", run);
		run_sh("cd '%s'; %s", p.run, fallbacks[i].script);
		cs_worktree_release(&p.wt);
		p.opts.mode = CS_WORKTREE_CHECKOUT;
		go(&p);
		ck_assert_msg(p.rc == fallbacks[i].rc, "%s: %d %s", fallbacks[i].name, p.rc,
			      p.err.msg);
		run_sh("cd '%s'; test %d = 0 || test -e upper", p.run, p.rc);
		if (p.rc == 0)
			ck_inside(&p, "test -z \"$(git status --porcelain)\"; test -e b/1");
	}
}

int main(void)
{
	Suite *s = suite_create("worktree");
	TCase *tc = tcase_create("worktree");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, host_setup, host_teardown);
	tcase_add_loop_test(tc, many_at_once, 0, OPERATORS);
	tcase_add_loop_test(tc, killed_in_the_middle, 0, OPERATORS);
	tcase_add_loop_test(tc, failures_leave_nothing, 0, OPERATORS);
	tcase_add_loop_test(tc, partial_clone_says_what_helps, 0, OPERATORS);
	tcase_add_loop_test(tc, disk_full_blocks, 0, OPERATORS);
	tcase_add_loop_test(tc, disk_full_inodes, 0, OPERATORS);
	tcase_add_loop_test(tc, disk_read_only, 0, OPERATORS);
	tcase_add_loop_test(tc, belongs_to_the_agent, 0, OPERATORS);
	tcase_add_loop_test(tc, another_user_another_pristine, 0, OPERATORS);
	tcase_add_loop_test(tc, unreadable_objects_are_named, 0, OPERATORS);
	tcase_add_loop_test(tc, pruning, 0, OPERATORS);
	tcase_add_loop_test(tc, pruning_what_crashes_left, 0, OPERATORS);
	tcase_add_loop_test(tc, pin_is_kept_through_gc, 0, OPERATORS);
	tcase_add_loop_test(tc, dirty_checkouts, 0, OPERATORS);
	tcase_add_loop_test(tc, bare_is_never_dirty, 0, OPERATORS);
	tcase_add_loop_test(tc, says_what_to_mount, 0, OPERATORS);
	tcase_add_loop_test(tc, falls_back_to_a_copy, 0, OPERATORS);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
