/* SPDX-License-Identifier: Apache-2.0 */
/* The name server of a run: CS_EGRESS_SELF port 53, UDP and TCP. */
#ifndef CS_EGRESS_STUB_H
#define CS_EGRESS_STUB_H

#include "channel.h"
#include "listen.h"
#include "rules.h"

struct cs_stub;

struct cs_stub_config { /* all borrowed */
	struct cs_loop *loop;
	struct cs_channel *channel;
	struct cs_listeners *listeners;
	const struct cs_egress_rule *rules;
	size_t n_rules;
	cs_accept_fn on_connection; /* of the listeners that names bring */
	void *arg;
};

/* Takes udp_fd, on failure too. Binds and listens. */
int cs_stub_new(struct cs_stub **out, const struct cs_stub_config *config, int udp_fd,
		struct cs_err *err) CS_CHECKED;
/* Listens for a written-out name now; fixed: for the whole run. The listeners' errors. */
int cs_stub_open_name(struct cs_stub *stub, const char *host, bool fixed,
		      struct cs_err *err) CS_CHECKED;
/* Reads no queries, or goes on. */
void cs_stub_pause(struct cs_stub *stub, bool pause);
void cs_stub_free(struct cs_stub *stub);

#endif
