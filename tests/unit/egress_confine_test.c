/* SPDX-License-Identifier: Apache-2.0 */
/* What the relay and its resolver cannot do any more. Each attempt succeeds unconfined first. */
#include "../../lib/egress/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "countersign/base.h"
#include "unit.h"

#define UNIT_UID 61234

/* 0 or the errno; in a process of its own. */
static int outcome(long rc)
{
	return rc < 0 ? errno : 0;
}

static int read_etc(void)
{
	return outcome(open("/etc/passwd", O_RDONLY));
}

static int read_elsewhere(void)
{
	return outcome(open("/dev/zero", O_RDONLY));
}

static int list_root(void)
{
	return outcome(open("/var", O_RDONLY | O_DIRECTORY));
}

static int write_file(void)
{
	return outcome(open("/dev/null", O_WRONLY));
}

static int make_file(void)
{
	int rc = outcome(open("/var/tmp", O_TMPFILE | O_RDWR, 0600));

	return rc == EOPNOTSUPP ? 0 : rc;
}

static int make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return outcome(pid);
}

static int make_namespace(void)
{
	return outcome(unshare(CLONE_NEWUSER));
}

static int clone_namespace(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return outcome(pid);
}

static int clone3_process(void)
{
	struct {
		uint64_t v[8];
	} args = { .v = { [4] = SIGCHLD } };
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		_exit(0);
	return outcome(pid);
}

static int run_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int be_traced(void)
{
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_memory(void)
{
	char from = 'x', to;
	struct iovec a = { &to, 1 }, b = { &from, 1 };

	return outcome(process_vm_readv(getpid(), &a, 1, &b, 1, 0));
}

static int signal_parent(void)
{
	return outcome(kill(getppid(), 0));
}

static int local_socket(void)
{
	return outcome(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int netlink_socket(void)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int internet_socket(void)
{
	return outcome(socket(AF_INET, SOCK_STREAM, 0)) | outcome(socket(AF_INET6, SOCK_STREAM, 0));
}

static int code_pages(void)
{
	return outcome((long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0) == -1
			       ? -1
			       : 0);
}

static int data_pages(void)
{
	return outcome((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0) == -1
			       ? -1
			       : 0);
}

static int memory_file(void)
{
	return outcome(memfd_create("x", 0));
}

static int change_dumpable(void)
{
	return outcome(prctl(PR_SET_DUMPABLE, 1));
}

static int change_limit(void)
{
	struct rlimit r = { 64, 64 };

	return outcome(setrlimit(RLIMIT_NOFILE, &r));
}

static int change_user(void)
{
	return outcome(setresuid((uid_t)-1, geteuid(), (uid_t)-1));
}

static int device_control(void)
{
	int one = 1;

	return outcome(ioctl(socket(AF_INET, SOCK_STREAM, 0), FIONBIO, &one));
}

static int outlive_parent(void)
{
	return outcome(prctl(PR_SET_PDEATHSIG, 0));
}

static int look_up(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	int rc = getaddrinfo("localhost", NULL, &hints, &list);

	return rc == 0 ? 0 : EPERM;
}

/* What confined processes meet: 0 for what they need. */
static const struct {
	const char *name;
	int (*attempt)(void);
	int relay, resolver, lookup;
	int landlock; /* alone, with nothing readable; -1: not its matter */
} attempts[] = {
	{ "read /etc", read_etc, EPERM, 0, 0, EACCES },
	{ "read elsewhere", read_elsewhere, EPERM, EACCES, EACCES, EACCES },
	{ "list a directory", list_root, EPERM, EACCES, EACCES, EACCES },
	{ "write a file", write_file, EPERM, EPERM, EPERM, EACCES },
	{ "make a file", make_file, EPERM, EPERM, EPERM, EACCES },
	{ "make a process", make_process, EPERM, 0, EPERM, -1 },
	{ "make a namespace", make_namespace, EPERM, EPERM, EPERM, -1 },
	{ "clone a namespace", clone_namespace, EPERM, EPERM, EPERM, -1 },
	{ "clone3", clone3_process, ENOSYS, ENOSYS, ENOSYS, -1 },
	{ "run a program", run_program, EPERM, EPERM, EPERM, EACCES },
	{ "be traced", be_traced, EPERM, EPERM, EPERM, -1 },
	{ "read memory of a process", read_memory, EPERM, EPERM, EPERM, -1 },
	{ "signal the parent", signal_parent, EPERM, EPERM, EPERM, -1 },
	{ "a local socket", local_socket, EPERM, 0, 0, -1 },
	{ "a netlink socket", netlink_socket, EPERM, 0, 0, -1 },
	{ "an internet socket", internet_socket, 0, 0, 0, -1 },
	{ "executable memory", code_pages, EPERM, 0, 0, -1 },
	{ "memory", data_pages, 0, 0, 0, -1 },
	{ "a memory file", memory_file, EPERM, EPERM, EPERM, -1 },
	{ "change dumpable", change_dumpable, EPERM, EPERM, EPERM, -1 },
	{ "change limits", change_limit, EPERM, EPERM, EPERM, -1 },
	{ "change the user", change_user, EPERM, EPERM, EPERM, -1 },
	{ "an ioctl", device_control, EPERM, EPERM, EPERM, -1 },
	{ "outlive the parent", outlive_parent, EPERM, 0, EPERM, -1 },
	{ "a look-up", look_up, EPERM, 0, 0, -1 },
};

enum how { FREE, RELAY, RESOLVER, LOOKUP, LANDLOCK_ONLY, SECCOMP_ONLY };

static int confine(enum how how)
{
	static const char *const nothing[] = { NULL };
	static const char *const some[] = { "/etc", "/usr", "/lib", "/lib64", NULL };
	int abi = 0, rc;

	if (how == FREE)
		return 0;
	rc = cs_egress_confine_user(UNIT_UID, UNIT_UID, getppid(), NULL);
	if (rc == 0 && how != SECCOMP_ONLY)
		rc = cs_egress_confine_files(
			&abi, how == RESOLVER || how == LOOKUP ? some : nothing, NULL);
	if (rc == 0 && (how == RELAY || how == SECCOMP_ONLY))
		rc = cs_egress_confine_calls(CS_EGRESS_ROLE_RELAY, NULL);
	if (rc == 0 && (how == RESOLVER || how == LOOKUP))
		rc = cs_egress_confine_calls(CS_EGRESS_ROLE_RESOLVER, NULL);
	if (rc == 0 && how == LOOKUP) /* on top */
		rc = cs_egress_confine_calls(CS_EGRESS_ROLE_LOOKUP, NULL);
	if (how == LANDLOCK_ONLY && abi == 0)
		return 1;
	return rc;
}

/* The attempt's errno; -1: there is no Landlock here. */
static int try(int (*attempt)(void), enum how how)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int rc = confine(how);

		_exit(rc < 0 ? 200 : rc > 0 ? 201 : attempt());
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 200, "cannot confine: %#x",
		      status);
	return WEXITSTATUS(status) == 201 ? -1 : WEXITSTATUS(status);
}

START_TEST(confined_processes_cannot)
{
	const char *name = attempts[_i].name;
	int (*attempt)(void) = attempts[_i].attempt;
	int alone;

	ck_assert_msg(try(attempt, FREE) == 0, "%s: %d without confinement", name,
		      try(attempt, FREE));
	ck_assert_msg(try(attempt, RELAY) == attempts[_i].relay, "%s: relay: %s", name,
		      strerror(try(attempt, RELAY)));
	ck_assert_msg(try(attempt, SECCOMP_ONLY) == attempts[_i].relay, "%s: seccomp alone: %s",
		      name, strerror(try(attempt, SECCOMP_ONLY)));
	ck_assert_msg(try(attempt, RESOLVER) == attempts[_i].resolver, "%s: resolver: %s", name,
		      strerror(try(attempt, RESOLVER)));
	ck_assert_msg(try(attempt, LOOKUP) == attempts[_i].lookup, "%s: look-up: %s", name,
		      strerror(try(attempt, LOOKUP)));
	alone = attempts[_i].landlock < 0 ? -1 : try(attempt, LANDLOCK_ONLY);
	if (attempts[_i].landlock >= 0 && alone < 0)
		printf("# SKIP %s: no Landlock\n", name);
	ck_assert_msg(alone < 0 || alone == attempts[_i].landlock, "%s: Landlock alone: %s", name,
		      strerror(alone));
}
END_TEST

static int only_our_descriptors(void)
{
	int pair[2], keep[2];

	if (pipe(pair) < 0 || dup2(pair[0], 70) < 0 || dup2(pair[1], 400) < 0)
		return 1;
	close(pair[0]);
	close(pair[1]);
	keep[0] = 400;
	keep[1] = 70;
	if (open("/etc", O_RDONLY) < 0 || cs_egress_confine_descriptors(keep, 2, NULL) < 0)
		return 2;
	if (unit_count_fds() != 5 || write(400, "x", 1) != 1)
		return 3;
	return write(1, "to /dev/null", 12) == 12 ? 0 : 4;
}

static int nothing_is_left_of_root(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	uid_t r, e, s;

	static const gid_t groups[] = { 4, 27 };

	if (geteuid() == 0 && setgroups(2, groups) < 0)
		return 5;
	/* An ordinary user may have capabilities too, in a user namespace. */
	if (geteuid() != 0 && unshare(CLONE_NEWUSER) < 0)
		return 6;
	if (cs_egress_confine_user(UNIT_UID, UNIT_UID, getppid(), NULL) < 0)
		return 1;
	if (syscall(SYS_capget, &head, caps) < 0 ||
	    caps[0].effective | caps[0].permitted | caps[1].effective | caps[1].permitted)
		return 2;
	if (getresuid(&r, &e, &s) < 0 || r == 0 || e == 0 || s == 0)
		return 3;
	if (r == UNIT_UID && getgroups(0, NULL) != 0)
		return 7;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE) == 0 ? 0 : 4;
}

static int nothing_is_left_of_a_namespace(void)
{
	if (geteuid() == 0 && (setresgid(UNIT_UID, UNIT_UID, UNIT_UID) < 0 ||
			       setresuid(UNIT_UID, UNIT_UID, UNIT_UID) < 0))
		return 8;
	return nothing_is_left_of_root();
}

static int a_dead_parent_is_noticed(void)
{
	return cs_egress_confine_user(UNIT_UID, UNIT_UID, getppid() + 1, NULL) == CS_MALFUNCTION
		       ? 0
		       : 1;
}

START_TEST(a_child_finds)
{
	static int (*const checks[])(void) = { only_our_descriptors, nothing_is_left_of_root,
					       nothing_is_left_of_a_namespace,
					       a_dead_parent_is_noticed };
	int rc;

	rc = try(checks[_i], FREE);
	ck_assert_msg(rc == 0, "check %d: step %d", _i, rc);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress confine");
	TCase *tc = tcase_create("confine");

	tcase_add_loop_test(tc, confined_processes_cannot, 0, CS_COUNT(attempts));
	tcase_add_loop_test(tc, a_child_finds, 0, 4);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
