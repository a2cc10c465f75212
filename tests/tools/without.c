/* SPDX-License-Identifier: Apache-2.0 */
/*
 * without userns|unshare|listener CMD...: runs CMD where the host lacks something.
 *
 *	userns		no user namespace can be made (max_user_namespaces = 0): ENOSPC
 *	unshare		a seccomp filter refuses unshare, as container engines do: EPERM
 *	listener	somebody listens to system calls already: EBUSY
 *
 * Started by root CMD is root (of a user namespace with every uid for userns), else the same user.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	_exit(99);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void put_map(pid_t pid, const char *file, unsigned id)
{
	char path[64], line[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	snprintf(line, sizeof line, id ? "%u %u 1" : "0 0 4294967295", id, id);
	put(path, line);
}

/* The maps are the parent's to write: root may map everything, but only from outside. */
static void lose_userns(void)
{
	unsigned uid = geteuid(), gid = getegid();
	int ready[2], mapped[2], status;
	char c;

	if (pipe(ready) < 0 || pipe(mapped) < 0)
		die("pipe");
	pid_t pid = fork();
	if (pid > 0) {
		close(ready[1]);
		if (read(ready[0], &c, 1) == 1) {
			char path[64];
			snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
			if (uid)
				put(path, "deny");
			put_map(pid, "uid_map", uid);
			put_map(pid, "gid_map", gid);
		}
		if (write(mapped[1], "", 1) != 1)
			die("tell");
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWUSER) < 0)
		die("unshare");
	if (write(ready[1], "", 1) != 1 || read(mapped[0], &c, 1) != 1)
		die("maps");
	put("/proc/sys/user/max_user_namespaces", "0");
	close(ready[0]);
	close(ready[1]);
	close(mapped[0]);
	close(mapped[1]);
	/* For others than root the exec that follows takes the capabilities away. */
}

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

static void filter(unsigned nr, unsigned long flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof code[0], code };

	if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("no_new_privs");
	int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (fd < 0)
		die("seccomp");
	/* The listener listens as long as somebody holds it: CMD inherits it. */
	if (fd > 0)
		fcntl(fd, F_SETFD, 0);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 99;
	if (!strcmp(argv[1], "userns"))
		lose_userns();
	else if (!strcmp(argv[1], "unshare"))
		filter(SYS_unshare, 0);
	else if (!strcmp(argv[1], "listener"))
		filter(~0U, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	else
		return 99;
	execvp(argv[2], argv + 2);
	die(argv[2]);
}
