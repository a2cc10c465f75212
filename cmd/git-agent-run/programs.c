/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files the programs of command rules are: looked for along the run's PATH, as the run sees
 * it, when its first command stands at its exec. A copy, a link or a name of its own is then still
 * that program: by device and inode, or by the digest of the same content. A copy that somebody has
 * changed is another program; so is one in a directory that is not in PATH.
 *
 * A name that leads to a file of quite another one (busybox, an alternative) stands for many
 * programs: there only names count, or every one of them would be the forbidden one.
 *
 * Paths are resolved beneath the root of the process that stands still, and never by a magic link.
 * What they lead to may change as soon as somebody inside can write there. So a program that somebody
 * can change is hashed before anything has run; and what a script's or a loader's path leads to is what
 * stood there when we looked, and no more. What cannot be looked at (a descriptor, a file that is
 * changed while it is hashed) counts as the program, where it could be it.
 */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define HASH_MAX   (UINT64_C(64) << 20) /* bytes; of larger programs the length alone is compared */
#define PER_NAME   8			/* files of one name along PATH */
#define PATH_SHOWN 4096

struct program_file {
	uint64_t dev, ino, size;
	char path[PATH_SHOWN];
	bool readable; /* by everybody, or by the run's user */
	bool hashed;
	char sha256[CS_SHA256_HEX]; /* "" where it cannot be had */
};

struct programs {
	const struct cs_strv *path;
	uid_t uid;
	bool found;
	bool has_scripts;
	struct program {
		char *name; /* as in the rule; with a slash: a path */
		struct program_file *files[PER_NAME];
		size_t n;
		bool has_scripts;
	} * list;
	size_t n, cap;
	struct program loaders;
};

/* Of the systems that there are: names without a program of theirs. */
static const char *const loaders[] = {
	"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2",	    "/libx32/ld-linux-x32.so.2",
	"/lib/ld-linux-aarch64.so.1",  "/lib/ld-linux-armhf.so.3",  "/lib/ld-musl-x86_64.so.1",
	"/lib/ld-musl-i386.so.1",      "/lib/ld-musl-aarch64.so.1",
};
_Static_assert(CS_COUNT(loaders) <= PER_NAME, "no room for the loaders");

struct programs *programs_new(const struct cs_policy *policy, const struct cs_strv *path, uid_t uid)
{
	struct programs *p = cs_calloc(1, sizeof(*p));
	const struct cs_command_rule *rules;
	size_t n = cs_policy_commands(policy, &rules);

	p->path = path;
	p->uid = uid;
	for (size_t i = 0; i < n; i++) {
		CS_GROW(p->list, p->n, p->cap);
		p->list[p->n++] =
			(struct program){ .name = cs_strndup(rules[i].words,
							     strcspn(rules[i].words, " ")) };
	}
	return p;
}

static void release(struct program *program)
{
	for (size_t k = 0; k < program->n; k++)
		free(program->files[k]);
	free(program->name);
}

void programs_free(struct programs *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		release(&p->list[i]);
	release(&p->loaders);
	free(p->list);
	free(p);
}

/* ---- files of the run -------------------------------------------------------------------- */

static int open_in(int root_fd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)flags | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve };

	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

/* Whether cwd names the working directory: it may be gone, or too deep for a name. */
static bool is_cwd(pid_t pid, int root_fd, const char *cwd)
{
	AUTO_FREE char *link = cs_asprintf("/proc/%d/cwd", (int)pid);
	AUTO_FD int fd = cwd[0] == '/' ? open_in(root_fd, cwd, O_PATH, 0) : -1;
	struct stat named, real;

	return fd >= 0 && fstat(fd, &named) == 0 && stat(link, &real) == 0 &&
	       named.st_dev == real.st_dev && named.st_ino == real.st_ino;
}

/*
 * A path as process pid has it, or -1: ENOENT, there is none; ESTALE, its working directory has no
 * name. proc's links to itself lead to nothing for us: missing is what is so without a link.
 */
static int open_inside(pid_t pid, const char *cwd, const char *path, int flags)
{
	AUTO_FREE char *full = path[0] == '/' ? cs_strdup(path) : cs_asprintf("%s/%s", cwd, path);
	AUTO_FREE char *root = cs_asprintf("/proc/%d/root", (int)pid);
	AUTO_FD int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (root_fd < 0)
		return -1;
	if (path[0] != '/' && !is_cwd(pid, root_fd, cwd)) {
		errno = ESTALE;
		return -1;
	}
	fd = open_in(root_fd, full, flags, 0);
	if (fd < 0 && errno == ENOENT) /* now ELOOP, where there is a link */
		fd = open_in(root_fd, full, flags, RESOLVE_NO_SYMLINKS);
	return fd;
}

static bool stat_inside(struct stat *st, pid_t pid, const char *cwd, const char *path)
{
	AUTO_FD int fd = open_inside(pid, cwd, path, O_PATH);

	if (fd < 0 || fstat(fd, st) < 0)
		return false;
	errno = 0; /* no regular file: nothing that runs */
	return S_ISREG(st->st_mode);
}

/* Leaves hex "" when it cannot be read, or has changed its length. */
static void hash_inside(char hex[CS_SHA256_HEX], pid_t pid, const char *cwd, const char *path,
			uint64_t size)
{
	AUTO_FD int fd = open_inside(pid, cwd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	uint8_t digest[CS_SHA256_LEN];
	struct cs_sha256 hash;
	char chunk[65536];
	uint64_t total = 0;
	ssize_t n;

	hex[0] = '\0';
	cs_sha256_init(&hash);
	while (fd >= 0 && total < HASH_MAX && (n = read(fd, chunk, sizeof(chunk))) > 0) {
		cs_sha256_add(&hash, chunk, (size_t)n);
		total += (uint64_t)n;
	}
	cs_sha256_end(&hash, digest);
	if (fd >= 0 && total == size)
		cs_hex(hex, digest, sizeof(digest));
}

/* ---- the programs of rules --------------------------------------------------------------- */

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Whether the file that a name leads to is called something like it: python3.11 for python3. */
static bool is_called(pid_t pid, const char *path, const char *name)
{
	AUTO_FD int fd = open_inside(pid, "/", path, O_PATH);
	char link[32], real[PATH_SHOWN];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = fd < 0 ? -1 : readlink(link, real, sizeof real - 1);
	if (n <= 0)
		return false;
	real[n] = '\0';
	return strstr(last_component(real), last_component(name)) != NULL;
}

static bool is_readable(const struct programs *p, const struct stat *st)
{
	return st->st_mode & S_IROTH || st->st_uid == p->uid;
}

static bool is_script(pid_t pid, const char *path)
{
	AUTO_FD int fd = open_inside(pid, "/", path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	char head[2];

	return fd >= 0 && read(fd, head, 2) == 2 && !memcmp(head, "#!", 2);
}

/* Whether nobody inside can change what stands there. */
static bool is_fixed(pid_t pid, const char *path)
{
	AUTO_FD int fd = open_inside(pid, "/", path, O_PATH);
	struct statvfs fs;

	return fd >= 0 && fstatvfs(fd, &fs) == 0 && fs.f_flag & ST_RDONLY;
}

static void add_file(struct programs *p, struct program *program, pid_t pid, const char *path)
{
	struct program_file *f;
	struct stat st;

	if (program->n == PER_NAME || strlen(path) >= PATH_SHOWN ||
	    !stat_inside(&st, pid, "/", path))
		return;
	for (size_t i = 0; i < program->n; i++)
		if (program->files[i]->dev == st.st_dev && program->files[i]->ino == st.st_ino)
			return;
	f = cs_calloc(1, sizeof(*f));
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->size = (uint64_t)st.st_size;
	f->readable = is_readable(p, &st);
	memcpy(f->path, path, strlen(path) + 1);
	if (!is_fixed(pid, path)) {
		hash_inside(f->sha256, pid, "/", path, f->size);
		f->hashed = true;
	}
	program->files[program->n++] = f;
	program->has_scripts |= is_script(pid, path);
}

static void add_called(struct programs *p, struct program *program, pid_t pid, const char *path)
{
	if (!is_called(pid, path, program->name))
		return;
	add_file(p, program, pid, path);
	p->has_scripts |= program->has_scripts;
}

void programs_find(struct programs *p, pid_t pid)
{
	AUTO_FD int root_fd = p->found ? -1 : open_inside(pid, "/", "/", O_PATH | O_DIRECTORY);

	/* The root of a process that may not be read is not to be had; the next one's will be. */
	if (root_fd < 0)
		return;
	p->found = true;
	for (size_t i = 0; i < CS_COUNT(loaders); i++)
		add_file(p, &p->loaders, pid, loaders[i]);
	for (size_t i = 0; i < p->n; i++) {
		struct program *program = &p->list[i];

		if (strchr(program->name, '/'))
			add_called(p, program, pid, program->name);
		for (size_t k = 0; !strchr(program->name, '/') && k < p->path->n; k++) {
			AUTO_FREE char *path = cs_asprintf("%s/%s", p->path->v[k], program->name);
			add_called(p, program, pid, path);
		}
	}
}

/* ---- what is about to run ---------------------------------------------------------------- */

struct subject_file *subject_look(struct subject *s, const char *path, const char *arg)
{
	struct subject_file *file = &s->files[s->n++];
	struct stat st;

	*file = (struct subject_file){
		.name = last_component(path), .path = path, .argv0 = path, .arg = arg
	};
	if (stat_inside(&st, s->pid, s->cwd, path)) {
		file->dev = st.st_dev;
		file->ino = st.st_ino;
		file->size = (uint64_t)st.st_size;
	} else {
		file->unknown = errno && errno != ENOENT;
	}
	return file;
}

/* Of one length: whether they have the same content, or cannot be compared. */
static bool has_same_content(struct program_file *f, struct subject_file *file,
			     const struct subject *s)
{
	if (f->size != file->size || !f->readable)
		return false;
	if (!file->sha256[0] && file->path)
		hash_inside(file->sha256, s->pid, s->cwd, file->path, file->size);
	if (!f->hashed)
		hash_inside(f->sha256, s->pid, "/", f->path, f->size);
	f->hashed = true;
	return !f->sha256[0] || !file->sha256[0] || strcmp(f->sha256, file->sha256) == 0;
}

static bool is_file(const struct program *program, struct subject_file *file,
		    const struct subject *s)
{
	for (size_t i = 0; file->ino && i < program->n; i++) {
		struct program_file *f = program->files[i];

		if ((f->dev == file->dev && f->ino == file->ino) || has_same_content(f, file, s))
			return true;
	}
	return false;
}

bool programs_is(struct programs *p, size_t rule, const struct subject *s,
		 struct subject_file *file)
{
	const struct program *program = &p->list[rule];

	if (file->unknown)
		return !file->script || program->has_scripts;
	return is_file(program, file, s);
}

bool programs_is_loader(struct programs *p, const struct subject *s, struct subject_file *file)
{
	return is_file(&p->loaders, file, s);
}

bool programs_have_scripts(const struct programs *p)
{
	return p->has_scripts;
}

/* Before any command could be looked at: the host's files, which the run will see. */
static bool is_readable_outside(const struct programs *p, const char *name)
{
	bool found = false;

	for (size_t i = 0; i < (strchr(name, '/') ? 1 : p->path->n); i++) {
		AUTO_FREE char *path = strchr(name, '/')
					       ? cs_strdup(name)
					       : cs_asprintf("%s/%s", p->path->v[i], name);
		struct stat st;

		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		found = true;
		if (!is_readable(p, &st))
			return false;
	}
	return found;
}

bool programs_may_be_unreadable(const struct programs *p, size_t rule)
{
	const struct program *program = &p->list[rule];

	if (!p->found)
		return !is_readable_outside(p, program->name);
	for (size_t i = 0; i < program->n; i++)
		if (!program->files[i]->readable)
			return true;
	return program->n == 0;
}
