/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing with a human's key, by ssh-keygen: it knows passphrases, agents and security keys, and
 * talks to the terminal itself. What it gives back is verified here before anybody relies on it.
 */
#include "sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define SSH_KEYGEN "/usr/bin/ssh-keygen"
#define LITERAL	   "key::"
#define MAX_ARMOR  (64 << 10)

/* A public key on the command line goes into a file for ssh-keygen, as git does it. */
struct key_file {
	char path[32]; /* "" where key is a path itself */
	char *name;
};

static void key_file_remove(struct key_file *k)
{
	if (*k->path)
		unlink(k->path);
	free(k->name);
}

/* A path as it stands in a configuration: no shell has made HOME of its "~". The caller frees. */
static char *expand(const char *key)
{
	const char *home = getenv("HOME");

	return home && !strncmp(key, "~/", 2) ? cs_asprintf("%s%s", home, key + 1) : cs_strdup(key);
}

static int key_file_open(struct key_file *k, const char *key, struct cs_err *err)
{
	const char *literal =
		strncmp(key, LITERAL, strlen(LITERAL)) == 0 ? key + strlen(LITERAL) : NULL;
	AUTO_FD int fd = -1;

	if (!literal && strncmp(key, "ssh-", 4) == 0)
		literal = key;
	k->path[0] = '\0';
	k->name = literal ? NULL : expand(key);
	if (!literal)
		return 0;
	strcpy(k->path, "/tmp/.countersign-key-XXXXXX");
	fd = mkostemp(k->path, O_CLOEXEC);
	if (fd < 0) {
		*k->path = '\0';
		return cs_err_sys(err, "make a file in /tmp");
	}
	k->name = cs_strdup(k->path);
	if (cs_write_all(fd, literal, strlen(literal)) < 0 || cs_write_all(fd, "\n", 1) < 0)
		return cs_err_sys(err, "write %s", k->path);
	return 0;
}

bool attest_dearmor(struct cs_buf *out, const char *text, const char *what)
{
	AUTO_FREE char *first = cs_asprintf("-----BEGIN %s-----", what);
	AUTO_FREE char *last = cs_asprintf("-----END %s-----", what);
	AUTO_BUF struct cs_buf base64 = CS_BUF_INIT;
	const char *p = strstr(text, first);
	const char *end = p ? strstr(p, last) : NULL;

	for (p = end ? p + strlen(first) : NULL; p && p < end; p++) {
		if (*p != '\n' && *p != '\r')
			cs_buf_addc(&base64, *p);
	}
	return end && cs_base64_decode(out, base64.data, base64.len) == 0;
}

/* The last line that it wrote to standard error, for messages. */
static const char *last_line(struct cs_buf *text)
{
	char *line;

	while (text->len &&
	       (text->data[text->len - 1] == '\n' || text->data[text->len - 1] == '\r'))
		cs_buf_truncate(text, text->len - 1);
	line = strrchr(text->data, '\n');
	return line ? line + 1 : text->data;
}

static int run_ssh_keygen(struct cs_buf *sig, const struct key_file *key, const char *ns,
			  const struct cs_buf *message, const char *ssh_auth_sock,
			  struct cs_err *err)
{
	const char *argv[] = { SSH_KEYGEN, "-Y", "sign", "-n", ns, "-f", key->name, NULL, NULL };
	AUTO_FREE char *sock = cs_asprintf("SSH_AUTH_SOCK=%s", ssh_auth_sock ? ssh_auth_sock : "");
	const char *tty = getenv("TERM");
	AUTO_FREE char *term = cs_asprintf("TERM=%s", tty ? tty : "dumb");
	const char *const env[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", term,
				    ssh_auth_sock ? sock : NULL, NULL };
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf said = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	int status, rc;

	if (*key->path)
		argv[7] = "-U"; /* the private half is in the agent */
	spec.argv = argv;
	spec.env = env;
	spec.input = message->data;
	spec.input_len = message->len;
	spec.max_output = MAX_ARMOR;
	rc = cs_spawn_capture(&out, &said, &status, &spec, err);
	if (rc < 0)
		return rc;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		AUTO_FREE char *why = cs_escape_line(last_line(&said));

		return cs_err_set(err, CS_REFUSED, "ssh-keygen could not sign with %s: %s",
				  key->name, why);
	}
	if (!attest_dearmor(sig, out.data, "SSH SIGNATURE"))
		return cs_err_set(err, CS_MALFUNCTION, SSH_KEYGEN " printed no signature");
	return 0;
}

static void envelope_line(struct cs_buf *line, const char *statement, size_t len,
			  const struct cs_buf *sig, const char *keyid)
{
	struct cs_envelope e;

	cs_envelope_init(&e);
	e.payload_type = cs_strdup(CS_IN_TOTO_TYPE);
	cs_buf_add(&e.payload, statement, len);
	e.sigs[0].keyid = cs_strdup(keyid);
	cs_buf_add(&e.sigs[0].sig, sig->data, sig->len);
	e.n_sigs = 1;
	cs_envelope_format(line, &e);
	cs_envelope_release(&e);
}

int attest_seal(struct cs_buf *line, const char *statement, size_t len, const char *ns,
		const struct cs_buf *sig, const struct cs_buf *pae, struct cs_err *err)
{
	struct cs_ssh_key used = CS_SSH_KEY_INIT;
	int rc = cs_sshsig_verify(&used, sig->data, sig->len, ns, pae->data, pae->len, err);

	if (rc == 0)
		envelope_line(line, statement, len, sig, used.fingerprint);
	cs_ssh_key_release(&used);
	return rc;
}

int cs_attest_sign(struct cs_buf *line, const char *statement, size_t len, const char *ns,
		   const char *key, const char *ssh_auth_sock, struct cs_err *err)
{
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;
	AUTO_BUF struct cs_buf sig = CS_BUF_INIT;
	struct key_file file = { "", NULL };
	int rc = key_file_open(&file, key, err);

	cs_dsse_pae(&pae, CS_IN_TOTO_TYPE, statement, len);
	if (rc == 0)
		rc = run_ssh_keygen(&sig, &file, ns, &pae, ssh_auth_sock, err);
	key_file_remove(&file);
	return rc < 0 ? rc : attest_seal(line, statement, len, ns, &sig, &pae, err);
}
