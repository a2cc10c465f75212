/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traced [-n] [-q] PROGRAM [ARG...]: runs a program under the command trace alone, without the
 * sandbox, and prints each event when it has ended. -q: only the counts and the processor time,
 * on standard error; -n: without the trace, for comparison. Exits as the program does.
 */
#include "../unit/traced.h"

#include <sys/resource.h>

static void print_bytes(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] >= ' ' && s[i] <= '~' && s[i] != '\\')
			putchar(s[i]);
		else if (!s[i])
			putchar(' ');
		else
			printf("\\x%02x", (unsigned char)s[i]);
}

static void print_event(const struct traced_event *ev)
{
	printf("%d %d %d %#x %s ", (int)ev->exec.pid, (int)ev->exec.ppid, (int)ev->exec.parent,
	       (unsigned)ev->status, ev->exec.verified ? "verified" : ev->exec.unverified);
	print_bytes(ev->exec.file, strlen(ev->exec.file));
	putchar(' ');
	print_bytes(ev->exec.exe, strlen(ev->exec.exe));
	printf(" %.12s [", ev->exec.sha256);
	print_bytes(ev->exec.argv, ev->exec.argv_len);
	printf("]\n");
}

static int run_plain(const char *const *argv)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

static double seconds(const struct rusage *r)
{
	return (double)(r->ru_utime.tv_sec + r->ru_stime.tv_sec) +
	       1e-6 * (double)(r->ru_utime.tv_usec + r->ru_stime.tv_usec);
}

static void print_cost(const struct cs_trace_counts *c, int64_t start_mono_ns)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	fprintf(stderr,
		"wall %.3f cpu %.3f supervisor %.3f maxrss %ld execs %llu exits %llu failed %llu "
		"unverified %llu denied %llu unknown %llu unfollowed %llu refused %llu\n",
		1e-9 * (double)(cs_mono_ns() - start_mono_ns), seconds(&self) + seconds(&children),
		seconds(&self), self.ru_maxrss, (unsigned long long)c->execs,
		(unsigned long long)c->exits, (unsigned long long)c->failed_execs,
		(unsigned long long)c->unverified, (unsigned long long)c->denied,
		(unsigned long long)c->unknown_exits, (unsigned long long)c->unfollowed,
		(unsigned long long)c->refused);
}

int main(int argc, char **argv)
{
	struct traced t = { 0 };
	int64_t start = cs_mono_ns();
	bool plain = false;
	int status;
	int opt;

	while ((opt = getopt(argc, argv, "+nq")) != -1) {
		if (opt == '?')
			return 2;
		plain |= opt == 'n';
		t.forget |= opt == 'q';
	}
	if (optind == argc)
		return 2;
	if (plain)
		t.status = run_plain((const char *const *)argv + optind);
	else
		traced_run(&t, (const char *const *)argv + optind);
	for (size_t i = 0; i < t.n; i++)
		print_event(&t.events[i]);
	if (t.forget)
		print_cost(&t.counts, start);
	status = WIFEXITED(t.status) ? WEXITSTATUS(t.status) : 128 + WTERMSIG(t.status);
	traced_release(&t);
	return status;
}
