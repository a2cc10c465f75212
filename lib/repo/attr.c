/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which conversion `git add` would make of a file's line ends, by the .gitattributes files of one
 * commit and nothing else: not those of a work tree (an agent may have written them), not
 * info/attributes, not the system's or the user's, and as if core.autocrlf and core.eol were not
 * set. The rules are git's attr.c and convert.c (gitattributes(5)):
 *
 *	- the file nearest to the path wins, within a file the last line that matches;
 *	- macros are defined in the top directory only; "binary" is built in; a macro that is set
 *	  sets its attributes where nothing before did;
 *	- lines that git would ignore (negative patterns, bad names, over-long) are ignored.
 *
 * Files are read once per directory and kept while the same commit is asked about.
 */
#include "attr_file.h"

#include <search.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "internal.h"

#define FILE_NAME      ".gitattributes"
#define FILE_MAX_BYTES (4u << 20)
#define PATH_ATTRS_MAX 1024 /* attributes set on one path */
#define BUILT_IN       "[attr]binary -diff -merge -text\n"

/* The attributes of one directory. */
struct directory {
	struct directory *parent; /* NULL for the top */
	char *path;		  /* "" for the top */
	struct cs_tree tree;	  /* empty where the commit has no such directory */
	struct cs_attr_file file;
};

struct cs_attr_cache {
	struct cs_oid commit;
	struct cs_oid tree;
	struct cs_attr_file built_in;
	void *directories; /* tsearch(3), by path */
};

/* What is known of one path so far. */
struct result {
	const struct cs_attr *list[PATH_ATTRS_MAX];
	size_t n;
};

/* ---- the files of a commit ---- */

static void free_directory(void *p)
{
	struct directory *d = p;

	cs_attr_file_release(&d->file);
	cs_tree_release(&d->tree);
	free(d->path);
	free(d);
}

static int compare_directories(const void *va, const void *vb)
{
	const struct directory *a = va;
	const struct directory *b = vb;

	return strcmp(a->path, b->path);
}

void cs_attr_cache_free(struct cs_attr_cache *cache)
{
	if (!cache)
		return;
	tdestroy(cache->directories, free_directory);
	cs_attr_file_release(&cache->built_in);
	free(cache);
}

/* Reads the directory's own file. */
static int read_attributes(struct directory *d, const struct cs_repo *repo, struct cs_err *err)
{
	const struct cs_tree_entry *e = cs_tree_find(&d->tree, FILE_NAME);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc;

	if (!e || !S_ISREG(e->mode))
		return 0; /* git does not follow a link of this name */
	rc = cs_repo_read(&text, repo, &e->oid, CS_OBJ_BLOB, FILE_MAX_BYTES, err);
	if (rc < 0)
		return cs_err_wrap(err, "%s%s" FILE_NAME, d->path, *d->path ? "/" : "");
	cs_attr_file_parse(&d->file, text.data, !*d->path);
	return 0;
}

/* The directory's tree: the commit's, or what the parent's tree has by its name. */
static int read_directory(struct directory *d, const struct cs_repo *repo, struct cs_err *err)
{
	const char *slash = strrchr(d->path, '/');
	const struct cs_tree_entry *e;

	if (!d->parent)
		return cs_repo_read_tree(&d->tree, repo, &repo->lazy->attrs->tree, err);
	e = cs_tree_find(&d->parent->tree, slash ? slash + 1 : d->path);
	return e && S_ISDIR(e->mode) ? cs_repo_read_tree(&d->tree, repo, &e->oid, err) : 0;
}

static int find_directory(struct directory **out, const struct cs_repo *repo,
			  struct directory *parent, const char *path, struct cs_err *err)
{
	struct cs_attr_cache *cache = repo->lazy->attrs;
	const struct directory key = { .path = (char *)path };
	struct directory *const *found = tfind(&key, &cache->directories, compare_directories);
	struct directory *d;
	int rc;

	if (found) {
		*out = *found;
		return 0;
	}
	d = cs_calloc(1, sizeof(*d));
	d->parent = parent;
	d->path = cs_strdup(path);
	rc = read_directory(d, repo, err);
	if (rc == 0)
		rc = read_attributes(d, repo, err);
	if (rc < 0) {
		free_directory(d);
		return rc;
	}
	if (!tsearch(d, &cache->directories, compare_directories))
		abort(); /* no memory, as in cs_malloc */
	*out = d;
	return 0;
}

/* From the top down to the directory that the path is in. */
static int find_directory_of(struct directory **out, const struct cs_repo *repo, const char *path,
			     struct cs_err *err)
{
	AUTO_FREE char *dir = cs_strdup(path);
	struct directory *d = NULL;
	int rc = find_directory(&d, repo, NULL, "", err);

	for (char *slash = dir; rc == 0 && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		rc = find_directory(&d, repo, d, dir, err);
		*slash = '/';
	}
	*out = d;
	return rc;
}

/* An empty cache for this commit, unless it is the one that is there. */
static int prepare(const struct cs_repo *repo, const struct cs_oid *commit, struct cs_err *err)
{
	struct cs_attr_cache *cache = repo->lazy->attrs;
	char built_in[] = BUILT_IN;
	struct cs_commit c = { 0 };
	int rc;

	if (cache && cs_oid_equal(&cache->commit, commit))
		return 0;
	rc = cs_repo_read_commit(&c, repo, commit, err);
	if (rc < 0)
		return rc;
	cs_attr_cache_free(cache);
	cache = cs_calloc(1, sizeof(*cache));
	cache->commit = *commit;
	cache->tree = c.tree;
	cs_commit_release(&c);
	cs_attr_file_parse(&cache->built_in, built_in, true);
	repo->lazy->attrs = cache;
	return 0;
}

/* ---- looking up ---- */

static const struct cs_attr *find(const struct result *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->list[i]->name, name))
			return r->list[i];
	return NULL;
}

/* The definition that counts: the last one of the top directory, else the built-in one. */
static const struct cs_attr_line *find_macro(const struct directory *top,
					     const struct cs_attr_file *built_in, const char *name)
{
	const struct cs_attr_file *sources[] = { &top->file, built_in };

	for (size_t s = 0; s < CS_COUNT(sources); s++)
		for (size_t i = sources[s]->n; i-- > 0;) {
			const struct cs_attr_line *l = &sources[s]->lines[i];

			if (l->macro && !strcmp(l->macro, name))
				return l;
		}
	return NULL;
}

/* What the line says about attributes of which nothing is known yet; the last word first. */
/* NOLINTNEXTLINE(misc-no-recursion): each call has added one of PATH_ATTRS_MAX attributes */
static int apply(struct result *r, const struct cs_attr_cache *cache, const struct directory *top,
		 const struct cs_attr_line *l, struct cs_err *err)
{
	for (size_t i = l->n; i-- > 0;) {
		const struct cs_attr *a = &l->list[i];
		const struct cs_attr_line *macro = NULL;
		int rc;

		if (find(r, a->name))
			continue;
		if (r->n == PATH_ATTRS_MAX)
			return cs_err_set(err, CS_LIMIT, "more than %d attributes on one path",
					  PATH_ATTRS_MAX);
		r->list[r->n++] = a;
		if (a->state == CS_ATTR_SET)
			macro = find_macro(top, &cache->built_in, a->name);
		rc = macro ? apply(r, cache, top, macro, err) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Fills r from the directory of the path upwards. */
static int look_up(struct result *r, const struct cs_repo *repo, const char *path,
		   struct cs_err *err)
{
	const struct directory *top;
	struct directory *d = NULL;
	int rc = find_directory_of(&d, repo, path, err);

	for (top = d; top && top->parent;)
		top = top->parent;
	for (; rc == 0 && d; d = d->parent)
		for (size_t i = d->file.n; rc == 0 && i-- > 0;)
			if (!d->file.lines[i].macro &&
			    cs_pattern_match(&d->file.lines[i].pattern, d->path, path, false))
				rc = apply(r, repo->lazy->attrs, top, &d->file.lines[i], err);
	return rc;
}

/* ---- what it means for line ends ---- */

enum crlf { UNDEFINED = 0, BINARY, AUTO, TEXT };

static enum crlf crlf_of(const struct cs_attr *a)
{
	if (!a || a->state == CS_ATTR_UNSPECIFIED)
		return UNDEFINED;
	if (a->state == CS_ATTR_SET)
		return TEXT;
	if (a->state == CS_ATTR_UNSET)
		return BINARY;
	if (!strcmp(a->value, "input"))
		return TEXT;
	return !strcmp(a->value, "auto") ? AUTO : UNDEFINED;
}

static bool has_value(const struct cs_attr *a)
{
	return a && a->state == CS_ATTR_VALUE;
}

static enum cs_text text_of(const struct result *r)
{
	const struct cs_attr *eol = find(r, "eol");
	enum crlf crlf = crlf_of(find(r, "text"));

	if (crlf == UNDEFINED)
		crlf = crlf_of(find(r, "crlf")); /* its old name */
	/* An eol makes text of what nothing else is said about. */
	if (crlf == UNDEFINED && has_value(eol) &&
	    (!strcmp(eol->value, "lf") || !strcmp(eol->value, "crlf")))
		crlf = TEXT;
	if (crlf == TEXT)
		return CS_TEXT_ALWAYS;
	return crlf == AUTO ? CS_TEXT_AUTO : CS_TEXT_RAW;
}

int cs_repo_conversion(struct cs_conversion *out, const struct cs_repo *repo,
		       const struct cs_oid *commit, const char *path, struct cs_err *err)
{
	const struct cs_attr *encoding;
	const struct cs_attr *ident;
	struct result r;
	int rc = prepare(repo, commit, err);

	r.n = 0;
	if (rc == 0)
		rc = look_up(&r, repo, path, err);
	if (rc < 0)
		return cs_err_wrap(err, "attributes");
	encoding = find(&r, "working-tree-encoding");
	ident = find(&r, "ident");
	*out = (struct cs_conversion){
		.text = text_of(&r),
		.ident = ident && ident->state == CS_ATTR_SET,
		.filter = has_value(find(&r, "filter")),
		.encoding = has_value(encoding) && *encoding->value &&
			    strcasecmp(encoding->value, "UTF-8") != 0 &&
			    strcasecmp(encoding->value, "UTF8") != 0,
	};
	return 0;
}
