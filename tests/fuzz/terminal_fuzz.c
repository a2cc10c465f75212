/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filtered output: the same however the input is cut, unchanged by a second filter, without C1 or
 * other refused controls, and no longer than escaping makes it. The first byte chooses the flags,
 * the second where the input is cut.
 */
#include <stdlib.h>
#include <string.h>
#include "countersign/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must_be_equal(const struct cs_buf *a, const struct cs_buf *b)
{
	if (a->len != b->len || memcmp(a->data, b->data, a->len) != 0)
		abort();
}

static void must_be_harmless(const struct cs_buf *b, unsigned flags)
{
	for (size_t i = 0; i < b->len;) {
		uint32_t cp = 0;
		const char *p = b->data + i;
		size_t n = cs_utf8_decode(&cp, p, b->len - i);

		if (flags & CS_TERMINAL_EIGHT_BIT && (*p & 0xe0) == (char)0x80)
			abort();
		if (!n || !cp || (cp >= 0x7f && cp < 0xa0))
			abort();
		if (cp < ' ' && !strchr("\a\b\t\n\v\f\r\016\017\033", (int)cp))
			abort();
		if (cp == 033 && (!p[1] || !strchr("[]()78DEM=>\\", p[1])))
			abort();
		if (cp == 033 && p[1] == ']' &&
		    (flags & CS_TERMINAL_NO_QUERIES || !strchr("14", p[2])))
			abort();
		i += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_BUF struct cs_buf whole = CS_BUF_INIT;
	AUTO_BUF struct cs_buf cut = CS_BUF_INIT;
	AUTO_BUF struct cs_buf again = CS_BUF_INIT;
	AUTO_BUF struct cs_buf back = CS_BUF_INIT;

	if (len < 2)
		return 0;
	struct cs_terminal a = { .flags = data[0] & 3 }, b = a, c = a, d = { 0 };
	size_t at = data[1];
	data += 2;
	len -= 2;
	if (at > len)
		at = len;
	cs_terminal_filter(&whole, &a, data, len);
	cs_terminal_end(&whole, &a);
	cs_terminal_filter(&cut, &b, data, at);
	cs_terminal_filter(&cut, &b, data + at, len - at);
	cs_terminal_end(&cut, &b);
	must_be_equal(&whole, &cut);
	cs_terminal_filter(&again, &c, whole.data, whole.len);
	cs_terminal_end(&again, &c);
	must_be_equal(&whole, &again);
	must_be_harmless(&whole, a.flags);
	if (whole.len > 8 * len + 8)
		abort();
	cs_terminal_leave(&back, &a);
	must_be_harmless(&back, 0);
	cs_buf_truncate(&back, 0);
	cs_terminal_enter(&back, &a);
	cs_terminal_filter(&again, &d, back.data, back.len);
	if (again.len != whole.len + back.len)
		abort(); /* what we say ourselves would pass */
	return 0;
}
