/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines from tables: what is accepted, what is refused, and what -h says about it. */
#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "countersign/base.h"
#include "countersign/base/options.h"

struct values {
	bool json, quiet;
	const char *title;
	struct cs_strv hosts;
	int64_t n, timeout, size;
	int show;
};

static const char *const shows[] = { "commands", "network", NULL };

static const struct cs_option main_options[] = {
	{ 'n', NULL, CS_OPT_NUMBER, offsetof(struct values, n), "<n>", "at most <n>" },
	{ 'm', "title", CS_OPT_TEXT, offsetof(struct values, title), "<title>", "a title" },
	{ 'q', "quiet", CS_OPT_FLAG, offsetof(struct values, quiet), NULL, "say less" },
	{ 'j', "json", CS_OPT_FLAG, offsetof(struct values, json), NULL, "as JSON" },
	{ 0, "allow-host", CS_OPT_LIST, offsetof(struct values, hosts), "<host>", "allow it" },
	{ 0, "timeout", CS_OPT_DURATION, offsetof(struct values, timeout), "<dur>", "end it" },
	{ 0, "size", CS_OPT_SIZE, offsetof(struct values, size), "<size>", "how large" },
	{ 0, "show", CS_OPT_CHOICE, offsetof(struct values, show), NULL, "what", shows },
	{ 0 },
};
static const struct cs_option prune_options[] = {
	{ 0, "older-than", CS_OPT_DURATION, offsetof(struct values, timeout), "<dur>", "only" },
	{ 0 },
};
static const struct cs_command log_commands[] = {
	{ .options = main_options,
	  .operands = "[<run>]",
	  .max_operands = 1,
	  .flags = CS_COMMAND_LATEST },
	{ .verb = "prune",
	  .about = "removes runs",
	  .options = prune_options,
	  .operands = "[<run>...]",
	  .flags = CS_COMMAND_LATEST },
	{ 0 },
};
static const struct cs_command run_commands[] = {
	{ .options = main_options,
	  .operands = "[--] <command> [<arg>...]",
	  .min_operands = 1,
	  .flags = CS_COMMAND_STOP },
	{ 0 },
};
static const struct cs_command verb_commands[] = {
	{ .verb = "check", .options = prune_options, .operands = "[<file>]", .max_operands = 1 },
	{ .verb = "trust", .options = prune_options },
	{ 0 },
};
static const struct cs_program programs[] = {
	{ "git-agent-log", log_commands, 2 },
	{ "git-agent-run", run_commands, 125 },
	{ "git-agent-policy", verb_commands, 2 },
};
enum { LOG, RUN, POLICY };

/* One command line and what it must come to; `values` is what dump() prints. */
static const struct {
	const char *name;
	int program;
	const char *words; /* separated by '|' */
	const char *want;  /* operands and values, or the start of the error with a leading '!' */
} rows[] = {
	{ "nothing", LOG, "", "[]" },
	{ "flags in a bundle", LOG, "-qj", "[] quiet json" },
	{ "value attached", LOG, "-n5", "[] n=5" },
	{ "value apart", LOG, "-n|5", "[] n=5" },
	{ "bundle with value", LOG, "-qn5", "[] quiet n=5" },
	{ "long with equals", LOG, "--title=a=b", "[] title=a=b" },
	{ "long apart", LOG, "--title|--json", "[] title=--json" },
	{ "empty value", LOG, "--title=", "[] title=" },
	{ "last one counts", LOG, "-m|a|-mb", "[] title=b" },
	{ "list", LOG, "--allow-host|a|--allow-host=b", "[] host=a host=b" },
	{ "duration", LOG, "--timeout|2m", "[] timeout=120000" },
	{ "size", LOG, "--size=2k", "[] size=2048" },
	{ "choice", LOG, "--show|network", "[] show=2" },
	{ "operand first", LOG, "7f3a|--json", "[7f3a] json" },
	{ "latest", LOG, "-1|-j", "[-1] json" },
	{ "single dash", LOG, "-", "[-]" },
	{ "separator", LOG, "--|-j", "[-j] --" },
	{ "directories", LOG, "-C|a|-Cb|x", "[x] C=a C=b" },
	{ "verb", LOG, "prune|-1|abc|--older-than=1s", "prune [-1,abc] timeout=1000" },
	{ "verb behind -C", LOG, "-C|x|prune", "prune [] C=x" },
	{ "verb only as first word", LOG, "-j|prune", "[prune] json" },
	{ "help", LOG, "-h", "help" },
	{ "help before a mistake", LOG, "-h|--nonsense", "help" },
	{ "manual", LOG, "--json|--help", "manual" },
	{ "help of a verb", LOG, "prune|-h", "help" },
	{ "stop at the command", RUN, "-q|sh|-c|--json", "[sh,-c,--json] quiet" },
	{ "stop at separator", RUN, "-q|--|-x|--json", "[-x,--json] quiet --" },
	{ "separator of the command", RUN, "env|--|x", "[env,--,x]" },
	{ "verb without options", POLICY, "trust", "trust []" },
	{ "help without a verb", POLICY, "-h", "help" },
	{ "unknown letter", LOG, "-x", "!unknown option '-x'" },
	{ "unknown in a bundle", LOG, "-qx", "!unknown option '-x'" },
	{ "unknown long", LOG, "--jso", "!unknown option '--jso'" },
	{ "unknown with value", LOG, "--x=y", "!unknown option '--x'" },
	{ "value for a flag", LOG, "--json=1", "!option '--json' takes no value" },
	{ "missing value", LOG, "--title", "!option '--title' needs a value: <title>" },
	{ "missing value, letter", LOG, "-n", "!option '-n' needs a value: <n>" },
	{ "not a number", LOG, "-n|5x", "!option '-n': '5x' is not <n>" },
	{ "negative", LOG, "-n|-5", "!option '-n': '-5' is not <n>" },
	{ "too large", LOG, "-n99999999999999999999", "!option '-n':" },
	{ "not a duration", LOG, "--timeout=soon", "!option '--timeout': 'soon' is not <dur>" },
	{ "not a choice", LOG, "--show=net", "!option '--show': 'net' is not <commands|network>" },
	{ "option of another verb", LOG, "prune|--json", "!unknown option '--json'" },
	{ "too many operands", LOG, "a|b", "!unexpected operand 'b'" },
	{ "no operand taken", POLICY, "trust|x", "!unexpected operand 'x'" },
	{ "no command", RUN, "-q", "!an operand is missing" },
	{ "-1 is an option elsewhere", RUN, "-1", "!unknown option '-1'" },
	{ "unknown verb", POLICY, "chekc", "!unknown verb 'chekc'" },
	{ "no verb", POLICY, "", "!a verb is missing" },
	{ "option before a verb", POLICY, "--older-than=1s|check", "!unknown option" },
};

static void dump(struct cs_buf *out, const struct cs_options *o, const struct values *v)
{
	if (o->want == CS_WANT_HELP || o->want == CS_WANT_MANUAL) {
		cs_buf_adds(out, o->want == CS_WANT_HELP ? "help" : "manual");
		return;
	}
	cs_buf_addf(out, "%s%s[", o->command->verb ? o->command->verb : "",
		    o->command->verb ? " " : "");
	for (size_t i = 0; i < o->operands.n; i++)
		cs_buf_addf(out, "%s%s", i ? "," : "", o->operands.v[i]);
	cs_buf_adds(out, "]");
	cs_buf_adds(out, v->quiet ? " quiet" : "");
	cs_buf_adds(out, v->json ? " json" : "");
	if (v->n != -1)
		cs_buf_addf(out, " n=%d", (int)v->n);
	if (v->title)
		cs_buf_addf(out, " title=%s", v->title);
	for (size_t i = 0; i < v->hosts.n; i++)
		cs_buf_addf(out, " host=%s", v->hosts.v[i]);
	if (v->timeout)
		cs_buf_addf(out, " timeout=%d", (int)v->timeout);
	if (v->size)
		cs_buf_addf(out, " size=%d", (int)v->size);
	if (v->show)
		cs_buf_addf(out, " show=%d", v->show);
	for (size_t i = 0; i < o->dirs.n; i++)
		cs_buf_addf(out, " C=%s", o->dirs.v[i]);
	cs_buf_adds(out, o->separator ? " --" : "");
}

static void split(struct cs_strv *argv, const char *program, const char *words)
{
	cs_strv_add(argv, program);
	while (*words) {
		size_t len = strcspn(words, "|");
		char *word = cs_strndup(words, len);

		cs_strv_add(argv, word);
		free(word);
		words += len + (words[len] == '|');
	}
}

START_TEST(command_line)
{
	const struct cs_program *program = &programs[rows[_i].program];
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_OPTIONS struct cs_options o = CS_OPTIONS_INIT;
	AUTO_BUF struct cs_buf got = CS_BUF_INIT;
	struct values v = { .n = -1 };
	struct cs_err err = CS_ERR_INIT;
	int rc;

	split(&argv, program->name, rows[_i].words);
	rc = cs_options_parse(&o, &v, program, (int)argv.n, argv.v, &err);
	if (rows[_i].want[0] == '!') {
		const char *want = rows[_i].want + 1;

		ck_assert_msg(rc == CS_USAGE && !strncmp(err.msg, want, strlen(want)),
			      "%s: %d '%s'", rows[_i].name, rc, err.msg);
		ck_assert_msg(o.want == CS_WANT_NOTHING, "%s: wants something", rows[_i].name);
	} else {
		ck_assert_msg(rc == 0, "%s: %s", rows[_i].name, err.msg);
		dump(&got, &o, &v);
		ck_assert_msg(!strcmp(got.data, rows[_i].want), "%s: '%s' is not '%s'",
			      rows[_i].name, got.data, rows[_i].want);
	}
	cs_strv_release(&v.hosts);
}
END_TEST

START_TEST(mistake_ends_with_the_programs_status)
{
	for (size_t i = 0; i < CS_COUNT(programs); i++) {
		AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
		AUTO_OPTIONS struct cs_options o = CS_OPTIONS_INIT;
		AUTO_BUF struct cs_buf out = CS_BUF_INIT;
		AUTO_BUF struct cs_buf msg = CS_BUF_INIT;
		struct values v = { 0 };

		split(&argv, programs[i].name, "--nonsense");
		ck_assert_int_eq(
			cs_options_begin(&o, &v, &out, &msg, &programs[i], (int)argv.n, argv.v),
			programs[i].usage_status);
		ck_assert_uint_eq(out.len, 0);
		ck_assert_ptr_nonnull(strstr(msg.data, "unknown option '--nonsense'"));
		ck_assert_ptr_nonnull(strstr(msg.data, "usage: git agent-"));
	}
}
END_TEST

START_TEST(missing_directory_is_named)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_OPTIONS struct cs_options o = CS_OPTIONS_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf msg = CS_BUF_INIT;
	struct values v = { 0 };

	split(&argv, "git-agent-log", "-C|/nonexistent/dir");
	ck_assert_int_eq(cs_options_begin(&o, &v, &out, &msg, &programs[LOG], (int)argv.n, argv.v),
			 2);
	ck_assert_ptr_nonnull(strstr(msg.data, "-C /nonexistent/dir: No such file"));
}
END_TEST

START_TEST(help_shows_every_option)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_OPTIONS struct cs_options o = CS_OPTIONS_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf msg = CS_BUF_INIT;
	struct values v = { 0 };
	static const char *const want[] = {
		"usage: git agent-log [-C <dir>] [-n <n>] [-m <title>] [-q] [-j]",
		"   or: git agent-log prune [-C <dir>] [--older-than <dur>] [<run>...]\n",
		"[--allow-host <host>]...",
		"    -n <n>",
		"    -m, --title <title>",
		"    --show <commands|network>",
		"git agent-log prune: removes runs",
		"    -h ",
		"    --help ",
	};

	split(&argv, "git-agent-log", "-h");
	ck_assert_int_eq(cs_options_begin(&o, &v, &out, &msg, &programs[LOG], (int)argv.n, argv.v),
			 0);
	ck_assert_uint_eq(msg.len, 0);
	for (size_t i = 0; i < CS_COUNT(want); i++)
		ck_assert_msg(strstr(out.data, want[i]) != NULL, "no '%s' in:\n%s", want[i],
			      out.data);
	for (char *line = strtok(out.data, "\n"); line; line = strtok(NULL, "\n"))
		ck_assert_msg(strlen(line) <= 80, "too long: %s", line);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tc = tcase_create("options");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, command_line, 0, (int)CS_COUNT(rows));
	tcase_add_test(tc, mistake_ends_with_the_programs_status);
	tcase_add_test(tc, missing_directory_is_named);
	tcase_add_test(tc, help_shows_every_option);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
