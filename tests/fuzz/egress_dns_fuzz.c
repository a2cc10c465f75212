/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of the name stub: what is looked up is well-formed, and every answer fits. */
#include "../../lib/egress/dns.h"

#include <stdlib.h>
#include <string.h>
#include "../../lib/egress/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cs_dns_query q;
	enum cs_dns_rcode rcode = CS_DNS_NOERROR;
	enum cs_dns_verdict verdict = cs_dns_parse(&q, &rcode, data, size);
	struct in_addr addr = { 0 };
	struct cs_dns_data answer = { .a = &addr };
	char canonical[CS_NAME_MAX + 1];
	uint8_t out[CS_DNS_MAX_OUT];

	if (verdict == CS_DNS_DROP)
		return 0;
	if (verdict == CS_DNS_LOOKUP && q.host[0] &&
	    (!cs_name_canonical(canonical, q.host, strlen(q.host)) || strcmp(canonical, q.host)))
		abort();
	if (cs_dns_answer(out, &q, rcode, verdict == CS_DNS_LOOKUP ? &answer : NULL) > sizeof(out))
		abort();
	answer = (struct cs_dns_data){ .ptr = q.host };
	if (q.host[0] && cs_dns_answer(out, &q, CS_DNS_NOERROR, &answer) > sizeof(out))
		abort();
	/* An answer is no query. */
	if (cs_dns_parse(&q, &rcode, out, cs_dns_answer(out, &q, rcode, NULL)) != CS_DNS_DROP)
		abort();
	cs_dns_reverse(&addr, q.host);
	return 0;
}
