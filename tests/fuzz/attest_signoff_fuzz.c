/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes, statements, and what git could be told of a repository's URL. What is accepted is
 * written and read again as the same; a refused one leaves nothing behind.
 */
#include <stdlib.h>
#include <string.h>
#include "countersign/attest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_envelope(const char *data, size_t len)
{
	AUTO_BUF struct cs_buf first = CS_BUF_INIT;
	AUTO_BUF struct cs_buf second = CS_BUF_INIT;
	struct cs_envelope e;

	cs_envelope_init(&e);
	if (cs_envelope_parse(&e, data, len, NULL) == 0) {
		if (!e.n_sigs || !e.payload_type)
			abort();
		cs_envelope_format(&first, &e);
		if (memchr(first.data, '\n', first.len) != first.data + first.len - 1 ||
		    cs_envelope_parse(&e, first.data, first.len, NULL) < 0)
			abort();
		cs_envelope_format(&second, &e);
		if (strcmp(first.data, second.data) != 0)
			abort();
	}
	cs_envelope_release(&e);
}

static void try_statement(const char *data, size_t len)
{
	AUTO_BUF struct cs_buf first = CS_BUF_INIT;
	AUTO_BUF struct cs_buf second = CS_BUF_INIT;
	char digest[CS_SHA256_HEX];
	struct cs_signoff s;

	cs_signoff_init(&s);
	if (cs_signoff_parse(&s, data, len, NULL) < 0) {
		if (s.decision || s.repository || s.change.n)
			abort();
		return;
	}
	if (!s.decision || !s.commit.len || !s.tree.len || !s.created_ns)
		abort();
	cs_change_digest(digest, &s.change);
	if (strcmp(digest, s.change_digest) != 0)
		abort();
	cs_signoff_format(&first, &s);
	if (cs_signoff_parse(&s, first.data, first.len, NULL) < 0)
		abort();
	cs_signoff_format(&second, &s);
	if (strcmp(first.data, second.data) != 0)
		abort();
	cs_signoff_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE char *url = cs_strndup((const char *)data, len);
	AUTO_FREE char *name = cs_repository_name(url);

	if (strlen(name) > strlen(url) + 1)
		abort();
	try_envelope((const char *)data, len);
	try_statement((const char *)data, len);
	return 0;
}
