/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /absolute/exec-race <n>: n times execve with a path and an argument that another process, which
 * shares their memory, rewrites all the time; and n/8 times one whose siblings, threads, do the
 * same.
 *
 * Path, argument and environment are one of a few words each, or a mixture of them while they are
 * rewritten. Some words are shorter: the kernel measures a string, and copies it later, so that
 * its end may be missing, or come early. What runs is this program again, under several names in
 * the working directory: it writes what it really got to descriptor 9, "<pid> <AT_EXECFN>
 * <argv[1]>", in hexadecimal.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_FD 9
#define WORD   8

static const char *const paths[] = { "./racer0", "./racer1", "./racer2" };
static const char *const words[] = { "harmless", "rm -rf /", "\xff\n\033[2J." };
static const char *const vars[] = { "E=./fake", "E=\0./fake", "E=\0" };

struct shared {
	volatile char path[16];
	volatile char word[16];
	volatile char var[16];
};

static void put(volatile char *to, const char *word)
{
	for (int i = 0; i < WORD; i++)
		to[i] = word[i];
}

static void *rewrite_all(void *arg)
{
	struct shared *s = arg;

	for (unsigned i = 0;; i++) {
		put(s->path, paths[i % 3]);
		put(s->word, words[i / 3 % 3]);
		put(s->var, vars[i % 3]);
	}
	return NULL;
}

static int say_what_i_am(const char *word)
{
	const char *file = (const char *)getauxval(AT_EXECFN);
	char line[512];
	int n = snprintf(line, sizeof(line), "%d ", (int)getpid());

	for (const char *p = file; *p; p++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "%02x", (unsigned char)*p);
	n += snprintf(line + n, sizeof(line) - (size_t)n, " ");
	for (const char *p = word; *p; p++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "%02x", (unsigned char)*p);
	line[n++] = '\n';
	return write(LOG_FD, line, (size_t)n) != n;
}

static char racer[] = "racer";

static __attribute__((noinline)) void race_once(struct shared *s, char *const *argv,
						char *const *env)
{
	pid_t pid = vfork();

	if (!pid) {
		execve((char *)s->path, argv, env);
		_exit(99); /* a mixture of two names is none */
	}
	waitpid(pid, NULL, 0);
}

static void race(struct shared *s, int n)
{
	char *argv[] = { racer, (char *)s->word, NULL };
	char *env[] = { (char *)s->var, (char *)s->var, NULL };

	for (int i = 0; i < n; i++)
		race_once(s, argv, env);
}

static void *exec_it(void *arg)
{
	struct shared *s = arg;
	char *argv[] = { racer, (char *)s->word, NULL };
	char *env[] = { (char *)s->var, (char *)s->var, NULL };

	for (;;)
		execve((char *)s->path, argv, env);
	return NULL;
}

static void race_threads(struct shared *s, int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		pthread_t t;

		if (!pid) {
			pthread_create(&t, NULL, rewrite_all, s);
			pthread_create(&t, NULL, exec_it, s);
			exec_it(s);
		}
		waitpid(pid, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	struct shared *s;
	pid_t writer;
	int n = argc > 1 ? atoi(argv[1]) : 0;

	if (strcmp(argv[0], racer) == 0)
		return say_what_i_am(argc > 1 ? argv[1] : "");
	for (int i = 0; i < 3; i++)
		if (symlink(argv[0], paths[i])) {
			perror(paths[i]);
			return 1;
		}
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	put(s->path, paths[0]);
	put(s->word, words[0]);
	put(s->var, vars[0]);
	writer = fork();
	if (!writer) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rewrite_all(s);
	}
	race(s, n);
	race_threads(s, n / 8);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	return 0;
}
