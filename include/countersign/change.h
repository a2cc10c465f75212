/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a change is: the transitions between two trees, and their digest. Independent of git's
 * hash function, of attributes, renames, replace refs and work trees; cost grows with the change.
 *
 * A transition is (path, old mode + SHA-256 of the old content, new mode + SHA-256 of the new
 * content); a side that does not exist has mode 0 and no digest; a gitlink has the commit id in
 * hexadecimal where the digest stands. Canonical text, one line each, in byte order of the path:
 *
 *	path NUL old-mode SP old-sha256 SP new-mode SP new-sha256 LF
 *
 * with modes as six octal digits ("000000" and "-" for an absent side). The change digest is
 * SHA-256("countersign change v1\n" + those lines).
 */
#ifndef COUNTERSIGN_CHANGE_H
#define COUNTERSIGN_CHANGE_H

#include "countersign/base.h"
#include "countersign/repo.h"

struct cs_side {
	uint32_t mode; /* 0: absent */
	struct cs_oid oid;
	char digest[CS_SHA256_HEX]; /* SHA-256, or the gitlink's id; "-" when absent */
};

struct cs_transition {
	char *path; /* bytes as in the tree */
	struct cs_side before, after;
};

struct cs_change {
	struct cs_transition *list; /* byte order of path */
	size_t n, cap;
	uint64_t lines_added, lines_deleted; /* filled by cs_change_count_lines */
};
#define CS_CHANGE_INIT \
	{              \
		0      \
	}

/* At most so many transitions; a larger change is CS_LIMIT. */
#define CS_CHANGE_MAX (1u << 22)

/*
 * Differences between two trees (len 0: the empty tree); with_digests reads the blobs. Any tree on
 * the way that is malformed is CS_CORRUPT, a missing object CS_NOTFOUND, more than 1,024 levels or
 * CS_CHANGE_MAX paths CS_LIMIT: never a shorter list.
 */
int cs_change_between(struct cs_change *out, const struct cs_repo *repo,
		      const struct cs_oid *before, const struct cs_oid *after, bool with_digests,
		      struct cs_err *err) CS_CHECKED;
void cs_change_release(struct cs_change *change);

/* The canonical text, and its digest as 64 hex digits. Needs digests. */
void cs_change_format(struct cs_buf *out, const struct cs_change *change);
void cs_change_digest(char out[CS_SHA256_HEX], const struct cs_change *change);

/* Counts lines as `git diff --numstat --no-renames` does; binary and above 64 MiB: none. */
int cs_change_count_lines(struct cs_change *change, const struct cs_repo *repo,
			  struct cs_err *err) CS_CHECKED;

/*
 * One transition as a unified diff with three lines of context, git's header lines, no
 * attributes, drivers or renames. The text is raw: hostile bytes, to be escaped by the caller.
 * Binary and over-long content (max_bytes a side) is said in one line with sizes and digests.
 */
int cs_change_patch(struct cs_buf *out, const struct cs_transition *t, const struct cs_repo *repo,
		    uint64_t max_bytes, struct cs_err *err) CS_CHECKED;

/*
 * What a policy hides ([sandbox] hide): the tree without the files that a glob matches, or that lie in
 * a directory that one matches; hidden says how many. prefix: where the tree lies, "" or a path with
 * a slash at its end, for a submodule's. Written to the repository as objects. cs_tree_unhide
 * (countersign/capture.h) is the way back.
 */
int cs_tree_hide(struct cs_oid *out, size_t *hidden, struct cs_repo *repo,
		 const struct cs_oid *tree, const char *prefix, const struct cs_strv *globs,
		 struct cs_err *err) CS_CHECKED;

#endif
