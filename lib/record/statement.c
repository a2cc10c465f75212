/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run as an in-toto Statement v1 with SLSA provenance v1 (https://slsa.dev/provenance/v1),
 * of a build type of our own:
 *
 *	subject			the change: gitCommit, gitTree, and sha256, its change digest. A run
 *				that changed nothing attests its base (gitCommit and gitTree).
 *	externalParameters	what the operator asked for: argv, title, prompt (digest), base
 *	internalParameters	what was in force: policy (digest, sources), sandbox, profile
 *	resolvedDependencies	the base
 *	runDetails		who recorded it, when, and as byproducts the head of the event log
 *				and the SHA-256 of every other file of the record
 *
 * The agent is the untrusted build; the builder is git-agent-run, outside of the sandbox.
 */
#include "record_dir.h"

#include <string.h>

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PREDICATE_TYPE "https://slsa.dev/provenance/v1"
#define BUILD_TYPE     "https://countersign.dev/agent-run/v1"
#define BUILDER_ID     "https://countersign.dev/git-agent-run"

static cJSON *add_object(cJSON *parent, const char *key)
{
	cJSON *obj = cJSON_CreateObject();

	cs_json_add(parent, key, obj);
	return obj;
}

static cJSON *add_array(cJSON *parent, const char *key)
{
	cJSON *array = cJSON_CreateArray();

	cs_json_add(parent, key, array);
	return array;
}

/* An element {"name": name, "digest": {}} of an array of descriptors; returns the digest. */
static cJSON *add_descriptor(cJSON *array, const char *name)
{
	cJSON *item = cJSON_CreateObject();

	cs_json_add_str(item, "name", name);
	cJSON_AddItemToArray(array, item);
	return add_object(item, "digest");
}

static void add_git_digests(cJSON *digest, const struct cs_oid *commit, const struct cs_oid *tree)
{
	char hex[CS_OID_HEX];

	cs_json_add_str(digest, "gitCommit", cs_oid_hex(hex, commit));
	cs_json_add_str(digest, "gitTree", cs_oid_hex(hex, tree));
}

static void add_subject(cJSON *root, const struct cs_run_info *info)
{
	cJSON *subject = add_array(root, "subject");
	cJSON *digest;

	if (!info->change_commit.len) {
		digest = add_descriptor(subject, "base");
		add_git_digests(digest, &info->base_commit, &info->base_tree);
		return;
	}
	digest = add_descriptor(subject, "change");
	add_git_digests(digest, &info->change_commit, &info->change_tree);
	cs_json_add_str(digest, "sha256", info->change_digest);
}

/* Moves a part of the run's own JSON object, so that both say the same in the same words. */
static void add_part(cJSON *to, const char *key, cJSON *run, const char *from_key)
{
	cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(run, from_key);

	if (item)
		cs_json_add(to, key, item);
}

static const struct cs_record_file *find_file(const struct cs_record_file *files, size_t n,
					      const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (files[i].oid.len && !strcmp(files[i].name, name))
			return &files[i];
	}
	return NULL;
}

static void add_definition(cJSON *predicate, const struct cs_run_info *info, cJSON *run,
			   const struct cs_record_file *prompt)
{
	cJSON *definition = add_object(predicate, "buildDefinition");
	cJSON *external, *internal, *policy, *materials;

	cs_json_add_str(definition, "buildType", BUILD_TYPE);
	external = add_object(definition, "externalParameters");
	add_part(external, "argv", cJSON_GetObjectItemCaseSensitive(run, "agent"), "argv");
	add_part(external, "title", run, "title");
	if (prompt)
		cs_json_add_str(add_object(add_object(external, "prompt"), "digest"), "sha256",
				prompt->sha256);
	add_part(external, "base", run, "base");
	add_part(external, "start", run, "start");
	add_part(external, "hidden", run, "hidden");
	internal = add_object(definition, "internalParameters");
	policy = add_object(internal, "policy");
	cs_json_add_str(add_object(policy, "digest"), "sha256", info->policy_digest);
	add_part(policy, "sources", cJSON_GetObjectItemCaseSensitive(run, "policy"), "sources");
	add_part(internal, "sandbox", run, "sandbox");
	add_part(internal, "agent", run, "agent");
	materials = add_array(definition, "resolvedDependencies");
	add_git_digests(add_descriptor(materials, "base"), &info->base_commit, &info->base_tree);
	if (info->start_commit.len)
		add_git_digests(add_descriptor(materials, "start"), &info->start_commit,
				&info->start_tree);
}

static void add_details(cJSON *predicate, const struct cs_run_info *info, cJSON *run,
			const struct cs_record_file *files, size_t n)
{
	cJSON *details = add_object(predicate, "runDetails");
	cJSON *builder = add_object(details, "builder");
	cJSON *metadata = add_object(details, "metadata");
	cJSON *byproducts = add_array(details, "byproducts");

	cs_json_add_str(builder, "id", BUILDER_ID);
	cs_json_add_str(add_object(builder, "version"), "countersign", CS_VERSION);
	cs_json_add_str(metadata, "invocationId", info->id);
	add_part(metadata, "startedOn", run, "started");
	add_part(metadata, "finishedOn", run, "ended");
	cs_json_add_str(add_descriptor(byproducts, "trace"), "sha256", info->trace_head);
	cs_json_add_int(add_object(cJSON_GetArrayItem(byproducts, 0), "annotations"), "events",
			info->events);
	for (size_t i = 0; i < n; i++) {
		if (files[i].oid.len)
			cs_json_add_str(add_descriptor(byproducts, files[i].name), "sha256",
					files[i].sha256);
	}
}

cJSON *cs_statement(const struct cs_run_info *info, const struct cs_record_file *files, size_t n)
{
	AUTO_JSON cJSON *run = cs_run_info_to_json(info);
	cJSON *root = cJSON_CreateObject();
	cJSON *predicate;

	cs_json_add_str(root, "_type", STATEMENT_TYPE);
	add_subject(root, info);
	cs_json_add_str(root, "predicateType", PREDICATE_TYPE);
	predicate = add_object(root, "predicate");
	add_definition(predicate, info, run, find_file(files, n, "prompt"));
	add_details(predicate, info, run, files, n);
	return root;
}
