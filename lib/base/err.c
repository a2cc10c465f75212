/* SPDX-License-Identifier: Apache-2.0 */
/* Recording and prefixing of errors. */
#include "countersign/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void record(struct cs_err *err, enum cs_code code, const char *fmt, va_list ap)
{
	err->code = code;
	err->sys_errno = 0;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
}

int cs_err_set(struct cs_err *err, enum cs_code code, const char *fmt, ...)
{
	if (err) {
		va_list ap;

		va_start(ap, fmt);
		record(err, code, fmt, ap);
		va_end(ap);
	}
	return code;
}

int cs_err_sys(struct cs_err *err, const char *fmt, ...)
{
	int saved = errno;

	if (err) {
		size_t used;
		va_list ap;

		va_start(ap, fmt);
		record(err, CS_MALFUNCTION, fmt, ap);
		va_end(ap);
		err->sys_errno = saved;
		used = strlen(err->msg);
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(saved));
	}
	errno = saved;
	return CS_MALFUNCTION;
}

int cs_err_wrap(struct cs_err *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	size_t used;
	va_list ap;

	if (!err)
		return CS_MALFUNCTION;
	memcpy(inner, err->msg, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", inner);
	return err->code;
}
