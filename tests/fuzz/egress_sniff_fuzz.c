/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First messages: given in pieces, the result is that of the whole; the end always decides; and
 * HTTP that passes names the host in the way that a simple reader finds it.
 */
#include "../../lib/egress/sniff.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST "a.bc"

/* A reader of heads that trusts: the value of the first Host line. */
static void check_http(const uint8_t *data, size_t size)
{
	const char *end = memmem(data, size, "\r\n\r\n", 4);
	const char *line = (const char *)data;

	if (!end)
		abort();
	while (line < end) {
		const char *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);

		if (strncasecmp(line, "Host:", 5) == 0) {
			line += 5;
			while (*line == ' ' || *line == '\t')
				line++;
			if (strncasecmp(line, HOST, sizeof(HOST) - 1) != 0)
				abort();
			return;
		}
		line = next + 2;
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cs_sniff whole = CS_SNIFF_INIT(HOST, 80), parts = CS_SNIFF_INIT(HOST, 80);
	struct cs_sniff ended = CS_SNIFF_INIT(HOST, 80);
	enum cs_sniff_result result = cs_sniff(&whole, data, size, false);
	enum cs_sniff_result now = CS_SNIFF_MORE;
	size_t step = size > 512 ? 61 : 1;

	for (size_t n = 0; n < size && now == CS_SNIFF_MORE; n += step)
		now = cs_sniff(&parts, data, n, false);
	if (now == CS_SNIFF_MORE)
		now = cs_sniff(&parts, data, size, false);
	if (now != result)
		abort();
	if (cs_sniff(&ended, data, size, true) == CS_SNIFF_MORE)
		abort();
	if (result == CS_SNIFF_PASS && strcmp(whole.proto, "http") == 0)
		check_http(data, size);
	if (result == CS_SNIFF_REFUSE && !whole.reason[0])
		abort();
	return 0;
}
