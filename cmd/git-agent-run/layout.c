/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox plan of a run: everything is where it is outside. The worktree at the repository's
 * own path, HOME at its own, programs where PATH finds them, the same user.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Private directories of a run, and where they are inside. Order matters: HOME may lie in /tmp. */
static const struct {
	const char *name, *inside; /* NULL: HOME */
	mode_t mode;
} private_dirs[] = {
	{ "tmp", "/tmp", 01777 },
	{ "var-tmp", "/var/tmp", 01777 },
	{ "home", NULL, 0700 },
};

static int make_owned(struct run *run, const char *name, mode_t mode, struct cs_err *err)
{
	if (cs_mkdirs(run->dir.fd, name, 0700, err) < 0)
		return err->code;
	AUTO_FD int fd = cs_opendir_beneath(run->dir.fd, name);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return cs_err_sys(err, "make %s/%s", run->dir.path, name);
	if (run->operator.root && fchown(fd, run->operator.uid, run->operator.gid) < 0)
		return cs_err_sys(err, "give %s/%s to uid %u", run->dir.path, name,
				  run->operator.uid);
	return 0;
}

int layout_directories(struct run *run, struct cs_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < CS_COUNT(private_dirs) && !rc; i++)
		rc = make_owned(run, private_dirs[i].name, private_dirs[i].mode, err);
	if (!rc)
		rc = cs_write_file(run->dir.fd, "denials", "", 0, 0644, err);
	return rc;
}

/* Layers of the toolchain overlays, known only once the mounts are. */
static int make_layers(struct run *run, struct cs_err *err)
{
	size_t skip = strlen(run->dir.path) + 1;
	int rc = 0;

	for (size_t i = 0; i < run->plan.n_mounts && !rc; i++) {
		const struct cs_mount *m = &run->plan.mounts[i];
		if (m->kind != CS_MOUNT_OVERLAY || !strcmp(m->dst, run->worktree.path))
			continue;
		rc = make_owned(run, m->upper + skip, 0755, err);
		if (!rc)
			rc = make_owned(run, m->work + skip, 0755, err);
	}
	return rc;
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return !strcmp(dir, "/") || (!strncmp(path, dir, n) && (path[n] == '/' || !path[n]));
}

/* HOME inside: its own path, but not where the worktree itself is HOME or holds it. */
static char *inside_home(const struct run *run)
{
	if (below(run->operator.home, run->worktree.path))
		return cs_strdup("/run/agent-run/home");
	return cs_strdup(run->operator.home);
}

/* The caller's directory, where the base has it too; else the top of the worktree. */
static char *inside_cwd(const struct run *run)
{
	size_t top = strlen(run->worktree.path);
	struct stat st;

	if (below(run->cwd, run->worktree.path)) {
		AUTO_FREE char *base = cs_asprintf("%s%s", run->worktree.lower, run->cwd + top);
		if (lstat(base, &st) == 0 && S_ISDIR(st.st_mode))
			return cs_strdup(run->cwd);
	}
	return cs_strdup(run->worktree.path);
}

static void add_worktree(struct run *run)
{
	const struct cs_worktree *wt = &run->worktree;
	struct cs_plan *plan = &run->plan;

	if (wt->mode == CS_WORKTREE_OVERLAY) {
		struct cs_mount *m =
			cs_plan_mount(plan, CS_MOUNT_OVERLAY, wt->lower, wt->path, NULL);
		m->upper = cs_strdup(wt->upper);
		m->work = cs_strdup(wt->work);
	} else {
		cs_plan_mount(plan, CS_MOUNT_RW, wt->copy, wt->path, NULL);
	}
	cs_strv_add(&plan->writable, wt->path);
	for (size_t i = 0; i < wt->objects.n; i++) {
		AUTO_FREE char *dst = i ? cs_asprintf(CS_OBJECTS_INSIDE ".%zu", i) :
					  cs_strdup(CS_OBJECTS_INSIDE);
		cs_plan_mount(plan, CS_MOUNT_RO, wt->objects.v[i], dst, NULL);
		/* Its own alternates name paths that are not here; all of them are mounted. */
		AUTO_FREE char *alternates = cs_asprintf("%s/info/alternates", dst);
		cs_plan_mount(plan, CS_MOUNT_MASK, NULL, alternates, NULL);
	}
}

/* A directory that holds more than programs: HOME or the worktree lie below it, or it is shared. */
static bool is_too_wide(const struct run *run, const char *dir)
{
	return below(run->operator.home, dir) || below(run->worktree.path, dir) ||
	       !strcmp(dir, "/tmp") || !strcmp(dir, "/var/tmp");
}

static void mount_program_dir(struct run *run, const char *dir)
{
	struct stat st;

	if (home_is_visible(run, dir) || below(dir, run->worktree.path) || is_too_wide(run, dir) ||
	    stat(dir, &st) < 0)
		return;
	for (size_t i = 0; i < run->plan.n_mounts; i++)
		if (below(dir, run->plan.mounts[i].dst) && run->plan.mounts[i].src)
			if (!strcmp(run->plan.mounts[i].src, run->plan.mounts[i].dst))
				return;
	cs_plan_mount(&run->plan, CS_MOUNT_QUIET, dir, dir, NULL);
}

/* A directory whose name says that it is for programs, and not for whatever lies beside one. */
static bool is_for_programs(const char *dir)
{
	static const char *const names[] = { "bin", "sbin", "libexec" };
	const char *slash = strrchr(dir, '/');

	for (size_t i = 0; i < CS_COUNT(names); i++)
		if (slash && !strcmp(slash + 1, names[i]))
			return true;
	return false;
}

/*
 * A program where no system or toolchain directory holds it: the tree of packages that it lies in
 * (up to the outermost node_modules), its bin directory, else the file alone: what lies beside a
 * script may be anything.
 */
static void show_program(struct run *run, const char *program)
{
	char real[PATH_MAX];
	const char *paths[2] = { program, realpath(program, real) };

	if (paths[1] && !strcmp(paths[0], paths[1]))
		paths[1] = NULL;
	for (size_t i = 0; i < 2 && paths[i]; i++) {
		AUTO_FREE char *dir = cs_strdup(paths[i]);
		char *modules = strstr(dir, "/node_modules/");
		if (modules)
			modules[strlen("/node_modules")] = '\0';
		else if (strrchr(dir, '/') != dir)
			*strrchr(dir, '/') = '\0';
		if (home_is_visible(run, dir) || below(dir, run->worktree.path))
			continue;
		if (is_too_wide(run, dir) || !(modules || is_for_programs(dir)))
			cs_plan_mount(&run->plan, CS_MOUNT_RO, paths[i], paths[i], NULL);
		else
			mount_program_dir(run, dir);
	}
}

/* The agent's program, and the script where that program is an interpreter of one. */
static void add_program(struct run *run)
{
	static const char *const interpreters[] = { "node",   "nodejs", "bun",  "deno", "python",
						    "python3", "sh",	"bash", "perl", "ruby" };
	const char *name, *slash;

	if (!run->program)
		return;
	show_program(run, run->program);
	slash = strrchr(run->program, '/');
	name = slash ? slash + 1 : run->program;
	for (size_t i = 0; i < CS_COUNT(interpreters); i++) {
		size_t arg = 1;
		if (strcmp(name, interpreters[i]) != 0)
			continue;
		while (arg < run->argv.n && run->argv.v[arg][0] == '-')
			arg++;
		if (arg < run->argv.n && run->argv.v[arg][0] == '/' &&
		    access(run->argv.v[arg], R_OK) == 0)
			show_program(run, run->argv.v[arg]);
	}
}

/* Directories of PATH are for programs: those outside HOME's secrets are shown, read-only. */
static void add_path(struct run *run)
{
	const char *path = getenv("PATH");

	for (const char *p = path ? path : "/usr/bin:/bin"; *p; p += *p == ':') {
		size_t len = strcspn(p, ":");
		AUTO_FREE char *dir = cs_strndup(p, len);
		p += len;
		if (dir[0] != '/')
			continue;
		cs_strv_add(&run->plan.path, dir);
		mount_program_dir(run, dir);
	}
}

static bool matches(const struct cs_strv *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (fnmatch(patterns->v[i], name, 0) == 0)
			return true;
	return false;
}

static void set_env(struct run *run, const char *name, const char *value)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < run->plan.env.n; i++) {
		char **at = &run->plan.env.v[i];
		if (!strncmp(*at, name, len) && (*at)[len] == '=') {
			free(*at);
			*at = cs_asprintf("%s=%s", name, value);
			return;
		}
	}
	cs_strv_addf(&run->plan.env, "%s=%s", name, value);
}

void layout_set_env(struct run *run, const char *name, const char *value)
{
	set_env(run, name, value);
}

static int add_environment(struct run *run, const char *home, struct cs_err *err)
{
	const struct cs_strv *pass = cs_policy_list(run->policy, "sandbox.env");
	AUTO_BUF struct cs_buf path = CS_BUF_INIT;

	for (const char *const *e = run->operator.env; *e; e++) {
		AUTO_FREE char *name = cs_strndup(*e, strcspn(*e, "="));
		if ((*e)[strlen(name)] == '=' &&
		    (matches(pass, name) || matches(&run->profile.env_pass, name)))
			set_env(run, name, *e + strlen(name) + 1);
	}
	for (size_t i = 0; i < run->plan.path.n; i++)
		cs_buf_addf(&path, "%s%s", i ? ":" : "", run->plan.path.v[i]);
	set_env(run, "PATH", path.data);
	set_env(run, "HOME", home);
	set_env(run, "USER", run->operator.user);
	set_env(run, "LOGNAME", run->operator.user);
	set_env(run, "SHELL", "/bin/bash");
	set_env(run, "PWD", run->plan.cwd);
	set_env(run, "AGENT_RUN_ID", run->dir.id);
	for (size_t i = 0; i < run->profile.env_set.n; i++) {
		AUTO_FREE char *name = cs_strdup(run->profile.env_set.v[i]);
		char *eq = strchr(name, '=');
		if (eq) {
			*eq = '\0';
			set_env(run, name, eq + 1);
		}
	}
	for (size_t i = 0; i < run->opts->env.n; i++) {
		AUTO_FREE char *name = cs_strdup(run->opts->env.v[i]);
		char *eq = strchr(name, '=');
		if (eq)
			*eq = '\0';
		const char *value = eq ? eq + 1 : getenv(name);
		if (!*name || !value)
			return cs_err_set(err, CS_USAGE, "--env %s: not set in your environment",
					  name);
		set_env(run, name, value);
	}
	return 0;
}

static void add_limits(struct run *run)
{
	int64_t file_size = cs_policy_int(run->policy, "sandbox.filesize");
	uint64_t processes = limits_user_processes(run);

	if (processes)
		cs_plan_limit(&run->plan, RLIMIT_NPROC, processes);
	if (file_size > 0)
		cs_plan_limit(&run->plan, RLIMIT_FSIZE, (uint64_t)file_size);
}

static void add_network(struct run *run)
{
	struct cs_egress_opts opts = { .rules = run->rules, .n_rules = run->n_rules };

	cs_strv_add(&run->plan.addresses, CS_EGRESS_SELF "/15");
	cs_egress_addresses(&run->plan.addresses, &opts);
	/* Two listeners a rule, a pool for wildcards, and the name stub's own. */
	int pool = 2;
	for (size_t i = 0; i < run->n_rules; i++)
		pool += run->rules[i].host[0] == '*' ? 32 : run->rules[i].port ? 1 : 2;
	run->plan.tcp4 = pool < CS_EGRESS_TCP4 ? pool : CS_EGRESS_TCP4;
	run->plan.tcp6 = run->n_rules ? CS_EGRESS_TCP6 : 0;
	run->plan.udp4 = 1;
	run->plan.diag = true;
}

/* What lies in the state directory was made by us, and no link. Its owner may be a stranger. */
static void refuse_links(struct run *run)
{
	for (size_t i = 0; i < run->plan.n_mounts; i++) {
		struct cs_mount *m = &run->plan.mounts[i];
		m->no_links |= m->src && below(m->src, run->state_dir);
		m->no_links |= cs_strv_has(&run->worktree.objects, m->src ? m->src : "");
	}
}

int layout_plan(struct run *run, struct cs_err *err)
{
	struct cs_plan *plan = &run->plan;
	size_t prepared;
	AUTO_FREE char *home = inside_home(run);
	AUTO_FREE char *denials = cs_asprintf("%s/denials", run->dir.path);

	plan->uid = run->operator.uid;
	plan->gid = run->operator.gid;
	plan->drop = run->operator.root;
	plan->hostname = cs_strdup("agent-run");
	plan->tty = run->tty;
	plan->deny_tracing = !strcmp(cs_policy_str(run->policy, "sandbox.debuggers"), "deny");
	plan->cwd = inside_cwd(run);
	plan->last_step = cs_trace_install;
	cs_plan_add_system(plan, run->operator.user, home, cs_egress_resolv_conf());
	for (size_t i = 0; i < CS_COUNT(private_dirs); i++) {
		AUTO_FREE char *src = cs_asprintf("%s/%s", run->dir.path, private_dirs[i].name);
		const char *dst = private_dirs[i].inside ? private_dirs[i].inside : home;
		cs_plan_mount(plan, CS_MOUNT_RW, src, dst, NULL);
		cs_strv_add(&plan->writable, dst);
	}
	home_mounts(run);
	/* Below /nix, which every run sees: its daemon builds, with a network, for whoever asks. */
	cs_plan_mount(plan, CS_MOUNT_MASK, NULL, "/nix/var/nix/daemon-socket", NULL);
	cs_plan_mount(plan, CS_MOUNT_RO, denials, "/run/agent-run/denials", NULL);
	/* Covers below the worktree's own mount: in that, .git is another one. */
	if (guarded_cover(run, 0, err) < 0)
		return err->code;
	add_worktree(run);
	carry_mounts(run);
	prepared = plan->n_mounts;
	add_program(run);
	add_path(run);
	if (guarded_cover(run, prepared, err) < 0)
		return err->code;
	refuse_links(run);
	for (size_t i = 0; i < run->argv.n; i++)
		cs_strv_add(&plan->argv, run->argv.v[i]);
	add_limits(run);
	plan->cgroup_fd = limits_cgroup_fd(run);
	add_network(run);
	int rc = add_environment(run, home, err);
	if (!rc && run->degraded)
		rc = degraded_plan(run, err);
	return rc ? rc : make_layers(run, err);
}
