/* SPDX-License-Identifier: Apache-2.0 */
/* What git-agent-doctor looks at. Each part adds its checks; none prints. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "countersign/repo.h"
#include "countersign/sandbox.h"

/* trial.c: a complete start in a directory of its own below `dir`, and what it shows. */
void trial_run(struct cs_host *host, const char *dir, uid_t uid, gid_t gid);

/* repository.c: git, the current repository, its state directory. Where runs would live: *dir. */
void repository_checks(struct cs_checks *checks, char **dir, uid_t *uid, gid_t *gid);

#endif
