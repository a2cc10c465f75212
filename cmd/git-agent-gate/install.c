/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: one file each, hooks/hook.sh with this program's absolute path in it. A hook of somebody
 * else is kept as <hook>.legacy (as pre-commit does) and run behind ours; uninstall moves it back.
 * A directory that core.hooksPath names is not ours to write to: husky and others track it, so what
 * to add there is printed.
 */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK	 "# Countersign's gate: git agent-gate uninstall takes it away."
#define HOOK_MAX (1u << 20)
#define LEGACY	 ".legacy"

/* hooks/hook.sh, included by the assembler, with a NUL behind it. */
__asm__(".pushsection .rodata\n"
	"gate_hook_text:\n"
	".incbin \"hooks/hook.sh\"\n"
	".byte 0\n"
	".popsection\n");
extern const char gate_hook_text[] __attribute__((visibility("hidden")));

enum side { CLIENT = 1, SERVER = 2, LOCAL = 4 };

static const struct hook {
	const char *name;
	enum side side;
} hooks[] = {
	{ "pre-push", CLIENT },
	{ "pre-receive", SERVER },
	{ "pre-merge-commit", LOCAL },
	{ "reference-transaction", LOCAL },
};

static bool is_wanted(const struct hook *h, const struct gate_args *args)
{
	if (args->server)
		return h->side == SERVER;
	return h->side == CLIENT || (h->side == LOCAL && args->local);
}

/* ---- the script ---- */

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

static int script(struct cs_buf *out, const struct hook *h, struct cs_err *err)
{
	char self[4096];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return cs_err_sys(err, "/proc/self/exe");
	self[n] = '\0';
	for (const char *at = gate_hook_text; *at;) {
		if (!strncmp(at, "@GATE@", 6)) {
			add_quoted(out, self);
			at += 6;
		} else if (!strncmp(at, "@HOOK@", 6)) {
			cs_buf_adds(out, h->name);
			at += 6;
		} else {
			cs_buf_addc(out, *at++);
		}
	}
	return 0;
}

/* ---- what is there ---- */

enum state { MISSING = 0, OURS, FOREIGN, NO_FILE };

static enum state state_of(const char *path, struct cs_buf *text)
{
	struct stat st;

	cs_buf_truncate(text, 0);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? MISSING : NO_FILE;
	if (!S_ISREG(st.st_mode) || cs_read_file(text, AT_FDCWD, path, HOOK_MAX, NULL) < 0)
		return NO_FILE;
	return strstr(text->data, "\n" MARK "\n") ? OURS : FOREIGN;
}

/* core.hooksPath (NULL: not set), and the directory where git looks for hooks; both owned. */
static int find_dir(char **shared, char **dir, const struct place *p, struct cs_err *err)
{
	AUTO_BUF struct cs_buf path = CS_BUF_INIT;
	int status = 0;
	int rc = cs_repo_config(shared, p->repo, "core.hooksPath", err);

	if (rc < 0 || !*shared) {
		*dir = cs_asprintf("%s/hooks", cs_repo_common_dir(p->repo));
		return rc;
	}
	rc = cs_user_git(
		&path, &status, p->repo,
		(const char *[]){ "config", "--type=path", "--get", "core.hooksPath", NULL }, err);
	cs_buf_truncate(&path, strcspn(path.data, "\n"));
	/* Hooks run at the top of the worktree: a relative path counts from there. */
	if (*path.data != '/' && cs_repo_worktree(p->repo))
		*dir = cs_asprintf("%s/%s", cs_repo_worktree(p->repo), path.data);
	else
		*dir = cs_strdup(path.data);
	return rc;
}

/* ---- install ---- */

static int make_dir(const char *dir, struct cs_err *err)
{
	return mkdir(dir, 0777) < 0 && errno != EEXIST ? cs_err_sys(err, "%s", dir) : 0;
}

/* Two names for a moment: at no time is there no hook. */
static int keep_legacy(const char *path, struct cs_err *err)
{
	AUTO_FREE char *legacy = cs_asprintf("%s" LEGACY, path);
	struct stat a, b;

	if (link(path, legacy) == 0)
		return 0;
	if (errno == EEXIST && lstat(path, &a) == 0 && lstat(legacy, &b) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev)
		return 0;
	if (errno == EEXIST)
		return cs_err_set(err, CS_EXISTS, "%s is in the way of %s", legacy, path);
	return cs_err_sys(err, "link %s", legacy);
}

static int install_hook(const struct hook *h, const char *dir, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", dir, h->name);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf there = CS_BUF_INIT;
	enum state state = state_of(path, &there);
	int rc = script(&text, h, err);

	if (rc == 0 && state == NO_FILE)
		rc = cs_err_set(err, CS_REFUSED, "%s is not a file", path);
	if (rc == 0 && state == FOREIGN)
		rc = keep_legacy(path, err);
	if (rc == 0)
		rc = cs_write_file(AT_FDCWD, path, text.data, text.len, 0777, err);
	return rc;
}

/* Not ours to write: what is to be added, and where. */
static int print_hooks(const struct place *p, const char *shared, struct cs_err *err)
{
	AUTO_FREE char *where = cs_escape_line(shared);

	printf("core.hooksPath is set: git looks for hooks in %s, which is not ours to write.\n",
	       where);
	for (size_t i = 0; i < CS_COUNT(hooks); i++) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;

		if (!is_wanted(&hooks[i], p->args))
			continue;
		if (script(&text, &hooks[i], err) < 0)
			return err->code;
		printf("Add this to %s there, as an executable file:\n\n%s\n", hooks[i].name,
		       text.data);
	}
	return cs_err_set(err, CS_REFUSED, "not installed: core.hooksPath is set");
}

static int git_config(const struct cs_repo *repo, const char *const *args, struct cs_err *err)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	int status = 0;
	int rc = cs_user_git(&out, &status, repo, args, err);

	return rc == 0 && status != 0 ? cs_err_set(err, CS_MALFUNCTION, "git config failed") : rc;
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
		const char *name = p->args->repositories.v[i];
		AUTO_FREE char *line = cs_asprintf("\n%s\n", name);
		AUTO_FREE char *all = cs_asprintf("\n%s", list.data);

		if (!strstr(all, line))
			rc = git_config(p->repo,
					(const char *[]){ "config", "--local", "--replace-all",
							  "countersign.repository", name, "^$",
							  NULL },
					err);
	}
	return rc;
}

int install(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_FREE char *shared = NULL;
	AUTO_FREE char *dir = NULL;
	int rc;

	(void)operands;
	if (p->args->server && p->args->local)
		return cs_err_set(err, CS_USAGE, "--local is for clones");
	rc = find_dir(&shared, &dir, p, err);
	if (rc == 0 && shared)
		return print_hooks(p, shared, err);
	if (rc == 0)
		rc = make_dir(dir, err);
	for (size_t i = 0; rc == 0 && i < CS_COUNT(hooks); i++)
		if (is_wanted(&hooks[i], p->args))
			rc = install_hook(&hooks[i], dir, err);
	return rc < 0 ? rc : add_repositories(p, err);
}

/* ---- for clones to come ---- */

/* init.templateDir; where it is not set, git's own place for such things, and then it is set. */
static int template_dir(char **dir, bool *is_new, struct cs_err *err)
{
	const char *home = getenv("HOME");
	const char *xdg = getenv("XDG_CONFIG_HOME");
	AUTO_BUF struct cs_buf path = CS_BUF_INIT;
	int status = 0;
	int rc = cs_user_git(&path, &status, NULL,
			     (const char *[]){ "config", "--global", "--type=path", "--get",
					       "init.templateDir", NULL },
			     err);

	*is_new = status != 0 || !path.len;
	if (rc < 0)
		return rc;
	if (!*is_new)
		*dir = cs_strndup(path.data, strcspn(path.data, "\n"));
	else if (xdg && *xdg == '/')
		*dir = cs_asprintf("%s/git/template", xdg);
	else if (home && *home == '/')
		*dir = cs_asprintf("%s/.config/git/template", home);
	return *dir ? 0 : cs_err_set(err, CS_USAGE, "no HOME: where is the template to be?");
}

static int make_dirs(const char *path, struct cs_err *err)
{
	AUTO_FD int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? cs_err_sys(err, "open /") : cs_mkdirs(root, path + 1, 0777, err);
}

int install_template(const struct gate_args *args, struct cs_err *err)
{
	AUTO_FREE char *template = NULL;
	AUTO_FREE char *dir = NULL;
	AUTO_FREE char *shown = NULL;
	bool is_new = false;
	int rc;

	if (args->server)
		return cs_err_set(err, CS_USAGE, "--template is for clones");
	rc = template_dir(&template, &is_new, err);
	if (rc < 0)
		return rc;
	dir = cs_asprintf("%s/hooks", template);
	rc = make_dirs(dir, err);
	for (size_t i = 0; rc == 0 && i < CS_COUNT(hooks); i++)
		if (is_wanted(&hooks[i], args))
			rc = install_hook(&hooks[i], dir, err);
	if (rc == 0 && is_new)
		rc = git_config(NULL,
				(const char *[]){ "config", "--global", "init.templateDir",
						  template, NULL },
				err);
	shown = cs_escape_line(template);
	if (rc == 0)
		printf("every clone from now on gets the hook: %s%s\n", shown,
		       is_new ? " (init.templateDir is set to it)" : "");
	return rc;
}

/* ---- uninstall ---- */

static int uninstall_hook(const struct hook *h, const char *dir, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", dir, h->name);
	AUTO_FREE char *legacy = cs_asprintf("%s" LEGACY, path);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	switch (state_of(path, &text)) {
	case MISSING:
		return 0;
	case OURS:
		break;
	case FOREIGN:
	case NO_FILE:
		return h->side == LOCAL ? 0 : cs_err_set(err, CS_REFUSED, "%s is not ours", path);
	}
	/* One step where there is something to restore. */
	if (rename(legacy, path) == 0)
		return 0;
	if (errno != ENOENT || unlink(path) < 0)
		return cs_err_sys(err, "%s", path);
	return 0;
}

int uninstall(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_FREE char *shared = NULL;
	AUTO_FREE char *dir = NULL;
	int rc = find_dir(&shared, &dir, p, err);

	(void)operands;
	if (rc == 0 && shared)
		return cs_err_set(err, CS_REFUSED,
				  "core.hooksPath is set: what is in %s is not ours to remove",
				  dir);
	for (size_t i = 0; rc == 0 && i < CS_COUNT(hooks); i++)
		if ((hooks[i].side == SERVER) == p->args->server)
			rc = uninstall_hook(&hooks[i], dir, err);
	return rc;
}

/* ---- status ---- */

/* A line that is no comment, with the program and the hook's name. */
static bool calls_gate(const char *path, const char *hook, struct cs_buf *text)
{
	AUTO_FREE char *verb = cs_asprintf(" %s", hook);
	char *save = NULL;

	cs_buf_truncate(text, 0);
	if (cs_read_file(text, AT_FDCWD, path, HOOK_MAX, NULL) < 0)
		return false;
	for (char *line = strtok_r(text->data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *at = strstr(line, "git-agent-gate");

		if (!at)
			at = strstr(line, "git agent-gate");
		if (at && line[strspn(line, " \t")] != '#' && strstr(at, verb))
			return true;
	}
	return false;
}

/* Other hook managers, by what their hook says, and how ours is reached from it. */
static const struct {
	const char *says, *name, *advice;
	bool runs_legacy; /* <hook>.legacy, where it moved ours to */
} managers[] = {
	{ "File generated by pre-commit", "pre-commit", "git agent-gate install", true },
	{ "lefthook", "lefthook",
	  "in lefthook.yml: pre-push: commands: gate: { run: git-agent-gate pre-push {1} {2}, "
	  "use_stdin: true }",
	  false },
	{ "husky", "husky", "in .husky/pre-push: git-agent-gate pre-push \"$@\"", false },
};

struct look {
	const char *what; /* static */
	char *via;	  /* owned */
	const char *advice;
	bool reached;
};

static void look_ours(struct look *l, const struct hook *h, const char *path,
		      const struct cs_buf *text)
{
	AUTO_BUF struct cs_buf wanted = CS_BUF_INIT;
	AUTO_FREE char *legacy = cs_asprintf("%s" LEGACY, path);

	if (access(path, X_OK) < 0) {
		l->what = "not executable";
	} else if (script(&wanted, h, NULL) < 0 || text->len != wanted.len ||
		   memcmp(text->data, wanted.data, text->len) != 0) {
		l->what = "changed, or of another installation: install again";
	} else {
		l->reached = true;
		l->what = access(legacy, F_OK) == 0 ? "installed, with the hook that was there"
						    : "installed";
	}
}

/* Somebody else's hook: does it run ours, or call the gate by itself? */
static void look_foreign(struct look *l, const struct hook *h, const char *dir, const char *path,
			 const struct cs_buf *text)
{
	AUTO_FREE char *legacy = cs_asprintf("%s" LEGACY, path);
	/* husky: core.hooksPath is .husky/_, whose hooks run those of .husky. */
	AUTO_FREE char *above = cs_asprintf("%s/../%s", dir, h->name);
	AUTO_BUF struct cs_buf other = CS_BUF_INIT;

	l->what = "replaced by another hook";
	for (size_t i = 0; i < CS_COUNT(managers); i++) {
		if (!strstr(text->data, managers[i].says))
			continue;
		l->what = "taken over";
		l->via = cs_strdup(managers[i].name);
		l->advice = managers[i].advice;
		if (managers[i].runs_legacy && state_of(legacy, &other) == OURS)
			l->reached = access(legacy, X_OK) == 0;
		break;
	}
	if (calls_gate(path, h->name, &other) || calls_gate(above, h->name, &other))
		l->reached = true;
	/* git passes over a hook that is not executable. */
	if (access(path, X_OK) < 0) {
		l->reached = false;
		l->what = "not executable";
	}
	if (l->reached)
		l->what = "reached through another hook";
}

static void look_at(struct look *l, const struct hook *h, const char *dir, bool shared)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", dir, h->name);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	switch (state_of(path, &text)) {
	case MISSING:
		l->what = shared ? "missing where core.hooksPath points" : "missing";
		l->advice = shared ? "git agent-gate install prints what to add there"
				   : "git agent-gate install";
		return;
	case OURS:
		look_ours(l, h, path, &text);
		return;
	case FOREIGN:
		look_foreign(l, h, dir, path, &text);
		return;
	case NO_FILE:
		l->what = "not a file";
		return;
	}
}

static void tell(const struct look *l, const struct hook *h, const char *dir, cJSON *list)
{
	AUTO_FREE char *where = cs_escape_line(dir);

	if (list) {
		cJSON *item = cJSON_CreateObject();

		cs_json_add_str(item, "hook", h->name);
		cJSON_AddBoolToObject(item, "reached", l->reached);
		cs_json_add_str(item, "state", l->what);
		if (l->via)
			cs_json_add_str(item, "manager", l->via);
		cs_json_add_bytes(item, "directory", dir, strlen(dir));
		cJSON_AddItemToArray(list, item);
		return;
	}
	printf("%s: %s%s%s%s\n", h->name, l->what, l->via ? " (" : "", l->via ? l->via : "",
	       l->via ? ")" : "");
	if (!l->reached && l->advice)
		printf("\t%s\n", l->advice);
}

/* A hook that nobody asked for is no lack. */
static bool is_told(const struct hook *h, const struct place *p, const char *dir)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", dir, h->name);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if ((h->side == SERVER) != p->args->server)
		return false;
	return h->side != LOCAL || state_of(path, &text) == OURS;
}

int hook_status(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_JSON cJSON *list = p->args->json ? cJSON_CreateArray() : NULL;
	AUTO_FREE char *shared = NULL;
	AUTO_FREE char *dir = NULL;
	int rc = find_dir(&shared, &dir, p, err);

	(void)operands;
	for (size_t i = 0; rc == 0 && i < CS_COUNT(hooks); i++) {
		struct look l = { .what = "missing" };

		if (is_told(&hooks[i], p, dir)) {
			look_at(&l, &hooks[i], dir, shared != NULL);
			tell(&l, &hooks[i], dir, list);
			p->denied |= !l.reached;
		}
		free(l.via);
	}
	if (rc == 0 && list) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;

		cs_json_print(&text, list, true);
		puts(text.data);
	} else if (rc == 0 && !p->args->server) {
		AUTO_FREE char *orphans = cs_run_orphans(p->repo);

		puts("Only a server can refuse: whoever pushes can leave these out.");
		if (orphans)
			printf("%s\n", orphans);
	}
	return rc;
}
