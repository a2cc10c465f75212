/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: from the directory that an agent left to a git tree, without git ever looking at it.
 *
 * Two halves. The reader is a confined child (no network, no exec, no files but the run's): it
 * walks the overlay's upper layer (or, in checkout mode, the whole copy) by openat2 beneath
 * descriptors, compares with the pristine, decides what is ignored, and sends a flat list and then
 * the contents. The writer, in the calling process, checks every path and length, writes blobs,
 * and builds the tree: it never parses a directory, a pack or an index. A second confined child
 * reads the agent's own commits as text; if it fails there is no such list, and a finding.
 *
 * Rules: whiteouts and opaque directories are deletions; files are stored as they are, line ends
 * normalised as the base's attributes say for `git add`; untracked files that the base's, the
 * result's or the user's ignore rules match are listed, not captured, unless the agent tracked
 * them itself; setuid and special bits are dropped; .git in every spelling is refused; a nested
 * repository's files are captured as files, without its .git; a submodule stays as it is, or goes
 * when its directory does. What cannot be represented is a finding, never dropped.
 */
#ifndef COUNTERSIGN_CAPTURE_H
#define COUNTERSIGN_CAPTURE_H

#include <stdbool.h>
#include <sys/types.h>
#include "countersign/base.h"
#include "countersign/repo.h"

/* One thing the reviewer must see. kind is one of the words in the table of capture/finding.c. */
struct cs_finding {
	char *kind;
	char *path;   /* bytes; "" where none */
	char *detail; /* one line */
};
#define CS_FINDING_KINDS 64
struct cs_findings {
	struct cs_finding *list;
	size_t n, cap;
	uint64_t dropped; /* beyond a maximum; one "truncated" stands for the first: n + dropped came */
	uint32_t of_kind[CS_FINDING_KINDS];
};
#define CS_FINDINGS_INIT \
	{                \
		0        \
	}
#define CS_FINDINGS_MAX 10000
/* Of one kind: a flood of harmless ones must not hide the others. */
#define CS_FINDINGS_MAX_KIND 1000
void cs_finding_add(struct cs_findings *f, const char *kind, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void cs_findings_release(struct cs_findings *f);

/* A commit that the agent made, oldest first. All strings are hostile. */
struct cs_agent_commit {
	char oid[CS_OID_HEX];
	char *message; /* at most 64 KiB */
};

struct cs_capture_opts {
	struct cs_repo *repo;
	struct cs_oid commit, tree; /* the start: what was there before */
	/*
	 * Where a run continues another one, the base of both: its attributes count, and what a
	 * finding says is new is new since then. len 0: the start.
	 */
	struct cs_oid base_commit, base_tree;
	struct cs_oid stand_in;	    /* the commit that HEAD began at in place of the start; len 0: none */
	const char *pristine;	    /* directory; raw files of the base tree */
	/*
	 * The overlay's upper directory (mounted with userxattr), or the copy. The agent's private
	 * git directory is its .git.
	 */
	const char *layer;
	bool overlay; /* layer is an upper directory */
	uid_t uid;    /* owns the layer; the reader becomes this user first, when root */
	gid_t gid;
	const struct cs_strv *sensitive; /* globs: findings "sensitive-path" */
	const char *user_excludes; /* text of core.excludesFile and info/exclude; may be NULL */
	uint64_t max_bytes;	   /* of content in all; 0: no limit */
	uint64_t max_entries;	   /* that are captured; 0, or more: a million */
	int deadline_ms;	   /* of the reader; 0: 30 minutes */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *progress_arg;
};

struct cs_capture {
	struct cs_oid tree; /* equal to the base's tree for an empty change */
	struct cs_findings findings;
	struct cs_agent_commit *commits; /* at most 1,000 */
	size_t n_commits;
	uint64_t files; /* entries that the reader sent: files, links and deletions */
	uint64_t bytes; /* of content */
};
#define CS_CAPTURE_INIT                      \
	{                                    \
		.findings = CS_FINDINGS_INIT \
	}

/*
 * The run must be over: no process of it alive; the caller has one thread (it forks). Objects are
 * written; the caller syncs them (cs_repo_sync) once, before it sets a reference. Files of the
 * layer that their owner may not read get that right; nothing else in it is changed, and a capture
 * can be made again.
 *
 * What a tree cannot hold, or would take too long, is not captured and is a finding: paths of more
 * than 1,024 names (too-deep), files of more than 2 GiB, and all beyond 8 GiB of content in one
 * capture (too-large), entries beyond max_entries or 128 MiB of names (too-many).
 *
 * A reader that dies or lies is CS_CORRUPT; one that is not ready in time, or content beyond
 * max_bytes, are CS_LIMIT. Nothing of the change is lost on disk then.
 */
int cs_capture(struct cs_capture *out, const struct cs_capture_opts *opts,
	       struct cs_err *err) CS_CHECKED;
void cs_capture_release(struct cs_capture *capture);

/*
 * Of the tree that was made of one without hidden files (cs_tree_hide), the tree with them again, as
 * they are in all; what is in their way becomes a finding "hidden-path".
 */
int cs_tree_unhide(struct cs_oid *tree, struct cs_findings *found, struct cs_repo *repo,
		   const struct cs_oid *visible, const struct cs_oid *all,
		   struct cs_err *err) CS_CHECKED;

/* gitignore(5) matching, pure. At most CS_IGNORE_MAX patterns are held; further ones match nothing.
 */
#define CS_IGNORE_MAX 65536
struct cs_ignore;
void cs_ignore_new(struct cs_ignore **out);
void cs_ignore_free(struct cs_ignore *ig);
/* Adds a file's patterns for the directory dir ("" or "a/b"); later ones win. */
void cs_ignore_add(struct cs_ignore *ig, const char *dir, const char *text, size_t len);
/* True if path is ignored by a pattern for itself; the caller asks for parent directories first. */
bool cs_ignore_match(const struct cs_ignore *ig, const char *path, bool is_dir);

/* True for a name that no work tree may contain: ".git" in every spelling that some file system
 * or git itself takes for it (case, trailing dots and spaces, git~1, ::$INDEX_ALLOCATION, HFS
 * ignorable characters), ".", "..", empty. */
bool cs_name_is_dot_git(const char *name, size_t len);

#endif
