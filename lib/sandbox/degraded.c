/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without namespaces: what is left where a host refuses them and somebody typed --degraded.
 *
 *	supervisor	as ever
 *	  watcher	this file: reaper of everything that the agent starts; not confined
 *	    agent	the agent's user, Landlock, seccomp
 *
 * The plan's mounts are taken for what they are mounted from: a read-only bind may be read, a
 * writable one written, a device used; /proc may be read. Nothing else of the host's files can be
 * opened. What a mask covers is left out, entry by entry.
 *
 * Seen and closed here, since no namespace does it:
 *	- sockets: none but socketpairs. Landlock did not cover connecting to a path before Linux
 *	  7.1, and one message to a session bus or an engine's socket starts programs outside.
 *	- System V IPC and POSIX queues: other processes' lie in the same namespace.
 *	- signals (Landlock's from ABI 6, else by number: supervisor and watcher), limits of others.
 *	- truncation by path (Landlock's from ABI 3, else refused).
 *
 * Not closed, and named to whoever starts it: names, modes, times and attributes of the host's
 * files (chmod and its like are not Landlock's), the list of processes.
 *
 *	should:	 reap, kill what is left when the agent ends or the supervisor is gone, and say
 *		 that nothing is left (MSG_EMPTY): without that word the run is not complete
 *	mustn't: die with the supervisor before it has killed
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_DEPTH 16

/* ---- files ---- */

struct rules {
	const struct cs_plan *plan;
	struct cs_strv readable, writable;
};

static bool lies_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return !strncmp(path, dir, n) && path[n] == '/';
}

enum covered { COVERED_NOT = 0, COVERED_ALL, COVERED_BELOW };

static enum covered covered(const struct cs_plan *plan, const char *path)
{
	enum covered result = COVERED_NOT;

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct cs_mount *m = &plan->mounts[i];
		if (m->kind != CS_MOUNT_MASK)
			continue;
		if (!strcmp(m->dst, path))
			return COVERED_ALL;
		if (lies_below(m->dst, path) && access(m->dst, F_OK) == 0)
			result = COVERED_BELOW;
	}
	return result;
}

/* Landlock cannot take away what it gave above: around a mask each entry is named. */
static void add_readable(struct rules *r, const char *path, int depth)
{
	enum covered c = covered(r->plan, path);

	if (c == COVERED_NOT)
		cs_strv_add(&r->readable, path);
	if (c != COVERED_BELOW || depth > MAX_DEPTH)
		return;
	AUTO_DIR DIR *dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		AUTO_FREE char *entry = cs_asprintf("%s/%s", path, e->d_name);
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			add_readable(r, entry, depth + 1);
	}
}

static void make_rules(struct rules *r)
{
	for (size_t i = 0; i < r->plan->n_mounts; i++) {
		const struct cs_mount *m = &r->plan->mounts[i];
		switch (m->kind) {
		case CS_MOUNT_RO:
		case CS_MOUNT_QUIET: /* no socket can be made, and none be connected */
			add_readable(r, m->src, 0);
			break;
		case CS_MOUNT_RW:
		case CS_MOUNT_DEV:
			cs_strv_add(&r->writable, m->src);
			break;
		case CS_MOUNT_FILE:
			/* The host's own: hosts, passwd, resolv.conf and their like. */
			if (lies_below(m->dst, "/etc"))
				cs_strv_add(&r->readable, m->dst);
			break;
		case CS_MOUNT_PROC:
			cs_strv_add(&r->readable, m->dst);
			break;
		default:
			break;
		}
	}
}

/* ---- the agent ---- */

static void become_agent(struct inside *in)
{
	const struct cs_plan *plan = in->plan;

	if (plan->drop &&
	    (setgroups(0, NULL) < 0 || setresgid(plan->gid, plan->gid, plan->gid) < 0 ||
	     setresuid(plan->uid, plan->uid, plan->uid) < 0))
		inside_fail(in, "user", "become uid %u", plan->uid);
	/* A watcher that is killed takes at least the agent itself along. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void confine(struct inside *in, pid_t supervisor, pid_t watcher)
{
	const struct cs_plan *plan = in->plan;
	struct rules r = { .plan = plan };
	int abi = landlock_abi();

	if (drop_capabilities() < 0)
		inside_fail(in, "capabilities", "drop");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		inside_fail(in, "no_new_privs", "set");
	make_rules(&r);
	if (cs_fake("enter_landlock", 1) &&
	    landlock_enter_paths(&r.readable, &r.writable, abi) < 0)
		inside_fail(in, "landlock", "enter the domain");
	in->layers.landlock_abi = abi;
	cs_strv_release(&r.readable);
	cs_strv_release(&r.writable);
	limit_core(in);
	int rc = cs_fake("enter_seccomp", 1) ? filter_deny(plan->deny_tracing, true) : 0;
	if (!rc && cs_fake("enter_seccomp", 1))
		rc = filter_degraded(abi, supervisor, watcher);
	if (rc < 0) {
		errno = -rc;
		inside_fail(in, "seccomp", "load the filter");
	}
	in->layers.seccomp = true;
}

/* ---- the watcher ---- */

struct process {
	pid_t pid, parent;
	bool ours;
};

static bool read_parent(struct process *p, const char *pid)
{
	char path[64], text[512];
	AUTO_FD int fd = -1;

	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name in parentheses may hold anything; what follows the last one does not. */
	const char *end = strrchr(text, ')');
	p->pid = atoi(pid);
	p->ours = false;
	return end && sscanf(end + 1, " %*c %d", &p->parent) == 1;
}

/* Everything that descends from us. Who loses its parent becomes our child: nobody gets lost. */
static void kill_descendants(void)
{
	struct process *list = NULL;
	size_t n = 0, cap = 0;
	AUTO_DIR DIR *proc = opendir("/proc");
	bool more = true;

	for (struct dirent *e; proc && (e = readdir(proc));) {
		struct process p;
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !read_parent(&p, e->d_name))
			continue;
		CS_GROW(list, n, cap);
		list[n++] = p;
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			bool child = list[i].parent == getpid();
			for (size_t k = 0; k < n && !child; k++)
				child = list[k].ours && list[k].pid == list[i].parent;
			more |= child && !list[i].ours;
			list[i].ours |= child;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (list[i].ours)
			kill(list[i].pid, SIGKILL);
	free(list);
}

__attribute__((noreturn)) static void clear_up(struct inside *in)
{
	struct message msg = { .type = MSG_EMPTY };

	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			break;
		if (pid > 0)
			continue;
		kill_descendants();
		/* What does not die at once is in the kernel: the supervisor gives up first. */
		poll(NULL, 0, 2);
	}
	(void)inside_send(in, &msg, NULL, 0);
	_exit(0);
}

void degraded_main(struct inside *in)
{
	pid_t supervisor = getppid(), watcher = getpid();
	struct pollfd life = { .fd = in->life_fd, .events = POLLIN };
	sigset_t mask;
	int go[2];

	if (poll(&life, 1, 0) != 0)
		_exit(125);
	if (landlock_abi() == 0) {
		errno = EOPNOTSUPP;
		inside_fail(in, "landlock", "without namespaces nothing else holds the agent");
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	int sig_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sig_fd < 0 || pipe2(go, O_CLOEXEC) < 0)
		inside_fail(in, "agent", "prepare");
	if (setsid() < 0)
		inside_fail(in, "terminal", "leave the session");
	if (in->plan->tty)
		open_terminal(in);
	pid_t agent = fork();
	if (agent < 0)
		inside_fail(in, "agent", "fork");
	if (agent == 0) {
		close(go[1]);
		cs_close(&in->life_fd);
		in->go_fd = go[0];
		become_agent(in);
		confine(in, supervisor, watcher);
		agent_main(in);
	}
	close(go[0]);
	in->go_fd = go[1];
	setpgid(agent, agent);
	release_streams(in);
	reap_loop(in, agent, sig_fd);
	clear_up(in);
}
