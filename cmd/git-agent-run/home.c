/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HOME that the agent sees: an empty directory of the run at HOME's own path, with
 *
 *	- the files that the profile names, copied (never shared: a refreshed login or a planted
 *	  configuration stays in the run),
 *	- toolchain directories, readable, with writes discarded, and the credential files that
 *	  lie in some of them covered.
 *
 * The operator's files are trusted; the copy is what the agent gets its hands on.
 */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_COPY_BYTES (256ull << 20)
#define MAX_COPY_FILES 50000
#define MAX_DEPTH      32

/* Where compilers, interpreters and installed commands live below HOME. */
static const char *const toolchains[] = {
	".nvm", ".fnm", ".local/share/fnm", ".volta", ".asdf", ".pyenv", ".rbenv", ".nodenv", ".goenv",
	".jenv", ".rustup", ".cargo", ".local/bin", ".local/lib", ".local/pipx",
	".local/share/mise", ".local/share/pnpm", ".local/share/pipx", ".local/share/uv", ".bun",
	".deno", "go/bin", "go/pkg", ".sdkman", ".npm-global", ".yarn/bin", ".ghcup", ".opam",
	".nix-profile", ".linuxbrew", "bin",
};

static const char *const masked[] = {
	".cargo/credentials", ".cargo/credentials.toml", ".local/share/pnpm/auth.ini",
	".local/share/uv/credentials",
};

bool home_is_visible(const struct run *run, const char *path)
{
	static const char *const system_dirs[] = { "/usr", "/bin", "/sbin", "/lib", "/lib64",
						   "/opt", "/nix", "/gnu" };
	size_t home_len = strlen(run->operator.home);

	for (size_t i = 0; i < CS_COUNT(system_dirs); i++) {
		size_t n = strlen(system_dirs[i]);
		if (!strncmp(path, system_dirs[i], n) && (path[n] == '/' || !path[n]))
			return true;
	}
	if (strncmp(path, run->operator.home, home_len) || path[home_len] != '/')
		return false;
	for (size_t i = 0; i < CS_COUNT(toolchains); i++) {
		size_t n = strlen(toolchains[i]);
		const char *rest = path + home_len + 1;
		if (!strncmp(rest, toolchains[i], n) && (rest[n] == '/' || !rest[n]))
			return true;
	}
	return false;
}

void home_mounts(struct run *run)
{
	const char *home = run->operator.home;
	int n = 0;

	for (size_t i = 0; i < CS_COUNT(toolchains); i++) {
		AUTO_FREE char *dir = cs_asprintf("%s/%s", home, toolchains[i]);
		struct stat st;
		if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (!run->overlay) {
			cs_plan_mount(&run->plan, CS_MOUNT_RO, dir, dir, NULL);
			continue;
		}
		struct cs_mount *m = cs_plan_mount(&run->plan, CS_MOUNT_OVERLAY, dir, dir, NULL);
		m->upper = cs_asprintf("%s/tools/%d/upper", run->dir.path, n);
		m->work = cs_asprintf("%s/tools/%d/work", run->dir.path, n);
		n++;
		cs_strv_add(&run->plan.writable, dir);
	}
	for (size_t i = 0; i < CS_COUNT(masked); i++) {
		AUTO_FREE char *path = cs_asprintf("%s/%s", home, masked[i]);
		cs_plan_mount(&run->plan, CS_MOUNT_MASK, NULL, path, NULL);
	}
}

struct copy {
	struct run *run;
	/*
	 * From the operator's HOME: links are followed, dotfiles often are some. Else from a run
	 * before: what is there stays, or a login of then would come over the operator's of now.
	 */
	bool links;
	uint64_t left;	/* bytes */
	uint32_t files; /* and directories, so far */
};

static int give(struct copy *c, int fd, struct cs_err *err)
{
	if (c->run->operator.root &&
	    fchown(fd, c->run->operator.uid, c->run->operator.gid) < 0)
		return cs_err_sys(err, "give a copy to uid %u", c->run->operator.uid);
	return 0;
}

static int copy_file(struct copy *c, int src, int dst_dir, const char *name, const struct stat *st,
		     struct cs_err *err)
{
	AUTO_FD int dst = openat(dst_dir, name,
				 O_WRONLY | O_CREAT | (c->links ? O_TRUNC : O_EXCL) | O_NOFOLLOW |
					 O_CLOEXEC,
				 (st->st_mode & 0700) | 0600);
	if (dst < 0 && errno == EEXIST && !c->links)
		return 0;
	if (dst < 0)
		return cs_err_sys(err, "make %s", name);
	if ((uint64_t)st->st_size > c->left)
		return cs_err_set(err, CS_LIMIT, "%s: more than 256 MiB to copy into HOME", name);
	c->left -= (uint64_t)st->st_size;
	for (off_t done = 0; done < st->st_size;) {
		ssize_t n = sendfile(dst, src, NULL, (size_t)(st->st_size - done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cs_err_sys(err, "copy %s", name);
		if (n == 0)
			break;
		done += n;
	}
	return give(c, dst, err);
}

static int copy_any(struct copy *c, int src_dir, int dst_dir, const char *name, int depth,
		    struct cs_err *err);

static int copy_dir(struct copy *c, int src, int dst_dir, const char *name, int depth,
		    struct cs_err *err)
{
	if (mkdirat(dst_dir, name, 0700) < 0 && errno != EEXIST)
		return cs_err_sys(err, "make %s", name);
	AUTO_FD int dst = openat(dst_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dst < 0 && errno == ENOTDIR && !c->links)
		return 0;
	if (dst < 0)
		return cs_err_sys(err, "open %s", name);
	int rc = give(c, dst, err);
	AUTO_DIR DIR *d = rc ? NULL : fdopendir(dup(src));
	for (struct dirent *e; !rc && d && (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = copy_any(c, src, dst, e->d_name, depth + 1, err);
	return rc;
}

static int copy_any(struct copy *c, int src_dir, int dst_dir, const char *name, int depth,
		    struct cs_err *err)
{
	AUTO_FD int src = openat(src_dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
							(c->links ? 0 : O_NOFOLLOW));
	struct stat st;

	/* Sockets and files of others are not part of anybody's configuration. */
	if (src < 0 && (errno == ENOENT || errno == EACCES || errno == ENXIO ||
			(errno == ELOOP && !c->links)))
		return 0;
	if (src < 0 || fstat(src, &st) < 0)
		return cs_err_sys(err, "open %s", name);
	if (depth > MAX_DEPTH)
		return cs_err_set(err, CS_LIMIT, "%s: deeper than %d directories", name, MAX_DEPTH);
	if (c->files++ == MAX_COPY_FILES)
		return cs_err_set(err, CS_LIMIT, "%s: more than %d files to copy into HOME", name,
				  MAX_COPY_FILES);
	if (S_ISREG(st.st_mode))
		return copy_file(c, src, dst_dir, name, &st, err);
	if (S_ISDIR(st.st_mode))
		return copy_dir(c, src, dst_dir, name, depth, err);
	return 0;
}

/* The parents of one named path, made in the copy and given to the agent's user. */
static int make_parents(struct copy *c, int home_fd, const char *path, struct cs_err *err)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO_FREE char *dir = cs_strndup(path, (size_t)(slash - path));
		if (cs_mkdirs(home_fd, dir, 0700, err) < 0)
			return err->code;
		AUTO_FD int fd = cs_opendir_beneath(home_fd, dir);
		if (fd < 0)
			return cs_err_sys(err, "open %s", dir);
		if (give(c, fd, err) < 0)
			return err->code;
	}
	return 0;
}

static int copy_named(struct copy *c, int src_home, int dst_home, const char *path,
		      struct cs_err *err)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = slash ? cs_strndup(path, (size_t)(slash - path)) : cs_strdup(".");
	AUTO_FD int src = c->links ? openat(src_home, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
				   : cs_opendir_beneath(src_home, parent);
	struct stat st;

	if (src < 0 || fstatat(src, slash ? slash + 1 : path, &st,
			       c->links ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (make_parents(c, dst_home, path, err) < 0)
		return err->code;
	AUTO_FD int dst = cs_opendir_beneath(dst_home, parent);
	if (dst < 0)
		return cs_err_sys(err, "open %s", parent);
	return copy_any(c, src, dst, slash ? slash + 1 : path, 0, err);
}

int home_copy(struct run *run, struct cs_err *err)
{
	struct copy c = { .run = run, .links = true, .left = MAX_COPY_BYTES };
	const struct cs_strv *paths = &run->profile.home_copy;
	int rc = 0;

	if (!paths->n)
		return 0;
	AUTO_FD int src = open(run->operator.home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int dst = cs_opendir_beneath(run->dir.fd, "home");
	if (src < 0 && errno == ENOENT)
		return 0;
	if (src < 0 || dst < 0)
		return cs_err_sys(err, "open HOME %s", run->operator.home);
	for (size_t i = 0; i < paths->n && !rc; i++)
		rc = copy_named(&c, src, dst, paths->v[i], err);
	return rc < 0 ? cs_err_wrap(err, "copy agent files of profile %s", run->profile.name) : 0;
}

int home_restore(struct run *run, int from_fd, const struct cs_strv *paths, struct cs_err *err)
{
	struct copy c = { .run = run, .left = MAX_COPY_BYTES };
	AUTO_FD int dst = cs_opendir_beneath(run->dir.fd, "home");
	int rc = dst < 0 ? cs_err_sys(err, "open HOME of the run") : 0;

	for (size_t i = 0; i < paths->n && !rc; i++)
		rc = copy_named(&c, from_fd, dst, paths->v[i], err);
	return rc < 0 ? cs_err_wrap(err, "copy the agent's session") : 0;
}
