/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the confined reader says to the writer, over one pipe, in one direction: so a reader that
 * was taken over can say nothing but this, and is believed in nothing.
 *
 * A stream is a row of frames. A frame is a head of 24 bytes in the machine's byte order, then
 * path_len bytes, then data_len bytes:
 *
 *	offset	0	 1     2	4	  8	    12	   16
 *		type u8, flag, zero u16, path_len, data_len, zero, size u64
 *
 * First the list, in any order, no path twice:
 *
 *	type	path		data		size		flag
 *	FILE	path		struct text_statscontent length	1: executable
 *	LINK	path		target
 *	DELETE	path						(directories too)
 *	CLOSED	path						(its owner may not read it)
 *	FINDING	path or ""	detail				enum capture_kind
 *	HEAD			commit id, hex
 *	COMMIT	commit id, hex	message
 *	END					number of frames before it
 *
 * then, for each FILE in the order of the list, its content in frames
 *
 *	DATA			1 to 64 KiB
 *
 * until exactly `size` bytes have come, and then the end of the stream. The writer so knows every
 * length before the first byte of content. Instead of any frame:
 *
 *	ERROR			what failed			-enum cs_code
 *
 * Every number is held against the table of maxima in protocol.c before it is used; a frame that
 * does not fit ends the capture with CS_CORRUPT.
 */
#ifndef CAPTURE_PROTOCOL_H
#define CAPTURE_PROTOCOL_H

#include "content.h"
#include "countersign/capture.h"
#include "finding.h"

enum frame_type {
	FRAME_NONE = 0,
	FRAME_FILE,
	FRAME_LINK,
	FRAME_DELETE,
	FRAME_CLOSED,
	FRAME_FINDING,
	FRAME_HEAD,
	FRAME_COMMIT,
	FRAME_END,
	FRAME_DATA,
	FRAME_ERROR,
	FRAME_COUNT,
};

#define FRAME_HEAD_LEN	 24
#define FRAME_DATA_MAX	 65536
#define FRAME_DETAIL_MAX 1024 /* of a finding or an error */
#define FRAME_EXECUTABLE 1

/*
 * Most frames in a list, and most bytes of paths and link targets. The reader stops short of both
 * and tells what it passed over; findings of one kind beyond FINDINGS_SEND_MAX it only counts.
 */
#define LIST_MAX	  (1u << 20)
#define LIST_ENTRIES_MAX  1000000u
#define LIST_BYTES_MAX	  (128u << 20)
#define FINDINGS_SEND_MAX 1100u
_Static_assert(LIST_ENTRIES_MAX + (uint64_t)KIND_COUNT * (FINDINGS_SEND_MAX + 1) + 2 < LIST_MAX,
	       "the reader's own maxima fit the writer's");
_Static_assert(FINDINGS_SEND_MAX > CS_FINDINGS_MAX_KIND, "as many as are kept, and one more");

/* What a tree may hold, and the content that one capture takes in: beyond, findings. */
#define CAPTURE_DEPTH_MAX   1024 /* names in a path; lib/repo and lib/change take as many */
#define CAPTURE_FILE_MAX    (UINT64_C(2) << 30)
#define CAPTURE_CONTENT_MAX (UINT64_C(8) << 30)

/* The agent's commits: how many, and how long a message. */
#define COMMITS_MAX	   1000
#define COMMIT_MESSAGE_MAX 65536

struct frame {
	enum frame_type type;
	unsigned int flag;
	const char *path; /* not terminated; borrowed */
	size_t path_len;
	const char *data;
	size_t data_len;
	uint64_t size;
};

/* Appends the frame's bytes. */
void frame_format(struct cs_buf *out, const struct frame *f);

/*
 * Parses the frame at the start of the bytes; it borrows from them. Returns its length, 0 where
 * bytes are missing, CS_CORRUPT.
 */
ssize_t frame_parse(struct frame *out, const char *data, size_t len, struct cs_err *err) CS_CHECKED;

#endif
