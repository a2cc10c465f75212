/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which agent is this command? Agents are started by their own name, by a path, or as a script
 * of an interpreter ("node .../bundle/gemini.js", "python3 -m aider", "env X=1 codex"). What is
 * decided here opens hosts and copies credentials into the run, so a name alone has to be the
 * whole last component, and a path glob names the package that the program belongs to.
 */
#include "model.h"

#include <ctype.h>
#include <fnmatch.h>
#include <limits.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Programs that run another one: options that take the next word, and what ends the search. */
static const struct runner {
	const char *name; /* "python" also stands for python3.11 */
	const char *with_value[8];
	const char *module;	   /* the option in front of the program's name */
	const char *no_program[4]; /* there is none then */
} runners[] = {
	{ "env", { "-u", "--unset", "-C", "--chdir" }, NULL, { "-S", "--split-string" } },
	{ "node",
	  { "-r", "--require", "--import", "--loader", "-C", "--env-file" },
	  NULL,
	  { "-e", "--eval", "-p", "--print" } },
	{ "nodejs",
	  { "-r", "--require", "--import", "--loader", "-C", "--env-file" },
	  NULL,
	  { "-e", "--eval", "-p", "--print" } },
	{ "bun", { "-r", "--preload", "--cwd" }, NULL, { "-e", "--eval" } },
	{ "python", { "-W", "-X" }, "-m", { "-c" } },
	{ "sh", { "-o" }, NULL, { "-c", "-s" } },
	{ "bash", { "-o", "-O", "--rcfile", "--init-file" }, NULL, { "-c", "-s" } },
	{ "dash", { "-o" }, NULL, { "-c", "-s" } },
};

static bool is_runner(const struct runner *r, const char *word)
{
	const char *name = base_name(word);
	size_t n = strlen(r->name);

	if (strncmp(name, r->name, n) != 0)
		return false;
	return !name[n + (!strcmp(r->name, "python") ? strspn(name + n, "0123456789.") : 0)];
}

static const struct runner *find_runner(const char *word)
{
	for (size_t i = 0; i < CS_COUNT(runners); i++) {
		if (is_runner(&runners[i], word))
			return &runners[i];
	}
	return NULL;
}

static bool is_one_of(const char *const *list, size_t n, const char *word)
{
	for (size_t i = 0; i < n && list[i]; i++) {
		if (!strcmp(list[i], word))
			return true;
	}
	return false;
}

/* Index of the word that this runner runs, or 0 where it runs none. */
static size_t runs(const struct runner *r, const char *const *argv, size_t at)
{
	bool env = !strcmp(r->name, "env");

	for (size_t i = at + 1; argv[i]; i++) {
		if (is_one_of(r->no_program, CS_COUNT(r->no_program), argv[i]))
			return 0;
		if (!strcmp(argv[i], "--") || (r->module && !strcmp(argv[i], r->module)))
			return argv[i + 1] ? i + 1 : 0;
		if (is_one_of(r->with_value, CS_COUNT(r->with_value), argv[i])) {
			if (!argv[++i])
				return 0;
			continue;
		}
		if (argv[i][0] == '-' || (env && strchr(argv[i], '=')))
			continue;
		return i;
	}
	return 0;
}

size_t cs_agent_program_index(const char *const *argv)
{
	size_t at = 0;

	for (;;) {
		const struct runner *r = find_runner(argv[at]);
		size_t next = r ? runs(r, argv, at) : 0;

		if (!next)
			return at;
		at = next;
	}
}

/* "gemini.js" is gemini. */
static bool is_name(const char *word, const char *name)
{
	static const char *const endings[] = { "", ".js", ".mjs", ".cjs", ".py", ".exe" };
	size_t n = strlen(name);

	word = base_name(word);
	if (strncmp(word, name, n) != 0)
		return false;
	for (size_t i = 0; i < CS_COUNT(endings); i++) {
		if (!strcmp(word + n, endings[i]))
			return true;
	}
	return false;
}

static bool matches_path(const struct cs_agent_file *file, const char *path)
{
	for (size_t i = 0; i < file->paths.n; i++) {
		if (fnmatch(file->paths.v[i], path, 0) == 0)
			return true;
	}
	return false;
}

bool cs_agent_recognises(const struct cs_agent_file *file, const char *const *argv,
			 const char *resolved, bool by_path)
{
	size_t at = cs_agent_program_index(argv);
	AUTO_FREE char *script = NULL;

	if (!by_path) {
		for (size_t i = 0; i < file->programs.n; i++) {
			if (is_name(argv[at], file->programs.v[i]))
				return true;
		}
		return false;
	}
	if (!at)
		return resolved && matches_path(file, resolved);
	script = realpath(argv[at], NULL);
	return script && matches_path(file, script);
}
