/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over the layer: directories, one after another from an explicit stack.
 *
 *	may:	 read the layer and the pristine
 *	mustn't: follow a link, keep a descriptor for each level, trust a time or a name
 *
 * Every directory is opened by its whole path beneath the layer. That needs two descriptors at any
 * depth, and no limit on depth but that of a path: what is longer than PATH_MAX could not be
 * checked out and is a finding. An overlay's layer costs what changed; in checkout mode the whole
 * copy is compared with the pristine.
 */
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "names.h"

/* ---- names of a directory -------------------------------------------------------------------- */

static void names_release(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i].name);
	free(names->list);
	*names = (struct names){ 0 };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->name, ((const struct name *)b)->name);
}

/* The names in a directory, sorted: the same layer gives the same stream. 0, or -1 with errno. */
static int names_read(struct names *out, int dir_fd)
{
	AUTO_FD int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;

	if (!dir)
		return -1;
	(void)cs_steal_fd(&fd); /* dir closes it */
	while (errno = 0, (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (out->n == WALK_NAMES_MAX) {
			out->more++;
			continue;
		}
		CS_GROW(out->list, out->n, out->cap);
		out->list[out->n++] = (struct name){ cs_strdup(d->d_name), d->d_type };
	}
	if (errno)
		return -1;
	if (out->n)
		qsort(out->list, out->n, sizeof(*out->list), by_name);
	return 0;
}

static bool names_have(const struct names *names, const char *name)
{
	const struct name key = { .name = (char *)name };

	return names->n && bsearch(&key, names->list, names->n, sizeof(*names->list), by_name);
}

/* ---- the stack ------------------------------------------------------------------------------- */

static uint64_t weight(const struct dir *d)
{
	return strlen(d->path) + sizeof(*d);
}

void walk_push(struct walk *w, const struct dir *d)
{
	if (w->waiting + weight(d) > WALK_WAITING_MAX) {
		w->too_many++;
		free(d->path);
		return;
	}
	w->waiting += weight(d);
	CS_GROW(w->stack, w->n, w->cap);
	w->stack[w->n++] = *d;
}

/* What was pushed from `from` on is taken from the end: turn it round, to keep the order. */
static void reverse_from(struct walk *w, size_t from)
{
	for (size_t a = from, b = w->n; a + 1 < b; a++) {
		struct dir tmp = w->stack[a];

		w->stack[a] = w->stack[--b];
		w->stack[b] = tmp;
	}
}

char *walk_join(const struct walk *w, const char *name)
{
	return *w->dir.path ? cs_asprintf("%s/%s", w->dir.path, name) : cs_strdup(name);
}

/* ---- the agent's index ----------------------------------------------------------------------- */

static int load_tracked(struct walk *w, struct cs_err *err)
{
	AUTO_BUF struct cs_buf data = CS_BUF_INIT;
	const char *why = "it cannot be read";
	struct stat st;
	AUTO_FD int fd = open_regular(&st, w->r->layer_fd, ".git/index");

	w->tracked_loaded = true;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd >= 0 && !cs_read_fd(&data, fd, TRACKED_INDEX_MAX, NULL) &&
	    tracked_parse(&w->tracked, data.data, data.len, w->r->oid_len, &why))
		return 0;
	return reader_finding(w->r, KIND_AGENT_INDEX, ".git/index", err,
			      "%s: ignored files that the agent added are not captured", why);
}

int walk_tracked(bool *out, struct walk *w, const char *path, bool below, struct cs_err *err)
{
	int rc = w->tracked_loaded ? 0 : load_tracked(w, err);

	*out = below ? tracked_below(&w->tracked, path) : tracked_has(&w->tracked, path);
	return rc;
}

/* ---- one directory --------------------------------------------------------------------------- */

/* What its rules are in the result: the layer's, else (seen through it) the pristine's. */
static int result_rules(struct cs_buf *out, struct walk *w, const struct cs_buf *base,
			struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	struct stat st;

	if (!names_have(&w->names, RULES_FILE)) {
		if (!w->dir.full)
			cs_buf_add(out, base->data, base->len);
		return 0;
	}
	if (fstatat(w->fd, RULES_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    walk_is_whiteout(w, RULES_FILE, &st))
		return 0;
	if (rules_read(out, w->fd, &why) < 0) {
		AUTO_FREE char *path = walk_join(w, RULES_FILE);

		return reader_finding(w->r, KIND_IGNORE_RULES, path, err, "rules do not count: %s",
				      why.msg);
	}
	return 0;
}

static int enter_rules(struct walk *w, struct cs_err *err)
{
	AUTO_BUF struct cs_buf base = CS_BUF_INIT;
	AUTO_BUF struct cs_buf result = CS_BUF_INIT;
	int rc;

	/* A base whose rules cannot be read has none, as for git. */
	if (w->pristine_fd >= 0)
		(void)!rules_read(&base, w->pristine_fd, NULL);
	rc = result_rules(&result, w, &base, err);
	rules_add(&w->rules, w->dir.path, &result, &base);
	return rc;
}

/* A repository inside: git would store a link to it, or pass over it, and show nothing of it. */
static int tell_nested(struct walk *w, struct cs_err *err)
{
	if (!*w->dir.path)
		return 0;
	if (names_have(&w->names, ".git"))
		return reader_finding(w->r, KIND_NESTED_REPOSITORY, w->dir.path, err,
				      "captured as plain files, without its .git");
	if (!w->dir.in_pristine && names_have(&w->names, "HEAD") &&
	    names_have(&w->names, "objects") && names_have(&w->names, "refs"))
		return reader_finding(w->r, KIND_NESTED_REPOSITORY, w->dir.path, err,
				      "a bare repository, captured as plain files");
	return 0;
}

/* Others than those that the base names are recognised by the writer, in the base's tree. */
static void enter_submodule(struct walk *w)
{
	if (w->dir.submodule != NO_SUBMODULE || !cs_strv_has(w->r->gitlinks, w->dir.path))
		return;
	CS_GROW(w->submodules, w->n_submodules, w->cap_submodules);
	w->submodules[w->n_submodules] = (struct submodule){ .path = cs_strdup(w->dir.path) };
	w->dir.submodule = w->n_submodules++;
}

static void read_opaque(struct walk *w)
{
	char value = 0;

	if (!w->r->overlay || w->dir.full ||
	    fgetxattr(w->fd, "user.overlay.opaque", &value, 1) != 1)
		return;
	w->dir.full = value == 'y';
	w->xattr_whiteouts = value == 'x';
}

/* Opens what w->dir names. *closed: its owner may not look into it. */
static int open_dirs(bool *closed, struct walk *w, struct cs_err *err)
{
	const char *path = *w->dir.path ? w->dir.path : ".";
	struct stat st;

	w->fd = cs_opendir_beneath(w->r->layer_fd, path);
	*closed = w->fd < 0 && errno == EACCES;
	if (*closed)
		return 0;
	if (w->fd < 0 || fstat(w->fd, &st) < 0)
		return cs_err_sys(err, "open directory %s", path);
	*closed = (st.st_mode & S_IRWXU & ~S_IWUSR) != (S_IRUSR | S_IXUSR) &&
		  st.st_uid == geteuid() && st.st_uid != 0;
	if (!w->dir.in_pristine)
		return 0;
	w->pristine_fd = cs_opendir_beneath(w->r->pristine_fd, path);
	if (w->pristine_fd < 0)
		return cs_err_sys(err, "pristine: open directory %s", path);
	return 0;
}

static bool is_dir(const struct walk *w, const struct name *n)
{
	struct stat st;

	if (n->type != DT_UNKNOWN)
		return n->type == DT_DIR;
	return !fstatat(w->fd, n->name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode);
}

/* Ignored, and nothing below is tracked: build output may be large, and only its number counts. */
static void count_names(struct walk *w)
{
	for (size_t i = 0; i < w->names.n; i++) {
		struct dir d = w->dir;

		if (!is_dir(w, &w->names.list[i])) {
			w->ignored.list[d.slot].files++;
			continue;
		}
		d.path = walk_join(w, w->names.list[i].name);
		if (strlen(d.path) > CAPTURE_PATH_MAX) {
			w->too_long++;
			free(d.path);
			continue;
		}
		walk_push(w, &d);
	}
}

static int look_at_names(struct walk *w, struct cs_err *err)
{
	struct names was = { 0 };
	int rc = 0;

	for (size_t i = 0; i < w->names.n && !rc; i++)
		rc = walk_entry(w, w->names.list[i].name, err);
	/* What was not looked at is not known to be missing. */
	if (rc < 0 || !w->dir.full || w->pristine_fd < 0 || w->names.more)
		return rc;
	if (names_read(&was, w->pristine_fd) < 0)
		rc = cs_err_sys(err, "pristine: read directory %s", w->dir.path);
	for (size_t i = 0; i < was.n && !rc; i++) {
		if (!names_have(&w->names, was.list[i].name))
			rc = walk_missing(w, was.list[i].name, err);
	}
	names_release(&was);
	return rc;
}

static int tell_about_directory(struct walk *w, struct cs_err *err)
{
	bool new = !w->dir.in_pristine && * w->dir.path;
	int rc = tell_nested(w, err);

	if (!rc && new && !w->names.n && !w->dir.ignored)
		rc = reader_finding(w->r, KIND_EMPTY_DIRECTORY, w->dir.path, err, "not captured");
	return rc;
}

static int send_closed(struct walk *w, struct cs_err *err)
{
	if (!reader_has_room(w->r, strlen(w->dir.path))) {
		w->too_many++;
		return 0;
	}
	return reader_send_path(w->r, FRAME_CLOSED, *w->dir.path ? w->dir.path : ".", err);
}

static int look_into(struct walk *w, struct cs_err *err)
{
	bool quiet;
	bool closed;
	int rc = open_dirs(&closed, w, err);

	if (rc < 0)
		return rc;
	if (closed)
		return send_closed(w, err);
	if (names_read(&w->names, w->fd) < 0)
		return cs_err_sys(err, "read directory %s", w->dir.path);
	w->looked += w->names.n + w->names.more;
	w->too_many += w->names.more;
	read_opaque(w);
	enter_submodule(w);
	quiet = w->dir.count_only || w->dir.submodule != NO_SUBMODULE;
	if (!quiet && !w->dir.ignored)
		rc = enter_rules(w, err);
	if (!rc && !quiet)
		rc = tell_about_directory(w, err);
	if (w->dir.count_only)
		count_names(w);
	else if (!rc)
		rc = look_at_names(w, err);
	if (!rc && w->too_long)
		rc = reader_finding(
			w->r, KIND_PATH_TOO_LONG, w->dir.path, err,
			"%llu entries below have longer paths than %d bytes: not captured",
			(unsigned long long)w->too_long, CAPTURE_PATH_MAX);
	if (!rc && w->too_deep)
		rc = reader_finding(w->r, KIND_TOO_DEEP, w->dir.path, err,
				    "%llu entries lie in more than %d directories: not captured",
				    (unsigned long long)w->too_deep, CAPTURE_DEPTH_MAX - 1);
	return rc;
}

static int visit(struct walk *w, struct cs_err *err)
{
	size_t waiting;
	int rc;

	w->dir = w->stack[--w->n];
	w->waiting -= weight(&w->dir);
	waiting = w->n;
	w->fd = w->pristine_fd = -1;
	w->xattr_whiteouts = false;
	w->file_slot = IGNORED_NONE;
	w->too_long = w->too_deep = 0;
	rules_rewind(&w->rules, &w->dir.rules);
	rc = look_into(w, err);
	reverse_from(w, waiting);
	names_release(&w->names);
	cs_close(&w->fd);
	cs_close(&w->pristine_fd);
	free(w->dir.path);
	return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int tell_submodules(struct walk *w, struct cs_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < w->n_submodules && !rc; i++) {
		if (w->submodules[i].written)
			rc = reader_finding(w->r, KIND_SUBMODULE, w->submodules[i].path, err,
					    "the submodule stays as it is");
	}
	return rc;
}

static int tell_too_many(struct walk *w, struct cs_err *err)
{
	w->too_many += w->n; /* directories that wait, after WALK_LOOK_MAX names */
	if (!w->too_many)
		return 0;
	return reader_finding(w->r, KIND_TOO_MANY, "", err,
			      "%llu entries, and what is below them: not captured",
			      (unsigned long long)w->too_many);
}

static int tell_head(struct walk *w, struct cs_err *err)
{
	AUTO_FD int git_fd = cs_opendir_beneath(w->r->layer_fd, ".git");
	const char *why = "there is no git directory";
	char hex[CS_OID_HEX];
	struct frame f = { .type = FRAME_HEAD, .data = hex };

	if (git_fd < 0 || !head_read(hex, git_fd, w->r->oid_len, &why))
		return reader_finding(w->r, KIND_AGENT_COMMITS, ".git", err,
				      "its commits are not listed: %s", why);
	f.data_len = strlen(hex);
	return reader_send(w->r, &f, err);
}

static void walk_release(struct walk *w)
{
	while (w->n)
		free(w->stack[--w->n].path);
	free(w->stack);
	for (size_t i = 0; i < w->n_submodules; i++)
		free(w->submodules[i].path);
	free(w->submodules);
	free(w->data);
	free(w->other);
	rules_release(&w->rules);
	ignored_release(&w->ignored);
	tracked_release(&w->tracked);
}

int walk_layer(struct reader *r, struct cs_err *err)
{
	struct walk w = { .r = r, .tracked = TRACKED_INIT };
	struct dir top = {
		.path = cs_strdup(""),
		.full = !r->overlay,
		.in_pristine = true,
		.slot = IGNORED_NONE,
		.submodule = NO_SUBMODULE,
	};
	int rc = 0;

	w.data = cs_malloc(WALK_STEP);
	w.other = cs_malloc(WALK_STEP);
	rules_init(&w.rules, r->user_excludes);
	top.rules = rules_mark(&w.rules);
	walk_push(&w, &top);
	while (w.n && !rc && w.looked <= WALK_LOOK_MAX)
		rc = visit(&w, err);
	if (!rc)
		rc = tell_too_many(&w, err);
	if (!rc)
		rc = ignored_send(&w.ignored, r, err);
	if (!rc)
		rc = tell_submodules(&w, err);
	if (!rc)
		rc = tell_head(&w, err);
	walk_release(&w);
	return rc;
}
