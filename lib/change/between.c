/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The differences between two trees, by a walk of our own.
 *
 * Security: what is signed off is this list, so it must be complete. Nothing but the two trees
 * decides what is in it: no attributes, no configuration, no renames, no replaced objects. Trees
 * come parsed and checked from cs_repo_read_tree(): strictly sorted, each name once, so that there
 * is one way to read them. An entry is passed over only when id and raw mode are equal; everything
 * else is either a directory to go into or a transition. Whatever cannot be read is an error, and
 * an error gives no list.
 *
 * The entries of both trees are merged in git's order, in which a directory stands elsewhere than a
 * file of the same name: the two never meet, and a file that becomes a directory is a removal and
 * additions. The result is sorted by the bytes of the whole path, which is another order.
 */
#include "internal.h"

#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX      1024
#define PATH_MAX_BYTES 65535

struct walk {
	const struct cs_repo *repo;
	struct cs_change *change;
	struct cs_buf path; /* of the directory, with a slash at its end */
	int depth;
	bool with_digests;
};

static int walk_trees(struct walk *w, const struct cs_oid *before, const struct cs_oid *after,
		      struct cs_err *err);

void cs_change_release(struct cs_change *change)
{
	for (size_t i = 0; i < change->n; i++)
		free(change->list[i].path);
	free(change->list);
	*change = (struct cs_change)CS_CHANGE_INIT;
}

int cs_side_digest(char out[CS_SHA256_HEX], const struct cs_repo *repo, const struct cs_side *side,
		   struct cs_err *err)
{
	uint8_t digest[CS_SHA256_LEN];
	int rc;

	if (!side->mode) {
		memcpy(out, "-", sizeof("-"));
		return 0;
	}
	if ((side->mode & S_IFMT) == CS_MODE_GITLINK) {
		cs_oid_hex(out, &side->oid);
		return 0;
	}
	rc = cs_repo_blob_sha256(digest, repo, &side->oid, err);
	if (rc == 0)
		cs_hex(out, digest, sizeof(digest));
	return rc;
}

_Static_assert(CS_OID_HEX <= CS_SHA256_HEX, "an object id fits where a digest does");

static void set_side(struct cs_side *side, const struct cs_tree_entry *e)
{
	if (!e)
		return;
	side->mode = e->mode;
	side->oid = e->oid;
}

static int add(struct walk *w, const char *name, const struct cs_tree_entry *before,
	       const struct cs_tree_entry *after, struct cs_err *err)
{
	struct cs_change *c = w->change;
	struct cs_transition t = { .path = NULL };
	int rc = 0;

	if (c->n == CS_CHANGE_MAX)
		return cs_err_set(err, CS_LIMIT, "more than %u changed paths", CS_CHANGE_MAX);
	set_side(&t.before, before);
	set_side(&t.after, after);
	if (w->with_digests)
		rc = cs_side_digest(t.before.digest, w->repo, &t.before, err);
	if (rc == 0 && w->with_digests)
		rc = cs_side_digest(t.after.digest, w->repo, &t.after, err);
	if (rc < 0)
		return rc;
	t.path = cs_asprintf("%s%s", w->path.data, name);
	CS_GROW(c->list, c->n, c->cap);
	c->list[c->n++] = t;
	return 0;
}

/* NOLINTBEGIN(misc-no-recursion): one call a level, DEPTH_MAX bounds the levels. */

/* The trees of one name, or none on one side. */
static int descend(struct walk *w, const char *name, const struct cs_tree_entry *before,
		   const struct cs_tree_entry *after, struct cs_err *err)
{
	const struct cs_oid none = { 0 };
	const size_t len = w->path.len;
	int rc;

	if (w->depth == DEPTH_MAX || len + strlen(name) > PATH_MAX_BYTES)
		return cs_err_set(err, CS_LIMIT, "a directory at depth %d, %zu bytes of path",
				  w->depth, len);
	cs_buf_adds(&w->path, name);
	cs_buf_addc(&w->path, '/');
	w->depth++;
	rc = walk_trees(w, before ? &before->oid : &none, after ? &after->oid : &none, err);
	w->depth--;
	cs_buf_truncate(&w->path, len);
	return rc;
}

static bool is_tree(const struct cs_tree_entry *e)
{
	return e && S_ISDIR(e->mode);
}

/* One name: at least one side is there; a tree and something else never come together. */
static int compare(struct walk *w, const char *name, const struct cs_tree_entry *before,
		   const struct cs_tree_entry *after, struct cs_err *err)
{
	if (before && after && before->mode == after->mode &&
	    cs_oid_equal(&before->oid, &after->oid))
		return 0;
	if (is_tree(before) || is_tree(after))
		return descend(w, name, before, after, err);
	return add(w, name, before, after, err);
}

/* Which of the next entries comes first; 0: both have one name. At least one is left. */
static int order_of(const struct cs_tree *before, size_t i, const struct cs_tree *after, size_t k)
{
	const struct cs_tree_entry *b = &before->entries[i];
	const struct cs_tree_entry *a = &after->entries[k];

	if (i == before->n)
		return 1;
	if (k == after->n)
		return -1;
	return cs_tree_order(b->name, b->mode, a->name, a->mode);
}

static int merge(struct walk *w, const struct cs_tree *before, const struct cs_tree *after,
		 struct cs_err *err)
{
	size_t i = 0;
	size_t k = 0;
	int rc = 0;

	while (rc == 0 && (i < before->n || k < after->n)) {
		const int order = order_of(before, i, after, k);
		const struct cs_tree_entry *b = order <= 0 ? &before->entries[i++] : NULL;
		const struct cs_tree_entry *a = order >= 0 ? &after->entries[k++] : NULL;

		rc = compare(w, order <= 0 ? b->name : a->name, b, a, err);
	}
	return rc;
}

static int walk_trees(struct walk *w, const struct cs_oid *before, const struct cs_oid *after,
		      struct cs_err *err)
{
	CS_AUTO(cs_tree_release) struct cs_tree b = CS_TREE_INIT;
	CS_AUTO(cs_tree_release) struct cs_tree a = CS_TREE_INIT;
	int rc;

	if (cs_oid_equal(before, after))
		return 0;
	rc = cs_repo_read_tree(&b, w->repo, before, err);
	if (rc == 0)
		rc = cs_repo_read_tree(&a, w->repo, after, err);
	return rc < 0 ? rc : merge(w, &b, &a, err);
}

/* NOLINTEND(misc-no-recursion) */

static int by_path(const void *va, const void *vb)
{
	const struct cs_transition *a = va;
	const struct cs_transition *b = vb;

	return strcmp(a->path, b->path); /* compares bytes as unsigned (POSIX) */
}

int cs_change_between(struct cs_change *out, const struct cs_repo *repo,
		      const struct cs_oid *before, const struct cs_oid *after, bool with_digests,
		      struct cs_err *err)
{
	struct cs_change change = CS_CHANGE_INIT;
	struct walk w = {
		.repo = repo,
		.change = &change,
		.path = CS_BUF_INIT,
		.with_digests = with_digests,
	};
	int rc = walk_trees(&w, before, after, err);

	cs_buf_release(&w.path);
	if (rc < 0) {
		cs_change_release(&change);
		return cs_err_wrap(err, "compare trees");
	}
	if (change.n)
		qsort(change.list, change.n, sizeof(*change.list), by_path);
	*out = change;
	return 0;
}
