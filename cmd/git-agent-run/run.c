/* SPDX-License-Identifier: Apache-2.0 */
/* A run flows through run_stages() from top to bottom; each stage lives in the file named there. */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_OURS 125

void run_init(struct run *run, const struct run_opts *opts)
{
	memset(run, 0, sizeof *run);
	run->opts = opts;
	run->prompt = (struct cs_buf)CS_BUF_INIT;
	run->dir = (struct cs_run_dir)CS_RUN_DIR_INIT;
	run->worktree = (struct cs_worktree)CS_WORKTREE_INIT;
	cs_run_info_init(&run->info);
	cs_plan_init(&run->plan);
	run->overlay = true;
	run->status = EXIT_OURS;
}

void run_release(struct run *run)
{
	streams_free(run);
	limits_free(run);
	carry_release(run);
	cs_plan_release(&run->plan);
	cs_worktree_release(&run->worktree);
	cs_log_free(run->log);
	cs_run_info_release(&run->info);
	cs_run_dir_close(&run->dir);
	cs_profile_release(&run->profile);
	cs_policy_free(run->policy);
	cs_repo_free(run->repo);
	cs_strv_release(&run->argv);
	cs_buf_release(&run->prompt);
	free(run->rules);
	free(run->program);
	free(run->cwd);
	free(run->earlier_title);
	free(run->earlier_profile);
	free(run->state_dir);
	free(run->operator.user);
	free(run->operator.home);
}

static int open_run_dir(struct run *run, struct cs_err *err)
{
	int rc = cs_state_dir(&run->state_dir, run->repo, err);
	if (!rc)
		rc = cs_run_dir_create(&run->dir, run->state_dir, run->operator.uid,
				       run->operator.gid, err);
	if (rc < 0)
		return rc;
	memcpy(run->info.id, run->dir.id, sizeof run->info.id);
	run->info.uid = run->operator.uid;
	run->info.gid = run->operator.gid;
	return 0;
}

static int prepare_worktree(struct run *run, enum cs_worktree_mode mode, struct cs_err *err)
{
	AUTO_FREE char *branch = cs_asprintf("agent/%.8s", run->dir.id);
	struct cs_worktree_opts opts = {
		.repo = run->repo,
		.commit = *cs_run_start_commit(&run->info),
		.tree = *cs_run_visible_tree(&run->info),
		.state_dir = run->state_dir,
		.run_dir = run->dir.path,
		.mode = mode,
		.uid = run->operator.uid,
		.gid = run->operator.gid,
		.branch = branch,
		/* git show HEAD:secret would undo a hidden file. */
		.history_base = !strcmp(cs_policy_str(run->policy, "worktree.history"), "base") ||
				cs_policy_list(run->policy, "sandbox.hide")->n,
		.submodules = cs_policy_bool(run->policy, "worktree.submodules"),
		.hide = cs_policy_list(run->policy, "sandbox.hide"),
		.progress = progress_pristine,
	};
	int rc = cs_worktree_prepare(&run->worktree, &opts, err);

	progress_end();
	if (rc < 0)
		return rc;
	free(run->info.worktree);
	run->info.worktree =
		cs_strdup(run->worktree.mode == CS_WORKTREE_OVERLAY ? "overlay" : "checkout");
	free(run->info.pristine);
	run->info.pristine = cs_strdup(run->worktree.lower);
	submodules_record(run);
	return 0;
}

/* [worktree] mode: a key with the words auto, overlay and checkout. */
static enum cs_worktree_mode wanted_mode(const struct run *run)
{
	const char *mode = cs_policy_str(run->policy, "worktree.mode");

	if (mode && !strcmp(mode, "checkout"))
		return CS_WORKTREE_CHECKOUT;
	return mode && !strcmp(mode, "overlay") ? CS_WORKTREE_OVERLAY : CS_WORKTREE_AUTO;
}

static int open_log(struct run *run, struct cs_err *err)
{
	AUTO_BUF struct cs_buf policy = CS_BUF_INIT;

	run->info.state = CS_RUN_RUNNING;
	run->info.started_ns = cs_wall_ns();
	run->started_mono_ns = cs_mono_ns();
	snprintf(run->info.policy_digest, sizeof run->info.policy_digest, "%s",
		 cs_policy_digest(run->policy));
	for (size_t i = 0; i < cs_policy_sources(run->policy)->n; i++)
		cs_strv_add(&run->info.policy_sources, cs_policy_sources(run->policy)->v[i]);
	cs_policy_format(&policy, run->policy, true);
	int rc = cs_write_file(run->dir.fd, "policy", policy.data, policy.len, 0600, err);
	if (!rc)
		rc = cs_write_file(run->dir.fd, "prompt", run->prompt.data, run->prompt.len, 0600,
				   err);
	if (!rc)
		rc = cs_log_open(&run->log, run->dir.fd, err);
	if (!rc)
		rc = cs_run_dir_save(&run->dir, &run->info, err);
	return rc;
}

/* The same with a plain copy of the tree instead of an overlay. */
static int start_on_copy(struct run *run, int stdio[3], const char **step, struct cs_err *err)
{
	int rc;

	*err = (struct cs_err)CS_ERR_INIT;
	if (carry_needs_overlay(run, err) < 0)
		return err->code;
	cs_worktree_release(&run->worktree);
	run->worktree = (struct cs_worktree)CS_WORKTREE_INIT;
	cs_plan_release(&run->plan);
	run->overlay = false;
	rc = prepare_worktree(run, CS_WORKTREE_CHECKOUT, err);
	if (!rc)
		rc = layout_plan(run, err);
	if (!rc)
		rc = cs_sandbox_start(&run->sandbox, &run->plan, stdio[0], stdio[1], stdio[2], step,
				      err);
	return rc;
}

/* Only where it was typed; who did not type it is told that there is such a thing. */
static int start_degraded(struct run *run, int stdio[3], const char *step, struct cs_err *err)
{
	if (!run->opts->degraded) {
		struct cs_err why = *err;
		return cs_err_set(err, why.code, "%.440s\n  or, held less and without network: "
						 "--degraded", why.msg);
	}
	if (degraded_check(run, err) < 0)
		return err->code;
	/* A record must not name what the agent did not have. */
	if (run->info.carried.n)
		return cs_err_set(err, CS_UNSUPPORTED,
				  "--carry is a mount, and a degraded run has none: leave it out");
	degraded_say(step, err->sys_errno);
	run->degraded = true;
	return start_on_copy(run, stdio, &step, err);
}

/* The prison; with a plain copy of the tree where this host has no overlay for it. */
static int start_sandbox(struct run *run, int stdio[3], struct cs_err *err)
{
	const char *step = "";
	int rc = layout_plan(run, err);

	if (!rc)
		rc = cs_sandbox_start(&run->sandbox, &run->plan, stdio[0], stdio[1], stdio[2],
				      &step, err);
	if (rc == CS_UNSUPPORTED && !strcmp(step, "overlay") && run->overlay &&
	    wanted_mode(run) == CS_WORKTREE_AUTO) {
		note("no overlay on this file system (%s): using a plain copy of the tree",
		     strerror(err->sys_errno));
		rc = start_on_copy(run, stdio, &step, err);
	}
	/* A host that has run out of something lacks no layer. */
	if (rc == CS_UNSUPPORTED && err->sys_errno != EMFILE && err->sys_errno != ENFILE &&
	    err->sys_errno != ENOMEM && degraded_would_help(step))
		rc = start_degraded(run, stdio, step, err);
	return rc;
}

/* Landlock is the one layer that a kernel may lack and that is not required by default. */
static int check_layers(struct run *run, struct cs_err *err)
{
	struct cs_sandbox_layers layers;

	cs_sandbox_get_layers(run->sandbox, &layers);
	if (!layers.landlock_abi &&
	    cs_strv_has(cs_policy_list(run->policy, "sandbox.require"), "landlock"))
		return cs_err_set(err, CS_UNSUPPORTED,
				  "%s requires landlock, and this kernel has none (5.19 or later, "
				  "and landlock in the lsm= list)",
				  cs_policy_origin(run->policy, "sandbox.require"));
	if (layers.sockets_shown) {
		note("no overlay on this host: Unix sockets beside programs can be reached");
		cs_strv_add(&run->info.not_enforced, "host sockets beside programs");
	}
	return 0;
}

static int start_egress(struct run *run, struct cs_err *err)
{
	struct cs_egress_opts opts = {
		.rules = run->rules,
		.n_rules = run->n_rules,
		.uid = run->operator.uid,
		.gid = run->operator.gid,
	};
	struct cs_egress_sockets sockets;

	for (size_t i = 0; i < CS_COUNT(sockets.tcp4); i++)
		sockets.tcp4[i] = cs_sandbox_take_tcp4(run->sandbox);
	for (size_t i = 0; i < CS_COUNT(sockets.tcp6); i++)
		sockets.tcp6[i] = cs_sandbox_take_tcp6(run->sandbox);
	sockets.udp4 = cs_sandbox_take_udp4(run->sandbox);
	sockets.diag = cs_sandbox_take_diag(run->sandbox);
	return cs_egress_start(&run->egress, &opts, &sockets, err);
}

static void warn(void *arg, const char *what)
{
	(void)arg;
	note("%s", what);
}

/* The run is recorded: what cannot be packed now is by the next one. */
static void pack(struct run *run)
{
	struct cs_err err = CS_ERR_INIT;

	if (cs_runs_pack(run->repo, &err) < 0)
		note("%s", err.msg);
}

static int finish(struct run *run, struct cs_err *err)
{
	AUTO_BUF struct cs_buf excludes = CS_BUF_INIT;
	AUTO_FREE char *key_dir =
		cs_config_path(run->operator.home, getenv("XDG_CONFIG_HOME"), NULL);
	struct cs_finish_opts opts = {
		.repo = run->repo,
		.dir = &run->dir,
		.log = run->log,
		.sensitive = cs_policy_list(run->policy, "review.sensitive"),
		.key_dir = key_dir,
		.progress = progress_capture,
		.warn = warn,
	};
	int rc = cs_worktree_excludes(&excludes, run->repo, run->operator.home,
				      getenv("XDG_CONFIG_HOME"), err);

	opts.user_excludes = excludes.data;
	if (!rc)
		rc = cs_run_finish(&run->info, &opts, err);
	progress_end();
	if (rc < 0)
		return cs_err_wrap(err,
				   "the run is kept as interrupted; "
				   "git agent-log recover %.8s tries again",
				   run->dir.id);
	cs_fault("recorded");
	sessions_keep(run);
	/* The record holds everything; what cannot be removed now goes with the next listing. */
	cs_worktree_release(&run->worktree);
	run->worktree = (struct cs_worktree)CS_WORKTREE_INIT;
	rc = cs_run_dir_remove(&run->dir, err);
	pack(run);
	return rc;
}

/* What was asked for, checked in full before anything is made. */
static int ask(struct run *run, struct cs_err *err)
{
	int rc = limits_files(err);
	if (!rc)
		rc = ask_operator(run, err);
	if (!rc)
		rc = ask_policy(run, err);
	if (!rc)
		rc = ask_repository(run, err);
	if (!rc)
		rc = ask_start(run, err);
	if (!rc)
		rc = ask_carry(run, err);
	if (!rc)
		rc = ask_command(run, err);
	if (!rc)
		rc = ask_network(run, err);
	return rc;
}

static int prepare(struct run *run, struct cs_err *err)
{
	int rc = open_run_dir(run, err);

	cs_fault("run-directory");
	if (!rc)
		rc = start_uncommitted(run, err);
	if (!rc)
		rc = start_hide(run, err);
	if (!rc)
		rc = carry_prepare(run, err);
	if (!rc)
		dirty_start(run);
	if (!rc)
		rc = prepare_worktree(run, wanted_mode(run), err);
	if (!rc)
		submodules_say(run);
	if (!rc)
		rc = layout_directories(run, err);
	if (!rc)
		rc = home_copy(run, err);
	if (!rc)
		rc = login_remember(run, err);
	if (!rc)
		rc = sessions_list(run, err);
	if (!rc)
		rc = sessions_restore(run, err);
	return rc;
}

/* A run that did not start leaves nothing behind. */
static void undo(struct run *run)
{
	struct cs_err ignored;

	if (run->sandbox && cs_sandbox_end(cs_steal(&run->sandbox), &ignored) < 0)
		note("%s", ignored.msg);
	if (run->egress)
		cs_egress_stop(cs_steal(&run->egress), NULL, NULL);
	cs_worktree_release(&run->worktree);
	run->worktree = (struct cs_worktree)CS_WORKTREE_INIT;
	if (run->dir.fd >= 0 && cs_run_dir_remove(&run->dir, &ignored) < 0)
		note("%s", ignored.msg);
}

/*
 * A failure of ours while the agent was running (a full disk, a dead relay): what it did and what
 * it made stay on disk, as an interrupted run that can be recovered.
 */
static int keep(struct run *run, struct cs_err *err)
{
	struct cs_err ignored;

	run->status = EXIT_OURS;
	/* It may be the disk that is full: the run is found without this, too. */
	if (cs_run_dir_save(&run->dir, &run->info, &ignored) < 0)
		note("%s", ignored.msg);
	return cs_err_wrap(err, "the run is kept as interrupted (git agent-log recover %.8s)",
			   run->dir.id);
}

static int run_agent(struct run *run, struct cs_err *err)
{
	int stdio[3] = { -1, -1, -1 };
	int rc = open_log(run, err);

	cs_fault("log-opened");
	if (!rc)
		rc = limits_prepare(run, err);
	cs_fault("cgroup-made");
	if (!rc)
		rc = streams_open(run, stdio, err);
	if (!rc)
		rc = start_sandbox(run, stdio, err);
	cs_fault("sandbox-started");
	streams_close_agent_side(stdio);
	if (!rc)
		rc = check_layers(run, err);
	if (!rc && !run->degraded)
		rc = start_egress(run, err);
	cs_fault("relay-started");
	if (!rc)
		rc = supervise(run, err);
	cs_fault("agent-ended");
	if (run->went)
		login_return(run);
	return rc;
}

static void say_orphans(const struct run *run)
{
	AUTO_FREE char *text = cs_run_orphans(run->repo);

	if (text)
		note("%s", text);
}

int run_stages(struct run *run, struct cs_err *err)
{
	int rc = ask(run, err);

	if (!rc)
		rc = prepare(run, err);
	if (!rc && run->opts->dry_run) {
		rc = plan_show(run, err);
		dirty_end(run);
		undo(run);
		return rc;
	}
	if (!rc)
		rc = run_agent(run, err);
	dirty_end(run);
	if (rc < 0 && run->went)
		return keep(run, err);
	if (rc < 0) {
		undo(run);
		return rc;
	}
	rc = finish(run, err);
	if (!rc)
		summary_print(run);
	if (!rc)
		say_orphans(run);
	if (!rc)
		rc = summary_write(run, err);
	if (rc < 0)
		run->status = EXIT_OURS;
	return rc;
}
