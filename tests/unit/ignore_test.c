/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/capture.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include "random.h"
#include "unit.h"

/* ---- wildmatch ------------------------------------------------------------------------------- */

/* As git's t3070-wildmatch.sh has them; path: with WM_PATHNAME, plain: without. */
static const struct {
	const char *text, *pattern;
	bool path, plain;
} globs[] = {
	{ "foo", "foo", true, true },
	{ "foo", "bar", false, false },
	{ "", "", true, true },
	{ "foo", "???", true, true },
	{ "foo", "??", false, false },
	{ "foo", "*", true, true },
	{ "foo", "f*", true, true },
	{ "foo", "*f", false, false },
	{ "foo", "*foo*", true, true },
	{ "foobar", "*ob*a*r*", true, true },
	{ "aaaaaaabababab", "*ab", true, true },
	{ "foo*", "foo\\*", true, true },
	{ "foobar", "foo\\*bar", false, false },
	{ "f\\oo", "f\\\\oo", true, true },
	{ "foo\\", "foo\\", false, false },
	{ "ball", "*[al]?", true, true },
	{ "ten", "[ten]", false, false },
	{ "ten", "**[!te]", true, true },
	{ "ten", "**[!ten]", false, false },
	{ "ten", "t[a-g]n", true, true },
	{ "ten", "t[!a-g]n", false, false },
	{ "ton", "t[!a-g]n", true, true },
	{ "ton", "t[^a-g]n", true, true },
	{ "a]b", "a[]]b", true, true },
	{ "a-b", "a[]-]b", true, true },
	{ "a]b", "a[]-]b", true, true },
	{ "aab", "a[]-]b", false, false },
	{ "aab", "a[]a-]b", true, true },
	{ "]", "]", true, true },
	{ "foo/baz/bar", "foo*bar", false, true },
	{ "foo/baz/bar", "foo**bar", false, true },
	{ "foobazbar", "foo**bar", true, true },
	{ "foo/baz/bar", "foo/**/bar", true, true },
	{ "foo/baz/bar", "foo/**/**/bar", true, false },
	{ "foo/b/a/z/bar", "foo/**/bar", true, true },
	{ "foo/b/a/z/bar", "foo/**/**/bar", true, true },
	{ "foo/bar", "foo/**/bar", true, false },
	{ "foo/bar", "foo/**/**/bar", true, false },
	{ "foo/bar", "foo?bar", false, true },
	{ "foo/bar", "foo[/]bar", false, true },
	{ "foo/bar", "foo[^a-z]bar", false, true },
	{ "foo/bar", "f[^eiu][^eiu][^eiu][^eiu][^eiu]r", false, true },
	{ "foo-bar", "f[^eiu][^eiu][^eiu][^eiu][^eiu]r", true, true },
	{ "foo", "**/foo", true, false },
	{ "XXX/foo", "**/foo", true, true },
	{ "bar/baz/foo", "**/foo", true, true },
	{ "bar/baz/foo", "*/foo", false, true },
	{ "foo/bar/baz", "**/bar*", false, true },
	{ "deep/foo/bar/baz", "**/bar/*", true, true },
	{ "deep/foo/bar/baz/", "**/bar/*", false, true },
	{ "deep/foo/bar/baz/", "**/bar/**", true, true },
	{ "deep/foo/bar", "**/bar/*", false, false },
	{ "deep/foo/bar/", "**/bar/**", true, true },
	{ "foo/bar/baz", "**/bar**", false, true },
	{ "foo/bar/baz/x", "*/bar/**", true, true },
	{ "deep/foo/bar/baz/x", "*/bar/**", false, true },
	{ "deep/foo/bar/baz/x", "**/bar/*/*", true, true },
	{ "acrt", "a[c-c]st", false, false },
	{ "acrt", "a[c-c]rt", true, true },
	{ "]", "[!]-]", false, false },
	{ "a", "[!]-]", true, true },
	{ "", "\\", false, false },
	{ "\\", "\\", false, false },
	{ "XXX/\\", "*/\\", false, false },
	{ "XXX/\\", "*/\\\\", true, true },
	{ "@foo", "@foo", true, true },
	{ "[ab]", "\\[ab]", true, true },
	{ "[ab]", "[[]ab]", true, true },
	{ "[ab]", "[[:]ab]", true, true },
	{ "[ab]", "[[::]ab]", false, false },
	{ "[ab]", "[[:digit]ab]", true, true },
	{ "[ab]", "[\\[:]ab]", true, true },
	{ "?a?b", "\\??\\?b", true, true },
	{ "abc", "\\a\\b\\c", true, true },
	{ "foo", "", false, false },
	{ "foo/bar/baz/to", "**/t[o]", true, true },
	{ "a1B", "[[:alpha:]][[:digit:]][[:upper:]]", true, true },
	{ "a", "[[:digit:][:upper:][:space:]]", false, false },
	{ " ", "[[:digit:][:upper:][:space:]]", true, true },
	{ "1", "[[:digit:][:upper:][:spaci:]]", false, false },
	{ ".", "[[:digit:][:upper:][:space:]]", false, false },
	{ "5", "[[:xdigit:]]", true, true },
	{ "_", "[[:alnum:][:alpha:][:blank:][:cntrl:][:digit:][:graph:][:lower:][:print:]]", true,
	  true },
	{ "5", "[a-c[:digit:]x-z]", true, true },
	{ "q", "[a-c[:digit:]x-z]", false, false },
	{ "]", "[\\\\-^]", true, true },
	{ "[", "[\\\\-^]", false, false },
	{ "-", "[\\-_]", true, true },
	{ "]", "[\\]]", true, true },
	{ "\\]", "[\\]]", false, false },
	{ "a[]b", "a[]b", false, false },
	{ "ab[", "ab[", false, false },
	{ "ab", "[!", false, false },
	{ "-", "[-", false, false },
	{ "-", "[-]", true, true },
	{ "5", "[--A]", true, true },
	{ " ", "[ --]", true, true },
	{ "-", "[a-e-n]", true, true },
	{ "j", "[a-e-n]", false, false },
	{ "a", "[!------]", true, true },
	{ "[", "[]-a]", false, false },
	{ "^", "[]-a]", true, true },
	{ "^", "[!]-a]", false, false },
	{ "a^bc", "a^bc", true, true },
	{ "-b]", "[a-]b]", true, true },
	{ "\\", "[\\]", false, false },
	{ "\\", "[\\\\]", true, true },
	{ "aaabbb", "b*a", false, false },
	{ "aabcaa", "*ba*", false, false },
	{ ",", "[,]", true, true },
	{ "-", "[,-.]", true, true },
	{ "-.]", "[,-.]", false, false },
	{ "-adobe-courier-bold-o-normal--12-120-75-75-m-70-iso8859-1",
	  "-*-*-*-*-*-*-12-*-*-*-m-*-*-*", true, true },
	{ "-adobe-courier-bold-o-normal--12-120-75-75-X-70-iso8859-1",
	  "-*-*-*-*-*-*-12-*-*-*-m-*-*-*", false, false },
	{ "XXX/adobe/courier/bold/o/normal//12/120/75/75/m/70/iso8859/1",
	  "XXX/*/*/*/*/*/*/12/*/*/*/m/*/*/*", true, true },
	{ "abcd/abcdefg/abcdefghijk/abcdefghijklmnop.txt", "**/*a*b*g*n*t", true, true },
	{ "abcd/abcdefg/abcdefghijk/abcdefghijklmnop.txtz", "**/*a*b*g*n*t", false, false },
	{ "foo/bba/arr", "foo/*z", false, false },
	{ "foo/bba/arr", "foo/*arr", false, true },
	{ "foo/bba/arr", "foo/**arr", false, true },
	{ "foo/bba/arr", "foo/*/arr", true, true },
	{ "foo/bba/arr", "foo/*/", false, false },
	{ "a/b/c/d", "a/**\\/d", true, true },
	{ "a/d", "a/**\\/d", false, false },
	{ "-foo", "*-foo", true, true },
	{ "ab/cXd/efXg/hi", "*X*i", false, true },
	{ "ab/cXd/efXg/hi", "*/*X*/*/*i", true, true },
	{ "ab/cXd/efXg/hi", "**/*X*/**/*i", true, true },
};

START_TEST(glob)
{
	bool path = cs_wildmatch(globs[_i].pattern, globs[_i].text, true);
	bool plain = cs_wildmatch(globs[_i].pattern, globs[_i].text, false);

	ck_assert_msg(path == globs[_i].path && plain == globs[_i].plain, "'%s' '%s': %d %d",
		      globs[_i].text, globs[_i].pattern, path, plain);
}
END_TEST

static void repeat(struct cs_buf *out, const char *unit, int times)
{
	while (times-- > 0)
		cs_buf_adds(out, unit);
}

static const struct {
	const char *pattern;
	int times;
	const char *pattern_end, *text;
	int text_times;
} hostile[] = {
	{ "*a", 1000, "b", "a", 4000 },
	{ "**/", 1000, "b", "a/", 2000 },
	{ "**/*a*", 600, "b", "aa/", 1300 },
	{ "**/a*", 600, "b", "a/", 2000 },
	{ "**/?", 1000, "b", "a/", 2000 },
	{ "[a-z]*", 800, "B", "a", 4000 },
	{ "**/*a/*a/*a/", 200, "b", "aaaaaaaa/", 450 },
};

/* An exponential matcher would be killed: the limit is on processor time, not on the clock. */
START_TEST(hostile_pattern_is_bounded)
{
	struct rlimit limit = { 20, 20 };
	AUTO_BUF struct cs_buf pattern = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	ck_assert_int_eq(setrlimit(RLIMIT_CPU, &limit), 0);
	repeat(&pattern, hostile[_i].pattern, hostile[_i].times);
	cs_buf_adds(&pattern, hostile[_i].pattern_end);
	repeat(&text, hostile[_i].text, hostile[_i].text_times);
	ck_assert(!cs_wildmatch(pattern.data, text.data, true));
	ck_assert(!cs_wildmatch(pattern.data, text.data, false));
}
END_TEST

/* ---- rules against git check-ignore ---------------------------------------------------------- */

static const char *const pieces[] = {
	"a",   "b", "c",    "ab",   "a.b", "*",	  "*",		 "**",	"**/", "/**", "/**/", "/",
	"/",   "?", "[ab]", "[!a]", "\\",  "\\a", "[a-c]",	 "[",	"]",   " ",   "\\ ",  "!",
	"\\!", "#", "\\#",  ".",    "*.b", "b*",  "[[:alpha:]]", "a**", "**b", "\t",  "-",    "\\*",
};
static const char *const names[] = {
	"a",  "b",  "c",  "ab",	  "a.b", ".b",	"bb", "!a",
	"#b", " a", "a ", "[ab]", "a*",	 "a\\", "-",  "\t",
};

static void random_pattern(struct cs_buf *out, struct random *r)
{
	unsigned int n = 1 + random_below(r, 5);

	if (!random_below(r, 5))
		cs_buf_addc(out, '!');
	while (n--)
		cs_buf_adds(out, pieces[random_below(r, CS_COUNT(pieces))]);
	if (!random_below(r, 4))
		cs_buf_addc(out, '/');
	if (!random_below(r, 8))
		cs_buf_adds(out, "  ");
	cs_buf_adds(out, random_below(r, 6) ? "\n" : "\r\n");
}

static void random_rules(struct cs_buf *out, struct random *r)
{
	if (!random_below(r, 10))
		cs_buf_adds(out, "\xef\xbb\xbf");
	for (unsigned int n = random_below(r, 9); n; n--)
		random_pattern(out, r);
	if (out->len && !random_below(r, 4))
		cs_buf_truncate(out, out->len - 1);
}

static void write_file(const char *path, const struct cs_buf *text)
{
	struct cs_err err = CS_ERR_INIT;
	int rc = cs_write_file(AT_FDCWD, path, text->data, text->len, 0644, &err);

	ck_assert_msg(rc == 0, "%s", err.msg);
}

/* One random path below top: directories, and a file or a directory at its end. */
static void random_path(struct cs_strv *paths, const char *top, struct random *r)
{
	char path[256];
	int len = snprintf(path, sizeof(path), "%s", top);
	unsigned int depth = 1 + random_below(r, 4);

	while (depth--) {
		struct stat st;

		len += snprintf(path + len, sizeof(path) - (size_t)len, "/%s",
				names[random_below(r, CS_COUNT(names))]);
		if (!depth && random_below(r, 3)) {
			AUTO_FD int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);

			if (fd >= 0)
				cs_strv_add(paths, path);
			return;
		}
		if (!mkdir(path, 0755))
			cs_strv_addf(paths, "%s/", path);
		else if (lstat(path, &st) || !S_ISDIR(st.st_mode))
			return;
	}
}

/* Puts rules into some directories (those from index `from` on, parents first) and into ig. */
static void add_rules(struct cs_ignore *ig, const char *top, const struct cs_strv *paths,
		      size_t from, struct random *r)
{
	for (size_t i = from; i <= paths->n; i++) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;
		AUTO_FREE char *dir = cs_strdup(i == from ? top : paths->v[i - 1]);
		AUTO_FREE char *file = NULL;
		size_t len = strlen(dir);

		if (i > from && (dir[len - 1] != '/' || random_below(r, 3)))
			continue;
		if (i > from)
			dir[len - 1] = '\0';
		random_rules(&text, r);
		file = cs_asprintf("%s/.gitignore", dir);
		write_file(file, &text);
		cs_ignore_add(ig, dir, text.data, text.len);
	}
}

/* The caller's part of the contract: an ignored directory ignores what is below. */
static bool ignored(const struct cs_ignore *ig, const char *path, bool is_dir)
{
	AUTO_FREE char *copy = cs_strdup(path);

	for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (cs_ignore_match(ig, copy, true))
			return true;
		*slash = '/';
	}
	return cs_ignore_match(ig, path, is_dir);
}

static void git(struct cs_buf *out, const char *const *args, const struct cs_buf *input)
{
	static const char *const env[] = { "GIT_CONFIG_NOSYSTEM=1", "HOME=/nonexistent", "LC_ALL=C",
					   NULL };
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status;

	spec.argv = args;
	spec.env = env;
	spec.input = input ? input->data : NULL;
	spec.input_len = input ? input->len : 0;
	ck_assert_msg(!cs_spawn_capture(out, NULL, &status, &spec, &err), "%s", err.msg);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
}

/* One field of git's -z output. */
static const char *field(const char **p, const char *end)
{
	const char *start = *p;

	ck_assert(start < end);
	*p += strlen(start) + 1;
	return start;
}

static void compare(const struct cs_ignore *ig, const struct cs_strv *paths, uint64_t seed)
{
	static const char *const check[] = { "/usr/bin/git",
					     "-c",
					     "core.excludesFile=user",
					     "check-ignore",
					     "--stdin",
					     "-z",
					     "-v",
					     "-n",
					     "--no-index",
					     NULL };
	AUTO_BUF struct cs_buf in = CS_BUF_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	const char *p, *end;

	for (size_t i = 0; i < paths->n; i++) {
		size_t len = strlen(paths->v[i]);

		cs_buf_add(&in, paths->v[i], len - (paths->v[i][len - 1] == '/'));
		cs_buf_addc(&in, '\0');
	}
	git(&out, check, &in);
	p = out.data;
	end = p + out.len;
	for (size_t i = 0; i < paths->n; i++) {
		bool is_dir = paths->v[i][strlen(paths->v[i]) - 1] == '/';
		const char *source = field(&p, end), *line = field(&p, end);
		const char *pattern = field(&p, end), *path = field(&p, end);
		bool expected = *pattern && *pattern != '!';

		ck_assert_msg(ignored(ig, path, is_dir) == expected,
			      "SEED=%llu: '%s'%s: git says %d (%s:%s '%s')",
			      (unsigned long long)seed, path, is_dir ? " (directory)" : "",
			      expected, source, line, pattern);
	}
	ck_assert_ptr_eq(p, end);
}

/* Many small trees in one repository. */
START_TEST(same_as_git)
{
	static const char *const init[] = { "/usr/bin/git", "init", "-q", ".", NULL };
	char dir[64];
	struct random r = random_seeded();
	uint64_t seed = r.seed;
	AUTO_STRV struct cs_strv paths = CS_STRV_INIT;
	AUTO_BUF struct cs_buf user = CS_BUF_INIT;
	struct cs_ignore *ig;

	unit_mkdir(dir);
	git(NULL, init, NULL);
	cs_ignore_new(&ig);
	random_rules(&user, &r);
	write_file("user", &user);
	cs_ignore_add(ig, "", user.data, user.len);
	for (int world = 0; world < 40; world++) {
		char top[16];
		size_t from = paths.n;

		snprintf(top, sizeof(top), "w%d", world);
		ck_assert_int_eq(mkdir(top, 0755), 0);
		for (int i = 0; i < 25; i++)
			random_path(&paths, top, &r);
		add_rules(ig, top, &paths, from, &r);
	}
	compare(ig, &paths, seed);
	cs_ignore_free(ig);
	unit_rmdir(dir);
}
END_TEST

/* ---- the rest -------------------------------------------------------------------------------- */

START_TEST(later_rules_win_and_go_away)
{
	struct cs_ignore *ig;

	cs_ignore_new(&ig);
	ck_assert(!cs_ignore_match(ig, "a.o", false));
	cs_ignore_add(ig, "", "*.o\n", 4);
	cs_ignore_add(ig, "sub", "!keep.o\n", 8);
	ck_assert(cs_ignore_match(ig, "keep.o", false));
	ck_assert(!cs_ignore_match(ig, "sub/keep.o", false));
	ck_assert(!cs_ignore_match(ig, "subkeep/keep", false));
	ck_assert(cs_ignore_match(ig, "sub/other.o", false));
	cs_ignore_free(ig);
}
END_TEST

START_TEST(patterns_have_a_maximum)
{
	struct cs_ignore *ig;

	cs_ignore_new(&ig);
	for (int i = 0; i < CS_IGNORE_MAX; i++)
		cs_ignore_add(ig, "", "x\n", 2);
	cs_ignore_add(ig, "", "y\n", 2);
	ck_assert(cs_ignore_match(ig, "x", false));
	ck_assert(!cs_ignore_match(ig, "y", false));
	cs_ignore_free(ig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ignore");
	TCase *t = tcase_create("ignore");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, glob, 0, CS_COUNT(globs));
	tcase_add_loop_test(t, hostile_pattern_is_bounded, 0, CS_COUNT(hostile));
	tcase_add_loop_test(t, same_as_git, 0, 4);
	tcase_add_test(t, later_rules_win_and_go_away);
	tcase_add_test(t, patterns_have_a_maximum);
	suite_add_tcase(s, t);
	return unit_run(s);
}
