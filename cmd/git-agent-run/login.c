/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins that the agent refreshed while it ran: a token that was used up by the run would log the
 * operator out. What comes back is written by the agent, so it has to be the same file with other
 * values: JSON of the same shape, where the operator's own is still the one that was copied in.
 * Nothing of this is worth the run: what does not come back is told.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOGIN_MAX (1 << 20)

struct logins {
	size_t n;
	struct login {
		const char *path; /* below HOME; the profile's */
		bool copied;
		uint8_t digest[CS_SHA256_LEN];
	} list[];
};

/* A regular file of the run's HOME, which may be the agent's work by now: no link is followed. */
static int read_copy(struct cs_buf *out, const struct run *run, const char *path,
		     struct cs_err *err)
{
	AUTO_FREE char *inside = cs_asprintf("home/%s", path);
	AUTO_FD int fd = cs_open_beneath(run->dir.fd, inside, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return cs_err_set(err, CS_NOTFOUND, "not there");
	if (fd < 0 || fstat(fd, &st) < 0)
		return cs_err_sys(err, "open");
	if (!S_ISREG(st.st_mode))
		return cs_err_set(err, CS_REFUSED, "not a regular file any more");
	return cs_read_fd(out, fd, LOGIN_MAX, err);
}

int login_remember(struct run *run, struct cs_err *err)
{
	const struct cs_strv *paths = &run->profile.home_back;
	struct logins *l = cs_calloc(1, sizeof(*l) + paths->n * sizeof(*l->list));

	run->logins = l;
	for (size_t i = 0; i < paths->n; i++) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;
		struct login *one = &l->list[l->n++];
		int rc = read_copy(&text, run, paths->v[i], err);

		one->path = paths->v[i];
		if (rc == CS_NOTFOUND)
			continue;
		if (rc < 0)
			return cs_err_wrap(err, "~/%s", paths->v[i]);
		cs_sha256(one->digest, text.data, text.len);
		one->copied = true;
	}
	return 0;
}

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

static bool is_copied(const struct login *l, const struct cs_buf *text)
{
	uint8_t digest[CS_SHA256_LEN];

	cs_sha256(digest, text->data, text->len);
	return !memcmp(digest, l->digest, sizeof(digest));
}

/* The same file with other bytes: whose it is, and who may read it, stays. */
static int put(const struct run *run, const char *path, const struct stat *st,
	       const struct cs_buf *text, struct cs_err *err)
{
	AUTO_FREE char *tmp = cs_asprintf("%s.%.16s", path, run->dir.id);
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

/* Dotfiles are often links: the file that they lead to is replaced. */
static int replace(const struct run *run, const struct login *l, const struct cs_buf *theirs,
		   struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", run->operator.home, l->path);
	AUTO_FREE char *real = realpath(path, NULL);
	AUTO_BUF struct cs_buf ours = CS_BUF_INIT;
	struct stat st;
	int rc;

	if (!real || stat(real, &st) < 0)
		return cs_err_sys(err, "open");
	rc = cs_read_file(&ours, AT_FDCWD, real, LOGIN_MAX, err);
	if (rc < 0)
		return rc;
	if (!is_copied(l, &ours))
		return cs_err_set(err, CS_BUSY, "it changed outside, too: yours stays");
	rc = check_shape(&ours, theirs, err);
	return rc < 0 ? rc : put(run, real, &st, theirs, err);
}

static int give_back(struct run *run, const struct login *l, struct cs_err *err)
{
	AUTO_BUF struct cs_buf theirs = CS_BUF_INIT;
	cJSON *event;
	int rc = read_copy(&theirs, run, l->path, err);

	if (rc < 0 || is_copied(l, &theirs))
		return rc == CS_NOTFOUND ? 0 : rc;
	rc = replace(run, l, &theirs, err);
	if (rc < 0)
		return rc;
	event = cJSON_CreateObject();
	cs_json_add_str(event, "path", l->path);
	note("~/%s: the agent refreshed this login, it is copied back", l->path);
	return cs_log_add(run->log, "home.back", event, err);
}

void login_return(struct run *run)
{
	for (size_t i = 0; run->logins && i < run->logins->n; i++) {
		const struct login *l = &run->logins->list[i];
		struct cs_err err = CS_ERR_INIT;

		if (l->copied && give_back(run, l, &err) < 0)
			note("~/%s is not copied back: %s", l->path, err.msg);
	}
}
