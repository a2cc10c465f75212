/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the updated reference had before, and left. Theory of operation:
 *
 * A push need not continue the branch's line of first parents: `git pull` makes merges whose first
 * parent is one's own work, and whoever pushes chooses what his commits stand on. So a commit's own
 * line does not tell what became of a path on the branch that it lands on. A change that was taken
 * back could be made again on top of an old base and merged ("only one side changed it"); a stale
 * branch could swallow the branch's tip with `git merge -s ours` and change nothing against its own
 * first parent. Therefore:
 *
 *	the target line	first parents from the update's old value
 *	behind		of a commit: how far down the target line its newest ancestor there is; the
 *			smaller, the more of the branch the commit has seen
 *
 *	- a sign-off is used up too when the target line, between what the commit's parent has seen
 *	  and the sign-off's base, moved the path away from the state that was signed from (count.c)
 *	- a merge commit is judged against the parent that has seen most of the branch as well
 *	  (judge.c)
 *	- what merging gives is nobody's work only where the branch, in what one parent has seen and
 *	  the other has not, never left the state that it is in again, nor the one that is brought
 *
 * A reference that is created has no old value, and no target line.
 */
#include "internal.h"

/* Parents come behind their children in a range: from the end, each is known when it is asked. */
int gate_target_init(struct gate_judge *j, const struct cs_oid *old, struct cs_err *err)
{
	int rc = 0;

	j->has_target = old->len != 0;
	if (!j->has_target)
		return 0;
	gate_line_init(&j->target, &j->changes, old);
	for (size_t i = j->range.n; rc == 0 && i-- > 0;) {
		const struct cs_range_commit *c = &j->range.list[i];

		j->commits[i].behind = GATE_UNRELATED;
		for (size_t p = 0; rc == 0 && p < c->n_parents; p++) {
			size_t behind = GATE_UNRELATED;

			rc = gate_behind(&behind, j, &c->parents[p], err);
			if (behind < j->commits[i].behind)
				j->commits[i].behind = behind;
		}
	}
	return rc;
}

int gate_behind(size_t *out, struct gate_judge *j, const struct cs_oid *commit, struct cs_err *err)
{
	const size_t *at = gate_map_get(&j->places, commit);

	*out = GATE_UNRELATED;
	if (!j->has_target || !commit->len)
		return 0;
	if (at) {
		*out = j->commits[*at].behind;
		return 0;
	}
	return gate_line_distance(out, &j->target, commit, err);
}

int gate_target_left(bool *out, struct gate_judge *j, const struct cs_transition *t, size_t behind,
		     const struct cs_oid *base, struct cs_err *err)
{
	size_t to = GATE_UNRELATED;
	int rc;

	*out = false;
	if (!j->has_target || behind == GATE_UNRELATED)
		return 0;
	rc = gate_behind(&to, j, base, err);
	return rc < 0 ? rc : gate_line_moved(out, &j->target, t, behind, to, err);
}

int gate_target_returned(bool *out, struct gate_judge *j, const struct gate_case *k,
			 const struct cs_transition *t, const struct cs_side *brought,
			 struct cs_err *err)
{
	struct cs_transition again = { .path = t->path };
	int rc = 0;

	*out = false;
	for (size_t i = 0; rc == 0 && j->has_target && !*out && i < k->commit.n_parents; i++) {
		size_t behind;

		rc = gate_behind(&behind, j, &k->commit.parents[i], err);
		if (rc < 0 || behind <= k->behind)
			continue;
		rc = gate_line_moved(out, &j->target, t, k->behind, behind, err);
		if (rc < 0 || *out || !brought)
			continue;
		again.before = *brought;
		rc = gate_line_moved(out, &j->target, &again, k->behind, behind, err);
	}
	return rc;
}
