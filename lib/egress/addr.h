/* SPDX-License-Identifier: Apache-2.0 */
/* Internet addresses as values, and which of them a name may lead to. Pure. */
#ifndef CS_EGRESS_ADDR_H
#define CS_EGRESS_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Zeroed: no address. Network byte order; IPv4 fills the first four bytes, the rest is 0. */
struct cs_ip {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
};

#define CS_IP_TEXT INET6_ADDRSTRLEN

/* Dotted quads and RFC 4291 text, no zone, no brackets; false leaves *out alone. */
bool cs_ip_parse(struct cs_ip *out, const char *text);
/* Returns out; "?" for no address. */
const char *cs_ip_format(char out[CS_IP_TEXT], const struct cs_ip *ip);
bool cs_ip_equal(const struct cs_ip *a, const struct cs_ip *b);

/* Socket addresses; the port in host byte order. Returns the length, 0 for no address. */
socklen_t cs_ip_to_sockaddr(struct sockaddr_storage *out, const struct cs_ip *ip, uint16_t port);
/* port may be NULL. Unknown families give no address. */
void cs_ip_from_sockaddr(struct cs_ip *out, uint16_t *port, const struct sockaddr_storage *sa);

/*
 * NULL for an address of the public internet; else what it is ("private (RFC 1918)"): a rule that
 * names a host never leads there. No address at all is refused too. What belongs to this very
 * machine although it is public is not known here: see cs_route_is_local().
 */
const char *cs_ip_refusal(const struct cs_ip *ip);

#endif
