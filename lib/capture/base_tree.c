/* SPDX-License-Identifier: Apache-2.0 */
/* The base's tree: trusted as far as lib/repo has checked its form. */
#include "base_tree.h"

#include <string.h>

/* Directories in each other; more is no tree that somebody works with. */
#define DEPTH_MAX 4096

void base_tree_init(struct base_tree *b, const struct cs_repo *repo, const struct cs_oid *root)
{
	*b = (struct base_tree){ .repo = repo, .root = *root, .path = CS_BUF_INIT };
}

static void drop_levels(struct base_tree *b, size_t keep)
{
	while (b->n > keep)
		cs_tree_release(&b->levels[--b->n].tree);
	cs_buf_truncate(&b->path, b->n ? b->levels[b->n - 1].end : 0);
}

void base_tree_release(struct base_tree *b)
{
	drop_levels(b, 0);
	free(b->levels);
	cs_buf_release(&b->path);
}

static int push_level(struct base_tree *b, const struct cs_oid *oid, size_t end, struct cs_err *err)
{
	struct cs_tree tree = CS_TREE_INIT;
	int rc = cs_repo_read_tree(&tree, b->repo, oid, err);

	if (rc < 0)
		return rc;
	CS_GROW(b->levels, b->n, b->cap);
	b->levels[b->n++] = (struct base_level){ .tree = tree, .end = end };
	return 0;
}

/* git's order of names in a tree: that of a directory ends in a slash. */
static int compare_name(const char *name, size_t len, bool is_dir, const struct cs_tree_entry *e)
{
	size_t other = strlen(e->name);
	size_t common = len < other ? len : other;
	int cmp = memcmp(name, e->name, common);
	unsigned char a, b;

	if (cmp)
		return cmp;
	a = common < len ? (unsigned char)name[common] : is_dir ? '/' : 0;
	b = common < other ? (unsigned char)e->name[common] : e->mode == CS_MODE_TREE ? '/' : 0;
	return a - b;
}

static const struct cs_tree_entry *search(const struct cs_tree *tree, const char *name, size_t len,
					  bool is_dir)
{
	size_t low = 0, high = tree->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int cmp = compare_name(name, len, is_dir, &tree->entries[mid]);

		if (!cmp)
			return &tree->entries[mid];
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static const struct cs_tree_entry *lookup(const struct cs_tree *tree, const char *name, size_t len)
{
	const struct cs_tree_entry *e = search(tree, name, len, false);

	return e ? e : search(tree, name, len, true);
}

/* Drops the levels that are not on the way to path. */
static int go_to_common(struct base_tree *b, const char *path, struct cs_err *err)
{
	size_t keep = b->n;

	if (!b->n)
		return push_level(b, &b->root, 0, err);
	while (keep > 1) {
		size_t end = b->levels[keep - 1].end;

		if (!strncmp(path, b->path.data, end) && path[end] == '/')
			break;
		keep--;
	}
	drop_levels(b, keep);
	return 0;
}

int base_tree_find(struct base_entry *out, struct base_tree *b, const char *path,
		   struct cs_err *err)
{
	struct base_entry found = { 0 };
	int rc = go_to_common(b, path, err);

	while (!rc) {
		const struct base_level *level = &b->levels[b->n - 1];
		const char *name = path + level->end + (level->end != 0);
		size_t len = strcspn(name, "/");
		const struct cs_tree_entry *e = lookup(&level->tree, name, len);
		size_t end = (size_t)(name - path) + len;

		if (!e)
			break;
		if (!name[len]) {
			found.mode = e->mode;
			found.oid = e->oid;
			break;
		}
		if (e->mode == CS_MODE_GITLINK)
			found.submodule = end;
		if (e->mode != CS_MODE_TREE)
			break;
		rc = push_level(b, &e->oid, end, err);
		cs_buf_truncate(&b->path, 0);
		cs_buf_add(&b->path, path, rc ? b->levels[b->n - 1].end : end);
	}
	if (!rc)
		*out = found;
	return rc;
}

/* ---- everything below ------------------------------------------------------------------------ */

struct cursor {
	struct cs_tree tree;
	size_t at;
	size_t prefix; /* length of the path of the tree */
};

struct expansion {
	struct cursor *stack;
	size_t n, cap;
};

static int descend(struct expansion *x, const struct cs_repo *repo, const struct cs_oid *oid,
		   size_t prefix, struct cs_err *err)
{
	struct cursor c = { .tree = CS_TREE_INIT, .prefix = prefix };
	int rc;

	if (x->n == DEPTH_MAX)
		return cs_err_set(err, CS_LIMIT, "the base's tree is deeper than %d", DEPTH_MAX);
	rc = cs_repo_read_tree(&c.tree, repo, oid, err);
	if (rc < 0)
		return rc;
	CS_GROW(x->stack, x->n, x->cap);
	x->stack[x->n++] = c;
	return 0;
}

int base_tree_each(const struct cs_repo *repo, const struct cs_oid *tree, const char *prefix,
		   void (*fn)(void *arg, const char *path), void *arg, struct cs_err *err)
{
	struct expansion x = { 0 };
	AUTO_BUF struct cs_buf path = CS_BUF_INIT;
	int rc;

	cs_buf_adds(&path, prefix);
	rc = descend(&x, repo, tree, path.len, err);
	while (x.n && !rc) {
		struct cursor *c = &x.stack[x.n - 1];
		const struct cs_tree_entry *e;

		cs_buf_truncate(&path, c->prefix);
		if (c->at == c->tree.n) {
			cs_tree_release(&c->tree);
			x.n--;
			continue;
		}
		e = &c->tree.entries[c->at++];
		cs_buf_addf(&path, "/%s", e->name);
		if (e->mode == CS_MODE_TREE)
			rc = descend(&x, repo, &e->oid, path.len, err);
		else
			fn(arg, path.data);
	}
	while (x.n)
		cs_tree_release(&x.stack[--x.n].tree);
	free(x.stack);
	return rc;
}
