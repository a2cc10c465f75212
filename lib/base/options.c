/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/base/clock.h"

#define MAN_PROGRAM "/usr/bin/man"

/* Where a scan of argv stands. */
struct scan {
	struct cs_options *o;
	char *values;
	int argc, i;
	char **argv;
};

/* What every command takes; found after its own table. */
enum builtin { BUILTIN_DIR = 1, BUILTIN_HELP, BUILTIN_MANUAL };
static const struct {
	struct cs_option option;
	enum builtin what;
} builtins[] = {
	{ { 'C', NULL, CS_OPT_LIST, 0, "<dir>", "run as if started in <dir>", NULL }, BUILTIN_DIR },
	{ { 'h', NULL, CS_OPT_FLAG, 0, NULL, "show this help", NULL }, BUILTIN_HELP },
	{ { 0, "help", CS_OPT_FLAG, 0, NULL, "open the manual page", NULL }, BUILTIN_MANUAL },
};
#define N_BUILTINS (sizeof(builtins) / sizeof(builtins[0]))

void cs_options_release(struct cs_options *o)
{
	cs_strv_release(&o->operands);
	cs_strv_release(&o->dirs);
}

static bool is_last_option(const struct cs_option *opt)
{
	return !opt->letter && !opt->name;
}

static bool is_last_command(const struct cs_command *c)
{
	return !c->verb && !c->options && !c->operands;
}

/* ---- values ---- */

static int set_number(int64_t *out, const char *text)
{
	char *end;
	long long n;

	if (*text < '0' || *text > '9')
		return CS_USAGE;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || *end)
		return CS_USAGE;
	*out = n;
	return 0;
}

static int set_choice(int *out, const char *const *choices, const char *text)
{
	for (int i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], text)) {
			*out = i + 1;
			return 0;
		}
	}
	return CS_USAGE;
}

static int set_value(const struct scan *s, const struct cs_option *opt, const char *text)
{
	void *at = s->values + opt->offset;

	switch (opt->kind) {
	case CS_OPT_FLAG:
		*(bool *)at = true;
		return 0;
	case CS_OPT_TEXT:
		*(const char **)at = text;
		return 0;
	case CS_OPT_LIST:
		cs_strv_add(at, text);
		return 0;
	case CS_OPT_NUMBER:
		return set_number(at, text);
	case CS_OPT_DURATION:
		return cs_duration_parse(at, text);
	case CS_OPT_SIZE:
		return cs_size_parse(at, text);
	case CS_OPT_CHOICE:
		return set_choice(at, opt->choices, text);
	}
	return CS_USAGE;
}

static void set_builtin(struct cs_options *o, enum builtin what, const char *text)
{
	switch (what) {
	case BUILTIN_DIR:
		cs_strv_add(&o->dirs, text);
		break;
	case BUILTIN_HELP:
		o->want = CS_WANT_HELP;
		break;
	case BUILTIN_MANUAL:
		o->want = CS_WANT_MANUAL;
		break;
	}
}

/* "--show" or "-n", and what a value of it looks like. */
static void add_name(struct cs_buf *out, const struct cs_option *opt)
{
	if (opt->name)
		cs_buf_addf(out, "--%s", opt->name);
	else
		cs_buf_addf(out, "-%c", opt->letter);
}

static void add_arg(struct cs_buf *out, const struct cs_option *opt)
{
	if (opt->kind != CS_OPT_CHOICE) {
		cs_buf_adds(out, opt->arg ? opt->arg : "<value>");
		return;
	}
	cs_buf_addc(out, '<');
	for (int i = 0; opt->choices[i]; i++)
		cs_buf_addf(out, "%s%s", i ? "|" : "", opt->choices[i]);
	cs_buf_addc(out, '>');
}

static int bad_value(const struct cs_option *opt, const char *text, struct cs_err *err)
{
	AUTO_BUF struct cs_buf name = CS_BUF_INIT;
	AUTO_BUF struct cs_buf arg = CS_BUF_INIT;

	add_name(&name, opt);
	add_arg(&arg, opt);
	if (!text)
		return cs_err_set(err, CS_USAGE, "option '%s' needs a value: %s", name.data,
				  arg.data);
	return cs_err_set(err, CS_USAGE, "option '%s': '%s' is not %s", name.data, text, arg.data);
}

/* ---- parsing ---- */

static bool is_called(const struct cs_option *opt, const char *name, size_t len, char letter)
{
	if (!name)
		return opt->letter == letter;
	return opt->name && strlen(opt->name) == len && !memcmp(opt->name, name, len);
}

/* By long name (len bytes) or by letter; `what` is 0 for an option of the command itself. */
static const struct cs_option *find_option(enum builtin *what, const struct cs_command *c,
					   const char *name, size_t len, char letter)
{
	const struct cs_option *opt;

	*what = 0;
	for (opt = c ? c->options : NULL; opt && !is_last_option(opt); opt++) {
		if (is_called(opt, name, len, letter))
			return opt;
	}
	for (size_t i = 0; i < N_BUILTINS; i++) {
		if (is_called(&builtins[i].option, name, len, letter)) {
			*what = builtins[i].what;
			return &builtins[i].option;
		}
	}
	return NULL;
}

/* Applies one option; text is its value if it came attached, else the next word is taken. */
static int apply(struct scan *s, const struct cs_option *opt, enum builtin what, const char *text,
		 struct cs_err *err)
{
	if (opt->kind != CS_OPT_FLAG && !text) {
		if (s->i + 1 >= s->argc)
			return bad_value(opt, NULL, err);
		text = s->argv[++s->i];
	}
	if (what) {
		set_builtin(s->o, what, text);
		return 0;
	}
	if (set_value(s, opt, text) < 0)
		return bad_value(opt, text, err);
	return 0;
}

static int parse_long(struct scan *s, const char *word, struct cs_err *err)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	enum builtin what;
	const struct cs_option *opt = find_option(&what, s->o->command, word, len, 0);

	if (!opt)
		return cs_err_set(err, CS_USAGE, "unknown option '--%.*s'", (int)len, word);
	if (equals && opt->kind == CS_OPT_FLAG)
		return cs_err_set(err, CS_USAGE, "option '--%s' takes no value", opt->name);
	return apply(s, opt, what, equals ? equals + 1 : NULL, err);
}

static int parse_letters(struct scan *s, const char *word, struct cs_err *err)
{
	for (; *word; word++) {
		enum builtin what;
		const struct cs_option *opt = find_option(&what, s->o->command, NULL, 0, *word);
		int rc;

		if (!opt)
			return cs_err_set(err, CS_USAGE, "unknown option '-%c'", *word);
		if (opt->kind != CS_OPT_FLAG)
			return apply(s, opt, what, word[1] ? word + 1 : NULL, err);
		rc = apply(s, opt, what, NULL, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* "-1": the latest run. */
static bool is_latest(const char *word)
{
	return word[0] == '-' && word[1] && word[1 + strspn(word + 1, "0123456789")] == '\0';
}

static bool is_operand(const struct cs_command *c, const char *word)
{
	if (word[0] != '-' || !word[1])
		return true;
	return c && c->flags & CS_COMMAND_LATEST && is_latest(word);
}

/* Takes the options in front of a verb (only built-in ones make sense there), then the verb. */
static int find_command(struct scan *s, const struct cs_program *program, struct cs_err *err)
{
	const struct cs_command *plain = NULL;
	const char *word;

	for (const struct cs_command *c = program->commands; !is_last_command(c); c++) {
		if (!c->verb)
			plain = c;
	}
	while (s->i < s->argc && !strncmp(s->argv[s->i], "-C", 2)) {
		int rc = parse_letters(s, s->argv[s->i] + 1, err);

		if (rc < 0)
			return rc;
		s->i++;
	}
	word = s->i < s->argc ? s->argv[s->i] : NULL;
	for (const struct cs_command *c = program->commands; word && !is_last_command(c); c++) {
		if (c->verb && !strcmp(c->verb, word)) {
			s->o->command = c;
			s->i++;
			return 0;
		}
	}
	s->o->command = plain;
	if (plain || (word && word[0] == '-'))
		return 0;
	if (word)
		return cs_err_set(err, CS_USAGE, "unknown verb '%s'", word);
	return cs_err_set(err, CS_USAGE, "a verb is missing");
}

static int parse_words(struct scan *s, struct cs_err *err)
{
	const struct cs_command *c = s->o->command;

	for (; s->i < s->argc && s->o->want == CS_WANT_WORK; s->i++) {
		const char *word = s->argv[s->i];
		int rc;

		if (is_operand(c, word)) {
			if (c && c->flags & CS_COMMAND_STOP)
				return 0;
			cs_strv_add(&s->o->operands, word);
			continue;
		}
		if (!strcmp(word, "--")) {
			s->o->separator = true;
			s->i++;
			return 0;
		}
		if (word[1] == '-')
			rc = parse_long(s, word + 2, err);
		else
			rc = parse_letters(s, word + 1, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_operands(const struct cs_options *o, struct cs_err *err)
{
	const struct cs_command *c = o->command;

	if (!c)
		return cs_err_set(err, CS_USAGE, "a verb is missing");
	if (o->operands.n < c->min_operands)
		return cs_err_set(err, CS_USAGE, "an operand is missing: %s", c->operands);
	if (!c->operands && o->operands.n)
		return cs_err_set(err, CS_USAGE, "unexpected operand '%s'", o->operands.v[0]);
	if (c->max_operands && o->operands.n > c->max_operands)
		return cs_err_set(err, CS_USAGE, "unexpected operand '%s'",
				  o->operands.v[c->max_operands]);
	return 0;
}

int cs_options_parse(struct cs_options *o, void *values, const struct cs_program *program, int argc,
		     char **argv, struct cs_err *err)
{
	struct scan s = { .o = o, .values = values, .argc = argc, .i = 1, .argv = argv };
	int rc;

	o->want = CS_WANT_WORK;
	rc = find_command(&s, program, err);
	if (rc == 0)
		rc = parse_words(&s, err);
	if (rc < 0) {
		o->want = CS_WANT_NOTHING;
		return rc;
	}
	if (o->want != CS_WANT_WORK)
		return 0;
	for (; s.i < argc; s.i++)
		cs_strv_add(&o->operands, argv[s.i]);
	rc = check_operands(o, err);
	if (rc < 0)
		o->want = CS_WANT_NOTHING;
	return rc;
}

/* ---- usage and help ---- */

#define USAGE_WIDTH 78
#define HELP_COLUMN 28

/* "git-agent-log" is called as "git agent-log". */
static void add_call(struct cs_buf *out, const struct cs_program *program,
		     const struct cs_command *c)
{
	if (!strncmp(program->name, "git-", 4))
		cs_buf_addf(out, "git %s", program->name + 4);
	else
		cs_buf_adds(out, program->name);
	if (c->verb)
		cs_buf_addf(out, " %s", c->verb);
}

/* Adds a word to a folded line; *column is where the line stands, indent that of the next ones. */
static void add_word(struct cs_buf *out, size_t *column, size_t indent, const char *word)
{
	size_t len = strlen(word);

	if (*column + 1 + len > USAGE_WIDTH && *column > indent) {
		cs_buf_addf(out, "\n%*s", (int)indent, "");
		*column = indent;
	}
	cs_buf_addf(out, " %s", word);
	*column += 1 + len;
}

static void add_usage(struct cs_buf *out, const struct cs_program *program,
		      const struct cs_command *c, const char *lead)
{
	AUTO_BUF struct cs_buf word = CS_BUF_INIT;
	size_t indent, column;

	cs_buf_adds(&word, lead);
	add_call(&word, program, c);
	indent = column = word.len;
	cs_buf_add(out, word.data, word.len);
	add_word(out, &column, indent, "[-C <dir>]");
	for (const struct cs_option *opt = c->options; opt && !is_last_option(opt); opt++) {
		cs_buf_truncate(&word, 0);
		cs_buf_addc(&word, '[');
		if (opt->letter)
			cs_buf_addf(&word, "-%c", opt->letter);
		else
			add_name(&word, opt);
		if (opt->kind != CS_OPT_FLAG) {
			cs_buf_addc(&word, ' ');
			add_arg(&word, opt);
		}
		cs_buf_adds(&word, opt->kind == CS_OPT_LIST ? "]..." : "]");
		add_word(out, &column, indent, word.data);
	}
	if (c->operands)
		add_word(out, &column, indent, c->operands);
	cs_buf_addc(out, '\n');
}

void cs_options_usage(struct cs_buf *out, const struct cs_program *program,
		      const struct cs_command *only)
{
	const char *lead = "usage: ";

	for (const struct cs_command *c = program->commands; !is_last_command(c); c++) {
		if (only && c != only)
			continue;
		add_usage(out, program, c, lead);
		lead = "   or: ";
	}
}

static void help_option(struct cs_buf *out, const struct cs_option *opt)
{
	size_t start = out->len;

	cs_buf_adds(out, "    ");
	if (opt->letter)
		cs_buf_addf(out, "-%c%s", opt->letter, opt->name ? ", " : "");
	if (opt->name)
		cs_buf_addf(out, "--%s", opt->name);
	if (opt->kind != CS_OPT_FLAG) {
		cs_buf_addc(out, ' ');
		add_arg(out, opt);
	}
	if (out->len - start >= HELP_COLUMN) {
		cs_buf_addc(out, '\n');
		start = out->len;
	}
	cs_buf_addf(out, "%*s%s\n", (int)(HELP_COLUMN - (out->len - start)), "", opt->help);
}

void cs_options_help(struct cs_buf *out, const struct cs_program *program)
{
	cs_options_usage(out, program, NULL);
	for (const struct cs_command *c = program->commands; !is_last_command(c); c++) {
		cs_buf_addc(out, '\n');
		if (c->about) {
			add_call(out, program, c);
			cs_buf_addf(out, ": %s\n", c->about);
		}
		for (const struct cs_option *opt = c->options; opt && !is_last_option(opt); opt++)
			help_option(out, opt);
	}
	cs_buf_addc(out, '\n');
	for (size_t i = 0; i < N_BUILTINS; i++)
		help_option(out, &builtins[i].option);
}

int cs_options_manual(const struct cs_program *program, struct cs_err *err)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return cs_err_sys(err, "fork");
	if (pid == 0) {
		execl(MAN_PROGRAM, "man", program->name, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return cs_err_sys(err, "waitpid");
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return cs_err_set(err, CS_NOTFOUND, "%s %s did not show a page", MAN_PROGRAM,
				  program->name);
	return 0;
}

/* ---- the beginning of main ---- */

static void say_mistake(struct cs_buf *say, const struct cs_program *program,
			const struct cs_command *command, const struct cs_err *err)
{
	cs_buf_addf(say, "%s: %s\n", program->name, err->msg);
	cs_options_usage(say, program, command);
}

/* The page, or what -h says where no page is installed (a build tree). */
static void show_manual(struct cs_buf *say_out, struct cs_buf *say_err,
			const struct cs_program *program)
{
	struct cs_err err = CS_ERR_INIT;

	if (cs_options_manual(program, &err) == 0)
		return;
	cs_buf_addf(say_err, "%s: %s\n", program->name, err.msg);
	cs_options_help(say_out, program);
}

int cs_options_begin(struct cs_options *o, void *values, struct cs_buf *say_out,
		     struct cs_buf *say_err, const struct cs_program *program, int argc,
		     char **argv)
{
	struct cs_err err = CS_ERR_INIT;

	if (cs_options_parse(o, values, program, argc, argv, &err) < 0) {
		say_mistake(say_err, program, o->command, &err);
		return program->usage_status;
	}
	if (o->want == CS_WANT_HELP) {
		cs_options_help(say_out, program);
		return 0;
	}
	if (o->want == CS_WANT_MANUAL) {
		show_manual(say_out, say_err, program);
		return 0;
	}
	for (size_t i = 0; i < o->dirs.n; i++) {
		if (chdir(o->dirs.v[i]) < 0) {
			cs_err_sys(&err, "-C %s", o->dirs.v[i]);
			cs_buf_addf(say_err, "%s: %s\n", program->name, err.msg);
			return program->usage_status;
		}
	}
	return -1;
}
