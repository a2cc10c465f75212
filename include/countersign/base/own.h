/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership by scope. A variable marked AUTO_FREE or AUTO_FD is released when it goes out of
 * scope; cs_steal() and cs_steal_fd() hand it over and leave nothing to release. Other types bring
 * their own AUTO_ macro, made with CS_AUTO_TYPE.
 */
#ifndef COUNTERSIGN_BASE_OWN_H
#define COUNTERSIGN_BASE_OWN_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CS_AUTO(fn) __attribute__((cleanup(fn)))
#define AUTO_FREE   CS_AUTO(cs_autofree)
#define AUTO_FD	    CS_AUTO(cs_autoclose)
#define AUTO_FILE   CS_AUTO(cs_autofclose)
#define AUTO_DIR    CS_AUTO(cs_autoclosedir)

/* Takes the pointer out of the variable: the caller owns it now. */
#define cs_steal(ptr)                               \
	__extension__({                             \
		__typeof__(*(ptr)) cs_tmp = *(ptr); \
		*(ptr) = NULL;                      \
		cs_tmp;                             \
	})

static inline int cs_steal_fd(int *fd)
{
	int tmp = *fd;
	*fd = -1;
	return tmp;
}

static inline void cs_autofree(void *p)
{
	free(*(void **)p);
}

/* Closes and forgets; -1 is nothing. errno is kept. */
void cs_close(int *fd);

static inline void cs_autoclose(int *fd)
{
	cs_close(fd);
}

static inline void cs_autofclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cs_autoclosedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Defines the cleanup function for a type that has `void free_fn(type *)`. */
#define CS_AUTO_TYPE(name, type, free_fn)                                                 \
	static inline void name(type **p) /* NOLINT(bugprone-macro-parentheses): names */ \
	{                                                                                 \
		if (*p)                                                                   \
			free_fn(*p);                                                      \
	}

/*
 * Memory: these never return NULL. Running out of memory ends the process with one line and status
 * 125: every state that matters is on disk before it is needed (a run is recovered by the next
 * command).
 */
void *cs_malloc(size_t n);
void *cs_calloc(size_t n, size_t size);
void *cs_realloc(void *p, size_t n, size_t size); /* n * size bytes, overflow checked */
char *cs_strdup(const char *s);
char *cs_strndup(const char *s, size_t n);
char *cs_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Room for one more element in a growing array. */
#define CS_GROW(arr, n, cap)                                             \
	do {                                                             \
		if ((n) == (cap)) {                                      \
			(cap) = (cap) ? (cap)*2 : 8;                     \
			(arr) = cs_realloc((arr), (cap), sizeof *(arr)); \
		}                                                        \
	} while (0)

#define CS_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
