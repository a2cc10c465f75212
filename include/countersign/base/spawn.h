/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting programs of the host: absolute paths only, an environment built from nothing, no
 * inherited descriptors but the three given ones, signals at their defaults, killed with us (when
 * the thread that started them ends; programs with file capabilities or set-id bits lose that).
 */
#ifndef COUNTERSIGN_BASE_SPAWN_H
#define COUNTERSIGN_BASE_SPAWN_H

#include <sys/types.h>
#include "countersign/base/buf.h"
#include "countersign/base/err.h"

struct cs_spawn {
	const char *const *argv; /* argv[0] is the absolute path of the program */
	const char *const *env;	 /* NULL-terminated "NAME=value"; NULL: empty */
	const char *cwd;	 /* NULL: inherited */
	int stdin_fd;		 /* -1: /dev/null */
	int stdout_fd;		 /* -1: /dev/null */
	int stderr_fd;		 /* -1: /dev/null */
	const char *input;	 /* cs_spawn_capture: bytes for standard input (at most 64 MiB) */
	size_t input_len;
	uid_t uid; /* root becomes this user without further groups; 0: stays what it is */
	gid_t gid;
	size_t max_output; /* cs_spawn_capture: 0 means 64 MiB */
	int deadline_ms;   /* cs_spawn_capture: 0 means none */
};
#define CS_SPAWN_INIT                                            \
	{                                                        \
		.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 \
	}

/*
 * Starts the program; the caller waits for *pid, and keeps its descriptors. Returns when the
 * program runs: CS_NOTFOUND when there is no such program, CS_USAGE for a path that is not
 * absolute, else CS_MALFUNCTION; the message names the program.
 */
int cs_spawn_start(pid_t *pid, const struct cs_spawn *spec, struct cs_err *err) CS_CHECKED;
/*
 * Runs it to its end: standard output is added to *out, standard error to *errout (NULL: goes to
 * the descriptor in spec). *status is the wait status; a program that fails is no error here, nor
 * one that does not read its input. Either output beyond the maximum is CS_LIMIT, the deadline
 * CS_LIMIT too; the program is killed in both cases, its descendants are not. Descendants that
 * outlive the program do not hold the call, and what they write later is lost.
 */
int cs_spawn_capture(struct cs_buf *out, struct cs_buf *errout, int *status,
		     const struct cs_spawn *spec, struct cs_err *err) CS_CHECKED;

#endif
