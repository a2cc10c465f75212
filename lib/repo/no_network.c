/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stand-ins for the members of libgit2.a that talk to the network.
 *
 * Linked as it is, the static library wants libssh2, GSSAPI and mbed TLS, and its initialisation
 * parses every CA certificate of the host: 8 ms at each start, and TLS and ssh code in programs
 * that read hostile bytes. The linker takes a member out of an archive only for a symbol that is
 * still undefined; the functions here define those symbols first, so the members stay out.
 * Initialisation reports success, everything else that there is no such transport. Nothing in
 * Countersign asks libgit2 for a remote.
 *
 * When another libgit2 pulls one of those members in for a different symbol, the link fails with
 * "multiple definition": it cannot go wrong silently. cs_leave_network_out() is called before
 * libgit2's initialisation so that this file, itself a member of an archive, is taken first.
 */
#include "internal.h"

#include <git2/sys/stream.h>
#include <git2/sys/transport.h>

/* Internal to libgit2: no header of ours or theirs that is installed declares them. */
int git_mbedtls_stream_global_init(void);
int git_mbedtls__set_cert_location(const char *file, const char *path);
int git_mbedtls_stream_new(git_stream **out, const char *host, const char *port);
int git_mbedtls_stream_wrap(git_stream **out, git_stream *in, const char *host);
int git_transport_ssh_global_init(void);
int git_http_auth_negotiate(void **out, const void *url);

#define NO_TRANSPORT (-1)

void cs_leave_network_out(void)
{
}

int git_mbedtls_stream_global_init(void)
{
	return 0;
}

int git_mbedtls__set_cert_location(const char *file, const char *path)
{
	(void)file;
	(void)path;
	return NO_TRANSPORT;
}

int git_mbedtls_stream_new(git_stream **out, const char *host, const char *port)
{
	(void)out;
	(void)host;
	(void)port;
	return NO_TRANSPORT;
}

int git_mbedtls_stream_wrap(git_stream **out, git_stream *in, const char *host)
{
	(void)out;
	(void)in;
	(void)host;
	return NO_TRANSPORT;
}

int git_transport_ssh_global_init(void)
{
	return 0;
}

int git_smart_subtransport_ssh(git_smart_subtransport **out, git_transport *owner, void *param)
{
	(void)out;
	(void)owner;
	(void)param;
	return NO_TRANSPORT;
}

int git_transport_ssh_with_paths(git_transport **out, git_remote *owner, void *payload)
{
	(void)out;
	(void)owner;
	(void)payload;
	return NO_TRANSPORT;
}

int git_http_auth_negotiate(void **out, const void *url)
{
	(void)out;
	(void)url;
	return NO_TRANSPORT;
}
