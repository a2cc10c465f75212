/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptraced PROGRAM [ARG...]: runs a program with all of its descendants seized for as long as they
 * live, stopping at forks, execs and exits and at no system call: the least that a tracer which
 * never lets go costs. For comparison; exits as the program does.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS                                                                                 \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
	 PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)

static pid_t start(char **argv)
{
	pid_t pid = fork();

	if (!pid) {
		raise(SIGSTOP);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, NULL, WUNTRACED) < 0 ||
	    ptrace(PTRACE_SEIZE, pid, NULL, EVENTS) < 0 || kill(pid, SIGCONT) < 0) {
		perror("ptraced");
		_exit(125);
	}
	return pid;
}

/* Signals are passed on; a stop for one that stops is kept; the tracer's own stops are not. */
static void let_go_on(pid_t pid, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
		ptrace(PTRACE_LISTEN, pid, NULL, NULL);
	else
		ptrace(PTRACE_CONT, pid, NULL, event ? 0 : signal);
}

int main(int argc, char **argv)
{
	int status, result = 125;
	pid_t child, pid;

	if (argc < 2)
		return 2;
	child = start(argv + 1);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid > 0 && WIFSTOPPED(status))
			let_go_on(pid, status);
		else if (pid == child)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return result;
}
