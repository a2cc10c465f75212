/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox as a library: reports, ends, terminals, sockets; and the confinement of workers. */
#include "countersign/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "unit.h"

#define TEST_UID 61234

/* A run's directories, and a plan over them. */
struct box {
	char dir[64];
	struct cs_plan plan;
};

static void box_dir(struct box *b, const char *name)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", b->dir, name);

	ck_assert_int_eq(mkdir(path, 0755), 0);
	if (b->plan.drop)
		ck_assert_int_eq(chown(path, b->plan.uid, b->plan.gid), 0);
}

static void box_init(struct box *b, const char *script)
{
	const char *home = "/home/tester";

	memset(b, 0, sizeof *b);
	snprintf(b->dir, sizeof b->dir, "/var/tmp/sandbox-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(b->dir));
	ck_assert_int_eq(chmod(b->dir, 0755), 0);
	cs_plan_init(&b->plan);
	b->plan.drop = geteuid() == 0;
	b->plan.uid = b->plan.drop ? TEST_UID : geteuid();
	b->plan.gid = b->plan.drop ? TEST_UID : getegid();
	b->plan.hostname = cs_strdup("box");
	static const char *const dirs[] = { "lower", "upper", "work", "home", "tmp" };
	for (size_t i = 0; i < CS_COUNT(dirs); i++)
		box_dir(b, dirs[i]);
	cs_plan_add_system(&b->plan, "tester", home, "nameserver 198.18.0.1\n");
	AUTO_FREE char *lower = cs_asprintf("%s/lower", b->dir);
	AUTO_FREE char *homedir = cs_asprintf("%s/home", b->dir);
	AUTO_FREE char *tmp = cs_asprintf("%s/tmp", b->dir);
	cs_plan_mount(&b->plan, CS_MOUNT_RW, tmp, "/tmp", NULL);
	cs_plan_mount(&b->plan, CS_MOUNT_RW, homedir, home, NULL);
	struct cs_mount *m = cs_plan_mount(&b->plan, CS_MOUNT_OVERLAY, lower, "/w", NULL);
	m->upper = cs_asprintf("%s/upper", b->dir);
	m->work = cs_asprintf("%s/work", b->dir);
	cs_strv_add(&b->plan.writable, "/w");
	cs_strv_add(&b->plan.writable, "/tmp");
	cs_strv_add(&b->plan.path, "/usr/bin");
	cs_strv_add(&b->plan.env, "PATH=/usr/bin:/bin");
	cs_strv_add(&b->plan.addresses, "198.18.0.1/15");
	b->plan.cwd = cs_strdup("/w");
	b->plan.tcp4 = 3;
	b->plan.tcp6 = 1;
	b->plan.udp4 = 1;
	b->plan.diag = true;
	cs_strv_add(&b->plan.argv, "sh");
	cs_strv_add(&b->plan.argv, "-c");
	cs_strv_add(&b->plan.argv, script);
}

static void box_release(struct box *b)
{
	struct cs_err err;

	cs_plan_release(&b->plan);
	ck_assert_msg(cs_remove_tree(AT_FDCWD, b->dir, &err) == 0, "%s", err.msg);
}

/* Runs it to its end; what the agent wrote is in out (at most size - 1 bytes). */
static int box_run(struct box *b, char *out, size_t size)
{
	struct cs_sandbox *s;
	struct cs_err err;
	int pipe_fd[2], value, status = -1;
	enum cs_sandbox_event event = CS_SANDBOX_NONE;
	const char *step = NULL;

	ck_assert_int_eq(pipe2(pipe_fd, O_CLOEXEC), 0);
	AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_msg(cs_sandbox_start(&s, &b->plan, null, pipe_fd[1], pipe_fd[1], &step, &err) == 0,
		      "%s: %s", step, err.msg);
	close(pipe_fd[1]);
	ck_assert_int_eq(cs_sandbox_go(s, &err), 0);
	while (event != CS_SANDBOX_GONE) {
		struct pollfd p = { .fd = cs_sandbox_fd(s), .events = POLLIN };
		ck_assert_int_eq(poll(&p, 1, 30000), 1);
		ck_assert_msg(cs_sandbox_next(&event, &value, s, &err) == 0, "%s", err.msg);
		if (event == CS_SANDBOX_EXITED)
			status = value;
	}
	ck_assert_msg(cs_sandbox_end(s, &err) == 0, "%s", err.msg);
	ssize_t n = read(pipe_fd[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	close(pipe_fd[0]);
	return status;
}

static const struct {
	const char *script;
	int status;
	const char *output;
} runs[] = {
	{ "exit 0", 0, "" },
	{ "exit 3", 3 << 8, "" },
	{ "kill -9 $$", SIGKILL, "" },
	{ "hostname; pwd; echo $$", 0, "box\n/w\n3\n" },
	{ "echo x > f && cat f && ls", 0, "x\nf\n" },
	{ "cat /proc/sys/user/max_user_namespaces", 0, "0\n" },
	{ "unshare -Ur true 2>/dev/null || echo no", 0, "no\n" },
	{ "grep -c '^Cap.*:.*0000000000000000$' /proc/self/status", 0, "5\n" },
	{ "grep NoNewPrivs /proc/self/status", 0, "NoNewPrivs:\t1\n" },
	{ "ls /proc/self/fd | wc -l", 0, "4\n" }, /* 0, 1, 2, and the directory itself */
	{ "(: < /dev/tty) 2>/dev/null || echo none", 0, "none\n" },
	{ "cat /proc/1/environ 2>/dev/null || echo no", 0, "no\n" },
	{ "setsid -f sleep 1000; exit 5", 5 << 8, "" },
	{ "cat /proc/net/dev | grep -c :", 0, "1\n" },
	{ "touch /x 2>/dev/null || echo ro", 0, "ro\n" },
	{ "touch /usr/x 2>/dev/null || echo ro", 0, "ro\n" },
};

START_TEST(an_agent_runs_and_is_reported)
{
	struct box b;
	char out[4096];

	box_init(&b, runs[_i].script);
	int status = box_run(&b, out, sizeof out);
	ck_assert_msg(status == runs[_i].status, "%s: status %#x: %s", runs[_i].script, status, out);
	ck_assert_msg(!strcmp(out, runs[_i].output), "%s: printed %s", runs[_i].script, out);
	box_release(&b);
}
END_TEST

START_TEST(an_agent_has_a_terminal_of_its_own)
{
	struct box b;
	char out[256];

	box_init(&b, "tty > name; stty size >> name; test -t 0 && test -t 1");
	b.plan.tty = true;
	ck_assert_int_eq(box_run(&b, out, sizeof out), 0);
	AUTO_FREE char *name = cs_asprintf("%s/upper/name", b.dir);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	ck_assert_int_eq(cs_read_file(&text, AT_FDCWD, name, 100, NULL), 0);
	ck_assert_str_eq(text.data, "/dev/pts/0\n0 0\n");
	box_release(&b);
}
END_TEST

START_TEST(a_missing_program_is_reported)
{
	struct box b;
	struct cs_sandbox *s;
	struct cs_err err;
	enum cs_sandbox_event event;
	int value;

	box_init(&b, "");
	free(b.plan.argv.v[0]);
	b.plan.argv.v[0] = cs_strdup("no-such-program");
	AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_msg(cs_sandbox_start(&s, &b.plan, null, null, null, NULL, &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(cs_sandbox_go(s, &err), 0);
	struct pollfd p = { .fd = cs_sandbox_fd(s), .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, 30000), 1);
	ck_assert_int_eq(cs_sandbox_next(&event, &value, s, &err), 0);
	ck_assert_int_eq(event, CS_SANDBOX_EXEC_FAILED);
	ck_assert_int_eq(value, ENOENT);
	ck_assert_int_eq(cs_sandbox_end(s, &err), 0);
	box_release(&b);
}
END_TEST

START_TEST(sockets_live_in_the_network_namespace)
{
	struct box b;
	struct cs_sandbox *s;
	struct cs_err err;
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(443),
				  .sin_addr.s_addr = htonl(0xc6120707) /* 198.18.7.7 */ };
	int taken[3];

	box_init(&b, "true");
	AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_msg(cs_sandbox_start(&s, &b.plan, null, null, null, NULL, &err) == 0, "%s",
		      err.msg);
	for (size_t i = 0; i < CS_COUNT(taken); i++)
		ck_assert_int_ge(taken[i] = cs_sandbox_take_tcp4(s), 0);
	ck_assert_int_eq(cs_sandbox_take_tcp4(s), -1);
	AUTO_FD int diag = cs_sandbox_take_diag(s);
	ck_assert_int_ge(diag, 0);
	ck_assert_int_eq(cs_sandbox_take_diag(s), -1);
	/* An address that only that namespace has, and a port below 1024. */
	ck_assert_int_eq(bind(taken[0], (struct sockaddr *)&in, sizeof in), 0);
	for (size_t i = 0; i < CS_COUNT(taken); i++)
		close(taken[i]);
	ck_assert_int_eq(cs_sandbox_end(s, &err), 0);
	box_release(&b);
}
END_TEST

START_TEST(a_failing_step_is_named)
{
	struct box b;
	struct cs_sandbox *s;
	struct cs_err err;
	const char *step = NULL;

	box_init(&b, "true");
	cs_plan_mount(&b.plan, CS_MOUNT_RO, "/no/such/source", "/x", NULL);
	AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(cs_sandbox_start(&s, &b.plan, null, null, null, &step, &err),
			 CS_UNSUPPORTED);
	ck_assert_str_eq(step, "mount");
	ck_assert_ptr_nonnull(strstr(err.msg, "/no/such/source"));
	ck_assert_int_eq(err.sys_errno, ENOENT);
	box_release(&b);
}
END_TEST

/* A cgroup of the kernel's where we may make one (root mostly), else a file in its place. */
static bool make_cgroup(char path[4096], const struct box *b)
{
	AUTO_FILE FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[8192], mount[2048];

	while (mounts && fgets(line, sizeof line, mounts)) {
		if (!strstr(line, " - cgroup2 ") || sscanf(line, "%*s %*s %*s / %2047s", mount) != 1)
			continue;
		snprintf(path, 4096, "%s/countersign-test-%d", mount, getpid());
		if (mkdir(path, 0755) == 0)
			return true;
	}
	snprintf(path, 4096, "%s/cgroup", b->dir);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	return false;
}

START_TEST(a_cgroup_is_entered)
{
	struct box b;
	char out[256], dir[4096], held[16] = "";

	box_init(&b, "grep ^0:: /proc/self/cgroup");
	bool real = make_cgroup(dir, &b);
	AUTO_FREE char *procs = cs_asprintf("%s/cgroup.procs", dir);
	AUTO_FD int fd = open(procs, O_RDWR | O_CLOEXEC | (real ? 0 : O_CREAT), 0644);
	ck_assert_int_ge(fd, 0);
	b.plan.cgroup_fd = fd;
	box_run(&b, out, sizeof out);
	if (real) {
		/* The namespace's root is the new group; it is empty again: it can be removed. */
		ck_assert_str_eq(out, "0::/\n");
		ck_assert_int_eq(rmdir(dir), 0);
	} else {
		ck_assert_int_eq(pread(fd, held, sizeof held - 1, 0), 1);
		ck_assert_str_eq(held, "0");
	}
	box_release(&b);
}
END_TEST

START_TEST(a_plan_can_be_read_before_it_is_entered)
{
	struct box b;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	box_init(&b, "echo '\033[2K'");
	cs_strv_add(&b.plan.env, "SECRET=hunter2");
	cs_plan_format(&text, &b.plan);
	ck_assert_ptr_nonnull(strstr(text.data, "mount overlay  /w"));
	ck_assert_ptr_nonnull(strstr(text.data, "SECRET"));
	ck_assert_ptr_null(strstr(text.data, "hunter2"));
	ck_assert_ptr_null(strchr(text.data, '\033'));
	box_release(&b);
}
END_TEST

/* ---- workers ---- */

static int dir_fd;

static int try_write(void)
{
	return openat(dir_fd, "new", O_WRONLY | O_CREAT, 0600);
}
static int try_read_outside(void)
{
	return open("/etc/passwd", O_RDONLY);
}
static int try_read_inside(void)
{
	return openat(dir_fd, "file", O_RDONLY);
}
static int try_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}
static int try_exec(void)
{
	static char name[] = "/bin/true";
	char *argv[] = { name, NULL };
	return execv(name, argv);
}
static int try_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid;
}
static int try_kill(void)
{
	return kill(getppid(), 0);
}
static int try_unlink(void)
{
	return unlinkat(dir_fd, "victim", 0);
}
static int try_rename(void)
{
	return renameat(dir_fd, "file", dir_fd, "other");
}
static int try_chmod(void)
{
	return fchmod(dir_fd, 0700);
}

#ifdef __SANITIZE_ADDRESS__
#define LEAK_CHECKER_FORKS true /* it looks at us from a child of its own: lib/sandbox/confine.c */
#else
#define LEAK_CHECKER_FORKS false
#endif

static const struct {
	const char *name;
	int (*attempt)(void);
	bool allowed;
} attempts[] = {
	{ "read inside", try_read_inside, true },
	{ "read outside", try_read_outside, false },
	{ "write", try_write, false },
	{ "socket", try_socket, false },
	{ "exec", try_exec, false },
	{ "fork", try_fork, LEAK_CHECKER_FORKS },
	{ "kill", try_kill, false },
	{ "unlink", try_unlink, false },
	{ "rename", try_rename, false },
	{ "chmod", try_chmod, false },
};

/* 0: it worked. An attempt that the filter answers with death did not. */
static int attempt_in_child(int (*attempt)(void), bool confined)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct cs_confine c = { .uid = TEST_UID, .gid = TEST_UID, .read_fds = &dir_fd,
					.n_read_fds = 1 };
		if (confined && cs_confine_self(&c, NULL) < 0)
			_exit(99);
		int rc = attempt();
		_exit(rc < 0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 99, "could not confine");
	return status;
}

START_TEST(a_worker_can_only_read_what_it_is_given)
{
	char dir[] = "/var/tmp/confine-test.XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	if (geteuid() == 0)
		ck_assert_int_eq(chown(dir, TEST_UID, TEST_UID), 0);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
	for (int round = 0; round < 2; round++) {
		static const char *const files[] = { "file", "victim" };
		for (size_t i = 0; i < CS_COUNT(files); i++)
			close(openat(dir_fd, files[i], O_WRONLY | O_CREAT, 0644));
		int status = attempt_in_child(attempts[_i].attempt, round == 1);
		if (round == 0 || attempts[_i].allowed)
			ck_assert_msg(status == 0, "%s, %s: %#x", attempts[_i].name,
				      round ? "confined" : "free", status);
		else
			ck_assert_msg(status != 0, "%s worked", attempts[_i].name);
	}
	close(dir_fd);
	ck_assert_int_eq(cs_remove_tree(AT_FDCWD, dir, NULL), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, an_agent_runs_and_is_reported, 0, CS_COUNT(runs));
	tcase_add_test(tc, an_agent_has_a_terminal_of_its_own);
	tcase_add_test(tc, a_missing_program_is_reported);
	tcase_add_test(tc, sockets_live_in_the_network_namespace);
	tcase_add_test(tc, a_failing_step_is_named);
	tcase_add_test(tc, a_cgroup_is_entered);
	tcase_add_test(tc, a_plan_can_be_read_before_it_is_entered);
	tcase_add_loop_test(tc, a_worker_can_only_read_what_it_is_given, 0, CS_COUNT(attempts));
	suite_add_tcase(s, tc);
	return unit_run(s);
}
