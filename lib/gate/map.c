/* SPDX-License-Identifier: Apache-2.0 */
/* Ids to numbers: open addressing, at most half full. Ids are hashes already. */
#include "internal.h"

#include <string.h>

static struct gate_slot *slot_of(const struct gate_map *m, const struct cs_oid *oid)
{
	size_t at;

	memcpy(&at, oid->bytes, sizeof(at));
	at &= m->cap - 1;
	while (m->slots[at].oid.len && !cs_oid_equal(&m->slots[at].oid, oid))
		at = (at + 1) & (m->cap - 1);
	return &m->slots[at];
}

size_t *gate_map_get(const struct gate_map *m, const struct cs_oid *oid)
{
	struct gate_slot *s = m->cap ? slot_of(m, oid) : NULL;

	return s && s->oid.len ? &s->value : NULL;
}

static void grow(struct gate_map *m)
{
	struct gate_map bigger = { .n = m->n, .cap = m->cap ? 2 * m->cap : 64 };

	bigger.slots = cs_calloc(bigger.cap, sizeof(*bigger.slots));
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].oid.len)
			*slot_of(&bigger, &m->slots[i].oid) = m->slots[i];
	free(m->slots);
	*m = bigger;
}

void gate_map_put(struct gate_map *m, const struct cs_oid *oid, size_t value)
{
	struct gate_slot *s;

	if (2 * m->n >= m->cap)
		grow(m);
	s = slot_of(m, oid);
	m->n += !s->oid.len;
	s->oid = *oid;
	s->value = value;
}

void gate_map_release(struct gate_map *m)
{
	free(m->slots);
	*m = (struct gate_map){ 0 };
}
