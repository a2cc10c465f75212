/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent remembers of a run, for --continue: the paths that its profile names, kept in
 *
 *	<state>/sessions/<id>/
 *
 * when the run is recorded (lib/record/sessions.c), and copied into the HOME of one that continues
 * it. They are the agent's bytes, nobody reads them here, and no link in them is followed.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int open_sessions(const struct run *run)
{
	AUTO_FREE char *path = cs_asprintf("%s/" CS_RUN_SESSIONS, run->state_dir);

	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int sessions_list(const struct run *run, struct cs_err *err)
{
	const struct cs_strv *paths = &run->profile.home_state;
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;

	for (size_t i = 0; i < paths->n; i++)
		cs_buf_addf(&list, "%s\n", paths->v[i]);
	return list.len
		       ? cs_write_file(run->dir.fd, CS_RUN_SESSIONS, list.data, list.len, 0600, err)
		       : 0;
}

void sessions_keep(const struct run *run)
{
	struct cs_err err = CS_ERR_INIT;

	if (cs_run_keep_sessions(&run->dir, run->state_dir, &err) < 0)
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
