/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the walk over the layer; shared by walk.c (directories) and entry.c (the rest). */
#ifndef CAPTURE_WALK_H
#define CAPTURE_WALK_H

#include "reader.h"
#include "rules.h"
#include "tracked.h"

#define NO_SUBMODULE SIZE_MAX

/* One directory of the layer, waiting or being looked at. */
struct dir {
	char *path; /* "" for the top */
	/*
	 * full: what is not in the layer is gone (checkout mode, opaque and new directories).
	 * Otherwise it is a layer over the pristine: what is not in it is unchanged.
	 */
	bool full;
	bool in_pristine;
	bool ignored;	  /* itself or a directory above: what is untracked below is not captured */
	bool count_only;  /* ignored, and nothing below is tracked */
	size_t slot;	  /* in the list of ignored directories; IGNORED_NONE */
	size_t submodule; /* in walk.submodules; NO_SUBMODULE */
	unsigned int depth; /* names in path */
	struct rules_mark rules;
};

struct submodule {
	char *path;
	bool written;
};

/* Names in a directory, sorted. */
struct name {
	char *name;
	unsigned char type; /* DT_* of readdir(3) */
};
struct names {
	struct name *list;
	size_t n, cap;
	uint64_t more; /* that were not kept */
};

#define WALK_STEP 65536 /* bytes read at once */

/*
 * What the walk holds and looks at, at most: names of one directory, bytes of the paths of waiting
 * directories, names in all. What is beyond is counted, and told as one finding.
 */
#define WALK_NAMES_MAX	 (1u << 20)
#define WALK_WAITING_MAX (128u << 20)
#define WALK_LOOK_MAX	 (16u << 20)

struct walk {
	struct reader *r;
	struct dir *stack;
	size_t n, cap;
	uint64_t waiting; /* bytes of the paths on the stack, with their entries there */
	uint64_t looked;   /* names */
	uint64_t too_many; /* entries that there was no room for */
	struct rules rules;
	struct ignored_list ignored;
	struct tracked tracked;
	bool tracked_loaded;
	struct submodule *submodules;
	size_t n_submodules, cap_submodules;

	/* the directory being looked at */
	struct dir dir;
	int fd;
	int pristine_fd; /* -1: none */
	struct names names;
	bool xattr_whiteouts;
	size_t file_slot;   /* of ignored files in it; IGNORED_NONE */
	uint64_t too_long;  /* entries whose path is */
	uint64_t too_deep;
	char *data, *other; /* of WALK_STEP bytes: what is compared */
};

/* ---- entry.c ---- */

/* One name of the current directory. */
int walk_entry(struct walk *w, const char *name, struct cs_err *err) CS_CHECKED;
/* A name of the pristine that a full directory does not have. */
int walk_missing(struct walk *w, const char *name, struct cs_err *err) CS_CHECKED;
/* Is the file that the layer has under this name a deletion? */
bool walk_is_whiteout(const struct walk *w, const char *name, const struct stat *st);

/* ---- walk.c ---- */

/* Takes d->path. */
void walk_push(struct walk *w, const struct dir *d);
/* Is the path (below the directory) in the agent's own index? Reads it on first use. */
int walk_tracked(bool *out, struct walk *w, const char *path, bool below,
		 struct cs_err *err) CS_CHECKED;
/* The path of a name in the current directory; the caller frees. */
char *walk_join(const struct walk *w, const char *name);

#endif
