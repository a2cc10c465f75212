# SPDX-License-Identifier: Apache-2.0
#
# For faults.test and kills.test: runs of the programs with the fault hook (`make faulty`), and the
# checks after a fault. Nothing lives, nothing stays mounted, no cgroup stays, the repository is sound,
# the next command says what happened, and what the agent had made can still be captured.
CS_BIN=${CS_BIN_FAULTY:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/${VARIANT:-release}/faulty/bin}
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
[ -x "$CS_BIN/git-agent-run" ] || { echo "no programs with faults: make faulty" >&2; exit 1; }

repo=$SCRATCH/repo
make_repo "$repo"
report=$SCRATCH/report list=$SCRATCH/list
as_who sh -c ': > "$1"; truncate -s 65536 "$2"' sh "$report" "$list"
mkdir -p "$SCRATCH/tools" && cp "$TOOLS/alone" "$TOOLS/probe" "$SCRATCH/tools/" && chmod -R a+rX "$SCRATCH/tools"
alone=$SCRATCH/tools/alone
# Something of each kind for each part: files, execs, a refused name.
agent='echo made > made; mkdir -p deep/er; echo x > deep/er/file; ls >/dev/null; getent hosts refused.example; cat README.md >/dev/null; exit 0'
# faulty POINT CMD...: with that fault
faulty() {
	local at=$1
	shift
	in_dir "$repo" env CS_FAULT_AT="$at" CS_FAULT_LIST="$list" ${FAKE:+CS_FAULT_FAKE="$FAKE"} "$alone" "$report" "$@" 2>&1 </dev/null
}
run() { faulty "$1" git-agent-run --no-tty -- sh -c "$agent"; }
log() { in_dir "$repo" git-agent-log "$@" 2>&1; }
mounts() { sort /proc/self/mountinfo; }
# Those that nothing lives in, and that stay: the others are of tests beside this one.
cgroups() {
	local list i
	list=$(empty_cgroups)
	for ((i = 0; i < 20 && ${#list}; i++)); do sleep 1 && list=$(comm -12 <(echo "$list") <(empty_cgroups)); done
	echo "$list"
}
empty_cgroups() {
	local dir
	find /sys/fs/cgroup -type d -name 'agent-run-*' 2>/dev/null | sort | while IFS= read -r dir; do
		[ -n "$(cat "$dir/cgroup.procs" 2>/dev/null)" ] || echo "$dir"
	done
}
runs() { find "$repo/.git/agent-run/runs" -mindepth 1 -maxdepth 1 2>/dev/null; }

# A cgroup of its own where one can be made, though no limit can be written: it is to be removed.
FAKE=cgroup=1
run none >/dev/null
is "without a fault it works" 0 $?
before=$(host_state "$repo")
status_before=$(in_dir "$repo" git status --porcelain; in_dir "$repo" git for-each-ref refs/heads refs/tags)
mounts_before=$(mounts) cgroups_before=$(cgroups)
log prune -1 >/dev/null

# sound NAME MADE: the checks after a fault, and recovery. MADE: the agent had made its change.
sound() {
	local name=$1 made=$2 bad='' out ids
	! grep -qE '^(left|hangs)' "$report" || bad+="lives: $(cat "$report"); "
	[ "$(mounts)" = "$mounts_before" ] || bad+="mounts changed; "
	out=$(in_dir "$repo" git fsck --strict --no-dangling 2>&1) || bad+="git fsck: $out; "
	# Without its lock a directory that is being made or removed is given its time: a minute.
	find "$repo/.git/agent-run/runs" -mindepth 1 -maxdepth 1 \( -name 'new-*' -o -name 'gone-*' \) -exec touch -d '2 minutes ago' {} +
	said=$(log) || bad+="git agent-log: $said; "
	out=$(cgroups)
	[ "$out" = "$cgroups_before" ] || bad+="cgroups: $out; "
	grep -qE 'running|unreadable' <<<"$said" && bad+="listed as: $said; "
	# What is not recorded yet must say so, and be recorded by the command that is named.
	recovered=$(log recover) || bad+="recover: $recovered; "
	ids=$(in_dir "$repo" git for-each-ref --format='%(refname)' 'refs/agent-run/??/*')
	[ "$(wc -w <<<"$ids")" -le 1 ] || bad+="more than one record: $ids; "
	if [ "$made" = made ]; then
		[ "$(in_dir "$repo" git cat-file blob "${ids:-none}^:made" 2>&1)" = made ] || bad+="the change is lost: $said $recovered; "
		log --show events >/dev/null || bad+="the log is damaged; "
	fi
	[ -z "$(runs)" ] || bad+="left over: $(runs), after: $said / $recovered; "
	out=$(in_dir "$repo" git fsck --strict --no-dangling 2>&1) || bad+="git fsck after recovery: $out; "
	[ "$(in_dir "$repo" git status --porcelain; in_dir "$repo" git for-each-ref refs/heads refs/tags)" = "$status_before" ] || bad+="the repository changed; "
	states+=$(log --json 2>/dev/null | jq -r '.[].state' 2>/dev/null)
	[ -z "$ids" ] || log prune "${ids##*/}" >/dev/null || bad+="prune: failed; "
	if [ -z "$bad" ]; then ok "$name"; else not_ok "$name" "$bad"; fi
}
