/* SPDX-License-Identifier: Apache-2.0 */
/* Who may say what: every kind of key with every kind of layer. */
#include "countersign/policy.h"

#include "policy_unit.h"

#define R CS_LAYER_REPOSITORY
#define T CS_LAYER_TRUSTED
#define O CS_LAYER_OPERATOR
#define F CS_LAYER_FILE
#define X CS_LAYER_OPTION
#define M CS_LAYER_MANAGED

static const struct {
	const char *key;
	struct {
		enum cs_policy_layer layer; /* 0: no more */
		const char *value;
	} says[5];
	const char *value; /* NULL: refused */
	const char *origin;
} merges[] = {
	/* caps: the operator replaces, the repository takes the minimum, managed is a lid */
	{ "sandbox.timeout", { { O, "5h" } }, "5h", "O" },
	{ "sandbox.timeout", { { O, "none" } }, "none", "O" },
	{ "sandbox.timeout", { { O, "5h" }, { F, "3h" } }, "3h", "F" },
	{ "sandbox.timeout", { { O, "5h" }, { F, "3h" }, { X, "9h" } }, "9h", "X" },
	{ "sandbox.timeout", { { R, "1h" } }, "1h", "R" },
	{ "sandbox.timeout", { { R, "5h" } }, "2h", "built-in" },
	{ "sandbox.timeout", { { R, "none" } }, "2h", "built-in" },
	{ "sandbox.timeout", { { R, "1h" }, { O, "3h" } }, "3h", "O" },
	{ "sandbox.timeout", { { T, "5h" } }, "5h", "T" },
	{ "sandbox.timeout", { { M, "5h" } }, "5h", "M" },
	{ "sandbox.timeout", { { M, "5h" }, { O, "9h" } }, "5h", "M" },
	{ "sandbox.timeout", { { M, "5h" }, { O, "none" } }, "5h", "M" },
	{ "sandbox.timeout", { { M, "5h" }, { O, "1h" } }, "1h", "O" },
	{ "sandbox.timeout", { { M, "5h" }, { X, "1h" } }, "1h", "X" },
	{ "sandbox.timeout", { { M, "5h" }, { X, "9h" } }, NULL, NULL },
	{ "sandbox.timeout", { { M, "5h" }, { X, "5h" } }, "5h", "M" },
	{ "sandbox.timeout", { { M, "5h" }, { R, "1h" }, { O, "3h" } }, "3h", "O" },
	{ "sandbox.timeout", { { M, "5h" }, { R, "1h" }, { O, "9h" } }, "5h", "M" },
	{ "sandbox.timeout", { { M, "5h" }, { R, "1h" } }, "1h", "R" },
	{ "sandbox.timeout", { { M, "5h" }, { M, "4h" } }, "4h", "M" },
	{ "sandbox.timeout", { { M, "4h" }, { M, "5h" } }, "4h", "M" },
	{ "sandbox.timeout", { { M, "none" }, { O, "9h" } }, "9h", "O" },
	{ "sandbox.disk", { { R, "1g" }, { O, "2g" } }, "2g", "O" },
	{ "sandbox.diskFree", { { R, "9g" } }, "9g", "R" },
	{ "sandbox.diskFree", { { R, "1m" } }, "1g", "built-in" },
	{ "sandbox.diskFree", { { O, "0" } }, "0", "O" },
	{ "sandbox.processes", { { R, "10" } }, "10", "R" },
	{ "sandbox.memory", { { R, "50%" } }, "50%", "R" },
	{ "sandbox.memory", { { R, "80%" } }, "75%", "built-in" },
	{ "sandbox.memory", { { R, "1g" } }, "75% 1g", "R" },
	{ "sandbox.memory", { { M, "2g" }, { O, "50%" } }, "50% 2g", "O" },
	{ "sandbox.memory", { { M, "2g" }, { O, "4g" } }, "2g", "M" },
	/* ordered words */
	{ "sandbox.debuggers", { { R, "deny" } }, "deny", "R" },
	{ "sandbox.debuggers", { { R, "deny" }, { O, "allow" } }, "allow", "O" },
	{ "sandbox.debuggers", { { M, "deny" }, { O, "allow" } }, "deny", "M" },
	{ "sandbox.debuggers", { { M, "deny" }, { X, "allow" } }, NULL, NULL },
	{ "sandbox.debuggers", { { O, "deny" }, { M, "allow" } }, "deny", "O" },
	{ "network.default", { { R, "deny" } }, "deny", "R" },
	{ "network.default", { { O, "deny" }, { R, "ask" } }, "deny", "O" },
	{ "worktree.history", { { R, "base" } }, "base", "R" },
	{ "worktree.submodules", { { R, "no" } }, "false", "R" },
	{ "worktree.submodules", { { O, "no" }, { R, "yes" } }, "false", "O" },
	{ "worktree.submodules", { { M, "no" }, { O, "yes" } }, "false", "M" },
	{ "record.share", { { R, "all" } }, "statements", "built-in" },
	{ "record.share", { { R, "none" } }, "none", "R" },
	{ "gate.@default.require", { { R, "all" } }, "all", "R" },
	{ "gate.@default.require", { { R, "none" } }, "agent", "built-in" },
	{ "gate.main.require", { { R, "none" } }, "warn", "built-in" },
	{ "gate.main.require", { { O, "none" } }, "none", "O" },
	{ "gate.@default.selfreview", { { R, "false" } }, "false", "R" },
	{ "gate.@default.selfreview", { { O, "false" }, { R, "true" } }, "false", "O" },
	{ "gate.@default.signoffs", { { R, "2" } }, "2", "R" },
	{ "gate.@default.signoffs", { { R, "0" } }, "1", "built-in" },
	{ "gate.@default.signoffs", { { M, "2" }, { O, "1" } }, "2", "M" },
	{ "gate.@default.signoffs", { { M, "2" }, { O, "3" } }, "3", "O" },
	{ "gate.@default.binding", { { R, "exact" } }, "exact", "R" },
	{ "gate.@default.presence", { { R, "touch" } }, "touch", "R" },
	/* no order: only who may loosen */
	{ "worktree.mode", { { R, "checkout" } }, "auto", "built-in" },
	{ "worktree.mode", { { O, "checkout" } }, "checkout", "O" },
	{ "worktree.mode", { { M, "overlay" }, { O, "checkout" } }, "overlay", "M" },
	{ "worktree.mode", { { M, "overlay" }, { X, "checkout" } }, NULL, NULL },
	{ "worktree.mode", { { M, "overlay" }, { X, "overlay" } }, "overlay", "M" },
	{ "record.keep", { { R, "1d" } }, "30d", "built-in" },
	{ "record.keep", { { O, "none" } }, "none", "O" },
	{ "gate.@default.signer", { { R, "eve" } }, "*", "built-in" },
	{ "gate.@default.signer", { { O, "a b" } }, "a b", "O" },
	{ "gate.@default.signer", { { O, "a" }, { F, "b" } }, "b", "F" },
	{ "gate.main.signer", { { O, "a" } }, "a", "O" },
	{ "gate.@default.signer", { { M, "a" }, { O, "b" } }, "a", "M" },
	{ "gate.@default.signer", { { M, "a" }, { M, "b" } }, "b", "M" },
	/* grants */
	{ "network.allow", { { O, "a.example" } }, "@profile a.example", "O" },
	{ "network.allow",
	  { { O, "a.example" }, { X, "b.example" } },
	  "@profile a.example b.example",
	  "X" },
	{ "network.allow", { { O, "" } }, "", "O" },
	{ "network.allow", { { O, "none" } }, "", "O" },
	{ "network.allow", { { O, "" }, { X, "b.example" } }, "b.example", "X" },
	{ "network.allow", { { R, "a.example" } }, "@profile", "built-in" },
	{ "network.allow", { { R, "a.example" }, { O, "b.example" } }, "@profile b.example", "O" },
	{ "network.allow", { { R, "" } }, "", "R" },
	{ "network.allow", { { R, "" }, { O, "a.example" } }, "a.example", "O" },
	{ "network.allow", { { T, "a.example" } }, "@profile a.example", "T" },
	{ "network.allow", { { M, "a.example" } }, "a.example", "M" },
	{ "network.allow", { { M, "a.example" }, { M, "b.example" } }, "a.example b.example", "M" },
	{ "network.allow", { { M, "a.example" }, { O, "b.example" } }, "a.example", "M" },
	{ "network.allow", { { M, "a.example" }, { O, "a.example" } }, "a.example", "M" },
	{ "network.allow", { { M, "a.example" }, { X, "b.example" } }, NULL, NULL },
	{ "network.allow",
	  { { M, "a.example b.example" }, { X, "b.example" } },
	  "a.example b.example",
	  "M" },
	{ "network.allow", { { M, "a.example" }, { O, "" } }, "", "O" },
	{ "network.allow", { { M, "a.example" }, { O, "" }, { X, "a.example" } }, NULL, NULL },
	{ "network.allow", { { M, "" }, { O, "a.example" } }, "", "M" },
	{ "sandbox.env",
	  { { R, "AWS_SECRET_ACCESS_KEY" } },
	  "LANG LC_* TERM COLORTERM TZ",
	  "built-in" },
	{ "sandbox.env", { { O, "TERM FOO" } }, "LANG LC_* TERM COLORTERM TZ FOO", "O" },
	{ "network.private", { { R, "10.0.0.0/8" } }, "", "built-in" },
	{ "network.private", { { O, "10.0.0.0/8" } }, "10.0.0.0/8", "O" },
	/* demands */
	{ "sandbox.require", { { O, "ipc" } }, "user mount pid net seccomp ipc", "O" },
	{ "sandbox.require", { { R, "ipc" } }, "user mount pid net seccomp ipc", "R" },
	{ "sandbox.require", { { O, "" } }, "user mount pid net seccomp", "O" },
	{ "sandbox.require", { { M, "" } }, "user mount pid net seccomp", "M" },
	{ "sandbox.require", { { R, "ipc" }, { X, "none" } }, "user mount pid net seccomp", "X" },
	{ "sandbox.hide", { { R, ".env" } }, ".env", "R" },
	{ "sandbox.hide", { { R, ".env" }, { O, "a" } }, ".env a", "O" },
	{ "sandbox.hide", { { R, ".env" }, { O, "" } }, "", "O" },
	{ "sandbox.hide", { { O, ".env" }, { R, "" } }, ".env", "O" },
	{ "sandbox.hide", { { M, ".env" }, { O, "" } }, ".env", "M" },
	{ "sandbox.hide", { { M, ".env" }, { O, "a" }, { R, "b" } }, ".env b a", "O" },
	/* commands */
	{ "command.git push.decision", { { O, "ask" } }, "ask", "O" },
	{ "command.git push.decision", { { R, "allow" } }, "forbid", "built-in" },
	{ "command.git push.decision", { { M, "ask" }, { O, "allow" } }, "ask", "M" },
	{ "command.make.decision", { { R, "forbid" } }, "forbid", "R" },
	{ "command.make.decision", { { R, "allow" } }, "allow", "built-in" },
	{ "command.make.decision", { { O, "forbid" }, { R, "ask" } }, "forbid", "O" },
};

START_TEST(merge)
{
	static const char *const names[] = { "built-in", "R", "T", "O", "F", "X", "M" };
	AUTO_POLICY struct cs_policy *p;
	AUTO_FREE char *value = NULL;
	struct cs_err err = CS_ERR_INIT;
	int rc = 0;

	cs_policy_new(&p);
	/* In reverse: the order of adding layers must not matter, that within a layer does. */
	for (int layer = CS_LAYER_MANAGED; layer > CS_LAYER_BUILTIN; layer--) {
		for (size_t i = 0; i < CS_COUNT(merges[0].says); i++) {
			if ((int)merges[_i].says[i].layer != layer)
				continue;
			rc = cs_policy_set(p, (enum cs_policy_layer)layer, names[layer],
					   merges[_i].key, merges[_i].says[i].value, &err);
			ck_assert_msg(rc == 0, "row %d: %s", _i, err.msg);
		}
	}
	rc = cs_policy_seal(p, &err);
	if (!merges[_i].value) {
		ck_assert_msg(rc == CS_REFUSED, "row %d, %s: %d", _i, merges[_i].key, rc);
		ck_assert_msg(strstr(err.msg, "is held by M"), "row %d: %s", _i, err.msg);
		ck_assert_ptr_null(cs_policy_digest(p));
		return;
	}
	ck_assert_msg(rc == 0, "row %d, %s: %s", _i, merges[_i].key, err.msg);
	value = value_of(p, merges[_i].key);
	ck_assert_msg(!strcmp(value, merges[_i].value), "row %d, %s: %s", _i, merges[_i].key,
		      value);
	ck_assert_msg(!strcmp(cs_policy_origin(p, merges[_i].key), merges[_i].origin),
		      "row %d, %s: from %s", _i, merges[_i].key,
		      cs_policy_origin(p, merges[_i].key));
}
END_TEST

/*
 * The heart of it, for every key at once: whatever a repository says, the result is as tight as
 * without it, and whatever anybody says, as tight as what is managed.
 */
static const struct {
	const char *key;
	const char *values[4];
} candidates[] = {
	{ "sandbox.timeout", { "none", "1h", "3h", "100d" } },
	{ "sandbox.processes", { "none", "1", "4096", "9999999" } },
	{ "sandbox.memory", { "none", "10%", "100%", "1g 80%" } },
	{ "sandbox.disk", { "0", "1k", "20g", "99t" } },
	{ "request.timeout", { "none", "1s", "90s", "1d" } },
	{ "sandbox.debuggers", { "deny", "allow", "deny", "allow" } },
	{ "network.default", { "deny", "ask", "deny", "ask" } },
	{ "worktree.history", { "base", "all", "base", "all" } },
	{ "record.share", { "none", "statements", "all", "none" } },
	{ "gate.@default.require", { "all", "agent", "warn", "none" } },
	{ "gate.@default.signoffs", { "0", "1", "2", "9" } },
	{ "gate.@default.selfreview", { "true", "false", "true", "false" } },
	{ "gate.@default.presence", { "pin", "touch", "none", "pin" } },
	{ "gate.@default.binding", { "exact", "transitions", "exact", "transitions" } },
	{ "command.git push.decision", { "forbid", "ask", "allow", "ask" } },
};

static int64_t looseness(const struct cs_policy_slot *slot, int64_t n)
{
	if (slot->key->merge == CS_MERGE_FLOOR)
		return -n;
	return slot->key->merge == CS_MERGE_CAP && !n ? INT64_MAX : n;
}

static void as_tight(const struct cs_policy *p, const struct cs_policy *than, const char *key,
		     const char *what)
{
	const struct cs_policy_slot *a = cs_policy_slot_find(p, key);
	const struct cs_policy_slot *b = cs_policy_slot_find(than, key);

	ck_assert_msg(looseness(a, a->value.number) <= looseness(b, b->value.number), "%s: %s", key,
		      what);
	if (a->key->kind == CS_KIND_MEMORY)
		ck_assert_msg(looseness(a, a->value.percent) <= looseness(b, b->value.percent),
			      "%s: %s", key, what);
}

static struct cs_policy *made_of(const char *key, const char *managed, const char *operators,
				 const char *repository)
{
	struct cs_policy *p;
	const struct {
		enum cs_policy_layer layer;
		const char *value;
	} says[] = { { M, managed }, { O, operators }, { R, repository } };

	cs_policy_new(&p);
	for (size_t i = 0; i < CS_COUNT(says); i++) {
		if (says[i].value)
			ck_assert_int_eq(
				cs_policy_set(p, says[i].layer, "-", key, says[i].value, NULL), 0);
	}
	seal(p);
	return p;
}

START_TEST(never_looser)
{
	const char *key = candidates[_i].key;
	const char *const *v = candidates[_i].values;

	for (int m = -1; m < 4; m++) {
		for (int o = -1; o < 4; o++) {
			const char *managed = m < 0 ? NULL : v[m];
			const char *operators = o < 0 ? NULL : v[o];
			AUTO_POLICY struct cs_policy *alone = made_of(key, managed, NULL, NULL);
			AUTO_POLICY struct cs_policy *without =
				made_of(key, managed, operators, NULL);

			if (managed)
				as_tight(without, alone, key, "managed is a lid");
			for (int r = 0; r < 4; r++) {
				AUTO_POLICY struct cs_policy *with =
					made_of(key, managed, operators, v[r]);

				if (managed)
					as_tight(with, alone, key, "managed is a lid");
				if (!operators)
					as_tight(with, without, key, "repository loosens");
			}
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy_merge");
	TCase *t = tcase_create("policy_merge");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, merge, 0, CS_COUNT(merges));
	tcase_add_loop_test(t, never_looser, 0, CS_COUNT(candidates));
	suite_add_tcase(s, t);
	return unit_run(s);
}
