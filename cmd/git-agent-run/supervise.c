/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop from "go" until nothing lives inside: the sandbox's reports, the relay's questions, the
 * agent's streams, signals, time. Every event is written to the log before it takes effect; when
 * the log cannot be written the run ends (fail closed).
 *
 * Ending: Ctrl-C (or SIGTERM, SIGHUP) asks the agent to stop, the second one kills; so does the
 * time limit. Whatever ended the agent, its change so far is captured.
 */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYNC_EVERY_MS	1000
#define KILL_AFTER_MS	10000 /* a polite stop that is not heard */
#define DRAIN_MS	2000  /* output of a dead agent that our reader does not take */
#define KEYS_WITHIN_NS	1000000000
#define EXIT_TIMEOUT	124
#define EXIT_INTERRUPTED 130
#define EXIT_LIMIT	137

struct supervisor {
	struct run *run;
	struct cs_loop *loop;
	struct report report;
	struct cs_trace *trace;
	int sig_fd;
	sigset_t old_mask;
	int stops;	  /* how often somebody asked to stop */
	int keys;	  /* interrupts of the terminal seen so far, and the last one's time */
	int64_t last_key_ns;
	bool timed_out;
	bool stopped_by_us; /* the agent, and its report may still come */
	bool stop_noted;
	bool exited;	  /* the agent; agent_status is known */
	bool gone;	  /* everything inside */
	bool relay_gone;
	int exec_errno;
	int agent_status;
};

static void fail(struct supervisor *s, const struct cs_err *err)
{
	if (!s->report.err.code)
		s->report.err = *err;
	cs_sandbox_kill(s->run->sandbox);
}

/* ---- the relay ---- */

static void on_egress(void *arg, int fd, uint32_t events)
{
	struct supervisor *s = arg;
	struct cs_egress_event event;
	struct cs_err err;
	int rc;

	(void)events;
	while ((rc = cs_egress_next(&event, s->run->egress, &err)) > 0) {
		report_egress(&s->report, &event);
		/* Written first; an answer only where the log took it. */
		struct cs_egress_answer answer = { .id = event.id, .allow = !s->report.err.code };
		if (event.type == CS_EGRESS_CONNECT &&
		    cs_egress_answer(s->run->egress, &answer, &err) < 0)
			rc = err.code;
		if (rc < 0)
			break;
	}
	if (rc < 0) {
		s->relay_gone = true;
		cs_loop_remove(s->loop, fd);
		fail(s, &err);
	}
}

/* Which name an address stands for was told by the relay before anybody inside could know it. */
static void on_connect(void *arg, const struct cs_trace_connect *c)
{
	struct report *r = arg;
	struct supervisor *s = r->supervisor;

	if (s->run->egress && !s->relay_gone)
		on_egress(s, cs_egress_fd(s->run->egress), 0);
	report_connect(r, c);
}

static void late_egress(void *arg, const struct cs_egress_event *event)
{
	struct supervisor *s = arg;
	report_egress(&s->report, event);
}

/* ---- ending ---- */

static void kill_now(void *arg)
{
	struct supervisor *s = arg;
	cs_sandbox_kill(s->run->sandbox);
}

static void ask_to_stop(struct supervisor *s, int signo)
{
	if (s->exited)
		return;
	if (++s->stops > 1) {
		note("killed");
		cs_sandbox_kill(s->run->sandbox);
		return;
	}
	note("asked the agent to stop; again kills it");
	cs_sandbox_signal(s->run->sandbox, signo);
	if (signo != SIGINT)
		cs_loop_after(s->loop, KILL_AFTER_MS, kill_now, s);
}

static void on_timeout(void *arg)
{
	struct supervisor *s = arg;

	if (s->exited)
		return;
	s->timed_out = true;
	limits_event(&s->report, "time", (uint64_t)(cs_mono_ns() - s->run->started_mono_ns) / 1000000,
		     (uint64_t)cs_policy_int(s->run->policy, "sandbox.timeout"));
	note("time limit (%s) reached", cs_policy_origin(s->run->policy, "sandbox.timeout"));
	cs_sandbox_signal(s->run->sandbox, SIGTERM);
	cs_loop_after(s->loop, KILL_AFTER_MS, kill_now, s);
}

/* ---- job control ---- */

static pid_t parent_of(pid_t pid)
{
	AUTO_FREE char *path = cs_asprintf("/proc/%d/stat", (int)pid);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[512] = "";
	int parent = 0;

	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		return 0;
	/* Behind the name, which may hold anything: state, then the parent. */
	const char *p = strrchr(text, ')');
	return p && sscanf(p, ") %*c %d", &parent) == 1 ? parent : 0;
}

/*
 * Whether nobody would continue our job if it stopped: the parent of its first process is none that
 * has us as a job. The kernel calls such a process group orphaned, and spares it SIGTSTP.
 */
static bool job_is_orphaned(void)
{
	pid_t pid = getpid();

	while (pid > 1 && getpgid(pid) == getpgrp())
		pid = parent_of(pid);
	return pid <= 1 || getsid(pid) != getsid(0);
}

/*
 * Stops us, and goes on when we are continued. Where the agent stopped itself, the whole job has to
 * stop (git itself waits for us in it); a SIGTSTP has reached the others already.
 */
static void suspend(struct supervisor *s, bool job)
{
	streams_suspend(s->run);
	if (!s->run->tty) {
		cs_sandbox_signal(s->run->sandbox, SIGSTOP);
		s->stopped_by_us = true;
	}
	if (job)
		kill(0, SIGSTOP);
	else
		raise(SIGSTOP);
	cs_sandbox_signal(s->run->sandbox, SIGCONT);
	streams_resume(s->run);
}

/*
 * The agent has stopped: at a terminal so do we, for the shell to continue us both. Elsewhere nobody
 * could, and it would stand there for ever: it goes on at once.
 */
static void on_stopped(struct supervisor *s)
{
	if (s->run->tty && !job_is_orphaned()) {
		suspend(s, true);
		return;
	}
	if (!s->stopped_by_us && !s->stop_noted) {
		note("the agent stopped itself; with nobody to continue it, it goes on");
		s->stop_noted = true;
	}
	s->stopped_by_us = false;
	cs_sandbox_signal(s->run->sandbox, SIGCONT);
}

/* ---- descriptors ---- */

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		if (pid == cs_sandbox_setup_pid(s->run->sandbox) ||
		    dirty_reaped(s->run, pid, status) || limits_reaped(s->run, pid))
			continue;
		if (!s->run->egress || pid != cs_egress_pid(s->run->egress)) {
			cs_trace_wait_event(s->trace, pid, status);
		} else if (!s->gone) {
			struct cs_err err;
			cs_err_set(&err, CS_MALFUNCTION, "the relay process died");
			fail(s, &err);
		}
	}
}

static void on_signal(void *arg, int fd, uint32_t events)
{
	struct supervisor *s = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(s);
			break;
		case SIGWINCH:
			streams_resize(s->run);
			break;
		case SIGTSTP:
			if (!job_is_orphaned())
				suspend(s, false);
			break;
		default:
			ask_to_stop(s, (int)info.ssi_signo);
		}
	}
}

static void on_sandbox(void *arg, int fd, uint32_t events)
{
	struct supervisor *s = arg;
	enum cs_sandbox_event event;
	struct cs_err err;
	int value;

	(void)events;
	if (cs_sandbox_next(&event, &value, s->run->sandbox, &err) < 0) {
		fail(s, &err);
		cs_loop_remove(s->loop, fd);
		return;
	}
	switch (event) {
	case CS_SANDBOX_EXEC_FAILED:
		s->exec_errno = value;
		break;
	case CS_SANDBOX_STOPPED:
		on_stopped(s);
		break;
	case CS_SANDBOX_EXITED:
		cs_fault("agent-exited");
		s->exited = true;
		s->agent_status = value;
		break;
	case CS_SANDBOX_GONE:
		s->gone = true;
		cs_loop_remove(s->loop, fd);
		break;
	case CS_SANDBOX_NONE:
		break;
	}
}

static void on_sync(void *arg)
{
	struct supervisor *s = arg;
	struct cs_err err;

	attempts_end_period(&s->report, false);
	if (cs_log_sync(s->run->log, &err) < 0)
		fail(s, &err);
	cs_loop_after(s->loop, SYNC_EVERY_MS, on_sync, s);
}

/* ---- the loop ---- */

static bool is_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int open_signals(struct supervisor *s, struct cs_err *err)
{
	static const int signals[] = { SIGCHLD, SIGINT,	 SIGTERM, SIGHUP,
				       SIGQUIT, SIGTSTP, SIGWINCH };
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < CS_COUNT(signals); i++)
		if (signals[i] != SIGHUP || !is_ignored(SIGHUP)) /* nohup */
			sigaddset(&mask, signals[i]);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &mask, &s->old_mask);
	s->sig_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->sig_fd < 0)
		return cs_err_sys(err, "signalfd");
	return cs_loop_add(s->loop, s->sig_fd, EPOLLIN, on_signal, s, err);
}

static int start_event(struct supervisor *s, struct cs_err *err)
{
	struct cs_run_info *info = &s->run->info;
	cJSON *o = cJSON_CreateObject();
	cJSON *argv = cJSON_AddArrayToObject(o, "argv");
	char hex[CS_OID_HEX];

	cs_json_add_str(o, "id", info->id);
	cs_json_add_str(o, "base", cs_oid_hex(hex, &info->base_commit));
	if (*info->continues)
		cs_json_add_str(o, "continues", info->continues);
	cs_json_add_str(o, "profile", info->profile);
	cs_json_add_str(o, "policy", cs_policy_digest(s->run->policy));
	cs_json_add_str(o, "worktree", info->worktree);
	for (size_t i = 0; i < info->argv.n; i++)
		cJSON_AddItemToArray(argv, cs_json_bytes(info->argv.v[i], strlen(info->argv.v[i])));
	int rc = cs_log_add(s->run->log, "run.start", o, err);
	return rc ? rc : cs_log_sync(s->run->log, err);
}

/* The layers that hold, as the schema names them. */
static void keep_layers(struct run *run)
{
	struct cs_sandbox_layers l;
	cJSON *o = cJSON_CreateObject();

	cs_sandbox_get_layers(run->sandbox, &l);
	const struct {
		const char *name;
		bool on;
	} table[] = {
		{ "user", l.user }, { "mount", l.mount },     { "pid", l.pid },	      { "net", l.net },
		{ "ipc", l.ipc },   { "uts", l.uts },	      { "seccomp", l.seccomp },
		{ "cgroup", l.cgroup },
	};
	for (size_t i = 0; i < CS_COUNT(table); i++)
		cs_json_add_bool(o, table[i].name, table[i].on);
	cs_json_add_int(o, "landlock_abi", l.landlock_abi);
	run->info.layers = o;
	run->info.level = cs_strdup(run->degraded ? "degraded" : "full");
	if (run->degraded)
		degraded_record(run);
}

static int start_trace(struct supervisor *s, struct cs_err *err)
{
	struct cs_trace_ops ops = {
		.on_exec = report_exec,
		.on_exit = report_exit,
		.on_connect = on_connect,
		.arg = &s->report,
	};
	return cs_trace_new(&s->trace, s->loop, cs_sandbox_take_listener(s->run->sandbox), &ops,
			    err);
}

static int start(struct supervisor *s, struct cs_err *err)
{
	struct run *run = s->run;
	int64_t timeout = cs_policy_int(run->policy, "sandbox.timeout");
	int rc = open_signals(s, err);

	if (!rc)
		rc = cs_loop_add(s->loop, cs_sandbox_fd(run->sandbox), EPOLLIN, on_sandbox, s, err);
	if (!rc && run->egress)
		rc = cs_loop_add(s->loop, cs_egress_fd(run->egress), EPOLLIN, on_egress, s, err);
	if (!rc)
		rc = streams_start(run, s->loop, cs_sandbox_take_terminal(run->sandbox), err);
	if (!rc)
		rc = start_trace(s, err);
	keep_layers(run);
	if (!rc)
		rc = cs_run_dir_save(&run->dir, &run->info, err);
	if (!rc)
		rc = start_event(s, err);
	if (rc < 0)
		return rc;
	/* A person at a terminal needs no limit unless one was asked for. */
	if (timeout > 0 && (!run->tty || run->opts->timeout_ms > 0))
		cs_loop_after(s->loop, timeout, on_timeout, s);
	cs_loop_after(s->loop, SYNC_EVERY_MS, on_sync, s);
	limits_start(run, s->loop, &s->report);
	cs_fault("before-go");
	rc = cs_sandbox_go(run->sandbox, err);
	cs_fault("after-go");
	run->went = rc == 0;
	return rc;
}

/*
 * Ctrl-C in the agent's own terminal has reached it as a signal already. Twice within a second is
 * meant for us: shells get many single ones in a long session.
 */
static void count_keys(struct supervisor *s)
{
	int keys = streams_interrupts(s->run);
	int64_t now = cs_mono_ns();

	if (keys == s->keys)
		return;
	if (keys - s->keys > 1 || now - s->last_key_ns < KEYS_WITHIN_NS) {
		s->stops = 2;
		cs_sandbox_kill(s->run->sandbox);
	}
	s->keys = keys;
	s->last_key_ns = now;
}

static int loop(struct supervisor *s, struct cs_err *err)
{
	int64_t drain_until = 0;
	int rc = 0;

	while (!rc && !(s->gone && streams_drained(s->run))) {
		if (s->report.err.code)
			cs_sandbox_kill(s->run->sandbox);
		rc = cs_loop_step(s->loop, s->gone ? 100 : -1, err);
		count_keys(s);
		limits_check(s->run);
		if (s->gone && !drain_until)
			drain_until = cs_mono_ns() + (int64_t)DRAIN_MS * 1000000;
		if (s->gone && cs_mono_ns() > drain_until)
			break;
	}
	return rc;
}

static void keep_exit(struct supervisor *s)
{
	struct run *run = s->run;
	struct cs_run_info *info = &run->info;
	const char *reason = "exited";

	info->ended_ns = cs_wall_ns();
	info->duration_ms = (cs_mono_ns() - run->started_mono_ns) / 1000000;
	info->exit_code = info->exit_signal = -1;
	if (s->exited && WIFEXITED(s->agent_status)) {
		info->exit_code = WEXITSTATUS(s->agent_status);
		run->status = info->exit_code;
	} else if (s->exited && WIFSIGNALED(s->agent_status)) {
		info->exit_signal = WTERMSIG(s->agent_status);
		run->status = 128 + info->exit_signal;
		reason = "signal";
	} else {
		info->exit_signal = SIGKILL;
		run->status = 128 + SIGKILL;
		reason = "killed";
	}
	if (limits_hit(run)) {
		run->status = EXIT_LIMIT;
		reason = "limit";
	} else if (s->timed_out) {
		run->status = EXIT_TIMEOUT;
		reason = "timeout";
	} else if (s->stops > 0) {
		if (!s->exited || info->exit_signal > 0)
			run->status = EXIT_INTERRUPTED;
		reason = "interrupted";
	}
	free(info->exit_reason);
	info->exit_reason = cs_strdup(reason);
}

static int end(struct supervisor *s, int rc, struct cs_err *err)
{
	struct run *run = s->run;
	struct cs_err dead = CS_ERR_INIT;

	streams_finish(run);
	if (cs_sandbox_end(cs_steal(&run->sandbox), &dead) < 0 && !rc) {
		*err = dead;
		rc = dead.code;
	}
	limits_finish(run);
	if (run->egress) {
		cs_loop_remove(s->loop, cs_egress_fd(run->egress));
		cs_egress_stop(cs_steal(&run->egress), late_egress, s);
	}
	if (s->trace) {
		cs_trace_finish(s->trace);
		attempts_end_period(&s->report, true);
		report_trace_end(&s->report, s->trace);
		cs_trace_free(s->trace);
	}
	if (!rc && s->report.err.code) {
		*err = s->report.err;
		rc = err->code;
	}
	if (!rc && s->exec_errno) {
		run->status = s->exec_errno == ENOENT ? 127 : 126;
		run->went = false;
		AUTO_FREE char *name = cs_escape_line(run->argv.v[0]);
		rc = cs_err_set(err, CS_NOTFOUND, "%s: %s", name, strerror(s->exec_errno));
	}
	keep_exit(s);
	return rc;
}

int supervise(struct run *run, struct cs_err *err)
{
	struct supervisor s = { .run = run, .report = { .run = run }, .sig_fd = -1 };
	int rc = cs_loop_new(&s.loop, err);

	if (rc < 0)
		return rc;
	s.report.supervisor = &s;
	s.report.peers = peers_new();
	s.report.programs = programs_new(run->policy, &run->plan.path, run->operator.uid);
	rc = start(&s, err);
	if (!rc)
		rc = loop(&s, err);
	rc = end(&s, rc, err);
	peers_free(s.report.peers);
	programs_free(s.report.programs);
	cs_loop_free(s.loop);
	/* Capture can be interrupted like any command: the run is then kept as interrupted. */
	if (s.sig_fd >= 0)
		sigprocmask(SIG_SETMASK, &s.old_mask, NULL);
	cs_close(&s.sig_fd);
	return rc;
}
