/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the text goes. Pager and colour follow git: GIT_PAGER, core.pager, PAGER, less; color.ui;
 * NO_COLOR beats both. All of that is the user's own configuration, never the agent's.
 */
#include "countersign/review.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHELL		"/bin/sh"
#define DEFAULT_PAGER	"/usr/bin/less"
#define DEFAULT_COLUMNS 80

static const char *const colours[] = {
	[CS_PLAIN] = "\033[m",	[CS_BOLD] = "\033[1m",	 [CS_DIM] = "\033[2m",
	[CS_RED] = "\033[31m",	[CS_GREEN] = "\033[32m", [CS_YELLOW] = "\033[33m",
	[CS_CYAN] = "\033[36m",
};

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

/* color.ui: "always", or anything but false at a terminal. */
static bool wants_colour(const struct cs_repo *repo)
{
	AUTO_FREE char *ui = NULL;
	const char *term = getenv("TERM");

	if (is_set("NO_COLOR") || cs_repo_config(&ui, repo, "color.ui", NULL) < 0)
		return false;
	if (ui && !strcmp(ui, "always"))
		return true;
	if (ui && (!strcmp(ui, "never") || cs_config_bool(ui) == 0))
		return false;
	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

/* The user's pager; NULL: none. */
static char *find_pager(const struct cs_repo *repo)
{
	AUTO_FREE char *set = NULL;
	const char *pager = getenv("GIT_PAGER");

	if (!pager && cs_repo_config(&set, repo, "core.pager", NULL) == 0 && set)
		pager = set;
	if (!pager)
		pager = getenv("PAGER");
	if (!pager)
		pager = access(DEFAULT_PAGER, X_OK) == 0 ? DEFAULT_PAGER : "";
	return *pager && strcmp(pager, "cat") != 0 ? cs_strdup(pager) : NULL;
}

/* Does not return. */
static void exec_pager(const char *pager, int stdin_fd)
{
	setenv("LESS", "FRX", 0);
	setenv("LV", "-c", 0);
	setenv("GIT_PAGER_IN_USE", "true", 1);
	if (dup2(stdin_fd, STDIN_FILENO) >= 0)
		execl(SHELL, "sh", "-c", pager, (char *)NULL);
	_exit(127);
}

static int start_pager(struct cs_out *out, const char *pager, struct cs_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cs_err_sys(err, "pipe");
	out->pager = fork();
	if (out->pager == 0)
		exec_pager(pager, fds[0]);
	close(fds[0]);
	if (out->pager < 0) {
		close(fds[1]);
		out->pager = 0;
		return cs_err_sys(err, "fork");
	}
	/* Ctrl-C is the pager's business; without it our writing ends by itself. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	out->file = fdopen(fds[1], "w");
	return out->file ? 0 : cs_err_sys(err, "pager");
}

/* As others do it: COLUMNS where it is set, else what the terminal says. */
static size_t find_columns(void)
{
	const char *set = getenv("COLUMNS");
	size_t n = set ? strtoul(set, NULL, 10) : 0;
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (!n && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	return n ? n : DEFAULT_COLUMNS;
}

int cs_out_open(struct cs_out *out, const struct cs_repo *repo, bool page, struct cs_err *err)
{
	AUTO_FREE char *pager = NULL;

	out->file = stdout;
	out->colour = wants_colour(repo);
	out->columns = find_columns();
	if (page && isatty(STDOUT_FILENO))
		pager = find_pager(repo);
	return pager ? start_pager(out, pager, err) : 0;
}

int cs_out_close(struct cs_out *out, struct cs_err *err)
{
	bool failed = ferror(out->file) || fflush(out->file) != 0;
	int saved = errno;

	if (out->pager) {
		fclose(out->file);
		while (waitpid(out->pager, NULL, 0) < 0 && errno == EINTR)
			;
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		return 0; /* a pager that was closed early is no failure of ours */
	}
	errno = saved;
	return failed ? cs_err_sys(err, "write") : 0;
}

void cs_out_write(struct cs_out *out, const struct cs_buf *text)
{
	fwrite(text->data, 1, text->len, out->file);
}

void cs_out_colour(const struct cs_out *out, struct cs_buf *text, enum cs_colour colour)
{
	if (out->colour)
		cs_buf_adds(text, colours[colour]);
}
