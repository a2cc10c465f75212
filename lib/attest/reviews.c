/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From notes to verdicts that count: each envelope is looked at once, and either gives one verified
 * sign-off for each of its signatures that counts, or a reason why it does not. In this order:
 * envelope, signature over the payload in our namespace, the key's place in the list of signers at
 * this moment, the key's not being revoked, and only then is the payload read.
 *
 * One exception: the word of a key that has expired, or was revoked, still counts against something
 * (a revocation, a request for changes). Else a sign-off that was taken back with it would come
 * back to life the day the key dies.
 */
#include "signoff.h"

#include <string.h>

#define NS_PER_S    INT64_C(1000000000)
#define CLOCK_SKEW  (600 * NS_PER_S) /* what a reviewer's clock may be ahead */
#define MAX_REVIEWS 1000000
#define FIRST_SLOTS 64

/* A set of SHA-256 digests: open addressing, at most half full. */
struct digests {
	uint8_t (*slots)[CS_SHA256_LEN];
	bool *used;
	size_t n, cap;
};

struct cs_reviews {
	const struct cs_repo *repo;
	struct cs_oid *notes;
	size_t n_notes;
	const struct cs_signers *signers;
	const struct cs_revoked_keys *revoked;
	int64_t now_ns;
	bool all;
	struct digests seen;
	struct cs_verified_signoff **list;
	size_t n, cap;
	bool sorted;
	struct cs_rejected_review *rejected;
	size_t n_rejected, cap_rejected;
};

/* ---- the set ---- */

static size_t slot_of(const struct digests *d, const uint8_t digest[CS_SHA256_LEN])
{
	size_t at;

	memcpy(&at, digest, sizeof(at));
	at &= d->cap - 1;
	while (d->used[at] && memcmp(d->slots[at], digest, CS_SHA256_LEN) != 0)
		at = (at + 1) & (d->cap - 1);
	return at;
}

static void digests_grow(struct digests *d)
{
	struct digests bigger = { .n = d->n, .cap = d->cap ? 2 * d->cap : FIRST_SLOTS };

	bigger.slots = cs_calloc(bigger.cap, sizeof(*bigger.slots));
	bigger.used = cs_calloc(bigger.cap, sizeof(*bigger.used));
	for (size_t i = 0; i < d->cap; i++) {
		size_t at;

		if (!d->used[i])
			continue;
		at = slot_of(&bigger, d->slots[i]);
		bigger.used[at] = true;
		memcpy(bigger.slots[at], d->slots[i], CS_SHA256_LEN);
	}
	free(d->slots);
	free(d->used);
	*d = bigger;
}

/* False: it was in there. */
static bool digests_add(struct digests *d, const uint8_t digest[CS_SHA256_LEN])
{
	size_t at;

	if (2 * d->n >= d->cap)
		digests_grow(d);
	at = slot_of(d, digest);
	if (d->used[at])
		return false;
	d->used[at] = true;
	memcpy(d->slots[at], digest, CS_SHA256_LEN);
	d->n++;
	return true;
}

/* ---- life ---- */

int cs_reviews_open(struct cs_reviews **out, const struct cs_reviews_opts *opts, struct cs_err *err)
{
	struct cs_reviews *r = cs_calloc(1, sizeof(*r));

	(void)err;
	r->repo = opts->repo;
	r->signers = opts->signers;
	r->revoked = opts->revoked;
	r->now_ns = opts->now_ns;
	r->notes = cs_calloc(opts->n_notes + 1, sizeof(*r->notes));
	for (size_t i = 0; i < opts->n_notes; i++) {
		if (opts->notes[i].len)
			r->notes[r->n_notes++] = opts->notes[i];
	}
	*out = r;
	return 0;
}

static void verified_free(struct cs_verified_signoff *v)
{
	cs_signoff_release(&v->signoff);
	free(v->principal);
	free(v);
}

void cs_reviews_free(struct cs_reviews *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		verified_free(r->list[i]);
	for (size_t i = 0; i < r->n_rejected; i++)
		free(r->rejected[i].why);
	free(r->list);
	free(r->rejected);
	free(r->seen.slots);
	free(r->seen.used);
	free(r->notes);
	free(r);
}

/* ---- one envelope ---- */

struct candidate {
	struct cs_reviews *reviews;
	struct cs_envelope envelope;
	struct cs_buf pae;
};

/* Claims of a statement that does not count, for explanations only. */
static void reject(struct candidate *c, const char *why)
{
	struct cs_reviews *r = c->reviews;
	struct cs_rejected_review *one;
	struct cs_signoff claimed;

	CS_GROW(r->rejected, r->n_rejected, r->cap_rejected);
	one = &r->rejected[r->n_rejected++];
	memset(one, 0, sizeof(*one));
	one->why = cs_strdup(why);
	cs_signoff_init(&claimed);
	if (cs_signoff_parse(&claimed, c->envelope.payload.data, c->envelope.payload.len, NULL) ==
	    0)
		memcpy(one->change_digest, claimed.change_digest, sizeof(one->change_digest));
	cs_signoff_release(&claimed);
}

/*
 * Who signed: a key that is known, wanted in this namespace, and not revoked. *dead: one that was
 * all of it once; the error says why it is no more.
 */
static int identify(const char **principal, struct cs_ssh_key *key, bool *dead,
		    const struct candidate *c, const struct cs_envelope_sig *sig,
		    struct cs_err *err)
{
	const struct cs_reviews *r = c->reviews;
	int rc = cs_sshsig_verify(key, sig->sig.data, sig->sig.len, CS_NS_REVIEW, c->pae.data,
				  c->pae.len, err);

	if (rc < 0)
		return rc;
	if (!r->signers)
		return cs_err_set(err, CS_REFUSED, "no allowed signers are known here");
	if (r->revoked && cs_revoked_keys_has(r->revoked, key))
		rc = cs_err_set(err, CS_REFUSED, "the key %s is revoked", key->fingerprint);
	else
		rc = cs_signers_find(principal, r->signers, key, CS_NS_REVIEW, r->now_ns, err);
	*dead = rc == CS_REFUSED && cs_signers_find(principal, r->signers, key, CS_NS_REVIEW,
						    CS_SIGNERS_EVER, NULL) == 0;
	return *dead ? 0 : rc;
}

static int check_times(const struct cs_signoff *s, int64_t now_ns, struct cs_err *err)
{
	if (s->created_ns > now_ns + CLOCK_SKEW)
		return cs_err_set(err, CS_REFUSED, "the verdict is from the future");
	if (s->expires_ns && now_ns >= s->expires_ns)
		return cs_err_set(err, CS_REFUSED, "the verdict has expired");
	return 0;
}

static int read_signature(struct candidate *c, const struct cs_envelope_sig *sig,
			  struct cs_err *err)
{
	struct cs_verified_signoff *v = cs_calloc(1, sizeof(*v));
	struct cs_ssh_key key = CS_SSH_KEY_INIT;
	struct cs_reviews *r = c->reviews;
	uint8_t digest[CS_SHA256_LEN];
	const char *principal = NULL;
	bool dead = false;
	int rc = identify(&principal, &key, &dead, c, sig, err);

	cs_signoff_init(&v->signoff);
	if (rc == 0)
		rc = cs_signoff_parse(&v->signoff, c->envelope.payload.data,
				      c->envelope.payload.len, dead ? NULL : err);
	if (rc == 0 && dead && v->signoff.decision != CS_DECISION_REVOKED &&
	    v->signoff.decision != CS_DECISION_CHANGES_REQUESTED)
		rc = CS_REFUSED;
	if (rc == 0)
		rc = check_times(&v->signoff, r->now_ns, err);
	if (rc == 0) {
		cs_sha256(digest, c->envelope.payload.data, c->envelope.payload.len);
		cs_hex(v->statement, digest, sizeof(digest));
		v->principal = cs_strdup(principal);
		memcpy(v->fingerprint, key.fingerprint, sizeof(v->fingerprint));
		v->touched = key.touched;
		v->pin = key.pin;
		CS_GROW(r->list, r->n, r->cap);
		r->list[r->n++] = v;
		r->sorted = false;
	} else {
		verified_free(v);
	}
	cs_ssh_key_release(&key);
	return rc;
}

static void read_envelope(struct candidate *c, const char *line, size_t len)
{
	struct cs_err why = CS_ERR_INIT;
	bool counts = false;

	if (cs_envelope_parse(&c->envelope, line, len, &why) < 0) {
		reject(c, why.msg);
		return;
	}
	if (strcmp(c->envelope.payload_type, CS_IN_TOTO_TYPE) != 0) {
		reject(c, "the envelope holds no in-toto statement");
		return;
	}
	cs_dsse_pae(&c->pae, c->envelope.payload_type, c->envelope.payload.data,
		    c->envelope.payload.len);
	for (size_t i = 0; i < c->envelope.n_sigs; i++)
		counts |= read_signature(c, &c->envelope.sigs[i], &why) == 0;
	if (!counts)
		reject(c, why.msg);
}

static int take_line(struct cs_reviews *r, const char *line, size_t len, struct cs_err *err)
{
	struct candidate c = { .reviews = r, .pae = CS_BUF_INIT };
	uint8_t digest[CS_SHA256_LEN];

	if (!len)
		return 0;
	cs_sha256(digest, line, len);
	if (!digests_add(&r->seen, digest))
		return 0;
	if (r->seen.n > MAX_REVIEWS)
		return cs_err_set(err, CS_LIMIT, "more than %d reviews", MAX_REVIEWS);
	cs_envelope_init(&c.envelope);
	read_envelope(&c, line, len);
	cs_envelope_release(&c.envelope);
	cs_buf_release(&c.pae);
	return 0;
}

/* ---- finding ---- */

static int take_lines(struct cs_reviews *r, const char *lines, size_t len, struct cs_err *err)
{
	const char *end = lines + len;
	int rc = 0;

	while (rc == 0 && lines < end) {
		const char *stop = memchr(lines, '\n', (size_t)(end - lines));
		size_t n = (size_t)((stop ? stop : end) - lines);

		rc = take_line(r, lines, n, err);
		lines += n + 1;
	}
	return rc;
}

int cs_reviews_find(struct cs_reviews *r, const struct cs_oid *object, struct cs_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && !r->all && i < r->n_notes; i++) {
		AUTO_BUF struct cs_buf lines = CS_BUF_INIT;

		rc = cs_notes_read(&lines, r->repo, &r->notes[i], object, err);
		if (rc == 0)
			rc = take_lines(r, lines.data, lines.len, err);
	}
	return rc;
}

struct everything {
	struct cs_reviews *reviews;
	struct cs_err *err;
};

static int take_note(void *arg, const struct cs_oid *object, const char *lines, size_t len)
{
	const struct everything *e = arg;

	(void)object;
	return take_lines(e->reviews, lines, len, e->err);
}

int cs_reviews_find_all(struct cs_reviews *r, struct cs_err *err)
{
	struct everything e = { r, err };
	int rc = 0;

	for (size_t i = 0; rc == 0 && !r->all && i < r->n_notes; i++)
		rc = cs_notes_each(r->repo, &r->notes[i], take_note, &e, err);
	if (rc == 0)
		r->all = true;
	return rc;
}

static int by_statement(const void *va, const void *vb)
{
	const struct cs_verified_signoff *const *a = va;
	const struct cs_verified_signoff *const *b = vb;
	int c = strcmp((*a)->statement, (*b)->statement);

	if (!c)
		c = strcmp((*a)->fingerprint, (*b)->fingerprint);
	/* One key may have signed twice, and been touched once. */
	if (!c)
		c = (*a)->touched - (*b)->touched;
	return c ? c : (*a)->pin - (*b)->pin;
}

/* Sorted, and each once: the same signed bytes may have come in many envelopes. */
static void tidy(struct cs_reviews *r)
{
	size_t kept = 0;

	if (r->n)
		qsort(r->list, r->n, sizeof(struct cs_verified_signoff *), by_statement);
	for (size_t i = 0; i < r->n; i++) {
		if (kept && by_statement(&r->list[kept - 1], &r->list[i]) == 0)
			verified_free(r->list[i]);
		else
			r->list[kept++] = r->list[i];
	}
	r->n = kept;
	r->sorted = true;
}

const struct cs_verified_signoff *const *cs_reviews_list(struct cs_reviews *r, size_t *n)
{
	if (!r->sorted)
		tidy(r);
	*n = r->n;
	return (const struct cs_verified_signoff *const *)r->list;
}

const struct cs_rejected_review *cs_reviews_rejected(const struct cs_reviews *r, size_t *n)
{
	*n = r->n_rejected;
	return r->rejected;
}
