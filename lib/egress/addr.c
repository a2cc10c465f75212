/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address check against rebinding: a permitted name may resolve to anything its owner likes,
 * also to 127.0.0.1, to the router or to a cloud's metadata service. So what a name leads to must
 * be a public address; the list below is the IANA special-purpose registries (RFC 6890 and its
 * updates) plus the metadata addresses that lie in public space.
 *
 * IPv6 is an allow-list: only 2000::/3 is assigned to the public. Forms that carry an IPv4 address
 * are refused as a whole (a packet to 2002:7f00:1:: may come out as 127.0.0.1), with one exception:
 * 64:ff9b::/96 is how hosts without IPv4 reach all of IPv4, so there the IPv4 address decides.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

struct range {
	uint8_t prefix[16];
	uint8_t bits;
	const char *what;
};

/* The first match counts. */
static const struct range ranges4[] = {
	{ { 0 }, 8, "unspecified (0.0.0.0/8)" },
	{ { 10 }, 8, "private (RFC 1918)" },
	{ { 100, 64 }, 10, "carrier-grade NAT (RFC 6598)" },
	{ { 127 }, 8, "loopback" },
	{ { 168, 63, 129, 16 }, 32, "cloud metadata" },
	{ { 169, 254, 169, 254 }, 32, "cloud metadata" },
	{ { 169, 254 }, 16, "link-local" },
	{ { 172, 16 }, 12, "private (RFC 1918)" },
	{ { 192, 0, 0 }, 24, "protocol assignments (RFC 6890)" },
	{ { 192, 0, 2 }, 24, "documentation (RFC 5737)" },
	{ { 192, 88, 99 }, 24, "6to4 relay (RFC 7526)" },
	{ { 192, 168 }, 16, "private (RFC 1918)" },
	{ { 198, 18 }, 15, "benchmarking (RFC 2544)" },
	{ { 198, 51, 100 }, 24, "documentation (RFC 5737)" },
	{ { 203, 0, 113 }, 24, "documentation (RFC 5737)" },
	{ { 224 }, 4, "multicast" },
	{ { 255, 255, 255, 255 }, 32, "broadcast" },
	{ { 240 }, 4, "reserved (240.0.0.0/4)" },
};

static const struct range ranges6[] = {
	{ { 0 }, 128, "unspecified" },
	{ { [15] = 1 }, 128, "loopback" },
	{ { [10] = 0xff, 0xff }, 96, "IPv4-mapped" },
	{ { 0 }, 96, "IPv4-compatible" },
	{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48, "local NAT64 (RFC 8215)" },
	{ { 0x20, 0x01, 0, 0 }, 32, "Teredo" },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, "documentation (RFC 3849)" },
	{ { 0x20, 0x01 }, 23, "protocol assignments (RFC 2928)" },
	{ { 0x20, 0x02 }, 16, "6to4" },
	{ { 0x3f, 0xff }, 20, "documentation (RFC 9637)" },
	{ { 0xfd, 0x00, 0x0e, 0xc2 }, 32, "cloud metadata" },
	{ { 0xfc }, 7, "private (RFC 4193)" },
	{ { 0xfe, 0x80 }, 10, "link-local" },
	{ { 0xfe, 0xc0 }, 10, "site-local" },
	{ { 0xff }, 8, "multicast" },
};

static const struct range nat64 = { { 0, 0x64, 0xff, 0x9b }, 96, "NAT64" };
static const struct range global6 = { { 0x20 }, 3, "global unicast" };

static bool in_range(const struct cs_ip *ip, const struct range *r)
{
	size_t whole = r->bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> (r->bits % 8));

	return memcmp(ip->bytes, r->prefix, whole) == 0 &&
	       (!mask || ((ip->bytes[whole] ^ r->prefix[whole]) & mask) == 0);
}

static const char *find_range(const struct cs_ip *ip, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_range(ip, &ranges[i]))
			return ranges[i].what;
	return NULL;
}

static const char *refusal4(const struct cs_ip *ip)
{
	return find_range(ip, ranges4, sizeof(ranges4) / sizeof(ranges4[0]));
}

static const char *refusal6(const struct cs_ip *ip)
{
	const char *what;

	if (in_range(ip, &nat64)) {
		struct cs_ip inner = { .family = AF_INET };

		memcpy(inner.bytes, ip->bytes + 12, 4);
		return refusal4(&inner);
	}
	what = find_range(ip, ranges6, sizeof(ranges6) / sizeof(ranges6[0]));
	if (!what && !in_range(ip, &global6))
		what = "not global unicast";
	return what;
}

const char *cs_ip_refusal(const struct cs_ip *ip)
{
	if (ip->family == AF_INET)
		return refusal4(ip);
	if (ip->family == AF_INET6)
		return refusal6(ip);
	return "no internet address";
}

/* ---- text and socket addresses ----------------------------------------------------------- */

bool cs_ip_parse(struct cs_ip *out, const char *text)
{
	struct cs_ip ip = { .family = AF_INET };

	if (inet_pton(AF_INET, text, ip.bytes) != 1) {
		ip.family = AF_INET6;
		if (inet_pton(AF_INET6, text, ip.bytes) != 1)
			return false;
	}
	*out = ip;
	return true;
}

const char *cs_ip_format(char out[CS_IP_TEXT], const struct cs_ip *ip)
{
	if (!inet_ntop(ip->family, ip->bytes, out, CS_IP_TEXT))
		memcpy(out, "?", 2);
	return out;
}

bool cs_ip_equal(const struct cs_ip *a, const struct cs_ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

socklen_t cs_ip_to_sockaddr(struct sockaddr_storage *out, const struct cs_ip *ip, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (ip->family == AF_INET) {
		struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

		memcpy(&sin.sin_addr, ip->bytes, sizeof(sin.sin_addr));
		memcpy(out, &sin, sizeof(sin));
		return sizeof(sin);
	}
	if (ip->family == AF_INET6) {
		struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

		memcpy(&sin6.sin6_addr, ip->bytes, sizeof(sin6.sin6_addr));
		memcpy(out, &sin6, sizeof(sin6));
		return sizeof(sin6);
	}
	return 0;
}

void cs_ip_from_sockaddr(struct cs_ip *out, uint16_t *port, const struct sockaddr_storage *sa)
{
	struct cs_ip ip = { 0 };
	uint16_t number = 0;

	if (sa->ss_family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, sa, sizeof(sin));
		ip.family = AF_INET;
		memcpy(ip.bytes, &sin.sin_addr, sizeof(sin.sin_addr));
		number = ntohs(sin.sin_port);
	} else if (sa->ss_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, sa, sizeof(sin6));
		ip.family = AF_INET6;
		memcpy(ip.bytes, &sin6.sin6_addr, sizeof(sin6.sin6_addr));
		number = ntohs(sin6.sin6_port);
	}
	*out = ip;
	if (port)
		*port = number;
}
