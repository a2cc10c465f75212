/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The escaping functions of promise 7: every string that a run, a repository or the network
 * supplied passes through one of them before it reaches a terminal, HTML or Markdown. JSON is
 * escaped by cs_json_print().
 *
 * Terminal: printable text passes; every control character (C0, DEL, C1 as bytes and as UTF-8),
 * invalid UTF-8, bidirectional controls, zero-width and other invisible characters, line and
 * paragraph separators, tag and variation characters become visible: \n, \t, \e, \xNN, \u{NNNN}.
 * A backslash becomes \\ so that the result is unambiguous.
 */
#ifndef COUNTERSIGN_BASE_ESCAPE_H
#define COUNTERSIGN_BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "countersign/base/buf.h"

enum cs_escape_flags {
	CS_ESCAPE_LINE = 0,	/* one line: newline and tab are escaped too */
	CS_ESCAPE_TEXT = 1,	/* newline and tab pass; a backslash stays as it is */
};

void cs_escape_terminal(struct cs_buf *out, const void *data, size_t len,
			enum cs_escape_flags flags);
/* The same for a NUL-terminated string, one line; the caller frees. */
char *cs_escape_line(const char *s);
/* Text content and attribute values: & < > " ' and everything that the terminal form escapes. */
void cs_escape_html(struct cs_buf *out, const void *data, size_t len);
/* One inline Markdown (GFM) text: no markup, no autolink, no mention, no HTML survives. */
void cs_escape_markdown(struct cs_buf *out, const void *data, size_t len);

/* Decodes one code point; returns its length, or 0 for an invalid sequence (RFC 3629). */
size_t cs_utf8_decode(uint32_t *cp, const void *data, size_t len);
bool cs_utf8_valid(const void *data, size_t len);
/* A character that does not show as itself or changes how others show (see above). */
bool cs_hidden_char(uint32_t cp);

#endif
