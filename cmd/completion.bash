# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Completion in bash for git-agent-run, git-agent-log and the others, called directly or through git
# ("git agent-log"). It asks the program itself: -h is printed from the table that parses the options,
# so nothing here can be behind.

# _countersign_help PROGRAM VERB: the part of -h that is about the verb ("" for the program's own)
_countersign_help() {
	"$1" -h 2>/dev/null | awk -v title="${1//-agent-/ agent-}${2:+ $2}:" '
		/^git agent-/ { on = index($0, title) == 1; next }
		/^    -C / { on = 1 }
		on'
}

# _countersign WORDS...: fills COMPREPLY for the last word; the first one is the program
_countersign() {
	local program=$1 word=${*: -1} before=${*: -2:1} verb="" verbs help values w
	COMPREPLY=()
	command -v "$program" >/dev/null || return
	verbs=$("$program" -h 2>/dev/null | sed -n "s/^git agent-[a-z]* \([a-z-]*\):.*/\1/p")
	for w in "${@:2:$#-2}"; do
		[ "$w" != -- ] || return # what follows is a command of its own
		if [ -z "$verb" ] && grep -qxF -- "$w" <<<"$verbs"; then verb=$w; fi
	done
	help=$(_countersign_help "$program" "$verb")
	# A value: one of the words of a choice, a file, or anything.
	values=$(sed -n "s/^    $before <\([^>]*\)>.*/\1/p" <<<"$help" 2>/dev/null)
	case $before:$values in
	-*:*file* | -*:f | -C:*) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	-*:?*) mapfile -t COMPREPLY < <(compgen -W "${values//|/ }" -- "$word") && return ;;
	esac
	case $word in
	-*) mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '^    --?[a-zA-Z-]+' <<<"$help")" -- "$word") ;;
	*)
		[ "$program" = git-agent-run ] ||
			mapfile -t COMPREPLY < <(compgen -W "$verbs $(git-agent-log -n 50 2>/dev/null | cut -d' ' -f1)" -- "$word")
		[ "$program" != git-agent-run ] || mapfile -t COMPREPLY < <(compgen -c -- "$word")
		;;
	esac
}

_countersign_direct() { _countersign "$1" "${COMP_WORDS[@]:1:COMP_CWORD}"; }
# git's own completion calls _git_agent_log and so on, with its words in words and cword.
# shellcheck disable=SC2154
_countersign_git() { _countersign "git-$1" "${words[@]:2:cword-1}"; }

for _countersign_p in run log answer review check merge gate policy doctor bot; do
	complete -o default -F _countersign_direct "git-agent-$_countersign_p"
	eval "_git_agent_$_countersign_p() { _countersign_git agent-$_countersign_p; }"
done
unset _countersign_p
