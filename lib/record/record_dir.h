/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of this folder: directories, logs and references as all of them see them. */
#ifndef LIB_RECORD_RECORD_DIR_H
#define LIB_RECORD_RECORD_DIR_H

#include "countersign/record.h"

#define CS_RUN_FILE "run.json"
#define CS_LOG_FILE "events.jsonl"
#define CS_RECORDS  "refs/agent-run/"

/* Descriptor of <state>/runs, or a negative code; CS_NOTFOUND: no run was ever started here. */
int cs_runs_open(const char *state_dir, struct cs_err *err) CS_CHECKED;
/* Somebody holds the lock of runs/<name>, or it cannot be told. */
bool cs_run_dir_alive(int runs_fd, const char *name);
/* Removes runs/<name> if it is what a killed creation or removal left behind. */
void cs_run_dir_sweep(int runs_fd, const char *name);
/* What run.json of a directory says; without a readable one, no more than the id. */
int cs_run_dir_load(struct cs_run_info *out, int runs_fd, const char *id,
		    struct cs_err *err) CS_CHECKED;

/* Appends a copy. The detail is one line already: cs_finding_add() would escape it once more. */
void cs_finding_copy(struct cs_findings *to, const char *kind, const char *path,
		     const char *detail);

/* cs_log_open(), showing every event that is there already to each(arg, event). */
int cs_log_reopen(struct cs_log **out, int run_dir_fd, void (*each)(void *arg, const cJSON *event),
		  void *arg, struct cs_err *err) CS_CHECKED;
/* What was cut off when the log was opened, for a finding; NULL: nothing. The caller frees. */
#define CS_LOG_CUT_KIND "log-truncated"
/*
 * Bytes of a log, as many as are read back from a record. The last CS_LOG_FOR_FINDINGS of them are
 * for findings and limits, the very last for the end: other events that have no room are counted.
 */
#define CS_LOG_MAX	    (INT64_C(1) << 30)
#define CS_LOG_FOR_FINDINGS (64 << 20)
#define CS_LOG_FOR_END	    (4 << 20)
#define CS_LOG_FULL_KIND    "log-full"
/* For tests: another maximum, with a 16th of it for findings, and a half of that for the end. */
void cs_log_set_max(struct cs_log *log, int64_t max_bytes);
/* NULL while everything was written; the caller frees. */
char *cs_log_full_detail(const struct cs_log *log);
char *cs_log_cut_detail(const struct cs_log *log);
/* Time of the last event that was there when the log was opened; 0 when there was none. */
int64_t cs_log_last_ns(const struct cs_log *log);

/* Removes the cgroup that a run's directory names, if it is empty (orphans.c). */
void cs_run_cgroup_remove(int run_fd, const char *id);

/* "refs/agent-run/7f/7f3a..." */
char *cs_run_ref(const char *id);
/* The record commit of a run: 1, 0 for none, or a negative code. */
int cs_run_record(struct cs_oid *record, const struct cs_repo *repo, const char *id,
		  struct cs_err *err) CS_CHECKED;

/*
 * For a run that continues another one: the earlier one's findings about what stayed as it was,
 * sensitive paths of the change of both, and the earlier agent's commits in front of those of the
 * capture (inherit.c).
 */
int cs_run_inherit(struct cs_findings *found, struct cs_capture *capture,
		   const struct cs_run_info *info, const struct cs_strv *sensitive,
		   const struct cs_repo *repo, struct cs_err *err) CS_CHECKED;

/* One title line: no control characters, no "---" that git would take for the message's end. */
void cs_title_clean(struct cs_buf *out, const char *title);
/* The message of a change commit (message.c). */
void cs_change_message(struct cs_buf *out, const struct cs_run_info *info,
		       const struct cs_agent_commit *commits, size_t n);

/* Stands before the start time (RFC 3339) in a record commit's message. */
#define CS_STARTED "Started: "
/* cs_run_finish(); again: findings that info has already are not told a second time. */
int cs_run_finish_again(struct cs_run_info *info, const struct cs_finish_opts *opts, bool again,
			struct cs_err *err) CS_CHECKED;

/* One file of a record's tree. */
struct cs_record_file {
	const char *name;
	struct cs_oid oid; /* len 0: the run has no such file */
	char sha256[CS_SHA256_HEX];
};
#define CS_STATEMENT_FILE "statement.json"
#define CS_ENVELOPE_FILE  "statement.dsse"
/*
 * The envelope of a statement, signed with the machine's key (provenance.c); nothing is added, and
 * it is told, where that is not possible.
 */
void cs_provenance_sign(struct cs_buf *line, const struct cs_buf *statement,
			const struct cs_finish_opts *opts);
/* Attaches it to what the run made. Nothing where it is there already. */
int cs_provenance_attach(struct cs_repo *repo, const struct cs_run_info *info,
			 const struct cs_buf *line, struct cs_err *err) CS_CHECKED;
/* The same for a record that was written by somebody who could not. */
int cs_provenance_attach_again(struct cs_repo *repo, const char *state_dir, const char *id,
			       struct cs_err *err) CS_CHECKED;

/* The in-toto statement (statement.c); files are its byproducts. */
cJSON *cs_statement(const struct cs_run_info *info, const struct cs_record_file *files, size_t n);

#endif
