/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 of executed files.
 *
 * The file is opened and hashed while a process that runs it stands at its exec, so the digest is
 * in the event, and is that of what runs: the kernel refuses writers of a file that is executed.
 * Except in an overlay, where it looks at the overlay's file and not at the layer's: a process
 * inside that has mapped a file of the upper layer to write (and closed it) can change it while it
 * runs, and behind our back. So can any writer with Linux 6.11 and 6.12, which refuse nobody. There
 * the digest is of what stood in the file at the exec, and no more.
 * Small files are hashed at once. A large one is hashed by a forked helper while the process stays
 * stopped and everything else goes on; a vfork parent has been released by then. So a run waits
 * for a 400 MB program once, in the process that wants it, and nowhere else.
 *
 * A digest is kept under (device, inode, size, mtime, ctime), if ctime was older than SETTLED_NS
 * when the hashing began: a file can be rewritten, with its mtime set back, within one tick of
 * the clock that stamps ctime, and would then have the old key. Files just written are hashed at
 * each exec until they have settled. A write through a mapping moves the times only when a page
 * becomes dirty, not at each store: where such writers are possible (above), a file that has
 * changed since the run began is hashed at each exec for as long as the run lasts.
 *
 * The helper has nothing but the open file and a pipe, makes only calls that are safe behind a
 * fork, dies with us, and is killed after DEADLINE_MS (a dead network file system): then, as for
 * files beyond MAX_BYTES, the digest is "".
 *
 * A program that its own user may execute and not read (mode 0111) we may not open, either: anybody
 * can make one. Who made the run's user namespace has all rights in it, over the files of that
 * user: a helper enters it, opens the file and hashes it. It is in no pid namespace of the run, so
 * nothing inside can see or trace it, and it can reach nothing that the run's user could not make
 * readable.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define NS_PER_S    INT64_C(1000000000)
#define SETTLED_NS  100000000
#define AT_ONCE	    (UINT64_C(4) << 20) /* bytes: some 3 ms, 20 without SHA instructions */
#define MAX_BYTES   (UINT64_C(4) << 30)
#define DEADLINE_MS 30000
#define MAX_HELPERS 2
#define SETS	    256 /* 1,024 digests are kept; of four in a set the longest unused goes */
#define WAYS	    4

struct key {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
};

struct kept {
	struct key key;
	uint64_t used; /* 0: free */
	char hex[CS_SHA256_HEX];
};

/* One large file. Tracees that wait for it point here; they may be gone when it is done. */
struct digest_job {
	struct digest_job *next;
	struct digests *digests;
	struct key key;
	bool settled;
	int file_fd; /* -1: the helper is to open it, in this namespace: */
	int user_ns_fd, proc_fd;
	int pipe_fd;   /* -1: has not begun */
	int helper_fd; /* pidfd: somebody else reaps it, so its number may be another's */
	uint64_t timer;
};

struct digests {
	struct cs_trace *trace;
	int64_t since_ns;     /* no file of a lower layer has changed since */
	bool writers_refused; /* of files that are executed, by this kernel */
	struct kept kept[SETS][WAYS];
	uint64_t tick;
	char hex[CS_SHA256_HEX]; /* the latest of those that are not kept */
	struct digest_job *jobs; /* oldest first; one at most for each stopped process */
	int n_helpers;
};

/* ---- what is known ----------------------------------------------------------------------- */

static int64_t ns_of(const struct timespec *t)
{
	return t->tv_sec * NS_PER_S + t->tv_nsec;
}

static struct key key_of(const struct stat *st)
{
	return (struct key){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = ns_of(&st->st_mtim),
		.ctime_ns = ns_of(&st->st_ctim),
	};
}

static bool same_key(const struct key *a, const struct key *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static bool kernel_refuses_writers(void)
{
	struct utsname name;
	unsigned major = 0;
	unsigned minor = 0;

	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major != 6 || (minor != 11 && minor != 12);
}

/* Whether what t runs may be written to without a new time. */
static bool may_change_unseen(const struct digests *d, const struct tracee *t,
			      const struct key *key)
{
	AUTO_FD int fd = -1;
	struct statfs fs;

	if (key->ctime_ns < d->since_ns)
		return false;
	fd = openat(t->proc_fd, "exe", O_PATH | O_CLOEXEC);
	return !d->writers_refused || fd < 0 || fstatfs(fd, &fs) < 0 ||
	       fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

static bool is_settled(const struct digests *d, const struct tracee *t, const struct key *key)
{
	return cs_wall_ns() - key->ctime_ns > SETTLED_NS && !may_change_unseen(d, t, key);
}

static struct kept *set_of(struct digests *d, const struct key *key)
{
	uint64_t h = (key->ino ^ key->dev << 32) * UINT64_C(0x9e3779b97f4a7c15);

	return d->kept[h >> 56];
}

static const char *recall(struct digests *d, const struct key *key)
{
	struct kept *set = set_of(d, key);

	for (int i = 0; i < WAYS; i++) {
		if (!set[i].used || !same_key(&set[i].key, key))
			continue;
		set[i].used = ++d->tick;
		return set[i].hex;
	}
	return NULL;
}

static void keep(struct digests *d, const struct key *key, const char *hex)
{
	struct kept *oldest = set_of(d, key);

	for (struct kept *k = oldest + 1; k < set_of(d, key) + WAYS; k++)
		if (k->used < oldest->used)
			oldest = k;
	oldest->key = *key;
	oldest->used = ++d->tick;
	memcpy(oldest->hex, hex, CS_SHA256_HEX);
}

/* ---- hashing ----------------------------------------------------------------------------- */

/* False when it cannot be read to its end, or is not the file any more that key describes. */
static bool hash_file(uint8_t digest[CS_SHA256_LEN], int fd, const struct key *key)
{
	struct cs_sha256 hash;
	char chunk[65536];
	struct stat st;
	struct key now;
	ssize_t n;

	cs_sha256_init(&hash);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		cs_sha256_add(&hash, chunk, (size_t)n);
	if (n < 0 || fstat(fd, &st) < 0)
		return false;
	cs_sha256_end(&hash, digest);
	now = key_of(&st);
	return same_key(&now, key);
}

/* ---- the helper -------------------------------------------------------------------------- */

/* Closes all descriptors but two. Whatever the supervisor holds open must end with it. */
static void close_others(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b);
	unsigned high = (unsigned)(a < b ? b : a);

	if (low > 0)
		close_range(0, low - 1, 0);
	if (high - low > 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

/* Opens what job's process runs, with the rights that its user namespace gives; or -1. */
static int open_inside(const struct digest_job *job)
{
	if (setns(job->user_ns_fd, CLONE_NEWUSER) < 0)
		return -1;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* such a change of rights may have cleared it */
	return openat(job->proc_fd, "exe", O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static _Noreturn void helper(const struct digest_job *job, int pipe_fd)
{
	uint8_t digest[CS_SHA256_LEN];
	int fd = job->file_fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0)
		fd = open_inside(job);
	if (fd < 0)
		_exit(1);
	close_others(fd, pipe_fd);
	if (hash_file(digest, fd, &job->key) &&
	    write(pipe_fd, digest, sizeof(digest)) == (ssize_t)sizeof(digest))
		_exit(0);
	_exit(1);
}

static void on_helper(void *arg, int fd, uint32_t events);
static void on_deadline(void *arg);

static bool start(struct digest_job *job)
{
	struct cs_loop *loop = job->digests->trace->loop;
	AUTO_FD int in = -1;
	AUTO_FD int out = -1;
	sigset_t all;
	sigset_t before;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	in = ends[0];
	out = ends[1];
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* no handler of ours runs in the child */
	pid = fork();
	if (pid == 0)
		helper(job, out);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return false;
	job->helper_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (cs_loop_add(loop, in, EPOLLIN, on_helper, job, NULL) < 0)
		return false; /* the helper finds no reader, and ends */
	job->pipe_fd = cs_steal_fd(&in);
	job->timer = cs_loop_after(loop, DEADLINE_MS, on_deadline, job);
	job->digests->n_helpers++;
	return true;
}

static struct digest_job *job_new(struct digests *d, const struct key *key, bool settled, int fd)
{
	struct digest_job *job = cs_malloc(sizeof(*job));
	struct digest_job **end = &d->jobs;

	*job = (struct digest_job){ .digests = d,
				    .key = *key,
				    .settled = settled,
				    .file_fd = fd,
				    .user_ns_fd = -1,
				    .proc_fd = -1,
				    .pipe_fd = -1,
				    .helper_fd = -1 };
	while (*end)
		end = &(*end)->next;
	*end = job;
	return job;
}

static void job_free(struct digest_job *job)
{
	struct digests *d = job->digests;
	struct digest_job **p = &d->jobs;

	while (*p != job)
		p = &(*p)->next;
	*p = job->next;
	if (job->pipe_fd >= 0) {
		cs_loop_remove(d->trace->loop, job->pipe_fd);
		cs_loop_cancel(d->trace->loop, job->timer);
		d->n_helpers--;
	}
	if (job->helper_fd >= 0) /* ESRCH: it has ended, the usual case */
		syscall(SYS_pidfd_send_signal, job->helper_fd, SIGKILL, NULL, 0);
	cs_close(&job->helper_fd);
	cs_close(&job->pipe_fd);
	cs_close(&job->file_fd);
	cs_close(&job->user_ns_fd);
	cs_close(&job->proc_fd);
	free(job);
}

/* Tells everybody who waits. A verdict changes the map: each look starts afresh. */
static void finish_job(struct digest_job *job, const char *hex)
{
	struct digests *d = job->digests;
	struct tracee *t;
	size_t at = 0;

	if (*hex && job->settled)
		keep(d, &job->key, hex);
	while ((t = pidmap_next(&d->trace->tracees, &at))) {
		if (t->job != job)
			continue;
		seize_digest_known(t, hex);
		at = 0;
	}
	job_free(job);
}

static struct digest_job *first_waiting(const struct digests *d)
{
	struct digest_job *job = d->jobs;

	while (job && job->pipe_fd >= 0)
		job = job->next;
	return job;
}

static void start_more(struct digests *d)
{
	struct digest_job *job;

	while (d->n_helpers < MAX_HELPERS && (job = first_waiting(d)))
		if (!start(job))
			finish_job(job, ""); /* no process or no descriptor to be had */
}

static void on_helper(void *arg, int fd, uint32_t events)
{
	struct digest_job *job = arg;
	struct digests *d = job->digests;
	uint8_t digest[CS_SHA256_LEN];
	char hex[CS_SHA256_HEX] = "";

	(void)events;
	if (read(fd, digest, sizeof(digest)) == (ssize_t)sizeof(digest))
		cs_hex(hex, digest, sizeof(digest));
	finish_job(job, hex);
	start_more(d);
}

static void on_deadline(void *arg)
{
	struct digest_job *job = arg;
	struct digests *d = job->digests;

	finish_job(job, "");
	start_more(d);
}

/* ---- the calls --------------------------------------------------------------------------- */

static struct digest_job *find_job(const struct digests *d, const struct key *key)
{
	for (struct digest_job *job = d->jobs; job; job = job->next)
		if (job->settled && same_key(&job->key, key))
			return job;
	return NULL;
}

static const char *hash_now(struct digests *d, const struct key *key, bool settled, int fd)
{
	uint8_t digest[CS_SHA256_LEN];

	if (!hash_file(digest, fd, key))
		return "";
	cs_hex(d->hex, digest, sizeof(digest));
	if (settled)
		keep(d, key, d->hex);
	return d->hex;
}

/* What a helper needs to open the file of t. False: it would have no more rights than we. */
static bool will_open(struct digest_job *job, const struct tracee *t)
{
	if (geteuid() == 0)
		return false;
	job->user_ns_fd = openat(t->proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
	job->proc_fd = fcntl(t->proc_fd, F_DUPFD_CLOEXEC, 0);
	return job->user_ns_fd >= 0 && job->proc_fd >= 0;
}

const char *digest_get(struct tracee *t, const struct stat *exe)
{
	struct digests *d = t->trace->digests;
	struct key key = key_of(exe);
	const char *known = recall(d, &key);
	AUTO_FD int fd = -1;
	bool settled;

	if (known)
		return known;
	settled = is_settled(d, t, &key);
	if (key.size > MAX_BYTES)
		return "";
	t->job = settled ? find_job(d, &key) : NULL;
	if (t->job)
		return NULL;
	fd = openat(t->proc_fd, "exe", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && errno != EACCES)
		return "";
	if (fd >= 0 && key.size <= AT_ONCE)
		return hash_now(d, &key, settled, fd);
	t->job = job_new(d, &key, settled, cs_steal_fd(&fd));
	if (t->job->file_fd < 0 && !will_open(t->job, t)) {
		job_free(t->job);
		t->job = NULL;
		return "";
	}
	if (d->n_helpers >= MAX_HELPERS || start(t->job))
		return NULL;
	job_free(t->job);
	t->job = NULL;
	return "";
}

struct digests *digests_new(struct cs_trace *trace)
{
	struct digests *d = cs_calloc(1, sizeof(*d));

	d->trace = trace;
	d->since_ns = cs_wall_ns() - SETTLED_NS;
	d->writers_refused = kernel_refuses_writers();
	return d;
}

void digests_free(struct digests *d)
{
	struct digest_job *next;

	for (struct digest_job *job = d ? d->jobs : NULL; job; job = next) {
		next = job->next;
		job_free(job);
	}
	free(d);
}
