/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the worktree share: a host with repositories, preparing runs on them, and
 * going inside: the mounts that the sandbox makes of a prepared worktree, without the rest of it.
 *
 * Everything happens in children: as an ordinary user, and when root runs the tests also as root
 * for an agent that is an ordinary user.
 */
#ifndef COUNTERSIGN_WORKTREE_HOST_H
#define COUNTERSIGN_WORKTREE_HOST_H

#include "countersign/worktree.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include "unit.h"

#define ORDINARY 1234

enum operator { AS_USER, AS_ROOT, OPERATORS };
static const char *const operator_names[] = { "user", "root" };

static char dir[64]; /* of the test; HOME in it */
static enum operator operator;

/* ---- commands of the host ---- */

/* Runs a shell script in the test's directory; its output is the caller's. Fails the test. */
static char *CS_PRINTF(1, 2) sh(const char *fmt, ...)
{
	AUTO_BUF struct cs_buf script = CS_BUF_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	AUTO_FREE char *text = NULL;
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status;
	va_list ap;

	va_start(ap, fmt);
	ck_assert_int_ge(vasprintf(&text, fmt, ap), 0);
	va_end(ap);
	const char *const argv[] = { "/bin/bash", "-euc", text, NULL };

	spec.argv = argv;
	spec.env = (const char *const *)environ;
	spec.cwd = dir;
	ck_assert_msg(cs_spawn_capture(&out, &errout, &status, &spec, &err) == 0, "%s", err.msg);
	ck_assert_msg(status == 0, "[%s] host: %.2000s\n-> %d %.1000s%.1000s",
		      operator_names[operator], text, status, out.data, errout.data);
	while (out.len && out.data[out.len - 1] == '\n')
		cs_buf_truncate(&out, out.len - 1);
	return cs_buf_take(&out);
}

#define run_sh(...) free(sh(__VA_ARGS__))

/* ---- preparing ---- */

struct prepared {
	struct cs_repo *repo;
	struct cs_worktree_opts opts;
	struct cs_worktree wt;
	char *state, *run;
	struct cs_err err;
	int rc;
};

static void prepared_release(struct prepared *p)
{
	cs_worktree_release(&p->wt);
	cs_repo_free(p->repo);
	free(p->state);
	free(p->run);
}
#define PREPARED_INIT { .wt = CS_WORKTREE_INIT }
#define AUTO_PREPARED CS_AUTO(prepared_release)

/* Opens the repository and fills the options for a run; rev NULL is HEAD. */
static void ready(struct prepared *p, const char *repo, const char *run, const char *rev)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", dir, repo);

	*p = (struct prepared)PREPARED_INIT;
	ck_assert_msg(cs_repo_open(&p->repo, path, NULL, &p->err) == 0, "%s", p->err.msg);
	ck_assert_msg(cs_repo_resolve(&p->opts.commit, &p->opts.tree, p->repo, rev ? rev : "HEAD",
				      &p->err) == 0,
		      "%s", p->err.msg);
	p->state = cs_asprintf("%s/agent-run", cs_repo_common_dir(p->repo));
	p->run = cs_asprintf("%s/runs/%s", p->state, run);
	run_sh("mkdir -p '%s'; chmod 700 '%s'", p->run, p->run);
	p->opts.repo = p->repo;
	p->opts.state_dir = p->state;
	p->opts.run_dir = p->run;
	p->opts.uid = operator == AS_ROOT ? ORDINARY : geteuid();
	p->opts.gid = operator == AS_ROOT ? ORDINARY : getegid();
	p->opts.branch = "agent/7f3a09c1";
}

static void go(struct prepared *p)
{
	p->rc = cs_worktree_prepare(&p->wt, &p->opts, &p->err);
}

static void go_well(struct prepared *p)
{
	go(p);
	ck_assert_msg(p->rc == 0, "[%s] %s", operator_names[operator], p->err.msg);
}

static void prepare(struct prepared *p, const char *repo, const char *run)
{
	ready(p, repo, run, NULL);
	go_well(p);
}

/* ---- going inside ---- */

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	_exit(111);
}

static void write_proc(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

static void enter_namespaces(const struct cs_worktree_opts *opts)
{
	char map[64];

	if (geteuid() == 0) {
		must(unshare(CLONE_NEWNS) == 0, "unshare");
	} else {
		must(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
		write_proc("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "%u %u 1", opts->uid, opts->uid);
		write_proc("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "%u %u 1", opts->gid, opts->gid);
		write_proc("/proc/self/gid_map", map);
	}
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
}

static void mount_objects(const struct cs_worktree *wt)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	must(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0, "tmpfs");
	must(mkdir("/run/agent-run", 0755) == 0 && mkdir("/run/empty", 0755) == 0, "/run");
	close(open("/run/no-alternates", O_CREAT | O_WRONLY | O_CLOEXEC, 0444));
	for (size_t i = 0; i < wt->objects.n; i++) {
		AUTO_FREE char *at = i ? cs_asprintf("%s.%zu", CS_OBJECTS_INSIDE, i)
				       : cs_strdup(CS_OBJECTS_INSIDE);
		AUTO_FREE char *alternates = cs_asprintf("%s/info/alternates", at);

		must(mkdir(at, 0755) == 0, at);
		must(mount(wt->objects.v[i], at, NULL, MS_BIND, NULL) == 0, at);
		if (access(alternates, F_OK) == 0)
			must(mount("/run/no-alternates", alternates, NULL, MS_BIND, NULL) == 0,
			     alternates);
		must(mount_setattr(AT_FDCWD, at, 0, &ro, sizeof(ro)) == 0, "read-only");
	}
}

static void mount_tree(const struct cs_worktree *wt)
{
	AUTO_FREE char *options = NULL;

	if (wt->mode == CS_WORKTREE_CHECKOUT) {
		must(mount(wt->copy, wt->path, NULL, MS_BIND, NULL) == 0, "bind");
		return;
	}
	options = cs_asprintf("lowerdir=%s,upperdir=%s,workdir=%s,volatile,userxattr", wt->lower,
			      wt->upper, wt->work);
	must(mount("overlay", wt->path, "overlay", 0, options) == 0, "overlay");
}

static _Noreturn void inside_child(const struct prepared *p, const char *script)
{
	AUTO_FREE char *scratch = cs_asprintf("T=%s/scratch", dir);
	const char *env[] = { "PATH=/usr/bin:/bin",	"HOME=/run/empty", "LC_ALL=C", scratch,
			      "GIT_CONFIG_NOSYSTEM=1", "GIT_EDITOR=true", NULL };

	dup2(STDOUT_FILENO, STDERR_FILENO);
	enter_namespaces(&p->opts);
	mount_objects(&p->wt);
	mount_tree(&p->wt);
	if (geteuid() == 0) {
		must(setgroups(0, NULL) == 0 &&
			     setresgid(p->opts.gid, p->opts.gid, p->opts.gid) == 0 &&
			     setresuid(p->opts.uid, p->opts.uid, p->opts.uid) == 0,
		     "become the agent");
	}
	must(chdir(p->wt.path) == 0, p->wt.path);
	execle("/bin/bash", "bash", "-euc", script, (char *)NULL, env);
	must(false, "bash");
	_exit(111);
}

/* Runs a script inside, as the agent; what it says on standard output and error is the result. */
static char *CS_PRINTF(3, 4) inside(int *status, const struct prepared *p, const char *fmt, ...)
{
	static const char helpers[] =
		"no() { if \"$@\"; then echo \"unexpected: $*\"; return 1; fi; }";
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *script = NULL;
	int ends[2];
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	ck_assert_int_ge(vasprintf(&text, fmt, ap), 0);
	va_end(ap);
	script = cs_asprintf("%s\n%s", helpers, text);
	fflush(NULL);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		inside_child(p, script);
	}
	close(ends[1]);
	ck_assert_int_eq(cs_read_fd(&out, ends[0], 16 << 20, NULL), 0);
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, status, 0), pid);
	while (out.len && out.data[out.len - 1] == '\n')
		cs_buf_truncate(&out, out.len - 1);
	return cs_buf_take(&out);
}

#define ck_inside(p, ...)                                                                       \
	do {                                                                                    \
		int ck_status;                                                                  \
		AUTO_FREE char *ck_out = inside(&ck_status, p, __VA_ARGS__);                    \
		ck_assert_msg(ck_status == 0, "[%s] inside: %s\n-> %d %s",                      \
			      operator_names[operator], #__VA_ARGS__, ck_status, ck_out);       \
	} while (0)

/* ---- the test's directory and its users ---- */

static void host_setup(void)
{
	unit_mkdir(dir);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(mkdir("scratch", 0777), 0);
	ck_assert_int_eq(chmod("scratch", 0777), 0); /* for whoever is inside */
	umask(022);
	setenv("HOME", dir, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("LC_ALL", "C", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("GIT_DIR");
	unsetenv("GIT_CONFIG_GLOBAL");
	run_sh("git config --global user.name 'A \"Q\" Developer'; "
	       "git config --global user.email dev@example.org; "
	       "git config --global init.defaultBranch main; "
	       "git config --global protocol.file.allow always; "
	       "git config --global advice.detachedHead false");
	if (geteuid() == 0)
		run_sh("chown -R %d:%d '%s'", ORDINARY, ORDINARY, dir);
}

static void host_teardown(void)
{
	/* work/work is mode 000, which stops an ordinary rm; find goes down after the chmod. */
	run_sh("find '%s' -type d -path '*/runs/*/work*' -exec chmod u+rwx {} ';'", dir);
	unit_rmdir(dir);
}

/* Runs body as the operator; a failure in it is a failure of the test. */
static void as_operator(enum operator who, void (*body)(void))
{
	int status;
	pid_t pid;

	if (who == AS_ROOT && geteuid() != 0)
		return;
	operator = who;
	fflush(NULL);
	pid = check_fork();
	if (pid == 0) {
		if (who == AS_ROOT) {
			ck_assert_int_eq(chown(dir, 0, 0), 0);
			run_sh("chown -R 0:0 '%s'", dir);
		} else if (geteuid() == 0) {
			ck_assert_int_eq(setgroups(0, NULL), 0);
			ck_assert_int_eq(setresgid(ORDINARY, ORDINARY, ORDINARY), 0);
			ck_assert_int_eq(setresuid(ORDINARY, ORDINARY, ORDINARY), 0);
			ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
		}
		body();
		exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		host_teardown();
		_exit(1); /* what failed was said by the child */
	}
}

/* For tcase_add_loop_test(tc, name, 0, OPERATORS): the test's body as each operator. */
#define OPERATOR_TEST(name)               \
	static void name##_body(void);    \
	START_TEST(name)                  \
	{                                 \
		as_operator(_i, name##_body); \
	}                                 \
	END_TEST                          \
	static void name##_body(void)

#endif
