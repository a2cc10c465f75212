/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's repository: discovery, objects, references. The one place that opens it with libgit2
 * or with git's own programs; ids are carried as 20 or 32 bytes everywhere else.
 *
 * Life: open, use, free. It is opened bare by its git directory: no index, no work tree, no
 * attributes of the work tree are ever read; a start costs half a millisecond whatever its size.
 * Nothing here writes a reference except cs_repo_update_refs. Not for use by several threads.
 *
 * Trusted: the repository's own configuration and objects. Never opened here: anything an agent
 * wrote.
 */
#ifndef COUNTERSIGN_REPO_H
#define COUNTERSIGN_REPO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "countersign/base.h"

#define CS_OID_MAX 32
#define CS_OID_HEX (2 * CS_OID_MAX + 1)

struct cs_oid {
	uint8_t len; /* 20; 0 is "no object" */
	uint8_t bytes[CS_OID_MAX];
};

bool cs_oid_equal(const struct cs_oid *a, const struct cs_oid *b);
char *cs_oid_hex(char out[CS_OID_HEX], const struct cs_oid *oid);	     /* "" for no object */
void cs_json_add_oid(cJSON *obj, const char *key, const struct cs_oid *oid); /* null for none */
/* Exactly 40 or 64 lower-case digits; 0 or CS_CORRUPT. */
int cs_oid_parse(struct cs_oid *out, const char *hex);

enum cs_object_type { CS_OBJ_NONE = 0, CS_OBJ_COMMIT, CS_OBJ_TREE, CS_OBJ_BLOB, CS_OBJ_TAG };

/* File modes of tree entries, as git writes them. */
enum {
	CS_MODE_NONE = 0,
	CS_MODE_TREE = 0040000,
	CS_MODE_FILE = 0100644,
	CS_MODE_EXEC = 0100755,
	CS_MODE_LINK = 0120000,
	CS_MODE_GITLINK = 0160000,
};

struct cs_repo;

/*
 * Opens the repository that git would use from directory `start`: git_dir_env is the caller's
 * GIT_DIR or NULL, a relative one counts from `start`; linked worktrees and bare repositories too.
 * As in git, the owner is only looked at where GIT_DIR does not name the repository. Errors:
 * CS_NOTFOUND "not a git repository"; CS_REFUSED another owner, with the command to run
 * (safe.directory, safe.bareRepository); CS_UNSUPPORTED SHA-256, reftable or an unknown extension,
 * by name; CS_CORRUPT a configuration that does not parse.
 */
int cs_repo_open(struct cs_repo **out, const char *start, const char *git_dir_env,
		 struct cs_err *err) CS_CHECKED;
/*
 * The same inside pre-receive and update: reads what is being pushed too, from the directory that
 * GIT_OBJECT_DIRECTORY names (object_dir_env; relative to `start`; NULL or the repository's own:
 * nothing is added). Nothing can be written through the result (CS_REFUSED): an object would
 * outlive a refused push, and git forbids references here.
 */
int cs_repo_open_quarantine(struct cs_repo **out, const char *start, const char *git_dir_env,
			    const char *object_dir_env, struct cs_err *err) CS_CHECKED;
/*
 * Nothing but the objects of a git directory, and of its alternates, to be read. Neither
 * references nor configuration are looked at, and what needs them fails.
 */
int cs_repo_open_objects(struct cs_repo **out, const char *git_dir, struct cs_err *err) CS_CHECKED;
/*
 * Whether git would use a git directory that the caller has found: fd is it, path is where it lies.
 * CS_REFUSED: another owner (with the command to run), however the repository around it was named.
 */
int cs_repo_check_owner(int fd, const char *path, struct cs_err *err) CS_CHECKED;
void cs_repo_free(struct cs_repo *repo);
CS_AUTO_TYPE(cs_repo_autofree, struct cs_repo, cs_repo_free)
#define AUTO_REPO CS_AUTO(cs_repo_autofree)

/* Absolute paths without trailing slash; borrowed. */
const char *cs_repo_common_dir(const struct cs_repo *repo);
const char *cs_repo_git_dir(const struct cs_repo *repo);  /* of this worktree */
const char *cs_repo_worktree(const struct cs_repo *repo); /* NULL where bare */
/* All object directories: the repository's first, then its alternates, recursively. */
const struct cs_strv *cs_repo_object_dirs(const struct cs_repo *repo);
bool cs_repo_is_shallow(const struct cs_repo *repo);

/*
 * One value of git's configuration as the user sees it (every source that git has, -c too): owned;
 * NULL if unset, "true" for a key without a value. The first call costs a process, 1.5 ms.
 */
int cs_repo_config(char **out, const struct cs_repo *repo, const char *key,
		   struct cs_err *err) CS_CHECKED;
/*
 * The identity of the operator for commits, both owned: GIT_COMMITTER_NAME and _EMAIL, committer.*,
 * user.*, else from the account. CS_USAGE when there is none.
 */
int cs_repo_identity(char **name, char **email, const struct cs_repo *repo,
		     struct cs_err *err) CS_CHECKED;

/* ---- reading ---- */

/*
 * Resolves a revision (gitrevisions(7)) to a commit and its tree; tags are followed. Full names and
 * ids cost microseconds, others a process. CS_NOTFOUND for an unknown one and an unborn HEAD,
 * CS_USAGE for what is no commit.
 */
int cs_repo_resolve(struct cs_oid *commit, struct cs_oid *tree, const struct cs_repo *repo,
		    const char *rev, struct cs_err *err) CS_CHECKED;
/* Reads "HEAD" or a full "refs/..." name. Missing: CS_NOTFOUND. Symbolic refs are followed. */
int cs_repo_read_ref(struct cs_oid *out, const struct cs_repo *repo, const char *name,
		     struct cs_err *err) CS_CHECKED;
/*
 * What a reference says it is another name of, followed to the end: owned; NULL: it holds an id, or
 * is not there. More than 5 steps: CS_CORRUPT.
 */
int cs_repo_symbolic(char **out, const struct cs_repo *repo, const char *name,
		     struct cs_err *err) CS_CHECKED;
/*
 * Calls fn for every reference below prefix ("refs/agent-run/"), sorted by name; another result
 * than 0 stops and is returned. Costs a process and the number of these references.
 */
int cs_repo_each_ref(const struct cs_repo *repo, const char *prefix,
		     int (*fn)(void *arg, const char *name, const struct cs_oid *oid), void *arg,
		     struct cs_err *err) CS_CHECKED;

int cs_repo_object_info(enum cs_object_type *type, uint64_t *size, const struct cs_repo *repo,
			const struct cs_oid *oid, struct cs_err *err) CS_CHECKED;
/* Whole object; larger than max is CS_LIMIT, absent CS_NOTFOUND, another type CS_CORRUPT. */
int cs_repo_read(struct cs_buf *out, const struct cs_repo *repo, const struct cs_oid *oid,
		 enum cs_object_type type, uint64_t max, struct cs_err *err) CS_CHECKED;
/* SHA-256 of a blob's content, in bounded memory whatever its size. */
int cs_repo_blob_sha256(uint8_t out[CS_SHA256_LEN], const struct cs_repo *repo,
			const struct cs_oid *oid, struct cs_err *err) CS_CHECKED;
/* Writes a blob's content to fd, in bounded memory whatever its size. */
int cs_repo_copy_blob(int fd, const struct cs_repo *repo, const struct cs_oid *oid,
		      struct cs_err *err) CS_CHECKED;

struct cs_commit {
	struct cs_oid tree;
	struct cs_oid *parents; /* owned */
	size_t n_parents;
	char *author;	 /* "Name <mail>", owned; hostile bytes */
	char *committer; /* the same */
	char *message;	 /* owned; hostile bytes */
	int64_t time;	 /* committer, seconds */
};
int cs_repo_read_commit(struct cs_commit *out, const struct cs_repo *repo, const struct cs_oid *oid,
			struct cs_err *err) CS_CHECKED;
void cs_commit_release(struct cs_commit *c);

/*
 * History, without replace references and grafts. What is missing is an error (CS_MALFUNCTION with
 * git's words), a shallow repository is CS_UNSUPPORTED: never a shorter list.
 */
struct cs_range_commit {
	struct cs_oid oid;
	struct cs_oid *parents; /* owned */
	size_t n_parents;
};
struct cs_range {
	struct cs_range_commit *list; /* newest first; every commit before its parents */
	size_t n, cap;
};
#define CS_RANGE_INIT \
	{             \
		0     \
	}
struct cs_range_opts {
	const struct cs_oid *include; /* reachable from these */
	size_t n_include;
	const struct cs_oid *exclude; /* and not from those; len 0 is passed over */
	size_t n_exclude;
	bool first_parent; /* follow, and list, first parents only */
	size_t max_count;  /* 0: no limit; at most so many, the newest */
};
/* Costs a process (git reads its commit-graph) and the number of commits. */
int cs_repo_range(struct cs_range *out, const struct cs_repo *repo,
		  const struct cs_range_opts *opts, struct cs_err *err) CS_CHECKED;
void cs_range_release(struct cs_range *range);
/* Can a walk from descendant meet ancestor? True for one and the same commit. Costs a process. */
int cs_repo_is_ancestor(bool *out, const struct cs_repo *repo, const struct cs_oid *ancestor,
			const struct cs_oid *descendant, struct cs_err *err) CS_CHECKED;
/* The first parent of a commit; len 0 for a root. */
int cs_repo_first_parent(struct cs_oid *out, const struct cs_repo *repo, const struct cs_oid *oid,
			 struct cs_err *err) CS_CHECKED;

/* The merge base of two commits (len 0: none); *n says how many there are. */
int cs_repo_merge_base(struct cs_oid *out, size_t *n, const struct cs_repo *repo,
		       const struct cs_oid *a, const struct cs_oid *b,
		       struct cs_err *err) CS_CHECKED;
/*
 * Three contents line by line, as git merges them by itself: no attributes, no drivers. *clean
 * false: a conflict, or binary; nothing is added to out then. Contents above 64 MiB conflict.
 */
int cs_repo_merge_blobs(struct cs_buf *out, bool *clean, const struct cs_repo *repo,
			const struct cs_oid *base, const struct cs_oid *ours,
			const struct cs_oid *theirs, struct cs_err *err) CS_CHECKED;
/*
 * The tree that merging two commits gives, with renames, in memory: nothing is written. *clean
 * false: conflicts (tree untouched). Cost grows with the trees: half a second at 100,000 files.
 */
int cs_repo_merge_commits(struct cs_oid *tree, bool *clean, const struct cs_repo *repo,
			  const struct cs_oid *ours, const struct cs_oid *theirs,
			  struct cs_err *err) CS_CHECKED;

/*
 * A tree's entries in git's order, checked: strictly sorted, no duplicates, no "", ".", "..", "/"
 * in a name, a type that git writes (CS_CORRUPT else). No oid (len 0) is the empty tree.
 */
struct cs_tree_entry {
	uint32_t mode; /* raw */
	struct cs_oid oid;
	const char *name; /* NUL-terminated, borrowed from the tree */
};
struct cs_tree {
	struct cs_tree_entry *entries;
	size_t n;
	char *storage;
};
#define CS_TREE_INIT \
	{            \
		0    \
	}
int cs_repo_read_tree(struct cs_tree *out, const struct cs_repo *repo, const struct cs_oid *oid,
		      struct cs_err *err) CS_CHECKED;
void cs_tree_release(struct cs_tree *t);
/* git's order of entries: a tree's name compares as if it ended in '/'. As strcmp. */
int cs_tree_order(const char *a, uint32_t a_mode, const char *b, uint32_t b_mode);
/* The entry at a path below a tree; CS_NOTFOUND. A tree on the way that is missing: CS_CORRUPT. */
int cs_repo_tree_lookup(uint32_t *mode, struct cs_oid *oid, const struct cs_repo *repo,
			const struct cs_oid *tree, const char *path, struct cs_err *err) CS_CHECKED;

/*
 * The submodules that .gitmodules of a tree names and that are gitlinks in it, in its order: not the
 * checkout's .gitmodules, nor any configuration. Where it does not parse, those before the error.
 * Names are hostile. At most CS_SUBMODULES_MAX; further ones are left out.
 */
struct cs_submodule {
	char *name, *path;
	struct cs_oid commit;
};
struct cs_submodules {
	struct cs_submodule *list;
	size_t n, cap;
};
#define CS_SUBMODULES_INIT \
	{                  \
		0          \
	}
#define CS_SUBMODULES_MAX 1024
#define AUTO_SUBMODULES	  CS_AUTO(cs_submodules_release)
int cs_repo_submodules(struct cs_submodules *out, const struct cs_repo *repo,
		       const struct cs_oid *tree, struct cs_err *err) CS_CHECKED;
void cs_submodules_release(struct cs_submodules *submodules);
/* Whether git takes a submodule's name as a path below modules/: not empty, no "..". */
bool cs_submodule_name_ok(const char *name);

/* How the attributes of a tree (and no other source) convert line ends on `git add`. */
enum cs_text {
	CS_TEXT_RAW = 0, /* stored as it is */
	/* CRLF becomes LF where the content looks like text and the file has no CRLF in the base.
	 */
	CS_TEXT_AUTO,
	CS_TEXT_ALWAYS, /* CRLF becomes LF */
};
struct cs_conversion {
	enum cs_text text;
	bool ident;    /* conversions that are not made, only reported */
	bool encoding; /* working-tree-encoding */
	bool filter;   /* filter=..., LFS too */
};
int cs_repo_conversion(struct cs_conversion *out, const struct cs_repo *repo,
		       const struct cs_oid *commit, const char *path,
		       struct cs_err *err) CS_CHECKED;

/*
 * One pattern of a .gitignore or .gitattributes file (gitignore(5)); comments, quotes and trailing
 * blanks are the reader's business. Matching takes time linear in pattern times path.
 */
struct cs_pattern {
	char *text;	    /* without "!" and the trailing "/" */
	size_t literal_len; /* bytes before the first special character */
	bool negative;	    /* "!pattern" */
	bool directory;	    /* "pattern/" */
	bool basename;	    /* without "/": compared with the last component, at any depth */
	bool suffix;	    /* "*text" */
};
void cs_pattern_parse(struct cs_pattern *out, const char *text);
void cs_pattern_release(struct cs_pattern *pattern);
/* base: the directory of the pattern's file, "" for the top; path: from the top, no end slash. */
bool cs_pattern_match(const struct cs_pattern *pattern, const char *base, const char *path,
		      bool is_dir);
/* git's wildmatch; pathname: only "**" matches a slash. */
bool cs_wildmatch(const char *pattern, const char *text, bool pathname);
/* Whether one of these globs matches: those without "/" the last component, at any depth. */
bool cs_glob_matches(const struct cs_strv *globs, const char *path);
/* Whether one of them matches the path or a directory above it. */
bool cs_glob_covers(const struct cs_strv *globs, const char *path);

/* ---- writing ---- */

int cs_repo_write(struct cs_oid *out, struct cs_repo *repo, enum cs_object_type type,
		  const void *data, size_t len, struct cs_err *err) CS_CHECKED;

/*
 * Many or large blobs: new, then for each blob start (its exact size), any number of data, end;
 * finish; free. A count of up to 200 goes loose, more as one pack, and then they are in the store
 * only after finish. The count is a hint. Memory is bounded by one chunk of 1 MiB and 100 bytes a
 * blob. A start drops a blob that was not ended; bytes that do not fit the size are CS_USAGE.
 */
struct cs_blob_writer;
int cs_blob_writer_new(struct cs_blob_writer **out, struct cs_repo *repo, uint32_t count,
		       struct cs_err *err) CS_CHECKED;
int cs_blob_writer_start(struct cs_blob_writer *w, uint64_t size, struct cs_err *err) CS_CHECKED;
int cs_blob_writer_data(struct cs_blob_writer *w, const void *data, size_t len,
			struct cs_err *err) CS_CHECKED;
int cs_blob_writer_end(struct cs_oid *out, struct cs_blob_writer *w, struct cs_err *err) CS_CHECKED;
int cs_blob_writer_finish(struct cs_blob_writer *w, struct cs_err *err) CS_CHECKED;
void cs_blob_writer_free(struct cs_blob_writer *w);

/*
 * A tree from another by path: removals (mode 0; directories too) are done before upserts, whatever
 * the order of the list. Directories that become empty vanish. base->len 0 is the empty tree.
 * CS_NOTFOUND: nothing to remove, or an object that is not there; CS_USAGE: a path that is none,
 * one path twice, a file in the way of a directory or the other way round. Names that some systems
 * take for others (.git in its spellings) are the caller's business.
 */
struct cs_tree_update {
	const char *path;
	uint32_t mode; /* 0 removes */
	struct cs_oid oid;
};
int cs_repo_update_tree(struct cs_oid *out, struct cs_repo *repo, const struct cs_oid *base,
			const struct cs_tree_update *updates, size_t n,
			struct cs_err *err) CS_CHECKED;

struct cs_new_commit {
	struct cs_oid tree;
	const struct cs_oid *parents;
	size_t n_parents;
	const char *author_name, *author_email;
	const char *committer_name, *committer_email;
	int64_t time; /* seconds since the epoch, UTC */
	const char *message;
};
/*
 * Names and addresses are cleaned as git does (no <, >, newline or control characters); an empty
 * name is CS_USAGE. The message gets a newline at its end if it has none.
 */
int cs_repo_write_commit(struct cs_oid *out, struct cs_repo *repo, const struct cs_new_commit *c,
			 struct cs_err *err) CS_CHECKED;

/* Makes everything written durable (one syncfs); before a reference is set to it. */
int cs_repo_sync(struct cs_repo *repo, struct cs_err *err) CS_CHECKED;

/*
 * Compare-and-swap of references by git itself, all or none, hooks off. old: NULL does not compare,
 * len 0 must not exist. Symbolic references are not followed. CS_EXISTS: another value than old, or
 * a reference in the way; CS_BUSY: locked; CS_NOTFOUND: the new object is not there.
 */
struct cs_ref_update {
	const char *name;
	const struct cs_oid *new_oid; /* NULL or len 0 deletes */
	const struct cs_oid *old_oid;
};
int cs_repo_update_refs(struct cs_repo *repo, const struct cs_ref_update *updates, size_t n,
			struct cs_err *err) CS_CHECKED;

/*
 * Removes the lock that a killed git left on a reference: a git holds one for moments, so one that
 * is older than ten seconds is nobody's. Whoever meets a younger one (CS_BUSY) waits and asks again.
 */
bool cs_repo_break_lock(const struct cs_repo *repo, const char *name);

/* ---- git's own programs ---- */

/*
 * Runs the host's git (absolute path from the build) in a git directory that only we or the
 * user wrote, with an environment built from nothing, no hooks, no fsmonitor, no replace refs,
 * no user or system configuration, no transport to fetch what is missing. Paths are absolute: the
 * current directory is "/". args: NULL-terminated, without "git". Standard output is added to out
 * (may be NULL). A status other than 0 is CS_MALFUNCTION with git's first error line.
 */
struct cs_git_call {
	const char *git_dir;
	const char *work_tree;	       /* NULL: none */
	const char *index_file;	       /* NULL: none */
	const struct cs_repo *objects; /* reads this repository's quarantine too; NULL: none */
	const char *const *config;     /* NULL-terminated "key=value" additions */
	const char *const *args;
	const char *input;
	size_t input_len;
	size_t max_output; /* 0: 64 MiB */
	/*
	 * As the user would type it: with his environment, his configuration and the repository's
	 * filters, which are found on his PATH. No hooks.
	 */
	bool as_user;
};
int cs_git(struct cs_buf *out, const struct cs_git_call *call, struct cs_err *err) CS_CHECKED;
/*
 * The same command line and environment, for a caller that starts it itself to read its output
 * while it runs. input and max_output are not part of it.
 */
void cs_git_command(struct cs_strv *argv, struct cs_strv *env, const struct cs_git_call *call);

#endif
