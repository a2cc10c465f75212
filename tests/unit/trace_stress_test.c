/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command trace under load and attack: many processes, a real build against strace as the
 * oracle, arguments that are rewritten during the call, a supervisor that is kept waiting, flooded
 * or killed.
 *
 * CS_LONG=1 makes the race 100,000 tries instead of 1,000, CS_RACE=<n> as many as that (make race:
 * a million), and the load 100,000 programs instead of 1,000.
 */
#include "trace_suite.h"

#include <poll.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

/* ---- load ------------------------------------------------------------------------------------ */

START_TEST(many)
{
	struct traced t = { .forget = true };
	unsigned n = getenv("CS_LONG") ? 100000 : 1000;
	int64_t start_mono_ns = cs_mono_ns();

	run_tool(&t, "spawn", getenv("CS_LONG") ? "100000" : "1000");
	if (getenv("CS_LONG"))
		printf("# %u in %d s\n", n, (int)((cs_mono_ns() - start_mono_ns) / 1000000000));
	ck_assert_int_eq(t.status, 0);
	ck_assert_uint_eq(t.counts.execs, n + 1);
	ck_assert_uint_eq(t.counts.exits, n + 1);
	ck_assert_uint_eq(t.counts.unverified + t.counts.unknown_exits + t.counts.unfollowed +
				  t.counts.refused + t.counts.broken,
			  0);
}
END_TEST

/* ---- a build --------------------------------------------------------------------------------- */

static void write_project(void)
{
	char name[32];
	char text[256];

	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "f%d.c", i);
		snprintf(text, sizeof(text), "int f%d(int x);\nint f%d(int x) { return x * %d; }\n",
			 i, i, i);
		write_text(name, text);
	}
	write_text("main.c", "int f3(int);\nint main(void) { return f3(0); }\n");
	write_text("Makefile", "SHELL = /bin/sh\n"
			       "O := $(patsubst %.c,%.o,$(wildcard *.c))\n"
			       "all: program\n\t./program && echo built | cat >result\n"
			       "program: $O\n\tgcc -o $@ $^\n"
			       "%.o: %.c\n\tgcc -O1 -c -o $@ $<\n"
			       "clean:\n\trm -f *.o program result\n");
}

/* gcc gives its files random names. */
static void add_plain(struct cs_strv *lines, const char *file, int status)
{
	const char *random = strstr(file, "/cc");

	if (random && strlen(random) >= 9)
		cs_strv_addf(lines, "%.*s/cc... %x", (int)(random - file), file, (unsigned)status);
	else
		cs_strv_addf(lines, "%s %x", file, (unsigned)status);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *join_sorted(struct cs_strv *lines)
{
	struct cs_buf all = CS_BUF_INIT;

	if (lines->n)
		qsort(lines->v, lines->n, sizeof(*lines->v), by_text);
	for (size_t i = 0; i < lines->n; i++)
		cs_buf_addf(&all, "%s\n", lines->v[i]);
	cs_strv_release(lines);
	return cs_buf_take(&all);
}

static void check_same(const char *ran, const char *recorded, const char *name)
{
	if (strcmp(ran, recorded) == 0)
		return;
	write_text("ran", ran);
	write_text("recorded", recorded);
	ck_assert_int_ne(system("diff -u ran recorded | head -40"), -1);
	ck_abort_msg("%s: what ran is not what was recorded", name);
}

/* What strace -f saw: successful execs, each with the end of its process; -2 as in the trace. */
struct oracle {
	struct seen {
		int pid;
		char file[256];
		int status;
		bool done; /* the call has returned 0 */
	} * list;
	size_t n, cap;
};

static void oracle_end(struct oracle *o, int pid, int status)
{
	for (size_t i = o->n; i-- > 0;) {
		if (o->list[i].pid != pid || !o->list[i].done)
			continue;
		o->list[i].status = status;
		return;
	}
}

static void oracle_line(struct oracle *o, const char *line)
{
	struct seen s = { .status = -2 };
	int code;

	if (sscanf(line, "%d execve(\"%255[^\"]\"", &s.pid, s.file) == 2) {
		s.done = strstr(line, ") = 0");
		if (!s.done && !strstr(line, "unfinished"))
			return;
		CS_GROW(o->list, o->n, o->cap);
		o->list[o->n++] = s;
	} else if (sscanf(line, "%d <... execve resumed", &s.pid) == 1 && strstr(line, "resumed")) {
		for (size_t i = o->n; i-- > 0;)
			if (o->list[i].pid == s.pid) {
				o->list[i].done = strstr(line, " = 0");
				return;
			}
	} else if (sscanf(line, "%d +++ exited with %d", &s.pid, &code) == 2) {
		oracle_end(o, s.pid, code << 8);
	}
}

static char *ask_oracle(void)
{
	struct cs_strv lines = CS_STRV_INIT;
	struct oracle o = { 0 };
	char *log;

	ck_assert_int_eq(system("strace -f -q -o oracle -e trace=execve,execveat -e signal=none "
				"-s 9 /usr/bin/make -s -j2"),
			 0);
	log = read_text("oracle");
	for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n"))
		oracle_line(&o, line);
	for (size_t i = 0; i < o.n; i++)
		if (o.list[i].done)
			add_plain(&lines, o.list[i].file, o.list[i].status);
	free(o.list);
	free(log);
	return join_sorted(&lines);
}

START_TEST(build_like_the_oracle)
{
	static const char *const make[] = { "/usr/bin/make", "-s", "-j2", NULL };
	struct cs_strv lines = CS_STRV_INIT;
	struct traced t = { 0 };
	char *want;
	char *got;

	if (!become(&t, (enum who)_i))
		return;
	mkdir("project", 0777);
	ck_assert_int_eq(chmod("project", 0777), 0);
	ck_assert_int_eq(chdir("project"), 0);
	write_project();
	want = ask_oracle();
	ck_assert_int_eq(system("/usr/bin/make -s clean && rm -f oracle"), 0);
	traced_run(&t, make);
	ck_assert_int_eq(t.status, 0);
	for (size_t i = 0; i < t.n; i++)
		add_plain(&lines, t.events[i].exec.file, t.events[i].status);
	got = join_sorted(&lines);
	check_same(want, got, who_names[_i]);
	ck_assert_uint_gt(t.n, 40);
	ck_assert_uint_eq(t.counts.unverified + t.counts.unknown_exits, 0);
	free(want);
	free(got);
	traced_release(&t);
}
END_TEST

/* ---- the race -------------------------------------------------------------------------------- */

static void add_hex(struct cs_buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cs_buf_addf(b, "%02x", (unsigned char)s[i]);
}

/* What was recorded, in the words in which the programs report what they got. */
static char *recorded_racers(const struct traced *t)
{
	struct cs_strv lines = CS_STRV_INIT;
	struct cs_buf b = CS_BUF_INIT;

	for (size_t i = 0; i < t->n; i++) {
		const struct cs_trace_exec *e = &t->events[i].exec;

		if (strncmp(e->file, "./racer", 7) != 0)
			continue;
		ck_assert_uint_gt(e->argv_len, 7);
		ck_assert_mem_eq(e->argv, "racer", 6);
		cs_buf_truncate(&b, 0);
		cs_buf_addf(&b, "%d ", (int)e->pid);
		add_hex(&b, e->file, strlen(e->file));
		cs_buf_addc(&b, ' ');
		add_hex(&b, e->argv + 6, e->argv_len - 7);
		cs_strv_add(&lines, b.data);
	}
	cs_buf_release(&b);
	return join_sorted(&lines);
}

/* Numbers of processes may come again within a long run: so it is cut into rounds. */
static unsigned race_once(const char *n)
{
	struct cs_strv lines = CS_STRV_INIT;
	struct traced t = { 0 };
	char tool[96];
	const char *argv[] = { tool, n, NULL };
	unsigned tries;
	char *ran;
	char *got;

	snprintf(tool, sizeof(tool), "%s/exec-race", dir);
	ck_assert_int_eq(system("rm -f racer0 racer1 racer2 ran"), 0);
	ck_assert_int_eq(dup2(open("ran", O_WRONLY | O_CREAT | O_APPEND, 0666), 9), 9);
	traced_run(&t, argv);
	ck_assert_int_eq(t.status, 0);
	close(9);
	got = read_text("ran");
	for (char *line = strtok(got, "\n"); line; line = strtok(NULL, "\n"))
		cs_strv_add(&lines, line);
	free(got);
	tries = (unsigned)lines.n;
	ran = join_sorted(&lines);
	got = recorded_racers(&t);
	check_same(ran, got, "race");
	ck_assert_uint_eq(t.counts.unverified + t.counts.unknown_exits, 0);
	free(ran);
	free(got);
	traced_release(&t);
	return tries;
}

START_TEST(race)
{
	struct traced t = { 0 };
	const char *wanted = getenv("CS_RACE");
	unsigned n = wanted ? (unsigned)atoi(wanted) : getenv("CS_LONG") ? 100000 : 1000;
	unsigned tries = 0;

	ck_assert(become(&t, AS_SELF));
	while (tries < n) {
		tries += race_once(n > 4000 ? "4000" : "900");
		if (n > 4000)
			fprintf(stderr, "# %u tries\n", tries);
	}
}
END_TEST

/* ---- attacks on the supervisor ----------------------------------------------------------------
 */

static void *sleep_for_ever(void *arg)
{
	*(volatile pid_t *)arg = (pid_t)syscall(SYS_gettid);
	while (pause())
		;
	return NULL;
}

static void *exec_true(void *arg)
{
	char *const argv[] = { arg, NULL };

	execv("/bin/true", argv);
	return NULL;
}

/* The victim: says the number of a thread, waits until that is traced, and execs in another. */
static void victim(int say_fd, int hear_fd)
{
	static char name[] = "true";
	volatile pid_t tid = 0;
	pthread_t t;
	pid_t said;
	char byte;

	pthread_create(&t, NULL, sleep_for_ever, (void *)&tid);
	while (!tid)
		sched_yield();
	said = tid;
	if (write(say_fd, &said, sizeof(said)) < 0 || read(hear_fd, &byte, 1) < 0)
		_exit(1);
	pthread_create(&t, NULL, exec_true, name);
	for (;;)
		pause();
}

static char state_of(pid_t pid)
{
	struct proc_stat st = { 0 };
	int fd = proc_open(pid);
	bool ok = proc_stat_read(&st, fd);

	close(fd);
	return ok ? st.state : '?';
}

/*
 * A tracer inside that does not reap keeps an exec, and with it a mutex that SEIZE takes, for
 * ever. The supervisor must come back from it, and faster the next time.
 */
START_TEST(held_mutex)
{
	static const char *const argv[] = { "/bin/true", NULL };
	struct call call = { .id = 1 };
	struct traced t = { 0 };
	int say[2], hear[2];
	pid_t tracer, tid;

	ck_assert(pipe(say) == 0 && pipe(hear) == 0);
	call.tid = fork();
	if (!call.tid)
		victim(say[1], hear[0]);
	ck_assert_int_eq(read(say[0], &tid, sizeof(tid)), sizeof(tid));
	tracer = fork();
	if (!tracer) {
		if (ptrace(PTRACE_SEIZE, tid, 0, 0) || write(hear[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	while (state_of(call.tid) != 'Z') /* killed by the exec, which waits for the traced one */
		sched_yield();
	traced_start(&t, argv);
	ck_assert_int_eq(t.trace->guard.limit_ns, 50000000);
	for (int i = 0; i < 10; i++)
		seize_submit(t.trace, &call);
	ck_assert_int_eq(t.trace->guard.limit_ns, 2000000);
	ck_assert_uint_eq(t.trace->tracees.n, 0);
	kill(tracer, SIGKILL);
	while (!t.alone)
		traced_step(&t);
	ck_assert_int_eq(t.status, 0);
	ck_assert_int_gt(t.trace->guard.limit_ns, 2000000);
	cs_trace_free(t.trace);
	cs_loop_free(t.loop);
	traced_release(&t);
}
END_TEST

static void fill_queue(struct cs_trace *trace)
{
	trace->n_waiting = CS_TRACE_QUEUE_MAX;
}

/* More calls at once than are kept: refused, and counted. */
START_TEST(full_queue)
{
	struct traced t = { .tweak = fill_queue };

	run_tool(&t, "flood", "50");
	ck_assert_int_eq(t.status, 0);
	ck_assert_uint_gt(t.counts.refused, 0);
	ck_assert_uint_eq(t.counts.refused + t.counts.failed_execs, 16 * 50);
	traced_release(&t);
}
END_TEST

static void allow_one(struct cs_trace *trace)
{
	trace->in_hand_max = 1;
}

/* One thread at a time: slower, and complete. */
START_TEST(little_room)
{
	struct traced t = { .tweak = allow_one };

	run_shell(&t,
		  "for i in 1 2 3 4 5 6 7 8; do"
		  " (for k in 1 2 3 4 5 6; do /bin/true; /nonexistent/x 2>/dev/null; done) & done;"
		  " wait");
	ck_assert_int_eq(t.status, 0);
	ck_assert_uint_eq(t.counts.execs, 49);
	ck_assert_uint_eq(t.counts.exits, 49);
	ck_assert_uint_eq(t.counts.unverified + t.counts.unknown_exits + t.counts.refused, 0);
	traced_release(&t);
}
END_TEST

static int told_fd = -1;

static void stand_still(const struct cs_trace_exec *e)
{
	if (!strstr(e->exe, "touch"))
		return;
	if (write(told_fd, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* kill -9 of the supervisor, while an image stands at its first instruction: it never runs. */
START_TEST(killed_supervisor)
{
	struct traced t = { .called = stand_still };
	struct pollfd end;
	int pipe_fds[2];
	pid_t supervisor;
	char *code;
	char byte;

	ck_assert(become(&t, AS_SELF));
	ck_assert_int_eq(system("rm -f mark code"), 0);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	told_fd = pipe_fds[1];
	supervisor = fork();
	if (!supervisor) {
		run_shell(&t, "exec 2>/dev/null; /usr/bin/touch mark; /bin/true; echo $? >code");
		_exit(1);
	}
	close(pipe_fds[1]);
	ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
	kill(supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	/* All that is left has the pipe open: its end is the end of everybody. */
	end = (struct pollfd){ .fd = pipe_fds[0], .events = POLLIN };
	ck_assert_int_eq(poll(&end, 1, 20000), 1);
	ck_assert_int_lt(access("mark", F_OK), 0);
	code = read_text("code");
	ck_assert_str_eq(code, "126\n"); /* ENOSYS: nobody listens any more */
	free(code);
}
END_TEST

/* Held for its digest, and killed by its parent meanwhile: nothing is left behind. */
START_TEST(killed_while_held)
{
	struct traced t = { 0 };
	char hex[CS_SHA256_HEX];
	char *out;

	ck_assert(become(&t, AS_SELF));
	copy_program(hex, "./large", "/bin/sleep", 60 << 20);
	out = run_script(&t, "/usr/bin/python3",
			 "import os, signal, time\n"
			 "for i in range(10):\n"
			 "    pid = os.fork()\n"
			 "    if not pid: os.execv('./large', ['large', '9'])\n"
			 "    time.sleep(0.003 * i)\n"
			 "    os.kill(pid, signal.SIGKILL)\n"
			 "    print(os.waitpid(pid, 0)[1])\n");
	ck_assert_str_eq(out, "9\n9\n9\n9\n9\n9\n9\n9\n9\n9\n");
	ck_assert_uint_eq(t.counts.unverified + t.counts.unknown_exits, 0);
	free(out);
	traced_release(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("trace under stress");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, getenv("CS_LONG") ? 1800 : 180);
	tcase_add_unchecked_fixture(tc, suite_setup, suite_teardown);
	tcase_add_test(tc, many);
	tcase_add_loop_test(tc, build_like_the_oracle, 0, N_WHO);
	tcase_add_test(tc, held_mutex);
	tcase_add_test(tc, full_queue);
	tcase_add_test(tc, little_room);
	tcase_add_test(tc, killed_supervisor);
	tcase_add_test(tc, killed_while_held);
	suite_add_tcase(s, tc);
	tc = tcase_create("race");
	tcase_set_timeout(tc, 12000);
	tcase_add_unchecked_fixture(tc, suite_setup, suite_teardown);
	tcase_add_test(tc, race);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
