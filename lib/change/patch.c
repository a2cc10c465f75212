/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transition as git's patch text. It is for reading, but `git apply` takes it too. Names are
 * quoted where they hold a quote, a backslash or a control character: else a file's name could
 * write lines of the patch. What is not shown is said, with sizes and digests: never an empty
 * patch for a content that differs.
 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* "a/" or "b/" and the name, between quotes if it needs them (git's quote_c_style). */
static void add_name(struct cs_buf *out, const char *prefix, const char *path)
{
	static const char letters[] = "\aa\bb\tt\nn\vv\ff\rr\"\"\\\\";
	bool quotes = false;

	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		quotes |= *p < ' ' || *p == 0x7f || *p == '"' || *p == '\\';
	if (!quotes) {
		cs_buf_addf(out, "%s%s", prefix, path);
		return;
	}
	cs_buf_addf(out, "\"%s", prefix);
	for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
		const char *letter = *p < 0x80 ? strchr(letters, *p) : NULL;

		if (letter && (letter - letters) % 2 == 0)
			cs_buf_addf(out, "\\%c", letter[1]);
		else if (*p < ' ' || *p == 0x7f)
			cs_buf_addf(out, "\\%03o", *p);
		else
			cs_buf_addc(out, (char)*p);
	}
	cs_buf_addc(out, '"');
}

static void add_modes(struct cs_buf *out, const struct cs_side *before, const struct cs_side *after)
{
	if (!before->mode)
		cs_buf_addf(out, "new file mode %06o\n", after->mode);
	else if (!after->mode)
		cs_buf_addf(out, "deleted file mode %06o\n", before->mode);
	else if (before->mode != after->mode)
		cs_buf_addf(out, "old mode %06o\nnew mode %06o\n", before->mode, after->mode);
}

static void add_id(struct cs_buf *out, const struct cs_side *side)
{
	static const char none[] = "0000000000000000000000000000000000000000";
	char hex[CS_OID_HEX];

	cs_buf_adds(out, side->mode ? cs_oid_hex(hex, &side->oid) : none);
}

static void add_head(struct cs_buf *out, const char *path, const struct cs_side *before,
		     const struct cs_side *after)
{
	cs_buf_adds(out, "diff --git ");
	add_name(out, "a/", path);
	cs_buf_addc(out, ' ');
	add_name(out, "b/", path);
	cs_buf_addc(out, '\n');
	add_modes(out, before, after);
	if (cs_oid_equal(&before->oid, &after->oid))
		return;
	cs_buf_adds(out, "index ");
	add_id(out, before);
	cs_buf_adds(out, "..");
	add_id(out, after);
	if (before->mode == after->mode)
		cs_buf_addf(out, " %06o", before->mode);
	cs_buf_addc(out, '\n');
}

/* One of the two lines before the hunks; a blank in the name is marked by a tab at its end. */
static void add_side(struct cs_buf *out, const char *sign, const char *prefix, const char *path,
		     const struct cs_side *side)
{
	cs_buf_addf(out, "%s ", sign);
	if (side->mode) {
		add_name(out, prefix, path);
		if (strchr(path, ' '))
			cs_buf_addc(out, '\t');
	} else {
		cs_buf_adds(out, "/dev/null");
	}
	cs_buf_addc(out, '\n');
}

static int add_summary(struct cs_buf *out, const struct cs_repo *repo, const struct cs_side *side,
		       const struct cs_content *content, struct cs_err *err)
{
	char digest[CS_SHA256_HEX];
	int rc;

	if (!side->mode) {
		cs_buf_adds(out, "absent");
		return 0;
	}
	rc = cs_side_digest(digest, repo, side, err);
	if (rc == 0)
		cs_buf_addf(out, "%" PRIu64 " bytes sha256:%s", content->size, digest);
	return rc;
}

/* A side and what is in it. */
struct half {
	const struct cs_side *side;
	const struct cs_content *content;
};

/* What stands there instead of hunks. */
static int add_notice(struct cs_buf *out, const char *path, const struct cs_repo *repo,
		      const struct half *before, const struct half *after, struct cs_err *err)
{
	const bool large = before->content->shown == CS_SHOWN_TOO_LARGE ||
			   after->content->shown == CS_SHOWN_TOO_LARGE;
	int rc;

	cs_buf_adds(out, large ? "Too large to show: " : "Binary files differ: ");
	add_name(out, "", path);
	cs_buf_adds(out, ": ");
	rc = add_summary(out, repo, before->side, before->content, err);
	cs_buf_adds(out, " -> ");
	if (rc == 0)
		rc = add_summary(out, repo, after->side, after->content, err);
	cs_buf_addc(out, '\n');
	return rc;
}

static int add_body(struct cs_buf *out, const char *path, const struct cs_repo *repo,
		    const struct half *before, const struct half *after, struct cs_err *err)
{
	AUTO_BUF struct cs_buf hunks = CS_BUF_INIT;
	int rc;

	if (before->content->shown != CS_SHOWN_TEXT || after->content->shown != CS_SHOWN_TEXT)
		return add_notice(out, path, repo, before, after, err);
	rc = cs_lines_diff(&hunks, &before->content->data, &after->content->data, err);
	if (rc < 0 || !hunks.len)
		return rc;
	add_side(out, "---", "a/", path, before->side);
	add_side(out, "+++", "b/", path, after->side);
	cs_buf_add(out, hunks.data, hunks.len);
	return 0;
}

/* The patch of two sides of one type. */
static int add_patch(struct cs_buf *out, const char *path, const struct cs_repo *repo,
		     const struct cs_side *before, const struct cs_side *after, uint64_t max_bytes,
		     struct cs_err *err)
{
	AUTO_CONTENT struct cs_content b = CS_CONTENT_INIT;
	AUTO_CONTENT struct cs_content a = CS_CONTENT_INIT;
	int rc;

	add_head(out, path, before, after);
	if (cs_oid_equal(&before->oid, &after->oid))
		return 0;
	rc = cs_content_read(&b, repo, before, max_bytes, err);
	if (rc == 0)
		rc = cs_content_read(&a, repo, after, max_bytes, err);
	if (rc == 0)
		rc = add_body(out, path, repo, &(struct half){ before, &b },
			      &(struct half){ after, &a }, err);
	return rc;
}

int cs_change_patch(struct cs_buf *out, const struct cs_transition *t, const struct cs_repo *repo,
		    uint64_t max_bytes, struct cs_err *err)
{
	const struct cs_side none = { 0 };
	const size_t before = out->len;
	const bool splits = t->before.mode && t->after.mode &&
			    (t->before.mode & S_IFMT) != (t->after.mode & S_IFMT);
	int rc;

	/* As git: a file that becomes a link is deleted and created. */
	rc = add_patch(out, t->path, repo, &t->before, splits ? &none : &t->after, max_bytes, err);
	if (rc == 0 && splits)
		rc = add_patch(out, t->path, repo, &none, &t->after, max_bytes, err);
	if (rc < 0) {
		cs_buf_truncate(out, before);
		return cs_err_wrap(err, "show a change");
	}
	return 0;
}
