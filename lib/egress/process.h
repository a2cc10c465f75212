/* SPDX-License-Identifier: Apache-2.0 */
/* The relay process, from its fork to its end. */
#ifndef CS_EGRESS_PROCESS_H
#define CS_EGRESS_PROCESS_H

#include "countersign/egress.h"

/*
 * Runs in the forked child and never returns. channel_fd: the SEQPACKET socket to the owner, on
 * which one struct cs_egress_ready goes first. life_fd: the read end of a pipe that the owner holds
 * open. parent: the owner.
 */
_Noreturn void cs_egress_process(const struct cs_egress_opts *opts,
				 struct cs_egress_sockets *sockets, int channel_fd, int life_fd,
				 pid_t parent);

#endif
