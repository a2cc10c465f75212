/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of attributes: what is kept is well-formed. And the matcher against git's algorithm in its
 * plainest form, which is exponential: the input is kept short for it.
 */
#include <stdlib.h>
#include "../../lib/repo/attr_file.h"
#include "../../lib/repo/internal.h"

#define SHORT 14

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* One class at p (behind the bracket): what follows it, NULL when malformed. */
static const char *reference_class(bool *in, const char *p, unsigned char c)
{
	const bool negated = *p == '!' || *p == '^';
	unsigned char last = 0;
	bool first = true;

	*in = false;
	for (p += negated; first || *p != ']'; p++, first = false) {
		unsigned char from = last;

		if (!*p)
			return NULL;
		if (*p == '[' && p[1] == ':')
			return NULL; /* named classes are not tried */
		last = 0;
		if (*p == '-' && from && p[1] && p[1] != ']') {
			p += p[1] == '\\' ? 2 : 1;
			if (!*p)
				return NULL;
			*in |= from <= c && c <= (unsigned char)*p;
			continue;
		}
		p += *p == '\\';
		if (!*p)
			return NULL;
		last = (unsigned char)*p;
		*in |= last == c;
	}
	*in ^= negated;
	return p + 1;
}

static bool reference(const char *start, const char *p, const char *t, bool pathname)
{
	if (!*p)
		return !*t;
	if (*p == '*') {
		const char *after = p + strspn(p, "*");
		const bool whole =
			(p == start || p[-1] == '/') &&
			(!*after || *after == '/' || (after[0] == '\\' && after[1] == '/'));
		const bool deep = !pathname || (after - p > 1 && whole);

		if (pathname && deep && *after == '/' && reference(start, after + 1, t, pathname))
			return true;
		for (;; t++) {
			if (reference(start, after, t, pathname))
				return true;
			if (!*t || (*t == '/' && !deep))
				return false;
		}
	}
	if (!*t)
		return false;
	if (*p == '[') {
		bool in;
		const char *after = reference_class(&in, p + 1, (unsigned char)*t);

		return after && in && !(pathname && *t == '/') &&
		       reference(start, after, t + 1, pathname);
	}
	if (*p == '?')
		return !(pathname && *t == '/') && reference(start, p + 1, t + 1, pathname);
	if (*p == '\\' && !*++p)
		return false;
	return *p == *t && reference(start, p + 1, t + 1, pathname);
}

static void check_match(const char *text)
{
	AUTO_FREE char *copy = cs_strdup(text);
	char *path = strchr(copy, '\n');

	if (!path)
		return;
	*path++ = '\0';
	if (strlen(copy) > SHORT || strlen(path) > SHORT || strstr(copy, "[:"))
		return;
	for (int pathname = 0; pathname < 2; pathname++)
		if (cs_wildmatch(copy, path, pathname) != reference(copy, copy, path, pathname))
			abort();
}

static void check_file(char *text, bool macros)
{
	struct cs_attr_file file = { 0 };

	cs_attr_file_parse(&file, text, macros);
	for (size_t i = 0; i < file.n; i++) {
		const struct cs_attr_line *l = &file.lines[i];

		if (!l->macro == !l->pattern.text || (l->macro && !macros) || l->pattern.negative)
			abort();
		for (size_t k = 0; k < l->n; k++)
			if (!*l->list[k].name ||
			    !l->list[k].value != (l->list[k].state != CS_ATTR_VALUE))
				abort();
		if (l->pattern.text)
			(void)cs_pattern_match(&l->pattern, "d", "d/some/file.c", false);
	}
	cs_attr_file_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = cs_strndup((const char *)data, len);

	check_match(text);
	check_file(text, len % 2);
	return 0;
}
