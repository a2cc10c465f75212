/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of lib/worktree share.
 *
 *	worktree.c	the stages of one preparation, in order
 *	sparse.c	what part of the tree the user's checkout holds
 *	pristine.c	find, wait for, or make the raw checkout of a tree; its lease
 *	reuse.c		what an older pristine has of a new one
 *	submodules.c	which submodules the user has, and where
 *	populate.c	their files in the pristine
 *	trusted.c	a git directory of our own for git to work in
 *	checkout.c	git read-tree in it: the one place that makes files of a tree
 *	index.c		git's index file, read and patched
 *	history.c	the store with one commit and no past
 *	copy.c		checkout mode: a private copy of the pristine
 *	gitdir.c	the private git directory
 *	hostconfig.c	what it takes from the host: names of remotes
 *	refs.c		and references
 *	pins.c		what a run keeps alive
 *	prune.c		what no run uses any more
 *	user.c		is the user's own checkout dirty; excludes.c: what does the user ignore
 *	files.c		new files and directories, and who owns them
 */
#ifndef COUNTERSIGN_WORKTREE_INTERNAL_H
#define COUNTERSIGN_WORKTREE_INTERNAL_H

#include <sys/stat.h>
#include "countersign/worktree.h"

/* Small files are this long at most; indexes and packed-refs may be long. */
#define CS_WT_SMALL (16 << 20)
#define CS_WT_LARGE ((size_t)2 << 30)

/* Names below <state>/base. A pristine's own name has no dot. */
#define CS_WT_LOCK ".lock" /* <key>.lock: flocked by who makes <key> */
#define CS_WT_NEW  ".new-" /* <key>.new-<random>: being made, or left by a crash */
#define CS_WT_OLD  ".old-" /* <key>.old-<random>: being removed */
#define CS_WT_PINS "pins.lock"

/* In a pristine: what populate.c has made of submodules, and their indexes. */
#define CS_WT_MODULES "modules"

/* ---- files ---- */

/* Who everything is given to. Only root gives; for others it is already theirs. */
struct cs_wt_owner {
	bool give;
	uid_t uid;
	gid_t gid;
};

int cs_wt_give(int fd, const struct cs_wt_owner *owner);
/* A new file or directory, never an existing one; "a/b" needs a directory a. */
int cs_wt_put(int dir_fd, const char *path, const void *data, size_t len,
	      const struct cs_wt_owner *owner, struct cs_err *err) CS_CHECKED;
int cs_wt_mkdir(int dir_fd, const char *path, mode_t mode, const struct cs_wt_owner *owner,
		struct cs_err *err) CS_CHECKED;
/* The missing directories of path, each given to the owner. */
int cs_wt_mkdirs(int dir_fd, const char *path, const struct cs_wt_owner *owner,
		 struct cs_err *err) CS_CHECKED;
int cs_wt_opendir(int *out, int dir_fd, const char *path, struct cs_err *err) CS_CHECKED;
/* A whole file that may be missing: 1, 0 where there is none, or a failure. */
int cs_wt_read(struct cs_buf *out, int dir_fd, const char *path, size_t max,
	       struct cs_err *err) CS_CHECKED;
/* Gives a small tree of our own making, depth first. */
int cs_wt_give_tree(int dir_fd, const char *name, const struct cs_wt_owner *owner,
		    struct cs_err *err) CS_CHECKED;
/* Makes everything below dir_fd durable, gives it its final name in parent_fd, and that too. */
int cs_wt_publish(int parent_fd, const char *tmp, const char *name, int dir_fd,
		  struct cs_err *err) CS_CHECKED;
/* "<prefix><16 random hex digits>"; the caller frees. */
char *cs_wt_temp_name(const char *prefix);
/* What makers left that were killed: names with this prefix. Best effort: it is only space. */
void cs_wt_remove_leftovers(int dir_fd, const char *prefix);

/* ---- what the stages share ---- */

struct cs_wt_sparse {
	bool on;
	bool cone;
	struct cs_buf patterns;
};

/* A submodule of the base tree, or of another one: those before those in them. */
#define CS_WT_NO_MODULE SIZE_MAX
struct cs_wt_module {
	char *path;		/* from the top */
	struct cs_oid commit;	/* that the gitlink names */
	struct cs_oid tree;	/* of it; len 0 where the user does not have it */
	char *git_dir;		/* of the user's, where the commit was found; NULL: nowhere */
	struct cs_strv objects; /* directories: of that and their alternates */
	size_t around;		/* the module that it lies in; CS_WT_NO_MODULE: none */
	char *why;		/* its directory stays empty because ...; NULL: it is populated */
};
struct cs_wt_modules {
	struct cs_wt_module *list;
	size_t n, cap;
};

struct cs_wt_job {
	const struct cs_worktree_opts *opts;
	struct cs_wt_owner owner;
	struct cs_wt_sparse sparse;
	struct cs_wt_modules modules;
	struct cs_buf host_config; /* remotes and branches, for the private git directory */
	bool partial;		   /* the host's repository is a partial clone */
	int run_fd;
	int base_fd; /* <state>/base */
	char *key;   /* of the pristine: its name below base_fd */
	char *dir;   /* <state>/base/<key> */
	int dir_fd;  /* of it, once there */
};

int cs_wt_sparse_read(struct cs_wt_sparse *out, const struct cs_repo *repo,
		      struct cs_err *err) CS_CHECKED;
/* Lines of "[core]" for a git directory that has the same patterns; nothing when off. */
void cs_wt_sparse_config(struct cs_buf *out, const struct cs_wt_sparse *sparse);

/* ---- the index ---- */

struct cs_wt_index {
	struct cs_buf file;
	size_t at;
	uint32_t left;
	uint32_t count;
	uint32_t version;
};
#define CS_WT_INDEX_INIT { .file = CS_BUF_INIT }

struct cs_wt_entry {
	const char *path; /* borrowed from the index */
	size_t len;
	uint32_t mode;
	bool absent; /* skip-worktree: not in the checkout */
	char *stat;  /* the entry's stat data, to patch */
};

int cs_wt_index_load(struct cs_wt_index *ix, int dir_fd, const char *path,
		     struct cs_err *err) CS_CHECKED;
/* The next entry, in order of path: 1, 0 at the end, or CS_CORRUPT. */
int cs_wt_index_next(struct cs_wt_entry *e, struct cs_wt_index *ix, struct cs_err *err) CS_CHECKED;
void cs_wt_entry_set_stat(struct cs_wt_entry *e, const struct stat *st);
/* Is this the file that the entry was made for, as far as its type, mode, size and time tell? */
bool cs_wt_entry_is(const struct cs_wt_entry *e, const struct stat *st);
/* Drops entries, and all extensions; the next one is the first again. Called in order of path. */
int cs_wt_index_filter(struct cs_wt_index *ix, bool (*keep)(void *arg, const struct cs_wt_entry *e),
		       void *arg, struct cs_err *err) CS_CHECKED;
/* Writes the patched index to a new file. */
int cs_wt_index_store(struct cs_wt_index *ix, int dir_fd, const char *path,
		      const struct cs_wt_owner *owner, struct cs_err *err) CS_CHECKED;
void cs_wt_index_release(struct cs_wt_index *ix);

/*
 * Calls fn with each directory of path that prev does not have, outermost first: over a sorted
 * list of paths, each directory once. Stops at the first negative result.
 */
int cs_wt_new_dirs(const char *prev, const char *path,
		   int (*fn)(void *arg, const char *dir, struct cs_err *err), void *arg,
		   struct cs_err *err) CS_CHECKED;

/* ---- making things ---- */

/*
 * Waits until nobody else makes `key` and takes its lock, telling opts->progress meanwhile what
 * the other one says. Give it back with cs_wt_unlock.
 */
int cs_wt_lock(int *lock_fd, struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;
void cs_wt_unlock(int *lock_fd, const struct cs_wt_job *job);

/* Leaves the lease in *lease_fd and job->dir_fd open. */
int cs_wt_pristine(int *lease_fd, struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;

/* A bare git directory in dir_fd/name that reads these objects and converts nothing. */
int cs_wt_trusted_make(int dir_fd, const char *name, const struct cs_strv *object_dirs,
		       const struct cs_wt_sparse *sparse, struct cs_err *err) CS_CHECKED;
/* Progress, to opts->progress and into lock_fd for those who wait (-1: nobody). */
void cs_wt_tell(const struct cs_worktree_opts *opts, int lock_fd, uint64_t done, uint64_t total);
/*
 * Into dir_fd/tree, empty until now, what the last pristine has of the base tree, and dir_fd/index
 * of just that. *time: of these files, 0 where there are none: no failure, but then all is to be made.
 */
int cs_wt_reuse(int64_t *time, int dir_fd, const struct cs_wt_job *job, int lock_fd,
		struct cs_err *err) CS_CHECKED;
/* <dir>/tree and <dir>/index from the base tree. */
int cs_wt_checkout(int dir_fd, const char *dir, const struct cs_wt_job *job, int lock_fd,
		   struct cs_err *err) CS_CHECKED;
/*
 * The same of any tree, into the empty directory work_tree, by the trusted <dir>/git; the index is
 * <dir>/index. CS_REFUSED: the tree has a path that git takes for none.
 */
int cs_wt_read_tree(const char *dir, const char *work_tree, const struct cs_oid *tree,
		    const struct cs_worktree_opts *opts, int lock_fd, struct cs_err *err) CS_CHECKED;
/*
 * Gives the files of dir_fd/index their owner and one time (0: the base commit's), and writes the
 * index anew to to_fd/to.
 */
int cs_wt_settle(int tree_fd, int dir_fd, const char *index, int to_fd, const char *to,
		 int64_t time, const struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;
/* How many objects of a tree are not there, and the id of one. */
size_t cs_wt_count_missing(char first[CS_OID_HEX], const char *git_dir, const struct cs_oid *tree);
/* Rewords a failure of git where objects of the base are missing; keeps it otherwise. */
int cs_wt_explain_missing(const char *git_dir, const struct cs_wt_job *job, struct cs_err *err);

/* ---- submodules ---- */

/* Fills job->modules from the base tree and what the user has. */
int cs_wt_modules_find(struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;
void cs_wt_modules_release(struct cs_wt_modules *modules);
/*
 * For the pristine's key: a digest of which are to be populated; nothing added where none is. Into
 * it goes, too, what cs_wt_tried says of the key without it.
 */
void cs_wt_modules_key(struct cs_buf *key, const struct cs_wt_job *job, const struct cs_buf *tried);

/* After the base's own files: those of the submodules; then modules/list says what came of it. */
int cs_wt_populate(int dir_fd, const char *dir, const struct cs_wt_job *job, int lock_fd,
		   struct cs_err *err) CS_CHECKED;
/* Why what is in the pristine is not populated, from its list to job->modules. */
int cs_wt_populated(struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;
/*
 * Adds the ids of objects that were missing for submodules of the pristine `key` and have come since:
 * none where there is no such pristine.
 */
int cs_wt_tried(struct cs_buf *come, const char *key, const struct cs_wt_job *job,
		struct cs_err *err) CS_CHECKED;
/* The index of the i-th in job->modules, beside dir_fd/tree; the caller frees. */
char *cs_wt_module_index(size_t i);

/* The store for history_base: its object directory (the caller frees) and its only commit. */
int cs_wt_history(char **objects, struct cs_oid *head, struct cs_wt_job *job,
		  struct cs_err *err) CS_CHECKED;

/* <run>/tree from the pristine with its submodules, without its .git. */
int cs_wt_copy(const struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;

/* Lines for objects/info/alternates. */
void cs_wt_alternates(struct cs_buf *out, const struct cs_strv *dirs);

/* The private git directory in tree_fd/.git. n_objects: directories mounted inside. */
int cs_wt_gitdir(int tree_fd, const struct cs_oid *head, size_t n_objects,
		 const struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;
/* Remotes and branches of the host's configuration, without credentials; is it a partial clone? */
int cs_wt_host_config(struct cs_buf *out, bool *partial, const struct cs_repo *repo,
		      struct cs_err *err) CS_CHECKED;
/* Adds `key = "value"`, quoted. */
void cs_wt_config_add(struct cs_buf *out, const char *key, const char *value);
/* A remote's URL without credentials; false where nothing of it may be shown. */
bool cs_wt_url_clean(struct cs_buf *out, const char *url);
/* Branches, tags and remote-tracking references of the host below git_fd. */
int cs_wt_host_refs(int git_fd, const struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;

#endif
