/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include "countersign/base/base64.h"
#include "countersign/base/escape.h"
#include "countersign/base/own.h"
#include "json_check.h"

#define MAX_BYTES   (16 << 20)
#define MAX_INTEGER 9007199254740992.0 /* 2^53: every integer up to here is a double */

/* ---- building -------------------------------------------------------------------------------- */

/* cJSON fails for want of memory only, which ends the process as everywhere (own.h). */
static void must(bool done)
{
	if (!done)
		_exit(125);
}

static cJSON *made(cJSON *item)
{
	must(item);
	return item;
}

void cs_json_add(cJSON *obj, const char *key, cJSON *item)
{
	must(cJSON_AddItemToObject(obj, key, made(item)));
}

cJSON *cs_json_bytes(const void *data, size_t len)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	cJSON *obj;

	if (!len || (!memchr(data, 0, len) && cs_utf8_valid(data, len))) {
		cs_buf_add(&text, data, len);
		return made(cJSON_CreateString(text.data));
	}
	cs_base64_encode(&text, data, len);
	obj = made(cJSON_CreateObject());
	cs_json_add_str(obj, "base64", text.data);
	return obj;
}

cJSON *cs_json_words(const struct cs_strv *words)
{
	cJSON *array = made(cJSON_CreateArray());

	for (size_t i = 0; i < words->n; i++)
		must(cJSON_AddItemToArray(array, cs_json_bytes(words->v[i], strlen(words->v[i]))));
	return array;
}

void cs_json_add_bytes(cJSON *obj, const char *key, const void *data, size_t len)
{
	cs_json_add(obj, key, cs_json_bytes(data, len));
}

void cs_json_add_str(cJSON *obj, const char *key, const char *s)
{
	cs_json_add(obj, key, s ? cJSON_CreateString(s) : cJSON_CreateNull());
}

void cs_json_add_int(cJSON *obj, const char *key, int64_t n)
{
	char digits[24];

	if (n >= -(int64_t)MAX_INTEGER && n <= (int64_t)MAX_INTEGER) {
		cs_json_add(obj, key, cJSON_CreateNumber((double)n));
		return;
	}
	snprintf(digits, sizeof(digits), "%" PRId64, n);
	cs_json_add_str(obj, key, digits);
}

void cs_json_add_bool(cJSON *obj, const char *key, bool b)
{
	cs_json_add(obj, key, cJSON_CreateBool(b));
}

/* ---- reading --------------------------------------------------------------------------------- */

const char *cs_json_str(const cJSON *obj, const char *key, const char *def)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);

	return cJSON_IsString(item) ? item->valuestring : def;
}

/* A whole number as cs_json_add_int writes it, and nothing else. */
static bool parse_int(int64_t *out, const char *s)
{
	char again[24];
	char *end;

	errno = 0;
	*out = strtoll(s, &end, 10);
	if (errno || end == s || *end)
		return false;
	snprintf(again, sizeof(again), "%" PRId64, *out);
	return !strcmp(again, s);
}

int64_t cs_json_int(const cJSON *obj, const char *key, int64_t def)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
	int64_t n;

	if (cJSON_IsString(item))
		return parse_int(&n, item->valuestring) ? n : def;
	if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= MAX_INTEGER))
		return def;
	n = (int64_t)item->valuedouble;
	return (double)n == item->valuedouble ? n : def;
}

bool cs_json_bool(const cJSON *obj, const char *key, bool def)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);

	return cJSON_IsBool(item) ? cJSON_IsTrue(item) : def;
}

int cs_json_get_bytes(struct cs_buf *out, const cJSON *obj, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
	AUTO_BUF struct cs_buf bytes = CS_BUF_INIT;
	const char *text;

	if (!item)
		return CS_NOTFOUND;
	if (cJSON_IsString(item)) {
		cs_buf_adds(out, item->valuestring);
		return 0;
	}
	text = cs_json_str(item, "base64", NULL);
	if (!text || cs_base64_decode(&bytes, text, strlen(text)) < 0)
		return CS_CORRUPT;
	cs_buf_add(out, bytes.data, bytes.len);
	return 0;
}

/* ---- printing -------------------------------------------------------------------------------- */

static const struct {
	char c;
	const char *as;
} short_escapes[] = {
	{ '"', "\\\"" }, { '\\', "\\\\" }, { '\n', "\\n" },
	{ '\t', "\\t" }, { '\r', "\\r" },  { '<', "\\u003c" }, /* so that </script> stays inside */
};

static void print_char(struct cs_buf *out, uint32_t cp)
{
	for (size_t i = 0; i < CS_COUNT(short_escapes); i++) {
		if (cp == (uint32_t)short_escapes[i].c) {
			cs_buf_adds(out, short_escapes[i].as);
			return;
		}
	}
	if (cp >= 0x20 && cp < 0x7f)
		cs_buf_addc(out, (char)cp);
	else if (cp < 0x10000)
		cs_buf_addf(out, "\\u%04x", cp);
	else
		cs_buf_addf(out, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10),
			    0xdc00 + ((cp - 0x10000) & 0x3ff));
}

static void print_string(struct cs_buf *out, const char *s)
{
	size_t left = strlen(s);

	cs_buf_addc(out, '"');
	while (left) {
		uint32_t cp;
		size_t n = cs_utf8_decode(&cp, s, left);

		if (!n) {
			cp = 0xfffd;
			n = 1;
		}
		print_char(out, cp);
		s += n;
		left -= n;
	}
	cs_buf_addc(out, '"');
}

static void print_number(struct cs_buf *out, double d)
{
	char text[32];

	if (!isfinite(d)) { /* JSON has no word for it */
		cs_buf_adds(out, "null");
		return;
	}
	if (fabs(d) <= MAX_INTEGER && (double)(int64_t)d == d) {
		cs_buf_addf(out, "%" PRId64, (int64_t)d);
		return;
	}
	snprintf(text, sizeof(text), "%.15g", d);
	if (strtod(text, NULL) != d)
		snprintf(text, sizeof(text), "%.17g", d);
	cs_buf_adds(out, text);
}

static void print_break(struct cs_buf *out, int depth)
{
	if (depth < 0)
		return;
	cs_buf_addc(out, '\n');
	while (depth-- > 0)
		cs_buf_adds(out, "  ");
}

static void print_leaf(struct cs_buf *out, const cJSON *item)
{
	if (cJSON_IsString(item))
		print_string(out, item->valuestring);
	else if (cJSON_IsNumber(item))
		print_number(out, item->valuedouble);
	else if (cJSON_IsBool(item))
		cs_buf_adds(out, cJSON_IsTrue(item) ? "true" : "false");
	else if (cJSON_IsObject(item) && !item->child)
		cs_buf_adds(out, "{}");
	else if (cJSON_IsArray(item) && !item->child)
		cs_buf_adds(out, "[]");
	else
		cs_buf_adds(out, "null");
}

/* Without recursion: the open brackets are in `open`; what is nested deeper prints as null. */
void cs_json_print(struct cs_buf *out, const cJSON *item, bool indented)
{
	const cJSON *open[CS_JSON_MAX_DEPTH];
	int depth = 0;

	for (;;) {
		if (item->child && depth < CS_JSON_MAX_DEPTH) {
			cs_buf_addc(out, cJSON_IsObject(item) ? '{' : '[');
			open[depth++] = item;
			item = item->child;
		} else {
			print_leaf(out, item);
			while (depth && !item->next) {
				item = open[--depth];
				print_break(out, indented ? depth : -1);
				cs_buf_addc(out, cJSON_IsObject(item) ? '}' : ']');
			}
			if (!depth)
				return;
			cs_buf_addc(out, ',');
			item = item->next;
		}
		print_break(out, indented ? depth : -1);
		if (cJSON_IsObject(open[depth - 1])) {
			print_string(out, item->string);
			cs_buf_adds(out, indented ? ": " : ":");
		}
	}
}

/* ---- parsing --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *find_duplicate(const cJSON *obj)
{
	size_t n = (size_t)cJSON_GetArraySize(obj);
	AUTO_FREE const char **names = cs_calloc(n + 1, sizeof(*names));
	size_t i = 0;

	for (const cJSON *child = obj->child; child; child = child->next)
		names[i++] = child->string;
	qsort(names, n, sizeof(*names), by_name);
	for (i = 1; i < n; i++) {
		if (!strcmp(names[i - 1], names[i]))
			return names[i];
	}
	return NULL;
}

static int check_item(const cJSON *item, struct cs_err *err)
{
	const char *twice = cJSON_IsObject(item) ? find_duplicate(item) : NULL;

	if (twice) {
		AUTO_FREE char *name = cs_escape_line(twice);

		return cs_err_set(err, CS_CORRUPT, "JSON: key \"%s\" occurs twice", name);
	}
	if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
		return cs_err_set(err, CS_CORRUPT, "JSON: number out of range");
	return 0;
}

/* What the grammar allows and readers disagree about; the checker has bounded the depth. */
static int check_meaning(const cJSON *item, struct cs_err *err)
{
	const cJSON *open[CS_JSON_MAX_DEPTH];
	int depth = 0;

	for (;;) {
		int rc = check_item(item, err);

		if (rc < 0)
			return rc;
		if (item->child && depth < CS_JSON_MAX_DEPTH) {
			open[depth++] = item;
			item = item->child;
			continue;
		}
		while (depth && !item->next)
			item = open[--depth];
		if (!depth)
			return 0;
		item = item->next;
	}
}

int cs_json_parse(cJSON **out, const char *data, size_t len, struct cs_err *err)
{
	AUTO_JSON cJSON *item = NULL;
	const char *bad;
	size_t at;
	int rc;

	if (len > MAX_BYTES)
		return cs_err_set(err, CS_LIMIT, "JSON: larger than %d bytes", MAX_BYTES);
	bad = cs_json_check(data, len, &at);
	if (bad)
		return cs_err_set(err, CS_CORRUPT, "JSON: byte %zu: %s", at, bad);
	item = cJSON_ParseWithLength(data, len);
	if (!item)
		return cs_err_set(err, CS_CORRUPT, "JSON: does not parse");
	rc = check_meaning(item, err);
	if (rc < 0)
		return rc;
	*out = cs_steal(&item);
	return 0;
}
