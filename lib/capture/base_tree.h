/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking paths up in the base's tree, many of them, near each other: the trees on the way to the
 * last one are kept.
 */
#ifndef CAPTURE_BASE_TREE_H
#define CAPTURE_BASE_TREE_H

#include "countersign/repo.h"

struct base_level {
	struct cs_tree tree;
	size_t end; /* length of its path in base_tree.path; 0 for the top */
};

struct base_tree {
	const struct cs_repo *repo;
	struct cs_oid root;
	struct base_level *levels;
	size_t n, cap;
	struct cs_buf path; /* of the innermost level */
};

void base_tree_init(struct base_tree *b, const struct cs_repo *repo, const struct cs_oid *root);
void base_tree_release(struct base_tree *b);

struct base_entry {
	uint32_t mode; /* 0: the base has no such path */
	struct cs_oid oid;
	size_t submodule; /* length of the part of the path that is a gitlink, where it is below one
			   */
};
int base_tree_find(struct base_entry *out, struct base_tree *b, const char *path,
		   struct cs_err *err) CS_CHECKED;

/* Calls fn for every entry below a tree that is no tree itself; path starts with prefix. */
int base_tree_each(const struct cs_repo *repo, const struct cs_oid *tree, const char *prefix,
		   void (*fn)(void *arg, const char *path), void *arg,
		   struct cs_err *err) CS_CHECKED;

#endif
