/* SPDX-License-Identifier: Apache-2.0 */
/* The event log, run directories and their locks, the run's JSON object, commit messages. */
#include "countersign/record.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <utime.h>
#include "../../lib/record/record_dir.h"
#include "unit.h"

#define LOG	 "events.jsonl"
#define BYTES(s) s, sizeof(s) - 1
#define ID	 "0123456789abcdef0123456789abcdef"

static char dir[64];
static int dir_fd = -1;

static void setup(void)
{
	unit_mkdir(dir);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
	ck_assert_int_eq(mkdir("runs", 0700), 0);
}

static void teardown(void)
{
	close(dir_fd);
	unit_rmdir(dir);
}

/* ---- the event log ----------------------------------------------------------------------- */

static struct cs_log *open_log(void)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_log *log = NULL;

	ck_assert_msg(cs_log_open(&log, dir_fd, &err) == 0, "%s", err.msg);
	return log;
}

static void add(struct cs_log *log, const char *type, const char *key, const char *value)
{
	struct cs_err err = CS_ERR_INIT;
	cJSON *fields = cJSON_CreateObject();

	cs_json_add_str(fields, key, value);
	ck_assert_msg(cs_log_add(log, type, fields, &err) == 0, "%s", err.msg);
}

static void read_log(struct cs_buf *out)
{
	struct cs_err err = CS_ERR_INIT;

	cs_buf_truncate(out, 0);
	ck_assert_msg(cs_read_file(out, dir_fd, LOG, 64 << 20, &err) == 0, "%s", err.msg);
}

static void write_log(const char *data, size_t len)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_write_file(dir_fd, LOG, data, len, 0600, &err) == 0, "%s", err.msg);
}

/* Three events: "run.start", "exec", "exit". */
static void three_events(void)
{
	struct cs_log *log = open_log();

	add(log, "run.start", "id", ID);
	add(log, "exec", "argv", "make\n\x1b[31m\xff");
	add(log, "exit", "seq", "forged");
	cs_log_free(log);
}

START_TEST(log_is_a_chain)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	char head[CS_SHA256_HEX], want[CS_SHA256_HEX];
	char *line, *rest;
	int64_t events;
	struct cs_err err = CS_ERR_INIT;

	three_events();
	read_log(&text);
	ck_assert_msg(cs_log_verify(&events, head, text.data, text.len, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(events, 3);
	for (size_t i = 0; i < text.len; i++)
		ck_assert_msg(text.data[i] == '\n' || (text.data[i] >= ' ' && text.data[i] < 0x7f),
			      "byte %02x", (unsigned char)text.data[i]);

	/* By hand: prev is the SHA-256 of the line before, without its LF; first 64 zeros. */
	memset(want, '0', 64);
	want[64] = '\0';
	rest = text.data;
	for (int seq = 1; seq <= 3; seq++) {
		AUTO_JSON cJSON *event = NULL;
		uint8_t digest[CS_SHA256_LEN];

		line = strsep(&rest, "\n");
		ck_assert_int_eq(cs_json_parse(&event, line, strlen(line), &err), 0);
		ck_assert_int_eq(cs_json_int(event, "seq", -1), seq);
		ck_assert_str_eq(cs_json_str(event, "prev", ""), want);
		cs_sha256(digest, line, strlen(line));
		cs_hex(want, digest, sizeof(digest));
	}
	ck_assert_str_eq(head, want);
}
END_TEST

START_TEST(log_goes_on_where_it_was)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	char head[CS_SHA256_HEX], verified[CS_SHA256_HEX];
	struct cs_log *log;
	int64_t events;

	three_events();
	log = open_log();
	ck_assert_ptr_null(cs_log_cut_detail(log));
	add(log, "run.end", "state", "empty");
	ck_assert_int_eq(cs_log_sync(log, &err), 0);
	cs_log_head(log, &events, head);
	ck_assert_int_eq(events, 4);
	cs_log_free(log);
	read_log(&text);
	ck_assert_int_eq(cs_log_verify(&events, verified, text.data, text.len, &err), 0);
	ck_assert_str_eq(head, verified);
}
END_TEST

START_TEST(any_flipped_bit_is_seen)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	char head[CS_SHA256_HEX], now[CS_SHA256_HEX];
	int64_t events;

	three_events();
	read_log(&text);
	ck_assert_int_eq(cs_log_verify(&events, head, text.data, text.len, NULL), 0);
	for (size_t i = 0; i < text.len; i++) {
		int rc;

		text.data[i] ^= 1;
		rc = cs_log_verify(&events, now, text.data, text.len, NULL);
		/* In the last line nothing but the head can tell. */
		ck_assert_msg(rc == CS_CORRUPT || strcmp(now, head) != 0, "byte %zu", i);
		text.data[i] ^= 1;
	}
}
END_TEST

START_TEST(removed_and_swapped_lines_are_seen)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf other = CS_BUF_INIT;
	char head[CS_SHA256_HEX];
	struct cs_err err = CS_ERR_INIT;
	int64_t events;
	const char *first_end, *second_end;

	three_events();
	read_log(&text);
	first_end = strchr(text.data, '\n') + 1;
	second_end = strchr(first_end, '\n') + 1;

	cs_buf_adds(&other, first_end);
	ck_assert_int_eq(cs_log_verify(&events, head, other.data, other.len, &err), CS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.msg, "line 1"));
	cs_buf_truncate(&other, 0);
	cs_buf_add(&other, text.data, (size_t)(first_end - text.data));
	cs_buf_adds(&other, second_end);
	ck_assert_int_eq(cs_log_verify(&events, head, other.data, other.len, &err), CS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.msg, "line 2"));
	ck_assert_int_eq(cs_log_verify(&events, head, text.data, text.len - 1, &err), CS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.msg, "line 3"));
}
END_TEST

/* What a crash or a power cut may leave behind three good events. */
static const struct {
	const char *name, *tail;
	size_t len;
} tails[] = {
	{ "torn line", BYTES("{\"seq\":4,\"t\":\"2026") },
	{ "one byte", BYTES("{") },
	{ "zeros", BYTES("\0\0\0\0\0\0\0\0") },
	{ "zeros and a line end", BYTES("\0\0\0\n") },
	{ "an empty line", BYTES("\n") },
	{ "a line of another log",
	  BYTES("{\"seq\":4,\"t\":\"2026-01-01T00:00:00Z\",\"prev\":\"00\"}\n") },
};

START_TEST(bad_ends_are_cut_and_told)
{
	AUTO_BUF struct cs_buf before = CS_BUF_INIT;
	AUTO_BUF struct cs_buf after = CS_BUF_INIT;
	AUTO_FREE char *detail = NULL;
	char head[CS_SHA256_HEX];
	struct cs_log *log;
	int64_t events;
	size_t good;

	three_events();
	read_log(&before);
	good = before.len;
	cs_buf_add(&before, tails[_i].tail, tails[_i].len);
	write_log(before.data, before.len);
	log = open_log();
	detail = cs_log_cut_detail(log);
	ck_assert_msg(detail && strstr(detail, "behind event 3"), "%s: %s", tails[_i].name,
		      detail ? detail : "nothing cut");
	cs_log_free(log);
	read_log(&after);
	ck_assert_msg(!memcmp(before.data, after.data, good), "%s: good lines", tails[_i].name);
	ck_assert_msg(strstr(after.data + good, "\"log-truncated\"") != NULL, "%s: %s",
		      tails[_i].name, after.data + good);
	ck_assert_msg(cs_log_verify(&events, head, after.data, after.len, NULL) == 0 && events == 4,
		      "%s: chain", tails[_i].name);
}
END_TEST

START_TEST(cut_at_every_byte_keeps_whole_lines)
{
	AUTO_BUF struct cs_buf whole = CS_BUF_INIT;

	three_events();
	read_log(&whole);
	for (size_t len = 0; len <= whole.len; len += 7) {
		AUTO_BUF struct cs_buf now = CS_BUF_INIT;
		size_t lines = 0;
		char head[CS_SHA256_HEX];
		int64_t events;

		write_log(whole.data, len);
		cs_log_free(open_log());
		for (size_t i = 0; i < len; i++)
			lines += whole.data[i] == '\n';
		lines += len && whole.data[len - 1] != '\n'; /* the event that tells it */
		read_log(&now);
		ck_assert_int_eq(cs_log_verify(&events, head, now.data, now.len, NULL), 0);
		ck_assert_msg((size_t)events == lines, "%zu bytes: %d events", len, (int)events);
	}
}
END_TEST

static cJSON *nested(int depth)
{
	cJSON *inner = cJSON_CreateObject();

	for (int i = 1; i < depth; i++) {
		cJSON *outer = cJSON_CreateObject();

		cs_json_add(outer, "x", inner);
		inner = outer;
	}
	return inner;
}

START_TEST(what_no_line_can_hold_is_told_by_digest)
{
	AUTO_FREE char *big = cs_malloc((2 << 20) + 1);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_log *log = open_log();
	char head[CS_SHA256_HEX];
	int64_t events;

	memset(big, 'a', 2 << 20);
	big[2 << 20] = '\0';
	add(log, "exec", "argv", big);
	ck_assert_int_eq(cs_log_add(log, "agent.message", nested(60), &err), 0);
	ck_assert_int_eq(cs_log_add(log, "agent.message", nested(40), &err), 0);
	cs_log_free(log);
	read_log(&text);
	ck_assert_uint_lt(text.len, 2000);
	ck_assert_int_eq(cs_log_verify(&events, head, text.data, text.len, &err), 0);
	ck_assert_int_eq(events, 3);
	ck_assert_ptr_nonnull(strstr(text.data, "\"oversized\":{\"bytes\":2097"));
}
END_TEST

/* An agent that makes events without end: the log stays readable, says so, counts, and ends. */
START_TEST(a_full_log_counts_and_ends)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *detail = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_log *log = open_log();
	char head[CS_SHA256_HEX];
	int64_t events;

	cs_log_set_max(log, 64 << 10);
	for (int i = 0; i < 1000; i++)
		add(log, "exec", "argv", "true");
	read_log(&text);
	ck_assert_uint_lt(text.len, 61 << 10);
	ck_assert_ptr_nonnull(strstr(text.data, CS_LOG_FULL_KIND));
	ck_assert_int_eq(cs_log_verify(&events, head, text.data, text.len, &err), 0);
	detail = cs_log_full_detail(log);
	ck_assert_ptr_nonnull(detail);
	ck_assert_int_eq(strtoll(detail, NULL, 10), 1000 - (events - 1));
	/* Findings have room of their own, the end always has. */
	add(log, "finding", "kind", "binary");
	read_log(&text);
	ck_assert_ptr_nonnull(strstr(text.data, "binary"));
	for (int i = 0; i < 1000; i++)
		add(log, "finding", "kind", "flood");
	add(log, "run.end", "state", "empty");
	cs_log_free(log);
	read_log(&text);
	ck_assert_uint_lt(text.len, 64 << 10);
	ck_assert_ptr_nonnull(strstr(text.data, "run.end"));
	ck_assert_int_eq(cs_log_verify(&events, head, text.data, text.len, &err), 0);
}
END_TEST

START_TEST(a_full_disk_leaves_no_half_line)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct cs_err err = CS_ERR_INIT;
	struct cs_log *log;
	char head[CS_SHA256_HEX];
	int64_t events;
	int limited, rc;

	three_events();
	read_log(&text);
	log = open_log();
	limit.rlim_cur = text.len + 20; /* a short write, as a full disk makes it */
	signal(SIGXFSZ, SIG_IGN);
	/* No assertion while the limit holds: Check writes its messages to a file. */
	limited = setrlimit(RLIMIT_FSIZE, &limit);
	rc = cs_log_add(log, "exec", NULL, &err);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	ck_assert_int_eq(limited, 0);
	ck_assert_int_eq(rc, CS_MALFUNCTION);
	ck_assert_msg(strstr(err.msg, LOG) != NULL, "%s", err.msg);
	add(log, "exec", "argv", "later");
	cs_log_free(log);
	read_log(&text);
	ck_assert_int_eq(cs_log_verify(&events, head, text.data, text.len, NULL), 0);
	ck_assert_int_eq(events, 4);
}
END_TEST

START_TEST(a_log_that_is_a_link_is_refused)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_log *log = NULL;

	ck_assert_int_eq(symlink("/etc/passwd", LOG), 0);
	ck_assert_int_eq(cs_log_open(&log, dir_fd, &err), CS_MALFUNCTION);
}
END_TEST

/* ---- directories and locks --------------------------------------------------------------- */

static void create(struct cs_run_dir *run)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_run_dir_create(run, dir, geteuid(), getegid(), &err) == 0, "%s", err.msg);
}

START_TEST(a_run_directory_is_private_and_locked)
{
	struct cs_run_dir run = CS_RUN_DIR_INIT, again = CS_RUN_DIR_INIT;
	struct cs_err err = CS_ERR_INIT;
	char id[CS_RUN_ID_HEX];
	struct stat st;

	create(&run);
	ck_assert(cs_run_id_valid(run.id));
	ck_assert_int_eq(stat(run.path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	memcpy(id, run.id, sizeof(id));
	ck_assert_int_eq(cs_run_dir_open(&again, dir, id, &err), CS_BUSY);
	cs_run_dir_close(&run);
	ck_assert_msg(cs_run_dir_open(&again, dir, id, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(again.id, id);
	ck_assert_int_eq(cs_run_dir_remove(&again, &err), 0);
	ck_assert_int_eq(cs_run_dir_open(&again, dir, id, &err), CS_NOTFOUND);
}
END_TEST

START_TEST(a_lock_goes_with_its_holder)
{
	struct cs_run_dir run = CS_RUN_DIR_INIT;
	struct cs_err err = CS_ERR_INIT;
	char id[CS_RUN_ID_HEX] = "";
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		create(&run);
		if (write(fds[1], run.id, sizeof(run.id)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(fds[0], id, sizeof(id)), sizeof(id));
	ck_assert_int_eq(cs_run_dir_open(&run, dir, id, &err), CS_BUSY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_msg(cs_run_dir_open(&run, dir, id, &err) == 0, "%s", err.msg);
	cs_run_dir_close(&run);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(a_glance_does_not_disturb)
{
	struct cs_run_dir run = CS_RUN_DIR_INIT;
	struct cs_err err = CS_ERR_INIT;
	int runs_fd = cs_runs_open(dir, &err);
	char id[CS_RUN_ID_HEX];

	ck_assert_int_ge(runs_fd, 0);
	create(&run);
	memcpy(id, run.id, sizeof(id));
	ck_assert(cs_run_dir_alive(runs_fd, id));
	cs_run_dir_close(&run);
	ck_assert(!cs_run_dir_alive(runs_fd, id));
	ck_assert_msg(cs_run_dir_open(&run, dir, id, &err) == 0, "%s", err.msg);
	cs_run_dir_close(&run);
	close(runs_fd);
}
END_TEST

static void make_old(const char *path)
{
	const struct utimbuf long_ago = { 1000000000, 1000000000 };

	ck_assert_int_eq(utime(path, &long_ago), 0);
}

START_TEST(only_dead_leftovers_are_swept)
{
	struct cs_err err = CS_ERR_INIT;
	int runs_fd = cs_runs_open(dir, &err);
	const char *const swept[] = { "new-" ID, "gone-" ID };
	const char *const kept[] = { ID, "new-x", "other", "gone-0123" };
	int lock_fd;

	ck_assert_int_eq(chdir("runs"), 0);
	for (size_t i = 0; i < CS_COUNT(swept); i++) {
		AUTO_FREE char *lock = cs_asprintf("%s/lock", swept[i]);

		/* Being made or removed at this moment: no lock file, just touched. */
		ck_assert_int_eq(mkdir(swept[i], 0700), 0);
		cs_run_dir_sweep(runs_fd, swept[i]);
		ck_assert_msg(access(swept[i], F_OK) == 0, "%s: swept too early", swept[i]);
		/* Held. */
		lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_eq(flock(lock_fd, LOCK_EX), 0);
		make_old(swept[i]);
		cs_run_dir_sweep(runs_fd, swept[i]);
		ck_assert_msg(access(swept[i], F_OK) == 0, "%s: swept while held", swept[i]);
		close(lock_fd);
		cs_run_dir_sweep(runs_fd, swept[i]);
		ck_assert_msg(access(swept[i], F_OK) < 0, "%s: still there", swept[i]);
		/* Killed before its lock was made, long ago. */
		ck_assert_int_eq(mkdir(swept[i], 0700), 0);
		make_old(swept[i]);
		cs_run_dir_sweep(runs_fd, swept[i]);
		ck_assert_msg(access(swept[i], F_OK) < 0, "%s: old, still there", swept[i]);
	}
	for (size_t i = 0; i < CS_COUNT(kept); i++) {
		ck_assert_int_eq(mkdir(kept[i], 0700), 0);
		make_old(kept[i]);
		cs_run_dir_sweep(runs_fd, kept[i]);
		ck_assert_msg(access(kept[i], F_OK) == 0, "%s: swept", kept[i]);
	}
	close(runs_fd);
}
END_TEST

START_TEST(removal_takes_everything)
{
	struct cs_run_dir run = CS_RUN_DIR_INIT;
	struct cs_err err = CS_ERR_INIT;
	char path[128];

	create(&run);
	snprintf(path, sizeof(path), "%s/work", run.path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	strcat(path, "/work");
	ck_assert_int_eq(mkdir(path, 0000), 0);
	ck_assert_msg(cs_run_dir_remove(&run, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(rmdir("runs"), 0);
}
END_TEST

/* ---- run.json ---------------------------------------------------------------------------- */

static void fill_info(struct cs_run_info *info)
{
	static const char *const argv[] = { "codex", "exec", "fix \xff it\n" };

	cs_run_info_init(info);
	memcpy(info->id, ID, sizeof(ID));
	info->title = cs_strdup("a \"title\" \xc3\xa9");
	info->state = CS_RUN_PROPOSED;
	info->base_commit = (struct cs_oid){ 20, { 1 } };
	info->base_tree = (struct cs_oid){ 20, { 2 } };
	info->change_commit = (struct cs_oid){ 20, { 3 } };
	info->change_tree = (struct cs_oid){ 20, { 4 } };
	memset(info->change_digest, 'a', 64);
	info->profile = cs_strdup("codex");
	info->author_name = cs_strdup("OpenAI Codex");
	info->author_email = cs_strdup("codex@agent.invalid");
	for (size_t i = 0; i < CS_COUNT(argv); i++)
		cs_strv_add(&info->argv, argv[i]);
	info->operator_name = cs_strdup("A <strange> name");
	info->operator_email = cs_strdup("a@example.org");
	info->started_ns = INT64_C(1790000000123456789);
	info->ended_ns = INT64_C(1790000003000000001);
	info->duration_ms = 2876;
	info->exit_code = 0;
	info->exit_reason = cs_strdup("exited");
	info->level = cs_strdup("full");
	info->worktree = cs_strdup("overlay");
	info->layers = cJSON_CreateObject();
	cs_json_add_bool(info->layers, "user", true);
	cs_strv_add(&info->not_enforced, "memory");
	memset(info->policy_digest, 'b', 64);
	cs_strv_add(&info->policy_sources, "built-in");
	info->counts.commands = 7;
	info->counts.lines_deleted = 9;
	cs_finding_add(&info->findings, "binary", "a/\xff", "%s", "4 bytes");
	info->events = 12;
	memset(info->trace_head, 'c', 64);
	info->pristine = cs_strdup("/x/tree");
	info->uid = 1000;
	info->gid = 1001;
}

static void print(struct cs_buf *out, const struct cs_run_info *info)
{
	AUTO_JSON cJSON *json = cs_run_info_to_json(info);

	cs_json_print(out, json, false);
}

START_TEST(run_json_survives_a_round_trip)
{
	AUTO_BUF struct cs_buf before = CS_BUF_INIT;
	AUTO_BUF struct cs_buf after = CS_BUF_INIT;
	AUTO_JSON cJSON *json = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_run_info info, again;

	fill_info(&info);
	print(&before, &info);
	ck_assert_int_eq(cs_json_parse(&json, before.data, before.len, &err), 0);
	cs_run_info_init(&again);
	ck_assert_msg(cs_run_info_from_json(&again, json, &err) == 0, "%s", err.msg);
	print(&after, &again);
	ck_assert_str_eq(before.data, after.data);
	ck_assert_str_eq(again.argv.v[2], info.argv.v[2]);
	ck_assert_str_eq(again.operator_email, "a@example.org");
	cs_run_info_release(&info);
	cs_run_info_release(&again);
}
END_TEST

/* The keys that others rely on: never renamed. */
static const char *const keys[] = {
	"id",
	"title",
	"state",
	"base.commit",
	"base.tree",
	"change.commit",
	"change.tree",
	"change.digest",
	"agent.profile",
	"agent.argv",
	"agent.version",
	"operator",
	"started",
	"ended",
	"duration_ms",
	"exit.code",
	"exit.reason",
	"sandbox.level",
	"sandbox.worktree",
	"sandbox.layers",
	"sandbox.not_enforced",
	"policy.digest",
	"policy.sources",
	"counts.commands",
	"counts.commands_failed",
	"counts.commands_denied",
	"counts.connections",
	"counts.connections_denied",
	"counts.files_changed",
	"counts.lines_added",
	"counts.lines_deleted",
	"counts.findings",
	"findings",
	"trace.events",
	"trace.head",
};

START_TEST(run_json_has_every_key)
{
	AUTO_JSON cJSON *json = NULL;
	AUTO_FREE char *path = cs_strdup(keys[_i]);
	struct cs_run_info info;
	const cJSON *at;
	char *rest = path;

	fill_info(&info);
	json = cs_run_info_to_json(&info);
	at = json;
	for (char *key; (key = strsep(&rest, "."));)
		at = cJSON_GetObjectItemCaseSensitive(at, key);
	ck_assert_msg(at != NULL, "no %s", keys[_i]);
	cs_run_info_release(&info);
}
END_TEST

START_TEST(an_agent_cannot_make_run_json_unreadable)
{
	AUTO_FREE char *path = cs_malloc(4096);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_JSON cJSON *json = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_run_info info, again;

	memset(path, 0x01, 4095); /* \u0001 each: six times its size */
	path[4095] = '\0';
	fill_info(&info);
	for (int i = 0; i < 9000; i++)
		cs_finding_add(&info.findings, "binary", path, "%s", path);
	for (int i = 0; i < 3000; i++)
		cs_strv_add(&info.argv, path);
	print(&text, &info);
	ck_assert_msg(cs_json_parse(&json, text.data, text.len, &err) == 0, "%s", err.msg);
	cs_run_info_init(&again);
	ck_assert_int_eq(cs_run_info_from_json(&again, json, &err), 0);
	ck_assert_str_eq(again.findings.list[again.findings.n - 1].kind, "truncated");
	ck_assert_uint_eq(again.findings.n + again.findings.dropped, 9001);
	ck_assert_int_gt(cs_json_int(cJSON_GetObjectItem(json, "agent"), "argv_omitted", 0), 0);
	cs_run_info_release(&info);
	cs_run_info_release(&again);
}
END_TEST

static const char *const bad_runs[] = {
	"{}",
	"[]",
	"{\"schema\":\"countersign.run/v2\",\"id\":\"" ID "\"}",
	"{\"schema\":\"countersign.run/v1\",\"id\":\"../../etc\"}",
	"{\"schema\":\"countersign.run/v1\",\"id\":\"0123456789ABCDEF0123456789ABCDEF\"}",
	"{\"schema\":\"countersign.run/v1\",\"id\":7}",
};

START_TEST(foreign_run_json_is_refused)
{
	AUTO_JSON cJSON *json = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_run_info info;

	cs_run_info_init(&info);
	ck_assert_int_eq(cs_json_parse(&json, bad_runs[_i], strlen(bad_runs[_i]), &err), 0);
	ck_assert_int_eq(cs_run_info_from_json(&info, json, &err), CS_CORRUPT);
	cs_run_info_release(&info);
}
END_TEST

START_TEST(wrong_types_stay_unknown)
{
	static const char text[] =
		"{\"schema\":\"countersign.run/v1\",\"id\":\"" ID
		"\",\"title\":[1],\"state\":\"won\","
		"\"base\":7,\"change\":{\"commit\":\"zz\",\"digest\":\"AA\"},\"agent\":[],"
		"\"operator\":3,"
		"\"started\":\"soon\",\"exit\":{\"code\":\"x\"},\"sandbox\":{\"layers\":3},"
		"\"counts\":{\"commands\":\"many\"},\"findings\":[7,{},{\"kind\":[]}],\"trace\":"
		"null}";
	AUTO_JSON cJSON *json = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_run_info info;

	cs_run_info_init(&info);
	ck_assert_msg(cs_json_parse(&json, text, sizeof(text) - 1, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(cs_run_info_from_json(&info, json, &err), 0);
	ck_assert_int_eq(info.state, CS_RUN_FAILED);
	ck_assert_ptr_null(info.title);
	ck_assert_uint_eq(info.base_commit.len, 0);
	ck_assert_uint_eq(info.change_commit.len, 0);
	ck_assert_str_eq(info.change_digest, "");
	ck_assert_int_eq(info.started_ns, 0);
	ck_assert_int_eq(info.exit_code, -1);
	ck_assert_int_eq(info.counts.commands, 0);
	ck_assert_uint_eq(info.findings.n, 3);
	cs_run_info_release(&info);
}
END_TEST

/* ---- loading from a directory ------------------------------------------------------------ */

START_TEST(state_of_a_directory)
{
	struct cs_run_dir run = CS_RUN_DIR_INIT;
	struct cs_err err = CS_ERR_INIT;
	int runs_fd = cs_runs_open(dir, &err);
	struct cs_run_info info, loaded;
	char id[CS_RUN_ID_HEX];

	fill_info(&info);
	cs_run_info_init(&loaded);
	create(&run);
	memcpy(id, run.id, sizeof(id));
	/* Before run.json is there. */
	ck_assert_int_eq(cs_run_dir_load(&loaded, runs_fd, id, &err), 0);
	ck_assert_int_eq(loaded.state, CS_RUN_RUNNING);
	ck_assert_str_eq(loaded.id, id);
	/* With it. */
	memcpy(info.id, id, sizeof(id));
	info.state = CS_RUN_RUNNING;
	ck_assert_msg(cs_run_dir_save(&run, &info, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(cs_run_dir_load(&loaded, runs_fd, id, &err), 0);
	ck_assert_int_eq(loaded.state, CS_RUN_RUNNING);
	ck_assert_str_eq(loaded.title, info.title);
	ck_assert_str_eq(loaded.pristine, "/x/tree");
	ck_assert_uint_eq(loaded.uid, 1000);
	ck_assert_uint_eq(loaded.gid, 1001);
	/* The supervisor dies. */
	cs_run_dir_close(&run);
	ck_assert_int_eq(cs_run_dir_load(&loaded, runs_fd, id, &err), 0);
	ck_assert_int_eq(loaded.state, CS_RUN_INTERRUPTED);
	/* A power cut has emptied it. */
	ck_assert_int_eq(cs_run_dir_open(&run, dir, id, &err), 0);
	ck_assert_int_eq(cs_write_file(run.fd, "run.json", "", 0, 0600, &err), 0);
	cs_run_dir_close(&run);
	ck_assert_int_eq(cs_run_dir_load(&loaded, runs_fd, id, &err), 0);
	ck_assert_int_eq(loaded.state, CS_RUN_INTERRUPTED);
	ck_assert_ptr_null(loaded.title);
	cs_run_info_release(&info);
	cs_run_info_release(&loaded);
	close(runs_fd);
}
END_TEST

/* ---- messages ---------------------------------------------------------------------------- */

/* What git takes for trailers of a message, one a line. */
static void parse_trailers(struct cs_buf *out, const struct cs_buf *message)
{
	const char *const argv[] = { "/usr/bin/git", "interpret-trailers", "--parse", NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", "HOME=/nonexistent",
				    "GIT_CONFIG_NOSYSTEM=1", NULL };
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status;

	spec.argv = argv;
	spec.env = env;
	spec.input = message->data;
	spec.input_len = message->len;
	ck_assert_msg(cs_spawn_capture(out, NULL, &status, &spec, &err) == 0 && status == 0, "%s",
		      err.msg);
}

/* What an agent may write to look like somebody else, or to hide who it was. */
static const struct {
	const char *name, *title, *message;
} forgeries[] = {
	{ "plain", "fix", "fix the test" },
	{ "trailers", "fix", "fix\n\nAgent-Run: forged\nSigned-off-by: Human <h@example.org>\n" },
	{ "only trailers", "fix", "Signed-off-by: Human <h@example.org>\n" },
	{ "divider", "fix", "fix\n\nReviewed-by: Human <h@example.org>\n---\nnothing" },
	{ "divider first", "fix", "---\nAgent-Run: forged" },
	{ "carriage returns", "fix", "fix\r\rSigned-off-by: Human <h@example.org>\r" },
	{ "CRLF", "fix", "fix\r\n\r\nSigned-off-by: Human <h@example.org>\r\n" },
	{ "blank ends", "fix", "\n\n  \nSigned-off-by: Human <h@example.org>\n\n\n\n" },
	{ "scissors", "fix", "x\n# ------------------------ >8 ------------------------\ny" },
	{ "comment", "fix", "#\n# Signed-off-by: Human <h@example.org>\n" },
	{ "title with trailers", "fix\n\nSigned-off-by: Human <h@example.org>", "x" },
	{ "title is a divider", "--- a/b", "x" },
	{ "title is dashes in disguise", "---\x14------ --- x", "x" },
	{ "title is a trailer", "Signed-off-by: Human <h@example.org>", "x" },
	{ "title of controls", "\r\x1b[2J\ta  b\x7f", "x" },
	{ "no title", NULL, "x" },
	{ "empty", "", "" },
};

START_TEST(git_sees_our_trailers_and_no_others)
{
	static const char want[] = "Agent-Run: " ID "\nAssisted-by: codex\n";
	struct cs_agent_commit commits[2] = { { .oid = "1" }, { .oid = "2" } };
	AUTO_BUF struct cs_buf message = CS_BUF_INIT;
	AUTO_BUF struct cs_buf trailers = CS_BUF_INIT;
	struct cs_run_info info;

	fill_info(&info);
	free(info.title);
	info.title = forgeries[_i].title ? cs_strdup(forgeries[_i].title) : NULL;
	for (size_t i = 0; i < CS_COUNT(commits); i++)
		commits[i].message = cs_strdup(forgeries[_i].message);
	for (size_t n = 0; n <= CS_COUNT(commits); n++) {
		cs_buf_truncate(&message, 0);
		cs_buf_truncate(&trailers, 0);
		cs_change_message(&message, &info, commits, n);
		parse_trailers(&trailers, &message);
		ck_assert_msg(!strcmp(trailers.data, want), "%s, %zu commits: '%s' of:\n%s",
			      forgeries[_i].name, n, trailers.data, message.data);
		ck_assert_msg(message.data[0] != '\n' && message.data[0] != ' ', "%s: no title",
			      forgeries[_i].name);
		ck_assert_msg(!memchr(message.data, '\r', message.len), "%s: CR",
			      forgeries[_i].name);
	}
	for (size_t i = 0; i < CS_COUNT(commits); i++)
		free(commits[i].message);
	cs_run_info_release(&info);
}
END_TEST

START_TEST(messages_are_kept_and_capped)
{
	enum { N = 100 };
	AUTO_FREE char *big = cs_malloc(10001);
	AUTO_BUF struct cs_buf message = CS_BUF_INIT;
	struct cs_agent_commit commits[N];
	struct cs_run_info info;

	fill_info(&info);
	commits[0].message = cs_strdup("first line\n\nbody\n");
	cs_change_message(&message, &info, commits, 1);
	ck_assert_ptr_nonnull(strstr(message.data, "\n  * first line\n\n    body\n\nAgent-Run: "));
	free(commits[0].message);

	memset(big, 'a', 10000);
	big[10000] = '\0';
	for (size_t i = 0; i < N; i++)
		commits[i].message = big;
	cs_buf_truncate(&message, 0);
	cs_change_message(&message, &info, commits, N);
	ck_assert_uint_lt(message.len, 70000);
	ck_assert_ptr_nonnull(strstr(message.data, "(94 more)"));
	cs_run_info_release(&info);
}
END_TEST

START_TEST(titles_are_cut_between_characters)
{
	AUTO_BUF struct cs_buf title = CS_BUF_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	for (int pad = 0; pad < 4; pad++) {
		cs_buf_truncate(&title, 0);
		cs_buf_truncate(&out, 0);
		for (int i = 0; i < pad; i++)
			cs_buf_addc(&title, 'x');
		while (title.len < 400)
			cs_buf_adds(&title, "\xe2\x82\xac");
		cs_title_clean(&out, title.data);
		ck_assert_msg(cs_utf8_valid(out.data, out.len), "pad %d", pad);
		ck_assert_uint_ge(out.len, 197);
		ck_assert_uint_le(out.len, 200);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record");
	TCase *tc = tcase_create("record");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, log_is_a_chain);
	tcase_add_test(tc, log_goes_on_where_it_was);
	tcase_add_test(tc, any_flipped_bit_is_seen);
	tcase_add_test(tc, removed_and_swapped_lines_are_seen);
	tcase_add_loop_test(tc, bad_ends_are_cut_and_told, 0, CS_COUNT(tails));
	tcase_add_test(tc, cut_at_every_byte_keeps_whole_lines);
	tcase_add_test(tc, what_no_line_can_hold_is_told_by_digest);
	tcase_add_test(tc, a_full_disk_leaves_no_half_line);
	tcase_add_test(tc, a_full_log_counts_and_ends);
	tcase_add_test(tc, a_log_that_is_a_link_is_refused);
	tcase_add_test(tc, a_run_directory_is_private_and_locked);
	tcase_add_test(tc, a_lock_goes_with_its_holder);
	tcase_add_test(tc, a_glance_does_not_disturb);
	tcase_add_test(tc, only_dead_leftovers_are_swept);
	tcase_add_test(tc, removal_takes_everything);
	tcase_add_test(tc, run_json_survives_a_round_trip);
	tcase_add_loop_test(tc, run_json_has_every_key, 0, CS_COUNT(keys));
	tcase_add_test(tc, an_agent_cannot_make_run_json_unreadable);
	tcase_add_loop_test(tc, foreign_run_json_is_refused, 0, CS_COUNT(bad_runs));
	tcase_add_test(tc, wrong_types_stay_unknown);
	tcase_add_test(tc, state_of_a_directory);
	tcase_add_loop_test(tc, git_sees_our_trailers_and_no_others, 0, CS_COUNT(forgeries));
	tcase_add_test(tc, messages_are_kept_and_capped);
	tcase_add_test(tc, titles_are_cut_between_characters);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
