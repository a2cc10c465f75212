/* SPDX-License-Identifier: Apache-2.0 */
/* git agent-doctor: what this host can hold of what a run needs, and how to mend the rest. */
#include "doctor.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "countersign/base/options.h"

#define PROGRAM		 "git-agent-doctor"
#define EXIT_MISSING	 1
#define EXIT_USAGE	 2
#define EXIT_MALFUNCTION 125

struct doctor_opts {
	bool json;
};

static const struct cs_option options[] = {
	{ 0, "json", CS_OPT_FLAG, offsetof(struct doctor_opts, json), NULL, "print JSON" },
	{ 0 },
};
static const struct cs_command commands[] = {
	{ .about = "Try every layer of the sandbox, and say how to mend what is missing",
	  .options = options },
	{ 0 },
};
static const struct cs_program program = { PROGRAM, commands, EXIT_USAGE };

static void add_line(struct cs_buf *out, const char *first, const char *text, size_t len)
{
	cs_buf_adds(out, first);
	cs_escape_terminal(out, text, len, CS_ESCAPE_LINE);
	cs_buf_addc(out, '\n');
}

static void format_text(struct cs_buf *out, const struct cs_checks *checks)
{
	for (size_t i = 0; i < checks->n; i++) {
		const struct cs_check *c = &checks->v[i];
		AUTO_FREE char *head =
			cs_asprintf("%-8s %-20s", cs_check_level_name(c->level), c->name);

		add_line(out, head, c->text, strlen(c->text));
		for (const char *p = c->fix; p && *p;) {
			size_t len = strcspn(p, "\n");
			add_line(out, "         ", p, len);
			p += len + (p[len] == '\n');
		}
	}
}

static void format_json(struct cs_buf *out, const struct cs_checks *checks, bool good)
{
	AUTO_JSON cJSON *root = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(root, "checks");

	cs_json_add_str(root, "schema", "countersign.doctor/v1");
	cs_json_add_bool(root, "good", good);
	for (size_t i = 0; i < checks->n; i++) {
		const struct cs_check *c = &checks->v[i];
		cJSON *o = cJSON_CreateObject();

		cs_json_add_str(o, "name", c->name);
		cs_json_add_str(o, "level", cs_check_level_name(c->level));
		cs_json_add_bytes(o, "text", c->text, strlen(c->text));
		if (c->fix)
			cs_json_add_bytes(o, "fix", c->fix, strlen(c->fix));
		cJSON_AddItemToArray(list, o);
	}
	cs_json_print(out, root, true);
	cs_buf_addc(out, '\n');
}

static int examine(bool json)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_FREE char *dir = NULL;
	struct cs_checks checks = { 0 };
	struct cs_host host;
	bool good = true;
	uid_t uid;
	gid_t gid;

	cs_host_read(&host);
	cs_host_probe(&host);
	struct cs_checks repository = { 0 };
	repository_checks(&repository, &dir, &uid, &gid);
	trial_run(&host, dir, uid, gid);
	cs_host_judge(&checks, &host);
	for (size_t i = 0; i < repository.n; i++)
		cs_checks_add(&checks, repository.v[i].name, repository.v[i].level,
			      repository.v[i].text, repository.v[i].fix);
	cs_checks_release(&repository);
	for (size_t i = 0; i < checks.n; i++)
		good &= checks.v[i].level != CS_CHECK_MISSING;
	if (json)
		format_json(&out, &checks, good);
	else
		format_text(&out, &checks);
	cs_checks_release(&checks);
	if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
		return EXIT_MALFUNCTION;
	return good ? 0 : EXIT_MISSING;
}

int main(int argc, char **argv)
{
	AUTO_OPTIONS struct cs_options parsed = CS_OPTIONS_INIT;
	AUTO_BUF struct cs_buf say_out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf say_err = CS_BUF_INIT;
	struct doctor_opts opts = { 0 };
	int status = cs_options_begin(&parsed, &opts, &say_out, &say_err, &program, argc, argv);

	fputs(say_out.data, stdout);
	fputs(say_err.data, stderr);
	return status >= 0 ? status : examine(opts.json);
}
