/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of others: run.json and events.jsonl. What is accepted prints as JSON that is accepted
 * again and prints the same; a log that verifies has the head that its last line has; a title is
 * one line; a message ends in our trailers whatever the agent wrote.
 */
#include <assert.h>
#include <string.h>
#include "../../lib/record/record_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(struct cs_buf *out, const struct cs_run_info *info)
{
	AUTO_JSON cJSON *json = cs_run_info_to_json(info);

	cs_json_print(out, json, false);
}

static void try_run_json(const char *data, size_t size)
{
	AUTO_JSON cJSON *json = NULL;
	AUTO_JSON cJSON *again = NULL;
	AUTO_BUF struct cs_buf first = CS_BUF_INIT;
	AUTO_BUF struct cs_buf second = CS_BUF_INIT;
	struct cs_run_info info;
	int rc;

	cs_run_info_init(&info);
	if (cs_json_parse(&json, data, size, NULL) == 0 &&
	    cs_run_info_from_json(&info, json, NULL) == 0) {
		print(&first, &info);
		rc = cs_json_parse(&again, first.data, first.len, NULL);
		assert(rc == 0);
		rc = cs_run_info_from_json(&info, again, NULL);
		assert(rc == 0);
		print(&second, &info);
		assert(!strcmp(first.data, second.data));
		(void)rc;
	}
	cs_run_info_release(&info);
}

static void try_log(const char *data, size_t size)
{
	char head[CS_SHA256_HEX], want[CS_SHA256_HEX];
	uint8_t digest[CS_SHA256_LEN];
	const char *last;
	int64_t events;

	if (cs_log_verify(&events, head, data, size, NULL) < 0 || !size)
		return;
	assert(data[size - 1] == '\n');
	last = memrchr(data, '\n', size - 1);
	last = last ? last + 1 : data;
	cs_sha256(digest, last, (size_t)(data + size - 1 - last));
	cs_hex(want, digest, sizeof(digest));
	assert(!strcmp(head, want));
}

static void try_message(const char *text)
{
	static const char id[CS_RUN_ID_HEX] = "0123456789abcdef0123456789abcdef";
	AUTO_BUF struct cs_buf title = CS_BUF_INIT;
	AUTO_BUF struct cs_buf message = CS_BUF_INIT;
	AUTO_FREE char *copy = cs_strdup(text);
	const struct cs_agent_commit commits[] = { { .message = copy }, { .message = copy } };
	struct cs_run_info info;

	cs_title_clean(&title, text);
	assert(title.len <= 200 && !strpbrk(title.data, "\r\n") &&
	       strncmp(title.data, "---", 3) != 0);
	cs_run_info_init(&info);
	memcpy(info.id, id, sizeof(id));
	info.title = cs_strdup(text);
	info.profile = cs_strdup("x");
	cs_change_message(&message, &info, commits, 2);
	for (char *line = strtok(strchr(message.data, '\n'), "\n"), *next; line; line = next) {
		next = strtok(NULL, "\n");
		assert(!strncmp(line, "  ", 2) || !strncmp(line, "The agent's own", 15) ||
		       (!strncmp(line, "Agent-Run: 0123", 15) && next &&
			!strcmp(next, "Assisted-by: x")) ||
		       (!next && !strcmp(line, "Assisted-by: x")));
	}
	cs_run_info_release(&info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = cs_strndup((const char *)data, size);

	try_run_json((const char *)data, size);
	try_log((const char *)data, size);
	try_message(text);
	return 0;
}
