/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --degraded: where this host refuses a namespace, the run goes on with Landlock and seccomp alone,
 * on a plain copy of the tree and without any network. Never chosen silently: it is typed, the full
 * sandbox is tried first, what does not hold is said before the agent starts, in the summary and in
 * the record, and a policy that asks for a layer is not overruled.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The steps of a start that only namespaces need. */
static const char *const steps[] = { "namespaces", "user", "uts",  "mount",
				     "network",	   "pid",  "proc", "pivot" };

/* In the record by name; to people in words. */
static const struct {
	const char *name, *text;
} unheld[] = {
	{ "user", "it runs as your user, held by Landlock and seccomp alone" },
	{ "mount",
	  "names, modes and times of your files can be seen, and those of your own changed; "
	  "their content can neither be read nor written" },
	{ "pid",
	  "it sees which processes run; its own can outlive it if both git-agent-run and the "
	  "process that watches are killed" },
	{ "net", "no network at all, localhost included" },
	{ "ipc", "no System V IPC, no POSIX queues, no shared memory" },
	{ "uts", NULL },
	{ "cgroup", NULL },
};

bool degraded_would_help(const char *step)
{
	struct cs_host host;

	for (size_t i = 0; i < CS_COUNT(steps); i++) {
		if (strcmp(steps[i], step) != 0)
			continue;
		cs_host_read(&host);
		cs_host_probe(&host);
		return host.landlock_abi >= 2;
	}
	return false;
}

/* "/repository/src/x" becomes "<copy>/src/x"; other words stay. The caller frees. */
static char *in_copy(const struct run *run, const char *word)
{
	const struct cs_worktree *wt = &run->worktree;
	size_t n = strlen(wt->path);

	if (!strncmp(word, wt->path, n) && (word[n] == '/' || !word[n]))
		return cs_asprintf("%s%s", wt->copy, word + n);
	return cs_strdup(word);
}

static void set_environment(struct run *run)
{
	static const struct {
		const char *name, *dir;
	} table[] = {
		{ "HOME", "home" },
		{ "TMPDIR", "tmp" },
		{ "AGENT_RUN_DENIALS", "denials" },
	};

	for (size_t i = 0; i < CS_COUNT(table); i++) {
		AUTO_FREE char *path = cs_asprintf("%s/%s", run->dir.path, table[i].dir);
		layout_set_env(run, table[i].name, path);
	}
	layout_set_env(run, "PWD", run->plan.cwd);
	/* The host's is out of view, and git stops at a file that is there and cannot be read. */
	layout_set_env(run, "GIT_CONFIG_NOSYSTEM", "1");
}

/* The private git directory names the object stores where they are mounted; here, where they are.
 */
static int set_objects(struct run *run, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FD int info = cs_opendir_beneath(run->dir.fd, "tree/.git/objects/info");

	for (size_t i = 0; i < run->worktree.objects.n; i++)
		cs_buf_addf(&text, "%s\n", run->worktree.objects.v[i]);
	if (info < 0)
		return cs_err_sys(err, "open the private git directory");
	return cs_write_file(info, "alternates", text.data, text.len, 0644, err);
}

/* Without a mount namespace the agent's user walks to its files: search rights on the way. */
static int open_way(const struct run *run, struct cs_err *err)
{
	AUTO_FREE char *runs = cs_asprintf("%s/runs", run->state_dir);
	const char *const dirs[] = { run->state_dir, runs, run->dir.path };

	if (!run->operator.root)
		return 0;
	for (size_t i = 0; i < CS_COUNT(dirs); i++)
		if (chmod(dirs[i], 0711) < 0)
			return cs_err_sys(err, "let uid %u pass %s", run->operator.uid, dirs[i]);
	return 0;
}

int degraded_plan(struct run *run, struct cs_err *err)
{
	struct cs_plan *plan = &run->plan;

	plan->degraded = true;
	cs_strv_release(&plan->addresses);
	cs_strv_release(&plan->writable);
	plan->tcp4 = plan->tcp6 = plan->udp4 = 0;
	plan->diag = false;
	char *cwd = in_copy(run, plan->cwd);
	free(plan->cwd);
	plan->cwd = cwd;
	for (size_t i = 0; i < plan->argv.n; i++) {
		char *word = in_copy(run, plan->argv.v[i]);
		free(plan->argv.v[i]);
		plan->argv.v[i] = word;
	}
	set_environment(run);
	int rc = set_objects(run, err);
	return rc ? rc : open_way(run, err);
}

/* What somebody wrote down is held, or nothing runs; the built-in demand is what --degraded lifts.
 */
int degraded_check(const struct run *run, struct cs_err *err)
{
	const char *origin = cs_policy_origin(run->policy, "sandbox.require");

	if (strcmp(origin, "built-in") != 0)
		return cs_err_wrap(err, "--degraded cannot overrule sandbox.require (%s)", origin);
	return 0;
}

void degraded_record(struct run *run)
{
	for (size_t i = 0; i < CS_COUNT(unheld); i++)
		cs_strv_add(&run->info.not_enforced, unheld[i].name);
}

void degraded_say(const char *step, int sys_errno)
{
	note("degraded: %s: %s", step, strerror(sys_errno));
	for (size_t i = 0; i < CS_COUNT(unheld); i++)
		if (unheld[i].text)
			note("  %s: %s", unheld[i].name, unheld[i].text);
}
