/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an update may do to its reference, whatever its commits are. A table of kinds of references,
 * by prefix, the longest first; what is in none of them is refused on a server unless a section
 * names it. The object id that is judged here is the one that the update sets, never a name that is
 * looked up again.
 */
#include "internal.h"

#include <string.h>
#include <strings.h>

#define TAG_DEPTH     10
#define TAG_MAX_BYTES (1u << 20)

struct scene {
	struct cs_gate_report *r;
	struct gate_settings *settings;
	const struct cs_gate_opts *opts;
	const struct cs_gate_update *u;
	struct cs_oid *tip; /* of the commits to judge */
	bool go_on;
};

/* A protected reference that is only warned about gets warnings here too. */
static enum cs_gate_verdict weight_of(const struct scene *s)
{
	return s->settings->section && s->settings->require == GATE_REQUIRE_WARN ? CS_GATE_WARN
										 : CS_GATE_DENY;
}

static void say(const struct scene *s, enum cs_gate_verdict weight, const char *rule,
		const char *detail)
{
	const struct gate_say words = {
		.rule = rule,
		.weight = weight,
		.detail = detail,
		.settings = s->settings->section ? s->settings : NULL,
	};

	gate_say(s->r, &words);
}

static bool is_protected(const struct scene *s)
{
	return s->settings->section && s->settings->require != GATE_REQUIRE_NONE;
}

/* ---- objects ---- */

/* "object <id>\n" at the head of a tag. */
static int tag_target(struct cs_oid *out, const struct cs_repo *repo, const struct cs_oid *tag,
		      struct cs_err *err)
{
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	AUTO_FREE char *hex = NULL;
	int rc = cs_repo_read(&raw, repo, tag, CS_OBJ_TAG, TAG_MAX_BYTES, err);

	if (rc < 0)
		return rc;
	if (strncmp(raw.data, "object ", 7) != 0)
		return cs_err_set(err, CS_CORRUPT, "a tag without object");
	hex = cs_strndup(raw.data + 7, strcspn(raw.data + 7, "\n"));
	rc = cs_oid_parse(out, hex);
	return rc < 0 ? cs_err_set(err, CS_CORRUPT, "a tag without object") : 0;
}

/* Through tags, to what they are about. */
static int peel(struct cs_oid *out, enum cs_object_type *type, const struct cs_repo *repo,
		const struct cs_oid *oid, struct cs_err *err)
{
	struct cs_oid at = *oid;

	for (int depth = 0; depth < TAG_DEPTH; depth++) {
		uint64_t size = 0;
		int rc = cs_repo_object_info(type, &size, repo, &at, err);

		if (rc == 0 && *type != CS_OBJ_TAG) {
			*out = at;
			return 0;
		}
		if (rc == 0)
			rc = tag_target(&at, repo, &at, err);
		if (rc < 0)
			return rc;
	}
	return cs_err_set(err, CS_LIMIT, "a tag of a tag, more than %d deep", TAG_DEPTH);
}

/* ---- branches ---- */

static int deleted(struct scene *s)
{
	if (is_protected(s) && !s->opts->local)
		say(s, weight_of(s), "deleted", NULL);
	return 0;
}

static int branch(struct scene *s, struct cs_err *err)
{
	enum cs_object_type type = CS_OBJ_NONE;
	uint64_t size;
	int rc;

	if (!strcasecmp(s->u->ref, "refs/heads/HEAD")) {
		say(s, CS_GATE_DENY, "bad-name", NULL);
		return 0;
	}
	if (!s->u->new_oid.len)
		return deleted(s);
	rc = cs_repo_object_info(&type, &size, s->opts->repo, &s->u->new_oid, err);
	if (rc < 0)
		return rc;
	if (type != CS_OBJ_COMMIT) {
		say(s, CS_GATE_DENY, "not-a-commit", NULL);
		return 0;
	}
	*s->tip = s->u->new_oid;
	s->go_on = true;
	return 0;
}

/* ---- tags ---- */

/* A short name means the tag before it means the branch: `git merge main` would take the tag. */
static int hides_branch(bool *out, const struct scene *s, struct cs_err *err)
{
	AUTO_FREE char *branch = cs_asprintf("refs/heads/%s", s->u->ref + strlen("refs/tags/"));
	struct gate_settings settings = { 0 };
	struct cs_oid oid;
	int rc = 0;

	*out = false;
	if (!s->opts->server || cs_repo_read_ref(&oid, s->opts->repo, branch, NULL) == CS_NOTFOUND)
		return 0;
	rc = gate_settings_find(&settings, s->opts, branch, false, err);
	*out = rc == 0 && settings.section && settings.require != GATE_REQUIRE_NONE;
	gate_settings_release(&settings);
	return rc;
}

static int tag(struct scene *s, struct cs_err *err)
{
	enum cs_object_type type = CS_OBJ_NONE;
	struct cs_range range = CS_RANGE_INIT;
	struct cs_range_opts opts = { .n_include = 1, .max_count = 1 };
	struct cs_oid target;
	bool hides = false;
	int rc;

	if (!s->u->new_oid.len)
		return deleted(s);
	rc = hides_branch(&hides, s, err);
	if (rc < 0)
		return rc;
	if (hides)
		say(s, CS_GATE_DENY, "bad-name", "a tag of this name hides a protected branch");
	if (is_protected(s) && s->u->old_oid.len && !cs_oid_equal(&s->u->old_oid, &s->u->new_oid))
		say(s, weight_of(s), "history-rewritten", "a protected tag may not be moved");
	rc = peel(&target, &type, s->opts->repo, &s->u->new_oid, err);
	if (rc < 0)
		return rc;
	if (type != CS_OBJ_COMMIT) {
		say(s, is_protected(s) ? weight_of(s) : CS_GATE_WARN, "not-a-commit", NULL);
		return 0;
	}
	*s->tip = target;
	s->go_on = is_protected(s);
	if (s->go_on)
		return 0;
	opts.include = &target;
	opts.exclude = s->opts->landed;
	opts.n_exclude = s->opts->n_landed;
	rc = cs_repo_range(&range, s->opts->repo, &opts, err);
	if (rc == 0 && range.n && s->opts->server)
		say(s, CS_GATE_WARN, "tag-not-landed", NULL);
	cs_range_release(&range);
	return rc;
}

/* ---- ours ---- */

static int notes(struct scene *s, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	int rc;

	if (!s->opts->server)
		return 0;
	if (!s->u->new_oid.len) {
		say(s, CS_GATE_DENY, "notes-lost", NULL);
		return 0;
	}
	if (!s->u->old_oid.len)
		return 0;
	rc = cs_notes_lossless(s->opts->repo, &s->u->old_oid, &s->u->new_oid, &why);
	if (rc == CS_REFUSED) {
		say(s, CS_GATE_DENY, "notes-lost", NULL);
		return 0;
	}
	return rc < 0 ? cs_err_set(err, why.code, "%s", why.msg) : 0;
}

static int record(struct scene *s, struct cs_err *err)
{
	(void)err;
	if (s->opts->server && s->u->old_oid.len && !cs_oid_equal(&s->u->old_oid, &s->u->new_oid))
		say(s, CS_GATE_DENY, "record-rewritten", NULL);
	return 0;
}

static int replacement(struct scene *s, struct cs_err *err)
{
	(void)err;
	if (s->u->new_oid.len)
		say(s, s->opts->server ? CS_GATE_DENY : CS_GATE_WARN, "replace", NULL);
	return 0;
}

static int other_notes(struct scene *s, struct cs_err *err)
{
	(void)s;
	(void)err;
	return 0;
}

static int other(struct scene *s, struct cs_err *err)
{
	if (s->settings->section)
		return branch(s, err);
	if (s->opts->server)
		say(s, CS_GATE_DENY, "namespace", NULL);
	return 0;
}

static const struct {
	const char *prefix;
	int (*judge)(struct scene *s, struct cs_err *err);
} kinds[] = {
	{ "refs/notes/agent-run/", notes },
	{ "refs/notes/", other_notes },
	{ "refs/agent-run/", record },
	{ "refs/replace/", replacement },
	{ "refs/heads/", branch },
	{ "refs/tags/", tag },
	{ "", other },
};

static int ignores_case(bool *out, const struct cs_gate_opts *opts, struct cs_err *err)
{
	AUTO_FREE char *value = NULL;
	int rc;

	*out = false;
	rc = cs_repo_config(&value, opts->repo, "core.ignoreCase", err);
	*out = rc == 0 && value &&
	       (!strcasecmp(value, "true") || !strcasecmp(value, "yes") ||
		!strcasecmp(value, "on") || !strcmp(value, "1"));
	return rc;
}

/*
 * Where names differ only in case and mean one file, "Main" is "main": what applies is the section
 * that is found without case, and if only that one does, a new reference of the name is refused,
 * since the one that it would write is the protected one. Whether it is such a place costs a
 * process: git is asked only where the answer matters.
 */
static int find_settings(bool *variant, const struct scene *s, struct cs_err *err)
{
	struct gate_settings exact = { 0 };
	struct gate_settings *found = s->settings;
	bool ignore_case = false;
	bool same;
	int rc = gate_settings_find(&exact, s->opts, s->u->ref, false, err);

	*variant = false;
	if (rc == 0 && s->opts->server)
		rc = gate_settings_find(found, s->opts, s->u->ref, true, err);
	same = !s->opts->server || !found->section ||
	       (exact.section && !strcmp(exact.section, found->section));
	if (rc == 0 && !same)
		rc = ignores_case(&ignore_case, s->opts, err);
	if (rc == 0 && ignore_case) {
		*variant = !s->u->old_oid.len;
	} else {
		gate_settings_release(found);
		*found = exact;
		exact = (struct gate_settings){ 0 };
	}
	gate_settings_release(&exact);
	return rc;
}

static bool is_ref_name(const char *ref)
{
	const size_t len = strlen(ref);

	return !strncmp(ref, "refs/", 5) && !strstr(ref, "//") && !strstr(ref, "..") &&
	       !strstr(ref, "@{") && ref[len - 1] != '/' && ref[len - 1] != '.' &&
	       !strpbrk(ref, " ~^:?*[\\\177\n\t");
}

int gate_refs(bool *go_on, struct cs_gate_report *r, struct gate_settings *settings,
	      const struct cs_gate_opts *opts, const struct cs_gate_update *u, struct cs_oid *tip,
	      struct cs_err *err)
{
	struct scene s = { r, settings, opts, u, tip, false };
	bool variant = false;
	int rc;

	*go_on = false;
	if (!is_ref_name(u->ref))
		return cs_err_set(err, CS_REFUSED, "not the full name of a reference");
	if (!u->old_oid.len && !u->new_oid.len)
		return cs_err_set(err, CS_REFUSED, "an update from nothing to nothing");
	rc = find_settings(&variant, &s, err);
	if (rc < 0)
		return rc;
	if (variant) {
		say(&s, CS_GATE_DENY, "case-variant", NULL);
		return 0;
	}
	for (size_t i = 0; i < CS_COUNT(kinds); i++) {
		if (strncmp(u->ref, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
			continue;
		rc = kinds[i].judge(&s, err);
		break;
	}
	*go_on = rc == 0 && s.go_on;
	return rc;
}
