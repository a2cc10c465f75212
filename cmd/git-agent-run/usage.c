/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a run has written, measured in a process of its own: a walk over a large tree must not
 * hold up the supervisor, and the tree is hostile. It is opened by descriptors of the layers, then
 * confined (no writing, no network, nothing else to read), and sees sizes and names, no content.
 *
 * A file with several links counts once, as an equal part at each. A directory that the agent made
 * unreadable hides what it holds; that there is one is said, and the supervisor then goes by what
 * the whole file system has lost.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MAX_LAYERS   (72 + CARRY_MAX)
#define MAX_DEPTH    200 /* and as many descriptors */
#define MIN_PAUSE_MS 1000
#define MAX_PAUSE_MS 30000
#define PAUSE_FACTOR 20 /* at most a twentieth of a processor */

static void add_dir(struct usage *u, int fd, int depth);

static void add_entry(struct usage *u, int dir_fd, const char *name, int depth)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	u->bytes += (uint64_t)st.st_blocks * 512 /
		    (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : st.st_nlink);
	if (!S_ISDIR(st.st_mode))
		return;
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || depth >= MAX_DEPTH)
		u->unreadable++;
	if (fd >= 0 && depth < MAX_DEPTH)
		add_dir(u, fd, depth + 1);
	else
		cs_close(&fd);
}

/* Takes fd. */
static void add_dir(struct usage *u, int fd, int depth)
{
	AUTO_DIR DIR *dir = fdopendir(fd);

	if (!dir) {
		close(fd);
		u->unreadable++;
		return;
	}
	for (struct dirent *e; (e = readdir(dir));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			add_entry(u, dirfd(dir), e->d_name, depth);
}

static void measure(struct usage *u, const int *layers, size_t n, uint64_t missed)
{
	*u = (struct usage){ .unreadable = missed };
	for (size_t i = 0; i < n; i++) {
		int fd = openat(layers[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			u->unreadable++;
		else
			add_dir(u, fd, 0);
	}
}

struct layers {
	int fds[MAX_LAYERS];
	size_t n;
	uint64_t missed; /* are there, and cannot be measured */
};

/* False where there is none, or none that can be opened: then nothing is known of those behind it. */
static bool add_layer(struct layers *l, int run_fd, const char *name)
{
	int fd = cs_opendir_beneath(run_fd, name);

	if (fd < 0) {
		l->missed += errno != ENOENT;
		return false;
	}
	if (l->n == MAX_LAYERS) {
		l->missed++;
		close(fd);
	} else {
		l->fds[l->n++] = fd;
	}
	return true;
}

/* The directories that the agent writes to; overlays' work directories hold nothing that lasts. */
static void open_layers(struct layers *l, int run_fd)
{
	static const char *const names[] = { "upper", "tree", "tmp", "var-tmp", "home" };
	static const char *const numbered[] = { "tools", CARRIED_DIR };

	for (size_t i = 0; i < CS_COUNT(names); i++)
		(void)add_layer(l, run_fd, names[i]);
	for (size_t i = 0; i < CS_COUNT(numbered); i++)
		for (int k = 0;; k++) {
			char name[64];
			snprintf(name, sizeof name, "%s/%d/upper", numbered[i], k);
			if (!add_layer(l, run_fd, name))
				break;
		}
}

/* Away from everything of the supervisor's: what it holds open keeps others alive. */
static void close_all_but(const int *keep, size_t n)
{
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	for (size_t i = 0; i < n; i++)
		dup3(keep[i], (int)i + 3, O_CLOEXEC);
	syscall(SYS_close_range, (unsigned)n + 3, ~0U, 0);
}

static void move_up(int *fd)
{
	/* Above every place that close_all_but fills. */
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, MAX_LAYERS + 10);
}

void usage_main(const struct run *run, int sock)
{
	struct layers layers = { .n = 0 };
	int fds[MAX_LAYERS + 1];
	size_t n;
	struct cs_err err;
	struct usage u;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_layers(&layers, run->dir.fd);
	n = layers.n;
	memcpy(fds + 1, layers.fds, n * sizeof *fds);
	fds[0] = sock;
	for (size_t i = 0; i < n + 1; i++) {
		move_up(&fds[i]);
		/* No room for that many: who measures a part measures nothing. */
		if (fds[i] < 0)
			_exit(125);
	}
	close_all_but(fds, n + 1);
	for (size_t i = 0; i < n + 1; i++)
		fds[i] = (int)i + 3;
	struct cs_confine confine = { .uid = run->operator.root ? run->operator.uid : (uid_t)-1,
				      .gid = run->operator.gid,
				      .read_fds = fds + 1,
				      .n_read_fds = n,
				      .max_cpu_s = 1 << 24, };
	if (cs_confine_self(&confine, &err) < 0)
		_exit(125);
	for (;;) {
		struct pollfd p = { .fd = fds[0], .events = POLLIN };
		int64_t start = cs_mono_ns();

		measure(&u, fds + 1, n, layers.missed);
		if (write(fds[0], &u, sizeof u) != (ssize_t)sizeof u)
			_exit(0);
		int64_t pause_ms = (cs_mono_ns() - start) / 1000000 * PAUSE_FACTOR;
		if (pause_ms < MIN_PAUSE_MS)
			pause_ms = MIN_PAUSE_MS;
		/* The supervisor says nothing on this socket: it hangs up. */
		if (poll(&p, 1, pause_ms > MAX_PAUSE_MS ? MAX_PAUSE_MS : (int)pause_ms) != 0)
			_exit(0);
	}
}
