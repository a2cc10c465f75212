/* SPDX-License-Identifier: Apache-2.0 */
/* What reading and writing of notes share. */
#ifndef ATTEST_NOTES_H
#define ATTEST_NOTES_H

#include "countersign/attest.h"

#define NOTES_PATH_MAX	(CS_OID_HEX + CS_OID_MAX) /* all digits, and a slash behind each pair */
#define NOTES_BYTES_MAX (64 << 20)		  /* of one object's lines */

/* The tree of a notes commit; no commit (len 0) has no tree. */
int notes_tree(struct cs_oid *tree, const struct cs_repo *repo, const struct cs_oid *commit,
	       struct cs_err *err) CS_CHECKED;
/*
 * Adds what a tree has for an object, and gives the path where it was found first; "2/38" (the
 * place of new ones) where there is none.
 */
int notes_of(struct cs_buf *lines, char path[NOTES_PATH_MAX], const struct cs_repo *repo,
	     const struct cs_oid *tree, const struct cs_oid *object, struct cs_err *err) CS_CHECKED;
/* The object that a path in a notes tree stands for; false: it is no note's. */
bool notes_object(struct cs_oid *object, const char *path);

/* Text as sorted, unique, whole lines. */
void lines_sort(struct cs_buf *text);
/* Whether every line of `some` is one of `all`; both sorted. */
bool lines_within(const struct cs_buf *some, const struct cs_buf *all);

#endif
