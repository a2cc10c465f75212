/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said where a host refuses a layer, over hosts that nobody here runs on: what a probe
 * would have answered there is put in by hand.
 */
#include "countersign/sandbox.h"

#include <errno.h>
#include "unit.h"

/* The rows say what differs from a good host. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define ALL_LAYERS                                                                               \
	{                                                                                        \
		.user = true, .mount = true, .pid = true, .net = true, .ipc = true, .uts = true, \
		.seccomp = true, .cgroup = true, .landlock_abi = 4                               \
	}
/* A host where everything is. */
#define GOOD                                                                                   \
	.kernel = "6.8.0-45-generic", .program_dir = "/usr/bin", .max_user_namespaces = 31337, \
	.userns_clone = -1, .apparmor_userns = -1, .yama = 1, .started = true,                 \
	.layers = ALL_LAYERS, .landlock_abi = 4, .notify = true, .wait_killable = true,        \
	.seize = true, .limit_memory = true, .limit_pids = true

struct row {
	const char *check;
	enum cs_check_level level;
	const char *text, *fix; /* parts of them; NULL: none */
};

static const struct {
	const char *name;
	struct cs_host host;
	enum cs_check_level worst;
	struct row rows[4];
} hosts[] = {
	{ "everything", { GOOD }, CS_CHECK_GOOD, { { "user", CS_CHECK_GOOD, "user", NULL } } },
	{ "Linux 5.15",
	  { GOOD, .kernel = "5.15.0-100-generic", .landlock_abi = 1, .wait_killable = false },
	  CS_CHECK_WEAKER,
	  { { "landlock", CS_CHECK_WEAKER, "ABI 1", "5.19" },
	    { "notify", CS_CHECK_WEAKER, "twice", "5.19" },
	    { "user", CS_CHECK_GOOD, "", NULL } } },
	{ "Debian's 6.1",
	  { GOOD, .kernel = "6.1.0-18-amd64", .landlock_abi = 2 },
	  CS_CHECK_GOOD,
	  { { "landlock", CS_CHECK_GOOD, "ABI 2", NULL }, { "notify", CS_CHECK_GOOD, "", NULL } } },
	{ "Linux 6.8 without Landlock",
	  { GOOD, .landlock_abi = 0 },
	  CS_CHECK_WEAKER,
	  { { "landlock", CS_CHECK_WEAKER, "none", "lsm=" } } },
	{ "Ubuntu 24.04, AppArmor",
	  { GOOD, .apparmor_userns = 1, .started = false, .step = "user", .step_errno = EACCES },
	  CS_CHECK_MISSING,
	  { { "user", CS_CHECK_MISSING, "step user: Permission denied",
	      "profile git-agent-run /usr/bin/git-agent-{run,doctor} flags=(unconfined) { userns, "
	      "}" },
	    { "mount", CS_CHECK_MISSING, "not reached", NULL },
	    { "apparmor", CS_CHECK_GOOD, "no profile", NULL } } },
	{ "Ubuntu 24.04, AppArmor, refused at the network",
	  { GOOD, .apparmor_userns = 1, .started = false, .step = "network", .step_errno = EPERM },
	  CS_CHECK_MISSING,
	  { { "net", CS_CHECK_MISSING, "step network", "apparmor_parser -r" } } },
	{ "Ubuntu 24.04, a profile for another path",
	  { GOOD, .apparmor_userns = 1, .apparmor_profile = true, .started = false, .step = "user",
	    .step_errno = EPERM, .program_dir = "/opt/cs/bin" },
	  CS_CHECK_MISSING,
	  { { "user", CS_CHECK_MISSING, "step user", "let it name /opt/cs/bin/git-agent-run" } } },
	{ "docker, default profile",
	  { GOOD, .container = "docker", .filtered = true, .proc_covered = true, .started = false,
	    .step = "namespaces", .step_errno = EPERM },
	  CS_CHECK_MISSING,
	  { { "user", CS_CHECK_MISSING, "step namespaces",
	      "docker run --security-opt seccomp=unconfined" },
	    { "run", CS_CHECK_MISSING, "not reached", NULL },
	    { "container", CS_CHECK_GOOD, "covered", NULL } } },
	{ "docker, default profile, as root",
	  { GOOD, .root = true, .container = "docker", .started = false, .step = "namespaces",
	    .step_errno = EPERM },
	  CS_CHECK_MISSING,
	  { { "user", CS_CHECK_MISSING, "", "ordinary user" } } },
	{ "docker, seccomp=unconfined only",
	  { GOOD, .container = "docker", .proc_covered = true, .started = false, .step = "proc",
	    .step_errno = EPERM },
	  CS_CHECK_MISSING,
	  { { "pid", CS_CHECK_MISSING, "step proc", "systempaths=unconfined" } } },
	{ "rootless podman: only /proc is masked",
	  { GOOD, .container = "podman", .proc_covered = true, .started = false, .step = "proc",
	    .step_errno = EPERM },
	  CS_CHECK_MISSING,
	  { { "pid", CS_CHECK_MISSING, "step proc", "podman run --security-opt unmask=ALL" } } },
	{ "Yama 3",
	  { GOOD, .yama = 3, .seize = false },
	  CS_CHECK_WEAKER,
	  { { "ptrace", CS_CHECK_WEAKER, "ptrace_scope 3", "kernel.yama.ptrace_scope=1" } } },
	{ "no user namespaces",
	  { GOOD, .max_user_namespaces = 0, .started = false, .step = "namespaces",
	    .step_errno = ENOSPC },
	  CS_CHECK_MISSING,
	  { { "user", CS_CHECK_MISSING, "No space left", "sysctl -w user.max_user_namespaces" },
	    { "max_user_namespaces", CS_CHECK_MISSING, "0", "28633" } } },
	{ "an old Debian",
	  { GOOD, .userns_clone = 0, .started = false, .step = "namespaces", .step_errno = EPERM },
	  CS_CHECK_MISSING,
	  { { "user", CS_CHECK_MISSING, "", "kernel.unprivileged_userns_clone=1" } } },
	{ "a repository on NFS",
	  { GOOD, .overlay_errno = EINVAL },
	  CS_CHECK_WEAKER,
	  { { "overlay", CS_CHECK_WEAKER, "copies the tree", "ext4" },
	    { "mount", CS_CHECK_GOOD, "", NULL } } },
	{ "no cgroup of our own",
	  { GOOD, .limit_memory = false, .limit_pids = false, .cgroup_why = "read-only" },
	  CS_CHECK_WEAKER,
	  { { "limits", CS_CHECK_WEAKER, "read-only", "systemd-run --user --scope" } } },
	{ "another supervisor listens",
	  { GOOD, .started = false, .step = "trace", .step_errno = EBUSY },
	  CS_CHECK_MISSING,
	  { { "run", CS_CHECK_MISSING, "step trace", "outside of that sandbox" } } },
	/* Nothing known is nothing good. */
	{ "nothing known",
	  CS_HOST_INIT,
	  CS_CHECK_MISSING,
	  { { "user", CS_CHECK_MISSING, "", NULL }, { "run", CS_CHECK_MISSING, "", NULL } } },
};

static const struct cs_check *find(const struct cs_checks *checks, const char *name)
{
	for (size_t i = 0; i < checks->n; i++)
		if (!strcmp(checks->v[i].name, name))
			return &checks->v[i];
	ck_abort_msg("no check %s", name);
	return NULL;
}

START_TEST(hosts_are_judged)
{
	struct cs_checks checks = { 0 };
	enum cs_check_level worst = CS_CHECK_GOOD;

	cs_host_judge(&checks, &hosts[_i].host);
	for (size_t i = 0; i < checks.n; i++) {
		worst = checks.v[i].level < worst ? checks.v[i].level : worst;
		ck_assert_msg(!strchr(checks.v[i].text, '\n'), "%s", checks.v[i].text);
	}
	ck_assert_msg(worst == hosts[_i].worst, "%s: %s", hosts[_i].name,
		      cs_check_level_name(worst));
	for (const struct row *r = hosts[_i].rows; r < hosts[_i].rows + 4 && r->check; r++) {
		const struct cs_check *c = find(&checks, r->check);
		ck_assert_msg(c->level == r->level, "%s: %s is %s", hosts[_i].name, r->check,
			      cs_check_level_name(c->level));
		ck_assert_msg(strstr(c->text, r->text) != NULL, "%s: %s: %s", hosts[_i].name,
			      r->check, c->text);
		ck_assert_msg(r->fix ? c->fix && strstr(c->fix, r->fix) : !c->fix, "%s: %s: %s",
			      hosts[_i].name, r->check, c->fix ? c->fix : "no fix");
	}
	cs_checks_release(&checks);
}
END_TEST

/* Every step that a start can fail at belongs to a row: else a failure would show nowhere. */
START_TEST(every_step_has_a_row)
{
	static const char *const steps[] = {
		"sandbox",  "namespaces", "user",     "uts",	"mount",	"network",
		"pid",	    "overlay",	  "proc",     "pivot",	"capabilities", "no_new_privs",
		"landlock", "seccomp",	  "terminal", "limits", "trace",	"agent",
	};
	for (size_t i = 0; i < CS_COUNT(steps); i++) {
		struct cs_host host = { GOOD, .started = false, .step_errno = EPERM };
		struct cs_checks checks = { 0 };
		int named = 0;

		snprintf(host.step, sizeof host.step, "%s", steps[i]);
		cs_host_judge(&checks, &host);
		AUTO_FREE char *wanted = cs_asprintf("step %s: ", steps[i]);
		for (size_t k = 0; k < checks.n; k++)
			named += !strncmp(checks.v[k].text, wanted, strlen(wanted));
		ck_assert_msg(named == 1, "%s is named by %d rows", steps[i], named);
		cs_checks_release(&checks);
	}
}
END_TEST

START_TEST(this_host_is_read)
{
	struct cs_host host;

	cs_host_read(&host);
	ck_assert_int_eq(host.root, geteuid() == 0);
	ck_assert_int_ne(host.kernel[0], '\0');
	ck_assert(!host.started && !host.notify && !host.seize && !host.landlock_abi);
	cs_host_probe(&host);
	/* The probes left no filter on us. */
	struct cs_host again;
	cs_host_read(&again);
	ck_assert_int_eq(again.filtered, host.filtered);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sandbox_advice");
	TCase *tc = tcase_create("advice");

	tcase_add_loop_test(tc, hosts_are_judged, 0, CS_COUNT(hosts));
	tcase_add_test(tc, every_step_has_a_row);
	tcase_add_test(tc, this_host_is_read);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
