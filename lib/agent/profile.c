/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the profile of a command. A profile of a name is read from the operator's directory,
 * else from /etc, else it is the built-in one; a file replaces the profile of its name as a whole.
 * A file that does not parse is an error for every run, not only for its own agent: it might be
 * the one that recognises the command.
 */
#include "countersign/agent.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include "model.h"

#define ETC_PROFILES "/etc/countersign/profiles"
#define MAX_PROFILES 256

struct places {
	char *user; /* or NULL */
	const char *etc;
};

static void places_release(struct places *p)
{
	free(p->user);
}

static struct places find_places(const char *home, const char *const *env)
{
	struct places p = { .etc = ETC_PROFILES };
	const char *xdg = NULL;

	for (; env && *env; env++) {
		if (!strncmp(*env, "XDG_CONFIG_HOME=/", 17))
			xdg = *env + 16;
	}
	p.user = cs_config_path(home, xdg, "profiles");
	return p;
}

/* Lower-case letters, digits, '-', '_', '.': no path, no editor's backup. */
static bool is_profile_name(const char *name)
{
	if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name))
		return false;
	for (const char *p = name; *p; p++) {
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) &&
		    !strchr("-_.", *p))
			return false;
	}
	return strlen(name) <= CS_AGENT_MAX_NAME;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_names_in(struct cs_strv *out, const char *dir)
{
	AUTO_DIR DIR *d = dir ? opendir(dir) : NULL;

	for (struct dirent *e; d && (e = readdir(d)) && out->n < MAX_PROFILES;) {
		if (is_profile_name(e->d_name) && !cs_strv_has(out, e->d_name))
			cs_strv_add(out, e->d_name);
	}
}

void cs_profile_names(struct cs_strv *out, const char *home, const char *const *env)
{
	CS_AUTO(places_release) struct places places = find_places(home, env);
	const char *name;

	for (size_t i = 0; cs_agent_builtin(&name, i); i++)
		cs_strv_add(out, name);
	add_names_in(out, places.etc);
	add_names_in(out, places.user);
	if (out->v)
		qsort(out->v, out->n, sizeof(*out->v), by_name);
}

static int load_file(struct cs_agent_file *out, const char *name, const char *dir,
		     struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", dir, name);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc = cs_read_file(&text, AT_FDCWD, path, CS_AGENT_MAX_BYTES, err);

	if (rc < 0)
		return rc;
	return cs_agent_file_parse(out, name, path, path, text.data, text.len, err);
}

static int load_builtin(struct cs_agent_file *out, const char *name, struct cs_err *err)
{
	AUTO_FREE char *origin = cs_asprintf("profile %s", name);
	const char *text;
	const char *other;

	for (size_t i = 0; (text = cs_agent_builtin(&other, i)) != NULL; i++) {
		if (!strcmp(other, name))
			return cs_agent_file_parse(out, name, origin, origin, text, strlen(text),
						   err);
	}
	return cs_err_set(err, CS_NOTFOUND, "no profile '%s'", name);
}

static int load(struct cs_agent_file *out, const char *name, const struct places *places,
		struct cs_err *err)
{
	const char *const dirs[] = { places->user, places->etc };

	for (size_t i = 0; i < CS_COUNT(dirs); i++) {
		int rc = dirs[i] ? load_file(out, name, dirs[i], err) : CS_NOTFOUND;

		if (rc != CS_NOTFOUND)
			return rc;
	}
	if (err)
		*err = (struct cs_err)CS_ERR_INIT;
	return load_builtin(out, name, err);
}

static void hand_over(struct cs_agent_file *to, struct cs_agent_file *from)
{
	cs_agent_file_release(to);
	*to = *from;
	*from = (struct cs_agent_file){ 0 };
}

/* A path glob never wins over a program's own name; of several globs the first profile's does. */
static int recognise(struct cs_agent_file *out, const struct cs_strv *names,
		     const struct places *places, const char *const *argv, const char *resolved,
		     struct cs_err *err)
{
	CS_AUTO(cs_agent_file_release) struct cs_agent_file by_path = { 0 };

	for (size_t i = 0; i < names->n; i++) {
		CS_AUTO(cs_agent_file_release) struct cs_agent_file file = { 0 };
		int rc = load(&file, names->v[i], places, err);

		if (rc < 0)
			return rc;
		if (cs_agent_recognises(&file, argv, resolved, false)) {
			hand_over(out, &file);
			return 0;
		}
		if (!by_path.profile.name && cs_agent_recognises(&file, argv, resolved, true))
			hand_over(&by_path, &file);
	}
	if (!by_path.profile.name)
		return load(out, "generic", places, err);
	hand_over(out, &by_path);
	return 0;
}

static int unknown_name(const char *name, const struct cs_strv *names, struct cs_err *err)
{
	AUTO_FREE char *shown = cs_escape_line(name);
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;

	for (size_t i = 0; i < names->n; i++)
		cs_buf_addf(&list, "%s%s", i ? ", " : "", names->v[i]);
	return cs_err_set(err, CS_USAGE, "no profile '%s'; there are %s", shown, list.data);
}

int cs_profile_find(struct cs_profile *out, const char *name, const char *const *argv,
		    const char *resolved, const char *home, const char *const *env,
		    struct cs_err *err)
{
	CS_AUTO(cs_agent_file_release) struct cs_agent_file file = { 0 };
	CS_AUTO(places_release) struct places places = find_places(home, env);
	AUTO_STRV struct cs_strv names = CS_STRV_INIT;
	int rc;

	cs_profile_names(&names, home, env);
	if (name && !cs_strv_has(&names, name))
		return unknown_name(name, &names, err);
	if (name)
		rc = load(&file, name, &places, err);
	else if (argv && argv[0])
		rc = recognise(&file, &names, &places, argv, resolved, err);
	else
		rc = load(&file, "generic", &places, err);
	if (rc < 0)
		return rc;
	cs_agent_look_up(&file, home, env);
	*out = file.profile;
	file.profile = (struct cs_profile){ 0 };
	return 0;
}

void cs_profile_release(struct cs_profile *profile)
{
	free(profile->name);
	free(profile->title);
	free(profile->email);
	free(profile->origin);
	free(profile->program);
	cs_strv_release(&profile->hosts);
	cs_strv_release(&profile->env_pass);
	cs_strv_release(&profile->env_set);
	cs_strv_release(&profile->home_copy);
	cs_strv_release(&profile->home_back);
	cs_strv_release(&profile->home_state);
	cs_strv_release(&profile->args);
	cs_strv_release(&profile->headless);
	*profile = (struct cs_profile){ 0 };
}
