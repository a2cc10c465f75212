/* SPDX-License-Identifier: Apache-2.0 */
/*
 * objects/info/alternates (gitrepository-layout(5)): one object directory a line, '#' comments,
 * C-quoted where a name needs it, relative to the directory that names it. As git, a missing
 * directory is passed over (its objects are then missing, and say so), and chains end at depth 5.
 *
 * Root in a repository of somebody else's follows these lines, and a link instead of objects/, only
 * to where that owner comes as well: what is found is shown to an agent that runs as him, at a
 * path without the directories that kept him out.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALTERNATES_MAX_BYTES (1 << 20)
#define ALTERNATES_MAX_DEPTH 5

struct search {
	struct cs_strv *out;
	bool stranger; /* we are root, and the repository is not root's: */
	uid_t uid;
	gid_t gid;
};

/* A real path. What belongs to the owner is his wherever it lies. */
static bool may_show(const struct search *s, const char *real)
{
	struct stat st;

	if (!s->stranger)
		return true;
	if (lstat(real, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	return st.st_uid == s->uid ||
	       (cs_lets(&st, s->uid, s->gid, 05) && cs_comes_to(real, s->uid, s->gid));
}

/* NOLINTBEGIN(misc-no-recursion): depths bound it. */

/* Through links in a store root would read objects that the owner cannot. All of them are two deep. */
static int refuse_links(const char *path, int depth, struct cs_err *err)
{
	AUTO_DIR DIR *dir = opendir(path);
	const struct dirent *e;
	struct stat st;
	int rc = 0;

	/* What cannot be looked through is not used, unless it is gone. */
	if (!dir && errno != ENOENT)
		return cs_err_sys(err, "%s", path);
	while (dir && !rc && (e = readdir(dir))) {
		AUTO_FREE char *name = cs_asprintf("%s/%s", path, e->d_name);

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || e->d_type == DT_REG ||
		    lstat(name, &st) < 0)
			continue;
		if (S_ISLNK(st.st_mode))
			return cs_err_set(err, CS_REFUSED,
					  "%s: a link in another user's objects is not followed",
					  name);
		if (S_ISDIR(st.st_mode) && depth > 0)
			rc = refuse_links(name, depth - 1, err);
	}
	return rc;
}

static int collect(const struct search *s, const char *objects_dir, int depth, struct cs_err *err);

/* One line, changed in place. */
static int add_line(const struct search *s, const char *objects_dir, char *line, int depth,
		    struct cs_err *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *real = NULL;

	if (!*line || *line == '#')
		return 0;
	if (*line == '"') {
		const char *end = cs_unquote_c(line);

		if (!end || *end)
			return cs_err_set(err, CS_CORRUPT, "%s/info/alternates: bad quoting",
					  objects_dir);
	}
	path = *line == '/' ? cs_strdup(line) : cs_asprintf("%s/%s", objects_dir, line);
	real = realpath(path, NULL);
	if (!real || cs_strv_has(s->out, real) || !may_show(s, real))
		return 0;
	return collect(s, real, depth + 1, err);
}

/* objects_dir is a real path. */
static int collect(const struct search *s, const char *objects_dir, int depth, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/info/alternates", objects_dir);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	char *rest;
	char *line;
	int rc = s->stranger ? refuse_links(objects_dir, 1, err) : 0;

	if (rc < 0)
		return rc;
	cs_strv_add(s->out, objects_dir);
	if (depth >= ALTERNATES_MAX_DEPTH)
		return 0;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	rc = cs_read_file(&text, AT_FDCWD, path, ALTERNATES_MAX_BYTES, err);
	rest = text.data;
	while (rc == 0 && (line = strsep(&rest, "\n")))
		rc = add_line(s, objects_dir, line, depth, err);
	return rc;
}

/* NOLINTEND(misc-no-recursion) */

int cs_find_object_dirs(struct cs_strv *out, const char *common_dir, struct cs_err *err)
{
	AUTO_FREE char *objects = cs_asprintf("%s/objects", common_dir);
	AUTO_FREE char *real = realpath(objects, NULL);
	struct search s = { .out = out };
	struct stat st;

	if (!real || stat(common_dir, &st) < 0)
		return cs_err_sys(err, "%s", objects);
	s.stranger = geteuid() == 0 && st.st_uid != 0;
	s.uid = st.st_uid;
	s.gid = st.st_gid;
	if (!may_show(&s, real))
		return cs_err_set(err, CS_REFUSED,
				  "%s: user %u, whose repository it is, cannot read %s", objects,
				  st.st_uid, real);
	return collect(&s, real, 0, err);
}
