/* SPDX-License-Identifier: Apache-2.0 */
/* What the views of the event log share: reading it, the text of a command, lines. */
#ifndef VIEW_H
#define VIEW_H

#include "log.h"

#define MAX_PID (1 << 22) /* PID_MAX_LIMIT */

/* ---- reading (reading.c) ---- */

typedef void each_event(void *arg, const cJSON *event, struct cs_log_place at);
/*
 * Opens a run's log and shows every event to each(). Says on standard error when it is not what
 * the record vouches for: it is shown all the same, since it is what there is. The caller closes
 * *fd, with which read_event() finds a line again.
 */
int read_log(int *fd, const struct log *log, const struct cs_run_info *info, each_event *each,
	     void *arg, struct cs_err *err) CS_CHECKED;
/* NULL: it is not there any more, or was damaged. The caller deletes it. */
cJSON *read_event(int fd, struct cs_log_place at);

bool is_type(const cJSON *event, const char *type);
bool is_allowed(const cJSON *event);
/* Nanoseconds since the start of the run. */
int64_t event_time(const cJSON *event, int64_t started_ns);

/* ---- commands as texts (command.c) ---- */

/* The command is a script that env is to find an interpreter for. */
bool is_env_script(const cJSON *exec);
/* The name of the program: the script's, where it is one. Foreign bytes, not escaped. */
void add_program(struct cs_buf *out, const cJSON *exec);
/* The command line, escaped; columns other than 0: about as much of it as can be shown. */
void add_command(struct cs_buf *out, const cJSON *exec, size_t columns);

/* ---- lines (line.c) ---- */

#define MAX_TAILS 8
/*
 * A line of a view: when and how, then an indented text that may be shortened, then remarks that
 * may not: where they do not fit behind the text, they go to a line of their own.
 */
struct line {
	struct cs_buf lead;
	size_t lead_columns, indent;
	struct cs_buf text;
	enum cs_colour colour;
	struct tail {
		struct cs_buf text;
		enum cs_colour colour;
	} tails[MAX_TAILS];
	size_t n_tails;
};
void line_init(struct line *line);
void line_release(struct line *line);
/* "     1.500s  ", the beginning of every lead. */
void line_time(struct line *line, const struct cs_out *out, int64_t at_ns);
void line_lead(struct line *line, const struct cs_out *out, enum cs_colour colour,
	       const char *text);
/* Another remark, to be filled by the caller. */
struct cs_buf *line_tail(struct line *line, enum cs_colour colour);
/*
 * What must be said of a command: that it is not verified, not what it is called, refused; behind
 * a script its interpreter (NULL: the one that the event names).
 */
void line_marks(struct line *line, const cJSON *exec, const char *interpreter);
/* How many columns the text may have. 0: any number. */
size_t line_room(const struct line *line, const struct cs_out *out);
void line_write(struct line *line, struct cs_out *out);

/* ---- one line for an event (events.c) ---- */

/* What is known of the commands that are running while events are read. */
struct live {
	struct live_command {
		struct cs_log_place at;
		uint32_t depth; /* plus one; 0: none */
	} * by_pid;
	int fd;
	int64_t started_ns;
};
void live_init(struct live *live, int fd, int64_t started_ns);
void live_release(struct live *live);
/* To be called for every event, after it was shown. */
void live_take(struct live *live, const cJSON *event, struct cs_log_place at);
/* The place of the running command that an event names; len 0: none is known. */
struct cs_log_place live_place(const struct live *live, const cJSON *event);
bool event_is_shown(const cJSON *event, enum show show);
/* Without live->by_pid nothing is said of the commands behind it. */
void event_line(struct line *line, const struct log *log, const struct live *live,
		const cJSON *event);
/* "by curl -s https://..." */
void line_by(struct line *line, int fd, struct cs_log_place at);

/* ---- the tree (tree.c) ---- */

enum command_flags {
	COMMAND_DENIED = 1,
	COMMAND_UNVERIFIED = 2,
	COMMAND_ENDED = 4,
	COMMAND_REPLACED = 8, /* went on as the next command of its process */
	COMMAND_NETWORK = 16, /* made a connection, or tried */
	COMMAND_SIGNAL = 32,  /* code is the number of one */
	COMMAND_NO_STATUS = 64,
	COMMAND_MERGED = 128, /* a script of env's, with the interpreter that env started: two */
};

/* Numbers are indices of nodes; 0 is the run itself, above all commands, and "none". */
struct node {
	int64_t at_ns, duration_ms;
	int64_t offset;
	uint32_t len;
	uint32_t parent, first, last, next;
	uint32_t name;
	uint32_t interpreter; /* of a merged one: its name */
	uint32_t below;	      /* commands under this one, at every depth */
	int16_t code;
	uint8_t flags;
	bool by_env; /* "#!/usr/bin/env": the interpreter is still to come */
};

#define TREE_MAX_COMMANDS (1u << 22)
struct tree {
	struct node *nodes;
	size_t n, cap; /* with the run itself */
	bool merges;
	uint64_t dropped;
	struct name {
		char *text; /* not escaped */
		unsigned kind;
	} * names;
	size_t n_names, names_cap;
	uint32_t *buckets; /* of names: index plus one */
	uint32_t *latest;  /* by pid: its latest command */
	uint64_t merged, failed, denied, unverified, failed_execs;
};
/* merges: "#!/usr/bin/env" is not worth a command of its own. */
void tree_init(struct tree *tree, bool merges);
void tree_release(struct tree *tree);
void tree_take(struct tree *tree, const cJSON *event, struct cs_log_place at, int64_t started_ns);
/* To be called when all events are in. */
void tree_finish(struct tree *tree);
/* It failed, was refused, was not verified, or used the network: never folded away. */
bool tree_stands_out(const struct node *node);
bool tree_failed(const struct node *node);
/* The command next to n in a walk over everything below top, parents first; 0: that was all. */
uint32_t tree_next(const struct tree *tree, uint32_t n, uint32_t top);
/* The commands below n are shown as one line. */
bool tree_folds(const struct tree *tree, uint32_t n);
/* The last of a stretch of siblings that begins with n and is shown as one line; 0: none. */
uint32_t tree_stretch(const struct tree *tree, uint32_t n);

#endif
