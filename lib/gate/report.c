/* SPDX-License-Identifier: Apache-2.0 */
/* What is said: to people, a few lines; to programs, all of it. */
#include "internal.h"

#include <string.h>

static const char *const verdicts[] = {
	[CS_GATE_DENY] = "denied",
	[CS_GATE_WARN] = "passes, with warnings",
	[CS_GATE_PASS] = "passes",
};
static const char *const verdict_words[] = {
	[CS_GATE_DENY] = "deny",
	[CS_GATE_WARN] = "warn",
	[CS_GATE_PASS] = "pass",
};

static const char *word_of(const char *const words[], enum cs_gate_verdict v)
{
	return words[v == CS_GATE_WARN || v == CS_GATE_PASS ? v : CS_GATE_DENY];
}

void cs_gate_report_release(struct cs_gate_report *r)
{
	for (size_t i = 0; i < r->n_reasons; i++) {
		free(r->reasons[i].path);
		free(r->reasons[i].detail);
		free(r->reasons[i].origin);
		free(r->reasons[i].help);
	}
	for (size_t i = 0; i < r->n_commits; i++)
		cs_strv_release(&r->commits[i].principals);
	free(r->reasons);
	free(r->commits);
	free(r->ref);
	free(r->section);
	*r = (struct cs_gate_report)CS_GATE_REPORT_INIT;
}

/* ---- for people ---- */

struct lines {
	struct cs_buf *out;
	size_t n, max, left_out;
};

/* Takes text. */
static void add_line(struct lines *l, char *text)
{
	/* The last line is kept for "and N more". */
	if (l->max && l->n + 1 >= l->max) {
		l->left_out++;
	} else {
		cs_buf_adds(l->out, text);
		cs_buf_addc(l->out, '\n');
		l->n++;
	}
	free(text);
}

static char *format_reason(const struct cs_gate_reason *reason)
{
	AUTO_FREE char *path = reason->path ? cs_escape_line(reason->path) : NULL;
	char hex[CS_OID_HEX];

	return cs_asprintf("  %s%.12s%s%s%s%s (%s%s%s)",
			   reason->weight == CS_GATE_WARN ? "warning: " : "",
			   cs_oid_hex(hex, &reason->commit), reason->commit.len ? " " : "",
			   path ? path : "", path ? ": " : "", reason->detail, reason->rule,
			   reason->origin ? ", " : "", reason->origin ? reason->origin : "");
}

static bool says_help(const struct cs_gate_report *r, size_t i)
{
	if (!r->reasons[i].help)
		return false;
	for (size_t k = i + 1; k < r->n_reasons; k++)
		if (r->reasons[k].help && r->reasons[k].weight == r->reasons[i].weight &&
		    !strcmp(r->reasons[k].help, r->reasons[i].help))
			return false;
	return true;
}

static void add_reasons(struct lines *l, const struct cs_gate_report *r,
			enum cs_gate_verdict weight)
{
	for (size_t i = 0; i < r->n_reasons; i++)
		if (r->reasons[i].weight == weight)
			add_line(l, format_reason(&r->reasons[i]));
}

void cs_gate_explain(struct cs_buf *out, const struct cs_gate_report *report, size_t max_lines)
{
	AUTO_FREE char *ref = cs_escape_line(report->ref ? report->ref : "?");
	AUTO_FREE char *section = report->section ? cs_escape_line(report->section) : NULL;
	struct lines l = { .out = out, .max = max_lines };
	size_t helped = 0;

	add_line(&l, cs_asprintf("%s: %s%s%s%s", ref, word_of(verdicts, report->verdict),
				 section ? " (gate \"" : "", section ? section : "",
				 section ? "\")" : ""));
	/* What to do stands at the top: it must not be what is cut off. */
	for (size_t i = 0; i < report->n_reasons && helped < 3; i++)
		if (report->reasons[i].weight == CS_GATE_DENY && says_help(report, i)) {
			add_line(&l, cs_asprintf("  do: %s", report->reasons[i].help));
			helped++;
		}
	add_reasons(&l, report, CS_GATE_DENY);
	add_reasons(&l, report, CS_GATE_WARN);
	add_reasons(&l, report, CS_GATE_PASS);
	if (l.left_out)
		cs_buf_addf(out, "  and %zu more\n", l.left_out);
}

/* ---- for programs ---- */

static cJSON *reason_json(const struct cs_gate_reason *reason)
{
	cJSON *obj = cJSON_CreateObject();

	cs_json_add_str(obj, "weight", word_of(verdict_words, reason->weight));
	cs_json_add_str(obj, "rule", reason->rule);
	cs_json_add_oid(obj, "commit", &reason->commit);
	if (reason->path)
		cs_json_add_bytes(obj, "path", reason->path, strlen(reason->path));
	else
		cs_json_add_str(obj, "path", NULL);
	cs_json_add_bytes(obj, "detail", reason->detail, strlen(reason->detail));
	cs_json_add_str(obj, "origin", reason->origin);
	cs_json_add_str(obj, "help", reason->help);
	return obj;
}

static cJSON *commit_json(const struct cs_gate_commit *c)
{
	cJSON *obj = cJSON_CreateObject();
	cJSON *principals = cJSON_CreateArray();

	cs_json_add_oid(obj, "id", &c->oid);
	cs_json_add_bool(obj, "needed", c->needed);
	cs_json_add_bool(obj, "covered", c->covered);
	cs_json_add_bool(obj, "carried", c->carried);
	for (size_t i = 0; i < c->principals.n; i++)
		cJSON_AddItemToArray(principals,
				     cs_json_bytes(c->principals.v[i], strlen(c->principals.v[i])));
	cs_json_add(obj, "principals", principals);
	return obj;
}

cJSON *cs_gate_report_json(const struct cs_gate_report *report)
{
	cJSON *obj = cJSON_CreateObject();
	cJSON *reasons = cJSON_CreateArray();
	cJSON *commits = cJSON_CreateArray();
	const char *ref = report->ref ? report->ref : "";

	cs_json_add_str(obj, "schema", "countersign.gate/v1");
	cs_json_add_str(obj, "verdict", word_of(verdict_words, report->verdict));
	cs_json_add_bytes(obj, "ref", ref, strlen(ref));
	if (report->section)
		cs_json_add_bytes(obj, "section", report->section, strlen(report->section));
	else
		cs_json_add_str(obj, "section", NULL);
	cs_json_add_int(obj, "judged", (int64_t)report->judged);
	for (size_t i = 0; i < report->n_reasons; i++)
		cJSON_AddItemToArray(reasons, reason_json(&report->reasons[i]));
	for (size_t i = 0; i < report->n_commits; i++)
		cJSON_AddItemToArray(commits, commit_json(&report->commits[i]));
	cs_json_add(obj, "reasons", reasons);
	cs_json_add(obj, "commits", commits);
	return obj;
}
