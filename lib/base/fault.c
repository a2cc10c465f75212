/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment is read before main(): the relay erases its own. The list is shared memory: a
 * confined process can write there when it can open nothing and holds no descriptor any more.
 */
#include "countersign/base/fault.h"

enum { LIST_SIZE = 65536, FIRST_LINE = 8 };

#ifdef CS_FAULTS
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char at[128], fake[512];
static int at_time = 1; /* the how manieth time in one process */
static bool at_stop;
static char *list;

static void keep(char *to, size_t size, const char *name)
{
	const char *value = getenv(name);

	snprintf(to, size, "%s", value ? value : "");
}

__attribute__((constructor)) static void read_environment(void)
{
	const char *path = getenv("CS_FAULT_LIST");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	keep(at, sizeof(at), "CS_FAULT_AT");
	at_stop = strchr(at, ':') != NULL;
	if (strchr(at, '@'))
		at_time = atoi(strchr(at, '@') + 1);
	at[strcspn(at, "@:")] = '\0';
	keep(fake, sizeof(fake), "CS_FAULT_FAKE");
	if (fd < 0)
		return;
	list = mmap(NULL, LIST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (list == MAP_FAILED)
		list = NULL;
	close(fd);
}

/* The first bytes count what is used behind them. */
static void tell(const char *point)
{
	size_t len = strlen(point);

	if (!list)
		return;
	unsigned from =
		__atomic_fetch_add((unsigned *)(void *)list, (unsigned)len + 1, __ATOMIC_SEQ_CST);
	if (from + len + 1 > LIST_SIZE - FIRST_LINE)
		return;
	memcpy(list + FIRST_LINE + from, point, len);
	list[FIRST_LINE + from + len] = '\n';
}

void cs_fault(const char *point)
{
	static int seen;

	tell(point);
	if (strcmp(at, point) != 0 || ++seen != at_time)
		return;
	kill(getpid(), at_stop ? SIGSTOP : SIGKILL);
	/* The first process of a pid namespace is spared its own signals. */
	while (at_stop && getpid() == 1)
		pause();
	if (!at_stop)
		_exit(137);
}

long cs_fake(const char *name, long real)
{
	size_t len = strlen(name);

	for (const char *p = fake; *p; p += strcspn(p, ","), p += *p == ',')
		if (!strncmp(p, name, len) && p[len] == '=')
			return strtol(p + len + 1, NULL, 0);
	return real;
}
#endif
