/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing that is asked here leaves the machine: a name that a rule allows gets an address of
 * CS_EGRESS_NET, and listeners on that address; any other name does not exist. Whether the name
 * exists in the world shows when somebody connects. Only IPv4 is answered, and neither HTTPS nor
 * SVCB records: they would lead around the address, or hide the server name in the hello.
 *
 * Every name is reported once, with what was decided; names that are refused are remembered up to
 * a number, after which one last event says that further ones are not listed.
 */
#include "stub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include "dns.h"

#define PORT	       53
#define UDP_BATCH      64
#define PER_SECOND     2000
#define SECOND_NS      INT64_C(1000000000)
#define MAX_REFUSED    4096 /* names that are remembered, and so reported */
#define MAX_STREAMS    32
#define STREAM_IDLE_MS 10000

/* One connection over TCP: messages with two bytes of length before them. */
struct stream {
	struct stream *next, **link;
	struct cs_stub *stub;
	struct cs_listener *listener;
	struct sockaddr_storage peer;
	int fd;
	uint64_t timer;
	size_t len;
	uint8_t data[2 + CS_DNS_MAX_IN];
};

struct cs_stub {
	struct cs_stub_config c;
	int udp_fd;
	bool paused;	  /* by the caller */
	uint64_t resting; /* timer: too many queries in this second */
	int64_t second_mono_ns;
	unsigned queries; /* in it */
	struct cs_names names;
	struct cs_names refused; /* their addresses mean nothing */
	bool refused_full;
	struct stream *streams;
	size_t n_streams;
};

/* ---- what is answered -------------------------------------------------------------------- */

static void report(struct cs_stub *s, const char *host, const struct sockaddr_storage *peer,
		   const struct cs_target *allowed, const char *reason)
{
	struct cs_egress_event e = { .type = CS_EGRESS_DNS, .allowed = allowed != NULL };
	const struct cs_name *name = allowed ? cs_names_find(&s->names, host) : NULL;
	struct cs_ip ip;

	snprintf(e.host, sizeof(e.host), "%s", host);
	if (name)
		inet_ntop(AF_INET, &name->addr, e.local_addr, sizeof(e.local_addr));
	if (allowed && allowed->rule->origin)
		snprintf(e.origin, sizeof(e.origin), "%s", allowed->rule->origin);
	snprintf(e.reason, sizeof(e.reason), "%s", reason);
	cs_ip_from_sockaddr(&ip, &e.peer_port, peer);
	cs_ip_format(e.peer_addr, &ip);
	cs_channel_send(s->c.channel, &e);
}

static void report_refused(struct cs_stub *s, const char *host, const struct sockaddr_storage *peer,
			   const char *reason)
{
	struct cs_name *name;

	if (s->refused_full)
		return;
	name = cs_names_add(&s->refused, host);
	if (name && !name->told)
		report(s, host, peer, NULL, reason);
	if (name)
		name->told = true;
	if (s->refused.n < MAX_REFUSED)
		return;
	s->refused_full = true;
	report(s, "*", peer, NULL, "too many names were refused: further ones are not listed");
}

static int open_targets(struct cs_stub *s, const struct cs_name *name,
			const struct cs_target *targets, size_t n, bool fixed, struct cs_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct cs_listener wanted = { .addr.family = AF_INET,
					      .port = targets[i].port,
					      .host = name->host,
					      .rule = targets[i].rule,
					      .fixed = fixed,
					      .fn = s->c.on_connection,
					      .arg = s->c.arg };
		int rc;

		memcpy(wanted.addr.bytes, &name->addr, sizeof(name->addr));
		rc = cs_listeners_open(s->c.listeners, &wanted, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cs_stub_open_name(struct cs_stub *s, const char *host, bool fixed, struct cs_err *err)
{
	struct cs_target targets[CS_EGRESS_PORTS_MAX];
	size_t n = cs_rules_targets(targets, s->c.rules, s->c.n_rules, host);
	struct cs_name *name = cs_names_add(&s->names, host);

	if (!name)
		return cs_err_set(err, CS_LIMIT, "more than %d names", CS_EGRESS_NAMES_MAX);
	return open_targets(s, name, targets, n, fixed, err);
}

/* The name's address, its listeners ready; NULL and *rcode where there is none. */
static const struct cs_name *look_up(enum cs_dns_rcode *rcode, struct cs_stub *s,
				     const struct cs_dns_query *q,
				     const struct sockaddr_storage *peer)
{
	struct cs_target targets[CS_EGRESS_PORTS_MAX];
	struct cs_err err = CS_ERR_INIT;
	struct cs_name *name;
	size_t n = *q->host ? cs_rules_targets(targets, s->c.rules, s->c.n_rules, q->host) : 0;

	*rcode = CS_DNS_NXDOMAIN;
	if (n == 0) {
		report_refused(s, q->name, peer, "no rule allows this name");
		return NULL;
	}
	*rcode = CS_DNS_SERVFAIL;
	name = cs_names_add(&s->names, q->host);
	if (!name) {
		report_refused(s, q->host, peer, "too many names in one run");
		return NULL;
	}
	if (open_targets(s, name, targets, n, false, &err) < 0) {
		report_refused(s, q->host, peer, err.msg);
		return NULL;
	}
	*rcode = CS_DNS_NOERROR;
	if (!name->told)
		report(s, q->host, peer, &targets[0], "");
	name->told = true;
	return name;
}

static bool below(const char *host, const char *top)
{
	size_t n = strlen(host), k = strlen(top);

	return n >= k && strcmp(host + n - k, top) == 0 && (n == k || host[n - k - 1] == '.');
}

static size_t answer_localhost(uint8_t *out, const struct cs_dns_query *q)
{
	const struct in_addr v4 = { htonl(INADDR_LOOPBACK) };
	const struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;
	struct cs_dns_data data = { 0 };

	if (q->type == CS_DNS_A)
		data.a = &v4;
	if (q->type == CS_DNS_AAAA)
		data.aaaa = &v6;
	return cs_dns_answer(out, q, CS_DNS_NOERROR, &data);
}

static size_t answer_query(uint8_t *out, struct cs_stub *s, const struct cs_dns_query *q,
			   const struct sockaddr_storage *peer)
{
	const struct cs_name *name;
	struct cs_dns_data data = { 0 };
	enum cs_dns_rcode rcode;
	struct in_addr addr;

	if (below(q->host, "localhost")) /* RFC 6761 */
		return answer_localhost(out, q);
	if (cs_dns_reverse(&addr, q->host) && cs_egress_net_has(addr)) {
		name = cs_names_by_addr(&s->names, addr);
		if (name && q->type == CS_DNS_PTR)
			data.ptr = name->host;
		return cs_dns_answer(out, q, name ? CS_DNS_NOERROR : CS_DNS_NXDOMAIN, &data);
	}
	name = look_up(&rcode, s, q, peer);
	if (name && q->type == CS_DNS_A)
		data.a = &name->addr;
	return cs_dns_answer(out, q, rcode, &data);
}

/* The answer to one message; 0: none. */
static size_t answer(uint8_t out[CS_DNS_MAX_OUT], struct cs_stub *s, const uint8_t *msg, size_t len,
		     const struct sockaddr_storage *peer)
{
	struct cs_dns_query q;
	enum cs_dns_rcode rcode = CS_DNS_REFUSED;

	switch (cs_dns_parse(&q, &rcode, msg, len)) {
	case CS_DNS_LOOKUP:
		return answer_query(out, s, &q, peer);
	case CS_DNS_REPLY:
		return cs_dns_answer(out, &q, rcode, NULL);
	case CS_DNS_DROP:
	default:
		return 0;
	}
}

/* ---- how often --------------------------------------------------------------------------- */

static void watch_udp(struct cs_stub *s)
{
	cs_loop_modify(s->c.loop, s->udp_fd, s->paused || s->resting ? 0 : EPOLLIN);
}

void cs_stub_pause(struct cs_stub *s, bool pause)
{
	s->paused = pause;
	watch_udp(s);
}

static void rested(void *arg)
{
	struct cs_stub *s = arg;

	s->resting = 0;
	watch_udp(s);
}

/* False: enough for this second; what comes waits in the socket. */
static bool may_answer(struct cs_stub *s)
{
	int64_t now = cs_mono_ns();

	if (now - s->second_mono_ns >= SECOND_NS) {
		s->second_mono_ns = now;
		s->queries = 0;
	}
	if (s->paused || s->queries < PER_SECOND)
		return !s->paused;
	if (!s->resting)
		s->resting = cs_loop_after(
			s->c.loop, (s->second_mono_ns + SECOND_NS - now) / 1000000 + 1, rested, s);
	watch_udp(s);
	return false;
}

/* ---- UDP --------------------------------------------------------------------------------- */

static void on_datagram(void *arg, int fd, uint32_t events)
{
	struct cs_stub *s = arg;

	(void)events;
	for (int i = 0; i < UDP_BATCH && may_answer(s); i++) {
		uint8_t in[CS_DNS_MAX_IN + 1], out[CS_DNS_MAX_OUT];
		struct sockaddr_storage peer = { 0 };
		socklen_t peer_len = sizeof(peer);
		ssize_t n = recvfrom(fd, in, sizeof(in), MSG_DONTWAIT, (struct sockaddr *)&peer,
				     &peer_len);
		size_t len;

		if (n < 0)
			return;
		s->queries++;
		len = answer(out, s, in, (size_t)n, &peer);
		if (len)
			sendto(fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&peer,
			       peer_len);
	}
}

static int open_udp(struct cs_stub *s, struct cs_err *err)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	inet_pton(AF_INET, CS_EGRESS_SELF, &sin.sin_addr);
	if (bind(s->udp_fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		return cs_err_sys(err, "bind %s port %d", CS_EGRESS_SELF, PORT);
	return cs_loop_add(s->c.loop, s->udp_fd, EPOLLIN, on_datagram, s, err);
}

/* ---- TCP --------------------------------------------------------------------------------- */

static void end_stream(struct stream *t)
{
	cs_loop_remove(t->stub->c.loop, t->fd);
	cs_loop_cancel(t->stub->c.loop, t->timer);
	cs_close(&t->fd);
	cs_listener_done(t->listener);
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->stub->n_streams--;
	free(t);
}

static void on_stream_idle(void *arg)
{
	struct stream *t = arg;

	t->timer = 0;
	end_stream(t);
}

static void restart_idle(struct stream *t)
{
	cs_loop_cancel(t->stub->c.loop, t->timer);
	t->timer = cs_loop_after(t->stub->c.loop, STREAM_IDLE_MS, on_stream_idle, t);
}

/* Answers the whole messages that have come. False: the stream is of no use any more. */
static bool serve_stream(struct stream *t)
{
	size_t at = 0;

	while (t->len - at >= 2) {
		size_t len = (size_t)t->data[at] << 8 | t->data[at + 1];
		uint8_t out[2 + CS_DNS_MAX_OUT];

		if (len > CS_DNS_MAX_IN)
			return false;
		if (t->len - at - 2 < len)
			break;
		if (!may_answer(t->stub))
			return false;
		t->stub->queries++;
		restart_idle(t);
		len = answer(out + 2, t->stub, t->data + at + 2, len, &t->peer);
		out[0] = (uint8_t)(len >> 8);
		out[1] = (uint8_t)len;
		/* Answers are small: a client that lets the socket fill up has lost interest. */
		if (len == 0 ||
		    send(t->fd, out, len + 2, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len + 2)
			return false;
		at += 2 + ((size_t)t->data[at] << 8 | t->data[at + 1]);
	}
	memmove(t->data, t->data + at, t->len - at);
	t->len -= at;
	return true;
}

static void on_stream(void *arg, int fd, uint32_t events)
{
	struct stream *t = arg;
	ssize_t n = recv(fd, t->data + t->len, sizeof(t->data) - t->len, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		t->len += (size_t)n;
	if (n <= 0 || !serve_stream(t))
		end_stream(t);
}

static void on_stream_accepted(void *arg, struct cs_listener *l, int fd,
			       const struct sockaddr_storage *peer)
{
	struct cs_stub *s = arg;
	struct stream *t;

	if (s->n_streams >= MAX_STREAMS) {
		close(fd);
		cs_listener_done(l);
		return;
	}
	t = cs_calloc(1, sizeof(*t));
	t->stub = s;
	t->listener = l;
	t->peer = *peer;
	t->fd = fd;
	t->next = s->streams;
	t->link = &s->streams;
	if (t->next)
		t->next->link = &t->next;
	s->streams = t;
	s->n_streams++;
	restart_idle(t);
	if (cs_loop_add(s->c.loop, fd, EPOLLIN, on_stream, t, NULL) < 0)
		end_stream(t);
}

static int open_tcp(struct cs_stub *s, struct cs_err *err)
{
	struct cs_listener wanted = {
		.port = PORT, .host = "", .fixed = true, .fn = on_stream_accepted, .arg = s
	};

	cs_ip_parse(&wanted.addr, CS_EGRESS_SELF);
	return cs_listeners_open(s->c.listeners, &wanted, err);
}

/* ---- life -------------------------------------------------------------------------------- */

int cs_stub_new(struct cs_stub **out, const struct cs_stub_config *config, int udp_fd,
		struct cs_err *err)
{
	struct cs_stub *s = cs_calloc(1, sizeof(*s));
	int rc;

	s->c = *config;
	s->udp_fd = udp_fd;
	rc = open_udp(s, err);
	if (rc == 0)
		rc = open_tcp(s, err);
	if (rc < 0) {
		cs_stub_free(s);
		return cs_err_wrap(err, "name stub");
	}
	*out = s;
	return 0;
}

void cs_stub_free(struct cs_stub *s)
{
	if (!s)
		return;
	while (s->streams)
		end_stream(s->streams);
	if (s->udp_fd >= 0)
		cs_loop_remove(s->c.loop, s->udp_fd);
	cs_close(&s->udp_fd);
	cs_names_release(&s->names);
	cs_names_release(&s->refused);
	free(s);
}
