/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/policy.h"

#include "policy_unit.h"

static char *format(const struct cs_policy *p, bool with_origin)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	cs_policy_format(&out, p, with_origin);
	return cs_buf_take(&out);
}

/* ---- denial by default ----------------------------------------------------------------------- */

static void must_deny(const struct cs_policy *p)
{
	static const char *const names[] = { "sandbox.timeout",
					     "sandbox.debuggers",
					     "network.allow",
					     "network.default",
					     "gate.@default.require",
					     "no.such",
					     "",
					     "." };
	const struct cs_net_rule *rules;
	const struct cs_command_rule *commands;

	for (size_t i = 0; i < CS_COUNT(names); i++) {
		ck_assert_int_eq(cs_policy_int(p, names[i]), 0);
		ck_assert(!cs_policy_bool(p, names[i]));
		ck_assert_ptr_null(cs_policy_str(p, names[i]));
		ck_assert_ptr_nonnull(cs_policy_list(p, names[i]));
		ck_assert_uint_eq(cs_policy_list(p, names[i])->n, 0);
		ck_assert_ptr_nonnull(cs_policy_origin(p, names[i]));
	}
	ck_assert_uint_eq(cs_policy_net_rules(p, &rules), 0);
	ck_assert_uint_eq(cs_policy_commands(p, &commands), 0);
	ck_assert(!cs_policy_net_profile(p));
	ck_assert_ptr_null(cs_policy_digest(p));
	ck_assert_uint_eq(cs_policy_sources(p)->n, 0);
	ck_assert_int_eq(cs_policy_memory(p, 1000), 0);
}

START_TEST(zero_denies)
{
	struct cs_policy zero = { 0 };
	struct cs_policy *unsealed;
	const struct cs_command_rule rule = { 0 };

	must_deny(NULL);
	must_deny(&zero);
	cs_policy_new(&unsealed);
	must_deny(unsealed);
	cs_policy_free(unsealed);
	ck_assert_int_eq(rule.decision, CS_FORBID);
}
END_TEST

/* Sealed without any statement, not even the built-in ones. */
START_TEST(empty_denies)
{
	AUTO_POLICY struct cs_policy *p = cs_calloc(1, sizeof(*p));
	const struct cs_net_rule *rules;

	seal(p);
	ck_assert_uint_eq(cs_policy_net_rules(p, &rules), 0);
	ck_assert_ptr_null(cs_policy_str(p, "sandbox.debuggers"));
	ck_assert_uint_eq(cs_policy_list(p, "sandbox.env")->n, 0);
	ck_assert(!cs_policy_net_profile(p));
}
END_TEST

START_TEST(failure_spoils)
{
	AUTO_POLICY struct cs_policy *p;
	struct cs_err err = CS_ERR_INIT;

	cs_policy_new(&p);
	ck_assert_int_eq(cs_policy_add(p, CS_LAYER_OPERATOR, "f", "[x]\ny=1\n", 8, NULL),
			 CS_CORRUPT);
	ck_assert_int_eq(cs_policy_seal(p, &err), CS_REFUSED);
	must_deny(p);
	ck_assert_int_eq(cs_policy_seal(p, &err), CS_REFUSED);
}
END_TEST

START_TEST(sealed_once)
{
	AUTO_POLICY struct cs_policy *p;

	cs_policy_new(&p);
	seal(p);
	ck_assert_int_eq(cs_policy_seal(p, NULL), CS_REFUSED);
	ck_assert_int_lt(cs_policy_add(p, CS_LAYER_OPTION, "f", "", 0, NULL), 0);
	ck_assert_int_lt(cs_policy_set(p, CS_LAYER_OPTION, "--x", "sandbox.disk", "1", NULL), 0);
}
END_TEST

/* ---- defaults -------------------------------------------------------------------------------- */

START_TEST(defaults)
{
	static const struct {
		const char *key;
		const char *value;
	} rows[] = {
		{ "sandbox.require", "user mount pid net seccomp" },
		{ "sandbox.timeout", "2h" },
		{ "sandbox.processes", "4096" },
		{ "sandbox.memory", "75%" },
		{ "sandbox.disk", "20g" },
		{ "sandbox.diskFree", "1g" },
		{ "sandbox.output", "1g" },
		{ "sandbox.env", "LANG LC_* TERM COLORTERM TZ" },
		{ "sandbox.debuggers", "allow" },
		{ "sandbox.hide", "" },
		{ "network.default", "ask" },
		{ "network.allow", "@profile" },
		{ "network.private", "" },
		{ "request.timeout", "90s" },
		{ "worktree.mode", "auto" },
		{ "worktree.history", "all" },
		{ "record.share", "statements" },
		{ "record.keep", "30d" },
		{ "review.sensitive",
		  ".github/** .gitlab-ci.yml .husky/** .vscode/** .envrc .gitattributes "
		  ".gitmodules .countersign/** Makefile *.lock *-lock.*" },
		{ "command.git push.decision", "forbid" },
		{ "gate.@default.require", "agent" },
		{ "gate.@default.signoffs", "1" },
		{ "gate.@default.signer", "*" },
		{ "gate.@default.selfreview", "true" },
		{ "gate.@default.presence", "none" },
		{ "gate.@default.binding", "transitions" },
	};
	AUTO_POLICY struct cs_policy *p;
	const struct cs_command_rule *commands;

	cs_policy_new(&p);
	seal(p);
	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		AUTO_FREE char *value = value_of(p, rows[i].key);

		ck_assert_msg(!strcmp(value, rows[i].value), "%s: %s", rows[i].key, value);
		ck_assert_str_eq(cs_policy_origin(p, rows[i].key), "built-in");
	}
	ck_assert_int_eq(cs_policy_int(p, "sandbox.timeout"), 2 * 3600 * 1000);
	ck_assert_int_eq(cs_policy_int(p, "sandbox.disk"), INT64_C(20) << 30);
	ck_assert_str_eq(cs_policy_str(p, "sandbox.debuggers"), "allow");
	ck_assert(cs_policy_bool(p, "gate.@default.selfreview"));
	ck_assert_str_eq(cs_policy_str(p, "network.default"), "ask");
	ck_assert(cs_policy_net_profile(p));
	ck_assert_uint_eq(cs_policy_commands(p, &commands), 1);
	ck_assert_str_eq(commands[0].words, "git push");
	ck_assert_int_eq(commands[0].decision, CS_FORBID);
	ck_assert_str_eq(commands[0].reason, "the gate pushes, the agent does not");
	ck_assert_str_eq(commands[0].origin, "built-in");
	ck_assert_uint_eq(cs_policy_sources(p)->n, 1);
}
END_TEST

START_TEST(memory)
{
	static const struct {
		const char *value;
		int64_t total, want;
	} rows[] = {
		{ "75%", 1000, 750 },	  { "1k", 1000, 1024 },
		{ "75% 512", 1000, 512 }, { "75% 1k", 1000, 750 },
		{ "1k, 50%", 1000, 500 }, { "none", 1000, 0 },
		{ "100%", 100, 100 },	  { "50%", INT64_MAX - 7, (INT64_MAX - 7) / 100 * 50 },
	};

	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		AUTO_POLICY struct cs_policy *p;

		cs_policy_new(&p);
		ck_assert_int_eq(cs_policy_set(p, CS_LAYER_OPTION, "--m", "sandbox.memory",
					       rows[i].value, NULL),
				 0);
		seal(p);
		ck_assert_msg(cs_policy_memory(p, rows[i].total) == rows[i].want, "%s: %jd",
			      rows[i].value, (intmax_t)cs_policy_memory(p, rows[i].total));
	}
}
END_TEST

/* ---- what a document may say ----------------------------------------------------------------- */

static const struct {
	const char *text;
	const char *error; /* NULL: accepted */
} documents[] = {
	{ "", NULL },
	{ "[sandbox]\n", NULL },
	{ "[sandbox]\n\ttimeout = 10m\n", NULL },
	{ "[Sandbox]\n\tTimeout = none\n", NULL },
	{ "[sandbox]\n\tenv = A B\n\tenv = C\n", NULL },
	{ "[sandbox]\n\thide = .env *.pem a/..b/c..\n", NULL },
	{ "[sandbox]\n\trequire = ipc,landlock\n", NULL },
	{ "[network]\n\tallow = example.org [::1]:80 @profile *.example.org:443\n", NULL },
	{ "[network]\n\tprivate = 10.0.0.0/8 fd00::/8 intranet.example.org 10.1.2.3 ::1\n", NULL },
	{ "[gate \"main\"]\n\tselfReview\n", NULL },
	{ "[command \"rm -rf\"]\n\tdecision = ask\n\treason = \"why; not # yet\"\n", NULL },
	{ "[netwrok]\n\tallow = x\n", "f:2: unknown key 'netwrok.allow'" },
	{ "[network]\n\n\talow = x\n", "f:3: unknown key 'network.alow'" },
	{ "[sandbox]\n\tselfReview = true\n", "f:2: unknown key 'sandbox.selfreview'" },
	{ "[sandbox \"x\"]\n\ttimeout = 1h\n", "f:2: section 'sandbox' does not take a name" },
	{ "[command]\n\tdecision = ask\n",
	  "f:2: section 'command' needs a name: [command \"...\"]" },
	{ "[command \" \"]\n\tdecision = ask\n", "f:2: command. .decision: the name is empty" },
	{ "[gate \"a\x1b\"]\n\tsignoffs = 1\n", "f:1: control character 0x1b" },
	{ "[include]\n\tpath = /etc/passwd\n", "f:1: nothing can be included here" },
	{ "[sandbox]\n\ttimeout = 1h\n\ttimeout = 2h\n",
	  "f:3: sandbox.timeout: set already in line 2" },
	{ "[sandbox]\n\tdisk = 1\n[network]\n[sandbox]\n\tDISK = 1\n",
	  "f:5: sandbox.disk: set already in line 2" },
	{ "[gate \"a\"]\n\tsignoffs = 1\n[gate \"b\"]\n\tsignoffs = 1\n", NULL },
	{ "[gate \"a\"]\n\tsignoffs = 1\n[gate \"a\"]\n\tsignoffs = 1\n",
	  "f:4: gate.a.signoffs: set already in line 2" },
	{ "[command \"a b\"]\n\tdecision = ask\n[command \"a  b\"]\n\tdecision = ask\n",
	  "f:4: command.a  b.decision: set already in line 2" },
	{ "[sandbox]\n\ttimeout\n", "f:2: sandbox.timeout: needs a value" },
	{ "[sandbox]\n\ttimeout =\n", "f:2: sandbox.timeout: needs a value" },
	{ "[sandbox]\n\tenv\n", "f:2: sandbox.env: needs a value" },
	{ "[sandbox]\n\ttimeout = 1y\n", "f:2: sandbox.timeout: not a duration" },
	{ "[sandbox]\n\ttimeout = -1\n", "f:2: sandbox.timeout: not a duration" },
	{ "[sandbox]\n\tprocesses = 1k\n", "f:2: sandbox.processes: not a number" },
	{ "[sandbox]\n\tprocesses = -1\n", "f:2: sandbox.processes: not a number" },
	{ "[sandbox]\n\tprocesses = 12345678901\n", "f:2: sandbox.processes: not a number" },
	{ "[sandbox]\n\tdisk = 1.5g\n", "f:2: sandbox.disk: not a size" },
	{ "[sandbox]\n\tdisk = 99999999999999999999\n", "f:2: sandbox.disk: not a size" },
	{ "[sandbox]\n\tmemory = 101%\n", "f:2: sandbox.memory: not a size" },
	{ "[sandbox]\n\tmemory = 0%\n", "f:2: sandbox.memory: not a size" },
	{ "[sandbox]\n\tmemory = 1g 2g\n", "f:2: sandbox.memory: not a size" },
	{ "[sandbox]\n\tmemory = 1% 2%\n", "f:2: sandbox.memory: not a size" },
	{ "[sandbox]\n\tmemory = ,\n", "f:2: sandbox.memory: not a size" },
	{ "[sandbox]\n\tmemory = 1g none\n", "f:2: sandbox.memory: not a size" },
	{ "[sandbox]\n\tdebuggers = yes\n", "f:2: sandbox.debuggers: must be one of deny, allow" },
	{ "[sandbox]\n\tdebuggers = Allow\n", "f:2: sandbox.debuggers: must be one of" },
	{ "[sandbox]\n\tenv = *\n", "f:2: sandbox.env: '*': not the name of an environment" },
	{ "[sandbox]\n\tenv = A=B\n", "f:2: sandbox.env: 'A=B': not the name" },
	{ "[sandbox]\n\tenv = 1A\n", "f:2: sandbox.env: '1A': not the name" },
	{ "[sandbox]\n\tenv = A*B\n", "f:2: sandbox.env: 'A*B': not the name" },
	{ "[sandbox]\n\trequire = usr\n", "f:2: sandbox.require: 'usr': no such layer" },
	{ "[sandbox]\n\thide = ../x\n", "f:2: sandbox.hide: '../x': leaves the repository" },
	{ "[sandbox]\n\thide = /x\n",
	  "f:2: sandbox.hide: '/x': no path matches: leave out a / at start or end, // and ./" },
	{ "[sandbox]\n\thide = a/\n",
	  "f:2: sandbox.hide: 'a/': no path matches: leave out a / at start or end, // and ./" },
	{ "[sandbox]\n\thide = a//b\n",
	  "f:2: sandbox.hide: 'a//b': no path matches: leave out a / at start or end, // and ./" },
	{ "[sandbox]\n\thide = ./a\n",
	  "f:2: sandbox.hide: './a': no path matches: leave out a / at start or end, // and ./" },
	{ "[sandbox]\n\thide = a/..\n", "f:2: sandbox.hide: 'a/..': leaves the repository" },
	{ "[sandbox]\n\thide = \"a\\nb\"\n", "f:2: sandbox.hide: control character" },
	{ "[network]\n\tdefault = allow\n", "f:2: network.default: must be one of deny, ask" },
	{ "[network]\n\tallow = @nmp\n", "f:2: network.allow: '@nmp': no such group" },
	{ "[network]\n\tallow = a.b https://c.d\n",
	  "f:2: network.allow: 'https://c.d': a URL; name the host alone" },
	{ "[network]\n\tprivate = 10.0.0.0/33\n", "f:2: network.private: '10.0.0.0/33': not an" },
	{ "[network]\n\tprivate = 10.0.0.0/\n", "f:2: network.private: '10.0.0.0/': not an" },
	{ "[network]\n\tprivate = x/8\n", "f:2: network.private: 'x/8': not an" },
	{ "[network]\n\tprivate = fd00::/x\n", "f:2: network.private: 'fd00::/x': not a" },
	{ "[gate \"a\"]\n\tselfReview = maybe\n",
	  "f:2: gate.a.selfreview: neither true nor false" },
	{ "[gate \"a\"]\n\tsignoffs = none\n", "f:2: gate.a.signoffs: not a number" },
	{ "[gate \"a\"]\n\tpresence = fingerprint\n", "f:2: gate.a.presence: must be one of" },
	{ "[command \"x\"]\n\tdecision = deny\n",
	  "f:2: command.x.decision: must be one of forbid" },
	{ "[command \"x\"]\n\treason = \"a\\nb\"\n", "f:2: command.x.reason: control character" },
};

START_TEST(document)
{
	AUTO_POLICY struct cs_policy *p;
	struct cs_err err = CS_ERR_INIT;
	const char *text = documents[_i].text;
	int rc;

	cs_policy_new(&p);
	rc = cs_policy_add(p, CS_LAYER_OPERATOR, "f", text, strlen(text), &err);
	if (!documents[_i].error) {
		ck_assert_msg(rc == 0 && cs_policy_seal(p, &err) == 0, "%s: %s", text, err.msg);
		return;
	}
	ck_assert_msg(rc == CS_CORRUPT && err.code == CS_CORRUPT, "%s: %d", text, rc);
	ck_assert_msg(!strncmp(err.msg, documents[_i].error, strlen(documents[_i].error)), "%s: %s",
		      text, err.msg);
}
END_TEST

START_TEST(reason_without_decision)
{
	static const char text[] = "[command \"x\"]\n\treason = why\n";
	static const char push[] = "[command \"git push\"]\n\treason = why\n";
	AUTO_POLICY struct cs_policy *p;
	AUTO_POLICY struct cs_policy *q;
	const struct cs_command_rule *commands;
	struct cs_err err = CS_ERR_INIT;

	cs_policy_new(&p);
	add(p, CS_LAYER_OPERATOR, "f", text);
	ck_assert_int_eq(cs_policy_seal(p, &err), CS_CORRUPT);
	ck_assert_str_eq(err.msg, "f:2: this command has no decision");
	/* The built-in rule has one. */
	cs_policy_new(&q);
	add(q, CS_LAYER_OPERATOR, "f", push);
	seal(q);
	ck_assert_uint_eq(cs_policy_commands(q, &commands), 1);
	ck_assert_int_eq(commands[0].decision, CS_FORBID);
	ck_assert_str_eq(commands[0].reason, "why");
}
END_TEST

START_TEST(set_errors)
{
	static const struct {
		const char *key, *value, *error;
	} rows[] = {
		{ "network.allow", "a b:0", "--o: network.allow: 'b:0': the port" },
		{ "network.nope", "a", "--o: unknown key 'network.nope'" },
		{ "network", "a", "--o: unknown key 'network'" },
		{ "", "a", "--o: unknown key ''" },
		{ "sandbox.timeout", "x", "--o: sandbox.timeout: not a duration" },
		{ "sandbox.timeout", NULL, "--o: sandbox.timeout: needs a value" },
		{ "network.allow", "a\x1b", "--o: network.allow: control character" },
		{ "gate.a.b.signoffs", "x", "--o: gate.a.b.signoffs: not a number" },
	};

	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		AUTO_POLICY struct cs_policy *p;
		struct cs_err err = CS_ERR_INIT;
		int rc;

		cs_policy_new(&p);
		rc = cs_policy_set(p, CS_LAYER_OPTION, "--o", rows[i].key, rows[i].value, &err);
		ck_assert_msg(rc == CS_USAGE && err.code == rc, "%s: %d", rows[i].key, rc);
		ck_assert_msg(!strncmp(err.msg, rows[i].error, strlen(rows[i].error)), "%s",
			      err.msg);
		ck_assert_int_eq(cs_policy_seal(p, NULL), CS_REFUSED);
	}
}
END_TEST

START_TEST(too_many)
{
	AUTO_POLICY struct cs_policy *p;
	AUTO_POLICY struct cs_policy *q;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf hosts = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;

	for (int i = 0; i <= CS_POLICY_MAX_STATEMENTS; i++)
		cs_buf_addf(&text, "[command \"c%d\"]\ndecision = ask\n", i);
	cs_policy_new(&p);
	ck_assert_int_eq(cs_policy_add(p, CS_LAYER_REPOSITORY, "f", text.data, text.len, &err),
			 CS_LIMIT);
	cs_buf_adds(&hosts, "[network]\n");
	for (int i = 0; i <= CS_POLICY_MAX_RULES; i++)
		cs_buf_addf(&hosts, "allow = h%d.example\n", i);
	cs_policy_new(&q);
	add(q, CS_LAYER_OPERATOR, "f", hosts.data);
	ck_assert_int_eq(cs_policy_seal(q, &err), CS_LIMIT);
	must_deny(q);
}
END_TEST

/* ---- output ---------------------------------------------------------------------------------- */

START_TEST(format_defaults)
{
	AUTO_POLICY struct cs_policy *p;
	AUTO_FREE char *text = NULL;

	cs_policy_new(&p);
	seal(p);
	text = format(p, false);
	ck_assert_str_eq(text,
			 "[sandbox]\n\trequire = user mount pid net seccomp\n\ttimeout = 2h\n"
			 "\tprocesses = 4096\n\tmemory = 75%\n\tdisk = 20g\n"
			 "\tdiskFree = 1g\n\tfileSize = none\n\toutput = 1g\n"
			 "\tenv = LANG LC_* TERM COLORTERM TZ\n\tdebuggers = allow\n\thide =\n"
			 "[network]\n\tdefault = ask\n\tallow = @profile\n\tprivate =\n"
			 "[request]\n\ttimeout = 90s\n"
			 "[worktree]\n\tmode = auto\n\thistory = all\n\tsubmodules = true\n"
			 "[record]\n\tshare = statements\n\tkeep = 30d\n"
			 "[review]\n\tsensitive = .github/** .gitlab-ci.yml .husky/** .vscode/** "
			 ".envrc .gitattributes\n"
			 "\tsensitive = .gitmodules .countersign/** Makefile *.lock *-lock.*\n"
			 "[command \"git push\"]\n\tdecision = forbid\n"
			 "\treason = the gate pushes, the agent does not\n"
			 "[gate \"@default\"]\n\trequire = agent\n\tsignoffs = 1\n\tsigner = *\n"
			 "\tselfReview = true\n\tpresence = none\n\tbinding = transitions\n");
}
END_TEST

START_TEST(format_origins)
{
	static const char operators[] =
		"[sandbox]\n\ttimeout = 180m\n[network]\n\tallow = a.example\n"
		"[command \"say \\\"x\\\\\"]\n\tdecision = ask\n"
		"\treason = \" # no; \\\"really\\\" \"\n";
	static const char repository[] =
		"[network]\n\tallow = evil.example\n[sandbox]\n\tdisk = 1t\n";
	AUTO_POLICY struct cs_policy *p;
	AUTO_FREE char *text = NULL;

	cs_policy_new(&p);
	add(p, CS_LAYER_OPERATOR, "/h\x1b/policy", operators);
	add(p, CS_LAYER_REPOSITORY, ".countersign/policy", repository);
	ck_assert_int_eq(cs_policy_set(p, CS_LAYER_OPTION, "--allow-host", "network.allow",
				       "b.example", NULL),
			 0);
	seal(p);
	text = format(p, true);
	ck_assert_ptr_nonnull(strstr(text, "\ttimeout = 3h\t# /h\\e/policy:2\n"));
	ck_assert_ptr_nonnull(strstr(text, "\tallow = @profile\t# built-in\n"
					   "\tallow = a.example\t# /h\\e/policy:4\n"
					   "\tallow = b.example\t# --allow-host\n"));
	ck_assert_ptr_nonnull(strstr(text, "[command \"say \\\"x\\\\\"]\n"));
	ck_assert_ptr_nonnull(strstr(text, "\treason = \" # no; \\\"really\\\" \"\t#"));
	ck_assert_ptr_nonnull(strstr(text,
				     "# not in force: .countersign/policy:2: network.allow: a "
				     "repository may only tighten\n"));
	ck_assert_ptr_nonnull(strstr(text, "# not in force: .countersign/policy:4: sandbox.disk: a "
					   "repository may only tighten\n"));
	ck_assert_ptr_null(strchr(text, '\x1b'));
}
END_TEST

/* The effective policy, read again, is the same policy; origins do not change the digest. */
START_TEST(format_round_trip)
{
	static const char text[] = "[sandbox]\n\ttimeout = 61s\n\tdisk = 1500\n\tmemory = 10% 3g\n"
				   "\thide = a \"b\\\"c d#e;f\"\n\tprocesses = none\n"
				   "[network]\n\tallow = a.example @profile [::1]:8\n"
				   "\tprivate = 10.0.0.0/8\n"
				   "[command \"a  \\\"b\\\\\"]\n\tdecision = ask\n"
				   "\treason = \"a\\tb ; c \"\n"
				   "[gate \"refs/heads/x y\"]\n\tsigner = a b\n\tselfReview = no\n";
	AUTO_POLICY struct cs_policy *a;
	AUTO_POLICY struct cs_policy *b;
	AUTO_POLICY struct cs_policy *c;
	AUTO_FREE char *once = NULL;
	AUTO_FREE char *origins = NULL;
	AUTO_FREE char *twice = NULL;

	cs_policy_new(&a);
	add(a, CS_LAYER_OPERATOR, "f", text);
	seal(a);
	once = format(a, false);
	cs_policy_new(&b);
	add(b, CS_LAYER_FILE, "g", once);
	seal(b);
	twice = format(b, false);
	ck_assert_str_eq(once, twice);
	ck_assert_str_eq(cs_policy_digest(a), cs_policy_digest(b));
	origins = format(a, true);
	cs_policy_new(&c);
	add(c, CS_LAYER_OPERATOR, "h", origins);
	seal(c);
	ck_assert_str_eq(cs_policy_digest(a), cs_policy_digest(c));
	ck_assert_uint_eq(strlen(cs_policy_digest(a)), 64);
}
END_TEST

START_TEST(digest_differs)
{
	AUTO_POLICY struct cs_policy *a;
	AUTO_POLICY struct cs_policy *b;

	cs_policy_new(&a);
	seal(a);
	cs_policy_new(&b);
	ck_assert_int_eq(
		cs_policy_set(b, CS_LAYER_OPTION, "--timeout", "sandbox.timeout", "1h", NULL), 0);
	seal(b);
	ck_assert_str_ne(cs_policy_digest(a), cs_policy_digest(b));
}
END_TEST

/* ---- the operator's files -------------------------------------------------------------------- */

static char home[64]; /* a directory of its own for each test */

static void write_file(const char *path, const char *text)
{
	AUTO_FREE char *parent = cs_strndup(path, (size_t)(strrchr(path, '/') - path));
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_mkdirs(AT_FDCWD, parent, 0700, &err) == 0, "%s", err.msg);
	ck_assert_msg(cs_write_file(AT_FDCWD, path, text, strlen(text), 0600, &err) == 0, "%s",
		      err.msg);
}

static void make_home(void)
{
	unit_mkdir(home);
	write_file("./.config/countersign/policy", "[sandbox]\n\ttimeout = 11m\n");
	write_file("./xdg/countersign/policy", "[sandbox]\n\ttimeout = 12m\n");
	write_file("./file", "[sandbox]\n\ttimeout = 13m\n");
	write_file("./bad", "[sandbox]\n\ttimeuot = 13m\n");
}

static void remove_home(void)
{
	unit_rmdir(home);
}

static const struct {
	const char *name;
	const char *home, *xdg, *file; /* below home; NULL: none */
	int rc;
	int64_t minutes;
} loads[] = {
	{ "home", "", NULL, NULL, 0, 11 },
	{ "XDG", "", "/xdg", NULL, 0, 12 },
	{ "XDG without file", "", "/none", NULL, 0, 120 },
	{ "no home", NULL, NULL, NULL, 0, 120 },
	{ "home without file", "/none", NULL, NULL, 0, 120 },
	{ "file", "", NULL, "/file", 0, 13 },
	{ "file missing", "", NULL, "/none", CS_NOTFOUND, 0 },
	{ "file is a directory", "", NULL, "/xdg", CS_MALFUNCTION, 0 },
	{ "file does not parse", "", NULL, "/bad", CS_CORRUPT, 0 },
};

START_TEST(load_operator)
{
	AUTO_POLICY struct cs_policy *p;
	AUTO_FREE char *h = loads[_i].home ? cs_asprintf("%s%s", home, loads[_i].home) : NULL;
	AUTO_FREE char *x = loads[_i].xdg ? cs_asprintf("%s%s", home, loads[_i].xdg) : NULL;
	AUTO_FREE char *f = loads[_i].file ? cs_asprintf("%s%s", home, loads[_i].file) : NULL;
	struct cs_err err = CS_ERR_INIT;
	int rc;

	cs_policy_new(&p);
	rc = cs_policy_load_operator(p, h, x, f, &err);
	ck_assert_msg(rc == loads[_i].rc && err.code == rc, "%s: %s", loads[_i].name, err.msg);
	if (rc < 0) {
		ck_assert_msg(strstr(err.msg, f) != NULL, "%s: %s", loads[_i].name, err.msg);
		ck_assert_int_eq(cs_policy_seal(p, &err), CS_REFUSED);
		return;
	}
	seal(p);
	ck_assert_msg(cs_policy_int(p, "sandbox.timeout") == loads[_i].minutes * 60000, "%s",
		      loads[_i].name);
}
END_TEST

START_TEST(relative_xdg)
{
	AUTO_POLICY struct cs_policy *p;

	cs_policy_new(&p);
	ck_assert_int_eq(cs_policy_load_operator(p, home, "xdg", NULL, NULL), 0);
	seal(p);
	ck_assert_int_eq(cs_policy_int(p, "sandbox.timeout"), 11 * 60000);
	ck_assert_uint_eq(cs_policy_sources(p)->n, 2);
	ck_assert_ptr_nonnull(strstr(cs_policy_sources(p)->v[1], "/.config/countersign/policy"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy");
	TCase *t = tcase_create("policy");
	TCase *files = tcase_create("files");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, zero_denies);
	tcase_add_test(t, empty_denies);
	tcase_add_test(t, failure_spoils);
	tcase_add_test(t, sealed_once);
	tcase_add_test(t, defaults);
	tcase_add_test(t, memory);
	tcase_add_loop_test(t, document, 0, CS_COUNT(documents));
	tcase_add_test(t, reason_without_decision);
	tcase_add_test(t, set_errors);
	tcase_add_test(t, too_many);
	tcase_add_test(t, format_defaults);
	tcase_add_test(t, format_origins);
	tcase_add_test(t, format_round_trip);
	tcase_add_test(t, digest_differs);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(files, make_home, remove_home);
	tcase_add_loop_test(files, load_operator, 0, CS_COUNT(loads));
	tcase_add_test(files, relative_xdg);
	suite_add_tcase(s, files);
	return unit_run(s);
}
