/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's side. The relay parses hostile bytes, so what it sends is checked here as far as it
 * can be: sizes, types, terminated strings. Its loss is an error of every later call.
 */
#include "countersign/egress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "addr.h"
#include "channel.h"
#include "process.h"
#include "rules.h"

#define START_MS 10000
#define STOP_MS	 5000

struct cs_egress {
	int fd;
	int life_fd; /* the write end; the relay ends when it closes */
	int pid_fd;
	pid_t pid;
	int landlock_abi;
};

/* ---- what the sandbox needs to know ------------------------------------------------------ */

void cs_egress_addresses(struct cs_strv *out, const struct cs_egress_opts *opts)
{
	for (size_t i = 0; i < opts->n_rules; i++) {
		struct cs_ip ip, loopback6 = { .family = AF_INET6, .bytes[15] = 1 };
		char text[CS_IP_TEXT + 4];
		size_t len;

		if (!opts->rules[i].literal || !cs_ip_parse(&ip, opts->rules[i].host))
			continue;
		if (ip.family == AF_INET ? ip.bytes[0] == 127 : cs_ip_equal(&ip, &loopback6))
			continue;
		cs_ip_format(text, &ip);
		len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "/%d", ip.family == AF_INET ? 32 : 128);
		if (!cs_strv_has(out, text))
			cs_strv_add(out, text);
	}
}

bool cs_egress_allows(const struct cs_egress_opts *opts, const char *host, uint16_t port)
{
	struct cs_target targets[CS_EGRESS_PORTS_MAX];
	size_t n = cs_rules_targets(targets, opts->rules, opts->n_rules, host);

	for (size_t i = 0; i < n; i++)
		if (targets[i].port == port)
			return true;
	return false;
}

const char *cs_egress_resolv_conf(void)
{
	return "nameserver " CS_EGRESS_SELF "\noptions timeout:2 attempts:2\n";
}

/* ---- life -------------------------------------------------------------------------------- */

static void close_sockets(struct cs_egress_sockets *s)
{
	for (size_t i = 0; i < CS_EGRESS_TCP4; i++)
		cs_close(&s->tcp4[i]);
	for (size_t i = 0; i < CS_EGRESS_TCP6; i++)
		cs_close(&s->tcp6[i]);
	cs_close(&s->udp4);
	cs_close(&s->diag);
}

/* Kills what is left of the process, reaps it, frees. */
static void release(struct cs_egress *e)
{
	if (e->pid_fd >= 0)
		syscall(SYS_pidfd_send_signal, e->pid_fd, SIGKILL, NULL, 0);
	else if (e->pid > 0)
		kill(e->pid, SIGKILL);
	if (e->pid > 0)
		while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
			; /* ECHILD: the owner's own loop was faster */
	cs_close(&e->fd);
	cs_close(&e->life_fd);
	cs_close(&e->pid_fd);
	free(e);
}

/* True when the socket is readable (or at its end) in time. */
static bool wait_readable(int fd, int64_t deadline_mono_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left_ms = (deadline_mono_ns - cs_mono_ns()) / 1000000;
		int n = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);

		if (n >= 0)
			return n > 0;
		if (errno != EINTR)
			return false;
	}
}

static int wait_ready(struct cs_egress *e, struct cs_err *err)
{
	struct cs_egress_ready ready;

	if (!wait_readable(e->fd, cs_mono_ns() + START_MS * INT64_C(1000000)))
		return cs_err_set(err, CS_MALFUNCTION, "the relay does not come up");
	if (recv(e->fd, &ready, sizeof(ready), MSG_DONTWAIT) != sizeof(ready))
		return cs_err_set(err, CS_MALFUNCTION, "the relay process died at its start");
	ready.msg[sizeof(ready.msg) - 1] = '\0';
	e->landlock_abi = ready.landlock_abi;
	if (ready.code < 0)
		return cs_err_set(err, (enum cs_code)ready.code, "%s", ready.msg);
	return 0;
}

/* life[1] and sv[0] become e's; the others are the child's. */
static int launch(struct cs_egress *e, const struct cs_egress_opts *opts,
		  struct cs_egress_sockets *sockets, struct cs_err *err)
{
	AUTO_FD int channel_fd = -1;
	AUTO_FD int life_fd = -1;
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cs_err_sys(err, "socket pair");
	e->fd = pair[0];
	channel_fd = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return cs_err_sys(err, "pipe");
	life_fd = pair[0];
	e->life_fd = pair[1];
	e->pid = fork();
	if (e->pid < 0)
		return cs_err_sys(err, "fork");
	if (e->pid == 0)
		cs_egress_process(opts, sockets, channel_fd, life_fd, parent);
	e->pid_fd = (int)syscall(SYS_pidfd_open, e->pid, 0);
	cs_close(&channel_fd); /* so that its death is seen */
	return wait_ready(e, err);
}

int cs_egress_start(struct cs_egress **out, const struct cs_egress_opts *opts,
		    struct cs_egress_sockets *sockets, struct cs_err *err)
{
	struct cs_egress *e = cs_calloc(1, sizeof(*e));
	int rc = cs_rules_check(opts->rules, opts->n_rules, err);

	e->fd = e->life_fd = e->pid_fd = -1;
	if (rc == 0)
		rc = launch(e, opts, sockets, err);
	close_sockets(sockets);
	if (rc < 0) {
		release(e);
		return cs_err_wrap(err, "egress");
	}
	*out = e;
	return 0;
}

int cs_egress_fd(const struct cs_egress *e)
{
	return e->fd;
}

pid_t cs_egress_pid(const struct cs_egress *e)
{
	return e->pid;
}

int cs_egress_landlock(const struct cs_egress *e)
{
	return e->landlock_abi;
}

/* ---- events and answers ------------------------------------------------------------------ */

static void terminate_strings(struct cs_egress_event *e)
{
	e->host[sizeof(e->host) - 1] = '\0';
	e->peer_addr[sizeof(e->peer_addr) - 1] = '\0';
	e->local_addr[sizeof(e->local_addr) - 1] = '\0';
	e->addr[sizeof(e->addr) - 1] = '\0';
	e->origin[sizeof(e->origin) - 1] = '\0';
	e->reason[sizeof(e->reason) - 1] = '\0';
	e->proto[sizeof(e->proto) - 1] = '\0';
}

int cs_egress_next(struct cs_egress_event *event, struct cs_egress *e, struct cs_err *err)
{
	struct cs_egress_event got;
	ssize_t n;

	do
		n = recv(e->fd, &got, sizeof(got), MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return cs_err_sys(err, "egress: receive an event");
	if (n == 0)
		return cs_err_set(err, CS_MALFUNCTION, "egress: the relay process is gone");
	if (n != sizeof(got) || got.type < CS_EGRESS_DNS || got.type > CS_EGRESS_CLOSED)
		return cs_err_set(err, CS_MALFUNCTION, "egress: the relay sent nonsense");
	terminate_strings(&got);
	*event = got;
	return 1;
}

int cs_egress_answer(struct cs_egress *e, const struct cs_egress_answer *answer, struct cs_err *err)
{
	ssize_t n;

	do
		n = send(e->fd, answer, sizeof(*answer), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == sizeof(*answer))
		return 0;
	return cs_err_sys(err, "egress: answer");
}

void cs_egress_stop(struct cs_egress *e, void (*fn)(void *arg, const struct cs_egress_event *),
		    void *arg)
{
	int64_t deadline_mono_ns = cs_mono_ns() + STOP_MS * INT64_C(1000000);
	struct cs_egress_event event;
	int rc = 1;

	if (!e)
		return;
	shutdown(e->fd, SHUT_WR);
	while (rc >= 0 && wait_readable(e->fd, deadline_mono_ns)) {
		rc = cs_egress_next(&event, e, NULL);
		if (rc > 0 && fn)
			fn(arg, &event);
	}
	release(e);
}
