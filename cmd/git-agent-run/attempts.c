/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to addresses that the run's network does not have, and to ports of permitted hosts that no
 * rule permits: the kernel refuses them at once, so the relay never sees them, and only the call
 * tells of them. The address was read from the caller's memory: "verified": false.
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

static const char no_way[] = "there is no way to this address; a rule must name it";
static const char no_port[] = "no rule allows this port of this host";

/* Loopback, the address that the name stub has, and none at all. */
static bool is_own(const uint8_t *a, bool v4)
{
	static const uint8_t self[4] = { 198, 18, 0, 1 }; /* CS_EGRESS_SELF */
	static const uint8_t none[16];
	static const uint8_t one[16] = { [15] = 1 };

	if (v4)
		return a[0] == 127 || memcmp(a, none, 4) == 0 || memcmp(a, self, 4) == 0;
	return memcmp(a, none, 16) == 0 || memcmp(a, one, 16) == 0;
}

/* An address that stands for a name. Connecting by UDP there is how some resolvers sort addresses. */
static const char *refusal_of_name(const char **host, const struct report *r, struct in_addr addr,
				   const struct cs_trace_connect *c)
{
	struct cs_egress_opts opts = { .rules = r->run->rules, .n_rules = r->run->n_rules };
	const char *name = peers_name(r->peers, addr);

	if (name)
		*host = name;
	if (c->type != SOCK_STREAM || (name && cs_egress_allows(&opts, name, c->port)))
		return NULL;
	return name ? no_port : no_way;
}

static bool has_port(const struct cs_egress_rule *rule, uint16_t port)
{
	return rule->port ? rule->port == port : port == 80 || port == 443;
}

/* NULL: something can be there. Else why there is nothing; *host: whom the address stands for. */
static const char *refusal(const char **host, const struct report *r,
			   const struct cs_trace_connect *c)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	bool v4 = c->family == AF_INET;
	const uint8_t *a = c->addr;
	const char *why = no_way;
	uint8_t literal[16];
	struct in_addr addr;

	if (!v4 && memcmp(a, mapped, sizeof mapped) == 0) {
		a += sizeof mapped;
		v4 = true;
	}
	if (is_own(a, v4))
		return NULL;
	memcpy(&addr, a, sizeof addr);
	if (v4 && a[0] == 198 && (a[1] & 0xfe) == 18) /* CS_EGRESS_NET */
		return refusal_of_name(host, r, addr, c);
	for (size_t i = 0; i < r->run->n_rules; i++) {
		const struct cs_egress_rule *rule = &r->run->rules[i];

		if (!rule->literal ||
		    inet_pton(v4 ? AF_INET : AF_INET6, rule->host, literal) != 1 ||
		    memcmp(literal, a, v4 ? 4 : 16) != 0)
			continue;
		if (has_port(rule, c->port))
			return NULL;
		why = no_port;
	}
	return why;
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
		cs_json_add_str(o, "host", a->host ? a->host : addr);
		cs_json_add_str(o, "addr", addr);
		cs_json_add_int(o, "port", a->port);
		cs_json_add_str(o, "proto", a->type == SOCK_STREAM ? "tcp" : "udp");
	} else {
		cs_json_add_str(o, "host", "further addresses");
	}
	cs_json_add_str(o, "decision", "deny");
	cs_json_add_str(o, "rule", NULL);
	cs_json_add_str(o, "reason", a ? a->why : no_way);
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
	char text[INET6_ADDRSTRLEN];
	const char *host = NULL;
	const char *why;
	struct attempt *a;

	peers_calls(r->peers, c);
	why = refusal(&host, r, c);
	if (!why)
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
	a->host = host;
	a->why = why;
	report_attempt(r, a, 1);
	if (!host)
		host = inet_ntop(c->family, c->addr, text, sizeof text);
	report_unreachable(r, host ? host : "?", c->port, why);
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
