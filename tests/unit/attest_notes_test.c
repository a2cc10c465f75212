/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: read where git wrote them, written so that git reads them, united as git unites them; no
 * line is ever lost, whatever it is and whoever else writes.
 */
#include "fixture.h"

#include "countersign/attest.h"

#define REF CS_NOTES_REVIEW
#define ME  "N", "n@example.org"

static struct cs_oid tip_of(const char *ref)
{
	AUTO_FREE char *hex = fx_line("git rev-parse --verify -q %s || :", ref);
	struct cs_oid oid = { 0 };

	if (*hex)
		ck_assert_int_eq(cs_oid_parse(&oid, hex), 0);
	return oid;
}

static struct cs_oid object(int i)
{
	AUTO_FREE char *text = cs_asprintf("object %d", i);
	uint8_t digest[CS_SHA256_LEN];
	struct cs_oid oid = { .len = 20 };

	cs_sha256(digest, text, strlen(text));
	memcpy(oid.bytes, digest, oid.len);
	return oid;
}

/* What a tip has for an object; the caller frees. */
static char *lines_at(struct cs_repo *repo, const struct cs_oid *tip, const struct cs_oid *oid)
{
	struct cs_err err = CS_ERR_INIT;
	struct cs_buf out = CS_BUF_INIT;

	fx_ok(cs_notes_read(&out, repo, tip, oid, &err), err);
	return cs_buf_take(&out);
}

static void check_lines(struct cs_repo *repo, const char *ref, const struct cs_oid *oid,
			const char *wanted)
{
	const struct cs_oid tip = tip_of(ref);
	AUTO_FREE char *got = lines_at(repo, &tip, oid);

	ck_assert_str_eq(got, wanted);
}

static void add(struct cs_repo *repo, const char *ref, const struct cs_oid *oid, const char *line)
{
	const struct cs_note note = { *oid, line, strlen(line) };
	struct cs_err err = CS_ERR_INIT;

	fx_ok(cs_notes_add(repo, ref, &note, 1, ME, &err), err);
}

/* A notes commit on top of ref whose tree has these: "path\ttext" with printf's escapes. */
static void write_tree(const char *ref, const char *const *entries, size_t n)
{
	AUTO_BUF struct cs_buf script = CS_BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		const char *tab = strchr(entries[i], '\t');

		cs_buf_addf(&script,
			    "printf \"100644 $(printf '%s' | git hash-object -w --stdin) "
			    "0\\t%.*s\\n\";",
			    tab + 1, (int)(tab - entries[i]), entries[i]);
	}
	fx_run("rm -f index; export GIT_INDEX_FILE=index; { %s } | git update-index --index-info;"
	       "git update-ref %s $(echo x | git commit-tree $(git write-tree)"
	       " $(git rev-parse -q --verify %s | sed 's/^/-p /'))",
	       script.data, ref, ref);
}

static void setup(void)
{
	fx_setup();
	fx_run("git init -q -b main .");
}

/* ---- git's own ---- */

#define MANY 300 /* git makes directories from 256 on */

/* Commits with a note each, by git's own writer. */
static void git_writes_many(const char *ref)
{
	fx_run("{ for i in $(seq %d); do printf 'commit refs/heads/c\\nmark :%%d\\ncommitter C "
	       "<c@x> "
	       "%%d +0000\\ndata 1\\nx\\n' $i $((1700000000 + i)); done;"
	       "printf 'commit %s\\ncommitter C <c@x> 1700000000 +0000\\ndata 1\\nn\\n';"
	       "for i in $(seq %d); do printf 'N inline :%%d\\ndata <<E\\nline of %%d\\nE\\n' $i "
	       "$i;"
	       " done; } | git fast-import --quiet",
	       MANY, ref, MANY);
}

struct seen {
	struct cs_repo *repo;
	struct cs_oid tip;
	size_t n;
};

static int count_note(void *arg, const struct cs_oid *oid, const char *lines, size_t len)
{
	struct seen *s = arg;
	AUTO_FREE char *same = lines_at(s->repo, &s->tip, oid);

	s->n++;
	ck_assert_uint_eq(len, strlen(same));
	ck_assert_int_eq(memcmp(lines, same, len), 0);
	return 0;
}

START_TEST(what_git_wrote)
{
	AUTO_FREE char *fan_out = NULL, *in_git = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo;
	struct seen seen = { 0 };
	char *rest, *line;
	size_t n = 0;

	git_writes_many(REF);
	fan_out = fx_output("git ls-tree %s | head -1", REF);
	ck_assert_ptr_nonnull(strstr(fan_out, " tree "));
	repo = fx_open(".");
	seen.repo = repo;
	seen.tip = tip_of(REF);
	in_git = fx_output("git rev-list --reverse refs/heads/c");
	for (rest = in_git; (line = strsep(&rest, "\n")) && *line;) {
		AUTO_FREE char *wanted = cs_asprintf("line of %zu\n", ++n);
		AUTO_FREE char *got = NULL;
		struct cs_oid oid;

		ck_assert_int_eq(cs_oid_parse(&oid, line), 0);
		got = lines_at(repo, &seen.tip, &oid);
		ck_assert_str_eq(got, wanted);
	}
	ck_assert_uint_eq(n, MANY);
	fx_ok(cs_notes_each(repo, &seen.tip, count_note, &seen, &err), err);
	ck_assert_uint_eq(seen.n, MANY);
	cs_repo_free(repo);
}
END_TEST

/* Two lines for each of many objects, in one call: one commit, directories of two digits. */
START_TEST(what_git_reads)
{
	struct cs_note notes[2 * MANY];
	AUTO_FREE char *listed = NULL, *commits = NULL, *odd = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct cs_repo *repo;

	fx_run("mkdir o && cd o && seq %d | split -a 3 -l 1 && cd .. && ls o/* | git hash-object "
	       "-w "
	       "--stdin-paths >objects",
	       MANY);
	repo = fx_open(".");
	listed = fx_output("cat objects");
	for (size_t i = 0; i < MANY; i++) {
		AUTO_FREE char *hex = cs_strndup(listed + 41 * i, 40);

		ck_assert_int_eq(cs_oid_parse(&notes[i].object, hex), 0);
		notes[i].line = "second\n";
		notes[i].len = 7;
		notes[MANY + i] = notes[i];
		notes[MANY + i].line = "first";
		notes[MANY + i].len = 5;
		/* Whatever stands behind an id. */
		memset(notes[i].object.bytes + 20, 0xee, CS_OID_MAX - 20);
	}
	fx_ok(cs_notes_add(repo, REF, notes, 2 * MANY, ME, &err), err);
	commits = fx_line("git rev-list --count %s", REF);
	ck_assert_str_eq(commits, "1");
	odd = fx_output(
		"git notes --ref=agent-run/review list | cut -d' ' -f2 | sort >got;"
		"sort objects | cmp - got; git notes --ref=agent-run/review list | "
		"cut -d' ' -f1 | uniq | xargs -n1 git cat-file blob;"
		"git ls-tree -r --name-only %s | grep -vE '^[0-9a-f]{2}/[0-9a-f]{38}$' || :;"
		"git fsck --strict --no-dangling",
		REF);
	ck_assert_str_eq(odd, "first\nsecond\n");
	/* Again: nothing to add, no commit. */
	fx_ok(cs_notes_add(repo, REF, notes, 2 * MANY, ME, &err), err);
	fx_ok(cs_notes_add(repo, REF, notes, 0, ME, &err), err);
	free(commits);
	commits = fx_line("git rev-list --count %s", REF);
	ck_assert_str_eq(commits, "1");
	cs_repo_free(repo);
}
END_TEST

/* ---- where a note may stand ---- */

START_TEST(fan_outs)
{
	const struct cs_oid oid = object(1);
	struct cs_repo *repo = fx_open(".");
	char hex[CS_OID_HEX];
	AUTO_FREE char *flat = NULL, *one = NULL, *two = NULL, *paths = NULL;

	cs_oid_hex(hex, &oid);
	flat = cs_asprintf("%s\tflat\\nboth", hex);
	one = cs_asprintf("%.2s/%s\tone\\nboth\\n", hex, hex + 2);
	two = cs_asprintf("%.2s/%.2s/%s\ttwo\\n", hex, hex + 2, hex + 4);
	write_tree(REF, (const char *const[]){ flat }, 1);
	check_lines(repo, REF, &oid, "flat\nboth\n");
	add(repo, REF, &oid, "more"); /* where it stands */
	check_lines(repo, REF, &oid, "both\nflat\nmore\n");
	write_tree(REF, (const char *const[]){ two }, 1);
	add(repo, REF, &oid, "more");
	paths = fx_line("git ls-tree -r --name-only %s", REF);
	ck_assert_int_eq(strncmp(paths + 3, two + 3, 38), 0);
	check_lines(repo, REF, &oid, "more\ntwo\n");
	/* At all three: the union, and nothing is lost by writing one of them. */
	write_tree(REF, (const char *const[]){ flat, one, two }, 3);
	check_lines(repo, REF, &oid, "one\nboth\ntwo\nflat\nboth\n");
	add(repo, REF, &oid, "more");
	check_lines(repo, REF, &oid, "both\nflat\nmore\none\ntwo\ntwo\nflat\nboth\n");
	cs_repo_free(repo);
}
END_TEST

/* Whatever lies in a notes tree beside notes: passed over, kept, and never in the way. */
START_TEST(what_is_no_note)
{
	const struct cs_oid oid = object(1);
	struct cs_repo *repo = fx_open(".");
	char hex[CS_OID_HEX];
	AUTO_FREE char *in_the_way = NULL, *upper = NULL, *names = NULL;
	struct cs_err err = CS_ERR_INIT;
	struct seen seen = { .repo = repo };
	struct cs_note note = { oid, "line", 4 };
	int rc;

	cs_oid_hex(hex, &oid);
	upper = cs_asprintf("ABCDEF%s\tupper", hex + 6);
	write_tree(REF,
		   (const char *const[]){ "README\tx", "a/b\tx", "abc/d\tx", "zz/zz\tx", upper,
					  "0123456789012345678901234567890123456789x\tx" },
		   6);
	fx_run("git update-ref %s $(echo x | git commit-tree $(git ls-tree %s | sed "
	       "'1i120000 blob '$(echo x | git hash-object -w --stdin)'\t%s' | git mktree))",
	       REF, REF, hex);
	seen.tip = tip_of(REF);
	fx_ok(cs_notes_each(repo, &seen.tip, count_note, &seen, &err), err);
	ck_assert_uint_eq(seen.n, 0);
	check_lines(repo, REF, &oid, "");
	fx_ok(cs_notes_add(repo, REF, &note, 1, ME, &err), err);
	check_lines(repo, REF, &oid, "line\n");
	names = fx_output("git ls-tree -r --name-only %s", REF);
	ck_assert_ptr_nonnull(strstr(names, "README\n"));
	ck_assert_ptr_nonnull(strstr(names, "zz/zz\n"));
	/* A file where the directory should be: an error, never a lost line. */
	in_the_way = cs_asprintf("%.2s\tx", hex);
	fx_run("git update-ref -d %s", REF);
	write_tree(REF, (const char *const[]){ in_the_way }, 1);
	rc = cs_notes_add(repo, REF, &note, 1, ME, &err);
	if (rc == 0)
		check_lines(repo, REF, &oid, "line\n");
	else
		ck_assert_str_ne(err.msg, "");
	cs_repo_free(repo);
}
END_TEST

/* ---- what a line may be ---- */

static const struct {
	const char *old; /* as printf(1) has it */
	const char *added, *wanted;
} texts[] = {
	{ "b\\n", "a", "a\nb\n" },
	{ "b", "c\n", "b\nc\n" },	/* truncated: no newline at the end */
	{ "b\\r\\n", "b", "b\nb\r\n" }, /* CRLF: another line */
	{ "\\n\\nb\\n\\na\\n", "a\n\nc\n", "a\nb\nc\n" },
	{ "{\"payload\": cut\\n", "x", "x\n{\"payload\": cut\n" },
	{ "\\377\\376 garbage\\n\\001", "x", "\001\nx\n\377\376 garbage\n" },
	{ "b\\nb\\nb\\n", "b", "b\nb\nb\n" }, /* nothing is added: nothing is written */
	{ "b\\nb\\na\\n", "c", "a\nb\nc\n" },
	{ "bb\\nb\\nba\\n", "b b", "b\nb b\nba\nbb\n" },
	{ "", "x", "x\n" },
	{ "x", "", "x\n" },
	{ "x", "\n", "x\n" },
};

START_TEST(lines)
{
	const struct cs_oid oid = object(1);
	struct cs_repo *repo = fx_open(".");
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid before, after;
	char hex[CS_OID_HEX];
	AUTO_FREE char *entry = NULL;

	cs_oid_hex(hex, &oid);
	entry = cs_asprintf("%.2s/%s\t%s", hex, hex + 2, texts[_i].old);
	write_tree(REF, (const char *const[]){ entry }, 1);
	before = tip_of(REF);
	add(repo, REF, &oid, texts[_i].added);
	after = tip_of(REF);
	check_lines(repo, REF, &oid, texts[_i].wanted);
	fx_ok(cs_notes_lossless(repo, &before, &after, &err), err);
	cs_repo_free(repo);
}
END_TEST

/* A NUL byte in a line is a byte. */
START_TEST(nul)
{
	const struct cs_oid oid = object(1);
	struct cs_repo *repo = fx_open(".");
	const struct cs_note note = { oid, "a\0b\0c", 5 };
	const struct cs_oid none = { 0 };
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid first, tip;
	AUTO_BUF struct cs_buf got = CS_BUF_INIT;

	fx_ok(cs_notes_add(repo, REF, &note, 1, ME, &err), err);
	first = tip_of(REF);
	add(repo, REF, &oid, "a");
	tip = tip_of(REF);
	fx_ok(cs_notes_read(&got, repo, &tip, &oid, &err), err);
	ck_assert_uint_eq(got.len, 8);
	ck_assert_int_eq(memcmp(got.data, "a\na\0b\0c\n", 8), 0);
	fx_ok(cs_notes_lossless(repo, &first, &tip, &err), err);
	fx_ok(cs_notes_lossless(repo, &none, &tip, &err), err);
	ck_assert_int_eq(cs_notes_lossless(repo, &tip, &none, &err), CS_REFUSED);
	cs_repo_free(repo);
}
END_TEST

/* ---- uniting ---- */

/* Random notes of a few objects on a ref, at random depths, some lines twice or not whole. */
static void random_notes(struct cs_repo *repo, const char *ref, uint32_t *state)
{
	for (int k = 0; k < 4; k++) {
		const struct cs_oid oid = object((int)fx_random(state, 4));
		AUTO_FREE char *line = cs_asprintf("%c%s\n%c", 'a' + (char)fx_random(state, 6),
						   fx_random(state, 2) ? "\r" : "",
						   'a' + (char)fx_random(state, 6));

		add(repo, ref, &oid, line);
	}
}

static void check_united(struct cs_repo *repo, const struct cs_oid *a, const struct cs_oid *b)
{
	const struct cs_oid ours = tip_of("refs/notes/a"), theirs = tip_of("refs/notes/git");
	struct cs_err err = CS_ERR_INIT;
	AUTO_FREE char *same = NULL;

	fx_ok(cs_notes_lossless(repo, a, &ours, &err), err);
	fx_ok(cs_notes_lossless(repo, b, &ours, &err), err);
	for (int i = 0; i < 4; i++) {
		const struct cs_oid oid = object(i);
		AUTO_FREE char *got = lines_at(repo, &ours, &oid);
		AUTO_FREE char *wanted = lines_at(repo, &theirs, &oid);

		ck_assert_str_eq(got, wanted);
	}
	/* The other way round it is the same tree. */
	fx_ok(cs_notes_merge(repo, "refs/notes/b", a, ME, &err), err);
	same = fx_line("git rev-parse refs/notes/a^{tree} refs/notes/b^{tree} | uniq | wc -l");
	ck_assert_str_eq(same, "1");
}

START_TEST(as_git_unites)
{
	uint32_t state = 99 + (uint32_t)_i;
	struct cs_repo *repo = fx_open(".");
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid a, b;

	random_notes(repo, "refs/notes/a", &state);
	fx_run("git update-ref refs/notes/b refs/notes/a~%u", fx_random(&state, 3));
	random_notes(repo, "refs/notes/a", &state);
	random_notes(repo, "refs/notes/b", &state);
	a = tip_of("refs/notes/a");
	b = tip_of("refs/notes/b");
	fx_run("git update-ref refs/notes/git refs/notes/a;"
	       "git notes --ref=git merge -q -s cat_sort_uniq refs/notes/b");
	fx_ok(cs_notes_merge(repo, "refs/notes/a", &b, ME, &err), err);
	check_united(repo, &a, &b);
	cs_repo_free(repo);
}
END_TEST

START_TEST(simple_merges)
{
	const struct cs_oid oid = object(1), none = { 0 };
	struct cs_repo *repo = fx_open(".");
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid old, new, got;

	add(repo, "refs/notes/a", &oid, "1");
	old = tip_of("refs/notes/a");
	add(repo, "refs/notes/a", &oid, "2");
	new = tip_of("refs/notes/a");
	fx_ok(cs_notes_merge(repo, REF, &none, ME, &err), err); /* nothing to unite */
	ck_assert_uint_eq(tip_of(REF).len, 0);
	fx_ok(cs_notes_merge(repo, REF, &old, ME, &err), err); /* the first */
	got = tip_of(REF);
	ck_assert(cs_oid_equal(&got, &old));
	fx_ok(cs_notes_merge(repo, REF, &new, ME, &err), err); /* forward */
	fx_ok(cs_notes_merge(repo, REF, &old, ME, &err), err); /* never backward */
	fx_ok(cs_notes_merge(repo, REF, &new, ME, &err), err);
	got = tip_of(REF);
	ck_assert(cs_oid_equal(&got, &new));
	/* A history of its own. */
	add(repo, "refs/notes/b", &oid, "3");
	old = tip_of("refs/notes/b");
	fx_ok(cs_notes_merge(repo, REF, &old, ME, &err), err);
	check_lines(repo, REF, &oid, "1\n2\n3\n");
	cs_repo_free(repo);
}
END_TEST

/* ---- nothing lost ---- */

static const struct {
	const char *before, *after; /* of flat notes "1<text>" of object 1, "2<text>" of object 2 */
	bool lossless;
} losses[] = {
	{ "1a\\nb\\n", "1a\\nb\\n", true },
	{ "1a\\nb\\n", "1b\\na", true },
	{ "1a\\nb\\n", "1a\\na\\nb\\nc\\n", true },
	{ "1a\\nb\\n", "1a\\n", false },
	{ "1a\\nb\\n", "1a\\nB\\n", false },
	{ "1a\\nb\\n", "1a\\nb\\r\\n", false },
	{ "1a\\nb\\n", "1ab\\n", false },
	{ "1a\\n", "1", false },
	{ "1a\\n", "2a\\n", false },
	{ "1", "2a\\n", true },
};

START_TEST(lost_lines)
{
	struct cs_repo *repo = fx_open(".");
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid tips[2];
	int rc;

	for (int i = 0; i < 2; i++) {
		const char *text = i ? losses[_i].after : losses[_i].before;
		const struct cs_oid oid = object(*text - '0');
		char hex[CS_OID_HEX];
		AUTO_FREE char *entry = NULL;

		cs_oid_hex(hex, &oid);
		entry = cs_asprintf("%s%s%s\t%s", i ? hex : "", i ? "" : hex, "", text + 1);
		write_tree(REF, (const char *const[]){ entry }, 1);
		tips[i] = tip_of(REF);
	}
	rc = cs_notes_lossless(repo, &tips[0], &tips[1], &err);
	ck_assert_msg(losses[_i].lossless ? rc == 0 : rc == CS_REFUSED, "%s, %s: %d %s",
		      losses[_i].before, losses[_i].after, rc, err.msg);
	cs_repo_free(repo);
}
END_TEST

/* ---- others at the same time ---- */

#define WRITERS 3
#define ADDED	5

/* Several processes, each with lines of its own for one object and for one of its own. */
START_TEST(at_the_same_time)
{
	const struct cs_oid shared = object(0);
	struct cs_oid tip;
	struct cs_repo *repo;
	pid_t pids[WRITERS];

	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		if (pids[w])
			continue;
		repo = fx_open(".");
		for (int i = 0; i < ADDED; i++) {
			AUTO_FREE char *line = cs_asprintf("writer %d line %d", w, i);
			const struct cs_note notes[] = { { shared, line, strlen(line) },
							 { object(w + 1), line, strlen(line) } };

			if (cs_notes_add(repo, REF, notes, 2, ME, NULL) < 0)
				_exit(1);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status;

		ck_assert_int_eq(waitpid(pids[w], &status, 0), pids[w]);
		ck_assert_int_eq(status, 0);
	}
	repo = fx_open(".");
	tip = tip_of(REF);
	for (int w = 0; w < WRITERS; w++) {
		const struct cs_oid own = object(w + 1);
		AUTO_FREE char *all = lines_at(repo, &tip, &shared);
		AUTO_FREE char *mine = lines_at(repo, &tip, &own);

		for (int i = 0; i < ADDED; i++) {
			AUTO_FREE char *line = cs_asprintf("writer %d line %d\n", w, i);

			ck_assert_ptr_nonnull(strstr(all, line));
			ck_assert_ptr_nonnull(strstr(mine, line));
		}
	}
	cs_repo_free(repo);
}
END_TEST

/* ---- what cannot be read ---- */

/* A missing blob, tree or commit, a note that is too large: errors, never an empty note. */
/* What a git leaves behind that is killed at the wrong moment. */
START_TEST(a_dead_gits_lock)
{
	struct cs_repo *repo = fx_open(".");
	const struct cs_oid oid = object(1);

	add(repo, REF, &oid, "one");
	fx_run("touch -d '1 minute ago' .git/" REF ".lock");
	add(repo, REF, &oid, "two");
	check_lines(repo, REF, &oid, "one\ntwo\n");
	fx_run("touch .git/" REF ".lock");
	ck_assert(!cs_repo_break_lock(repo, REF));
	fx_run("rm .git/" REF ".lock");
	cs_repo_free(repo);
}
END_TEST

START_TEST(unreadable)
{
	static const char *const gone[] = { ":", "^{tree}:", "^{tree}", "^0" };
	const struct cs_oid oid = object(1);
	struct cs_repo *repo = fx_open(".");
	AUTO_BUF struct cs_buf got = CS_BUF_INIT;
	struct cs_note note = { oid, "more", 4 };
	struct cs_err err = CS_ERR_INIT;
	struct cs_oid tip;
	char hex[CS_OID_HEX];

	cs_oid_hex(hex, &oid);
	add(repo, REF, &oid, "line");
	tip = tip_of(REF);
	cs_repo_free(repo);
	if (_i < 4) {
		/* the note, its directory, the whole tree, the commit */
		AUTO_FREE char *rev = cs_asprintf(REF "%s%.*s%s%.*s", gone[_i], _i < 2 ? 2 : 0, hex,
						  _i ? "" : "/", _i ? 0 : 38, hex + 2);

		fx_run("h=$(git rev-parse %s) && rm -f .git/objects/$(echo $h | sed 's,^..,&/,')",
		       rev);
	} else {
		fx_run("b=$(head -c 68000000 /dev/zero | git hash-object -w --stdin) && t=$(printf "
		       "'100644 blob %%s\\t%s\\n' $b | git mktree) && git update-ref %s $(echo x | "
		       "git commit-tree $t)",
		       hex, REF);
		tip = tip_of(REF);
	}
	repo = fx_open(".");
	ck_assert_int_lt(cs_notes_read(&got, repo, &tip, &oid, &err), 0);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(got.len, 0);
	ck_assert_int_lt(cs_notes_add(repo, REF, &note, 1, ME, &err), 0);
	cs_repo_free(repo);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attest_notes");
	TCase *t = tcase_create("notes");

	tcase_add_checked_fixture(t, setup, fx_teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_test(t, what_git_wrote);
	tcase_add_test(t, what_git_reads);
	tcase_add_test(t, fan_outs);
	tcase_add_test(t, what_is_no_note);
	tcase_add_loop_test(t, lines, 0, CS_COUNT(texts));
	tcase_add_test(t, nul);
	tcase_add_loop_test(t, as_git_unites, 0, 4);
	tcase_add_test(t, simple_merges);
	tcase_add_loop_test(t, lost_lines, 0, CS_COUNT(losses));
	tcase_add_test(t, at_the_same_time);
	tcase_add_test(t, a_dead_gits_lock);
	tcase_add_loop_test(t, unreadable, 0, 5);
	suite_add_tcase(s, t);
	return unit_run(s);
}
