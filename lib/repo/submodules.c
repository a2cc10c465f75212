/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What .gitmodules of a tree says (gitmodules(5)). Anybody may have written it: a name is good for
 * comparing until cs_submodule_name_ok() says more, a path counts only where the tree has a gitlink.
 */
#include "internal.h"

#include <string.h>

#define GITMODULES_MAX (1u << 20)

void cs_submodules_release(struct cs_submodules *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->list[i].name);
		free(s->list[i].path);
	}
	free(s->list);
	*s = (struct cs_submodules)CS_SUBMODULES_INIT;
}

/* As git: a name has one path and a path one name, and in both the last one written counts. */
static int add(void *arg, const struct cs_config_entry *e, struct cs_err *err)
{
	struct cs_submodules *s = arg;
	const char *name = e->subsection ? e->subsection : "";
	size_t i = 0;

	(void)err;
	if (strcmp(e->section, "submodule") != 0 || strcmp(e->key, "path") != 0 || !e->value)
		return 0;
	while (i < s->n && strcmp(s->list[i].path, e->value) != 0 &&
	       strcmp(s->list[i].name, name) != 0)
		i++;
	if (i == CS_SUBMODULES_MAX)
		return 1; /* the rest is as if it were not there */
	if (i == s->n) {
		CS_GROW(s->list, s->n, s->cap);
		s->list[s->n++] = (struct cs_submodule){ .name = NULL };
	}
	free(s->list[i].name);
	free(s->list[i].path);
	s->list[i].name = cs_strdup(name);
	s->list[i].path = cs_strdup(e->value);
	return 0;
}

/* Drops what is no gitlink in the tree, and fills in what the others are. */
static int keep_gitlinks(struct cs_submodules *s, const struct cs_repo *repo,
			 const struct cs_oid *tree, struct cs_err *err)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct cs_submodule m = s->list[i];
		uint32_t mode = 0;

		if (rc == 0)
			rc = cs_repo_tree_lookup(&mode, &m.commit, repo, tree, m.path, err);
		/* No such path, or none that a tree can have, or nothing to be known of it. */
		if (rc == CS_NOTFOUND || rc == CS_USAGE || rc == CS_CORRUPT)
			rc = mode = 0;
		if (rc == 0 && mode == CS_MODE_GITLINK) {
			s->list[kept++] = m;
			continue;
		}
		free(m.name);
		free(m.path);
	}
	s->n = kept;
	return rc;
}

int cs_repo_submodules(struct cs_submodules *out, const struct cs_repo *repo,
		       const struct cs_oid *tree, struct cs_err *err)
{
	struct cs_submodules s = CS_SUBMODULES_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_oid oid;
	uint32_t mode;
	int rc = cs_repo_tree_lookup(&mode, &oid, repo, tree, ".gitmodules", err);

	if (rc == CS_NOTFOUND)
		return 0;
	if (rc < 0)
		return rc;
	if (mode != CS_MODE_FILE && mode != CS_MODE_EXEC)
		return 0;
	rc = cs_repo_read(&text, repo, &oid, CS_OBJ_BLOB, GITMODULES_MAX, err);
	if (rc < 0)
		return rc == CS_LIMIT ? 0 : rc;
	/* One that does not parse has what stands before the error. */
	(void)!cs_config_parse(".gitmodules", text.data, text.len, add, &s, NULL);
	rc = keep_gitlinks(&s, repo, tree, err);
	if (rc < 0) {
		cs_submodules_release(&s);
		return rc;
	}
	*out = s;
	return 0;
}

/* check_submodule_name() of git's submodule-config.c; both slashes, whatever the system. */
bool cs_submodule_name_ok(const char *name)
{
	const char *p = name;

	if (!*name)
		return false;
	for (;;) {
		size_t len = strcspn(p, "/\\");

		if (len == 2 && !strncmp(p, "..", 2))
			return false;
		if (!p[len])
			return true;
		p += len + 1;
	}
}
