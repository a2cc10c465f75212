/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts and key names that the operator's own configuration of an agent names. These files are
 * TOML, JSON, YAML or lines of NAME=value; what we want from them is one pair of a key and a
 * string on one line, so one small scanner does for all four. It sees quotes and comments, so
 * that neither a remark nor a piece of prose opens a host; where a file is stranger than that it
 * finds nothing, and the operator names the host himself.
 */
#include "model.h"

#include <ctype.h>
#include <fcntl.h>
#include <strings.h>
#include "countersign/policy.h"

struct scan {
	const char *p;
	const char *end;
};

static bool is_bare(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static bool at_line_end(const struct scan *s)
{
	return s->p == s->end || *s->p == '\n';
}

static bool at_comment(const struct scan *s)
{
	return *s->p == '#' || (s->end - s->p > 1 && s->p[0] == '/' && s->p[1] == '/');
}

static void skip_line(struct scan *s)
{
	while (!at_line_end(s))
		s->p++;
}

static void skip_blanks(struct scan *s)
{
	while (!at_line_end(s) && (*s->p == ' ' || *s->p == '\t'))
		s->p++;
}

/* A quoted string, without its quotes; one that does not end on its line is none. */
static bool take_quoted(struct cs_buf *out, struct scan *s)
{
	char quote = *s->p++;

	cs_buf_truncate(out, 0);
	for (; !at_line_end(s); s->p++) {
		if (*s->p == quote) {
			s->p++;
			return true;
		}
		if (*s->p == '\\' && quote == '"' && s->end - s->p > 1 && s->p[1] != '\n')
			s->p++;
		cs_buf_addc(out, *s->p);
	}
	return false;
}

static void take_bare(struct cs_buf *out, struct scan *s, bool value)
{
	cs_buf_truncate(out, 0);
	while (!at_line_end(s) &&
	       (value ? !isspace((unsigned char)*s->p) && !strchr(",]\"'", *s->p) : is_bare(*s->p)))
		cs_buf_addc(out, *s->p++);
}

/* A key or another word, quoted or bare. */
static bool take_word(struct cs_buf *out, struct scan *s)
{
	if (*s->p == '"' || *s->p == '\'')
		return take_quoted(out, s);
	if (is_bare(*s->p)) {
		take_bare(out, s, false);
		return true;
	}
	s->p++;
	return false;
}

/* TOML: a.b.key is key. */
static bool is_key(const struct cs_buf *word, const char *key)
{
	const char *dot = strrchr(word->data, '.');

	return strlen(word->data) == word->len &&
	       (!strcmp(word->data, key) || (dot && !strcmp(dot + 1, key)));
}

/* Behind a key: its value, where there is one on this line. */
static bool take_value(struct cs_buf *out, struct scan *s)
{
	skip_blanks(s);
	if (at_line_end(s) || (*s->p != '=' && *s->p != ':'))
		return false;
	s->p++;
	skip_blanks(s);
	if (at_line_end(s) || at_comment(s))
		return false;
	if (*s->p == '"' || *s->p == '\'')
		return take_quoted(out, s);
	take_bare(out, s, true);
	return true;
}

void cs_agent_scan(struct cs_strv *out, const char *text, size_t len, const char *key)
{
	AUTO_BUF struct cs_buf word = CS_BUF_INIT;
	AUTO_BUF struct cs_buf value = CS_BUF_INIT;
	struct scan s = { .p = text, .end = text + len };

	while (s.p < s.end && out->n < CS_AGENT_MAX_VALUES) {
		if (at_comment(&s)) {
			skip_line(&s);
			continue;
		}
		if (!take_word(&word, &s) || !is_key(&word, key) || !take_value(&value, &s))
			continue;
		if (value.len && !memchr(value.data, 0, value.len))
			cs_strv_add(out, value.data);
	}
}

/* ---- what a value means ---------------------------------------------------------------------- */

static const struct {
	const char *scheme;
	uint16_t port;
} schemes[] = { { "https://", 443 }, { "http://", 80 } };

int cs_agent_host_of(char out[272], const char *value, bool bare)
{
	AUTO_FREE char *authority = NULL;
	struct cs_net_rule rule;
	char host[256];
	const char *at;
	uint16_t port = 0;

	for (size_t i = 0; i < CS_COUNT(schemes) && !port; i++) {
		size_t n = strlen(schemes[i].scheme);

		if (!strncasecmp(value, schemes[i].scheme, n)) {
			port = schemes[i].port;
			value += n;
		}
	}
	if (!port && !bare)
		return CS_NOTFOUND;
	authority = cs_strndup(value, strcspn(value, "/?#\\"));
	at = strrchr(authority, '@'); /* a password is not part of the name */
	if (cs_net_rule_parse(&rule, host, at ? at + 1 : authority, NULL) < 0 || rule.any_port ||
	    strchr(host, '*'))
		return CS_NOTFOUND;
	if (rule.port)
		port = rule.port;
	snprintf(out, 272, strchr(host, ':') ? "[%s]" : "%s", host);
	if (port)
		snprintf(out + strlen(out), 272 - strlen(out), ":%u", port);
	return 0;
}

char *cs_agent_name_of(const char *value)
{
	static const struct {
		const char *before, *after;
	} forms[] = { { "{env:", "}" }, { "${", "}" }, { "$", "" }, { "", "" } };

	for (size_t i = 0; i < CS_COUNT(forms); i++) {
		size_t n = strlen(forms[i].before);
		size_t len = 0;

		if (strncmp(value, forms[i].before, n) != 0)
			continue;
		while (isalpha((unsigned char)value[n + len]) || value[n + len] == '_' ||
		       (len && isdigit((unsigned char)value[n + len])))
			len++;
		if (len && !strcmp(value + n + len, forms[i].after))
			return cs_strndup(value + n, len);
	}
	return NULL;
}

/* ---- the operator's machine ------------------------------------------------------------------ */

static const char *env_value(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++) {
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	}
	return NULL;
}

/* What one "env:NAME" or "file:~/path:key" says; an absent or unreadable file says nothing. */
static void look_up(struct cs_strv *out, const char *from, const char *home, const char *const *env)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *path = NULL;
	const char *key = strrchr(from, ':') + 1;

	if (!strncmp(from, "env:", 4)) {
		const char *value = env_value(env, from + 4);

		if (value && *value)
			cs_strv_add(out, value);
		return;
	}
	if (!home)
		return;
	path = cs_asprintf("%s/%.*s", home, (int)(key - from - 8), from + 7);
	if (cs_read_file(&text, AT_FDCWD, path, 1 << 20, NULL) == 0)
		cs_agent_scan(out, text.data, text.len, key);
}

static void add_once(struct cs_strv *list, const char *word)
{
	if (!cs_strv_has(list, word))
		cs_strv_add(list, word);
}

void cs_agent_look_up(struct cs_agent_file *file, const char *home, const char *const *env)
{
	for (size_t i = 0; i < file->host_from.n; i++) {
		AUTO_STRV struct cs_strv values = CS_STRV_INIT;
		const char *from = file->host_from.v[i];

		look_up(&values, from, home, env);
		for (size_t k = 0; k < values.n; k++) {
			char host[272];

			if (cs_agent_host_of(host, values.v[k], !strncmp(from, "env:", 4)) == 0)
				add_once(&file->profile.hosts, host);
		}
	}
	for (size_t i = 0; i < file->pass_from.n; i++) {
		AUTO_STRV struct cs_strv values = CS_STRV_INIT;

		look_up(&values, file->pass_from.v[i], home, env);
		for (size_t k = 0; k < values.n; k++) {
			AUTO_FREE char *name = cs_agent_name_of(values.v[k]);

			/* A value that is no variable of ours may be the key itself. */
			if (name && env_value(env, name))
				add_once(&file->profile.env_pass, name);
		}
	}
}
