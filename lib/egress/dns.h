/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the name stub (RFC 1035, 2308, 6891): queries are parsed, answers built. Pure;
 * every byte of a query is hostile. It answers for itself alone and never forwards.
 */
#ifndef CS_EGRESS_DNS_H
#define CS_EGRESS_DNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CS_DNS_TTL	60   /* seconds; also the longest that the host's answers are kept */
#define CS_DNS_MAX_IN	4096 /* longer queries are dropped */
#define CS_DNS_MAX_OUT	1024 /* room for the longest answer: two names and fixed parts */
#define CS_DNS_TEXT_MAX 1025 /* a name as text: 255 bytes, each at most \DDD */

enum cs_dns_type {
	CS_DNS_A = 1,
	CS_DNS_PTR = 12,
	CS_DNS_AAAA = 28,
	CS_DNS_AXFR = 252,
	CS_DNS_ANY = 255,
};

enum cs_dns_rcode {
	CS_DNS_NOERROR = 0,
	CS_DNS_FORMERR = 1,
	CS_DNS_SERVFAIL = 2,
	CS_DNS_NXDOMAIN = 3,
	CS_DNS_NOTIMP = 4,
	CS_DNS_REFUSED = 5,
	CS_DNS_BADVERS = 16, /* needs EDNS */
};

struct cs_dns_query {
	uint16_t id;
	uint16_t flags;
	uint16_t type;
	bool edns;		    /* the query had an OPT record; so will the answer */
	char name[CS_DNS_TEXT_MAX]; /* for people: as asked, odd bytes as \DDD */
	char host[254];		    /* canonical host name, or "" where it is none */
	const uint8_t *question;    /* borrowed from the message: name, type, class */
	size_t question_len;	    /* 0: unusable */
};

enum cs_dns_verdict {
	CS_DNS_DROP = 0, /* not a query: no answer at all */
	CS_DNS_REPLY,	 /* answer with *rcode and nothing else */
	CS_DNS_LOOKUP,	 /* a proper question of class IN: name, type */
};
/* *rcode is set for CS_DNS_REPLY. query->question points into msg. */
enum cs_dns_verdict cs_dns_parse(struct cs_dns_query *query, enum cs_dns_rcode *rcode,
				 const uint8_t *msg, size_t len);

/* What stands in the answer section, if anything. */
struct cs_dns_data {
	const struct in_addr *a;
	const struct in6_addr *aaaa;
	const char *ptr; /* canonical host name */
};
/* Returns the length. No data and CS_DNS_NOERROR: the name exists, this type does not. */
size_t cs_dns_answer(uint8_t out[CS_DNS_MAX_OUT], const struct cs_dns_query *query,
		     enum cs_dns_rcode rcode, const struct cs_dns_data *data);

/* "4.3.2.1.in-addr.arpa" -> 1.2.3.4; host is canonical. */
bool cs_dns_reverse(struct in_addr *out, const char *host);

#endif
