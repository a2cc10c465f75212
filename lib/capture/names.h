/* SPDX-License-Identifier: Apache-2.0 */
/* Names, paths and link targets. See cs_name_is_dot_git in the public header. */
#ifndef CAPTURE_NAMES_H
#define CAPTURE_NAMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Longest path of a captured entry, without its NUL: a longer one cannot be checked out. */
#define CAPTURE_PATH_MAX (PATH_MAX - 1)

/* ".gitmodules" in every spelling: git refuses a symbolic link of that name. */
bool capture_name_is_gitmodules(const char *name, size_t len);

/* A relative path that a tree may hold: each component not empty and not cs_name_is_dot_git. */
bool capture_path_ok(const char *path, size_t len);

/*
 * Does the link at path, by its text alone, lead out of the tree (absolute, too many "..") or into
 * a .git? What other links on its way do is not looked at.
 */
bool capture_link_leads_out(const char *path, const char *target);

#endif
