/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the views, fitted to the terminal where there is one. */
#include "view.h"

#include <assert.h>
#include <string.h>

#define MIN_TEXT   24 /* columns of a text that is shortened to make room */
#define MAX_INDENT 24 /* levels that are drawn as such */
#define STEP	   2

void line_init(struct line *line)
{
	*line = (struct line){ .lead = CS_BUF_INIT, .text = CS_BUF_INIT };
}

void line_release(struct line *line)
{
	cs_buf_release(&line->lead);
	cs_buf_release(&line->text);
	for (size_t i = 0; i < line->n_tails; i++)
		cs_buf_release(&line->tails[i].text);
	line_init(line);
}

void line_lead(struct line *line, const struct cs_out *out, enum cs_colour colour, const char *text)
{
	struct cs_buf plain = { .data = (char *)text, .len = strlen(text) };

	if (colour != CS_PLAIN)
		cs_out_colour(out, &line->lead, colour);
	cs_buf_adds(&line->lead, text);
	if (colour != CS_PLAIN)
		cs_out_colour(out, &line->lead, CS_PLAIN);
	line->lead_columns += columns_of(&plain);
}

void line_time(struct line *line, const struct cs_out *out, int64_t at_ns)
{
	AUTO_BUF struct cs_buf time = CS_BUF_INIT;

	cs_buf_addf(&time, "%10.3fs  ", (double)at_ns / 1e9);
	line_lead(line, out, CS_DIM, time.data);
}

struct cs_buf *line_tail(struct line *line, enum cs_colour colour)
{
	struct tail *tail = &line->tails[line->n_tails++];

	assert(line->n_tails <= MAX_TAILS);
	*tail = (struct tail){ .text = CS_BUF_INIT, .colour = colour };
	return &tail->text;
}

static size_t indent_columns(const struct line *line)
{
	return STEP * (line->indent < MAX_INDENT ? line->indent : MAX_INDENT + 2);
}

/* Levels that are too deep to be drawn are said: "+976 ". */
static void add_indent(struct cs_buf *out, const struct line *line)
{
	if (line->indent < MAX_INDENT)
		cs_buf_addf(out, "%*s", (int)(STEP * line->indent), "");
	else
		cs_buf_addf(out, "%*s+%zu ", STEP * MAX_INDENT, "", line->indent - MAX_INDENT);
}

size_t line_room(const struct line *line, const struct cs_out *out)
{
	size_t used = line->lead_columns + indent_columns(line);

	if (!out->columns)
		return 0;
	return out->columns > used + MIN_TEXT ? out->columns - used : MIN_TEXT;
}

static void add_tails(struct cs_buf *out, const struct line *line, const struct cs_out *to)
{
	for (size_t i = 0; i < line->n_tails; i++) {
		cs_buf_adds(out, "  ");
		if (line->tails[i].colour != CS_PLAIN)
			cs_out_colour(to, out, line->tails[i].colour);
		cs_buf_add(out, line->tails[i].text.data, line->tails[i].text.len);
		if (line->tails[i].colour != CS_PLAIN)
			cs_out_colour(to, out, CS_PLAIN);
	}
}

void line_write(struct line *line, struct cs_out *out)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	size_t room = line_room(line, out);
	size_t tails = 0, own = columns_of(&line->text);
	bool apart;

	for (size_t i = 0; i < line->n_tails; i++)
		tails += 2 + columns_of(&line->tails[i].text);
	apart = room && tails && tails + (own < MIN_TEXT ? own : MIN_TEXT) > room;
	if (room)
		cut_to(&line->text, apart ? room : room - tails);
	cs_buf_add(&text, line->lead.data, line->lead.len);
	add_indent(&text, line);
	if (line->colour != CS_PLAIN)
		cs_out_colour(out, &text, line->colour);
	cs_buf_add(&text, line->text.data, line->text.len);
	if (line->colour != CS_PLAIN)
		cs_out_colour(out, &text, CS_PLAIN);
	if (apart) {
		cs_buf_addf(&text, "\n%*s", (int)line->lead_columns, "");
		add_indent(&text, line);
	}
	add_tails(&text, line, out);
	cs_buf_addc(&text, '\n');
	cs_out_write(out, &text);
}
