/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications: one waiting call each. A connect is told and goes on, a ptrace is counted and goes
 * on, an exit's status is kept (exit.c); an exec is what the rest of this is about.
 *
 * A received notification is answered, or waits in a queue of seize.c: none is forgotten, for its
 * thread would wait for ever. One is taken in each turn of the loop, so that a flood of them
 * starves nothing else; the kernel keeps the rest, one at most for each thread of the run. While
 * LISTENER_IN_HAND threads are seized none is taken at all: each costs descriptors.
 *
 * Most exec calls of a build fail: a search through PATH asks for names that do not exist. These
 * are answered with ENOENT here, after a look with the caller's root, which saves two thirds of
 * the seizures in a build. Memory of the caller is read for that, and can change at once:
 * no matter, since an answered call runs nothing. The look must only never say "missing" where
 * the kernel, seen from the caller, would find something or say otherwise:
 *	- absolute paths only, resolved beneath the caller's root (RESOLVE_IN_ROOT), which also
 *	  refuses magic links;
 *	- not in a proc file system, where "self" would be ourselves;
 *	- with the caller's user as file system user when we are root, or else the answer (ENOENT
 *	  instead of EACCES) would tell what is in directories that the caller may not search.
 *
 * If receiving ever fails for a reason that is none of the known ones, the listener is closed:
 * then the kernel fails every exec with ENOSYS, and the count `broken` says so. Closed, not blind.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define X32 0x40000000 /* __X32_SYSCALL_BIT */

/* Where the path and the argument vector of an exec stand among the arguments, by ABI. */
static const struct {
	uint32_t arch;
	int nr;
	int path, argv;
	bool narrow; /* pointers of 32 bits */
} execs[] = {
#if defined(__x86_64__)
	{ AUDIT_ARCH_X86_64, 59, 0, 1, false },	 /* execve */
	{ AUDIT_ARCH_X86_64, 322, 1, 2, false }, /* execveat */
	{ AUDIT_ARCH_X86_64, X32 | 520, 0, 1, true }, { AUDIT_ARCH_X86_64, X32 | 545, 1, 2, true },
	{ AUDIT_ARCH_I386, 11, 0, 1, true },	      { AUDIT_ARCH_I386, 358, 1, 2, true },
#elif defined(__aarch64__)
	{ AUDIT_ARCH_AARCH64, 221, 0, 1, false },
	{ AUDIT_ARCH_AARCH64, 281, 1, 2, false },
	{ AUDIT_ARCH_ARM, 11, 0, 1, true },
	{ AUDIT_ARCH_ARM, 387, 1, 2, true },
#endif
};

static const struct {
	uint32_t arch;
	int nr;
	enum call_kind kind;
} others[] = {
#if defined(__x86_64__)
	{ AUDIT_ARCH_X86_64, 42, CALL_CONNECT },     { AUDIT_ARCH_X86_64, X32 | 42, CALL_CONNECT },
	{ AUDIT_ARCH_I386, 362, CALL_CONNECT },	     { AUDIT_ARCH_I386, 102, CALL_SOCKETCALL },
	{ AUDIT_ARCH_X86_64, 101, CALL_PTRACE },     { AUDIT_ARCH_X86_64, X32 | 521, CALL_PTRACE },
	{ AUDIT_ARCH_I386, 26, CALL_PTRACE },	     { AUDIT_ARCH_X86_64, 231, CALL_EXIT },
	{ AUDIT_ARCH_X86_64, X32 | 231, CALL_EXIT }, { AUDIT_ARCH_I386, 252, CALL_EXIT },
#elif defined(__aarch64__)
	{ AUDIT_ARCH_AARCH64, 203, CALL_CONNECT }, { AUDIT_ARCH_ARM, 283, CALL_CONNECT },
	{ AUDIT_ARCH_AARCH64, 117, CALL_PTRACE },  { AUDIT_ARCH_ARM, 26, CALL_PTRACE },
	{ AUDIT_ARCH_AARCH64, 94, CALL_EXIT },	   { AUDIT_ARCH_ARM, 248, CALL_EXIT },
#endif
};

static struct call call_of(const struct seccomp_notif *req)
{
	struct call call = { .id = req->id, .tid = (pid_t)req->pid };

	for (size_t i = 0; i < CS_COUNT(execs); i++) {
		if (execs[i].arch != req->data.arch || execs[i].nr != req->data.nr)
			continue;
		call.path = req->data.args[execs[i].path];
		if (!execs[i].narrow)
			call.argv = req->data.args[execs[i].argv];
		return call;
	}
	for (size_t i = 0; i < CS_COUNT(others); i++)
		if (others[i].arch == req->data.arch && others[i].nr == req->data.nr)
			call.kind = others[i].kind;
	memcpy(call.args, req->data.args, sizeof(call.args));
	return call;
}

void listener_close(struct cs_trace *trace)
{
	if (trace->listener_fd < 0)
		return;
	cs_loop_remove(trace->loop, trace->listener_fd);
	cs_close(&trace->listener_fd);
}

/* What is not known to be something else is an exec: it waits to be seen. */
static void take(struct cs_trace *trace, const struct seccomp_notif *req)
{
	struct call call = call_of(req);

	switch (call.kind) {
	case CALL_CONNECT:
	case CALL_SOCKETCALL:
		connect_report(trace, &call);
		listener_answer(trace, call.id, 0);
		break;
	case CALL_PTRACE:
		trace->counts.debugged++;
		listener_answer(trace, call.id, 0);
		break;
	case CALL_EXIT:
		exit_said(trace, &call);
		listener_answer(trace, call.id, 0);
		break;
	case CALL_EXEC:
	default:
		seize_submit(trace, &call);
		break;
	}
}

void listener_ready(void *arg, int fd, uint32_t events)
{
	struct cs_trace *trace = arg;

	if (!(events & EPOLLIN)) {
		listener_close(trace); /* EPOLLHUP: nobody has the filter any more */
		return;
	}
	if (trace->tracees.n >= trace->in_hand_max) {
		trace->paused = cs_loop_modify(trace->loop, fd, 0) == 0;
		return;
	}
	memset(trace->request, 0, trace->request_size); /* else EINVAL */
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, trace->request) < 0) {
		/* ENOENT: the caller was killed meanwhile. */
		if (errno == ENOENT || errno == EINTR)
			return;
		trace->counts.broken++;
		listener_close(trace);
		return;
	}
	take(trace, trace->request);
}

void listener_resume(struct cs_trace *trace)
{
	if (trace->paused && trace->listener_fd >= 0 && trace->tracees.n < trace->in_hand_max)
		trace->paused = cs_loop_modify(trace->loop, trace->listener_fd, EPOLLIN) != 0;
}

void listener_answer(struct cs_trace *trace, uint64_t id, int sys_errno)
{
	struct seccomp_notif_resp resp = { .id = id, .error = -sys_errno };

	if (!sys_errno)
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	/*
	 * ENOENT: the caller died, or (before 5.19) a signal took it out of its wait and it will
	 * ask again. Nothing else can fail here, and either way nobody waits for this id.
	 */
	ioctl(trace->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

bool listener_is_valid(const struct cs_trace *trace, uint64_t id)
{
	return ioctl(trace->listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* ---- names that do not exist ------------------------------------------------------------- */

static int open_beneath(int root_fd, const char *dir, uint64_t resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | resolve,
	};

	return (int)syscall(SYS_openat2, root_fd, *dir ? dir : "/", &how, sizeof(how));
}

static bool lacks(int root_fd, const char *dir, const char *name)
{
	AUTO_FD int dir_fd = open_beneath(root_fd, dir, 0);
	struct statfs fs;
	struct stat st;

	/*
	 * A directory that does not exist has nothing in it. Without symbolic links this time: one
	 * could lead through proc.
	 */
	if (dir_fd < 0 && errno == ENOENT) {
		AUTO_FD int plain_fd = open_beneath(root_fd, dir, RESOLVE_NO_SYMLINKS);

		return plain_fd < 0 && errno == ENOENT;
	}
	if (dir_fd < 0)
		return false;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return false;
	return fstatfs(dir_fd, &fs) == 0 && fs.f_type != PROC_SUPER_MAGIC;
}

static bool is_missing_beneath(int root_fd, const char *path)
{
	char dir[PATH_MAX + 1];
	char *name;

	memcpy(dir, path, strlen(path) + 1);
	name = strrchr(dir, '/');
	*name++ = '\0';
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       lacks(root_fd, dir, name);
}

/*
 * As root: looks with the rights of the owner of /proc/<tid>, the caller's effective user. That is
 * root also for a process that is not dumpable, whoever it belongs to: status tells then. setfsuid
 * takes the capabilities away; supplementary groups stay ours.
 */
static bool is_missing_as(pid_t tid, int root_fd, const char *path)
{
	struct proc_status status;
	struct stat owner;
	char proc[32];
	bool missing;

	snprintf(proc, sizeof(proc), "/proc/%d", (int)tid);
	if (stat(proc, &owner) < 0)
		return false;
	if (owner.st_uid == 0) {
		AUTO_FD int proc_fd = proc_open(tid);

		return proc_status_read(&status, proc_fd) && status.euid == 0 &&
		       is_missing_beneath(root_fd, path);
	}
	setfsgid(owner.st_gid);
	setfsuid(owner.st_uid);
	missing = is_missing_beneath(root_fd, path);
	setfsuid(0);
	setfsgid(getegid());
	return missing;
}

bool listener_is_missing(const char *path, pid_t tid)
{
	AUTO_FD int root_fd = -1;
	char root[32];

	if (path[0] != '/')
		return false;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)tid);
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return false;
	return geteuid() == 0 ? is_missing_as(tid, root_fd, path)
			      : is_missing_beneath(root_fd, path);
}
