/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical text of a change and its digest: what a sign-off is about (change.h). */
#include "countersign/change.h"

#include <assert.h>

#define DIGEST_HEAD "countersign change v1\n"

static void format_side(struct cs_buf *out, const struct cs_side *side)
{
	assert(*side->digest); /* the change was made without digests: our own mistake */
	cs_buf_addf(out, "%06o %s", side->mode, side->digest);
}

static void format_transition(struct cs_buf *out, const struct cs_transition *t)
{
	cs_buf_adds(out, t->path);
	cs_buf_addc(out, '\0');
	format_side(out, &t->before);
	cs_buf_addc(out, ' ');
	format_side(out, &t->after);
	cs_buf_addc(out, '\n');
}

void cs_change_format(struct cs_buf *out, const struct cs_change *change)
{
	for (size_t i = 0; i < change->n; i++)
		format_transition(out, &change->list[i]);
}

void cs_change_digest(char out[CS_SHA256_HEX], const struct cs_change *change)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	uint8_t digest[CS_SHA256_LEN];
	struct cs_sha256 h;

	cs_sha256_init(&h);
	cs_sha256_add(&h, DIGEST_HEAD, sizeof(DIGEST_HEAD) - 1);
	for (size_t i = 0; i < change->n; i++) {
		cs_buf_truncate(&line, 0);
		format_transition(&line, &change->list[i]);
		cs_sha256_add(&h, line.data, line.len);
	}
	cs_sha256_end(&h, digest);
	cs_hex(out, digest, sizeof(digest));
}
