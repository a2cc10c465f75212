/* SPDX-License-Identifier: Apache-2.0 */
/* git agent-log: lists, shows, follows, exports, recovers and prunes runs. */
#include "log.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "countersign/base/options.h"

#define PROGRAM		 "git-agent-log"
#define EXIT_USAGE	 2
#define EXIT_MALFUNCTION 125

static const char *const shows[] = { "commands", "network", "denied",  "findings",
				     "events",	 "diff",    "session", NULL };
static const char *const exports[] = { "in-toto", NULL };

#define OPT(member) offsetof(struct log_opts, member)
static const struct cs_option log_options[] = {
	{ 'n', NULL, CS_OPT_NUMBER, OPT(n), "<n>", "list at most <n> runs" },
	{ 0, "show", CS_OPT_CHOICE, OPT(show), NULL, "show one thing of a run in full", shows },
	{ 0, "all", CS_OPT_FLAG, OPT(all), NULL,
	  "with --show commands: fold nothing, shorten nothing" },
	{ 0, "follow", CS_OPT_FLAG, OPT(follow), NULL, "print events of a run as they happen" },
	{ 0, "json", CS_OPT_FLAG, OPT(json), NULL, "print JSON (countersign.run/v1)" },
	{ 0, "export", CS_OPT_CHOICE, OPT(export_format), NULL,
	  "print a run in the format of others", exports },
	{ 0 },
};
static const struct cs_option prune_options[] = {
	{ 0, "older-than", CS_OPT_DURATION, OPT(older_than_ms), "<dur>",
	  "remove what ended longer ago: 30d, 12h" },
	{ 0 },
};
static const struct cs_option no_options[] = { { 0 } };

static const struct cs_command commands[] = {
	{ .about = "list runs, or show one",
	  .options = log_options,
	  .operands = "[<run>]",
	  .max_operands = 1,
	  .flags = CS_COMMAND_LATEST },
	{ .verb = "recover",
	  .about = "capture and record interrupted runs",
	  .options = no_options,
	  .operands = "[<run>...]",
	  .flags = CS_COMMAND_LATEST },
	{ .verb = "prune",
	  .about = "remove runs that are not needed any more",
	  .options = prune_options,
	  .operands = "[<run>...]",
	  .flags = CS_COMMAND_LATEST },
	{ 0 },
};

static const struct cs_program program = { PROGRAM, commands, EXIT_USAGE };

/* The verb of a command line. */
static int dispatch(struct log *log, const struct cs_options *parsed, struct cs_err *err)
{
	const char *verb = parsed->command->verb;
	const struct log_opts *o = log->opts;
	const char *run = parsed->operands.n ? parsed->operands.v[0] : NULL;

	if (verb && !strcmp(verb, "prune"))
		return log_prune(log, &parsed->operands, err);
	if (verb)
		return log_recover(log, &parsed->operands, err);
	if (run || o->show || o->follow || o->export_format)
		return log_show(log, run, err);
	return log_list(log, err);
}

static int work(const struct log_opts *opts, const struct cs_options *parsed, struct cs_err *err)
{
	struct log log = { .opts = opts };
	bool page = !opts->follow && !parsed->command->verb;
	struct cs_err late = CS_ERR_INIT;
	int rc = cs_repo_open(&log.repo, ".", getenv("GIT_DIR"), err);

	if (rc < 0)
		return rc;
	/* The list shows them itself. */
	AUTO_FREE char *orphans = cs_run_orphans(log.repo);
	if (orphans && parsed->operands.n && !parsed->command->verb && !opts->json)
		fprintf(stderr, PROGRAM ": %s\n", orphans);
	log.state_dir = cs_state_path(log.repo);
	rc = cs_out_open(&log.out, log.repo, page, err);
	if (rc == 0) {
		rc = dispatch(&log, parsed, err);
		if (cs_out_close(&log.out, &late) < 0 && rc == 0)
			rc = cs_err_set(err, late.code, "%s", late.msg);
	}
	free(log.state_dir);
	cs_repo_free(log.repo);
	return rc;
}

int main(int argc, char **argv)
{
	AUTO_OPTIONS struct cs_options parsed = CS_OPTIONS_INIT;
	AUTO_BUF struct cs_buf say_out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf say_err = CS_BUF_INIT;
	AUTO_FREE char *why = NULL;
	struct log_opts opts = { .n = -1, .older_than_ms = -1 };
	struct cs_err err = CS_ERR_INIT;
	int rc, status;

	status = cs_options_begin(&parsed, &opts, &say_out, &say_err, &program, argc, argv);
	fputs(say_out.data, stdout);
	fputs(say_err.data, stderr);
	if (status >= 0)
		return status;
	rc = work(&opts, &parsed, &err);
	if (rc == 0)
		return 0;
	why = cs_escape_line(err.msg);
	fprintf(stderr, PROGRAM ": %s\n", why);
	return rc == CS_USAGE || rc == CS_NOTFOUND ? EXIT_USAGE : EXIT_MALFUNCTION;
}
