/* SPDX-License-Identifier: Apache-2.0 */
/* What the walk needs of the ignore rules beyond the public header: rules come and go with it. */
#ifndef CAPTURE_IGNORE_H
#define CAPTURE_IGNORE_H

#include <stddef.h>
#include "countersign/capture.h"

/* How many files of patterns were added; and back to an earlier number. */
size_t capture_ignore_mark(const struct cs_ignore *ig);
void capture_ignore_rewind(struct cs_ignore *ig, size_t mark);

#endif
