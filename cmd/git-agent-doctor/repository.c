/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git, the repository of the current directory, and the place where its runs would live. No
 * repository is no fault: the host is checked all the same.
 */
#include "doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "countersign/base/spawn.h"
#include "countersign/record.h"

#define LITTLE_SPACE ((uint64_t)2 << 30)
/* As git-agent-run: who an agent is where root starts it on a repository of root's. */
#define AGENT_UID 2113929217u

static void check_git(struct cs_checks *checks)
{
	static const char *const argv[] = { CS_GIT, "--version", NULL };
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	struct cs_err err = CS_ERR_INIT;
	int status = 0, major = 0, minor = 0;

	spec.argv = argv;
	spec.max_output = 4096;
	spec.deadline_ms = 10000;
	int rc = cs_spawn_capture(&out, NULL, &status, &spec, &err);
	if (rc < 0 || status != 0 || sscanf(out.data, "git version %d.%d", &major, &minor) != 2) {
		cs_checks_add(checks, "git", CS_CHECK_MISSING,
			      rc < 0 ? err.msg : CS_GIT " does not tell its version",
			      "install git 2.31 or later as " CS_GIT);
		return;
	}
	out.data[strcspn(out.data, "\n")] = '\0';
	bool old = major < 2 || (major == 2 && minor < 31);
	cs_checks_add(checks, "git", old ? CS_CHECK_MISSING : CS_CHECK_GOOD, out.data,
		      old ? "install git 2.31 or later as " CS_GIT : NULL);
}

/* Names of file systems where overlays are known to work, for the text only: the trial decides. */
static const char *fs_name(int fd)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} names[] = {
		{ 0xef53, "ext4" },	 { 0x58465342, "xfs" },	    { 0x9123683e, "btrfs" },
		{ 0x01021994, "tmpfs" }, { 0x794c7630, "overlay" }, { 0x6969, "nfs" },
		{ 0x65735546, "fuse" },	 { 0x2fc12fc1, "zfs" },	    { 0xf2f52010, "f2fs" },
		{ 0x01021997, "9p" },	 { 0xff534d42, "cifs" },
	};
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return "unknown";
	for (size_t i = 0; i < CS_COUNT(names); i++)
		if ((unsigned long)st.f_type == names[i].magic)
			return names[i].name;
	return "another file system";
}

static void check_space(struct cs_checks *checks, const char *dir)
{
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statvfs st;

	if (fd < 0 || fstatvfs(fd, &st) < 0)
		return;
	uint64_t left = (uint64_t)st.f_bavail * st.f_frsize;
	AUTO_FREE char *text =
		cs_asprintf("%s on %s, %.1f GiB free", dir, fs_name(fd), (double)left / (1 << 30));
	bool little = left < LITTLE_SPACE;
	cs_checks_add(checks, "space", little ? CS_CHECK_WEAKER : CS_CHECK_GOOD, text,
		      little ? "git agent-log prune, or make room: runs end when less than "
			       "sandbox.diskFree is left"
			     : NULL);
}

static void check_repository(struct cs_checks *checks, char **dir, uid_t *uid, gid_t *gid)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct stat st;
	int rc = cs_repo_open(&repo, ".", getenv("GIT_DIR"), &err);

	if (rc == CS_NOTFOUND) {
		cs_checks_add(checks, "repository", CS_CHECK_GOOD,
			      "none here; the host alone is checked", NULL);
		return;
	}
	/* safe.directory, an unsupported format, a broken configuration: the text says which. */
	if (rc == 0 && stat(cs_repo_common_dir(repo), &st) < 0)
		rc = cs_err_sys(&err, "%s", cs_repo_common_dir(repo));
	if (rc == 0)
		rc = cs_state_dir(dir, repo, &err);
	if (rc < 0) {
		cs_checks_add(checks, "repository", CS_CHECK_MISSING, err.msg, NULL);
		return;
	}
	if (geteuid() == 0) {
		*uid = st.st_uid ? st.st_uid : AGENT_UID;
		*gid = st.st_uid ? st.st_gid : AGENT_UID;
	}
	cs_checks_add(checks, "repository", CS_CHECK_GOOD,
		      cs_repo_worktree(repo) ? cs_repo_worktree(repo) : cs_repo_common_dir(repo),
		      NULL);
	AUTO_FREE char *orphans = cs_run_orphans(repo);
	if (orphans)
		cs_checks_add(checks, "runs", CS_CHECK_WEAKER, orphans, NULL);
	check_space(checks, *dir);
}

void repository_checks(struct cs_checks *checks, char **dir, uid_t *uid, gid_t *gid)
{
	const char *tmp = getenv("TMPDIR");

	*uid = geteuid() ? geteuid() : AGENT_UID;
	*gid = geteuid() ? getegid() : AGENT_UID;
	*dir = NULL;
	check_git(checks);
	check_repository(checks, dir, uid, gid);
	if (!*dir)
		*dir = cs_strdup(tmp && tmp[0] == '/' ? tmp : "/var/tmp");
}
