/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by libcrypto's low-level functions, hexadecimal, random bytes. */

/*
 * The SHA256_* functions are deprecated in favour of EVP. EVP first loads the providers, which
 * costs a millisecond and more at the start of programs that live for two; these only compute.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "countersign/base/hash.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/random.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct cs_sha256), "cs_sha256 is too small");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct cs_sha256), "cs_sha256 is misaligned");

static SHA256_CTX *ctx(struct cs_sha256 *h)
{
	/* cppcheck-suppress ctuuninitvar; its address only */
	return (SHA256_CTX *)(void *)h->opaque;
}

/* SHA256_* return 1 always (crypto/sha/sha256.c): there is nothing in them that can fail. */

void cs_sha256_init(struct cs_sha256 *h)
{
	SHA256_Init(ctx(h));
}

void cs_sha256_add(struct cs_sha256 *h, const void *data, size_t len)
{
	SHA256_Update(ctx(h), data, len);
}

void cs_sha256_end(struct cs_sha256 *h, uint8_t out[CS_SHA256_LEN])
{
	SHA256_Final(out, ctx(h));
}

void cs_sha256(uint8_t out[CS_SHA256_LEN], const void *data, size_t len)
{
	struct cs_sha256 h;

	cs_sha256_init(&h);
	cs_sha256_add(&h, data, len);
	cs_sha256_end(&h, out);
}

char *cs_hex(char *out, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int cs_unhex(uint8_t *out, size_t len, const char *hex)
{
	/* First look, then write: out is untouched by a failure. A NUL is no digit. */
	for (size_t i = 0; i < 2 * len; i++)
		if (digit(hex[i]) < 0)
			return -1;
	if (hex[2 * len])
		return -1;
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	return 0;
}

void cs_random(void *out, size_t len)
{
	uint8_t *p = out;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno != EINTR) {
			/* Linux has had it since 3.17; predictable identifiers are no way out. */
			abort();
		}
	}
}
