/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a run that is over to its record. Theory of operation:
 *
 *	1. capture	the layer becomes a tree (lib/capture); nothing refers to it yet
 *	2. change	one commit on the base, unless the tree is the base's
 *	3. log		findings and run.end; the head is final and synced
 *	4. record	files, statement, tree and commit; everything is synced
 *	5. reference	created by compare-and-swap: from here on the run is recorded
 *	6. notes	the signed statement, on the change and on its anchors
 *
 * Killed before 5, nothing in the repository refers to what was written (git's own gc takes it
 * away some day), the run's directory is whole, and all of it can be done again. Killed after 5,
 * the directory is left over, and whoever finds it does 6 and removes it.
 */
#include "record_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "countersign/worktree.h"

#define NS_PER_S     INT64_C(1000000000)
#define COPY_CHUNK   (1 << 16)
#define LOCK_STEP_MS 250
#define LOCK_WAIT_MS 12000

/* The files of a record: the first ones from the directory, the others made here. */
enum {
	FILE_EVENTS,
	FILE_POLICY,
	FILE_PROMPT,
	FILE_SESSION,
	FILE_COMMITS,
	FILE_RUN,
	FILE_STATEMENT, /* about those before it */
	FILE_ENVELOPE,
	N_FILES,
};
#define N_COPIED FILE_COMMITS

struct finish {
	const struct cs_finish_opts *opts;
	struct cs_run_info *info;
	bool again; /* an earlier attempt may have told the same findings already */
	struct cs_capture capture;
	struct cs_record_file files[N_FILES];
	struct cs_buf envelope;
};

/* ---- 1. capture ---- */

static bool is_told(const struct cs_findings *told, const struct cs_finding *found)
{
	for (size_t i = 0; i < told->n; i++) {
		const struct cs_finding *t = &told->list[i];

		if (!strcmp(t->kind, found->kind) && !strcmp(t->path, found->path) &&
		    !strcmp(t->detail, found->detail))
			return true;
	}
	return false;
}

/* Findings are told twice: in the log, and in the run's own object. */
static int tell_finding(struct finish *f, const struct cs_finding *found, struct cs_err *err)
{
	cJSON *event;

	if (f->again && is_told(&f->info->findings, found))
		return 0;
	event = cJSON_CreateObject();
	cs_json_add_bytes(event, "kind", found->kind, strlen(found->kind));
	cs_json_add_bytes(event, "path", found->path, strlen(found->path));
	cs_json_add_bytes(event, "detail", found->detail, strlen(found->detail));
	cs_finding_copy(&f->info->findings, found->kind, found->path, found->detail);
	return cs_log_add(f->opts->log, "finding", event, err);
}

static int tell_findings(struct finish *f, struct cs_err *err)
{
	const struct cs_findings *found = &f->capture.findings;

	for (size_t i = 0; i < found->n; i++) {
		int rc = tell_finding(f, &found->list[i], err);

		if (rc < 0)
			return rc;
	}
	f->info->findings.dropped += found->dropped;
	return 0;
}

/* What the run before found, and its agent's commits, are of this change as well. */
static int inherit(struct finish *f, struct cs_err *err)
{
	struct cs_findings found = CS_FINDINGS_INIT;
	int rc = 0;

	if (!*f->info->continues)
		return 0;
	rc = cs_run_inherit(&found, &f->capture, f->info, f->opts->sensitive, f->opts->repo,
			    err);
	for (size_t i = 0; rc == 0 && i < found.n; i++)
		if (!is_told(&f->info->findings, &found.list[i]))
			rc = tell_finding(f, &found.list[i], err);
	cs_findings_release(&found);
	return rc;
}

/* The log has said it when it was opened. */
static void tell_cut(struct finish *f)
{
	AUTO_FREE char *detail = cs_log_cut_detail(f->opts->log);

	if (detail)
		cs_finding_add(&f->info->findings, CS_LOG_CUT_KIND, "", "%s", detail);
}

/* As many as it is now: nothing but the end comes behind. */
static void tell_full(struct finish *f)
{
	AUTO_FREE char *detail = cs_log_full_detail(f->opts->log);

	if (detail)
		cs_finding_add(&f->info->findings, CS_LOG_FULL_KIND, "", "%s", detail);
}

/* False for a run that ended before its layer was made: there is nothing to capture. */
static bool has_layer(const struct finish *f, bool overlay)
{
	struct stat st;

	return f->info->pristine && f->info->worktree &&
	       fstatat(f->opts->dir->fd, overlay ? "upper" : "tree", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int capture(struct finish *f, struct cs_err *err)
{
	const struct cs_run_info *info = f->info;
	bool overlay = !info->worktree || strcmp(info->worktree, "checkout") != 0;
	AUTO_FREE char *layer =
		cs_asprintf("%s/%s", f->opts->dir->path, overlay ? "upper" : "tree");
	struct cs_capture_opts opts = {
		.repo = f->opts->repo,
		.commit = *cs_run_start_commit(info),
		.tree = *cs_run_visible_tree(info),
		.base_commit = info->base_commit,
		.base_tree = info->base_tree,
		.pristine = info->pristine,
		.layer = layer,
		.overlay = overlay,
		.uid = info->uid,
		.gid = info->gid,
		.sensitive = f->opts->sensitive,
		.user_excludes = f->opts->user_excludes,
		.progress = f->opts->progress,
		.progress_arg = f->opts->arg,
	};
	int rc;

	if (info->pristine)
		cs_worktree_stand_in(&opts.stand_in, info->pristine);
	tell_cut(f);
	if (!has_layer(f, overlay)) {
		f->capture.tree = *cs_run_start_tree(info);
		return inherit(f, err);
	}
	rc = cs_capture(&f->capture, &opts, err);
	if (rc == 0 && info->visible_tree.len)
		rc = cs_tree_unhide(&f->capture.tree, &f->capture.findings, f->opts->repo,
				    &info->visible_tree, cs_run_start_tree(info), err);
	if (rc == 0)
		rc = tell_findings(f, err);
	return rc < 0 ? rc : inherit(f, err);
}

/* ---- 2. change ---- */

static int measure(struct cs_run_info *info, const struct cs_repo *repo, struct cs_err *err)
{
	struct cs_change change = CS_CHANGE_INIT;
	int rc = cs_change_between(&change, repo, &info->base_tree, &info->change_tree, true, err);

	if (rc == 0)
		rc = cs_change_count_lines(&change, repo, err);
	if (rc == 0) {
		cs_change_digest(info->change_digest, &change);
		info->counts.files_changed = (int64_t)change.n;
		info->counts.lines_added = (int64_t)change.lines_added;
		info->counts.lines_deleted = (int64_t)change.lines_deleted;
	}
	cs_change_release(&change);
	return rc;
}

static int commit_change(struct finish *f, struct cs_err *err)
{
	struct cs_run_info *info = f->info;
	AUTO_BUF struct cs_buf message = CS_BUF_INIT;
	struct cs_new_commit commit = {
		.tree = f->capture.tree,
		.parents = &info->base_commit,
		.n_parents = 1,
		.author_name = info->author_name ? info->author_name : "agent",
		.author_email = info->author_email ? info->author_email : "agent@agent.invalid",
		.committer_name = info->operator_name,
		.committer_email = info->operator_email,
		.time = info->ended_ns / NS_PER_S,
	};
	int rc;

	info->change_commit.len = 0;
	info->change_tree.len = 0;
	if (cs_oid_equal(&f->capture.tree, &info->base_tree))
		return 0;
	cs_change_message(&message, info, f->capture.commits, f->capture.n_commits);
	commit.message = message.data;
	info->change_tree = f->capture.tree;
	rc = measure(info, f->opts->repo, err);
	if (rc < 0)
		return rc;
	return cs_repo_write_commit(&info->change_commit, f->opts->repo, &commit, err);
}

/* ---- 3. log ---- */

static int end_log(struct finish *f, struct cs_err *err)
{
	static const char *const parts[] = { "state", "exit", "duration_ms", "change" };
	AUTO_JSON cJSON *run = NULL;
	struct cs_run_info *info = f->info;
	cJSON *event = cJSON_CreateObject();
	int rc;

	tell_full(f);
	if (info->state == CS_RUN_RUNNING)
		info->state = info->change_commit.len ? CS_RUN_PROPOSED : CS_RUN_EMPTY;
	run = cs_run_info_to_json(info);
	for (size_t i = 0; i < CS_COUNT(parts); i++)
		cs_json_add(event, parts[i],
			    cJSON_DetachItemFromObjectCaseSensitive(run, parts[i]));
	rc = cs_log_add(f->opts->log, "run.end", event, err);
	if (rc == 0)
		rc = cs_log_sync(f->opts->log, err);
	cs_log_head(f->opts->log, &info->events, info->trace_head);
	return rc;
}

/* ---- 4. record ---- */

/* Copies a file of the run's directory, exactly size bytes of it. */
static int copy_file(struct cs_record_file *file, struct cs_blob_writer *w, int fd, uint64_t size,
		     struct cs_err *err)
{
	AUTO_FREE char *chunk = cs_malloc(COPY_CHUNK);
	uint8_t digest[CS_SHA256_LEN];
	struct cs_sha256 sha;
	int rc = cs_blob_writer_start(w, size, err);

	cs_sha256_init(&sha);
	while (rc == 0 && size) {
		ssize_t n = read(fd, chunk, size < COPY_CHUNK ? size : COPY_CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cs_err_sys(err, "read %s", file->name);
		if (n == 0)
			return cs_err_set(err, CS_CORRUPT, "%s became shorter", file->name);
		cs_sha256_add(&sha, chunk, (size_t)n);
		size -= (uint64_t)n;
		rc = cs_blob_writer_data(w, chunk, (size_t)n, err);
	}
	cs_sha256_end(&sha, digest);
	cs_hex(file->sha256, digest, sizeof(digest));
	return rc < 0 ? rc : cs_blob_writer_end(&file->oid, w, err);
}

/* Opens what there is of the files to copy (an empty one is none); how many, or a code. */
static int open_files(int fds[N_COPIED], const struct finish *f, struct cs_err *err)
{
	int n = 0;

	for (size_t i = 0; i < N_COPIED; i++) {
		struct stat st;

		fds[i] = cs_open_beneath(f->opts->dir->fd, f->files[i].name, O_RDONLY, 0);
		if (fds[i] < 0 && errno == ENOENT)
			continue;
		if (fds[i] < 0 || fstat(fds[i], &st) < 0)
			return cs_err_sys(err, "open %s", f->files[i].name);
		if (st.st_size == 0)
			cs_close(&fds[i]);
		n += fds[i] >= 0;
	}
	return n;
}

static int copy_opened(struct finish *f, struct cs_blob_writer *w, const int fds[N_COPIED],
		       struct cs_err *err)
{
	for (size_t i = 0; i < N_COPIED; i++) {
		struct stat st;
		int rc;

		if (fds[i] < 0)
			continue;
		if (fstat(fds[i], &st) < 0)
			return cs_err_sys(err, "stat %s", f->files[i].name);
		rc = copy_file(&f->files[i], w, fds[i], (uint64_t)st.st_size, err);
		if (rc < 0)
			return rc;
	}
	return cs_blob_writer_finish(w, err);
}

static int copy_files(struct finish *f, struct cs_err *err)
{
	int fds[N_COPIED] = { -1, -1, -1, -1 };
	struct cs_blob_writer *w = NULL;
	int rc = open_files(fds, f, err);

	if (rc > 0) {
		rc = cs_blob_writer_new(&w, f->opts->repo, (uint32_t)rc, err);
		if (rc == 0)
			rc = copy_opened(f, w, fds, err);
	}
	cs_blob_writer_free(w);
	for (size_t i = 0; i < N_COPIED; i++)
		cs_close(&fds[i]);
	return rc;
}

static int write_text(struct cs_record_file *file, struct cs_repo *repo, const struct cs_buf *text,
		      struct cs_err *err)
{
	uint8_t digest[CS_SHA256_LEN];

	cs_sha256(digest, text->data, text->len);
	cs_hex(file->sha256, digest, sizeof(digest));
	return cs_repo_write(&file->oid, repo, CS_OBJ_BLOB, text->data, text->len, err);
}

/* The agent's own commits: JSON Lines, oldest first. */
static int write_commits(struct finish *f, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	for (size_t i = 0; i < f->capture.n_commits; i++) {
		const struct cs_agent_commit *c = &f->capture.commits[i];
		AUTO_JSON cJSON *line = cJSON_CreateObject();

		cs_json_add_str(line, "commit", c->oid);
		cs_json_add_bytes(line, "message", c->message, strlen(c->message));
		cs_json_print(&text, line, false);
		cs_buf_addc(&text, '\n');
	}
	if (!text.len)
		return 0;
	return write_text(&f->files[FILE_COMMITS], f->opts->repo, &text, err);
}

/* Takes json. */
static void print_json(struct cs_buf *out, cJSON *json)
{
	cs_json_print(out, json, true);
	cs_buf_addc(out, '\n');
	cJSON_Delete(json);
}

static int write_statement(struct finish *f, struct cs_err *err)
{
	AUTO_BUF struct cs_buf run = CS_BUF_INIT;
	AUTO_BUF struct cs_buf statement = CS_BUF_INIT;
	int rc;

	print_json(&run, cs_run_info_to_json(f->info));
	rc = write_text(&f->files[FILE_RUN], f->opts->repo, &run, err);
	if (rc < 0)
		return rc;
	print_json(&statement, cs_statement(f->info, f->files, FILE_STATEMENT));
	cs_provenance_sign(&f->envelope, &statement, f->opts);
	rc = write_text(&f->files[FILE_STATEMENT], f->opts->repo, &statement, err);
	if (rc == 0 && f->envelope.len)
		rc = write_text(&f->files[FILE_ENVELOPE], f->opts->repo, &f->envelope, err);
	return rc;
}

static int write_tree(struct cs_oid *out, struct finish *f, struct cs_err *err)
{
	struct cs_tree_update updates[N_FILES];
	const struct cs_oid empty = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < N_FILES; i++) {
		const struct cs_record_file *file = &f->files[i];

		if (file->oid.len)
			updates[n++] =
				(struct cs_tree_update){ file->name, CS_MODE_FILE, file->oid };
	}
	return cs_repo_update_tree(out, f->opts->repo, &empty, updates, n, err);
}

/* The listing reads the start time from here, without opening run.json. */
static void record_message(struct cs_buf *out, const struct cs_run_info *info)
{
	char started[CS_TIME_LEN];

	cs_title_clean(out, info->title ? info->title : "");
	if (!out->len)
		cs_buf_addf(out, "Run %s", info->id);
	cs_buf_addf(out, "\n\nAgent-Run: %s\n" CS_STARTED "%s\n", info->id,
		    cs_time_format(started, info->started_ns));
}

static int commit_record(struct cs_oid *out, struct finish *f, struct cs_err *err)
{
	const struct cs_run_info *info = f->info;
	bool changed = info->change_commit.len > 0;
	AUTO_BUF struct cs_buf message = CS_BUF_INIT;
	struct cs_new_commit commit = {
		.parents = changed ? &info->change_commit : &info->base_commit,
		.n_parents = 1,
		.author_name = info->operator_name,
		.author_email = info->operator_email,
		.committer_name = info->operator_name,
		.committer_email = info->operator_email,
		.time = info->ended_ns / NS_PER_S,
	};
	int rc = copy_files(f, err);

	cs_fault("record-files");
	if (rc == 0)
		rc = write_commits(f, err);
	if (rc == 0)
		rc = write_statement(f, err);
	if (rc == 0)
		rc = write_tree(&commit.tree, f, err);
	cs_fault("record-tree");
	if (rc < 0)
		return rc;
	record_message(&message, info);
	commit.message = message.data;
	rc = cs_repo_write_commit(out, f->opts->repo, &commit, err);
	return rc < 0 ? rc : cs_repo_sync(f->opts->repo, err);
}

/* ---- 5. reference ---- */

/*
 * Only the holder of the run's lock writes this reference, and that is us: another lock on it is a
 * dead git's, or one's that dies now. It is given its time.
 */
static int set_ref(struct cs_repo *repo, const char *id, const struct cs_oid *record,
		   struct cs_err *err)
{
	const struct timespec moment = { .tv_nsec = LOCK_STEP_MS * 1000000L };
	const struct cs_oid none = { 0 };
	AUTO_FREE char *name = cs_run_ref(id);
	const struct cs_ref_update update = { .name = name, .new_oid = record, .old_oid = &none };
	int rc = cs_repo_update_refs(repo, &update, 1, err);

	for (int ms = 0; rc == CS_BUSY && ms < LOCK_WAIT_MS; ms += LOCK_STEP_MS) {
		if (!cs_repo_break_lock(repo, name))
			nanosleep(&moment, NULL);
		rc = cs_repo_update_refs(repo, &update, 1, err);
	}
	return rc;
}

/* ---- 6. notes, and hints ---- */

/* Without them the run is recorded all the same. */
static void tell_others(const struct finish *f)
{
	const struct cs_run_info *info = f->info;
	struct cs_err err = CS_ERR_INIT;

	if (!info->change_commit.len)
		return;
	if (f->envelope.len && cs_provenance_attach(f->opts->repo, info, &f->envelope, &err) < 0 &&
	    f->opts->warn)
		f->opts->warn(f->opts->arg, err.msg);
	(void)!cs_made_add(f->opts->repo, info->id, &info->base_tree, &info->change_commit,
			   &info->change_tree, NULL);
}

/* ---- all of it ---- */

/* What every commit needs, for a run whose supervisor had no time to say it. */
static int complete(struct cs_run_info *info, const struct cs_finish_opts *opts, struct cs_err *err)
{
	struct stat st;

	/* The directory belongs to whom the agent ran as: nobody reads its layer as root. */
	if (info->uid == (uid_t)-1 || info->gid == (gid_t)-1) {
		if (fstat(opts->dir->fd, &st) < 0)
			return cs_err_sys(err, "stat %s", opts->dir->path);
		info->uid = st.st_uid;
		info->gid = st.st_gid;
	}
	if (!info->ended_ns)
		info->ended_ns = cs_wall_ns();
	if (!info->started_ns)
		info->started_ns = info->ended_ns;
	if (info->operator_name && info->operator_email)
		return 0;
	free(cs_steal(&info->operator_name));
	free(cs_steal(&info->operator_email));
	return cs_repo_identity(&info->operator_name, &info->operator_email, opts->repo, err);
}

int cs_run_finish_again(struct cs_run_info *info, const struct cs_finish_opts *opts, bool again,
			struct cs_err *err)
{
	struct finish f = {
		.opts = opts,
		.info = info,
		.again = again,
		.capture = CS_CAPTURE_INIT,
		.files = { [FILE_EVENTS] = { .name = CS_LOG_FILE },
			   [FILE_POLICY] = { .name = "policy" },
			   [FILE_PROMPT] = { .name = "prompt" },
			   [FILE_SESSION] = { .name = "session" },
			   [FILE_COMMITS] = { .name = "commits" },
			   [FILE_RUN] = { .name = CS_RUN_FILE },
			   [FILE_STATEMENT] = { .name = CS_STATEMENT_FILE },
			   [FILE_ENVELOPE] = { .name = CS_ENVELOPE_FILE } },
		.envelope = CS_BUF_INIT,
	};
	struct cs_oid record;
	int rc = complete(info, opts, err);

	if (rc == 0)
		rc = capture(&f, err);
	if (rc == 0)
		rc = commit_change(&f, err);
	cs_fault("change-committed");
	if (rc == 0)
		rc = end_log(&f, err);
	cs_fault("log-ended");
	if (rc == 0)
		rc = commit_record(&record, &f, err);
	cs_fault("record-synced");
	if (rc == 0)
		rc = set_ref(opts->repo, info->id, &record, err);
	cs_fault("reference-set");
	if (rc == 0)
		tell_others(&f);
	cs_fault("notes-written");
	cs_buf_release(&f.envelope);
	cs_capture_release(&f.capture);
	return rc < 0 ? cs_err_wrap(err, "record run %s", info->id) : 0;
}

int cs_run_finish(struct cs_run_info *info, const struct cs_finish_opts *opts, struct cs_err *err)
{
	return cs_run_finish_again(info, opts, false, err);
}
