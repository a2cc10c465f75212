/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree from another one and a list of changed paths. Only the directories on the way to a
 * changed path are read, and each is written once; the cost does not grow with the tree.
 *
 * The updates are sorted so that all that concern one name, exactly or below it, stand together.
 * For each name removals count before upserts, so a file can become a directory and a directory a
 * file in one call, whatever the order of the caller's list. The shape of paths is checked here
 * (no empty component, no "." or ".."); which names are dangerous to check out is the caller's
 * business.
 */
#include "internal.h"

#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 1024

/* The updates that concern one directory: sorted, their paths equal in the first `skip` bytes. */
struct range {
	const struct cs_tree_update *list;
	size_t n;
	size_t skip;
	bool replaced; /* the directory was removed as a whole: removals below it are done */
};

/* What concerns one name in it. */
struct group {
	char *name;
	const struct cs_tree_update *removal;
	const struct cs_tree_update *upsert;
	struct range below;
};

struct directory {
	struct cs_tree base;
	struct cs_tree_entry *entries; /* the new ones; mode 0: gone */
	size_t n;
	struct cs_strv names; /* that the entries borrow, beside base's */
};

static int update_directory(struct cs_oid *out, struct cs_repo *repo, const struct cs_oid *base,
			    const struct range *updates, struct cs_err *err);

static int refuse(struct cs_err *err, enum cs_code code, const char *what, const char *path)
{
	AUTO_FREE char *escaped = cs_escape_line(path);

	return cs_err_set(err, code, "update tree: %s: '%s'", what, escaped);
}

static void directory_release(struct directory *d)
{
	cs_tree_release(&d->base);
	free(d->entries);
	cs_strv_release(&d->names);
}

/* ---- sorting and grouping ---- */

/* '/' below all other bytes: "a" and what is below it come before "a-b". */
static int order(const void *va, const void *vb)
{
	const struct cs_tree_update *a = va;
	const struct cs_tree_update *b = vb;
	const char *p = a->path;
	const char *q = b->path;
	int cp;
	int cq;

	while (*p && *p == *q) {
		p++;
		q++;
	}
	cp = *p == '/' ? 1 : *p ? 1 + (unsigned char)*p : 0;
	cq = *q == '/' ? 1 : *q ? 1 + (unsigned char)*q : 0;
	return cp - cq;
}

static int check_path(const struct cs_tree_update *u, struct cs_err *err)
{
	AUTO_FREE char *copy = cs_strdup(u->path);
	char *rest = copy;
	char *name;
	int depth = 0;

	while ((name = strsep(&rest, "/")))
		if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || ++depth > DEPTH_MAX)
			return refuse(err, CS_USAGE, "not a path in a tree", u->path);
	return 0;
}

static int check_object(const struct cs_repo *repo, const struct cs_tree_update *u,
			struct cs_err *err)
{
	static const struct {
		uint32_t mode;
		enum cs_object_type type;
	} modes[] = {
		{ CS_MODE_FILE, CS_OBJ_BLOB },
		{ CS_MODE_EXEC, CS_OBJ_BLOB },
		{ CS_MODE_LINK, CS_OBJ_BLOB },
		{ CS_MODE_TREE, CS_OBJ_TREE },
	};
	enum cs_object_type found;
	uint64_t size;
	int rc;

	if (u->mode == CS_MODE_NONE || (u->mode == CS_MODE_GITLINK && u->oid.len))
		return 0;
	for (size_t i = 0; i < CS_COUNT(modes); i++) {
		if (modes[i].mode != u->mode)
			continue;
		rc = cs_repo_object_info(&found, &size, repo, &u->oid, err);
		if (rc < 0)
			return cs_err_wrap(err, "update tree");
		if (found != modes[i].type)
			return refuse(err, CS_USAGE, "an object of another type for", u->path);
		return 0;
	}
	return refuse(err, CS_USAGE, "not a mode that git writes, for", u->path);
}

/* The group at the start of the range, which it is taken from. */
static int next_group(struct group *g, struct range *r, struct cs_err *err)
{
	const char *first = r->list[0].path + r->skip;
	const size_t len = strcspn(first, "/");
	size_t n = 0;

	*g = (struct group){ .name = cs_strndup(first, len) };
	for (; n < r->n && !strcmp(r->list[n].path + r->skip, g->name); n++) {
		const struct cs_tree_update *u = &r->list[n];
		const struct cs_tree_update **slot = u->mode ? &g->upsert : &g->removal;

		if (*slot)
			return refuse(err, CS_USAGE, "twice in the list", u->path);
		*slot = u;
	}
	g->below.list = r->list + n;
	g->below.skip = r->skip + len + 1;
	for (; n < r->n; n++) {
		const char *path = r->list[n].path + r->skip;

		if (strncmp(path, g->name, len) != 0 || path[len] != '/')
			break;
		g->below.n++;
	}
	r->list += n;
	r->n -= n;
	return 0;
}

/* ---- applying ---- */

/* NOLINTBEGIN(misc-no-recursion): one call a level, and check_path() bounds the levels. */

static int remove_entry(struct cs_tree_entry *e, const struct group *g, const struct range *r,
			struct cs_err *err)
{
	if (!g->removal || r->replaced)
		return 0;
	if (!e->mode)
		return refuse(err, CS_NOTFOUND, "nothing to remove at", g->removal->path);
	e->mode = CS_MODE_NONE;
	return 0;
}

static int update_below(struct cs_tree_entry *e, struct cs_repo *repo, const struct range *below,
			struct cs_err *err)
{
	const struct cs_oid none = { 0 };
	struct cs_oid oid;
	int rc;

	if (!below->n)
		return 0;
	if (e->mode && !S_ISDIR(e->mode))
		return refuse(err, CS_USAGE, "a file is in the way of", below->list[0].path);
	rc = update_directory(&oid, repo, e->mode ? &e->oid : &none, below, err);
	if (rc < 0)
		return rc;
	e->mode = oid.len ? CS_MODE_TREE : CS_MODE_NONE;
	e->oid = oid;
	return 0;
}

static int put_entry(struct cs_tree_entry *e, const struct group *g, struct cs_err *err)
{
	const struct cs_tree_update *u = g->upsert;

	if (!u)
		return 0;
	if (S_ISDIR(e->mode) && (u->mode != CS_MODE_TREE || g->below.n))
		return refuse(err, CS_USAGE, "a directory is in the way of", u->path);
	e->mode = u->mode;
	e->oid = u->oid;
	return 0;
}

static int apply_group(struct directory *d, struct cs_repo *repo, struct group *g,
		       const struct range *r, struct cs_err *err)
{
	const struct cs_tree_entry *found = cs_tree_find(&d->base, g->name);
	struct cs_tree_entry *e;
	int rc;

	if (found) {
		e = &d->entries[found - d->base.entries];
	} else {
		e = &d->entries[d->n++];
		*e = (struct cs_tree_entry){ .mode = CS_MODE_NONE };
		cs_strv_add(&d->names, g->name);
		e->name = d->names.v[d->names.n - 1];
	}
	g->below.replaced = r->replaced || g->removal;
	rc = remove_entry(e, g, r, err);
	if (rc == 0)
		rc = update_below(e, repo, &g->below, err);
	if (rc == 0)
		rc = put_entry(e, g, err);
	return rc;
}

static int entry_order(const void *va, const void *vb)
{
	const struct cs_tree_entry *a = va;
	const struct cs_tree_entry *b = vb;

	return cs_tree_order(a->name, a->mode, b->name, b->mode);
}

/* Writes the directory; no object when nothing is left in it. */
static int write_directory(struct cs_oid *out, struct cs_repo *repo, struct directory *d,
			   struct cs_err *err)
{
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;

	if (d->n)
		qsort(d->entries, d->n, sizeof(*d->entries), entry_order);
	for (size_t i = 0; i < d->n; i++) {
		const struct cs_tree_entry *e = &d->entries[i];

		if (!e->mode)
			continue;
		cs_buf_addf(&raw, "%o %s", e->mode, e->name);
		cs_buf_addc(&raw, '\0');
		cs_buf_add(&raw, e->oid.bytes, e->oid.len);
	}
	*out = (struct cs_oid){ 0 };
	return raw.len ? cs_repo_write(out, repo, CS_OBJ_TREE, raw.data, raw.len, err) : 0;
}

static int update_directory(struct cs_oid *out, struct cs_repo *repo, const struct cs_oid *base,
			    const struct range *updates, struct cs_err *err)
{
	__attribute__((cleanup(directory_release))) struct directory d = { 0 };
	struct range rest = *updates;
	int rc = cs_repo_read_tree(&d.base, repo, base, err);

	if (rc < 0)
		return rc;
	d.n = d.base.n;
	d.entries = cs_calloc(d.n + updates->n, sizeof(*d.entries));
	if (d.n)
		memcpy(d.entries, d.base.entries, d.n * sizeof(*d.entries));
	while (rc == 0 && rest.n) {
		struct group g;

		rc = next_group(&g, &rest, err);
		if (rc == 0)
			rc = apply_group(&d, repo, &g, updates, err);
		free(g.name);
	}
	return rc < 0 ? rc : write_directory(out, repo, &d, err);
}

/* NOLINTEND(misc-no-recursion) */

int cs_repo_update_tree(struct cs_oid *out, struct cs_repo *repo, const struct cs_oid *base,
			const struct cs_tree_update *updates, size_t n, struct cs_err *err)
{
	AUTO_FREE struct cs_tree_update *sorted = cs_calloc(n + 1, sizeof(*sorted));
	struct range all = { .list = sorted, .n = n };
	struct cs_oid tree;
	int rc = cs_check_writable(repo, err);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		sorted[i] = updates[i];
		rc = check_path(&updates[i], err);
		if (rc == 0)
			rc = check_object(repo, &updates[i], err);
	}
	if (rc < 0)
		return rc;
	qsort(sorted, n, sizeof(*sorted), order);
	rc = update_directory(&tree, repo, base, &all, err);
	if (rc == 0 && !tree.len)
		rc = cs_repo_write(&tree, repo, CS_OBJ_TREE, "", 0, err);
	if (rc == 0)
		*out = tree;
	return rc;
}
