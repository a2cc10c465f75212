/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading sign-offs, whose bytes come from anywhere: strictly. A field that is missing, of another
 * type or out of range makes the whole statement unreadable, and a statement that cannot be read
 * signs nothing. A field that is not known is an error too: it might restrict what is known.
 */
#include "signoff.h"

#include <string.h>

#define MAX_PATH 4096

struct reader {
	struct cs_signoff *out;
	struct cs_err *err;
};

static int corrupt(struct reader *r, const char *what)
{
	return cs_err_set(r->err, CS_CORRUPT, "sign-off: %s", what);
}

/* ---- values ---- */

static bool get_oid(struct cs_oid *out, const cJSON *item)
{
	return cJSON_IsString(item) && cs_oid_parse(out, item->valuestring) == 0;
}

static bool get_oid_or_null(struct cs_oid *out, const cJSON *item)
{
	out->len = 0;
	return cJSON_IsNull(item) || get_oid(out, item);
}

static bool get_digest(char out[CS_SHA256_HEX], const cJSON *item)
{
	uint8_t bytes[CS_SHA256_LEN];

	if (!cJSON_IsString(item) || cs_unhex(bytes, sizeof(bytes), item->valuestring) < 0)
		return false;
	memcpy(out, item->valuestring, CS_SHA256_HEX);
	return true;
}

static bool get_time_or_null(int64_t *out, const cJSON *item)
{
	*out = 0;
	return cJSON_IsNull(item) ||
	       (cJSON_IsString(item) && cs_time_parse(out, item->valuestring) == 0 && *out > 0);
}

static bool is_object(const cJSON *item, int members)
{
	return cJSON_IsObject(item) && cJSON_GetArraySize(item) == members;
}

static const cJSON *get(const cJSON *obj, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(obj, key);
}

/*
 * Bytes without a NUL, in the one form that cs_json_bytes() gives them; the caller frees. NULL:
 * they are none.
 */
static char *get_bytes(const cJSON *obj, const char *key)
{
	AUTO_BUF struct cs_buf bytes = CS_BUF_INIT;
	const cJSON *item = get(obj, key);

	if (!cJSON_IsString(item) && !is_object(item, 1))
		return NULL;
	if (cs_json_get_bytes(&bytes, obj, key) < 0 || strlen(bytes.data) != bytes.len ||
	    cJSON_IsString(item) != cs_utf8_valid(bytes.data, bytes.len))
		return NULL;
	return cs_strdup(bytes.data);
}

/* ---- transitions ---- */

static bool is_mode(uint32_t mode)
{
	return mode == CS_MODE_FILE || mode == CS_MODE_EXEC || mode == CS_MODE_LINK ||
	       mode == CS_MODE_GITLINK || mode == 0100664 /* old trees have it */;
}

static bool get_mode(uint32_t *out, const cJSON *item)
{
	uint32_t mode = 0;

	if (!cJSON_IsString(item) || strlen(item->valuestring) != 6)
		return false;
	for (const char *p = item->valuestring; *p; p++) {
		if (*p < '0' || *p > '7')
			return false;
		mode = mode << 3 | (uint32_t)(*p - '0');
	}
	*out = mode;
	return is_mode(mode);
}

static bool get_side(struct cs_side *out, const cJSON *item)
{
	struct cs_oid link;

	memset(out, 0, sizeof(*out));
	strcpy(out->digest, "-");
	if (cJSON_IsNull(item))
		return true;
	if (!is_object(item, 2) || !get_mode(&out->mode, get(item, "mode")))
		return false;
	if (out->mode != CS_MODE_GITLINK)
		return get_digest(out->digest, get(item, "sha256"));
	if (!get_oid(&link, get(item, "gitCommit")))
		return false;
	cs_oid_hex(out->digest, &link);
	return true;
}

/* As a tree can have it: no empty component, no dots. */
static bool is_path(const char *path)
{
	if (!*path || strlen(path) > MAX_PATH)
		return false;
	for (const char *p = path;;) {
		size_t len = strcspn(p, "/");

		if (!len || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (!p[len])
			return true;
		p += len + 1;
	}
}

static bool same_side(const struct cs_side *a, const struct cs_side *b)
{
	return a->mode == b->mode && !strcmp(a->digest, b->digest);
}

static int get_transition(struct reader *r, const cJSON *item)
{
	struct cs_change *change = &r->out->change;
	AUTO_FREE char *path = is_object(item, 3) ? get_bytes(item, "path") : NULL;
	struct cs_transition *t;

	if (!path || !is_path(path))
		return corrupt(r, "a transition without a path");
	if (change->n && strcmp(change->list[change->n - 1].path, path) >= 0)
		return corrupt(r, "transitions that are not in order");
	CS_GROW(change->list, change->n, change->cap);
	t = &change->list[change->n++];
	memset(t, 0, sizeof(*t));
	t->path = cs_steal(&path);
	if (!get_side(&t->before, get(item, "from")) || !get_side(&t->after, get(item, "to")) ||
	    same_side(&t->before, &t->after))
		return corrupt(r, "a transition that is none");
	return 0;
}

static int get_transitions(struct reader *r, const cJSON *predicate)
{
	const cJSON *array = get(predicate, "transitions");
	const cJSON *digest = get(predicate, "changeDigest");
	char claimed[CS_SHA256_HEX];

	if (!cJSON_IsArray(array))
		return corrupt(r, "no transitions");
	for (const cJSON *item = array->child; item; item = item->next) {
		int rc = get_transition(r, item);

		if (rc < 0)
			return rc;
	}
	cs_change_digest(r->out->change_digest, &r->out->change);
	if (!is_object(digest, 1) || !get_digest(claimed, get(digest, "sha256")) ||
	    strcmp(claimed, r->out->change_digest) != 0)
		return corrupt(r, "the change digest is not that of the transitions");
	return 0;
}

/* ---- the predicate ---- */

static bool get_words(struct cs_strv *out, const cJSON *array)
{
	if (!cJSON_IsArray(array))
		return false;
	for (cJSON *item = array->child; item; item = item->next) {
		AUTO_JSON cJSON *holder = cJSON_CreateObject();
		AUTO_FREE char *word = NULL;

		/* cs_json_get_bytes() looks a key up: give it an object that has the item. */
		cJSON_AddItemReferenceToObject(holder, "word", item);
		word = get_bytes(holder, "word");
		if (!word || !*word)
			return false;
		cs_strv_add(out, word);
	}
	return true;
}

static bool all_digests(const struct cs_strv *list)
{
	uint8_t bytes[CS_SHA256_LEN];

	for (size_t i = 0; i < list->n; i++) {
		if (cs_unhex(bytes, sizeof(bytes), list->v[i]) < 0)
			return false;
	}
	return true;
}

static bool get_decision(enum cs_decision_word *out, const cJSON *item)
{
	for (int d = CS_DECISION_SIGNED_OFF; d <= CS_DECISION_REVOKED; d++) {
		if (cJSON_IsString(item) &&
		    !strcmp(item->valuestring, cs_decision_word((enum cs_decision_word)d))) {
			*out = (enum cs_decision_word)d;
			return true;
		}
	}
	return false;
}

static bool get_run(struct cs_signoff *out, const cJSON *item)
{
	const char *id = cs_json_str(item, "id", "");

	if (cJSON_IsNull(item))
		return true;
	if (!is_object(item, 2) || strlen(id) != sizeof(out->run) - 1 ||
	    strspn(id, "0123456789abcdef") != sizeof(out->run) - 1)
		return false;
	memcpy(out->run, id, sizeof(out->run));
	return get_oid_or_null(&out->record, get(item, "record"));
}

static bool get_comment(char **out, const cJSON *predicate)
{
	if (cJSON_IsNull(get(predicate, "comment")))
		return true;
	*out = get_bytes(predicate, "comment");
	return *out != NULL;
}

/* A full, plain name of a reference: what git-check-ref-format(1) allows, as far as it matters. */
static bool is_ref(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p < ' ')
			return false;
	}
	return !strncmp(name, "refs/", 5) && len > 5 && len < 1024 && name[len - 1] != '/' &&
	       !strstr(name, "//") && !strstr(name, "..") && !strpbrk(name, " ~^:?*[\\\177");
}

/* Fourteen members, and each of them but the transitions. */
static const char *predicate_problem(struct cs_signoff *out, const cJSON *p)
{
	if (!is_object(p, 14))
		return "the predicate has other fields than it should";
	out->repository = get_bytes(p, "repository");
	if (!out->repository || !*out->repository)
		return "no repository";
	out->target_ref = get_bytes(p, "targetRef");
	if (!out->target_ref || !is_ref(out->target_ref))
		return "no targetRef";
	if (!get_oid_or_null(&out->base_commit, get(p, "fromID")) ||
	    !get_oid_or_null(&out->target_base, get(p, "targetBase")))
		return "no fromID or targetBase";
	if (!get_words(&out->acknowledged, get(p, "acknowledged")))
		return "acknowledged is no list";
	if (!get_run(out, get(p, "run")))
		return "a run that is none";
	if (!get_decision(&out->decision, get(p, "decision")))
		return "an unknown decision";
	if (!get_words(&out->revokes, get(p, "revokes")) || !all_digests(&out->revokes))
		return "revokes is no list of digests";
	if (!get_time_or_null(&out->created_ns, get(p, "createdOn")) || !out->created_ns ||
	    !get_time_or_null(&out->expires_ns, get(p, "expiresOn")))
		return "a time that is none";
	if (!get_comment(&out->comment, p))
		return "a comment that is no text";
	return NULL;
}

/* Both digests must be there, and the tree is the predicate's targetID. */
static const char *subject_problem(struct cs_signoff *out, const cJSON *root)
{
	const cJSON *array = get(root, "subject");
	const cJSON *subject = cJSON_GetArrayItem(array, 0);
	const cJSON *digest = get(subject, "digest");
	struct cs_oid target;

	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) != 1 || !is_object(subject, 2) ||
	    strcmp(cs_json_str(subject, "name", ""), SUBJECT_NAME) != 0 || !is_object(digest, 2))
		return "not one subject with two digests";
	if (!get_oid(&out->commit, get(digest, "gitCommit")) ||
	    !get_oid(&out->tree, get(digest, "gitTree")))
		return "the subject lacks gitCommit or gitTree";
	if (!get_oid(&target, get(get(root, "predicate"), "targetID")) ||
	    !cs_oid_equal(&target, &out->tree))
		return "targetID is not the subject's tree";
	return NULL;
}

int cs_signoff_parse(struct cs_signoff *out, const char *json, size_t len, struct cs_err *err)
{
	AUTO_JSON cJSON *root = NULL;
	struct reader r = { out, err };
	const char *problem;
	int rc = cs_json_parse(&root, json, len, err);

	cs_signoff_release(out);
	if (rc < 0)
		return cs_err_wrap(err, "sign-off");
	if (strcmp(cs_json_str(root, "_type", ""), STATEMENT_TYPE) != 0 || !is_object(root, 4))
		return corrupt(&r, "not an in-toto statement");
	if (strcmp(cs_json_str(root, "predicateType", ""), CS_REVIEW_PREDICATE) != 0)
		return cs_err_set(err, CS_UNSUPPORTED, "not a statement of a review");
	problem = subject_problem(out, root);
	if (!problem)
		problem = predicate_problem(out, get(root, "predicate"));
	rc = problem ? corrupt(&r, problem) : get_transitions(&r, get(root, "predicate"));
	if (rc < 0)
		cs_signoff_release(out);
	return rc;
}
