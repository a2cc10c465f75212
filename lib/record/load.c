/* SPDX-License-Identifier: Apache-2.0 */
/* One run: what is known of it, its files, and taking it away. */
#include "countersign/record.h"

#include <errno.h>
#include <fcntl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "record_dir.h"

#define MAX_RUN_JSON  (16u << 20)
#define MAX_FILE      CS_LOG_MAX
#define MAX_IN_MEMORY (8u << 20) /* larger ones come through a pipe */

char *cs_run_ref(const char *id)
{
	return cs_asprintf(CS_RECORDS "%.2s/%s", id, id);
}

int cs_run_record(struct cs_oid *record, const struct cs_repo *repo, const char *id,
		  struct cs_err *err)
{
	AUTO_FREE char *ref = cs_run_ref(id);
	struct cs_err why = CS_ERR_INIT;
	int rc = cs_repo_read_ref(record, repo, ref, &why);

	if (rc == 0)
		return 1;
	return rc == CS_NOTFOUND ? 0 : cs_err_set(err, rc, "run %s: %s", id, why.msg);
}

static int read_record(struct cs_buf *out, const struct cs_repo *repo, const struct cs_oid *record,
		       const char *file, uint64_t max, struct cs_err *err)
{
	struct cs_commit commit = { 0 };
	struct cs_oid oid;
	uint32_t mode;
	int rc = cs_repo_read_commit(&commit, repo, record, err);

	if (rc < 0)
		return rc;
	rc = cs_repo_tree_lookup(&mode, &oid, repo, &commit.tree, file, err);
	cs_commit_release(&commit);
	return rc < 0 ? rc : cs_repo_read(out, repo, &oid, CS_OBJ_BLOB, max, err);
}

static int read_dir(struct cs_buf *out, int runs_fd, const char *id, const char *file, size_t max,
		    struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", id, file);
	AUTO_FD int fd = cs_open_beneath(runs_fd, path, O_RDONLY | O_NONBLOCK, 0);

	if (fd < 0 && errno == ENOENT)
		return cs_err_set(err, CS_NOTFOUND, "run %s has no %s", id, file);
	return fd < 0 ? cs_err_sys(err, "open %s", path) : cs_read_fd(out, fd, max, err);
}

int cs_run_read(struct cs_buf *out, const struct cs_repo *repo, const char *state_dir,
		const char *id, const char *file, struct cs_err *err)
{
	AUTO_FD int runs_fd = -1;
	struct cs_oid record;
	int rc = cs_run_record(&record, repo, id, err);

	if (rc < 0)
		return rc;
	if (rc == 1)
		return read_record(out, repo, &record, file, MAX_FILE, err);
	runs_fd = cs_runs_open(state_dir, err);
	if (runs_fd < 0)
		return runs_fd;
	return read_dir(out, runs_fd, id, file, MAX_FILE, err);
}

/* ---- the same, as a descriptor ---- */

/* A file without a name, for a copy: where temporary files are kept, else in memory. */
static int open_temporary(struct cs_err *err)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && *dir == '/' ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = memfd_create("countersign-copy", MFD_CLOEXEC);
	return fd < 0 ? cs_err_sys(err, "make a temporary file") : fd;
}

static int find_file(struct cs_oid *oid, const struct cs_repo *repo, const struct cs_oid *record,
		     const char *file, struct cs_err *err)
{
	struct cs_commit commit = { 0 };
	uint32_t mode;
	int rc = cs_repo_read_commit(&commit, repo, record, err);

	if (rc < 0)
		return rc;
	rc = cs_repo_tree_lookup(&mode, oid, repo, &commit.tree, file, err);
	cs_commit_release(&commit);
	return rc;
}

/* Small ones need no process of git's. */
static int copy_file(int fd, const struct cs_repo *repo, const struct cs_oid *oid,
		     struct cs_err *err)
{
	AUTO_BUF struct cs_buf small = CS_BUF_INIT;
	enum cs_object_type type = CS_OBJ_NONE;
	uint64_t size = 0;
	int rc = cs_repo_object_info(&type, &size, repo, oid, err);

	if (rc < 0)
		return rc;
	if (type == CS_OBJ_BLOB && size > MAX_IN_MEMORY)
		return cs_repo_copy_blob(fd, repo, oid, err);
	rc = cs_repo_read(&small, repo, oid, CS_OBJ_BLOB, MAX_IN_MEMORY, err);
	if (rc == 0 && cs_write_all(fd, small.data, small.len) < 0)
		rc = cs_err_sys(err, "write a temporary file");
	return rc;
}

static int open_in_dir(int *fd, const char *state_dir, const char *id, const char *file,
		       struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", id, file);
	AUTO_FD int runs_fd = cs_runs_open(state_dir, err);

	if (runs_fd < 0)
		return runs_fd;
	*fd = cs_open_beneath(runs_fd, path, O_RDONLY | O_NONBLOCK, 0);
	if (*fd < 0 && errno == ENOENT)
		return cs_err_set(err, CS_NOTFOUND, "run %s has no %s", id, file);
	return *fd < 0 ? cs_err_sys(err, "open %s", path) : 0;
}

int cs_run_open(int *fd, const struct cs_repo *repo, const char *state_dir, const char *id,
		const char *file, struct cs_err *err)
{
	AUTO_FD int copy_fd = -1;
	struct cs_oid record, oid;
	int rc = cs_run_record(&record, repo, id, err);

	if (rc == 0)
		return open_in_dir(fd, state_dir, id, file, err);
	if (rc == 1)
		rc = find_file(&oid, repo, &record, file, err);
	if (rc < 0)
		return rc;
	copy_fd = open_temporary(err);
	if (copy_fd < 0)
		return copy_fd;
	rc = copy_file(copy_fd, repo, &oid, err);
	if (rc == 0 && lseek(copy_fd, 0, SEEK_SET) < 0)
		rc = cs_err_sys(err, "seek");
	if (rc == 0)
		*fd = cs_steal_fd(&copy_fd);
	return rc;
}

/* ---- run.json ---- */

static int parse_info(struct cs_run_info *out, const char *id, const struct cs_buf *text,
		      struct cs_err *err)
{
	AUTO_JSON cJSON *json = NULL;
	int rc = cs_json_parse(&json, text->data, text->len, err);

	if (rc == 0)
		rc = cs_run_info_from_json(out, json, err);
	if (rc == 0 && strcmp(out->id, id) != 0)
		rc = cs_err_set(err, CS_CORRUPT, "it is that of another run");
	return rc < 0 ? cs_err_wrap(err, CS_RUN_FILE) : 0;
}

int cs_run_dir_load(struct cs_run_info *out, int runs_fd, const char *id, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err why = CS_ERR_INIT;
	bool alive = cs_run_dir_alive(runs_fd, id);
	int rc = read_dir(&text, runs_fd, id, CS_RUN_FILE, MAX_RUN_JSON, &why);

	if (rc == 0)
		rc = parse_info(out, id, &text, &why);
	if (rc == CS_NOTFOUND || rc == CS_CORRUPT) {
		/* Killed before it was written, or lost with a power cut. */
		cs_run_info_release(out);
		memcpy(out->id, id, CS_RUN_ID_HEX);
		out->state = CS_RUN_RUNNING;
	} else if (rc < 0) {
		return cs_err_set(err, rc, "run %s: %s", id, why.msg);
	}
	if (!alive && out->state == CS_RUN_RUNNING)
		out->state = CS_RUN_INTERRUPTED;
	return 0;
}

static int load_record(struct cs_run_info *out, const struct cs_repo *repo,
		       const struct cs_oid *record, const char *id, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc = read_record(&text, repo, record, CS_RUN_FILE, MAX_RUN_JSON, err);

	if (rc == 0)
		rc = parse_info(out, id, &text, err);
	return rc < 0 ? cs_err_wrap(err, "run %s", id) : 0;
}

int cs_run_load(struct cs_run_info *out, const struct cs_repo *repo, const char *state_dir,
		const char *id, struct cs_err *err)
{
	/* Without it there is no directory either: fstatat says so. */
	AUTO_FD int runs_fd = cs_runs_open(state_dir, NULL);
	struct cs_oid record;
	struct stat st;

	/* Twice: a run may get its record, and lose its directory, between our two looks. */
	for (int i = 0; i < 2; i++) {
		int rc = cs_run_record(&record, repo, id, err);

		if (rc < 0)
			return rc;
		if (rc == 1)
			return load_record(out, repo, &record, id, err);
		if (fstatat(runs_fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return cs_run_dir_load(out, runs_fd, id, err);
	}
	return cs_err_set(err, CS_NOTFOUND, "no run %s", id);
}

/* ---- removing ---- */

static int remove_record(struct cs_repo *repo, const char *id, const struct cs_oid *record,
			 struct cs_err *err)
{
	AUTO_FREE char *ref = cs_run_ref(id);
	const struct cs_ref_update update = { .name = ref, .old_oid = record };

	return cs_repo_update_refs(repo, &update, 1, err);
}

static int remove_sessions(const char *state_dir, const char *id, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/" CS_RUN_SESSIONS, state_dir);
	AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : cs_err_sys(err, "open %s", path);
	return cs_remove_tree(fd, id, err);
}

int cs_run_remove(struct cs_repo *repo, const char *state_dir, const char *id, struct cs_err *err)
{
	struct cs_run_dir dir = CS_RUN_DIR_INIT;
	struct cs_err why = CS_ERR_INIT;
	struct cs_oid record;
	int has_dir = cs_run_dir_open(&dir, state_dir, id, &why);
	int rc;

	if (has_dir < 0 && has_dir != CS_NOTFOUND)
		return cs_err_set(err, has_dir, "%s", why.msg);
	rc = cs_run_record(&record, repo, id, err);
	if (rc == 1)
		rc = remove_record(repo, id, &record, err);
	else if (rc == 0 && has_dir < 0)
		rc = cs_err_set(err, CS_NOTFOUND, "no run %s", id);
	if (rc == 0 && has_dir == 0)
		rc = cs_run_dir_remove(&dir, err);
	if (rc == 0)
		rc = remove_sessions(state_dir, id, err);
	cs_run_dir_close(&dir);
	return rc;
}
