/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs on disk and in git. While it lives, a run is a directory
 *
 *	<common dir>/agent-run/runs/<id>/	0700, `lock` flocked by its supervisor
 *		run.json			what is known of it (schema countersign.run/v1)
 *		events.jsonl			the event log, a hash chain
 *		policy, prompt			as they were in force
 *		upper/ work/ home/ ...		scratch layers (lib/worktree, lib/sandbox)
 *
 * Its record is a commit, refs/agent-run/<first 2>/<id>: first parent the change (the base when
 * nothing changed), tree: statement.json, statement.dsse, run.json, events.jsonl, policy, prompt,
 * session, commits (those that the run has). The reference is written once, last: the single commit point. After
 * it the directory goes.
 * A directory without reference whose lock is free is an interrupted run: shown, and recoverable.
 */
#ifndef COUNTERSIGN_RECORD_H
#define COUNTERSIGN_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "countersign/base.h"
#include "countersign/capture.h"
#include "countersign/change.h"
#include "countersign/repo.h"

#define CS_RUN_ID_HEX 33 /* 32 hex digits and NUL */
#define CS_RUN_SCHEMA "countersign.run/v1"

bool cs_run_id_valid(const char *id);

enum cs_run_state {
	CS_RUN_FAILED = 0,
	CS_RUN_RUNNING,
	CS_RUN_PROPOSED,
	CS_RUN_EMPTY,
	CS_RUN_SIGNED_OFF,
	CS_RUN_CHANGES_REQUESTED,
	CS_RUN_MERGED,
	CS_RUN_INTERRUPTED,
};
const char *cs_run_state_name(enum cs_run_state state);

/* What is known of a run. Every pointer is owned; NULL or -1 where not known. */
struct cs_run_info {
	char id[CS_RUN_ID_HEX];
	char *title;
	enum cs_run_state state;
	struct cs_oid base_commit, base_tree;
	struct cs_oid uncommitted_on;		  /* the base is the operator's work on this commit */
	struct cs_oid start_commit, start_tree;	  /* where the run continued; len 0: at the base */
	char continues[CS_RUN_ID_HEX];		  /* the run whose change that was; "" */
	struct cs_oid visible_tree;		  /* of the start, without hidden files; len 0: all */
	int64_t hidden_files;
	struct cs_oid change_commit, change_tree; /* since the base; len 0: none */
	char change_digest[CS_SHA256_HEX];
	char *profile, *agent_version, *author_name, *author_email;
	struct cs_strv argv;
	char *operator_name, *operator_email;
	int64_t started_ns, ended_ns; /* wall clock; 0 not yet */
	int64_t duration_ms;
	int exit_code, exit_signal; /* of the agent; -1 */
	char *exit_reason;	    /* "exited", "signal", "timeout", "limit", "interrupted", ... */
	char *level;		    /* "full" or "degraded" */
	char *worktree;		    /* "overlay" or "checkout" */
	cJSON *layers;		    /* the sandbox{layers} object */
	/* [{path, commit, populated, reason}] of what the run began with, and how many more there were */
	cJSON *submodules; /* NULL: none */
	int64_t submodules_omitted;
	struct cs_strv carried;	     /* paths of the checkout that git ignores and the agent had */
	struct cs_strv not_enforced; /* limits that could not be */
	char policy_digest[CS_SHA256_HEX];
	struct cs_strv policy_sources;
	struct {
		int64_t commands, commands_failed, commands_denied, commands_unverified,
			failed_execs, connections, connections_denied, files_changed, lines_added,
			lines_deleted;
	} counts;
	struct cs_findings findings;
	int64_t events;
	char trace_head[CS_SHA256_HEX];
	/* needed to capture after a crash; in run.json's "scratch", not part of the schema */
	char *pristine;
	uid_t uid;
	gid_t gid;
};
void cs_run_info_init(struct cs_run_info *info);
void cs_run_info_release(struct cs_run_info *info);
/* Where the run began: the start, else the base; and what of it the agent saw. */
const struct cs_oid *cs_run_start_commit(const struct cs_run_info *info);
const struct cs_oid *cs_run_start_tree(const struct cs_run_info *info);
const struct cs_oid *cs_run_visible_tree(const struct cs_run_info *info);
/* The schema countersign.run/v1; to and from JSON. Reading takes what it understands. */
cJSON *cs_run_info_to_json(const struct cs_run_info *info);
int cs_run_info_from_json(struct cs_run_info *out, const cJSON *json,
			  struct cs_err *err) CS_CHECKED;

/* ---- the event log ---- */

struct cs_log;
/*
 * Opens (creates, or continues after checking the chain) events.jsonl in a run directory. What a
 * crash left behind the last good line is cut off, and said in a finding event "log-truncated".
 * cs_log_add completes the object (NULL: none) with seq, t and prev, writes one line, and takes
 * it, on failure too. Written before they take effect; cs_log_sync makes them durable (each
 * second, and before every answer or verdict). Lines are at most 1 MiB and 48 levels deep: an
 * event beyond that is written as its type, size and SHA-256 ("oversized"). A log holds 1 GiB at
 * most: what has no room is counted, and told by a finding "log-full", there and of the run.
 */
int cs_log_open(struct cs_log **out, int run_dir_fd, struct cs_err *err) CS_CHECKED;
int cs_log_add(struct cs_log *log, const char *type, cJSON *fields, struct cs_err *err) CS_CHECKED;
int cs_log_sync(struct cs_log *log, struct cs_err *err) CS_CHECKED;
void cs_log_head(const struct cs_log *log, int64_t *events, char head[CS_SHA256_HEX]);
void cs_log_free(struct cs_log *log);
/* Checks a log's chain; counts lines. CS_CORRUPT names the first bad line. */
int cs_log_verify(int64_t *events, char head[CS_SHA256_HEX], const char *data, size_t len,
		  struct cs_err *err) CS_CHECKED;

/*
 * Reads a log from the start of fd, in bounded memory, and shows each event with the place of its
 * line. Fills events and head as cs_log_verify does. CS_CORRUPT names the first bad line: what is
 * behind it, and is JSON, was shown all the same. live: a last line without its end is no error.
 */
struct cs_log_place {
	int64_t offset;
	uint32_t len; /* without the LF */
};
int cs_log_scan(int64_t *events, char head[CS_SHA256_HEX], int fd, bool live,
		void (*each)(void *arg, const cJSON *event, struct cs_log_place at), void *arg,
		struct cs_err *err) CS_CHECKED;

/* ---- the directory ---- */

struct cs_run_dir {
	char id[CS_RUN_ID_HEX];
	char *path; /* absolute */
	int fd;
	int lock_fd; /* flocked exclusively */
};
#define CS_RUN_DIR_INIT                 \
	{                               \
		.fd = -1, .lock_fd = -1 \
	}

/*
 * <state>/sessions/<id>/: what the agent of a recorded run remembers of it, in HOME's layout. In a
 * run's directory: which paths of HOME that will be, a line each.
 */
#define CS_RUN_SESSIONS "sessions"
/* In a run's directory: the path of its cgroup, whose last component is this and the id. */
#define CS_RUN_CGROUP_FILE "cgroup"
#define CS_RUN_CGROUP	   "agent-run-"

/* <common dir>/agent-run; made with 0700. Read-only or full: one clear line. */
int cs_state_dir(char **out, const struct cs_repo *repo, struct cs_err *err) CS_CHECKED;
/* Its path, without making it, for those who only read; the caller frees. */
char *cs_state_path(const struct cs_repo *repo);
/* A new run: id, directory, lock. When root, the directory is given to uid:gid. */
int cs_run_dir_create(struct cs_run_dir *out, const char *state_dir, uid_t uid, gid_t gid,
		      struct cs_err *err) CS_CHECKED;
/* An existing one. CS_BUSY while its supervisor lives; CS_NOTFOUND. */
int cs_run_dir_open(struct cs_run_dir *out, const char *state_dir, const char *id,
		    struct cs_err *err) CS_CHECKED;
void cs_run_dir_close(struct cs_run_dir *dir);
/* Removes the directory and everything in it; the lock is held until the end. */
int cs_run_dir_remove(struct cs_run_dir *dir, struct cs_err *err) CS_CHECKED;
/*
 * When there are many loose references of runs (a hundred: gc.auto / 67; never where that is 0 or
 * gc.packRefs is false), packs them, their objects, and, beyond gc.autoPackLimit, small packs. Nothing
 * is expired. A failure loses nothing: the next call does it.
 */
int cs_runs_pack(const struct cs_repo *repo, struct cs_err *err) CS_CHECKED;
/* Moves what the agent remembers out of it; the run is recorded, and the directory goes next. */
int cs_run_keep_sessions(const struct cs_run_dir *dir, const char *state_dir,
			 struct cs_err *err) CS_CHECKED;
/*
 * Files of HOME that the agent may refresh, by their paths in it: which bytes the run's HOME has of
 * them is written to its directory; later, those that changed come back to `home`, where that is still
 * the same file. told: each that came back (why NULL) or could not.
 */
typedef void cs_login_fn(void *arg, const char *path, const struct cs_err *why);
int cs_run_remember_logins(const struct cs_run_dir *dir, const struct cs_strv *paths,
			   struct cs_err *err) CS_CHECKED;
void cs_run_return_logins(const struct cs_run_dir *dir, const char *home, cs_login_fn *told, void *arg);
/* Replaces run.json atomically. */
int cs_run_dir_save(const struct cs_run_dir *dir, const struct cs_run_info *info,
		    struct cs_err *err) CS_CHECKED;

/* ---- the record ---- */

struct cs_finish_opts {
	struct cs_repo *repo;
	struct cs_run_dir *dir;
	struct cs_log *log; /* finding and run.end events go there; synced */
	const struct cs_strv *sensitive;
	const char *home;	   /* of the operator, for logins when a run is recovered; NULL: none */
	const char *user_excludes; /* of cs_worktree_excludes(); NULL: none */
	const char *key_dir;	   /* of the machine's key (lib/attest); NULL: nothing is signed */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void (*warn)(void *arg, const char *what); /* what the record does without; NULL */
	void *arg;				   /* of both */
};
/*
 * Capture, change commit, record commit, reference: in this order, restartable until the
 * reference is written. Fills info (change, counts, findings, state unless already interrupted
 * or failed). Author: the profile's; committer: the operator. Message: title, the agent's own
 * commit messages, trailers Agent-Run and Assisted-by. Where the run continues another one, the
 * change is that of both, and so are the messages and what was found in files that stayed.
 *
 * The statement is signed with the machine's key; behind the reference the envelope is attached to
 * the change, as notes. Neither is worth a run: what fails there only warns.
 */
int cs_run_finish(struct cs_run_info *info, const struct cs_finish_opts *opts,
		  struct cs_err *err) CS_CHECKED;

/*
 * Finishes a run whose supervisor died: captures what is there and records it as interrupted;
 * counts and findings come from the event log. opts: repo, sensitive, user_excludes, progress
 * (dir and log are this function's). The directory goes. CS_BUSY: it is running; CS_NOTFOUND: no
 * such directory, or the run had not begun (its directory is removed).
 */
int cs_run_recover(struct cs_run_info *info, const char *state_dir, const char *id,
		   const struct cs_finish_opts *opts, struct cs_err *err) CS_CHECKED;

/* ---- what runs made ---- */

/*
 * An index of the commits, trees and files of 128 bytes or more that runs made, for the gate's
 * hints: <common dir>/agent-run/made. Losing it loses hints only. cs_run_finish() adds to it.
 */
int cs_made_add(const struct cs_repo *repo, const char *run, const struct cs_oid *base_tree,
		const struct cs_oid *commit, const struct cs_oid *tree,
		struct cs_err *err) CS_CHECKED;
/*
 * Fills run where a run made the object; the others stay as they are. Each id once. Reads the file
 * once, whatever n is. The layout is that of struct cs_gate_known.
 */
struct cs_made {
	struct cs_oid oid;
	char run[CS_RUN_ID_HEX];
};
int cs_made_find(const struct cs_repo *repo, struct cs_made *list, size_t n,
		 struct cs_err *err) CS_CHECKED;

/* ---- finding runs ---- */

/* Resolves a prefix (>= 4 digits), "-1".."-n" (latest first), or NULL (the latest). */
int cs_run_find(char id[CS_RUN_ID_HEX], struct cs_repo *repo, const char *state_dir,
		const char *spec, struct cs_err *err) CS_CHECKED;
/* Loads one, from its record or (running, interrupted) its directory. */
int cs_run_load(struct cs_run_info *out, const struct cs_repo *repo, const char *state_dir,
		const char *id, struct cs_err *err) CS_CHECKED;
/*
 * One file of it ("events.jsonl", "policy", "prompt", "session", "statement.json",
 * "statement.dsse", "commits"), at most 1 GiB (CS_LIMIT). CS_NOTFOUND: this run has none.
 */
int cs_run_read(struct cs_buf *out, const struct cs_repo *repo, const char *state_dir,
		const char *id, const char *file, struct cs_err *err) CS_CHECKED;
/*
 * The same as a descriptor to read and seek, whatever its size: the directory's own file, or an
 * unlinked copy of the record's. The caller closes it.
 */
int cs_run_open(int *fd, const struct cs_repo *repo, const char *state_dir, const char *id,
		const char *file, struct cs_err *err) CS_CHECKED;
/*
 * The fingerprint of the key that signed a record's statement; says nothing about whose it is.
 * CS_NOTFOUND: it is not signed. CS_REFUSED, CS_CORRUPT: it is, and that does not hold.
 */
int cs_run_signer(char fingerprint[64], const struct cs_repo *repo, const char *state_dir,
		  const char *id, struct cs_err *err) CS_CHECKED;
/*
 * All runs, newest first; ids are owned by the list. Tidies up on the way: directories of runs
 * whose record is written, and what killed creations and removals left behind.
 */
int cs_run_list(struct cs_strv *out, struct cs_repo *repo, const char *state_dir,
		struct cs_err *err) CS_CHECKED;
/*
 * A line about the runs whose supervisor was killed and that are not recorded yet, with the command
 * that helps, or NULL; the caller frees. Removes what such runs left of cgroups. Looks at the
 * directories of runs that are not recorded only, so that every command can ask.
 */
char *cs_run_orphans(const struct cs_repo *repo);
/* Removes a run's reference and directory; running ones are CS_BUSY. */
int cs_run_remove(struct cs_repo *repo, const char *state_dir, const char *id,
		  struct cs_err *err) CS_CHECKED;

#endif
