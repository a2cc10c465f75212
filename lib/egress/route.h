/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own answer to "is this address this machine?". */
#ifndef CS_EGRESS_ROUTE_H
#define CS_EGRESS_ROUTE_H

#include "addr.h"
#include "countersign/base.h"

/* A socket to ask the routing table of this network namespace with. *fd is the caller's. */
int cs_route_open(int *fd, struct cs_err *err) CS_CHECKED;
/*
 * True for every address that this host answers itself, whatever interface has it, for broadcast
 * and for anything that is not plain unicast; true as well when the kernel does not say.
 */
bool cs_route_is_local(int fd, const struct cs_ip *ip);

#endif
