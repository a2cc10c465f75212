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
 * What they lead to may change as soon as somebody inside can write there: good for a hint, and
 * used as none but that.
 */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define HASH_MAX   (UINT64_C(64) << 20) /* bytes; larger programs have no digest here */
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
	} * list;
	size_t n, cap;
};

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

void programs_free(struct programs *p)
{
	for (size_t i = 0; p && i < p->n; i++) {
		for (size_t k = 0; k < p->list[i].n; k++)
			free(p->list[i].files[k]);
		free(p->list[i].name);
	}
	if (p)
		free(p->list);
	free(p);
}

/* ---- files of the run -------------------------------------------------------------------- */

/* A path as process pid has it, or -1. */
static int open_inside(pid_t pid, const char *cwd, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)flags | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	AUTO_FREE char *full = path[0] == '/' ? cs_strdup(path) : cs_asprintf("%s/%s", cwd, path);
	AUTO_FREE char *root = cs_asprintf("/proc/%d/root", (int)pid);
	AUTO_FD int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root_fd < 0 ? -1 : (int)syscall(SYS_openat2, root_fd, full, &how, sizeof(how));
}

static bool stat_inside(struct stat *st, pid_t pid, const char *cwd, const char *path)
{
	AUTO_FD int fd = open_inside(pid, cwd, path, O_PATH);

	return fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode);
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

static void add_file(struct programs *p, struct program *program, pid_t pid, const char *path)
{
	struct program_file *f;
	struct stat st;

	if (program->n == PER_NAME || strlen(path) >= PATH_SHOWN ||
	    !stat_inside(&st, pid, "/", path) || !is_called(pid, path, program->name))
		return;
	f = cs_calloc(1, sizeof(*f));
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->size = (uint64_t)st.st_size;
	f->readable = is_readable(p, &st);
	memcpy(f->path, path, strlen(path) + 1);
	program->files[program->n++] = f;
	p->has_scripts |= is_script(pid, path);
}

void programs_find(struct programs *p, pid_t pid)
{
	AUTO_FD int root_fd = p->found ? -1 : open_inside(pid, "/", "/", O_PATH | O_DIRECTORY);

	/* The root of a process that may not be read is not to be had; the next one's will be. */
	if (root_fd < 0)
		return;
	p->found = true;
	for (size_t i = 0; i < p->n; i++) {
		struct program *program = &p->list[i];

		if (strchr(program->name, '/'))
			add_file(p, program, pid, program->name);
		for (size_t k = 0; !strchr(program->name, '/') && k < p->path->n; k++) {
			AUTO_FREE char *path = cs_asprintf("%s/%s", p->path->v[k], program->name);
			add_file(p, program, pid, path);
		}
	}
}

/* ---- what is about to run ---------------------------------------------------------------- */

void subject_look(struct subject_file *file, const struct subject *s, const char *path)
{
	struct stat st;

	*file = (struct subject_file){ .name = last_component(path), .path = path };
	if (!stat_inside(&st, s->pid, s->cwd, path))
		return;
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	file->size = (uint64_t)st.st_size;
}

static bool has_same_content(struct program_file *f, struct subject_file *file,
			     const struct subject *s)
{
	if (f->size != file->size)
		return false;
	if (!file->sha256[0] && file->path)
		hash_inside(file->sha256, s->pid, s->cwd, file->path, file->size);
	if (!f->hashed)
		hash_inside(f->sha256, s->pid, "/", f->path, f->size);
	f->hashed = true;
	return f->sha256[0] && strcmp(f->sha256, file->sha256) == 0;
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

bool programs_is(struct programs *p, size_t rule, struct subject *s)
{
	return is_file(&p->list[rule], &s->image, s) || is_file(&p->list[rule], &s->script, s);
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
