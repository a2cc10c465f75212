/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init: pid 1 inside. It builds the new root, enters it, gives up every right, forks the agent and
 * then reaps. In this order, and for these reasons:
 *
 *	mounts, /proc		/proc needs the old one fully visible
 *	pivot_root		nothing of the host is reachable afterwards
 *	user (as root only)	becomes the agent's user in a user namespace of its own
 *	max_user_namespaces=0	by a process with rights in the namespace: final once they are gone
 *	cover /proc/sys ...	read-only whoever asks: uid checks alone would not hold for uid 0
 *	capabilities, no_new_privs, not dumpable
 *	Landlock, deny filter	shared by init and agent
 *	agent			dumpable again (else it could not be traced), own process group,
 *				terminal, no inherited descriptor, last_step, then waits for "go"
 *
 *	should:	 reap, report how the agent ended, kill everything else then
 *	mustn't: run anything but the agent; be traced, signalled or read by the agent
 *
 * The covers are mounts, so as root they come before the user namespace; the descriptor
 * userns_fd, opened before, still reaches the file below the cover.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void become_user(struct inside *in)
{
	const struct cs_plan *plan = in->plan;

	if (setgroups(0, NULL) < 0 || setresgid(plan->gid, plan->gid, plan->gid) < 0 ||
	    setresuid(plan->uid, plan->uid, plan->uid) < 0)
		inside_fail(in, "user", "become uid %u", plan->uid);
	/* The change of user cleared both: the maps need the first, our end with setup the second. */
	prctl(PR_SET_DUMPABLE, 1);
	die_with(in->life_fd);
	die_with(in->setup_fd);
	if (unshare(CLONE_NEWUSER) < 0)
		inside_fail(in, "user", "unshare user namespace");
	if (map_self(plan->uid, plan->gid) < 0)
		inside_fail(in, "user", "map uid %u", plan->uid);
}

/* No user namespace inside this one, ever. True when the kernel took it. */
static bool forbid_user_namespaces(struct inside *in)
{
	if (in->userns_fd < 0)
		return false;
	AUTO_FD int fd = openat(in->userns_fd, "max_user_namespaces", O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, "0", 1) == 1;
}

/* A try in a throwaway child: the one thing that proves it. */
static bool user_namespaces_closed(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0);
	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/*
 * With a piped core_pattern a limit of 0 would still start the host's handler; 1 does not. Before
 * the filter, which lets nobody change it any more, and says to all that it was done.
 */
void limit_core(struct inside *in)
{
	struct rlimit core = { 1, 1 };

	if (setrlimit(RLIMIT_CORE, &core) < 0)
		inside_fail(in, "agent", "limit core files");
}

static void drop_everything(struct inside *in, bool deny_clone3)
{
	const struct cs_plan *plan = in->plan;

	if (drop_capabilities() < 0)
		inside_fail(in, "capabilities", "drop");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		inside_fail(in, "no_new_privs", "set");
	prctl(PR_SET_DUMPABLE, 0);
	int abi = cs_fake("enter_landlock", 1) ? landlock_abi() : 0;
	if (abi > 0) {
		if (landlock_enter(&plan->writable, abi) < 0)
			inside_fail(in, "landlock", "enter the domain");
		in->layers.landlock_abi = abi;
	}
	limit_core(in);
	int rc = cs_fake("enter_seccomp", 1) ? filter_deny(plan->deny_tracing, deny_clone3) : 0;
	if (rc < 0) {
		errno = -rc;
		inside_fail(in, "seccomp", "load the filter");
	}
	in->layers.seccomp = true;
	if (!user_namespaces_closed())
		inside_fail(in, "user", "user namespaces can still be made inside");
}

void open_terminal(struct inside *in)
{
	int unlock = 0;
	struct message msg = { .type = MSG_TERMINAL };
	AUTO_FD int master = open(in->plan->degraded ? "/dev/ptmx" : "/dev/pts/ptmx",
				  O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		inside_fail(in, "terminal", "open /dev/pts/ptmx");
	in->terminal_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (in->terminal_fd < 0)
		inside_fail(in, "terminal", "open the slave");
	if (inside_send(in, &msg, &master, 1) < 0)
		inside_fail(in, "terminal", "hand out the master");
	/* The agent's process group is not orphaned then: it can be stopped and go on. */
	if (ioctl(in->terminal_fd, TIOCSCTTY, 0) < 0)
		inside_fail(in, "terminal", "take the controlling terminal");
}

static void set_limits(struct inside *in)
{
	for (size_t i = 0; i < in->plan->n_limits; i++) {
		const struct cs_limit *l = &in->plan->limits[i];
		struct rlimit r;
		if (getrlimit((__rlimit_resource_t)l->resource, &r) == 0 &&
		    (r.rlim_max == RLIM_INFINITY || l->value < r.rlim_max))
			r.rlim_max = l->value;
		r.rlim_cur = r.rlim_max;
		if (setrlimit((__rlimit_resource_t)l->resource, &r) < 0)
			inside_fail(in, "limits", "resource %d", l->resource);
	}
}

/* Searches PATH as execvp does, with a status that tells "not found" from "not executable". */
static int exec_agent(const struct cs_plan *plan)
{
	char *const *argv = plan->argv.v;
	int seen = ENOENT;

	if (strchr(argv[0], '/')) {
		execve(argv[0], argv, plan->env.v);
		return errno;
	}
	for (size_t i = 0; i < plan->path.n; i++) {
		AUTO_FREE char *path = cs_asprintf("%s/%s", plan->path.v[i], argv[0]);
		execve(path, argv, plan->env.v);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return errno;
		if (errno == EACCES)
			seen = EACCES;
	}
	return seen;
}

void agent_main(struct inside *in)
{
	const struct cs_plan *plan = in->plan;
	struct message msg = { .type = MSG_READY, .layers = in->layers };
	sigset_t none;
	char go;

	prctl(PR_SET_DUMPABLE, 1);
	setpgid(0, 0);
	if (in->terminal_fd >= 0) {
		for (int i = 0; i < 3; i++)
			in->stdio[i] = in->terminal_fd;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(in->stdio[i], i) < 0)
			inside_fail(in, "agent", "descriptor %d", i);
	if (in->terminal_fd >= 0 && tcsetpgrp(0, getpid()) < 0)
		inside_fail(in, "agent", "foreground process group");
	if (chdir(plan->cwd ? plan->cwd : "/") < 0)
		inside_fail(in, "agent", "enter %s", plan->cwd);
	set_limits(in);
	cs_fault("agent-forked");

	int listener = plan->last_step ? plan->last_step() : -1;
	if (plan->last_step && listener < 0)
		inside_fail(in, "trace", "install the notification filter");
	msg.value = listener >= 0;
	if (inside_send(in, &msg, &listener, listener >= 0) < 0)
		_exit(125);
	cs_close(&listener);
	cs_fault("agent-ready");
	/* Not the control socket: init reads that. */
	if (read(in->go_fd, &go, 1) != 1)
		_exit(125);

	/* Everything but 0, 1, 2 goes at the exec; the control socket says if there is none. */
	syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	/* What we ignore, or who started us made us ignore (a shell's &, nohup), is not for the agent. */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	cs_fault("agent-goes");
	int err = exec_agent(plan);
	msg = (struct message){ .type = MSG_EXEC_FAILED, .value = err };
	(void)inside_send(in, &msg, NULL, 0);
	_exit(err == ENOENT ? 127 : 126);
}

static void report(struct inside *in, enum message_type type, int value)
{
	struct message msg = { .type = type, .value = value };
	/* A supervisor that is gone has killed us already. */
	(void)inside_send(in, &msg, NULL, 0);
}

/* Reaps what there is. False when the agent has ended. */
static bool reap(struct inside *in, pid_t agent)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid != agent)
			continue;
		if (WIFSTOPPED(status)) {
			report(in, MSG_STOPPED, WSTOPSIG(status));
			continue;
		}
		report(in, MSG_EXITED, status);
		return false;
	}
	return true;
}

void reap_loop(struct inside *in, pid_t agent, int sig_fd)
{
	struct signalfd_siginfo info;
	struct message msg;

	for (;;) {
		struct pollfd p[3] = { { .fd = in->ctl_fd, .events = POLLIN },
				       { .fd = sig_fd, .events = POLLIN },
				       { .fd = in->life_fd, .events = POLLIN } };
		if ((poll(p, 3, -1) < 0 && errno != EINTR) || p[2].revents)
			return;
		if (p[1].revents) {
			while (read(sig_fd, &info, sizeof info) > 0)
				;
			if (!reap(in, agent))
				return;
		}
		if (p[0].revents) {
			if (recv(in->ctl_fd, &msg, sizeof msg, MSG_DONTWAIT) != sizeof msg)
				return;
			if (msg.type == MSG_SIGNAL) {
				kill(-agent, msg.value);
				/* It may have joined another group. */
				if (getpgid(agent) != agent)
					kill(agent, msg.value);
			}
			if (msg.type == MSG_GO && write(in->go_fd, "", 1) == 1)
				cs_close(&in->go_fd);
		}
	}
}

void release_streams(struct inside *in)
{
	for (int i = 0; i < 3; i++)
		if (in->stdio[i] > 2)
			close(in->stdio[i]);
	cs_close(&in->terminal_fd);
}

__attribute__((noreturn)) static void tend(struct inside *in, pid_t agent, int sig_fd)
{
	release_streams(in);
	reap_loop(in, agent, sig_fd);
	cs_fault("init-reaped");
	kill(-1, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	_exit(0);
}

void init_main(struct inside *in)
{
	sigset_t mask;
	bool closed;
	int go[2];

	/* init answers to nobody inside; as pid 1 it also has no default signal actions. */
	signal(SIGTTOU, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	int sig_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sig_fd < 0)
		inside_fail(in, "pid", "signalfd");

	cs_fault("init-begins");
	mounts_open_sources(in);
	mounts_build(in);
	cs_fault("init-mounted");
	mounts_enter(in);
	cs_fault("init-entered");
	if (in->plan->drop) {
		mounts_cover_proc(in);
		become_user(in);
		closed = forbid_user_namespaces(in);
	} else {
		closed = forbid_user_namespaces(in);
		mounts_cover_proc(in);
	}
	cs_close(&in->userns_fd);
	drop_everything(in, !closed);
	cs_fault("init-confined");
	/* A session of its own in any case: /dev/tty would else be the user's terminal. */
	if (setsid() < 0)
		inside_fail(in, "terminal", "leave the session");
	if (in->plan->tty)
		open_terminal(in);

	if (pipe2(go, O_CLOEXEC) < 0)
		inside_fail(in, "agent", "pipe");
	pid_t agent = fork();
	if (agent < 0)
		inside_fail(in, "agent", "fork");
	if (agent == 0) {
		close(go[1]);
		in->go_fd = go[0];
		agent_main(in);
	}
	close(go[0]);
	in->go_fd = go[1];
	setpgid(agent, agent);
	cs_fault("init-forked");
	tend(in, agent, sig_fd);
}
