/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: one file each, a few lines of sh that call this program by the absolute path it was
 * installed with. A hook of somebody else is moved to <hook>.legacy (as pre-commit does) and run
 * behind ours; uninstall moves it back. A directory that core.hooksPath names is not ours to write
 * to: husky and others track it.
 */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "# Countersign's gate: git agent-gate uninstall takes it away."

static const char *hook_name(const struct place *p)
{
	return p->args->server ? "pre-receive" : "pre-push";
}

/* In single quotes for sh. */
static void add_quoted(struct cs_buf *out, const char *s)
{
	cs_buf_addc(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			cs_buf_adds(out, "'\\''");
		else
			cs_buf_addc(out, *s);
	}
	cs_buf_addc(out, '\'');
}

static int script(struct cs_buf *out, const struct place *p, struct cs_err *err)
{
	char self[4096];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return cs_err_sys(err, "/proc/self/exe");
	self[n] = '\0';
	cs_buf_adds(out, "#!/bin/sh\n" MARK "\ngate=");
	add_quoted(out, self);
	cs_buf_addf(out,
		    "\nif [ ! -x \"$gate\" ]; then\n"
		    "\techo \"countersign: refused: $gate is missing\" >&2\n\texit 1\nfi\n"
		    "exec \"$gate\" %s --chain \"$0.legacy\" -- \"$@\"\n",
		    hook_name(p));
	return 0;
}

/* core.hooksPath (NULL: not set), and the hook's path where git looks for it; both owned. */
static int find_hook(char **shared, char **path, const struct place *p, struct cs_err *err)
{
	int rc = cs_repo_config(shared, p->repo, "core.hooksPath", err);

	*path = cs_asprintf("%s/hooks/%s", cs_repo_common_dir(p->repo), hook_name(p));
	return rc;
}

/* *ours: it is what install writes; *there: there is something. */
static int look(bool *there, bool *ours, const char *path, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct stat st;
	int rc;

	*there = lstat(path, &st) == 0;
	*ours = false;
	if (!*there)
		return errno == ENOENT ? 0 : cs_err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	rc = cs_read_file(&text, AT_FDCWD, path, 1u << 20, err);
	*ours = rc == 0 && !strncmp(text.data, "#!/bin/sh\n" MARK "\n", sizeof("#!/bin/sh\n" MARK));
	return rc;
}

static int add_repository(const struct place *p, const char *name, struct cs_err *err)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	int status = 0;
	int rc = cs_user_git(&out, &status, p->repo,
			     (const char *[]){ "config", "--local", "--replace-all",
					       "countersign.repository", name, "^$", NULL },
			     err);

	if (rc == 0 && status != 0)
		rc = cs_err_set(err, CS_MALFUNCTION, "git config failed");
	return rc;
}

/* git config --add, and not twice. */
static int add_repositories(const struct place *p, struct cs_err *err)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	int status = 0;
	int rc = cs_user_git(&list, &status, p->repo,
			     (const char *[]){ "config", "--local", "--get-all",
					       "countersign.repository", NULL },
			     err);

	for (size_t i = 0; rc == 0 && i < p->args->repositories.n; i++) {
		AUTO_FREE char *line = cs_asprintf("\n%s\n", p->args->repositories.v[i]);
		AUTO_FREE char *all = cs_asprintf("\n%s", list.data);

		if (!strstr(all, line))
			rc = add_repository(p, p->args->repositories.v[i], err);
	}
	return rc;
}

int install(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *shared = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *legacy = NULL;
	AUTO_FREE char *dir = cs_asprintf("%s/hooks", cs_repo_common_dir(p->repo));
	bool there = false, ours = false;
	int rc = find_hook(&shared, &path, p, err);

	(void)operands;
	if (rc == 0)
		rc = script(&text, p, err);
	if (rc < 0)
		return rc;
	if (shared) {
		AUTO_FREE char *where = cs_escape_line(shared);

		printf("core.hooksPath is set: git looks for hooks in %s, which is not ours to "
		       "write.\n"
		       "Add this to %s there, as an executable file:\n\n%s",
		       where, hook_name(p), text.data);
		return cs_err_set(err, CS_REFUSED, "not installed: core.hooksPath is set");
	}
	legacy = cs_asprintf("%s.legacy", path);
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return cs_err_sys(err, "%s", dir);
	rc = look(&there, &ours, path, err);
	if (rc == 0 && there && !ours) {
		if (access(legacy, F_OK) == 0)
			return cs_err_set(err, CS_EXISTS, "%s is in the way", legacy);
		if (rename(path, legacy) < 0)
			return cs_err_sys(err, "%s", path);
	}
	if (rc == 0)
		rc = cs_write_file(AT_FDCWD, path, text.data, text.len, 0777, err);
	if (rc == 0)
		rc = add_repositories(p, err);
	return rc;
}

int uninstall(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_FREE char *shared = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *legacy = NULL;
	bool there = false, ours = false;
	int rc = find_hook(&shared, &path, p, err);

	(void)operands;
	if (rc == 0)
		rc = look(&there, &ours, path, err);
	if (rc < 0)
		return rc;
	if (!there)
		return 0;
	if (!ours)
		return cs_err_set(err, CS_REFUSED, "%s is not ours", path);
	legacy = cs_asprintf("%s.legacy", path);
	/* One step where there is something to restore. */
	if (rename(legacy, path) == 0)
		return 0;
	if (errno != ENOENT || unlink(path) < 0)
		return cs_err_sys(err, "%s", path);
	return 0;
}

int hook_status(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_FREE char *shared = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *legacy = NULL;
	AUTO_BUF struct cs_buf wanted = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	const char *what = "installed";
	bool there = false, ours = false;
	int rc = find_hook(&shared, &path, p, err);

	(void)operands;
	if (rc == 0)
		rc = look(&there, &ours, path, err);
	if (rc == 0)
		rc = script(&wanted, p, err);
	if (rc == 0 && ours)
		rc = cs_read_file(&text, AT_FDCWD, path, 1u << 20, err);
	if (rc < 0)
		return rc;
	legacy = cs_asprintf("%s.legacy", path);
	p->denied = true;
	if (shared)
		what = "not reached: core.hooksPath names another directory";
	else if (!there)
		what = "missing";
	else if (!ours)
		what = "replaced by another hook";
	else if (access(path, X_OK) < 0)
		what = "not executable";
	else if (text.len != wanted.len || memcmp(text.data, wanted.data, text.len) != 0)
		what = "changed, or of another installation: install again";
	else
		p->denied = false;
	printf("%s: %s%s\n", hook_name(p), what,
	       !p->denied && access(legacy, F_OK) == 0 ? ", with the hook that was there" : "");
	return 0;
}
