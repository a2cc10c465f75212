/* SPDX-License-Identifier: Apache-2.0 */
/* Whose connection this is: the socket at its other end, inside. */
#ifndef CS_EGRESS_PEER_H
#define CS_EGRESS_PEER_H

#include "addr.h"

/*
 * The cookie (SO_COOKIE) of the socket that is connected from peer:peer_port to local:local_port,
 * by diag_fd, a NETLINK_SOCK_DIAG socket of the network namespace that it is in. 0: there is none
 * any more, or the kernel cannot tell (diag_fd -1, for one).
 */
uint64_t cs_peer_cookie(int diag_fd, const struct cs_ip *peer, uint16_t peer_port,
			const struct cs_ip *local, uint16_t local_port);

#endif
