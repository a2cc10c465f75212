/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories against oracles that are written naively, and merges against git's own. SEED
 * repeats a run, CS_LONG=1 makes a longer one.
 */
#include "../../lib/gate/internal.h"
#include "fixture.h"
#include "random.h"

#define PATHS	3
#define STATES	4
#define COMMITS 14
#define SIGNS	12
#define WORDS	(2 * SIGNS) /* with what takes some of them back */

static const char *const paths[PATHS] = { "a", "b", "d/a" };
static struct cs_repo *repo;
static struct cs_oid blobs[STATES]; /* [0]: absent */
static struct random rnd;

static int rounds(int usual)
{
	return getenv("CS_LONG") ? 20 * usual : usual;
}

static void setup(void)
{
	struct cs_err err = CS_ERR_INIT;

	fx_setup();
	fx_run("git init -q -b main .");
	repo = fx_open(".");
	rnd = random_seeded();
	for (int i = 1; i < STATES; i++) {
		char text[] = "0\n";

		text[0] = (char)('0' + i);
		fx_ok(cs_repo_write(&blobs[i], repo, CS_OBJ_BLOB, text, 2, &err), err);
	}
}

static void teardown(void)
{
	cs_repo_free(repo);
	fx_teardown();
}

/* ---- a history ---- */

struct node {
	struct cs_oid oid, tree;
	int state[PATHS];
	int parents[2];
	size_t n_parents;
};
struct history {
	struct node list[COMMITS];
	size_t n;
};

static struct cs_oid make_tree(const int state[PATHS])
{
	struct cs_tree_update updates[PATHS];
	const struct cs_oid none = { 0 };
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid tree;
	size_t n = 0;

	for (size_t i = 0; i < PATHS; i++)
		if (state[i])
			updates[n++] =
				(struct cs_tree_update){ paths[i], CS_MODE_FILE, blobs[state[i]] };
	fx_ok(cs_repo_update_tree(&tree, repo, &none, updates, n, &err), err);
	return tree;
}

static bool is_ancestor(const struct history *h, int a, int of)
{
	if (a == of)
		return true;
	for (size_t i = 0; i < h->list[of].n_parents; i++)
		if (is_ancestor(h, a, h->list[of].parents[i]))
			return true;
	return false;
}

/* What merging gives, with the newest common ancestor; a conflict is the first parent's. */
static void merge_states(const struct history *h, struct node *c)
{
	const struct node *theirs = &h->list[c->parents[1]];
	int base = c->parents[1];

	while (base > 0 &&
	       (!is_ancestor(h, base, c->parents[0]) || !is_ancestor(h, base, c->parents[1])))
		base--;
	for (size_t p = 0; p < PATHS; p++)
		if (c->state[p] == h->list[base].state[p])
			c->state[p] = theirs->state[p];
}

enum merges { MERGES_NONE = 0, MERGES_WILD, MERGES_USUAL };

static void make_commit(struct history *h, enum merges merges)
{
	static int64_t when = 1700000000;
	struct node *c = &h->list[h->n];
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid parents[2];
	struct cs_new_commit new = { .author_name = "A",
				     .author_email = "a@example.org",
				     .committer_name = "C",
				     .committer_email = "c@example.org",
				     .time = when++,
				     .message = "x",
				     .parents = parents };

	memset(c, 0, sizeof(*c));
	if (h->n) {
		const unsigned int back = random_below(&rnd, 4) ? 1 : 1 + random_below(&rnd, 3);

		c->parents[c->n_parents++] = (int)(h->n < back ? 0 : h->n - back);
		memcpy(c->state, h->list[c->parents[0]].state, sizeof(c->state));
	}
	if (merges && h->n > 2 && !random_below(&rnd, 3)) {
		int other = (int)random_below(&rnd, (unsigned int)h->n);

		if (other != c->parents[0])
			c->parents[c->n_parents++] = other;
	}
	if (c->n_parents == 2 && merges == MERGES_USUAL && random_below(&rnd, 3))
		merge_states(h, c);
	else if (c->n_parents == 2 && random_below(&rnd, 2))
		c->state[random_below(&rnd, PATHS)] =
			h->list[c->parents[1]].state[random_below(&rnd, PATHS)];
	if (c->n_parents < 2 || !random_below(&rnd, merges == MERGES_USUAL ? 12 : 4))
		c->state[random_below(&rnd, PATHS)] = (int)random_below(&rnd, STATES);
	new.tree = c->tree = make_tree(c->state);
	for (size_t i = 0; i < c->n_parents; i++)
		parents[i] = h->list[c->parents[i]].oid;
	new.n_parents = c->n_parents;
	fx_ok(cs_repo_write_commit(&c->oid, repo, &new, &err), err);
	h->n++;
}

static void make_history(struct history *h, enum merges merges)
{
	h->n = 0;
	while (h->n < COMMITS)
		make_commit(h, merges);
}

/* ---- the line ---- */

START_TEST(line_as_git_says)
{
	for (int i = 0; i < rounds(8); i++) {
		struct gate_changes changes = { .repo = repo };
		struct cs_err err = CS_ERR_INIT;
		struct gate_line line;
		struct history h;
		const int tip = COMMITS - 1;

		make_history(&h, MERGES_WILD);
		gate_line_init(&line, &changes, &h.list[tip].oid);
		for (int base = 0; base < COMMITS; base++) {
			size_t naive = 0;
			size_t got = 0;
			int at = tip;

			while (at >= 0 && !is_ancestor(&h, at, base)) {
				at = h.list[at].n_parents ? h.list[at].parents[0] : -1;
				naive++;
			}
			fx_ok(gate_line_distance(&got, &line, &h.list[base].oid, &err), err);
			ck_assert_msg(got == (at < 0 ? GATE_UNRELATED : naive), "SEED=%llu",
				      (unsigned long long)rnd.seed);
		}
		gate_line_release(&line);
		gate_changes_release(&changes);
	}
}
END_TEST

/* ---- sign-offs made by hand ---- */

struct signs {
	struct cs_verified_signoff all[WORDS];
	const struct cs_verified_signoff *list[WORDS];
	int base[WORDS], commit[WORDS];
	bool counts[WORDS];
	size_t n;
};

static void make_sign(struct signs *s, const struct history *h)
{
	struct cs_verified_signoff *v = &s->all[s->n];
	const int commit = 1 + (int)random_below(&rnd, COMMITS - 1);
	const int base = random_below(&rnd, 4) ? h->list[commit].parents[0]
					       : (int)random_below(&rnd, COMMITS);
	struct cs_err err = CS_ERR_INIT;

	memset(v, 0, sizeof(*v));
	v->signoff.decision = CS_DECISION_SIGNED_OFF;
	v->signoff.repository = (char *)"r";
	v->signoff.target_ref = (char *)"refs/heads/main";
	v->signoff.base_commit = h->list[base].oid;
	v->signoff.commit = h->list[commit].oid;
	v->signoff.tree = h->list[commit].tree;
	v->principal = (char *)"p@example.org";
	fx_ok(cs_change_between(&v->signoff.change, repo, &h->list[base].tree,
				&h->list[commit].tree, true, &err),
	      err);
	cs_change_digest(v->signoff.change_digest, &v->signoff.change);
	v->statement[0] = (char)('A' + (char)s->n);
	s->base[s->n] = base;
	s->commit[s->n] = commit;
	s->list[s->n] = v;
	s->n++;
}

static bool signed_from_here(const struct history *h, int base, int commit, size_t path, int from,
			     int to, int parent)
{
	if (h->list[base].state[path] != from || h->list[commit].state[path] != to)
		return false;
	for (int at = parent; !is_ancestor(h, at, base); at = h->list[at].parents[0]) {
		int before =
			h->list[at].n_parents ? h->list[h->list[at].parents[0]].state[path] : 0;

		if (before == from && h->list[at].state[path] != from)
			return false;
		if (!h->list[at].n_parents)
			return false; /* nothing in common */
	}
	return true;
}

/* By the words of the header, commit by commit. No merges. */
static bool naive_covered(const struct history *h, const struct signs *s, int c)
{
	const int parent = h->list[c].parents[0];

	for (size_t p = 0; p < PATHS; p++) {
		const int from = h->list[parent].state[p];
		const int to = h->list[c].state[p];
		bool covered = from == to;

		for (size_t i = 0; i < s->n && !covered; i++)
			covered =
				signed_from_here(h, s->base[i], s->commit[i], p, from, to, parent);
		if (!covered)
			return false;
	}
	return true;
}

static enum cs_gate_verdict judge_by(const char *policy_text, const struct history *h,
				     const struct signs *s, int old, int tip)
{
	struct cs_gate_report report = CS_GATE_REPORT_INIT;
	struct cs_strv repositories = CS_STRV_INIT;
	struct cs_policy *policy = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_gate_opts opts = { .repo = repo, .repositories = &repositories, .now_ns = 1 };
	struct cs_gate_update u = { .ref = "refs/heads/main",
				    .old_oid = h->list[old].oid,
				    .new_oid = h->list[tip].oid };
	enum cs_gate_verdict verdict;

	cs_strv_add(&repositories, "r");
	cs_policy_new(&policy);
	fx_ok(cs_policy_add(policy, CS_LAYER_MANAGED, "p", policy_text, strlen(policy_text), &err),
	      err);
	fx_ok(cs_policy_seal(policy, &err), err);
	opts.policy = policy;
	fx_ok(gate_judge_given(&report, &opts, &u, s->list, s->n, &err), err);
	verdict = report.verdict;
	cs_gate_report_release(&report);
	cs_policy_free(policy);
	cs_strv_release(&repositories);
	return verdict;
}

static enum cs_gate_verdict judge(const struct history *h, const struct signs *s, int old, int tip)
{
	return judge_by("[gate \"main\"]\n require = all\n[review]\n sensitive =\n", h, s, old,
			tip);
}

static void release(struct signs *s)
{
	for (size_t i = 0; i < s->n; i++)
		cs_change_release(&s->all[i].signoff.change);
}

/* Pairs of old and new tip that are a fast-forward. */
static bool pick(int *old, int *tip, const struct history *h)
{
	*old = (int)random_below(&rnd, COMMITS);
	*tip = (int)random_below(&rnd, COMMITS);
	return *old != *tip && is_ancestor(h, *old, *tip);
}

START_TEST(coverage_as_the_header_says)
{
	int passed = 0;
	int denied = 0;

	for (int i = 0; i < rounds(20); i++) {
		struct history h;
		struct signs s = { .n = 0 };
		int old, tip;

		make_history(&h, MERGES_NONE);
		while (s.n < SIGNS)
			make_sign(&s, &h);
		for (int k = 0; k < 6; k++) {
			bool covered = true;
			bool pass;

			if (!pick(&old, &tip, &h))
				continue;
			for (int c = 0; c < COMMITS; c++)
				if (is_ancestor(&h, c, tip) && !is_ancestor(&h, c, old))
					covered &= naive_covered(&h, &s, c);
			pass = judge(&h, &s, old, tip) == CS_GATE_PASS;
			ck_assert_msg(pass == covered, "SEED=%llu: %d, not %d",
				      (unsigned long long)rnd.seed, pass, covered);
			passed += pass;
			denied += !pass;
		}
		release(&s);
	}
	ck_assert_int_gt(passed, 0);
	ck_assert_int_gt(denied, 0);
}
END_TEST

/* Whatever passes, with merges of all kinds: no bytes are new that nobody signed. */
START_TEST(no_unseen_bytes)
{
	for (int i = 0; i < rounds(20); i++) {
		struct history h;
		struct signs s = { .n = 0 };
		int old, tip;

		make_history(&h, MERGES_WILD);
		while (s.n < SIGNS)
			make_sign(&s, &h);
		for (int k = 0; k < 6; k++) {
			if (!pick(&old, &tip, &h) || judge(&h, &s, old, tip) == CS_GATE_DENY)
				continue;
			for (size_t p = 0; p < PATHS; p++) {
				const int now = h.list[tip].state[p];
				bool seen = false;

				for (int c = 0; c < COMMITS; c++)
					seen |= is_ancestor(&h, c, old) &&
						h.list[c].state[p] == now;
				for (size_t n = 0; n < s.n; n++)
					seen |= h.list[s.commit[n]].state[p] == now &&
						h.list[s.base[n]].state[p] != now;
				ck_assert_msg(seen, "SEED=%llu: %s", (unsigned long long)rnd.seed,
					      paths[p]);
			}
		}
		release(&s);
	}
}
END_TEST

/* ---- who counts ---- */

static const char *const people[] = { "p@example.org", "q@example.org", "r@example.org" };

/* Another word of the same person about the same change, later. */
static struct cs_verified_signoff *answer(struct signs *s, size_t to)
{
	struct cs_verified_signoff *v = &s->all[s->n];
	struct cs_err err = CS_ERR_INIT;

	*v = s->all[to];
	v->signoff.change = (struct cs_change)CS_CHANGE_INIT;
	fx_ok(cs_change_between(&v->signoff.change, repo, &v->signoff.tree, &v->signoff.tree, true,
				&err),
	      err);
	v->signoff.created_ns = 1;
	v->statement[0] = (char)('a' + (char)s->n);
	s->counts[s->n] = false;
	s->list[s->n++] = v;
	return v;
}

/* Half of them are good; the others have one flaw each. */
static void make_word(struct signs *s, const struct history *h)
{
	const size_t at = s->n;
	struct cs_verified_signoff *v = &s->all[at];

	make_sign(s, h);
	v->principal = (char *)people[random_below(&rnd, CS_COUNT(people))];
	s->counts[at] = false;
	switch (random_below(&rnd, 12)) {
	case 0:
		v->signoff.target_ref = (char *)"refs/heads/dev";
		break;
	case 1:
		v->signoff.repository = (char *)"s";
		break;
	case 2:
		v->signoff.expires_ns = 1;
		break;
	case 3:
		v->principal = (char *)"p@elsewhere.example";
		break;
	case 4:
		v->signoff.decision = CS_DECISION_CHANGES_REQUESTED;
		break;
	case 5:
		answer(s, at)->signoff.decision = CS_DECISION_REVOKED;
		cs_strv_add(&s->all[s->n - 1].signoff.revokes, v->statement);
		break;
	default:
		s->counts[at] = true;
	}
}

/* How many people's counting sign-offs lead to this state of a path; from: or any (-1). */
static size_t signers_of(const struct history *h, const struct signs *s, size_t path, int from,
			 int to)
{
	size_t n = 0;

	for (size_t w = 0; w < CS_COUNT(people); w++) {
		bool signed_off = false;

		for (size_t i = 0; i < s->n; i++)
			signed_off |= s->counts[i] && !strcmp(s->all[i].principal, people[w]) &&
				      h->list[s->commit[i]].state[path] == to &&
				      (from < 0 ? h->list[s->base[i]].state[path] != to
						: h->list[s->base[i]].state[path] == from);
		n += signed_off;
	}
	return n;
}

/* The branch comes into the pushed merge as its second parent. */
static bool pick_merge(int *old, int *tip, const struct history *h)
{
	*tip = (int)random_below(&rnd, COMMITS);
	if (h->list[*tip].n_parents < 2)
		return false;
	*old = h->list[*tip].parents[1];
	return true;
}

/* What a commit has that none of its parents had was signed from its first parent's state. */
static bool made_by_nobody(const struct history *h, const struct signs *s, int c, size_t path,
			   size_t wanted)
{
	const struct node *at = &h->list[c];

	for (size_t i = 0; i < at->n_parents; i++)
		if (h->list[at->parents[i]].state[path] == at->state[path])
			return false;
	return signers_of(h, s, path, at->n_parents ? h->list[at->parents[0]].state[path] : 0,
			  at->state[path]) < wanted;
}

/*
 * Whatever passes: no commit has bytes, and the branch ends with none that it did not have, but
 * those that enough people signed whose word counts. Old bytes of the branch are no exception.
 */
START_TEST(no_bytes_without_enough_signers)
{
	static const char *const policies[] = {
		"[gate \"main\"]\n require = all\n signer = *@example.org\n"
		"[review]\n sensitive =\n",
		"[gate \"main\"]\n require = all\n signoffs = 2\n signer = *@example.org\n"
		"[review]\n sensitive =\n",
	};
	int passed = 0;

	for (int i = 0; i < rounds(10); i++) {
		const size_t wanted = 1 + random_below(&rnd, 3) / 2;
		const size_t words = 1 + random_below(&rnd, SIGNS);
		struct history h;
		struct signs s = { .n = 0 };
		int old, tip;

		make_history(&h, MERGES_USUAL);
		while (s.n < words)
			make_word(&s, &h);
		for (int k = 0; k < 12; k++) {
			if (!(k % 2 ? pick(&old, &tip, &h) : pick_merge(&old, &tip, &h)) ||
			    judge_by(policies[wanted - 1], &h, &s, old, tip) != CS_GATE_PASS)
				continue;
			passed++;
			for (size_t p = 0; p < PATHS; p++) {
				const int now = h.list[tip].state[p];

				ck_assert_msg(now == h.list[old].state[p] ||
						      signers_of(&h, &s, p, -1, now) >= wanted,
					      "SEED=%llu: %s", (unsigned long long)rnd.seed,
					      paths[p]);
				for (int c = 0; c < COMMITS; c++)
					ck_assert_msg(!is_ancestor(&h, c, tip) ||
							      is_ancestor(&h, c, old) ||
							      !made_by_nobody(&h, &s, c, p, wanted),
						      "SEED=%llu: %d %s",
						      (unsigned long long)rnd.seed, c, paths[p]);
			}
		}
		for (size_t n = 0; n < s.n; n++)
			cs_strv_release(&s.all[n].signoff.revokes);
		release(&s);
	}
	ck_assert_int_gt(passed, 0);
}
END_TEST

/* ---- merges, against git ---- */

static void edit(struct cs_buf *out, const char *name)
{
	cs_buf_addf(out, "printf '%%s\\n' ");
	for (int i = 0; i < 8; i++)
		cs_buf_addf(out, "%s%d ", random_below(&rnd, 9) ? "" : name, i);
	cs_buf_addf(out, ">f%u; ", random_below(&rnd, 3));
	if (!random_below(&rnd, 6))
		cs_buf_addf(out, "rm -f f%u; ", random_below(&rnd, 3));
	if (!random_below(&rnd, 6))
		cs_buf_addf(out, "[ ! -e f0 ] || mv f0 g%s; ", name);
}

static bool all_mechanical(const char *rev)
{
	struct cs_oid oid = fx_oid(rev);
	struct cs_commit c = { .parents = NULL };
	struct cs_change change = CS_CHANGE_INIT;
	struct cs_err err = CS_ERR_INIT;
	struct cs_commit ours = { .parents = NULL };
	struct gate_merge m;
	bool all = true;

	fx_ok(cs_repo_read_commit(&c, repo, &oid, &err), err);
	fx_ok(cs_repo_read_commit(&ours, repo, &c.parents[0], &err), err);
	fx_ok(cs_change_between(&change, repo, &ours.tree, &c.tree, false, &err), err);
	fx_ok(gate_merge_init(&m, repo, &oid, &c, 0, &err), err);
	for (size_t i = 0; i < change.n; i++) {
		bool makes = false;

		fx_ok(gate_merge_makes(&makes, &m, &change.list[i], &err), err);
		all &= makes;
	}
	gate_merge_release(&m);
	cs_change_release(&change);
	cs_commit_release(&ours);
	cs_commit_release(&c);
	return all;
}

START_TEST(merges_as_git_does)
{
	int clean = 0;

	fx_run("for i in 0 1 2; do seq 0 7 >f$i; done; git add . && git commit -qm base && git tag "
	       "base");
	for (int i = 0; i < rounds(8); i++) {
		struct cs_buf ours = CS_BUF_INIT;
		struct cs_buf theirs = CS_BUF_INIT;
		char *said;

		edit(&ours, "o");
		edit(&theirs, "t");
		said = fx_line(
			"git checkout -qf --detach base && git clean -fdq && (%s) && git add -A && "
			"git commit -q --allow-empty -m o && git tag -f o >/dev/null && "
			"git checkout -qf --detach base && (%s) && git add -A && "
			"git commit -q --allow-empty -m t && git tag -f t >/dev/null && "
			"if r=$(git -c merge.directoryRenames=false merge-tree --write-tree o t); "
			"then "
			"git tag -f m $(git commit-tree -p o -p t -m m $r) >/dev/null; "
			"git read-tree $r && echo evil | git hash-object -w --stdin >/dev/null && "
			"git update-index --add --cacheinfo 100644,$(echo evil | git hash-object "
			"--stdin),f1 && "
			"git tag -f e $(git commit-tree -p o -p t -m m $(git write-tree)) "
			">/dev/null; "
			"echo clean; else echo conflict; fi",
			ours.data, theirs.data);
		if (!strcmp(said, "clean")) {
			clean++;
			ck_assert_msg(all_mechanical("m"), "SEED=%llu: %s | %s",
				      (unsigned long long)rnd.seed, ours.data, theirs.data);
			ck_assert_msg(!all_mechanical("e"), "SEED=%llu: evil: %s | %s",
				      (unsigned long long)rnd.seed, ours.data, theirs.data);
		}
		free(said);
		cs_buf_release(&ours);
		cs_buf_release(&theirs);
	}
	ck_assert_int_gt(clean, 0);
}
END_TEST

/* ---- a real pre-receive ---- */

/* As the hook: the pushed commit is read, cannot be written to, and git's programs see it too. */
static int hook(void)
{
	struct cs_repo *r = NULL;
	struct cs_range range = CS_RANGE_INIT;
	struct cs_range_opts opts = { .n_include = 1, .n_exclude = 1 };
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid old, new, out;
	uint8_t digest[CS_SHA256_LEN];
	char a[65], b[65];
	uint32_t mode;
	struct cs_oid tree, blob;
	int rc;

	if (scanf("%64s %64s", a, b) != 2 || cs_oid_parse(&old, a) < 0 || cs_oid_parse(&new, b) < 0)
		return 10;
	rc = cs_repo_open_quarantine(&r, ".", getenv("GIT_DIR"), getenv("GIT_OBJECT_DIRECTORY"),
				     &err);
	opts.include = &new;
	opts.exclude = &old;
	if (rc == 0)
		rc = cs_repo_range(&range, r, &opts, &err);
	if (rc == 0 && range.n != 1)
		return 11;
	if (rc == 0)
		rc = cs_repo_resolve(&new, &tree, r, b, &err);
	if (rc == 0)
		rc = cs_repo_tree_lookup(&mode, &blob, r, &tree, "large", &err);
	if (rc == 0)
		rc = cs_repo_blob_sha256(digest, r, &blob, &err);
	if (rc == 0 && cs_repo_write(&out, r, CS_OBJ_BLOB, "x", 1, NULL) != CS_REFUSED)
		return 12;
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	cs_range_release(&range);
	cs_repo_free(r);
	return rc < 0 ? 13 : 0;
}

START_TEST(quarantine)
{
	static const char *const names[] = { "s.git", "a:b.git", "\"q\".git" };
	char self[4096] = "";

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	fx_run("seq 1 10 >f && git add f && git commit -qm first");
	fx_run("head -c 9000000 /dev/zero >large && git add . && git commit -qm second");
	for (size_t i = 0; i < CS_COUNT(names); i++) {
		/* packed and loose, and without the hook's consent nothing arrives */
		fx_run("git init -q --bare '%s' && git push -q \"$PWD\"/'%s' "
		       "HEAD~1:refs/heads/main",
		       names[i], names[i]);
		fx_run("printf '#!/bin/sh\\nexec %s hook\\n' >'%s/hooks/pre-receive' && "
		       "chmod +x '%s/hooks/pre-receive'",
		       self, names[i], names[i]);
		fx_run("git push -q \"$PWD\"/'%s' HEAD:refs/heads/main", names[i]);
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s;
	TCase *t;

	if (argc > 1 && !strcmp(argv[1], "hook"))
		return hook();
	s = suite_create("gate_coverage");
	t = tcase_create("coverage");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, getenv("CS_LONG") ? 7200 : FX_TIMEOUT_S);
	tcase_add_test(t, line_as_git_says);
	tcase_add_test(t, coverage_as_the_header_says);
	tcase_add_test(t, no_unseen_bytes);
	tcase_add_test(t, merges_as_git_does);
	tcase_add_test(t, quarantine);
	suite_add_tcase(s, t);
	t = tcase_create("signers");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, getenv("CS_LONG") ? 7200 : FX_TIMEOUT_S);
	tcase_add_test(t, no_bytes_without_enough_signers);
	suite_add_tcase(s, t);
	return unit_run(s);
}
