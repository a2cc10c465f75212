/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include <arpa/inet.h>
#include <string.h>
#include "addr.h"

#define MAX_RULES 1024

/*
 * Names get 198.18.1.1 and so on, never .0 or .255: some programs take those for networks and
 * broadcasts. 198.18.0.x stays for the stub.
 */
#define NET_BASE       0xc6120000u /* 198.18.0.0 */
#define NET_MASK       0xfffe0000u /* /15 */
#define FIRST_NAME     0x100u
#define NAMES_PER_BYTE 254u

static const uint16_t web_ports[] = { 443, 80 };

/* ---- names ------------------------------------------------------------------------------- */

static bool label_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool cs_name_canonical(char out[CS_NAME_MAX + 1], const char *data, size_t len)
{
	size_t label = 0;

	if (len && data[len - 1] == '.')
		len--;
	if (len == 0 || len > CS_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		if (c == '.' ? label == 0 : !label_char(c) || label == 63)
			return false;
		label = c == '.' ? 0 : label + 1;
		out[i] = (char)c;
	}
	out[len] = '\0';
	return label > 0;
}

static int compare_names(const void *key, const void *element)
{
	const struct cs_name *const *name = element;

	return strcmp(key, (*name)->host);
}

struct cs_name *cs_names_find(const struct cs_names *names, const char *host)
{
	struct cs_name **found;

	if (names->n == 0)
		return NULL;
	found = bsearch(host, names->by_host, names->n, sizeof(struct cs_name *), compare_names);
	return found ? *found : NULL;
}

static struct in_addr nth_addr(size_t n)
{
	uint32_t host = FIRST_NAME + (uint32_t)(n / NAMES_PER_BYTE) * 256 + 1 +
			(uint32_t)(n % NAMES_PER_BYTE);

	return (struct in_addr){ .s_addr = htonl(NET_BASE + host) };
}

static void grow(struct cs_names *names)
{
	if (names->n < names->cap)
		return;
	names->cap = names->cap ? names->cap * 2 : 16;
	names->by_host = cs_realloc(names->by_host, names->cap, sizeof(struct cs_name *));
	names->by_addr = cs_realloc(names->by_addr, names->cap, sizeof(struct cs_name *));
}

struct cs_name *cs_names_add(struct cs_names *names, const char *host)
{
	struct cs_name *name = cs_names_find(names, host);
	size_t at = 0;

	if (name)
		return name;
	if (names->n >= CS_EGRESS_NAMES_MAX)
		return NULL;
	grow(names);
	name = cs_calloc(1, sizeof(*name));
	name->host = cs_strdup(host);
	name->addr = nth_addr(names->n);
	while (at < names->n && strcmp(names->by_host[at]->host, host) < 0)
		at++;
	memmove(names->by_host + at + 1, names->by_host + at,
		(names->n - at) * sizeof(struct cs_name *));
	names->by_host[at] = name;
	names->by_addr[names->n++] = name;
	return name;
}

struct cs_name *cs_names_by_addr(const struct cs_names *names, struct in_addr addr)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->by_addr[i]->addr.s_addr == addr.s_addr)
			return names->by_addr[i];
	return NULL;
}

void cs_names_release(struct cs_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		free(names->by_addr[i]->host);
		free(names->by_addr[i]);
	}
	free(names->by_host);
	free(names->by_addr);
	*names = (struct cs_names){ 0 };
}

bool cs_egress_net_has(struct in_addr addr)
{
	return (ntohl(addr.s_addr) & NET_MASK) == NET_BASE;
}

/* ---- rules ------------------------------------------------------------------------------- */

static bool is_wildcard(const struct cs_egress_rule *rule)
{
	return rule->host[0] == '*';
}

bool cs_rule_is_localhost(const struct cs_egress_rule *rule)
{
	return !rule->literal && strcmp(rule->host, "localhost") == 0;
}

bool cs_rule_is_plain(const struct cs_egress_rule *rule)
{
	return !rule->literal && !is_wildcard(rule) && !cs_rule_is_localhost(rule);
}

bool cs_rule_matches(const struct cs_egress_rule *rule, const char *name)
{
	size_t name_len = strlen(name);
	size_t tail_len;

	if (rule->literal)
		return false;
	if (!is_wildcard(rule))
		return strcmp(rule->host, name) == 0;
	if (rule->host[1] == '\0')
		return strchr(name, '.') != NULL;
	tail_len = strlen(rule->host + 1); /* with the dot */
	return name_len > tail_len && strcmp(name + name_len - tail_len, rule->host + 1) == 0;
}

size_t cs_rule_ports(struct cs_target out[2], const struct cs_egress_rule *rule)
{
	if (rule->port) {
		out[0] = (struct cs_target){ .port = rule->port, .rule = rule };
		return 1;
	}
	for (size_t i = 0; i < CS_COUNT(web_ports); i++)
		out[i] = (struct cs_target){ .port = web_ports[i], .rule = rule };
	return CS_COUNT(web_ports);
}

static size_t add_target(struct cs_target *out, size_t n, const struct cs_target *target)
{
	for (size_t i = 0; i < n; i++)
		if (out[i].port == target->port)
			return n;
	if (n < CS_EGRESS_PORTS_MAX)
		out[n++] = *target;
	return n;
}

size_t cs_rules_targets(struct cs_target out[CS_EGRESS_PORTS_MAX],
			const struct cs_egress_rule *rules, size_t n, const char *name)
{
	size_t n_out = 0;

	for (int wild = 0; wild <= 1; wild++) {
		for (size_t i = 0; i < n; i++) {
			struct cs_target ports[2];
			size_t n_ports;

			if (is_wildcard(&rules[i]) != wild || !cs_rule_matches(&rules[i], name))
				continue;
			n_ports = cs_rule_ports(ports, &rules[i]);
			for (size_t k = 0; k < n_ports; k++)
				n_out = add_target(out, n_out, &ports[k]);
		}
	}
	return n_out;
}

static bool one_machine(const struct cs_ip *ip)
{
	static const struct cs_ip none6 = { .family = AF_INET6 };

	if (ip->family == AF_INET)
		return ip->bytes[0] != 0 && ip->bytes[0] < 224;
	return ip->bytes[0] != 0xff && !cs_ip_equal(ip, &none6);
}

static bool usable_literal(const char *host, const char **why)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	struct cs_ip ip;
	struct in_addr v4;

	*why = "not an address";
	if (!cs_ip_parse(&ip, host))
		return false;
	*why = "write it as IPv4";
	if (ip.family == AF_INET6 && memcmp(ip.bytes, mapped, sizeof(mapped)) == 0)
		return false;
	memcpy(&v4, ip.bytes, sizeof(v4));
	*why = "this range stands for names inside";
	if (ip.family == AF_INET && cs_egress_net_has(v4))
		return false;
	*why = "not the address of one machine";
	return one_machine(&ip);
}

static bool usable_name(const char *host, const char **why)
{
	char canonical[CS_NAME_MAX + 1];

	*why = "not a host name";
	if (strcmp(host, "*") == 0)
		return true;
	if (host[0] == '*' && host[1] == '.')
		host += 2;
	if (!cs_name_canonical(canonical, host, strlen(host)))
		return false;
	*why = "a host name is in lower case and has no dot at its end";
	return strcmp(canonical, host) == 0;
}

int cs_rules_check(const struct cs_egress_rule *rules, size_t n, struct cs_err *err)
{
	const char *why;

	if (n > MAX_RULES)
		return cs_err_set(err, CS_LIMIT, "%zu network rules, at most %d", n, MAX_RULES);
	for (size_t i = 0; i < n; i++) {
		const struct cs_egress_rule *r = &rules[i];

		if (!(r->literal ? usable_literal(r->host, &why) : usable_name(r->host, &why)))
			return cs_err_set(err, CS_USAGE, "%s: network rule '%s': %s",
					  r->origin ? r->origin : "rule", r->host, why);
	}
	return 0;
}
