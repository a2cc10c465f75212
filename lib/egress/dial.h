/* SPDX-License-Identifier: Apache-2.0 */
/* Connects to the first of several addresses that answers (RFC 8305, in small). */
#ifndef CS_EGRESS_DIAL_H
#define CS_EGRESS_DIAL_H

#include "addr.h"
#include "countersign/base.h"

struct cs_dial;

/* fd: connected, non-blocking, the callee's, with its address; or -1 and why. The dial is freed. */
typedef void (*cs_dialled_fn)(void *arg, int fd, const struct cs_ip *ip, const char *failure);

/*
 * Tries the addresses in order, the next one 250 ms after the last or as soon as that failed; gives
 * up after 20 s. Copies ips (at most 16 count). fn is called later, once, never from here.
 */
struct cs_dial *cs_dial_start(struct cs_loop *loop, const struct cs_ip *ips, size_t n,
			      uint16_t port, cs_dialled_fn fn, void *arg);
/* Without calling fn. */
void cs_dial_cancel(struct cs_dial *dial);

#endif
