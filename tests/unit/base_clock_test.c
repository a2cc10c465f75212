/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/clock.h"

#include <stdbool.h>
#include <time.h>
#include "countersign/base/own.h"
#include "unit.h"

static const struct {
	int64_t ns;
	const char *text;
} times[] = {
	{ 0, "1970-01-01T00:00:00.000000000Z" },
	{ 1, "1970-01-01T00:00:00.000000001Z" },
	{ -1, "1969-12-31T23:59:59.999999999Z" },
	{ INT64_C(951782399999999999), "2000-02-28T23:59:59.999999999Z" },
	{ INT64_C(951782400000000000), "2000-02-29T00:00:00.000000000Z" },
	{ INT64_C(1795467174123456789), "2026-11-23T20:52:54.123456789Z" },
	{ INT64_MAX, "2262-04-11T23:47:16.854775807Z" },
};

START_TEST(formats_and_parses)
{
	char text[CS_TIME_LEN];
	int64_t ns = 5;

	ck_assert_ptr_eq(cs_time_format(text, times[_i].ns), text);
	ck_assert_str_eq(text, times[_i].text);
	ck_assert_int_eq(cs_time_parse(&ns, times[_i].text), 0);
	ck_assert_msg(ns == times[_i].ns, "%s: %lld", times[_i].text, (long long)ns);
}
END_TEST

START_TEST(earliest_time)
{
	char text[CS_TIME_LEN];

	ck_assert_str_eq(cs_time_format(text, INT64_MIN), "1677-09-21T00:12:43.145224192Z");
}
END_TEST

static const struct {
	const char *text;
	int64_t ns; /* -1: refused */
} foreign_times[] = {
	{ "1970-01-01T00:00:01Z", 1000000000 },
	{ "1970-01-01T00:00:00.5Z", 500000000 },
	{ "1970-01-01T00:00:00.000001Z", 1000 },
	{ "1970-01-01T00:00:00.Z", -1 },
	{ "1970-01-01T00:00:00.1234567891Z", -1 },
	{ "1970-01-01T00:00:00", -1 },
	{ "1970-01-01T00:00:00z", -1 },
	{ "1970-01-01T00:00:00+00:00", -1 },
	{ "1970-01-01T00:00:00Z ", -1 },
	{ " 1970-01-01T00:00:00Z", -1 },
	{ "1970-01-01 00:00:00Z", -1 },
	{ "1970-01-01t00:00:00Z", -1 },
	{ "1970-1-01T00:00:00Z", -1 },
	{ "197-01-01T00:00:00Z", -1 },
	{ "+970-01-01T00:00:00Z", -1 },
	{ "1970-00-01T00:00:00Z", -1 },
	{ "1970-13-01T00:00:00Z", -1 },
	{ "1970-01-00T00:00:00Z", -1 },
	{ "1970-01-32T00:00:00Z", -1 },
	{ "2023-02-29T00:00:00Z", -1 },
	{ "1970-01-01T24:00:00Z", -1 },
	{ "1970-01-01T00:60:00Z", -1 },
	{ "1970-01-01T00:00:60Z", -1 },
	{ "2262-04-11T23:47:16.854775808Z", -1 },
	{ "2263-01-01T00:00:00Z", -1 },
	{ "9999-12-31T23:59:59Z", -1 },
	{ "0000-01-01T00:00:00Z", -1 },
	{ "1970", -1 },
	{ "", -1 },
};

START_TEST(strictly_rfc_3339_in_utc)
{
	bool good = foreign_times[_i].ns >= 0;
	int64_t ns = 77;
	int rc = cs_time_parse(&ns, foreign_times[_i].text);

	ck_assert_msg(rc == (good ? 0 : CS_CORRUPT), "'%s': %d", foreign_times[_i].text, rc);
	ck_assert_msg(ns == (good ? foreign_times[_i].ns : 77), "'%s': %lld",
		      foreign_times[_i].text, (long long)ns);
}
END_TEST

START_TEST(every_time_comes_back)
{
	int64_t ns = INT64_C(-5000000000000000000);

	/* 1811 to 2128 in uneven steps of nearly a day */
	for (int i = 0; i < 100000; i++, ns += INT64_C(86399987654321)) {
		char text[CS_TIME_LEN];
		int64_t back;

		ck_assert_int_eq(cs_time_parse(&back, cs_time_format(text, ns)), 0);
		ck_assert_int_eq(back, ns);
		ck_assert_uint_eq(strlen(text), CS_TIME_LEN - 1);
	}
}
END_TEST

struct quantity {
	const char *text;
	int64_t value; /* -1: CS_USAGE */
};

static const struct quantity durations[] = {
	{ "90s", 90000 },
	{ "15m", 900000 },
	{ "2h", 7200000 },
	{ "30d", INT64_C(2592000000) },
	{ "250ms", 250 },
	{ "7", 7000 },
	{ "0", 0 },
	{ "0h", 0 },
	{ "007s", 7000 },
	{ "9223372036854775", INT64_C(9223372036854775000) },
	{ "9223372036854775807ms", INT64_MAX },
	{ "9223372036854775808ms", -1 },
	{ "9223372036854775807", -1 },
	{ "106751991168d", -1 },
	{ "99999999999999999999999", -1 },
	{ "", -1 },
	{ "s", -1 },
	{ "-1s", -1 },
	{ "+1s", -1 },
	{ " 1s", -1 },
	{ "1s ", -1 },
	{ "1 s", -1 },
	{ "1S", -1 },
	{ "1.5h", -1 },
	{ "1h30m", -1 },
	{ "1w", -1 },
	{ "0x10", -1 },
	{ "none", -1 },
};

static const struct quantity sizes[] = {
	{ "20g", INT64_C(20) << 30 },
	{ "20G", INT64_C(20) << 30 },
	{ "512m", 512 << 20 },
	{ "4k", 4096 },
	{ "1t", INT64_C(1) << 40 },
	{ "100", 100 },
	{ "0", 0 },
	{ "8388607t", INT64_C(8388607) << 40 },
	{ "8388608t", -1 },
	{ "9223372036854775807", INT64_MAX },
	{ "9223372036854775808", -1 },
	{ "", -1 },
	{ "g", -1 },
	{ "-1g", -1 },
	{ "1gb", -1 },
	{ "1 g", -1 },
	{ "75%", -1 },
	{ "1.5g", -1 },
};

static void ck_quantity(int (*parse)(int64_t *, const char *), const struct quantity *q)
{
	int64_t value = 77;
	int rc = parse(&value, q->text);

	ck_assert_msg(rc == (q->value < 0 ? CS_USAGE : 0), "'%s': %d", q->text, rc);
	ck_assert_msg(value == (q->value < 0 ? 77 : q->value), "'%s': %lld", q->text,
		      (long long)value);
}

START_TEST(durations_as_people_write_them)
{
	ck_quantity(cs_duration_parse, &durations[_i]);
}
END_TEST

START_TEST(sizes_as_people_write_them)
{
	ck_quantity(cs_size_parse, &sizes[_i]);
}
END_TEST

START_TEST(clocks_run)
{
	int64_t a = cs_mono_ns();
	int64_t seconds = time(NULL); /* a coarse clock: it may lag by a tick */
	int64_t wall_s = cs_wall_ns() / 1000000000;

	ck_assert_int_gt(a, 0);
	ck_assert_int_ge(cs_mono_ns(), a);
	ck_assert_int_ge(wall_s, seconds);
	ck_assert_int_le(wall_s, seconds + 60);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/clock");
	TCase *tc = tcase_create("clock");

	tcase_add_loop_test(tc, formats_and_parses, 0, CS_COUNT(times));
	tcase_add_test(tc, earliest_time);
	tcase_add_loop_test(tc, strictly_rfc_3339_in_utc, 0, CS_COUNT(foreign_times));
	tcase_add_test(tc, every_time_comes_back);
	tcase_add_loop_test(tc, durations_as_people_write_them, 0, CS_COUNT(durations));
	tcase_add_loop_test(tc, sizes_as_people_write_them, 0, CS_COUNT(sizes));
	tcase_add_test(tc, clocks_run);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
