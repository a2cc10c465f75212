/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a key has signed before, for its owner who wants to take it back. Envelopes lie around it
 * that anybody can have written: the hint which key it was says nothing, nor does a line that does
 * not parse. Each signature is verified, and it is the key itself that is compared.
 */
#include "countersign/attest.h"

#include <string.h>

/* By whom is the i-th signature? CS_REFUSED and others: by nobody. */
static int signed_by(struct cs_ssh_key *out, const struct cs_envelope *e, size_t i,
		     struct cs_err *err)
{
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;

	cs_dsse_pae(&pae, e->payload_type, e->payload.data, e->payload.len);
	return cs_sshsig_verify(out, e->sigs[i].sig.data, e->sigs[i].sig.len, CS_NS_REVIEW,
				pae.data, pae.len, err);
}

static bool same_key(const struct cs_ssh_key *a, const struct cs_ssh_key *b)
{
	return a->blob.len == b->blob.len && memcmp(a->blob.data, b->blob.data, a->blob.len) == 0;
}

/* Adds the line's statement where one of its signatures is by this key. */
static void take_line(struct cs_strv *statements, const char *line, size_t len,
		      const struct cs_ssh_key *mine)
{
	bool own = false;
	struct cs_envelope e;

	cs_envelope_init(&e);
	if (cs_envelope_parse(&e, line, len, NULL) == 0) {
		for (size_t i = 0; i < e.n_sigs && !own; i++) {
			struct cs_ssh_key key = CS_SSH_KEY_INIT;

			own = signed_by(&key, &e, i, NULL) == 0 && same_key(&key, mine);
			cs_ssh_key_release(&key);
		}
	}
	if (own) {
		char hex[CS_SHA256_HEX];
		uint8_t sum[CS_SHA256_LEN];

		cs_sha256(sum, e.payload.data, e.payload.len);
		cs_hex(hex, sum, sizeof(sum));
		if (!cs_strv_has(statements, hex))
			cs_strv_add(statements, hex);
	}
	cs_envelope_release(&e);
}

int cs_attest_own(struct cs_strv *statements, const struct cs_buf *notes, const char *line,
		  size_t len, struct cs_err *err)
{
	struct cs_ssh_key mine = CS_SSH_KEY_INIT;
	const char *end = notes->data + notes->len;
	struct cs_envelope e;
	int rc;

	cs_envelope_init(&e);
	rc = cs_envelope_parse(&e, line, len, err);
	if (rc == 0)
		rc = signed_by(&mine, &e, 0, err);
	for (const char *at = notes->data; rc == 0 && at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		const size_t n = (size_t)((stop ? stop : end) - at);

		take_line(statements, at, n, &mine);
		at += n + 1;
	}
	cs_ssh_key_release(&mine);
	cs_envelope_release(&e);
	return rc;
}
