/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent remembers of a run, for --continue: the paths that its profile names, moved to
 *
 *	<state>/sessions/<id>/
 *
 * when the run is recorded, and copied into the HOME of one that continues it. They are the agent's
 * bytes, nobody reads them here, and no link in them is followed. They go with the run, or after a
 * month.
 */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEEP_S (30 * 24 * 3600)

static int open_sessions(const struct run *run)
{
	AUTO_FREE char *path = cs_asprintf("%s/" CS_RUN_SESSIONS, run->state_dir);

	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

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

/* Moves it; what is not there is not kept. */
static int keep(int home_fd, int to_fd, const char *path, struct cs_err *err)
{
	AUTO_FREE char *parent = parent_of(path);
	AUTO_FD int from = cs_opendir_beneath(home_fd, parent ? parent : ".");
	struct stat st;

	if (from < 0 || fstatat(from, name_of(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (parent && cs_mkdirs(to_fd, parent, 0700, err) < 0)
		return err->code;
	AUTO_FD int to = cs_opendir_beneath(to_fd, parent ? parent : ".");
	if (to < 0 || renameat(from, name_of(path), to, name_of(path)) < 0)
		return cs_err_sys(err, "keep ~/%s", path);
	return 0;
}

static int keep_all(const struct run *run, struct cs_err *err)
{
	AUTO_FREE char *name = cs_asprintf(CS_RUN_SESSIONS "/%s", run->dir.id);
	const struct cs_strv *paths = &run->profile.home_state;
	AUTO_FD int state = open(run->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int home = cs_opendir_beneath(run->dir.fd, "home");
	struct stat st;
	int rc = 0;

	if (state < 0 || home < 0)
		return cs_err_sys(err, "open %s", run->state_dir);
	if (cs_mkdirs(state, name, 0700, err) < 0)
		return err->code;
	AUTO_FD int sessions = open_sessions(run);
	AUTO_FD int to = cs_opendir_beneath(state, name);
	if (sessions < 0 || to < 0)
		return cs_err_sys(err, "open %s/%s", run->state_dir, name);
	/* Root works in a repository of somebody else: he must be able to go on there. */
	if (run->operator.root && !run->root_owned && fstat(state, &st) == 0 &&
	    (fchown(sessions, st.st_uid, st.st_gid) < 0 || fchown(to, st.st_uid, st.st_gid) < 0))
		return cs_err_sys(err, "give away %s", name);
	for (size_t i = 0; i < paths->n && !rc; i++)
		rc = keep(home, to, paths->v[i], err);
	remove_old(sessions);
	return rc;
}

void sessions_keep(const struct run *run)
{
	struct cs_err err = CS_ERR_INIT;

	if (run->profile.home_state.n && keep_all(run, &err) < 0)
		note("the agent's session is not kept: %s", err.msg);
}

int sessions_restore(struct run *run, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;

	if (!*run->info.continues || !run->profile.home_state.n)
		return 0;
	AUTO_FD int sessions = open_sessions(run);
	AUTO_FD int from = sessions < 0 ? -1 : cs_opendir_beneath(sessions, run->info.continues);
	if (from < 0 && errno == ENOENT) {
		note("there is no session of run %.8s any more: the agent begins a new one",
		     run->info.continues);
		return 0;
	}
	if (from < 0)
		return cs_err_sys(err, "open the session of run %.8s", run->info.continues);
	if (home_restore(run, from, &run->profile.home_state, &why) < 0)
		note("the agent's session is not whole: %s", why.msg);
	return 0;
}
