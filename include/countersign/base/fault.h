/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults for tests: places where a process can be made to die or to stand still, and answers of the
 * host that can be falsified. They exist only in objects compiled with CS_FAULTS (`make faulty`);
 * elsewhere both are nothing, and tests/attack/faults.test looks that no program has them.
 *
 *	CS_FAULT_AT=<point>[@<n>][:stop]	a process that comes to the point (for the nth time)
 *						is killed, or stopped
 *	CS_FAULT_LIST=<file>			the name of each point that was reached is written
 *						to it, one a line behind a line that is not for
 *						readers; 64 KiB, existing
 *	CS_FAULT_FAKE=<name>=<number>,...	the answer of cs_fake(name, ...)
 *
 * Names of points and fakes are string literals: a test finds all of them in the source.
 */
#ifndef COUNTERSIGN_BASE_FAULT_H
#define COUNTERSIGN_BASE_FAULT_H

#ifdef CS_FAULTS
void cs_fault(const char *point);
long cs_fake(const char *name, long real);
#else
#define cs_fault(point)	    ((void)0)
#define cs_fake(name, real) (real)
#endif

#endif
