/* SPDX-License-Identifier: Apache-2.0 */
/* What happens in a run becomes events, counts and verdicts. */
#ifndef REPORT_H
#define REPORT_H

#include "run.h"

/* peers.c: who makes a connection, and to what. */
struct peers *peers_new(void);
void peers_free(struct peers *peers);
/* A call of connect, before it goes on; and which command it was that connected this socket, or 0. */
void peers_calls(struct peers *peers, const struct cs_trace_connect *connect);
pid_t peers_command(const struct peers *peers, uint64_t cookie);
/* An address of CS_EGRESS_NET stands for a name; which one, or NULL. */
void peers_stands(struct peers *peers, const char *addr, const char *host);
const char *peers_name(const struct peers *peers, struct in_addr addr);

/* attempts.c: connections that the kernel refuses. */
#define ATTEMPTS_MAX 64
struct attempt {
	pid_t pid;
	int family, type;
	uint8_t addr[16];
	uint16_t port;
	const char *host; /* whom the address stands for, or NULL; peers.c keeps it */
	const char *why;
	uint64_t more; /* behind the first one */
};
struct attempts {
	struct attempt list[ATTEMPTS_MAX]; /* of this period */
	size_t n;
	uint64_t unlisted;
	int seconds, period_s;
};

struct report {
	struct run *run;
	struct peers *peers;
	struct programs *programs;
	uint64_t unattributed; /* connections without a command */
	struct supervisor *supervisor;
	struct attempts attempts;
	struct cs_err err; /* the first failure of ours: nothing is allowed any more */
};

void report_egress(struct report *r, const struct cs_egress_event *event);
enum cs_trace_verdict report_exec(void *arg, const struct cs_trace_exec *exec,
				  char reason[CS_TRACE_REASON_MAX]);
void report_exit(void *arg, const struct cs_trace_exit *end);
void report_connect(void *arg, const struct cs_trace_connect *connect);
/* Once a second, and when nothing lives any more: what was only counted is told. */
void attempts_end_period(struct report *r, bool last);
void report_trace_end(struct report *r, const struct cs_trace *trace);

/* Takes fields. */
void report_add(struct report *r, const char *type, cJSON *fields);
/* The line for the agent to read. */
void report_unreachable(struct report *r, const char *host, uint16_t port, const char *why);

/* One thing that an exec may be said to run, with the arguments that are its own. */
struct subject_file {
	const char *name;	 /* last component */
	const char *path;	 /* where it can be read, where sha256 is not known; or NULL */
	const char *argv0, *arg; /* the first argument behind, or NULL */
	uint64_t dev, ino, size; /* 0: not known */
	bool script;
	bool unknown; /* there is something, and it cannot be looked at */
	char sha256[CS_SHA256_HEX];
};

#define SUBJECT_WORDS 10 /* five scripts, as many as the kernel follows, with an argument each */
#define SUBJECT_FILES (SUBJECT_WORDS + 3)

/* What is about to run. */
struct subject {
	pid_t pid; /* stands still */
	const char *cwd;
	struct subject_file files[SUBJECT_FILES];
	size_t n;
};

/* programs.c: which files the rules' programs are. Borrows path. Rules by their place in the policy. */
struct programs *programs_new(const struct cs_policy *policy, const struct cs_strv *path,
			      uid_t uid);
void programs_free(struct programs *programs);
/* Looks for them, once, where pid sees them. */
void programs_find(struct programs *programs, pid_t pid);
/* True also for a file that may be the rule's program, and cannot be looked at. */
bool programs_is(struct programs *programs, size_t rule, const struct subject *subject,
		 struct subject_file *file);
bool programs_is_loader(struct programs *programs, const struct subject *subject,
			struct subject_file *file);
bool programs_have_scripts(const struct programs *programs);
/* Whether the program may be one that the run's user cannot read; also where it was not found. */
bool programs_may_be_unreadable(const struct programs *programs, size_t rule);
/* Takes path, as the subject has it, for the next of its files, whose arguments begin at arg. */
struct subject_file *subject_look(struct subject *subject, const char *path, const char *arg);

/* rules.c */
struct judgement {
	bool allow;
	/* The strictest one that matches, or could; NULL: none. */
	const struct cs_command_rule *rule;
	const char *why; /* it is not allowed; NULL: the rule says no more */
};
void judge_command(struct judgement *out, struct report *r, const struct cs_trace_exec *exec);

#endif
