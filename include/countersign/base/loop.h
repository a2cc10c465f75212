/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One epoll loop: descriptors with callbacks, and timers. Signals are descriptors as well: block
 * them and add a signalfd, a pidfd for children. Single-threaded; callbacks may add and remove
 * anything, themselves too, but not free the loop or step it. What a callback removed is not
 * called any more, even when its event had been reported already. Life: new, add, run, free.
 */
#ifndef COUNTERSIGN_BASE_LOOP_H
#define COUNTERSIGN_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "countersign/base/err.h"

struct cs_loop;

/* events: EPOLLIN | EPOLLHUP | ... as epoll_wait(2) reported them. */
typedef void (*cs_loop_fn)(void *arg, int fd, uint32_t events);
typedef void (*cs_timer_fn)(void *arg);

int cs_loop_new(struct cs_loop **out, struct cs_err *err) CS_CHECKED;
void cs_loop_free(struct cs_loop *loop); /* NULL is nothing; closes no descriptor of the caller */

/* The loop borrows fd: remove it before closing it. events: EPOLLIN, EPOLLOUT, EPOLLET. */
int cs_loop_add(struct cs_loop *loop, int fd, uint32_t events, cs_loop_fn fn, void *arg,
		struct cs_err *err) CS_CHECKED;
int cs_loop_modify(struct cs_loop *loop, int fd, uint32_t events); /* 0, or -1 with errno */
void cs_loop_remove(struct cs_loop *loop, int fd); /* nothing where fd was not added */

/*
 * One shot, not before ms milliseconds; returns an id for cs_loop_cancel (never 0). Timers run
 * after the descriptors of a step, by deadline, equal ones in the order in which they were added.
 */
uint64_t cs_loop_after(struct cs_loop *loop, int64_t ms, cs_timer_fn fn, void *arg);
void cs_loop_cancel(struct cs_loop *loop, uint64_t timer); /* nothing when it has run */

/* Waits once (at most timeout_ms, -1: without end) and dispatches. 0 or CS_MALFUNCTION. */
int cs_loop_step(struct cs_loop *loop, int timeout_ms, struct cs_err *err) CS_CHECKED;
/* Steps until cs_loop_stop() is called; a stop before the start counts. */
int cs_loop_run(struct cs_loop *loop, struct cs_err *err) CS_CHECKED;
void cs_loop_stop(struct cs_loop *loop);

#endif
