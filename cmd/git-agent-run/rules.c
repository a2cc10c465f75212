/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command rules: a program and the words that follow it. The program is compared by the last
 * component of the executed file and of the name that was asked for (a script's own); options in
 * front of the first word, and the values of those in the table, are skipped. Rules buy
 * attention; sandbox and egress contain.
 */
#include "report.h"

#include <string.h>

/* Options of multi-command tools that take a value as the next word. */
static const struct {
	const char *program, *option;
} with_value[] = {
	{ "git", "-C" },	    { "git", "-c" },	       { "git", "--git-dir" },
	{ "git", "--work-tree" },   { "git", "--namespace" },  { "docker", "--context" },
	{ "docker", "-H" },	    { "docker", "--config" },  { "kubectl", "-n" },
	{ "kubectl", "--context" }, { "kubectl", "--namespace" }, { "npm", "--prefix" },
	{ "cargo", "--config" },    { "gh", "-R" },
};

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool takes_value(const char *program, const char *option)
{
	for (size_t i = 0; i < CS_COUNT(with_value); i++)
		if (!strcmp(with_value[i].program, program) &&
		    !strcmp(with_value[i].option, option))
			return true;
	return false;
}

/* The next argument, or NULL at the end of what was kept. */
static const char *next_arg(const struct cs_trace_exec *exec, const char *arg)
{
	const char *end = exec->argv + exec->argv_len;
	const char *next = arg + strlen(arg) + 1;

	return next < end ? next : NULL;
}

static bool words_match(const struct cs_trace_exec *exec, const char *program, const char *words)
{
	const char *arg = exec->argv_len ? next_arg(exec, exec->argv) : NULL;

	while (*words) {
		size_t len = strcspn(words, " ");
		while (arg && arg[0] == '-') {
			bool value = takes_value(program, arg);
			arg = next_arg(exec, arg);
			if (value && arg)
				arg = next_arg(exec, arg);
		}
		if (!arg || strlen(arg) != len || strncmp(arg, words, len) != 0)
			return false;
		arg = next_arg(exec, arg);
		words += len;
		words += strspn(words, " ");
	}
	return true;
}

static bool matches(const struct cs_command_rule *rule, const struct cs_trace_exec *exec)
{
	size_t len = strcspn(rule->words, " ");
	const char *rest = rule->words + len + strspn(rule->words + len, " ");
	AUTO_FREE char *program = cs_strndup(rule->words, len);

	if (strcmp(last_component(exec->exe), program) != 0 &&
	    strcmp(last_component(exec->file), program) != 0)
		return false;
	return words_match(exec, program, rest);
}

const struct cs_command_rule *rule_for(const struct cs_policy *policy,
				       const struct cs_trace_exec *exec)
{
	const struct cs_command_rule *rules, *strictest = NULL;
	size_t n = cs_policy_commands(policy, &rules);

	for (size_t i = 0; i < n; i++)
		if (matches(&rules[i], exec) &&
		    (!strictest || rules[i].decision < strictest->decision))
			strictest = &rules[i];
	return strictest;
}
