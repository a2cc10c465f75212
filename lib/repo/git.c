/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git's own programs. Two ways of calling them, and no third:
 *
 *	cs_git		plumbing in a directory that only we or the user wrote. The environment is
 *			built from nothing and leaves git no configuration but that directory's own:
 *			no hooks, monitors, replace refs, grafts, attributes, prompts or transports.
 *	cs_git_as_user	a question that only git can answer as the user would see it (his
 *			configuration, safe.directory). Nothing is executed for such questions.
 *
 * Root does not run it in a git directory of somebody else's: it becomes the owner first. git follows
 * the links that he may have put there, also those in the place of a log or of a reference, and runs
 * the filters of his configuration. Only where the owner does not come to it himself it stays root.
 *
 * The program is an absolute path fixed when Countersign was built, never one found on PATH.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Works in each version: those that do not know a variable ignore it. */
static const char *const environment[] = {
	"GIT_CONFIG_GLOBAL=/dev/null",
	"GIT_CONFIG_NOSYSTEM=1",
	"GIT_ATTR_NOSYSTEM=1",
	"GIT_ATTR_SOURCE=4b825dc642cb6eb9a060e54bf8d69288fbee4904", /* the empty tree: 2.41 */
	"GIT_NO_REPLACE_OBJECTS=1",
	"GIT_GRAFT_FILE=/dev/null",
	"GIT_OPTIONAL_LOCKS=0",
	"GIT_TERMINAL_PROMPT=0",
	"GIT_FLUSH=0",	       /* rev-list: not a write for each commit */
	"GIT_ALLOW_PROTOCOL=", /* no transport, so no fetch of a partial clone's missing objects */
	"GIT_NO_LAZY_FETCH=1", /* the same, said to 2.45 and later */
	"LC_ALL=C",
	"HOME=/nonexistent",
	"PATH=/usr/bin:/bin",
};

#define OPTIONS_AS_USER 2 /* the first ones hold in any case */
static const char *const options[] = {
	"core.hooksPath=/dev/null",	 "core.fsmonitor=false",
	"core.attributesFile=/dev/null", "gc.auto=0",
	"maintenance.auto=false",	 "advice.graftFileDeprecated=false",
};

/* Of the user's environment, what decides which configuration git reads and whom it trusts. */
static const char *const user_variables[] = {
	"HOME=",       "XDG_CONFIG_HOME=",	   "SUDO_UID=",
	"GIT_CONFIG_", "GIT_CEILING_DIRECTORIES=", "GIT_DISCOVERY_ACROSS_FILESYSTEM=",
};

static const char *const user_environment[] = {
	"GIT_OPTIONAL_LOCKS=0",
	"GIT_TERMINAL_PROMPT=0",
	"LC_ALL=C",
	"PATH=/usr/bin:/bin",
};

static void add_all(struct cs_strv *out, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cs_strv_add(out, list[i]);
}

static void add_user(struct cs_strv *env)
{
	add_all(env, user_environment, CS_COUNT(user_environment));
	for (char **e = environ; *e; e++)
		for (size_t i = 0; i < CS_COUNT(user_variables); i++)
			if (!strncmp(*e, user_variables[i], strlen(user_variables[i])))
				cs_strv_add(env, *e);
}

/*
 * What the user configured is found where he finds it, and works as it does for him: his
 * environment, without what leads git to another repository or index.
 */
static void add_users_own(struct cs_strv *env)
{
	for (char **e = environ; *e; e++)
		if ((strncmp(*e, "GIT_", 4) != 0 && strncmp(*e, "LANGUAGE=", 9) != 0) ||
		    !strncmp(*e, "GIT_CONFIG_", 11))
			cs_strv_add(env, *e);
	cs_strv_add(env, "GIT_OPTIONAL_LOCKS=0");
	cs_strv_add(env, "GIT_TERMINAL_PROMPT=0");
	cs_strv_add(env, "LANGUAGE=en"); /* of the messages, not of what is sorted */
}

static void build_argv(struct cs_strv *argv, const struct cs_git_call *call)
{
	const size_t n = call->as_user ? OPTIONS_AS_USER : CS_COUNT(options);

	cs_strv_add(argv, CS_GIT);
	for (size_t i = 0; i < n; i++) {
		cs_strv_add(argv, "-c");
		cs_strv_add(argv, options[i]);
	}
	for (const char *const *c = call->config; c && *c; c++) {
		cs_strv_add(argv, "-c");
		cs_strv_add(argv, *c);
	}
	for (const char *const *a = call->args; *a; a++)
		cs_strv_add(argv, *a);
}

/*
 * git's own arrangement of a quarantine: the incoming directory as the place of objects, the
 * repository's as its alternate (C-quoted, since the list is split at colons).
 */
static void add_quarantine(struct cs_strv *env, const struct cs_repo *repo)
{
	AUTO_BUF struct cs_buf quoted = CS_BUF_INIT;

	if (!repo || !repo->quarantine || !*repo->quarantine)
		return;
	for (const char *p = repo->object_dirs.v[0]; *p; p++) {
		const unsigned char c = (unsigned char)*p;

		if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
			cs_buf_addf(&quoted, "\\%03o", c);
		else
			cs_buf_addc(&quoted, *p);
	}
	cs_strv_addf(env, "GIT_OBJECT_DIRECTORY=%s", repo->quarantine);
	cs_strv_addf(env, "GIT_ALTERNATE_OBJECT_DIRECTORIES=\"%s\"", quoted.data);
}

static void build_env(struct cs_strv *env, const struct cs_git_call *call)
{
	if (call->as_user)
		add_users_own(env);
	else
		add_all(env, environment, CS_COUNT(environment));
	cs_strv_addf(env, "GIT_DIR=%s", call->git_dir);
	if (call->work_tree)
		cs_strv_addf(env, "GIT_WORK_TREE=%s", call->work_tree);
	if (call->index_file)
		cs_strv_addf(env, "GIT_INDEX_FILE=%s", call->index_file);
	add_quarantine(env, call->objects);
}

static void become_owner(struct cs_spawn *spec, const struct cs_git_call *call)
{
	struct stat st;

	if (geteuid() != 0 || stat(call->git_dir, &st) < 0 || st.st_uid == 0 ||
	    !cs_comes_to(call->git_dir, st.st_uid, st.st_gid))
		return;
	spec->uid = st.st_uid;
	spec->gid = st.st_gid;
}

int cs_git_run(struct cs_buf *out, struct cs_buf *errout, int *status,
	       const struct cs_git_call *call, int stdin_fd, struct cs_err *err)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_STRV struct cs_strv env = CS_STRV_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;

	build_argv(&argv, call);
	build_env(&env, call);
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)env.v;
	spec.cwd = "/"; /* never where attributes or a repository of somebody else may lie */
	spec.stdin_fd = stdin_fd;
	spec.input = call->input;
	spec.input_len = call->input_len;
	spec.max_output = call->max_output;
	become_owner(&spec, call);
	return cs_spawn_capture(out, errout, status, &spec, err);
}

/* The line that says what is wrong: the first "fatal:" or "error:", else the first. */
static void add_error_line(struct cs_buf *out, const struct cs_buf *errout)
{
	static const char *const prefixes[] = { "fatal: ", "error: " };
	const char *line = errout->data;

	for (size_t i = 0; i < CS_COUNT(prefixes); i++) {
		const char *found = strstr(errout->data, prefixes[i]);

		if (found && (found == errout->data || found[-1] == '\n')) {
			line = found + strlen(prefixes[i]);
			break;
		}
	}
	cs_buf_add(out, line, strcspn(line, "\n"));
}

int cs_git_failed(const struct cs_git_call *call, int status, const struct cs_buf *errout,
		  struct cs_err *err)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	AUTO_FREE char *escaped = NULL;

	add_error_line(&line, errout);
	if (!line.len && WIFSIGNALED(status))
		cs_buf_addf(&line, "killed by signal %d", WTERMSIG(status));
	else if (!line.len)
		cs_buf_addf(&line, "exit status %d", WEXITSTATUS(status));
	escaped = cs_escape_line(line.data);
	return cs_err_set(err, CS_MALFUNCTION, "git %s: %s", call->args[0], escaped);
}

int cs_git(struct cs_buf *out, const struct cs_git_call *call, struct cs_err *err)
{
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	int status;
	int rc = cs_git_run(out, &errout, &status, call, -1, err);

	if (rc < 0)
		return rc;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return cs_git_failed(call, status, &errout, err);
	return 0;
}

int cs_git_as_user(struct cs_buf *out, struct cs_buf *errout, int *status, const char *cwd,
		   const char *git_dir, const char *const *args, struct cs_err *err)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_STRV struct cs_strv env = CS_STRV_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;

	cs_strv_add(&argv, CS_GIT);
	for (; *args; args++)
		cs_strv_add(&argv, *args);
	add_user(&env);
	if (git_dir)
		cs_strv_addf(&env, "GIT_DIR=%s", git_dir);
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)env.v;
	spec.cwd = cwd;
	return cs_spawn_capture(out, errout, status, &spec, err);
}

/* Passes everything that comes through the pipe on to fn. */
static int pump(int fd, void (*fn)(void *arg, const void *data, size_t len), void *arg,
		struct cs_err *err)
{
	const size_t size = 1 << 16;
	AUTO_FREE char *chunk = cs_malloc(size);
	ssize_t n;

	for (;;) {
		n = read(fd, chunk, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		fn(arg, chunk, (size_t)n);
	}
	return n < 0 ? cs_err_sys(err, "read from git") : 0;
}

int cs_git_stream(const struct cs_git_call *call,
		  void (*fn)(void *arg, const void *data, size_t len), void *arg,
		  struct cs_err *err)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_STRV struct cs_strv env = CS_STRV_INIT;
	const struct cs_buf no_text = CS_BUF_INIT;
	struct cs_spawn spec = CS_SPAWN_INIT;
	AUTO_FD int ours = -1;
	AUTO_FD int theirs = -1;
	int ends[2];
	int status;
	pid_t pid;
	int rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return cs_err_sys(err, "pipe");
	ours = ends[0];
	theirs = ends[1];
	build_argv(&argv, call);
	build_env(&env, call);
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)env.v;
	spec.cwd = "/";
	spec.stdout_fd = theirs;
	become_owner(&spec, call);
	rc = cs_spawn_start(&pid, &spec, err);
	if (rc < 0)
		return rc;
	cs_close(&theirs);
	rc = pump(ours, fn, arg, err);
	cs_close(&ours); /* so that a git that still writes ends */
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cs_err_sys(err, "wait for git");
	if (rc == 0 && (!WIFEXITED(status) || WEXITSTATUS(status)))
		rc = cs_git_failed(call, status, &no_text, err);
	return rc;
}

void cs_git_command(struct cs_strv *argv, struct cs_strv *env, const struct cs_git_call *call)
{
	build_argv(argv, call);
	build_env(env, call);
}
