/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: whether a reference update may pass, and why. One code for pre-push, pre-receive,
 * update, verify, and whatever asks later; it reads objects and writes nothing.
 *
 * A protected reference is one that a [gate "<name>"] section of the policy names: by its full
 * name, as a branch by its short one, as "@default", or by a pattern with "*" (the longest literal
 * prefix counts). Every commit that an update brings to it (not reachable from its old value, nor
 * from another protected reference of the same remote) is judged against its first parent:
 *
 * needs: whether it needs a sign-off. require = all: always; agent: when something says that an
 * agent made it (a trailer, an address, a note, cs_gate_hints); warn: as agent, but only reported;
 * none: never.
 *
 * covered: with binding = transitions, each transition from its first parent is in enough counted
 * sign-offs for this repository and reference, and since that sign-off's base no commit of the
 * branch has moved the path away from the state it starts from. With binding = exact, its tree is
 * the signed tree and its parent the signed base.
 *
 * merge commits: path by path unchanged against the first parent, what the mechanical merge of both
 * parents gives, or covered; and the same against the parent that has seen most of the branch,
 * where that is another one.
 *
 * the branch's own past counts too: what it had at the update's old value and left since is used
 * up, for sign-offs and for merging, whatever the pushed commits stand on.
 *
 * counted: signed off, valid signature, principal wanted by `signer`, not expired, not revoked, no
 * later changes-requested by the same principal, presence as wanted, not one's own work (selfReview
 * = false), sensitive paths acknowledged; `signoffs` distinct principals for each transition.
 *
 * Zero means no: a zeroed report denies, an unknown word denies, whatever cannot be read denies.
 */
#ifndef COUNTERSIGN_GATE_H
#define COUNTERSIGN_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include "countersign/attest.h"
#include "countersign/base.h"
#include "countersign/change.h"
#include "countersign/policy.h"
#include "countersign/repo.h"

enum cs_gate_verdict {
	CS_GATE_DENY = 0,
	CS_GATE_WARN, /* passes; there is something to say */
	CS_GATE_PASS,
};

/*
 * What says that an agent made a commit, besides the commit itself: asked once for all commits,
 * their trees and the blobs that they bring, sorted by id, each once. Fills run ("" as given: not
 * known) for those that a run known here made; blobs of less than 128 bytes, which anybody writes
 * again, are not to be known. A blob that a counted sign-off covers speaks against nobody. 0 or a
 * negative code.
 */
struct cs_gate_known {
	struct cs_oid oid;
	char run[33];
};
struct cs_gate_hints {
	int (*known)(void *arg, struct cs_gate_known *list, size_t n, struct cs_err *err);
	void *arg;
};

struct cs_gate_opts {
	const struct cs_repo *repo;
	const struct cs_policy *policy; /* sealed */
	const char *default_ref; /* what "@default" means: "refs/heads/main"; NULL: none known */
	const struct cs_strv *repositories; /* names that sign-offs may give this repository */
	/* Tips of references of the remote for which cs_gate_as_strict: not judged again. */
	const struct cs_oid *landed;
	size_t n_landed;
	struct cs_reviews *reviews;
	const struct cs_oid *provenance; /* tips of provenance notes: what has one, an agent made */
	size_t n_provenance;
	const struct cs_gate_hints *hints; /* NULL: trailers, notes and identities only */
	/*
	 * The server's side: namespaces other than refs/heads/, refs/tags/, refs/notes/ and
	 * refs/agent-run/ are refused unless a gate section names them, require defaults to all,
	 * and notes may not lose lines.
	 */
	bool server;
	/*
	 * A clone's own branch: it may be moved back and deleted, since nothing lands by that; only
	 * what an update brings to it counts.
	 */
	bool local;
	int64_t now_ns;
};

struct cs_gate_update {
	const char *ref;       /* full name, as given; symbolic ones already resolved */
	struct cs_oid old_oid; /* len 0: created */
	struct cs_oid new_oid; /* len 0: deleted */
};

/* One thing to say, in the order of the rules. */
struct cs_gate_reason {
	enum cs_gate_verdict weight; /* DENY or WARN; PASS for what is only told ("carried") */
	const char *rule;	     /* a word of the table in gate/rules.c, static */
	struct cs_oid commit;	     /* len 0: the update itself */
	char *path;		     /* bytes; NULL */
	char *detail;		     /* one escaped line */
	char *origin;		     /* "file:line" of the policy, or NULL */
	char *help;		     /* a command, or NULL */
};
struct cs_gate_commit {
	struct cs_oid oid;
	bool needed, covered;
	bool carried;		   /* by a sign-off for another base or another commit */
	struct cs_strv principals; /* who signed what it brings */
};
struct cs_gate_report {
	enum cs_gate_verdict verdict;
	char *ref;
	char *section; /* the gate section that applies: "@default"; NULL: not protected */
	struct cs_gate_reason *reasons;
	size_t n_reasons, cap_reasons;
	struct cs_gate_commit *commits; /* oldest first; those that needed a sign-off */
	size_t n_commits, cap_commits;
	uint64_t judged; /* all that were looked at */
};
#define CS_GATE_REPORT_INIT \
	{                   \
		0           \
	}
void cs_gate_report_release(struct cs_gate_report *r);

/*
 * Judges one update. A negative code is a malfunction and denies too: the report then holds the
 * reason "malfunction". out is an initialised report.
 */
int cs_gate_judge(struct cs_gate_report *out, const struct cs_gate_opts *opts,
		  const struct cs_gate_update *update, struct cs_err *err) CS_CHECKED;

/*
 * Whether what `ref` has may count as landed (opts->landed) for an update of `target`: its section
 * wants a sign-off for everything, from as many people, no other signers, with as much presence and
 * no looser binding than target's. Of opts, policy, default_ref and server are read.
 */
int cs_gate_as_strict(bool *out, const struct cs_gate_opts *opts, const char *ref,
		      const char *target, struct cs_err *err) CS_CHECKED;

/* For people: at most max_lines lines (0: all), safe on terminals and behind "remote: ". */
void cs_gate_explain(struct cs_buf *out, const struct cs_gate_report *report, size_t max_lines);
/* The same as JSON, schema countersign.gate/v1. */
cJSON *cs_gate_report_json(const struct cs_gate_report *report);

#endif
