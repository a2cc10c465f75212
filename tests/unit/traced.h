/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program under lib/trace without the sandbox, for tests and measurements: forks a child
 * that installs the filter and execs; turns the loop until no descendant is left (the caller is
 * made their subreaper); keeps the events.
 */
#ifndef COUNTERSIGN_TRACED_H
#define COUNTERSIGN_TRACED_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/trace.h"

struct traced_event {
	struct cs_trace_exec exec; /* strings are copies */
	int status;		   /* wait status; -2 without an exit event of its own */
};

struct traced {
	/* given */
	uid_t uid;	   /* the child becomes this user, where not 0 */
	const char *deny;  /* execs whose file, exe or argv contains this are refused */
	const char *trust; /* NULL, or only this reason for an unverified event is run */
	bool forget;	   /* keep no events: a measurement */
	void (*tweak)(struct cs_trace *trace);
	void (*exited)(const struct cs_trace_exit *e);
	void (*called)(const struct cs_trace_exec *e);
	void (*connected)(const struct cs_trace_connect *c);

	/* found */
	struct traced_event *events;
	size_t n, cap;
	size_t n_connects;
	int status; /* of the child */
	struct cs_trace_counts counts;

	struct cs_loop *loop;
	struct cs_trace *trace;
	int signal_fd;
	pid_t child;
	bool alone; /* no descendant is left */
};

static inline bool traced_matches(const struct cs_trace_exec *e, const char *what)
{
	return what && (strstr(e->file, what) || strstr(e->exe, what) ||
			memmem(e->argv, e->argv_len, what, strlen(what)));
}

static inline enum cs_trace_verdict traced_exec(void *arg, const struct cs_trace_exec *e,
						char reason[CS_TRACE_REASON_MAX])
{
	struct traced *t = arg;
	struct traced_event *ev;

	if (t->called)
		t->called(e);
	if (!t->forget) {
		CS_GROW(t->events, t->n, t->cap);
		ev = &t->events[t->n++];
		*ev = (struct traced_event){ .exec = *e, .status = -2 };
		ev->exec.exe = cs_strdup(e->exe);
		ev->exec.file = cs_strdup(e->file);
		ev->exec.cwd = cs_strdup(e->cwd);
		ev->exec.argv = memcpy(cs_malloc(e->argv_len + 1), e->argv, e->argv_len);
	}
	if (t->trust && !e->verified && strcmp(t->trust, e->unverified) != 0)
		return CS_TRACE_DENY;
	if (!traced_matches(e, t->deny))
		return CS_TRACE_RUN;
	snprintf(reason, CS_TRACE_REASON_MAX, "denied by test:1");
	return CS_TRACE_DENY;
}

static inline void traced_exit(void *arg, const struct cs_trace_exit *e)
{
	struct traced *t = arg;

	if (t->exited)
		t->exited(e);
	/* The latest exec of this number, as a reader of the log would have it. */
	for (size_t i = t->n; i-- > 0;) {
		if (t->events[i].exec.pid != e->pid)
			continue;
		t->events[i].status = e->status;
		return;
	}
}

static inline void traced_connect(void *arg, const struct cs_trace_connect *c)
{
	struct traced *t = arg;

	t->n_connects++;
	if (t->connected)
		t->connected(c);
}

static inline void traced_sigchld(void *arg, int fd, uint32_t events)
{
	struct signalfd_siginfo info[16];
	struct traced *t = arg;
	int status;
	pid_t pid;

	(void)events;
	if (read(fd, info, sizeof(info)) < 0)
		return;
	while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (pid == t->child && (WIFEXITED(status) || WIFSIGNALED(status)))
			t->status = status;
		cs_trace_wait_event(t->trace, pid, status);
	}
	t->alone = pid < 0 && errno == ECHILD;
}

static inline void traced_die(const char *what)
{
	fprintf(stderr, "traced: %s: %s\n", what, strerror(errno));
	_exit(90);
}

static inline int traced_send(int socket_fd, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char letter = 'f';
	struct iovec byte = { &letter, 1 };
	struct msghdr msg = { .msg_iov = &byte,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(socket_fd, &msg, 0) < 0 ? -1 : 0;
}

static inline int traced_receive(int socket_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(socket_fd, &msg, MSG_CMSG_CLOEXEC) > 0 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

static inline void traced_child(const struct traced *t, int socket_fd, const char *const *argv)
{
	sigset_t none;
	int fd;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (t->uid && (setresgid(t->uid, t->uid, t->uid) || setresuid(t->uid, t->uid, t->uid)))
		traced_die("become another user");
	if (prctl(PR_SET_DUMPABLE, 1) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		traced_die("prctl");
	fd = cs_trace_install();
	if (fd < 0 || traced_send(socket_fd, fd))
		traced_die("install");
	close(fd);
	close(socket_fd);
	execvp(argv[0], (char *const *)argv);
	traced_die(argv[0]);
}

static inline void traced_start(struct traced *t, const char *const *argv)
{
	static const struct cs_trace_ops ops = { traced_exec, traced_exit, traced_connect, NULL };
	struct cs_trace_ops own = ops;
	struct cs_err err = CS_ERR_INIT;
	sigset_t set;
	int pair[2];

	own.arg = t;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signal_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		traced_die("prepare");
	fflush(NULL);
	t->child = fork();
	if (!t->child)
		traced_child(t, pair[1], argv);
	close(pair[1]);
	if (cs_loop_new(&t->loop, &err) ||
	    cs_trace_new(&t->trace, t->loop, traced_receive(pair[0]), &own, &err) ||
	    cs_loop_add(t->loop, t->signal_fd, EPOLLIN, traced_sigchld, t, &err)) {
		fprintf(stderr, "traced: %s\n", err.msg);
		_exit(91);
	}
	close(pair[0]);
	if (t->tweak)
		t->tweak(t->trace);
}

static inline void traced_step(struct traced *t)
{
	struct cs_err err = CS_ERR_INIT;

	if (cs_loop_step(t->loop, -1, &err)) {
		fprintf(stderr, "traced: %s\n", err.msg);
		_exit(92);
	}
}

/* argv[0] is looked for along PATH. */
static inline void traced_run(struct traced *t, const char *const *argv)
{
	traced_start(t, argv);
	while (!t->alone)
		traced_step(t);
	cs_trace_finish(t->trace);
	cs_trace_counts(t->trace, &t->counts);
	cs_trace_free(t->trace);
	cs_loop_free(t->loop);
	close(t->signal_fd);
}

static inline void traced_release(struct traced *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free((char *)t->events[i].exec.exe);
		free((char *)t->events[i].exec.file);
		free((char *)t->events[i].exec.cwd);
		free((char *)t->events[i].exec.argv);
	}
	free(t->events);
	*t = (struct traced){ 0 };
}

#endif
