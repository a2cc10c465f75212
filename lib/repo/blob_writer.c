/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many blobs, in bounded memory.
 *
 * A small blob is held until it is complete; what the store has already is not written again (only
 * its time is renewed, so that no gc takes it away). Up to LOOSE_MAX announced blobs become loose
 * objects. More go, undeltified, into a spool that has no name, as entries of a pack; at the end it
 * gets the header and trailer of a pack and goes through `git index-pack`, which checks every byte
 * of it and puts it in place. A hundred thousand blobs take 5 s that way and one file instead of
 * 10 s and as many files. git does the last step and not libgit2 because libgit2 writes packs
 * through a mapping: a full disk is then a SIGBUS instead of an error.
 *
 * A blob larger than a chunk is streamed to a loose object in both cases.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <search.h>
#include <string.h>
#include <sys/wait.h>
#include <zlib.h>

#define LOOSE_MAX   200
#define CHUNK_MAX   (1u << 20)
#define PACK_HEADER 12
#define PACK_BLOB   3 /* the type's number in a pack entry (gitformat-pack(5)) */

struct cs_blob_writer {
	struct cs_repo *repo;
	bool to_pack;
	bool started; /* a blob is open */
	uint64_t size;
	uint64_t got;
	struct cs_buf content;	/* of a small one */
	git_odb_stream *stream; /* of a large one */
	int spool_fd;
	uint32_t n_spooled;
	void *spooled; /* tsearch(3) tree of the ids in the spool */
	struct cs_buf deflated;
	z_stream z;
	bool z_ready;
};

static int open_spool(struct cs_blob_writer *w, struct cs_err *err)
{
	const char *dir = w->repo->object_dirs.v[0];
	AUTO_FREE char *name = cs_asprintf("%s/tmp_obj_XXXXXX", dir); /* git's gc knows this name */

	w->spool_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (w->spool_fd < 0) {
		/* Some file systems cannot make a file without a name. */
		w->spool_fd = mkostemp(name, O_CLOEXEC);
		if (w->spool_fd >= 0)
			unlink(name);
	}
	if (w->spool_fd < 0 || lseek(w->spool_fd, PACK_HEADER, SEEK_SET) < 0)
		return cs_err_sys(err, "write objects in %s", dir);
	if (deflateInit(&w->z, Z_BEST_SPEED) != Z_OK)
		return cs_err_set(err, CS_MALFUNCTION, "write objects: zlib failed");
	w->z_ready = true;
	return 0;
}

int cs_blob_writer_new(struct cs_blob_writer **out, struct cs_repo *repo, uint32_t count,
		       struct cs_err *err)
{
	struct cs_blob_writer *w;
	int rc = cs_check_writable(repo, err);

	if (rc < 0)
		return rc;
	w = cs_calloc(1, sizeof(*w));
	w->repo = repo;
	w->spool_fd = -1;
	w->content = (struct cs_buf)CS_BUF_INIT;
	w->deflated = (struct cs_buf)CS_BUF_INIT;
	w->to_pack = count > LOOSE_MAX;
	if (w->to_pack)
		rc = open_spool(w, err);
	if (rc < 0) {
		cs_blob_writer_free(w);
		return rc;
	}
	*out = w;
	return 0;
}

static void drop_blob(struct cs_blob_writer *w)
{
	git_odb_stream_free(w->stream);
	w->stream = NULL;
	cs_buf_truncate(&w->content, 0);
	w->started = false;
	w->got = 0;
}

int cs_blob_writer_start(struct cs_blob_writer *w, uint64_t size, struct cs_err *err)
{
	int rc = 0;

	drop_blob(w);
	if (size > CHUNK_MAX)
		rc = git_odb_open_wstream(&w->stream, w->repo->odb, (git_object_size_t)size,
					  GIT_OBJECT_BLOB);
	if (rc < 0)
		return cs_err_git(err, rc, "write a blob");
	w->started = true;
	w->size = size;
	return 0;
}

int cs_blob_writer_data(struct cs_blob_writer *w, const void *data, size_t len, struct cs_err *err)
{
	int rc = 0;

	if (!w->started || len > w->size - w->got)
		return cs_err_set(err, CS_USAGE, "write a blob: more bytes than announced");
	w->got += len;
	if (w->stream)
		rc = git_odb_stream_write(w->stream, data, len);
	else
		cs_buf_add(&w->content, data, len);
	return rc < 0 ? cs_err_git(err, rc, "write a blob") : 0;
}

/* ---- the spool ---- */

static int compare_ids(const void *a, const void *b)
{
	return git_oid_cmp(a, b);
}

static bool is_spooled(const struct cs_blob_writer *w, const git_oid *id)
{
	return tfind(id, &w->spooled, compare_ids) != NULL;
}

static void remember(struct cs_blob_writer *w, const git_oid *id)
{
	git_oid *copy = cs_malloc(sizeof(*copy));

	*copy = *id;
	if (!tsearch(copy, &w->spooled, compare_ids))
		abort(); /* no memory, as in cs_malloc */
	w->n_spooled++;
}

/* Type and size of a pack entry: four bits of size, then seven a byte, low ones first. */
static void add_entry_header(struct cs_buf *out, size_t size)
{
	unsigned char c = (unsigned char)(PACK_BLOB << 4 | (size & 15));

	for (size >>= 4; size; size >>= 7) {
		cs_buf_addc(out, (char)(c | 0x80));
		c = size & 0x7f;
	}
	cs_buf_addc(out, (char)c);
}

static int spool(struct cs_blob_writer *w, struct cs_err *err)
{
	struct cs_buf *out = &w->deflated;
	uLong bound;

	cs_buf_truncate(out, 0);
	add_entry_header(out, w->content.len);
	deflateReset(&w->z);
	bound = deflateBound(&w->z, w->content.len);
	cs_buf_reserve(out, bound);
	w->z.next_in = (Bytef *)w->content.data;
	w->z.avail_in = (uInt)w->content.len;
	w->z.next_out = (Bytef *)out->data + out->len;
	w->z.avail_out = (uInt)bound;
	if (deflate(&w->z, Z_FINISH) != Z_STREAM_END)
		return cs_err_set(err, CS_MALFUNCTION, "write a blob: zlib failed");
	out->len += bound - w->z.avail_out;
	if (cs_write_all(w->spool_fd, out->data, out->len) < 0)
		return cs_err_sys(err, "write objects in %s", w->repo->object_dirs.v[0]);
	return 0;
}

static int end_small(git_oid *id, struct cs_blob_writer *w, struct cs_err *err)
{
	const struct cs_buf *c = &w->content;
	int rc;

	if (w->to_pack) {
		rc = git_odb_hash(id, c->data, c->len, GIT_OBJECT_BLOB);
		if (rc < 0)
			return cs_err_git(err, rc, "hash a blob");
		if (is_spooled(w, id))
			return 0;
		/* Without a look at the disk for each: the packs of others are known by now. */
		if (!git_odb_exists_ext(w->repo->odb, id, GIT_ODB_LOOKUP_NO_REFRESH)) {
			rc = spool(w, err);
			if (rc == 0)
				remember(w, id);
			return rc;
		}
	}
	rc = git_odb_write(id, w->repo->odb, c->data, c->len, GIT_OBJECT_BLOB);
	return rc < 0 ? cs_err_git(err, rc, "write a blob") : 0;
}

int cs_blob_writer_end(struct cs_oid *out, struct cs_blob_writer *w, struct cs_err *err)
{
	struct cs_oid oid;
	git_oid id;
	int rc;

	if (!w->started || w->got != w->size) {
		drop_blob(w);
		return cs_err_set(err, CS_USAGE, "write a blob: fewer bytes than announced");
	}
	if (w->stream) {
		rc = git_odb_stream_finalize_write(&id, w->stream);
		if (rc < 0)
			cs_err_git(err, rc, "write a blob");
	} else {
		rc = end_small(&id, w, err);
	}
	drop_blob(w);
	if (rc < 0)
		return rc;
	cs_from_git_oid(&oid, &id);
	cs_share_object(w->repo, &oid);
	*out = oid;
	return 0;
}

/* ---- the pack ---- */

/* The SHA-1 of all that is in the spool, read from its start; leaves the position at its end. */
static int hash_spool(unsigned char out[SHA_DIGEST_LENGTH], int fd)
{
	AUTO_FREE char *chunk = cs_malloc(CHUNK_MAX);
	SHA_CTX h;
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	SHA1_Init(&h);
	while ((n = read(fd, chunk, CHUNK_MAX)) > 0)
		SHA1_Update(&h, chunk, (size_t)n);
	SHA1_Final(out, &h);
	return n < 0 ? -1 : 0;
}

static int complete_pack(struct cs_blob_writer *w, struct cs_err *err)
{
	const uint32_t header[] = { htonl(0x5041434b), htonl(2), htonl(w->n_spooled) }; /* "PACK" */
	unsigned char trailer[SHA_DIGEST_LENGTH];

	_Static_assert(sizeof(header) == PACK_HEADER, "the header of a pack has 12 bytes");
	if (pwrite(w->spool_fd, header, sizeof(header), 0) != sizeof(header) ||
	    hash_spool(trailer, w->spool_fd) < 0 ||
	    cs_write_all(w->spool_fd, trailer, sizeof(trailer)) < 0 ||
	    lseek(w->spool_fd, 0, SEEK_SET) < 0)
		return cs_err_sys(err, "write objects in %s", w->repo->object_dirs.v[0]);
	return 0;
}

static int index_pack(struct cs_blob_writer *w, struct cs_err *err)
{
	const struct cs_git_call call = {
		.git_dir = w->repo->git_dir,
		.args = (const char *const[]){ "index-pack", "--stdin", NULL },
	};
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	int status;
	int rc = cs_git_run(NULL, &errout, &status, &call, w->spool_fd, err);

	if (rc == 0 && (!WIFEXITED(status) || WEXITSTATUS(status)))
		rc = cs_git_failed(&call, status, &errout, err);
	if (rc < 0)
		return rc;
	rc = git_odb_refresh(w->repo->odb);
	return rc < 0 ? cs_err_git(err, rc, "look for the new pack") : 0;
}

int cs_blob_writer_finish(struct cs_blob_writer *w, struct cs_err *err)
{
	int rc;

	drop_blob(w);
	if (!w->n_spooled)
		return 0;
	rc = complete_pack(w, err);
	if (rc == 0)
		rc = index_pack(w, err);
	w->n_spooled = 0;
	return rc;
}

void cs_blob_writer_free(struct cs_blob_writer *w)
{
	if (!w)
		return;
	drop_blob(w);
	if (w->z_ready)
		deflateEnd(&w->z);
	tdestroy(w->spooled, free);
	cs_close(&w->spool_fd);
	cs_buf_release(&w->content);
	cs_buf_release(&w->deflated);
	free(w);
}
