/* SPDX-License-Identifier: Apache-2.0 */
/* --show commands: the tree, line by line. Each line's text is read from the log again. */
#include "view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 6 /* of the programs in a fold, at a terminal */

struct view {
	struct log *log;
	const struct cs_run_info *info;
	struct tree tree;
	int fd;
	uint32_t *counts; /* by name: of the fold in hand */
	uint64_t folded;
};

static void take(void *arg, const cJSON *event, struct cs_log_place at)
{
	struct view *v = arg;

	tree_take(&v->tree, event, at, v->info->started_ns);
}

/* ---- one command ---- */

static void add_outcome(struct cs_buf *out, const struct view *v, const struct node *node)
{
	const char *name;

	if (node->flags & COMMAND_DENIED) {
		cs_buf_adds(out, "denied");
	} else if (node->flags & COMMAND_REPLACED) {
		cs_buf_adds(out, "->");
	} else if (!(node->flags & COMMAND_ENDED)) {
		cs_buf_adds(out, v->info->state == CS_RUN_RUNNING ? "running" : "?");
	} else if (node->flags & COMMAND_SIGNAL) {
		name = sigabbrev_np(node->code);
		if (name)
			cs_buf_addf(out, "SIG%s", name);
		else
			cs_buf_addf(out, "signal %d", node->code);
	} else if (node->flags & COMMAND_NO_STATUS) {
		cs_buf_adds(out, "exit ?");
	} else {
		cs_buf_addf(out, "exit %d", node->code);
	}
}

static enum cs_colour outcome_colour(const struct node *node)
{
	if (node->flags & COMMAND_DENIED || tree_failed(node))
		return CS_RED;
	if (!(node->flags & (COMMAND_REPLACED | COMMAND_ENDED)))
		return CS_CYAN;
	return CS_DIM;
}

static void begin(struct line *line, const struct view *v, const struct node *node, uint32_t depth)
{
	AUTO_BUF struct cs_buf outcome = CS_BUF_INIT;
	AUTO_BUF struct cs_buf took = CS_BUF_INIT;
	AUTO_BUF struct cs_buf column = CS_BUF_INIT;
	const struct cs_out *to = &v->log->out;

	line_init(line);
	line->indent = depth;
	line_time(line, to, node->at_ns);
	add_outcome(&outcome, v, node);
	cs_buf_addf(&column, "%-9s", outcome.data);
	line_lead(line, to, outcome_colour(node), column.data);
	if (node->flags & COMMAND_ENDED && !(node->flags & COMMAND_DENIED))
		add_duration(&took, node->duration_ms);
	cs_buf_truncate(&column, 0);
	cs_buf_addf(&column, " %7s  ", took.data);
	line_lead(line, to, CS_PLAIN, column.data);
}

/* What the log says of it; it may be gone by now, or the log damaged. */
static void add_exec(struct line *line, const struct view *v, const struct node *node)
{
	AUTO_JSON cJSON *exec = read_event(v->fd, (struct cs_log_place){ node->offset, node->len });

	if (exec) {
		size_t room = v->log->opts->all ? 0 : line_room(line, &v->log->out);

		add_command(&line->text, exec, room);
		line_marks(line, exec,
			   node->flags & COMMAND_MERGED ? v->tree.names[node->interpreter].text
							: NULL);
	} else {
		add_foreign(&line->text, v->tree.names[node->name].text);
	}
	if (node->flags & COMMAND_DENIED)
		line->colour = CS_RED;
	if (node->flags & COMMAND_NETWORK)
		cs_buf_adds(line_tail(line, CS_CYAN), "[network]");
}

static void finish(struct line *line, struct view *v)
{
	struct cs_out *out = &v->log->out;
	size_t columns = out->columns;

	if (v->log->opts->all)
		out->columns = 0;
	line_write(line, out);
	out->columns = columns;
	line_release(line);
}

/* ---- folds ---- */

struct fold {
	uint32_t commands, failed, denied, unverified;
	uint32_t names[NAMES_SHOWN * 64]; /* that occur, the most frequent first */
	size_t n_names;
	bool more_names;
};

static void fold_add(struct fold *f, struct view *v, uint32_t n)
{
	const struct node *node = &v->tree.nodes[n];

	f->commands += node->flags & COMMAND_MERGED ? 2 : 1;
	f->failed += tree_failed(node);
	f->denied += !!(node->flags & COMMAND_DENIED);
	f->unverified += !!(node->flags & COMMAND_UNVERIFIED);
	if (v->counts[node->name]++)
		return;
	if (f->n_names < CS_COUNT(f->names))
		f->names[f->n_names++] = node->name;
	else
		f->more_names = true;
}

static int by_count(const void *a, const void *b, void *arg)
{
	const struct view *v = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (v->counts[x] != v->counts[y])
		return v->counts[x] < v->counts[y] ? 1 : -1;
	return strcmp(v->tree.names[x].text, v->tree.names[y].text);
}

/* "… 512 commands: cc 240, as 240, ld 2, 4 other programs; 3 failed" */
static void fold_describe(struct cs_buf *out, struct fold *f, struct view *v)
{
	const struct {
		uint32_t n;
		const char *what;
	} bad[] = { { f->failed, "failed" },
		    { f->denied, "denied" },
		    { f->unverified, "unverified" } };
	size_t shown = v->log->out.columns ? NAMES_SHOWN : SIZE_MAX;
	const char *lead = "; ";

	qsort_r(f->names, f->n_names, sizeof(*f->names), by_count, v);
	cs_buf_addf(out, "… %" PRIu32 " commands: ", f->commands);
	if (shown >= f->n_names)
		shown = f->n_names;
	for (size_t i = 0; i < shown; i++) {
		cs_buf_adds(out, i ? ", " : "");
		add_foreign(out, v->tree.names[f->names[i]].text);
		cs_buf_addf(out, " %" PRIu32, v->counts[f->names[i]]);
	}
	if (shown < f->n_names || f->more_names)
		cs_buf_addf(out, ", %zu%s other programs", f->n_names - shown,
			    f->more_names ? " and more" : "");
	for (size_t i = 0; i < CS_COUNT(bad); i++) {
		if (bad[i].n) {
			cs_buf_addf(out, "%s%" PRIu32 " %s", lead, bad[i].n, bad[i].what);
			lead = ", ";
		}
	}
	v->folded += f->commands;
}

static void write_node(struct view *v, uint32_t n, uint32_t depth)
{
	const struct node *node = &v->tree.nodes[n];
	struct line line;

	begin(&line, v, node, depth);
	add_exec(&line, v, node);
	finish(&line, v);
}

static void write_outstanding(struct view *v, uint32_t n, uint32_t depth)
{
	if (!tree_stands_out(&v->tree.nodes[n]))
		return;
	write_node(v, n, depth);
	v->folded -= v->tree.nodes[n].flags & COMMAND_MERGED ? 2 : 1;
}

/* A build tool, with everything below it. */
static void write_fold(struct view *v, uint32_t top, uint32_t depth)
{
	const struct node *node = &v->tree.nodes[top];
	struct fold f = { 0 };
	struct line line;

	memset(v->counts, 0, v->tree.n_names * sizeof(*v->counts));
	for (uint32_t n = node->first; n; n = tree_next(&v->tree, n, top))
		fold_add(&f, v, n);
	begin(&line, v, node, depth);
	add_exec(&line, v, node);
	fold_describe(line_tail(&line, CS_DIM), &f, v);
	finish(&line, v);
	for (uint32_t n = node->first; n; n = tree_next(&v->tree, n, top))
		write_outstanding(v, n, depth + 1);
}

/* Calls each() for the siblings from first to last and what is below them. */
static void each_of_stretch(struct view *v, uint32_t first, uint32_t last,
			    void (*each)(void *arg, struct view *v, uint32_t n), void *arg)
{
	uint32_t after = v->tree.nodes[last].next;

	for (uint32_t top = first; top != after; top = v->tree.nodes[top].next) {
		for (uint32_t n = top; n; n = tree_next(&v->tree, n, top))
			each(arg, v, n);
	}
}

static void stretch_add(void *arg, struct view *v, uint32_t n)
{
	fold_add(arg, v, n);
}

static void stretch_write(void *arg, struct view *v, uint32_t n)
{
	write_outstanding(v, n, *(const uint32_t *)arg + 1);
}

/* Siblings that repeat a few programs. */
static void write_stretch(struct view *v, uint32_t first, uint32_t last, uint32_t depth)
{
	struct fold f = { 0 };
	struct line line;

	memset(v->counts, 0, v->tree.n_names * sizeof(*v->counts));
	each_of_stretch(v, first, last, stretch_add, &f);
	line_init(&line);
	line.indent = depth;
	line_time(&line, &v->log->out, v->tree.nodes[first].at_ns);
	line_lead(&line, &v->log->out, CS_PLAIN, "                   ");
	fold_describe(&line.text, &f, v);
	line.colour = CS_DIM;
	finish(&line, v);
	each_of_stretch(v, first, last, stretch_write, &depth);
}

/* ---- the tree ---- */

/* Writes what begins with n; *last is the sibling behind which it goes on. True: with n's own. */
static bool write_from(struct view *v, uint32_t *last, uint32_t n, uint32_t depth)
{
	uint32_t end = v->log->opts->all ? 0 : tree_stretch(&v->tree, n);

	*last = n;
	if (end) {
		write_stretch(v, n, end, depth);
		*last = end;
		return false;
	}
	if (!v->log->opts->all && tree_folds(&v->tree, n)) {
		write_fold(v, n, depth);
		return false;
	}
	write_node(v, n, depth);
	return true;
}

static void write_tree(struct view *v)
{
	const struct node *nodes = v->tree.nodes;
	uint32_t n = nodes[0].first, depth = 0, last;

	while (n) {
		if (write_from(v, &last, n, depth) && nodes[n].first) {
			n = nodes[n].first;
			depth++;
			continue;
		}
		for (n = last; n && !nodes[n].next; depth--)
			n = nodes[n].parent;
		n = n ? nodes[n].next : 0;
	}
}

static void write_footer(struct view *v)
{
	const struct tree *t = &v->tree;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	const struct {
		uint64_t n;
		const char *what;
	} counts[] = {
		{ t->failed, "failed" },
		{ t->denied, "denied" },
		{ t->unverified, "unverified" },
	};

	cs_out_colour(&v->log->out, &text, CS_DIM);
	cs_buf_addf(&text, "\n%" PRIu64 " commands", t->n - 1 + t->merged + t->dropped);
	for (size_t i = 0; i < CS_COUNT(counts); i++) {
		if (counts[i].n)
			cs_buf_addf(&text, ", %" PRIu64 " %s", counts[i].n, counts[i].what);
	}
	if (t->failed_execs)
		cs_buf_addf(&text, "; %" PRIu64 " failed execs, most of them look-ups in PATH",
			    t->failed_execs);
	if (t->dropped)
		cs_buf_addf(&text, "; the last %" PRIu64 " are in --show events only", t->dropped);
	if (v->folded)
		cs_buf_addf(&text, "; %" PRIu64 " folded: --all shows them", v->folded);
	cs_out_colour(&v->log->out, &text, CS_PLAIN);
	cs_buf_addc(&text, '\n');
	cs_out_write(&v->log->out, &text);
}

int show_commands(struct log *log, const struct cs_run_info *info, struct cs_err *err)
{
	struct view v = { .log = log, .info = info, .fd = -1 };
	int rc;

	tree_init(&v.tree, !log->opts->all);
	rc = read_log(&v.fd, log, info, take, &v, err);
	if (rc == 0) {
		tree_finish(&v.tree);
		v.counts = cs_calloc(v.tree.n_names + 1, sizeof(*v.counts));
		write_tree(&v);
		write_footer(&v);
	}
	free(v.counts);
	cs_close(&v.fd);
	tree_release(&v.tree);
	return rc;
}
