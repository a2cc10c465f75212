/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What helps where this host refuses a layer. Two tables, both pure: causes (a failing step, its
 * errno and what was read of the host, to the words and the commands), and checks (what was found
 * out, to one line a layer). git agent-run and git agent-doctor say the same because both ask here.
 *
 * The first cause that fits is the one that is told: the exact ones stand above the vague ones.
 */
#include "countersign/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- causes ---- */

static bool is_apparmor(const struct cs_host *h)
{
	return h->apparmor_userns == 1;
}

static bool is_profile_there(const struct cs_host *h)
{
	return is_apparmor(h) && h->apparmor_profile;
}

static bool is_userns_off(const struct cs_host *h)
{
	return h->userns_clone == 0;
}

static bool is_podman(const struct cs_host *h)
{
	return !strcmp(h->container, "podman");
}

static bool is_container_root(const struct cs_host *h)
{
	return h->root && h->container[0];
}

static bool is_container(const struct cs_host *h)
{
	return h->container[0] != '\0';
}

static bool is_filtered(const struct cs_host *h)
{
	return h->filtered;
}

static bool is_proc_covered(const struct cs_host *h)
{
	return h->proc_covered;
}

static bool is_root(const struct cs_host *h)
{
	return h->root;
}

static bool is_any(const struct cs_host *h)
{
	(void)h;
	return true;
}

/* Steps that are refused together: whoever may not have a user namespace may do nothing in it. */
#define NAMESPACE_STEPS "namespaces user uts mount network pid pivot"

#define DOCKER_FLAGS                                                            \
	"--security-opt seccomp=unconfined --security-opt apparmor=unconfined " \
	"--security-opt systempaths=unconfined"

static const struct {
	const char *steps; /* words */
	int errnos[2];	   /* 0: any */
	bool (*fits)(const struct cs_host *h);
	const char *why;
	const char *fix; /* %s: program_dir */
} causes[] = {
	{ "namespaces user",
	  { ENOSPC },
	  is_any,
	  "user namespaces are switched off or used up (user.max_user_namespaces)",
	  "sudo sysctl -w user.max_user_namespaces=28633, and the same line in "
	  "/etc/sysctl.d/60-countersign.conf (for a container: on its host)" },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_userns_off,
	  "this kernel gives user namespaces to root only",
	  "sudo sysctl -w kernel.unprivileged_userns_clone=1, and the same line in "
	  "/etc/sysctl.d/60-countersign.conf" },
	{ "proc",
	  { EPERM, EACCES },
	  is_podman,
	  "/proc of this container is covered in places",
	  "start it with: podman run --security-opt unmask=ALL" },
	{ "proc",
	  { EPERM, EACCES },
	  is_proc_covered,
	  "something is mounted below /proc, as containers do to hide parts of it",
	  "start the container with: docker run --security-opt systempaths=unconfined" },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_podman,
	  "the container's seccomp filter, or its lack of rights, refuses namespaces and mounts",
	  "start it with: podman run --security-opt seccomp=unconfined "
	  "--security-opt unmask=ALL, and run as an ordinary user there" },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_container_root,
	  "root of this container may not make namespaces and mounts",
	  "run as an ordinary user there (docker run --user), with: docker run " DOCKER_FLAGS },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_container,
	  "the container's seccomp filter or AppArmor profile refuses namespaces and mounts",
	  "start it with: docker run " DOCKER_FLAGS },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_profile_there,
	  "AppArmor refuses user namespaces, though " CS_APPARMOR_FILE " is there",
	  "let it name %s/git-agent-run, then: sudo apparmor_parser -r " CS_APPARMOR_FILE },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_apparmor,
	  "AppArmor gives user namespaces only to programs with a profile",
	  "echo 'abi <abi/4.0>, profile git-agent-run %s/git-agent-{run,doctor} "
	  "flags=(unconfined) { userns, }' | sudo tee " CS_APPARMOR_FILE
	  " && sudo apparmor_parser -r " CS_APPARMOR_FILE },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_filtered,
	  "a seccomp filter of whatever started this session refuses namespaces",
	  "start it outside of that sandbox, or let its filter allow unshare, mount and "
	  "pivot_root" },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_root,
	  "this root lacks the right to make namespaces (CAP_SYS_ADMIN)",
	  "run as an ordinary user" },
	{ NAMESPACE_STEPS,
	  { EPERM, EACCES },
	  is_any,
	  "something refuses user namespaces: SELinux (ausearch -m avc), a chroot, or the "
	  "kernel's configuration (CONFIG_USER_NS)",
	  NULL },
	{ "namespaces user",
	  { EINVAL, ENOSYS },
	  is_any,
	  "this kernel was built without one of the namespaces",
	  "Linux 5.11 or later with "
	  "CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS and CONFIG_UTS_NS" },
	{ "overlay",
	  { 0 },
	  is_any,
	  "no overlay on this file system: a plain copy is used instead",
	  "overlays need Linux 5.11 and a repository on ext4, xfs, btrfs or tmpfs, not on NFS, "
	  "FUSE or another overlay" },
	{ "mount",
	  { ENOSYS },
	  is_any,
	  "this kernel lacks system calls that the sandbox uses",
	  "Linux 5.12 or later (mount_setattr)" },
	{ "trace",
	  { EBUSY },
	  is_any,
	  "another supervisor listens to this session's system calls already",
	  "start it outside of that sandbox or container engine" },
	{ "seccomp trace",
	  { EINVAL, ENOSYS },
	  is_any,
	  "this kernel has no seccomp filters, or none that notify",
	  "Linux 5.5 or later with CONFIG_SECCOMP_FILTER" },
};

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; *p; p += strcspn(p, " "), p += *p == ' ')
		if (!strncmp(p, word, len) && (p[len] == ' ' || !p[len]))
			return true;
	return false;
}

static bool has_errno(const int errnos[2], int sys_errno)
{
	return !errnos[0] || errnos[0] == sys_errno || (errnos[1] && errnos[1] == sys_errno);
}

/* The fix with the program's directory where it says %s. */
static void add_fix(struct cs_buf *out, const struct cs_host *host, const char *fix)
{
	const char *at = strstr(fix, "%s");

	if (!at) {
		cs_buf_adds(out, fix);
		return;
	}
	cs_buf_add(out, fix, (size_t)(at - fix));
	cs_buf_adds(out, host->program_dir[0] ? host->program_dir : "/usr/bin");
	cs_buf_adds(out, at + 2);
}

void cs_host_advice(struct cs_buf *out, const struct cs_host *host, const char *step, int sys_errno)
{
	for (size_t i = 0; i < CS_COUNT(causes); i++) {
		if (!has_word(causes[i].steps, step) || !has_errno(causes[i].errnos, sys_errno) ||
		    !causes[i].fits(host))
			continue;
		cs_buf_adds(out, causes[i].why);
		if (causes[i].fix) {
			cs_buf_addc(out, '\n');
			add_fix(out, host, causes[i].fix);
		}
		return;
	}
}

/* ---- checks ---- */

const char *cs_check_level_name(enum cs_check_level level)
{
	static const char *const names[] = {
		[CS_CHECK_MISSING] = "missing",
		[CS_CHECK_WEAKER] = "weaker",
		[CS_CHECK_GOOD] = "good",
	};
	return (size_t)level < CS_COUNT(names) ? names[level] : names[CS_CHECK_MISSING];
}

void cs_checks_add(struct cs_checks *checks, const char *name, enum cs_check_level level,
		   const char *text, const char *fix)
{
	CS_GROW(checks->v, checks->n, checks->cap);
	checks->v[checks->n++] = (struct cs_check){
		.name = name,
		.level = level,
		.text = cs_strdup(text),
		.fix = fix && *fix ? cs_strdup(fix) : NULL,
	};
}

void cs_checks_release(struct cs_checks *checks)
{
	for (size_t i = 0; i < checks->n; i++) {
		free(checks->v[i].text);
		free(checks->v[i].fix);
	}
	free(checks->v);
	*checks = (struct cs_checks){ 0 };
}

/*
 * The layers that one start proves or refutes together. Where it failed, the step's own row tells
 * why; what comes after it was not reached and is not known to be good.
 */
static const struct {
	const char *name, *steps;
	size_t flag; /* in struct cs_sandbox_layers */
	const char *good;
} layers[] = {
#define FLAG(member) offsetof(struct cs_sandbox_layers, member)
	{ "user", "namespaces user", FLAG(user), "a user namespace of its own, none inside it" },
	{ "mount", "mount pivot overlay", FLAG(mount), "a root of its own" },
	{ "pid", "pid proc", FLAG(pid), "a pid namespace with its own /proc" },
	{ "net", "network", FLAG(net), "an empty network with loopback" },
	{ "ipc", "ipc", FLAG(ipc), "System V and POSIX queues of its own" },
	{ "uts", "uts", FLAG(uts), "a host name of its own" },
	{ "cgroup", "cgroup", FLAG(cgroup), "a cgroup namespace" },
	{ "seccomp", "capabilities no_new_privs landlock seccomp", FLAG(seccomp),
	  "system call filter" },
	{ "run", "sandbox terminal limits trace agent", 0, "a program ran inside" },
#undef FLAG
};

static bool is_held(const struct cs_host *h, size_t i)
{
	bool on;

	if (!h->started)
		return false;
	if (!strcmp(layers[i].name, "run"))
		return true;
	memcpy(&on, (const char *)&h->layers + layers[i].flag, sizeof on);
	return on;
}

static void judge_layers(struct cs_checks *out, const struct cs_host *h)
{
	for (size_t i = 0; i < CS_COUNT(layers); i++) {
		AUTO_BUF struct cs_buf fix = CS_BUF_INIT;
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;

		if (is_held(h, i)) {
			cs_checks_add(out, layers[i].name, CS_CHECK_GOOD, layers[i].good, NULL);
			continue;
		}
		if (h->step[0] && has_word(layers[i].steps, h->step)) {
			cs_buf_addf(&text, "step %s: %s", h->step, strerror(h->step_errno));
			cs_host_advice(&fix, h, h->step, h->step_errno);
		} else {
			cs_buf_addf(&text, "not reached: step %s failed first",
				    h->step[0] ? h->step : "start");
		}
		cs_checks_add(out, layers[i].name, CS_CHECK_MISSING, text.data, fix.data);
	}
}

static void judge_overlay(struct cs_checks *out, const struct cs_host *h)
{
	AUTO_BUF struct cs_buf fix = CS_BUF_INIT;
	AUTO_FREE char *text = NULL;

	if (!h->started)
		return;
	if (!h->overlay_errno) {
		cs_checks_add(out, "overlay", CS_CHECK_GOOD, "runs start without copying the tree",
			      NULL);
		return;
	}
	text = cs_asprintf("%s: each run copies the tree", strerror(h->overlay_errno));
	cs_host_advice(&fix, h, "overlay", h->overlay_errno);
	cs_checks_add(out, "overlay", CS_CHECK_WEAKER, text, fix.data);
}

static void judge_landlock(struct cs_checks *out, const struct cs_host *h)
{
	AUTO_FREE char *text = cs_asprintf("ABI %d", h->landlock_abi);

	if (h->landlock_abi >= 2)
		cs_checks_add(out, "landlock", CS_CHECK_GOOD, text, NULL);
	else if (h->landlock_abi == 1)
		cs_checks_add(out, "landlock", CS_CHECK_WEAKER,
			      "ABI 1 refuses every move between directories, so it is not used",
			      "Linux 5.19 or later; --degraded is not possible here");
	else
		cs_checks_add(out, "landlock", CS_CHECK_WEAKER, "none",
			      "Linux 5.19 or later with CONFIG_SECURITY_LANDLOCK, and landlock in "
			      "the kernel's lsm= list; --degraded is not possible here");
}

static void judge_trace(struct cs_checks *out, const struct cs_host *h)
{
	if (!h->started)
		return;
	if (!h->notify)
		cs_checks_add(out, "notify", CS_CHECK_MISSING,
			      "no notification of a program's start",
			      "start it outside of any sandbox or container engine that listens to "
			      "system calls itself");
	else
		cs_checks_add(out, "notify", h->wait_killable ? CS_CHECK_GOOD : CS_CHECK_WEAKER,
			      h->wait_killable ? "every program's start is seen"
					       : "every program's start is seen; signals can make "
						 "it be seen twice",
			      h->wait_killable ? NULL : "Linux 5.19 or later (WAIT_KILLABLE_RECV)");
	if (h->seize)
		cs_checks_add(out, "ptrace", CS_CHECK_GOOD,
			      "programs are verified before their first instruction", NULL);
	else if (h->yama == 3)
		cs_checks_add(
			out, "ptrace", CS_CHECK_WEAKER,
			"Yama forbids it (ptrace_scope 3): programs are recorded unverified, "
			"and those that a rule could refuse are refused",
			"kernel.yama.ptrace_scope=1 in /etc/sysctl.d, and a reboot: 3 is final "
			"until then");
	else
		cs_checks_add(
			out, "ptrace", CS_CHECK_WEAKER,
			"refused: programs are recorded unverified, and those that a rule could "
			"refuse are refused",
			"SELinux: setsebool deny_ptrace off; AppArmor: a profile with ptrace");
}

static void judge_limits(struct cs_checks *out, const struct cs_host *h)
{
	AUTO_FREE char *text = NULL;

	if (h->limit_memory && h->limit_pids) {
		cs_checks_add(out, "limits", CS_CHECK_GOOD,
			      "memory and processes by a cgroup; disk, output, file size, time",
			      NULL);
		return;
	}
	text = cs_asprintf("no limit on memory%s: %s",
			   h->limit_pids ? "" : ", processes by user only",
			   h->cgroup_why[0] ? h->cgroup_why : "no cgroup of our own");
	cs_checks_add(out, "limits", CS_CHECK_WEAKER, text,
		      h->root ? "boot with cgroup v2 alone (systemd.unified_cgroup_hierarchy=1)"
			      : "start it in a delegated cgroup: systemd-run --user --scope "
				"-p Delegate=yes git agent-run ...");
}

/* A user namespace was refused: then its own row has said it. Here, what will refuse it one day. */
static void judge_settings(struct cs_checks *out, const struct cs_host *h)
{
	AUTO_FREE char *max = cs_asprintf("%lld", (long long)h->max_user_namespaces);

	if (h->max_user_namespaces >= 0)
		cs_checks_add(out, "max_user_namespaces",
			      h->max_user_namespaces >= 16 ? CS_CHECK_GOOD
			      : h->max_user_namespaces > 0 ? CS_CHECK_WEAKER
							   : CS_CHECK_MISSING,
			      max,
			      h->max_user_namespaces >= 16
				      ? NULL
				      : "sudo sysctl -w user.max_user_namespaces=28633");
	if (h->apparmor_userns >= 0)
		cs_checks_add(out, "apparmor", CS_CHECK_GOOD,
			      h->apparmor_userns == 0 ? "does not restrict user namespaces"
			      : h->apparmor_profile ? "restricts user namespaces; " CS_APPARMOR_FILE
						      " is installed"
						    : "restricts user namespaces; no profile for "
						      "git-agent-run in " CS_APPARMOR_FILE,
			      NULL);
	if (h->container[0] || h->proc_covered)
		cs_checks_add(out, "container", CS_CHECK_GOOD,
			      h->proc_covered ? "parts of /proc are covered"
					      : "inside a container, /proc is whole",
			      NULL);
}

void cs_host_judge(struct cs_checks *out, const struct cs_host *h)
{
	cs_checks_add(out, "kernel", h->kernel[0] ? CS_CHECK_GOOD : CS_CHECK_WEAKER,
		      h->kernel[0] ? h->kernel : "unknown", NULL);
	judge_layers(out, h);
	judge_overlay(out, h);
	judge_landlock(out, h);
	judge_trace(out, h);
	judge_limits(out, h);
	judge_settings(out, h);
}
