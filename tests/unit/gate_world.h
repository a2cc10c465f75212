/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gate's tests share: a repository with keys, sign-offs that are really signed and
 * attached as notes, and a judgement with its reasons.
 */
#ifndef GATE_WORLD_H
#define GATE_WORLD_H

#include <time.h>
#include "countersign/gate.h"
#include "fixture.h"

#define GW_REPOSITORY "example.org/project"
#define GW_NOW	      (INT64_C(1700001000) * 1000000000)

struct gw_sign {
	const char *key;	   /* "alice", "bob": files of gw_setup */
	const char *base, *commit; /* revisions; base "" is from nothing */
	const char *target_base;
	const char *ref; /* NULL: refs/heads/main */
	const char *repository;
	enum cs_decision_word decision; /* 0: signed-off */
	int64_t created_s, expires_s;	/* after 1700000000; 0: 1 */
	const char *acknowledged;
	const char *revokes;
	const char *run;
	bool detached; /* attached to the anchor of its change only */
};

/* The statement's digest, for revocations; lives in a static place until the next call. */
static inline const char *gw_sign(struct cs_repo *repo, const struct gw_sign *g)
{
	static char digest_hex[CS_SHA256_HEX];
	struct cs_err err = CS_ERR_INIT;
	struct cs_signoff s;
	struct cs_buf statement = CS_BUF_INIT;
	struct cs_buf line = CS_BUF_INIT;
	struct cs_oid base_tree = { 0 };
	struct cs_oid anchor;
	struct cs_note notes[2];
	uint8_t digest[CS_SHA256_LEN];
	char *key = cs_asprintf("%s/keys/%s", fx_top, g->key);

	cs_signoff_init(&s);
	s.decision = g->decision ? g->decision : CS_DECISION_SIGNED_OFF;
	s.repository = cs_strdup(g->repository ? g->repository : GW_REPOSITORY);
	s.target_ref = cs_strdup(g->ref ? g->ref : "refs/heads/main");
	if (*g->base)
		fx_ok(cs_repo_resolve(&s.base_commit, &base_tree, repo, g->base, &err), err);
	fx_ok(cs_repo_resolve(&s.commit, &s.tree, repo, g->commit, &err), err);
	s.target_base = s.base_commit;
	if (g->target_base)
		s.target_base = fx_oid(g->target_base);
	fx_ok(cs_change_between(&s.change, repo, &base_tree, &s.tree, true, &err), err);
	for (size_t i = 0; i < s.change.n; i++) {
		s.change.list[i].before.oid.len = 0;
		s.change.list[i].after.oid.len = 0;
	}
	cs_change_digest(s.change_digest, &s.change);
	s.created_ns = (1700000000 + (g->created_s ? g->created_s : 1)) * INT64_C(1000000000);
	if (g->expires_s)
		s.expires_ns = (1700000000 + g->expires_s) * INT64_C(1000000000);
	if (g->acknowledged)
		cs_strv_add(&s.acknowledged, g->acknowledged);
	if (g->revokes)
		cs_strv_add(&s.revokes, g->revokes);
	if (g->run)
		snprintf(s.run, sizeof(s.run), "%s", g->run);
	cs_signoff_format(&statement, &s);
	fx_ok(cs_attest_sign(&line, statement.data, statement.len, CS_NS_REVIEW, key, NULL, &err),
	      err);
	fx_ok(cs_anchor_change(&anchor, repo, s.change_digest, &err), err);
	notes[0] = (struct cs_note){ anchor, line.data, line.len };
	notes[1] = (struct cs_note){ s.commit, line.data, line.len };
	fx_ok(cs_notes_add(repo, CS_NOTES_REVIEW, notes, g->detached ? 1 : 2, "N", "n@example.org",
			   &err),
	      err);
	cs_sha256(digest, statement.data, statement.len);
	cs_hex(digest_hex, digest, sizeof(digest));
	cs_signoff_release(&s);
	cs_buf_release(&statement);
	cs_buf_release(&line);
	free(key);
	return digest_hex;
}

/* A repository "r" with a first commit on main, keys of alice, bob and mallory (no signer). */
static inline void gw_setup(void)
{
	fx_setup();
	fx_run("mkdir keys r && for k in alice bob mallory; do "
	       "ssh-keygen -q -t ed25519 -N '' -C $k@example.org -f keys/$k; done && "
	       "for k in alice bob; do printf '%%s@example.org namespaces=\"" CS_NS_REVIEW
	       "\" ' $k; cat keys/$k.pub; done >signers");
	ck_assert_int_eq(chdir("r"), 0);
	fx_run("git init -q -b main . && seq 1 20 >a && echo b >b && mkdir d && echo c >d/c && "
	       "git add . && git commit -qm start && git tag start");
}

struct gw_judge {
	const char *ref;       /* NULL: refs/heads/main */
	const char *old, *new; /* revisions; old "": created; new "": deleted */
	const char *policy;    /* NULL: require = all on @default */
	const char *landed;    /* revision or NULL */
	bool client;
	const struct cs_gate_hints *hints;
	bool no_signers, no_notes;
	int64_t now_s;
};

static const char gw_policy_all[] = "[gate \"@default\"]\n\trequire = all\n";

/* The verdict; out is filled. */
static inline enum cs_gate_verdict gw_judge(struct cs_gate_report *out, struct cs_repo *repo,
					    const struct gw_judge *g)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_policy *policy = NULL;
	struct cs_signers *signers = NULL;
	struct cs_reviews *reviews = NULL;
	struct cs_strv repositories = CS_STRV_INIT;
	struct cs_buf text = CS_BUF_INIT;
	const char *words = g->policy ? g->policy : gw_policy_all;
	struct cs_oid notes = { 0 };
	struct cs_oid landed = { 0 };
	struct cs_gate_update u = { .ref = g->ref ? g->ref : "refs/heads/main" };
	int64_t now = g->now_s ? (1700000000 + g->now_s) * INT64_C(1000000000) : GW_NOW;
	char *path = cs_asprintf("%s/signers", fx_top);
	struct cs_reviews_opts ropts;
	struct cs_gate_opts opts;
	int rc;

	cs_policy_new(&policy);
	fx_ok(cs_policy_add(policy, CS_LAYER_MANAGED, "policy", words, strlen(words), &err), err);
	fx_ok(cs_policy_seal(policy, &err), err);
	fx_ok(cs_read_file(&text, AT_FDCWD, path, 1 << 20, &err), err);
	fx_ok(cs_signers_parse(&signers, "signers", text.data, text.len, &err), err);
	if (!g->no_notes && cs_repo_read_ref(&notes, repo, CS_NOTES_REVIEW, NULL) < 0)
		notes.len = 0;
	if (g->landed)
		landed = fx_oid(g->landed);
	ropts = (struct cs_reviews_opts){ .repo = repo,
					  .notes = &notes,
					  .n_notes = 1,
					  .signers = g->no_signers ? NULL : signers,
					  .now_ns = now };
	fx_ok(cs_reviews_open(&reviews, &ropts, &err), err);
	cs_strv_add(&repositories, GW_REPOSITORY);
	opts = (struct cs_gate_opts){ .repo = repo,
				      .policy = policy,
				      .default_ref = "refs/heads/main",
				      .repositories = &repositories,
				      .landed = &landed,
				      .n_landed = g->landed ? 1 : 0,
				      .reviews = reviews,
				      .hints = g->hints,
				      .server = !g->client,
				      .now_ns = now };
	if (g->old && *g->old)
		u.old_oid = fx_oid(g->old);
	if (g->new && * g->new)
		u.new_oid = fx_oid(g->new);
	rc = cs_gate_judge(out, &opts, &u, &err);
	ck_assert(rc == 0 || out->verdict == CS_GATE_DENY);
	if (getenv("GW_REJECTED")) {
		size_t n;
		const struct cs_rejected_review *list = cs_reviews_rejected(reviews, &n);

		for (size_t i = 0; i < n; i++)
			fprintf(stderr, "rejected: %s\n", list[i].why);
	}
	cs_reviews_free(reviews);
	cs_signers_free(signers);
	cs_policy_free(policy);
	cs_strv_release(&repositories);
	cs_buf_release(&text);
	free(path);
	return out->verdict;
}

static inline bool gw_says(const struct cs_gate_report *r, const char *rule)
{
	for (size_t i = 0; i < r->n_reasons; i++)
		if (!strcmp(r->reasons[i].rule, rule))
			return true;
	return false;
}

/* Expects a verdict and, where given, a rule; the explanation is in the message. */
#define gw_expect(repo, wanted, wanted_rule, ...)                                             \
	do {                                                                                  \
		struct cs_gate_report gw_r = CS_GATE_REPORT_INIT;                             \
		struct cs_buf gw_b = CS_BUF_INIT;                                             \
		const struct gw_judge gw_g = { __VA_ARGS__ };                                 \
		const char *gw_rule = (wanted_rule);                                          \
		enum cs_gate_verdict gw_v = gw_judge(&gw_r, repo, &gw_g);                     \
		cs_gate_explain(&gw_b, &gw_r, 0);                                             \
		ck_assert_msg(gw_v == (wanted), "verdict %d: %s", (int)gw_v, gw_b.data);      \
		ck_assert_msg(!gw_rule || gw_says(&gw_r, gw_rule), "no '%s' in: %s", gw_rule, \
			      gw_b.data);                                                     \
		cs_gate_report_release(&gw_r);                                                \
		cs_buf_release(&gw_b);                                                        \
	} while (0)

#endif
