/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One update against what this place knows. Rules and principals never come from what is pushed:
 *
 *	server	<git dir>/countersign/, /etc/countersign/ (both managed: they lock), then
 *		.countersign/ in the default branch's OLD tree; then in another branch's OLD tree
 *	client	/etc/countersign/ (managed), then .countersign/ in the OLD trees, as the remote had
 *		them; then the user's own policy. Principals from git's
 *		gpg.ssh.allowedSignersFile where neither has a file
 *
 * Policies are merged. Another branch's OLD tree and the user may only tighten, and a new section
 * with a stronger name would loosen whatever its keys say: so an update is judged once without
 * them, once with each more, and the strictest verdict counts. Of allowed_signers and revoked_keys
 * the first file that exists counts, as a whole. What exists and cannot be read is an error, never a
 * missing file; an error denies.
 */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "countersign/record.h"

#define TREE_DIR  ".countersign"
#define MAX_FILE  (4u << 20)
#define MAX_LINES 40
#define HEADS	  "refs/heads/"

/* Who adds to the policy, in this order; each is judged by with those before it. */
enum stage { STAGE_TRUSTED, STAGE_OWN, STAGE_USER, N_STAGES };

struct rules {
	struct cs_policy *policy[N_STAGES]; /* NULL: this one says nothing about gates */
	struct cs_signers *signers;
	struct cs_revoked_keys *revoked;
	struct cs_reviews *reviews;
	struct cs_oid trusted; /* the tree that is believed; len 0: none */
	struct cs_oid own;     /* the branch's OLD tree, where that is another one */
	int64_t now_ns;
};

static void release(struct rules *r)
{
	cs_reviews_free(r->reviews);
	cs_revoked_keys_free(r->revoked);
	cs_signers_free(r->signers);
	for (size_t i = 0; i < N_STAGES; i++)
		cs_policy_free(r->policy[i]);
}

/* *found says whether the file is there; everything else that goes wrong is an error. */
static int read_path(struct cs_buf *out, bool *found, const char *path, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	int rc = cs_read_file(out, AT_FDCWD, path, MAX_FILE, &why);

	*found = rc == 0;
	return rc == 0 || rc == CS_NOTFOUND ? 0 : cs_err_set(err, rc, "%s", why.msg);
}

static int read_tree(struct cs_buf *out, bool *found, const struct cs_repo *repo,
		     const struct cs_oid *tree, const char *file, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf(TREE_DIR "/%s", file);
	struct cs_err why = CS_ERR_INIT;
	struct cs_oid oid;
	uint32_t mode;
	int rc;

	*found = false;
	if (!tree->len)
		return 0;
	rc = cs_repo_tree_lookup(&mode, &oid, repo, tree, path, &why);
	if (rc == CS_NOTFOUND)
		return 0;
	if (rc < 0)
		return cs_err_set(err, rc, "%s", why.msg);
	*found = true;
	if (mode != CS_MODE_FILE && mode != CS_MODE_EXEC)
		return cs_err_set(err, CS_REFUSED, "%s is not a file", path);
	return cs_repo_read(out, repo, &oid, CS_OBJ_BLOB, MAX_FILE, err);
}

/* ---- policy ---- */

static int add_managed(struct cs_policy *policy, const struct place *p, struct cs_err *err)
{
	AUTO_FREE char *own = cs_asprintf("%s/countersign/policy", cs_repo_common_dir(p->repo));

	return cs_policy_load_managed(policy, p->server ? own : NULL, err);
}

static int add_tree(struct cs_policy *policy, const struct place *p, const struct cs_oid *tree,
		    struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	bool found = false;
	int rc = read_tree(&text, &found, p->repo, tree, "policy", err);

	if (rc == 0 && found)
		rc = cs_policy_add(policy, CS_LAYER_TRUSTED, TREE_DIR "/policy", text.data,
				   text.len, err);
	return rc;
}

static int add_user(struct cs_policy *policy, struct cs_err *err)
{
	return cs_policy_load_operator(policy, getenv("HOME"), getenv("XDG_CONFIG_HOME"), NULL,
				       err);
}

static int load_stage(struct cs_policy **out, enum stage stage, const struct rules *r,
		      const struct place *p, struct cs_err *err)
{
	AUTO_POLICY struct cs_policy *policy = NULL;
	int rc;

	cs_policy_new(&policy);
	rc = add_managed(policy, p, err);
	if (rc == 0)
		rc = add_tree(policy, p, &r->trusted, err);
	if (rc == 0 && stage >= STAGE_OWN)
		rc = add_tree(policy, p, &r->own, err);
	if (rc == 0 && stage >= STAGE_USER)
		rc = add_user(policy, err);
	if (rc == 0)
		rc = cs_policy_seal(policy, err);
	if (rc == 0)
		*out = cs_steal(&policy);
	return rc;
}

/* Whether the branch's own tree has a policy, and another one. */
static int adds_policy(bool *adds, const struct rules *r, const struct place *p, struct cs_err *err)
{
	AUTO_BUF struct cs_buf trusted = CS_BUF_INIT;
	AUTO_BUF struct cs_buf own = CS_BUF_INIT;
	bool found, found_own = false;
	int rc = read_tree(&trusted, &found, p->repo, &r->trusted, "policy", err);

	if (rc == 0)
		rc = read_tree(&own, &found_own, p->repo, &r->own, "policy", err);
	*adds = found_own && (trusted.len != own.len || memcmp(trusted.data, own.data, own.len));
	return rc;
}

static bool says_anything(const struct cs_policy *policy)
{
	return cs_policy_says(policy, CS_LAYER_OPERATOR, "gate") ||
	       cs_policy_says(policy, CS_LAYER_OPERATOR, "review");
}

static int load_policy(struct rules *r, const struct place *p, struct cs_err *err)
{
	AUTO_POLICY struct cs_policy *users = NULL;
	bool adds;
	int rc = load_stage(&r->policy[STAGE_TRUSTED], STAGE_TRUSTED, r, p, err);

	if (rc == 0)
		rc = adds_policy(&adds, r, p, err);
	if (rc == 0 && adds)
		rc = load_stage(&r->policy[STAGE_OWN], STAGE_OWN, r, p, err);
	if (rc == 0 && !p->server)
		rc = load_stage(&users, STAGE_USER, r, p, err);
	if (rc == 0 && users && says_anything(users))
		r->policy[STAGE_USER] = cs_steal(&users);
	return rc;
}

int load_user_policy(struct cs_policy **out, const struct place *p, struct cs_err *err)
{
	AUTO_POLICY struct cs_policy *policy = NULL;
	int rc;

	cs_policy_new(&policy);
	rc = add_managed(policy, p, err);
	if (rc == 0)
		rc = add_user(policy, err);
	if (rc == 0)
		rc = cs_policy_seal(policy, err);
	if (rc == 0)
		*out = cs_steal(&policy);
	return rc;
}

/* ---- principals ---- */

/* A path of the user's configuration; NULL: none. git is asked for the rare forms ("~user/"). */
static int configured_file(char **out, const struct place *p, const char *key, struct cs_err *err)
{
	const char *home = getenv("HOME");
	AUTO_BUF struct cs_buf path = CS_BUF_INIT;
	AUTO_FREE char *value = NULL;
	int status = 0;
	int rc = cs_repo_config(&value, p->repo, key, err);

	if (rc < 0 || !value)
		return rc;
	if (value[0] == '/') {
		*out = cs_steal(&value);
		return 0;
	}
	if (home && !strncmp(value, "~/", 2)) {
		*out = cs_asprintf("%s%s", home, value + 1);
		return 0;
	}
	rc = cs_user_git(&path, &status, p->repo,
			 (const char *[]){ "config", "--type=path", "--get", key, NULL }, err);
	if (rc == 0 && status == 0 && path.len)
		*out = cs_strndup(path.data, strcspn(path.data, "\n"));
	return rc;
}

/* A server's directory, /etc, the OLD tree, git's own setting: the first that exists. */
static int first_file(struct cs_buf *out, char **name, const struct rules *r, const struct place *p,
		      const char *file, const char *git_key, struct cs_err *err)
{
	AUTO_FREE char *own = cs_asprintf("%s/countersign/%s", cs_repo_common_dir(p->repo), file);
	AUTO_FREE char *etc = cs_asprintf(CS_POLICY_ETC "/%s", file);
	AUTO_FREE char *set = NULL;
	bool found = false;
	int rc = p->server ? read_path(out, &found, own, err) : 0;

	if (found)
		*name = cs_steal(&own);
	if (rc == 0 && !found) {
		rc = read_path(out, &found, etc, err);
		if (found)
			*name = cs_steal(&etc);
	}
	if (rc == 0 && !found) {
		rc = read_tree(out, &found, p->repo, &r->trusted, file, err);
		if (found)
			*name = cs_asprintf(TREE_DIR "/%s", file);
	}
	if (rc < 0 || found || p->server)
		return rc;
	rc = configured_file(&set, p, git_key, err);
	if (rc < 0 || !set)
		return rc;
	rc = cs_read_file(out, AT_FDCWD, set, MAX_FILE, err);
	if (rc == 0)
		*name = cs_steal(&set);
	return rc;
}

static int load_keys(struct rules *r, const struct place *p, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *signers = NULL;
	AUTO_FREE char *revoked = NULL;
	int rc = first_file(&text, &signers, r, p, "allowed_signers", "gpg.ssh.allowedSignersFile",
			    err);

	if (rc == 0 && signers)
		rc = cs_signers_parse(&r->signers, signers, text.data, text.len, err);
	cs_buf_truncate(&text, 0);
	if (rc == 0)
		rc = first_file(&text, &revoked, r, p, "revoked_keys", "gpg.ssh.revocationFile",
				err);
	if (rc == 0 && revoked)
		rc = cs_revoked_keys_parse(&r->revoked, revoked, text.data, text.len, err);
	return rc;
}

/* ---- one update ---- */

static int tree_of(struct cs_oid *tree, const struct place *p, const struct cs_oid *oid,
		   struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	struct cs_oid commit;
	char hex[CS_OID_HEX];
	int rc = cs_repo_resolve(&commit, tree, p->repo, cs_oid_hex(hex, oid), &why);

	if (rc == CS_NOTFOUND && !p->server)
		return cs_err_set(err, CS_REFUSED,
				  "what the remote has is not known here: git fetch first");
	/* Something that must be here: never "there are no rules". */
	if (rc == CS_NOTFOUND)
		rc = CS_CORRUPT;
	return rc < 0 ? cs_err_set(err, rc, "%s", why.msg) : 0;
}

/* What the default branch has before this update; len 0: there is no such branch. */
static int default_tip(struct cs_oid *out, const struct place *p, const struct update *u,
		       struct cs_err *err)
{
	AUTO_FREE char *name = NULL;
	struct cs_err why = CS_ERR_INIT;
	int rc;

	*out = (struct cs_oid){ 0 };
	if (p->default_ref && u->old_oid.len && !strcmp(p->default_ref, u->ref)) {
		*out = u->old_oid;
		return 0;
	}
	if (p->default_ref)
		name = p->server ? cs_strdup(p->default_ref)
				 : cs_remote_tracking(&p->remote, p->default_ref);
	if (!name)
		return 0;
	rc = cs_repo_read_ref(out, p->repo, name, &why);
	return rc == 0 || rc == CS_NOTFOUND ? 0 : cs_err_set(err, rc, "%s", why.msg);
}

/*
 * The default branch is believed, since what others were when they began may be older than its
 * rules and its list of keys; another branch's own OLD tree may only add to the rules. Without a
 * default branch that tree is all there is.
 */
static int find_trusted(struct rules *r, const struct place *p, const struct update *u,
			struct cs_err *err)
{
	const bool branch = !strncmp(u->ref, HEADS, sizeof(HEADS) - 1);
	struct cs_oid tip;
	int rc = default_tip(&tip, p, u, err);

	if (rc == 0 && tip.len)
		rc = tree_of(&r->trusted, p, &tip, err);
	if (rc < 0 || !branch || !u->old_oid.len || cs_oid_equal(&tip, &u->old_oid))
		return rc;
	/* A client may delete what it does not have. */
	if (!p->server && !u->new_oid.len && tip.len)
		return 0;
	return tree_of(tip.len ? &r->own : &r->trusted, p, &u->old_oid, err);
}

/* The reference that a section names; NULL: a pattern, or nothing that is known here. */
static char *section_ref(const char *name, const struct place *p)
{
	if (strpbrk(name, "*?[\\"))
		return NULL;
	if (!strcmp(name, "@default"))
		return p->default_ref ? cs_strdup(p->default_ref) : NULL;
	return strncmp(name, "refs/", 5) != 0 ? cs_asprintf(HEADS "%s", name) : cs_strdup(name);
}

/*
 * What is on a reference that is as strict was judged when it got there. Where less is wanted it
 * proves nothing about another reference, and is judged again.
 */
static int find_landed(size_t *n, struct cs_oid *out, size_t max, const struct cs_gate_opts *opts,
		       const struct place *p, const struct update *u, struct cs_err *err)
{
	AUTO_STRV struct cs_strv names = CS_STRV_INIT;
	int rc = 0;

	*n = 0;
	cs_policy_subsections(&names, opts->policy, "gate");
	for (size_t i = 0; rc == 0 && i < names.n && *n < max; i++) {
		AUTO_FREE char *ref = section_ref(names.v[i], p);
		AUTO_FREE char *at = NULL;
		bool counts = false;

		if (!ref)
			continue;
		rc = cs_gate_as_strict(&counts, opts, ref, u->ref, err);
		if (rc == 0 && counts)
			at = p->server ? cs_strdup(ref) : cs_remote_tracking(&p->remote, ref);
		/* One that cannot be read is not excluded: more is judged. */
		if (at && cs_repo_read_ref(&out[*n], p->repo, at, NULL) == 0)
			++*n;
	}
	return rc;
}

_Static_assert(sizeof(struct cs_made) == sizeof(struct cs_gate_known), "one layout");

static int known(void *arg, struct cs_gate_known *list, size_t n, struct cs_err *err)
{
	return cs_made_find(arg, (struct cs_made *)list, n, err);
}

static void say(struct place *p, const struct cs_gate_report *report)
{
	p->denied |= report->verdict == CS_GATE_DENY;
	if (p->reports) {
		cJSON_AddItemToArray(p->reports, cs_gate_report_json(report));
		return;
	}
	if (report->verdict == CS_GATE_PASS && !report->n_reasons)
		return;
	cs_gate_explain(&p->said, report, MAX_LINES);
}

/* Where nobody is known no sign-off counts: somebody has not finished setting it up. */
static void tell_setup(const struct rules *r, struct place *p)
{
	if (r->signers || !p->denied)
		return;
	cs_buf_addf(&p->said,
		    PROGRAM ": nobody is known who may sign off: there is no allowed_signers in "
			    "%s, " CS_POLICY_ETC " or " TREE_DIR "/ of the branch\n",
		    p->server ? "the server's countersign/" : "gpg.ssh.allowedSignersFile");
}

/* For a clone's own branches what the remote has was judged there. */
static size_t add_arrived(struct cs_oid *out, size_t n, size_t max, const struct place *p,
			  const struct update *u)
{
	AUTO_FREE char *tracking = p->local ? cs_remote_tracking(&p->remote, u->ref) : NULL;

	if (tracking && strcmp(tracking, u->ref) != 0 && n < max &&
	    cs_repo_read_ref(&out[n], p->repo, tracking, NULL) == 0)
		n++;
	for (size_t i = 0; i < p->n_arrived && n < max; i++)
		out[n++] = p->arrived[i];
	return n;
}

static int judge_by(struct cs_gate_report *report, const struct cs_policy *policy,
		    const struct rules *r, const struct place *p, const struct update *u,
		    struct cs_err *err)
{
	const struct cs_gate_hints hints = { known, p->repo };
	const struct cs_gate_update update = { u->ref, u->old_oid, u->new_oid };
	struct cs_oid landed[2 * 64];
	struct cs_gate_opts opts = {
		.repo = p->repo,
		.policy = policy,
		.default_ref = p->default_ref,
		.repositories = &p->repositories,
		.landed = landed,
		.reviews = r->reviews,
		.provenance = &p->provenance,
		.n_provenance = p->provenance.len ? 1 : 0,
		.hints = p->server ? NULL : &hints,
		.server = p->server,
		.local = p->local,
		.now_ns = r->now_ns,
	};
	size_t n;
	int rc = find_landed(&n, landed, 64, &opts, p, u, err);

	if (rc < 0)
		return rc;
	opts.n_landed = add_arrived(landed, n, CS_COUNT(landed), p, u);
	return cs_gate_judge(report, &opts, &update, err);
}

/* The strictest of all verdicts; of equal ones the first. */
static int judge_all(struct cs_gate_report *out, const struct rules *r, const struct place *p,
		     const struct update *u, struct cs_err *err)
{
	int rc = judge_by(out, r->policy[STAGE_TRUSTED], r, p, u, err);

	for (size_t i = STAGE_OWN; rc == 0 && i < N_STAGES; i++) {
		struct cs_gate_report other = CS_GATE_REPORT_INIT;

		if (!r->policy[i] || out->verdict == CS_GATE_DENY)
			continue;
		rc = judge_by(&other, r->policy[i], r, p, u, err);
		if (rc < 0 || other.verdict < out->verdict) {
			cs_gate_report_release(out);
			*out = other;
		} else {
			cs_gate_report_release(&other);
		}
	}
	return rc;
}

int judge(struct place *p, const struct update *u, struct cs_err *err)
{
	struct cs_gate_report report = CS_GATE_REPORT_INIT;
	struct rules r = { .now_ns = cs_wall_ns() };
	int rc = find_trusted(&r, p, u, err);

	if (rc == 0)
		rc = load_policy(&r, p, err);
	if (rc == 0)
		rc = load_keys(&r, p, err);
	if (rc == 0) {
		const struct cs_reviews_opts opts = { p->repo,	 p->notes,  CS_COUNT(p->notes),
						      r.signers, r.revoked, r.now_ns };

		rc = cs_reviews_open(&r.reviews, &opts, err);
	}
	if (rc == 0) {
		rc = judge_all(&report, &r, p, u, err);
		if (report.ref)
			say(p, &report);
		tell_setup(&r, p);
	}
	if (rc < 0)
		p->denied = true;
	cs_gate_report_release(&report);
	release(&r);
	return rc < 0 ? cs_err_wrap(err, "%s", u->ref) : 0;
}
