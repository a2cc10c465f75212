/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup for one run. cgroup v2 lets a process make groups where it was given a part of the tree
 * (cgroups(7), "delegation"): root everywhere, a user below its own systemd instance. A group with
 * processes in it cannot give controllers to groups below it, and we are in ours; so the new one is
 * made below it where that works (the top of the tree), else beside it.
 *
 * Nothing is taken for granted: a controller counts when the parent lists it as given to its
 * children and the limit could be written. A limit on memory without one on swap only moves what is
 * over it there: what the run may have is memory, and no swap beside it.
 */
#include "countersign/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE      (1 << 20)
#define EMPTY_WAIT_MS 1000

struct cs_cgroup {
	int parent_fd, dir_fd, procs_fd;
	char *name;
	bool memory, processes;
};

/* What is asked for, and the file that holds it. */
static const struct {
	const char *controller, *file;
	size_t value, held; /* in struct cs_cgroup_opts and struct cs_cgroup */
} limits[] = {
	{ "memory", "memory.max", offsetof(struct cs_cgroup_opts, memory_bytes),
	  offsetof(struct cs_cgroup, memory) },
	{ "pids", "pids.max", offsetof(struct cs_cgroup_opts, processes),
	  offsetof(struct cs_cgroup, processes) },
};

static uint64_t wanted(const struct cs_cgroup_opts *opts, size_t i)
{
	uint64_t value;
	memcpy(&value, (const char *)opts + limits[i].value, sizeof value);
	return value;
}

/* ---- where ---- */

/* The mount point of the hierarchy, and the part of it that is mounted there. */
static bool find_mount(char mount[4096], char part[4096])
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if (cs_read_file(&text, AT_FDCWD, "/proc/self/mountinfo", MAX_FILE, NULL) < 0)
		return false;
	for (char *line = text.data; line && *line;) {
		char *end = strchr(line, '\n');
		if (end)
			*end = '\0';
		const char *type = strstr(line, " - cgroup2 ");
		if (type && sscanf(line, "%*s %*s %*s %4095s %4095s", part, mount) == 2)
			return true;
		line = end ? end + 1 : NULL;
	}
	return false;
}

/* Our own group: the line "0::/path". */
static bool find_own(char own[4096])
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	const char *line;

	if (cs_read_file(&text, AT_FDCWD, "/proc/self/cgroup", MAX_FILE, NULL) < 0)
		return false;
	line = !strncmp(text.data, "0::", 3) ? text.data : strstr(text.data, "\n0::");
	return line && sscanf(line + (*line == '\n'), "0::%4095[^\n]", own) == 1;
}

static int find_place(char **own_dir, const struct cs_cgroup_opts *opts, struct cs_err *err)
{
	char mount[4096], part[4096] = "/", own[4096];
	const char *rest = own;

	if (opts->mount)
		snprintf(mount, sizeof mount, "%s", opts->mount);
	else if (!find_mount(mount, part))
		return cs_err_set(err, CS_UNSUPPORTED, "cgroup v2 is not mounted");
	if (opts->own)
		snprintf(own, sizeof own, "%s", opts->own);
	else if (!find_own(own))
		return cs_err_set(err, CS_UNSUPPORTED, "no cgroup of version 2 is ours");
	size_t len = strlen(part);
	if (strcmp(part, "/") != 0 && !strncmp(own, part, len) && (!own[len] || own[len] == '/'))
		rest = own[len] ? own + len : "/";
	/* A namespace shows what lies above its root like this. */
	if (strstr(rest, "/.."))
		return cs_err_set(err, CS_UNSUPPORTED,
				  "our cgroup lies outside of what is mounted");
	*own_dir = cs_asprintf("%s%s", mount, !strcmp(rest, "/") ? "" : rest);
	return 0;
}

/* ---- what ---- */

static bool lists(int dir_fd, const char *file, const char *word)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	size_t len = strlen(word);

	if (cs_read_file(&text, dir_fd, file, 4096, NULL) < 0)
		return false;
	for (const char *p = text.data; *p; p += strcspn(p, " \n"), p += *p != '\0')
		if (strcspn(p, " \n") == len && !strncmp(p, word, len))
			return true;
	return false;
}

static int write_file(int dir_fd, const char *file, const char *text)
{
	AUTO_FD int fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -1 : cs_write_all(fd, text, strlen(text));
}

/* Which of the wanted controllers this group gives to its children, asking for them if need be. */
static unsigned given(int dir_fd, unsigned want)
{
	unsigned got = 0;

	for (size_t i = 0; i < CS_COUNT(limits); i++) {
		char ask[32];
		if (!(want & 1u << i) || !lists(dir_fd, "cgroup.controllers", limits[i].controller))
			continue;
		snprintf(ask, sizeof ask, "+%s", limits[i].controller);
		/* Refused where there are processes in it, or where it is not ours: the list tells.
		 */
		if (!lists(dir_fd, "cgroup.subtree_control", limits[i].controller))
			(void)!write_file(dir_fd, "cgroup.subtree_control", ask);
		if (lists(dir_fd, "cgroup.subtree_control", limits[i].controller))
			got |= 1u << i;
	}
	return got;
}

static void announce(const struct cs_cgroup *cg, const struct cs_cgroup_opts *opts)
{
	AUTO_FREE char *link = cs_asprintf("/proc/self/fd/%d", cg->parent_fd);
	char parent[4096];
	ssize_t n = readlink(link, parent, sizeof parent - 1);

	if (!opts->announce || n <= 0)
		return;
	parent[n] = '\0';
	AUTO_FREE char *path = cs_asprintf("%s/%s", parent, opts->name);
	opts->announce(opts->arg, path);
}

/* ENOENT: a kernel that counts no swap. */
static bool forbid_swap(int dir_fd)
{
	return write_file(dir_fd, "memory.swap.max", "0") == 0 || errno == ENOENT;
}

static void set_limits(struct cs_cgroup *cg, const struct cs_cgroup_opts *opts, unsigned got)
{
	for (size_t i = 0; i < CS_COUNT(limits); i++) {
		char value[32];
		snprintf(value, sizeof value, "%llu", (unsigned long long)wanted(opts, i));
		if ((got & 1u << i) && write_file(cg->dir_fd, limits[i].file, value) == 0)
			memset((char *)cg + limits[i].held, true, sizeof(bool));
	}
	cg->memory = cg->memory && forbid_swap(cg->dir_fd);
}

static int make_group(struct cs_cgroup *cg, const struct cs_cgroup_opts *opts, unsigned got,
		      struct cs_err *err)
{
	announce(cg, opts);
	/* EEXIST: prepared by an administrator (or a test). */
	if (mkdirat(cg->parent_fd, opts->name, 0755) < 0 && errno != EEXIST)
		return cs_err_sys(err, "make a cgroup");
	cg->name = cs_strdup(opts->name);
	cg->dir_fd = openat(cg->parent_fd, opts->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cg->dir_fd >= 0)
		cg->procs_fd = openat(cg->dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (cg->procs_fd < 0)
		return cs_err_sys(err, "open the new cgroup");
	set_limits(cg, opts, got);
	if (!cg->memory && !cg->processes && !cs_fake("cgroup", 0))
		return cs_err_set(err, CS_UNSUPPORTED,
				  "the limits of the new cgroup cannot be set");
	return 0;
}

/* To make a group here, and to move from where we are to it: this is what is above both. */
static bool may_use(int dir_fd)
{
	return faccessat(dir_fd, ".", W_OK, AT_EACCESS) == 0 &&
	       faccessat(dir_fd, "cgroup.procs", W_OK, AT_EACCESS) == 0;
}

static int open_parent(struct cs_cgroup *cg, unsigned *got, const struct cs_cgroup_opts *opts,
		       struct cs_err *err)
{
	AUTO_FREE char *own = NULL;
	unsigned want = 0;
	int rc = find_place(&own, opts, err);

	for (size_t i = 0; i < CS_COUNT(limits); i++)
		want |= wanted(opts, i) ? 1u << i : 0;
	if (rc < 0)
		return rc;
	/* Below ourselves, then beside ourselves; what gives more of the two counts. */
	for (int up = 0; up < 2; up++) {
		AUTO_FREE char *dir = cs_asprintf("%s%s", own, up ? "/.." : "");
		AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Above the top of the hierarchy is no group. */
		unsigned here = fd < 0 ? 0 : given(fd, want);
		if (cs_fake("cgroup", 0))
			here |= 1u << CS_COUNT(limits);
		if (here <= *got || !may_use(fd))
			continue;
		cs_close(&cg->parent_fd);
		cg->parent_fd = cs_steal_fd(&fd);
		*got = here;
	}
	if (!*got)
		return cs_err_set(err, CS_UNSUPPORTED,
				  "our cgroup is not delegated to us with memory and pids");
	return 0;
}

int cs_cgroup_new(struct cs_cgroup **out, const struct cs_cgroup_opts *opts, struct cs_err *err)
{
	struct cs_cgroup *cg = cs_calloc(1, sizeof *cg);
	unsigned got = 0;

	cg->parent_fd = cg->dir_fd = cg->procs_fd = -1;
	int rc = open_parent(cg, &got, opts, err);
	if (!rc)
		rc = make_group(cg, opts, got, err);
	if (rc < 0) {
		cs_cgroup_free(cg);
		if (err)
			err->code = CS_UNSUPPORTED;
		return CS_UNSUPPORTED;
	}
	*out = cg;
	return 0;
}

int cs_cgroup_fd(const struct cs_cgroup *cg)
{
	return cg->procs_fd;
}

bool cs_cgroup_limits_memory(const struct cs_cgroup *cg)
{
	return cg->memory;
}

bool cs_cgroup_limits_processes(const struct cs_cgroup *cg)
{
	return cg->processes;
}

/* The number behind a word of an events file ("oom_kill 3"); 0 where there is none. */
static uint64_t event_count(int dir_fd, const char *file, const char *word)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	size_t len = strlen(word);

	if (cs_read_file(&text, dir_fd, file, 4096, NULL) < 0)
		return 0;
	for (const char *p = text.data; p && *p; p = strchr(p, '\n'), p += p != NULL)
		if (!strncmp(p, word, len) && p[len] == ' ')
			return strtoull(p + len, NULL, 10);
	return 0;
}

void cs_cgroup_hits(uint64_t *memory, uint64_t *processes, const struct cs_cgroup *cg)
{
	*memory = cg->memory ? event_count(cg->dir_fd, "memory.events", "oom_kill") : 0;
	*processes = cg->processes ? event_count(cg->dir_fd, "pids.events", "max") : 0;
}

/* cgroup.events changes when the last process is gone. */
static void empty(const struct cs_cgroup *cg)
{
	AUTO_FD int fd = openat(cg->dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd p = { .fd = fd, .events = POLLPRI };

	/* Before 5.14 there is no such file; whoever is still in there then keeps the group. */
	if (fd < 0 || write_file(cg->dir_fd, "cgroup.kill", "1") < 0)
		return;
	for (int i = 0; i < 10 && event_count(cg->dir_fd, "cgroup.events", "populated"); i++)
		poll(&p, 1, EMPTY_WAIT_MS / 10);
}

void cs_cgroup_free(struct cs_cgroup *cg)
{
	if (!cg)
		return;
	if (cg->name && unlinkat(cg->parent_fd, cg->name, AT_REMOVEDIR) < 0 && errno == EBUSY) {
		empty(cg);
		(void)!unlinkat(cg->parent_fd, cg->name, AT_REMOVEDIR);
	}
	cs_close(&cg->procs_fd);
	cs_close(&cg->dir_fd);
	cs_close(&cg->parent_fd);
	free(cg->name);
	free(cg);
}
