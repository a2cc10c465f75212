/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-offs as in-toto statements: written with the keys in fixed order, so that equal verdicts are
 * equal bytes. What is signed says all that it covers; nothing is looked up when it is verified.
 */
#include "signoff.h"

#include <string.h>

static const char *const words[] = {
	[CS_DECISION_NONE] = "none",
	[CS_DECISION_SIGNED_OFF] = "signed-off",
	[CS_DECISION_CHANGES_REQUESTED] = "changes-requested",
	[CS_DECISION_REVOKED] = "revoked",
};

const char *cs_decision_word(enum cs_decision_word d)
{
	return (size_t)d < CS_COUNT(words) ? words[d] : words[0];
}

void cs_signoff_init(struct cs_signoff *s)
{
	memset(s, 0, sizeof(*s));
}

void cs_signoff_release(struct cs_signoff *s)
{
	free(s->repository);
	free(s->target_ref);
	free(s->comment);
	cs_change_release(&s->change);
	cs_strv_release(&s->acknowledged);
	cs_strv_release(&s->revokes);
	cs_signoff_init(s);
}

/* ---- writing ---- */

static cJSON *add_object(cJSON *parent, const char *key)
{
	cJSON *obj = cJSON_CreateObject();

	cs_json_add(parent, key, obj);
	return obj;
}

static void add_time(cJSON *obj, const char *key, int64_t ns)
{
	char text[CS_TIME_LEN];

	cs_json_add_str(obj, key, ns ? cs_time_format(text, ns) : NULL);
}

static void add_side(cJSON *obj, const char *key, const struct cs_side *side)
{
	char mode[8];
	cJSON *item;

	if (!side->mode) {
		cs_json_add_str(obj, key, NULL);
		return;
	}
	snprintf(mode, sizeof(mode), "%06o", side->mode & 0777777);
	item = add_object(obj, key);
	cs_json_add_str(item, "mode", mode);
	cs_json_add_str(item, side->mode == CS_MODE_GITLINK ? "gitCommit" : "sha256", side->digest);
}

static void add_transitions(cJSON *obj, const struct cs_change *change)
{
	cJSON *array = cJSON_CreateArray();

	cs_json_add(obj, "transitions", array);
	for (size_t i = 0; i < change->n; i++) {
		const struct cs_transition *t = &change->list[i];
		cJSON *item = cJSON_CreateObject();

		cs_json_add_bytes(item, "path", t->path, strlen(t->path));
		add_side(item, "from", &t->before);
		add_side(item, "to", &t->after);
		cJSON_AddItemToArray(array, item);
	}
}

static void add_run(cJSON *obj, const struct cs_signoff *s)
{
	cJSON *run;

	if (!*s->run) {
		cs_json_add_str(obj, "run", NULL);
		return;
	}
	run = add_object(obj, "run");
	cs_json_add_str(run, "id", s->run);
	cs_json_add_oid(run, "record", &s->record);
}

static void add_predicate(cJSON *root, const struct cs_signoff *s)
{
	cJSON *p = add_object(root, "predicate");

	cs_json_add_bytes(p, "repository", s->repository, strlen(s->repository));
	cs_json_add_str(p, "targetRef", s->target_ref);
	cs_json_add_oid(p, "fromID", &s->base_commit);
	cs_json_add_oid(p, "targetBase", &s->target_base);
	cs_json_add_oid(p, "targetID", &s->tree);
	cs_json_add_str(add_object(p, "changeDigest"), "sha256", s->change_digest);
	add_transitions(p, &s->change);
	cs_json_add(p, "acknowledged", cs_json_words(&s->acknowledged));
	add_run(p, s);
	cs_json_add_str(p, "decision", cs_decision_word(s->decision));
	cs_json_add(p, "revokes", cs_json_words(&s->revokes));
	add_time(p, "createdOn", s->created_ns);
	add_time(p, "expiresOn", s->expires_ns);
	if (s->comment)
		cs_json_add_bytes(p, "comment", s->comment, strlen(s->comment));
	else
		cs_json_add_str(p, "comment", NULL);
}

void cs_signoff_format(struct cs_buf *out, const struct cs_signoff *s)
{
	AUTO_JSON cJSON *root = cJSON_CreateObject();
	cJSON *array = cJSON_CreateArray();
	cJSON *subject = cJSON_CreateObject();
	cJSON *digest;

	cs_json_add_str(root, "_type", STATEMENT_TYPE);
	cs_json_add(root, "subject", array);
	cs_json_add_str(subject, "name", SUBJECT_NAME);
	digest = add_object(subject, "digest");
	cs_json_add_oid(digest, "gitCommit", &s->commit);
	cs_json_add_oid(digest, "gitTree", &s->tree);
	cJSON_AddItemToArray(array, subject);
	cs_json_add_str(root, "predicateType", CS_REVIEW_PREDICATE);
	add_predicate(root, s);
	cs_json_print(out, root, false);
}
