/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which commits need a sign-off. With require = agent these are hints, not proofs: whoever types an
 * agent's work in again by hand passes, and that is said in the manual. What is asked, cheapest
 * first: the trailer of the message, the addresses, the runs and what they made (one question for
 * the whole range), the provenance notes. Blobs are not read for it.
 */
#include "internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define RUN_HEX	     32
#define AGENT_DOMAIN "@agent.invalid"

/* ---- the commit itself ---- */

static bool is_blank_line(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isspace((unsigned char)line[i]))
			return false;
	return true;
}

/* Where the last paragraph begins. Blank lines at the end do not count. */
static const char *last_paragraph(const char *message)
{
	const char *start = message;
	bool blank = true;

	for (const char *line = message; *line;) {
		const size_t len = strcspn(line, "\n");
		const bool now = is_blank_line(line, len);

		if (!now && blank)
			start = line;
		blank = now;
		line += len + (line[len] == '\n');
	}
	return start;
}

static bool is_run(const char *text, size_t len)
{
	if (len != RUN_HEX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	return true;
}

/*
 * As git reads trailers: the key in any case, at the start of a line, blanks before and behind the
 * colon. A trailer with anything but a run's id is still a trailer: the commit says that an agent
 * made it, only not which run.
 */
bool gate_trailer_run(char run[33], const char *message)
{
	static const char key[] = "agent-run";
	bool found = false;

	for (const char *line = last_paragraph(message); *line;) {
		const size_t len = strcspn(line, "\n");
		const char *p = line + sizeof(key) - 1;
		const char *end = line + len;

		if (!strncasecmp(line, key, sizeof(key) - 1)) {
			p += strspn(p, " \t");
			if (p < end && *p == ':') {
				p++;
				while (p < end && isspace((unsigned char)*p))
					p++;
				while (end > p && isspace((unsigned char)end[-1]))
					end--;
				found = true;
				if (is_run(p, (size_t)(end - p))) {
					memcpy(run, p, RUN_HEX);
					run[RUN_HEX] = '\0';
				}
			}
		}
		line += len + (line[len] == '\n');
	}
	return found;
}

static bool is_agent(const char *person)
{
	AUTO_FREE char *address = gate_address(person);
	const size_t len = strlen(address);
	const size_t end = sizeof(AGENT_DOMAIN) - 1;

	return len >= end && !strcasecmp(address + len - end, AGENT_DOMAIN);
}

static void need(struct gate_commit *c, const char *sign)
{
	if (!c->needed)
		c->sign = sign;
	c->needed = true;
}

static int ask_commit(struct gate_commit *c, struct cs_oid *tree, const struct cs_repo *repo,
		      struct cs_err *err)
{
	struct cs_commit commit = { .parents = NULL };
	int rc = cs_repo_read_commit(&commit, repo, &c->at->oid, err);

	if (rc < 0)
		return rc;
	*tree = commit.tree;
	if (gate_trailer_run(c->run, commit.message))
		need(c, "its Agent-Run trailer");
	if (is_agent(commit.author) || is_agent(commit.committer))
		need(c, "its author");
	cs_commit_release(&commit);
	return 0;
}

/* ---- what runs made ---- */

struct question {
	struct cs_gate_known *list;
	size_t n, cap;
};

static void ask(struct question *q, const struct cs_oid *oid)
{
	if (!oid->len)
		return;
	CS_GROW(q->list, q->n, q->cap);
	q->list[q->n++] = (struct cs_gate_known){ .oid = *oid };
}

static int by_id(const void *va, const void *vb)
{
	const struct cs_gate_known *a = va;
	const struct cs_gate_known *b = vb;

	if (a->oid.len != b->oid.len)
		return (int)a->oid.len - (int)b->oid.len;
	return memcmp(a->oid.bytes, b->oid.bytes, a->oid.len);
}

static const char *answer(const struct question *q, const struct cs_oid *oid)
{
	struct cs_gate_known key = { .oid = *oid };
	const struct cs_gate_known *k =
		q->n ? bsearch(&key, q->list, q->n, sizeof(key), by_id) : NULL;

	return k && *k->run ? k->run : NULL;
}

static void sort_unique(struct question *q)
{
	size_t n = 0;

	if (!q->n)
		return;
	qsort(q->list, q->n, sizeof(*q->list), by_id);
	for (size_t i = 0; i < q->n; i++)
		if (!n || by_id(&q->list[n - 1], &q->list[i]) != 0)
			q->list[n++] = q->list[i];
	q->n = n;
}

/* Did the commit itself bring what is there now? In a merge it may have come from a parent. */
static int brought_by_parent(bool *out, const struct cs_repo *repo, const struct gate_commit *c,
			     const struct cs_transition *t, struct cs_err *err)
{
	*out = false;
	for (size_t i = 1; i < c->at->n_parents && !*out; i++) {
		struct cs_commit parent = { .parents = NULL };
		struct cs_oid oid = { 0 };
		uint32_t mode = 0;
		int rc = cs_repo_read_commit(&parent, repo, &c->at->parents[i], err);

		if (rc == 0)
			rc = cs_repo_tree_lookup(&mode, &oid, repo, &parent.tree, t->path, err);
		cs_commit_release(&parent);
		if (rc == CS_NOTFOUND)
			continue;
		if (rc < 0)
			return rc;
		*out = cs_oid_equal(&oid, &t->after.oid);
	}
	return 0;
}

static int use_blobs(struct gate_commit *c, const struct question *q, struct gate_changes *changes,
		     struct cs_err *err)
{
	const struct cs_change *change = NULL;
	int rc = gate_changes_get(&change, changes, &c->at->oid, err);

	for (size_t i = 0; rc == 0 && i < change->n; i++) {
		const char *run = answer(q, &change->list[i].after.oid);
		bool old = false;

		if (!run)
			continue;
		rc = brought_by_parent(&old, changes->repo, c, &change->list[i], err);
		if (rc == 0 && !old) {
			c->by_blob = c->by_blob || !c->needed;
			need(c, "a file that a run made");
			CS_GROW(c->blobs, c->n_blobs, c->cap_blobs);
			c->blobs[c->n_blobs++] = change->list[i].after.oid;
			if (!*c->run)
				memcpy(c->run, run, sizeof(c->run));
		}
	}
	return rc;
}

static int ask_runs(struct gate_commit *list, size_t n, const struct cs_oid *trees,
		    struct gate_changes *changes, const struct cs_gate_hints *hints,
		    struct cs_err *err)
{
	struct question q = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct cs_change *change = NULL;

		ask(&q, &list[i].at->oid);
		ask(&q, &trees[i]);
		rc = gate_changes_get(&change, changes, &list[i].at->oid, err);
		for (size_t k = 0; rc == 0 && k < change->n; k++)
			ask(&q, &change->list[k].after.oid);
	}
	sort_unique(&q);
	if (rc == 0)
		rc = hints->known(hints->arg, q.list, q.n, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const char *run = answer(&q, &list[i].at->oid);

		run = run ? run : answer(&q, &trees[i]);
		if (run) {
			need(&list[i], "a run that is known here");
			memcpy(list[i].run, run, sizeof(list[i].run));
		}
		rc = use_blobs(&list[i], &q, changes, err);
	}
	free(q.list);
	return rc;
}

/* ---- notes ---- */

static int ask_notes(struct gate_commit *c, const struct cs_gate_opts *opts, struct cs_err *err)
{
	for (size_t i = 0; i < opts->n_provenance && (!c->needed || c->by_blob); i++) {
		AUTO_BUF struct cs_buf lines = CS_BUF_INIT;
		int rc;

		if (!opts->provenance[i].len)
			continue;
		rc = cs_notes_read(&lines, opts->repo, &opts->provenance[i], &c->at->oid, err);
		if (rc < 0)
			return rc;
		if (lines.len) {
			need(c, "a provenance note");
			c->by_blob = false;
		}
	}
	return 0;
}

int gate_needs(struct gate_commit *list, size_t n, struct gate_changes *changes,
	       const struct cs_gate_opts *opts, enum gate_require require, struct cs_err *err)
{
	AUTO_FREE struct cs_oid *trees = cs_calloc(n + 1, sizeof(*trees));
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = ask_commit(&list[i], &trees[i], opts->repo, err);
		if (require != GATE_REQUIRE_AGENT && require != GATE_REQUIRE_WARN)
			need(&list[i], "every commit does here");
	}
	/* Where every commit needs one, hints would only cost. */
	if (require != GATE_REQUIRE_AGENT && require != GATE_REQUIRE_WARN)
		return rc;
	if (rc == 0 && opts->hints)
		rc = ask_runs(list, n, trees, changes, opts->hints, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = ask_notes(&list[i], opts, err);
	return rc;
}
