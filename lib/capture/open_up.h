/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories of the layer whose owner may not read them (mode 000). */
#ifndef CAPTURE_OPEN_UP_H
#define CAPTURE_OPEN_UP_H

#include <sys/types.h>
#include "countersign/base.h"

/*
 * Gives the owner of each path the right to read it (directories: to enter), and returns how many
 * changed. It is done here and not in the confined reader: a process that may change modes could
 * change those of the user's own files.
 */
size_t open_up(int layer_fd, const struct cs_strv *paths, uid_t owner);

/* Opens the layer's or the pristine's directory itself (O_PATH: no right to read is needed). */
int open_top(int *out_fd, const char *path, struct cs_err *err) CS_CHECKED;

#endif
