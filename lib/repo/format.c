/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this program can read the repository at all (gitrepository-layout(5), "core" and
 * "extensions" in git-config(1)).
 *
 * libgit2's own check is not enough: at format version 0 it opens repositories that git refuses,
 * and an extension that is switched on for one value (objectFormat = sha1) is on for all values.
 * So every extension is checked here, against this table, at every version. libgit2 is then told
 * to accept the names (open.c).
 */
#include "internal.h"

#include <limits.h>
#include <string.h>

static const struct {
	const char *name;
	const char *value;   /* the only one that can be handled; NULL: any */
	const char *instead; /* what another value means, for the message */
	bool v1_only;	     /* git refuses it at version 0 */
} extensions[] = {
	{ "noop", NULL, NULL, false },
	{ "noop-v1", NULL, NULL, true },
	{ "partialclone", NULL, NULL, false },
	{ "preciousobjects", NULL, NULL, false },
	{ "worktreeconfig", NULL, NULL, false },
	{ "relativeworktrees", NULL, NULL, true },
	{ "objectformat", "sha1", "its object ids are not SHA-1", true },
	{ "refstorage", "files", "its references are not stored as files", true },
};

#define EXTENSION_PREFIX "extensions."

static int check_extension(const struct cs_location *loc, const char *name, const char *value,
			   int version, struct cs_err *err)
{
	AUTO_FREE char *shown = cs_escape_line(value ? value : "");

	for (size_t i = 0; i < CS_COUNT(extensions); i++) {
		if (strcmp(name, extensions[i].name) != 0)
			continue;
		if (extensions[i].value && (!value || strcmp(value, extensions[i].value) != 0))
			return cs_err_set(err, CS_UNSUPPORTED,
					  "%s: unsupported repository: extensions.%s = %s: %s",
					  loc->common_dir, name, shown, extensions[i].instead);
		if (extensions[i].v1_only && version < 1)
			return cs_err_set(err, CS_UNSUPPORTED,
					  "%s: unsupported repository: extensions.%s in a "
					  "repository of format version %d",
					  loc->common_dir, name, version);
		return 0;
	}
	return cs_err_set(err, CS_UNSUPPORTED, "%s: unsupported repository: unknown extension %s",
			  loc->common_dir, name);
}

static int check_extensions(const struct cs_location *loc, git_config *config, int version,
			    struct cs_err *err)
{
	AUTO_ITERATOR git_config_iterator *it = NULL;
	git_config_entry *entry;
	int rc = git_config_iterator_new(&it, config);

	while (rc == 0 && (rc = git_config_next(&entry, it)) == 0) {
		const size_t prefix = strlen(EXTENSION_PREFIX);

		if (strncmp(entry->name, EXTENSION_PREFIX, prefix) != 0)
			continue;
		rc = check_extension(loc, entry->name + prefix, entry->value, version, err);
		if (rc < 0)
			return rc;
	}
	return rc == GIT_ITEROVER ? 0 : cs_err_git(err, rc, "%s: configuration", loc->common_dir);
}

/* The configuration file alone: not the user's, not the system's. A missing file is empty. */
static int open_config(git_config **out, const char *dir, const char *name, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", dir, name);
	int rc = git_config_open_ondisk(out, path);

	return rc < 0 ? cs_err_git(err, rc, "%s", path) : 0;
}

/* core.bare and core.worktree of one file; what it does not set stays as it is. */
struct worktree_config {
	int bare;
	char *worktree;
};

static void read_worktree_config(struct worktree_config *wc, git_config *config)
{
	AUTO_CONFIG git_config *snapshot = NULL;
	const char *path = NULL;
	int bare;

	if (git_config_snapshot(&snapshot, config) < 0)
		return;
	if (git_config_get_bool(&bare, snapshot, "core.bare") == 0)
		wc->bare = bare;
	if (git_config_get_string(&path, snapshot, "core.worktree") == 0) {
		free(wc->worktree);
		wc->worktree = cs_strdup(path);
	}
}

/* core.bare wins over core.worktree, and that over where .git was found. */
static void apply_worktree_config(struct cs_location *loc, const struct worktree_config *wc)
{
	AUTO_FREE char *path = NULL;

	if (!wc->bare && !wc->worktree)
		return;
	free(loc->worktree);
	loc->worktree = NULL;
	if (wc->bare)
		return;
	path = *wc->worktree == '/' ? cs_strdup(wc->worktree)
				    : cs_asprintf("%s/%s", loc->git_dir, wc->worktree);
	loc->worktree = realpath(path, NULL);
	if (!loc->worktree)
		loc->worktree = cs_steal(&path);
}

/* As git: the common configuration says nothing about a linked worktree, unless it is per worktree.
 */
static int find_worktree(struct cs_location *loc, git_config *config, struct cs_err *err)
{
	AUTO_CONFIG git_config *own = NULL;
	struct worktree_config wc = { 0 };
	int per_worktree = 0;
	int rc = 0;

	if (git_config_get_bool(&per_worktree, config, "extensions.worktreeconfig") < 0)
		per_worktree = 0;
	if (loc->linked && !per_worktree)
		return 0;
	read_worktree_config(&wc, config);
	if (per_worktree)
		rc = open_config(&own, loc->git_dir, "config.worktree", err);
	if (rc == 0 && own)
		read_worktree_config(&wc, own);
	if (rc == 0)
		apply_worktree_config(loc, &wc);
	free(wc.worktree);
	return rc;
}

/* core.sharedRepository as git-config(1) defines it: words, 0/1/2, or an octal file mode. */
static int read_shared(git_config *config)
{
	static const struct {
		const char *word;
		int mode;
	} words[] = {
		{ "umask", 0 },	   { "group", 0660 },	  { "all", 0664 },
		{ "world", 0664 }, { "everybody", 0664 }, { "2", 0664 },
	};
	AUTO_CONFIG git_config *snapshot = NULL;
	const char *value = NULL;
	char *end;
	long mode;
	int flag;

	if (git_config_snapshot(&snapshot, config) < 0 ||
	    git_config_get_string(&value, snapshot, "core.sharedrepository") < 0)
		return 0;
	for (size_t i = 0; i < CS_COUNT(words); i++)
		if (!strcmp(value, words[i].word))
			return words[i].mode;
	mode = strtol(value, &end, 8);
	if (*value && !*end && mode > 2)
		return (mode & 0600) == 0600 ? -(int)(mode & 0666) : 0;
	return git_config_parse_bool(&flag, value) == 0 && flag ? 0660 : 0;
}

int cs_check_format(struct cs_location *loc, int *shared, struct cs_err *err)
{
	AUTO_CONFIG git_config *config = NULL;
	int version = 0;
	int rc = open_config(&config, loc->common_dir, "config", err);

	if (rc < 0)
		return rc;
	rc = git_config_get_int32(&version, config, "core.repositoryformatversion");
	if (rc < 0 && rc != GIT_ENOTFOUND)
		return cs_err_git(err, rc, "%s: core.repositoryFormatVersion", loc->common_dir);
	if (version < 0 || version > 1)
		return cs_err_set(err, CS_UNSUPPORTED,
				  "%s: unsupported repository: format version %d", loc->common_dir,
				  version);
	rc = check_extensions(loc, config, version, err);
	if (rc < 0)
		return rc;
	*shared = read_shared(config);
	return find_worktree(loc, config, err);
}
