/* SPDX-License-Identifier: Apache-2.0 */
/* A tree that is accepted has one reading: order, unique names, and written again it is the same.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include "../../lib/repo/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Modes may have been padded with zeros: those of the input are skipped. */
static void must_be_written_so(const struct cs_tree_entry *e, const uint8_t **p, const uint8_t *end)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	while (*p < end && **p == '0')
		++*p;
	cs_buf_addf(&b, "%o %s", e->mode, e->name);
	cs_buf_addc(&b, '\0');
	cs_buf_add(&b, e->oid.bytes, e->oid.len);
	if ((size_t)(end - *p) < b.len || memcmp(*p, b.data, b.len) != 0)
		abort();
	*p += b.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_TREE struct cs_tree t = CS_TREE_INIT;
	struct cs_err err = CS_ERR_INIT;
	char *raw = cs_malloc(len + 1);
	const uint8_t *p = data;

	if (len)
		memcpy(raw, data, len);
	if (cs_tree_parse(&t, raw, len, &err) < 0) {
		if (err.code != CS_CORRUPT || t.n)
			abort();
		return 0;
	}
	for (size_t i = 0; i < t.n; i++) {
		const struct cs_tree_entry *e = &t.entries[i];

		if (i && cs_tree_order(e[-1].name, e[-1].mode, e->name, e->mode) >= 0)
			abort();
		if (cs_tree_find(&t, e->name) != e || !*e->name || strchr(e->name, '/'))
			abort();
		for (size_t k = 0; k < i && i < 50; k++)
			if (!strcmp(t.entries[k].name, e->name))
				abort();
		must_be_written_so(e, &p, data + len);
	}
	if (p != data + len)
		abort();
	return 0;
}
