/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of a .gitattributes file (gitattributes(5)), as git's attr.c reads them: what git would
 * ignore (negative patterns, bad names, over-long lines, macros where none may be) is ignored.
 */
#include "attr_file.h"

#include <string.h>
#include "internal.h"

#define LINE_MAX_BYTES 2048 /* git ignores longer lines */
#define BLANK	       " \t\r\n"
#define MACRO_PREFIX   "[attr]"

static void line_release(struct cs_attr_line *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->list[i].name);
		free(l->list[i].value);
	}
	free(l->list);
	free(l->macro);
	cs_pattern_release(&l->pattern);
}

void cs_attr_file_release(struct cs_attr_file *file)
{
	for (size_t i = 0; i < file->n; i++)
		line_release(&file->lines[i]);
	free(file->lines);
	*file = (struct cs_attr_file){ 0 };
}

static bool is_name_good(const char *name, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return len && *name != '-' && strspn(name, allowed) >= len;
}

/* "name", "-name", "!name" or "name=value"; false when git would not take it. */
static bool parse_assignment(struct cs_attr_line *l, const char *word)
{
	const size_t len = strcspn(word, "=");
	struct cs_attr *a;
	enum cs_attr_state state = word[len] ? CS_ATTR_VALUE : CS_ATTR_SET;

	if (*word == '-' || *word == '!') {
		state = *word == '-' ? CS_ATTR_UNSET : CS_ATTR_UNSPECIFIED;
		if (!is_name_good(word + 1, len - 1))
			return false;
	} else if (!is_name_good(word, len)) {
		return false;
	}
	CS_GROW(l->list, l->n, l->cap);
	a = &l->list[l->n++];
	*a = (struct cs_attr){ .state = state };
	if (state == CS_ATTR_VALUE)
		a->value = cs_strdup(word + len + 1);
	if (state == CS_ATTR_UNSET || state == CS_ATTR_UNSPECIFIED)
		a->name = cs_strndup(word + 1, len - 1);
	else
		a->name = cs_strndup(word, len);
	return true;
}

static bool parse_assignments(struct cs_attr_line *l, char *rest)
{
	char *word;

	while ((word = strsep(&rest, BLANK)))
		if (*word && !parse_assignment(l, word))
			return false;
	return true;
}

/*
 * Cuts the first word off *rest. C-quoted, it may hold blanks; a quote that is not closed is a
 * plain character.
 */
static char *first_word(char **rest)
{
	char *word = *rest;
	AUTO_FREE char *trial = cs_strdup(word);

	if (*word == '"' && cs_unquote_c(trial)) {
		*rest = cs_unquote_c(word);
		return word;
	}
	*rest = word + strcspn(word, BLANK);
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}

/* "[attr]name": the name, and *len; NULL for a pattern. */
static const char *macro_name(size_t *len, const char *word)
{
	const size_t prefix = strlen(MACRO_PREFIX);
	const char *name = word + prefix;

	if (strncmp(word, MACRO_PREFIX, prefix) != 0 || !*name)
		return NULL;
	name += strspn(name, BLANK);
	*len = strcspn(name, BLANK);
	return name;
}

/* A line that is to count; false for one to ignore. text is changed. */
static bool parse_line(struct cs_attr_line *out, char *text, bool macros)
{
	char *rest = text + strspn(text, BLANK);
	const char *macro;
	const char *word;
	size_t len = 0;

	if (!*rest || *rest == '#')
		return false;
	word = first_word(&rest);
	macro = macro_name(&len, word);
	if (macro && (!macros || !is_name_good(macro, len)))
		return false;
	if (macro)
		out->macro = cs_strndup(macro, len);
	else
		cs_pattern_parse(&out->pattern, word);
	return !out->pattern.negative && parse_assignments(out, rest);
}

void cs_attr_file_parse(struct cs_attr_file *out, char *text, bool macros)
{
	static const char bom[] = "\xef\xbb\xbf";
	char *rest = text;
	char *s;

	if (!strncmp(rest, bom, strlen(bom)))
		rest += strlen(bom);
	while ((s = strsep(&rest, "\n"))) {
		struct cs_attr_line l = { 0 };

		if (strlen(s) < LINE_MAX_BYTES && parse_line(&l, s, macros)) {
			CS_GROW(out->lines, out->n, out->cap);
			out->lines[out->n++] = l;
		} else {
			line_release(&l);
		}
	}
}
