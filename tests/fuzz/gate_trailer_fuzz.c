/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of commits: a run that is found is a run's id, and stands in the message. */
#include <stdlib.h>
#include <string.h>
#include "../../lib/gate/internal.h"
#include "countersign/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = cs_strndup((const char *)data, len);
	AUTO_FREE char *address = gate_address(text);
	char run[33] = "";

	if (strlen(address) > strlen(text))
		abort();
	if (gate_trailer_run(run, text) && *run && (!cs_run_id_valid(run) || !strstr(text, run)))
		abort();
	return 0;
}
