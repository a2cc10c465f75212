/* SPDX-License-Identifier: Apache-2.0 */
/* What happens in a run becomes events, counts and verdicts. */
#ifndef REPORT_H
#define REPORT_H

#include "run.h"

struct report {
	struct run *run;
	struct cs_err err; /* the first failure of ours: nothing is allowed any more */
};

void report_egress(struct report *r, const struct cs_egress_event *event);
enum cs_trace_verdict report_exec(void *arg, const struct cs_trace_exec *exec,
				  char reason[CS_TRACE_REASON_MAX]);
void report_exit(void *arg, const struct cs_trace_exit *end);
void report_trace_end(struct report *r, const struct cs_trace *trace);

/* rules.c: the strictest command rule that matches; NULL: none. */
const struct cs_command_rule *rule_for(const struct cs_policy *policy,
				       const struct cs_trace_exec *exec);

#endif
