/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --carry: build state of the operator's checkout (node_modules, target) that git ignores, mounted
 * where it lies, below a layer of the run that takes what the agent writes and is thrown away.
 * Nothing is copied, so it costs nothing; who changes it outside meanwhile changes what the agent
 * sees.
 */
#include "run.h"

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

static int check_path(const struct run *run, const char *rel, struct cs_err *err)
{
	AUTO_FD int top = open(cs_repo_worktree(run->repo), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int dir = top < 0 ? -1 : cs_opendir_beneath(top, rel);
	struct cs_oid oid;
	uint32_t mode;
	int rc;

	if (dir < 0)
		return cs_err_sys(err, "open directory");
	if (!strcmp(rel, ".git") || !strncmp(rel, ".git/", 5))
		return cs_err_set(err, CS_REFUSED, "the git directory stays outside");
	rc = cs_repo_tree_lookup(&mode, &oid, run->repo, cs_run_start_tree(&run->info), rel, err);
	if (rc == 0)
		return cs_err_set(err, CS_REFUSED, "it is in the base, and so in the run already");
	return rc == CS_NOTFOUND ? check_ignored(run, rel, err) : rc;
}

int ask_carry(struct run *run, struct cs_err *err)
{
	for (size_t i = 0; i < run->opts->carry.n; i++) {
		AUTO_FREE char *shown = cs_escape_line(run->opts->carry.v[i]);
		AUTO_FREE char *rel = NULL;
		int rc = 0;

		if (!cs_repo_worktree(run->repo))
			return cs_err_set(err, CS_USAGE,
					  "--carry: a bare repository has no checkout");
		rel = from_top(run, run->opts->carry.v[i]);
		if (!rel)
			rc = cs_err_set(err, CS_USAGE, "not in the checkout");
		if (rc == 0)
			rc = check_path(run, rel, err);
		if (rc < 0)
			return cs_err_wrap(err, "--carry %s", shown);
		if (!cs_strv_has(&run->info.carried, rel))
			cs_strv_add(&run->info.carried, rel);
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

int carry_compare(struct run *run, struct cs_err *err)
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

void carry_mounts(struct run *run)
{
	for (size_t i = 0; i < run->info.carried.n; i++) {
		const char *rel = run->info.carried.v[i];
		AUTO_FREE char *src = cs_asprintf("%s/%s", cs_repo_worktree(run->repo), rel);
		AUTO_FREE char *dst = cs_asprintf("%s/%s", run->worktree.path, rel);
		struct cs_mount *m;

		if (!run->overlay) {
			cs_plan_mount(&run->plan, CS_MOUNT_RO, src, dst, NULL);
			continue;
		}
		m = cs_plan_mount(&run->plan, CS_MOUNT_OVERLAY, src, dst, NULL);
		m->upper = cs_asprintf("%s/carried/%zu/upper", run->dir.path, i);
		m->work = cs_asprintf("%s/carried/%zu/work", run->dir.path, i);
		cs_strv_add(&run->plan.writable, dst);
	}
}
