/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References and revisions.
 *
 * Looking one up by its full name is libgit2's (0.06 ms beside 200,000 packed ones). Everything
 * that libgit2 does by loading all of packed-refs (creating, listing) and everything whose meaning
 * only git defines (revisions) is asked of git: 1.7 ms whatever the number. Its update-ref checks
 * and locks all references of a call before it writes the first one.
 */
#include "internal.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Listings: about five million references. */
#define LIST_MAX_BYTES ((size_t)512 << 20)
#define SYMBOLIC_DEPTH 5
#define NS_PER_S       INT64_C(1000000000)
#define LOCK_S	       10
#define NO_OBJECT_HEX  "0000000000000000000000000000000000000000"

static bool is_full_name(const char *name)
{
	return !strcmp(name, "HEAD") || !strncmp(name, "refs/", 5);
}

int cs_repo_read_ref(struct cs_oid *out, const struct cs_repo *repo, const char *name,
		     struct cs_err *err)
{
	AUTO_FREE char *escaped = cs_escape_line(name);
	git_oid id;
	int rc;

	if (!is_full_name(name))
		return cs_err_set(err, CS_USAGE, "'%s' is not a full reference name", escaped);
	rc = git_reference_name_to_id(&id, repo->git, name);
	if (rc < 0)
		return cs_err_git(err, rc, "reference %s", escaped);
	cs_from_git_oid(out, &id);
	return 0;
}

int cs_repo_symbolic(char **out, const struct cs_repo *repo, const char *name, struct cs_err *err)
{
	AUTO_FREE char *at = cs_strdup(name);
	bool symbolic = false;

	*out = NULL;
	for (int depth = 0; depth <= SYMBOLIC_DEPTH; depth++) {
		AUTO_FREE char *escaped = cs_escape_line(at);
		git_reference *ref = NULL;
		const char *to;
		int rc = git_reference_lookup(&ref, repo->git, at);

		if (rc < 0 && rc != GIT_ENOTFOUND)
			return cs_err_git(err, rc, "reference %s", escaped);
		to = rc == 0 ? git_reference_symbolic_target(ref) : NULL;
		if (!to) {
			git_reference_free(ref);
			*out = symbolic ? cs_steal(&at) : NULL;
			return 0;
		}
		symbolic = true;
		free(at);
		at = cs_strdup(to);
		git_reference_free(ref);
	}
	return cs_err_set(err, CS_CORRUPT,
			  "a symbolic reference of a symbolic reference, more "
			  "than %d deep",
			  SYMBOLIC_DEPTH);
}

int cs_repo_each_ref(const struct cs_repo *repo, const char *prefix,
		     int (*fn)(void *arg, const char *name, const struct cs_oid *oid), void *arg,
		     struct cs_err *err)
{
	const struct cs_git_call call = {
		.git_dir = repo->git_dir,
		.args = (const char *const[]){ "for-each-ref", "--format=%(objectname) %(refname)",
					       prefix, NULL },
		.max_output = LIST_MAX_BYTES,
	};
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc = cs_git(&text, &call, err);
	char *rest = text.data;
	char *line;

	while (rc == 0 && (line = strsep(&rest, "\n")) && *line) {
		char *name = strchr(line, ' ');
		struct cs_oid oid;

		if (name)
			*name++ = '\0';
		if (!name || cs_oid_parse(&oid, line) < 0)
			return cs_err_set(err, CS_MALFUNCTION, "git for-each-ref: odd output");
		rc = fn(arg, name, &oid);
	}
	return rc;
}

/* ---- revisions ---- */

/* One revision to an object id, as git understands it. */
static int rev_parse(struct cs_oid *out, const struct cs_repo *repo, const char *rev,
		     struct cs_err *err)
{
	const struct cs_git_call call = {
		.git_dir = repo->git_dir,
		.args = (const char *const[]){ "rev-parse", "--verify", "--quiet",
					       "--end-of-options", rev, NULL },
	};
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *escaped = cs_escape_line(rev);
	int status;
	int rc = cs_git_run(&text, NULL, &status, &call, -1, err);

	if (rc < 0)
		return rc;
	if (text.len && text.data[text.len - 1] == '\n')
		cs_buf_truncate(&text, text.len - 1);
	/* A range prints nothing here: --verify wants exactly one. */
	if (!WIFEXITED(status) || WEXITSTATUS(status) || cs_oid_parse(out, text.data) < 0)
		return cs_err_set(err, CS_NOTFOUND, "unknown revision '%s'", escaped);
	return 0;
}

static int to_object(struct cs_oid *out, const struct cs_repo *repo, const char *rev,
		     struct cs_err *err)
{
	int rc;

	if (cs_oid_parse(out, rev) == 0)
		return 0;
	if (!is_full_name(rev) || strpbrk(rev, "^~@:"))
		return rev_parse(out, repo, rev, err);
	rc = cs_repo_read_ref(out, repo, rev, err);
	if (rc == CS_NOTFOUND && !strcmp(rev, "HEAD"))
		return cs_err_set(err, CS_NOTFOUND, "HEAD has no commit yet");
	return rc;
}

/* To what a tag of a tag of it stands for. */
static int peel(struct cs_oid *oid, const struct cs_repo *repo, struct cs_err *err)
{
	char rev[CS_OID_HEX + sizeof("^{}")];
	char hex[CS_OID_HEX];

	snprintf(rev, sizeof(rev), "%s^{}", cs_oid_hex(hex, oid));
	return rev_parse(oid, repo, rev, err);
}

int cs_repo_resolve(struct cs_oid *commit, struct cs_oid *tree, const struct cs_repo *repo,
		    const char *rev, struct cs_err *err)
{
	AUTO_FREE char *escaped = cs_escape_line(rev);
	struct cs_commit c = { 0 };
	enum cs_object_type type = CS_OBJ_NONE;
	struct cs_oid oid;
	uint64_t size;
	int rc = to_object(&oid, repo, rev, err);

	if (rc == 0)
		rc = cs_repo_object_info(&type, &size, repo, &oid, err);
	if (rc == 0 && type == CS_OBJ_TAG) {
		rc = peel(&oid, repo, err);
		if (rc == 0)
			rc = cs_repo_object_info(&type, &size, repo, &oid, err);
	}
	if (rc < 0)
		return rc;
	if (type != CS_OBJ_COMMIT)
		return cs_err_set(err, CS_USAGE, "'%s' is a %s, not a commit", escaped,
				  cs_type_name(type));
	rc = cs_repo_read_commit(&c, repo, &oid, err);
	if (rc < 0)
		return rc;
	*commit = oid;
	*tree = c.tree;
	cs_commit_release(&c);
	return 0;
}

/* ---- updates ---- */

/* One command of `git update-ref --stdin -z`; the fields end in NUL. */
static int add_command(struct cs_buf *out, const struct cs_ref_update *u, struct cs_err *err)
{
	const bool sets = u->new_oid && u->new_oid->len;
	char new_hex[CS_OID_HEX] = "";
	char old_hex[CS_OID_HEX] = "";

	if (!is_full_name(u->name))
		return cs_err_set(err, CS_USAGE, "'%s' is not a full reference name", u->name);
	if (!sets && u->old_oid && !u->old_oid->len)
		return cs_err_set(err, CS_USAGE, "delete %s, which must not exist", u->name);
	if (sets)
		cs_oid_hex(new_hex, u->new_oid);
	if (u->old_oid && u->old_oid->len)
		cs_oid_hex(old_hex, u->old_oid);
	else if (u->old_oid)
		memcpy(old_hex, NO_OBJECT_HEX, sizeof(NO_OBJECT_HEX));
	cs_buf_addf(out, "%s %s", sets ? "update" : "delete", u->name);
	cs_buf_addc(out, '\0');
	if (sets)
		cs_buf_add(out, new_hex, strlen(new_hex) + 1);
	cs_buf_add(out, old_hex, strlen(old_hex) + 1);
	return 0;
}

/* What git's words mean; its messages are fixed by LC_ALL=C and covered by tests. */
static int explain(const struct cs_git_call *call, int status, const struct cs_buf *errout,
		   struct cs_err *err)
{
	static const struct {
		const char *words;
		enum cs_code code;
	} table[] = {
		{ ".lock': File exists", CS_BUSY },
		{ "but expected", CS_EXISTS },
		{ "reference already exists", CS_EXISTS },
		{ "unable to resolve reference", CS_EXISTS }, /* deleted since */
		{ "; cannot create '", CS_EXISTS },	      /* refs/a beside refs/a/b */
		{ "nonexistent object", CS_NOTFOUND },
	};
	int rc = cs_git_failed(call, status, errout, err);

	for (size_t i = 0; i < CS_COUNT(table); i++) {
		if (!strstr(errout->data, table[i].words))
			continue;
		rc = table[i].code;
		if (err)
			err->code = table[i].code;
		break;
	}
	return rc;
}

int cs_repo_update_refs(struct cs_repo *repo, const struct cs_ref_update *updates, size_t n,
			struct cs_err *err)
{
	AUTO_BUF struct cs_buf errout = CS_BUF_INIT;
	AUTO_BUF struct cs_buf input = CS_BUF_INIT;
	struct cs_git_call call = {
		.git_dir = repo->git_dir,
		.args = (const char *const[]){ "update-ref", "--no-deref", "--stdin", "-z", NULL },
	};
	int status;
	int rc = cs_check_writable(repo, err);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_command(&input, &updates[i], err);
	if (rc < 0)
		return rc;
	call.input = input.data;
	call.input_len = input.len;
	cs_fault("reference-update");
	rc = cs_git_run(NULL, &errout, &status, &call, -1, err);
	if (rc < 0)
		return rc;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return explain(&call, status, &errout, err);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *log = cs_asprintf("logs/%s", updates[i].name);

		cs_give_back(repo, updates[i].name);
		cs_give_back(repo, log);
	}
	return 0;
}

bool cs_repo_break_lock(const struct cs_repo *repo, const char *name)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s.lock", cs_repo_common_dir(repo), name);
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       cs_wall_ns() / NS_PER_S - st.st_mtime > LOCK_S && unlink(path) == 0;
}
