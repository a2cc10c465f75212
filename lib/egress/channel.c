/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Connections that are open above CROWDED still end: 1,024 more events at most. */
#define CROWDED 2048
#define QUIET	256

struct queued {
	struct queued *next;
	struct cs_egress_event event;
};

struct cs_channel {
	struct cs_loop *loop;
	int fd;
	struct cs_channel_ops ops;
	struct queued *first, **last;
	size_t n;
	bool crowded;
	bool gone; /* the owner: nothing can be sent any more */
};

/* Sends what the socket takes. */
static void send_queued(struct cs_channel *ch)
{
	while (ch->first) {
		struct queued *q = ch->first;
		ssize_t n = send(ch->fd, &q->event, sizeof(q->event), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS) && !ch->gone)
			break;
		if (n < 0)
			ch->gone = true; /* the rest of the queue has nobody to go to */
		ch->first = q->next;
		if (!ch->first)
			ch->last = &ch->first;
		ch->n--;
		free(q);
	}
}

static void watch_room(struct cs_channel *ch)
{
	cs_loop_modify(ch->loop, ch->fd, EPOLLIN | (ch->first ? (uint32_t)EPOLLOUT : 0));
	if (!ch->crowded && ch->n >= CROWDED) {
		ch->crowded = true;
		ch->ops.on_crowded(ch->ops.arg, true);
	} else if (ch->crowded && ch->n <= QUIET) {
		ch->crowded = false;
		ch->ops.on_crowded(ch->ops.arg, false);
	}
}

static void receive(struct cs_channel *ch)
{
	for (;;) {
		struct cs_egress_answer answer;
		ssize_t n = recv(ch->fd, &answer, sizeof(answer), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n != sizeof(answer)) {
			cs_loop_remove(ch->loop, ch->fd);
			ch->ops.on_end(ch->ops.arg);
			return;
		}
		ch->ops.on_answer(ch->ops.arg, &answer);
	}
}

static void on_event(void *arg, int fd, uint32_t events)
{
	struct cs_channel *ch = arg;

	(void)fd;
	if (events & EPOLLOUT) {
		send_queued(ch);
		watch_room(ch);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(ch);
}

int cs_channel_new(struct cs_channel **out, struct cs_loop *loop, int fd,
		   const struct cs_channel_ops *ops, struct cs_err *err)
{
	struct cs_channel *ch = cs_calloc(1, sizeof(*ch));
	int rc;

	*ch = (struct cs_channel){ .loop = loop, .fd = fd, .ops = *ops };
	ch->last = &ch->first;
	rc = cs_loop_add(loop, fd, EPOLLIN, on_event, ch, err);
	if (rc < 0)
		cs_channel_free(ch);
	else
		*out = ch;
	return rc;
}

void cs_channel_send(struct cs_channel *ch, const struct cs_egress_event *event)
{
	struct queued *q = cs_malloc(sizeof(*q));

	q->next = NULL;
	q->event = *event;
	*ch->last = q;
	ch->last = &q->next;
	if (ch->n++ == 0)
		send_queued(ch);
	watch_room(ch);
}

void cs_channel_flush(struct cs_channel *ch, int timeout_ms)
{
	int64_t end = cs_mono_ns() + timeout_ms * INT64_C(1000000);

	for (send_queued(ch); ch->first; send_queued(ch)) {
		struct pollfd p = { .fd = ch->fd, .events = POLLOUT };
		int64_t left_ms = (end - cs_mono_ns()) / 1000000;

		if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
			return;
	}
}

void cs_channel_free(struct cs_channel *ch)
{
	if (!ch)
		return;
	cs_loop_remove(ch->loop, ch->fd);
	cs_close(&ch->fd);
	while (ch->first) {
		struct queued *q = ch->first;

		ch->first = q->next;
		free(q);
	}
	free(ch);
}
