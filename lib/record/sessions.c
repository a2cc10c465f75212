/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent remembers of a run, kept when it is recorded: the paths that the run's directory
 * lists are moved out of the HOME in it. They are the agent's bytes, nobody reads them here, and no
 * link in them is followed. They go with the run, or after a month.
 *
 * Whoever removes the directory of a recorded run does this first: its supervisor may have been
 * killed. What was moved before that is not there any more to be moved again.
 */
#include "record_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEEP_S	 (30 * 24 * 3600)
#define LIST_MAX (1 << 16)

static void remove_old(int sessions_fd)
{
	AUTO_DIR DIR *d = fdopendir(dup(sessions_fd));
	const time_t now = time(NULL);

	for (struct dirent *e; d && (e = readdir(d));) {
		struct stat st;

		if (cs_run_id_valid(e->d_name) &&
		    fstatat(sessions_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    now - st.st_mtime > KEEP_S)
			(void)!cs_remove_tree(sessions_fd, e->d_name, NULL);
	}
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? cs_strndup(path, (size_t)(slash - path)) : NULL;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Whose to_fd is, who may be another than we are. */
static int make_parents(int to_fd, const char *path, struct cs_err *err)
{
	struct stat st;

	if (fstat(to_fd, &st) < 0)
		return cs_err_sys(err, "look at " CS_RUN_SESSIONS);
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO_FREE char *dir = cs_strndup(path, (size_t)(slash - path));

		if (cs_mkdirs(to_fd, dir, 0700, err) < 0)
			return err->code;
		AUTO_FD int fd = cs_opendir_beneath(to_fd, dir);
		if (fd < 0 || (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0))
			return cs_err_sys(err, "give away %s", dir);
	}
	return 0;
}

/* Moves it; what is not there is not kept. */
static int keep(int home_fd, int to_fd, const char *path, struct cs_err *err)
{
	AUTO_FREE char *parent = parent_of(path);
	AUTO_FD int from = cs_opendir_beneath(home_fd, parent ? parent : ".");
	struct stat st;

	if (from < 0 || fstatat(from, name_of(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (make_parents(to_fd, path, err) < 0)
		return err->code;
	AUTO_FD int to = cs_opendir_beneath(to_fd, parent ? parent : ".");
	if (to < 0 || renameat(from, name_of(path), to, name_of(path)) < 0)
		return cs_err_sys(err, "keep ~/%s", path);
	return 0;
}

/* <state>/sessions, and the run's directory in it. */
static int make_dirs(int *sessions, int *to, const char *state_dir, const char *id,
		     struct cs_err *err)
{
	AUTO_FREE char *name = cs_asprintf(CS_RUN_SESSIONS "/%s", id);
	AUTO_FD int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (state < 0 || fstat(state, &st) < 0)
		return cs_err_sys(err, "open %s", state_dir);
	if (cs_mkdirs(state, name, 0700, err) < 0)
		return err->code;
	*sessions = cs_opendir_beneath(state, CS_RUN_SESSIONS);
	*to = cs_opendir_beneath(state, name);
	if (*sessions < 0 || *to < 0)
		return cs_err_sys(err, "open %s/%s", state_dir, name);
	/* Root works in a repository of somebody else: he must be able to go on there. */
	if (geteuid() == 0 && st.st_uid != 0 &&
	    (fchown(*sessions, st.st_uid, st.st_gid) < 0 || fchown(*to, st.st_uid, st.st_gid) < 0))
		return cs_err_sys(err, "give away %s", name);
	return 0;
}

int cs_run_keep_sessions(const struct cs_run_dir *dir, const char *state_dir, struct cs_err *err)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct cs_err why = CS_ERR_INIT;
	AUTO_FD int sessions = -1;
	AUTO_FD int to = -1;
	int rc = cs_read_file(&list, dir->fd, CS_RUN_SESSIONS, LIST_MAX, &why);

	if (rc == CS_NOTFOUND)
		return 0;
	if (rc < 0)
		return cs_err_set(err, rc, "%s", why.msg);
	AUTO_FD int home = cs_opendir_beneath(dir->fd, "home");
	if (home < 0)
		return cs_err_sys(err, "open HOME of the run");
	rc = make_dirs(&sessions, &to, state_dir, dir->id, err);
	if (rc < 0)
		return rc;
	for (char *rest = list.data, *path; rc == 0 && (path = strsep(&rest, "\n"));)
		if (*path)
			rc = keep(home, to, path, err);
	remove_old(sessions);
	return rc;
}
