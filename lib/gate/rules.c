/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reason there is, in the order in which they are looked at. The first part is a pure table
 * over what is known of one transition: no row may ask anything else, a zeroed input denies in the
 * row "signature-required", and what no row denies is covered. The order only decides which reason
 * is told: the one that its reader can do something about.
 */
#include "internal.h"

#include <string.h>

static bool too_few(const struct gate_facts *f)
{
	const size_t wanted = f->wanted ? f->wanted : 1;

	return f->principals < wanted;
}

static bool is_objected(const struct gate_facts *f)
{
	return f->objected;
}

static bool was_revoked(const struct gate_facts *f)
{
	return too_few(f) && f->standing[GATE_REVOKED];
}

static bool was_superseded(const struct gate_facts *f)
{
	return too_few(f) && f->superseded;
}

static bool is_own_work(const struct gate_facts *f)
{
	return too_few(f) && f->self;
}

static bool no_operator(const struct gate_facts *f)
{
	return too_few(f) && f->operator_unknown;
}

static bool moved_on(const struct gate_facts *f)
{
	return too_few(f) && f->moved_on;
}

static bool base_unknown(const struct gate_facts *f)
{
	return too_few(f) && f->base_unknown;
}

static bool not_exact(const struct gate_facts *f)
{
	return too_few(f) && f->not_exact;
}

static bool has_expired(const struct gate_facts *f)
{
	return too_few(f) && f->standing[GATE_EXPIRED];
}

static bool no_presence(const struct gate_facts *f)
{
	return too_few(f) && f->standing[GATE_NO_PRESENCE];
}

static bool not_a_signer(const struct gate_facts *f)
{
	return too_few(f) && f->standing[GATE_NOT_A_SIGNER];
}

static bool other_ref(const struct gate_facts *f)
{
	return too_few(f) && f->standing[GATE_OTHER_REF];
}

static bool other_repository(const struct gate_facts *f)
{
	return too_few(f) && f->standing[GATE_OTHER_REPOSITORY];
}

static bool not_enough(const struct gate_facts *f)
{
	return too_few(f) && f->principals;
}

static bool not_merging(const struct gate_facts *f)
{
	return too_few(f) && f->merge;
}

static bool not_acknowledged(const struct gate_facts *f)
{
	return f->sensitive && !f->acknowledged;
}

#define SIGN "git agent-review %s --sign-off"

static const struct {
	const char *name;
	bool (*denies)(const struct gate_facts *f); /* NULL: a rule about the update */
	const char *words;
	const char *help; /* "%s": the commit */
} rules[] = {
	{ "changes-requested", is_objected, "changes were requested, and not settled since",
	  "git agent-review %s" },
	{ "revoked", was_revoked, "its sign-off was revoked", SIGN },
	{ "superseded", was_superseded, "its signer has requested changes since", SIGN },
	{ "self-review", is_own_work, "signed by whoever made it; another person has to", SIGN },
	{ "operator-unknown", no_operator, "who ran the agent is not known here",
	  "git push <remote> 'refs/agent-run/*'" },
	{ "moved-on", moved_on, "the branch has left the state that was signed from, sign anew",
	  SIGN },
	{ "base-unknown", base_unknown, "the sign-off's base is not known here", SIGN },
	{ "not-exact", not_exact, "signed for another base or tree (binding = exact)", SIGN },
	{ "expired", has_expired, "its sign-off has expired", SIGN },
	{ "presence", no_presence, "its sign-off came without the touch or PIN that is wanted",
	  SIGN },
	{ "signer", not_a_signer, "signed by somebody who may not sign here", SIGN },
	{ "other-ref", other_ref, "signed for another branch", SIGN },
	{ "other-repository", other_repository, "signed for another repository", SIGN },
	{ "enough-signoffs", not_enough, "more people have to sign off", SIGN },
	{ "merge-not-mechanical", not_merging, "not what merging gives, and not signed off", SIGN },
	{ "signature-required", too_few, "nobody signed off exactly these bytes", SIGN },
	{ "sensitive-not-acknowledged", not_acknowledged,
	  "a sensitive path that no reviewer acknowledged", SIGN " --sensitive" },
	/* about the update */
	{ "malfunction", NULL, "could not be judged", NULL },
	{ "deleted", NULL, "a protected reference may not be deleted", NULL },
	{ "history-rewritten", NULL, "not a fast-forward of a protected reference",
	  "git pull --rebase" },
	{ "bad-name", NULL, "a branch of this name hides another one", NULL },
	{ "case-variant", NULL, "differs only in case from a protected reference", NULL },
	{ "replace", NULL, "replaced objects would show one thing and be another", NULL },
	{ "namespace", NULL, "references of this kind are not taken here",
	  "in the server's policy: [gate \"refs/<kind>/*\"]" },
	{ "not-a-commit", NULL, "not a commit", NULL },
	{ "notes-lost", NULL, "these notes lose statements that are here already",
	  "git fetch, then merge the notes (cat_sort_uniq)" },
	{ "record-rewritten", NULL, "records of runs are written once", NULL },
	{ "unknown-word", NULL, "the policy has a word that is not known", NULL },
	{ "tag-not-landed", NULL, "a tag of a commit that no protected branch has", NULL },
	{ "other-branch", NULL, "made by agents, not signed off", NULL },
	{ "carried", NULL, "by a sign-off of another commit with the same bytes", NULL },
};

const char *gate_rule(const struct gate_facts *f)
{
	for (size_t i = 0; i < CS_COUNT(rules); i++)
		if (rules[i].denies && rules[i].denies(f))
			return rules[i].name;
	return NULL;
}

static char *help_for(const char *help, const struct cs_oid *commit)
{
	const char *percent = help ? strstr(help, "%s") : NULL;
	char hex[CS_OID_HEX] = "";

	if (!help)
		return NULL;
	if (commit)
		cs_oid_hex(hex, commit);
	if (!percent)
		return cs_strdup(help);
	return cs_asprintf("%.*s%.12s%s", (int)(percent - help), help, hex, percent + 2);
}

void gate_say(struct cs_gate_report *r, const struct gate_say *say)
{
	struct cs_gate_reason *out;
	size_t i = 0;

	while (i < CS_COUNT(rules) && strcmp(rules[i].name, say->rule) != 0)
		i++;
	CS_GROW(r->reasons, r->n_reasons, r->cap_reasons);
	out = &r->reasons[r->n_reasons++];
	*out = (struct cs_gate_reason){ .weight = say->weight, .rule = say->rule };
	if (say->commit)
		out->commit = *say->commit;
	out->path = say->path ? cs_strdup(say->path) : NULL;
	out->detail = cs_strdup(say->detail	      ? say->detail
				: i < CS_COUNT(rules) ? rules[i].words
						      : "");
	if (say->settings && say->settings->origin)
		out->origin = cs_strdup(say->settings->origin);
	out->help = help_for(i < CS_COUNT(rules) ? rules[i].help : NULL, say->commit);
}
