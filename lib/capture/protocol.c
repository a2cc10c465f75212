/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to bytes and back. The parser is the whole of what the writer knows about the stream. */
#include "protocol.h"

#include <string.h>
#include "finding.h"
#include "names.h"

struct head {
	uint8_t type;
	uint8_t flag;
	uint16_t zero16;
	uint32_t path_len;
	uint32_t data_len;
	uint32_t zero32;
	uint64_t size;
};
_Static_assert(sizeof(struct head) == FRAME_HEAD_LEN, "a head has no padding");

/* What each type may carry; size only where sized. */
static const struct {
	const char *name;
	uint32_t path_min, path_max;
	uint32_t data_min, data_max;
	uint8_t flag_max;
	bool sized;
} shapes[FRAME_COUNT] = {
	[FRAME_FILE] = { "file", 1, CAPTURE_PATH_MAX, sizeof(struct text_stats),
			 sizeof(struct text_stats), FRAME_EXECUTABLE, true },
	[FRAME_LINK] = { "link", 1, CAPTURE_PATH_MAX, 1, CAPTURE_PATH_MAX, 0, false },
	[FRAME_DELETE] = { "delete", 1, CAPTURE_PATH_MAX, 0, 0, 0, false },
	[FRAME_CLOSED] = { "closed", 1, CAPTURE_PATH_MAX, 0, 0, 0, false },
	[FRAME_FINDING] = { "finding", 0, CAPTURE_PATH_MAX, 0, FRAME_DETAIL_MAX, KIND_COUNT - 1,
			    false },
	[FRAME_HEAD] = { "head", 0, 0, 40, 64, 0, false },
	[FRAME_COMMIT] = { "commit", 40, 64, 0, COMMIT_MESSAGE_MAX, 0, false },
	[FRAME_END] = { "end", 0, 0, 0, 0, 0, true },
	[FRAME_DATA] = { "data", 0, 0, 1, FRAME_DATA_MAX, 0, false },
	[FRAME_ERROR] = { "error", 0, 0, 1, FRAME_DETAIL_MAX, 64, false },
};

void frame_format(struct cs_buf *out, const struct frame *f)
{
	struct head h = {
		.type = (uint8_t)f->type,
		.flag = (uint8_t)f->flag,
		.path_len = (uint32_t)f->path_len,
		.data_len = (uint32_t)f->data_len,
		.size = f->size,
	};

	cs_buf_add(out, &h, sizeof(h));
	if (f->path_len)
		cs_buf_add(out, f->path, f->path_len);
	if (f->data_len)
		cs_buf_add(out, f->data, f->data_len);
}

static bool shape_ok(const struct head *h)
{
	if (h->type >= FRAME_COUNT || !shapes[h->type].name)
		return false;
	return !h->zero16 && !h->zero32 && h->flag <= shapes[h->type].flag_max &&
	       h->path_len >= shapes[h->type].path_min && h->path_len <= shapes[h->type].path_max &&
	       h->data_len >= shapes[h->type].data_min && h->data_len <= shapes[h->type].data_max &&
	       (shapes[h->type].sized || !h->size);
}

ssize_t frame_parse(struct frame *out, const char *data, size_t len, struct cs_err *err)
{
	struct head h;
	size_t total;

	if (len < sizeof(h))
		return 0;
	memcpy(&h, data, sizeof(h));
	if (!shape_ok(&h))
		return cs_err_set(err, CS_CORRUPT, "the reader sent a frame that is none (type %u)",
				  h.type);
	total = sizeof(h) + h.path_len + h.data_len;
	if (len < total)
		return 0;
	*out = (struct frame){
		.type = h.type,
		.flag = h.flag,
		.path = data + sizeof(h),
		.path_len = h.path_len,
		.data = data + sizeof(h) + h.path_len,
		.data_len = h.data_len,
		.size = h.size,
	};
	return (ssize_t)total;
}
