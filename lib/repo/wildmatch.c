/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git's wildmatch, without recursion: a pattern may come from a file that an agent wrote, and git's
 * own matcher needs exponential time for a row of "**" and "/".
 *
 * Two places to come back to are enough. After a star, taking the earliest match of what follows
 * never spoils a later one, so an earlier star of the same path component is never tried again;
 * a star that may not cross a slash dies with its component, and then only the last "**" of the
 * pattern can still move on. Time is at most (bytes of the pattern) x (bytes of the text) for each
 * component of the text, memory is constant.
 */
#include "countersign/repo.h"

#include <ctype.h>
#include <string.h>

typedef unsigned char uchar;

/* Where to go on when the text does not fit. p is NULL where there is no such place. */
struct retry {
	const uchar *p;
	const uchar *t;
};

enum fit {
	FIT_NO = 0,
	FIT_YES,
	FIT_NEVER, /* a malformed set: no text matches the pattern */
};

/* git knows no vertical tab and no form feed here. */
static int is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const struct {
	const char *name;
	int (*has)(int c);
} classes[] = {
	{ "alnum", isalnum }, { "alpha", isalpha },  { "blank", isblank }, { "cntrl", iscntrl },
	{ "digit", isdigit }, { "graph", isgraph },  { "lower", islower }, { "print", isprint },
	{ "punct", ispunct }, { "space", is_space }, { "upper", isupper }, { "xdigit", isxdigit },
};

/*
 * "[:name:]" at p, which points at the inner '['. FIT_NEVER where the name is unknown, FIT_NO where
 * it is no class at all (*end is NULL then) or c is not in it; *end points at the closing ']'.
 */
static enum fit match_class(const uchar **end, const uchar *p, uchar c)
{
	const uchar *name = p + 2;
	const uchar *close = name + strcspn((const char *)name, "]");

	*end = NULL;
	if (!*close)
		return FIT_NEVER;
	if (close == name || close[-1] != ':')
		return FIT_NO;
	*end = close;
	for (size_t i = 0; i < CS_COUNT(classes); i++) {
		size_t len = strlen(classes[i].name);

		if (len == (size_t)(close - 1 - name) && !memcmp(name, classes[i].name, len))
			return c < 0x80 && classes[i].has(c) ? FIT_YES : FIT_NO;
	}
	return FIT_NEVER;
}

/* One set, *pp at its '['; on FIT_YES and FIT_NO *pp is behind its ']'. */
static enum fit match_set(const uchar **pp, uchar c)
{
	const uchar *p = *pp + 1;
	bool negated = *p == '!' || *p == '^';
	bool in = false;
	uchar before = 0; /* the start of a possible range; 0: there can be none */

	p += negated;
	do {
		uchar first = *p;
		const uchar *end;

		if (first == '[' && p[1] == ':') {
			enum fit fit = match_class(&end, p, c);

			if (fit == FIT_NEVER)
				return FIT_NEVER;
			in |= end ? fit == FIT_YES : c == '[';
			before = end ? 0 : '[';
			p = end ? end : p;
			continue;
		}
		if (first == '-' && before && p[1] && p[1] != ']') {
			p += p[1] == '\\' ? 2 : 1;
			in |= *p && c >= before && c <= *p;
			before = 0;
		} else {
			p += first == '\\';
			in |= c == *p;
			before = *p;
		}
		if (!*p)
			return FIT_NEVER;
	} while (*++p != ']');
	*pp = p + 1;
	return in != negated ? FIT_YES : FIT_NO;
}

/* One element of the pattern that is no star against one byte; moves *pp behind it on FIT_YES. */
static enum fit match_one(const uchar **pp, uchar c, bool pathname)
{
	const uchar *p = *pp;
	enum fit fit;

	if (!*p || !c)
		return FIT_NO;
	if (*p == '[') {
		fit = match_set(&p, c);
		if (fit == FIT_YES && pathname && c == '/')
			fit = FIT_NO;
	} else {
		bool any = *p == '?';

		p += *p == '\\';
		fit = (any ? !(pathname && c == '/') : c == *p) ? FIT_YES : FIT_NO;
		p++;
	}
	if (fit == FIT_YES)
		*pp = p;
	return fit;
}

/* Is the run of two or more stars that ends before p one whole component ("**" of a path)? */
static bool is_deep(const uchar *start, const uchar *stars, const uchar *p)
{
	return (stars == start || stars[-1] == '/') &&
	       (!*p || *p == '/' || (p[0] == '\\' && p[1] == '/'));
}

/* Lets the last star, else the last "**", take more of the text. False: there is no match. */
static bool go_back(const uchar **p, const uchar **t, struct retry *star, struct retry *deep,
		    bool pathname)
{
	if (star->p && *star->t && !(pathname && *star->t == '/')) {
		*p = star->p;
		*t = ++star->t;
		return true;
	}
	star->p = NULL;
	if (deep->p && (deep->t = (const uchar *)strchr((const char *)deep->t, '/'))) {
		*p = deep->p;
		*t = ++deep->t;
		return true;
	}
	return false;
}

bool cs_wildmatch(const char *pattern, const char *text, bool pathname)
{
	const uchar *start = (const uchar *)pattern;
	const uchar *p = start, *t = (const uchar *)text;
	struct retry star = { 0 }, deep = { 0 };

	for (;;) {
		if (*p == '*') {
			const uchar *stars = p;

			while (*p == '*')
				p++;
			if (!pathname || p - stars == 1 || !is_deep(start, stars, p)) {
				star = (struct retry){ p, t };
				continue;
			}
			if (!*p)
				return true;
			/* "**" and a slash: no directory at all, or what ends in a slash. */
			star.p = NULL;
			deep = (struct retry){ p + (*p == '\\') + 1, t };
			if (*p == '/') {
				p++;
				continue;
			}
		} else {
			enum fit fit;

			if (!*p && !*t)
				return true;
			fit = match_one(&p, *t, pathname);
			if (fit == FIT_NEVER)
				return false;
			if (fit == FIT_YES) {
				t++;
				continue;
			}
		}
		if (!go_back(&p, &t, &star, &deep, pathname))
			return false;
	}
}

bool cs_glob_matches(const struct cs_strv *globs, const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; globs && i < globs->n; i++) {
		const char *glob = globs->v[i];
		bool whole = strchr(glob, '/') != NULL;

		if (cs_wildmatch(glob, whole || !slash ? path : slash + 1, whole))
			return true;
	}
	return false;
}

bool cs_glob_covers(const struct cs_strv *globs, const char *path)
{
	AUTO_FREE char *above = cs_strdup(path);

	if (cs_glob_matches(globs, path))
		return true;
	for (char *slash = strchr(above, '/'); slash; slash = strchr(slash + 1, '/')) {
		bool matches;

		*slash = '\0';
		matches = cs_glob_matches(globs, above);
		*slash = '/';
		if (matches)
			return true;
	}
	return false;
}
