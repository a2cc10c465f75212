/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host may have public addresses of its own, and they may change while a run lasts. So the
 * routing table is asked at each connection: one RTM_GETROUTE, which the kernel answers before
 * send(2) returns.
 */
#include "route.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define MAX_REPLIES 8

struct request {
	struct nlmsghdr head;
	struct rtmsg route;
	struct rtattr attr;
	uint8_t addr[16];
};

int cs_route_open(int *fd, struct cs_err *err)
{
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (s < 0)
		return cs_err_sys(err, "open a routing socket");
	*fd = s;
	return 0;
}

static bool ask(int fd, const struct cs_ip *ip)
{
	size_t len = ip->family == AF_INET ? 4 : 16;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct request r = {
		.head = { .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST },
		.route = { .rtm_family = ip->family, .rtm_dst_len = (unsigned char)(len * 8) },
		.attr = { .rta_type = RTA_DST, .rta_len = (unsigned short)RTA_LENGTH(len) },
	};

	memcpy(r.addr, ip->bytes, len);
	r.head.nlmsg_len = (uint32_t)(offsetof(struct request, addr) + len);
	return sendto(fd, &r, r.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) ==
	       (ssize_t)r.head.nlmsg_len;
}

bool cs_route_is_local(int fd, const struct cs_ip *ip)
{
	union {
		struct nlmsghdr head;
		char room[8192];
	} reply;

	if (ip->family != AF_INET && ip->family != AF_INET6)
		return true;
	while (recv(fd, &reply, sizeof(reply), MSG_DONTWAIT) > 0)
		; /* no answer to an earlier question may pass for this one's */
	if (!ask(fd, ip))
		return true;
	for (int i = 0; i < MAX_REPLIES; i++) {
		ssize_t n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
		const struct rtmsg *route = NLMSG_DATA(&reply.head);
		const struct nlmsgerr *error = NLMSG_DATA(&reply.head);

		if (n < (ssize_t)sizeof(reply.head) || !NLMSG_OK(&reply.head, (size_t)n))
			return true;
		if (reply.head.nlmsg_type == NLMSG_ERROR)
			/* no route: connect(2) will say so itself */
			return error->error != -ENETUNREACH && error->error != -EHOSTUNREACH;
		if (reply.head.nlmsg_type == RTM_NEWROUTE)
			return route->rtm_type != RTN_UNICAST;
	}
	return true;
}
