/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One way each of starting a program, for tests of the command trace. `execs <way> [<n>]` exits
 * with 0 when everything went as it does without a trace, 1 with a message when not, and 77 when
 * this kernel does not have the way. tests/unit/trace_test.c says what must be recorded.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif

#define VECTOR(...) ((char *const *)(const char *const[]){ __VA_ARGS__, NULL })

static char *no_env[] = { NULL };

static int complain(const char *what)
{
	fprintf(stderr, "execs: %s: %s\n", what, strerror(errno));
	return 1;
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0)
		return complain("fork");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return complain("wait");
	return status;
}

/* The status of the child must be this wait status. */
static int expect(pid_t pid, int wanted)
{
	int status = wait_for(pid);

	if (status == wanted)
		return 0;
	fprintf(stderr, "execs: status %#x, wanted %#x\n", status, wanted);
	return 1;
}

static void run(const char *path, const char *a, const char *b)
{
	execve(path, VECTOR(a, b), no_env);
}

static int by_fork(int n)
{
	int rc = 0;

	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid) {
			run("/bin/true", "true", "fork");
			_exit(99);
		}
		rc |= expect(pid, 0);
	}
	return rc;
}

static __attribute__((noinline)) pid_t vfork_false(void)
{
	pid_t pid = vfork();

	if (!pid) {
		run("/bin/false", "false", "vfork");
		_exit(99);
	}
	return pid;
}

static int by_vfork(int n)
{
	int rc = 0;

	for (int i = 0; i < n; i++)
		rc |= expect(vfork_false(), 0x100);
	return rc;
}

static int by_spawn(int n)
{
	char *const *argv = VECTOR("true", "spawn");
	int rc = 0;

	for (int i = 0; i < n; i++) {
		pid_t pid;

		if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, no_env))
			return complain("posix_spawn");
		rc |= expect(pid, 0);
	}
	return rc;
}

/* As many as possible in a second: the program beside this one that does nothing. */
static int quick(int n)
{
	char *const *argv = VECTOR("nothing");
	char path[PATH_MAX + sizeof("nothing")];
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
	int rc = len <= 0;

	while (len > 0 && path[len - 1] != '/')
		len--;
	memcpy(path + len, "nothing", sizeof("nothing"));
	for (int i = 0; i < n && !rc; i++) {
		pid_t pid;

		if (posix_spawn(&pid, path, NULL, NULL, argv, no_env))
			return complain(path);
		rc = expect(pid, 0);
	}
	return rc;
}

static int by_path(int n)
{
	char *const *argv = VECTOR("true", "path");
	pid_t pid;

	(void)n;
	setenv("PATH", "/nonexistent/bin:/usr/share:/proc/self:/bin", 1);
	if (posix_spawnp(&pid, "true", NULL, NULL, argv, no_env))
		return complain("posix_spawnp");
	return expect(pid, 0);
}

static int by_clone3(int n)
{
	struct clone_args args = { .flags = (unsigned)n, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (!pid) {
		run("/bin/true", "true", "clone3");
		_exit(99);
	}
	if (pid < 0 && errno == ENOSYS)
		return 77;
	return expect(pid, 0);
}

/* ---- threads ----------------------------------------------------------------------------- */

static char thread_word[] = "thread", orphan_word[] = "orphan", together_word[] = "together";

static void *exec_true(void *arg)
{
	run("/bin/true", "true", arg);
	return NULL;
}

static void *spin(void *arg)
{
	(void)arg;
	for (;;)
		getppid();
	return NULL;
}

static int in_thread(int n)
{
	pid_t pid = fork();
	pthread_t t;

	if (pid)
		return expect(pid, 0);
	for (int i = 0; i < n; i++)
		pthread_create(&t, NULL, spin, NULL);
	pthread_create(&t, NULL, exec_true, thread_word);
	for (;;)
		pause();
}

static int leader_gone(int n)
{
	pid_t pid = fork();
	pthread_t t;

	(void)n;
	if (pid)
		return expect(pid, 0);
	pthread_create(&t, NULL, exec_true, orphan_word);
	pthread_exit(NULL);
}

static int together(int n)
{
	int rc = 0;

	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		pthread_t t;

		if (!pid) {
			for (int k = 0; k < 4; k++)
				pthread_create(&t, NULL, exec_true, together_word);
			for (;;)
				pause();
		}
		rc |= expect(pid, 0);
	}
	return rc;
}

/* ---- execveat ---------------------------------------------------------------------------- */

static int by_dirfd(int n)
{
	char *const *argv = VECTOR("true", "dirfd");
	pid_t pid = fork();

	(void)n;
	if (pid)
		return expect(pid, 0);
	dup2(open("/usr/bin", O_PATH | O_DIRECTORY), 51);
	syscall(SYS_execveat, 51, "true", argv, no_env, 0);
	_exit(99);
}

static int by_fexecve(int n)
{
	char *const *argv = VECTOR("true", "fexecve");
	pid_t pid = fork();

	(void)n;
	if (pid)
		return expect(pid, 0);
	fexecve(fcntl(open("/bin/true", O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 50), argv, no_env);
	_exit(99);
}

static int by_memfd(int n)
{
	char *const *argv = VECTOR("true", "memfd");
	char chunk[65536];
	pid_t pid = fork();
	int from, fd;
	ssize_t got;

	(void)n;
	if (pid)
		return expect(pid, 0);
	from = open("/bin/true", O_RDONLY);
	fd = fcntl(memfd_create("hidden", MFD_CLOEXEC), F_DUPFD_CLOEXEC, 50);
	while ((got = read(from, chunk, sizeof(chunk))) > 0)
		if (write(fd, chunk, (size_t)got) != got)
			_exit(98);
	syscall(SYS_execveat, fd, "", argv, no_env, AT_EMPTY_PATH);
	_exit(99);
}

/* ---- evasions ---------------------------------------------------------------------------- */

static int untraced(int n)
{
	long pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);

	(void)n;
	if (!pid) {
		run("/bin/true", "true", "untraced");
		_exit(99);
	}
	if (pid > 0)
		return expect((pid_t)pid, 0);
	return complain("clone");
}

static int untraced3(int n)
{
	(void)n;
	return by_clone3(CLONE_UNTRACED);
}

#if defined(__x86_64__)
/* execve("/bin/true", {"from-i386"}, NULL) by int $0x80, else exit(9); linked at 0x8048054. */
static const unsigned char i386_text[] = {
	0xb8, 0x0b, 0x00, 0x00, 0x00, 0xbb, 0x73, 0x80, 0x04, 0x08, 0xb9, 0x88, 0x80, 0x04, 0x08,
	0x31, 0xd2, 0xcd, 0x80, 0xb8, 0x01, 0x00, 0x00, 0x00, 0xbb, 0x09, 0x00, 0x00, 0x00, 0xcd,
	0x80, 0x2f, 0x62, 0x69, 0x6e, 0x2f, 0x74, 0x72, 0x75, 0x65, 0x00, 0x66, 0x72, 0x6f, 0x6d,
	0x2d, 0x69, 0x33, 0x38, 0x36, 0x00, 0x90, 0x7d, 0x80, 0x04, 0x08, 0x00, 0x00, 0x00, 0x00,
};

static int by_i386(int n)
{
	const Elf32_Addr base = 0x8048000;
	const Elf32_Word size = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) + sizeof(i386_text);
	Elf32_Ehdr head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_386,
			    .e_version = EV_CURRENT,
			    .e_entry = base + 0x54,
			    .e_phoff = sizeof(head),
			    .e_ehsize = sizeof(head),
			    .e_phentsize = sizeof(Elf32_Phdr),
			    .e_phnum = 1 };
	Elf32_Phdr load = { .p_type = PT_LOAD,
			    .p_vaddr = base,
			    .p_paddr = base,
			    .p_filesz = size,
			    .p_memsz = size,
			    .p_flags = PF_R | PF_X,
			    .p_align = 4096 };
	int fd = open("narrow", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	pid_t pid;

	(void)n;
	if (write(fd, &head, sizeof(head)) < 0 || write(fd, &load, sizeof(load)) < 0 ||
	    write(fd, i386_text, sizeof(i386_text)) < 0)
		return complain("narrow");
	close(fd);
	pid = fork();
	if (pid) {
		int status = wait_for(pid);

		return status == 0x4d00 ? 77 : status != 0;
	}
	run("./narrow", "narrow", NULL);
	_exit(errno == ENOEXEC ? 77 : 99);
}
#else
static int by_i386(int n)
{
	(void)n;
	return 77;
}
#endif

/* ---- arguments --------------------------------------------------------------------------- */

static int big(int n)
{
	struct rlimit stack = { .rlim_cur = 64 << 20, .rlim_max = RLIM_INFINITY };
	static char *argv[4096];
	static char name[] = "true";
	pid_t pid;
	int i = 0;

	getrlimit(RLIMIT_STACK, &stack);
	stack.rlim_cur = 64 << 20;
	setrlimit(RLIMIT_STACK, &stack);
	argv[i++] = name;
	for (; n > 0; n -= 100001) {
		argv[i] = malloc(100001);
		memset(argv[i], 'a' + i % 26, 100000);
		argv[i++][100000] = '\0';
	}
	pid = fork();
	if (pid)
		return expect(pid, 0);
	execve("/bin/true", argv, no_env);
	_exit(99);
}

static int odd_bytes(int n)
{
	char *const *argv =
		VECTOR("true", "", "\xff\xfe", "a\nb\r", "\033[2J", "\xe2\x80\xa8", " ");
	pid_t pid = fork();

	(void)n;
	if (pid)
		return expect(pid, 0);
	execve("/bin/true", argv, no_env);
	_exit(99);
}

static int no_argv(int n)
{
	char *argv[] = { NULL };
	pid_t pid = fork();

	(void)n;
	if (pid)
		return expect(pid, 0);
	execve("/bin/true", argv, no_env);
	_exit(99);
}

static int write_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int bad = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text);

	close(fd);
	return bad;
}

static int script(int n)
{
	pid_t pid;

	(void)n;
	if (write_file("outer", "#! ./inner  one arg \n", 0755) ||
	    write_file("inner", "#!/bin/sh -e\nexit 7\n", 0755))
		return complain("script");
	pid = fork();
	if (pid)
		return expect(pid, 0x700);
	run("./outer", "outer", "x");
	_exit(99);
}

/* ---- failures, signals ------------------------------------------------------------------- */

static volatile sig_atomic_t hits;

static void on_signal(int sig)
{
	(void)sig;
	hits++;
}

static int fails(const char *path, int wanted)
{
	run(path, "nothing", NULL);
	if (errno == wanted)
		return 0;
	return complain(path);
}

static int failures(int n)
{
	int rc = 0;

	(void)n;
	write_file("plain", "x", 0644);
	write_file("empty", "", 0755);
	write_file("bad", "#!/nonexistent/interpreter\n", 0755);
	signal(SIGUSR1, on_signal);
	rc |= fails("/nonexistent", ENOENT);
	rc |= fails("/nonexistent/x", ENOENT);
	rc |= fails("/proc/self/nonexistent", ENOENT);
	rc |= fails("relative-nonexistent", ENOENT);
	rc |= fails("/etc/passwd/x", ENOTDIR);
	rc |= fails("/usr", EACCES);
	rc |= fails("./plain", EACCES);
	rc |= fails("./empty", ENOEXEC);
	rc |= fails("./bad", ENOENT);
	rc |= fails("", ENOENT);
	rc |= fails((const char *)8, EFAULT);
	raise(SIGUSR1);
	return rc || hits != 1;
}

/* The ends that must be told apart: codes and signals. */
static int ends(int n)
{
	static const char *const how[] = { "exit 42", "kill -9 $$", "kill -SEGV $$", "exit 0" };
	static const int wanted[] = { 42 << 8, SIGKILL, SIGSEGV, 0 };
	int rc = 0;

	(void)n;
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();
		char *const *argv = VECTOR("sh", "-c", how[i]);

		if (!pid) {
			struct rlimit core = { 0, 0 };

			setrlimit(RLIMIT_CORE, &core);
			execve("/bin/sh", argv, no_env);
			_exit(99);
		}
		rc |= expect(pid, wanted[i]);
	}
	return rc;
}

/* Job control behind an exec that failed. */
static int stopped(int n)
{
	pid_t pid = fork();
	int status;

	(void)n;
	if (!pid) {
		run("/etc/passwd", "x", NULL);
		raise(SIGSTOP);
		_exit(7);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		return complain("no stop");
	kill(pid, SIGCONT);
	return expect(pid, 0x700);
}

/* SIGSTOP, and SIGKILL, at all moments of an exec; signals with handlers must not end it. */
static int sprayed(int n)
{
	struct sigaction act = { .sa_handler = on_signal };
	int rc = 0;

	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		int status = 0;

		if (!pid) {
			sigaction(SIGUSR1, &act, NULL);
			run("/bin/true", "true", "sprayed");
			_exit(errno == EINTR ? 55 : 99);
		}
		usleep((useconds_t)i * 7 % 1500);
		kill(pid, i % 3 == 2 ? SIGKILL : SIGSTOP);
		if (i % 3 != 2)
			kill(pid, SIGCONT);
		status = wait_for(pid);
		if (status && status != SIGKILL) {
			fprintf(stderr, "execs: sprayed: status %#x\n", (unsigned)status);
			rc = 1;
		}
	}
	return rc;
}

/* Children that end behind their parent, and one that is never reaped by it. */
static int orphans(int n)
{
	for (int i = 0; i < n; i++) {
		if (!fork()) {
			setsid();
			execve("/bin/sh", VECTOR("sh", "-c", "sleep 0.05; exit 3"),
			       VECTOR("PATH=/bin"));
			_exit(99);
		}
	}
	return 0;
}

/* A process that cannot exit, and execs. Refused, it can only be killed. */
static int no_exit(int n)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };
	pid_t pid = fork();

	(void)n;
	if (pid)
		return expect(pid, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	run("/bin/echo", "echo", "it runs");
	raise(SIGSEGV);
	return 1;
}

/* A connection with more to send than its peer takes, and SO_LINGER for ten minutes. */
static int lingering_socket(int *peer)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 600 };
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);
	static char chunk[65536];
	int small = 4096;

	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(fd, (struct sockaddr *)&addr, len))
		return -1;
	*peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	while (send(fd, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* A local socket in whose queue the other one waits; its own other end is *peer. */
static int socket_with_inside(int fd, int *peer)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec byte = { control, 1 };
	struct msghdr msg = { .msg_iov = &byte,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (sendmsg(pair[1], &msg, 0) != 1)
		return -1;
	close(fd);
	*peer = pair[1];
	return pair[0];
}

/*
 * Programs that are to be refused and have such a socket as their standard error. The test kills
 * them at that moment: whoever has taken the descriptor to say why is the last one to close it.
 */
static int linger(int n, bool inside)
{
	int rc = 0;

	for (int i = 0; i < n; i++) {
		int peers[2] = { -1, -1 };
		int fd = lingering_socket(&peers[0]);
		int closed[2]; /* has an end when we have closed fd */
		pid_t pid;
		char none;
		int status;

		if (fd >= 0 && inside)
			fd = socket_with_inside(fd, &peers[1]);
		if (fd < 0 || pipe2(closed, O_CLOEXEC))
			return complain("lingering socket");
		pid = fork();
		if (!pid) {
			dup2(fd, 2);
			close(closed[1]);
			if (read(closed[0], &none, 1) == 0)
				run("/bin/echo", "echo", "linger");
			_exit(99);
		}
		close(fd);
		close(closed[0]);
		close(closed[1]);
		status = wait_for(pid);
		rc |= status != SIGKILL && status != 126 << 8;
	}
	return rc;
}

static int linger_socket(int n)
{
	return linger(n, false);
}

static int linger_inside(int n)
{
	return linger(n, true);
}

/* Threads that fail to exec, all at once, n times each. */
static void *fail_often(void *arg)
{
	for (int n = *(const int *)arg; n > 0; n--)
		run(n % 2 ? "/usr" : "/nonexistent/program", "nothing", NULL);
	return NULL;
}

static int flood(int n)
{
	pthread_t t[16];

	for (int i = 0; i < 16; i++)
		if (pthread_create(&t[i], NULL, fail_often, &n))
			return complain("thread");
	for (int i = 0; i < 16; i++)
		pthread_join(t[i], NULL);
	return 0;
}

/* Connections that are refused at once: to a local socket, to a port of this host. */
static int connects(int n, int family)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/socket" };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(0x7f000001) };
	const struct sockaddr *addr = family == AF_UNIX ? (void *)&local : (void *)&in;
	socklen_t len = family == AF_UNIX ? sizeof(local) : sizeof(in);

	for (int i = 0; i < n; i++) {
		int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, addr, len) == 0)
			return complain("connect");
		close(fd);
	}
	return 0;
}

static int connect_local(int n)
{
	return connects(n, AF_UNIX);
}

static int connect_in(int n)
{
	return connects(n, AF_INET);
}

static const struct {
	const char *name;
	int (*act)(int n);
	int n; /* where none is given */
} ways[] = {
	{ "fork", by_fork, 3 },
	{ "vfork", by_vfork, 2 },
	{ "spawn", by_spawn, 2 },
	{ "quick", quick, 1000 },
	{ "path", by_path, 0 },
	{ "clone3", by_clone3, 0 },
	{ "thread", in_thread, 3 },
	{ "leader-gone", leader_gone, 0 },
	{ "together", together, 20 },
	{ "dirfd", by_dirfd, 0 },
	{ "fexecve", by_fexecve, 0 },
	{ "memfd", by_memfd, 0 },
	{ "untraced", untraced, 0 },
	{ "untraced3", untraced3, 0 },
	{ "i386", by_i386, 0 },
	{ "big", big, 2 << 20 },
	{ "bytes", odd_bytes, 0 },
	{ "no-argv", no_argv, 0 },
	{ "script", script, 0 },
	{ "failures", failures, 0 },
	{ "ends", ends, 0 },
	{ "stopped", stopped, 0 },
	{ "sprayed", sprayed, 150 },
	{ "orphans", orphans, 3 },
	{ "flood", flood, 100 },
	{ "no-exit", no_exit, 0 },
	{ "connect-local", connect_local, 100 },
	{ "connect", connect_in, 100 },
	{ "linger", linger_socket, 300 },
	{ "linger-inside", linger_inside, 300 },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			return ways[i].act(argc > 2 ? atoi(argv[2]) : ways[i].n);
	fprintf(stderr, "usage: execs <way> [<n>]\n");
	return 2;
}
