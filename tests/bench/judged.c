/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's part of tests/bench/gate, in the current repository:
 *
 *	judged made N		an index of N runs, none of which made anything that is here
 *	judged sign KEY		signs off every commit of start..main
 *	judged judge agent|all SIGNERS	judges start..main; prints milliseconds; status 1: denied
 */
#include <fcntl.h>
#include <stdio.h>
#include "countersign/gate.h"
#include "countersign/record.h"

#define REPOSITORY "example.org/bench"

_Static_assert(sizeof(struct cs_made) == sizeof(struct cs_gate_known), "one layout");

static struct cs_repo *repo;
static struct cs_err err = CS_ERR_INIT;

static void must(int rc)
{
	if (rc < 0) {
		fprintf(stderr, "judged: %s\n", err.msg);
		exit(2);
	}
}

static struct cs_oid ref(const char *name)
{
	struct cs_oid oid;
	struct cs_oid tree;

	must(cs_repo_resolve(&oid, &tree, repo, name, &err));
	return oid;
}

static void fill_made(long n)
{
	char *state = NULL;
	struct cs_oid none = { 0 };
	struct cs_oid tree;

	must(cs_state_dir(&state, repo, &err));
	free(state);
	must(cs_repo_write(&tree, repo, CS_OBJ_TREE, "", 0, &err));
	for (long i = 0; i < n; i++) {
		struct cs_oid commit = { .len = 20 };
		char run[CS_RUN_ID_HEX];

		cs_random(commit.bytes, 20);
		snprintf(run, sizeof(run), "%032lx", i);
		must(cs_made_add(repo, run, &none, &commit, &tree, &err));
	}
}

static void sign_one(struct cs_note *note, const struct cs_range_commit *c, const char *key)
{
	struct cs_buf statement = CS_BUF_INIT;
	struct cs_buf line = CS_BUF_INIT;
	struct cs_commit parent = { .parents = NULL };
	struct cs_commit commit = { .parents = NULL };
	struct cs_signoff s;

	cs_signoff_init(&s);
	must(cs_repo_read_commit(&commit, repo, &c->oid, &err));
	must(cs_repo_read_commit(&parent, repo, &c->parents[0], &err));
	s.decision = CS_DECISION_SIGNED_OFF;
	s.repository = cs_strdup(REPOSITORY);
	s.target_ref = cs_strdup("refs/heads/main");
	s.base_commit = s.target_base = c->parents[0];
	s.commit = c->oid;
	s.tree = commit.tree;
	s.created_ns = cs_wall_ns();
	must(cs_change_between(&s.change, repo, &parent.tree, &commit.tree, true, &err));
	cs_change_digest(s.change_digest, &s.change);
	cs_signoff_format(&statement, &s);
	must(cs_attest_sign(&line, statement.data, statement.len, CS_NS_REVIEW, key, NULL, &err));
	*note = (struct cs_note){ .object = c->oid, .len = line.len };
	note->line = cs_buf_take(&line);
	cs_buf_release(&statement);
	cs_signoff_release(&s);
	cs_commit_release(&commit);
	cs_commit_release(&parent);
}

static void sign_all(const char *key)
{
	struct cs_range range = CS_RANGE_INIT;
	struct cs_oid new = ref("refs/heads/main");
	struct cs_oid old = ref("refs/tags/start");
	const struct cs_range_opts opts = { &new, 1, &old, 1, false, 0 };
	struct cs_note *notes;

	must(cs_repo_range(&range, repo, &opts, &err));
	notes = cs_calloc(range.n, sizeof(*notes));
	for (size_t i = 0; i < range.n; i++)
		sign_one(&notes[i], &range.list[i], key);
	must(cs_notes_add(repo, CS_NOTES_REVIEW, notes, range.n, "N", "n@example.org", &err));
}

static int known(void *arg, struct cs_gate_known *list, size_t n, struct cs_err *e)
{
	(void)arg;
	return cs_made_find(repo, (struct cs_made *)list, n, e);
}

static int judge(const char *require, const char *signers_file)
{
	AUTO_FREE char *text = cs_asprintf("[gate \"main\"]\n require = %s\n", require);
	const struct cs_gate_hints hints = { known, NULL };
	struct cs_gate_report report = CS_GATE_REPORT_INIT;
	struct cs_reviews *reviews = NULL;
	struct cs_signers *signers = NULL;
	struct cs_policy *policy = NULL;
	struct cs_buf keys = CS_BUF_INIT;
	struct cs_strv names = CS_STRV_INIT;
	struct cs_oid notes = { 0 };
	const int64_t begin = cs_mono_ns();
	struct cs_reviews_opts ropts = { .repo = repo, .notes = &notes, .n_notes = 1 };
	struct cs_gate_opts opts = { .repo = repo, .repositories = &names, .server = true };
	struct cs_gate_update u = { .ref = "refs/heads/main" };

	u.new_oid = ref("refs/heads/main");
	u.old_oid = ref("refs/tags/start");
	if (cs_repo_read_ref(&notes, repo, CS_NOTES_REVIEW, NULL) < 0)
		notes.len = 0;
	must(cs_read_file(&keys, AT_FDCWD, signers_file, 1 << 20, &err));
	must(cs_signers_parse(&signers, signers_file, keys.data, keys.len, &err));
	cs_policy_new(&policy);
	must(cs_policy_add(policy, CS_LAYER_MANAGED, "p", text, strlen(text), &err));
	must(cs_policy_seal(policy, &err));
	cs_strv_add(&names, REPOSITORY);
	ropts.signers = signers;
	ropts.now_ns = opts.now_ns = cs_wall_ns();
	must(cs_reviews_open(&reviews, &ropts, &err));
	opts.policy = policy;
	opts.reviews = reviews;
	opts.hints = &hints;
	must(cs_gate_judge(&report, &opts, &u, &err));
	printf("%.3f\n", (double)(cs_mono_ns() - begin) / 1e6);
	return report.verdict == CS_GATE_DENY;
}

int main(int argc, char **argv)
{
	must(cs_repo_open(&repo, ".", ".", &err)); /* as a hook is told where */
	if (argc == 3 && !strcmp(argv[1], "made"))
		fill_made(atol(argv[2]));
	else if (argc == 3 && !strcmp(argv[1], "sign"))
		sign_all(argv[2]);
	else if (argc == 4 && !strcmp(argv[1], "judge"))
		return judge(argv[2], argv[3]);
	else
		return 2;
	return 0;
}
