/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gitignore(5), line by line as git's dir.c reads it: what git ignores is left out of a change, so
 * a difference either hides a file from the reviewer or floods him. Pure.
 */
#include "ignore.h"

#include <string.h>

enum {
	PATTERN_NEGATIVE = 1, /* "!x": not ignored after all */
	PATTERN_DIR_ONLY = 2, /* "x/" */
	PATTERN_BASENAME = 4, /* no slash: matches the last component, at any depth */
	PATTERN_SUFFIX = 8,   /* "*.o": one star and a literal */
};

struct pattern {
	char *text; /* without '!' and trailing slash */
	size_t len;
	size_t literal; /* bytes before the first special character */
	unsigned int flags;
};

/* The patterns of one file, for everything below dir. */
struct group {
	char *dir;
	size_t dir_len;
	size_t first; /* index of its first pattern */
};

struct cs_ignore {
	struct group *groups;
	size_t n_groups, cap_groups;
	struct pattern *patterns;
	size_t n, cap;
};

void cs_ignore_new(struct cs_ignore **out)
{
	*out = cs_calloc(1, sizeof(**out));
}

size_t capture_ignore_mark(const struct cs_ignore *ig)
{
	return ig->n_groups;
}

void capture_ignore_rewind(struct cs_ignore *ig, size_t mark)
{
	while (ig->n_groups > mark) {
		struct group *g = &ig->groups[--ig->n_groups];

		while (ig->n > g->first)
			free(ig->patterns[--ig->n].text);
		free(g->dir);
	}
}

void cs_ignore_free(struct cs_ignore *ig)
{
	if (!ig)
		return;
	capture_ignore_rewind(ig, 0);
	free(ig->groups);
	free(ig->patterns);
	free(ig);
}

/* ---- reading patterns ------------------------------------------------------------------------ */

static size_t literal_length(const char *s)
{
	return strcspn(s, "*?[\\");
}

/* Cuts blanks from the end; "\ " keeps one. */
static void trim_blanks(char *line)
{
	char *blank = NULL;

	for (char *p = line; *p; p++) {
		if (*p == ' ') {
			if (!blank)
				blank = p;
			continue;
		}
		if (*p == '\\' && !*++p)
			return;
		blank = NULL;
	}
	if (blank)
		*blank = '\0';
}

static void add_pattern(struct cs_ignore *ig, const char *line)
{
	struct pattern p = { 0 };

	if (ig->n == CS_IGNORE_MAX)
		return;
	if (*line == '!') {
		p.flags |= PATTERN_NEGATIVE;
		line++;
	}
	p.len = strlen(line);
	p.literal = literal_length(line);
	if (*line == '*' && !line[1 + literal_length(line + 1)])
		p.flags |= PATTERN_SUFFIX;
	if (p.len && line[p.len - 1] == '/') {
		p.flags |= PATTERN_DIR_ONLY;
		p.len--;
	}
	if (!memchr(line, '/', p.len))
		p.flags |= PATTERN_BASENAME;
	if (p.literal > p.len)
		p.literal = p.len;
	p.text = cs_strndup(line, p.len);
	CS_GROW(ig->patterns, ig->n, ig->cap);
	ig->patterns[ig->n++] = p;
}

/* One line without its newline. A NUL ends it, as in git. */
static void add_line(struct cs_ignore *ig, const char *line, size_t len)
{
	AUTO_FREE char *copy = NULL;

	if (!len || *line == '#')
		return;
	if (line[len - 1] == '\r')
		len--;
	copy = cs_strndup(line, strnlen(line, len));
	trim_blanks(copy);
	add_pattern(ig, copy);
}

void cs_ignore_add(struct cs_ignore *ig, const char *dir, const char *text, size_t len)
{
	CS_GROW(ig->groups, ig->n_groups, ig->cap_groups);
	ig->groups[ig->n_groups++] = (struct group){
		.dir = cs_strdup(dir),
		.dir_len = strlen(dir),
		.first = ig->n,
	};
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	while (len) {
		const char *newline = memchr(text, '\n', len);
		size_t line = newline ? (size_t)(newline - text) : len;

		add_line(ig, text, line);
		line += newline != NULL;
		text += line;
		len -= line;
	}
}

/* ---- matching -------------------------------------------------------------------------------- */

static bool match_basename(const struct pattern *p, const char *name)
{
	size_t len = strlen(name);

	if (p->literal == p->len)
		return len == p->len && !memcmp(name, p->text, len);
	if (p->flags & PATTERN_SUFFIX) {
		size_t suffix = p->len - 1;

		return suffix <= len && !memcmp(name + len - suffix, p->text + 1, suffix);
	}
	return cs_wildmatch(p->text, name, false);
}

/*
 * path is relative to the pattern's directory. The literal start is compared by itself and the
 * rest matched as a pattern of its own; "a**" followed by a slash is therefore deep, as in git.
 */
static bool match_path(const struct pattern *p, const char *path)
{
	const char *text = p->text;
	size_t literal = p->literal;

	if (*text == '/') {
		text++;
		literal--;
	}
	if (strncmp(text, path, literal))
		return false;
	text += literal;
	path += literal;
	if (!*text && !*path)
		return true;
	return cs_wildmatch(text, path, true);
}

static const char *below(const struct group *g, const char *path)
{
	if (!g->dir_len)
		return path;
	if (strncmp(path, g->dir, g->dir_len) || path[g->dir_len] != '/')
		return NULL;
	return path + g->dir_len + 1;
}

/* The last pattern of a group that matches. */
static const struct pattern *last_match(const struct cs_ignore *ig, size_t first, size_t end,
					const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	while (end > first) {
		const struct pattern *p = &ig->patterns[--end];

		if ((p->flags & PATTERN_DIR_ONLY) && !is_dir)
			continue;
		if (p->flags & PATTERN_BASENAME ? match_basename(p, name) : match_path(p, path))
			return p;
	}
	return NULL;
}

bool cs_ignore_match(const struct cs_ignore *ig, const char *path, bool is_dir)
{
	size_t end = ig->n;

	for (size_t i = ig->n_groups; i-- > 0;) {
		const struct group *g = &ig->groups[i];
		const char *rest = below(g, path);
		const struct pattern *p = rest ? last_match(ig, g->first, end, rest, is_dir) : NULL;

		if (p)
			return !(p->flags & PATTERN_NEGATIVE);
		end = g->first;
	}
	return false;
}
