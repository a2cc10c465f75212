/* SPDX-License-Identifier: Apache-2.0 */
/* The relay at its limits, and when somebody dies; names as programs ask for them. */
#include "egress_client.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

/* ---- deaths ------------------------------------------------------------------------------ */

static void must_end(struct world *w, int pid_fd)
{
	struct pollfd p = { .fd = pid_fd, .events = POLLIN };

	must(w, poll(&p, 1, WAIT_MS) == 1);
}

/* Holds a connection and a listener's address, and sees both go. */
static void bereaved_client(struct world *w)
{
	struct sockaddr_storage sa;
	int error, fd = must_reach(w, "named.test", ECHO_PORT);
	socklen_t len = address(&sa, "named.test", ECHO_PORT, &error);
	char byte;

	must_echo(w, fd, "alive\n");
	must(w, write(w->sock, "", 1) == 1);
	must(w, read_some(fd, &byte, 1) <= 0);
	/* The listeners go with the same process, perhaps a moment later. */
	for (int i = 0;; i++) {
		int again = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int rc = connect(again, (struct sockaddr *)&sa, len);

		error = errno;
		close(again);
		if (rc < 0 && error == ECONNREFUSED)
			return;
		must(w, i < 1000);
		sched_yield();
	}
}

static int children(const char *of, pid_t *out, int max)
{
	char path[64];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof path, "/proc/%s/task/%s/children", of, of);
	f = fopen(path, "re");
	while (f && n < max && fscanf(f, "%d", &out[n]) == 1)
		n++;
	if (f)
		fclose(f);
	return n;
}

/* The owner is a process of its own, which is killed without a warning. */
static void die(struct world *w, const struct scene *s, const struct cs_egress_opts *opts,
		struct cs_egress_sockets *sockets, pid_t run)
{
	int told[2], status, relay_fd, resolver_fd;
	pid_t owner, relay, resolver;
	char text[16];

	must(w, pipe2(told, O_CLOEXEC) == 0);
	owner = fork();
	if (owner == 0) {
		start_relay(w, opts, sockets);
		relay = cs_egress_pid(w->egress);
		must(w, write(told[1], &relay, sizeof relay) == sizeof relay);
		for (;;) {
			struct pollfd p = { .fd = cs_egress_fd(w->egress), .events = POLLIN };

			poll(&p, 1, -1);
			take_events(w, s);
		}
	}
	must(w, read(told[0], &relay, sizeof relay) == sizeof relay);
	for (size_t i = 0; i < CS_EGRESS_TCP4; i++)
		cs_close(&sockets->tcp4[i]);
	for (size_t i = 0; i < CS_EGRESS_TCP6; i++)
		cs_close(&sockets->tcp6[i]);
	cs_close(&sockets->udp4);
	relay_fd = (int)syscall(SYS_pidfd_open, relay, 0);
	snprintf(text, sizeof text, "%d", (int)relay);
	must_equal(w, children(text, &resolver, 1), 1);
	resolver_fd = (int)syscall(SYS_pidfd_open, resolver, 0);
	must(w, relay_fd >= 0 && resolver_fd >= 0);
	must(w, write(w->sock, "", 1) == 1);
	wait_byte(w, w->sock);
	kill(owner, SIGKILL);
	must_end(w, relay_fd);
	must_end(w, resolver_fd);
	must(w, waitpid(run, &status, 0) == run);
	if (status)
		_exit(1);
}

/* The relay is killed: the owner hears of it, at once and ever after. */
static void lose(struct world *w, const struct scene *s, const struct cs_egress_opts *opts,
		 struct cs_egress_sockets *sockets, pid_t run)
{
	struct cs_egress_event e;
	struct cs_err err;
	struct cs_egress_answer answer = { .id = 1 };
	struct pollfd p;
	int ended, rc;

	(void)s;
	start_relay(w, opts, sockets);
	must(w, write(w->sock, "", 1) == 1);
	p = (struct pollfd){ .fd = cs_egress_fd(w->egress), .events = POLLIN };
	must(w, poll(&p, 1, WAIT_MS) == 1); /* the name was asked for */
	kill(cs_egress_pid(w->egress), SIGKILL);
	ended = (int)syscall(SYS_pidfd_open, cs_egress_pid(w->egress), 0);
	must_end(w, ended);
	while ((rc = cs_egress_next(&e, w->egress, &err)) > 0)
		;
	must_equal(w, rc, CS_MALFUNCTION);
	must_equal(w, cs_egress_next(&e, w->egress, &err), CS_MALFUNCTION);
	must(w, strstr(err.msg, "relay process is gone") != NULL);
	must_equal(w, cs_egress_answer(w->egress, &answer, &err), CS_MALFUNCTION);
	kill(run, SIGKILL);
	cs_egress_stop(w->egress, keep_event, w);
	must_equal(w, w->n_events, 0);
	must(w, waitpid(-1, NULL, WNOHANG) >= 0 || errno == ECHILD);
}

static void asking_client(struct world *w)
{
	reach("named.test", ECHO_PORT);
	(void)w;
	pause();
}

/* A start that fails says why, and leaves neither process nor descriptor. */
static void fail_to_start(struct world *w, const struct scene *s, const struct cs_egress_opts *opts,
			  struct cs_egress_sockets *sockets, pid_t run)
{
	static const struct cs_egress_rule bad = { .host = "Bad", .origin = "policy:3" };
	static const struct cs_egress_rule far = {
		.host = "10.1.2.3", .port = 1, .literal = true, .origin = "policy:4"
	};
	struct cs_egress_opts bad_opts = {
		.rules = &bad, .n_rules = 1, .uid = UNIT_UID, .gid = UNIT_UID
	};
	struct cs_egress_sockets none;
	struct cs_egress *e;
	struct cs_err err = CS_ERR_INIT;
	int fds = unit_count_fds();

	(void)s, (void)opts;
	memset(&none, -1, sizeof none);
	must_equal(w, cs_egress_start(&e, &bad_opts, &none, &err), CS_USAGE);
	must(w, strstr(err.msg, "policy:3") != NULL);
	bad_opts.n_rules = 0;
	must_equal(w, cs_egress_start(&e, &bad_opts, &none, &err), CS_USAGE);
	must(w, strstr(err.msg, "no sockets") != NULL);
	bad_opts = (struct cs_egress_opts){
		.rules = &far, .n_rules = 1, .uid = UNIT_UID, .gid = UNIT_UID
	};
	must_equal(w, cs_egress_start(&e, &bad_opts, sockets, &err), CS_MALFUNCTION);
	must(w, strstr(err.msg, "policy:4") && strstr(err.msg, "10.1.2.3 port 1"));
	must_equal(w, unit_count_fds(), fds - 9); /* the sockets were taken */
	must_equal(w, sockets->udp4, -1);
	kill(run, SIGKILL);
	must(w, waitpid(run, NULL, 0) == run);
	/* the network's two helpers are left, no relay */
	must_equal(w, waitpid(-1, NULL, WNOHANG), 0);
	kill(w->internet, SIGKILL);
	kill(w->servers, SIGKILL);
	must(w, waitpid(w->internet, NULL, 0) == w->internet);
	must(w, waitpid(w->servers, NULL, 0) == w->servers);
	must(w, waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
}

/* ---- limits ------------------------------------------------------------------------------ */

#define CONNECTIONS_MAX 1024
#define TOO_MANY	(CONNECTIONS_MAX + 40)

static void crowd_client(struct world *w)
{
	static int fds[TOO_MANY];
	struct rlimit files;
	int cut = 0;

	must(w, getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	must(w, setrlimit(RLIMIT_NOFILE, &files) == 0);
	for (int i = 0; i < TOO_MANY; i++)
		fds[i] = must_reach(w, "named.test", ECHO_PORT);
	for (int i = CONNECTIONS_MAX; i < TOO_MANY; i++) {
		char byte;

		cut += read_some(fds[i], &byte, 1) < 0 && errno == ECONNRESET;
	}
	must_equal(w, cut, TOO_MANY - CONNECTIONS_MAX);
}

static void crowd_verify(struct world *w)
{
	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_CONNECT, NULL), CONNECTIONS_MAX);
	must_equal(w, count_events(w, CS_EGRESS_REFUSED, "named.test"), TOO_MANY - CONNECTIONS_MAX);
	must_say(w, event(w, CS_EGRESS_REFUSED, 0), "too many connections");
	must_equal(w, event(w, CS_EGRESS_REFUSED, 0)->port, ECHO_PORT);
}

#define WILD_NAMES 300

/* Many more listeners than sockets were handed over; each brings its own name. */
static void wild_client(struct world *w)
{
	char name[64];

	for (int i = 0; i < WILD_NAMES; i++) {
		snprintf(name, sizeof name, "n%d.wild.test", i);
		must_be_cut(w, must_reach(w, name, i % 2 ? 80 : 443));
	}
	for (int i = 0; i < WILD_NAMES; i++) { /* again: the same address */
		snprintf(name, sizeof name, "N%d.Wild.Test.", i);
		must_be_cut(w, must_reach(w, name, 80));
	}
}

static void wild_verify(struct world *w)
{
	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_DNS, NULL), WILD_NAMES);
	must_equal(w, count_events(w, CS_EGRESS_CONNECT, NULL), 2 * WILD_NAMES);
	for (size_t i = 0; i < 2 * WILD_NAMES; i++) {
		const struct cs_egress_event *e = event(w, CS_EGRESS_CONNECT, i);
		const struct cs_egress_event *first = event(w, CS_EGRESS_CONNECT, i % WILD_NAMES);
		char name[64];

		snprintf(name, sizeof name, "n%zu.wild.test", i % WILD_NAMES);
		if (strcmp(e->host, name) != 0 || strcmp(e->local_addr, first->local_addr) != 0)
			wrong(w, "connection %zu is %s at %s", i, e->host, e->local_addr);
	}
}

#define NAMES_MAX     4096
#define LISTENERS_MAX 2048

static size_t ask_udp(struct world *w, int fd, uint8_t *reply, const void *query, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	must(w, send(fd, query, len, 0) == (ssize_t)len);
	if (poll(&p, 1, WAIT_MS) != 1)
		wrong(w, "no answer");
	n = recv(fd, reply, 1024, 0);
	must(w, n >= 12);
	return (size_t)n;
}

static int stub_socket(struct world *w, int type)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, CS_EGRESS_SELF, &sin.sin_addr);
	must(w, connect(fd, (struct sockaddr *)&sin, sizeof sin) == 0);
	return fd;
}

static size_t make_query(uint8_t *out, const char *name, unsigned type)
{
	static const uint8_t head[] = { 0x12, 0x67, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
	uint8_t *p = out + sizeof head;

	memcpy(out, head, sizeof head);
	while (*name) {
		size_t n = strcspn(name, ".");

		*p++ = (uint8_t)n;
		memcpy(p, name, n);
		p += n;
		name += n + (name[n] == '.');
	}
	*p++ = 0;
	*p++ = (uint8_t)(type >> 8);
	*p++ = (uint8_t)type;
	*p++ = 0;
	*p++ = 1;
	return (size_t)(p - out);
}

/* Asks until the stub takes it: above its rate it lets queries wait. */
static unsigned ask_patiently(struct world *w, int fd, const char *name)
{
	uint8_t query[300], reply[1024];
	size_t len = make_query(query, name, 1);

	for (int i = 0; i < 100; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		must(w, send(fd, query, len, 0) == (ssize_t)len);
		if (poll(&p, 1, 1500) == 1 && recv(fd, reply, sizeof reply, 0) >= 12)
			return reply[3] & 15u;
	}
	wrong(w, "no answer for %s", name);
}

/* More names than there are listeners, and at last more than a run may have. */
static void names_client(struct world *w)
{
	int fd = stub_socket(w, SOCK_DGRAM);
	char name[64];

	for (int i = 0; i < NAMES_MAX + 3; i++) {
		snprintf(name, sizeof name, "n%d.wild.test", i);
		must_equal(w, ask_patiently(w, fd, name), i < NAMES_MAX ? 0 : 2);
		if (i == 0) /* stays open: its listener must not make way */
			must_reach(w, "n0.wild.test", ECHO_PORT);
	}
	must_reach(w, "n0.wild.test", ECHO_PORT);
	must_reach(w, "n4095.wild.test", ECHO_PORT);
	/* The longest unused have made way. 198.18.1.2 is n1. */
	must(w, reach("n1.wild.test", ECHO_PORT) >= 0); /* asked for again: there again */
}

static void names_verify(struct world *w)
{
	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_DNS, NULL), NAMES_MAX + 3);
	must(w, event(w, CS_EGRESS_DNS, NAMES_MAX - 1)->allowed);
	must(w, !event(w, CS_EGRESS_DNS, NAMES_MAX)->allowed);
	must_say(w, event(w, CS_EGRESS_DNS, NAMES_MAX), "too many names");
}

/* A program inside has the port on every address: the name gets no listener, and this is said. */
static void squatter_client(struct world *w)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(ECHO_PORT) };
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = stub_socket(w, SOCK_DGRAM);

	must(w, bind(server, (struct sockaddr *)&any, sizeof any) == 0);
	must(w, listen(server, 5) == 0);
	must_equal(w, ask_patiently(w, fd, "a.wild.test"), 2);
	close(server);
	must_equal(w, ask_patiently(w, fd, "a.wild.test"), 0);
	must_be_cut(w, must_reach(w, "a.wild.test", ECHO_PORT));
}

static void squatter_verify(struct world *w)
{
	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_DNS, "a.wild.test"), 2);
	must(w, !event(w, CS_EGRESS_DNS, 0)->allowed && event(w, CS_EGRESS_DNS, 1)->allowed);
	must_say(w, event(w, CS_EGRESS_DNS, 0), "a program inside listens on port 7000");
}

#define REFUSED_MAX 4096

/* Names that are refused, more than are remembered. */
static void refused_client(struct world *w)
{
	int fd = stub_socket(w, SOCK_DGRAM);
	char name[64];

	for (int i = 0; i < REFUSED_MAX + 20; i++) {
		snprintf(name, sizeof name, "n%d.evil.example", i);
		must_equal(w, ask_patiently(w, fd, name), 3);
	}
}

static void refused_verify(struct world *w)
{
	must_equal(w, count_events(w, CS_EGRESS_DNS, NULL), REFUSED_MAX + 1);
	must_equal(w, count_events(w, CS_EGRESS_DNS, "*"), 1);
	must_say(w, event(w, CS_EGRESS_DNS, REFUSED_MAX), "further ones are not listed");
}

/* The owner does not read: nothing is lost, however much there is. */
static void ignored_client(struct world *w)
{
	int fd = stub_socket(w, SOCK_DGRAM);
	char name[64];

	for (int i = 0; i < 1500; i++) {
		snprintf(name, sizeof name, "n%d.evil.example", i);
		must_equal(w, ask_patiently(w, fd, name), 3);
	}
	for (int i = 0; i < 200; i++)
		close(must_reach(w, "named.test", ECHO_PORT));
}

static void ignored_verify(struct world *w)
{
	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_DNS, NULL), 1501);
	must_equal(w, count_events(w, CS_EGRESS_CONNECT, NULL), 200);
	must(w, !strcmp(event(w, CS_EGRESS_DNS, 1499)->host, "n1499.evil.example"));
}

#define LATE_NAMES 3000

/*
 * The owner reads only once the stub has stopped to answer, which it does when too much waits; then
 * it goes on, and nothing is lost.
 */
static void late_client(struct world *w)
{
	int fd = stub_socket(w, SOCK_DGRAM);
	bool stopped = false;

	for (int i = 0; i < LATE_NAMES; i++) {
		uint8_t query[300], reply[1024];
		char name[64];
		struct pollfd p = { .fd = fd, .events = POLLIN };

		snprintf(name, sizeof name, "n%d.evil.example", i);
		size_t len = make_query(query, name, 1);
		for (int tries = 0;; tries++) {
			must(w, tries < 20 && send(fd, query, len, 0) == (ssize_t)len);
			if (poll(&p, 1, 2000) == 1)
				break;
			if (!stopped)
				must(w, write(w->sock, "", 1) == 1);
			stopped = true;
		}
		must(w, recv(fd, reply, sizeof reply, 0) >= 12);
		while (recv(fd, reply, sizeof reply, MSG_DONTWAIT) > 0)
			; /* a second answer to a repeated question */
	}
	must(w, stopped);
}

/* The process that parses hostile bytes, as the kernel describes it. */
static void must_be_confined(struct world *w, pid_t pid)
{
	static const char *const lines[] = { "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
					     "CapPrm:\t0000000000000000\n",
					     "CapEff:\t0000000000000000\n" };
	struct cs_buf status = CS_BUF_INIT;
	char path[64], uids[64];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	must(w, cs_read_file(&status, AT_FDCWD, path, 65536, NULL) == 0);
	for (size_t i = 0; i < CS_COUNT(lines); i++)
		if (!strstr(status.data, lines[i]))
			wrong(w, "%d has not: %s", (int)pid, lines[i]);
	snprintf(uids, sizeof uids, "Uid:\t%d\t%d\t%d\t%d\n", UNIT_UID, UNIT_UID, UNIT_UID,
		 UNIT_UID);
	must(w, strstr(status.data, uids) != NULL);
	cs_buf_release(&status);
}

/* Only root may look: no descriptor of the owner's, no environment. */
static void must_have_forgotten(struct world *w, pid_t pid)
{
	struct cs_buf environment = CS_BUF_INIT;
	char path[64], target[64];

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	must(w, cs_read_file(&environment, AT_FDCWD, path, 1 << 20, NULL) == 0);
	must(w, !memmem(environment.data, environment.len, "s3cret", 6));
	cs_buf_release(&environment);
	for (int fd = 0; fd < 1024; fd++) {
		ssize_t n;

		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
		n = readlink(path, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		if (n > 0 && strncmp(target, "socket:", 7) && strncmp(target, "pipe:", 5) &&
		    strcmp(target, "anon_inode:[eventpoll]") && strcmp(target, "/dev/null"))
			wrong(w, "descriptor %d is %s", fd, target);
	}
}

/* In the environment as it was at exec, where /proc shows it. */
static void plant_secret(struct world *w)
{
	for (char **e = environ; *e; e++) {
		size_t n = strlen(*e);

		if (n < 12 || !strncmp(*e, "PATH=", 5))
			continue;
		memcpy(*e + n - 6, "s3cret", 6);
		return;
	}
	wrong(w, "an environment is needed");
}

static void look_own(struct world *w, const struct scene *s, const struct cs_egress_opts *opts,
		     struct cs_egress_sockets *sockets, pid_t run)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	pid_t both[2];
	char text[16];

	must(w, open("/etc/passwd", O_RDONLY) >= 0); /* not close-on-exec, and not theirs */
	plant_secret(w);
	start_relay(w, opts, sockets);
	must_equal(w, cs_egress_landlock(w->egress), abi > 0 ? abi : 0);
	both[0] = cs_egress_pid(w->egress);
	snprintf(text, sizeof text, "%d", (int)both[0]);
	must_equal(w, children(text, &both[1], 1), 1);
	for (int i = 0; i < 2; i++) {
		must_be_confined(w, both[i]);
		if (w->root)
			must_have_forgotten(w, both[i]);
	}
	must(w, write(w->sock, "", 1) == 1);
	supervise(w, s, run);
	cs_egress_stop(w->egress, keep_event, w);
	must(w, waitpid(-1, NULL, WNOHANG) == 0); /* only the world's are left */
}

static void hello_client(struct world *w)
{
	must_echo(w, must_reach(w, "named.test", ECHO_PORT), "hello\n");
}

static void late_own(struct world *w, const struct scene *s, const struct cs_egress_opts *opts,
		     struct cs_egress_sockets *sockets, pid_t run)
{
	start_relay(w, opts, sockets);
	must(w, write(w->sock, "", 1) == 1);
	wait_byte(w, w->sock);
	supervise(w, s, run);
	cs_egress_stop(w->egress, keep_event, w);
	must_equal(w, w->n_events, LATE_NAMES);
	must_equal(w, count_events(w, CS_EGRESS_DNS, NULL), LATE_NAMES);
}

/* ---- names ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned type;
	unsigned rcode, answers;
} asked[] = {
	{ "named.test", 1, 0, 1 },
	{ "NAMED.Test", 1, 0, 1 },
	{ "named.test", 28, 0, 0 },  /* AAAA */
	{ "named.test", 65, 0, 0 },  /* HTTPS */
	{ "named.test", 64, 0, 0 },  /* SVCB */
	{ "named.test", 16, 0, 0 },  /* TXT */
	{ "named.test", 255, 5, 0 }, /* ANY */
	{ "named.test", 252, 5, 0 }, /* AXFR */
	{ "other.test", 1, 3, 0 },
	{ "other.test", 28, 3, 0 },
	{ "a.named.test", 1, 3, 0 },
	{ "localhost", 1, 0, 1 },
	{ "localhost", 28, 0, 1 },
	{ "x.localhost", 1, 0, 1 },
	{ "notlocalhost", 1, 3, 0 },
	{ "1.1.18.198.in-addr.arpa", 12, 0, 1 },
	{ "1.1.18.198.in-addr.arpa", 1, 0, 0 },
	{ "9.9.18.198.in-addr.arpa", 12, 3, 0 },
	{ "1.9.9.9.in-addr.arpa", 12, 3, 0 },
	{ "", 2, 3, 0 },
};

static void queries_client(struct world *w)
{
	int udp = stub_socket(w, SOCK_DGRAM), tcp = stub_socket(w, SOCK_STREAM), one = 1;
	uint8_t query[302], reply[1026];
	size_t len, n;

	setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	for (size_t i = 0; i < CS_COUNT(asked); i++) {
		len = make_query(query + 2, asked[i].name, asked[i].type);
		n = ask_udp(w, udp, reply + 2, query + 2, len);
		if ((reply[5] & 15) != asked[i].rcode || reply[9] != asked[i].answers || reply[8] ||
		    memcmp(query + 14, reply + 14, len - 12) != 0)
			wrong(w, "%s %u: code %d, %d answers", asked[i].name, asked[i].type,
			      reply[5] & 15, reply[9]);
		if (asked[i].answers) {
			const uint8_t *ttl = reply + 2 + len + 6;

			must(w, ttl[0] == 0 && ttl[1] == 0 && ttl[2] == 0 && ttl[3] <= 60);
		}
		/* The same over TCP, byte by byte. */
		query[0] = 0;
		query[1] = (uint8_t)len;
		for (size_t k = 0; k < len + 2; k++)
			must(w, write_full(tcp, query + k, 1));
		uint8_t again[1026];
		must(w, read_all(tcp, again, 2) == 2);
		must_equal(w, again[0] << 8 | again[1], n);
		must(w, read_all(tcp, again + 2, n) == n && !memcmp(again + 2, reply + 2, n));
	}
}

/* Nonsense gets no answer or an error, and does no harm. */
static void nonsense_client(struct world *w)
{
	int udp = stub_socket(w, SOCK_DGRAM);
	uint8_t query[300], reply[1024];
	size_t len = make_query(query, "named.test", 1);
	unsigned seed = 1;

	for (int i = 0; i < 1000; i++) {
		uint8_t junk[600];
		size_t n = i % 2 ? len : (seed = seed * 1103515245 + 12345) % sizeof junk;

		for (size_t k = 0; k < n; k++)
			junk[k] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		if (i % 2) { /* a good query with one odd byte */
			uint8_t odd = junk[0];

			memcpy(junk, query, len);
			junk[(seed >> 8) % len] = odd;
		}
		if (n)
			must(w, send(udp, junk, n, 0) == (ssize_t)n);
	}
	close(udp);
	for (int i = 0; i < 100; i++) { /* more than it holds */
		int tcp = stub_socket(w, SOCK_STREAM);

		must(w, i % 2 || write_full(tcp, "\xff\xff????", 6));
	}
	udp = stub_socket(w, SOCK_DGRAM);
	must_equal(w, ask_patiently(w, udp, "named.test"), 0);
	must(w, recv(udp, reply, sizeof reply, MSG_DONTWAIT) < 0);
	close(must_reach(w, "named.test", ECHO_PORT));
}

/* ---- programs ---------------------------------------------------------------------------- */

static void run_program(struct world *w, const char *script)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-euc", script, (char *)NULL);
		_exit(127);
	}
	must(w, waitpid(pid, &status, 0) == pid);
	if (status)
		wrong(w, "status %#x: %s", status, script);
}

static void programs_client(struct world *w)
{
	static const char *const scripts[] = {
		"curl -sS -m 20 http://named.test/ | grep >/dev/null -i '^host: named.test'",
		"curl -sS -m 20 http://named.test:8080/ | grep >/dev/null -i '^host: "
		"named.test:8080'",
		"! curl -sS -m 20 -H 'Host: other.test' http://named.test/ 2>/dev/null",
		"curl -sS -m 20 http://other.test/ 2>&1 | grep >/dev/null 'Could not resolve host'",
		"! curl -sS -m 20 -g 'http://[2600:9::1]/' 2>/dev/null",
		"! curl -sS -m 20 http://9.9.9.1/ 2>/dev/null",
		"! curl -sS -m 20 --resolve other.test:80:198.18.1.1 http://other.test/ "
		"2>/dev/null",
		/* names and hellos as other stacks make them */
		"node -e \"require('http').get('http://named.test/', "
		"r => r.on('data', d => process.stdout.write(d)))\" | grep >/dev/null -i '^host: "
		"named.test'",
		"node -e \"require('dns').resolve4('named.test', "
		"(e, a) => process.exit(a && a[0].startsWith('198.18.') ? 0 : 1))\"",
		"node -e \"require('dns').resolve4('other.test', "
		"(e) => process.exit(e && e.code == 'ENOTFOUND' ? 0 : 1))\"",
		"curl -sS -m 20 -k https://named.test:8443/ | grep >/dev/null 's_server'",
		"node -e \"process.env.NODE_TLS_REJECT_UNAUTHORIZED=0; "
		"require('https').get('https://named.test:8443/', "
		"r => r.on('data', d => process.stdout.write(d)))\" 2>/dev/null | grep >/dev/null "
		"s_server",
		"! curl -sS -m 20 -k --resolve other.test:8443:198.18.1.1 https://other.test:8443/ "
		"2>/dev/null",
		"! curl -sS -m 20 -k https://198.18.1.1:8443/ 2>/dev/null",
	};

	for (size_t i = 0; i < CS_COUNT(scripts); i++)
		run_program(w, scripts[i]);
}

/* A web server with TLS. */
#define TLS_SERVER                                                                               \
	"cd \"$(mktemp -d /var/tmp/egress-tls.XXXXXX)\"; d=$PWD\n"                               \
	"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=named.test -days 2 "                \
	"-keyout key.pem -out cert.pem 2>/dev/null\n"                                            \
	"openssl s_server -quiet -www -accept 8443 -key key.pem -cert cert.pem >/dev/null 2>&1 " \
	"&\n"                                                                                    \
	"for i in $(seq 200); do grep -q :20FB /proc/net/tcp* && break; sleep 0.05; done\n"      \
	"rm -r \"${d:?}\""

static const struct scene scenes[] = {
	{ .name = "the owner dies",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = bereaved_client,
	  .own = die },
	{ .name = "the relay dies",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = asking_client,
	  .own = lose },
	{ .name = "a start that fails",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = asking_client,
	  .own = fail_to_start },
	{ .name = "too many connections",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = crowd_client,
	  .verify = crowd_verify,
	  .silent = true },
	{ .name = "many names of a wildcard",
	  .rules = { { .host = "*.wild.test" } },
	  .client = wild_client,
	  .verify = wild_verify,
	  .deny = true },
	{ .name = "too many names",
	  .rules = { { .host = "*.wild.test", .port = ECHO_PORT } },
	  .client = names_client,
	  .verify = names_verify,
	  .silent = true },
	{ .name = "a port that is taken inside",
	  .rules = { { .host = "*.wild.test", .port = ECHO_PORT } },
	  .client = squatter_client,
	  .verify = squatter_verify,
	  .deny = true },
	{ .name = "too many refused names",
	  .rules = { { .host = "named.test" } },
	  .client = refused_client,
	  .verify = refused_verify },
	{ .name = "an owner that does not read",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = ignored_client,
	  .verify = ignored_verify,
	  .lazy = true },
	{ .name = "an owner that reads late",
	  .rules = { { .host = "named.test" } },
	  .client = late_client,
	  .own = late_own },
	{ .name = "what the relay has left",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = hello_client,
	  .own = look_own },
	{ .name = "queries", .rules = { { .host = "named.test" } }, .client = queries_client },
	{ .name = "nonsense",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = nonsense_client,
	  .verify = must_be_balanced },
	{ .name = "programs",
	  .rules = { { .host = "named.test" },
		     { .host = "named.test", .port = 8080 },
		     { .host = "named.test", .port = 8443 } },
	  .client = programs_client,
	  .verify = must_be_balanced,
	  .internet = TLS_SERVER },
};

START_TEST(a_scene_as_root)
{
	world_play(&scenes[_i], false);
}
END_TEST

START_TEST(a_scene_as_a_user)
{
	world_play(&scenes[_i], true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress edge");
	TCase *tc = tcase_create("edge");

	tcase_set_timeout(tc, 120);
	if (geteuid() == 0)
		tcase_add_loop_test(tc, a_scene_as_root, 0, CS_COUNT(scenes));
	else
		printf("# SKIP scenes as root: not root\n");
	tcase_add_loop_test(tc, a_scene_as_a_user, 0, CS_COUNT(scenes));
	suite_add_tcase(s, tc);
	return unit_run(s);
}
