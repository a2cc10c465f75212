/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A complete run in small: the plan that every run has, an overlay where runs would live, the
 * notification filter, and /bin/true, whose image has to be seen. A probe of less than that lies
 * (AppArmor lets unshare pass and refuses what follows). Without an overlay it is tried once more,
 * since runs fall back to a copy.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "countersign/base/loop.h"
#include "countersign/egress.h"
#include "countersign/trace.h"

#define TRIAL_MS 20000

struct trial {
	struct cs_host *host;
	const char *dir; /* of this trial */
	uid_t uid;
	gid_t gid;
	struct cs_loop *loop;
	struct cs_sandbox *sandbox;
	struct cs_trace *trace;
	int sig_fd;
	bool over;
};

/* ---- the plan ---- */

static void make_dirs(const struct trial *t)
{
	static const char *const names[] = { "lower", "upper", "work" };

	for (size_t i = 0; i < CS_COUNT(names); i++) {
		AUTO_FREE char *path = cs_asprintf("%s/%s", t->dir, names[i]);
		/* What is missing then fails at the mount, and is told there. */
		if (mkdir(path, 0755) == 0 && t->host->root && chown(path, t->uid, t->gid) < 0)
			rmdir(path);
	}
}

static void make_plan(struct cs_plan *plan, const struct trial *t, bool overlay)
{
	cs_plan_init(plan);
	plan->uid = t->uid;
	plan->gid = t->gid;
	plan->drop = t->host->root;
	plan->hostname = cs_strdup("agent-run");
	plan->cwd = cs_strdup("/");
	plan->last_step = cs_trace_install;
	plan->tcp4 = plan->udp4 = 1;
	cs_plan_add_system(plan, "agent", "/home/agent", cs_egress_resolv_conf());
	cs_strv_add(&plan->addresses, CS_EGRESS_SELF "/15");
	if (overlay) {
		AUTO_FREE char *lower = cs_asprintf("%s/lower", t->dir);
		struct cs_mount *m = cs_plan_mount(plan, CS_MOUNT_OVERLAY, lower, "/w", NULL);
		m->upper = cs_asprintf("%s/upper", t->dir);
		m->work = cs_asprintf("%s/work", t->dir);
	}
	cs_strv_add(&plan->argv, "/bin/true");
}

static int start(struct trial *t, bool overlay)
{
	struct cs_err err = CS_ERR_INIT;
	const char *step = "sandbox";
	struct cs_plan plan;
	AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	make_plan(&plan, t, overlay);
	int rc = cs_sandbox_start(&t->sandbox, &plan, null, null, null, &step, &err);
	cs_plan_release(&plan);
	if (rc < 0) {
		snprintf(t->host->step, sizeof t->host->step, "%s", step);
		t->host->step_errno = err.sys_errno;
	}
	return rc;
}

/* ---- the program ---- */

static enum cs_trace_verdict on_exec(void *arg, const struct cs_trace_exec *e,
				     char reason[CS_TRACE_REASON_MAX])
{
	struct trial *t = arg;

	(void)reason;
	t->host->notify = true;
	t->host->seize = e->verified;
	return CS_TRACE_RUN;
}

static void on_exit_event(void *arg, const struct cs_trace_exit *end)
{
	(void)arg;
	(void)end;
}

static void on_sandbox(void *arg, int fd, uint32_t events)
{
	struct trial *t = arg;
	enum cs_sandbox_event event = CS_SANDBOX_NONE;
	int value;

	(void)events;
	if (cs_sandbox_next(&event, &value, t->sandbox, NULL) < 0 || event == CS_SANDBOX_GONE) {
		cs_loop_remove(t->loop, fd);
		t->over = true;
	}
	if (event == CS_SANDBOX_EXITED)
		t->host->started = WIFEXITED(value) && WEXITSTATUS(value) == 0;
}

static void on_child(void *arg, int fd, uint32_t events)
{
	struct trial *t = arg;
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)events;
	while (read(fd, &info, sizeof info) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		if (pid != cs_sandbox_setup_pid(t->sandbox))
			cs_trace_wait_event(t->trace, pid, status);
}

static void on_late(void *arg)
{
	struct trial *t = arg;
	t->over = true;
}

static int watch(struct trial *t, struct cs_err *err)
{
	struct cs_trace_ops ops = { .on_exec = on_exec, .on_exit = on_exit_event, .arg = t };
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	t->sig_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->sig_fd < 0)
		return cs_err_sys(err, "signalfd");
	int rc = cs_loop_add(t->loop, t->sig_fd, EPOLLIN, on_child, t, err);
	if (!rc)
		rc = cs_loop_add(t->loop, cs_sandbox_fd(t->sandbox), EPOLLIN, on_sandbox, t, err);
	if (!rc)
		rc = cs_trace_new(&t->trace, t->loop, cs_sandbox_take_listener(t->sandbox), &ops,
				  err);
	if (!rc)
		rc = cs_sandbox_go(t->sandbox, err);
	cs_loop_after(t->loop, TRIAL_MS, on_late, t);
	while (!rc && !t->over)
		rc = cs_loop_step(t->loop, -1, err);
	return rc;
}

static void run_program(struct trial *t)
{
	struct cs_err err = CS_ERR_INIT;

	cs_sandbox_get_layers(t->sandbox, &t->host->layers);
	int rc = cs_loop_new(&t->loop, &err);
	if (!rc)
		rc = watch(t, &err);
	if (!t->host->started) {
		snprintf(t->host->step, sizeof t->host->step, "agent");
		t->host->step_errno = rc < 0 ? err.sys_errno : 0;
	}
	/* The trial's processes end with it; one that does not is of no use to anybody. */
	(void)!cs_sandbox_end(t->sandbox, &err);
	if (t->trace) {
		cs_trace_finish(t->trace);
		cs_trace_free(t->trace);
	}
	cs_loop_free(t->loop);
	cs_close(&t->sig_fd);
}

static void probe_cgroup(struct cs_host *host)
{
	AUTO_FREE char *name = cs_asprintf("agent-doctor-%d", getpid());
	struct cs_cgroup_opts opts = { .name = name,
				       .memory_bytes = (uint64_t)1 << 40,
				       .processes = 1 << 20 };
	struct cs_cgroup *cg = NULL;
	struct cs_err err = CS_ERR_INIT;

	if (cs_cgroup_new(&cg, &opts, &err) < 0) {
		snprintf(host->cgroup_why, sizeof host->cgroup_why, "%.150s", err.msg);
		return;
	}
	host->limit_memory = cs_cgroup_limits_memory(cg);
	host->limit_pids = cs_cgroup_limits_processes(cg);
	cs_cgroup_free(cg);
}

void trial_run(struct cs_host *host, const char *dir, uid_t uid, gid_t gid)
{
	AUTO_FREE char *own = cs_asprintf("%s/agent-doctor.XXXXXX", dir);
	struct trial t = { .host = host, .dir = own, .uid = uid, .gid = gid, .sig_fd = -1 };

	probe_cgroup(host);
	if (!mkdtemp(own)) {
		snprintf(host->step, sizeof host->step, "sandbox");
		host->step_errno = errno;
		return;
	}
	make_dirs(&t);
	int rc = start(&t, true);
	if (rc < 0 && !strcmp(host->step, "overlay")) {
		host->overlay_errno = host->step_errno;
		rc = start(&t, false);
	}
	if (rc == 0) {
		host->step[0] = '\0';
		run_program(&t);
	}
	/* What cannot be removed is an empty directory. */
	(void)!cs_remove_tree(AT_FDCWD, own, NULL);
}
