/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One capture, from left to right:
 *
 *	confined reader --list--> checks --contents--> blobs --> tree
 *	confined reader --commits--> text
 *
 * The first reader must do well, or there is no capture; the second reads the agent's object
 * store, and whatever becomes of it is at most a finding. The caller's process never opens a file
 * of the layer but to give its owner the right to read it.
 */
#include "run.h"

#include <string.h>
#include <unistd.h>
#include "open_up.h"
#include "writer.h"

#define DEADLINE_MS	    (30 * 60 * 1000)
#define COMMITS_DEADLINE_MS 20000
#define COMMITS_MEMORY	    (1u << 30)
#define COMMITS_CPU_S	    20

/* Rounds of opening up directories of mode 000 inside of each other; deeper ones are findings. */
#define ROUNDS 8

struct capture {
	const struct cs_capture_opts *opts;
	struct reader reader; /* what the children get */
	uid_t owner;	      /* of the layer */
	char base[CS_OID_HEX], base_tree[CS_OID_HEX];
	struct cs_strv gitlinks;
	int layer_fd, pristine_fd;
};

/* ---- submodules that the base names ---------------------------------------------------------- */

/*
 * What is named here the reader need not look into closely. Nothing depends on it: the writer holds
 * every path against the base's tree.
 */
static int read_gitmodules(struct capture *c, struct cs_err *err)
{
	AUTO_SUBMODULES struct cs_submodules list = CS_SUBMODULES_INIT;
	int rc = cs_repo_submodules(&list, c->opts->repo, &c->opts->tree, err);

	for (size_t i = 0; i < list.n; i++)
		cs_strv_add(&c->gitlinks, list.list[i].path);
	return rc;
}

/* ---- the list -------------------------------------------------------------------------------- */

static int read_list(struct list *list, struct stream *s, struct cs_err *err)
{
	struct frame f;
	int rc = 0;

	while (!rc && !list->ended) {
		rc = stream_next(&f, s, err);
		if (!rc)
			rc = list_add(list, &f, err);
	}
	return rc < 0 ? rc : list_check(list, err);
}

/* Starts readers until one could read everything, or nothing more can be opened up. */
static int start_reader(struct list *list, struct stream *s, struct capture *c, reader_fn fn,
			struct cs_err *err)
{
	const struct stream_opts opts = {
		.uid = geteuid() == 0 ? c->opts->uid : (uid_t)-1,
		.gid = c->opts->gid,
		.deadline_ms = c->opts->deadline_ms ? c->opts->deadline_ms
						    : (int)cs_fake("capture_ms", DEADLINE_MS),
	};

	for (int round = 1;; round++) {
		int rc = stream_open(s, &opts, &c->reader, fn, err);

		if (!rc)
			rc = read_list(list, s, err);
		if (rc < 0)
			return rc;
		if (round == ROUNDS || !list->closed.n ||
		    !open_up(c->layer_fd, &list->closed, c->owner))
			break;
		stream_release(s);
		*s = (struct stream)STREAM_INIT;
		list_release(list);
	}
	for (size_t i = 0; i < list->closed.n; i++)
		cs_finding_add(&list->findings, capture_kind_word(KIND_UNREADABLE),
			       list->closed.v[i], "its mode forbids to read it: not captured");
	return 0;
}

static int check_size(const struct capture *c, const struct list *list, struct cs_err *err)
{
	uint64_t max = c->opts->max_bytes;

	if (!max || list->bytes <= max)
		return 0;
	return cs_err_set(err, CS_LIMIT, "the change has %llu bytes of content, more than %llu",
			  (unsigned long long)list->bytes, (unsigned long long)max);
}

/* ---- the agent's commits --------------------------------------------------------------------- */

/* Never a failure: what goes wrong is told, and what was listed until then is kept. */
static void read_commits(struct list *out, struct capture *c, reader_fn fn)
{
	int deadline_ms = c->opts->deadline_ms;
	const struct stream_opts opts = {
		.uid = geteuid() == 0 ? c->opts->uid : (uid_t)-1,
		.gid = c->opts->gid,
		.deadline_ms = deadline_ms && deadline_ms < COMMITS_DEADLINE_MS
				       ? deadline_ms
				       : COMMITS_DEADLINE_MS,
		.max_memory = COMMITS_MEMORY,
		.max_cpu_s = COMMITS_CPU_S,
	};
	struct list commits = LIST_INIT;
	AUTO_STREAM struct stream s = STREAM_INIT;
	struct cs_err err = CS_ERR_INIT;
	char stand_in[CS_OID_HEX];
	int rc;

	if (!*out->head || !strcmp(out->head, c->base) ||
	    !strcmp(out->head, cs_oid_hex(stand_in, &c->opts->stand_in)))
		return;
	c->reader.head = out->head;
	rc = stream_open(&s, &opts, &c->reader, fn, &err);
	if (!rc)
		rc = read_list(&commits, &s, &err);
	if (!rc)
		rc = stream_finish(&s, &err);
	if (!rc && (commits.n || commits.closed.n || *commits.head))
		rc = cs_err_set(&err, CS_CORRUPT, "the reader sent what is no commit");
	if (rc < 0)
		cs_finding_add(&out->findings, capture_kind_word(KIND_AGENT_COMMITS), ".git",
			       "the list of commits may be incomplete: %s", err.msg);
	for (size_t i = 0; i < commits.findings.n; i++) {
		const struct cs_finding *f = &commits.findings.list[i];

		cs_finding_add(&out->findings, f->kind, f->path, "%s", f->detail);
	}
	out->commits = cs_steal(&commits.commits);
	out->n_commits = commits.n_commits;
	commits.n_commits = 0;
	list_release(&commits);
}

/* ---- all ------------------------------------------------------------------------------------- */

static int prepare(struct capture *c, struct cs_err *err)
{
	const struct cs_capture_opts *o = c->opts;
	int rc;

	c->owner = geteuid() == 0 ? o->uid : geteuid();
	cs_oid_hex(c->base, &o->commit);
	cs_oid_hex(c->base_tree, &o->tree);
	rc = open_top(&c->layer_fd, o->layer, err);
	if (!rc)
		rc = open_top(&c->pristine_fd, o->pristine, err);
	if (!rc)
		rc = read_gitmodules(c, err);
	c->reader = (struct reader){
		.out_fd = -1,
		.layer_fd = c->layer_fd,
		.pristine_fd = c->pristine_fd,
		.overlay = o->overlay,
		.gitlinks = &c->gitlinks,
		.user_excludes = o->user_excludes,
		.oid_len = o->commit.len,
		.max_entries = o->max_entries && o->max_entries < LIST_ENTRIES_MAX
				       ? o->max_entries
				       : LIST_ENTRIES_MAX,
		.base = c->base,
		.base_tree = c->base_tree,
		.out = CS_BUF_INIT,
	};
	return rc;
}

static void hand_over(struct cs_capture *out, struct list *list, const struct cs_oid *tree)
{
	out->tree = *tree;
	out->findings = list->findings;
	list->findings = (struct cs_findings)CS_FINDINGS_INIT;
	out->commits = cs_steal(&list->commits);
	out->n_commits = list->n_commits;
	list->n_commits = 0;
	out->files = list->n;
	out->bytes = list->bytes;
}

int capture_run(struct cs_capture *out, const struct cs_capture_opts *opts, reader_fn list_fn,
		reader_fn commits_fn, struct cs_err *err)
{
	struct capture c = { .opts = opts, .layer_fd = -1, .pristine_fd = -1 };
	struct list list = LIST_INIT;
	AUTO_STREAM struct stream s = STREAM_INIT;
	struct cs_oid tree;
	int rc = prepare(&c, err);

	if (!rc)
		rc = start_reader(&list, &s, &c, list_fn, err);
	if (!rc)
		rc = check_size(&c, &list, err);
	if (!rc)
		rc = writer_run(&tree, opts, &list, &s, err);
	if (!rc) {
		read_commits(&list, &c, commits_fn);
		hand_over(out, &list, &tree);
	}
	list_release(&list);
	cs_strv_release(&c.gitlinks);
	cs_close(&c.layer_fd);
	cs_close(&c.pristine_fd);
	return rc < 0 ? cs_err_wrap(err, "capture") : 0;
}

int cs_capture(struct cs_capture *out, const struct cs_capture_opts *opts, struct cs_err *err)
{
	return capture_run(out, opts, reader_main, reader_commits, err);
}

void cs_capture_release(struct cs_capture *capture)
{
	cs_findings_release(&capture->findings);
	for (size_t i = 0; i < capture->n_commits; i++)
		free(capture->commits[i].message);
	free(capture->commits);
	*capture = (struct cs_capture)CS_CAPTURE_INIT;
}
