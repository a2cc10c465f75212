/* SPDX-License-Identifier: Apache-2.0 */
/* What clients and verifiers of the relay's tests share. */
#ifndef COUNTERSIGN_EGRESS_CLIENT_H
#define COUNTERSIGN_EGRESS_CLIENT_H

#include "egress_world.h"
#include "unit.h"

/* ---- clients ----------------------------------------------------------------------------- */

static inline socklen_t address(struct sockaddr_storage *out, const char *host, uint16_t port,
				int *error)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list;
	char service[8];
	socklen_t len;

	snprintf(service, sizeof service, "%u", port);
	*error = getaddrinfo(host, service, &hints, &list);
	if (*error)
		return 0;
	len = list->ai_addrlen;
	memcpy(out, list->ai_addr, len);
	freeaddrinfo(list);
	return len;
}

/* -1 with errno; EAI_* failures are ENOENT. */
static inline int reach(const char *host, uint16_t port)
{
	struct sockaddr_storage sa;
	int error, fd;
	socklen_t len = address(&sa, host, port, &error);
	struct timeval patience = { .tv_sec = WAIT_MS / 1000 };

	if (!len) {
		errno = ENOENT;
		return -1;
	}
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static inline int must_reach(struct world *w, const char *host, uint16_t port)
{
	int fd = reach(host, port);

	if (fd < 0)
		wrong(w, "connect to %s:%u: %s", host, port, strerror(errno));
	return fd;
}

/* Reads until n bytes are there or the other side ends. */
static inline size_t read_all(int fd, void *data, size_t n)
{
	size_t got = 0;
	ssize_t r;

	while (got < n && (r = read_some(fd, (char *)data + got, n - got)) > 0)
		got += (size_t)r;
	return got;
}

static inline void must_echo(struct world *w, int fd, const char *text)
{
	char back[256];
	size_t n = strlen(text);

	if (!write_full(fd, text, n) || read_all(fd, back, n) != n || memcmp(back, text, n) != 0)
		wrong(w, "no echo of '%s': %s", text, strerror(errno));
}

/* The connection is cut without an orderly end. */
static inline void must_be_cut(struct world *w, int fd)
{
	char byte;
	ssize_t n = read_some(fd, &byte, 1);

	if (n >= 0 || errno != ECONNRESET)
		wrong(w, "not cut: %zd %s", n, n < 0 ? strerror(errno) : "");
	close(fd);
}

/* ---- events ------------------------------------------------------------------------------ */

static inline size_t count_events(const struct world *w, uint32_t type, const char *host)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_events; i++)
		n += w->events[i].type == type && (!host || !strcmp(w->events[i].host, host));
	return n;
}

/* The nth of this type. */
static inline const struct cs_egress_event *event(struct world *w, uint32_t type, size_t nth)
{
	for (size_t i = 0; i < w->n_events; i++)
		if (w->events[i].type == type && nth-- == 0)
			return &w->events[i];
	wrong(w, "event %u is missing (%zu events)", type, w->n_events);
}

/* The first of this type for a host. */
static inline const struct cs_egress_event *event_of(struct world *w, uint32_t type,
						     const char *host)
{
	for (size_t i = 0; i < w->n_events; i++)
		if (w->events[i].type == type && !strcmp(w->events[i].host, host))
			return &w->events[i];
	wrong(w, "event %u of %s is missing", type, host);
}

/* Every CONNECT has exactly one CLOSED, later, with the same description. */
static inline void must_be_balanced(struct world *w)
{
	must_equal(w, count_events(w, CS_EGRESS_CONNECT, NULL),
		   count_events(w, CS_EGRESS_CLOSED, NULL));
	for (size_t i = 0; i < w->n_events; i++) {
		const struct cs_egress_event *e = &w->events[i];
		size_t closed = 0;

		for (size_t k = i + 1; e->type == CS_EGRESS_CONNECT && k < w->n_events; k++)
			closed += w->events[k].type == CS_EGRESS_CLOSED &&
				  w->events[k].id == e->id && w->events[k].port == e->port &&
				  w->events[k].peer_port == e->peer_port &&
				  !strcmp(w->events[k].host, e->host);
		if (e->type == CS_EGRESS_CONNECT)
			must_equal(w, closed, 1);
	}
}

static inline void must_say(struct world *w, const struct cs_egress_event *e, const char *part)
{
	if (!strstr(e->reason, part))
		wrong(w, "%s: the reason is '%s', not '%s'", e->host, e->reason, part);
}

static inline void world_play(const struct scene *s, bool user)
{
	char text[512];
	int status = world_try(text, s, user);

	ck_assert_msg(status == 0, "%s (%s): %s (status %#x)", s->name, user ? "user" : "root",
		      text, status);
}

#endif
