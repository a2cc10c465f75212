/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, reached from directory descriptors. Every descriptor is O_CLOEXEC. "Beneath" functions
 * resolve with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS): they never
 * leave the directory and follow no link, whoever wrote the tree.
 */
#ifndef COUNTERSIGN_BASE_FILE_H
#define COUNTERSIGN_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "countersign/base/buf.h"
#include "countersign/base/err.h"

/*
 * openat2 beneath dir_fd. Returns a descriptor, or -1 with errno: ELOOP where a link would have
 * been followed, EXDEV where the path leaves the directory. mode counts with O_CREAT. In a tree
 * that somebody else wrote, give O_NONBLOCK (a FIFO blocks an open) and look at the type first.
 */
int cs_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);
/* The same for a directory descriptor opened with O_DIRECTORY | O_RDONLY. */
int cs_opendir_beneath(int dir_fd, const char *path);
/* And that crosses no mount, the last component's included: EXDEV there. */
int cs_opendir_on_mount(int dir_fd, const char *path);

/*
 * Makes every missing directory of path (relative to dir_fd, following no link) with mode less
 * the umask. An absolute path or one with ".." in it is CS_REFUSED.
 */
int cs_mkdirs(int dir_fd, const char *path, mode_t mode, struct cs_err *err) CS_CHECKED;

/*
 * Reads a whole file of at most max bytes and adds them to out (untouched on failure); more is
 * CS_LIMIT, no such file CS_NOTFOUND. It follows links and waits for FIFOs: for trusted paths.
 * Elsewhere: cs_open_beneath() and cs_read_fd().
 */
int cs_read_file(struct cs_buf *out, int dir_fd, const char *path, size_t max,
		 struct cs_err *err) CS_CHECKED;
/* The same for the rest of an open descriptor; the message does not name it. */
int cs_read_fd(struct cs_buf *out, int fd, size_t max, struct cs_err *err) CS_CHECKED;

/* Writes all bytes (EINTR and short writes handled). 0, or -1 with errno. */
int cs_write_all(int fd, const void *data, size_t len);
/*
 * Creates or replaces a file atomically, mode less the umask: a temporary name (".cs-<random>")
 * in the same directory, then rename. Readers see the old or the new bytes, whenever the process
 * is killed; it is not synced, so a power cut may bring back the old file or leave an empty one.
 */
int cs_write_file(int dir_fd, const char *path, const void *data, size_t len, mode_t mode,
		  struct cs_err *err) CS_CHECKED;

/*
 * <XDG_CONFIG_HOME>/countersign/<name>, else <home>/.config/countersign/<name>; name NULL: the
 * directory itself. Relative ones are ignored (XDG Base Directory, 0.8). NULL: there is no such
 * place. The caller frees.
 */
char *cs_config_path(const char *home, const char *xdg_config, const char *name);

/*
 * Removes a tree (or a file, or a link) that a hostile process wrote: follows nothing, makes
 * directories of mode 000 readable while walking down, has no limit on depth: at most 33
 * descriptors, and memory for one name a level. A missing tree is success. name is trusted: only
 * its last component is not followed. Stops at the first failure, and can be called again.
 */
int cs_remove_tree(int dir_fd, const char *name, struct cs_err *err) CS_CHECKED;

/*
 * Descriptors over Unix sockets. Sends len bytes with n descriptors (n <= 64; with descriptors at
 * least one byte). 0, or -1 with errno; EPIPE raises no signal.
 */
int cs_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n);
/*
 * Receives one message; *n_fds holds the capacity of fds before and their number after. Returns
 * the number of bytes (0 at end), or -1 with errno. Received descriptors are O_CLOEXEC; those
 * that do not fit are closed. A datagram longer than cap is EMSGSIZE, its descriptors closed.
 */
ssize_t cs_recv_fds(int sock, void *data, size_t cap, int *fds, size_t *n_fds);

#endif
