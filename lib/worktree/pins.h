/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run keeps alive: <run>/base names the commit and the pristine that it needs, and the
 * reference CS_WT_PIN<commit> keeps the commit from git's garbage collection.
 */
#ifndef COUNTERSIGN_WORKTREE_PINS_H
#define COUNTERSIGN_WORKTREE_PINS_H

#include "internal.h"

#define CS_WT_USE     "base" /* in the run's directory: "commit <id>\nkey <key>\n" */
#define CS_WT_USE_MAX 1024
#define CS_WT_PIN     "refs/agent-run/base/"

/* operation: LOCK_SH or LOCK_EX of flock(2). Closing gives it back. */
int cs_wt_pins_lock(int *lock_fd, int base_fd, int operation, struct cs_err *err) CS_CHECKED;
int cs_wt_use_write(const struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;
/* The caller frees both. */
int cs_wt_use_parse(char **commit, char **key, const char *text, struct cs_err *err) CS_CHECKED;
int cs_wt_pin(const struct cs_wt_job *job, struct cs_err *err) CS_CHECKED;

#endif
