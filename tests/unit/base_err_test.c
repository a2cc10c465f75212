/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/err.h"

#include <errno.h>
#include "unit.h"

START_TEST(set_records)
{
	struct cs_err err = { .sys_errno = 5 };

	ck_assert_int_eq(cs_err_set(&err, CS_REFUSED, "rule %d says no", 7), CS_REFUSED);
	ck_assert_int_eq(err.code, CS_REFUSED);
	ck_assert_int_eq(err.sys_errno, 0);
	ck_assert_str_eq(err.msg, "rule 7 says no");
}
END_TEST

START_TEST(sys_appends_errno_and_keeps_it)
{
	struct cs_err err = CS_ERR_INIT;

	errno = ENOENT;
	ck_assert_int_eq(cs_err_sys(&err, "open %s", "x"), CS_MALFUNCTION);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(err.code, CS_MALFUNCTION);
	ck_assert_int_eq(err.sys_errno, ENOENT);
	ck_assert_str_eq(err.msg, "open x: No such file or directory");
}
END_TEST

START_TEST(wrap_prefixes_and_keeps_code)
{
	struct cs_err err = CS_ERR_INIT;

	errno = EACCES;
	cs_err_sys(&err, "inner");
	ck_assert_int_eq(cs_err_wrap(&err, "middle %c", 'm'), CS_MALFUNCTION);
	err.code = CS_LIMIT;
	ck_assert_int_eq(cs_err_wrap(&err, "outer"), CS_LIMIT);
	ck_assert_int_eq(err.sys_errno, EACCES);
	ck_assert_str_eq(err.msg, "outer: middle m: inner: Permission denied");
}
END_TEST

/* Wherever the text ends, it is terminated, and its start is what counts. */
START_TEST(long_texts_are_cut_at_the_end)
{
	struct cs_err err = CS_ERR_INIT;
	char text[2 * sizeof(err.msg)];

	for (size_t len = sizeof(err.msg) - 40; len < sizeof(err.msg) + 40; len++) {
		size_t kept = len < sizeof(err.msg) - 1 ? len : sizeof(err.msg) - 1;

		memset(text, 'x', len);
		text[len] = '\0';
		cs_err_set(&err, CS_CORRUPT, "%s", text);
		ck_assert_uint_eq(strlen(err.msg), kept);
		errno = EIO;
		cs_err_sys(&err, "%s", text);
		ck_assert_uint_lt(strlen(err.msg), sizeof(err.msg));
		ck_assert_int_eq(memcmp(err.msg, text, kept), 0);
		cs_err_wrap(&err, "outer");
		ck_assert_int_eq(memcmp(err.msg, "outer: xxx", 10), 0);
		ck_assert_uint_lt(strlen(err.msg), sizeof(err.msg));
		cs_err_wrap(&err, "%s", text);
		ck_assert_int_eq(memcmp(err.msg, text, kept), 0);
	}
}
END_TEST

START_TEST(without_a_place_to_record)
{
	ck_assert_int_eq(cs_err_set(NULL, CS_BUSY, "x"), CS_BUSY);
	errno = EIO;
	ck_assert_int_eq(cs_err_sys(NULL, "x"), CS_MALFUNCTION);
	ck_assert_int_eq(errno, EIO);
	ck_assert_int_lt(cs_err_wrap(NULL, "x"), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/err");
	TCase *tc = tcase_create("err");

	tcase_add_test(tc, set_records);
	tcase_add_test(tc, sys_appends_errno_and_keeps_it);
	tcase_add_test(tc, wrap_prefixes_and_keeps_code);
	tcase_add_test(tc, long_texts_are_cut_at_the_end);
	tcase_add_test(tc, without_a_place_to_record);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
