/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the branch had and left (lib/gate/target.c): changes that were taken back and return by a
 * merge, stale branches that swallow the branch's tip, and what must still pass. And whose commits
 * are not judged again (lib/gate/strict.c).
 */
#include "gate_world.h"

/* main: start, c1 (b is evil; signed), c2 (taken back; signed). side: a copy of c1 on start. */
static struct cs_repo *reverted(void)
{
	struct cs_repo *repo;

	fx_run("echo evil >b && git commit -qam c1 && git tag c1 && "
	       "git revert --no-edit HEAD >/dev/null && git tag c2 && "
	       "git checkout -qb side start && git cherry-pick -n c1 && git commit -qm copy && "
	       "git tag copy");
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "c1" });
	gw_sign(repo, &(struct gw_sign){ "alice", "c1", "c2" });
	return repo;
}

/* Each makes "new" from there, and each has b = evil in the end. */
static const char *const replays[] = {
	/* merged into the branch */
	"git checkout -q c2 && git merge -q --no-ff -m m side",
	/* the branch merged into it */
	"git checkout -q side && git merge -q -m m c2",
	/* the same by way of an older commit of the branch, and something on top of it */
	"git checkout -q c2 && git commit -q --allow-empty -m e && git tag e && "
	"git checkout -q side && git merge -q -m m e && git merge -q --no-ff -m n c2",
	/* the branch comes in as the second parent of something clean */
	"git checkout -q start && git commit -q --allow-empty -m z && git merge -q -m m c2 && "
	"git cherry-pick -n c1 && git commit -qm again",
	"git checkout -q start && git commit -q --allow-empty -m z && git merge -q -m m c2 && "
	"git tag d && git checkout -q side && git merge -q -m m d",
	/* and criss-cross */
	"git checkout -q side && git merge -q -m m c2 && git tag m1 && "
	"git checkout -q c2 && git merge -q --no-ff -s ours -m n copy && git tag m2 && "
	"git checkout -q m1 && git merge -q -s ours -m o m2",
};
START_TEST(replays_are_seen)
{
	struct cs_repo *repo = reverted();

	fx_run("%s && git tag new && test \"$(git show new:b)\" = evil", replays[_i]);
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "c2", .new = "new");
	/* Who signs for what it does to the branch has seen it. */
	gw_sign(repo, &(struct gw_sign){ "alice", "c2", "new" });
	if (_i < 3)
		gw_expect(repo, CS_GATE_PASS, NULL, .old = "c2", .new = "new");
	cs_repo_free(repo);
}
END_TEST

/* A stale branch swallows the tip: nothing changes against its own first parent. */
static const char *const rollbacks[] = {
	"git merge -q -s ours -m m c2",
	"git merge -q -s ours -m m c2 && git commit -q --allow-empty -m e",
	/* by way of two merges */
	"git merge -q -s ours -m m c1 && git merge -q -s ours -m m c2",
	"git merge -q --no-ff -m m c2 && git checkout -q start -- b && git commit -q --amend -m m",
	/* an octopus */
	"git tag p && git commit -q --allow-empty -m q && "
	"git reset -q --hard $(git commit-tree -p p -p c2 -p HEAD -m o p^{tree})",
};
START_TEST(rollbacks_are_seen)
{
	struct cs_repo *repo;

	fx_run("echo fix >b && git commit -qam c1 && git tag c1 && echo fix2 >b && "
	       "git commit -qam c2 && git tag c2 && git checkout -q start && "
	       "git commit -q --allow-empty -m empty && %s && git tag new && "
	       "test \"$(git show new:b)\" = b",
	       rollbacks[_i]);
	repo = fx_open(".");
	gw_expect(repo, CS_GATE_DENY, NULL, .old = "c2", .new = "new");
	gw_sign(repo, &(struct gw_sign){ "alice", "c2", "new" });
	if (_i != 2)
		gw_expect(repo, CS_GATE_PASS, NULL, .old = "c2", .new = "new");
	cs_repo_free(repo);
}
END_TEST

/* What people do every day needs nothing new. */
static const char *const innocent[] = {
	/* the branch has moved on elsewhere; pull, pull --no-ff, both ways round */
	"git checkout -q topic && git merge -q -m m main",
	"git checkout -q main && git merge -q --no-ff -m m topic",
	/* the same file on both sides */
	"git checkout -q topic && git merge -q -m m main && git checkout -q main && "
	"git merge -q --no-ff -m n topic",
	/* what landed already lands again as part of its branch */
	"git checkout -q main && git cherry-pick topic~1 >/dev/null && git merge -q -m m topic",
	/* merged twice on the way */
	"git checkout -q topic && git merge -q -m m main~1 && git merge -q -m m main",
};
START_TEST(the_usual_passes)
{
	struct cs_repo *repo;

	fx_run("git checkout -qb topic && sed -i 's/^2$/two/' a && git commit -qam t1 && "
	       "git tag t1 && echo try >b && git commit -qam t2 && git tag t2 && "
	       "git revert --no-edit HEAD >/dev/null && git tag t3 && "
	       "git checkout -q main && sed -i 's/^19$/nineteen/' a && git commit -qam m1 && "
	       "git tag m1 && echo x >d/c && git commit -qam m2 && git tag m2 && %s && "
	       "git tag new",
	       innocent[_i]);
	repo = fx_open(".");
	gw_sign(repo, &(struct gw_sign){ "alice", "start", "t1" });
	gw_sign(repo, &(struct gw_sign){ "alice", "t1", "t2" });
	gw_sign(repo, &(struct gw_sign){ "alice", "t2", "t3" });
	if (_i == 3)
		gw_sign(repo, &(struct gw_sign){ "alice", "m2", "new^1" });
	gw_expect(repo, CS_GATE_PASS, NULL, .old = "m2", .new = "new");
	cs_repo_free(repo);
}
END_TEST

static const struct {
	const char *ref, *target;
	bool counts;
} stricts[] = {
	{ "main", "main", true },      { "main", "plain", true },   { "plain", "main", false },
	{ "two", "one", true },	       { "one", "two", false },	    { "touch", "one", true },
	{ "one", "touch", false },     { "exact", "one", true },    { "one", "exact", false },
	{ "others", "one", true },     { "one", "others", false },  { "few", "others", true },
	{ "others", "few", false },    { "agent", "plain", false }, { "one", "self", true },
	{ "self", "one", true },       { "noself", "one", true },   { "one", "noself", false },
	{ "nothing", "plain", false }, { "unknown", "one", false },
};
static const char strict_policy[] =
	"[gate \"@default\"]\n require = all\n signoffs = 2\n"
	"[gate \"one\"]\n require = all\n[gate \"two\"]\n require = all\n signoffs = 2\n"
	"[gate \"touch\"]\n require = all\n presence = touch\n"
	"[gate \"exact\"]\n require = all\n binding = exact\n"
	"[gate \"others\"]\n require = all\n signer = a@x b@x\n"
	"[gate \"few\"]\n require = all\n signer = a@x\n"
	"[gate \"self\"]\n require = all\n selfReview = true\n"
	"[gate \"noself\"]\n require = all\n selfReview = false\n"
	"[gate \"agent\"]\n require = agent\n[gate \"nothing\"]\n require = none\n";
START_TEST(whose_commits_count)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_policy *policy = NULL;
	struct cs_gate_opts opts = { .default_ref = "refs/heads/main", .server = true };
	char *ref = cs_asprintf("refs/heads/%s", stricts[_i].ref);
	char *target = cs_asprintf("refs/heads/%s", stricts[_i].target);
	bool counts = !stricts[_i].counts;

	cs_policy_new(&policy);
	fx_ok(cs_policy_add(policy, CS_LAYER_MANAGED, "policy", strict_policy,
			    strlen(strict_policy), &err),
	      err);
	fx_ok(cs_policy_seal(policy, &err), err);
	opts.policy = policy;
	fx_ok(cs_gate_as_strict(&counts, &opts, ref, target, &err), err);
	ck_assert_msg(counts == stricts[_i].counts, "%s for %s", ref, target);
	cs_policy_free(policy);
	free(ref);
	free(target);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gate_target");
	TCase *t = tcase_create("target");

	tcase_add_checked_fixture(t, gw_setup, fx_teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_loop_test(t, replays_are_seen, 0, (int)CS_COUNT(replays));
	tcase_add_loop_test(t, rollbacks_are_seen, 0, (int)CS_COUNT(rollbacks));
	tcase_add_loop_test(t, the_usual_passes, 0, (int)CS_COUNT(innocent));
	suite_add_tcase(s, t);
	t = tcase_create("strict");
	tcase_add_loop_test(t, whose_commits_count, 0, (int)CS_COUNT(stricts));
	suite_add_tcase(s, t);
	return unit_run(s);
}
