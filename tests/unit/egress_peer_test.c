/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of a connection is found by its cookie, whatever it does meanwhile. */
#include "unit.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../../lib/egress/peer.h"
#include "countersign/base.h"

struct pair {
	int diag_fd, listener_fd, client_fd, accepted_fd;
	struct cs_ip peer, local;
	uint16_t peer_port, local_port;
	uint64_t cookie; /* of the client's */
};

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static const struct {
	const char *name, *server, *client;
} families[] = {
	{ "IPv4", "127.0.0.1", "127.0.0.1" },
	{ "IPv6", "::1", "::1" },
	{ "an IPv6 socket to IPv4", "127.0.0.1", "::ffff:127.0.0.1" },
};

static void open_pair(struct pair *p, int i)
{
	struct sockaddr_storage sa, peer = { 0 };
	socklen_t len = sizeof(sa);
	struct cs_ip to;

	p->diag_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ck_assert_int_ge(p->diag_fd, 0);
	ck_assert(cs_ip_parse(&p->local, families[i].server));
	ck_assert(cs_ip_parse(&to, families[i].client));
	p->listener_fd = socket(p->local.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	len = cs_ip_to_sockaddr(&sa, &p->local, 0);
	ck_assert_int_eq(bind(p->listener_fd, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(p->listener_fd, 8), 0);
	len = sizeof(sa);
	ck_assert_int_eq(getsockname(p->listener_fd, (struct sockaddr *)&sa, &len), 0);
	cs_ip_from_sockaddr(&p->local, &p->local_port, &sa);
	p->client_fd = socket(to.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	len = cs_ip_to_sockaddr(&sa, &to, p->local_port);
	ck_assert_int_eq(connect(p->client_fd, (struct sockaddr *)&sa, len), 0);
	p->cookie = cookie_of(p->client_fd);
	len = sizeof(peer);
	p->accepted_fd = accept(p->listener_fd, (struct sockaddr *)&peer, &len);
	ck_assert_int_ge(p->accepted_fd, 0);
	cs_ip_from_sockaddr(&p->peer, &p->peer_port, &peer);
}

static void close_pair(struct pair *p)
{
	close(p->diag_fd);
	close(p->listener_fd);
	close(p->accepted_fd);
	if (p->client_fd >= 0)
		close(p->client_fd);
}

static uint64_t ask(const struct pair *p)
{
	return cs_peer_cookie(p->diag_fd, &p->peer, p->peer_port, &p->local, p->local_port);
}

START_TEST(is_found)
{
	struct pair p;

	open_pair(&p, _i);
	ck_assert_msg(p.cookie && ask(&p) == p.cookie, "%s", families[_i].name);
	ck_assert_uint_ne(ask(&p), cookie_of(p.accepted_fd));
	ck_assert_uint_eq(cs_peer_cookie(-1, &p.peer, p.peer_port, &p.local, p.local_port), 0);
	close_pair(&p);
}
END_TEST

/* Its program has closed it, or is gone; the kernel says goodbye for it. */
START_TEST(closed_is_found)
{
	struct pair p;

	open_pair(&p, _i);
	close(p.client_fd);
	p.client_fd = -1;
	ck_assert_msg(ask(&p) == p.cookie, "%s", families[_i].name);
	close_pair(&p);
}
END_TEST

/* A program takes the port of one that was reset, and listens there: not taken for it. */
START_TEST(a_listener_is_not_it)
{
	struct linger at_once = { .l_onoff = 1 };
	struct sockaddr_storage sa;
	struct pair p;
	socklen_t len;
	int one = 1;

	open_pair(&p, _i);
	setsockopt(p.client_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(p.client_fd);
	ck_assert_uint_eq(ask(&p), 0);
	p.client_fd = socket(p.peer.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(p.client_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	len = cs_ip_to_sockaddr(&sa, &p.peer, p.peer_port);
	ck_assert_int_eq(bind(p.client_fd, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(p.client_fd, 1), 0);
	ck_assert_uint_ne(cookie_of(p.client_fd), 0);
	ck_assert_uint_eq(ask(&p), 0);
	close_pair(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress: whose connection");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, is_found, 0, CS_COUNT(families));
	tcase_add_loop_test(tc, closed_is_found, 0, CS_COUNT(families));
	tcase_add_loop_test(tc, a_listener_is_not_it, 0, 2);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
