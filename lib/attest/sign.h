/* SPDX-License-Identifier: Apache-2.0 */
/* What both ways to sign share. */
#ifndef ATTEST_SIGN_H
#define ATTEST_SIGN_H

#include "countersign/attest.h"

/* Verifies a fresh signature over pae, and adds the envelope line of the statement. */
int attest_seal(struct cs_buf *line, const char *statement, size_t len, const char *ns,
		const struct cs_buf *sig, const struct cs_buf *pae, struct cs_err *err) CS_CHECKED;

/* Adds the bytes between the lines "-----BEGIN <what>-----" and "-----END ..."; false: none. */
bool attest_dearmor(struct cs_buf *out, const char *text, const char *what);

#endif
