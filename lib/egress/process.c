/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what happens in which order, and why.
 *
 *	1. quiet	own session (no terminal signals), default signal handlers, an empty
 *			environment (the owner's may hold keys), no core files
 *	2. descriptors	all but ours closed: the owner's locks, terminals and sockets are not ours
 *	3. user		the run's uid when root; from here PDEATHSIG holds
 *	4. resolver	forked while we still may fork; it confines itself
 *	5. listeners	bound. Ports below 1024 need no capability of ours: who has the euid that
 *			made the user namespace of a network namespace has all capabilities there,
 *			and the run's uid made it. So this works after step 3, as root and as a user.
 *	6. files, calls	nothing may be opened any more
 *	7. ready	the owner hears of success, and only then is any byte from inside read
 *
 * The end: the owner closes its direction of the channel (every connection is closed, its event
 * delivered), or it dies: PDEATHSIG, and the life pipe for what PDEATHSIG cannot see.
 */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "channel.h"
#include "confine.h"
#include "listen.h"
#include "relay.h"
#include "resolve.h"
#include "route.h"
#include "rules.h"
#include "stub.h"

#define MAX_DESCRIPTORS 16384 /* 2,048 listeners, 1,024 connections with up to 17 tries each */
#define FIXED_NAMES	128   /* written-out names that listen from the start; others on demand */
#define FLUSH_MS	2000

extern char **environ;

struct process {
	const struct cs_egress_opts *opts;
	struct cs_loop *loop;
	struct cs_channel *channel;
	struct cs_resolver *resolver;
	struct cs_listeners *listeners;
	struct cs_stub *stub;
	struct cs_relay *relay;
	int route_fd;
	bool has_ipv6; /* inside */
	int landlock_abi;
};

/* ---- steps 1 and 2 ----------------------------------------------------------------------- */

static void forget_environment(void)
{
	for (char **e = environ; e && *e; e++)
		explicit_bzero(*e, strlen(*e));
	if (environ)
		*environ = NULL;
}

static int quiet(struct cs_err *err)
{
	struct rlimit files, none = { 0 };
	sigset_t empty;

	setsid(); /* fails only for a group leader, which a forked child is not */
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, signo == SIGPIPE ? SIG_IGN : SIG_DFL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	forget_environment();
	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return cs_err_sys(err, "resource limits");
	if (files.rlim_cur < MAX_DESCRIPTORS) {
		files.rlim_cur =
			files.rlim_max < MAX_DESCRIPTORS ? files.rlim_max : MAX_DESCRIPTORS;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			return cs_err_sys(err, "resource limits");
	}
	return 0;
}

static int keep_sockets(const struct cs_egress_sockets *s, int channel_fd, int life_fd,
			struct cs_err *err)
{
	int keep[CS_EGRESS_TCP4 + CS_EGRESS_TCP6 + 4];
	size_t n = 0;

	for (size_t i = 0; i < CS_EGRESS_TCP4; i++)
		if (s->tcp4[i] >= 0)
			keep[n++] = s->tcp4[i];
	for (size_t i = 0; i < CS_EGRESS_TCP6; i++)
		if (s->tcp6[i] >= 0)
			keep[n++] = s->tcp6[i];
	if (s->udp4 >= 0)
		keep[n++] = s->udp4;
	if (s->diag >= 0)
		keep[n++] = s->diag;
	keep[n++] = channel_fd;
	keep[n++] = life_fd;
	return cs_egress_confine_descriptors(keep, n, err);
}

/* ---- the end ----------------------------------------------------------------------------- */

static _Noreturn void on_owner_dead(void *arg, int fd, uint32_t events)
{
	(void)arg;
	(void)fd;
	(void)events;
	_exit(0);
}

static _Noreturn void on_stop(void *arg)
{
	struct process *p = arg;

	cs_fault("relay-stops");
	cs_relay_end(p->relay, "the run has ended");
	cs_channel_flush(p->channel, FLUSH_MS);
	_exit(0);
}

/* ---- the owner's side -------------------------------------------------------------------- */

static void on_answer(void *arg, const struct cs_egress_answer *answer)
{
	struct process *p = arg;

	cs_relay_answer(p->relay, answer);
}

static void on_crowded(void *arg, bool crowded)
{
	struct process *p = arg;

	cs_listeners_pause(p->listeners, crowded);
	cs_stub_pause(p->stub, crowded);
}

/* ---- step 5 ------------------------------------------------------------------------------ */

static int listen_at(struct process *p, const char *addr, const struct cs_egress_rule *rule,
		     struct cs_err *err)
{
	struct cs_target ports[2];
	size_t n = cs_rule_ports(ports, rule);

	for (size_t i = 0; i < n; i++) {
		struct cs_listener wanted = { .port = ports[i].port,
					      .host = rule->host,
					      .rule = rule,
					      .fixed = true,
					      .fn = cs_relay_accept,
					      .arg = p->relay };
		int rc = CS_USAGE;

		if (cs_ip_parse(&wanted.addr, addr))
			rc = cs_listeners_open(p->listeners, &wanted, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int listen_for(struct process *p, const struct cs_egress_rule *rule, size_t *fixed_names,
		      struct cs_err *err)
{
	int rc;

	if (rule->literal)
		return listen_at(p, rule->host, rule, err);
	if (cs_rule_is_localhost(rule)) {
		rc = listen_at(p, "127.0.0.1", rule, err);
		return rc == 0 && p->has_ipv6 ? listen_at(p, "::1", rule, err) : rc;
	}
	if (!cs_rule_is_plain(rule) || *fixed_names >= FIXED_NAMES)
		return 0;
	++*fixed_names;
	return cs_stub_open_name(p->stub, rule->host, true, err);
}

static int listen_all(struct process *p, struct cs_egress_sockets *sockets, struct cs_err *err)
{
	struct cs_stub_config config = { .loop = p->loop,
					 .channel = p->channel,
					 .rules = p->opts->rules,
					 .n_rules = p->opts->n_rules,
					 .on_connection = cs_relay_accept,
					 .arg = p->relay };
	int udp_fd = cs_steal_fd(&sockets->udp4);
	size_t fixed_names = 0;
	int rc;

	p->has_ipv6 = sockets->tcp6[0] >= 0;
	rc = cs_listeners_new(&p->listeners, p->loop, sockets, err);
	config.listeners = p->listeners;
	if (rc == 0)
		rc = cs_stub_new(&p->stub, &config, udp_fd, err);
	for (size_t i = 0; rc == 0 && i < p->opts->n_rules; i++) {
		const struct cs_egress_rule *rule = &p->opts->rules[i];

		rc = listen_for(p, rule, &fixed_names, err);
		if (rc < 0)
			cs_err_wrap(err, "%s: network rule '%s'", rule->origin ? rule->origin : "",
				    rule->host);
	}
	return rc;
}

/* ---- all steps --------------------------------------------------------------------------- */

static int prepare(struct process *p, struct cs_egress_sockets *sockets, int channel_fd,
		   int life_fd, pid_t parent, struct cs_err *err)
{
	static const char *const no_files[] = { NULL };
	struct cs_channel_ops ops = {
		.on_answer = on_answer, .on_crowded = on_crowded, .on_end = on_stop, .arg = p
	};
	int resolver_abi;
	int rc = quiet(err);

	if (rc == 0)
		rc = keep_sockets(sockets, channel_fd, life_fd, err);
	if (rc == 0)
		rc = cs_egress_confine_user(p->opts->uid, p->opts->gid, parent, err);
	if (rc == 0)
		rc = cs_loop_new(&p->loop, err);
	if (rc == 0)
		rc = cs_route_open(&p->route_fd, err);
	if (rc == 0)
		rc = cs_resolver_start(&p->resolver, &resolver_abi, p->loop, err);
	if (rc == 0)
		rc = cs_channel_new(&p->channel, p->loop, channel_fd, &ops, err);
	if (rc == 0)
		rc = cs_loop_add(p->loop, life_fd, 0, on_owner_dead, p,
				 err); /* HUP always counts */
	if (rc < 0)
		return rc;
	p->relay = cs_relay_new(p->loop, p->channel, p->resolver, p->route_fd,
				cs_steal_fd(&sockets->diag));
	rc = listen_all(p, sockets, err);
	if (rc == 0)
		rc = cs_egress_confine_files(&p->landlock_abi, no_files, err);
	if (rc == 0)
		rc = cs_egress_confine_calls(CS_EGRESS_ROLE_RELAY, err);
	return rc;
}

_Noreturn void cs_egress_process(const struct cs_egress_opts *opts,
				 struct cs_egress_sockets *sockets, int channel_fd, int life_fd,
				 pid_t parent)
{
	struct process p = { .opts = opts, .route_fd = -1 };
	struct cs_egress_ready ready = { 0 };
	struct cs_err err = CS_ERR_INIT;

	cs_fault("relay-begins");
	ready.code = prepare(&p, sockets, channel_fd, life_fd, parent, &err);
	cs_fault("relay-confined");
	ready.landlock_abi = p.landlock_abi;
	memcpy(ready.msg, err.msg, sizeof(ready.msg) - 1);
	if (send(channel_fd, &ready, sizeof(ready), MSG_NOSIGNAL) != sizeof(ready) ||
	    ready.code < 0)
		_exit(1);
	cs_fault("relay-ready");
	for (;;)
		if (cs_loop_step(p.loop, -1, &err) < 0)
			_exit(1);
}
