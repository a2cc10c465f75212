/* SPDX-License-Identifier: Apache-2.0 */
/* Other processes, and more rights for this one. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* ---- processes ---- */

static int trace(char **a)
{
	pid_t pid = (pid_t)number(a[0]);
	int status;
	if (ptrace(PTRACE_ATTACH, pid, 0, 0) < 0)
		return errno;
	waitpid(pid, &status, __WALL);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}

static int seize(char **a)
{
	return met(ptrace(PTRACE_SEIZE, (pid_t)number(a[0]), 0, 0));
}

/* Reads (or writes back) one byte at the start of the text that both of us have mapped. */
static int memory(char **a, bool write_it)
{
	char byte[1] = { 0 }, path[64];
	unsigned long at = 0;
	struct iovec here = { byte, 1 }, there = { NULL, 1 };
	snprintf(path, sizeof path, "/proc/%s/maps", a[0]);
	FILE *f = fopen(path, "re");
	if (f) {
		char line[512];
		while (fgets(line, sizeof line, f))
			if (strstr(line, " rw-p ") && sscanf(line, "%lx", &at) == 1)
				break;
		fclose(f);
	}
	if (!at)
		at = (unsigned long)&environ;
	there.iov_base = (void *)at;
	pid_t pid = (pid_t)number(a[0]);
	long n = process_vm_readv(pid, &here, 1, &there, 1, 0);
	if (write_it && (n == 1 || errno != ESRCH))
		n = process_vm_writev(pid, &here, 1, &there, 1, 0);
	return met(n);
}

static int read_memory(char **a)
{
	return memory(a, false);
}

static int write_memory(char **a)
{
	return memory(a, true);
}

static int send_signal(char **a)
{
	return met(kill((pid_t)number(a[0]), (int)number(a[1])));
}

/* kill(2) of a pid namespace's init reports success and does nothing: the effect counts. */
static int kill_for_real(char **a)
{
	pid_t pid = (pid_t)number(a[0]);
	if (kill(pid, SIGKILL) < 0)
		return errno;
	for (int i = 0; i < 50; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return 0;
		nap(10);
	}
	return ETIMEDOUT;
}

static int kill_all(char **a)
{
	(void)a;
	signal(SIGTERM, SIG_IGN);
	return met(kill(-1, SIGKILL));
}

static int take_descriptor(char **a)
{
	int pidfd = (int)syscall(SYS_pidfd_open, number(a[0]), 0);
	return pidfd < 0 ? errno : met(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

static int compare(char **a)
{
	return met(syscall(SYS_kcmp, number(a[0]), getpid(), 1 /* KCMP_VM */, 0, 0));
}

static int limits_of(char **a)
{
	struct rlimit r;
	pid_t pid = (pid_t)number(a[0]);
	if (prlimit(pid, RLIMIT_NOFILE, NULL, &r) < 0)
		return errno;
	return met(prlimit(pid, RLIMIT_NOFILE, &r, NULL));
}

/* Stays behind, deaf to signals, and writes late. The parent ends at once. */
static int survive(char **a)
{
	if (fork() == 0) {
		setsid();
		if (fork())
			_exit(0);
		for (int s = 1; s < NSIG; s++)
			signal(s, SIG_IGN);
		nap((int)number(a[1]));
		_exit(write_at(a[0], O_WRONLY | O_CREAT, "late\n"));
	}
	wait(NULL);
	return 0;
}

/* EAGAIN is the limit; 0 when so many could be started. */
static int fork_many(char **a)
{
	unsigned long n = 0, wanted = number(a[0]);
	int err = 0;
	pid_t group = fork();

	if (group == 0) {
		setpgid(0, 0);
		for (; n < wanted && !err; n++) {
			pid_t pid = fork();
			if (pid == 0) {
				pause();
				_exit(0);
			}
			err = met(pid);
		}
		/* The group dies with this process, which tells its errno first. */
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
		_exit(err);
	}
	int status = 0;
	waitpid(group, &status, 0);
	return group < 0 ? errno : WEXITSTATUS(status);
}

/* ---- privileges ---- */

static int new_privileges(char **a)
{
	(void)a;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : EPERM;
}

static int is_root(char **a)
{
	(void)a;
	return geteuid() == 0 ? 0 : EPERM;
}

static int become_root(char **a)
{
	(void)a;
	return met(setresuid(0, 0, 0));
}

static int drop_groups(char **a)
{
	(void)a;
	return met(syscall(SYS_setgroups, 0, NULL));
}

static int all_capabilities(char **a)
{
	(void)a;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &head, data) < 0)
		return errno;
	data[0].permitted |= 1u << CAP_SYS_ADMIN;
	data[0].effective |= 1u << CAP_SYS_ADMIN;
	return met(syscall(SYS_capset, &head, data));
}

static int unlimited_core(char **a)
{
	(void)a;
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };
	if (setrlimit(RLIMIT_CORE, &r) < 0)
		return errno;
	/* The word alone is not the deed. */
	return getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max == RLIM_INFINITY ? 0 : EPERM;
}

static int more_processes(char **a)
{
	(void)a;
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };
	return met(setrlimit(RLIMIT_NPROC, &r));
}

static int real_time(char **a)
{
	(void)a;
	struct sched_param p = { .sched_priority = 1 };
	return met(sched_setscheduler(0, SCHED_FIFO, &p));
}

static int higher_priority(char **a)
{
	(void)a;
	return met(setpriority(PRIO_PROCESS, 0, -5));
}

const struct attempt processes_attempts[] = {
	{ "ptrace", 1, "attach to a process", trace },
	{ "seize", 1, "seize a process", seize },
	{ "vm-read", 1, "read the memory of a process", read_memory },
	{ "vm-write", 1, "write the memory of a process", write_memory },
	{ "pidfd-getfd", 1, "take a descriptor of a process", take_descriptor },
	{ "kcmp", 1, "compare kernel pointers of a process", compare },
	{ "prlimit", 1, "set a limit of a process", limits_of },
	{ "signal", 2, "send a signal to a process", send_signal },
	{ "kill", 1, "kill a process and see it gone", kill_for_real },
	{ "kill-all", 0, "kill every process", kill_all },
	{ "survive", 2, "write a file some milliseconds after the end", survive },
	{ "fork", 1, "have so many children at once", fork_many },
	{ "new-privileges", 0, "gain privileges by execve", new_privileges },
	{ "euid-root", 0, "be root, as a set-user-ID program", is_root },
	{ "setuid-root", 0, "become root", become_root },
	{ "setgroups", 0, "change supplementary groups", drop_groups },
	{ "capset", 0, "raise CAP_SYS_ADMIN", all_capabilities },
	{ "rlimit-core", 0, "lift the limit on core files", unlimited_core },
	{ "rlimit-nproc", 0, "lift the limit on processes", more_processes },
	{ "real-time", 0, "real-time scheduling", real_time },
	{ "nice", 0, "a higher priority", higher_priority },
	{ 0 },
};
