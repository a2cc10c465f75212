/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit status of processes that are not our children.
 *
 * A pidfd is watched from the exec event on. Linux 6.15 keeps the status with it when the parent
 * has reaped the process (PIDFD_INFO_EXIT), and says so with EPOLLHUP: one wake-up and one call
 * for each command. Parents may be slow to reap, or never do it: once in SWEEP_MS all commands are
 * looked at, and zombies among them are reported by the last field of /proc/<pid>/stat.
 *
 * Older kernels: that field is what there is. The pidfd is readable when the process has become a
 * zombie, and a fast parent often reaps it before we have looked. So there the filter notifies
 * exit_group as well, and what the process said then counts where nothing else is known. It is
 * the process's own word: another of its threads, or a signal, can end it otherwise meanwhile,
 * but whoever can make that so chooses the status anyway. Killed and reaped at once: unknown,
 * and counted.
 *
 * A number is used again only after its process has been reaped, and then a new process may exec
 * before the loop has told of the old one's end. exit_settle() tells it first, so that readers of
 * the log can go by the number: an exit belongs to the latest exec with the same one.
 *
 * Bounded by the number of live processes, and by RLIMIT_NOFILE less RESERVED descriptors that
 * the rest of the supervisor needs. Beyond it an exec is `unfollowed`, and counted.
 */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Descriptors: two for each call in hand, and the supervisor's. */
#define RESERVED  (2 * LISTENER_IN_HAND + 512)
#define SWEEP_MS  1000
#define NS_PER_MS 1000000

/* struct pidfd_info of <linux/pidfd.h>, first version: newer than the headers we build with. */
struct pidfd_info_v0 {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define GET_INFO  _IOWR(0xFF, 11, struct pidfd_info_v0)
#define INFO_PID  (UINT64_C(1) << 0)
#define INFO_EXIT (UINT64_C(1) << 3)

struct command {
	struct command *prev, *next;
	struct cs_trace *trace;
	pid_t pid;
	int pidfd;
	int64_t start_mono_ns;
	int said; /* wait status by exit_group, -1: nothing yet */
};

static bool reaped_status(int *status, int pidfd)
{
	struct pidfd_info_v0 info = { .mask = INFO_EXIT };

	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return false;
	*status = info.exit_code;
	return true;
}

pid_t exit_parent_of(const struct cs_trace *trace, int pidfd, int proc_fd)
{
	struct pidfd_info_v0 info = { .mask = INFO_PID };
	struct proc_stat stat;

	/* The kernels that have the one have the other. */
	if (trace->has_exit_info && ioctl(pidfd, GET_INFO, &info) == 0 && info.mask & INFO_PID)
		return (pid_t)info.ppid;
	return proc_stat_read(&stat, proc_fd) ? stat.ppid : 0;
}

/* Not reaped. Signal 0 finds zombies, too. */
static bool exists(const struct command *c)
{
	return syscall(SYS_pidfd_send_signal, c->pidfd, 0, NULL, 0) == 0 || errno == EPERM;
}

static bool zombie_status(int *status, const struct command *c)
{
	AUTO_FD int proc_fd = proc_open(c->pid);
	struct proc_stat stat;

	if (!proc_stat_read(&stat, proc_fd) || (stat.state != 'Z' && stat.state != 'X'))
		return false;
	/* Opened by number: which must have been this process's until now. */
	if (!exists(c))
		return false;
	*status = stat.exit_code;
	return true;
}

/* The second look is for a parent that reaped in between. */
static bool find_status(int *status, const struct command *c)
{
	bool info = c->trace->has_exit_info;

	return (info && reaped_status(status, c->pidfd)) || zombie_status(status, c) ||
	       (info && reaped_status(status, c->pidfd));
}

static void command_free(struct command *c)
{
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		c->trace->first_command = c->next;
	cs_loop_remove(c->trace->loop, c->pidfd);
	cs_close(&c->pidfd);
	free(c);
}

static void report_end(struct command *c, int status)
{
	struct cs_trace *trace = c->trace;

	if (status == -1)
		status = c->said;
	struct cs_trace_exit event = {
		.pid = c->pid,
		.status = status,
		.duration_ms = (cs_mono_ns() - c->start_mono_ns) / NS_PER_MS,
	};

	pidmap_take(&trace->commands, c->pid);
	command_free(c);
	trace->counts.exits++;
	if (status == -1)
		trace->counts.unknown_exits++;
	trace->ops.on_exit(trace->ops.arg, &event);
}

static void on_pidfd(void *arg, int fd, uint32_t events)
{
	struct command *c = arg;
	int status;

	(void)fd;
	if (find_status(&status, c))
		report_end(c, status);
	else if (events & EPOLLHUP || !exists(c))
		report_end(c, -1);
	/*
	 * Else it lives: older kernels also wake us when a leader ends whose other threads go on.
	 * Edge-triggered, so this is no loop.
	 */
}

static bool is_zombie(const struct command *c)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void arm_sweep(struct cs_trace *trace);

static void sweep(void *arg)
{
	struct cs_trace *trace = arg;
	struct command *next;
	int status;

	trace->sweep_timer = 0;
	for (struct command *c = trace->first_command; c; c = next) {
		next = c->next;
		if (is_zombie(c) && find_status(&status, c))
			report_end(c, status);
	}
	arm_sweep(trace);
}

static void arm_sweep(struct cs_trace *trace)
{
	if (trace->has_exit_info && trace->first_command && !trace->sweep_timer)
		trace->sweep_timer = cs_loop_after(trace->loop, SWEEP_MS, sweep, trace);
}

void exit_settle(struct cs_trace *trace, pid_t pid)
{
	struct command *c = pidmap_get(&trace->commands, pid);
	int status;

	if (c && !exists(c))
		report_end(c,
			   trace->has_exit_info && reaped_status(&status, c->pidfd) ? status : -1);
}

void exit_watch(struct cs_trace *trace, pid_t pid, int pidfd)
{
	uint32_t events = trace->has_exit_info ? EPOLLET : EPOLLIN | EPOLLET; /* HUP: always */
	struct command *c = pidmap_get(&trace->commands, pid);
	AUTO_FD int fd = pidfd;

	if (c) { /* it has called exec again */
		c->start_mono_ns = cs_mono_ns();
		c->said = -1;
		return;
	}
	if (fd < 0)
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || trace->commands.n >= trace->max_commands) {
		trace->counts.unfollowed++;
		return;
	}
	c = cs_malloc(sizeof(*c));
	*c = (struct command){ .trace = trace, .pid = pid, .pidfd = fd, .said = -1 };
	c->start_mono_ns = cs_mono_ns();
	if (cs_loop_add(trace->loop, fd, events, on_pidfd, c, NULL) < 0) {
		trace->counts.unfollowed++;
		free(c);
		return;
	}
	cs_steal_fd(&fd);
	c->next = trace->first_command;
	if (c->next)
		c->next->prev = c;
	trace->first_command = c;
	pidmap_set(&trace->commands, pid, c);
	arm_sweep(trace);
}

void exit_said(struct cs_trace *trace, const struct call *call)
{
	struct command *c = pidmap_get(&trace->commands, call->tid);

	if (!c) { /* of another thread than the leader, or of what only forked */
		AUTO_FD int proc_fd = proc_open(call->tid);
		struct proc_status status;

		if (proc_status_read(&status, proc_fd))
			c = pidmap_get(&trace->commands, status.tgid);
	}
	if (c && listener_is_valid(trace, call->id))
		c->said = (int)(call->args[0] & 0xff) << 8;
}

bool exit_is_watched(const struct cs_trace *trace, pid_t pid)
{
	const struct command *c = pidmap_get(&trace->commands, pid);

	return c && exists(c);
}

/* There is no other way to ask but to look at a process that has been reaped. */
bool exit_is_kept(void)
{
	AUTO_FD int pidfd = -1;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return false;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return cs_fake("pidfd_info", reaped_status(&status, pidfd));
}

void exit_init(struct cs_trace *trace)
{
	struct rlimit limit = { 0 };

	/* A failure leaves the limit as it is; a low one is counted when it bites. */
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	trace->max_commands =
		limit.rlim_cur / 2 > RESERVED ? limit.rlim_cur - RESERVED : limit.rlim_cur / 2;
	trace->has_exit_info = exit_is_kept();
}

void exit_finish(struct cs_trace *trace)
{
	struct command *next;
	int status;

	for (struct command *c = trace->first_command; c; c = next) {
		next = c->next;
		report_end(c, find_status(&status, c) ? status : -1);
	}
}

void exit_release(struct cs_trace *trace)
{
	struct command *next;

	if (trace->sweep_timer)
		cs_loop_cancel(trace->loop, trace->sweep_timer);
	for (struct command *c = trace->first_command; c; c = next) {
		next = c->next;
		command_free(c);
	}
	pidmap_release(&trace->commands);
}
