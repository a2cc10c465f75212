/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins that the agent refreshed while it ran: a token that was used up by the run would log the
 * operator out. What comes back is written by the agent, so it has to be the same file with other
 * values: JSON of the same shape, where the operator's own is still the one that was copied in.
 * Nothing of this is worth the run: what does not come back is told.
 *
 * What was copied in stands in the run's directory, so that whoever recovers a run whose supervisor
 * was killed can still do it. The list says which files of HOME are written to; it is believed only
 * where the one who writes has made it, for the directory may belong to somebody else (the user of
 * the repository that root works in).
 */
#include "record_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST	  "logins" /* "<SHA-256>  <path>", a line each, as sha256sum(1) */
#define LIST_MAX  (1 << 16)
#define LOGIN_MAX (1 << 20)

struct returning {
	const struct cs_run_dir *dir;
	const char *home;
};

/* A regular file of the run's HOME, which may be the agent's work by now: no link is followed. */
static int read_copy(struct cs_buf *out, const struct cs_run_dir *dir, const char *path,
		     struct cs_err *err)
{
	AUTO_FREE char *inside = cs_asprintf("home/%s", path);
	AUTO_FD int fd = cs_open_beneath(dir->fd, inside, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return cs_err_set(err, CS_NOTFOUND, "not there");
	if (fd < 0 || fstat(fd, &st) < 0)
		return cs_err_sys(err, "open");
	if (!S_ISREG(st.st_mode))
		return cs_err_set(err, CS_REFUSED, "not a regular file any more");
	return cs_read_fd(out, fd, LOGIN_MAX, err);
}

static void digest_of(char hex[CS_SHA256_HEX], const struct cs_buf *text)
{
	uint8_t digest[CS_SHA256_LEN];

	cs_sha256(digest, text->data, text->len);
	cs_hex(hex, digest, sizeof(digest));
}

int cs_run_remember_logins(const struct cs_run_dir *dir, const struct cs_strv *paths,
			   struct cs_err *err)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;

	for (size_t i = 0; i < paths->n; i++) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;
		char hex[CS_SHA256_HEX];
		int rc = read_copy(&text, dir, paths->v[i], err);

		if (rc == CS_NOTFOUND)
			continue;
		if (rc < 0)
			return cs_err_wrap(err, "~/%s", paths->v[i]);
		digest_of(hex, &text);
		cs_buf_addf(&list, "%s  %s\n", hex, paths->v[i]);
	}
	return list.len ? cs_write_file(dir->fd, LIST, list.data, list.len, 0600, err) : 0;
}

/* ---- and back ---- */

/* Values may differ, a null may be filled or emptied; no key comes or goes. */
static bool same_shape(const cJSON *a, const cJSON *b)
{
	const bool scalar[2] = { cJSON_IsString(a) || cJSON_IsNull(a),
				 cJSON_IsString(b) || cJSON_IsNull(b) };
	const cJSON *x, *y;

	if (scalar[0] || scalar[1])
		return scalar[0] && scalar[1];
	if (cJSON_IsBool(a) && cJSON_IsBool(b))
		return true;
	if ((a->type & 0xff) != (b->type & 0xff))
		return false;
	for (x = a->child, y = b->child; x && y; x = x->next, y = y->next) {
		const cJSON *other =
			cJSON_IsObject(a) ? cJSON_GetObjectItemCaseSensitive(b, x->string) : y;

		if (!other || !same_shape(x, other))
			return false;
	}
	return !x && !y;
}

static int check_shape(const struct cs_buf *ours, const struct cs_buf *theirs, struct cs_err *err)
{
	AUTO_JSON cJSON *a = NULL;
	AUTO_JSON cJSON *b = NULL;

	if (cs_json_parse(&a, ours->data, ours->len, NULL) < 0 ||
	    cs_json_parse(&b, theirs->data, theirs->len, NULL) < 0 || !same_shape(a, b))
		return cs_err_set(err, CS_REFUSED,
				  "the agent changed more in it than values: log in again outside");
	return 0;
}

/* The same file with other bytes: whose it is, and who may read it, stays. */
static int put(const struct returning *r, const char *path, const struct stat *st,
	       const struct cs_buf *text, struct cs_err *err)
{
	AUTO_FREE char *tmp = cs_asprintf("%s.%.16s", path, r->dir->id);
	AUTO_FD int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return cs_err_sys(err, "create %s", tmp);
	if (fchown(fd, st->st_uid, st->st_gid) == 0 && fchmod(fd, st->st_mode & 0777) == 0 &&
	    cs_write_all(fd, text->data, text->len) == 0 && fsync(fd) == 0 &&
	    close(cs_steal_fd(&fd)) == 0 && rename(tmp, path) == 0)
		return 0;
	cs_err_sys(err, "write %s", path);
	unlink(tmp);
	return err->code;
}

/* Dotfiles are often links: the file that they lead to is replaced. 1; 0 where there is nothing to do. */
static int give_back(const struct returning *r, const char *path, const char *digest,
		     struct cs_err *err)
{
	AUTO_FREE char *outside = cs_asprintf("%s/%s", r->home, path);
	AUTO_FREE char *real = realpath(outside, NULL);
	AUTO_BUF struct cs_buf ours = CS_BUF_INIT;
	AUTO_BUF struct cs_buf theirs = CS_BUF_INIT;
	char hex[CS_SHA256_HEX];
	struct stat st;
	int rc = read_copy(&theirs, r->dir, path, err);

	if (rc < 0)
		return rc == CS_NOTFOUND ? 0 : rc;
	digest_of(hex, &theirs);
	if (!strcmp(hex, digest))
		return 0;
	if (!real || stat(real, &st) < 0)
		return cs_err_sys(err, "open");
	rc = cs_read_file(&ours, AT_FDCWD, real, LOGIN_MAX, err);
	if (rc < 0)
		return rc;
	if (ours.len == theirs.len && !memcmp(ours.data, theirs.data, ours.len))
		return 0; /* back already */
	digest_of(hex, &ours);
	if (strcmp(hex, digest) != 0)
		return cs_err_set(err, CS_BUSY, "it changed outside, too: yours stays");
	rc = check_shape(&ours, &theirs, err);
	if (rc == 0)
		rc = put(r, real, &st, &theirs, err);
	return rc < 0 ? rc : 1;
}

/* 1, 0 where there is none, or a failure. */
static int read_list(struct cs_buf *list, const struct cs_run_dir *dir, struct cs_err *err)
{
	AUTO_FD int fd = cs_open_beneath(dir->fd, LIST, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	int rc;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return cs_err_sys(err, "open " LIST);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		return cs_err_set(err, CS_REFUSED, "user %u made the list of them", st.st_uid);
	rc = cs_read_fd(list, fd, LIST_MAX, err);
	return rc < 0 ? rc : 1;
}

static bool parse_line(const char **digest, const char **path, char *line)
{
	const size_t hex = CS_SHA256_HEX - 1;

	if (strspn(line, "0123456789abcdef") != hex || strncmp(line + hex, "  ", 2) != 0)
		return false;
	line[hex] = '\0';
	*digest = line;
	*path = line + hex + 2;
	return **path != '\0';
}

void cs_run_return_logins(const struct cs_run_dir *dir, const char *home, cs_login_fn *told,
			  void *arg)
{
	const struct returning r = { dir, home };
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	const char *digest, *path;
	int rc = read_list(&list, dir, &err);

	if (rc < 0)
		told(arg, "(logins)", &err);
	for (char *rest = list.data, *line; rc > 0 && (line = strsep(&rest, "\n"));) {
		if (!*line)
			continue;
		if (!parse_line(&digest, &path, line)) {
			cs_err_set(&err, CS_CORRUPT, LIST " is damaged");
			told(arg, line, &err);
			return;
		}
		rc = give_back(&r, path, digest, &err);
		if (rc != 0)
			told(arg, path, rc < 0 ? &err : NULL);
		rc = 1;
	}
}
