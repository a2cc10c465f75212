/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the sandbox say to each other. See start.c for who is who. */
#ifndef SANDBOX_INTERNAL_H
#define SANDBOX_INTERNAL_H

#include <stdint.h>
#include "countersign/sandbox.h"

/* Messages between supervisor and inside, one SEQPACKET datagram each. */
enum message_type {
	MSG_NONE = 0,
	/* to the supervisor */
	MSG_FAILED,	 /* value: errno, text: "step\0what" */
	MSG_SOCKETS,	 /* value: enum socket_kind; descriptors */
	MSG_TERMINAL,	 /* descriptor: master */
	MSG_READY,	 /* the agent waits for MSG_GO; value: 1 with the listener as descriptor */
	MSG_LAYERS,	 /* layers */
	MSG_EXEC_FAILED, /* value: errno */
	MSG_STOPPED,	 /* value: signal */
	MSG_EXITED,	 /* value: wait status */
	MSG_EMPTY,	 /* degraded: nothing of the run lives any more */
	/* from the supervisor */
	MSG_GO,
	MSG_SIGNAL, /* value: signal */
};

enum socket_kind { SOCKETS_TCP4 = 0, SOCKETS_TCP6, SOCKETS_UDP4, SOCKETS_DIAG, SOCKET_KINDS };

struct message {
	uint32_t type;
	int32_t value;
	struct cs_sandbox_layers layers;
	char step[32];
	char text[256];
};

/* What a mount needs of the host, opened before the new root covers it; -1 where there is none. */
struct mount_fds {
	int src, upper, work;
};

/* State of setup, init and agent; each is a copy made by fork. */
struct inside {
	const struct cs_plan *plan;
	int ctl_fd;	/* to the supervisor */
	int life_fd;	/* read end: hangs up when the supervisor dies */
	int setup_fd;	/* read end: hangs up when setup dies (init only) */
	int stdio[3];
	struct mount_fds *mount_fds; /* one for each mount */
	int userns_fd;	/* /proc/sys/user of the new /proc, before it is covered */
	int go_fd;	 /* agent: read end, a byte lets it exec; init: write end */
	int terminal_fd; /* slave side, -1 without terminal */
	struct cs_sandbox_layers layers;
};

/* A failing step ends the process: reports step, what and errno to the supervisor first. */
__attribute__((noreturn, format(printf, 3, 4))) void inside_fail(struct inside *in,
								 const char *step,
								 const char *fmt, ...);
int inside_send(struct inside *in, const struct message *msg, const int *fds, size_t n);

/* setup.c: never returns. */
__attribute__((noreturn)) void setup_main(struct inside *in);
/* Takes a new user namespace's maps: uid and gid onto themselves. 0 or -1 with errno. */
int map_self(uid_t uid, gid_t gid);

/* Dies with the parent, and now if whoever holds the other end of the pipe is gone already. */
void die_with(int life_fd);

/* init.c: never returns. */
__attribute__((noreturn)) void init_main(struct inside *in);

/* Parts of init.c for degraded.c, which has no pid namespace to be the first process of. */
void open_terminal(struct inside *in);
__attribute__((noreturn)) void agent_main(struct inside *in);
/* To be called before filter_deny(). */
void limit_core(struct inside *in);
/* Until the agent has ended (reported), or the supervisor is gone. */
void reap_loop(struct inside *in, pid_t agent, int sig_fd);
/* Closes what only the agent needs. */
void release_streams(struct inside *in);

/* degraded.c: never returns. */
__attribute__((noreturn)) void degraded_main(struct inside *in);

/* network.c: lo up, addresses; the sockets are made and sent. */
void network_setup(struct inside *in);

/* mounts.c: the new root, from the plan, and into it. */
void mounts_open_sources(struct inside *in);
void mounts_build(struct inside *in);
void mounts_enter(struct inside *in);
void mounts_cover_proc(struct inside *in);
/* Binds a file or a tree, read-only; m is named in errors. */
void mounts_bind_read_only(struct inside *in, const struct cs_mount *m, int src_fd, int point_fd);

/* sockets.c: shows a directory of the host, read-only, and none of the sockets in it. */
void sockets_hide(struct inside *in, const struct cs_mount *m, int root, int tree, int point);

/* landlock.c: ABI of this kernel, 0 for none; the domain for a plan. 0 or -1 with errno. */
int landlock_abi(void);
int landlock_enter(const struct cs_strv *writable, int abi);
int landlock_enter_paths(const struct cs_strv *readable, const struct cs_strv *writable, int abi);
int landlock_read_only(const int *dir_fds, size_t n, int abi);

/* filter.c: the deny filter of init and agent. 0 or a negative errno. */
int filter_deny(bool deny_tracing, bool deny_clone3);
/* On top of it, without namespaces: what Landlock of this ABI leaves open. */
int filter_degraded(int abi, pid_t supervisor, pid_t watcher);

int drop_capabilities(void);

#endif
