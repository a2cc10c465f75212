/* SPDX-License-Identifier: Apache-2.0 */
/* Network terms and the rules that a policy makes of them. */
#include "countersign/policy.h"

#include "policy_unit.h"

static const struct {
	const char *term;
	const char *host; /* NULL: refused */
	int port;	  /* -1: any */
	bool literal;
} terms[] = {
	{ "example.org", "example.org", 0, false },
	{ "Example.ORG.", "example.org", 0, false },
	{ "example.org:8443", "example.org", 8443, false },
	{ "example.org:*", "example.org", -1, false },
	{ "localhost", "localhost", 0, false },
	{ "localhost:11434", "localhost", 11434, false },
	{ "_srv.a-b.example", "_srv.a-b.example", 0, false },
	{ "xn--bcher-kva.example", "xn--bcher-kva.example", 0, false },
	{ "*.example.org", "*.example.org", 0, false },
	{ "*.Example.org.:443", "*.example.org", 443, false },
	{ "3com.example", "3com.example", 0, false },
	{ "1.2.3.4", "1.2.3.4", 0, true },
	{ "127.0.0.1:8080", "127.0.0.1", 8080, true },
	{ "127.0.0.1:*", "127.0.0.1", -1, true },
	{ "[::1]", "::1", 0, true },
	{ "[FD00:0:0::1]:53", "fd00::1", 53, true },
	{ "[fe80::1]:*", "fe80::1", -1, true },
	{ "", NULL },
	{ ".", NULL },
	{ ":80", NULL },
	{ "example.org:", NULL },
	{ "example.org:0", NULL },
	{ "example.org:080", NULL },
	{ "example.org:65536", NULL },
	{ "example.org:123456", NULL },
	{ "example.org:+1", NULL },
	{ "example.org:http", NULL },
	{ "example.org:80:90", NULL },
	{ "example..org", NULL },
	{ ".example.org", NULL },
	{ "example.org..", NULL },
	{ "-a.example", NULL },
	{ "a-.example", NULL },
	{ "a b", NULL },
	{ "b\xc3\xbc"
	  "cher.example",
	  NULL },
	{ "g\xd1\x96thub.com", NULL },
	{ "example.org/path", NULL },
	{ "https://example.org", NULL },
	{ "user@example.org", NULL },
	{ "*", NULL },
	{ "*.org", NULL },
	{ "*.", NULL },
	{ "a.*.example.org", NULL },
	{ "*a.example.org", NULL },
	{ "**.example.org", NULL },
	{ "*.1.2.3.4", NULL },
	{ "127.1", NULL },
	{ "1.2.3", NULL },
	{ "1.2.3.4.5", NULL },
	{ "1.2.3.4.", NULL },
	{ "01.2.3.4", NULL },
	{ "1.2.3.256", NULL },
	{ "0x7f.1", NULL },
	{ "0x7f000001", NULL },
	{ "a.0x7f", NULL },
	{ "2130706433", NULL },
	{ "0.0.0.0", NULL },
	{ "::1", NULL },
	{ "::1:80", NULL },
	{ "[::1", NULL },
	{ "[::1]80", NULL },
	{ "[::1]:", NULL },
	{ "[::]", NULL },
	{ "[::ffff:127.0.0.1]", NULL },
	{ "[::127.0.0.1]", NULL },
	{ "[fe80::1%eth0]", NULL },
	{ "[1.2.3.4]", NULL },
	{ "[]", NULL },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", NULL },
};

START_TEST(term)
{
	struct cs_net_rule rule = { .port = 7 };
	char host[256] = "untouched";
	struct cs_err err = CS_ERR_INIT;
	const char *text = terms[_i].term;
	int rc = cs_net_rule_parse(&rule, host, text, &err);

	if (!terms[_i].host) {
		ck_assert_msg(rc == CS_CORRUPT && err.code == rc && *err.msg, "%s: %d", text, rc);
		ck_assert_msg(rule.port == 7 && !strcmp(host, "untouched"), "%s", text);
		return;
	}
	ck_assert_msg(rc == 0, "%s: %s", text, err.msg);
	ck_assert_msg(!strcmp(host, terms[_i].host) && rule.host == host, "%s: %s", text, host);
	ck_assert_msg(rule.port == (terms[_i].port < 0 ? 0 : terms[_i].port), "%s: %d", text,
		      rule.port);
	ck_assert_msg(rule.any_port == (terms[_i].port < 0), "%s", text);
	ck_assert_msg(rule.literal == terms[_i].literal, "%s", text);
}
END_TEST

START_TEST(long_names)
{
	AUTO_BUF struct cs_buf name = CS_BUF_INIT;
	struct cs_net_rule rule;
	char host[256];

	while (name.len < 248)
		cs_buf_adds(&name, "abcdefg.");
	cs_buf_adds(&name, "abcde"); /* 253 */
	ck_assert_int_eq(cs_net_rule_parse(&rule, host, name.data, NULL), 0);
	cs_buf_adds(&name, "f");
	ck_assert_int_eq(cs_net_rule_parse(&rule, host, name.data, NULL), CS_CORRUPT);
	while (name.len < 1000)
		cs_buf_adds(&name, "f");
	ck_assert_int_eq(cs_net_rule_parse(&rule, host, name.data, NULL), CS_CORRUPT);
}
END_TEST

START_TEST(net_rules)
{
	static const char text[] = "[network]\n\tallow = A.example, @profile a.example. [::1]:80\n"
				   "\tallow = a.example:443 a.example:*\n";
	static const struct {
		const char *host;
		int port;
		bool any, literal;
		const char *origin;
	} want[] = {
		{ "a.example", 0, false, false, "f:2" },
		{ "::1", 80, false, true, "f:2" },
		{ "a.example", 443, false, false, "f:3" },
		{ "a.example", 0, true, false, "f:3" },
		{ "x.example", 1, false, false, "--allow-host" },
	};
	AUTO_POLICY struct cs_policy *p;
	const struct cs_net_rule *rules;

	cs_policy_new(&p);
	add(p, CS_LAYER_OPERATOR, "f", text);
	ck_assert_int_eq(cs_policy_set(p, CS_LAYER_OPTION, "--allow-host", "network.allow",
				       "x.example:1", NULL),
			 0);
	seal(p);
	ck_assert_uint_eq(cs_policy_net_rules(p, &rules), CS_COUNT(want));
	for (size_t i = 0; i < CS_COUNT(want); i++) {
		ck_assert_str_eq(rules[i].host, want[i].host);
		ck_assert_int_eq(rules[i].port, want[i].port);
		ck_assert_int_eq(rules[i].any_port, want[i].any);
		ck_assert_int_eq(rules[i].literal, want[i].literal);
		ck_assert_str_eq(rules[i].origin, want[i].origin);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy_net");
	TCase *t = tcase_create("policy_net");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, term, 0, CS_COUNT(terms));
	tcase_add_test(t, long_names);
	tcase_add_test(t, net_rules);
	suite_add_tcase(s, t);
	return unit_run(s);
}
