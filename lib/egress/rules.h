/* SPDX-License-Identifier: Apache-2.0 */
/* Which names a run may reach, on which ports, and the address that stands for each. Pure. */
#ifndef CS_EGRESS_RULES_H
#define CS_EGRESS_RULES_H

#include <stdbool.h>
#include "countersign/egress.h"

#define CS_EGRESS_NAMES_MAX 4096
#define CS_EGRESS_PORTS_MAX 64 /* of one name; ports beyond are not reachable */
#define CS_NAME_MAX	    253

/* Refuses (CS_USAGE, names the origin) what is no rule: trusted text, but people mistype. */
int cs_rules_check(const struct cs_egress_rule *rules, size_t n, struct cs_err *err) CS_CHECKED;

/* "localhost" listens on the loopback addresses and leads to the host's own. */
bool cs_rule_is_localhost(const struct cs_egress_rule *rule);
/* A name that is written out: no address, no wildcard, not localhost. */
bool cs_rule_is_plain(const struct cs_egress_rule *rule);
/*
 * name: canonical (below). "*.example.org" matches any name below example.org; "*" every name
 * that has a dot.
 */
bool cs_rule_matches(const struct cs_egress_rule *rule, const char *name);

struct cs_target {
	uint16_t port; /* never 0 */
	const struct cs_egress_rule *rule;
};
/* The ports of one rule; returns their number, 1 or 2. */
size_t cs_rule_ports(struct cs_target out[2], const struct cs_egress_rule *rule);
/*
 * The ports on which name may be reached, each once, with the rule that says so: the first one of
 * those that write the name out, else the first wildcard. 0: the name is not allowed.
 */
size_t cs_rules_targets(struct cs_target out[CS_EGRESS_PORTS_MAX],
			const struct cs_egress_rule *rules, size_t n, const char *name);

/*
 * Lower case, without the trailing dot, letters, digits, '-' and '_' only, labels of 1 to 63
 * bytes, at most CS_NAME_MAX bytes together. False: no host name.
 */
bool cs_name_canonical(char out[CS_NAME_MAX + 1], const char *data, size_t len);

/* ---- the names of one run and the addresses that stand for them ---- */

struct cs_name {
	char *host;
	struct in_addr addr;
	bool told; /* an event has named it */
};

/* Names are never forgotten: programs keep addresses for as long as they like. */
struct cs_names {
	struct cs_name **by_host; /* sorted */
	struct cs_name **by_addr; /* in the order of their coming */
	size_t n, cap;
};

/* The name with its address, new if need be; NULL when CS_EGRESS_NAMES_MAX are known already. */
struct cs_name *cs_names_add(struct cs_names *names, const char *host);
struct cs_name *cs_names_find(const struct cs_names *names, const char *host);
struct cs_name *cs_names_by_addr(const struct cs_names *names, struct in_addr addr);
void cs_names_release(struct cs_names *names);

/* True for addresses of CS_EGRESS_NET. */
bool cs_egress_net_has(struct in_addr addr);

#endif
