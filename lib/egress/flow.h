/* SPDX-License-Identifier: Apache-2.0 */
/* Moves bytes from one socket to another: one direction of a connection. */
#ifndef CS_EGRESS_FLOW_H
#define CS_EGRESS_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A socket watched edge-triggered: what epoll said last, until a call says EAGAIN. */
struct cs_end {
	int fd;
	bool readable, writable;
};

/* Bytes on their way. */
struct cs_chunk {
	size_t cap, len, sent;
	uint8_t data[];
};

/*
 * Where chunks come from: large ones (4 MiB) while they take less than 32 MiB together, then small
 * ones (1,024 connections that nobody reads hold 64 MiB more). Of a chunk only the pages that bytes
 * come to are memory.
 */
struct cs_chunks {
	struct cs_chunk *spare; /* one large chunk is kept */
	size_t large;		/* large ones in use */
};
struct cs_chunk *cs_chunk_new(struct cs_chunks *chunks);
/* A chunk of exactly this capacity, given back in the same way. */
struct cs_chunk *cs_chunk_sized(size_t cap);
void cs_chunk_free(struct cs_chunks *chunks, struct cs_chunk *chunk);
void cs_chunks_release(struct cs_chunks *chunks);

struct cs_flow {
	struct cs_end *from, *to;
	struct cs_chunk *chunk; /* NULL: nothing on its way; else goes first */
	bool eof;		/* `from` has ended */
	bool done;		/* and `to` has been told: nothing more will come */
	uint64_t bytes;		/* written to `to` */
};

enum cs_flow_result {
	CS_FLOW_BROKEN = -1, /* errno */
	CS_FLOW_WAITS = 0,   /* for an edge, or is done */
	CS_FLOW_AGAIN = 1,   /* could go on: let others have their turn first */
};
enum cs_flow_result cs_flow_pump(struct cs_flow *flow, struct cs_chunks *chunks);

#endif
