/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns and attributes, against git's own matcher and its own conversion. */
#include "countersign/repo.h"

#include <time.h>
#include "fixture.h"

static struct cs_err err;

static void setup(void)
{
	fx_setup();
	err = (struct cs_err)CS_ERR_INIT;
	fx_run("git init -q r");
	ck_assert_int_eq(chdir("r"), 0);
}

/* ---- patterns ---- */

static const struct {
	const char *pattern;
	const char *text;
	bool matches; /* with pathname */
	bool flat;    /* without */
} wild[] = {
	{ "", "", true, true },
	{ "", "a", false, false },
	{ "a", "", false, false },
	{ "foo", "foo", true, true },
	{ "f?o", "foo", true, true },
	{ "f?o", "f/o", false, true },
	{ "*", "a/b", false, true },
	{ "*", "", true, true },
	{ "a*c*e", "abcde", true, true },
	{ "a*c*e", "ab/cde", false, true },
	{ "**", "a/b", true, true },
	{ "**/b", "b", true, false },
	{ "**/b", "a/b", true, true },
	{ "**/b", "a/c/b", true, true },
	{ "**/b", "a/cb", false, false },
	{ "a/**", "a/", true, true },
	{ "a/**", "a", false, false },
	{ "a/**", "a/b/c", true, true },
	{ "a/**/b", "a/b", true, false },
	{ "a/**/b", "a/x/y/b", true, true },
	{ "a/**/b", "a/xb", false, false },
	{ "a**b", "a/b", false, true },
	{ "a**/b", "ax/b", true, true },
	{ "a**/b", "ax/y/b", false, true },
	{ "**/**/**", "a", true, false },
	{ "*/*", "a/b", true, true },
	{ "*/*", "a/b/c", false, true },
	{ "\\*", "*", true, true },
	{ "\\*", "a", false, false },
	{ "a\\", "a", false, false },
	{ "a\\", "a\\", false, false },
	{ "\\a", "a", true, true },
	{ "[abc]", "b", true, true },
	{ "[!abc]", "b", false, false },
	{ "[^abc]", "d", true, true },
	{ "[!a]", "/", false, true },
	{ "[a-c]", "b", true, true },
	{ "[c-a]", "b", false, false },
	{ "[]]", "]", true, true },
	{ "[]a]", "a", true, true },
	{ "[!]a]", "b", true, true },
	{ "[a-]", "-", true, true },
	{ "[-a]", "-", true, true },
	{ "[a-c-e]", "-", true, true },
	{ "[a-c-e]", "d", false, false },
	{ "[\\]]", "]", true, true },
	{ "[\\a-\\c]", "b", true, true },
	{ "[", "[", false, false },
	{ "[a", "a", false, false },
	{ "a[", "ab", false, false },
	{ "[[:digit:]]", "7", true, true },
	{ "[[:digit:][:alpha:]_]", "x", true, true },
	{ "[![:space:]]", " ", false, false },
	{ "[[:nothing:]]", "n", false, false },
	{ "[[:digit:]", "7", false, false },
	{ "[[:digit]", ":", true, true },
	{ "[[:]", ":", true, true },
	{ "[\xc3\xa4]", "\xa4", true, true },
};

START_TEST(wildcards)
{
	ck_assert_msg(cs_wildmatch(wild[_i].pattern, wild[_i].text, true) == wild[_i].matches,
		      "'%s' and '%s', pathname", wild[_i].pattern, wild[_i].text);
	ck_assert_msg(cs_wildmatch(wild[_i].pattern, wild[_i].text, false) == wild[_i].flat,
		      "'%s' and '%s'", wild[_i].pattern, wild[_i].text);
}
END_TEST

/* Patterns made to take for ever: ten thousand states are many, 2^100 would not come back. */
START_TEST(no_pattern_takes_long)
{
	AUTO_BUF struct cs_buf pattern = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	for (int i = 0; i < 100; i++) {
		cs_buf_adds(&pattern, "**/a*a*a/");
		cs_buf_adds(&text, "aaaaaaaaaaaaaaa/");
	}
	cs_buf_adds(&pattern, "x");
	ck_assert(!cs_wildmatch(pattern.data, text.data, true));
	ck_assert(!cs_wildmatch(pattern.data, text.data, false));
}
END_TEST

#define N_PATTERNS 400
#define N_PATHS	   150

static void random_text(char *out, size_t max, const char *alphabet, uint32_t *seed)
{
	size_t len = 1 + fx_random(seed, (uint32_t)max - 1);

	for (size_t i = 0; i < len; i++)
		out[i] = alphabet[fx_random(seed, (uint32_t)strlen(alphabet))];
	out[len] = '\0';
}

/* No empty components: git would clean such a path up. */
static void random_path(char *out, uint32_t *seed)
{
	do
		random_text(out, 10, "aab//c.-]", seed);
	while (*out == '/' || out[strlen(out) - 1] == '/' || strstr(out, "//") || *out == '.' ||
	       strstr(out, "/."));
}

/* All patterns as attributes of one file, all paths in one question to git. */
START_TEST(patterns_match_as_git)
{
	static const char alphabet[] = "aab//c.**?[]!^-\\\\:";
	static char patterns[N_PATTERNS][14];
	static char paths[N_PATHS][14];
	AUTO_BUF struct cs_buf got = CS_BUF_INIT;
	uint32_t seed = 99 + (uint32_t)_i;
	FILE *attributes = fopen(".gitattributes", "w");
	FILE *list = fopen("../list", "w");
	char *want;

	for (int i = 0; i < N_PATTERNS; i++) {
		do
			random_text(patterns[i], 12, alphabet, &seed);
		while (*patterns[i] == '!');
		fprintf(attributes, "%s p%03d\n", patterns[i], i);
	}
	for (int i = 0; i < N_PATHS; i++) {
		random_path(paths[i], &seed);
		fprintf(list, "%s\n", paths[i]);
	}
	fclose(attributes);
	fclose(list);
	for (int k = 0; k < N_PATHS; k++)
		for (int i = 0; i < N_PATTERNS; i++) {
			struct cs_pattern p;

			cs_pattern_parse(&p, patterns[i]);
			if (cs_pattern_match(&p, "", paths[k], false))
				cs_buf_addf(&got, "%s: p%03d: set\n", paths[k], i);
			cs_pattern_release(&p);
		}
	want = fx_output("git check-attr -a --stdin < ../list");
	for (const char *g = got.data, *w = want; *g || *w;) {
		const size_t len = strcspn(w, "\n");
		const char *p = strstr(w, ": p");

		ck_assert_msg(!strncmp(g, w, len + 1), "seed %d: git: %.*s (%s), here: %.*s", _i,
			      (int)len, w, p ? patterns[atoi(p + 3)] : "", (int)strcspn(g, "\n"),
			      g);
		g += len + 1;
		w += len + 1;
	}
	free(want);
}
END_TEST

START_TEST(patterns_have_a_base)
{
	static const struct {
		const char *pattern;
		const char *base;
		const char *path;
		bool is_dir;
		bool matches;
	} rows[] = {
		{ "x", "d", "d/x", false, true },	{ "/x", "d", "d/x", false, true },
		{ "/x", "d", "d/e/x", false, false },	{ "x", "d", "d/e/x", false, true },
		{ "e/x", "d", "d/e/x", false, true },	{ "e/x", "d", "e/x", false, false },
		{ "e/x", "d", "dd/e/x", false, false }, { "x/", "", "x", false, false },
		{ "x/", "", "x", true, true },		{ "!x", "", "x", false, true },
		{ "/", "", "x", true, false },
	};

	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		struct cs_pattern p;

		cs_pattern_parse(&p, rows[i].pattern);
		ck_assert_int_eq(p.negative, *rows[i].pattern == '!');
		ck_assert_msg(cs_pattern_match(&p, rows[i].base, rows[i].path, rows[i].is_dir) ==
				      rows[i].matches,
			      "%s in %s: %s", rows[i].pattern, rows[i].base, rows[i].path);
		cs_pattern_release(&p);
	}
}
END_TEST

/* ---- conversions ---- */

enum { IDENT = 1, ENCODING = 2, FILTER = 4 };

static const struct {
	const char *name;
	const char *attributes; /* of the top; printf(1) makes it */
	const char *below;	/* of d/ */
	const char *path;
	enum cs_text text;
	int others;
} rows[] = {
	{ "no attributes", "", "", "f", CS_TEXT_RAW, 0 },
	{ "text", "f text", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "-text", "* text\\nf -text", "", "f", CS_TEXT_RAW, 0 },
	{ "!text", "* text\\nf !text", "", "f", CS_TEXT_RAW, 0 },
	{ "text=auto", "* text=auto", "", "f", CS_TEXT_AUTO, 0 },
	{ "text=input", "* text=input", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "text=other", "* text=other", "", "f", CS_TEXT_RAW, 0 },
	{ "text=other and crlf", "* text=other crlf", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "eol=lf", "* eol=lf", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "eol=crlf", "* eol=crlf", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "eol=other", "* eol=other", "", "f", CS_TEXT_RAW, 0 },
	{ "eol", "* eol", "", "f", CS_TEXT_RAW, 0 },
	{ "-text eol=crlf", "* -text eol=crlf", "", "f", CS_TEXT_RAW, 0 },
	{ "text=auto eol=crlf", "* text=auto eol=crlf", "", "f", CS_TEXT_AUTO, 0 },
	{ "text=auto eol=lf", "* text=auto eol=lf", "", "f", CS_TEXT_AUTO, 0 },
	{ "text eol=crlf", "* text eol=crlf", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "!text eol=lf", "* text=auto\\nf !text eol=lf", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "crlf", "* crlf", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "-crlf", "* -crlf", "", "f", CS_TEXT_RAW, 0 },
	{ "-crlf eol=lf", "* -crlf eol=lf", "", "f", CS_TEXT_RAW, 0 },
	{ "crlf=input", "* crlf=input", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "crlf=auto", "* crlf=auto", "", "f", CS_TEXT_AUTO, 0 },
	{ "text wins over crlf", "* text=auto -crlf", "", "f", CS_TEXT_AUTO, 0 },
	{ "binary", "* text\\nf binary", "", "f", CS_TEXT_RAW, 0 },
	{ "binary, then text", "f binary text", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "text, then binary", "f text binary", "", "f", CS_TEXT_RAW, 0 },
	{ "-binary", "* text\\nf -binary", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "a macro", "[attr]mine eol=lf\\n* -text\\nf !text mine", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "a macro of a macro", "[attr]a b\\n[attr]b text\\nf a", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "a macro after its use", "f mine\\n[attr]mine text", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "a macro defined twice", "[attr]m text\\n[attr]m -text\\nf m", "", "f", CS_TEXT_RAW, 0 },
	{ "binary redefined", "[attr]binary text\\nf binary", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "macros that go round", "[attr]a b\\n[attr]b a text\\nf a", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "a macro below the top", "d/f mine", "[attr]mine text\\n", "d/f", CS_TEXT_RAW, 0 },
	{ "a macro of the top used below", "[attr]mine text", "f mine\\n", "d/f", CS_TEXT_ALWAYS,
	  0 },
	{ "the last line wins", "* text\\n* -text\\nf text=auto", "", "f", CS_TEXT_AUTO, 0 },
	{ "the last word wins", "f text -text", "", "f", CS_TEXT_RAW, 0 },
	{ "the nearest file wins", "* text", "* -text\\n", "d/f", CS_TEXT_RAW, 0 },
	{ "only where it says something", "* text", "* -diff\\n", "d/f", CS_TEXT_ALWAYS, 0 },
	{ "not beside", "*.c text", "* -text\\n", "f.c", CS_TEXT_ALWAYS, 0 },
	{ "anchored", "/f text", "", "d/f", CS_TEXT_RAW, 0 },
	{ "anchored below", "", "/f text", "d/f", CS_TEXT_ALWAYS, 0 },
	{ "with directories", "d/*.c text", "", "d/x.c", CS_TEXT_ALWAYS, 0 },
	{ "double stars", "d/**/*.c text", "", "d/x.c", CS_TEXT_ALWAYS, 0 },
	{ "a directory pattern", "d/ text", "", "d/f", CS_TEXT_RAW, 0 },
	{ "a negative pattern", "!f text", "", "f", CS_TEXT_RAW, 0 },
	{ "an escaped negative pattern", "\\\\!f text", "", "!f", CS_TEXT_ALWAYS, 0 },
	{ "a quoted pattern", "\"a b\" text", "", "a b", CS_TEXT_ALWAYS, 0 },
	{ "quoted, octal", "\"a\\\\040b\" text", "", "a b", CS_TEXT_ALWAYS, 0 },
	{ "quoted without an end", "\"a text", "", "\"a", CS_TEXT_ALWAYS, 0 },
	{ "quoted, wrong escape", "\"a\\\\z\" text", "", "\"az\"", CS_TEXT_ALWAYS, 0 },
	{ "quoted hash", "\"#f\" text", "", "#f", CS_TEXT_ALWAYS, 0 },
	{ "a comment", "#f text", "", "#f", CS_TEXT_RAW, 0 },
	{ "blanks", "  \\t f \\t  text  \\t", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "CRLF in the file", "f text\\r\\n", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "a byte order mark", "\\0357\\0273\\0277f text", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "a bad name spoils the line", "f text b@d", "", "f", CS_TEXT_RAW, 0 },
	{ "an empty name", "f text =x", "", "f", CS_TEXT_RAW, 0 },
	{ "a bare minus", "f text -", "", "f", CS_TEXT_RAW, 0 },
	{ "two minuses", "f text --x", "", "f", CS_TEXT_RAW, 0 },
	{ "minus with a value", "* text\\nf -text=auto", "", "f", CS_TEXT_RAW, 0 },
	{ "a class", "[a-f] text", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "a pattern like a macro", "[attr] text", "", "t", CS_TEXT_ALWAYS, 0 },
	{ "no line end", "f text", "", "f", CS_TEXT_ALWAYS, 0 },
	{ "ident", "f ident", "", "f", CS_TEXT_RAW, IDENT },
	{ "-ident", "f -ident", "", "f", CS_TEXT_RAW, 0 },
	{ "ident=x", "f ident=x", "", "f", CS_TEXT_RAW, 0 },
	{ "filter", "f filter=lfs diff=lfs merge=lfs -text", "", "f", CS_TEXT_RAW, FILTER },
	{ "filter without a value", "f filter", "", "f", CS_TEXT_RAW, 0 },
	{ "encoding", "f working-tree-encoding=UTF-16LE", "", "f", CS_TEXT_RAW, ENCODING },
	{ "the encoding that is none", "f working-tree-encoding=utf-8", "", "f", CS_TEXT_RAW, 0 },
	{ "all", "f text ident filter=x working-tree-encoding=X", "", "f", CS_TEXT_ALWAYS,
	  IDENT | ENCODING | FILTER },
};

/* What git makes of CRLF text, and of CRLF in something binary. */
static enum cs_text text_as_git(const char *path)
{
	static const char *const contents[] = { "a\\r\\nb\\r\\n", "a\\r\\n\\0\\r\\n" };
	bool changed[2];

	for (int i = 0; i < 2; i++) {
		char *raw =
			fx_line("printf '%s' | git hash-object --stdin --no-filters", contents[i]);
		char *git = fx_line("printf '%s' | git hash-object --stdin --path='%s' 2>/dev/null",
				    contents[i], path);

		changed[i] = strcmp(raw, git) != 0;
		free(raw);
		free(git);
	}
	ck_assert(changed[0] || !changed[1]);
	return changed[1] ? CS_TEXT_ALWAYS : changed[0] ? CS_TEXT_AUTO : CS_TEXT_RAW;
}

START_TEST(conversions)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	struct cs_conversion c;
	struct cs_oid head;
	int others;

	fx_run("mkdir d; printf '%%b' '%s' > .gitattributes; printf '%%b' '%s' > d/.gitattributes;"
	       "git -c core.autocrlf=false add .; git commit -qm x",
	       rows[_i].attributes, rows[_i].below);
	if (!(rows[_i].others & ENCODING))
		ck_assert_msg(text_as_git(rows[_i].path) == rows[_i].text,
			      "%s: git sees it differently", rows[_i].name);
	/* Nothing but the commit counts. */
	fx_run("echo '* text ident filter=a' | tee .git/info/attributes > .gitattributes;"
	       "git config core.attributesFile $PWD/.gitattributes; git config core.autocrlf true;"
	       "git add .; rm -r d; git commit -qam later; git config core.eol crlf;"
	       "mkdir -p ../home/.config/git; cp .gitattributes ../home/.config/git/attributes");
	head = fx_oid("HEAD~1");
	repo = fx_open(".");
	fx_ok(cs_repo_conversion(&c, repo, &head, rows[_i].path, &err), err);
	ck_assert_msg(c.text == rows[_i].text, "%s: text: %d", rows[_i].name, c.text);
	others = (c.ident ? IDENT : 0) | (c.encoding ? ENCODING : 0) | (c.filter ? FILTER : 0);
	ck_assert_msg(others == rows[_i].others, "%s: %d", rows[_i].name, others);
}
END_TEST

START_TEST(commits_are_told_apart)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	struct cs_conversion c;
	struct cs_oid first;
	struct cs_oid second;
	struct cs_oid tree;

	fx_run("echo '* text' > .gitattributes; git add .; git commit -qm 1;"
	       "echo '* -text' > .gitattributes; git commit -qam 2");
	first = fx_oid("HEAD~1");
	second = fx_oid("HEAD");
	tree = fx_oid("HEAD^{tree}");
	repo = fx_open(".");
	for (int i = 0; i < 2; i++) {
		fx_ok(cs_repo_conversion(&c, repo, &first, "no/such/dir/f", &err), err);
		ck_assert_int_eq(c.text, CS_TEXT_ALWAYS);
		ck_assert_int_eq(cs_repo_conversion(&c, repo, &tree, "f", &err), CS_CORRUPT);
		fx_ok(cs_repo_conversion(&c, repo, &second, "f", &err), err);
		ck_assert_int_eq(c.text, CS_TEXT_RAW);
	}
}
END_TEST

/* Files of odd kinds and sizes; a missing one must not be taken for an empty one. */
START_TEST(odd_files)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	struct cs_conversion c;
	struct cs_oid head;
	int rc;

	fx_run("echo '* text' > a; ln -s a .gitattributes; mkdir -p d/.gitattributes l m e;"
	       "echo '* text' > d/.gitattributes/x;"
	       "{ printf 'f '; head -c 2042 /dev/zero | tr '\\0' ' '; echo text; } > "
	       "l/.gitattributes;"
	       "awk 'BEGIN { for (i = 0; i < 2000; i++) print \"f a\" i; print \"f text\" }' "
	       "> m/.gitattributes; echo '* text' > e/.gitattributes; git add .; git commit -qm x");
	head = fx_oid("HEAD");
	repo = fx_open(".");
	fx_ok(cs_repo_conversion(&c, repo, &head, "f", &err), err);
	ck_assert_int_eq(c.text, CS_TEXT_RAW);
	fx_ok(cs_repo_conversion(&c, repo, &head, "d/f", &err), err);
	ck_assert_int_eq(c.text, CS_TEXT_RAW);
	fx_ok(cs_repo_conversion(&c, repo, &head, "l/f", &err), err);
	ck_assert_int_eq(c.text, CS_TEXT_RAW); /* 2,048 bytes are too long for git */
	ck_assert_int_eq(cs_repo_conversion(&c, repo, &head, "m/f", &err), CS_LIMIT);
	fx_run("h=$(git rev-parse HEAD:e/.gitattributes); rm -f .git/objects/"
	       "$(echo $h | cut -c1-2)/$(echo $h | cut -c3-)");
	rc = cs_repo_conversion(&c, repo, &head, "e/f", &err);
	ck_assert_msg(rc == CS_NOTFOUND && strstr(err.msg, "e/.gitattributes"), "%s", err.msg);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("repo/attr");
	TCase *tc = tcase_create("attr");

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_set_timeout(tc, FX_TIMEOUT_S);
	tcase_add_loop_test(tc, wildcards, 0, CS_COUNT(wild));
	tcase_add_test(tc, no_pattern_takes_long);
	tcase_add_loop_test(tc, patterns_match_as_git, 0, 5);
	tcase_add_test(tc, patterns_have_a_base);
	tcase_add_loop_test(tc, conversions, 0, CS_COUNT(rows));
	tcase_add_test(tc, commits_are_told_apart);
	tcase_add_test(tc, odd_files);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
