/* SPDX-License-Identifier: Apache-2.0 */
/* git agent-gate: the parts of the program. */
#ifndef GIT_AGENT_GATE_H
#define GIT_AGENT_GATE_H

#include "countersign/gate.h"
#include "countersign/remote.h"

#define PROGRAM "git-agent-gate"

struct gate_args {
	bool server, client, json, fetch;
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
	struct cs_oid notes[3]; /* own, fetched, incoming; len 0: none */
	struct cs_oid provenance;
	bool denied;
	cJSON *reports; /* --json */
};

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
int uninstall(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;
int hook_status(struct place *p, const struct cs_strv *operands, struct cs_err *err) CS_CHECKED;

#endif
