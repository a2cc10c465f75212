/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's end of a confined child: starts it, reads its frames until a deadline, and says how
 * it ended when they stop too early.
 */
#ifndef CAPTURE_STREAM_H
#define CAPTURE_STREAM_H

#include <sys/types.h>
#include "reader.h"

struct stream {
	pid_t pid; /* 0: none */
	int fd;
	int64_t deadline_ns; /* monotonic */
	int deadline_ms;     /* as given, for the message */
	char *buf;
	size_t start, end;
};
#define STREAM_INIT      \
	{                \
		.fd = -1 \
	}

struct stream_opts {
	uid_t uid; /* the child's, when we are root; (uid_t)-1: ours */
	gid_t gid;
	int deadline_ms;
	uint64_t max_memory;
	int max_cpu_s;
};

/* Forks a confined child that runs fn with a copy of *r (out_fd is set here) and ends. */
int stream_open(struct stream *out, const struct stream_opts *opts, const struct reader *r,
		reader_fn fn, struct cs_err *err) CS_CHECKED;
/*
 * The next frame; it borrows until the next call. CS_CORRUPT: the child ended or sent what is no
 * frame; CS_LIMIT: the deadline. An ERROR frame is returned as the failure it carries.
 */
int stream_next(struct frame *out, struct stream *s, struct cs_err *err) CS_CHECKED;
/* Nothing more may come: the child must end, and well. */
int stream_finish(struct stream *s, struct cs_err *err) CS_CHECKED;
/* Kills what still runs. */
void stream_release(struct stream *s);
#define AUTO_STREAM CS_AUTO(stream_release)

#endif
