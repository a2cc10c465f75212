/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing notes: all lines of a call in one tree and one commit on top of the reference's, which
 * is moved by compare-and-swap. Somebody else was first: read again, add again. Killed before the
 * swap, nothing refers to what was written.
 */
#include "notes.h"

#include <string.h>
#include <time.h>

#define TRIES	   100
#define LOCK_TRIES 400 /* more than ten seconds */
#define NS_PER_S   INT64_C(1000000000)

/* What one call wants, and what it is to be built on. */
struct addition {
	struct cs_repo *repo;
	const char *ref;
	const char *name, *email;
	struct cs_oid tip, tree; /* as they were read; len 0: none */
	struct cs_tree_update *updates;
	struct cs_strv paths; /* that updates borrow */
	size_t n, cap;
};

static void addition_clear(struct addition *a)
{
	cs_strv_release(&a->paths);
	free(a->updates);
	a->updates = NULL;
	a->n = a->cap = 0;
}

static int read_tip(struct addition *a, struct cs_err *err)
{
	struct cs_err missing = CS_ERR_INIT;
	int rc = cs_repo_read_ref(&a->tip, a->repo, a->ref, &missing);

	if (rc == CS_NOTFOUND)
		a->tip.len = 0;
	else if (rc < 0)
		return cs_err_set(err, rc, "notes: %s", missing.msg);
	return notes_tree(&a->tree, a->repo, &a->tip, err);
}

/* Adds lines to the note of an object; nothing where they are there already. */
static int add_lines(struct addition *a, const struct cs_oid *object, const struct cs_buf *lines,
		     struct cs_err *err)
{
	AUTO_BUF struct cs_buf old = CS_BUF_INIT;
	AUTO_BUF struct cs_buf new = CS_BUF_INIT;
	char path[NOTES_PATH_MAX];
	struct cs_tree_update *u;
	struct cs_oid blob;
	int rc = notes_of(&old, path, a->repo, &a->tree, object, err);

	if (rc < 0)
		return rc;
	cs_buf_add(&new, lines->data, lines->len);
	lines_sort(&new);
	lines_sort(&old);
	if (lines_within(&new, &old))
		return 0;
	cs_buf_add(&new, old.data, old.len);
	lines_sort(&new);
	if (new.len > NOTES_BYTES_MAX)
		return cs_err_set(err, CS_LIMIT, "notes: one object has more than %d MiB of them",
				  NOTES_BYTES_MAX >> 20);
	rc = cs_repo_write(&blob, a->repo, CS_OBJ_BLOB, new.data, new.len, err);
	if (rc < 0)
		return rc;
	CS_GROW(a->updates, a->n, a->cap);
	u = &a->updates[a->n++];
	cs_strv_add(&a->paths, path);
	*u = (struct cs_tree_update){ a->paths.v[a->paths.n - 1], CS_MODE_FILE, blob };
	return 0;
}

/* The commit on top of the tip (and of another one), and the swap. */
static int commit(struct addition *a, const struct cs_oid *other, struct cs_err *err)
{
	struct cs_oid parents[2], new;
	struct cs_new_commit c = {
		.parents = parents,
		.author_name = a->name,
		.author_email = a->email,
		.committer_name = a->name,
		.committer_email = a->email,
		.time = cs_wall_ns() / NS_PER_S,
		.message = "Notes added by countersign\n",
	};
	const struct cs_ref_update update = { a->ref, &new, &a->tip };
	int rc = cs_repo_update_tree(&c.tree, a->repo, &a->tree, a->updates, a->n, err);

	if (a->tip.len)
		parents[c.n_parents++] = a->tip;
	if (other)
		parents[c.n_parents++] = *other;
	if (rc == 0)
		rc = cs_repo_write_commit(&new, a->repo, &c, err);
	if (rc == 0)
		rc = cs_repo_sync(a->repo, err);
	return rc < 0 ? rc : cs_repo_update_refs(a->repo, &update, 1, err);
}

/* A random moment, longer each time: those who wait must not meet again. */
static void wait_a_moment(int tries)
{
	uint16_t r;
	struct timespec t = { 0 };

	cs_random(&r, sizeof(r));
	t.tv_nsec = 1000000L * (1 + r % (2 + 4 * (tries < 20 ? tries : 20)));
	nanosleep(&t, NULL);
}

/* Then it is to be done again; a lock is waited for until it is sure that nobody holds it. */
static bool somebody_was_first(const struct addition *a, int rc, int tries)
{
	if (rc == CS_BUSY)
		return cs_repo_break_lock(a->repo, a->ref) || tries < LOCK_TRIES;
	return rc == CS_EXISTS && tries < TRIES;
}

/* ---- adding ---- */

static int by_object(const void *va, const void *vb)
{
	const struct cs_note *const *a = va;
	const struct cs_note *const *b = vb;
	const struct cs_oid *x = &(*a)->object;
	const struct cs_oid *y = &(*b)->object;

	/* What lies behind len is nobody's: equal ids must come together. */
	return x->len != y->len ? x->len - y->len : memcmp(x->bytes, y->bytes, x->len);
}

static int add_all(struct addition *a, const struct cs_note *notes, size_t n, struct cs_err *err)
{
	AUTO_FREE const struct cs_note **sorted = cs_calloc(n + 1, sizeof(struct cs_note *));
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		sorted[i] = &notes[i];
	qsort(sorted, n, sizeof(struct cs_note *), by_object);
	for (size_t i = 0; rc == 0 && i < n;) {
		AUTO_BUF struct cs_buf lines = CS_BUF_INIT;
		const struct cs_oid *object = &sorted[i]->object;

		for (; i < n && cs_oid_equal(&sorted[i]->object, object); i++) {
			cs_buf_add(&lines, sorted[i]->line, sorted[i]->len);
			cs_buf_addc(&lines, '\n');
		}
		rc = add_lines(a, object, &lines, err);
	}
	return rc;
}

int cs_notes_add(struct cs_repo *repo, const char *ref, const struct cs_note *notes, size_t n,
		 const char *author_name, const char *author_email, struct cs_err *err)
{
	struct addition a = {
		.repo = repo, .ref = ref, .name = author_name, .email = author_email
	};

	for (int tries = 0;; tries++) {
		int rc = read_tip(&a, err);

		if (rc == 0)
			rc = add_all(&a, notes, n, err);
		if (rc == 0 && a.n)
			rc = commit(&a, NULL, err);
		addition_clear(&a);
		if (!somebody_was_first(&a, rc, tries))
			return rc;
		wait_a_moment(tries);
	}
}

/* ---- uniting two tips ---- */

/* 1: every commit below a is below b; 0; or a negative code. */
static int is_ancestor(const struct cs_repo *repo, const struct cs_oid *a, const struct cs_oid *b,
		       struct cs_err *err)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	char hex_a[CS_OID_HEX], hex_b[CS_OID_HEX];
	const char *const args[] = { "rev-list", "--max-count=1",      cs_oid_hex(hex_a, a),
				     "--not",	 cs_oid_hex(hex_b, b), NULL };
	const struct cs_git_call call = { .git_dir = cs_repo_common_dir(repo), .args = args };
	int rc = cs_git(&out, &call, err);

	return rc < 0 ? rc : out.len == 0;
}

/* The notes of a transition's new side; text owns what they borrow. */
struct others {
	struct cs_note *list;
	struct cs_buf *text;
	size_t n;
};

static int read_other(struct others *o, const struct cs_repo *repo, const struct cs_transition *t,
		      struct cs_err *err)
{
	struct cs_note *note = &o->list[o->n];
	struct cs_buf *text = &o->text[o->n];
	int rc;

	if ((t->after.mode != CS_MODE_FILE && t->after.mode != CS_MODE_EXEC) ||
	    !notes_object(&note->object, t->path))
		return 0;
	*text = (struct cs_buf)CS_BUF_INIT;
	rc = cs_repo_read(text, repo, &t->after.oid, CS_OBJ_BLOB, NOTES_BYTES_MAX, err);
	note->line = text->data;
	note->len = text->len;
	o->n++;
	return rc;
}

static int unite(struct addition *a, const struct cs_oid *other, struct cs_err *err)
{
	struct cs_change change = CS_CHANGE_INIT;
	struct others o = { 0 };
	struct cs_oid tree;
	int rc = notes_tree(&tree, a->repo, other, err);

	if (rc == 0)
		rc = cs_change_between(&change, a->repo, &a->tree, &tree, false, err);
	o.list = cs_calloc(change.n + 1, sizeof(*o.list));
	o.text = cs_calloc(change.n + 1, sizeof(*o.text));
	for (size_t i = 0; rc == 0 && i < change.n; i++)
		rc = read_other(&o, a->repo, &change.list[i], err);
	if (rc == 0)
		rc = add_all(a, o.list, o.n, err);
	for (size_t i = 0; i < o.n; i++)
		cs_buf_release(&o.text[i]);
	free(o.list);
	free(o.text);
	cs_change_release(&change);
	return rc < 0 ? rc : commit(a, other, err);
}

static int merge_once(struct addition *a, const struct cs_oid *other, struct cs_err *err)
{
	const struct cs_ref_update forward = { a->ref, other, &a->tip };
	int rc = read_tip(a, err);

	if (rc < 0)
		return rc;
	if (a->tip.len) {
		rc = is_ancestor(a->repo, other, &a->tip, err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		rc = is_ancestor(a->repo, &a->tip, other, err);
		if (rc == 0)
			return unite(a, other, err);
	}
	return rc < 0 ? rc : cs_repo_update_refs(a->repo, &forward, 1, err);
}

int cs_notes_merge(struct cs_repo *repo, const char *ref, const struct cs_oid *other,
		   const char *author_name, const char *author_email, struct cs_err *err)
{
	struct addition a = {
		.repo = repo, .ref = ref, .name = author_name, .email = author_email
	};
	int rc;

	if (!other->len)
		return 0;
	for (int tries = 0;; tries++) {
		rc = merge_once(&a, other, err);
		addition_clear(&a);
		if (!somebody_was_first(&a, rc, tries))
			return rc;
		wait_a_moment(tries);
	}
}
