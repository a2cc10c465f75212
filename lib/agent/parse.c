/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one profile. The table below is the schema that countersign-profile(5) describes; as in
 * a policy, what is not in it is an error with file and line.
 */
#include "model.h"

#include <ctype.h>
#include <stddef.h>
#include "countersign/policy.h"

/* ---- checks of single words ------------------------------------------------------------------ */

static int no_word(struct cs_err *err, const char *why)
{
	return cs_err_set(err, CS_CORRUPT, "%s", why);
}

static int check_host(const char *word, struct cs_err *err)
{
	struct cs_net_rule rule;
	char host[256];

	return cs_net_rule_parse(&rule, host, word, err);
}

static size_t name_length(const char *word)
{
	size_t n = 0;

	while (isalpha((unsigned char)word[n]) || word[n] == '_' ||
	       (n && isdigit((unsigned char)word[n])))
		n++;
	return n;
}

static int check_pass(const char *word, struct cs_err *err)
{
	size_t n = name_length(word);

	if (!n || (word[n] && strcmp(word + n, "*") != 0))
		return no_word(err, "not the name of an environment variable (NAME or PREFIX*)");
	return 0;
}

static int check_set(const char *word, struct cs_err *err)
{
	size_t n = name_length(word);

	return n && word[n] == '=' ? 0 : no_word(err, "not NAME=value");
}

/* A path below HOME: relative, without "." and "..". */
static int check_home(const char *word, struct cs_err *err)
{
	const char *part = word;

	for (;;) {
		size_t n = strcspn(part, "/");

		if (!n || (n == 1 && part[0] == '.') || (n == 2 && !strncmp(part, "..", 2)))
			return no_word(err, "not a path below HOME");
		if (!part[n])
			return 0;
		part += n + 1;
	}
}

/* env:NAME, or file:~/path:key. */
static int check_from(const char *word, struct cs_err *err)
{
	const char *key = strrchr(word, ':');
	AUTO_FREE char *path = NULL;

	if (!strncmp(word, "env:", 4) && word[4] && !word[4 + name_length(word + 4)])
		return 0;
	if (strncmp(word, "file:~/", 7) != 0 || key < word + 7 || !key[1])
		return no_word(err, "neither env:NAME nor file:~/path:key");
	path = cs_strndup(word + 7, (size_t)(key - word - 7));
	return check_home(path, err);
}

static int check_any(const char *word, struct cs_err *err)
{
	(void)word;
	(void)err;
	return 0;
}

/* ---- the schema ------------------------------------------------------------------------------ */

enum form {
	ONE_TEXT = 0, /* once; a char * */
	WORDS,	      /* a list, split at white space */
	LINES,	      /* a list, one word a line, as it is */
};

static const struct field {
	const char *section;
	const char *key;
	enum form form;
	size_t offset; /* in struct cs_agent_file */
	int (*check)(const char *word, struct cs_err *err);
} fields[] = {
	{ "agent", "title", ONE_TEXT, offsetof(struct cs_agent_file, profile.title), check_any },
	{ "agent", "email", ONE_TEXT, offsetof(struct cs_agent_file, profile.email), check_any },
	{ "agent", "program", WORDS, offsetof(struct cs_agent_file, programs), check_any },
	{ "agent", "path", WORDS, offsetof(struct cs_agent_file, paths), check_any },
	{ "network", "host", WORDS, offsetof(struct cs_agent_file, profile.hosts), check_host },
	{ "network", "hostfrom", LINES, offsetof(struct cs_agent_file, host_from), check_from },
	{ "environment", "pass", WORDS, offsetof(struct cs_agent_file, profile.env_pass),
	  check_pass },
	{ "environment", "passfrom", LINES, offsetof(struct cs_agent_file, pass_from), check_from },
	{ "environment", "set", LINES, offsetof(struct cs_agent_file, profile.env_set), check_set },
	{ "home", "copy", WORDS, offsetof(struct cs_agent_file, profile.home_copy), check_home },
	{ "home", "back", WORDS, offsetof(struct cs_agent_file, profile.home_back), check_home },
	{ "home", "state", WORDS, offsetof(struct cs_agent_file, profile.home_state), check_home },
	{ "command", "argument", LINES, offsetof(struct cs_agent_file, profile.args), check_any },
	{ "command", "headless", LINES, offsetof(struct cs_agent_file, profile.headless),
	  check_any },
};

static const struct field *find_field(const struct cs_config_entry *e)
{
	for (size_t i = 0; i < CS_COUNT(fields); i++) {
		if (!strcmp(fields[i].section, e->section) && !strcmp(fields[i].key, e->key) &&
		    !e->subsection)
			return &fields[i];
	}
	return NULL;
}

static int add_to_list(struct cs_strv *list, const struct field *field, const char *word,
		       struct cs_err *err)
{
	int rc = field->check(word, err);

	if (rc < 0) {
		AUTO_FREE char *shown = cs_escape_line(word);

		cs_err_wrap(err, "'%s'", shown);
		return rc;
	}
	if (list->n == CS_AGENT_MAX_WORDS)
		return cs_err_set(err, CS_LIMIT, "more than %d values", CS_AGENT_MAX_WORDS);
	cs_strv_add(list, word);
	return 0;
}

static int add_words(struct cs_strv *list, const struct field *field, const char *value,
		     struct cs_err *err)
{
	AUTO_FREE char *rest = cs_strdup(value);
	char *save = NULL;
	int rc = 0;

	for (char *w = strtok_r(rest, " \t", &save); w && rc == 0; w = strtok_r(NULL, " \t", &save))
		rc = add_to_list(list, field, w, err);
	return rc;
}

static int fill(struct cs_agent_file *file, const struct field *field, const char *value,
		struct cs_err *err)
{
	void *at = (char *)file + field->offset;

	for (const char *p = value ? value : ""; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return no_word(err, "control character in the value");
	}
	if (!value || !*value)
		return no_word(err, "needs a value");
	if (field->form == WORDS)
		return add_words(at, field, value, err);
	if (field->form == LINES)
		return add_to_list(at, field, value, err);
	if (*(char **)at)
		return no_word(err, "set already");
	*(char **)at = cs_strdup(value);
	return 0;
}

static int add_entry(void *arg, const struct cs_config_entry *e, struct cs_err *err)
{
	const struct field *field = find_field(e);
	int rc;

	if (!field)
		return cs_err_set(err, CS_CORRUPT, "%s:%d: unknown key '%s.%s'", e->file, e->line,
				  e->section, e->key);
	rc = fill(arg, field, e->value, err);
	if (rc < 0)
		cs_err_wrap(err, "%s:%d: %s.%s", e->file, e->line, e->section, e->key);
	return rc;
}

/* ---- the whole file -------------------------------------------------------------------------- */

/* Files that come back are among those that go in, and one headless argument takes the prompt. */
static int check_whole(const struct cs_agent_file *f, const char *file, struct cs_err *err)
{
	size_t prompts = 0;

	for (size_t i = 0; i < f->profile.home_back.n; i++) {
		if (!cs_strv_has(&f->profile.home_copy, f->profile.home_back.v[i]))
			return cs_err_set(err, CS_CORRUPT,
					  "%s: home.back: '%s' is not in home.copy", file,
					  f->profile.home_back.v[i]);
	}
	for (size_t i = 0; i < f->profile.headless.n; i++)
		prompts += strstr(f->profile.headless.v[i], "{prompt}") != NULL;
	if (f->profile.headless.n && prompts != 1)
		return cs_err_set(err, CS_CORRUPT,
				  "%s: command.headless: {prompt} has to stand in one argument",
				  file);
	if (f->profile.headless.n && !f->programs.n)
		return cs_err_set(err, CS_CORRUPT, "%s: command.headless needs agent.program",
				  file);
	return 0;
}

int cs_agent_file_parse(struct cs_agent_file *out, const char *name, const char *origin,
			const char *file, const char *data, size_t len, struct cs_err *err)
{
	struct cs_agent_file f = { 0 };
	int rc;

	if (len > CS_AGENT_MAX_BYTES)
		return cs_err_set(err, CS_LIMIT, "%s: larger than %d bytes", file,
				  CS_AGENT_MAX_BYTES);
	rc = cs_config_parse(file, data, len, add_entry, &f, err);
	if (rc == 0)
		rc = check_whole(&f, file, err);
	if (rc < 0) {
		cs_agent_file_release(&f);
		return rc;
	}
	f.profile.name = cs_strdup(name);
	f.profile.origin = cs_strdup(origin);
	if (!f.profile.title)
		f.profile.title = cs_strdup(name);
	if (!f.profile.email)
		f.profile.email = cs_asprintf("%s@agent.invalid", name);
	if (f.programs.n)
		f.profile.program = cs_strdup(f.programs.v[0]);
	*out = f;
	return 0;
}

void cs_agent_file_release(struct cs_agent_file *file)
{
	cs_profile_release(&file->profile);
	cs_strv_release(&file->programs);
	cs_strv_release(&file->paths);
	cs_strv_release(&file->host_from);
	cs_strv_release(&file->pass_from);
}
