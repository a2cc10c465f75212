/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSH signatures from anybody. The seeds are valid over MESSAGE; an input that is valid has one of
 * their keys, or somebody found a signature that nobody made.
 */
#include <stdlib.h>
#include <string.h>
#include "countersign/attest.h"

#define MESSAGE "what is signed"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cs_ssh_key key = CS_SSH_KEY_INIT;
	struct cs_err err = CS_ERR_INIT;

	if (cs_sshsig_verify(&key, data, len, CS_NS_REVIEW, MESSAGE, strlen(MESSAGE), &err) == 0) {
		if (!*key.type || strncmp(key.fingerprint, "SHA256:", 7) != 0 || !key.blob.len ||
		    ((key.touched || key.pin) && !key.security_key))
			abort();
		/* of exactly this message, in exactly this namespace */
		if (cs_sshsig_verify(&key, data, len, CS_NS_RUN, MESSAGE, strlen(MESSAGE), &err) ==
			    0 ||
		    cs_sshsig_verify(&key, data, len, CS_NS_REVIEW, MESSAGE, strlen(MESSAGE) - 1,
				     &err) == 0)
			abort();
	} else if (!*err.msg || *key.fingerprint || key.blob.len || key.touched || key.pin ||
		   strpbrk(err.msg, "\n\033")) {
		abort();
	}
	cs_ssh_key_release(&key);
	return 0;
}
