/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's whole view of the stream: what it accepts is a list that a tree can be made of. A
 * first byte of 1 says that what follows are no frames yet: three bytes (type, length of path,
 * flag), the path, and so on.
 */
#include <stdlib.h>
#include "../../lib/capture/list.h"
#include "../../lib/capture/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct item *item = &l->items[i];

		if (!capture_path_ok(item->path, strlen(item->path)))
			abort();
		if (item->mode ? !list_has(l, item->path) : !list_deletes(l, item->path))
			abort();
		for (size_t k = 0; k < i; k++) {
			if (!strcmp(l->items[k].path, item->path) &&
			    !l->items[k].mode == !item->mode)
				abort();
		}
	}
}

static void build(struct cs_buf *out, const uint8_t *data, size_t len)
{
	static const struct text_stats stats;
	uint64_t frames = 0;

	while (len >= 3) {
		struct frame f = { .type = data[0] % FRAME_ERROR, .flag = data[2] & 1 };

		f.path = (const char *)data + 3;
		f.path_len = data[1] % 16 < len - 3 ? data[1] % 16 : len - 3;
		f.data = f.type == FRAME_FILE ? (const char *)&stats : "a";
		f.data_len = f.type == FRAME_FILE ? sizeof(stats) : f.type == FRAME_LINK;
		f.size = f.type == FRAME_END ? frames : 0;
		f.path_len = f.type == FRAME_END ? 0 : f.path_len;
		frame_format(out, &f);
		frames++;
		data += 3 + f.path_len;
		len -= 3 + f.path_len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_BUF struct cs_buf built = CS_BUF_INIT;
	const char *p = (const char *)data;
	struct list l = LIST_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct frame f;
	ssize_t n = 0;
	int rc = 0;

	if (len && *data == 1) {
		build(&built, data + 1, len - 1);
		p = built.data;
		len = built.len;
	}
	while (!rc && !l.ended && (n = frame_parse(&f, p, len, &err)) > 0) {
		p += n;
		len -= (size_t)n;
		rc = list_add(&l, &f, &err);
	}
	if ((rc < 0 || n < 0) != (err.code < 0))
		abort();
	if (!rc && n >= 0 && !list_check(&l, &err))
		check(&l);
	list_release(&l);
	return 0;
}
