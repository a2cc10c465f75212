/* SPDX-License-Identifier: Apache-2.0 */
/* git agent-run: runs an agent in a sandbox against a throwaway worktree. */
#include "run.h"

#include <stddef.h>
#include <stdio.h>

#include "countersign/base/options.h"

#define EXIT_OURS 125

#define OPT(member) offsetof(struct run_opts, member)
static const struct cs_option options[] = {
	{ 'm', NULL, CS_OPT_TEXT, OPT(title), "<title>", "title of the run and of its commit" },
	{ 0, "base", CS_OPT_TEXT, OPT(base), "<rev>", "start from this commit instead of HEAD" },
	{ 0, "continue", CS_OPT_TEXT, OPT(continues), "<run>",
	  "go on where this run ended; the change is that of both" },
	{ 0, "with-uncommitted", CS_OPT_FLAG, OPT(with_uncommitted), NULL,
	  "start from HEAD with your uncommitted changes to tracked files" },
	{ 0, "profile", CS_OPT_TEXT, OPT(profile), "<name>",
	  "what the agent needs; default: recognised by its name" },
	{ 0, "prompt", CS_OPT_TEXT, OPT(prompt), "<text>",
	  "the task; without <command> the profile builds the headless call" },
	{ 0, "prompt-file", CS_OPT_TEXT, OPT(prompt_file), "<file>", "the task, from a file" },
	{ 0, "policy", CS_OPT_TEXT, OPT(policy), "<file>", "rules beside your own policy" },
	{ 0, "allow-host", CS_OPT_LIST, OPT(allow_host), "<host[:port]>",
	  "a host that the agent may reach (ports 80 and 443 without one)" },
	{ 0, "env", CS_OPT_LIST, OPT(env), "<name>",
	  "pass this variable of your environment, or set NAME=value" },
	{ 0, "carry", CS_OPT_LIST, OPT(carry), "<path>",
	  "ignored build state of the checkout (node_modules); what is written there is dropped" },
	{ 0, "timeout", CS_OPT_DURATION, OPT(timeout_ms), "<dur>",
	  "stop the agent after this time: 90s, 15m, 2h" },
	{ 0, "no-tty", CS_OPT_FLAG, OPT(no_tty), NULL, "give the agent pipes, no terminal" },
	{ 0, "degraded", CS_OPT_FLAG, OPT(degraded), NULL,
	  "where this host refuses namespaces: Landlock alone, no network" },
	{ 0, "dry-run", CS_OPT_FLAG, OPT(dry_run), NULL,
	  "show what would be run, and how, and stop" },
	{ 0, "json", CS_OPT_FLAG, OPT(json), NULL,
	  "with --dry-run: as JSON (countersign.plan/v1)" },
	{ 0, "summary", CS_OPT_TEXT, OPT(summary), "<file>",
	  "write the run as JSON there (countersign.run/v1)" },
	{ 0 },
};

static const struct cs_command commands[] = {
	{ .about = "Run an agent in a sandbox and capture its change",
	  .options = options,
	  .operands = "[--] <command> [<arg>...]",
	  .flags = CS_COMMAND_STOP },
	{ 0 },
};

static const struct cs_program program = { "git-agent-run", commands, .usage_status = EXIT_OURS };

int main(int argc, char **argv)
{
	AUTO_OPTIONS struct cs_options parsed = CS_OPTIONS_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf complaint = CS_BUF_INIT;
	struct run_opts opts = { .timeout_ms = -1 };
	struct cs_err err = CS_ERR_INIT;
	struct run run;

	int status = cs_options_begin(&parsed, &opts, &out, &complaint, &program, argc, argv);
	if (status < 0 && !parsed.operands.n && !opts.prompt && !opts.prompt_file) {
		cs_buf_adds(&complaint, "git-agent-run: no command to run; try: "
					"git agent-run -- codex exec \"fix the flaky test\"\n");
		status = EXIT_OURS;
	}
	if (status < 0 && opts.json && !opts.dry_run) {
		cs_buf_adds(&complaint,
			    "git-agent-run: --json goes with --dry-run; --summary <file> "
			    "writes the run as JSON\n");
		status = EXIT_OURS;
	}
	fwrite(out.data, 1, out.len, stdout);
	fwrite(complaint.data, 1, complaint.len, stderr);
	if (status >= 0)
		return fflush(stdout) ? EXIT_OURS : status;

	opts.command = parsed.operands.v;
	run_init(&run, &opts);
	if (run_stages(&run, &err) < 0)
		note("%s", err.msg);
	status = run.status;
	run_release(&run);
	cs_strv_release(&opts.allow_host);
	cs_strv_release(&opts.env);
	cs_strv_release(&opts.carry);
	return status;
}
