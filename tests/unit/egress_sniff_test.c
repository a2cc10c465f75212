/* SPDX-License-Identifier: Apache-2.0 */
/* What a client says first: the names in TLS hellos and HTTP heads. */
#include "../../lib/egress/sniff.h"

#include "countersign/base.h"
#include "unit.h"

#define HOST "api.example.org"

static enum cs_sniff_result look(struct cs_sniff *s, uint16_t port, const void *data, size_t len,
				 bool eof)
{
	uint8_t *exact = cs_malloc(len); /* for the sanitizer */
	enum cs_sniff_result result;

	if (len)
		memcpy(exact, data, len);
	*s = (struct cs_sniff)CS_SNIFF_INIT(HOST, port);
	result = cs_sniff(s, exact, len, eof);
	free(exact);
	return result;
}

/*
 * Gives the bytes in two parts, for each place to cut, and one by one: the result must be the same
 * as at once, and never be known better with less.
 */
static void look_in_parts(const char *name, uint16_t port, const void *data, size_t len,
			  enum cs_sniff_result wanted)
{
	struct cs_sniff grown = CS_SNIFF_INIT(HOST, port);

	for (size_t n = 0; n < len; n++) {
		struct cs_sniff fresh;
		enum cs_sniff_result once = look(&fresh, port, data, n, false);
		enum cs_sniff_result again = cs_sniff(&grown, data, n, false);

		ck_assert_msg(once == again, "%s: %zu bytes: %d and %d", name, n, once, again);
		if (once != CS_SNIFF_MORE) {
			ck_assert_msg(once == wanted, "%s: %d after %zu bytes", name, once, n);
			return;
		}
	}
	ck_assert_msg(cs_sniff(&grown, data, len, false) == wanted, "%s: %s", name, grown.reason);
}

/* ---- HTTP and others --------------------------------------------------------------------- */

enum { REFUSE = CS_SNIFF_REFUSE, MORE = CS_SNIFF_MORE, PASS = CS_SNIFF_PASS };

static const struct {
	const char *name;
	const char *data;
	size_t len;
	uint16_t port;
	int result;
	const char *proto;
	const char *reason; /* a part of it */
} texts[] = {
#define T(name, data, ...)                                \
	{                                                 \
		name, data, sizeof(data) - 1, __VA_ARGS__ \
	}
	T("get", "GET / HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80, PASS, "http", NULL),
	T("old", "GET / HTTP/1.0\r\nHost: api.example.org\r\n\r\n", 80, PASS, "http", NULL),
	T("case", "GET / HTTP/1.1\r\nhOST:API.Example.ORG\r\n\r\n", 80, PASS, "http", NULL),
	T("dot", "GET / HTTP/1.1\r\nHost: api.example.org.\r\n\r\n", 80, PASS, "http", NULL),
	T("port", "GET / HTTP/1.1\r\nHost: api.example.org:8080\r\n\r\n", 8080, PASS, "http", NULL),
	T("no port", "GET / HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 8080, PASS, "http", NULL),
	T("spaces", "GET / HTTP/1.1\r\nHost: \t api.example.org \t\r\n\r\n", 80, PASS, "http",
	  NULL),
	T("with a body", "PUT /x HTTP/1.1\r\nHost: api.example.org\r\nContent-Length: 3\r\n\r\nabc",
	  80, PASS, "http", NULL),
	T("star", "OPTIONS * HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80, PASS, "http", NULL),
	T("any method", "M-SEARCH / HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80, PASS, "http",
	  NULL),
	T("absolute", "GET http://api.example.org/x HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80,
	  PASS, "http", NULL),
	T("absolute, bare", "GET http://api.example.org HTTP/1.1\r\nHost: api.example.org\r\n\r\n",
	  80, PASS, "http", NULL),
	T("absolute, port",
	  "GET http://api.example.org:80?q HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80, PASS,
	  "http", NULL),

	T("other host", "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 80, REFUSE, "http",
	  "HTTP Host 'evil.test'"),
	T("longer host", "GET / HTTP/1.1\r\nHost: api.example.org.evil.test\r\n\r\n", 80, REFUSE,
	  "http", "HTTP Host"),
	T("shorter host", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", 80, REFUSE, "http",
	  "HTTP Host"),
	T("two dots", "GET / HTTP/1.1\r\nHost: api.example.org..\r\n\r\n", 80, REFUSE, "http",
	  "HTTP Host"),
	T("other port", "GET / HTTP/1.1\r\nHost: api.example.org:81\r\n\r\n", 80, REFUSE, "http",
	  "HTTP Host"),
	T("port overflow", "GET / HTTP/1.1\r\nHost: api.example.org:65616\r\n\r\n", 80, REFUSE,
	  "http", "HTTP Host"),
	T("empty port", "GET / HTTP/1.1\r\nHost: api.example.org:\r\n\r\n", 80, REFUSE, "http",
	  "HTTP Host"),
	T("user", "GET / HTTP/1.1\r\nHost: evil@api.example.org\r\n\r\n", 80, REFUSE, "http",
	  "HTTP Host"),
	T("list", "GET / HTTP/1.1\r\nHost: api.example.org, evil.test\r\n\r\n", 80, REFUSE, "http",
	  "HTTP Host"),
	T("inner space", "GET / HTTP/1.1\r\nHost: api.example.org evil.test\r\n\r\n", 80, REFUSE,
	  "http", "HTTP Host"),
	T("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 80, REFUSE, "http", "HTTP Host"),
	T("no host", "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", 80, REFUSE, "http", "no Host"),
	T("nothing at all", "GET / HTTP/1.0\r\n\r\n", 80, REFUSE, "http", "no Host"),
	T("two hosts", "GET / HTTP/1.1\r\nHost: api.example.org\r\nHost: api.example.org\r\n\r\n",
	  80, REFUSE, "http", "more than one Host"),
	T("two different", "GET / HTTP/1.1\r\nHost: api.example.org\r\nHost: evil.test\r\n\r\n", 80,
	  REFUSE, "http", "more than one Host"),
	T("folded", "GET / HTTP/1.1\r\nX: y\r\n Host: evil.test\r\nHost: api.example.org\r\n\r\n",
	  80, REFUSE, "http", "header line"),
	T("folded host", "GET / HTTP/1.1\r\nHost:\r\n api.example.org\r\n\r\n", 80, REFUSE, "http",
	  "header line"),
	T("space before colon", "GET / HTTP/1.1\r\nHost : evil.test\r\n\r\n", 80, REFUSE, "http",
	  "header line"),
	T("no colon", "GET / HTTP/1.1\r\nHost\r\nHost: api.example.org\r\n\r\n", 80, REFUSE, "http",
	  "header line"),
	T("bare lf", "GET / HTTP/1.1\nHost: api.example.org\n\n", 80, REFUSE, "http",
	  "request line"),
	T("bare lf in a header",
	  "GET / HTTP/1.1\r\nX: y\nHost: evil.test\r\n"
	  "Host: api.example.org\r\n\r\n",
	  80, REFUSE, "http", "odd line end"),
	T("bare cr", "GET / HTTP/1.1\r\nX: y\rHost: evil.test\r\nHost: api.example.org\r\n\r\n", 80,
	  REFUSE, "http", "odd line end"),
	T("nul", "GET / HTTP/1.1\r\nHost: api.example.org\0evil.test\r\n\r\n", 80, REFUSE, "http",
	  "odd line end"),
	T("end by lf", "GET / HTTP/1.1\r\nHost: api.example.org\r\n\n", 80, REFUSE, "http",
	  "odd line end"),
	T("absolute, other", "GET http://evil.test/ HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80,
	  REFUSE, "http", "HTTP request for"),
	T("absolute, user",
	  "GET http://api.example.org@evil.test/ HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80,
	  REFUSE, "http", "HTTP request for"),
	T("absolute, https", "GET https://evil.test/ HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80,
	  REFUSE, "http", "HTTP request for"),
	T("absolute, backslash",
	  "GET http://evil.test\\@api.example.org/ HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80,
	  REFUSE, "http", "HTTP request for"),
	T("absolute, fragment",
	  "GET http://evil.test#@api.example.org HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80,
	  REFUSE, "http", "HTTP request for"),
	T("connect", "CONNECT evil.test:443 HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80, REFUSE,
	  "http", "HTTP request for"),
	T("double slash is a path", "GET //evil.test/ HTTP/1.1\r\nHost: api.example.org\r\n\r\n",
	  80, PASS, "http", NULL),
	T("two spaces", "GET  / HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("tab", "GET\t/\tHTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("vertical tab", "GET\v/\vHTTP/1.1\r\nHost: evil.test\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("target with a space", "GET /a b HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 80, REFUSE,
	  "http", "request line"),
	T("version 1.2", "GET / HTTP/1.2\r\nHost: api.example.org\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("version 0.9", "GET / HTTP/0.9\r\nHost: api.example.org\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("lower version", "GET / http/1.1\r\nHost: evil.test\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("words behind", "GET / HTTP/1.1 x\r\nHost: evil.test\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("no target", "GET HTTP/1.1\r\nHost: evil.test\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("blank line first", "\r\nGET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 80, REFUSE, "http",
	  "white space before"),
	T("blank lines first", "\n\n \r\n\tGET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 80, REFUSE,
	  "http", "white space before"),
	T("http 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 80, REFUSE, "http", "HTTP/2 without TLS"),
	T("http 0.9", "GET /\r\n\r\n", 80, REFUSE, "http", "request line"),
	T("http 0.9, absolute", "get http://evil.test/\r\n\r\n", 80, REFUSE, "http",
	  "request line"),
	T("escape in the reason",
	  "GET / HTTP/1.1\r\nHost: \xc2\x9b"
	  "1m\xff\r\n\r\n",
	  80, REFUSE, "http", "HTTP Host '??1m?'"),

	T("on the port of TLS", "GET / HTTP/1.1\r\nHost: api.example.org\r\n\r\n", 443, PASS,
	  "http", NULL),
	T("on any port", "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 5432, REFUSE, "http",
	  "HTTP Host"),

	T("ssh", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 22, PASS, "other", NULL),
	T("ssh on 443", "SSH-2.0-OpenSSH_9.2p1\r\n", 443, PASS, "other", NULL),
	T("smtp", "EHLO client.test\r\n", 25, PASS, "other", NULL),
	T("ftp", "CWD /pub\r\n", 21, PASS, "other", NULL),
	T("rtsp", "OPTIONS rtsp://cam.test/ RTSP/1.0\r\n", 554, PASS, "other", NULL),
	T("rtsp get", "GET rtsp://cam.test/ RTSP/1.0\r\n", 554, PASS, "other", NULL),
	T("redis", "*1\r\n$4\r\nPING\r\n", 6379, PASS, "other", NULL),
	T("memcached", "get key\r\n", 11211, PASS, "other", NULL),
	T("memcached, several", "get a/b c/d\r\n", 11211, PASS, "other", NULL),
	T("nats", "CONNECT {\"verbose\":false}\r\n", 4222, PASS, "other", NULL),
	T("postgres", "\0\0\0\x08\x04\xd2\x16\x2f", 5432, PASS, "other", NULL),
	T("amqp", "AMQP\0\0\x09\x01", 5672, PASS, "other", NULL),
	T("mqtt", "\x10\x0c\0\4MQTT", 1883, PASS, "other", NULL),
	T("telnet", "\xff\xfd\x18", 23, PASS, "other", NULL),
	T("xmpp", "<?xml version='1.0'?>", 5222, PASS, "other", NULL),
	T("git", "003agit-upload-pack /x\0host=evil.test\0", 9418, PASS, "other", NULL),
	T("almost git", "003agot-upload-pack / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 9418, REFUSE,
	  "http", "HTTP Host"),
	T("gopher", "/path\r\n", 70, PASS, "other", NULL),
	T("word", "PING\r\n", 7, PASS, "other", NULL),
	T("0x16, but not TLS", "\x16\x05\0\0", 7, PASS, "other", NULL),
	T("ssl 2 hello", "\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10", 443, REFUSE, "", "SSL 2"),

	T("nothing yet", "", 80, MORE, "", NULL),
	T("could be a method", "HELLO", 80, MORE, "", NULL),
	T("half a line", "GET / HTTP/1.1\r", 80, MORE, "", NULL),
	T("half a head", "GET / HTTP/1.1\r\nHost: evil.test\r\n", 80, MORE, "", NULL),
	T("white space", "\r\n\r\n", 80, MORE, "", NULL),
};

START_TEST(the_first_message_names_the_host)
{
	struct cs_sniff s;
	enum cs_sniff_result r = look(&s, texts[_i].port, texts[_i].data, texts[_i].len, false);

	ck_assert_msg((int)r == texts[_i].result, "%s: %d %s", texts[_i].name, r, s.reason);
	if (r != CS_SNIFF_MORE)
		ck_assert_msg(strcmp(s.proto, texts[_i].proto) == 0, "%s: proto %s", texts[_i].name,
			      s.proto);
	if (texts[_i].reason)
		ck_assert_msg(strstr(s.reason, texts[_i].reason) != NULL, "%s: %s", texts[_i].name,
			      s.reason);
	look_in_parts(texts[_i].name, texts[_i].port, texts[_i].data, texts[_i].len, r);
}
END_TEST

static const struct {
	const char *name, *data;
	int result;
} ends[] = {
	{ "nothing", "", PASS },
	{ "a word", "QUIT", PASS },
	{ "half a head", "GET / HTTP/1.1\r\nHost: api.example.org\r\n", REFUSE },
	{ "half a request line", "GET / HTTP/1.1", PASS }, /* no line: no server reads it */
	{ "white space", "\r\n", PASS },
	{ "half a hello", "\x16\x03\x01\x02", REFUSE },
	{ "one byte of a hello", "\x16", REFUSE },
	{ "whole head", "GET / HTTP/1.1\r\nHost: api.example.org\r\n\r\n", PASS },
};

START_TEST(the_end_decides)
{
	struct cs_sniff s;
	enum cs_sniff_result r = look(&s, 80, ends[_i].data, strlen(ends[_i].data), true);

	ck_assert_msg((int)r == ends[_i].result, "%s: %d %s", ends[_i].name, r, s.reason);
}
END_TEST

START_TEST(a_long_head_is_refused)
{
	static char data[CS_SNIFF_MAX + 100];
	struct cs_sniff s;
	int n;

	memset(data, 'a', sizeof data);
	n = snprintf(data, sizeof data, "GET / HTTP/1.1\r\nHost: " HOST "\r\nX: ");
	data[n] = 'a';
	ck_assert_int_eq(look(&s, 80, data, CS_SNIFF_MAX - 1, false), CS_SNIFF_MORE);
	ck_assert_int_eq(look(&s, 80, data, CS_SNIFF_MAX, false), CS_SNIFF_REFUSE);
	ck_assert_int_eq(look(&s, 80, data, sizeof data, false), CS_SNIFF_REFUSE);
	memcpy(data + CS_SNIFF_MAX - 4, "\r\n\r\n", 4);
	ck_assert_int_eq(look(&s, 80, data, CS_SNIFF_MAX, false), CS_SNIFF_PASS);
	memset(data, 'a', sizeof data); /* a method without an end */
	ck_assert_int_eq(look(&s, 80, data, sizeof data, false), CS_SNIFF_REFUSE);
	memset(data, '\n', sizeof data);
	ck_assert_int_eq(look(&s, 80, data, sizeof data, false), CS_SNIFF_REFUSE);
}
END_TEST

/* ---- TLS --------------------------------------------------------------------------------- */

struct hello {
	const char *name;
	const char *sni;    /* NULL: no extension */
	const char *second; /* a second server_name extension */
	size_t sni_len;	    /* 0: strlen */
	size_t record;	    /* bytes a record; 0: one */
	int type;	    /* of the name in the list */
	bool two_names;	    /* in one list */
	bool no_extensions; /* not even their length */
	bool list_too_short;
	bool junk;     /* behind the extensions */
	int handshake; /* 0: client hello */
	size_t padding;
	int result;
	const char *reason;
};

static void add_number(struct cs_buf *b, size_t bytes, size_t n)
{
	while (bytes--)
		cs_buf_addc(b, (char)(n >> 8 * bytes));
}

static void add_name_extension(struct cs_buf *b, const struct hello *h, const char *name,
			       size_t len)
{
	size_t entries = (h->two_names ? 2 : 1) * (3 + len);

	add_number(b, 2, 0);
	add_number(b, 2, 2 + entries);
	add_number(b, 2, entries - (h->list_too_short ? 1 : 0));
	for (int i = 0; i < (h->two_names ? 2 : 1); i++) {
		add_number(b, 1, (size_t)h->type);
		add_number(b, 2, len);
		cs_buf_add(b, name, len);
	}
}

static void build_hello(struct cs_buf *out, const struct hello *h)
{
	struct cs_buf ext = CS_BUF_INIT, body = CS_BUF_INIT, message = CS_BUF_INIT;

	add_number(&ext, 2, 0x2b); /* supported_versions */
	add_number(&ext, 2, 3);
	add_number(&ext, 3, 0x020304);
	if (h->sni)
		add_name_extension(&ext, h, h->sni, h->sni_len ? h->sni_len : strlen(h->sni));
	if (h->second)
		add_name_extension(&ext, h, h->second, strlen(h->second));
	add_number(&ext, 2, 21); /* padding */
	add_number(&ext, 2, h->padding);
	for (size_t i = 0; i < h->padding; i++)
		cs_buf_addc(&ext, '\0');
	add_number(&body, 2, 0x0303);
	for (int i = 0; i < 32; i++)
		cs_buf_addc(&body, 'r');
	add_number(&body, 1, 32);
	for (int i = 0; i < 32; i++)
		cs_buf_addc(&body, 's');
	add_number(&body, 2, 4);
	add_number(&body, 4, 0x13011302);
	add_number(&body, 2, 0x0100); /* no compression */
	if (!h->no_extensions) {
		add_number(&body, 2, ext.len);
		cs_buf_add(&body, ext.data, ext.len);
	}
	if (h->junk)
		cs_buf_addc(&body, 'j');
	add_number(&message, 1, h->handshake ? (size_t)h->handshake : 1);
	add_number(&message, 3, body.len);
	cs_buf_add(&message, body.data, body.len);
	for (size_t at = 0; at < message.len;) {
		size_t n = message.len - at, most = h->record ? h->record : 16384;

		n = n < most ? n : most;
		add_number(out, 3, 0x160301);
		add_number(out, 2, n);
		cs_buf_add(out, message.data + at, n);
		at += n;
	}
	cs_buf_release(&ext);
	cs_buf_release(&body);
	cs_buf_release(&message);
}

static const struct hello hellos[] = {
	{ .name = "good", .sni = HOST, .result = PASS },
	{ .name = "case", .sni = "API.example.ORG", .result = PASS },
	{ .name = "dot", .sni = HOST ".", .result = PASS },
	{ .name = "in small records", .sni = HOST, .record = 7, .result = PASS },
	{ .name = "in one-byte records", .sni = HOST, .record = 1, .result = PASS },
	{ .name = "long", .sni = HOST, .padding = 15000, .result = PASS },
	{ .name = "long, in two records", .sni = HOST, .padding = 20000, .result = PASS },
	{ .name = "other name",
	  .sni = "evil.test",
	  .result = REFUSE,
	  .reason = "TLS server name 'evil.test'" },
	{ .name = "longer name",
	  .sni = HOST ".evil.test",
	  .result = REFUSE,
	  .reason = "server name '" },
	{ .name = "shorter name",
	  .sni = "example.org",
	  .result = REFUSE,
	  .reason = "server name '" },
	{ .name = "two dots", .sni = HOST "..", .result = REFUSE, .reason = "server name '" },
	{ .name = "nul",
	  .sni = HOST "\0.evil.test",
	  .sni_len = sizeof(HOST) + 10,
	  .result = REFUSE,
	  .reason = "server name '" },
	{ .name = "nul at the end",
	  .sni = HOST,
	  .sni_len = sizeof(HOST),
	  .result = REFUSE,
	  .reason = "server name '" },
	{ .name = "no name", .result = REFUSE, .reason = "without a server name" },
	{ .name = "no extensions",
	  .no_extensions = true,
	  .result = REFUSE,
	  .reason = "without a server name" },
	{ .name = "empty name", .sni = "", .result = REFUSE, .reason = "malformed" },
	{ .name = "two extensions",
	  .sni = HOST,
	  .second = "evil.test",
	  .result = REFUSE,
	  .reason = "malformed" },
	{ .name = "two extensions, turned",
	  .sni = "evil.test",
	  .second = HOST,
	  .result = REFUSE,
	  .reason = "malformed" },
	{ .name = "two names",
	  .sni = HOST,
	  .two_names = true,
	  .result = REFUSE,
	  .reason = "malformed" },
	{ .name = "name of another type",
	  .sni = HOST,
	  .type = 1,
	  .result = REFUSE,
	  .reason = "malformed" },
	{ .name = "short list",
	  .sni = HOST,
	  .list_too_short = true,
	  .result = REFUSE,
	  .reason = "malformed" },
	{ .name = "bytes behind",
	  .sni = HOST,
	  .junk = true,
	  .result = REFUSE,
	  .reason = "malformed" },
	{ .name = "server hello",
	  .sni = HOST,
	  .handshake = 2,
	  .result = REFUSE,
	  .reason = "does not begin" },
	{ .name = "too long",
	  .sni = HOST,
	  .padding = 40000,
	  .result = REFUSE,
	  .reason = "longer than" },
};

START_TEST(a_hello_names_the_host)
{
	const struct hello *h = &hellos[_i];
	struct cs_buf b = CS_BUF_INIT;
	struct cs_sniff s;
	enum cs_sniff_result r;

	build_hello(&b, h);
	r = look(&s, 443, b.data, b.len, false);
	ck_assert_msg((int)r == h->result, "%s: %d %s", h->name, r, s.reason);
	ck_assert_msg(strcmp(s.proto, "tls") == 0, "%s: proto %s", h->name, s.proto);
	if (h->reason)
		ck_assert_msg(strstr(s.reason, h->reason) != NULL, "%s: %s", h->name, s.reason);
	if (b.len < 2000)
		look_in_parts(h->name, 443, b.data, b.len, r);
	/* What follows the hello makes no difference. */
	cs_buf_adds(&b, "\x17\x03\x03\x00\x05hello");
	if (b.len < CS_SNIFF_MAX)
		ck_assert_msg(look(&s, 443, b.data, b.len, false) == r, "%s: with more", h->name);
	cs_buf_release(&b);
}
END_TEST

/* No single changed byte makes a hello for another host pass. */
START_TEST(no_changed_byte_opens_the_way)
{
	struct hello other = { .sni = "api.example.orh" };
	struct cs_buf b = CS_BUF_INIT;
	int opened = 0;

	build_hello(&b, &other);
	for (size_t i = 0; i < b.len; i++) {
		for (int v = 0; v < 256; v++) {
			struct cs_sniff s;
			char old = b.data[i];

			b.data[i] = (char)v;
			if (look(&s, 443, b.data, b.len, false) == CS_SNIFF_PASS)
				/* the name itself, or no TLS at all for any server */
				opened += strcmp(s.proto, "other") != 0;
			b.data[i] = old;
		}
	}
	ck_assert_int_eq(opened, 2); /* the last letter becoming 'g' or 'G' */
	cs_buf_release(&b);
}
END_TEST

START_TEST(odd_records_are_refused)
{
	static const struct {
		const char *name, *data;
		size_t len;
		int result;
	} records[] = {
		{ "empty record", "\x16\x03\x01\0\0", 5, REFUSE },
		{ "too long a record", "\x16\x03\x01\x40\x01", 5, REFUSE },
		{ "other record first", "\x17\x03\x01\0\5", 5, PASS }, /* no server takes it */
		{ "other record within", "\x16\x03\x01\0\1\x01\x17\x03\x01\0\1\0", 12, REFUSE },
		{ "huge hello", "\x16\x03\x01\0\4\x01\xff\xff\xff", 9, MORE },
		{ "short hello", "\x16\x03\x01\0\4\x01\0\0\0", 9, REFUSE },
	};

	for (size_t i = 0; i < CS_COUNT(records); i++) {
		struct cs_sniff s;

		ck_assert_msg((int)look(&s, 443, records[i].data, records[i].len, false) ==
				      records[i].result,
			      "%s: %s", records[i].name, s.reason);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress sniff");
	TCase *http = tcase_create("http"), *tls = tcase_create("tls");

	tcase_add_loop_test(http, the_first_message_names_the_host, 0, CS_COUNT(texts));
	tcase_add_loop_test(http, the_end_decides, 0, CS_COUNT(ends));
	tcase_add_test(http, a_long_head_is_refused);
	suite_add_tcase(s, http);
	tcase_add_loop_test(tls, a_hello_names_the_host, 0, CS_COUNT(hellos));
	tcase_add_test(tls, no_changed_byte_opens_the_way);
	tcase_add_test(tls, odd_records_are_refused);
	suite_add_tcase(s, tls);
	return unit_run(s);
}
