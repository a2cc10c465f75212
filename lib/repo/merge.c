/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a merge gives when nobody touches it. Security: neither the repository's configuration nor
 * its attributes have a say (a committed "merge=union", or a driver, would decide what counts as
 * mechanical), and nothing is written: the merge of two commits happens in an object store of our
 * own that reads the repository's and keeps what is new in memory.
 */
#include "internal.h"

#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <string.h>

#define MERGE_MAX_BYTES	  (64u << 20)
#define BINARY_HEAD_BYTES 8000
#define IN_FRONT	  1000

CS_AUTO_TYPE(autofree_odb, git_odb, git_odb_free)
CS_AUTO_TYPE(autofree_repository, git_repository, git_repository_free)
CS_AUTO_TYPE(autofree_index, git_index, git_index_free)

int cs_repo_merge_base(struct cs_oid *out, size_t *n, const struct cs_repo *repo,
		       const struct cs_oid *a, const struct cs_oid *b, struct cs_err *err)
{
	git_oidarray bases = { 0 };
	git_oid one;
	git_oid two;
	int rc = cs_to_git_oid(&one, a, err);

	if (rc == 0)
		rc = cs_to_git_oid(&two, b, err);
	if (rc < 0)
		return rc;
	rc = git_merge_bases(&bases, repo->git, &one, &two);
	if (rc < 0 && rc != GIT_ENOTFOUND)
		return cs_err_git(err, rc, "merge base");
	/* No base and a missing object have one code: the walk says which it was. */
	if (rc == GIT_ENOTFOUND) {
		struct cs_range range = CS_RANGE_INIT;
		const struct cs_range_opts all = { .include = (struct cs_oid[]){ *a, *b },
						   .n_include = 2 };

		rc = cs_repo_range(&range, repo, &all, err);
		cs_range_release(&range);
		if (rc < 0)
			return rc;
		bases.count = 0;
	}
	*out = (struct cs_oid){ 0 };
	*n = bases.count;
	if (bases.count)
		cs_from_git_oid(out, &bases.ids[0]);
	git_oidarray_dispose(&bases);
	return 0;
}

/* False: too large, or binary, and so a conflict. */
static int read_side(struct cs_buf *out, bool *text, const struct cs_repo *repo,
		     const struct cs_oid *oid, struct cs_err *err)
{
	enum cs_object_type type = CS_OBJ_NONE;
	uint64_t size = 0;
	int rc = cs_repo_object_info(&type, &size, repo, oid, err);

	if (rc < 0)
		return rc;
	*text = false;
	if (size > MERGE_MAX_BYTES)
		return 0;
	rc = cs_repo_read(out, repo, oid, CS_OBJ_BLOB, MERGE_MAX_BYTES, err);
	*text = rc == 0 && !memchr(out->data, '\0',
				   out->len < BINARY_HEAD_BYTES ? out->len : BINARY_HEAD_BYTES);
	return rc;
}

int cs_repo_merge_blobs(struct cs_buf *out, bool *clean, const struct cs_repo *repo,
			const struct cs_oid *base, const struct cs_oid *ours,
			const struct cs_oid *theirs, struct cs_err *err)
{
	const struct cs_oid *const ids[3] = { base, ours, theirs };
	struct cs_buf data[3] = { CS_BUF_INIT, CS_BUF_INIT, CS_BUF_INIT };
	git_merge_file_input in[3];
	git_merge_file_result result = { 0 };
	bool text = true;
	int rc = 0;

	*clean = false;
	for (size_t i = 0; i < 3 && rc == 0 && text; i++) {
		rc = read_side(&data[i], &text, repo, ids[i], err);
		git_merge_file_input_init(&in[i], GIT_MERGE_FILE_INPUT_VERSION);
		in[i].ptr = data[i].data;
		in[i].size = data[i].len;
	}
	if (rc == 0 && text) {
		rc = git_merge_file(&result, &in[0], &in[1], &in[2], NULL);
		if (rc < 0)
			rc = cs_err_git(err, rc, "merge contents");
	}
	if (rc == 0 && text && result.automergeable) {
		*clean = true;
		cs_buf_add(out, result.ptr, result.len);
	}
	git_merge_file_result_free(&result);
	for (size_t i = 0; i < 3; i++)
		cs_buf_release(&data[i]);
	return rc;
}

/* A repository without configuration, index, attributes and references, over the same objects. */
static int open_bare_store(git_repository **out, const struct cs_repo *repo, struct cs_err *err)
{
	CS_AUTO(autofree_odb) git_odb *odb = NULL;
	git_odb_backend *memory = NULL;
	int rc = git_odb_new(&odb);

	if (rc == 0)
		rc = git_mempack_new(&memory);
	if (rc == 0)
		rc = git_odb_add_backend(odb, memory, IN_FRONT);
	for (size_t i = 0; rc == 0 && i < repo->object_dirs.n; i++)
		rc = cs_add_objects(odb, repo->object_dirs.v[i], true);
	if (rc == 0)
		rc = git_repository_wrap_odb(out, odb);
	return rc < 0 ? cs_err_git(err, rc, "set up a merge") : 0;
}

static int find_commit(git_commit **out, git_repository *store, const struct cs_oid *oid,
		       struct cs_err *err)
{
	char hex[CS_OID_HEX];
	git_oid id;
	int rc = cs_to_git_oid(&id, oid, err);

	if (rc < 0)
		return rc;
	rc = git_commit_lookup(out, store, &id);
	return rc < 0 ? cs_err_git(err, rc, "commit %s", cs_oid_hex(hex, oid)) : 0;
}

int cs_repo_merge_commits(struct cs_oid *tree, bool *clean, const struct cs_repo *repo,
			  const struct cs_oid *ours, const struct cs_oid *theirs,
			  struct cs_err *err)
{
	CS_AUTO(autofree_repository) git_repository *store = NULL;
	CS_AUTO(autofree_index) git_index *index = NULL;
	AUTO_COMMIT git_commit *one = NULL;
	AUTO_COMMIT git_commit *two = NULL;
	git_merge_options opts;
	git_oid id;
	int rc = open_bare_store(&store, repo, err);

	*clean = false;
	if (rc == 0)
		rc = find_commit(&one, store, ours, err);
	if (rc == 0)
		rc = find_commit(&two, store, theirs, err);
	if (rc < 0)
		return rc;
	git_merge_options_init(&opts, GIT_MERGE_OPTIONS_VERSION);
	rc = git_merge_commits(&index, store, one, two, &opts);
	if (rc < 0)
		return cs_err_git(err, rc, "merge");
	if (git_index_has_conflicts(index))
		return 0;
	rc = git_index_write_tree_to(&id, index, store);
	if (rc < 0)
		return cs_err_git(err, rc, "merge");
	cs_from_git_oid(tree, &id);
	*clean = true;
	return 0;
}
