/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs whose supervisor was killed: their directory is there, and nobody holds its lock. Every
 * command that works with runs says so, for whoever did not see it happen.
 *
 * A killed supervisor leaves its run's cgroup, empty (everything in it died with it). The file
 * `cgroup` in the run's directory names it from before it was made; it goes when such a run is
 * found, and with the directory.
 */
#include "record_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CGROUPS	 "/sys/fs/cgroup/"
#define MAX_PATH 4096
#define TRIES	 50

void cs_run_cgroup_remove(int run_fd, const char *id)
{
	AUTO_BUF struct cs_buf path = CS_BUF_INIT;
	AUTO_FREE char *name = cs_asprintf("/" CS_RUN_CGROUP "%s", id);
	const struct timespec moment = { .tv_nsec = 20 * 1000000L };

	if (cs_read_file(&path, run_fd, CS_RUN_CGROUP_FILE, MAX_PATH, NULL) < 0)
		return;
	/* Of a run and of this one: the directory may belong to somebody else than us. */
	if (path.len != strlen(path.data) || path.len < strlen(name) ||
	    strncmp(path.data, CGROUPS, strlen(CGROUPS)) != 0 || strstr(path.data, "/../") ||
	    strcmp(path.data + path.len - strlen(name), name) != 0)
		return;
	/* ENOENT: it is gone, as it should be. EBUSY: somebody in it is dying. */
	for (int i = 0; rmdir(path.data) < 0 && errno == EBUSY && i < TRIES; i++)
		nanosleep(&moment, NULL);
}

static void look_at(struct cs_strv *out, const struct cs_repo *repo, int runs_fd, const char *id)
{
	struct cs_oid record;
	AUTO_FD int fd = -1;

	if (!cs_run_id_valid(id) || cs_run_dir_alive(runs_fd, id))
		return;
	fd = cs_opendir_beneath(runs_fd, id);
	if (fd >= 0)
		cs_run_cgroup_remove(fd, id);
	/* Recorded: the directory alone is left, and the next listing removes it. */
	if (fd >= 0 && cs_run_record(&record, repo, id, NULL) == 0)
		cs_strv_add(out, id);
}

char *cs_run_orphans(const struct cs_repo *repo)
{
	AUTO_STRV struct cs_strv ids = CS_STRV_INIT;
	AUTO_FREE char *state_dir = cs_state_path(repo);
	AUTO_DIR DIR *dir = NULL;
	int runs_fd = cs_runs_open(state_dir, NULL);

	dir = runs_fd < 0 ? NULL : fdopendir(runs_fd);
	if (!dir) {
		cs_close(&runs_fd);
		return NULL;
	}
	for (struct dirent *e; (e = readdir(dir));)
		look_at(&ids, repo, runs_fd, e->d_name);
	if (!ids.n)
		return NULL;
	return ids.n == 1 ? cs_asprintf("run %.8s was interrupted: git agent-log recover %.8s "
					"captures what it made",
					ids.v[0], ids.v[0])
			  : cs_asprintf("%zu runs were interrupted: git agent-log recover captures "
					"what they made",
					ids.n);
}
