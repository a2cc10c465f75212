/* SPDX-License-Identifier: Apache-2.0 */
/* What a verdict is about, for its reader: what will be signed first, then the diff. */
#include "review.h"

#include <stdlib.h>
#include <string.h>
#include "countersign/review.h"

#define SCHEMA	     "countersign.review/v1"
#define MAX_FINDINGS 40

/* ---- verdicts that are there already ---- */

struct verdict {
	struct cs_signoff signoff;
	char key[64];
};

struct verdicts {
	struct verdict *list;
	size_t n, cap;
};

static void verdicts_release(struct verdicts *v)
{
	for (size_t i = 0; i < v->n; i++)
		cs_signoff_release(&v->list[i].signoff);
	free(v->list);
}

/* One that holds as a signature, and is about this change. Whose key that is the gate says. */
static void add_verdict(struct verdicts *v, const struct subject *s, const char *line, size_t len)
{
	struct verdict new = { .key = "" };
	struct cs_ssh_key key = CS_SSH_KEY_INIT;
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;
	struct cs_envelope e;
	bool good;

	cs_envelope_init(&e);
	cs_signoff_init(&new.signoff);
	good = cs_envelope_parse(&e, line, len, NULL) == 0 && e.n_sigs;
	if (good)
		cs_dsse_pae(&pae, e.payload_type, e.payload.data, e.payload.len);
	good = good &&
	       cs_sshsig_verify(&key, e.sigs[0].sig.data, e.sigs[0].sig.len, CS_NS_REVIEW, pae.data,
				pae.len, NULL) == 0 &&
	       cs_signoff_parse(&new.signoff, e.payload.data, e.payload.len, NULL) == 0 &&
	       !strcmp(new.signoff.change_digest, s->signoff.change_digest);
	memcpy(new.key, key.fingerprint, sizeof(new.key));
	cs_ssh_key_release(&key);
	cs_envelope_release(&e);
	if (!good) {
		cs_signoff_release(&new.signoff);
		return;
	}
	CS_GROW(v->list, v->n, v->cap);
	v->list[v->n++] = new;
}

static int by_time(const void *va, const void *vb)
{
	const struct verdict *a = va;
	const struct verdict *b = vb;

	return a->signoff.created_ns < b->signoff.created_ns   ? -1
	       : a->signoff.created_ns > b->signoff.created_ns ? 1
							       : strcmp(a->key, b->key);
}

static int find_verdicts(struct verdicts *v, const struct subject *s, struct cs_err *err)
{
	AUTO_FREE char *fetched = cs_asprintf("refs/agent-run-remote/%s/notes/review",
					      s->remote.name ? s->remote.name : "here");
	const char *const refs[] = { CS_NOTES_REVIEW, fetched };
	AUTO_BUF struct cs_buf notes = CS_BUF_INIT;
	AUTO_STRV struct cs_strv lines = CS_STRV_INIT;
	struct cs_oid anchor, tip;
	int rc = cs_anchor_change(&anchor, NULL, s->signoff.change_digest, err);

	for (size_t i = 0; rc == 0 && i < CS_COUNT(refs); i++) {
		struct cs_err why = CS_ERR_INIT;

		rc = cs_repo_read_ref(&tip, s->repo, refs[i], &why);
		if (rc == 0)
			rc = cs_notes_read(&notes, s->repo, &tip, &anchor, err);
		else
			rc = rc == CS_NOTFOUND ? 0 : cs_err_set(err, rc, "%s", why.msg);
	}
	for (const char *at = notes.data; rc == 0 && *at;) {
		const size_t len = strcspn(at, "\n");
		AUTO_FREE char *line = cs_strndup(at, len);

		if (!cs_strv_has(&lines, line)) {
			cs_strv_add(&lines, line);
			add_verdict(v, s, at, len);
		}
		at += len + (at[len] == '\n');
	}
	if (v->n)
		qsort(v->list, v->n, sizeof(*v->list), by_time);
	return rc;
}

/* ---- for people ---- */

static void add_line(struct cs_buf *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	cs_buf_addf(out, "%-11s ", name);
	cs_escape_terminal(out, value, strlen(value), CS_ESCAPE_LINE);
	cs_buf_addc(out, '\n');
}

static void add_header(struct cs_buf *out, const struct subject *s, const char *key)
{
	char hex[CS_OID_HEX];

	add_line(out, "run", s->signoff.run);
	add_line(out, "title", s->info.title);
	add_line(out, "repository", s->signoff.repository);
	add_line(out, "for", s->signoff.target_ref);
	add_line(out, "base", cs_oid_hex(hex, &s->signoff.base_commit));
	add_line(out, "commit", cs_oid_hex(hex, &s->signoff.commit));
	add_line(out, "change", s->signoff.change_digest);
	add_line(out, "key", key ? key : "(nothing is signed)");
}

static void add_findings(struct cs_buf *out, const struct cs_out *to,
			 const struct cs_findings *findings)
{
	const size_t total = findings->n + (size_t)findings->dropped;
	const size_t shown = findings->n < MAX_FINDINGS ? findings->n : MAX_FINDINGS;

	if (!total)
		return;
	cs_buf_addf(out, "\n%zu finding%s\n", total, total == 1 ? "" : "s");
	for (size_t i = 0; i < shown; i++) {
		const struct cs_finding *f = &findings->list[i];

		cs_buf_adds(out, "    ");
		cs_out_colour(to, out, CS_YELLOW);
		cs_escape_terminal(out, f->kind, strlen(f->kind), CS_ESCAPE_LINE);
		cs_out_colour(to, out, CS_PLAIN);
		cs_buf_adds(out, *f->path ? "  " : "");
		cs_escape_terminal(out, f->path, strlen(f->path), CS_ESCAPE_LINE);
		cs_buf_adds(out, *f->detail ? "  " : "");
		cs_escape_terminal(out, f->detail, strlen(f->detail), CS_ESCAPE_LINE);
		cs_buf_addc(out, '\n');
	}
	if (shown < total)
		cs_buf_addf(out, "    and %zu more: git agent-log --show findings\n",
			    total - shown);
}

static void add_verdicts(struct cs_buf *out, const struct verdicts *v)
{
	if (v->n)
		cs_buf_adds(out, "\nverdicts (git agent-gate verify tells which count)\n");
	for (size_t i = 0; i < v->n; i++) {
		const struct cs_signoff *s = &v->list[i].signoff;
		char at[CS_TIME_LEN];

		cs_buf_addf(out, "    %-17s  %.19sZ  %s  ", cs_decision_word(s->decision),
			    cs_time_format(at, s->created_ns), v->list[i].key);
		cs_escape_terminal(out, s->target_ref, strlen(s->target_ref), CS_ESCAPE_LINE);
		if (s->comment) {
			cs_buf_adds(out, "  ");
			cs_escape_terminal(out, s->comment, strlen(s->comment), CS_ESCAPE_LINE);
		}
		cs_buf_addc(out, '\n');
	}
}

static void add_transitions(struct cs_buf *out, const struct cs_out *to, const struct subject *s)
{
	cs_buf_addc(out, '\n');
	for (size_t i = 0; i < s->shown.n; i++) {
		const struct cs_transition *t = &s->shown.list[i];

		cs_buf_addf(out, "%06o %.12s -> %06o %.12s  ", t->before.mode, t->before.digest,
			    t->after.mode, t->after.digest);
		cs_escape_terminal(out, t->path, strlen(t->path), CS_ESCAPE_LINE);
		if (cs_strv_has(&s->sensitive, t->path)) {
			cs_out_colour(to, out, CS_RED);
			cs_buf_adds(out, "  SENSITIVE");
			cs_out_colour(to, out, CS_PLAIN);
		}
		cs_buf_addc(out, '\n');
	}
	cs_buf_addc(out, '\n');
}

static int show_text(const struct subject *s, const struct verdicts *v, const char *key,
		     struct cs_err *err)
{
	const struct cs_diff what = { .repo = s->repo, .change = &s->shown };
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err late = CS_ERR_INIT;
	struct cs_out out = { .file = NULL };
	int rc = cs_out_open(&out, s->repo, true, err);

	if (rc < 0)
		return rc;
	add_header(&text, s, key);
	add_findings(&text, &out, &s->info.findings);
	add_verdicts(&text, v);
	add_transitions(&text, &out, s);
	cs_out_write(&out, &text);
	rc = cs_show_diff(&out, &what, err);
	if (cs_out_close(&out, &late) < 0 && rc == 0)
		rc = cs_err_set(err, late.code, "%s", late.msg);
	return rc;
}

/* ---- for programs ---- */

static cJSON *side_json(const struct cs_side *side)
{
	AUTO_FREE char *mode = cs_asprintf("%06o", side->mode);
	cJSON *json;

	if (!side->mode)
		return cJSON_CreateNull();
	json = cJSON_CreateObject();
	cs_json_add_str(json, "mode", mode);
	cs_json_add_str(json, side->mode == CS_MODE_GITLINK ? "gitCommit" : "sha256", side->digest);
	return json;
}

static cJSON *transitions_json(const struct subject *s)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < s->shown.n; i++) {
		const struct cs_transition *t = &s->shown.list[i];
		cJSON *item = cJSON_CreateObject();

		cs_json_add_bytes(item, "path", t->path, strlen(t->path));
		cs_json_add(item, "from", side_json(&t->before));
		cs_json_add(item, "to", side_json(&t->after));
		cJSON_AddBoolToObject(item, "sensitive", cs_strv_has(&s->sensitive, t->path));
		cJSON_AddItemToArray(list, item);
	}
	return list;
}

static cJSON *verdicts_json(const struct verdicts *v)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < v->n; i++) {
		const struct cs_signoff *s = &v->list[i].signoff;
		cJSON *item = cJSON_CreateObject();
		char at[CS_TIME_LEN];

		cs_json_add_str(item, "decision", cs_decision_word(s->decision));
		cs_json_add_str(item, "key", v->list[i].key);
		cs_json_add_str(item, "createdOn", cs_time_format(at, s->created_ns));
		cs_json_add_bytes(item, "targetRef", s->target_ref, strlen(s->target_ref));
		if (s->comment)
			cs_json_add_bytes(item, "comment", s->comment, strlen(s->comment));
		cJSON_AddItemToArray(list, item);
	}
	return list;
}

static cJSON *findings_json(const struct cs_findings *findings)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < findings->n; i++) {
		const struct cs_finding *f = &findings->list[i];
		cJSON *item = cJSON_CreateObject();

		cs_json_add_bytes(item, "kind", f->kind, strlen(f->kind));
		cs_json_add_bytes(item, "path", f->path, strlen(f->path));
		cs_json_add_bytes(item, "detail", f->detail, strlen(f->detail));
		cJSON_AddItemToArray(list, item);
	}
	return list;
}

static void show_json(const struct subject *s, const struct verdicts *v)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	char hex[CS_OID_HEX];

	cs_json_add_str(json, "schema", SCHEMA);
	cs_json_add_bytes(json, "repository", s->signoff.repository, strlen(s->signoff.repository));
	cs_json_add_bytes(json, "targetRef", s->signoff.target_ref, strlen(s->signoff.target_ref));
	cs_json_add_str(json, "base", cs_oid_hex(hex, &s->signoff.base_commit));
	cs_json_add_str(json, "commit", cs_oid_hex(hex, &s->signoff.commit));
	cs_json_add_str(json, "tree", cs_oid_hex(hex, &s->signoff.tree));
	cs_json_add_str(json, "changeDigest", s->signoff.change_digest);
	if (*s->signoff.run)
		cs_json_add_str(json, "run", s->signoff.run);
	if (s->info.title)
		cs_json_add_bytes(json, "title", s->info.title, strlen(s->info.title));
	cs_json_add(json, "findings", findings_json(&s->info.findings));
	cs_json_add_int(json, "findingsDropped", (int64_t)s->info.findings.dropped);
	cs_json_add(json, "verdicts", verdicts_json(v));
	cs_json_add(json, "transitions", transitions_json(s));
	cs_json_print(&text, json, true);
	puts(text.data);
	fflush(stdout);
}

int show(const struct subject *s, const struct review_args *args, const char *key,
	 struct cs_err *err)
{
	struct verdicts v = { .list = NULL };
	int rc = find_verdicts(&v, s, err);

	if (rc == 0 && args->json)
		show_json(s, &v);
	else if (rc == 0)
		rc = show_text(s, &v, key, err);
	verdicts_release(&v);
	return rc;
}
