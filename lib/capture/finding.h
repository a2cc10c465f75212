/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of findings that capture makes. The words themselves stand in finding.c. */
#ifndef CAPTURE_FINDING_H
#define CAPTURE_FINDING_H

#include "countersign/capture.h"

enum capture_kind {
	KIND_NONE = 0,
	/* found by the reader */
	KIND_REFUSED_NAME,
	KIND_NESTED_REPOSITORY,
	KIND_SUBMODULE,
	KIND_SPECIAL_FILE,
	KIND_SETUID,
	KIND_HARD_LINK,
	KIND_PATH_TOO_LONG,
	KIND_TOO_DEEP,
	KIND_TOO_LARGE,
	KIND_TOO_MANY,
	KIND_UNREADABLE,
	KIND_IGNORED,
	KIND_IGNORE_RULES,
	KIND_EMPTY_DIRECTORY,
	KIND_AGENT_COMMITS,
	KIND_AGENT_INDEX,
	/* found by the writer */
	KIND_BINARY,
	KIND_HIDDEN_CONTENT,
	KIND_CONVERSION,
	KIND_LFS_POINTER,
	KIND_LINK_OUTSIDE,
	KIND_SENSITIVE_PATH,
	KIND_HIDDEN_PATH,
	KIND_TRUNCATED,
	KIND_COUNT,
};

/* The word of a kind; NULL for a number that is none. */
const char *capture_kind_word(unsigned int kind);

#endif
