/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of lib/change: the contents of a transition's two sides. */
#ifndef CS_CHANGE_INTERNAL_H
#define CS_CHANGE_INTERNAL_H

#include "countersign/change.h"

enum cs_shown {
	CS_SHOWN_NOT = 0, /* unknown yet */
	CS_SHOWN_TEXT,
	CS_SHOWN_BINARY,    /* a NUL in the first 8,000 bytes, as git decides */
	CS_SHOWN_TOO_LARGE, /* data is empty */
};

struct cs_content {
	enum cs_shown shown;
	uint64_t size;
	struct cs_buf data; /* of a gitlink: what git shows for it */
};
#define CS_CONTENT_INIT             \
	{                           \
		.data = CS_BUF_INIT \
	}

/* Empty text for an absent side. */
int cs_content_read(struct cs_content *out, const struct cs_repo *repo, const struct cs_side *side,
		    uint64_t max_bytes, struct cs_err *err) CS_CHECKED;
void cs_content_release(struct cs_content *c);
#define AUTO_CONTENT CS_AUTO(cs_content_release)

/* SHA-256 of the side's content as 64 hex digits; the commit of a gitlink; "-" of an absent side.
 */
int cs_side_digest(char out[CS_SHA256_HEX], const struct cs_repo *repo, const struct cs_side *side,
		   struct cs_err *err) CS_CHECKED;

/* The lines of both sides compared; in both cases libgit2 sees two buffers, no repository. */
int cs_lines_count(uint64_t *added, uint64_t *deleted, const struct cs_buf *before,
		   const struct cs_buf *after, struct cs_err *err) CS_CHECKED;
/* Adds the hunks of a unified diff; nothing for equal contents. */
int cs_lines_diff(struct cs_buf *out, const struct cs_buf *before, const struct cs_buf *after,
		  struct cs_err *err) CS_CHECKED;

#endif
