/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ignore rules during a walk: those of the result (what the agent left) and those of the base,
 * both with the user's. A path is ignored when either says so: removing a rule does not make old
 * build output part of a change, adding one does not hide more than it lists.
 */
#ifndef CAPTURE_RULES_H
#define CAPTURE_RULES_H

#include "ignore.h"
#include "reader.h"

#define RULES_FILE     ".gitignore"
#define RULES_FILE_MAX (1 << 20) /* larger: a finding, and its rules do not count */

/* Where a directory's parent left the rules. */
struct rules_mark {
	size_t result, base;
	bool differ; /* somewhere above, the two are not the same */
};

struct rules {
	struct cs_ignore *result, *base;
	bool differ;
};

void rules_init(struct rules *rules, const char *user_excludes);
void rules_release(struct rules *rules);
struct rules_mark rules_mark(const struct rules *rules);
void rules_rewind(struct rules *rules, const struct rules_mark *mark);
/* The rules of one directory; either text may be empty. */
void rules_add(struct rules *rules, const char *dir, const struct cs_buf *result,
	       const struct cs_buf *base);
/* For the path itself; the caller knows about its parents. */
bool rules_match(const struct rules *rules, const char *path, bool is_dir);
/* Reads the file of rules below dir_fd: 0, CS_NOTFOUND, or why it does not count (err). */
int rules_read(struct cs_buf *out, int dir_fd, struct cs_err *err) CS_CHECKED;

/* What was ignored, by directory. */
struct ignored {
	char *dir;   /* "" for the top */
	char *first; /* a single file's path; NULL where the directory itself is ignored */
	uint64_t files;
};
struct ignored_list {
	struct ignored *list;
	size_t n, cap;
};
#define IGNORED_NONE SIZE_MAX
#define IGNORED_MAX  65536

/* A new line for a directory; returns its index. */
size_t ignored_open(struct ignored_list *l, const char *dir, const char *first);
int ignored_send(const struct ignored_list *l, struct reader *r, struct cs_err *err) CS_CHECKED;
void ignored_release(struct ignored_list *l);

#endif
