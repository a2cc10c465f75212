/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which command made a connection, and which name an address stands for.
 *
 * Before a connect(2) goes on, the trace tells who calls and the cookie of the socket: remembered
 * here. The relay tells the cookie of the socket at the other end of what it has accepted, which is
 * later by nature: the two meet. A cookie is the kernel's, and never another socket's; it cannot be
 * chosen inside.
 *
 * What it says is who called connect on that socket last. A process that swaps the descriptor for
 * another one while its call is under way, in another thread, leaves the other one without a
 * command, or with the one that called connect on it before. A connection that was reset before the
 * relay looked has none. Both are in the record without a pid, and counted.
 *
 * The memory of sockets is a table by the cookies' last bits. The kernel counts cookies up, so an
 * entry is lost when SOCKETS further sockets of the run have been looked at; the relay has told of
 * its connection long before, unless somebody makes as many on purpose. Then it has no pid, either.
 */
#include "report.h"

#include <arpa/inet.h>
#include <string.h>

#define SOCKETS	  8192
#define NAMES_MAX 4096 /* the relay has no more */

struct peers {
	struct {
		uint64_t cookie;
		pid_t pid;
	} sockets[SOCKETS];
	struct stand_in {
		struct in_addr addr;
		char *host;
	} * names;
	size_t n, cap;
};

struct peers *peers_new(void)
{
	return cs_calloc(1, sizeof(struct peers));
}

void peers_free(struct peers *p)
{
	for (size_t i = 0; p && i < p->n; i++)
		free(p->names[i].host);
	if (p)
		free(p->names);
	free(p);
}

void peers_calls(struct peers *p, const struct cs_trace_connect *c)
{
	size_t i = c->cookie % SOCKETS;

	p->sockets[i].cookie = c->cookie;
	p->sockets[i].pid = c->command ? c->command : c->pid;
}

pid_t peers_command(const struct peers *p, uint64_t cookie)
{
	size_t i = cookie % SOCKETS;

	return cookie && p->sockets[i].cookie == cookie ? p->sockets[i].pid : 0;
}

const char *peers_name(const struct peers *p, struct in_addr addr)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->names[i].addr.s_addr == addr.s_addr)
			return p->names[i].host;
	return NULL;
}

void peers_stands(struct peers *p, const char *addr, const char *host)
{
	struct in_addr ip;

	if (inet_pton(AF_INET, addr, &ip) != 1 || p->n == NAMES_MAX || peers_name(p, ip))
		return;
	CS_GROW(p->names, p->n, p->cap);
	p->names[p->n++] = (struct stand_in){ .addr = ip, .host = cs_strdup(host) };
}
