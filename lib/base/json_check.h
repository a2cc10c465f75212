/* SPDX-License-Identifier: Apache-2.0 */
/* Is this JSON? The strict reader in front of cJSON; see json_check.c. */
#ifndef BASE_JSON_CHECK_H
#define BASE_JSON_CHECK_H

#include <stddef.h>

#define CS_JSON_MAX_DEPTH 64

/* NULL for one RFC 8259 text of exactly len bytes, else what is wrong, with *at its offset. */
const char *cs_json_check(const char *data, size_t len, size_t *at);

#endif
