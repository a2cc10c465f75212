/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiles of lib/agent/profiles, compiled in, so that a program needs no file to know them.
 * The assembler includes the files as they are, each with a NUL behind it.
 */
#include "model.h"

#define EACH_PROFILE(X) \
	X(aider)        \
	X(claude)       \
	X(codex)        \
	X(gemini)       \
	X(generic)      \
	X(opencode)     \
	X(pi)           \
	X(qwen)

#define INCLUDE(name)                                        \
	__asm__(".pushsection .rodata\n"                     \
		"cs_agent_text_" #name ":\n"                 \
		".incbin \"lib/agent/profiles/" #name "\"\n" \
		".byte 0\n"                                  \
		".popsection\n");                            \
	extern const char cs_agent_text_##name[] __attribute__((visibility("hidden")));
EACH_PROFILE(INCLUDE)

#define ROW(name) { #name, cs_agent_text_##name },
static const struct {
	const char *name;
	const char *text;
} profiles[] = { EACH_PROFILE(ROW) };

const char *cs_agent_builtin(const char **name, size_t i)
{
	if (i >= CS_COUNT(profiles))
		return NULL;
	*name = profiles[i].name;
	return profiles[i].text;
}
