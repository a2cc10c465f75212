/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup: the supervisor's child. It leaves all namespaces, maps itself, prepares the network and
 * forks init, the first process of the new pid namespace; then it only waits. It is outside that
 * namespace and so invisible inside; its death kills init.
 *
 *	should:	 unshare, write its own maps, make lo and the sockets, fork init, reap it
 *	mustn't: touch the file system of the host, open anything that a run could have written
 *
 * As root (plan->drop) there is no user namespace yet: the mounts are made with root's rights, so
 * that a repository below a directory that the agent's user cannot pass works too, and init
 * becomes that user, in a user namespace of its own, before it starts anything. The agent then
 * cannot alter a mount namespace that its user namespace does not own.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int inside_send(struct inside *in, const struct message *msg, const int *fds, size_t n)
{
	return cs_send_fds(in->ctl_fd, msg, sizeof *msg, fds, n);
}

void inside_fail(struct inside *in, const char *step, const char *fmt, ...)
{
	struct message msg = { .type = MSG_FAILED, .value = errno };
	va_list args;

	snprintf(msg.step, sizeof msg.step, "%s", step);
	va_start(args, fmt);
	vsnprintf(msg.text, sizeof msg.text, fmt, args);
	va_end(args);
	/* Nothing more can be done if the supervisor does not hear it: it sees us die. */
	(void)inside_send(in, &msg, NULL, 0);
	_exit(125);
}

static int write_text(const char *path, const char *text)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return cs_write_all(fd, text, strlen(text));
}

int map_self(uid_t uid, gid_t gid)
{
	char line[64];

	/* In this order: gid_map before setgroups is denied is EPERM. */
	if (write_text("/proc/self/setgroups", "deny") < 0)
		return -1;
	snprintf(line, sizeof line, "%u %u 1", uid, uid);
	if (write_text("/proc/self/uid_map", line) < 0)
		return -1;
	snprintf(line, sizeof line, "%u %u 1", gid, gid);
	return write_text("/proc/self/gid_map", line);
}

int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };

	for (int cap = 0; cap <= 63; cap++)
		/* EINVAL: past the last capability of this kernel. EPERM: we hold none to drop. */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL && errno != EPERM)
			return -1;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_capset, &head, data);
}

/* PDEATHSIG misses a parent that died before it was set: the pipe tells. */
void die_with(int life_fd)
{
	struct pollfd p = { .fd = life_fd, .events = POLLIN };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&p, 1, 0) != 0)
		_exit(125);
}

static void leave_namespaces(struct inside *in)
{
	int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
		    CLONE_NEWPID;
	const char *what = "unshare all namespaces";

	if (!in->plan->drop) {
		flags |= CLONE_NEWUSER;
		what = "unshare user and all other namespaces";
	}
	errno = EPERM;
	if (!cs_fake("namespaces", 1) || unshare(flags) < 0)
		inside_fail(in, "namespaces", "%s", what);
	if (!in->plan->drop && map_self(in->plan->uid, in->plan->gid) < 0)
		inside_fail(in, "user", "map uid %u and gid %u", in->plan->uid, in->plan->gid);
	if (in->plan->hostname &&
	    sethostname(in->plan->hostname, strlen(in->plan->hostname)) < 0)
		inside_fail(in, "uts", "set host name");
	/* Nothing mounted here reaches the host; what the host unmounts still goes away here. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		inside_fail(in, "mount", "make mounts private");
	in->layers.user = in->layers.mount = in->layers.pid = in->layers.net = in->layers.ipc =
		in->layers.uts = in->layers.cgroup = true;
}

void setup_main(struct inside *in)
{
	int setup_pipe[2];
	int status;

	die_with(in->life_fd);
	cs_fault("setup-begins");
	leave_namespaces(in);
	cs_fault("setup-namespaces");
	network_setup(in);
	cs_fault("setup-network");

	if (pipe2(setup_pipe, O_CLOEXEC) < 0)
		inside_fail(in, "pid", "pipe");
	pid_t pid = fork();
	if (pid < 0)
		inside_fail(in, "pid", "fork init");
	if (pid == 0) {
		close(setup_pipe[1]);
		in->setup_fd = setup_pipe[0];
		die_with(in->life_fd);
		die_with(in->setup_fd);
		init_main(in);
	}
	cs_fault("setup-forked");
	/* The control socket is init's now: it must hang up when init is gone. */
	close(in->ctl_fd);
	close(setup_pipe[0]);
	for (int i = 0; i < 3; i++)
		if (in->stdio[i] > 2)
			close(in->stdio[i]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(0);
}
