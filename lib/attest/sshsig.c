/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying SSHSIG signatures (OpenSSH's PROTOCOL.sshsig, PROTOCOL.u2f) with libcrypto.
 *
 *	blob	"SSHSIG", u32 1, publickey, namespace, reserved, hash, signature
 *	signed	"SSHSIG", namespace, reserved, hash, H(message)
 *
 * All lengths are exact, nothing follows, reserved is empty, and the type in the signature is the
 * type of the key. A security key signs SHA256(application) || flags || counter || SHA256(signed):
 * the flags say whether somebody touched it and whether a PIN was entered, and are signed.
 *
 * The namespace is checked here: a signature made for a git commit or a file is not a verdict.
 */
#include "sshsig.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <string.h>

#define MAGIC	    "SSHSIG"
#define MAGIC_LEN   6
#define FLAG_TOUCH  0x01
#define FLAG_PIN    0x04
#define MAX_INTEGER 67 /* bytes of an mpint of P-521 */

struct signature {
	struct wire_string key, hash, value;
};

static void free_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void free_pkey_ctx(EVP_PKEY_CTX **p)
{
	EVP_PKEY_CTX_free(*p);
}

static void free_md_ctx(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

static void free_ecdsa(ECDSA_SIG **p)
{
	ECDSA_SIG_free(*p);
}

/* ---- taking it apart ---- */

static int take_apart(struct signature *out, const void *sig, size_t len, const char *ns,
		      struct cs_err *err)
{
	struct wire w = { sig, len, false };
	struct wire_string magic = wire_bytes(&w, MAGIC_LEN);
	uint32_t version = wire_u32(&w);
	struct wire_string name, reserved;

	out->key = wire_string(&w);
	name = wire_string(&w);
	reserved = wire_string(&w);
	out->hash = wire_string(&w);
	out->value = wire_string(&w);
	if (!wire_done(&w) || memcmp(magic.p, MAGIC, MAGIC_LEN) != 0)
		return cs_err_set(err, CS_CORRUPT, "not an SSH signature");
	if (version != 1)
		return cs_err_set(err, CS_UNSUPPORTED, "SSH signature of version %u", version);
	if (!wire_is(name, ns)) {
		AUTO_FREE char *text = cs_strndup((const char *)name.p, name.len);
		AUTO_FREE char *shown = cs_escape_line(text);

		return cs_err_set(err, CS_REFUSED, "signed in the namespace '%.64s', not '%s'",
				  shown, ns);
	}
	if (reserved.len)
		return cs_err_set(err, CS_UNSUPPORTED, "SSH signature with unknown content");
	return 0;
}

/* ---- putting it together ---- */

int sshsig_signed_bytes(struct cs_buf *out, const char *ns, struct wire_string hash,
			const void *message, size_t len, struct cs_err *err)
{
	unsigned char digest[SHA512_DIGEST_LENGTH];
	size_t digest_len;

	if (wire_is(hash, "sha512"))
		digest_len = SHA512_DIGEST_LENGTH;
	else if (wire_is(hash, "sha256"))
		digest_len = SHA256_DIGEST_LENGTH;
	else
		return cs_err_set(err, CS_UNSUPPORTED, "signature over an unknown hash");
	if (digest_len == SHA512_DIGEST_LENGTH)
		SHA512(message, len, digest);
	else
		SHA256(message, len, digest);
	cs_buf_add(out, MAGIC, MAGIC_LEN);
	wire_add_string(out, ns, strlen(ns));
	wire_add_string(out, "", 0);
	wire_add_string(out, hash.p, hash.len);
	wire_add_string(out, digest, digest_len);
	return 0;
}

void sshsig_blob(struct cs_buf *out, const struct cs_buf *public_key, const char *ns,
		 const char *hash, const struct cs_buf *signature)
{
	cs_buf_add(out, MAGIC, MAGIC_LEN);
	wire_add_u32(out, 1);
	wire_add_string(out, public_key->data, public_key->len);
	wire_add_string(out, ns, strlen(ns));
	wire_add_string(out, "", 0);
	wire_add_string(out, hash, strlen(hash));
	wire_add_string(out, signature->data, signature->len);
}

/* ---- the algorithms ---- */

static void free_bld(OSSL_PARAM_BLD **p)
{
	OSSL_PARAM_BLD_free(*p);
}

static void free_params(OSSL_PARAM **p)
{
	OSSL_PARAM_free(*p);
}

static void free_bignum(BIGNUM **p)
{
	BN_free(*p);
}

static EVP_PKEY *new_key(const char *algorithm, OSSL_PARAM *params)
{
	CS_AUTO(free_pkey_ctx)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		return NULL;
	return key;
}

static EVP_PKEY *new_ecdsa(const struct key_parts *parts)
{
	CS_AUTO(free_bld) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	CS_AUTO(free_params) OSSL_PARAM *params = NULL;

	if (bld &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, parts->type->group,
					    0) &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, parts->point.p,
					     parts->point.len))
		params = OSSL_PARAM_BLD_to_param(bld);
	return params ? new_key("EC", params) : NULL;
}

static EVP_PKEY *new_rsa(const struct key_parts *parts)
{
	CS_AUTO(free_bignum) BIGNUM *e = BN_bin2bn(parts->e.p, (int)parts->e.len, NULL);
	CS_AUTO(free_bignum) BIGNUM *n = BN_bin2bn(parts->n.p, (int)parts->n.len, NULL);
	CS_AUTO(free_bld) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	CS_AUTO(free_params) OSSL_PARAM *params = NULL;

	if (e && n && bld && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e))
		params = OSSL_PARAM_BLD_to_param(bld);
	return params ? new_key("RSA", params) : NULL;
}

/* Takes pkey. digest: libcrypto's name, NULL for ed25519, which has its own. */
static bool verify(EVP_PKEY *pkey, const char *digest, const uint8_t *sig, size_t sig_len,
		   const struct cs_buf *message)
{
	CS_AUTO(free_pkey) EVP_PKEY *key = pkey;
	CS_AUTO(free_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	return key && ctx &&
	       EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL) == 1 &&
	       EVP_DigestVerify(ctx, sig, sig_len, (const unsigned char *)message->data,
				message->len) == 1;
}

/* mpint r, mpint s to DER; 0 where they are none. */
static int to_der(unsigned char **der, struct wire_string value)
{
	struct wire w = { value.p, value.len, false };
	struct wire_string r = wire_string(&w);
	struct wire_string s = wire_string(&w);
	CS_AUTO(free_ecdsa) ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *br, *bs;

	if (!wire_done(&w) || !sig || !r.len || !s.len || r.len > MAX_INTEGER ||
	    s.len > MAX_INTEGER || r.p[0] & 0x80 || s.p[0] & 0x80)
		return 0;
	br = BN_bin2bn(r.p, (int)r.len, NULL);
	bs = BN_bin2bn(s.p, (int)s.len, NULL);
	if (!br || !bs || !ECDSA_SIG_set0(sig, br, bs)) {
		BN_free(br);
		BN_free(bs);
		return 0;
	}
	return i2d_ECDSA_SIG(sig, der);
}

static bool verify_ecdsa(const struct key_parts *parts, struct wire_string value,
			 const struct cs_buf *message)
{
	unsigned char *der = NULL;
	int len = to_der(&der, value);
	bool good =
		len > 0 && verify(new_ecdsa(parts), parts->type->digest, der, (size_t)len, message);

	OPENSSL_free(der);
	return good;
}

static bool verify_ed25519(const struct key_parts *parts, struct wire_string value,
			   const struct cs_buf *message)
{
	return value.len == 64 &&
	       verify(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, parts->point.p,
						  parts->point.len),
		      NULL, value.p, value.len, message);
}

/* The name of the signature says the hash; SHA-1 ("ssh-rsa") is not one of them. */
static const struct {
	const char *name, *digest;
} rsa_signatures[] = {
	{ "rsa-sha2-512", "SHA512" },
	{ "rsa-sha2-256", "SHA256" },
};

static bool verify_rsa(const struct key_parts *parts, const char *digest, struct wire_string value,
		       const struct cs_buf *message)
{
	return verify(new_rsa(parts), digest, value.p, value.len, message);
}

/* ---- all of it ---- */

/* What a security key signed instead of the bytes themselves. */
static void wrap_for_security_key(struct cs_buf *out, const struct key_parts *key, uint8_t flags,
				  uint32_t counter, const struct cs_buf *message)
{
	uint8_t digest[CS_SHA256_LEN];

	cs_sha256(digest, key->application.p, key->application.len);
	cs_buf_add(out, digest, sizeof(digest));
	cs_buf_addc(out, (char)flags);
	wire_add_u32(out, counter);
	cs_sha256(digest, message->data, message->len);
	cs_buf_add(out, digest, sizeof(digest));
}

/* The hash of an RSA signature by its name, else NULL. */
static const char *rsa_digest(struct wire_string name)
{
	for (size_t i = 0; i < CS_COUNT(rsa_signatures); i++) {
		if (wire_is(name, rsa_signatures[i].name))
			return rsa_signatures[i].digest;
	}
	return NULL;
}

static bool is_valid(const struct key_parts *parts, const char *digest, struct wire_string raw,
		     const struct cs_buf *message)
{
	switch (parts->type->algorithm) {
	case KEY_ED25519:
		return verify_ed25519(parts, raw, message);
	case KEY_ECDSA:
		return verify_ecdsa(parts, raw, message);
	case KEY_RSA:
		return verify_rsa(parts, digest, raw, message);
	case KEY_NONE:
		break;
	}
	return false;
}

static int check_value(struct cs_ssh_key *key, const struct key_parts *parts,
		       struct wire_string value, const struct cs_buf *message, struct cs_err *err)
{
	AUTO_BUF struct cs_buf wrapped = CS_BUF_INIT;
	struct wire w = { value.p, value.len, false };
	struct wire_string name = wire_string(&w);
	struct wire_string raw = wire_string(&w);
	const char *digest = rsa_digest(name);
	const struct cs_buf *bytes = message;

	if (parts->type->security_key) {
		uint8_t flags = wire_byte(&w);
		uint32_t counter = wire_u32(&w);

		wrap_for_security_key(&wrapped, parts, flags, counter, message);
		bytes = &wrapped;
		key->touched = flags & FLAG_TOUCH;
		key->pin = flags & FLAG_PIN;
	}
	if (!wire_done(&w) ||
	    !(parts->type->algorithm == KEY_RSA ? digest != NULL : wire_is(name, key->type)))
		return cs_err_set(err, CS_CORRUPT, "malformed %s signature", key->type);
	if (!is_valid(parts, digest, raw, bytes))
		return cs_err_set(err, CS_REFUSED, "the signature is not valid");
	return 0;
}

int cs_sshsig_verify(struct cs_ssh_key *out, const void *sig, size_t sig_len, const char *ns,
		     const void *message, size_t len, struct cs_err *err)
{
	AUTO_BUF struct cs_buf bytes = CS_BUF_INIT;
	struct cs_ssh_key key = CS_SSH_KEY_INIT;
	struct key_parts parts;
	struct signature s;
	int rc = take_apart(&s, sig, sig_len, ns, err);

	if (rc == 0)
		rc = sshsig_signed_bytes(&bytes, ns, s.hash, message, len, err);
	if (rc == 0)
		rc = key_parse(&key, &parts, s.key.p, s.key.len, err);
	if (rc == 0)
		rc = check_value(&key, &parts, s.value, &bytes, err);
	if (rc < 0) {
		cs_ssh_key_release(&key);
		return rc;
	}
	cs_ssh_key_release(out);
	*out = key;
	return 0;
}
