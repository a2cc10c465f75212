/* SPDX-License-Identifier: Apache-2.0 */
/* The program that costs least: static, without a library, and at its end at once. */

void _start(void);

void _start(void)
{
#if defined(__x86_64__)
	__asm__ volatile("mov $60, %eax\n\txor %edi, %edi\n\tsyscall");
#elif defined(__aarch64__)
	__asm__ volatile("mov x8, #93\n\tmov x0, #0\n\tsvc #0");
#endif
	__builtin_unreachable();
}
