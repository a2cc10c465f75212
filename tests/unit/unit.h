/* SPDX-License-Identifier: Apache-2.0 */
/* What the unit tests share: the runner, and a directory of their own for each test. */
#ifndef COUNTERSIGN_UNIT_H
#define COUNTERSIGN_UNIT_H

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/base/err.h"

/* The return value of main. CK_VERBOSITY, CK_RUN_CASE and CK_FORK work as Check documents them. */
static inline int unit_run(Suite *s)
{
	SRunner *runner = srunner_create(s);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

/* A new directory under $TMPDIR: makes it the working directory. unit_rmdir() takes it away. */
static inline void unit_mkdir(char path[64])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, 64, "%s/countersign-unit-XXXXXX", tmp && strlen(tmp) < 30 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(path));
	ck_assert_int_eq(chdir(path), 0);
}

/* By rm(1), not by what is tested. */
static inline void unit_rmdir(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(chdir("/"), 0);
	waitpid(pid, NULL, 0);
}

/* Number of open descriptors of this process. */
static inline int unit_count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

#endif
