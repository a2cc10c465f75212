/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which paths of a merge commit nobody made. Theory of operation:
 *
 * Both parents' own commits are judged by themselves; what is left is what the merge commit adds.
 * Each path that differs from the parent at hand ("ours") must be what merging gives: unchanged on
 * one side: the other side; the same on both: that; changed on both: the contents merged line by
 * line, with git's default options and without attributes. "Equal to one of the parents" would be
 * too little: taking the second parent's version of a file that the first had changed too silently
 * throws the first's change away, a rollback that nobody looked at.
 *
 * Where a path does not fit (deleted here and changed there, renames), the merge is done as a whole
 * with renames, once, in memory; if its tree is the commit's, all of it is mechanical. Merges with
 * more than two parents, without a base or with several are never mechanical: what they bring must
 * be covered like anything else.
 */
#include "internal.h"

#include <string.h>
#include <sys/stat.h>

static int diff_from(struct cs_change *out, const struct gate_merge *m, const struct cs_oid *base,
		     const struct cs_oid *side, struct cs_err *err)
{
	struct cs_commit b = { .parents = NULL };
	struct cs_commit s = { .parents = NULL };
	int rc = cs_repo_read_commit(&b, m->repo, base, err);

	if (rc == 0)
		rc = cs_repo_read_commit(&s, m->repo, side, err);
	if (rc == 0)
		rc = cs_change_between(out, m->repo, &b.tree, &s.tree, false, err);
	cs_commit_release(&b);
	cs_commit_release(&s);
	return rc;
}

int gate_merge_init(struct gate_merge *m, const struct cs_repo *repo, const struct cs_oid *oid,
		    const struct cs_commit *commit, size_t ours, struct cs_err *err)
{
	struct cs_oid base;
	size_t n = 0;
	int rc;

	*m = (struct gate_merge){ .repo = repo, .commit = *oid, .tree = commit->tree };
	if (commit->n_parents != 2)
		return 0;
	m->ours = commit->parents[ours];
	m->theirs = commit->parents[!ours];
	rc = cs_repo_merge_base(&base, &n, repo, &m->ours, &m->theirs, err);
	if (rc < 0 || n != 1)
		return rc;
	rc = diff_from(&m->from_ours, m, &base, &m->ours, err);
	if (rc == 0)
		rc = diff_from(&m->from_theirs, m, &base, &m->theirs, err);
	m->possible = rc == 0;
	return rc;
}

void gate_merge_release(struct gate_merge *m)
{
	cs_change_release(&m->from_ours);
	cs_change_release(&m->from_theirs);
}

static const struct cs_transition *find_path(const struct cs_change *c, const char *path)
{
	size_t low = 0;
	size_t high = c->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(c->list[mid].path, path);

		if (!order)
			return &c->list[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool same_side(const struct cs_side *a, const struct cs_side *b)
{
	return a->mode == b->mode && (!a->mode || cs_oid_equal(&a->oid, &b->oid));
}

static bool is_file(const struct cs_side *s)
{
	return S_ISREG(s->mode);
}

/* The mode, or the id, that merging gives; false: both changed it. */
static bool merged_mode(uint32_t *out, const struct cs_transition *a, const struct cs_transition *b)
{
	const bool ours = a->before.mode != a->after.mode;
	const bool theirs = b->before.mode != b->after.mode;

	*out = theirs ? b->after.mode : a->after.mode;
	return !ours || !theirs || a->after.mode == b->after.mode;
}

/* A file that both sides changed: its contents, merged, against what the commit has. */
static int merges_to(bool *out, const struct gate_merge *m, const struct cs_transition *ours,
		     const struct cs_transition *theirs, const struct cs_side *result,
		     struct cs_err *err)
{
	AUTO_BUF struct cs_buf merged = CS_BUF_INIT;
	AUTO_BUF struct cs_buf there = CS_BUF_INIT;
	enum cs_object_type type = CS_OBJ_NONE;
	uint64_t size = 0;
	uint32_t mode;
	bool clean = false;
	int rc;

	*out = false;
	if (!is_file(&ours->before) || !is_file(&ours->after) || !is_file(&theirs->after) ||
	    !is_file(result) || !merged_mode(&mode, ours, theirs) || mode != result->mode)
		return 0;
	rc = cs_repo_merge_blobs(&merged, &clean, m->repo, &ours->before.oid, &ours->after.oid,
				 &theirs->after.oid, err);
	if (rc == 0)
		rc = cs_repo_object_info(&type, &size, m->repo, &result->oid, err);
	if (rc < 0 || !clean || size != merged.len)
		return rc;
	rc = cs_repo_read(&there, m->repo, &result->oid, CS_OBJ_BLOB, merged.len, err);
	*out = rc == 0 && there.len == merged.len && !memcmp(there.data, merged.data, merged.len);
	return rc;
}

/* The whole merge, once. */
static int makes_tree(bool *out, struct gate_merge *m, struct cs_err *err)
{
	struct cs_oid tree;
	bool clean = false;
	int rc = 0;

	if (!m->tried)
		rc = cs_repo_merge_commits(&tree, &clean, m->repo, &m->ours, &m->theirs, err);
	if (rc == 0 && !m->tried)
		m->whole = clean && cs_oid_equal(&tree, &m->tree);
	m->tried = true;
	*out = rc == 0 && m->whole;
	return rc;
}

const struct cs_side *gate_merge_brought(const struct gate_merge *m, const char *path)
{
	const struct cs_transition *theirs = find_path(&m->from_theirs, path);

	return theirs ? &theirs->after : NULL;
}

int gate_merge_makes(bool *out, struct gate_merge *m, const struct cs_transition *t,
		     struct cs_err *err)
{
	const struct cs_transition *ours = find_path(&m->from_ours, t->path);
	const struct cs_transition *theirs = find_path(&m->from_theirs, t->path);
	int rc = 0;

	*out = false;
	if (!m->possible)
		return 0;
	/* Only theirs changed it (had they not, the first parent's state would stay). */
	if (theirs && !ours)
		*out = same_side(&theirs->after, &t->after);
	else if (theirs && ours && !same_side(&theirs->after, &ours->after))
		rc = merges_to(out, m, ours, theirs, &t->after, err);
	if (rc == 0 && !*out)
		rc = makes_tree(out, m, err);
	return rc;
}
