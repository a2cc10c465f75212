/* SPDX-License-Identifier: Apache-2.0 */
/* Rules, a NUL, and a path: reading them twice changes nothing, taking them back leaves nothing. */
#include <stdlib.h>
#include "../../lib/capture/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *nul = memchr(data, 0, len);
	size_t rules = nul ? (size_t)(nul - data) : len;
	AUTO_FREE char *path =
		cs_strndup(nul ? (const char *)nul + 1 : "a/b", nul ? len - rules - 1 : 3);
	struct cs_ignore *ig;
	bool once;

	cs_ignore_new(&ig);
	cs_ignore_add(ig, "", (const char *)data, rules);
	once = cs_ignore_match(ig, path, true);
	cs_ignore_add(ig, "", (const char *)data, rules);
	if (cs_ignore_match(ig, path, true) != once)
		abort();
	capture_ignore_rewind(ig, 1);
	if (cs_ignore_match(ig, path, true) != once)
		abort();
	capture_ignore_rewind(ig, 0);
	if (cs_ignore_match(ig, path, true))
		abort();
	cs_ignore_free(ig);
	return 0;
}
