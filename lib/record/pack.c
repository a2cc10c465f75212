/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs do not slow plain git down. Each leaves a loose reference and a dozen or two loose objects,
 * and where only agents work nobody calls git's own gc. So a run that finds many loose references
 * of runs calls git's plumbing, in an order in which nothing is ever missing:
 *
 *	1. pack-objects		a pack of what those runs have and no branch has; synced
 *	2. prune-packed		loose objects go that are in a pack as well
 *	3. repack --geometric	when there are too many packs: small ones become one, with all
 *				that is in them, referred to or not
 *	4. pack-refs		one file in place of many; last, because their number is what calls
 *				for all this: what was killed or failed is done by the next run
 *
 * Nothing is expired: what nothing refers to is left to git gc and its time of grace. git's own
 * locks hold (who finds one leaves the work to the next run), and two that pack at once do no harm
 * but to their time. Where root runs in a repository of somebody else, its owner does it.
 */
#include "record_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "countersign/attest.h"

#define GC_AUTO		6700 /* git's: loose objects, and packs */
#define GC_AUTO_PACKS	50
#define OBJECTS_PER_RUN 67 /* generous: runs pack at a hundred of them, long before git would */
#define RUNS		"refs/agent-run"
#define FAN_OUT		2
#define EXIT_NOT_PACKED 1

struct packing {
	const char *git_dir;
	struct cs_strv loose; /* loose references of runs */
	bool too_many_packs;
};

/* A number of the user's configuration; what is no number leaves the default. */
static int ask_number(long *out, const struct cs_repo *repo, const char *key, struct cs_err *err)
{
	AUTO_FREE char *value = NULL;
	char *end;
	long n;
	int rc = cs_repo_config(&value, repo, key, err);

	if (rc < 0 || !value)
		return rc;
	errno = 0;
	n = strtol(value, &end, 10);
	if (!errno && end != value && !*end)
		*out = n;
	return 0;
}

/* git's own word for it: then it is the user who packs references. */
static int ask_pack_refs(bool *may, const struct cs_repo *repo, struct cs_err *err)
{
	static const char *const never[] = { "false", "no", "off", "0", "" };
	AUTO_FREE char *value = NULL;
	int rc = cs_repo_config(&value, repo, "gc.packRefs", err);

	*may = !value || strcasecmp(value, "notbare") || cs_repo_worktree(repo);
	for (size_t i = 0; value && i < CS_COUNT(never); i++)
		*may &= strcasecmp(value, never[i]) != 0;
	return rc;
}

static bool is_hex(const char *name, size_t len)
{
	return strlen(name) == len && strspn(name, "0123456789abcdef") == len;
}

/* Adds the names of one of the 256 directories. */
static void list_below(struct cs_strv *out, int runs_fd, const char *name)
{
	AUTO_DIR DIR *dir = NULL;
	int fd = cs_opendir_beneath(runs_fd, name);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cs_close(&fd);
		return;
	}
	for (struct dirent *e; (e = readdir(dir));)
		if (is_hex(e->d_name, CS_RUN_ID_HEX - 1))
			cs_strv_addf(out, RUNS "/%s/%s", name, e->d_name);
}

static void list_loose(struct cs_strv *out, const char *git_dir)
{
	AUTO_FREE char *path = cs_asprintf("%s/" RUNS, git_dir);
	AUTO_DIR DIR *dir = opendir(path);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));)
		if (is_hex(e->d_name, FAN_OUT))
			list_below(out, dirfd(dir), e->d_name);
}

/* False in a partial clone, too: its packs are of two kinds, and only new gits keep them apart. */
static bool has_too_many_packs(const char *git_dir, long limit)
{
	AUTO_FREE char *path = cs_asprintf("%s/objects/pack", git_dir);
	AUTO_DIR DIR *dir = opendir(path);
	long n = 0;

	if (!dir || limit <= 0)
		return false;
	for (struct dirent *e; (e = readdir(dir));) {
		const char *ext = strrchr(e->d_name, '.');

		if (ext && !strcmp(ext, ".promisor"))
			return false;
		n += ext && !strcmp(ext, ".pack");
	}
	return n > limit;
}

static int sync_packs(const char *git_dir, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/objects/pack", git_dir);
	AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return cs_err_sys(err, "sync %s", path);
	return 0;
}

static int run_git(const struct packing *p, const char *const *args, struct cs_err *err)
{
	return cs_git(NULL, &(struct cs_git_call){ .git_dir = p->git_dir, .args = args }, err);
}

/* What to pack, as pack-objects reads it: these runs, our notes, and not what branches have. */
static int revisions(struct cs_buf *out, const struct packing *p, struct cs_err *err)
{
	static const char *const notes[] = { "for-each-ref", "--format=%(objectname)",
					     CS_NOTES_PROVENANCE, CS_NOTES_REVIEW, NULL };
	static const char *const branches[] = { "rev-parse", "--not", "--branches", "--remotes",
						NULL };
	const char *const *const asked[] = { notes, branches };

	for (size_t i = 0; i < p->loose.n; i++)
		cs_buf_addf(out, "%s\n", p->loose.v[i]);
	for (size_t i = 0; i < CS_COUNT(asked); i++) {
		const struct cs_git_call call = { .git_dir = p->git_dir, .args = asked[i] };
		int rc = cs_git(out, &call, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int pack_objects(const struct packing *p, struct cs_err *err)
{
	AUTO_FREE char *base = cs_asprintf("%s/objects/pack/pack", p->git_dir);
	const char *const args[] = { "pack-objects", "--revs",
				     "--unpacked",   "--incremental",
				     "--local",	     "--non-empty",
				     "--quiet",	     "--delta-base-offset",
				     base,	     NULL };
	AUTO_BUF struct cs_buf revs = CS_BUF_INIT;
	struct cs_git_call call = { .git_dir = p->git_dir, .args = args };
	int rc = revisions(&revs, p, err);

	if (rc < 0)
		return rc;
	call.input = revs.data;
	call.input_len = revs.len;
	rc = cs_git(NULL, &call, err);
	return rc < 0 ? rc : sync_packs(p->git_dir, err);
}

static int pack(const struct packing *p, struct cs_err *err)
{
	static const char *const prune_packed[] = { "prune-packed", "--quiet", NULL };
	static const char *const repack[] = { "repack", "--geometric=2", "-d", "-l", "-q", NULL };
	static const char *const pack_refs[] = { "pack-refs", "--all", "--prune", NULL };
	int rc = pack_objects(p, err);

	cs_fault("objects-packed");
	if (rc == 0)
		rc = run_git(p, prune_packed, err);
	cs_fault("loose-removed");
	if (rc == 0 && p->too_many_packs)
		rc = run_git(p, repack, err);
	if (rc == 0)
		rc = run_git(p, pack_refs, err);
	cs_fault("references-packed");
	return rc;
}

static int become(const struct stat *owner, struct cs_err *err)
{
	if (setgroups(0, NULL) < 0 || setresgid(owner->st_gid, owner->st_gid, owner->st_gid) < 0 ||
	    setresuid(owner->st_uid, owner->st_uid, owner->st_uid) < 0)
		return cs_err_sys(err, "become the owner");
	return 0;
}

/* In a process of the owner's, so that what git writes and removes is his doing. *why is shared. */
static int pack_as(struct cs_err *why, const struct packing *p, const struct stat *owner,
		   struct cs_err *err)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return cs_err_sys(err, "fork");
	if (pid == 0) {
		int rc = become(owner, why);

		if (rc == 0)
			rc = pack(p, why);
		_exit(rc < 0 ? EXIT_NOT_PACKED : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cs_err_sys(err, "wait");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return cs_err_set(err, CS_MALFUNCTION, "as uid %u: %s", (unsigned int)owner->st_uid,
				  why->code ? why->msg : "it was killed");
	return 0;
}

static int pack_as_owner(const struct packing *p, struct cs_err *err)
{
	struct cs_err *why;
	struct stat owner;
	int rc;

	if (stat(p->git_dir, &owner) < 0)
		return cs_err_sys(err, "stat %s", p->git_dir);
	if (geteuid() != 0 || owner.st_uid == 0)
		return pack(p, err);
	why = mmap(NULL, sizeof(*why), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (why == MAP_FAILED)
		return cs_err_sys(err, "map");
	rc = pack_as(why, p, &owner, err);
	munmap(why, sizeof(*why));
	return rc;
}

int cs_runs_pack(const struct cs_repo *repo, struct cs_err *err)
{
	struct packing p = { .git_dir = cs_repo_common_dir(repo), .loose = CS_STRV_INIT };
	long objects = GC_AUTO;
	long packs = GC_AUTO_PACKS;
	bool may = false;
	int rc = ask_number(&objects, repo, "gc.auto", err);

	if (rc == 0)
		rc = ask_number(&packs, repo, "gc.autoPackLimit", err);
	if (rc == 0)
		rc = ask_pack_refs(&may, repo, err);
	if (rc == 0 && may && objects > 0) {
		list_loose(&p.loose, p.git_dir);
		if (p.loose.n && (long)p.loose.n >= objects / OBJECTS_PER_RUN) {
			p.too_many_packs = has_too_many_packs(p.git_dir, packs);
			rc = pack_as_owner(&p, err);
		}
	}
	cs_strv_release(&p.loose);
	return rc < 0 ? cs_err_wrap(err, "pack the records of runs") : 0;
}
