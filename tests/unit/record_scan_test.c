/* SPDX-License-Identifier: Apache-2.0 */
/* cs_log_scan(): a log as a stream, and where its lines are. */
#include "countersign/record.h"

#include <sys/mman.h>
#include "unit.h"

#define LINES 5

/* A log of LINES events, "type" counting up, with the chain that cs_log_add makes. */
static void make_log(struct cs_buf *out)
{
	char path[64];
	AUTO_FD int dir_fd = -1;
	struct cs_log *log;

	unit_mkdir(path);
	dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(cs_log_open(&log, dir_fd, NULL), 0);
	for (int i = 0; i < LINES; i++) {
		cJSON *fields = cJSON_CreateObject();

		cs_json_add_int(fields, "n", i);
		ck_assert_int_eq(cs_log_add(log, "test", fields, NULL), 0);
	}
	cs_log_free(log);
	ck_assert_int_eq(cs_read_file(out, dir_fd, "events.jsonl", 1 << 20, NULL), 0);
	unit_rmdir(path);
}

struct seen {
	int fd, n;
	int64_t first, sum; /* of the events' n */
};

static void see(void *arg, const cJSON *event, struct cs_log_place at)
{
	struct seen *s = arg;
	AUTO_FREE char *line = cs_malloc(at.len + 2);
	AUTO_JSON cJSON *again = NULL;

	ck_assert_int_eq(pread(s->fd, line, at.len + 1, at.offset), at.len + 1);
	ck_assert(line[at.len] == '\n');
	ck_assert_int_eq(cs_json_parse(&again, line, at.len, NULL), 0);
	ck_assert(cJSON_Compare(again, event, true));
	if (!s->n++)
		s->first = cs_json_int(event, "n", -1);
	s->sum += cs_json_int(event, "n", -1);
}

static int scan(struct seen *s, const struct cs_buf *text, bool live, struct cs_err *err)
{
	char head[CS_SHA256_HEX], wanted[CS_SHA256_HEX];
	int64_t events, wanted_events;
	AUTO_FD int fd = memfd_create("log", MFD_CLOEXEC);
	int rc;

	*s = (struct seen){ .fd = fd };
	ck_assert_int_eq(cs_write_all(fd, text->data, text->len), 0);
	rc = cs_log_scan(&events, head, fd, live, see, s, err);
	if (cs_log_verify(&wanted_events, wanted, text->data, text->len, NULL) == 0) {
		ck_assert_int_eq(rc, 0);
		ck_assert_str_eq(head, wanted);
		ck_assert_int_eq(events, wanted_events);
	}
	return rc;
}

START_TEST(whole)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct seen s;

	ck_assert_int_eq(scan(&s, &text, false, &err), 0);
	ck_assert_int_eq(s.n, 0);
	make_log(&text);
	ck_assert_int_eq(scan(&s, &text, false, &err), 0);
	ck_assert_int_eq(s.n, LINES);
	ck_assert_int_eq(s.sum, 0 + 1 + 2 + 3 + 4);
}
END_TEST

/* A byte changed is found; what is JSON all the same is shown, wherever it is. */
START_TEST(changed)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	make_log(&text);
	for (size_t i = 0; i < text.len; i += 11) {
		struct cs_err err = CS_ERR_INIT;
		struct seen s;
		int rc;

		text.data[i] ^= 1;
		rc = scan(&s, &text, false, &err);
		/* The last line is vouched for by the record's head alone. */
		ck_assert_msg(rc == CS_CORRUPT || s.n == LINES, "byte %zu: %d", i, rc);
		ck_assert_msg(s.n >= LINES - 2, "byte %zu: %d events", i, s.n);
		text.data[i] ^= 1;
	}
}
END_TEST

START_TEST(torn)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct seen s;

	make_log(&text);
	cs_buf_truncate(&text, text.len - 7);
	ck_assert_int_eq(scan(&s, &text, false, &err), CS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.msg, "line 5: no end of line"));
	ck_assert_int_eq(s.n, LINES - 1);
	ck_assert_int_eq(scan(&s, &text, true, &err), 0);
	ck_assert_int_eq(s.n, LINES - 1);
}
END_TEST

/* A line of any length does not need its length in memory, and what is behind it is found. */
START_TEST(endless_line)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf log = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct seen s;

	make_log(&log);
	for (int i = 0; i < 5 << 20; i += 8)
		cs_buf_adds(&text, "[[[[[[[[");
	cs_buf_addc(&text, '\n');
	cs_buf_add(&text, log.data, log.len);
	ck_assert_int_eq(scan(&s, &text, false, &err), CS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.msg, "line 1"));
	ck_assert_int_eq(s.n, LINES);
	ck_assert_int_eq(s.first, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record scan");
	TCase *tc = tcase_create("scan");

	tcase_add_test(tc, whole);
	tcase_add_test(tc, changed);
	tcase_add_test(tc, torn);
	tcase_add_test(tc, endless_line);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
