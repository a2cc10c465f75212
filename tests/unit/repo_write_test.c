/* SPDX-License-Identifier: Apache-2.0 */
/* Writing: objects, many blobs, trees from updates, commits. */
#include "countersign/repo.h"

#include <sys/resource.h>
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
	repo = fx_open(".");
}

static void teardown(void)
{
	cs_repo_free(cs_steal(&repo));
	fx_teardown();
}

/* The object is what git makes of the same bytes. */
static void must_be(const struct cs_oid *oid, const char *command)
{
	char *want = fx_line("%s", command);
	char hex[CS_OID_HEX];

	ck_assert_str_eq(cs_oid_hex(hex, oid), want);
	free(want);
}

static struct cs_oid write_blob(const char *text)
{
	struct cs_oid oid;

	fx_ok(cs_repo_write(&oid, repo, CS_OBJ_BLOB, text, strlen(text), &err), err);
	return oid;
}

START_TEST(writes_objects)
{
	struct cs_oid oid = write_blob("hello\n");

	must_be(&oid, "echo hello | git hash-object --stdin");
	oid = write_blob("");
	must_be(&oid, "git hash-object --stdin < /dev/null");
	ck_assert_int_eq(cs_repo_write(&oid, repo, CS_OBJ_NONE, "", 0, &err), CS_USAGE);
	fx_ok(cs_repo_sync(repo, &err), err);
	fx_run("git fsck --strict");
}
END_TEST

/* ---- the blob writer ---- */

static void put_blob(struct cs_blob_writer *w, const void *data, size_t len)
{
	const char *p = data;
	struct cs_oid oid;
	char hex[CS_OID_HEX];
	struct cs_oid want;
	enum cs_object_type type;
	uint64_t size;

	fx_ok(cs_blob_writer_start(w, len, &err), err);
	/* In pieces that do not divide anything. */
	for (size_t done = 0; done < len;) {
		size_t n = len - done < 77777 ? len - done : 77777;

		fx_ok(cs_blob_writer_data(w, p + done, n, &err), err);
		done += n;
	}
	fx_ok(cs_blob_writer_end(&oid, w, &err), err);
	if (len < 65536) {
		fx_ok(cs_repo_write(&want, repo, CS_OBJ_BLOB, data, len, &err), err);
		ck_assert(cs_oid_equal(&oid, &want));
		ck_assert_ptr_nonnull(cs_oid_hex(hex, &oid));
		fx_ok(cs_repo_object_info(&type, &size, repo, &oid, &err), err);
		ck_assert_int_eq(size, len);
	}
}

static const struct {
	const char *name;
	uint32_t announced;
	int n;
	const char *loose;
	const char *packs;
} batches[] = {
	{ "none", 0, 0, "0", "0" },
	{ "none of many", 300, 0, "0", "0" },
	{ "few: loose", 200, 200, "200", "0" },
	{ "many: a pack", 201, 201, "0", "1" },
	{ "more than announced", 201, 300, "0", "1" },
	{ "fewer than announced", 5000, 30, "0", "1" },
};

START_TEST(writes_many_blobs)
{
	struct cs_blob_writer *w = NULL;
	struct cs_oid oids[300];
	char text[64];

	fx_ok(cs_blob_writer_new(&w, repo, batches[_i].announced, &err), err);
	for (int i = 0; i < batches[_i].n; i++) {
		snprintf(text, sizeof(text), "blob %d of %s\n", i, batches[_i].name);
		fx_ok(cs_blob_writer_start(w, strlen(text), &err), err);
		fx_ok(cs_blob_writer_data(w, text, strlen(text), &err), err);
		fx_ok(cs_blob_writer_end(&oids[i], w, &err), err);
	}
	fx_ok(cs_blob_writer_finish(w, &err), err);
	cs_blob_writer_free(w);
	for (int i = 0; i < batches[_i].n; i++) {
		AUTO_BUF struct cs_buf b = CS_BUF_INIT;

		snprintf(text, sizeof(text), "blob %d of %s\n", i, batches[_i].name);
		fx_ok(cs_repo_read(&b, repo, &oids[i], CS_OBJ_BLOB, 99, &err), err);
		ck_assert_str_eq(b.data, text);
	}
	fx_run("git fsck --strict; test -z \"$(ls .git/objects | grep tmp_)\";"
	       "test $(git count-objects -v | sed -n 's/^count: //p') = %s;"
	       "test $(git count-objects -v | sed -n 's/^packs: //p') = %s",
	       batches[_i].loose, batches[_i].packs);
}
END_TEST

/* The same content twice, or known already, is not stored twice; sizes around every boundary. */
START_TEST(sizes_and_repetitions)
{
	static const size_t sizes[] = { 0,	1,	15,	 16,	  2047,	   2048,
					262143, 262144, 1048575, 1048576, 1048577, 5000000 };
	uint32_t seed = 1;
	char *data = cs_malloc(5000000);

	for (size_t i = 0; i < 5000000; i += 4) {
		uint32_t r = fx_random(&seed, UINT32_MAX);

		memcpy(data + i, &r, 4);
	}
	write_blob("known");
	for (int round = 0; round < 2; round++) {
		struct cs_blob_writer *w = NULL;

		fx_ok(cs_blob_writer_new(&w, repo, round ? 500 : 5, &err), err);
		for (int twice = 0; twice < 2; twice++)
			for (size_t i = 0; i < CS_COUNT(sizes); i++)
				put_blob(w, data, sizes[i]);
		put_blob(w, "known", 5);
		put_blob(w, "new\n", 4 - !round);
		fx_ok(cs_blob_writer_finish(w, &err), err);
		cs_blob_writer_free(w);
		fx_run("git fsck --strict");
	}
	for (size_t i = 0; i < CS_COUNT(sizes); i++) {
		AUTO_BUF struct cs_buf b = CS_BUF_INIT;
		FILE *f = fopen("../data", "w");
		char *hex;
		struct cs_oid oid;

		ck_assert_int_eq(fwrite(data, 1, sizes[i], f), sizes[i]);
		fclose(f);
		hex = fx_line("git hash-object ../data");
		ck_assert_int_eq(cs_oid_parse(&oid, hex), 0);
		fx_ok(cs_repo_read(&b, repo, &oid, CS_OBJ_BLOB, 5000000, &err), err);
		ck_assert_mem_eq(b.data, data, sizes[i]);
		free(hex);
	}
	free(data);
}
END_TEST

START_TEST(announced_sizes_hold)
{
	struct cs_blob_writer *w = NULL;
	struct cs_oid oid;

	for (uint32_t count = 1; count < 1000; count += 500) {
		fx_ok(cs_blob_writer_new(&w, repo, count, &err), err);
		ck_assert_int_eq(cs_blob_writer_data(w, "x", 1, &err), CS_USAGE);
		ck_assert_int_eq(cs_blob_writer_end(&oid, w, &err), CS_USAGE);
		fx_ok(cs_blob_writer_start(w, 3, &err), err);
		ck_assert_int_eq(cs_blob_writer_data(w, "abcd", 4, &err), CS_USAGE);
		fx_ok(cs_blob_writer_data(w, "ab", 2, &err), err);
		ck_assert_int_eq(cs_blob_writer_end(&oid, w, &err), CS_USAGE);
		/* One that is given up, small and large, leaves nothing behind. */
		fx_ok(cs_blob_writer_start(w, 3, &err), err);
		fx_ok(cs_blob_writer_start(w, 5u << 20, &err), err);
		fx_ok(cs_blob_writer_data(w, "ab", 2, &err), err);
		fx_ok(cs_blob_writer_start(w, 2, &err), err);
		fx_ok(cs_blob_writer_data(w, "ok", 2, &err), err);
		fx_ok(cs_blob_writer_end(&oid, w, &err), err);
		fx_ok(cs_blob_writer_finish(w, &err), err);
		cs_blob_writer_free(w);
		must_be(&oid, "printf ok | git hash-object --stdin");
	}
	fx_run("test $(git count-objects | cut -d' ' -f1) = 1; git fsck --strict;"
	       "test -z \"$(find .git/objects -name 'tmp_*')\"");
}
END_TEST

/* A full disk is an error, and the repository stays as it was. */
START_TEST(a_full_disk)
{
	static const rlim_t limits[] = { 100, 20000 };
	int status;
	pid_t pid;

	for (size_t i = 0; i < CS_COUNT(limits); i++) {
		pid = fork();
		if (pid == 0) {
			const struct rlimit limit = { limits[i], limits[i] };
			struct cs_blob_writer *w = NULL;
			char text[64];
			struct cs_oid oid;
			int rc;

			signal(SIGXFSZ, SIG_IGN); /* then it is EFBIG, as ENOSPC */
			setrlimit(RLIMIT_FSIZE, &limit);
			rc = cs_blob_writer_new(&w, repo, 1000, &err);
			for (int n = 0; rc == 0 && n < 1000; n++) {
				snprintf(text, sizeof(text), "blob %d\n", n * 7919);
				rc = cs_blob_writer_start(w, strlen(text), &err);
				if (rc == 0)
					rc = cs_blob_writer_data(w, text, strlen(text), &err);
				if (rc == 0)
					rc = cs_blob_writer_end(&oid, w, &err);
			}
			if (rc == 0)
				rc = cs_blob_writer_finish(w, &err);
			cs_blob_writer_free(w);
			_exit(rc == CS_MALFUNCTION && *err.msg ? 0 : 1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
		fx_run("git fsck --strict; test $(git count-objects -v | sed -n 's/^packs: //p') = "
		       "0");
	}
}
END_TEST

/* core.sharedRepository: what a colleague needs to write beside us. */
static const struct {
	const char *value;
	const char *dir;
	const char *file;
} shares[] = {
	{ "umask", "700", "400" },    { "group", "2770", "440" }, { "true", "2770", "440" },
	{ "1", "2770", "440" },	      { "all", "2775", "444" },	  { "2", "2775", "444" },
	{ "0660", "2770", "440" },    { "0640", "2750", "440" },  { "false", "700", "400" },
	{ "nonsense", "700", "400" },
};

START_TEST(shared_repositories)
{
	struct cs_oid oid;
	char hex[CS_OID_HEX];
	char *got;

	umask(077);
	cs_repo_free(cs_steal(&repo));
	fx_run("git config core.sharedRepository %s", shares[_i].value);
	repo = fx_open(".");
	oid = write_blob("shared\n");
	cs_oid_hex(hex, &oid);
	got = fx_output("stat -c %%a .git/objects/%.2s .git/objects/%.2s/%s | tr '\\n' ' '", hex,
			hex, hex + 2);
	{
		char *want = cs_asprintf("%s %s ", shares[_i].dir, shares[_i].file);

		ck_assert_msg(!strcmp(got, want), "%s: %s", shares[_i].value, got);
		free(want);
	}
	free(got);
}
END_TEST

/* ---- trees ---- */

#define BASE                                                                       \
	"echo a > a; mkdir -p d/e f; echo b > d/b; echo c > d/e/c; echo x > f/x;"  \
	"echo - > a-; ln -s a l; git add . && git update-index --add --cacheinfo " \
	"160000,1234567890123456789012345678901234567890,sub && git write-tree"

static const struct {
	const char *name;
	struct {
		const char *path;
		uint32_t mode;
	} updates[4];
	int code;
	const char *git; /* on an index with BASE: gives the wanted tree */
} updates[] = {
	{ "nothing", { { NULL, 0 } }, 0, "true" },
	{ "a new file", { { "n", CS_MODE_FILE } }, 0, "put 100644 n" },
	{ "a new file in new directories", { { "n/m/o", CS_MODE_EXEC } }, 0, "put 100755 n/m/o" },
	{ "another content", { { "d/e/c", CS_MODE_FILE } }, 0, "put 100644 d/e/c" },
	{ "a link for a file", { { "a", CS_MODE_LINK } }, 0, "put 120000 a" },
	{ "a submodule", { { "d/s", CS_MODE_GITLINK } }, 0, "put 160000 d/s" },
	{ "removal", { { "d/b", 0 } }, 0, "rm d/b" },
	{ "removal of the last file in a directory", { { "f/x", 0 } }, 0, "rm f/x" },
	{ "removal of the last file below a directory",
	  { { "d/b", 0 }, { "d/e/c", 0 } },
	  0,
	  "rm d/b d/e/c" },
	{ "removal of a directory", { { "d", 0 } }, 0, "rm d/b d/e/c" },
	{ "removal of a submodule", { { "sub", 0 } }, 0, "rm sub" },
	{ "file to directory", { { "a/y", CS_MODE_FILE }, { "a", 0 } }, 0, "rm a; put 100644 a/y" },
	{ "directory to file",
	  { { "d", CS_MODE_FILE }, { "d/b", 0 }, { "d/e/c", 0 } },
	  0,
	  "rm d/b d/e/c; put 100644 d" },
	{ "directory to file at once",
	  { { "d", 0 }, { "d", CS_MODE_FILE } },
	  0,
	  "rm d/b d/e/c; put 100644 d" },
	{ "directory to another directory",
	  { { "d", 0 }, { "d/z/z", CS_MODE_FILE } },
	  0,
	  "rm d/b d/e/c; put 100644 d/z/z" },
	{ "a removal in a removed directory",
	  { { "d", 0 }, { "d/b", 0 }, { "d/q", CS_MODE_FILE } },
	  0,
	  "rm d/b d/e/c; put 100644 d/q" },
	{ "out of and into one directory",
	  { { "d/b", 0 }, { "d/e/n", CS_MODE_FILE } },
	  0,
	  "rm d/b; put 100644 d/e/n" },
	{ "a tree",
	  { { "f", 0 }, { "f", CS_MODE_TREE } },
	  0,
	  "rm f/x; git read-tree --prefix=f/ HEAD^{tree}" },
	{ "a tree over a directory",
	  { { "f", CS_MODE_TREE } },
	  0,
	  "rm f/x; git read-tree --prefix=f/ HEAD^{tree}" },
	{ "everything",
	  { { "d", 0 }, { "f", 0 }, { "l", 0 }, { "sub", 0 } },
	  0,
	  "rm d/b d/e/c f/x l sub" },
	{ "nothing to remove", { { "q", 0 } }, CS_NOTFOUND, NULL },
	{ "nothing to remove further down", { { "d/e/q/r", 0 } }, CS_NOTFOUND, NULL },
	{ "removal below a file", { { "a/y", 0 } }, CS_USAGE, NULL },
	{ "below a file", { { "a/y", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "below a new file", { { "n", CS_MODE_FILE }, { "n/m", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "a file over a directory", { { "d", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "a file over what is left of a directory",
	  { { "d", CS_MODE_FILE }, { "d/b", 0 } },
	  CS_USAGE,
	  NULL },
	{ "twice", { { "n", CS_MODE_FILE }, { "n", CS_MODE_EXEC } }, CS_USAGE, NULL },
	{ "removed twice", { { "a", 0 }, { "a", 0 } }, CS_USAGE, NULL },
	{ "an absolute path", { { "/a", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "a slash at the end", { { "a/", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "two slashes", { { "d//b", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "dot", { { "./a", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "dot dot", { { "d/../a", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "no path", { { "", CS_MODE_FILE } }, CS_USAGE, NULL },
	{ "an odd mode", { { "a", 0100664 } }, CS_USAGE, NULL },
	{ "a tree for a blob", { { "a", CS_MODE_TREE } }, CS_USAGE, NULL },
};

START_TEST(updates_trees)
{
	char *base_hex = fx_line(BASE);
	struct cs_tree_update list[4];
	struct cs_oid base;
	struct cs_oid out;
	struct cs_oid tree;
	size_t n = 0;
	int rc;

	fx_run("git commit -q -m base");
	ck_assert_int_eq(cs_oid_parse(&base, base_hex), 0);
	ck_assert_int_eq(cs_oid_parse(&tree, base_hex), 0);
	for (; n < CS_COUNT(list) && updates[_i].updates[n].path; n++) {
		list[n].path = updates[_i].updates[n].path;
		list[n].mode = updates[_i].updates[n].mode;
		list[n].oid = list[n].mode == CS_MODE_TREE && updates[_i].code == 0
				      ? tree
				      : write_blob("content\n");
	}
	rc = cs_repo_update_tree(&out, repo, &base, list, n, &err);
	ck_assert_msg(rc == updates[_i].code, "%s: %d: %s", updates[_i].name, rc, err.msg);
	if (rc == 0) {
		char *want =
			fx_line("put() { git update-index --add --cacheinfo $1,$(echo content | "
				"git hash-object --stdin),$2; };"
				"rm() { git update-index --force-remove -- \"$@\"; };"
				"set -e; %s; git write-tree",
				updates[_i].git);
		char hex[CS_OID_HEX];

		ck_assert_msg(!strcmp(cs_oid_hex(hex, &out), want), "%s: %s, not %s",
			      updates[_i].name, hex, want);
		free(want);
	}
	free(base_hex);
}
END_TEST

START_TEST(from_and_to_the_empty_tree)
{
	const struct cs_oid none = { 0 };
	const struct cs_oid blob = write_blob("content\n");
	const struct cs_tree_update add = { "a/b", CS_MODE_FILE, blob };
	const struct cs_tree_update removal = { "a", CS_MODE_NONE, none };
	const struct cs_tree_update missing = { "m", CS_MODE_FILE, { .len = 20 } };
	const struct cs_tree_update no_oid = { "m", CS_MODE_FILE, none };
	struct cs_oid out;
	struct cs_oid empty;

	fx_ok(cs_repo_update_tree(&empty, repo, &none, NULL, 0, &err), err);
	must_be(&empty, "git mktree < /dev/null");
	fx_ok(cs_repo_update_tree(&out, repo, &empty, &add, 1, &err), err);
	must_be(&out, "b=$(echo content | git hash-object --stdin);"
		      "t=$(printf '100644 blob %s\\tb\\n' $b | git mktree);"
		      "printf '040000 tree %s\\ta\\n' $t | git mktree");
	fx_ok(cs_repo_update_tree(&out, repo, &out, &removal, 1, &err), err);
	ck_assert(cs_oid_equal(&out, &empty));
	ck_assert_int_eq(cs_repo_update_tree(&out, repo, &none, &missing, 1, &err), CS_NOTFOUND);
	ck_assert_int_eq(cs_repo_update_tree(&out, repo, &none, &no_oid, 1, &err), CS_NOTFOUND);
	ck_assert(cs_oid_equal(&out, &empty));
}
END_TEST

/* Random updates against git's own index. */
#define NAMES 40

struct model {
	char path[NAMES][16];
	bool there[NAMES];
};

/* Few names, so that files and directories meet: a, a-, a0, b in up to three levels. */
static void random_path(char out[16], uint32_t *seed)
{
	static const char *const names[] = { "a", "a-", "a0", "b" };
	uint32_t depth = 1 + fx_random(seed, 3);

	*out = '\0';
	for (uint32_t i = 0; i < depth; i++) {
		strcat(out, i ? "/" : "");
		strcat(out, names[fx_random(seed, CS_COUNT(names))]);
	}
}

static bool is_below(const char *path, const char *dir)
{
	const size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/';
}

static bool fits(const struct model *m, int i)
{
	for (int k = 0; k < NAMES; k++) {
		if (!m->there[k] || k == i)
			continue;
		if (!strcmp(m->path[k], m->path[i]) || is_below(m->path[k], m->path[i]) ||
		    is_below(m->path[i], m->path[k]))
			return false;
	}
	return true;
}

/* The model's files with a content that tells the round, as git's index writes them. */
static struct cs_oid git_tree(const struct model *m, const struct cs_oid *blobs)
{
	struct cs_oid oid;
	char hex[CS_OID_HEX];
	char *line;
	FILE *f = fopen("../list", "w");

	for (int i = 0; i < NAMES; i++)
		if (m->there[i])
			fprintf(f, "100644 %s\t%s\n", cs_oid_hex(hex, &blobs[i]), m->path[i]);
	fclose(f);
	line = fx_line("rm -f ../index; GIT_INDEX_FILE=../index git update-index --index-info "
		       "< ../list && GIT_INDEX_FILE=../index git write-tree");
	ck_assert_int_eq(cs_oid_parse(&oid, line), 0);
	free(line);
	return oid;
}

START_TEST(random_updates)
{
	struct cs_oid blobs[NAMES] = { 0 };
	struct model m = { 0 };
	uint32_t seed = 4711 + (uint32_t)_i;
	struct cs_oid tree = { 0 };

	for (int i = 0; i < NAMES; i++)
		random_path(m.path[i], &seed);
	for (int round = 0; round < 12; round++) {
		struct cs_tree_update list[2 * NAMES];
		struct model before = m;
		struct cs_oid want;
		size_t n = 0;

		for (int i = 0; i < NAMES; i++)
			if (m.there[i] && fx_random(&seed, 3) == 0)
				m.there[i] = false;
		for (int i = 0; i < NAMES; i++) {
			char text[32];

			if (fx_random(&seed, 3) || !fits(&m, i))
				continue;
			m.there[i] = true;
			snprintf(text, sizeof(text), "%d %d", round, i);
			blobs[i] = write_blob(text);
			list[n++] = (struct cs_tree_update){ m.path[i], CS_MODE_FILE, blobs[i] };
		}
		/* The removals, in no order; not for what another entry of the same path keeps. */
		for (int i = 0; i < NAMES; i++) {
			bool kept = m.there[i];

			for (int k = 0; k < NAMES; k++)
				kept |= m.there[k] && !strcmp(m.path[k], m.path[i]);
			if (before.there[i] && !kept)
				list[n++] = (struct cs_tree_update){ .path = m.path[i] };
		}
		fx_ok(cs_repo_update_tree(&tree, repo, &tree, list, n, &err), err);
		want = git_tree(&m, blobs);
		ck_assert_msg(cs_oid_equal(&tree, &want), "seed %d, round %d", _i, round);
	}
}
END_TEST

/* Only what is on the way to a change is read and written, however large the tree. */
START_TEST(a_large_tree)
{
	struct cs_tree_update list[3] = {
		{ "d7/s3/f55", CS_MODE_EXEC, write_blob("new\n") },
		{ "d99/s9/f99", CS_MODE_NONE, { 0 } },
		{ "new/file", CS_MODE_FILE, write_blob("new\n") },
	};
	struct cs_oid base;
	struct cs_oid out;
	char *before;
	char *after;
	char *hex;

	fx_run("git config gc.auto 0; b=$(echo content | git hash-object -w --stdin);"
	       "awk -v b=$b 'BEGIN { for (i = 0; i < 100000; i++) printf "
	       "\"100644 %%s\\td%%d/s%%d/f%%d\\n\", b, i / 1000, i / 100 %% 10, i %% 100 }' | "
	       "git update-index --index-info");
	hex = fx_line("git write-tree");
	ck_assert_int_eq(cs_oid_parse(&base, hex), 0);
	before = fx_line("git count-objects | cut -d' ' -f1");
	fx_ok(cs_repo_update_tree(&out, repo, &base, list, 3, &err), err);
	after = fx_line("git count-objects | cut -d' ' -f1");
	/* The root; d7 and s3 of it; d99 and its s9; new. */
	ck_assert_int_eq(atoi(after) - atoi(before), 6);
	must_be(&out, "b=$(echo new | git hash-object --stdin);"
		      "git update-index --add --cacheinfo 100755,$b,d7/s3/f55 "
		      "--cacheinfo 100644,$b,new/file && "
		      "git update-index --force-remove d99/s9/f99 && git write-tree");
	free(before);
	free(after);
	free(hex);
}
END_TEST

/* ---- commits ---- */

START_TEST(writes_commits)
{
	struct cs_new_commit c = {
		.author_name = " <The> \n Ag\x1b\x65nt. ",
		.author_email = "agent@example.invalid>",
		.committer_name = "O. Perator",
		.committer_email = "",
		.time = 1700000001,
		.message = "title\n\nbody",
	};
	const struct cs_oid none = { 0 };
	struct cs_oid parents[2];
	struct cs_oid commit;
	char *got;
	char hex[CS_OID_HEX];

	fx_ok(cs_repo_update_tree(&c.tree, repo, &none, NULL, 0, &err), err);
	fx_ok(cs_repo_write_commit(&parents[0], repo, &c, &err), err);
	c.message = "other\n";
	fx_ok(cs_repo_write_commit(&parents[1], repo, &c, &err), err);
	c.parents = parents;
	c.n_parents = 2;
	fx_ok(cs_repo_write_commit(&commit, repo, &c, &err), err);
	fx_run("git update-ref refs/x %s; git fsck --strict", cs_oid_hex(hex, &commit));
	got = fx_output("git log -1 --format='%%an|%%ae|%%cn|%%ce|%%at|%%B' refs/x^1;"
			"git rev-list --count refs/x");
	ck_assert_str_eq(got, "The  Agent|agent@example.invalid|O. Perator||1700000001|"
			      "title\n\nbody\n\n3\n");
	free(got);
	c.author_name = " <> .";
	ck_assert_int_eq(cs_repo_write_commit(&commit, repo, &c, &err), CS_USAGE);
	c.author_name = "a";
	c.parents = &c.tree;
	c.n_parents = 1;
	ck_assert_int_eq(cs_repo_write_commit(&commit, repo, &c, &err), CS_USAGE);
	c.n_parents = 0;
	c.tree = parents[0];
	ck_assert_int_eq(cs_repo_write_commit(&commit, repo, &c, &err), CS_USAGE);
	c.tree = none;
	ck_assert_int_eq(cs_repo_write_commit(&commit, repo, &c, &err), CS_NOTFOUND);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("repo/write");
	TCase *tc = tcase_create("write");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, FX_TIMEOUT_S);
	tcase_add_test(tc, writes_objects);
	tcase_add_loop_test(tc, writes_many_blobs, 0, CS_COUNT(batches));
	tcase_add_test(tc, sizes_and_repetitions);
	tcase_add_test(tc, announced_sizes_hold);
	tcase_add_test(tc, a_full_disk);
	tcase_add_loop_test(tc, shared_repositories, 0, CS_COUNT(shares));
	tcase_add_loop_test(tc, updates_trees, 0, CS_COUNT(updates));
	tcase_add_test(tc, from_and_to_the_empty_tree);
	tcase_add_loop_test(tc, random_updates, 0, 8);
	tcase_add_test(tc, a_large_tree);
	tcase_add_test(tc, writes_commits);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
