/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a run, as the JSON object countersign.run/v1. Paths, titles and command lines
 * come from the run: they are written as bytes (countersign/base/json.h), and what grows with the
 * agent's doing has a budget, so that no run can make its own record unreadable.
 */
#include "record_dir.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Upper bounds of the printed size; all of them together stay below what cs_json_parse() takes. */
#define MAX_ARGV_PRINTED     (2 << 20)
#define MAX_FINDINGS_PRINTED (8 << 20)
#define MAX_LIST_PRINTED     (32 << 10)
#define MAX_TEXT	     4096

static const char *const state_names[] = {
	[CS_RUN_FAILED] = "failed",	    [CS_RUN_RUNNING] = "running",
	[CS_RUN_PROPOSED] = "proposed",	    [CS_RUN_EMPTY] = "empty",
	[CS_RUN_SIGNED_OFF] = "signed-off", [CS_RUN_CHANGES_REQUESTED] = "changes-requested",
	[CS_RUN_MERGED] = "merged",	    [CS_RUN_INTERRUPTED] = "interrupted",
};

const char *cs_run_state_name(enum cs_run_state state)
{
	return (size_t)state < CS_COUNT(state_names) ? state_names[state] : state_names[0];
}

static enum cs_run_state state_of(const char *name)
{
	for (size_t i = 0; name && i < CS_COUNT(state_names); i++) {
		if (!strcmp(state_names[i], name))
			return (enum cs_run_state)i;
	}
	return CS_RUN_FAILED;
}

bool cs_run_id_valid(const char *id)
{
	return strlen(id) == CS_RUN_ID_HEX - 1 &&
	       strspn(id, "0123456789abcdef") == CS_RUN_ID_HEX - 1;
}

const struct cs_oid *cs_run_start_commit(const struct cs_run_info *info)
{
	return info->start_commit.len ? &info->start_commit : &info->base_commit;
}

const struct cs_oid *cs_run_start_tree(const struct cs_run_info *info)
{
	return info->start_tree.len ? &info->start_tree : &info->base_tree;
}

const struct cs_oid *cs_run_visible_tree(const struct cs_run_info *info)
{
	return info->visible_tree.len ? &info->visible_tree : cs_run_start_tree(info);
}

void cs_run_info_init(struct cs_run_info *info)
{
	*info = (struct cs_run_info){ .exit_code = -1, .exit_signal = -1 };
	info->uid = (uid_t)-1;
	info->gid = (gid_t)-1;
}

void cs_run_info_release(struct cs_run_info *info)
{
	char *const texts[] = {
		info->title,	    info->profile,	 info->agent_version,  info->author_name,
		info->author_email, info->operator_name, info->operator_email, info->exit_reason,
		info->level,	    info->worktree,	 info->pristine,
	};

	for (size_t i = 0; i < CS_COUNT(texts); i++)
		free(texts[i]);
	cJSON_Delete(info->layers);
	cJSON_Delete(info->submodules);
	cs_strv_release(&info->argv);
	cs_strv_release(&info->carried);
	cs_strv_release(&info->not_enforced);
	cs_strv_release(&info->policy_sources);
	cs_findings_release(&info->findings);
	cs_run_info_init(info);
}

void cs_finding_copy(struct cs_findings *to, const char *kind, const char *path, const char *detail)
{
	if (to->n >= CS_FINDINGS_MAX) {
		cs_finding_add(to, kind, path, "%s", detail); /* only counts it */
		return;
	}
	CS_GROW(to->list, to->n, to->cap);
	to->list[to->n++] = (struct cs_finding){
		.kind = cs_strdup(kind),
		.path = cs_strdup(path),
		.detail = cs_strdup(detail),
	};
}

/* ---- writing ---- */

static cJSON *add_object(cJSON *parent, const char *key)
{
	cJSON *obj = cJSON_CreateObject();

	cs_json_add(parent, key, obj);
	return obj;
}

/* A text of the run; NULL becomes null, an over-long one is cut. */
static void add_text(cJSON *obj, const char *key, const char *s)
{
	if (s)
		cs_json_add_bytes(obj, key, s, strnlen(s, MAX_TEXT));
	else
		cs_json_add_str(obj, key, NULL);
}

static void add_digest(cJSON *obj, const char *key, const char *hex)
{
	cs_json_add_str(obj, key, *hex ? hex : NULL);
}

static void add_time(cJSON *obj, const char *key, int64_t wall_ns)
{
	char text[CS_TIME_LEN];

	cs_json_add_str(obj, key, wall_ns ? cs_time_format(text, wall_ns) : NULL);
}

/* What a string can grow to when printed: every byte as \uXXXX, and some punctuation. */
static size_t printed_size(const char *s)
{
	return 6 * strlen(s) + 16;
}

/* How many items of a list were left out. */
static void add_omitted(cJSON *obj, const char *key, int64_t n)
{
	AUTO_FREE char *omitted = cs_asprintf("%s_omitted", key);

	if (n)
		cs_json_add_int(obj, omitted, n);
}

/* Words until the budget is used; how many were left out is said in "<key>_omitted". */
static void add_words(cJSON *obj, const char *key, const struct cs_strv *words, size_t budget)
{
	cJSON *array = cJSON_CreateArray();
	size_t i;

	cs_json_add(obj, key, array);
	for (i = 0; i < words->n && printed_size(words->v[i]) <= budget; i++) {
		budget -= printed_size(words->v[i]);
		cJSON_AddItemToArray(array, cs_json_bytes(words->v[i], strlen(words->v[i])));
	}
	add_omitted(obj, key, (int64_t)(words->n - i));
}

/* "Name <mail>", the way git writes identities. */
static void add_identity(cJSON *obj, const char *key, const char *name, const char *email)
{
	AUTO_FREE char *text = NULL;

	if (name && email)
		text = cs_asprintf("%s <%s>", name, email);
	add_text(obj, key, text ? text : name);
}

static cJSON *finding_to_json(const char *kind, const char *path, const char *detail)
{
	cJSON *obj = cJSON_CreateObject();

	add_text(obj, "kind", kind);
	add_text(obj, "path", path);
	add_text(obj, "detail", detail);
	return obj;
}

static void add_findings(cJSON *root, const struct cs_findings *findings)
{
	cJSON *array = cJSON_CreateArray();
	size_t budget = MAX_FINDINGS_PRINTED;
	AUTO_FREE char *rest = NULL;
	size_t i;

	cs_json_add(root, "findings", array);
	for (i = 0; i < findings->n; i++) {
		const struct cs_finding *f = &findings->list[i];
		size_t size = printed_size(f->kind) + printed_size(f->path) +
			      printed_size(f->detail) + 64;

		if (size > budget)
			break;
		budget -= size;
		cJSON_AddItemToArray(array, finding_to_json(f->kind, f->path, f->detail));
	}
	if (i == findings->n)
		return;
	rest = cs_asprintf("%zu more findings: see the event log", findings->n - i);
	cJSON_AddItemToArray(array, finding_to_json("truncated", "", rest));
}

static void add_agent(cJSON *root, const struct cs_run_info *info)
{
	cJSON *agent = add_object(root, "agent");

	add_text(agent, "profile", info->profile);
	add_words(agent, "argv", &info->argv, MAX_ARGV_PRINTED);
	add_text(agent, "version", info->agent_version);
	add_identity(agent, "author", info->author_name, info->author_email);
}

static void add_exit(cJSON *root, const struct cs_run_info *info)
{
	cJSON *obj = add_object(root, "exit");

	if (info->exit_code >= 0)
		cs_json_add_int(obj, "code", info->exit_code);
	if (info->exit_signal >= 0)
		cs_json_add_int(obj, "signal", info->exit_signal);
	if (info->exit_reason)
		add_text(obj, "reason", info->exit_reason);
}

static void add_sandbox(cJSON *root, const struct cs_run_info *info)
{
	cJSON *obj = add_object(root, "sandbox");

	add_text(obj, "level", info->level);
	add_text(obj, "worktree", info->worktree);
	cs_json_add(obj, "layers",
		    info->layers ? cJSON_Duplicate(info->layers, true) : cJSON_CreateObject());
	if (info->carried.n)
		add_words(obj, "carried", &info->carried, MAX_LIST_PRINTED);
	add_words(obj, "not_enforced", &info->not_enforced, MAX_LIST_PRINTED);
}

/* The counts that are kept as they are, in the order of the schema. */
static const struct {
	const char *key;
	size_t offset;
} counts[] = {
	{ "commands", offsetof(struct cs_run_info, counts.commands) },
	{ "commands_failed", offsetof(struct cs_run_info, counts.commands_failed) },
	{ "commands_denied", offsetof(struct cs_run_info, counts.commands_denied) },
	{ "commands_unverified", offsetof(struct cs_run_info, counts.commands_unverified) },
	{ "failed_execs", offsetof(struct cs_run_info, counts.failed_execs) },
	{ "connections", offsetof(struct cs_run_info, counts.connections) },
	{ "connections_denied", offsetof(struct cs_run_info, counts.connections_denied) },
	{ "files_changed", offsetof(struct cs_run_info, counts.files_changed) },
	{ "lines_added", offsetof(struct cs_run_info, counts.lines_added) },
	{ "lines_deleted", offsetof(struct cs_run_info, counts.lines_deleted) },
};

static void add_counts(cJSON *root, const struct cs_run_info *info)
{
	cJSON *obj = add_object(root, "counts");

	for (size_t i = 0; i < CS_COUNT(counts); i++) {
		int64_t n;

		memcpy(&n, (const char *)info + counts[i].offset, sizeof(n));
		cs_json_add_int(obj, counts[i].key, n);
	}
	cs_json_add_int(obj, "findings", (int64_t)(info->findings.n + info->findings.dropped));
}

cJSON *cs_run_info_to_json(const struct cs_run_info *info)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *obj;

	cs_json_add_str(root, "schema", CS_RUN_SCHEMA);
	cs_json_add_str(root, "id", info->id);
	add_text(root, "title", info->title);
	cs_json_add_str(root, "state", cs_run_state_name(info->state));
	obj = add_object(root, "base");
	cs_json_add_oid(obj, "commit", &info->base_commit);
	cs_json_add_oid(obj, "tree", &info->base_tree);
	if (info->uncommitted_on.len)
		cs_json_add_oid(obj, "uncommitted_on", &info->uncommitted_on);
	if (info->start_commit.len) {
		obj = add_object(root, "start");
		cs_json_add_str(obj, "continues", info->continues);
		cs_json_add_oid(obj, "commit", &info->start_commit);
		cs_json_add_oid(obj, "tree", &info->start_tree);
	}
	if (info->visible_tree.len) {
		obj = add_object(root, "hidden");
		cs_json_add_int(obj, "files", info->hidden_files);
		cs_json_add_oid(obj, "visible_tree", &info->visible_tree);
	}
	if (info->submodules)
		cs_json_add(root, "submodules", cJSON_Duplicate(info->submodules, true));
	add_omitted(root, "submodules", info->submodules_omitted);
	if (info->change_commit.len) {
		obj = add_object(root, "change");
		cs_json_add_oid(obj, "commit", &info->change_commit);
		cs_json_add_oid(obj, "tree", &info->change_tree);
		add_digest(obj, "digest", info->change_digest);
	} else {
		cs_json_add_str(root, "change", NULL);
	}
	add_agent(root, info);
	add_identity(root, "operator", info->operator_name, info->operator_email);
	add_time(root, "started", info->started_ns);
	add_time(root, "ended", info->ended_ns);
	cs_json_add_int(root, "duration_ms", info->duration_ms);
	add_exit(root, info);
	add_sandbox(root, info);
	obj = add_object(root, "policy");
	add_digest(obj, "digest", info->policy_digest);
	add_words(obj, "sources", &info->policy_sources, MAX_LIST_PRINTED);
	add_counts(root, info);
	add_findings(root, &info->findings);
	obj = add_object(root, "trace");
	cs_json_add_int(obj, "events", info->events);
	add_digest(obj, "head", info->trace_head);
	return root;
}

/* ---- reading: a foreign document; what is not understood stays unknown ---- */

static const cJSON *get(const cJSON *obj, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(obj, key);
}

/* Bytes as a string; NULL where there are none. A NUL inside ends it. */
static char *get_text(const cJSON *obj, const char *key)
{
	AUTO_BUF struct cs_buf buf = CS_BUF_INIT;

	return cs_json_get_bytes(&buf, obj, key) < 0 ? NULL : cs_strdup(buf.data);
}

static void get_oid(struct cs_oid *out, const cJSON *obj, const char *key)
{
	if (cs_oid_parse(out, cs_json_str(obj, key, "")) < 0)
		out->len = 0;
}

static void get_digest(char out[CS_SHA256_HEX], const cJSON *obj, const char *key)
{
	const char *hex = cs_json_str(obj, key, "");
	uint8_t bytes[CS_SHA256_LEN];

	if (cs_unhex(bytes, sizeof(bytes), hex) == 0)
		memcpy(out, hex, CS_SHA256_HEX);
}

static void get_time(int64_t *out, const cJSON *obj, const char *key)
{
	if (cs_time_parse(out, cs_json_str(obj, key, "")) < 0)
		*out = 0;
}

static void get_words(struct cs_strv *out, const cJSON *obj, const char *key)
{
	const cJSON *array = get(obj, key);

	for (cJSON *item = array ? array->child : NULL; item; item = item->next) {
		AUTO_BUF struct cs_buf word = CS_BUF_INIT;
		AUTO_JSON cJSON *holder = cJSON_CreateObject();

		/* cs_json_get_bytes() looks a key up: give it an object that has the item. */
		cJSON_AddItemReferenceToObject(holder, "word", item);
		if (cs_json_get_bytes(&word, holder, "word") == 0)
			cs_strv_add(out, word.data);
	}
}

static void get_identity(char **name, char **email, const cJSON *obj, const char *key)
{
	AUTO_FREE char *text = get_text(obj, key);
	char *at = text ? strrchr(text, '<') : NULL;
	size_t len = text ? strlen(text) : 0;

	if (at > text && at[-1] == ' ')
		at--;
	else
		at = NULL;
	if (at && text[len - 1] == '>') {
		*name = cs_strndup(text, (size_t)(at - text));
		*email = cs_strndup(at + 2, len - 1 - (size_t)(at + 2 - text));
	} else {
		*name = cs_steal(&text);
	}
}

static void get_findings(struct cs_run_info *out, const cJSON *root, int64_t total)
{
	const cJSON *array = get(root, "findings");

	for (const cJSON *item = array ? array->child : NULL; item; item = item->next) {
		AUTO_FREE char *kind = get_text(item, "kind");
		AUTO_FREE char *path = get_text(item, "path");
		AUTO_FREE char *detail = get_text(item, "detail");

		cs_finding_copy(&out->findings, kind ? kind : "unknown", path ? path : "",
				detail ? detail : "");
	}
	if (total > (int64_t)out->findings.n)
		out->findings.dropped = (uint64_t)total - out->findings.n;
}

static void get_counts(struct cs_run_info *out, const cJSON *obj)
{
	for (size_t i = 0; i < CS_COUNT(counts); i++) {
		int64_t n = cs_json_int(obj, counts[i].key, 0);

		memcpy((char *)out + counts[i].offset, &n, sizeof(n));
	}
}

static void get_agent(struct cs_run_info *out, const cJSON *root)
{
	const cJSON *agent = get(root, "agent");
	const cJSON *exit_obj = get(root, "exit");
	const cJSON *sandbox = get(root, "sandbox");
	const cJSON *layers = get(sandbox, "layers");

	out->profile = get_text(agent, "profile");
	out->agent_version = get_text(agent, "version");
	get_identity(&out->author_name, &out->author_email, agent, "author");
	get_words(&out->argv, agent, "argv");
	out->exit_code = (int)cs_json_int(exit_obj, "code", -1);
	out->exit_signal = (int)cs_json_int(exit_obj, "signal", -1);
	out->exit_reason = get_text(exit_obj, "reason");
	out->level = get_text(sandbox, "level");
	out->worktree = get_text(sandbox, "worktree");
	if (cJSON_IsObject(layers))
		out->layers = cJSON_Duplicate(layers, true);
	get_words(&out->carried, sandbox, "carried");
	get_words(&out->not_enforced, sandbox, "not_enforced");
}

int cs_run_info_from_json(struct cs_run_info *out, const cJSON *json, struct cs_err *err)
{
	const char *id = cs_json_str(json, "id", "");
	const char *schema = cs_json_str(json, "schema", "");
	const cJSON *change = get(json, "change");
	const cJSON *start = get(json, "start");
	const cJSON *policy = get(json, "policy");
	const cJSON *trace = get(json, "trace");
	const cJSON *scratch = get(json, "scratch");

	if (strcmp(schema, CS_RUN_SCHEMA) != 0 || !cs_run_id_valid(id))
		return cs_err_set(err, CS_CORRUPT, "not a %s object", CS_RUN_SCHEMA);
	cs_run_info_release(out);
	memcpy(out->id, id, CS_RUN_ID_HEX);
	out->title = get_text(json, "title");
	out->state = state_of(cs_json_str(json, "state", NULL));
	get_oid(&out->base_commit, get(json, "base"), "commit");
	get_oid(&out->base_tree, get(json, "base"), "tree");
	get_oid(&out->uncommitted_on, get(json, "base"), "uncommitted_on");
	if (cs_run_id_valid(cs_json_str(start, "continues", "")))
		memcpy(out->continues, cs_json_str(start, "continues", ""), CS_RUN_ID_HEX);
	get_oid(&out->start_commit, start, "commit");
	get_oid(&out->start_tree, start, "tree");
	get_oid(&out->visible_tree, get(json, "hidden"), "visible_tree");
	out->hidden_files = cs_json_int(get(json, "hidden"), "files", 0);
	if (cJSON_IsArray(get(json, "submodules")))
		out->submodules = cJSON_Duplicate(get(json, "submodules"), true);
	out->submodules_omitted = cs_json_int(json, "submodules_omitted", 0);
	get_oid(&out->change_commit, change, "commit");
	get_oid(&out->change_tree, change, "tree");
	get_digest(out->change_digest, change, "digest");
	get_agent(out, json);
	get_identity(&out->operator_name, &out->operator_email, json, "operator");
	get_time(&out->started_ns, json, "started");
	get_time(&out->ended_ns, json, "ended");
	out->duration_ms = cs_json_int(json, "duration_ms", 0);
	get_digest(out->policy_digest, policy, "digest");
	get_words(&out->policy_sources, policy, "sources");
	get_counts(out, get(json, "counts"));
	get_findings(out, json, cs_json_int(get(json, "counts"), "findings", 0));
	out->events = cs_json_int(trace, "events", 0);
	get_digest(out->trace_head, trace, "head");
	out->pristine = get_text(scratch, "pristine");
	out->uid = (uid_t)cs_json_int(scratch, "uid", -1);
	out->gid = (gid_t)cs_json_int(scratch, "gid", -1);
	return 0;
}
