/* SPDX-License-Identifier: Apache-2.0 */
/* Names, envelopes, and signing in each of its ways; ssh-keygen is the oracle. */
#include "countersign/attest.h"

#include <sys/stat.h>
#include "fixture.h"

#define STATEMENT "{\"_type\":\"x\"}"

static void put(const char *path, const char *text)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_write_file(AT_FDCWD, path, text, strlen(text), 0644, &err) == 0, "%s",
		      err.msg);
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

static int verify(struct cs_ssh_key *key, const struct cs_buf *sig, const char *ns,
		  const struct cs_buf *message)
{
	struct cs_err err = CS_ERR_INIT;

	return cs_sshsig_verify(key, sig->data, sig->len, ns, message->data, message->len, &err);
}

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

/* By the path of either half, and as a configuration has it. */
static const char *const key_paths[] = { "key", "key.pub", "~/key" };

START_TEST(a_human_signs)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *print = NULL;

	fx_run("ssh-keygen -q -t ed25519 -N '' -f key; cp key.pub pub; cp key key.pub home");
	print = fx_line("ssh-keygen -l -f key.pub | cut -d' ' -f2");
	ck_assert_msg(cs_attest_sign(&line, STATEMENT, strlen(STATEMENT), CS_NS_REVIEW,
				     key_paths[_i], NULL, &err) == 0,
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
	tcase_add_loop_test(real, a_human_signs, 0, CS_COUNT(key_paths));
	tcase_add_test(real, an_ssh_agent_signs);
	tcase_add_test(real, nobody_signs);
	tcase_add_test(real, the_machine_signs);
	suite_add_tcase(s, real);
	return unit_run(s);
}
