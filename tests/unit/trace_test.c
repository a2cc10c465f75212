/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command trace on real processes: tests/tools/execs.c starts programs in all the ways there
 * are, and what is recorded must be what ran. As the user that runs the tests; when that is root,
 * also with an ordinary user inside, and with supervisor and inside both ordinary.
 */
#include "trace_suite.h"

#include <arpa/inet.h>

/* ---- what was recorded ----------------------------------------------------------------------- */

static void add_escaped(struct cs_buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] >= ' ' && s[i] <= '~' && s[i] != '\\')
			cs_buf_addc(b, s[i]);
		else if (!s[i])
			cs_buf_addc(b, i + 1 < n ? '_' : '$');
		else
			cs_buf_addf(b, "\\%02x", (unsigned char)s[i]);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_line(struct cs_strv *lines, const struct traced_event *ev)
{
	struct cs_buf b = CS_BUF_INIT;
	size_t len = strlen(dir);

	if (strncmp(ev->exec.file, dir, len) == 0)
		cs_buf_addf(&b, "@%s ", ev->exec.file + len);
	else
		cs_buf_addf(&b, "%s ", ev->exec.file);
	add_escaped(&b, ev->exec.argv, ev->exec.argv_len);
	cs_buf_addf(&b, " %x", (unsigned)ev->status);
	cs_strv_add(lines, b.data);
	cs_buf_release(&b);
}

/* One line for each event but the first n: file, arguments, wait status; sorted. */
static char *recorded(const struct traced *t, size_t skip)
{
	struct cs_strv lines = CS_STRV_INIT;
	struct cs_buf all = CS_BUF_INIT;

	for (size_t i = skip; i < t->n; i++)
		add_line(&lines, &t->events[i]);
	if (lines.n)
		qsort(lines.v, lines.n, sizeof(*lines.v), compare_lines);
	for (size_t i = 0; i < lines.n; i++)
		cs_buf_addf(&all, "%s\n", lines.v[i]);
	cs_strv_release(&lines);
	return cs_buf_take(&all);
}

/* Nothing lost, nothing unknown. */
static void check_complete(const struct traced *t, const char *name)
{
	ck_assert_msg(t->counts.execs == t->n && !t->counts.unverified && !t->counts.denied &&
			      !t->counts.unknown_exits && !t->counts.unfollowed &&
			      !t->counts.refused && !t->counts.broken,
		      "%s: counts", name);
	for (size_t i = 0; i < t->n; i++) {
		const struct cs_trace_exec *e = &t->events[i].exec;

		ck_assert_msg(e->verified && !e->unverified, "%s: event %zu", name, i);
		ck_assert_msg(e->exe[0] && e->cwd[0] && e->ino && strlen(e->sha256) == 64,
			      "%s: event %zu has holes", name, i);
		ck_assert_msg(e->pid == t->events[0].exec.pid || e->parent,
			      "%s: event %zu has no parent", name, i);
	}
}

/* ---- every way to start a program ------------------------------------------------------------ */

static const struct {
	const char *way;
	const char *want; /* without the tool's own event; NULL: varies */
	unsigned failed;
	int times; /* want stands for so many lines; 0: as it is */
} ways[] = {
	{ "fork", "/bin/true true_fork$ 0\n", 0, 3 },
	{ "vfork", "/bin/false false_vfork$ 100\n", 0, 2 },
	{ "spawn", "/bin/true true_spawn$ 0\n", 0, 2 },
	{ "path", "/bin/true true_path$ 0\n", 3, 0 },
	{ "clone3", "/bin/true true_clone3$ 0\n", 0, 0 },
	{ "thread", "/bin/true true_thread$ 0\n", 0, 0 },
	{ "leader-gone", "/bin/true true_orphan$ 0\n", 0, 0 },
	{ "together", "/bin/true true_together$ 0\n", 0, 20 },
	{ "dirfd", "/dev/fd/51/true true_dirfd$ 0\n", 0, 0 },
	{ "fexecve", "/dev/fd/50 true_fexecve$ 0\n", 0, 0 },
	{ "memfd", "/dev/fd/50 true_memfd$ 0\n", 0, 0 },
	{ "untraced", "/bin/true true_untraced$ 0\n", 0, 0 },
	{ "untraced3", "/bin/true true_clone3$ 0\n", 0, 0 },
	{ "i386", "./narrow narrow$ fffffffe\n/bin/true from-i386$ 0\n", 0, 0 },
	{ "bytes", "/bin/true true__\\ff\\fe_a\\0ab\\0d_\\1b[2J_\\e2\\80\\a8_ $ 0\n", 0, 0 },
	{ "no-argv", "/bin/true $ 0\n", 0, 0 },
	{ "script", "./outer /bin/sh_-e_./inner_one arg_./outer_x$ 700\n", 0, 0 },
	{ "failures", "", 11, 0 },
	{ "flood", "", 1600, 0 },
	{ "ends",
	  "/bin/sh sh_-c_exit 0$ 0\n/bin/sh sh_-c_exit 42$ 2a00\n"
	  "/bin/sh sh_-c_kill -9 $$$ 9\n/bin/sh sh_-c_kill -SEGV $$$ b\n",
	  0, 0 },
	{ "stopped", "", 1, 0 },
	{ "sprayed", NULL, 0, 0 },
};

static void check_way(int i, struct traced *t)
{
	struct cs_buf want = CS_BUF_INIT;
	char *got;

	for (int k = 0; k < (ways[i].times ? ways[i].times : 1); k++)
		cs_buf_adds(&want, ways[i].want ? ways[i].want : "");
	got = recorded(t, 1);
	if (ways[i].want)
		ck_assert_msg(strcmp(got, want.data) == 0, "%s: recorded\n%swanted\n%s",
			      ways[i].way, got, want.data);
	ck_assert_msg(t->counts.failed_execs == ways[i].failed, "%s: %d failed calls, wanted %u",
		      ways[i].way, (int)t->counts.failed_execs, ways[i].failed);
	check_complete(t, ways[i].way);
	free(got);
	cs_buf_release(&want);
}

#define NO_SUCH_WAY (77 << 8)

/* Whether the kernel has a way at all: without a trace. */
static bool kernel_has(const char *way)
{
	AUTO_FREE char *command = cs_asprintf("%s/execs %s", dir, way);

	return system(command) != NO_SUCH_WAY;
}

START_TEST(every_way)
{
	enum who who = (enum who)(_i / (int)CS_COUNT(ways));
	int i = _i % (int)CS_COUNT(ways);
	struct traced t = { 0 };

	if (!become(&t, who))
		return;
	run_tool(&t, ways[i].way, NULL);
	if (t.status == NO_SUCH_WAY && !kernel_has(ways[i].way))
		return; /* nothing to hide behind, either */
	ck_assert_msg(t.status == 0, "%s, %s: status %#x", ways[i].way, who_names[who],
		      (unsigned)t.status);
	check_way(i, &t);
	traced_release(&t);
}
END_TEST

/* ---- arguments, files, exits ----------------------------------------------------------------- */

START_TEST(long_arguments)
{
	uint8_t digest[CS_SHA256_LEN];
	char hex[CS_SHA256_HEX];
	struct cs_buf want = CS_BUF_INIT;
	struct traced t = { 0 };
	const struct cs_trace_exec *e;
	int i = 1;

	run_tool(&t, "big", NULL);
	ck_assert_int_eq(t.status, 0);
	ck_assert_uint_eq(t.n, 2);
	cs_buf_add(&want, "true", 5);
	for (int n = 2 << 20; n > 0; n -= 100001, i++) {
		for (int k = 0; k < 100000; k++)
			cs_buf_addc(&want, (char)('a' + i % 26));
		cs_buf_addc(&want, '\0');
	}
	e = &t.events[1].exec;
	ck_assert_uint_eq(e->argv_total, want.len);
	ck_assert_uint_eq(e->argv_len, CS_TRACE_ARGV_MAX);
	ck_assert_int_eq(e->argc, i);
	ck_assert_mem_eq(e->argv, want.data, e->argv_len);
	cs_sha256(digest, want.data, want.len);
	ck_assert_str_eq(e->argv_sha256, cs_hex(hex, digest, sizeof(digest)));
	ck_assert_str_eq(t.events[0].exec.argv_sha256, "");
	cs_buf_release(&want);
	traced_release(&t);
}
END_TEST

/* Both sides of the size from which a helper does it; several processes want it at once. */
START_TEST(digests)
{
	static const size_t sizes[] = { 0, (4 << 20) + 1, 40 << 20 };
	char hex[CS_SHA256_HEX];
	struct traced t = { 0 };

	ck_assert(become(&t, AS_SELF));
	copy_program(hex, "./digest-me", "/bin/true", sizes[_i]);
	run_shell(&t, "for i in 1 2 3 4; do ./digest-me & done; wait; ./digest-me; sleep 0.2;"
		      "./digest-me; ./digest-me");
	ck_assert_int_eq(t.status, 0);
	ck_assert_uint_eq(t.n, 9);
	check_complete(&t, "digests");
	for (size_t i = 0; i < t.n; i++)
		if (strcmp(t.events[i].exec.file, "./digest-me") == 0)
			ck_assert_str_eq(t.events[i].exec.sha256, hex);
	traced_release(&t);
}
END_TEST

/* A file of the same size, its times set back, changed between two execs: never the old digest. */
START_TEST(digest_of_rewritten_file)
{
	char first[CS_SHA256_HEX];
	char second[CS_SHA256_HEX];
	struct traced t = { 0 };

	ck_assert(become(&t, AS_SELF));
	copy_program(first, "./even", "/bin/true", 200000);
	copy_program(second, "./odd", "/bin/false", 200000);
	run_shell(&t, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do"
		      " cat even >it; chmod 755 it; touch -d @1 it; ./it || exit 1;"
		      " cat odd >it; touch -d @1 it; ./it && exit 1; done; :");
	ck_assert_int_eq(t.status, 0);
	for (size_t i = 0; i < t.n; i++) {
		const struct traced_event *ev = &t.events[i];

		if (strcmp(ev->exec.file, "./it") == 0)
			ck_assert_str_eq(ev->exec.sha256, ev->status ? second : first);
	}
	traced_release(&t);
}
END_TEST

/* Parents that end first, and the process tree across processes that only fork. */
START_TEST(family)
{
	struct traced t = { 0 };

	run_shell(&t, "( (/bin/true; :); :); (sleep 0.1; exec /bin/false) & exit 4");
	ck_assert_int_eq(t.status, 4 << 8);
	ck_assert_uint_eq(t.n, 4);
	ck_assert_int_eq(t.events[1].exec.parent, t.events[0].exec.pid);
	ck_assert_int_ne(t.events[1].exec.ppid, t.events[0].exec.pid);
	ck_assert_int_eq(t.events[0].status, 4 << 8);
	ck_assert_str_eq(t.events[3].exec.file, "/bin/false");
	ck_assert_int_eq(t.events[3].status, 1 << 8);
	traced_release(&t);
}
END_TEST

static void leave_mark(const struct cs_trace_exit *e)
{
	if (e->status == 1 << 8)
		close(open("seen", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

/* A parent that does not reap: the end is known while the zombie is there. */
START_TEST(zombies)
{
	struct traced t = { .exited = leave_mark };

	ck_assert(become(&t, AS_SELF));
	unlink("seen");
	run_shell(&t, "exec /usr/bin/python3 -c 'import os, time\n"
		      "if not os.fork(): os.execv(\"/bin/false\", [\"false\"])\n"
		      "while not os.path.exists(\"seen\"): time.sleep(0.01)'");
	ck_assert_int_eq(t.status, 0);
	ck_assert_uint_eq(t.n, 3);
	ck_assert_int_eq(t.events[2].status, 1 << 8);
	traced_release(&t);
}
END_TEST

static const struct cs_trace_exit *order; /* set by the exit, to be there before the exec */

static void note_exit(const struct cs_trace_exit *e)
{
	static struct cs_trace_exit copy;

	copy = *e;
	order = &copy;
}

static void want_exit(const struct cs_trace_exec *e)
{
	ck_assert_ptr_nonnull(order);
	ck_assert_int_eq(order->pid, e->pid);
	ck_assert_int_eq(order->status, 7 << 8);
}

/* A number that is used again at once: the end of the first comes before the second's exec. */
START_TEST(number_used_again)
{
	static const char *const argv[] = { "/bin/true", NULL };
	struct traced t = { 0 };
	struct cs_trace_exec exec = {
		.exe = "", .file = "", .cwd = "", .argv = "", .verified = true
	};
	char reason[CS_TRACE_REASON_MAX];

	traced_start(&t, argv);
	exec.pid = fork();
	if (!exec.pid)
		_exit(7);
	exit_watch(t.trace, exec.pid, -1);
	ck_assert(exit_is_watched(t.trace, exec.pid));
	waitpid(exec.pid, NULL, 0);
	ck_assert(!exit_is_watched(t.trace, exec.pid));
	t.exited = note_exit;
	t.called = want_exit;
	ck_assert_int_eq(trace_report(t.trace, &exec, reason), CS_TRACE_RUN);
	t.exited = NULL;
	t.called = NULL;
	while (!t.alone)
		traced_step(&t);
	cs_trace_free(t.trace);
	cs_loop_free(t.loop);
	traced_release(&t);
}
END_TEST

static void as_before_6_15(struct cs_trace *trace)
{
	trace->has_exit_info = false;
}

/* Without PIDFD_INFO_EXIT: right, or unknown and counted; right where the parent takes its time. */
START_TEST(exits_of_old_kernels)
{
	struct traced t = { .tweak = as_before_6_15 };
	unsigned unknown = 0;

	run_shell(&t, "for i in 1 2 3 4 5 6 7 8 9; do sh -c 'exit 5'; done;"
		      "(sh -c 'exit 6'; :) & sleep 0.3; wait; exit 5");
	ck_assert_int_eq(t.status, 5 << 8);
	for (size_t i = 0; i < t.n; i++) {
		unknown += t.events[i].status == -1;
		if (memmem(t.events[i].exec.argv, t.events[i].exec.argv_len, "exit 5", 7) &&
		    t.events[i].status != -1)
			ck_assert_int_eq(t.events[i].status, 5 << 8);
	}
	ck_assert_uint_eq(t.counts.exits, t.n);
	ck_assert_uint_eq(t.counts.unknown_exits, unknown);
	traced_release(&t);
}
END_TEST

/* ---- refusals -------------------------------------------------------------------------------- */

#define SAID "git-agent-run: denied by test:1\n"

static const struct {
	const char *name, *deny, *script, *out;
	bool killed;
} denials[] = {
	{ "by program", "/usr/bin/echo", "/bin/echo x 2>&1 | cat; /bin/true; echo $?", SAID "0\n" },
	{ "status", "/usr/bin/echo", "/bin/echo x 2>/dev/null; echo $?", "126\n" },
	{ "a copy by its argument", "word", "cp /bin/echo copy; ./copy a word; echo $?", "126\n" },
	{ "a script", "./denied", "echo echo no >denied; chmod 755 denied; ./denied; echo $?",
	  "126\n" },
	{ "the loader", "ld-linux", "/lib64/ld-linux-x86-64.so.2 /bin/echo x; echo $?", "126\n" },
	{ "closed stderr", "/usr/bin/echo", "/bin/echo x 2>&-; echo $?", "126\n" },
	{ "stderr is a file", "/usr/bin/echo", "/bin/echo x 2>err; echo $?; cat err", "126\n" },
	{ "exec by the shell", "/usr/bin/echo", "(exec /bin/echo x); echo $?", "126\n" },
	{ "i386 image", "narrow", "../execs i386; echo $?", "1\n" },
	{ "no way to exit", "/usr/bin/echo", "../execs no-exit; echo $?", "0\n", true },
};

START_TEST(refused)
{
	enum who who = (enum who)(_i / (int)CS_COUNT(denials));
	int i = _i % (int)CS_COUNT(denials);
	struct traced t = { .deny = denials[i].deny };
	char *out;

	if (!become(&t, who) || (strstr(denials[i].script, "i386") && !kernel_has("i386")))
		return;
	out = run_script(&t, "sh", denials[i].script);
	ck_assert_msg(strcmp(out, denials[i].out) == 0, "%s, %s: printed\n%swanted\n%s",
		      denials[i].name, who_names[who], out, denials[i].out);
	ck_assert_msg(t.counts.denied == 1, "%s: denied %d", denials[i].name, (int)t.counts.denied);
	ck_assert_uint_eq(t.counts.exits, t.n - 1); /* the first shell calls exec twice */
	for (size_t k = 0; k < t.n; k++)
		if (traced_matches(&t.events[k].exec, denials[i].deny))
			ck_assert_msg(
				t.events[k].status == (denials[i].killed ? SIGKILL : 126 << 8),
				"%s: status %#x", denials[i].name, (unsigned)t.events[k].status);
	free(out);
	traced_release(&t);
}
END_TEST

/* Where the reason goes: terminal, socket, pipe; never where it would block, or kill us. */
START_TEST(reasons)
{
	static const char script[] =
		"import os, pty, socket, subprocess\n"
		"def run(fd): return subprocess.run(['/bin/echo', 'x'], stderr=fd).returncode\n"
		"def full(fd):\n"
		"    os.set_blocking(fd, False)\n"
		"    try:\n"
		"        while True: os.write(fd, b'x' * 512)\n"
		"    except BlockingIOError: os.set_blocking(fd, True)\n"
		"r, w = os.pipe(); print('pipe', run(w), os.read(r, 99))\n"
		"full(w); print('full pipe', run(w))\n"
		"os.close(r); print('no reader', run(w))\n"
		"m, s = pty.openpty(); print('tty', run(s), os.read(m, 99))\n"
		"a, b = socket.socketpair(); print('socket', run(b.fileno()), a.recv(99))\n"
		"l = socket.create_server(('127.0.0.1', 0))\n"
		"c = socket.create_connection(l.getsockname()); d = l.accept()[0]\n"
		"code = run(c.fileno()); c.close(); print('internet', code, d.recv(99))\n"
		"full(b.fileno()); print('full socket', run(b.fileno()))\n"
		"a.close(); print('no peer', run(b.fileno()))\n";
	static const char want[] = "pipe 126 b'git-agent-run: denied by test:1\\n'\n"
				   "full pipe 126\nno reader 126\n"
				   "tty 126 b'git-agent-run: denied by test:1\\r\\n'\n"
				   "socket 126 b'git-agent-run: denied by test:1\\n'\n"
				   "internet 126 b''\nfull socket 126\nno peer 126\n";
	struct traced t = { .deny = "/usr/bin/echo" };
	char *out;

	if (!become(&t, (enum who)_i))
		return;
	out = run_script(&t, "/usr/bin/python3", script);
	ck_assert_str_eq(out, want);
	ck_assert_uint_eq(t.counts.denied, 8);
	free(out);
	traced_release(&t);
}
END_TEST

/* From here it dies within the next moments, which are those of its refusal. */
static void kill_soon(const struct cs_trace_exec *e)
{
	static unsigned i;
	int64_t until_mono_ns = cs_mono_ns() + 500 * (++i % 400);

	if (!strstr(e->exe, "echo"))
		return;
	kill(e->pid, SIGKILL);
	while (cs_mono_ns() < until_mono_ns)
		;
}

/* A socket that keeps whoever closes it last for ten minutes must not keep us. */
START_TEST(lingering)
{
	struct traced t = { .deny = "/usr/bin/echo", .called = kill_soon };

	run_tool(&t, _i ? "linger-inside" : "linger", getenv("CS_LONG") ? "3000" : "300");
	ck_assert_int_eq(t.status, 0);
	traced_release(&t);
}
END_TEST

/* ---- connections ----------------------------------------------------------------------------- */

static struct cs_trace_connect connects[64];
static size_t n_connects;

static void keep_connect(const struct cs_trace_connect *c)
{
	ck_assert_uint_lt(n_connects, CS_COUNT(connects));
	connects[n_connects++] = *c;
}

/* In the words of the script: family, type, address, port, cookie. */
static void add_connect(struct cs_buf *b, const struct cs_trace_connect *c)
{
	char text[INET6_ADDRSTRLEN];

	cs_buf_addf(b, "%d %s %u %llu\n", c->type,
		    inet_ntop(c->family, c->addr, text, sizeof(text)), c->port,
		    (unsigned long long)c->cookie);
}

/* Each call once, with the cookie that the socket really has, and the command that made it. */
START_TEST(who_connects)
{
	static const char script[] =
		"import socket, struct, threading, os\n"
		"def go(family, type, addr):\n"
		"    with socket.socket(family, type) as s:\n"
		"        s.connect_ex(addr)\n"
		"        c = struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, 57, 8))[0]\n"
		"        print(int(type), addr[0], addr[1], c, flush=True)\n"
		"S, D = socket.SOCK_STREAM, socket.SOCK_DGRAM\n"
		"go(socket.AF_INET, S, ('127.0.0.1', 9))\n"
		"go(socket.AF_INET, D, ('192.0.2.7', 53))\n"
		"go(socket.AF_INET6, S, ('::1', 65535))\n"
		"t = threading.Thread(target=go, args=(socket.AF_INET, S, ('127.0.0.2', 80)))\n"
		"t.start(); t.join()\n"
		"if not os.fork(): go(socket.AF_INET, S, ('127.0.0.3', 80)); os._exit(0)\n"
		"os.wait()\n"
		"socket.socket(socket.AF_UNIX).connect_ex('/nonexistent')\n"
		"socket.socket(socket.AF_INET).connect_ex(('127.0.0.4', 1))\n"
		"try: socket.socket(socket.AF_INET, S).sendto(b'x', 0x20000000, ('127.0.0.1', 9))\n"
		"except OSError as e: assert e.errno == 95, e\n"
		"else: assert False\n";
	struct traced t = { .connected = keep_connect };
	struct cs_buf got = CS_BUF_INIT;
	char *want;

	if (!become(&t, (enum who)_i))
		return;
	n_connects = 0;
	want = run_script(&t, "/usr/bin/python3", script);
	ck_assert_msg(t.status == 0, "%s: %s", who_names[_i], want);
	ck_assert_uint_eq(n_connects, 6); /* the last one told us nothing to compare */
	for (size_t i = 0; i + 1 < n_connects; i++)
		add_connect(&got, &connects[i]);
	ck_assert_str_eq(got.data, want);
	for (size_t i = 0; i < n_connects; i++) {
		ck_assert_int_eq(connects[i].command, t.events[t.n - 1].exec.pid);
		ck_assert((connects[i].pid == connects[i].command) == (i != 4));
	}
	cs_buf_release(&got);
	free(want);
	traced_release(&t);
}
END_TEST

START_TEST(many_connects)
{
	struct traced t = { 0 };

	run_tool(&t, _i ? "connect-local" : "connect", "1000");
	ck_assert_int_eq(t.status, 0);
	ck_assert_uint_eq(t.n_connects, _i ? 0 : 1000);
	check_complete(&t, "connects");
	traced_release(&t);
}
END_TEST

/* ---- what cannot be verified ----------------------------------------------------------------- */

static unsigned count_unverified(const struct traced *t, const char *why)
{
	unsigned n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->events[i].exec.unverified && strcmp(t->events[i].exec.unverified, why) == 0;
	return n;
}

static const struct {
	const char *name, *script, *out;
	unsigned traced;
} debuggers[] = {
	{ "strace", "strace -f -o log sh -c '/bin/echo a; /bin/echo b'; grep -c ' = 0$' log", NULL,
	  3 },
	{ "strace attaches", "sleep 2 & sleep 0.2; strace -q -p $! -o log; grep -c exited log",
	  "1\n", 0 },
	{ "LeakSanitizer",
	  "echo 'int main(void) { return !__builtin_malloc(9); }' | gcc -fsanitize=address -xc - "
	  "-o l"
	  " && ./l 2>&1 | grep -c 'leaked in'",
	  "1\n", 0 },
	{ "gdb",
	  "gdb -q -batch -ex run -ex 'print 6*7' --args /bin/echo hello | grep -c '^hello$\\|= "
	  "42$'",
	  "2\n", 2 },
};

START_TEST(debugged)
{
	enum who who = (enum who)(_i / (int)CS_COUNT(debuggers));
	int i = _i % (int)CS_COUNT(debuggers);
	struct traced t = { .trust = "traced" };
	char *out;

	if (!become(&t, who))
		return;
	out = run_script(&t, "sh", debuggers[i].script);
	if (debuggers[i].out)
		ck_assert_msg(strcmp(out, debuggers[i].out) == 0, "%s, %s: printed %s",
			      debuggers[i].name, who_names[who], out);
	ck_assert_msg(count_unverified(&t, "traced") == debuggers[i].traced, "%s, %s: %u traced",
		      debuggers[i].name, who_names[who], count_unverified(&t, "traced"));
	ck_assert_uint_eq(t.counts.unverified, debuggers[i].traced);
	ck_assert_int_eq(t.status, 0);
	free(out);
	traced_release(&t);
}
END_TEST

/* A debugger's child is refused at its call, with what its memory says in the event. */
START_TEST(debugged_and_refused)
{
	struct traced t = { .trust = "none" };
	const struct cs_trace_exec *e;
	char *out;

	ck_assert(become(&t, AS_SELF));
	out = run_script(&t, "sh", "strace -o log /bin/echo a b; grep -o EACCES log");
	ck_assert_msg(strstr(out, "EACCES") && !strstr(out, "a b"), "%s", out);
	ck_assert_uint_eq(t.counts.denied, 1);
	for (size_t i = 0; i < t.n; i++) {
		e = &t.events[i].exec;
		if (e->verified)
			continue;
		ck_assert_str_eq(e->file, "/bin/echo");
		ck_assert_str_eq(e->exe, "");
		ck_assert_int_eq(e->argc, 3);
		ck_assert_mem_eq(e->argv, "/bin/echo\0a\0b", 14);
	}
	free(out);
	traced_release(&t);
}
END_TEST

/* A program that its user may run and not read, and what it starts. */
START_TEST(unreadable)
{
	struct traced t = { .trust = _i ? "none" : "unreadable" };
	char hex[CS_SHA256_HEX];
	int n = 0;
	char *out;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chdir(dir), 0);
	copy_program(hex, "secret-shell", "/bin/sh", 0);
	ck_assert_int_eq(chmod("secret-shell", 0711), 0);
	ck_assert(become(&t, BOTH_USER));
	out = run_script(&t, "sh", "../secret-shell -c '/bin/echo ran'; echo $?");
	ck_assert_str_eq(out, _i ? "Killed\n137\n" : "ran\n0\n");
	ck_assert_uint_eq(count_unverified(&t, "unreadable"), _i ? 1 : 2);
	/* That it runs the unreadable one is known, for its caller can be read; no more. */
	for (size_t i = 0; i < t.n; i++)
		if (!t.events[i].exec.verified)
			ck_assert_str_eq(t.events[i].exec.file, n++ ? "" : "../secret-shell");
	free(out);
	traced_release(&t);
}
END_TEST

/* As root the same program can be read. */
START_TEST(unreadable_by_others)
{
	struct traced t = { 0 };
	char hex[CS_SHA256_HEX];
	char *out;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chdir(dir), 0);
	copy_program(hex, "secret-shell", "/bin/sh", 0);
	ck_assert_int_eq(chmod("secret-shell", 0711), 0);
	ck_assert(become(&t, INSIDE_USER));
	out = run_script(&t, "sh", "../secret-shell -c '/bin/echo ran'; echo $?");
	ck_assert_str_eq(out, "ran\n0\n");
	check_complete(&t, "0711");
	free(out);
	traced_release(&t);
}
END_TEST

/* We look for missing names with the rights of the caller: else "missing" would tell too much. */
START_TEST(no_oracle)
{
	struct traced t = { 0 };
	char *out;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chdir(dir), 0);
	mkdir("private", 0700);
	ck_assert(become(&t, INSIDE_USER));
	out = run_script(&t, "/usr/bin/python3",
			 "import os\n"
			 "for p in os.getcwd() + '/../private/none', '/nonexistent/none':\n"
			 "    try: os.execv(p, ['x'])\n"
			 "    except OSError as e: print(e.strerror)\n");
	ck_assert_str_eq(out, "Permission denied\nNo such file or directory\n");
	ck_assert_uint_ge(t.counts.failed_execs, 2);
	free(out);
	traced_release(&t);
}
END_TEST

/* ---- parts without processes ------------------------------------------------------------------
 */

static const struct {
	const char *text;
	bool good;
	char state;
	int ppid, exit_code;
} stats[] = {
#define TAIL                                                                                      \
	" 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5 6 7 18446744073709551615 8 9 10 11 12 0 0 " \
	"0 0 0 0 0 17 1 0 0 0 0 0 1 2 3 100 200 200 300 "
	{ "7 (true) S 4" TAIL "0\n", true, 'S', 4, 0 },
	{ "7 (true) Z 4" TAIL "2304\n", true, 'Z', 4, 2304 },
	{ "7 (a) R 1 2 (b) X 9" TAIL "11\n", true, 'X', 9, 11 },
	{ "7 (x)\n8 (y) Z 5" TAIL "9", true, 'Z', 5, 9 },
	{ "7 (true) S 4" TAIL "", false, 0, 0, 0 },
	{ "7 (true) S 4 1 1 0", false, 0, 0, 0 },
	{ "7 (true)", false, 0, 0, 0 },
	{ "7 (true) ", false, 0, 0, 0 },
	{ "7 (true) 1 4" TAIL "0", false, 0, 0, 0 },
	{ "", false, 0, 0, 0 },
};

START_TEST(stat_lines)
{
	struct proc_stat st = { 0 };

	ck_assert_msg(proc_stat_parse(&st, stats[_i].text) == stats[_i].good, "%s", stats[_i].text);
	if (!stats[_i].good)
		return;
	ck_assert_int_eq(st.state, stats[_i].state);
	ck_assert_int_eq(st.ppid, stats[_i].ppid);
	ck_assert_int_eq(st.exit_code, stats[_i].exit_code);
}
END_TEST

/* Against an array: what a map of pids says, with numbers that come and go and collide. */
START_TEST(maps)
{
	static char items[4096];
	bool in[4096] = { false };
	struct pidmap map = { 0 };
	unsigned seed = 1;
	size_t n = 0;

	for (int i = 0; i < 200000; i++) {
		pid_t pid = 1 + (pid_t)((seed = seed * 1103515245 + 12345) >> 8) % 4095;
		bool add = (seed >> 24 & 3) > (unsigned)(i / 50000 % 2 ? 2 : 0);

		ck_assert_ptr_eq(pidmap_get(&map, pid), in[pid] ? &items[pid] : NULL);
		n += add && !in[pid];
		n -= !add && in[pid];
		if (add)
			pidmap_set(&map, pid, &items[pid]);
		else
			ck_assert_ptr_eq(pidmap_take(&map, pid), in[pid] ? &items[pid] : NULL);
		in[pid] = add;
		ck_assert_uint_eq(map.n, n);
	}
	for (size_t at = 0; pidmap_next(&map, &at);)
		n--;
	ck_assert_uint_eq(n, 0);
	pidmap_release(&map);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("trace");
	TCase *tc = tcase_create("all");
	const int n_who = N_WHO;

	tcase_set_timeout(tc, 120);
	tcase_add_unchecked_fixture(tc, suite_setup, suite_teardown);
	tcase_add_loop_test(tc, every_way, 0, n_who * (int)CS_COUNT(ways));
	tcase_add_test(tc, long_arguments);
	tcase_add_loop_test(tc, digests, 0, 3);
	tcase_add_test(tc, digest_of_rewritten_file);
	tcase_add_test(tc, family);
	tcase_add_test(tc, zombies);
	tcase_add_test(tc, number_used_again);
	tcase_add_test(tc, exits_of_old_kernels);
	tcase_add_loop_test(tc, refused, 0, n_who * (int)CS_COUNT(denials));
	tcase_add_loop_test(tc, reasons, 0, n_who);
	tcase_add_loop_test(tc, lingering, 0, 2);
	tcase_add_loop_test(tc, who_connects, 0, n_who);
	tcase_add_loop_test(tc, many_connects, 0, 2);
	tcase_add_loop_test(tc, debugged, 0, n_who * (int)CS_COUNT(debuggers));
	tcase_add_test(tc, debugged_and_refused);
	tcase_add_loop_test(tc, unreadable, 0, 2);
	tcase_add_test(tc, unreadable_by_others);
	tcase_add_test(tc, no_oracle);
	tcase_add_loop_test(tc, stat_lines, 0, (int)CS_COUNT(stats));
	tcase_add_test(tc, maps);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
