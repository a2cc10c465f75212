/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of a run as a tree, and what of it is folded. Everything here must stay small and
 * quick for any log: 60 bytes a command and no text but the names of programs, no recursion,
 * walks that see each command a constant number of times.
 *
 * What is folded: the commands under a build tool (the table below), when there are many, go into
 * its line; and a stretch of small siblings that repeats a few programs many times is one line.
 * Shells are in no stretch: they are what agents call. What stands out (tree_stands_out) is always
 * shown.
 */
#include "view.h"

#include <stdlib.h>
#include <string.h>

#define FOLD_ABOVE	16   /* commands under a build tool that are still shown */
#define STRETCH_NAMES	4    /* different programs in a stretch */
#define STRETCH_REPEATS 8    /* commands for each of them, on average */
#define STRETCH_BELOW	8    /* commands below each of them, at most */
#define MAX_NAMES	4096 /* the rest shares one name */
#define BUCKETS		8192
#define OTHER_NAMES	0

enum kind { ORDINARY = 0, BUILDER, RUNNER, SHELL };
/* A runner may be what started the agent, so it is not folded at the top. */
static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{ "make", BUILDER },	  { "gmake", BUILDER },	     { "ninja", BUILDER },
	{ "samu", BUILDER },	  { "cmake", BUILDER },	     { "ctest", BUILDER },
	{ "meson", BUILDER },	  { "scons", BUILDER },	     { "bazel", BUILDER },
	{ "configure", BUILDER }, { "autoreconf", BUILDER }, { "libtool", BUILDER },
	{ "cargo", BUILDER },	  { "go", BUILDER },	     { "mvn", BUILDER },
	{ "gradle", BUILDER },	  { "gradlew", BUILDER },    { "dotnet", BUILDER },
	{ "git", BUILDER },	  { "pytest", BUILDER },     { "prove", BUILDER },
	{ "bats", BUILDER },	  { "tox", RUNNER },	     { "npm", RUNNER },
	{ "pnpm", RUNNER },	  { "yarn", RUNNER },	     { "bun", RUNNER },
	{ "pip", RUNNER },	  { "pip3", RUNNER },	     { "poetry", RUNNER },
	{ "uv", RUNNER },	  { "pre-commit", RUNNER },  { "xargs", RUNNER },
	{ "parallel", RUNNER },	  { "find", RUNNER },	     { "sh", SHELL },
	{ "bash", SHELL },	  { "dash", SHELL },	     { "zsh", SHELL },
	{ "fish", SHELL },	  { "ksh", SHELL },	     { "ash", SHELL },
	{ "busybox", SHELL },	  { "env", SHELL },	     { "sudo", SHELL },
};

void tree_release(struct tree *tree)
{
	for (size_t i = 0; i < tree->n_names; i++)
		free(tree->names[i].text);
	free(tree->names);
	free(tree->buckets);
	free(tree->latest);
	free(tree->nodes);
}

/* ---- names ---- */

static uint32_t hash_of(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

static unsigned kind_of(const char *name)
{
	for (size_t i = 0; i < CS_COUNT(kinds); i++) {
		if (!strcmp(kinds[i].name, name))
			return kinds[i].kind;
	}
	return ORDINARY;
}

static uint32_t intern(struct tree *tree, const char *text)
{
	uint32_t at = hash_of(text) % BUCKETS;

	for (; tree->buckets[at]; at = (at + 1) % BUCKETS) {
		if (!strcmp(tree->names[tree->buckets[at] - 1].text, text))
			return tree->buckets[at] - 1;
	}
	if (tree->n_names == MAX_NAMES)
		return OTHER_NAMES;
	CS_GROW(tree->names, tree->n_names, tree->names_cap);
	tree->names[tree->n_names] = (struct name){ cs_strdup(text), kind_of(text) };
	tree->buckets[at] = (uint32_t)++tree->n_names;
	return tree->buckets[at] - 1;
}

static unsigned kind(const struct tree *tree, uint32_t n)
{
	return tree->names[tree->nodes[n].name].kind;
}

void tree_init(struct tree *tree, bool merges)
{
	*tree = (struct tree){ .n = 1, .cap = 64, .merges = merges };
	tree->nodes = cs_calloc(tree->cap, sizeof(*tree->nodes));
	tree->buckets = cs_calloc(BUCKETS, sizeof(*tree->buckets));
	tree->latest = cs_calloc(MAX_PID, sizeof(*tree->latest)); /* touched where pids are */
	intern(tree, "(others)");
	tree->names[OTHER_NAMES].kind = SHELL; /* nobody hides among them */
}

/* ---- growing ---- */

static uint32_t *latest_of(struct tree *tree, const cJSON *event, const char *key)
{
	int64_t pid = cs_json_int(event, key, -1);

	return pid > 0 && pid < MAX_PID ? &tree->latest[pid] : NULL;
}

/* Behind all siblings; or, for what a process went on as, behind what it was. */
static void link_node(struct tree *tree, uint32_t n, uint32_t parent, uint32_t behind)
{
	struct node *above = &tree->nodes[parent];

	tree->nodes[n].parent = parent;
	if (!behind)
		behind = above->last;
	if (!behind) {
		above->first = above->last = n;
		return;
	}
	tree->nodes[n].next = tree->nodes[behind].next;
	tree->nodes[behind].next = n;
	if (above->last == behind)
		above->last = n;
}

/* The interpreter that env started for a script joins the script's node. */
static bool merge(struct tree *tree, struct node *before, const cJSON *event, const char *name)
{
	if (!before->by_env || !is_allowed(event) || !cs_json_bool(event, "verified", true) ||
	    before->flags)
		return false;
	before->by_env = false;
	before->interpreter = intern(tree, name);
	before->flags |= COMMAND_MERGED;
	tree->merged++;
	return true;
}

static void take_exec(struct tree *tree, const cJSON *event, struct cs_log_place at, int64_t at_ns)
{
	AUTO_BUF struct cs_buf name = CS_BUF_INIT;
	uint32_t *latest = latest_of(tree, event, "pid");
	const uint32_t *above = latest_of(tree, event, "ppid");
	uint32_t before = latest ? *latest : 0;
	uint32_t n = (uint32_t)tree->n;
	struct node *node;

	add_program(&name, event);
	if (before && merge(tree, &tree->nodes[before], event, name.data))
		return;
	if (tree->n > TREE_MAX_COMMANDS) {
		tree->dropped++;
		return;
	}
	CS_GROW(tree->nodes, tree->n, tree->cap);
	tree->n++;
	node = &tree->nodes[n];
	*node = (struct node){ .at_ns = at_ns, .offset = at.offset, .len = at.len };
	node->name = intern(tree, name.data);
	node->by_env = tree->merges && is_env_script(event);
	if (!is_allowed(event))
		node->flags |= COMMAND_DENIED;
	if (!cs_json_bool(event, "verified", true))
		node->flags |= COMMAND_UNVERIFIED;
	tree->denied += !!(node->flags & COMMAND_DENIED);
	tree->unverified += !!(node->flags & COMMAND_UNVERIFIED);
	if (before)
		tree->nodes[before].flags |= COMMAND_REPLACED;
	link_node(tree, n, before ? tree->nodes[before].parent : above ? *above : 0, before);
	if (latest)
		*latest = n;
}

static void take_exit(struct tree *tree, const cJSON *event)
{
	uint32_t *latest = latest_of(tree, event, "pid");
	int64_t signal = cs_json_int(event, "signal", 0);
	int64_t code = cs_json_int(event, "code", -1);
	struct node *node;

	if (!latest || !*latest)
		return;
	node = &tree->nodes[*latest];
	node->flags |= COMMAND_ENDED;
	if (signal)
		node->flags |= COMMAND_SIGNAL;
	else if (code < 0)
		node->flags |= COMMAND_NO_STATUS;
	node->code = (int16_t)(signal ? signal : code);
	node->duration_ms = cs_json_int(event, "duration_ms", 0);
	tree->failed += tree_failed(node);
	*latest = 0; /* the number may be used again */
}

void tree_take(struct tree *tree, const cJSON *event, struct cs_log_place at, int64_t started_ns)
{
	const uint32_t *latest;

	if (is_type(event, "exec")) {
		take_exec(tree, event, at, event_time(event, started_ns));
	} else if (is_type(event, "exit")) {
		take_exit(tree, event);
	} else if (is_type(event, "connect")) {
		latest = latest_of(tree, event, "pid");
		if (latest && *latest)
			tree->nodes[*latest].flags |= COMMAND_NETWORK;
	} else if (is_type(event, "trace.end")) {
		tree->failed_execs = (uint64_t)cs_json_int(event, "failed_execs", 0);
	}
}

/* A parent is always older than its children: one pass from the youngest. */
void tree_finish(struct tree *tree)
{
	for (size_t i = tree->n - 1; i > 0; i--)
		tree->nodes[tree->nodes[i].parent].below += tree->nodes[i].below + 1;
}

/* ---- looking ---- */

bool tree_failed(const struct node *node)
{
	return node->flags & COMMAND_ENDED && !(node->flags & COMMAND_NO_STATUS) && node->code != 0;
}

bool tree_stands_out(const struct node *node)
{
	return tree_failed(node) ||
	       node->flags & (COMMAND_DENIED | COMMAND_UNVERIFIED | COMMAND_NETWORK);
}

uint32_t tree_next(const struct tree *tree, uint32_t n, uint32_t top)
{
	if (tree->nodes[n].first)
		return tree->nodes[n].first;
	while (n != top && !tree->nodes[n].next)
		n = tree->nodes[n].parent;
	return n == top ? 0 : tree->nodes[n].next;
}

bool tree_folds(const struct tree *tree, uint32_t n)
{
	unsigned k = kind(tree, n);

	return tree->nodes[n].below > FOLD_ABOVE &&
	       (k == BUILDER || (k == RUNNER && tree->nodes[n].parent));
}

uint32_t tree_stretch(const struct tree *tree, uint32_t n)
{
	uint32_t names[STRETCH_NAMES];
	size_t n_names = 0, length = 0;
	uint32_t last = 0;

	for (; n; n = tree->nodes[n].next) {
		uint32_t name = tree->nodes[n].name;
		size_t i = 0;

		if (kind(tree, n) != ORDINARY || tree->nodes[n].below > STRETCH_BELOW)
			break;
		while (i < n_names && names[i] != name)
			i++;
		if (i == STRETCH_NAMES)
			break;
		names[i] = name;
		n_names += i == n_names;
		last = n;
		length++;
	}
	return length >= n_names * STRETCH_REPEATS && length ? last : 0;
}
