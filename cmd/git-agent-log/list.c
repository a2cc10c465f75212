/* SPDX-License-Identifier: Apache-2.0 */
/* The list: one line a run, newest first, in columns. */
#include "log.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define MIN_ABBREV 8
#define NS_PER_S   INT64_C(1000000000)

enum { COL_ID, COL_STATE, COL_STARTED, COL_TOOK, COL_CHANGE, COL_AGENT, COL_TITLE, N_COLS };

struct row {
	struct cs_buf cell[N_COLS];
	enum cs_colour colour; /* of the state */
};

static const enum cs_colour state_colours[] = {
	[CS_RUN_FAILED] = CS_RED,	[CS_RUN_RUNNING] = CS_CYAN,
	[CS_RUN_PROPOSED] = CS_YELLOW,	[CS_RUN_EMPTY] = CS_DIM,
	[CS_RUN_SIGNED_OFF] = CS_GREEN, [CS_RUN_CHANGES_REQUESTED] = CS_RED,
	[CS_RUN_MERGED] = CS_DIM,	[CS_RUN_INTERRUPTED] = CS_RED,
};

static void row_init(struct row *row)
{
	for (size_t i = 0; i < N_COLS; i++)
		row->cell[i] = (struct cs_buf)CS_BUF_INIT;
	row->colour = CS_PLAIN;
}

static void rows_free(struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < N_COLS; c++)
			cs_buf_release(&rows[i].cell[c]);
	}
	free(rows);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Digits that tell every run from every other one. */
static int abbreviation(const struct cs_strv *ids)
{
	AUTO_FREE char **sorted = cs_calloc(ids->n + 1, sizeof(*sorted));
	int len = MIN_ABBREV;

	memcpy(sorted, ids->v, ids->n * sizeof(*sorted));
	qsort(sorted, ids->n, sizeof(*sorted), by_text);
	for (size_t i = 1; i < ids->n; i++) {
		while (len < CS_RUN_ID_HEX - 1 && !strncmp(sorted[i - 1], sorted[i], (size_t)len))
			len++;
	}
	return len;
}

static void add_local_time(struct cs_buf *out, int64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	char text[32];
	struct tm tm;

	if (!wall_ns || !localtime_r(&s, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		return;
	cs_buf_adds(out, text);
}

static void add_change(struct cs_buf *out, const struct cs_run_info *info)
{
	if (info->change_commit.len)
		cs_buf_addf(out, "+%" PRId64 " -%" PRId64, info->counts.lines_added,
			    info->counts.lines_deleted);
	if (info->findings.n)
		cs_buf_addf(out, "%s!%zu", out->len ? " " : "",
			    info->findings.n + (size_t)info->findings.dropped);
}

static void fill(struct row *row, const struct cs_run_info *info)
{
	cs_buf_adds(&row->cell[COL_STATE], cs_run_state_name(info->state));
	row->colour = state_colours[info->state];
	add_local_time(&row->cell[COL_STARTED], info->started_ns);
	if (info->ended_ns)
		add_duration(&row->cell[COL_TOOK], info->duration_ms);
	add_change(&row->cell[COL_CHANGE], info);
	add_foreign(&row->cell[COL_AGENT], info->profile ? info->profile : "-");
	add_foreign(&row->cell[COL_TITLE], info->title ? info->title : "");
}

/* A run that cannot be read is listed all the same: it is there. */
static void fill_row(struct row *row, struct log *log, const char *id, int abbrev)
{
	struct cs_err why = CS_ERR_INIT;
	struct cs_run_info info;

	cs_buf_add(&row->cell[COL_ID], id, (size_t)abbrev);
	cs_run_info_init(&info);
	if (cs_run_load(&info, log->repo, log->state_dir, id, &why) == 0) {
		fill(row, &info);
	} else {
		cs_buf_adds(&row->cell[COL_STATE], "unreadable");
		row->colour = CS_RED;
		add_foreign(&row->cell[COL_TITLE], why.msg);
	}
	cs_run_info_release(&info);
}

static void write_row(struct log *log, const struct row *row, const size_t widths[N_COLS])
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;

	for (size_t c = 0; c < N_COLS; c++) {
		const struct cs_buf *cell = &row->cell[c];

		if (c == COL_ID)
			cs_out_colour(&log->out, &line, CS_YELLOW);
		else if (c == COL_STATE && row->colour != CS_PLAIN)
			cs_out_colour(&log->out, &line, row->colour);
		cs_buf_add(&line, cell->data, cell->len);
		if (c == COL_ID || c == COL_STATE)
			cs_out_colour(&log->out, &line, CS_PLAIN);
		if (c < N_COLS - 1)
			cs_buf_addf(&line, "%*s", (int)(widths[c] - columns_of(cell)) + 2, "");
	}
	while (line.len && line.data[line.len - 1] == ' ')
		cs_buf_truncate(&line, line.len - 1);
	cs_buf_addc(&line, '\n');
	cs_out_write(&log->out, &line);
}

static void write_table(struct log *log, const struct cs_strv *ids, size_t n)
{
	struct row *rows = cs_calloc(n + 1, sizeof(*rows));
	size_t widths[N_COLS] = { 0 };
	int abbrev = abbreviation(ids);

	for (size_t i = 0; i < n; i++) {
		row_init(&rows[i]);
		fill_row(&rows[i], log, ids->v[i], abbrev);
		for (size_t c = 0; c < N_COLS; c++) {
			size_t w = columns_of(&rows[i].cell[c]);

			widths[c] = w > widths[c] ? w : widths[c];
		}
	}
	for (size_t i = 0; i < n; i++)
		write_row(log, &rows[i], widths);
	rows_free(rows, n);
}

static cJSON *run_to_json(struct log *log, const char *id)
{
	struct cs_err why = CS_ERR_INIT;
	struct cs_run_info info;
	cJSON *json;

	cs_run_info_init(&info);
	if (cs_run_load(&info, log->repo, log->state_dir, id, &why) == 0) {
		json = cs_run_info_to_json(&info);
	} else {
		json = cJSON_CreateObject();
		cs_json_add_str(json, "schema", CS_RUN_SCHEMA);
		cs_json_add_str(json, "id", id);
		cs_json_add_str(json, "error", why.msg);
	}
	cs_run_info_release(&info);
	return json;
}

/* One at a time: the array may be long. */
static void write_json(struct log *log, const struct cs_strv *ids, size_t n)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	cs_buf_addc(&text, '[');
	for (size_t i = 0; i < n; i++) {
		AUTO_JSON cJSON *json = run_to_json(log, ids->v[i]);

		cs_buf_adds(&text, i ? ",\n" : "\n");
		cs_json_print(&text, json, true);
		cs_out_write(&log->out, &text);
		cs_buf_truncate(&text, 0);
	}
	cs_buf_adds(&text, n ? "\n]\n" : "]\n");
	cs_out_write(&log->out, &text);
}

int log_list(struct log *log, struct cs_err *err)
{
	AUTO_STRV struct cs_strv ids = CS_STRV_INIT;
	size_t n;
	int rc = cs_run_list(&ids, log->repo, log->state_dir, err);

	if (rc < 0)
		return rc;
	n = ids.n;
	if (log->opts->n >= 0 && (uint64_t)log->opts->n < n)
		n = (size_t)log->opts->n;
	if (log->opts->json)
		write_json(log, &ids, n);
	else if (!ids.n)
		fputs("git-agent-log: no runs yet: git agent-run starts one\n", stderr);
	else
		write_table(log, &ids, n);
	return 0;
}
