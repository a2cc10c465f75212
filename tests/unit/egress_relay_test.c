/* SPDX-License-Identifier: Apache-2.0 */
/* The relay between real network namespaces: what gets through, what does not, what is reported. */
#include "egress_client.h"

#include <netinet/tcp.h>

/* ---- what gets through ------------------------------------------------------------------- */

static void hello_client(struct world *w)
{
	int fd = must_reach(w, "named.test", ECHO_PORT);
	char byte;

	must_echo(w, fd, "hello\n");
	shutdown(fd, SHUT_WR);
	must_equal(w, read_some(fd, &byte, 1), 0);
	fd = must_reach(w, "named.test", ECHO_PORT);
	must_echo(w, fd, "again\n");
	close(fd);
}

static void hello_verify(struct world *w)
{
	const struct cs_egress_event *dns = event(w, CS_EGRESS_DNS, 0);
	const struct cs_egress_event *asked = event(w, CS_EGRESS_CONNECT, 0);
	const struct cs_egress_event *closed = event(w, CS_EGRESS_CLOSED, 0);

	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_DNS, NULL), 1); /* asked for twice */
	must(w, dns->allowed && !strcmp(dns->host, "named.test") && !strcmp(dns->origin, "rule 1"));
	must(w, !strcmp(asked->host, "named.test") && !strcmp(asked->origin, "rule 1"));
	must(w, !strcmp(asked->peer_addr, CS_EGRESS_SELF) && asked->peer_port);
	must(w, !strcmp(asked->local_addr, "198.18.1.1"));
	must_equal(w, asked->port, ECHO_PORT);
	must_equal(w, asked->addr[0], 0); /* nothing was looked up before the answer */
	must(w, closed->allowed && !strcmp(closed->addr, "9.9.9.1") && !*closed->reason);
	must(w, !strcmp(closed->proto, "other"));
	must_equal(w, closed->bytes_out, 6);
	must_equal(w, closed->bytes_in, 6);
	must_equal(w, count_events(w, CS_EGRESS_REFUSED, NULL), 0);
}

#define MANY_BYTES (24u * 1024 * 1024 + 7)

/* More than any socket holds, in odd pieces; then the end of one direction only. */
static void count_client(struct world *w)
{
	static char data[300007];
	int fd = must_reach(w, "named.test", COUNT_PORT);
	char text[32] = "";

	for (size_t sent = 0; sent < MANY_BYTES;) {
		size_t n = MANY_BYTES - sent < sizeof data ? MANY_BYTES - sent : sizeof data;

		must(w, write_full(fd, data, n));
		sent += n;
	}
	shutdown(fd, SHUT_WR);
	read_all(fd, text, sizeof text - 1);
	must_equal(w, strtoull(text, NULL, 10), MANY_BYTES);
}

static void count_verify(struct world *w)
{
	const struct cs_egress_event *closed = event(w, CS_EGRESS_CLOSED, 0);

	must_be_balanced(w);
	must_equal(w, closed->bytes_out, MANY_BYTES);
	must_equal(w, closed->bytes_in, 9); /* the number and a newline */
	must_equal(w, closed->reason[0], 0);
}

/* Both directions at once, each with its own pattern. */
static void duplex_client(struct world *w)
{
	static uint32_t piece[2500];
	int fd = must_reach(w, "named.test", ECHO_PORT);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (uint32_t i = 0; i < 2000000; i++) {
			piece[i % CS_COUNT(piece)] = i;
			if ((i + 1) % CS_COUNT(piece) == 0)
				must(w, write_full(fd, piece, sizeof piece));
		}
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	for (uint32_t i = 0; i < 2000000; i++) {
		if (i % CS_COUNT(piece) == 0)
			must_equal(w, read_all(fd, piece, sizeof piece), sizeof piece);
		must_equal(w, piece[i % CS_COUNT(piece)], i);
	}
	must(w, waitpid(pid, &status, 0) == pid && status == 0);
}

static void duplex_verify(struct world *w)
{
	must_be_balanced(w);
	must_equal(w, event(w, CS_EGRESS_CLOSED, 0)->bytes_out, 8000000);
	must_equal(w, event(w, CS_EGRESS_CLOSED, 0)->bytes_in, 8000000);
}

/* The server speaks first, and ends first; the client sends only afterwards. */
static void server_first_client(struct world *w)
{
	static char data[1 << 20];
	char text[32];
	int fd = must_reach(w, "named.test", BANNER_PORT);
	size_t total = 0, n;

	must_equal(w, read_all(fd, text, 11), 11);
	must(w, !memcmp(text, "220 hello\r\n", 11));
	must_echo(w, fd, "EHLO me\r\n");
	close(fd);
	fd = must_reach(w, "named.test", CHATTY_PORT);
	while ((n = read_all(fd, data, sizeof data)) > 0)
		total += n;
	must_equal(w, total, 8 << 20);
	must(w, write_full(fd, "bye\r\n", 5));
	close(fd);
}

static void server_first_verify(struct world *w)
{
	must_be_balanced(w);
	for (size_t i = 0; i < 2; i++) {
		const struct cs_egress_event *e = event(w, CS_EGRESS_CLOSED, i);

		must_equal(w, e->bytes_out, e->port == BANNER_PORT ? 9 : 5);
		must_equal(w, e->bytes_in, e->port == BANNER_PORT ? 20 : 8 << 20);
	}
}

#define AT_ONCE 100

static void hundred_client(struct world *w)
{
	int fds[AT_ONCE];
	char text[32];

	for (int i = 0; i < AT_ONCE; i++)
		fds[i] = must_reach(w, "named.test", ECHO_PORT);
	for (int i = AT_ONCE; i-- > 0;) {
		snprintf(text, sizeof text, "connection %d\n", i);
		must(w, write_full(fds[i], text, strlen(text)));
	}
	for (int i = 0; i < AT_ONCE; i++) {
		char wanted[32];
		size_t n = (size_t)snprintf(wanted, sizeof wanted, "connection %d\n", i);

		must_equal(w, read_all(fds[i], text, n), n);
		must(w, !memcmp(text, wanted, n));
	}
}

static void hundred_verify(struct world *w)
{
	uint64_t bytes = 0;

	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_CONNECT, "named.test"), AT_ONCE);
	for (size_t i = 0; i < AT_ONCE; i++)
		bytes += event(w, CS_EGRESS_CLOSED, i)->bytes_in;
	must_equal(w, bytes, 10 * 13 + 90 * 14);
}

/* Urgent data is passed on as data, and does not stop the rest. */
static void urgent_client(struct world *w)
{
	int fd = must_reach(w, "named.test", ECHO_PORT);

	must_echo(w, fd, "first\n");
	must_equal(w, send(fd, "!", 1, MSG_OOB), 1);
	must_echo(w, fd, "second\n");
	must_equal(w, send(fd, "!", 1, MSG_OOB), 1);
	must_echo(w, fd, "third\n");
}

static void literal_client(struct world *w)
{
	static const struct {
		const char *host;
		uint16_t port;
	} good[] = { { "127.0.0.1", ECHO_PORT }, { "::1", ECHO_PORT },
		     { "localhost", ECHO_PORT }, { "127.0.0.1", COUNT_PORT },
		     { "10.99.0.2", ECHO_PORT }, { "fd99::2", ECHO_PORT },
		     { "8.8.4.4", ECHO_PORT } };
	static const struct {
		const char *host;
		uint16_t port;
		int error;
	} bad[] = {
		{ "127.0.0.1", SINK_PORT, ECONNREFUSED },  { "::1", COUNT_PORT, ECONNREFUSED },
		{ "10.99.0.2", COUNT_PORT, ECONNREFUSED }, { "10.99.0.1", ECHO_PORT, ENETUNREACH },
		{ "9.9.9.1", ECHO_PORT, ENETUNREACH },	   { "2600:9::1", ECHO_PORT, ENETUNREACH }
	};

	for (size_t i = 0; i < CS_COUNT(good); i++) {
		int fd = must_reach(w, good[i].host, good[i].port);

		if (good[i].port == ECHO_PORT)
			must_echo(w, fd, "GET / HTTP/1.1\r\nHost: any\r\n\r\n");
		close(fd);
	}
	for (size_t i = 0; i < CS_COUNT(bad); i++) {
		int fd = reach(bad[i].host, bad[i].port);

		if (fd >= 0 || errno != bad[i].error)
			wrong(w, "%s:%u: %s", bad[i].host, bad[i].port,
			      fd < 0 ? strerror(errno) : "reached");
	}
}

static void literal_verify(struct world *w)
{
	static const char *const outside[] = { "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1",
					       "10.99.0.2", "fd99::2",	 "8.8.4.4" };

	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_CLOSED, NULL), CS_COUNT(outside));
	for (uint64_t id = 1; id <= CS_COUNT(outside); id++)
		for (size_t i = 0; i < CS_COUNT(outside); i++) {
			const struct cs_egress_event *e = event(w, CS_EGRESS_CLOSED, i);

			if (e->id == id && strcmp(e->addr, outside[id - 1]) != 0)
				wrong(w, "%s went to %s", e->host, e->addr);
		}
}

/* IPv6 outside; a dead address before a good one; a loopback address beside a good one. */
static void families_client(struct world *w)
{
	static const char *const names[] = { "six.test", "both.test", "mixed.test" };

	for (size_t i = 0; i < CS_COUNT(names); i++) {
		int fd = must_reach(w, names[i], ECHO_PORT);

		must_echo(w, fd, "hello\n");
		close(fd);
	}
}

static void families_verify(struct world *w)
{
	static const char *const outside[] = { "2600:9::1", "9.9.9.1", "9.9.9.1" };

	must_be_balanced(w);
	for (size_t i = 0; i < CS_COUNT(outside); i++) {
		const struct cs_egress_event *e = event(w, CS_EGRESS_CLOSED, i);

		if (strcmp(e->addr, outside[e->id - 1]) != 0 || !e->allowed)
			wrong(w, "%s went to %s", e->host, e->addr);
	}
}

/* ---- what does not ----------------------------------------------------------------------- */

static void closed_doors_client(struct world *w)
{
	static const struct {
		const char *host;
		uint16_t port;
		int error;
	} doors[] = {
		{ "named.test", SINK_PORT, ECONNREFUSED }, /* another port */
		{ "named.test", 80, ECONNREFUSED },
		{ "other.test", ECHO_PORT, ENOENT }, /* another name */
		{ "sub.named.test", ECHO_PORT, ENOENT },
		{ "test", ECHO_PORT, ENOENT },
		{ "9.9.9.1", ECHO_PORT, ENETUNREACH }, /* past the names */
		{ "10.99.0.1", ECHO_PORT, ENETUNREACH },
		{ "169.254.169.254", 80, ENETUNREACH },
		{ "2600:9::1", ECHO_PORT, ENETUNREACH },
		{ "198.18.1.2", ECHO_PORT, ECONNREFUSED }, /* an address that stands for nothing */
		{ "198.18.0.1", 80, ECONNREFUSED },	   /* the stub's own */
		{ "127.0.0.1", ECHO_PORT, ECONNREFUSED },  /* the host's loopback is not ours */
	};

	for (size_t i = 0; i < CS_COUNT(doors); i++) {
		int fd = reach(doors[i].host, doors[i].port);

		if (fd >= 0 || errno != doors[i].error)
			wrong(w, "%s:%u: %s", doors[i].host, doors[i].port,
			      fd < 0 ? strerror(errno) : "reached");
	}
	reach("other.test", ECHO_PORT); /* told once only */
}

static void closed_doors_verify(struct world *w)
{
	static const char *const refused[] = { "other.test", "sub.named.test", "test" };

	must_equal(w, count_events(w, CS_EGRESS_CONNECT, NULL), 0);
	must_equal(w, count_events(w, CS_EGRESS_DNS, NULL), 4);
	for (size_t i = 0; i < CS_COUNT(refused); i++) {
		must_equal(w, count_events(w, CS_EGRESS_DNS, refused[i]), 1);
		must(w, !event(w, CS_EGRESS_DNS, i + 1)->allowed);
		must_say(w, event(w, CS_EGRESS_DNS, i + 1), "no rule");
	}
}

static const struct {
	const char *host, *reason;
} bad_names[] = {
	{ "rebind.test", "leads to a loopback address" },
	{ "lan.test", "leads to a private (RFC 1918) address" },
	{ "metadata.test", "leads to a cloud metadata address" },
	{ "self.test", "leads to a this machine's own address" },
	{ "closed.test", "connect to 9.9.9.1 port 9: Connection refused" },
	{ "unknown.test", "the host cannot resolve the name" },
};

static void bad_names_client(struct world *w)
{
	for (size_t i = 0; i < CS_COUNT(bad_names); i++)
		must_be_cut(w,
			    must_reach(w, bad_names[i].host,
				       strcmp(bad_names[i].host, "closed.test") ? ECHO_PORT : 9));
}

static void bad_names_verify(struct world *w)
{
	must_be_balanced(w);
	for (size_t i = 0; i < CS_COUNT(bad_names); i++) {
		const struct cs_egress_event *e = event(w, CS_EGRESS_CLOSED, i);

		must(w, !strcmp(e->host, bad_names[i].host) && !e->allowed);
		must_say(w, e, bad_names[i].reason);
		must_equal(w, e->bytes_out + e->bytes_in, 0);
	}
}

static void denied_client(struct world *w)
{
	for (int i = 0; i < 3; i++)
		must_be_cut(w, must_reach(w, "named.test", ECHO_PORT));
	must_be_cut(w, must_reach(w, "localhost", ECHO_PORT));
}

static void denied_verify(struct world *w)
{
	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_CLOSED, NULL), 4);
	for (size_t i = 0; i < 4; i++) {
		must(w, !event(w, CS_EGRESS_CLOSED, i)->allowed);
		must_equal(w, event(w, CS_EGRESS_CLOSED, i)->addr[0], 0);
		must_say(w, event(w, CS_EGRESS_CLOSED, i), "denied");
	}
}

/* Nobody answers: one client gives up rudely, one waits until the run ends. */
static void unanswered_client(struct world *w)
{
	struct linger rude = { .l_onoff = 1 };
	int fd = must_reach(w, "named.test", ECHO_PORT);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &rude, sizeof rude);
	close(fd);
	fd = must_reach(w, "named.test", ECHO_PORT);
	must(w, write_full(fd, "waiting\n", 8));
}

static void unanswered_verify(struct world *w)
{
	must_be_balanced(w);
	must_equal(w, count_events(w, CS_EGRESS_CLOSED, NULL), 2);
	for (size_t i = 0; i < 2; i++) {
		const struct cs_egress_event *e = event(w, CS_EGRESS_CLOSED, i);

		must_equal(w, e->allowed + e->bytes_out, 0);
		/* The end of the run may be seen before the reset. */
		must(w, !strcmp(e->reason, "the run has ended") ||
				(e->id == 1 && strstr(e->reason, "reset by peer")));
	}
}

/* The host's name server as it may be; one name never gets an answer, which holds nobody up. */
static void name_server_client(struct world *w)
{
	int slow = must_reach(w, "slow.example", ECHO_PORT), fd;

	fd = must_reach(w, "good.example", ECHO_PORT);
	must_echo(w, fd, "hello\n");
	close(fd);
	fd = must_reach(w, "both.example", ECHO_PORT);
	must_echo(w, fd, "hello\n");
	close(fd);
	fd = must_reach(w, "single", ECHO_PORT);
	must_echo(w, fd, "hello\n");
	close(fd);
	must_be_cut(w, must_reach(w, "rebind.example", ECHO_PORT));
	must_be_cut(w, must_reach(w, "missing.example", ECHO_PORT));
	must(w, write_full(slow, "waiting\n", 8));
}

static void name_server_verify(struct world *w)
{
	static const struct {
		const char *host, *addr, *reason;
	} wanted[] = {
		{ "good.example", "9.9.9.1", NULL },
		{ "both.example", "9.9.9.1", NULL },
		{ "single", "9.9.9.1", NULL },
		{ "rebind.example", "127.0.0.1", "leads to a loopback address" },
		{ "missing.example", "", "the host cannot resolve the name" },
		{ "slow.example", "", "the run has ended" },
	};

	must_be_balanced(w);
	for (size_t i = 0; i < CS_COUNT(wanted); i++) {
		const struct cs_egress_event *e = event_of(w, CS_EGRESS_CLOSED, wanted[i].host);

		if (strcmp(e->addr, wanted[i].addr) != 0)
			wrong(w, "%s went to %s", e->host, e->addr);
		must_equal(w, e->allowed, !wanted[i].reason);
		if (wanted[i].reason)
			must_say(w, e, wanted[i].reason);
	}
}

/* ---- what is said on the way ------------------------------------------------------------- */

/* A hello with this server name, of at most 60 bytes; returns its length. */
static size_t hello(char *out, const char *sni)
{
	size_t n = strlen(sni), ext = n ? n + 9 : 0, body = 2 + 32 + 1 + 4 + 2 + 2 + ext;
	char *p = out;
	const char head[] = { 0x16, 3, 1, 0, (char)(body + 4), 1, 0, 0, (char)body, 3, 3 };

	memcpy(p, head, sizeof head);
	p += sizeof head;
	memset(p, 'r', 32);
	p += 32;
	memcpy(p, "\0\0\2\x13\1\1\0\0", 8);
	p += 8;
	*p++ = (char)ext;
	if (n) {
		const char names[] = { 0, 0, 0, (char)(n + 5), 0, (char)(n + 3), 0, 0, (char)n };

		memcpy(p, names, sizeof names);
		memcpy(p + sizeof names, sni, n);
		p += sizeof names + n;
	}
	return (size_t)(p - out);
}

/* 443 echoes, 80 answers with the head that it got. */
static void said_client(struct world *w)
{
	static const struct {
		uint16_t port;
		bool good, tls;
		const char *said;
	} said[] = {
		{ 443, true, true, "named.test" },
		{ 443, true, true, "NAMED.test" },
		{ 443, false, true, "other.test" },
		{ 443, false, true, "" },
		{ 443, false, true, "named.test.other.test" },
		{ 80, true, false, "GET / HTTP/1.1\r\nHost: named.test\r\n\r\n" },
		{ 80, false, false, "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n" },
		{ 80, false, false, "GET http://other.test/ HTTP/1.1\r\nHost: named.test\r\n\r\n" },
		{ 80, false, false, "GET / HTTP/1.1\r\n\r\n" },
		{ 80, false, true, "other.test" },
	};

	for (size_t i = 0; i < CS_COUNT(said); i++) {
		char data[256], back[512];
		int fd = must_reach(w, "named.test", said[i].port), one = 1;
		size_t n = said[i].tls ? hello(data, said[i].said) : strlen(said[i].said);

		if (!said[i].tls)
			memcpy(data, said[i].said, n);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		/* In three pieces; what comes after is not looked at. */
		must(w, write_full(fd, data, 2) && write_full(fd, data + 2, n - 12) &&
				write_full(fd, data + n - 10, 10));
		if (!said[i].good) {
			must_be_cut(w, fd);
			continue;
		}
		must_equal(w,
			   said[i].tls ? read_all(fd, back, n) == n : read_all(fd, back, 17) == 17,
			   1);
		must(w, !memcmp(back, said[i].tls ? data : "HTTP/1.1 200 OK\r\n",
				said[i].tls ? n : 17));
		close(fd);
	}
}

static void said_verify(struct world *w)
{
	size_t bad = 0;

	must_be_balanced(w);
	for (size_t i = 0; i < 10; i++) {
		const struct cs_egress_event *e = event(w, CS_EGRESS_CLOSED, i);

		must(w, !strcmp(e->proto, "tls") || !strcmp(e->proto, "http"));
		must(w, e->allowed ? e->bytes_out > 0 : *e->reason && e->bytes_out == 0);
		bad += !e->allowed;
	}
	must_equal(w, bad, 7);
}

static const struct scene scenes[] = {
	{ .name = "a named host",
	  .rules = { { .host = "named.test", .port = ECHO_PORT, .origin = "rule 1" } },
	  .client = hello_client,
	  .verify = hello_verify },
	{ .name = "many bytes and a half-close",
	  .rules = { { .host = "named.test", .port = COUNT_PORT } },
	  .client = count_client,
	  .verify = count_verify },
	{ .name = "both directions at once",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = duplex_client,
	  .verify = duplex_verify },
	{ .name = "servers that speak first",
	  .rules = { { .host = "named.test", .port = BANNER_PORT },
		     { .host = "named.test", .port = CHATTY_PORT } },
	  .client = server_first_client,
	  .verify = server_first_verify },
	{ .name = "a hundred at once",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = hundred_client,
	  .verify = hundred_verify },
	{ .name = "urgent data",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = urgent_client,
	  .verify = must_be_balanced },
	{ .name = "literal rules",
	  .rules = { { .host = "localhost", .port = ECHO_PORT },
		     { .host = "127.0.0.1", .port = COUNT_PORT, .literal = true },
		     { .host = "10.99.0.2", .port = ECHO_PORT, .literal = true },
		     { .host = "fd99::2", .port = ECHO_PORT, .literal = true },
		     { .host = "8.8.4.4", .port = ECHO_PORT, .literal = true } },
	  .client = literal_client,
	  .verify = literal_verify },
	{ .name = "several addresses",
	  .rules = { { .host = "six.test", .port = ECHO_PORT },
		     { .host = "both.test", .port = ECHO_PORT },
		     { .host = "mixed.test", .port = ECHO_PORT } },
	  .client = families_client,
	  .verify = families_verify },
	{ .name = "closed doors",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = closed_doors_client,
	  .verify = closed_doors_verify },
	{ .name = "names that lead nowhere good",
	  .rules = { { .host = "*.test", .port = ECHO_PORT },
		     { .host = "closed.test", .port = 9 } },
	  .client = bad_names_client,
	  .verify = bad_names_verify },
	{ .name = "the host's name server",
	  .rules = { { .host = "*.example", .port = ECHO_PORT },
		     { .host = "single", .port = ECHO_PORT } },
	  .client = name_server_client,
	  .verify = name_server_verify,
	  .name_server = true },
	{ .name = "a no",
	  .rules = { { .host = "named.test", .port = ECHO_PORT },
		     { .host = "localhost", .port = ECHO_PORT } },
	  .client = denied_client,
	  .verify = denied_verify,
	  .deny = true },
	{ .name = "no answer",
	  .rules = { { .host = "named.test", .port = ECHO_PORT } },
	  .client = unanswered_client,
	  .verify = unanswered_verify,
	  .silent = true },
	{ .name = "server names and hosts",
	  .rules = { { .host = "named.test" } },
	  .client = said_client,
	  .verify = said_verify },
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
	Suite *s = suite_create("egress relay");
	TCase *tc = tcase_create("relay");

	tcase_set_timeout(tc, 120);
	if (geteuid() == 0)
		tcase_add_loop_test(tc, a_scene_as_root, 0, CS_COUNT(scenes));
	else
		printf("# SKIP scenes as root: not root\n");
	tcase_add_loop_test(tc, a_scene_as_a_user, 0, CS_COUNT(scenes));
	suite_add_tcase(s, tc);
	return unit_run(s);
}
