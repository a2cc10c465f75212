/* SPDX-License-Identifier: Apache-2.0 */
/* The plan for people and for programs. Of the environment names only: values may be secrets. */
#include "countersign/sandbox.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const char *const kind_names[] = {
	[CS_MOUNT_DIR] = "dir",	  [CS_MOUNT_RO] = "ro",		[CS_MOUNT_QUIET] = "quiet",
	[CS_MOUNT_RW] = "rw",	  [CS_MOUNT_TMPFS] = "tmpfs",	[CS_MOUNT_OVERLAY] = "overlay",
	[CS_MOUNT_FILE] = "file", [CS_MOUNT_MASK] = "mask",	[CS_MOUNT_SYMLINK] = "symlink",
	[CS_MOUNT_DEV] = "dev",	  [CS_MOUNT_DEVPTS] = "devpts", [CS_MOUNT_PROC] = "proc",
};

static const struct {
	int resource;
	const char *name;
} limit_names[] = {
	{ RLIMIT_NPROC, "processes" },
	{ RLIMIT_FSIZE, "file-size" },
	{ RLIMIT_CORE, "core" },
	{ RLIMIT_NOFILE, "open-files" },
};

static const char *limit_name(int resource)
{
	for (size_t i = 0; i < CS_COUNT(limit_names); i++)
		if (limit_names[i].resource == resource)
			return limit_names[i].name;
	return "other";
}

/* Where a mount comes from, when that is not where it goes. */
static const char *source_of(const struct cs_mount *m)
{
	if (m->kind == CS_MOUNT_SYMLINK)
		return m->data;
	return m->src && strcmp(m->src, m->dst) ? m->src : NULL;
}

/* Of an environment: what stands in front of each "=". */
static void list_names(struct cs_strv *out, const struct cs_strv *env)
{
	for (size_t i = 0; i < env->n; i++)
		cs_strv_addf(out, "%.*s", (int)strcspn(env->v[i], "="), env->v[i]);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void add_words(struct cs_buf *out, const char *label, const struct cs_strv *words)
{
	cs_buf_adds(out, label);
	for (size_t i = 0; i < words->n; i++) {
		cs_buf_addc(out, ' ');
		cs_escape_terminal(out, words->v[i], strlen(words->v[i]), CS_ESCAPE_LINE);
	}
	cs_buf_addc(out, '\n');
}

static void add_mount(struct cs_buf *out, const struct cs_mount *m)
{
	AUTO_FREE char *dst = cs_escape_line(m->dst);
	const char *source = source_of(m);

	cs_buf_addf(out, "mount %-8s %s", kind_names[m->kind], dst);
	if (source) {
		AUTO_FREE char *text = cs_escape_line(source);
		cs_buf_addf(out, " %s %s", m->kind == CS_MOUNT_SYMLINK ? "->" : "<-", text);
	}
	cs_buf_addc(out, '\n');
}

void cs_plan_format(struct cs_buf *out, const struct cs_plan *plan)
{
	AUTO_FREE char *cwd = cs_escape_line(plan->cwd ? plan->cwd : "/");
	AUTO_STRV struct cs_strv names = CS_STRV_INIT;

	list_names(&names, &plan->env);
	cs_buf_addf(out, "user %u:%u%s\n", plan->uid, plan->gid,
		    plan->drop ? " (root becomes it)" : "");
	if (plan->degraded)
		cs_buf_adds(out,
			    "degraded: no namespaces; what is mounted may be read or written\n");
	for (size_t i = 0; i < plan->n_mounts; i++)
		add_mount(out, &plan->mounts[i]);
	add_words(out, "writable", &plan->writable);
	add_words(out, "addresses 127.0.0.1/8 ::1/128", &plan->addresses);
	for (size_t i = 0; i < plan->n_limits; i++)
		cs_buf_addf(out, "limit %s %llu\n", limit_name(plan->limits[i].resource),
			    (unsigned long long)plan->limits[i].value);
	add_words(out, "environment", &names);
	cs_buf_addf(out, "directory %s\n", cwd);
	cs_buf_addf(out, "terminal %s\n", plan->tty ? "own" : "none");
	add_words(out, "command", &plan->argv);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static cJSON *mount_to_json(const struct cs_mount *m)
{
	cJSON *obj = cJSON_CreateObject();
	const char *source = source_of(m);

	cs_json_add_str(obj, "kind", kind_names[m->kind]);
	cs_json_add_bytes(obj, "path", m->dst, strlen(m->dst));
	if (source)
		cs_json_add_bytes(obj, m->kind == CS_MOUNT_SYMLINK ? "target" : "source", source,
				  strlen(source));
	return obj;
}

cJSON *cs_plan_to_json(const struct cs_plan *plan)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *list = cJSON_CreateArray();
	const char *cwd = plan->cwd ? plan->cwd : "/";
	AUTO_STRV struct cs_strv names = CS_STRV_INIT;

	list_names(&names, &plan->env);
	cs_json_add_int(root, "uid", plan->uid);
	cs_json_add_int(root, "gid", plan->gid);
	cs_json_add_bool(root, "degraded", plan->degraded);
	for (size_t i = 0; i < plan->n_mounts; i++)
		cJSON_AddItemToArray(list, mount_to_json(&plan->mounts[i]));
	cs_json_add(root, "mounts", list);
	cs_json_add(root, "writable", cs_json_words(&plan->writable));
	cs_json_add(root, "addresses", cs_json_words(&plan->addresses));
	list = cJSON_CreateObject();
	for (size_t i = 0; i < plan->n_limits; i++)
		cs_json_add_int(list, limit_name(plan->limits[i].resource),
				(int64_t)plan->limits[i].value);
	cs_json_add(root, "limits", list);
	cs_json_add(root, "environment", cs_json_words(&names));
	cs_json_add_bytes(root, "directory", cwd, strlen(cwd));
	cs_json_add_bool(root, "terminal", plan->tty);
	cs_json_add(root, "argv", cs_json_words(&plan->argv));
	return root;
}
