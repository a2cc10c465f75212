/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: pure data, so that it can be printed, tested and reasoned about before anything is
 * entered. What every run gets is in the tables of this file; cmd/ adds worktree, HOME and limits.
 */
#include "countersign/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void cs_plan_init(struct cs_plan *plan)
{
	memset(plan, 0, sizeof *plan);
	plan->uid = (uid_t)-1;
	plan->gid = (gid_t)-1;
	plan->cgroup_fd = -1;
}

void cs_plan_release(struct cs_plan *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		struct cs_mount *m = &plan->mounts[i];
		free(m->src);
		free(m->dst);
		free(m->data);
		free(m->upper);
		free(m->work);
	}
	free(plan->mounts);
	free(plan->limits);
	free(plan->hostname);
	free(plan->cwd);
	cs_strv_release(&plan->argv);
	cs_strv_release(&plan->env);
	cs_strv_release(&plan->path);
	cs_strv_release(&plan->addresses);
	cs_strv_release(&plan->writable);
	cs_plan_init(plan);
}

struct cs_mount *cs_plan_mount(struct cs_plan *plan, enum cs_mount_kind kind, const char *src,
			       const char *dst, const char *data)
{
	CS_GROW(plan->mounts, plan->n_mounts, plan->cap_mounts);
	struct cs_mount *m = &plan->mounts[plan->n_mounts++];
	*m = (struct cs_mount){
		.kind = kind,
		.src = src ? cs_strdup(src) : NULL,
		.dst = cs_strdup(dst),
		.data = data ? cs_strdup(data) : NULL,
	};
	return m;
}

void cs_plan_limit(struct cs_plan *plan, int resource, uint64_t value)
{
	CS_GROW(plan->limits, plan->n_limits, plan->cap_limits);
	plan->limits[plan->n_limits++] = (struct cs_limit){ resource, value };
}

/* Read-only, as they are on the host. A symlink (/bin -> usr/bin) stays one. */
static const char *const system_dirs[] = {
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
};

/* Where services live beside programs, with sockets of theirs perhaps. */
static const char *const quiet_dirs[] = { "/usr/local", "/opt", "/nix", "/gnu" };

/*
 * The part of /etc that programs need and that holds no secret. passwd, group, hosts, resolv.conf
 * and nsswitch.conf are made for the run.
 */
static const char *const etc_entries[] = {
	"alternatives", "bash.bashrc", "bash_completion.d", "ca-certificates", "ca-certificates.conf",
	"crypto-policies", "debian_version", "default/locale", "ethertypes",
	"fonts", "gai.conf", "host.conf", "inputrc", "java-11-openjdk", "java-17-openjdk",
	"java-21-openjdk", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias",
	"locale.conf", "localtime", "login.defs", "lsb-release", "magic", "magic.mime", "manpath.config",
	"mime.types", "networks", "os-release", "papersize", "perl", "pki", "profile", "profile.d",
	"protocols", "python3", "python3.11", "python3.12", "python3.13", "redhat-release", "rpc",
	"services", "shells", "ssl", "terminfo", "timezone", "xattr.conf", "xml",
};

static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

static const struct {
	const char *dst, *target;
} links[] = {
	{ "/dev/fd", "/proc/self/fd" },	      { "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
	{ "/dev/ptmx", "pts/ptmx" },	      { "/etc/mtab", "../proc/self/mounts" },
	{ "/var/run", "../run" },	      { "/var/lock", "../run/lock" },
};

static void add_system_dir(struct cs_plan *plan, const char *dir, enum cs_mount_kind kind)
{
	struct stat st;
	if (lstat(dir, &st) < 0)
		return;
	if (S_ISLNK(st.st_mode) && !strchr(dir + 1, '/')) {
		char target[256];
		ssize_t n = readlink(dir, target, sizeof target - 1);
		if (n > 0) {
			target[n] = '\0';
			cs_plan_mount(plan, CS_MOUNT_SYMLINK, NULL, dir, target);
		}
	} else if (S_ISDIR(st.st_mode)) {
		cs_plan_mount(plan, kind, dir, dir, NULL);
	}
}

static void add_etc(struct cs_plan *plan, const char *user, const char *home,
		    const char *resolv_conf)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	for (size_t i = 0; i < CS_COUNT(etc_entries); i++) {
		AUTO_FREE char *path = cs_asprintf("/etc/%s", etc_entries[i]);
		struct stat st;
		if (stat(path, &st) == 0)
			cs_plan_mount(plan, CS_MOUNT_RO, path, path, NULL)->optional = true;
	}
	/* Beside the agent: nobody, for files of unmapped owners; root, for what belongs to it. */
	cs_buf_addf(&b,
		    "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
		    "%s:x:%u:%u:%s:%s:/bin/bash\n"
		    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		    user, plan->uid, plan->gid, user, home);
	cs_plan_mount(plan, CS_MOUNT_FILE, NULL, "/etc/passwd", b.data);
	cs_buf_truncate(&b, 0);
	cs_buf_addf(&b, "root:x:0:\n%s:x:%u:\nnogroup:x:65534:\n", user, plan->gid);
	cs_plan_mount(plan, CS_MOUNT_FILE, NULL, "/etc/group", b.data);
	cs_plan_mount(plan, CS_MOUNT_FILE, NULL, "/etc/hosts",
		      "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
	cs_plan_mount(plan, CS_MOUNT_FILE, NULL, "/etc/nsswitch.conf",
		      "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
		      "networks: files\nprotocols: files\nservices: files\n");
	cs_plan_mount(plan, CS_MOUNT_FILE, NULL, "/etc/resolv.conf", resolv_conf);
	cs_buf_truncate(&b, 0);
	cs_buf_addf(&b, "%s\n", plan->hostname ? plan->hostname : "agent-run");
	cs_plan_mount(plan, CS_MOUNT_FILE, NULL, "/etc/hostname", b.data);
}

void cs_plan_add_system(struct cs_plan *plan, const char *user, const char *home,
			const char *resolv_conf)
{
	for (size_t i = 0; i < CS_COUNT(system_dirs); i++)
		add_system_dir(plan, system_dirs[i], CS_MOUNT_RO);
	for (size_t i = 0; i < CS_COUNT(quiet_dirs); i++)
		add_system_dir(plan, quiet_dirs[i], CS_MOUNT_QUIET);
	add_etc(plan, user, home, resolv_conf);

	cs_plan_mount(plan, CS_MOUNT_DIR, NULL, "/dev", NULL);
	for (size_t i = 0; i < CS_COUNT(devices); i++) {
		AUTO_FREE char *path = cs_asprintf("/dev/%s", devices[i]);
		cs_plan_mount(plan, CS_MOUNT_DEV, path, path, NULL);
	}
	cs_plan_mount(plan, CS_MOUNT_DEVPTS, NULL, "/dev/pts", NULL);
	cs_plan_mount(plan, CS_MOUNT_TMPFS, NULL, "/dev/shm", NULL)->mode = 01777;
	cs_plan_mount(plan, CS_MOUNT_TMPFS, NULL, "/run", "67108864")->mode = 0755;
	cs_plan_mount(plan, CS_MOUNT_DIR, NULL, "/var/lib", NULL);
	cs_plan_mount(plan, CS_MOUNT_DIR, NULL, "/var/cache", NULL);
	/* Programs count processors here; the rest of /sys describes the host. */
	cs_plan_mount(plan, CS_MOUNT_RO, "/sys/devices/system/cpu", "/sys/devices/system/cpu", NULL)
		->optional = true;
	for (size_t i = 0; i < CS_COUNT(links); i++)
		cs_plan_mount(plan, CS_MOUNT_SYMLINK, NULL, links[i].dst, links[i].target);
	cs_plan_mount(plan, CS_MOUNT_PROC, NULL, "/proc", NULL);

	/*
	 * Not /proc: who may write to /proc/<pid>/mem of a neighbour changes its arguments between
	 * exec and first instruction, and the trace would tell of what did not run.
	 */
	static const char *const writable[] = { "/dev", "/run" };
	for (size_t i = 0; i < CS_COUNT(writable); i++)
		cs_strv_add(&plan->writable, writable[i]);
}
