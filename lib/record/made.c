/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs made, so that the gate can ask cheaply: <common dir>/agent-run/made, records of one
 * size, only ever appended to. Theory of operation:
 *
 *	magic 4 | kind 1 | id length 1 | id 32 | run 16 | 0 0 | check 8		64 bytes
 *
 * check is a checksum of what stands before it. A run's records are one write to
 * a file opened with O_APPEND, so two runs that end together do not mix; a write that was cut off
 * (full disk, power) leaves a piece of a record, after which nothing is where it should be: a
 * reader that meets bytes that are no record goes on byte by byte until they are one again. Reading
 * streams the file once, whatever is asked.
 *
 * The file holds hints. Losing it, or a record, loses hints and nothing else: runs themselves are
 * references, and trailers and notes speak too. So a failure to append is no failure of the run.
 */
#include "countersign/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD	  64
#define CHECK_AT  56
#define RUN_AT	  38
#define CHUNK	  ((size_t)1 << 20)
#define BLOB_MIN  128
#define BLOBS_MAX 100000
static const uint8_t magic[4] = { 'c', 's', 'm', '1' };

enum kind { KIND_COMMIT = 1, KIND_TREE, KIND_BLOB };

/* Against accidents, not against people: the file is the user's own. FNV-1a by words. */
static uint64_t check_of(const uint8_t *record)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < CHECK_AT; i += sizeof(h)) {
		uint64_t word;

		memcpy(&word, record + i, sizeof(word));
		h = (h ^ word) * UINT64_C(0x100000001b3);
		h ^= h >> 29;
	}
	return h;
}

static void add_record(struct cs_buf *out, enum kind kind, const struct cs_oid *oid,
		       const uint8_t run[16])
{
	uint8_t r[RECORD] = { 0 };
	uint64_t check;

	if (!oid->len)
		return;
	memcpy(r, magic, sizeof(magic));
	r[4] = (uint8_t)kind;
	r[5] = oid->len;
	memcpy(r + 6, oid->bytes, oid->len);
	memcpy(r + RUN_AT, run, 16);
	check = check_of(r);
	memcpy(r + CHECK_AT, &check, sizeof(check));
	cs_buf_add(out, r, sizeof(r));
}

static int append(const struct cs_repo *repo, const struct cs_buf *records, struct cs_err *err)
{
	AUTO_FREE char *state = cs_state_path(repo);
	AUTO_FREE char *path = cs_asprintf("%s/made", state);
	AUTO_FD int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return cs_err_sys(err, "open %s", path);
	/* Root records in a repository of somebody else: he must be able to go on there. */
	if (geteuid() == 0 && stat(state, &st) == 0 && st.st_uid != 0 &&
	    fchown(fd, st.st_uid, st.st_gid) < 0)
		return cs_err_sys(err, "give away %s", path);
	do
		n = write(fd, records->data, records->len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return cs_err_sys(err, "write %s", path);
	if ((size_t)n != records->len)
		return cs_err_set(err, CS_MALFUNCTION, "%s: written in part", path);
	return 0;
}

int cs_made_add(const struct cs_repo *repo, const char *run, const struct cs_oid *base_tree,
		const struct cs_oid *commit, const struct cs_oid *tree, struct cs_err *err)
{
	AUTO_BUF struct cs_buf records = CS_BUF_INIT;
	struct cs_change change = CS_CHANGE_INIT;
	uint8_t id[16];
	int rc;

	if (cs_unhex(id, sizeof(id), run) < 0)
		return cs_err_set(err, CS_USAGE, "not the id of a run");
	add_record(&records, KIND_COMMIT, commit, id);
	add_record(&records, KIND_TREE, tree, id);
	rc = cs_change_between(&change, repo, base_tree, tree, false, err);
	for (size_t i = 0; rc == 0 && i < change.n && i < BLOBS_MAX; i++) {
		const struct cs_side *after = &change.list[i].after;
		enum cs_object_type type = CS_OBJ_NONE;
		uint64_t size = 0;

		/* A mode alone is not made; a submodule's commit is not in this store. */
		if (!S_ISREG(after->mode) || cs_oid_equal(&after->oid, &change.list[i].before.oid))
			continue;
		rc = cs_repo_object_info(&type, &size, repo, &after->oid, err);
		if (rc == 0 && size >= BLOB_MIN)
			add_record(&records, KIND_BLOB, &after->oid, id);
	}
	cs_change_release(&change);
	return rc < 0 ? rc : append(repo, &records, err);
}

/* ---- looking up ---- */

/* The ids that are asked for, by their first bytes: open addressing, at most half full. */
struct table {
	struct cs_made *list;
	size_t *slots; /* index + 1; 0: free */
	size_t cap;
};

static size_t *slot_of(const struct table *t, const uint8_t *id, size_t len)
{
	size_t at;

	memcpy(&at, id, sizeof(at));
	at &= t->cap - 1;
	while (t->slots[at]) {
		const struct cs_oid *oid = &t->list[t->slots[at] - 1].oid;

		if (oid->len == len && !memcmp(oid->bytes, id, len))
			break;
		at = (at + 1) & (t->cap - 1);
	}
	return &t->slots[at];
}

static bool is_begun(const uint8_t *r)
{
	return memcmp(r, magic, sizeof(magic)) == 0 && r[4] >= KIND_COMMIT && r[4] <= KIND_BLOB &&
	       (r[5] == 20 || r[5] == 32);
}

static bool is_whole(const uint8_t *r)
{
	uint64_t check;

	memcpy(&check, r + CHECK_AT, sizeof(check));
	return check == check_of(r);
}

/*
 * Where another one begins right behind it, no piece of it is missing: the sum of most records need
 * not be taken. It is of one that is used.
 */
static bool is_record(const uint8_t *r, size_t len)
{
	return is_begun(r) && ((len >= 2 * RECORD && is_begun(r + RECORD)) || is_whole(r));
}

/* Of several runs that made a thing, the last one is told. */
static void use_record(struct table *t, const uint8_t *r)
{
	const size_t at = *slot_of(t, r + 6, r[5]);

	if (at && is_whole(r))
		cs_hex(t->list[at - 1].run, r + RUN_AT, 16);
}

/* Whole records at the front of the bytes; returns how many bytes were used. */
static size_t use_bytes(struct table *t, const uint8_t *bytes, size_t len)
{
	size_t at = 0;

	while (len - at >= RECORD) {
		if (is_record(bytes + at, len - at)) {
			use_record(t, bytes + at);
			at += RECORD;
		} else {
			at++;
		}
	}
	return at;
}

static int stream(struct table *t, int fd, struct cs_err *err)
{
	AUTO_FREE uint8_t *chunk = cs_malloc(CHUNK);
	size_t kept = 0;
	ssize_t n;

	for (;;) {
		size_t used;

		n = read(fd, chunk + kept, CHUNK - kept);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		kept += (size_t)n;
		used = use_bytes(t, chunk, kept);
		memmove(chunk, chunk + used, kept - used);
		kept -= used;
	}
	return n < 0 ? cs_err_sys(err, "read what runs made") : 0;
}

int cs_made_find(const struct cs_repo *repo, struct cs_made *list, size_t n, struct cs_err *err)
{
	AUTO_FREE char *state = cs_state_path(repo);
	AUTO_FREE char *path = cs_asprintf("%s/made", state);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_FREE size_t *slots = NULL;
	struct table t = { .list = list, .cap = 64 };

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return cs_err_sys(err, "open %s", path);
	while (t.cap < 2 * n)
		t.cap *= 2;
	slots = cs_calloc(t.cap, sizeof(*slots));
	t.slots = slots;
	for (size_t i = 0; i < n; i++)
		if (list[i].oid.len)
			*slot_of(&t, list[i].oid.bytes, list[i].oid.len) = i + 1;
	return stream(&t, fd, err);
}
