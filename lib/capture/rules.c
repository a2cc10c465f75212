/* SPDX-License-Identifier: Apache-2.0 */
/* Ignore rules as the walk goes down and up, and the list of what they left out. */
#include "rules.h"

#include <errno.h>
#include <string.h>

void rules_init(struct rules *rules, const char *user_excludes)
{
	*rules = (struct rules){ 0 };
	cs_ignore_new(&rules->result);
	cs_ignore_new(&rules->base);
	if (user_excludes) {
		cs_ignore_add(rules->result, "", user_excludes, strlen(user_excludes));
		cs_ignore_add(rules->base, "", user_excludes, strlen(user_excludes));
	}
}

void rules_release(struct rules *rules)
{
	cs_ignore_free(rules->result);
	cs_ignore_free(rules->base);
}

struct rules_mark rules_mark(const struct rules *rules)
{
	return (struct rules_mark){
		.result = capture_ignore_mark(rules->result),
		.base = capture_ignore_mark(rules->base),
		.differ = rules->differ,
	};
}

void rules_rewind(struct rules *rules, const struct rules_mark *mark)
{
	capture_ignore_rewind(rules->result, mark->result);
	capture_ignore_rewind(rules->base, mark->base);
	rules->differ = mark->differ;
}

void rules_add(struct rules *rules, const char *dir, const struct cs_buf *result,
	       const struct cs_buf *base)
{
	if (result->len)
		cs_ignore_add(rules->result, dir, result->data, result->len);
	if (base->len)
		cs_ignore_add(rules->base, dir, base->data, base->len);
	if (result->len != base->len || memcmp(result->data, base->data, base->len) != 0)
		rules->differ = true;
}

bool rules_match(const struct rules *rules, const char *path, bool is_dir)
{
	return cs_ignore_match(rules->result, path, is_dir) ||
	       (rules->differ && cs_ignore_match(rules->base, path, is_dir));
}

int rules_read(struct cs_buf *out, int dir_fd, struct cs_err *err)
{
	struct stat st;
	AUTO_FD int fd = open_regular(&st, dir_fd, RULES_FILE);

	if (fd < 0 && errno == ENOENT)
		return cs_err_set(err, CS_NOTFOUND, "no rules");
	/* Links are not followed; git does not either. */
	if (fd < 0 && (errno == ELOOP || errno == EINVAL))
		return cs_err_set(err, CS_UNSUPPORTED, "not a regular file");
	if (fd < 0)
		return cs_err_sys(err, "open");
	return cs_read_fd(out, fd, RULES_FILE_MAX, err);
}

/* ---- what was ignored ------------------------------------------------------------------------ */

size_t ignored_open(struct ignored_list *l, const char *dir, const char *first)
{
	/* Far more than are shown: the rest counts with the last. */
	if (l->n == IGNORED_MAX)
		return l->n - 1;
	CS_GROW(l->list, l->n, l->cap);
	l->list[l->n] = (struct ignored){
		.dir = cs_strdup(dir),
		.first = first ? cs_strdup(first) : NULL,
	};
	return l->n++;
}

int ignored_send(const struct ignored_list *l, struct reader *r, struct cs_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < l->n && !rc; i++) {
		const struct ignored *e = &l->list[i];
		AUTO_FREE char *dir = cs_asprintf("%s/", *e->dir ? e->dir : ".");

		if (e->first && e->files == 1)
			rc = reader_finding(r, KIND_IGNORED, e->first, err, "not captured");
		else if (e->files)
			rc = reader_finding(r, KIND_IGNORED, dir, err, "%llu files not captured",
					    (unsigned long long)e->files);
	}
	return rc;
}

void ignored_release(struct ignored_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->list[i].dir);
		free(l->list[i].first);
	}
	free(l->list);
}
