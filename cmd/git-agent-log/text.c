/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign text, words of a shell, columns and durations, as the views of a run show them. */
#include "log.h"

#include <inttypes.h>
#include <string.h>

void add_foreign(struct cs_buf *out, const char *s)
{
	cs_escape_terminal(out, s, strlen(s), CS_ESCAPE_LINE);
}

void add_detail(struct cs_buf *out, const char *s)
{
	bool lines = strpbrk(s, "\n\t") != NULL;

	cs_escape_terminal(out, s, strlen(s), lines ? CS_ESCAPE_LINE : CS_ESCAPE_TEXT);
}

static bool starts_char(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t columns_of(const struct cs_buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += starts_char(text->data[i]);
	return n;
}

void cut_to(struct cs_buf *text, size_t columns)
{
	size_t n = 0, at = 0, cut = 0;

	for (; at < text->len && n <= columns; at++) {
		if (!starts_char(text->data[at]))
			continue;
		if (n + 1 == columns)
			cut = at;
		n++;
	}
	if (n <= columns)
		return;
	cs_buf_truncate(text, cut);
	cs_buf_adds(text, "…");
}

static bool is_plain_word(const struct cs_buf *word)
{
	return word->len &&
	       strspn(word->data, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_@%+=:,./-") == word->len;
}

void add_word(struct cs_buf *out, const struct cs_buf *word)
{
	AUTO_BUF struct cs_buf quoted = CS_BUF_INIT;

	if (is_plain_word(word)) {
		cs_buf_add(out, word->data, word->len);
		return;
	}
	cs_buf_addc(&quoted, '\'');
	for (size_t i = 0; i < word->len; i++) {
		if (word->data[i] == '\'')
			cs_buf_adds(&quoted, "'\\''");
		else
			cs_buf_addc(&quoted, word->data[i]);
	}
	cs_buf_addc(&quoted, '\'');
	cs_escape_terminal(out, quoted.data, quoted.len, CS_ESCAPE_LINE);
}

void add_words(struct cs_buf *out, const cJSON *argv)
{
	for (cJSON *item = argv ? argv->child : NULL; item; item = item->next) {
		AUTO_BUF struct cs_buf word = CS_BUF_INIT;
		AUTO_JSON cJSON *holder = cJSON_CreateObject();

		cJSON_AddItemReferenceToObject(holder, "word", item);
		if (item != argv->child)
			cs_buf_addc(out, ' ');
		if (cs_json_get_bytes(&word, holder, "word") == 0)
			add_word(out, &word);
	}
}

void add_duration(struct cs_buf *out, int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		cs_buf_addf(out, "%" PRId64 "ms", ms);
	else if (s < 60)
		cs_buf_addf(out, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
	else if (s < 3600)
		cs_buf_addf(out, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else
		cs_buf_addf(out, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
}
