/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes are sets of lines. Kept sorted, unique and whole they are the same bytes whoever merged
 * them last: this is what git's cat_sort_uniq strategy makes, too.
 */
#include "notes.h"

#include <string.h>

struct line {
	const char *p;
	size_t len;
};

static int order(const void *va, const void *vb)
{
	const struct line *a = va;
	const struct line *b = vb;
	int c = memcmp(a->p, b->p, a->len < b->len ? a->len : b->len);

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* The next line that is not empty; false at the end. */
static bool next_line(struct line *out, const char **at, const char *end)
{
	while (*at < end && **at == '\n')
		++*at;
	if (*at >= end)
		return false;
	out->p = *at;
	*at = memchr(out->p, '\n', (size_t)(end - out->p));
	if (!*at)
		*at = end;
	out->len = (size_t)(*at - out->p);
	return true;
}

void lines_sort(struct cs_buf *text)
{
	struct cs_buf sorted = CS_BUF_INIT;
	struct line *list = NULL;
	size_t n = 0, cap = 0;
	const char *at = text->data;
	struct line line;

	while (next_line(&line, &at, text->data + text->len)) {
		CS_GROW(list, n, cap);
		list[n++] = line;
	}
	if (n)
		qsort(list, n, sizeof(*list), order);
	for (size_t i = 0; i < n; i++) {
		if (i && order(&list[i - 1], &list[i]) == 0)
			continue;
		cs_buf_add(&sorted, list[i].p, list[i].len);
		cs_buf_addc(&sorted, '\n');
	}
	free(list);
	cs_buf_release(text);
	*text = sorted;
}

bool lines_within(const struct cs_buf *some, const struct cs_buf *all)
{
	const char *at = some->data;
	const char *in = all->data;
	struct line wanted, have;

	while (next_line(&wanted, &at, some->data + some->len)) {
		int c = 1;

		while (c > 0) {
			if (!next_line(&have, &in, all->data + all->len))
				return false;
			c = order(&wanted, &have);
		}
		if (c < 0)
			return false;
	}
	return true;
}
