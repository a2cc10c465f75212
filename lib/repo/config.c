/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's configuration and identity. Read through `git config --list`, once and only when
 * something is asked for (1.5 ms): git alone knows every source (-c, GIT_CONFIG_*, includes by
 * condition, per-worktree files), and a different answer here would be wrong in the user's eyes.
 */
#include "internal.h"

#include <ctype.h>
#include <pwd.h>
#include <string.h>
#include <sys/wait.h>

/* "key\nvalue\0" or "key\0" after each other, as --list -z prints them. */
struct cs_user_config {
	struct cs_buf text;
};

void cs_user_config_free(struct cs_user_config *config)
{
	if (!config)
		return;
	cs_buf_release(&config->text);
	free(config);
}

static int load(const struct cs_repo *repo, struct cs_err *err)
{
	static const char *const args[] = { "config", "--list", "-z", NULL };
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int status;
	int rc;

	if (repo->lazy->config)
		return 0;
	rc = cs_git_as_user(&text, &errout, &status, repo->git_dir, repo->git_dir, args, err);
	if (rc < 0)
		return rc;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return cs_git_failed(&(struct cs_git_call){ .args = args }, status, &errout, err);
	repo->lazy->config = cs_malloc(sizeof(*repo->lazy->config));
	repo->lazy->config->text = text;
	text = (struct cs_buf)CS_BUF_INIT;
	return 0;
}

/* As git prints keys: section and name in lower case, what is between them as it is. */
static char *canonical_key(const char *key)
{
	char *copy = cs_strdup(key);
	const char *first = strchr(copy, '.');
	const char *last = strrchr(copy, '.');

	for (char *p = copy; *p; p++)
		if (!first || p < first || p > last)
			*p = (char)tolower((unsigned char)*p);
	return copy;
}

/* The last value, borrowed; "true" for a key without one; NULL when there is no such key. */
static const char *find(const struct cs_user_config *config, const char *key)
{
	const char *end = config->text.data + config->text.len;
	const size_t len = strlen(key);
	const char *found = NULL;

	for (const char *p = config->text.data; p < end; p += strlen(p) + 1)
		if (!strncmp(p, key, len) && (p[len] == '\n' || !p[len]))
			found = p[len] ? p + len + 1 : "true";
	return found;
}

int cs_repo_config(char **out, const struct cs_repo *repo, const char *key, struct cs_err *err)
{
	AUTO_FREE char *canonical = canonical_key(key);
	const char *value;
	int rc = load(repo, err);

	if (rc < 0)
		return rc;
	value = find(repo->lazy->config, canonical);
	*out = value ? cs_strdup(value) : NULL;
	return 0;
}

/* The full name of the account: the first field of GECOS, '&' in it being the login (passwd(5)). */
static char *account_name(const struct passwd *pw)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	for (const char *p = pw->pw_gecos ? pw->pw_gecos : ""; *p && *p != ','; p++) {
		if (*p != '&') {
			cs_buf_addc(&b, *p);
			continue;
		}
		cs_buf_addc(&b, (char)toupper((unsigned char)pw->pw_name[0]));
		cs_buf_adds(&b, pw->pw_name[0] ? pw->pw_name + 1 : "");
	}
	return b.len ? cs_buf_take(&b) : cs_strdup(pw->pw_name);
}

/* What git would take when nothing is configured; filled only where *name or *email is NULL. */
static int from_account(char **name, char **email, struct cs_err *err)
{
	char host[256] = "";
	char memory[4096];
	struct passwd pw;
	struct passwd *found = NULL;
	int rc = getpwuid_r(geteuid(), &pw, memory, sizeof(memory), &found);

	if (rc || !found)
		return cs_err_set(err, CS_USAGE,
				  "who are you? user.name and user.email are not set, and there is "
				  "no account for uid %u; run: git config --global user.name NAME; "
				  "git config --global user.email ADDRESS",
				  (unsigned int)geteuid());
	gethostname(host, sizeof(host) - 1); /* without a name, the address ends in '@' */
	if (!*name)
		*name = account_name(&pw);
	if (!*email)
		*email = cs_asprintf("%s@%s", pw.pw_name, host);
	return 0;
}

/* The first of an environment variable and two keys that is set and not empty; else NULL. */
static char *first_set(const struct cs_repo *repo, const char *env, const char *key,
		       const char *other_key)
{
	const char *candidates[] = { getenv(env), find(repo->lazy->config, key),
				     find(repo->lazy->config, other_key) };

	for (size_t i = 0; i < CS_COUNT(candidates); i++)
		if (candidates[i] && *candidates[i])
			return cs_strdup(candidates[i]);
	return NULL;
}

int cs_repo_identity(char **name, char **email, const struct cs_repo *repo, struct cs_err *err)
{
	AUTO_FREE char *n = NULL;
	AUTO_FREE char *e = NULL;
	int rc = load(repo, err);

	if (rc < 0)
		return rc;
	n = first_set(repo, "GIT_COMMITTER_NAME", "committer.name", "user.name");
	e = first_set(repo, "GIT_COMMITTER_EMAIL", "committer.email", "user.email");
	if (!n || !e)
		rc = from_account(&n, &e, err);
	if (rc < 0)
		return rc;
	*name = cs_steal(&n);
	*email = cs_steal(&e);
	return 0;
}
