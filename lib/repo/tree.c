/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees: "<octal mode> <name>\0<20 bytes>" after each other (git's fsck.c states the rules).
 * Parsed here and strictly, because libgit2 accepts unsorted and double entries, and then two
 * readers of one tree see different files. Everything that a walk relies on is checked once, here:
 * strict order, each name once, no name that means a place, a known type.
 */
#include "internal.h"

#include <string.h>
#include <sys/stat.h>

#define ID_LEN	       20
#define TREE_MAX_BYTES (1u << 30)

int cs_tree_order(const char *a, uint32_t a_mode, const char *b, uint32_t b_mode)
{
	size_t i = 0;
	int ca;
	int cb;

	while (a[i] && a[i] == b[i])
		i++;
	ca = (unsigned char)a[i];
	cb = (unsigned char)b[i];
	if (!ca && S_ISDIR(a_mode))
		ca = '/';
	if (!cb && S_ISDIR(b_mode))
		cb = '/';
	return ca - cb;
}

/* git would take any other type for a submodule. */
static bool is_known_type(uint32_t mode)
{
	const uint32_t type = mode & S_IFMT;

	return type == S_IFREG || type == S_IFLNK || type == CS_MODE_TREE ||
	       type == CS_MODE_GITLINK;
}

/* Octal digits and one blank. */
static bool parse_mode(uint32_t *out, const char **p, const char *end)
{
	const uint32_t max = 0177777;
	const char *s = *p;
	uint32_t mode = 0;

	for (; s < end && *s >= '0' && *s <= '7' && mode <= max; s++)
		mode = mode << 3 | (uint32_t)(*s - '0');
	if (s == *p || s == end || *s != ' ' || mode > max || !is_known_type(mode))
		return false;
	*out = mode;
	*p = s + 1;
	return true;
}

static bool is_good_name(const char *name)
{
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/');
}

static bool parse_entry(struct cs_tree_entry *e, const char **p, const char *end)
{
	const char *nul;

	if (!parse_mode(&e->mode, p, end))
		return false;
	nul = memchr(*p, '\0', (size_t)(end - *p));
	if (!nul || end - nul < 1 + ID_LEN)
		return false;
	e->name = *p;
	e->oid = (struct cs_oid){ .len = ID_LEN };
	memcpy(e->oid.bytes, nul + 1, ID_LEN);
	*p = nul + 1 + ID_LEN;
	return is_good_name(e->name);
}

/* The entry of this name that sorts as one of this mode does; NULL. */
static const struct cs_tree_entry *search(const struct cs_tree *t, const char *name, uint32_t mode)
{
	size_t low = 0;
	size_t high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct cs_tree_entry *e = &t->entries[mid];
		int order = cs_tree_order(name, mode, e->name, e->mode);

		if (!order)
			return e;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/*
 * "a" and, further on, the tree "a": in order, yet the same name twice. What stands between the two
 * begins with that name, so looking back over such entries is enough (and takes time linear in the
 * bytes of the tree, however it is made).
 */
static bool has_twin(const struct cs_tree *t, size_t i)
{
	const char *name = t->entries[i].name;
	const size_t len = strlen(name);

	if (!S_ISDIR(t->entries[i].mode))
		return false;
	while (i-- > 0 && !strncmp(t->entries[i].name, name, len))
		if (!t->entries[i].name[len])
			return true;
	return false;
}

int cs_tree_parse(struct cs_tree *out, char *raw, size_t len, struct cs_err *err)
{
	AUTO_TREE struct cs_tree t = { .storage = raw };
	const char *p = raw;
	const char *end = raw + len;
	size_t cap = 0;

	while (p < end) {
		struct cs_tree_entry *e;

		CS_GROW(t.entries, t.n, cap);
		e = &t.entries[t.n];
		if (!parse_entry(e, &p, end))
			return cs_err_set(err, CS_CORRUPT, "tree: entry %zu is malformed", t.n + 1);
		if (t.n && cs_tree_order(e[-1].name, e[-1].mode, e->name, e->mode) >= 0)
			return cs_err_set(err, CS_CORRUPT, "tree: entry %zu is out of order",
					  t.n + 1);
		t.n++;
		if (has_twin(&t, t.n - 1))
			return cs_err_set(err, CS_CORRUPT, "tree: entry %zu stands in it twice",
					  t.n);
	}
	*out = t;
	t = (struct cs_tree)CS_TREE_INIT;
	return 0;
}

int cs_repo_read_tree(struct cs_tree *out, const struct cs_repo *repo, const struct cs_oid *oid,
		      struct cs_err *err)
{
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	char hex[CS_OID_HEX];
	size_t len;
	int rc;

	if (!oid->len) {
		*out = (struct cs_tree)CS_TREE_INIT;
		return 0;
	}
	rc = cs_repo_read(&raw, repo, oid, CS_OBJ_TREE, TREE_MAX_BYTES, err);
	if (rc < 0)
		return rc;
	len = raw.len;
	rc = cs_tree_parse(out, cs_buf_take(&raw), len, err);
	return rc < 0 ? cs_err_wrap(err, "%s", cs_oid_hex(hex, oid)) : 0;
}

void cs_tree_release(struct cs_tree *t)
{
	free(t->entries);
	free(t->storage);
	*t = (struct cs_tree)CS_TREE_INIT;
}

const struct cs_tree_entry *cs_tree_find(const struct cs_tree *t, const char *name)
{
	const struct cs_tree_entry *e = search(t, name, CS_MODE_FILE);

	return e ? e : search(t, name, CS_MODE_TREE);
}

/* One step down: 0 found, 1 no such entry, below 0 a failure. */
static int step(uint32_t *mode, struct cs_oid *oid, const struct cs_repo *repo, const char *name,
		struct cs_err *err)
{
	AUTO_TREE struct cs_tree t = CS_TREE_INIT;
	const struct cs_tree_entry *e;
	int rc;

	if (!S_ISDIR(*mode))
		return 1;
	rc = cs_repo_read_tree(&t, repo, oid, err);
	if (rc == CS_NOTFOUND && err)
		err->code = CS_CORRUPT;
	/* A tree that is missing is not a tree without the entry. */
	if (rc < 0)
		return rc == CS_NOTFOUND ? CS_CORRUPT : rc;
	e = cs_tree_find(&t, name);
	if (!e)
		return 1;
	*mode = e->mode;
	*oid = e->oid;
	return 0;
}

int cs_repo_tree_lookup(uint32_t *mode, struct cs_oid *oid, const struct cs_repo *repo,
			const struct cs_oid *tree, const char *path, struct cs_err *err)
{
	AUTO_FREE char *escaped = cs_escape_line(path);
	AUTO_FREE char *copy = cs_strdup(path);
	uint32_t at_mode = CS_MODE_TREE;
	struct cs_oid at = *tree;
	char *rest = copy;
	char *name;
	int rc = 0;

	while (rc == 0 && (name = strsep(&rest, "/")))
		rc = step(&at_mode, &at, repo, name, err);
	if (rc > 0)
		return cs_err_set(err, CS_NOTFOUND, "no '%s' in the tree", escaped);
	if (rc < 0)
		return rc;
	*mode = at_mode;
	*oid = at;
	return 0;
}
