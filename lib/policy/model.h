/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside lib/policy. A document becomes statements (one per key and value as written), sealing
 * merges the statements of each key into a slot, the getters read slots.
 */
#ifndef POLICY_MODEL_H
#define POLICY_MODEL_H

#include "countersign/policy.h"

enum cs_policy_kind {
	CS_KIND_NUMBER = 0,
	CS_KIND_DURATION, /* ms */
	CS_KIND_SIZE,	  /* bytes */
	CS_KIND_MEMORY,	  /* bytes, a percentage, or both */
	CS_KIND_BOOL,
	CS_KIND_WORD, /* one of key->words */
	CS_KIND_TEXT, /* one line */
	CS_KIND_LIST,
};

enum cs_policy_merge {
	CS_MERGE_CAP = 0, /* lower is tighter, and 0 is "none": no limit */
	CS_MERGE_FLOOR,	  /* higher is tighter */
	CS_MERGE_ORDER,	  /* words: the earlier in the table the tighter; false before true */
	CS_MERGE_CHOICE,  /* no order: a layer that may only tighten has no say */
	CS_MERGE_NOTE,	  /* no power at all: whoever comes later */
	CS_MERGE_GRANTS,  /* a list: longer is looser */
	CS_MERGE_DEMANDS, /* a list: longer is tighter */
};

struct cs_policy_key {
	const char *section;
	const char *name; /* as it is written: "selfReview" */
	enum cs_policy_kind kind;
	enum cs_policy_merge merge;
	const char *def; /* for subsections that the defaults do not have; else NULL */
	const char *const *words;
	/* Checks one word of a list; err without position. */
	int (*check)(const char *word, struct cs_err *err);
	bool floor; /* what is built in stays, whatever an operator says */
};

/* A parsed value. Which fields count follows from the key's kind. */
struct cs_policy_value {
	int64_t number; /* also the index of a word, and 0 or 1 */
	int64_t percent;
	char *text;
	struct cs_strv list;
};

struct cs_policy_statement {
	const struct cs_policy_key *key;
	char *subsection; /* or NULL */
	enum cs_policy_layer layer;
	int document;
	const char *file; /* borrowed from the policy */
	int line;	  /* 0: an option */
	char *origin;	  /* "file:line", the option, or "built-in" */
	struct cs_policy_value value;
};

struct cs_policy_slot {
	const struct cs_policy_key *key;
	const char *subsection; /* borrowed from a statement */
	struct cs_policy_value value;
	const struct cs_policy_statement *from; /* NULL: the key's own default */
	/* For lists: where each word came from. */
	struct cs_policy_word_origin {
		const struct cs_policy_statement *from;
	} * words;
	size_t words_cap;
};

/* Said, and without effect: shown with the origins. */
struct cs_policy_ignored {
	const struct cs_policy_statement *statement;
	const struct cs_policy_statement *held_by; /* a managed value, or NULL: may only tighten */
};

struct cs_policy {
	struct cs_policy_statement *statements; /* borrowed by slots once they are sealed */
	size_t n_statements, cap_statements;
	struct cs_strv files;
	int documents;
	bool broken; /* an addition failed: never sealed */
	bool sealed;

	struct cs_policy_slot *slots;
	size_t n_slots, cap_slots;
	struct cs_policy_ignored *ignored;
	size_t n_ignored, cap_ignored;
	struct cs_net_rule *rules;
	char (*hosts)[256]; /* of the rules, in the same order */
	size_t n_rules;
	struct cs_command_rule *commands;
	size_t n_commands;
	struct cs_strv sources;
	char digest[CS_SHA256_HEX];
};

#define CS_POLICY_MAX_STATEMENTS 2000
#define CS_POLICY_MAX_WORDS	 4096 /* of one list */
#define CS_POLICY_MAX_RULES	 1024

/* keys.c */
extern const char cs_policy_defaults[];
const struct cs_policy_key *cs_policy_key_at(size_t i); /* NULL behind the last */
const struct cs_policy_key *cs_policy_key_find(const char *section, const char *name);
bool cs_policy_section_has_subsection(const char *section);

/* value.c */
/* Parses one value (NULL: the key stood alone). Errors without position. */
int cs_policy_value_parse(struct cs_policy_value *out, const struct cs_policy_key *key,
			  const char *text, struct cs_err *err) CS_CHECKED;
void cs_policy_value_format(struct cs_buf *out, const struct cs_policy_key *key,
			    const struct cs_policy_value *value);
void cs_policy_value_copy(struct cs_policy_value *out, const struct cs_policy_value *value);
void cs_policy_value_release(struct cs_policy_value *value);

/* merge.c */
int cs_policy_merge(struct cs_policy *policy, struct cs_err *err) CS_CHECKED;
const struct cs_policy_slot *cs_policy_slot_find(const struct cs_policy *policy, const char *name);

/* net.c */
int cs_policy_net_check(const char *word, struct cs_err *err);
int cs_policy_private_check(const char *word, struct cs_err *err);
int cs_policy_net_expand(struct cs_policy *policy, struct cs_err *err) CS_CHECKED;

#endif
