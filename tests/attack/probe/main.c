/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt to get out of a sandbox, or to disturb what lies outside of it. `probe NAME [ARG...]`
 * makes the attempt, prints "NAME ERRNO", and exits with the errno that it met: 0 when the attempt
 * succeeded, 99 for a wrong call of the probe itself. `probe --list` shows the table.
 *
 * It links nothing of the project, so that a mistake there cannot hide itself here; and no attempt
 * does damage where it succeeds: it writes what is there already, or to what it was pointed at.
 */
#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int met(long rc)
{
	return rc < 0 ? errno : 0;
}

unsigned long number(const char *text)
{
	return strtoul(text, NULL, 0);
}

void nap(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	nanosleep(&t, NULL);
}

static const struct attempt *const tables[] = {
	files_attempts, processes_attempts, namespaces_attempts, kernel_attempts, sockets_attempts,
};

static const struct attempt *find(const char *name, int args)
{
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		for (const struct attempt *a = tables[i]; a->name; a++)
			if (!strcmp(a->name, name) && a->args == args)
				return a;
	return NULL;
}

static void list(void)
{
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		for (const struct attempt *a = tables[i]; a->name; a++)
			printf("%-18s %s\n", a->name, a->what);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		list();
		return 0;
	}
	const struct attempt *a = argc > 1 ? find(argv[1], argc - 2) : NULL;
	if (!a) {
		fprintf(stderr, "usage: probe --list | NAME [ARG...]\n");
		return EXIT_WRONG_CALL;
	}
	int err = a->make(argv + 2);
	const char *word = err ? strerrorname_np(err) : "OK";
	printf("%s %s\n", a->name, word ? word : "?");
	fflush(stdout);
	return err;
}
