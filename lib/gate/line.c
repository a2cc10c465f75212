/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the branch moved on since a sign-off. Theory of operation:
 *
 * A sign-off says: this path may go from state a to state b. Its author saw a as the present. A
 * commit C with first parent P may use it as long as a has been the present ever since: on the line
 * of first parents from P back to the sign-off's base, no commit has moved the path away from a.
 * The line ends before the first commit that is an ancestor of the base, or the base itself.
 *
 * So a rebase over commits that do not touch the path, two runs on top of each other, a squash and
 * a cherry-pick within the branch keep their sign-offs. What does not: a -> b lands, is reverted
 * for a reason (b -> a), and somebody replays the old a -> b. The first landing moved the path away
 * from a; after it the sign-off is used up, and the new attempt needs a new look. "No path of it
 * was touched since the base" would be stricter than this, and wrong in both directions: it refuses
 * the second of two stacked sign-offs on one path (x -> a, a -> b, both on the old base), and it
 * says the same as ours in the case of the replay. State that comes back by itself without having
 * been left (another path, another state) is no danger: bytes, mode and path are those that were
 * seen.
 *
 * Cost. The line is read as far as it is asked for, each commit's change once. Departures of the
 * line are one sorted list of (path, state, distance from the tip), so a question is a binary
 * search. A base on the line is found by its place; one that is not (the branch was rebased) by
 * following its single parents until they meet the line, remembering what was passed: a rebased
 * stack of a thousand commits is linear. Where that meets a merge, git answers.
 */
#include "internal.h"

#include <string.h>

#define LOOK_BACK   4096 /* commits of the line that are tried before git is asked */
#define FOLLOW_MAX  100000
#define DEPTH_FIRST 64

struct gate_departure {
	const char *path; /* borrowed from the change */
	uint32_t mode;
	struct cs_oid oid;
	size_t distance;
};

/* ---- changes ---- */

static int make_change(struct cs_change *out, const struct cs_repo *repo,
		       const struct cs_oid *commit, struct cs_err *err)
{
	struct cs_commit child = { .parents = NULL };
	struct cs_commit parent = { .parents = NULL };
	int rc = cs_repo_read_commit(&child, repo, commit, err);

	if (rc == 0 && child.n_parents)
		rc = cs_repo_read_commit(&parent, repo, &child.parents[0], err);
	if (rc == 0)
		rc = cs_change_between(out, repo, &parent.tree, &child.tree, false, err);
	cs_commit_release(&child);
	cs_commit_release(&parent);
	return rc;
}

int gate_changes_get(const struct cs_change **out, struct gate_changes *c,
		     const struct cs_oid *commit, struct cs_err *err)
{
	const size_t *at = gate_map_get(&c->map, commit);
	struct cs_change change = CS_CHANGE_INIT;
	char hex[CS_OID_HEX];
	int rc;

	if (at) {
		*out = c->list[*at];
		return 0;
	}
	rc = make_change(&change, c->repo, commit, err);
	if (rc < 0)
		return cs_err_wrap(err, "commit %s", cs_oid_hex(hex, commit));
	CS_GROW(c->list, c->n, c->cap);
	c->list[c->n] = cs_malloc(sizeof(change));
	*c->list[c->n] = change;
	gate_map_put(&c->map, commit, c->n);
	*out = c->list[c->n++];
	return 0;
}

void gate_changes_release(struct gate_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		cs_change_release(c->list[i]);
		free(c->list[i]);
	}
	free(c->list);
	gate_map_release(&c->map);
	*c = (struct gate_changes){ .repo = c->repo };
}

/* ---- the line ---- */

static void append(struct gate_line *l, const struct cs_oid *oid)
{
	CS_GROW(l->list, l->n, l->cap);
	gate_map_put(&l->places, oid, l->n);
	l->list[l->n++] = *oid;
}

void gate_line_init(struct gate_line *l, struct gate_changes *changes, const struct cs_oid *tip)
{
	*l = (struct gate_line){ .changes = changes };
	append(l, tip);
}

void gate_line_release(struct gate_line *l)
{
	free(l->list);
	free(l->departures);
	gate_map_release(&l->places);
	gate_map_release(&l->bases);
	*l = (struct gate_line){ 0 };
}

/* Until the line has n commits, or its root. */
static int extend(struct gate_line *l, size_t n, struct cs_err *err)
{
	while (l->n < n && !l->complete) {
		struct cs_oid parent;
		int rc = cs_repo_first_parent(&parent, l->changes->repo, &l->list[l->n - 1], err);

		if (rc < 0)
			return rc;
		if (parent.len)
			append(l, &parent);
		else
			l->complete = true;
	}
	return 0;
}

static int find_place(const size_t **out, struct gate_line *l, const struct cs_oid *oid,
		      struct cs_err *err)
{
	*out = gate_map_get(&l->places, oid);
	while (!*out && !l->complete && l->n < LOOK_BACK) {
		int rc = extend(l, l->n < DEPTH_FIRST ? DEPTH_FIRST : 2 * l->n, err);

		if (rc < 0)
			return rc;
		*out = gate_map_get(&l->places, oid);
	}
	return 0;
}

/* What git says: as many commits of the line are no ancestors of base. */
static int ask_git(size_t *out, struct gate_line *l, const struct cs_oid *base, struct cs_err *err)
{
	struct cs_range range = CS_RANGE_INIT;
	const struct cs_range_opts opts = {
		.include = &l->list[0],
		.n_include = 1,
		.exclude = base,
		.n_exclude = 1,
		.first_parent = true,
	};
	int rc = cs_repo_range(&range, l->changes->repo, &opts, err);

	if (rc == 0)
		rc = extend(l, range.n + 1, err);
	if (rc == 0)
		/* All of it down to the root: they have nothing in common. */
		*out = range.n < l->n ? range.n : GATE_UNRELATED;
	cs_range_release(&range);
	return rc;
}

static bool is_here(const struct cs_repo *repo, const struct cs_oid *oid)
{
	enum cs_object_type type = CS_OBJ_NONE;
	uint64_t size;

	return cs_repo_object_info(&type, &size, repo, oid, NULL) == 0 && type == CS_OBJ_COMMIT;
}

/*
 * Follows single parents from base. All that was passed has the same answer: none of it is on the
 * line, and the only way from it to the line is the way that was gone.
 */
static int follow(size_t *out, struct gate_line *l, const struct cs_oid *base, struct cs_err *err)
{
	AUTO_FREE struct cs_oid *passed = NULL;
	struct cs_oid at = *base;
	const size_t *known = NULL;
	size_t n = 0;
	size_t cap = 0;
	int rc = 0;

	for (;;) {
		struct cs_commit c = { .parents = NULL };
		bool single;

		known = gate_map_get(&l->places, &at);
		if (!known)
			known = gate_map_get(&l->bases, &at);
		if (known)
			break;
		rc = cs_repo_read_commit(&c, l->changes->repo, &at, err);
		if (rc < 0)
			return rc;
		CS_GROW(passed, n, cap);
		passed[n++] = at;
		single = c.n_parents == 1 && n < FOLLOW_MAX;
		if (single)
			at = c.parents[0];
		cs_commit_release(&c);
		if (!single)
			break;
	}
	if (known)
		*out = *known;
	else
		rc = ask_git(out, l, &at, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		gate_map_put(&l->bases, &passed[i], *out);
	return rc;
}

int gate_line_distance(size_t *out, struct gate_line *l, const struct cs_oid *base,
		       struct cs_err *err)
{
	const size_t *place = NULL;
	int rc;

	if (!base->len) {
		rc = extend(l, SIZE_MAX, err);
		*out = l->n;
		return rc;
	}
	place = gate_map_get(&l->bases, base);
	if (place) {
		*out = *place;
		return 0;
	}
	if (!is_here(l->changes->repo, base)) {
		*out = GATE_UNRELATED;
		gate_map_put(&l->bases, base, *out);
		return 0;
	}
	rc = find_place(&place, l, base, err);
	if (rc < 0)
		return rc;
	if (place) {
		*out = *place;
		return 0;
	}
	return follow(out, l, base, err);
}

/* ---- departures ---- */

static int by_state(const void *va, const void *vb)
{
	const struct gate_departure *a = va;
	const struct gate_departure *b = vb;
	int order = strcmp(a->path, b->path);

	if (!order && a->mode != b->mode)
		order = a->mode < b->mode ? -1 : 1;
	if (!order)
		order = (int)a->oid.len - (int)b->oid.len;
	return order ? order : memcmp(a->oid.bytes, b->oid.bytes, a->oid.len);
}

static int by_state_and_distance(const void *va, const void *vb)
{
	const struct gate_departure *a = va;
	const struct gate_departure *b = vb;
	int order = by_state(va, vb);

	return order ? order : (a->distance > b->distance) - (a->distance < b->distance);
}

static int add_departures(struct gate_line *l, size_t distance, struct cs_err *err)
{
	const struct cs_change *change = NULL;
	int rc = gate_changes_get(&change, l->changes, &l->list[distance], err);

	for (size_t i = 0; rc == 0 && i < change->n; i++) {
		const struct cs_transition *t = &change->list[i];

		CS_GROW(l->departures, l->n_departures, l->cap_departures);
		l->departures[l->n_departures++] = (struct gate_departure){
			t->path,
			t->before.mode,
			t->before.oid,
			distance,
		};
	}
	return rc;
}

/* The list for the first `to` commits, and for twice as many as before, so that sorting is rare. */
static int depart(struct gate_line *l, size_t to, struct cs_err *err)
{
	const size_t before = l->n_departures;
	int rc;

	if (to <= l->departed)
		return 0;
	rc = extend(l, to, err);
	if (rc < 0)
		return rc;
	if (to < 2 * l->departed)
		to = 2 * l->departed;
	if (to > l->n)
		to = l->n;
	while (rc == 0 && l->departed < to)
		rc = add_departures(l, l->departed++, err);
	if (rc == 0 && l->n_departures != before)
		qsort(l->departures, l->n_departures, sizeof(*l->departures),
		      by_state_and_distance);
	return rc;
}

int gate_line_moved(bool *out, struct gate_line *l, const struct cs_transition *t, size_t from,
		    size_t to, struct cs_err *err)
{
	const struct gate_departure wanted = { t->path, t->before.mode, t->before.oid, from };
	size_t low = 0;
	size_t high;
	int rc;

	*out = false;
	if (from >= to)
		return 0;
	rc = depart(l, to, err);
	if (rc < 0)
		return rc;
	high = l->n_departures;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (by_state_and_distance(&l->departures[mid], &wanted) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*out = low < l->n_departures && !by_state(&l->departures[low], &wanted) &&
	       l->departures[low].distance < to;
	return 0;
}
