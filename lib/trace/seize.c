/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seize on exec: from a waiting call to what became of it.
 *
 *	PTRACE_SEIZE (TRACEEXEC, EXITKILL), PTRACE_INTERRUPT, answer CONTINUE; then exactly one of
 *	  PTRACE_EVENT_EXEC	the new image is stopped before its first instruction: read, judge,
 *				detach; or deny (deny.c)
 *	  PTRACE_EVENT_STOP	the call failed: detach
 *	  the thread's end	it was killed meanwhile
 *
 * PTRACE_INTERRUPT is what makes it exactly one: without it, a thread whose exec failed would stay
 * seized until its next signal. It cannot end the call itself, only stop the way back from it, and
 * disappears with a detach. Where the wait for the answer can be interrupted (before Linux 5.19)
 * it comes after the answer.
 *
 * Never two seized threads of one process: SEIZE takes the target's cred_guard_mutex. A sibling in
 * exec holds it while it waits for all other threads to be gone; and a seized thread is gone only
 * when its tracer, we, have reaped it. So we would sleep in SEIZE for what only we can do. Further
 * calls of a process wait in its queue. (Two threads that exec together are all it takes.) The
 * caller's memory is not touched either while its process has a call in hand.
 *
 * The mutex can be held for long by others: an exec that waits for a thread which is traced inside
 * and never reaped, or in uninterruptible sleep. A timer therefore ends each SEIZE that does not
 * return. A handler that merely returned would restart the call, so it jumps. Then the exec is
 * refused with EPERM, and reported. The limit shrinks with each such refusal and grows slowly
 * again, so that a run which provokes them on purpose stalls the supervisor little.
 *
 * EXITKILL: when the supervisor dies, a thread that stands at its exec must not go on unjudged.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define GUARD_SIGNAL	 SIGRTMAX
#define GUARD_MAX_NS	 50000000
#define GUARD_MIN_NS	 2000000
#define GUARD_STEP_NS	 1000000
#define GUARD_PULSE_NS	 10000000
#define GUARD_TRIES	 3
#define SEIZE_OPTIONS	 (PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
#define SECCOMP_KILLABLE (1UL << 5) /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19 */

/* Signal state: a handler has no other way to it. Of the thread that owns the timer. */
static __thread sigjmp_buf guard_jump;
static __thread volatile sig_atomic_t guard_armed;

static void on_guard(int sig)
{
	(void)sig;
	if (!guard_armed)
		return;
	guard_armed = 0;
	siglongjmp(guard_jump, 1);
}

/* The flags are looked at before the pointer to the program. */
static bool waits_killable(void)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_KILLABLE, NULL) < 0 &&
	       errno == EFAULT;
}

int seize_init(struct cs_trace *trace, struct cs_err *err)
{
	struct guard *g = &trace->guard;
	/* NODEFER: the jump leaves the handler for good, and restores no signal mask. */
	struct sigaction act = { .sa_handler = on_guard, .sa_flags = SA_NODEFER | SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = GUARD_SIGNAL };
	sigset_t set;

	event._sigev_un._tid = gettid(); /* glibc 2.36 has no other name for it */
	if (timer_create(CLOCK_MONOTONIC, &event, &g->timer) < 0)
		return cs_err_sys(err, "create a timer");
	sigaction(GUARD_SIGNAL, &act, &g->before); /* cannot fail: a valid signal */
	sigemptyset(&set);
	sigaddset(&set, GUARD_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	g->limit_ns = GUARD_MAX_NS;
	g->ready = true;
	trace->killable = waits_killable();
	return 0;
}

/* The handler returns, and the signal alone has ended the wait. */
void guard_start(const struct guard *g)
{
	const struct itimerspec pulse = { { .tv_nsec = GUARD_PULSE_NS },
					  { .tv_nsec = GUARD_PULSE_NS } };

	timer_settime(g->timer, 0, &pulse, NULL);
}

void guard_stop(const struct guard *g)
{
	const struct itimerspec off = { 0 };

	timer_settime(g->timer, 0, &off, NULL);
}

/* ---- SEIZE and what it says -------------------------------------------------------------- */

static int seize_or_jump(const struct guard *g, pid_t tid)
{
	const struct itimerspec limit = { .it_value.tv_nsec = g->limit_ns };
	const struct itimerspec off = { 0 };
	long rc;
	int saved;

	if (sigsetjmp(guard_jump, 0)) {
		errno = ETIMEDOUT;
		return -1;
	}
	guard_armed = 1;
	timer_settime(g->timer, 0, &limit, NULL);
	rc = ptrace(PTRACE_SEIZE, tid, NULL, SEIZE_OPTIONS);
	saved = errno;
	guard_armed = 0;
	timer_settime(g->timer, 0, &off, NULL);
	errno = saved;
	return (int)rc;
}

/*
 * The time may have gone by while we were not running ourselves, on a machine with much to do.
 * (Once in 400,000 calls with twenty processes to a core.) So a call has more than one try.
 */
static int seize(struct guard *g, pid_t tid)
{
	for (int tries = 0; tries < GUARD_TRIES; tries++) {
		int rc = seize_or_jump(g, tid);

		if (!rc && g->limit_ns < GUARD_MAX_NS)
			g->limit_ns += GUARD_STEP_NS;
		if (!rc || errno != ETIMEDOUT)
			return rc;
		/* The signal may have come just behind the success: only a tracer may do this. */
		if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0)
			return 0;
	}
	g->limit_ns = g->limit_ns / 2 > GUARD_MIN_NS ? g->limit_ns / 2 : GUARD_MIN_NS;
	errno = ETIMEDOUT;
	return -1;
}

static const char *why_not(int seize_errno, int proc_fd)
{
	struct proc_status status;

	if (seize_errno != EPERM)
		return "busy";
	if (proc_status_read(&status, proc_fd) && status.tracer)
		return "traced";
	return "unreadable";
}

/* The call cannot be watched: to be judged by what its memory says. */
static void go_unverified(struct cs_trace *trace, const struct call *call, pid_t tgid, int proc_fd,
			  int seize_errno)
{
	char reason[CS_TRACE_REASON_MAX];
	struct cs_trace_exec exec;
	enum cs_trace_verdict verdict;

	if (!listener_is_valid(trace, call->id))
		return; /* the caller is dead, and that is why */
	image_guess(&exec, trace, call, tgid, proc_fd, why_not(seize_errno, proc_fd));
	/* What was read belonged to the caller only if it still waits. */
	if (!listener_is_valid(trace, call->id))
		return;
	verdict = trace_report(trace, &exec, reason);
	if (verdict == CS_TRACE_RUN && seize_errno == EPERM) {
		exit_watch(trace, tgid, -1);
		listener_answer(trace, call->id, 0);
		return;
	}
	trace->counts.denied++;
	listener_answer(trace, call->id, seize_errno == EPERM ? EACCES : EPERM);
}

/* ---- one call of a process at a time ----------------------------------------------------- */

/*
 * The process of a thread. A leader's pidfd can be had, other threads' not (they give ENOENT or
 * EINVAL): so the common case costs one call, and yields the *pidfd that exit.c needs anyway.
 */
pid_t seize_process_of(pid_t tid, int *pidfd)
{
	AUTO_FD int proc_fd = -1;
	struct proc_status status;

	*pidfd = (int)syscall(SYS_pidfd_open, tid, 0);
	if (*pidfd >= 0)
		return tid;
	proc_fd = proc_open(tid);
	return proc_status_read(&status, proc_fd) ? status.tgid : tid;
}

static void tracee_free(struct tracee *t)
{
	while (t->first) {
		struct call *call = t->first;

		t->first = call->next;
		t->trace->n_waiting--;
		free(call);
	}
	if (t->timer)
		cs_loop_cancel(t->trace->loop, t->timer);
	cs_close(&t->pidfd);
	cs_close(&t->proc_fd);
	free(t->asked);
	free(t);
}

static struct tracee *tracee_new(struct cs_trace *trace, pid_t tid, pid_t tgid, const char *asked)
{
	struct tracee *t = cs_calloc(1, sizeof(*t));

	*t = (struct tracee){ .trace = trace, .tid = tid, .tgid = tgid, .pidfd = -1 };
	t->proc_fd = -1;
	t->asked = cs_strdup(asked);
	pidmap_set(&trace->tracees, tid, t);
	pidmap_set(&trace->processes, tgid, t);
	return t;
}

/*
 * Paths that have led to an image will do so again: no need to look whether they exist. Only a
 * hint: where it is wrong, by a change or a collision, the kernel says what is missing.
 */
static uint64_t hash_of(const char *path)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	while (*path)
		h = (h ^ (unsigned char)*path++) * UINT64_C(1099511628211);
	return h;
}

static bool has_run_lately(const struct cs_trace *trace, const char *path)
{
	uint64_t h = hash_of(path);

	return trace->ran_lately[h % CS_COUNT(trace->ran_lately)] == h;
}

static void note_run(struct cs_trace *trace, const char *path)
{
	uint64_t h = hash_of(path);

	trace->ran_lately[h % CS_COUNT(trace->ran_lately)] = h;
}

/* True when the call has been answered: it asks for what does not exist. */
static bool answer_missing(struct cs_trace *trace, const struct call *call)
{
	image_copy_string(trace->asked, sizeof(trace->asked), call->tid, call->path);
	if (has_run_lately(trace, trace->asked) || !listener_is_missing(trace->asked, call->tid))
		return false;
	trace->counts.failed_execs++;
	listener_answer(trace, call->id, ENOENT);
	return true;
}

/* Takes pidfd. NULL when the call has been answered without a seizure. */
static struct tracee *begin(struct cs_trace *trace, const struct call *call, pid_t tgid, int pidfd)
{
	AUTO_FD int own_pidfd = pidfd;
	AUTO_FD int proc_fd = proc_open(call->tid);
	struct tracee *t;

	if (seize(&trace->guard, call->tid) < 0) {
		go_unverified(trace, call, tgid, proc_fd, errno);
		return NULL;
	}
	t = tracee_new(trace, call->tid, tgid, trace->asked);
	t->pidfd = cs_steal_fd(&own_pidfd);
	t->proc_fd = cs_steal_fd(&proc_fd);
	/* Fails for a thread that has been killed: its end will be reported. */
	if (trace->killable)
		ptrace(PTRACE_INTERRUPT, call->tid, NULL, NULL);
	listener_answer(trace, call->id, 0);
	if (!trace->killable)
		ptrace(PTRACE_INTERRUPT, call->tid, NULL, NULL);
	return t;
}

static void enqueue(struct tracee *t, const struct call *call)
{
	struct cs_trace *trace = t->trace;
	struct call *copy;

	if (trace->n_waiting >= CS_TRACE_QUEUE_MAX) {
		trace->counts.refused++;
		listener_answer(trace, call->id, EAGAIN);
		return;
	}
	copy = cs_malloc(sizeof(*copy));
	*copy = *call;
	copy->next = NULL;
	if (t->first)
		t->last->next = copy;
	else
		t->first = copy;
	t->last = copy;
	trace->n_waiting++;
}

void seize_submit(struct cs_trace *trace, const struct call *call)
{
	/* Nobody has a call in hand? Then neither has its process, whichever that is. */
	bool idle = !trace->processes.n;
	struct tracee *busy;
	int pidfd;
	pid_t tgid;

	if (idle && answer_missing(trace, call))
		return;
	tgid = seize_process_of(call->tid, &pidfd);
	busy = pidmap_get(&trace->processes, tgid);
	if (!busy && (idle || !answer_missing(trace, call))) {
		begin(trace, call, tgid, pidfd);
		return;
	}
	cs_close(&pidfd);
	if (busy)
		enqueue(busy, call);
}

/* t is seized no longer. The next call of its process, if its caller still lives, has its turn. */
static void finish(struct tracee *t)
{
	struct cs_trace *trace = t->trace;
	struct tracee *next = NULL;

	pidmap_take(&trace->tracees, t->tid);
	if (pidmap_get(&trace->processes, t->tgid) == t)
		pidmap_take(&trace->processes, t->tgid);
	while (t->first && !next) {
		struct call *call = t->first;

		t->first = call->next;
		trace->n_waiting--;
		if (listener_is_valid(trace, call->id) && !answer_missing(trace, call))
			next = begin(trace, call, t->tgid, -1);
		free(call);
	}
	if (next && t->first) {
		next->first = t->first;
		next->last = t->last;
		t->first = NULL;
	}
	tracee_free(t);
	listener_resume(trace);
}

/* ---- stops ------------------------------------------------------------------------------- */

static void let_go(struct tracee *t, int sig)
{
	/* ESRCH: killed at the stop. It is ours until waitpid has told of its end. */
	if (ptrace(PTRACE_DETACH, t->tid, NULL, sig) == 0)
		finish(t);
}

/* Still at its stop, and not on the way to its end by SIGKILL. */
static bool stands(const struct tracee *t)
{
	unsigned long ignored;

	return ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &ignored) == 0;
}

/* The image of t stands at its first instruction, and its digest is known or cannot be. */
static void judge(struct tracee *t, const struct stat *exe, const char *digest)
{
	struct cs_trace *trace = t->trace;
	char reason[CS_TRACE_REASON_MAX];
	struct cs_trace_exec exec;

	image_read(&exec, trace, t, exe, digest);
	if (!exec.verified && !stands(t))
		return; /* killed at the stop, so there is nothing to read, and nothing has run */
	if (trace_report(trace, &exec, reason) == CS_TRACE_RUN) {
		exit_watch(trace, t->tgid, cs_steal_fd(&t->pidfd));
		let_go(t, 0);
	} else {
		trace->counts.denied++;
		deny_start(t, reason);
	}
}

static void at_exec(struct tracee *t)
{
	const char *digest = "";
	struct stat exe;
	bool known = fstatat(t->proc_fd, "exe", &exe, 0) == 0;

	if (t->pidfd < 0) /* another thread than the leader called */
		t->pidfd = (int)syscall(SYS_pidfd_open, t->tgid, 0);
	note_run(t->trace, t->asked);
	if (known)
		digest = digest_get(t, &exe);
	if (digest)
		judge(t, known ? &exe : NULL, digest);
	else
		t->stage = STAGE_HELD;
}

void seize_digest_known(struct tracee *t, const char *hex)
{
	struct stat exe;
	bool known = fstatat(t->proc_fd, "exe", &exe, 0) == 0;

	t->job = NULL;
	t->stage = STAGE_CALL;
	judge(t, known ? &exe : NULL, hex);
}

/* A thread that was not the leader has taken the leader's place and number. */
static struct tracee *adopt(struct cs_trace *trace, pid_t tgid)
{
	unsigned long former = 0;
	struct tracee *t;

	ptrace(PTRACE_GETEVENTMSG, tgid, NULL, &former);
	t = pidmap_take(&trace->tracees, (pid_t)former);
	if (!t) /* not in our books, and ours: judged all the same */
		t = tracee_new(trace, tgid, tgid, "");
	t->tid = tgid;
	pidmap_set(&trace->tracees, tgid, t);
	cs_close(&t->proc_fd);
	t->proc_fd = proc_open(tgid);
	return t;
}

static void on_stop(struct tracee *t, int status)
{
	int event = status >> 16;

	if (t->stage == STAGE_DYING) {
		deny_stop(t, status);
	} else if (event == PTRACE_EVENT_EXEC) {
		at_exec(t);
	} else if (event == PTRACE_EVENT_STOP) {
		t->trace->counts.failed_execs++;
		let_go(t, 0);
	} else {
		/* A signal came first, which 5.19 and later do not do: it is for the thread. */
		let_go(t, WSTOPSIG(status));
	}
}

void seize_event(struct cs_trace *trace, pid_t pid, int status)
{
	struct tracee *t = pidmap_get(&trace->tracees, pid);

	if (WIFSTOPPED(status)) {
		if (!t && status >> 16 == PTRACE_EVENT_EXEC)
			t = adopt(trace, pid);
		if (t)
			on_stop(t, status);
		else /* seized in the last moment of a guard's time */
			ptrace(PTRACE_DETACH, pid, NULL, status >> 16 ? 0 : WSTOPSIG(status));
	} else if (t && (WIFEXITED(status) || WIFSIGNALED(status))) {
		finish(t);
	}
}

void seize_release(struct cs_trace *trace)
{
	struct tracee *t;

	for (size_t at = 0; (t = pidmap_next(&trace->tracees, &at));) {
		kill(t->tgid, SIGKILL); /* seized, so not reaped: the number is its own */
		tracee_free(t);
	}
	pidmap_release(&trace->tracees);
	pidmap_release(&trace->processes);
	if (!trace->guard.ready)
		return;
	timer_delete(trace->guard.timer);
	sigaction(GUARD_SIGNAL, &trace->guard.before, NULL);
}
