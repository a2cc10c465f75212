/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a stopped image stands: the registers that every architecture has under another name. The
 * kernel hands out fewer of them for a 32-bit image, which tells the two apart.
 */
#include "internal.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#if defined(__x86_64__)
#define WIDE_PC(r) (r).rip
#define WIDE_SP(r) (r).rsp
#define NARROW_PC  12 /* eip in struct user_regs_struct32 of the kernel */
#define NARROW_SP  15
#elif defined(__aarch64__)
#define WIDE_PC(r) (r).pc
#define WIDE_SP(r) (r).sp
#define NARROW_PC  15
#define NARROW_SP  13
#endif

bool regs_read(struct regs *out, pid_t pid)
{
	union {
		struct user_regs_struct wide;
		uint32_t narrow[sizeof(struct user_regs_struct) / sizeof(uint32_t)];
	} r = { 0 };
	struct iovec io = { &r, sizeof(r) };

	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) < 0)
		return false;
	out->narrow = io.iov_len < sizeof(r.wide);
	out->pc = out->narrow ? r.narrow[NARROW_PC] : WIDE_PC(r.wide);
	out->sp = out->narrow ? r.narrow[NARROW_SP] : WIDE_SP(r.wide);
	return true;
}
