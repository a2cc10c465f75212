/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSH signatures of every kind, made here with libcrypto, so that security keys can be had with
 * any flags and counter. What is accepted here is accepted by ssh-keygen; what is not ours is
 * refused: any bit of signature, key, namespace and message flipped, any length, any other form.
 */
#include "attest_world.h"

#define MESSAGE "what is signed"

static int verify(struct cs_ssh_key *key, const void *sig, size_t len, const char *ns,
		  const char *message, struct cs_err *err)
{
	return cs_sshsig_verify(key, sig, len, ns, message, strlen(message), err);
}

/* ---- good ones ---- */

static const struct aw_how ways[] = {
	{ 0 },
	{ .hash = "sha256" },
	{ .rsa = "rsa-sha2-256" },
	{ .flags = AW_TOUCHED, .counter = 1 },
	{ .flags = AW_TOUCHED | AW_PIN, .counter = 0xffffffff },
	{ .flags = AW_PIN, .counter = 7 },
	{ .flags = 0xc0 | AW_TOUCHED, .counter = 0x80000000 }, /* attested data, extensions */
	{ .ns = "git" },
};

static void check_good(const struct aw_key *key, const struct aw_how *how, const struct cs_buf *sig)
{
	const bool sk = aw_kinds[key->kind].security_key;
	struct cs_ssh_key shown = CS_SSH_KEY_INIT, wanted = aw_shown(key);
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(verify(&shown, sig->data, sig->len, how->ns ? how->ns : CS_NS_REVIEW, MESSAGE,
			     &err) == 0,
		      "%s: %s", aw_kinds[key->kind].name, err.msg);
	ck_assert_str_eq(shown.type, wanted.type);
	ck_assert_str_eq(shown.fingerprint, wanted.fingerprint);
	ck_assert_uint_eq(shown.blob.len, wanted.blob.len);
	ck_assert_int_eq(memcmp(shown.blob.data, wanted.blob.data, wanted.blob.len), 0);
	ck_assert_int_eq(shown.security_key, sk);
	/* Who touches a key that has no sensor? Nobody. */
	ck_assert_int_eq(shown.touched, sk && how->flags & AW_TOUCHED);
	ck_assert_int_eq(shown.pin, sk && how->flags & AW_PIN);
	cs_ssh_key_release(&shown);
	cs_ssh_key_release(&wanted);
}

START_TEST(every_kind_in_every_way)
{
	struct aw_key key = aw_key_new((enum aw_kind)_i);
	AUTO_FREE char *pub = aw_public(&key);
	AUTO_FREE char *signers = cs_asprintf("a@x %s\n", pub);
	AUTO_FREE char *fingerprint = NULL, *there = NULL;
	struct cs_ssh_key shown = aw_shown(&key);
	size_t good = 0;

	aw_put("message", MESSAGE, strlen(MESSAGE));
	aw_put("signers", signers, strlen(signers));
	aw_put("pub", pub, strlen(pub));
	fingerprint = fx_line("ssh-keygen -l -f pub | cut -d' ' -f2");
	ck_assert_str_eq(fingerprint, shown.fingerprint);
	for (size_t i = 0; i < CS_COUNT(ways); i++) {
		AUTO_FREE char *path = cs_asprintf("%zu.sig", i);
		AUTO_BUF struct cs_buf sig = CS_BUF_INIT;

		aw_sign(&sig, &key, MESSAGE, strlen(MESSAGE), &ways[i]);
		check_good(&key, &ways[i], &sig);
		aw_put_armored(path, &sig);
	}
	there = fx_output("for i in $(seq 0 %zu); do [ $i = 7 ] && ns=git || ns=" CS_NS_REVIEW ";"
			  " ssh-keygen -Y verify -f signers -I a@x -n $ns -s $i.sig <message; done",
			  CS_COUNT(ways) - 1);
	for (const char *at = there; (at = strstr(at, "Good ")); at++)
		good++;
	ck_assert_uint_eq(good, CS_COUNT(ways));
	cs_ssh_key_release(&shown);
	aw_key_release(&key);
}
END_TEST

/* ---- bad ones ---- */

/* Any bit of the signature: magic, version, key, namespace, hash, flags, counter, value. */
START_TEST(any_bit_flipped)
{
	const struct aw_how how = { .flags = AW_TOUCHED, .counter = 3 };
	struct aw_key key = aw_key_new((enum aw_kind)_i);
	struct cs_ssh_key shown = CS_SSH_KEY_INIT;
	AUTO_BUF struct cs_buf sig = CS_BUF_INIT;
	AUTO_FREE char *message = cs_strdup(MESSAGE), *ns = cs_strdup(CS_NS_REVIEW);

	aw_sign(&sig, &key, MESSAGE, strlen(MESSAGE), &how);
	for (size_t bit = 0; bit < 8 * sig.len; bit++) {
		sig.data[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_msg(verify(&shown, sig.data, sig.len, ns, message, NULL) < 0,
			      "%s: bit %zu", aw_kinds[_i].name, bit);
		sig.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * strlen(MESSAGE); bit++) {
		message[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_int_lt(verify(&shown, sig.data, sig.len, ns, message, NULL), 0);
		message[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * strlen(CS_NS_REVIEW); bit++) {
		ns[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_int_lt(verify(&shown, sig.data, sig.len, ns, message, NULL), 0);
		ns[bit / 8] ^= (char)(1 << bit % 8);
	}
	/* No failure said whose key it was, and the original is still good. */
	ck_assert_str_eq(shown.fingerprint, "");
	ck_assert(!shown.touched && !shown.pin && !shown.blob.len);
	ck_assert_int_eq(verify(&shown, sig.data, sig.len, ns, message, NULL), 0);
	cs_ssh_key_release(&shown);
	aw_key_release(&key);
}
END_TEST

START_TEST(any_length)
{
	struct aw_key key = aw_key_new((enum aw_kind)_i);
	struct cs_ssh_key shown = CS_SSH_KEY_INIT;
	AUTO_BUF struct cs_buf sig = CS_BUF_INIT;

	aw_sign(&sig, &key, MESSAGE, strlen(MESSAGE), &ways[0]);
	for (size_t len = 0; len < sig.len; len++) {
		/* In memory of its own: the sanitizer sees a byte too far. */
		AUTO_FREE char *cut = cs_malloc(len ? len : 1);

		memcpy(cut, sig.data, len);
		ck_assert_int_lt(verify(&shown, cut, len, CS_NS_REVIEW, MESSAGE, NULL), 0);
	}
	cs_buf_addc(&sig, '\0');
	ck_assert_int_lt(verify(&shown, sig.data, sig.len, CS_NS_REVIEW, MESSAGE, NULL), 0);
	aw_key_release(&key);
}
END_TEST

/* Properly signed, but not as we want it. */
static const struct {
	struct aw_how how;
	enum aw_kind kind;
	int rc;
	const char *says;
} odd[] = {
	{ { .ns = "git" }, AW_ED25519, CS_REFUSED, "signed in the namespace 'git'" },
	{ { .ns = "" }, AW_ED25519, CS_REFUSED, "namespace ''" },
	{ { .ns = CS_NS_RUN }, AW_ED25519, CS_REFUSED, CS_NS_RUN },
	{ { .ns = CS_NS_REVIEW "." }, AW_ED25519, CS_REFUSED, "namespace" },
	{ { .ns = "review@countersig" }, AW_ED25519, CS_REFUSED, "namespace" },
	{ { .ns = "\033[2J\n" }, AW_ED25519, CS_REFUSED, "namespace" },
	{ { .hash = "sha1" }, AW_ED25519, CS_UNSUPPORTED, "hash" },
	{ { .hash = "SHA512" }, AW_ED25519, CS_UNSUPPORTED, "hash" },
	{ { .hash = "" }, AW_ED25519, CS_UNSUPPORTED, "hash" },
	{ { .version = 2 }, AW_ED25519, CS_UNSUPPORTED, "version 2" },
	{ { .version = 0x01000000 }, AW_ED25519, CS_UNSUPPORTED, "version" },
	{ { .reserved = "x" }, AW_ED25519, CS_UNSUPPORTED, "unknown content" },
	{ { .rsa = "ssh-rsa" }, AW_RSA, CS_CORRUPT, "malformed ssh-rsa" },
	{ { .sig_name = "rsa-sha2-256" }, AW_RSA, CS_REFUSED, "not valid" },
	{ { .sig_name = "rsa-sha2-1024" }, AW_RSA, CS_CORRUPT, "malformed" },
	{ { .sig_name = "ssh-rsa" }, AW_ED25519, CS_CORRUPT, "malformed" },
	{ { .sig_name = "rsa-sha2-512" }, AW_ED25519, CS_CORRUPT, "malformed" },
	{ { .sig_name = "ecdsa-sha2-nistp384" }, AW_ECDSA256, CS_CORRUPT, "malformed" },
	{ { .sig_name = "ssh-ed25519" }, AW_SK_ED25519, CS_CORRUPT, "malformed" },
	{ { .sig_name = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com" },
	  AW_SK_ECDSA,
	  CS_CORRUPT,
	  "malformed" },
};

START_TEST(other_forms)
{
	for (size_t i = 0; i < CS_COUNT(odd); i++) {
		struct aw_key key = aw_key_new(odd[i].kind);
		struct cs_ssh_key shown = CS_SSH_KEY_INIT;
		struct cs_err err = CS_ERR_INIT;
		AUTO_BUF struct cs_buf sig = CS_BUF_INIT;
		int rc;

		aw_sign(&sig, &key, MESSAGE, strlen(MESSAGE), &odd[i].how);
		rc = verify(&shown, sig.data, sig.len, CS_NS_REVIEW, MESSAGE, &err);
		ck_assert_msg(rc == odd[i].rc && strstr(err.msg, odd[i].says), "row %zu: %d %s", i,
			      rc, err.msg);
		ck_assert_ptr_null(strpbrk(err.msg, "\033\n"));
		ck_assert_str_eq(shown.fingerprint, "");
		aw_key_release(&key);
	}
}
END_TEST

/* A signature of one key below the name of another; a security key's by its bare half. */
START_TEST(another_key)
{
	for (size_t i = 0; i < AW_KINDS; i++) {
		struct aw_key key = aw_key_new((enum aw_kind)i),
			      other = aw_key_new((enum aw_kind)i);
		struct aw_key mixed = { key.kind, key.pkey, other.blob };
		AUTO_BUF struct cs_buf sig = CS_BUF_INIT;
		struct cs_ssh_key shown = CS_SSH_KEY_INIT;

		aw_sign(&sig, &mixed, MESSAGE, strlen(MESSAGE), &ways[0]);
		ck_assert_int_eq(verify(&shown, sig.data, sig.len, CS_NS_REVIEW, MESSAGE, NULL),
				 CS_REFUSED);
		aw_key_release(&key);
		aw_key_release(&other);
	}
	for (int ec = 0; ec < 2; ec++) {
		struct aw_key sk = aw_key_new(ec ? AW_SK_ECDSA : AW_SK_ED25519);
		struct aw_key bare = { ec ? AW_ECDSA256 : AW_ED25519, sk.pkey, sk.blob };
		AUTO_BUF struct cs_buf sig = CS_BUF_INIT;
		struct cs_ssh_key shown = CS_SSH_KEY_INIT;

		aw_sign(&sig, &bare, MESSAGE, strlen(MESSAGE), &ways[0]);
		ck_assert_int_lt(verify(&shown, sig.data, sig.len, CS_NS_REVIEW, MESSAGE, NULL), 0);
		aw_key_release(&sk);
	}
}
END_TEST

/* ---- keys that are none ---- */

static void add_point(struct cs_buf *b, const char *type, const char *curve, size_t len, char first)
{
	char point[200] = { 0 };

	point[0] = first;
	aw_text(b, type);
	aw_text(b, curve);
	aw_string(b, point, len);
}

/* Not on the curve, at infinity, compressed, of another curve; RSA with odd numbers. */
START_TEST(malformed_keys)
{
	const char *const p256 = "ecdsa-sha2-nistp256";
	struct cs_buf blobs[10];
	size_t n = 0;

	for (size_t i = 0; i < CS_COUNT(blobs); i++)
		blobs[i] = (struct cs_buf)CS_BUF_INIT;
	add_point(&blobs[n++], p256, "nistp256", 65, 4);
	add_point(&blobs[n++], p256, "nistp256", 1, 0);
	add_point(&blobs[n++], p256, "nistp256", 33, 2);
	add_point(&blobs[n++], p256, "nistp384", 97, 4);
	add_point(&blobs[n++], "ecdsa-sha2-nistp384", "nistp256", 65, 4);
	aw_text(&blobs[n], "ssh-ed25519");
	aw_string(&blobs[n++], p256, 19);
	aw_text(&blobs[n], "ssh-rsa"); /* e = 0 */
	aw_text(&blobs[n], "");
	aw_string(&blobs[n++], p256, 19);
	aw_text(&blobs[n], "ssh-rsa"); /* n negative */
	aw_text(&blobs[n], "\3");
	aw_text(&blobs[n++], "\xff\xff");
	aw_text(&blobs[n++], "ssh-rsa-cert-v01@openssh.com");
	n++; /* nothing at all */
	ck_assert_uint_eq(n, CS_COUNT(blobs));
	for (size_t i = 0; i < n; i++) {
		struct aw_key real = aw_key_new(i < 4 ? AW_ECDSA256 : AW_ED25519);
		struct aw_key mixed = { real.kind, real.pkey, blobs[i] };
		AUTO_BUF struct cs_buf sig = CS_BUF_INIT;
		struct cs_ssh_key shown = CS_SSH_KEY_INIT;

		aw_sign(&sig, &mixed, MESSAGE, strlen(MESSAGE), &ways[0]);
		ck_assert_msg(verify(&shown, sig.data, sig.len, CS_NS_REVIEW, MESSAGE, NULL) < 0,
			      "key %zu", i);
		aw_key_release(&real);
		cs_buf_release(&blobs[i]);
	}
}
END_TEST

/* ---- the oracle over many damaged ones ---- */

#define DAMAGED 16

/* Bytes anywhere changed, cut out or doubled: never accepted here and refused there. */
START_TEST(damaged_as_ssh_keygen_has_it)
{
	struct aw_key key = aw_key_new((enum aw_kind)_i);
	AUTO_FREE char *pub = aw_public(&key);
	AUTO_FREE char *signers = cs_asprintf("a@x %s\n", pub);
	AUTO_FREE char *there = NULL;
	uint32_t state = 4711 + (uint32_t)_i;
	char here[DAMAGED + 1] = "";

	aw_put("message", MESSAGE, strlen(MESSAGE));
	aw_put("signers", signers, strlen(signers));
	for (size_t i = 0; i < DAMAGED; i++) {
		AUTO_FREE char *path = cs_asprintf("%zu.sig", i);
		AUTO_BUF struct cs_buf sig = CS_BUF_INIT, bad = CS_BUF_INIT;
		struct cs_ssh_key shown = CS_SSH_KEY_INIT;
		uint32_t at;

		aw_sign(&sig, &key, MESSAGE, strlen(MESSAGE), &ways[i % CS_COUNT(ways)]);
		at = fx_random(&state, (uint32_t)sig.len);
		cs_buf_add(&bad, sig.data, at + i % 3);
		cs_buf_addc(&bad, (char)fx_random(&state, 256));
		cs_buf_add(&bad, sig.data + at + 1, sig.len - at - 1);
		if (i == 0) {
			cs_buf_truncate(&bad, 0);
			cs_buf_add(&bad, sig.data, sig.len);
		}
		here[i] =
			verify(&shown, bad.data, bad.len, CS_NS_REVIEW, MESSAGE, NULL) ? 'n' : 'y';
		cs_ssh_key_release(&shown);
		aw_put_armored(path, &bad);
	}
	there = fx_output(
		"for i in $(seq 0 %d); do ssh-keygen -Y verify -f signers -I a@x -n " CS_NS_REVIEW
		" -s $i.sig <message >/dev/null 2>&1 && printf y || printf n; done",
		DAMAGED - 1);
	ck_assert_int_eq(here[0], 'y');
	for (size_t i = 0; i < DAMAGED; i++)
		ck_assert_msg(here[i] == 'n' || there[i] == 'y', "%s: %zu", aw_kinds[_i].name, i);
	aw_key_release(&key);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attest_sshsig");
	TCase *t = tcase_create("signatures");

	tcase_add_checked_fixture(t, fx_setup, fx_teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_loop_test(t, every_kind_in_every_way, 0, AW_KINDS);
	tcase_add_loop_test(t, any_bit_flipped, 0, AW_KINDS);
	tcase_add_loop_test(t, any_length, 0, AW_KINDS);
	tcase_add_test(t, other_forms);
	tcase_add_test(t, another_key);
	tcase_add_test(t, malformed_keys);
	tcase_add_loop_test(t, damaged_as_ssh_keygen_has_it, 0, AW_KINDS);
	suite_add_tcase(s, t);
	return unit_run(s);
}
