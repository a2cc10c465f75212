/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real repositories for tests, made by git with nothing of the caller's configuration. Use as a
 * checked fixture: fx_setup() makes a directory and goes there, fx_teardown() removes it.
 */
#ifndef COUNTERSIGN_FIXTURE_H
#define COUNTERSIGN_FIXTURE_H

#include <stdarg.h>
#include <sys/stat.h>
#include "countersign/repo.h"
#include "unit.h"

#define FX_TIMEOUT_S 300

static char fx_top[64];

static inline void fx_setup(void)
{
	static const char *const unset[] = { "GIT_DIR",		  "GIT_WORK_TREE",
					     "GIT_INDEX_FILE",	  "GIT_COMMON_DIR",
					     "XDG_CONFIG_HOME",	  "EMAIL",
					     "GIT_CONFIG_GLOBAL", "GIT_CONFIG_COUNT" };
	char home[sizeof(fx_top) + sizeof("/home")];

	unit_mkdir(fx_top);
	chmod(".", 0755);
	snprintf(home, sizeof(home), "%s/home", fx_top);
	ck_assert_int_eq(mkdir(home, 0755), 0);
	for (size_t i = 0; i < CS_COUNT(unset); i++)
		unsetenv(unset[i]);
	setenv("HOME", home, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("GIT_AUTHOR_NAME", "A. U. Thor", 1);
	setenv("GIT_AUTHOR_EMAIL", "author@example.com", 1);
	setenv("GIT_COMMITTER_NAME", "C. O. Mitter", 1);
	setenv("GIT_COMMITTER_EMAIL", "committer@example.com", 1);
	setenv("GIT_AUTHOR_DATE", "1700000000 +0000", 1);
	setenv("GIT_COMMITTER_DATE", "1700000000 +0000", 1);
	setenv("LC_ALL", "C", 1);
}

static inline void fx_teardown(void)
{
	unit_rmdir(fx_top);
}

/* What the last command wrote to standard error, for messages. */
static inline char *fx_errors(void)
{
	struct cs_buf b = CS_BUF_INIT;
	char path[sizeof(fx_top) + sizeof("/stderr")];

	snprintf(path, sizeof(path), "%s/stderr", fx_top);
	if (cs_read_file(&b, AT_FDCWD, path, 4000, NULL) < 0)
		return cs_strdup("");
	return cs_buf_take(&b);
}

/* A shell command's standard output; the command must succeed. The caller frees. */
__attribute__((format(printf, 1, 2))) static inline char *fx_output(const char *fmt, ...)
{
	struct cs_buf command = CS_BUF_INIT;
	struct cs_buf out = CS_BUF_INIT;
	char *text = NULL;
	char chunk[4096];
	size_t n;
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	ck_assert_int_ge(vasprintf(&text, fmt, ap), 0);
	va_end(ap);
	cs_buf_addf(&command, "exec 2>%s/stderr; %s", fx_top, text);
	f = popen(command.data, "r");
	ck_assert_ptr_nonnull(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		cs_buf_add(&out, chunk, n);
	ck_assert_msg(pclose(f) == 0, "failed: %s: %s", text, fx_errors());
	cs_buf_release(&command);
	free(text);
	return cs_buf_take(&out);
}

/* The same without its output. */
#define fx_run(...) free(fx_output(__VA_ARGS__))

/* The same without the line's end. */
#define fx_line(...) fx_chomp(fx_output(__VA_ARGS__))
static inline char *fx_chomp(char *s)
{
	s[strcspn(s, "\n")] = '\0';
	return s;
}

static inline struct cs_oid fx_oid(const char *rev)
{
	char *hex = fx_line("git rev-parse --verify '%s'", rev);
	struct cs_oid oid;

	ck_assert_int_eq(cs_oid_parse(&oid, hex), 0);
	free(hex);
	return oid;
}

static inline struct cs_repo *fx_open(const char *dir)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo = NULL;

	ck_assert_msg(cs_repo_open(&repo, dir, NULL, &err) == 0, "open %s: %s", dir, err.msg);
	return repo;
}

#define fx_ok(call, err) ck_assert_msg((call) == 0, "%s: %s", #call, (err).msg)

/* xorshift: the same sequence in each run, so that a failure can be had again. */
static inline uint32_t fx_random(uint32_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % below;
}

#endif
