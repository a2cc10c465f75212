/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The paths in the agent's own index (gitformat-index(5), versions 2 to 4): what it tracks itself
 * is captured although ignore rules match. Nothing but paths is believed.
 */
#ifndef CAPTURE_TRACKED_H
#define CAPTURE_TRACKED_H

#include "countersign/capture.h"

#define TRACKED_INDEX_MAX (256u << 20) /* bytes of the file */

struct tracked {
	struct cs_buf text; /* paths, each with its NUL */
	size_t *at;	    /* where each starts; byte order of the paths */
	size_t n, cap;
};
#define TRACKED_INIT                \
	{                           \
		.text = CS_BUF_INIT \
	}

/* Fills t; false and why (static) for what is no index that we understand: t is empty then. */
bool tracked_parse(struct tracked *t, const char *data, size_t len, size_t oid_len,
		   const char **why);
void tracked_release(struct tracked *t);

bool tracked_has(const struct tracked *t, const char *path);
/* Is anything below the directory tracked? */
bool tracked_below(const struct tracked *t, const char *dir);

#endif
