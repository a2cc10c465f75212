/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's commits, as text. They are information only: what is reviewed is the tree.
 *
 * This runs in a confined child of its own, because it hands the agent's object store (loose
 * objects, packs, deltas: all of it hostile) to libgit2. When that crashes, hangs or runs out of
 * memory the capture goes on without a list. Objects that are not in the agent's own store are
 * the host's history, which cannot be opened from here: the walk ends there, and at the base.
 */
#include "reader.h"

#include <git2.h>
#include <git2/odb_backend.h>
#include <stdio.h>
#include <string.h>

#define OBJECT_MAX  (1u << 20) /* bytes of a commit object */
#define PARENTS_MAX 16	       /* followed; an octopus of more is told by its first ones */

struct commit {
	git_oid id;
	git_oid parents[PARENTS_MAX];
	size_t n_parents;
	char *message;
	bool entered;
};

struct history {
	git_odb *odb;
	struct commit *list; /* in the order they were met, from HEAD */
	size_t n, cap;
	bool broken, more;
};

static struct commit *find(struct history *h, const git_oid *id)
{
	for (size_t i = 0; i < h->n; i++) {
		if (git_oid_equal(&h->list[i].id, id))
			return &h->list[i];
	}
	return NULL;
}

/* A header line "name <id>\n" at *p: moves *p behind it. */
static bool header_id(git_oid *out, const char **p, const char *end, const char *name)
{
	size_t len = strlen(name);

	if ((size_t)(end - *p) < len + 1 + GIT_OID_HEXSZ + 1 || memcmp(*p, name, len) != 0 ||
	    (*p)[len] != ' ' || (*p)[len + 1 + GIT_OID_HEXSZ] != '\n' ||
	    git_oid_fromstrn(out, *p + len + 1, GIT_OID_HEXSZ) < 0)
		return false;
	*p += len + 1 + GIT_OID_HEXSZ + 1;
	return true;
}

static bool parse(struct commit *c, git_oid *tree, const char *data, size_t len)
{
	const char *p = data, *end = data + len;
	const char *body = memmem(data, len, "\n\n", 2);
	git_oid parent;

	if (!header_id(tree, &p, end, "tree"))
		return false;
	while (header_id(&parent, &p, end, "parent")) {
		if (c->n_parents < PARENTS_MAX)
			c->parents[c->n_parents++] = parent;
	}
	body = body ? body + 2 : end;
	len = (size_t)(end - body);
	c->message = cs_strndup(body,
				strnlen(body, len < COMMIT_MESSAGE_MAX ? len : COMMIT_MESSAGE_MAX));
	return true;
}

/* 1: read; 0: not the agent's; -1: broken. */
static int read_commit(struct commit *c, git_oid *tree, git_odb *odb, const git_oid *id)
{
	git_odb_object *object;
	git_object_t type;
	size_t len;
	bool ok;
	int rc = git_odb_read_header(&len, &type, odb, id);

	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc < 0 || type != GIT_OBJECT_COMMIT || len > OBJECT_MAX ||
	    git_odb_read(&object, odb, id) < 0)
		return -1;
	*c = (struct commit){ .id = *id };
	ok = parse(c, tree, git_odb_object_data(object), git_odb_object_size(object));
	git_odb_object_free(object);
	return ok ? 1 : -1;
}

static void meet(struct history *h, const git_oid *id, const git_oid *base,
		 const git_oid *base_tree)
{
	struct commit c;
	git_oid tree;
	int found;

	if (git_oid_equal(id, base) || find(h, id))
		return;
	if (h->n == COMMITS_MAX) {
		h->more = true;
		return;
	}
	found = read_commit(&c, &tree, h->odb, id);
	h->broken |= found < 0;
	if (found < 1)
		return;
	/* A store without the host's history begins with a copy of the base, without parents. */
	if (!c.n_parents && git_oid_equal(&tree, base_tree)) {
		free(c.message);
		return;
	}
	CS_GROW(h->list, h->n, h->cap);
	h->list[h->n++] = c;
}

static int send_commit(struct reader *r, const struct commit *c, struct cs_err *err)
{
	char hex[GIT_OID_HEXSZ + 1];
	struct frame f = {
		.type = FRAME_COMMIT,
		.path = git_oid_tostr(hex, sizeof(hex), &c->id),
		.path_len = GIT_OID_HEXSZ,
		.data = c->message,
		.data_len = strlen(c->message),
	};

	return reader_send(r, &f, err);
}

/* The first parent that is listed and was not entered yet. */
static struct commit *next_parent(struct history *h, const struct commit *c)
{
	for (size_t i = 0; i < c->n_parents; i++) {
		struct commit *parent = find(h, &c->parents[i]);

		if (parent && !parent->entered)
			return parent;
	}
	return NULL;
}

/* Parents before children: oldest first. */
static int send_all(struct history *h, struct reader *r, struct cs_err *err)
{
	struct commit *path[COMMITS_MAX];
	size_t depth = 0;
	int rc = 0;

	if (!h->n)
		return 0;
	path[depth++] = &h->list[0];
	h->list[0].entered = true;
	while (depth && !rc) {
		struct commit *parent = next_parent(h, path[depth - 1]);

		if (parent) {
			parent->entered = true;
			path[depth++] = parent;
		} else {
			rc = send_commit(r, path[--depth], err);
		}
	}
	return rc;
}

static int tell(const struct history *h, struct reader *r, struct cs_err *err)
{
	int rc = 0;

	if (h->broken)
		rc = reader_finding(r, KIND_AGENT_COMMITS, ".git", err,
				    "a commit is broken: the list may be incomplete");
	else if (!h->n)
		rc = reader_finding(r, KIND_AGENT_COMMITS, ".git", err,
				    "HEAD is not the base, and no commit of the run");
	if (!rc && h->more)
		rc = reader_finding(r, KIND_AGENT_COMMITS, ".git", err,
				    "more than %d commits: only the newest are listed",
				    COMMITS_MAX);
	return rc;
}

/* Loose objects and packs of the agent's store, and none of the alternates that it names. */
static int open_store(git_odb **out, int objects_fd)
{
	git_odb_backend *loose, *packs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", objects_fd);
	/* The store is not ours: what it says an object is must be checked. */
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	if (git_odb_new(out) < 0 || git_odb_backend_loose(&loose, path, -1, 0, 0, 0) < 0 ||
	    git_odb_add_backend(*out, loose, 1) < 0)
		return -1;
	/* A store without packs is fine. */
	if (!git_odb_backend_pack(&packs, path) && git_odb_add_backend(*out, packs, 2) < 0)
		return -1;
	return 0;
}

static int read_history(struct history *h, struct reader *r, int objects_fd)
{
	git_oid head, base, base_tree;

	if (objects_fd < 0 || git_oid_fromstr(&head, r->head) < 0 ||
	    git_oid_fromstr(&base, r->base) < 0 || git_oid_fromstr(&base_tree, r->base_tree) < 0 ||
	    open_store(&h->odb, objects_fd) < 0)
		return -1;
	meet(h, &head, &base, &base_tree);
	for (size_t i = 0; i < h->n; i++) {
		/* h->list moves when it grows */
		for (size_t k = 0; k < h->list[i].n_parents; k++) {
			git_oid parent = h->list[i].parents[k];

			meet(h, &parent, &base, &base_tree);
		}
	}
	return 0;
}

int reader_commits(struct reader *r, struct cs_err *err)
{
	AUTO_FD int objects_fd = cs_opendir_beneath(r->layer_fd, ".git/objects");
	struct history h = { 0 };
	int rc;

	if (read_history(&h, r, objects_fd) < 0)
		return cs_err_set(err, CS_CORRUPT, "the object store cannot be opened");
	rc = send_all(&h, r, err);
	if (!rc)
		rc = tell(&h, r, err);
	for (size_t i = 0; i < h.n; i++)
		free(h.list[i].message);
	free(h.list);
	git_odb_free(h.odb);
	return rc < 0 ? rc : reader_end(r, err);
}
