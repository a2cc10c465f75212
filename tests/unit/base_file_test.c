/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/file.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "countersign/base/own.h"
#include "unit.h"

static char dir[64];

/* f, d/f (both "hello"), links to them, a FIFO. */
static void setup(void)
{
	unit_mkdir(dir);
	ck_assert_int_eq(mkdir("d", 0755), 0);
	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(i ? "d/f" : "f", "w");

		ck_assert_int_ge(fputs("hello", f), 0);
		fclose(f);
	}
	ck_assert_int_eq(symlink("f", "link"), 0);
	ck_assert_int_eq(symlink("d", "dlink"), 0);
	ck_assert_int_eq(symlink("/", "root"), 0);
	ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
}

static void teardown(void)
{
	unit_rmdir(dir);
}

static void ck_content(const char *path, const char *want)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	int rc = cs_read_file(&b, AT_FDCWD, path, 1 << 20, &err);

	ck_assert_msg(rc == 0, "%s: %s", path, err.msg);
	ck_assert_str_eq(b.data, want);
}

/* ---- opening beneath --------------------------------------------------------------------- */

static const struct {
	const char *path;
	int flags;
	int want_errno;
} opens[] = {
	{ "f", O_RDONLY, 0 },
	{ "d/f", O_RDONLY, 0 },
	{ "d/../f", O_RDONLY, 0 },
	{ "./d//f", O_RDONLY, 0 },
	{ "d", O_PATH | O_DIRECTORY, 0 },
	{ "new", O_WRONLY | O_CREAT | O_EXCL, 0 },
	{ "d/new", O_RDWR | O_CREAT, 0 },
	{ ".", O_TMPFILE | O_RDWR, 0 },
	{ "fifo", O_RDONLY | O_NONBLOCK, 0 },
	{ "link", O_PATH | O_NOFOLLOW, 0 },
	{ "link", O_RDONLY, ELOOP },
	{ "link", O_PATH, ELOOP },
	{ "dlink/f", O_RDONLY, ELOOP },
	{ "dlink/../f", O_RDONLY, ELOOP },
	{ "root/etc/passwd", O_RDONLY, ELOOP },
	{ "dangling", O_WRONLY | O_CREAT, ELOOP },
	{ "../etc", O_RDONLY, EXDEV },
	{ "..", O_PATH, EXDEV },
	{ "d/../../x", O_RDONLY, EXDEV },
	{ "/etc/passwd", O_RDONLY, EXDEV },
	{ "/", O_PATH, EXDEV },
	{ "none", O_RDONLY, ENOENT },
	{ "none/f", O_RDONLY, ENOENT },
	{ "", O_RDONLY, ENOENT },
	{ "f/x", O_RDONLY, ENOTDIR },
	{ "f", O_WRONLY | O_CREAT | O_EXCL, EEXIST },
};

START_TEST(beneath_and_no_links)
{
	AUTO_FD int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int fd = -1;

	/* Nothing depends on where we are, only on the descriptor. */
	ck_assert_int_eq(chdir("/"), 0);
	errno = 0;
	fd = cs_open_beneath(root, opens[_i].path, opens[_i].flags, 0600);
	if (!opens[_i].want_errno) {
		ck_assert_msg(fd >= 0, "%s: errno %d", opens[_i].path, errno);
		ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	} else {
		ck_assert_msg(fd < 0 && errno == opens[_i].want_errno, "%s: %d, errno %d",
			      opens[_i].path, fd, errno);
	}
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_ne(access("nowhere", F_OK), 0);
}
END_TEST

START_TEST(magic_links_stay_closed)
{
	AUTO_FD int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int fd = -1;

	errno = 0;
	fd = cs_opendir_beneath(self, "cwd");
	ck_assert_int_lt(fd, 0);
	ck_assert_int_eq(errno, ELOOP);
	fd = cs_opendir_beneath(self, "root/etc");
	ck_assert_int_lt(fd, 0);
	fd = cs_opendir_beneath(self, "fd"); /* plain directories open */
	ck_assert_int_ge(fd, 0);
}
END_TEST

START_TEST(opendir_wants_directories)
{
	AUTO_FD int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int d = cs_opendir_beneath(root, "d");
	AUTO_FD int f = cs_opendir_beneath(root, "f");

	ck_assert_int_ge(d, 0);
	ck_assert_int_lt(f, 0);
	ck_assert_int_eq(cs_opendir_beneath(root, "dlink"), -1);
}
END_TEST

START_TEST(created_with_mode_less_umask)
{
	struct stat st;
	AUTO_FD int fd = -1;

	umask(022);
	fd = cs_open_beneath(AT_FDCWD, "new", O_WRONLY | O_CREAT, 0666);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
}
END_TEST

/* ---- directories ------------------------------------------------------------------------- */

static const struct {
	const char *path;
	int want;
} mkdirs[] = {
	{ "a", 0 },
	{ "a/b/c/d/e", 0 },
	{ "d", 0 },
	{ "d/x", 0 },
	{ "./a//b/./", 0 },
	{ "", 0 },
	{ ".", 0 },
	{ "f", CS_MALFUNCTION },
	{ "f/x", CS_MALFUNCTION },
	{ "dlink", CS_MALFUNCTION },
	{ "dlink/x", CS_MALFUNCTION },
	{ "dangling/x", CS_MALFUNCTION },
	{ "../x", CS_REFUSED },
	{ "a/../b", CS_REFUSED },
	{ "/tmp", CS_REFUSED },
};

START_TEST(makes_missing_directories)
{
	const char *path = mkdirs[_i].path;
	struct cs_err err = CS_ERR_INIT;
	int before = unit_count_fds();
	int rc = cs_mkdirs(AT_FDCWD, path, 0750, &err);
	struct stat st;

	ck_assert_msg(rc == mkdirs[_i].want, "%s: %d %s", path, rc, err.msg);
	ck_assert_int_eq(err.code, rc);
	ck_assert_int_eq(unit_count_fds(), before);
	if (rc == 0 && *path)
		ck_assert_msg(stat(path, &st) == 0 && S_ISDIR(st.st_mode), "%s", path);
	ck_assert_int_ne(access("nowhere", F_OK), 0);
	ck_assert_int_ne(access("d/x/x", F_OK), 0);
}
END_TEST

START_TEST(makes_them_with_mode)
{
	struct stat st;

	umask(022);
	ck_assert_int_eq(cs_mkdirs(AT_FDCWD, "a/b", 0770, NULL), 0);
	ck_assert_int_eq(stat("a", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0750);
	ck_assert_int_eq(stat("a/b", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0750);
	ck_assert_int_eq(stat("d", &st), 0); /* what is there stays as it is */
	ck_assert_int_eq(st.st_mode & 07777, 0755);
}
END_TEST

/* ---- reading ----------------------------------------------------------------------------- */

static const size_t sizes[] = { 0, 1, 63, 64, 65, 4096, 65535, 65536, 65537, 200000 };

static void write_pattern(const char *path, size_t size)
{
	FILE *f = fopen(path, "w");

	for (size_t i = 0; i < size; i++)
		putc((int)(i * 31 & 255), f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(reads_up_to_the_maximum)
{
	size_t size = sizes[_i];
	struct cs_err err = CS_ERR_INIT;

	write_pattern("p", size);
	for (size_t max = size ? size - 1 : 0; max <= size + 1; max++) {
		AUTO_BUF struct cs_buf b = CS_BUF_INIT;
		int rc;

		cs_buf_adds(&b, "before");
		rc = cs_read_file(&b, AT_FDCWD, "p", max, &err);
		if (max < size) {
			ck_assert_int_eq(rc, CS_LIMIT);
			ck_assert_str_eq(b.data, "before");
			ck_assert_int_eq(memcmp(err.msg, "p: ", 3), 0);
			continue;
		}
		ck_assert_msg(rc == 0, "%zu of %zu: %s", size, max, err.msg);
		ck_assert_uint_eq(b.len, 6 + size);
		for (size_t i = 0; i < size; i++)
			ck_assert_uint_eq((uint8_t)b.data[6 + i], i * 31 & 255);
		ck_assert_int_eq(b.data[b.len], '\0');
	}
}
END_TEST

/* A pipe has no size, and gives what it has in pieces. */
START_TEST(reads_pipes)
{
	for (size_t max = 199999; max <= 200001; max++) {
		AUTO_BUF struct cs_buf b = CS_BUF_INIT;
		AUTO_FD int r = -1;
		int ends[2];
		pid_t pid;
		int rc;

		write_pattern("p", 200000);
		ck_assert_int_eq(pipe(ends), 0);
		r = ends[0];
		pid = fork();
		if (pid == 0) {
			signal(SIGPIPE, SIG_DFL);
			dup2(ends[1], STDOUT_FILENO);
			execl("/bin/cat", "cat", "p", (char *)NULL);
			_exit(127);
		}
		close(ends[1]);
		rc = cs_read_fd(&b, r, max, NULL);
		ck_assert_int_eq(rc, max < 200000 ? CS_LIMIT : 0);
		ck_assert_uint_eq(b.len, max < 200000 ? 0 : 200000);
		cs_close(&r);
		waitpid(pid, NULL, 0);
	}
}
END_TEST

START_TEST(reads_files_of_unknown_size)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	ck_assert_int_eq(cs_read_file(&b, AT_FDCWD, "/proc/self/status", 1 << 20, NULL), 0);
	ck_assert_ptr_nonnull(strstr(b.data, "Uid:"));
}
END_TEST

static const struct {
	const char *path;
	int want;
	int sys_errno;
} unreadable[] = {
	{ "none", CS_NOTFOUND, ENOENT },     { "none/x", CS_NOTFOUND, ENOENT },
	{ "dangling", CS_NOTFOUND, ENOENT }, { "d", CS_MALFUNCTION, EISDIR },
	{ "f/x", CS_MALFUNCTION, ENOTDIR },
};

START_TEST(names_what_it_cannot_read)
{
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	struct cs_err err = CS_ERR_INIT;
	const char *path = unreadable[_i].path;
	int rc = cs_read_file(&b, AT_FDCWD, path, 100, &err);

	ck_assert_msg(rc == unreadable[_i].want && (int)err.code == rc, "%s: %d", path, rc);
	ck_assert_msg(err.sys_errno == unreadable[_i].sys_errno, "%s: %d", path, err.sys_errno);
	ck_assert_msg(strstr(err.msg, path) != NULL, "%s: %s", path, err.msg);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

/* ---- writing ----------------------------------------------------------------------------- */

static void ck_no_temporaries(const char *path)
{
	AUTO_DIR DIR *d = opendir(path);
	struct dirent *e;

	while ((e = readdir(d)))
		ck_assert_msg(strncmp(e->d_name, ".cs-", 4) != 0, "%s was left", e->d_name);
}

START_TEST(creates_and_replaces)
{
	struct stat st;

	umask(022);
	ck_assert_int_eq(cs_write_file(AT_FDCWD, "n", "one", 3, 0600, NULL), 0);
	ck_content("n", "one");
	ck_assert_int_eq(stat("n", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(cs_write_file(AT_FDCWD, "n", "", 0, 0666, NULL), 0);
	ck_content("n", "");
	ck_assert_int_eq(stat("n", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(cs_write_file(AT_FDCWD, "d/n", "two", 3, 0600, NULL), 0);
	ck_content("d/n", "two");
	ck_no_temporaries(".");
	ck_no_temporaries("d");
}
END_TEST

START_TEST(a_reader_keeps_the_old_bytes)
{
	AUTO_FD int fd = open("f", O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;

	ck_assert_int_eq(cs_write_file(AT_FDCWD, "f", "other", 5, 0600, NULL), 0);
	ck_assert_int_eq(cs_read_fd(&b, fd, 100, NULL), 0);
	ck_assert_str_eq(b.data, "hello");
	ck_content("f", "other");
}
END_TEST

START_TEST(a_link_is_replaced_not_followed)
{
	struct stat st;

	ck_assert_int_eq(cs_write_file(AT_FDCWD, "link", "x", 1, 0600, NULL), 0);
	ck_content("f", "hello");
	ck_assert_int_eq(lstat("link", &st), 0);
	ck_assert(S_ISREG(st.st_mode));
}
END_TEST

START_TEST(failures_leave_the_old_file_alone)
{
	struct rlimit small = { 100, 100 };
	AUTO_FREE char *data = cs_calloc(1, 1000);
	struct cs_err err = CS_ERR_INIT;

	ck_assert_int_eq(cs_write_file(AT_FDCWD, "none/n", "x", 1, 0600, &err), CS_MALFUNCTION);
	ck_assert_int_eq(err.sys_errno, ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "none/n"));
	ck_assert_int_eq(cs_write_file(AT_FDCWD, "d", "x", 1, 0600, &err), CS_MALFUNCTION);
	ck_assert_int_eq(err.sys_errno, EISDIR);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(cs_write_file(AT_FDCWD, "f", data, 1000, 0600, &err), CS_MALFUNCTION);
	ck_assert_int_eq(err.sys_errno, EFBIG);
	ck_content("f", "hello");
	ck_no_temporaries(".");
}
END_TEST

START_TEST(short_writes_go_on)
{
	size_t size = 1 << 20;
	AUTO_FREE char *data = cs_malloc(size);
	AUTO_BUF struct cs_buf b = CS_BUF_INIT;
	int ends[2];
	int status;
	pid_t pid;

	memset(data, 'x', size);
	data[size - 1] = 'e';
	/* A blocking stream socket with small buffers: the kernel takes the bytes piece by piece.
	 */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		_exit(cs_write_all(ends[1], data, size) == 0 ? 0 : 1);
	}
	close(ends[1]);
	ck_assert_int_eq(cs_read_fd(&b, ends[0], size, NULL), 0);
	close(ends[0]);
	ck_assert_uint_eq(b.len, size);
	ck_assert_int_eq(memcmp(b.data, data, size), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(write_all_reports_errno)
{
	AUTO_FD int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	errno = 0;
	ck_assert_int_eq(cs_write_all(full, "x", 1), -1);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_int_eq(cs_write_all(full, "", 0), 0);
}
END_TEST

/* ---- descriptors over sockets ------------------------------------------------------------ */

static const struct {
	int type;
	size_t n;
	size_t capacity;
	size_t want;
} passes[] = {
	{ SOCK_STREAM, 0, 4, 0 },	{ SOCK_STREAM, 1, 1, 1 },     { SOCK_STREAM, 64, 64, 64 },
	{ SOCK_STREAM, 5, 2, 2 },	{ SOCK_STREAM, 5, 0, 0 },     { SOCK_SEQPACKET, 0, 0, 0 },
	{ SOCK_SEQPACKET, 64, 64, 64 }, { SOCK_SEQPACKET, 64, 1, 1 }, { SOCK_DGRAM, 3, 3, 3 },
};

static bool same_file(int a, int b)
{
	struct stat x;
	struct stat y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

START_TEST(descriptors_arrive)
{
	int sent[64];
	int got[64];
	size_t n = passes[_i].capacity;
	char data[16] = "";
	int ends[2];
	int before;

	ck_assert_int_eq(socketpair(AF_UNIX, passes[_i].type, 0, ends), 0);
	for (int i = 0; i < 64; i++) {
		sent[i] = open(".", O_TMPFILE | O_RDWR, 0600);
		ck_assert_int_ge(sent[i], 0);
	}
	before = unit_count_fds();
	ck_assert_int_eq(cs_send_fds(ends[0], "hello", 5, sent, passes[_i].n), 0);
	ck_assert_int_eq(cs_recv_fds(ends[1], data, sizeof(data), got, &n), 5);
	ck_assert_str_eq(data, "hello");
	ck_assert_uint_eq(n, passes[_i].want);
	ck_assert_int_eq(unit_count_fds(), before + (int)n);
	for (size_t i = 0; i < n; i++) {
		ck_assert(same_file(sent[i], got[i]));
		ck_assert_int_eq(fcntl(got[i], F_GETFD), FD_CLOEXEC);
	}
}
END_TEST

START_TEST(too_long_a_datagram_is_refused)
{
	int ends[2];
	int got[2];
	size_t n = 2;
	char data[4];
	int fds[2] = { 0, 1 };
	int before;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	ck_assert_int_eq(cs_send_fds(ends[0], "hello", 5, fds, 2), 0);
	before = unit_count_fds();
	ck_assert_int_eq(cs_recv_fds(ends[1], data, sizeof(data), got, &n), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(end_and_errors_of_the_other_side)
{
	int fds[65] = { 0 };
	int ends[2];
	int got[1];
	size_t n = 1;
	char c;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	errno = 0;
	ck_assert_int_eq(cs_send_fds(ends[0], "x", 1, fds, 65), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(cs_send_fds(ends[0], "", 0, fds, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	close(ends[1]);
	signal(SIGPIPE, SIG_DFL);
	errno = 0;
	ck_assert_int_eq(cs_send_fds(ends[0], "x", 1, fds, 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(cs_recv_fds(ends[0], &c, 1, got, &n), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* The descriptors go with the first piece, once. */
START_TEST(long_streams_carry_descriptors_once)
{
	size_t size = 1 << 20;
	AUTO_FREE char *data = cs_calloc(1, size);
	size_t total = 0;
	size_t fds = 0;
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = fork();
	if (pid == 0) {
		int zero = 0;

		close(ends[1]);
		_exit(cs_send_fds(ends[0], data, size, &zero, 1) == 0 ? 0 : 1);
	}
	close(ends[0]);
	for (;;) {
		int got[4];
		size_t n = 4;
		ssize_t len = cs_recv_fds(ends[1], data, 4096, got, &n);

		ck_assert_int_ge(len, 0);
		if (len == 0)
			break;
		total += (size_t)len;
		fds += n;
	}
	waitpid(pid, NULL, 0);
	ck_assert_uint_eq(total, size);
	ck_assert_uint_eq(fds, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/file");
	TCase *tc = tcase_create("file");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, beneath_and_no_links, 0, CS_COUNT(opens));
	tcase_add_test(tc, magic_links_stay_closed);
	tcase_add_test(tc, opendir_wants_directories);
	tcase_add_test(tc, created_with_mode_less_umask);
	tcase_add_loop_test(tc, makes_missing_directories, 0, CS_COUNT(mkdirs));
	tcase_add_test(tc, makes_them_with_mode);
	tcase_add_loop_test(tc, reads_up_to_the_maximum, 0, CS_COUNT(sizes));
	tcase_add_test(tc, reads_pipes);
	tcase_add_test(tc, reads_files_of_unknown_size);
	tcase_add_loop_test(tc, names_what_it_cannot_read, 0, CS_COUNT(unreadable));
	tcase_add_test(tc, creates_and_replaces);
	tcase_add_test(tc, a_reader_keeps_the_old_bytes);
	tcase_add_test(tc, a_link_is_replaced_not_followed);
	tcase_add_test(tc, failures_leave_the_old_file_alone);
	tcase_add_test(tc, short_writes_go_on);
	tcase_add_test(tc, write_all_reports_errno);
	tcase_add_loop_test(tc, descriptors_arrive, 0, CS_COUNT(passes));
	tcase_add_test(tc, too_long_a_datagram_is_refused);
	tcase_add_test(tc, end_and_errors_of_the_other_side);
	tcase_add_test(tc, long_streams_carry_descriptors_once);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
