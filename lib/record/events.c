/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log: JSON Lines, each line carries the SHA-256 of the exact bytes of the line before
 * it (without its LF; 64 zeros in the first), so that the hash of the last line, the head, stands
 * for all of them.
 *
 * One writer, the run's supervisor, under the run's lock. A line is one write(2) to a descriptor
 * with O_APPEND: after a crash the file ends with whole lines and at most one torn one; after a
 * power cut with anything. Opening keeps the longest beginning whose chain holds, cuts off the
 * rest, and says so in an event of its own: a log is never continued behind bytes that it does
 * not vouch for.
 *
 * A log has a maximum: an agent that makes millions of events would else fill the disk, and make a
 * record that nobody can read. Where it is reached stands a finding; what comes behind is counted.
 */
#include "countersign/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "record_dir.h"

#define MAX_LINE  (1 << 20) /* without the LF */
#define MAX_DEPTH 48	    /* of objects and arrays; cs_json_parse() takes 64 */
#define READ_STEP (256 << 10)
#define ZERO_HEAD "0000000000000000000000000000000000000000000000000000000000000000"

/* Sees every good event while a log is read. */
struct watcher {
	void (*each)(void *arg, const cJSON *event);
	void *arg;
};

struct chain {
	int64_t events;
	char head[CS_SHA256_HEX];
	int64_t last_ns; /* time of the last event, 0 when there is none */
};

struct cs_log {
	int fd;
	off_t size; /* of the good lines */
	struct chain chain;
	int64_t found_ns;  /* time of the last event when it was opened */
	int64_t cut;	   /* bytes cut off then */
	int64_t cut_after; /* behind this event */
	int64_t max, for_findings, for_end;
	int64_t unwritten; /* events that had no room */
	bool dirty;	   /* written since the last sync */
	bool broken;	   /* a torn line could not be taken back: nothing may follow it */
};

static void chain_init(struct chain *c)
{
	*c = (struct chain){ .head = ZERO_HEAD };
}

static void chain_push(struct chain *c, const char *line, size_t len, int64_t wall_ns)
{
	uint8_t digest[CS_SHA256_LEN];

	cs_sha256(digest, line, len);
	cs_hex(c->head, digest, sizeof(digest));
	c->events++;
	c->last_ns = wall_ns;
}

/* Takes one line (without LF) as the next of the chain; CS_CORRUPT if it is not. */
static int chain_check(struct chain *c, const char *line, size_t len, const struct watcher *w,
		       struct cs_err *err)
{
	AUTO_JSON cJSON *event = NULL;
	int64_t wall_ns;
	int rc;

	if (len > MAX_LINE)
		return cs_err_set(err, CS_CORRUPT, "line %lld: longer than %d bytes",
				  (long long)c->events + 1, MAX_LINE);
	rc = cs_json_parse(&event, line, len, err);
	if (rc < 0) {
		cs_err_wrap(err, "line %lld", (long long)c->events + 1);
		return rc;
	}
	if (cs_json_int(event, "seq", -1) != c->events + 1 ||
	    strcmp(cs_json_str(event, "prev", ""), c->head) != 0 ||
	    cs_time_parse(&wall_ns, cs_json_str(event, "t", "")) < 0)
		return cs_err_set(err, CS_CORRUPT, "line %lld: does not continue the chain",
				  (long long)c->events + 1);
	chain_push(c, line, len, wall_ns);
	if (w && w->each)
		w->each(w->arg, event);
	return 0;
}

/*
 * Checks the whole lines at the start of data; *used is the length of those that are good. A rest
 * without LF is no error here.
 */
static int check_lines(size_t *used, struct chain *c, const char *data, size_t len,
		       const struct watcher *w, struct cs_err *err)
{
	const char *lf;

	*used = 0;
	while ((lf = memchr(data + *used, '\n', len - *used))) {
		size_t line_len = (size_t)(lf - data) - *used;
		int rc = chain_check(c, data + *used, line_len, w, err);

		if (rc < 0)
			return rc;
		*used += line_len + 1;
	}
	return 0;
}

int cs_log_verify(int64_t *events, char head[CS_SHA256_HEX], const char *data, size_t len,
		  struct cs_err *err)
{
	struct chain chain;
	size_t used;
	int rc;

	chain_init(&chain);
	rc = check_lines(&used, &chain, data, len, NULL, err);
	if (rc < 0)
		return rc;
	if (used < len)
		return cs_err_set(err, CS_CORRUPT, "line %lld: no end of line",
				  (long long)chain.events + 1);
	*events = chain.events;
	memcpy(head, chain.head, CS_SHA256_HEX);
	return 0;
}

/* ---- reading ---- */

struct scan {
	struct chain chain;
	void (*each)(void *arg, const cJSON *event, struct cs_log_place at);
	void *arg;
	struct cs_log_place at; /* the line in hand */
	struct cs_err *why;
	int broken;    /* the code of the first bad line */
	bool skipping; /* the rest of a line that is too long */
};

static void scan_good(void *arg, const cJSON *event)
{
	struct scan *s = arg;

	s->each(s->arg, event, s->at);
}

/* Behind the first bad line nothing is vouched for any more: it is only parsed. */
static void scan_line(struct scan *s, const char *line, size_t len)
{
	const struct watcher watcher = { scan_good, s };
	AUTO_JSON cJSON *event = NULL;

	s->at.len = (uint32_t)len;
	if (!s->broken)
		s->broken = chain_check(&s->chain, line, len, &watcher, s->why);
	else if (len <= MAX_LINE && cs_json_parse(&event, line, len, NULL) == 0)
		s->each(s->arg, event, s->at);
}

/* The whole lines of buf; what is left is the beginning of the next one. */
static void scan_lines(struct scan *s, struct cs_buf *buf)
{
	size_t used = 0;
	const char *lf;

	while ((lf = memchr(buf->data + used, '\n', buf->len - used))) {
		size_t len = (size_t)(lf - buf->data) - used;

		if (!s->skipping)
			scan_line(s, buf->data + used, len);
		s->skipping = false;
		s->at.offset += (int64_t)len + 1;
		used += len + 1;
	}
	cs_buf_consume(buf, used);
	if (buf->len <= MAX_LINE)
		return;
	if (!s->broken)
		s->broken = chain_check(&s->chain, buf->data, buf->len, NULL, s->why);
	s->skipping = true;
	s->at.offset += (int64_t)buf->len;
	cs_buf_truncate(buf, 0);
}

int cs_log_scan(int64_t *events, char head[CS_SHA256_HEX], int fd, bool live,
		void (*each)(void *arg, const cJSON *event, struct cs_log_place at), void *arg,
		struct cs_err *err)
{
	AUTO_BUF struct cs_buf buf = CS_BUF_INIT;
	struct scan s = { .each = each, .arg = arg, .why = err };
	ssize_t n;

	chain_init(&s.chain);
	for (off_t at = 0;; at += n) {
		cs_buf_reserve(&buf, READ_STEP);
		n = pread(fd, buf.data + buf.len, READ_STEP, at);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return cs_err_sys(err, "read " CS_LOG_FILE);
		else if (n == 0)
			break;
		buf.len += (size_t)n;
		scan_lines(&s, &buf);
	}
	if (!s.broken && !live && buf.len)
		s.broken = cs_err_set(err, CS_CORRUPT, "line %lld: no end of line",
				      (long long)s.chain.events + 1);
	*events = s.chain.events;
	memcpy(head, s.chain.head, CS_SHA256_HEX);
	return s.broken;
}

/* ---- opening ---- */

/* Reads on until a bad line or the end; log->size is then the length of the good lines. */
static int read_chain(struct cs_log *log, const struct watcher *w, struct cs_err *err)
{
	AUTO_BUF struct cs_buf buf = CS_BUF_INIT;

	for (;;) {
		ssize_t n;
		size_t used;
		int rc;

		cs_buf_reserve(&buf, READ_STEP);
		n = read(log->fd, buf.data + buf.len, READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cs_err_sys(err, "read " CS_LOG_FILE);
		buf.len += (size_t)n;
		rc = check_lines(&used, &log->chain, buf.data, buf.len, w, NULL);
		log->size += (off_t)used;
		if (n == 0 || rc < 0 || buf.len - used > MAX_LINE)
			return 0;
		cs_buf_consume(&buf, used);
	}
}

static int say_cut(struct cs_log *log, struct cs_err *err)
{
	cJSON *event = cJSON_CreateObject();
	AUTO_FREE char *detail = cs_log_cut_detail(log);

	cs_json_add_str(event, "kind", CS_LOG_CUT_KIND);
	cs_json_add_str(event, "path", "");
	cs_json_add_str(event, "detail", detail);
	return cs_log_add(log, "finding", event, err);
}

static int open_existing(struct cs_log *log, const struct watcher *w, struct cs_err *err)
{
	struct stat st;
	int rc = read_chain(log, w, err);

	log->found_ns = log->chain.last_ns;
	if (rc < 0)
		return rc;
	if (fstat(log->fd, &st) < 0)
		return cs_err_sys(err, "stat " CS_LOG_FILE);
	if (st.st_size == log->size)
		return 0;
	log->cut = st.st_size - log->size;
	log->cut_after = log->chain.events;
	if (ftruncate(log->fd, log->size) < 0)
		return cs_err_sys(err, "cut the end of " CS_LOG_FILE);
	return say_cut(log, err);
}

int cs_log_reopen(struct cs_log **out, int run_dir_fd, void (*each)(void *arg, const cJSON *event),
		  void *arg, struct cs_err *err)
{
	const struct watcher watcher = { each, arg };
	struct cs_log *log = cs_calloc(1, sizeof(*log));
	int rc;

	chain_init(&log->chain);
	log->max = CS_LOG_MAX;
	log->for_findings = CS_LOG_FOR_FINDINGS;
	log->for_end = CS_LOG_FOR_END;
	log->fd = cs_open_beneath(run_dir_fd, CS_LOG_FILE, O_RDWR | O_APPEND | O_CREAT, 0600);
	if (log->fd < 0)
		rc = cs_err_sys(err, "open " CS_LOG_FILE);
	else
		rc = open_existing(log, &watcher, err);
	if (rc < 0) {
		cs_log_free(log);
		return rc;
	}
	*out = log;
	return 0;
}

int cs_log_open(struct cs_log **out, int run_dir_fd, struct cs_err *err)
{
	return cs_log_reopen(out, run_dir_fd, NULL, NULL, err);
}

void cs_log_free(struct cs_log *log)
{
	if (!log)
		return;
	cs_close(&log->fd);
	free(log);
}

/* ---- adding ---- */

/* How deep a printed object is nested. */
static int depth_of(const struct cs_buf *line)
{
	bool in_string = false;
	int depth = 0, deepest = 0;

	for (const char *c = line->data; *c; c++) {
		if (in_string && *c == '\\')
			c++;
		else if (*c == '"')
			in_string = !in_string;
		else if (!in_string && (*c == '{' || *c == '['))
			depth++;
		else if (!in_string && (*c == '}' || *c == ']'))
			depth--;
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest;
}

/* The event's line, without LF. Takes fields. */
static void format_event(struct cs_buf *out, const struct cs_log *log, const char *type,
			 int64_t wall_ns, cJSON *fields)
{
	AUTO_JSON cJSON *event = cJSON_CreateObject();
	AUTO_JSON cJSON *rest = fields;
	char time[CS_TIME_LEN];

	cs_json_add_int(event, "seq", log->chain.events + 1);
	cs_json_add_str(event, "t", cs_time_format(time, wall_ns));
	cs_json_add_str(event, "prev", log->chain.head);
	cs_json_add_str(event, "type", type);
	while (rest && rest->child) {
		cJSON *item = cJSON_DetachItemViaPointer(rest, rest->child);
		AUTO_FREE char *key = cs_strdup(item->string);

		/* seq, t, prev and type are not for the maker of the event to say. */
		if (cJSON_GetObjectItemCaseSensitive(event, key))
			cJSON_Delete(item);
		else
			cs_json_add(event, key, item);
	}
	cs_json_print(out, event, false);
}

/* An event that no line can hold: what it was, and the digest of what it would have been. */
static void format_oversized(struct cs_buf *line, const struct cs_log *log, const char *type,
			     int64_t wall_ns)
{
	uint8_t digest[CS_SHA256_LEN];
	char hex[CS_SHA256_HEX];
	cJSON *fields = cJSON_CreateObject();
	cJSON *oversized = cJSON_CreateObject();

	cs_sha256(digest, line->data, line->len);
	cs_json_add_int(oversized, "bytes", (int64_t)line->len);
	cs_json_add_str(oversized, "sha256", cs_hex(hex, digest, sizeof(digest)));
	cs_json_add(fields, "oversized", oversized);
	cs_buf_truncate(line, 0);
	format_event(line, log, type, wall_ns, fields);
}

/* One write; what a failed one left behind is taken back. */
static int write_line(struct cs_log *log, const struct cs_buf *line, struct cs_err *err)
{
	ssize_t n;

	if (log->broken)
		return cs_err_set(err, CS_MALFUNCTION, CS_LOG_FILE ": ends in a torn line");
	do {
		n = write(log->fd, line->data, line->len);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)line->len)
		return 0;
	if (n >= 0)
		errno = ENOSPC; /* a short write to a regular file: the disk, a quota or a limit */
	cs_err_sys(err, "write " CS_LOG_FILE);
	if (n > 0 && ftruncate(log->fd, log->size) < 0)
		log->broken = true;
	return CS_MALFUNCTION;
}

static int add_event(struct cs_log *log, const char *type, cJSON *fields, struct cs_err *err)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	int64_t now = cs_wall_ns();
	int rc;

	format_event(&line, log, type, now, fields);
	if (line.len > MAX_LINE || depth_of(&line) > MAX_DEPTH)
		format_oversized(&line, log, type, now);
	cs_buf_addc(&line, '\n');
	cs_fault("event-unwritten");
	rc = write_line(log, &line, err);
	cs_fault("event-written");
	if (rc < 0)
		return rc;
	chain_push(&log->chain, line.data, line.len - 1, now);
	log->size += (off_t)line.len;
	log->dirty = true;
	return 0;
}

/* ---- a full log ---- */

static bool has_room(const struct cs_log *log, const char *type)
{
	int64_t room = log->max - log->size;

	if (!strncmp(type, "run.", strlen("run.")))
		return true;
	return room > (!strcmp(type, "finding") || !strcmp(type, "limit") ? log->for_end
									   : log->for_findings);
}

static int say_full(struct cs_log *log, struct cs_err *err)
{
	cJSON *event = cJSON_CreateObject();

	cs_json_add_str(event, "kind", CS_LOG_FULL_KIND);
	cs_json_add_str(event, "path", "");
	cs_json_add_str(event, "detail", "events from here on are counted, and not written");
	return add_event(log, "finding", event, err);
}

void cs_log_set_max(struct cs_log *log, int64_t max_bytes)
{
	log->max = max_bytes;
	log->for_findings = max_bytes / 16;
	log->for_end = max_bytes / 32;
}

char *cs_log_full_detail(const struct cs_log *log)
{
	if (!log->unwritten)
		return NULL;
	return cs_asprintf("%lld events came after the log was full (%lld bytes): not written",
			   (long long)log->unwritten, (long long)log->max);
}

int cs_log_add(struct cs_log *log, const char *type, cJSON *fields, struct cs_err *err)
{
	if (has_room(log, type))
		return add_event(log, type, fields, err);
	cJSON_Delete(fields);
	return log->unwritten++ ? 0 : say_full(log, err);
}

int cs_log_sync(struct cs_log *log, struct cs_err *err)
{
	if (!log->dirty)
		return 0;
	if (fdatasync(log->fd) < 0)
		return cs_err_sys(err, "sync " CS_LOG_FILE);
	log->dirty = false;
	return 0;
}

/* ---- what is known of it ---- */

void cs_log_head(const struct cs_log *log, int64_t *events, char head[CS_SHA256_HEX])
{
	*events = log->chain.events;
	memcpy(head, log->chain.head, CS_SHA256_HEX);
}

char *cs_log_cut_detail(const struct cs_log *log)
{
	if (!log->cut)
		return NULL;
	return cs_asprintf("%lld bytes behind event %lld were not whole and were cut off",
			   (long long)log->cut, (long long)log->cut_after);
}

int64_t cs_log_last_ns(const struct cs_log *log)
{
	return log->found_ns;
}
