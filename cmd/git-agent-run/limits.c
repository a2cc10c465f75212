/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run may use up. Three kinds:
 *
 *	the kernel refuses	processes, file size (rlimits, layout.c), memory and processes by a
 *				cgroup: the run goes on; hits of the cgroup are events, and a finding
 *	we end the run		disk (a measuring process, usage.c), the free space of the file
 *				system, output: everything inside is killed at once, status 137, and
 *				the change so far is captured
 *	time			supervise.c: the agent is asked first
 *
 * What this host cannot hold is named in the record (sandbox.not_enforced).
 */
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS	  1000
#define TICK_MIN_MS 50
/* No file system here grows faster: above it the floor itself is what is left to write to. */
#define BYTES_PER_MS ((uint64_t)4 << 20)
#define OURS	  2 /* init and the process that watches it are in the cgroup too */
#define MIN_FILES 256 /* of descriptors: up to three a mount, the relay's sockets, ours */

struct limits {
	struct run *run;
	struct report *report; /* NULL until limits_start */
	struct cs_loop *loop;
	struct cs_cgroup *cgroup;
	uint64_t disk, disk_free, output; /* 0: no limit */
	uint64_t free_at_start;
	uint64_t memory, processes; /* what the cgroup holds */
	uint64_t memory_hits, process_hits;
	pid_t measurer; /* 0: none */
	int sock;
	char *hit;
};

static uint64_t policy_limit(const struct run *run, const char *key)
{
	int64_t value = cs_policy_int(run->policy, key);
	return value > 0 ? (uint64_t)value : 0;
}

static bool free_space(uint64_t *out, const struct run *run)
{
	struct statvfs st;

	if (fstatvfs(run->dir.fd, &st) < 0)
		return false;
	*out = (uint64_t)st.f_bavail * st.f_frsize;
	return true;
}

/* ---- before the start ---- */

int limits_files(struct cs_err *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return cs_err_sys(err, "limit of open files");
	if (files.rlim_cur >= MIN_FILES)
		return 0;
	if (files.rlim_max < MIN_FILES)
		return cs_err_set(err, CS_LIMIT,
				  "the limit of open files is %llu, and a run needs %d: "
				  "ulimit -n %d (its hard limit is what your login allows: "
				  "limits.conf(5), LimitNOFILE= of a service)",
				  (unsigned long long)files.rlim_cur, MIN_FILES, MIN_FILES * 4);
	files.rlim_cur = MIN_FILES;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return cs_err_sys(err, "limit of open files");
	return 0;
}

static void announce_cgroup(void *arg, const char *path)
{
	const struct run *run = arg;

	/* Without it nobody removes the cgroup of a killed run: an empty directory more. */
	(void)!cs_write_file(run->dir.fd, CS_RUN_CGROUP_FILE, path, strlen(path), 0600, NULL);
}

static void make_cgroup(struct limits *l)
{
	struct run *run = l->run;
	AUTO_FREE char *name = cs_asprintf(CS_RUN_CGROUP "%s", run->dir.id);
	int64_t total = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	int64_t memory = cs_policy_memory(run->policy, total);
	struct cs_cgroup_opts opts = {
		.name = name,
		.memory_bytes = memory > 0 ? (uint64_t)memory : 0,
		.processes = policy_limit(run, "sandbox.processes"),
		.announce = announce_cgroup,
		.arg = run,
	};
	l->memory = opts.memory_bytes;
	l->processes = opts.processes;
	if (opts.processes)
		opts.processes += OURS;
	/* A host that does not give one is the common case; the record says it. */
	if (cs_cgroup_new(&l->cgroup, &opts, NULL) < 0)
		l->cgroup = NULL;
	if (memory > 0 && !(l->cgroup && cs_cgroup_limits_memory(l->cgroup)))
		cs_strv_add(&run->info.not_enforced, "memory");
}

int limits_prepare(struct run *run, struct cs_err *err)
{
	struct limits *l = cs_calloc(1, sizeof *l);
	uint64_t left = 0;

	run->limits = l;
	l->run = run;
	l->sock = -1;
	l->disk = policy_limit(run, "sandbox.disk");
	l->disk_free = policy_limit(run, "sandbox.diskfree");
	l->output = policy_limit(run, "sandbox.output");
	if (!free_space(&left, run))
		return cs_err_sys(err, "free space of %s", run->state_dir);
	l->free_at_start = left;
	if (left < l->disk_free)
		return cs_err_set(err, CS_LIMIT,
				  "%s: %.2f GiB free, and sandbox.diskFree (%s) wants %.2f: make "
				  "room (git agent-log prune), or lower it",
				  run->state_dir, (double)left / (1 << 30),
				  cs_policy_origin(run->policy, "sandbox.diskfree"),
				  (double)l->disk_free / (1 << 30));
	make_cgroup(l);
	return 0;
}

int limits_cgroup_fd(const struct run *run)
{
	return run->limits && run->limits->cgroup ? cs_cgroup_fd(run->limits->cgroup) : -1;
}

uint64_t limits_user_processes(const struct run *run)
{
	const struct limits *l = run->limits;
	uint64_t max = policy_limit(run, "sandbox.processes");

	/*
	 * The cgroup is to refuse first: it tells how often. Every one of those that it lets be may
	 * be in a fork, which counts here before it counts there.
	 */
	if (max && l && l->cgroup && cs_cgroup_limits_processes(l->cgroup))
		return 2 * (max + OURS);
	return max;
}

/* ---- hits ---- */

void limits_event(struct report *r, const char *what, uint64_t value, uint64_t max)
{
	cJSON *o = cJSON_CreateObject();
	struct cs_err err;

	cs_json_add_str(o, "what", what);
	cs_json_add_int(o, "value", (int64_t)value);
	cs_json_add_int(o, "max", (int64_t)max);
	if (cs_log_add(r->run->log, "limit", o, &err) < 0 && !r->err.code)
		r->err = err;
}

/* Ends the run; whatever it has made so far is captured. */
static void end_run(struct limits *l, const char *what, const char *key, uint64_t value,
		    uint64_t max)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if (l->hit)
		return;
	AUTO_FREE char *name = cs_asprintf("sandbox.%s", key);
	cs_buf_addf(&text, "%s: %.2f MiB, and %s allows %.2f (%s)", what, (double)value / (1 << 20),
		    name, (double)max / (1 << 20), cs_policy_origin(l->run->policy, name));
	l->hit = cs_buf_take(&text);
	limits_event(l->report, key, value, max);
	cs_finding_add(&l->run->info.findings, "limit", "", "the run was ended: %s", l->hit);
	note("%s: the run ends", l->hit);
	cs_sandbox_kill(l->run->sandbox);
}

void limits_check(struct run *run)
{
	struct limits *l = run->limits;
	uint64_t n;

	if (!l->report || !l->output || l->hit || !run->sandbox)
		return;
	n = streams_output(run);
	if (n > l->output)
		end_run(l, "printed", "output", n, l->output);
}

static void check_cgroup(struct limits *l)
{
	uint64_t memory, processes;

	if (!l->cgroup)
		return;
	cs_cgroup_hits(&memory, &processes, l->cgroup);
	if (memory > l->memory_hits)
		limits_event(l->report, "memory", memory, l->memory);
	if (processes > l->process_hits && !l->process_hits)
		limits_event(l->report, "processes", processes, l->processes);
	l->memory_hits = memory;
	l->process_hits = processes;
}

/* Whoever finds a compiler killed, or its own agent, is told by what. */
static void say_hits(struct limits *l)
{
	AUTO_FREE char *memory = NULL;
	AUTO_FREE char *processes = NULL;

	if (l->memory_hits) {
		memory = cs_asprintf("memory: the kernel killed %llu of its processes, for "
				     "sandbox.memory allows %.2f MiB (%s)",
				     (unsigned long long)l->memory_hits,
				     (double)l->memory / (1 << 20),
				     cs_policy_origin(l->run->policy, "sandbox.memory"));
		cs_finding_add(&l->run->info.findings, "limit", "", "%s", memory);
		note("%s", memory);
	}
	if (l->process_hits) {
		processes = cs_asprintf("processes: the kernel refused %llu new ones, for "
					"sandbox.processes allows %llu (%s)",
					(unsigned long long)l->process_hits,
					(unsigned long long)l->processes,
					cs_policy_origin(l->run->policy, "sandbox.processes"));
		cs_finding_add(&l->run->info.findings, "limit", "", "%s", processes);
		note("%s", processes);
	}
}

/* ---- the disk ---- */

static void stop_measuring(struct limits *l)
{
	if (l->sock >= 0)
		cs_loop_remove(l->loop, l->sock);
	cs_close(&l->sock);
}

static void on_usage(void *arg, int fd, uint32_t events)
{
	struct limits *l = arg;
	struct usage u;
	uint64_t left;

	(void)events;
	if (recv(fd, &u, sizeof u, MSG_DONTWAIT) != (ssize_t)sizeof u) {
		stop_measuring(l);
		return;
	}
	/* A hidden directory: what the file system lost since the start is the best that is known.
	 */
	if (u.unreadable && free_space(&left, l->run) && left < l->free_at_start &&
	    l->free_at_start - left > u.bytes)
		u.bytes = l->free_at_start - left;
	if (u.bytes > l->disk)
		end_run(l, "written", "disk", u.bytes, l->disk);
}

static void start_measuring(struct limits *l)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	l->measurer = fork();
	if (l->measurer == 0)
		usage_main(l->run, pair[1]);
	close(pair[1]);
	l->sock = pair[0];
	if (l->measurer < 0 || cs_loop_add(l->loop, l->sock, EPOLLIN, on_usage, l, NULL) < 0) {
		cs_close(&l->sock);
		l->measurer = 0;
		cs_strv_add(&l->run->info.not_enforced, "disk");
	}
}

bool limits_reaped(struct run *run, pid_t pid)
{
	struct limits *l = run->limits;

	if (l->measurer <= 0 || pid != l->measurer)
		return false;
	l->measurer = 0;
	/* Not by us: then nobody measures any more, and the free space alone is looked at. */
	if (l->sock >= 0) {
		stop_measuring(l);
		cs_strv_add(&run->info.not_enforced, "disk");
		cs_finding_add(&run->info.findings, "limit", "",
			       "the process that measures what the run writes died");
	}
	return true;
}

/* The fuller the file system, the sooner it has to be looked at again. */
static int next_tick(const struct limits *l, uint64_t left)
{
	const uint64_t ms = left > l->disk_free ? (left - l->disk_free) / BYTES_PER_MS : 0;

	return ms > TICK_MS ? TICK_MS : ms < TICK_MIN_MS ? TICK_MIN_MS : (int)ms;
}

static void on_tick(void *arg)
{
	struct limits *l = arg;
	uint64_t left = UINT64_MAX;

	if (l->hit || !l->run->sandbox)
		return;
	/* Not at the start: a run that is over in a second need not pay for it. */
	if (l->disk && !l->measurer && l->sock < 0 &&
	    !cs_strv_has(&l->run->info.not_enforced, "disk"))
		start_measuring(l);
	if (l->disk_free && free_space(&left, l->run) && left < l->disk_free)
		end_run(l, "free space", "diskFree", left, l->disk_free);
	check_cgroup(l);
	cs_loop_after(l->loop, next_tick(l, left), on_tick, l);
}

void limits_start(struct run *run, struct cs_loop *loop, struct report *report)
{
	struct limits *l = run->limits;

	l->loop = loop;
	l->report = report;
	cs_loop_after(loop, next_tick(l, l->free_at_start), on_tick, l);
}

/* ---- the end ---- */

void limits_finish(struct run *run)
{
	struct limits *l = run->limits;

	if (!l->report)
		return;
	stop_measuring(l);
	if (l->measurer > 0) {
		kill(l->measurer, SIGKILL);
		while (waitpid(l->measurer, NULL, 0) < 0 && errno == EINTR)
			;
		l->measurer = 0;
	}
	check_cgroup(l);
	say_hits(l);
	cs_cgroup_free(cs_steal(&l->cgroup));
}

const char *limits_hit(const struct run *run)
{
	return run->limits ? run->limits->hit : NULL;
}

void limits_free(struct run *run)
{
	if (!run->limits)
		return;
	cs_cgroup_free(run->limits->cgroup);
	free(run->limits->hit);
	free(run->limits);
	run->limits = NULL;
}
