/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's own key: made once however many come first, readable by nobody else, whole or not
 * there; and what is no such key signs nothing.
 */
#include "attest_world.h"

#define STATEMENT "{\"_type\":\"x\"}"
#define DIR_NAME  "home/.config/countersign"
#define KEY	  DIR_NAME "/machine_key"

static int sign(struct cs_buf *line, struct cs_err *err)
{
	AUTO_FREE char *dir = cs_asprintf("%s/" DIR_NAME, fx_top);

	return cs_attest_sign_machine(line, STATEMENT, strlen(STATEMENT), dir, err);
}

/* One line by the key that is there; the caller frees. */
static char *signed_line(void)
{
	struct cs_buf line = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;

	fx_ok(sign(&line, &err), err);
	return cs_buf_take(&line);
}

/* Nothing but the key and its public half, with the modes that they should have. */
static void check_files(void)
{
	AUTO_FREE char *files = fx_output(
		"cd home && stat -c '%%a %%n' .config .config/countersign && cd "
		".config/countersign && for f in $(ls -A); do stat -c '%%a %%n' $f; done");

	ck_assert_str_eq(files, "700 .config\n700 .config/countersign\n"
				"600 machine_key\n644 machine_key.pub\n");
}

START_TEST(made_on_first_use)
{
	static const mode_t masks[] = { 022, 0, 077 };
	AUTO_FREE char *line = NULL, *again = NULL, *print = NULL, *pub = NULL;
	struct cs_envelope e;
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;
	struct cs_ssh_key key = CS_SSH_KEY_INIT;
	struct cs_err err = CS_ERR_INIT;

	umask(masks[_i]);
	line = signed_line();
	umask(022);
	fx_run("chmod 644 " KEY ".pub"); /* that one follows the mask */
	check_files();
	again = signed_line();
	ck_assert_str_eq(line, again);
	/* ssh-keygen reads the key, and it is the one that signed, as a run and as nothing else */
	pub = fx_line("ssh-keygen -y -f " KEY " | cmp - " KEY ".pub && cut -d' ' -f1,2 " KEY
		      ".pub");
	print = fx_line("ssh-keygen -l -f " KEY ".pub | cut -d' ' -f2");
	cs_envelope_init(&e);
	fx_ok(cs_envelope_parse(&e, line, strlen(line), &err), err);
	cs_dsse_pae(&pae, e.payload_type, e.payload.data, e.payload.len);
	fx_ok(cs_sshsig_verify(&key, e.sigs[0].sig.data, e.sigs[0].sig.len, CS_NS_RUN, pae.data,
			       pae.len, &err),
	      err);
	ck_assert_str_eq(key.fingerprint, print);
	ck_assert_str_eq(e.sigs[0].keyid, print);
	ck_assert_int_eq(cs_sshsig_verify(&key, e.sigs[0].sig.data, e.sigs[0].sig.len, CS_NS_REVIEW,
					  pae.data, pae.len, &err),
			 CS_REFUSED);
	ck_assert_int_eq(strncmp(pub, "ssh-ed25519 ", 12), 0);
	cs_ssh_key_release(&key);
	cs_envelope_release(&e);
}
END_TEST

/* Whoever is first makes it; all sign with that one, and nothing is left beside it. */
START_TEST(at_the_same_time)
{
	enum { PROCESSES = 8 };
	AUTO_FREE char *line = NULL;
	int go[2], status;
	char byte;

	ck_assert_int_eq(pipe(go), 0);
	for (int i = 0; i < PROCESSES; i++) {
		if (fork() == 0) {
			AUTO_FREE char *path = cs_asprintf("line.%d", i);
			AUTO_BUF struct cs_buf own = CS_BUF_INIT;

			close(go[1]);
			if (read(go[0], &byte, 1) < 0 || sign(&own, NULL) < 0 ||
			    cs_write_file(AT_FDCWD, path, own.data, own.len, 0600, NULL) < 0)
				_exit(1);
			_exit(0);
		}
	}
	close(go[1]); /* all at once */
	for (int i = 0; i < PROCESSES; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	close(go[0]);
	line = signed_line();
	for (int i = 0; i < PROCESSES; i++) {
		AUTO_FREE char *path = cs_asprintf("line.%d", i);
		AUTO_BUF struct cs_buf own = aw_slurp(path);

		ck_assert_str_eq(own.data, line);
	}
	check_files();
}
END_TEST

/* Killed on the way: a half file under another name is nobody's key, the public half comes back. */
START_TEST(what_a_kill_left)
{
	AUTO_FREE char *line = NULL, *again = NULL, *pub = NULL, *pub_again = NULL;

	fx_run("mkdir -p -m 700 " DIR_NAME " && echo half >" DIR_NAME "/.machine_key-0");
	line = signed_line();
	pub = fx_output("cat " KEY ".pub && rm " KEY ".pub");
	again = signed_line();
	pub_again = fx_output("cat " KEY ".pub");
	ck_assert_str_eq(line, again);
	ck_assert_str_eq(pub, pub_again);
}
END_TEST

/* ---- what is no key, or not ours alone ---- */

static const struct {
	const char *how;
	int rc; /* 0: any failure */
} bad[] = {
	{ "chmod 640 " KEY, CS_REFUSED },
	{ "chmod 604 " KEY, CS_REFUSED },
	{ "mv " KEY " real; ln -s $PWD/real " KEY, 0 },
	{ "rm " KEY "; ln -s nowhere " KEY, 0 },
	{ "rm " KEY "; mkdir " KEY, CS_REFUSED },
	{ "rm " KEY "; mkfifo -m 600 " KEY, CS_REFUSED },
	{ ": >" KEY, CS_CORRUPT },
	{ "echo nonsense >" KEY, CS_CORRUPT },
	{ "truncate -s -60 " KEY, CS_CORRUPT },
	{ "head -c 100000 /dev/zero >" KEY, 0 },
	{ "rm " KEY "; ssh-keygen -q -t ed25519 -N secret -f " KEY, CS_CORRUPT },
	{ "rm " KEY "; ssh-keygen -q -t ecdsa -N '' -f " KEY, CS_CORRUPT },
	{ "rm " KEY "; ssh-keygen -q -t rsa -b 2048 -N '' -f " KEY, CS_CORRUPT },
	{ "rm -r " DIR_NAME "; echo file >" DIR_NAME, 0 },
	{ "chown 12345 " KEY, CS_REFUSED }, /* root only: the last row */
};

START_TEST(no_key)
{
	AUTO_FREE char *line = signed_line();
	AUTO_FREE char *before = NULL, *after = NULL;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	int rc;

	fx_run("%s", bad[_i].how);
	before = fx_output("ls -lR --time-style=full-iso home");
	rc = sign(&out, &err);
	ck_assert_msg(bad[_i].rc ? rc == bad[_i].rc : rc < 0, "%s: %d %s", bad[_i].how, rc,
		      err.msg);
	ck_assert_msg(strstr(err.msg, "countersign"), "%s: %s", bad[_i].how, err.msg);
	ck_assert_uint_eq(out.len, 0);
	/* Nothing was put in its place: a key that somebody listed is not replaced by itself. */
	after = fx_output("ls -lR --time-style=full-iso home");
	ck_assert_str_eq(before, after);
}
END_TEST

/* Any byte of the file changed: no signature, or the very same one. */
START_TEST(damaged)
{
	AUTO_FREE char *line = signed_line();
	AUTO_BUF struct cs_buf text = aw_slurp(KEY);

	for (size_t at = 0; at < text.len; at++) {
		AUTO_BUF struct cs_buf out = CS_BUF_INIT;
		const char was = text.data[at];

		text.data[at] = was == 'A' ? 'B' : 'A';
		ck_assert_int_eq(cs_write_file(AT_FDCWD, KEY, text.data, text.len, 0600, NULL), 0);
		if (sign(&out, NULL) == 0)
			ck_assert_msg(!strcmp(out.data, line), "byte %zu", at);
		else
			ck_assert_uint_eq(out.len, 0);
		text.data[at] = was;
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attest_machine");
	TCase *t = tcase_create("the machine's key");

	tcase_add_checked_fixture(t, fx_setup, fx_teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_loop_test(t, made_on_first_use, 0, 3);
	tcase_add_test(t, at_the_same_time);
	tcase_add_test(t, what_a_kill_left);
	tcase_add_loop_test(t, no_key, 0, (int)CS_COUNT(bad) - (geteuid() != 0));
	tcase_add_test(t, damaged);
	suite_add_tcase(s, t);
	return unit_run(s);
}
