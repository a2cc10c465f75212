/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer, always NUL-terminated behind its length; the bytes may contain NULs.
 * Life: CS_BUF_INIT, add, release. cs_buf_take() hands the memory over. What is added must not lie
 * in the buffer itself. The buffer has no maximum of its own: whoever fills it from outside has.
 */
#ifndef COUNTERSIGN_BASE_BUF_H
#define COUNTERSIGN_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct cs_buf {
	char *data; /* never NULL */
	size_t len;
	size_t cap; /* 0 while data is the shared empty string */
};

extern char cs_buf_empty[1];
#define CS_BUF_INIT                  \
	{                            \
		.data = cs_buf_empty \
	}
#define AUTO_BUF __attribute__((cleanup(cs_buf_release)))

void cs_buf_add(struct cs_buf *b, const void *data, size_t len);
void cs_buf_adds(struct cs_buf *b, const char *s);
void cs_buf_addc(struct cs_buf *b, char c);
void cs_buf_addf(struct cs_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cs_buf_addv(struct cs_buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
void cs_buf_reserve(struct cs_buf *b, size_t more); /* room for `more` bytes behind len */
void cs_buf_truncate(struct cs_buf *b, size_t len); /* shorten; keeps the memory */
void cs_buf_consume(struct cs_buf *b, size_t n);    /* drop the first n bytes; moves the rest */
char *cs_buf_take(struct cs_buf *b);		    /* the caller frees; b is empty again */
void cs_buf_release(struct cs_buf *b);

/* A list of strings, NULL-terminated for exec. Life: CS_STRV_INIT, add, release. */
struct cs_strv {
	char **v; /* NULL or NULL-terminated */
	size_t n;
	size_t cap;
};
#define CS_STRV_INIT \
	{            \
		0    \
	}
#define AUTO_STRV __attribute__((cleanup(cs_strv_release)))

void cs_strv_add(struct cs_strv *s, const char *str); /* copies */
void cs_strv_addf(struct cs_strv *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int cs_strv_has(const struct cs_strv *s, const char *str);
void cs_strv_release(struct cs_strv *s);

#endif
