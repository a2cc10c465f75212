/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for tests of the relay, all in network namespaces of its own:
 *
 *	internet	9.9.9.1, 2600:9::1: servers
 *	   | veth
 *	host		the owner and its relay; /etc/hosts names the addresses above; servers on
 *	   |		its loopback; 8.8.4.4 is a public address of its own
 *	   | sockets
 *	run		lo with 198.18.0.1/15; the client
 *
 * Built as root (the relay then becomes UNIT_UID) or as an ordinary user in a user namespace. The
 * Check process only forks and waits; everything else happens in its children, which report the
 * first thing that is wrong through a pipe and end.
 */
#ifndef COUNTERSIGN_EGRESS_WORLD_H
#define COUNTERSIGN_EGRESS_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/egress.h"

#define UNIT_UID    61234
#define WAIT_MS	    20000 /* for something that must come */
#define MAX_EVENTS  16384
#define UNIX_PATH   108
#define ECHO_PORT   7000 /* sends back what comes, ends when the client does */
#define COUNT_PORT  7001 /* reads to the end, then says how many bytes that were */
#define BANNER_PORT 7002 /* speaks first, then echoes */
#define SINK_PORT   7003 /* reads and says nothing */
#define CHATTY_PORT 7004 /* sends 8 MiB at once, then reads to the end */
#define SOURCE_PORT 7005 /* reads a number of MiB, 4 bytes, and sends that much */

struct world {
	bool root;     /* built as root */
	int report_fd; /* where failures go */
	int sock;      /* between owner and run, once the run has begun */
	char dir[64];  /* files that are mounted over others */
	pid_t internet;
	pid_t servers; /* on the host's loopback */
	struct cs_egress *egress;
	struct cs_egress_event *events; /* all that came */
	size_t n_events;
};

struct scene {
	const char *name;
	struct cs_egress_rule rules[8];	 /* up to the first without a host */
	void (*client)(struct world *w); /* in the run; ends the process itself only on failure */
	void (*verify)(struct world *w); /* in the host, after the relay has ended */
	bool deny;			 /* answer no */
	bool silent;			 /* do not answer at all */
	bool lazy;			 /* look at no event before the client has ended */
	const char *internet;		 /* a script to run there first */
	bool name_server;		 /* the host asks one, with a search list (see below) */
	/* What the owner does, in place of starting, supervising and stopping. */
	void (*own)(struct world *w, const struct scene *s, const struct cs_egress_opts *opts,
		    struct cs_egress_sockets *sockets, pid_t run);
};

/* ---- failures ---------------------------------------------------------------------------- */

static _Noreturn void wrong(struct world *w, const char *fmt, ...) CS_PRINTF(2, 3);
static _Noreturn void wrong(struct world *w, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	ssize_t ignored;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	ignored = write(w->report_fd, text, strlen(text));
	(void)ignored;
	_exit(1);
}

#define must(w, condition)                                                                   \
	do {                                                                                 \
		errno = 0;                                                                   \
		if (!(condition))                                                            \
			wrong(w, "line %d: %s (%s)", __LINE__, #condition, strerror(errno)); \
	} while (0)

#define must_equal(w, a, b)                                                              \
	do {                                                                             \
		long long a_ = (long long)(a), b_ = (long long)(b);                      \
		if (a_ != b_)                                                            \
			wrong(w, "line %d: %s is %lld, not %lld", __LINE__, #a, a_, b_); \
	} while (0)

/* ---- building ---------------------------------------------------------------------------- */

/* Capabilities of our own user namespace that last over exec, though we are not its root. */
static void keep_capability(struct world *w, int capability)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	must(w, syscall(SYS_capget, &head, data) == 0);
	data[0].inheritable |= 1u << capability;
	must(w, syscall(SYS_capset, &head, data) == 0);
	must(w, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0);
}

/* With the right to change the network. */
static void shell(struct world *w, const char *script)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		keep_capability(w, CAP_NET_ADMIN);
		execl("/bin/sh", "sh", "-euc", script, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		wrong(w, "status %#x of: %s", status, script);
}

static void put_file(struct world *w, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(w, fd >= 0);
	must(w, write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* Covers an existing file in this mount namespace. */
static void cover(struct world *w, const char *path, const char *name, const char *text)
{
	char own[128];

	snprintf(own, sizeof own, "%s/%s", w->dir, name);
	put_file(w, own, text);
	must(w, mount(own, path, NULL, MS_BIND, NULL) == 0);
}

static void drop_to_user(struct world *w)
{
	if (geteuid() != 0)
		return;
	must(w, setgroups(0, NULL) == 0);
	must(w, setresgid(UNIT_UID, UNIT_UID, UNIT_UID) == 0);
	must(w, setresuid(UNIT_UID, UNIT_UID, UNIT_UID) == 0);
	must(w, prctl(PR_SET_DUMPABLE, 1) == 0);
}

/* A user namespace with only ourselves in it, and the others. */
static void enter_user_namespace(struct world *w, int others)
{
	char map[64];
	unsigned uid = geteuid(), gid = getegid();

	must(w, unshare(CLONE_NEWUSER | others) == 0);
	put_file(w, "/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "%u %u 1", uid, uid);
	put_file(w, "/proc/self/uid_map", map);
	snprintf(map, sizeof map, "%u %u 1", gid, gid);
	put_file(w, "/proc/self/gid_map", map);
}

static const char hosts[] = "127.0.0.1 localhost\n"
			    "9.9.9.1 named.test other.test sub.wild.test deep.sub.wild.test\n"
			    "2600:9::1 six.test\n"
			    "2600:9::dead both.test\n"
			    "9.9.9.1 both.test\n"
			    "127.0.0.1 rebind.test mixed.test\n"
			    "9.9.9.1 mixed.test\n"
			    "10.99.0.2 lan.test\n"
			    "169.254.169.254 metadata.test\n"
			    "8.8.4.4 self.test\n"
			    "9.9.9.1 closed.test\n";

/* ---- servers ----------------------------------------------------------------------------- */

static ssize_t read_some(int fd, void *data, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, data, size, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

static bool write_full(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void serve_echo(int fd)
{
	char data[65536];
	ssize_t n;

	while ((n = read_some(fd, data, sizeof data)) > 0)
		if (!write_full(fd, data, (size_t)n))
			return;
}

static void serve_count(int fd)
{
	static char data[1 << 20];
	unsigned long long total = 0;
	char text[32];
	ssize_t n;

	while ((n = read_some(fd, data, sizeof data)) > 0)
		total += (unsigned long long)n;
	write_full(fd, text, (size_t)snprintf(text, sizeof text, "%llu\n", total));
}

static void serve_banner(int fd)
{
	if (write_full(fd, "220 hello\r\n", 11))
		serve_echo(fd);
}

static void serve_sink(int fd)
{
	static char data[1 << 20];

	while (read_some(fd, data, sizeof data) > 0)
		;
}

static void serve_chatty(int fd)
{
	static char data[1 << 20];

	memset(data, 'c', sizeof data);
	for (int i = 0; i < 8; i++)
		if (!write_full(fd, data, sizeof data))
			return;
	shutdown(fd, SHUT_WR);
	serve_sink(fd);
}

static void serve_source(int fd)
{
	static char data[1 << 20];
	uint32_t n = 0;

	if (read_some(fd, &n, sizeof n) != sizeof n)
		return;
	while (n-- && write_full(fd, data, sizeof data))
		;
}

/* One request a connection; the body is the head that came. */
static void serve_http(int fd)
{
	char head[65536], reply[256];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof head - 1 &&
	       (n = read_some(fd, head + len, sizeof head - 1 - len)) > 0) {
		len += (size_t)n;
		head[len] = '\0';
		if (strstr(head, "\r\n\r\n"))
			break;
	}
	snprintf(reply, sizeof reply,
		 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", len);
	if (write_full(fd, reply, strlen(reply)))
		write_full(fd, head, len);
}

static const struct server {
	uint16_t port;
	void (*serve)(int fd);
} servers[] = {
	{ ECHO_PORT, serve_echo }, { COUNT_PORT, serve_count },	  { BANNER_PORT, serve_banner },
	{ SINK_PORT, serve_sink }, { CHATTY_PORT, serve_chatty }, { SOURCE_PORT, serve_source },
	{ 80, serve_http },	   { 443, serve_echo },		  { 8080, serve_http },
};

static int listen_any(uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, zero = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	if (bind(fd, (struct sockaddr *)&sin6, sizeof sin6) < 0 || listen(fd, 256) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A process for each connection, till killed. Says on ready_fd that it listens. */
static _Noreturn void serve_all(struct world *w, int ready_fd)
{
	struct pollfd p[CS_COUNT(servers)];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (size_t i = 0; i < CS_COUNT(servers); i++) {
		p[i] = (struct pollfd){ .fd = listen_any(servers[i].port), .events = POLLIN };
		must(w, p[i].fd >= 0);
	}
	must(w, write(ready_fd, "", 1) == 1);
	close(ready_fd);
	for (;;) {
		poll(p, CS_COUNT(servers), -1);
		for (size_t i = 0; i < CS_COUNT(servers); i++) {
			int fd = p[i].revents ? accept4(p[i].fd, NULL, NULL, SOCK_CLOEXEC) : -1;
			pid_t pid = fd < 0 ? 1 : fork();

			if (pid == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				servers[i].serve(fd);
				_exit(0);
			}
			close(fd);
		}
	}
}

static void wait_byte(struct world *w, int fd)
{
	char c;

	must(w, read(fd, &c, 1) == 1);
}

static pid_t start_servers(struct world *w)
{
	int ready[2];
	pid_t pid;

	must(w, pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0)
		serve_all(w, ready[1]);
	close(ready[1]);
	wait_byte(w, ready[0]);
	close(ready[0]);
	return pid;
}

static _Noreturn void be_internet(struct world *w, const struct scene *s, int ready_fd, int go_fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(w, unshare(CLONE_NEWNET) == 0);
	must(w, write(ready_fd, "", 1) == 1);
	wait_byte(w, go_fd);
	shell(w, "PATH=$PATH:/sbin:/usr/sbin; ip link set lo up; ip addr add 9.9.9.1/32 dev lo\n"
		 "ip -6 addr add 2600:9::1/128 dev lo nodad\n"
		 "ip addr add 10.99.0.2/24 dev cs1; ip -6 addr add fd99::2/64 dev cs1 nodad\n"
		 "ip link set cs1 up\n");
	if (s->internet)
		shell(w, s->internet);
	serve_all(w, ready_fd);
}

/*
 * The host's name server, not a friendly one: *.searched.example is 9.9.9.1, rebind.example is
 * 127.0.0.1, both.example both; slow.example gets no answer, any other name does not exist.
 */
static const struct {
	const char *name;
	uint8_t addrs[2][4];
} zone[] = {
	{ "good.example", { { 9, 9, 9, 1 } } },
	{ "rebind.example", { { 127, 0, 0, 1 } } },
	{ "both.example", { { 127, 0, 0, 1 }, { 9, 9, 9, 1 } } },
	{ "missing.example.searched.example", { { 9, 9, 9, 1 } } },
	{ "single.searched.example", { { 9, 9, 9, 1 } } },
	{ "slow.example", { { 0 } } },
};

/* The question's name as text; returns its length in the message. */
static size_t question(char out[256], const uint8_t *p)
{
	size_t at = 0, n = 0;

	while (p[at]) {
		if (n)
			out[n++] = '.';
		memcpy(out + n, p + at + 1, p[at]);
		n += p[at];
		at += p[at] + 1u;
	}
	out[n] = '\0';
	return at + 5;
}

static size_t name_server_answer(uint8_t *msg, size_t len)
{
	char name[256];
	size_t q = question(name, msg + 12), n = 12 + q, z = 0;
	unsigned type = msg[12 + q - 3];

	(void)len;
	while (z < CS_COUNT(zone) && strcasecmp(zone[z].name, name) != 0)
		z++;
	if (z < CS_COUNT(zone) && !zone[z].addrs[0][0])
		return 0;
	msg[2] = 0x81;
	msg[3] = z < CS_COUNT(zone) ? 0x80 : 0x83;
	memset(msg + 6, 0, 6);
	for (size_t i = 0; z < CS_COUNT(zone) && type == 1 && i < 2 && zone[z].addrs[i][0]; i++) {
		memcpy(msg + n, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4", 12);
		memcpy(msg + n + 12, zone[z].addrs[i], 4);
		n += 16;
		msg[7]++;
	}
	return n;
}

static _Noreturn void serve_names(struct world *w, int ready_fd)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(53),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(w, bind(fd, (struct sockaddr *)&sin, sizeof sin) == 0);
	must(w, write(ready_fd, "", 1) == 1);
	for (;;) {
		uint8_t msg[2048] = { 0 };
		socklen_t peer_len = sizeof sin;
		ssize_t n = recvfrom(fd, msg, 512, 0, (struct sockaddr *)&sin, &peer_len);
		size_t len = n > 16 ? name_server_answer(msg, (size_t)n) : 0;

		if (len)
			sendto(fd, msg, len, 0, (struct sockaddr *)&sin, peer_len);
	}
}

static void start_name_server(struct world *w)
{
	int ready[2];

	cover(w, "/etc/resolv.conf", "resolv-host",
	      "nameserver 127.0.0.1\nsearch searched.example\n");
	must(w, pipe2(ready, O_CLOEXEC) == 0);
	if (fork() == 0)
		serve_names(w, ready[1]);
	wait_byte(w, ready[0]);
	close(ready[0]);
	close(ready[1]);
}

static void build_network(struct world *w, const struct scene *s)
{
	int ready[2], go[2];
	char script[512];

	must(w, pipe2(ready, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
	w->internet = fork();
	if (w->internet == 0)
		be_internet(w, s, ready[1], go[0]);
	wait_byte(w, ready[0]);
	snprintf(script, sizeof script,
		 "PATH=$PATH:/sbin:/usr/sbin; ip link set lo up\n"
		 "ip link add cs0 type veth peer name cs1 netns %d\n"
		 "ip addr add 10.99.0.1/24 dev cs0; ip -6 addr add fd99::1/64 dev cs0 nodad\n"
		 "ip link set cs0 up; ip addr add 8.8.4.4/32 dev cs0\n"
		 "ip route add default via 10.99.0.2; ip -6 route add default via fd99::2\n",
		 (int)w->internet);
	shell(w, script);
	must(w, write(go[1], "", 1) == 1);
	wait_byte(w, ready[0]);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

static void build_host(struct world *w, const struct scene *s)
{
	w->root = geteuid() == 0;
	if (w->root)
		must(w, unshare(CLONE_NEWNET | CLONE_NEWNS) == 0);
	else
		enter_user_namespace(w, CLONE_NEWNET | CLONE_NEWNS);
	must(w, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	cover(w, "/etc/hosts", "hosts", hosts);
	cover(w, "/etc/nsswitch.conf", "nsswitch",
	      s->name_server ? "hosts: files dns\n" : "hosts: files\n");
	build_network(w, s);
	w->servers = start_servers(w);
	if (s->name_server)
		start_name_server(w);
}

/* ---- the run ----------------------------------------------------------------------------- */

static void send_sockets(struct world *w, int to)
{
	int tcp4 = 6, tcp6 = 2; /* less than what is used: the relay makes more */
	int fds[16];
	size_t n = 0;

	while (tcp4--)
		fds[n++] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while (tcp6--)
		fds[n++] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[n++] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; i < n; i++)
		must(w, fds[i] >= 0);
	must(w, cs_send_fds(to, "s", 1, fds, n) == 0);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void take_sockets(struct world *w, struct cs_egress_sockets *out, int from)
{
	int fds[16];
	size_t n = CS_COUNT(fds);
	char byte;

	memset(out, -1, sizeof *out);
	must(w, cs_recv_fds(from, &byte, 1, fds, &n) == 1 && n == 9);
	memcpy(out->tcp4, fds, 6 * sizeof *fds);
	memcpy(out->tcp6, fds + 6, 2 * sizeof *fds);
	out->udp4 = fds[8];
}

static void put_addresses(struct world *w, const struct cs_egress_opts *opts)
{
	struct cs_strv list = CS_STRV_INIT;
	struct cs_buf script = CS_BUF_INIT;

	cs_egress_addresses(&list, opts);
	cs_buf_addf(&script,
		    "PATH=$PATH:/sbin:/usr/sbin; ip link set lo up; ip addr add %s/%d dev lo\n",
		    CS_EGRESS_SELF, CS_EGRESS_PREFIX);
	for (size_t i = 0; i < list.n; i++)
		cs_buf_addf(&script, "ip addr add %s dev lo\n", list.v[i]);
	shell(w, script.data);
	cs_buf_release(&script);
	cs_strv_release(&list);
}

static _Noreturn void be_run(struct world *w, const struct scene *s,
			     const struct cs_egress_opts *opts)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	drop_to_user(w);
	enter_user_namespace(w, CLONE_NEWNET | CLONE_NEWNS);
	must(w, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	cover(w, "/etc/resolv.conf", "resolv", cs_egress_resolv_conf());
	cover(w, "/etc/nsswitch.conf", "nsswitch-run", "hosts: files dns\n");
	cover(w, "/etc/hosts", "hosts-run", "127.0.0.1 localhost\n::1 localhost\n");
	put_addresses(w, opts);
	send_sockets(w, w->sock);
	wait_byte(w, w->sock);
	s->client(w);
	_exit(0);
}

/* ---- the owner --------------------------------------------------------------------------- */

static void keep_event(void *arg, const struct cs_egress_event *e)
{
	struct world *w = arg;

	must(w, w->n_events < MAX_EVENTS);
	w->events[w->n_events++] = *e;
}

static void take_events(struct world *w, const struct scene *s)
{
	struct cs_egress_event e;
	struct cs_err err = CS_ERR_INIT;
	int rc;

	while ((rc = cs_egress_next(&e, w->egress, &err)) > 0) {
		struct cs_egress_answer answer = { .id = e.id, .allow = !s->deny };

		keep_event(w, &e);
		if (e.type == CS_EGRESS_CONNECT && !s->silent &&
		    cs_egress_answer(w->egress, &answer, &err) < 0)
			wrong(w, "%s", err.msg);
	}
	if (rc < 0)
		wrong(w, "%s", err.msg);
}

static void supervise(struct world *w, const struct scene *s, pid_t run)
{
	struct pollfd p[2] = { { .fd = cs_egress_fd(w->egress), .events = s->lazy ? 0 : POLLIN },
			       { .fd = (int)syscall(SYS_pidfd_open, run, 0), .events = POLLIN } };
	int status;

	while (!p[1].revents) {
		must(w, poll(p, 2, 3 * WAIT_MS) > 0 || errno == EINTR);
		if (p[0].revents)
			take_events(w, s);
	}
	close(p[1].fd);
	must(w, waitpid(run, &status, 0) == run);
	if (status)
		_exit(1); /* the run has reported it */
}

static void start_relay(struct world *w, const struct cs_egress_opts *opts,
			struct cs_egress_sockets *sockets)
{
	struct cs_err err = CS_ERR_INIT;

	if (cs_egress_start(&w->egress, opts, sockets, &err) < 0)
		wrong(w, "%s", err.msg);
}

static void own(struct world *w, const struct scene *s, const struct cs_egress_opts *opts,
		struct cs_egress_sockets *sockets, pid_t run)
{
	start_relay(w, opts, sockets);
	must(w, write(w->sock, "", 1) == 1);
	supervise(w, s, run);
	cs_egress_stop(w->egress, keep_event, w);
	if (s->verify)
		s->verify(w);
}

static void play(struct world *w, const struct scene *s)
{
	struct cs_egress_opts opts = { .rules = s->rules, .uid = UNIT_UID, .gid = UNIT_UID };
	struct cs_egress_sockets sockets;
	int pair[2];
	pid_t run;

	while (opts.n_rules < CS_COUNT(s->rules) && s->rules[opts.n_rules].host)
		opts.n_rules++;
	build_host(w, s);
	must(w, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	run = fork();
	w->sock = pair[run == 0];
	if (run == 0)
		be_run(w, s, &opts);
	close(pair[1]);
	take_sockets(w, &sockets, w->sock);
	(s->own ? s->own : own)(w, s, &opts, &sockets, run);
}

static void remove_dir(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/*
 * Plays the scene; user: as an ordinary user even when root runs it. The failure, if any, is in
 * text; returns the status.
 */
static int world_try(char text[512], const struct scene *s, bool user)
{
	struct world w = { .dir = "/var/tmp/egress-test.XXXXXX" };
	int report[2], status = -1;
	ssize_t n;
	pid_t pid;

	strcpy(text, "cannot begin");
	if (!mkdtemp(w.dir) || chmod(w.dir, 0777) < 0 || pipe2(report, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		w.report_fd = report[1];
		w.events = calloc(MAX_EVENTS, sizeof *w.events);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (user)
			drop_to_user(&w);
		play(&w, s);
		_exit(0);
	}
	close(report[1]);
	waitpid(pid, &status, 0);
	n = read(report[0], text, 511);
	text[n > 0 ? n : 0] = '\0';
	close(report[0]);
	remove_dir(w.dir);
	return n > 0 && status == 0 ? -1 : status;
}

#endif
