/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values: recorded where they happen, prefixed once per layer on the way up, printed
 * once by the program. A fallible function returns 0 or one of the negative codes below, and has
 * filled *err (when err is not NULL) exactly when it failed.
 */
#ifndef COUNTERSIGN_BASE_ERR_H
#define COUNTERSIGN_BASE_ERR_H

#define CS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define CS_CHECKED	     __attribute__((warn_unused_result))

enum cs_code {
	CS_OK = 0,
	CS_MALFUNCTION = -1, /* a call failed that should not: I/O, memory, a lost child */
	CS_USAGE = -2,	     /* the caller's words are off: option, value, revision */
	CS_REFUSED = -3,     /* a rule or a promise says no */
	CS_NOTFOUND = -4,    /* the named thing does not exist */
	CS_EXISTS = -5,	     /* it exists already, or somebody else was first (compare-and-swap) */
	CS_CORRUPT = -6,     /* foreign bytes that do not parse */
	CS_UNSUPPORTED = -7, /* well-formed, and not ours to handle; missing kernel features too */
	CS_LIMIT = -8,	     /* a documented maximum was passed */
	CS_BUSY = -9,	     /* locked by another process */
};

struct cs_err {
	enum cs_code code;
	int sys_errno; /* errno at the failing call, or 0 */
	char msg[512]; /* "outer: inner: Permission denied"; no newline; truncated at the end */
};

#define CS_ERR_INIT           \
	{                     \
		.code = CS_OK \
	}

/* Record a failure; returns code. err may be NULL in all three. */
int cs_err_set(struct cs_err *err, enum cs_code code, const char *fmt, ...) CS_PRINTF(3, 4);
/* Record errno: appends ": " and its text. Returns CS_MALFUNCTION; errno is kept. */
int cs_err_sys(struct cs_err *err, const char *fmt, ...) CS_PRINTF(2, 3);
/* Prefix "<fmt>: " to a failure already recorded; returns its code. */
int cs_err_wrap(struct cs_err *err, const char *fmt, ...) CS_PRINTF(2, 3);

#endif
