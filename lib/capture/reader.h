/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader's side: what runs in the confined child. It sends frames (protocol.h) and ends; it
 * keeps nothing open but its pipe, the layer, the pristine, and what it looks at right now.
 */
#ifndef CAPTURE_READER_H
#define CAPTURE_READER_H

#include <sys/stat.h>
#include "finding.h"
#include "protocol.h"

/* A file whose content follows the list. */
struct reader_file {
	char *path;
	uint64_t size;
};

struct reader {
	int out_fd;
	int layer_fd;
	int pristine_fd;
	bool overlay;
	const struct cs_strv *gitlinks; /* submodules that the base names */
	const char *user_excludes;	/* or NULL */
	size_t oid_len;
	const char *base;      /* commit id, hex */
	const char *base_tree; /* tree id, hex */
	const char *head;      /* where the commits are read from, hex */
	struct cs_buf out;     /* not yet sent */
	uint64_t frames;
	uint64_t max_entries;
	uint64_t entries, path_bytes, content_bytes; /* sent so far */
	uint64_t findings[KIND_COUNT];
	struct reader_file *files;
	size_t n_files, cap_files;
};

/* What a child does: 0, or its failure for the writer. */
typedef int (*reader_fn)(struct reader *r, struct cs_err *err);
/* The list and the contents of the layer. */
int reader_main(struct reader *r, struct cs_err *err) CS_CHECKED;
/* The commits that lead to r->head. */
int reader_commits(struct reader *r, struct cs_err *err) CS_CHECKED;

/* ---- sending (reader.c) ---- */

int reader_send(struct reader *r, const struct frame *f, struct cs_err *err) CS_CHECKED;
int reader_flush(struct reader *r, struct cs_err *err) CS_CHECKED;
/* path may be longer than a frame holds: it is cut. */
int reader_finding(struct reader *r, enum capture_kind kind, const char *path, struct cs_err *err,
		   const char *fmt, ...) CS_CHECKED CS_PRINTF(5, 6);
/* A frame with a path and nothing else. */
int reader_send_path(struct reader *r, enum frame_type type, const char *path,
		     struct cs_err *err) CS_CHECKED;
int reader_send_file(struct reader *r, const char *path, bool executable, uint64_t size,
		     const struct text_stats *stats, struct cs_err *err) CS_CHECKED;
/* Is there room in the list for one more entry with so many bytes of path and target? Takes it. */
bool reader_has_room(struct reader *r, size_t bytes);
int reader_end(struct reader *r, struct cs_err *err) CS_CHECKED;

/* ---- the walk (walk.c) ---- */

int walk_layer(struct reader *r, struct cs_err *err) CS_CHECKED;

/* ---- the agent's git directory: hostile, and never a reason to fail ---- */

/* The commit that HEAD names, in hex; else false and why (static). */
bool head_read(char out[CS_OID_HEX], int git_fd, size_t oid_len, const char **why);

/* Opens a regular file beneath dir_fd for reading, and never waits. -1 with errno. */
int open_regular(struct stat *st, int dir_fd, const char *path);

#endif
