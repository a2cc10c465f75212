/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that the agent may refresh while it runs: lib/record/logins.c. */
#include "run.h"

int login_remember(const struct run *run, struct cs_err *err)
{
	return cs_run_remember_logins(&run->dir, &run->profile.home_back, err);
}

static void told(void *arg, const char *path, const struct cs_err *why)
{
	struct run *run = arg;
	struct cs_err err = CS_ERR_INIT;
	cJSON *event;

	if (why) {
		note("~/%s is not copied back: %s", path, why->msg);
		return;
	}
	note("~/%s: the agent refreshed this login, it is copied back", path);
	event = cJSON_CreateObject();
	cs_json_add_str(event, "path", path);
	if (cs_log_add(run->log, "home.back", event, &err) < 0)
		note("%s", err.msg);
}

void login_return(struct run *run)
{
	cs_run_return_logins(&run->dir, run->operator.home, told, run);
}
