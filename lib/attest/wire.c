/* SPDX-License-Identifier: Apache-2.0 */
/* SSH's data types and public keys (RFC 4253, 5656, 8709; OpenSSH's PROTOCOL.u2f). */
#include "wire.h"

#include <string.h>

/* ---- reading ---- */

struct wire_string wire_bytes(struct wire *w, size_t n)
{
	struct wire_string s = { w->p, n };

	if (w->bad || n > w->len) {
		w->bad = true;
		return (struct wire_string){ (const uint8_t *)"", 0 };
	}
	w->p += n;
	w->len -= n;
	return s;
}

uint8_t wire_byte(struct wire *w)
{
	struct wire_string s = wire_bytes(w, 1);

	return s.len ? s.p[0] : 0;
}

uint32_t wire_u32(struct wire *w)
{
	struct wire_string s = wire_bytes(w, 4);

	return s.len ? (uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 |
			       s.p[3]
		     : 0;
}

uint64_t wire_u64(struct wire *w)
{
	uint64_t high = wire_u32(w);

	return high << 32 | wire_u32(w);
}

struct wire_string wire_string(struct wire *w)
{
	return wire_bytes(w, wire_u32(w));
}

bool wire_is(struct wire_string s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

void wire_expect(struct wire *w, const char *s)
{
	if (!wire_is(wire_string(w), s))
		w->bad = true;
}

bool wire_done(const struct wire *w)
{
	return !w->bad && !w->len;
}

/* ---- writing ---- */

void wire_add_u32(struct cs_buf *out, uint32_t n)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		cs_buf_addc(out, (char)(n >> shift & 0xff));
}

void wire_add_string(struct cs_buf *out, const void *data, size_t len)
{
	wire_add_u32(out, (uint32_t)len);
	cs_buf_add(out, data, len);
}

/* ---- public keys ---- */

static const struct key_type types[] = {
	{ "ssh-ed25519", KEY_ED25519, false, .point_len = 32 },
	{ "ecdsa-sha2-nistp256", KEY_ECDSA, false, "nistp256", "prime256v1", "SHA256", 65 },
	{ "ecdsa-sha2-nistp384", KEY_ECDSA, false, "nistp384", "secp384r1", "SHA384", 97 },
	{ "ecdsa-sha2-nistp521", KEY_ECDSA, false, "nistp521", "secp521r1", "SHA512", 133 },
	{ "ssh-rsa", KEY_RSA, false },
	{ "sk-ssh-ed25519@openssh.com", KEY_ED25519, true, .point_len = 32 },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", KEY_ECDSA, true, "nistp256", "prime256v1", "SHA256",
	  65 },
};

#define RSA_MIN_BYTES 257 /* 2,048 bits, and the zero in front of the highest one */
#define RSA_MAX_BYTES 2049

/* A positive mpint: no sign bit, and a leading zero only where there would be one. */
static bool is_positive(struct wire_string s)
{
	return s.len && !(s.p[0] & 0x80) && (s.p[0] || (s.len > 1 && s.p[1] & 0x80));
}

static bool read_rsa(struct key_parts *parts, struct wire *w)
{
	parts->e = wire_string(w);
	parts->n = wire_string(w);
	return is_positive(parts->e) && is_positive(parts->n) && parts->e.len <= 8;
}

static bool read_point(struct key_parts *parts, struct wire *w)
{
	if (parts->type->curve)
		wire_expect(w, parts->type->curve);
	parts->point = wire_string(w);
	return parts->point.len == parts->type->point_len &&
	       (!parts->type->curve || parts->point.p[0] == 4);
}

/* The words behind the type; false: they do not fit. */
static bool read_parts(struct key_parts *parts, struct wire *w)
{
	bool good = parts->type->algorithm == KEY_RSA ? read_rsa(parts, w) : read_point(parts, w);

	if (parts->type->security_key)
		parts->application = wire_string(w);
	return good && wire_done(w);
}

/* NULL, or why a whole key is not used: others may stand beside it. */
static const char *why_unsupported(const struct key_parts *parts)
{
	if (parts->type->algorithm == KEY_RSA &&
	    (parts->n.len < RSA_MIN_BYTES || parts->n.len > RSA_MAX_BYTES))
		return "RSA keys below 2048 bits or above 16384 are not supported";
	/* Web authentication has other applications, and signs other bytes. */
	if (parts->type->security_key &&
	    (parts->application.len < 4 || memcmp(parts->application.p, "ssh:", 4) != 0))
		return "security keys for other applications than ssh are not supported";
	return NULL;
}

static void fingerprint(struct cs_ssh_key *key)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	uint8_t digest[CS_SHA256_LEN];
	size_t len;

	cs_sha256(digest, key->blob.data, key->blob.len);
	cs_base64_encode(&text, digest, sizeof(digest));
	len = strcspn(text.data, "=");
	snprintf(key->fingerprint, sizeof(key->fingerprint), "SHA256:%.*s", (int)len, text.data);
}

void cs_ssh_key_release(struct cs_ssh_key *key)
{
	cs_buf_release(&key->blob);
	*key = (struct cs_ssh_key)CS_SSH_KEY_INIT;
}

int key_parse(struct cs_ssh_key *key, struct key_parts *parts, const void *blob, size_t len,
	      struct cs_err *err)
{
	struct wire w = { blob, len, false };
	struct wire_string type = wire_string(&w);
	AUTO_FREE char *name = cs_strndup((const char *)type.p, type.len);
	AUTO_FREE char *shown = cs_escape_line(name);
	const char *why;
	size_t i = 0;

	if (w.bad)
		return cs_err_set(err, CS_CORRUPT, "not a public key");
	while (i < CS_COUNT(types) && !wire_is(type, types[i].name))
		i++;
	if (i == CS_COUNT(types))
		return cs_err_set(err, CS_UNSUPPORTED, "keys of type %.64s are not supported",
				  shown);
	*parts = (struct key_parts){ .type = &types[i] };
	if (!read_parts(parts, &w))
		return cs_err_set(err, CS_CORRUPT, "malformed %s key", types[i].name);
	why = why_unsupported(parts);
	if (why)
		return cs_err_set(err, CS_UNSUPPORTED, "%s", why);
	cs_ssh_key_release(key);
	snprintf(key->type, sizeof(key->type), "%s", types[i].name);
	key->security_key = types[i].security_key;
	cs_buf_add(&key->blob, blob, len);
	fingerprint(key);
	return 0;
}
