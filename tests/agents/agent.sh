# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # KEY, EXTRA, CMD, URL and model are for whoever includes this
#
# Real agents and the scripted model on the host that drives them; `. .../lib.sh; . .../agents/agent.sh`.
# Whoever starts a model ends it: `trap '[ -z "${model:-}" ] || kill "$model" 2>/dev/null; cleanup' EXIT`.

here=$TOP/tests/agents

# The agents must be where the user under test can read them, wherever this checkout lies.
reachable() {
	if as_who test -r "$TOP/build/agents/$1/package.json"; then
		echo "$TOP/build/agents"
	else
		mkdir -p /var/tmp/countersign-agents && cp -al "$TOP/build/agents/$1" "/var/tmp/countersign-agents/" 2>/dev/null || cp -a "$TOP/build/agents/$1" /var/tmp/countersign-agents/
		chmod -R a+rX "/var/tmp/countersign-agents/$1"
		echo /var/tmp/countersign-agents
	fi
}

start_model() { # LOG [SCENARIO]
	node "$here/scripted-model.mjs" --scenario "$here/scenarios/${2:-project}.json" --log "$1" > "$SCRATCH/model.out" 2>&1 &
	model=$!
	for _ in $(seq 200); do grep -q '^listening' "$SCRATCH/model.out" && break; sleep 0.05; done
	URL=http://$(sed -n 's/^listening on //p' "$SCRATCH/model.out")
}
make_project() {
	as_who mkdir -p "$1"
	cp -r "$here/project/." "$1/"
	mv "$1/gitignore" "$1/.gitignore"
	[ "$(id -u)" != 0 ] || [ "$CS_AS" != user ] || chown -R $TEST_UID:$TEST_GID "$1"
	in_dir "$1" sh -euc 'git init -q -b main . && git config user.name Tester && git config user.email t@example.invalid && git add . && git commit -q -m Start'
}

configure() { # AGENT: its own configuration in HOME, as its user has it
	local h=$SCRATCH/home
	case $1 in
	codex)
		as_who mkdir -p "$h/.codex"
		as_who sh -c 'cat > "$1"' sh "$h/.codex/config.toml" <<-TOML
			model = "scripted-1"
			model_provider = "scripted"
			check_for_update_on_startup = false
			[model_providers.scripted]
			name = "Scripted"
			base_url = "$URL/v1"
			env_key = "OPENAI_API_KEY"
			wire_api = "responses"
			request_max_retries = 2
			stream_max_retries = 2
			[analytics]
			enabled = false
			[features]
			plugins = false
			apps = false
		TOML
		KEY=OPENAI_API_KEY=sk-scripted EXTRA=() ;;
	claude) KEY=ANTHROPIC_API_KEY=sk-scripted EXTRA=(ANTHROPIC_BASE_URL="$URL") ;;
	pi)
		as_who mkdir -p "$h/.pi/agent"
		as_who sh -c 'cat > "$1"' sh "$h/.pi/agent/models.json" <<-JSON
			{"providers":{"scripted":{"baseUrl":"$URL/v1","api":"openai-completions","apiKey":"OPENAI_API_KEY",
			"models":[{"id":"scripted-1","contextWindow":128000,"maxTokens":8000,"cost":{"input":0,"output":0,"cacheRead":0,"cacheWrite":0}}]}}}
		JSON
		KEY=OPENAI_API_KEY=sk-scripted EXTRA=() ;;
	opencode)
		as_who mkdir -p "$h/.config/opencode"
		as_who sh -c 'cat > "$1"' sh "$h/.config/opencode/opencode.json" <<-JSON
			{ "autoupdate": false, "share": "disabled", "permission": "allow",
			  "model": "scripted/scripted-1", "small_model": "scripted/scripted-1", "enabled_providers": ["scripted"],
			  "provider": { "scripted": { "npm": "@ai-sdk/openai-compatible", "name": "Scripted",
			    "options": { "baseURL": "$URL/v1", "apiKey": "{env:OPENAI_API_KEY}" },
			    "models": { "scripted-1": { "name": "Scripted", "limit": { "context": 128000, "output": 8000 },
			      "cost": { "input": 1, "output": 2 } } } } } }
		JSON
		KEY=OPENAI_API_KEY=sk-scripted EXTRA=() ;;
	esac
}

# The second turn of a session.
resume_of() { # AGENT BIN
	case $1 in
	codex) CMD=("$2" exec --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox resume --last "And more") ;;
	claude) CMD=("$2" -p --continue --output-format stream-json --verbose --dangerously-skip-permissions --model scripted-1 "And more") ;;
	opencode) CMD=("$2" run --continue --format json --auto --model scripted/scripted-1 "And more") ;;
	pi) CMD=(node "$2" -p --continue --mode json --provider scripted --model scripted-1 "And more") ;;
	esac
}

command_of() { # AGENT BIN
	case $1 in
	codex) CMD=("$2" exec --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox "Add twice()") ;;
	claude) CMD=("$2" -p --output-format stream-json --verbose --dangerously-skip-permissions --model scripted-1 "Add twice()") ;;
	opencode) CMD=("$2" run --format json --auto --model scripted/scripted-1 "Add twice()") ;;
	pi) CMD=(node "$2" -p --mode json --provider scripted --model scripted-1 "Add twice()") ;;
	esac
}
