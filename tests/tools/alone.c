/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alone REPORT [-k SEED MS] CMD...: runs CMD, ends with its status (128 + n for signal n), and writes to
 * REPORT what became of its processes: everything that descends from CMD comes to us when its parent
 * dies, so nothing can hide.
 *
 *	runs <pid>			CMD, as soon as it is started
 *	killed <pid> <depth> <name>	-k: after a random time of at most MS milliseconds one
 *					process, taken at random, is killed (depth 0: CMD itself)
 *	hangs <pid> <state> <where> <name>	CMD has not ended after HANGS_S: all are killed, and
 *					our status is 98
 *	left <pid> <name>		lives LEFT_MS after CMD's end (killed then; status 99)
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX	5000
#define LEFT_MS 20000
#define HANGS_S 240

struct process {
	pid_t pid, parent;
	int depth; /* -1: not ours */
	char state;
	char name[32];
};

static struct process list[MAX];
static size_t n_list;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static int read_process(struct process *p, const char *pid)
{
	char path[64], text[512];

	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	FILE *f = fopen(path, "re");
	size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f)
		fclose(f);
	text[len] = '\0';
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	if (!open || !close)
		return -1;
	*close = '\0';
	p->pid = atoi(pid);
	p->depth = -1;
	snprintf(p->name, sizeof p->name, "%s", open + 1);
	return sscanf(close + 1, " %c %d", &p->state, &p->parent) == 2 ? 0 : -1;
}

/* Our descendants, in list; how many of them live. */
static size_t look(pid_t top)
{
	DIR *proc = opendir("/proc");
	size_t alive = 0;
	int more = 1;

	n_list = 0;
	for (struct dirent *e; proc && (e = readdir(proc));)
		if (isdigit((unsigned char)e->d_name[0]) && n_list < MAX &&
		    read_process(&list[n_list], e->d_name) == 0)
			n_list++;
	if (proc)
		closedir(proc);
	while (more) {
		more = 0;
		for (size_t i = 0; i < n_list; i++) {
			int depth = list[i].parent == getpid() ? list[i].pid != top : -1;
			for (size_t k = 0; k < n_list && depth < 0; k++)
				if (list[k].depth >= 0 && list[k].pid == list[i].parent)
					depth = list[k].depth + 1;
			more |= depth >= 0 && list[i].depth < 0;
			if (list[i].depth < 0)
				list[i].depth = depth;
		}
	}
	for (size_t i = 0; i < n_list; i++) {
		if (list[i].depth >= 0 && list[i].state != 'Z')
			list[alive++] = list[i];
	}
	return alive;
}

static void kill_one(FILE *report, pid_t top, int max_ms)
{
	wait_ms(max_ms ? (int)(random() % max_ms) : 0);
	size_t n = look(top);
	if (!n)
		return;
	struct process *p = &list[(size_t)random() % n];
	if (kill(p->pid, SIGKILL) == 0)
		fprintf(report, "killed %d %d %s\n", p->pid, p->depth, p->name);
}

static void all_hang(FILE *report, pid_t top)
{
	for (size_t i = 0, n = look(top); i < n; i++) {
		char path[64], where[64] = "";

		snprintf(path, sizeof path, "/proc/%d/wchan", list[i].pid);
		FILE *f = fopen(path, "re");
		if (f && !fgets(where, sizeof where, f))
			where[0] = '\0';
		if (f)
			fclose(f);
		fprintf(report, "hangs %d %c %s %s\n", list[i].pid, list[i].state, where,
			list[i].name);
	}
	while (look(top)) {
		for (size_t i = 0, n = look(top); i < n; i++)
			kill(list[i].pid, SIGKILL);
		wait_ms(20);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static void on_alarm(int sig)
{
	(void)sig; /* ends waitpid */
}

/* Reaps until there is nobody; false when somebody stays. */
static int nobody_left(FILE *report)
{
	int64_t deadline = now_ms() + LEFT_MS;

	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return 1;
		if (pid > 0)
			continue;
		if (now_ms() > deadline)
			break;
		wait_ms(2);
	}
	for (size_t i = 0, n = look(0); i < n; i++) {
		fprintf(report, "left %d %s\n", list[i].pid, list[i].name);
		kill(list[i].pid, SIGKILL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status, max_ms = -1, at = 2;

	if (argc > 5 && !strcmp(argv[2], "-k")) {
		srandom((unsigned)atoi(argv[3]));
		max_ms = atoi(argv[4]);
		at = 5;
	}
	FILE *report = argc > at ? fopen(argv[1], "we") : NULL;
	if (!report || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		perror("alone");
		return 99;
	}
	struct sigaction alarmed = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &alarmed, NULL);
	pid_t top = fork();
	if (top == 0) {
		execvp(argv[at], argv + at);
		perror(argv[at]);
		_exit(99);
	}
	fprintf(report, "runs %d\n", top);
	fflush(report);
	if (max_ms >= 0)
		kill_one(report, top, max_ms);
	alarm(HANGS_S);
	if (waitpid(top, &status, 0) < 0) {
		all_hang(report, top);
		return 98;
	}
	int clean = nobody_left(report);
	fclose(report);
	if (!clean)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
