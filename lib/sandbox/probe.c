/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host says of itself. Settings are only read to word the advice (advice.c): a probe that
 * reads settings, or that only unshares, lies where AppArmor, SELinux, a container's filter or a
 * masked /proc refuse a later step. What a host can hold is known after a complete start
 * (cs_sandbox_start, as every run does it); here are the few things that a start does not tell.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif
#define MAX_PROC_FILE (1 << 20)

/* A number in a file of /proc; -1 where there is none. */
static int64_t read_number(const char *path)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	char *end;

	if (cs_read_file(&text, AT_FDCWD, path, 64, NULL) < 0)
		return -1;
	errno = 0;
	long long n = strtoll(text.data, &end, 10);
	return end == text.data || errno || n < 0 ? -1 : n;
}

static void read_container(struct cs_host *h)
{
	static const struct {
		const char *file, *name;
	} signs[] = {
		{ "/run/.containerenv", "podman" },
		{ "/.dockerenv", "docker" },
		{ "/dev/lxd/sock", "lxd" },
		{ "/run/systemd/container", "container" },
	};
	const char *name = getenv("container");

	for (size_t i = 0; i < CS_COUNT(signs) && !h->container[0]; i++)
		if (access(signs[i].file, F_OK) == 0)
			snprintf(h->container, sizeof h->container, "%s", signs[i].name);
	if (!h->container[0] && name)
		snprintf(h->container, sizeof h->container, "%s", name);
}

/* Container engines hide parts of /proc by mounts, and then no fresh /proc can be mounted. */
static bool is_proc_covered(void)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if (cs_read_file(&text, AT_FDCWD, "/proc/self/mountinfo", MAX_PROC_FILE, NULL) < 0)
		return false;
	for (char *line = text.data; line && *line;) {
		char point[256];
		/* A trigger for automatic mounts that systemd puts there hides nothing. */
		if (sscanf(line, "%*s %*s %*s %*s %255s", point) == 1 &&
		    !strncmp(point, "/proc/", 6) && strcmp(point, "/proc/sys/fs/binfmt_misc") != 0)
			return true;
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return false;
}

static void read_program_dir(struct cs_host *h)
{
	ssize_t n = readlink("/proc/self/exe", h->program_dir, sizeof h->program_dir - 1);

	h->program_dir[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(h->program_dir, '/');
	if (slash)
		*slash = '\0';
	/* It goes into a command for a shell and into AppArmor's syntax: plain names only. */
	for (const char *p = h->program_dir; *p; p++)
		if (!strchr("/._-+", *p) && !((*p | 32) >= 'a' && (*p | 32) <= 'z') &&
		    !(*p >= '0' && *p <= '9'))
			h->program_dir[0] = '\0';
}

void cs_host_read(struct cs_host *h)
{
	struct utsname name;

	*h = (struct cs_host)CS_HOST_INIT;
	h->root = geteuid() == 0;
	if (uname(&name) == 0)
		snprintf(h->kernel, sizeof h->kernel, "%.63s", name.release);
	h->max_user_namespaces = read_number("/proc/sys/user/max_user_namespaces");
	h->userns_clone = (int)read_number("/proc/sys/kernel/unprivileged_userns_clone");
	h->apparmor_userns =
		(int)read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	h->yama = (int)read_number("/proc/sys/kernel/yama/ptrace_scope");
	h->apparmor_profile = access(CS_APPARMOR_FILE, F_OK) == 0;
	h->filtered = prctl(PR_GET_SECCOMP) == 2;
	h->proc_covered = is_proc_covered();
	read_container(h);
	read_program_dir(h);
}

/* Loads a filter that allows everything, with the flags that the trace uses. */
static int try_listener(unsigned long flags)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { .len = CS_COUNT(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &program) < 0
		       ? errno
		       : 0;
}

static int in_child(int (*fn)(unsigned long), unsigned long arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(arg) & 0xff);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
}

void cs_host_probe(struct cs_host *h)
{
	long abi = cs_fake("landlock",
			   syscall(444 /* landlock_create_ruleset */, NULL, 0, 1 /* VERSION */));

	h->landlock_abi = abi > 0 ? (int)abi : 0;
	h->wait_killable = cs_fake("wait_killable", 1) &&
			   in_child(try_listener, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) == 0;
}
