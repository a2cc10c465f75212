/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of a run while it lives, and the lock that says that it lives.
 *
 *	runs/new-<id>	being made; gets its name when its lock is held
 *	runs/<id>	a run: `lock` is flocked by its supervisor for as long as it lives
 *	runs/gone-<id>	being removed
 *
 * So a directory with a run's name always has a lock file, and a free lock always means that
 * nobody cares for the run any more. Whoever only wants to know takes the lock shared for an
 * instant; cs_run_dir_open() tries for longer than that.
 */
#include "countersign/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "record_dir.h"

#define NEW_PREFIX  "new-"
#define GONE_PREFIX "gone-"
#define LOCK_FILE   "lock"

/* A glance at a lock lasts microseconds; a supervisor holds it for the whole run. */
#define LOCK_TRIES   20
#define LOCK_WAIT_NS 5000000
#define SETTLE_S     60

/* ---- <common dir>/agent-run ---- */

/* Makes (0700, owned by whoever owns the parent) and opens a directory that is no link. */
static int enter_dir(int *out, int parent_fd, const char *name, struct cs_err *err)
{
	struct stat parent, st;
	int fd;

	if (mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST)
		return cs_err_sys(err, "make directory %s", name);
	fd = cs_opendir_beneath(parent_fd, name);
	if (fd < 0)
		return cs_err_sys(err, "open directory %s", name);
	*out = fd;
	/* Root works in a repository of somebody else: he must be able to go on there. */
	if (geteuid() == 0 && fstat(parent_fd, &parent) == 0 && fstat(fd, &st) == 0 &&
	    st.st_uid == 0 && parent.st_uid != 0 && fchown(fd, parent.st_uid, parent.st_gid) < 0)
		return cs_err_sys(err, "give away directory %s", name);
	return 0;
}

int cs_state_dir(char **out, const struct cs_repo *repo, struct cs_err *err)
{
	const char *common = cs_repo_common_dir(repo);
	AUTO_FD int common_fd = open(common, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int state_fd = -1;
	AUTO_FD int runs_fd = -1;
	int rc;

	if (common_fd < 0)
		return cs_err_sys(err, "open %s", common);
	rc = enter_dir(&state_fd, common_fd, "agent-run", err);
	if (rc == 0)
		rc = enter_dir(&runs_fd, state_fd, "runs", err);
	if (rc < 0)
		return cs_err_wrap(err, "runs cannot be kept in %s", common);
	*out = cs_state_path(repo);
	return 0;
}

char *cs_state_path(const struct cs_repo *repo)
{
	return cs_asprintf("%s/agent-run", cs_repo_common_dir(repo));
}

int cs_runs_open(const char *state_dir, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/runs", state_dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return cs_err_set(err, CS_NOTFOUND, "there is no %s", path);
	return fd < 0 ? cs_err_sys(err, "open %s", path) : fd;
}

/* ---- locks ---- */

static int lock_patiently(int fd)
{
	const struct timespec wait = { .tv_nsec = LOCK_WAIT_NS };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		nanosleep(&wait, NULL);
	}
	errno = EWOULDBLOCK;
	return -1;
}

/* Without a lock file: somebody is in the middle of making or removing it, or died there. */
static bool recently_touched(int runs_fd, const char *name)
{
	struct stat st;

	if (fstatat(runs_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	return time(NULL) - st.st_mtime < SETTLE_S;
}

bool cs_run_dir_alive(int runs_fd, const char *name)
{
	AUTO_FREE char *path = cs_asprintf("%s/" LOCK_FILE, name);
	AUTO_FD int fd = cs_open_beneath(runs_fd, path, O_RDONLY, 0);

	if (fd < 0 && errno == ENOENT)
		return recently_touched(runs_fd, name);
	/* What cannot be asked may well be alive. */
	return fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0;
}

/* ---- one directory ---- */

static void new_id(char id[CS_RUN_ID_HEX])
{
	uint8_t random[16];

	cs_random(random, sizeof(random));
	cs_hex(id, random, sizeof(random));
}

static int create_locked(struct cs_run_dir *dir, int runs_fd, const char *name, uid_t uid,
			 gid_t gid, struct cs_err *err)
{
	if (mkdirat(runs_fd, name, 0700) < 0)
		return cs_err_sys(err, "make directory %s", name);
	cs_fault("run-directory-unlocked");
	dir->fd = cs_opendir_beneath(runs_fd, name);
	if (dir->fd < 0)
		return cs_err_sys(err, "open directory %s", name);
	dir->lock_fd = cs_open_beneath(dir->fd, LOCK_FILE, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (dir->lock_fd < 0 || flock(dir->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return cs_err_sys(err, "lock %s", name);
	if (geteuid() != 0 || !(uid || gid) || fchown(dir->fd, uid, gid) == 0)
		return 0;
	if (errno != EINVAL)
		return cs_err_sys(err, "give %s to uid %lu", name, (unsigned long)uid);
	return cs_err_set(
		err, CS_UNSUPPORTED,
		"this user namespace has no uid %lu for the agent: run as an ordinary user",
		(unsigned long)uid);
}

int cs_run_dir_create(struct cs_run_dir *out, const char *state_dir, uid_t uid, gid_t gid,
		      struct cs_err *err)
{
	struct cs_run_dir dir = CS_RUN_DIR_INIT;
	AUTO_FREE char *name = NULL;
	AUTO_FD int runs_fd = cs_runs_open(state_dir, err);
	struct cs_err ignored;
	int rc;

	if (runs_fd < 0)
		return runs_fd;
	new_id(dir.id);
	name = cs_asprintf(NEW_PREFIX "%s", dir.id);
	rc = create_locked(&dir, runs_fd, name, uid, gid, err);
	cs_fault("run-directory-unnamed");
	if (rc == 0 && renameat(runs_fd, name, runs_fd, dir.id) < 0)
		rc = cs_err_sys(err, "rename %s", name);
	if (rc < 0) {
		/* What cannot be removed now is swept up by a later listing. */
		if (cs_remove_tree(runs_fd, name, &ignored) < 0)
			ignored.code = CS_OK;
		cs_run_dir_close(&dir);
		return cs_err_wrap(err, "a new run in %s", state_dir);
	}
	dir.path = cs_asprintf("%s/runs/%s", state_dir, dir.id);
	*out = dir;
	return 0;
}

static int lock_failed(const char *id, struct cs_err *err)
{
	if (errno == EWOULDBLOCK)
		return cs_err_set(err, CS_BUSY, "run %s is running", id);
	return cs_err_sys(err, "lock run %s", id);
}

int cs_run_dir_open(struct cs_run_dir *out, const char *state_dir, const char *id,
		    struct cs_err *err)
{
	struct cs_run_dir dir = CS_RUN_DIR_INIT;
	AUTO_FD int runs_fd = -1;
	struct stat st;
	int rc = 0;

	if (!cs_run_id_valid(id))
		return cs_err_set(err, CS_NOTFOUND, "run '%s': not an id", id);
	runs_fd = cs_runs_open(state_dir, err);
	if (runs_fd < 0)
		return runs_fd;
	dir.fd = cs_opendir_beneath(runs_fd, id);
	if (dir.fd < 0 && errno == ENOENT)
		return cs_err_set(err, CS_NOTFOUND, "run %s has no directory", id);
	if (dir.fd < 0)
		return cs_err_sys(err, "open directory of run %s", id);
	dir.lock_fd = cs_open_beneath(dir.fd, LOCK_FILE, O_RDWR, 0);
	if (dir.lock_fd < 0)
		rc = cs_err_sys(err, "open lock of run %s", id);
	else if (lock_patiently(dir.lock_fd) < 0)
		rc = lock_failed(id, err);
	else if (fstat(dir.lock_fd, &st) < 0 || st.st_nlink == 0)
		/* Somebody removed it between our open and our lock. */
		rc = cs_err_set(err, CS_NOTFOUND, "run %s has no directory", id);
	if (rc < 0) {
		cs_run_dir_close(&dir);
		return rc;
	}
	memcpy(dir.id, id, CS_RUN_ID_HEX);
	dir.path = cs_asprintf("%s/runs/%s", state_dir, id);
	*out = dir;
	return 0;
}

void cs_run_dir_close(struct cs_run_dir *dir)
{
	cs_close(&dir->fd);
	cs_close(&dir->lock_fd);
	free(cs_steal(&dir->path));
}

int cs_run_dir_remove(struct cs_run_dir *dir, struct cs_err *err)
{
	AUTO_FREE char *gone = cs_asprintf(GONE_PREFIX "%s", dir->id);
	AUTO_FD int runs_fd = openat(dir->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (runs_fd < 0)
		return cs_err_sys(err, "open the parent of %s", dir->path);
	cs_run_cgroup_remove(dir->fd, dir->id);
	if (renameat(runs_fd, dir->id, runs_fd, gone) < 0)
		return cs_err_sys(err, "rename %s", dir->path);
	cs_fault("run-directory-gone");
	rc = cs_remove_tree(runs_fd, gone, err);
	if (rc < 0)
		return cs_err_wrap(err, "remove run %s", dir->id);
	cs_run_dir_close(dir);
	return 0;
}

void cs_run_dir_sweep(int runs_fd, const char *name)
{
	static const char *const prefixes[] = { NEW_PREFIX, GONE_PREFIX };

	for (size_t i = 0; i < CS_COUNT(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], len) != 0 || !cs_run_id_valid(name + len))
			continue;
		/* A failure is met again by whoever lists next. */
		if (!cs_run_dir_alive(runs_fd, name) && cs_remove_tree(runs_fd, name, NULL) < 0)
			return;
	}
}

int cs_run_dir_save(const struct cs_run_dir *dir, const struct cs_run_info *info,
		    struct cs_err *err)
{
	AUTO_JSON cJSON *json = cs_run_info_to_json(info);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	cJSON *scratch = cJSON_CreateObject();

	cs_json_add_str(scratch, "pristine", info->pristine);
	cs_json_add_int(scratch, "uid", (int64_t)info->uid);
	cs_json_add_int(scratch, "gid", (int64_t)info->gid);
	cs_json_add(json, "scratch", scratch);
	cs_json_print(&text, json, true);
	cs_buf_addc(&text, '\n');
	return cs_write_file(dir->fd, CS_RUN_FILE, text.data, text.len, 0600, err);
}
