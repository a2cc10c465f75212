/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts: the table of rules, the ledger of sign-offs, words of messages. No keys. */
#include "../../lib/gate/internal.h"
#include "random.h"
#include "unit.h"

#define PATHS  3
#define STATES 3
#define SIGNS  6

/* ---- rules ---- */

START_TEST(nothing_known_denies)
{
	const struct gate_facts nothing = { 0 };

	ck_assert_str_eq(gate_rule(&nothing), "signature-required");
}
END_TEST

/* Only enough principals, no objection, and an acknowledgement where it is wanted let pass. */
START_TEST(rules_are_complete)
{
	for (unsigned int bits = 0; bits < 1u << 16; bits++) {
		struct gate_facts f = { 0 };
		bool passes;

		for (size_t i = 0; i < GATE_STANDINGS; i++)
			f.standing[i] = bits >> i & 1;
		f.principals = bits >> 8 & 3;
		f.wanted = bits >> 10 & 3;
		f.objected = bits >> 12 & 1;
		f.sensitive = bits >> 13 & 1;
		f.acknowledged = bits >> 14 & 1;
		f.moved_on = f.base_unknown = f.self = bits >> 15 & 1;
		passes = f.principals >= (f.wanted ? f.wanted : 1) && !f.objected &&
			 (!f.sensitive || f.acknowledged);
		ck_assert_msg(passes == !gate_rule(&f), "bits %x", bits);
	}
}
END_TEST

/* ---- messages ---- */

static const struct {
	const char *message, *run;
	bool found;
} messages[] = {
	{ "t\n\nAgent-Run: 0123456789abcdef0123456789abcdef\n", "0123456789abcdef0123456789abcdef",
	  true },
	{ "t\n\nagent-run : 0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef",
	  true },
	{ "t\n\nAgent-Run: 0123456789ABCDEF0123456789abcdef\n", "", true },
	{ "t\n\nAgent-Run: 12\n\n \n\n", "", true },
	{ "t\n\nAgent-Run: 0123456789abcdef0123456789abcdef\n\nnot the last\n", "", false },
	{ "t\n\n Agent-Run: 0123456789abcdef0123456789abcdef\n", "", false },
	{ "t\n\nAgent-Running: 1\n", "", false },
	{ "", "", false },
	{ "Agent-Run:", "", true },
};

START_TEST(trailer)
{
	char run[33] = "";

	ck_assert_int_eq(gate_trailer_run(run, messages[_i].message), messages[_i].found);
	ck_assert_str_eq(run, messages[_i].run);
}
END_TEST

/* ---- the ledger ---- */

struct world {
	struct cs_verified_signoff signs[SIGNS];
	const struct cs_verified_signoff *list[SIGNS];
	struct cs_transition transitions[SIGNS][2];
	size_t n;
};

static const char *const people[] = { "a@x", "b@x", "A@x" };
static const char *const places[] = { "r", "other" };
static const char *const refs[] = { "refs/heads/main", "refs/heads/x" };

static struct cs_transition make_transition(struct random *r)
{
	static const char *const paths[PATHS] = { "a", "b", "dir/a" };
	struct cs_transition t = { .path = (char *)paths[random_below(r, PATHS)] };

	t.before.mode = random_below(r, 2) ? CS_MODE_FILE : CS_MODE_EXEC;
	t.after.mode = CS_MODE_FILE;
	t.before.digest[0] = (char)('0' + random_below(r, STATES));
	t.after.digest[0] = (char)('0' + random_below(r, STATES));
	return t;
}

static void make_sign(struct world *w, size_t i, struct random *r)
{
	struct cs_verified_signoff *v = &w->signs[i];
	struct cs_signoff *s = &v->signoff;

	s->decision = (enum cs_decision_word)random_below(r, 4);
	s->repository = (char *)places[random_below(r, 4) == 0];
	s->target_ref = (char *)refs[random_below(r, 4) == 0];
	s->created_ns = 1 + random_below(r, 3);
	s->expires_ns = random_below(r, 4) ? 0 : 5 + random_below(r, 10);
	s->change.n = 1 + random_below(r, 2);
	s->change.list = w->transitions[i];
	for (size_t k = 0; k < s->change.n; k++)
		w->transitions[i][k] = make_transition(r);
	s->change_digest[0] = (char)('0' + random_below(r, 2));
	v->statement[0] = (char)('A' + (char)i);
	v->principal = (char *)people[random_below(r, 3)];
	v->touched = random_below(r, 2);
	v->pin = random_below(r, 2);
	if (s->decision == CS_DECISION_REVOKED) {
		char target[2] = { (char)('A' + (char)random_below(r, SIGNS)), '\0' };

		cs_strv_add(&s->revokes, target);
	}
	w->list[i] = v;
}

static void release(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		cs_strv_release(&w->signs[i].signoff.revokes);
}

static bool same_transition(const struct cs_transition *a, const struct cs_transition *b)
{
	return !strcmp(a->path, b->path) && a->before.mode == b->before.mode &&
	       a->after.mode == b->after.mode && !strcmp(a->before.digest, b->before.digest) &&
	       !strcmp(a->after.digest, b->after.digest);
}

static bool has(const struct cs_signoff *s, const struct cs_transition *t)
{
	for (size_t i = 0; i < s->change.n; i++)
		if (same_transition(&s->change.list[i], t))
			return true;
	return false;
}

/* The oracle, written from the words of the header and in no hurry. */
static bool naive_stands(const struct world *w, size_t i, enum gate_presence presence)
{
	const struct cs_verified_signoff *v = &w->signs[i];
	const struct cs_signoff *s = &v->signoff;
	bool present = presence == GATE_PRESENCE_NONE ||
		       (presence == GATE_PRESENCE_TOUCH && v->touched) ||
		       (presence == GATE_PRESENCE_PIN && v->touched && v->pin);

	if (s->decision == CS_DECISION_CHANGES_REQUESTED)
		present = true;
	else if (s->decision != CS_DECISION_SIGNED_OFF)
		return false;
	for (size_t k = 0; k < w->n; k++)
		if (w->signs[k].signoff.decision == CS_DECISION_REVOKED &&
		    !strcasecmp(w->signs[k].principal, v->principal) &&
		    cs_strv_has(&w->signs[k].signoff.revokes, v->statement))
			return false;
	return present && !strcmp(s->repository, "r") && !strcmp(s->target_ref, refs[0]) &&
	       (!s->expires_ns || s->expires_ns > 10) && strcasecmp(v->principal, "b@x") != 0;
}

static bool naive_counts(const struct world *w, size_t i, const struct cs_transition *t,
			 enum gate_presence presence)
{
	if (!naive_stands(w, i, presence) || !has(&w->signs[i].signoff, t) ||
	    w->signs[i].signoff.decision != CS_DECISION_SIGNED_OFF)
		return false;
	for (size_t k = 0; k < w->n; k++)
		if (w->signs[k].signoff.decision == CS_DECISION_CHANGES_REQUESTED &&
		    naive_stands(w, k, presence) && has(&w->signs[k].signoff, t) &&
		    !strcasecmp(w->signs[k].principal, w->signs[i].principal) &&
		    w->signs[k].signoff.created_ns >= w->signs[i].signoff.created_ns)
			return false;
	return true;
}

/* The statements of the sign-offs that count for t, as bits. */
static unsigned int ledger_counts(const struct gate_ledger *l, const struct cs_transition *t)
{
	size_t n = 0;
	const struct gate_entry *e = gate_ledger_find(l, t, &n);
	unsigned int bits = 0;

	for (size_t i = 0; i < n; i++) {
		const struct cs_verified_signoff *v = l->list[e[i].signoff];

		if (l->standing[e[i].signoff] == GATE_STANDS &&
		    v->signoff.decision == CS_DECISION_SIGNED_OFF &&
		    !gate_ledger_superseded(l, e, n, e[i].signoff))
			bits |= 1u << (v->statement[0] - 'A');
	}
	return bits;
}

static void check_world(struct world *w, struct random *r)
{
	struct cs_strv repositories = CS_STRV_INIT;
	struct cs_strv signer = CS_STRV_INIT;
	struct gate_settings settings = {
		.signer = &signer,
		.presence = (enum gate_presence)random_below(r, 4),
	};
	const struct gate_terms terms = { &repositories, refs[0], &settings, 10 };
	const struct cs_transition t = make_transition(r);
	struct gate_ledger l;
	unsigned int naive = 0;
	bool objected[2];

	cs_strv_add(&repositories, "r");
	cs_strv_add(&signer, "[aA]@*");
	for (size_t i = 0; i < w->n; i++)
		naive |= (unsigned int)naive_counts(w, i, &t, settings.presence) << i;
	for (int turn = 0; turn < 2; turn++) {
		gate_ledger_build(&l, w->list, w->n, &terms);
		ck_assert_msg(ledger_counts(&l, &t) == naive, "SEED=%llu: %x, not %x",
			      (unsigned long long)r->seed, ledger_counts(&l, &t), naive);
		objected[turn] = gate_ledger_objection(&l, "0") != NULL;
		gate_ledger_release(&l);
		/* and in another order */
		for (size_t i = w->n; i > 1; i--) {
			size_t k = random_below(r, (unsigned int)i);
			const struct cs_verified_signoff *x = w->list[i - 1];

			w->list[i - 1] = w->list[k];
			w->list[k] = x;
		}
	}
	ck_assert(objected[0] == objected[1]);
	cs_strv_release(&repositories);
	cs_strv_release(&signer);
}

START_TEST(ledger_as_the_header_says)
{
	struct random r = random_seeded();

	for (int i = 0; i < 30000; i++) {
		struct world w = { .n = random_below(&r, SIGNS + 1) };

		for (size_t k = 0; k < w.n; k++)
			make_sign(&w, k, &r);
		check_world(&w, &r);
		release(&w);
	}
}
END_TEST

/* ---- maps ---- */

START_TEST(map)
{
	struct random r = random_seeded();
	struct gate_map m = { 0 };
	struct cs_oid ids[500];

	memset(ids, 0, sizeof(ids));
	for (size_t i = 0; i < CS_COUNT(ids); i++) {
		ids[i].len = 20;
		for (size_t k = 0; k < 20; k++)
			ids[i].bytes[k] = (uint8_t)(k < 8 ? random_below(&r, 2) : random_next(&r));
		ck_assert_ptr_null(gate_map_get(&m, &ids[i]));
		gate_map_put(&m, &ids[i], i);
	}
	for (size_t i = 0; i < CS_COUNT(ids); i++)
		ck_assert_uint_eq(*gate_map_get(&m, &ids[i]), i);
	gate_map_release(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gate_decide");
	TCase *t = tcase_create("decide");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, nothing_known_denies);
	tcase_add_test(t, rules_are_complete);
	tcase_add_loop_test(t, trailer, 0, (int)CS_COUNT(messages));
	tcase_add_test(t, ledger_as_the_header_says);
	tcase_add_test(t, map);
	suite_add_tcase(s, t);
	return unit_run(s);
}
