/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name look-ups on the host, as the host does them (getaddrinfo: hosts file, plug-ins, search
 * order), without ever blocking the relay: a confined process of its own forks a short-lived child
 * for each look-up.
 */
#ifndef CS_EGRESS_RESOLVE_H
#define CS_EGRESS_RESOLVE_H

#include "addr.h"
#include "countersign/base.h"

#define CS_RESOLVE_MAX_IPS 16

/* Limits: 16 look-ups at once (more wait), 10 s each, answers kept up to 60 s, 256 of them. */

struct cs_resolver;

/*
 * Forks the resolver process, which confines itself before it reads its first request. To be called
 * by the relay once it is its final user, before it confines itself. *abi: the Landlock version.
 */
int cs_resolver_start(struct cs_resolver **out, int *abi, struct cs_loop *loop,
		      struct cs_err *err) CS_CHECKED;

/*
 * ips are in the order to be tried, borrowed; n is 0 exactly when failure says why. May be called
 * before cs_resolver_look_up returns.
 */
typedef void (*cs_resolved_fn)(void *arg, uint64_t token, const struct cs_ip *ips, size_t n,
			       const char *failure);
/* host is canonical. */
void cs_resolver_look_up(struct cs_resolver *resolver, const char *host, cs_resolved_fn fn,
			 void *arg, uint64_t token);
void cs_resolver_free(struct cs_resolver *resolver);

#endif
