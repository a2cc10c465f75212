/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets inside: one per address and port, each standing for one host. Those of
 * written-out rules are there from the start, those of wildcards come when their name is asked
 * for, and go, the longest unused first, when there are too many.
 */
#ifndef CS_EGRESS_LISTEN_H
#define CS_EGRESS_LISTEN_H

#include "addr.h"
#include "countersign/egress.h"

#define CS_EGRESS_LISTENERS_MAX 2048

struct cs_listeners;
struct cs_listener;

/* fd: the accepted socket, non-blocking, the callee's. */
typedef void (*cs_accept_fn)(void *arg, struct cs_listener *listener, int fd,
			     const struct sockaddr_storage *peer);

struct cs_listener {
	struct cs_ip addr; /* inside */
	uint16_t port;
	const char *host;		   /* borrowed: what it stands for */
	const struct cs_egress_rule *rule; /* borrowed; NULL: none */
	bool fixed;			   /* stays for the whole run */
	cs_accept_fn fn;
	void *arg;
	/* private */
	struct cs_listeners *set;
	int fd;
	unsigned open; /* connections that it has brought and that are not released */
	uint64_t used; /* when it was last asked for, by count */
};

/* Takes the TCP sockets (they read -1 afterwards). */
int cs_listeners_new(struct cs_listeners **out, struct cs_loop *loop,
		     struct cs_egress_sockets *sockets, struct cs_err *err) CS_CHECKED;
/*
 * Listens as the first fields of *wanted say, unless it does already. CS_LIMIT when no socket is
 * left, CS_EXISTS when a program inside has the port, CS_MALFUNCTION else.
 */
int cs_listeners_open(struct cs_listeners *set, const struct cs_listener *wanted,
		      struct cs_err *err) CS_CHECKED;
/* Accepts nothing, or goes on. */
void cs_listeners_pause(struct cs_listeners *set, bool pause);
/* A connection of this listener has ended. */
void cs_listener_done(struct cs_listener *listener);
void cs_listeners_free(struct cs_listeners *set);

#endif
