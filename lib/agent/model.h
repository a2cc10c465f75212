/* SPDX-License-Identifier: Apache-2.0 */
/* Inside lib/agent: a profile as it is written, before the operator's machine is looked at. */
#ifndef AGENT_MODEL_H
#define AGENT_MODEL_H

#include "countersign/agent.h"

struct cs_agent_file {
	struct cs_profile profile;
	struct cs_strv programs;  /* names of the program; the first starts a headless call */
	struct cs_strv paths;	  /* globs for its resolved path */
	struct cs_strv host_from; /* "env:NAME" or "file:~/path:key" */
	struct cs_strv pass_from;
};

#define CS_AGENT_MAX_BYTES (64 << 10) /* of a profile */
#define CS_AGENT_MAX_WORDS 1024	      /* of one list */
#define CS_AGENT_MAX_NAME  64

/* parse.c: fills a zeroed *out; name and origin are copied. */
int cs_agent_file_parse(struct cs_agent_file *out, const char *name, const char *origin,
			const char *file, const char *data, size_t len,
			struct cs_err *err) CS_CHECKED;
void cs_agent_file_release(struct cs_agent_file *file);

/* builtin.c: the text of profile i and its name, NULL behind the last; sorted by name. */
const char *cs_agent_builtin(const char **name, size_t i);

/* recognise.c */
/* Index of the word in argv that names the program: behind env, an interpreter and its options. */
size_t cs_agent_program_index(const char *const *argv);
/* Does the file recognise the program by its name (or, with by_path, by its resolved path)? */
bool cs_agent_recognises(const struct cs_agent_file *file, const char *const *argv,
			 const char *resolved, bool by_path);

/* scan.c */
/*
 * Adds what stands behind `key` in a text of TOML, JSON, YAML or NAME=value lines: quoted
 * strings and bare words, on the key's own line, outside comments. At most CS_AGENT_MAX_VALUES.
 */
#define CS_AGENT_MAX_VALUES 64
void cs_agent_scan(struct cs_strv *out, const char *text, size_t len, const char *key);
/* "http://name:port/path" (or, bare: "name:port") to "name:port". CS_NOTFOUND: neither. */
int cs_agent_host_of(char out[272], const char *value, bool bare);
/* "NAME", "$NAME", "${NAME}" or "{env:NAME}" to NAME; the caller frees. NULL: none of them. */
char *cs_agent_name_of(const char *value);
/* Looks hostFrom and passFrom up on the operator's machine and adds what they say. */
void cs_agent_look_up(struct cs_agent_file *file, const char *home, const char *const *env);

#endif
