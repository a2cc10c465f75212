/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a run that is over to its record, on real repositories; finding and loading runs; and the
 * promise that nothing is lost: the finishing process is killed before each system call that
 * changes something, and the run is then whole, recoverable, and never half a change.
 */
#include "countersign/attest.h"
#include "countersign/record.h"
#include "countersign/worktree.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include "../../lib/record/record_dir.h"
#include "fixture.h"
#include "random.h"

/* A repository, and beside it the pristine checkout of its HEAD. */
static void setup(void)
{
	fx_setup();
	fx_run("git init -q -b main repo && cd repo && mkdir src && echo one > one &&"
	       "printf '1\\n2\\n3\\n' > src/two && echo '*.o' > .gitignore &&"
	       "git add . && git commit -q -m first");
	fx_run("mkdir pristine && git -C repo archive HEAD | tar -x -C pristine");
}

/* ---- a run, ready to be finished --------------------------------------------------------- */

struct world {
	struct cs_repo *repo;
	char *state_dir;
	struct cs_run_dir dir;
	struct cs_log *log;
	struct cs_run_info info;
	struct cs_strv sensitive;
};

static void describe(struct cs_run_info *info, const char *pristine)
{
	static const char *const argv[] = { "codex", "exec", "fix it" };

	info->title = cs_strdup("Fix it");
	info->state = CS_RUN_RUNNING;
	info->base_commit = fx_oid("main");
	info->base_tree = fx_oid("main^{tree}");
	info->profile = cs_strdup("codex");
	info->author_name = cs_strdup("OpenAI Codex");
	info->author_email = cs_strdup("codex@agent.invalid");
	for (size_t i = 0; i < CS_COUNT(argv); i++)
		cs_strv_add(&info->argv, argv[i]);
	info->operator_name = cs_strdup("Op Erator");
	info->operator_email = cs_strdup("op@example.org");
	info->started_ns = INT64_C(1790000000000000001);
	info->worktree = cs_strdup("overlay");
	info->level = cs_strdup("full");
	info->pristine = cs_strdup(pristine);
	info->uid = geteuid();
	info->gid = getegid();
	memset(info->policy_digest, 'b', CS_SHA256_HEX - 1);
}

static cJSON *fields(const char *key, const char *value)
{
	cJSON *obj = cJSON_CreateObject();

	cs_json_add_str(obj, key, value);
	return obj;
}

/* In the current directory: "repo" and "pristine". The run has an empty upper layer. */
static void world_open(struct world *w)
{
	AUTO_FREE char *pristine = fx_line("realpath pristine");
	struct cs_err err = CS_ERR_INIT;

	*w = (struct world){ .dir = CS_RUN_DIR_INIT };
	w->repo = fx_open("repo");
	ck_assert_int_eq(chdir("repo"), 0);
	fx_ok(cs_state_dir(&w->state_dir, w->repo, &err), err);
	fx_ok(cs_run_dir_create(&w->dir, w->state_dir, geteuid(), getegid(), &err), err);
	fx_ok(cs_log_open(&w->log, w->dir.fd, &err), err);
	cs_run_info_init(&w->info);
	memcpy(w->info.id, w->dir.id, sizeof(w->dir.id));
	describe(&w->info, pristine);
	cs_strv_add(&w->sensitive, "Makefile");
	fx_run("mkdir -p %s/upper %s/work && echo '[record]' > %s/policy && echo do > %s/prompt",
	       w->dir.path, w->dir.path, w->dir.path, w->dir.path);
	fx_ok(cs_run_dir_save(&w->dir, &w->info, &err), err);
	fx_ok(cs_log_add(w->log, "run.start", fields("id", w->dir.id), &err), err);
	fx_ok(cs_log_add(w->log, "exec", fields("decision", "allow"), &err), err);
	fx_ok(cs_log_add(w->log, "exec", fields("decision", "forbid"), &err), err);
}

static void world_close(struct world *w)
{
	cs_log_free(w->log);
	cs_run_dir_close(&w->dir);
	cs_run_info_release(&w->info);
	cs_strv_release(&w->sensitive);
	cs_repo_free(w->repo);
	free(w->state_dir);
}

static void edit(const struct world *w, const char *script)
{
	if (script)
		fx_run("cd %s/upper && %s", w->dir.path, script);
}

/* Beside the repository. */
#define KEYS "../keys"

static void no_warning(void *arg, const char *what)
{
	(void)arg;
	ck_abort_msg("%s", what);
}

static int finish(struct world *w, struct cs_err *err)
{
	const struct cs_finish_opts opts = {
		.repo = w->repo,
		.dir = &w->dir,
		.log = w->log,
		.sensitive = &w->sensitive,
		.key_dir = KEYS,
		.warn = no_warning,
	};

	if (!w->info.ended_ns)
		w->info.ended_ns = INT64_C(1790000007000000000);
	w->info.exit_code = 0;
	return cs_run_finish(&w->info, &opts, err);
}

static void ck_sound(const char *what)
{
	AUTO_FREE char *fsck = fx_output("git fsck --strict --no-dangling 2>&1 || echo failed $?");

	ck_assert_msg(!strstr(fsck, "failed") && !strstr(fsck, "error"), "%s: %s", what, fsck);
}

/* ---- what is recorded -------------------------------------------------------------------- */

static const struct {
	const char *name, *script;
	enum cs_run_state before, after;
	const char *change; /* git diff-tree --name-status; NULL: none */
} runs[] = {
	{ "a change", "mkdir src && echo x > src/new && echo 1 > one", CS_RUN_RUNNING,
	  CS_RUN_PROPOSED, "M one\nA src/new\n" },
	{ "nothing", NULL, CS_RUN_RUNNING, CS_RUN_EMPTY, NULL },
	{ "ignored leftovers only", "echo > x.o", CS_RUN_RUNNING, CS_RUN_EMPTY, NULL },
	{ "interrupted stays so", "echo 1 > one", CS_RUN_INTERRUPTED, CS_RUN_INTERRUPTED,
	  "M one\n" },
	{ "failed stays so", "echo 1 > one", CS_RUN_FAILED, CS_RUN_FAILED, "M one\n" },
	{ "interrupted, nothing", NULL, CS_RUN_INTERRUPTED, CS_RUN_INTERRUPTED, NULL },
};

START_TEST(a_run_is_recorded)
{
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *ref = NULL, *diff = NULL, *parent = NULL;
	struct cs_run_info loaded;
	struct world w;

	world_open(&w);
	edit(&w, runs[_i].script);
	w.info.state = runs[_i].before;
	ck_assert_msg(finish(&w, &err) == 0, "%s: %s", runs[_i].name, err.msg);
	ck_assert_msg(w.info.state == runs[_i].after, "%s: %s", runs[_i].name,
		      cs_run_state_name(w.info.state));
	ref = cs_run_ref(w.info.id);
	cs_run_info_init(&loaded);
	fx_ok(cs_run_load(&loaded, w.repo, w.state_dir, w.info.id, &err), err);
	ck_assert_int_eq(loaded.state, runs[_i].after);
	ck_assert_str_eq(loaded.trace_head, w.info.trace_head);
	ck_assert_ptr_null(loaded.pristine);
	parent = fx_line("git rev-parse %s^1", ref);
	if (runs[_i].change) {
		diff = fx_output(
			"git diff-tree -r --no-renames --name-status main %s^1 | tr '\\t' ' '",
			ref);
		ck_assert_str_eq(diff, runs[_i].change);
		fx_run("test $(git rev-parse %s^) = $(git rev-parse main)", parent);
		ck_assert_uint_eq(strlen(loaded.change_digest), 64);
	} else {
		fx_run("test %s = $(git rev-parse main)", parent);
		ck_assert_uint_eq(loaded.change_commit.len, 0);
	}
	ck_sound(runs[_i].name);
	cs_run_info_release(&loaded);
	world_close(&w);
}
END_TEST

static int count_kind(const struct cs_run_info *info, const char *kind)
{
	int n = 0;

	for (size_t i = 0; i < info->findings.n; i++)
		n += !strcmp(info->findings.list[i].kind, kind);
	return n;
}

START_TEST(the_record_holds_everything)
{
	static const char *const files[] = { "commits",	       "events.jsonl",	"policy",
					     "prompt",	       "run.json",	"session",
					     "statement.json", "statement.dsse" };
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *ref = NULL, *names = NULL, *subject = NULL;
	AUTO_BUF struct cs_buf log = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_JSON cJSON *statement = NULL;
	char head[CS_SHA256_HEX];
	int64_t events;
	struct world w;

	world_open(&w);
	edit(&w, "printf 'a\\0b' > bin && echo x > Makefile");
	fx_run("printf 'hello\\033[m' > %s/session", w.dir.path);
	fx_ok(finish(&w, &err), err);
	ref = cs_run_ref(w.info.id);
	names = fx_output("git ls-tree --name-only %s", ref);
	for (size_t i = 0; i < CS_COUNT(files); i++)
		ck_assert_msg(!strcmp(files[i], "commits") || strstr(names, files[i]) != NULL,
			      "no %s", files[i]);

	/* The log: whole, ends with run.end, has the findings, and is the one that is named. */
	fx_ok(cs_run_read(&log, w.repo, w.state_dir, w.info.id, "events.jsonl", &err), err);
	fx_ok(cs_log_verify(&events, head, log.data, log.len, &err), err);
	ck_assert_str_eq(head, w.info.trace_head);
	ck_assert_int_eq(events, w.info.events);
	ck_assert_ptr_nonnull(strstr(log.data, "\"type\":\"finding\",\"kind\":\"binary\""));
	ck_assert_ptr_nonnull(strstr(log.data, "\"type\":\"finding\",\"kind\":\"sensitive-path\""));
	ck_assert_ptr_nonnull(strstr(log.data, "\"type\":\"run.end\",\"state\":\"proposed\""));
	ck_assert_int_eq(count_kind(&w.info, "binary"), 1);
	ck_assert_int_eq(count_kind(&w.info, "sensitive-path"), 1);

	/* The statement's subject is the change; both names of the change are in it. */
	fx_ok(cs_run_read(&text, w.repo, w.state_dir, w.info.id, "statement.json", &err), err);
	fx_ok(cs_json_parse(&statement, text.data, text.len, &err), err);
	subject = fx_line("git rev-parse %s^1", ref);
	ck_assert_ptr_nonnull(strstr(text.data, subject));
	ck_assert_ptr_nonnull(strstr(text.data, w.info.change_digest));
	ck_assert_ptr_nonnull(strstr(text.data, w.info.trace_head));

	/* Who and what, in git's own words. */
	free(names);
	names = fx_output("git log -1 --format='%%an <%%ae>|%%cn <%%ce>|%%ct|%%s' %s^1", ref);
	ck_assert_str_eq(names, "OpenAI Codex <codex@agent.invalid>|Op Erator <op@example.org>|"
				"1790000007|Fix it\n");
	world_close(&w);
}
END_TEST

/* The notes on the change and on its anchors are the record's envelope. */
static void ck_attached(const char *what, struct cs_repo *repo, const char *state_dir,
			const struct cs_run_info *info)
{
	struct cs_oid objects[3] = { info->change_commit }, tip;
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;

	fx_ok(cs_anchor_change(&objects[1], NULL, info->change_digest, &err), err);
	fx_ok(cs_anchor_run(&objects[2], NULL, info->id, &err), err);
	fx_ok(cs_run_read(&line, repo, state_dir, info->id, CS_ENVELOPE_FILE, &err), err);
	fx_ok(cs_repo_read_ref(&tip, repo, CS_NOTES_PROVENANCE, &err), err);
	for (size_t i = 0; i < CS_COUNT(objects); i++) {
		AUTO_BUF struct cs_buf note = CS_BUF_INIT;

		fx_ok(cs_notes_read(&note, repo, &tip, &objects[i], &err), err);
		ck_assert_msg(line.len && !strcmp(note.data, line.data), "%s: note %zu", what, i);
	}
}

START_TEST(the_statement_is_signed_and_attached)
{
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *ref = NULL, *listed = NULL;
	char fingerprint[64] = "";
	struct world w;

	world_open(&w);
	edit(&w, "echo 1 > one");
	fx_ok(finish(&w, &err), err);
	ref = cs_run_ref(w.info.id);
	ck_attached("signed", w.repo, w.state_dir, &w.info);
	fx_ok(cs_run_signer(fingerprint, w.repo, w.state_dir, w.info.id, &err), err);
	listed = fx_line("ssh-keygen -l -f " KEYS "/machine_key | cut -d' ' -f2");
	ck_assert_str_eq(fingerprint, listed);
	/* The same envelope in another record is no signature of it. */
	fx_run("git read-tree %s && "
	       "git update-index --cacheinfo 100644,$(git cat-file blob %s:statement.json | "
	       "sed 's/Fix it/Do it/' | git hash-object -w --stdin),statement.json && "
	       "git update-ref %s $(git commit-tree -p %s^1 -m x $(git write-tree))",
	       ref, ref, ref, ref);
	ck_assert_int_eq(cs_run_signer(fingerprint, w.repo, w.state_dir, w.info.id, &err),
			 CS_REFUSED);
	world_close(&w);
}
END_TEST

static void count_warning(void *arg, const char *what)
{
	++*(int *)arg;
	ck_assert_ptr_nonnull(strstr(what, "the record is not signed"));
}

START_TEST(what_cannot_be_signed_is_recorded)
{
	struct cs_err err = CS_ERR_INIT;
	char fingerprint[64] = "";
	struct world w;
	int warnings = 0;

	world_open(&w);
	edit(&w, "echo 1 > one");
	fx_run("echo > " KEYS);
	{
		const struct cs_finish_opts opts = {
			.repo = w.repo,
			.dir = &w.dir,
			.log = w.log,
			.sensitive = &w.sensitive,
			.key_dir = KEYS,
			.warn = count_warning,
			.arg = &warnings,
		};

		fx_ok(cs_run_finish(&w.info, &opts, &err), err);
	}
	ck_assert_int_eq(warnings, 1);
	ck_assert_int_eq(cs_run_signer(fingerprint, w.repo, w.state_dir, w.info.id, &err),
			 CS_NOTFOUND);
	world_close(&w);
}
END_TEST

START_TEST(a_second_record_of_a_run_is_refused)
{
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *ref = NULL, *before = NULL, *after = NULL;
	struct world w;

	world_open(&w);
	edit(&w, "echo 1 > one");
	fx_ok(finish(&w, &err), err);
	ref = cs_run_ref(w.info.id);
	before = fx_line("git rev-parse %s", ref);
	edit(&w, "echo 2 > one");
	ck_assert_int_lt(finish(&w, &err), 0);
	after = fx_line("git rev-parse %s", ref);
	ck_assert_str_eq(before, after);
	world_close(&w);
}
END_TEST

START_TEST(finishing_again_makes_the_same_change)
{
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *ref = NULL;
	struct cs_oid first;
	struct world w;

	world_open(&w);
	edit(&w, "echo 1 > one");
	fx_ok(finish(&w, &err), err);
	first = w.info.change_commit;
	ref = cs_run_ref(w.info.id);
	fx_run("git update-ref -d %s", ref);
	fx_ok(finish(&w, &err), err);
	ck_assert(cs_oid_equal(&first, &w.info.change_commit));
	world_close(&w);
}
END_TEST

START_TEST(a_killed_gits_lock_is_taken_away_in_time)
{
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *ref = NULL;
	struct world w;

	world_open(&w);
	edit(&w, "echo 1 > one");
	ref = cs_run_ref(w.info.id);
	fx_run("mkdir -p .git/$(dirname %s) && touch -d '1 minute ago' .git/%s.lock", ref, ref);
	fx_ok(finish(&w, &err), err);
	fx_run("git rev-parse --verify %s && test ! -e .git/%s.lock", ref, ref);
	world_close(&w);
}
END_TEST

/* Only root has somebody else to become. */
START_TEST(the_reader_becomes_the_owner_of_the_directory)
{
	const uid_t agent = geteuid() == 0 ? 61234 : geteuid();
	struct cs_err err = CS_ERR_INIT;
	struct world w;

	world_open(&w);
	edit(&w, "echo 1 > one");
	if (geteuid() == 0)
		fx_run("chown -R %d:%d %s ../pristine", (int)agent, (int)agent, w.dir.path);
	w.info.uid = (uid_t)-1;
	w.info.gid = (gid_t)-1;
	fx_ok(finish(&w, &err), err);
	ck_assert_uint_eq(w.info.uid, agent);
	ck_assert_int_eq(w.info.state, CS_RUN_PROPOSED);
	world_close(&w);
}
END_TEST

START_TEST(without_a_layer_nothing_changed)
{
	struct cs_err err = CS_ERR_INIT;
	struct world w;

	world_open(&w);
	fx_run("rm -r %s/upper", w.dir.path);
	fx_ok(finish(&w, &err), err);
	ck_assert_int_eq(w.info.state, CS_RUN_EMPTY);
	world_close(&w);
}
END_TEST

START_TEST(a_failed_capture_keeps_the_run)
{
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *refs = NULL;
	struct cs_run_info info;
	char id[CS_RUN_ID_HEX];
	struct world w;

	world_open(&w);
	edit(&w, "echo 1 > one");
	memcpy(id, w.info.id, sizeof(id));
	free(w.info.pristine);
	w.info.pristine = cs_strdup("/nonexistent");
	ck_assert_int_lt(finish(&w, &err), 0);
	ck_assert_msg(strstr(err.msg, id) != NULL, "%s", err.msg);
	refs = fx_output("git for-each-ref refs/agent-run/");
	ck_assert_str_eq(refs, "");
	cs_run_dir_close(&w.dir);
	cs_run_info_init(&info);
	fx_ok(cs_run_load(&info, w.repo, w.state_dir, id, &err), err);
	ck_assert_int_eq(info.state, CS_RUN_INTERRUPTED);
	cs_run_info_release(&info);
	world_close(&w);
}
END_TEST

START_TEST(ignore_rules_of_the_operator)
{
	static const struct {
		const char *name, *script, *home, *xdg, *want;
	} rows[] = {
		{ "default", "mkdir -p ../home/.config/git && echo a > ../home/.config/git/ignore",
		  "../home", NULL, "a\nb\n" },
		{ "xdg", "mkdir -p ../xdg/git && echo c > ../xdg/git/ignore", "../home", "../xdg",
		  "c\nb\n" },
		{ "excludesFile", "echo d > ../mine && git config core.excludesFile '~/../mine'",
		  "../home", "../xdg", "d\nb\n" },
		{ "missing", "git config core.excludesFile /nonexistent", "../home", NULL, "b\n" },
	};
	struct cs_err err = CS_ERR_INIT;

	ck_assert_int_eq(chdir("repo"), 0);
	fx_run("echo b > .git/info/exclude");
	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		AUTO_BUF struct cs_buf got = CS_BUF_INIT;
		struct cs_repo *repo;

		fx_run("%s", rows[i].script);
		repo = fx_open(".");
		fx_ok(cs_worktree_excludes(&got, repo, rows[i].home, rows[i].xdg, &err), err);
		ck_assert_msg(!strcmp(got.data, rows[i].want), "%s: '%s'", rows[i].name, got.data);
		cs_repo_free(repo);
	}
}
END_TEST

/* ---- finding ----------------------------------------------------------------------------- */

/* A recorded run that started at a time. */
static void make_run(char id[CS_RUN_ID_HEX], int64_t started_ns)
{
	struct cs_err err = CS_ERR_INIT;
	struct world w;

	world_open(&w);
	w.info.started_ns = started_ns;
	fx_ok(finish(&w, &err), err);
	memcpy(id, w.info.id, CS_RUN_ID_HEX);
	fx_ok(cs_run_dir_remove(&w.dir, &err), err);
	world_close(&w);
	ck_assert_int_eq(chdir(".."), 0);
}

START_TEST(runs_are_found)
{
	AUTO_FREE char *state = NULL;
	AUTO_STRV struct cs_strv list = CS_STRV_INIT;
	char ids[3][CS_RUN_ID_HEX], found[CS_RUN_ID_HEX], prefix[9] = "";
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo;
	struct world w;

	make_run(ids[0], 1790000000000000002);
	make_run(ids[1], 1790000000000000003);
	make_run(ids[2], 1790000000000000001);
	/* Beside records there may be other references. */
	fx_run("git -C repo update-ref refs/agent-run/base/x HEAD && git -C repo update-ref "
	       "refs/agent-run/00/%s HEAD",
	       ids[0]);
	world_open(&w); /* a live one, the latest */
	w.info.started_ns = 1790000000000000004;
	fx_ok(cs_run_dir_save(&w.dir, &w.info, &err), err);
	repo = fx_open(".");
	state = cs_state_path(repo);

	fx_ok(cs_run_list(&list, repo, state, &err), err);
	ck_assert_uint_eq(list.n, 4);
	ck_assert_str_eq(list.v[0], w.info.id);
	ck_assert_str_eq(list.v[1], ids[1]);
	ck_assert_str_eq(list.v[2], ids[0]);
	ck_assert_str_eq(list.v[3], ids[2]);
	fx_ok(cs_run_find(found, repo, state, NULL, &err), err);
	ck_assert_str_eq(found, w.info.id);
	fx_ok(cs_run_find(found, repo, state, "-4", &err), err);
	ck_assert_str_eq(found, ids[2]);
	memcpy(prefix, ids[2], 8);
	fx_ok(cs_run_find(found, repo, state, prefix, &err), err);
	ck_assert_str_eq(found, ids[2]);
	ck_assert_int_eq(cs_run_remove(repo, state, w.info.id, &err), CS_BUSY);
	fx_ok(cs_run_remove(repo, state, ids[2], &err), err);
	ck_assert_int_eq(cs_run_find(found, repo, state, prefix, &err), CS_NOTFOUND);
	ck_assert_int_eq(cs_run_remove(repo, state, ids[2], &err), CS_NOTFOUND);
	cs_repo_free(repo);
	world_close(&w);
}
END_TEST

/* ---- killed at every step ---------------------------------------------------------------- */

/* System calls that change something another process could see. */
static const long changing[] = {
	SYS_mkdirat,   SYS_renameat2, SYS_linkat,   SYS_unlinkat, SYS_ftruncate, SYS_fsync,
	SYS_fdatasync, SYS_syncfs,    SYS_clone,    SYS_clone3,	  SYS_wait4,	 SYS_fchmod,
#ifdef SYS_mkdir
	SYS_mkdir,     SYS_rename,    SYS_link,	    SYS_unlink,	  SYS_rmdir,	 SYS_chmod,
	SYS_fork,      SYS_vfork,     SYS_renameat,
#endif
};

/* Calls that open; which argument holds the flags. Opening for reading changes nothing. */
static const struct {
	long nr;
	int flags;
} opening[] = {
	{ SYS_openat, 2 },
	{ SYS_openat2, 2 }, /* points at them */
#ifdef SYS_open
	{ SYS_open, 1 },
#endif
};

static bool creates(pid_t pid, long nr, uint64_t arg)
{
	if (nr == SYS_openat2)
		arg = (uint64_t)ptrace(PTRACE_PEEKDATA, pid, (void *)(uintptr_t)arg, NULL);
	return arg & (O_CREAT | O_TRUNC);
}

static bool is_changing(pid_t pid)
{
	struct __ptrace_syscall_info info;
	long nr;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return false;
	nr = (long)info.entry.nr;
	for (size_t i = 0; i < CS_COUNT(changing); i++) {
		if (nr == changing[i])
			return true;
	}
	for (size_t i = 0; i < CS_COUNT(opening); i++) {
		if (nr == opening[i].nr)
			return creates(pid, nr, info.entry.args[opening[i].flags]);
	}
	return false;
}

static void reap_all(void)
{
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

/*
 * Runs fn in a child and kills it before its k-th changing system call. False: it ended before
 * that. The child's own children die with it and are waited for.
 */
static bool kill_at(int k, void (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (int signo = 0;;) {
		ptrace(PTRACE_SYSCALL, pid, NULL, signo);
		if (waitpid(pid, &status, __WALL) < 0 || WIFEXITED(status) || WIFSIGNALED(status))
			break;
		signo = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		if (signo)
			continue;
		if (is_changing(pid) && k-- == 0) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, __WALL);
			break;
		}
	}
	reap_all();
	ck_assert_msg(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0),
		      "step %d: status %x", k, status);
	return WIFSIGNALED(status);
}

/* In the current directory: finishes the run that is there. */
static void finish_here(void)
{
	struct cs_err err = CS_ERR_INIT;
	struct world w = { .dir = CS_RUN_DIR_INIT };
	char id[CS_RUN_ID_HEX];

	w.repo = fx_open(".");
	w.state_dir = cs_state_path(w.repo);
	if (cs_run_find(id, w.repo, w.state_dir, NULL, &err) < 0 ||
	    cs_run_dir_open(&w.dir, w.state_dir, id, &err) < 0 ||
	    cs_log_open(&w.log, w.dir.fd, &err) < 0)
		_exit(1);
	cs_run_info_init(&w.info);
	if (cs_run_load(&w.info, w.repo, w.state_dir, id, &err) < 0 || finish(&w, &err) < 0 ||
	    cs_run_dir_remove(&w.dir, &err) < 0)
		_exit(2);
	world_close(&w);
}

static const char *const edits =
	"mkdir src && echo x > src/new && printf 'a\\0' > one && echo m > Makefile";

/* After a kill: nothing half, and everything can be had. */
static void ck_recovers(int k, const char *want_tree)
{
	const struct cs_strv sensitive = CS_STRV_INIT;
	struct cs_repo *repo = fx_open(".");
	struct cs_finish_opts opts = {
		.repo = repo, .sensitive = &sensitive, .key_dir = KEYS, .warn = no_warning
	};
	AUTO_FREE char *state = cs_state_path(repo);
	AUTO_FREE char *name = cs_asprintf("step %d", k);
	AUTO_FREE char *refs = NULL, *tree = NULL, *left = NULL;
	AUTO_BUF struct cs_buf log = CS_BUF_INIT;
	AUTO_STRV struct cs_strv list = CS_STRV_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_run_info info;
	char id[CS_RUN_ID_HEX], head[CS_SHA256_HEX];
	int64_t events;
	int rc;

	ck_sound(name);
	/* A reference stands for a whole record, or is not there. */
	refs = fx_output("for r in $(git for-each-ref --format='%%(refname)' refs/agent-run/); do "
			 "git rev-parse $r^1^{tree}; done");
	ck_assert_msg(!*refs || !strncmp(refs, want_tree, 40), "%s: half a change: %s", name, refs);
	ck_assert_msg(cs_run_find(id, repo, state, NULL, &err) == 0, "%s: lost: %s", name, err.msg);
	cs_run_info_init(&info);
	fx_ok(cs_run_load(&info, repo, state, id, &err), err);
	ck_assert_msg(info.state == (*refs ? CS_RUN_PROPOSED : CS_RUN_INTERRUPTED), "%s: %s", name,
		      cs_run_state_name(info.state));
	rc = cs_run_recover(&info, state, id, &opts, &err);
	ck_assert_msg(rc == (*refs && rc ? CS_NOTFOUND : 0), "%s: %s", name, err.msg);
	fx_ok(cs_run_load(&info, repo, state, id, &err), err);
	ck_assert_msg(info.change_commit.len > 0, "%s: no change", name);
	tree = fx_line("git rev-parse $(git for-each-ref --format='%%(refname)' "
		       "refs/agent-run/)^1^{tree}");
	ck_assert_msg(!strncmp(tree, want_tree, 40), "%s: another change", name);
	ck_assert_msg(count_kind(&info, "binary") == 1, "%s: findings", name);
	fx_ok(cs_run_read(&log, repo, state, id, "events.jsonl", &err), err);
	fx_ok(cs_log_verify(&events, head, log.data, log.len, &err), err);
	ck_assert_msg(!strcmp(head, info.trace_head), "%s: log", name);
	fx_run("find .git/agent-run/runs -maxdepth 1 -name 'gone-*' -exec touch -d '1 hour ago' {} "
	       "+");
	fx_ok(cs_run_list(&list, repo, state, &err), err);
	left = fx_output("ls .git/agent-run/runs");
	ck_assert_msg(!*left, "%s: left: %s", name, left);
	ck_attached(name, repo, state, &info);
	ck_sound(name);
	cs_run_info_release(&info);
	cs_repo_free(repo);
}

/* A copy of the prepared run, in a directory of its own. */
static void copy_world(void)
{
	fx_run("rm -rf ../../t && mkdir ../../t && cp -a ../../repo ../../t/repo");
	ck_assert_int_eq(chdir("../../t/repo"), 0);
}

/* One kill in so many, from a random one; CS_LONG=1 does them all (two minutes). */
#define STRIDE 4

START_TEST(killed_at_every_step)
{
	AUTO_FREE char *want = NULL;
	struct random r = random_seeded();
	const int stride = getenv("CS_LONG") ? 1 : STRIDE;
	int k = (int)random_below(&r, (unsigned int)stride);
	struct world w;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	world_open(&w);
	edit(&w, edits);
	world_close(&w);
	fx_run("mkdir -p ../t/repo");
	ck_assert_int_eq(chdir("../t/repo"), 0);
	copy_world();
	finish_here();
	want = fx_line("git rev-parse $(git for-each-ref --format='%%(refname)' "
		       "refs/agent-run/)^1^{tree}");
	for (;; k += stride) {
		copy_world();
		if (!kill_at(k, finish_here))
			break;
		fx_run("find .git -name '*.lock' -exec touch -d '1 hour ago' {} +");
		ck_recovers(k, want);
	}
	ck_assert_int_gt(k, 30);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record/finish");
	TCase *tc = tcase_create("finish");

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_set_timeout(tc, getenv("CS_LONG") ? 7200 : FX_TIMEOUT_S);
	tcase_add_loop_test(tc, a_run_is_recorded, 0, CS_COUNT(runs));
	tcase_add_test(tc, the_record_holds_everything);
	tcase_add_test(tc, the_statement_is_signed_and_attached);
	tcase_add_test(tc, what_cannot_be_signed_is_recorded);
	tcase_add_test(tc, a_second_record_of_a_run_is_refused);
	tcase_add_test(tc, finishing_again_makes_the_same_change);
	tcase_add_test(tc, a_killed_gits_lock_is_taken_away_in_time);
	tcase_add_test(tc, the_reader_becomes_the_owner_of_the_directory);
	tcase_add_test(tc, without_a_layer_nothing_changed);
	tcase_add_test(tc, a_failed_capture_keeps_the_run);
	tcase_add_test(tc, ignore_rules_of_the_operator);
	tcase_add_test(tc, runs_are_found);
	tcase_add_test(tc, killed_at_every_step);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
