/* SPDX-License-Identifier: Apache-2.0 */
/* cs_capture with other children in place of the readers: for tests of a reader that lies. */
#ifndef CAPTURE_RUN_H
#define CAPTURE_RUN_H

#include "reader.h"

int capture_run(struct cs_capture *out, const struct cs_capture_opts *opts, reader_fn list,
		reader_fn commits, struct cs_err *err) CS_CHECKED;

#endif
