/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. A connection has two sides, `in` (the run) and `out` (the world), and
 * passes two gates that know nothing of each other:
 *
 *	the rule's	ASKING -> RESOLVING -> DIALLING -> OPEN. The owner answers before anything
 *			leaves the machine, a name look-up included (names carry data too). What a
 *			name leads to is checked by address, and that very address is connected to.
 *	the check	what the client says first must name the host (sniff.h). It begins at once,
 *			beside the other gate, and until it passes nothing goes from in to out.
 *			From out to in bytes flow as soon as the connection is open: in some
 *			protocols the server speaks first. Literal rules have no name to check.
 *
 * Each CONNECT event is followed by exactly one CLOSED with the same id. What fails or is refused
 * is reset rather than closed, so that no client takes it for an empty answer.
 *
 * Sockets are watched edge-triggered: every callback runs both directions as far as they go.
 */
#include "relay.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include "dial.h"
#include "flow.h"
#include "peer.h"
#include "route.h"
#include "rules.h"
#include "sniff.h"

#define ANSWER_MS  120000
#define SNIFF_MS   30000 /* from the client's first byte to the end of its hello or head */
#define FIRST_READ 2048
#define EDGES	   (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

enum phase { ASKING = 1, RESOLVING, DIALLING, OPEN };

struct conn {
	struct conn *next, **link;
	struct cs_relay *relay;
	struct cs_listener *listener;
	uint64_t id;
	enum phase phase;
	bool checked; /* what the client says may go out */
	struct cs_end in, out;
	struct cs_flow up, down; /* in to out, out to in */
	struct cs_sniff sniff;
	struct cs_dial *dial;
	uint64_t answer_timer, sniff_timer;
	struct sockaddr_storage peer;
	uint64_t cookie; /* of the socket inside */
	struct cs_ip outside;
};

struct cs_relay {
	struct cs_loop *loop;
	struct cs_channel *channel;
	struct cs_resolver *resolver;
	int route_fd, diag_fd;
	struct conn *conns;
	size_t n;
	uint64_t last_id;
	struct cs_chunks chunks;
};

struct cs_relay *cs_relay_new(struct cs_loop *loop, struct cs_channel *channel,
			      struct cs_resolver *resolver, int route_fd, int diag_fd)
{
	struct cs_relay *r = cs_calloc(1, sizeof(*r));

	*r = (struct cs_relay){ .loop = loop,
				.channel = channel,
				.resolver = resolver,
				.route_fd = route_fd,
				.diag_fd = diag_fd };
	return r;
}

/* ---- events ------------------------------------------------------------------------------ */

static void describe(struct cs_egress_event *e, enum cs_egress_event_type type, uint64_t id,
		     const struct cs_listener *l, const struct sockaddr_storage *peer)
{
	struct cs_ip ip;

	memset(e, 0, sizeof(*e));
	e->type = type;
	e->id = id;
	e->port = l->port;
	snprintf(e->host, sizeof(e->host), "%s", l->host);
	snprintf(e->origin, sizeof(e->origin), "%s", l->rule->origin ? l->rule->origin : "");
	cs_ip_from_sockaddr(&ip, &e->peer_port, peer);
	cs_ip_format(e->peer_addr, &ip);
	cs_ip_format(e->local_addr, &l->addr);
}

static void report_closed(const struct conn *c, bool allowed, const char *reason)
{
	struct cs_egress_event e;

	describe(&e, CS_EGRESS_CLOSED, c->id, c->listener, &c->peer);
	e.cookie = c->cookie;
	e.allowed = allowed;
	if (c->outside.family)
		cs_ip_format(e.addr, &c->outside);
	snprintf(e.proto, sizeof(e.proto), "%s", c->sniff.proto);
	snprintf(e.reason, sizeof(e.reason), "%s", reason);
	e.bytes_out = c->up.bytes;
	e.bytes_in = c->down.bytes;
	cs_channel_send(c->relay->channel, &e);
}

/* ---- the end ----------------------------------------------------------------------------- */

static void close_end(struct cs_relay *r, struct cs_end *end, bool reset)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (end->fd < 0)
		return;
	cs_loop_remove(r->loop, end->fd);
	if (reset)
		setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	cs_close(&end->fd);
}

/* allowed: it was open, and nothing was wrong with it. An empty reason is an orderly end. */
static void end_conn(struct conn *c, bool allowed, const char *reason)
{
	struct cs_relay *r = c->relay;

	report_closed(c, allowed, reason);
	cs_dial_cancel(c->dial);
	close_end(r, &c->in, *reason);
	close_end(r, &c->out, *reason);
	cs_chunk_free(&r->chunks, c->up.chunk);
	cs_chunk_free(&r->chunks, c->down.chunk);
	cs_loop_cancel(r->loop, c->answer_timer);
	cs_loop_cancel(r->loop, c->sniff_timer);
	cs_listener_done(c->listener);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	r->n--;
	free(c);
}

static void end_broken(struct conn *c, int error)
{
	end_conn(c, true, strerror(error));
}

void cs_relay_end(struct cs_relay *r, const char *reason)
{
	while (r->conns)
		end_conn(r->conns, r->conns->phase == OPEN, reason);
}

void cs_relay_free(struct cs_relay *r)
{
	if (!r)
		return;
	cs_chunks_release(&r->chunks);
	free(r);
}

/* ---- the check --------------------------------------------------------------------------- */

static void on_sniff_deadline(void *arg)
{
	struct conn *c = arg;

	c->sniff_timer = 0;
	end_conn(c, false, "the client did not finish its first message in time");
}

/* Room for more of the first message, up to the limit. */
static struct cs_chunk *first_message(struct conn *c)
{
	struct cs_chunk *old = c->up.chunk, *grown;

	if (old && old->len < old->cap)
		return old;
	grown = cs_chunk_sized(old ? old->cap * 2 : FIRST_READ);
	if (old) {
		memcpy(grown->data, old->data, old->len);
		grown->len = old->len;
		cs_chunk_free(&c->relay->chunks, old);
	}
	c->up.chunk = grown;
	return grown;
}

/* Reads on and looks. False: the connection has ended. */
static bool check(struct conn *c)
{
	while (!c->checked && c->in.readable) {
		struct cs_chunk *chunk = first_message(c);
		ssize_t n = recv(c->in.fd, chunk->data + chunk->len, chunk->cap - chunk->len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			end_broken(c, errno);
			return false;
		}
		if (n < 0) {
			c->in.readable = false;
			break;
		}
		chunk->len += (size_t)n;
		c->up.eof = n == 0;
		if (!c->sniff_timer)
			c->sniff_timer =
				cs_loop_after(c->relay->loop, SNIFF_MS, on_sniff_deadline, c);
		switch (cs_sniff(&c->sniff, chunk->data, chunk->len, c->up.eof)) {
		case CS_SNIFF_PASS:
			c->checked = true;
			cs_loop_cancel(c->relay->loop, c->sniff_timer);
			break;
		case CS_SNIFF_MORE:
			break;
		case CS_SNIFF_REFUSE:
		default:
			end_conn(c, false, c->sniff.reason);
			return false;
		}
	}
	return true;
}

/* ---- bytes ------------------------------------------------------------------------------- */

/* Runs both directions as far as they go. May end the connection. */
static void run(struct conn *c)
{
	struct cs_relay *r = c->relay;
	enum cs_flow_result up = CS_FLOW_WAITS, down;

	if (!check(c) || c->phase != OPEN)
		return;
	if (c->checked)
		up = cs_flow_pump(&c->up, &r->chunks);
	down = up == CS_FLOW_BROKEN ? up : cs_flow_pump(&c->down, &r->chunks);
	if (down == CS_FLOW_BROKEN) {
		end_broken(c, errno);
		return;
	}
	if (c->up.done && c->down.done) {
		end_conn(c, true, "");
		return;
	}
	/* Setting the same events again brings a new edge, after the others' turns. */
	if (up == CS_FLOW_AGAIN)
		cs_loop_modify(r->loop, c->in.fd, EDGES);
	if (down == CS_FLOW_AGAIN)
		cs_loop_modify(r->loop, c->out.fd, EDGES);
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

/*
 * from: the flow that reads this end. An error is normally met by reading, after the data that came
 * before it; where nothing is read (any more) it has to be asked for.
 */
static void on_end(struct conn *c, struct cs_end *end, const struct cs_flow *from, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		end->writable = true;
	if ((events & EPOLLERR) && (from->eof || c->phase != OPEN)) {
		int error = socket_error(end->fd);

		if (error) {
			end_conn(c, c->phase == OPEN, strerror(error));
			return;
		}
	}
	run(c);
}

static void on_in(void *arg, int fd, uint32_t events)
{
	struct conn *c = arg;

	(void)fd;
	on_end(c, &c->in, &c->up, events);
}

static void on_out(void *arg, int fd, uint32_t events)
{
	struct conn *c = arg;

	(void)fd;
	on_end(c, &c->out, &c->down, events);
}

/* ---- the way out ------------------------------------------------------------------------- */

static void on_dialled(void *arg, int fd, const struct cs_ip *ip, const char *failure)
{
	struct conn *c = arg;
	struct cs_err err = CS_ERR_INIT;
	int one = 1;

	c->dial = NULL;
	if (fd < 0) {
		end_conn(c, false, failure);
		return;
	}
	c->out.fd = fd;
	c->outside = *ip;
	c->phase = OPEN;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (cs_loop_add(c->relay->loop, fd, EDGES, on_out, c, &err) < 0)
		end_conn(c, false, err.msg);
	else
		run(c);
}

static void dial(struct conn *c, const struct cs_ip *ips, size_t n)
{
	c->phase = DIALLING;
	c->dial = cs_dial_start(c->relay->loop, ips, n, c->listener->port, on_dialled, c);
}

/* NULL: a name may lead here. */
static const char *refusal(const struct cs_relay *r, const struct cs_ip *ip)
{
	const char *what = cs_ip_refusal(ip);

	if (!what && cs_route_is_local(r->route_fd, ip))
		what = "this machine's own";
	return what;
}

static struct conn *find_conn(struct cs_relay *r, uint64_t id, enum phase phase)
{
	for (struct conn *c = r->conns; c; c = c->next)
		if (c->id == id)
			return c->phase == phase ? c : NULL;
	return NULL;
}

/* Of the addresses that a name has, the permitted ones are tried; the others are passed over. */
static void on_resolved(void *arg, uint64_t token, const struct cs_ip *ips, size_t n,
			const char *failure)
{
	struct cs_relay *r = arg;
	struct conn *c = find_conn(r, token, RESOLVING);
	struct cs_ip good[CS_RESOLVE_MAX_IPS];
	size_t n_good = 0;
	char why[160];

	if (!c)
		return;
	if (n == 0) {
		end_conn(c, false, failure);
		return;
	}
	for (size_t i = 0; i < n && i < CS_RESOLVE_MAX_IPS; i++)
		if (!refusal(r, &ips[i]))
			good[n_good++] = ips[i];
	if (n_good) {
		dial(c, good, n_good);
		return;
	}
	c->outside = ips[0];
	snprintf(why, sizeof(why),
		 "the name leads to a %s address; only a rule that writes the "
		 "address itself permits that",
		 refusal(r, &ips[0]));
	end_conn(c, false, why);
}

static void go_out(struct conn *c)
{
	const struct cs_egress_rule *rule = c->listener->rule;
	struct cs_ip own[2];

	c->phase = RESOLVING;
	if (rule->literal && cs_ip_parse(&own[0], rule->host)) {
		dial(c, own, 1);
	} else if (cs_rule_is_localhost(rule)) {
		cs_ip_parse(&own[0], "127.0.0.1");
		cs_ip_parse(&own[1], "::1");
		dial(c, own, 2);
	} else {
		cs_resolver_look_up(c->relay->resolver, c->listener->host, on_resolved, c->relay,
				    c->id);
	}
}

void cs_relay_answer(struct cs_relay *r, const struct cs_egress_answer *answer)
{
	struct conn *c = find_conn(r, answer->id, ASKING);

	if (!c)
		return; /* ended meanwhile, or answered twice */
	cs_loop_cancel(r->loop, c->answer_timer);
	c->answer_timer = 0;
	if (answer->allow == 1)
		go_out(c);
	else
		end_conn(c, false, "denied");
}

/* ---- coming in --------------------------------------------------------------------------- */

static void on_no_answer(void *arg)
{
	struct conn *c = arg;

	c->answer_timer = 0;
	end_conn(c, false, "no answer in time");
}

static uint64_t cookie_of(const struct cs_relay *r, const struct cs_listener *l,
			  const struct sockaddr_storage *peer)
{
	struct cs_ip ip;
	uint16_t port;

	cs_ip_from_sockaddr(&ip, &port, peer);
	return cs_peer_cookie(r->diag_fd, &ip, port, &l->addr, l->port);
}

static void turn_away(struct cs_relay *r, struct cs_listener *l, int fd,
		      const struct sockaddr_storage *peer, const char *reason)
{
	struct cs_end end = { .fd = fd };
	struct cs_egress_event e;

	describe(&e, CS_EGRESS_REFUSED, ++r->last_id, l, peer);
	e.cookie = cookie_of(r, l, peer);
	snprintf(e.reason, sizeof(e.reason), "%s", reason);
	cs_channel_send(r->channel, &e);
	close_end(r, &end, true);
	cs_listener_done(l);
}

static struct conn *new_conn(struct cs_relay *r, struct cs_listener *l, int fd,
			     const struct sockaddr_storage *peer)
{
	struct conn *c = cs_calloc(1, sizeof(*c));

	c->relay = r;
	c->listener = l;
	c->id = ++r->last_id;
	c->phase = ASKING;
	c->checked = l->rule->literal || cs_rule_is_localhost(l->rule);
	c->in.fd = fd;
	c->out.fd = -1;
	c->up = (struct cs_flow){ .from = &c->in, .to = &c->out };
	c->down = (struct cs_flow){ .from = &c->out, .to = &c->in };
	c->sniff = (struct cs_sniff)CS_SNIFF_INIT(l->host, l->port);
	c->peer = *peer;
	c->cookie = cookie_of(r, l, peer);
	c->next = r->conns;
	c->link = &r->conns;
	if (c->next)
		c->next->link = &c->next;
	r->conns = c;
	r->n++;
	return c;
}

void cs_relay_accept(void *arg, struct cs_listener *l, int fd, const struct sockaddr_storage *peer)
{
	struct cs_relay *r = arg;
	struct cs_err err = CS_ERR_INIT;
	struct cs_egress_event e;
	struct conn *c;
	int one = 1;

	if (r->n >= CS_EGRESS_CONNECTIONS_MAX) {
		turn_away(r, l, fd, peer, "too many connections at once");
		return;
	}
	c = new_conn(r, l, fd, peer);
	describe(&e, CS_EGRESS_CONNECT, c->id, l, peer);
	e.cookie = c->cookie;
	cs_channel_send(r->channel, &e);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->answer_timer = cs_loop_after(r->loop, ANSWER_MS, on_no_answer, c);
	if (cs_loop_add(r->loop, fd, EDGES, on_in, c, &err) < 0)
		end_conn(c, false, err.msg);
}
