/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revoked keys: an OpenSSH key revocation list (PROTOCOL.krl), or a text with a public key or a
 * SHA256 fingerprint on each line, as RevokedKeys in sshd_config(5) has it.
 *
 * A list that is understood in part is an error: what was not understood might be the key at hand.
 * Sections about certificates are read over, for no certificate is ever accepted here.
 */
#include "wire.h"

#include <openssl/sha.h>
#include <string.h>

#define KRL_MAGIC   "SSHKRL\n"
#define MAGIC_LEN   8 /* with the NUL */
#define KRL_VERSION 1

enum section {
	SECTION_CERTIFICATES = 1,
	SECTION_EXPLICIT_KEY = 2,
	SECTION_SHA1 = 3,
	SECTION_SIGNATURE = 4,
	SECTION_SHA256 = 5,
};

struct digest {
	size_t len; /* of SHA-1 or of SHA-256 */
	uint8_t bytes[CS_SHA256_LEN];
};

struct cs_revoked_keys {
	struct digest *list;
	size_t n, cap;
};

void cs_revoked_keys_free(struct cs_revoked_keys *r)
{
	if (!r)
		return;
	free(r->list);
	free(r);
}

static void add(struct cs_revoked_keys *r, const uint8_t *bytes, size_t len)
{
	CS_GROW(r->list, r->n, r->cap);
	r->list[r->n].len = len;
	memcpy(r->list[r->n].bytes, bytes, len);
	r->n++;
}

static void add_key(struct cs_revoked_keys *r, const void *blob, size_t len)
{
	uint8_t digest[CS_SHA256_LEN];

	cs_sha256(digest, blob, len);
	add(r, digest, sizeof(digest));
}

bool cs_revoked_keys_has(const struct cs_revoked_keys *r, const struct cs_ssh_key *key)
{
	uint8_t sha256[CS_SHA256_LEN];
	uint8_t sha1[SHA_DIGEST_LENGTH];

	cs_sha256(sha256, key->blob.data, key->blob.len);
	SHA1((const unsigned char *)key->blob.data, key->blob.len, sha1);
	for (size_t i = 0; i < r->n; i++) {
		const struct digest *d = &r->list[i];

		if (memcmp(d->bytes, d->len == sizeof(sha1) ? sha1 : sha256, d->len) == 0)
			return true;
	}
	return false;
}

/* ---- KRL ---- */

/* False: the section does not parse, or is of a kind that is not known. */
static bool take_section(struct cs_revoked_keys *r, uint8_t kind, struct wire_string data)
{
	struct wire w = { data.p, data.len, false };
	size_t want = kind == SECTION_SHA1 ? SHA_DIGEST_LENGTH : CS_SHA256_LEN;

	if (kind == SECTION_CERTIFICATES)
		return true;
	if (kind != SECTION_EXPLICIT_KEY && kind != SECTION_SHA1 && kind != SECTION_SHA256)
		return false;
	while (w.len && !w.bad) {
		struct wire_string s = wire_string(&w);

		if (w.bad || (kind != SECTION_EXPLICIT_KEY && s.len != want))
			return false;
		if (kind == SECTION_EXPLICIT_KEY)
			add_key(r, s.p, s.len);
		else
			add(r, s.p, s.len);
	}
	return wire_done(&w);
}

static int parse_krl(struct cs_revoked_keys *r, const char *file, const char *data, size_t len,
		     struct cs_err *err)
{
	struct wire w = { (const uint8_t *)data, len, false };
	bool signatures = false;

	wire_bytes(&w, MAGIC_LEN);
	if (wire_u32(&w) != KRL_VERSION)
		return cs_err_set(err, CS_UNSUPPORTED, "%s: a revocation list of another version",
				  file);
	wire_u64(&w);	 /* its own version */
	wire_u64(&w);	 /* date */
	wire_u64(&w);	 /* flags: none are defined */
	wire_string(&w); /* reserved */
	wire_string(&w); /* comment */
	while (w.len && !w.bad) {
		uint8_t kind = wire_byte(&w);
		struct wire_string section = wire_string(&w);

		/* Nothing but signatures may follow one; they are not needed: the file is trusted.
		 */
		if (kind == SECTION_SIGNATURE)
			wire_string(&w);
		signatures |= kind == SECTION_SIGNATURE;
		if (w.bad || (signatures && kind != SECTION_SIGNATURE) ||
		    (!signatures && !take_section(r, kind, section)))
			return cs_err_set(err, CS_UNSUPPORTED,
					  "%s: a section %u of the revocation list that cannot be "
					  "read",
					  file, kind);
	}
	return wire_done(&w) ? 0 : cs_err_set(err, CS_CORRUPT, "%s: a truncated list", file);
}

/* ---- text ---- */

static bool take_fingerprint(struct cs_revoked_keys *r, const char *text)
{
	AUTO_BUF struct cs_buf bytes = CS_BUF_INIT;
	AUTO_FREE char *padded = cs_asprintf("%s=", text);

	if (cs_base64_decode(&bytes, padded, strlen(padded)) < 0 || bytes.len != CS_SHA256_LEN)
		return false;
	add(r, (const uint8_t *)bytes.data, bytes.len);
	return true;
}

/* "type base64 [comment]": any type, for a key that cannot sign here may stand in the list. */
static bool take_key(struct cs_revoked_keys *r, char *line)
{
	AUTO_BUF struct cs_buf blob = CS_BUF_INIT;
	char *type = strsep(&line, " \t");
	char *key = line ? line + strspn(line, " \t") : NULL;
	struct wire w;

	if (key)
		key[strcspn(key, " \t")] = '\0';
	if (!key || cs_base64_decode(&blob, key, strlen(key)) < 0)
		return false;
	w = (struct wire){ (const uint8_t *)blob.data, blob.len, false };
	wire_expect(&w, type);
	if (w.bad)
		return false;
	add_key(r, blob.data, blob.len);
	return true;
}

static int parse_text(struct cs_revoked_keys *r, const char *file, char *text, struct cs_err *err)
{
	int number = 0;

	for (char *line; (line = strsep(&text, "\n"));) {
		size_t n = strlen(line);

		number++;
		while (n && strchr(" \t\r", line[n - 1]))
			line[--n] = '\0';
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		if (!(strncmp(line, "SHA256:", 7) == 0 ? take_fingerprint(r, line + 7)
						       : take_key(r, line)))
			return cs_err_set(err, CS_CORRUPT,
					  "%s:%d: neither a public key nor a SHA256 fingerprint",
					  file, number);
	}
	return 0;
}

int cs_revoked_keys_parse(struct cs_revoked_keys **out, const char *file, const char *data,
			  size_t len, struct cs_err *err)
{
	struct cs_revoked_keys *r = cs_calloc(1, sizeof(*r));
	AUTO_FREE char *text = cs_strndup(data, len);
	int rc;

	if (len >= MAGIC_LEN && memcmp(data, KRL_MAGIC, MAGIC_LEN) == 0)
		rc = parse_krl(r, file, data, len, err);
	else if (strlen(text) != len)
		rc = cs_err_set(err, CS_CORRUPT, "%s: a NUL byte", file);
	else
		rc = parse_text(r, file, text, err);
	if (rc < 0) {
		cs_revoked_keys_free(r);
		return rc;
	}
	*out = r;
	return 0;
}
