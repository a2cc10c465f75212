/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) by libcrypto, and hexadecimal. */
#ifndef COUNTERSIGN_BASE_HASH_H
#define COUNTERSIGN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define CS_SHA256_LEN 32
#define CS_SHA256_HEX 65 /* with the NUL */

struct cs_sha256 {
	uint64_t opaque[16]; /* SHA256_CTX */
};

void cs_sha256_init(struct cs_sha256 *h);
void cs_sha256_add(struct cs_sha256 *h, const void *data, size_t len);
void cs_sha256_end(struct cs_sha256 *h, uint8_t out[CS_SHA256_LEN]);
void cs_sha256(uint8_t out[CS_SHA256_LEN], const void *data, size_t len);

/* Lower-case hex of len bytes into out (2 * len + 1 bytes); returns out. */
char *cs_hex(char *out, const uint8_t *bytes, size_t len);
/* Parses exactly 2 * len lower-case hex digits; 0, or -1 (anything else, upper case too). */
int cs_unhex(uint8_t *out, size_t len, const char *hex);

/* Cryptographically random bytes (getrandom); never fails. */
void cs_random(void *out, size_t len);

#endif
