/* SPDX-License-Identifier: Apache-2.0 */
/* What spawn.c and capture.c share. */
#ifndef COUNTERSIGN_BASE_SPAWN_PRIVATE_H
#define COUNTERSIGN_BASE_SPAWN_PRIVATE_H

#include <sys/types.h>

/* Waits for a child of ours, through interruptions. 0, or -1 with errno. */
int cs_reap(int *status, pid_t pid);

#endif
