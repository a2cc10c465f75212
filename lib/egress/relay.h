/* SPDX-License-Identifier: Apache-2.0 */
/* The connections: asked for, checked, resolved, dialled, passed on, accounted for. */
#ifndef CS_EGRESS_RELAY_H
#define CS_EGRESS_RELAY_H

#include "channel.h"
#include "listen.h"
#include "resolve.h"

#define CS_EGRESS_CONNECTIONS_MAX 1024

struct cs_relay;

/* Borrows everything. route_fd: see route.h; diag_fd: see peer.h. */
struct cs_relay *cs_relay_new(struct cs_loop *loop, struct cs_channel *channel,
			      struct cs_resolver *resolver, int route_fd, int diag_fd);
/* A cs_accept_fn; arg is the relay. The listener has a rule. */
void cs_relay_accept(void *arg, struct cs_listener *listener, int fd,
		     const struct sockaddr_storage *peer);
void cs_relay_answer(struct cs_relay *relay, const struct cs_egress_answer *answer);
/* Ends all connections, each with its event. */
void cs_relay_end(struct cs_relay *relay, const char *reason);
void cs_relay_free(struct cs_relay *relay); /* ended before */

#endif
