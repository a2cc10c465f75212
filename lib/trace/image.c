/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what runs.
 *
 * At PTRACE_EVENT_EXEC the process has one thread and a new address space, and has not executed
 * an instruction of the image: nothing of the caller's can change what stands there. The file is
 * what /proc/<pid>/exe leads to, not a name. Arguments and AT_EXECFN, the path that was asked for
 * (for a script: the script's), are on the new stack, where the image will look for them. One read
 * of the stack is cheaper than files of /proc, and as good. (arg_start to arg_end in
 * /proc/<pid>/stat are the same bytes. But AT_EXECFN is not what stands at env_end: strings that
 * are rewritten while the kernel copies them come without their end, or with two, and then env_end
 * is elsewhere.)
 *
 * Neighbours of the same user could change what stands there, before we read it or behind our back:
 * that is refused to them (filter.c says how, and what of it is not ours). A debugger inside cannot
 * while we have the process. What it does to one that runs is code injection, and no command: where
 * the policy lets it ([sandbox] debuggers), the record says what was executed and not what became
 * of it, and counts how often somebody attached.
 *
 * What is read is bounded: strings by PATH_MAX, arguments by CS_TRACE_ARGV_MAX (what is beyond is
 * hashed; the kernel allows 6 MiB at most).
 */
#include "internal.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define ARGUMENTS_MAX (16u << 20) /* bytes; the kernel has 6 MiB */
#define GUESS_ARGS    256	  /* arguments looked at in a caller's memory */

/* ---- /proc ------------------------------------------------------------------------------- */

int proc_open(pid_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)tid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The file `name` of a process, at most cap - 1 bytes of it, and a NUL; its length, or -1. */
static ssize_t read_proc(char *to, size_t cap, int proc_fd, const char *name)
{
	AUTO_FD int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, cap - 1);

	if (n >= 0)
		to[n] = '\0';
	return n;
}

/* The target of `name`, a symbolic link, or "". */
static void read_link(char to[PATH_MAX + 1], int proc_fd, const char *name)
{
	ssize_t n = readlinkat(proc_fd, name, to, PATH_MAX);

	to[n > 0 ? n : 0] = '\0';
}

bool proc_stat_parse(struct proc_stat *out, const char *text)
{
	/* The name stands in brackets and may contain brackets: the last one closes it. */
	const char *p = strrchr(text, ')');
	uint64_t field[53] = { 0 };

	if (!p || p[1] != ' ' || !isalpha((unsigned char)p[2]))
		return false;
	out->state = p[2];
	p += 3;
	for (size_t i = 4; i < CS_COUNT(field); i++) {
		char *end;

		if (*p != ' ')
			return false;
		field[i] = strtoull(p + 1, &end, 10); /* takes a minus sign, too */
		if (end == p + 1)
			return false;
		p = end;
	}
	out->ppid = (pid_t)field[4];
	out->exit_code = (int)field[52];
	return true;
}

bool proc_stat_read(struct proc_stat *out, int proc_fd)
{
	char text[2048];

	return read_proc(text, sizeof(text), proc_fd, "stat") > 0 && proc_stat_parse(out, text);
}

static long status_line(const char *text, const char *label)
{
	const char *p = strstr(text, label);

	return p ? strtol(p + strlen(label), NULL, 10) : 0;
}

bool proc_status_read(struct proc_status *out, int proc_fd)
{
	char text[2048];
	const char *uid;

	if (read_proc(text, sizeof(text), proc_fd, "status") <= 0)
		return false;
	/* The name comes first and has its newlines escaped: no line can be forged. */
	out->tgid = (pid_t)status_line(text, "\nTgid:");
	out->tracer = (pid_t)status_line(text, "\nTracerPid:");
	uid = strstr(text, "\nUid:\t"); /* real, effective, saved, file system */
	uid = uid ? strchr(uid + 6, '\t') : NULL;
	if (!uid || out->tgid <= 0)
		return false;
	out->euid = (uid_t)strtoul(uid, NULL, 10);
	return true;
}

/* ---- memory ------------------------------------------------------------------------------ */

size_t image_copy(void *to, pid_t pid, uint64_t from, size_t n)
{
	struct iovec local = { to, n };
	const uint64_t remote[2] = { from, n }; /* an iovec, with an address that is not ours */
	long got = syscall(SYS_process_vm_readv, pid, &local, 1, remote, 1, 0);

	return got > 0 ? (size_t)got : 0; /* less than n only where its memory ends */
}

bool image_copy_string(char *to, size_t cap, pid_t pid, uint64_t from)
{
	size_t done = 0;

	/* To the end of a page at most: the next one may not exist. Most strings are short. */
	while (from && done < cap) {
		size_t n = 4096 - ((from + done) & 4095);
		size_t got;

		if (n > cap - done)
			n = cap - done;
		if (!done && n > 256)
			n = 256;
		got = image_copy(to + done, pid, from + done, n);
		if (memchr(to + done, '\0', got))
			return true;
		if (got < n)
			break;
		done += got;
	}
	to[0] = '\0';
	return false;
}

/* ---- the new stack ----------------------------------------------------------------------- */

/*
 * What the kernel has put there, upwards from the stack pointer: argc, argv, 0, envp, 0, the
 * auxiliary vector; then the strings. For most programs all of it is in the first window.
 */
struct stack {
	pid_t pid;
	uint64_t sp;
	size_t width;  /* of a word */
	uint64_t base; /* of the window, n bytes */
	size_t n;
	char *window;
	bool broken; /* a word could not be read: no word is good any more */
};

/* len bytes at `at` within the window, which may have to move for them; NULL: unreadable. */
static const char *stack_look(struct stack *s, uint64_t at, size_t len)
{
	if (at < s->base || at - s->base > s->n || s->n - (at - s->base) < len) {
		s->base = at;
		s->n = image_copy(s->window, s->pid, at, IMAGE_WINDOW);
	}
	return s->n - (at - s->base) < len ? NULL : s->window + (at - s->base);
}

static uint64_t stack_word(struct stack *s, uint64_t i)
{
	const char *at = stack_look(s, s->sp + i * s->width, s->width);
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (!at) {
		s->broken = true;
		return 0;
	}
	memcpy(&wide, at, s->width == sizeof(wide) ? sizeof(wide) : 0);
	memcpy(&narrow, at, sizeof(narrow));
	return s->width == sizeof(wide) ? wide : narrow;
}

static bool stack_open(struct stack *s, pid_t pid, char *window)
{
	struct regs regs;

	if (!regs_read(&regs, pid))
		return false;
	*s = (struct stack){
		.pid = pid, .sp = regs.sp, .width = sizeof(uint64_t), .window = window
	};
	/* argc and the first pointer, where words have 32 bits: also for x32, with wide registers.
	 */
	if (stack_word(s, 0) > INT_MAX)
		s->width = sizeof(uint32_t);
	return !s->broken;
}

/* The entry `type` of the auxiliary vector, behind argc arguments and the environment. */
static uint64_t stack_aux(struct stack *s, uint64_t argc, uint64_t type)
{
	uint64_t i = argc + 2;
	uint64_t key;

	while (stack_word(s, i++))
		;
	while ((key = stack_word(s, i)) != AT_NULL && key != type)
		i += 2;
	return key == type ? stack_word(s, i + 1) : 0;
}

/* Where the string at `at` has its end, behind the NUL; false: too far away, or unreadable. */
static bool stack_end(uint64_t *end, struct stack *s, uint64_t at, size_t max)
{
	for (size_t done = 0; done < max;) {
		const char *p = stack_look(s, at + done, 1);
		size_t there = s->n - (size_t)(at + done - s->base);
		const char *nul = p ? memchr(p, '\0', there) : NULL;

		if (nul)
			*end = at + done + (size_t)(nul - p) + 1;
		if (nul || !p)
			return nul;
		done += there;
	}
	return false;
}

static int count_nuls(const char *data, size_t n)
{
	int count = 0;

	for (const char *p = data; (p = memchr(p, '\0', (size_t)(data + n - p))); p++)
		count++;
	return count;
}

/*
 * The arguments, out->argv_total bytes at `from`: keeps CS_TRACE_ARGV_MAX, counts all, hashes all
 * where there are more. False when they cannot be read.
 */
static bool read_argv(struct cs_trace_exec *out, struct cs_buf *argv, struct stack *s,
		      uint64_t from)
{
	bool too_long = out->argv_total > CS_TRACE_ARGV_MAX;
	uint8_t digest[CS_SHA256_LEN];
	struct cs_sha256 hash;

	cs_sha256_init(&hash);
	for (size_t done = 0; done < out->argv_total;) {
		size_t n = out->argv_total - done;
		size_t room = CS_TRACE_ARGV_MAX - argv->len;
		const char *part;

		if (n > IMAGE_WINDOW)
			n = IMAGE_WINDOW;
		part = stack_look(s, from + done, n);
		if (!part)
			return false;
		out->argc += count_nuls(part, n);
		cs_buf_add(argv, part, n < room ? n : room);
		if (too_long)
			cs_sha256_add(&hash, part, n);
		done += n;
	}
	cs_sha256_end(&hash, digest);
	if (too_long)
		cs_hex(out->argv_sha256, digest, sizeof(digest));
	return true;
}

static bool read_file(struct image *image, struct stack *s, uint64_t at)
{
	const char *file;
	uint64_t end;

	if (!stack_end(&end, s, at, PATH_MAX) || end - at > sizeof(image->file))
		return false;
	file = stack_look(s, at, (size_t)(end - at));
	if (!file)
		return false;
	memcpy(image->file, file, (size_t)(end - at));
	return *file;
}

/*
 * All that the stack tells. The kernel writes the arguments one behind the other: the first
 * pointer, and the end of the string at the last one, are the bounds.
 */
static bool read_stack(struct cs_trace_exec *out, struct image *image, pid_t pid)
{
	uint64_t first, last, argc, file, end;
	struct stack s;

	if (!stack_open(&s, pid, image->window))
		return false;
	argc = stack_word(&s, 0);
	first = stack_word(&s, 1);
	last = argc ? stack_word(&s, argc) : first;
	file = stack_aux(&s, argc, AT_EXECFN);
	if (s.broken || !read_file(image, &s, file))
		return false;
	if (!argc) /* not even a name; 5.18 and later put "" there */
		return true;
	if (!stack_end(&end, &s, last, ARGUMENTS_MAX) || last < first ||
	    last - first > ARGUMENTS_MAX)
		return false;
	out->argv_total = (size_t)(end - first);
	return read_argv(out, &image->argv, &s, first);
}

/* ---- events ------------------------------------------------------------------------------ */

static void borrow(struct cs_trace_exec *out, const struct image *image)
{
	out->exe = image->exe;
	out->file = image->file;
	out->cwd = image->cwd;
	out->argv = image->argv.data;
	out->argv_len = image->argv.len;
}

void image_read(struct cs_trace_exec *out, struct cs_trace *trace, const struct tracee *t,
		const struct stat *exe, const char *digest)
{
	struct image *image = &trace->image;

	*out = (struct cs_trace_exec){ .pid = t->tgid, .at_exec = true };
	out->ppid = exit_parent_of(trace, t->pidfd, t->proc_fd);
	if (exe) {
		out->dev = exe->st_dev;
		out->ino = exe->st_ino;
		out->size = (uint64_t)exe->st_size;
	}
	memcpy(out->sha256, digest, strlen(digest) + 1);
	cs_buf_truncate(&image->argv, 0);
	read_link(image->exe, t->proc_fd, "exe");
	read_link(image->cwd, t->proc_fd, "cwd");
	/* A path that is too long for readlink is as good as none: rules go by it. */
	out->verified = exe && image->exe[0] && read_stack(out, image, t->tgid);
	if (!out->verified) {
		out->unverified = "unreadable";
		memcpy(image->file, t->asked, strlen(t->asked) + 1);
	}
	borrow(out, image);
}

/*
 * Arguments from a caller's vector, as far as they can be read and there is room. Where that is not
 * all of them the total is more than what is kept; how much more is not known.
 */
static void guess_argv(struct cs_trace_exec *out, struct cs_buf *argv, const struct call *call)
{
	uint64_t pointers[GUESS_ARGS];
	char one[PATH_MAX];
	size_t i = 0;
	size_t n;

	cs_buf_truncate(argv, 0);
	if (!call->argv)
		return;
	n = image_copy(pointers, call->tid, call->argv, sizeof(pointers)) / sizeof(*pointers);
	for (; i < n && pointers[i]; i++) {
		if (!image_copy_string(one, sizeof(one), call->tid, pointers[i]) ||
		    argv->len + strlen(one) + 1 > CS_TRACE_ARGV_MAX)
			break;
		cs_buf_add(argv, one, strlen(one) + 1);
		out->argc++;
	}
	out->argv_total = argv->len + (i == n || pointers[i]);
}

void image_guess(struct cs_trace_exec *out, struct cs_trace *trace, const struct call *call,
		 pid_t tgid, int proc_fd, const char *why)
{
	struct image *image = &trace->image;
	struct proc_stat stat;

	*out = (struct cs_trace_exec){ .pid = tgid, .unverified = why };
	if (proc_stat_read(&stat, proc_fd))
		out->ppid = stat.ppid;
	image->exe[0] = '\0';
	memcpy(image->file, trace->asked, strlen(trace->asked) + 1);
	read_link(image->cwd, proc_fd, "cwd");
	guess_argv(out, &image->argv, call);
	borrow(out, image);
}
