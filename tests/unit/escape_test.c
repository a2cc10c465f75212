/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/escape.h"

#include "countersign/base.h"
#include "unit.h"

#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *name;
	const char *in;
	size_t len;
	const char *line;
	const char *text; /* NULL: the same */
} terminal_rows[] = {
	{ "empty", TEXT(""), "" },
	{ "ASCII", TEXT("a b~!"), "a b~!" },
	{ "backslash", TEXT("a\\n"), "a\\\\n", "a\\n" },
	{ "newline", TEXT("a\nb"), "a\\nb", "a\nb" },
	{ "tab", TEXT("a\tb"), "a\\tb", "a\tb" },
	{ "carriage return", TEXT("a\rb"), "a\\rb" },
	{ "NUL", TEXT("a\0b"), "a\\x00b" },
	{ "bell", TEXT("\a"), "\\x07" },
	{ "backspace", TEXT("a\bb"), "a\\x08b" },
	{ "CSI", TEXT("ok\033[2K\033[1A\033[8mh"), "ok\\e[2K\\e[1A\\e[8mh" },
	{ "clipboard", TEXT("\033]52;c;eA==\a"), "\\e]52;c;eA==\\x07" },
	{ "DEL", TEXT("\x7f"), "\\x7f" },
	{ "C1 byte",
	  TEXT("\x9b"
	       "2J"),
	  "\\x9b2J" },
	{ "C1 as UTF-8",
	  TEXT("\xc2\x9b"
	       "2J"),
	  "\\u{9b}2J" },
	{ "UTF-8", TEXT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
	  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "overlong", TEXT("\xc0\xaf\xe0\x80\xaf"), "\\xc0\\xaf\\xe0\\x80\\xaf" },
	{ "overlong escape", TEXT("\xc0\x9b"), "\\xc0\\x9b" },
	{ "surrogate", TEXT("\xed\xa0\x80"), "\\xed\\xa0\\x80" },
	{ "too large", TEXT("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80" },
	{ "cut short", TEXT("\xe2\x82"), "\\xe2\\x82" },
	{ "cut short by ASCII", TEXT("\xe2\x82z"), "\\xe2\\x82z" },
	{ "right-to-left override",
	  TEXT("a\xe2\x80\xae"
	       "b"),
	  "a\\u{202e}b" },
	{ "isolate", TEXT("\xe2\x81\xa6"), "\\u{2066}" },
	{ "Arabic letter mark", TEXT("\xd8\x9c"), "\\u{61c}" },
	{ "zero-width space",
	  TEXT("a\xe2\x80\x8b"
	       "b"),
	  "a\\u{200b}b" },
	{ "zero-width joiner", TEXT("\xe2\x80\x8d"), "\\u{200d}" },
	{ "line separator", TEXT("\xe2\x80\xa8"), "\\u{2028}" },
	{ "no-break space", TEXT("rm\xc2\xa0-r"), "rm\\u{a0}-r" },
	{ "byte order mark", TEXT("\xef\xbb\xbf"), "\\u{feff}" },
	{ "soft hyphen", TEXT("\xc2\xad"), "\\u{ad}" },
	{ "Hangul filler", TEXT("\xe3\x85\xa4"), "\\u{3164}" },
	{ "variation selector", TEXT("\xef\xb8\x8f"), "\\u{fe0f}" },
	{ "variation selector 17", TEXT("\xf3\xa0\x84\x80"), "\\u{e0100}" },
	{ "tag", TEXT("\xf3\xa0\x81\x81"), "\\u{e0041}" },
	{ "private use", TEXT("\xee\x80\x80"), "\\u{e000}" },
	{ "noncharacter", TEXT("\xf0\x9f\xbf\xbe"), "\\u{1fffe}" },
	{ "accent", TEXT("e\xcc\x81"), "e\xcc\x81" },
	{ "grapheme joiner", TEXT("e\xcd\x8f"), "e\\u{34f}" },
	{ "accent first", TEXT("\xcc\x81"), "\\u{301}" },
	{ "accent on a newline", TEXT("\n\xcc\x81"), "\\n\xcc\x81", "\n\\u{301}" },
	{ "accents stacked", TEXT("e\xcc\x81\xcc\x81\xcc\x81\xcc\x81"),
	  "e\xcc\x81\xcc\x81\xcc\x81\\u{301}" },
};

START_TEST(terminal)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	const char *name = terminal_rows[_i].name;
	const char *want = terminal_rows[_i].text ? terminal_rows[_i].text : terminal_rows[_i].line;

	cs_escape_terminal(&line, terminal_rows[_i].in, terminal_rows[_i].len, CS_ESCAPE_LINE);
	ck_assert_msg(!strcmp(line.data, terminal_rows[_i].line), "%s: %s", name, line.data);
	cs_escape_terminal(&text, terminal_rows[_i].in, terminal_rows[_i].len, CS_ESCAPE_TEXT);
	ck_assert_msg(!strcmp(text.data, want), "%s, as text: %s", name, text.data);
}
END_TEST

/* Every byte sequence of length 1 and 2: what comes out is UTF-8 that shows. */
START_TEST(always_visible)
{
	for (int a = 0; a < 256; a++) {
		for (int b = 0; b < 256; b++) {
			AUTO_BUF struct cs_buf out = CS_BUF_INIT;
			const char in[2] = { (char)a, (char)b };

			cs_escape_terminal(&out, in, sizeof(in), CS_ESCAPE_LINE);
			for (size_t i = 0; i < out.len;) {
				uint32_t cp = 0;
				size_t n = cs_utf8_decode(&cp, out.data + i, out.len - i);

				ck_assert_msg(n && !cs_hidden_char(cp), "%02x %02x", a, b);
				i += n;
			}
		}
	}
}
END_TEST

/* Different lines never look alike: decoding the escapes gives the input back. */
START_TEST(line_is_unambiguous)
{
	AUTO_BUF struct cs_buf a = CS_BUF_INIT;
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	cs_escape_terminal(&a, "\x1b", 1, CS_ESCAPE_LINE);
	cs_escape_terminal(&b, "\\e", 2, CS_ESCAPE_LINE);
	ck_assert_str_ne(a.data, b.data);
}
END_TEST

START_TEST(line_string)
{
	AUTO_FREE char *s = cs_escape_line("a\nb\\");

	ck_assert_str_eq(s, "a\\nb\\\\");
}
END_TEST

START_TEST(decode)
{
	/* Every code point there and back; nothing else decodes. */
	for (uint32_t cp = 0; cp < 0x110000; cp++) {
		uint8_t in[4];
		uint32_t out = 0;
		size_t n;

		if (cp < 0x80) {
			in[0] = (uint8_t)cp;
			n = 1;
		} else if (cp < 0x800) {
			in[0] = (uint8_t)(0xc0 | cp >> 6);
			n = 2;
		} else if (cp < 0x10000) {
			in[0] = (uint8_t)(0xe0 | cp >> 12);
			n = 3;
		} else {
			in[0] = (uint8_t)(0xf0 | cp >> 18);
			n = 4;
		}
		for (size_t i = 1; i < n; i++)
			in[i] = (uint8_t)(0x80 | (cp >> 6 * (n - 1 - i) & 0x3f));
		const bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
		const size_t used = cs_utf8_decode(&out, in, n);

		/* An assertion costs a write: here only for what is wrong. */
		if (used != (surrogate ? 0 : n) || (!surrogate && out != cp) ||
		    cs_utf8_decode(&out, in, n - 1))
			ck_abort_msg("U+%04x", cp);
	}
	ck_assert(cs_utf8_valid("", 0));
	ck_assert(cs_utf8_valid("a\0b", 3));
	ck_assert(!cs_utf8_valid("a\x80", 2));
}
END_TEST

START_TEST(hidden)
{
	static const uint32_t yes[] = { 0,	0x1f,	0x7f,	0x9f,	 0xa0,	  0x200b,  0x202a,
					0x2069, 0xfeff, 0xfe00, 0xe0001, 0xe0fff, 0x10ffff };
	static const uint32_t no[] = { ' ',    '~',    0xa1,   0xe4,   0x300,
				       0x2010, 0x2027, 0x4e00, 0xfffd, 0x1f600 };

	for (size_t i = 0; i < CS_COUNT(yes); i++)
		ck_assert_msg(cs_hidden_char(yes[i]), "%x", yes[i]);
	for (size_t i = 0; i < CS_COUNT(no); i++)
		ck_assert_msg(!cs_hidden_char(no[i]), "%x", no[i]);
}
END_TEST

static const struct {
	const char *name;
	const char *in;
	size_t len;
	const char *out;
} html_rows[] = {
	{ "plain", TEXT("a b\n\tc\\"), "a b\n\tc\\" },
	{ "markup", TEXT("<img src=x onerror=\"a('b')\">&amp;"),
	  "&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;amp;" },
	{ "hidden", TEXT("\x1b\xe2\x80\xae\0"), "\\e\\u{202e}\\x00" },
};

START_TEST(html)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	cs_escape_html(&out, html_rows[_i].in, html_rows[_i].len);
	ck_assert_msg(!strcmp(out.data, html_rows[_i].out), "%s: %s", html_rows[_i].name, out.data);
}
END_TEST

#define CUT "&#8203;"
static const struct {
	const char *name;
	const char *in;
	const char *out;
} markdown_rows[] = {
	{ "plain", "src/main c, d; e?", "src/main c, d; e?" },
	{ "UTF-8", "\xc3\xa4", "\xc3\xa4" },
	{ "emphasis", "*a* _b_", "&#42;" CUT "a&#42; &#95;b&#95;" },
	{ "link", "[a](b)", "&#91;a&#93;&#40;b&#41;" },
	{ "HTML", "<b>&lt;", "&#60;b&#62;&#38;" CUT "lt;" },
	{ "code", "`a`", "&#96;a&#96;" },
	{ "table", "a|b", "a&#124;b" },
	{ "list", "- a", "&#45; a" },
	{ "number", "1. a", "1&#46; a" },
	{ "heading", "# a", "&#35;" CUT " a" },
	{ "backslash", "a\\*", "a&#92;&#92;&#42;" },
	{ "newlines", "a\n\n# b", "a&#92;n&#92;n&#35;" CUT " b" },
	{ "mention", "@me", "&#64;" CUT "me" },
	{ "mail", "a@b.c", "a&#64;" CUT "b&#46;c" },
	{ "issue", "#1", "&#35;" CUT "1" },
	{ "issue with prefix", "GH-1", "GH&#45;" CUT "1" },
	{ "URL", "http://a", "http&#58;" CUT "//a" },
	{ "www", "www.a", "www&#46;" CUT "a" },
	{ "merge request", "!1", "&#33;" CUT "1" },
	{ "emoji", ":tada:", "&#58;" CUT "tada&#58;" },
	{ "colon", "a: b", "a&#58; b" },
	{ "file name", "a_b-c.d", "a&#95;b&#45;c&#46;d" },
	{ "blanks", "  a  b ", "&#32;&#32;a&#32;&#32;b&#32;" },
	{ "one blank", " ", "&#32;" },
	{ "hidden", "\xe2\x80\x8b", "&#92;u&#123;200b&#125;" },
};

START_TEST(markdown)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	const char *in = markdown_rows[_i].in;

	cs_escape_markdown(&out, in, strlen(in));
	ck_assert_msg(!strcmp(out.data, markdown_rows[_i].out), "%s: %s", markdown_rows[_i].name,
		      out.data);
}
END_TEST

/* No byte of the input that Markdown could act on is left in the output. */
START_TEST(markdown_has_no_markup)
{
	for (int c = 1; c < 128; c++) {
		AUTO_BUF struct cs_buf out = CS_BUF_INIT;
		const char in[3] = { (char)c, 'a', (char)c };

		cs_escape_markdown(&out, in, sizeof(in));
		for (size_t i = 0; i < out.len; i++) {
			if (strchr("!\"$%'()*+-.:<=>@[\\]^_`{|}~\n\r\t", out.data[i]))
				ck_abort_msg("%02x: %s", c, out.data);
			if (out.data[i] == '&' && out.data[i + 1] != '#')
				ck_abort_msg("%02x: %s", c, out.data);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("escape");
	TCase *t = tcase_create("escape");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, terminal, 0, CS_COUNT(terminal_rows));
	tcase_add_test(t, always_visible);
	tcase_add_test(t, line_is_unambiguous);
	tcase_add_test(t, line_string);
	tcase_add_test(t, decode);
	tcase_add_test(t, hidden);
	tcase_add_loop_test(t, html, 0, CS_COUNT(html_rows));
	tcase_add_loop_test(t, markdown, 0, CS_COUNT(markdown_rows));
	tcase_add_test(t, markdown_has_no_markup);
	suite_add_tcase(s, t);
	return unit_run(s);
}
