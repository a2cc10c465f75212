/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks for a connection.
 *
 * Every connect(2) of the run comes by, most of them to local sockets (name service, X11): one read
 * of the address, and the call goes on. For an internet address the socket is looked at for its
 * cookie, by which the other end of the connection finds its process again.
 *
 *	should:	 tell who connects
 *	mustn't: decide anything (the address is in the caller's memory), keep a socket open (its
 *		 peer would wait for its end), wait for the run
 *
 * The last one to close a socket may have to wait (SO_LINGER), and when the caller is killed just
 * now that is us: under the guard's timer, therefore.
 *
 * Before Linux 5.11 memory and descriptors of a process cannot be reached while one of its threads
 * is in exec, and that one may wait for us (seize.c). There such a caller is passed over.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Type and cookie of descriptor fd of a process; false: no socket. */
static bool look_at_socket(struct cs_trace_connect *out, int pidfd, uint64_t fd)
{
	AUTO_FD int own_fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)fd, 0);
	socklen_t type_len = sizeof(out->type);
	socklen_t cookie_len = sizeof(out->cookie);

	return own_fd >= 0 && getsockopt(own_fd, SOL_SOCKET, SO_TYPE, &out->type, &type_len) == 0 &&
	       getsockopt(own_fd, SOL_SOCKET, SO_COOKIE, &out->cookie, &cookie_len) == 0;
}

/* False: no internet address, or none that connect(2) would take. */
static bool read_address(struct cs_trace_connect *out, pid_t tid, const uint64_t args[3])
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} sa = { 0 };
	size_t len = (uint32_t)args[2] < sizeof(sa) ? (uint32_t)args[2] : sizeof(sa);

	len = image_copy(&sa, tid, args[1], len);
	if (sa.any.sa_family == AF_INET && len >= sizeof(sa.in)) {
		out->port = ntohs(sa.in.sin_port);
		memcpy(out->addr, &sa.in.sin_addr, sizeof(sa.in.sin_addr));
	} else if (sa.any.sa_family == AF_INET6 && len >= 24 /* SIN6_LEN_RFC2133 */) {
		out->port = ntohs(sa.in6.sin6_port);
		memcpy(out->addr, &sa.in6.sin6_addr, sizeof(sa.in6.sin6_addr));
	} else {
		return false;
	}
	out->family = sa.any.sa_family;
	return true;
}

/* The arguments of a socketcall(2) that connects. */
static bool unpack(uint64_t args[3], const struct call *call)
{
	uint32_t packed[3];

	memcpy(args, call->args, sizeof(call->args));
	if (call->kind != CALL_SOCKETCALL)
		return true;
	if (image_copy(packed, call->tid, call->args[1], sizeof(packed)) != sizeof(packed))
		return false;
	for (size_t i = 0; i < CS_COUNT(packed); i++)
		args[i] = packed[i];
	return true;
}

static bool has_exec_in_hand(const struct cs_trace *trace, pid_t tid)
{
	AUTO_FD int pidfd = -1;

	return pidmap_get(&trace->processes, seize_process_of(tid, &pidfd));
}

void connect_report(struct cs_trace *trace, const struct call *call)
{
	struct cs_trace_connect c = { 0 };
	AUTO_FD int pidfd = -1;
	uint64_t args[3];
	bool found;

	if (!trace->ops.on_connect || (!trace->killable && has_exec_in_hand(trace, call->tid)))
		return;
	if (!unpack(args, call) || !read_address(&c, call->tid, args))
		return;
	c.pid = seize_process_of(call->tid, &pidfd);
	if (pidfd < 0) /* the thread is no leader */
		pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
	guard_start(&trace->guard);
	found = look_at_socket(&c, pidfd, args[0]);
	guard_stop(&trace->guard);
	/* What was read belonged to the caller only if it still waits. */
	if (!found || !listener_is_valid(trace, call->id))
		return;
	c.command = trace_command_of(trace, c.pid);
	trace->ops.on_connect(trace->ops.arg, &c);
}
