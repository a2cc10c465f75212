/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cJSON is a lenient reader: it takes raw control characters in strings, numbers such as 01 and
 * 1e400, invalid UTF-8, and \u0000, which cuts the string that it returns. Two readers that
 * disagree about one signed text are a hole, so every foreign text passes this checker first; what
 * it accepts has one meaning. It keeps no tree: a position, and a stack of open brackets.
 */
#include "json_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "countersign/base/escape.h"

struct check {
	const char *start;
	const char *p;
	const char *end;
};

static int peek(const struct check *c)
{
	return c->p < c->end ? (unsigned char)*c->p : -1;
}

static bool take(struct check *c, int want)
{
	if (peek(c) != want)
		return false;
	c->p++;
	return true;
}

static void skip_space(struct check *c)
{
	while (peek(c) == ' ' || peek(c) == '\t' || peek(c) == '\n' || peek(c) == '\r')
		c->p++;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool digits(struct check *c)
{
	const char *from = c->p;

	while (is_digit(peek(c)))
		c->p++;
	return c->p > from;
}

/* cJSON looks at 63 characters of a number and takes the rest for something else. */
#define MAX_NUMBER 63

static const char *check_number(struct check *c)
{
	const char *from = c->p;

	take(c, '-');
	if (!take(c, '0') && !digits(c))
		return "bad number";
	if (take(c, '.') && !digits(c))
		return "bad number";
	if (take(c, 'e') || take(c, 'E')) {
		if (!take(c, '+'))
			take(c, '-');
		if (!digits(c))
			return "bad number";
	}
	return c->p - from > MAX_NUMBER ? "number too long" : NULL;
}

/* Four hexadecimal digits behind \u, or -1. */
static int32_t hex4(struct check *c)
{
	int32_t n = 0;

	for (int i = 0; i < 4; i++, c->p++) {
		int d = peek(c);

		if (is_digit(d))
			n = n * 16 + d - '0';
		else if (d >= 'a' && d <= 'f')
			n = n * 16 + d - 'a' + 10;
		else if (d >= 'A' && d <= 'F')
			n = n * 16 + d - 'A' + 10;
		else
			return -1;
	}
	return n;
}

static const char *check_escape(struct check *c)
{
	int32_t unit;

	if (!take(c, 'u')) {
		int name = peek(c);

		if (name <= 0 || !strchr("\"\\/bfnrt", name))
			return "bad escape";
		c->p++;
		return NULL;
	}
	unit = hex4(c);
	if (unit < 0)
		return "bad escape";
	if (unit == 0)
		return "a string with a NUL";
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return "half a surrogate pair";
	if (unit >= 0xd800 && unit <= 0xdbff) {
		if (!take(c, '\\') || !take(c, 'u'))
			return "half a surrogate pair";
		unit = hex4(c);
		if (unit < 0xdc00 || unit > 0xdfff)
			return "half a surrogate pair";
	}
	return NULL;
}

static const char *check_string(struct check *c)
{
	if (!take(c, '"'))
		return "expected a string";
	while (!take(c, '"')) {
		const char *bad = NULL;
		uint32_t cp;
		size_t n;

		if (c->p == c->end)
			return "unterminated string";
		if ((unsigned char)*c->p < 0x20)
			return "control character in a string";
		if (take(c, '\\')) {
			bad = check_escape(c);
			if (bad)
				return bad;
			continue;
		}
		n = cs_utf8_decode(&cp, c->p, (size_t)(c->end - c->p));
		if (!n)
			return "not UTF-8";
		c->p += n;
	}
	return NULL;
}

static const char *check_word(struct check *c)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(c->end - c->p) >= n && !memcmp(c->p, words[i], n)) {
			c->p += n;
			return NULL;
		}
	}
	return "expected a value";
}

static const char *check_key(struct check *c)
{
	const char *bad = check_string(c);

	if (bad)
		return bad;
	skip_space(c);
	return take(c, ':') ? NULL : "expected ':'";
}

/*
 * One value, except that an opened array or object stays open: its bracket is pushed.
 * *opened tells; an empty one is closed at once.
 */
static const char *check_value(struct check *c, char *stack, size_t *depth, bool *opened)
{
	int first = peek(c);

	*opened = false;
	if (first == '"')
		return check_string(c);
	if (first == '-' || is_digit(first))
		return check_number(c);
	if (first != '[' && first != '{')
		return check_word(c);
	if (*depth == CS_JSON_MAX_DEPTH)
		return "nested too deeply";
	c->p++;
	skip_space(c);
	if (take(c, first == '[' ? ']' : '}'))
		return NULL;
	stack[(*depth)++] = (char)(first == '[' ? ']' : '}');
	*opened = true;
	return first == '{' ? check_key(c) : NULL;
}

/* Behind a complete value: closes what closes here, and steps over one comma. */
static const char *check_after(struct check *c, const char *stack, size_t *depth)
{
	for (skip_space(c); *depth && take(c, stack[*depth - 1]); skip_space(c))
		--*depth;
	if (!*depth)
		return NULL;
	if (!take(c, ','))
		return "expected ',' or a closing bracket";
	skip_space(c);
	return stack[*depth - 1] == '}' ? check_key(c) : NULL;
}

static const char *check_text(struct check *c)
{
	char stack[CS_JSON_MAX_DEPTH];
	size_t depth = 0;

	do {
		const char *bad;
		bool opened;

		skip_space(c);
		bad = check_value(c, stack, &depth, &opened);
		if (!bad && !opened)
			bad = check_after(c, stack, &depth);
		if (bad)
			return bad;
	} while (depth);
	skip_space(c);
	return c->p == c->end ? NULL : "more text behind the value";
}

const char *cs_json_check(const char *data, size_t len, size_t *at)
{
	struct check c = { .start = data, .p = data, .end = data + len };
	const char *bad = check_text(&c);

	*at = (size_t)(c.p - c.start);
	return bad;
}
