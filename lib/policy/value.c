/* SPDX-License-Identifier: Apache-2.0 */
/* Values by kind: from what a user wrote, and back in one spelling. */
#include "model.h"

#include <ctype.h>
#include <inttypes.h>

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

static void split(struct cs_strv *out, const char *text)
{
	while (*text) {
		size_t n = 0;

		while (text[n] && !is_separator(text[n]))
			n++;
		if (n)
			cs_strv_addf(out, "%.*s", (int)n, text);
		text += n + (text[n] != '\0');
	}
}

static int read_number(struct cs_policy_value *out, const char *text, struct cs_err *err)
{
	int64_t n = 0;

	for (const char *p = text; *p; p++) {
		if (!isdigit((unsigned char)*p) || p - text > 9)
			return cs_err_set(err, CS_CORRUPT, "not a number of up to ten digits");
		n = n * 10 + (*p - '0');
	}
	out->number = n;
	return 0;
}

static int read_duration(struct cs_policy_value *out, const char *text, struct cs_err *err)
{
	if (cs_duration_parse(&out->number, text) < 0)
		return cs_err_set(err, CS_CORRUPT, "not a duration such as 90s, 15m, 2h or 30d");
	return 0;
}

static int read_size(struct cs_policy_value *out, const char *text, struct cs_err *err)
{
	if (cs_size_parse(&out->number, text) < 0)
		return cs_err_set(err, CS_CORRUPT, "not a size such as 512m or 20g");
	return 0;
}

static int read_percent(int64_t *out, const char *text)
{
	int n = 0;

	for (; isdigit((unsigned char)*text) && n <= 100; text++)
		n = n * 10 + (*text - '0');
	if (strcmp(text, "%") != 0 || n < 1 || n > 100)
		return CS_CORRUPT;
	*out = n;
	return 0;
}

/* A size, a share, or one of each. */
static int read_memory(struct cs_policy_value *out, const char *text, struct cs_err *err)
{
	AUTO_STRV struct cs_strv words = CS_STRV_INIT;
	struct cs_policy_value v = { 0 };
	int sizes = 0, shares = 0;

	split(&words, text);
	for (size_t i = 0; i < words.n; i++) {
		if (read_percent(&v.percent, words.v[i]) == 0)
			shares++;
		else if (cs_size_parse(&v.number, words.v[i]) == 0)
			sizes++;
		else
			sizes = 2;
	}
	if (sizes > 1 || shares > 1 || !words.n)
		return cs_err_set(err, CS_CORRUPT,
				  "not a size such as 8g, a share such as 75%%, or both");
	*out = v;
	return 0;
}

static int read_bool(struct cs_policy_value *out, const char *text, struct cs_err *err)
{
	int is = cs_config_bool(text);

	if (is < 0)
		return cs_err_set(err, CS_CORRUPT, "neither true nor false");
	out->number = is;
	return 0;
}

static int read_word(struct cs_policy_value *out, const struct cs_policy_key *key, const char *text,
		     struct cs_err *err)
{
	AUTO_BUF struct cs_buf choices = CS_BUF_INIT;

	for (int i = 0; key->words[i]; i++) {
		if (!strcmp(key->words[i], text)) {
			out->number = i;
			out->text = cs_strdup(text);
			return 0;
		}
		cs_buf_addf(&choices, "%s%s", i ? ", " : "", key->words[i]);
	}
	return cs_err_set(err, CS_CORRUPT, "must be one of %s", choices.data);
}

static int read_list(struct cs_policy_value *out, const struct cs_policy_key *key, const char *text,
		     struct cs_err *err)
{
	AUTO_STRV struct cs_strv words = CS_STRV_INIT;

	split(&words, text);
	if (words.n > CS_POLICY_MAX_WORDS)
		return cs_err_set(err, CS_LIMIT, "more than %d words", CS_POLICY_MAX_WORDS);
	/* "none" says what an empty value says. */
	if (words.n == 1 && !strcmp(words.v[0], "none"))
		return 0;
	for (size_t i = 0; i < words.n; i++) {
		int rc = key->check ? key->check(words.v[i], err) : 0;

		if (rc < 0) {
			AUTO_FREE char *word = cs_escape_line(words.v[i]);

			cs_err_wrap(err, "'%s'", word);
			return rc;
		}
	}
	out->list = words;
	words = (struct cs_strv)CS_STRV_INIT;
	return 0;
}

static int read_text(struct cs_policy_value *out, const char *text, struct cs_err *err)
{
	(void)err;
	out->text = cs_strdup(text);
	return 0;
}

static bool has_control(const char *text)
{
	for (; *text; text++) {
		if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
			return true;
	}
	return false;
}

static bool may_be_none(const struct cs_policy_key *key)
{
	return key->merge == CS_MERGE_CAP || key->kind == CS_KIND_DURATION;
}

int cs_policy_value_parse(struct cs_policy_value *out, const struct cs_policy_key *key,
			  const char *text, struct cs_err *err)
{
	static int (*const readers[])(struct cs_policy_value *, const char *, struct cs_err *) = {
		[CS_KIND_NUMBER] = read_number, [CS_KIND_DURATION] = read_duration,
		[CS_KIND_SIZE] = read_size,	[CS_KIND_MEMORY] = read_memory,
		[CS_KIND_BOOL] = read_bool,	[CS_KIND_TEXT] = read_text,
	};

	if (text && has_control(text))
		return cs_err_set(err, CS_CORRUPT, "control character in the value");
	if (key->kind == CS_KIND_BOOL)
		return read_bool(out, text, err);
	if (!text || (!*text && key->kind != CS_KIND_LIST))
		return cs_err_set(err, CS_CORRUPT, "needs a value");
	if (key->kind == CS_KIND_WORD)
		return read_word(out, key, text, err);
	if (key->kind == CS_KIND_LIST)
		return read_list(out, key, text, err);
	if (may_be_none(key) && !strcmp(text, "none"))
		return 0;
	return readers[key->kind](out, text, err);
}

/* ---- writing --------------------------------------------------------------------------------- */

struct unit {
	int64_t factor;
	const char *name;
};

/* In the largest unit that divides it. */
static void format_units(struct cs_buf *out, int64_t n, const struct unit *units, size_t n_units)
{
	for (size_t i = 0; i < n_units; i++) {
		if (n % units[i].factor == 0 && (n || units[i].factor == 1)) {
			cs_buf_addf(out, "%" PRId64 "%s", n / units[i].factor, units[i].name);
			return;
		}
	}
}

static void format_duration(struct cs_buf *out, int64_t ms)
{
	static const struct unit units[] = {
		{ 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" },
	};

	format_units(out, ms, units, CS_COUNT(units));
}

static void format_size(struct cs_buf *out, int64_t bytes)
{
	static const struct unit units[] = {
		{ INT64_C(1) << 40, "t" },
		{ INT64_C(1) << 30, "g" },
		{ INT64_C(1) << 20, "m" },
		{ INT64_C(1) << 10, "k" },
		{ 1, "" },
	};

	format_units(out, bytes, units, CS_COUNT(units));
}

void cs_policy_value_format(struct cs_buf *out, const struct cs_policy_key *key,
			    const struct cs_policy_value *value)
{
	if (may_be_none(key) && !value->number && !value->percent) {
		cs_buf_adds(out, "none");
	} else if (key->kind == CS_KIND_NUMBER) {
		cs_buf_addf(out, "%" PRId64, value->number);
	} else if (key->kind == CS_KIND_DURATION) {
		format_duration(out, value->number);
	} else if (key->kind == CS_KIND_SIZE) {
		format_size(out, value->number);
	} else if (key->kind == CS_KIND_MEMORY) {
		if (value->percent)
			cs_buf_addf(out, "%" PRId64 "%%%s", value->percent,
				    value->number ? " " : "");
		if (value->number)
			format_size(out, value->number);
	} else if (key->kind == CS_KIND_BOOL) {
		cs_buf_adds(out, value->number ? "true" : "false");
	} else if (value->text) {
		cs_buf_adds(out, value->text);
	}
}

void cs_policy_value_copy(struct cs_policy_value *out, const struct cs_policy_value *value)
{
	struct cs_policy_value v = { .number = value->number, .percent = value->percent };

	if (value->text)
		v.text = cs_strdup(value->text);
	for (size_t i = 0; i < value->list.n; i++)
		cs_strv_add(&v.list, value->list.v[i]);
	*out = v;
}

void cs_policy_value_release(struct cs_policy_value *value)
{
	free(value->text);
	cs_strv_release(&value->list);
	*value = (struct cs_policy_value){ 0 };
}
