/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run that continues another one proposes the change of both. What the earlier one found in files
 * that are still as it left them would be found by nobody any more: its layer began with them.
 */
#include "record_dir.h"

#include <stdio.h>
#include <string.h>

#define COMMITS_MAX 1000

/* What is at a path of a tree; mode 0 where nothing is. */
static int look_up(uint32_t *mode, struct cs_oid *oid, const struct cs_repo *repo,
		   const struct cs_oid *tree, const char *path, struct cs_err *err)
{
	int rc = cs_repo_tree_lookup(mode, oid, repo, tree, path, err);

	if (rc != CS_NOTFOUND)
		return rc;
	*mode = 0;
	return 0;
}

/*
 * Is it as the earlier run left it? A directory is while it is one: the run that follows adds to
 * it. What is gone is, where it is the base's: that it went is of the change, too.
 */
static int is_as_left(bool *out, const struct cs_repo *repo, const struct cs_run_info *info,
		      const struct cs_oid *now, const char *path, struct cs_err *err)
{
	struct cs_oid oid[3];
	uint32_t left = 0, is = 0, was = 0;
	int rc = look_up(&left, &oid[0], repo, cs_run_start_tree(info), path, err);

	if (rc == 0)
		rc = look_up(&is, &oid[1], repo, now, path, err);
	if (rc == 0)
		rc = look_up(&was, &oid[2], repo, &info->base_tree, path, err);
	if (!is)
		*out = !left && was;
	else
		*out = left == is && (is == CS_MODE_TREE || cs_oid_equal(&oid[0], &oid[1]));
	return rc;
}

/* Of no file that could be looked at: what was not listed stays that. */
static bool is_of_all(const struct cs_finding *f)
{
	static const char *const kinds[] = { "agent-commits", "too-many", "truncated" };

	for (size_t i = 0; i < CS_COUNT(kinds); i++)
		if (!strcmp(f->kind, kinds[i]))
			return true;
	return false;
}

static int inherit_findings(struct cs_findings *found, const struct cs_run_info *before,
			    const struct cs_run_info *info, const struct cs_oid *now,
			    const struct cs_repo *repo, struct cs_err *err)
{
	for (size_t i = 0; i < before->findings.n; i++) {
		const struct cs_finding *f = &before->findings.list[i];
		bool stays = is_of_all(f);
		int rc = stays || !*f->path ? 0 : is_as_left(&stays, repo, info, now, f->path, err);

		if (rc < 0)
			return rc;
		if (stays)
			cs_finding_copy(found, f->kind, f->path, f->detail);
	}
	if (before->findings.dropped)
		cs_finding_add(found, "truncated", "",
			       "run %.8s, which this one continues, had %llu more findings",
			       before->id, (unsigned long long)before->findings.dropped);
	return 0;
}

/* The earlier run may have been held to other rules than this one. */
static int find_sensitive(struct cs_findings *found, const struct cs_run_info *info,
			  const struct cs_oid *now, const struct cs_strv *sensitive,
			  const struct cs_repo *repo, struct cs_err *err)
{
	struct cs_change change = CS_CHANGE_INIT;
	int rc = cs_change_between(&change, repo, &info->base_tree, now, false, err);

	for (size_t i = 0; rc == 0 && i < change.n; i++) {
		const struct cs_transition *t = &change.list[i];

		if (cs_glob_matches(sensitive, t->path))
			cs_finding_add(found, "sensitive-path", t->path, "%s",
				       t->after.mode ? "changed" : "deleted");
	}
	cs_change_release(&change);
	return rc;
}

/* A line of the record's file "commits"; one that does not parse is passed over. */
static bool parse_commit(struct cs_agent_commit *out, const char *line, size_t len)
{
	AUTO_BUF struct cs_buf message = CS_BUF_INIT;
	AUTO_JSON cJSON *json = NULL;

	if (cs_json_parse(&json, line, len, NULL) < 0 ||
	    cs_json_get_bytes(&message, json, "message") < 0)
		return false;
	snprintf(out->oid, sizeof(out->oid), "%s", cs_json_str(json, "commit", ""));
	out->message = cs_buf_take(&message);
	return true;
}

/* The earlier ones come first; of more than the maximum, the newest are kept. */
static void put_before(struct cs_capture *capture, struct cs_agent_commit *list, size_t n)
{
	const size_t room = capture->n_commits < COMMITS_MAX ? COMMITS_MAX - capture->n_commits : 0;
	const size_t skip = n > room ? n - room : 0;
	struct cs_agent_commit *all;

	for (size_t i = 0; i < skip; i++)
		free(list[i].message);
	n -= skip;
	if (!n)
		return;
	all = cs_calloc(n + capture->n_commits, sizeof(*all));
	memcpy(all, list + skip, n * sizeof(*all));
	if (capture->n_commits)
		memcpy(all + n, capture->commits, capture->n_commits * sizeof(*all));
	free(capture->commits);
	capture->commits = all;
	capture->n_commits += n;
}

static int inherit_commits(struct cs_capture *capture, const struct cs_repo *repo,
			   const char *state_dir, const char *id, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE struct cs_agent_commit *list = NULL;
	size_t n = 0, cap = 0;
	int rc = cs_run_read(&text, repo, state_dir, id, "commits", err);

	if (rc < 0)
		return rc == CS_NOTFOUND ? 0 : rc;
	for (const char *line = text.data; *line;) {
		const size_t len = strcspn(line, "\n");

		CS_GROW(list, n, cap);
		n += parse_commit(&list[n], line, len);
		line += len + (line[len] == '\n');
	}
	put_before(capture, list, n);
	return 0;
}

int cs_run_inherit(struct cs_findings *found, struct cs_capture *capture,
		   const struct cs_run_info *info, const struct cs_strv *sensitive,
		   const struct cs_repo *repo, struct cs_err *err)
{
	AUTO_FREE char *state_dir = cs_state_path(repo);
	struct cs_run_info before;
	int rc;

	cs_run_info_init(&before);
	rc = find_sensitive(found, info, &capture->tree, sensitive, repo, err);
	if (rc < 0)
		return rc;
	rc = cs_run_load(&before, repo, state_dir, info->continues, err);
	if (rc == 0)
		rc = inherit_findings(found, &before, info, &capture->tree, repo, err);
	if (rc == 0)
		rc = inherit_commits(capture, repo, state_dir, info->continues, err);
	/* Removed while we ran: then nobody can know, and that is told. */
	if (rc == CS_NOTFOUND) {
		cs_finding_add(found, "truncated", "",
			       "run %.8s, which this one continues, is gone, and its findings too",
			       info->continues);
		rc = 0;
	}
	cs_run_info_release(&before);
	return rc;
}
