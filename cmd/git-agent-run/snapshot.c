/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A carried directory where the policy hides files: the agent gets a copy of its directories with
 * links to its files, made before the start, without
 *
 *	what a glob names	by the path from the top of the checkout, and from the top of each
 *				checkout that lies on the way (another worktree, a clone)
 *	git directories		a clone's objects hold what was hidden, under no name
 *	other mounts, sockets, FIFOs, devices
 *
 * A mount of the directory itself with covers in it would not do: what is made in it while the run
 * lives would be seen. Of this copy only content can still change, and only of files that are in it.
 * The cost is that of the listing, and a file that cannot be linked (of somebody else, on another
 * file system) is copied.
 *
 * Everything is reached by descriptors, beneath the directory that was looked at, and no link is
 * followed: whoever owns the checkout may alter it meanwhile, and root may be who copies.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define MAX_DEPTH   64 /* two descriptors each */
#define MAX_ENTRIES 2000000

struct snapshot {
	const struct run *run;
	struct cs_buf path; /* from the top of the checkout */
	/* Where in path the names of a checkout begin, the outermost first. */
	size_t tops[2 * MAX_DEPTH];
	size_t n_tops;
	size_t left_out, entries;
};

static bool has(int dir_fd, const char *name)
{
	struct stat st;
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_git_directory(int dir_fd)
{
	return has(dir_fd, "HEAD") && has(dir_fd, "objects") && has(dir_fd, "refs");
}

static bool is_hidden(const struct snapshot *s)
{
	for (size_t i = 0; i < s->n_tops; i++)
		if (cs_glob_matches(cs_policy_list(s->run->policy, "sandbox.hide"),
				    s->path.data + s->tops[i]))
			return true;
	return false;
}

/* For what lies below dir_fd, the directory that s->path names. */
static int enter(struct snapshot *s, int dir_fd, struct cs_err *err)
{
	if (!has(dir_fd, ".git"))
		return 0;
	if (s->n_tops == CS_COUNT(s->tops))
		return cs_err_set(err, CS_LIMIT, "%s: too many checkouts one in another",
				  s->path.data);
	s->tops[s->n_tops++] = s->path.len + 1;
	return 0;
}

/* ---- files ------------------------------------------------------------------------------------ */

static int copy_content(int dst, int src, const struct stat *st)
{
	for (off_t done = 0; done < st->st_size;) {
		ssize_t n = sendfile(dst, src, NULL, (size_t)(st->st_size - done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n; /* 0: it became shorter */
		done += n;
	}
	return 0;
}

/* Owner, mode and time of what it stands for; no set-id bit. */
static int give(const struct snapshot *s, int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (s->run->operator.root && fchown(fd, st->st_uid, st->st_gid) < 0)
		return -1;
	if (fchmod(fd, st->st_mode & 0777) < 0)
		return -1;
	return futimens(fd, times);
}

static int copy_file(const struct snapshot *s, int from, int to, const char *name)
{
	AUTO_FD int src =
		openat(from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD int dst = -1;
	struct stat st;

	/* What its owner cannot read the agent could not either. */
	if (src < 0 && (errno == EACCES || errno == ENOENT || errno == ELOOP || errno == ENXIO))
		return 0;
	if (src < 0 || fstat(src, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	dst = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (dst < 0 || copy_content(dst, src, &st) < 0)
		return -1;
	return give(s, dst, &st);
}

static int link_file(const struct snapshot *s, int from, int to, const char *name)
{
	struct stat st;

	if (linkat(from, name, to, name, 0) < 0) {
		if (errno == EPERM || errno == EXDEV || errno == EMLINK || errno == EOPNOTSUPP)
			return copy_file(s, from, to, name);
		return errno == ENOENT ? 0 : -1;
	}
	/* It was one when it was listed. */
	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		return 0;
	return unlinkat(to, name, 0);
}

static int copy_link(const struct snapshot *s, int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);
	struct stat st;

	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : -1;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0)
		return -1;
	if (!s->run->operator.root)
		return 0;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	return fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
}

/* ---- directories ------------------------------------------------------------------------------ */

static int copy_entries(struct snapshot *s, int from, int to, int depth, struct cs_err *err);

static int copy_directory(struct snapshot *s, int from, int to, const char *name, int depth,
			  struct cs_err *err)
{
	const size_t tops = s->n_tops;
	AUTO_FD int src = cs_opendir_on_mount(from, name);
	AUTO_FD int dst = -1;
	struct stat st;
	int rc;

	if (src < 0 && (errno == EACCES || errno == ENOENT || errno == ENOTDIR || errno == EXDEV ||
			errno == ELOOP))
		return 0; /* nobody's but root's; gone; a mount */
	if (src < 0 || fstat(src, &st) < 0)
		return cs_err_sys(err, "open %s", s->path.data);
	if (depth == MAX_DEPTH)
		return cs_err_set(err, CS_LIMIT, "%s: deeper than %d directories", s->path.data,
				  MAX_DEPTH);
	if (is_git_directory(src)) {
		s->left_out++;
		return 0;
	}
	if (mkdirat(to, name, 0700) < 0)
		return cs_err_sys(err, "make %s", s->path.data);
	dst = cs_opendir_beneath(to, name);
	if (dst < 0)
		return cs_err_sys(err, "open the copy of %s", s->path.data);
	rc = enter(s, src, err);
	if (!rc)
		rc = copy_entries(s, src, dst, depth + 1, err);
	s->n_tops = tops;
	if (!rc && give(s, dst, &st) < 0)
		rc = cs_err_sys(err, "give the copy of %s its mode", s->path.data);
	return rc;
}

static int copy_entry(struct snapshot *s, int from, int to, const char *name, int depth,
		      struct cs_err *err)
{
	struct stat st;
	int rc = 0;

	if (is_hidden(s)) {
		s->left_out++;
		return 0;
	}
	if (s->entries++ == MAX_ENTRIES)
		return cs_err_set(err, CS_LIMIT, "more than %d files", MAX_ENTRIES);
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : cs_err_sys(err, "look at %s", s->path.data);
	if (S_ISDIR(st.st_mode))
		return copy_directory(s, from, to, name, depth, err);
	if (S_ISREG(st.st_mode))
		rc = link_file(s, from, to, name);
	else if (S_ISLNK(st.st_mode))
		rc = copy_link(s, from, to, name);
	return rc < 0 ? cs_err_sys(err, "copy %s", s->path.data) : 0;
}

static int copy_entries(struct snapshot *s, int from, int to, int depth, struct cs_err *err)
{
	const size_t len = s->path.len;
	AUTO_DIR DIR *dir = fdopendir(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int rc = 0;

	if (!dir)
		return cs_err_sys(err, "list %s", s->path.data);
	for (struct dirent *e; !rc && (e = readdir(dir));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		cs_buf_addf(&s->path, "/%s", e->d_name);
		rc = copy_entry(s, from, to, e->d_name, depth, err);
		cs_buf_truncate(&s->path, len);
	}
	return rc;
}

/*
 * The checkouts that the carried directory lies in, itself one perhaps, beside that of the run; and
 * whether it is hidden in one of them.
 */
static int find_tops(struct snapshot *s, const char *rel, struct cs_err *err)
{
	AUTO_FD int top = open(cs_repo_worktree(s->run->repo), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *slash = rel;
	int rc = top < 0 ? cs_err_sys(err, "open %s", cs_repo_worktree(s->run->repo)) : 0;

	s->tops[s->n_tops++] = 0;
	while (slash && !rc) {
		AUTO_FD int fd = -1;

		slash = strchr(slash + 1, '/');
		cs_buf_truncate(&s->path, 0);
		cs_buf_add(&s->path, rel, slash ? (size_t)(slash - rel) : strlen(rel));
		if (is_hidden(s))
			return carry_hidden(s->run, err);
		fd = cs_opendir_on_mount(top, s->path.data);
		if (fd < 0)
			return cs_err_sys(err, "open %s", s->path.data);
		rc = enter(s, fd, err);
	}
	return rc;
}

int snapshot_make(int *copy_fd, size_t *left_out, const struct run *run, size_t i, int dir_fd,
		  struct cs_err *err)
{
	AUTO_FREE char *place = cs_asprintf(CARRIED_DIR "/%zu/" CARRIED_COPY, i);
	struct snapshot s = { .run = run, .path = CS_BUF_INIT };
	AUTO_FD int dst = -1;
	struct stat st;
	int rc = find_tops(&s, run->info.carried.v[i], err);

	if (!rc)
		rc = cs_mkdirs(run->dir.fd, place, 0700, err);
	if (!rc && (dst = cs_opendir_beneath(run->dir.fd, place)) < 0)
		rc = cs_err_sys(err, "open %s/%s", run->dir.path, place);
	if (!rc)
		rc = copy_entries(&s, dir_fd, dst, 0, err);
	if (!rc && (fstat(dir_fd, &st) < 0 || give(&s, dst, &st) < 0))
		rc = cs_err_sys(err, "give the copy its mode");
	cs_buf_release(&s.path);
	if (rc < 0)
		return rc;
	*copy_fd = cs_steal_fd(&dst);
	*left_out = s.left_out;
	return 0;
}
