/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unbound TCP sockets of the run's network namespace. The relay cannot enter the namespace to
 * make sockets there; it is handed some, and makes more out of them (see pool.c).
 */
#ifndef CS_EGRESS_POOL_H
#define CS_EGRESS_POOL_H

#include <stddef.h>
#include "countersign/egress.h"

struct cs_pool {
	int family;
	int fds[CS_EGRESS_TCP4];
	size_t n;
};

/* Takes the sockets, -1 among them being none. n <= CS_EGRESS_TCP4. */
void cs_pool_init(struct cs_pool *pool, int family, const int *fds, size_t n);
/* A non-blocking unbound socket of the namespace, the caller's; -1 with errno when none is left. */
int cs_pool_take(struct cs_pool *pool);
void cs_pool_release(struct cs_pool *pool);

#endif
