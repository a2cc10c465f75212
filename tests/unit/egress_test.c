/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of the relay: addresses, rules, name messages. */
#include "../../lib/egress/addr.h"
#include "../../lib/egress/dns.h"
#include "../../lib/egress/rules.h"

#include <arpa/inet.h>
#include "unit.h"

/* ---- addresses --------------------------------------------------------------------------- */

static const struct {
	const char *addr;
	const char *what; /* the beginning of it; NULL: public */
} addresses[] = {
	{ "9.9.9.9", NULL },
	{ "1.1.1.1", NULL },
	{ "0.0.0.0", "unspecified" },
	{ "0.1.2.3", "unspecified" },
	{ "10.0.0.1", "private" },
	{ "10.255.255.255", "private" },
	{ "11.0.0.0", NULL },
	{ "9.255.255.255", NULL },
	{ "100.63.255.255", NULL },
	{ "100.64.0.0", "carrier" },
	{ "100.100.100.200", "carrier" },
	{ "100.127.255.255", "carrier" },
	{ "100.128.0.0", NULL },
	{ "126.255.255.255", NULL },
	{ "127.0.0.1", "loopback" },
	{ "127.255.255.254", "loopback" },
	{ "128.0.0.0", NULL },
	{ "168.63.129.16", "cloud metadata" },
	{ "168.63.129.17", NULL },
	{ "169.253.255.255", NULL },
	{ "169.254.169.254", "cloud metadata" },
	{ "169.254.0.23", "link-local" },
	{ "169.255.0.0", NULL },
	{ "172.15.255.255", NULL },
	{ "172.16.0.0", "private" },
	{ "172.31.255.255", "private" },
	{ "172.32.0.0", NULL },
	{ "192.0.0.192", "protocol" },
	{ "192.0.1.0", NULL },
	{ "192.0.2.1", "documentation" },
	{ "192.88.99.1", "6to4" },
	{ "192.167.255.255", NULL },
	{ "192.168.0.1", "private" },
	{ "192.169.0.0", NULL },
	{ "198.17.255.255", NULL },
	{ "198.18.0.1", "benchmarking" },
	{ "198.19.255.255", "benchmarking" },
	{ "198.20.0.0", NULL },
	{ "198.51.100.7", "documentation" },
	{ "203.0.113.7", "documentation" },
	{ "223.255.255.255", NULL },
	{ "224.0.0.1", "multicast" },
	{ "239.255.255.250", "multicast" },
	{ "240.0.0.1", "reserved" },
	{ "255.255.255.254", "reserved" },
	{ "255.255.255.255", "broadcast" },
	{ "2606:4700::1111", NULL },
	{ "2001:200::1", NULL },
	{ "3ffe::1", NULL },
	{ "::", "unspecified" },
	{ "::1", "loopback" },
	{ "::127.0.0.1", "IPv4-compatible" },
	{ "::8.8.8.8", "IPv4-compatible" },
	{ "::ffff:127.0.0.1", "IPv4-mapped" },
	{ "::ffff:9.9.9.9", "IPv4-mapped" },
	{ "::ffff:0:9.9.9.9", "not global" },
	{ "64:ff9b::127.0.0.1", "loopback" },
	{ "64:ff9b::a9fe:a9fe", "cloud metadata" },
	{ "64:ff9b::192.168.1.1", "private" },
	{ "64:ff9b::9.9.9.9", NULL },
	{ "64:ff9b:1::9.9.9.9", "local NAT64" },
	{ "100::1", "not global" },
	{ "2001::1", "Teredo" },
	{ "2001:0:5ef5:79fd::", "Teredo" },
	{ "2001:2::1", "protocol" },
	{ "2001:10::1", "protocol" },
	{ "2001:db8::1", "documentation" },
	{ "2002:7f00:1::", "6to4" },
	{ "2002:909:909::1", "6to4" },
	{ "3fff:fff::1", "documentation" },
	{ "4000::1", "not global" },
	{ "5f00::1", "not global" },
	{ "fc00::1", "private" },
	{ "fd00:ec2::254", "cloud metadata" },
	{ "fd20:ce::254", "private" },
	{ "fe80::1", "link-local" },
	{ "febf::1", "link-local" },
	{ "fec0::1", "site-local" },
	{ "ff02::1", "multicast" },
};

START_TEST(a_name_leads_to_public_addresses_only)
{
	struct cs_ip ip;
	const char *what;

	ck_assert_msg(cs_ip_parse(&ip, addresses[_i].addr), "%s", addresses[_i].addr);
	what = cs_ip_refusal(&ip);
	if (!addresses[_i].what)
		ck_assert_msg(!what, "%s: %s", addresses[_i].addr, what);
	else
		ck_assert_msg(
			what && strncmp(what, addresses[_i].what, strlen(addresses[_i].what)) == 0,
			"%s: %s, not %s", addresses[_i].addr, what ? what : "public",
			addresses[_i].what);
}
END_TEST

START_TEST(no_address_is_refused)
{
	struct cs_ip none = { 0 }, odd = { .family = AF_UNIX, .bytes = { 9, 9, 9, 9 } };
	char text[CS_IP_TEXT];

	ck_assert_ptr_nonnull(cs_ip_refusal(&none));
	ck_assert_ptr_nonnull(cs_ip_refusal(&odd));
	ck_assert_str_eq(cs_ip_format(text, &none), "?");
}
END_TEST

START_TEST(addresses_go_through_text_and_sockets)
{
	static const char *const same[] = { "9.9.9.9", "2600:9::1", "::1", "255.255.255.255" };
	static const char *const not [] = { "",		"9",	      "9.9.9",	    "9.9.9.9.",
					    "09.9.9.9", "9.9.9.256",  "0x7f.0.0.1", "::1%lo",
					    "[::1]",	"fe80::1/64", "localhost" };

	for (size_t i = 0; i < CS_COUNT(same); i++) {
		struct sockaddr_storage sa;
		struct cs_ip ip, back;
		char text[CS_IP_TEXT];
		uint16_t port;

		ck_assert_msg(cs_ip_parse(&ip, same[i]), "%s", same[i]);
		ck_assert_str_eq(cs_ip_format(text, &ip), same[i]);
		ck_assert_int_ne(cs_ip_to_sockaddr(&sa, &ip, 4711), 0);
		cs_ip_from_sockaddr(&back, &port, &sa);
		ck_assert_msg(cs_ip_equal(&ip, &back), "%s", same[i]);
		ck_assert_int_eq(port, 4711);
	}
	for (size_t i = 0; i < CS_COUNT(not ); i++) {
		struct cs_ip ip = { 0 };

		ck_assert_msg(!cs_ip_parse(&ip, not [i]) && !ip.family, "%s", not [i]);
	}
}
END_TEST

/* ---- rules ------------------------------------------------------------------------------- */

static const struct {
	const char *rule, *name;
	bool matches;
} matching[] = {
	{ "example.org", "example.org", true },
	{ "example.org", "a.example.org", false },
	{ "example.org", "example.orgx", false },
	{ "example.org", "xexample.org", false },
	{ "*.example.org", "example.org", false },
	{ "*.example.org", "a.example.org", true },
	{ "*.example.org", "b.a.example.org", true },
	{ "*.example.org", "xexample.org", false },
	{ "*.example.org", ".example.org", false },
	{ "*.example.org", "a.example.org.evil.test", false },
	{ "*", "anything.test", true },
	{ "*", "single", false },
	{ "*", "localhost", false },
};

START_TEST(rules_match_names)
{
	struct cs_egress_rule rule = { .host = matching[_i].rule };

	ck_assert_msg(cs_rule_matches(&rule, matching[_i].name) == matching[_i].matches, "%s ~ %s",
		      matching[_i].rule, matching[_i].name);
	rule.literal = true;
	ck_assert_msg(!cs_rule_matches(&rule, matching[_i].name), "literal %s ~ %s",
		      matching[_i].rule, matching[_i].name);
}
END_TEST

START_TEST(the_ports_of_a_name_come_from_all_its_rules)
{
	static const struct cs_egress_rule rules[] = {
		{ .host = "*.test", .origin = "wild" },
		{ .host = "a.test", .port = 22, .origin = "ssh" },
		{ .host = "a.test", .port = 443, .origin = "tls" },
		{ .host = "b.test", .port = 1, .origin = "b" },
		{ .host = "9.9.9.9", .port = 53, .literal = true, .origin = "literal" },
	};
	struct cs_target t[CS_EGRESS_PORTS_MAX];

	ck_assert_int_eq(cs_rules_targets(t, rules, CS_COUNT(rules), "a.test"), 3);
	ck_assert_int_eq(t[0].port, 22);
	ck_assert_int_eq(t[1].port, 443);
	ck_assert_str_eq(t[1].rule->origin, "tls");
	ck_assert_int_eq(t[2].port, 80);
	ck_assert_str_eq(t[2].rule->origin, "wild");
	ck_assert_int_eq(cs_rules_targets(t, rules, CS_COUNT(rules), "c.test"), 2);
	ck_assert_int_eq(cs_rules_targets(t, rules, CS_COUNT(rules), "test"), 0);
	ck_assert_int_eq(cs_rules_targets(t, rules, CS_COUNT(rules), "9.9.9.9"), 0);
	ck_assert_int_eq(cs_rules_targets(t, rules, 0, "a.test"), 0);
}
END_TEST

START_TEST(a_name_has_a_limited_number_of_ports)
{
	struct cs_egress_rule rules[CS_EGRESS_PORTS_MAX + 10];
	struct cs_target t[CS_EGRESS_PORTS_MAX];

	for (size_t i = 0; i < CS_COUNT(rules); i++)
		rules[i] = (struct cs_egress_rule){ .host = "a.test", .port = (uint16_t)(i + 1) };
	ck_assert_int_eq(cs_rules_targets(t, rules, CS_COUNT(rules), "a.test"),
			 CS_EGRESS_PORTS_MAX);
}
END_TEST

static const struct {
	struct cs_egress_rule rule;
	bool good;
} rule_checks[] = {
	{ { .host = "example.org" }, true },
	{ { .host = "*.example.org" }, true },
	{ { .host = "*" }, true },
	{ { .host = "localhost", .port = 1 }, true },
	{ { .host = "_srv.xn--bcher-kva.test" }, true },
	{ { .host = "" }, false },
	{ { .host = "Example.org" }, false },
	{ { .host = "example.org." }, false },
	{ { .host = "a..b" }, false },
	{ { .host = "**.a" }, false },
	{ { .host = "a.*.b" }, false },
	{ { .host = "*a.b" }, false },
	{ { .host = "*." }, false },
	{ { .host = "a b" }, false },
	{ { .host = "a/b" }, false },
	{ { .host = "10.0.0.5", .literal = true }, true },
	{ { .host = "127.0.0.1", .literal = true }, true },
	{ { .host = "169.254.169.254", .literal = true }, true },
	{ { .host = "::1", .literal = true }, true },
	{ { .host = "fd00::5", .literal = true }, true },
	{ { .host = "10.0.0", .literal = true }, false },
	{ { .host = "example.org", .literal = true }, false },
	{ { .host = "0.0.0.0", .literal = true }, false },
	{ { .host = "::", .literal = true }, false },
	{ { .host = "224.0.0.1", .literal = true }, false },
	{ { .host = "255.255.255.255", .literal = true }, false },
	{ { .host = "ff02::1", .literal = true }, false },
	{ { .host = "198.18.0.1", .literal = true }, false },
	{ { .host = "198.19.7.7", .literal = true }, false },
	{ { .host = "::ffff:10.0.0.5", .literal = true }, false },
};

START_TEST(rules_are_checked_before_use)
{
	struct cs_egress_rule rule = rule_checks[_i].rule;
	struct cs_err err = CS_ERR_INIT;
	int rc;

	rule.origin = "policy:7";
	rc = cs_rules_check(&rule, 1, &err);
	ck_assert_msg(rc == (rule_checks[_i].good ? 0 : CS_USAGE), "'%s': %d %s", rule.host, rc,
		      err.msg);
	if (rc < 0)
		ck_assert_ptr_nonnull(strstr(err.msg, "policy:7"));
}
END_TEST

START_TEST(there_is_a_limit_to_rules)
{
	static struct cs_egress_rule rules[1025];
	struct cs_err err;

	for (size_t i = 0; i < CS_COUNT(rules); i++)
		rules[i].host = "example.org";
	ck_assert_int_eq(cs_rules_check(rules, 1024, &err), 0);
	ck_assert_int_eq(cs_rules_check(rules, 1025, &err), CS_LIMIT);
}
END_TEST

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *in, *out; /* out NULL: no name */
} canonical[] = {
	{ "a", "a" },
	{ "WWW.Example.ORG", "www.example.org" },
	{ "example.org.", "example.org" },
	{ "_dmarc.a-b.c1", "_dmarc.a-b.c1" },
	{ L63 "." L63 "." L63 "."
	      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  L63 "." L63 "." L63 "."
	      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	{ L63 "." L63 "." L63 "."
	      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  NULL },
	{ L63 "a.b", NULL },
	{ "", NULL },
	{ ".", NULL },
	{ "..", NULL },
	{ "a..", NULL },
	{ ".a", NULL },
	{ "a..b", NULL },
	{ "a b", NULL },
	{ "a*b", NULL },
	{ "*.a", NULL },
	{ "a\\.b", NULL },
	{ "b\xc3\xbc"
	  "cher.test",
	  NULL },
	{ "a:80", NULL },
	{ "a/b", NULL },
};

START_TEST(names_have_one_spelling)
{
	char out[CS_NAME_MAX + 1];
	bool good = cs_name_canonical(out, canonical[_i].in, strlen(canonical[_i].in));

	ck_assert_msg(good == (canonical[_i].out != NULL), "'%s'", canonical[_i].in);
	if (good)
		ck_assert_str_eq(out, canonical[_i].out);
}
END_TEST

START_TEST(a_name_with_a_nul_is_none)
{
	char out[CS_NAME_MAX + 1];

	ck_assert(!cs_name_canonical(out, "good.test\0.evil.test", 20));
}
END_TEST

START_TEST(every_name_keeps_its_own_address)
{
	static struct in_addr seen[CS_EGRESS_NAMES_MAX];
	struct cs_names names = { 0 };
	char host[32];

	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < CS_EGRESS_NAMES_MAX; i++) {
			struct cs_name *name;
			uint32_t addr;

			/* not in their order */
			snprintf(host, sizeof host, "n%u.test", (i * 2654435761u) >> 4);
			name = cs_names_add(&names, host);
			ck_assert_ptr_nonnull(name);
			addr = ntohl(name->addr.s_addr);
			ck_assert_str_eq(name->host, host);
			ck_assert(cs_egress_net_has(name->addr));
			ck_assert_msg((addr & 255) != 0 && (addr & 255) != 255, "%#x", addr);
			ck_assert_msg(addr >> 8 != 0xc61200, "%#x", addr);
			ck_assert_ptr_eq(cs_names_by_addr(&names, name->addr), name);
			ck_assert_ptr_eq(cs_names_find(&names, host), name);
			if (round == 0)
				seen[i] = name->addr;
			ck_assert_int_eq(seen[i].s_addr, name->addr.s_addr);
			for (unsigned k = 0; round == 0 && k < i; k += 97)
				ck_assert_int_ne(seen[k].s_addr, seen[i].s_addr);
		}
	}
	ck_assert_ptr_null(cs_names_add(&names, "one.more.test"));
	ck_assert_ptr_null(cs_names_find(&names, "one.more.test"));
	cs_names_release(&names);
}
END_TEST

/* ---- name messages ----------------------------------------------------------------------- */

/* id 4711, RD, one question for www.Example.org A IN */
#define HEAD	 "\x12\x67\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define HEAD_AR	 "\x12\x67\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
#define WWW	 "\3www\7Example\3org\0"
#define OPT(ver) "\0\0\x29\x10\0\0" ver "\0\0\0\0"

static const struct {
	const char *name;
	const char *msg;
	size_t len;
	enum cs_dns_verdict verdict;
	int rcode; /* for CS_DNS_REPLY */
	const char *host;
} queries[] = {
#define Q(name, msg, ...)                               \
	{                                               \
		name, msg, sizeof(msg) - 1, __VA_ARGS__ \
	}
	Q("plain", HEAD WWW "\0\1\0\1", CS_DNS_LOOKUP, 0, "www.example.org"),
	Q("aaaa", HEAD WWW "\0\x1c\0\1", CS_DNS_LOOKUP, 0, "www.example.org"),
	Q("edns", HEAD_AR WWW "\0\1\0\1" OPT("\0"), CS_DNS_LOOKUP, 0, "www.example.org"),
	Q("edns 1", HEAD_AR WWW "\0\1\0\1" OPT("\1"), CS_DNS_REPLY, CS_DNS_BADVERS, NULL),
	Q("trailing bytes", HEAD WWW "\0\1\0\1xyz", CS_DNS_LOOKUP, 0, "www.example.org"),
	Q("root", HEAD "\0\0\1\0\1", CS_DNS_LOOKUP, 0, ""),
	Q("odd label", HEAD "\4a.b*\3org\0\0\1\0\1", CS_DNS_LOOKUP, 0, ""),
	Q("nul in a label", HEAD "\7good\0xy\3org\0\0\1\0\1", CS_DNS_LOOKUP, 0, ""),
	Q("any", HEAD WWW "\0\xff\0\1", CS_DNS_REPLY, CS_DNS_REFUSED, NULL),
	Q("axfr", HEAD WWW "\0\xfc\0\1", CS_DNS_REPLY, CS_DNS_REFUSED, NULL),
	Q("ixfr", HEAD WWW "\0\xfb\0\1", CS_DNS_REPLY, CS_DNS_REFUSED, NULL),
	Q("chaos", HEAD WWW "\0\1\0\3", CS_DNS_REPLY, CS_DNS_REFUSED, NULL),
	Q("class any", HEAD WWW "\0\1\0\xff", CS_DNS_REPLY, CS_DNS_REFUSED, NULL),
	Q("answer", "\x12\x67\x81\x80\0\1\0\0\0\0\0\0" WWW "\0\1\0\1", CS_DNS_DROP, 0, NULL),
	Q("update", "\x12\x67\x28\x00\0\1\0\0\0\0\0\0" WWW "\0\1\0\1", CS_DNS_REPLY, CS_DNS_NOTIMP,
	  NULL),
	Q("no question", "\x12\x67\1\0\0\0\0\0\0\0\0\0", CS_DNS_REPLY, CS_DNS_FORMERR, NULL),
	Q("two questions", "\x12\x67\1\0\0\2\0\0\0\0\0\0" WWW "\0\1\0\1" WWW "\0\1\0\1",
	  CS_DNS_REPLY, CS_DNS_FORMERR, NULL),
	Q("short header", "\x12\x67\1\0\0\1\0\0\0\0\0", CS_DNS_DROP, 0, NULL),
	Q("empty", "", CS_DNS_DROP, 0, NULL),
	Q("cut name", HEAD "\3www\7Exam", CS_DNS_REPLY, CS_DNS_FORMERR, NULL),
	Q("cut type", HEAD WWW "\0\1\0", CS_DNS_REPLY, CS_DNS_FORMERR, NULL),
	Q("pointer", HEAD "\xc0\x0c\0\1\0\1", CS_DNS_REPLY, CS_DNS_FORMERR, NULL),
	Q("pointer behind a label", HEAD "\3www\xc0\x0c\0\1\0\1", CS_DNS_REPLY, CS_DNS_FORMERR,
	  NULL),
	Q("long label", HEAD "\x40" L63 "a\0\0\1\0\1", CS_DNS_REPLY, CS_DNS_FORMERR, NULL),
	Q("long name", HEAD "\x3f" L63 "\x3f" L63 "\x3f" L63 "\x3f" L63 "\0\0\1\0\1", CS_DNS_REPLY,
	  CS_DNS_FORMERR, NULL),
	Q("two opt", "\x12\x67\1\0\0\1\0\0\0\0\0\2" WWW "\0\1\0\1" OPT("\0") OPT("\0"),
	  CS_DNS_REPLY, CS_DNS_FORMERR, NULL),
	Q("cut opt", HEAD_AR WWW "\0\1\0\1\0\0\x29\x10\0", CS_DNS_REPLY, CS_DNS_FORMERR, NULL),
	Q("opt data too long", HEAD_AR WWW "\0\1\0\1\0\0\x29\x10\0\0\0\0\0\0\7x", CS_DNS_REPLY,
	  CS_DNS_FORMERR, NULL),
	Q("many records", "\x12\x67\1\0\0\1\xff\xff\xff\xff\xff\xff" WWW "\0\1\0\1", CS_DNS_REPLY,
	  CS_DNS_FORMERR, NULL),
};

START_TEST(queries_are_read)
{
	struct cs_dns_query q;
	enum cs_dns_rcode rcode = CS_DNS_NOERROR;
	enum cs_dns_verdict v =
		cs_dns_parse(&q, &rcode, (const uint8_t *)queries[_i].msg, queries[_i].len);

	ck_assert_msg(v == queries[_i].verdict, "%s: verdict %d", queries[_i].name, v);
	if (v == CS_DNS_REPLY)
		ck_assert_msg((int)rcode == queries[_i].rcode, "%s: rcode %d", queries[_i].name,
			      rcode);
	if (queries[_i].host)
		ck_assert_msg(strcmp(q.host, queries[_i].host) == 0, "%s: '%s'", queries[_i].name,
			      q.host);
}
END_TEST

/* Every query that is cut short is malformed or dropped, and never looked up as another name. */
START_TEST(a_cut_query_is_never_looked_up)
{
	static const char whole[] = HEAD_AR WWW "\0\1\0\1" OPT("\0");

	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct cs_dns_query q;
		enum cs_dns_rcode rcode;
		uint8_t *exact = malloc(len ? len : 1); /* for the sanitizer */

		memcpy(exact, whole, len);
		ck_assert_msg(cs_dns_parse(&q, &rcode, exact, len) != CS_DNS_LOOKUP, "%zu bytes",
			      len);
		free(exact);
	}
}
END_TEST

START_TEST(odd_names_are_shown_escaped)
{
	static const char msg[] = HEAD "\6a.\\\n\0\xff\3org\0\0\1\0\1";
	struct cs_dns_query q;
	enum cs_dns_rcode rcode;

	ck_assert_int_eq(cs_dns_parse(&q, &rcode, (const uint8_t *)msg, sizeof(msg) - 1),
			 CS_DNS_LOOKUP);
	ck_assert_str_eq(q.name, "a\\046\\092\\010\\000\\255.org");
}
END_TEST

START_TEST(answers_are_written)
{
	static const char msg[] = HEAD_AR WWW "\0\1\0\1" OPT("\0");
	static const char wanted[] = "\x12\x67\x85\x80\0\1\0\1\0\0\0\1" WWW "\0\1\0\1"
				     "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x12\1\1"
				     "\0\0\x29\4\xd0\0\0\0\0\0\0";
	struct in_addr addr = { htonl(0xc6120101) };
	struct cs_dns_data data = { .a = &addr };
	uint8_t out[CS_DNS_MAX_OUT];
	struct cs_dns_query q;
	enum cs_dns_rcode rcode;
	size_t len;

	ck_assert_int_eq(cs_dns_parse(&q, &rcode, (const uint8_t *)msg, sizeof(msg) - 1),
			 CS_DNS_LOOKUP);
	len = cs_dns_answer(out, &q, CS_DNS_NOERROR, &data);
	ck_assert_int_eq(len, sizeof(wanted) - 1);
	ck_assert_mem_eq(out, wanted, len);
	ck_assert_int_le(CS_DNS_TTL, 60);
}
END_TEST

START_TEST(errors_are_answered_with_the_question)
{
	static const char msg[] = HEAD WWW "\0\1\0\1";
	static const char wanted[] = "\x12\x67\x85\x83\0\1\0\0\0\0\0\0" WWW "\0\1\0\1";
	static const char nothing[] = "\x12\x67\x85\x81\0\0\0\0\0\0\0\0";
	uint8_t out[CS_DNS_MAX_OUT];
	struct cs_dns_query q;
	enum cs_dns_rcode rcode;

	cs_dns_parse(&q, &rcode, (const uint8_t *)msg, sizeof(msg) - 1);
	ck_assert_int_eq(cs_dns_answer(out, &q, CS_DNS_NXDOMAIN, NULL), sizeof(wanted) - 1);
	ck_assert_mem_eq(out, wanted, sizeof(wanted) - 1);
	cs_dns_parse(&q, &rcode, (const uint8_t *)msg, 20);
	ck_assert_int_eq(cs_dns_answer(out, &q, CS_DNS_FORMERR, NULL), sizeof(nothing) - 1);
	ck_assert_mem_eq(out, nothing, sizeof(nothing) - 1);
}
END_TEST

START_TEST(the_longest_answer_fits)
{
	static const char msg[] =
		HEAD_AR "\x3f" L63 "\x3f" L63 "\x3f" L63 "\x3d"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"\0\0\x0c\0\1" OPT("\0");
	uint8_t out[CS_DNS_MAX_OUT];
	struct cs_dns_query q;
	enum cs_dns_rcode rcode;
	struct cs_dns_data data;

	ck_assert_int_eq(cs_dns_parse(&q, &rcode, (const uint8_t *)msg, sizeof(msg) - 1),
			 CS_DNS_LOOKUP);
	data = (struct cs_dns_data){ .ptr = q.host };
	ck_assert_int_eq(strlen(q.host), 253);
	ck_assert_int_eq(cs_dns_answer(out, &q, CS_DNS_NOERROR, &data), 12 + 259 + 12 + 255 + 11);
}
END_TEST

static const struct {
	const char *host, *addr;
} reverses[] = {
	{ "1.0.18.198.in-addr.arpa", "198.18.0.1" },
	{ "4.3.2.1.in-addr.arpa", "1.2.3.4" },
	{ "255.254.253.252.in-addr.arpa", "252.253.254.255" },
	{ "in-addr.arpa", NULL },
	{ ".in-addr.arpa", NULL },
	{ "3.2.1.in-addr.arpa", NULL },
	{ "5.4.3.2.1.in-addr.arpa", NULL },
	{ "256.3.2.1.in-addr.arpa", NULL },
	{ "4.3.2.1in-addr.arpa", NULL },
	{ "4.3.2.1.in-addr.arpax", NULL },
	{ "4.3.2.1.ip6.arpa", NULL },
	{ "4.3.2.1", NULL },
	{ "1111111111111111111111111.in-addr.arpa", NULL },
};

START_TEST(reverse_names_are_read)
{
	struct in_addr addr = { 0 };
	bool good = cs_dns_reverse(&addr, reverses[_i].host);
	char text[INET_ADDRSTRLEN];

	ck_assert_msg(good == (reverses[_i].addr != NULL), "%s", reverses[_i].host);
	if (good)
		ck_assert_str_eq(inet_ntop(AF_INET, &addr, text, sizeof text), reverses[_i].addr);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress");
	TCase *addr = tcase_create("addr"), *rules = tcase_create("rules");
	TCase *dns = tcase_create("dns");

	tcase_add_loop_test(addr, a_name_leads_to_public_addresses_only, 0, CS_COUNT(addresses));
	tcase_add_test(addr, no_address_is_refused);
	tcase_add_test(addr, addresses_go_through_text_and_sockets);
	suite_add_tcase(s, addr);
	tcase_add_loop_test(rules, rules_match_names, 0, CS_COUNT(matching));
	tcase_add_test(rules, the_ports_of_a_name_come_from_all_its_rules);
	tcase_add_test(rules, a_name_has_a_limited_number_of_ports);
	tcase_add_loop_test(rules, rules_are_checked_before_use, 0, CS_COUNT(rule_checks));
	tcase_add_test(rules, there_is_a_limit_to_rules);
	tcase_add_loop_test(rules, names_have_one_spelling, 0, CS_COUNT(canonical));
	tcase_add_test(rules, a_name_with_a_nul_is_none);
	tcase_add_test(rules, every_name_keeps_its_own_address);
	suite_add_tcase(s, rules);
	tcase_add_loop_test(dns, queries_are_read, 0, CS_COUNT(queries));
	tcase_add_test(dns, a_cut_query_is_never_looked_up);
	tcase_add_test(dns, odd_names_are_shown_escaped);
	tcase_add_test(dns, answers_are_written);
	tcase_add_test(dns, errors_are_answered_with_the_question);
	tcase_add_test(dns, the_longest_answer_fits);
	tcase_add_loop_test(dns, reverse_names_are_read, 0, CS_COUNT(reverses));
	suite_add_tcase(s, dns);
	return unit_run(s);
}
