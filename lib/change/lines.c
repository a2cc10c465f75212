/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents, line by line. libgit2's diff is given two buffers and no repository, so no attribute,
 * driver or configuration can hide a line from it; what is text is decided here, by the content.
 */
#include "internal.h"

#include <git2.h>
#include <string.h>
#include <sys/stat.h>

#define BINARY_LOOK 8000 /* git's buffer_is_binary() */

/* For counting: larger contents count no lines, like binary ones. */
#define COUNT_MAX_BYTES (64u << 20)

static void free_patch(git_patch **p)
{
	git_patch_free(*p);
}

void cs_content_release(struct cs_content *c)
{
	cs_buf_release(&c->data);
}

static int read_blob(struct cs_content *c, const struct cs_repo *repo, const struct cs_side *side,
		     uint64_t max_bytes, struct cs_err *err)
{
	enum cs_object_type type;
	int rc = cs_repo_object_info(&type, &c->size, repo, &side->oid, err);

	if (rc < 0)
		return rc;
	if (type == CS_OBJ_BLOB && c->size > max_bytes) {
		c->shown = CS_SHOWN_TOO_LARGE;
		return 0;
	}
	rc = cs_repo_read(&c->data, repo, &side->oid, CS_OBJ_BLOB, max_bytes, err);
	if (rc < 0)
		return rc;
	if (memchr(c->data.data, '\0', c->data.len < BINARY_LOOK ? c->data.len : BINARY_LOOK))
		c->shown = CS_SHOWN_BINARY;
	return 0;
}

int cs_content_read(struct cs_content *out, const struct cs_repo *repo, const struct cs_side *side,
		    uint64_t max_bytes, struct cs_err *err)
{
	char hex[CS_OID_HEX];

	out->shown = CS_SHOWN_TEXT;
	if (!side->mode)
		return 0;
	if ((side->mode & S_IFMT) != CS_MODE_GITLINK)
		return read_blob(out, repo, side, max_bytes, err);
	cs_buf_addf(&out->data, "Subproject commit %s\n", cs_oid_hex(hex, &side->oid));
	out->size = out->data.len;
	return 0;
}

static int make_patch(git_patch **out, const struct cs_buf *before, const struct cs_buf *after,
		      uint32_t context, struct cs_err *err)
{
	git_diff_options opts = GIT_DIFF_OPTIONS_INIT;
	int rc;

	opts.context_lines = context;
	opts.flags = GIT_DIFF_FORCE_TEXT | GIT_DIFF_INDENT_HEURISTIC;
	rc = git_patch_from_buffers(out, before->data, before->len, NULL, after->data, after->len,
				    NULL, &opts);
	if (rc < 0) {
		const git_error *last = git_error_last();

		return cs_err_set(err, CS_MALFUNCTION, "compare lines: %s",
				  last ? last->message : "libgit2 failed");
	}
	return 0;
}

int cs_lines_count(uint64_t *added, uint64_t *deleted, const struct cs_buf *before,
		   const struct cs_buf *after, struct cs_err *err)
{
	CS_AUTO(free_patch) git_patch *patch = NULL;
	size_t plus = 0;
	size_t minus = 0;
	int rc = make_patch(&patch, before, after, 0, err);

	if (rc == 0 && git_patch_line_stats(NULL, &plus, &minus, patch) < 0)
		rc = cs_err_set(err, CS_MALFUNCTION, "count lines: libgit2 failed");
	if (rc < 0)
		return rc;
	*added = plus;
	*deleted = minus;
	return 0;
}

/* Called for the head of each hunk and each line of it. */
static int add_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
		    const git_diff_line *line, void *arg)
{
	struct cs_buf *out = arg;

	(void)delta;
	(void)hunk;
	switch (line->origin) {
	case GIT_DIFF_LINE_CONTEXT:
	case GIT_DIFF_LINE_ADDITION:
	case GIT_DIFF_LINE_DELETION:
		cs_buf_addc(out, line->origin);
		break;
	case GIT_DIFF_LINE_FILE_HDR:
		return 0; /* it knows neither names nor modes; the caller writes it */
	default:	  /* the hunk's head, "\ No newline at end of file" */
		break;
	}
	cs_buf_add(out, line->content, line->content_len);
	return 0;
}

int cs_lines_diff(struct cs_buf *out, const struct cs_buf *before, const struct cs_buf *after,
		  struct cs_err *err)
{
	const uint32_t context = 3;
	CS_AUTO(free_patch) git_patch *patch = NULL;
	int rc = make_patch(&patch, before, after, context, err);

	if (rc == 0 && git_patch_print(patch, add_line, out) < 0)
		rc = cs_err_set(err, CS_MALFUNCTION, "compare lines: libgit2 failed");
	return rc;
}

static int count(struct cs_change *change, const struct cs_repo *repo,
		 const struct cs_transition *t, struct cs_err *err)
{
	AUTO_CONTENT struct cs_content before = CS_CONTENT_INIT;
	AUTO_CONTENT struct cs_content after = CS_CONTENT_INIT;
	uint64_t added = 0;
	uint64_t deleted = 0;
	int rc;

	if (cs_oid_equal(&t->before.oid, &t->after.oid))
		return 0;
	rc = cs_content_read(&before, repo, &t->before, COUNT_MAX_BYTES, err);
	if (rc == 0)
		rc = cs_content_read(&after, repo, &t->after, COUNT_MAX_BYTES, err);
	if (rc < 0 || before.shown != CS_SHOWN_TEXT || after.shown != CS_SHOWN_TEXT)
		return rc;
	rc = cs_lines_count(&added, &deleted, &before.data, &after.data, err);
	change->lines_added += added;
	change->lines_deleted += deleted;
	return rc;
}

int cs_change_count_lines(struct cs_change *change, const struct cs_repo *repo, struct cs_err *err)
{
	int rc = 0;

	change->lines_added = 0;
	change->lines_deleted = 0;
	for (size_t i = 0; rc == 0 && i < change->n; i++)
		rc = count(change, repo, &change->list[i], err);
	return rc < 0 ? cs_err_wrap(err, "count lines") : 0;
}
