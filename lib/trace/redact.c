/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in command lines, found by their shape. Pure.
 *
 * Two mistakes are possible, and the second is the worse: to leave a secret in the record, or to
 * hide from the reviewer what a command did. So only a value goes, never past white space unless
 * it is quoted or a key block, and of that only lines of base64; in code (what follows -c and the
 * like) it also ends, quoted or not, at what could begin another command; a value that starts with
 * $ or ` stays, since it is elsewhere; and the replacement says how long the value was.
 */
#include "countersign/trace.h"

#include <ctype.h>
#include <strings.h>

/* ---- characters -------------------------------------------------------------------------- */

static bool is_alnum(char c)
{
	return isalnum((unsigned char)c);
}

static bool is_upper(char c)
{
	return isupper((unsigned char)c) || isdigit((unsigned char)c);
}

static bool is_base64url(char c)
{
	return is_alnum(c) || c == '-' || c == '_';
}

static bool is_dotted(char c)
{
	return is_base64url(c) || c == '.';
}

static bool is_token68(char c) /* RFC 9110, 11.2 */
{
	return is_dotted(c) || c == '~' || c == '+' || c == '/' || c == '=';
}

static bool is_space(char c)
{
	return isspace((unsigned char)c);
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* What a shell puts in here is elsewhere: in a variable, in what another command prints. */
static bool is_reference(char c)
{
	return c == '$' || c == '`';
}

/* & ends a value in code and in the query of a URL. */
static bool ends_value(char c, bool code)
{
	return is_space(c) || is_quote(c) || c == '&' ||
	       (code && c && strchr(";|<>(){}[],\\$`", c));
}

/* ---- an argument ------------------------------------------------------------------------- */

struct scan {
	struct cs_buf *out;
	const char *s;
	size_t n, at;
	bool open; /* it was cut off: a secret that reaches the end may be a piece of one */
	bool code; /* it is a script */
	size_t found;
};

static bool has(const struct scan *a, size_t at, const char *word)
{
	size_t len = strlen(word);

	return a->n - at >= len && strncasecmp(a->s + at, word, len) == 0;
}

static size_t span(const struct scan *a, size_t at, bool (*is)(char))
{
	size_t end = at;

	while (end < a->n && is(a->s[end]))
		end++;
	return end - at;
}

static void copy_to(struct scan *a, size_t end)
{
	cs_buf_add(a->out, a->s + a->at, end - a->at);
	a->at = end;
}

static void redact_to(struct scan *a, size_t end, const char *kind)
{
	cs_buf_addf(a->out, "[redacted %s, %zu bytes]", kind, end - a->at);
	a->at = end;
	a->found++;
}

/* ---- tokens that show what they are ------------------------------------------------------ */

/* A prefix as its issuer writes it, and how many characters must follow at least. */
static const struct {
	const char *prefix;
	bool (*is)(char);
	size_t min;
	bool digit; /* one must be a digit: the prefix alone is a usual word */
} tokens[] = {
	{ "ghp_", is_alnum, 20, false },
	{ "gho_", is_alnum, 20, false },
	{ "ghu_", is_alnum, 20, false },
	{ "ghs_", is_alnum, 20, false },
	{ "ghr_", is_alnum, 20, false },
	{ "github_pat_", is_base64url, 20, false },
	{ "glpat-", is_base64url, 16, false },
	{ "gldt-", is_base64url, 16, false },
	{ "glrt-", is_base64url, 16, false },
	{ "sk-", is_base64url, 20, true },
	{ "sk_live_", is_alnum, 16, false },
	{ "sk_test_", is_alnum, 16, false },
	{ "rk_live_", is_alnum, 16, false },
	{ "xoxa-", is_base64url, 10, true },
	{ "xoxb-", is_base64url, 10, true },
	{ "xoxp-", is_base64url, 10, true },
	{ "xoxr-", is_base64url, 10, true },
	{ "xoxs-", is_base64url, 10, true },
	{ "xapp-", is_base64url, 10, true },
	{ "AKIA", is_upper, 12, false },
	{ "ASIA", is_upper, 12, false },
	{ "AIza", is_base64url, 30, false },
	{ "ya29.", is_dotted, 20, false },
	{ "npm_", is_alnum, 30, false },
	{ "pypi-", is_base64url, 40, false },
	{ "hf_", is_alnum, 30, false },
	{ "SG.", is_dotted, 40, false },
	{ "dop_v1_", is_alnum, 40, false },
	{ "glsa_", is_base64url, 20, false },
	{ "shpat_", is_alnum, 30, false },
	{ "AGE-SECRET-KEY-1", is_upper, 40, false },
};

static bool has_digit(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (isdigit((unsigned char)s[i]))
			return true;
	return false;
}

/* Its length, or 0. */
static size_t token_length(const struct scan *a)
{
	for (size_t i = 0; i < CS_COUNT(tokens); i++) {
		size_t prefix = strlen(tokens[i].prefix);
		size_t rest;

		if (a->n - a->at < prefix || memcmp(a->s + a->at, tokens[i].prefix, prefix) != 0)
			continue;
		rest = span(a, a->at + prefix, tokens[i].is);
		if (a->open && rest && a->at + prefix + rest == a->n)
			return prefix + rest;
		if (rest >= tokens[i].min &&
		    (!tokens[i].digit || has_digit(a->s + a->at + prefix, rest)))
			return prefix + rest;
	}
	return 0;
}

/* RFC 7519: header.payload.signature, where the header is a JSON object in base64url. */
static size_t jwt_length(const struct scan *a)
{
	size_t at = a->at;
	size_t part;

	if (a->n - at < 3 || memcmp(a->s + at, "eyJ", 3) != 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		part = span(a, at, is_base64url);
		at += part;
		if (a->open && at == a->n && part >= 8)
			return at - a->at;
		if (part < 8 || at == a->n || a->s[at] != '.')
			return 0;
		at++;
	}
	return at + span(a, at, is_base64url) - a->at;
}

static bool take_token(struct scan *a)
{
	size_t len;

	/* Inside a word no token begins; and so no run of its characters is looked at twice. */
	if (a->at && is_base64url(a->s[a->at - 1]))
		return false;
	len = token_length(a);
	if (len) {
		redact_to(a, a->at + len, "token");
		return true;
	}
	len = jwt_length(a);
	if (len)
		redact_to(a, a->at + len, "token");
	return len;
}

/* ---- key blocks -------------------------------------------------------------------------- */

#define LABEL_MAX   64	  /* between BEGIN and the dashes */
#define BODY_MAX    16384 /* bytes; an RSA key of 16,384 bits has 12,800 */
#define BODY_MIN    32	  /* characters of a line of it, but for the last one */
#define HEADERS_MAX 256	  /* of encrypted keys: RFC 1421 */

static bool is_base64(char c)
{
	return is_alnum(c) || c == '+' || c == '/' || c == '=';
}

/* Line ends, also as a program or a JSON document writes them: \n, \\n. */
static size_t skip_line_ends(const struct scan *a, size_t at)
{
	for (;;) {
		size_t next = at;

		while (next < a->n && a->s[next] == '\\')
			next++;
		if (next > at && next < a->n && (a->s[next] == 'n' || a->s[next] == 'r'))
			at = next + 1;
		else if (at < a->n && is_space(a->s[at]))
			at++;
		else
			return at;
	}
}

/* "Proc-Type: 4,ENCRYPTED" and "DEK-Info: AES-128-CBC,<hex>": as they are, and no more. */
static size_t skip_headers(const struct scan *a, size_t at)
{
	static const char *const headers[] = { "Proc-Type: 4,ENCRYPTED", "DEK-Info: " };

	for (size_t i = 0; i < CS_COUNT(headers); i++) {
		size_t end = skip_line_ends(a, at);

		if (!has(a, end, headers[i]))
			continue;
		end += strlen(headers[i]);
		while (end < a->n && end - at < HEADERS_MAX &&
		       (is_alnum(a->s[end]) || a->s[end] == '-' || a->s[end] == ','))
			end++;
		at = end;
	}
	return at;
}

/*
 * The end of the lines of base64 that begin at `at`; `at` itself where there are none. All but the
 * last are long, and the last is one only in front of the end line: words of a command are short.
 */
static size_t end_of_body(const struct scan *a, size_t at)
{
	size_t start = at;
	size_t end = at;

	while (end - start < BODY_MAX) {
		size_t line = skip_line_ends(a, at);
		size_t n = span(a, line, is_base64);

		if (line + n - start > BODY_MAX)
			break;
		at = line + n;
		if (n >= BODY_MIN ||
		    (n && (has(a, skip_line_ends(a, at), "-----END ") || (a->open && at == a->n))))
			end = at;
		else
			break;
	}
	return end;
}

/*
 * RFC 7468, where the label speaks of a private key: the base64 between the two lines goes, and
 * nothing that is none. Around it, and behind a block without an end, everything stays.
 */
static bool take_pem(struct scan *a)
{
	static const char begin[] = "-----BEGIN ";
	size_t label = a->at + sizeof(begin) - 1;
	size_t body;
	size_t end;

	if (!has(a, a->at, begin))
		return false;
	body = label;
	while (body < a->n && body - label < LABEL_MAX && a->s[body] != '-')
		body++;
	if (!has(a, body, "-----") || !memmem(a->s + label, body - label, "PRIVATE KEY", 11))
		return false;
	body = skip_line_ends(a, skip_headers(a, body + 5));
	end = end_of_body(a, body);
	if (end == body)
		return false;
	copy_to(a, body);
	redact_to(a, end, "key");
	return true;
}

/* ---- URLs -------------------------------------------------------------------------------- */

static bool is_authority(char c)
{
	return !is_space(c) && !is_quote(c) && c != '/' && c != '?' && c != '#';
}

/* At "://": the password in scheme://user:password@host, the user too if it is all there is. */
static bool take_userinfo(struct scan *a)
{
	size_t start = a->at + 3;
	const char *at_sign;
	const char *colon;
	size_t len;

	if (!has(a, a->at, "://"))
		return false;
	len = span(a, start, is_authority);
	at_sign = memrchr(a->s + start, '@', len);
	if (!at_sign)
		return false;
	len = (size_t)(at_sign - (a->s + start));
	colon = memchr(a->s + start, ':', len);
	/* ssh://git@host names an account; https://x@host has a token there. */
	if (!colon && !(a->at >= 4 && has(a, a->at - 4, "http")) &&
	    !(a->at >= 5 && has(a, a->at - 5, "https")))
		return false;
	copy_to(a, colon ? (size_t)(colon + 1 - a->s) : start);
	if (a->at < start + len && !is_reference(a->s[a->at]))
		redact_to(a, start + len, "password");
	return true;
}

/* ---- names ------------------------------------------------------------------------------- */

/* What the name of a secret ends in, without case and separators. */
static const struct secret_name {
	const char *end;
	const char *kind;
	bool word;   /* only as a word of its own: "pass", not "compass" */
	bool header; /* the value is the rest of the line */
} secret_names[] = {
	{ "password", "password", false, false },
	{ "passwd", "password", false, false },
	{ "passphrase", "password", false, false },
	{ "pass", "password", true, false },
	{ "secret", "secret", false, false },
	{ "token", "token", false, false },
	{ "apikey", "key", false, false },
	{ "accesskey", "key", false, false },
	{ "secretkey", "key", false, false },
	{ "privatekey", "key", false, false },
	{ "authkey", "key", false, false },
	{ "accountkey", "key", false, false },
	{ "signingkey", "key", false, false },
	{ "encryptionkey", "key", false, false },
	{ "credential", "credential", false, false },
	{ "credentials", "credential", false, false },
	{ "signature", "signature", false, false },
	{ "sig", "signature", true, false },
	{ "auth", "credential", true, false },
	{ "authorization", "credential", false, true },
	{ "cookie", "cookie", false, true },
};

#define NAME_MAX_LEN 63

/* s, n: a name as it is written. */
static const struct secret_name *find_name(const char *s, size_t n)
{
	char plain[NAME_MAX_LEN + 1];
	size_t starts[NAME_MAX_LEN] = { 0 }; /* where each character of plain stands in s */
	size_t len = 0;

	if (n > NAME_MAX_LEN) {
		s += n - NAME_MAX_LEN;
		n = NAME_MAX_LEN;
	}
	for (size_t i = 0; i < n; i++) {
		if (!is_alnum(s[i]))
			continue;
		starts[len] = i;
		plain[len++] = (char)tolower((unsigned char)s[i]);
	}
	/* PWD names a directory; DB_PWD does not. */
	if (n > 4 && strncasecmp(s + n - 4, "_pwd", 4) == 0)
		return &secret_names[0];
	for (size_t i = 0; i < CS_COUNT(secret_names); i++) {
		size_t end = strlen(secret_names[i].end);
		size_t first;

		if (len < end || memcmp(plain + len - end, secret_names[i].end, end) != 0)
			continue;
		first = starts[len - end];
		if (secret_names[i].word && first && is_alnum(s[first - 1]) &&
		    !(islower((unsigned char)s[first - 1]) && isupper((unsigned char)s[first])))
			continue;
		return &secret_names[i];
	}
	return NULL;
}

/* A quote, also one with a backslash before it, as in JSON inside a string. */
static size_t skip_quote(const struct scan *a, size_t at)
{
	size_t next = at;

	while (next < a->n && a->s[next] == '\\')
		next++;
	return next < a->n && is_quote(a->s[next]) ? next + 1 : at;
}

/*
 * Behind the name: `=`, `:`, `":"`; the index of the value, or 0. A colon with a space behind it is
 * prose ("fix the token: parse it once") unless it looks like JSON, a header or a password.
 */
static size_t skip_separator(const struct scan *a, size_t at, const struct secret_name *name)
{
	size_t quoted = skip_quote(a, at);
	size_t sep = quoted + span(a, quoted, is_space);

	if (sep >= a->n || (a->s[sep] != '=' && a->s[sep] != ':'))
		return 0;
	if (a->s[sep] == '=' || sep + 1 == a->n || !is_space(a->s[sep + 1]))
		return sep + 1;
	if (quoted == at && a->at != 0 && !name->header && strcmp(name->kind, "password") != 0)
		return 0;
	return sep + 1 + span(a, sep + 1, is_space);
}

static size_t end_of_line(const struct scan *a, size_t at)
{
	while (at < a->n && !is_quote(a->s[at]) && a->s[at] != '\n' && a->s[at] != '\r')
		at++;
	return at;
}

/* What begins another command, or one inside: in a script no value goes past it. */
static bool ends_command(char c)
{
	return c && strchr(";|&<>()$`\n\r", c);
}

/*
 * Behind a quote. Whether that opened or closed a string, only a shell could say (": 'TOKEN='; rm
 * x;
 * ':'"): so in a script nothing but words goes.
 */
static size_t end_of_quoted(const struct scan *a, size_t at)
{
	char quote = a->s[at - 1];

	while (at < a->n && a->s[at] != quote && !(a->code && ends_command(a->s[at])))
		at++;
	return at;
}

static size_t end_of_value(const struct scan *a, size_t at)
{
	size_t end;

	if (at && is_quote(a->s[at - 1])) {
		end = end_of_quoted(a, at);
		return end > at && a->s[end - 1] == '\\' && end < a->n ? end - 1 : end;
	}
	while (at < a->n && !ends_value(a->s[at], a->code))
		at++;
	return at;
}

/* In a script: "a=b; c=d", which as commands are assignments at most. */
static size_t end_of_cookies(const struct scan *a, size_t at)
{
	for (;;) {
		size_t end = at + span(a, at, is_dotted);

		if (end == at || end >= a->n || a->s[end] != '=')
			return at;
		at = end_of_value(a, end + 1);
		end = at < a->n && a->s[at] == ';' ? at + 1 + span(a, at + 1, is_space) : at;
		if (end == at || !span(a, end, is_dotted))
			return at;
		at = end;
	}
}

static size_t end_of_header(const struct scan *a, size_t at)
{
	if (!a->code)
		return end_of_line(a, at);
	return end_of_cookies(a, at) > at ? end_of_cookies(a, at) : end_of_value(a, at);
}

static const char *const auth_schemes[] = { "Bearer ", "Basic ",     "Token ",
					    "Digest ", "Negotiate ", "ApiKey " };

static size_t skip_scheme(const struct scan *a, size_t at)
{
	for (size_t i = 0; i < CS_COUNT(auth_schemes); i++)
		if (has(a, at, auth_schemes[i]))
			return at + strlen(auth_schemes[i]);
	return at;
}

/* At a name. */
static bool take_named(struct scan *a)
{
	const struct secret_name *name;
	size_t len;
	size_t value;
	size_t end;

	if (a->at && is_dotted(a->s[a->at - 1]))
		return false;
	len = span(a, a->at, is_dotted);
	name = len ? find_name(a->s + a->at, len) : NULL;
	value = name ? skip_separator(a, a->at + len, name) : 0;
	if (!value)
		return false;
	value = skip_quote(a, value);
	if (name->header) {
		value = skip_scheme(a, value);
		end = end_of_header(a, value);
	} else {
		end = end_of_value(a, value);
	}
	copy_to(a, value);
	if (end > value && !is_reference(a->s[value]))
		redact_to(a, end, name->kind);
	return true;
}

/* "Bearer" and its like without a header's name before them. */
static bool take_bearer(struct scan *a)
{
	size_t start;
	size_t len;

	if (a->at && is_alnum(a->s[a->at - 1]))
		return false;
	start = skip_scheme(a, a->at);
	len = start > a->at ? span(a, start, is_token68) : 0;
	if (len < 16 && !(a->open && len && start + len == a->n))
		return false;
	copy_to(a, start);
	redact_to(a, start + len, "credential");
	return true;
}

/* ---- the vector -------------------------------------------------------------------------- */

static bool (*const shapes[])(struct scan *a) = { take_pem, take_token, take_userinfo, take_named,
						  take_bearer };

static bool take_any(struct scan *a)
{
	for (size_t i = 0; i < CS_COUNT(shapes); i++)
		if (shapes[i](a))
			return true;
	return false;
}

static void scan_argument(struct scan *a)
{
	while (a->at < a->n) {
		/* What was found is followed by a look at the same place: ghp_x in TOKEN=ghp_x. */
		if (!take_any(a) && a->at < a->n)
			copy_to(a, a->at + 1);
	}
}

/* Options whose value is a secret, and that do not say so. */
static const struct {
	const char *program, *option;
	bool first; /* only as the first argument: then comes another command */
} options[] = {
	{ "curl", "-u", false },  { "curl", "--user", false }, { "curl", "--proxy-user", false },
	{ "curl", "-b", false },  { "sshpass", "-p", true },   { "http", "-a", false },
	{ "https", "-a", false },
};

static bool is_word(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(s, word, n) == 0;
}

/* The kind of secret that stands behind the option s in the next argument; NULL: none. */
static const char *option_kind(const char *program, size_t program_len, const char *s, size_t n)
{
	bool first = s == program + program_len + 1;
	const char *slash = memrchr(program, '/', program_len);
	const struct secret_name *name;

	if (n < 2 || s[0] != '-')
		return NULL;
	if (slash) {
		program_len -= (size_t)(slash + 1 - program);
		program = slash + 1;
	}
	for (size_t i = 0; i < CS_COUNT(options); i++)
		if (is_word(s, n, options[i].option) && (first || !options[i].first) &&
		    is_word(program, program_len, options[i].program))
			return "credential";
	name = memchr(s, '=', n) || n < 4 ? NULL : find_name(s, n);
	return name ? name->kind : NULL;
}

/* -c, -ec, -lc, -e, --eval, --command: what follows is a script. */
static bool announces_code(const char *s, size_t n)
{
	if (n < 2 || s[0] != '-')
		return false;
	if (s[1] == '-')
		return is_word(s, n, "--eval") || is_word(s, n, "--command");
	return s[n - 1] == 'c' || s[n - 1] == 'e';
}

size_t cs_trace_redact(struct cs_buf *out, const char *argv, size_t len, bool truncated)
{
	size_t program_len = strnlen(argv, len);
	const char *kind = NULL;
	size_t found = 0;
	bool code = false;

	for (size_t at = 0; at < len;) {
		const char *s = argv + at;
		size_t n = strnlen(s, len - at);
		bool last = at + n == len;
		struct scan a = { .out = out, .s = s, .n = n, .open = truncated && last };

		a.code = code;
		if (kind && n && s[0] != '-' && !is_reference(s[0]))
			redact_to(&a, n, kind);
		else
			scan_argument(&a);
		found += a.found;
		kind = option_kind(argv, program_len, s, n);
		code = announces_code(s, n);
		if (!last)
			cs_buf_addc(out, '\0');
		at += n + 1;
	}
	return found;
}
