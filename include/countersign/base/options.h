/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines from tables. A program describes its verbs and options once; the same table
 * drives the parser, the usage line, the text of -h and the synopsis, so that they cannot differ.
 *
 *	struct log_opts { const char *show; int64_t n; bool json; };
 *	static const struct cs_option options[] = {
 *		{ 'n', NULL, CS_OPT_NUMBER, offsetof(struct log_opts, n), "<n>", "..." },
 *		{ 0, "json", CS_OPT_FLAG, offsetof(struct log_opts, json), NULL, "..." },
 *		{ 0 },
 *	};
 *	static const struct cs_command commands[] = {
 *		{ .options = options, .operands = "[<run>]", .max_operands = 1 },
 *		{ 0 },
 *	};
 *	static const struct cs_program program = { "git-agent-log", commands, .usage_status = 2 };
 *
 * Conventions: --name value and --name=value, -n value and -nvalue, bundles of one-letter flags,
 * `--` ends the options, options and operands in any order unless CS_COMMAND_STOP, long names in
 * full. Built in: -h, --help, and -C <dir> as git has it (repeatable, each relative to the one
 * before, in front of the verb too). A single-valued option given twice: the last one counts.
 */
#ifndef COUNTERSIGN_BASE_OPTIONS_H
#define COUNTERSIGN_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include "countersign/base/buf.h"
#include "countersign/base/err.h"

/* What an option takes, and the type that `offset` points at in the program's struct. */
enum cs_option_kind {
	CS_OPT_FLAG = 0, /* bool; takes no value */
	CS_OPT_TEXT,	 /* const char *, borrowed from argv */
	CS_OPT_LIST,	 /* struct cs_strv; may be repeated */
	CS_OPT_NUMBER,	 /* int64_t, 0 or more */
	CS_OPT_DURATION, /* int64_t, milliseconds (cs_duration_parse) */
	CS_OPT_SIZE,	 /* int64_t, bytes (cs_size_parse) */
	CS_OPT_CHOICE,	 /* int: index into `choices` plus one; 0 stays "not given" */
};

/* In the order in which a table is read. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
 */
struct cs_option {
	char letter;	  /* 0: none */
	const char *name; /* without the dashes; NULL: only the letter */
	enum cs_option_kind kind;
	size_t offset;
	const char *arg;  /* how the value is shown: "<file>"; NULL for flags and choices */
	const char *help; /* one sentence, lower case, no full stop */
	const char *const *choices; /* CS_OPT_CHOICE: NULL-terminated words */
};

enum cs_command_flags {
	CS_COMMAND_STOP = 1,   /* the first operand ends the options: it is a command line */
	CS_COMMAND_LATEST = 2, /* "-1", "-2": operands (the latest run, the one before) */
};

/* One way to call a program: with a verb, or (verb NULL) without. */
struct cs_command {
	const char *verb;
	const char *about;		   /* one sentence for -h, or NULL */
	const struct cs_option *options;   /* ends with a zeroed element */
	const char *operands;		   /* as shown: "[<run>...]", or NULL */
	size_t min_operands, max_operands; /* max 0 with operands shown: no limit */
	unsigned flags;
};

struct cs_program {
	const char *name;		   /* "git-agent-log": its man page, too */
	const struct cs_command *commands; /* ends with an element without options and operands */
	int usage_status;		   /* exit status of a mistaken command line */
};

/* What was parsed. Life: CS_OPTIONS_INIT, cs_options_begin or _parse, release. */
enum cs_options_want { CS_WANT_NOTHING = 0, CS_WANT_WORK, CS_WANT_HELP, CS_WANT_MANUAL };
struct cs_options {
	enum cs_options_want want;
	const struct cs_command *command; /* NULL while no verb was recognised */
	struct cs_strv operands;
	struct cs_strv dirs; /* of -C */
	bool separator;	     /* a `--` was seen */
};
#define CS_OPTIONS_INIT \
	{               \
		0       \
	}
#define AUTO_OPTIONS __attribute__((cleanup(cs_options_release)))
void cs_options_release(struct cs_options *o);

/*
 * The beginning of every main(): parses, enters the directories of -C, and answers -h, --help
 * and mistakes: the texts are added to say_out and say_err, for the program to write. Returns -1
 * to go on, else the status to exit with. `values` is the program's struct, preset to defaults.
 */
int cs_options_begin(struct cs_options *o, void *values, struct cs_buf *say_out,
		     struct cs_buf *say_err, const struct cs_program *program, int argc,
		     char **argv);

/* The steps of it. Pure: CS_USAGE says which word is wrong; values set before it stay set. */
int cs_options_parse(struct cs_options *o, void *values, const struct cs_program *program, int argc,
		     char **argv, struct cs_err *err) CS_CHECKED;
/* "usage: git agent-log [-n <n>] [<run>]", folded; one line a command, or the given one alone. */
void cs_options_usage(struct cs_buf *out, const struct cs_program *program,
		      const struct cs_command *only);
/* Usage, then every option with its sentence. */
void cs_options_help(struct cs_buf *out, const struct cs_program *program);
/* Shows the man page with /usr/bin/man and waits. CS_NOTFOUND: there is no page, or no man. */
int cs_options_manual(const struct cs_program *program, struct cs_err *err) CS_CHECKED;

#endif
