/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of history, by git itself: it reads its commit-graph, which libgit2 1.5 does not (the
 * format that git writes today), and its words name what is missing. An unchecked error of a walk
 * is an empty range, and in an empty range nothing is judged: the only good end is status 0 with
 * output that parses in full.
 */
#include "internal.h"

#include <string.h>
#include <sys/wait.h>

#define RANGE_MAX_BYTES ((size_t)1 << 30)

void cs_range_release(struct cs_range *range)
{
	for (size_t i = 0; i < range->n; i++)
		free(range->list[i].parents);
	free(range->list);
	*range = (struct cs_range)CS_RANGE_INIT;
}

/* "<id> <id>...\n": the commit and its parents. */
static int parse_line(struct cs_range *range, char *line, struct cs_err *err)
{
	struct cs_range_commit c = { .n_parents = 0 };
	size_t cap = 0;
	char *word;
	int rc = 0;

	for (bool first = true; rc == 0 && (word = strsep(&line, " ")); first = false) {
		struct cs_oid oid;

		rc = cs_oid_parse(&oid, word);
		if (rc == 0 && first)
			c.oid = oid;
		if (rc < 0 || first)
			continue;
		CS_GROW(c.parents, c.n_parents, cap);
		c.parents[c.n_parents++] = oid;
	}
	if (rc < 0) {
		free(c.parents);
		return cs_err_set(err, CS_MALFUNCTION, "git rev-list: what it says does not parse");
	}
	CS_GROW(range->list, range->n, range->cap);
	range->list[range->n++] = c;
	return 0;
}

static int parse_all(struct cs_range *range, struct cs_buf *text, struct cs_err *err)
{
	char *rest = text->data;
	int rc = 0;

	if (text->len && text->data[text->len - 1] != '\n')
		return cs_err_set(err, CS_MALFUNCTION, "git rev-list: cut off");
	while (rc == 0 && *rest)
		rc = parse_line(range, strsep(&rest, "\n"), err);
	return rc;
}

static void add_ids(struct cs_buf *input, const char *prefix, const struct cs_oid *ids, size_t n)
{
	char hex[CS_OID_HEX];

	for (size_t i = 0; i < n; i++)
		if (ids[i].len)
			cs_buf_addf(input, "%s%s\n", prefix, cs_oid_hex(hex, &ids[i]));
}

static int refuse_shallow(const struct cs_repo *repo, struct cs_err *err)
{
	if (!cs_repo_is_shallow(repo))
		return 0;
	return cs_err_set(err, CS_UNSUPPORTED,
			  "the repository is shallow, its history is not all there: "
			  "git fetch --unshallow");
}

int cs_repo_range(struct cs_range *out, const struct cs_repo *repo,
		  const struct cs_range_opts *opts, struct cs_err *err)
{
	AUTO_BUF struct cs_buf input = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *count = cs_asprintf("--max-count=%zu", opts->max_count);
	const char *args[8] = { "rev-list", "--stdin", "--parents", "--topo-order" };
	struct cs_git_call call = {
		.git_dir = repo->common_dir,
		.objects = repo,
		.args = args,
		.max_output = RANGE_MAX_BYTES,
	};
	struct cs_range range = CS_RANGE_INIT;
	size_t n = 4;
	int rc = refuse_shallow(repo, err);

	if (rc < 0)
		return rc;
	if (opts->first_parent)
		args[n++] = "--first-parent";
	if (opts->max_count)
		args[n++] = count;
	add_ids(&input, "", opts->include, opts->n_include);
	if (!input.len)
		return cs_err_set(err, CS_USAGE, "a range of nothing");
	add_ids(&input, "^", opts->exclude, opts->n_exclude);
	call.input = input.data;
	call.input_len = input.len;
	rc = cs_git(&text, &call, err);
	if (rc == 0)
		rc = parse_all(&range, &text, err);
	if (rc < 0) {
		cs_range_release(&range);
		return rc;
	}
	*out = range;
	return 0;
}

int cs_repo_is_ancestor(bool *out, const struct cs_repo *repo, const struct cs_oid *ancestor,
			const struct cs_oid *descendant, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	char hex[2][CS_OID_HEX];
	const char *args[] = { "merge-base", "--is-ancestor", cs_oid_hex(hex[0], ancestor),
			       cs_oid_hex(hex[1], descendant), NULL };
	const struct cs_git_call call = {
		.git_dir = repo->common_dir,
		.objects = repo,
		.args = args,
		.max_output = 4096,
	};
	int status;
	int rc = refuse_shallow(repo, err);

	if (rc == 0)
		rc = cs_git_run(&text, &errout, &status, &call, -1, err);
	if (rc < 0)
		return rc;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return cs_git_failed(&call, status, &errout, err);
	*out = WEXITSTATUS(status) == 0;
	return 0;
}

int cs_repo_first_parent(struct cs_oid *out, const struct cs_repo *repo, const struct cs_oid *oid,
			 struct cs_err *err)
{
	AUTO_COMMIT git_commit *commit = NULL;
	char hex[CS_OID_HEX];
	git_oid id;
	int rc = cs_to_git_oid(&id, oid, err);

	if (rc < 0)
		return rc;
	rc = git_commit_lookup(&commit, repo->git, &id);
	if (rc < 0)
		return cs_err_git(err, rc, "commit %s", cs_oid_hex(hex, oid));
	*out = (struct cs_oid){ 0 };
	if (git_commit_parentcount(commit))
		cs_from_git_oid(out, git_commit_parent_id(commit, 0));
	return 0;
}
