/* SPDX-License-Identifier: Apache-2.0 */
/* The list of strings. */
#include "countersign/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "countersign/base/own.h"

/* Takes str. */
static void append(struct cs_strv *s, char *str)
{
	size_t used = s->n + 1; /* with the NULL */

	if (!s->cap || used == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 8;
		s->v = cs_realloc(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n++] = str;
	s->v[s->n] = NULL;
}

void cs_strv_add(struct cs_strv *s, const char *str)
{
	append(s, cs_strdup(str));
}

void cs_strv_addf(struct cs_strv *s, const char *fmt, ...)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	cs_buf_addv(&text, fmt, ap);
	va_end(ap);
	append(s, cs_buf_take(&text));
}

int cs_strv_has(const struct cs_strv *s, const char *str)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->v[i], str))
			return 1;
	return 0;
}

void cs_strv_release(struct cs_strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct cs_strv)CS_STRV_INIT;
}
