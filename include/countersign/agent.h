/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles: what one agent program needs from the sandbox. Plain text in git-config syntax
 * (countersign-profile(5)); a file ~/.config/countersign/profiles/<name>, else
 * /etc/countersign/profiles/<name>, replaces the built-in profile of that name.
 *
 * The operator owns these files, and the agent configuration in HOME that they name: both are
 * trusted to say which hosts the agent talks to. Nothing here reads the repository.
 */
#ifndef COUNTERSIGN_AGENT_H
#define COUNTERSIGN_AGENT_H

#include <stdbool.h>
#include "countersign/base.h"

struct cs_profile {
	char *name;		  /* "codex", or "generic" */
	char *title;		  /* "OpenAI Codex" : author of the change */
	char *email;		  /* "codex@agent.invalid" */
	char *origin;		  /* the file it came from, or "profile codex" */
	struct cs_strv hosts;	  /* host[:port], static ones and those found by hostFrom */
	struct cs_strv env_pass;  /* names or prefix globs ("LC_*") passed when set outside */
	struct cs_strv env_set;	  /* NAME=value */
	struct cs_strv home_copy; /* paths below HOME copied in before the run: files, or trees */
	struct cs_strv home_back; /* of these, files copied back when the agent refreshed them */
	struct cs_strv home_state; /* paths below HOME that a run which continues gets again */
	struct cs_strv args;	  /* right behind the program: switch the agent's own sandbox off */
	struct cs_strv headless;  /* arguments of a headless call; one of them holds "{prompt}" */
	char *program;		  /* what a headless call starts */
};

/*
 * Finds the profile by name, or by the command where name is NULL: argv[0]'s last component, the
 * resolved path of the program, for interpreters (node, python, bun, sh, env) the script. Falls
 * back to "generic". env and home are the operator's (for hostFrom and the override files).
 * An unknown name is CS_USAGE and lists the known ones.
 */
int cs_profile_find(struct cs_profile *out, const char *name, const char *const *argv,
		    const char *resolved, const char *home, const char *const *env,
		    struct cs_err *err) CS_CHECKED;
void cs_profile_release(struct cs_profile *profile);

/*
 * The command line to run: argv with the profile's arguments put in, or (argv or argv[0] NULL
 * and a prompt) the headless call. With both, the prompt is appended as the last argument only
 * where the profile's headless form has it last; else CS_USAGE.
 */
int cs_profile_command(struct cs_strv *out, const struct cs_profile *profile,
		       const char *const *argv, const char *prompt, struct cs_err *err) CS_CHECKED;

/* Names of all known profiles, sorted. */
void cs_profile_names(struct cs_strv *out, const char *home, const char *const *env);

#endif
