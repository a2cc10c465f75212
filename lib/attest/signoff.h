/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer and the reader of sign-offs share. */
#ifndef ATTEST_SIGNOFF_H
#define ATTEST_SIGNOFF_H

#include "countersign/attest.h"

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define SUBJECT_NAME   "change"

#endif
