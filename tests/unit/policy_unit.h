/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of lib/policy share. */
#ifndef COUNTERSIGN_POLICY_UNIT_H
#define COUNTERSIGN_POLICY_UNIT_H

#include "../../lib/policy/model.h"
#include "unit.h"

static inline void add(struct cs_policy *p, enum cs_policy_layer layer, const char *file,
		       const char *text)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_policy_add(p, layer, file, text, strlen(text), &err) == 0, "%s", err.msg);
}

static inline void seal(struct cs_policy *p)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_policy_seal(p, &err) == 0, "%s", err.msg);
}

/* The value of a key as it would be written, lists with single blanks. */
static inline char *value_of(const struct cs_policy *p, const char *key)
{
	const struct cs_policy_slot *slot = cs_policy_slot_find(p, key);
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	if (!slot)
		return cs_strdup("(unset)");
	if (slot->key->kind != CS_KIND_LIST)
		cs_policy_value_format(&out, slot->key, &slot->value);
	for (size_t i = 0; i < slot->value.list.n; i++)
		cs_buf_addf(&out, "%s%s", i ? " " : "", slot->value.list.v[i]);
	return cs_buf_take(&out);
}

#endif
