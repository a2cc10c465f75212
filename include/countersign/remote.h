/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a change is meant to go: the remote, its name in sign-offs, its default branch, and what
 * is known of its branches. Read from the user's own configuration by the user's own git.
 */
#ifndef COUNTERSIGN_REMOTE_H
#define COUNTERSIGN_REMOTE_H

#include "countersign/base.h"
#include "countersign/repo.h"

/* Every pointer is owned. Life: zeroed, cs_remote_find, release. */
struct cs_remote {
	char *name;	   /* NULL: the repository itself, where there is no remote */
	char *repository;  /* as cs_repository_name() gives it */
	char *default_ref; /* "refs/heads/main"; NULL: not known */
};
/*
 * name: a remote's name or NULL for the branch's remote, else origin, else the only one. url: where
 * a push goes (as pre-push is told), or NULL for the configured one. CS_USAGE: several remotes and
 * no way to choose.
 */
int cs_remote_find(struct cs_remote *out, const struct cs_repo *repo, const char *name,
		   const char *url, struct cs_err *err) CS_CHECKED;
void cs_remote_release(struct cs_remote *remote);
/*
 * The name of the local reference that follows `ref` of the remote; ref itself without a remote.
 * NULL: nothing follows it. The caller frees.
 */
char *cs_remote_tracking(const struct cs_remote *remote, const char *ref);
/*
 * Runs git with the caller's environment and configuration (credentials, insteadOf) in the
 * repository (NULL: in none); *status is its exit status. Output is added to out; NULL: to our standard error.
 */
int cs_user_git(struct cs_buf *out, int *status, const struct cs_repo *repo,
		const char *const *args, struct cs_err *err) CS_CHECKED;

#endif
