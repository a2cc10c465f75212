/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading notes (git-notes(1)): a commit whose tree has a blob for each annotated object, named by
 * the object's id, with a slash behind some of its first pairs of digits. The depth may differ
 * from note to note, and one object may stand at several depths in a tree that somebody made by
 * hand: what it has is the union.
 *
 * A notes tree is foreign. A note can only add statements, each of which stands by its own
 * signature; whatever is no note is passed over, and what cannot be read is an error.
 */
#include "notes.h"

#include <openssl/sha.h>
#include <string.h>

/* Slashes behind the first pair, the first two pairs, or none; the first is where new ones go. */
static const int depths[] = { 1, 2, 0 };

static void note_path(char out[NOTES_PATH_MAX], const char *hex, int depth)
{
	for (; *hex; hex += 2) {
		*out++ = hex[0];
		*out++ = hex[1];
		if (depth-- > 0)
			*out++ = '/';
	}
	*out = '\0';
}

bool notes_object(struct cs_oid *object, const char *path)
{
	char hex[CS_OID_HEX] = "";
	size_t n = 0;

	for (; *path; path++) {
		if (*path == '/' && n && n % 2 == 0)
			continue;
		if (*path == '/' || n + 1 == sizeof(hex))
			return false;
		hex[n++] = *path;
		hex[n] = '\0';
	}
	return cs_oid_parse(object, hex) == 0;
}

int notes_tree(struct cs_oid *tree, const struct cs_repo *repo, const struct cs_oid *commit,
	       struct cs_err *err)
{
	struct cs_commit c = { 0 };
	int rc;

	tree->len = 0;
	if (!commit->len)
		return 0;
	rc = cs_repo_read_commit(&c, repo, commit, err);
	if (rc == 0)
		*tree = c.tree;
	cs_commit_release(&c);
	return rc < 0 ? cs_err_wrap(err, "notes") : 0;
}

static int add_blob(struct cs_buf *lines, const struct cs_repo *repo, const struct cs_oid *blob,
		    struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc = cs_repo_read(&text, repo, blob, CS_OBJ_BLOB, NOTES_BYTES_MAX, err);

	if (rc < 0)
		return cs_err_wrap(err, "notes");
	cs_buf_add(lines, text.data, text.len);
	if (text.len && text.data[text.len - 1] != '\n')
		cs_buf_addc(lines, '\n');
	return 0;
}

int notes_of(struct cs_buf *lines, char path[NOTES_PATH_MAX], const struct cs_repo *repo,
	     const struct cs_oid *tree, const struct cs_oid *object, struct cs_err *err)
{
	char hex[CS_OID_HEX];
	bool found = false;

	cs_oid_hex(hex, object);
	for (size_t i = 0; tree->len && i < CS_COUNT(depths); i++) {
		struct cs_err missing = CS_ERR_INIT;
		char at[NOTES_PATH_MAX];
		struct cs_oid blob;
		uint32_t mode;
		int rc;

		note_path(at, hex, depths[i]);
		rc = cs_repo_tree_lookup(&mode, &blob, repo, tree, at, &missing);
		if (rc == CS_NOTFOUND)
			continue;
		if (rc < 0)
			return cs_err_set(err, rc, "notes: %s", missing.msg);
		if (mode != CS_MODE_FILE && mode != CS_MODE_EXEC)
			continue;
		rc = add_blob(lines, repo, &blob, err);
		if (rc < 0)
			return rc;
		if (!found)
			memcpy(path, at, sizeof(at));
		found = true;
	}
	if (!found)
		note_path(path, hex, depths[0]);
	return 0;
}

int cs_notes_read(struct cs_buf *out, const struct cs_repo *repo, const struct cs_oid *notes_commit,
		  const struct cs_oid *object, struct cs_err *err)
{
	char path[NOTES_PATH_MAX];
	struct cs_oid tree;
	int rc = notes_tree(&tree, repo, notes_commit, err);

	return rc < 0 ? rc : notes_of(out, path, repo, &tree, object, err);
}

/* ---- all of them ---- */

struct walk {
	const struct cs_repo *repo;
	int (*fn)(void *arg, const struct cs_oid *object, const char *lines, size_t len);
	void *arg;
	struct cs_err *err;
};

static int walk_tree(const struct walk *w, const struct cs_oid *oid, const char *prefix);

static int walk_entry(const struct walk *w, const struct cs_tree_entry *e, const char *prefix)
{
	AUTO_BUF struct cs_buf lines = CS_BUF_INIT;
	AUTO_FREE char *path = cs_asprintf("%s%s", prefix, e->name);
	struct cs_oid object;
	int rc;

	if (e->mode == CS_MODE_TREE) {
		AUTO_FREE char *below = cs_asprintf("%s/", path);

		/* git makes directories of two digits only */
		return strlen(e->name) == 2 && strlen(below) < NOTES_PATH_MAX
			       ? walk_tree(w, &e->oid, below)
			       : 0;
	}
	if (e->mode == CS_MODE_GITLINK || e->mode == CS_MODE_LINK || !notes_object(&object, path))
		return 0;
	rc = add_blob(&lines, w->repo, &e->oid, w->err);
	return rc < 0 ? rc : w->fn(w->arg, &object, lines.data, lines.len);
}

static int walk_tree(const struct walk *w, const struct cs_oid *oid, const char *prefix)
{
	struct cs_tree tree = CS_TREE_INIT;
	int rc = cs_repo_read_tree(&tree, w->repo, oid, w->err);

	for (size_t i = 0; rc == 0 && i < tree.n; i++)
		rc = walk_entry(w, &tree.entries[i], prefix);
	cs_tree_release(&tree);
	return rc;
}

int cs_notes_each(const struct cs_repo *repo, const struct cs_oid *notes_commit,
		  int (*fn)(void *arg, const struct cs_oid *object, const char *lines, size_t len),
		  void *arg, struct cs_err *err)
{
	const struct walk w = { repo, fn, arg, err };
	struct cs_oid tree;
	int rc = notes_tree(&tree, repo, notes_commit, err);

	return rc < 0 || !tree.len ? rc : walk_tree(&w, &tree, "");
}

/* ---- nothing lost ---- */

static int check_kept(const struct cs_repo *repo, const struct cs_oid *newer_tree,
		      const struct cs_transition *t, struct cs_err *err)
{
	AUTO_BUF struct cs_buf before = CS_BUF_INIT;
	AUTO_BUF struct cs_buf after = CS_BUF_INIT;
	char path[NOTES_PATH_MAX], hex[CS_OID_HEX];
	struct cs_oid object;
	int rc;

	if ((t->before.mode != CS_MODE_FILE && t->before.mode != CS_MODE_EXEC) ||
	    !notes_object(&object, t->path))
		return 0;
	rc = add_blob(&before, repo, &t->before.oid, err);
	if (rc == 0)
		rc = notes_of(&after, path, repo, newer_tree, &object, err);
	if (rc < 0)
		return rc;
	lines_sort(&before);
	lines_sort(&after);
	if (lines_within(&before, &after))
		return 0;
	return cs_err_set(err, CS_REFUSED, "the notes of %.12s lose a line",
			  cs_oid_hex(hex, &object));
}

int cs_notes_lossless(const struct cs_repo *repo, const struct cs_oid *older,
		      const struct cs_oid *newer, struct cs_err *err)
{
	struct cs_change change = CS_CHANGE_INIT;
	struct cs_oid before, after;
	int rc = notes_tree(&before, repo, older, err);

	if (rc == 0)
		rc = notes_tree(&after, repo, newer, err);
	if (rc == 0)
		rc = cs_change_between(&change, repo, &before, &after, false, err);
	for (size_t i = 0; rc == 0 && i < change.n; i++)
		rc = check_kept(repo, &after, &change.list[i], err);
	cs_change_release(&change);
	return rc;
}

/* ---- anchors ---- */

static int anchor(struct cs_oid *out, struct cs_repo *repo, const char *what, const char *id,
		  struct cs_err *err)
{
	AUTO_FREE char *text = cs_asprintf("countersign %s %s\n", what, id);
	AUTO_BUF struct cs_buf object = CS_BUF_INIT;

	if (repo)
		return cs_repo_write(out, repo, CS_OBJ_BLOB, text, strlen(text), err);
	cs_buf_addf(&object, "blob %zu", strlen(text));
	cs_buf_addc(&object, '\0');
	cs_buf_adds(&object, text);
	out->len = SHA_DIGEST_LENGTH;
	SHA1((const unsigned char *)object.data, object.len, out->bytes);
	return 0;
}

int cs_anchor_change(struct cs_oid *out, struct cs_repo *repo, const char *change_digest,
		     struct cs_err *err)
{
	return anchor(out, repo, "change", change_digest, err);
}

int cs_anchor_run(struct cs_oid *out, struct cs_repo *repo, const char *run_id, struct cs_err *err)
{
	return anchor(out, repo, "run", run_id, err);
}
