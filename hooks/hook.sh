#!/bin/sh
# Countersign's gate: git agent-gate uninstall takes it away.
gate=@GATE@
if [ ! -x "$gate" ]; then
	echo "countersign: refused: $gate is missing" >&2
	exit 1
fi
exec "$gate" @HOOK@ --chain "$0.legacy" -- "$@"
