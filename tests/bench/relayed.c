/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relayed [MIB]: the throughput of one stream through the relay beside that of the same stream over
 * the host's loopback, up and down, as one line of JSON: the medians in MiB/s.
 */
#include "../unit/egress_world.h"

#define ROUNDS 7

struct result {
	double up[ROUNDS], down[ROUNDS]; /* MiB/s */
};

static uint32_t mib = 1024;

static int connect_local(struct world *w, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(w, connect(fd, (struct sockaddr *)&sin, sizeof sin) == 0);
	return fd;
}

static double per_second(int64_t begin_mono_ns)
{
	return mib / ((double)(cs_mono_ns() - begin_mono_ns) / 1e9);
}

/* The time counts until the other side has read everything. */
static double measure_up(struct world *w)
{
	static char data[1 << 20];
	int fd = connect_local(w, SINK_PORT);
	int64_t begin = cs_mono_ns();
	char byte;

	for (uint32_t i = 0; i < mib; i++)
		must(w, write_full(fd, data, sizeof data));
	shutdown(fd, SHUT_WR);
	must_equal(w, read_some(fd, &byte, 1), 0);
	close(fd);
	return per_second(begin);
}

static double measure_down(struct world *w)
{
	static char data[1 << 20];
	int fd = connect_local(w, SOURCE_PORT);
	int64_t begin = cs_mono_ns();
	uint64_t total = 0;
	ssize_t n;

	must(w, write_full(fd, &mib, sizeof mib));
	while ((n = read_some(fd, data, sizeof data)) > 0)
		total += (uint64_t)n;
	must_equal(w, total, (uint64_t)mib << 20);
	close(fd);
	return per_second(begin);
}

static void measure(struct world *w, struct result *r, int round)
{
	r->up[round] = measure_up(w);
	r->down[round] = measure_down(w);
}

/* One measurement for each byte from the owner. */
static void client(struct world *w)
{
	struct result r;

	for (int i = 0; i < ROUNDS; i++) {
		measure(w, &r, i);
		must(w, send(w->sock, &r, sizeof r, 0) == sizeof r);
		wait_byte(w, w->sock);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof *v, compare);
	return v[ROUNDS / 2];
}

static _Noreturn void answer_all(struct world *w, const struct scene *s)
{
	for (;;) {
		struct pollfd p = { .fd = cs_egress_fd(w->egress), .events = POLLIN };

		poll(&p, 1, -1);
		take_events(w, s);
	}
}

/* Direct and relayed take turns. The relay belongs to a child here, so that nobody waits. */
static void own_and_measure(struct world *w, const struct scene *s,
			    const struct cs_egress_opts *opts, struct cs_egress_sockets *sockets,
			    pid_t run)
{
	struct result direct, relayed;
	pid_t owner = fork();

	(void)run;
	if (owner == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		start_relay(w, opts, sockets);
		must(w, write(w->sock, "", 1) == 1);
		answer_all(w, s);
	}
	for (int i = 0; i < ROUNDS; i++) {
		must(w, recv(w->sock, &relayed, sizeof relayed, 0) == sizeof relayed);
		measure(w, &direct, i);
		must(w, write(w->sock, "", 1) == 1);
	}
	kill(owner, SIGKILL);
	printf("{\"mib\":%u,\"direct\":{\"up\":%.0f,\"down\":%.0f},"
	       "\"relayed\":{\"up\":%.0f,\"down\":%.0f},\"ratio\":{\"up\":%.2f,\"down\":%.2f}}\n",
	       mib, median(direct.up), median(direct.down), median(relayed.up),
	       median(relayed.down), median(relayed.up) / median(direct.up),
	       median(relayed.down) / median(direct.down));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char text[512];
	static const struct scene scene = {
		.name = "throughput",
		.rules = { { .host = "127.0.0.1", .port = SINK_PORT, .literal = true },
			   { .host = "127.0.0.1", .port = SOURCE_PORT, .literal = true } },
		.client = client,
		.own = own_and_measure,
	};

	if (argc > 1)
		mib = (uint32_t)strtoul(argv[1], NULL, 10);
	if (world_try(text, &scene, false) == 0)
		return 0;
	fprintf(stderr, "relayed: %s\n", text);
	return 1;
}
