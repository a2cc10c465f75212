/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config reader against its table, and against git itself: what we accept git accepts with
 * the same pairs, what git refuses we refuse.
 */
#include "countersign/base/config.h"

#include "countersign/base.h"
#include "unit.h"

#define GIT "/usr/bin/git"

/* The pairs in the format of `git config --list -z`: name LF value NUL, or name NUL. */
static int collect(void *arg, const struct cs_config_entry *e, struct cs_err *err)
{
	struct cs_buf *out = arg;

	(void)err;
	cs_buf_addf(out, "%s.", e->section);
	if (e->subsection)
		cs_buf_addf(out, "%s.", e->subsection);
	cs_buf_adds(out, e->key);
	if (e->value)
		cs_buf_addf(out, "\n%s", e->value);
	cs_buf_addc(out, '\0');
	return 0;
}

static int parse(struct cs_buf *out, const char *data, size_t len, struct cs_err *err)
{
	return cs_config_parse("f", data, len, collect, out, err);
}

static bool git_parse(struct cs_buf *out, const char *data, size_t len)
{
	static const char *const argv[] = { GIT, "config", "-f", "-", "-l", "-z", NULL };
	static const char *const env[] = { "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
					   "HOME=/nonexistent", "LC_ALL=C", NULL };
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status;

	spec.argv = argv;
	spec.env = env;
	spec.cwd = "/";
	spec.input = data;
	spec.input_len = len;
	ck_assert_msg(cs_spawn_capture(out, NULL, &status, &spec, &err) == 0, "%s", err.msg);
	return status == 0;
}

/* What git keeps of an unquoted tab inside a value depends on its version; we count a blank. */
static void tabs_to_blanks(struct cs_buf *b)
{
	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] == '\t')
			b->data[i] = ' ';
	}
}

enum expect {
	SAME,	  /* accepted, and git reads the same pairs */
	BOTH,	  /* refused, by git too */
	STRICTER, /* refused by us alone */
};

#define TEXT(s) s, sizeof(s) - 1
static const struct {
	const char *name;
	const char *text;
	size_t len;
	enum expect expect;
	const char *error; /* our words */
} corners[] = {
	{ "empty file", TEXT(""), SAME },
	{ "plain", TEXT("[a]\nx = 1\n"), SAME },
	{ "no end of line", TEXT("[a]\nx = 1"), SAME },
	{ "byte order mark", TEXT("\xef\xbb\xbf[a]\nx=1\n"), SAME },
	{ "half a mark", TEXT("\xef\xbb[a]\nx=1\n"), BOTH, "f:1: expected a section" },
	{ "mark later", TEXT("[a]\n\xef\xbb\xbfx=1\n"), BOTH, "f:2: expected a section" },
	{ "CR LF", TEXT("[a]\r\nx = 1 \r\ny = \"2\"\r\n"), SAME },
	{ "CR LF continued", TEXT("[a]\r\nx = 1 \\\r\n  2\r\n"), SAME },
	{ "case", TEXT("[A \"S\"]\nXy = Z\n"), SAME },
	{ "subsection escapes", TEXT("[a \"s\\\"u\\\\b\"]\nx=1\n"), SAME },
	{ "subsection other escape", TEXT("[a \"s\\tb\"]\nx=1\n"), STRICTER,
	  "f:1: unknown escape" },
	{ "subsection newline", TEXT("[a \"s\nb\"]\nx=1\n"), BOTH, "f:1: unterminated subsection" },
	{ "subsection escaped newline", TEXT("[a \"s\\\nb\"]\n"), BOTH, "f:1: unknown escape" },
	{ "subsection empty", TEXT("[a \"\"]\nx=1\n"), SAME },
	{ "subsection unterminated", TEXT("[a \"b"), BOTH, "f:1: unterminated subsection" },
	{ "subsection then rubbish", TEXT("[a \"b\" ]\nx=1\n"), BOTH, "f:1: expected ']'" },
	{ "subsection unquoted", TEXT("[a b]\nx=1\n"), BOTH, "f:1: expected a quoted" },
	{ "subsection on next line", TEXT("[a\n\"b\"]\nx=1\n"), BOTH, "f:1: unterminated section" },
	{ "blanks before subsection", TEXT("[a \t \"b\"]\nx=1\n"), SAME },
	{ "blank in header", TEXT("[a ]\nx=1\n"), BOTH, "f:1: expected a quoted" },
	{ "old form", TEXT("[a.B]\nx=1\n"), SAME },
	{ "old form, two dots", TEXT("[a.B.c]\nx=1\n"), SAME },
	{ "old form, dot at end", TEXT("[a.]\nx=1\n"), SAME },
	{ "old form and quoted", TEXT("[a.b \"c\"]\nx=1\n"), STRICTER, "f:1: both" },
	{ "no name", TEXT("[]\nx=1\n"), STRICTER, "f:1: section without a name" },
	{ "only a dot", TEXT("[.b]\nx=1\n"), STRICTER, "f:1: section without a name" },
	{ "bad section", TEXT("[a_b]\nx=1\n"), BOTH, "f:1: bad character" },
	{ "digits and minus", TEXT("[1-a]\nx-1 = 1\n"), SAME },
	{ "header unterminated", TEXT("[a"), BOTH, "f:1: unterminated section header" },
	{ "header without bracket", TEXT("[a\nx=1\n"), BOTH, "f:1: unterminated section header" },
	{ "on one line", TEXT("[a] x=1\n"), SAME },
	{ "two headers on one line", TEXT("[a] [b] x=1\n"), SAME },
	{ "header in a value", TEXT("[a]\nx=1 [b]\n"), SAME },
	{ "comment behind header", TEXT("[a] # b\nx=1\n"), SAME },
	{ "key without section", TEXT("x=1\n"), STRICTER, "f:1: key before" },
	{ "key with underscore", TEXT("[a]\nx_y=1\n"), BOTH, "f:2: expected '='" },
	{ "key with digit first", TEXT("[a]\n1x=1\n"), BOTH, "f:2: expected a section" },
	{ "key with minus first", TEXT("[a]\n-x=1\n"), BOTH, "f:2: expected a section" },
	{ "key with UTF-8", TEXT("[a]\nx\xc3\xa4=1\n"), BOTH, "f:2: expected '='" },
	{ "key only", TEXT("[a]\nx\n"), SAME },
	{ "key only at the end", TEXT("[a]\nx"), SAME },
	{ "key and blanks", TEXT("[a]\nx \t\n"), SAME },
	{ "key and comment", TEXT("[a]\nx # y\n"), BOTH, "f:2: expected '='" },
	{ "empty value", TEXT("[a]\nx =\n"), SAME },
	{ "empty value at the end", TEXT("[a]\nx ="), SAME },
	{ "empty value, comment", TEXT("[a]\nx = # y\n"), SAME },
	{ "two values", TEXT("[a]\nx = 1\nx = 2\n"), SAME },
	{ "equals in value", TEXT("[a]\nx = b = c\n"), SAME },
	{ "equals on next line", TEXT("[a]\nx\n= 1\n"), BOTH, "f:3: expected a section" },
	{ "inner blanks", TEXT("[a]\nx =  b   c  \n"), SAME },
	{ "inner tabs", TEXT("[a]\nx = b\t\tc\t\n"), SAME },
	{ "quoted tab", TEXT("[a]\nx = \"b\tc\"\n"), SAME },
	{ "quotes glue", TEXT("[a]\nx = \"q\" r \"s\"\n"), SAME },
	{ "quoted blanks stay", TEXT("[a]\nx = \"  q  \"  \n"), SAME },
	{ "quoted comment", TEXT("[a]\nx = \"b # c ; d\" # e\n"), SAME },
	{ "comments", TEXT("# a\n ; b\n[a] ; c\nx = 1;2\ny = 1 #2\n"), SAME },
	{ "comment ends with backslash", TEXT("[a]\nx = 1 # y \\\nz = 2\n"), SAME },
	{ "full comment with backslash", TEXT("[a]\n# y \\\nz = 2\n"), SAME },
	{ "value escapes", TEXT("[a]\nx = \\t\\n\\b\\\"\\\\.\n"), SAME },
	{ "value bad escape", TEXT("[a]\nx = \\q\n"), BOTH, "f:2: unknown escape" },
	{ "value escaped comment", TEXT("[a]\nx = \\#\n"), BOTH, "f:2: unknown escape" },
	{ "value escaped blank", TEXT("[a]\nx = \\ \n"), BOTH, "f:2: unknown escape" },
	{ "unterminated quote", TEXT("[a]\nx = \"b\ny = 1\n"), BOTH, "f:2: unterminated quote" },
	{ "unterminated at the end", TEXT("[a]\nx = \"b"), BOTH, "f:2: unterminated quote" },
	{ "continued", TEXT("[a]\nx = b \\\n\t  c\ny = 1\n"), SAME },
	{ "continued without blanks", TEXT("[a]\nx = b\\\nc\n"), SAME },
	{ "continued in quotes", TEXT("[a]\nx = \"b \\\n  c\"\n"), SAME },
	{ "continued to the end", TEXT("[a]\nx = b \\"), SAME },
	{ "continued empty", TEXT("[a]\nx = \\\n\\\n\n"), SAME },
	{ "continued to a comment", TEXT("[a]\nx = b \\\n# c\n"), SAME },
	{ "continued, quote open", TEXT("[a]\nx = \"b\\\n"), BOTH, "unterminated quote" },
	{ "quote in a word", TEXT("[a]\nx = a\"b\"c\n"), SAME },
	{ "single quotes", TEXT("[a]\nx = 'b # c'\n"), SAME },
	{ "UTF-8 value", TEXT("[a \"\xc3\xa4\"]\nx = \xe2\x82\xac\n"), SAME },
	{ "Latin-1 value", TEXT("[a]\nx = \xe4\n"), SAME },
	{ "closing bracket alone", TEXT("]\n"), BOTH, "f:1: expected a section" },
	{ "include", TEXT("[include]\npath = /x\n"), STRICTER, "f:1: nothing can be included" },
	{ "includeIf", TEXT("[a]\nb=1\n[includeIf \"gitdir:/\"]\npath = /x\n"), STRICTER,
	  "f:3: nothing can be included" },
	{ "NUL", TEXT("[a]\nx = a\0b\n"), STRICTER, "f:2: control character 0x00" },
	{ "NUL in a comment", TEXT("# \0\n"), STRICTER, "f:1: control character 0x00" },
	{ "escape", TEXT("[a]\nx = \x1b[2K\n"), STRICTER, "f:2: control character 0x1b" },
	{ "DEL", TEXT("[a]\nx = \x7f\n"), STRICTER, "f:2: control character 0x7f" },
	{ "form feed", TEXT("[a]\n\f\n"), BOTH, "f:2: control character 0x0c" },
	{ "lone CR", TEXT("[a]\nx = 1\ry = 2\n"), STRICTER, "f:2: carriage return" },
	{ "CR at the end", TEXT("[a]\nx = 1\r"), STRICTER, "f:2: carriage return" },
	{ "CR CR LF", TEXT("[a]\nx = 1\r\r\n"), STRICTER, "f:2: carriage return" },
};

START_TEST(corner)
{
	AUTO_BUF struct cs_buf ours = CS_BUF_INIT;
	AUTO_BUF struct cs_buf gits = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	const char *name = corners[_i].name;
	int rc = parse(&ours, corners[_i].text, corners[_i].len, &err);
	bool git_accepts = git_parse(&gits, corners[_i].text, corners[_i].len);

	ck_assert_msg(git_accepts == (corners[_i].expect != BOTH) || corners[_i].expect == STRICTER,
		      "%s: git %s it", name, git_accepts ? "accepts" : "refuses");
	if (corners[_i].expect != SAME) {
		ck_assert_msg(rc == CS_CORRUPT, "%s: %d", name, rc);
		ck_assert_msg(strstr(err.msg, corners[_i].error) != NULL, "%s: %s", name, err.msg);
		return;
	}
	ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
	tabs_to_blanks(&ours);
	tabs_to_blanks(&gits);
	ck_assert_msg(ours.len == gits.len && !memcmp(ours.data, gits.data, ours.len),
		      "%s: '%s' and git says '%s'", name, ours.data, gits.data);
}
END_TEST

static uint32_t rng_state;

static size_t rng(size_t n)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (rng_state >> 8) % n;
}

/* Files glued from pieces that matter to the grammar, the same ones each time. */
START_TEST(glued)
{
	static const char *const pieces[] = {
		"[a]\n", "[a \"b\"]", "[A.b]", "[",    "]",   "x",  "= 1",   "=", " ",
		"\t",	 "\n",	      "\r\n",  "\\\n", "\\",  "\"", "\"q\"", "#", ";",
		"\\n",	 "\\\"",      "y = ",  "z\n",  "- 1", ".",  "[b]",   "w", "\xc3\xa4",
	};

	for (int round = 0; round < 25; round++) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;
		AUTO_BUF struct cs_buf ours = CS_BUF_INIT;
		AUTO_BUF struct cs_buf gits = CS_BUF_INIT;

		rng_state = (uint32_t)(_i * 1000 + round);
		cs_buf_adds(&text, "[a]\nx = 1\n");
		for (size_t n = rng(12); n; n--)
			cs_buf_adds(&text, pieces[rng(CS_COUNT(pieces))]);
		if (parse(&ours, text.data, text.len, NULL) < 0)
			continue;
		ck_assert_msg(git_parse(&gits, text.data, text.len), "git refuses '%s'", text.data);
		tabs_to_blanks(&ours);
		tabs_to_blanks(&gits);
		ck_assert_msg(ours.len == gits.len && !memcmp(ours.data, gits.data, ours.len),
			      "'%s': '%s' and git says '%s'", text.data, ours.data, gits.data);
	}
}
END_TEST

static int collect_line(void *arg, const struct cs_config_entry *e, struct cs_err *err)
{
	(void)err;
	cs_buf_addf(arg, "%s:%d:%s ", e->file, e->line, e->key);
	return 0;
}

START_TEST(lines)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	static const char text[] = "# c\n[a] k = 1\r\n\n x = \\\n 1\n y\n[b]\nz = \"a\\\nb\"\nw=1";

	ck_assert_int_eq(cs_config_parse("p", text, strlen(text), collect_line, &out, NULL), 0);
	ck_assert_str_eq(out.data, "p:2:k p:4:x p:6:y p:8:z p:10:w ");
}
END_TEST

static int stop(void *arg, const struct cs_config_entry *e, struct cs_err *err)
{
	++*(int *)arg;
	return strcmp(e->key, "bad") ? 0 : cs_err_set(err, CS_REFUSED, "no");
}

START_TEST(callback_stops)
{
	static const char text[] = "[a]\nx=1\nbad=1\ny=1\n[[[\n";
	struct cs_err err = CS_ERR_INIT;
	int n = 0;

	ck_assert_int_eq(cs_config_parse("p", text, strlen(text), stop, &n, &err), CS_REFUSED);
	ck_assert_int_eq(n, 2);
	ck_assert_str_eq(err.msg, "no");
}
END_TEST

/* A file of `head`, n times 'a', `tail`. */
static int parse_long(const char *head, size_t n, const char *tail, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	cs_buf_adds(&text, head);
	cs_buf_reserve(&text, n + 1);
	memset(text.data + text.len, 'a', n);
	text.len += n;
	text.data[text.len] = '\0';
	cs_buf_adds(&text, tail);
	return parse(&out, text.data, text.len, err);
}

static const struct {
	const char *name;
	const char *head;
	size_t max;
	const char *tail;
} maxima[] = {
	{ "value", "[a]\nx = ", CS_CONFIG_MAX_VALUE, "\n" },
	{ "continued value", "[a]\nx = \"\\\n", CS_CONFIG_MAX_VALUE, "\"\n" },
	{ "section", "[", CS_CONFIG_MAX_NAME, "]\n" },
	{ "subsection", "[a \"", CS_CONFIG_MAX_NAME, "\"]\n" },
	{ "old subsection", "[a.", CS_CONFIG_MAX_NAME, "]\n" },
	{ "key", "[a]\n", CS_CONFIG_MAX_NAME, " = 1\n" },
	{ "file", "#", CS_CONFIG_MAX_BYTES - 2, "\n" },
};

START_TEST(maximum)
{
	struct cs_err err = CS_ERR_INIT;
	const char *name = maxima[_i].name;
	int rc = parse_long(maxima[_i].head, maxima[_i].max, maxima[_i].tail, &err);

	ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
	rc = parse_long(maxima[_i].head, maxima[_i].max + 1, maxima[_i].tail, &err);
	ck_assert_msg(rc == CS_LIMIT && err.code == CS_LIMIT, "%s: %d", name, rc);
}
END_TEST

START_TEST(bools)
{
	static const struct {
		const char *value;
		int is;
	} rows[] = { { NULL, 1 },  { "", 0 },	 { "true", 1 },	  { "TRUE", 1 },
		     { "yes", 1 }, { "On", 1 },	 { "1", 1 },	  { "false", 0 },
		     { "No", 0 },  { "off", 0 }, { "0", 0 },	  { "2", -1 },
		     { "y", -1 },  { " ", -1 },	 { "truex", -1 }, { "enable", -1 } };

	for (size_t i = 0; i < CS_COUNT(rows); i++)
		ck_assert_msg(cs_config_bool(rows[i].value) == rows[i].is, "%s",
			      rows[i].value ? rows[i].value : "NULL");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, corner, 0, CS_COUNT(corners));
	tcase_add_loop_test(t, glued, 0, 20);
	tcase_add_test(t, lines);
	tcase_add_test(t, callback_stops);
	tcase_add_loop_test(t, maximum, 0, CS_COUNT(maxima));
	tcase_add_test(t, bools);
	suite_add_tcase(s, t);
	return unit_run(s);
}
