/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of lib/repo: the repository's fields, libgit2's types, git's processes. */
#ifndef CS_REPO_INTERNAL_H
#define CS_REPO_INTERNAL_H

#include <sys/stat.h>
#include <git2.h>
#include "countersign/repo.h"

/* ---- where a repository is (locate.c, owner.c, format.c, alternates.c) ---- */

struct cs_location {
	char *git_dir;	  /* real path; of this worktree */
	char *common_dir; /* real path; the same but for linked worktrees */
	char *worktree;	  /* real path, NULL: none */
	char *gitfile;	  /* the .git file that led to git_dir, or NULL */
	bool given;	  /* by GIT_DIR: as git, the owner is not looked at */
	bool linked;	  /* git_dir is not common_dir */
};
#define AUTO_LOCATION CS_AUTO(cs_location_release)
int cs_locate(struct cs_location *out, const char *start, const char *git_dir_env,
	      struct cs_err *err) CS_CHECKED;
void cs_location_release(struct cs_location *loc);

/* CS_REFUSED unless git itself would use this repository (safe.directory, safe.bareRepository). */
int cs_check_owner(const struct cs_location *loc, const char *start, struct cs_err *err) CS_CHECKED;

/* Do the mode bits let this user do all of these (1, 2, 4)? */
bool cs_lets(const struct stat *st, uid_t uid, gid_t gid, mode_t bits);

/* Does every directory above this real path let him through? */
bool cs_comes_to(const char *real, uid_t uid, gid_t gid);

/*
 * Reads the format version, the extensions, core.bare and core.worktree. CS_UNSUPPORTED names
 * what cannot be read here; loc->worktree is corrected, *shared gets core.sharedRepository.
 */
int cs_check_format(struct cs_location *loc, int *shared, struct cs_err *err) CS_CHECKED;

/*
 * objects/ and all alternates that exist, each once. For root in a repository of somebody else's:
 * those that its owner comes to.
 */
int cs_find_object_dirs(struct cs_strv *out, const char *common_dir, struct cs_err *err) CS_CHECKED;

/*
 * Takes a C-quoted name apart in place: s points to the opening quote and to the name afterwards.
 * Returns what follows the closing quote; NULL when it is not well-formed.
 */
char *cs_unquote_c(char *s);

/* ---- the repository ---- */

struct cs_user_config;
struct cs_attr_cache;

/* What is filled when it is first asked for; behind a pointer, so that readers stay const. */
struct cs_repo_lazy {
	struct cs_user_config *config;
	struct cs_attr_cache *attrs;
};

struct cs_repo {
	char *git_dir;
	char *common_dir;
	char *worktree;
	struct cs_strv object_dirs;
	git_repository *git; /* for references and commits; its objects are odb's */
	git_odb *odb;
	char *quarantine; /* objects of a push that is not accepted yet; NULL: none. Read-only. */
	bool library;	  /* libgit2 is to be shut down */
	/* core.sharedRepository: mode bits to add; below 0: exactly these; 0: the umask decides. */
	int shared;
	struct cs_repo_lazy *lazy;
};

void cs_user_config_free(struct cs_user_config *config);
void cs_attr_cache_free(struct cs_attr_cache *cache);

/* ---- objects (object.c, write.c) ---- */

/* CS_REFUSED in quarantine; every function that writes asks. */
int cs_check_writable(const struct cs_repo *repo, struct cs_err *err) CS_CHECKED;
/* One object directory as loose objects and packs; a libgit2 code. */
int cs_add_objects(git_odb *odb, const char *dir, bool alternate) CS_CHECKED;
int cs_type_to_git(enum cs_object_type type); /* a git_object_t; GIT_OBJECT_INVALID */
const char *cs_type_name(enum cs_object_type type);
/*
 * What root made in somebody else's repository, a path below the git directory and the directories
 * above it, is given to whom the git directory belongs: he must be able to go on there.
 */
void cs_give_back(const struct cs_repo *repo, const char *path);
/* Gives a loose object, and its directory, to the owner, with the mode that core.sharedRepository asks for. */
void cs_share_object(const struct cs_repo *repo, const struct cs_oid *oid);

/* ---- trees (tree.c) ---- */

/* Parses and checks a tree object's bytes; takes raw, which the entries' names point into. */
int cs_tree_parse(struct cs_tree *out, char *raw, size_t len, struct cs_err *err) CS_CHECKED;
/* The entry of this name, whatever its type; NULL. */
const struct cs_tree_entry *cs_tree_find(const struct cs_tree *t, const char *name);
#define AUTO_TREE CS_AUTO(cs_tree_release)

/* ---- libgit2 (open.c, no_network.c) ---- */

/* Does nothing, but brings the stand-ins for libgit2's network code into the program. */
void cs_leave_network_out(void);

CS_AUTO_TYPE(cs_autofree_config, git_config, git_config_free)
CS_AUTO_TYPE(cs_autofree_iterator, git_config_iterator, git_config_iterator_free)
CS_AUTO_TYPE(cs_autofree_commit, git_commit, git_commit_free)
CS_AUTO_TYPE(cs_autofree_object, git_odb_object, git_odb_object_free)
#define AUTO_CONFIG   CS_AUTO(cs_autofree_config)
#define AUTO_ITERATOR CS_AUTO(cs_autofree_iterator)
#define AUTO_COMMIT   CS_AUTO(cs_autofree_commit)
#define AUTO_OBJECT   CS_AUTO(cs_autofree_object)

/* Records what libgit2 says about its failure `code`; returns the code that it means to us. */
int cs_err_git(struct cs_err *err, int code, const char *fmt, ...) CS_PRINTF(3, 4);

/* CS_NOTFOUND for no object, CS_UNSUPPORTED for an id that is not SHA-1. */
int cs_to_git_oid(git_oid *out, const struct cs_oid *oid, struct cs_err *err) CS_CHECKED;
void cs_from_git_oid(struct cs_oid *out, const git_oid *oid);

/* ---- git's processes (git.c) ---- */

/* Runs it whatever its status; stdin_fd -1: call->input, or nothing. */
int cs_git_run(struct cs_buf *out, struct cs_buf *errout, int *status,
	       const struct cs_git_call *call, int stdin_fd, struct cs_err *err) CS_CHECKED;
/* Standard output goes to fn as it comes. */
int cs_git_stream(const struct cs_git_call *call,
		  void (*fn)(void *arg, const void *data, size_t len), void *arg,
		  struct cs_err *err) CS_CHECKED;
/* The failure that cs_git reports for a status; returns CS_MALFUNCTION. */
int cs_git_failed(const struct cs_git_call *call, int status, const struct cs_buf *errout,
		  struct cs_err *err);
/* git with the user's configuration; git_dir NULL: from cwd. */
int cs_git_as_user(struct cs_buf *out, struct cs_buf *errout, int *status, const char *cwd,
		   const char *git_dir, const char *const *args, struct cs_err *err) CS_CHECKED;

#endif
