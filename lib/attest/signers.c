/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allowed_signers (ssh-keygen(1), ALLOWED SIGNERS):
 *
 *	principals [option,...] keytype base64-key [comment]
 *
 * Only what names one person's key is used. A line with a pattern for a principal, with
 * cert-authority, or with an option that is not known here is kept aside: ssh-keygen would give it
 * a meaning, and taking it for less than it says would let somebody in or count one key twice.
 * What ssh-keygen does not accept (an option twice, or without its quotes) is not accepted here:
 * two lines that limit a key must never be read as two that allow.
 *
 * Times are YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z or UTC in UTC, else in local time
 * without daylight saving, as ssh-keygen has it.
 */
#include "wire.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MAX_LINES 10000
#define NS_PER_S  INT64_C(1000000000)
#define NO_END	  INT64_MAX

struct signer {
	struct cs_strv principals;
	struct cs_strv namespaces; /* patterns; empty: any */
	int64_t after_ns, before_ns;
	struct cs_ssh_key key;
	unsigned int options; /* seen: bits of the table's places */
	int line;
	char *unusable; /* why; NULL: usable */
};

struct cs_signers {
	char *file;
	struct signer *list;
	size_t n, cap;
};

void cs_signers_free(struct cs_signers *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		cs_strv_release(&s->list[i].principals);
		cs_strv_release(&s->list[i].namespaces);
		cs_ssh_key_release(&s->list[i].key);
		free(s->list[i].unusable);
	}
	free(s->list);
	free(s->file);
	free(s);
}

const char *cs_signers_file(const struct cs_signers *s)
{
	return s->file;
}

size_t cs_signers_count(const struct cs_signers *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += !s->list[i].unusable;
	return n;
}

/* ---- one line: words, of which the first two may hold quoted blanks ---- */

/* Takes the next word; quotes stay in it. NULL at the end of the line, or in an open quote. */
static char *next_word(char **at)
{
	char *start = *at + strspn(*at, " \t");
	bool quoted = false;
	char *p;

	for (p = start; *p && (quoted || (*p != ' ' && *p != '\t')); p++) {
		if (*p == '\\' && p[1] == '"')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	if (p == start || quoted)
		return NULL;
	*at = p + (*p != '\0');
	*p = '\0';
	return start;
}

/* "a,b" into words; false: an empty one, or a stray quote. */
static bool split(struct cs_strv *out, char *list)
{
	for (char *word; (word = strsep(&list, ","));) {
		if (!*word || strchr(word, '"'))
			return false;
		cs_strv_add(out, word);
	}
	return true;
}

/* Without the quotes around it; false where they are not a pair. */
static bool unquote(char **word)
{
	size_t len = strlen(*word);

	if ((*word)[0] != '"')
		return !strchr(*word, '"');
	if (len < 2 || (*word)[len - 1] != '"')
		return false;
	(*word)[len - 1] = '\0';
	(*word)++;
	return !strchr(*word, '"');
}

/* ---- options ---- */

/* "Z", "UTC", or nothing; false: something else. */
static bool parse_zone(bool *utc, const char *text)
{
	*utc = *text != '\0';
	return !*utc || !strcasecmp(text, "Z") || !strcasecmp(text, "UTC");
}

static bool parse_time(int64_t *out_ns, const char *text)
{
	size_t len = strspn(text, "0123456789");
	char digits[15] = "00000000000000";
	struct tm tm = { 0 };
	bool utc;
	time_t t;

	if ((len != 8 && len != 12 && len != 14) || !parse_zone(&utc, text + len))
		return false;
	memcpy(digits, text, len);
	if (sscanf(digits, "%4d%2d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = utc ? timegm(&tm) : mktime(&tm);
	/* Nanoseconds end in the year 2262, dates do not. */
	*out_ns = t < NO_END / NS_PER_S ? t * NS_PER_S : NO_END;
	return t >= 0;
}

static void set_aside(struct signer *s, const char *why)
{
	if (!s->unusable)
		s->unusable = cs_strdup(why);
}

/* OpenSSH's patterns know '*' and '?' only; cs_wildmatch() would find more in these. */
static bool take_namespaces(struct signer *s, char *value)
{
	if (strpbrk(value, "[\\"))
		set_aside(s, "its namespaces are not understood");
	return split(&s->namespaces, value);
}

static bool take_after(struct signer *s, char *value)
{
	return parse_time(&s->after_ns, value);
}

static bool take_before(struct signer *s, char *value)
{
	return parse_time(&s->before_ns, value);
}

static const struct {
	const char *name;
	bool (*take)(struct signer *s, char *value); /* NULL: makes the line unusable */
} options[] = {
	{ "namespaces", take_namespaces },
	{ "valid-after", take_after },
	{ "valid-before", take_before },
	{ "cert-authority", NULL },
};

/* One option; false: it does not parse. */
static bool take_option(struct signer *s, char *word)
{
	char *value = strchr(word, '=');
	size_t i = 0;

	if (value)
		*value++ = '\0';
	while (i < CS_COUNT(options) && strcasecmp(options[i].name, word) != 0)
		i++;
	if (!*word)
		return false;
	if (i == CS_COUNT(options) || !options[i].take) {
		set_aside(s, i == CS_COUNT(options) ? "it has an unknown option"
						    : "it names a certificate authority");
		return true;
	}
	if (s->options & 1u << i)
		return false;
	s->options |= 1u << i;
	return value && *value == '"' && unquote(&value) && options[i].take(s, value);
}

/* Commas inside quotes do not end an option; behind one there is another. */
static bool take_options(struct signer *s, char *word)
{
	while (word) {
		bool quoted = false;
		char *end = word;

		for (; *end && (quoted || *end != ','); end++)
			quoted ^= *end == '"';
		if (!*end)
			end = NULL;
		else
			*end++ = '\0';
		if (!take_option(s, word))
			return false;
		word = end;
	}
	return true;
}

/* ---- the file ---- */

static bool looks_like_key_type(const char *word)
{
	static const char *const starts[] = { "ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-" };

	for (size_t i = 0; i < CS_COUNT(starts); i++) {
		if (!strncmp(word, starts[i], strlen(starts[i])))
			return true;
	}
	return false;
}

static bool is_pattern(const char *principal)
{
	return strpbrk(principal, "*?!") != NULL;
}

/* NULL, or what is wrong with the line. */
static const char *parse_key(struct signer *s, const char *type, const char *text)
{
	AUTO_BUF struct cs_buf blob = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct key_parts parts;
	int rc;

	if (cs_base64_decode(&blob, text, strlen(text)) < 0)
		return "the key is not base64";
	rc = key_parse(&s->key, &parts, blob.data, blob.len, &err);
	if (rc == CS_UNSUPPORTED)
		set_aside(s, err.msg);
	else if (rc < 0)
		return "the key does not parse";
	else if (strcmp(s->key.type, type) != 0)
		return "the key is of another type than it says";
	return NULL;
}

static const char *parse_line(struct signer *s, char *line)
{
	char *principals = next_word(&line);
	char *word = principals ? next_word(&line) : NULL;
	char *key;

	if (!word || !unquote(&principals) || !split(&s->principals, principals))
		return "principals, options, key type and key are wanted";
	if (!looks_like_key_type(word)) {
		if (!take_options(s, word))
			return "an option that does not parse";
		word = next_word(&line);
	}
	key = word ? next_word(&line) : NULL;
	if (!key || !looks_like_key_type(word))
		return "no key";
	for (size_t i = 0; i < s->principals.n; i++) {
		if (is_pattern(s->principals.v[i]))
			set_aside(s, "its principal is a pattern");
	}
	if (s->principals.n > 1)
		set_aside(s, "it gives one key to several principals");
	return parse_key(s, word, key);
}

static int add_line(struct cs_signers *s, char *line, int number, struct cs_err *err)
{
	const char *wrong;

	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	if (s->n == MAX_LINES)
		return cs_err_set(err, CS_LIMIT, "%s: more than %d keys", s->file, MAX_LINES);
	CS_GROW(s->list, s->n, s->cap);
	s->list[s->n] =
		(struct signer){ .before_ns = NO_END, .key = CS_SSH_KEY_INIT, .line = number };
	s->n++;
	wrong = parse_line(&s->list[s->n - 1], line);
	if (wrong)
		return cs_err_set(err, CS_CORRUPT, "%s:%d: %s", s->file, number, wrong);
	return 0;
}

int cs_signers_parse(struct cs_signers **out, const char *file, const char *data, size_t len,
		     struct cs_err *err)
{
	struct cs_signers *s = cs_calloc(1, sizeof(*s));
	AUTO_FREE char *text = cs_strndup(data, len);
	char *rest = text;
	int number = 0;
	int rc = 0;

	s->file = cs_strdup(file);
	if (strlen(text) != len)
		rc = cs_err_set(err, CS_CORRUPT, "%s: a NUL byte", file);
	for (char *line; rc == 0 && (line = strsep(&rest, "\n"));) {
		size_t n = strlen(line);

		if (n && line[n - 1] == '\r')
			line[n - 1] = '\0';
		rc = add_line(s, line, ++number, err);
	}
	if (rc < 0) {
		cs_signers_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

/* ---- whose key ---- */

/* A pattern list of OpenSSH: what a "!pattern" matches is out, whatever else matches. */
static bool in_namespace(const struct signer *s, const char *ns)
{
	bool in = s->namespaces.n == 0;

	for (size_t i = 0; i < s->namespaces.n; i++) {
		const char *pattern = s->namespaces.v[i];
		bool negative = pattern[0] == '!';

		if (!cs_wildmatch(pattern + negative, ns, false))
			continue;
		if (negative)
			return false;
		in = true;
	}
	return in;
}

/* NULL, or why this line does not speak for its principal now. */
static const char *why_not(const struct signer *s, const char *ns, int64_t now_ns)
{
	if (s->unusable)
		return s->unusable;
	if (!in_namespace(s, ns))
		return "it is not for this namespace";
	if (now_ns == CS_SIGNERS_EVER)
		return NULL;
	if (now_ns < s->after_ns)
		return "it is not valid yet";
	if (now_ns >= s->before_ns)
		return "it has expired";
	return NULL;
}

static bool same_key(const struct signer *s, const struct cs_ssh_key *key)
{
	return s->key.blob.len && s->key.blob.len == key->blob.len &&
	       memcmp(s->key.blob.data, key->blob.data, key->blob.len) == 0;
}

int cs_signers_find(const char **principal, const struct cs_signers *s,
		    const struct cs_ssh_key *key, const char *ns, int64_t now_ns,
		    struct cs_err *err)
{
	const struct signer *found = NULL;
	const struct signer *last = NULL;
	const char *why = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct signer *one = &s->list[i];
		const char *no;

		if (!same_key(one, key))
			continue;
		no = why_not(one, ns, now_ns);
		if (no) {
			last = one;
			why = no;
		} else if (found && strcmp(found->principals.v[0], one->principals.v[0]) != 0) {
			return cs_err_set(err, CS_REFUSED,
					  "the key %s stands under two principals: %s:%d and %d",
					  key->fingerprint, s->file, found->line, one->line);
		} else {
			found = one;
		}
	}
	if (found) {
		*principal = found->principals.v[0];
		return 0;
	}
	if (last)
		return cs_err_set(err, CS_REFUSED, "%s:%d does not count: %s", s->file, last->line,
				  why);
	return cs_err_set(err, CS_REFUSED, "the key %s is not in %s", key->fingerprint, s->file);
}
