/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random input that can be had again: the seed is printed with a failure, and given back in the
 * environment as SEED=....
 */
#ifndef COUNTERSIGN_UNIT_RANDOM_H
#define COUNTERSIGN_UNIT_RANDOM_H

#include <stdint.h>
#include <stdlib.h>
#include "countersign/base/hash.h"

struct random {
	uint64_t seed;
	uint64_t state;
};

static inline struct random random_seeded(void)
{
	const char *given = getenv("SEED");
	struct random r;

	if (given)
		r.seed = strtoull(given, NULL, 10);
	else
		cs_random(&r.seed, sizeof(r.seed));
	r.state = r.seed;
	return r;
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t random_next(struct random *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline unsigned int random_below(struct random *r, unsigned int n)
{
	return (unsigned int)(random_next(r) % n);
}

#endif
