/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person is shown of a change, and where: git's pager and colours, and a confined worker
 * that parses hostile bytes. Everything that a run wrote is escaped before it gets here or on its
 * way.
 */
#ifndef COUNTERSIGN_REVIEW_H
#define COUNTERSIGN_REVIEW_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include "countersign/base.h"
#include "countersign/change.h"
#include "countersign/repo.h"

/* ---- standard output, through a pager and in colour where git would ---- */

enum cs_colour { CS_PLAIN = 0, CS_BOLD, CS_DIM, CS_RED, CS_GREEN, CS_YELLOW, CS_CYAN };
struct cs_out {
	FILE *file;
	pid_t pager; /* 0: none */
	bool colour;
	size_t columns; /* of the terminal; 0: there is none, lines may have any length */
};
int cs_out_open(struct cs_out *out, const struct cs_repo *repo, bool page,
		struct cs_err *err) CS_CHECKED;
/* Waits for the pager. A full disk or a closed pipe is found here at the latest. */
int cs_out_close(struct cs_out *out, struct cs_err *err) CS_CHECKED;
void cs_out_write(struct cs_out *out, const struct cs_buf *text);
/* Starts and ends a colour in a text: nothing where there is none. */
void cs_out_colour(const struct cs_out *out, struct cs_buf *text, enum cs_colour colour);

/* ---- the worker ---- */

/*
 * Runs work() in a child that may read the repository's objects and nothing else, has no network,
 * no exec and no terminal; what it writes to fd arrives at sink() in pieces. A child that dies or
 * fails is CS_MALFUNCTION, in its own words where it had some.
 */
struct cs_worker {
	const struct cs_repo *repo;
	struct cs_out *out;
	int (*work)(void *arg, int fd, struct cs_err *err);
	void (*sink)(void *arg, const char *data, size_t len);
	void *arg;
};
int cs_worker_run(const struct cs_worker *worker, struct cs_err *err) CS_CHECKED;

/* ---- diffs, made in the worker ---- */

struct cs_diff {
	const struct cs_repo *repo;
	const struct cs_change *change; /* with object ids; NULL: what is between two trees */
	struct cs_oid before, after;	/* before, len 0: nothing */
};
/* As a unified diff. */
int cs_show_diff(struct cs_out *out, const struct cs_diff *what, struct cs_err *err) CS_CHECKED;
/* "M path +1 -2" of the first files, and how many more there are. */
int cs_show_stat(struct cs_out *out, const struct cs_diff *what, struct cs_err *err) CS_CHECKED;

#endif
