/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where files of a tree are made: `git read-tree -m -u` in a git directory of our
 * own, so that no hook, filter, driver or file system monitor of anybody runs. The files are the
 * blobs, byte for byte. That is what capture relies on: it stores raw bytes, so an untouched file
 * can never look changed, whatever its attributes say.
 *
 * Afterwards all files get one time, that of the base commit, or of the older pristine that some
 * of them are shared with. Being older than the index they are never compared by content again;
 * being equal they never make `make` believe that a generated file is out of date; being older than
 * anything built, nothing looks up to date by accident.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

/* zip cannot say anything older; 1980-01-02 in every time zone. */
#define OLDEST_TIME 315705600
/* Time stamps of some file systems are coarse, and git compares whole seconds. */
#define SETTLED_S 10
/* A file system with less is full for a checkout. */
#define ALMOST_FULL (64 * 1024)

static const struct cs_wt_owner ours; /* gives nothing away */

/* ---- what git says while it works ---- */

/* Standard error of git: progress goes on, the first complaint is kept. */
struct listener {
	const struct cs_worktree_opts *opts;
	int lock_fd;
	char line[1024];
	size_t len;
	char complaint[256];
};

void cs_wt_tell(const struct cs_worktree_opts *opts, int lock_fd, uint64_t done, uint64_t total)
{
	uint64_t both[2] = { done, total };

	/* For those who wait for us. They can do without. */
	if (lock_fd >= 0)
		(void)!pwrite(lock_fd, both, sizeof(both), 0);
	if (opts->progress)
		opts->progress(opts->progress_arg, done, total);
}

/* "Updating files:  12% (1234/10000)" or "fatal: unable to ..." */
static void hear_line(struct listener *l)
{
	unsigned long long done, total;
	const char *count = memchr(l->line, '(', l->len);

	l->line[l->len] = '\0';
	if (!strncmp(l->line, "Updating files", 14) && count &&
	    sscanf(count, "(%llu/%llu)", &done, &total) == 2)
		cs_wt_tell(l->opts, l->lock_fd, done, total);
	else if (!l->complaint[0] &&
		 (!strncmp(l->line, "error: ", 7) || !strncmp(l->line, "fatal: ", 7)))
		snprintf(l->complaint, sizeof(l->complaint), "%.*s", (int)sizeof(l->complaint) - 1,
			 l->line + 7);
	l->len = 0;
}

static int listen_to_end(struct listener *l, int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] == '\r' || buf[i] == '\n')
				hear_line(l);
			else if (l->len < sizeof(l->line) - 1)
				l->line[l->len++] = buf[i];
		}
	}
	hear_line(l);
	return 0;
}

static int reap(pid_t pid)
{
	int status;
	pid_t got;

	do {
		got = waitpid(pid, &status, 0);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -1 : status;
}

/* What git says of a tree that has a path which no checkout may have. */
static const char refused_path[] = "invalid path ";

static int run_git(const struct cs_git_call *call, struct listener *l, struct cs_err *err)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_STRV struct cs_strv env = CS_STRV_INIT;
	AUTO_FD int r = -1;
	AUTO_FD int w = -1;
	struct cs_spawn spec = CS_SPAWN_INIT;
	int ends[2];
	pid_t pid;
	int rc, heard, status;

	cs_git_command(&argv, &env, call);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return cs_err_sys(err, "pipe");
	r = ends[0];
	w = ends[1];
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)env.v;
	spec.stderr_fd = w;
	rc = cs_spawn_start(&pid, &spec, err);
	if (rc < 0)
		return rc;
	cs_close(&w);
	heard = listen_to_end(l, r);
	cs_close(&r); /* git, if it still writes, must not wait for us */
	status = reap(pid);
	if (heard == 0 && status == 0)
		return 0;
	if (!strncmp(l->complaint, refused_path, strlen(refused_path)))
		return cs_err_set(err, CS_REFUSED, "git read-tree: %s", l->complaint);
	return cs_err_set(err, CS_MALFUNCTION, "git read-tree: %s",
			  l->complaint[0] ? l->complaint : "ended unexpectedly");
}

/* ---- why it failed ---- */

/* git does not say why it cannot write. Whatever it was, it left a full disk full. */
static void explain_full(const char *dir, struct cs_err *err)
{
	struct statvfs fs;
	bool full = statvfs(dir, &fs) == 0 &&
		    (fs.f_bavail * fs.f_frsize < ALMOST_FULL || (fs.f_files && fs.f_favail == 0));
	AUTO_FREE char *said = cs_strdup(err ? err->msg : "");

	if (full && !strstr(said, strerror(ENOSPC)))
		cs_err_set(err, CS_MALFUNCTION, "%s: %s", said, strerror(ENOSPC));
}

/* Lines "?<id>" of `git rev-list --missing=print`. */
static size_t count_missing(const struct cs_buf *list, char first[CS_OID_HEX])
{
	size_t n = 0;

	for (const char *p = list->data; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (*p != '?')
			continue;
		if (n++ == 0)
			snprintf(first, CS_OID_HEX, "%.*s", (int)strcspn(p + 1, "\n"), p + 1);
	}
	return n;
}

size_t cs_wt_count_missing(char first[CS_OID_HEX], const char *git_dir, const struct cs_oid *tree)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	char hex[CS_OID_HEX];
	const char *args[] = { "rev-list", "--objects", "--missing=print", cs_oid_hex(hex, tree),
			       NULL };
	struct cs_git_call call = { .git_dir = git_dir, .args = args, .max_output = 1 << 30 };

	return cs_git(&list, &call, NULL) < 0 ? 0 : count_missing(&list, first);
}

int cs_wt_explain_missing(const char *git_dir, const struct cs_wt_job *job, struct cs_err *err)
{
	const struct cs_worktree_opts *opts = job->opts;
	const char *where = cs_repo_worktree(opts->repo);
	int rc = err ? (int)err->code : CS_MALFUNCTION;
	char first[CS_OID_HEX] = "";
	size_t n = cs_wt_count_missing(first, git_dir, &opts->tree);

	if (n == 0)
		return rc;
	where = where ? where : cs_repo_common_dir(opts->repo);
	if (job->partial)
		return cs_err_set(err, CS_NOTFOUND,
				  "%zu objects of the base are missing in this partial clone "
				  "(%s); fetch them: git -C %s fetch --refetch --no-filter",
				  n, first, where);
	return cs_err_set(err, CS_NOTFOUND,
			  "%zu objects of the base are missing (%s); see what else is: "
			  "git -C %s fsck",
			  n, first, where);
}

/* ---- settling ---- */

struct settling {
	int tree_fd;
	const struct cs_wt_owner *owner;
	struct timespec time[2];
};

static int give_path(void *arg, const char *path, struct cs_err *err)
{
	const struct settling *s = arg;

	if (s->owner->give &&
	    fchownat(s->tree_fd, path, s->owner->uid, s->owner->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "give %s", path);
	return 0;
}

/* With an older pristine, and as it was made for that. */
static bool is_shared(const struct stat *st)
{
	return !S_ISDIR(st->st_mode) && st->st_nlink > 1;
}

static int settle_new(struct settling *s, const char *path, struct stat *st, struct cs_err *err)
{
	int rc = give_path(s, path, err);

	if (rc < 0)
		return rc;
	if (utimensat(s->tree_fd, path, s->time, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(s->tree_fd, path, st, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "set the time of %s", path);
	return 0;
}

static int settle_one(struct settling *s, struct cs_wt_entry *e, struct cs_err *err)
{
	struct stat st;
	int rc;

	if (fstatat(s->tree_fd, e->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "%s", e->path);
	rc = is_shared(&st) ? 0 : settle_new(s, e->path, &st, err);
	if (rc == 0)
		cs_wt_entry_set_stat(e, &st);
	return rc;
}

static int settle(struct cs_wt_index *ix, int tree_fd, const struct cs_wt_owner *owner,
		  int64_t time, struct cs_err *err)
{
	struct settling s = { .tree_fd = tree_fd, .owner = owner };
	int64_t latest = cs_wall_ns() / 1000000000 - SETTLED_S;
	struct cs_wt_entry e;
	const char *prev = "";
	int rc;

	time = time > latest ? latest : time;
	s.time[0].tv_sec = s.time[1].tv_sec = time < OLDEST_TIME ? OLDEST_TIME : time;
	while ((rc = cs_wt_index_next(&e, ix, err)) > 0) {
		if (e.absent)
			continue;
		rc = owner->give ? cs_wt_new_dirs(prev, e.path, give_path, &s, err) : 0;
		if (rc == 0)
			rc = settle_one(&s, &e, err);
		if (rc < 0)
			return rc;
		prev = e.path;
	}
	return rc;
}

int cs_wt_settle(int tree_fd, int dir_fd, const char *index, int to_fd, const char *to,
		 int64_t time, const struct cs_wt_job *job, struct cs_err *err)
{
	struct cs_wt_index ix = CS_WT_INDEX_INIT;
	struct cs_commit commit = { 0 };
	int rc = cs_repo_read_commit(&commit, job->opts->repo, &job->opts->commit, err);

	if (rc == 0)
		rc = cs_wt_index_load(&ix, dir_fd, index, err);
	if (rc == 0)
		rc = settle(&ix, tree_fd, &job->owner, time ? time : commit.time, err);
	if (rc == 0)
		rc = cs_wt_index_store(&ix, to_fd, to, &job->owner, err);
	cs_wt_index_release(&ix);
	cs_commit_release(&commit);
	return rc;
}

/* tree/.git/index from <dir>/index, after the files that it describes. */
static int finish(int dir_fd, const struct cs_wt_job *job, int64_t time, struct cs_err *err)
{
	AUTO_FD int tree_fd = -1;
	int rc = cs_wt_opendir(&tree_fd, dir_fd, "tree", err);

	if (rc == 0)
		rc = cs_wt_mkdir(tree_fd, ".git", 0777, &job->owner, err);
	if (rc == 0)
		rc = cs_wt_settle(tree_fd, dir_fd, "index", tree_fd, ".git/index", time, job,
				  err);
	if (rc == 0 && cs_wt_give(tree_fd, &job->owner) < 0)
		rc = cs_err_sys(err, "give tree");
	return rc;
}

int cs_wt_read_tree(const char *dir, const char *work_tree, const struct cs_oid *tree,
		    const struct cs_worktree_opts *opts, int lock_fd, struct cs_err *err)
{
	AUTO_FREE char *git_dir = cs_asprintf("%s/git", dir);
	AUTO_FREE char *index = cs_asprintf("%s/index", dir);
	char hex[CS_OID_HEX];
	const char *args[] = { "read-tree", "-v", "-m", "-u", cs_oid_hex(hex, tree), NULL };
	struct cs_git_call call = {
		.git_dir = git_dir, .work_tree = work_tree, .index_file = index, .args = args
	};
	struct listener l = { .opts = opts, .lock_fd = lock_fd };
	int rc = run_git(&call, &l, err);

	if (rc < 0)
		explain_full(dir, err);
	return rc;
}

int cs_wt_checkout(int dir_fd, const char *dir, const struct cs_wt_job *job, int lock_fd,
		   struct cs_err *err)
{
	AUTO_FREE char *git_dir = cs_asprintf("%s/git", dir);
	AUTO_FREE char *tree_dir = cs_asprintf("%s/tree", dir);
	int64_t time = 0;
	int rc = cs_wt_trusted_make(dir_fd, "git", cs_repo_object_dirs(job->opts->repo),
				    &job->sparse, err);

	if (rc == 0)
		rc = cs_wt_mkdir(dir_fd, "tree", 0777, &ours, err);
	if (rc == 0)
		rc = cs_wt_reuse(&time, dir_fd, job, lock_fd, err);
	if (rc < 0)
		return rc;
	rc = cs_wt_read_tree(dir, tree_dir, &job->opts->tree, job->opts, lock_fd, err);
	if (rc < 0)
		return cs_wt_explain_missing(git_dir, job, err);
	rc = finish(dir_fd, job, time, err);
	if (rc == 0)
		rc = cs_remove_tree(dir_fd, "git", err);
	if (rc == 0 && unlinkat(dir_fd, "index", 0) < 0)
		rc = cs_err_sys(err, "remove index");
	return rc;
}
