/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the kernel that work does not need, and terminals. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>

/* ---- kernel surface ---- */

static int ring_setup(char **a)
{
	(void)a;
	uint32_t params[30] = { 0 };
	return met(syscall(SYS_io_uring_setup, 1, params));
}

static int ring_enter(char **a)
{
	(void)a;
	return met(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0));
}

static int ring_register(char **a)
{
	(void)a;
	return met(syscall(SYS_io_uring_register, -1, 0, NULL, 0));
}

static int bpf_map(char **a)
{
	(void)a;
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	return met(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
}

static int perf(char **a)
{
	(void)a;
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof attr,
					.config = PERF_COUNT_SW_DUMMY,
					.exclude_kernel = 1 };
	return met(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int fault_handler(char **a)
{
	(void)a;
	return met(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* user mode only */));
}

static int key_add(char **a)
{
	(void)a;
	return met(syscall(SYS_add_key, "user", "probe", "x", 1, -2 /* process keyring */));
}

static int key_request(char **a)
{
	int err = key_add(a);
	return err ? err : met(syscall(SYS_request_key, "user", "probe", NULL, -2));
}

static int key_control(char **a)
{
	(void)a;
	return met(syscall(SYS_keyctl, 0 /* get id */, -2, 1, 0, 0));
}

static int load_kernel(char **a)
{
	(void)a;
	return met(syscall(SYS_kexec_load, 0, 0, NULL, 0x7fff));
}

static int load_kernel_file(char **a)
{
	(void)a;
	return met(syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0x7fff));
}

static int load_module(char **a)
{
	(void)a;
	return met(syscall(SYS_init_module, NULL, 0, ""));
}

static int load_module_file(char **a)
{
	(void)a;
	return met(syscall(SYS_finit_module, -1, "", 0));
}

static int unload_module(char **a)
{
	(void)a;
	return met(syscall(SYS_delete_module, "no_such_module", O_NONBLOCK));
}

static int kernel_log(char **a)
{
	(void)a;
	return met(syscall(SYS_syslog, 10 /* size */, NULL, 0));
}

static int accounting(char **a)
{
	(void)a;
	return met(syscall(SYS_acct, "/nonexistent/file"));
}

static int swap_on(char **a)
{
	(void)a;
	return met(syscall(SYS_swapon, "/nonexistent/file", 0));
}

static int clock_adjust(char **a)
{
	(void)a;
	struct timex t = { .modes = 0 };
	return met(syscall(SYS_adjtimex, &t));
}

static int fanotify(char **a)
{
	(void)a;
	return met(syscall(SYS_fanotify_init, 0x200 /* FID */, O_RDONLY));
}

static int local_descriptors(char **a)
{
	(void)a;
	char ldt[16];
#ifdef SYS_modify_ldt
	return met(syscall(SYS_modify_ldt, 0, ldt, sizeof ldt));
#else
	(void)ldt;
	return ENOSYS;
#endif
}

/* A listener of the agent's own would sit before the supervisor's. */
static int own_listener(char **a)
{
	(void)a;
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } };
	struct sock_fprog prog = { 1, code };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return met(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			   &prog));
}

static int x32_call(char **a)
{
	(void)a;
#ifdef __x86_64__
	return met(syscall(0x40000000l | SYS_getpid));
#else
	return ENOSYS;
#endif
}

static sigjmp_buf no_i386;

static void on_fault(int signo)
{
	(void)signo;
	siglongjmp(no_i386, 1);
}

/* A kernel without this table lets the instruction fault. */
static int i386_call(long nr, long b, long c, long d)
{
#ifdef __x86_64__
	volatile long rc = -ENOSYS;
	signal(SIGSEGV, on_fault);
	if (sigsetjmp(no_i386, 1))
		return ENOSYS;
	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(nr), "b"(b), "c"(c), "d"(d)
			 : "memory", "r8", "r9", "r10", "r11");
	return rc < 0 ? (int)-rc : 0;
#else
	(void)nr, (void)b, (void)c, (void)d;
	return ENOSYS;
#endif
}

static int i386_getpid(char **a)
{
	(void)a;
	return i386_call(20, 0, 0, 0);
}

static int i386_socket(char **a)
{
	return i386_call(359, (long)number(a[0]), SOCK_STREAM, 0);
}

/* ---- terminals ---- */

/* In a child with a terminal of its own making as its controlling one. */
static int terminal_ioctl(unsigned long request, const char *arg)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		setsid();
		int master = posix_openpt(O_RDWR | O_NOCTTY);
		if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
			_exit(errno);
		int slave = open(ptsname(master), O_RDWR);
		if (slave < 0)
			_exit(errno);
		/* Not through the library, which may cut the request to an int. */
		_exit(met(syscall(SYS_ioctl, slave, request, arg)));
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int terminal_push(char **a)
{
	(void)a;
	return terminal_ioctl(TIOCSTI, "i");
}

static int terminal_push_high(char **a)
{
	(void)a;
	return terminal_ioctl(0xdead00000000ul | TIOCSTI, "i");
}

static int terminal_console(char **a)
{
	(void)a;
	char sub[2] = { 2, 0 };
	return terminal_ioctl(TIOCLINUX, sub);
}

const struct attempt kernel_attempts[] = {
	{ "io-uring-setup", 0, "io_uring_setup", ring_setup },
	{ "io-uring-enter", 0, "io_uring_enter", ring_enter },
	{ "io-uring-register", 0, "io_uring_register", ring_register },
	{ "bpf", 0, "make a BPF map", bpf_map },
	{ "perf", 0, "perf_event_open", perf },
	{ "userfaultfd", 0, "userfaultfd", fault_handler },
	{ "add-key", 0, "add a key", key_add },
	{ "request-key", 0, "request a key", key_request },
	{ "keyctl", 0, "find a keyring", key_control },
	{ "kexec", 0, "kexec_load", load_kernel },
	{ "kexec-file", 0, "kexec_file_load", load_kernel_file },
	{ "init-module", 0, "load a module from memory", load_module },
	{ "finit-module", 0, "load a module from a file", load_module_file },
	{ "delete-module", 0, "unload a module", unload_module },
	{ "syslog", 0, "the kernel's log", kernel_log },
	{ "acct", 0, "process accounting", accounting },
	{ "swapon", 0, "swapping", swap_on },
	{ "adjtimex", 0, "the kernel's clock", clock_adjust },
	{ "fanotify", 0, "fanotify_init", fanotify },
	{ "modify-ldt", 0, "modify_ldt", local_descriptors },
	{ "seccomp-listener", 0, "a notification listener of one's own", own_listener },
	{ "x32", 0, "a call of the x32 table", x32_call },
	{ "i386", 0, "a call of the i386 table", i386_getpid },
	{ "i386-socket", 1, "socket(2) of the i386 table", i386_socket },
	{ "tiocsti", 0, "push a character into a terminal", terminal_push },
	{ "tiocsti-high", 0, "the same with bits in the ignored half", terminal_push_high },
	{ "tioclinux", 0, "paste on the console", terminal_console },
	{ 0 },
};
