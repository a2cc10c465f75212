/* SPDX-License-Identifier: Apache-2.0 */
/* Whole judgements: real repositories, real signatures, the attempts of people who want past. */
#include "gate_world.h"

#define RUN_ID "0123456789abcdef0123456789abcdef"

static void commit(const char *file, const char *text, const char *name)
{
	fx_run("printf '%%s\\n' '%s' >%s && git add -A && git commit -qm x && git tag %s", text,
	       file, name);
}

START_TEST(covered_and_not)
{
	struct cs_repo *repo;

	commit("b", "new", "c1");
	repo = fx_open(".");
	gw_expect(repo, CS_GATE_DENY, "signature-required", .old = "start", .new = "c1");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1" });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1");
	/* every input is needed */
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "c1", .no_signers = true);
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "c1", .no_notes = true);
	/* nothing is new */
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "c1", .new = "c1");
	/* from nothing, the first commit is judged too; what landed is not */
	gw_expect(repo, CS_GATE_DENY, "signature-required", .old = "", .new = "c1");
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "", .new = "c1", .landed = "start");
	cs_repo_free(repo);
}
END_TEST

/* Who signed, for what, and when. */
static const struct {
	const char *name, *rule;
	struct gw_sign sign;
} void_signs[] = {
	{ "not a signer", "signature-required", { "mallory", "start", "c1" } },
	{ "other branch", "other-ref", { "alice", "start", "c1", .ref = "refs/heads/x" } },
	{ "other repository", "other-repository", { "alice", "start", "c1", .repository = "e/x" } },
	{ "expired", "signature-required", { "alice", "start", "c1", .expires_s = 999 } },
	{ "other bytes", "signature-required", { "alice", "start", "c2" } },
	{ "backwards", "signature-required", { "alice", "c1", "start" } },
	{ "a wish", NULL, { "alice", "start", "c1", .decision = CS_DECISION_CHANGES_REQUESTED } },
};

START_TEST(void_sign)
{
	struct cs_repo *repo;

	commit("b", "new", "c1");
	commit("b", "newer", "c2");
	repo = fx_open(".");
	gw_sign(repo, &void_signs[_i].sign);
	gw_expect(repo, CS_GATE_DENY, void_signs[_i].rule, .old = "start", .new = "c1");
	cs_repo_free(repo);
}
END_TEST

START_TEST(rebase_squash_and_stack)
{
	struct cs_repo *repo;

	fx_run("git checkout -qb topic && echo 1 >t1 && git add t1 && git commit -qm t1 && git tag "
	       "t1 && "
	       "echo 2 >t1 && echo 2 >t2 && git add . && git commit -qm t2 && git tag t2 && "
	       "git checkout -q main");
	commit("unrelated", "u", "u");
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "t1" });
	gw_sign(repo, &(struct gw_sign){ "alice", "t1", "t2" });
	/* rebased over a commit that touches neither path */
	fx_run("git checkout -q topic && git rebase -q main && git tag r2 && git tag r1 r2~1");
	gw_expect(repo, CS_GATE_PASS, "carried", .old = "u", .new = "r2");
	/* one of them alone, on its own base's successor */
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "u", .new = "r1");
	/* a squash makes a transition that nobody saw as one: absent -> 2 of t1 */
	fx_run("git checkout -q main && git merge -q --squash topic && git commit -qm sq && git "
	       "tag sq");
	gw_expect(repo, CS_GATE_DENY, "signature-required", .old = "u", .new = "sq");
	/* until somebody signs the whole */
	gw_sign(repo, &(struct gw_sign){ "bob", "start", "t2", .detached = true });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "u", .new = "sq");
	/* with one more line it is another file */
	fx_run("echo evil >>t2 && git commit -qa --amend --no-edit && git tag evil");
	gw_expect(repo, CS_GATE_DENY, "signature-required", .old = "u", .new = "evil");
	/* a mode is part of it */
	fx_run("git reset -q --hard sq && chmod +x t2 && git commit -qa --amend --no-edit && git "
	       "tag mode");
	gw_expect(repo, CS_GATE_DENY, "signature-required", .old = "u", .new = "mode");
	cs_repo_free(repo);
}
END_TEST

/* What was landed, reverted for a reason and brought back needs a new look. */
START_TEST(replay_after_revert)
{
	struct cs_repo *repo;

	commit("b", "vulnerable", "c1");
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1" });
	fx_run("git revert --no-edit HEAD >/dev/null && git tag c2");
	commit("b", "vulnerable", "c3");
	gw_expect(repo, CS_GATE_DENY, "moved-on", .old = "c2", .new = "c3");
	/* all in one push: the first landing is fine, the replay is not */
	gw_sign(repo, &(struct gw_sign){ "alice", "c1", "c2" });
	gw_expect(repo, CS_GATE_DENY, "moved-on", .old = "start", .new = "c3");
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c2");
	gw_sign(repo, &(struct gw_sign){ "alice", "c2", "c3" });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c3");
	cs_repo_free(repo);
}
END_TEST

START_TEST(base_gone)
{
	struct cs_repo *repo;

	fx_run("git checkout -q --orphan lost && git commit -qm lost && git tag lost && echo n >n "
	       "&& "
	       "git add n && git commit -qm n && git tag n && git checkout -q main && "
	       "git cherry-pick n >/dev/null && git tag c1");
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "lost", "n" });
	gw_expect(repo, CS_GATE_DENY, "base-unknown", .old = "start", .new = "c1");
	gw_sign(repo, &(struct gw_sign){ "alice", "lost", "n", .target_base = "start" });
	gw_expect(repo, CS_GATE_PASS, "carried", .old = "start", .new = "c1");
	cs_repo_free(repo);
}
END_TEST

START_TEST(taking_back)
{
	struct cs_repo *repo;
	char *statement;

	commit("b", "new", "c1");
	repo = fx_open(".");
	statement = cs_strdup(gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1" }));
	/* somebody else cannot */
	gw_sign(repo, &(struct gw_sign){ "bob", "start", "c1", .decision = CS_DECISION_REVOKED,
					 .revokes = statement });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1");
	/* dated before the sign-off, and still */
	gw_sign(repo,
		&(struct gw_sign){ "alice", "start", "c1", .decision = CS_DECISION_REVOKED,
				   .revokes = statement, .created_s = -50, .detached = true });
	gw_expect(repo, CS_GATE_DENY, "revoked", .old = "start", .new = "c1");
	/* a new word is a new word */
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1", .created_s = 5 });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1");
	/* an objection stands until its author settles it */
	gw_sign(repo, &(struct gw_sign){ "bob", "start", "c1", .created_s = 6,
					 .decision = CS_DECISION_CHANGES_REQUESTED });
	gw_expect(repo, CS_GATE_DENY, "changes-requested", .old = "start", .new = "c1");
	gw_sign(repo, &(struct gw_sign){ "bob", "start", "c1", .created_s = 7 });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1");
	free(statement);
	cs_repo_free(repo);
}
END_TEST

START_TEST(how_many_and_who)
{
	static const char two[] = "[gate \"main\"]\n require = all\n signoffs = 2\n";
	static const char bob[] = "[gate \"main\"]\n require = all\n signer = bob@*\n";
	static const char touch[] = "[gate \"main\"]\n require = all\n presence = touch\n";
	static const char self[] = "[gate \"main\"]\n require = all\n selfReview = false\n";
	static const char exact[] = "[gate \"main\"]\n require = all\n binding = exact\n";
	struct cs_repo *repo;

	commit("b", "new", "c1");
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1" });
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1", .created_s = 9 });
	gw_expect(repo, CS_GATE_DENY, "enough-signoffs", .old = "start", .new = "c1",
		  .policy = two);
	gw_expect(repo, CS_GATE_DENY, "signer", .old = "start", .new = "c1", .policy = bob);
	gw_expect(repo, CS_GATE_DENY, "presence", .old = "start", .new = "c1", .policy = touch);
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1", .policy = self);
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1", .policy = exact);
	gw_sign(repo, &(struct gw_sign){ "bob", "start", "c1" });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1", .policy = two);
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1", .policy = bob);
	/* his own work: as author, in other letters */
	fx_run("git commit -q --amend --no-edit --author='A <Alice@Example.ORG>' && git tag own");
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "own", .policy = self);
	fx_run("GIT_COMMITTER_EMAIL=bob@example.org git commit -q --amend --no-edit && git tag "
	       "own2");
	gw_expect(repo, CS_GATE_DENY, "self-review", .old = "start", .new = "own2", .policy = self);
	/* exact: another base will not do */
	fx_run("git reset -q --hard start && git commit -q --allow-empty -m e && git tag e && "
	       "git cherry-pick c1 >/dev/null && git tag c2");
	gw_expect(repo, CS_GATE_DENY, "not-exact", .old = "e", .new = "c2", .policy = exact);
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "e", .new = "c2");
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "e", .policy = exact);
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "e");
	cs_repo_free(repo);
}
END_TEST

START_TEST(sensitive_paths)
{
	struct cs_repo *repo;

	commit("Makefile", "all:", "c1");
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1" });
	gw_expect(repo, CS_GATE_DENY, "sensitive-not-acknowledged", .old = "start", .new = "c1");
	gw_sign(repo, &(struct gw_sign){ "bob", "start", "c1", .acknowledged = "Makefile" });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "c1");
	cs_repo_free(repo);
}
END_TEST

START_TEST(merges)
{
	struct cs_repo *repo;

	fx_run("git checkout -qb topic && sed -i 's/^2$/two/' a && echo n >n && git add . && "
	       "git commit -qm t && git tag t && git checkout -q main && sed -i 's/^19$/nineteen/' "
	       "a && "
	       "git commit -qam m && git tag m && git merge -q --no-edit topic && git tag merge");
	repo = fx_open(".");
	gw_expect(repo, CS_GATE_DENY, "signature-required", .old = "m", .new = "merge");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "t" });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "m", .new = "merge");
	/* one more line in the merge */
	fx_run("echo evil >>b && git commit -qa --amend --no-edit && git tag evil");
	gw_expect(repo, CS_GATE_DENY, "merge-not-mechanical", .old = "m", .new = "evil");
	/* theirs, whole: what main had changed is thrown away */
	fx_run("git reset -q --hard m && git merge -q --no-edit -s ours topic && git checkout -q t "
	       "-- a n && "
	       "git commit -qa --amend --no-edit && git tag theirs");
	gw_expect(repo, CS_GATE_DENY, "merge-not-mechanical", .old = "m", .new = "theirs");
	/* ours: nothing new */
	fx_run("git reset -q --hard m && git merge -q --no-edit -s ours topic && git tag ours");
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "m", .new = "ours");
	/* a rename on one side, a change on the other */
	fx_run("git reset -q --hard m && git mv a renamed && git commit -qm mv && git tag mv && "
	       "git merge -q --no-edit topic && git tag renamed");
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "mv", .new = "renamed");
	/* an octopus is never mechanical */
	fx_run("git checkout -qb other start && echo o >o && git add o && git commit -qm o && git "
	       "tag o && "
	       "git checkout -q -B main m && git merge -q --no-edit topic other && git tag "
	       "octopus");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "o" });
	gw_expect(repo, CS_GATE_DENY, "merge-not-mechanical", .old = "m", .new = "octopus");
	cs_repo_free(repo);
}
END_TEST

/* ---- what the update does to its reference ---- */

static const char release[] = "[gate \"@default\"]\n require = all\n"
			      "[gate \"release/*\"]\n require = all\n"
			      "[gate \"refs/tags/v*\"]\n require = all\n"
			      "[gate \"refs/changes/*\"]\n require = all\n";
static const struct {
	const char *ref, *old, *new;
	enum cs_gate_verdict verdict;
	const char *rule;
} updates[] = {
	{ "refs/heads/main", "c1", "", CS_GATE_DENY, "deleted" },
	{ "refs/heads/main", "c1", "start", CS_GATE_DENY, "history-rewritten" },
	{ "refs/heads/release/1/x", "c1", "", CS_GATE_DENY, "deleted" },
	{ "refs/heads/topic", "c1", "", CS_GATE_PASS, NULL },
	{ "refs/heads/topic", "c1", "start", CS_GATE_PASS, NULL },
	{ "refs/heads/HEAD", "", "start", CS_GATE_DENY, "bad-name" },
	{ "refs/heads/main", "start", "tag", CS_GATE_DENY, "not-a-commit" },
	{ "refs/heads/x", "", "blob", CS_GATE_DENY, "not-a-commit" },
	{ "refs/replace/1234", "", "c1", CS_GATE_DENY, "replace" },
	{ "refs/pull/1/head", "", "c1", CS_GATE_DENY, "namespace" },
	{ "refs/for/main", "", "c1", CS_GATE_DENY, "namespace" },
	{ "refs/changes/1", "", "c1", CS_GATE_DENY, "signature-required" },
	{ "refs/remotes/origin/main", "", "c1", CS_GATE_DENY, "namespace" },
	{ "refs/tags/v1", "", "tag", CS_GATE_DENY, "signature-required" },
	{ "refs/tags/v1", "c1", "tag", CS_GATE_DENY, "history-rewritten" },
	{ "refs/tags/x", "", "tag", CS_GATE_WARN, "tag-not-landed" },
	{ "refs/tags/x", "", "start", CS_GATE_PASS, NULL },
	{ "refs/tags/x", "", "blob", CS_GATE_WARN, "not-a-commit" },
	{ "refs/tags/v2", "", "blob", CS_GATE_DENY, "not-a-commit" },
	{ "refs/agent-run/01/x", "", "c1", CS_GATE_PASS, NULL },
	{ "refs/agent-run/01/x", "start", "c1", CS_GATE_DENY, "record-rewritten" },
	{ "refs/agent-run/01/x", "start", "", CS_GATE_DENY, "record-rewritten" },
	{ "refs/notes/agent-run/review", "start", "", CS_GATE_DENY, "notes-lost" },
	{ "refs/notes/commits", "", "c1", CS_GATE_PASS, NULL },
	{ "main", "start", "c1", CS_GATE_DENY, "malfunction" },
	{ "refs//heads/main", "start", "c1", CS_GATE_DENY, "malfunction" },
	{ "refs/heads/main", "", "", CS_GATE_DENY, "malfunction" },
};

START_TEST(references)
{
	struct cs_repo *repo;

	commit("b", "new", "c1");
	fx_run("git tag -a -m tag tag0 && git tag -a -m nested nested tag0 && git update-ref "
	       "refs/tags/tag "
	       "$(git rev-parse nested) && git update-ref refs/tags/blob $(git rev-parse HEAD:b)");
	repo = fx_open(".");
	for (size_t i = 0; i < CS_COUNT(updates); i++)
		gw_expect(repo, updates[i].verdict, updates[i].rule, .ref = updates[i].ref,
			  .old = updates[i].old, .new = updates[i].new, .landed = "start",
			  .policy = release);
	cs_repo_free(repo);
}
END_TEST

START_TEST(names_without_case)
{
	struct cs_repo *repo;

	commit("b", "new", "c1");
	repo = fx_open(".");
	gw_expect(repo, CS_GATE_PASS, NULL, .ref = "refs/heads/Main", .new = "c1");
	cs_repo_free(repo);
	fx_run("git config core.ignoreCase true");
	repo = fx_open(".");
	gw_expect(repo, CS_GATE_DENY, "case-variant", .ref = "refs/heads/Main", .new = "c1");
	cs_repo_free(repo);
}
END_TEST

/* A line of a review may not get lost, by whatever notes are pushed. */
START_TEST(notes_lose_nothing)
{
	struct cs_repo *repo;

	commit("b", "new", "c1");
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1" });
	fx_run("git tag n1 " CS_NOTES_REVIEW);
	gw_sign(repo, &(struct gw_sign){ "bob", "start", "c1" });
	fx_run("git tag n2 " CS_NOTES_REVIEW);
	gw_expect(repo, CS_GATE_PASS, NULL, .ref = CS_NOTES_REVIEW, .old = "n1", .new = "n2");
	gw_expect(repo, CS_GATE_DENY, "notes-lost", .ref = CS_NOTES_REVIEW, .old = "n2",
		  .new = "n1");
	gw_expect(repo, CS_GATE_DENY, NULL, .ref = CS_NOTES_REVIEW, .old = "n2", .new = "start");
	cs_repo_free(repo);
}
END_TEST

/* ---- what needs a sign-off ---- */

static const char agent[] = "[gate \"@default\"]\n require = agent\n";
static const char warn[] = "[gate \"@default\"]\n require = warn\n";

static int knows(void *arg, struct cs_gate_known *list, size_t n, struct cs_err *err)
{
	const struct cs_oid *known = arg;

	(void)err;
	for (size_t i = 0; i < n; i++) {
		if (i)
			ck_assert(memcmp(&list[i - 1].oid, &list[i].oid, sizeof(list->oid)) < 0);
		if (cs_oid_equal(&list[i].oid, known))
			memcpy(list[i].run, RUN_ID, sizeof(RUN_ID));
	}
	return 0;
}

static int fails(void *arg, struct cs_gate_known *list, size_t n, struct cs_err *err)
{
	(void)arg;
	(void)list;
	(void)n;
	return cs_err_set(err, CS_MALFUNCTION, "no index");
}

START_TEST(made_by_agents)
{
	struct cs_repo *repo;
	struct cs_oid known;
	const struct cs_gate_hints hints = { knows, &known };
	const struct cs_gate_hints broken = { fails, NULL };

	fx_run("seq 1 200 >big && git add . && git commit -qm human && git tag human");
	fx_run("git commit -q --amend -m 'x\n\nAgent-Run: " RUN_ID "' && git tag trailer && "
	       "git commit -q --amend -m 'x\n\nAgent-Run: " RUN_ID "\n\nmore' && git tag quoted && "
	       "git commit -q --amend -m x --author 'a <codex@agent.invalid>' && git tag address");
	repo = fx_open(".");
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "human", .policy = agent);
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "quoted", .policy = agent);
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "trailer", .policy = agent);
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "address", .policy = agent);
	gw_expect(repo, CS_GATE_WARN, NULL, .old = "start", .new = "trailer", .policy = warn);
	gw_expect(repo, CS_GATE_WARN, "other-branch", .ref = "refs/heads/x", .old = "start",
		  .new = "trailer");
	gw_expect(repo, CS_GATE_DENY, "malfunction", .old = "start", .new = "human",
		  .policy = agent, .hints = &broken);
	known = fx_oid("human");
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "human", .policy = agent,
		  .hints = &hints);
	known = fx_oid("human^{tree}");
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "human", .policy = agent,
		  .hints = &hints);
	/* a copied file, until somebody has signed it off wherever it was */
	known = fx_oid("human:big");
	fx_run("git checkout -q start && seq 1 200 >copy && git add . && git commit -qm copy && "
	       "git tag copy");
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "copy", .policy = agent,
		  .hints = &hints);
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "human", .run = RUN_ID });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "copy", .policy = agent,
		  .hints = &hints);
	/* nobody wrote `require` down: on a server that is all */
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "start", .new = "copy",
		  .policy = "[gate \"@default\"]\n signoffs = 1\n");
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "start", .new = "copy", .client = true,
		  .policy = "[gate \"@default\"]\n signoffs = 1\n");
	cs_repo_free(repo);
}
END_TEST

/* What is missing denies: never a shorter range. */
START_TEST(missing_objects)
{
	struct cs_repo *repo;

	commit("b", "new", "c1");
	commit("b", "newer", "c2");
	fx_run("git tag tree $(git rev-parse c1^{tree})");
	fx_run("o=$(git rev-parse c1); rm -f .git/objects/$(echo $o | cut -c1-2)/$(echo $o | cut "
	       "-c3-)");
	repo = fx_open(".");
	gw_expect(repo, CS_GATE_DENY, "malfunction", .old = "start", .new = "c2", .policy = agent);
	cs_repo_free(repo);
}
END_TEST

START_TEST(shallow)
{
	struct cs_repo *repo;

	commit("b", "new", "c1");
	fx_run("git rev-parse c1 >.git/shallow");
	repo = fx_open(".");
	gw_expect(repo, CS_GATE_DENY, "malfunction", .old = "start", .new = "c1", .policy = agent);
	cs_repo_free(repo);
}
END_TEST

/* Replace references and grafts show another history; the gate sees the real one. */
START_TEST(replaced)
{
	struct cs_repo *repo;

	commit("b", "evil", "c1");
	commit("d/c", "fine", "c2");
	fx_run("git checkout -q --detach start && echo fine >d/c && git commit -qam good && git "
	       "tag good && "
	       "git replace c2 good");
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "good" });
	gw_expect(repo, CS_GATE_DENY, "signature-required", .old = "start", .new = "c2");
	cs_repo_free(repo);
}
END_TEST

START_TEST(explanations)
{
	struct cs_gate_report r = CS_GATE_REPORT_INIT;
	struct cs_buf text = CS_BUF_INIT;
	struct cs_repo *repo;
	cJSON *json;
	size_t lines = 0;

	fx_run("for i in $(seq 1 99); do echo $i >\"$(printf 'f\\033[31m')$i\"; done; git add . && "
	       "git commit -qm many && git tag many");
	repo = fx_open(".");
	gw_judge(&r, repo, &(struct gw_judge){ .old = "start", .new = "many" });
	cs_gate_explain(&text, &r, 8);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	ck_assert_uint_le(lines, 8);
	ck_assert_ptr_null(strchr(text.data, '\033'));
	ck_assert_ptr_nonnull(strstr(text.data, "more"));
	ck_assert_ptr_nonnull(strstr(text.data, "git agent-review"));
	ck_assert_ptr_nonnull(strstr(text.data, "policy:2"));
	json = cs_gate_report_json(&r);
	ck_assert_str_eq(cs_json_str(json, "verdict", ""), "deny");
	ck_assert_str_eq(cs_json_str(json, "schema", ""), "countersign.gate/v1");
	cJSON_Delete(json);
	cs_gate_report_release(&r);
	cs_buf_release(&text);
	cs_repo_free(repo);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gate_judge");
	TCase *t = tcase_create("judge");

	tcase_add_checked_fixture(t, gw_setup, fx_teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_test(t, covered_and_not);
	tcase_add_loop_test(t, void_sign, 0, (int)CS_COUNT(void_signs));
	tcase_add_test(t, rebase_squash_and_stack);
	tcase_add_test(t, replay_after_revert);
	tcase_add_test(t, base_gone);
	tcase_add_test(t, taking_back);
	tcase_add_test(t, how_many_and_who);
	tcase_add_test(t, sensitive_paths);
	tcase_add_test(t, merges);
	tcase_add_test(t, references);
	tcase_add_test(t, names_without_case);
	tcase_add_test(t, notes_lose_nothing);
	tcase_add_test(t, made_by_agents);
	tcase_add_test(t, missing_objects);
	tcase_add_test(t, shallow);
	tcase_add_test(t, replaced);
	tcase_add_test(t, explanations);
	suite_add_tcase(s, t);
	return unit_run(s);
}
