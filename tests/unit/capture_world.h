/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for the tests of capture: a repository, its pristine checkout, and a layer that
 * something writes as an agent would: as an ordinary user, in namespaces of its own, through a
 * real overlay mount or in a plain copy.
 *
 *	repo/		the host's repository
 *	pristine/	its files, raw
 *	upper/ work/	the overlay; or
 *	copy/		checkout mode
 *	seen/		what the agent saw at its end, as plain files
 */
#ifndef COUNTERSIGN_UNIT_CAPTURE_WORLD_H
#define COUNTERSIGN_UNIT_CAPTURE_WORLD_H

#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include "countersign/capture.h"
#include "unit.h"

#define WORLD_UID 1234 /* who the agent is where the tests run as root */

struct world {
	char dir[64];
	bool overlay;
	uid_t uid;
	gid_t gid;
	struct cs_repo *repo;
	struct cs_oid commit, tree;
	struct cs_capture capture;
};

static const char *const world_env[] = {
	"GIT_CONFIG_NOSYSTEM=1",
	"GIT_CONFIG_GLOBAL=/dev/null",
	"HOME=/nonexistent",
	"LC_ALL=C",
	"PATH=/usr/bin:/bin",
	"GIT_AUTHOR_NAME=A",
	"GIT_AUTHOR_EMAIL=a@x",
	"GIT_COMMITTER_NAME=A",
	"GIT_COMMITTER_EMAIL=a@x",
	"GIT_AUTHOR_DATE=1700000000 +0000",
	"GIT_COMMITTER_DATE=1700000000 +0000",
	NULL,
};

/* Runs a shell script in the world's directory; its output is added to out. */
static inline void world_sh(struct cs_buf *out, const char *script)
{
	const char *argv[] = { "/bin/sh", "-efc", script, NULL };
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status, rc;

	spec.argv = argv;
	spec.env = world_env;
	spec.stderr_fd = 2;
	rc = cs_spawn_capture(out, NULL, &status, &spec, &err);
	ck_assert_msg(!rc && !status, "'%s': %s status %x", script, err.msg, status);
}

/* A directory tree becomes the base commit; its bytes are stored as they are. */
static inline void world_commit(struct world *w)
{
	struct cs_err err = CS_ERR_INIT;

	world_sh(NULL, "git init -q repo; cd base;"
		       "mkdir -p ../repo/.git/info; echo '* -text' > ../repo/.git/info/attributes;"
		       "export GIT_DIR=../repo/.git GIT_WORK_TREE=.;"
		       "git add -A -f 2>../said || { cat ../said >&2; exit 1; };"
		       "git commit -q --allow-empty -m base; rm ../repo/.git/info/attributes;"
		       "rm .git 2>/dev/null || true");
	ck_assert_msg(!cs_repo_open(&w->repo, "repo", NULL, &err), "%s", err.msg);
	ck_assert_msg(!cs_repo_resolve(&w->commit, &w->tree, w->repo, "HEAD", &err), "%s", err.msg);
	world_sh(NULL, "mkdir pristine upper work merged seen; cp -a base/. pristine/;"
		       "head=$(git -C repo rev-parse HEAD); export GIT_DIR=upper/.git; git init "
		       "-q; echo ../../../repo/.git/objects > "
		       "upper/.git/objects/info/alternates; git config core.bare false;"
		       "git update-ref HEAD $head; git read-tree HEAD;"
		       "touch -d 2001-01-01 upper/.git/index");
	if (!w->overlay)
		world_sh(NULL, "cp -a pristine copy; mv upper/.git copy/.git");
	if (geteuid() == 0)
		world_sh(NULL, "chown -R 1234:1234 pristine upper work merged seen;"
			       "[ ! -d copy ] || chown -R 1234:1234 copy; chmod 755 .");
}

static inline void world_init(struct world *w, bool overlay)
{
	*w = (struct world){ .overlay = overlay, .capture = CS_CAPTURE_INIT };
	w->uid = geteuid() == 0 ? WORLD_UID : geteuid();
	w->gid = geteuid() == 0 ? WORLD_UID : getegid();
	unit_mkdir(w->dir);
	ck_assert_int_eq(mkdir("base", 0755), 0);
}

static inline void world_release(struct world *w)
{
	cs_capture_release(&w->capture);
	cs_repo_free(w->repo);
	world_sh(NULL, "chmod -R u+rwx . 2>/dev/null || true");
	unit_rmdir(w->dir);
}

/* ---- being the agent ------------------------------------------------------------------------- */

static inline bool world_put(const char *path, const char *text)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Becomes the agent: user, namespaces, the layer as working directory. Returns only if it did. */
static inline void world_enter(const struct world *w)
{
	char map[64];

	if (geteuid() == 0 && (setresgid(w->gid, w->gid, w->gid) ||
			       setresuid(w->uid, w->uid, w->uid) || prctl(PR_SET_DUMPABLE, 1)))
		_exit(101);
	if (!w->overlay) {
		if (chdir("copy"))
			_exit(102);
		return;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		_exit(103);
	snprintf(map, sizeof(map), "%u %u 1", w->uid, w->uid);
	if (!world_put("/proc/self/setgroups", "deny") || !world_put("/proc/self/uid_map", map))
		_exit(104);
	snprintf(map, sizeof(map), "%u %u 1", w->gid, w->gid);
	if (!world_put("/proc/self/gid_map", map) ||
	    mount("overlay", "merged", "overlay", 0,
		  "userxattr,volatile,lowerdir=pristine,upperdir=upper,workdir=work") ||
	    chdir("merged"))
		_exit(105);
}

/* Runs fn as the agent. */
static inline void world_run(const struct world *w, void (*fn)(void *arg), void *arg, bool keep)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		world_enter(w);
		fn(arg);
		/* Best effort: some of what the attacks make cannot be copied. */
		_exit(keep && system("cp -a . ../seen/ 2>/dev/null && rm -rf ../seen/.git") < 0 ? 106
												: 0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(!status, "the agent ended with %x", status);
}

/* ... and keeps what it then sees. */
static inline void world_edit(const struct world *w, void (*fn)(void *arg), void *arg)
{
	world_run(w, fn, arg, true);
}

static inline void world_script_fn(void *script)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execle("/bin/sh", "sh", "-efc", (char *)script, (char *)NULL, world_env);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status)
		_exit(107);
}

static inline void world_script(const struct world *w, const char *script)
{
	AUTO_FREE char *copy = cs_strdup(script);

	world_edit(w, world_script_fn, copy);
}

/* What is too large or too deep for a copy of it. */
static inline void world_script_only(const struct world *w, const char *script)
{
	AUTO_FREE char *copy = cs_strdup(script);

	world_run(w, world_script_fn, copy, false);
}

/* ---- capturing ------------------------------------------------------------------------------- */

static inline struct cs_capture_opts world_opts(const struct world *w)
{
	return (struct cs_capture_opts){
		.repo = w->repo,
		.commit = w->commit,
		.tree = w->tree,
		.pristine = "pristine",
		.layer = w->overlay ? "upper" : "copy",
		.overlay = w->overlay,
		.uid = w->uid,
		.gid = w->gid,
	};
}

static inline void world_capture(struct world *w, const struct cs_capture_opts *opts)
{
	struct cs_err err = CS_ERR_INIT;
	int rc;

	cs_capture_release(&w->capture);
	rc = cs_capture(&w->capture, opts, &err);
	ck_assert_msg(!rc, "%s", err.msg);
}

/* Everything that git says about the captured tree against the base, one line each. */
static inline void world_diff(struct cs_buf *out, const struct world *w)
{
	char hex[CS_OID_HEX];
	AUTO_FREE char *script = cs_asprintf(
		"cd repo; git fsck --no-dangling --strict 2>/dev/null >&2;"
		"git -c core.quotePath=true diff-tree -r --no-renames --name-status HEAD %s |"
		"tr '\\t' ' '",
		cs_oid_hex(hex, &w->capture.tree));

	world_sh(out, script);
}

/* The findings, "kind path" each on a line. */
static inline void world_findings(struct cs_buf *out, const struct world *w)
{
	for (size_t i = 0; i < w->capture.findings.n; i++) {
		const struct cs_finding *f = &w->capture.findings.list[i];
		AUTO_FREE char *path = cs_escape_line(f->path);

		cs_buf_addf(out, "%s %s\n", f->kind, path);
	}
}

#endif
