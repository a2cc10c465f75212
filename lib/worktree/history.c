/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A base without a past: an object store of its own, beside the pristine, with one commit whose
 * tree is the base. A run that may not see the history gets this store instead of the host's, and
 * then no object of the repository beside those of the base tree can be reached from inside.
 *
 *	<key>/history/HEAD	the commit's id
 *	<key>/history/objects	mounted read-only inside
 */
#include "internal.h"

#include <fcntl.h>

#define STORE "history"

static const struct cs_wt_owner ours; /* gives nothing away */

/* The commit that stands for the base. It has no author: nobody wrote it. */
static void format_commit(struct cs_buf *out, const struct cs_oid *tree, int64_t time)
{
	static const char nobody[] = "git-agent-run <agent-run@localhost>";
	char hex[CS_OID_HEX];

	cs_buf_addf(out, "tree %s\n", cs_oid_hex(hex, tree));
	cs_buf_addf(out, "author %s %lld +0000\n", nobody, (long long)time);
	cs_buf_addf(out, "committer %s %lld +0000\n", nobody, (long long)time);
	cs_buf_adds(out, "\nBase of this run, without its history\n");
}

static int write_commit(struct cs_oid *out, const char *git_dir, const struct cs_wt_job *job,
			struct cs_err *err)
{
	static const char *const args[] = { "hash-object", "-t", "commit", "-w", "--stdin", NULL };
	const struct cs_worktree_opts *opts = job->opts;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf id = CS_BUF_INIT;
	struct cs_git_call call = { .git_dir = git_dir, .args = args };
	struct cs_commit base = { 0 };
	int rc = cs_repo_read_commit(&base, opts->repo, &opts->commit, err);

	if (rc < 0)
		return rc;
	format_commit(&text, &opts->tree, base.time < 0 ? 0 : base.time);
	cs_commit_release(&base);
	call.input = text.data;
	call.input_len = text.len;
	rc = cs_git(&id, &call, err);
	if (rc < 0)
		return rc;
	cs_buf_truncate(&id, strcspn(id.data, "\n"));
	if (cs_oid_parse(out, id.data) < 0)
		return cs_err_set(err, CS_CORRUPT, "git hash-object: no object id");
	return 0;
}

/* Everything that the commit reaches, copied out of the host's objects into one pack. */
static int write_pack(const struct cs_oid *commit, const char *git_dir, const struct cs_wt_job *job,
		      struct cs_err *err)
{
	AUTO_FREE char *base_name = cs_asprintf("%s/objects/pack/pack", git_dir);
	const char *args[] = { "pack-objects", "-q", "--revs", "--window=0", base_name, NULL };
	struct cs_git_call call = { .git_dir = git_dir, .args = args };
	char revs[CS_OID_HEX + 1];
	int rc;

	cs_oid_hex(revs, commit);
	strcat(revs, "\n");
	call.input = revs;
	call.input_len = strlen(revs);
	rc = cs_git(NULL, &call, err);
	return rc < 0 ? cs_wt_explain_missing(git_dir, job, err) : 0;
}

static int fill(int tmp_fd, const char *tmp, const struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_FREE char *git_dir = cs_asprintf("%s/%s", job->dir, tmp);
	struct cs_oid commit = { 0 };
	char hex[CS_OID_HEX];
	int rc = write_commit(&commit, git_dir, job, err);

	if (rc == 0)
		rc = write_pack(&commit, git_dir, job, err);
	if (rc < 0)
		return rc;
	if (unlinkat(tmp_fd, "objects/info/alternates", 0) < 0 || unlinkat(tmp_fd, "HEAD", 0) < 0)
		return cs_err_sys(err, "cut the store off");
	cs_oid_hex(hex, &commit);
	rc = cs_wt_put(tmp_fd, "HEAD", hex, strlen(hex), &ours, err);
	if (rc == 0)
		rc = cs_wt_give_tree(job->dir_fd, tmp, &job->owner, err);
	return rc;
}

static int make(const struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_FREE char *tmp = cs_wt_temp_name(STORE CS_WT_NEW);
	AUTO_FD int tmp_fd = -1;
	int rc;

	cs_wt_remove_leftovers(job->dir_fd, STORE CS_WT_NEW);
	rc = cs_wt_trusted_make(job->dir_fd, tmp, cs_repo_object_dirs(job->opts->repo),
				&job->sparse, err);
	if (rc == 0)
		rc = cs_wt_opendir(&tmp_fd, job->dir_fd, tmp, err);
	if (rc == 0)
		rc = fill(tmp_fd, tmp, job, err);
	if (rc == 0)
		rc = cs_wt_publish(job->dir_fd, tmp, STORE, tmp_fd, err);
	if (rc < 0)
		(void)!cs_remove_tree(job->dir_fd, tmp, NULL);
	return rc;
}

/* 1, 0 where there is none yet, or a failure. */
static int read_head(struct cs_oid *head, const struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc = cs_wt_read(&text, job->dir_fd, STORE "/HEAD", CS_OID_HEX, err);

	if (rc <= 0)
		return rc;
	if (cs_oid_parse(head, text.data) < 0)
		return cs_err_set(err, CS_CORRUPT, "%s/" STORE " is damaged: remove it", job->dir);
	return 1;
}

void cs_worktree_stand_in(struct cs_oid *out, const char *lower)
{
	AUTO_FREE char *path = cs_asprintf("%s/../" STORE "/HEAD", lower);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	*out = (struct cs_oid){ 0 };
	if (cs_wt_read(&text, AT_FDCWD, path, CS_OID_HEX, NULL) > 0 &&
	    cs_oid_parse(out, text.data) < 0)
		*out = (struct cs_oid){ 0 };
}

int cs_wt_history(char **objects, struct cs_oid *head, struct cs_wt_job *job, struct cs_err *err)
{
	int lock_fd = -1;
	int rc = read_head(head, job, err);

	if (rc == 0) {
		rc = cs_wt_lock(&lock_fd, job, err);
		if (rc == 0)
			rc = read_head(head, job, err);
		if (rc == 0)
			rc = make(job, err);
		cs_wt_unlock(&lock_fd, job);
		if (rc == 0)
			rc = read_head(head, job, err);
	}
	if (rc < 0)
		return cs_err_wrap(err, "base without history");
	*objects = cs_asprintf("%s/" STORE "/objects", job->dir);
	return 0;
}
