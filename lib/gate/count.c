/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who counts for one transition of one commit. A sign-off that stands (ledger.c) counts when its
 * author has not asked for changes since, is not judging himself where that is not wanted, and the
 * state it starts from is still the one that was seen (line.c). A person counts once, however many
 * sign-offs, keys or spellings of an address he has.
 */
#include "internal.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- digests ---- */

static int fill_side(struct gate_judge *j, struct cs_side *side, struct cs_err *err)
{
	uint8_t digest[CS_SHA256_LEN];
	const size_t *at;
	int rc;

	if (*side->digest)
		return 0;
	if (!side->mode) {
		memcpy(side->digest, "-", sizeof("-"));
		return 0;
	}
	if ((side->mode & S_IFMT) == CS_MODE_GITLINK) {
		cs_oid_hex(side->digest, &side->oid);
		return 0;
	}
	at = gate_map_get(&j->hashed, &side->oid);
	if (!at) {
		rc = cs_repo_blob_sha256(digest, j->opts->repo, &side->oid, err);
		if (rc < 0)
			return rc;
		CS_GROW(j->hashes, j->n_hashes, j->cap_hashes);
		cs_hex(j->hashes[j->n_hashes], digest, sizeof(digest));
		gate_map_put(&j->hashed, &side->oid, j->n_hashes++);
		at = gate_map_get(&j->hashed, &side->oid);
	}
	memcpy(side->digest, j->hashes[*at], CS_SHA256_HEX);
	return 0;
}

int gate_fill_digests(struct gate_judge *j, struct cs_transition *t, struct cs_err *err)
{
	int rc = fill_side(j, &t->before, err);

	return rc < 0 ? rc : fill_side(j, &t->after, err);
}

bool gate_knows_content(const struct gate_judge *j, const char *digest)
{
	for (size_t i = 0; i < j->ledger.n; i++) {
		const struct cs_signoff *s = &j->ledger.list[i]->signoff;

		if (j->ledger.standing[i] != GATE_STANDS || s->decision != CS_DECISION_SIGNED_OFF)
			continue;
		for (size_t k = 0; k < s->change.n; k++)
			if (!strcmp(s->change.list[k].after.digest, digest))
				return true;
	}
	return false;
}

/* ---- one's own work ---- */

enum own { OWN_NO = 0, OWN_YES, OWN_UNKNOWN };

static bool is_person(const char *principal, const char *person)
{
	AUTO_FREE char *address = gate_address(person);

	return !strcasecmp(principal, address);
}

/* Did the principal write or commit this? OWN_UNKNOWN: the commit is not here. */
static int wrote(enum own *out, const struct gate_judge *j, const char *principal,
		 const struct cs_oid *oid, struct cs_err *err)
{
	struct cs_commit c = { .parents = NULL };
	int rc = oid->len ? cs_repo_read_commit(&c, j->opts->repo, oid, err) : CS_NOTFOUND;

	*out = OWN_UNKNOWN;
	if (rc == CS_NOTFOUND)
		return 0;
	if (rc < 0)
		return rc;
	*out = is_person(principal, c.author) || is_person(principal, c.committer) ? OWN_YES
										   : OWN_NO;
	cs_commit_release(&c);
	return 0;
}

/*
 * The change commit of a run, and its record, are committed by its operator. Where neither is here
 * nobody knows who that was, and with selfReview = false the sign-off does not count.
 */
static int is_own(enum own *out, const struct gate_judge *j, const struct gate_case *k,
		  const struct cs_verified_signoff *v, struct cs_err *err)
{
	enum own change = OWN_UNKNOWN;
	enum own record = OWN_UNKNOWN;
	int rc;

	*out = OWN_NO;
	if (j->settings.self_review)
		return 0;
	*out = OWN_YES;
	if (!strcasecmp(v->principal, k->author) || !strcasecmp(v->principal, k->committer))
		return 0;
	rc = wrote(&change, j, v->principal, &v->signoff.commit, err);
	if (rc == 0)
		rc = wrote(&record, j, v->principal, &v->signoff.record, err);
	if (rc < 0 || change == OWN_YES || record == OWN_YES)
		return rc;
	*out = *v->signoff.run && change == OWN_UNKNOWN && record == OWN_UNKNOWN ? OWN_UNKNOWN
										 : OWN_NO;
	return 0;
}

/* ---- the present ---- */

static bool is_exact(const struct gate_case *k, const struct cs_signoff *s)
{
	return cs_oid_equal(&s->tree, &k->commit.tree) &&
	       cs_oid_equal(&s->base_commit, &k->parent) && *k->digest &&
	       !strcmp(s->change_digest, k->digest);
}

/* Whether the state that was signed from is still the one that the commit starts from. */
static int check_present(bool *counts, struct gate_facts *f, struct gate_judge *j,
			 const struct gate_case *k, const struct cs_signoff *s,
			 const struct cs_transition *t, struct cs_err *err)
{
	const struct cs_oid *base = &s->base_commit;
	size_t to = GATE_UNRELATED;
	bool moved = false;
	int rc = gate_line_distance(&to, k->line, base, err);

	*counts = false;
	if (rc == 0 && to == GATE_UNRELATED && s->target_base.len) {
		base = &s->target_base;
		rc = gate_line_distance(&to, k->line, base, err);
	}
	if (rc < 0)
		return rc;
	if (to == GATE_UNRELATED) {
		f->base_unknown++;
		return 0;
	}
	rc = gate_line_moved(&moved, k->line, t, k->from, to, err);
	if (rc == 0 && !moved)
		rc = gate_target_left(&moved, j, t, k->behind, base, err);
	f->moved_on += rc == 0 && moved;
	*counts = rc == 0 && !moved;
	return rc;
}

/* ---- counting ---- */

struct count {
	struct gate_facts *f;
	struct gate_judge *j;
	struct gate_case *k;
	const struct cs_transition *t;
	const struct gate_entry *entries; /* of the same transition */
	size_t n;
	const char **principals; /* that count, so far */
};

static bool has_principal(const struct count *c, const char *principal)
{
	for (size_t i = 0; i < c->f->principals; i++)
		if (!strcasecmp(c->principals[i], principal))
			return true;
	return false;
}

static void take(struct count *c, const struct cs_verified_signoff *v)
{
	const struct cs_signoff *s = &v->signoff;

	if (!has_principal(c, v->principal))
		c->principals[c->f->principals++] = v->principal;
	c->f->acknowledged |= cs_strv_has(&s->acknowledged, c->t->path);
	c->f->objected |= gate_ledger_objection(&c->j->ledger, s->change_digest) != NULL;
	if (c->k->out && !cs_strv_has(&c->k->out->principals, v->principal))
		cs_strv_add(&c->k->out->principals, v->principal);
	if (c->k->out && !cs_oid_equal(&s->commit, &c->k->c->at->oid))
		c->k->out->carried = true;
}

static int count_one(struct count *c, size_t i, struct cs_err *err)
{
	const struct gate_ledger *l = &c->j->ledger;
	const size_t at = c->entries[i].signoff;
	const struct cs_verified_signoff *v = l->list[at];
	enum own own = OWN_UNKNOWN;
	bool counts = false;
	int rc;

	if (v->signoff.decision != CS_DECISION_SIGNED_OFF)
		return 0;
	c->f->standing[l->standing[at]]++;
	if (l->standing[at] != GATE_STANDS)
		return 0;
	if (gate_ledger_superseded(l, c->entries, c->n, at)) {
		c->f->superseded++;
		return 0;
	}
	rc = is_own(&own, c->j, c->k, v, err);
	if (rc < 0 || own != OWN_NO) {
		c->f->self += own == OWN_YES;
		c->f->operator_unknown += own == OWN_UNKNOWN;
		return rc;
	}
	if (!c->j->settings.transitions) {
		counts = is_exact(c->k, &v->signoff);
		c->f->not_exact += !counts;
	} else {
		rc = check_present(&counts, c->f, c->j, c->k, &v->signoff, c->t, err);
	}
	if (rc == 0 && counts)
		take(c, v);
	return rc;
}

int gate_count(struct gate_facts *f, struct gate_judge *j, struct gate_case *k,
	       const struct cs_transition *t, struct cs_err *err)
{
	struct count c = { .f = f, .j = j, .k = k, .t = t };
	AUTO_FREE const char **principals = NULL;
	int rc = 0;

	*f = (struct gate_facts){
		.wanted = (size_t)j->settings.signoffs,
		.merge = k->merge,
		.exact = !j->settings.transitions,
		.sensitive = cs_glob_matches(j->settings.sensitive, t->path),
	};
	c.entries = gate_ledger_find(&j->ledger, t, &c.n);
	principals = cs_calloc(c.n + 1, sizeof(*principals));
	c.principals = principals;
	f->objected = *k->digest && gate_ledger_objection(&j->ledger, k->digest);
	for (size_t i = 0; rc == 0 && i < c.n; i++)
		rc = count_one(&c, i, err);
	return rc;
}
