/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The throwaway worktree of a run. A pristine, raw checkout of the base tree is made once and
 * shared read-only by all runs; a run's own layer holds what the agent writes and, prepared
 * beforehand, a private git directory.
 *
 *	<state>/base/<key>/tree/	raw checkout (lower layer), with .git/index in it
 *	<state>/base/<key>/modules/	which submodules were populated, and their indexes
 *	<state>/base/<key>/lease	flocked shared by each run that uses it
 *	<state>/base/<key>/history/	the store of one commit, where a run asked for it
 *	<run>/base			what the run keeps alive: its commit and its key
 *	<run>/upper, <run>/work		overlay: what the agent changed; its .git is the private one
 *	<run>/tree			checkout mode: a private copy instead
 *
 * <key> is the base tree's id, with suffixes for sparse patterns, for the submodules that are
 * populated, and where the agent's uid is not the owner of the state directory. Mounting is the sandbox's work: this module only prepares
 * directories and says what to mount. It never runs git on anything that an agent wrote.
 *
 * Life: prepare, (run, capture), release; then the caller removes the run's directory. A failed
 * preparation leaves nothing in it.
 */
#ifndef COUNTERSIGN_WORKTREE_H
#define COUNTERSIGN_WORKTREE_H

#include <stdbool.h>
#include <sys/types.h>
#include "countersign/base.h"
#include "countersign/repo.h"

enum cs_worktree_mode {
	CS_WORKTREE_AUTO = 0, /* overlay; the caller falls back to checkout when the mount fails */
	CS_WORKTREE_OVERLAY,
	CS_WORKTREE_CHECKOUT,
};

/*
 * Where object directories appear inside, read-only: CS_OBJECTS_INSIDE, then ".1", ".2". Their
 * alternates are in the list themselves: where info/alternates exists in one, an empty file is
 * mounted over it, else git inside complains of paths that mean nothing there.
 */
#define CS_OBJECTS_INSIDE "/run/agent-run/objects"

struct cs_worktree_opts {
	struct cs_repo *repo;
	struct cs_oid commit, tree;  /* the base */
	const char *state_dir;	     /* absolute: <common dir>/agent-run */
	const char *run_dir;	     /* absolute: <state>/runs/<id>, there, flocked by the caller */
	enum cs_worktree_mode mode;  /* AUTO prepares an overlay */
	uid_t uid;		     /* who the agent runs as: owns pristine and run layers */
	gid_t gid;
	const char *branch;	     /* "agent/7f3a09c1" */
	bool history_base;	     /* one synthetic commit instead of the host's history */
	bool submodules;	     /* populated where the user has their commits; else empty */
	const struct cs_strv *hide;  /* globs of files that submodules come without; may be NULL */
	/*
	 * Files of the first checkout, ours or the one we wait for, and of a copy; total is 0 while
	 * it is not known. Not called where the pristine is there already. May be NULL.
	 */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *progress_arg;
};

/*
 * A submodule of the base, or one in another. Its files are those of the commit in the user's own
 * <git dir>/modules/<name>, or in a git directory that lies in the checkout; no .git is with them.
 */
struct cs_worktree_module {
	char *path;	      /* from the top; hostile bytes */
	struct cs_oid commit; /* that its gitlink names */
	char *why;	      /* its directory is empty because ...; NULL: it is populated */
};

struct cs_worktree {
	enum cs_worktree_mode mode; /* OVERLAY or CHECKOUT */
	char *path;		    /* inside, absolute: the user's own worktree path; of a bare
				     * repository /srv/x.git: /srv/x */
	struct cs_oid head;	    /* HEAD inside: the base, or the commit that stands for it */
	char *lower;		    /* pristine tree directory (in checkout mode: to compare) */
	char *upper, *work;	    /* overlay mode */
	char *copy;		    /* checkout mode: mounted read-write at path */
	struct cs_strv objects;	    /* object directories to mount (see CS_OBJECTS_INSIDE) */
	struct cs_worktree_module *modules; /* as .gitmodules has them, each before those in it */
	size_t n_modules;
	int lease_fd; /* keeps the pristine from being pruned */
};
#define CS_WORKTREE_INIT { .lease_fd = -1 }

/*
 * Makes the pristine if there is none (progress), or waits for the process that does; then the
 * run's own layer, in a time that does not depend on the size of the repository, but for the
 * copy in checkout mode. The base is pinned by refs/agent-run/base/<commit>. As root, what is made
 * belongs to uid and gid. Checkout mode may follow an overlay in the same run directory that could
 * not be mounted, and takes its place. Errors: CS_NOTFOUND objects of the base are missing (with
 * the command that helps); CS_EXISTS the run directory was used before; CS_REFUSED a wrong owner, a
 * path that git takes for none; CS_UNSUPPORTED a file system without case; CS_MALFUNCTION full,
 * read-only, and the like.
 */
int cs_worktree_prepare(struct cs_worktree *out, const struct cs_worktree_opts *opts,
			struct cs_err *err) CS_CHECKED;
/* The commit that stands for the base in the store of a pristine (its lower); len 0: none was made. */
void cs_worktree_stand_in(struct cs_oid *out, const char *lower);
/* Ends the lease too. */
void cs_worktree_release(struct cs_worktree *wt);

/*
 * A hint for the user: tracked files of the checkout or its index differ from HEAD. Untracked
 * files and submodules are not looked at, nor is the user's global configuration; bare: false.
 * It is `git status` on the user's own repository with its own local configuration (filters that
 * this names may run on files whose time changed), and costs what that costs, a stat for each
 * tracked file: call it beside the run, not before it. Never writes the index.
 */
int cs_worktree_dirty(bool *dirty, const struct cs_repo *repo, struct cs_err *err) CS_CHECKED;

/*
 * The tree that `git commit -a` would record: all tracked files as they are in the checkout, by git
 * itself with the user's configuration and filters. Written to the repository as objects; the index is
 * left alone, its copy index_file (absolute; removed at the end) is worked on. untracked: how many files
 * and directories, not ignored, are not in it. CS_USAGE: a bare repository; CS_REFUSED: unmerged paths.
 */
int cs_worktree_uncommitted(struct cs_oid *tree, size_t *untracked, const struct cs_repo *repo,
			    const char *index_file, struct cs_err *err) CS_CHECKED;

/* Does git ignore a directory of the checkout as a whole, with nothing tracked in it? */
int cs_worktree_ignores(bool *ignored, const struct cs_repo *repo, const char *path,
			struct cs_err *err) CS_CHECKED;
/* The blob that git add would make of a file of the checkout; nothing is written. */
int cs_worktree_hash(struct cs_oid *out, const struct cs_repo *repo, const char *path,
		     struct cs_err *err) CS_CHECKED;

/*
 * Adds the text of core.excludesFile and of info/exclude, in this order (later patterns win): what
 * the user ignores beside the repository's own .gitignore files. home and xdg_config (either may be
 * NULL) are the user's HOME and XDG_CONFIG_HOME. Files that are missing count as empty.
 */
#define CS_WORKTREE_EXCLUDES_MAX (1 << 20) /* bytes of each; more is CS_LIMIT */
int cs_worktree_excludes(struct cs_buf *out, const struct cs_repo *repo, const char *home,
			 const char *xdg_config, struct cs_err *err) CS_CHECKED;

/*
 * Removes what no run uses, by lease or by a run directory below <state>/runs: pristines that were
 * not used for max_age_ms, what killed preparations left, and pins whatever their age.
 */
int cs_worktree_prune(struct cs_repo *repo, const char *state_dir, int64_t max_age_ms,
		      struct cs_err *err) CS_CHECKED;

#endif
