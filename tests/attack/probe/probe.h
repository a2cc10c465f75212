/* SPDX-License-Identifier: Apache-2.0 */
/* A probe's attempts: each file holds some, with their rows of the table. */
#ifndef PROBE_H
#define PROBE_H

#define EXIT_WRONG_CALL 99

struct attempt {
	const char *name; /* NULL ends a table */
	int args;
	const char *what;
	int (*make)(char **args); /* the errno met; 0: it succeeded */
};
extern const struct attempt files_attempts[];
extern const struct attempt processes_attempts[];
extern const struct attempt namespaces_attempts[];
extern const struct attempt kernel_attempts[];
extern const struct attempt sockets_attempts[];

/* errno, where a call returned a negative value; else 0. */
int met(long rc);
unsigned long number(const char *text);
void nap(int ms);
/* Opens with flags (and O_CLOEXEC), writes text. */
int write_at(const char *path, int flags, const char *text);

#endif
