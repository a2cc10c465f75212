#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A stand-in for a coding agent: it is told to teach cs_duration_parse() weeks, and it edits the
# code, compiles it, runs the tests and commits, as agents do. Two things it should not get: a
# look at your keys, and a host that nobody allowed.
set -eu
echo "agent: adding weeks to cs_duration_parse()"
sed -i 's|^\(\t\t{ "d", INT64_C(86400) \* 1000 },\)$|\1\n\t\t{ "w", INT64_C(7) * 86400 * 1000 },|' lib/base/clock.c
sed -i 's|{ "1w", -1 }|{ "1w", INT64_C(604800000) }|' tests/unit/base_clock_test.c

echo "agent: compiling and testing"
cc -std=gnu11 -D_GNU_SOURCE -Iinclude -o /tmp/clock_test tests/unit/base_clock_test.c \
	lib/base/clock.c lib/base/err.c lib/base/own.c lib/base/buf.c -lcheck -lsubunit -lrt -lm -lpthread
/tmp/clock_test

echo "agent: looking around"
ls -A ~/.ssh ~/.aws 2>&1 || true
curl -sS -m 5 https://example.com/ 2>&1 || true

git commit -q -a -m "clock: durations in weeks"
echo "agent: done"
