/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network terms: host[:port]. Strict, because a term that two readers understand differently is
 * a hole: no name that some resolver takes for a number (127.1, 0x7f.1), no upper case, trailing
 * dot, zone or mapped address left, nothing outside ASCII (punycode says what it is).
 */
#include "model.h"

#include <arpa/inet.h>
#include <ctype.h>

/* ---- one term -------------------------------------------------------------------------------- */

static int no_term(struct cs_err *err, const char *why)
{
	return cs_err_set(err, CS_CORRUPT, "%s", why);
}

static int parse_port(struct cs_net_rule *out, const char *text, struct cs_err *err)
{
	long n = 0;

	if (!strcmp(text, "*")) {
		out->any_port = true;
		return 0;
	}
	for (const char *p = text; *p; p++) {
		if (!isdigit((unsigned char)*p) || p - text > 4)
			return no_term(err, "the port is not a number from 1 to 65535, or *");
		n = n * 10 + (*p - '0');
	}
	if (n < 1 || n > 65535 || *text == '0')
		return no_term(err, "the port is not a number from 1 to 65535, or *");
	out->port = (uint16_t)n;
	return 0;
}

/* In the one spelling of RFC 5952. */
static int parse_ipv6(char host[256], struct cs_err *err)
{
	struct in6_addr addr;

	if (inet_pton(AF_INET6, host, &addr) != 1)
		return no_term(err, "not an IPv6 address");
	if (IN6_IS_ADDR_V4MAPPED(&addr) || IN6_IS_ADDR_V4COMPAT(&addr))
		return no_term(err, "write the IPv4 address itself");
	if (IN6_IS_ADDR_UNSPECIFIED(&addr))
		return no_term(err, "the unspecified address is nobody's");
	inet_ntop(AF_INET6, &addr, host, 256);
	return 0;
}

/* Would some resolver read this last label as a number? */
static bool numeric_label(const char *label)
{
	bool hex = label[0] == '0' && (label[1] == 'x' || label[1] == 'X');

	if (hex)
		label += 2;
	while (hex ? isxdigit((unsigned char)*label) : isdigit((unsigned char)*label))
		label++;
	return !*label;
}

static int check_label(const char *label, size_t len, struct cs_err *err)
{
	if (!len || len > 63)
		return no_term(err, "a part of the name is empty or longer than 63 characters");
	if (label[0] == '-' || label[len - 1] == '-')
		return no_term(err, "a part of the name begins or ends with '-'");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)label[i];

		if (c >= 0x80)
			return no_term(err, "not ASCII; write the name in punycode (xn--...)");
		if (!isalnum(c) && c != '-' && c != '_')
			return no_term(err, "not a host name");
	}
	return 0;
}

static int check_name(const char *name, struct cs_err *err)
{
	const char *label = name;

	if (strlen(name) > 253)
		return no_term(err, "longer than 253 characters");
	for (;;) {
		size_t len = strcspn(label, ".");
		int rc = check_label(label, len, err);

		if (rc < 0)
			return rc;
		if (!label[len])
			break;
		label += len + 1;
	}
	if (numeric_label(label))
		return no_term(err, "neither a host name nor an IPv4 address");
	return 0;
}

static int parse_name(struct cs_net_rule *out, char *host, struct cs_err *err)
{
	struct in_addr addr;
	size_t len = strlen(host);

	for (char *p = host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (inet_pton(AF_INET, host, &addr) == 1) {
		if (addr.s_addr == INADDR_ANY)
			return no_term(err, "the unspecified address is nobody's");
		out->literal = true;
		return 0;
	}
	if (len > 1 && host[len - 1] == '.')
		host[len - 1] = '\0';
	if (!strncmp(host, "*.", 2)) {
		if (!strchr(host + 2, '.'))
			return no_term(err, "too wide; name two parts behind '*.'");
		return check_name(host + 2, err);
	}
	if (strchr(host, '*'))
		return no_term(err, "'*' stands only for the first part of a name: *.example.org");
	return check_name(host, err);
}

/* Cuts a term at its port: the host as written into text, the port (or NULL) into *port. */
static int split_term(char text[256], const char **port, bool *bracketed, const char *term,
		      struct cs_err *err)
{
	const char *end;

	if (strstr(term, "://"))
		return no_term(err, "a URL; name the host alone");
	*bracketed = term[0] == '[';
	if (*bracketed)
		term++;
	end = term + strcspn(term, *bracketed ? "]" : ":");
	if ((size_t)(end - term) >= 256)
		return no_term(err, "longer than 253 characters");
	memcpy(text, term, (size_t)(end - term));
	text[end - term] = '\0';
	if (*bracketed && *end++ != ']')
		return no_term(err, "an IPv6 address is written [address]:port");
	*port = *end ? end + 1 : NULL;
	if (*end && (*end != ':' || strchr(*port, ':')))
		return no_term(err, "an IPv6 address is written [address]:port");
	return 0;
}

int cs_net_rule_parse(struct cs_net_rule *out, char host[256], const char *term, struct cs_err *err)
{
	struct cs_net_rule rule = { .host = host };
	const char *port = NULL;
	bool bracketed = false;
	char text[256];
	int rc = split_term(text, &port, &bracketed, term, err);

	if (rc == 0 && port)
		rc = parse_port(&rule, port, err);
	if (rc == 0)
		rc = bracketed ? parse_ipv6(text, err) : parse_name(&rule, text, err);
	if (rc < 0)
		return rc;
	rule.literal |= bracketed;
	memcpy(host, text, sizeof(text));
	*out = rule;
	return 0;
}

/* ---- words of network.allow and network.private ---------------------------------------------- */

/* Stands for the hosts that the agent's profile names; its user adds them. */
#define PROFILE_WORD "@profile"

int cs_policy_net_check(const char *word, struct cs_err *err)
{
	struct cs_net_rule rule;
	char host[256];

	if (word[0] != '@')
		return cs_net_rule_parse(&rule, host, word, err);
	if (strcmp(word, PROFILE_WORD) != 0)
		return no_term(err, "no such group: there is " PROFILE_WORD ", others are named by host");
	return 0;
}

static int address_bits(const char *text)
{
	uint8_t addr[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, addr) == 1)
		return 32;
	return inet_pton(AF_INET6, text, addr) == 1 ? 128 : -1;
}

/* An address, a network (10.0.0.0/8, fd00::/8), or a host name without port. */
int cs_policy_private_check(const char *word, struct cs_err *err)
{
	AUTO_FREE char *address = cs_strndup(word, strcspn(word, "/"));
	const char *slash = strchr(word, '/');
	int bits = 0;

	if (!slash && !strchr(word, ':')) {
		struct cs_net_rule rule;
		char host[256];

		return cs_net_rule_parse(&rule, host, word, err);
	}
	for (const char *p = slash ? slash + 1 : ""; *p; p++) {
		if (!isdigit((unsigned char)*p) || p - slash > 3)
			return no_term(err, "not a network such as 10.0.0.0/8");
		bits = bits * 10 + (*p - '0');
	}
	if (bits > address_bits(address) || (slash && !slash[1]))
		return no_term(err, "not an address or a network such as 10.0.0.0/8");
	return 0;
}

/* ---- the rules of a sealed policy ------------------------------------------------------------ */

static bool same_rule(const struct cs_net_rule *a, const struct cs_net_rule *b)
{
	return a->port == b->port && a->any_port == b->any_port && !strcmp(a->host, b->host);
}

static int add_rule(struct cs_policy *policy, const char *term, const char *origin,
		    struct cs_err *err)
{
	struct cs_net_rule rule;
	char host[256];
	int rc = cs_net_rule_parse(&rule, host, term, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < policy->n_rules; i++) {
		if (same_rule(&policy->rules[i], &rule))
			return 0;
	}
	if (policy->n_rules == CS_POLICY_MAX_RULES)
		return cs_err_set(err, CS_LIMIT, "%s: network.allow: more than %d hosts", origin,
				  CS_POLICY_MAX_RULES);
	rule.host = memcpy(policy->hosts[policy->n_rules], host, sizeof(host));
	rule.origin = origin;
	policy->rules[policy->n_rules++] = rule;
	return 0;
}

int cs_policy_net_expand(struct cs_policy *policy, struct cs_err *err)
{
	const struct cs_policy_slot *slot = NULL;

	for (size_t i = 0; i < policy->n_slots; i++) {
		if (policy->slots[i].key->check == cs_policy_net_check)
			slot = &policy->slots[i];
	}
	if (!slot)
		return 0;
	policy->rules = cs_calloc(CS_POLICY_MAX_RULES, sizeof(*policy->rules));
	policy->hosts = cs_calloc(CS_POLICY_MAX_RULES, sizeof(*policy->hosts));
	for (size_t i = 0; i < slot->value.list.n; i++) {
		const char *word = slot->value.list.v[i];
		const char *origin = slot->words[i].from->origin;

		if (strcmp(word, PROFILE_WORD) == 0)
			continue;
		int rc = add_rule(policy, word, origin, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
