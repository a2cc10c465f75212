/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming scans of content. The rules for line ends are those of git's convert.c; a difference
 * would make a file of the change differ from what `git add` stores.
 */
#include "content.h"

#include <string.h>
#include "countersign/base.h"

/* ---- line ends ------------------------------------------------------------------------------- */

static void count_control(struct text_stats *stats, unsigned char c)
{
	if (c == '\b' || c == '\t' || c == '\033' || c == '\014') {
		stats->printable++;
		return;
	}
	stats->nul += c == 0;
	stats->nonprintable++;
}

static void count(struct text_scan *s, unsigned char c)
{
	if (s->cr && c == '\n') {
		s->stats.crlf++;
		s->cr = false;
		return;
	}
	s->stats.lone_cr += s->cr;
	s->cr = c == '\r';
	if (c == '\r' || c == '\n')
		return;
	if (c < 32)
		count_control(&s->stats, c);
	else if (c == 127)
		s->stats.nonprintable++;
	else
		s->stats.printable++;
}

void text_scan_add(struct text_scan *s, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		count(s, p[i]);
	if (len)
		s->last = p[len - 1];
}

void text_scan_end(struct text_scan *s)
{
	s->stats.lone_cr += s->cr;
	s->cr = false;
	/* A last ^Z is how DOS ended a text. */
	if (s->last == '\032')
		s->stats.nonprintable--;
}

bool text_is_binary(const struct text_stats *stats)
{
	return stats->lone_cr || stats->nul || stats->printable >> 7 < stats->nonprintable;
}

size_t text_drop_cr(char *out, bool *held, const char *data, size_t len)
{
	size_t n = 0;

	if (*held && !(len && *data == '\n'))
		out[n++] = '\r';
	*held = len && data[len - 1] == '\r';
	len -= *held;
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\r' || i + 1 == len || data[i + 1] != '\n')
			out[n++] = data[i];
	}
	return n;
}

/* ---- characters ------------------------------------------------------------------------------ */

/* Emoji are made of several code points; the ones that join them are no finding there. */
static bool joins_emoji(uint32_t cp, uint32_t before)
{
	if (cp == 0xfe0e || cp == 0xfe0f)
		return before && !cs_hidden_char(before);
	return cp == 0x200d && before >= 0x2600 && (before == 0xfe0f || !cs_hidden_char(before));
}

static void judge(struct hidden_scan *s, uint32_t cp)
{
	bool start = !s->started;
	uint32_t before = s->before;

	s->started = true;
	s->before = cp;
	s->newlines += cp == '\n';
	if (!cs_hidden_char(cp) || cp == '\n' || cp == '\t' || cp == '\r' || cp == '\f')
		return;
	if ((start && cp == 0xfeff) || joins_emoji(cp, before))
		return;
	if (!s->count++) {
		s->first = cp;
		s->line = s->newlines + 1;
	}
}

/* How many bytes the sequence that starts with c has; 1 for what starts none. */
static size_t sequence_length(unsigned char c)
{
	return c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
}

/* Judges the complete characters at the start of the bytes; returns how many bytes those were. */
static size_t judge_all(struct hidden_scan *s, const unsigned char *p, size_t len)
{
	size_t at = 0;

	while (at < len && sequence_length(p[at]) <= len - at) {
		uint32_t cp = p[at];
		size_t n = 1;

		if (cp >= 0x80) {
			n = cs_utf8_decode(&cp, p + at, len - at);
			if (!n) { /* another encoding: nothing to say about it */
				s->before = 0;
				s->started = true;
				at++;
				continue;
			}
		}
		judge(s, cp);
		at += n;
	}
	return at;
}

void hidden_scan_add(struct hidden_scan *s, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t done;

	while (s->part_len && len) {
		s->part[s->part_len++] = *p++;
		len--;
		done = judge_all(s, s->part, s->part_len);
		s->part_len -= done;
		memmove(s->part, s->part + done, s->part_len);
	}
	done = judge_all(s, p, len);
	if (done < len) {
		s->part_len = len - done;
		memcpy(s->part, p + done, s->part_len);
	}
}

/* ---- markers --------------------------------------------------------------------------------- */

void ident_scan_add(struct ident_scan *s, const char *data, size_t len)
{
	static const char wanted[] = "$Id:";

	for (size_t i = 0; i < len && !s->found; i++) {
		s->matched = data[i] == wanted[s->matched] ? s->matched + 1 : data[i] == '$';
		s->found = s->matched == strlen(wanted);
	}
}

bool content_is_lfs_pointer(const char *data, size_t len)
{
	static const char start[] = "version https://git-lfs.github.com/spec/";

	return len >= strlen(start) && !memcmp(data, start, strlen(start));
}
