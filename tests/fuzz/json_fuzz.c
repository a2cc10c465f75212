/* SPDX-License-Identifier: Apache-2.0 */
/* What parses prints as ASCII that parses again and prints the same. */
#include <stdlib.h>
#include "countersign/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void print(struct cs_buf *out, const cJSON *item, bool indented)
{
	cs_json_print(out, item, indented);
	for (size_t i = 0; i < out->len; i++) {
		if ((out->data[i] < 0x20 && out->data[i] != '\n') || out->data[i] > 0x7e)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_BUF struct cs_buf once = CS_BUF_INIT;
	AUTO_BUF struct cs_buf twice = CS_BUF_INIT;
	AUTO_BUF struct cs_buf indented = CS_BUF_INIT;
	AUTO_JSON cJSON *item = NULL;
	AUTO_JSON cJSON *again = NULL;
	struct cs_err err = CS_ERR_INIT;

	if (cs_json_parse(&item, (const char *)data, len, &err) < 0) {
		/* cJSON never refuses what the checker let through. */
		if (strstr(err.msg, "does not parse"))
			abort();
		return 0;
	}
	print(&once, item, false);
	print(&indented, item, true);
	if (cs_json_parse(&again, indented.data, indented.len, &err) < 0)
		abort();
	print(&twice, again, false);
	if (strcmp(once.data, twice.data))
		abort();
	return 0;
}
