# SPDX-License-Identifier: Apache-2.0
#
# For the test scripts: `. "$(dirname "$0")/../lib.sh"`. A script makes checks with ok, is and
# friends, and ends with `finish`, which prints "N passed, N failed".
#
#	as_who CMD...	runs CMD as the user under test: CS_AS=root or user (ordinary, no groups)
#	$SCRATCH	a directory of that user's, removed at the end
#	$HOME		a HOME of that user's in it
#	git agent-run	is the build under test ($CS_BIN in front of PATH)
#
# Scripts that mean something for both users are run once for each by tests/run. CS_LONG=1: everything
# in full size and number.
set -u -o pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CS_BIN=${CS_BIN:-$TOP/build/${VARIANT:-release}/bin}
TOOLS=${TOOLS:-$TOP/build/${VARIANT:-release}/tools}
# An ordinary user: nobody's uid; or, for what wants an account (ssh-keygen), that of TEST_USER.
TEST_UID=61234
TEST_GID=61234
[ -z "${TEST_USER:-}" ] || { TEST_UID=$(id -u "$TEST_USER") && TEST_GID=$(id -g "$TEST_USER"); } || exit
export TEST_UID TEST_GID # as_who may be called in a shell of its own
CS_AS=${CS_AS:-$([ "$(id -u)" = 0 ] && echo root || echo user)}
CS_LONG=${CS_LONG:-}
passed=0 failed=0

# Paths stand in patterns: no others than these characters.
[[ ${TMPDIR:-/tmp} != *[!A-Za-z0-9/._-]* ]] || TMPDIR=/tmp
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/countersign.XXXXXX")
chmod 755 "$SCRATCH"
mkdir -p "$SCRATCH/home/.config/countersign"
if [ "$(id -u)" = 0 ] && [ "$CS_AS" = user ]; then
	chown -R $TEST_UID:$TEST_GID "$SCRATCH"
	# The build must be readable for somebody else, wherever the checkout lies.
	CS_BIN_COPY=$SCRATCH/.bin
	mkdir -p "$CS_BIN_COPY" && cp "$CS_BIN"/* "$CS_BIN_COPY/" && CS_BIN=$CS_BIN_COPY
	[ ! -d "$TOOLS" ] || { mkdir -p "$SCRATCH/.tools" && cp "$TOOLS"/* "$SCRATCH/.tools/" && TOOLS=$SCRATCH/.tools; }
fi
cleanup() {
	chmod -R u+rwX "$SCRATCH" 2>/dev/null
	rm -rf "$SCRATCH"
}
trap cleanup EXIT

# The first argument may be -C DIR.
as_who() {
	local at=()
	if [ "$1" = -C ]; then at=(-C "$2") && shift 2; fi
	# A test that is started in the background, or by nohup, ignores some: not what it tests.
	local env=(env --default-signal=HUP,INT,QUIT "${at[@]}" -i HOME="$SCRATCH/home" PATH="$CS_BIN:${TEST_PATH:-/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin}" LANG=C.UTF-8 TERM=dumb GIT_CONFIG_NOSYSTEM=1)
	if [ "$EUID" = 0 ] && [ "$CS_AS" = user ]; then
		setpriv --reuid=$TEST_UID --regid=$TEST_GID --clear-groups "${env[@]}" "$@"
	else
		"${env[@]}" "$@"
	fi
}

# ok NAME [DETAIL] / not_ok NAME [DETAIL]
ok() { passed=$((passed + 1)); printf 'ok - %s\n' "$1"; }
not_ok() {
	failed=$((failed + 1))
	printf 'not ok - %s\n' "$1"
	shift
	[ $# = 0 ] || printf '%s\n' "$*" | sed 's/^/#   /' | head -40
}
# is NAME WANTED GOT
is() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "wanted: $2" "got:    $3"; fi
}
# check NAME CMD...: CMD must succeed
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "status $?: $*" "$out"; fi
}
# has NAME TEXT PATTERN (extended regular expression)
has() {
	if grep -qE -- "$3" <<<"$2"; then ok "$1"; else not_ok "$1" "no match for: $3" "in: $2"; fi
}
hasnt() {
	if grep -qE -- "$3" <<<"$2"; then not_ok "$1" "unwanted match for: $3" "in: $2"; else ok "$1"; fi
}
# skip NAME WHY: a failure where everything must work (CS_MUST_WORK=1)
skip() {
	if [ "${CS_MUST_WORK:-0}" = 1 ]; then not_ok "$1" "could not run: $2"; else printf '# SKIP %s: %s\n' "$1" "$2"; fi
}
finish() {
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
	exit
}

# make_repo DIR: a small repository with one commit, always the same one
make_repo() {
	as_who sh -euc '
		git init -q -b main "$1" && cd "$1"
		git config user.name Tester && git config user.email tester@example.invalid
		printf "# Scratch\n\nA repository for agents to work in.\n" > README.md
		printf "*.o\nhello\n" > .gitignore
		mkdir src && printf "int one(void)\n{\n\treturn 1;\n}\n" > src/one.c
		git add . && GIT_AUTHOR_DATE=2024-01-01T00:00:00Z GIT_COMMITTER_DATE=2024-01-01T00:00:00Z git commit -q -m "First commit"
	' sh "$1"
}

# in_dir DIR CMD...: as_who, in a directory
in_dir() {
	local dir=$1
	shift
	as_who -C "$dir" "$@"
}

# host_state REPO: a digest of everything that a run must leave as it was: HOME, the checkout, and of the
# git directory all but refs/agent-run, the notes beside it, the objects added, and agent-run/ itself.
host_state() {
	local repo=$1 git p ours=()
	git=$(in_dir "$repo" git rev-parse --absolute-git-dir)
	for p in objects agent-run refs/agent-run refs/notes logs/refs/notes; do ours+=(-o -path "$git/$p"); done
	local where=("$SCRATCH/home" "$repo" "$git" \( -path "$SCRATCH/home/.config/countersign/machine_key" "${ours[@]}" -o -name machine_key.pub \) -prune)
	{
		find "${where[@]}" -o -printf '%y %m %u:%g %p %l\n' | LC_ALL=C sort -u
		find "${where[@]}" -o -type f -print0 | LC_ALL=C sort -zu | xargs -0r sha256sum
		in_dir "$repo" git for-each-ref | grep -v -e refs/agent-run/ -e refs/notes/agent-run/
		in_dir "$repo" git config --list --local
		# Every object that a user's reference reaches is still there, and sound.
		in_dir "$repo" sh -c 'git rev-list --objects --branches --tags --remotes HEAD 2>&1 | cut -d" " -f1 | git cat-file --batch 2>&1'
	} | sha256sum
}
