/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures, signers and statements; ssh-keygen is the oracle. */
#include "countersign/attest.h"

#include <sys/stat.h>
#include "fixture.h"

#define STATEMENT "{\"_type\":\"x\"}"
#define NOW	  INT64_C(1800000000000000000)

/* What a program wrote to a file. */
static struct cs_buf slurp(const char *path)
{
	struct cs_buf out = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_read_file(&out, AT_FDCWD, path, 1 << 20, &err) == 0, "%s: %s", path,
		      err.msg);
	return out;
}

static void put(const char *path, const char *text)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_write_file(AT_FDCWD, path, text, strlen(text), 0644, &err) == 0, "%s",
		      err.msg);
}

/* The raw blob of `ssh-keygen -Y sign` over the file "message". */
static struct cs_buf ssh_keygen_signature(const char *key, const char *ns, const char *hash)
{
	AUTO_FREE char *base64 = fx_output("ssh-keygen -q -Y sign -O hashalg=%s -n %s -f %s <message |"
					   " grep -v -- ---- | tr -d '\\n'",
					   hash, ns, key);
	struct cs_buf out = CS_BUF_INIT;

	ck_assert_int_eq(cs_base64_decode(&out, base64, strlen(base64)), 0);
	ck_assert_uint_gt(out.len, 80);
	return out;
}

/* ---- names ---- */

static const struct {
	const char *url, *name;
} urls[] = {
	{ "git@Example.org:team/x.git", "example.org/team/x" },
	{ "ssh://git@example.org:2222/team/x.git/", "example.org/team/x" },
	{ "https://user:pw@EXAMPLE.org/team/x", "example.org/team/x" },
	{ "https://example.org//team//x.git", "example.org/team/x" },
	{ "ssh://[::1]:22/x.git", "[::1]/x" },
	{ "git://example.org/x", "example.org/x" },
	{ "file:///srv/git/x.git", "/srv/git/x" },
	{ "/srv/git/x.git", "/srv/git/x" },
	{ "/home/a/x/.git", "/home/a/x" },
	{ "/srv/.git", "/srv" },
	{ "/srv/git/x.git/", "/srv/git/x" },
	{ "/with:colon/x.git", "/with:colon/x" },
	{ "https://evil.example@example.org/x", "example.org/x" },
	{ "", "" },
};

START_TEST(repository_names)
{
	AUTO_FREE char *name = cs_repository_name(urls[_i].url);

	ck_assert_msg(!strcmp(name, urls[_i].name), "%s: %s", urls[_i].url, name);
}
END_TEST

/* ---- envelopes ---- */

START_TEST(envelope_round_trip)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT, again = CS_BUF_INIT, pae = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_envelope e, f;

	cs_envelope_init(&e);
	cs_envelope_init(&f);
	e.payload_type = cs_strdup(CS_IN_TOTO_TYPE);
	cs_buf_adds(&e.payload, STATEMENT);
	e.sigs[0].keyid = cs_strdup("SHA256:x");
	cs_buf_add(&e.sigs[0].sig, "\0\xff!", 3);
	e.n_sigs = 1;
	cs_envelope_format(&line, &e);
	ck_assert_msg(cs_envelope_parse(&f, line.data, line.len, &err) == 0, "%s", err.msg);
	cs_envelope_format(&again, &f);
	ck_assert_str_eq(line.data, again.data);
	ck_assert_int_eq(memcmp(f.sigs[0].sig.data, "\0\xff!", 3), 0);
	/* the example of the specification */
	cs_dsse_pae(&pae, "http://example.com/HelloWorld", "hello world", 11);
	ck_assert_str_eq(pae.data, "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
	cs_envelope_release(&e);
	cs_envelope_release(&f);
}
END_TEST

static const char *const bad_envelopes[] = {
	"",
	"{}",
	"[]",
	"{\"payload\":\"e30=\",\"payloadType\":\"t\"}",
	"{\"payload\":\"e30=\",\"payloadType\":\"t\",\"signatures\":[]}",
	"{\"payload\":\"e30\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"AA==\"}]}",
	"{\"payload\":\"e30=\",\"signatures\":[{\"sig\":\"AA==\"}]}",
	"{\"payload\":\"e30=\",\"payloadType\":1,\"signatures\":[{\"sig\":\"AA==\"}]}",
	"{\"payload\":\"e30=\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"x\"}]}",
	"{\"payload\":\"e30=\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"A\"}]}",
	"{\"payload\":\"e30=\",\"payloadType\":\"t\",\"signatures\":{\"sig\":\"AA==\"}}",
	"{\"payload\":\"e30=\",\"payload\":\"e30=\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":"
	"\"AA==\"}]}",
};

START_TEST(envelopes_that_are_none)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_envelope e;

	cs_envelope_init(&e);
	ck_assert_msg(cs_envelope_parse(&e, bad_envelopes[_i], strlen(bad_envelopes[_i]), &err) < 0,
		      "%s", bad_envelopes[_i]);
	cs_envelope_release(&e);
}
END_TEST

/* ---- SSHSIG ---- */

static const struct {
	const char *type, *options, *name;
} keys[] = {
	{ "ed25519", "", "ssh-ed25519" },
	{ "ecdsa", "-b 256", "ecdsa-sha2-nistp256" },
	{ "ecdsa", "-b 384", "ecdsa-sha2-nistp384" },
	{ "ecdsa", "-b 521", "ecdsa-sha2-nistp521" },
	{ "rsa", "-b 2048", "ssh-rsa" },
};

static int verify(struct cs_ssh_key *key, const struct cs_buf *sig, const char *ns,
		  const struct cs_buf *message)
{
	struct cs_err err = CS_ERR_INIT;

	return cs_sshsig_verify(key, sig->data, sig->len, ns, message->data, message->len, &err);
}

/* Every key, both hashes: what ssh-keygen signs is valid, and the key is the one that signed. */
START_TEST(what_ssh_keygen_signs)
{
	static const char *const hashes[] = { "sha256", "sha512" };
	AUTO_FREE char *made = fx_output("ssh-keygen -q -t %s %s -N '' -f key; echo hello >message",
					 keys[_i].type, keys[_i].options);
	AUTO_FREE char *print = fx_line("ssh-keygen -l -f key.pub | cut -d' ' -f2");
	AUTO_BUF struct cs_buf message = slurp("message");

	for (size_t h = 0; h < CS_COUNT(hashes); h++) {
		AUTO_BUF struct cs_buf sig = ssh_keygen_signature("key", CS_NS_REVIEW, hashes[h]);
		struct cs_ssh_key key = CS_SSH_KEY_INIT;

		ck_assert_int_eq(verify(&key, &sig, CS_NS_REVIEW, &message), 0);
		ck_assert_str_eq(key.type, keys[_i].name);
		ck_assert_str_eq(key.fingerprint, print);
		ck_assert(!key.security_key && !key.touched && !key.pin);
		ck_assert_int_lt(verify(&key, &sig, CS_NS_RUN, &message), 0);
		ck_assert_int_lt(verify(&key, &sig, "git", &message), 0);
		cs_buf_addc(&message, '!');
		ck_assert_int_lt(verify(&key, &sig, CS_NS_REVIEW, &message), 0);
		cs_buf_truncate(&message, message.len - 1);
		cs_ssh_key_release(&key);
	}
}
END_TEST

/* Any bit flipped, any byte missing, any byte more: refused. */
START_TEST(nothing_else_is_a_signature)
{
	AUTO_FREE char *made = fx_output("ssh-keygen -q -t %s %s -N '' -f key; echo hello >message",
					 keys[_i].type, keys[_i].options);
	AUTO_BUF struct cs_buf message = slurp("message");
	AUTO_BUF struct cs_buf sig = ssh_keygen_signature("key", CS_NS_REVIEW, "sha512");
	struct cs_ssh_key key = CS_SSH_KEY_INIT;
	size_t step = _i < 2 ? 1 : 7; /* the large ones are slow */

	for (size_t bit = 0; bit < 8 * sig.len; bit += step) {
		sig.data[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_msg(verify(&key, &sig, CS_NS_REVIEW, &message) < 0, "bit %zu", bit);
		sig.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t len = 0; len < sig.len; len += step) {
		struct cs_buf cut = { sig.data, len, 0 };

		ck_assert_msg(verify(&key, &cut, CS_NS_REVIEW, &message) < 0, "length %zu", len);
	}
	ck_assert_str_eq(key.fingerprint, ""); /* untouched by failures */
	ck_assert_int_eq(verify(&key, &sig, CS_NS_REVIEW, &message), 0);
	cs_buf_addc(&sig, '\0');
	ck_assert_int_lt(verify(&key, &sig, CS_NS_REVIEW, &message), 0);
	cs_ssh_key_release(&key);
}
END_TEST

/* ---- signing ---- */

static void check_line(const struct cs_buf *line, const char *ns, const char *fingerprint)
{
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;
	struct cs_ssh_key key = CS_SSH_KEY_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_envelope e;

	cs_envelope_init(&e);
	ck_assert_msg(cs_envelope_parse(&e, line->data, line->len, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(e.payload.data, STATEMENT);
	cs_dsse_pae(&pae, e.payload_type, e.payload.data, e.payload.len);
	ck_assert_int_eq(verify(&key, &e.sigs[0].sig, ns, &pae), 0);
	ck_assert_str_eq(key.fingerprint, fingerprint);
	ck_assert_str_eq(e.sigs[0].keyid, fingerprint);
	/* and ssh-keygen says the same */
	fx_run("printf 'me@example.org namespaces=\"%s\" %%s\\n' \"$(cat pub)\" >signers", ns);
	ck_assert_int_eq(cs_write_file(AT_FDCWD, "pae", pae.data, pae.len, 0644, &err), 0);
	pae.len = 0;
	cs_base64_encode(&pae, e.sigs[0].sig.data, e.sigs[0].sig.len);
	cs_buf_truncate(&pae, pae.len);
	put("base64", pae.data);
	fx_run("(echo -----BEGIN SSH SIGNATURE-----; fold -w 70 base64; echo;"
	       " echo -----END SSH SIGNATURE-----) >sig;"
	       "ssh-keygen -Y verify -f signers -I me@example.org -n %s -s sig <pae",
	       ns);
	cs_ssh_key_release(&key);
	cs_envelope_release(&e);
}

START_TEST(a_human_signs)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *print = NULL;

	fx_run("ssh-keygen -q -t ed25519 -N '' -f key; cp key.pub pub");
	print = fx_line("ssh-keygen -l -f key.pub | cut -d' ' -f2");
	ck_assert_msg(cs_attest_sign(&line, STATEMENT, strlen(STATEMENT), CS_NS_REVIEW, "key", NULL,
				     &err) == 0,
		      "%s", err.msg);
	check_line(&line, CS_NS_REVIEW, print);
}
END_TEST

/* By the agent, for a public key file and for a key in the configuration. */
START_TEST(an_ssh_agent_signs)
{
	AUTO_FREE char *sock = NULL, *print = NULL, *literal = NULL, *pid = NULL;
	struct cs_err err = CS_ERR_INIT;

	fx_run("ssh-keygen -q -t ed25519 -N '' -f key; cp key.pub pub; ssh-agent -s -a $PWD/sock "
	       ">agent; . ./agent >/dev/null; ssh-add -q key; rm key");
	sock = fx_line("echo $PWD/sock");
	pid = fx_line(". ./agent >/dev/null; echo $SSH_AGENT_PID");
	print = fx_line("ssh-keygen -l -f key.pub | cut -d' ' -f2");
	literal = fx_line("printf 'key::'; cat key.pub");
	for (int i = 0; i < 2; i++) {
		AUTO_BUF struct cs_buf line = CS_BUF_INIT;

		ck_assert_msg(cs_attest_sign(&line, STATEMENT, strlen(STATEMENT), CS_NS_REVIEW,
					     i ? literal : "key.pub", sock, &err) == 0,
			      "%s", err.msg);
		check_line(&line, CS_NS_REVIEW, print);
	}
	fx_run("kill %s", pid);
}
END_TEST

START_TEST(nobody_signs)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;

	ck_assert_int_eq(cs_attest_sign(&line, STATEMENT, strlen(STATEMENT), CS_NS_REVIEW, "none",
					NULL, &err),
			 CS_REFUSED);
	ck_assert_uint_eq(line.len, 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "none"));
}
END_TEST

START_TEST(the_machine_signs)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT, again = CS_BUF_INIT;
	AUTO_FREE char *print = NULL, *dir = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct stat st;

	dir = fx_line("echo $PWD/some/where");
	ck_assert_msg(cs_attest_sign_machine(&line, STATEMENT, strlen(STATEMENT), dir, &err) == 0,
		      "%s", err.msg);
	fx_run("cp some/where/machine_key.pub pub; test \"$(ls -A some/where | wc -l)\" = 2");
	print = fx_line("ssh-keygen -l -f pub | cut -d' ' -f2");
	check_line(&line, CS_NS_RUN, print);
	ck_assert_int_eq(stat("some/where/machine_key", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(cs_attest_sign_machine(&again, STATEMENT, strlen(STATEMENT), dir, &err),
			 0);
	ck_assert_str_eq(line.data, again.data); /* ed25519 has no chance in it */
	fx_run("chmod 644 some/where/machine_key");
	ck_assert_int_eq(cs_attest_sign_machine(&again, STATEMENT, strlen(STATEMENT), dir, &err),
			 CS_REFUSED);
	fx_run("chmod 600 some/where/machine_key; echo x >some/where/machine_key");
	ck_assert_int_eq(cs_attest_sign_machine(&again, STATEMENT, strlen(STATEMENT), dir, &err),
			 CS_CORRUPT);
}
END_TEST

/* ---- signers ---- */

static char key_a[256], key_b[256];

static void two_keys(void)
{
	AUTO_FREE char *a = NULL, *b = NULL;

	fx_run("for k in a b; do ssh-keygen -q -t ed25519 -N '' -C '' -f $k; done");
	a = fx_line("cut -d' ' -f1,2 a.pub");
	b = fx_line("cut -d' ' -f1,2 b.pub");
	snprintf(key_a, sizeof(key_a), "%s", a);
	snprintf(key_b, sizeof(key_b), "%s", b);
}

/* The key of `a`, as a signature by it shows it. */
static struct cs_ssh_key shown_key(const char *file)
{
	AUTO_BUF struct cs_buf message = CS_BUF_INIT, sig = CS_BUF_INIT;
	struct cs_ssh_key key = CS_SSH_KEY_INIT;

	put("message", "x");
	cs_buf_adds(&message, "x");
	sig = ssh_keygen_signature(file, CS_NS_REVIEW, "sha512");
	ck_assert_int_eq(verify(&key, &sig, CS_NS_REVIEW, &message), 0);
	return key;
}

/* K and L stand for two keys. NULL: the key K speaks for nobody. */
static const struct {
	const char *text, *principal;
	bool corrupt;
} signer_files[] = {
	{ "a@x K", "a@x" },
	{ "a@x K a comment", "a@x" },
	{ "# comment\n\n\ta@x K", "a@x" },
	{ "a@x K\r\n", "a@x" },
	{ "\"a@x\" K", "a@x" },
	{ "a@x namespaces=\"" CS_NS_REVIEW "\" K", "a@x" },
	{ "a@x NAMESPACES=\"git," CS_NS_REVIEW "\" K", "a@x" },
	{ "a@x namespaces=\"*@countersign\" K", "a@x" },
	{ "a@x namespaces=\"*,!review@*\" K", NULL },
	{ "a@x namespaces=\"git\" K", NULL },
	{ "a@x namespaces=\"" CS_NS_RUN "\" K", NULL },
	{ "a@x valid-after=\"20200101Z\",valid-before=\"20300101Z\" K", "a@x" },
	{ "a@x valid-before=\"20200101Z\" K", NULL },
	{ "a@x valid-before=20200101 K", NULL },
	{ "a@x valid-after=\"20300101120000Z\" K", NULL },
	{ "a@x valid-after=\"202001011200\" K", "a@x" },
	{ "a@x valid-after=\"2020\" K", NULL, true },
	{ "a@x valid-after=\"20201301\" K", NULL, true },
	{ "a@x valid-after K", NULL, true },
	{ "* K", NULL },
	{ "*@x K", NULL },
	{ "a@x,b@x K", NULL },
	{ "a@x cert-authority K", NULL },
	{ "a@x no-such-option K", NULL },
	{ "a@x K\nb@x K", NULL },
	{ "a@x K\na@x K", "a@x" },
	{ "a@x valid-before=\"20200101Z\" K\na@x K", "a@x" },
	{ "a@x L", NULL },
	{ "", NULL },
	{ "a@x", NULL, true },
	{ "a@x ssh-ed25519", NULL, true },
	{ "a@x ssh-ed25519 AAAA", NULL, true },
	{ "a@x ssh-rsa K", NULL, true },
	{ "\"a@x K", NULL, true },
	{ "a@x namespaces=\"git K", NULL, true },
};

static char *fill_in(const char *text)
{
	struct cs_buf out = CS_BUF_INIT;

	for (; *text; text++) {
		if (*text == 'K' && (!text[1] || strchr(" \n\r", text[1])))
			cs_buf_adds(&out, key_a);
		else if (*text == 'L' && !text[1])
			cs_buf_adds(&out, key_b);
		else
			cs_buf_addc(&out, *text);
	}
	return cs_buf_take(&out);
}

START_TEST(who_is_known)
{
	for (size_t i = 0; i < CS_COUNT(signer_files); i++) {
		AUTO_FREE char *text = NULL;
		struct cs_err err = CS_ERR_INIT;
		struct cs_signers *signers = NULL;
		const char *principal = NULL;
		struct cs_ssh_key key;
		int rc;

		if (i == 0)
			two_keys();
		text = fill_in(signer_files[i].text);
		rc = cs_signers_parse(&signers, "file", text, strlen(text), &err);
		ck_assert_msg((rc < 0) == signer_files[i].corrupt, "%s: %d %s",
			      signer_files[i].text, rc, err.msg);
		if (rc < 0) {
			ck_assert_msg(!strncmp(err.msg, "file:1: ", 8), "%s", err.msg);
			continue;
		}
		key = shown_key("a");
		rc = cs_signers_find(&principal, signers, &key, CS_NS_REVIEW, NOW, &err);
		if (signer_files[i].principal)
			ck_assert_msg(rc == 0 && !strcmp(principal, signer_files[i].principal),
				      "%s: %s", signer_files[i].text, err.msg);
		else
			ck_assert_msg(rc == CS_REFUSED && !principal, "%s", signer_files[i].text);
		cs_ssh_key_release(&key);
		cs_signers_free(signers);
	}
}
END_TEST

/* ---- revoked keys ---- */

static const struct {
	const char *how;
	bool a, b, unreadable;
} revocations[] = {
	{ "ssh-keygen -q -k -f list a.pub", true, false },
	{ "ssh-keygen -q -k -f list", false, false },
	{ "ssh-keygen -q -k -f list a.pub b.pub", true, true },
	{ "(printf 'sha1: '; cat b.pub) >spec; ssh-keygen -q -k -f list spec", false, true },
	{ "(printf 'sha256: '; cat b.pub) >spec; ssh-keygen -q -k -f list spec", false, true },
	{ "cp a.pub list", true, false },
	{ "(echo '# gone'; echo; ssh-keygen -l -f b.pub | cut -d' ' -f2) >list", false, true },
	{ ": >list", false, false },
	{ "echo who >list", false, false, true },
	{ "echo SHA256:short >list", false, false, true },
	{ "ssh-keygen -q -k -f list a.pub; truncate -s -1 list", false, false, true },
	{ "ssh-keygen -q -k -f list a.pub; printf '\\007\\0\\0\\0\\0' >>list", false, false, true },
};

START_TEST(who_is_revoked)
{
	struct cs_revoked_keys *revoked = NULL;
	struct cs_err err = CS_ERR_INIT;
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct cs_ssh_key a, b;
	int rc;

	two_keys();
	fx_run("%s", revocations[_i].how);
	list = slurp("list");
	rc = cs_revoked_keys_parse(&revoked, "list", list.data, list.len, &err);
	ck_assert_msg((rc < 0) == revocations[_i].unreadable, "%s: %d", revocations[_i].how, rc);
	if (rc < 0)
		return;
	a = shown_key("a");
	b = shown_key("b");
	ck_assert_int_eq(cs_revoked_keys_has(revoked, &a), revocations[_i].a);
	ck_assert_int_eq(cs_revoked_keys_has(revoked, &b), revocations[_i].b);
	cs_ssh_key_release(&a);
	cs_ssh_key_release(&b);
	cs_revoked_keys_free(revoked);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attest");
	TCase *pure = tcase_create("pure");
	TCase *real = tcase_create("with ssh-keygen");

	tcase_add_loop_test(pure, repository_names, 0, CS_COUNT(urls));
	tcase_add_test(pure, envelope_round_trip);
	tcase_add_loop_test(pure, envelopes_that_are_none, 0, CS_COUNT(bad_envelopes));
	suite_add_tcase(s, pure);
	tcase_add_checked_fixture(real, fx_setup, fx_teardown);
	tcase_set_timeout(real, FX_TIMEOUT_S);
	tcase_add_loop_test(real, what_ssh_keygen_signs, 0, CS_COUNT(keys));
	tcase_add_loop_test(real, nothing_else_is_a_signature, 0, CS_COUNT(keys));
	tcase_add_test(real, a_human_signs);
	tcase_add_test(real, an_ssh_agent_signs);
	tcase_add_test(real, nobody_signs);
	tcase_add_test(real, the_machine_signs);
	tcase_add_test(real, who_is_known);
	tcase_add_loop_test(real, who_is_revoked, 0, CS_COUNT(revocations));
	suite_add_tcase(s, real);
	return unit_run(s);
}
