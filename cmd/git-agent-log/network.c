/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --show network: names looked up, each once with how often, and connections, each with its end
 * and the command that made it.
 */
#include "view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONTACTS (1u << 20)
#define MAX_IDS	     (1u << 22) /* connections that are joined with their ends */
#define BUCKETS	     (1u << 16)

/* A connection, or a name that was looked up. */
struct contact {
	struct cs_log_place at, by, end; /* lines of the log; len 0: none */
	uint64_t hash;			 /* of a name and the decision */
	uint32_t times;			 /* a name: how often */
	uint32_t same_bucket;		 /* the one before with this hash: index plus one */
};

struct view {
	struct log *log;
	const struct cs_run_info *info;
	struct live live;
	struct contact *list;
	size_t n, cap;
	uint64_t dropped;
	uint32_t *by_id;   /* of connections: index plus one */
	uint32_t *buckets; /* of names */
};

static void get_name(struct cs_buf *out, const cJSON *event)
{
	cs_buf_addc(out, is_allowed(event) ? '+' : '-');
	if (cs_json_get_bytes(out, event, "name") < 0)
		cs_buf_truncate(out, 1);
}

/* One that nobody can choose names for: a list of equal ones would take forever. */
static uint64_t hash_name(const struct cs_buf *name)
{
	uint8_t digest[CS_SHA256_LEN];
	uint64_t hash;

	cs_sha256(digest, name->data, name->len);
	memcpy(&hash, digest, sizeof(hash));
	return hash;
}

/* Two names may share 64 bits all the same, and one would be hidden. */
static bool is_same_name(const struct view *v, const struct contact *c, const struct cs_buf *name)
{
	AUTO_JSON cJSON *first = read_event(v->live.fd, c->at);
	AUTO_BUF struct cs_buf other = CS_BUF_INIT;

	if (first)
		get_name(&other, first);
	return other.len == name->len && !memcmp(other.data, name->data, name->len);
}

static struct contact *add_contact(struct view *v, const cJSON *event, struct cs_log_place at)
{
	struct contact *c;

	if (v->n == MAX_CONTACTS) {
		v->dropped++;
		return NULL;
	}
	CS_GROW(v->list, v->n, v->cap);
	c = &v->list[v->n++];
	*c = (struct contact){ .at = at, .by = live_place(&v->live, event), .times = 1 };
	return c;
}

static void take_name(struct view *v, const cJSON *event, struct cs_log_place at)
{
	AUTO_BUF struct cs_buf name = CS_BUF_INIT;
	uint32_t *bucket;
	struct contact *c;
	uint64_t hash;

	get_name(&name, event);
	hash = hash_name(&name);
	bucket = &v->buckets[hash % BUCKETS];
	for (uint32_t i = *bucket; i; i = v->list[i - 1].same_bucket) {
		if (v->list[i - 1].hash == hash && is_same_name(v, &v->list[i - 1], &name)) {
			v->list[i - 1].times++;
			return;
		}
	}
	c = add_contact(v, event, at);
	if (!c)
		return;
	c->hash = hash;
	c->same_bucket = *bucket;
	*bucket = (uint32_t)v->n;
}

static uint32_t *id_of(struct view *v, const cJSON *event)
{
	int64_t id = cs_json_int(event, "connection", -1);

	return id >= 0 && id < MAX_IDS ? &v->by_id[id] : NULL;
}

static void take(void *arg, const cJSON *event, struct cs_log_place at)
{
	struct view *v = arg;
	uint32_t *id = id_of(v, event);

	if (is_type(event, "dns")) {
		take_name(v, event, at);
	} else if (is_type(event, "connect")) {
		if (add_contact(v, event, at) && id)
			*id = (uint32_t)v->n;
	} else if (is_type(event, "connect.end")) {
		if (id && *id)
			v->list[*id - 1].end = at;
		else if (add_contact(v, event, at))
			v->list[v->n - 1].end = at;
	}
	live_take(&v->live, event, at);
}

static void add_bytes(struct cs_buf *out, int64_t n)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)n;
	size_t unit = 0;

	for (; value >= 1024 && unit + 1 < CS_COUNT(units); unit++)
		value /= 1024;
	cs_buf_addf(out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void add_end(struct line *line, const struct view *v, const struct contact *c)
{
	AUTO_JSON cJSON *end = c->end.len ? read_event(v->live.fd, c->end) : NULL;
	struct cs_buf *tail;

	if (!end)
		return;
	tail = line_tail(line, CS_PLAIN);
	cs_buf_adds(tail, "out ");
	add_bytes(tail, cs_json_int(end, "bytes_out", 0));
	cs_buf_adds(tail, ", in ");
	add_bytes(tail, cs_json_int(end, "bytes_in", 0));
	if (is_allowed(end))
		return;
	/* Allowed by its name; then the address, the protocol or the network did not fit. */
	tail = line_tail(line, CS_RED);
	cs_buf_adds(tail, "denied: ");
	add_foreign(tail, cs_json_str(end, "reason", "no reason given"));
}

static void write_contact(struct view *v, const struct contact *c)
{
	AUTO_JSON cJSON *event = read_event(v->live.fd, c->at);
	const struct live none = { .started_ns = v->info->started_ns, .fd = -1 };
	struct line line;

	if (!event)
		return;
	line_init(&line);
	event_line(&line, v->log, &none, event);
	if (c->times > 1)
		cs_buf_addf(line_tail(&line, CS_DIM), "%" PRIu32 " times", c->times);
	if (c->at.offset != c->end.offset || !c->end.len)
		add_end(&line, v, c);
	line_by(&line, v->live.fd, c->by);
	line_write(&line, &v->log->out);
	line_release(&line);
}

int show_network(struct log *log, const struct cs_run_info *info, struct cs_err *err)
{
	struct view v = { .log = log, .info = info };
	int rc;

	live_init(&v.live, -1, info->started_ns);
	v.by_id = cs_calloc(MAX_IDS, sizeof(*v.by_id)); /* touched where ids are */
	v.buckets = cs_calloc(BUCKETS, sizeof(*v.buckets));
	rc = read_log(&v.live.fd, log, info, take, &v, err);
	for (size_t i = 0; rc == 0 && i < v.n; i++)
		write_contact(&v, &v.list[i]);
	if (rc == 0 && v.dropped)
		fprintf(stderr, "git-agent-log: %" PRIu64 " more are in --show events only\n",
			v.dropped);
	free(v.list);
	free(v.by_id);
	free(v.buckets);
	cs_close(&v.live.fd);
	live_release(&v.live);
	return rc;
}
