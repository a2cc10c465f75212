/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: a checked list and a stream of contents become blobs and a tree. */
#ifndef CAPTURE_WRITER_H
#define CAPTURE_WRITER_H

#include "base_tree.h"
#include "list.h"
#include "stream.h"

struct writer {
	const struct cs_capture_opts *opts;
	struct list *list;
	struct stream *stream;
	struct base_tree base;	/* the start: what the layer lies on */
	struct base_tree since; /* what findings are told against */
	struct cs_blob_writer *blobs;
	struct cs_tree_update *updates; /* their paths are owned */
	size_t n_updates, cap_updates;
	uint64_t done; /* bytes of content */
};

/*
 * Writes the contents that s sends for the list and returns the tree. Findings go to the list's.
 */
int writer_run(struct cs_oid *tree, const struct cs_capture_opts *opts, struct list *list,
	       struct stream *s, struct cs_err *err) CS_CHECKED;

/* One file from the stream to the blob writer, line ends as the base wants them (blob.c). */
int writer_blob(struct writer *w, struct item *item, const struct base_entry *was,
		struct cs_err *err) CS_CHECKED;
/* Takes the content of a file from the stream and forgets it. */
int writer_pass_over(struct writer *w, const struct item *item, struct cs_err *err) CS_CHECKED;

#endif
