/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who signed which transition. Theory of operation:
 *
 * The ledger is built from verified sign-offs and nothing else: no repository, no clock of its own,
 * no order (lists in any order give the same ledger). A sign-off gets one standing, the first that
 * applies, and only GATE_STANDS ever counts. Its transitions become entries, sorted, so that all
 * that was said about a transition lies together; a transition is the same when path, both modes
 * and both digests are, and nothing less will do.
 *
 * Revocations are looked at first and need nothing but the same principal: neither `signer` nor
 * presence nor reference, since taking a word back must never be harder than giving it. The
 * revoked word is named by the digest of its statement, and it does not matter which of the two
 * came first: a sign-off that is brought back later stays revoked.
 *
 * "Changes requested" works on two levels. It takes its author's own earlier sign-offs of the same
 * transitions away, and it objects to the change (by digest) that it was said about until its
 * author signs that change off, or revokes the request.
 */
#include "internal.h"

#include <string.h>
#include <strings.h>

static int compare_side(const struct cs_side *a, const struct cs_side *b)
{
	if (a->mode != b->mode)
		return a->mode < b->mode ? -1 : 1;
	return strcmp(a->digest, b->digest);
}

static int compare_transition(const struct cs_transition *a, const struct cs_transition *b)
{
	int order = strcmp(a->path, b->path);

	if (!order)
		order = compare_side(&a->before, &b->before);
	return order ? order : compare_side(&a->after, &b->after);
}

static int by_transition(const void *va, const void *vb)
{
	const struct gate_entry *a = va;
	const struct gate_entry *b = vb;
	int order = compare_transition(a->transition, b->transition);

	if (!order)
		order = a->signoff < b->signoff ? -1 : a->signoff > b->signoff;
	return order;
}

/* ---- standing ---- */

struct revocation {
	const char *statement, *principal;
};

static int by_statement(const void *va, const void *vb)
{
	const struct revocation *a = va;
	const struct revocation *b = vb;
	int order = strcmp(a->statement, b->statement);

	return order ? order : strcasecmp(a->principal, b->principal);
}

/* All that anybody took back, sorted. */
static struct revocation *revocations(size_t *n, const struct gate_ledger *l)
{
	struct revocation *list = NULL;
	size_t cap = 0;

	*n = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct cs_verified_signoff *v = l->list[i];

		if (v->signoff.decision != CS_DECISION_REVOKED)
			continue;
		for (size_t k = 0; k < v->signoff.revokes.n; k++) {
			CS_GROW(list, *n, cap);
			list[(*n)++] = (struct revocation){ v->signoff.revokes.v[k], v->principal };
		}
	}
	if (*n)
		qsort(list, *n, sizeof(*list), by_statement);
	return list;
}

static bool matches_any(const struct cs_strv *patterns, const char *principal)
{
	for (size_t i = 0; patterns && i < patterns->n; i++)
		if (cs_wildmatch(patterns->v[i], principal, false))
			return true;
	return false;
}

static bool is_present(enum gate_presence wanted, const struct cs_verified_signoff *v)
{
	switch (wanted) {
	case GATE_PRESENCE_NONE:
		return true;
	case GATE_PRESENCE_TOUCH:
		return v->touched;
	case GATE_PRESENCE_PIN:
		return v->touched && v->pin;
	case GATE_PRESENCE_UNKNOWN:
		break;
	}
	return false;
}

static enum gate_standing stand(const struct cs_verified_signoff *v, const struct gate_terms *terms,
				const struct revocation *revoked, size_t n_revoked)
{
	const struct cs_signoff *s = &v->signoff;
	const struct revocation me = { v->statement, v->principal };

	if (s->decision != CS_DECISION_SIGNED_OFF && s->decision != CS_DECISION_CHANGES_REQUESTED)
		return GATE_VOID;
	if (!s->repository || !terms->repositories ||
	    !cs_strv_has(terms->repositories, s->repository))
		return GATE_OTHER_REPOSITORY;
	if (!s->target_ref || strcmp(s->target_ref, terms->ref) != 0)
		return GATE_OTHER_REF;
	if (n_revoked && bsearch(&me, revoked, n_revoked, sizeof(*revoked), by_statement))
		return GATE_REVOKED;
	if (s->expires_ns && terms->now_ns >= s->expires_ns)
		return GATE_EXPIRED;
	if (!v->principal || !matches_any(terms->settings->signer, v->principal))
		return GATE_NOT_A_SIGNER;
	/* A request for changes protects: it asks for no proof of presence. */
	if (s->decision == CS_DECISION_SIGNED_OFF && !is_present(terms->settings->presence, v))
		return GATE_NO_PRESENCE;
	return GATE_STANDS;
}

/* ---- the ledger ---- */

static void add_entries(struct gate_ledger *l)
{
	size_t at = 0;

	for (size_t i = 0; i < l->n; i++)
		l->n_entries += l->list[i]->signoff.change.n;
	l->entries = cs_calloc(l->n_entries + 1, sizeof(*l->entries));
	for (size_t i = 0; i < l->n; i++) {
		const struct cs_change *c = &l->list[i]->signoff.change;

		for (size_t k = 0; k < c->n; k++)
			l->entries[at++] = (struct gate_entry){ &c->list[k], i };
	}
	if (at)
		qsort(l->entries, at, sizeof(*l->entries), by_transition);
}

void gate_ledger_build(struct gate_ledger *out, const struct cs_verified_signoff *const *list,
		       size_t n, const struct gate_terms *terms)
{
	AUTO_FREE struct revocation *revoked = NULL;
	size_t n_revoked = 0;

	*out = (struct gate_ledger){ .list = list, .n = n };
	out->standing = cs_calloc(n + 1, sizeof(*out->standing));
	revoked = revocations(&n_revoked, out);
	for (size_t i = 0; i < n; i++)
		out->standing[i] = stand(list[i], terms, revoked, n_revoked);
	add_entries(out);
}

void gate_ledger_release(struct gate_ledger *l)
{
	free(l->standing);
	free(l->entries);
	*l = (struct gate_ledger){ 0 };
}

const struct gate_entry *gate_ledger_find(const struct gate_ledger *l,
					  const struct cs_transition *t, size_t *n)
{
	size_t low = 0;
	size_t high = l->n_entries;
	size_t end;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_transition(l->entries[mid].transition, t) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < l->n_entries; end++)
		if (compare_transition(l->entries[end].transition, t) != 0)
			break;
	*n = end - low;
	return l->entries + low;
}

static bool same_principal(const struct cs_verified_signoff *a, const struct cs_verified_signoff *b)
{
	return !strcasecmp(a->principal, b->principal);
}

static bool is_request(const struct gate_ledger *l, size_t i)
{
	return l->list[i]->signoff.decision == CS_DECISION_CHANGES_REQUESTED &&
	       l->standing[i] == GATE_STANDS;
}

bool gate_ledger_superseded(const struct gate_ledger *l, const struct gate_entry *entries, size_t n,
			    size_t signoff)
{
	const struct cs_verified_signoff *mine = l->list[signoff];

	for (size_t i = 0; i < n; i++) {
		const struct cs_verified_signoff *v = l->list[entries[i].signoff];

		if (is_request(l, entries[i].signoff) && same_principal(v, mine) &&
		    v->signoff.created_ns >= mine->signoff.created_ns)
			return true;
	}
	return false;
}

/* Has the author of a request signed the same change off since? */
static bool is_settled(const struct gate_ledger *l, const struct cs_verified_signoff *request)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct cs_verified_signoff *v = l->list[i];

		if (v->signoff.decision == CS_DECISION_SIGNED_OFF &&
		    l->standing[i] == GATE_STANDS && same_principal(v, request) &&
		    !strcmp(v->signoff.change_digest, request->signoff.change_digest) &&
		    v->signoff.created_ns > request->signoff.created_ns)
			return true;
	}
	return false;
}

const struct cs_verified_signoff *gate_ledger_objection(const struct gate_ledger *l,
							const char *change_digest)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct cs_verified_signoff *v = l->list[i];

		if (is_request(l, i) && !strcmp(v->signoff.change_digest, change_digest) &&
		    !is_settled(l, v))
			return v;
	}
	return NULL;
}

/* ---- words and names ---- */

char *gate_address(const char *person)
{
	const char *open = strrchr(person, '<');
	const char *close = open ? strchr(open, '>') : NULL;

	return open && close ? cs_strndup(open + 1, (size_t)(close - open - 1)) : cs_strdup(person);
}
