/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	should:	 add rights of the owner to files and directories of the layer
 *	mustn't: follow a link, touch what somebody else owns, read anything
 *
 * The path comes from the reader and was checked; it is resolved beneath the layer without links,
 * and what was found is changed through its descriptor.
 */
#include "open_up.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool add_rights(int fd, uid_t owner)
{
	char link[64];
	struct stat st;
	mode_t wanted;

	if (fstat(fd, &st) < 0 || st.st_uid != owner ||
	    (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
		return false;
	wanted = st.st_mode | (S_ISDIR(st.st_mode) ? S_IRWXU : S_IRUSR);
	if (wanted == st.st_mode)
		return false;
	/* fchmod does not take O_PATH descriptors. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return chmod(link, wanted & 07777) == 0;
}

size_t open_up(int layer_fd, const struct cs_strv *paths, uid_t owner)
{
	size_t changed = 0;

	for (size_t i = 0; i < paths->n; i++) {
		/* Even "." cannot be looked up in a directory without the right to search it. */
		bool top = !strcmp(paths->v[i], ".");
		AUTO_FD int fd = top ? fcntl(layer_fd, F_DUPFD_CLOEXEC, 0)
				     : cs_open_beneath(layer_fd, paths->v[i], O_PATH, 0);

		changed += fd >= 0 && add_rights(fd, owner);
	}
	return changed;
}

int open_top(int *out_fd, const char *path, struct cs_err *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return cs_err_sys(err, "open %s", path);
	*out_fd = fd;
	return 0;
}
