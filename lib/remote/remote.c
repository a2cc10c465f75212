/* SPDX-License-Identifier: Apache-2.0 */
/* The remote that a change goes to. */
#include "countersign/remote.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/attest.h"

#define HEADS "refs/heads/"

extern char **environ;

int cs_user_git(struct cs_buf *out, int *status, const struct cs_repo *repo,
		const char *const *args, struct cs_err *err)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	int wait_status = 0;
	pid_t pid;
	int rc;

	cs_strv_add(&argv, CS_GIT);
	if (repo)
		cs_strv_addf(&argv, "--git-dir=%s", cs_repo_git_dir(repo));
	for (; *args; args++)
		cs_strv_add(&argv, *args);
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)environ;
	spec.stderr_fd = out ? -1 : STDERR_FILENO;
	spec.stdout_fd = out ? -1 : STDERR_FILENO;
	if (out) {
		rc = cs_spawn_capture(out, NULL, &wait_status, &spec, err);
	} else {
		rc = cs_spawn_start(&pid, &spec, err);
		if (rc == 0 && waitpid(pid, &wait_status, 0) < 0)
			rc = cs_err_sys(err, "git");
	}
	*status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128;
	return rc;
}

/* The first line that git prints; NULL where it fails or prints nothing. */
static int one_line(char **out, const struct cs_repo *repo, const char *const *args,
		    struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int status = 0;
	int rc = cs_user_git(&text, &status, repo, args, err);

	*out = NULL;
	if (rc == 0 && status == 0 && text.len)
		*out = cs_strndup(text.data, strcspn(text.data, "\n"));
	return rc;
}

/* The branch's remote, else origin, else the only one. */
static int choose(char **name, const struct cs_repo *repo, struct cs_err *err)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	AUTO_FREE char *branch = NULL;
	AUTO_FREE char *key = NULL;
	int status = 0;
	size_t n = 0;
	int rc = cs_repo_symbolic(&branch, repo, "HEAD", err);

	*name = NULL;
	if (rc == 0 && branch && !strncmp(branch, HEADS, sizeof(HEADS) - 1)) {
		key = cs_asprintf("branch.%s.remote", branch + sizeof(HEADS) - 1);
		rc = cs_repo_config(name, repo, key, err);
	}
	if (rc < 0 || (*name && strcmp(*name, ".") != 0))
		return rc;
	free(cs_steal(name));
	rc = cs_user_git(&list, &status, repo, (const char *[]){ "remote", NULL }, err);
	if (rc < 0 || !list.len)
		return rc;
	for (const char *at = list.data; *at; at += strcspn(at, "\n") + 1, n++) {
		const size_t len = strcspn(at, "\n");

		if (n == 0 || (len == 6 && !strncmp(at, "origin", 6))) {
			free(*name);
			*name = cs_strndup(at, len);
		}
	}
	if (n > 1 && strcmp(*name, "origin") != 0)
		return cs_err_set(
			err, CS_USAGE,
			"several remotes, and none of them is the branch's or \"origin\"");
	return 0;
}

static bool exists(const struct cs_repo *repo, const struct cs_remote *remote, const char *ref)
{
	AUTO_FREE char *tracking = cs_remote_tracking(remote, ref);
	struct cs_oid oid;

	return tracking && cs_repo_read_ref(&oid, repo, tracking, NULL) == 0;
}

static int find_default(struct cs_remote *out, const struct cs_repo *repo, struct cs_err *err)
{
	static const char *const usual[] = { HEADS "main", HEADS "master" };
	AUTO_FREE char *head =
		out->name ? cs_asprintf("refs/remotes/%s/HEAD", out->name) : cs_strdup("HEAD");
	AUTO_FREE char *to = NULL;
	int rc = cs_repo_symbolic(&to, repo, head, err);

	if (rc < 0)
		return rc;
	if (to && !out->name) {
		out->default_ref = cs_steal(&to);
	} else if (to && !strncmp(to, head, strlen(head) - 4)) {
		out->default_ref = cs_asprintf(HEADS "%s", to + strlen(head) - 4);
	}
	for (size_t i = 0; i < CS_COUNT(usual) && !out->default_ref; i++)
		if (exists(repo, out, usual[i]))
			out->default_ref = cs_strdup(usual[i]);
	return 0;
}

int cs_remote_find(struct cs_remote *out, const struct cs_repo *repo, const char *name,
		   const char *url, struct cs_err *err)
{
	AUTO_FREE char *found = NULL;
	int rc = 0;

	*out = (struct cs_remote){ 0 };
	if (name)
		out->name = cs_strdup(name);
	else
		rc = choose(&out->name, repo, err);
	if (rc == 0 && out->name && !url) {
		rc = one_line(
			&found, repo,
			(const char *[]){ "remote", "get-url", "--push", "--", out->name, NULL },
			err);
		url = found ? found : out->name;
	}
	if (rc == 0 && !out->name)
		url = cs_repo_worktree(repo) ? cs_repo_worktree(repo) : cs_repo_common_dir(repo);
	if (rc == 0) {
		out->repository = cs_repository_name(url);
		rc = find_default(out, repo, err);
	}
	if (rc < 0)
		cs_remote_release(out);
	return rc;
}

void cs_remote_release(struct cs_remote *remote)
{
	free(remote->name);
	free(remote->repository);
	free(remote->default_ref);
	*remote = (struct cs_remote){ 0 };
}

char *cs_remote_tracking(const struct cs_remote *remote, const char *ref)
{
	if (!remote->name)
		return cs_strdup(ref);
	if (strncmp(ref, HEADS, sizeof(HEADS) - 1) != 0)
		return NULL;
	return cs_asprintf("refs/remotes/%s/%s", remote->name, ref + sizeof(HEADS) - 1);
}
