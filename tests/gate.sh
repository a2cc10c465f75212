# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For the tests of the gate: `export CS_AS=user TEST_USER=daemon; . .../lib.sh; . .../gate.sh; gate_world`.
#
#	$S	a bare server with our pre-receive: require = all on main and release/*
#	$N	the same one without it, or with a naive hook (naive); its objects are S's and its own
#	$W	a clone of both (remotes origin and nogate), with no hooks
#	keys	$SCRATCH/key-<name>: alice and bob may sign; nobody knows mallory
#
# Every attempt is made twice: without our gate it must succeed, or it would prove nothing.

NOTES=refs/notes/agent-run/review
S=$SCRATCH/server.git N=$SCRATCH/nogate.git W=$SCRATCH/work

g() { in_dir "$W" git "$@"; }
s() { in_dir "$S" git "$@"; }
w() { as_who sh -c 'cd "$1" && shift && eval "$1"' sh "$W" "$1"; } # a line of sh in the clone
keys() {
	local k
	for k in "$@"; do as_who ssh-keygen -q -t ed25519 -N '' -C "$k@example.invalid" -f "$SCRATCH/key-$k"; done
}
# signer NAME [OPTIONS]: its line of allowed_signers
signer() { printf '%s@example.invalid namespaces="review@countersign"%s %s\n' "$1" "${2:+,$2}" "$(cut -d' ' -f1,2 "$SCRATCH/key-$1.pub")"; }
server_file() { as_who tee "$S/countersign/$1" > /dev/null; }
# shellcheck disable=SC2120
server_policy() { printf '[gate "@default"]\n\trequire = all\n%s[gate "release/*"]\n\trequire = all\n' "${1:-}" | server_file policy; }

gate_world() {
	keys alice bob mallory
	make_repo "$W"
	as_who git clone -q --bare "$W" "$S"
	as_who git clone -q --bare "$W" "$N"
	printf '%s\n' "$S/objects" | as_who tee "$N/objects/info/alternates" > /dev/null
	w "git remote add origin '$S'; git remote add nogate '$N'; git fetch -q --all; git branch -q -u origin/main; git remote set-head origin main
		git config advice.detachedHead false; git config core.hooksPath .git/hooks; git config push.default simple"
	s agent-gate install --server
	as_who mkdir -p "$S/countersign"
	server_policy
	{ signer alice; signer bob; } | server_file allowed_signers
}

# sign NAME ARGS: alice signs off what the arguments say
review() { local who=$1; shift; g agent-review --yes --key "$SCRATCH/key-$who" "$@" < /dev/null > /dev/null; }
sign() { review alice --sign-off "$@" || not_ok "sign-off of $*"; }
# commit FILE CONTENT [MESSAGE]
commit() { as_who sh -c 'cd "$1" && mkdir -p "$(dirname "$2")" && printf "%s\n" "$3" > "$2" && git add -f -- "$2" && git commit -q -m "${4:-$2}"' sh "$W" "$@"; }
# land [ARGS]: signs and pushes what is on main
land() { sign "$@" origin/main..HEAD && g push -q origin HEAD:refs/heads/main $NOTES; }
# at REV: a clean main at a revision
at() { w "git checkout -q -f -B main $1 && git clean -qfdx"; }

# refs REPOSITORY: all that it has, without git (processes are what these tests cost)
refs() { grep -rs . "$1/HEAD" "$1/packed-refs" "$1/refs"; }
reset_nogate() {
	rm -rf "$N/refs" "$N/packed-refs"
	cp -a "$S/refs" "$N/refs"
	[ ! -e "$S/packed-refs" ] || cp -a "$S/packed-refs" "$N/packed-refs"
}
# naive [SCRIPT]: what somebody might write; standard input as pre-receive has it
naive() {
	rm -f "$N/hooks/pre-receive"
	[ $# = 0 ] || printf '#!/bin/sh\n%s\n' "$1" | as_who tee "$N/hooks/pre-receive" > /dev/null
	[ $# = 0 ] || chmod 755 "$N/hooks/pre-receive"
}

# row NUMBER ATTEMPT WITHOUT WITH WANTED-WITH [DETAIL]
row() {
	local line
	line=$(printf '%-4s %-66s | without: %-8s | with: %s' "$1" "$2" "$3" "$4")
	if [ "$3" = landed ] && [ "$4" = "$5" ]; then ok "$line"; else not_ok "$line" "wanted: landed, $5" "${6:-}"; fi
}
# attempt NUMBER ATTEMPT RULE PUSH...: the same push to both; RULE "" is any refusal
attempt() {
	local number=$1 text=$2 rule=$3 before without=refused with=LANDED out
	shift 3
	reset_nogate
	before=$(refs "$N")
	if out=$(g push "$N" "$@" 2>&1) && [ "$before" != "$(refs "$N")" ]; then without=landed; fi
	before=$(refs "$S")
	if ! out="$out
$(g push --no-verify "$S" "$@" 2>&1)" && [ "$before" = "$(refs "$S")" ]; then
		with=refused
		[ -z "$rule" ] || if grep -qE "\(${rule}[,)]|$rule" <<<"$out"; then with="refused: $rule"; else with="refused, not for $rule"; fi
	fi
	row "$number" "$text" $without "$with" "refused${rule:+: $rule}" "$out"
}
# passes NAME PUSH...: and that one lands
passes() {
	local name=$1 out before
	shift
	before=$(refs "$S")
	if out=$(g push "$S" "$@" 2>&1) && [ "$before" != "$(refs "$S")" ]; then ok "$name"; else not_ok "$name" "$out"; fi
	g fetch -q origin
}
