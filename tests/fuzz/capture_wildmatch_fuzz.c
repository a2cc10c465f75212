/* SPDX-License-Identifier: Apache-2.0 */
/* Pattern and text, separated by the first NUL: the answer is that of a matcher that tries all. */
#include <stdlib.h>
#include "countersign/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STEPS 20000

/* One element that is no star, by the matcher itself: a pattern of one element and a text of one.
 */
static bool one(const char *p, size_t len, char c, bool pathname)
{
	AUTO_FREE char *pattern = cs_strndup(p, len);
	char text[2] = { c, 0 };

	return cs_wildmatch(pattern, text, pathname);
}

/* Length of the element at p; sets are left to the unit tests. */
static size_t element(const char *p)
{
	return *p == '\\' && p[1] ? 2 : 1;
}

/* All ways, as gitignore(5) words them. steps bounds the work: -1 when it ran out. */
static int match(const char *start, const char *p, const char *t, bool pathname, int *steps)
{
	const char *stars = p;
	bool deep, free_star;

	if (--*steps < 0)
		return -1;
	if (!*p)
		return !*t;
	if (*p != '*') {
		size_t n = element(p);

		return *t && one(p, n, *t, pathname) ? match(start, p + n, t + 1, pathname, steps)
						     : 0;
	}
	while (*p == '*')
		p++;
	deep = pathname && p - stars > 1 && (stars == start || stars[-1] == '/') &&
	       (!*p || *p == '/' || (p[0] == '\\' && p[1] == '/'));
	free_star = deep || !pathname;
	if (deep && *p == '/') {
		int rc = match(start, p + 1, t, pathname, steps);

		if (rc)
			return rc;
	}
	for (;; t++) {
		int rc = match(start, p, t, pathname, steps);

		if (rc)
			return rc;
		if (!*t || (*t == '/' && !free_star))
			return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE char *all = cs_strndup("", 0);
	const char *pattern, *text;
	size_t n;

	free(all);
	all = cs_malloc(len + 2);
	memcpy(all, data, len);
	all[len] = all[len + 1] = '\0';
	pattern = all;
	n = strlen(pattern);
	text = n < len ? pattern + n + 1 : pattern + n;
	for (int pathname = 0; pathname < 2; pathname++) {
		bool got = cs_wildmatch(pattern, text, pathname);
		int steps = STEPS, wanted;

		if (strchr(pattern, '['))
			continue;
		wanted = match(pattern, pattern, text, pathname, &steps);
		if (wanted >= 0 && got != (wanted > 0))
			abort();
	}
	return 0;
}
