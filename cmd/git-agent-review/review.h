/* SPDX-License-Identifier: Apache-2.0 */
/* git agent-review: the parts of the program. */
#ifndef GIT_AGENT_REVIEW_H
#define GIT_AGENT_REVIEW_H

#include "countersign/attest.h"
#include "countersign/record.h"
#include "countersign/remote.h"

#define PROGRAM "git-agent-review"

struct review_args {
	bool sign_off, request_changes, revoke, sensitive, yes, json;
	const char *target, *message, *key;
	struct cs_strv paths;
};

/* What is reviewed. Life: zeroed, subject_find, release. */
struct subject {
	struct cs_repo *repo;
	struct cs_remote remote;
	struct cs_signoff signoff; /* all but decision, times and comment */
	struct cs_change shown;	   /* the same transitions, with their objects */
	struct cs_run_info info;   /* of the run; else empty */
	struct cs_strv sensitive;  /* paths of it that [review] sensitive names */
};
int subject_find(struct subject *s, const struct review_args *args, const char *spec,
		 struct cs_err *err) CS_CHECKED;
void subject_release(struct subject *s);
/*
 * What will be signed, escaped: header, findings, earlier verdicts, transitions, diff; through the
 * user's pager, which has ended when this returns. As JSON: countersign.review/v1.
 */
int show(const struct subject *s, const struct review_args *args, const char *key,
	 struct cs_err *err) CS_CHECKED;

#endif
