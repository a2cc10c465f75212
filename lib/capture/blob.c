/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file's content, on its way from the stream into a blob.
 *
 * Bytes are stored as they are but for line ends, where the base's attributes make `git add`
 * convert them. Whether CRs go, and so how long the blob will be, is decided by the counts that the
 * reader sent beforehand; the same counts are made again from the bytes, and must be the same.
 */
#include <string.h>
#include "names.h"
#include "writer.h"

/* Larger content of the base is not looked into. */
#define BASE_MAX	(64u << 20)
#define LFS_POINTER_MAX 1024

struct content {
	struct text_scan text;
	struct hidden_scan hidden;
	struct ident_scan ident;
	bool drop_cr;
	bool held_cr;
	uint64_t room;	/* bytes that the blob still takes */
	char start[64]; /* the first bytes */
	size_t start_len;
};

static struct cs_findings *findings(struct writer *w)
{
	return &w->list->findings;
}

/* ---- what the base had ----------------------------------------------------------------------- */

/* The base's content at this path; nothing where it has none, or too much of it. */
static int read_was(struct cs_buf *out, bool *too_large, struct writer *w,
		    const struct base_entry *was, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	int rc = 0;

	*too_large = false;
	if (was->mode == CS_MODE_FILE || was->mode == CS_MODE_EXEC)
		rc = cs_repo_read(out, w->opts->repo, &was->oid, CS_OBJ_BLOB, BASE_MAX, &why);
	if (rc == CS_LIMIT) {
		*too_large = true;
		return 0;
	}
	if (rc < 0 && err)
		*err = why;
	return rc;
}

static struct text_stats stats_of(const struct cs_buf *content)
{
	struct text_scan scan = { 0 };

	text_scan_add(&scan, content->data, content->len);
	text_scan_end(&scan);
	return scan.stats;
}

/* ---- conversions ----------------------------------------------------------------------------- */

/* git's crlf_to_git: which CRs go. */
static int decide_line_ends(bool *drop, struct writer *w, const struct item *item,
			    const struct base_entry *was, const struct cs_conversion *conv,
			    struct cs_err *err)
{
	AUTO_BUF struct cs_buf content = CS_BUF_INIT;
	struct text_stats before;
	bool too_large;
	int rc;

	*drop = item->text.crlf && conv->text == CS_TEXT_ALWAYS;
	if (!item->text.crlf || conv->text != CS_TEXT_AUTO || text_is_binary(&item->text))
		return 0;
	/* A file that the base has with CRLF keeps them, or every line of it would change. */
	rc = read_was(&content, &too_large, w, was, err);
	if (rc < 0)
		return rc;
	before = stats_of(&content);
	*drop = !too_large && !(before.crlf && !text_is_binary(&before));
	return 0;
}

static void tell_conversions(struct writer *w, const struct item *item, const struct content *c,
			     const struct cs_conversion *conv)
{
	const struct {
		bool wanted;
		const char *what;
	} unmade[] = {
		{ conv->ident && c->ident.found, "ident: $Id: ...$ is stored as it is" },
		{ conv->encoding, "working-tree-encoding: stored as it is, not as UTF-8" },
		{ conv->filter, "filter: stored as it is, no filter was run" },
	};

	for (size_t i = 0; i < CS_COUNT(unmade); i++) {
		if (unmade[i].wanted)
			cs_finding_add(findings(w), capture_kind_word(KIND_CONVERSION), item->path,
				       "%s", unmade[i].what);
	}
}

static int tell_lfs(struct writer *w, const struct item *item, const struct content *c,
		    const struct base_entry *was, struct cs_err *err)
{
	AUTO_BUF struct cs_buf content = CS_BUF_INIT;
	enum cs_object_type type;
	uint64_t size;
	int rc;

	if (was->mode != CS_MODE_FILE && was->mode != CS_MODE_EXEC)
		return 0;
	rc = cs_repo_object_info(&type, &size, w->opts->repo, &was->oid, err);
	if (rc < 0 || size > LFS_POINTER_MAX)
		return rc;
	rc = cs_repo_read(&content, w->opts->repo, &was->oid, CS_OBJ_BLOB, LFS_POINTER_MAX, err);
	if (rc < 0)
		return rc;
	if (content_is_lfs_pointer(content.data, content.len) &&
	    !content_is_lfs_pointer(c->start, c->start_len))
		cs_finding_add(findings(w), capture_kind_word(KIND_LFS_POINTER), item->path,
			       "the pointer became %llu bytes of content",
			       (unsigned long long)item->size);
	return 0;
}

/* ---- what the reviewer would not see --------------------------------------------------------- */

static uint64_t count_hidden(const struct cs_buf *content)
{
	struct hidden_scan scan = { 0 };

	hidden_scan_add(&scan, content->data, content->len);
	return scan.count;
}

static int tell_hidden(struct writer *w, const struct item *item, const struct content *c,
		       const struct base_entry *was, struct cs_err *err)
{
	AUTO_BUF struct cs_buf content = CS_BUF_INIT;
	bool too_large;
	int rc;

	if (c->text.stats.nul) {
		cs_finding_add(findings(w), capture_kind_word(KIND_BINARY), item->path,
			       "%llu bytes", (unsigned long long)item->size);
		return 0;
	}
	if (!c->hidden.count)
		return 0;
	rc = read_was(&content, &too_large, w, was, err);
	if (rc < 0 || c->hidden.count <= count_hidden(&content))
		return rc;
	cs_finding_add(findings(w), capture_kind_word(KIND_HIDDEN_CONTENT), item->path,
		       "%llu characters that do not show, the first in line %llu: U+%04X",
		       (unsigned long long)c->hidden.count, (unsigned long long)c->hidden.line,
		       c->hidden.first);
	return 0;
}

/* ---- the stream ------------------------------------------------------------------------------ */

static int lied(struct cs_err *err)
{
	return cs_err_set(err, CS_CORRUPT, "the reader sent other content than it said");
}

/* The next piece of a file of which `left` bytes are to come. */
static int next_data(struct frame *f, struct writer *w, uint64_t left, struct cs_err *err)
{
	int rc = stream_next(f, w->stream, err);

	if (rc < 0)
		return rc;
	if (f->type != FRAME_DATA || f->data_len > left)
		return lied(err);
	w->done += f->data_len;
	if (w->opts->progress)
		w->opts->progress(w->opts->progress_arg, w->done, w->list->bytes);
	return 0;
}

static int write_piece(struct writer *w, struct content *c, const char *data, size_t len,
		       struct cs_err *err)
{
	char text[FRAME_DATA_MAX + 1];

	if (c->drop_cr) {
		len = text_drop_cr(text, &c->held_cr, data, len);
		data = text;
	}
	if (len > c->room)
		return lied(err);
	c->room -= len;
	return len ? cs_blob_writer_data(w->blobs, data, len, err) : 0;
}

static int copy_content(struct writer *w, struct content *c, const struct item *item,
			struct cs_err *err)
{
	uint64_t left = item->size;
	struct frame f;

	while (left) {
		int rc = next_data(&f, w, left, err);

		if (rc < 0)
			return rc;
		if (c->start_len < sizeof(c->start)) {
			size_t room = sizeof(c->start) - c->start_len;
			size_t n = f.data_len < room ? f.data_len : room;

			memcpy(c->start + c->start_len, f.data, n);
			c->start_len += n;
		}
		text_scan_add(&c->text, f.data, f.data_len);
		hidden_scan_add(&c->hidden, f.data, f.data_len);
		ident_scan_add(&c->ident, f.data, f.data_len);
		left -= f.data_len;
		rc = write_piece(w, c, f.data, f.data_len, err);
		if (rc < 0)
			return rc;
	}
	text_scan_end(&c->text);
	/* Before the blob is finished: its length was promised by these numbers. */
	if (memcmp(&c->text.stats, &item->text, sizeof(item->text)) != 0)
		return lied(err);
	return write_piece(w, c, NULL, 0, err);
}

int writer_pass_over(struct writer *w, const struct item *item, struct cs_err *err)
{
	uint64_t left = item->size;
	struct frame f;

	while (left) {
		int rc = next_data(&f, w, left, err);

		if (rc < 0)
			return rc;
		left -= f.data_len;
	}
	return 0;
}

int writer_blob(struct writer *w, struct item *item, const struct base_entry *was,
		struct cs_err *err)
{
	struct cs_conversion conv = { 0 };
	struct content c = { 0 };
	const struct cs_oid *rules =
		w->opts->base_commit.len ? &w->opts->base_commit : &w->opts->commit;
	int rc = cs_repo_conversion(&conv, w->opts->repo, rules, item->path, err);

	if (!rc)
		rc = decide_line_ends(&c.drop_cr, w, item, was, &conv, err);
	c.room = item->size - (c.drop_cr ? item->text.crlf : 0);
	if (!rc)
		rc = cs_blob_writer_start(w->blobs, c.room, err);
	if (!rc)
		rc = copy_content(w, &c, item, err);
	if (!rc)
		rc = cs_blob_writer_end(&item->oid, w->blobs, err);
	/* Only the line ends changed, and back they go: nothing to tell about. */
	if (rc < 0 || (was->mode && cs_oid_equal(&was->oid, &item->oid)))
		return rc;
	tell_conversions(w, item, &c, &conv);
	rc = conv.filter ? tell_lfs(w, item, &c, was, err) : 0;
	return rc < 0 ? rc : tell_hidden(w, item, &c, was, err);
}
