/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of lib/gate. The flow of one judgement (judge.c):
 *
 *	section.c	which [gate] section applies, as settings
 *	refs.c		what the update itself may do
 *	needs.c		which commits need a sign-off
 *	ledger.c	who signed which transition; pure
 *	line.c		whether the branch moved on since
 *	target.c	whether what it had before the update did
 *	mechanical.c	which paths of a merge nobody made
 *	rules.c		the table of reasons; pure
 *	strict.c	which other references' commits are not judged again
 *	report.c	what is said
 */
#ifndef CS_GATE_INTERNAL_H
#define CS_GATE_INTERNAL_H

#include "countersign/gate.h"

/* ---- section.c ---- */

enum gate_require {
	GATE_REQUIRE_UNKNOWN = 0, /* a word that we do not know: nothing passes */
	GATE_REQUIRE_ALL,
	GATE_REQUIRE_AGENT,
	GATE_REQUIRE_WARN,
	GATE_REQUIRE_NONE,
};
enum gate_presence {
	GATE_PRESENCE_UNKNOWN = 0,
	GATE_PRESENCE_PIN,
	GATE_PRESENCE_TOUCH,
	GATE_PRESENCE_NONE,
};
struct gate_settings {
	char *section;
	enum gate_require require;
	enum gate_presence presence;
	bool transitions; /* binding; false: exact */
	bool self_review;
	int64_t signoffs;	      /* at least 1 */
	const struct cs_strv *signer; /* borrowed from the policy */
	const struct cs_strv *sensitive;
	char *origin; /* "file:line" of require */
};
/* The section for a reference. out->section NULL: none. Two that differ in case only: CS_REFUSED.
 */
int gate_settings_find(struct gate_settings *out, const struct cs_gate_opts *opts, const char *ref,
		       bool ignore_case, struct cs_err *err) CS_CHECKED;
void gate_settings_release(struct gate_settings *s);

/* ---- ledger.c ---- */

enum gate_standing {
	GATE_VOID = 0, /* no sign-off at all */
	GATE_OTHER_REPOSITORY,
	GATE_OTHER_REF,
	GATE_REVOKED,
	GATE_EXPIRED,
	GATE_NOT_A_SIGNER,
	GATE_NO_PRESENCE,
	GATE_STANDS,
};
#define GATE_STANDINGS (GATE_STANDS + 1)

struct gate_terms {
	const struct cs_strv *repositories;
	const char *ref;
	const struct gate_settings *settings;
	int64_t now_ns;
};
struct gate_entry {
	const struct cs_transition *transition;
	size_t signoff;
};
struct gate_ledger {
	const struct cs_verified_signoff *const *list; /* borrowed */
	enum gate_standing *standing;		       /* of each */
	size_t n;
	struct gate_entry *entries; /* sorted by transition */
	size_t n_entries;
};
void gate_ledger_build(struct gate_ledger *out, const struct cs_verified_signoff *const *list,
		       size_t n, const struct gate_terms *terms);
void gate_ledger_release(struct gate_ledger *l);
/* Where the entries of this transition begin; *n of them. */
const struct gate_entry *gate_ledger_find(const struct gate_ledger *l,
					  const struct cs_transition *t, size_t *n);
/* A changes-requested by the same principal on this transition is not older. */
bool gate_ledger_superseded(const struct gate_ledger *l, const struct gate_entry *entries, size_t n,
			    size_t signoff);
/* Somebody who may sign asked for changes of this change, and has said nothing since; or NULL. */
const struct cs_verified_signoff *gate_ledger_objection(const struct gate_ledger *l,
							const char *change_digest);
/* "Name <a@b>": the address, the caller frees. */
char *gate_address(const char *person);

/* ---- rules.c ---- */

/* What is known of one transition of one commit. Zeroed: it is not covered. */
struct gate_facts {
	size_t standing[GATE_STANDINGS]; /* sign-offs of exactly this transition, by standing */
	size_t wanted;			 /* principals; 0 counts as 1 */
	size_t principals;		 /* distinct, whose sign-off counts */
	size_t superseded, self, operator_unknown, base_unknown, moved_on, not_exact;
	bool objected; /* an open changes-requested */
	bool sensitive, acknowledged;
	bool merge; /* a merge commit, and not what merging gives */
	bool exact; /* binding */
};
/* The first rule that denies, or NULL. */
const char *gate_rule(const struct gate_facts *f);

struct gate_say {
	const char *rule;
	enum cs_gate_verdict weight;
	const struct cs_oid *commit; /* NULL: the update */
	const char *path;
	const char *detail; /* escaped already; NULL: the rule's own words */
	const struct gate_settings *settings;
};
void gate_say(struct cs_gate_report *r, const struct gate_say *say);

/* ---- map.c: ids to numbers ---- */

struct gate_map {
	struct gate_slot {
		struct cs_oid oid;
		size_t value;
	} * slots;
	size_t n, cap;
};
/* NULL: not there. The pointer lives until the next put. */
size_t *gate_map_get(const struct gate_map *m, const struct cs_oid *oid);
void gate_map_put(struct gate_map *m, const struct cs_oid *oid, size_t value);
void gate_map_release(struct gate_map *m);

/* ---- line.c ---- */

/* Changes against the first parent, without digests; each is made once. */
struct gate_changes {
	const struct cs_repo *repo;
	struct gate_map map;
	struct cs_change **list;
	size_t n, cap;
};
int gate_changes_get(const struct cs_change **out, struct gate_changes *c,
		     const struct cs_oid *commit, struct cs_err *err) CS_CHECKED;
void gate_changes_release(struct gate_changes *c);

struct gate_departure;
struct gate_line {
	struct gate_changes *changes;
	struct cs_oid *list; /* [0] is the newest, each the first parent of the one before */
	size_t n, cap;
	bool complete; /* the last one is a root */
	struct gate_map places;
	struct gate_map bases; /* id to distance, GATE_UNRELATED too */
	struct gate_departure *departures;
	size_t n_departures, cap_departures;
	size_t departed; /* commits whose departures are in the list */
};
#define GATE_UNRELATED ((size_t)-1)
void gate_line_init(struct gate_line *l, struct gate_changes *changes, const struct cs_oid *tip);
void gate_line_release(struct gate_line *l);
/*
 * How far from the tip the first commit is that is an ancestor of base, or base itself (len 0: from
 * nothing, behind the root). GATE_UNRELATED: not known here, or no such commit.
 */
int gate_line_distance(size_t *out, struct gate_line *l, const struct cs_oid *base,
		       struct cs_err *err) CS_CHECKED;
/* Whether a commit at a distance in [from, to) moves the path away from the state t starts from. */
int gate_line_moved(bool *out, struct gate_line *l, const struct cs_transition *t, size_t from,
		    size_t to, struct cs_err *err) CS_CHECKED;

/* ---- mechanical.c ---- */

struct gate_merge {
	const struct cs_repo *repo;
	struct cs_oid commit, tree, ours, theirs; /* parents */
	bool possible;				  /* two parents and one base */
	struct cs_change from_ours, from_theirs;  /* of the base */
	bool tried, whole; /* the full merge, and whether it gives the tree */
};
/* ours: which of two parents is called so. */
int gate_merge_init(struct gate_merge *m, const struct cs_repo *repo, const struct cs_oid *oid,
		    const struct cs_commit *commit, size_t ours, struct cs_err *err) CS_CHECKED;
void gate_merge_release(struct gate_merge *m);
/* What the other parent brings to a path, or NULL: nothing. Borrowed. */
const struct cs_side *gate_merge_brought(const struct gate_merge *m, const char *path);
/* Whether merging gives t->after at this path; t is a transition from m->ours. */
int gate_merge_makes(bool *out, struct gate_merge *m, const struct cs_transition *t,
		     struct cs_err *err) CS_CHECKED;

/* ---- needs.c ---- */

struct gate_commit {
	const struct cs_range_commit *at;
	size_t line, distance;
	size_t behind; /* on the target line (target.c); GATE_UNRELATED */
	bool needed;
	char run[33];	  /* that made it, "" where not known */
	const char *sign; /* what says so, static */
	/* Blobs that a run made; by_blob: nothing else says that an agent made the commit. */
	struct cs_oid *blobs;
	size_t n_blobs, cap_blobs;
	bool by_blob;
};
/* Marks those that need a sign-off. */
int gate_needs(struct gate_commit *list, size_t n, struct gate_changes *changes,
	       const struct cs_gate_opts *opts, enum gate_require require,
	       struct cs_err *err) CS_CHECKED;
/* The run in the last Agent-Run trailer of a message's last paragraph; false: there is none. */
bool gate_trailer_run(char run[33], const char *message);

/* ---- count.c ---- */

/* One judgement. */
struct gate_judge {
	const struct cs_gate_opts *opts;
	struct cs_gate_report *report;
	struct gate_settings settings;
	struct cs_range range;
	struct gate_commit *commits; /* as in range: newest first */
	struct gate_changes changes;
	struct gate_map places; /* commits of the range, in `commits` */
	struct gate_line *lines;
	size_t n_lines, cap_lines;
	struct gate_line target; /* from the update's old value */
	bool has_target;
	struct gate_ledger ledger;
	struct gate_map hashed; /* blobs to places in hashes */
	char (*hashes)[CS_SHA256_HEX];
	size_t n_hashes, cap_hashes;
	const struct cs_verified_signoff *const *given; /* instead of opts->reviews */
	size_t n_given;
	struct gate_map asked; /* objects whose reviews are loaded */
};
/* The commit under judgement, against one of its parents: the first where nothing else is said. */
struct gate_case {
	struct gate_commit *c;
	struct cs_commit commit;
	size_t against;		/* which parent */
	struct cs_oid parent;	/* it; len 0 for a root */
	struct gate_line *line; /* of first parents, on which the parent is at `from` */
	size_t from;
	size_t behind;		    /* of the parent, on the target line */
	char *author, *committer;   /* addresses */
	struct cs_change change;    /* a copy, for digests */
	char digest[CS_SHA256_HEX]; /* of all of it; "" for merge commits that are judged by path */
	bool merge;
	struct cs_gate_commit *out;
};
/* Fills the digests of a transition; each blob is read once. */
int gate_fill_digests(struct gate_judge *j, struct cs_transition *t, struct cs_err *err) CS_CHECKED;
/* Counts what is known of one transition; principals are added to k->out. */
int gate_count(struct gate_facts *f, struct gate_judge *j, struct gate_case *k,
	       const struct cs_transition *t, struct cs_err *err) CS_CHECKED;
/* Whether a counted sign-off leads to a blob with this content. */
bool gate_knows_content(const struct gate_judge *j, const char *digest);

/* ---- target.c ---- */

/* The target line, and how far behind it each commit of the range is. */
int gate_target_init(struct gate_judge *j, const struct cs_oid *old, struct cs_err *err) CS_CHECKED;
/* GATE_UNRELATED: nothing in common, or no target line. */
int gate_behind(size_t *out, struct gate_judge *j, const struct cs_oid *commit,
		struct cs_err *err) CS_CHECKED;
/* Has the branch, between what `behind` has seen and base, left the state that t starts from? */
int gate_target_left(bool *out, struct gate_judge *j, const struct cs_transition *t, size_t behind,
		     const struct cs_oid *base, struct cs_err *err) CS_CHECKED;
/*
 * The same for what merging gives: between what the case's parent has seen and what its other
 * parents have, has the branch left the state that t starts from, or the one that is brought?
 */
int gate_target_returned(bool *out, struct gate_judge *j, const struct gate_case *k,
			 const struct cs_transition *t, const struct cs_side *brought,
			 struct cs_err *err) CS_CHECKED;

/* ---- judge.c ---- */

/* cs_gate_judge over sign-offs that were verified already; opts->reviews is not asked. */
int gate_judge_given(struct cs_gate_report *out, const struct cs_gate_opts *opts,
		     const struct cs_gate_update *update,
		     const struct cs_verified_signoff *const *given, size_t n,
		     struct cs_err *err) CS_CHECKED;

/* ---- refs.c ---- */

/* Rules about the update itself. *go_on: its commits are to be judged. */
int gate_refs(bool *go_on, struct cs_gate_report *r, struct gate_settings *settings,
	      const struct cs_gate_opts *opts, const struct cs_gate_update *u, struct cs_oid *tip,
	      struct cs_err *err) CS_CHECKED;

#endif
