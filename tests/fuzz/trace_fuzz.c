/* SPDX-License-Identifier: Apache-2.0 */
/* The trace's parsers: the stat line of a process with a hostile name, and redaction. */
#include "../../lib/trace/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = cs_strndup((const char *)data, size);
	struct cs_buf out = CS_BUF_INIT;
	struct proc_stat st;
	size_t nuls[2] = { 0, 0 };

	proc_stat_parse(&st, text);
	free(text);
	cs_trace_redact(&out, (const char *)data, size, size % 2);
	for (size_t i = 0; i < size; i++)
		nuls[0] += !data[i];
	for (size_t i = 0; i < out.len; i++)
		nuls[1] += !out.data[i];
	if (nuls[0] != nuls[1])
		__builtin_trap(); /* an argument more, or less */
	cs_buf_release(&out);
	return 0;
}
