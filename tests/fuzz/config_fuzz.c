/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever parses has non-empty names without control characters, and lines that only grow. */
#include <stdlib.h>
#include "countersign/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int check(void *arg, const struct cs_config_entry *e, struct cs_err *err)
{
	int *line = arg;

	(void)err;
	if (!*e->section || !*e->key || e->line < *line || !strcmp(e->section, "include"))
		abort();
	if (e->subsection && strchr(e->subsection, '\n'))
		abort();
	if (e->value && strlen(e->value) > CS_CONFIG_MAX_VALUE)
		abort();
	*line = e->line;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cs_err err = CS_ERR_INIT;
	int line = 1;
	int rc = cs_config_parse("f", (const char *)data, len, check, &line, &err);

	if ((rc < 0) != (err.code < 0))
		abort();
	return 0;
}
