/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git's index file (gitformat-index(5)), versions 2 and 3, as git itself has just written it for
 * us: read entry by entry, stat data patched in place, written with a new checksum. Extensions
 * are carried along.
 *
 * Patching saves a second reading of all files: after their times have been set, git would take
 * each for modified and compare its content.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <openssl/sha.h>

#define HEADER_LEN    12
#define STAT_LEN      40 /* ctime, mtime (seconds, nanoseconds), dev, ino, mode, uid, gid, size */
#define MODE_AT	      24
#define OID_LEN	      20
#define ENTRY_LEN     (STAT_LEN + OID_LEN + 2)
#define EXTENDED      0x4000
#define NAME_MASK     0x0fff
#define SKIP_WORKTREE 0x4000 /* in the second flag word */

static uint32_t get32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static uint16_t get16(const char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return ntohs(v);
}

static void put32(char *p, uint64_t value)
{
	uint32_t v = htonl((uint32_t)value); /* the format keeps the low 32 bits */

	memcpy(p, &v, sizeof(v));
}

static int corrupt(struct cs_err *err, const char *what)
{
	return cs_err_set(err, CS_CORRUPT, "index: %s", what);
}

int cs_wt_index_load(struct cs_wt_index *ix, int dir_fd, const char *path, struct cs_err *err)
{
	int rc;

	cs_buf_truncate(&ix->file, 0);
	rc = cs_read_file(&ix->file, dir_fd, path, CS_WT_LARGE, err);
	if (rc < 0)
		return rc;
	if (ix->file.len < HEADER_LEN + SHA_DIGEST_LENGTH || memcmp(ix->file.data, "DIRC", 4) != 0)
		return corrupt(err, "not an index");
	ix->version = get32(ix->file.data + 4);
	if (ix->version != 2 && ix->version != 3)
		return corrupt(err, "unexpected version");
	ix->count = ix->left = get32(ix->file.data + 8);
	ix->at = HEADER_LEN;
	return 0;
}

int cs_wt_index_next(struct cs_wt_entry *e, struct cs_wt_index *ix, struct cs_err *err)
{
	size_t end = ix->file.len - SHA_DIGEST_LENGTH;
	char *p = ix->file.data + ix->at;
	size_t head = ENTRY_LEN;
	uint16_t flags;

	if (ix->left == 0)
		return 0;
	if (end - ix->at < ENTRY_LEN + 2)
		return corrupt(err, "cut off");
	flags = get16(p + STAT_LEN + OID_LEN);
	if (flags & EXTENDED)
		head += 2;
	e->path = p + head;
	e->len = strnlen(e->path, end - ix->at - head);
	if (e->len == 0 || ix->at + head + e->len >= end)
		return corrupt(err, "cut off");
	if ((flags & NAME_MASK) != NAME_MASK && e->len != (flags & NAME_MASK))
		return corrupt(err, "a length that does not agree");
	e->mode = get32(p + MODE_AT);
	e->absent = (flags & EXTENDED) && (get16(p + ENTRY_LEN) & SKIP_WORKTREE);
	e->stat = p;
	/* One to eight NULs up to a multiple of eight. */
	ix->at += (head + e->len + 8) & ~(size_t)7;
	if (ix->at > end)
		return corrupt(err, "cut off");
	ix->left--;
	return 1;
}

void cs_wt_entry_set_stat(struct cs_wt_entry *e, const struct stat *st)
{
	put32(e->stat, (uint64_t)st->st_ctim.tv_sec);
	put32(e->stat + 4, (uint64_t)st->st_ctim.tv_nsec);
	put32(e->stat + 8, (uint64_t)st->st_mtim.tv_sec);
	put32(e->stat + 12, (uint64_t)st->st_mtim.tv_nsec);
	put32(e->stat + 16, st->st_dev);
	put32(e->stat + 20, st->st_ino);
	put32(e->stat + 28, st->st_uid);
	put32(e->stat + 32, st->st_gid);
	put32(e->stat + 36, (uint64_t)st->st_size);
}

bool cs_wt_entry_is(const struct cs_wt_entry *e, const struct stat *st)
{
	const mode_t type = e->mode == CS_MODE_LINK ? S_IFLNK : S_IFREG;
	const mode_t bits = S_IRUSR | S_IWUSR | (e->mode == CS_MODE_EXEC ? S_IXUSR : 0);
	const mode_t looked_at =
		S_IRWXU | S_ISUID | S_ISGID | S_ISVTX; /* the rest goes by the umask */

	return (st->st_mode & S_IFMT) == type && get32(e->stat + 36) == (uint32_t)st->st_size &&
	       get32(e->stat + 8) == (uint32_t)st->st_mtim.tv_sec &&
	       (type == S_IFLNK || (st->st_mode & looked_at) == bits);
}

int cs_wt_index_filter(struct cs_wt_index *ix, bool (*keep)(void *arg, const struct cs_wt_entry *e),
		       void *arg, struct cs_err *err)
{
	struct cs_wt_entry e;
	size_t end = HEADER_LEN;
	uint32_t kept = 0;
	int rc;

	while ((rc = cs_wt_index_next(&e, ix, err)) > 0) {
		const size_t len = (size_t)(ix->file.data + ix->at - e.stat);

		if (!keep(arg, &e))
			continue;
		memmove(ix->file.data + end, e.stat, len);
		end += len;
		kept++;
	}
	if (rc < 0)
		return rc;
	/* Extensions speak of the whole list. The place of the checksum stays. */
	cs_buf_truncate(&ix->file, end + SHA_DIGEST_LENGTH);
	put32(ix->file.data + 8, kept);
	ix->count = ix->left = kept;
	ix->at = HEADER_LEN;
	return 0;
}

int cs_wt_index_store(struct cs_wt_index *ix, int dir_fd, const char *path,
		      const struct cs_wt_owner *owner, struct cs_err *err)
{
	size_t body = ix->file.len - SHA_DIGEST_LENGTH;

	SHA1((const unsigned char *)ix->file.data, body, (unsigned char *)ix->file.data + body);
	return cs_wt_put(dir_fd, path, ix->file.data, ix->file.len, owner, err);
}

void cs_wt_index_release(struct cs_wt_index *ix)
{
	cs_buf_release(&ix->file);
}

int cs_wt_new_dirs(const char *prev, const char *path,
		   int (*fn)(void *arg, const char *dir, struct cs_err *err), void *arg,
		   struct cs_err *err)
{
	size_t common = 0; /* length of the shared leading directories, with their slash */
	const char *slash;

	for (size_t i = 0; prev[i] && prev[i] == path[i]; i++)
		if (path[i] == '/')
			common = i + 1;
	for (slash = strchr(path + common, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO_FREE char *dir = cs_strndup(path, (size_t)(slash - path));
		int rc = fn(arg, dir, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}
