/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How statements name a repository: what the URLs of one repository have in common. "ssh", "https"
 * and scp-like forms give "host/path"; a local path gives itself.
 */
#include "countersign/attest.h"

#include <ctype.h>
#include <string.h>

/* Without trailing slashes and one ".git"; collapses "//". */
static char *clean_path(const char *path)
{
	char *out = cs_strdup(path);
	size_t n = 0;

	for (const char *p = path; *p; p++) {
		if (*p == '/' && n && out[n - 1] == '/')
			continue;
		out[n++] = *p;
	}
	while (n > 1 && out[n - 1] == '/')
		n--;
	if (n > 4 && !strncmp(out + n - 4, ".git", 4) && out[n - 5] != '/')
		n -= 4;
	else if (n > 5 && !strncmp(out + n - 5, "/.git", 5))
		n -= 5;
	out[n] = '\0';
	return out;
}

static char *join(const char *host, size_t host_len, const char *path)
{
	AUTO_FREE char *clean = clean_path(path + strspn(path, "/"));
	char *out = cs_asprintf("%.*s/%s", (int)host_len, host, clean);

	for (size_t i = 0; i < host_len; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
	return out;
}

/* "user@host:port/path" behind the scheme. */
static char *from_authority(const char *rest)
{
	size_t len = strcspn(rest, "/");
	const char *path = rest + len;
	const char *at = memrchr(rest, '@', len);
	const char *host = at ? at + 1 : rest;
	size_t host_len = (size_t)(path - host);
	const char *port;

	if (host_len && host[0] == '[')
		port = memchr(host, ']', host_len);
	else
		port = memchr(host, ':', host_len);
	if (port)
		host_len = (size_t)(port - host) + (*port == ']');
	return join(host, host_len, path);
}

char *cs_repository_name(const char *url)
{
	const char *scheme = strstr(url, "://");
	size_t word = strcspn(url, "/:");

	if (!strncmp(url, "file://", 7))
		return clean_path(url + 7);
	if (scheme && scheme - url == (ptrdiff_t)word)
		return from_authority(scheme + 3);
	/* scp-like: a colon before the first slash */
	if (url[word] == ':' && word) {
		const char *at = memrchr(url, '@', word);
		const char *host = at ? at + 1 : url;

		return join(host, (size_t)(url + word - host), url + word + 1);
	}
	return clean_path(url);
}
