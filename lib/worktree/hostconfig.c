/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the private git directory takes from the host's configuration: a list of keys that name
 * remotes and upstream branches, and nothing that could name a program, a file or a secret.
 * URLs lose their credentials; keys that are not in the table are not there.
 */
#include "internal.h"

#include <fcntl.h>
#include <strings.h>

/* Remote helpers ("ext::", "fd::") are command lines rather than addresses. */
#define HELPER_MARK "::"

struct reading {
	struct cs_buf *out;
	bool partial;
	char *section; /* the heading written last: "remote.origin" */
};

enum kind { PLAIN, URL };

static const struct {
	const char *section, *key;
	enum kind kind;
} taken[] = {
	{ "remote", "url", URL },
	{ "remote", "pushurl", URL },
	{ "remote", "fetch", PLAIN },
	{ "remote", "tagopt", PLAIN },
	/* Of a partial clone: gc and fsck then accept that objects are missing. */
	{ "remote", "promisor", PLAIN },
	{ "remote", "partialclonefilter", PLAIN },
	{ "branch", "remote", PLAIN },
	{ "branch", "merge", PLAIN },
	{ "branch", "rebase", PLAIN },
	{ "branch", "description", PLAIN },
};

void cs_wt_config_add(struct cs_buf *out, const char *key, const char *value)
{
	static const char special[] = "\n\t\b\"\\", names[] = "ntb\"\\";

	cs_buf_addf(out, "\t%s = \"", key);
	for (const char *p = value; *p; p++) {
		const char *s = strchr(special, *p);

		if (s)
			cs_buf_addf(out, "\\%c", names[s - special]);
		else
			cs_buf_addc(out, *p);
	}
	cs_buf_adds(out, "\"\n");
}

static void add_heading(struct cs_buf *out, const char *section, const char *subsection)
{
	cs_buf_addf(out, "[%s \"", section);
	for (const char *p = subsection; *p; p++) {
		if (*p == '"' || *p == '\\')
			cs_buf_addc(out, '\\');
		cs_buf_addc(out, *p);
	}
	cs_buf_adds(out, "\"]\n");
}

/* RFC 3986: scheme "://" [ userinfo "@" ] host ... */
static void clean_address(struct cs_buf *out, const char *url, const char *rest)
{
	bool ssh = !strncasecmp(url, "ssh", 3) || !strncasecmp(url, "git+ssh", 7);
	size_t authority = strcspn(rest, "/?#");
	const char *at = memrchr(rest, '@', authority);
	const char *colon;

	cs_buf_add(out, url, (size_t)(rest - url));
	if (at) {
		/* Over ssh the user name is part of the address; elsewhere it may be the token. */
		colon = memchr(rest, ':', (size_t)(at - rest));
		if (ssh)
			cs_buf_addf(out, "%.*s@", (int)((colon ? colon : at) - rest), rest);
		rest = at + 1;
	}
	cs_buf_add(out, rest, strcspn(rest, "?#"));
}

bool cs_wt_url_clean(struct cs_buf *out, const char *url)
{
	const char *sep = strstr(url, "://");
	size_t scheme = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789+.-");

	if (!strncmp(url + scheme, HELPER_MARK, strlen(HELPER_MARK)))
		return false;
	if (sep && sep == url + scheme)
		clean_address(out, url, sep + 3);
	else
		cs_buf_adds(out, url); /* a path, or user@host:path: no place for a password */
	return true;
}

static void take(struct reading *r, const char *section, const char *subsection, const char *key,
		 const char *value, enum kind kind)
{
	AUTO_BUF struct cs_buf clean = CS_BUF_INIT;
	AUTO_FREE char *heading = NULL;

	if (kind == URL) {
		if (!cs_wt_url_clean(&clean, value))
			return;
		value = clean.data;
	}
	heading = cs_asprintf("%s.%s", section, subsection);
	if (!r->section || strcmp(r->section, heading) != 0) {
		add_heading(r->out, section, subsection);
		free(r->section);
		r->section = cs_steal(&heading);
	}
	cs_wt_config_add(r->out, key, value);
}

static void consider(struct reading *r, const char *section, const char *subsection,
		     const char *key, const char *value)
{
	if (!strcmp(section, "extensions") && !strcmp(key, "partialclone"))
		r->partial = true;
	if (!subsection || strchr(subsection, '\n'))
		return;
	if (!strcmp(section, "remote") && !strcmp(key, "promisor") && cs_config_bool(value) == 1)
		r->partial = true;
	for (size_t i = 0; i < CS_COUNT(taken); i++)
		if (!strcmp(section, taken[i].section) && !strcmp(key, taken[i].key))
			take(r, section, subsection, key, value ? value : "true", taken[i].kind);
}

static int from_parser(void *arg, const struct cs_config_entry *e, struct cs_err *err)
{
	(void)err;
	consider(arg, e->section, e->subsection, e->key, e->value);
	return 0;
}

/* "section.sub.section.key LF value NUL", as `git config --list -z` prints it. */
static void from_line(struct reading *r, char *line)
{
	char *first = strchr(line, '.');
	char *value = strchr(line, '\n');
	char *last;

	/* A line end in the subsection is legal nowhere, so this is the value's. */
	if (value)
		*value++ = '\0';
	last = strrchr(line, '.');
	if (!first || !last || first > last)
		return;
	*first = '\0';
	*last = '\0';
	consider(r, line, first == last ? NULL : first + 1, last + 1, value);
}

/*
 * The host's file may hold what our own parser is too strict for: includes, values that git alone
 * reads. Then git reads it, in a process of its own.
 */
static int ask_git(struct reading *r, const struct cs_repo *repo, struct cs_err *err)
{
	static const char *const args[] = { "config", "--local", "--no-includes",
					    "--list", "-z",	 NULL };
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct cs_git_call call = { .git_dir = cs_repo_common_dir(repo), .args = args };
	int rc = cs_git(&list, &call, err);

	if (rc < 0)
		return rc;
	for (char *p = list.data; p < list.data + list.len;) {
		char *next = p + strlen(p) + 1;

		from_line(r, p);
		p = next;
	}
	return 0;
}

int cs_wt_host_config(struct cs_buf *out, bool *partial, const struct cs_repo *repo,
		      struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/config", cs_repo_common_dir(repo));
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct reading r = { .out = out };
	size_t before = out->len;
	int rc = cs_wt_read(&text, AT_FDCWD, path, CS_CONFIG_MAX_BYTES, NULL);

	if (rc > 0)
		rc = cs_config_parse(path, text.data, text.len, from_parser, &r, NULL);
	if (rc < 0) {
		cs_buf_truncate(out, before);
		free(cs_steal(&r.section));
		rc = ask_git(&r, repo, err);
	}
	free(r.section);
	if (rc < 0)
		return cs_err_wrap(err, "%s", path);
	*partial = r.partial;
	return 0;
}
