/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include "countersign/base/file.h"
#include "countersign/base/own.h"
#include "unit.h"

#define SH(script)                            \
	(const char *const[])                 \
	{                                     \
		"/bin/sh", "-c", script, NULL \
	}

/* No child of ours is left, dead or alive. */
static void ck_no_children(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

/* Runs and wants success; returns the standard output, which the caller frees. */
static char *output_of(const struct cs_spawn *spec)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status;
	int rc = cs_spawn_capture(&out, NULL, &status, spec, &err);

	ck_assert_msg(rc == 0, "%s", err.msg);
	ck_assert_int_eq(status, 0);
	ck_no_children();
	return cs_buf_take(&out);
}

/* ---- results ----------------------------------------------------------------------------- */

static const struct {
	const char *script;
	int status;
	const char *out;
	const char *errout;
} scripts[] = {
	{ "exit 0", 0, "", "" },
	{ "exit 7", 7 << 8, "", "" },
	{ "kill -KILL $$", SIGKILL, "", "" },
	{ "kill -TERM $$", SIGTERM, "", "" },
	{ "echo out; echo err >&2", 0, "out\n", "err\n" },
	{ "echo err >&2; exit 1", 1 << 8, "", "err\n" },
	{ "exec >&-; echo err >&2", 0, "", "err\n" },
	{ "cat", 0, "", "" },
	{ "exec 0<&- 1>&- 2>&-; exit 3", 3 << 8, "", "" },
};

START_TEST(status_and_output)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int before = unit_count_fds();
	int status = -1;
	int rc;

	cs_buf_adds(&out, "before:");
	spec.argv = SH(scripts[_i].script);
	rc = cs_spawn_capture(&out, &errout, &status, &spec, &err);
	ck_assert_msg(rc == 0, "%s: %s", scripts[_i].script, err.msg);
	ck_assert_msg(status == scripts[_i].status, "%s: %#x", scripts[_i].script, status);
	ck_assert_msg(!strcmp(out.data + 7, scripts[_i].out), "%s: %s", scripts[_i].script,
		      out.data);
	ck_assert_msg(!strcmp(errout.data, scripts[_i].errout), "%s: %s", scripts[_i].script,
		      errout.data);
	ck_assert_int_eq(unit_count_fds(), before);
	ck_no_children();
}
END_TEST

static const struct {
	const char *argv0;
	const char *cwd;
	int want;
	int sys_errno;
} failures[] = {
	{ "/nonexistent/program", NULL, CS_NOTFOUND, ENOENT },
	{ "/etc/passwd", NULL, CS_MALFUNCTION, EACCES },
	{ "/etc", NULL, CS_MALFUNCTION, EACCES },
	{ "/etc/passwd/x", NULL, CS_MALFUNCTION, ENOTDIR },
	{ "/bin/true", "/nonexistent", CS_MALFUNCTION, ENOENT },
	{ "true", NULL, CS_USAGE, 0 },
	{ "./true", NULL, CS_USAGE, 0 },
	{ "", NULL, CS_USAGE, 0 },
	{ NULL, NULL, CS_USAGE, 0 },
};

START_TEST(failures_name_the_program)
{
	const char *const argv[] = { failures[_i].argv0, NULL };
	const char *name = argv[0] ? argv[0] : "";
	struct cs_spawn spec = CS_SPAWN_INIT;
	int before = unit_count_fds();

	spec.argv = argv;
	spec.cwd = failures[_i].cwd;
	for (int capture = 0; capture < 2; capture++) {
		AUTO_BUF struct cs_buf out = CS_BUF_INIT;
		struct cs_err err = CS_ERR_INIT;
		int status = 77;
		pid_t pid = 77;
		int rc = capture ? cs_spawn_capture(&out, NULL, &status, &spec, &err)
				 : cs_spawn_start(&pid, &spec, &err);

		ck_assert_msg(rc == failures[_i].want && (int)err.code == rc, "%s: %d", name, rc);
		ck_assert_msg(err.sys_errno == failures[_i].sys_errno, "%s: errno %d", name,
			      err.sys_errno);
		ck_assert_msg(strstr(err.msg, name) != NULL, "%s: %s", name, err.msg);
		if (spec.cwd)
			ck_assert_ptr_nonnull(strstr(err.msg, spec.cwd));
		ck_assert_int_eq(pid, 77);
		ck_assert_int_eq(status, 77);
		ck_assert_int_eq(unit_count_fds(), before);
		ck_no_children();
	}
}
END_TEST

/* ---- bytes ------------------------------------------------------------------------------- */

static char *pattern(size_t n)
{
	char *data = cs_malloc(n);

	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 131 >> 3); /* NULs among them */
	return data;
}

static const size_t lengths[] = { 0, 1, 4096, 65536, 65537, 8 << 20 };

/* Far more than a pipe holds, in both directions at once. */
START_TEST(feeds_and_drains_at_once)
{
	size_t n = lengths[_i];
	AUTO_FREE char *input = pattern(n);
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	int status;

	spec.argv = SH("tee /dev/stderr");
	spec.input = input;
	spec.input_len = n;
	ck_assert_int_eq(cs_spawn_capture(&out, &errout, &status, &spec, NULL), 0);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(out.len, n);
	ck_assert_uint_eq(errout.len, n);
	ck_assert_int_eq(memcmp(out.data, input, n), 0);
	ck_assert_int_eq(memcmp(errout.data, input, n), 0);
}
END_TEST

/* SIGPIPE would end this test; a SIGPIPE left pending would end it at the end of the call. */
START_TEST(input_need_not_be_read)
{
	AUTO_FREE char *input = pattern(1 << 20);
	struct cs_spawn spec = CS_SPAWN_INIT;
	AUTO_FREE char *out = NULL;
	sigset_t set;

	signal(SIGPIPE, SIG_DFL);
	spec.argv = SH("exec <&-; echo done; exit 0");
	spec.input = input;
	spec.input_len = 1 << 20;
	out = output_of(&spec);
	ck_assert_str_eq(out, "done\n");
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
	ck_assert(!sigismember(&set, SIGPIPE));
	ck_assert_int_eq(sigpending(&set), 0);
	ck_assert(!sigismember(&set, SIGPIPE));
}
END_TEST

static const struct {
	const char *name;
	size_t max;
	bool on_stderr;
	int want;
} limits[] = {
	{ "more room", 1001, false, 0 },
	{ "exactly", 1000, false, 0 },
	{ "one byte short", 999, false, CS_LIMIT },
	{ "one", 1, false, CS_LIMIT },
	{ "exactly, stderr", 1000, true, 0 },
	{ "short, stderr", 999, true, CS_LIMIT },
};

START_TEST(output_has_a_maximum)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status;
	int rc;

	cs_buf_adds(&out, "before");
	/* What is refused would go on for ever. */
	spec.argv = !limits[_i].want	   ? limits[_i].on_stderr ? SH("head -c1000 /dev/zero >&2")
								  : SH("head -c1000 /dev/zero")
			  : limits[_i].on_stderr ? SH("exec cat /dev/zero >&2")
					   : SH("exec cat /dev/zero");
	spec.max_output = limits[_i].max;
	rc = cs_spawn_capture(&out, &errout, &status, &spec, &err);
	ck_assert_msg(rc == limits[_i].want, "%s: %d %s", limits[_i].name, rc, err.msg);
	if (rc < 0) {
		ck_assert_str_eq(out.data, "before");
		ck_assert_uint_eq(errout.len, 0);
		ck_assert_ptr_nonnull(strstr(err.msg, "/bin/sh"));
	} else {
		ck_assert_uint_eq(out.len + errout.len, 6 + 1000);
	}
	ck_no_children();
}
END_TEST

START_TEST(input_has_a_maximum)
{
	struct cs_spawn spec = CS_SPAWN_INIT;
	int status;

	spec.argv = SH("exit 0");
	spec.input = "";
	spec.input_len = ((size_t)64 << 20) + 1; /* refused before it is looked at */
	ck_assert_int_eq(cs_spawn_capture(NULL, NULL, &status, &spec, NULL), CS_LIMIT);
}
END_TEST

START_TEST(a_deadline_ends_it)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status;

	spec.argv = SH("echo started; exec sleep 1000");
	spec.deadline_ms = 20;
	ck_assert_int_eq(cs_spawn_capture(&out, NULL, &status, &spec, &err), CS_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.msg, "20 ms"));
	ck_assert_uint_eq(out.len, 0);
	ck_no_children();
}
END_TEST

/* A program that closes its output and goes on is waited for all the same. */
START_TEST(the_end_is_the_end_of_the_program)
{
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	int status;

	spec.argv = SH("exec >&- 2>&-; exec sleep 1000");
	spec.deadline_ms = 20;
	ck_assert_int_eq(cs_spawn_capture(&out, NULL, &status, &spec, &err), CS_LIMIT);
	ck_no_children();
}
END_TEST

/* Without pidfd this would last as long as the sleep, which holds the pipe. */
START_TEST(descendants_do_not_hold_it)
{
	AUTO_FREE char *out = NULL;
	struct cs_spawn spec = CS_SPAWN_INIT;
	long pid;

	spec.argv = SH("sleep 1000 & echo $!");
	out = output_of(&spec);
	pid = strtol(out, NULL, 10);
	ck_assert_int_gt(pid, 1);
	ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
}
END_TEST

START_TEST(output_may_go_elsewhere)
{
	struct cs_spawn spec = CS_SPAWN_INIT;
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	int status;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	spec.argv = SH("echo out; echo err >&2");
	spec.stdout_fd = ends[1];
	ck_assert_int_eq(cs_spawn_capture(NULL, &errout, &status, &spec, NULL), 0);
	close(ends[1]);
	ck_assert_int_eq(cs_read_fd(&out, ends[0], 100, NULL), 0);
	ck_assert_str_eq(out.data, "out\n");
	ck_assert_str_eq(errout.data, "err\n");
}
END_TEST

/* ---- what the program is given ----------------------------------------------------------- */

static const struct {
	const char *const *argv;
	const char *const *env;
	const char *cwd;
	const char *out;
} surroundings[] = {
	{ (const char *const[]){ "/usr/bin/env", NULL }, NULL, NULL, "" },
	{ (const char *const[]){ "/usr/bin/env", NULL },
	  (const char *const[]){ "A=1", "B=x y", NULL }, NULL, "A=1\nB=x y\n" },
	{ (const char *const[]){ "/bin/pwd", NULL }, NULL, "/usr/bin", "/usr/bin\n" },
	{ (const char *const[]){ "/bin/ls", "/proc/self/fd", NULL }, NULL, NULL, "0\n1\n2\n3\n" },
	{ (const char *const[]){ "/bin/grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status", NULL },
	  NULL, NULL, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n" },
	{ (const char *const[]){ "/usr/bin/readlink", "/proc/self/fd/0", "/proc/self/fd/2", NULL },
	  NULL, NULL, "/dev/null\n/dev/null\n" },
};

START_TEST(clean_surroundings)
{
	struct cs_spawn spec = CS_SPAWN_INIT;
	AUTO_FREE char *out = NULL;
	sigset_t set;

	/* Everything that could be inherited. */
	ck_assert_int_eq(setenv("GIT_DIR", "/x", 1), 0);
	ck_assert_int_ge(dup2(0, 50), 0);
	ck_assert_int_ge(dup2(0, 900), 0);
	for (int sig = 1; sig <= SIGRTMAX; sig++) /* between 31 and SIGRTMIN they are libc's own */
		if (sig != SIGCHLD && (sig <= 31 || sig >= SIGRTMIN))
			signal(sig, SIG_IGN);
	sigfillset(&set);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &set, NULL), 0);

	spec.argv = surroundings[_i].argv;
	spec.env = surroundings[_i].env;
	spec.cwd = surroundings[_i].cwd;
	out = output_of(&spec);
	ck_assert_str_eq(out, surroundings[_i].out);
}
END_TEST

/* Which of 0, 1, 2 is closed in the parent: the pipes then get these numbers. */
START_TEST(closed_standard_descriptors)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int saved[3];
	int status;
	int missing;
	pid_t pid;
	int rc;

	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
		if (_i & 1 << fd)
			close(fd);
	}
	spec.argv = SH("cat; echo err >&2");
	spec.input = "in";
	spec.input_len = 2;
	rc = cs_spawn_capture(&out, &errout, &status, &spec, &err);
	/* The report of a failure must not be lost to one of these numbers either. */
	spec.argv = (const char *const[]){ "/nonexistent", NULL };
	missing = cs_spawn_start(&pid, &spec, NULL);
	for (int fd = 0; fd < 3; fd++)
		dup2(saved[fd], fd);
	ck_assert_msg(missing == CS_NOTFOUND, "%d: %d", _i, missing);
	ck_assert_msg(rc == 0, "%d: %s", _i, err.msg);
	ck_assert_str_eq(out.data, "in");
	ck_assert_str_eq(errout.data, "err\n");
}
END_TEST

/* The given descriptors are themselves 0, 1 and 2, in every order. */
START_TEST(permuted_standard_descriptors)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					  { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	static const char *const texts[3] = { "zero", "one", "two" };
	const int *order = orders[_i];
	struct cs_spawn spec = CS_SPAWN_INIT;
	int saved[3];
	int files[3];
	int status;
	pid_t pid;
	int rc;

	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
		files[fd] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		ck_assert_int_eq(dup2(files[fd], fd), fd);
	}
	spec.argv = SH("printf %s zero >&0; printf %s one >&1; printf %s two >&2");
	spec.stdin_fd = order[0];
	spec.stdout_fd = order[1];
	spec.stderr_fd = order[2];
	rc = cs_spawn_start(&pid, &spec, NULL);
	for (int fd = 0; fd < 3; fd++)
		dup2(saved[fd], fd);
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	for (int i = 0; i < 3; i++) {
		char text[8] = "";

		ck_assert_int_ge(pread(files[order[i]], text, sizeof(text) - 1, 0), 0);
		ck_assert_str_eq(text, texts[i]);
	}
}
END_TEST

/* A process between us and the program, which ends while the program runs. */
static _Noreturn void parent_that_dies(int tell_fd, int until_fd)
{
	struct cs_spawn spec = CS_SPAWN_INIT;
	pid_t pid;
	char c;

	spec.argv = SH("exec sleep 1000");
	if (cs_spawn_start(&pid, &spec, NULL) < 0 ||
	    write(tell_fd, &pid, sizeof(pid)) != sizeof(pid) || read(until_fd, &c, 1) != 0)
		_exit(1);
	_exit(0);
}

START_TEST(dies_with_its_parent)
{
	int tell[2];
	int until[2];
	struct pollfd p = { .events = POLLIN };
	pid_t middle;
	pid_t pid;
	int status;

	ck_assert_int_eq(pipe(tell), 0);
	ck_assert_int_eq(pipe(until), 0);
	middle = fork();
	if (middle == 0) {
		close(until[1]);
		parent_that_dies(tell[1], until[0]);
	}
	ck_assert_int_eq(read(tell[0], &pid, sizeof(pid)), sizeof(pid));
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	ck_assert_int_ge(p.fd, 0);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	close(until[1]);
	ck_assert_int_eq(waitpid(middle, &status, 0), middle);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(poll(&p, 1, 30000), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/spawn");
	TCase *tc = tcase_create("spawn");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, status_and_output, 0, CS_COUNT(scripts));
	tcase_add_loop_test(tc, failures_name_the_program, 0, CS_COUNT(failures));
	tcase_add_loop_test(tc, feeds_and_drains_at_once, 0, CS_COUNT(lengths));
	tcase_add_test(tc, input_need_not_be_read);
	tcase_add_loop_test(tc, output_has_a_maximum, 0, CS_COUNT(limits));
	tcase_add_test(tc, input_has_a_maximum);
	tcase_add_test(tc, a_deadline_ends_it);
	tcase_add_test(tc, the_end_is_the_end_of_the_program);
	tcase_add_test(tc, descendants_do_not_hold_it);
	tcase_add_test(tc, output_may_go_elsewhere);
	tcase_add_loop_test(tc, clean_surroundings, 0, CS_COUNT(surroundings));
	tcase_add_loop_test(tc, closed_standard_descriptors, 0, 8);
	tcase_add_loop_test(tc, permuted_standard_descriptors, 0, 6);
	tcase_add_test(tc, dies_with_its_parent);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
