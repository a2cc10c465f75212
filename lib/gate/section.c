/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which [gate "<name>"] section applies to a reference. Names, from the strongest: the full name,
 * the short name of a branch, "@default" where the reference is the default one, a pattern (the
 * longest part before its first special character). A star matches slashes too: a pattern that
 * protects more than was meant is found out sooner than one that protects less.
 */
#include "internal.h"

#include <string.h>
#include <strings.h>

#define HEADS "refs/heads/"

static const char *short_name(const char *ref)
{
	return strncmp(ref, HEADS, sizeof(HEADS) - 1) != 0 ? NULL : ref + sizeof(HEADS) - 1;
}

static bool same(const char *a, const char *b, bool ignore_case)
{
	return ignore_case ? !strcasecmp(a, b) : !strcmp(a, b);
}

static bool matches(const char *pattern, const char *text, bool ignore_case)
{
	AUTO_FREE char *low_pattern = cs_strdup(pattern);
	AUTO_FREE char *low_text = cs_strdup(text);

	if (cs_wildmatch(pattern, text, false))
		return true;
	for (char *p = low_pattern; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	for (char *p = low_text; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	return ignore_case && cs_wildmatch(low_pattern, low_text, false);
}

/* 0: does not apply; more is stronger. */
static size_t strength(const char *name, const char *ref, const char *default_ref, bool ignore_case)
{
	const size_t exact = SIZE_MAX;
	const char *branch = short_name(ref);
	const size_t literal = strcspn(name, "*?[\\");

	if (same(name, ref, ignore_case))
		return exact;
	if (branch && same(name, branch, ignore_case))
		return exact - 1;
	if (!strcmp(name, "@default"))
		return default_ref && same(default_ref, ref, ignore_case) ? exact - 2 : 0;
	if (!name[literal])
		return 0;
	if (matches(name, strncmp(name, "refs/", 5) != 0 && branch ? branch : ref, ignore_case) &&
	    (branch || !strncmp(name, "refs/", 5)))
		return 1 + literal;
	return 0;
}

static const struct {
	const char *word;
	int value;
} require_words[] = { { "all", GATE_REQUIRE_ALL },
		      { "agent", GATE_REQUIRE_AGENT },
		      { "warn", GATE_REQUIRE_WARN },
		      { "none", GATE_REQUIRE_NONE } },
  presence_words[] = { { "pin", GATE_PRESENCE_PIN },
		       { "touch", GATE_PRESENCE_TOUCH },
		       { "none", GATE_PRESENCE_NONE } };

static char *key_of(const char *section, const char *key)
{
	return cs_asprintf("gate.%s.%s", section, key);
}

static const char *word_of(const struct cs_policy *policy, const char *section, const char *key)
{
	AUTO_FREE char *name = key_of(section, key);
	const char *word = cs_policy_str(policy, name);

	return word ? word : "";
}

static void read_words(struct gate_settings *out, const struct cs_gate_opts *opts,
		       const char *section)
{
	AUTO_FREE char *require = key_of(section, "require");
	const char *origin = cs_policy_origin(opts->policy, require);
	const char *word = word_of(opts->policy, section, "require");

	/* What nobody wrote down is strict on a server. */
	if (opts->server && !strcmp(origin, "built-in"))
		word = "all";
	for (size_t i = 0; i < CS_COUNT(require_words); i++)
		if (!strcmp(require_words[i].word, word))
			out->require = (enum gate_require)require_words[i].value;
	word = word_of(opts->policy, section, "presence");
	for (size_t i = 0; i < CS_COUNT(presence_words); i++)
		if (!strcmp(presence_words[i].word, word))
			out->presence = (enum gate_presence)presence_words[i].value;
	out->transitions = !strcmp(word_of(opts->policy, section, "binding"), "transitions");
	out->origin = cs_strdup(origin);
}

static void read_settings(struct gate_settings *out, const struct cs_gate_opts *opts,
			  const char *section)
{
	AUTO_FREE char *signoffs = key_of(section, "signoffs");
	AUTO_FREE char *signer = key_of(section, "signer");
	AUTO_FREE char *self_review = key_of(section, "selfReview");

	*out = (struct gate_settings){ .section = cs_strdup(section) };
	read_words(out, opts, section);
	out->signoffs = cs_policy_int(opts->policy, signoffs);
	if (out->signoffs < 1)
		out->signoffs = 1;
	out->self_review = cs_policy_bool(opts->policy, self_review);
	out->signer = cs_policy_list(opts->policy, signer);
	out->sensitive = cs_policy_list(opts->policy, "review.sensitive");
}

int gate_settings_find(struct gate_settings *out, const struct cs_gate_opts *opts, const char *ref,
		       bool ignore_case, struct cs_err *err)
{
	AUTO_STRV struct cs_strv names = CS_STRV_INIT;
	const char *best = NULL;
	size_t best_strength = 0;

	*out = (struct gate_settings){ 0 };
	if (!opts->policy || !cs_policy_digest(opts->policy))
		return cs_err_set(err, CS_REFUSED, "there is no policy");
	cs_policy_subsections(&names, opts->policy, "gate");
	for (size_t i = 0; i < names.n; i++) {
		const size_t s = strength(names.v[i], ref, opts->default_ref, ignore_case);

		if (s > best_strength) {
			best = names.v[i];
			best_strength = s;
		}
	}
	if (!best)
		return 0;
	/* Keys of the policy are looked up without case: which of the two would be meant? */
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.v[i], best) != 0 && !strcasecmp(names.v[i], best))
			return cs_err_set(
				err, CS_REFUSED,
				"two gate sections differ only in case: \"%s\" and \"%s\"", best,
				names.v[i]);
	read_settings(out, opts, best);
	return 0;
}

void gate_settings_release(struct gate_settings *s)
{
	free(s->section);
	free(s->origin);
	*s = (struct gate_settings){ 0 };
}
