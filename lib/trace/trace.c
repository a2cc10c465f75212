/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's side of the command trace, from notification to record:
 *
 *	listener	an exec waits; a missing name is answered ENOENT, everything else goes on to
 *	seize		one thread of a process at a time is seized, and its call continues
 *	image, digest	at the stop behind the call: what runs now
 *	(the owner)	event to the log, verdict
 *	deny		or detach
 *	exit		pidfd: status and duration
 *
 * Single-threaded and event-driven: nothing here waits for the run. Whatever goes wrong ends in a
 * refused exec and a count, never in one that ran unseen: an unanswered notification waits, a
 * closed listener refuses, a thread held at its stop dies with the supervisor.
 */
#include "internal.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define ANCESTORS_MAX 32
#define SYNC_WAKE_UP  UINT64_C(1)	       /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6 */
#define SET_FLAGS     SECCOMP_IOW(4, uint64_t) /* SECCOMP_IOCTL_NOTIF_SET_FLAGS */

/* The kernel's notification may be longer than the headers'. */
static int make_room(struct cs_trace *trace, struct cs_err *err)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return cs_err_sys(err, "ask for the size of notifications");
	trace->request_size = sizes.seccomp_notif > sizeof(*trace->request)
				      ? sizes.seccomp_notif
				      : sizeof(*trace->request);
	trace->request = cs_calloc(1, trace->request_size);
	return 0;
}

int cs_trace_new(struct cs_trace **out, struct cs_loop *loop, int listener_fd,
		 const struct cs_trace_ops *ops, struct cs_err *err)
{
	struct cs_trace *trace = cs_calloc(1, sizeof(*trace));
	int rc;

	trace->loop = loop;
	trace->ops = *ops;
	trace->listener_fd = listener_fd;
	trace->in_hand_max = LISTENER_IN_HAND;
	trace->image.argv = (struct cs_buf)CS_BUF_INIT;
	rc = make_room(trace, err);
	if (!rc)
		rc = seize_init(trace, err);
	if (!rc)
		rc = cs_loop_add(loop, listener_fd, EPOLLIN, listener_ready, trace, err);
	if (rc < 0) {
		cs_trace_free(trace);
		return cs_err_wrap(err, "trace");
	}
	trace->digests = digests_new(trace);
	exit_init(trace);
	/* A hint to the scheduler; a kernel without it only loses some speed. */
	ioctl(listener_fd, SET_FLAGS, SYNC_WAKE_UP);
	*out = trace;
	return 0;
}

void cs_trace_free(struct cs_trace *trace)
{
	if (!trace)
		return;
	listener_close(trace);
	digests_free(trace->digests);
	seize_release(trace);
	exit_release(trace);
	cs_buf_release(&trace->image.argv);
	free(trace->request);
	free(trace);
}

void cs_trace_wait_event(struct cs_trace *trace, pid_t pid, int status)
{
	seize_event(trace, pid, status);
}

void cs_trace_finish(struct cs_trace *trace)
{
	exit_finish(trace);
}

void cs_trace_counts(const struct cs_trace *trace, struct cs_trace_counts *out)
{
	*out = trace->counts;
}

/* Parents that only forked have no event: the nearest ancestor that has one is looked for. */
pid_t trace_command_of(const struct cs_trace *trace, pid_t pid)
{
	struct proc_stat stat;

	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		AUTO_FD int proc_fd = -1;

		if (exit_is_watched(trace, pid))
			return pid;
		proc_fd = pid == getpid() ? -1 : proc_open(pid);
		if (!proc_stat_read(&stat, proc_fd))
			return 0;
		pid = stat.ppid;
	}
	return 0;
}

enum cs_trace_verdict trace_report(struct cs_trace *trace, struct cs_trace_exec *exec,
				   char reason[CS_TRACE_REASON_MAX])
{
	reason[0] = '\0';
	exit_settle(trace, exec->pid);
	exec->parent = trace_command_of(trace, exec->ppid);
	trace->counts.execs++;
	if (!exec->verified)
		trace->counts.unverified++;
	return trace->ops.on_exec(trace->ops.arg, exec, reason) == CS_TRACE_RUN ? CS_TRACE_RUN
										: CS_TRACE_DENY;
}
