/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client says first: does it name the host that its connection is for? Pure; every byte is
 * hostile.
 *
 * Checked is the first thing only: the first ClientHello, the first HTTP/1 request head. The bytes
 * that were looked at are the bytes that are passed on. Not seen, and not promised: what follows on
 * the same connection (later requests of a kept-alive plain HTTP connection, an upgrade, a TLS
 * hello after STARTTLS or a retry), and everything inside TLS (the Host there, an encrypted hello).
 */
#ifndef CS_EGRESS_SNIFF_H
#define CS_EGRESS_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A longer hello or head is refused. */
#define CS_SNIFF_MAX 32768

enum cs_sniff_result {
	CS_SNIFF_REFUSE = 0,
	CS_SNIFF_MORE, /* not decided: call again with these bytes and more */
	CS_SNIFF_PASS,
};

struct cs_sniff {
	const char *host; /* canonical name of the connection */
	uint16_t port;
	/* out */
	const char *proto; /* "tls", "http", "other"; "" while unknown */
	char reason[160];  /* of a refusal; printable ASCII */
	/* private */
	size_t scanned; /* bytes known to hold no end of the head */
};
#define CS_SNIFF_INIT(name, number)                           \
	{                                                     \
		.host = (name), .port = (number), .proto = "" \
	}

/*
 * data: all bytes from the beginning of the connection, len of them; eof: no more will come. Never
 * answers CS_SNIFF_MORE for eof or from CS_SNIFF_MAX bytes on.
 */
enum cs_sniff_result cs_sniff(struct cs_sniff *s, const void *data, size_t len, bool eof);

#endif
