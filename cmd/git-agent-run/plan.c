/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: what would be run on what, the rules that would hold with their origins, the sandbox. */
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define PLAN_SCHEMA "countersign.plan/v1"

static void add_line(struct cs_buf *out, const char *label, const char *text)
{
	AUTO_FREE char *escaped = cs_escape_line(text);

	cs_buf_addf(out, "%s %s\n", label, escaped);
}

static void add_submodule(struct cs_buf *out, const struct cs_worktree_module *m)
{
	char hex[CS_OID_HEX];
	AUTO_FREE char *line =
		m->why ? cs_asprintf("%s empty: %s", m->path, m->why)
		       : cs_asprintf("%s %s", m->path, cs_oid_hex(hex, &m->commit));

	add_line(out, "submodule", line);
}

static void add_subject(struct cs_buf *out, const struct run *run)
{
	const struct cs_run_info *info = &run->info;
	char hex[CS_OID_HEX];

	cs_buf_addf(out, "base %s%s\n", cs_oid_hex(hex, &info->base_commit),
		    info->uncommitted_on.len ? " (with what is not committed)" : "");
	if (info->start_commit.len)
		cs_buf_addf(out, "continues %s\n", info->continues);
	add_line(out, "profile", run->profile.name);
	add_line(out, "program", run->program ? run->program : run->argv.v[0]);
	if (info->visible_tree.len)
		cs_buf_addf(out, "hidden %lld files\n", (long long)info->hidden_files);
	for (size_t i = 0; i < info->carried.n; i++)
		add_line(out, "carried", info->carried.v[i]);
	for (size_t i = 0; i < run->worktree.n_modules; i++)
		add_submodule(out, &run->worktree.modules[i]);
}

static void add_hosts(struct cs_buf *out, const struct run *run)
{
	if (!run->n_rules)
		cs_buf_adds(out, "host none\n");
	for (size_t i = 0; i < run->n_rules; i++) {
		AUTO_FREE char *host = cs_escape_line(run->rules[i].host);
		AUTO_FREE char *origin = cs_escape_line(run->rules[i].origin);

		if (run->rules[i].port)
			cs_buf_addf(out, "host %s:%u (%s)\n", host, run->rules[i].port, origin);
		else
			cs_buf_addf(out, "host %s, ports 80 and 443 (%s)\n", host, origin);
	}
}

/* Names of files and what stands in them: any bytes; NULL becomes null. */
static void add_text(cJSON *obj, const char *key, const char *text)
{
	if (text)
		cs_json_add_bytes(obj, key, text, strlen(text));
	else
		cs_json_add_str(obj, key, NULL);
}

static cJSON *hosts_to_json(const struct run *run)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < run->n_rules; i++) {
		cJSON *rule = cJSON_CreateObject();

		add_text(rule, "host", run->rules[i].host);
		if (run->rules[i].port)
			cs_json_add_int(rule, "port", run->rules[i].port);
		else
			cs_json_add_str(rule, "port", NULL);
		add_text(rule, "origin", run->rules[i].origin);
		cJSON_AddItemToArray(array, rule);
	}
	return array;
}

static cJSON *plan_to_json(const struct run *run, const struct cs_buf *policy)
{
	const struct cs_run_info *info = &run->info;
	cJSON *root = cJSON_CreateObject();
	cJSON *obj = cJSON_CreateObject();

	cs_json_add_str(root, "schema", PLAN_SCHEMA);
	cs_json_add_oid(obj, "commit", &info->base_commit);
	cs_json_add_oid(obj, "tree", &info->base_tree);
	if (info->uncommitted_on.len)
		cs_json_add_oid(obj, "uncommitted_on", &info->uncommitted_on);
	cs_json_add(root, "base", obj);
	cs_json_add_str(root, "continues", info->start_commit.len ? info->continues : NULL);
	add_text(root, "profile", run->profile.name);
	add_text(root, "program", run->program);
	cs_json_add_int(root, "hidden_files", info->visible_tree.len ? info->hidden_files : 0);
	cs_json_add(root, "carried", cs_json_words(&info->carried));
	cs_json_add(root, "submodules",
		    info->submodules ? cJSON_Duplicate(info->submodules, true)
				     : cJSON_CreateArray());
	if (info->submodules_omitted)
		cs_json_add_int(root, "submodules_omitted", info->submodules_omitted);
	cs_json_add(root, "hosts", hosts_to_json(run));
	cs_json_add_bytes(root, "policy", policy->data, policy->len);
	cs_json_add(root, "sandbox", cs_plan_to_json(&run->plan));
	return root;
}

int plan_show(struct run *run, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf policy = CS_BUF_INIT;
	int rc = layout_plan(run, err);

	if (rc < 0)
		return rc;
	cs_policy_format(&policy, run->policy, true);
	if (run->opts->json) {
		AUTO_JSON cJSON *root = plan_to_json(run, &policy);

		cs_json_print(&text, root, true);
	} else {
		add_subject(&text, run);
		add_hosts(&text, run);
		cs_buf_addc(&text, '\n');
		cs_escape_terminal(&text, policy.data, policy.len, CS_ESCAPE_TEXT);
		cs_buf_addc(&text, '\n');
		cs_plan_format(&text, &run->plan);
	}
	/* Who reads on or not: what was prepared has to go again. */
	signal(SIGPIPE, SIG_IGN);
	if ((fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout)) && errno != EPIPE)
		return cs_err_sys(err, "write the plan");
	run->status = 0;
	return 0;
}
