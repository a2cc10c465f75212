/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From notes to verdicts that count: who, with which key, and why not. Whatever is taken away,
 * turned round, doubled or damaged, nothing counts that was not signed, and the same counts in any
 * order.
 */
#include "attest_world.h"

#define REF	 CS_NOTES_REVIEW
#define ME	 "N", "n@example.org"
#define NS_PER_S INT64_C(1000000000)
#define NOW	 (INT64_C(1700001000) * NS_PER_S)

static struct cs_repo *repo;
static struct cs_oid subject = { .len = 20, .bytes = { 1, 2, 3 } };
static struct aw_key alice, bob, mallory, token; /* token: a security key of bob's */

static void setup(void)
{
	fx_setup();
	fx_run("git init -q -b main .");
	repo = fx_open(".");
	alice = aw_key_new(AW_ED25519);
	bob = aw_key_new(AW_ED25519);
	mallory = aw_key_new(AW_ED25519);
	token = aw_key_new(AW_SK_ED25519);
}

static void teardown(void)
{
	cs_repo_free(repo);
	aw_key_release(&alice);
	aw_key_release(&bob);
	aw_key_release(&mallory);
	aw_key_release(&token);
	fx_teardown();
}

/* ---- statements, lines, notes ---- */

struct what {
	enum cs_decision_word decision; /* 0: signed-off */
	int64_t created_s, expires_s;	/* after 1700000000 */
	const char *comment;
};

/* A statement about one file; the caller frees. */
static char *statement(const struct what *w)
{
	struct cs_buf out = CS_BUF_INIT;
	struct cs_signoff s;

	cs_signoff_init(&s);
	s.decision = w->decision ? w->decision : CS_DECISION_SIGNED_OFF;
	s.repository = cs_strdup("example.org/x");
	s.target_ref = cs_strdup("refs/heads/main");
	s.commit.len = s.tree.len = 20;
	s.change.list = cs_calloc(1, sizeof(*s.change.list));
	s.change.n = s.change.cap = 1;
	s.change.list[0].path = cs_strdup("file");
	s.change.list[0].after.mode = CS_MODE_FILE;
	strcpy(s.change.list[0].before.digest, "-");
	memset(s.change.list[0].after.digest, 'a', CS_SHA256_HEX - 1);
	cs_change_digest(s.change_digest, &s.change);
	s.created_ns = (1700000000 + w->created_s) * NS_PER_S;
	s.expires_ns = w->expires_s ? (1700000000 + w->expires_s) * NS_PER_S : 0;
	s.comment = w->comment ? cs_strdup(w->comment) : NULL;
	cs_signoff_format(&out, &s);
	cs_signoff_release(&s);
	return cs_buf_take(&out);
}

static void add_line(struct cs_buf *out, const struct aw_key *key, const struct what *w,
		     const struct aw_how *how)
{
	AUTO_FREE char *text = statement(w);

	aw_envelope(out, &key, 1, text, strlen(text), how);
}

static struct cs_oid tip(void)
{
	struct cs_oid oid = { 0 };

	if (cs_repo_read_ref(&oid, repo, REF, NULL) < 0)
		oid.len = 0;
	return oid;
}

static void attach(const struct cs_oid *object, const struct cs_buf *lines)
{
	const struct cs_note note = { *object, lines->data, lines->len };
	struct cs_err err = CS_ERR_INIT;

	fx_ok(cs_notes_add(repo, REF, &note, 1, ME, &err), err);
}

/* ---- the world that reads them ---- */

struct reader {
	struct cs_signers *signers;
	struct cs_revoked_keys *revoked;
	struct cs_reviews *reviews;
};

static struct cs_signers *signers_of(const char *options)
{
	AUTO_FREE char *a = aw_public(&alice), *b = aw_public(&bob), *t = aw_public(&token);
	AUTO_FREE char *text = cs_asprintf("alice@x %s %s\nbob@x %s\nbob@x %s\n", options, a, b, t);
	struct cs_signers *out = NULL;
	struct cs_err err = CS_ERR_INIT;

	fx_ok(cs_signers_parse(&out, "signers", text, strlen(text), &err), err);
	return out;
}

static void reader_open(struct reader *r, const char *options, const struct cs_oid *notes, size_t n)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_reviews_opts opts = { .repo = repo, .notes = notes, .n_notes = n, .now_ns = NOW };

	r->signers = options ? signers_of(options) : NULL;
	opts.signers = r->signers;
	opts.revoked = r->revoked;
	fx_ok(cs_reviews_open(&r->reviews, &opts, &err), err);
}

static void reader_close(struct reader *r)
{
	cs_reviews_free(r->reviews);
	cs_signers_free(r->signers);
	cs_revoked_keys_free(r->revoked);
}

/* What counts, as text; and the last reason why something does not. The caller frees. */
static char *counted(struct reader *r, const char **why)
{
	struct cs_buf out = CS_BUF_INIT;
	size_t n;
	const struct cs_verified_signoff *const *list = cs_reviews_list(r->reviews, &n);
	const struct cs_rejected_review *rejected;

	for (size_t i = 0; i < n; i++)
		cs_buf_addf(&out, "%s %s %s %s%s%s\n", list[i]->statement, list[i]->principal,
			    cs_decision_word(list[i]->signoff.decision), list[i]->fingerprint,
			    list[i]->touched ? " touched" : "", list[i]->pin ? " pin" : "");
	rejected = cs_reviews_rejected(r->reviews, &n);
	if (why)
		*why = n ? rejected[n - 1].why : "";
	return cs_buf_take(&out);
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* ---- who counts ---- */

static const struct {
	const struct aw_key *key;
	struct what what;
	struct aw_how how;
	const char *options; /* alice's line in allowed_signers; NULL: no signers at all */
	size_t counts;
	const char *why;
} rows[] = {
	{ &alice, { 0 }, { 0 }, "", 1, "" },
	{ &alice, { CS_DECISION_REVOKED }, { 0 }, "", 1, "" },
	{ &alice, { CS_DECISION_CHANGES_REQUESTED }, { 0 }, "", 1, "" },
	{ &token, { 0 }, { .flags = AW_TOUCHED }, "", 1, "" },
	{ &mallory, { 0 }, { 0 }, "", 0, "is not in signers" },
	{ &alice, { 0 }, { 0 }, NULL, 0, "no allowed signers" },
	{ &alice, { 0 }, { .ns = CS_NS_RUN }, "", 0, "signed in the namespace" },
	{ &alice, { 0 }, { .ns = "git" }, "", 0, "signed in the namespace" },
	{ &alice, { 0 }, { 0 }, "namespaces=\"git\"", 0, "not for this namespace" },
	{ &alice, { 0 }, { 0 }, "valid-before=\"20200101Z\"", 0, "expired" },
	/* what a key that has died since said against something still counts */
	{ &alice, { CS_DECISION_REVOKED }, { 0 }, "valid-before=\"20200101Z\"", 1, "" },
	{ &alice, { CS_DECISION_CHANGES_REQUESTED }, { 0 }, "valid-before=\"20200101Z\"", 1, "" },
	{ &alice, { CS_DECISION_REVOKED }, { 0 }, "namespaces=\"git\"", 0, "not for this" },
	{ &mallory, { CS_DECISION_CHANGES_REQUESTED }, { 0 }, "", 0, "is not in signers" },
	{ &alice, { 0 }, { 0 }, "valid-after=\"20300101Z\"", 0, "not valid yet" },
	{ &alice, { 0 }, { 0 }, "cert-authority", 0, "certificate authority" },
	{ &alice, { .created_s = 1000 + 599 }, { 0 }, "", 1, "" },
	{ &alice, { .created_s = 1000 + 601 }, { 0 }, "", 0, "from the future" },
	{ &alice, { .expires_s = 1001 }, { 0 }, "", 1, "" },
	{ &alice, { .expires_s = 1000 }, { 0 }, "", 0, "has expired" },
};

START_TEST(who_counts)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct reader r = { 0 };
	AUTO_FREE char *got = NULL;
	const char *why;
	struct cs_oid notes;

	add_line(&line, rows[_i].key, &rows[_i].what, &rows[_i].how);
	attach(&subject, &line);
	notes = tip();
	reader_open(&r, rows[_i].options, &notes, 1);
	fx_ok(cs_reviews_find(r.reviews, &subject, &err), err);
	got = counted(&r, &why);
	ck_assert_msg(count_lines(got) == rows[_i].counts && strstr(why, rows[_i].why),
		      "row %d: %s, %s", _i, got, why);
	reader_close(&r);
}
END_TEST

/* ---- envelopes ---- */

/* Payloads and types of another kind, and signatures over other bytes. */
START_TEST(envelopes)
{
	AUTO_FREE char *text = statement(&(struct what){ 0 });
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	static const char *const wanted[] = { "no in-toto statement",
					      "not valid",
					      "not valid",
					      "not a statement of a review",
					      "sign-off",
					      "without a signature",
					      "" };

	cs_dsse_pae(&pae, CS_IN_TOTO_TYPE, text, strlen(text));
	for (size_t i = 0; i < CS_COUNT(wanted); i++) {
		AUTO_BUF struct cs_buf line = CS_BUF_INIT, other = CS_BUF_INIT;
		struct reader r = { 0 };
		struct cs_envelope e;
		struct cs_oid notes;
		struct cs_oid object = { .len = 20, .bytes = { (uint8_t)(i + 9) } };
		AUTO_FREE char *got = NULL;
		const char *why;

		cs_envelope_init(&e);
		e.payload_type = cs_strdup(i == 0 ? "text/plain" : CS_IN_TOTO_TYPE);
		cs_buf_adds(&e.payload, i == 3	 ? "{\"_type\":\"https://in-toto.io/Statement/v1\","
						   "\"subject\":[],\"predicateType\":\"x\","
						   "\"predicate\":{}}"
					: i == 4 ? "not even JSON"
						 : text);
		e.n_sigs = i == 5 ? 0 : 1;
		e.sigs[0].keyid = cs_strdup("SHA256:a hint that lies");
		cs_dsse_pae(&other, e.payload_type, e.payload.data, e.payload.len);
		if (i == 1) /* the bare payload */
			aw_sign(&e.sigs[0].sig, &alice, text, strlen(text), &(struct aw_how){ 0 });
		else if (i == 2) /* of another type */
			aw_sign(&e.sigs[0].sig, &alice, pae.data, pae.len - 1,
				&(struct aw_how){ 0 });
		else
			aw_sign(&e.sigs[0].sig, &alice, other.data, other.len,
				&(struct aw_how){ 0 });
		cs_envelope_format(&line, &e);
		attach(&object, &line);
		notes = tip();
		reader_open(&r, "", &notes, 1);
		fx_ok(cs_reviews_find(r.reviews, &object, &err), err);
		got = counted(&r, &why);
		ck_assert_msg(count_lines(got) == (i == 6) && strstr(why, wanted[i]), "%zu: %s %s",
			      i, got, why);
		reader_close(&r);
		cs_envelope_release(&e);
	}
}
END_TEST

/* Several signatures of one statement: each that counts, once; the others do no harm. */
START_TEST(several_signatures)
{
	const struct aw_key *const keys[] = { &mallory, &alice, &bob, &alice };
	const struct aw_key *many[CS_ENVELOPE_SIGS + 1];
	AUTO_FREE char *text = statement(&(struct what){ 0 });
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct reader r = { 0 };
	struct cs_envelope e;
	struct cs_oid notes;
	AUTO_FREE char *got = NULL;
	const char *why;

	aw_envelope(&line, keys, CS_COUNT(keys), text, strlen(text), &(struct aw_how){ 0 });
	attach(&subject, &line);
	notes = tip();
	reader_open(&r, "", &notes, 1);
	fx_ok(cs_reviews_find(r.reviews, &subject, &err), err);
	got = counted(&r, &why);
	ck_assert_uint_eq(count_lines(got), 2);
	ck_assert(strstr(got, " alice@x ") && strstr(got, " bob@x "));
	reader_close(&r);
	/* One too many for an envelope. */
	for (size_t i = 0; i < CS_COUNT(many); i++)
		many[i] = &alice;
	cs_buf_truncate(&line, 0);
	aw_envelope(&line, many, CS_ENVELOPE_SIGS, text, strlen(text), &(struct aw_how){ 0 });
	cs_envelope_init(&e);
	fx_ok(cs_envelope_parse(&e, line.data, line.len, &err), err);
	ck_assert_uint_eq(e.n_sigs, CS_ENVELOPE_SIGS);
	cs_buf_truncate(&line, line.len - 3); /* "]}\n" */
	cs_buf_adds(&line, ",{\"keyid\":\"\",\"sig\":\"AAAA\"}]}\n");
	ck_assert_int_eq(cs_envelope_parse(&e, line.data, line.len, &err), CS_LIMIT);
	cs_envelope_release(&e);
}
END_TEST

/* ---- order ---- */

#define LINES 24

/* Verdicts of all kinds by all keys, each line once as it is and once with another envelope. */
static void make_lines(char *lines[LINES])
{
	const struct aw_key *const keys[] = { &alice, &bob, &mallory, &token };

	for (int i = 0; i < LINES / 2; i++) {
		const struct what w = { (enum cs_decision_word)(1 + i % 3), .created_s = i / 4 };
		const struct aw_how how = { .flags = i % 2 ? AW_TOUCHED : 0 };
		struct cs_buf line = CS_BUF_INIT;

		add_line(&line, keys[i % 4], &w, &how);
		cs_buf_truncate(&line, line.len - 1);
		lines[i] = cs_buf_take(&line);
		/* the same signed bytes: spaces, an unknown member, a carriage return */
		lines[LINES / 2 + i] =
			cs_asprintf("{ \"x\":%d,%s%s", i, lines[i] + 1, i % 2 ? "\r" : " ");
	}
}

START_TEST(order_is_irrelevant)
{
	char *lines[LINES];
	AUTO_FREE char *first = NULL;
	struct cs_err err = CS_ERR_INIT;

	make_lines(lines);
	for (uint32_t round = 0; round < 6; round++) {
		uint32_t state = 1234567 + round;
		struct cs_oid objects[3] = { subject, subject, subject };
		struct cs_oid notes[3] = { { 0 } };
		struct reader r = { 0 };
		AUTO_FREE char *got = NULL;

		fx_run("git update-ref -d " REF);
		for (size_t i = 0; i < 3; i++) {
			AUTO_BUF struct cs_buf text = CS_BUF_INIT;

			objects[i].bytes[5] = (uint8_t)(round + i);
			/* every line somewhere, and some anywhere; garbage between */
			for (size_t k = 0; k < LINES; k++)
				if (k % 3 == (i + round) % 3 || fx_random(&state, 2))
					cs_buf_addf(&text, "%s\ngarbage %zu\n", lines[k], k);
			attach(&objects[i], &text);
			notes[(i + round) % 3] = tip();
		}
		reader_open(&r, "", notes, 3);
		for (size_t i = 0; round % 2 && i < 3; i++)
			fx_ok(cs_reviews_find(r.reviews, &objects[2 - i], &err), err);
		fx_ok(cs_reviews_find_all(r.reviews, &err), err);
		got = counted(&r, NULL);
		if (!first)
			first = cs_steal(&got);
		else
			ck_assert_str_eq(got, first);
		reader_close(&r);
	}
	ck_assert_uint_eq(count_lines(first), LINES / 2 * 3 / 4);
	for (size_t i = 0; i < LINES; i++)
		free(lines[i]);
}
END_TEST

/* One key signs one statement twice, and is touched once: both are told, in the same order. */
START_TEST(touched_once)
{
	AUTO_FREE char *texts[2] = { NULL, NULL };

	for (int i = 0; i < 2; i++) {
		AUTO_BUF struct cs_buf lines = CS_BUF_INIT;
		struct cs_err err = CS_ERR_INIT;
		struct reader r = { 0 };
		struct cs_oid object = subject, notes;

		for (int k = 0; k < 2; k++)
			add_line(&lines, &token, &(struct what){ 0 },
				 &(struct aw_how){ .flags = k == i ? AW_TOUCHED : 0 });
		object.bytes[5] = (uint8_t)i;
		attach(&object, &lines);
		notes = tip();
		reader_open(&r, "", &notes, 1);
		fx_ok(cs_reviews_find(r.reviews, &object, &err), err);
		texts[i] = counted(&r, NULL);
		ck_assert_uint_eq(count_lines(texts[i]), 2);
		reader_close(&r);
	}
	ck_assert_str_eq(texts[0], texts[1]);
	free(texts[1]);
}
END_TEST

/* ---- damage ---- */

/*
 * Every bit of a line flipped, and every byte cut out; and the signature of one statement over the
 * payload of another. What counts afterwards is the statement that was signed, or nothing.
 */
START_TEST(damaged_lines)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT, all = CS_BUF_INIT, other = CS_BUF_INIT;
	AUTO_FREE char *text = statement(&(struct what){ 0 });
	struct cs_err err = CS_ERR_INIT;
	struct reader r = { 0 };
	char signed_one[CS_SHA256_HEX];
	uint8_t sum[CS_SHA256_LEN];
	struct cs_envelope e, f;
	AUTO_FREE char *got = NULL;
	struct cs_oid notes;

	add_line(&line, &alice, &(struct what){ 0 }, &(struct aw_how){ 0 });
	add_line(&other, &alice, &(struct what){ .created_s = 1 }, &(struct aw_how){ 0 });
	cs_sha256(sum, text, strlen(text));
	cs_hex(signed_one, sum, sizeof(sum));
	for (size_t bit = 0; bit < 8 * (line.len - 1); bit++) {
		line.data[bit / 8] ^= (char)(1 << bit % 8);
		cs_buf_add(&all, line.data, line.len);
		line.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t at = 0; at < line.len - 1; at++) {
		cs_buf_add(&all, line.data, at);
		cs_buf_add(&all, line.data + at + 1, line.len - at - 1);
	}
	cs_envelope_init(&e);
	cs_envelope_init(&f);
	fx_ok(cs_envelope_parse(&e, line.data, line.len, &err), err);
	fx_ok(cs_envelope_parse(&f, other.data, other.len, &err), err);
	for (int i = 0; i < 2; i++) {
		struct cs_buf swap = e.payload;

		e.payload = f.payload;
		f.payload = swap;
		if (!i)
			cs_envelope_format(&all, &e);
	}
	attach(&subject, &all);
	notes = tip();
	reader_open(&r, "", &notes, 1);
	fx_ok(cs_reviews_find(r.reviews, &subject, &err), err);
	got = counted(&r, NULL);
	/* bits of the key's hint and of spellings of base64 do not matter; it counts once */
	ck_assert_uint_eq(count_lines(got), 1);
	ck_assert_int_eq(strncmp(got, signed_one, strlen(signed_one)), 0);
	ck_assert_ptr_nonnull(strstr(got, " alice@x signed-off "));
	reader_close(&r);
	cs_envelope_release(&e);
	cs_envelope_release(&f);
}
END_TEST

/* ---- what is taken away ---- */

static struct cs_revoked_keys *revoked_keys(const struct aw_key *key)
{
	AUTO_FREE char *pub = aw_public(key);
	struct cs_revoked_keys *out = NULL;
	struct cs_err err = CS_ERR_INIT;

	fx_ok(cs_revoked_keys_parse(&out, "list", pub, strlen(pub), &err), err);
	return out;
}

START_TEST(without)
{
	static const struct cs_oid none = { 0 };
	AUTO_BUF struct cs_buf lines = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid notes;

	add_line(&lines, &alice, &(struct what){ 0 }, &(struct aw_how){ 0 });
	add_line(&lines, &bob, &(struct what){ CS_DECISION_CHANGES_REQUESTED },
		 &(struct aw_how){ 0 });
	attach(&subject, &lines);
	notes = tip();
	/* 0 all, 1 no notes, 2 no tips, 3 no signers, 4 alice's key revoked, 5 bob's,
	 * whose word was against it, 6 not asked
	 */
	for (int i = 0; i < 7; i++) {
		static const size_t counts[] = { 2, 0, 0, 0, 1, 2, 0 };
		struct reader r = { 0 };
		AUTO_FREE char *got = NULL;
		const char *why;

		if (i == 4 || i == 5)
			r.revoked = revoked_keys(i == 4 ? &alice : &bob);
		reader_open(&r, i == 3 ? NULL : "", i == 1 ? &none : &notes, i != 2);
		if (i != 6)
			fx_ok(cs_reviews_find(r.reviews, &subject, &err), err);
		got = counted(&r, &why);
		ck_assert_msg(count_lines(got) == counts[i], "%d: %s", i, got);
		if (i == 4)
			ck_assert_ptr_nonnull(strstr(why, "is revoked"));
		reader_close(&r);
	}
	/* Notes that cannot be read are an error: they may say no. */
	fx_run("h=$(git rev-parse " REF "^{tree}) && rm -f .git/objects/$(echo $h | sed "
	       "'s,^..,&/,')");
	cs_repo_free(repo);
	repo = fx_open(".");
	{
		struct reader r = { 0 };

		reader_open(&r, "", &notes, 1);
		ck_assert_int_lt(cs_reviews_find(r.reviews, &subject, &err), 0);
		ck_assert_int_lt(cs_reviews_find_all(r.reviews, &err), 0);
		reader_close(&r);
	}
}
END_TEST

/* ---- one's own ---- */

/* What alice signed, whatever hints and garbage lie around it, and nothing that others did. */
START_TEST(own)
{
	static const struct what other = { .created_s = 5 }, third = { .created_s = 9 };
	AUTO_BUF struct cs_buf notes = CS_BUF_INIT, line = CS_BUF_INIT, bobs = CS_BUF_INIT;
	AUTO_FREE char *texts[] = { statement(&(struct what){ 0 }), statement(&other) };
	struct cs_ssh_key shown = aw_shown(&alice);
	struct cs_strv found = CS_STRV_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_envelope e;

	/* a NUL and garbage first: notes are sorted, and everybody can write there */
	cs_buf_add(&notes, "\0\n\n\0x\ngarbage\n{}\n", 17);
	add_line(&notes, &alice, &(struct what){ 0 }, &(struct aw_how){ 0 });
	add_line(&notes, &alice, &(struct what){ 0 }, &(struct aw_how){ 0 });
	add_line(&notes, &alice, &third, &(struct aw_how){ .ns = "git" });
	/* bob's with alice's name on it */
	add_line(&bobs, &bob, &third, &(struct aw_how){ 0 });
	cs_envelope_init(&e);
	fx_ok(cs_envelope_parse(&e, bobs.data, bobs.len, &err), err);
	free(e.sigs[0].keyid);
	e.sigs[0].keyid = cs_strdup(shown.fingerprint);
	cs_envelope_format(&notes, &e);
	cs_envelope_release(&e);
	add_line(&notes, &alice, &other, &(struct aw_how){ 0 });
	add_line(&line, &alice, &(struct what){ CS_DECISION_REVOKED }, &(struct aw_how){ 0 });
	fx_ok(cs_attest_own(&found, &notes, line.data, line.len, &err), err);
	ck_assert_uint_eq(found.n, 2);
	for (int i = 0; i < 2; i++) {
		char hex[CS_SHA256_HEX];
		uint8_t sum[CS_SHA256_LEN];

		cs_sha256(sum, texts[i], strlen(texts[i]));
		ck_assert(cs_strv_has(&found, cs_hex(hex, sum, sizeof(sum))));
	}
	/* A line that nobody signed finds nothing. */
	line.data[line.len - 10] ^= 1;
	ck_assert_int_lt(cs_attest_own(&found, &notes, line.data, line.len, &err), 0);
	free(texts[1]);
	cs_strv_release(&found);
	cs_ssh_key_release(&shown);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attest_reviews");
	TCase *t = tcase_create("verdicts");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_loop_test(t, who_counts, 0, CS_COUNT(rows));
	tcase_add_test(t, envelopes);
	tcase_add_test(t, several_signatures);
	tcase_add_test(t, order_is_irrelevant);
	tcase_add_test(t, touched_once);
	tcase_add_test(t, damaged_lines);
	tcase_add_test(t, without);
	tcase_add_test(t, own);
	suite_add_tcase(s, t);
	return unit_run(s);
}
