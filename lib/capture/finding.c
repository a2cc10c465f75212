/* SPDX-License-Identifier: Apache-2.0 */
/* Findings: the list, and the table of its words. */
#include "finding.h"

#include <stdarg.h>

static const char *const words[KIND_COUNT] = {
	/* A name that git refuses in a tree; the entry and all below it are not captured. */
	[KIND_REFUSED_NAME] = "refused-name",
	/* A directory with a .git of its own, or a bare repository: captured as plain files. */
	[KIND_NESTED_REPOSITORY] = "nested-repository",
	/* The directory of a submodule was written to: the submodule stays as it is. */
	[KIND_SUBMODULE] = "submodule-written",
	/* A FIFO, socket or device: git has none. */
	[KIND_SPECIAL_FILE] = "special-file",
	/* Set-user-ID, set-group-ID or sticky bits: not captured. */
	[KIND_SETUID] = "setuid",
	/* The file has another name, possibly outside the worktree: captured as a file. */
	[KIND_HARD_LINK] = "hard-link",
	/* Longer than PATH_MAX: not captured, nor what is below. */
	[KIND_PATH_TOO_LONG] = "path-too-long",
	/* In more than CAPTURE_DEPTH_MAX directories: not captured, nor what is below. */
	[KIND_TOO_DEEP] = "too-deep",
	/* A file beyond CAPTURE_FILE_MAX, or that CAPTURE_CONTENT_MAX has no room for: not captured. */
	[KIND_TOO_LARGE] = "too-large",
	/* Entries beyond the maxima of walk.h: not captured. */
	[KIND_TOO_MANY] = "too-many",
	/* The content or the directory could not be read: not captured. */
	[KIND_UNREADABLE] = "unreadable",
	/* Untracked and matched by ignore rules: not captured; one finding for each directory. */
	[KIND_IGNORED] = "ignored",
	/* A .gitignore that was not read (too large, not a file): its rules did not count. */
	[KIND_IGNORE_RULES] = "ignore-rules",
	/* A new directory with nothing in it: git has none. */
	[KIND_EMPTY_DIRECTORY] = "empty-directory",
	/* The agent's own commits could not be listed, or not all of them. */
	[KIND_AGENT_COMMITS] = "agent-commits",
	/* The agent's index could not be read: what only it tracks was treated as untracked. */
	[KIND_AGENT_INDEX] = "agent-index",
	/* Content with NUL bytes. */
	[KIND_BINARY] = "binary",
	/* Text with characters that do not show, or that change how others show. */
	[KIND_HIDDEN_CONTENT] = "hidden-content",
	/* A conversion of the base's attributes that `git add` makes and capture does not. */
	[KIND_CONVERSION] = "conversion",
	/* The base has a Git LFS pointer there; the change has something else. */
	[KIND_LFS_POINTER] = "lfs-pointer",
	/* A symbolic link that leads out of the tree or into a .git. */
	[KIND_LINK_OUTSIDE] = "link-outside",
	/* Matches [review] sensitive. */
	[KIND_SENSITIVE_PATH] = "sensitive-path",
	/* The agent wrote where the policy hides a file of the base: that file stays. */
	[KIND_HIDDEN_PATH] = "hidden-path",
	/* There were more findings than CS_FINDINGS_MAX. */
	[KIND_TRUNCATED] = "truncated",
};

const char *capture_kind_word(unsigned int kind)
{
	return kind < KIND_COUNT ? words[kind] : NULL;
}

/* Words of other modules share the last place. */
static size_t kind_index(const char *kind)
{
	size_t i = 0;

	_Static_assert(KIND_COUNT < CS_FINDING_KINDS, "a place for each kind, and one more");
	while (i < KIND_COUNT && (!words[i] || strcmp(words[i], kind) != 0))
		i++;
	return i;
}

static void append(struct cs_findings *f, const char *kind, const char *path, char *detail)
{
	CS_GROW(f->list, f->n, f->cap);
	f->list[f->n++] = (struct cs_finding){
		.kind = cs_strdup(kind),
		.path = cs_strdup(path ? path : ""),
		.detail = detail,
	};
}

void cs_finding_add(struct cs_findings *f, const char *kind, const char *path, const char *fmt, ...)
{
	AUTO_BUF struct cs_buf detail = CS_BUF_INIT;
	AUTO_FREE char *text = NULL;
	va_list ap;

	uint32_t *of_kind = &f->of_kind[kind_index(kind)];

	/* The note stands for the first of those that are left out: n + dropped is how many came. */
	if (f->n >= CS_FINDINGS_MAX || *of_kind >= CS_FINDINGS_MAX_KIND) {
		if (f->of_kind[KIND_TRUNCATED]++)
			f->dropped++;
		else
			append(f, words[KIND_TRUNCATED], "",
			       cs_strdup("there are more findings than can be listed"));
		return;
	}
	++*of_kind;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		cs_escape_terminal(&detail, text, strlen(text), CS_ESCAPE_LINE);
	append(f, kind, path, cs_buf_take(&detail));
}

void cs_findings_release(struct cs_findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].kind);
		free(f->list[i].path);
		free(f->list[i].detail);
	}
	free(f->list);
	*f = (struct cs_findings)CS_FINDINGS_INIT;
}
