/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time for durations, UTC wall clock for records only. */
#ifndef COUNTERSIGN_BASE_CLOCK_H
#define COUNTERSIGN_BASE_CLOCK_H

#include <stdint.h>
#include "countersign/base/err.h"

int64_t cs_mono_ns(void);
int64_t cs_wall_ns(void);

#define CS_TIME_LEN 31
/* RFC 3339 with nanoseconds, UTC: "2026-11-23T20:52:54.123456789Z"; returns out. */
char *cs_time_format(char out[CS_TIME_LEN], int64_t wall_ns);
/* Parses what cs_time_format writes (any number of fraction digits up to 9). 0 or CS_CORRUPT. */
int cs_time_parse(int64_t *wall_ns, const char *s);

/* "90s", "15m", "2h", "30d", "250ms", a bare number of seconds; 0 is "none". CS_USAGE else. */
int cs_duration_parse(int64_t *ms, const char *s);
/* "20g", "512m", "4k", "1t", a bare number of bytes: powers of 1024. CS_USAGE else. */
int cs_size_parse(int64_t *bytes, const char *s);

#endif
