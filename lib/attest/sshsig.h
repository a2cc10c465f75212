/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an SSHSIG that signing and verifying share. */
#ifndef ATTEST_SSHSIG_H
#define ATTEST_SSHSIG_H

#include "wire.h"

/* Adds the bytes that a signature of a message in a namespace covers; hash is sha256 or sha512. */
int sshsig_signed_bytes(struct cs_buf *out, const char *ns, struct wire_string hash,
			const void *message, size_t len, struct cs_err *err) CS_CHECKED;
/* Adds the blob around the signature of such bytes. */
void sshsig_blob(struct cs_buf *out, const struct cs_buf *public_key, const char *ns,
		 const char *hash, const struct cs_buf *signature);

#endif
