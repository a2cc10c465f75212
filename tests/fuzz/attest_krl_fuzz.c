/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of revoked keys. What is read twice says the same; a key that is revoked stands in the list
 * in one of its forms (the wire format, its base64, a digest of it).
 */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include "countersign/attest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The key of the seeds: ed25519, thirty-two times 'k'. */
static const char key_text[] =
	"AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr";

static bool stands_in(const uint8_t *data, size_t len, const struct cs_buf *blob)
{
	AUTO_BUF struct cs_buf print = CS_BUF_INIT;
	uint8_t sha256[CS_SHA256_LEN];
	uint8_t sha1[SHA_DIGEST_LENGTH];

	cs_sha256(sha256, blob->data, blob->len);
	SHA1((const unsigned char *)blob->data, blob->len, sha1);
	cs_base64_encode(&print, sha256, sizeof(sha256));
	return memmem(data, len, blob->data, blob->len) ||
	       memmem(data, len, sha256, sizeof(sha256)) || memmem(data, len, sha1, sizeof(sha1)) ||
	       memmem(data, len, key_text, strlen(key_text)) ||
	       memmem(data, len, print.data, print.len - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cs_ssh_key key = { .type = "ssh-ed25519", .blob = CS_BUF_INIT };
	struct cs_revoked_keys *list = NULL;
	struct cs_err err = CS_ERR_INIT;

	if (cs_base64_decode(&key.blob, key_text, strlen(key_text)) < 0)
		abort();
	if (cs_revoked_keys_parse(&list, "list", (const char *)data, len, &err) < 0) {
		if (list || strncmp(err.msg, "list:", 5) != 0)
			abort();
	} else if (cs_revoked_keys_has(list, &key) && !stands_in(data, len, &key.blob)) {
		abort();
	}
	cs_revoked_keys_free(list);
	cs_ssh_key_release(&key);
	return 0;
}
