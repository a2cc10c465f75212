/* SPDX-License-Identifier: Apache-2.0 */
#include "../../lib/capture/names.h"

#include "../../lib/capture/content.h"
#include "../../lib/capture/tracked.h"
#include "capture_world.h"

/* ---- names that git refuses ------------------------------------------------------------------ */

static const struct {
	const char *name;
	bool refused;
} names[] = {
	{ ".git", true },
	{ ".GIT", true },
	{ ".gIt", true },
	{ ".git.", true },
	{ ".git ", true },
	{ ".git...  . ", true },
	{ ".git::$INDEX_ALLOCATION", true },
	{ ".git:stream", true },
	{ ".git . :x", true },
	{ "git~1", true },
	{ "GIT~1", true },
	{ "GiT~1 .", true },
	{ "git~1:x", true },
	{ "a\\.git", true },
	{ ".git\\config", true },
	{ "a\\git~1\\b", true },
	{ ".g\u200cit", true },
	{ "\u200e.git", true },
	{ ".git\ufeff", true },
	{ ".\u206fGi\u202at", true },
	{ ".\u200dgit\u206a", true },
	{ ".gitx", false },
	{ ".gi", false },
	{ "git", false },
	{ "git~2", false },
	{ "git~", false },
	{ "git~10", false },
	{ "xgit~1", false },
	{ ".git~1", false },
	{ ".gitignore", false },
	{ ".gitmodules", false },
	{ ".gitattributes", false },
	{ "..git", false },
	{ "...", false },
	{ " .git", false },
	{ ".git_", false },
	{ ".g\u00edt", false },
	{ ".g\u200bit", false },
	{ ".git\xff", true },
	{ ".git\xff.", true },
	{ "x.git\xff", false },
	{ "a\\b", false },
	{ "a:.git", false },
	{ "\\", false },
	{ "x y", false },
};

static bool git_refuses(const char *name)
{
	const char *argv[] = {
		"/usr/bin/git", "-c", "core.protectHFS=true", "-c", "core.protectNTFS=true",
		"update-index", "-z", "--index-info",	      NULL
	};
	AUTO_BUF struct cs_buf in = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status;

	cs_buf_addf(&in, "100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t%s", name);
	cs_buf_addc(&in, '\0');
	spec.argv = argv;
	spec.env = world_env;
	spec.input = in.data;
	spec.input_len = in.len;
	ck_assert_msg(!cs_spawn_capture(NULL, NULL, &status, &spec, &err), "%s", err.msg);
	/* It only warns about the path; the entry is then not there. */
	cs_buf_truncate(&in, 0);
	world_sh(&in, "git ls-files; rm -f .git/index");
	return in.len == 0;
}

START_TEST(dot_git)
{
	char dir[64];

	unit_mkdir(dir);
	world_sh(NULL, "git init -q");
	for (size_t i = 0; i < CS_COUNT(names); i++) {
		const char *name = names[i].name;

		ck_assert_msg(cs_name_is_dot_git(name, strlen(name)) == names[i].refused, "'%s'",
			      name);
		ck_assert_msg(git_refuses(name) == names[i].refused, "git about '%s'", name);
	}
	ck_assert(cs_name_is_dot_git("", 0));
	ck_assert(cs_name_is_dot_git(".", 1));
	ck_assert(cs_name_is_dot_git("..", 2));
	ck_assert(!cs_name_is_dot_git(".gitter", 7));
	ck_assert(cs_name_is_dot_git(".gitter", 4));
	unit_rmdir(dir);
}
END_TEST

/* Of t0060-path-utils.sh, "match .gitmodules". */
static const struct {
	const char *name;
	bool is;
} gitmodules[] = {
	{ ".gitmodules", true },    { ".git\u200cmodules", true }, { ".Gitmodules", true },
	{ ".gitmoduleS", true },    { ".gitmodules ", true },	   { ".gitmodules.", true },
	{ ".gitmodules  .", true }, { ".gitmodules:$DATA", true }, { "GITMOD~1", true },
	{ "gitmod~2", true },	    { "GITMOD~3:x", true },	   { "GITMOD~4 . :$DATA", true },
	{ "gi7eba~1", true },	    { "GI7EB~10", true },	   { "GI7EB~11", true },
	{ "GI7EB~99", true },	    { "GI7E~100", true },	   { "GI7~1000", true },
	{ "GI~10000", true },	    { "G~100000", true },	   { "~1000000", true },
	{ "~9999999", true },	    { ".gitmodules x", false },	   { ".gitmodules .x", false },
	{ " .gitmodules", false },  { "..gitmodules", false },	   { "gitmodules", false },
	{ ".gitmodule", false },    { ".gitmodules x .", false },  { "GI7EBA~", false },
	{ "GI7EBA~0", false },	    { "GI7EBA~~1", false },	   { "GI7EBA~X", false },
	{ "Gx7EBA~1", false },	    { "GI7EBX~1", false },	   { "GI7EB~1", false },
	{ "GI7EB~01", false },	    { "GI7EB~1X", false },	   { "gitmod~5", false },
};

START_TEST(dot_gitmodules)
{
	for (size_t i = 0; i < CS_COUNT(gitmodules); i++)
		ck_assert_msg(capture_name_is_gitmodules(gitmodules[i].name,
							 strlen(gitmodules[i].name)) ==
				      gitmodules[i].is,
			      "'%s'", gitmodules[i].name);
}
END_TEST

START_TEST(paths)
{
	char longest[CAPTURE_PATH_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	ck_assert(capture_path_ok(longest, CAPTURE_PATH_MAX));
	ck_assert(!capture_path_ok(longest, CAPTURE_PATH_MAX + 1));
	ck_assert(capture_path_ok("a/b c/\n", 7));
	ck_assert(!capture_path_ok("a\0b", 3));
	ck_assert(!capture_path_ok("", 0));
}
END_TEST

static const struct {
	const char *path, *target;
	bool out;
} links[] = {
	{ "a", "b", false },	     { "a", "../b", true },	    { "d/a", "../b", false },
	{ "d/a", "../../b", true },  { "a", "/x", true },	    { "a", "d/../../x", true },
	{ "a", "d/../x", false },    { "a", "./.././x", true },	    { "d/a", "..//../x", true },
	{ "a", "d/.git/x", true },   { "a", ".GIT", true },	    { "a", "...", false },
	{ "d/e/a", "../..", false }, { "d/e/a", "../../..", true }, { "a", "d//e", false },
};

START_TEST(link_targets)
{
	for (size_t i = 0; i < CS_COUNT(links); i++)
		ck_assert_msg(capture_link_leads_out(links[i].path, links[i].target) ==
				      links[i].out,
			      "%s -> %s", links[i].path, links[i].target);
}
END_TEST

/* ---- content, cut anywhere ------------------------------------------------------------------- */

static const struct {
	const char *text;
	uint64_t count, line;
	uint32_t first;
} hidden[] = {
	{ "plain\ttext\r\n\f", 0, 0, 0 },
	{ "\ufefftext", 0, 0, 0 },
	{ "te\ufeffxt", 1, 1, 0xfeff },
	{ "a\nb\u202ec\u202cd\n", 2, 2, 0x202e },
	{ "\u200b", 1, 1, 0x200b },
	{ "x\u200dy", 1, 1, 0x200d },
	{ "\U0001F469\u200d\U0001F4BB", 0, 0, 0 },
	{ "\u2764\ufe0f", 0, 0, 0 },
	{ "\u2764\ufe0f\ufe0f", 1, 1, 0xfe0f },
	{ "a\U000E0041\U000E0042", 2, 1, 0xe0041 },
	{ "esc \033[31m", 1, 1, 0x1b },
	{ "latin \xe9 \xff\xfe", 0, 0, 0 },
	{ "cut \xe2\x80", 0, 0, 0 },
	{ "\n\n\u00ad\n", 1, 3, 0xad },
};

START_TEST(hidden_characters)
{
	for (size_t i = 0; i < CS_COUNT(hidden); i++) {
		size_t len = strlen(hidden[i].text);

		for (size_t a = 0; a <= len; a++) {
			for (size_t b = a; b <= len; b++) {
				struct hidden_scan s = { 0 };

				hidden_scan_add(&s, hidden[i].text, a);
				hidden_scan_add(&s, hidden[i].text + a, b - a);
				hidden_scan_add(&s, hidden[i].text + b, len - b);
				ck_assert_msg(s.count == hidden[i].count &&
						      s.line == hidden[i].line &&
						      s.first == hidden[i].first,
					      "row %zu cut at %zu, %zu: %llu", i, a, b,
					      (unsigned long long)s.count);
			}
		}
	}
}
END_TEST

START_TEST(carriage_returns)
{
	static const char text[] = "a\r\nb\r\r\nc\r";
	size_t len = strlen(text);

	for (size_t cut = 0; cut <= len; cut++) {
		struct text_scan s = { 0 };
		struct ident_scan ident = { 0 };
		char out[16];
		bool held = false;
		size_t n;

		text_scan_add(&s, text, cut);
		text_scan_add(&s, text + cut, len - cut);
		text_scan_end(&s);
		ck_assert_uint_eq(s.stats.crlf, 2);
		ck_assert_uint_eq(s.stats.lone_cr, 2);
		n = text_drop_cr(out, &held, text, cut);
		n += text_drop_cr(out + n, &held, text + cut, len - cut);
		n += text_drop_cr(out + n, &held, NULL, 0);
		ck_assert_uint_eq(n, len - s.stats.crlf);
		ck_assert_int_eq(memcmp(out, "a\nb\r\nc\r", n), 0);
		ident_scan_add(&ident, "$$Id: x", cut % 7);
		ident_scan_add(&ident, "$$Id: x" + cut % 7, 7 - cut % 7);
		ck_assert(ident.found);
	}
}
END_TEST

/* ---- indexes as git writes them -------------------------------------------------------------- */

static const struct {
	const char *name, *script, *why;
} indexes[] = {
	{ "version 2", "git update-index --index-version 2", NULL },
	{ "version 3", "git update-index --index-version 3; git add -N new", NULL },
	{ "version 4", "git update-index --index-version 4", NULL },
	{ "version 4, extended", "git update-index --index-version 4; git add -N new", NULL },
	{ "with extensions", "git write-tree > /dev/null; git update-index --untracked-cache",
	  NULL },
	{ "split", "git update-index --split-index", "it is split or sparse" },
	{ "none", "echo nonsense > .git/index", "it is no index" },
	{ "cut", "head -c 200 .git/index > i; mv i .git/index",
	  "an entry of it is malformed or out of order" },
};

START_TEST(agent_index)
{
	AUTO_BUF struct cs_buf data = CS_BUF_INIT;
	struct tracked t = TRACKED_INIT;
	struct cs_err err = CS_ERR_INIT;
	const char *why = NULL;
	char dir[64];
	bool ok;

	unit_mkdir(dir);
	world_sh(NULL,
		 "git init -q; mkdir -p d/e d-e; touch a d/e/f d/e/g d-e/h d/a.b new; ln -s a l;"
		 "git add a d d-e l");
	world_sh(NULL, indexes[_i].script);
	ck_assert(!cs_read_file(&data, AT_FDCWD, ".git/index", 1 << 20, &err));
	ok = tracked_parse(&t, data.data, data.len, 20, &why);
	ck_assert_msg(ok == !indexes[_i].why, "%s: %s", indexes[_i].name, why);
	if (ok) {
		ck_assert(tracked_has(&t, "a") && tracked_has(&t, "d/e/g") && tracked_has(&t, "l"));
		ck_assert(!tracked_has(&t, "d") && !tracked_has(&t, "d/e") &&
			  !tracked_has(&t, "b"));
		ck_assert(tracked_below(&t, "d") && tracked_below(&t, "d/e") &&
			  tracked_below(&t, "d-e"));
		ck_assert(!tracked_below(&t, "a") && !tracked_below(&t, "d/e/f"));
		ck_assert(!tracked_below(&t, "d/") && !tracked_below(&t, "dd"));
	} else {
		ck_assert_str_eq(why, indexes[_i].why);
		ck_assert(!tracked_has(&t, "a"));
	}
	tracked_release(&t);
	unit_rmdir(dir);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("capture_names");
	TCase *t = tcase_create("names");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, dot_git);
	tcase_add_test(t, dot_gitmodules);
	tcase_add_test(t, paths);
	tcase_add_test(t, link_targets);
	tcase_add_test(t, hidden_characters);
	tcase_add_test(t, carriage_returns);
	tcase_add_loop_test(t, agent_index, 0, CS_COUNT(indexes));
	suite_add_tcase(s, t);
	return unit_run(s);
}
