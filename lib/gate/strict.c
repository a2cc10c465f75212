/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose commits are not judged again. What another protected reference has was judged by that
 * reference's rules: where they ask for less (fewer people, other people, no touch), a change would
 * pass the stricter reference by way of the other one.
 */
#include "internal.h"

#include <string.h>

/* Nobody may sign for a who may not sign for b. Patterns are compared as words. */
static bool no_other_signers(const struct cs_strv *a, const struct cs_strv *b)
{
	if (b && cs_strv_has(b, "*"))
		return true;
	for (size_t i = 0; a && i < a->n; i++)
		if (!b || !cs_strv_has(b, a->v[i]))
			return false;
	return true;
}

static bool is_as_strict(const struct gate_settings *a, const struct gate_settings *b)
{
	if (a->require != GATE_REQUIRE_ALL)
		return false;
	/* Nothing is asked there. */
	if (!b->section)
		return true;
	return a->signoffs >= b->signoffs && a->presence != GATE_PRESENCE_UNKNOWN &&
	       b->presence != GATE_PRESENCE_UNKNOWN && a->presence <= b->presence &&
	       (b->transitions || !a->transitions) && (b->self_review || !a->self_review) &&
	       no_other_signers(a->signer, b->signer);
}

int cs_gate_as_strict(bool *out, const struct cs_gate_opts *opts, const char *ref,
		      const char *target, struct cs_err *err)
{
	struct gate_settings a = { 0 };
	struct gate_settings b = { 0 };
	int rc = gate_settings_find(&a, opts, ref, false, err);

	if (rc == 0)
		rc = gate_settings_find(&b, opts, target, false, err);
	if (rc == 0)
		*out = a.section && is_as_strict(&a, &b);
	gate_settings_release(&a);
	gate_settings_release(&b);
	return rc;
}
