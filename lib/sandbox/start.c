/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's side of the sandbox. Who is who:
 *
 *	supervisor	this process, outside; holds the control socket and the life pipe
 *	  setup		setup.c: leaves the namespaces, waits for init
 *	    init	init.c: pid 1 inside
 *	      agent	the command
 *
 * Death runs from left to right: each parent's death kills its child by PDEATHSIG (and a pipe
 * covers the moment before that is set), and the end of init ends everything in the pid
 * namespace. From right to left, init reports how the agent ended and kills what is left; the
 * control socket hangs up when init is gone, and setup can be reaped: then nothing lives inside.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TIMEOUT_MS 30000
#define END_TIMEOUT_MS	 10000
#define MAX_SOCKETS	 256

struct sockets {
	int fds[MAX_SOCKETS];
	size_t n, next;
};

struct cs_sandbox {
	pid_t setup;
	int ctl_fd;
	int life_fd; /* write end */
	int terminal_fd, listener_fd;
	struct sockets sockets[SOCKET_KINDS];
	struct cs_sandbox_layers layers;
	bool gone;
	bool degraded; /* setup is a watcher: it kills when life_fd hangs up, and says MSG_EMPTY */
	bool empty;
};

static int failed(const struct message *msg, const char **step, struct cs_err *err)
{
	static const char *const steps[] = {
		"namespaces", "user",	 "uts",	     "mount",	"network",  "pid",   "overlay",
		"proc",	      "pivot",	 "capabilities", "no_new_privs", "landlock", "seccomp",
		"terminal",   "limits", "trace",     "agent",	"sources",
	};
	AUTO_BUF struct cs_buf advice = CS_BUF_INIT;
	struct cs_host host;

	*step = "sandbox";
	for (size_t i = 0; i < CS_COUNT(steps); i++)
		if (!strcmp(steps[i], msg->step))
			*step = steps[i];
	cs_host_read(&host);
	cs_host_advice(&advice, &host, *step, msg->value);
	char *fix = strchr(advice.data, '\n');
	if (fix)
		*fix++ = '\0';
	cs_err_set(err, CS_UNSUPPORTED, "sandbox: %s: %.100s: %s%s%s%s%s", *step, msg->text,
		   strerror(msg->value), advice.len ? "\n  " : "", advice.data, fix ? "\n  " : "",
		   fix ? fix : "");
	if (err)
		err->sys_errno = msg->value;
	return CS_UNSUPPORTED;
}

static void take_sockets(struct cs_sandbox *s, int kind, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int fd = fds[i];
		if (kind < 0 || kind >= SOCKET_KINDS || s->sockets[kind].n == MAX_SOCKETS)
			close(fd);
		else
			s->sockets[kind].fds[s->sockets[kind].n++] = fd;
	}
}

/* One message; CS_NOTFOUND when the other side has hung up. */
static int receive(struct message *msg, int *fds, size_t *n, struct cs_sandbox *s, int timeout_ms,
		   struct cs_err *err)
{
	struct pollfd p = { .fd = s->ctl_fd, .events = POLLIN };
	int ready = poll(&p, 1, timeout_ms);

	if (ready < 0 && errno != EINTR)
		return cs_err_sys(err, "sandbox: poll");
	if (ready <= 0)
		return cs_err_set(err, CS_BUSY, "sandbox: no answer from inside");
	ssize_t got = cs_recv_fds(s->ctl_fd, msg, sizeof *msg, fds, n);
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return cs_err_set(err, CS_NOTFOUND, "sandbox: ended");
	if (got < 0)
		return cs_err_sys(err, "sandbox: receive");
	if (got != (ssize_t)sizeof *msg)
		return cs_err_set(err, CS_CORRUPT, "sandbox: short message from inside");
	msg->step[sizeof msg->step - 1] = '\0';
	msg->text[sizeof msg->text - 1] = '\0';
	return 0;
}

static int wait_ready(struct cs_sandbox *s, const char **step, struct cs_err *err)
{
	struct message msg;
	int fds[64];
	int rc;

	for (;;) {
		size_t n = CS_COUNT(fds);
		rc = receive(&msg, fds, &n, s, (int)cs_fake("start_ms", START_TIMEOUT_MS), err);
		if (rc == CS_NOTFOUND)
			return cs_err_set(err, CS_MALFUNCTION, "sandbox: died during set-up");
		if (rc < 0)
			return rc;
		switch (msg.type) {
		case MSG_SOCKETS:
			take_sockets(s, msg.value, fds, n);
			break;
		case MSG_TERMINAL:
			if (n == 1)
				s->terminal_fd = fds[0];
			break;
		case MSG_READY:
			if (n == 1)
				s->listener_fd = fds[0];
			s->layers = msg.layers;
			return 0;
		case MSG_FAILED:
			return failed(&msg, step, err);
		default:
			return cs_err_set(err, CS_CORRUPT, "sandbox: unexpected message %u", msg.type);
		}
	}
}

__attribute__((noreturn)) static void child(const struct cs_plan *plan, int ctl_fd, int life_fd,
					    const int stdio[3])
{
	struct inside in = {
		.plan = plan, .setup_fd = -1, .userns_fd = -1, .go_fd = -1, .terminal_fd = -1,
	};

	/* 0 to 2 stay the supervisor's for messages of a crash; the agent's are dup'ed above them. */
	for (int i = 0; i < 3; i++)
		in.stdio[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 10);
	in.ctl_fd = fcntl(ctl_fd, F_DUPFD_CLOEXEC, 10);
	in.life_fd = fcntl(life_fd, F_DUPFD_CLOEXEC, 10);
	/* Before the cgroup namespace: that one's root is where we are then. */
	if (plan->cgroup_fd >= 0 && cs_write_all(plan->cgroup_fd, "0", 1) < 0)
		inside_fail(&in, "limits", "enter the cgroup");
	/* Nothing else of the supervisor's may be reachable from inside, not even for a moment. */
	int highest = in.life_fd;
	syscall(SYS_close_range, 3, 9, 0);
	for (int fd = 10; fd <= highest; fd++)
		if (fd != in.ctl_fd && fd != in.life_fd && fd != in.stdio[0] &&
		    fd != in.stdio[1] && fd != in.stdio[2])
			close(fd);
	syscall(SYS_close_range, (unsigned)highest + 1, ~0U, 0);
	if (plan->degraded)
		degraded_main(&in);
	setup_main(&in);
}

static int start(struct cs_sandbox *s, const struct cs_plan *plan, const int stdio[3],
		 const char **step, struct cs_err *err)
{
	int ctl[2], life[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl) < 0)
		return cs_err_sys(err, "sandbox: socketpair");
	if (pipe2(life, O_CLOEXEC) < 0) {
		cs_err_sys(err, "sandbox: pipe");
		close(ctl[0]);
		close(ctl[1]);
		return CS_MALFUNCTION;
	}
	s->ctl_fd = ctl[0];
	s->life_fd = life[1];
	s->setup = fork();
	if (s->setup == 0)
		child(plan, ctl[1], life[0], stdio);
	close(ctl[1]);
	close(life[0]);
	if (s->setup < 0)
		return cs_err_sys(err, "sandbox: fork");
	return wait_ready(s, step, err);
}

int cs_sandbox_start(struct cs_sandbox **out, const struct cs_plan *plan, int stdin_fd,
		     int stdout_fd, int stderr_fd, const char **step, struct cs_err *err)
{
	struct cs_sandbox *s = cs_calloc(1, sizeof *s);
	int stdio[3] = { stdin_fd, stdout_fd, stderr_fd };
	const char *unused;

	s->setup = -1;
	s->degraded = plan->degraded;
	s->ctl_fd = s->life_fd = s->terminal_fd = s->listener_fd = -1;
	int rc = start(s, plan, stdio, step ? step : &unused, err);
	if (rc < 0) {
		/* The failure already recorded is the one to tell. */
		if (cs_sandbox_end(s, NULL) < 0)
			return rc;
		return rc;
	}
	*out = s;
	return 0;
}

static int take_socket(struct sockets *list)
{
	return list->next < list->n ? list->fds[list->next++] : -1;
}

int cs_sandbox_take_tcp4(struct cs_sandbox *s)
{
	return take_socket(&s->sockets[SOCKETS_TCP4]);
}

int cs_sandbox_take_tcp6(struct cs_sandbox *s)
{
	return take_socket(&s->sockets[SOCKETS_TCP6]);
}

int cs_sandbox_take_udp4(struct cs_sandbox *s)
{
	return take_socket(&s->sockets[SOCKETS_UDP4]);
}

int cs_sandbox_take_diag(struct cs_sandbox *s)
{
	return take_socket(&s->sockets[SOCKETS_DIAG]);
}

int cs_sandbox_take_terminal(struct cs_sandbox *s)
{
	return cs_steal_fd(&s->terminal_fd);
}

int cs_sandbox_take_listener(struct cs_sandbox *s)
{
	return cs_steal_fd(&s->listener_fd);
}

void cs_sandbox_get_layers(const struct cs_sandbox *s, struct cs_sandbox_layers *out)
{
	*out = s->layers;
}

pid_t cs_sandbox_setup_pid(const struct cs_sandbox *s)
{
	return s->setup;
}

static int tell(struct cs_sandbox *s, enum message_type type, int value)
{
	struct message msg = { .type = type, .value = value };
	return cs_send_fds(s->ctl_fd, &msg, sizeof msg, NULL, 0);
}

int cs_sandbox_go(struct cs_sandbox *s, struct cs_err *err)
{
	if (tell(s, MSG_GO, 0) < 0)
		return cs_err_sys(err, "sandbox: start the agent");
	return 0;
}

int cs_sandbox_fd(const struct cs_sandbox *s)
{
	return s->ctl_fd;
}

int cs_sandbox_next(enum cs_sandbox_event *event, int *value, struct cs_sandbox *s,
		    struct cs_err *err)
{
	static const struct {
		enum message_type type;
		enum cs_sandbox_event event;
	} table[] = {
		{ MSG_EXEC_FAILED, CS_SANDBOX_EXEC_FAILED },
		{ MSG_STOPPED, CS_SANDBOX_STOPPED },
		{ MSG_EXITED, CS_SANDBOX_EXITED },
	};
	struct message msg = { .type = MSG_NONE };
	size_t n = 0;
	int rc = s->gone ? CS_NOTFOUND : receive(&msg, NULL, &n, s, 0, err);

	*event = CS_SANDBOX_NONE;
	*value = 0;
	if (rc == CS_NOTFOUND) {
		s->gone = true;
		if (s->degraded && !s->empty)
			return cs_err_set(err, CS_MALFUNCTION,
					  "sandbox: the watcher died; processes of the run may live");
		*event = CS_SANDBOX_GONE;
		return 0;
	}
	if (rc == CS_BUSY)
		return 0;
	if (rc < 0)
		return rc;
	if (msg.type == MSG_EMPTY) {
		s->empty = true;
		return 0;
	}
	for (size_t i = 0; i < CS_COUNT(table); i++) {
		if (table[i].type == msg.type) {
			*event = table[i].event;
			*value = msg.value;
			return 0;
		}
	}
	return cs_err_set(err, CS_CORRUPT, "sandbox: unexpected message %u", msg.type);
}

int cs_sandbox_signal(struct cs_sandbox *s, int signo)
{
	return tell(s, MSG_SIGNAL, signo);
}

void cs_sandbox_kill(struct cs_sandbox *s)
{
	if (s->degraded) {
		cs_close(&s->life_fd);
		return;
	}
	/* Once nothing lives inside, setup may be reaped, and its number another process's. */
	if (s->setup > 0 && !s->gone)
		kill(s->setup, SIGKILL);
}

/* init's end is waited for by the hang-up of the control socket: only it and the agent hold it. */
static bool wait_gone(struct cs_sandbox *s)
{
	int64_t deadline = cs_mono_ns() + (int64_t)END_TIMEOUT_MS * 1000000;

	while (!s->gone && s->ctl_fd >= 0) {
		enum cs_sandbox_event event;
		int value;
		int64_t left_ms = (deadline - cs_mono_ns()) / 1000000;
		struct pollfd p = { .fd = s->ctl_fd, .events = POLLIN };

		if (left_ms <= 0)
			return false;
		if (poll(&p, 1, (int)left_ms) < 0 && errno != EINTR)
			return false;
		if (cs_sandbox_next(&event, &value, s, NULL) < 0)
			return false;
	}
	return true;
}

int cs_sandbox_end(struct cs_sandbox *s, struct cs_err *err)
{
	bool gone;

	cs_sandbox_kill(s);
	cs_close(&s->life_fd);
	gone = wait_gone(s);
	if (s->setup > 0 && gone)
		while (waitpid(s->setup, NULL, 0) < 0 && errno == EINTR)
			;
	cs_close(&s->ctl_fd);
	cs_close(&s->terminal_fd);
	cs_close(&s->listener_fd);
	for (size_t k = 0; k < CS_COUNT(s->sockets); k++)
		while (s->sockets[k].next < s->sockets[k].n)
			close(s->sockets[k].fds[s->sockets[k].next++]);
	free(s);
	if (!gone)
		return cs_err_set(err, CS_BUSY,
				  "sandbox: a process inside does not die (stuck in the kernel)");
	return 0;
}
