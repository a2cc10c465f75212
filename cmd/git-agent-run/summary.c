/* SPDX-License-Identifier: Apache-2.0 */
/* What git-agent-run says to the person who started it: always on standard error. */
#include "run.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void note(const char *fmt, ...)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	cs_buf_adds(&line, "git-agent-run: ");
	cs_escape_terminal(&line, text, strlen(text), CS_ESCAPE_TEXT);
	cs_buf_addc(&line, '\n');
	fwrite(line.data, 1, line.len, stderr);
}

static void progress(const char *what, uint64_t done, uint64_t total)
{
	if (!isatty(2) || !total)
		return;
	fprintf(stderr, "\r%s: %3d%% (%" PRIu64 "/%" PRIu64 ")", what, (int)(done * 100 / total),
		done, total);
	fflush(stderr);
}

void progress_pristine(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	progress("First checkout of this base", done, total);
}

void progress_capture(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	progress("Capturing the change", done, total);
}

/* Clears a progress line, where there can be one. */
void progress_end(void)
{
	if (isatty(2))
		fputs("\r\033[K", stderr);
}

static void add_counts(struct cs_buf *out, const struct cs_run_info *info)
{
	const struct {
		int64_t n, bad;
		const char *what, *bad_what;
	} table[] = {
		{ info->counts.commands, info->counts.commands_failed, "commands", "failed" },
		{ info->counts.connections, info->counts.connections_denied, "connections",
		  "refused" },
		{ (int64_t)info->findings.n, 0, "findings", "" },
	};
	for (size_t i = 0; i < CS_COUNT(table); i++) {
		cs_buf_addf(out, "%s%" PRId64 " %s", i ? ", " : "  ", table[i].n, table[i].what);
		if (table[i].bad)
			cs_buf_addf(out, " (%" PRId64 " %s)", table[i].bad, table[i].bad_what);
	}
	cs_buf_addc(out, '\n');
}

void summary_print(const struct run *run)
{
	const struct cs_run_info *info = &run->info;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	cs_buf_addf(&out, "git-agent-run: run %.8s %s", info->id, cs_run_state_name(info->state));
	if (info->state == CS_RUN_EMPTY)
		cs_buf_adds(&out, ": no change");
	else
		cs_buf_addf(&out, ": %" PRId64 " files changed, +%" PRId64 " -%" PRId64,
			    info->counts.files_changed, info->counts.lines_added,
			    info->counts.lines_deleted);
	cs_buf_addf(&out, " in %.1f s\n", (double)info->duration_ms / 1000);
	if (run->degraded)
		cs_buf_adds(&out, "  degraded: no namespaces, no network; see git agent-run --help\n");
	if (limits_hit(run))
		cs_buf_addf(&out, "  ended by a limit: %s\n", limits_hit(run));
	add_counts(&out, info);
	cs_buf_addf(&out, "  git agent-log %.8s%s\n", info->id,
		    info->state == CS_RUN_EMPTY ? "" : " --show diff");
	fwrite(out.data, 1, out.len, stderr);
}

int summary_write(const struct run *run, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if (!run->opts->summary)
		return 0;
	AUTO_JSON cJSON *json = cs_run_info_to_json(&run->info);
	cs_json_print(&text, json, true);
	cs_buf_addc(&text, '\n');
	AUTO_FD int fd = open(run->opts->summary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || cs_write_all(fd, text.data, text.len) < 0)
		return cs_err_sys(err, "--summary %s", run->opts->summary);
	return 0;
}
