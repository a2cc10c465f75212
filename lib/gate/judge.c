/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One update, judged. Theory of operation:
 *
 *	1. the update	what it does to its reference (refs.c); which section applies
 *	2. the range	new ^old ^landed, by git; every commit in it is a case of its own
 *	3. needs	which of them need a sign-off (needs.c)
 *	4. reviews	what is attached to them, to their changes and runs; and to what the
 *			sign-offs found so name, so that a revocation is met wherever it was put
 *	5. cases	oldest first: each transition mechanical or counted (mechanical.c, count.c);
 *			merge commits also against the parent that has seen most of the reference
 *	6. once more	where that was not enough, with every review there is: a squash is known by
 *			none of its parts
 *
 * Security: the report starts as a denial and becomes something else in one place, at the end.
 * Every function between here and there returns what went wrong, and that is a reason of its own.
 * The judged objects are immutable; references are not read (the caller gives ids), and nothing
 * is written. Policy, signers and revoked keys come from the caller, who takes them from the server
 * or from the old state, never from what is pushed.
 */
#include "internal.h"

#include <string.h>

#define REASONS_A_COMMIT 50
#define OTHER_MAX	 1000 /* commits of an unprotected branch that are looked at */

static void judge_release(struct gate_judge *j)
{
	for (size_t i = 0; i < j->n_lines; i++)
		gate_line_release(&j->lines[i]);
	for (size_t i = 0; j->commits && i < j->range.n; i++)
		free(j->commits[i].blobs);
	if (j->has_target)
		gate_line_release(&j->target);
	gate_map_release(&j->places);
	free(j->lines);
	free(j->commits);
	free(j->hashes);
	gate_map_release(&j->hashed);
	gate_map_release(&j->asked);
	gate_ledger_release(&j->ledger);
	gate_changes_release(&j->changes);
	cs_range_release(&j->range);
	gate_settings_release(&j->settings);
}

/* ---- 2. the range ---- */

static int read_range(struct gate_judge *j, const struct cs_oid *tip, const struct cs_oid *old,
		      size_t max, struct cs_err *err)
{
	const size_t n = j->opts->n_landed;
	AUTO_FREE struct cs_oid *exclude = cs_calloc(n + 1, sizeof(*exclude));
	const struct cs_range_opts range = {
		.include = tip,
		.n_include = 1,
		.exclude = exclude,
		.n_exclude = n + 1,
		.max_count = max,
	};
	int rc;

	for (size_t i = 0; i < n; i++)
		exclude[i] = j->opts->landed[i];
	exclude[n] = *old;
	rc = cs_repo_range(&j->range, j->opts->repo, &range, err);
	if (rc < 0)
		return rc;
	j->commits = cs_calloc(j->range.n + 1, sizeof(*j->commits));
	for (size_t i = 0; i < j->range.n; i++)
		j->commits[i].at = &j->range.list[i];
	j->report->judged = j->range.n;
	return 0;
}

/* Every commit gets a place on a line of first parents: the first one that meets it. */
static void make_lines(struct gate_judge *j)
{
	for (size_t i = 0; i < j->range.n; i++) {
		j->commits[i].line = SIZE_MAX;
		gate_map_put(&j->places, &j->range.list[i].oid, i);
	}
	for (size_t i = 0; i < j->range.n; i++) {
		size_t at = i;

		if (j->commits[i].line != SIZE_MAX)
			continue;
		CS_GROW(j->lines, j->n_lines, j->cap_lines);
		gate_line_init(&j->lines[j->n_lines], &j->changes, &j->range.list[i].oid);
		for (size_t distance = 0; j->commits[at].line == SIZE_MAX; distance++) {
			const struct cs_range_commit *c = &j->range.list[at];
			const size_t *next =
				c->n_parents ? gate_map_get(&j->places, &c->parents[0]) : NULL;

			j->commits[at].line = j->n_lines;
			j->commits[at].distance = distance;
			if (!next)
				break;
			at = *next;
		}
		j->n_lines++;
	}
}

/* ---- 4. reviews ---- */

static int load(struct gate_judge *j, const struct cs_oid *object, struct cs_err *err)
{
	if (!object->len || gate_map_get(&j->asked, object))
		return 0;
	gate_map_put(&j->asked, object, 1);
	return cs_reviews_find(j->opts->reviews, object, err);
}

static int load_anchors(struct gate_judge *j, const char *change_digest, const char *run,
			struct cs_err *err)
{
	struct cs_oid anchor = { 0 };
	int rc = 0;

	if (*change_digest)
		rc = cs_anchor_change(&anchor, NULL, change_digest, err);
	if (rc == 0)
		rc = load(j, &anchor, err);
	anchor.len = 0;
	if (rc == 0 && *run)
		rc = cs_anchor_run(&anchor, NULL, run, err);
	return rc < 0 ? rc : load(j, &anchor, err);
}

/* What the loaded sign-offs name, until there is nothing new. */
static int load_named(struct gate_judge *j, struct cs_err *err)
{
	size_t before;
	int rc = 0;

	do {
		size_t n = 0;

		before = j->asked.n;
		(void)cs_reviews_list(j->opts->reviews, &n);
		for (size_t i = 0; rc == 0 && i < n; i++) {
			const struct cs_verified_signoff *const *list =
				cs_reviews_list(j->opts->reviews, &n);
			const struct cs_oid commit = list[i]->signoff.commit;
			char digest[CS_SHA256_HEX];
			char run[33];

			/* The list is lent until the next find only. */
			memcpy(digest, list[i]->signoff.change_digest, sizeof(digest));
			memcpy(run, list[i]->signoff.run, sizeof(run));
			rc = load(j, &commit, err);
			if (rc == 0)
				rc = load_anchors(j, digest, run, err);
		}
	} while (rc == 0 && j->asked.n != before);
	return rc;
}

static void copy_change(struct cs_change *out, const struct cs_change *in)
{
	*out = (struct cs_change){ .n = in->n, .cap = in->n };
	out->list = cs_calloc(in->n + 1, sizeof(*out->list));
	for (size_t i = 0; i < in->n; i++) {
		out->list[i] = in->list[i];
		out->list[i].path = cs_strdup(in->list[i].path);
	}
}

static void case_release(struct gate_case *k)
{
	cs_commit_release(&k->commit);
	cs_change_release(&k->change);
	free(k->author);
	free(k->committer);
}

static int fill_digest(struct gate_case *k, struct gate_judge *j, struct cs_err *err)
{
	int rc = 0;

	/* Merge commits bring what was judged already: only what they add themselves is read. */
	if (k->merge && j->settings.transitions)
		return 0;
	for (size_t i = 0; rc == 0 && i < k->change.n; i++)
		rc = gate_fill_digests(j, &k->change.list[i], err);
	if (rc == 0)
		cs_change_digest(k->digest, &k->change);
	return rc;
}

static int case_init(struct gate_case *k, struct gate_judge *j, struct gate_commit *c,
		     struct cs_err *err)
{
	const struct cs_change *change = NULL;
	int rc = cs_repo_read_commit(&k->commit, j->opts->repo, &c->at->oid, err);

	if (rc == 0)
		rc = gate_changes_get(&change, &j->changes, &c->at->oid, err);
	if (rc < 0)
		return rc;
	k->c = c;
	k->author = gate_address(k->commit.author);
	k->committer = gate_address(k->commit.committer);
	k->merge = k->commit.n_parents > 1;
	if (k->commit.n_parents)
		k->parent = k->commit.parents[0];
	k->line = &j->lines[c->line];
	k->from = c->distance + 1;
	rc = gate_behind(&k->behind, j, &k->parent, err);
	copy_change(&k->change, change);
	if (rc < 0)
		return rc;
	return fill_digest(k, j, err);
}

/*
 * The same commit against another of its parents. Its own line: what this parent's line of first
 * parents is, nobody has asked yet. line is released by the caller.
 */
static int case_against(struct gate_case *out, struct gate_line *line, struct gate_judge *j,
			const struct gate_case *k, size_t parent, struct cs_err *err)
{
	struct cs_commit c = { .parents = NULL };
	int rc;

	*out = *k;
	out->change = (struct cs_change)CS_CHANGE_INIT;
	*out->digest = '\0';
	out->against = parent;
	out->parent = k->commit.parents[parent];
	out->line = line;
	out->from = 0;
	gate_line_init(line, &j->changes, &out->parent);
	rc = gate_behind(&out->behind, j, &out->parent, err);
	if (rc == 0)
		rc = cs_repo_read_commit(&c, j->opts->repo, &out->parent, err);
	if (rc == 0)
		rc = cs_change_between(&out->change, j->opts->repo, &c.tree, &k->commit.tree, false,
				       err);
	cs_commit_release(&c);
	return rc < 0 ? rc : fill_digest(out, j, err);
}

static int load_reviews(struct gate_judge *j, struct cs_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->range.n && j->opts->reviews; i++) {
		struct gate_case k = { .c = NULL };

		if (!j->commits[i].needed)
			continue;
		rc = case_init(&k, j, &j->commits[i], err);
		if (rc == 0)
			rc = load(j, &j->commits[i].at->oid, err);
		if (rc == 0)
			rc = load_anchors(j, k.digest, j->commits[i].run, err);
		case_release(&k);
	}
	return rc < 0 || !j->opts->reviews ? rc : load_named(j, err);
}

static void fill_ledger(struct gate_judge *j, const char *ref)
{
	const struct gate_terms terms = {
		.repositories = j->opts->repositories,
		.ref = ref,
		.settings = &j->settings,
		.now_ns = j->opts->now_ns,
	};
	const struct cs_verified_signoff *const *list = j->given;
	size_t n = j->n_given;

	if (!list && j->opts->reviews)
		list = cs_reviews_list(j->opts->reviews, &n);
	gate_ledger_release(&j->ledger);
	gate_ledger_build(&j->ledger, list, n, &terms);
}

/* ---- 5. cases ---- */

static enum cs_gate_verdict weight_of(const struct gate_judge *j)
{
	return j->settings.require == GATE_REQUIRE_WARN ? CS_GATE_WARN : CS_GATE_DENY;
}

static void say(struct gate_judge *j, enum cs_gate_verdict weight, const char *rule,
		const struct cs_oid *commit, const char *path)
{
	const struct gate_say words = {
		.rule = rule,
		.weight = weight,
		.commit = commit,
		.path = path,
		.settings = &j->settings,
	};

	gate_say(j->report, &words);
}

/* With binding = exact and require = all, a commit that changes nothing is signed like any other.
 */
static const char *judge_empty(struct gate_judge *j, const struct gate_case *k)
{
	struct gate_facts f = { .wanted = (size_t)j->settings.signoffs };
	AUTO_STRV struct cs_strv principals = CS_STRV_INIT;

	if (j->settings.transitions || j->settings.require != GATE_REQUIRE_ALL)
		return NULL;
	for (size_t i = 0; i < j->ledger.n; i++) {
		const struct cs_verified_signoff *v = j->ledger.list[i];

		if (j->ledger.standing[i] == GATE_STANDS && !v->signoff.change.n &&
		    v->signoff.decision == CS_DECISION_SIGNED_OFF &&
		    cs_oid_equal(&v->signoff.tree, &k->commit.tree) &&
		    cs_oid_equal(&v->signoff.base_commit, &k->parent) &&
		    !cs_strv_has(&principals, v->principal))
			cs_strv_add(&principals, v->principal);
	}
	f.principals = principals.n;
	return gate_rule(&f);
}

static int judge_path(bool *covered, struct gate_judge *j, struct gate_case *k,
		      struct gate_merge *merge, struct cs_transition *t, size_t *said,
		      struct cs_err *err)
{
	struct gate_facts f = { 0 };
	const char *rule;
	bool makes = false;
	bool returned = false;
	int rc = 0;

	if (k->merge && j->settings.transitions)
		rc = gate_merge_makes(&makes, merge, t, err);
	if (rc == 0 && makes)
		rc = gate_target_returned(&returned, j, k, t, gate_merge_brought(merge, t->path),
					  err);
	if (rc < 0 || (makes && !returned))
		return rc;
	rc = gate_fill_digests(j, t, err);
	if (rc == 0)
		rc = gate_count(&f, j, k, t, err);
	if (rc < 0)
		return rc;
	f.moved_on += returned;
	rule = gate_rule(&f);
	if (!rule)
		return 0;
	*covered = false;
	if ((*said)++ < REASONS_A_COMMIT)
		say(j, weight_of(j), rule, &k->c->at->oid, t->path);
	return 0;
}

static int judge_paths(bool *covered, struct gate_judge *j, struct gate_case *k, struct cs_err *err)
{
	struct gate_merge merge = { .repo = NULL };
	size_t said = 0;
	int rc = 0;

	if (k->merge)
		rc = gate_merge_init(&merge, j->opts->repo, &k->c->at->oid, &k->commit, k->against,
				     err);
	for (size_t i = 0; rc == 0 && i < k->change.n; i++)
		rc = judge_path(covered, j, k, &merge, &k->change.list[i], &said, err);
	gate_merge_release(&merge);
	return rc;
}

/* The parent that has seen most of the branch, where that is another than the first. */
static int judge_merged(bool *covered, struct gate_judge *j, const struct gate_case *k,
			struct cs_err *err)
{
	struct gate_case other = { .c = NULL };
	struct gate_line line = { 0 };
	size_t least = k->behind;
	size_t parent = 0;
	int rc = 0;

	for (size_t i = 1; rc == 0 && i < k->commit.n_parents; i++) {
		size_t behind = GATE_UNRELATED;

		rc = gate_behind(&behind, j, &k->commit.parents[i], err);
		if (behind < least) {
			least = behind;
			parent = i;
		}
	}
	if (rc < 0 || !parent)
		return rc;
	rc = case_against(&other, &line, j, k, parent, err);
	if (rc == 0)
		rc = judge_paths(covered, j, &other, err);
	cs_change_release(&other.change);
	gate_line_release(&line);
	return rc;
}

static struct cs_gate_commit *add_commit(struct cs_gate_report *r, const struct cs_oid *oid)
{
	CS_GROW(r->commits, r->n_commits, r->cap_commits);
	r->commits[r->n_commits] = (struct cs_gate_commit){ .oid = *oid, .needed = true };
	return &r->commits[r->n_commits++];
}

static int judge_commit(bool *all, struct gate_judge *j, struct gate_commit *c, struct cs_err *err)
{
	struct gate_case k = { .c = NULL };
	bool covered = true;
	const char *rule;
	int rc = case_init(&k, j, c, err);

	k.out = add_commit(j->report, &c->at->oid);
	if (rc == 0)
		rc = judge_paths(&covered, j, &k, err);
	if (rc == 0)
		rc = judge_merged(&covered, j, &k, err);
	rule = rc == 0 && !k.change.n ? judge_empty(j, &k) : NULL;
	if (rule) {
		covered = false;
		say(j, weight_of(j), rule, &c->at->oid, NULL);
	}
	k.out->covered = rc == 0 && covered;
	if (k.out->covered && k.out->carried)
		say(j, CS_GATE_PASS, "carried", &c->at->oid, NULL);
	*all &= k.out->covered;
	case_release(&k);
	return rc;
}

/* A commit that only has bytes that a run made needs nothing where those bytes are signed off. */
static int excuse(bool *out, struct gate_judge *j, const struct gate_commit *c, struct cs_err *err)
{
	*out = c->by_blob;
	for (size_t i = 0; *out && i < c->n_blobs; i++) {
		struct cs_transition t = { .path = NULL };
		int rc;

		t.after.mode = CS_MODE_FILE;
		t.after.oid = c->blobs[i];
		rc = gate_fill_digests(j, &t, err);
		if (rc < 0)
			return rc;
		*out = gate_knows_content(j, t.after.digest);
	}
	return 0;
}

static int judge_all(bool *all, struct gate_judge *j, struct cs_err *err)
{
	int rc = 0;

	*all = true;
	for (size_t i = j->range.n; rc == 0 && i-- > 0;) {
		bool excused = false;

		if (!j->commits[i].needed)
			continue;
		rc = excuse(&excused, j, &j->commits[i], err);
		if (rc == 0 && !excused)
			rc = judge_commit(all, j, &j->commits[i], err);
	}
	return rc;
}

/* ---- putting it together ---- */

static void forget(struct cs_gate_report *r, size_t reasons)
{
	while (r->n_reasons > reasons) {
		struct cs_gate_reason *last = &r->reasons[--r->n_reasons];

		free(last->path);
		free(last->detail);
		free(last->origin);
		free(last->help);
	}
	while (r->n_commits)
		cs_strv_release(&r->commits[--r->n_commits].principals);
}

static int judge_range(struct gate_judge *j, const char *ref, const struct cs_oid *old,
		       struct cs_err *err)
{
	const size_t reasons = j->report->n_reasons;
	bool all = false;
	int rc = gate_needs(j->commits, j->range.n, &j->changes, j->opts, j->settings.require, err);

	if (rc < 0)
		return rc;
	make_lines(j);
	rc = gate_target_init(j, old, err);
	if (rc == 0)
		rc = load_reviews(j, err);
	if (rc < 0)
		return rc;
	fill_ledger(j, ref);
	rc = judge_all(&all, j, err);
	if (rc < 0 || all || !j->opts->reviews)
		return rc;
	rc = cs_reviews_find_all(j->opts->reviews, err);
	if (rc < 0)
		return rc;
	forget(j->report, reasons);
	fill_ledger(j, ref);
	return judge_all(&all, j, err);
}

/* Branches that nobody protects: one line about what would need a sign-off elsewhere. */
static int look_at_other(struct gate_judge *j, const struct cs_gate_update *u,
			 const struct cs_oid *tip, struct cs_err *err)
{
	struct cs_gate_opts cheap = *j->opts;
	AUTO_FREE char *detail = NULL;
	size_t n = 0;
	int rc;

	if (!u->old_oid.len && !j->opts->n_landed)
		return 0;
	cheap.hints = NULL;
	cheap.n_provenance = 0;
	rc = read_range(j, tip, &u->old_oid, OTHER_MAX, err);
	if (rc == 0)
		rc = gate_needs(j->commits, j->range.n, &j->changes, &cheap, GATE_REQUIRE_WARN,
				err);
	for (size_t i = 0; rc == 0 && i < j->range.n; i++)
		n += j->commits[i].needed;
	if (rc < 0 || !n)
		return rc;
	detail = cs_asprintf("%zu commit%s made by agents; a protected branch will want sign-offs",
			     n, n == 1 ? "" : "s");
	gate_say(j->report, &(struct gate_say){
				    .rule = "other-branch",
				    .weight = CS_GATE_WARN,
				    .detail = detail,
			    });
	return 0;
}

/* Is the old tip among the parents of the range? git is asked only where it is not. */
static int ask_forward(struct gate_judge *j, const struct cs_gate_update *u, struct cs_err *err)
{
	bool forward = false;
	int rc = 0;

	for (size_t i = 0; i < j->range.n && !forward; i++)
		for (size_t k = 0; k < j->range.list[i].n_parents; k++)
			forward |= cs_oid_equal(&j->range.list[i].parents[k], &u->old_oid);
	if (!forward)
		rc = cs_repo_is_ancestor(&forward, j->opts->repo, &u->old_oid, &u->new_oid, err);
	if (rc == 0 && !forward)
		say(j, j->settings.require == GATE_REQUIRE_WARN ? CS_GATE_WARN : CS_GATE_DENY,
		    "history-rewritten", NULL, NULL);
	return rc;
}

static int judge(struct gate_judge *j, const struct cs_gate_update *u, struct cs_err *err)
{
	const struct cs_oid none = { 0 };
	const bool is_tag = !strncmp(u->ref, "refs/tags/", 10);
	const struct cs_oid *old;
	struct cs_oid tip = { 0 };
	bool go_on = false;
	int rc = gate_refs(&go_on, j->report, &j->settings, j->opts, u, &tip, err);

	if (j->settings.section)
		j->report->section = cs_strdup(j->settings.section);
	if (rc < 0 || !go_on)
		return rc;
	if (j->settings.section && j->settings.require == GATE_REQUIRE_UNKNOWN) {
		say(j, CS_GATE_DENY, "unknown-word", NULL, NULL);
		return 0;
	}
	if (!j->settings.section)
		return look_at_other(j, u, &tip, err);
	if (j->settings.require == GATE_REQUIRE_NONE)
		return 0;
	old = is_tag ? &none : &u->old_oid;
	rc = read_range(j, &tip, old, 0, err);
	if (rc == 0 && old->len && !j->opts->local)
		rc = ask_forward(j, u, err);
	return rc < 0 ? rc : judge_range(j, u->ref, old, err);
}

/* The one place where a report becomes anything but a denial. */
static enum cs_gate_verdict conclude(const struct cs_gate_report *r)
{
	enum cs_gate_verdict verdict = CS_GATE_PASS;

	for (size_t i = 0; i < r->n_reasons; i++)
		if (r->reasons[i].weight < verdict)
			verdict = r->reasons[i].weight;
	for (size_t i = 0; i < r->n_commits; i++)
		if (!r->commits[i].covered && verdict == CS_GATE_PASS)
			verdict = CS_GATE_DENY; /* without a reason: our own mistake */
	return verdict;
}

static int judge_with(struct gate_judge *j, const struct cs_gate_update *update, struct cs_err *err)
{
	struct cs_gate_report *out = j->report;
	struct cs_err why = CS_ERR_INIT;
	int rc;

	out->verdict = CS_GATE_DENY;
	out->ref = cs_strdup(update->ref);
	rc = judge(j, update, &why);
	if (rc < 0) {
		AUTO_FREE char *detail = cs_escape_line(why.msg);

		gate_say(out, &(struct gate_say){
				      .rule = "malfunction",
				      .weight = CS_GATE_DENY,
				      .detail = detail,
			      });
		cs_err_set(err, why.code, "%s", why.msg);
	} else {
		out->verdict = conclude(out);
	}
	judge_release(j);
	return rc;
}

int cs_gate_judge(struct cs_gate_report *out, const struct cs_gate_opts *opts,
		  const struct cs_gate_update *update, struct cs_err *err)
{
	struct gate_judge j = { .opts = opts, .report = out, .changes = { .repo = opts->repo } };

	return judge_with(&j, update, err);
}

int gate_judge_given(struct cs_gate_report *out, const struct cs_gate_opts *opts,
		     const struct cs_gate_update *update,
		     const struct cs_verified_signoff *const *given, size_t n, struct cs_err *err)
{
	struct cs_gate_opts alone = *opts;
	struct gate_judge j = {
		.opts = &alone,
		.report = out,
		.changes = { .repo = opts->repo },
		.given = given,
		.n_given = n,
	};

	alone.reviews = NULL;
	return judge_with(&j, update, err);
}
