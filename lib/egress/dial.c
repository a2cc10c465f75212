/* SPDX-License-Identifier: Apache-2.0 */
#include "dial.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MAX_IPS	    16
#define STAGGER_MS  250
#define DEADLINE_MS 20000

struct attempt {
	struct cs_dial *dial;
	struct cs_ip ip;
	int fd; /* -1: not begun, or failed */
};

struct cs_dial {
	struct cs_loop *loop;
	struct attempt attempts[MAX_IPS];
	size_t n, begun, running;
	uint16_t port;
	int last_errno;
	struct cs_ip last_ip;
	cs_dialled_fn fn;
	void *arg;
	uint64_t stagger, deadline;
};

void cs_dial_cancel(struct cs_dial *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->begun; i++) {
		if (d->attempts[i].fd >= 0)
			cs_loop_remove(d->loop, d->attempts[i].fd);
		cs_close(&d->attempts[i].fd);
	}
	cs_loop_cancel(d->loop, d->stagger);
	cs_loop_cancel(d->loop, d->deadline);
	free(d);
}

static void succeed(struct attempt *a)
{
	struct cs_dial *d = a->dial;
	struct cs_ip ip = a->ip;
	cs_dialled_fn fn = d->fn;
	void *arg = d->arg;
	int fd = cs_steal_fd(&a->fd);

	cs_loop_remove(d->loop, fd);
	cs_dial_cancel(d);
	fn(arg, fd, &ip, NULL);
}

static void fail(struct cs_dial *d)
{
	char text[CS_IP_TEXT], why[160];
	cs_dialled_fn fn = d->fn;
	void *arg = d->arg;

	snprintf(why, sizeof(why), "connect to %s port %u: %s", cs_ip_format(text, &d->last_ip),
		 d->port, strerror(d->last_errno));
	cs_dial_cancel(d);
	fn(arg, -1, NULL, why);
}

static void on_deadline(void *arg)
{
	struct cs_dial *d = arg;

	d->last_errno = ETIMEDOUT;
	fail(d);
}

static void on_stagger(void *arg);

static void attempt_failed(struct attempt *a, int error)
{
	struct cs_dial *d = a->dial;

	if (a->fd >= 0)
		cs_loop_remove(d->loop, a->fd);
	cs_close(&a->fd);
	d->last_errno = error;
	d->last_ip = a->ip;
	d->running--;
}

static void on_connected(void *arg, int fd, uint32_t events)
{
	struct attempt *a = arg;
	struct cs_dial *d = a->dial;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		succeed(a);
		return;
	}
	attempt_failed(a, error);
	cs_loop_cancel(d->loop, d->stagger);
	d->stagger = 0;
	on_stagger(d);
}

/* False: failed at once. */
static bool begin(struct attempt *a)
{
	struct cs_dial *d = a->dial;
	struct sockaddr_storage sa;
	socklen_t len = cs_ip_to_sockaddr(&sa, &a->ip, d->port);

	d->running++;
	d->last_ip = a->ip;
	a->fd = socket(a->ip.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd >= 0 &&
	    (connect(a->fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS) &&
	    cs_loop_add(d->loop, a->fd, EPOLLOUT, on_connected, a, NULL) == 0)
		return true;
	attempt_failed(a, errno);
	return false;
}

/* Begins the next attempt; ends the dial when there is none and none is left. */
static void on_stagger(void *arg)
{
	struct cs_dial *d = arg;

	d->stagger = 0;
	while (d->begun < d->n)
		if (begin(&d->attempts[d->begun++]))
			break;
	if (d->begun < d->n)
		d->stagger = cs_loop_after(d->loop, STAGGER_MS, on_stagger, d);
	else if (d->running == 0)
		fail(d);
}

struct cs_dial *cs_dial_start(struct cs_loop *loop, const struct cs_ip *ips, size_t n,
			      uint16_t port, cs_dialled_fn fn, void *arg)
{
	struct cs_dial *d = cs_calloc(1, sizeof(*d));

	*d = (struct cs_dial){ .loop = loop, .port = port, .fn = fn, .arg = arg };
	d->last_errno = EADDRNOTAVAIL;
	for (d->n = 0; d->n < n && d->n < MAX_IPS; d->n++)
		d->attempts[d->n] = (struct attempt){ .dial = d, .ip = ips[d->n], .fd = -1 };
	d->stagger = cs_loop_after(loop, 0, on_stagger, d);
	d->deadline = cs_loop_after(loop, DEADLINE_MS, on_deadline, d);
	return d;
}
