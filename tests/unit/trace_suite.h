/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the suites of the command trace share: a directory with the tools and, for each pair of
 * users, a place to work in; programs and scripts run under the trace.
 *
 *	self			supervisor and inside: whoever runs the tests
 *	user inside		supervisor root, inside an ordinary user
 *	user on both sides	both ordinary
 */
#ifndef COUNTERSIGN_TRACE_SUITE_H
#define COUNTERSIGN_TRACE_SUITE_H

#include "unit.h"

#include <sys/stat.h>
#include "../../lib/trace/internal.h"
#include "traced.h"

#define USER 1234

static char dir[64]; /* of this suite: tools and scratch files; "@" in what is expected */

/* ---- who ----------------------------------------------------------------------------------- */

enum who { AS_SELF, INSIDE_USER, BOTH_USER, N_WHO };
static const char *const who_names[] = { "self", "user inside", "user on both sides" };

/* Prepares for who, in a directory of its own; false: cannot be tried here. */
static inline bool become(struct traced *t, enum who who)
{
	if (who != AS_SELF && geteuid() != 0)
		return false;
	if (who == INSIDE_USER)
		t->uid = USER;
	if (who == BOTH_USER && (setresgid(USER, USER, USER) || setresuid(USER, USER, USER)))
		ck_abort_msg("cannot become a user");
	/* Each its own: files of root's are not to be written by the user. */
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(chdir(who_names[who]), 0);
	return true;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Copies a file and fills it up with zeros to this size; its digest. */
static inline void copy_program(char hex[CS_SHA256_HEX], const char *to, const char *from,
				size_t size)
{
	uint8_t digest[CS_SHA256_LEN];
	struct cs_buf b = CS_BUF_INIT;
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	cs_buf_reserve(&b, 1 << 20);
	while ((n = read(fd, b.data + b.len, (1 << 20) - b.len)) > 0)
		b.len += (size_t)n;
	close(fd);
	while (b.len < size)
		cs_buf_addc(&b, '\0');
	fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ck_assert_int_eq(write(fd, b.data, b.len), (ssize_t)b.len);
	close(fd);
	cs_sha256(digest, b.data, b.len);
	cs_hex(hex, digest, sizeof(digest));
	cs_buf_release(&b);
}

static inline void write_text(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline char *read_text(const char *name)
{
	struct cs_buf b = CS_BUF_INIT;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	while (fd >= 0 && n > 0) {
		cs_buf_reserve(&b, 65536);
		n = read(fd, b.data + b.len, 65536);
		b.len += n > 0 ? (size_t)n : 0;
		b.data[b.len] = '\0';
	}
	if (fd >= 0)
		close(fd);
	return cs_buf_take(&b);
}

/* ---- programs -------------------------------------------------------------------------------- */

/* Runs a script from a file, so that its text is in no argument; what it prints. */
static inline char *run_script(struct traced *t, const char *interpreter, const char *script)
{
	const char *argv[] = { "/bin/sh", "redirect", interpreter, NULL };

	write_text("redirect", "exec $1 script >out 2>&1\n");
	write_text("script", script);
	unlink("out");
	traced_run(t, argv);
	return read_text("out");
}

static inline void run_tool(struct traced *t, const char *way, const char *n)
{
	char tool[96];
	const char *argv[] = { tool, way, n, NULL };

	snprintf(tool, sizeof(tool), "%s/execs", dir);
	traced_run(t, argv);
}

static inline void run_shell(struct traced *t, const char *script)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };

	traced_run(t, argv);
}

/* ---- the directory --------------------------------------------------------------------------- */

static inline void suite_setup(void)
{
	char self[PATH_MAX] = "";
	char from[PATH_MAX + 32];
	char to[128];
	char hex[CS_SHA256_HEX];
	static const char *const tools[] = { "execs", "exec-race" };

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	unit_mkdir(dir);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	for (size_t i = 0; i < CS_COUNT(tools); i++) {
		snprintf(from, sizeof(from), "%.*s/../tools/%s", (int)(strrchr(self, '/') - self),
			 self, tools[i]);
		snprintf(to, sizeof(to), "%s/%s", dir, tools[i]);
		copy_program(hex, to, from, 0);
	}
	for (int i = 0; i < N_WHO; i++) {
		mkdir(who_names[i], 0755);
		chmod(who_names[i], 0777);
	}
}

static inline void suite_teardown(void)
{
	unit_rmdir(dir);
}

#endif
