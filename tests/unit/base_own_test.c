/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/own.h"

#include <errno.h>
#include <stdint.h>
#include "unit.h"

/* The address sanitizer ends the process by itself unless told that NULL is an answer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static volatile size_t huge = SIZE_MAX / 2; /* volatile: the compiler must not foresee it */

static void exhaust_malloc(void)
{
	cs_malloc(huge);
}

static void exhaust_calloc(void)
{
	cs_calloc(huge, 1);
}

static void exhaust_calloc_overflow(void)
{
	cs_calloc(huge, 4);
}

static void exhaust_realloc(void)
{
	cs_realloc(NULL, huge, 1);
}

/* 4 * (SIZE_MAX / 2) wraps to a small number: the product is what must be refused. */
static void exhaust_realloc_overflow(void)
{
	cs_realloc(NULL, huge + 2, 2);
}

static const struct {
	const char *name;
	void (*exhaust)(void);
} exhaustions[] = {
	{ "malloc", exhaust_malloc },
	{ "calloc", exhaust_calloc },
	{ "calloc, overflow", exhaust_calloc_overflow },
	{ "realloc", exhaust_realloc },
	{ "realloc, overflow", exhaust_realloc_overflow },
};

START_TEST(no_memory_ends_with_125_and_a_line)
{
	char said[256] = "";
	ssize_t n;
	int ends[2];
	int status;
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		exhaustions[_i].exhaust();
		_exit(0);
	}
	close(ends[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	n = read(ends[0], said, sizeof(said) - 1);
	close(ends[0]);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 125, "%s: wait status %#x",
		      exhaustions[_i].name, status);
	/* A sanitizer may warn before it. */
	ck_assert_msg(n > 0 && strstr(said, "countersign: out of memory\n"), "%s: '%s'",
		      exhaustions[_i].name, said);
}
END_TEST

START_TEST(nothing_is_something)
{
	AUTO_FREE void *a = cs_malloc(0);
	AUTO_FREE void *b = cs_calloc(0, 8);
	AUTO_FREE void *c = cs_realloc(NULL, 0, 8);

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
	ck_assert_ptr_nonnull(c);
}
END_TEST

START_TEST(strings)
{
	AUTO_FREE char *a = cs_strdup("abc");
	AUTO_FREE char *b = cs_strndup("abcdef", 2);
	AUTO_FREE char *c = cs_asprintf("%d-%s", 5, "x");

	ck_assert_str_eq(a, "abc");
	ck_assert_str_eq(b, "ab");
	ck_assert_str_eq(c, "5-x");
}
END_TEST

START_TEST(scope_closes_and_steal_keeps)
{
	int before = unit_count_fds();
	int kept;

	{
		AUTO_FD int dropped = open("/dev/null", O_RDONLY);
		AUTO_FD int stolen = open("/dev/null", O_RDONLY);
		AUTO_FD int none = -1;

		ck_assert_int_ge(dropped, 0);
		kept = cs_steal_fd(&stolen);
		ck_assert_int_eq(stolen, -1);
		ck_assert_int_eq(none, -1);
	}
	ck_assert_int_eq(unit_count_fds(), before + 1);
	close(kept);
}
END_TEST

START_TEST(steal_hands_over_the_pointer)
{
	char *outer;

	{
		AUTO_FREE char *inner = cs_strdup("kept");

		outer = cs_steal(&inner);
		ck_assert_ptr_null(inner);
	}
	ck_assert_str_eq(outer, "kept"); /* the address sanitizer sees a use after free here */
	free(outer);
}
END_TEST

START_TEST(close_keeps_errno_and_forgets)
{
	int fd = 1000000; /* not open: close sets EBADF */

	errno = EXDEV;
	cs_close(&fd);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(arrays_grow)
{
	AUTO_FREE int *array = NULL;
	size_t n = 0;
	size_t cap = 0;

	for (int i = 0; i < 1000; i++) {
		CS_GROW(array, n, cap);
		array[n++] = i;
	}
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(array[i], i);
	ck_assert_uint_ge(cap, 1000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/own");
	TCase *tc = tcase_create("own");

	tcase_add_loop_test(tc, no_memory_ends_with_125_and_a_line, 0, CS_COUNT(exhaustions));
	tcase_add_test(tc, nothing_is_something);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, scope_closes_and_steal_keeps);
	tcase_add_test(tc, steal_hands_over_the_pointer);
	tcase_add_test(tc, close_keeps_errno_and_forgets);
	tcase_add_test(tc, arrays_grow);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
