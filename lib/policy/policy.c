/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy object: documents in, one effective value per key out. Everything that is unset,
 * unknown, unsealed or failed denies: an addition that fails spoils the policy for good.
 */
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* ---- life ------------------------------------------------------------------------------------ */

void cs_policy_new(struct cs_policy **out)
{
	struct cs_policy *policy = cs_calloc(1, sizeof(*policy));

	/* The unit test holds the defaults to parsing; if they did not, the policy is spoilt. */
	policy->broken = cs_policy_add(policy, CS_LAYER_BUILTIN, "built-in", cs_policy_defaults,
				       strlen(cs_policy_defaults), NULL) < 0;
	*out = policy;
}

static void statement_release(struct cs_policy_statement *st)
{
	free(st->subsection);
	free(st->origin);
	cs_policy_value_release(&st->value);
}

void cs_policy_free(struct cs_policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->n_slots; i++) {
		cs_policy_value_release(&policy->slots[i].value);
		free(policy->slots[i].words);
	}
	for (size_t i = 0; i < policy->n_statements; i++)
		statement_release(&policy->statements[i]);
	free(policy->slots);
	free(policy->statements);
	free(policy->ignored);
	free(policy->rules);
	free(policy->hosts);
	free(policy->commands);
	cs_strv_release(&policy->sources);
	cs_strv_release(&policy->files);
	free(policy);
}

/* ---- adding ---------------------------------------------------------------------------------- */

struct addition {
	struct cs_policy *policy;
	enum cs_policy_layer layer;
	const char *option; /* where no document but an option speaks */
};

/* "sandbox.timeout", or "gate.main.signoffs", safe to print. */
static char *full_name(const struct cs_config_entry *e)
{
	AUTO_FREE char *sub = e->subsection ? cs_escape_line(e->subsection) : NULL;

	return cs_asprintf("%s%s%s.%s", e->section, sub ? "." : "", sub ? sub : "", e->key);
}

static char *entry_origin(const struct addition *a, const struct cs_config_entry *e)
{
	if (a->option)
		return cs_strdup(a->option);
	if (a->layer == CS_LAYER_BUILTIN)
		return cs_strdup(e->file);
	return cs_asprintf("%s:%d", e->file, e->line);
}

/* NULL: there is no such key, or not there. */
static const struct cs_policy_key *find_key(const struct addition *a,
					    const struct cs_config_entry *e, struct cs_err *err)
{
	AUTO_FREE char *name = full_name(e);
	AUTO_FREE char *origin = entry_origin(a, e);
	const struct cs_policy_key *key = cs_policy_key_find(e->section, e->key);
	bool takes_name = cs_policy_section_has_subsection(e->section);

	if (!key)
		cs_err_set(err, CS_CORRUPT, "%s: unknown key '%s'", origin, name);
	else if (takes_name && !e->subsection)
		cs_err_set(err, CS_CORRUPT, "%s: section '%s' needs a name: [%s \"...\"]", origin,
			   e->section, e->section);
	else if (e->subsection && !takes_name)
		cs_err_set(err, CS_CORRUPT, "%s: section '%s' does not take a name", origin,
			   e->section);
	else
		return key;
	return NULL;
}

/* The words of a command with single blanks between them. */
static char *join_words(const char *text)
{
	AUTO_BUF struct cs_buf joined = CS_BUF_INIT;
	AUTO_FREE char *rest = cs_strdup(text);
	char *save = NULL;

	for (char *w = strtok_r(rest, " ", &save); w; w = strtok_r(NULL, " ", &save))
		cs_buf_addf(&joined, "%s%s", joined.len ? " " : "", w);
	return cs_buf_take(&joined);
}

static int read_subsection(char **out, const struct cs_policy_key *key, const char *text,
			   struct cs_err *err)
{
	AUTO_FREE char *name = NULL;

	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return cs_err_set(err, CS_CORRUPT, "control character in the name");
	}
	name = strcmp(key->section, "command") == 0 ? join_words(text) : cs_strdup(text);
	if (!*name)
		return cs_err_set(err, CS_CORRUPT, "the name is empty");
	*out = cs_steal(&name);
	return 0;
}

static int refuse_second(const struct cs_policy *policy, const struct cs_policy_statement *st,
			 struct cs_err *err)
{
	for (size_t i = 0; i < policy->n_statements; i++) {
		const struct cs_policy_statement *other = &policy->statements[i];

		if (other->document != st->document || other->key != st->key)
			continue;
		if (!st->subsection || !strcmp(other->subsection, st->subsection))
			return cs_err_set(err, CS_CORRUPT, "set already in line %d", other->line);
	}
	return 0;
}

static int fill_statement(struct cs_policy_statement *st, const struct cs_policy *policy,
			  const struct cs_config_entry *e, struct cs_err *err)
{
	int rc = 0;

	if (e->subsection)
		rc = read_subsection(&st->subsection, st->key, e->subsection, err);
	if (rc == 0 && st->key->kind != CS_KIND_LIST)
		rc = refuse_second(policy, st, err);
	if (rc == 0)
		rc = cs_policy_value_parse(&st->value, st->key, e->value, err);
	return rc;
}

static int add_entry(void *arg, const struct cs_config_entry *e, struct cs_err *err)
{
	const struct addition *a = arg;
	struct cs_policy *policy = a->policy;
	const struct cs_policy_key *key = find_key(a, e, err);
	struct cs_policy_statement st = {
		.key = key,
		.layer = a->layer,
		.document = policy->documents,
		.file = policy->files.v[policy->files.n - 1],
		.line = e->line,
	};
	int rc;

	if (!key)
		return CS_CORRUPT;
	if (policy->n_statements == CS_POLICY_MAX_STATEMENTS)
		return cs_err_set(err, CS_LIMIT, "%s: more than %d values in all", e->file,
				  CS_POLICY_MAX_STATEMENTS);
	st.origin = entry_origin(a, e);
	rc = fill_statement(&st, policy, e, err);
	if (rc < 0) {
		AUTO_FREE char *name = full_name(e);

		cs_err_wrap(err, "%s: %s", st.origin, name);
		statement_release(&st);
		return rc;
	}
	CS_GROW(policy->statements, policy->n_statements, policy->cap_statements);
	policy->statements[policy->n_statements++] = st;
	return 0;
}

static int begin(struct cs_policy *policy, const char *file, struct cs_err *err)
{
	if (policy->sealed)
		return cs_err_set(err, CS_MALFUNCTION, "%s: the policy is sealed already", file);
	policy->documents++;
	cs_strv_add(&policy->files, file);
	return 0;
}

int cs_policy_add(struct cs_policy *policy, enum cs_policy_layer layer, const char *file,
		  const char *data, size_t len, struct cs_err *err)
{
	struct addition a = { .policy = policy, .layer = layer };
	int rc = begin(policy, file, err);

	if (rc == 0)
		rc = cs_config_parse(file, data, len, add_entry, &a, err);
	if (rc < 0)
		policy->broken = true;
	return rc;
}

/* "section.key" or "section.subsection.key" into an entry; name is cut into pieces. */
static int split_name(struct cs_config_entry *e, char *name)
{
	char *first = strchr(name, '.');
	char *last = strrchr(name, '.');

	if (!first)
		return CS_CORRUPT;
	*first = '\0';
	*last = '\0';
	e->section = name;
	e->subsection = first == last ? NULL : first + 1;
	e->key = last + 1;
	return 0;
}

int cs_policy_set(struct cs_policy *policy, enum cs_policy_layer layer, const char *origin,
		  const char *key, const char *value, struct cs_err *err)
{
	struct addition a = { .policy = policy, .layer = layer, .option = origin };
	struct cs_config_entry e = { .file = origin, .value = value };
	AUTO_FREE char *name = cs_strdup(key);
	int rc = begin(policy, origin, err);

	if (rc == 0 && split_name(&e, name) < 0)
		rc = cs_err_set(err, CS_CORRUPT, "%s: unknown key '%s'", origin, name);
	else if (rc == 0)
		rc = add_entry(&a, &e, err);
	if (rc < 0)
		policy->broken = true;
	if (rc != CS_CORRUPT)
		return rc;
	/* These are the caller's words, not a file's bytes. */
	if (err)
		err->code = CS_USAGE;
	return CS_USAGE;
}

static int add_file(struct cs_policy *policy, enum cs_policy_layer layer, const char *path,
		    bool may_be_missing, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc = cs_read_file(&text, AT_FDCWD, path, CS_CONFIG_MAX_BYTES, err);

	if (rc == CS_NOTFOUND && may_be_missing) {
		if (err)
			*err = (struct cs_err)CS_ERR_INIT;
		return 0;
	}
	if (rc < 0) {
		policy->broken = true;
		return rc;
	}
	return cs_policy_add(policy, layer, path, text.data, text.len, err);
}

int cs_policy_load_operator(struct cs_policy *policy, const char *home, const char *xdg_config,
			    const char *file, struct cs_err *err)
{
	AUTO_FREE char *path = cs_config_path(home, xdg_config, "policy");
	int rc = path ? add_file(policy, CS_LAYER_OPERATOR, path, true, err) : 0;

	if (rc == 0 && file)
		rc = add_file(policy, CS_LAYER_FILE, file, false, err);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every file of a directory, by name; a directory that cannot be read in full is an error. */
static int add_dir(struct cs_policy *policy, enum cs_policy_layer layer, const char *dir,
		   struct cs_err *err)
{
	AUTO_STRV struct cs_strv names = CS_STRV_INIT;
	AUTO_DIR DIR *d = opendir(dir);
	int rc = 0;

	if (!d)
		return errno == ENOENT ? 0 : cs_err_sys(err, "%s", dir);
	errno = 0;
	for (const struct dirent *e = readdir(d); e; errno = 0, e = readdir(d))
		if (e->d_name[0] != '.')
			cs_strv_addf(&names, "%s/%s", dir, e->d_name);
	if (errno)
		return cs_err_sys(err, "%s", dir);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	for (size_t i = 0; rc == 0 && i < names.n; i++)
		rc = add_file(policy, layer, names.v[i], true, err);
	return rc;
}

int cs_policy_load_managed(struct cs_policy *policy, const char *own, struct cs_err *err)
{
	int rc = own ? add_file(policy, CS_LAYER_MANAGED, own, true, err) : 0;

	if (rc == 0)
		rc = add_file(policy, CS_LAYER_MANAGED, CS_POLICY_ETC "/policy", true, err);
	if (rc == 0)
		rc = add_dir(policy, CS_LAYER_MANAGED, CS_POLICY_ETC "/policy.d", err);
	if (rc < 0)
		policy->broken = true;
	return rc;
}

bool cs_policy_says(const struct cs_policy *policy, enum cs_policy_layer layer, const char *section)
{
	for (size_t i = 0; i < policy->n_statements; i++) {
		const struct cs_policy_statement *st = &policy->statements[i];

		if (st->layer == layer && !strcmp(st->key->section, section))
			return true;
	}
	return false;
}

/* ---- sealing --------------------------------------------------------------------------------- */

static void collect_commands(struct cs_policy *policy)
{
	policy->commands = cs_calloc(policy->n_slots, sizeof(*policy->commands));
	for (size_t i = 0; i < policy->n_slots; i++) {
		const struct cs_policy_slot *slot = &policy->slots[i];
		AUTO_FREE char *key = NULL;
		const char *reason;

		if (strcmp(slot->key->section, "command") != 0 ||
		    strcmp(slot->key->name, "decision") != 0)
			continue;
		key = cs_asprintf("command.%s.reason", slot->subsection);
		reason = cs_policy_str(policy, key);
		policy->commands[policy->n_commands++] = (struct cs_command_rule){
			.words = slot->subsection,
			.decision = (enum cs_decision)slot->value.number,
			.reason = reason && *reason ? reason : NULL,
			.origin = slot->from ? slot->from->origin : "built-in",
		};
	}
}

static void collect_sources(struct cs_policy *policy)
{
	for (int layer = CS_LAYER_BUILTIN; layer <= CS_LAYER_MANAGED; layer++) {
		for (size_t i = 0; i < policy->n_statements; i++) {
			const struct cs_policy_statement *st = &policy->statements[i];

			if ((int)st->layer == layer && !cs_strv_has(&policy->sources, st->file))
				cs_strv_add(&policy->sources, st->file);
		}
	}
}

int cs_policy_seal(struct cs_policy *policy, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	uint8_t hash[CS_SHA256_LEN];
	int rc;

	if (policy->broken || policy->sealed)
		return cs_err_set(err, CS_REFUSED, "the policy is %s",
				  policy->sealed ? "sealed already" : "incomplete");
	policy->broken = true; /* unless all of the following works */
	rc = cs_policy_merge(policy, err);
	if (rc == 0)
		rc = cs_policy_net_expand(policy, err);
	if (rc < 0)
		return rc;
	policy->broken = false;
	policy->sealed = true;
	collect_commands(policy);
	collect_sources(policy);
	cs_policy_format(&text, policy, false);
	cs_sha256(hash, text.data, text.len);
	cs_hex(policy->digest, hash, sizeof(hash));
	return 0;
}

/* ---- getters --------------------------------------------------------------------------------- */

int64_t cs_policy_int(const struct cs_policy *policy, const char *key)
{
	const struct cs_policy_slot *slot = cs_policy_slot_find(policy, key);

	return slot && slot->key->kind <= CS_KIND_SIZE ? slot->value.number : 0;
}

bool cs_policy_bool(const struct cs_policy *policy, const char *key)
{
	const struct cs_policy_slot *slot = cs_policy_slot_find(policy, key);

	return slot && slot->key->kind == CS_KIND_BOOL && slot->value.number == 1;
}

const char *cs_policy_str(const struct cs_policy *policy, const char *key)
{
	const struct cs_policy_slot *slot = cs_policy_slot_find(policy, key);

	return slot ? slot->value.text : NULL;
}

const struct cs_strv *cs_policy_list(const struct cs_policy *policy, const char *key)
{
	static const struct cs_strv nothing = CS_STRV_INIT;
	const struct cs_policy_slot *slot = cs_policy_slot_find(policy, key);

	return slot ? &slot->value.list : &nothing;
}

const char *cs_policy_origin(const struct cs_policy *policy, const char *key)
{
	const struct cs_policy_slot *slot = cs_policy_slot_find(policy, key);

	return slot && slot->from ? slot->from->origin : "built-in";
}

void cs_policy_subsections(struct cs_strv *out, const struct cs_policy *policy, const char *section)
{
	for (size_t i = 0; policy && policy->sealed && i < policy->n_slots; i++) {
		const struct cs_policy_slot *slot = &policy->slots[i];

		if (!strcmp(slot->key->section, section) && slot->subsection &&
		    !cs_strv_has(out, slot->subsection))
			cs_strv_add(out, slot->subsection);
	}
}

int64_t cs_policy_memory(const struct cs_policy *policy, int64_t total_bytes)
{
	const struct cs_policy_slot *slot = cs_policy_slot_find(policy, "sandbox.memory");
	int64_t share;

	if (!slot)
		return 0;
	/* Divided first: the product could overflow. */
	share = total_bytes / 100 * slot->value.percent;
	if (!share || (slot->value.number && slot->value.number < share))
		return slot->value.number;
	return share;
}

size_t cs_policy_net_rules(const struct cs_policy *policy, const struct cs_net_rule **rules)
{
	bool ready = policy && policy->sealed;

	*rules = ready ? policy->rules : NULL;
	return ready ? policy->n_rules : 0;
}

bool cs_policy_net_profile(const struct cs_policy *policy)
{
	return cs_strv_has(cs_policy_list(policy, "network.allow"), "@profile");
}

size_t cs_policy_commands(const struct cs_policy *policy, const struct cs_command_rule **rules)
{
	bool ready = policy && policy->sealed;

	*rules = ready ? policy->commands : NULL;
	return ready ? policy->n_commands : 0;
}

const char *cs_policy_digest(const struct cs_policy *policy)
{
	return policy && policy->sealed ? policy->digest : NULL;
}

const struct cs_strv *cs_policy_sources(const struct cs_policy *policy)
{
	static const struct cs_strv nothing = CS_STRV_INIT;

	return policy && policy->sealed ? &policy->sources : &nothing;
}
