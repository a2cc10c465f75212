/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, RFC 3339 times, and the durations and sizes that users write. */
#include "countersign/base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "countersign/base/own.h"

#define NS_PER_S INT64_C(1000000000)

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts); /* cannot fail for the two clocks used here */
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t cs_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t cs_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

char *cs_time_format(char out[CS_TIME_LEN], int64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	int64_t ns = wall_ns % NS_PER_S;
	char text[sizeof("2026-11-23T20:52:54")];
	struct tm tm;

	if (ns < 0) { /* before 1970: the fraction counts upwards all the same */
		ns += NS_PER_S;
		s--;
	}
	gmtime_r(&s, &tm); /* 64 bits of nanoseconds reach from 1677 to 2262: four digits */
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, CS_TIME_LEN, "%s.%09dZ", text, (int)ns);
	return out;
}

/* Reads n digits at *s; -1 when there are fewer. */
static int digits(const char **s, int n)
{
	int value = 0;

	for (; n; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		value = value * 10 + (**s - '0');
	}
	return value;
}

static int fraction(const char **s)
{
	int value = 0;
	int n = 0;

	for (; **s >= '0' && **s <= '9'; n++, (*s)++) {
		if (n == 9)
			return -1;
		value = value * 10 + (**s - '0');
	}
	if (!n)
		return -1;
	for (; n < 9; n++)
		value *= 10;
	return value;
}

/* "YYYY-MM-DDTHH:MM:SS": the numbers into f, in this order. */
static bool fields(int f[6], const char **s)
{
	static const struct {
		int width;
		char after; /* 0: none */
	} layout[6] = { { 4, '-' }, { 2, '-' }, { 2, 'T' }, { 2, ':' }, { 2, ':' }, { 2, 0 } };

	for (size_t i = 0; i < CS_COUNT(layout); i++) {
		f[i] = digits(s, layout[i].width);
		if (f[i] < 0 || (layout[i].after && *(*s)++ != layout[i].after))
			return false;
	}
	return true;
}

int cs_time_parse(int64_t *wall_ns, const char *s)
{
	struct tm tm = { 0 };
	struct tm same;
	int64_t result;
	int f[6];
	int ns = 0;
	time_t t;

	if (!fields(f, &s))
		return CS_CORRUPT;
	if (*s == '.') {
		s++;
		ns = fraction(&s);
	}
	if (ns < 0 || strcmp(s, "Z") != 0)
		return CS_CORRUPT;
	tm.tm_year = f[0] - 1900;
	tm.tm_mon = f[1] - 1;
	tm.tm_mday = f[2];
	tm.tm_hour = f[3];
	tm.tm_min = f[4];
	tm.tm_sec = f[5];
	same = tm;
	t = timegm(&same);
	/* timegm carries over what is too large: 31 February comes back as another date. */
	if (same.tm_year != tm.tm_year || same.tm_mon != tm.tm_mon || same.tm_mday != tm.tm_mday ||
	    same.tm_hour != tm.tm_hour || same.tm_min != tm.tm_min || same.tm_sec != tm.tm_sec)
		return CS_CORRUPT;
	if (__builtin_mul_overflow((int64_t)t, NS_PER_S, &result) ||
	    __builtin_add_overflow(result, ns, &result))
		return CS_CORRUPT;
	*wall_ns = result;
	return 0;
}

struct unit {
	const char *name;
	int64_t factor;
};

/* Digits and one of the units; the first row of the table is for a bare number. */
static int parse_quantity(int64_t *out, const char *s, const struct unit *units, size_t n)
{
	int64_t value = 0;

	if (*s < '0' || *s > '9')
		return CS_USAGE;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *s - '0', &value))
			return CS_USAGE;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(s, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return CS_USAGE;
		*out = value;
		return 0;
	}
	return CS_USAGE;
}

int cs_duration_parse(int64_t *ms, const char *s)
{
	static const struct unit units[] = {
		{ "", 1000 },
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", INT64_C(60) * 1000 },
		{ "h", INT64_C(3600) * 1000 },
		{ "d", INT64_C(86400) * 1000 },
	};

	return parse_quantity(ms, s, units, CS_COUNT(units));
}

int cs_size_parse(int64_t *bytes, const char *s)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "k", INT64_C(1) << 10 },
		{ "K", INT64_C(1) << 10 },
		{ "m", INT64_C(1) << 20 },
		{ "M", INT64_C(1) << 20 },
		{ "g", INT64_C(1) << 30 },
		{ "G", INT64_C(1) << 30 },
		{ "t", INT64_C(1) << 40 },
		{ "T", INT64_C(1) << 40 },
	};

	return parse_quantity(bytes, s, units, CS_COUNT(units));
}
