/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change as a unified diff, and as a table of its files. Both are made in the confined worker
 * (worker.c) and arrive as foreign text: this side only finds line ends, colours and escapes.
 */
#include "countersign/review.h"

#include <inttypes.h>
#include <string.h>

#define MAX_SIDE   (10u << 20) /* of one file's content, before or after */
#define STAT_FILES 20

struct diff {
	const struct cs_diff *what;
	struct cs_out *out;
	struct cs_buf rest; /* an unfinished line */
	bool coloured;	    /* a diff; a table is not */
};

/* ---- in the worker ---- */

static int write_out(int fd, struct cs_buf *text, struct cs_err *err)
{
	if (cs_write_all(fd, text->data, text->len) < 0)
		return cs_err_sys(err, "write");
	cs_buf_truncate(text, 0);
	return 0;
}

/* Calls each(arg, transition) for the change; stops at the first failure. */
static int each_transition(const struct diff *d, int fd,
			   int (*each)(struct cs_buf *out, const struct cs_transition *t,
				       const struct cs_repo *repo, struct cs_err *err),
			   size_t max, struct cs_err *err)
{
	const struct cs_diff *what = d->what;
	struct cs_change between = CS_CHANGE_INIT;
	const struct cs_change *change = what->change ? what->change : &between;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc = 0;

	if (!what->change)
		rc = cs_change_between(&between, what->repo, &what->before, &what->after, false,
				       err);
	for (size_t i = 0; rc == 0 && i < change->n && i < max; i++) {
		rc = each(&text, &change->list[i], what->repo, err);
		if (rc == 0)
			rc = write_out(fd, &text, err);
	}
	if (rc == 0 && change->n > max) {
		cs_buf_addf(&text, "    and %zu more files\n", change->n - max);
		rc = write_out(fd, &text, err);
	}
	cs_change_release(&between);
	return rc;
}

static int add_patch(struct cs_buf *out, const struct cs_transition *t, const struct cs_repo *repo,
		     struct cs_err *err)
{
	return cs_change_patch(out, t, repo, MAX_SIDE, err);
}

static int work_diff(void *arg, int fd, struct cs_err *err)
{
	return each_transition(arg, fd, add_patch, SIZE_MAX, err);
}

/* Lines that a patch adds and deletes: those behind its first hunk header. */
static void count_lines(const struct cs_buf *patch, size_t *added, size_t *deleted)
{
	const char *line = patch->data;
	const char *end = line + patch->len;
	bool in_hunk = false;

	*added = *deleted = 0;
	while (line < end) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));

		in_hunk = in_hunk || !strncmp(line, "@@", 2);
		*added += in_hunk && *line == '+';
		*deleted += in_hunk && *line == '-';
		line = lf ? lf + 1 : end;
	}
}

static char status_of(const struct cs_transition *t)
{
	if (!t->before.mode)
		return 'A';
	if (!t->after.mode)
		return 'D';
	return (t->before.mode & 0170000) == (t->after.mode & 0170000) ? 'M' : 'T';
}

static int add_stat(struct cs_buf *out, const struct cs_transition *t, const struct cs_repo *repo,
		    struct cs_err *err)
{
	AUTO_BUF struct cs_buf patch = CS_BUF_INIT;
	size_t added, deleted;
	int rc = cs_change_patch(&patch, t, repo, MAX_SIDE, err);

	if (rc < 0)
		return rc;
	count_lines(&patch, &added, &deleted);
	cs_buf_addf(out, "    %c  ", status_of(t));
	cs_escape_terminal(out, t->path, strlen(t->path), CS_ESCAPE_LINE);
	if (added || deleted)
		cs_buf_addf(out, "  +%zu -%zu", added, deleted);
	if (t->before.mode && t->after.mode && t->before.mode != t->after.mode)
		cs_buf_addf(out, "  mode %06o -> %06o", t->before.mode, t->after.mode);
	cs_buf_addc(out, '\n');
	return 0;
}

static int work_stat(void *arg, int fd, struct cs_err *err)
{
	return each_transition(arg, fd, add_stat, STAT_FILES, err);
}

/* ---- outside ---- */

static const struct {
	const char *start;
	enum cs_colour colour;
} line_colours[] = {
	{ "diff ", CS_BOLD }, { "--- ", CS_BOLD }, { "+++ ", CS_BOLD },
	{ "@@", CS_CYAN },    { "+", CS_GREEN },   { "-", CS_RED },
};

static enum cs_colour colour_of(const char *line)
{
	for (size_t i = 0; i < CS_COUNT(line_colours); i++) {
		if (!strncmp(line, line_colours[i].start, strlen(line_colours[i].start)))
			return line_colours[i].colour;
	}
	return CS_PLAIN;
}

static void write_line(struct diff *d, const char *line, size_t len)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	enum cs_colour colour = d->coloured ? colour_of(line) : CS_PLAIN;

	if (colour != CS_PLAIN)
		cs_out_colour(d->out, &text, colour);
	cs_escape_terminal(&text, line, len, CS_ESCAPE_TEXT);
	if (colour != CS_PLAIN)
		cs_out_colour(d->out, &text, CS_PLAIN);
	cs_buf_addc(&text, '\n');
	cs_out_write(d->out, &text);
}

static void take(void *arg, const char *data, size_t len)
{
	struct diff *d = arg;
	size_t used = 0;
	const char *lf;

	cs_buf_add(&d->rest, data, len);
	while ((lf = memchr(d->rest.data + used, '\n', d->rest.len - used))) {
		size_t line_len = (size_t)(lf - d->rest.data) - used;

		write_line(d, d->rest.data + used, line_len);
		used += line_len + 1;
	}
	cs_buf_consume(&d->rest, used);
}

static int run(struct cs_out *out, const struct cs_diff *what,
	       int (*work)(void *arg, int fd, struct cs_err *err), bool coloured,
	       struct cs_err *err)
{
	struct diff d = { .what = what, .out = out, .rest = CS_BUF_INIT, .coloured = coloured };
	const struct cs_worker worker = {
		.repo = what->repo, .out = out, .work = work, .sink = take, .arg = &d
	};
	int rc = cs_worker_run(&worker, err);

	if (d.rest.len)
		write_line(&d, d.rest.data, d.rest.len);
	cs_buf_release(&d.rest);
	return rc < 0 ? cs_err_wrap(err, "diff") : 0;
}

int cs_show_diff(struct cs_out *out, const struct cs_diff *what, struct cs_err *err)
{
	return run(out, what, work_diff, true, err);
}

int cs_show_stat(struct cs_out *out, const struct cs_diff *what, struct cs_err *err)
{
	return run(out, what, work_stat, false, err);
}
