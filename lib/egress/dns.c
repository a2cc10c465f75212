/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query is one question, written out (no compression pointer can appear in the first name of a
 * message), perhaps with an OPT record behind it; whatever else follows is looked at only as far
 * as OPT. The answer repeats the question byte for byte, so that clients that mix upper and lower
 * case as a check find their own spelling.
 */
#include "dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "rules.h"

#define HEADER 12

#define FLAG_QR	    0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_AA	    0x0400
#define FLAG_RD	    0x0100
#define FLAG_RA	    0x0080

#define CLASS_IN   1
#define TYPE_OPT   41
#define TYPE_IXFR  251
#define TYPE_MAILB 253
#define TYPE_MAILA 254
#define UDP_SIZE   1232

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* ---- names ------------------------------------------------------------------------------- */

/* One label as text; what is no plain character of a name becomes \DDD. */
static size_t label_text(char *out, const uint8_t *label, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = label[i];

		if (c > ' ' && c < 0x7f && c != '.' && c != '\\')
			out[n++] = (char)c;
		else
			n += (size_t)sprintf(out + n, "\\%03u", c);
	}
	return n;
}

/*
 * Reads an uncompressed name into text (room: CS_DNS_TEXT_MAX). Returns the bytes that it takes in
 * the message, or 0 where there is none.
 */
static size_t read_name(char *text, const uint8_t *p, size_t len)
{
	size_t at = 0, n = 0;

	while (at < len && p[at] != 0) {
		size_t label = p[at];

		/* 255 bytes with the root label, RFC 1035 section 3.1 */
		if (label > 63 || len - at <= label || at + label + 2 > 255)
			return 0;
		if (n)
			text[n++] = '.';
		n += label_text(text + n, p + at + 1, label);
		at += label + 1;
	}
	if (at >= len)
		return 0;
	if (n == 0)
		text[n++] = '.';
	text[n] = '\0';
	return at + 1;
}

static uint8_t *put_name(uint8_t *out, const char *host)
{
	while (*host) {
		size_t label = strcspn(host, ".");

		*out++ = (uint8_t)label;
		memcpy(out, host, label);
		out += label;
		host += label;
		if (*host == '.')
			host++;
	}
	*out++ = 0;
	return out;
}

bool cs_dns_reverse(struct in_addr *out, const char *host)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr reversed;
	size_t len = strcspn(host, "abcdefghijklmnopqrstuvwxyz");
	uint32_t n;

	if (len < 2 || len > sizeof(text) || strcmp(host + len, "in-addr.arpa") != 0)
		return false;
	memcpy(text, host, len - 1);
	text[len - 1] = '\0';
	if (inet_pton(AF_INET, text, &reversed) != 1)
		return false;
	n = ntohl(reversed.s_addr);
	out->s_addr = htonl(n << 24 | (n & 0xff00) << 8 | (n >> 8 & 0xff00) | n >> 24);
	return true;
}

/* ---- queries ----------------------------------------------------------------------------- */

/* Skips a name that may end in a compression pointer. Returns its length, 0 for nonsense. */
static size_t skip_name(const uint8_t *p, size_t len)
{
	size_t at = 0;

	while (at < len && p[at] != 0) {
		if ((p[at] & 0xc0) == 0xc0)
			return len - at >= 2 ? at + 2 : 0;
		if (p[at] > 63)
			return 0;
		at += (size_t)p[at] + 1;
	}
	return at < len ? at + 1 : 0;
}

/* Looks for OPT among `count` records. False: malformed. *version stays below 0 without OPT. */
static bool find_opt(int *version, const uint8_t *p, size_t len, unsigned count)
{
	for (; count; count--) {
		size_t name = skip_name(p, len);
		size_t data;

		if (!name || len - name < 10)
			return false;
		data = get16(p + name + 8);
		if (get16(p + name) == TYPE_OPT) {
			if (name != 1 || *version >= 0) /* the root's, once: RFC 6891 6.1.1 */
				return false;
			*version = p[name + 5];
		}
		if (len - name - 10 < data)
			return false;
		p += name + 10 + data;
		len -= name + 10 + data;
	}
	return true;
}

static bool refused_type(uint16_t type)
{
	return type == CS_DNS_ANY || type == CS_DNS_AXFR || type == TYPE_IXFR ||
	       type == TYPE_MAILB || type == TYPE_MAILA;
}

static enum cs_dns_verdict reply(enum cs_dns_rcode *out, enum cs_dns_rcode rcode)
{
	*out = rcode;
	return CS_DNS_REPLY;
}

enum cs_dns_verdict cs_dns_parse(struct cs_dns_query *query, enum cs_dns_rcode *rcode,
				 const uint8_t *msg, size_t len)
{
	size_t name;
	int version = -1;
	unsigned records;

	memset(query, 0, sizeof(*query));
	if (len < HEADER || len > CS_DNS_MAX_IN)
		return CS_DNS_DROP;
	query->id = get16(msg);
	query->flags = get16(msg + 2);
	if (query->flags & FLAG_QR)
		return CS_DNS_DROP;
	if (query->flags & FLAG_OPCODE)
		return reply(rcode, CS_DNS_NOTIMP);
	if (get16(msg + 4) != 1)
		return reply(rcode, CS_DNS_FORMERR);
	name = read_name(query->name, msg + HEADER, len - HEADER);
	if (!name || len - HEADER - name < 4)
		return reply(rcode, CS_DNS_FORMERR);
	query->question = msg + HEADER;
	query->question_len = name + 4;
	query->type = get16(query->question + name);
	records = (unsigned)get16(msg + 6) + get16(msg + 8) + get16(msg + 10);
	if (!find_opt(&version, query->question + name + 4, len - HEADER - name - 4, records))
		return reply(rcode, CS_DNS_FORMERR);
	query->edns = version >= 0;
	if (version > 0)
		return reply(rcode, CS_DNS_BADVERS);
	if (get16(query->question + name + 2) != CLASS_IN || refused_type(query->type))
		return reply(rcode, CS_DNS_REFUSED);
	if (!cs_name_canonical(query->host, query->name, strlen(query->name)))
		query->host[0] = '\0';
	return CS_DNS_LOOKUP;
}

/* ---- answers ----------------------------------------------------------------------------- */

static uint8_t *put16(uint8_t *out, unsigned value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
	return out + 2;
}

/* A record about the name that was asked for; length and data are the caller's. */
static uint8_t *put_record(uint8_t *out, unsigned type)
{
	out = put16(out, 0xc000 | HEADER); /* pointer to the question's name */
	out = put16(out, type);
	out = put16(out, CLASS_IN);
	out = put16(out, 0);
	return put16(out, CS_DNS_TTL);
}

static uint8_t *put_data(uint8_t *out, unsigned type, const void *data, size_t len)
{
	out = put_record(out, type);
	out = put16(out, (unsigned)len);
	memcpy(out, data, len);
	return out + len;
}

static uint8_t *put_ptr(uint8_t *out, const char *host)
{
	uint8_t *length = put_record(out, CS_DNS_PTR);
	uint8_t *end = put_name(length + 2, host);

	put16(length, (unsigned)(end - length - 2));
	return end;
}

static uint8_t *put_opt(uint8_t *out, enum cs_dns_rcode rcode)
{
	*out++ = 0; /* the root */
	out = put16(out, TYPE_OPT);
	out = put16(out, UDP_SIZE);
	*out++ = (uint8_t)(rcode >> 4); /* upper bits of the code; version 0; no flags */
	*out++ = 0;
	out = put16(out, 0);
	return put16(out, 0);
}

size_t cs_dns_answer(uint8_t out[CS_DNS_MAX_OUT], const struct cs_dns_query *query,
		     enum cs_dns_rcode rcode, const struct cs_dns_data *data)
{
	uint8_t *p = out + HEADER;
	unsigned answers = 0;

	memset(out, 0, HEADER);
	put16(out, query->id);
	put16(out + 2, FLAG_QR | (query->flags & (FLAG_OPCODE | FLAG_RD)) | FLAG_AA | FLAG_RA |
			       ((unsigned)rcode & 15));
	if (query->question_len) {
		memcpy(p, query->question, query->question_len);
		p += query->question_len;
		put16(out + 4, 1);
	}
	if (query->question_len && data) {
		if (data->a)
			p = put_data(p, CS_DNS_A, data->a, sizeof(*data->a));
		else if (data->aaaa)
			p = put_data(p, CS_DNS_AAAA, data->aaaa, sizeof(*data->aaaa));
		else if (data->ptr)
			p = put_ptr(p, data->ptr);
		answers = data->a || data->aaaa || data->ptr;
	}
	put16(out + 6, answers);
	if (query->edns) {
		p = put_opt(p, rcode);
		put16(out + 10, 1);
	}
	return (size_t)(p - out);
}
