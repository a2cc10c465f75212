/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging layers. For each key: the base is what the managed layer says, else what is built in.
 * The other layers follow in rising precedence. A layer that may loosen replaces the value or
 * adds to the list; but where a managed value exists, and for a layer that may only tighten, the
 * tighter of both counts and further grants are dropped. What is dropped is remembered and shown,
 * and is an error where a managed value overrules what a human has just typed (CS_LAYER_OPTION).
 *
 * Whatever has no order (CS_MERGE_CHOICE) counts as loosening. A slot that no statement touched
 * keeps its base.
 */
#include "model.h"

#include <strings.h>

static bool may_loosen(enum cs_policy_layer layer)
{
	static const bool may[] = {
		[CS_LAYER_BUILTIN] = true, [CS_LAYER_REPOSITORY] = false,
		[CS_LAYER_TRUSTED] = true, [CS_LAYER_OPERATOR] = true,
		[CS_LAYER_FILE] = true,	   [CS_LAYER_OPTION] = true,
		[CS_LAYER_MANAGED] = true,
	};

	return (size_t)layer < CS_COUNT(may) && may[layer];
}

/* ---- scalars --------------------------------------------------------------------------------- */

/* Lower is tighter. */
static int64_t rank(const struct cs_policy_key *key, int64_t number)
{
	if (key->merge == CS_MERGE_FLOOR)
		return -number;
	if (key->merge == CS_MERGE_CAP && !number)
		return INT64_MAX;
	return number;
}

static bool tighter(const struct cs_policy_key *key, const struct cs_policy_value *a,
		    const struct cs_policy_value *b)
{
	if (key->merge == CS_MERGE_CHOICE)
		return false;
	if (key->merge == CS_MERGE_NOTE)
		return true;
	return rank(key, a->number) < rank(key, b->number) ||
	       (key->kind == CS_KIND_MEMORY && rank(key, a->percent) < rank(key, b->percent));
}

static void take(struct cs_policy_slot *slot, const struct cs_policy_statement *st)
{
	cs_policy_value_release(&slot->value);
	cs_policy_value_copy(&slot->value, &st->value);
	slot->from = st;
}

/* Takes what is tighter in st; memory has two halves. True if st now counts. */
static bool tighten(struct cs_policy_slot *slot, const struct cs_policy_statement *st)
{
	const struct cs_policy_key *key = slot->key;
	int64_t number = slot->value.number;
	int64_t percent = slot->value.percent;

	if (!tighter(key, &st->value, &slot->value))
		return false;
	take(slot, st);
	if (key->kind == CS_KIND_MEMORY) {
		if (rank(key, number) < rank(key, slot->value.number))
			slot->value.number = number;
		if (rank(key, percent) < rank(key, slot->value.percent))
			slot->value.percent = percent;
	}
	return true;
}

static bool same_value(const struct cs_policy_value *a, const struct cs_policy_value *b)
{
	return a->number == b->number && a->percent == b->percent;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static bool has_word(const struct cs_policy_slot *slot, const char *word)
{
	return cs_strv_has(&slot->value.list, word);
}

static void add_word(struct cs_policy_slot *slot, const char *word,
		     const struct cs_policy_statement *from)
{
	size_t n = slot->value.list.n;

	if (has_word(slot, word))
		return;
	CS_GROW(slot->words, n, slot->words_cap);
	slot->words[n].from = from;
	cs_strv_add(&slot->value.list, word);
	slot->from = from;
}

static void add_words(struct cs_policy_slot *slot, const struct cs_policy_statement *st)
{
	for (size_t i = 0; i < st->value.list.n; i++)
		add_word(slot, st->value.list.v[i], st);
}

/* Empties the list, but for what nobody can take away. */
static void clear_words(struct cs_policy_slot *slot, const struct cs_policy_statement *st)
{
	struct cs_strv old = slot->value.list;

	slot->value.list = (struct cs_strv)CS_STRV_INIT;
	for (size_t i = 0; i < old.n; i++) {
		const struct cs_policy_statement *from = slot->words[i].from;

		if (slot->key->floor && from && from->layer == CS_LAYER_BUILTIN)
			add_word(slot, old.v[i], from);
	}
	slot->from = st;
	cs_strv_release(&old);
}

/* ---- one statement --------------------------------------------------------------------------- */

static int ignore(struct cs_policy *policy, const struct cs_policy_statement *st,
		  const struct cs_policy_statement *managed, struct cs_err *err)
{
	if (st->layer == CS_LAYER_OPTION && managed)
		return cs_err_set(err, CS_REFUSED, "%s: %s.%s is held by %s", st->origin,
				  st->key->section, st->key->name, managed->origin);
	CS_GROW(policy->ignored, policy->n_ignored, policy->cap_ignored);
	policy->ignored[policy->n_ignored++] =
		(struct cs_policy_ignored){ .statement = st, .held_by = managed };
	return 0;
}

/* `managed`: the statement that holds this slot, or NULL. */
static int apply_list(struct cs_policy *policy, struct cs_policy_slot *slot,
		      const struct cs_policy_statement *st,
		      const struct cs_policy_statement *managed, struct cs_err *err)
{
	bool free_hand = may_loosen(st->layer) && !managed;

	if (slot->key->merge == CS_MERGE_CHOICE && free_hand &&
	    (!slot->from || st->document != slot->from->document))
		clear_words(slot, st); /* a new document chooses anew */
	if (!st->value.list.n) {
		if (slot->key->merge == CS_MERGE_GRANTS || free_hand)
			clear_words(slot, st);
		return 0;
	}
	if (free_hand || slot->key->merge == CS_MERGE_DEMANDS) {
		add_words(slot, st);
		return 0;
	}
	for (size_t i = 0; i < st->value.list.n; i++) {
		if (!has_word(slot, st->value.list.v[i]))
			return ignore(policy, st, managed, err);
	}
	return 0;
}

static int apply_scalar(struct cs_policy *policy, struct cs_policy_slot *slot,
			const struct cs_policy_statement *st,
			const struct cs_policy_statement *managed, struct cs_err *err)
{
	if (may_loosen(st->layer) && !managed) {
		take(slot, st);
		return 0;
	}
	if (slot->key->merge == CS_MERGE_NOTE && managed)
		return ignore(policy, st, managed, err);
	if (tighten(slot, st) || same_value(&slot->value, &st->value))
		return 0;
	return ignore(policy, st, managed, err);
}

/*
 * A managed scalar bounds the layers below it, one by one: a later layer may take back what an
 * earlier one tightened, up to what is managed.
 */
static int apply_below_managed(struct cs_policy *policy, struct cs_policy_slot *slot,
			       const struct cs_policy_statement *st,
			       const struct cs_policy_statement *managed,
			       const struct cs_policy_value *bound, struct cs_err *err)
{
	if (may_loosen(st->layer)) {
		cs_policy_value_release(&slot->value);
		cs_policy_value_copy(&slot->value, bound);
		slot->from = managed;
	}
	return apply_scalar(policy, slot, st, managed, err);
}

/* ---- one slot -------------------------------------------------------------------------------- */

static bool is_in_slot(const struct cs_policy_slot *slot, const struct cs_policy_key *key,
		       const char *subsection)
{
	if (slot->key != key || !slot->subsection != !subsection)
		return false;
	return !subsection || !strcmp(slot->subsection, subsection);
}

/* Walks the statements of one slot by precedence, within a layer in the order of adding. */
struct cursor {
	int layer;
	size_t next;
};

static const struct cs_policy_statement *
next_statement(struct cursor *at, const struct cs_policy *policy, const struct cs_policy_slot *slot)
{
	for (; at->layer <= CS_LAYER_MANAGED; at->layer++, at->next = 0) {
		while (at->next < policy->n_statements) {
			const struct cs_policy_statement *st = &policy->statements[at->next++];

			if ((int)st->layer == at->layer &&
			    is_in_slot(slot, st->key, st->subsection))
				return st;
		}
	}
	return NULL;
}

static int apply_default(struct cs_policy_slot *slot, struct cs_err *err)
{
	if (!slot->key->def)
		return 0;
	if (slot->key->kind == CS_KIND_LIST) {
		add_word(slot, slot->key->def, NULL);
		return 0;
	}
	if (slot->key->kind == CS_KIND_TEXT) {
		slot->value.text = cs_strdup(slot->key->def);
		return 0;
	}
	return cs_policy_value_parse(&slot->value, slot->key, slot->key->def, err);
}

static void apply_builtin(struct cs_policy_slot *slot, const struct cs_policy_statement *st)
{
	if (slot->key->kind != CS_KIND_LIST) {
		take(slot, st);
		return;
	}
	if (!slot->from && slot->key->merge == CS_MERGE_CHOICE)
		clear_words(slot, st);
	slot->from = st;
	add_words(slot, st);
}

static void apply_managed_list(struct cs_policy_slot *slot, const struct cs_policy_statement *st,
			       const struct cs_policy_statement *holder)
{
	bool anew = !holder && slot->key->merge == CS_MERGE_GRANTS;

	if (slot->key->merge == CS_MERGE_CHOICE)
		anew = !holder || holder->document != st->document;
	if (anew || !st->value.list.n)
		clear_words(slot, st);
	add_words(slot, st);
}

/*
 * The base of a slot: what is built in, then what is managed. Of several managed documents the
 * tightest value counts, lists unite, and where there is no order the later document replaces.
 * Returns the managed statement that holds the slot, or NULL.
 */
static const struct cs_policy_statement *apply_base(struct cs_policy_slot *slot,
						    const struct cs_policy *policy)
{
	const struct cs_policy_statement *holder = NULL;
	const struct cs_policy_statement *st;
	struct cursor at = { 0 };

	while ((st = next_statement(&at, policy, slot)) != NULL) {
		if (st->layer == CS_LAYER_BUILTIN)
			apply_builtin(slot, st);
		if (st->layer != CS_LAYER_MANAGED)
			continue;
		if (slot->key->kind == CS_KIND_LIST)
			apply_managed_list(slot, st, holder);
		else if (!holder || slot->key->merge == CS_MERGE_CHOICE)
			take(slot, st);
		else
			tighten(slot, st);
		holder = st;
	}
	return holder;
}

static int merge_slot(struct cs_policy *policy, struct cs_policy_slot *slot, struct cs_err *err)
{
	CS_AUTO(cs_policy_value_release) struct cs_policy_value bound = { 0 };
	const struct cs_policy_statement *managed;
	const struct cs_policy_statement *st;
	struct cursor at = { .layer = CS_LAYER_BUILTIN + 1 };
	int rc = apply_default(slot, err);

	managed = apply_base(slot, policy);
	cs_policy_value_copy(&bound, &slot->value);
	while (rc == 0 && (st = next_statement(&at, policy, slot)) != NULL) {
		if (st->layer == CS_LAYER_MANAGED)
			break;
		if (slot->key->kind == CS_KIND_LIST)
			rc = apply_list(policy, slot, st, managed, err);
		else if (managed)
			rc = apply_below_managed(policy, slot, st, managed, &bound, err);
		else
			rc = apply_scalar(policy, slot, st, NULL, err);
	}
	if (rc == 0 && slot->value.list.n > CS_POLICY_MAX_WORDS)
		return cs_err_set(err, CS_LIMIT, "%s.%s: more than %d words", slot->key->section,
				  slot->key->name, CS_POLICY_MAX_WORDS);
	return rc;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void add_slot(struct cs_policy *policy, const struct cs_policy_key *key,
		     const char *subsection)
{
	for (size_t i = 0; i < policy->n_slots; i++) {
		if (is_in_slot(&policy->slots[i], key, subsection))
			return;
	}
	CS_GROW(policy->slots, policy->n_slots, policy->cap_slots);
	policy->slots[policy->n_slots++] = (struct cs_policy_slot){
		.key = key,
		.subsection = subsection,
	};
}

/* Every key of the table that has a value, and all keys of each subsection that is named. */
static void add_slots(struct cs_policy *policy)
{
	const struct cs_policy_key *key;

	for (size_t k = 0; (key = cs_policy_key_at(k)) != NULL; k++) {
		for (size_t i = 0; i < policy->n_statements; i++) {
			const struct cs_policy_statement *st = &policy->statements[i];

			if (st->subsection ? !strcmp(st->key->section, key->section)
					   : st->key == key)
				add_slot(policy, key, st->subsection);
		}
	}
}

/* By the table, which keeps sections together; within a section by subsection. */
static int by_place(const void *left, const void *right)
{
	const struct cs_policy_slot *a = left;
	const struct cs_policy_slot *b = right;
	int order = 0;

	if (!strcmp(a->key->section, b->key->section) && a->subsection && b->subsection)
		order = strcmp(a->subsection, b->subsection);
	if (!order)
		order = a->key < b->key ? -1 : a->key > b->key;
	return order;
}

/* A command rule needs a decision: a reason alone decides nothing. */
static int check_commands(const struct cs_policy *policy, struct cs_err *err)
{
	for (size_t i = 0; i < policy->n_statements; i++) {
		const struct cs_policy_statement *st = &policy->statements[i];
		bool decided = strcmp(st->key->section, "command") != 0;

		for (size_t k = 0; k < policy->n_statements && !decided; k++) {
			const struct cs_policy_statement *other = &policy->statements[k];

			decided = !strcmp(other->key->section, "command") &&
				  !strcmp(other->key->name, "decision") &&
				  !strcmp(other->subsection, st->subsection);
		}
		if (!decided)
			return cs_err_set(err, CS_CORRUPT, "%s: this command has no decision",
					  st->origin);
	}
	return 0;
}

int cs_policy_merge(struct cs_policy *policy, struct cs_err *err)
{
	add_slots(policy);
	if (policy->n_slots)
		qsort(policy->slots, policy->n_slots, sizeof(*policy->slots), by_place);
	for (size_t i = 0; i < policy->n_slots; i++) {
		int rc = merge_slot(policy, &policy->slots[i], err);

		if (rc < 0)
			return rc;
	}
	return check_commands(policy, err);
}

static bool is_named(const struct cs_policy_slot *slot, const char *name)
{
	AUTO_BUF struct cs_buf full = CS_BUF_INIT;

	cs_buf_addf(&full, "%s.", slot->key->section);
	if (slot->subsection)
		cs_buf_addf(&full, "%s.", slot->subsection);
	cs_buf_adds(&full, slot->key->name);
	return !strcasecmp(full.data, name);
}

const struct cs_policy_slot *cs_policy_slot_find(const struct cs_policy *policy, const char *name)
{
	if (!policy || !policy->sealed)
		return NULL;
	for (size_t i = 0; i < policy->n_slots; i++) {
		if (is_named(&policy->slots[i], name))
			return &policy->slots[i];
	}
	return NULL;
}
