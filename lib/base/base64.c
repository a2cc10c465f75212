/* SPDX-License-Identifier: Apache-2.0 */
/* Base64, strictly: what a lenient decoder takes has more than one text for the same bytes. */
#include "countersign/base/base64.h"

#include <stdbool.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void cs_base64_encode(struct cs_buf *out, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len; p += 3, len = len > 3 ? len - 3 : 0) {
		uint32_t n = (uint32_t)p[0] << 16;

		if (len > 1)
			n |= (uint32_t)p[1] << 8;
		if (len > 2)
			n |= p[2];
		cs_buf_addc(out, digits[n >> 18]);
		cs_buf_addc(out, digits[n >> 12 & 63]);
		cs_buf_addc(out, len > 1 ? digits[n >> 6 & 63] : '=');
		cs_buf_addc(out, len > 2 ? digits[n & 63] : '=');
	}
}

static int value(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int cs_base64_decode(struct cs_buf *out, const char *s, size_t len)
{
	if (len % 4)
		return -1;
	for (; len; s += 4, len -= 4) {
		int a = value(s[0]);
		int b = a < 0 ? -1 : value(s[1]);
		int c = b < 0 ? -1 : value(s[2]);
		int d = c < 0 ? -1 : value(s[3]);
		bool last = len == 4 && s[3] == '=';
		bool one = last && b >= 0 && c < 0 && s[2] == '=' && !(b & 15);
		bool two = last && c >= 0 && d < 0 && !(c & 3);

		if (d < 0 && !one && !two)
			return -1;
		cs_buf_addc(out, (char)(a << 2 | b >> 4));
		if (!one)
			cs_buf_addc(out, (char)((b & 15) << 4 | c >> 2));
		if (!one && !two)
			cs_buf_addc(out, (char)((c & 3) << 6 | d));
	}
	return 0;
}
