/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question of sock_diag(7) for one connection, which the kernel answers before send(2) returns.
 * A cookie is a number that the kernel gives to one socket and to no other, ever; what is inside
 * can neither choose nor change it.
 *
 * The question is asked when the connection has been accepted. Its other end may have been closed
 * by then and still be there (the kernel keeps the cookie while it says goodbye), or have been
 * reset and be gone: no answer then. Where nothing is connected the kernel looks for a listener on
 * that port and hands out that one's: any program inside may have one there, and it is passed over.
 */
#include "peer.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

struct request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 diag;
};

static struct inet_diag_sockid id_of(const struct cs_ip *peer, uint16_t peer_port,
				     const struct cs_ip *local, uint16_t local_port)
{
	struct inet_diag_sockid id = {
		.idiag_sport = htons(peer_port),
		.idiag_dport = htons(local_port),
		.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
	};

	memcpy(id.idiag_src, peer->bytes, sizeof(peer->bytes));
	memcpy(id.idiag_dst, local->bytes, sizeof(local->bytes));
	return id;
}

static bool ask(int diag_fd, const struct inet_diag_sockid *id, int family)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct request r = {
		.head = { .nlmsg_len = sizeof(r),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.diag = { .sdiag_family = (uint8_t)family,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = ~0U,
			  .id = *id },
	};

	return sendto(diag_fd, &r, sizeof(r), 0, (struct sockaddr *)&kernel, sizeof(kernel)) ==
	       (ssize_t)sizeof(r);
}

/* Connected, or on its way to an end: with the same ports. */
static bool is_asked_for(const struct inet_diag_msg *m, const struct inet_diag_sockid *id)
{
	return m->idiag_state != TCP_LISTEN && m->id.idiag_sport == id->idiag_sport &&
	       m->id.idiag_dport == id->idiag_dport;
}

uint64_t cs_peer_cookie(int diag_fd, const struct cs_ip *peer, uint16_t peer_port,
			const struct cs_ip *local, uint16_t local_port)
{
	struct inet_diag_sockid id = id_of(peer, peer_port, local, local_port);
	const struct inet_diag_msg *m;
	union {
		struct nlmsghdr head;
		char room[8192];
	} reply;
	ssize_t n;

	if (diag_fd < 0 || peer->family != local->family)
		return 0;
	while (recv(diag_fd, &reply, sizeof(reply), MSG_DONTWAIT) > 0)
		; /* no answer to an earlier question may pass for this one's */
	if (!ask(diag_fd, &id, peer->family))
		return 0;
	n = recv(diag_fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*m)) || !NLMSG_OK(&reply.head, (size_t)n) ||
	    reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;
	m = NLMSG_DATA(&reply.head);
	if (!is_asked_for(m, &id))
		return 0;
	return (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0];
}
