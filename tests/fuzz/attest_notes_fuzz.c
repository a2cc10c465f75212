/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of notes, and paths in a notes tree: sorting keeps every line that was there and no other,
 * is done once, and does not depend on the order; a path is a note's for one object only.
 */
#include <stdlib.h>
#include <string.h>
#include "../../lib/attest/notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool has_line(const struct cs_buf *text, const char *line, size_t len)
{
	for (size_t at = 0; at < text->len;) {
		const char *end = memchr(text->data + at, '\n', text->len - at);
		size_t n = end ? (size_t)(end - text->data) - at : text->len - at;

		if (n == len && memcmp(text->data + at, line, len) == 0)
			return true;
		at += n + 1;
	}
	return false;
}

static void all_in(const struct cs_buf *some, const struct cs_buf *all)
{
	for (size_t at = 0; at < some->len;) {
		const char *end = memchr(some->data + at, '\n', some->len - at);
		size_t n = end ? (size_t)(end - some->data) - at : some->len - at;

		if (n && !has_line(all, some->data + at, n))
			abort();
		at += n + 1;
	}
}

static void try_lines(const uint8_t *data, size_t len)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf sorted = CS_BUF_INIT;
	AUTO_BUF struct cs_buf turned = CS_BUF_INIT;
	size_t half = len / 2;

	cs_buf_add(&text, data, len);
	cs_buf_add(&sorted, data, len);
	lines_sort(&sorted);
	all_in(&text, &sorted);
	all_in(&sorted, &text);
	if (!lines_within(&sorted, &sorted))
		abort();
	/* the second half, the first, and both again: whole lines in another order */
	while (half && data[half - 1] != '\n')
		half--;
	cs_buf_add(&turned, data + half, len - half);
	cs_buf_addc(&turned, '\n');
	cs_buf_add(&turned, data, half);
	cs_buf_add(&turned, sorted.data, sorted.len);
	lines_sort(&turned);
	if (turned.len != sorted.len || memcmp(turned.data, sorted.data, sorted.len) != 0)
		abort();
	/* without its last line it is less */
	if (sorted.len) {
		size_t cut = sorted.len - 1;

		while (cut && sorted.data[cut - 1] != '\n')
			cut--;
		cs_buf_truncate(&turned, cut);
		if (!lines_within(&turned, &sorted) || lines_within(&sorted, &turned))
			abort();
	}
}

static void try_path(const uint8_t *data, size_t len)
{
	AUTO_FREE char *path = cs_strndup((const char *)data, len);
	char hex[CS_OID_HEX];
	struct cs_oid object;
	size_t n = 0;

	if (!notes_object(&object, path))
		return;
	cs_oid_hex(hex, &object);
	for (const char *p = path; *p; p++)
		if (*p != '/' && *p != hex[n++])
			abort();
	if (hex[n])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > 4096)
		return 0;
	try_lines(data, len);
	try_path(data, len);
	return 0;
}
