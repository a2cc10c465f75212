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
	{ "git", "--shallow-file" },
	{ "git", "--super-prefix" },
	{ "git", "--attr-source" },
	{ "docker", "--context" },
	{ "docker", "-c" },
	{ "docker", "-H" },
	{ "docker", "--host" },
	{ "docker", "-l" },
	{ "docker", "--log-level" },
	{ "docker", "--tlscacert" },
	{ "docker", "--tlscert" },
	{ "docker", "--tlskey" },
	{ "docker", "--config" },
	{ "kubectl", "-n" },
	{ "kubectl", "--context" },
	{ "kubectl", "--namespace" },
	{ "kubectl", "--kubeconfig" },
	{ "kubectl", "--cluster" },
	{ "kubectl", "--user" },
	{ "kubectl", "-s" },
	{ "kubectl", "--server" },
	{ "kubectl", "--token" },
	{ "kubectl", "--as" },
	{ "kubectl", "--as-group" },
	{ "kubectl", "--as-uid" },
	{ "kubectl", "--cache-dir" },
	{ "kubectl", "--certificate-authority" },
	{ "kubectl", "--client-certificate" },
	{ "kubectl", "--client-key" },
	{ "kubectl", "--tls-server-name" },
	{ "kubectl", "--request-timeout" },
	{ "kubectl", "-v" },
	{ "npm", "--prefix" },
	{ "npm", "-C" },
	{ "npm", "--registry" },
	{ "npm", "--loglevel" },
	{ "npm", "--userconfig" },
	{ "npm", "-w" },
	{ "npm", "--workspace" },
	{ "cargo", "--config" },
	{ "cargo", "--color" },
	{ "cargo", "-C" },
	{ "cargo", "-Z" },
	{ "gh", "-R" },
	{ "gh", "--repo" },
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

/* Whether arg, or what comes behind it where that is NULL, was too long to be kept whole. */
static bool is_cut(const struct cs_trace_exec *exec, const char *arg)
{
	return exec->argv_len < exec->argv_total &&
	       (!arg || arg + strlen(arg) >= exec->argv + exec->argv_len);
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

/* What the loader with these arguments starts. Its options begin with two dashes, and no name does. */
static void add_loaded(struct subject *s, const struct cs_trace_exec *e, const char *arg)
{
	while (arg && !strncmp(arg, "--", 2) && arg[2]) {
		bool value = takes_value("ld.so", arg);

		arg = next_arg(e, arg);
		if (value && arg)
			arg = next_arg(e, arg);
	}
	if (arg && !strcmp(arg, "--"))
		arg = next_arg(e, arg);
	if (!arg && !is_cut(e, NULL))
		return; /* it says how it is used, or what it knows */
	if (!arg || is_cut(e, arg))
		s->files[s->n++] =
			(struct subject_file){ .name = "", .argv0 = "", .unknown = true };
	else /* a name without a slash is looked for, we do not know where */
		subject_look(s, arg, next_arg(e, arg))->unknown |= !strchr(arg, '/');
}

static bool is_same_file(const struct subject_file *a, const struct subject_file *b)
{
	return a->ino && a->dev == b->dev && a->ino == b->ino;
}

/*
 * In front of a script the kernel puts its interpreter, with an argument where the script gives one;
 * where the interpreter is a script, too, again. Its name is the one that was asked for. A binary
 * that is told its own name looks the same, and is told apart by its file.
 */
static void add_scripts(struct subject *s, const struct cs_trace_exec *e, const char *arg)
{
	size_t before = s->n;
	size_t last = 0;
	size_t i = 0;
	bool binary = is_same_file(subject_look(s, e->file, NULL), &s->files[0]);

	s->n = before;
	for (const char *a = arg; a && !binary && i < SUBJECT_WORDS; a = next_arg(e, a))
		if (++i && !strcmp(a, e->file))
			last = i;
	for (i = 0; i < last; i++, arg = next_arg(e, arg))
		subject_look(s, arg, next_arg(e, arg))->script = true;
}

static void subject_of(struct subject *s, struct report *r, const struct cs_trace_exec *e)
{
	const char *argv0 = e->argv_len ? e->argv : "";
	const char *arg = e->argv_len ? next_arg(e, e->argv) : NULL;
	struct subject_file *image = &s->files[s->n = 0];

	*s = (struct subject){ .pid = e->pid, .cwd = e->cwd, .n = 1 };
	*image = (struct subject_file){ .name = last_component(e->exe),
					.argv0 = argv0,
					.arg = arg,
					.dev = e->dev,
					.ino = e->ino,
					.size = e->size };
	memcpy(image->sha256, e->sha256, sizeof image->sha256);
	s->files[s->n++] =
		(struct subject_file){ .name = last_component(argv0), .argv0 = argv0, .arg = arg };
	if (!e->at_exec && e->file[0])
		subject_look(s, e->file, arg)->argv0 = argv0;
	else
		s->files[s->n++] = (struct subject_file){ .name = last_component(e->file),
							  .argv0 = argv0,
							  .arg = arg };
	if (is_loader(e->exe) || is_loader(e->file) || programs_is_loader(r->programs, s, image))
		add_loaded(s, e, arg);
	else if (e->at_exec && programs_have_scripts(r->programs))
		add_scripts(s, e, arg); /* hints: the names may lead elsewhere by now */
}

/* ---- rules ------------------------------------------------------------------------------- */

/* The word of a name like git-push, which is git's own for git push; other programs have none. */
static const char *word_of_name(const char *program, const char *argv0)
{
	const char *name = last_component(argv0);

	return !strcmp(program, "git") && !strncmp(name, "git-", 4) ? name + 4 : NULL;
}

static bool words_match(const struct cs_trace_exec *e, const struct subject_file *f,
			const char *program, const char *words)
{
	const char *word = word_of_name(program, f->argv0);
	const char *arg = f->arg;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (!word) {
			word = skip_options(e, program, arg);
			if (is_cut(e, word))
				return true;
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

	for (size_t k = 0; k < s->n; k++) {
		struct subject_file *f = &s->files[k];
		/* A rule that names a path means that file; any other one every file of this name. */
		bool named = program == path && !strcmp(f->name, program);

		if (words_match(e, f, program, rest) &&
		    (named || programs_is(r->programs, i, s, f)))
			return true;
	}
	return false;
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
