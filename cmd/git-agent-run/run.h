/* SPDX-License-Identifier: Apache-2.0 */
/* One run, as git-agent-run sees it: what was asked for, and what the stages have made of it. */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <sys/types.h>
#include "countersign/agent.h"
#include "countersign/base.h"
#include "countersign/egress.h"
#include "countersign/policy.h"
#include "countersign/record.h"
#include "countersign/repo.h"
#include "countersign/sandbox.h"
#include "countersign/trace.h"
#include "countersign/worktree.h"

/* The command line (main.c). */
struct run_opts {
	const char *title;
	const char *base;
	const char *continues; /* a run */
	const char *profile;
	const char *prompt;
	const char *prompt_file;
	const char *policy;
	struct cs_strv allow_host;
	struct cs_strv env;
	struct cs_strv carry;
	int64_t timeout_ms; /* -1: not given */
	const char *summary;
	bool with_uncommitted;
	bool no_tty;
	bool dry_run;
	bool json;
	bool degraded;
	char **command; /* NULL-terminated, borrowed from argv */
};

struct operator {
	char *user;
	char *home;
	uid_t uid; /* who the agent runs as */
	gid_t gid;
	bool root;
	const char *const *env;
};

struct run {
	const struct run_opts *opts;
	struct operator operator;
	struct cs_policy *policy;
	struct cs_profile profile;
	struct cs_repo *repo;
	struct cs_strv argv; /* with the profile's arguments */
	char *program;	     /* argv[0] found on the host's PATH, NULL for one of the worktree */
	char *cwd;
	bool root_owned; /* root, on a repository of root's */
	char *earlier_title, *earlier_profile; /* of the run that this one continues */
	struct cs_buf prompt;
	char *state_dir;
	struct cs_run_dir dir;
	struct cs_run_info info;
	struct cs_log *log;
	struct cs_worktree worktree;
	pid_t dirty_pid; /* looks for uncommitted changes; 0: not, or no longer */
	bool dirty;	 /* there are some, and it has not been said yet */
	int *carried_fds; /* of info.carried, or of copies; each as long as the run: it keeps the inode */
	size_t n_carried_fds, cap_carried_fds;
	struct cs_plan plan;
	bool overlay; /* layers of HOME are overlays too */
	bool degraded; /* without namespaces: see degraded.c */
	struct cs_sandbox *sandbox;
	struct cs_egress *egress;
	struct cs_egress_rule *rules;
	size_t n_rules;
	bool tty;
	struct stream *stream;
	struct limits *limits;
	bool went;  /* the agent was let go, and it was a program: from here nothing is thrown away */
	int status; /* what git-agent-run exits with */
	int64_t started_mono_ns;
};

void run_init(struct run *run, const struct run_opts *opts);
void run_release(struct run *run);

/* run.c: the stages from left to right. run->status is what to exit with, in each case. */
int run_stages(struct run *run, struct cs_err *err) CS_CHECKED;

/* ask.c: what is wanted, by whom, of which repository; nothing is written. */
int ask_operator(struct run *run, struct cs_err *err) CS_CHECKED;
int ask_policy(struct run *run, struct cs_err *err) CS_CHECKED;
int ask_repository(struct run *run, struct cs_err *err) CS_CHECKED;
int ask_command(struct run *run, struct cs_err *err) CS_CHECKED;
int ask_network(struct run *run, struct cs_err *err) CS_CHECKED;

/* start.c: where it starts. ask_start writes nothing; the others make a commit, and a tree. */
int ask_start(struct run *run, struct cs_err *err) CS_CHECKED;
int start_uncommitted(struct run *run, struct cs_err *err) CS_CHECKED;
int start_hide(struct run *run, struct cs_err *err) CS_CHECKED;

/* submodules.c: which of them have files in the run, and which do not, and why. */
void submodules_record(struct run *run);
void submodules_say(const struct run *run);

/*
 * carry.c: ignored build state of the checkout. ask_carry fills info.carried; carry_prepare compares
 * lock files and, where the policy hides files, makes the copies that are shown instead.
 */
#define CARRY_MAX    64
#define CARRIED_DIR  "carried" /* in the run's directory: <n>/upper, work, copy */
#define CARRIED_COPY "copy"
int ask_carry(struct run *run, struct cs_err *err) CS_CHECKED;
int carry_prepare(struct run *run, struct cs_err *err) CS_CHECKED;
void carry_mounts(struct run *run);
/* The refusal where it cannot be an overlay; 0 where nothing is carried. */
int carry_needs_overlay(const struct run *run, struct cs_err *err) CS_CHECKED;
/* The refusal of a directory that the policy hides. */
int carry_hidden(const struct run *run, struct cs_err *err);
void carry_release(struct run *run);

/* snapshot.c: the copy of the i-th, without what is hidden; left_out says how much that was. */
int snapshot_make(int *copy_fd, size_t *left_out, const struct run *run, size_t i, int dir_fd,
		  struct cs_err *err) CS_CHECKED;

/*
 * guarded.c: what of the repository must not be met by another way than its worktree. A directory
 * may not be carried (CS_REFUSED); what mounts from the first on show is covered; a path from the
 * top of the checkout, or one above it, is named by [sandbox] hide.
 */
int guarded_carry(const struct run *run, int dir_fd, struct cs_err *err) CS_CHECKED;
int guarded_cover(struct run *run, size_t first, struct cs_err *err) CS_CHECKED;
bool guarded_hides(const struct run *run, const char *path);

/* layout.c: the sandbox plan of this run. */
int layout_plan(struct run *run, struct cs_err *err) CS_CHECKED;
int layout_directories(struct run *run, struct cs_err *err) CS_CHECKED;

/* plan.c: prints it, and what else is known before the start (--dry-run). */
int plan_show(struct run *run, struct cs_err *err) CS_CHECKED;

void layout_set_env(struct run *run, const char *name, const char *value);

/* degraded.c: what is left where this host refuses namespaces. */
bool degraded_would_help(const char *step);
int degraded_check(const struct run *run, struct cs_err *err) CS_CHECKED;
int degraded_plan(struct run *run, struct cs_err *err) CS_CHECKED;
void degraded_record(struct run *run);
void degraded_say(const char *step, int sys_errno);

/* home.c: the HOME that the agent sees. */
int home_copy(struct run *run, struct cs_err *err) CS_CHECKED;
/* From a directory that an agent wrote: no link is followed. */
int home_restore(struct run *run, int from_fd, const struct cs_strv *paths,
		 struct cs_err *err) CS_CHECKED;
void home_mounts(struct run *run);
bool home_is_visible(const struct run *run, const char *path);

/* login.c: remember what was copied in; later, copy refreshed ones back. */
int login_remember(const struct run *run, struct cs_err *err) CS_CHECKED;
void login_return(struct run *run);

/* sessions.c: what the agent remembers, from a recorded run to one that continues it. */
int sessions_list(const struct run *run, struct cs_err *err) CS_CHECKED;
void sessions_keep(const struct run *run);
int sessions_restore(struct run *run, struct cs_err *err) CS_CHECKED;

/*
 * streams.c: the agent's standard streams, pipes or a terminal of its own, and ours. The agent never
 * holds a descriptor of the host's: one of a file could be opened again for writing.
 */
struct stream;
int streams_open(struct run *run, int stdio[3], struct cs_err *err) CS_CHECKED;
void streams_close_agent_side(int stdio[3]);
/* Starts pumping; takes the terminal's master (-1: pipes). */
int streams_start(struct run *run, struct cs_loop *loop, int master_fd,
		 struct cs_err *err) CS_CHECKED;
/* True when everything that the agent wrote has been passed on. */
bool streams_drained(const struct run *run);
/* Nothing more will come: passes on what is there and restores the terminal. */
void streams_finish(struct run *run);
/* Job control of our own terminal. */
void streams_suspend(struct run *run);
void streams_resume(struct run *run);
void streams_resize(struct run *run);
/* Counts Ctrl-C keys that reached the agent as signals; see supervise.c. */
int streams_interrupts(struct run *run);
/* Bytes that the agent has printed. */
uint64_t streams_output(const struct run *run);
void streams_free(struct run *run);

/* supervise.c: from "go" until nothing lives inside. */
int supervise(struct run *run, struct cs_err *err) CS_CHECKED;

/*
 * limits.c: what the run may use up, and what of it holds on this host. prepare before the sandbox
 * starts (no room on the disk: CS_LIMIT), start and check in the loop, finish when nothing lives
 * inside. limits_hit names what ended the run, or NULL.
 */
struct limits;
struct report;
/* Whether there are descriptors enough; raises a soft limit that is too low. */
int limits_files(struct cs_err *err) CS_CHECKED;
int limits_prepare(struct run *run, struct cs_err *err) CS_CHECKED;
int limits_cgroup_fd(const struct run *run);
/* RLIMIT_NPROC for this run, 0: none. */
uint64_t limits_user_processes(const struct run *run);
void limits_start(struct run *run, struct cs_loop *loop, struct report *report);
void limits_check(struct run *run);
bool limits_reaped(struct run *run, pid_t pid);
void limits_finish(struct run *run);
const char *limits_hit(const struct run *run);
void limits_event(struct report *r, const char *what, uint64_t value, uint64_t max);
void limits_free(struct run *run);

/* usage.c: measures what a run has written, in a confined process, until sock hangs up. */
struct usage {
	uint64_t bytes;
	uint64_t unreadable; /* directories that could not be looked into */
};
__attribute__((noreturn)) void usage_main(const struct run *run, int sock);

/* dirty.c: beside the run, whether the user has uncommitted changes. */
void dirty_start(struct run *run);
bool dirty_reaped(struct run *run, pid_t pid, int status);
void dirty_say(struct run *run);
void dirty_end(struct run *run);

/* summary.c */
void summary_print(const struct run *run);
int summary_write(const struct run *run, struct cs_err *err) CS_CHECKED;
void progress_pristine(void *arg, uint64_t done, uint64_t total);
void progress_capture(void *arg, uint64_t done, uint64_t total);
void progress_end(void);
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
