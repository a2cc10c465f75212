/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /absolute/exec-forge writev|mem|ptrace <n>: n times a program whose argument a neighbour of the
 * same user rewrites between its exec and its first instructions. The program is this one again; it
 * says what it got. Prints "ran <honest> forged <forged> errno <the last one of the neighbour>".
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define HONEST "honest-argument"
#define FORGED "forged-argument"

static volatile struct shared {
	pid_t victim;
	int last_errno;
} * shared;

/* Where the arguments of a process stand: fields 48 and 49 of its stat; 0: it has exec'ed not. */
static uint64_t find_argument(pid_t pid)
{
	char path[64], text[1024], args[256] = "";
	int fd;
	ssize_t n;
	char *p;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, args, sizeof(args) - 1);
	close(fd);
	if (n <= 0 || strcmp(args, "victim") != 0 || strcmp(args + 7, HONEST) != 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')');
	for (int field = 2; p && field < 48; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) + 7 : 0;
}

static int by_writev(pid_t pid, uint64_t at)
{
	static char word[] = FORGED;
	struct iovec from = { word, sizeof(word) };
	struct iovec to = { (void *)(uintptr_t)at, sizeof(word) };

	return process_vm_writev(pid, &from, 1, &to, 1, 0) < 0 ? errno : 0;
}

static int by_mem(pid_t pid, uint64_t at)
{
	char path[64];
	int fd, rc;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return errno;
	rc = pwrite(fd, FORGED, sizeof(FORGED), (off_t)at) < 0 ? errno : 0;
	close(fd);
	return rc;
}

/* A debugger: not while the supervisor has the process, but behind that. */
static int by_ptrace(pid_t pid, uint64_t at)
{
	const char *word = FORGED;
	long w;

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0)
		return errno;
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < sizeof(FORGED) / sizeof(w); i++) {
		memcpy(&w, word + i * sizeof(w), sizeof(w));
		ptrace(PTRACE_POKEDATA, pid, at + i * sizeof(w), w);
	}
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return 0;
}

static const struct {
	const char *name;
	int (*forge)(pid_t pid, uint64_t at);
} ways[] = { { "writev", by_writev }, { "mem", by_mem }, { "ptrace", by_ptrace } };

static void neighbour(int (*forge)(pid_t pid, uint64_t at))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		pid_t pid = shared->victim;
		uint64_t at = pid ? find_argument(pid) : 0;
		int rc = at ? forge(pid, at) : 0;

		if (rc && rc != ENOENT && rc != ESRCH) /* it has come to its end meanwhile */
			shared->last_errno = rc;
	}
}

int main(int argc, char **argv)
{
	int counts[2] = { 0, 0 };
	int n = argc > 2 ? atoi(argv[2]) : 0;

	if (argc == 2 && strcmp(argv[0], "victim") == 0)
		return strcmp(argv[1], HONEST) != 0;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	for (size_t i = 0; argc > 2 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[1]) == 0 && !fork())
			neighbour(ways[i].forge);
	for (int i = 0; i < n; i++) {
		static char name[] = "victim", word[] = HONEST;
		char *const args[] = { name, word, NULL };
		pid_t pid = fork();
		int status = 0;

		if (!pid) {
			shared->victim = getpid();
			execv(argv[0], args);
			_exit(1);
		}
		while (waitpid(pid, &status, 0) < 0)
			;
		if (WIFEXITED(status))
			counts[WEXITSTATUS(status) != 0]++;
	}
	printf("ran %d forged %d errno %d\n", counts[0], counts[1], shared->last_errno);
	return 0;
}
