/* SPDX-License-Identifier: Apache-2.0 */
/* git agent-gate: judges pushes, in hooks and on request; installs the hooks. */
#include "gate.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "countersign/base/options.h"

#define EXIT_DENIED	 1
#define EXIT_USAGE	 2
#define EXIT_MALFUNCTION 125

#define OPT(member) offsetof(struct gate_args, member)
static const struct cs_option install_options[] = {
	{ 0, "server", CS_OPT_FLAG, OPT(server), NULL,
	  "pre-receive, for a repository others push to" },
	{ 0, "local", CS_OPT_FLAG, OPT(local), NULL,
	  "guard the clone's own branches too: pre-merge-commit, reference-transaction" },
	{ 0, "template", CS_OPT_FLAG, OPT(template), NULL,
	  "for every clone to come, by git's init.templateDir" },
	{ 0, "repository", CS_OPT_LIST, OPT(repositories), "<name>",
	  "what sign-offs call this repository: host/path" },
	{ 0 },
};
static const struct cs_option server_option[] = {
	{ 0, "server", CS_OPT_FLAG, OPT(server), NULL, "the hook of a server: pre-receive" },
	{ 0 },
};
static const struct cs_option status_options[] = {
	{ 0, "server", CS_OPT_FLAG, OPT(server), NULL, "the hook of a server: pre-receive" },
	{ 0, "json", CS_OPT_FLAG, OPT(json), NULL, "print JSON" },
	{ 0 },
};
static const struct cs_option verify_options[] = {
	{ 0, "ref", CS_OPT_TEXT, OPT(ref), "<ref>", "the reference to be updated, in full" },
	{ 0, "remote", CS_OPT_TEXT, OPT(remote), "<name>", "the remote it belongs to" },
	{ 0, "fetch", CS_OPT_FLAG, OPT(fetch), NULL, "fetch the remote's sign-offs first" },
	{ 0, "json", CS_OPT_FLAG, OPT(json), NULL, "print JSON (countersign.gate/v1)" },
	{ 0 },
};
static const struct cs_option hook_options[] = {
	{ 0, "chain", CS_OPT_TEXT, OPT(chain), "<file>", "a hook to run behind this one" },
	{ 0 },
};

static const struct cs_command commands[] = {
	{ .verb = "install", .about = "put the hooks in place", .options = install_options },
	{ .verb = "uninstall", .about = "restore what was there", .options = server_option },
	{ .verb = "status",
	  .about = "tell whether the hooks are reached",
	  .options = status_options },
	{ .verb = "verify",
	  .about = "judge what a push would be judged for",
	  .options = verify_options,
	  .operands = "[[<old>] <new>]",
	  .max_operands = 2 },
	{ .verb = "pre-push",
	  .about = "the hook of a clone, called by git",
	  .options = hook_options,
	  .operands = "<remote> <url>",
	  .min_operands = 2,
	  .max_operands = 2 },
	{ .verb = "pre-merge-commit",
	  .about = "the same for a clone's own merge, called by git",
	  .options = hook_options },
	{ .verb = "reference-transaction",
	  .about = "the same for a clone's own branches, called by git",
	  .options = hook_options,
	  .operands = "<state>",
	  .min_operands = 1,
	  .max_operands = 1 },
	{ .verb = "pre-receive",
	  .about = "the hook of a server, called by git",
	  .options = hook_options },
	{ .verb = "update",
	  .about = "the same for one reference, called by git",
	  .options = hook_options,
	  .operands = "<ref> <old> <new>",
	  .min_operands = 3,
	  .max_operands = 3 },
	{ 0 },
};
static const struct cs_program program = { PROGRAM, commands, EXIT_USAGE };

static const struct {
	const char *verb;
	int (*fn)(struct place *p, const struct cs_strv *operands, struct cs_err *err);
	bool server, judges;
} verbs[] = {
	{ "pre-push", hook_push, false, true },
	{ "pre-receive", hook_receive, true, true },
	{ "update", hook_update, true, true },
	{ "verify", verify, false, true },
	{ "install", install, false, false },
	{ "uninstall", uninstall, false, false },
	{ "status", hook_status, false, false },
	{ "pre-merge-commit", hook_merge, false, true },
	{ "reference-transaction", hook_transaction, false, false },
};

/* countersign.repository, all values, of the repository's own configuration. */
static int add_names(struct place *p, struct cs_err *err)
{
	static const char key[] = "countersign.repository\n";
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	const struct cs_git_call call = {
		.git_dir = cs_repo_git_dir(p->repo),
		.args = (const char *[]){ "config", "--local", "--list", "-z", NULL },
	};
	int rc = cs_git(&list, &call, err);

	for (size_t at = 0; rc == 0 && at < list.len; at += strlen(list.data + at) + 1)
		if (!strncmp(list.data + at, key, sizeof(key) - 1))
			cs_strv_add(&p->repositories, list.data + at + sizeof(key) - 1);
	return rc;
}

static int open_server(struct place *p, struct cs_err *err)
{
	AUTO_BUF struct cs_buf head = CS_BUF_INIT;
	AUTO_FREE char *path = cs_asprintf("%s/HEAD", cs_repo_common_dir(p->repo));
	AUTO_FREE char *self = cs_repository_name(cs_repo_common_dir(p->repo));
	int rc = cs_read_file(&head, AT_FDCWD, path, 4096, err);

	if (rc < 0)
		return rc;
	if (!strncmp(head.data, "ref: ", 5))
		p->default_ref = cs_strndup(head.data + 5, strcspn(head.data + 5, "\n"));
	cs_strv_add(&p->repositories, self);
	return add_names(p, err);
}

static int open_client(struct place *p, const char *name, const char *url, struct cs_err *err)
{
	int rc = cs_remote_find(&p->remote, p->repo, name, url, err);

	if (rc < 0)
		return rc;
	if (p->remote.default_ref)
		p->default_ref = cs_strdup(p->remote.default_ref);
	cs_strv_add(&p->repositories, p->remote.repository);
	return 0;
}

/* Notes that cannot be read may hold what takes a sign-off back: only their absence is none. */
static int find_notes(struct cs_oid *out, const struct cs_repo *repo, const char *name,
		      struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	int rc = cs_repo_read_ref(out, repo, name, &why);

	if (rc == CS_NOTFOUND)
		out->len = 0;
	else if (rc < 0)
		return cs_err_set(err, rc, "%s", why.msg);
	return 0;
}

int find_fetched(struct place *p, struct cs_err *err)
{
	AUTO_FREE char *ref =
		cs_asprintf(FETCHED "%s/notes/review", p->remote.name ? p->remote.name : "here");

	return find_notes(&p->notes[1], p->repo, ref, err);
}

int place_ready(struct place *p, const char *remote, const char *url, struct cs_err *err)
{
	int rc = p->server ? open_server(p, err) : open_client(p, remote, url, err);

	if (rc == 0)
		rc = find_notes(&p->notes[0], p->repo, CS_NOTES_REVIEW, err);
	if (rc == 0 && !p->server)
		rc = find_fetched(p, err);
	if (rc == 0)
		rc = find_notes(&p->provenance, p->repo, CS_NOTES_PROVENANCE, err);
	return rc;
}

static int open_place(struct place *p, const struct cs_options *parsed, bool server, bool judges,
		      struct cs_err *err)
{
	const bool push = !strcmp(parsed->command->verb, "pre-push");
	int rc = server ? cs_repo_open_quarantine(&p->repo, ".", getenv("GIT_DIR"),
						  getenv("GIT_OBJECT_DIRECTORY"), err)
			: cs_repo_open(&p->repo, ".", getenv("GIT_DIR"), err);

	p->server = server;
	if (rc == 0 && judges && p->args->json)
		p->reports = cJSON_CreateArray();
	if (rc < 0 || !judges)
		return rc;
	return place_ready(p, push ? parsed->operands.v[0] : p->args->remote,
			   push ? parsed->operands.v[1] : NULL, err);
}

static void close_place(struct place *p)
{
	if (p->reports) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;

		cs_json_print(&text, p->reports, true);
		puts(text.data);
	}
	fputs(p->said.data, stderr);
	cs_buf_release(&p->said);
	cJSON_Delete(p->reports);
	cs_strv_release(&p->repositories);
	cs_strv_release(&p->pushed);
	cs_remote_release(&p->remote);
	free(p->default_ref);
	cs_repo_free(p->repo);
}

static int work(bool *denied, const struct gate_args *args, const struct cs_options *parsed,
		struct cs_err *err)
{
	struct place p = { .args = args, .said = CS_BUF_INIT };
	int rc = cs_err_set(err, CS_USAGE, "no such verb");

	if (args->template) {
		*denied = false;
		return install_template(args, err);
	}
	for (size_t i = 0; i < CS_COUNT(verbs); i++) {
		if (strcmp(verbs[i].verb, parsed->command->verb) != 0)
			continue;
		rc = open_place(&p, parsed, verbs[i].server, verbs[i].judges, err);
		if (rc == 0)
			rc = verbs[i].fn(&p, &parsed->operands, err);
	}
	*denied = p.denied;
	close_place(&p);
	return rc;
}

int main(int argc, char **argv)
{
	AUTO_OPTIONS struct cs_options parsed = CS_OPTIONS_INIT;
	AUTO_BUF struct cs_buf say_out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf say_err = CS_BUF_INIT;
	AUTO_FREE char *why = NULL;
	struct gate_args args = { 0 };
	struct cs_err err = CS_ERR_INIT;
	bool denied = true;
	int rc, status;

	status = cs_options_begin(&parsed, &args, &say_out, &say_err, &program, argc, argv);
	fputs(say_out.data, stdout);
	fputs(say_err.data, stderr);
	if (status >= 0)
		return status;
	rc = work(&denied, &args, &parsed, &err);
	cs_strv_release(&args.repositories);
	if (rc == 0)
		return denied ? EXIT_DENIED : 0;
	why = cs_escape_line(err.msg);
	fprintf(stderr, PROGRAM ": %s\n", why);
	if (rc == CS_USAGE || rc == CS_NOTFOUND)
		return EXIT_USAGE;
	return rc == CS_REFUSED ? EXIT_DENIED : EXIT_MALFUNCTION;
}
