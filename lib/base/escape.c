/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. All three forms start from one decision, made in visible(): which code
 * points may reach a reader as they are. Everything else is spelled in ASCII, so no sequence of
 * input bytes can move a cursor, reorder a line, hide a character, or end an HTML or Markdown
 * construct that the caller opened. HTML and Markdown then replace their own special characters
 * in the result. Markdown also parts "@", "#" and the like from what follows with a zero-width
 * space, because forges look for mentions and links in the rendered text, where no escape helps.
 */
#include "countersign/base/escape.h"

#include <string.h>
#include "countersign/base/own.h"

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* By lead byte: the length, the smallest code point of that length, the payload bits. */
static const struct {
	uint8_t from, to;
	uint8_t len;
	uint8_t bits;
	uint32_t min;
} leads[] = {
	{ 0x00, 0x7f, 1, 0x7f, 0 },
	{ 0xc2, 0xdf, 2, 0x1f, 0x80 },
	{ 0xe0, 0xef, 3, 0x0f, 0x800 },
	{ 0xf0, 0xf4, 4, 0x07, 0x10000 },
};

size_t cs_utf8_decode(uint32_t *cp, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; len && i < CS_COUNT(leads); i++) {
		uint32_t c = p[0] & leads[i].bits;

		if (p[0] < leads[i].from || p[0] > leads[i].to)
			continue;
		if (len < leads[i].len)
			return 0;
		for (size_t k = 1; k < leads[i].len; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[k] & 0x3f);
		}
		if (c < leads[i].min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*cp = c;
		return leads[i].len;
	}
	return 0;
}

bool cs_utf8_valid(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		uint32_t cp;
		size_t n = cs_utf8_decode(&cp, p, len);

		if (!n)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* ---- which characters show ------------------------------------------------------------------- */

struct range {
	uint32_t from, to;
};

/*
 * Unicode 15: control and format characters, default-ignorable code points, blanks that are not
 * the blank, line separators, private use (a font may draw anything) and noncharacters.
 */
static const struct range hidden[] = {
	{ 0x0000, 0x001f },   { 0x007f, 0x00a0 },    { 0x00ad, 0x00ad },   { 0x034f, 0x034f },
	{ 0x061c, 0x061c },   { 0x115f, 0x1160 },    { 0x1680, 0x1680 },   { 0x17b4, 0x17b5 },
	{ 0x180b, 0x180f },   { 0x2000, 0x200f },    { 0x2028, 0x202f },   { 0x205f, 0x206f },
	{ 0x2800, 0x2800 },   { 0x3000, 0x3000 },    { 0x3164, 0x3164 },   { 0xe000, 0xf8ff },
	{ 0xfdd0, 0xfdef },   { 0xfe00, 0xfe0f },    { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },
	{ 0xfff0, 0xfffb },   { 0xfffe, 0xffff },    { 0x13430, 0x13455 }, { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0x10ffff },
};

/* Marks that stack on the character before them; a stack can cover the lines around it. */
static const struct range stacking[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x1ab0, 0x1aff },
	{ 0x1dc0, 0x1dff }, { 0x20d0, 0x20ff }, { 0xfe20, 0xfe2f },
};
#define MAX_STACK 3

static bool in_ranges(const struct range *r, size_t n, uint32_t cp)
{
	for (size_t i = 0; i < n && cp >= r[i].from; i++) {
		if (cp <= r[i].to)
			return true;
	}
	return false;
}

bool cs_hidden_char(uint32_t cp)
{
	/* The last two code points of every plane are noncharacters. */
	return in_ranges(hidden, CS_COUNT(hidden), cp) || (cp & 0xfffe) == 0xfffe;
}

/* ---- terminal -------------------------------------------------------------------------------- */

static const struct {
	char c;
	const char *as;
} named[] = { { '\n', "\\n" }, { '\t', "\\t" }, { '\r', "\\r" }, { 0x1b, "\\e" } };

static void spell(struct cs_buf *out, uint32_t cp)
{
	for (size_t i = 0; i < CS_COUNT(named); i++) {
		if (cp == (uint32_t)named[i].c) {
			cs_buf_adds(out, named[i].as);
			return;
		}
	}
	cs_buf_addf(out, cp < 0x80 ? "\\x%02x" : "\\u{%x}", cp);
}

/* May this code point stand as it is? *stack counts the marks on the last character. */
static bool visible(uint32_t cp, enum cs_escape_flags flags, int *stack)
{
	if (in_ranges(stacking, CS_COUNT(stacking), cp) && !cs_hidden_char(cp)) {
		if (*stack == MAX_STACK)
			return false;
		++*stack;
		return true;
	}
	*stack = 0;
	if (flags == CS_ESCAPE_TEXT && (cp == '\n' || cp == '\t')) {
		*stack = MAX_STACK; /* nothing to stand on */
		return true;
	}
	return !cs_hidden_char(cp);
}

void cs_escape_terminal(struct cs_buf *out, const void *data, size_t len,
			enum cs_escape_flags flags)
{
	const char *p = data;
	int stack = MAX_STACK;

	while (len) {
		uint32_t cp;
		size_t n = cs_utf8_decode(&cp, p, len);

		if (!n) {
			cs_buf_addf(out, "\\x%02x", (unsigned char)*p);
			n = 1;
			stack = 0;
		} else if (!visible(cp, flags, &stack)) {
			spell(out, cp);
		} else {
			if (cp == '\\' && flags == CS_ESCAPE_LINE)
				cs_buf_addc(out, '\\');
			cs_buf_add(out, p, n);
		}
		p += n;
		len -= n;
	}
}

char *cs_escape_line(const char *s)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	cs_escape_terminal(&out, s, strlen(s), CS_ESCAPE_LINE);
	return cs_buf_take(&out);
}

/* ---- HTML ------------------------------------------------------------------------------------ */

static const struct {
	char c;
	const char *as;
} entities[] = {
	{ '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" },
};

static void add_html(struct cs_buf *out, char c)
{
	for (size_t i = 0; i < CS_COUNT(entities); i++) {
		if (entities[i].c == c) {
			cs_buf_adds(out, entities[i].as);
			return;
		}
	}
	cs_buf_addc(out, c);
}

void cs_escape_html(struct cs_buf *out, const void *data, size_t len)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	cs_escape_terminal(&text, data, len, CS_ESCAPE_TEXT);
	for (size_t i = 0; i < text.len; i++)
		add_html(out, text.data[i]);
}

/* ---- Markdown -------------------------------------------------------------------------------- */

#define ZERO_WIDTH_SPACE "&#8203;"

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ASCII that means nothing to Markdown, wherever it stands. */
static bool plain_markdown(char c)
{
	return (unsigned char)c >= 0x80 || is_word(c) || (c && strchr("/,;?", c));
}

/* Does text[i] start something that a forge turns into a link, a mention or a picture? */
static bool starts_link(const struct cs_buf *text, size_t i)
{
	char c = text->data[i];
	char after = text->data[i + 1]; /* the NUL behind the end, at worst */

	if (c == '@' || c == '#')
		return true; /* @name, user@host, #12, owner/project#12 */
	if (c == ':') /* http://, mailto:, :tada: */
		return is_word(after) || (after && strchr("/+-_", after));
	if (c == '.')
		return i >= 3 && !strncasecmp(text->data + i - 3, "www", 3);
	if (c == '-')
		return i >= 2 && !strncasecmp(text->data + i - 2, "gh", 2); /* GH-12 */
	return strchr("!$%~&^+*", c) && is_word(after); /* !12 and its kin, GitLab */
}

static bool lone_blank(const struct cs_buf *text, size_t i)
{
	return i > 0 && text->data[i - 1] != ' ' && i + 1 < text->len && text->data[i + 1] != ' ';
}

void cs_escape_markdown(struct cs_buf *out, const void *data, size_t len)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	cs_escape_terminal(&text, data, len, CS_ESCAPE_LINE);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (plain_markdown(c) || (c == ' ' && lone_blank(&text, i)))
			cs_buf_addc(out, c);
		else
			cs_buf_addf(out, "&#%d;", c);
		if (c != ' ' && !plain_markdown(c) && starts_link(&text, i))
			cs_buf_adds(out, ZERO_WIDTH_SPACE);
	}
}
