/* SPDX-License-Identifier: Apache-2.0 */
/* Names between double quotes, as git writes them ("\"a\\tb\\303\\244\""). */
#include "internal.h"

#include <string.h>

/* The byte that an escape stands for; *s is behind the backslash and moves on. -1: no escape. */
static int unescape(char **s)
{
	static const char letters[] = "abfnrtv\\\"";
	static const char values[] = "\a\b\f\n\r\t\v\\\"";
	const char *p = *s;
	const char *found = *p ? strchr(letters, *p) : NULL;

	if (found) {
		*s += 1;
		return (unsigned char)values[found - letters];
	}
	if (p[0] < '0' || p[0] > '3' || p[1] < '0' || p[1] > '7' || p[2] < '0' || p[2] > '7')
		return -1;
	*s += 3;
	return (p[0] - '0') << 6 | (p[1] - '0') << 3 | (p[2] - '0');
}

char *cs_unquote_c(char *s)
{
	char *in = s + 1;
	char *out = s;

	while (*in && *in != '"') {
		int c = (unsigned char)*in++;

		if (c == '\\')
			c = unescape(&in);
		if (c <= 0) /* a NUL cannot be part of a name */
			return NULL;
		*out++ = (char)c;
	}
	if (*in != '"')
		return NULL;
	/* The result is shorter than what it was made from: what follows is still intact. */
	*out = '\0';
	return in + 1;
}
