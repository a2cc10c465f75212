/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git agent-review: shows exactly what will be signed, then signs it with the reviewer's own key
 * and attaches it as notes. What is signed is what was compared here; nothing is read twice.
 */
#include "review.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "countersign/base/options.h"

#define EXIT_REFUSED	 1
#define EXIT_USAGE	 2
#define EXIT_MALFUNCTION 125
#define MAX_PUB		 (64 << 10)

#define OPT(member) offsetof(struct review_args, member)
static const struct cs_option options[] = {
	{ 0, "sign-off", CS_OPT_FLAG, OPT(sign_off), NULL, "sign what is shown" },
	{ 0, "request-changes", CS_OPT_FLAG, OPT(request_changes), NULL,
	  "sign that it may not land as it is; needs -m" },
	{ 0, "revoke", CS_OPT_FLAG, OPT(revoke), NULL, "take your sign-offs of it back" },
	{ 0, "path", CS_OPT_LIST, OPT(paths), "<path>", "only this file or directory" },
	{ 0, "for", CS_OPT_TEXT, OPT(target), "<branch>", "where it may land" },
	{ 'm', NULL, CS_OPT_TEXT, OPT(message), "<why>", "a comment, signed too" },
	{ 0, "key", CS_OPT_TEXT, OPT(key), "<key>", "instead of user.signingKey" },
	{ 0, "sensitive", CS_OPT_FLAG, OPT(sensitive), NULL,
	  "acknowledge the paths marked SENSITIVE" },
	{ 0, "yes", CS_OPT_FLAG, OPT(yes), NULL, "do not ask" },
	{ 0, "json", CS_OPT_FLAG, OPT(json), NULL, "print JSON (countersign.review/v1)" },
	{ 0 },
};
static const struct cs_command commands[] = {
	{ .about = "review a run, a commit or a range",
	  .options = options,
	  .operands = "[<run>|<commit>|<range>]",
	  .max_operands = 1,
	  .flags = CS_COMMAND_LATEST },
	{ 0 },
};
static const struct cs_program program = { PROGRAM, commands, EXIT_USAGE };

/* The public keys in ~/.ssh, as values for user.signingKey; the caller frees. NULL: none. */
static char *list_keys(void)
{
	const char *home = getenv("HOME");
	AUTO_FREE char *dir = cs_asprintf("%s/.ssh", home ? home : "");
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_DIR DIR *d = home ? opendir(dir) : NULL;

	for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		const size_t len = strlen(e->d_name);
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;

		if (len < 5 || strcmp(e->d_name + len - 4, ".pub") != 0 ||
		    cs_read_file(&text, dirfd(d), e->d_name, MAX_PUB, NULL) < 0 ||
		    (strncmp(text.data, "ssh-", 4) != 0 && strncmp(text.data, "ecdsa-", 6) != 0 &&
		     strncmp(text.data, "sk-", 3) != 0))
			continue;
		cs_buf_addf(&out, "\tgit config --global user.signingKey ~/.ssh/%s\n", e->d_name);
	}
	return out.len ? cs_buf_take(&out) : NULL;
}

/* Which key is for its owner to say: nothing is guessed. */
static int no_key(struct cs_err *err)
{
	AUTO_FREE char *keys = list_keys();

	return cs_err_set(
		err, CS_USAGE,
		"no signing key: a verdict is signed with an SSH key of yours.\n%s%s"
		"%s"
		"With a security key (-t ed25519-sk) a touch shows that somebody was there.\n"
		"Who keeps the repository adds its public half to allowed_signers.",
		keys ? "Choose one of these:\n" : "Make one:\n", keys ? keys : "",
		keys ? "or make one:\n"
		       "\tssh-keygen -t ed25519 -f ~/.ssh/review\n"
		     : "\tssh-keygen -t ed25519 -f ~/.ssh/review\n"
		       "\tgit config --global user.signingKey ~/.ssh/review.pub\n");
}

static int find_key(char **out, const struct review_args *args, const struct cs_repo *repo,
		    struct cs_err *err)
{
	AUTO_FREE char *format = NULL;
	int rc;

	*out = args->key ? cs_strdup(args->key) : NULL;
	if (*out)
		return 0;
	rc = cs_repo_config(&format, repo, "gpg.format", err);
	/* Where it is not set git means OpenPGP, but a key of that kind is no path and no ssh-...
	 */
	if (rc == 0 && (!format || !strcmp(format, "ssh")))
		rc = cs_repo_config(out, repo, "user.signingKey", err);
	return rc < 0 || *out ? rc : no_key(err);
}

/* What was typed before the question was seen is no answer. */
static bool confirmed(const struct review_args *args, size_t n)
{
	char answer[16] = "";

	if (args->yes || !isatty(STDIN_FILENO))
		return true;
	fprintf(stderr, "Sign for %zu file%s? [y/N] ", n, n == 1 ? "" : "s");
	tcflush(STDIN_FILENO, TCIFLUSH);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* The statements about this change that the key of `line` signed. */
static int find_own(struct subject *s, const char *line, size_t len, struct cs_err *err)
{
	AUTO_BUF struct cs_buf notes = CS_BUF_INIT;
	struct cs_oid anchor, tip;
	int rc = cs_anchor_change(&anchor, NULL, s->signoff.change_digest, err);

	if (rc == 0)
		rc = cs_repo_read_ref(&tip, s->repo, CS_NOTES_REVIEW, err);
	if (rc == 0)
		rc = cs_notes_read(&notes, s->repo, &tip, &anchor, err);
	if (rc == 0)
		rc = cs_notes_read(&notes, s->repo, &tip, &s->signoff.commit, err);
	if (rc == 0)
		rc = cs_attest_own(&s->signoff.revokes, &notes, line, len, err);
	if (rc == 0 && !s->signoff.revokes.n)
		rc = cs_err_set(err, CS_NOTFOUND, "this key has signed nothing about it");
	return rc;
}

static int sign(struct cs_buf *line, const struct subject *s, const char *key, struct cs_err *err)
{
	AUTO_BUF struct cs_buf statement = CS_BUF_INIT;

	cs_signoff_format(&statement, &s->signoff);
	cs_buf_truncate(line, 0);
	return cs_attest_sign(line, statement.data, statement.len, CS_NS_REVIEW, key,
			      getenv("SSH_AUTH_SOCK"), err);
}

static int attach(const struct subject *s, const struct cs_buf *line, struct cs_err *err)
{
	struct cs_note notes[3] = { { s->signoff.commit, line->data, line->len } };
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *email = NULL;
	size_t n = 2;
	int rc = cs_repo_identity(&name, &email, s->repo, err);

	notes[1] = notes[2] = notes[0];
	if (rc == 0)
		rc = cs_anchor_change(&notes[1].object, s->repo, s->signoff.change_digest, err);
	if (rc == 0 && *s->signoff.run) {
		rc = cs_anchor_run(&notes[2].object, s->repo, s->signoff.run, err);
		n = 3;
	}
	if (rc < 0)
		return rc;
	return cs_notes_add(s->repo, CS_NOTES_REVIEW, notes, n, name, email, err);
}

static int decide(struct subject *s, const struct review_args *args, const char *key,
		  struct cs_err *err)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	int rc = 0;

	s->signoff.decision = args->sign_off	      ? CS_DECISION_SIGNED_OFF
			      : args->request_changes ? CS_DECISION_CHANGES_REQUESTED
						      : CS_DECISION_REVOKED;
	s->signoff.created_ns = cs_wall_ns();
	s->signoff.comment = args->message ? cs_strdup(args->message) : NULL;
	for (size_t i = 0; args->sensitive && i < s->signoff.change.n; i++)
		if (cs_strv_has(&s->sensitive, s->signoff.change.list[i].path))
			cs_strv_add(&s->signoff.acknowledged, s->signoff.change.list[i].path);
	if (s->sensitive.n && args->sign_off && !args->sensitive)
		fprintf(stderr, PROGRAM ": sensitive paths are not acknowledged: --sensitive\n");
	if (!confirmed(args, s->signoff.change.n))
		return cs_err_set(err, CS_REFUSED, "nothing was signed");
	rc = sign(&line, s, key, err);
	/* Only now is it known which key that was. */
	if (rc == 0 && args->revoke)
		rc = find_own(s, line.data, line.len, err);
	if (rc == 0 && args->revoke)
		rc = sign(&line, s, key, err);
	if (rc == 0)
		rc = attach(s, &line, err);
	if (rc == 0 && !args->json)
		printf("\n%s: %zu file%s, for %s\n", cs_decision_word(s->signoff.decision),
		       s->signoff.change.n, s->signoff.change.n == 1 ? "" : "s",
		       s->signoff.target_ref);
	return rc;
}

static int work(const struct review_args *args, const char *spec, struct cs_err *err)
{
	const int verdicts = args->sign_off + args->request_changes + args->revoke;
	struct subject s = { 0 };
	AUTO_FREE char *key = NULL;
	int rc;

	if (verdicts > 1)
		return cs_err_set(err, CS_USAGE, "one verdict at a time");
	if (args->request_changes && !args->message)
		return cs_err_set(err, CS_USAGE, "--request-changes needs -m <why>");
	rc = subject_find(&s, args, spec, err);
	if (rc == 0 && verdicts)
		rc = find_key(&key, args, s.repo, err);
	if (rc == 0)
		rc = show(&s, args, key, err);
	if (rc == 0 && verdicts)
		rc = decide(&s, args, key, err);
	subject_release(&s);
	return rc;
}

int main(int argc, char **argv)
{
	AUTO_OPTIONS struct cs_options parsed = CS_OPTIONS_INIT;
	AUTO_BUF struct cs_buf say_out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf say_err = CS_BUF_INIT;
	AUTO_BUF struct cs_buf why = CS_BUF_INIT;
	struct review_args args = { 0 };
	struct cs_err err = CS_ERR_INIT;
	int rc, status;

	status = cs_options_begin(&parsed, &args, &say_out, &say_err, &program, argc, argv);
	fputs(say_out.data, stdout);
	fputs(say_err.data, stderr);
	if (status >= 0)
		return status;
	rc = work(&args, parsed.operands.n ? parsed.operands.v[0] : NULL, &err);
	cs_strv_release(&args.paths);
	if (rc == 0)
		return 0;
	cs_escape_terminal(&why, err.msg, strlen(err.msg), CS_ESCAPE_TEXT);
	fprintf(stderr, PROGRAM ": %s\n", why.data);
	if (rc == CS_USAGE || rc == CS_NOTFOUND)
		return EXIT_USAGE;
	return rc == CS_REFUSED ? EXIT_REFUSED : EXIT_MALFUNCTION;
}
