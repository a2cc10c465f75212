/* SPDX-License-Identifier: Apache-2.0 */
/* Networks, Unix sockets, shared memory. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int make_socket(char **a)
{
	return met(socket((int)number(a[0]), (int)number(a[1]), (int)number(a[2])));
}

static int make_socket_high(char **a)
{
	return met(syscall(SYS_socket, 0x100000000ul | number(a[0]), number(a[1]), number(a[2])));
}

/* Waits at most three seconds; a refusal must be fast. */
static int connect_to(const struct sockaddr *addr, socklen_t len)
{
	int err = 0;
	socklen_t size = sizeof err;
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	if (connect(fd, addr, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	if (poll(&p, 1, 3000) != 1)
		return ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size);
	return err;
}

static socklen_t address(struct sockaddr_storage *out, const char *text, const char *port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)number(port));
		return sizeof *v4;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
		exit(EXIT_WRONG_CALL);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)number(port));
	return sizeof *v6;
}

static int tcp(char **a)
{
	struct sockaddr_storage addr;
	socklen_t len = address(&addr, a[0], a[1]);
	return connect_to((struct sockaddr *)&addr, len);
}

/* Data with the first packet: no connect(2) at all. */
static int tcp_fast_open(char **a)
{
	struct sockaddr_storage addr;
	socklen_t len = address(&addr, a[0], a[1]);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? errno
		      : met(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&addr, len));
}

static int udp(char **a)
{
	struct sockaddr_storage addr;
	socklen_t len = address(&addr, a[0], a[1]);
	int fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? errno : met(sendto(fd, "x", 1, 0, (struct sockaddr *)&addr, len));
}

static int listen_on(char **a)
{
	struct sockaddr_storage addr;
	socklen_t len = address(&addr, a[0], a[1]);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? errno : met(bind(fd, (struct sockaddr *)&addr, len));
}

static int by_name(char **a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int rc = getaddrinfo(a[0], a[1], &hints, &list);
	if (rc)
		return rc == EAI_SYSTEM ? errno : rc == EAI_AGAIN ? EAGAIN : ENOENT;
	return connect_to(list->ai_addr, list->ai_addrlen);
}

/* '@' in front: an abstract name. */
static int unix_socket(char **a)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(a[0]);

	if (len >= sizeof addr.sun_path)
		return ENAMETOOLONG;
	memcpy(addr.sun_path, a[0], len);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	return connect_to((struct sockaddr *)&addr,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

/* A new address on the loopback device: rtnetlink as one who may configure the network. */
static int add_address(char **a)
{
	struct {
		struct nlmsghdr head;
		struct ifaddrmsg msg;
		struct rtattr attr;
		struct in_addr addr;
	} req = { .head = { sizeof req, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1,
			    0 },
		  .msg = { AF_INET, 32, 0, 0, 1 },
		  .attr = { sizeof req.attr + sizeof req.addr, IFA_LOCAL } };
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char more[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	inet_pton(AF_INET, a[0], &req.addr);
	if (fd < 0 || send(fd, &req, sizeof req, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
		return errno;
	return -answer.err.error;
}

static int shared_memory(char **a)
{
	return met(shmget((key_t)number(a[0]), 1, 0));
}

static int make_shared_memory(char **a)
{
	return met(shmget((key_t)number(a[0]), 4096, IPC_CREAT | 0600));
}

static int remove_shared_memory(char **a)
{
	int id = shmget((key_t)number(a[0]), 1, 0);
	return id < 0 ? errno : met(shmctl(id, IPC_RMID, NULL));
}

const struct attempt sockets_attempts[] = {
	{ "socket", 3, "a socket of a family, type and protocol", make_socket },
	{ "socket-high", 3, "the same with bits in the ignored half", make_socket_high },
	{ "tcp", 2, "connect to an address and port", tcp },
	{ "tcp-fast-open", 2, "send without connecting first", tcp_fast_open },
	{ "udp", 2, "send a datagram", udp },
	{ "bind", 2, "bind an address and port", listen_on },
	{ "connect-name", 2, "resolve a name and connect", by_name },
	{ "unix", 1, "connect to a Unix socket, @ for an abstract one", unix_socket },
	{ "add-address", 1, "configure the loopback device", add_address },
	{ "shm", 1, "find a shared memory segment", shared_memory },
	{ "shm-make", 1, "make a shared memory segment", make_shared_memory },
	{ "shm-remove", 1, "remove a shared memory segment", remove_shared_memory },
	{ 0 },
};
