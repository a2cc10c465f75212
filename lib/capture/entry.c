/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one entry of the layer means. The pristine decides what is tracked, content decides what
 * has changed (times are the agent's to set), and whatever git cannot hold becomes a finding.
 */
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "names.h"

/* One entry on both sides; st_mode 0 in `was` where the pristine has none. */
struct entry {
	const char *name;
	const char *path;
	struct stat st;
	struct stat was;
};

static bool was_dir(const struct entry *e)
{
	return S_ISDIR(e->was.st_mode);
}

static bool was_file(const struct entry *e)
{
	return e->was.st_mode && !was_dir(e);
}

bool walk_is_whiteout(const struct walk *w, const char *name, const struct stat *st)
{
	if (!w->r->overlay)
		return false;
	if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0))
		return true;
	if (w->xattr_whiteouts && S_ISREG(st->st_mode) && !st->st_size) {
		struct stat opened;
		AUTO_FD int fd = open_regular(&opened, w->fd, name);

		return fd >= 0 && fgetxattr(fd, "user.overlay.whiteout", NULL, 0) >= 0;
	}
	return false;
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* Reads until len bytes or the end; -1 with errno. */
static ssize_t read_full(int fd, char *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, data + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* Counts the content of fd and compares it with other_fd (-1: nothing is equal to it). */
static int scan(struct text_scan *out, bool *equal, struct walk *w, int fd, int other_fd)
{
	ssize_t n;

	*equal = other_fd >= 0;
	while ((n = read_full(fd, w->data, WALK_STEP)) > 0) {
		text_scan_add(out, w->data, (size_t)n);
		if (*equal)
			*equal = read_full(other_fd, w->other, (size_t)n) == n &&
				 !memcmp(w->data, w->other, (size_t)n);
	}
	text_scan_end(out);
	return n < 0 ? -1 : 0;
}

static bool same_link(struct walk *w, const struct entry *e, const char *target, ssize_t len)
{
	char was[PATH_MAX];

	return S_ISLNK(e->was.st_mode) &&
	       readlinkat(w->pristine_fd, e->name, was, sizeof(was)) == len &&
	       !memcmp(was, target, (size_t)len);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* One more than fit is counted, and told at the end. */
static bool has_room(struct walk *w, size_t bytes)
{
	bool room = reader_has_room(w->r, bytes);

	w->too_many += !room;
	return room;
}

static int send_delete(struct walk *w, const char *path, struct cs_err *err)
{
	if (!has_room(w, strlen(path)))
		return 0;
	return reader_send_path(w->r, FRAME_DELETE, path, err);
}

/* The owner may not read it: the writer opens it up and starts again, or makes it a finding. */
static int send_unreadable(struct walk *w, const char *path, struct cs_err *err)
{
	if (errno == EACCES)
		return has_room(w, strlen(path)) ? reader_send_path(w->r, FRAME_CLOSED, path, err)
						 : 0;
	return reader_finding(w->r, KIND_UNREADABLE, path, err, "%s", strerror(errno));
}

/* What is said about a file beside its content. */
static int send_oddities(struct walk *w, const struct entry *e, struct cs_err *err)
{
	mode_t special = e->st.st_mode & (S_ISUID | S_ISGID | S_ISVTX);
	int rc = 0;

	if (special & ~e->was.st_mode)
		rc = reader_finding(w->r, KIND_SETUID, e->path, err, "mode %04o",
				    e->st.st_mode & 07777);
	return rc;
}

static int send_file(struct walk *w, const struct entry *e, const struct text_scan *text,
		     struct cs_err *err)
{
	int rc = 0;

	if (!has_room(w, strlen(e->path)))
		return 0;
	if (e->st.st_nlink > 1)
		rc = reader_finding(w->r, KIND_HARD_LINK, e->path, err, "has %lu names",
				    (unsigned long)e->st.st_nlink);
	if (rc < 0)
		return rc;
	return reader_send_file(w->r, e->path, e->st.st_mode & S_IXUSR, (uint64_t)e->st.st_size,
				&text->stats, err);
}

/* ---- kinds of entries ------------------------------------------------------------------------ */

static int regular(struct walk *w, const struct entry *e, struct cs_err *err)
{
	struct text_scan text = { 0 };
	struct stat st;
	AUTO_FD int fd = open_regular(&st, w->fd, e->name);
	AUTO_FD int was_fd = -1;
	bool equal;
	int rc;

	if (fd < 0)
		return send_unreadable(w, e->path, err);
	rc = send_oddities(w, e, err);
	if (rc < 0)
		return rc;
	if ((uint64_t)e->st.st_size > CAPTURE_FILE_MAX ||
	    w->r->content_bytes + (uint64_t)e->st.st_size > CAPTURE_CONTENT_MAX)
		return reader_finding(w->r, KIND_TOO_LARGE, e->path, err,
				      "%llu bytes: not captured%s", (unsigned long long)e->st.st_size,
				      was_file(e) ? ", the base's stays" : "");
	if (S_ISREG(e->was.st_mode) && e->was.st_size == e->st.st_size) {
		was_fd = open_regular(&st, w->pristine_fd, e->name);
		if (was_fd < 0)
			return cs_err_sys(err, "pristine: open %s", e->path);
	}
	if (scan(&text, &equal, w, fd, was_fd) < 0)
		return send_unreadable(w, e->path, err);
	if (equal && !((e->st.st_mode ^ e->was.st_mode) & S_IXUSR))
		return 0;
	return send_file(w, e, &text, err);
}

/* Something that the tree cannot hold stands where the base has an entry: that entry is gone. */
static int unrepresentable(struct walk *w, const struct entry *e, enum capture_kind kind,
			   const char *what, struct cs_err *err)
{
	int rc = reader_finding(w->r, kind, e->path, err, "%s: not captured", what);

	return !rc && was_file(e) ? send_delete(w, e->path, err) : rc;
}

static int link_entry(struct walk *w, const struct entry *e, struct cs_err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(w->fd, e->name, target, sizeof(target));
	struct frame f = {
		.type = FRAME_LINK,
		.path = e->path,
		.path_len = strlen(e->path),
		.data = target,
	};

	if (capture_name_is_gitmodules(e->name, strlen(e->name)))
		return unrepresentable(w, e, KIND_REFUSED_NAME, "a symbolic link of this name",
				       err);
	if (n < 1 || n > CAPTURE_PATH_MAX)
		return reader_finding(w->r, KIND_UNREADABLE, e->path, err, "symbolic link");
	if (same_link(w, e, target, n))
		return 0;
	f.data_len = (size_t)n;
	if (!has_room(w, f.path_len + f.data_len))
		return 0;
	return reader_send(w->r, &f, err);
}

static const struct {
	mode_t type;
	const char *name;
} specials[] = {
	{ S_IFIFO, "FIFO" },
	{ S_IFSOCK, "socket" },
	{ S_IFCHR, "character device" },
	{ S_IFBLK, "block device" },
};

static int special(struct walk *w, const struct entry *e, struct cs_err *err)
{
	const char *what = "unknown type";

	for (size_t i = 0; i < CS_COUNT(specials); i++) {
		if ((e->st.st_mode & S_IFMT) == specials[i].type)
			what = specials[i].name;
	}
	return unrepresentable(w, e, KIND_SPECIAL_FILE, what, err);
}

static void count_ignored(struct walk *w, const char *path)
{
	size_t slot = w->dir.slot;

	if (slot == IGNORED_NONE) {
		if (w->file_slot == IGNORED_NONE)
			w->file_slot = ignored_open(&w->ignored, w->dir.path, path);
		slot = w->file_slot;
	}
	w->ignored.list[slot].files++;
}

/* *out: untracked, and some rule matches. */
static int is_ignored(bool *out, struct walk *w, const struct entry *e, struct cs_err *err)
{
	bool tracked;
	int rc;

	*out = false;
	if (was_file(e) || !(w->dir.ignored || rules_match(&w->rules, e->path, false)))
		return 0;
	rc = walk_tracked(&tracked, w, e->path, false, err);
	*out = !rc && !tracked;
	return rc;
}

static int leaf(struct walk *w, const struct entry *e, struct cs_err *err)
{
	bool ignored;
	int rc = was_dir(e) ? send_delete(w, e->path, err) : 0;

	if (rc < 0)
		return rc;
	rc = is_ignored(&ignored, w, e, err);
	if (rc < 0)
		return rc;
	if (ignored) {
		count_ignored(w, e->path);
		return 0;
	}
	if (S_ISREG(e->st.st_mode))
		return regular(w, e, err);
	return S_ISLNK(e->st.st_mode) ? link_entry(w, e, err) : special(w, e, err);
}

static int subdir(struct walk *w, const struct entry *e, struct cs_err *err)
{
	struct dir d = {
		.path = cs_strdup(e->path),
		.full = !w->r->overlay || w->dir.full || !was_dir(e),
		.in_pristine = was_dir(e),
		.ignored = w->dir.ignored || rules_match(&w->rules, e->path, true),
		.slot = w->dir.slot,
		.depth = w->dir.depth + 1,
		.submodule = NO_SUBMODULE,
		.rules = rules_mark(&w->rules),
	};
	int rc = was_file(e) ? send_delete(w, e->path, err) : 0;

	if (!rc && d.ignored) {
		bool tracked = true;

		if (d.slot == IGNORED_NONE)
			d.slot = ignored_open(&w->ignored, e->path, NULL);
		if (!d.in_pristine)
			rc = walk_tracked(&tracked, w, e->path, true, err);
		d.count_only = !tracked;
	}
	walk_push(w, &d);
	return rc;
}

/* ---- directories where the entries themselves do not matter ---------------------------------- */

static bool same_as_pristine(struct walk *w, const struct entry *e)
{
	struct text_scan text = { 0 };
	char target[PATH_MAX];
	struct stat st;
	bool same;

	if (S_ISLNK(e->st.st_mode)) {
		ssize_t n = readlinkat(w->fd, e->name, target, sizeof(target));

		return n >= 0 && same_link(w, e, target, n);
	}
	if (S_ISREG(e->st.st_mode) && S_ISREG(e->was.st_mode) &&
	    !((e->st.st_mode ^ e->was.st_mode) & S_IXUSR) && e->st.st_size == e->was.st_size) {
		AUTO_FD int fd = open_regular(&st, w->fd, e->name);
		AUTO_FD int was_fd = open_regular(&st, w->pristine_fd, e->name);

		return fd >= 0 && was_fd >= 0 && !scan(&text, &same, w, fd, was_fd) && same;
	}
	return false;
}

/* Inside a submodule one question is left: was it written to? */
static void in_submodule(struct walk *w, const struct entry *e)
{
	if (S_ISDIR(e->st.st_mode) && was_dir(e)) {
		struct dir d = {
			.path = cs_strdup(e->path),
			.full = !w->r->overlay || w->dir.full,
			.in_pristine = true,
			.depth = w->dir.depth + 1,
			.slot = IGNORED_NONE,
			.submodule = w->dir.submodule,
			.rules = rules_mark(&w->rules),
		};

		walk_push(w, &d);
	} else if (!same_as_pristine(w, e)) {
		w->submodules[w->dir.submodule].written = true;
	}
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A name that git does not take; ".git" itself was told as a nested repository. */
static int refused(struct walk *w, const struct entry *e, struct cs_err *err)
{
	if (!strcmp(e->name, ".git"))
		return 0;
	return reader_finding(w->r, KIND_REFUSED_NAME, e->path, err,
			      "git takes no such name: not captured");
}

int walk_entry(struct walk *w, const char *name, struct cs_err *err)
{
	AUTO_FREE char *path = walk_join(w, name);
	struct entry e = { .name = name, .path = path };

	if (!*w->dir.path && !strcmp(name, ".git"))
		return 0;
	if (strlen(path) > CAPTURE_PATH_MAX) {
		w->too_long++;
		return 0;
	}
	if (w->dir.depth == CAPTURE_DEPTH_MAX) {
		w->too_deep++;
		return 0;
	}
	if (fstatat(w->fd, name, &e.st, AT_SYMLINK_NOFOLLOW) < 0)
		return cs_err_sys(err, "look at %s", path);
	if (w->pristine_fd >= 0 && fstatat(w->pristine_fd, name, &e.was, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return cs_err_sys(err, "pristine: look at %s", path);
		e.was.st_mode = 0;
	}
	if (w->dir.submodule != NO_SUBMODULE) {
		in_submodule(w, &e);
		return 0;
	}
	if (walk_is_whiteout(w, name, &e.st))
		return e.was.st_mode ? send_delete(w, path, err) : 0;
	if (cs_name_is_dot_git(name, strlen(name)))
		return refused(w, &e, err);
	return S_ISDIR(e.st.st_mode) ? subdir(w, &e, err) : leaf(w, &e, err);
}

int walk_missing(struct walk *w, const char *name, struct cs_err *err)
{
	AUTO_FREE char *path = walk_join(w, name);

	if (w->dir.submodule != NO_SUBMODULE) {
		w->submodules[w->dir.submodule].written = true;
		return 0;
	}
	if (!*w->dir.path && !strcmp(name, ".git"))
		return 0;
	return send_delete(w, path, err);
}
