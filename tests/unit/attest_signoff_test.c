/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-off statements: what is written is read back, byte for byte; a member that is missing, there
 * twice, of another type or not known makes the whole statement unreadable; and what is accepted
 * says exactly what the text says.
 */
#include "countersign/attest.h"

#include "unit.h"

static struct cs_oid oid(int fill)
{
	struct cs_oid o = { .len = 20 };

	memset(o.bytes, fill, o.len);
	return o;
}

static void add_transition(struct cs_change *c, const char *path, uint32_t before, uint32_t after)
{
	struct cs_transition *t;
	struct cs_oid link = oid(7);

	CS_GROW(c->list, c->n, c->cap);
	t = &c->list[c->n++];
	memset(t, 0, sizeof(*t));
	t->path = cs_strdup(path);
	t->before.mode = before;
	t->after.mode = after;
	for (int i = 0; i < 2; i++) {
		struct cs_side *side = i ? &t->after : &t->before;
		uint8_t sum[CS_SHA256_LEN];

		cs_sha256(sum, i ? "new" : "old", 3);
		if (side->mode == CS_MODE_GITLINK)
			cs_oid_hex(side->digest, &link);
		else if (side->mode)
			cs_hex(side->digest, sum, sizeof(sum));
		else
			strcpy(side->digest, "-");
	}
}

/* A verdict that has something in every member. */
static struct cs_signoff sample(void)
{
	struct cs_signoff s;
	char digest[CS_SHA256_HEX];
	uint8_t sum[CS_SHA256_LEN];

	cs_signoff_init(&s);
	s.decision = CS_DECISION_SIGNED_OFF;
	s.repository = cs_strdup("example.org/project");
	s.target_ref = cs_strdup("refs/heads/main");
	s.base_commit = oid(1);
	s.target_base = oid(2);
	s.commit = oid(3);
	s.tree = oid(4);
	strcpy(s.run, "0123456789abcdef0123456789abcdef");
	s.record = oid(5);
	add_transition(&s.change, "a\377\"<\n", CS_MODE_FILE, CS_MODE_EXEC);
	add_transition(&s.change, "d/new", 0, CS_MODE_LINK);
	add_transition(&s.change, "gone", 0100664, 0);
	add_transition(&s.change, "sub", CS_MODE_GITLINK, CS_MODE_FILE);
	cs_change_digest(s.change_digest, &s.change);
	cs_strv_add(&s.acknowledged, "d/new");
	cs_strv_add(&s.acknowledged, "\377");
	cs_sha256(sum, "x", 1);
	cs_strv_add(&s.revokes, cs_hex(digest, sum, sizeof(sum)));
	s.created_ns = INT64_C(1700000000123456789);
	s.expires_ns = INT64_C(1800000000000000001);
	s.comment = cs_strdup("why \xc3\xa9\n\"<");
	return s;
}

static int parse(const char *text, size_t len, struct cs_err *err)
{
	struct cs_signoff s;
	int rc;

	cs_signoff_init(&s);
	rc = cs_signoff_parse(&s, text, len, err);
	if (rc < 0) { /* nothing is left of it */
		ck_assert(!s.decision && !s.change.n && !s.repository && !s.commit.len);
	} else {
		AUTO_BUF struct cs_buf again = CS_BUF_INIT, given = CS_BUF_INIT;
		AUTO_JSON cJSON *json = NULL;

		/* What is accepted is said back: no member was passed over. */
		cs_signoff_format(&again, &s);
		ck_assert_int_eq(cs_json_parse(&json, text, len, NULL), 0);
		cs_json_print(&given, json, false);
		ck_assert_str_eq(again.data, given.data);
	}
	cs_signoff_release(&s);
	return rc;
}

static int parse_json(const cJSON *json, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	cs_json_print(&text, json, false);
	return parse(text.data, text.len, err);
}

static cJSON *sample_json(void)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_signoff s = sample();
	cJSON *json = NULL;

	cs_signoff_format(&text, &s);
	ck_assert_int_eq(cs_json_parse(&json, text.data, text.len, NULL), 0);
	cs_signoff_release(&s);
	return json;
}

/* ---- round trips ---- */

START_TEST(round_trip)
{
	static const enum cs_decision_word decisions[] = {
		CS_DECISION_SIGNED_OFF,
		CS_DECISION_CHANGES_REQUESTED,
		CS_DECISION_REVOKED,
	};
	struct cs_err err = CS_ERR_INIT;

	/* each optional part there and not */
	for (unsigned int bits = 0; bits < 1 << 8; bits++) {
		struct cs_signoff s = sample();
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;

		s.decision = decisions[bits % 3];
		s.base_commit.len = bits & 1 ? 20 : 0;
		s.target_base.len = bits & 2 ? 20 : 0;
		s.expires_ns = bits & 4 ? s.expires_ns : 0;
		s.record.len = bits & 8 ? 20 : 0;
		s.run[0] = bits & 16 ? s.run[0] : '\0';
		if (bits & 32)
			cs_strv_release(&s.acknowledged);
		if (bits & 64)
			cs_change_release(&s.change);
		if (bits & 128) {
			free(s.comment);
			s.comment = NULL;
		}
		cs_change_digest(s.change_digest, &s.change);
		cs_signoff_format(&text, &s);
		ck_assert_msg(parse(text.data, text.len, &err) == 0, "%u: %s", bits, err.msg);
		cs_signoff_release(&s);
	}
}
END_TEST

START_TEST(every_field)
{
	struct cs_signoff s = sample(), t;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;

	cs_signoff_init(&t);
	cs_signoff_format(&text, &s);
	ck_assert_msg(cs_signoff_parse(&t, text.data, text.len, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(t.decision, s.decision);
	ck_assert_str_eq(t.repository, s.repository);
	ck_assert_str_eq(t.target_ref, s.target_ref);
	ck_assert(cs_oid_equal(&t.base_commit, &s.base_commit));
	ck_assert(cs_oid_equal(&t.target_base, &s.target_base));
	ck_assert(cs_oid_equal(&t.commit, &s.commit) && cs_oid_equal(&t.tree, &s.tree));
	ck_assert_str_eq(t.run, s.run);
	ck_assert(cs_oid_equal(&t.record, &s.record));
	ck_assert_str_eq(t.change_digest, s.change_digest);
	ck_assert_uint_eq(t.change.n, s.change.n);
	for (size_t i = 0; i < s.change.n; i++) {
		const struct cs_transition *a = &s.change.list[i], *b = &t.change.list[i];

		ck_assert_str_eq(a->path, b->path);
		ck_assert_uint_eq(a->before.mode, b->before.mode);
		ck_assert_uint_eq(a->after.mode, b->after.mode);
		ck_assert_str_eq(a->before.digest, b->before.digest);
		ck_assert_str_eq(a->after.digest, b->after.digest);
	}
	ck_assert_uint_eq(t.acknowledged.n, 2);
	ck_assert_str_eq(t.acknowledged.v[1], "\377");
	ck_assert_uint_eq(t.revokes.n, 1);
	ck_assert_int_eq(t.created_ns, s.created_ns);
	ck_assert_int_eq(t.expires_ns, s.expires_ns);
	ck_assert_str_eq(t.comment, s.comment);
	cs_signoff_release(&s);
	cs_signoff_release(&t);
}
END_TEST

/* ---- every member ---- */

/* All values of a document, in a fixed order. */
static void collect(cJSON **list, size_t *n, cJSON *item)
{
	list[(*n)++] = item;
	for (cJSON *child = item->child; child; child = child->next)
		collect(list, n, child);
}

#define MAX_VALUES 200

/* The i-th value of a fresh sample; NULL: there is none. */
static cJSON *value(cJSON *json, size_t i)
{
	cJSON *list[MAX_VALUES];
	size_t n = 0;

	collect(list, &n, json);
	ck_assert_uint_lt(n, MAX_VALUES);
	return i < n ? list[i] : NULL;
}

START_TEST(missing_twice_or_unknown)
{
	for (size_t i = 0;; i++) {
		AUTO_JSON cJSON *without = sample_json();
		AUTO_JSON cJSON *twice = sample_json();
		AUTO_JSON cJSON *more = sample_json();
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;
		cJSON *v = value(twice, i);
		struct cs_err err = CS_ERR_INIT;
		const char *name;
		char *at;

		if (!v)
			break;
		if (cJSON_IsObject(v)) {
			cs_json_add_str(value(more, i), "unknown", "x");
			ck_assert_msg(parse_json(more, &err) == CS_CORRUPT, "unknown in %zu", i);
		}
		if (!v->string)
			continue;
		name = v->string;
		/* twice: the same pair again behind itself, as text */
		cs_json_print(&text, v, false);
		at = cs_asprintf("\"%s\":%s", name, text.data);
		cs_buf_truncate(&text, 0);
		cs_json_print(&text, twice, false);
		{
			AUTO_FREE char *pair = at;
			const char *place = strstr(text.data, pair);
			AUTO_FREE char *doubled = cs_asprintf("%.*s%s,%s", (int)(place - text.data),
							      text.data, pair, place);

			ck_assert_msg(parse(doubled, strlen(doubled), &err) == CS_CORRUPT,
				      "%s twice", name);
		}
		/* missing */
		{
			cJSON *list[MAX_VALUES];
			size_t n = 0;

			collect(list, &n, without);
			for (size_t p = 0; p < n; p++)
				for (cJSON *c = list[p]->child; c; c = c->next)
					if (c == list[i]) {
						cJSON_Delete(
							cJSON_DetachItemViaPointer(list[p], c));
						p = n - 1;
						break;
					}
		}
		ck_assert_msg(parse_json(without, &err) < 0, "without %s", name);
	}
}
END_TEST

/* Members that may be null, and lists that may be empty; everything else is of one type. */
static bool may_be(const char *name, const char *json)
{
	static const char *const nullable[] = { "fromID",    "targetBase", "run",  "record",
						"expiresOn", "comment",	   "from", "to" };

	if (!strcmp(json, "null"))
		for (size_t i = 0; i < CS_COUNT(nullable); i++)
			if (!strcmp(name, nullable[i]))
				return true;
	if (!strcmp(json, "[]"))
		return !strcmp(name, "acknowledged") || !strcmp(name, "revokes");
	return !strcmp(json, "\"\"") && !strcmp(name, "comment");
}

START_TEST(another_type)
{
	static const char *const types[] = { "null", "true",  "false", "0",  "1.5",
					     "\"\"", "\"x\"", "[]",    "{}", "[null]" };

	for (size_t i = 0;; i++) {
		for (size_t k = 0; k < CS_COUNT(types); k++) {
			AUTO_JSON cJSON *json = sample_json();
			cJSON *v = value(json, i);
			cJSON *other = cJSON_Parse(types[k]);
			struct cs_err err = CS_ERR_INIT;
			const char *name;
			bool free_text;

			if (!v) {
				cJSON_Delete(other);
				return;
			}
			name = v->string ? v->string : "";
			/* texts that are free: any is as good; it is said back all the same */
			free_text = (!strcmp(name, "repository") || !strcmp(name, "comment") ||
				     !*name) &&
				    !strcmp(types[k], "\"x\"");
			other->string = v->string ? cs_strdup(v->string) : NULL;
			/* in place: the type, the value and the children of the other */
			{
				cJSON was = *v;

				v->type = other->type;
				v->valuestring = other->valuestring;
				v->valuedouble = other->valuedouble;
				v->valueint = other->valueint;
				v->child = other->child;
				other->type = was.type;
				other->valuestring = was.valuestring;
				other->child = was.child;
			}
			if (!may_be(name, types[k]) && !free_text)
				ck_assert_msg(parse_json(json, &err) < 0, "%s: %s", name, types[k]);
			else
				(void)!parse_json(json, &err);
			cJSON_Delete(other);
		}
	}
}
END_TEST

/* ---- values that are none ---- */

/* Each replaces a text of the sample by another. */
static const struct {
	const char *old, *new;
	int rc;
} values[] = {
	{ "in-toto.io/Statement/v1", "in-toto.io/Statement/v0.1", CS_CORRUPT },
	{ "code-review/v1", "code-review/v2", CS_UNSUPPORTED },
	{ "\"name\":\"change\"", "\"name\":\"changes\"", CS_CORRUPT },
	{ "\"0303030303030303030303030303030303030303\"",
	  "\"030303030303030303030303030303030303030\"", CS_CORRUPT },
	{ "\"targetID\":\"04", "\"targetID\":\"05", CS_CORRUPT },
	{ "\"gitTree\":\"04", "\"gitTree\":\"05", CS_CORRUPT },
	{ "\"gitTree\"", "\"gitBlob\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"d//new\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"d/./new\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"d/../new\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"d/new/\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"/d/new\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"d/new\\u0000\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":{\"base64\":\"ZC9uZXc=\"}", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":{\"base64\":\"ZP8A\"}", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"gone\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"z\"", CS_CORRUPT },
	{ "\"path\":\"d/new\"", "\"path\":\"d/old\"", CS_CORRUPT },
	{ "\"100755\"", "\"100754\"", CS_CORRUPT },
	{ "\"100755\"", "\"040000\"", CS_CORRUPT },
	{ "\"100755\"", "\"0100755\"", CS_CORRUPT },
	{ "\"100755\"", "\"10075\"", CS_CORRUPT },
	{ "\"100755\"", "\"100 75\"", CS_CORRUPT },
	{ "\"100755\"", "\"160000\"", CS_CORRUPT },
	{ "\"100755\"", "\"100644\"", CS_CORRUPT },
	{ "\"gitCommit\":\"07", "\"gitCommit\":\"0A", CS_CORRUPT },
	{ "\"gitCommit\":\"07", "\"sha256\":\"07", CS_CORRUPT },
	{ "refs/heads/main", "main", CS_CORRUPT },
	{ "refs/heads/main", "refs/", CS_CORRUPT },
	{ "refs/heads/main", "refs/heads/", CS_CORRUPT },
	{ "refs/heads/main", "refs//heads/main", CS_CORRUPT },
	{ "refs/heads/main", "refs/heads/../main", CS_CORRUPT },
	{ "refs/heads/main", "refs/heads/*", CS_CORRUPT },
	{ "refs/heads/main", "refs/heads/main\\n", CS_CORRUPT },
	{ "refs/heads/main", "refs/heads/m ain", CS_CORRUPT },
	{ "refs/heads/main", "refs/heads/\\u001b[2J", CS_CORRUPT },
	{ "\"signed-off\"", "\"approved\"", CS_CORRUPT },
	{ "\"signed-off\"", "\"none\"", CS_CORRUPT },
	{ "\"signed-off\"", "\"Signed-off\"", CS_CORRUPT },
	{ "\"signed-off\"", "\"signed-off \"", CS_CORRUPT },
	{ "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcde", CS_CORRUPT },
	{ "0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789abcdef", CS_CORRUPT },
	{ "2023-11-14T22:13:20.123456789Z", "2023-11-14T22:13:20.123456789+00:00", CS_CORRUPT },
	{ "2023-11-14T22:13:20.123456789Z", "2023-11-31T22:13:20.123456789Z", CS_CORRUPT },
	{ "2023-11-14T22:13:20.123456789Z", "1969-11-14T22:13:20.123456789Z", CS_CORRUPT },
	{ "2023-11-14T22:13:20.123456789Z", "1970-01-01T00:00:00.000000000Z", CS_CORRUPT },
	{ "example.org/project", "", CS_CORRUPT },
	{ "\"revokes\":[\"", "\"revokes\":[\"x", CS_CORRUPT },
	{ "\"revokes\":[\"2d", "\"revokes\":[\"2D", CS_CORRUPT },
};

START_TEST(values_that_are_none)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_signoff s = sample();
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *changed = NULL;
	const char *at;
	int rc;

	cs_signoff_format(&text, &s);
	at = strstr(text.data, values[_i].old);
	ck_assert_msg(at, "no %s in %s", values[_i].old, text.data);
	changed = cs_asprintf("%.*s%s%s", (int)(at - text.data), text.data, values[_i].new,
			      at + strlen(values[_i].old));
	rc = parse(changed, strlen(changed), &err);
	ck_assert_msg(rc == values[_i].rc, "%s: %d %s", values[_i].new, rc, err.msg);
	cs_signoff_release(&s);
}
END_TEST

/* ---- bytes ---- */

/* Any bit flipped, cut at any length: refused, or it says what it says now and not what it said. */
START_TEST(bits_flipped)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_signoff s = sample();

	cs_signoff_format(&text, &s);
	for (size_t bit = 0; bit < 8 * text.len; bit++) {
		text.data[bit / 8] ^= (char)(1 << bit % 8);
		(void)!parse(text.data, text.len, NULL); /* asserts that it is said back */
		text.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t len = 0; len < text.len; len++)
		ck_assert_int_lt(parse(text.data, len, NULL), 0);
	cs_buf_adds(&text, "x");
	ck_assert_int_lt(parse(text.data, text.len, NULL), 0);
	cs_signoff_release(&s);
}
END_TEST

START_TEST(words)
{
	ck_assert_str_eq(cs_decision_word(CS_DECISION_NONE), "none");
	ck_assert_str_eq(cs_decision_word(CS_DECISION_REVOKED), "revoked");
	ck_assert_str_eq(cs_decision_word((enum cs_decision_word)99), "none");
	ck_assert_str_eq(cs_decision_word((enum cs_decision_word) - 1), "none");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attest_signoff");
	TCase *t = tcase_create("statements");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, round_trip);
	tcase_add_test(t, every_field);
	tcase_add_test(t, missing_twice_or_unknown);
	tcase_add_test(t, another_type);
	tcase_add_loop_test(t, values_that_are_none, 0, CS_COUNT(values));
	tcase_add_test(t, bits_flipped);
	tcase_add_test(t, words);
	suite_add_tcase(s, t);
	return unit_run(s);
}
