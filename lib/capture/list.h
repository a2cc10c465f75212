/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader's list said, checked: the writer's view of it. Pure.
 *
 * Life: LIST_INIT, list_add for each frame until `ended`, list_check once, release.
 */
#ifndef CAPTURE_LIST_H
#define CAPTURE_LIST_H

#include "finding.h"
#include "protocol.h"

struct item {
	enum frame_type type; /* FILE, LINK or DELETE */
	char *path;
	char *target; /* LINK */
	uint64_t size;
	struct text_stats text;
	uint32_t mode;	   /* of the tree entry; 0: DELETE */
	struct cs_oid oid; /* filled by the writer */
	bool passed_over;  /* below a submodule of the base */
};

struct list {
	struct item *items;
	size_t n, cap;
	size_t *sorted; /* upserts and deletions by path; made by list_check */
	struct cs_strv closed;
	struct cs_findings findings;
	struct cs_agent_commit *commits;
	size_t n_commits, cap_commits;
	char head[CS_OID_HEX]; /* "" where none was sent */
	uint64_t frames;
	uint64_t n_files, bytes;
	uint64_t path_bytes; /* and of link targets */
	bool ended;
};
#define LIST_INIT                            \
	{                                    \
		.findings = CS_FINDINGS_INIT \
	}

/* One frame; CS_CORRUPT, or CS_LIMIT beyond LIST_MAX. */
int list_add(struct list *l, const struct frame *f, struct cs_err *err) CS_CHECKED;
/*
 * No path twice, no file where another entry has a directory; a deletion and a new entry may share
 * a path. CS_CORRUPT.
 */
int list_check(struct list *l, struct cs_err *err) CS_CHECKED;
/* Does the list have a new entry (not a deletion) at this path? After list_check. */
bool list_has(const struct list *l, const char *path);
/* ... or a deletion? */
bool list_deletes(const struct list *l, const char *path);
void list_release(struct list *l);

#endif
