/* SPDX-License-Identifier: Apache-2.0 */
/* One .gitattributes file as a list of lines (attr_file.c). */
#ifndef CS_REPO_ATTR_FILE_H
#define CS_REPO_ATTR_FILE_H

#include "countersign/repo.h"

enum cs_attr_state { CS_ATTR_UNSPECIFIED = 0, CS_ATTR_SET, CS_ATTR_UNSET, CS_ATTR_VALUE };

struct cs_attr {
	char *name;
	enum cs_attr_state state;
	char *value; /* CS_ATTR_VALUE only */
};

struct cs_attr_line {
	struct cs_pattern pattern; /* .text is NULL for a macro */
	char *macro;		   /* its name, or NULL */
	struct cs_attr *list;
	size_t n, cap;
};

struct cs_attr_file {
	struct cs_attr_line *lines; /* in the file's order */
	size_t n, cap;
};

/* Adds the lines that count; text is changed. macros: the file may define some. */
void cs_attr_file_parse(struct cs_attr_file *out, char *text, bool macros);
void cs_attr_file_release(struct cs_attr_file *file);

#endif
