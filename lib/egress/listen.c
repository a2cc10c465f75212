/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include "pool.h"

#define BACKLOG	     256
#define ACCEPT_BATCH 16	 /* connections at a time, so that all listeners get their turn */
#define BREATHE_MS   100 /* between tries while descriptors or memory are short */

/* Why nothing is accepted at the moment. */
#define PAUSE_CALLER  1u
#define PAUSE_BREATHE 2u

struct cs_listeners {
	struct cs_loop *loop;
	struct cs_pool pool4, pool6;
	struct cs_listener *v[CS_EGRESS_LISTENERS_MAX];
	size_t n;
	uint64_t clock;
	unsigned paused;
};

int cs_listeners_new(struct cs_listeners **out, struct cs_loop *loop,
		     struct cs_egress_sockets *sockets, struct cs_err *err)
{
	struct cs_listeners *set = cs_calloc(1, sizeof(*set));

	set->loop = loop;
	cs_pool_init(&set->pool4, AF_INET, sockets->tcp4, CS_EGRESS_TCP4);
	cs_pool_init(&set->pool6, AF_INET6, sockets->tcp6, CS_EGRESS_TCP6);
	memset(sockets->tcp4, -1, sizeof(sockets->tcp4));
	memset(sockets->tcp6, -1, sizeof(sockets->tcp6));
	if (set->pool4.n == 0) {
		cs_listeners_free(set);
		return cs_err_set(err, CS_USAGE, "no sockets of the run's network");
	}
	*out = set;
	return 0;
}

/* ---- accepting --------------------------------------------------------------------------- */

static void set_paused(struct cs_listeners *set, unsigned reasons)
{
	bool was = set->paused, is = reasons;

	set->paused = reasons;
	for (size_t i = 0; was != is && i < set->n; i++)
		cs_loop_modify(set->loop, set->v[i]->fd, is ? 0 : EPOLLIN);
}

void cs_listeners_pause(struct cs_listeners *set, bool pause)
{
	set_paused(set, pause ? set->paused | PAUSE_CALLER : set->paused & ~PAUSE_CALLER);
}

static void breathed(void *arg)
{
	struct cs_listeners *set = arg;

	set_paused(set, set->paused & ~PAUSE_BREATHE);
}

static void breathe(struct cs_listeners *set)
{
	if (set->paused & PAUSE_BREATHE)
		return;
	set_paused(set, set->paused | PAUSE_BREATHE);
	cs_loop_after(set->loop, BREATHE_MS, breathed, set);
}

static void on_connection(void *arg, int fd, uint32_t events)
{
	struct cs_listener *l = arg;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH && !l->set->paused; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		int got = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (got >= 0) {
			l->open++;
			l->used = ++l->set->clock;
			l->fn(l->arg, l, got, &peer);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			breathe(l->set);
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

void cs_listener_done(struct cs_listener *l)
{
	l->open--;
	l->used = ++l->set->clock;
}

/* ---- opening and closing ----------------------------------------------------------------- */

static struct cs_listener *find(const struct cs_listeners *set, const struct cs_listener *wanted)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i]->port == wanted->port && cs_ip_equal(&set->v[i]->addr, &wanted->addr))
			return set->v[i];
	return NULL;
}

static void close_listener(struct cs_listeners *set, size_t i)
{
	struct cs_listener *l = set->v[i];

	cs_loop_remove(set->loop, l->fd);
	cs_close(&l->fd);
	free(l);
	set->v[i] = set->v[--set->n];
}

/* Makes room for one more. */
static bool evict(struct cs_listeners *set)
{
	size_t oldest = set->n;

	for (size_t i = 0; i < set->n; i++)
		if (!set->v[i]->fixed && !set->v[i]->open &&
		    (oldest == set->n || set->v[i]->used < set->v[oldest]->used))
			oldest = i;
	if (oldest == set->n)
		return false;
	close_listener(set, oldest);
	return true;
}

static int listen_on(struct cs_listener *l, struct cs_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len = cs_ip_to_sockaddr(&sa, &l->addr, l->port);
	char text[CS_IP_TEXT];
	int one = 1;

	/* Earlier connections of the same address and port may linger. */
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (l->addr.family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(l->fd, (struct sockaddr *)&sa, len) == 0 && listen(l->fd, BACKLOG) == 0)
		return 0;
	cs_ip_format(text, &l->addr);
	if (errno == EADDRINUSE)
		return cs_err_set(err, CS_EXISTS,
				  "a program inside listens on port %u already (%s)", l->port,
				  text);
	return cs_err_sys(err, "listen inside on %s port %u", text, l->port);
}

/* Takes l. */
static int open_listener(struct cs_listeners *set, struct cs_listener *l, struct cs_err *err)
{
	struct cs_pool *pool = l->addr.family == AF_INET6 ? &set->pool6 : &set->pool4;
	int rc;

	l->fd = cs_pool_take(pool);
	if (l->fd < 0)
		rc = cs_err_set(err, CS_LIMIT, "no socket is left for one more host and port");
	else
		rc = listen_on(l, err);
	if (rc == 0)
		rc = cs_loop_add(set->loop, l->fd, set->paused ? 0 : EPOLLIN, on_connection, l,
				 err);
	if (rc < 0) {
		cs_close(&l->fd);
		free(l);
		return rc;
	}
	set->v[set->n++] = l;
	return 0;
}

int cs_listeners_open(struct cs_listeners *set, const struct cs_listener *wanted,
		      struct cs_err *err)
{
	struct cs_listener *l = find(set, wanted);

	if (l) {
		l->used = ++set->clock;
		return 0;
	}
	if (set->n == CS_EGRESS_LISTENERS_MAX && !evict(set))
		return cs_err_set(err, CS_LIMIT, "%d hosts and ports are in use at once",
				  CS_EGRESS_LISTENERS_MAX);
	l = cs_malloc(sizeof(*l));
	*l = *wanted;
	l->set = set;
	l->fd = -1;
	l->open = 0;
	l->used = ++set->clock;
	return open_listener(set, l, err);
}

void cs_listeners_free(struct cs_listeners *set)
{
	if (!set)
		return;
	while (set->n)
		close_listener(set, set->n - 1);
	cs_pool_release(&set->pool4);
	cs_pool_release(&set->pool6);
	free(set);
}
