/* SPDX-License-Identifier: Apache-2.0 */
/* What the relay and its resolver give up. Both fail closed: a process that cannot confine ends. */
#ifndef CS_EGRESS_CONFINE_H
#define CS_EGRESS_CONFINE_H

#include <stddef.h>
#include <sys/types.h>
#include "countersign/base.h"

/*
 * Becomes uid:gid without other groups when root (and uid is not root); an ordinary user stays
 * what it is. Afterwards the process has no capabilities, is not dumpable, gains nothing by exec,
 * and dies with parent.
 */
int cs_egress_confine_user(uid_t uid, gid_t gid, pid_t parent, struct cs_err *err) CS_CHECKED;

/* Closes every descriptor but the n given ones; 0, 1 and 2 become /dev/null. Sorts keep. */
int cs_egress_confine_descriptors(int *keep, size_t n, struct cs_err *err) CS_CHECKED;

/*
 * Landlock: reading below the given directories and nothing else. paths ends with NULL; what does
 * not exist is passed over. *abi is the Landlock version in force, 0 where the kernel has none: the
 * system call filter below then is the only wall. Any other failure is one.
 */
int cs_egress_confine_files(int *abi, const char *const *paths, struct cs_err *err) CS_CHECKED;

enum cs_egress_role {
	CS_EGRESS_ROLE_RELAY = 1, /* sockets of the internet families and memory */
	CS_EGRESS_ROLE_RESOLVER,  /* besides: reading files, local sockets, forking */
	CS_EGRESS_ROLE_LOOKUP,	  /* one of its children: no forking */
};
/* After cs_egress_confine_user(). Filters add up: a later one takes away only. */
int cs_egress_confine_calls(enum cs_egress_role role, struct cs_err *err) CS_CHECKED;

#endif
