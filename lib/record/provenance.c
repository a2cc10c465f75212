/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signed statement: an envelope in the record, and as a note on the change and on its anchors,
 * where it is found again behind a rebase or a squash. The payload is statement.json to the byte.
 */
#include "record_dir.h"

#include <string.h>
#include "countersign/attest.h"

void cs_provenance_sign(struct cs_buf *line, const struct cs_buf *statement,
			const struct cs_finish_opts *opts)
{
	AUTO_FREE char *what = NULL;
	struct cs_err err = CS_ERR_INIT;

	if (!opts->key_dir ||
	    cs_attest_sign_machine(line, statement->data, statement->len, opts->key_dir, &err) == 0)
		return;
	what = cs_asprintf("the record is not signed: %s", err.msg);
	if (opts->warn)
		opts->warn(opts->arg, what);
}

int cs_provenance_attach(struct cs_repo *repo, const struct cs_run_info *info,
			 const struct cs_buf *line, struct cs_err *err)
{
	struct cs_note notes[3] = { { info->change_commit, line->data, line->len } };
	int rc = 0;

	notes[1] = notes[2] = notes[0];
	rc = cs_anchor_change(&notes[1].object, repo, info->change_digest, err);
	if (rc == 0)
		rc = cs_anchor_run(&notes[2].object, repo, info->id, err);
	if (rc == 0)
		rc = cs_notes_add(repo, CS_NOTES_PROVENANCE, notes, CS_COUNT(notes),
				  info->operator_name, info->operator_email, err);
	return rc < 0 ? cs_err_wrap(err, "attach the statement") : 0;
}

int cs_provenance_attach_again(struct cs_repo *repo, const char *state_dir, const char *id,
			       struct cs_err *err)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	struct cs_err why = CS_ERR_INIT;
	struct cs_run_info info;
	int rc = cs_run_read(&line, repo, state_dir, id, CS_ENVELOPE_FILE, &why);

	if (rc < 0)
		return rc == CS_NOTFOUND ? 0 : cs_err_set(err, rc, "%s", why.msg);
	cs_run_info_init(&info);
	rc = cs_run_load(&info, repo, state_dir, id, err);
	if (rc == 0 && info.change_commit.len && info.operator_name && info.operator_email)
		rc = cs_provenance_attach(repo, &info, &line, err);
	cs_run_info_release(&info);
	return rc;
}

/* One signature, by a key that the signature brings, over the statement that is there. */
static int verify(char fingerprint[64], const struct cs_buf *line, const struct cs_buf *statement,
		  struct cs_err *err)
{
	struct cs_ssh_key key = CS_SSH_KEY_INIT;
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;
	struct cs_envelope e;
	int rc;

	cs_envelope_init(&e);
	rc = cs_envelope_parse(&e, line->data, line->len, err);
	if (rc == 0 && (e.payload.len != statement->len ||
			memcmp(e.payload.data, statement->data, statement->len) != 0))
		rc = cs_err_set(err, CS_REFUSED, "another statement is signed");
	if (rc == 0) {
		cs_dsse_pae(&pae, e.payload_type, e.payload.data, e.payload.len);
		rc = cs_sshsig_verify(&key, e.sigs[0].sig.data, e.sigs[0].sig.len, CS_NS_RUN,
				      pae.data, pae.len, err);
	}
	if (rc == 0)
		memcpy(fingerprint, key.fingerprint, sizeof(key.fingerprint));
	cs_ssh_key_release(&key);
	cs_envelope_release(&e);
	return rc;
}

int cs_run_signer(char fingerprint[64], const struct cs_repo *repo, const char *state_dir,
		  const char *id, struct cs_err *err)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	AUTO_BUF struct cs_buf statement = CS_BUF_INIT;
	int rc = cs_run_read(&line, repo, state_dir, id, CS_ENVELOPE_FILE, err);

	if (rc == 0)
		rc = cs_run_read(&statement, repo, state_dir, id, CS_STATEMENT_FILE, err);
	if (rc == 0 && line.len && line.data[line.len - 1] == '\n')
		cs_buf_truncate(&line, line.len - 1);
	return rc < 0 ? rc : verify(fingerprint, &line, &statement, err);
}
