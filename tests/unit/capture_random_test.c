/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random edits, captured, against what git makes of the same files: `git add -A` and `write-tree`
 * by a trusted hand on a plain copy of what the agent saw. What the base's own ignore rules say
 * is taken out there, since capture keeps it out too.
 */
#include <dirent.h>
#include <errno.h>
#include "capture_world.h"
#include "random.h"

static const char *const names[] = { "a",     "b",   "c.txt", "d.auto", "e.o",	    "build",
				     "f",     "g h", "x.log", "lib",	"src",	    "k",
				     "z.txt", "_",   "a-b",   "a.b",	"\303\274", "\xff" };
static const char *const rules[] = { "*.o\n",	 "build/\n", "/a\n",   "*.log\n",
				     "lib\n",	 "!x.log\n", "**/k\n", "src/*\n",
				     "!src/a\n", "f\n",	     "_/**\n" };

static const char *pick(struct random *r)
{
	return names[random_below(r, CS_COUNT(names))];
}

static void random_path(char out[256], struct random *r)
{
	unsigned int depth = 1 + random_below(r, 3);
	int len = 0;

	for (unsigned int i = 0; i < depth; i++)
		len += snprintf(out + len, 256 - (size_t)len, "%s%s", i ? "/" : "", pick(r));
}

/* Makes the directories of a path where nothing else is in the way. */
static void make_parents(const char *path)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)!mkdir(copy, 0755);
		*slash = '/';
	}
}

static void random_text(struct cs_buf *out, struct random *r)
{
	bool crlf = !random_below(r, 3);

	for (unsigned int n = random_below(r, 6); n; n--)
		cs_buf_addf(out, "%c%u%s", 'a' + (char)random_below(r, 26), random_below(r, 3),
			    crlf && random_below(r, 8) ? "\r\n" : "\n");
	if (!random_below(r, 10))
		cs_buf_addc(out, '\0');
	if (!random_below(r, 10))
		cs_buf_addc(out, '\r');
}

static void write_text(const char *path, const struct cs_buf *text, int flags)
{
	AUTO_FD int fd = open(path, flags | O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd >= 0)
		(void)!write(fd, text->data, text->len);
}

/* ---- edits: each may fail, as an agent's does ------------------------------------------------ */

static void run(const char *program, const char *a, const char *b, const char *c)
{
	pid_t pid = fork();

	if (pid == 0) {
		int null_fd = open("/dev/null", O_RDWR);

		dup2(null_fd, 2);
		execl(program, program, a, b, c, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static void edit_write(const char *path, struct random *r)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	random_text(&text, r);
	make_parents(path);
	write_text(path, &text, O_TRUNC);
}

static void edit_append(const char *path, struct random *r)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	random_text(&text, r);
	write_text(path, &text, O_APPEND);
}

static void edit_replace(const char *path, struct random *r)
{
	edit_write("_.tmp", r);
	make_parents(path);
	if (rename("_.tmp", path) < 0)
		unlink("_.tmp");
}

static void edit_delete(const char *path, struct random *r)
{
	if (unlink(path) < 0 && random_below(r, 2))
		run("/bin/rm", "-rf", "--", path);
}

static void edit_replace_by_directory(const char *path, struct random *r)
{
	char below[512];

	unlink(path);
	snprintf(below, sizeof(below), "%.200s/%s", path, pick(r));
	edit_write(below, r);
}

static void edit_replace_by_file(const char *path, struct random *r)
{
	run("/bin/rm", "-rf", "--", path);
	edit_write(path, r);
}

static void edit_link(const char *path, struct random *r)
{
	run("/bin/rm", "-rf", "--", path);
	make_parents(path);
	(void)!symlink(pick(r), path);
}

static void edit_hard_link(const char *path, struct random *r)
{
	char other[256];

	random_path(other, r);
	(void)!link(other, path);
}

static void edit_mode(const char *path, struct random *r)
{
	static const mode_t modes[] = { 0644, 0755, 0600, 0700, 0444, 0654 };
	struct stat st;

	if (!lstat(path, &st) && S_ISREG(st.st_mode))
		chmod(path, modes[random_below(r, CS_COUNT(modes))]);
}

static void edit_touch(const char *path, struct random *r)
{
	(void)r;
	run("/bin/touch", "-c", "-h", path);
}

static void edit_move(const char *path, struct random *r)
{
	char to[256];

	random_path(to, r);
	make_parents(to);
	/* mv copies where a directory of the base cannot be renamed. */
	run("/bin/mv", "-f", path, to);
}

static void edit_make_again(const char *path, struct random *r)
{
	(void)r;
	run("/bin/cp", "-a", path, "_.copy");
	run("/bin/rm", "-rf", "--", path);
	run("/bin/mv", "-T", "_.copy", path);
	run("/bin/rm", "-rf", "--", "_.copy");
}

static void edit_rules(const char *path, struct random *r)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	char file[512];

	for (unsigned int n = random_below(r, 4); n; n--)
		cs_buf_adds(&text, rules[random_below(r, CS_COUNT(rules))]);
	snprintf(file, sizeof(file), "%s/.gitignore", random_below(r, 2) ? path : ".");
	write_text(file, &text, random_below(r, 2) ? O_TRUNC : O_APPEND);
}

static const struct {
	const char *name;
	unsigned int weight;
	void (*fn)(const char *path, struct random *r);
} edits[] = {
	{ "write", 8, edit_write },
	{ "append", 4, edit_append },
	{ "replace", 2, edit_replace },
	{ "delete", 4, edit_delete },
	{ "replace by directory", 2, edit_replace_by_directory },
	{ "replace by file", 2, edit_replace_by_file },
	{ "link", 2, edit_link },
	{ "hard link", 1, edit_hard_link },
	{ "mode", 3, edit_mode },
	{ "touch", 2, edit_touch },
	{ "move", 4, edit_move },
	{ "make again", 2, edit_make_again },
	{ "rules", 1, edit_rules },
};

static void random_edit(struct random *r, struct cs_buf *log)
{
	unsigned int all = 0, at;
	char path[256];
	size_t i = 0;

	for (size_t k = 0; k < CS_COUNT(edits); k++)
		all += edits[k].weight;
	at = random_below(r, all);
	while (at >= edits[i].weight)
		at -= edits[i++].weight;
	random_path(path, r);
	edits[i].fn(path, r);
	cs_buf_addf(log, "%s: %s\n", edits[i].name, path);
}

/* As the agent. The log helps to read a failure. */
static void random_edits(void *arg)
{
	struct random *r = arg;
	AUTO_BUF struct cs_buf log = CS_BUF_INIT;

	for (unsigned int n = 5 + random_below(r, 40); n; n--)
		random_edit(r, &log);
	write_text("../seen/.log", &log, O_TRUNC);
}

static void random_base(struct random *r)
{
	ck_assert_int_eq(chdir("base"), 0);
	for (unsigned int n = 10 + random_below(r, 50); n; n--) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;
		char path[256];
		size_t len;

		random_path(path, r);
		random_text(&text, r);
		len = strlen(path);
		/* "text" files of a base that was made by git have no CRLF. */
		if (len > 4 && !strcmp(path + len - 4, ".txt")) {
			for (size_t i = 0; i < text.len; i++)
				text.data[i] = text.data[i] == '\r' ? ' ' : text.data[i];
		}
		make_parents(path);
		write_text(path, &text, O_TRUNC);
		if (!random_below(r, 6))
			chmod(path, 0755);
	}
	for (unsigned int n = random_below(r, 4); n; n--) {
		char path[256];

		random_path(path, r);
		make_parents(path);
		(void)!symlink("a", path);
		edit_rules(path, r);
	}
	ck_assert_int_eq(chdir(".."), 0);
	world_sh(NULL, "printf '*.txt text\\n*.auto text=auto\\n' > base/.gitattributes");
}

/*
 * The trusted hand. rules/ is the copy again, with the base's .gitignore files in place of the
 * agent's: what is ignored there and was not in the base is taken out. What the base had below
 * a name that is a link now is taken out by hand: git keeps it where the link leads to itself
 * (ELOOP is no missing file to it).
 */
static const char trusted[] =
	"rm -f seen/.log; head=$(git -C repo rev-parse HEAD); cp -a seen rules;"
	"(cd rules; find . -name .gitignore -delete; cd ../base; find . -name .gitignore -type f |"
	" while IFS= read -r f; do [ ! -d \"../rules/$(dirname \"$f\")\" ] ||"
	" [ -h \"../rules/$(dirname \"$f\")\" ] || cp \"$f\" \"../rules/$f\"; done);"
	"export GIT_DIR=$PWD/repo/.git GIT_INDEX_FILE=$PWD/index;"
	"git --work-tree=rules read-tree $head;"
	"git --work-tree=rules ls-files -z -o -i --exclude-standard > out;"
	"git --work-tree=seen update-index -q --refresh >/dev/null || true;"
	"find seen -type l -printf '%P/\\0' > links; [ ! -s links ] ||"
	" git --literal-pathspecs --work-tree=seen rm -q -r -f --cached --ignore-unmatch"
	" --pathspec-from-file=links --pathspec-file-nul;"
	"git -c core.safecrlf=false --work-tree=seen add -A 2>said || { cat said >&2; exit 1; };"
	"git ls-tree -r -z --name-only $head > was;"
	"git update-index -z --force-remove --stdin < out; git write-tree";

START_TEST(same_tree_as_git)
{
	struct random r = random_seeded();
	uint64_t seed = r.seed;
	AUTO_BUF struct cs_buf expected = CS_BUF_INIT;
	char hex[CS_OID_HEX];
	struct cs_capture_opts opts;
	struct world w;

	world_init(&w, _i % 3 != 0);
	random_base(&r);
	world_commit(&w);
	world_edit(&w, random_edits, &r);
	world_sh(NULL, "mv seen/.log log");
	opts = world_opts(&w);
	world_capture(&w, &opts);
	world_sh(&expected, trusted);
	cs_buf_truncate(&expected, strcspn(expected.data, "\n"));
	cs_oid_hex(hex, &w.capture.tree);
	ck_assert_msg(!strcmp(hex, expected.data), "SEED=%llu (test %d) %s: %s is not %s",
		      (unsigned long long)seed, _i, w.dir, hex, expected.data);
	world_release(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("capture_random");
	TCase *t = tcase_create("random");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, same_tree_as_git, 0, getenv("CS_LONG") ? 300 : 10);
	suite_add_tcase(s, t);
	return unit_run(s);
}
