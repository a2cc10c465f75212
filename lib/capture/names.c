/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spellings of ".git" and ".gitmodules". What is refused follows git's own fsck: case is ignored,
 * NTFS drops trailing dots and spaces, knows short names (git~1) and streams (:name), and takes a
 * backslash for a slash; HFS+ ignores some code points. All of them are looked for on every system:
 * the tree will be checked out elsewhere.
 */
#include "names.h"

#include <string.h>
#include <strings.h>
#include "countersign/capture.h"

/* Code points that HFS+ leaves out when it compares names. */
static const struct {
	uint32_t from, to;
} hfs_ignored[] = {
	{ 0x200c, 0x200f },
	{ 0x202a, 0x202e },
	{ 0x206a, 0x206f },
	{ 0xfeff, 0xfeff },
};

static bool hfs_ignores(uint32_t cp)
{
	for (size_t i = 0; i < CS_COUNT(hfs_ignored); i++) {
		if (cp >= hfs_ignored[i].from && cp <= hfs_ignored[i].to)
			return true;
	}
	return false;
}

/* Long enough for any path; names of a file system have at most NAME_MAX bytes. */
#define FOLDED_MAX (PATH_MAX + 1)

/* Copies the name without what HFS+ ignores; more than FOLDED_MAX - 1 bytes are cut. */
static void fold(char out[FOLDED_MAX], const char *name, size_t len)
{
	size_t n = 0;

	while (len && n < FOLDED_MAX - 4) {
		uint32_t cp;
		size_t step = cs_utf8_decode(&cp, name, len);

		if (!step || !hfs_ignores(cp)) {
			step += !step;
			memcpy(out + n, name, step);
			n += step;
		}
		name += step;
		len -= step;
	}
	out[n] = '\0';
}

/* Nothing but what NTFS drops from the end of a name, up to a stream or a separator. */
static bool only_padding(const char *s)
{
	s += strspn(s, ". ");
	return !*s || *s == ':' || *s == '\\';
}

/* git's check for HFS+ takes bytes that are not UTF-8 for the end of the name. */
static bool ends_malformed(const char *s)
{
	uint32_t cp;

	return *s && !cs_utf8_decode(&cp, s, strlen(s));
}

static bool component_is_dot_git(const char *s)
{
	if (!strncasecmp(s, ".git", 4))
		return only_padding(s + 4) || ends_malformed(s + 4);
	if (!strncasecmp(s, "git~1", 5))
		return only_padding(s + 5);
	return false;
}

bool cs_name_is_dot_git(const char *name, size_t len)
{
	char folded[FOLDED_MAX];
	const char *s = folded;

	if (!len || (len == 1 && name[0] == '.') || (len == 2 && !memcmp(name, "..", 2)))
		return true;
	fold(folded, name, len);
	do {
		s += *s == '\\';
		if (component_is_dot_git(s))
			return true;
	} while ((s = strchr(s, '\\')));
	return false;
}

/* NTFS's fallback short name: up to six letters of "gi7eba", '~', digits; eight bytes in all. */
static bool is_fallback_short_name(const char *s)
{
	static const char hashed[] = "gi7eba", upper[] = "GI7EBA";
	size_t i = 0;

	while (i < 6 && (s[i] == hashed[i] || s[i] == upper[i]))
		i++;
	if (s[i] != '~' || s[i + 1] < '1' || s[i + 1] > '9')
		return false;
	for (i += 2; i < 8; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return only_padding(s + i);
}

bool capture_name_is_gitmodules(const char *name, size_t len)
{
	char s[FOLDED_MAX];

	fold(s, name, len);
	if (!strncasecmp(s, ".gitmodules", 11))
		return only_padding(s + 11) || ends_malformed(s + 11);
	if (!strncasecmp(s, "gitmod~", 7) && s[7] >= '1' && s[7] <= '4')
		return only_padding(s + 8);
	return is_fallback_short_name(s);
}

bool capture_path_ok(const char *path, size_t len)
{
	if (!len || len > CAPTURE_PATH_MAX || memchr(path, '\0', len))
		return false;
	for (;;) {
		const char *slash = memchr(path, '/', len);
		size_t n = slash ? (size_t)(slash - path) : len;

		if (cs_name_is_dot_git(path, n))
			return false;
		if (!slash)
			return true;
		path += n + 1;
		len -= n + 1;
	}
}

static size_t count_slashes(const char *s)
{
	size_t n = 0;

	while ((s = strchr(s, '/'))) {
		s++;
		n++;
	}
	return n;
}

bool capture_link_leads_out(const char *path, const char *target)
{
	size_t depth = count_slashes(path);

	if (*target == '/')
		return true;
	while (*target) {
		size_t n = strcspn(target, "/");

		if (n == 2 && !memcmp(target, "..", 2)) {
			if (!depth--)
				return true;
		} else if (n && !(n == 1 && *target == '.')) {
			if (cs_name_is_dot_git(target, n))
				return true;
			depth++;
		}
		target += n;
		target += *target == '/';
	}
	return false;
}
