/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy: the rules for sandbox, commands, network, record, review and gate, merged from layers.
 * Pure: it is given bytes and reads no file itself (cs_policy_load_operator is the one helper
 * that does). Syntax: countersign/base/config.h.
 *
 * Life: cs_policy_new (built-in defaults), cs_policy_add and cs_policy_set for each layer in any
 * order, cs_policy_seal once, then the getters, cs_policy_free.
 *
 * Layers and their power: what is managed cannot be loosened by any other layer; the operator's
 * file, --policy and flags tighten and loosen everything else; the repository's layer only
 * tightens. Merging per key: demands (require, hide, sensitive) unite, allow lists unite where the
 * layer may loosen and an empty value empties them, caps and ordered words take the tighter of
 * both against a managed value or from a layer that may only tighten, else the later layer
 * replaces. In one layer the later document counts. What had no effect is shown by
 * cs_policy_format with origins; a flag that a managed value overrules is CS_REFUSED by seal.
 *
 * Limits: 2,000 values in all, 4,096 words in a list, 1,024 network rules (CS_LIMIT).
 */
#ifndef COUNTERSIGN_POLICY_H
#define COUNTERSIGN_POLICY_H

#include <stdbool.h>
#include <stdint.h>
#include "countersign/base.h"

struct cs_policy;

/* In rising order of precedence among those that may loosen. */
enum cs_policy_layer {
	CS_LAYER_BUILTIN = 0,
	CS_LAYER_REPOSITORY, /* only tightens */
	CS_LAYER_TRUSTED,    /* the repository's, where the operator trusts this very blob */
	CS_LAYER_OPERATOR,   /* ~/.config/countersign/policy */
	CS_LAYER_FILE,	     /* --policy */
	CS_LAYER_OPTION,     /* command-line flags */
	CS_LAYER_MANAGED,    /* /etc/countersign: locks */
};

/* Zero means no. */
enum cs_decision {
	CS_FORBID = 0,
	CS_ASK,
	CS_ALLOW,
};

void cs_policy_new(struct cs_policy **out);
void cs_policy_free(struct cs_policy *policy);
CS_AUTO_TYPE(cs_policy_autofree, struct cs_policy, cs_policy_free)
#define AUTO_POLICY CS_AUTO(cs_policy_autofree)

/*
 * Adds a document. `file` names it in errors and origins (copied). CS_CORRUPT: "file:line: why".
 * After any failure the policy is never sealed.
 */
int cs_policy_add(struct cs_policy *policy, enum cs_policy_layer layer, const char *file,
		  const char *data, size_t len, struct cs_err *err) CS_CHECKED;
/*
 * Sets one key ("network.allow", "gate.<ref>.require") as if a document of that layer did; origin
 * is the option ("--allow-host"). CS_USAGE: the key or the value is off.
 */
int cs_policy_set(struct cs_policy *policy, enum cs_policy_layer layer, const char *origin,
		  const char *key, const char *value, struct cs_err *err) CS_CHECKED;
/*
 * Adds $XDG_CONFIG_HOME/countersign/policy (else ~/.config/...) where it exists, and `file` (from
 * --policy, may be NULL; missing is an error there).
 */
int cs_policy_load_operator(struct cs_policy *policy, const char *home, const char *xdg_config,
			    const char *file, struct cs_err *err) CS_CHECKED;
/*
 * Adds what the machine's owner wrote, each where it exists: `own` (a server repository's file; may
 * be NULL), /etc/countersign/policy, and the files of policy.d beside it by name.
 */
#define CS_POLICY_ETC "/etc/countersign"
int cs_policy_load_managed(struct cs_policy *policy, const char *own,
			   struct cs_err *err) CS_CHECKED;
/*
 * Merges; computes the digest. Before it (and after a failure) getters deny: 0, false, NULL, or an
 * empty list. CS_REFUSED: an addition failed, or a managed value overrules a flag.
 */
int cs_policy_seal(struct cs_policy *policy, struct cs_err *err) CS_CHECKED;

/*
 * Keys are "section.key" or "section.subsection.key", as in countersign-policy(5); case does not
 * matter. A getter for another kind of value than the key's denies.
 */
int64_t cs_policy_int(const struct cs_policy *policy, const char *key); /* numbers, ms, bytes */
bool cs_policy_bool(const struct cs_policy *policy, const char *key);	/* true and false only */
const char *cs_policy_str(const struct cs_policy *policy, const char *key); /* words, text */
/* Values of a list key, split at white space and commas; borrowed until free. Never NULL. */
const struct cs_strv *cs_policy_list(const struct cs_policy *policy, const char *key);
/* "file:line" (or the option) that the effective value of a key came from, or "built-in". */
const char *cs_policy_origin(const struct cs_policy *policy, const char *key);
/*
 * Adds the names of a section's subsections ("gate": "@default", "main"), each once, in byte
 * order; nothing before the policy is sealed.
 */
void cs_policy_subsections(struct cs_strv *out, const struct cs_policy *policy,
			   const char *section);
/* Whether a document of this layer, or a flag, says anything about a section. */
bool cs_policy_says(const struct cs_policy *policy, enum cs_policy_layer layer,
		    const char *section);
/* `[sandbox] memory = 75% 8g`: the lower of a share of total_bytes and of bytes. 0: no limit. */
int64_t cs_policy_memory(const struct cs_policy *policy, int64_t total_bytes);

/*
 * One network rule of the effective policy, in order, each once: groups such as @npm are expanded,
 * @profile is left out (the caller adds the profile's hosts where cs_policy_net_profile says so).
 */
struct cs_net_rule {
	const char *host; /* lower case, without brackets or trailing dot; "*.example.org" */
	uint16_t port;	  /* 0: the web ports 80 and 443 */
	bool literal;	  /* an IP address */
	bool any_port;	  /* written host:* */
	const char *origin;
};
/*
 * Parses one host[:port] term: DNS name (LDH and '_', punycode), IPv4, [IPv6], *.name.part; the
 * host goes into `host`, which out->host borrows. CS_CORRUPT: what is wrong with it.
 */
int cs_net_rule_parse(struct cs_net_rule *out, char host[256], const char *term,
		      struct cs_err *err) CS_CHECKED;
size_t cs_policy_net_rules(const struct cs_policy *policy, const struct cs_net_rule **rules);
/* True where the effective network.allow contains the word @profile. */
bool cs_policy_net_profile(const struct cs_policy *policy);

/* One `[command "git push"]` section. */
struct cs_command_rule {
	const char *words; /* "git push", single blanks */
	enum cs_decision decision;
	const char *reason; /* or NULL */
	const char *origin;
};
size_t cs_policy_commands(const struct cs_policy *policy, const struct cs_command_rule **rules);

/*
 * The effective policy as a document of the same syntax, keys in the order of the man page; on
 * request with "# origin" behind each line, and a comment for each value that is not in force.
 */
void cs_policy_format(struct cs_buf *out, const struct cs_policy *policy, bool with_origin);
/* SHA-256 of cs_policy_format without origins, as 64 hex digits. */
const char *cs_policy_digest(const struct cs_policy *policy);
/* "built-in", the files and the options that said anything, in order of precedence. */
const struct cs_strv *cs_policy_sources(const struct cs_policy *policy);

#endif
