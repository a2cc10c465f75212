/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allowed_signers files. Whoever is found stands in the file, as one word without wildcards, and so
 * does the key; a line more that does not name the key takes nobody in.
 */
#include <stdlib.h>
#include <string.h>
#include "countersign/attest.h"

#define NOW (INT64_C(1700000000) * 1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The key of the seeds: ed25519, thirty-two times 'k'. */
static const char key_text[] =
	"AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr";

static void check_found(const char *principal, const char *text)
{
	if (!*principal || strpbrk(principal, "*?!,\"\n") || !strstr(text, principal) ||
	    !strstr(text, key_text))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cs_ssh_key key = { .type = "ssh-ed25519", .blob = CS_BUF_INIT };
	AUTO_FREE char *text = cs_strndup((const char *)data, len);
	struct cs_signers *signers = NULL;
	struct cs_err err = CS_ERR_INIT;
	const char *principal = NULL;

	if (cs_base64_decode(&key.blob, key_text, strlen(key_text)) < 0)
		abort();
	if (cs_signers_parse(&signers, "file", (const char *)data, len, &err) < 0) {
		if (signers || strncmp(err.msg, "file:", 5) != 0)
			abort();
	} else {
		if (cs_signers_find(&principal, signers, &key, CS_NS_REVIEW, NOW, &err) == 0) {
			check_found(principal, text);
			if (!cs_signers_count(signers))
				abort();
		} else if (principal) {
			abort();
		}
		/* one byte of the key changed */
		key.blob.data[key.blob.len - 1] ^= 1;
		principal = NULL;
		if (cs_signers_find(&principal, signers, &key, CS_NS_REVIEW, NOW, &err) == 0 &&
		    !strstr(text, "a2tq"))
			abort();
	}
	cs_signers_free(signers);
	cs_ssh_key_release(&key);
	return 0;
}
