/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding runs: recorded ones by their references, living and interrupted ones by their
 * directories. A reference outranks a directory of the same name.
 *
 * Names are one pass over the references. The order needs one commit object a run (the start time
 * stands in the record commit's message); run.json is only read for runs that are shown.
 */
#include "countersign/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "record_dir.h"

#define MIN_PREFIX 4
#define NS_PER_S   INT64_C(1000000000)

struct run_name {
	char id[CS_RUN_ID_HEX];
	struct cs_oid record; /* len 0: a directory only */
	int64_t started_ns;
};

struct run_names {
	struct run_name *list;
	size_t n, cap;
};

static void names_release(struct run_names *names)
{
	free(names->list);
}
#define AUTO_NAMES CS_AUTO(names_release)

static struct run_name *names_add(struct run_names *names, const char *id)
{
	struct run_name *name;

	CS_GROW(names->list, names->n, names->cap);
	name = &names->list[names->n++];
	*name = (struct run_name){ 0 };
	memcpy(name->id, id, CS_RUN_ID_HEX);
	return name;
}

/* ---- names ---- */

static int add_ref(void *arg, const char *name, const struct cs_oid *oid)
{
	const size_t prefix = strlen(CS_RECORDS "7f/");
	const char *id = name + prefix;

	/* Other references of ours live beside the records. */
	if (strlen(name) != prefix + CS_RUN_ID_HEX - 1 || !cs_run_id_valid(id) || id[-1] != '/' ||
	    memcmp(name + strlen(CS_RECORDS), id, 2) != 0)
		return 0;
	names_add(arg, id)->record = *oid;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct run_name *)a)->id, ((const struct run_name *)b)->id);
}

/* A directory whose record is written: its supervisor was killed before it could remove it. */
static void remove_leftover(struct cs_repo *repo, const char *state_dir, int runs_fd,
			    const char *id)
{
	struct cs_run_dir dir = CS_RUN_DIR_INIT;

	if (cs_run_dir_alive(runs_fd, id) || cs_run_dir_open(&dir, state_dir, id, NULL) < 0)
		return;
	(void)!cs_run_keep_sessions(&dir, state_dir, NULL);
	/* Failing is no error of a listing: the next one tries again. */
	if (cs_provenance_attach_again(repo, state_dir, id, NULL) < 0 ||
	    cs_run_dir_remove(&dir, NULL) < 0)
		cs_run_dir_close(&dir);
}

static int add_dirs(struct run_names *names, struct cs_repo *repo, const char *state_dir,
		    struct cs_err *err)
{
	size_t recorded = names->n;
	AUTO_DIR DIR *dir = NULL;
	struct cs_err why = CS_ERR_INIT;
	int runs_fd = cs_runs_open(state_dir, &why);
	struct dirent *entry;

	if (runs_fd == CS_NOTFOUND)
		return 0;
	if (runs_fd < 0)
		return cs_err_set(err, runs_fd, "%s", why.msg);
	dir = fdopendir(runs_fd);
	if (!dir) {
		cs_close(&runs_fd);
		return cs_err_sys(err, "read %s/runs", state_dir);
	}
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		struct run_name key = { 0 };

		if (!cs_run_id_valid(entry->d_name)) {
			cs_run_dir_sweep(runs_fd, entry->d_name);
			continue;
		}
		memcpy(key.id, entry->d_name, CS_RUN_ID_HEX);
		if (recorded && bsearch(&key, names->list, recorded, sizeof(key), by_id))
			remove_leftover(repo, state_dir, runs_fd, key.id);
		else
			names_add(names, key.id);
	}
	return errno ? cs_err_sys(err, "read %s/runs", state_dir) : 0;
}

static int collect(struct run_names *names, struct cs_repo *repo, const char *state_dir,
		   struct cs_err *err)
{
	int rc = cs_repo_each_ref(repo, CS_RECORDS, add_ref, names, err);

	if (rc < 0)
		return rc;
	if (names->n)
		qsort(names->list, names->n, sizeof(*names->list), by_id);
	return add_dirs(names, repo, state_dir, err);
}

/* ---- order ---- */

/* What finish.c wrote into the record commit's message; 0 when it cannot be read. */
static int64_t record_started(const struct cs_repo *repo, const struct cs_oid *record)
{
	struct cs_commit commit = { 0 };
	const char *last = NULL;
	int64_t started = 0;

	if (cs_repo_read_commit(&commit, repo, record, NULL) < 0)
		return 0;
	for (const char *at = commit.message; (at = strstr(at, "\n" CS_STARTED)); at++)
		last = at + strlen("\n" CS_STARTED);
	if (last) {
		AUTO_FREE char *time = cs_strndup(last, strcspn(last, "\n"));

		if (cs_time_parse(&started, time) < 0)
			started = 0;
	}
	if (!started)
		started = commit.time * NS_PER_S;
	cs_commit_release(&commit);
	return started;
}

static int64_t dir_started(int runs_fd, const char *id)
{
	struct cs_run_info info;
	struct stat st;
	int64_t started = 0;

	cs_run_info_init(&info);
	if (cs_run_dir_load(&info, runs_fd, id, NULL) == 0)
		started = info.started_ns;
	if (!started && fstatat(runs_fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		started = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	cs_run_info_release(&info);
	return started;
}

static int newest_first(const void *a, const void *b)
{
	const struct run_name *x = a, *y = b;

	if (x->started_ns != y->started_ns)
		return x->started_ns < y->started_ns ? 1 : -1;
	return strcmp(x->id, y->id);
}

static int collect_sorted(struct run_names *names, struct cs_repo *repo, const char *state_dir,
			  struct cs_err *err)
{
	/* Without it (-1) there are no directories to look into either. */
	AUTO_FD int runs_fd = cs_runs_open(state_dir, NULL);
	int rc = collect(names, repo, state_dir, err);

	if (rc < 0 || !names->n)
		return rc;
	for (size_t i = 0; i < names->n; i++) {
		struct run_name *name = &names->list[i];

		if (name->record.len)
			name->started_ns = record_started(repo, &name->record);
		else
			name->started_ns = dir_started(runs_fd, name->id);
	}
	qsort(names->list, names->n, sizeof(*names->list), newest_first);
	return 0;
}

int cs_run_list(struct cs_strv *out, struct cs_repo *repo, const char *state_dir,
		struct cs_err *err)
{
	AUTO_NAMES struct run_names names = { 0 };
	int rc = collect_sorted(&names, repo, state_dir, err);

	for (size_t i = 0; rc == 0 && i < names.n; i++)
		cs_strv_add(out, names.list[i].id);
	return rc;
}

/* ---- one of them ---- */

static int find_nth(char id[CS_RUN_ID_HEX], struct cs_repo *repo, const char *state_dir,
		    const char *digits, struct cs_err *err)
{
	AUTO_NAMES struct run_names names = { 0 };
	size_t n = strtoul(digits, NULL, 10);
	int rc = collect_sorted(&names, repo, state_dir, err);

	if (rc < 0)
		return rc;
	if (!names.n)
		return cs_err_set(err, CS_NOTFOUND, "no runs yet: git agent-run starts one");
	if (!n || n > names.n)
		return cs_err_set(err, CS_NOTFOUND, "no run -%s: there are %zu", digits, names.n);
	memcpy(id, names.list[n - 1].id, CS_RUN_ID_HEX);
	return 0;
}

static int find_prefix(char id[CS_RUN_ID_HEX], struct cs_repo *repo, const char *state_dir,
		       const char *prefix, struct cs_err *err)
{
	AUTO_NAMES struct run_names names = { 0 };
	size_t len = strlen(prefix);
	const char *found = NULL;
	int rc = collect(&names, repo, state_dir, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.n; i++) {
		if (strncmp(names.list[i].id, prefix, len) != 0)
			continue;
		if (found)
			return cs_err_set(err, CS_USAGE, "run '%s' is ambiguous: %.12s, %.12s",
					  prefix, found, names.list[i].id);
		found = names.list[i].id;
	}
	if (!found)
		return cs_err_set(err, CS_NOTFOUND, "no run '%s': git agent-log lists them",
				  prefix);
	memcpy(id, found, CS_RUN_ID_HEX);
	return 0;
}

int cs_run_find(char id[CS_RUN_ID_HEX], struct cs_repo *repo, const char *state_dir,
		const char *spec, struct cs_err *err)
{
	if (!spec)
		return find_nth(id, repo, state_dir, "1", err);
	if (spec[0] == '-' && spec[1] && strspn(spec + 1, "0123456789") == strlen(spec + 1))
		return find_nth(id, repo, state_dir, spec + 1, err);
	if (strspn(spec, "0123456789abcdef") != strlen(spec) || strlen(spec) >= CS_RUN_ID_HEX)
		return cs_err_set(err, CS_USAGE, "'%s' is not the id of a run", spec);
	if (strlen(spec) < MIN_PREFIX)
		return cs_err_set(err, CS_USAGE, "'%s' is too short: give %d digits or more", spec,
				  MIN_PREFIX);
	return find_prefix(id, repo, state_dir, spec, err);
}
