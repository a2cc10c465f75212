/* SPDX-License-Identifier: Apache-2.0 */
/* Object ids of either hash function. */
#include "countersign/repo.h"

#include <string.h>
#include "internal.h"

#define SHA1_LEN ((size_t)20)

bool cs_oid_equal(const struct cs_oid *a, const struct cs_oid *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

char *cs_oid_hex(char out[CS_OID_HEX], const struct cs_oid *oid)
{
	return cs_hex(out, oid->bytes, oid->len);
}

void cs_json_add_oid(cJSON *obj, const char *key, const struct cs_oid *oid)
{
	char hex[CS_OID_HEX];

	cs_json_add_str(obj, key, oid->len ? cs_oid_hex(hex, oid) : NULL);
}

int cs_oid_parse(struct cs_oid *out, const char *hex)
{
	struct cs_oid oid = { 0 };
	size_t len = strlen(hex);

	if (len != 2 * SHA1_LEN && len != 2 * (size_t)CS_OID_MAX)
		return CS_CORRUPT;
	oid.len = (uint8_t)(len / 2);
	if (cs_unhex(oid.bytes, oid.len, hex) < 0)
		return CS_CORRUPT;
	*out = oid;
	return 0;
}

int cs_to_git_oid(git_oid *out, const struct cs_oid *oid, struct cs_err *err)
{
	if (!oid->len)
		return cs_err_set(err, CS_NOTFOUND, "no object");
	if (oid->len != SHA1_LEN)
		return cs_err_set(err, CS_UNSUPPORTED, "not a SHA-1 object id");
	git_oid_fromraw(out, oid->bytes);
	return 0;
}

void cs_from_git_oid(struct cs_oid *out, const git_oid *oid)
{
	memset(out, 0, sizeof(*out));
	out->len = SHA1_LEN;
	memcpy(out->bytes, oid->id, SHA1_LEN);
}
