/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/capture.h"

#include "capture_world.h"

/* ---- one script, its change and its findings ------------------------------------------------- */

/* The base of these tests. */
static const char base_script[] =
	"cd base; mkdir -p src/deep lib docs build; echo one > one; echo two > two;"
	"echo a > src/a.c; echo b > src/b.c; echo d > src/deep/d.c; echo l > lib/l.c;"
	"echo x > docs/x.md; echo keep > build/keep; ln -s one link;"
	"printf '#!/bin/sh\\n' > run; chmod +x run; printf 'r1\\r\\nr2\\r\\n' > crlf.auto;"
	"printf '*.log\\nbuild/\\ncache/\\n' > .gitignore;"
	"printf '*.txt text\\n*.auto text=auto\\n*.raw -text\\n*.id ident\\n*.enc "
	"working-tree-encoding=UTF-16\\n*.lfs filter=lfs diff=lfs\\n' > .gitattributes;"
	"printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:00\\nsize 1\\n' > big.lfs";

static const struct {
	const char *name;
	const char *script;
	const char *diff;     /* git diff-tree --name-status */
	const char *findings; /* "kind path" lines; a prefix of each kind's lines is not enough */
} rows[] = {
	{ "nothing", "true", "", "" },
	{ "touched and rewritten with the same bytes",
	  "touch one; echo two > two; chmod 644 run; chmod "
	  "755 run",
	  "", "" },
	{ "modified, added, deleted", "echo 1 > one; echo n > new; rm two", "A new\nM one\nD two\n",
	  "" },
	{ "restored",
	  "rm one; rm -rf src; mkdir -p src/deep; echo one > one; echo a > src/a.c;"
	  "echo b > src/b.c; echo d > src/deep/d.c",
	  "", "" },
	{ "directory deleted", "rm -rf src", "D src/a.c\nD src/b.c\nD src/deep/d.c\n", "" },
	{ "directory replaced by a new one",
	  "rm -rf src; mkdir src; echo a > src/a.c; echo z > src/z",
	  "D src/b.c\nD src/deep/d.c\nA src/z\n", "" },
	{ "directory renamed", "cp -a lib lib2; rm -rf lib", "D lib/l.c\nA lib2/l.c\n", "" },
	{ "file to directory", "rm one; mkdir one; echo x > one/x", "D one\nA one/x\n", "" },
	{ "directory to file", "rm -rf src; echo x > src",
	  "A src\nD src/a.c\nD src/b.c\nD src/deep/d.c\n", "" },
	{ "file to link and back", "ln -sf two one; rm link; echo x > link", "T link\nT one\n",
	  "" },
	{ "B17: modes", "chmod +x one; chmod -x run; git config core.fileMode false",
	  "M one\nM run\n", "" },
	{ "B17: file, link, directory", "rm one; ln -s two one; rm two; mkdir two; echo x > two/x",
	  "T one\nD two\nA two/x\n", "" },
	{ "empty file and empty directory", ": > empty; mkdir -p none/none", "A empty\n",
	  "empty-directory none/none\n" },

	/* ignored */
	{ "B31: ignored leftovers",
	  "mkdir -p cache/d; echo > cache/a; echo > cache/d/b; echo > x.log; echo > src/y.log;"
	  "echo > src/z.log; echo new > build/out",
	  "", "ignored x.log\nignored build/\nignored cache/\nignored src/\n" },
	{ "tracked although ignored", "echo changed > build/keep; echo > build/other",
	  "M build/keep\n", "ignored build/\n" },
	{ "added by the agent although ignored",
	  "mkdir cache; echo > cache/a; echo > cache/b; echo x > f.log; git add -f cache/a f.log",
	  "A cache/a\nA f.log\n", "ignored cache/\n" },
	{ "new rules hide only what is untracked",
	  "echo '*.c' >> .gitignore; echo n > n.c; echo m > src/a.c", "M .gitignore\nM src/a.c\n",
	  "ignored n.c\n" },
	{ "rules taken away do not make leftovers part of the change",
	  "rm .gitignore; echo > x.log; mkdir cache; echo > cache/a", "D .gitignore\n",
	  "ignored x.log\nignored cache/\n" },
	{ "rules that are a link do not count", "rm .gitignore; ln -s one .gitignore; echo > y",
	  "T .gitignore\nA y\n", "ignore-rules .gitignore\n" },
	{ "a tracked directory becomes an ignored file",
	  "rm -rf src; echo > src; echo /src >> .gitignore",
	  "M .gitignore\nD src/a.c\nD src/b.c\nD src/deep/d.c\n", "ignored src\n" },

	/* line ends */
	{ "text loses CRs", "printf 'a\\r\\nb\\r\\n' > n.txt; printf 'a\\rb\\r\\n\\r' > m.txt",
	  "A m.txt\nA n.txt\n", "" },
	{ "B25: raw keeps them", "printf 'a\\r\\n' > n.raw; printf 'a\\r\\n' > plain",
	  "A n.raw\nA plain\n", "" },
	{ "B25: ident, encoding",
	  "printf '$Id: x $\\n' > a.id; echo n > b.id; printf 'a\\0b\\0' > c.enc",
	  "A a.id\nA b.id\nA c.enc\n", "conversion a.id\nconversion c.enc\nbinary c.enc\n" },
	{ "LFS pointer replaced", "echo content > big.lfs; echo more > other.lfs",
	  "M big.lfs\nA other.lfs\n",
	  "conversion big.lfs\nlfs-pointer big.lfs\nconversion other.lfs\n" },

	/* what does not show */
	{ "binary", "printf 'a\\0b' > bin", "A bin\n", "binary bin\n" },
	{ "bidi", "printf 'x \\342\\200\\256 y\\n' > bidi; printf 'caf\\303\\251\\n' > plain",
	  "A bidi\nA plain\n", "hidden-content bidi\n" },
	{ "emoji are no finding",
	  "printf '\\357\\273\\277\\342\\235\\244\\357\\270\\217\\342\\200\\215\\360\\237"
	  "\\224\\245\\n' > e",
	  "A e\n", "" },

	/* what git does not hold */
	{ "special files", "mkfifo fifo; rm one; mkfifo one", "D one\n",
	  "special-file fifo\nspecial-file one\n" },
	{ "setuid", "cp run tool; chmod 4755 tool; chmod 2755 run", "A tool\n",
	  "setuid run\nsetuid tool\n" },
	{ "B24: hard link", "echo x > x; ln x y", "A x\nA y\n", "hard-link x\nhard-link y\n" },
	{ "B24: links",
	  "ln -s /etc/passwd abs; ln -s ../../x up; ln -s src/../../x up2; ln -s gone dangling;"
	  "ln -s loop loop; ln -s .git/config cfg; ln -s ../one src/ok; ln -s /proc/self/environ "
	  "env",
	  "A abs\nA cfg\nA dangling\nA env\nA loop\nA src/ok\nA up\nA up2\n",
	  "link-outside abs\nlink-outside cfg\nlink-outside env\nlink-outside up\nlink-outside "
	  "up2\n" },
	{ "B20: modes that forbid",
	  "echo x > secret; chmod 000 secret; mkdir -p no/no/no; echo y > no/no/no/f; chmod 000 "
	  "one;"
	  "chmod 000 no/no/no no/no no",
	  "A no/no/no/f\nA secret\n", "" },

	/* repositories */
	{ "B09: nested repository",
	  "git init -q n; cd n; git commit -q --allow-empty -m x; git config core.fsmonitor "
	  "../x.sh;"
	  "git config filter.e.clean ../x.sh; echo '* filter=e' > .gitattributes; echo f > f",
	  "A n/.gitattributes\nA n/f\n", "nested-repository n\n" },
	{ "B11: embedded bare repository",
	  "git init -q --bare b; rm -rf b/hooks b/info b/description;"
	  "git -C b config core.worktree ..",
	  "A b/HEAD\nA b/config\n",
	  "nested-repository b\nempty-directory b/branches\nempty-directory b/objects/info\n"
	  "empty-directory b/objects/pack\nempty-directory b/refs/heads\nempty-directory "
	  "b/refs/tags\n" },
	{ "B18: payload in a nested .git", "mkdir -p d/.git; echo x > d/.git/x; echo y > d/y",
	  "A d/y\n", "nested-repository d\n" },
	{ "B19: an unborn repository", "git init -q d; echo y > d/y", "A d/y\n",
	  "nested-repository d\n" },
	{ "B19: spellings of .git",
	  "mkdir -p d/.GIT e/git~1 f/.git.; touch d/.GIT/x e/git~1/x d/y f/.git./x;"
	  "printf x > \"$(printf '.g\\342\\200\\214it')\"; echo > .git/index.lock",
	  "A d/y\n",
	  "refused-name .g\\u{200c}it\nrefused-name d/.GIT\nrefused-name e/git~1\nrefused-name "
	  "f/.git.\n" },
	{ "B32: .gitmodules as a link", "ln -s one .gitmodules; ln -s one src/.gitmodules", "",
	  "refused-name .gitmodules\nrefused-name src/.gitmodules\n" },
	{ "B21: names",
	  "touch -- '-rf' ':(exclude)*' 'a -> b' 'trailing ' '--output=x' '\"quote\"' "
	  "'back\\slash';"
	  "touch \"$(printf 'new\\nline')\" \"$(printf 'tab\\tx')\" \"$(printf 'esc\\033[31m')\" "
	  "\"$(printf 'bad\\377utf8')\"",
	  "A \"\\\"quote\\\"\"\nA --output=x\nA -rf\nA :(exclude)*\nA a -> b\nA \"back\\\\slash\"\n"
	  "A \"bad\\377utf8\"\nA \"esc\\033[31m\"\nA \"new\\nline\"\nA \"tab\\tx\"\nA trailing \n",
	  "" },

	/* the agent's git directory */
	{ "B28: no git directory", "rm -rf .git; echo n > n", "A n\n", "agent-commits .git\n" },
	{ "B28: a hostile HEAD", "rm .git/HEAD; mkfifo .git/HEAD; echo n > n", "A n\n",
	  "agent-commits .git\n" },
	{ "B28: HEAD in a circle",
	  "echo 'ref: refs/heads/x' > .git/HEAD; mkdir -p .git/refs/heads;"
	  "echo 'ref: refs/heads/x' > .git/refs/heads/x",
	  "", "agent-commits .git\n" },
	{ "B28: HEAD outside", "echo 'ref: refs/../../../repo/HEAD' > .git/HEAD", "",
	  "agent-commits .git\n" },
	{ "B28: HEAD at nothing", "echo 0123456789012345678901234567890123456789 > .git/HEAD", "",
	  "agent-commits .git\n" },
	{ "a hostile index", "echo DIRC > .git/index; echo > x.log", "",
	  "agent-index .git/index\nignored x.log\n" },
	{ "an index that waits", "rm .git/index; mkfifo .git/index; echo > x.log", "",
	  "agent-index .git/index\nignored x.log\n" },
	{ "B30: back again", "cp one /dev/null; echo x > one; git add one; echo one > one", "",
	  "" },
};

/* Lines of a text, sorted: the order of findings is that of the walk. */
static void sort_lines(struct cs_buf *text)
{
	AUTO_FD int fd = open("lines", O_CREAT | O_TRUNC | O_WRONLY, 0600);

	ck_assert_int_eq(cs_write_all(fd, text->data, text->len), 0);
	cs_buf_truncate(text, 0);
	world_sh(text, "LC_ALL=C sort lines");
}

static void check_row(struct world *w, size_t row)
{
	AUTO_BUF struct cs_buf diff = CS_BUF_INIT;
	AUTO_BUF struct cs_buf findings = CS_BUF_INIT;
	AUTO_BUF struct cs_buf expected = CS_BUF_INIT;

	cs_buf_adds(&expected, rows[row].findings);
	world_diff(&diff, w);
	world_findings(&findings, w);
	sort_lines(&findings);
	sort_lines(&expected);
	ck_assert_msg(!strcmp(diff.data, rows[row].diff), "%s (%s): change\n%s", rows[row].name,
		      w->overlay ? "overlay" : "checkout", diff.data);
	ck_assert_msg(!strcmp(findings.data, expected.data), "%s (%s): findings\n%s",
		      rows[row].name, w->overlay ? "overlay" : "checkout", findings.data);
}

START_TEST(change_and_findings)
{
	size_t row = (size_t)_i / 2;
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, _i % 2 == 0);
	world_sh(NULL, base_script);
	world_commit(&w);
	world_script(&w, rows[row].script);
	opts = world_opts(&w);
	world_capture(&w, &opts);
	check_row(&w, row);
	world_release(&w);
}
END_TEST

/* ---- bytes ----------------------------------------------------------------------------------- */

/* What is stored; octal escapes as for printf(1). */
static const struct {
	const char *file, *written, *stored;
} contents[] = {
	{ "plain", "a\\r\\nb\\r", "a\\r\\nb\\r" },
	{ "n.txt", "a\\r\\nb\\rc\\r\\n\\r", "a\\nb\\rc\\n\\r" },
	{ "two.txt", "a\\r\\r\\nb", "a\\r\\nb" },
	{ "nul.txt", "a\\000\\r\\n", "a\\000\\n" },
	{ "n.auto", "a\\r\\nb\\r\\n", "a\\nb\\n" },
	{ "mixed.auto", "a\\r\\nb\\n", "a\\nb\\n" },
	{ "lone.auto", "a\\r\\nb\\r", "a\\r\\nb\\r" },
	{ "nul.auto", "a\\000\\r\\n", "a\\000\\r\\n" },
	{ "dos.auto", "a\\r\\n\\032", "a\\n\\032" },
	{ "control.auto", "\\001\\002\\r\\n", "\\001\\002\\r\\n" },
	{ "crlf.auto", "r1\\r\\nr2\\r\\nr3\\r\\n", "r1\\r\\nr2\\r\\nr3\\r\\n" },
	{ "sub/x.raw", "a\\r\\n", "a\\r\\n" },
};

static void fill(struct cs_buf *script, bool stored)
{
	for (size_t i = 0; i < CS_COUNT(contents); i++)
		cs_buf_addf(script, "printf '%s' > %s;",
			    stored ? contents[i].stored : contents[i].written, contents[i].file);
}

START_TEST(line_ends)
{
	AUTO_BUF struct cs_buf script = CS_BUF_INIT;
	char hex[CS_OID_HEX];
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, _i == 0);
	world_sh(NULL, base_script);
	world_commit(&w);
	cs_buf_adds(&script, "mkdir -p sub;");
	fill(&script, false);
	world_script(&w, script.data);
	opts = world_opts(&w);
	world_capture(&w, &opts);
	cs_buf_truncate(&script, 0);
	cs_buf_adds(&script, "set +f; mkdir expected; cd expected; mkdir sub;");
	fill(&script, true);
	cs_buf_addf(&script,
		    "for f in * sub/*; do [ -d $f ] || git -C ../repo cat-file blob %s:$f | cmp - "
		    "$f; done",
		    cs_oid_hex(hex, &w.capture.tree));
	world_sh(NULL, script.data);
	ck_assert_uint_gt(w.capture.bytes, 0);
	world_release(&w);
}
END_TEST

/* Pieces of any size give the same counts as the whole: streams are cut anywhere. */
START_TEST(large_content)
{
	char hex[CS_OID_HEX];
	AUTO_FREE char *check = NULL;
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, _i == 0);
	world_sh(NULL, base_script);
	world_commit(&w);
	world_script(&w, "i=0; while [ $i -lt 9000 ]; do printf '%s\\r\\n' line-$i-of-the-file; "
			 "i=$((i+1)); done > large.txt; cp large.txt large.raw; : > empty.txt;"
			 "head -c 3000000 /dev/zero > zero.txt");
	opts = world_opts(&w);
	world_capture(&w, &opts);
	check = cs_asprintf(
		"cd repo; t=%s; git cat-file blob $t:large.raw | cmp - ../seen/large.raw;"
		"git cat-file blob $t:zero.txt | cmp - ../seen/zero.txt;"
		"tr -d '\\r' < ../seen/large.raw > ../lf;"
		"git cat-file blob $t:large.txt | cmp - ../lf;"
		"git cat-file blob $t:empty.txt | cmp - /dev/null",
		cs_oid_hex(hex, &w.capture.tree));
	world_sh(NULL, check);
	world_release(&w);
}
END_TEST

/* ---- more than a capture takes --------------------------------------------------------------- */

static const struct {
	const char *name, *script, *diff, *findings;
	uint64_t max_entries;
} large[] = {
	{ "too deep",
	  "i=0; d=; while [ $i -lt 1030 ]; do d=${d}d/; i=$((i+1)); done; mkdir -p $d;"
	  "echo x > ${d}f; echo y > one",
	  "M one\n", "too-deep", 0 },
	{ "sparse",
	  "truncate -s 4T sparse; truncate -s 3G one; truncate -s 15T src/more; echo y > two",
	  "M two\n", "too-large sparse\ntoo-large src/more\ntoo-large one\n", 0 },
	{ "too many", "i=0; while [ $i -lt 40 ]; do echo $i > a$i; i=$((i+1)); done; echo y > z",
	  "", "too-many \n", 7 },
};

/* Everything else is captured, and nothing is lost without a word. */
START_TEST(more_than_fits)
{
	AUTO_BUF struct cs_buf diff = CS_BUF_INIT;
	AUTO_BUF struct cs_buf findings = CS_BUF_INIT;
	const size_t row = (size_t)_i / 2;
	struct cs_capture_opts opts;
	struct world w;

	world_init(&w, _i % 2 == 0);
	world_sh(NULL, base_script);
	world_commit(&w);
	world_script_only(&w, large[row].script);
	opts = world_opts(&w);
	opts.max_entries = large[row].max_entries;
	world_capture(&w, &opts);
	world_diff(&diff, &w);
	world_findings(&findings, &w);
	if (large[row].max_entries)
		ck_assert_uint_eq(w.capture.files, large[row].max_entries);
	else
		ck_assert_str_eq(diff.data, large[row].diff);
	ck_assert_uint_eq(w.capture.findings.n, row == 1 ? 3 : 1);
	if (row == 0) {
		ck_assert_str_eq(w.capture.findings.list[0].kind, "too-deep");
	} else {
		AUTO_BUF struct cs_buf expected = CS_BUF_INIT;
		cs_buf_adds(&expected, large[row].findings);
		sort_lines(&expected);
		sort_lines(&findings);
		ck_assert_str_eq(findings.data, expected.data);
	}
	if (large[row].max_entries)
		ck_assert_str_eq(w.capture.findings.list[0].detail,
				 "34 entries, and what is below them: not captured");
	world_release(&w);
}
END_TEST

/* ---- options --------------------------------------------------------------------------------- */

START_TEST(sensitive_paths)
{
	static const char *const globs[] = { ".github/**", "Makefile", "*lock*" };
	AUTO_STRV struct cs_strv sensitive = CS_STRV_INIT;
	AUTO_BUF struct cs_buf findings = CS_BUF_INIT;
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, true);
	world_sh(NULL, "cd base; mkdir -p .github/workflows; echo x > .github/workflows/a;"
		       "echo x > .github/b; echo x > Makefile; echo x > other; echo x > a.lock");
	world_commit(&w);
	world_script(&w, "rm -rf .github; mkdir d; echo y > d/Makefile; echo y > other;"
			 "echo y > package-lock.json; touch a.lock Makefile");
	for (size_t i = 0; i < CS_COUNT(globs); i++)
		cs_strv_add(&sensitive, globs[i]);
	opts = world_opts(&w);
	opts.sensitive = &sensitive;
	world_capture(&w, &opts);
	world_findings(&findings, &w);
	sort_lines(&findings);
	ck_assert_str_eq(findings.data,
			 "sensitive-path .github/b\nsensitive-path .github/workflows/a\n"
			 "sensitive-path d/Makefile\nsensitive-path package-lock.json\n");
	world_release(&w);
}
END_TEST

START_TEST(user_excludes)
{
	AUTO_BUF struct cs_buf findings = CS_BUF_INIT;
	AUTO_BUF struct cs_buf diff = CS_BUF_INIT;
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, _i == 0);
	world_sh(NULL, base_script);
	world_commit(&w);
	world_script(&w, "echo > a.swp; echo > b.swp; echo '!b.swp' >> .gitignore; echo > c");
	opts = world_opts(&w);
	opts.user_excludes = "*.swp\n";
	world_capture(&w, &opts);
	world_findings(&findings, &w);
	world_diff(&diff, &w);
	/* The result takes b.swp back; the base with the user's rules does not. */
	ck_assert_str_eq(findings.data, "ignored ./\n");
	ck_assert_str_eq(diff.data, "M .gitignore\nA c\n");
	world_release(&w);
}
END_TEST

static void count_progress(void *arg, uint64_t done, uint64_t total)
{
	uint64_t *last = arg;

	ck_assert(done > *last && done <= total);
	*last = done;
}

START_TEST(limit_and_progress)
{
	struct cs_err err = CS_ERR_INIT;
	uint64_t last = 0;
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, true);
	world_sh(NULL, base_script);
	world_commit(&w);
	world_script(&w, "head -c 1000 /dev/zero > a; head -c 1000 /dev/zero > b");
	opts = world_opts(&w);
	opts.max_bytes = 1999;
	ck_assert_int_eq(cs_capture(&w.capture, &opts, &err), CS_LIMIT);
	ck_assert_str_eq(err.msg, "capture: the change has 2000 bytes of content, more than 1999");
	opts.max_bytes = 2000;
	opts.progress = count_progress;
	opts.progress_arg = &last;
	world_capture(&w, &opts);
	ck_assert_uint_eq(last, 2000);
	ck_assert_uint_eq(w.capture.bytes, 2000);
	ck_assert_uint_eq(w.capture.files, 2);
	world_release(&w);
}
END_TEST

/* ---- submodules ------------------------------------------------------------------------------ */

static const struct {
	const char *name, *script, *diff, *findings;
} submodules[] = {
	{ "untouched", "true", "", "" },
	{ "seen", "ls sub sub2 > /dev/null; touch sub", "", "" },
	{ "written to", "echo x > sub/x; mkdir -p in/sub3/d; echo y > in/sub3/d/y", "",
	  "submodule-written in/sub3\nsubmodule-written sub\n" },
	{ "populated", "git init -q sub; echo x > sub/x; mkdir sub2/d; echo > sub2/d/x", "",
	  "submodule-written sub\nsubmodule-written sub2\n" },
	{ "made again", "rmdir sub; mkdir sub; rm -rf in; mkdir -p in/sub3; echo k > in/k", "",
	  "" },
	{ "removed", "rmdir sub; rm -rf in", "D in/k\nD in/sub3\nD sub\n", "" },
	{ "replaced by a file", "rmdir sub; echo x > sub", "T sub\n", "" },
};

START_TEST(submodule)
{
	AUTO_BUF struct cs_buf findings = CS_BUF_INIT;
	AUTO_BUF struct cs_buf diff = CS_BUF_INIT;
	size_t row = (size_t)_i / 2;
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, _i % 2 == 0);
	/* sub and in/sub3 are named in .gitmodules, sub2 only in the tree. */
	world_sh(NULL,
		 "git init -q other; git -C other commit -q --allow-empty -m x; cd base;"
		 "mkdir -p sub sub2 in/sub3; for s in sub sub2 in/sub3; do cp -a ../other/.git $s/;"
		 "done; echo k > in/k; printf '[submodule \"s\"]\\n\\tpath = sub\\n\\turl = x\\n"
		 "[submodule \"t\"]\\n\\tpath = in/sub3\\n\\turl = y\\n' > .gitmodules");
	world_commit(&w);
	/* As git leaves the directory of a submodule. */
	world_sh(NULL, "for d in pristine copy; do [ ! -d $d ] || rm -rf $d/sub/.git $d/sub2/.git "
		       "$d/in/sub3/.git; done");
	world_script(&w, submodules[row].script);
	opts = world_opts(&w);
	world_capture(&w, &opts);
	world_diff(&diff, &w);
	world_findings(&findings, &w);
	sort_lines(&findings);
	ck_assert_msg(!strcmp(diff.data, submodules[row].diff), "%s: %s", submodules[row].name,
		      diff.data);
	ck_assert_msg(!strcmp(findings.data, submodules[row].findings), "%s: %s",
		      submodules[row].name, findings.data);
	world_release(&w);
}
END_TEST

/* What the pristine has of submodules is what they are compared with. */
static const struct {
	const char *name, *script, *diff, *findings;
} populated[] = {
	{ "untouched", "true", "", "" },
	{ "the same again", "cat sub/f > g; cat g > sub/f; rm g; touch sub/d", "", "" },
	{ "content", "echo y > sub/f", "", "submodule-written sub\n" },
	{ "content of the same size and time",
	  "touch -r sub/f t; echo g > sub/f; touch -r t sub/f; rm t", "",
	  "submodule-written sub\n" },
	{ "mode", "chmod +x sub/f", "", "submodule-written sub\n" },
	{ "link", "ln -sfn g sub/d/l", "", "submodule-written sub\n" },
	{ "a link instead", "rm sub/f; ln -s d sub/f", "", "submodule-written sub\n" },
	{ "new", "mkdir sub/n", "", "submodule-written sub\n" },
	{ "removed inside", "rm -r sub/d", "", "submodule-written sub\n" },
	{ "made again as it was", "rm sub/f; echo f > sub/f", "", "" },
	{ "made again empty", "rm -r sub; mkdir sub", "", "submodule-written sub\n" },
	{ "removed", "rm -r sub", "D sub\n", "" },
	{ "a file instead", "rm -r sub; echo x > sub", "T sub\n", "" },
	{ "a link to it instead", "mv sub s2; ln -s s2 sub", "A s2/d/l\nA s2/f\nT sub\n", "" },
};

START_TEST(populated_submodule)
{
	AUTO_BUF struct cs_buf findings = CS_BUF_INIT;
	AUTO_BUF struct cs_buf diff = CS_BUF_INIT;
	size_t row = (size_t)_i / 2;
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, _i % 2 == 0);
	world_sh(NULL, "git init -q base/sub; git -C base/sub commit -q --allow-empty -m x;"
		       "printf '[submodule \"s\"]\\n\\tpath = sub\\n' > base/.gitmodules");
	world_commit(&w);
	world_sh(NULL,
		 "for d in pristine copy; do [ ! -d $d ] || { rm -rf $d/sub/.git; mkdir $d/sub/d;"
		 "echo f > $d/sub/f; ln -s f $d/sub/d/l; chown -R --reference=$d $d/sub; }; done");
	world_script(&w, populated[row].script);
	opts = world_opts(&w);
	world_capture(&w, &opts);
	world_diff(&diff, &w);
	world_findings(&findings, &w);
	ck_assert_msg(!strcmp(diff.data, populated[row].diff), "%s: %s", populated[row].name,
		      diff.data);
	ck_assert_msg(!strcmp(findings.data, populated[row].findings), "%s: %s",
		      populated[row].name, findings.data);
	world_release(&w);
}
END_TEST

/* ---- the agent's commits --------------------------------------------------------------------- */

static const struct {
	const char *name, *script;
	const char *messages; /* each with ";" */
	bool finding;
} histories[] = {
	{ "none", "true", "", false },
	{ "three", "for i in 1 2 3; do git commit -q --allow-empty -m c$i; done", "c1\n;c2\n;c3\n;",
	  false },
	{ "amended", "git commit -q --allow-empty -m c1; git commit -q --allow-empty --amend -m d1",
	  "d1\n;", false },
	{ "packed",
	  "for i in 1 2 3; do echo $i > f; git add f; git commit -q -m c$i; done;"
	  "git repack -q -a -d -l; git prune-packed -q; git pack-refs --all",
	  "c1\n;c2\n;c3\n;", false },
	{ "detached", "git checkout -q --detach; git commit -q --allow-empty -m c1", "c1\n;",
	  false },
	{ "merge",
	  "b=$(git rev-parse HEAD); git commit -q --allow-empty -m l; l=$(git rev-parse HEAD);"
	  "git reset -q $b; git commit -q --allow-empty -m r; git reset -q "
	  "$(git commit-tree -p HEAD -p $l -m m HEAD^{tree})",
	  "r\n;l\n;m\n;", false },
	{ "another branch", "git checkout -q -b x; git commit -q --allow-empty -m c1", "c1\n;",
	  false },
	{ "no history in common",
	  "git reset -q $(git commit-tree -m root "
	  "$(git hash-object -t tree -w /dev/null))",
	  "root\n;", false },
	{ "a copy of the base",
	  "git reset -q $(git commit-tree -m base HEAD^{tree});"
	  "git commit -q --allow-empty -m c1",
	  "c1\n;", false },
	{ "an older commit", "git commit -q --allow-empty -m c1; git reset -q HEAD~", "", false },
	{ "broken object",
	  "git commit -q --allow-empty -m c1; git commit -q --allow-empty -m c2;"
	  "h=$(git rev-parse HEAD~); f=.git/objects/$(echo $h | cut -c1-2)/$(echo $h | cut -c3-);"
	  "chmod u+w $f; echo broken > $f",
	  "c2\n;", true },
	{ "another object under its name",
	  "git commit -q --allow-empty -m c1; h=$(git rev-parse HEAD); git commit -q --allow-empty "
	  "-m c2;"
	  "g=$(git rev-parse HEAD); d() { echo .git/objects/$(echo $1 | cut -c1-2)/$(echo $1 | cut "
	  "-c3-); };"
	  "cp -f $(d $g) $(d $h)",
	  "c2\n;", true },
	{ "a tree as HEAD",
	  "t=$(git rev-parse HEAD^{tree}); git read-tree --empty; echo z > z; git add z;"
	  "echo $(git write-tree) > .git/HEAD",
	  "", true },
	{ "an object that waits",
	  "git commit -q --allow-empty -m c1; h=$(git rev-parse HEAD);"
	  "f=.git/objects/$(echo $h | cut -c1-2)/$(echo $h | cut -c3-); rm -f $f; mkfifo $f",
	  "", true },
};

START_TEST(agent_commits)
{
	AUTO_BUF struct cs_buf messages = CS_BUF_INIT;
	AUTO_BUF struct cs_buf findings = CS_BUF_INIT;
	bool finding;
	struct world w;
	struct cs_capture_opts opts;

	world_init(&w, _i % 2 == 0);
	world_sh(NULL, base_script);
	world_commit(&w);
	world_script(&w, histories[_i].script);
	opts = world_opts(&w);
	opts.deadline_ms = 5000;
	world_capture(&w, &opts);
	for (size_t i = 0; i < w.capture.n_commits; i++) {
		ck_assert_uint_eq(strlen(w.capture.commits[i].oid), 40);
		cs_buf_addf(&messages, "%s;", w.capture.commits[i].message);
	}
	for (size_t i = 0; i < w.capture.findings.n; i++)
		cs_buf_addf(&findings, "%s %s: %s\n", w.capture.findings.list[i].kind,
			    w.capture.findings.list[i].path, w.capture.findings.list[i].detail);
	finding = strstr(findings.data, "agent-commits .git:");
	ck_assert_msg(!strcmp(messages.data, histories[_i].messages), "%s: %s\n%s",
		      histories[_i].name, messages.data, findings.data);
	ck_assert_msg(finding == histories[_i].finding, "%s: %s", histories[_i].name,
		      findings.data);
	world_release(&w);
}
END_TEST

/* ---- the list of findings -------------------------------------------------------------------- */

START_TEST(findings_have_a_maximum)
{
	struct cs_findings f = CS_FINDINGS_INIT;

	for (int i = 0; i < CS_FINDINGS_MAX_KIND + 5; i++)
		cs_finding_add(&f, "ignored", "a\nb", "detail %d\n", i);
	ck_assert_uint_eq(f.n, CS_FINDINGS_MAX_KIND + 1);
	ck_assert_uint_eq(f.n + f.dropped, CS_FINDINGS_MAX_KIND + 5);
	ck_assert_str_eq(f.list[0].path, "a\nb");
	ck_assert_str_eq(f.list[0].detail, "detail 0\\n");
	ck_assert_str_eq(f.list[CS_FINDINGS_MAX_KIND].kind, "truncated");
	cs_findings_release(&f);
}
END_TEST

static TCase *add_case(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	return t;
}

int main(void)
{
	Suite *s = suite_create("capture");
	TCase *t = add_case(s, "change");

	for (size_t i = 0; i < 2 * CS_COUNT(rows); i++) /* of the copies only some */
		if (getenv("CS_LONG") || i % 2 == 0 || i % 8 == 1)
			tcase_add_loop_test(t, change_and_findings, (int)i, (int)i + 1);
	t = add_case(s, "content");
	tcase_add_loop_test(t, line_ends, 0, 2);
	tcase_add_loop_test(t, large_content, 0, 2);
	tcase_add_loop_test(t, more_than_fits, 0, 2 * CS_COUNT(large));
	t = add_case(s, "options");
	tcase_add_test(t, sensitive_paths);
	tcase_add_loop_test(t, user_excludes, 0, 2);
	tcase_add_test(t, limit_and_progress);
	t = add_case(s, "submodules");
	tcase_add_loop_test(t, submodule, 0, 2 * CS_COUNT(submodules));
	tcase_add_loop_test(t, populated_submodule, 0, 2 * CS_COUNT(populated));
	t = add_case(s, "commits");
	tcase_add_loop_test(t, agent_commits, 0, CS_COUNT(histories));
	t = add_case(s, "findings");
	tcase_add_test(t, findings_have_a_maximum);
	return unit_run(s);
}
