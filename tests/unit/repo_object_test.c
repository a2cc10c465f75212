/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: objects, trees, references, revisions; and the compare-and-swap of references. */
#include "countersign/repo.h"

#include <sys/stat.h>
#include "../../lib/repo/internal.h"
#include "fixture.h"

static struct cs_err err;

/* A repository "r" with a little of everything; the tests stand in it. */
static void setup(void)
{
	fx_setup();
	err = (struct cs_err)CS_ERR_INIT;
	fx_run("git init -q r; cd r; mkdir -p d/e; echo one > d/e/one; echo two > d/two; echo x > "
	       "x;"
	       "chmod +x x; ln -s d/two l; git add .; git commit -qm 'first line' -m 'body';"
	       "git config advice.nestedTag false; git tag light; git tag -a -m t annotated; git "
	       "tag -a -m t tagged-tag annotated;"
	       "git tag -a -m t tree-tag 'HEAD^{tree}'; echo y > x; git commit -qam second;"
	       "git branch side HEAD~1");
	ck_assert_int_eq(chdir("r"), 0);
}

/* ---- objects ---- */

START_TEST(reads_objects)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	const struct cs_oid blob = fx_oid("HEAD:d/two");
	const struct cs_oid absent = { .len = 20, .bytes = { 1 } };
	const struct cs_oid sha256 = { .len = 32 };
	const struct cs_oid none = { 0 };
	enum cs_object_type type;
	uint64_t size;

	fx_ok(cs_repo_read(&b, repo, &blob, CS_OBJ_BLOB, 4, &err), err);
	ck_assert_str_eq(b.data, "two\n");
	fx_ok(cs_repo_object_info(&type, &size, repo, &blob, &err), err);
	ck_assert_int_eq(type, CS_OBJ_BLOB);
	ck_assert_int_eq(size, 4);
	ck_assert_int_eq(cs_repo_read(&b, repo, &blob, CS_OBJ_BLOB, 3, &err), CS_LIMIT);
	ck_assert_int_eq(cs_repo_read(&b, repo, &blob, CS_OBJ_TREE, 9, &err), CS_CORRUPT);
	ck_assert_int_eq(cs_repo_read(&b, repo, &absent, CS_OBJ_BLOB, 9, &err), CS_NOTFOUND);
	ck_assert_int_eq(cs_repo_read(&b, repo, &none, CS_OBJ_BLOB, 9, &err), CS_NOTFOUND);
	ck_assert_int_eq(cs_repo_read(&b, repo, &sha256, CS_OBJ_BLOB, 9, &err), CS_UNSUPPORTED);
	ck_assert_str_eq(b.data, "two\n"); /* untouched by failures */
}
END_TEST

START_TEST(a_damaged_object_is_corrupt)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	const struct cs_oid blob = fx_oid("HEAD:d/two");
	char hex[CS_OID_HEX];

	cs_oid_hex(hex, &blob);
	fx_run("f=.git/objects/%.2s/%s; chmod u+w $f; printf garbage > $f", hex, hex + 2);
	ck_assert_int_eq(cs_repo_read(&b, repo, &blob, CS_OBJ_BLOB, 99, &err), CS_CORRUPT);
}
END_TEST

/* Small and large (beyond what is held in memory), loose and packed. */
START_TEST(hashes_blobs)
{
	static const char *const makes[] = { "printf ''", "printf 'a\\0b'",
					     "head -c 9000000 /dev/zero" };
	AUTO_REPO struct cs_repo *repo = fx_open(".");

	for (int packed = 0; packed < 2; packed++) {
		for (size_t i = 0; i < CS_COUNT(makes); i++) {
			char *want = fx_line("%s | sha256sum | cut -c1-64", makes[i]);
			char *hex = fx_line("%s | git hash-object -w --stdin", makes[i]);
			uint8_t digest[CS_SHA256_LEN];
			char got[CS_SHA256_HEX];
			struct cs_oid oid;

			ck_assert_int_eq(cs_oid_parse(&oid, hex), 0);
			fx_ok(cs_repo_blob_sha256(digest, repo, &oid, &err), err);
			ck_assert_str_eq(cs_hex(got, digest, sizeof(digest)), want);
			fx_run("git update-ref refs/blobs/%zu %s", i, hex);
			free(want);
			free(hex);
		}
		fx_run("git repack -adq; test -z \"$(git count-objects -v | grep '^count: "
		       "[1-9]')\"");
	}
	ck_assert_int_eq(cs_repo_blob_sha256((uint8_t[CS_SHA256_LEN]){ 0 }, repo,
					     &(struct cs_oid){ .len = 20 }, &err),
			 CS_NOTFOUND);
}
END_TEST

START_TEST(reads_commits)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	const struct cs_oid head = fx_oid("HEAD");
	const struct cs_oid parent = fx_oid("HEAD~1");
	const struct cs_oid tree = fx_oid("HEAD^{tree}");
	struct cs_commit c;

	fx_ok(cs_repo_read_commit(&c, repo, &head, &err), err);
	ck_assert_int_eq(c.n_parents, 1);
	ck_assert(cs_oid_equal(&c.parents[0], &parent));
	ck_assert(cs_oid_equal(&c.tree, &tree));
	ck_assert_str_eq(c.author, "A. U. Thor <author@example.com>");
	ck_assert_str_eq(c.message, "second\n");
	ck_assert_int_eq(c.time, 1700000000);
	cs_commit_release(&c);
	fx_ok(cs_repo_read_commit(&c, repo, &parent, &err), err);
	ck_assert_str_eq(c.message, "first line\n\nbody\n");
	ck_assert_int_eq(c.n_parents, 0);
	cs_commit_release(&c);
	ck_assert_int_eq(cs_repo_read_commit(&c, repo, &tree, &err), CS_CORRUPT);
}
END_TEST

START_TEST(a_malformed_commit_is_corrupt)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	char *hex = fx_line("printf 'tree nonsense\\n\\nx' | "
			    "git hash-object --literally -t commit -w --stdin");
	struct cs_commit c;
	struct cs_oid oid;

	ck_assert_int_eq(cs_oid_parse(&oid, hex), 0);
	ck_assert_int_eq(cs_repo_read_commit(&c, repo, &oid, &err), CS_CORRUPT);
	free(hex);
}
END_TEST

START_TEST(ids)
{
	static const char good[] = "0123456789abcdef0123456789abcdef01234567";
	static const char *const bad[] = {
		"",
		"0123456789abcdef0123456789abcdef0123456",
		"0123456789abcdef0123456789abcdef012345678",
		"0123456789ABCDEF0123456789abcdef01234567",
		"0123456789abcdef0123456789abcdef0123456 ",
		"0123456789abcdef0123456789abcdef0123456g",
	};
	struct cs_oid oid = { .len = 7 };
	char hex[CS_OID_HEX];

	for (size_t i = 0; i < CS_COUNT(bad); i++) {
		ck_assert_msg(cs_oid_parse(&oid, bad[i]) == CS_CORRUPT, "%s", bad[i]);
		ck_assert_int_eq(oid.len, 7);
	}
	ck_assert_int_eq(cs_oid_parse(&oid, good), 0);
	ck_assert_str_eq(cs_oid_hex(hex, &oid), good);
	oid.len = 0;
	ck_assert_str_eq(cs_oid_hex(hex, &oid), "");
}
END_TEST

/* ---- trees ---- */

#define ID "aaaaaaaaaaaaaaaaaaaa"
/* Octal escapes, so that a digit of a mode may follow the NUL. */
#define ENTRY(mode_and_name) mode_and_name "\000" ID

static const struct {
	const char *name;
	const char *raw;
	size_t len;
	int n; /* entries; -1: refused */
} trees[] = {
#define ROW(name, raw, n)                     \
	{                                     \
		name, raw, sizeof(raw) - 1, n \
	}
	ROW("empty", "", 0),
	ROW("one", ENTRY("100644 a"), 1),
	ROW("all types",
	    ENTRY("100644 a") ENTRY("100755 b") ENTRY("120000 c") ENTRY("160000 d")
		    ENTRY("40000 e"),
	    5),
	ROW("a group-writable file, as old gits wrote it", ENTRY("100664 a"), 1),
	ROW("a mode padded with zeros", ENTRY("040000 a"), 1),
	ROW("a tree sorts as with a slash", ENTRY("100644 a-") ENTRY("40000 a") ENTRY("100644 a0"),
	    3),
	ROW("bytes are unsigned", ENTRY("100644 a") ENTRY("100644 \xff"), 2),
	ROW("names that only other systems mind", ENTRY("100644 .GIT") ENTRY("100644 a\\b"), 2),
	ROW("out of order", ENTRY("100644 b") ENTRY("100644 a"), -1),
	ROW("a tree out of order", ENTRY("40000 a") ENTRY("100644 a-"), -1),
	ROW("a name twice", ENTRY("100644 a") ENTRY("100644 a"), -1),
	ROW("a name twice, file and tree", ENTRY("100644 a") ENTRY("40000 a"), -1),
	ROW("a name twice, not side by side",
	    ENTRY("100644 a") ENTRY("100644 a.b") ENTRY("40000 a"), -1),
	ROW("a name twice, far apart",
	    ENTRY("100644 a") ENTRY("100644 a-") ENTRY("100644 a.") ENTRY("100644 a.b")
		    ENTRY("40000 a"),
	    -1),
	ROW("no name", ENTRY("100644 "), -1),
	ROW("dot", ENTRY("100644 ."), -1),
	ROW("dot dot", ENTRY("40000 .."), -1),
	ROW("a slash", ENTRY("100644 a/b"), -1),
	ROW("no mode", ENTRY(" a"), -1),
	ROW("not octal", ENTRY("100648 a"), -1),
	ROW("mode 0", ENTRY("0 a"), -1),
	ROW("a type that is none", ENTRY("20000 a"), -1),
	ROW("all type bits", ENTRY("170000 a"), -1),
	ROW("a mode too large", ENTRY("1100644 a"), -1),
	ROW("a mode beyond 32 bits", ENTRY("40000100644 a"), -1),
	ROW("no blank", ENTRY("100644a"), -1),
	ROW("no end of the name", "100644 a", -1),
	ROW("a short id", "100644 a\0aaaaaaaaaaaaaaaaaaa", -1),
	ROW("mode only", "100644", -1),
	ROW("bytes after the last entry", ENTRY("100644 a") "x", -1),
#undef ROW
};

START_TEST(parses_trees)
{
	AUTO_TREE struct cs_tree t = CS_TREE_INIT;
	char *raw = cs_malloc(trees[_i].len + 1); /* its own, so that a sanitizer sees each byte */
	int rc;

	memcpy(raw, trees[_i].raw, trees[_i].len);
	rc = cs_tree_parse(&t, raw, trees[_i].len, &err);
	if (trees[_i].n < 0) {
		ck_assert_msg(rc == CS_CORRUPT, "%s: accepted", trees[_i].name);
		return;
	}
	ck_assert_msg(rc == 0, "%s: %s", trees[_i].name, err.msg);
	ck_assert_msg((int)t.n == trees[_i].n, "%s: %zu entries", trees[_i].name, t.n);
	for (size_t i = 0; i < t.n; i++)
		ck_assert_msg(cs_tree_find(&t, t.entries[i].name) == &t.entries[i], "%s: %s",
			      trees[_i].name, t.entries[i].name);
	ck_assert_ptr_null(cs_tree_find(&t, "zz"));
}
END_TEST

START_TEST(reads_trees_as_git)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	AUTO_TREE struct cs_tree t = CS_TREE_INIT;
	const struct cs_oid root = fx_oid("HEAD^{tree}");
	char *want = fx_output("git ls-tree HEAD | awk '{print $1, $3, $4}'");
	char hex[CS_OID_HEX];

	fx_ok(cs_repo_read_tree(&t, repo, &root, &err), err);
	for (size_t i = 0; i < t.n; i++)
		cs_buf_addf(&b, "%06o %s %s\n", t.entries[i].mode,
			    cs_oid_hex(hex, &t.entries[i].oid), t.entries[i].name);
	ck_assert_str_eq(b.data, want);
	cs_tree_release(&t);
	fx_ok(cs_repo_read_tree(&t, repo, &(struct cs_oid){ 0 }, &err), err);
	ck_assert_int_eq(t.n, 0);
	free(want);
}
END_TEST

static const struct {
	const char *path;
	uint32_t mode; /* 0: not found */
} lookups[] = {
	{ "x", CS_MODE_EXEC }, { "d", CS_MODE_TREE }, { "d/e/one", CS_MODE_FILE },
	{ "l", CS_MODE_LINK }, { "d/", 0 },	      { "", 0 },
	{ "d/nothing", 0 },    { "x/y", 0 },	      { "l/two", 0 },
	{ "d//two", 0 },       { "/d", 0 },	      { "../d", 0 },
};

START_TEST(looks_up)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	const struct cs_oid root = fx_oid("HEAD^{tree}");
	struct cs_oid oid = { 0 };
	uint32_t mode = 0;
	int rc = cs_repo_tree_lookup(&mode, &oid, repo, &root, lookups[_i].path, &err);

	ck_assert_msg(rc == (lookups[_i].mode ? 0 : CS_NOTFOUND), "%s: %d", lookups[_i].path, rc);
	ck_assert_uint_eq(mode, lookups[_i].mode);
	if (rc == 0) {
		char *rev = cs_asprintf("HEAD:%s", lookups[_i].path);
		const struct cs_oid want = fx_oid(rev);

		ck_assert(cs_oid_equal(&oid, &want));
		free(rev);
	}
}
END_TEST

/* A directory whose object is missing is not a directory without the file. */
START_TEST(looks_up_what_is_missing)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	const struct cs_oid root = fx_oid("HEAD^{tree}");
	struct cs_oid oid = { 0 };
	uint32_t mode = 0;

	fx_run("h=$(git rev-parse HEAD:d) && rm -f .git/objects/$(echo $h | sed 's,^..,&/,') && ! "
	       "git cat-file -e $h 2>/dev/null");
	repo = fx_open(".");
	ck_assert_int_eq(cs_repo_tree_lookup(&mode, &oid, repo, &root, "d/e/one", &err),
			 CS_CORRUPT);
	ck_assert_int_eq(cs_repo_tree_lookup(&mode, &oid, repo, &root, "d/none", &err), CS_CORRUPT);
	ck_assert_int_eq(cs_repo_tree_lookup(&mode, &oid, repo, &root, "none", &err), CS_NOTFOUND);
	fx_ok(cs_repo_tree_lookup(&mode, &oid, repo, &root, "d", &err), err);
}
END_TEST

/* ---- references and revisions ---- */

static const struct {
	const char *rev;
	int code;
} revisions[] = {
	{ "HEAD", 0 },
	{ "master", 0 },
	{ "refs/heads/side", 0 },
	{ "light", 0 },
	{ "annotated", 0 },
	{ "refs/tags/annotated", 0 },
	{ "tagged-tag", 0 },
	{ "HEAD~1", 0 },
	{ "HEAD^0", 0 },
	{ ":/first line", 0 },
	{ "@", 0 },
	{ "master@{0}", 0 },
	{ "HEAD@{1}", 0 },
	{ "annotated^{commit}", 0 },
	{ "HEAD:x", CS_USAGE },
	{ "HEAD^{tree}", CS_USAGE },
	{ "tree-tag", CS_USAGE },
	{ "refs/tags/tree-tag", CS_USAGE },
	{ "nothing", CS_NOTFOUND },
	{ "HEAD~9", CS_NOTFOUND },
	{ "HEAD..side", CS_NOTFOUND },
	{ "^HEAD", CS_NOTFOUND },
	{ "--all", CS_NOTFOUND },
	{ "-h", CS_NOTFOUND },
	{ "", CS_NOTFOUND },
	{ "HEAD side", CS_NOTFOUND },
	{ "refs/heads/*", CS_USAGE },
	{ "refs/heads/none", CS_NOTFOUND },
	{ "a\nb", CS_NOTFOUND },
	{ "0123456789012345678901234567890123456789", CS_NOTFOUND },
};

START_TEST(resolves)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	const char *rev = revisions[_i].rev;
	struct cs_oid commit = { 0 };
	struct cs_oid tree = { 0 };
	int rc = cs_repo_resolve(&commit, &tree, repo, rev, &err);

	ck_assert_msg(rc == revisions[_i].code, "%s: %d: %s", rev, rc, err.msg);
	ck_assert_msg(rc == 0 || !strchr(err.msg, '\n'), "%s", err.msg);
	if (rc == 0) {
		char *name = cs_asprintf("%s^{commit}", rev);
		char *tree_name = cs_asprintf("%s^{tree}", rev);
		const struct cs_oid want = fx_oid(*rev == ':' ? "HEAD~1" : name);
		const struct cs_oid want_tree = fx_oid(*rev == ':' ? "HEAD~1^{tree}" : tree_name);

		ck_assert_msg(cs_oid_equal(&commit, &want), "%s", rev);
		ck_assert_msg(cs_oid_equal(&tree, &want_tree), "%s", rev);
		free(name);
		free(tree_name);
	}
}
END_TEST

START_TEST(ids_resolve_to_themselves)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	char *hex = fx_line("git rev-parse HEAD~1");
	char *abbreviated = fx_line("git rev-parse --short HEAD~1");
	char *tag = fx_line("git rev-parse tagged-tag");
	const char *const revs[] = { hex, abbreviated, tag };
	const struct cs_oid want = fx_oid("HEAD~1");
	struct cs_oid commit;
	struct cs_oid tree;

	for (size_t i = 0; i < CS_COUNT(revs); i++) {
		fx_ok(cs_repo_resolve(&commit, &tree, repo, revs[i], &err), err);
		ck_assert(cs_oid_equal(&commit, &want));
	}
	free(hex);
	free(abbreviated);
	free(tag);
}
END_TEST

START_TEST(an_unborn_head)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	struct cs_oid commit;
	struct cs_oid tree;

	fx_run("git init -q ../unborn");
	repo = fx_open("../unborn");
	ck_assert_int_eq(cs_repo_resolve(&commit, &tree, repo, "HEAD", &err), CS_NOTFOUND);
	ck_assert(strstr(err.msg, "no commit yet"));
}
END_TEST

/* HEAD, the reflog and refs/bisect are each worktree's own. */
START_TEST(a_linked_worktree_has_its_own_head)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	struct cs_oid commit;
	struct cs_oid tree;
	struct cs_oid want;

	fx_run("git worktree add -q ../w side; git -C ../w commit -q --allow-empty -m w;"
	       "git -C ../w update-ref refs/bisect/bad HEAD; git pack-refs --all");
	want = fx_oid("side");
	repo = fx_open("../w");
	fx_ok(cs_repo_resolve(&commit, &tree, repo, "HEAD", &err), err);
	ck_assert(cs_oid_equal(&commit, &want));
	fx_ok(cs_repo_read_ref(&commit, repo, "refs/bisect/bad", &err), err);
	ck_assert(cs_oid_equal(&commit, &want));
	fx_ok(cs_repo_resolve(&commit, &tree, repo, "HEAD@{1}", &err), err);
	want = fx_oid("master~1");
	ck_assert(cs_oid_equal(&commit, &want));
	fx_ok(cs_repo_read_ref(&commit, repo, "refs/heads/master", &err), err);
	want = fx_oid("master");
	ck_assert(cs_oid_equal(&commit, &want));
}
END_TEST

/* Replace refs and grafts change what history means: not for us. */
START_TEST(replacements_are_not_seen)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	const struct cs_oid head = fx_oid("HEAD");
	struct cs_oid commit;
	struct cs_oid tree;
	struct cs_commit c;

	fx_run("git replace HEAD HEAD~1");
	repo = fx_open(".");
	fx_ok(cs_repo_resolve(&commit, &tree, repo, "HEAD", &err), err);
	ck_assert(cs_oid_equal(&commit, &head));
	fx_ok(cs_repo_read_commit(&c, repo, &commit, &err), err);
	ck_assert_str_eq(c.message, "second\n");
	cs_commit_release(&c);
	fx_ok(cs_repo_resolve(&commit, &tree, repo, "master^0", &err), err);
	ck_assert(cs_oid_equal(&commit, &head));
	fx_ok(cs_repo_resolve(&commit, &tree, repo, "master~1", &err), err);
}
END_TEST

START_TEST(reads_references)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	const struct cs_oid head = fx_oid("HEAD");
	struct cs_oid oid;

	for (int packed = 0; packed < 2; packed++) {
		repo = fx_open(".");
		fx_ok(cs_repo_read_ref(&oid, repo, "refs/heads/master", &err), err);
		ck_assert(cs_oid_equal(&oid, &head));
		fx_ok(cs_repo_read_ref(&oid, repo, "HEAD", &err), err);
		ck_assert(cs_oid_equal(&oid, &head));
		ck_assert_int_eq(cs_repo_read_ref(&oid, repo, "refs/x", &err), CS_NOTFOUND);
		ck_assert_int_eq(cs_repo_read_ref(&oid, repo, "master", &err), CS_USAGE);
		ck_assert_int_lt(cs_repo_read_ref(&oid, repo, "refs/heads/../x", &err), 0);
		ck_assert_int_lt(cs_repo_read_ref(&oid, repo, "refs/heads/*", &err), 0);
		cs_repo_free(cs_steal(&repo));
		fx_run("git pack-refs --all");
	}
}
END_TEST

static int collect(void *arg, const char *name, const struct cs_oid *oid)
{
	char hex[CS_OID_HEX];

	cs_buf_addf(arg, "%s %s\n", cs_oid_hex(hex, oid), name);
	return 0;
}

static int stop_at_first(void *arg, const char *name, const struct cs_oid *oid)
{
	(void)name;
	(void)oid;
	++*(int *)arg;
	return CS_BUSY;
}

START_TEST(lists_references)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	char *want;
	int calls = 0;

	fx_run("git update-ref refs/agent-run/ab/1 HEAD; git pack-refs --all;"
	       "git update-ref refs/agent-run/cd/2 side; git update-ref refs/agent-runs/no HEAD;"
	       "git symbolic-ref refs/agent-run/ef refs/heads/side");
	want = fx_output("git for-each-ref --format='%%(objectname) %%(refname)' refs/agent-run/");
	fx_ok(cs_repo_each_ref(repo, "refs/agent-run/", collect, &b, &err), err);
	ck_assert_str_eq(b.data, want);
	ck_assert_int_eq(cs_repo_each_ref(repo, "refs/", stop_at_first, &calls, &err), CS_BUSY);
	ck_assert_int_eq(calls, 1);
	cs_buf_truncate(&b, 0);
	fx_ok(cs_repo_each_ref(repo, "refs/none/", collect, &b, &err), err);
	ck_assert_int_eq(b.len, 0);
	free(want);
}
END_TEST

/* ---- updates ---- */

#define NEW_REF "refs/agent-run/ab/cd"

static int set_ref(struct cs_repo *repo, const char *name, const struct cs_oid *new_oid,
		   const struct cs_oid *old_oid)
{
	const struct cs_ref_update u = { .name = name, .new_oid = new_oid, .old_oid = old_oid };

	return cs_repo_update_refs(repo, &u, 1, &err);
}

START_TEST(updates_references)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	const struct cs_oid none = { 0 };
	const struct cs_oid absent = { .len = 20, .bytes = { 1 } };
	const struct cs_oid a = fx_oid("HEAD");
	const struct cs_oid b = fx_oid("HEAD~1");
	struct cs_oid got;

	fx_ok(set_ref(repo, NEW_REF, &a, &none), err);
	fx_ok(cs_repo_read_ref(&got, repo, NEW_REF, &err), err);
	ck_assert(cs_oid_equal(&got, &a));
	ck_assert_int_eq(set_ref(repo, NEW_REF, &b, &none), CS_EXISTS);
	ck_assert_int_eq(set_ref(repo, NEW_REF, &b, &b), CS_EXISTS);
	ck_assert_int_eq(set_ref(repo, NEW_REF "x", &b, &b), CS_EXISTS);
	ck_assert_int_eq(set_ref(repo, NEW_REF "/below", &b, &none), CS_EXISTS);
	ck_assert_int_eq(set_ref(repo, NEW_REF "x", &absent, &none), CS_NOTFOUND);
	ck_assert_int_eq(set_ref(repo, "cd", &b, NULL), CS_USAGE);
	ck_assert_int_eq(set_ref(repo, NEW_REF, NULL, &none), CS_USAGE);
	ck_assert_int_lt(set_ref(repo, "refs/bad..name", &b, NULL), 0);
	fx_ok(set_ref(repo, NEW_REF, &b, &a), err);
	fx_ok(set_ref(repo, NEW_REF, &a, NULL), err);
	ck_assert_int_eq(set_ref(repo, NEW_REF, NULL, &b), CS_EXISTS);
	fx_ok(cs_repo_read_ref(&got, repo, NEW_REF, &err), err);
	ck_assert(cs_oid_equal(&got, &a));
	fx_ok(set_ref(repo, NEW_REF, &none, &a), err);
	ck_assert_int_eq(cs_repo_read_ref(&got, repo, NEW_REF, &err), CS_NOTFOUND);
}
END_TEST

START_TEST(a_locked_reference_is_busy)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	const struct cs_oid a = fx_oid("HEAD");

	fx_run("mkdir -p .git/refs/agent-run/ab; : > .git/" NEW_REF ".lock");
	ck_assert_int_eq(set_ref(repo, NEW_REF, &a, NULL), CS_BUSY);
	fx_run("rm .git/" NEW_REF ".lock");
	fx_ok(set_ref(repo, NEW_REF, &a, NULL), err);
}
END_TEST

/* All or none. */
START_TEST(one_bad_update_stops_all)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	const struct cs_oid none = { 0 };
	const struct cs_oid a = fx_oid("HEAD");
	const struct cs_ref_update updates[] = {
		{ "refs/agent-run/1", &a, &none },
		{ "refs/heads/master", &a, &none },
		{ "refs/agent-run/2", &a, &none },
	};
	struct cs_oid got;

	ck_assert_int_eq(cs_repo_update_refs(repo, updates, 3, &err), CS_EXISTS);
	ck_assert_int_eq(cs_repo_read_ref(&got, repo, "refs/agent-run/1", &err), CS_NOTFOUND);
	ck_assert_int_eq(cs_repo_read_ref(&got, repo, "refs/agent-run/2", &err), CS_NOTFOUND);
	fx_ok(cs_repo_update_refs(repo, updates, 1, &err), err);
	fx_ok(cs_repo_update_refs(repo, NULL, 0, &err), err);
}
END_TEST

START_TEST(no_hook_runs)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	const struct cs_oid a = fx_oid("HEAD");

	fx_run("mkdir h; printf '#!/bin/sh\\necho ran >> %s/ran\\n' > h/reference-transaction;"
	       "chmod +x h/*; cp h/* .git/hooks/; git config core.hooksPath $PWD/h;"
	       "git config -f ../home/.gitconfig core.hooksPath $PWD/h;"
	       "git update-ref refs/x HEAD; test -s %s/ran; rm %s/ran",
	       fx_top, fx_top, fx_top);
	fx_ok(set_ref(repo, NEW_REF, &a, NULL), err);
	fx_run("test ! -e %s/ran", fx_top);
}
END_TEST

/* Each of two processes adds commits of its own to one reference; none may get lost. */
#define SWAPS 20

static int swap_loop(int who)
{
	AUTO_REPO struct cs_repo *repo = fx_open(".");
	struct cs_new_commit c = {
		.n_parents = 1,
		.author_name = "a",
		.author_email = "a@x",
		.committer_name = "a",
		.committer_email = "a@x",
	};
	char message[32];

	for (int i = 0; i < SWAPS;) {
		struct cs_oid old;
		struct cs_oid new_oid;
		int rc;

		snprintf(message, sizeof(message), "%d/%d", who, i);
		c.message = message;
		c.parents = &old;
		if (cs_repo_read_ref(&old, repo, "refs/race", NULL) < 0 ||
		    cs_repo_resolve(&old, &c.tree, repo, "refs/race", NULL) < 0 ||
		    cs_repo_write_commit(&new_oid, repo, &c, NULL) < 0)
			return 1;
		rc = set_ref(repo, "refs/race", &new_oid, &old);
		if (rc == 0)
			i++;
		else if (rc != CS_EXISTS && rc != CS_BUSY)
			return 2;
	}
	return 0;
}

START_TEST(two_processes_swap_one_reference)
{
	pid_t pids[2];
	char *count;

	fx_run("git update-ref refs/race HEAD");
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(swap_loop(i));
	}
	for (int i = 0; i < 2; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	count = fx_line("git rev-list --count HEAD..refs/race");
	ck_assert_int_eq(atoi(count), 2 * SWAPS);
	free(count);
}
END_TEST

/* ---- git's processes ---- */

START_TEST(git_is_alone)
{
	static const char *const args[] = { "config", "--list", "--show-origin", NULL };
	const struct cs_git_call call = { .git_dir = ".git", .args = args };
	const struct cs_git_call bad = {
		.git_dir = fx_top,
		.args = (const char *const[]){ "cat-file", "-e", "HEAD", NULL },
	};
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	char *git_dir = fx_line("realpath .git");
	struct cs_git_call here = call;

	fx_run("git config -f ../home/.gitconfig core.pager evil");
	setenv("GIT_CONFIG_COUNT", "1", 1);
	setenv("GIT_CONFIG_KEY_0", "core.editor", 1);
	setenv("GIT_CONFIG_VALUE_0", "evil", 1);
	here.git_dir = git_dir;
	here.config = (const char *const[]){ "x.y=z", NULL };
	fx_ok(cs_git(&out, &here, &err), err);
	ck_assert_msg(!strstr(out.data, "evil"), "%s", out.data);
	ck_assert(strstr(out.data, "core.hookspath=/dev/null"));
	ck_assert(strstr(out.data, "x.y=z"));
	ck_assert_int_eq(cs_git(NULL, &bad, &err), CS_MALFUNCTION);
	ck_assert_msg(!strncmp(err.msg, "git cat-file: not a git repository", 34), "%s", err.msg);
	free(git_dir);
}
END_TEST

/* A blob that a partial clone lacks is missing; nothing goes to the network for it. */
START_TEST(nothing_is_fetched)
{
	AUTO_REPO struct cs_repo *repo = NULL;
	const struct cs_oid blob = fx_oid("HEAD:d/two");
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	char hex[CS_OID_HEX];
	const struct cs_git_call call = {
		.git_dir = "/proc/self/cwd/../c",
		.args = (const char *const[]){ "cat-file", "blob", cs_oid_hex(hex, &blob), NULL },
	};
	char *git_dir;
	struct cs_git_call there = call;

	fx_run("git config uploadpack.allowFilter true; git config uploadpack.allowAnySHA1InWant "
	       "true;"
	       "git clone -q --bare --no-local --filter=blob:none file://$PWD ../c");
	git_dir = fx_line("realpath ../c");
	there.git_dir = git_dir;
	repo = fx_open("../c");
	ck_assert_int_eq(cs_repo_read(&b, repo, &blob, CS_OBJ_BLOB, 99, &err), CS_NOTFOUND);
	ck_assert_int_eq(cs_git(NULL, &there, &err), CS_MALFUNCTION);
	/* It could have been had. */
	fx_run("git -C ../c cat-file blob %s", hex);
	free(git_dir);
}
END_TEST

static void add_reading(Suite *s)
{
	TCase *tc = tcase_create("reading");

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_set_timeout(tc, FX_TIMEOUT_S);
	tcase_add_test(tc, reads_objects);
	tcase_add_test(tc, a_damaged_object_is_corrupt);
	tcase_add_test(tc, hashes_blobs);
	tcase_add_test(tc, reads_commits);
	tcase_add_test(tc, a_malformed_commit_is_corrupt);
	tcase_add_test(tc, ids);
	tcase_add_loop_test(tc, parses_trees, 0, CS_COUNT(trees));
	tcase_add_test(tc, reads_trees_as_git);
	tcase_add_loop_test(tc, looks_up, 0, CS_COUNT(lookups));
	tcase_add_test(tc, looks_up_what_is_missing);
	suite_add_tcase(s, tc);
}

static void add_references(Suite *s)
{
	TCase *tc = tcase_create("references");

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_set_timeout(tc, FX_TIMEOUT_S);
	tcase_add_loop_test(tc, resolves, 0, CS_COUNT(revisions));
	tcase_add_test(tc, ids_resolve_to_themselves);
	tcase_add_test(tc, an_unborn_head);
	tcase_add_test(tc, a_linked_worktree_has_its_own_head);
	tcase_add_test(tc, replacements_are_not_seen);
	tcase_add_test(tc, reads_references);
	tcase_add_test(tc, lists_references);
	tcase_add_test(tc, updates_references);
	tcase_add_test(tc, a_locked_reference_is_busy);
	tcase_add_test(tc, one_bad_update_stops_all);
	tcase_add_test(tc, no_hook_runs);
	tcase_add_test(tc, two_processes_swap_one_reference);
	tcase_add_test(tc, git_is_alone);
	tcase_add_test(tc, nothing_is_fetched);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("repo/object");

	add_reading(s);
	add_references(s);
	return unit_run(s);
}
