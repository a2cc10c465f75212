/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an index that an agent wrote. Own code, because only the paths count: no checksum is
 * computed and no stat data kept, so that 100,000 entries cost milliseconds.
 */
#include "tracked.h"

#include <arpa/inet.h>
#include <string.h>

#define STAT_LEN   40 /* times, device, inode, mode, owner, size */
#define MODE_AT	   24
#define EXTENDED   0x4000
#define HEADER_LEN 12

struct cursor {
	const char *p, *end;
	unsigned int version;
	size_t oid_len;
};

static uint32_t get32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

/* git's variable-width number (varint.c). */
static bool get_varint(size_t *out, struct cursor *c)
{
	size_t value = 0;

	for (int i = 0; i < 8 && c->p < c->end; i++) {
		unsigned char byte = (unsigned char)*c->p++;

		value = (value << 7) + (byte & 127);
		if (!(byte & 128)) {
			*out = value;
			return true;
		}
		value++;
	}
	return false;
}

/* The name of one entry, *c at its first byte, after which it is at the next entry. */
static bool get_name(struct cs_buf *name, struct cursor *c, size_t fixed)
{
	size_t strip = name->len, len;
	const char *nul;

	if (c->version == 4 && (!get_varint(&strip, c) || strip > name->len))
		return false;
	nul = memchr(c->p, '\0', (size_t)(c->end - c->p));
	if (!nul)
		return false;
	len = (size_t)(nul - c->p);
	cs_buf_truncate(name, name->len - strip);
	cs_buf_add(name, c->p, len);
	/* Up to version 3, entries are padded with NULs to a multiple of eight. */
	len += c->version == 4 ? 1 : 8 - (fixed + len) % 8;
	if (len > (size_t)(c->end - c->p))
		return false;
	c->p += len;
	return true;
}

static bool add_path(struct tracked *t, const struct cs_buf *name)
{
	if (memchr(name->data, '\0', name->len))
		return false;
	/* Conflicts have the same path up to three times. */
	if (t->n && strcmp(t->text.data + t->at[t->n - 1], name->data) > 0)
		return false;
	CS_GROW(t->at, t->n, t->cap);
	t->at[t->n++] = t->text.len;
	cs_buf_add(&t->text, name->data, name->len + 1);
	return true;
}

static bool get_entry(struct tracked *t, struct cursor *c, struct cs_buf *name)
{
	size_t fixed = STAT_LEN + c->oid_len + 2;
	const char *start = c->p;
	uint32_t mode;

	if ((size_t)(c->end - c->p) < fixed + 2)
		return false;
	if (c->version >= 3 && (start[fixed - 2] & (EXTENDED >> 8)))
		fixed += 2;
	mode = get32(start + MODE_AT);
	c->p += fixed;
	if (!get_name(name, c, fixed))
		return false;
	if ((mode & 0170000) != 0100000 && (mode & 0170000) != 0120000)
		return true;
	return add_path(t, name);
}

/* Extensions that a reader must understand have a small first letter. */
static bool has_mandatory_extension(const struct cursor *c)
{
	const char *p = c->p;

	while ((size_t)(c->end - p) >= 8 + c->oid_len) {
		uint32_t len = get32(p + 4);

		if (p[0] < 'A' || p[0] > 'Z')
			return true;
		if (len > (size_t)(c->end - p) - 8)
			return false;
		p += 8 + len;
	}
	return false;
}

bool tracked_parse(struct tracked *t, const char *data, size_t len, size_t oid_len,
		   const char **why)
{
	struct cursor c = { data, data + len, 0, oid_len };
	AUTO_BUF struct cs_buf name = CS_BUF_INIT;
	uint32_t count;

	*why = "it is no index";
	if (len < HEADER_LEN + oid_len || memcmp(data, "DIRC", 4) != 0)
		return false;
	c.version = get32(data + 4);
	count = get32(data + 8);
	c.p += HEADER_LEN;
	if (c.version < 2 || c.version > 4)
		return false;
	*why = "an entry of it is malformed or out of order";
	while (count--) {
		if (!get_entry(t, &c, &name)) {
			tracked_release(t);
			return false;
		}
	}
	*why = "it is split or sparse";
	if (has_mandatory_extension(&c)) {
		tracked_release(t);
		return false;
	}
	return true;
}

void tracked_release(struct tracked *t)
{
	cs_buf_release(&t->text);
	free(t->at);
	*t = (struct tracked)TRACKED_INIT;
}

/* The first path that does not sort before key's len bytes; NULL if there is none. */
static const char *first_from(const struct tracked *t, const char *key, size_t len)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strncmp(t->text.data + t->at[mid], key, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->n ? t->text.data + t->at[low] : NULL;
}

bool tracked_has(const struct tracked *t, const char *path)
{
	const char *found = first_from(t, path, strlen(path) + 1);

	return found && !strcmp(found, path);
}

bool tracked_below(const struct tracked *t, const char *dir)
{
	AUTO_FREE char *prefix = cs_asprintf("%s/", dir);
	size_t len = strlen(prefix);
	const char *found = first_from(t, prefix, len);

	return found && !strncmp(found, prefix, len);
}
