/* SPDX-License-Identifier: Apache-2.0 */
/*
 * objects/info/alternates (gitrepository-layout(5)): one object directory a line, '#' comments,
 * C-quoted where a name needs it, relative to the directory that names it. As git, a missing
 * directory is passed over (its objects are then missing, and say so), and chains end at depth 5.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define ALTERNATES_MAX_BYTES (1 << 20)
#define ALTERNATES_MAX_DEPTH 5

static int collect(struct cs_strv *out, const char *objects_dir, int depth, struct cs_err *err);

/* NOLINTBEGIN(misc-no-recursion): ALTERNATES_MAX_DEPTH bounds it. */

/* One line, changed in place. */
static int add_line(struct cs_strv *out, const char *objects_dir, char *line, int depth,
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
	if (!real || cs_strv_has(out, real))
		return 0;
	return collect(out, real, depth + 1, err);
}

/* objects_dir is a real path. */
static int collect(struct cs_strv *out, const char *objects_dir, int depth, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/info/alternates", objects_dir);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	char *rest;
	char *line;
	int rc;

	cs_strv_add(out, objects_dir);
	if (depth >= ALTERNATES_MAX_DEPTH)
		return 0;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	rc = cs_read_file(&text, AT_FDCWD, path, ALTERNATES_MAX_BYTES, err);
	rest = text.data;
	while (rc == 0 && (line = strsep(&rest, "\n")))
		rc = add_line(out, objects_dir, line, depth, err);
	return rc;
}

/* NOLINTEND(misc-no-recursion) */

int cs_find_object_dirs(struct cs_strv *out, const char *objects_dir, struct cs_err *err)
{
	AUTO_FREE char *real = realpath(objects_dir, NULL);

	if (!real)
		return cs_err_sys(err, "%s", objects_dir);
	return collect(out, real, 0, err);
}
