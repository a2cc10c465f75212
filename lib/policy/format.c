/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective policy as a document: sections and keys in one order (that of the slots), so that
 * equal policies give equal bytes (the digest is taken of them). Long lists are spread over several
 * lines of the same key.
 */
#include "model.h"

#define WIDTH 72 /* of the value of one line */

static void add_escaped(struct cs_buf *out, char c)
{
	if (c == '"' || c == '\\')
		cs_buf_addc(out, '\\');
	if (c == '\t')
		cs_buf_adds(out, "\\t");
	else
		cs_buf_addc(out, c);
}

/* A value so that the reader gives the same bytes back. */
static void add_value(struct cs_buf *out, const char *value)
{
	size_t len = strlen(value);
	bool quote =
		len && (strpbrk(value, "\"\\#;\t") || value[0] == ' ' || value[len - 1] == ' ');

	if (quote)
		cs_buf_addc(out, '"');
	for (; *value; value++)
		add_escaped(out, *value);
	if (quote)
		cs_buf_addc(out, '"');
}

static void add_line(struct cs_buf *out, const struct cs_policy_key *key, const char *value,
		     const struct cs_policy_statement *from, bool with_origin)
{
	cs_buf_addf(out, "\t%s =", key->name);
	if (*value)
		cs_buf_addc(out, ' ');
	add_value(out, value);
	if (with_origin) {
		AUTO_FREE char *origin = cs_escape_line(from ? from->origin : "built-in");

		cs_buf_addf(out, "\t# %s", origin);
	}
	cs_buf_addc(out, '\n');
}

static void format_list(struct cs_buf *out, const struct cs_policy_slot *slot, bool with_origin)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	const struct cs_strv *list = &slot->value.list;

	for (size_t i = 0; i < list->n; i++) {
		bool other = with_origin && i && slot->words[i].from != slot->words[i - 1].from;

		if (line.len && (other || line.len + strlen(list->v[i]) > WIDTH)) {
			add_line(out, slot->key, line.data, slot->words[i - 1].from, with_origin);
			cs_buf_truncate(&line, 0);
		}
		cs_buf_addf(&line, "%s%s", line.len ? " " : "", list->v[i]);
	}
	if (list->n)
		add_line(out, slot->key, line.data, slot->words[list->n - 1].from, with_origin);
	else
		add_line(out, slot->key, "", slot->from, with_origin);
}

static void format_slot(struct cs_buf *out, const struct cs_policy_slot *slot, bool with_origin)
{
	AUTO_BUF struct cs_buf value = CS_BUF_INIT;

	if (slot->key->kind == CS_KIND_LIST) {
		format_list(out, slot, with_origin);
		return;
	}
	cs_policy_value_format(&value, slot->key, &slot->value);
	if (value.len) /* a command without a reason has none */
		add_line(out, slot->key, value.data, slot->from, with_origin);
}

static void format_header(struct cs_buf *out, const struct cs_policy_slot *slot)
{
	cs_buf_addf(out, "[%s", slot->key->section);
	if (slot->subsection) {
		cs_buf_adds(out, " \"");
		for (const char *p = slot->subsection; *p; p++)
			add_escaped(out, *p);
		cs_buf_addc(out, '"');
	}
	cs_buf_adds(out, "]\n");
}

static bool same_section(const struct cs_policy_slot *a, const struct cs_policy_slot *b)
{
	if (strcmp(a->key->section, b->key->section) != 0)
		return false;
	return !a->subsection || !strcmp(a->subsection, b->subsection);
}

static void format_ignored(struct cs_buf *out, const struct cs_policy_ignored *ignored)
{
	const struct cs_policy_statement *st = ignored->statement;
	const struct cs_policy_statement *by = ignored->held_by;
	AUTO_FREE char *origin = cs_escape_line(st->origin);
	AUTO_FREE char *sub = cs_escape_line(st->subsection ? st->subsection : "");
	AUTO_FREE char *holder = cs_escape_line(by ? by->origin : "");

	cs_buf_addf(out, "# not in force: %s: %s%s%s.%s: ", origin, st->key->section,
		    *sub ? "." : "", sub, st->key->name);
	if (by)
		cs_buf_addf(out, "held by %s\n", holder);
	else
		cs_buf_adds(out, "a repository may only tighten\n");
}

void cs_policy_format(struct cs_buf *out, const struct cs_policy *policy, bool with_origin)
{
	if (!policy || !policy->sealed)
		return;
	for (size_t i = 0; i < policy->n_slots; i++) {
		if (!i || !same_section(&policy->slots[i - 1], &policy->slots[i]))
			format_header(out, &policy->slots[i]);
		format_slot(out, &policy->slots[i], with_origin);
	}
	for (size_t i = 0; with_origin && i < policy->n_ignored; i++)
		format_ignored(out, &policy->ignored[i]);
}
