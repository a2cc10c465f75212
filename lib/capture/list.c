/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer believes nothing that the reader says: each path is checked again here, as if the
 * reader had been taken over by what it read.
 */
#include "list.h"

#include <string.h>
#include "names.h"

static int bad(struct cs_err *err, const char *what)
{
	return cs_err_set(err, CS_CORRUPT, "the reader sent %s", what);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static int add_entry(struct list *l, const struct frame *f, struct cs_err *err)
{
	struct item e = { .type = f->type };

	if (!capture_path_ok(f->path, f->path_len))
		return bad(err, "a path that no tree may hold");
	if (f->type == FRAME_FILE) {
		e.mode = f->flag & FRAME_EXECUTABLE ? CS_MODE_EXEC : CS_MODE_FILE;
		e.size = f->size;
		memcpy(&e.text, f->data, sizeof(e.text));
		if (e.text.crlf > e.size / 2)
			return bad(err, "a file with more line ends than bytes");
		if (l->bytes + e.size < l->bytes)
			return bad(err, "files that are too large");
		l->bytes += e.size;
		l->n_files++;
	}
	if (f->type == FRAME_LINK) {
		e.mode = CS_MODE_LINK;
		if (memchr(f->data, '\0', f->data_len))
			return bad(err, "a link target with a NUL");
		e.target = cs_strndup(f->data, f->data_len);
	}
	e.path = cs_strndup(f->path, f->path_len);
	CS_GROW(l->items, l->n, l->cap);
	l->items[l->n++] = e;
	return 0;
}

static int add_closed(struct list *l, const struct frame *f, struct cs_err *err)
{
	AUTO_FREE char *path = cs_strndup(f->path, f->path_len);

	if (strcmp(path, ".") != 0 && !capture_path_ok(f->path, f->path_len))
		return bad(err, "a path that no tree may hold");
	cs_strv_add(&l->closed, path);
	return 0;
}

static int add_finding(struct list *l, const struct frame *f, struct cs_err *err)
{
	const char *kind = capture_kind_word(f->flag);
	AUTO_FREE char *path = cs_strndup(f->path, f->path_len);
	AUTO_FREE char *detail = cs_strndup(f->data, f->data_len);

	if (!kind)
		return bad(err, "a finding that is none");
	cs_finding_add(&l->findings, kind, path, "%s", detail);
	return 0;
}

/* Copies an object id in hex. */
static bool take_hex(char out[CS_OID_HEX], const char *s, size_t len)
{
	uint8_t bytes[CS_OID_MAX];
	char hex[CS_OID_HEX];

	if (len != 40 && len != 2 * CS_OID_MAX)
		return false;
	memcpy(hex, s, len);
	hex[len] = '\0';
	if (cs_unhex(bytes, len / 2, hex) < 0)
		return false;
	memcpy(out, hex, len + 1);
	return true;
}

static int add_head(struct list *l, const struct frame *f, struct cs_err *err)
{
	if (*l->head || !take_hex(l->head, f->data, f->data_len))
		return bad(err, "a HEAD that is none");
	return 0;
}

static int add_commit(struct list *l, const struct frame *f, struct cs_err *err)
{
	struct cs_agent_commit c = { 0 };

	if (l->n_commits == COMMITS_MAX || !take_hex(c.oid, f->path, f->path_len))
		return bad(err, "a commit that is none");
	c.message = cs_strndup(f->data, f->data_len);
	CS_GROW(l->commits, l->n_commits, l->cap_commits);
	l->commits[l->n_commits++] = c;
	return 0;
}

static int add_end(struct list *l, const struct frame *f, struct cs_err *err)
{
	if (f->size != l->frames)
		return bad(err, "a list of another length than it says");
	l->ended = true;
	return 0;
}

static int (*const adders[FRAME_COUNT])(struct list *, const struct frame *, struct cs_err *) = {
	[FRAME_FILE] = add_entry,    [FRAME_LINK] = add_entry,	    [FRAME_DELETE] = add_entry,
	[FRAME_CLOSED] = add_closed, [FRAME_FINDING] = add_finding, [FRAME_HEAD] = add_head,
	[FRAME_COMMIT] = add_commit, [FRAME_END] = add_end,
};

int list_add(struct list *l, const struct frame *f, struct cs_err *err)
{
	int rc;

	if (l->ended || f->type >= FRAME_COUNT || !adders[f->type])
		return bad(err, "a frame in the wrong place");
	if (f->type != FRAME_FINDING)
		l->path_bytes += f->path_len + (f->type == FRAME_LINK ? f->data_len : 0);
	if (l->path_bytes > LIST_BYTES_MAX)
		return cs_err_set(err, CS_LIMIT, "the change has more than %u bytes of names",
				  LIST_BYTES_MAX);
	if (l->frames > LIST_MAX)
		return cs_err_set(err, CS_LIMIT, "the change has more than %u entries", LIST_MAX);
	rc = adders[f->type](l, f, err);
	l->frames++;
	return rc;
}

/* ---- the whole list -------------------------------------------------------------------------- */

/* Byte order, but with '/' before every other byte: a directory is next to what is in it. */
static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

/* Deletions first where the path is the same. */
static int compare_entries(const void *pa, const void *pb, void *arg)
{
	const struct item *items = arg;
	const struct item *a = &items[*(const size_t *)pa];
	const struct item *b = &items[*(const size_t *)pb];
	int by_path = compare_paths(a->path, b->path);

	return by_path ? by_path : (a->mode != 0) - (b->mode != 0);
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/';
}

int list_check(struct list *l, struct cs_err *err)
{
	const struct item *before = NULL, *upsert = NULL;

	l->sorted = cs_malloc((l->n + 1) * sizeof(*l->sorted));
	for (size_t i = 0; i < l->n; i++)
		l->sorted[i] = i;
	qsort_r(l->sorted, l->n, sizeof(*l->sorted), compare_entries, l->items);
	for (size_t i = 0; i < l->n; i++) {
		const struct item *e = &l->items[l->sorted[i]];

		if (before && !strcmp(before->path, e->path) && !before->mode == !e->mode)
			return bad(err, "a path twice");
		if (upsert && e->mode && is_below(e->path, upsert->path))
			return bad(err, "a path below a file");
		before = e;
		if (e->mode)
			upsert = e;
	}
	return 0;
}

static bool search(const struct list *l, const char *path, bool deletion)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct item *item = &l->items[l->sorted[mid]];
		int cmp = compare_paths(item->path, path);

		/* A deletion stands before a new entry of the same path. */
		if (!cmp)
			cmp = (item->mode != 0) - !deletion;
		if (!cmp)
			return true;
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

bool list_has(const struct list *l, const char *path)
{
	return search(l, path, false);
}

bool list_deletes(const struct list *l, const char *path)
{
	return search(l, path, true);
}

void list_release(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].path);
		free(l->items[i].target);
	}
	for (size_t i = 0; i < l->n_commits; i++)
		free(l->commits[i].message);
	free(l->items);
	free(l->commits);
	free(l->sorted);
	cs_strv_release(&l->closed);
	cs_findings_release(&l->findings);
	*l = (struct list)LIST_INIT;
}
