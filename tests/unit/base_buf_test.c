/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/buf.h"

#include "countersign/base/own.h"
#include "unit.h"

static void ck_terminated(const struct cs_buf *b)
{
	ck_assert_ptr_nonnull(b->data);
	ck_assert_int_eq(b->data[b->len], '\0');
	ck_assert(b->cap > b->len || (b->cap == 0 && b->len == 0));
}

START_TEST(empty_is_a_string)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	ck_assert_str_eq(b.data, "");
	cs_buf_add(&b, "x", 0);
	cs_buf_adds(&b, "");
	cs_buf_consume(&b, 5);
	cs_buf_truncate(&b, 0);
	ck_assert_uint_eq(b.cap, 0);
	ck_terminated(&b);
	cs_buf_addf(&b, "%s", "");
	ck_terminated(&b);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

/* Whatever is done, the buffer equals a plain array to which the same was done. */
START_TEST(equals_a_model)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	static char model[1 << 17];
	size_t len = 0;
	unsigned int seed = 1;

	for (int i = 0; i < 20000; i++) {
		int r = rand_r(&seed);
		size_t n = (size_t)(r >> 8) % 100;
		char piece[128];

		memset(piece, r & 255, sizeof(piece));
		switch (r % 7) {
		case 0:
			cs_buf_truncate(&b, n * 40);
			len = n * 40 < len ? n * 40 : len;
			break;
		case 1:
			cs_buf_consume(&b, n);
			n = n < len ? n : len;
			memmove(model, model + n, len - n);
			len -= n;
			break;
		case 2:
			cs_buf_addc(&b, piece[0]);
			model[len++] = piece[0];
			break;
		case 3:
			cs_buf_addf(&b, "%*d", (int)n, r);
			len += (size_t)sprintf(model + len, "%*d", (int)n, r);
			break;
		case 4:
			cs_buf_reserve(&b, n);
			ck_assert_uint_gt(b.cap, b.len + n - (n == 0 && b.cap == 0));
			break;
		default:
			cs_buf_add(&b, piece, n);
			memcpy(model + len, piece, n);
			len += n;
		}
		if (len > sizeof(model) - 1000) {
			cs_buf_truncate(&b, 0);
			len = 0;
		}
		ck_terminated(&b);
		ck_assert_uint_eq(b.len, len);
		ck_assert_int_eq(memcmp(b.data, model, len), 0);
	}
}
END_TEST

/* The room that addf tries first is met from below, exactly, and from above. */
START_TEST(formats_of_every_length)
{
	for (int n = 0; n < 300; n++) {
		AUTO_BUF struct cs_buf b = CS_BUF_INIT;

		cs_buf_addf(&b, "<%*s>", n, "");
		cs_buf_addf(&b, "<%*s>", n, "");
		ck_assert_uint_eq(b.len, 2 * ((size_t)n + 2));
		ck_assert_int_eq(b.data[b.len - 1], '>');
		ck_assert_int_eq(b.data[n + 1], '>');
		ck_terminated(&b);
	}
}
END_TEST

START_TEST(take_hands_over)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	AUTO_FREE char *nothing = cs_buf_take(&b);
	AUTO_FREE char *text = NULL;

	ck_assert_str_eq(nothing, "");
	nothing[0] = 'x'; /* it is the caller's, not the shared empty string */
	ck_assert_str_eq(b.data, "");
	cs_buf_adds(&b, "text");
	text = cs_buf_take(&b);
	ck_assert_str_eq(text, "text");
	ck_assert_uint_eq(b.len, 0);
	cs_buf_adds(&b, "again");
	ck_assert_str_eq(b.data, "again");
}
END_TEST

START_TEST(release_can_be_repeated)
{
	struct cs_buf b = CS_BUF_INIT;

	cs_buf_adds(&b, "x");
	cs_buf_release(&b);
	cs_buf_release(&b);
	ck_assert_str_eq(b.data, "");
}
END_TEST

START_TEST(lists_are_copies_and_terminated)
{
	AUTO_STRV struct cs_strv s = CS_STRV_INIT;
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (i % 2)
			cs_strv_add(&s, name);
		else
			cs_strv_addf(&s, "%s%d", "n", i);
		ck_assert_ptr_null(s.v[s.n]);
	}
	ck_assert_uint_eq(s.n, 100);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		ck_assert_str_eq(s.v[i], name);
		ck_assert(cs_strv_has(&s, name));
	}
	ck_assert(!cs_strv_has(&s, "n100"));
	ck_assert(!cs_strv_has(&s, ""));
}
END_TEST

START_TEST(empty_list)
{
	struct cs_strv s = CS_STRV_INIT;

	ck_assert(!cs_strv_has(&s, ""));
	cs_strv_release(&s);
	cs_strv_add(&s, "");
	ck_assert(cs_strv_has(&s, ""));
	cs_strv_release(&s);
	cs_strv_release(&s);
	ck_assert_ptr_null(s.v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/buf");
	TCase *tc = tcase_create("buf");

	tcase_add_test(tc, empty_is_a_string);
	tcase_add_test(tc, equals_a_model);
	tcase_add_test(tc, formats_of_every_length);
	tcase_add_test(tc, take_hands_over);
	tcase_add_test(tc, release_can_be_repeated);
	tcase_add_test(tc, lists_are_copies_and_terminated);
	tcase_add_test(tc, empty_list);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
