/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket belongs to the network namespace that it was made in, and so does each socket that a
 * listener accepts. connect(2) to AF_UNSPEC takes a TCP socket back to where it began: closed, its
 * port released (accepted sockets and ports that the kernel chose are not locked to the socket),
 * fit for another bind(2). So two unbound sockets make a third: one listens on loopback for a
 * moment, the other connects to it, what was accepted is the new one, and all three are reset.
 * About 30 microseconds, and the namespace's listeners are no longer limited by what was handed
 * over. Programs inside may connect to that listener as well; only the peer that is our own socket
 * counts.
 */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include "addr.h"

#define KEPT	    2  /* what minting needs */
#define MAX_FOREIGN 64 /* connections of others that are turned away while minting */
#define WAIT_MS	    20 /* the handshake is done when connect returns; this is for a busy host */

void cs_pool_init(struct cs_pool *pool, int family, const int *fds, size_t n)
{
	pool->family = family;
	pool->n = 0;
	for (size_t i = 0; i < n && pool->n < CS_COUNT(pool->fds); i++) {
		if (fds[i] < 0)
			continue;
		fcntl(fds[i], F_SETFL, O_RDWR | O_NONBLOCK);
		pool->fds[pool->n++] = fds[i];
	}
}

/* Unbound again; true on success. */
static bool reset(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	return connect(fd, &none, sizeof(none)) == 0;
}

static bool is_peer(const struct sockaddr_storage *peer, int fd)
{
	struct sockaddr_storage own = { 0 };
	socklen_t len = sizeof(own);
	struct cs_ip a, b;
	uint16_t port_a, port_b;

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return false;
	cs_ip_from_sockaddr(&a, &port_a, &own);
	cs_ip_from_sockaddr(&b, &port_b, peer);
	return cs_ip_equal(&a, &b) && port_a == port_b;
}

/* The other end of `fd`, which connects to the listener. -1 when it does not come. */
static int accept_from(int listener, int fd)
{
	for (int i = 0; i < MAX_FOREIGN; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		struct pollfd p = { .fd = listener, .events = POLLIN };
		int got = accept4(listener, (struct sockaddr *)&peer, &len,
				  SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (got >= 0 && is_peer(&peer, fd))
			return got;
		if (got >= 0)
			close(got);
		else if (errno != EAGAIN || poll(&p, 1, WAIT_MS) != 1)
			return -1;
	}
	errno = EAGAIN;
	return -1;
}

static int mint_with(int listener, int connector, const struct cs_ip *loopback)
{
	struct sockaddr_storage sa;
	socklen_t len = cs_ip_to_sockaddr(&sa, loopback, 0);

	if (bind(listener, (struct sockaddr *)&sa, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&sa, &len) < 0)
		return -1;
	if (connect(connector, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
		return -1;
	return accept_from(listener, connector);
}

static int mint(struct cs_pool *pool)
{
	struct cs_ip loopback = { .family = (uint8_t)pool->family };
	int fd;

	if (pool->n < KEPT) {
		errno = EMFILE;
		return -1;
	}
	if (pool->family == AF_INET)
		cs_ip_parse(&loopback, "127.0.0.1");
	else
		loopback.bytes[15] = 1;
	fd = mint_with(pool->fds[0], pool->fds[1], &loopback);
	if (fd >= 0 && !reset(fd))
		cs_close(&fd);
	/* What cannot be reset is of no use any more. */
	for (size_t i = KEPT; i-- > 0;) {
		if (reset(pool->fds[i]))
			continue;
		close(pool->fds[i]);
		pool->fds[i] = pool->fds[--pool->n];
	}
	return fd;
}

int cs_pool_take(struct cs_pool *pool)
{
	int fd = pool->n > KEPT ? -1 : mint(pool);

	if (fd < 0 && pool->n)
		fd = pool->fds[--pool->n];
	return fd;
}

void cs_pool_release(struct cs_pool *pool)
{
	while (pool->n)
		close(pool->fds[--pool->n]);
}
