/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Submodules in a pristine: for each, the files of the commit that its gitlink names, as raw as the
 * base's, at its path in tree/, by a trusted git directory that reads its objects. No .git is put
 * there: git inside takes such a submodule for one that is not initialised, so unchanged, and does
 * not look below it.
 *
 *	<key>/modules/list		a record for each that was tried
 *	<key>/modules/<number>.index	of the files of one, as tree/.git/index is of the base's
 *
 * A record is five strings, each with its NUL: number, path, commit, object, reason. No reason: the
 * files are there. An object: that was missing; a run that finds it there tries again, under another
 * key.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include "countersign/change.h"

#define LIST	 CS_WT_MODULES "/list"
#define LIST_MAX (16 << 20)

/* What came of one module. */
struct outcome {
	struct cs_buf why, missing;
};

struct populating {
	const struct cs_wt_job *job;
	int dir_fd, lock_fd;
	const char *dir;
	struct outcome *outcomes; /* as many as job->modules */
};

char *cs_wt_module_index(size_t i)
{
	return cs_asprintf(CS_WT_MODULES "/%zu.index", i);
}

/* ---- one of them ---- */

static int remove_tools(const struct populating *p, struct cs_err *err)
{
	if (unlinkat(p->dir_fd, "index", 0) < 0 && errno != ENOENT)
		return cs_err_sys(err, "remove index");
	return cs_remove_tree(p->dir_fd, "git", err);
}

/* The tree without what the policy hides, which is written to the trusted git directory. */
static int leave_out_hidden(struct cs_oid *tree, const struct populating *p,
			    const struct cs_wt_module *m, struct cs_err *err)
{
	const struct cs_strv *hide = p->job->opts->hide;
	AUTO_FREE char *git_dir = cs_asprintf("%s/git", p->dir);
	AUTO_FREE char *prefix = cs_asprintf("%s/", m->path);
	AUTO_REPO struct cs_repo *repo = NULL;
	size_t hidden;
	int rc;

	*tree = m->tree;
	if (!hide || !hide->n)
		return 0;
	rc = cs_repo_open(&repo, p->dir, git_dir, err);
	return rc < 0 ? rc : cs_tree_hide(tree, &hidden, repo, &m->tree, prefix, hide, err);
}

/* The base's files have one; 0 where that cannot be seen. */
static int64_t time_of_base(int dir_fd)
{
	struct stat st;

	return fstatat(dir_fd, "tree/.gitmodules", &st, AT_SYMLINK_NOFOLLOW) < 0
		       ? 0
		       : (int64_t)st.st_mtim.tv_sec;
}

static int check_out(const struct populating *p, size_t i, int tree_fd, const char *work_tree,
		     struct cs_err *err)
{
	static const struct cs_wt_sparse all = { .patterns = CS_BUF_INIT };
	const struct cs_wt_module *m = &p->job->modules.list[i];
	AUTO_FREE char *index = cs_wt_module_index(i);
	struct cs_oid tree;
	int rc = cs_wt_trusted_make(p->dir_fd, "git", &m->objects, &all, err);

	if (rc == 0)
		rc = leave_out_hidden(&tree, p, m, err);
	if (rc == 0)
		rc = cs_wt_read_tree(p->dir, work_tree, &tree, p->job->opts, p->lock_fd, err);
	if (rc == 0)
		rc = cs_wt_settle(tree_fd, p->dir_fd, "index", p->dir_fd, index,
				  time_of_base(p->dir_fd), p->job, err);
	return rc;
}

/*
 * A submodule that cannot be checked out, by no fault of this machine, is left empty. The rest is
 * as bad as it would be for the base.
 */
static int explain(const struct populating *p, size_t i, int rc, struct cs_err *err)
{
	const struct cs_wt_module *m = &p->job->modules.list[i];
	AUTO_FREE char *git_dir = cs_asprintf("%s/git", p->dir);
	struct outcome *o = &p->outcomes[i];
	char first[CS_OID_HEX] = "";
	size_t missing = cs_wt_count_missing(first, git_dir, &m->tree);

	if (missing) {
		cs_buf_addf(&o->why, "%zu of its objects are missing (%s)", missing, first);
		cs_buf_adds(&o->missing, first);
		return 0;
	}
	if (rc == CS_REFUSED) {
		cs_buf_addf(&o->why, "git refuses its tree: %s", err->msg);
		return 0;
	}
	return cs_err_wrap(err, "submodule %s (worktree.submodules = no leaves them out)", m->path);
}

static int empty_again(const struct populating *p, const char *place, struct cs_err *err)
{
	int rc = cs_remove_tree(p->dir_fd, place, err);

	return rc < 0 ? rc : cs_wt_mkdir(p->dir_fd, place, 0777, &p->job->owner, err);
}

static int populate_one(const struct populating *p, size_t i, struct cs_err *err)
{
	const struct cs_wt_module *m = &p->job->modules.list[i];
	AUTO_FREE char *place = cs_asprintf("tree/%s", m->path);
	AUTO_FREE char *work_tree = cs_asprintf("%s/%s", p->dir, place);
	AUTO_FD int tree_fd = cs_opendir_beneath(p->dir_fd, place);
	struct outcome *o = &p->outcomes[i];
	struct cs_err local = CS_ERR_INIT;
	int rc;

	if (m->around != CS_WT_NO_MODULE && p->outcomes[m->around].why.len) {
		cs_buf_adds(&o->why, "the submodule that it lies in is empty");
		return 0;
	}
	if (tree_fd < 0 && errno == ENOENT) {
		cs_buf_adds(&o->why, "it is not in the sparse checkout");
		return 0;
	}
	if (tree_fd < 0)
		return cs_err_sys(err, "submodule %s", m->path);
	rc = check_out(p, i, tree_fd, work_tree, &local);
	if (rc < 0) {
		rc = explain(p, i, rc, &local);
		if (rc == 0)
			rc = empty_again(p, place, &local);
	}
	if (rc == 0)
		rc = remove_tools(p, &local);
	return rc < 0 ? cs_err_set(err, rc, "%s", local.msg) : 0;
}

/* ---- all of them ---- */

static void add_string(struct cs_buf *out, const char *s)
{
	cs_buf_add(out, s, strlen(s) + 1);
}

static void add_record(struct cs_buf *out, const struct populating *p, size_t i)
{
	const struct cs_wt_module *m = &p->job->modules.list[i];
	AUTO_FREE char *number = cs_asprintf("%zu", i);
	char hex[CS_OID_HEX];

	add_string(out, number);
	add_string(out, m->path);
	add_string(out, cs_oid_hex(hex, &m->commit));
	add_string(out, p->outcomes[i].missing.data);
	add_string(out, p->outcomes[i].why.data);
}

static int populate_all(const struct populating *p, struct cs_err *err)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->job->modules.n; i++) {
		if (p->job->modules.list[i].why) {
			cs_buf_adds(&p->outcomes[i].why, p->job->modules.list[i].why);
			continue;
		}
		if (!list.len)
			rc = cs_wt_mkdir(p->dir_fd, CS_WT_MODULES, 0777, &p->job->owner, err);
		if (rc == 0)
			rc = populate_one(p, i, err);
		add_record(&list, p, i);
	}
	if (rc == 0 && list.len)
		rc = cs_wt_put(p->dir_fd, LIST, list.data, list.len, &p->job->owner, err);
	return rc;
}

int cs_wt_populate(int dir_fd, const char *dir, const struct cs_wt_job *job, int lock_fd,
		   struct cs_err *err)
{
	const size_t n = job->modules.n;
	struct populating p = {
		.job = job,
		.dir_fd = dir_fd,
		.lock_fd = lock_fd,
		.dir = dir,
		.outcomes = cs_calloc(n ? n : 1, sizeof(*p.outcomes)),
	};
	int rc;

	for (size_t i = 0; i < n; i++)
		p.outcomes[i] = (struct outcome){ CS_BUF_INIT, CS_BUF_INIT };
	rc = populate_all(&p, err);
	for (size_t i = 0; i < n; i++) {
		cs_buf_release(&p.outcomes[i].why);
		cs_buf_release(&p.outcomes[i].missing);
	}
	free(p.outcomes);
	return rc;
}

/* ---- reading the list ---- */

struct record {
	size_t number;
	const char *path, *commit, *missing, *why;
};

/* The next string; NULL at the end. */
static const char *next_string(const struct cs_buf *list, size_t *at)
{
	const char *s = list->data + *at;
	const char *end = *at < list->len ? memchr(s, '\0', list->len - *at) : NULL;

	if (!end)
		return NULL;
	*at = (size_t)(end + 1 - list->data);
	return s;
}

/* The next record, if it is about a module of this job: 1, 0 at the end, or CS_CORRUPT. */
static int next_record(struct record *r, const struct cs_buf *list, size_t *at,
		       const struct cs_wt_job *job, struct cs_err *err)
{
	const char *number = next_string(list, at);
	const struct cs_wt_module *m;
	char hex[CS_OID_HEX];
	char *end;

	if (!number && *at == list->len)
		return 0;
	r->path = next_string(list, at);
	r->commit = next_string(list, at);
	r->missing = next_string(list, at);
	r->why = next_string(list, at);
	r->number = number ? strtoul(number, &end, 10) : 0;
	if (!r->why || *end || r->number >= job->modules.n)
		return cs_err_set(err, CS_CORRUPT, LIST " is damaged");
	m = &job->modules.list[r->number];
	if (strcmp(m->path, r->path) != 0 || strcmp(cs_oid_hex(hex, &m->commit), r->commit) != 0)
		return cs_err_set(err, CS_CORRUPT, LIST " is about other submodules");
	return 1;
}

int cs_wt_populated(struct cs_wt_job *job, struct cs_err *err)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct record r;
	size_t at = 0;
	size_t wanted = 0;
	int rc;

	for (size_t i = 0; i < job->modules.n; i++)
		wanted += !job->modules.list[i].why;
	if (!wanted)
		return 0;
	rc = cs_read_file(&list, job->dir_fd, LIST, LIST_MAX, err);
	while (rc >= 0 && (rc = next_record(&r, &list, &at, job, err)) > 0) {
		struct cs_wt_module *m = &job->modules.list[r.number];

		wanted--;
		if (*r.why && !m->why)
			m->why = cs_strdup(r.why);
	}
	if (rc == 0 && wanted)
		rc = cs_err_set(err, CS_CORRUPT, LIST " is not complete");
	return rc < 0 ? cs_err_wrap(err, "%s: remove it and it is made again", job->dir) : 0;
}

static bool has_come(const struct cs_wt_module *m, const char *hex)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	enum cs_object_type type;
	struct cs_oid oid;
	uint64_t size;

	return *hex && m->git_dir && cs_oid_parse(&oid, hex) == 0 &&
	       cs_repo_open_objects(&repo, m->git_dir, NULL) == 0 &&
	       cs_repo_object_info(&type, &size, repo, &oid, NULL) == 0;
}

int cs_wt_tried(struct cs_buf *come, const char *key, const struct cs_wt_job *job,
		struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/" LIST, key);
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct record r;
	size_t at = 0;
	int rc = cs_wt_read(&list, job->base_fd, path, LIST_MAX, err);

	if (rc <= 0)
		return rc;
	while ((rc = next_record(&r, &list, &at, job, err)) > 0)
		if (has_come(&job->modules.list[r.number], r.missing))
			cs_buf_adds(come, r.missing);
	return rc < 0 ? cs_err_wrap(err, "%s/base/%s: remove it and it is made again",
				    job->opts->state_dir, key)
		      : 0;
}
