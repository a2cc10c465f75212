/* SPDX-License-Identifier: Apache-2.0 */
/* An index of the agent's: what is accepted holds sorted paths that are found again. */
#include <stdlib.h>
#include "../../lib/capture/tracked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tracked t = TRACKED_INIT;
	const char *why;

	if (!tracked_parse(&t, (const char *)data, len, 20, &why) && (t.n || !why))
		abort();
	for (size_t i = 0; i < t.n; i++) {
		const char *path = t.text.data + t.at[i];

		if (!tracked_has(&t, path) || (i && strcmp(t.text.data + t.at[i - 1], path) > 0))
			abort();
	}
	tracked_release(&t);
	return 0;
}
