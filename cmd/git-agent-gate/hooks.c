/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git says to its hooks, and `verify`, which asks the same. Every line of standard input is
 * judged before anything is answered; one denial, or one line that cannot be read, refuses all.
 */
#include "gate.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/record.h"

#define NOTES	"refs/notes/agent-run/"
#define FETCHED "refs/agent-run-remote/"
#define RECORDS "refs/agent-run/"

/* Zeroes are git's "nothing". */
static int parse_oid(struct cs_oid *out, const char *hex, struct cs_err *err)
{
	*out = (struct cs_oid){ 0 };
	if (*hex && strspn(hex, "0") == strlen(hex))
		return 0;
	return cs_oid_parse(out, hex) < 0 ? cs_err_set(err, CS_CORRUPT, "no object id from git")
					  : 0;
}

/* Splits a line at blanks into exactly n words; in place. */
static bool split(char *line, char **words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *blank = strchr(line, ' ');

		if (!*line || (i + 1 < n) != (blank != NULL))
			return false;
		words[i] = line;
		if (blank) {
			*blank = '\0';
			line = blank + 1;
		}
	}
	return true;
}

typedef int (*each_line)(struct place *p, char *line, struct cs_err *err);

static int each(struct place *p, const struct cs_buf *input, each_line fn, struct cs_err *err)
{
	AUTO_FREE char *copy = cs_strndup(input->data, input->len);
	char *line = copy;
	int rc = 0;

	if (strlen(copy) != input->len)
		return cs_err_set(err, CS_CORRUPT, "a NUL from git");
	while (rc == 0 && *line) {
		char *lf = strchr(line, '\n');

		if (lf)
			*lf = '\0';
		rc = fn(p, line, err);
		line = lf ? lf + 1 : line + strlen(line);
	}
	return rc;
}

int run_chained(struct place *p, const struct cs_strv *operands, const struct cs_buf *input,
		struct cs_err *err)
{
	AUTO_STRV struct cs_strv argv = CS_STRV_INIT;
	AUTO_FD int fd = -1;
	struct cs_spawn spec = CS_SPAWN_INIT;
	int status = 0;
	pid_t pid;
	int rc;

	if (!p->args->chain || access(p->args->chain, F_OK) < 0)
		return 0;
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0 || cs_write_all(fd, input->data, input->len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return cs_err_sys(err, "%s", p->args->chain);
	{
		AUTO_FREE char *path = realpath(p->args->chain, NULL);

		cs_strv_add(&argv, path ? path : p->args->chain);
	}
	for (size_t i = 0; i < operands->n; i++)
		cs_strv_add(&argv, operands->v[i]);
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)environ;
	spec.stdin_fd = fd;
	spec.stdout_fd = STDOUT_FILENO;
	spec.stderr_fd = STDERR_FILENO;
	rc = cs_spawn_start(&pid, &spec, err);
	if (rc < 0)
		return rc;
	if (waitpid(pid, &status, 0) < 0)
		return cs_err_sys(err, "%s", p->args->chain);
	p->denied |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return 0;
}

/* ---- a server ---- */

static int receive_words(struct update *u, char *line, struct cs_err *err)
{
	char *w[3];
	int rc;

	if (!split(line, w, 3))
		return cs_err_set(err, CS_CORRUPT, "a line from git that is none");
	u->ref = w[2];
	rc = parse_oid(&u->old_oid, w[0], err);
	return rc < 0 ? rc : parse_oid(&u->new_oid, w[1], err);
}

/* git writes through a symbolic reference: what it is a name of is what is updated. */
static int judge_received(struct place *p, struct update *u, struct cs_err *err)
{
	AUTO_FREE char *to = NULL;
	int rc = cs_repo_symbolic(&to, p->repo, u->ref, err);

	if (to)
		u->ref = to;
	return rc < 0 ? rc : judge(p, u, err);
}

/* Sign-offs may come with the push that needs them; the notes are judged as every reference. */
static int find_incoming(struct place *p, char *line, struct cs_err *err)
{
	struct update u;
	int rc = receive_words(&u, line, err);

	if (rc == 0 && !strcmp(u.ref, CS_NOTES_REVIEW))
		p->notes[2] = u.new_oid;
	return rc;
}

static int receive_line(struct place *p, char *line, struct cs_err *err)
{
	struct update u;
	int rc = receive_words(&u, line, err);

	return rc < 0 ? rc : judge_received(p, &u, err);
}

int hook_receive(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_BUF struct cs_buf input = CS_BUF_INIT;
	int rc = cs_read_fd(&input, STDIN_FILENO, HOOK_INPUT_MAX, err);

	if (rc == 0)
		rc = each(p, &input, find_incoming, err);
	if (rc == 0)
		rc = each(p, &input, receive_line, err);
	return rc < 0 || p->denied ? rc : run_chained(p, operands, &input, err);
}

int hook_update(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	const struct cs_buf nothing = CS_BUF_INIT;
	struct update u = { .ref = operands->v[0] };
	int rc = parse_oid(&u.old_oid, operands->v[1], err);

	if (rc == 0)
		rc = parse_oid(&u.new_oid, operands->v[2], err);
	if (rc == 0)
		rc = judge_received(p, &u, err);
	return rc < 0 || p->denied ? rc : run_chained(p, operands, &nothing, err);
}

/* ---- a client ---- */

/* "<local ref> <local id> <remote ref> <remote id>" */
static int push_line(struct place *p, char *line, struct cs_err *err)
{
	struct update u;
	char *w[4];
	int rc;

	if (!split(line, w, 4))
		return cs_err_set(err, CS_CORRUPT, "a line from git that is none");
	u.ref = w[2];
	rc = parse_oid(&u.new_oid, w[1], err);
	if (rc == 0)
		rc = parse_oid(&u.old_oid, w[3], err);
	cs_strv_add(&p->pushed, u.ref);
	return rc < 0 ? rc : judge(p, &u, err);
}

static int fetch_notes(struct place *p, const char *from, struct cs_err *err)
{
	AUTO_FREE char *spec = cs_asprintf("+" NOTES "*:" FETCHED "%s/notes/*",
					   p->remote.name ? p->remote.name : "here");
	int status = 0;
	int rc = cs_user_git(NULL, &status, p->repo,
			     (const char *[]){ "fetch", "--quiet", "--no-tags",
					       "--no-write-fetch-head", "--no-recurse-submodules",
					       from, spec, NULL },
			     err);

	if (rc == 0 && status != 0)
		rc = cs_err_set(err, CS_MALFUNCTION, "cannot fetch the notes");
	return rc;
}

/* Ours with theirs, so that a push of them is a fast-forward. */
static int merge_notes(struct place *p, const struct cs_strv *refs, struct cs_err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *email = NULL;
	int rc = cs_repo_identity(&name, &email, p->repo, err);

	for (size_t i = 0; rc == 0 && i < refs->n; i++) {
		const char *ref = refs->v[i];
		AUTO_FREE char *fetched = NULL;
		struct cs_oid theirs;

		if (strncmp(ref, NOTES, sizeof(NOTES) - 1) != 0)
			continue;
		fetched =
			cs_asprintf(FETCHED "%s/notes/%s", p->remote.name, ref + sizeof(NOTES) - 1);
		if (cs_repo_read_ref(&theirs, p->repo, fetched, NULL) == 0)
			rc = cs_notes_merge(p->repo, ref, &theirs, name, email, err);
	}
	return rc;
}

/* --no-verify: this push is the gate's own, and its hook would be us. */
static int push_refs(bool *done, struct place *p, const char *url, const struct cs_strv *refs,
		     struct cs_err *err)
{
	AUTO_STRV struct cs_strv args = CS_STRV_INIT;
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	int status = 0, rc;

	for (const char *const *a = (const char *[]){ "push", "--quiet", "--no-verify", url, NULL };
	     *a; a++)
		cs_strv_add(&args, *a);
	for (size_t i = 0; i < refs->n; i++)
		cs_strv_add(&args, refs->v[i]);
	rc = cs_user_git(&out, &status, p->repo, (const char *const *)args.v, err);
	*done = rc == 0 && status == 0;
	return rc;
}

/* "refs/agent-run/7f/7f3a...": a refspec for all records that begin like it, each once. */
static int add_records(void *arg, const char *name, const struct cs_oid *oid)
{
	struct cs_strv *refs = arg;
	const char *id = name + sizeof(RECORDS "7f/") - 1;
	AUTO_FREE char *spec = NULL;

	(void)oid;
	if (strlen(name) != sizeof(RECORDS "7f/") - 1 + CS_RUN_ID_HEX - 1 || !cs_run_id_valid(id))
		return 0;
	spec = cs_asprintf(RECORDS "%.2s/*:" RECORDS "%.2s/*", id, id);
	if (!cs_strv_has(refs, spec))
		cs_strv_add(refs, spec);
	return 0;
}

/*
 * What goes with a push: sign-offs always, since it may need them; with record.share = statements
 * the runs' signed statements too; with all the whole records.
 */
static int find_shared(struct cs_strv *refs, struct place *p, struct cs_err *err)
{
	const char *const notes[] = { CS_NOTES_REVIEW, CS_NOTES_PROVENANCE };
	AUTO_POLICY struct cs_policy *policy = NULL;
	struct cs_oid tip;
	const char *word;
	int rc = load_user_policy(&policy, p, err);

	if (rc < 0)
		return rc;
	word = cs_policy_str(policy, "record.share");
	for (size_t i = 0; i < CS_COUNT(notes); i++) {
		/* What this push brings itself would be there before it. */
		if ((i > 0 && (!word || !strcmp(word, "none"))) ||
		    cs_strv_has(&p->pushed, notes[i]))
			continue;
		if (cs_repo_read_ref(&tip, p->repo, notes[i], NULL) == 0)
			cs_strv_add(refs, notes[i]);
	}
	if (!word || strcmp(word, "all") != 0)
		return 0;
	return cs_repo_each_ref(p->repo, RECORDS, add_records, refs, err);
}

/* A failure only warns: where the server needs the notes, it refuses by itself. */
static void share(struct place *p, const char *url)
{
	AUTO_STRV struct cs_strv refs = CS_STRV_INIT;
	struct cs_err err = CS_ERR_INIT;
	bool done = false;
	int rc = p->remote.name ? find_shared(&refs, p, &err) : 0;

	if (rc == 0 && !refs.n)
		return;
	for (int attempt = 0; rc == 0 && !done && attempt < 3; attempt++) {
		rc = push_refs(&done, p, url, &refs, &err);
		if (rc == 0 && !done)
			rc = fetch_notes(p, url, &err);
		if (rc == 0 && !done)
			rc = merge_notes(p, &refs, &err);
	}
	if (!done) {
		AUTO_FREE char *why = cs_escape_line(rc < 0 ? err.msg : "the remote refused them");

		fprintf(stderr, PROGRAM ": warning: sign-offs were not shared: %s\n", why);
	}
}

/*
 * Somebody else may have signed meanwhile: before a refusal the remote is asked once. Where that is
 * not possible, or there is nothing new, it stays one.
 */
static int ask_again(struct place *p, const struct cs_buf *input, const char *url,
		     struct cs_err *err)
{
	const struct cs_oid before = p->notes[1];
	struct cs_err ignored = CS_ERR_INIT;

	if (!p->remote.name || fetch_notes(p, url, &ignored) < 0 || find_fetched(p, &ignored) < 0 ||
	    cs_oid_equal(&before, &p->notes[1]))
		return 0;
	p->denied = false;
	cs_buf_truncate(&p->said, 0);
	return each(p, input, push_line, err);
}

int hook_push(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	AUTO_BUF struct cs_buf input = CS_BUF_INIT;
	int rc = cs_read_fd(&input, STDIN_FILENO, HOOK_INPUT_MAX, err);

	if (rc == 0)
		rc = each(p, &input, push_line, err);
	if (rc == 0 && p->denied)
		rc = ask_again(p, &input, operands->v[1], err);
	if (rc == 0 && !p->denied)
		rc = run_chained(p, operands, &input, err);
	if (rc == 0 && !p->denied && input.len)
		share(p, operands->v[1]);
	return rc;
}

/* ---- verify ---- */

int verify(struct place *p, const struct cs_strv *operands, struct cs_err *err)
{
	struct update u = { 0 };
	AUTO_FREE char *tracking = NULL;
	struct cs_oid tree;
	int rc = 0;

	u.ref = cs_strdup(p->args->ref ? p->args->ref : p->default_ref ? p->default_ref : "");
	tracking = cs_remote_tracking(&p->remote, u.ref);
	if (!*u.ref)
		rc = cs_err_set(err, CS_USAGE, "which reference? Give --ref refs/heads/<branch>");
	if (rc == 0 && p->args->fetch)
		rc = p->remote.name ? fetch_notes(p, p->remote.name, err)
				    : cs_err_set(err, CS_USAGE, "there is no remote");
	if (rc == 0 && p->args->fetch)
		rc = find_fetched(p, err);
	if (rc == 0 && operands->n == 2)
		rc = cs_repo_resolve(&u.old_oid, &tree, p->repo, operands->v[0], err);
	else if (rc == 0 && tracking && cs_repo_read_ref(&u.old_oid, p->repo, tracking, NULL) < 0)
		u.old_oid.len = 0;
	if (rc == 0)
		rc = cs_repo_resolve(&u.new_oid, &tree, p->repo,
				     operands->n ? operands->v[operands->n - 1] : "HEAD", err);
	if (rc == 0)
		rc = judge(p, &u, err);
	free(u.ref);
	return rc;
}
