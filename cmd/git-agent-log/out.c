/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the text goes. Pager and colour follow git: GIT_PAGER, core.pager, PAGER, less; color.ui;
 * NO_COLOR beats both. All of that is the user's own configuration, never the agent's.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
	[PLAIN] = "\033[m",   [BOLD] = "\033[1m",    [DIM] = "\033[2m",	  [RED] = "\033[31m",
	[GREEN] = "\033[32m", [YELLOW] = "\033[33m", [CYAN] = "\033[36m",
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

static int start_pager(struct out *out, const char *pager, struct cs_err *err)
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

int out_open(struct out *out, const struct cs_repo *repo, bool page, struct cs_err *err)
{
	AUTO_FREE char *pager = NULL;

	out->file = stdout;
	out->colour = wants_colour(repo);
	out->columns = find_columns();
	if (page && isatty(STDOUT_FILENO))
		pager = find_pager(repo);
	return pager ? start_pager(out, pager, err) : 0;
}

int out_close(struct out *out, struct cs_err *err)
{
	bool failed = ferror(out->file) || fflush(out->file) != 0;
	int saved = errno;

	if (out->pager) {
		fclose(out->file);
		while (waitpid(out->pager, NULL, 0) < 0 && errno == EINTR)
			;
		return 0; /* a pager that was closed early is no failure of ours */
	}
	errno = saved;
	return failed ? cs_err_sys(err, "write") : 0;
}

void out_write(struct out *out, const struct cs_buf *text)
{
	fwrite(text->data, 1, text->len, out->file);
}

void out_colour(const struct out *out, struct cs_buf *text, enum colour colour)
{
	if (out->colour)
		cs_buf_adds(text, colours[colour]);
}

/* ---- texts ---- */

void add_foreign(struct cs_buf *out, const char *s)
{
	cs_escape_terminal(out, s, strlen(s), CS_ESCAPE_LINE);
}

void add_detail(struct cs_buf *out, const char *s)
{
	bool lines = strpbrk(s, "\n\t") != NULL;

	cs_escape_terminal(out, s, strlen(s), lines ? CS_ESCAPE_LINE : CS_ESCAPE_TEXT);
}

static bool starts_char(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t columns_of(const struct cs_buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += starts_char(text->data[i]);
	return n;
}

void cut_to(struct cs_buf *text, size_t columns)
{
	size_t n = 0, at = 0, cut = 0;

	for (; at < text->len && n <= columns; at++) {
		if (!starts_char(text->data[at]))
			continue;
		if (n + 1 == columns)
			cut = at;
		n++;
	}
	if (n <= columns)
		return;
	cs_buf_truncate(text, cut);
	cs_buf_adds(text, "…");
}

static bool is_plain_word(const struct cs_buf *word)
{
	return word->len &&
	       strspn(word->data, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_@%+=:,./-") == word->len;
}

void add_word(struct cs_buf *out, const struct cs_buf *word)
{
	AUTO_BUF struct cs_buf quoted = CS_BUF_INIT;

	if (is_plain_word(word)) {
		cs_buf_add(out, word->data, word->len);
		return;
	}
	cs_buf_addc(&quoted, '\'');
	for (size_t i = 0; i < word->len; i++) {
		if (word->data[i] == '\'')
			cs_buf_adds(&quoted, "'\\''");
		else
			cs_buf_addc(&quoted, word->data[i]);
	}
	cs_buf_addc(&quoted, '\'');
	cs_escape_terminal(out, quoted.data, quoted.len, CS_ESCAPE_LINE);
}

void add_words(struct cs_buf *out, const cJSON *argv)
{
	for (cJSON *item = argv ? argv->child : NULL; item; item = item->next) {
		AUTO_BUF struct cs_buf word = CS_BUF_INIT;
		AUTO_JSON cJSON *holder = cJSON_CreateObject();

		cJSON_AddItemReferenceToObject(holder, "word", item);
		if (item != argv->child)
			cs_buf_addc(out, ' ');
		if (cs_json_get_bytes(&word, holder, "word") == 0)
			add_word(out, &word);
	}
}

void add_duration(struct cs_buf *out, int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		cs_buf_addf(out, "%" PRId64 "ms", ms);
	else if (s < 60)
		cs_buf_addf(out, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
	else if (s < 3600)
		cs_buf_addf(out, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else
		cs_buf_addf(out, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
}
