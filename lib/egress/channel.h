/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's end of the socket to its owner: events out, answers in. Events are never dropped:
 * while the owner does not read, they wait here, and above a mark the relay takes no new
 * connections and no queries.
 */
#ifndef CS_EGRESS_CHANNEL_H
#define CS_EGRESS_CHANNEL_H

#include "countersign/egress.h"

/*
 * The first message, before any event: how the start went. Same size as no event, so that the two
 * cannot be taken for each other.
 */
struct cs_egress_ready {
	int32_t code; /* 0, or an enum cs_code with msg */
	int32_t landlock_abi;
	char msg[480];
};

struct cs_channel_ops {
	void (*on_answer)(void *arg, const struct cs_egress_answer *answer);
	void (*on_crowded)(void *arg, bool crowded); /* stop, or go on, making events */
	void (*on_end)(void *arg);		     /* the owner asks for the end, or is gone */
	void *arg;
};

struct cs_channel;
/* Takes fd (a connected SEQPACKET socket), on failure too. */
int cs_channel_new(struct cs_channel **out, struct cs_loop *loop, int fd,
		   const struct cs_channel_ops *ops, struct cs_err *err) CS_CHECKED;
void cs_channel_send(struct cs_channel *channel, const struct cs_egress_event *event);
/* Waits at most timeout_ms until all events are with the owner. */
void cs_channel_flush(struct cs_channel *channel, int timeout_ms);
void cs_channel_free(struct cs_channel *channel);

#endif
