/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's frame output, and its two phases: list, contents. */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "names.h"

/* Send when so many bytes wait; a pipe holds as many. */
#define OUT_STEP 65536

int reader_flush(struct reader *r, struct cs_err *err)
{
	if (cs_write_all(r->out_fd, r->out.data, r->out.len) < 0)
		return cs_err_sys(err, "write to the pipe");
	cs_buf_truncate(&r->out, 0);
	return 0;
}

bool reader_has_room(struct reader *r, size_t bytes)
{
	if (r->entries >= r->max_entries || r->path_bytes + bytes > LIST_BYTES_MAX)
		return false;
	r->entries++;
	r->path_bytes += bytes;
	return true;
}

int reader_send(struct reader *r, const struct frame *f, struct cs_err *err)
{
	if (r->frames++ == LIST_MAX && f->type != FRAME_DATA)
		return cs_err_set(err, CS_LIMIT, "the change has more than %u entries", LIST_MAX);
	frame_format(&r->out, f);
	return r->out.len >= OUT_STEP ? reader_flush(r, err) : 0;
}

int reader_send_path(struct reader *r, enum frame_type type, const char *path, struct cs_err *err)
{
	struct frame f = { .type = type, .path = path, .path_len = strlen(path) };

	return reader_send(r, &f, err);
}

int reader_finding(struct reader *r, enum capture_kind kind, const char *path, struct cs_err *err,
		   const char *fmt, ...)
{
	char detail[FRAME_DETAIL_MAX];
	struct frame f = {
		.type = FRAME_FINDING,
		.flag = kind,
		.path = path,
		.path_len = strnlen(path, CAPTURE_PATH_MAX),
		.data = detail,
	};
	va_list ap;

	if (++r->findings[kind] > FINDINGS_SEND_MAX)
		return 0;
	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	f.data_len = strlen(detail);
	return reader_send(r, &f, err);
}

int reader_send_file(struct reader *r, const char *path, bool executable, uint64_t size,
		     const struct text_stats *stats, struct cs_err *err)
{
	struct frame f = {
		.type = FRAME_FILE,
		.flag = executable ? FRAME_EXECUTABLE : 0,
		.path = path,
		.path_len = strlen(path),
		.data = (const char *)stats,
		.data_len = sizeof(*stats),
		.size = size,
	};

	r->content_bytes += size;
	CS_GROW(r->files, r->n_files, r->cap_files);
	r->files[r->n_files++] = (struct reader_file){ cs_strdup(path), size };
	return reader_send(r, &f, err);
}

static int tell_unsent(struct reader *r, struct cs_err *err)
{
	int rc = 0;

	for (unsigned int kind = 0; kind < KIND_COUNT && !rc; kind++)
		if (r->findings[kind] > FINDINGS_SEND_MAX)
			rc = reader_finding(r, KIND_TRUNCATED, "", err,
					    "%llu findings more of the kind %s",
					    (unsigned long long)r->findings[kind] -
						    FINDINGS_SEND_MAX,
					    capture_kind_word(kind));
	return rc;
}

int reader_end(struct reader *r, struct cs_err *err)
{
	struct frame f = { .type = FRAME_END };
	int rc = tell_unsent(r, err);

	f.size = r->frames;
	if (!rc)
		rc = reader_send(r, &f, err);

	return rc < 0 ? rc : reader_flush(r, err);
}

int open_regular(struct stat *st, int dir_fd, const char *path)
{
	/* O_NONBLOCK: a FIFO would wait for its other end. */
	AUTO_FD int fd = cs_open_beneath(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0 || fstat(fd, st) < 0)
		return -1;
	if (!S_ISREG(st->st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return cs_steal_fd(&fd);
}

static int send_content(struct reader *r, const struct reader_file *file, struct cs_err *err)
{
	char data[FRAME_DATA_MAX];
	struct stat st;
	AUTO_FD int fd = open_regular(&st, r->layer_fd, file->path);
	uint64_t left = file->size;

	if (fd < 0)
		return cs_err_sys(err, "open %s again", file->path);
	while (left) {
		size_t want = left < sizeof(data) ? (size_t)left : sizeof(data);
		ssize_t n = read(fd, data, want);
		struct frame f = { .type = FRAME_DATA, .data = data };

		if (n < 0)
			return cs_err_sys(err, "read %s", file->path);
		if (!n || (uint64_t)st.st_size != file->size)
			return cs_err_set(err, CS_BUSY, "%s changed while it was read", file->path);
		f.data_len = (size_t)n;
		left -= (uint64_t)n;
		if (reader_send(r, &f, err) < 0)
			return err->code;
	}
	return 0;
}

int reader_main(struct reader *r, struct cs_err *err)
{
	int rc = walk_layer(r, err);

	if (rc < 0)
		return rc;
	cs_fault("reader-walked");
	rc = reader_end(r, err);
	cs_fault("reader-listed");
	for (size_t i = 0; i < r->n_files && !rc; i++)
		rc = send_content(r, &r->files[i], err);
	return rc < 0 ? rc : reader_flush(r, err);
}
