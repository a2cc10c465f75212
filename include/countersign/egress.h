/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only way out of a run: a name stub and a relay in a process of their own, on the host side
 * of sockets that live in the run's network namespace.
 *
 * A name that a rule allows is answered with an address of CS_EGRESS_NET that stands for this
 * name for the whole run; the relay listens on that address and the rule's ports, so every
 * connection carries its name. It asks the owner (the supervisor) before it connects, resolves on
 * the host, refuses private, loopback, link-local and metadata addresses and the host's own unless
 * the rule names the address itself or `localhost`, connects to the address that it checked, and
 * passes the bytes on. TLS on the way must carry the same server name, plain HTTP the same Host:
 * in its first hello or head; what follows on the same connection, and what is inside TLS, is not
 * looked at.
 *
 * A literal rule ("127.0.0.1:8080", "10.0.0.5:5432", "localhost:11434") listens inside on that
 * very address; addresses outside 127.0.0.0/8 have to be put on lo by the sandbox
 * (cs_egress_addresses). What is said there is not looked at: the address is what is allowed.
 *
 * The process confines itself (no files but the resolver's, no exec, Landlock, seccomp) and dies
 * with the thread that started it. It reads hostile bytes and is a copy of its owner: start it
 * before secrets are read. It wipes the environment.
 */
#ifndef COUNTERSIGN_EGRESS_H
#define COUNTERSIGN_EGRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>
#include "countersign/base.h"

#define CS_EGRESS_NET	 "198.18.0.0" /* /15, RFC 2544 */
#define CS_EGRESS_PREFIX 15
#define CS_EGRESS_SELF	 "198.18.0.1" /* on lo; the name stub answers here, port 53 */

struct cs_egress_rule {
	/* lower case; "*.example.org" matches names below, not itself; "*" any name with a dot */
	const char *host;
	uint16_t port;	    /* 0: 80 and 443 */
	bool literal;	    /* an IPv4 or IPv6 address */
	const char *origin; /* named in events: "policy:12", "--allow-host", "profile codex" */
};

/*
 * Limits: rules 1,024; names of one run 4,096; hosts and ports with a listener at once 2,048 (of
 * wildcards the longest unused one makes way; its name has to be asked for again); connections at
 * once 1,024; queries a second 2,000. Beyond them is refused, with an event.
 */

enum cs_egress_event_type {
	CS_EGRESS_DNS = 1, /* a name was asked for (each name and decision once) */
	CS_EGRESS_CONNECT, /* a connection wants out: needs an answer */
	CS_EGRESS_REFUSED, /* a connection refused without asking: reason */
	CS_EGRESS_CLOSED,  /* exactly one for each CONNECT, answered or not: reason, bytes */
};

/* Fixed size: one SEQPACKET message. Every string is NUL-terminated, hostile bytes. */
struct cs_egress_event {
	uint32_t type;
	uint32_t allowed;    /* DNS; CLOSED: it was open, and no check ended it */
	uint64_t id;	     /* of the connection */
	char host[256];	     /* the name (or literal) asked for */
	uint16_t port;	     /* host byte order */
	uint16_t peer_port;  /* source port inside */
	char peer_addr[46];  /* source address inside */
	char local_addr[46]; /* address inside: connected to; DNS: that stands for the name */
	char addr[46];	     /* outside, once known */
	char origin[128];    /* the rule */
	char reason[160];    /* refused, failed or broken: why; "" for an orderly end */
	char proto[8];	     /* CLOSED: "tls", "http", "other"; "" where it was not looked at */
	uint64_t bytes_out;  /* agent to host */
	uint64_t bytes_in;
	uint64_t cookie; /* connections: SO_COOKIE of the socket inside; 0: not known */
};

struct cs_egress_answer {
	uint64_t id;
	uint32_t allow; /* 0 denies */
};

struct cs_egress_opts {
	const struct cs_egress_rule *rules;
	size_t n_rules;
	uid_t uid; /* becomes this user first, when root */
	gid_t gid;
};

/*
 * What the sandbox prepares in the new network namespace and hands over: unbound TCP sockets
 * (IPv4, then IPv6), one UDP socket (IPv4), for cs_egress_start; -1 where none. The relay makes
 * more out of two, so a few of each family do. The user that the relay becomes must own the network
 * namespace's user namespace (it binds ports below 1024 there). And a NETLINK_SOCK_DIAG socket, by
 * which the other end of a connection is found; without it no event has a cookie.
 */
#define CS_EGRESS_TCP4 96
#define CS_EGRESS_TCP6 8
struct cs_egress_sockets {
	int tcp4[CS_EGRESS_TCP4];
	int tcp6[CS_EGRESS_TCP6];
	int udp4;
	int diag;
};

/*
 * Adds the literal rules' addresses that the sandbox must put on lo, as text with their length
 * ("10.0.0.5/32", "fd00::5/128"), each once; loopback addresses are there already. CS_EGRESS_SELF
 * with CS_EGRESS_PREFIX has to be put there as well.
 */
void cs_egress_addresses(struct cs_strv *out, const struct cs_egress_opts *opts);

/* Whether a rule lets this name be reached on this port. Pure. */
bool cs_egress_allows(const struct cs_egress_opts *opts, const char *host, uint16_t port);

/* The sandbox's /etc/resolv.conf. Its nsswitch.conf should say "hosts: files dns". */
const char *cs_egress_resolv_conf(void);

struct cs_egress;
/*
 * Forks the process; binds the stub and what is known of the listeners before it returns, so
 * that the agent finds them. Takes the sockets (closed here, on failure too). Must be called from
 * the thread that lives as long as the run. CS_USAGE names the rule that is none.
 */
int cs_egress_start(struct cs_egress **out, const struct cs_egress_opts *opts,
		    struct cs_egress_sockets *sockets, struct cs_err *err) CS_CHECKED;
/* Readable when an event waits; borrowed. */
int cs_egress_fd(const struct cs_egress *egress);
pid_t cs_egress_pid(const struct cs_egress *egress);
/* The Landlock version that holds the process, for the record; 0: the kernel has none. */
int cs_egress_landlock(const struct cs_egress *egress);
/* 1: an event; 0: none waits; CS_MALFUNCTION: the process is gone (deny everything, end the run).
 */
int cs_egress_next(struct cs_egress_event *event, struct cs_egress *egress,
		   struct cs_err *err) CS_CHECKED;
/*
 * Answers a CONNECT event; nothing leaves the machine before, the name look-up included. Unanswered
 * connections are refused after 120 s. An id that has ended meanwhile is passed over.
 */
int cs_egress_answer(struct cs_egress *egress, const struct cs_egress_answer *answer,
		     struct cs_err *err) CS_CHECKED;
/*
 * Asks it to end, delivers what is still queued to fn (may be NULL), reaps it, frees. Connections
 * still open are closed and reported as CLOSED. Takes at most 5 s, then kills.
 */
void cs_egress_stop(struct cs_egress *egress, void (*fn)(void *arg, const struct cs_egress_event *),
		    void *arg);

#endif
