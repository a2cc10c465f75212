/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles, and the operator's configuration of an agent: nothing found is out of its bounds. */
#include <stdlib.h>
#include "../../lib/agent/model.h"
#include "countersign/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void scan(const char *text, size_t len)
{
	AUTO_STRV struct cs_strv values = CS_STRV_INIT;

	cs_agent_scan(&values, text, len, "key");
	if (values.n > CS_AGENT_MAX_VALUES)
		abort();
	for (size_t i = 0; i < values.n; i++) {
		AUTO_FREE char *name = cs_agent_name_of(values.v[i]);
		struct cs_net_rule rule;
		char term[272];
		char host[256];

		if (!*values.v[i] || strchr(values.v[i], '\n') || (name && !*name))
			abort();
		if (cs_agent_host_of(term, values.v[i], true) == 0 &&
		    cs_net_rule_parse(&rule, host, term, NULL) < 0)
			abort();
	}
}

static void parse(const char *text, size_t len)
{
	CS_AUTO(cs_agent_file_release) struct cs_agent_file file = { 0 };

	if (cs_agent_file_parse(&file, "x", "o", "f", text, len, NULL) < 0)
		return;
	for (size_t i = 0; i < file.profile.home_copy.n; i++) {
		if (file.profile.home_copy.v[i][0] == '/' ||
		    !strncmp(file.profile.home_copy.v[i], "../", 3))
			abort();
	}
	cs_agent_look_up(&file, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len && data[0] % 2)
		scan((const char *)data + 1, len - 1);
	else if (len)
		parse((const char *)data + 1, len - 1);
	return 0;
}
