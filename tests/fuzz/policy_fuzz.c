/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy from anybody (the first byte says who): what seals can be written and read again, and
 * a repository's leaves nothing looser than the defaults.
 */
#include <stdlib.h>
#include "../../lib/policy/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct cs_policy *sealed(enum cs_policy_layer layer, const char *text, size_t len)
{
	struct cs_policy *p;

	cs_policy_new(&p);
	if (cs_policy_add(p, layer, "f", text, len, NULL) == 0 && cs_policy_seal(p, NULL) == 0)
		return p;
	if (cs_policy_digest(p) || cs_policy_slot_find(p, "sandbox.timeout"))
		abort();
	cs_policy_free(p);
	return NULL;
}

static int64_t looseness(const struct cs_policy_slot *slot, int64_t n)
{
	if (slot->key->merge == CS_MERGE_FLOOR)
		return -n;
	return slot->key->merge == CS_MERGE_CAP && !n ? INT64_MAX : n;
}

static bool has_all(const struct cs_strv *list, const struct cs_strv *words)
{
	for (size_t i = 0; i < words->n; i++) {
		if (!cs_strv_has(list, words->v[i]))
			return false;
	}
	return true;
}

static void must_not_loosen(const struct cs_policy *with, const struct cs_policy *without)
{
	for (size_t i = 0; i < without->n_slots; i++) {
		const struct cs_policy_slot *b = &without->slots[i];
		const struct cs_policy_slot *a = NULL;

		for (size_t k = 0; k < with->n_slots; k++) {
			const char *sub = with->slots[k].subsection;

			if (with->slots[k].key == b->key && !sub == !b->subsection &&
			    (!sub || !strcmp(sub, b->subsection)))
				a = &with->slots[k];
		}
		if (!a || looseness(a, a->value.number) > looseness(b, b->value.number) ||
		    looseness(a, a->value.percent) > looseness(b, b->value.percent))
			abort();
		if (a->key->merge != CS_MERGE_DEMANDS && !has_all(&b->value.list, &a->value.list))
			abort();
		if (a->key->merge == CS_MERGE_DEMANDS && !has_all(&a->value.list, &b->value.list))
			abort();
	}
	if (with->n_rules > without->n_rules)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum cs_policy_layer layer = len ? data[0] % (CS_LAYER_MANAGED + 1) : CS_LAYER_BUILTIN;
	AUTO_POLICY struct cs_policy *p = NULL;
	AUTO_POLICY struct cs_policy *again = NULL;
	AUTO_POLICY struct cs_policy *alone = NULL;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if (len < 1)
		return 0;
	p = sealed(layer, (const char *)data + 1, len - 1);
	if (!p)
		return 0;
	cs_policy_format(&text, p, true);
	again = sealed(CS_LAYER_OPERATOR, text.data, text.len);
	if (!again)
		abort();
	if (layer == CS_LAYER_REPOSITORY) {
		alone = sealed(layer, "", 0);
		must_not_loosen(p, alone);
	}
	return 0;
}
