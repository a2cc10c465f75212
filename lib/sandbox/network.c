/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespace: empty but for lo. rtnetlink(7) directly: three requests are not worth a
 * library. An address with a prefix on lo makes the kernel answer for the whole range, so the
 * egress addresses need no route. The sockets that the relay will listen on are made here, since a
 * socket stays in the namespace that it was made in, and handed to the supervisor unbound.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
	};
	char attributes[64];
};

static int talk(int sock, struct request *req)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char rest[256];
	} reply;

	req->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(sock, req, req->head.nlmsg_len, 0) < 0)
		return -1;
	ssize_t n = recv(sock, &reply, sizeof reply, 0);
	if (n < 0)
		return -1;
	if ((size_t)n < sizeof reply.head + sizeof reply.err ||
	    reply.head.nlmsg_type != NLMSG_ERROR) {
		errno = EPROTO;
		return -1;
	}
	if (reply.err.error) {
		errno = -reply.err.error;
		return -1;
	}
	return 0;
}

static void add_attribute(struct request *req, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)req + NLMSG_ALIGN(req->head.nlmsg_len));
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	req->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(req->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static int lo_up(int sock, int index)
{
	struct request req = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof req.link), .nlmsg_type = RTM_NEWLINK },
		.link = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
	};
	return talk(sock, &req);
}

/* "198.18.0.1/15" or "fd00::1/128". */
static int lo_address(int sock, int index, const char *text)
{
	char host[INET6_ADDRSTRLEN + 1];
	unsigned prefix;
	unsigned char addr[16];

	if (sscanf(text, "%46[^/]/%u", host, &prefix) != 2) {
		errno = EINVAL;
		return -1;
	}
	int family = strchr(host, ':') ? AF_INET6 : AF_INET;
	size_t len = family == AF_INET ? 4 : 16;
	if (inet_pton(family, host, addr) != 1 || prefix > len * 8) {
		errno = EINVAL;
		return -1;
	}
	struct request req = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof req.addr),
			  .nlmsg_type = RTM_NEWADDR,
			  .nlmsg_flags = NLM_F_CREATE },
		.addr = { .ifa_family = (unsigned char)family,
			  .ifa_prefixlen = (unsigned char)prefix,
			  .ifa_flags = IFA_F_NODAD,
			  .ifa_index = (unsigned)index },
	};
	add_attribute(&req, IFA_LOCAL, addr, len);
	add_attribute(&req, IFA_ADDRESS, addr, len);
	return talk(sock, &req);
}

#define SOCKETS_A_MESSAGE 60

static void send_sockets(struct inside *in, enum socket_kind kind, int family, int type, int count)
{
	int fds[SOCKETS_A_MESSAGE];
	struct message msg = { .type = MSG_SOCKETS, .value = kind };

	while (count > 0) {
		size_t n = 0;
		for (; n < SOCKETS_A_MESSAGE && count > 0; n++, count--) {
			fds[n] = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
			if (fds[n] < 0)
				inside_fail(in, "network", "socket");
		}
		if (inside_send(in, &msg, fds, n) < 0)
			inside_fail(in, "network", "send sockets");
		while (n > 0)
			close(fds[--n]);
	}
}

/* A kernel without it only knows less about connections. */
static void send_diag(struct inside *in)
{
	AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				NETLINK_SOCK_DIAG);
	struct message msg = { .type = MSG_SOCKETS, .value = SOCKETS_DIAG };

	if (fd >= 0 && inside_send(in, &msg, &fd, 1) < 0)
		inside_fail(in, "network", "send sockets");
}

/*
 * Everybody inside may use ports below 1024: development servers on 80, and the relay, which as
 * root's has become an ordinary user that does not own this namespace. They are loopback's own.
 */
static void open_low_ports(void)
{
	AUTO_FD int fd =
		open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC);

	/* Read-only in some containers; whoever then cannot bind says so. */
	if (fd >= 0 && write(fd, "0", 1) != 1)
		return;
}

void network_setup(struct inside *in)
{
	AUTO_FD int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (sock < 0)
		inside_fail(in, "network", "netlink socket");
	open_low_ports();
	int index = 1; /* the loopback device is the first of every network namespace */
	if (lo_up(sock, index) < 0)
		inside_fail(in, "network", "set lo up");
	for (size_t i = 0; i < in->plan->addresses.n; i++)
		if (lo_address(sock, index, in->plan->addresses.v[i]) < 0)
			inside_fail(in, "network", "address %s on lo", in->plan->addresses.v[i]);
	send_sockets(in, SOCKETS_TCP4, AF_INET, SOCK_STREAM, in->plan->tcp4);
	send_sockets(in, SOCKETS_TCP6, AF_INET6, SOCK_STREAM, in->plan->tcp6);
	send_sockets(in, SOCKETS_UDP4, AF_INET, SOCK_DGRAM, in->plan->udp4);
	if (in->plan->diag)
		send_diag(in);
}
