/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The git-config grammar, read strictly. libgit2's reader is not usable for policy: it has no line
 * numbers, follows includes and accepts files that git refuses. This one accepts a subset of what
 * git accepts, with the same pairs (the unit test asks git itself).
 *
 * Refused although git accepts it: keys before the first section, a section without a name,
 * [a.b "c"] (two spellings of a subsection at once), escapes in a subsection other than \" and \\,
 * include and includeIf, and control characters other than tab and line ends, because what a human
 * sees in a policy file has to be what it says.
 *
 * An unquoted tab inside a value counts as a blank, as in git before 2.45.
 */
#include "countersign/base/config.h"

#include <stdbool.h>
#include <strings.h>
#include "countersign/base/buf.h"
#include "countersign/base/own.h"

#define END (-1)

struct reader {
	const char *file;
	const char *p;
	const char *end;
	int line;
	struct cs_buf section;
	struct cs_buf subsection;
	bool has_subsection;
	struct cs_buf key;
	struct cs_buf value;
	struct cs_err *err;
};

static void reader_release(struct reader *r)
{
	cs_buf_release(&r->section);
	cs_buf_release(&r->subsection);
	cs_buf_release(&r->key);
	cs_buf_release(&r->value);
}

static int refuse(struct reader *r, int line, const char *what)
{
	return cs_err_set(r->err, CS_CORRUPT, "%s:%d: %s", r->file, line, what);
}

static bool is_alpha(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name_char(int c)
{
	return is_alpha(c) || (c >= '0' && c <= '9') || c == '-';
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t';
}

static char lower(int c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* The next character, CR LF as LF. check_bytes() has refused every other CR. */
static int next(struct reader *r)
{
	if (r->p == r->end)
		return END;
	if (*r->p == '\r')
		r->p++;
	if (*r->p == '\n')
		r->line++;
	return (unsigned char)*r->p++;
}

static int peek(const struct reader *r)
{
	if (r->p == r->end)
		return END;
	return *r->p == '\r' ? '\n' : (unsigned char)*r->p;
}

static int check_bytes(struct reader *r)
{
	int line = 1;

	for (const char *p = r->p; p < r->end; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '\n')
			line++;
		else if (c == '\r' && (p + 1 == r->end || p[1] != '\n'))
			return refuse(r, line, "carriage return inside a line");
		else if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
			return cs_err_set(r->err, CS_CORRUPT, "%s:%d: control character 0x%02x",
					  r->file, line, c);
	}
	return 0;
}

static int add(struct reader *r, struct cs_buf *b, int c, size_t max, const char *what)
{
	if (b->len == max)
		return cs_err_set(r->err, CS_LIMIT, "%s:%d: %s longer than %zu bytes", r->file,
				  r->line, what, max);
	cs_buf_addc(b, (char)c);
	return 0;
}

static int add_name(struct reader *r, struct cs_buf *b, int c)
{
	return add(r, b, c, CS_CONFIG_MAX_NAME, "name");
}

/* [section "subsection"]: behind the blank that ends the section's name. */
static int read_quoted_subsection(struct reader *r, int line)
{
	int c;

	if (r->has_subsection)
		return refuse(r, line, "both [section.subsection] and a quoted subsection");
	do
		c = next(r);
	while (is_blank(c));
	if (c != '"')
		return refuse(r, line, "expected a quoted subsection");
	r->has_subsection = true;
	while ((c = next(r)) != '"') {
		if (c == '\\') {
			c = next(r);
			if (c != '"' && c != '\\')
				return refuse(r, line, "unknown escape in the subsection");
		}
		if (c == '\n' || c == END)
			return refuse(r, line, "unterminated subsection");
		if (add_name(r, &r->subsection, c) < 0)
			return CS_LIMIT;
	}
	if (next(r) != ']')
		return refuse(r, line, "expected ']' behind the subsection");
	return 0;
}

/* Behind '[': a section header up to its ']'. */
static int read_header(struct reader *r)
{
	int line = r->line;
	int c;

	cs_buf_truncate(&r->section, 0);
	cs_buf_truncate(&r->subsection, 0);
	r->has_subsection = false;
	while ((c = next(r)) != ']') {
		if (is_blank(c)) {
			int rc = read_quoted_subsection(r, line);

			if (rc < 0)
				return rc;
			break;
		}
		if (c == '.' && !r->has_subsection) {
			r->has_subsection = true;
			continue;
		}
		if (c == '\n' || c == END)
			return refuse(r, line, "unterminated section header");
		if (!is_name_char(c) && c != '.')
			return refuse(r, line, "bad character in the section name");
		if (add_name(r, r->has_subsection ? &r->subsection : &r->section, lower(c)) < 0)
			return CS_LIMIT;
	}
	if (!r->section.len)
		return refuse(r, line, "section without a name");
	if (!strcmp(r->section.data, "include") || !strcmp(r->section.data, "includeif"))
		return refuse(r, line, "nothing can be included here");
	return 0;
}

static const struct {
	int name;
	int is;
} escapes[] = { { 't', '\t' }, { 'n', '\n' }, { 'b', '\b' }, { '"', '"' }, { '\\', '\\' } };

/* Behind a backslash in a value. *c is the character meant, or '\n' for a continued line. */
static int read_escape(struct reader *r, int *c, bool *continues)
{
	int line = r->line;
	int name = next(r);

	*continues = name == '\n' || name == END;
	if (*continues)
		return 0;
	for (size_t i = 0; i < CS_COUNT(escapes); i++) {
		if (escapes[i].name == name) {
			*c = escapes[i].is;
			return 0;
		}
	}
	return refuse(r, line, "unknown escape in the value");
}

static void skip_comment(struct reader *r)
{
	while (peek(r) != '\n' && peek(r) != END)
		next(r);
}

/* Behind '=': the value up to the end of its line, into r->value. */
static int read_value(struct reader *r)
{
	bool quoted = false;
	size_t blanks = 0; /* seen, and only real once something follows them */
	int line, c;

	cs_buf_truncate(&r->value, 0);
	for (;;) {
		bool literal = false, continues = false;

		line = r->line;
		c = next(r);
		if (c == '\n' || c == END)
			return quoted ? refuse(r, line, "unterminated quote") : 0;
		if (!quoted && is_blank(c)) {
			blanks += r->value.len > 0;
			continue;
		}
		if (!quoted && (c == '#' || c == ';')) {
			skip_comment(r);
			continue;
		}
		for (; blanks; blanks--) {
			if (add(r, &r->value, ' ', CS_CONFIG_MAX_VALUE, "value") < 0)
				return CS_LIMIT;
		}
		if (c == '\\') {
			if (read_escape(r, &c, &continues) < 0)
				return CS_CORRUPT;
			literal = true;
		}
		if (continues)
			continue;
		if (c == '"' && !literal)
			quoted = !quoted;
		else if (add(r, &r->value, c, CS_CONFIG_MAX_VALUE, "value") < 0)
			return CS_LIMIT;
	}
}

/* A key, whose first letter is c, and its value. */
static int read_pair(struct reader *r, int c, cs_config_fn fn, void *arg)
{
	struct cs_config_entry entry = { .file = r->file, .line = r->line };
	int rc;

	if (!is_alpha(c))
		return refuse(r, entry.line, "expected a section, a key or a comment");
	if (!r->section.len)
		return refuse(r, entry.line, "key before the first section");
	cs_buf_truncate(&r->key, 0);
	cs_buf_addc(&r->key, lower(c));
	while (is_name_char(peek(r))) {
		if (add_name(r, &r->key, lower(next(r))) < 0)
			return CS_LIMIT;
	}
	while (is_blank(peek(r)))
		next(r);
	entry.section = r->section.data;
	entry.subsection = r->has_subsection ? r->subsection.data : NULL;
	entry.key = r->key.data;
	if (peek(r) == '=') {
		next(r);
		rc = read_value(r);
		if (rc < 0)
			return rc;
		entry.value = r->value.data;
	} else if (peek(r) != '\n' && peek(r) != END) {
		return refuse(r, entry.line, "expected '=' or the end of the line behind the key");
	}
	return fn(arg, &entry, r->err);
}

static int read_all(struct reader *r, cs_config_fn fn, void *arg)
{
	int rc, c;

	while ((c = next(r)) != END) {
		rc = 0;
		if (c == '#' || c == ';')
			skip_comment(r);
		else if (c == '[')
			rc = read_header(r);
		else if (c != '\n' && !is_blank(c))
			rc = read_pair(r, c, fn, arg);
		if (rc)
			return rc;
	}
	return 0;
}

int cs_config_parse(const char *file, const char *data, size_t len, cs_config_fn fn, void *arg,
		    struct cs_err *err)
{
	__attribute__((cleanup(reader_release))) struct reader r = {
		.file = file,
		.p = data,
		.end = data + len,
		.line = 1,
		.section = CS_BUF_INIT,
		.subsection = CS_BUF_INIT,
		.key = CS_BUF_INIT,
		.value = CS_BUF_INIT,
		.err = err,
	};
	int rc;

	if (len > CS_CONFIG_MAX_BYTES)
		return cs_err_set(err, CS_LIMIT, "%s: larger than %d bytes", file,
				  CS_CONFIG_MAX_BYTES);
	rc = check_bytes(&r);
	if (rc < 0)
		return rc;
	if (len >= 3 && !memcmp(data, "\xef\xbb\xbf", 3)) /* the byte order mark of some editors */
		r.p += 3;
	return read_all(&r, fn, arg);
}

int cs_config_bool(const char *value)
{
	static const struct {
		const char *word;
		int is;
	} words[] = { { "true", 1 }, { "yes", 1 }, { "on", 1 }, { "1", 1 }, { "false", 0 },
		      { "no", 0 },   { "off", 0 }, { "0", 0 },	{ "", 0 } };

	if (!value)
		return 1;
	for (size_t i = 0; i < CS_COUNT(words); i++) {
		if (!strcasecmp(value, words[i].word))
			return words[i].is;
	}
	return -1;
}
