/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of attestations share: keys of every kind that is verified, signatures by them
 * made here with libcrypto (security keys too: what the key would sign is put together from flags
 * and a counter), and ssh-keygen as the oracle over many files in one shell.
 */
#ifndef ATTEST_WORLD_H
#define ATTEST_WORLD_H

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include "countersign/attest.h"
#include "fixture.h"

enum aw_kind {
	AW_ED25519 = 0,
	AW_ECDSA256,
	AW_ECDSA384,
	AW_ECDSA521,
	AW_RSA,
	AW_SK_ED25519,
	AW_SK_ECDSA,
	AW_KINDS,
};

static const struct {
	const char *name, *curve, *group, *digest;
	bool security_key;
} aw_kinds[AW_KINDS] = {
	{ "ssh-ed25519", NULL, NULL, NULL, false },
	{ "ecdsa-sha2-nistp256", "nistp256", "P-256", "SHA256", false },
	{ "ecdsa-sha2-nistp384", "nistp384", "P-384", "SHA384", false },
	{ "ecdsa-sha2-nistp521", "nistp521", "P-521", "SHA512", false },
	{ "ssh-rsa", NULL, NULL, "SHA512", false },
	{ "sk-ssh-ed25519@openssh.com", NULL, NULL, NULL, true },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", "P-256", "SHA256", true },
};

#define AW_APPLICATION "ssh:"
#define AW_TOUCHED     0x01
#define AW_PIN	       0x04

struct aw_key {
	enum aw_kind kind;
	EVP_PKEY *pkey;
	struct cs_buf blob; /* public, wire format */
};

/* ---- SSH's wire format, written a second time ---- */

static inline void aw_u32(struct cs_buf *b, size_t n)
{
	const unsigned char p[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16),
				     (unsigned char)(n >> 8), (unsigned char)n };

	cs_buf_add(b, p, sizeof(p));
}

static inline void aw_string(struct cs_buf *b, const void *p, size_t len)
{
	aw_u32(b, len);
	cs_buf_add(b, p, len);
}

static inline void aw_text(struct cs_buf *b, const char *s)
{
	aw_string(b, s, strlen(s));
}

static inline void aw_mpint(struct cs_buf *b, const BIGNUM *n)
{
	unsigned char bytes[1 + 1024] = { 0 };
	size_t len = (size_t)BN_num_bytes(n);
	size_t sign;

	ck_assert_uint_lt(len, sizeof(bytes));
	BN_bn2bin(n, bytes + 1);
	sign = len && bytes[1] & 0x80;
	aw_string(b, bytes + 1 - sign, len + sign);
}

/* ---- keys ---- */

static inline EVP_PKEY *aw_generate(enum aw_kind kind, unsigned int rsa_bits)
{
	if (kind == AW_RSA)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits);
	if (aw_kinds[kind].group)
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", aw_kinds[kind].group);
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static inline void aw_add_public(struct aw_key *k)
{
	unsigned char point[256];
	size_t len = sizeof(point);

	if (k->kind == AW_RSA) {
		BIGNUM *e = NULL, *n = NULL;

		ck_assert(EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_RSA_E, &e));
		ck_assert(EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_RSA_N, &n));
		aw_mpint(&k->blob, e);
		aw_mpint(&k->blob, n);
		BN_free(e);
		BN_free(n);
		return;
	}
	if (aw_kinds[k->kind].curve) {
		aw_text(&k->blob, aw_kinds[k->kind].curve);
		ck_assert(EVP_PKEY_get_octet_string_param(k->pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
							  sizeof(point), &len));
	} else {
		ck_assert(EVP_PKEY_get_raw_public_key(k->pkey, point, &len));
	}
	aw_string(&k->blob, point, len);
}

static inline struct aw_key aw_key_of(enum aw_kind kind, unsigned int rsa_bits,
				      const char *application)
{
	struct aw_key k = { kind, aw_generate(kind, rsa_bits), CS_BUF_INIT };

	ck_assert_ptr_nonnull(k.pkey);
	aw_text(&k.blob, aw_kinds[kind].name);
	aw_add_public(&k);
	if (aw_kinds[kind].security_key)
		aw_text(&k.blob, application);
	return k;
}

static inline struct aw_key aw_key_new(enum aw_kind kind)
{
	return aw_key_of(kind, 2048, AW_APPLICATION);
}

static inline void aw_key_release(struct aw_key *k)
{
	EVP_PKEY_free(k->pkey);
	cs_buf_release(&k->blob);
}

/* "type base64", as it stands in allowed_signers; the caller frees. */
static inline char *aw_public(const struct aw_key *k)
{
	struct cs_buf out = CS_BUF_INIT;

	cs_buf_addf(&out, "%s ", aw_kinds[k->kind].name);
	cs_base64_encode(&out, k->blob.data, k->blob.len);
	return cs_buf_take(&out);
}

/* As a valid signature by it shows it. */
static inline struct cs_ssh_key aw_shown(const struct aw_key *k)
{
	struct cs_ssh_key out = CS_SSH_KEY_INIT;
	AUTO_BUF struct cs_buf print = CS_BUF_INIT;
	uint8_t digest[CS_SHA256_LEN];

	snprintf(out.type, sizeof(out.type), "%s", aw_kinds[k->kind].name);
	cs_buf_add(&out.blob, k->blob.data, k->blob.len);
	cs_sha256(digest, k->blob.data, k->blob.len);
	cs_base64_encode(&print, digest, sizeof(digest));
	cs_buf_truncate(&print, print.len - 1);
	snprintf(out.fingerprint, sizeof(out.fingerprint), "SHA256:%s", print.data);
	return out;
}

/* ---- signatures ---- */

/* How to sign; zeroed: properly. What is set is put in its place, true or not. */
struct aw_how {
	const char *ns;	      /* NULL: CS_NS_REVIEW */
	const char *hash;     /* of the message; NULL: sha512 */
	uint8_t flags;	      /* of a security key */
	uint32_t counter;     /* of a security key */
	const char *rsa;      /* name of the signature; NULL: rsa-sha2-512 */
	const char *sig_name; /* any other name in the signature */
	const char *reserved;
	uint32_t version; /* 0: 1 */
};

/* The raw signature, in the form that its kind has. */
static inline void aw_raw(struct cs_buf *out, const struct aw_key *k, const char *digest,
			  const struct cs_buf *message)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[1024];
	const unsigned char *der = sig;
	size_t len = sizeof(sig);
	ECDSA_SIG *pair;

	ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, k->pkey, NULL), 1);
	ck_assert_int_eq(
		EVP_DigestSign(ctx, sig, &len, (const unsigned char *)message->data, message->len),
		1);
	EVP_MD_CTX_free(ctx);
	if (!aw_kinds[k->kind].curve) {
		cs_buf_add(out, sig, len);
		return;
	}
	pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
	aw_mpint(out, ECDSA_SIG_get0_r(pair));
	aw_mpint(out, ECDSA_SIG_get0_s(pair));
	ECDSA_SIG_free(pair);
}

/* What a security key signs in place of the bytes. */
static inline void aw_wrap(struct cs_buf *bytes, const struct aw_how *how)
{
	struct cs_buf out = CS_BUF_INIT;
	uint8_t digest[CS_SHA256_LEN];

	cs_sha256(digest, AW_APPLICATION, strlen(AW_APPLICATION));
	cs_buf_add(&out, digest, sizeof(digest));
	cs_buf_addc(&out, (char)how->flags);
	aw_u32(&out, how->counter);
	cs_sha256(digest, bytes->data, bytes->len);
	cs_buf_add(&out, digest, sizeof(digest));
	cs_buf_release(bytes);
	*bytes = out;
}

/* Adds an SSHSIG blob. */
static inline void aw_sign(struct cs_buf *out, const struct aw_key *k, const void *message,
			   size_t len, const struct aw_how *how)
{
	const char *ns = how->ns ? how->ns : CS_NS_REVIEW;
	const char *hash = how->hash ? how->hash : "sha512";
	const char *reserved = how->reserved ? how->reserved : "";
	const char *name = aw_kinds[k->kind].name;
	const char *digest = aw_kinds[k->kind].digest;
	const bool sk = aw_kinds[k->kind].security_key;
	AUTO_BUF struct cs_buf bytes = CS_BUF_INIT;
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	AUTO_BUF struct cs_buf value = CS_BUF_INIT;
	unsigned char sum[SHA512_DIGEST_LENGTH];
	size_t sum_len = !strcmp(hash, "sha512") ? SHA512_DIGEST_LENGTH
			 : !strcmp(hash, "sha1") ? SHA_DIGEST_LENGTH
						 : SHA256_DIGEST_LENGTH;

	(void)(sum_len == SHA512_DIGEST_LENGTH ? SHA512(message, len, sum)
	       : sum_len == SHA_DIGEST_LENGTH  ? SHA1(message, len, sum)
					       : SHA256(message, len, sum));
	cs_buf_adds(&bytes, "SSHSIG");
	aw_text(&bytes, ns);
	aw_text(&bytes, reserved);
	aw_text(&bytes, hash);
	aw_string(&bytes, sum, sum_len);
	if (sk)
		aw_wrap(&bytes, how);
	if (k->kind == AW_RSA) {
		name = how->rsa ? how->rsa : "rsa-sha2-512";
		digest = !strcmp(name, "rsa-sha2-256") ? "SHA256"
			 : !strcmp(name, "ssh-rsa")    ? "SHA1"
						       : "SHA512";
	}
	aw_raw(&raw, k, digest, &bytes);
	aw_text(&value, how->sig_name ? how->sig_name : name);
	aw_string(&value, raw.data, raw.len);
	if (sk) {
		cs_buf_addc(&value, (char)how->flags);
		aw_u32(&value, how->counter);
	}
	cs_buf_adds(out, "SSHSIG");
	aw_u32(out, how->version ? how->version : 1);
	aw_string(out, k->blob.data, k->blob.len);
	aw_text(out, ns);
	aw_text(out, reserved);
	aw_text(out, hash);
	aw_string(out, value.data, value.len);
}

/* One envelope line around a statement. */
static inline void aw_envelope(struct cs_buf *line, const struct aw_key *const *keys, size_t n,
			       const void *statement, size_t len, const struct aw_how *how)
{
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;
	struct cs_envelope e;

	cs_dsse_pae(&pae, CS_IN_TOTO_TYPE, statement, len);
	cs_envelope_init(&e);
	e.payload_type = cs_strdup(CS_IN_TOTO_TYPE);
	cs_buf_add(&e.payload, statement, len);
	for (e.n_sigs = 0; e.n_sigs < n; e.n_sigs++) {
		e.sigs[e.n_sigs].keyid = cs_strdup("");
		aw_sign(&e.sigs[e.n_sigs].sig, keys[e.n_sigs], pae.data, pae.len, how);
	}
	cs_envelope_format(line, &e);
	cs_envelope_release(&e);
}

/* ---- files, and the oracle ---- */

static inline void aw_put(const char *path, const void *data, size_t len)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_write_file(AT_FDCWD, path, data, len, 0644, &err) == 0, "%s", err.msg);
}

static inline struct cs_buf aw_slurp(const char *path)
{
	struct cs_buf out = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_read_file(&out, AT_FDCWD, path, 16 << 20, &err) == 0, "%s: %s", path,
		      err.msg);
	return out;
}

/* As ssh-keygen writes signatures. */
static inline void aw_put_armored(const char *path, const struct cs_buf *sig)
{
	AUTO_BUF struct cs_buf base64 = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	cs_base64_encode(&base64, sig->data, sig->len);
	cs_buf_adds(&text, "-----BEGIN SSH SIGNATURE-----\n");
	for (size_t i = 0; i < base64.len; i += 70)
		cs_buf_addf(&text, "%.70s\n", base64.data + i);
	cs_buf_adds(&text, "-----END SSH SIGNATURE-----\n");
	aw_put(path, text.data, text.len);
}

#endif
