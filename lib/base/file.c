/* SPDX-License-Identifier: Apache-2.0 */
/* Opening beneath a directory, whole files in and out, descriptors over sockets. */
#include "countersign/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "countersign/base/hash.h"
#include "countersign/base/own.h"

#define SEND_MAX_FDS   64
#define KERNEL_MAX_FDS 253 /* SCM_MAX_FD: what one message can carry */
#define READ_STEP      65536

/* A concurrent rename lets openat2 answer EAGAIN when it meets ".."; git retries as well. */
#define BENEATH_TRIES 64

static int open_beneath(int dir_fd, const char *path, int flags, mode_t mode, uint64_t more)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | more,
	};
	int tries = BENEATH_TRIES;
	long fd;

	/* openat2 answers EINVAL to a mode that it has no use for. */
	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		how.mode = mode & 07777;
	do {
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || (errno == EAGAIN && --tries > 0)));
	return (int)fd;
}

int cs_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	return open_beneath(dir_fd, path, flags, mode, 0);
}

int cs_opendir_beneath(int dir_fd, const char *path)
{
	return cs_open_beneath(dir_fd, path, O_DIRECTORY | O_RDONLY, 0);
}

int cs_opendir_on_mount(int dir_fd, const char *path)
{
	return open_beneath(dir_fd, path, O_DIRECTORY | O_RDONLY, 0, RESOLVE_NO_XDEV);
}

/* Makes and opens one directory of a path; a descriptor, or -1 with errno. */
static int enter(int dir_fd, const char *name, mode_t mode)
{
	if (mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
		return -1;
	return cs_open_beneath(dir_fd, name, O_PATH | O_DIRECTORY, 0);
}

int cs_mkdirs(int dir_fd, const char *path, mode_t mode, struct cs_err *err)
{
	AUTO_FREE char *copy = cs_strdup(path);
	AUTO_FD int fd = -1;
	char *rest = copy;
	char *name;

	if (*path == '/')
		return cs_err_set(err, CS_REFUSED, "make directory %s: not a relative path", path);
	while ((name = strsep(&rest, "/"))) {
		int next;

		if (!*name || !strcmp(name, "."))
			continue;
		if (!strcmp(name, ".."))
			return cs_err_set(err, CS_REFUSED, "make directory %s: '..' in it", path);
		next = enter(fd < 0 ? dir_fd : fd, name, mode);
		if (next < 0)
			return cs_err_sys(err, "make directory %s: %s", path, name);
		cs_close(&fd);
		fd = next;
	}
	return 0;
}

/* The size of a regular file, as a hint; 0 for all others. */
static size_t size_hint(int fd, size_t max)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return 0;
	/* One more, so that the end of file is met without asking for more memory. */
	return (size_t)st.st_size < max ? (size_t)st.st_size + 1 : max;
}

int cs_read_fd(struct cs_buf *out, int fd, size_t max, struct cs_err *err)
{
	size_t before = out->len;
	size_t hint = size_hint(fd, max);

	cs_buf_reserve(out, hint);
	for (;;) {
		size_t used = out->len - before;
		size_t left = max - used;
		char beyond;
		ssize_t n;

		if (left) {
			size_t room = hint > used ? hint - used : READ_STEP;

			room = room < left ? room : left;
			cs_buf_reserve(out, room);
			n = read(fd, out->data + out->len, room);
		} else {
			n = read(fd, &beyond, 1);
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return 0;
		if (n > 0 && left) {
			out->len += (size_t)n;
			out->data[out->len] = '\0';
			continue;
		}
		cs_buf_truncate(out, before);
		if (n < 0)
			return cs_err_sys(err, "read");
		return cs_err_set(err, CS_LIMIT, "more than %zu bytes", max);
	}
}

int cs_read_file(struct cs_buf *out, int dir_fd, const char *path, size_t max, struct cs_err *err)
{
	AUTO_FD int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0) {
		rc = errno == ENOENT ? CS_NOTFOUND : CS_MALFUNCTION;
		cs_err_sys(err, "open %s", path);
		if (err)
			err->code = rc;
		return rc;
	}
	rc = cs_read_fd(out, fd, max, err);
	if (rc < 0)
		cs_err_wrap(err, "%s", path);
	return rc;
}

int cs_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A name that nobody has, in the directory of path; the caller frees. */
static char *temporary_beside(const char *path)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash + 1 - path) : 0;
	uint8_t random[8];
	char hex[2 * sizeof(random) + 1];

	cs_random(random, sizeof(random));
	return cs_asprintf("%.*s.cs-%s", dir_len, path, cs_hex(hex, random, sizeof(random)));
}

int cs_write_file(int dir_fd, const char *path, const void *data, size_t len, mode_t mode,
		  struct cs_err *err)
{
	AUTO_FREE char *tmp = temporary_beside(path);
	AUTO_FD int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int saved;

	if (fd < 0)
		return cs_err_sys(err, "create %s", path);
	/* Some file systems report a full disk at close only: its answer counts. */
	if (cs_write_all(fd, data, len) == 0 && close(cs_steal_fd(&fd)) == 0 &&
	    renameat(dir_fd, tmp, dir_fd, path) == 0)
		return 0;
	saved = errno;
	unlinkat(dir_fd, tmp, 0); /* the first failure is the one to report */
	errno = saved;
	return cs_err_sys(err, "write %s", path);
}

int cs_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(SEND_MAX_FDS * sizeof(int))] = { 0 };
	const char *p = data;

	if (n > SEND_MAX_FDS || (n && !len)) {
		errno = EINVAL; /* descriptors travel with bytes only */
		return -1;
	}
	do {
		struct iovec iov = { .iov_base = (void *)p, .iov_len = len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t sent;

		if (n) {
			struct cmsghdr *c = (struct cmsghdr *)(void *)control;

			msg.msg_control = control;
			msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(n * sizeof(int));
			memcpy(CMSG_DATA(c), fds, n * sizeof(int));
		}
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -1;
		n = 0; /* a stream may take the rest later; the descriptors have gone */
		p += sent;
		len -= (size_t)sent;
	} while (len);
	return 0;
}

/* Moves the descriptors of one control message to fds while there is room; closes the others. */
static void take_fds(const struct cmsghdr *c, int *fds, size_t cap, size_t *n)
{
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (*n < cap)
			fds[(*n)++] = fd;
		else
			close(fd);
	}
}

ssize_t cs_recv_fds(int sock, void *data, size_t cap, int *fds, size_t *n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(KERNEL_MAX_FDS * sizeof(int)) + 64];
	struct iovec iov = { .iov_base = data, .iov_len = cap };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	size_t n = 0;
	ssize_t got;

	do {
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			take_fds(c, fds, *n_fds, &n);
	if (msg.msg_flags & MSG_TRUNC) {
		while (n)
			close(fds[--n]);
		errno = EMSGSIZE;
		return -1;
	}
	*n_fds = n;
	return got;
}

char *cs_config_path(const char *home, const char *xdg_config, const char *name)
{
	const char *slash = name ? "/" : "";

	name = name ? name : "";
	if (xdg_config && xdg_config[0] == '/')
		return cs_asprintf("%s/countersign%s%s", xdg_config, slash, name);
	if (home && home[0] == '/')
		return cs_asprintf("%s/.config/countersign%s%s", home, slash, name);
	return NULL;
}
