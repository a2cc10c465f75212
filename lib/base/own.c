/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is never NULL, and closing that keeps errno. */
#include "countersign/base/own.h"

#include <errno.h>
#include <stdarg.h>

/*
 * The one place of lib/ that ends the process and says so: to report "out of memory" as a value
 * through every caller would need memory, and would add a failure to each function that has none.
 */
static _Noreturn void out_of_memory(void)
{
	static const char text[] = "countersign: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored; /* nobody is left to tell */
	_exit(125);
}

void cs_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void *cs_malloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *cs_calloc(size_t n, size_t size)
{
	void *p = n && size ? calloc(n, size) : calloc(1, 1);

	if (!p)
		out_of_memory();
	return p;
}

void *cs_realloc(void *p, size_t n, size_t size)
{
	size_t total;
	void *grown;

	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory();
	grown = realloc(p, total ? total : 1);
	if (!grown)
		out_of_memory();
	return grown;
}

char *cs_strdup(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		out_of_memory();
	return copy;
}

char *cs_strndup(const char *s, size_t n)
{
	char *copy = strndup(s, n);

	if (!copy)
		out_of_memory();
	return copy;
}

char *cs_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return s;
}
