/* SPDX-License-Identifier: Apache-2.0 */
/* Submodules of the base: whether the agent has their files, said to the operator and recorded. */
#include "run.h"

#include <string.h>

/* Lines for the terminal; the record has all. */
#define SAID_MAX 5
/* Bytes of names and reasons for the record. */
#define RECORDED_MAX (64 << 10)

static cJSON *to_json(const struct cs_worktree_module *m)
{
	cJSON *obj = cJSON_CreateObject();

	cs_json_add_bytes(obj, "path", m->path, strlen(m->path));
	cs_json_add_oid(obj, "commit", &m->commit);
	cs_json_add_bool(obj, "populated", !m->why);
	if (m->why)
		cs_json_add_bytes(obj, "reason", m->why, strlen(m->why));
	return obj;
}

void submodules_record(struct run *run)
{
	const struct cs_worktree *wt = &run->worktree;
	size_t left = RECORDED_MAX;
	size_t i;

	cJSON_Delete(cs_steal(&run->info.submodules));
	run->info.submodules_omitted = 0;
	if (!wt->n_modules)
		return;
	run->info.submodules = cJSON_CreateArray();
	for (i = 0; i < wt->n_modules; i++) {
		const struct cs_worktree_module *m = &wt->modules[i];
		const size_t size = strlen(m->path) + (m->why ? strlen(m->why) : 0) + CS_OID_HEX;

		if (size > left)
			break;
		left -= size;
		cJSON_AddItemToArray(run->info.submodules, to_json(m));
	}
	run->info.submodules_omitted = (int64_t)(wt->n_modules - i);
}

void submodules_say(const struct run *run)
{
	const struct cs_worktree *wt = &run->worktree;
	size_t empty = 0;

	for (size_t i = 0; i < wt->n_modules; i++) {
		const struct cs_worktree_module *m = &wt->modules[i];

		if (m->why && empty++ < SAID_MAX) {
			AUTO_FREE char *path = cs_escape_line(m->path);
			AUTO_FREE char *why = cs_escape_line(m->why);

			note("submodule %s is empty in the run: %s", path, why);
		}
	}
	if (empty > SAID_MAX)
		note("and so are %zu more: --dry-run lists them", empty - SAID_MAX);
}
