/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON through cJSON, with what it leaves to its users: bytes that are not UTF-8, and output
 * that is safe everywhere. Numbers are doubles: integers above 2^53 are added as strings.
 */
#ifndef COUNTERSIGN_BASE_JSON_H
#define COUNTERSIGN_BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "countersign/base/buf.h"
#include "countersign/base/err.h"

#define AUTO_JSON __attribute__((cleanup(cs_json_autofree)))
static inline void cs_json_autofree(cJSON **j)
{
	cJSON_Delete(*j);
}

/*
 * Bytes from outside: a string where they are valid UTF-8 without NUL, else the object
 * {"base64": "..."} so that nothing is lost and nothing is invented.
 */
cJSON *cs_json_bytes(const void *data, size_t len);
cJSON *cs_json_words(const struct cs_strv *words); /* an array of such */
void cs_json_add_bytes(cJSON *obj, const char *key, const void *data, size_t len);
void cs_json_add_str(cJSON *obj, const char *key, const char *s); /* NULL: JSON null */
void cs_json_add_int(cJSON *obj, const char *key, int64_t n);
void cs_json_add_bool(cJSON *obj, const char *key, bool b);
void cs_json_add(cJSON *obj, const char *key, cJSON *item); /* takes item */

/* Getters on foreign documents: the default when the key is absent or of another type. */
const char *cs_json_str(const cJSON *obj, const char *key, const char *def);
int64_t cs_json_int(const cJSON *obj, const char *key, int64_t def);
bool cs_json_bool(const cJSON *obj, const char *key, bool def);
/* Bytes written by cs_json_bytes: appended to out; CS_NOTFOUND, CS_CORRUPT. */
int cs_json_get_bytes(struct cs_buf *out, const cJSON *obj, const char *key);

/*
 * Compact (or indented) text in pure ASCII: every other character is \uXXXX, and so is '<'. One
 * line, no trailing newline; safe on terminals, in JavaScript and inside HTML's <script>.
 */
void cs_json_print(struct cs_buf *out, const cJSON *item, bool indented);
/*
 * Parses exactly len bytes (at most 16 MiB, nesting 64, no trailing bytes), strictly as RFC 8259
 * says. Refused too, because readers disagree about them: a key that occurs twice in one object,
 * \u0000, half surrogate pairs, numbers that are no finite double or longer than 63 characters.
 * CS_CORRUPT, CS_LIMIT (too large).
 */
int cs_json_parse(cJSON **out, const char *data, size_t len, struct cs_err *err) CS_CHECKED;

#endif
