/* SPDX-License-Identifier: Apache-2.0 */
/* The data types of SSH (RFC 4251, section 5), read from foreign bytes and written. */
#ifndef ATTEST_WIRE_H
#define ATTEST_WIRE_H

#include "countersign/attest.h"

/* What is left to read. A failed read leaves it failed: ask once, at the end. */
struct wire {
	const uint8_t *p;
	size_t len;
	bool bad;
};
/* A part of the input: borrowed. */
struct wire_string {
	const uint8_t *p;
	size_t len;
};

uint8_t wire_byte(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
struct wire_string wire_string(struct wire *w);
/* n bytes without a length. */
struct wire_string wire_bytes(struct wire *w, size_t n);
/* A string that must be these bytes. */
void wire_expect(struct wire *w, const char *s);
/* Everything was read, and nothing failed. */
bool wire_done(const struct wire *w);
bool wire_is(struct wire_string s, const char *text);

void wire_add_u32(struct cs_buf *out, uint32_t n);
void wire_add_string(struct cs_buf *out, const void *data, size_t len);

/* ---- public keys ---- */

enum key_algorithm { KEY_NONE = 0, KEY_ED25519, KEY_ECDSA, KEY_RSA };
struct key_type {
	const char *name; /* "ecdsa-sha2-nistp256" */
	enum key_algorithm algorithm;
	bool security_key;
	const char *curve;  /* ECDSA: as it stands in the key, "nistp256" */
	const char *group;  /* ECDSA: libcrypto's name of it */
	const char *digest; /* ECDSA: libcrypto's name of the hash that goes with it */
	size_t point_len;   /* of the public point, uncompressed for ECDSA */
};
/* Taken apart: the algorithm's own part, and what a security key adds. Borrowed. */
struct key_parts {
	const struct key_type *type;
	struct wire_string point;	/* ed25519, ECDSA */
	struct wire_string e, n;	/* RSA: mpints */
	struct wire_string application; /* of a security key */
};
/*
 * Reads a public key in wire format into key (type, fingerprint, blob) and parts, which borrow
 * from the input. CS_UNSUPPORTED names the type, CS_CORRUPT.
 */
int key_parse(struct cs_ssh_key *key, struct key_parts *parts, const void *blob, size_t len,
	      struct cs_err *err) CS_CHECKED;

#endif
