/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wanted, by whom, of which repository: everything that can be wrong with a command line
 * is found here, before a file is made.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_NOT_FOUND	    127
#define EXIT_NOT_EXECUTABLE 126
#define MAX_PROMPT	    (1 << 20)
/*
 * Who an agent is when root starts it on a repository of root's: a uid that no account, no
 * container and no dynamic user of systemd's has. It owns pristine checkouts and run directories.
 */
#define AGENT_UID 2113929217u

int ask_operator(struct run *run, struct cs_err *err)
{
	struct operator *op = &run->operator;
	const struct passwd *pw = getpwuid(geteuid());
	const char *home = getenv("HOME");

	op->root = geteuid() == 0;
	op->uid = geteuid();
	op->gid = getegid();
	op->env = (const char *const *)environ;
	if (!home || home[0] != '/')
		home = pw ? pw->pw_dir : NULL;
	if (!home)
		return cs_err_set(err, CS_USAGE, "HOME is not set and uid %u has no account",
				  op->uid);
	op->home = realpath(home, NULL);
	if (!op->home)
		op->home = cs_strdup(home);
	op->user = cs_strdup(pw ? pw->pw_name : "agent");
	return 0;
}

/*
 * What a policy demands and this version cannot hold ends the run before it starts: never silently
 * weaker. The layers that are always there need no look; Landlock's is taken when it is in force.
 */
static int refuse_unenforced(const struct cs_policy *policy, struct cs_err *err)
{
	static const char *const layers[] = { "user", "mount",	 "pid",	   "net",     "ipc",
					      "uts",  "seccomp", "cgroup", "landlock" };
	const struct cs_strv *required = cs_policy_list(policy, "sandbox.require");

	for (size_t i = 0; i < required->n; i++) {
		bool known = false;
		for (size_t k = 0; k < CS_COUNT(layers); k++)
			known |= !strcmp(required->v[i], layers[k]);
		if (!known)
			return cs_err_set(err, CS_UNSUPPORTED, "%s: no such layer: %s",
					  cs_policy_origin(policy, "sandbox.require"),
					  required->v[i]);
	}
	return 0;
}

int ask_policy(struct run *run, struct cs_err *err)
{
	const struct run_opts *o = run->opts;
	int rc;

	cs_policy_new(&run->policy);
	rc = cs_policy_load_managed(run->policy, NULL, err);
	if (!rc)
		rc = cs_policy_load_operator(run->policy, run->operator.home,
					     getenv("XDG_CONFIG_HOME"), o->policy, err);
	for (size_t i = 0; i < o->allow_host.n && !rc; i++)
		rc = cs_policy_set(run->policy, CS_LAYER_OPTION, "--allow-host", "network.allow",
				   o->allow_host.v[i], err);
	if (!rc && o->timeout_ms >= 0) {
		AUTO_FREE char *value = cs_asprintf("%lldms", (long long)o->timeout_ms);
		rc = cs_policy_set(run->policy, CS_LAYER_OPTION, "--timeout", "sandbox.timeout",
				   value, err);
	}
	if (!rc)
		rc = cs_policy_seal(run->policy, err);
	if (!rc)
		rc = refuse_unenforced(run->policy, err);
	return rc < 0 ? cs_err_wrap(err, "load policy") : 0;
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return !strncmp(path, dir, n) && (path[n] == '/' || path[n] == '\0');
}

int ask_repository(struct run *run, struct cs_err *err)
{
	struct operator *op = &run->operator;
	struct stat st;
	int rc = cs_repo_open(&run->repo, ".", getenv("GIT_DIR"), err);

	if (rc < 0)
		return rc;
	if (op->root) {
		if (stat(cs_repo_common_dir(run->repo), &st) < 0)
			return cs_err_sys(err, "%s", cs_repo_common_dir(run->repo));
		run->root_owned = st.st_uid == 0;
		op->uid = st.st_uid ? st.st_uid : AGENT_UID;
		op->gid = st.st_uid ? st.st_gid : AGENT_UID;
	}
	AUTO_FREE char *cwd = getcwd(NULL, 0);
	const char *worktree = cs_repo_worktree(run->repo);
	run->cwd = cs_strdup(cwd && worktree && below(cwd, worktree) ? cwd :
			     worktree					? worktree :
									  cs_repo_git_dir(run->repo));
	return 0;
}

static int read_prompt(struct run *run, struct cs_err *err)
{
	const struct run_opts *o = run->opts;

	if (o->prompt && o->prompt_file)
		return cs_err_set(err, CS_USAGE, "--prompt and --prompt-file: give one of them");
	if (o->prompt)
		cs_buf_adds(&run->prompt, o->prompt);
	if (o->prompt_file && !strcmp(o->prompt_file, "-")) {
		if (cs_read_fd(&run->prompt, STDIN_FILENO, MAX_PROMPT, err) < 0)
			return cs_err_wrap(err, "read prompt from standard input");
	} else if (o->prompt_file &&
		   cs_read_file(&run->prompt, AT_FDCWD, o->prompt_file, MAX_PROMPT, err) < 0) {
		return cs_err_wrap(err, "read prompt");
	}
	if (memchr(run->prompt.data, '\0', run->prompt.len))
		return cs_err_set(err, CS_USAGE, "the prompt holds a NUL byte");
	return 0;
}

/* The program as the host's PATH finds it; execution inside looks it up in the same way. */
static int find_program(struct run *run, const char *name, struct cs_err *err)
{
	const char *worktree = cs_repo_worktree(run->repo);
	const char *path = getenv("PATH");
	char real[PATH_MAX];
	bool seen = false;

	if (strchr(name, '/')) {
		/* One of the repository is looked up inside, where it is the base's. */
		if (name[0] != '/' || (worktree && below(name, worktree)))
			return 0;
		struct stat st;
		if (stat(name, &st) == 0 && S_ISDIR(st.st_mode)) {
			errno = EACCES;
		} else if (access(name, X_OK) == 0 && realpath(name, real)) {
			run->program = cs_strdup(real);
			return 0;
		}
		run->status = errno == EACCES ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND;
		return cs_err_sys(err, "%s", name);
	}
	for (const char *p = path; p && *p; p += *p == ':') {
		size_t len = strcspn(p, ":");
		AUTO_FREE char *file = cs_asprintf("%.*s/%s", (int)len, p, name);
		struct stat st;

		p += len;
		if (file[0] != '/' || stat(file, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		seen = true;
		if (access(file, X_OK) == 0) {
			run->program = cs_strdup(file);
			return 0;
		}
	}
	run->status = seen ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND;
	AUTO_FREE char *shown = cs_escape_line(name);
	return cs_err_set(err, CS_NOTFOUND, seen ? "%s: not executable" : "%s: no such program in PATH",
			  shown);
}

static int find_profile(struct run *run, struct cs_err *err)
{
	char *const *command = run->opts->command;
	const char *const *argv = (const char *const *)command;
	char real[PATH_MAX];
	const char *resolved = run->program && realpath(run->program, real) ? real : NULL;

	const char *name = run->opts->profile;
	if (!command && !name)
		name = run->earlier_profile;
	if (!command && !name)
		return cs_err_set(err, CS_USAGE,
				  "a prompt without <command> needs --profile <name>");
	return cs_profile_find(&run->profile, name, argv, resolved,
			       run->operator.home, run->operator.env, err);
}

/* The first line of the prompt, cut at a word near 72 columns. */
static char *title_of(const struct run *run)
{
	if (run->opts->title)
		return cs_strdup(run->opts->title);
	size_t len = strcspn(run->prompt.data, "\n");
	if (len == 0)
		return run->earlier_title ? cs_strdup(run->earlier_title) : NULL;
	if (len > 72) {
		for (len = 72; len > 40 && run->prompt.data[len] != ' '; len--)
			;
		/* Never inside a UTF-8 sequence. */
		while (len > 0 && (run->prompt.data[len] & 0xc0) == 0x80)
			len--;
	}
	return cs_strndup(run->prompt.data, len);
}

/* Whether --summary can be written is known before the agent has worked for hours. */
static int check_summary(const char *path, struct cs_err *err)
{
	if (!path || access(path, W_OK) == 0)
		return 0;
	if (errno == ENOENT) {
		const char *slash = strrchr(path, '/');
		AUTO_FREE char *dir = slash ? cs_strndup(path, (size_t)(slash - path) + 1) :
					      cs_strdup(".");
		if (access(dir, W_OK | X_OK) == 0)
			return 0;
	}
	return cs_err_sys(err, "--summary %s", path);
}

int ask_command(struct run *run, struct cs_err *err)
{
	char *const *command = run->opts->command;
	int rc = check_summary(run->opts->summary, err);

	if (!rc)
		rc = read_prompt(run, err);

	if (!rc && command)
		rc = find_program(run, command[0], err);
	if (!rc)
		rc = find_profile(run, err);
	if (!rc && !command)
		rc = find_program(run, run->profile.program ? run->profile.program :
							       run->profile.name,
				  err);
	if (!rc)
		rc = cs_profile_command(&run->argv, &run->profile, (const char *const *)command,
					run->prompt.len ? run->prompt.data : NULL, err);
	if (rc < 0)
		return rc;
	run->info.title = title_of(run);
	run->info.profile = cs_strdup(run->profile.name);
	run->info.author_name = cs_strdup(run->profile.title);
	run->info.author_email = cs_strdup(run->profile.email);
	for (size_t i = 0; i < run->argv.n; i++)
		cs_strv_add(&run->info.argv, run->argv.v[i]);
	run->tty = !run->opts->no_tty && isatty(0) && isatty(1);
	return 0;
}

static void add_rule(struct run *run, size_t *cap, const struct cs_net_rule *rule,
		     const char *host, const char *origin)
{
	CS_GROW(run->rules, run->n_rules, *cap);
	run->rules[run->n_rules++] = (struct cs_egress_rule){
		.host = host, .port = rule->port, .literal = rule->literal, .origin = origin,
	};
}

int ask_network(struct run *run, struct cs_err *err)
{
	const struct cs_net_rule *rules;
	size_t n = cs_policy_net_rules(run->policy, &rules);
	size_t cap = 0;

	for (size_t i = 0; i < n; i++)
		add_rule(run, &cap, &rules[i], rules[i].host, rules[i].origin);
	if (!cs_policy_net_profile(run->policy))
		return 0;
	for (size_t i = 0; i < run->profile.hosts.n; i++) {
		struct cs_net_rule rule;
		char host[256];
		if (cs_net_rule_parse(&rule, host, run->profile.hosts.v[i], err) < 0)
			return cs_err_wrap(err, "profile %s", run->profile.name);
		/* The words of a profile live as long as the run; the parsed host is one of them. */
		size_t len = strlen(host);
		memcpy(run->profile.hosts.v[i], host, len + 1);
		add_rule(run, &cap, &rule, run->profile.hosts.v[i], run->profile.origin);
	}
	return 0;
}
