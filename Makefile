# SPDX-License-Identifier: Apache-2.0
#
# Countersign: agents propose, humans countersign.
#
#   make              build the programs into build/release/bin
#   make demo         install dependencies, build, and run an agent on a clone of this repository
#   make check        install dependencies, build, and run every test (CS_LONG=1: in full size)
#   make deps         install the Debian packages named in DEPS (says what it does; sudo if not root)
#   make install      install into $(DESTDIR)$(PREFIX); make uninstall takes it away again
#   make lint         clang-tidy and cppcheck       make format    clang-format in place
#   make check-layers includes point downwards only (lib/LAYERS)
#   make fuzz bench   the long runs; CI makes a short one of each
#   make kills        processes of a thousand runs killed at random moments
#   make growth       plain git beside ten thousand runs
#   make race         a million execs whose arguments are rewritten meanwhile
#   make kernel KERNEL=vmlinuz MODULES=dir [TESTS="tests/..."]   another kernel, emulated (tests/kernel/boot)
#
# VARIANT=release|asan|cov|fuzz chooses the build tree, V=1 shows the commands, WERROR=1 stops at
# warnings. CFLAGS and LDFLAGS are yours; what the project needs is in CS_CFLAGS and CS_LDFLAGS.

VARIANT ?= release
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/countersign
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
APPARMORDIR ?= /etc/apparmor.d
BUILD := build/$(VARIANT)

# Debian packages: compiler and headers, then what the tests use.
DEPS := gcc make pkg-config libc6-dev git libgit2-dev libseccomp-dev libcjson-dev libssl-dev \
	linux-libc-dev openssh-client
TEST_DEPS := check bubblewrap strace gdb python3 nodejs npm jq openssl libasan8 libubsan1 libtsan2 \
	util-linux bsdextrautils procps iproute2 attr file curl autoconf automake perl tmux man-db socat ripgrep \
	ltrace cmake python3-pip python3-setuptools python3-wheel pre-commit stress-ng trinity
LINT_DEPS := clang clang-format clang-tidy cppcheck libclang-rt-14-dev shellcheck

CC ?= gcc
CFLAGS ?= -O2 -g
# The only git that is ever started: an absolute path, never one found on the caller's PATH.
CS_GIT ?= /usr/bin/git
ifeq ($(VARIANT),asan)
CS_VARIANT := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifeq ($(VARIANT),cov)
CS_VARIANT := --coverage -O0
endif
ifeq ($(VARIANT),fuzz)
CC := clang
CS_VARIANT := -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
endif

CS_WARN := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wformat=2 -Wundef -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wimplicit-fallthrough -Wno-missing-field-initializers
ifeq ($(WERROR),1)
CS_WARN += -Werror
endif
# _FORTIFY_SOURCE needs optimisation and hides errors from the sanitizers.
ifneq ($(filter release,$(VARIANT)),)
CS_HARDEN := -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=3 \
	-ftrivial-auto-var-init=pattern
endif
CS_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Iinclude -fPIE $(CS_WARN) $(CS_HARDEN) $(CS_VARIANT) \
	-DCS_DATADIR='"$(DATADIR)"' -DCS_GIT='"$(CS_GIT)"' -DCS_VERSION='"$(shell cat VERSION)"'
CS_LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(CS_VARIANT)

# libgit2, libseccomp and libcrypto are linked statically: a program then starts in 1 ms instead
# of 10 (libgit2's Debian build pulls 17 libraries and parses every CA certificate at start). The
# stubs in lib/repo/no_network.c keep its network code, ssh and TLS, out of the programs altogether
# (-u brings them in even where a program uses no more of lib/repo than ids).
CS_LIBS := -Wl,-u,cs_leave_network_out -Wl,-Bstatic -lgit2 -lmbedcrypto -lhttp_parser -lpcre2-8 -lz -lseccomp -lcrypto \
	-Wl,-Bdynamic -lcjson -lpthread -ldl

LIB_SRC := $(sort $(wildcard lib/*/*.c))
CMD_SRC := $(sort $(wildcard cmd/*/*.c))
PROGRAMS := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard cmd/*/main.c)))))
UNIT := $(sort $(basename $(notdir $(wildcard tests/unit/*_test.c))))
FUZZ := $(sort $(basename $(notdir $(wildcard tests/fuzz/*_fuzz.c))))
BENCH := $(sort $(basename $(notdir $(wildcard tests/bench/*.c))))
TOOLS := $(sort probe $(basename $(notdir $(wildcard tests/tools/*.c))))
MAN1 := $(sort $(wildcard cmd/*/*.1))
MAN5 := $(sort $(wildcard lib/*/*.5))

OBJ = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIB := $(BUILD)/libcountersign.a

ifeq ($(V),1)
Q :=
else
Q := @
endif
say = $(if $(Q),@printf '  %-5s %s\n' $(1) $(2))

.PHONY: all programs
all: programs
programs: $(PROGRAMS:%=$(BUILD)/bin/%)

$(BUILD)/%.o: %.c Makefile VERSION
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CS_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The assembler includes the profiles and the hook; the compiler's dependency files do not say so.
$(BUILD)/lib/agent/builtin.o: $(wildcard lib/agent/profiles/*)
$(BUILD)/cmd/git-agent-gate/install.o: hooks/hook.sh

$(LIB): $(call OBJ,$(LIB_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

define program
$(BUILD)/bin/$(1): $$(call OBJ,$$(wildcard cmd/$(1)/*.c)) $(LIB)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(CC) $(CS_LDFLAGS) $(LDFLAGS) -o $$@ $$^ $(CS_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# The programs with the fault hooks of tests (countersign/base/fault.h): what has one is compiled
# anew, and linked in front of the library's copy without. For tests/attack only.
FAULT_SRC := $(shell grep -lw -e cs_fault -e cs_fake -e CS_FAULTS $(LIB_SRC) $(CMD_SRC))
FAULTY := git-agent-run git-agent-log git-agent-doctor
faulty_obj = $(foreach s,$(1),$(if $(filter $(s),$(FAULT_SRC)),$(BUILD)/faulty/$(s:.c=.o),$(BUILD)/$(s:.c=.o)))
$(BUILD)/faulty/%.o: %.c Makefile VERSION
	$(call say,FAULT,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CS_CFLAGS) $(CFLAGS) -DCS_FAULTS -MMD -MP -c -o $@ $<
define faulty_program
$(BUILD)/faulty/bin/$(1): $(call faulty_obj,$(wildcard cmd/$(1)/*.c) $(filter lib/%,$(FAULT_SRC))) $(LIB)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(CC) $(CS_LDFLAGS) $(LDFLAGS) -o $$@ $$^ $(CS_LIBS)
endef
$(foreach p,$(FAULTY),$(eval $(call faulty_program,$(p))))
.PHONY: faulty
faulty: $(FAULTY:%=$(BUILD)/faulty/bin/%)

# Objects of tests are kept, so that a second make links nothing anew.
.SECONDARY:

# ---- tests -----------------------------------------------------------------------------------

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CS_LDFLAGS) $(LDFLAGS) -o $@ $^ $(CS_LIBS) -lcheck -lsubunit -lrt -lm

# Probes and tools link nothing of ours.
$(BUILD)/tools/probe: $(wildcard tests/attack/probe/*.[ch]) Makefile
	$(call say,CC,tests/attack/probe)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(CS_WARN) -o $@ $(filter %.c,$^)
$(BUILD)/tools/%: tests/tools/%.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(CS_WARN) $(TOOL_LDFLAGS) -o $@ $< -lpthread

$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CS_LDFLAGS) $(LDFLAGS) -o $@ $^ $(CS_LIBS)

$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(CS_LIBS)

# It execs itself a million times.
$(BUILD)/tools/exec-race: TOOL_LDFLAGS := -static
$(BUILD)/tools/nothing: TOOL_LDFLAGS := -static -nostdlib -nostartfiles

.PHONY: race
race: tools $(BUILD)/unit/trace_stress_test
	$(Q)CK_RUN_CASE=race CS_RACE=$${CS_RACE:-1000000} $(BUILD)/unit/trace_stress_test

.PHONY: kills
kills: all tools faulty
	$(Q)for u in root user; do CS_AS=$$u FAULT_KILLS=$${FAULT_KILLS:-500} bash tests/attack/kills.test || exit; done

# Slow: emulated.
TESTS ?= tests/kernel/cgroup.test tests/integration/limits.test tests/attack/layers.test
.PHONY: kernel
kernel: all tools faulty
	$(Q)tests/kernel/boot "$(KERNEL)" "$(MODULES)" env JOBS=1 CS_LIMIT=$${CS_LIMIT:-3600} tests/run $(TESTS)

# Long: ten thousand runs are written first.
.PHONY: growth
growth: all
	$(Q)PATH=$(CURDIR)/$(BUILD)/bin:$$PATH tests/bench/growth

.PHONY: unit tools fuzzers check check-unit check-layers
unit: $(UNIT:%=$(BUILD)/unit/%)
tools: $(TOOLS:%=$(BUILD)/tools/%)
fuzzers: $(FUZZ:%=$(BUILD)/fuzz/%)

check-unit: unit tools programs
	$(Q)tests/run-unit $(UNIT:%=$(BUILD)/unit/%)

check: deps-check
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) check-built
.PHONY: check-built
check-built: all tools faulty
	$(Q)$(MAKE) --no-print-directory VARIANT=asan unit tools
	$(Q)tests/run

check-layers:
	$(Q)tests/check-layers lib/LAYERS

# ---- housekeeping ----------------------------------------------------------------------------

.PHONY: deps deps-check deps-lint demo lint format install uninstall clean fuzz bench
deps:
	$(Q)tests/install-deps $(DEPS)
deps-check:
	$(Q)tests/install-deps $(DEPS) $(TEST_DEPS)
deps-lint:
	$(Q)tests/install-deps $(DEPS) $(LINT_DEPS)

demo:
	$(Q)tests/install-deps $(DEPS) check curl
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo/run

ALL_C := $(LIB_SRC) $(CMD_SRC) $(wildcard tests/*/*.c tests/attack/probe/*.c)
lint: check-layers compile_commands.json
	$(Q)tests/lint $(LIB_SRC) $(CMD_SRC)
format:
	$(Q)clang-format -i $(ALL_C) $(wildcard include/countersign/*.h include/countersign/*/*.h lib/*/*.h cmd/*/*.h)

compile_commands.json: Makefile $(LIB_SRC) $(CMD_SRC)
	$(Q)printf '[\n' > $@; first=1; for f in $(LIB_SRC) $(CMD_SRC); do \
		[ $$first ] || printf ',\n' >> $@; first=; \
		printf '{"directory":"%s","file":"%s","arguments":["cc","-std=gnu11","-D_GNU_SOURCE","-Iinclude","-DCS_DATADIR=\\"x\\"","-DCS_GIT=\\"/usr/bin/git\\"","-DCS_VERSION=\\"0\\"","-c","%s"]}' \
			"$(CURDIR)" "$$f" "$$f" >> $@; done; printf '\n]\n' >> $@

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(DATADIR)/profiles
	install -m 755 $(PROGRAMS:%=$(BUILD)/bin/%) $(DESTDIR)$(BINDIR)
	$(if $(MAN1),install -m 644 $(MAN1) $(DESTDIR)$(MANDIR)/man1)
	$(if $(MAN5),install -m 644 $(MAN5) $(DESTDIR)$(MANDIR)/man5)
	install -m 644 lib/agent/profiles/* $(DESTDIR)$(DATADIR)/profiles
	install -d $(DESTDIR)$(COMPLETIONDIR)
	for p in $(PROGRAMS); do install -m 644 cmd/completion.bash $(DESTDIR)$(COMPLETIONDIR)/$$p || exit; done
	@# AppArmor's permission for user namespaces goes by the path of the installed binaries.
	if [ -d $(DESTDIR)$(APPARMORDIR) ]; then \
		sed 's|@BINDIR@|$(BINDIR)|' lib/sandbox/apparmor/git-agent-run > $(DESTDIR)$(APPARMORDIR)/git-agent-run && \
		chmod 644 $(DESTDIR)$(APPARMORDIR)/git-agent-run; fi
	if [ -z "$(DESTDIR)" ] && [ -f $(APPARMORDIR)/git-agent-run ] && [ -e /sys/kernel/security/apparmor/profiles ]; then \
		apparmor_parser -r $(APPARMORDIR)/git-agent-run || echo "load it: apparmor_parser -r $(APPARMORDIR)/git-agent-run"; fi
uninstall:
	if [ -z "$(DESTDIR)" ] && [ -f $(APPARMORDIR)/git-agent-run ] && [ -e /sys/kernel/security/apparmor/profiles ]; then \
		apparmor_parser -R $(APPARMORDIR)/git-agent-run || true; fi
	rm -f $(DESTDIR)$(APPARMORDIR)/git-agent-run
	rm -f $(PROGRAMS:%=$(DESTDIR)$(BINDIR)/%) $(PROGRAMS:%=$(DESTDIR)$(COMPLETIONDIR)/%) $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(MAN1))) \
		$(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(MAN5)))
	rm -rf $(DESTDIR)$(DATADIR)

fuzz:
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz fuzzers
	$(Q)tests/fuzz/run $(FUZZ:%=build/fuzz/fuzz/%)
bench: all tools $(BENCH:%=$(BUILD)/bench/%)
	$(Q)tests/bench/run
	$(Q)tests/bench/trace
	$(Q)tests/bench/relay
	$(Q)tests/bench/gate

clean:
	rm -rf build compile_commands.json

-include $(FAULT_SRC:%.c=$(BUILD)/faulty/%.d)
-include $(patsubst %.o,%.d,$(call OBJ,$(LIB_SRC) $(CMD_SRC) $(wildcard tests/unit/*.c tests/fuzz/*.c tests/bench/*.c)))
