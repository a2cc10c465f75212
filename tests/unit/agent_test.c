/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/agent.h"

#include "../../lib/agent/model.h"
#include "countersign/policy.h"
#include "unit.h"

#define AUTO_PROFILE CS_AUTO(cs_profile_release)

static char home[64]; /* a directory of its own for each test; also the working directory */

static void make_home(void)
{
	unit_mkdir(home);
}

static void remove_home(void)
{
	unit_rmdir(home);
}

/* path is below the working directory. */
static void write_file(const char *path, const char *text)
{
	AUTO_FREE char *parent = cs_strdup(path);
	char *slash = strrchr(parent, '/');
	struct cs_err err = CS_ERR_INIT;

	if (slash) {
		*slash = '\0';
		ck_assert_msg(cs_mkdirs(AT_FDCWD, parent, 0700, &err) == 0, "%s", err.msg);
	}
	ck_assert_msg(cs_write_file(AT_FDCWD, path, text, strlen(text), 0600, &err) == 0, "%s",
		      err.msg);
}

static char *joined(const struct cs_strv *list)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	for (size_t i = 0; i < list->n; i++)
		cs_buf_addf(&out, "%s%s", i ? "|" : "", list->v[i]);
	return cs_buf_take(&out);
}

/* Splits at blanks into a NULL-terminated vector. */
static void words_of(struct cs_strv *out, const char *text)
{
	AUTO_FREE char *rest = cs_strdup(text);
	char *save = NULL;

	for (char *w = strtok_r(rest, " ", &save); w; w = strtok_r(NULL, " ", &save))
		cs_strv_add(out, w);
}

#define ARGV(s) ((const char *const *)(s).v)

/* ---- the profiles that come with it ---------------------------------------------------------- */

START_TEST(builtin_profiles)
{
	const char *name = NULL;
	const char *before = "";
	size_t n = 0;

	for (; cs_agent_builtin(&name, n); n++) {
		AUTO_PROFILE struct cs_profile p = { 0 };
		struct cs_err err = CS_ERR_INIT;
		int rc = cs_profile_find(&p, name, NULL, NULL, "/nonexistent", NULL, &err);

		ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
		ck_assert_msg(strcmp(before, name) < 0, "%s: not sorted", name);
		before = name;
		ck_assert_str_eq(p.name, name);
		ck_assert_ptr_nonnull(strstr(p.email, "@agent.invalid"));
		ck_assert_msg(!strncmp(p.origin, "profile ", 8), "%s", p.origin);
		if (!strcmp(name, "generic")) {
			ck_assert_uint_eq(p.hosts.n + p.env_pass.n + p.env_set.n + p.home_copy.n +
						  p.args.n + p.headless.n,
					  0);
			continue;
		}
		ck_assert_msg(p.hosts.n > 0 && p.headless.n > 0 && p.program, "%s", name);
		for (size_t i = 0; i < p.home_copy.n; i++)
			ck_assert_msg(!strstr(p.home_copy.v[i], ".ssh"), "%s", name);
	}
	ck_assert_uint_eq(n, 8);
}
END_TEST

/* ---- recognition ----------------------------------------------------------------------------- */

static const struct {
	const char *argv;
	const char *resolved;
	const char *profile;
} commands[] = {
	{ "codex", NULL, "codex" },
	{ "codex exec hi", "/usr/bin/codex", "codex" },
	{ "/opt/x/bin/codex", "/opt/x/bin/codex", "codex" },
	{ "./codex", "/r/codex", "codex" },
	{ "mycodex", "/usr/lib/node_modules/@openai/codex/bin/codex.js", "codex" },
	{ "c", "/x/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex", "codex" },
	{ "claude -p hi", "/usr/bin/claude", "claude" },
	{ "pi", "/n/node_modules/@anthropic-ai/claude-code/cli.js", "pi" },
	{ "x", "/home/u/.local/share/claude/versions/2.1.330", "claude" },
	{ "x", "/n/node_modules/@anthropic-ai/claude-code-linux-x64/claude", "claude" },
	{ "pi", NULL, "pi" },
	{ "x", "/n/node_modules/@mariozechner/pi-coding-agent/dist/cli.js", "pi" },
	{ "opencode run hi", NULL, "opencode" },
	{ "x", "/n/node_modules/opencode-linux-x64/bin/opencode", "opencode" },
	{ "gemini", "/usr/lib/node_modules/@google/gemini-cli/bundle/gemini.js", "gemini" },
	{ "node b/gemini.js", "/usr/bin/node", "gemini" },
	{ "/usr/bin/node --no-warnings b/gemini.js -p x", "/usr/bin/node", "gemini" },
	{ "node -r ./hook.js b/gemini.js", "/usr/bin/node", "gemini" },
	{ "node node_modules/@qwen-code/qwen-code/cli.js", "/usr/bin/node", "qwen" },
	{ "node link.js", "/usr/bin/node", "qwen" },
	{ "node node_modules/other/cli.js", "/usr/bin/node", "generic" },
	{ "node -e codex", "/usr/bin/node", "generic" },
	{ "node", "/usr/bin/node", "generic" },
	{ "qwen", NULL, "qwen" },
	{ "aider --model x", NULL, "aider" },
	{ "python3 -m aider", "/usr/bin/python3.11", "aider" },
	{ "python3.11 -X dev -m aider --x", "/usr/bin/python3.11", "aider" },
	{ "python3 -c aider", "/usr/bin/python3.11", "generic" },
	{ "pythonx aider", "/usr/bin/pythonx", "generic" },
	{ "env FOO=1 -u BAR codex exec", "/usr/bin/env", "codex" },
	{ "env -i node b/gemini.js", "/usr/bin/env", "gemini" },
	{ "env A=codex", "/usr/bin/env", "generic" },
	{ "sh run/codex", "/bin/dash", "codex" },
	{ "sh -c codex", "/bin/dash", "generic" },
	{ "bash --norc run/codex", "/bin/bash", "codex" },
	{ "make codex", "/usr/bin/make", "generic" },
	{ "codex-wrapper", "/usr/bin/codex-wrapper", "generic" },
	{ "xcodex", "/usr/bin/xcodex", "generic" },
	{ "CODEX", "/usr/bin/CODEX", "generic" },
	{ "x", "/home/u/src/codex/x", "generic" },
	{ "true", "/usr/bin/true", "generic" },
};

START_TEST(recognise)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_PROFILE struct cs_profile p = { 0 };
	struct cs_err err = CS_ERR_INIT;
	int rc;

	write_file("node_modules/@qwen-code/qwen-code/cli.js", "");
	write_file("node_modules/other/cli.js", "");
	ck_assert_int_eq(symlink("node_modules/@qwen-code/qwen-code/cli.js", "link.js"), 0);
	words_of(&argv, commands[_i].argv);
	rc = cs_profile_find(&p, NULL, ARGV(argv), commands[_i].resolved, home, NULL, &err);
	ck_assert_msg(rc == 0, "%s: %s", commands[_i].argv, err.msg);
	ck_assert_msg(!strcmp(p.name, commands[_i].profile), "%s: %s", commands[_i].argv, p.name);
}
END_TEST

START_TEST(by_name)
{
	AUTO_PROFILE struct cs_profile p = { 0 };
	struct cs_err err = CS_ERR_INIT;
	const char *const argv[] = { "codex", NULL };

	ck_assert_int_eq(cs_profile_find(&p, "pi", argv, NULL, home, NULL, &err), 0);
	ck_assert_str_eq(p.name, "pi");
	ck_assert_int_eq(cs_profile_find(&p, "p\x1bi", argv, NULL, home, NULL, &err), CS_USAGE);
	ck_assert_str_eq(err.msg, "no profile 'p\\ei'; there are aider, claude, codex, gemini, "
				  "generic, opencode, pi, qwen");
	ck_assert_int_eq(cs_profile_find(&p, "../pi", argv, NULL, home, NULL, &err), CS_USAGE);
}
END_TEST

START_TEST(nothing_to_recognise)
{
	AUTO_PROFILE struct cs_profile p = { 0 };

	ck_assert_int_eq(cs_profile_find(&p, NULL, NULL, NULL, NULL, NULL, NULL), 0);
	ck_assert_str_eq(p.name, "generic");
}
END_TEST

/* ---- the command line ------------------------------------------------------------------------ */

#define OFF "-c|sandbox_mode=\"danger-full-access\""

static const struct {
	const char *profile;
	const char *argv; /* NULL: none */
	const char *prompt;
	const char *out; /* NULL: refused */
} calls[] = {
	{ "codex", "codex", NULL, "codex|" OFF },
	{ "codex", "codex exec hi", NULL, "codex|" OFF "|exec|hi" },
	{ "codex", "/o/codex exec", "do it", "/o/codex|" OFF "|exec|do it" },
	{ "codex", "node a/codex.js exec", NULL, "node|a/codex.js|" OFF "|exec" },
	{ "codex", "env A=1 codex e", NULL, "env|A=1|codex|" OFF "|e" },
	{ "codex", NULL, "do it", "codex|" OFF "|exec|--|do it" },
	{ "codex", NULL, "-x", "codex|" OFF "|exec|--| -x" },
	{ "codex", "codex exec", "--x", "codex|" OFF "|exec| --x" },
	{ "codex", NULL, NULL, NULL },
	{ "claude", "claude", NULL, "claude" },
	{ "claude", NULL, "hi", "claude|-p|--dangerously-skip-permissions|--|hi" },
	{ "claude", "claude -p", "hi", "claude|-p|hi" },
	{ "pi", NULL, "hi", "pi|-p|hi" },
	{ "opencode", NULL, "hi", "opencode|run|--auto|--|hi" },
	{ "gemini", NULL, "-hi", "gemini|--approval-mode=yolo|--skip-trust|--prompt=-hi" },
	{ "gemini", "gemini -y", "hi", "gemini|-y|--prompt=hi" },
	{ "qwen", NULL, "hi", "qwen|--approval-mode=yolo|--prompt=hi" },
	{ "aider", NULL, "{prompt}", "aider|--yes-always|--message={prompt}" },
	{ "generic", "make -j2", NULL, "make|-j2" },
	{ "generic", "make", "hi", NULL },
	{ "generic", NULL, "hi", NULL },
	{ "generic", NULL, NULL, NULL },
};

START_TEST(command)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_STRV struct cs_strv out = CS_STRV_INIT;
	AUTO_PROFILE struct cs_profile p = { 0 };
	AUTO_FREE char *text = NULL;
	struct cs_err err = CS_ERR_INIT;
	int rc;

	if (calls[_i].argv)
		words_of(&argv, calls[_i].argv);
	ck_assert_int_eq(cs_profile_find(&p, calls[_i].profile, NULL, NULL, home, NULL, NULL), 0);
	rc = cs_profile_command(&out, &p, ARGV(argv), calls[_i].prompt, &err);
	text = joined(&out);
	if (!calls[_i].out) {
		ck_assert_msg(rc == CS_USAGE && err.code == rc && !out.n, "row %d: %s", _i, text);
		return;
	}
	ck_assert_msg(rc == 0, "row %d: %s", _i, err.msg);
	ck_assert_msg(!strcmp(text, calls[_i].out), "row %d: %s", _i, text);
}
END_TEST

/* ---- the schema ------------------------------------------------------------------------------ */

static const struct {
	const char *text;
	const char *error; /* NULL: accepted */
} files[] = {
	{ "", NULL },
	{ "[agent]\n\ttitle = X\n\tprogram = a b\n\tpath = */x/*\n", NULL },
	{ "[network]\n\thost = a.example:1 [::1]:2 localhost\n\thostFrom = env:A_B\n", NULL },
	{ "[network]\n\thostFrom = file:~/.x/y z:key\n", NULL },
	{ "[environment]\n\tpass = A B*\n\tset = A=b c\n\tset = B=\n", NULL },
	{ "[home]\n\tcopy = .a/b ..c d\n\tback = d\n", NULL },
	{ "[agent]\n\tprogram = x\n[command]\n\theadless = a\n\theadless = b{prompt}\n", NULL },
	{ "[agent]\n\tname = x\n", "f:2: unknown key 'agent.name'" },
	{ "[agent \"x\"]\n\ttitle = x\n", "f:2: unknown key 'agent.title'" },
	{ "[agent]\n\ttitle = x\n\ttitle = y\n", "f:3: agent.title: set already" },
	{ "[agent]\n\ttitle\n", "f:2: agent.title: needs a value" },
	{ "[agent]\n\ttitle =\n", "f:2: agent.title: needs a value" },
	{ "[agent]\n\ttitle = \"a\\nb\"\n", "f:2: agent.title: control character" },
	{ "[network]\n\thost = a.example https://b.example\n",
	  "f:2: network.host: 'https://b.example': a URL" },
	{ "[network]\n\thostFrom = A\n", "f:2: network.hostfrom: 'A': neither env:NAME" },
	{ "[network]\n\thostFrom = env:\n", "f:2: network.hostfrom: 'env:': neither" },
	{ "[network]\n\thostFrom = env:A-B\n", "f:2: network.hostfrom: 'env:A-B': neither" },
	{ "[network]\n\thostFrom = file:/etc/passwd:x\n",
	  "f:2: network.hostfrom: 'file:/etc/passwd:x': neither" },
	{ "[network]\n\thostFrom = file:~/:x\n",
	  "f:2: network.hostfrom: 'file:~/:x': not a path below HOME" },
	{ "[network]\n\thostFrom = file:~/x\n", "f:2: network.hostfrom: 'file:~/x': neither" },
	{ "[network]\n\thostFrom = file:~/x:\n", "f:2: network.hostfrom: 'file:~/x:': neither" },
	{ "[network]\n\thostFrom = file:~/a/../../x:y\n",
	  "f:2: network.hostfrom: 'file:~/a/../../x:y': not a path below HOME" },
	{ "[environment]\n\tpass = *\n", "f:2: environment.pass: '*': not the name" },
	{ "[environment]\n\tpass = A=b\n", "f:2: environment.pass: 'A=b': not the name" },
	{ "[environment]\n\tset = A\n", "f:2: environment.set: 'A': not NAME=value" },
	{ "[environment]\n\tset = =b\n", "f:2: environment.set: '=b': not NAME=value" },
	{ "[home]\n\tcopy = /etc\n", "f:2: home.copy: '/etc': not a path below HOME" },
	{ "[home]\n\tcopy = a/../b\n", "f:2: home.copy: 'a/../b': not a path" },
	{ "[home]\n\tcopy = ..\n", "f:2: home.copy: '..': not a path" },
	{ "[home]\n\tcopy = .\n", "f:2: home.copy: '.': not a path" },
	{ "[home]\n\tcopy = a/\n", "f:2: home.copy: 'a/': not a path" },
	{ "[home]\n\tcopy = a//b\n", "f:2: home.copy: 'a//b': not a path" },
	{ "[home]\n\tcopy = a\n\tback = b\n", "f: home.back: 'b' is not in home.copy" },
	{ "[command]\n\theadless = x\n", "f: command.headless: {prompt} has to stand" },
	{ "[command]\n\theadless = {prompt}\n\theadless = {prompt}\n",
	  "f: command.headless: {prompt} has to stand" },
	{ "[command]\n\theadless = {prompt}\n", "f: command.headless needs agent.program" },
	{ "[include]\n\tpath = x\n", "f:1: nothing can be included here" },
};

START_TEST(schema)
{
	CS_AUTO(cs_agent_file_release) struct cs_agent_file f = { 0 };
	struct cs_err err = CS_ERR_INIT;
	const char *text = files[_i].text;
	int rc = cs_agent_file_parse(&f, "x", "o", "f", text, strlen(text), &err);

	if (!files[_i].error) {
		ck_assert_msg(rc == 0, "%s: %s", text, err.msg);
		ck_assert_str_eq(f.profile.name, "x");
		ck_assert_ptr_nonnull(f.profile.title);
		ck_assert_ptr_nonnull(f.profile.email);
		return;
	}
	ck_assert_msg(rc == CS_CORRUPT && err.code == rc, "%s: %d", text, rc);
	ck_assert_msg(!strncmp(err.msg, files[_i].error, strlen(files[_i].error)), "%s: %s", text,
		      err.msg);
	ck_assert_ptr_null(f.profile.name);
}
END_TEST

/* ---- scanning the operator's files ----------------------------------------------------------- */

static const struct {
	const char *name;
	const char *text;
	const char *values;
} scans[] = {
	{ "TOML", "[p]\nkey = \"http://a/v1\"\n", "http://a/v1" },
	{ "TOML, single quotes", "key='http://a'\n", "http://a" },
	{ "TOML, dotted", "a.b.key = \"x\"\n", "x" },
	{ "TOML, inline table", "p = { n = 1, key = \"x\" }\n", "x" },
	{ "TOML, two", "key = \"x\"\n[q]\nkey = \"y\"", "x|y" },
	{ "TOML, comment behind", "key = \"x#y\" # key = \"z\"\n", "x#y" },
	{ "TOML, commented out", "# key = \"x\"\n  #key = \"y\"\n", "" },
	{ "TOML, commented value", "key = # \"x\"\n", "" },
	{ "JSON", "{ \"key\": \"http://a\" }", "http://a" },
	{ "JSON, on one line", "{\"p\":{\"s\":{\"key\":\"x\",\"k\":\"y\"},\"t\":{\"key\":\"z\"}}}",
	  "x|z" },
	{ "JSON, escaped slashes", "{\"key\":\"http:\\/\\/a\\/v1\"}", "http://a/v1" },
	{ "JSON, commented out", "  // \"key\": \"x\"\n", "" },
	{ "JSON, prose", "{\"note\":\"key: http://a, \\\"key\\\": \\\"http://b\\\"\"}", "" },
	{ "JSON, number", "{\"key\":12}", "12}" },
	{ "JSON, object", "{\"key\":{\"key\":\"x\"}}", "{|x" },
	{ "JSON, URL before it", "{\"u\":\"http://b\",\"key\":\"x\"}", "x" },
	{ "YAML", "a:\n  key: http://a:8000/v1\n", "http://a:8000/v1" },
	{ "YAML, list", "key: [x, y]\n", "[x" },
	{ "environment", "export key=http://a\nOTHER=http://b\n", "http://a" },
	{ "environment, empty", "key=\nhttp://b\n", "" },
	{ "value on the next line", "key =\n\"x\"\n", "" },
	{ "longer key", "mykey = \"x\"\nkeys = \"y\"\nkey2 = \"z\"\nk_key = 1\n", "" },
	{ "other case", "Key = \"x\"\n", "" },
	{ "unterminated", "key = \"x\n", "" },
	{ "unterminated before", "a = \"b\nkey = \"x\"\n", "x" },
	{ "backslash at the end", "key = \"x\\", "" },
	{ "nothing behind", "key", "" },
	{ "nothing behind =", "key =", "" },
	{ "empty string", "key = \"\"", "" },
};

START_TEST(scan)
{
	AUTO_STRV struct cs_strv out = CS_STRV_INIT;
	size_t len = strlen(scans[_i].text);
	AUTO_FREE char *exact = cs_malloc(len);
	AUTO_FREE char *text = NULL;

	memcpy(exact, scans[_i].text, len); /* no NUL behind it */
	cs_agent_scan(&out, exact, len, "key");
	text = joined(&out);
	ck_assert_msg(!strcmp(text, scans[_i].values), "%s: %s", scans[_i].name, text);
}
END_TEST

START_TEST(scan_limit)
{
	AUTO_STRV struct cs_strv out = CS_STRV_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	for (int i = 0; i < 100; i++)
		cs_buf_addf(&text, "key = \"v%d\"\n", i);
	cs_agent_scan(&out, text.data, text.len, "key");
	ck_assert_uint_eq(out.n, CS_AGENT_MAX_VALUES);
}
END_TEST

START_TEST(host_of)
{
	static const struct {
		const char *value, *url, *bare; /* "": neither */
	} rows[] = {
		{ "https://api.example.org/v1", "api.example.org:443", NULL },
		{ "http://API.example.org", "api.example.org:80", NULL },
		{ "HTTPS://a.example?x", "a.example:443", NULL },
		{ "http://localhost:11434/api", "localhost:11434", NULL },
		{ "http://127.0.0.1:8080", "127.0.0.1:8080", NULL },
		{ "http://[::1]:8080/", "[::1]:8080", NULL },
		{ "https://[FD00::1]", "[fd00::1]:443", NULL },
		{ "https://user:pa@ss@a.example/", "a.example:443", NULL },
		{ "https://a.example\\@b.example", "a.example:443", NULL },
		{ "https://a.example#@b.example", "a.example:443", NULL },
		{ "https://", "", "" },
		{ "https:///x", "", "" },
		{ "https://*.example.org", "", "" },
		{ "https://a.example:*", "", "" },
		{ "https://${HOST}/", "", "" },
		{ "https://a.example:0", "", "" },
		{ "ftp://a.example", "", "" },
		{ "unix:/run/x", "", "" },
		{ "a.example", "", "a.example" },
		{ "a.example:1", "", "a.example:1" },
		{ "127.0.0.1:11434", "", "127.0.0.1:11434" },
		{ "", "", "" },
	};

	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		const char *bare = rows[i].bare ? rows[i].bare : rows[i].url;
		char out[272] = "";
		int rc = cs_agent_host_of(out, rows[i].value, false);

		ck_assert_msg(rc == (*rows[i].url ? 0 : CS_NOTFOUND) && !strcmp(out, rows[i].url),
			      "%s: %s", rows[i].value, out);
		*out = '\0';
		rc = cs_agent_host_of(out, rows[i].value, true);
		ck_assert_msg(rc == (*bare ? 0 : CS_NOTFOUND) && !strcmp(out, bare), "%s, bare: %s",
			      rows[i].value, out);
	}
}
END_TEST

START_TEST(name_of)
{
	static const char *const rows[][2] = {
		{ "KEY", "KEY" },	{ "my_key2", "my_key2" },
		{ "$KEY", "KEY" },	{ "${KEY}", "KEY" },
		{ "{env:KEY}", "KEY" }, { "sk-abc", NULL },
		{ "", NULL },		{ "$", NULL },
		{ "${KEY", NULL },	{ "{env:KEY", NULL },
		{ "{file:KEY}", NULL }, { "1KEY", NULL },
		{ "KEY OTHER", NULL },	{ "KEY=x", NULL },
	};

	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		AUTO_FREE char *name = cs_agent_name_of(rows[i][0]);

		if (rows[i][1])
			ck_assert_msg(name && !strcmp(name, rows[i][1]), "%s", rows[i][0]);
		else
			ck_assert_msg(!name, "%s: %s", rows[i][0], name);
	}
}
END_TEST

/* ---- the operator's machine ------------------------------------------------------------------ */

static const struct {
	const char *name;
	const char *profile;
	const char *file; /* below HOME */
	const char *text;
	const char *host; /* added, last */
	const char *pass;
} machines[] = {
	{ "codex provider", "codex", ".codex/config.toml",
	  "model_provider = \"s\"\n[model_providers.s]\nbase_url = \"http://127.0.0.1:4000/v1\"\n"
	  "env_key = \"TEST_KEY\"\n",
	  "127.0.0.1:4000", "TEST_KEY" },
	{ "codex key not set", "codex", ".codex/config.toml", "env_key = \"UNSET_KEY\"\n", NULL,
	  NULL },
	{ "claude settings", "claude", ".claude/settings.json",
	  "{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://proxy.example\"}}", "proxy.example:443",
	  NULL },
	{ "pi models", "pi", ".pi/agent/models.json",
	  "{\"providers\":{\"s\":{\"baseUrl\":\"http://localhost:5000/"
	  "v1\",\"apiKey\":\"TEST_KEY\"}}}",
	  "localhost:5000", "TEST_KEY" },
	{ "pi literal key", "pi", ".pi/agent/models.json", "{\"apiKey\":\"gsk_0123\"}", NULL,
	  NULL },
	{ "opencode provider", "opencode", ".config/opencode/opencode.json",
	  "{\"options\":{\"baseURL\":\"https://m.example/v1\",\"apiKey\":\"{env:TEST_KEY}\"}}",
	  "m.example:443", "TEST_KEY" },
	{ "qwen environment file", "qwen", ".qwen/.env", "OPENAI_BASE_URL=https://q.example/v1\n",
	  "q.example:443", NULL },
	{ "aider", "aider", ".aider.conf.yml", "openai-api-base: http://l.example:8000/v1\n",
	  "l.example:8000", NULL },
	{ "environment", "claude", NULL, NULL, "base.example:8443", NULL },
	{ "bare environment", "aider", NULL, NULL, "127.0.0.1:11434", NULL },
};

START_TEST(look_up)
{
	const char *const env[] = { "TEST_KEY=k", "ANTHROPIC_BASE_URL=https://base.example:8443/x",
				    "OLLAMA_API_BASE=127.0.0.1:11434", "OPENAI_BASE_URL=", NULL };
	bool from_env = !machines[_i].file;
	AUTO_PROFILE struct cs_profile bare = { 0 };
	AUTO_PROFILE struct cs_profile p = { 0 };
	const char *name = machines[_i].profile;
	size_t more;

	ck_assert_int_eq(cs_profile_find(&bare, name, NULL, NULL, home, NULL, NULL), 0);
	if (machines[_i].file)
		write_file(machines[_i].file, machines[_i].text);
	ck_assert_int_eq(
		cs_profile_find(&p, name, NULL, NULL, home,
				from_env ? env : (const char *const[]){ "TEST_KEY=k", NULL }, NULL),
		0);
	more = p.hosts.n - bare.hosts.n;
	ck_assert_msg(more == (machines[_i].host ? 1 : 0), "%s: %zu", machines[_i].name, more);
	if (machines[_i].host)
		ck_assert_msg(!strcmp(p.hosts.v[p.hosts.n - 1], machines[_i].host), "%s: %s",
			      machines[_i].name, p.hosts.v[p.hosts.n - 1]);
	more = p.env_pass.n - bare.env_pass.n;
	ck_assert_msg(more == (machines[_i].pass ? 1 : 0), "%s: %zu", machines[_i].name, more);
	if (machines[_i].pass)
		ck_assert_msg(cs_strv_has(&p.env_pass, machines[_i].pass), "%s", machines[_i].name);
}
END_TEST

/* Every host of every profile is a term that a policy takes. */
START_TEST(hosts_are_terms)
{
	const char *name;

	for (size_t i = 0; cs_agent_builtin(&name, i); i++) {
		AUTO_PROFILE struct cs_profile p = { 0 };

		ck_assert_int_eq(cs_profile_find(&p, name, NULL, NULL, home, NULL, NULL), 0);
		for (size_t k = 0; k < p.hosts.n; k++) {
			struct cs_net_rule rule;
			char host[256];

			ck_assert_int_eq(cs_net_rule_parse(&rule, host, p.hosts.v[k], NULL), 0);
		}
	}
}
END_TEST

START_TEST(overrides)
{
	AUTO_PROFILE struct cs_profile p = { 0 };
	AUTO_PROFILE struct cs_profile own = { 0 };
	AUTO_FREE char *xdg = cs_asprintf("XDG_CONFIG_HOME=%s/xdg", home);
	const char *const env[] = { xdg, NULL };
	const char *const argv[] = { "mine", NULL };
	AUTO_STRV struct cs_strv names = CS_STRV_INIT;
	AUTO_PROFILE struct cs_profile other = { 0 };

	write_file(".config/countersign/profiles/codex", "[agent]\n\tprogram = codex\n");
	write_file(".config/countersign/profiles/mine",
		   "[agent]\n\ttitle = Mine\n\tprogram = mine\n");
	write_file(".config/countersign/profiles/mine~", "[[[");
	write_file("xdg/countersign/profiles/yours", "[agent]\n\ttitle = Yours\n");
	ck_assert_int_eq(cs_profile_find(&p, "codex", NULL, NULL, home, NULL, NULL), 0);
	ck_assert_uint_eq(p.hosts.n, 0);
	ck_assert_str_eq(p.title, "codex");
	ck_assert_ptr_nonnull(strstr(p.origin, "/.config/countersign/profiles/codex"));
	ck_assert_int_eq(cs_profile_find(&own, NULL, argv, NULL, home, NULL, NULL), 0);
	ck_assert_str_eq(own.title, "Mine");
	cs_profile_names(&names, home, NULL);
	ck_assert_uint_eq(names.n, 9);
	ck_assert(cs_strv_has(&names, "mine") && !cs_strv_has(&names, "mine~"));
	ck_assert_int_eq(cs_profile_find(&other, "yours", NULL, NULL, home, env, NULL), 0);
	ck_assert_str_eq(other.title, "Yours");
}
END_TEST

START_TEST(broken_override)
{
	AUTO_PROFILE struct cs_profile p = { 0 };
	struct cs_err err = CS_ERR_INIT;
	const char *const argv[] = { "true", NULL };

	write_file(".config/countersign/profiles/mine", "[agent]\n\ttitel = Mine\n");
	ck_assert_int_eq(cs_profile_find(&p, NULL, argv, NULL, home, NULL, &err), CS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.msg, "profiles/mine:2: unknown key 'agent.titel'"));
	ck_assert_ptr_null(p.name);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent");
	TCase *t = tcase_create("agent");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, make_home, remove_home);
	tcase_add_test(t, builtin_profiles);
	tcase_add_loop_test(t, recognise, 0, CS_COUNT(commands));
	tcase_add_test(t, by_name);
	tcase_add_test(t, nothing_to_recognise);
	tcase_add_loop_test(t, command, 0, CS_COUNT(calls));
	tcase_add_loop_test(t, schema, 0, CS_COUNT(files));
	tcase_add_loop_test(t, scan, 0, CS_COUNT(scans));
	tcase_add_test(t, scan_limit);
	tcase_add_test(t, host_of);
	tcase_add_test(t, name_of);
	tcase_add_loop_test(t, look_up, 0, CS_COUNT(machines));
	tcase_add_test(t, hosts_are_terms);
	tcase_add_test(t, overrides);
	tcase_add_test(t, broken_override);
	suite_add_tcase(s, t);
	return unit_run(s);
}
