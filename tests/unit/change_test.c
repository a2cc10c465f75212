/* SPDX-License-Identifier: Apache-2.0 */
/* Transitions, line counts and patches against git's own diff, on random trees among others. */
#include "countersign/change.h"

#include <sys/stat.h>
#include "fixture.h"

static struct cs_err err;
static struct cs_repo *repo;

static void setup(void)
{
	fx_setup();
	err = (struct cs_err)CS_ERR_INIT;
	fx_run("git init -q r");
	ck_assert_int_eq(chdir("r"), 0);
	fx_run("git config core.quotePath false; git config diff.renames false; git config gc.auto "
	       "0");
	repo = fx_open(".");
}

static void teardown(void)
{
	cs_repo_free(cs_steal(&repo));
	fx_teardown();
}

/* ---- random trees ---- */

#define N_PATHS	   60
#define N_CONTENTS 12

/* Names that stand close together in one order and apart in the other. */
static void random_path(char out[64], uint32_t *seed)
{
	static const char *const names[] = { "a",	 "a-",	 "a0",	 "a b",	 "b",	"\xc3\xa4",
					     "\xff\xfe", "q\"q", "n\nl", "b\\s", "t\tt" };
	uint32_t depth = 1 + fx_random(seed, 3);

	*out = '\0';
	for (uint32_t i = 0; i < depth; i++) {
		strcat(out, i ? "/" : "");
		strcat(out, names[fx_random(seed, CS_COUNT(names))]);
	}
}

/* Lines from a small set, so that they move and repeat; at times without a last line end. */
static struct cs_oid random_content(uint32_t *seed)
{
	static const char *const lines[] = {
		"int f(void)",	       "{",	   "\treturn 0;", "}",	"", "x\r",
		"static int g(int a)", "  if (a)", "# comment",	  "end"
	};
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	uint32_t n = fx_random(seed, 40);
	struct cs_oid oid;

	for (uint32_t i = 0; i < n; i++)
		cs_buf_addf(&b, "%s\n", lines[fx_random(seed, CS_COUNT(lines))]);
	if (b.len && fx_random(seed, 4) == 0)
		cs_buf_truncate(&b, b.len - 1);
	if (fx_random(seed, 12) == 0)
		cs_buf_addc(&b, '\0');
	fx_ok(cs_repo_write(&oid, repo, CS_OBJ_BLOB, b.data, b.len, &err), err);
	return oid;
}

static bool is_below(const char *path, const char *dir)
{
	const size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/';
}

/* A tree of some of the paths; which ones and what is in them, the seed decides. */
static struct cs_oid random_tree(char paths[N_PATHS][64], const struct cs_oid contents[N_CONTENTS],
				 uint32_t *seed)
{
	static const uint32_t modes[] = { CS_MODE_FILE, CS_MODE_FILE, CS_MODE_FILE,
					  CS_MODE_EXEC, CS_MODE_LINK, CS_MODE_GITLINK };
	struct cs_tree_update list[N_PATHS];
	const struct cs_oid none = { 0 };
	struct cs_oid tree;
	size_t n = 0;

	for (int i = 0; i < N_PATHS; i++) {
		bool fits = fx_random(seed, 3) != 0;

		for (size_t k = 0; fits && k < n; k++)
			fits = strcmp(list[k].path, paths[i]) != 0 &&
			       !is_below(list[k].path, paths[i]) &&
			       !is_below(paths[i], list[k].path);
		if (fits)
			list[n++] = (struct cs_tree_update){
				paths[i],
				modes[fx_random(seed, CS_COUNT(modes))],
				contents[fx_random(seed, N_CONTENTS)],
			};
	}
	fx_ok(cs_repo_update_tree(&tree, repo, &none, list, n, &err), err);
	return tree;
}

/* As `git diff-tree -z --raw` writes it, without the letter for the kind of change. */
static void format_raw(struct cs_buf *out, const struct cs_change *c)
{
	static const char zeros[] = "0000000000000000000000000000000000000000";
	char before[CS_OID_HEX];
	char after[CS_OID_HEX];

	for (size_t i = 0; i < c->n; i++) {
		const struct cs_transition *t = &c->list[i];

		cs_oid_hex(before, &t->before.oid);
		cs_oid_hex(after, &t->after.oid);
		cs_buf_addf(out, ":%06o %06o %s %s ", t->before.mode, t->after.mode,
			    *before ? before : zeros, *after ? after : zeros);
		cs_buf_add(out, t->path, strlen(t->path) + 1);
	}
}

/* git's listing in the same form. */
static void git_raw(struct cs_buf *out, const char *a, const char *b)
{
	struct cs_err e = CS_ERR_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	fx_run("git diff-tree -r -z --raw --no-renames --no-abbrev --ignore-submodules=none %s %s "
	       "> ../raw",
	       a, b);
	fx_ok(cs_read_file(&text, AT_FDCWD, "../raw", 1 << 24, &e), e);
	for (const char *p = text.data; p < text.data + text.len;) {
		const size_t head = strlen(p);
		const char *path = p + head + 1;

		cs_buf_add(out, p, head - 1); /* the letter */
		cs_buf_add(out, path, strlen(path) + 1);
		p = path + strlen(path) + 1;
	}
}

/* Each path's patch stands word for word in what git prints for all; a binary's head does. */
static void must_be_same_patches(const struct cs_change *c, const char *a, const char *b)
{
	AUTO_BUF struct cs_buf want = CS_BUF_INIT;

	fx_run("git diff-tree -p --full-index --no-renames %s %s > ../patch", a, b);
	fx_ok(cs_read_file(&want, AT_FDCWD, "../patch", 1 << 24, &err), err);
	for (size_t i = 0; i < c->n; i++) {
		AUTO_BUF struct cs_buf got = CS_BUF_INIT;
		char *binary;

		fx_ok(cs_change_patch(&got, &c->list[i], repo, 1 << 20, &err), err);
		binary = strstr(got.data, "Binary files differ: ");
		if (binary)
			cs_buf_truncate(&got,
					(size_t)(binary - got.data) + strlen("Binary files "));
		ck_assert_msg(strstr(want.data, got.data), "%s in git's:\n%s", got.data, want.data);
	}
}

START_TEST(random_trees)
{
	uint32_t seed = 31337 + (uint32_t)_i * 17;
	char paths[N_PATHS][64];
	struct cs_oid contents[N_CONTENTS];
	char hex[2][CS_OID_HEX];

	for (int i = 0; i < N_PATHS; i++)
		random_path(paths[i], &seed);
	for (int i = 0; i < N_CONTENTS; i++)
		contents[i] = random_content(&seed);
	for (int round = 0; round < 6; round++) {
		AUTO_BUF struct cs_buf got = CS_BUF_INIT;
		AUTO_BUF struct cs_buf want = CS_BUF_INIT;
		struct cs_change c = CS_CHANGE_INIT;
		struct cs_oid a = random_tree(paths, contents, &seed);
		struct cs_oid b = random_tree(paths, contents, &seed);
		char counts[64];
		char *git_counts;

		cs_oid_hex(hex[0], &a);
		cs_oid_hex(hex[1], &b);
		fx_ok(cs_change_between(&c, repo, &a, &b, false, &err), err);
		for (size_t i = 1; i < c.n; i++)
			ck_assert_int_lt(strcmp(c.list[i - 1].path, c.list[i].path), 0);
		format_raw(&got, &c);
		/* git's own order is that of trees; sorted, both are the same bytes. */
		git_raw(&want, hex[0], hex[1]);
		ck_assert_uint_eq(got.len, want.len);
		for (const char *p = want.data; p < want.data + want.len; p += strlen(p) + 1)
			ck_assert_msg(memmem(got.data, got.len, p, strlen(p) + 1), "seed %d: %s",
				      _i, p);
		fx_ok(cs_change_count_lines(&c, repo, &err), err);
		snprintf(counts, sizeof(counts), "%llu %llu", (unsigned long long)c.lines_added,
			 (unsigned long long)c.lines_deleted);
		git_counts =
			fx_line("git diff-tree -r --numstat --no-renames %s %s | awk '{ a += $1; "
				"d += $2 } END { print a + 0, d + 0 }'",
				hex[0], hex[1]);
		ck_assert_str_eq(counts, git_counts);
		free(git_counts);
		if (round == 0)
			must_be_same_patches(&c, hex[0], hex[1]);
		cs_change_release(&c);
	}
}
END_TEST

/* The patch of a whole change, applied by git to the old tree, gives the new one. */
START_TEST(patches_apply)
{
	uint32_t seed = 2718 + (uint32_t)_i;
	char paths[N_PATHS][64];
	struct cs_oid contents[N_CONTENTS];
	struct cs_change c = CS_CHANGE_INIT;
	AUTO_BUF struct cs_buf patch = CS_BUF_INIT;
	char hex[2][CS_OID_HEX];
	struct cs_oid a;
	struct cs_oid b;
	char *got;
	FILE *f;

	for (int i = 0; i < N_PATHS; i++)
		random_path(paths[i], &seed);
	for (int i = 0; i < N_CONTENTS; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%d\ncommon\nlines\n%d", i, i);
		fx_ok(cs_repo_write(&contents[i], repo, CS_OBJ_BLOB, text, strlen(text), &err),
		      err);
	}
	a = random_tree(paths, contents, &seed);
	b = random_tree(paths, contents, &seed);
	fx_ok(cs_change_between(&c, repo, &a, &b, false, &err), err);
	ck_assert_uint_gt(c.n, 5);
	/* Deletions first: git apply wants no file where it makes a directory. */
	for (int creations = 0; creations < 2; creations++)
		for (size_t i = 0; i < c.n; i++)
			if ((c.list[i].before.mode == 0) == creations)
				fx_ok(cs_change_patch(&patch, &c.list[i], repo, 1 << 20, &err),
				      err);
	f = fopen("../patch", "w");
	ck_assert_uint_eq(fwrite(patch.data, 1, patch.len, f), patch.len);
	fclose(f);
	got = fx_line("git read-tree %s && git apply --cached --whitespace=nowarn ../patch && "
		      "git write-tree",
		      cs_oid_hex(hex[0], &a));
	ck_assert_str_eq(got, cs_oid_hex(hex[1], &b));
	cs_change_release(&c);
	free(got);
}
END_TEST

/* ---- the canonical text ---- */

/* Everything that a transition can be; the wanted text is written by hand. */
START_TEST(canonical_text)
{
	AUTO_BUF struct cs_buf got = CS_BUF_INIT;
	AUTO_BUF struct cs_buf want = CS_BUF_INIT;
	struct cs_change c = CS_CHANGE_INIT;
	char digest[CS_SHA256_HEX];
	struct cs_oid before;
	struct cs_oid after;
	char *sum;
	FILE *f;

	fx_run("git config core.symlinks true; echo one > gone; echo two > changed; echo 3 > mode;"
	       "echo same > same; mkdir dir; echo x > dir/x; printf target > tolink;"
	       "git add . && git update-index --add --cacheinfo "
	       "160000,1111111111111111111111111111111111111111,sub && git commit -qm 1;"
	       "rm gone; echo zwei > changed; chmod +x mode; rm -r dir; echo file > dir;"
	       "rm tolink; ln -s target tolink; : > \"$(printf 'new\\nline')\"; mkdir same-dir;"
	       "echo y > same-dir/y; git add -A . && git update-index --add --cacheinfo "
	       "160000,2222222222222222222222222222222222222222,sub && git commit -qm 2");
	before = fx_oid("HEAD~1^{tree}");
	after = fx_oid("HEAD^{tree}");
	fx_ok(cs_change_between(&c, repo, &before, &after, true, &err), err);
	cs_change_format(&got, &c);
	fx_run("h() { printf '%%b' \"$1\" | sha256sum | cut -c1-64 | tr -d '\\n'; };"
	       "t() { printf '%%b\\0%%s %%s %%s %%s\\n' \"$@\"; };"
	       "{ t changed 100644 $(h 'two\\n') 100644 $(h 'zwei\\n');"
	       "t dir 000000 - 100644 $(h 'file\\n');"
	       "t dir/x 100644 $(h 'x\\n') 000000 -;"
	       "t gone 100644 $(h 'one\\n') 000000 -;"
	       "t mode 100644 $(h '3\\n') 100755 $(h '3\\n');"
	       "t 'new\\nline' 000000 - 100644 $(h '');"
	       "t same-dir/y 000000 - 100644 $(h 'y\\n');"
	       "t sub 160000 1111111111111111111111111111111111111111 160000 "
	       "2222222222222222222222222222222222222222;"
	       "t tolink 100644 $(h target) 120000 $(h target); } > ../want");
	fx_ok(cs_read_file(&want, AT_FDCWD, "../want", 1 << 20, &err), err);
	ck_assert_uint_eq(got.len, want.len);
	ck_assert_mem_eq(got.data, want.data, want.len);
	cs_change_digest(digest, &c);
	f = popen("{ echo 'countersign change v1'; cat ../want; } | sha256sum | cut -c1-64", "r");
	sum = cs_calloc(1, 100);
	ck_assert_ptr_nonnull(fgets(sum, 100, f));
	pclose(f);
	ck_assert_str_eq(digest, fx_chomp(sum));
	free(sum);
	cs_change_release(&c);
}
END_TEST

START_TEST(the_empty_change)
{
	const struct cs_oid none = { 0 };
	struct cs_change c = CS_CHANGE_INIT;
	char digest[CS_SHA256_HEX];
	struct cs_oid empty;
	struct cs_oid tree;

	fx_run("echo x > x; git add x; git commit -qm x");
	tree = fx_oid("HEAD^{tree}");
	fx_ok(cs_change_between(&c, repo, &tree, &tree, true, &err), err);
	ck_assert_uint_eq(c.n, 0);
	cs_change_digest(digest, &c);
	/* printf 'countersign change v1\n' | sha256sum */
	ck_assert_str_eq(digest,
			 "fff8e43c456d2f42291ee0170622d47b9fafb6918d9e16174d0cb1acd4996fe1");
	fx_ok(cs_repo_write(&empty, repo, CS_OBJ_TREE, "", 0, &err), err);
	fx_ok(cs_change_between(&c, repo, &none, &empty, true, &err), err);
	ck_assert_uint_eq(c.n, 0);
	fx_ok(cs_change_between(&c, repo, &none, &tree, true, &err), err);
	ck_assert_uint_eq(c.n, 1);
	cs_change_release(&c);
}
END_TEST

/* Any byte that differs gives another digest: content, mode, path, and who was before. */
START_TEST(the_digest_tells_changes_apart)
{
	static const char *const makes[] = {
		"echo 1 > f",
		"echo 2 > f",
		"echo 1 > f; chmod +x f",
		"echo 1 > g",
		"printf 1 > f",
		"ln -s 1 f",
		"mkdir f; echo 1 > f/f",
		"echo base > base; echo 1 > f",
		"rm base; echo 1 > f",
		"true",
		"chmod +x base; echo 1 > f",
	};
	char digests[CS_COUNT(makes)][CS_SHA256_HEX];

	fx_run("echo basis > base; git add .; git commit -qm base; git tag base");
	for (size_t i = 0; i < CS_COUNT(makes); i++) {
		struct cs_change c = CS_CHANGE_INIT;
		struct cs_oid before = fx_oid("base^{tree}");
		struct cs_oid after;

		fx_run("git checkout -q --detach base; %s; git add -A; "
		       "git commit -q --allow-empty -m x",
		       makes[i]);
		after = fx_oid("HEAD^{tree}");
		fx_ok(cs_change_between(&c, repo, &before, &after, true, &err), err);
		cs_change_digest(digests[i], &c);
		cs_change_release(&c);
		for (size_t k = 0; k < i; k++)
			ck_assert_msg(strcmp(digests[k], digests[i]) != 0, "'%s' and '%s'",
				      makes[k], makes[i]);
	}
}
END_TEST

/* A raw mode that git shows as another one is a difference: it would land. */
START_TEST(raw_modes_count)
{
	struct cs_change c = CS_CHANGE_INIT;
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	struct cs_oid blob;
	struct cs_oid trees[2];

	fx_ok(cs_repo_write(&blob, repo, CS_OBJ_BLOB, "x", 1, &err), err);
	for (int i = 0; i < 2; i++) {
		cs_buf_truncate(&raw, 0);
		cs_buf_add(&raw, i ? "100664 f" : "100644 f", 9);
		cs_buf_add(&raw, blob.bytes, blob.len);
		fx_ok(cs_repo_write(&trees[i], repo, CS_OBJ_TREE, raw.data, raw.len, &err), err);
	}
	fx_ok(cs_change_between(&c, repo, &trees[0], &trees[1], true, &err), err);
	ck_assert_uint_eq(c.n, 1);
	ck_assert_uint_eq(c.list[0].after.mode, 0100664);
	ck_assert_str_eq(c.list[0].before.digest, c.list[0].after.digest);
	cs_change_release(&c);
}
END_TEST

/* A tree that two readers may read differently gives no list at all, wherever it is. */
START_TEST(hostile_trees_are_refused)
{
	static const char *const entries[][2] = {
		{ "100644 a", "100644 a" },   { "100644 b", "100644 a" },
		{ "100644 a", "40000 a" },    { "100644 ..", "100644 a" },
		{ "100644 a/b", "100644 c" }, { "10 a", "100644 b" },
	};
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	const struct cs_oid none = { 0 };
	struct cs_oid blob;

	fx_ok(cs_repo_write(&blob, repo, CS_OBJ_BLOB, "x", 1, &err), err);
	for (size_t i = 0; i < CS_COUNT(entries); i++) {
		struct cs_change c = CS_CHANGE_INIT;
		struct cs_oid inner;
		struct cs_oid outer;

		cs_buf_truncate(&raw, 0);
		for (int k = 0; k < 2; k++) {
			cs_buf_add(&raw, entries[i][k], strlen(entries[i][k]) + 1);
			cs_buf_add(&raw, blob.bytes, blob.len);
		}
		fx_ok(cs_repo_write(&inner, repo, CS_OBJ_TREE, raw.data, raw.len, &err), err);
		cs_buf_truncate(&raw, 0);
		cs_buf_add(&raw, "40000 d", 8);
		cs_buf_add(&raw, inner.bytes, inner.len);
		fx_ok(cs_repo_write(&outer, repo, CS_OBJ_TREE, raw.data, raw.len, &err), err);
		ck_assert_int_eq(cs_change_between(&c, repo, &none, &outer, true, &err),
				 CS_CORRUPT);
		ck_assert_int_eq(cs_change_between(&c, repo, &outer, &none, true, &err),
				 CS_CORRUPT);
		ck_assert_uint_eq(c.n, 0);
		ck_assert_ptr_null(c.list);
	}
}
END_TEST

START_TEST(missing_objects_are_errors)
{
	struct cs_change c = CS_CHANGE_INIT;
	const struct cs_oid none = { 0 };
	const struct cs_oid absent = { .len = 20, .bytes = { 9 } };
	AUTO_BUF struct cs_buf raw = CS_BUF_INIT;
	struct cs_oid tree;

	ck_assert_int_eq(cs_change_between(&c, repo, &none, &absent, false, &err), CS_NOTFOUND);
	cs_buf_add(&raw, "100644 a", 9);
	cs_buf_add(&raw, absent.bytes, absent.len);
	fx_ok(cs_repo_write(&tree, repo, CS_OBJ_TREE, raw.data, raw.len, &err), err);
	ck_assert_int_eq(cs_change_between(&c, repo, &none, &tree, true, &err), CS_NOTFOUND);
	fx_ok(cs_change_between(&c, repo, &none, &tree, false, &err), err);
	ck_assert_int_eq(cs_change_count_lines(&c, repo, &err), CS_NOTFOUND);
	cs_buf_truncate(&raw, 0);
	ck_assert_int_eq(cs_change_patch(&raw, &c.list[0], repo, 99, &err), CS_NOTFOUND);
	ck_assert_uint_eq(raw.len, 0);
	cs_change_release(&c);
}
END_TEST

/* Deeper than any work tree can be: an error, not the end of the stack. */
START_TEST(endless_depth)
{
	struct cs_change c = CS_CHANGE_INIT;
	const struct cs_oid none = { 0 };
	struct cs_oid tree;

	fx_ok(cs_repo_write(&tree, repo, CS_OBJ_TREE, "", 0, &err), err);
	for (int i = 0; i < 5000; i++) {
		AUTO_BUF struct cs_buf raw = CS_BUF_INIT;

		cs_buf_add(&raw, "40000 d", 8);
		cs_buf_add(&raw, tree.bytes, tree.len);
		fx_ok(cs_repo_write(&tree, repo, CS_OBJ_TREE, raw.data, raw.len, &err), err);
	}
	ck_assert_int_eq(cs_change_between(&c, repo, &none, &tree, false, &err), CS_LIMIT);
}
END_TEST

/* ---- what is shown ---- */

/* Attributes of the change itself, of the repository and of the user must not hide a line. */
START_TEST(attributes_hide_nothing)
{
	struct cs_change c = CS_CHANGE_INIT;
	struct cs_oid before;
	struct cs_oid after;
	bool seen = false;

	fx_run("echo old > f; git add f; git commit -qm 1;"
	       "echo '* -diff -text binary diff=evil linguist-generated' > .gitattributes;"
	       "cp .gitattributes .git/info/attributes; git config core.attributesFile "
	       "$PWD/.gitattributes; git config diff.evil.command false; git config "
	       "diff.evil.textconv "
	       "false; git config diff.evil.binary true; echo new > f; git add .; git commit -qm "
	       "2");
	cs_repo_free(cs_steal(&repo));
	repo = fx_open(".");
	before = fx_oid("HEAD~1^{tree}");
	after = fx_oid("HEAD^{tree}");
	fx_ok(cs_change_between(&c, repo, &before, &after, true, &err), err);
	fx_ok(cs_change_count_lines(&c, repo, &err), err);
	ck_assert_uint_eq(c.lines_added, 2);
	ck_assert_uint_eq(c.lines_deleted, 1);
	for (size_t i = 0; i < c.n; i++) {
		AUTO_BUF struct cs_buf b = CS_BUF_INIT;

		fx_ok(cs_change_patch(&b, &c.list[i], repo, 1 << 20, &err), err);
		ck_assert_ptr_null(strstr(b.data, "Binary"));
		seen |= strstr(b.data, "\n-old\n+new\n") != NULL;
	}
	ck_assert(seen);
	cs_change_release(&c);
}
END_TEST

static void must_show(const char *path, const char *words, uint64_t max)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	struct cs_change c = CS_CHANGE_INIT;
	const struct cs_oid before = fx_oid("HEAD~1^{tree}");
	const struct cs_oid after = fx_oid("HEAD^{tree}");

	fx_ok(cs_change_between(&c, repo, &before, &after, false, &err), err);
	for (size_t i = 0; i < c.n; i++)
		if (!strcmp(c.list[i].path, path))
			fx_ok(cs_change_patch(&b, &c.list[i], repo, max, &err), err);
	ck_assert_msg(strstr(b.data, words), "%s: %s", path, b.data);
	cs_change_release(&c);
}

START_TEST(what_is_not_shown_is_said)
{
	fx_run("printf 'a\\0b' > bin; printf 'a' > large; git add .; git commit -qm 1;"
	       "printf 'a\\0c' > bin; printf 'abcde' > large; printf '\\0' > new;"
	       "{ head -c 8000 /dev/zero | tr '\\0' x; printf '\\0'; } > late; git add .;"
	       "git commit -qm 2");
	must_show("bin", "\nBinary files differ: bin: 3 bytes sha256:59b271ae1bbcb1d3", 99);
	must_show("new", "Binary files differ: new: absent -> 1 bytes sha256:6e340b9cffb37a98", 99);
	must_show("large", "Too large to show: large: 1 bytes sha256:ca978112ca1bbdca", 4);
	must_show("large", "\n-a\n\\ No newline at end of file\n+abcde\n", 5);
	must_show("late", "+xxxxx", 9000); /* a NUL behind the first 8,000 bytes: text, as git */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("change");
	TCase *tc = tcase_create("change");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, FX_TIMEOUT_S);
	tcase_add_loop_test(tc, random_trees, 0, 10);
	tcase_add_loop_test(tc, patches_apply, 0, 10);
	tcase_add_test(tc, canonical_text);
	tcase_add_test(tc, the_empty_change);
	tcase_add_test(tc, the_digest_tells_changes_apart);
	tcase_add_test(tc, raw_modes_count);
	tcase_add_test(tc, hostile_trees_are_refused);
	tcase_add_test(tc, missing_objects_are_errors);
	tcase_add_test(tc, endless_depth);
	tcase_add_test(tc, attributes_hide_nothing);
	tcase_add_test(tc, what_is_not_shown_is_said);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
