/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include "countersign/base/clock.h"
#include "countersign/base/own.h"
#include "unit.h"

/*
 * The clock of this program: time passes when a test says so. It takes the place of the library's,
 * which the linker leaves out, because this program needs nothing else of clock.o.
 */
static int64_t now_ns = 1000;

int64_t cs_mono_ns(void)
{
	return now_ns;
}

static void pass_ms(int64_t ms)
{
	now_ns += ms * 1000000;
}

static struct cs_loop *loop;

static void setup(void)
{
	ck_assert_int_eq(cs_loop_new(&loop, NULL), 0);
}

static void teardown(void)
{
	cs_loop_free(loop);
}

static void step(void)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_loop_step(loop, 0, &err) == 0, "%s", err.msg);
}

/* ---- descriptors ------------------------------------------------------------------------- */

/* One side of a socket pair, and what its callback does. */
struct end {
	int fd;
	int other;
	int calls;
	uint32_t events;
	void (*then)(struct end *e);
	struct end *victim;
};

static void on_event(void *arg, int fd, uint32_t events)
{
	struct end *e = arg;

	ck_assert_int_eq(fd, e->fd);
	e->calls++;
	e->events = events;
	if (e->then)
		e->then(e);
}

static void add(struct end *e, uint32_t events)
{
	struct cs_err err = CS_ERR_INIT;

	ck_assert_msg(cs_loop_add(loop, e->fd, events, on_event, e, &err) == 0, "%s", err.msg);
}

static struct end open_end(void)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	return (struct end){ .fd = ends[0], .other = ends[1] };
}

static void close_end(struct end *e)
{
	cs_close(&e->fd);
	cs_close(&e->other);
}

START_TEST(events_reach_their_callback)
{
	struct end a = open_end();
	struct end b = open_end();

	add(&a, EPOLLIN);
	add(&b, EPOLLIN);
	step();
	ck_assert_int_eq(a.calls + b.calls, 0);
	ck_assert_int_eq(write(b.other, "x", 1), 1);
	step();
	ck_assert_int_eq(a.calls, 0);
	ck_assert_int_eq(b.calls, 1);
	ck_assert_uint_eq(b.events, EPOLLIN);
	step(); /* level-triggered: it is still there */
	ck_assert_int_eq(b.calls, 2);
	cs_close(&a.other);
	step();
	ck_assert_int_eq(a.calls, 1);
	ck_assert_uint_eq(a.events, EPOLLIN | EPOLLHUP);
	cs_loop_remove(loop, a.fd);
	cs_loop_remove(loop, b.fd);
	cs_loop_remove(loop, b.fd);
	step();
	ck_assert_int_eq(a.calls, 1);
	ck_assert_int_eq(b.calls, 3);
	close_end(&a);
	close_end(&b);
}
END_TEST

START_TEST(what_is_watched_can_change)
{
	struct end a = open_end();

	add(&a, EPOLLIN);
	ck_assert_int_eq(cs_loop_modify(loop, a.fd, EPOLLOUT), 0);
	step();
	ck_assert_uint_eq(a.events, EPOLLOUT);
	ck_assert_int_eq(cs_loop_modify(loop, a.fd, 0), 0);
	step();
	ck_assert_int_eq(a.calls, 1);
	cs_loop_remove(loop, a.fd);
	errno = 0;
	ck_assert_int_eq(cs_loop_modify(loop, a.fd, EPOLLIN), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(cs_loop_modify(loop, 100000, EPOLLIN), -1);
	ck_assert_int_eq(cs_loop_modify(loop, -1, EPOLLIN), -1);
	cs_loop_remove(loop, 100000);
	cs_loop_remove(loop, -1);
	close_end(&a);
}
END_TEST

START_TEST(what_cannot_be_watched)
{
	AUTO_FD int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	struct cs_err err = CS_ERR_INIT;
	struct end a = open_end();

	ck_assert_int_eq(cs_loop_add(loop, -1, EPOLLIN, on_event, NULL, &err), CS_MALFUNCTION);
	ck_assert_int_eq(err.sys_errno, EBADF);
	ck_assert_int_eq(cs_loop_add(loop, file, EPOLLIN, on_event, NULL, &err), CS_MALFUNCTION);
	ck_assert_int_eq(err.sys_errno, EPERM);
	add(&a, EPOLLIN);
	ck_assert_int_eq(cs_loop_add(loop, a.fd, EPOLLIN, on_event, NULL, &err), CS_MALFUNCTION);
	ck_assert_int_eq(err.sys_errno, EEXIST);
	ck_assert_int_eq(write(a.other, "x", 1), 1);
	step(); /* the first registration is as it was */
	ck_assert_int_eq(a.calls, 1);
	close_end(&a);
}
END_TEST

static void remove_victim(struct end *e)
{
	cs_loop_remove(loop, e->victim->fd);
}

static struct end fresh;

/* The victim's number comes back at once, for another socket, without anything to read. */
static void replace_victim(struct end *e)
{
	int number = e->victim->fd;

	cs_loop_remove(loop, number);
	close_end(e->victim);
	fresh = open_end();
	ck_assert_int_eq(dup2(fresh.fd, number), number);
	if (fresh.fd != number)
		close(fresh.fd);
	fresh.fd = number;
	add(&fresh, EPOLLIN);
}

static const struct {
	const char *name;
	void (*then)(struct end *e);
} removals[] = {
	{ "removed", remove_victim },
	{ "replaced", replace_victim },
};

/* Both are ready in one batch; whichever is called first removes the other. */
START_TEST(the_removed_are_not_called)
{
	struct end a = open_end();
	struct end b = open_end();

	a.then = b.then = removals[_i].then;
	a.victim = &b;
	b.victim = &a;
	ck_assert_int_eq(write(a.other, "x", 1), 1);
	ck_assert_int_eq(write(b.other, "x", 1), 1);
	add(&a, EPOLLIN);
	add(&b, EPOLLIN);
	step();
	ck_assert_msg(a.calls + b.calls == 1, "%s: %d and %d calls", removals[_i].name, a.calls,
		      b.calls);
	ck_assert_msg(!fresh.calls, "%s: the new one was called", removals[_i].name);
}
END_TEST

START_TEST(a_callback_may_remove_itself)
{
	struct end a = open_end();

	a.then = remove_victim;
	a.victim = &a;
	add(&a, EPOLLIN | EPOLLOUT);
	step();
	step();
	ck_assert_int_eq(a.calls, 1);
	add(&a, EPOLLOUT); /* and can come back */
	step();
	ck_assert_int_eq(a.calls, 2);
	close_end(&a);
}
END_TEST

/* More than one batch, and more than the table of descriptors has room for at first. */
START_TEST(many_descriptors)
{
	struct end ends[300];

	for (size_t i = 0; i < CS_COUNT(ends); i++) {
		ends[i] = open_end();
		add(&ends[i], EPOLLOUT);
	}
	for (int i = 0; i < 10; i++)
		step();
	for (size_t i = 0; i < CS_COUNT(ends); i++) {
		ck_assert_msg(ends[i].calls >= 1, "%zu was starved", i);
		cs_loop_remove(loop, ends[i].fd);
		close_end(&ends[i]);
	}
	step();
}
END_TEST

static void on_signal(void *arg, int fd, uint32_t events)
{
	struct signalfd_siginfo info;

	ck_assert_uint_eq(events, EPOLLIN);
	ck_assert_int_eq(read(fd, &info, sizeof(info)), sizeof(info));
	*(uint32_t *)arg = info.ssi_signo;
	cs_loop_stop(loop);
}

START_TEST(signals_are_descriptors)
{
	AUTO_FD int fd = -1;
	uint32_t got = 0;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	ck_assert_int_eq(cs_loop_add(loop, fd, EPOLLIN, on_signal, &got, NULL), 0);
	ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
	ck_assert_int_eq(cs_loop_run(loop, NULL), 0);
	ck_assert_uint_eq(got, SIGTERM);
}
END_TEST

/* ---- timers ------------------------------------------------------------------------------ */

/* What ran, in order. */
static char ran[4096];

static void note(void *arg)
{
	strcat(ran, arg);
}

static uint64_t after(int64_t ms, cs_timer_fn fn, const char *name)
{
	return cs_loop_after(loop, ms, fn, (void *)name);
}

START_TEST(timers_run_when_due)
{
	after(10, note, "b");
	after(5, note, "a");
	after(20, note, "d");
	after(10, note, "c");
	step();
	ck_assert_str_eq(ran, "");
	pass_ms(4);
	now_ns += 999999;
	step();
	ck_assert_str_eq(ran, ""); /* a nanosecond early */
	now_ns++;
	step();
	ck_assert_str_eq(ran, "a");
	pass_ms(100);
	step();
	ck_assert_str_eq(ran, "abcd");
	step();
	ck_assert_str_eq(ran, "abcd");
}
END_TEST

START_TEST(odd_delays)
{
	after(INT64_MAX, note, "never");
	after(INT64_MAX / 1000000, note, "never");
	after(-5, note, "now ");
	after(INT64_MIN, note, "now ");
	after(0, note, "now ");
	step();
	ck_assert_str_eq(ran, "now now now ");
	now_ns = INT64_MAX / 2;
	step();
	ck_assert_str_eq(ran, "now now now ");
}
END_TEST

START_TEST(cancelled_timers_do_not_run)
{
	uint64_t a = after(1, note, "a");
	uint64_t b = after(1, note, "b");

	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(a, b);
	cs_loop_cancel(loop, a);
	cs_loop_cancel(loop, a);
	cs_loop_cancel(loop, 0);
	pass_ms(1);
	step();
	ck_assert_str_eq(ran, "b");
	cs_loop_cancel(loop, b);
	ck_assert_uint_gt(after(1, note, "c"), b); /* ids are not used again */
}
END_TEST

static uint64_t victim;

static void cancel_victim(void *arg)
{
	note(arg);
	cs_loop_cancel(loop, victim);
}

static void again(void *arg)
{
	note(arg);
	cs_loop_after(loop, 0, again, arg);
}

START_TEST(a_timer_may_cancel_a_due_one)
{
	after(1, cancel_victim, "a");
	victim = after(1, note, "never");
	after(1, note, "c");
	pass_ms(2);
	step();
	ck_assert_str_eq(ran, "ac");
}
END_TEST

/* A timer that adds itself anew does not keep the loop from its descriptors. */
START_TEST(one_round_a_step)
{
	struct end a = open_end();

	add(&a, EPOLLOUT);
	after(0, again, "x");
	step();
	ck_assert_str_eq(ran, "x");
	step();
	ck_assert_str_eq(ran, "xx");
	ck_assert_int_eq(a.calls, 2);
	close_end(&a);
}
END_TEST

struct model {
	uint64_t id;
	int64_t deadline_ms;
	int state; /* 0: waits, 1: cancelled, 2: has run */
};

#define MODELS 2000

static struct model models[MODELS];
static struct model *latest;
static int64_t now_ms;

static void on_model(void *arg)
{
	struct model *m = arg;

	ck_assert_int_eq(m->state, 0);
	ck_assert_int_le(m->deadline_ms, now_ms);
	if (latest)
		ck_assert(latest->deadline_ms < m->deadline_ms ||
			  (latest->deadline_ms == m->deadline_ms && latest->id < m->id));
	latest = m;
	m->state = 2;
}

/* Any order of adding and cancelling: each runs once, when due, by deadline and then by age. */
START_TEST(the_heap_equals_a_model)
{
	unsigned int seed = 7;
	int n = 0;

	while (n < MODELS) {
		struct model *m = &models[n];

		if (rand_r(&seed) % 10 < 6) {
			m->deadline_ms = now_ms + rand_r(&seed) % 100;
			m->id = cs_loop_after(loop, m->deadline_ms - now_ms, on_model, m);
			n++;
		} else if (n && rand_r(&seed) % 2) {
			m = &models[rand_r(&seed) % n];
			cs_loop_cancel(loop, m->id);
			m->state = m->state ? m->state : 1;
		} else {
			now_ms += rand_r(&seed) % 5;
			now_ns = 1000 + now_ms * 1000000;
			latest = NULL;
			step();
		}
	}
	now_ms += 100;
	now_ns = 1000 + now_ms * 1000000;
	latest = NULL;
	step();
	for (int i = 0; i < n; i++)
		ck_assert_int_ne(models[i].state, 0);
}
END_TEST

/* ---- the loop ---------------------------------------------------------------------------- */

static void stop(void *arg)
{
	note(arg);
	cs_loop_stop(loop);
}

START_TEST(runs_until_stopped)
{
	after(0, note, "a");
	after(0, stop, "b");
	ck_assert_int_eq(cs_loop_run(loop, NULL), 0);
	ck_assert_str_eq(ran, "ab");
	cs_loop_stop(loop);
	ck_assert_int_eq(cs_loop_run(loop, NULL), 0); /* would wait for ever */
	after(0, stop, "c");
	ck_assert_int_eq(cs_loop_run(loop, NULL), 0); /* a stop counts once */
	ck_assert_str_eq(ran, "abc");
}
END_TEST

static void on_alarm(int sig)
{
	(void)sig;
}

/* The timer is due in a year; what ends the wait is the signal. */
START_TEST(a_signal_ends_a_step_without_error)
{
	struct sigaction act = { .sa_handler = on_alarm };
	struct cs_err err = CS_ERR_INIT;
	sigset_t set;

	ck_assert_int_eq(sigaction(SIGALRM, &act, NULL), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	ck_assert_int_eq(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
	after(INT64_C(365) * 86400000, note, "never");
	ualarm(10000, 10000); /* repeated: the first may come before the wait */
	ck_assert_int_eq(cs_loop_step(loop, -1, &err), 0);
	ualarm(0, 0);
	ck_assert_str_eq(ran, "");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/loop");
	TCase *tc = tcase_create("loop");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, events_reach_their_callback);
	tcase_add_test(tc, what_is_watched_can_change);
	tcase_add_test(tc, what_cannot_be_watched);
	tcase_add_loop_test(tc, the_removed_are_not_called, 0, CS_COUNT(removals));
	tcase_add_test(tc, a_callback_may_remove_itself);
	tcase_add_test(tc, many_descriptors);
	tcase_add_test(tc, signals_are_descriptors);
	tcase_add_test(tc, timers_run_when_due);
	tcase_add_test(tc, odd_delays);
	tcase_add_test(tc, cancelled_timers_do_not_run);
	tcase_add_test(tc, a_timer_may_cancel_a_due_one);
	tcase_add_test(tc, one_round_a_step);
	tcase_add_test(tc, the_heap_equals_a_model);
	tcase_add_test(tc, runs_until_stopped);
	tcase_add_test(tc, a_signal_ends_a_step_without_error);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
