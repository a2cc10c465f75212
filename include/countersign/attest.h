/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attestations: who says what about which bytes, in formats that others read too.
 *
 *	statement	in-toto Statement v1 (https://in-toto.io/Statement/v1)
 *	envelope	DSSE v1.0.2, one JSON object a line, payloadType
 *			application/vnd.in-toto+json
 *	signature	SSHSIG (OpenSSH's PROTOCOL.sshsig), raw blob in the envelope's "sig", over
 *			the DSSE pre-authentication encoding (PAE); keyid is the fingerprint, a hint
 *			only
 *	notes		refs/notes/agent-run/{provenance,review}: envelope lines, sorted and
 *			unique, on the change commit and on anchors (see below)
 *
 * Signatures are made by ssh-keygen (which knows ssh-agent and FIDO keys) and, with the machine's
 * own key, in process; they are verified in process. Foreign bytes have three results: accepted,
 * refused (CS_REFUSED, CS_CORRUPT, CS_UNSUPPORTED, with the reason), malfunction. Nothing that was
 * not verified ever has a principal.
 */
#ifndef COUNTERSIGN_ATTEST_H
#define COUNTERSIGN_ATTEST_H

#include <stdbool.h>
#include <stdint.h>
#include "countersign/base.h"
#include "countersign/change.h"
#include "countersign/repo.h"

#define CS_NS_RUN    "run@countersign"	  /* the machine's key: this run happened here */
#define CS_NS_REVIEW "review@countersign" /* a human's key: a verdict on transitions */

#define CS_NOTES_REVIEW	    "refs/notes/agent-run/review"
#define CS_NOTES_PROVENANCE "refs/notes/agent-run/provenance"

/* ---- DSSE ---- */

#define CS_IN_TOTO_TYPE	 "application/vnd.in-toto+json"
#define CS_ENVELOPE_MAX	 (16 << 20) /* bytes of a line; more is CS_LIMIT */
#define CS_ENVELOPE_SIGS 16	    /* signatures of one envelope; more is CS_LIMIT */

struct cs_envelope_sig {
	char *keyid; /* unauthenticated hint, "" where absent */
	struct cs_buf sig;
};
struct cs_envelope {
	char *payload_type;
	struct cs_buf payload; /* decoded */
	struct cs_envelope_sig sigs[CS_ENVELOPE_SIGS];
	size_t n_sigs;
};
void cs_envelope_init(struct cs_envelope *e);
void cs_envelope_release(struct cs_envelope *e);
/* out is an initialised object. At least one signature; standard or URL-safe base64. */
int cs_envelope_parse(struct cs_envelope *out, const char *line, size_t len,
		      struct cs_err *err) CS_CHECKED;
/* One line in fixed key order, with its newline: equal envelopes are equal bytes. */
void cs_envelope_format(struct cs_buf *out, const struct cs_envelope *e);
/* "DSSEv1" SP len(type) SP type SP len(body) SP body */
void cs_dsse_pae(struct cs_buf *out, const char *type, const void *body, size_t len);

/* ---- SSHSIG ---- */

/* What a valid signature says of its key. Zeroed: nothing. */
struct cs_ssh_key {
	char type[64];	      /* "ssh-ed25519", "sk-ssh-ed25519@openssh.com", ... */
	char fingerprint[64]; /* "SHA256:..." */
	struct cs_buf blob;   /* public key, wire format */
	bool security_key;    /* flags are meaningful */
	bool touched;	      /* user presence */
	bool pin;	      /* user verification */
};
#define CS_SSH_KEY_INIT             \
	{                           \
		.blob = CS_BUF_INIT \
	}
void cs_ssh_key_release(struct cs_ssh_key *key);
/*
 * Verifies a raw SSHSIG blob of exactly this namespace over a message: ed25519, ECDSA on the three
 * NIST curves, RSA from 2,048 bits with SHA-2, and the sk- kinds. Others (certificates, DSA, web
 * authentication) are CS_UNSUPPORTED by name. Says nothing about whose key it is.
 */
int cs_sshsig_verify(struct cs_ssh_key *out, const void *sig, size_t sig_len, const char *ns,
		     const void *message, size_t len, struct cs_err *err) CS_CHECKED;

/* ---- whom we know ---- */

/*
 * An allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS). `file` names it in errors. Lines that
 * cannot be used (a "*" principal, cert-authority, an unknown option or key type) are kept aside
 * with their reason, never used; a line that does not parse at all is CS_CORRUPT "file:line: why".
 */
struct cs_signers;
int cs_signers_parse(struct cs_signers **out, const char *file, const char *data, size_t len,
		     struct cs_err *err) CS_CHECKED;
void cs_signers_free(struct cs_signers *s);
size_t cs_signers_count(const struct cs_signers *s); /* usable keys */
const char *cs_signers_file(const struct cs_signers *s);
/*
 * The principal (borrowed) that a key stands for in a namespace at a time: namespaces,
 * valid-after and valid-before are enforced. CS_REFUSED with the reason and file:line. One key
 * under two principals is refused: it would count twice. now_ns CS_SIGNERS_EVER: at any time.
 */
#define CS_SIGNERS_EVER INT64_MIN
int cs_signers_find(const char **principal, const struct cs_signers *s,
		    const struct cs_ssh_key *key, const char *ns, int64_t now_ns,
		    struct cs_err *err) CS_CHECKED;

/*
 * Revoked keys: an OpenSSH KRL (PROTOCOL.krl) or a text list of public keys or SHA256 fingerprints.
 * A file that cannot be understood in full is an error, never an empty list.
 */
struct cs_revoked_keys;
int cs_revoked_keys_parse(struct cs_revoked_keys **out, const char *file, const char *data,
			  size_t len, struct cs_err *err) CS_CHECKED;
void cs_revoked_keys_free(struct cs_revoked_keys *r);
bool cs_revoked_keys_has(const struct cs_revoked_keys *r, const struct cs_ssh_key *key);

/* ---- sign-offs ---- */

#define CS_REVIEW_PREDICATE "https://countersign.dev/code-review/v1"

enum cs_decision_word {
	CS_DECISION_NONE = 0,
	CS_DECISION_SIGNED_OFF,
	CS_DECISION_CHANGES_REQUESTED,
	CS_DECISION_REVOKED,
};
const char *cs_decision_word(enum cs_decision_word d); /* "signed-off" */

/*
 * One verdict. Every pointer is owned. In JSON the predicate uses gittuf's names where they fit:
 *
 *	{"repository": "host/path", "targetRef": "refs/heads/main",
 *	 "fromID": <base commit>, "targetBase": <commit>, "targetID": <tree>,
 *	 "changeDigest": {"sha256": ...},
 *	 "transitions": [{"path": <bytes>, "from": {"mode": "100644", "sha256": ...},
 *			  "to": {...}}...],	(an absent side is null; a gitlink has "gitCommit")
 *	 "acknowledged": [<sensitive path>...],
 *	 "run": {"id": ..., "record": <commit>} or null,
 *	 "decision": "signed-off" | "changes-requested" | "revoked",
 *	 "revokes": [<sha256 of a statement>...],
 *	 "createdOn": RFC 3339, "expiresOn": RFC 3339 or null, "comment": <bytes> or null}
 *
 * Subject: one, with gitCommit and gitTree of what was reviewed; both must be there.
 */
struct cs_signoff {
	enum cs_decision_word decision;
	char *repository;	   /* as cs_repository_name() gives it */
	char *target_ref;	   /* full name; canonical, no pattern */
	struct cs_oid base_commit; /* transitions start here; len 0: from nothing */
	/*
	 * The newest commit of the target branch that the base contains, as the reviewer knew it:
	 * the base itself where it is on that branch. len 0: none was known.
	 */
	struct cs_oid target_base;
	struct cs_oid commit, tree;
	char run[33];			   /* "" where none */
	struct cs_oid record;		   /* of the run; len 0 */
	struct cs_change change;	   /* transitions; object ids are not part of it (len 0) */
	char change_digest[CS_SHA256_HEX]; /* of them, recomputed on reading */
	struct cs_strv acknowledged;
	struct cs_strv revokes;
	int64_t created_ns, expires_ns; /* wall clock; 0: none */
	char *comment;
};
void cs_signoff_init(struct cs_signoff *s);
void cs_signoff_release(struct cs_signoff *s);
/* The in-toto statement; adds compact JSON. */
void cs_signoff_format(struct cs_buf *out, const struct cs_signoff *s);
/*
 * Reads a statement, strictly: every field of the type above, no transition twice, in order, the
 * change digest the one of the transitions, paths and modes as a tree can have them. CS_CORRUPT,
 * CS_UNSUPPORTED (another predicate).
 */
int cs_signoff_parse(struct cs_signoff *out, const char *json, size_t len,
		     struct cs_err *err) CS_CHECKED;

/*
 * The name of a repository in statements, from the URL of a remote: "host/path" without user,
 * port, scheme and ".git", or the absolute path of a local one; lower-case host; the caller frees.
 */
char *cs_repository_name(const char *url);

/*
 * A sign-off whose signature counts: who, with which key. Owned. It is known by its statement, the
 * signed bytes: an envelope around them can be written in many ways.
 */
struct cs_verified_signoff {
	struct cs_signoff signoff;
	char statement[CS_SHA256_HEX]; /* SHA-256 of the payload */
	char *principal;
	char fingerprint[64];
	bool touched, pin;
};

/* ---- signing ---- */

/*
 * Signs a statement with a key as git has it in user.signingKey: the path of a private or public
 * key (the private half from ssh-agent then; "~/" is HOME), or "key::ssh-ed25519 AAAA...". Runs
 * /usr/bin/ssh-keygen -Y sign on the terminal that the user has: it may ask for a passphrase, a
 * PIN or a touch. ssh_auth_sock: of the caller's environment, or NULL. The signature is verified
 * before this returns. Adds one envelope line.
 */
int cs_attest_sign(struct cs_buf *line, const char *statement, size_t len, const char *ns,
		   const char *key, const char *ssh_auth_sock, struct cs_err *err) CS_CHECKED;
/*
 * The same with the machine's key, <dir>/machine_key (OpenSSH ed25519, no passphrase, 0600), made
 * on first use; in process. dir: ~/.config/countersign, never visible to a run.
 */
int cs_attest_sign_machine(struct cs_buf *line, const char *statement, size_t len, const char *dir,
			   struct cs_err *err) CS_CHECKED;

/* ---- notes ---- */

/*
 * Anchors: blobs that a change or a run is known by, so that a rebased or squashed commit finds
 * its statements. Whoever looks needs the id only (repo NULL); whoever attaches writes the blob,
 * or `git notes prune` would take the note away.
 *	"countersign change <digest>\n"		"countersign run <id>\n"
 */
int cs_anchor_change(struct cs_oid *out, struct cs_repo *repo, const char *change_digest,
		     struct cs_err *err) CS_CHECKED;
int cs_anchor_run(struct cs_oid *out, struct cs_repo *repo, const char *run_id,
		  struct cs_err *err) CS_CHECKED;

struct cs_note {
	struct cs_oid object; /* what it is attached to */
	const char *line;     /* one envelope, with or without its newline */
	size_t len;
};
/*
 * Adds lines to notes in one commit on top of ref, by compare-and-swap with retries; what is there
 * already is not added again (no commit then). Fan-out 2/38 for new notes, found depth for old
 * ones; lines stay sorted and unique.
 */
int cs_notes_add(struct cs_repo *repo, const char *ref, const struct cs_note *notes, size_t n,
		 const char *author_name, const char *author_email, struct cs_err *err) CS_CHECKED;
/*
 * Adds the lines of one object in a notes commit (len 0: none); all fan-outs that exist for it
 * (2/38, 2/2/36, flat; duplicates united). At most 64 MiB (CS_LIMIT). No note: nothing added.
 */
int cs_notes_read(struct cs_buf *out, const struct cs_repo *repo, const struct cs_oid *notes_commit,
		  const struct cs_oid *object, struct cs_err *err) CS_CHECKED;
/*
 * Calls fn for each note (an object comes once for each place that it has in the tree); another
 * result than 0 stops and is returned. What is no note is passed over.
 */
int cs_notes_each(const struct cs_repo *repo, const struct cs_oid *notes_commit,
		  int (*fn)(void *arg, const struct cs_oid *object, const char *lines, size_t len),
		  void *arg, struct cs_err *err) CS_CHECKED;
/*
 * Whether a notes commit still has every line of an older one, note by note. Compares trees: cost
 * grows with the difference. CS_REFUSED names the first object that lost a line.
 */
int cs_notes_lossless(const struct cs_repo *repo, const struct cs_oid *older,
		      const struct cs_oid *newer, struct cs_err *err) CS_CHECKED;
/* Unites notes of another tip into ref (cat_sort_uniq); a fast-forward where that is possible. */
int cs_notes_merge(struct cs_repo *repo, const char *ref, const struct cs_oid *other,
		   const char *author_name, const char *author_email,
		   struct cs_err *err) CS_CHECKED;

/*
 * Adds the statements (their digests, each once) among lines of notes that the key has signed as a
 * reviewer that signed the envelope `line`. Verified; hints and whatever does not parse are passed
 * over.
 */
int cs_attest_own(struct cs_strv *statements, const struct cs_buf *notes, const char *line,
		  size_t len, struct cs_err *err) CS_CHECKED;

/* ---- the sign-offs of a repository ---- */

/*
 * Reads and verifies review statements on demand. What takes a word back or asks for changes counts
 * from a key that has expired or was revoked since, too: nobody's approval comes back by that.
 * Life: open, find (any number) or find_all, list, free. Every envelope is verified once, however
 * many notes it is on.
 */
struct cs_reviews_opts {
	const struct cs_repo *repo;
	const struct cs_oid *notes; /* tips: local, fetched, incoming; len 0 ones are skipped */
	size_t n_notes;
	const struct cs_signers *signers;      /* NULL: nobody is known */
	const struct cs_revoked_keys *revoked; /* NULL: none */
	int64_t now_ns;
};
struct cs_reviews;
int cs_reviews_open(struct cs_reviews **out, const struct cs_reviews_opts *opts,
		    struct cs_err *err) CS_CHECKED;
void cs_reviews_free(struct cs_reviews *r);
/* Loads what is attached to an object. */
int cs_reviews_find(struct cs_reviews *r, const struct cs_oid *object,
		    struct cs_err *err) CS_CHECKED;
/* Loads every note there is; once. */
int cs_reviews_find_all(struct cs_reviews *r, struct cs_err *err) CS_CHECKED;
/* What was loaded and verified, in a fixed order (by statement): borrowed until the next
 * find. */
const struct cs_verified_signoff *const *cs_reviews_list(struct cs_reviews *r, size_t *n);
/* What was loaded and does not count, for explanations: "SHA256:... is not in allowed_signers". */
struct cs_rejected_review {
	char change_digest[CS_SHA256_HEX]; /* as claimed, "" where not readable */
	char *why;
};
const struct cs_rejected_review *cs_reviews_rejected(const struct cs_reviews *r, size_t *n);

#endif
