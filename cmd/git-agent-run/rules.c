/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command rules: a program and the words that follow it. What is about to run is that program when it
 * is the same file or has the same content (programs.c), or when the last component of its path or
 * of the name that was asked for (a script's own) is the rule's. What a loader is told to load is
 * what runs. Options in front of the first word, and the values of those in the table, are skipped.
 * Rules buy attention; sandbox and egress contain.
 *
 * Not every exec can be looked at (countersign/trace.h):
 *
 * - The image stands at its exec and cannot be read: a program that the run's user may execute and not
 *   read, so no copy of one that can be read. Denied where a rule's program may be such a one.
 * - The caller cannot be read, so nothing is known: denied where any rule is stricter than "run".
 * - The caller is traced inside: its memory says what it wants to run, and its debugger can change
 *   that. Judged by it where only the built-in rule is stricter, or where the operator has written
 *   [sandbox] debuggers = allow; else denied.
 * - "busy": the call fails in any case, and the record says so.
 */
#include "report.h"

#include <stdio.h>
#include <string.h>

/* Options of multi-command tools that take a value as the next word. */
static const struct {
	const char *program, *option;
} with_value[] = {
	{ "git", "-C" },
	{ "git", "-c" },
	{ "git", "--git-dir" },
	{ "git", "--work-tree" },
	{ "git", "--namespace" },
	{ "git", "--config-env" },
	{ "git", "--exec-path" },
	{ "docker", "--context" },
	{ "docker", "-H" },
	{ "docker", "--config" },
	{ "kubectl", "-n" },
	{ "kubectl", "--context" },
	{ "kubectl", "--namespace" },
	{ "npm", "--prefix" },
	{ "cargo", "--config" },
	{ "gh", "-R" },
	{ "ld.so", "--argv0" },
	{ "ld.so", "--preload" },
	{ "ld.so", "--library-path" },
	{ "ld.so", "--inhibit-rpath" },
	{ "ld.so", "--audit" },
	{ "ld.so", "--glibc-hwcaps-mask" },
	{ "ld.so", "--glibc-hwcaps-prepend" },
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

/* ---- what is about to run ---------------------------------------------------------------- */

/* The next argument, or NULL at the end of what was kept. */
static const char *next_arg(const struct cs_trace_exec *exec, const char *arg)
{
	const char *end = exec->argv + exec->argv_len;
	const char *next = arg + strlen(arg) + 1;

	return next < end ? next : NULL;
}

/* Behind the options that stand at arg, NULL for none. */
static const char *skip_options(const struct cs_trace_exec *exec, const char *program,
				const char *arg)
{
	while (arg && arg[0] == '-') {
		bool value = takes_value(program, arg);

		arg = next_arg(exec, arg);
		if (value && arg)
			arg = next_arg(exec, arg);
	}
	return arg;
}

/* ld-linux-x86-64.so.2, ld-musl-x86_64.so.1, ld.so */
static bool is_loader(const char *path)
{
	const char *name = last_component(path);

	return !strcmp(name, "ld.so") || (!strncmp(name, "ld-", 3) && strstr(name, ".so."));
}

static void subject_of(struct subject *s, const struct report *r, const struct cs_trace_exec *e)
{
	const char *loaded = NULL;

	*s = (struct subject){ .pid = e->pid, .cwd = e->cwd };
	s->image = (struct subject_file){
		.name = last_component(e->exe), .dev = e->dev, .ino = e->ino, .size = e->size
	};
	memcpy(s->image.sha256, e->sha256, sizeof s->image.sha256);
	s->script.name = last_component(e->file);
	s->argv0 = e->argv_len ? e->argv : "";
	s->arg = e->argv_len ? next_arg(e, e->argv) : NULL;
	/* A copy of the loader by another name loads, too; that is beyond what rules see. */
	if (is_loader(e->exe) || is_loader(e->file))
		loaded = skip_options(e, "ld.so", s->arg);
	if (loaded) {
		subject_look(&s->image, s, loaded);
		s->argv0 = loaded;
		s->arg = next_arg(e, loaded);
	} else if (e->file[0] && (!e->at_exec || programs_have_scripts(r->programs))) {
		subject_look(&s->script, s,
			     e->file); /* a hint: the name may lead elsewhere by now */
	}
}

/* ---- rules ------------------------------------------------------------------------------- */

/* The word of a name like git-push, which is git's own for git push. */
static const char *word_of_name(const char *program, const char *argv0)
{
	const char *name = last_component(argv0);
	size_t len = strlen(program);

	return !strncmp(name, program, len) && name[len] == '-' ? name + len + 1 : NULL;
}

static bool words_match(const struct cs_trace_exec *e, const struct subject *s, const char *program,
			const char *words)
{
	const char *word = word_of_name(program, s->argv0);
	const char *arg = s->arg;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (!word) {
			word = skip_options(e, program, arg);
			arg = word ? next_arg(e, word) : NULL;
		}
		if (!word || strlen(word) != len || strncmp(word, words, len) != 0)
			return false;
		word = NULL;
		words += len;
		words += strspn(words, " ");
	}
	return true;
}

static bool matches(struct report *r, const struct cs_command_rule *rule, size_t i,
		    const struct cs_trace_exec *e, struct subject *s)
{
	size_t len = strcspn(rule->words, " ");
	const char *rest = rule->words + len + strspn(rule->words + len, " ");
	AUTO_FREE char *path = cs_strndup(rule->words, len);
	const char *program = last_component(path);

	/* A rule that names a path means that file alone; any other one every file of this name. */
	if ((program != path ||
	     (strcmp(s->image.name, program) && strcmp(s->script.name, program))) &&
	    !programs_is(r->programs, i, s))
		return false;
	return words_match(e, s, program, rest);
}

/* Whether an exec that nobody could look at might be what the rule is about. */
static bool could_match(const struct report *r, const struct cs_command_rule *rule, size_t i,
			const struct cs_trace_exec *e)
{
	bool own = strcmp(rule->origin, "built-in") != 0;
	bool trusted = strcmp(cs_policy_origin(r->run->policy, "sandbox.debuggers"), "built-in");

	if (e->at_exec)
		return programs_may_be_unreadable(r->programs, i);
	if (strcmp(e->unverified, "traced") != 0)
		return true;
	return own && !trusted;
}

static const char *why_unverified(const struct cs_trace_exec *e)
{
	if (!strcmp(e->unverified, "traced"))
		return "a debugger inside holds the caller, so what would run is not known; "
		       "[sandbox] debuggers = allow in a policy of yours lets it";
	return "what would run cannot be read";
}

void judge_command(struct judgement *out, struct report *r, const struct cs_trace_exec *e)
{
	const struct cs_command_rule *rules;
	size_t n = cs_policy_commands(r->run->policy, &rules);
	struct subject s;

	*out = (struct judgement){ .allow = false };
	programs_find(r->programs, e->pid);
	subject_of(&s, r, e);
	for (size_t i = 0; i < n; i++)
		if (matches(r, &rules[i], i, e, &s) &&
		    (!out->rule || rules[i].decision < out->rule->decision))
			out->rule = &rules[i];
	/* Nobody can be asked here, so what a rule wants to ask about is refused. */
	out->allow = !out->rule || out->rule->decision == CS_ALLOW;
	out->why = out->allow || !out->rule ? NULL : out->rule->reason;
	if (e->verified || !out->allow)
		return;
	if (!strcmp(e->unverified, "busy")) {
		out->allow = false;
		out->why = "the caller could not be looked at in time";
		return;
	}
	for (size_t i = 0; i < n && out->allow; i++) {
		if (rules[i].decision == CS_ALLOW || !could_match(r, &rules[i], i, e))
			continue;
		*out = (struct judgement){ .rule = &rules[i], .why = why_unverified(e) };
	}
}
