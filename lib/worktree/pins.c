/* SPDX-License-Identifier: Apache-2.0 */
/* What a run keeps alive: its file `base`, and the reference that pins its commit. */
#include "pins.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

int cs_wt_pins_lock(int *lock_fd, int base_fd, int operation, struct cs_err *err)
{
	AUTO_FD int fd =
		openat(base_fd, CS_WT_PINS, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	struct stat st;
	int rc;

	if (fd < 0)
		return cs_err_sys(err, "create " CS_WT_PINS);
	/* Made by root, it still belongs to whoever owns the directory. */
	if (geteuid() == 0 && (fstat(base_fd, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0))
		return cs_err_sys(err, "give " CS_WT_PINS);
	do {
		rc = flock(fd, operation);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return cs_err_sys(err, "lock " CS_WT_PINS);
	*lock_fd = cs_steal_fd(&fd);
	return 0;
}

int cs_wt_use_write(const struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FD int lock_fd = -1;
	char hex[CS_OID_HEX];
	int rc = cs_wt_pins_lock(&lock_fd, job->base_fd, LOCK_SH, err);

	if (rc < 0)
		return rc;
	cs_buf_addf(&text, "commit %s\nkey %s\n", cs_oid_hex(hex, &job->opts->commit), job->key);
	return cs_write_file(job->run_fd, CS_WT_USE, text.data, text.len, 0600, err);
}

int cs_wt_use_parse(char **commit, char **key, const char *text, struct cs_err *err)
{
	static const char first[] = "commit ", second[] = "\nkey ";
	const char *middle = strstr(text, second);

	if (strncmp(text, first, strlen(first)) != 0 || !middle)
		return cs_err_set(err, CS_CORRUPT, "does not name a base");
	text += strlen(first);
	*commit = cs_strndup(text, (size_t)(middle - text));
	middle += strlen(second);
	*key = cs_strndup(middle, strcspn(middle, "\n"));
	return 0;
}

int cs_wt_pin(const struct cs_wt_job *job, struct cs_err *err)
{
	char hex[CS_OID_HEX];
	AUTO_FREE char *name = cs_asprintf(CS_WT_PIN "%s", cs_oid_hex(hex, &job->opts->commit));
	struct cs_ref_update update = { .name = name, .new_oid = &job->opts->commit };
	struct cs_err local = CS_ERR_INIT;
	struct cs_oid there;
	int rc = cs_repo_read_ref(&there, job->opts->repo, name, &local);

	if (rc == 0 && cs_oid_equal(&there, &job->opts->commit))
		return 0;
	if (rc < 0 && rc != CS_NOTFOUND)
		return cs_err_set(err, rc, "pin the base: %s", local.msg);
	/* No old value is compared: whoever else writes it writes the same. */
	rc = cs_repo_update_refs(job->opts->repo, &update, 1, err);
	return rc < 0 ? cs_err_wrap(err, "pin the base") : 0;
}
