/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clone's own branches, where its owner wants them guarded too (install --local). What the remote
 * has counts as judged; what a merge or any other update brings beyond that is judged as a push of
 * it would be. Nothing here can stop who takes the hooks away: it keeps an agent's commit from
 * slipping into a branch unseen.
 */
#include "gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADS	"refs/heads/"
#define REMOTES "refs/remotes/"
#define GITHEAD "GITHEAD_"

/* What a branch has; len 0: it is not there. What cannot be read is an error. */
static int find_old(struct cs_oid *out, const struct place *p, const char *ref, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	int rc = cs_repo_read_ref(out, p->repo, ref, &why);

	if (rc == CS_NOTFOUND)
		out->len = 0;
	return rc == 0 || rc == CS_NOTFOUND ? 0 : cs_err_set(err, rc, "%s", why.msg);
}

/* ---- merges ---- */

/*
 * git has the heads that it is merging in the names of its variables, GITHEAD_<id>, and does not
 * write MERGE_HEAD before this hook is done.
 */
static int judge_heads(size_t *n, struct place *p, const struct update *to, struct cs_err *err)
{
	int rc = 0;

	for (char **e = environ; rc == 0 && *e; e++) {
		struct update u = *to;
		AUTO_FREE char *hex = NULL;

		if (strncmp(*e, GITHEAD, sizeof(GITHEAD) - 1) != 0)
			continue;
		hex = cs_strndup(*e + sizeof(GITHEAD) - 1, strcspn(*e + sizeof(GITHEAD) - 1, "="));
		if (cs_oid_parse(&u.new_oid, hex) < 0)
			continue;
		++*n;
		rc = judge(p, &u, err);
	}
	return rc;
}

int hook_merge(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	const struct cs_buf nothing = CS_BUF_INIT;
	AUTO_FREE char *branch = NULL;
	struct update u = { 0 };
	size_t heads = 0;
	int rc = cs_repo_symbolic(&branch, p->repo, "HEAD", err);

	p->local = true;
	u.ref = branch;
	if (rc == 0 && branch)
		rc = find_old(&u.old_oid, p, branch, err);
	/* A detached HEAD lands nowhere. */
	if (rc == 0 && branch) {
		rc = judge_heads(&heads, p, &u, err);
		if (rc == 0 && !heads)
			rc = cs_err_set(err, CS_REFUSED, "what is merged cannot be told");
	}
	return rc < 0 || p->denied ? rc : run_chained(p, operands, &nothing, err);
}

/* ---- any other update ---- */

struct line {
	struct cs_oid new_oid; /* len 0: deleted */
	bool symbolic;	       /* becomes a name of another one */
	const char *ref;
};

/* "<old> <new> <ref>", in place; either may be "ref:<target>". */
static int read_line(struct line *out, char *text, struct cs_err *err)
{
	char *to = strchr(text, ' ');
	char *ref = to ? strchr(to + 1, ' ') : NULL;

	if (!ref)
		return cs_err_set(err, CS_CORRUPT, "a line from git that is none");
	to++;
	*ref = '\0';
	*out = (struct line){ .symbolic = !strncmp(to, "ref:", 4), .ref = ref + 1 };
	if (!out->symbolic && strspn(to, "0") != strlen(to) && cs_oid_parse(&out->new_oid, to) < 0)
		return cs_err_set(err, CS_CORRUPT, "no object id from git");
	return 0;
}

static int judge_line(struct place *p, const struct line *l, struct cs_err *err)
{
	struct update u = { .ref = NULL, .new_oid = l->new_oid };
	AUTO_FREE char *ref = NULL;
	int rc;

	if (strncmp(l->ref, HEADS, sizeof(HEADS) - 1) != 0 || (!l->symbolic && !l->new_oid.len))
		return 0;
	if (l->symbolic)
		return cs_err_set(err, CS_REFUSED, "%s: a branch is not to be another's name",
				  l->ref);
	rc = p->remote.repository ? 0 : place_ready(p, NULL, NULL, err);
	if (rc < 0)
		return rc;
	u.ref = ref = cs_strdup(l->ref);
	/* git gives zeroes where whoever updates did not care what was there. */
	rc = find_old(&u.old_oid, p, ref, err);
	return rc < 0 ? rc : judge(p, &u, err);
}

static int note_line(struct place *p, const struct line *l, struct cs_err *err)
{
	(void)err;
	if (l->new_oid.len && !strncmp(l->ref, REMOTES, sizeof(REMOTES) - 1) &&
	    p->n_arrived < CS_COUNT(p->arrived))
		p->arrived[p->n_arrived++] = l->new_oid;
	return 0;
}

static int each_line(struct place *p, const struct cs_buf *input,
		     int (*fn)(struct place *p, const struct line *l, struct cs_err *err),
		     struct cs_err *err)
{
	AUTO_FREE char *copy = cs_strndup(input->data, input->len);
	int rc = 0;

	for (char *at = copy, *end; rc == 0 && *at; at = end) {
		struct line l;

		end = at + strcspn(at, "\n");
		if (*end)
			*end++ = '\0';
		rc = read_line(&l, at, err);
		if (rc == 0)
			rc = fn(p, &l, err);
	}
	return rc;
}

int hook_transaction(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_BUF struct cs_buf input = CS_BUF_INIT;
	int rc = cs_read_fd(&input, STDIN_FILENO, HOOK_INPUT_MAX, err);

	if (rc == 0 && !strcmp(operands->v[0], "prepared")) {
		p->local = true;
		/* What comes from a remote in the same transaction is as good as what was there. */
		rc = each_line(p, &input, note_line, err);
		if (rc == 0)
			rc = each_line(p, &input, judge_line, err);
	}
	return rc < 0 || p->denied ? rc : run_chained(p, operands, &input, err);
}
