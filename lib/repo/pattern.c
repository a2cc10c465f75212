/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of .gitignore and .gitattributes files as git's dir.c reads and compares them. */
#include "countersign/repo.h"

#include <string.h>

static const char special[] = "*?[\\";

void cs_pattern_parse(struct cs_pattern *out, const char *text)
{
	size_t len;

	out->negative = *text == '!';
	text += out->negative;
	len = strlen(text);
	out->directory = len && text[len - 1] == '/';
	len -= out->directory;
	out->text = cs_strndup(text, len);
	out->basename = !strchr(out->text, '/');
	out->literal_len = strcspn(out->text, special);
	out->suffix = *out->text == '*' && !out->text[1 + strcspn(out->text + 1, special)];
}

void cs_pattern_release(struct cs_pattern *pattern)
{
	free(pattern->text);
	*pattern = (struct cs_pattern){ 0 };
}

static bool ends_with(const char *s, const char *end)
{
	const size_t len = strlen(s);
	const size_t end_len = strlen(end);

	return len >= end_len && !strcmp(s + len - end_len, end);
}

static bool match_basename(const struct cs_pattern *p, const char *name)
{
	if (!p->text[p->literal_len])
		return !strcmp(p->text, name);
	if (p->suffix)
		return ends_with(name, p->text + 1);
	return cs_wildmatch(p->text, name, false);
}

bool cs_pattern_match(const struct cs_pattern *p, const char *base, const char *path, bool is_dir)
{
	const size_t base_len = strlen(base);
	const char *slash = strrchr(path, '/');
	const char *text = p->text;
	size_t literal = p->literal_len;

	if (p->directory && !is_dir)
		return false;
	if (p->basename)
		return match_basename(p, slash ? slash + 1 : path);
	if (base_len && (strncmp(path, base, base_len) != 0 || path[base_len] != '/'))
		return false;
	path += base_len ? base_len + 1 : 0;
	if (*text == '/') {
		text++;
		literal -= literal > 0;
	}
	/*
	 * The part before the first special character is compared, not matched, and what is left
	 * is a pattern of its own: git's "a**" followed by "/b" depends on it.
	 */
	if (strncmp(text, path, literal) != 0)
		return false;
	return cs_wildmatch(text + literal, path + literal, true);
}
