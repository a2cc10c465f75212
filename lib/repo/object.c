/* SPDX-License-Identifier: Apache-2.0 */
/* Reading objects: by id, with limits, without ever holding a large blob in memory. */
#include "internal.h"

#include <errno.h>
#include <string.h>

/* Blobs up to this size are hashed in memory; larger ones come through a pipe. */
#define HASH_IN_MEMORY_MAX (8u << 20)
#define COMMIT_MAX_BYTES   (16u << 20)

static const struct {
	enum cs_object_type ours;
	git_object_t git;
	const char *name;
} types[] = {
	{ CS_OBJ_COMMIT, GIT_OBJECT_COMMIT, "commit" },
	{ CS_OBJ_TREE, GIT_OBJECT_TREE, "tree" },
	{ CS_OBJ_BLOB, GIT_OBJECT_BLOB, "blob" },
	{ CS_OBJ_TAG, GIT_OBJECT_TAG, "tag" },
};

static enum cs_object_type type_from_git(git_object_t type)
{
	for (size_t i = 0; i < CS_COUNT(types); i++)
		if (types[i].git == type)
			return types[i].ours;
	return CS_OBJ_NONE;
}

int cs_type_to_git(enum cs_object_type type)
{
	for (size_t i = 0; i < CS_COUNT(types); i++)
		if (types[i].ours == type)
			return types[i].git;
	return GIT_OBJECT_INVALID;
}

const char *cs_type_name(enum cs_object_type type)
{
	for (size_t i = 0; i < CS_COUNT(types); i++)
		if (types[i].ours == type)
			return types[i].name;
	return "object";
}

int cs_repo_object_info(enum cs_object_type *type, uint64_t *size, const struct cs_repo *repo,
			const struct cs_oid *oid, struct cs_err *err)
{
	char hex[CS_OID_HEX];
	git_object_t t;
	size_t len;
	git_oid id;
	int rc = cs_to_git_oid(&id, oid, err);

	if (rc < 0)
		return rc;
	rc = git_odb_read_header(&len, &t, repo->odb, &id);
	if (rc < 0)
		return cs_err_git(err, rc, "object %s", cs_oid_hex(hex, oid));
	*type = type_from_git(t);
	*size = len;
	return 0;
}

int cs_repo_read(struct cs_buf *out, const struct cs_repo *repo, const struct cs_oid *oid,
		 enum cs_object_type type, uint64_t max, struct cs_err *err)
{
	AUTO_OBJECT git_odb_object *object = NULL;
	enum cs_object_type found = CS_OBJ_NONE;
	char hex[CS_OID_HEX];
	uint64_t size = 0;
	git_oid id;
	int rc = cs_repo_object_info(&found, &size, repo, oid, err);

	if (rc == 0)
		rc = cs_to_git_oid(&id, oid, err);
	if (rc < 0)
		return rc;
	cs_oid_hex(hex, oid);
	if (found != type)
		return cs_err_set(err, CS_CORRUPT, "object %s: a %s, not a %s", hex,
				  cs_type_name(found), cs_type_name(type));
	if (size > max)
		return cs_err_set(err, CS_LIMIT, "object %s: %llu bytes, more than %llu", hex,
				  (unsigned long long)size, (unsigned long long)max);
	rc = git_odb_read(&object, repo->odb, &id);
	if (rc < 0)
		return cs_err_git(err, rc, "object %s", hex);
	cs_buf_add(out, git_odb_object_data(object), git_odb_object_size(object));
	return 0;
}

static void hash_chunk(void *arg, const void *data, size_t len)
{
	cs_sha256_add(arg, data, len);
}

static int hash_stream(struct cs_sha256 *h, const struct cs_repo *repo, const char *hex,
		       struct cs_err *err)
{
	const struct cs_git_call call = {
		.git_dir = repo->git_dir,
		.objects = repo,
		.args = (const char *const[]){ "cat-file", "blob", hex, NULL },
	};
	int rc = cs_git_stream(&call, hash_chunk, h, err);

	return rc < 0 ? cs_err_wrap(err, "blob %s", hex) : 0;
}

int cs_repo_blob_sha256(uint8_t out[CS_SHA256_LEN], const struct cs_repo *repo,
			const struct cs_oid *oid, struct cs_err *err)
{
	AUTO_BUF struct cs_buf data = CS_BUF_INIT;
	enum cs_object_type type = CS_OBJ_NONE;
	char hex[CS_OID_HEX];
	struct cs_sha256 h;
	uint64_t size = 0;
	int rc = cs_repo_object_info(&type, &size, repo, oid, err);

	if (rc < 0)
		return rc;
	cs_sha256_init(&h);
	if (type == CS_OBJ_BLOB && size > HASH_IN_MEMORY_MAX) {
		rc = hash_stream(&h, repo, cs_oid_hex(hex, oid), err);
	} else {
		rc = cs_repo_read(&data, repo, oid, CS_OBJ_BLOB, HASH_IN_MEMORY_MAX, err);
		cs_sha256_add(&h, data.data, data.len);
	}
	if (rc == 0)
		cs_sha256_end(&h, out);
	return rc;
}

struct copy {
	int fd;
	int failed; /* errno of the first write that did */
};

static void copy_chunk(void *arg, const void *data, size_t len)
{
	struct copy *c = arg;

	if (!c->failed && cs_write_all(c->fd, data, len) < 0)
		c->failed = errno;
}

int cs_repo_copy_blob(int fd, const struct cs_repo *repo, const struct cs_oid *oid,
		      struct cs_err *err)
{
	char hex[CS_OID_HEX];
	const struct cs_git_call call = {
		.git_dir = repo->git_dir,
		.args = (const char *const[]){ "cat-file", "blob", cs_oid_hex(hex, oid), NULL },
	};
	struct copy copy = { .fd = fd };
	int rc = cs_git_stream(&call, copy_chunk, &copy, err);

	if (rc == 0 && copy.failed) {
		errno = copy.failed;
		rc = cs_err_sys(err, "copy");
	}
	return rc < 0 ? cs_err_wrap(err, "blob %s", hex) : 0;
}

static void fill_commit(struct cs_commit *c, git_commit *commit)
{
	const git_signature *author = git_commit_author(commit);
	const git_signature *committer = git_commit_committer(commit);
	const char *message = git_commit_message_raw(commit);

	c->n_parents = git_commit_parentcount(commit);
	c->parents = cs_calloc(c->n_parents ? c->n_parents : 1, sizeof(*c->parents));
	for (unsigned int i = 0; i < c->n_parents; i++)
		cs_from_git_oid(&c->parents[i], git_commit_parent_id(commit, i));
	cs_from_git_oid(&c->tree, git_commit_tree_id(commit));
	c->author = cs_asprintf("%s <%s>", author->name, author->email);
	c->committer = cs_asprintf("%s <%s>", committer->name, committer->email);
	c->message = cs_strdup(message ? message : "");
	c->time = git_commit_time(commit);
}

int cs_repo_read_commit(struct cs_commit *out, const struct cs_repo *repo, const struct cs_oid *oid,
			struct cs_err *err)
{
	AUTO_COMMIT git_commit *commit = NULL;
	enum cs_object_type type = CS_OBJ_NONE;
	char hex[CS_OID_HEX];
	uint64_t size = 0;
	git_oid id;
	int rc = cs_repo_object_info(&type, &size, repo, oid, err);

	if (rc == 0)
		rc = cs_to_git_oid(&id, oid, err);
	if (rc < 0)
		return rc;
	cs_oid_hex(hex, oid);
	if (type != CS_OBJ_COMMIT)
		return cs_err_set(err, CS_CORRUPT, "object %s: a %s, not a commit", hex,
				  cs_type_name(type));
	if (size > COMMIT_MAX_BYTES)
		return cs_err_set(err, CS_LIMIT, "commit %s: more than %u bytes", hex,
				  COMMIT_MAX_BYTES);
	rc = git_commit_lookup(&commit, repo->git, &id);
	if (rc < 0) {
		/* It was there and is a commit: what fails now is its content. */
		cs_err_git(err, rc, "commit %s", hex);
		if (err)
			err->code = CS_CORRUPT;
		return CS_CORRUPT;
	}
	fill_commit(out, commit);
	return 0;
}

void cs_commit_release(struct cs_commit *c)
{
	free(c->parents);
	free(c->author);
	free(c->committer);
	free(c->message);
	*c = (struct cs_commit){ 0 };
}
