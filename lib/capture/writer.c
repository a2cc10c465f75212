/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the list to the tree. Every path was checked by list.c; here it meets the base: what is
 * below one of its submodules is passed over, a deleted directory becomes deletions of what the
 * base has in it, and entries that end up as they were are no change.
 */
#include "writer.h"

#include <string.h>
#include "names.h"

/* Is it what findings are told against? Then a run only put back what was there. */
static int is_since(bool *out, struct writer *w, const char *path, uint32_t mode,
		    const struct cs_oid *oid, struct cs_err *err)
{
	struct base_entry was;
	int rc = base_tree_find(&was, &w->since, path, err);

	*out = !rc && was.mode == mode && (!mode || cs_oid_equal(&was.oid, oid));
	return rc;
}

/* ---- contents -------------------------------------------------------------------------------- */

static int write_link(struct writer *w, struct item *item, struct cs_err *err)
{
	size_t len = strlen(item->target);
	bool back = false;
	int rc = cs_blob_writer_start(w->blobs, len, err);

	if (!rc)
		rc = cs_blob_writer_data(w->blobs, item->target, len, err);
	if (!rc)
		rc = cs_blob_writer_end(&item->oid, w->blobs, err);
	if (!rc)
		rc = is_since(&back, w, item->path, CS_MODE_LINK, &item->oid, err);
	if (!rc && !back && capture_link_leads_out(item->path, item->target))
		cs_finding_add(&w->list->findings, capture_kind_word(KIND_LINK_OUTSIDE), item->path,
			       "to %s", item->target);
	return rc;
}

static int write_item(struct writer *w, struct item *item, struct cs_err *err)
{
	struct base_entry was;
	int rc;

	if (item->passed_over)
		return item->type == FRAME_FILE ? writer_pass_over(w, item, err) : 0;
	if (item->type == FRAME_LINK)
		return write_link(w, item, err);
	rc = base_tree_find(&was, &w->since, item->path, err);
	return rc < 0 ? rc : writer_blob(w, item, &was, err);
}

/*
 * What the reader could not know to be a submodule. One that was deleted in this very change is
 * none any more.
 */
static int pass_over_submodules(uint32_t *blobs, struct writer *w, struct cs_err *err)
{
	AUTO_FREE char *told = NULL;

	*blobs = 0;
	for (size_t i = 0; i < w->list->n; i++) {
		struct item *item = &w->list->items[i];
		AUTO_FREE char *submodule = NULL;
		struct base_entry was;
		int rc = base_tree_find(&was, &w->base, item->path, err);

		if (rc < 0)
			return rc;
		submodule = cs_strndup(item->path, was.submodule);
		item->passed_over = was.submodule && !list_deletes(w->list, submodule);
		*blobs += item->mode && !item->passed_over;
		if (!item->passed_over || (told && !strcmp(told, submodule)))
			continue;
		cs_finding_add(&w->list->findings, capture_kind_word(KIND_SUBMODULE), submodule,
			       "the submodule stays as it is");
		free(told);
		told = cs_steal(&submodule);
	}
	return 0;
}

static int write_contents(struct writer *w, struct cs_err *err)
{
	uint32_t blobs;
	int rc = pass_over_submodules(&blobs, w, err);

	if (rc < 0)
		return rc;
	rc = cs_blob_writer_new(&w->blobs, w->opts->repo, blobs, err);
	for (size_t i = 0; i < w->list->n && !rc; i++) {
		if (w->list->items[i].mode)
			rc = write_item(w, &w->list->items[i], err);
	}
	if (!rc)
		rc = stream_finish(w->stream, err);
	return rc < 0 ? rc : cs_blob_writer_finish(w->blobs, err);
}

/* ---- the tree -------------------------------------------------------------------------------- */

/* Takes path. */
static void add_update(struct writer *w, char *path, uint32_t mode, const struct cs_oid *oid)
{
	struct cs_tree_update u = { .path = path, .mode = mode };

	if (oid)
		u.oid = *oid;
	CS_GROW(w->updates, w->n_updates, w->cap_updates);
	w->updates[w->n_updates++] = u;
}

static void remove_path(void *arg, const char *path)
{
	struct writer *w = arg;

	/* A path that gets a new entry is replaced, not removed. */
	if (!list_has(w->list, path))
		add_update(w, cs_strdup(path), 0, NULL);
}

static int update_for(struct writer *w, const struct item *item, struct cs_err *err)
{
	struct base_entry was;
	int rc = base_tree_find(&was, &w->base, item->path, err);

	if (rc < 0 || item->passed_over)
		return rc;
	if (item->mode) {
		if (item->mode != was.mode || !cs_oid_equal(&item->oid, &was.oid))
			add_update(w, cs_strdup(item->path), item->mode, &item->oid);
		return 0;
	}
	if (was.mode == CS_MODE_TREE)
		return base_tree_each(w->opts->repo, &was.oid, item->path, remove_path, w, err);
	if (was.mode)
		remove_path(w, item->path);
	return 0;
}

static int tell_sensitive(struct writer *w, struct cs_err *err)
{
	for (size_t i = 0; i < w->n_updates; i++) {
		const struct cs_tree_update *u = &w->updates[i];
		bool back;
		int rc;

		if (!cs_glob_matches(w->opts->sensitive, u->path))
			continue;
		rc = is_since(&back, w, u->path, u->mode, &u->oid, err);
		if (rc < 0)
			return rc;
		if (!back)
			cs_finding_add(&w->list->findings, capture_kind_word(KIND_SENSITIVE_PATH),
				       u->path, u->mode ? "changed" : "deleted");
	}
	return 0;
}

static int make_tree(struct cs_oid *tree, struct writer *w, struct cs_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < w->list->n && !rc; i++)
		rc = update_for(w, &w->list->items[i], err);
	if (!rc)
		rc = tell_sensitive(w, err);
	if (rc < 0)
		return rc;
	if (!w->n_updates) {
		*tree = w->opts->tree;
		return 0;
	}
	return cs_repo_update_tree(tree, w->opts->repo, &w->opts->tree, w->updates, w->n_updates,
				   err);
}

int writer_run(struct cs_oid *tree, const struct cs_capture_opts *opts, struct list *list,
	       struct stream *s, struct cs_err *err)
{
	struct writer w = { .opts = opts, .list = list, .stream = s };
	int rc;

	base_tree_init(&w.base, opts->repo, &opts->tree);
	base_tree_init(&w.since, opts->repo,
		       opts->base_tree.len ? &opts->base_tree : &opts->tree);
	rc = write_contents(&w, err);
	cs_fault("writer-blobs");
	if (!rc)
		rc = make_tree(tree, &w, err);
	cs_fault("writer-tree");
	for (size_t i = 0; i < w.n_updates; i++)
		free((char *)w.updates[i].path);
	free(w.updates);
	cs_blob_writer_free(w.blobs);
	base_tree_release(&w.base);
	base_tree_release(&w.since);
	return rc;
}
