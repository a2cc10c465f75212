/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The epoll loop. An event carries its descriptor and the generation of the registration that it
 * belongs to: events of one batch whose registration a callback has removed (or replaced under
 * the same number) are dropped. Timers are a heap ordered by deadline, then by age.
 */
#include "countersign/base/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>
#include "countersign/base/clock.h"
#include "countersign/base/own.h"

#define BATCH	  64
#define NS_PER_MS INT64_C(1000000)

struct watch {
	cs_loop_fn fn; /* NULL: none */
	void *arg;
	uint32_t generation;
};

struct timer {
	int64_t deadline_mono_ns;
	uint64_t id;
	cs_timer_fn fn;
	void *arg;
};

struct cs_loop {
	int epoll_fd;
	bool stop;
	uint32_t generation;   /* of the latest registration */
	struct watch *watches; /* indexed by descriptor */
	size_t n_watches;
	struct timer *timers; /* heap: the earliest first */
	size_t n_timers;
	size_t cap_timers;
	uint64_t last_timer;
};

int cs_loop_new(struct cs_loop **out, struct cs_err *err)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	struct cs_loop *loop;

	if (fd < 0)
		return cs_err_sys(err, "create an event loop");
	loop = cs_calloc(1, sizeof(*loop));
	loop->epoll_fd = fd;
	*out = loop;
	return 0;
}

void cs_loop_free(struct cs_loop *loop)
{
	if (!loop)
		return;
	cs_close(&loop->epoll_fd);
	free(loop->watches);
	free(loop->timers);
	free(loop);
}

/* ---- descriptors ------------------------------------------------------------------------- */

static struct watch *watch_of(struct cs_loop *loop, int fd)
{
	if (fd < 0 || (size_t)fd >= loop->n_watches || !loop->watches[fd].fn)
		return NULL;
	return &loop->watches[fd];
}

static int control(struct cs_loop *loop, int op, int fd, uint32_t events, uint32_t generation)
{
	struct epoll_event e = {
		.events = events,
		.data.u64 = (uint64_t)generation << 32 | (uint32_t)fd,
	};

	return epoll_ctl(loop->epoll_fd, op, fd, &e);
}

static void make_room(struct cs_loop *loop, size_t n)
{
	size_t cap = loop->n_watches ? loop->n_watches : 16;

	if (n <= loop->n_watches)
		return;
	while (cap < n)
		cap *= 2;
	loop->watches = cs_realloc(loop->watches, cap, sizeof(*loop->watches));
	memset(loop->watches + loop->n_watches, 0,
	       (cap - loop->n_watches) * sizeof(*loop->watches));
	loop->n_watches = cap;
}

int cs_loop_add(struct cs_loop *loop, int fd, uint32_t events, cs_loop_fn fn, void *arg,
		struct cs_err *err)
{
	uint32_t generation = ++loop->generation;

	if (control(loop, EPOLL_CTL_ADD, fd, events, generation) < 0)
		return cs_err_sys(err, "watch descriptor %d", fd);
	make_room(loop, (size_t)fd + 1);
	loop->watches[fd] = (struct watch){ .fn = fn, .arg = arg, .generation = generation };
	return 0;
}

int cs_loop_modify(struct cs_loop *loop, int fd, uint32_t events)
{
	const struct watch *w = watch_of(loop, fd);

	if (!w) {
		errno = ENOENT;
		return -1;
	}
	return control(loop, EPOLL_CTL_MOD, fd, events, w->generation);
}

void cs_loop_remove(struct cs_loop *loop, int fd)
{
	struct watch *w = watch_of(loop, fd);

	if (!w)
		return;
	w->fn = NULL;
	control(loop, EPOLL_CTL_DEL, fd, 0, 0); /* fails only when it is not there any more */
}

static void dispatch(struct cs_loop *loop, const struct epoll_event *e)
{
	int fd = (int)(uint32_t)e->data.u64;
	const struct watch *w = watch_of(loop, fd);

	if (w && w->generation == (uint32_t)(e->data.u64 >> 32))
		w->fn(w->arg, fd, e->events); /* w may be gone when it returns */
}

/* ---- timers ------------------------------------------------------------------------------ */

static bool earlier(const struct timer *a, const struct timer *b)
{
	if (a->deadline_mono_ns != b->deadline_mono_ns)
		return a->deadline_mono_ns < b->deadline_mono_ns;
	return a->id < b->id;
}

static bool swap_if_earlier(struct timer *a, struct timer *b)
{
	struct timer tmp = *a;

	if (!earlier(b, a))
		return false;
	*a = *b;
	*b = tmp;
	return true;
}

static void sift_up(struct timer *heap, size_t i)
{
	while (i && swap_if_earlier(&heap[(i - 1) / 2], &heap[i]))
		i = (i - 1) / 2;
}

static void sift_down(struct timer *heap, size_t n, size_t i)
{
	for (;;) {
		size_t least = 2 * i + 1;

		if (least + 1 < n && earlier(&heap[least + 1], &heap[least]))
			least++;
		if (least >= n || !swap_if_earlier(&heap[i], &heap[least]))
			return;
		i = least;
	}
}

static void remove_timer(struct cs_loop *loop, size_t i)
{
	loop->timers[i] = loop->timers[--loop->n_timers];
	if (i == loop->n_timers)
		return;
	sift_up(loop->timers, i);
	sift_down(loop->timers, loop->n_timers, i);
}

uint64_t cs_loop_after(struct cs_loop *loop, int64_t ms, cs_timer_fn fn, void *arg)
{
	struct timer t = { .id = ++loop->last_timer, .fn = fn, .arg = arg };

	if (__builtin_mul_overflow(ms > 0 ? ms : 0, NS_PER_MS, &t.deadline_mono_ns) ||
	    __builtin_add_overflow(t.deadline_mono_ns, cs_mono_ns(), &t.deadline_mono_ns))
		t.deadline_mono_ns = INT64_MAX;
	CS_GROW(loop->timers, loop->n_timers, loop->cap_timers);
	loop->timers[loop->n_timers] = t;
	sift_up(loop->timers, loop->n_timers++);
	return t.id;
}

void cs_loop_cancel(struct cs_loop *loop, uint64_t timer)
{
	for (size_t i = 0; i < loop->n_timers; i++) {
		if (loop->timers[i].id != timer)
			continue;
		remove_timer(loop, i);
		return;
	}
}

/* Runs what is due; not what these callbacks add, so that descriptors get their turn. */
static void run_timers(struct cs_loop *loop)
{
	int64_t now = cs_mono_ns();
	uint64_t last = loop->last_timer;

	while (loop->n_timers && loop->timers[0].deadline_mono_ns <= now &&
	       loop->timers[0].id <= last) {
		struct timer due = loop->timers[0];

		remove_timer(loop, 0);
		due.fn(due.arg);
	}
}

/* The shorter of timeout_ms and the time to the next timer, rounded up: never early. */
static int wait_ms(const struct cs_loop *loop, int timeout_ms)
{
	int64_t ms;

	if (!loop->n_timers)
		return timeout_ms;
	ms = loop->timers[0].deadline_mono_ns - cs_mono_ns();
	ms = ms <= 0 ? 0 : (ms - 1) / NS_PER_MS + 1;
	if (ms > INT_MAX)
		ms = INT_MAX;
	return timeout_ms < 0 || ms < timeout_ms ? (int)ms : timeout_ms;
}

/* ---- the loop ---------------------------------------------------------------------------- */

int cs_loop_step(struct cs_loop *loop, int timeout_ms, struct cs_err *err)
{
	struct epoll_event events[BATCH];
	int n = epoll_wait(loop->epoll_fd, events, BATCH, wait_ms(loop, timeout_ms));

	if (n < 0 && errno != EINTR)
		return cs_err_sys(err, "wait for events");
	for (int i = 0; i < n; i++)
		dispatch(loop, &events[i]);
	run_timers(loop);
	return 0;
}

int cs_loop_run(struct cs_loop *loop, struct cs_err *err)
{
	while (!loop->stop) {
		int rc = cs_loop_step(loop, -1, err);

		if (rc < 0)
			return rc;
	}
	loop->stop = false;
	return 0;
}

void cs_loop_stop(struct cs_loop *loop)
{
	loop->stop = true;
}
