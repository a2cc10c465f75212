/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What content says about itself, piece by piece: is it text as git sees it, how many line ends
 * would be converted, and does it hold characters that a reader does not see.
 *
 * Life of each scan: zero-initialised, add any number of times, end once.
 */
#ifndef CAPTURE_CONTENT_H
#define CAPTURE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counted as git's convert.c does (gather_stats). */
struct text_stats {
	uint64_t nul;
	uint64_t lone_cr; /* not before a newline */
	uint64_t crlf;
	uint64_t printable;
	uint64_t nonprintable; /* NULs too */
};

struct text_scan {
	struct text_stats stats;
	bool cr; /* the last byte was a CR */
	unsigned char last;
};
void text_scan_add(struct text_scan *s, const void *data, size_t len);
void text_scan_end(struct text_scan *s);
/* git's heuristic for text=auto. */
bool text_is_binary(const struct text_stats *stats);

/*
 * Copies data to out (room for len + 1 bytes) without the CR of each CRLF; returns the length.
 * *held is a CR at the end of the piece before; the last piece is followed by a call with len 0,
 * which may return 1.
 */
size_t text_drop_cr(char *out, bool *held, const char *data, size_t len);

struct hidden_scan {
	uint64_t count;
	uint64_t line;	       /* of the first; from 1 */
	uint32_t first;	       /* its code point */
	uint64_t newlines;     /* so far */
	uint32_t before;       /* the code point before; 0 at the start */
	unsigned char part[4]; /* a sequence cut by the end of a piece */
	size_t part_len;
	bool started;
};
void hidden_scan_add(struct hidden_scan *s, const void *data, size_t len);

/* Finds "$Id:", which git's ident filter would empty. */
struct ident_scan {
	size_t matched;
	bool found;
};
void ident_scan_add(struct ident_scan *s, const char *data, size_t len);

/* Does the content start like a Git LFS pointer file (git-lfs/docs/spec.md)? */
bool content_is_lfs_pointer(const char *data, size_t len);

#endif
