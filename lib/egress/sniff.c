/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three kinds of beginnings:
 *
 * TLS: must carry exactly one server name, equal to the connection's. No name is a refusal: the
 * server would pick its default host, which nobody allowed.
 *
 * HTTP/1: must be a head that every server reads in the same way, with one Host, equal to the
 * connection's; a target that is a URL must name the same host. What lenient servers take for a
 * request (leading blank lines, odd spaces, bare line feeds, HTTP/0.9) counts as HTTP here and is
 * refused as malformed, so that no spelling passes as "other" which some server reads as a request
 * for another host. HTTP/2 without TLS is refused: its host name is compressed.
 *
 * Anything else passes: the host and the port are what the rule allows.
 *
 * A beginning that could still become a request line (letters without a line end) is undecided; the
 * caller ends the wait. Client protocols that begin with such a word and no line end, and then wait
 * for the server, are not known to exist.
 */
#include "sniff.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "countersign/base.h"

static enum cs_sniff_result refuse(struct cs_sniff *s, const char *fmt, ...) CS_PRINTF(2, 3);

static enum cs_sniff_result refuse(struct cs_sniff *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
	for (char *c = s->reason; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return CS_SNIFF_REFUSE;
}

static enum cs_sniff_result pass(struct cs_sniff *s, const char *proto)
{
	s->proto = proto;
	return CS_SNIFF_PASS;
}

/* A part of the input. */
struct span {
	const uint8_t *p;
	size_t len;
};

static bool names_host(const struct cs_sniff *s, struct span name)
{
	if (name.len && name.p[name.len - 1] == '.')
		name.len--;
	return name.len == strlen(s->host) &&
	       strncasecmp((const char *)name.p, s->host, name.len) == 0;
}

/* ---- TLS (RFC 8446 section 4.1.2, RFC 6066 section 3) ------------------------------------ */

#define RECORD_HEADER	 5
#define RECORD_HANDSHAKE 22
#define RECORD_MAX	 16384
#define CLIENT_HELLO	 1
#define EXT_SERVER_NAME	 0
#define NAME_TYPE_HOST	 0

/* Takes n bytes off the front. */
static bool take(struct span *out, struct span *in, size_t n)
{
	if (in->len < n)
		return false;
	*out = (struct span){ in->p, n };
	in->p += n;
	in->len -= n;
	return true;
}

/* Takes a big-endian number of `bytes` (1 to 3) bytes. */
static bool take_number(size_t *out, struct span *in, size_t bytes)
{
	struct span s;

	if (!take(&s, in, bytes))
		return false;
	*out = 0;
	for (size_t i = 0; i < bytes; i++)
		*out = *out << 8 | s.p[i];
	return true;
}

/* Takes a vector with a length of `bytes` bytes before it. */
static bool take_vector(struct span *out, struct span *in, size_t bytes)
{
	size_t n;

	return take_number(&n, in, bytes) && take(out, in, n);
}

static bool looks_like_tls(const uint8_t *p, size_t len)
{
	return p[0] == RECORD_HANDSHAKE && (len < 2 || p[1] == 3);
}

/* The hello of SSL 2, which some servers still take for TLS: it cannot carry a name. */
static bool could_be_ssl2(const uint8_t *p, size_t len)
{
	return (p[0] & 0x80) && (len < 3 || p[2] == CLIENT_HELLO) && (len < 4 || p[3] == 3);
}

/*
 * Joins the handshake bytes of the records (room: CS_SNIFF_MAX) until a whole hello is there. *out
 * is its body. The hello's own length decides; what follows it is not looked at.
 */
static enum cs_sniff_result join_records(struct span *out, uint8_t *room, struct cs_sniff *s,
					 struct span in)
{
	size_t n = 0, type, version, size, hello;
	struct span body;

	for (;;) {
		struct span head = { room, n };

		if (take_number(&type, &head, 1) && type != CLIENT_HELLO)
			return refuse(s, "TLS does not begin with a client hello");
		if (take_number(&hello, &head, 3) && take(out, &head, hello))
			return CS_SNIFF_PASS;
		if (in.len < RECORD_HEADER)
			return CS_SNIFF_MORE;
		take_number(&type, &in, 1);
		take_number(&version, &in, 2);
		take_number(&size, &in, 2);
		if (type != RECORD_HANDSHAKE || version >> 8 != 3 || size == 0 || size > RECORD_MAX)
			return refuse(s, "malformed TLS record before the end of the hello");
		if (!take(&body, &in, size))
			return CS_SNIFF_MORE;
		memcpy(room + n, body.p, size); /* less than the input, which fits */
		n += size;
	}
}

/* The one name in the body of a server_name extension. */
static bool server_name(struct span *name, struct span ext)
{
	struct span list;
	size_t type;

	return take_vector(&list, &ext, 2) && ext.len == 0 && take_number(&type, &list, 1) &&
	       type == NAME_TYPE_HOST && take_vector(name, &list, 2) && list.len == 0 && name->len;
}

/* *found counts server_name extensions. False: malformed. */
static bool scan_hello(struct span *name, int *found, struct span hello)
{
	struct span skipped, extensions, ext;
	size_t type;

	if (!take(&skipped, &hello, 2 + 32) ||	 /* version, random */
	    !take_vector(&skipped, &hello, 1) || /* session */
	    !take_vector(&skipped, &hello, 2) || /* cipher suites */
	    !take_vector(&skipped, &hello, 1))	 /* compression */
		return false;
	if (hello.len == 0)
		return true;
	if (!take_vector(&extensions, &hello, 2) || hello.len)
		return false;
	while (extensions.len) {
		if (!take_number(&type, &extensions, 2) || !take_vector(&ext, &extensions, 2))
			return false;
		if (type != EXT_SERVER_NAME)
			continue;
		(*found)++;
		if (!server_name(name, ext))
			return false;
	}
	return true;
}

static enum cs_sniff_result sniff_tls(struct cs_sniff *s, struct span in)
{
	uint8_t room[CS_SNIFF_MAX];
	struct span hello, name = { 0 };
	int found = 0;
	enum cs_sniff_result joined;

	s->proto = "tls";
	joined = join_records(&hello, room, s, in);
	if (joined != CS_SNIFF_PASS)
		return joined;
	if (!scan_hello(&name, &found, hello) || found > 1)
		return refuse(s, "malformed TLS client hello");
	if (!found)
		return refuse(s, "TLS without a server name (SNI), for %s", s->host);
	if (!names_host(s, name))
		return refuse(s, "TLS server name '%.*s', but the connection is for %s",
			      (int)(name.len < 60 ? name.len : 60), (const char *)name.p, s->host);
	return CS_SNIFF_PASS;
}

/* ---- HTTP/1 (RFC 9110, RFC 9112) --------------------------------------------------------- */

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_token_char(uint8_t c)
{
	return c > ' ' && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_token(struct span t)
{
	for (size_t i = 0; i < t.len; i++)
		if (!is_token_char(t.p[i]))
			return false;
	return t.len > 0;
}

static bool starts_with(struct span t, const char *prefix)
{
	size_t n = strlen(prefix);

	return t.len >= n && strncasecmp((const char *)t.p, prefix, n) == 0;
}

/* The next word, separated by what any server might take for white space. */
static bool take_word(struct span *word, struct span *in)
{
	size_t n = 0;

	while (in->len && is_space(*in->p)) {
		in->p++;
		in->len--;
	}
	while (n < in->len && !is_space(in->p[n]))
		n++;
	return take(word, in, n) && n;
}

/*
 * git's own protocol: "003agit-upload-pack /path\0host=...", without a line end. It reads like the
 * beginning of a request line for ever; no web server knows such a method.
 */
static bool is_git(struct span in)
{
	static const char hex[] = "0123456789abcdef";
	struct span digits;

	if (!take(&digits, &in, 4) || !starts_with(in, "git-"))
		return false;
	for (size_t i = 0; i < digits.len; i++)
		if (!memchr(hex, digits.p[i], sizeof(hex) - 1))
			return false;
	return true;
}

enum kind { OTHER, UNDECIDED, REQUEST };

static bool is_target(struct span t)
{
	return t.len && (t.p[0] == '/' || memmem(t.p, t.len, "://", 3));
}

/* A whole first line: a request, in any spelling that some server would take for one? */
static enum kind line_kind(struct span line)
{
	struct span method, word, target = { 0 }, last = { 0 };
	size_t n = 0;

	take_word(&method, &line);
	while (take_word(&word, &line)) {
		if (n++ == 0)
			target = word;
		if (starts_with(word, "HTTP/"))
			return REQUEST;
		last = word;
	}
	/* HTTP/0.9 knows GET only; a last word like RTSP/1.0 makes it another protocol. */
	if (method.len == 3 && starts_with(method, "GET") && is_target(target)) {
		bool versioned = n > 1 && memchr(last.p, '/', last.len);

		return versioned ? OTHER : REQUEST;
	}
	return OTHER;
}

/* What the first bytes are; *skipped is the white space before them. */
static enum kind http_kind(size_t *skipped, struct span in)
{
	const uint8_t *end;
	size_t token = 0;

	for (*skipped = 0; in.len && is_space(*in.p); (*skipped)++) {
		in.p++;
		in.len--;
	}
	while (token < in.len && is_token_char(in.p[token]))
		token++;
	if (token == in.len)
		return UNDECIDED;
	if (is_git(in))
		return OTHER;
	if (token == 0 || !is_space(in.p[token]))
		return OTHER;
	end = memchr(in.p, '\n', in.len);
	return end ? line_kind((struct span){ in.p, (size_t)(end - in.p) }) : UNDECIDED;
}

/* Takes a line that ends in CRLF; no other control characters but tabs. */
static bool take_line(struct span *line, struct span *in)
{
	const uint8_t *lf = memchr(in->p, '\n', in->len);
	size_t n = lf ? (size_t)(lf - in->p) + 1 : 0;

	if (!take(line, in, n) || n < 2 || line->p[n - 2] != '\r')
		return false;
	line->len -= 2;
	for (size_t i = 0; i < line->len; i++)
		if ((line->p[i] < ' ' && line->p[i] != '\t') || line->p[i] == 0x7f)
			return false;
	return true;
}

/* "host" or "host:port" names the connection's host and port. */
static bool authority_matches(const struct cs_sniff *s, struct span authority)
{
	const uint8_t *colon = memrchr(authority.p, ':', authority.len);
	unsigned port = 0;
	size_t digits;

	if (!colon)
		return names_host(s, authority);
	digits = authority.len - (size_t)(colon - authority.p) - 1;
	authority.len = (size_t)(colon - authority.p);
	if (digits == 0 || digits > 5)
		return false;
	for (size_t i = 1; i <= digits; i++) {
		if (colon[i] < '0' || colon[i] > '9')
			return false;
		port = port * 10 + (unsigned)(colon[i] - '0');
	}
	return port == s->port && names_host(s, authority);
}

static bool ends_authority(uint8_t c)
{
	return c == '/' || c == '?' || c == '#';
}

static bool target_matches(const struct cs_sniff *s, struct span target)
{
	static const char http[] = "http://";
	struct span authority;
	size_t n = 0;

	if (target.p[0] == '/' || (target.len == 1 && target.p[0] == '*'))
		return true;
	if (!starts_with(target, http)) /* CONNECT's host:port, and what no server knows */
		return authority_matches(s, target);
	take(&authority, &target, sizeof(http) - 1);
	while (n < target.len && !ends_authority(target.p[n]))
		n++;
	return take(&authority, &target, n) && n && authority_matches(s, authority);
}

static enum cs_sniff_result check_request_line(struct cs_sniff *s, struct span line)
{
	const uint8_t *first = memchr(line.p, ' ', line.len);
	const uint8_t *last = memrchr(line.p, ' ', line.len);
	struct span method, target, version;

	if (!first || first == last)
		return refuse(s, "malformed HTTP request line");
	method = (struct span){ line.p, (size_t)(first - line.p) };
	target = (struct span){ first + 1, (size_t)(last - first) - 1 };
	version = (struct span){ last + 1, line.len - (size_t)(last - line.p) - 1 };
	if (version.len == 8 && memcmp(version.p, "HTTP/2.0", 8) == 0)
		return refuse(s, "HTTP/2 without TLS: the host that it names cannot be checked");
	if (!is_token(method) || target.len == 0 || version.len != 8 ||
	    memchr(target.p, ' ', target.len) || memchr(target.p, '\t', target.len) ||
	    (memcmp(version.p, "HTTP/1.1", 8) != 0 && memcmp(version.p, "HTTP/1.0", 8) != 0))
		return refuse(s, "malformed HTTP request line");
	if (!target_matches(s, target))
		return refuse(s, "HTTP request for '%.*s', but the connection is for %s:%u",
			      (int)(target.len < 60 ? target.len : 60), (const char *)target.p,
			      s->host, s->port);
	return CS_SNIFF_PASS;
}

static struct span trim(struct span t)
{
	while (t.len && is_space(t.p[0])) {
		t.p++;
		t.len--;
	}
	while (t.len && is_space(t.p[t.len - 1]))
		t.len--;
	return t;
}

/* The header lines up to the empty one. */
static enum cs_sniff_result check_headers(struct cs_sniff *s, struct span in)
{
	struct span line, host = { 0 };
	int hosts = 0;

	for (;;) {
		const uint8_t *colon;
		struct span name;

		if (!take_line(&line, &in))
			return refuse(s, "malformed HTTP head: odd line end or control character");
		if (line.len == 0)
			break;
		colon = memchr(line.p, ':', line.len);
		name = (struct span){ line.p, colon ? (size_t)(colon - line.p) : 0 };
		if (!is_token(name))
			return refuse(s, "malformed HTTP header line");
		if (name.len != 4 || !starts_with(name, "Host"))
			continue;
		host = trim((struct span){ colon + 1, line.len - name.len - 1 });
		hosts++;
	}
	if (hosts != 1)
		return refuse(s, "HTTP request with %s Host, for %s",
			      hosts ? "more than one" : "no", s->host);
	if (!authority_matches(s, host))
		return refuse(s, "HTTP Host '%.*s', but the connection is for %s:%u",
			      (int)(host.len < 60 ? host.len : 60), (const char *)host.p, s->host,
			      s->port);
	return CS_SNIFF_PASS;
}

/*
 * True when the head is complete: an empty line, in the spelling of any server. Looks at each byte
 * once over all calls.
 */
static bool head_complete(struct cs_sniff *s, struct span in)
{
	const uint8_t *end = in.p + in.len;
	const uint8_t *p = in.p + s->scanned;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		const uint8_t *next = p + 1;

		if (next < end && *next == '\r')
			next++;
		if (next == end) {
			s->scanned = (size_t)(p - in.p);
			return false;
		}
		if (*next == '\n')
			return true;
		p++;
	}
	s->scanned = in.len;
	return false;
}

static enum cs_sniff_result sniff_http(struct cs_sniff *s, struct span in, size_t skipped)
{
	struct span line;
	enum cs_sniff_result result;

	s->proto = "http";
	if (skipped)
		return refuse(s, "white space before an HTTP request");
	if (!take_line(&line, &in))
		return refuse(s, "malformed HTTP request line");
	result = check_request_line(s, line);
	return result == CS_SNIFF_PASS ? check_headers(s, in) : result;
}

/* ---- all together ------------------------------------------------------------------------ */

static enum cs_sniff_result sniff(struct cs_sniff *s, struct span in)
{
	size_t skipped;

	if (looks_like_tls(in.p, in.len))
		return sniff_tls(s, in);
	if (could_be_ssl2(in.p, in.len)) {
		if (in.len < 4)
			return CS_SNIFF_MORE;
		return refuse(s, "TLS hello in the form of SSL 2, without a server name");
	}
	switch (http_kind(&skipped, in)) {
	case REQUEST:
		return head_complete(s, in) ? sniff_http(s, in, skipped) : CS_SNIFF_MORE;
	case UNDECIDED:
		return CS_SNIFF_MORE;
	case OTHER:
		break;
	}
	return pass(s, "other");
}

/* At the end of input: what is cut off is refused, unless it can be neither TLS nor HTTP. */
static enum cs_sniff_result at_end(struct cs_sniff *s, struct span in)
{
	size_t skipped;

	if (looks_like_tls(in.p, in.len) || http_kind(&skipped, in) == REQUEST)
		return refuse(s, "the connection ended inside its first message");
	return pass(s, "other");
}

enum cs_sniff_result cs_sniff(struct cs_sniff *s, const void *data, size_t len, bool eof)
{
	struct span in = { data, len < CS_SNIFF_MAX ? len : CS_SNIFF_MAX };
	enum cs_sniff_result result = CS_SNIFF_MORE;

	if (len)
		result = sniff(s, in);
	else if (eof)
		return pass(s, "other");
	if (result != CS_SNIFF_MORE)
		return result;
	if (len >= CS_SNIFF_MAX)
		return refuse(s, "the first message is longer than %d bytes", CS_SNIFF_MAX);
	return eof ? at_end(s, in) : CS_SNIFF_MORE;
}
