/* SPDX-License-Identifier: Apache-2.0 */
/* git agent-gate: the parts of the program. */
#ifndef GIT_AGENT_GATE_H
#define GIT_AGENT_GATE_H

#include "countersign/gate.h"
#include "countersign/record.h"
#include "countersign/remote.h"

#define PROGRAM	       "git-agent-gate"
#define FETCHED	       "refs/agent-run-remote/"
#define HOOK_INPUT_MAX (64u << 20)

struct gate_args {
	bool server, local, template, json, fetch;
	const char *ref, *remote, *chain;
	struct cs_strv repositories;
};

struct update {
	char *ref;
	struct cs_oid old_oid, new_oid;
};

/* Where updates are judged. Life: zeroed, fill, judge..., release. */
struct place {
	const struct gate_args *args;
	struct cs_repo *repo;
	bool server;
	struct cs_remote remote; /* a client's */
	char *default_ref;	 /* owned */
	struct cs_strv repositories;
	struct cs_oid notes[3]; /* own, fetched (a client's), incoming; len 0: none */
	struct cs_oid provenance;
	bool local;		   /* a clone's own branches are judged */
	struct cs_oid arrived[64]; /* what a remote has just sent, in the same transaction */
	size_t n_arrived;
	struct cs_strv pushed; /* the remote's names of what a push updates */
	struct cs_buf said;    /* explanations, for standard error */
	bool denied;
	cJSON *reports; /* --json */
};

/* Finds what judging needs: remote (NULL: the branch's), names, notes. */
int place_ready(struct place *p, const char *remote, const char *url,
		struct cs_err *err) CS_CHECKED;
/* The remote's notes as they were fetched last. */
int find_fetched(struct place *p, struct cs_err *err) CS_CHECKED;
/* The hook that was here before: the same words, the same input; its refusal is one. */
int run_chained(struct place *p, const struct cs_strv *operands, const struct cs_buf *input,
		struct cs_err *err) CS_CHECKED;
/* Judges one update, says why, and notes a denial in the place. */
int judge(struct place *p, const struct update *u, struct cs_err *err) CS_CHECKED;

/* What is managed, and the user's own file: for what a push shares. The caller frees. */
int load_user_policy(struct cs_policy **out, const struct place *p, struct cs_err *err) CS_CHECKED;

/* The verbs. Each leaves its verdict in *status: 0 or 1. */
int hook_receive(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;
int hook_update(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;
int hook_push(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;
int verify(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;
int install(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;
int hook_merge(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;
int hook_transaction(struct place *p, const struct cs_strv *operands,
		     struct cs_err *err) CS_CHECKED;
/* Without a repository: hooks for every clone to come. */
int install_template(const struct gate_args *args, struct cs_err *err) CS_CHECKED;
int uninstall(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;
int hook_status(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;

#endif
