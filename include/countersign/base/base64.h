/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648), in the one form in which equal bytes are equal texts. */
#ifndef COUNTERSIGN_BASE_BASE64_H
#define COUNTERSIGN_BASE_BASE64_H

#include "countersign/base/buf.h"

/* Adds the standard alphabet with padding, on one line. */
void cs_base64_encode(struct cs_buf *out, const void *data, size_t len);
/*
 * Adds the bytes of exactly len characters: padded, no white space, no stray bits. 0, or -1 (out
 * may hold some of the bytes then).
 */
int cs_base64_decode(struct cs_buf *out, const char *s, size_t len);

#endif
