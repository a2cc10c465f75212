/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program in the sandbox may send to the user's terminal: a filter between the two, pure and
 * with bounded state. Text and the sequences of one table pass; others are dropped; what is no
 * sequence at all becomes visible text (cs_escape_terminal). Input may be cut anywhere: the
 * concatenated output is the same. A sequence is put out whole or not at all.
 *
 * The filter remembers which modes the program left changed, so that the terminal can be given
 * back: cs_terminal_leave() when the program is suspended or has ended, cs_terminal_enter() when it
 * goes on.
 *
 * Life: CS_TERMINAL_INIT (or zeroes), filter..., end. No memory is held.
 */
#ifndef COUNTERSIGN_BASE_TERMINAL_H
#define COUNTERSIGN_BASE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "countersign/base/buf.h"

#define CS_TERMINAL_MAX_HELD  4096 /* longest string; what is longer is shown as text */
#define CS_TERMINAL_MAX_CSI   256  /* longest control sequence */
#define CS_TERMINAL_MAX_KEYS  8	   /* pushes of the kitty keyboard protocol, on each screen */
#define CS_TERMINAL_MAX_MODES 32

enum cs_terminal_flags {
	CS_TERMINAL_NO_QUERIES = 1, /* nobody reads the answers: queries are dropped */
	CS_TERMINAL_EIGHT_BIT = 2,  /* the terminal is not in UTF-8: bytes 80-9f never pass */
};

struct cs_terminal {
	unsigned flags;
	/* The parser: what is held has not been put out. */
	uint8_t state;
	uint8_t need; /* bytes of the UTF-8 sequence that is held */
	uint16_t len;
	/* What the program has changed and not changed back. */
	uint32_t modes; /* bits: rows of the table of private modes */
	bool alternate, region, origin, moved, rendition, charset, keypad, insert, cursor_shape,
		other_keys;
	bool in_line;	   /* the last thing put out was no newline */
	uint8_t n_keys[2]; /* by screen: main, alternate */
	uint8_t keys[2][CS_TERMINAL_MAX_KEYS];
	uint64_t queries; /* that passed: their answers come as input */
	uint64_t refused; /* sequences that were dropped */
	char held[CS_TERMINAL_MAX_HELD];
};
#define CS_TERMINAL_INIT \
	{                \
		0        \
	}

/* Appends to `out` what may be shown of the next `len` bytes. */
void cs_terminal_filter(struct cs_buf *out, struct cs_terminal *t, const void *data, size_t len);
/* The input has ended: what is held becomes visible text. */
void cs_terminal_end(struct cs_buf *out, struct cs_terminal *t);
/*
 * Appends what gives the terminal back: main screen, no scroll region, plain rendition, the usual
 * keys, no mouse, a visible cursor on a fresh line with nothing below it that the program wrote.
 * Nothing for a program that changed nothing. The state is kept, for cs_terminal_enter().
 */
void cs_terminal_leave(struct cs_buf *out, const struct cs_terminal *t);
/* Appends what brings the modes back that cs_terminal_leave() reset; the program draws anew. */
void cs_terminal_enter(struct cs_buf *out, const struct cs_terminal *t);

#endif
