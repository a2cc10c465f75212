/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	relay --- request ---> resolver --- fork ---> child: getaddrinfo, answer, exit
 *	      <---------------- answer ---------------'
 *
 * One SEQPACKET socket, which resolver and children share. A child ends itself by alarm(2); one
 * that is lost without an answer is covered by the relay's own timer. The resolver reads no answer
 * from the network; its children do, one name each, and they can no longer fork.
 */
#include "resolve.h"

#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "confine.h"
#include "rules.h"

#define MAX_RUNNING 16
#define DEADLINE_S  10
#define LOST_MS	    ((DEADLINE_S + 2) * 1000)
#define KEPT	    256
#define KEPT_NS	    (INT64_C(60) * 1000000000)

struct request {
	uint64_t id;
	char host[CS_NAME_MAX + 1];
};

struct answer {
	uint64_t id;
	int32_t error;	   /* EAI_*, or 0 */
	int32_t sys_errno; /* with EAI_SYSTEM */
	uint32_t n;
	struct cs_ip ips[CS_RESOLVE_MAX_IPS];
};

/* What the resolver says before it serves. */
struct ready {
	int32_t code;
	int32_t abi;
	char msg[480];
};

/* ---- the resolver process ---------------------------------------------------------------- */

/*
 * Where the name service's configuration, plug-ins and their sockets live on the distributions
 * that we know. Directories, because the files in them are replaced, not rewritten.
 */
static const char *const readable[] = {
	"/etc",
	"/usr",
	"/lib",
	"/lib32",
	"/lib64",
	"/nix/store",
	"/run/systemd/resolve",
	"/run/resolvconf",
	"/run/NetworkManager",
	"/run/nscd",
	"/run/avahi-daemon",
	"/var/lib/sss/mc",
	"/var/lib/sss/pipes",
	"/mnt/wsl",
};

/* Adds the directory that /etc/resolv.conf really lies in. */
static int confine_files(int *abi, struct cs_err *err)
{
	const char *paths[CS_COUNT(readable) + 2] = { 0 };
	AUTO_FREE char *real = realpath("/etc/resolv.conf", NULL);
	char *slash = real ? strrchr(real, '/') : NULL;
	size_t n = 0;

	for (; n < CS_COUNT(readable); n++)
		paths[n] = readable[n];
	if (slash && slash != real) {
		*slash = '\0';
		paths[n] = real;
	}
	return cs_egress_confine_files(abi, paths, err);
}

static int confine(int *abi, int sock, pid_t parent, struct cs_err *err)
{
	int keep[] = { sock };
	int rc = cs_egress_confine_user(geteuid(), getegid(), parent, err);

	if (rc == 0)
		rc = cs_egress_confine_descriptors(keep, CS_COUNT(keep), err);
	if (rc == 0)
		rc = confine_files(abi, err);
	if (rc == 0)
		rc = cs_egress_confine_calls(CS_EGRESS_ROLE_RESOLVER, err);
	return rc;
}

/* The first address of another family than the last one taken, else the first. */
static size_t next_ip(const struct cs_ip *ips, const bool *taken, size_t n, int family)
{
	size_t first = n;

	for (size_t i = 0; i < n; i++) {
		if (taken[i])
			continue;
		if (ips[i].family != family)
			return i;
		if (first == n)
			first = i;
	}
	return first;
}

/* In the order of the name service, but families take turns: a dead one then costs little. */
static void collect(struct answer *answer, const struct addrinfo *list)
{
	bool taken[CS_RESOLVE_MAX_IPS] = { 0 };
	struct cs_ip ips[CS_RESOLVE_MAX_IPS];
	size_t n = 0;
	int family = 0;

	for (; list && n < CS_RESOLVE_MAX_IPS; list = list->ai_next) {
		struct sockaddr_storage sa = { 0 };

		memcpy(&sa, list->ai_addr, list->ai_addrlen);
		cs_ip_from_sockaddr(&ips[n], NULL, &sa);
		if (ips[n].family)
			n++;
	}
	while (answer->n < n) {
		size_t i = next_ip(ips, taken, n, family);

		taken[i] = true;
		family = ips[i].family;
		answer->ips[answer->n++] = ips[i];
	}
}

/*
 * A name with a dot is meant as it is: with the host's search list, a name that does not exist
 * could lead to a host of another name, which nobody allowed.
 */
static void switch_off_search(const char *host)
{
	if (strchr(host, '.') && res_init() == 0)
		_res.options &= ~(unsigned long)RES_DNSRCH;
}

static _Noreturn void look_up(int sock, const struct request *request, pid_t parent)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;
	struct answer answer = { .id = request->id };

	alarm(DEADLINE_S);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    cs_egress_confine_calls(CS_EGRESS_ROLE_LOOKUP, NULL) < 0)
		_exit(1);
	switch_off_search(request->host);
	answer.error = getaddrinfo(request->host, NULL, &hints, &list);
	if (answer.error == EAI_SYSTEM)
		answer.sys_errno = errno;
	else if (answer.error == 0)
		collect(&answer, list);
	send(sock, &answer, sizeof(answer), MSG_NOSIGNAL);
	_exit(0);
}

static _Noreturn void serve(int sock)
{
	pid_t self = getpid();

	for (;;) {
		struct request request;
		struct answer failed = { .error = EAI_SYSTEM };
		ssize_t n = recv(sock, &request, sizeof(request), 0);
		pid_t pid;

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(request))
			_exit(0);
		request.host[CS_NAME_MAX] = '\0';
		pid = fork();
		if (pid == 0)
			look_up(sock, &request, self);
		if (pid > 0)
			continue;
		failed.id = request.id;
		failed.sys_errno = errno;
		send(sock, &failed, sizeof(failed), MSG_NOSIGNAL);
	}
}

static _Noreturn void run_resolver(int sock, pid_t parent)
{
	struct cs_err err = CS_ERR_INIT;
	struct ready ready = { 0 };

	signal(SIGCHLD, SIG_IGN); /* children are not waited for */
	signal(SIGALRM, SIG_DFL);
	ready.code = confine(&ready.abi, sock, parent, &err);
	memcpy(ready.msg, err.msg, sizeof(ready.msg) - 1);
	if (send(sock, &ready, sizeof(ready), MSG_NOSIGNAL) < 0 || ready.code < 0)
		_exit(1);
	serve(sock);
}

/* ---- the relay's side -------------------------------------------------------------------- */

struct waiter {
	cs_resolved_fn fn;
	void *arg;
	uint64_t token;
};

struct lookup {
	struct lookup *next;
	struct cs_resolver *resolver;
	struct request request;
	struct waiter *waiters;
	size_t n_waiters, cap_waiters;
	bool running;
	uint64_t timer;
};

struct kept {
	char host[CS_NAME_MAX + 1];
	int64_t until_mono_ns;
	size_t n;
	struct cs_ip ips[CS_RESOLVE_MAX_IPS];
};

struct cs_resolver {
	struct cs_loop *loop;
	int fd; /* -1: the resolver is gone */
	uint64_t last_id;
	struct lookup *lookups; /* the oldest first */
	size_t running;
	struct kept *kept;
	size_t n_kept;
};

static struct kept *find_kept(struct cs_resolver *r, const char *host)
{
	int64_t now = cs_mono_ns();

	for (size_t i = 0; i < r->n_kept; i++)
		if (r->kept[i].until_mono_ns > now && strcmp(r->kept[i].host, host) == 0)
			return &r->kept[i];
	return NULL;
}

static void keep(struct cs_resolver *r, const char *host, const struct cs_ip *ips, size_t n)
{
	struct kept *k = r->kept;

	if (r->n_kept < KEPT) {
		k = &r->kept[r->n_kept++];
	} else { /* in the place of the oldest */
		for (size_t i = 1; i < r->n_kept; i++)
			if (r->kept[i].until_mono_ns < k->until_mono_ns)
				k = &r->kept[i];
	}
	strcpy(k->host, host); /* both have room for CS_NAME_MAX */
	k->until_mono_ns = cs_mono_ns() + KEPT_NS;
	k->n = n;
	memcpy(k->ips, ips, n * sizeof(*ips));
}

/* Takes the look-up out and tells everybody who waits for it. */
static void finish(struct lookup *l, const struct cs_ip *ips, size_t n, const char *failure)
{
	struct cs_resolver *r = l->resolver;
	struct lookup **link = &r->lookups;

	while (*link != l)
		link = &(*link)->next;
	*link = l->next;
	r->running -= l->running;
	cs_loop_cancel(r->loop, l->timer);
	for (size_t i = 0; i < l->n_waiters; i++)
		l->waiters[i].fn(l->waiters[i].arg, l->waiters[i].token, ips, n, failure);
	free(l->waiters);
	free(l);
}

static void run_waiting(struct cs_resolver *r);

static void on_lost(void *arg)
{
	struct lookup *l = arg;
	struct cs_resolver *r = l->resolver;

	finish(l, NULL, 0, "the host's name service did not answer in time");
	run_waiting(r);
}

static void run_waiting(struct cs_resolver *r)
{
	struct lookup *l = r->lookups;

	while (l && r->running < MAX_RUNNING) {
		struct lookup *next = l->next;

		if (!l->running && r->fd >= 0 &&
		    send(r->fd, &l->request, sizeof(l->request), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
			l->running = true;
			r->running++;
			l->timer = cs_loop_after(r->loop, LOST_MS, on_lost, l);
		} else if (!l->running && (r->fd < 0 || errno != EAGAIN)) {
			finish(l, NULL, 0, "the resolver process is gone");
		}
		l = next;
	}
}

static struct lookup *find_lookup(struct cs_resolver *r, uint64_t id)
{
	for (struct lookup *l = r->lookups; l; l = l->next)
		if (l->running && l->request.id == id)
			return l;
	return NULL;
}

static void take_answer(struct cs_resolver *r, const struct answer *a)
{
	struct lookup *l = find_lookup(r, a->id);
	size_t n = a->n < CS_RESOLVE_MAX_IPS ? a->n : CS_RESOLVE_MAX_IPS;
	char failure[160];

	if (!l)
		return; /* too late */
	if (n > 0) {
		keep(r, l->request.host, a->ips, n);
		finish(l, a->ips, n, NULL);
		return;
	}
	snprintf(failure, sizeof(failure), "the host cannot resolve the name: %s",
		 a->error == EAI_SYSTEM ? strerror(a->sys_errno)
		 : a->error		? gai_strerror(a->error)
					: "no address");
	finish(l, NULL, 0, failure);
}

static void on_answer(void *arg, int fd, uint32_t events)
{
	struct cs_resolver *r = arg;

	(void)events;
	for (;;) {
		struct answer a;
		ssize_t n = recv(fd, &a, sizeof(a), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n == sizeof(a)) {
			take_answer(r, &a);
			continue;
		}
		cs_loop_remove(r->loop, r->fd);
		cs_close(&r->fd);
		while (r->lookups)
			finish(r->lookups, NULL, 0, "the resolver process is gone");
		return;
	}
	run_waiting(r);
}

void cs_resolver_look_up(struct cs_resolver *r, const char *host, cs_resolved_fn fn, void *arg,
			 uint64_t token)
{
	const struct kept *k = find_kept(r, host);
	struct lookup **link = &r->lookups;
	struct lookup *l;

	if (k) {
		fn(arg, token, k->ips, k->n, NULL);
		return;
	}
	while (*link && strcmp((*link)->request.host, host) != 0)
		link = &(*link)->next;
	if (!*link) {
		*link = cs_calloc(1, sizeof(struct lookup));
		(*link)->resolver = r;
		(*link)->request.id = ++r->last_id;
		snprintf((*link)->request.host, sizeof((*link)->request.host), "%s", host);
	}
	l = *link;
	CS_GROW(l->waiters, l->n_waiters, l->cap_waiters);
	l->waiters[l->n_waiters++] = (struct waiter){ .fn = fn, .arg = arg, .token = token };
	run_waiting(r);
}

/* Waits for the resolver's word; it comes at once or never. */
static int wait_ready(int *abi, int fd, struct cs_err *err)
{
	struct ready ready;
	ssize_t n;

	do
		n = recv(fd, &ready, sizeof(ready), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(ready))
		return cs_err_set(err, CS_MALFUNCTION, "the resolver process died");
	*abi = ready.abi;
	return ready.code < 0 ? cs_err_set(err, (enum cs_code)ready.code, "%.470s", ready.msg) : 0;
}

int cs_resolver_start(struct cs_resolver **out, int *abi, struct cs_loop *loop, struct cs_err *err)
{
	struct cs_resolver *r;
	int sv[2], rc;
	pid_t parent = getpid(), pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return cs_err_sys(err, "resolver");
	pid = fork();
	if (pid == 0)
		run_resolver(sv[1], parent);
	cs_close(&sv[1]);
	r = cs_calloc(1, sizeof(*r));
	*r = (struct cs_resolver){ .loop = loop, .fd = sv[0] };
	r->kept = cs_calloc(KEPT, sizeof(*r->kept));
	rc = pid < 0 ? cs_err_sys(err, "fork") : wait_ready(abi, r->fd, err);
	if (rc == 0)
		rc = cs_loop_add(loop, r->fd, EPOLLIN, on_answer, r, err);
	if (rc < 0) {
		cs_resolver_free(r);
		return cs_err_wrap(err, "resolver");
	}
	*out = r;
	return 0;
}

void cs_resolver_free(struct cs_resolver *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		cs_loop_remove(r->loop, r->fd);
	cs_close(&r->fd);
	while (r->lookups) {
		struct lookup *l = r->lookups;

		r->lookups = l->next;
		free(l->waiters);
		free(l);
	}
	free(r->kept);
	free(r);
}
