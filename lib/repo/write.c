/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing single objects and making them durable. Objects are written without fsync; one syncfs
 * before the reference that needs them makes all of them durable: a thousand times cheaper than
 * an fsync each, and until the reference is there nobody misses one.
 */
#include "internal.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* git's adjust_shared_perm(): the mode that core.sharedRepository gives to a file or directory. */
static mode_t shared_mode(int shared, mode_t mode)
{
	mode_t add = (mode_t)(shared < 0 ? -shared : shared);

	if (!(mode & S_IWUSR))
		add &= ~(mode_t)0222;
	if (mode & S_IXUSR)
		add |= (add & 0444) >> 2;
	mode = shared < 0 ? (mode & ~(mode_t)0777) | add : mode | add;
	if (S_ISDIR(mode)) {
		mode |= (mode & 0444) >> 2;
		if (mode & 0060)
			mode |= S_ISGID;
	}
	return mode & 07777;
}

static void share_path(int shared, const char *path)
{
	struct stat st;

	/* Another user's file has been shared by its owner; we could not change it either. */
	if (lstat(path, &st) == 0 && st.st_uid == geteuid() &&
	    shared_mode(shared, st.st_mode) != (st.st_mode & 07777))
		(void)!chmod(path, shared_mode(shared, st.st_mode));
}

/* One name below the git directory. No link is followed: its owner may be at work there. */
static void give_name(int common_fd, const char *path, const struct stat *owner)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = slash ? cs_strndup(path, (size_t)(slash - path)) : cs_strdup(".");
	const char *name = slash ? slash + 1 : path;
	AUTO_FD int fd = cs_opendir_beneath(common_fd, parent);
	struct stat st;

	if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != 0)
		return;
	if (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink == 1))
		(void)!fchownat(fd, name, owner->st_uid, owner->st_gid, AT_SYMLINK_NOFOLLOW);
}

void cs_give_back(const struct cs_repo *repo, const char *path)
{
	AUTO_FREE char *at = cs_strdup(path);
	AUTO_FD int fd = -1;
	struct stat owner;
	char *slash;

	if (geteuid() != 0 || stat(repo->common_dir, &owner) < 0 || owner.st_uid == 0)
		return;
	fd = open(repo->common_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	give_name(fd, at, &owner);
	while ((slash = strrchr(at, '/'))) {
		*slash = '\0';
		give_name(fd, at, &owner);
	}
}

void cs_share_object(const struct cs_repo *repo, const struct cs_oid *oid)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *below = NULL;
	char hex[CS_OID_HEX];

	cs_oid_hex(hex, oid);
	below = cs_asprintf("objects/%.2s/%s", hex, hex + 2);
	cs_give_back(repo, below);
	if (!repo->shared)
		return;
	path = cs_asprintf("%s/%.2s/%s", repo->object_dirs.v[0], hex, hex + 2);
	share_path(repo->shared, path);
	*strrchr(path, '/') = '\0';
	share_path(repo->shared, path);
}

int cs_repo_write(struct cs_oid *out, struct cs_repo *repo, enum cs_object_type type,
		  const void *data, size_t len, struct cs_err *err)
{
	const int git_type = cs_type_to_git(type);
	git_oid id;
	int rc;

	rc = cs_check_writable(repo, err);
	if (rc < 0)
		return rc;
	if (git_type == GIT_OBJECT_INVALID)
		return cs_err_set(err, CS_USAGE, "write an object of no type");
	rc = git_odb_write(&id, repo->odb, data, len, git_type);
	if (rc < 0)
		return cs_err_git(err, rc, "write a %s", cs_type_name(type));
	cs_from_git_oid(out, &id);
	cs_share_object(repo, out);
	return 0;
}

int cs_repo_sync(struct cs_repo *repo, struct cs_err *err)
{
	const char *dir = repo->object_dirs.v[0];
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return cs_err_sys(err, "sync %s", dir);
	return 0;
}

/* ---- commits ---- */

/* Characters that git takes away from both ends of a name (ident.c, crud()). */
static bool is_crud(char c)
{
	return (unsigned char)c <= ' ' || strchr(".,:;<>\"\\'", c);
}

/* A name or address as it may stand in a commit; the caller frees. */
static char *clean(const char *s)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	size_t len;

	while (*s && is_crud(*s))
		s++;
	len = strlen(s);
	while (len && is_crud(s[len - 1]))
		len--;
	for (size_t i = 0; i < len; i++)
		if (s[i] != '<' && s[i] != '>' && !iscntrl((unsigned char)s[i]))
			cs_buf_addc(&b, s[i]);
	return cs_buf_take(&b);
}

static int add_person(struct cs_buf *out, const char *role, const char *name, const char *email,
		      int64_t time, struct cs_err *err)
{
	AUTO_FREE char *n = clean(name);
	AUTO_FREE char *e = clean(email);

	if (!*n)
		return cs_err_set(err, CS_USAGE, "the name of the %s is empty", role);
	cs_buf_addf(out, "%s %s <%s> %lld +0000\n", role, n, e, (long long)time);
	return 0;
}

/* The object exists and is of this type. */
static int check_object(const struct cs_repo *repo, const struct cs_oid *oid,
			enum cs_object_type type, struct cs_err *err)
{
	enum cs_object_type found;
	char hex[CS_OID_HEX];
	uint64_t size;
	int rc = cs_repo_object_info(&found, &size, repo, oid, err);

	if (rc == 0 && found != type)
		rc = cs_err_set(err, CS_USAGE, "object %s is a %s, not a %s", cs_oid_hex(hex, oid),
				cs_type_name(found), cs_type_name(type));
	return rc;
}

int cs_repo_write_commit(struct cs_oid *out, struct cs_repo *repo, const struct cs_new_commit *c,
			 struct cs_err *err)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	const size_t len = strlen(c->message);
	char hex[CS_OID_HEX];
	int rc = check_object(repo, &c->tree, CS_OBJ_TREE, err);

	cs_buf_addf(&b, "tree %s\n", cs_oid_hex(hex, &c->tree));
	for (size_t i = 0; rc == 0 && i < c->n_parents; i++) {
		rc = check_object(repo, &c->parents[i], CS_OBJ_COMMIT, err);
		cs_buf_addf(&b, "parent %s\n", cs_oid_hex(hex, &c->parents[i]));
	}
	if (rc == 0)
		rc = add_person(&b, "author", c->author_name, c->author_email, c->time, err);
	if (rc == 0)
		rc = add_person(&b, "committer", c->committer_name, c->committer_email, c->time,
				err);
	if (rc < 0)
		return cs_err_wrap(err, "write a commit");
	cs_buf_addc(&b, '\n');
	cs_buf_add(&b, c->message, len);
	if (!len || c->message[len - 1] != '\n')
		cs_buf_addc(&b, '\n');
	return cs_repo_write(out, repo, CS_OBJ_COMMIT, b.data, b.len, err);
}
