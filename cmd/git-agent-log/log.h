/* SPDX-License-Identifier: Apache-2.0 */
/* git-agent-log: what its files share. Everything that a run said passes through escaping. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include "countersign/base.h"
#include "countersign/record.h"
#include "countersign/repo.h"
#include "countersign/review.h"

/* What --show shows; the words stand in main.c in this order. */
enum show {
	SHOW_SUMMARY = 0,
	SHOW_COMMANDS,
	SHOW_NETWORK,
	SHOW_DENIED,
	SHOW_FINDINGS,
	SHOW_EVENTS,
	SHOW_DIFF,
	SHOW_SESSION,
};

/* The command line (main.c). */
struct log_opts {
	int64_t n;	   /* -1: all */
	int show;	   /* enum show */
	int export_format; /* 0: none */
	bool all, follow, json;
	int64_t older_than_ms; /* -1: not given */
};

struct log {
	const struct log_opts *opts;
	struct cs_repo *repo;
	char *state_dir;
	struct cs_out out;
};

/* text.c */

/* Foreign text as one line. */
void add_foreign(struct cs_buf *out, const char *s);
/* The detail of a finding: its maker has escaped it; anything that is left is escaped here. */
void add_detail(struct cs_buf *out, const char *s);
/* Columns of the terminal that a text takes: code points, none of them a control character. */
size_t columns_of(const struct cs_buf *text);
/* Shortens a text to so many, the last of them an ellipsis. */
void cut_to(struct cs_buf *text, size_t columns);
/* As a shell would need it to be typed, then escaped. */
void add_word(struct cs_buf *out, const struct cs_buf *word);
void add_words(struct cs_buf *out, const cJSON *argv);
void add_duration(struct cs_buf *out, int64_t ms);

/* The verbs; each returns 0 or a negative code. */
int log_list(struct log *log, struct cs_err *err) CS_CHECKED;			/* list.c */
int log_show(struct log *log, const char *spec, struct cs_err *err) CS_CHECKED; /* show.c */
int log_prune(struct log *log, const struct cs_strv *specs, struct cs_err *err) CS_CHECKED;
int log_recover(struct log *log, const struct cs_strv *specs, struct cs_err *err) CS_CHECKED;

/* summary.c, commands.c, network.c, events.c, follow.c: parts of show.c */
int show_summary(struct log *log, const struct cs_run_info *info, struct cs_err *err) CS_CHECKED;
int show_commands(struct log *log, const struct cs_run_info *info, struct cs_err *err) CS_CHECKED;
int show_network(struct log *log, const struct cs_run_info *info, struct cs_err *err) CS_CHECKED;
int show_events(struct log *log, const struct cs_run_info *info, enum show show,
		struct cs_err *err) CS_CHECKED;
/* At most max of them, and how many more there are. */
void show_findings(struct log *log, const struct cs_run_info *info, size_t max);
int follow(struct log *log, const char *id, enum show show, struct cs_err *err) CS_CHECKED;

#endif
