/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command trace: every execve of a run, verified, with the exit status of each process; and who
 * asks for which connection.
 *
 * A seccomp user notification on execve and execveat stops the caller; the supervisor seizes the
 * thread with PTRACE_O_TRACEEXEC, lets the call go on, and at PTRACE_EVENT_EXEC reads from the
 * new image, stopped before its first instruction, what really runs; then it detaches. So no
 * other thread can change what is recorded, and debuggers work inside.
 *
 * Life: cs_trace_install() in the agent's process; cs_trace_new() in the supervisor; the loop and
 * cs_trace_wait_event() while the run lives; cs_trace_finish() when nothing of it lives any more;
 * cs_trace_free(). All calls but the first must come from one thread that lives as long as the
 * run: ptrace belongs to it, and when it ends what it holds is killed.
 */
#ifndef COUNTERSIGN_TRACE_H
#define COUNTERSIGN_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "countersign/base.h"

/*
 * To be called in the agent's process, after no_new_privs and the deny filter, right before the
 * exec: installs the notification filter and returns the listener (close-on-exec; to be sent to
 * the supervisor and closed), or -1 with errno. Async-signal-safe apart from libseccomp's
 * allocations. From here on every exec waits until the supervisor has the listener.
 */
int cs_trace_install(void);

#define CS_TRACE_ARGV_MAX   32768 /* bytes of argv that an event keeps */
#define CS_TRACE_REASON_MAX 256	  /* bytes of a refusal's text, with the NUL */

/*
 * Strings and vectors are borrowed until the callback returns, and hostile. What could not be
 * read is "" or 0.
 *
 * unverified says why the supervisor did not see the image itself:
 *	"traced"	a debugger inside traces the caller already. file and argv are what the
 *			caller's memory held before the call (a hint: it could change, and the call
 *			may still fail); exe is ""
 *	"unreadable"	the image (or the caller) may not be read: a program with mode 0711 of
 *			another owner, for instance. file is such a hint
 *	"busy"		the caller could not be seized in time: the call fails with EPERM whatever
 *			the callback returns
 * An event that is not verified must be denied wherever a rule stricter than "run" could match.
 */
struct cs_trace_exec {
	pid_t pid, ppid;  /* as the supervisor sees them */
	pid_t parent;	  /* nearest living ancestor that has an event of its own; 0: none */
	const char *exe;  /* resolved path inside the run; " (deleted)" behind an unlinked file's */
	const char *file; /* AT_EXECFN: what was asked to run (a script's own name) */
	const char *cwd;
	const char *argv; /* NUL-separated, argv_len bytes kept of argv_total */
	size_t argv_len, argv_total;
	int argc;
	char argv_sha256[CS_SHA256_HEX]; /* of all bytes, where truncated; else "" */
	/* Of the executed file (a script's interpreter), as it was at the exec; see digest.c. */
	char sha256[CS_SHA256_HEX];
	uint64_t dev, ino, size;
	bool at_exec; /* the image stands at its exec: it is what runs, read or not */
	bool verified;
	const char *unverified; /* NULL when verified */
};

/* The end of a process that had an exec event; once, however often it called exec. */
struct cs_trace_exit {
	pid_t pid;
	int status;	     /* wait status; -1 unknown */
	int64_t duration_ms; /* since the process's last exec event */
};

/*
 * A call of connect(2) for an internet address, before it goes on; it may still fail. addr and port
 * are what the caller's memory said, which can change at once: whom it really reaches only the
 * other side knows. It can be found there by the cookie, which is verified. (A connection without
 * this call, by TCP Fast Open, is refused to everybody.)
 */
struct cs_trace_connect {
	pid_t pid;
	pid_t command;	  /* itself or its nearest living ancestor with an exec event; 0: none */
	int family;	  /* AF_INET or AF_INET6 */
	int type;	  /* SOCK_STREAM and so on */
	uint8_t addr[16]; /* 4 bytes of it for AF_INET */
	uint16_t port;	  /* host byte order */
	uint64_t cookie;  /* of the socket: SO_COOKIE, and idiag_cookie of sock_diag(7) */
};

enum cs_trace_verdict { CS_TRACE_DENY = 0, CS_TRACE_RUN };

struct cs_trace_ops {
	/*
	 * Before the image runs; the event must be on its way to the log before this returns. With
	 * CS_TRACE_DENY the image ends with status 126 without running (or by SIGKILL where that
	 * cannot be had), and reason, if the callback put text there, is shown on its standard
	 * error when that is a terminal, pipe or local socket with room for it. The text must be
	 * printable: what comes from the run has to be escaped.
	 *
	 * argv may hold secrets: to be redacted (cs_trace_redact) before it is stored.
	 */
	enum cs_trace_verdict (*on_exec)(void *arg, const struct cs_trace_exec *exec,
					 char reason[CS_TRACE_REASON_MAX]);
	void (*on_exit)(void *arg, const struct cs_trace_exit *exit);
	void (*on_connect)(void *arg, const struct cs_trace_connect *connect); /* or NULL */
	void *arg;
};

/*
 * Nothing is lost without one of the last four of the first group growing. A call is in none of
 * these when its caller was killed before an instruction of the new image had run.
 */
struct cs_trace_counts {
	uint64_t execs;		/* events */
	uint64_t exits;		/* events */
	uint64_t failed_execs;	/* calls that failed, most of them "no such file"; no events */
	uint64_t unverified;	/* of execs */
	uint64_t denied;	/* of execs */
	uint64_t unknown_exits; /* of exits: without a status */
	uint64_t unfollowed;	/* execs whose end will have no event: no descriptor left */
	uint64_t refused;	/* calls failed with EAGAIN, without an event: more than
				 * CS_TRACE_QUEUE_MAX waited at once */
	uint64_t broken;	/* the listener failed and was closed: nothing can exec any more */

	uint64_t debugged; /* calls of ptrace(2) to attach to another process: from then on that
			    * one may do what is not in its command line */
};
#define CS_TRACE_QUEUE_MAX 32768 /* execs of processes that have another one in hand */

struct cs_trace;
/*
 * Takes listener_fd, even on failure. Registers with the loop; uses one descriptor for each live
 * command and therefore raises the soft RLIMIT_NOFILE of the process to the hard one; takes the
 * signal SIGRTMAX until cs_trace_free. The callbacks must not free the trace.
 */
int cs_trace_new(struct cs_trace **out, struct cs_loop *loop, int listener_fd,
		 const struct cs_trace_ops *ops, struct cs_err *err) CS_CHECKED;
/*
 * What waitpid() said. The supervisor owns SIGCHLD (through a signalfd of its loop) and there
 * calls waitpid(-1, &status, __WALL | WNOHANG) until it returns 0 or -1; every result that is not
 * about a child of its own comes here: stops and ends of seized threads, ends of this module's
 * helpers. Without this the run stands still at its next exec.
 */
void cs_trace_wait_event(struct cs_trace *trace, pid_t pid, int status);
/* When nothing lives in the run any more: reports the exits that the loop has not delivered. */
void cs_trace_finish(struct cs_trace *trace);
void cs_trace_counts(const struct cs_trace *trace, struct cs_trace_counts *out);
/* Kills what is held at a stop; later execs of the run fail with ENOSYS. */
void cs_trace_free(struct cs_trace *trace);

/*
 * Replaces what looks like a secret by "[redacted <kind>, <n> bytes]": access tokens of known
 * shapes, JSON Web Tokens, private keys, values of options, variables and headers whose names end
 * in password, token, secret and so on, passwords in URLs. Only the value goes, and says how long
 * it was. argv is len bytes with NULs between the arguments, and so is what is added to out;
 * truncated says that the last argument is not whole. Returns the number of replacements. Pure.
 */
size_t cs_trace_redact(struct cs_buf *out, const char *argv, size_t len, bool truncated);

#endif
