/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key there is and how it is merged, and the defaults. The table is the schema: a key that
 * is not in it is an error. countersign-policy(5) describes it.
 */
#include "model.h"

#include <ctype.h>
#include <strings.h>

/* The built-in layer, in the users' own syntax. */
const char cs_policy_defaults[] =
	"[sandbox]\n"
	"	require = user,mount,pid,net,seccomp\n"
	"	timeout = 2h\n"
	"	processes = 4096\n"
	"	memory = 75%\n"
	"	disk = 20g\n"
	"	diskFree = 1g\n"
	"	fileSize = none\n"
	"	output = 1g\n"
	"	env = LANG LC_* TERM COLORTERM TZ\n"
	"	debuggers = allow\n"
	"	hide =\n"
	"[network]\n"
	"	default = ask\n"
	"	allow = @profile\n"
	"	private = none\n"
	"[request]\n"
	"	timeout = 90s\n"
	"[worktree]\n"
	"	mode = auto\n"
	"	history = all\n"
	"	submodules = true\n"
	"[record]\n"
	"	share = statements\n"
	"	keep = 30d\n"
	"[review]\n"
	"	sensitive = .github/** .gitlab-ci.yml .husky/** .vscode/** .envrc .gitattributes\n"
	"	sensitive = .gitmodules .countersign/** Makefile *.lock *-lock.*\n"
	"[command \"git push\"]\n"
	"	decision = forbid\n"
	"	reason = the gate pushes, the agent does not\n"
	"[gate \"@default\"]\n"
	"	require = agent\n"
	"	signoffs = 1\n"
	"	signer = *\n"
	"	selfReview = true\n"
	"	presence = none\n"
	"	binding = transitions\n";

/* ---- words of lists -------------------------------------------------------------------------- */

static int check_layer(const char *word, struct cs_err *err)
{
	static const char *const layers[] = { "user", "mount",	"pid",	   "net",     "ipc",
					      "uts",  "cgroup", "seccomp", "landlock" };

	for (size_t i = 0; i < CS_COUNT(layers); i++) {
		if (!strcmp(word, layers[i]))
			return 0;
	}
	return cs_err_set(err, CS_CORRUPT,
			  "no such layer; there are user, mount, pid, net, ipc, uts, cgroup, "
			  "seccomp and landlock");
}

static int check_env(const char *word, struct cs_err *err)
{
	const char *p = word;

	while (isalpha((unsigned char)*p) || *p == '_' || (p > word && isdigit((unsigned char)*p)))
		p++;
	if (p > word && *p == '*')
		p++;
	if (p == word || *p)
		return cs_err_set(err, CS_CORRUPT,
				  "not the name of an environment variable (NAME or PREFIX*)");
	return 0;
}

/* A glob for paths below the root of the repository, as git writes them: another would match none. */
static int check_glob(const char *word, struct cs_err *err)
{
	for (const char *p = word;; p++) {
		const size_t len = strcspn(p, "/");

		if (len == 2 && !strncmp(p, "..", 2))
			return cs_err_set(err, CS_CORRUPT, "leaves the repository");
		if (!len || (len == 1 && *p == '.'))
			return cs_err_set(
				err, CS_CORRUPT,
				"no path matches: leave out a / at start or end, // and ./");
		p += len;
		if (!*p)
			return 0;
	}
}

/* ---- the table ------------------------------------------------------------------------------- */

/* From tight to loose, where there is an order. */
static const char *const words_debuggers[] = { "deny", "allow", NULL };
static const char *const words_default[] = { "deny", "ask", NULL };
static const char *const words_mode[] = { "auto", "overlay", "checkout", NULL };
static const char *const words_history[] = { "base", "all", NULL };
static const char *const words_share[] = { "none", "statements", "all", NULL };
static const char *const words_decision[] = { "forbid", "ask", "allow", NULL };
static const char *const words_require[] = { "all", "agent", "warn", "none", NULL };
static const char *const words_presence[] = { "pin", "touch", "none", NULL };
static const char *const words_binding[] = { "exact", "transitions", NULL };

static const struct cs_policy_key keys[] = {
	{ "sandbox", "require", CS_KIND_LIST, CS_MERGE_DEMANDS, .check = check_layer,
	  .floor = true },
	{ "sandbox", "timeout", CS_KIND_DURATION, CS_MERGE_CAP },
	{ "sandbox", "processes", CS_KIND_NUMBER, CS_MERGE_CAP },
	{ "sandbox", "memory", CS_KIND_MEMORY, CS_MERGE_CAP },
	{ "sandbox", "disk", CS_KIND_SIZE, CS_MERGE_CAP },
	{ "sandbox", "diskFree", CS_KIND_SIZE, CS_MERGE_FLOOR },
	{ "sandbox", "fileSize", CS_KIND_SIZE, CS_MERGE_CAP },
	{ "sandbox", "output", CS_KIND_SIZE, CS_MERGE_CAP },
	{ "sandbox", "env", CS_KIND_LIST, CS_MERGE_GRANTS, .check = check_env },
	{ "sandbox", "debuggers", CS_KIND_WORD, CS_MERGE_ORDER, .words = words_debuggers },
	{ "sandbox", "hide", CS_KIND_LIST, CS_MERGE_DEMANDS, .check = check_glob },
	{ "network", "default", CS_KIND_WORD, CS_MERGE_ORDER, .words = words_default },
	{ "network", "allow", CS_KIND_LIST, CS_MERGE_GRANTS, .check = cs_policy_net_check },
	{ "network", "private", CS_KIND_LIST, CS_MERGE_GRANTS, .check = cs_policy_private_check },
	{ "request", "timeout", CS_KIND_DURATION, CS_MERGE_CAP },
	{ "worktree", "mode", CS_KIND_WORD, CS_MERGE_CHOICE, .words = words_mode },
	{ "worktree", "history", CS_KIND_WORD, CS_MERGE_ORDER, .words = words_history },
	{ "worktree", "submodules", CS_KIND_BOOL, CS_MERGE_ORDER },
	{ "record", "share", CS_KIND_WORD, CS_MERGE_ORDER, .words = words_share },
	{ "record", "keep", CS_KIND_DURATION, CS_MERGE_CHOICE },
	{ "review", "sensitive", CS_KIND_LIST, CS_MERGE_DEMANDS, .check = check_glob },
	{ "command", "decision", CS_KIND_WORD, CS_MERGE_ORDER, "allow", words_decision },
	{ "command", "reason", CS_KIND_TEXT, CS_MERGE_NOTE, "" },
	{ "gate", "require", CS_KIND_WORD, CS_MERGE_ORDER, "warn", words_require },
	{ "gate", "signoffs", CS_KIND_NUMBER, CS_MERGE_FLOOR, "1" },
	{ "gate", "signer", CS_KIND_LIST, CS_MERGE_CHOICE, "*" },
	{ "gate", "selfReview", CS_KIND_BOOL, CS_MERGE_ORDER, "true" },
	{ "gate", "presence", CS_KIND_WORD, CS_MERGE_ORDER, "none", words_presence },
	{ "gate", "binding", CS_KIND_WORD, CS_MERGE_ORDER, "transitions", words_binding },
};

const struct cs_policy_key *cs_policy_key_at(size_t i)
{
	return i < CS_COUNT(keys) ? &keys[i] : NULL;
}

const struct cs_policy_key *cs_policy_key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < CS_COUNT(keys); i++) {
		if (!strcmp(keys[i].section, section) && !strcasecmp(keys[i].name, name))
			return &keys[i];
	}
	return NULL;
}

bool cs_policy_section_has_subsection(const char *section)
{
	return !strcmp(section, "command") || !strcmp(section, "gate");
}
