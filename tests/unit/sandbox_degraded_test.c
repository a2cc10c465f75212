/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter of degraded runs, for Landlocks that this kernel does not have: what an old one leaves
 * open has to be closed here. Each attempt runs in a child, free first.
 */
#include "../../lib/sandbox/internal.h"

#include <errno.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "unit.h"

static char path[64];
static pid_t victim; /* stands for the watcher */

static int met(long rc)
{
	return rc < 0 ? errno : 0;
}

static int cut_by_path(void)
{
	return met(truncate(path, 0));
}
static int cut_by_open(void)
{
	return met(open(path, O_RDONLY | O_TRUNC | O_CLOEXEC));
}
static int cut_by_openat2(void)
{
	struct open_how how = { .flags = O_RDONLY | O_TRUNC };
	return met(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}
static int open_to_read(void)
{
	return met(open(path, O_RDONLY | O_CLOEXEC));
}
static int open_to_write(void)
{
	return met(open(path, O_WRONLY | O_TRUNC | O_CLOEXEC));
}
static int signal_watcher(void)
{
	return met(kill(victim, 0));
}
static int signal_thread(void)
{
	return met(syscall(SYS_tgkill, victim, victim, 0));
}
static int signal_by_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, victim, 0);
	return fd < 0 ? errno : met(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}
static int signal_by_owner(void)
{
	int pair[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0
		       ? errno
		       : met(fcntl(pair[0], F_SETOWN, victim));
}
static int signal_self(void)
{
	return met(kill(getpid(), 0));
}
static int signal_own_group(void)
{
	return setpgid(0, 0) < 0 ? errno : met(kill(0, 0));
}
static int limit_other(void)
{
	struct rlimit r = { 1000, 1000 };
	return met(prlimit(victim, RLIMIT_CPU, &r, NULL));
}
static int limit_self(void)
{
	struct rlimit r = { 1000, 1000 };
	return met(prlimit(0, RLIMIT_CPU, &r, NULL));
}
static int unix_socket(void)
{
	return met(socket(AF_UNIX, SOCK_STREAM, 0));
}
static int inet_socket(void)
{
	return met(socket(AF_INET, SOCK_STREAM, 0));
}
static int pair_of_sockets(void)
{
	int pair[2];
	return met(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}
static int shared_memory(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);
	if (id < 0)
		return errno;
	shmctl(id, IPC_RMID, NULL);
	return 0;
}

static const struct {
	const char *name;
	int (*attempt)(void);
	int old, young; /* errno under ABI 2 and under ABI 7; 0: allowed */
} attempts[] = {
	{ "truncate", cut_by_path, EACCES, 0 },
	{ "open with O_TRUNC for reading", cut_by_open, EACCES, 0 },
	{ "openat2", cut_by_openat2, ENOSYS, 0 },
	{ "open for reading", open_to_read, 0, 0 },
	{ "open for writing", open_to_write, 0, 0 },
	{ "kill", signal_watcher, EPERM, 0 },
	{ "tgkill", signal_thread, EPERM, 0 },
	{ "pidfd", signal_by_pidfd, EPERM, 0 },
	{ "owner", signal_by_owner, EPERM, 0 },
	{ "kill oneself", signal_self, 0, 0 },
	{ "kill one's group", signal_own_group, 0, 0 },
	{ "limits of others", limit_other, EPERM, EPERM },
	{ "limits", limit_self, 0, 0 },
	{ "Unix socket", unix_socket, EAFNOSUPPORT, EAFNOSUPPORT },
	{ "TCP socket", inet_socket, EAFNOSUPPORT, EAFNOSUPPORT },
	{ "socketpair", pair_of_sockets, 0, 0 },
	{ "shared memory", shared_memory, ENOSYS, ENOSYS },
};

/* abi 0: without a filter. */
static int attempt_in_child(int (*attempt)(void), int abi)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (abi && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			    filter_degraded(abi, getppid(), victim) < 0))
			_exit(255);
		_exit(attempt());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

START_TEST(an_old_landlock_is_made_up_for)
{
	snprintf(path, sizeof path, "/tmp/degraded-test.XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	victim = fork();
	if (victim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	int unconfined = attempt_in_child(attempts[_i].attempt, 0);
	int old = attempt_in_child(attempts[_i].attempt, 2);
	int young = attempt_in_child(attempts[_i].attempt, 7);
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	unlink(path);
	ck_assert_msg(unconfined == 0, "%s, free: %s", attempts[_i].name, strerror(unconfined));
	ck_assert_msg(old == attempts[_i].old, "%s, ABI 2: %s", attempts[_i].name, strerror(old));
	ck_assert_msg(young == attempts[_i].young, "%s, ABI 7: %s", attempts[_i].name,
		      strerror(young));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sandbox_degraded");
	TCase *tc = tcase_create("filter");

	tcase_add_loop_test(tc, an_old_landlock_is_made_up_for, 0, CS_COUNT(attempts));
	suite_add_tcase(s, tc);
	return unit_run(s);
}
