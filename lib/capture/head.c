/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the agent's HEAD is: a symbolic reference followed by hand through loose and packed
 * references, in a git directory that the agent wrote. git's configuration is not read.
 */
#include "reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "names.h"

#define REF_MAX	   1024 /* bytes of a loose reference */
#define SYMREF_MAX 5
#define PACKED_MAX (64u << 20)

/* Reads a small file of the git directory; errno ENOENT where there is none. */
static bool read_text(struct cs_buf *out, int git_fd, const char *path, size_t max)
{
	struct stat st;
	AUTO_FD int fd = open_regular(&st, git_fd, path);

	return fd >= 0 && !cs_read_fd(out, fd, max, NULL);
}

static bool is_id(const char *s, size_t oid_len)
{
	uint8_t bytes[CS_OID_MAX];
	char hex[CS_OID_HEX];

	if (strlen(s) < 2 * oid_len)
		return false;
	memcpy(hex, s, 2 * oid_len);
	hex[2 * oid_len] = '\0';
	return !cs_unhex(bytes, oid_len, hex);
}

/* A line "<id> <name>" of packed-refs. */
static bool find_packed(char out[CS_OID_HEX], int git_fd, size_t oid_len, const char *name)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_FREE char *wanted = cs_asprintf(" %s\n", name);
	size_t len = strlen(wanted);
	const char *p;

	if (!read_text(&text, git_fd, "packed-refs", PACKED_MAX))
		return false;
	p = memmem(text.data, text.len, wanted, len);
	if (!p || (size_t)(p - text.data) < 2 * oid_len || !is_id(p - 2 * oid_len, oid_len))
		return false;
	memcpy(out, p - 2 * oid_len, 2 * oid_len);
	out[2 * oid_len] = '\0';
	return true;
}

bool head_read(char out[CS_OID_HEX], int git_fd, size_t oid_len, const char **why)
{
	AUTO_FREE char *name = cs_strdup("HEAD");

	for (int i = 0; i < SYMREF_MAX; i++) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;
		size_t len;

		*why = "HEAD does not name a commit";
		if (!read_text(&text, git_fd, name, REF_MAX))
			return find_packed(out, git_fd, oid_len, name);
		len = strcspn(text.data, "\n");
		cs_buf_truncate(&text, len);
		if (is_id(text.data, oid_len)) {
			memcpy(out, text.data, 2 * oid_len);
			out[2 * oid_len] = '\0';
			return true;
		}
		if (strncmp(text.data, "ref: refs/", 10) != 0 ||
		    !capture_path_ok(text.data + 5, strlen(text.data + 5)))
			return false;
		free(name);
		name = cs_strdup(text.data + 5);
	}
	*why = "HEAD is a chain of symbolic references";
	return false;
}
