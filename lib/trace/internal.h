/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of lib/trace share.
 *
 *	listener.c	notification -> call          seize.c	call -> seized thread -> stop
 *	image.c		stop -> what runs             digest.c	file -> SHA-256
 *	deny.c		verdict -> status 126         exit.c	process -> exit status
 *	connect.c	notification -> who connects  pidmap.c	pid -> thing
 *	trace.c		the public calls              regs.c	the registers of an image
 */
#ifndef LIB_TRACE_INTERNAL_H
#define LIB_TRACE_INTERNAL_H

#include <limits.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include "countersign/trace.h"

/* ---- pidmap.c ---------------------------------------------------------------------------- */

/* From a pid to something of the caller's. Life: zero, set/get/take, release. */
struct pidmap {
	struct pidmap_slot {
		pid_t pid; /* 0: free */
		void *item;
	} * slots;
	size_t n, cap; /* cap: 0 or a power of two */
};
void *pidmap_get(const struct pidmap *map, pid_t pid); /* NULL: none */
void pidmap_set(struct pidmap *map, pid_t pid, void *item);
void *pidmap_take(struct pidmap *map, pid_t pid); /* removes it; NULL: was not there */
/* The items one by one: start with *at = 0; NULL at the end. Not while the map changes. */
void *pidmap_next(const struct pidmap *map, size_t *at);
void pidmap_release(struct pidmap *map);

/* ---- listener.c -------------------------------------------------------------------------- */

enum call_kind {
	CALL_EXEC = 0,
	CALL_CONNECT,
	CALL_SOCKETCALL, /* the same for i386: the arguments stand in memory */
	CALL_PTRACE,
	CALL_EXIT, /* where the kernel does not keep the status */
};

/* One that waits for an answer. */
struct call {
	struct call *next; /* in its process's queue */
	uint64_t id;
	pid_t tid;
	uint64_t path; /* addresses in the caller; 0: not known for this ABI */
	uint64_t argv; /* 0 also for ABIs with 32-bit pointers */
	enum call_kind kind;
	uint64_t args[3]; /* of a connect */
};

#define LISTENER_IN_HAND 1024 /* seized threads at once; further calls wait in the kernel */

void listener_ready(void *arg, int fd, uint32_t events);
/* A thread is seized no longer: there may be room for further calls. */
void listener_resume(struct cs_trace *trace);
/* 0: continue. Else the call fails with this errno. The caller may be dead: no matter. */
void listener_answer(struct cs_trace *trace, uint64_t id, int sys_errno);
bool listener_is_valid(const struct cs_trace *trace, uint64_t id);
void listener_close(struct cs_trace *trace);
/* True when path names nothing, as tid sees it. */
bool listener_is_missing(const char *path, pid_t tid);

/* ---- seize.c ----------------------------------------------------------------------------- */

enum stage {
	STAGE_CALL = 0, /* its exec goes on */
	STAGE_HELD,	/* stopped at the exec until the digest of its file is known */
	STAGE_DYING,	/* denied */
};

/* A seized thread; the only one of its process. */
struct tracee {
	struct cs_trace *trace;
	pid_t tid, tgid;
	enum stage stage;
	int pidfd;		   /* of tgid, or -1 */
	int proc_fd;		   /* of tid */
	char *asked;		   /* the path that it asked for, a hint; or "" */
	struct digest_job *job;	   /* STAGE_HELD */
	int steps;		   /* STAGE_DYING */
	uint64_t timer;		   /* STAGE_DYING */
	struct call *first, *last; /* further execs of the process */
};

/* The timer that ends a call which does not return. */
struct guard {
	timer_t timer;
	bool ready;
	int64_t limit_ns;
	struct sigaction before;
};

int seize_init(struct cs_trace *trace, struct cs_err *err);
/* The process of a thread; its *pidfd, or -1 where the thread is not its leader. */
pid_t seize_process_of(pid_t tid, int *pidfd);
void seize_release(struct cs_trace *trace);
void seize_submit(struct cs_trace *trace, const struct call *call);
void seize_event(struct cs_trace *trace, pid_t pid, int status);
/* Between the two, waits that signals can end take GUARD_PULSE_NS at most. */
void guard_start(const struct guard *guard);
void guard_stop(const struct guard *guard);
/* The digest that t waited for is there: hex, "" for unknown. */
void seize_digest_known(struct tracee *t, const char *hex);

/* ---- regs.c ------------------------------------------------------------------------------ */

struct regs {
	uint64_t pc, sp;
	bool narrow; /* a 32-bit image */
};
bool regs_read(struct regs *out, pid_t pid); /* pid is stopped and ours */

/* ---- image.c ----------------------------------------------------------------------------- */

#define IMAGE_WINDOW 16384

/* Room for one event, used again for each. */
struct image {
	char exe[PATH_MAX + 1];
	char file[PATH_MAX + 1];
	char cwd[PATH_MAX + 1];
	struct cs_buf argv;
	char window[IMAGE_WINDOW]; /* of the new stack */
};

/* A descriptor of /proc/<tid>, or -1. It stays with the thread, not with the number. */
int proc_open(pid_t tid);

/* The fields of /proc/<pid>/stat that matter here, see proc_pid_stat(5). */
struct proc_stat {
	char state;
	pid_t ppid;
	int exit_code;
};
/* False for what is no such line. The command's name in it is hostile. */
bool proc_stat_parse(struct proc_stat *out, const char *text);
bool proc_stat_read(struct proc_stat *out, int proc_fd);

/* Lines of status, see proc_pid_status(5). */
struct proc_status {
	pid_t tgid, tracer;
	uid_t euid;
};
bool proc_status_read(struct proc_status *out, int proc_fd);

/* Copies from a process; returns the bytes read, less than n where its memory ends. */
size_t image_copy(void *to, pid_t pid, uint64_t from, size_t n);
/* A string of at most cap - 1 bytes; false (and "") if it cannot be read or is longer. */
bool image_copy_string(char *to, size_t cap, pid_t pid, uint64_t from);
/* Describes the image of t, which is stopped at its exec; *out borrows from trace->image. */
void image_read(struct cs_trace_exec *out, struct cs_trace *trace, const struct tracee *t,
		const struct stat *exe, const char *digest);
/* Describes a call that cannot be watched, from the caller's memory. */
void image_guess(struct cs_trace_exec *out, struct cs_trace *trace, const struct call *call,
		 pid_t tgid, int proc_fd, const char *why);

/* ---- digest.c ---------------------------------------------------------------------------- */

struct digests;
struct digest_job;
struct digests *digests_new(struct cs_trace *trace);
/*
 * The digest of the file that t, stopped at its exec, runs: hex, or "" when it cannot be known.
 * NULL: seize_digest_known() will be called for t, whose job has been set.
 */
const char *digest_get(struct tracee *t, const struct stat *exe);
void digests_free(struct digests *digests);

/* ---- deny.c ------------------------------------------------------------------------------ */

/* t, stopped at its exec, will end; its further stops come to deny_stop(). */
void deny_start(struct tracee *t, const char *reason);
void deny_stop(struct tracee *t, int status);

/* ---- connect.c --------------------------------------------------------------------------- */

/* Tells the owner; the call is to be answered behind it. */
void connect_report(struct cs_trace *trace, const struct call *call);

/* ---- exit.c ------------------------------------------------------------------------------ */

void exit_init(struct cs_trace *trace);
/* Takes pidfd (-1: opens one). Called for each exec event of the process. */
void exit_watch(struct cs_trace *trace, pid_t pid, int pidfd);
/* Reports the end of the process that had this number, if it is another's now. */
void exit_settle(struct cs_trace *trace, pid_t pid);
/* True for a living process that is watched. */
bool exit_is_watched(const struct cs_trace *trace, pid_t pid);
/* Of a process that is not reaped; 0: not known. */
pid_t exit_parent_of(const struct cs_trace *trace, int pidfd, int proc_fd);
/* A process says with which status it ends. */
void exit_said(struct cs_trace *trace, const struct call *call);
/* PIDFD_INFO_EXIT: this kernel keeps the status of a process for whoever has a pidfd of it. */
bool exit_is_kept(void);
void exit_finish(struct cs_trace *trace);
void exit_release(struct cs_trace *trace);

/* ---- trace.c ----------------------------------------------------------------------------- */

struct cs_trace {
	struct cs_loop *loop;
	struct cs_trace_ops ops;
	struct cs_trace_counts counts;

	int listener_fd;
	bool paused; /* as many threads are seized as may be: */
	size_t in_hand_max;
	struct seccomp_notif *request;
	size_t request_size;	  /* the kernel's, where that is more than the headers' */
	bool killable;		  /* the wait for an answer ends by fatal signals only */
	char asked[PATH_MAX + 1]; /* path of the call in hand; "" unknown */

	uint64_t ran_lately[256]; /* seize.c: paths, as hashes */
	struct pidmap tracees;	  /* by tid */
	struct pidmap processes;  /* the same, by tgid */
	size_t n_waiting;	  /* calls in the queues of all of them */
	struct guard guard;

	struct image image;
	struct digests *digests;

	struct pidmap commands; /* exit.c: live processes that had an event */
	struct command *first_command;
	size_t max_commands;
	bool has_exit_info; /* PIDFD_INFO_EXIT, Linux 6.15 */
	uint64_t sweep_timer;
};

/* pid itself, or its nearest living ancestor that has an exec event; 0: none. */
pid_t trace_command_of(const struct cs_trace *trace, pid_t pid);
/* Tells the owner; fills what is the same for all events. */
enum cs_trace_verdict trace_report(struct cs_trace *trace, struct cs_trace_exec *exec,
				   char reason[CS_TRACE_REASON_MAX]);

#endif
