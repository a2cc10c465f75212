/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message of a change commit: a title, the agent's own commit messages, our trailers.
 *
 * The agent's text is data. It must not end in what git (or a forge) reads as trailers, nor hide
 * ours: git looks at the last paragraph only, takes indented lines for continuations, and lets
 * "---" at the start of a line end the message. So every line of the agent is indented, a bare
 * carriage return counts as a line end, and the last paragraph is ours alone.
 */
#include "record_dir.h"

#include <string.h>

#define MAX_TITLE    200
#define MAX_MESSAGES (64 << 10)
#define FALLBACK     "an agent"

/* Blanks and control characters, but for the line's end. */
static bool is_blank(char c)
{
	return ((unsigned char)c <= ' ' && !strchr("\r\n", c)) || c == 0x7f;
}

/* Behind leading blanks, and behind dashes that git would take for the end of a message. */
static const char *title_start(const char *title)
{
	for (;;) {
		while (is_blank(*title))
			title++;
		if (strncmp(title, "---", 3) != 0)
			return title;
		title += strspn(title, "-");
	}
}

void cs_title_clean(struct cs_buf *out, const char *title)
{
	size_t start = out->len;
	bool blank = false;

	title = title_start(title);
	for (; *title && *title != '\n' && *title != '\r' && out->len - start < MAX_TITLE;
	     title++) {
		if (!is_blank(*title))
			cs_buf_addc(out, *title);
		else if (!blank)
			cs_buf_addc(out, ' ');
		blank = is_blank(*title);
	}
	/* Half a character at the cut goes too. */
	for (size_t i = 0; i < 3 && out->len - start >= MAX_TITLE - i &&
			   !cs_utf8_valid(out->data + start, out->len - start);
	     i++)
		cs_buf_truncate(out, out->len - 1);
	while (out->len > start && out->data[out->len - 1] == ' ')
		cs_buf_truncate(out, out->len - 1);
}

/* One message, its first line marked, the others indented below it. */
static void add_message(struct cs_buf *out, const char *text)
{
	const char *lead = "  * ";

	text += strspn(text, " \t\r\n");
	while (*text) {
		size_t len = strcspn(text, "\r\n");

		if (len) {
			cs_buf_adds(out, lead);
			/* Plain git shows it raw: no control may be left in it. */
			cs_escape_terminal(out, text, len, CS_ESCAPE_LINE);
			lead = "    ";
		}
		cs_buf_addc(out, '\n');
		text += len;
		if (text[0] == '\r' && text[1] == '\n')
			text++;
		if (*text)
			text++;
	}
	while (out->len > 1 && !strcmp(out->data + out->len - 2, "\n\n"))
		cs_buf_truncate(out, out->len - 1);
}

static void add_agent_commits(struct cs_buf *out, const struct cs_agent_commit *commits, size_t n)
{
	size_t start = out->len;

	if (!n)
		return;
	cs_buf_adds(out, "The agent's own commits, oldest first:\n\n");
	for (size_t i = 0; i < n; i++) {
		if (out->len - start + strlen(commits[i].message) > MAX_MESSAGES) {
			cs_buf_addf(out, "  (%zu more)\n", n - i);
			break;
		}
		add_message(out, commits[i].message);
	}
	cs_buf_addc(out, '\n');
}

/* What the Assisted-by trailer calls the agent: its profile, else its program. */
static void add_agent_name(struct cs_buf *out, const struct cs_run_info *info)
{
	const char *name = info->profile;

	if ((!name || !strcmp(name, "generic")) && info->argv.n) {
		const char *slash = strrchr(info->argv.v[0], '/');

		name = slash ? slash + 1 : info->argv.v[0];
	}
	cs_title_clean(out, name && *name ? name : FALLBACK);
}

void cs_change_message(struct cs_buf *out, const struct cs_run_info *info,
		       const struct cs_agent_commit *commits, size_t n)
{
	cs_title_clean(out, info->title ? info->title : "");
	if (!out->len) {
		cs_buf_adds(out, "Change by ");
		cs_title_clean(out, info->author_name ? info->author_name : FALLBACK);
	}
	cs_buf_adds(out, "\n\n");
	add_agent_commits(out, commits, n);
	cs_buf_addf(out, "Agent-Run: %s\nAssisted-by: ", info->id);
	add_agent_name(out, info);
	cs_buf_addc(out, '\n');
}
