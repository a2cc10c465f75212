/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a pid to a thing: a hash table with open addressing and linear probing. Bounded by the
 * number of live processes of the run, since every owner takes its items out when they end.
 */
#include "internal.h"

#define FIRST_CAP 64

/* Fibonacci hashing: neighbouring pids, the usual case, land far apart. */
static size_t home_of(const struct pidmap *map, pid_t pid)
{
	return ((uint32_t)pid * UINT32_C(2654435769) >> 7) & (map->cap - 1);
}

static size_t find(const struct pidmap *map, pid_t pid)
{
	size_t i = home_of(map, pid);

	while (map->slots[i].pid && map->slots[i].pid != pid)
		i = (i + 1) & (map->cap - 1);
	return i;
}

void *pidmap_get(const struct pidmap *map, pid_t pid)
{
	return map->cap ? map->slots[find(map, pid)].item : NULL;
}

static void grow(struct pidmap *map)
{
	struct pidmap bigger = { .n = map->n, .cap = map->cap ? map->cap * 2 : FIRST_CAP };

	bigger.slots = cs_calloc(bigger.cap, sizeof(*bigger.slots));
	for (size_t i = 0; i < map->cap; i++)
		if (map->slots[i].pid)
			bigger.slots[find(&bigger, map->slots[i].pid)] = map->slots[i];
	free(map->slots);
	*map = bigger;
}

void pidmap_set(struct pidmap *map, pid_t pid, void *item)
{
	size_t i;

	if (map->n + 1 > map->cap / 2)
		grow(map);
	i = find(map, pid);
	if (!map->slots[i].pid)
		map->n++;
	map->slots[i] = (struct pidmap_slot){ .pid = pid, .item = item };
}

/* Closes the gap at i: what stands behind it and need not stand so far from its home moves up. */
static void close_gap(struct pidmap *map, size_t i)
{
	size_t mask = map->cap - 1;

	for (size_t j = (i + 1) & mask; map->slots[j].pid; j = (j + 1) & mask) {
		size_t home = home_of(map, map->slots[j].pid);

		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		map->slots[i] = map->slots[j];
		i = j;
	}
	map->slots[i] = (struct pidmap_slot){ 0 };
}

void *pidmap_take(struct pidmap *map, pid_t pid)
{
	size_t i = map->cap ? find(map, pid) : 0;
	void *item;

	if (!map->cap || !map->slots[i].pid)
		return NULL;
	item = map->slots[i].item;
	close_gap(map, i);
	map->n--;
	return item;
}

void *pidmap_next(const struct pidmap *map, size_t *at)
{
	while (*at < map->cap) {
		const struct pidmap_slot *slot = &map->slots[(*at)++];

		if (slot->pid)
			return slot->item;
	}
	return NULL;
}

void pidmap_release(struct pidmap *map)
{
	free(map->slots);
	*map = (struct pidmap){ 0 };
}
