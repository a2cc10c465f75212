/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --carry: build state of the operator's checkout (node_modules, target) that git ignores, mounted
 * where it lies, below a layer of the run that takes what the agent writes and is thrown away.
 * Nothing is copied, so it costs nothing; who changes it outside meanwhile changes what the agent
 * sees. Where the policy hides files it is a copy without them: snapshot.c.
 *
 *	what is refused		what git does not ignore, or has in the base; git's directories and
 *				ours (guarded.c); what is hidden; another file system's
 *	only as an overlay	through a plain mount the agent would reach sockets and FIFOs of the
 *				host, and what is mounted below; through an overlay it does not
 *	what was looked at	is what is mounted: the directory stays open, and device and inode
 *				of what is found at its path later are compared
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Files that say what a directory beside them was made of. */
static const struct {
	const char *file, *directory;
} locks[] = {
	{ "package-lock.json", "node_modules" },
	{ "npm-shrinkwrap.json", "node_modules" },
	{ "yarn.lock", "node_modules" },
	{ "pnpm-lock.yaml", "node_modules" },
	{ "bun.lock", "node_modules" },
	{ "Cargo.lock", "target" },
	{ "go.sum", "vendor" },
	{ "composer.lock", "vendor" },
	{ "Gemfile.lock", "vendor" },
	{ "uv.lock", ".venv" },
	{ "poetry.lock", ".venv" },
	{ "Pipfile.lock", ".venv" },
	{ "requirements.txt", ".venv" },
	{ "requirements.txt", "venv" },
	{ "mix.lock", "deps" },
};

/* "/a/./b/../c/" as "/a/c": by the words alone, no link is looked at. */
static char *plain_path(const char *path)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;

	while (*path) {
		const size_t skip = strspn(path, "/");
		const size_t len = strcspn(path + skip, "/");
		const char *word = path + skip;

		path = word + len;
		if (!len || (len == 1 && word[0] == '.'))
			continue;
		if (len == 2 && !strncmp(word, "..", 2)) {
			const char *slash = out.len ? strrchr(out.data, '/') : NULL;

			cs_buf_truncate(&out, slash ? (size_t)(slash - out.data) : 0);
			continue;
		}
		cs_buf_addc(&out, '/');
		cs_buf_add(&out, word, len);
	}
	return cs_buf_take(&out);
}

/* From the top of the worktree; NULL: not below it. */
static char *from_top(const struct run *run, const char *path)
{
	const char *top = cs_repo_worktree(run->repo);
	const size_t len = strlen(top);
	AUTO_FREE char *full =
		path[0] == '/' ? cs_strdup(path) : cs_asprintf("%s/%s", run->cwd, path);
	AUTO_FREE char *plain = plain_path(full);

	return !strncmp(plain, top, len) && plain[len] == '/' ? cs_strdup(plain + len + 1) : NULL;
}

static int check_ignored(const struct run *run, const char *rel, struct cs_err *err)
{
	bool ignored = false;
	int rc = cs_worktree_ignores(&ignored, run->repo, rel, err);

	if (rc == 0 && !ignored)
		return cs_err_set(err, CS_REFUSED,
				  "git does not ignore it: commit it, or start --with-uncommitted");
	return rc;
}

int carry_hidden(const struct run *run, struct cs_err *err)
{
	return cs_err_set(err, CS_REFUSED,
			  "sandbox.hide (%s) hides it: leave it out, or carry a directory in it",
			  cs_policy_origin(run->policy, "sandbox.hide"));
}

/* Root shows nothing that a stranger's configuration names as his checkout. */
static int open_checked(int *out, const struct run *run, const char *rel, struct cs_err *err)
{
	AUTO_FD int top = open(cs_repo_worktree(run->repo), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int dir = top < 0 ? -1 : cs_opendir_on_mount(top, rel);
	struct stat st;

	if (dir < 0 && errno == EXDEV)
		return cs_err_set(err, CS_REFUSED,
				  "something is mounted there, or on the way: it is not the "
				  "checkout's, and cannot be carried");
	if (dir < 0 || fstat(top, &st) < 0)
		return cs_err_sys(err, "open directory");
	if (run->operator.root && !run->root_owned && st.st_uid != run->operator.uid)
		return cs_err_set(err, CS_REFUSED,
				  "the checkout is uid %u's, and the repository uid %u's: start it "
				  "as that user",
				  st.st_uid, run->operator.uid);
	*out = cs_steal_fd(&dir);
	return 0;
}

static int check_path(int *dir_fd, const struct run *run, const char *rel, struct cs_err *err)
{
	AUTO_FD int dir = -1;
	struct cs_oid oid;
	uint32_t mode;
	int rc = open_checked(&dir, run, rel, err);

	if (rc == 0)
		rc = guarded_carry(run, dir, err);
	if (rc == 0 && guarded_hides(run, rel))
		rc = carry_hidden(run, err);
	if (rc < 0)
		return rc;
	*dir_fd = cs_steal_fd(&dir);
	rc = cs_repo_tree_lookup(&mode, &oid, run->repo, cs_run_start_tree(&run->info), rel, err);
	if (rc == 0)
		return cs_err_set(err, CS_REFUSED, "it is in the base, and so in the run already");
	return rc == CS_NOTFOUND ? check_ignored(run, rel, err) : rc;
}

int ask_carry(struct run *run, struct cs_err *err)
{
	if (run->opts->carry.n > CARRY_MAX)
		return cs_err_set(err, CS_USAGE, "--carry: at most %d directories", CARRY_MAX);
	for (size_t i = 0; i < run->opts->carry.n; i++) {
		AUTO_FREE char *shown = cs_escape_line(run->opts->carry.v[i]);
		AUTO_FREE char *rel = NULL;
		AUTO_FD int fd = -1;
		int rc = 0;

		if (!cs_repo_worktree(run->repo))
			return cs_err_set(err, CS_USAGE,
					  "--carry: a bare repository has no checkout");
		rel = from_top(run, run->opts->carry.v[i]);
		if (!rel)
			rc = cs_err_set(err, CS_USAGE, "not in the checkout");
		if (rc == 0)
			rc = check_path(&fd, run, rel, err);
		if (rc < 0)
			return cs_err_wrap(err, "--carry %s", shown);
		if (cs_strv_has(&run->info.carried, rel))
			continue;
		cs_strv_add(&run->info.carried, rel);
		CS_GROW(run->carried_fds, run->n_carried_fds, run->cap_carried_fds);
		run->carried_fds[run->n_carried_fds++] = cs_steal_fd(&fd);
	}
	return 0;
}

/* The same file in the checkout and in what the run starts from? Neither is the same, too. */
static int same_lock(bool *same, const struct run *run, const char *path, struct cs_err *err)
{
	AUTO_FREE char *file = cs_asprintf("%s/%s", cs_repo_worktree(run->repo), path);
	struct cs_oid ours = { 0 };
	struct cs_oid theirs = { 0 };
	uint32_t mode;
	int rc = cs_repo_tree_lookup(&mode, &theirs, run->repo, cs_run_start_tree(&run->info), path,
				     err);

	if (rc == CS_NOTFOUND)
		rc = 0;
	if (rc == 0 && access(file, F_OK) == 0)
		rc = cs_worktree_hash(&ours, run->repo, path, err);
	*same = cs_oid_equal(&ours, &theirs);
	return rc;
}

static int compare_lock(struct run *run, const char *rel, const char *file, struct cs_err *err)
{
	const char *slash = strrchr(rel, '/');
	AUTO_FREE char *path = cs_asprintf("%.*s%s", slash ? (int)(slash - rel + 1) : 0, rel, file);
	bool same = true;
	int rc = same_lock(&same, run, path, err);

	if (rc < 0)
		return cs_err_wrap(err, "--carry %s", rel);
	if (same)
		return 0;
	note("--carry %s: %s of your checkout is not the base's", rel, path);
	cs_finding_add(&run->info.findings, "carried", rel,
		       "%s of the checkout is not the base's: it may not fit", path);
	return 0;
}

static int compare_locks(struct run *run, struct cs_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < run->info.carried.n; i++) {
		const char *rel = run->info.carried.v[i];
		const char *slash = strrchr(rel, '/');

		for (size_t k = 0; k < CS_COUNT(locks) && !rc; k++)
			if (!strcmp(slash ? slash + 1 : rel, locks[k].directory))
				rc = compare_lock(run, rel, locks[k].file, err);
	}
	return rc;
}

static bool is_copied(const struct run *run)
{
	return cs_policy_list(run->policy, "sandbox.hide")->n > 0;
}

static int make_copies(struct run *run, struct cs_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < run->info.carried.n && !rc; i++) {
		AUTO_FREE char *shown = cs_escape_line(run->info.carried.v[i]);
		AUTO_FD int fd = -1;
		size_t left_out = 0;

		rc = snapshot_make(&fd, &left_out, run, i, run->carried_fds[i], err);
		if (rc < 0)
			return cs_err_wrap(err, "--carry %s", shown);
		if (left_out)
			note("--carry %s: %zu of what it holds is not in it: sandbox.hide (%s)",
			     shown, left_out, cs_policy_origin(run->policy, "sandbox.hide"));
		cs_close(&run->carried_fds[i]);
		run->carried_fds[i] = cs_steal_fd(&fd);
	}
	return rc;
}

int carry_prepare(struct run *run, struct cs_err *err)
{
	int rc = compare_locks(run, err);

	return rc == 0 && is_copied(run) ? make_copies(run, err) : rc;
}

int carry_needs_overlay(const struct run *run, struct cs_err *err)
{
	if (!run->info.carried.n)
		return 0;
	return cs_err_set(err, CS_UNSUPPORTED,
			  "--carry: no overlay works here, and through a plain mount the agent "
			  "would reach sockets of the host: leave it out");
}

void carry_release(struct run *run)
{
	for (size_t i = 0; i < run->n_carried_fds; i++)
		cs_close(&run->carried_fds[i]);
	free(run->carried_fds);
}

void carry_mounts(struct run *run)
{
	for (size_t i = 0; i < run->info.carried.n; i++) {
		AUTO_FREE char *dir = cs_asprintf("%s/" CARRIED_DIR "/%zu", run->dir.path, i);
		AUTO_FREE char *src = is_copied(run)
					      ? cs_asprintf("%s/" CARRIED_COPY, dir)
					      : cs_asprintf("%s/%s", cs_repo_worktree(run->repo),
							    run->info.carried.v[i]);
		AUTO_FREE char *dst =
			cs_asprintf("%s/%s", run->worktree.path, run->info.carried.v[i]);
		struct cs_mount *m = cs_plan_mount(&run->plan, CS_MOUNT_OVERLAY, src, dst, NULL);
		struct stat st;

		m->upper = cs_asprintf("%s/upper", dir);
		m->work = cs_asprintf("%s/work", dir);
		m->no_links = true;
		if (fstat(run->carried_fds[i], &st) == 0)
			m->seen = (struct cs_seen){ .dev = st.st_dev, .ino = st.st_ino };
		cs_strv_add(&run->plan.writable, dst);
	}
}
