/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The git-config syntax (git-config(1), "CONFIGURATION FILE"), strictly: everything that git
 * refuses is refused, with file and line, and nothing is ever included. What it accepts, git
 * accepts with the same pairs.
 */
#ifndef COUNTERSIGN_BASE_CONFIG_H
#define COUNTERSIGN_BASE_CONFIG_H

#include <stddef.h>
#include "countersign/base/err.h"

#define CS_CONFIG_MAX_BYTES (1 << 20)
#define CS_CONFIG_MAX_VALUE 65536
#define CS_CONFIG_MAX_NAME  1024 /* of a section, subsection or key */

struct cs_config_entry {
	const char *file;	/* as given to the parser; borrowed */
	int line;		/* of the key, from 1 */
	const char *section;	/* lower case */
	const char *subsection; /* exact bytes, or NULL */
	const char *key;	/* lower case */
	const char *value;	/* NULL for a key without '=' */
};

/* Called for each pair, in order; the strings live until it returns. Non-zero stops the parse. */
typedef int (*cs_config_fn)(void *arg, const struct cs_config_entry *entry, struct cs_err *err);

/*
 * Parses len bytes. Returns 0, the callback's code, or CS_CORRUPT with "file:line: what".
 * Sections "include" and "includeIf" and control characters (NUL, escape, a carriage return inside
 * a line, ...) are refused; sizes are capped (CS_LIMIT).
 */
int cs_config_parse(const char *file, const char *data, size_t len, cs_config_fn fn, void *arg,
		    struct cs_err *err) CS_CHECKED;

/* true/yes/on/1/no value, false/no/off/0/empty: 1, 0, or -1 for anything else. */
int cs_config_bool(const char *value);

#endif
