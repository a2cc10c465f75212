/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to addresses that the run's network does not have: the kernel refuses them at once,
 * so the relay never sees them, and only the call tells of them. The address was read from the
 * caller's memory: "verified": false.
 *
 * A flood of them must not flood the log. In one period the first attempt of each (command,
 * address, port) is an event, up to ATTEMPTS_MAX of them; the rest is counted, and told as `times`
 * when the period ends. Periods that overflow double, up to a minute; quiet ones become short
 * again.
 */
#include "report.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define PERIOD_MAX_S 64

/* Loopback, the addresses that stand for names, and those that a rule writes out. */
static bool is_reachable(const struct run *run, const struct cs_trace_connect *c)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	static const uint8_t none[16];
	static const uint8_t one[16] = { [15] = 1 };
	const uint8_t *a = c->addr;
	uint8_t literal[16];
	bool v4 = c->family == AF_INET;

	if (!v4 && memcmp(a, mapped, sizeof mapped) == 0) {
		a += sizeof mapped;
		v4 = true;
	}
	for (size_t i = 0; i < run->n_rules; i++)
		if (run->rules[i].literal &&
		    inet_pton(v4 ? AF_INET : AF_INET6, run->rules[i].host, literal) == 1 &&
		    memcmp(literal, a, v4 ? 4 : 16) == 0)
			return true;
	if (v4)
		return a[0] == 127 || memcmp(a, none, 4) == 0 ||
		       (a[0] == 198 && (a[1] & 0xfe) == 18); /* CS_EGRESS_NET */
	return memcmp(a, none, 16) == 0 || memcmp(a, one, 16) == 0;
}

static bool same(const struct attempt *a, const struct cs_trace_connect *c, pid_t pid)
{
	return a->pid == pid && a->family == c->family && a->port == c->port &&
	       a->type == c->type && memcmp(a->addr, c->addr, sizeof a->addr) == 0;
}

static void report_attempt(struct report *r, const struct attempt *a, uint64_t times)
{
	char addr[INET6_ADDRSTRLEN] = "";
	cJSON *o = cJSON_CreateObject();

	if (a) {
		inet_ntop(a->family, a->addr, addr, sizeof addr);
		cs_json_add_int(o, "pid", a->pid);
		cs_json_add_str(o, "host", addr);
		cs_json_add_str(o, "addr", addr);
		cs_json_add_int(o, "port", a->port);
		cs_json_add_str(o, "proto", a->type == SOCK_STREAM ? "tcp" : "udp");
	} else {
		cs_json_add_str(o, "host", "further addresses");
	}
	cs_json_add_str(o, "decision", "deny");
	cs_json_add_str(o, "rule", NULL);
	cs_json_add_str(o, "reason", "there is no way to this address; a rule must name it");
	cs_json_add_bool(o, "verified", false);
	if (times > 1 || !a)
		cs_json_add_int(o, "times", (int64_t)times);
	report_add(r, "connect", o);
}

void report_connect(void *arg, const struct cs_trace_connect *c)
{
	struct report *r = arg;
	struct attempts *list = &r->attempts;
	pid_t pid = c->command ? c->command : c->pid;
	struct attempt *a;

	if (is_reachable(r->run, c))
		return;
	r->run->info.counts.connections++;
	r->run->info.counts.connections_denied++;
	for (size_t i = 0; i < list->n; i++) {
		if (!same(&list->list[i], c, pid))
			continue;
		list->list[i].more++;
		return;
	}
	if (list->n == CS_COUNT(list->list)) {
		list->unlisted++;
		return;
	}
	a = &list->list[list->n++];
	*a = (struct attempt){ .pid = pid, .family = c->family, .type = c->type, .port = c->port };
	memcpy(a->addr, c->addr, sizeof a->addr);
	report_attempt(r, a, 1);
	report_unreachable(r, c->family, c->addr, c->port);
}

void attempts_end_period(struct report *r, bool last)
{
	struct attempts *list = &r->attempts;

	if (!last && ++list->seconds < list->period_s)
		return;
	for (size_t i = 0; i < list->n; i++)
		if (list->list[i].more)
			report_attempt(r, &list->list[i], list->list[i].more);
	if (list->unlisted)
		report_attempt(r, NULL, list->unlisted);
	if (list->unlisted && list->period_s < PERIOD_MAX_S)
		list->period_s = list->period_s ? list->period_s * 2 : 2;
	else if (!list->unlisted)
		list->period_s /= 2;
	list->seconds = 0;
	list->n = 0;
	list->unlisted = 0;
}
