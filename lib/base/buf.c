/* SPDX-License-Identifier: Apache-2.0 */
/* The growing byte buffer. */
#include "countersign/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "countersign/base/own.h"

#define FIRST_CAP 64

char cs_buf_empty[1];

void cs_buf_reserve(struct cs_buf *b, size_t more)
{
	size_t need;
	size_t cap;

	if (__builtin_add_overflow(b->len, more, &need) ||
	    __builtin_add_overflow(need, (size_t)1, &need))
		need = SIZE_MAX; /* cs_realloc ends the process */
	if (need <= b->cap)
		return;
	cap = b->cap ? b->cap : FIRST_CAP;
	while (cap < need && cap <= SIZE_MAX / 2)
		cap *= 2;
	if (cap < need)
		cap = need;
	b->data = cs_realloc(b->cap ? b->data : NULL, cap, 1);
	b->cap = cap;
	b->data[b->len] = '\0';
}

void cs_buf_add(struct cs_buf *b, const void *data, size_t len)
{
	if (!len)
		return;
	cs_buf_reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void cs_buf_adds(struct cs_buf *b, const char *s)
{
	cs_buf_add(b, s, strlen(s));
}

void cs_buf_addc(struct cs_buf *b, char c)
{
	cs_buf_add(b, &c, 1);
}

void cs_buf_addv(struct cs_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	/* Most texts are short: try the room that is there before asking for more. */
	cs_buf_reserve(b, FIRST_CAP);
	va_copy(again, ap);
	n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	if (n >= 0 && (size_t)n >= b->cap - b->len) {
		cs_buf_reserve(b, (size_t)n);
		n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
	}
	va_end(again);
	if (n > 0) /* below 0: the text is longer than INT_MAX; nothing is added */
		b->len += (size_t)n;
	b->data[b->len] = '\0';
}

void cs_buf_addf(struct cs_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cs_buf_addv(b, fmt, ap);
	va_end(ap);
}

void cs_buf_truncate(struct cs_buf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->data[len] = '\0';
}

void cs_buf_consume(struct cs_buf *b, size_t n)
{
	if (!n)
		return;
	if (n > b->len)
		n = b->len;
	memmove(b->data, b->data + n, b->len - n);
	cs_buf_truncate(b, b->len - n);
}

char *cs_buf_take(struct cs_buf *b)
{
	char *data = b->cap ? b->data : cs_strdup("");

	*b = (struct cs_buf)CS_BUF_INIT;
	return data;
}

void cs_buf_release(struct cs_buf *b)
{
	if (b->cap)
		free(b->data);
	*b = (struct cs_buf)CS_BUF_INIT;
}
