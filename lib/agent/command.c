/* SPDX-License-Identifier: Apache-2.0 */
/* The command line that runs: the operator's words, the profile's arguments, the prompt. */
#include "countersign/agent.h"

#include "model.h"

#define PLACE "{prompt}"

static void add_all(struct cs_strv *out, const struct cs_strv *words)
{
	for (size_t i = 0; i < words->n; i++)
		cs_strv_add(out, words->v[i]);
}

/* One headless argument with the prompt in its place. */
static void add_headless(struct cs_strv *out, const char *word, const char *prompt)
{
	const char *place = strstr(word, PLACE);

	if (!place) {
		cs_strv_add(out, word);
		return;
	}
	/* A blank in front, or the agent takes it for an option. */
	cs_strv_addf(out, "%.*s%s%s%s", (int)(place - word), word,
		     place == word && *prompt == '-' ? " " : "", prompt, place + strlen(PLACE));
}

static bool prompt_is_last(const struct cs_profile *profile)
{
	return profile->headless.n &&
	       strstr(profile->headless.v[profile->headless.n - 1], PLACE) != NULL;
}

static int headless_command(struct cs_strv *out, const struct cs_profile *profile,
			    const char *prompt, struct cs_err *err)
{
	if (!prompt)
		return cs_err_set(err, CS_USAGE, "neither a command nor a prompt");
	if (!profile->headless.n || !profile->program)
		return cs_err_set(err, CS_USAGE,
				  "profile %s does not say how a prompt is run; give a command",
				  profile->name);
	cs_strv_add(out, profile->program);
	add_all(out, &profile->args);
	for (size_t i = 0; i < profile->headless.n; i++)
		add_headless(out, profile->headless.v[i], prompt);
	return 0;
}

int cs_profile_command(struct cs_strv *out, const struct cs_profile *profile,
		       const char *const *argv, const char *prompt, struct cs_err *err)
{
	size_t at;

	if (!argv || !argv[0])
		return headless_command(out, profile, prompt, err);
	if (prompt && !prompt_is_last(profile))
		return cs_err_set(err, CS_USAGE,
				  "profile %s does not take a prompt behind a command; "
				  "write it into the command",
				  profile->name);
	at = cs_agent_program_index(argv);
	for (size_t i = 0; argv[i]; i++) {
		cs_strv_add(out, argv[i]);
		if (i == at)
			add_all(out, &profile->args);
	}
	if (prompt)
		add_headless(out, profile->headless.v[profile->headless.n - 1], prompt);
	return 0;
}
