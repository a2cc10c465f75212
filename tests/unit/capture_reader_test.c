/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of the pipe. A reader that was taken over says what it likes: the writer must refuse.
 * And layers that no ordinary edit makes: the reader must cope.
 */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include "../../lib/capture/run.h"
#include "capture_world.h"

/* ---- readers that lie ------------------------------------------------------------------------ */

static int put(struct reader *r, const void *data, size_t len)
{
	return cs_write_all(r->out_fd, data, len);
}

static void put_frame(struct reader *r, struct frame f)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	frame_format(&out, &f);
	(void)!put(r, out.data, out.len);
}

static void put_file(struct reader *r, const char *path, uint64_t size,
		     const struct text_stats *text)
{
	struct text_stats plain = { .printable = size };

	put_frame(r, (struct frame){ .type = FRAME_FILE,
				     .path = path,
				     .path_len = strlen(path),
				     .data = (const char *)(text ? text : &plain),
				     .data_len = sizeof(plain),
				     .size = size });
}

static void put_path(struct reader *r, enum frame_type type, const char *path)
{
	put_frame(r, (struct frame){ .type = type, .path = path, .path_len = strlen(path) });
}

static void put_link(struct reader *r, const char *path, const char *target, size_t len)
{
	put_frame(r, (struct frame){ .type = FRAME_LINK,
				     .path = path,
				     .path_len = strlen(path),
				     .data = target,
				     .data_len = len });
}

static void put_end(struct reader *r, uint64_t n)
{
	put_frame(r, (struct frame){ .type = FRAME_END, .size = n });
}

static void put_data(struct reader *r, const char *data)
{
	put_frame(r, (struct frame){ .type = FRAME_DATA, .data = data, .data_len = strlen(data) });
}

static void nothing(struct reader *r)
{
	(void)r;
}

static void crash(struct reader *r)
{
	(void)r;
	__builtin_trap();
}

static void stall(struct reader *r)
{
	(void)r;
	poll(NULL, 0, -1);
}

static void stall_closed(struct reader *r)
{
	put_end(r, 0);
	close(r->out_fd);
	poll(NULL, 0, -1);
}

static void escape(struct reader *r)
{
	(void)r;
	execl("/bin/true", "true", (char *)NULL);
}

static void noise(struct reader *r)
{
	static const char bytes[4096] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

	(void)!put(r, bytes, sizeof(bytes));
}

static void half_a_frame(struct reader *r)
{
	struct frame f = { .type = FRAME_END };
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	frame_format(&out, &f);
	(void)!put(r, out.data, out.len - 1);
}

static void good_then_more(struct reader *r)
{
	put_end(r, 0);
	put_data(r, "x");
}

static void wrong_count(struct reader *r)
{
	put_path(r, FRAME_DELETE, "one");
	put_end(r, 2);
}

static void twice(struct reader *r)
{
	put_link(r, "a", "b", 1);
	put_link(r, "a", "b", 1);
	put_end(r, 2);
}

static void deleted_twice(struct reader *r)
{
	put_path(r, FRAME_DELETE, "one");
	put_path(r, FRAME_DELETE, "one");
	put_end(r, 2);
}

static void below_a_file(struct reader *r)
{
	put_link(r, "a", "b", 1);
	put_link(r, "a-b", "b", 1);
	put_link(r, "a/b", "b", 1);
	put_end(r, 3);
}

static void nul_in_target(struct reader *r)
{
	put_link(r, "a", "b\0c", 3);
	put_end(r, 1);
}

static void too_little(struct reader *r)
{
	put_file(r, "a", 5, NULL);
	put_end(r, 1);
	put_data(r, "1234");
}

static void too_much(struct reader *r)
{
	put_file(r, "a", 3, NULL);
	put_end(r, 1);
	put_data(r, "1234");
}

static void list_in_content(struct reader *r)
{
	put_file(r, "a", 3, NULL);
	put_end(r, 1);
	put_path(r, FRAME_DELETE, "one");
}

static void wrong_stats(struct reader *r)
{
	struct text_stats stats = { .printable = 2, .crlf = 1 };

	put_file(r, "a.txt", 4, &stats);
	put_end(r, 1);
	put_data(r, "abcd");
}

static void impossible_stats(struct reader *r)
{
	struct text_stats stats = { .crlf = 3 };

	put_file(r, "a.txt", 4, &stats);
	put_end(r, 1);
}

static void endless_sizes(struct reader *r)
{
	put_file(r, "a", UINT64_MAX, NULL);
	put_file(r, "b", UINT64_MAX, NULL);
	put_end(r, 2);
}

static void two_heads(struct reader *r)
{
	static const char hex[] = "0123456789012345678901234567890123456789";

	for (int i = 0; i < 2; i++)
		put_frame(r, (struct frame){ .type = FRAME_HEAD, .data = hex, .data_len = 40 });
	put_end(r, 2);
}

static void head_is_no_id(struct reader *r)
{
	static const char hex[] = "../../../../../../../../../../../../../../../../../../";

	put_frame(r, (struct frame){ .type = FRAME_HEAD, .data = hex, .data_len = 40 });
	put_end(r, 1);
}

static void no_finding(struct reader *r)
{
	put_frame(r, (struct frame){ .type = FRAME_FINDING, .flag = 0 });
	put_end(r, 1);
}

static void error_frame(struct reader *r)
{
	static const char text[] = "disk on \033[31mfire";

	put_frame(r,
		  (struct frame){
			  .type = FRAME_ERROR, .flag = 8, .data = text, .data_len = strlen(text) });
}

static void error_of_no_code(struct reader *r)
{
	put_frame(r, (struct frame){ .type = FRAME_ERROR, .flag = 60, .data = "x", .data_len = 1 });
}

static const struct {
	const char *name;
	void (*fn)(struct reader *r);
	int code;
	const char *message;
} liars[] = {
	{ "ends at once", nothing, CS_CORRUPT, "ended too early" },
	{ "crashes", crash, CS_CORRUPT, "killed: Illegal instruction" },
	{ "hangs", stall, CS_LIMIT, "not ready after 1 s" },
	{ "hangs with its pipe closed", stall_closed, CS_CORRUPT, "ended badly" },
	{ "runs a program", escape, CS_CORRUPT, "killed: Bad system call" },
	{ "noise", noise, CS_CORRUPT, "a frame that is none" },
	{ "half a frame", half_a_frame, CS_CORRUPT, "ended too early" },
	{ "more after the end", good_then_more, CS_CORRUPT, "more than it said" },
	{ "wrong count", wrong_count, CS_CORRUPT, "another length" },
	{ "a path twice", twice, CS_CORRUPT, "a path twice" },
	{ "deleted twice", deleted_twice, CS_CORRUPT, "a path twice" },
	{ "below a file", below_a_file, CS_CORRUPT, "a path below a file" },
	{ "NUL in a target", nul_in_target, CS_CORRUPT, "link target" },
	{ "too little content", too_little, CS_CORRUPT, "ended too early" },
	{ "too much content", too_much, CS_CORRUPT, "other content" },
	{ "a list frame among contents", list_in_content, CS_CORRUPT, "other content" },
	{ "other line ends than said", wrong_stats, CS_CORRUPT, "other content" },
	{ "more line ends than bytes", impossible_stats, CS_CORRUPT, "more line ends" },
	{ "sizes that overflow", endless_sizes, CS_CORRUPT, "too large" },
	{ "two HEADs", two_heads, CS_CORRUPT, "a HEAD" },
	{ "HEAD is no id", head_is_no_id, CS_CORRUPT, "a HEAD" },
	{ "a finding that is none", no_finding, CS_CORRUPT, "a finding that is none" },
	{ "an error of its own", error_frame, CS_LIMIT, "reader: disk on \\e[31mfire" },
	{ "an error that is none", error_of_no_code, CS_CORRUPT, "reader: x" },
};

/* The child inherits which one it is. */
static size_t liar;

static int lie(struct reader *r, struct cs_err *err)
{
	(void)err;
	liars[liar].fn(r);
	return 0;
}

static void small_world(struct world *w, bool overlay)
{
	world_init(w, overlay);
	world_sh(NULL, "cd base; echo one > one; mkdir d; echo e > d/e; echo '*.txt text' > "
		       ".gitattributes; echo '*.o' > .gitignore");
	world_commit(w);
}

START_TEST(liars_are_refused)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_capture_opts opts;
	struct world w;
	int rc, fds;

	small_world(&w, true);
	liar = (size_t)_i;
	opts = world_opts(&w);
	opts.deadline_ms = 1000;
	fds = unit_count_fds();
	rc = capture_run(&w.capture, &opts, lie, reader_commits, &err);
	ck_assert_msg(rc == liars[_i].code && strstr(err.msg, liars[_i].message), "%s: %d %s",
		      liars[_i].name, rc, err.msg);
	ck_assert_int_eq(unit_count_fds(), fds);
	ck_assert_int_eq(waitpid(-1, NULL, 0), -1);
	world_release(&w);
}
END_TEST

static const char *const bad_paths[] = {
	"/etc/passwd", "..",	 "../x",   "a/../b", "a//b",	"a/",	    ".",       "./a",
	".git",	       ".git/x", ".GIT/x", "a/.git", "git~1/x", ".git ./x", "a\\.git", ".g\u200cit",
};

static size_t bad_path;

static int send_bad_path(struct reader *r, struct cs_err *err)
{
	static const enum frame_type types[] = { FRAME_FILE, FRAME_LINK, FRAME_DELETE };
	enum frame_type type = types[bad_path % 3];
	const char *path = bad_paths[bad_path / 3];

	(void)err;
	if (type == FRAME_FILE)
		put_file(r, path, 0, NULL);
	else if (type == FRAME_LINK)
		put_link(r, path, "x", 1);
	else
		put_path(r, type, path);
	put_end(r, 1);
	return 0;
}

START_TEST(bad_paths_are_refused)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_capture_opts opts;
	struct world w;

	small_world(&w, true);
	opts = world_opts(&w);
	for (bad_path = 0; bad_path < 3 * CS_COUNT(bad_paths); bad_path++) {
		int rc = capture_run(&w.capture, &opts, send_bad_path, reader_commits, &err);

		ck_assert_msg(rc == CS_CORRUPT && strstr(err.msg, "a path that no tree may hold"),
			      "%s: %d %s", bad_paths[bad_path / 3], rc, err.msg);
	}
	world_release(&w);
}
END_TEST

/* What the list of commits does is never a failure. */
START_TEST(commits_may_fail)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_capture_opts opts;
	struct world w;
	int rc;

	small_world(&w, true);
	world_script(&w, "git commit -q --allow-empty -m c1; echo x > x");
	liar = (size_t)_i;
	opts = world_opts(&w);
	opts.deadline_ms = 1000;
	rc = capture_run(&w.capture, &opts, reader_main, lie, &err);
	ck_assert_msg(!rc, "%s: %s", liars[_i].name, err.msg);
	ck_assert_uint_eq(w.capture.n_commits, 0);
	ck_assert_uint_eq(w.capture.findings.n, 1);
	ck_assert_str_eq(w.capture.findings.list[0].kind, "agent-commits");
	ck_assert(!cs_oid_equal(&w.capture.tree, &w.tree));
	world_release(&w);
}
END_TEST

/* ---- layers ---------------------------------------------------------------------------------- */

static void expect(struct world *w, const char *diff, const char *findings)
{
	AUTO_BUF struct cs_buf got_diff = CS_BUF_INIT;
	AUTO_BUF struct cs_buf got_findings = CS_BUF_INIT;
	struct cs_capture_opts opts = world_opts(w);

	world_capture(w, &opts);
	world_diff(&got_diff, w);
	world_findings(&got_findings, w);
	ck_assert_str_eq(got_diff.data, diff);
	ck_assert_str_eq(got_findings.data, findings);
}

/* What newer kernels write where a whiteout is in a directory of an overlay's lower layer. */
static void xattr_whiteout(void *arg)
{
	int fd = open("../upper/d/e", O_CREAT | O_WRONLY, 0644);

	(void)arg;
	if (fd < 0 || setxattr("../upper/d", "user.overlay.opaque", "x", 1, 0) ||
	    setxattr("../upper/d/e", "user.overlay.whiteout", "", 0, 0))
		_exit(1);
}

START_TEST(whiteouts_by_attribute)
{
	struct world w;

	small_world(&w, true);
	world_sh(NULL, "mkdir upper/d; chmod 777 upper/d");
	if (geteuid() == 0)
		world_sh(NULL, "chown 1234:1234 upper/d");
	world_edit(&w, xattr_whiteout, NULL);
	expect(&w, "D d/e\n", "");
	world_release(&w);
}
END_TEST

/* An agent that writes overlayfs's own attributes deletes nothing with them. */
static void own_attributes(void *arg)
{
	(void)arg;
	(void)!setxattr("d", "user.overlay.opaque", "y", 1, 0);
	(void)!setxattr("d/e", "user.overlay.whiteout", "", 0, 0);
	(void)!mknod("null", S_IFCHR | 0600, makedev(0, 0));
}

START_TEST(attributes_of_the_agent)
{
	struct world w;

	small_world(&w, _i == 0);
	world_edit(&w, own_attributes, NULL);
	/* Outside of an overlay anybody may make such a device; it is no deletion there. */
	if (w.overlay)
		expect(&w, "", "");
	else
		expect(&w, "", access("copy/null", F_OK) ? "" : "special-file null\n");
	world_release(&w);
}
END_TEST

static void every_byte(void *arg)
{
	(void)arg;
	for (int c = 1; c < 256; c++) {
		char name[4] = { 'x', (char)c, 'y', 0 };
		int fd;

		if (c == '/')
			continue;
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0 || write(fd, name, 3) != 3 || close(fd))
			_exit(1);
	}
}

START_TEST(names_of_every_byte)
{
	AUTO_BUF struct cs_buf expected = CS_BUF_INIT;
	char hex[CS_OID_HEX];
	struct cs_capture_opts opts;
	struct world w;

	small_world(&w, _i == 0);
	world_edit(&w, every_byte, NULL);
	opts = world_opts(&w);
	world_capture(&w, &opts);
	world_sh(&expected, "export GIT_DIR=repo/.git GIT_INDEX_FILE=$PWD/index GIT_WORK_TREE=seen;"
			    "git add -A; git write-tree");
	cs_buf_truncate(&expected, expected.len - 1);
	ck_assert_str_eq(cs_oid_hex(hex, &w.capture.tree), expected.data);
	ck_assert_uint_eq(w.capture.files, 254);
	world_release(&w);
}
END_TEST

#define DEPTH 5000

static void deep(void *arg)
{
	int fd = open(".", O_RDONLY);

	(void)arg;
	for (int i = 0; i < DEPTH; i++) {
		int next;

		if (mkdirat(fd, "d", 0755) && errno != EEXIST)
			_exit(1);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		if (next < 0)
			_exit(2);
		if (i == 1000 && close(openat(next, "file", O_CREAT | O_WRONLY, 0644)))
			_exit(3);
		close(fd);
		fd = next;
	}
	_exit(close(openat(fd, "file", O_CREAT | O_WRONLY, 0644)) != 0);
}

/* The tree is deeper than a path is long: nothing of it is lost but what is too deep. */
START_TEST(deep_tree)
{
	struct rlimit few = { 40, 40 };
	struct cs_capture_opts opts;
	struct world w;

	small_world(&w, _i == 0);
	world_edit(&w, deep, NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	opts = world_opts(&w);
	world_capture(&w, &opts);
	ck_assert_uint_eq(w.capture.files, 1);
	ck_assert_uint_eq(w.capture.findings.n, 1);
	ck_assert_str_eq(w.capture.findings.list[0].kind, "too-deep");
	ck_assert_uint_eq(strlen(w.capture.findings.list[0].path), 2047);
	world_release(&w);
}
END_TEST

/* Directories of mode 000 in each other, more than are opened up. */
static void closed(void *arg)
{
	char path[256] = "";

	(void)arg;
	for (int i = 0; i < 12; i++) {
		size_t len = strlen(path);

		snprintf(path + len, sizeof(path) - len, "%sx", i ? "/" : "");
		if (mkdir(path, 0755))
			_exit(1);
	}
	for (char *end = path + strlen(path); end > path; end -= 2) {
		*end = '\0';
		if (chmod(path, 0))
			_exit(2);
	}
}

START_TEST(closed_directories)
{
	struct world w;

	small_world(&w, _i == 0);
	world_edit(&w, closed, NULL);
	expect(&w, "", "unreadable x/x/x/x/x/x/x/x\n");
	/* It goes on where it stopped. */
	expect(&w, "", "empty-directory x/x/x/x/x/x/x/x/x/x/x/x\n");
	world_release(&w);
}
END_TEST

START_TEST(closed_top)
{
	struct world w;

	small_world(&w, _i == 0);
	world_script(&w, "echo n > n; chmod 000 .");
	expect(&w, "A n\n", "");
	world_release(&w);
}
END_TEST

/* Only what a reader in need of rights says may be opened up, and only in the layer. */
static int ask_for_rights(struct reader *r, struct cs_err *err)
{
	(void)err;
	put_path(r, FRAME_CLOSED, "link");
	put_path(r, FRAME_CLOSED, "link/secret");
	put_end(r, 2);
	return 0;
}

START_TEST(rights_stay_in_the_layer)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_capture_opts opts;
	struct stat st;
	struct world w;

	small_world(&w, true);
	world_script(&w,
		     "mkdir ../seen/out; echo s > ../seen/out/secret; chmod 000 ../seen/out/secret;"
		     "ln -s ../seen/out link");
	opts = world_opts(&w);
	ck_assert_msg(!capture_run(&w.capture, &opts, ask_for_rights, reader_commits, &err), "%s",
		      err.msg);
	ck_assert_int_eq(stat("seen/out/secret", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0);
	ck_assert_uint_eq(w.capture.findings.n, 2);
	world_release(&w);
}
END_TEST

START_TEST(no_layer)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_capture_opts opts;
	struct world w;

	small_world(&w, true);
	opts = world_opts(&w);
	opts.layer = "nowhere";
	ck_assert_int_eq(cs_capture(&w.capture, &opts, &err), CS_MALFUNCTION);
	ck_assert_str_eq(err.msg, "capture: open nowhere: No such file or directory");
	world_release(&w);
}
END_TEST

static TCase *add_case(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	return t;
}

int main(void)
{
	Suite *s = suite_create("capture_reader");
	TCase *t = add_case(s, "liars");

	tcase_add_loop_test(t, liars_are_refused, 0, CS_COUNT(liars));
	tcase_add_test(t, bad_paths_are_refused);
	tcase_add_loop_test(t, commits_may_fail, 0, CS_COUNT(liars));
	t = add_case(s, "layers");
	tcase_add_test(t, whiteouts_by_attribute);
	tcase_add_loop_test(t, attributes_of_the_agent, 0, 2);
	tcase_add_loop_test(t, names_of_every_byte, 0, 2);
	tcase_add_loop_test(t, deep_tree, 0, 2);
	tcase_add_loop_test(t, closed_directories, 0, 2);
	tcase_add_loop_test(t, closed_top, 0, 2);
	tcase_add_test(t, rights_stay_in_the_layer);
	tcase_add_test(t, no_layer);
	return unit_run(s);
}
