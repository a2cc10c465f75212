/* SPDX-License-Identifier: Apache-2.0 */
/* The event log, read from its start in bounded memory, and single lines of it again. */
#include "view.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LOG_FILE "events.jsonl"

bool is_type(const cJSON *event, const char *type)
{
	return !strcmp(cs_json_str(event, "type", ""), type);
}

bool is_allowed(const cJSON *event)
{
	return !strcmp(cs_json_str(event, "decision", "deny"), "allow");
}

int64_t event_time(const cJSON *event, int64_t started_ns)
{
	int64_t at_ns;

	if (cs_time_parse(&at_ns, cs_json_str(event, "t", "")) < 0)
		return 0;
	return at_ns - started_ns;
}

int read_log(int *fd, const struct log *log, const struct cs_run_info *info, each_event *each,
	     void *arg, struct cs_err *err)
{
	struct cs_err why = CS_ERR_INIT;
	char head[CS_SHA256_HEX] = "";
	int64_t events;
	int rc = cs_run_open(fd, log->repo, log->state_dir, info->id, LOG_FILE, err);

	if (rc < 0)
		return rc;
	rc = cs_log_scan(&events, head, *fd, info->state == CS_RUN_RUNNING, each, arg, &why);
	if (rc < 0 && rc != CS_CORRUPT && rc != CS_LIMIT)
		return cs_err_set(err, rc, "%s", why.msg);
	if (rc == 0 && *info->trace_head && strcmp(head, info->trace_head) != 0)
		rc = cs_err_set(&why, CS_CORRUPT, "it is not the log that the record names");
	if (rc < 0) {
		AUTO_FREE char *line = cs_escape_line(why.msg);

		fprintf(stderr, "git-agent-log: warning: event log damaged: %s\n", line);
	}
	return 0;
}

cJSON *read_event(int fd, struct cs_log_place at)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	cJSON *event = NULL;

	cs_buf_reserve(&line, at.len);
	while (line.len < at.len) {
		ssize_t n = pread(fd, line.data + line.len, at.len - line.len,
				  at.offset + (int64_t)line.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		line.len += (size_t)n;
	}
	return cs_json_parse(&event, line.data, line.len, NULL) == 0 ? event : NULL;
}
