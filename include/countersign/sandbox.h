/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox: a plan first (pure data), a prison second.
 *
 *	supervisor	outside; forks
 *	  setup		unshares all namespaces, maps itself, prepares the network, forks
 *	    init	pid 1 inside: mounts, pivot_root, drops everything, Landlock, seccomp, forks
 *	      agent	the command
 *
 * The theory of operation of each part stands at the head of its file.
 */
#ifndef COUNTERSIGN_SANDBOX_H
#define COUNTERSIGN_SANDBOX_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>
#include "countersign/base.h"

/* ---- the plan ---- */

enum cs_mount_kind {
	CS_MOUNT_DIR = 0,  /* an empty directory */
	CS_MOUNT_RO,	   /* bind, read-only, recursive */
	CS_MOUNT_QUIET,	   /* as RO, but no socket in it can be reached */
	CS_MOUNT_RW,	   /* bind, writable */
	CS_MOUNT_TMPFS,	   /* private tmpfs; data: size in bytes or NULL */
	CS_MOUNT_OVERLAY,  /* src: lower directory; upper and work */
	CS_MOUNT_FILE,	   /* a read-only file with content data */
	CS_MOUNT_MASK,	   /* cover an existing path with an empty, read-only file or directory */
	CS_MOUNT_SYMLINK,  /* data: target */
	CS_MOUNT_DEV,	   /* bind one device node of the host */
	CS_MOUNT_DEVPTS,
	CS_MOUNT_PROC,
};

/*
 * A file of the host as somebody has looked at it: what its path leads to later has to be the same
 * one, or nothing starts. ino 0: nobody has.
 */
struct cs_seen {
	dev_t dev;
	ino_t ino;
};

struct cs_mount {
	enum cs_mount_kind kind;
	char *src; /* on the host; NULL where not needed */
	char *dst; /* absolute, inside */
	char *data;
	char *upper, *work;
	/*
	 * src, upper and work are reached without following a link: theirs are directories that a
	 * stranger owns, and root may be who mounts.
	 */
	bool no_links;
	struct cs_seen seen; /* src */
	bool optional; /* a missing src is passed over */
	mode_t mode;   /* of a made directory; 0: 0755 */
};

struct cs_limit {
	int resource; /* RLIMIT_* */
	uint64_t value;
};

struct cs_plan {
	uid_t uid; /* the agent's, in and outside */
	gid_t gid;
	bool drop;  /* we are root: mount as root, then become uid:gid */
	/*
	 * Without namespaces: Landlock (ABI 2 at least) over the sources of the mounts, and seccomp;
	 * no sockets, addresses or network. See lib/sandbox/degraded.c for what does not hold.
	 */
	bool degraded;
	char *hostname;
	struct cs_mount *mounts; /* made in this order */
	size_t n_mounts, cap_mounts;
	struct cs_strv argv, env;
	char *cwd;
	struct cs_strv path; /* directories of PATH inside, for argv[0] without a slash */
	struct cs_strv addresses; /* on lo, beside 127.0.0.1 and ::1: "198.18.0.1/15", "10.0.0.5/32" */
	int tcp4, tcp6, udp4;	  /* sockets to make in the network namespace */
	bool diag;		  /* and one that answers questions about them */
	struct cs_limit *limits;
	size_t n_limits, cap_limits;
	struct cs_strv writable; /* Landlock: paths inside with all rights; the rest read and exec */
	bool tty;		 /* give the agent a terminal of its own */
	bool deny_tracing;	 /* [sandbox] debuggers = deny */
	int cgroup_fd;		 /* cgroup.procs of a cgroup to enter, borrowed; -1: stay */
	/* Runs in the agent right before its exec; returns a descriptor to hand out, or -1. */
	int (*last_step)(void);
};
void cs_plan_init(struct cs_plan *plan);
void cs_plan_release(struct cs_plan *plan);
/* Strings are copied; NULLs are fine. Returns the new mount for further fields. */
struct cs_mount *cs_plan_mount(struct cs_plan *plan, enum cs_mount_kind kind, const char *src,
			       const char *dst, const char *data);
void cs_plan_limit(struct cs_plan *plan, int resource, uint64_t value);
/* System directories, a minimal /etc, /dev, /proc, /tmp, /run: the same for every run. */
void cs_plan_add_system(struct cs_plan *plan, const char *user, const char *home,
			const char *resolv_conf);
/* The plan for --dry-run: as text, one mount or rule a line; as an object. */
void cs_plan_format(struct cs_buf *out, const struct cs_plan *plan);
cJSON *cs_plan_to_json(const struct cs_plan *plan);

/* ---- the prison ---- */

/* What is in force, for the record. */
struct cs_sandbox_layers {
	bool user, mount, pid, net, ipc, uts, seccomp, cgroup;
	int landlock_abi; /* 0: none */
	bool sockets_shown; /* no overlay here: sockets below CS_MOUNT_QUIET could be reached */
};

struct cs_sandbox;

/*
 * Builds the prison and stops right before the agent's exec. A failure names the step and what
 * helps on this host ("overlay: mount: Invalid argument"); *step gets the step's name (static)
 * for the caller's fallbacks. Must be called from the thread that lives as long as the run.
 */
int cs_sandbox_start(struct cs_sandbox **out, const struct cs_plan *plan, int stdin_fd,
		     int stdout_fd, int stderr_fd, const char **step,
		     struct cs_err *err) CS_CHECKED;

/* Descriptors made during the start; each may be taken once (-1 afterwards, and where none). */
int cs_sandbox_take_tcp4(struct cs_sandbox *s);
int cs_sandbox_take_tcp6(struct cs_sandbox *s);
int cs_sandbox_take_udp4(struct cs_sandbox *s);
int cs_sandbox_take_diag(struct cs_sandbox *s); /* NETLINK_SOCK_DIAG */
int cs_sandbox_take_terminal(struct cs_sandbox *s); /* the master side */
int cs_sandbox_take_listener(struct cs_sandbox *s); /* what last_step returned */

void cs_sandbox_get_layers(const struct cs_sandbox *s, struct cs_sandbox_layers *out);
pid_t cs_sandbox_setup_pid(const struct cs_sandbox *s); /* our child; wait for it */

/* Lets the agent exec. */
int cs_sandbox_go(struct cs_sandbox *s, struct cs_err *err) CS_CHECKED;

enum cs_sandbox_event {
	CS_SANDBOX_NONE = 0,
	CS_SANDBOX_EXEC_FAILED, /* value: errno */
	CS_SANDBOX_STOPPED,	/* the agent stopped (job control); value: signal */
	CS_SANDBOX_EXITED,	/* value: wait status of the agent */
	CS_SANDBOX_GONE,	/* nothing lives in the pid namespace any more */
};
/* Readable when an event waits; borrowed. */
int cs_sandbox_fd(const struct cs_sandbox *s);
int cs_sandbox_next(enum cs_sandbox_event *event, int *value, struct cs_sandbox *s,
		    struct cs_err *err) CS_CHECKED;
/* Sends a signal to the agent's process group. */
int cs_sandbox_signal(struct cs_sandbox *s, int signo);
/* Kills everything inside. */
void cs_sandbox_kill(struct cs_sandbox *s);
/* Kills, waits until the pid namespace is empty (at most 10 s: CS_BUSY "stuck"), frees. */
int cs_sandbox_end(struct cs_sandbox *s, struct cs_err *err) CS_CHECKED;

/* ---- a cgroup of the run's own ---- */

/*
 * Limits on memory and processes by cgroup v2, where we may make one: below our own cgroup, or
 * beside it when it was delegated to us. Anything else is CS_UNSUPPORTED with the reason; a host
 * that gives only one of the two controllers gives that one.
 *
 * Life: cs_cgroup_new, plan->cgroup_fd = cs_cgroup_fd, the run, cs_cgroup_free.
 */
struct cs_cgroup;
struct cs_cgroup_opts {
	const char *mount;	 /* of the hierarchy; NULL: looked up, as is own */
	const char *own;	 /* our cgroup in it: "/user.slice/..." */
	const char *name;	 /* of the new one, one component */
	uint64_t memory_bytes; /* without swap; 0: no limit */
	uint64_t processes;    /* 0: no limit */
	/* Told the path before it is made, so that whoever finds the caller killed can remove it. */
	void (*announce)(void *arg, const char *path);
	void *arg;
};
int cs_cgroup_new(struct cs_cgroup **out, const struct cs_cgroup_opts *opts,
		  struct cs_err *err) CS_CHECKED;
int cs_cgroup_fd(const struct cs_cgroup *cg);
bool cs_cgroup_limits_memory(const struct cs_cgroup *cg);
bool cs_cgroup_limits_processes(const struct cs_cgroup *cg);
/* How often a process was killed for memory, and a fork was refused, up to now. */
void cs_cgroup_hits(uint64_t *memory, uint64_t *processes, const struct cs_cgroup *cg);
/* Kills what is left in it (nothing, after cs_sandbox_end) and removes it. NULL is nothing. */
void cs_cgroup_free(struct cs_cgroup *cg);

/* ---- what this host can hold ---- */

/*
 * What is known of the host. cs_host_read fills the upper part from files, which only serve to word
 * the advice; what a host can hold is found out by doing it (a start, cs_host_probe). Plain data,
 * so that tests can make hosts that they do not run on. CS_HOST_INIT: nothing is known.
 */
struct cs_host {
	bool root;
	char kernel[64];	     /* release */
	char container[16];	     /* "docker", "podman", "lxc", ...; "" none that we know */
	char program_dir[256];	     /* of git-agent-run, for AppArmor's profile */
	int64_t max_user_namespaces; /* this and the next three: -1 the kernel has no such file */
	int userns_clone;	     /* kernel.unprivileged_userns_clone */
	int apparmor_userns;	     /* kernel.apparmor_restrict_unprivileged_userns */
	int yama;		     /* kernel.yama.ptrace_scope */
	bool apparmor_profile;	     /* CS_APPARMOR_FILE is there */
	bool filtered;		     /* we run under somebody's seccomp filter */
	bool proc_covered;	     /* something is mounted below /proc */

	/* Found out by doing it. */
	bool started;	 /* a complete start, with everything a run uses */
	char step[32];	 /* the one that failed */
	int step_errno;
	struct cs_sandbox_layers layers;
	int overlay_errno;  /* 0: an overlay works where runs live */
	int landlock_abi;   /* as the kernel says, 1 included; 0 none */
	bool notify;	    /* a notification arrived, and was answered */
	bool wait_killable; /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV */
	bool seize;	    /* the image of a program was seen */
	bool limit_memory, limit_pids; /* by a cgroup of our own */
	char cgroup_why[160];	       /* why not */
};
#define CS_HOST_INIT                                                                          \
	{                                                                                     \
		.max_user_namespaces = -1, .userns_clone = -1, .apparmor_userns = -1, .yama = -1 \
	}
#define CS_APPARMOR_FILE "/etc/apparmor.d/git-agent-run"

void cs_host_read(struct cs_host *host);
/* Landlock's ABI and the flags of seccomp's notification, in throwaway children. */
void cs_host_probe(struct cs_host *host);

/*
 * What helps where a step of cs_sandbox_start failed: two or three lines, the cause and the commands
 * or options. Nothing where nothing is known. The one place of these words. Pure.
 */
void cs_host_advice(struct cs_buf *out, const struct cs_host *host, const char *step,
		    int sys_errno);

enum cs_check_level {
	CS_CHECK_MISSING = 0, /* nothing runs without it */
	CS_CHECK_WEAKER,      /* runs work, and their record says what does not hold */
	CS_CHECK_GOOD,
};
struct cs_check {
	const char *name; /* static */
	enum cs_check_level level;
	char *text; /* one line */
	char *fix;  /* lines, or NULL */
};
struct cs_checks {
	struct cs_check *v;
	size_t n, cap;
};
void cs_checks_add(struct cs_checks *checks, const char *name, enum cs_check_level level,
		   const char *text, const char *fix);
void cs_checks_release(struct cs_checks *checks);
const char *cs_check_level_name(enum cs_check_level level); /* "missing", "weaker", "good" */
/* The decision table: what was found becomes one check a layer. Pure. */
void cs_host_judge(struct cs_checks *out, const struct cs_host *host);

/* ---- confining one of our own processes ---- */

/*
 * For a forked child that will parse hostile bytes: becomes uid:gid when root, drops
 * capabilities, no_new_privs, Landlock (read below the given descriptors only, write nowhere),
 * a seccomp allow-list without network, exec, ptrace or namespaces, RLIMITs. Fails closed.
 */
struct cs_confine {
	uid_t uid; /* (uid_t)-1: stay */
	gid_t gid;
	const int *read_fds; /* directories that may be read */
	size_t n_read_fds;
	uint64_t max_memory; /* bytes of address space added to what is mapped now; 0: 4 GiB */
	int max_cpu_s;	     /* 0: 1,800 */
};
int cs_confine_self(const struct cs_confine *c, struct cs_err *err) CS_CHECKED;

#endif
