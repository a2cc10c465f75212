/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command as a person wants to read it. The kernel puts a script's interpreter in front of its
 * arguments; here the script comes first, as it was called. argv[0] is whatever the caller wanted
 * it to be, so where it does not name the program that ran, that is said (line_marks).
 */
#include "view.h"

#include <string.h>

/* Interpreters of interpreters put that many words in front of a script's name. */
#define MAX_INTERPRETER_WORDS 4

static const cJSON *argv_of(const cJSON *exec)
{
	return cJSON_GetObjectItemCaseSensitive(exec, "argv");
}

static void add_bytes(struct cs_buf *out, const cJSON *item)
{
	AUTO_JSON cJSON *holder = NULL;

	if (cJSON_IsString(item)) {
		cs_buf_adds(out, item->valuestring);
		return;
	}
	holder = cJSON_CreateObject();
	cJSON_AddItemReferenceToObject(holder, "word", (cJSON *)item);
	if (cs_json_get_bytes(out, holder, "word") < 0)
		cs_buf_adds(out, "?");
}

static void add_member(struct cs_buf *out, const cJSON *event, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(event, key);

	if (cJSON_IsString(item) || cJSON_IsObject(item))
		add_bytes(out, item);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The argument that is the script's name, as the call gave it; NULL: it is no script. */
static const cJSON *script_word(const cJSON *exec)
{
	const char *file = cs_json_str(exec, "file", "");
	const cJSON *argv = argv_of(exec);
	const cJSON *word = argv && argv->child ? argv->child->next : NULL;

	for (int i = 0; *file && word && i < MAX_INTERPRETER_WORDS; i++, word = word->next) {
		if (cJSON_IsString(word) && !strcmp(word->valuestring, file) &&
		    strcmp(base_of(cs_json_str(exec, "exe", "")), base_of(file)) != 0)
			return word;
	}
	return NULL;
}

static void add_first_word(struct cs_buf *out, const cJSON *exec)
{
	const cJSON *argv = argv_of(exec);

	if (argv && argv->child)
		add_bytes(out, argv->child);
}

bool is_env_script(const cJSON *exec)
{
	return script_word(exec) && !strcmp(base_of(cs_json_str(exec, "exe", "")), "env");
}

void add_program(struct cs_buf *out, const cJSON *exec)
{
	AUTO_BUF struct cs_buf path = CS_BUF_INIT;

	add_member(&path, exec, "file");
	if (!path.len)
		add_member(&path, exec, "exe");
	if (!path.len)
		add_first_word(&path, exec);
	cs_buf_adds(out, base_of(path.data));
	if (!out->len)
		cs_buf_adds(out, "?");
}

/* Where space is short, the directories that everybody knows are left out. */
static void add_first(struct cs_buf *out, const struct cs_buf *word, bool is_short)
{
	AUTO_BUF struct cs_buf base = CS_BUF_INIT;

	if (is_short && (!strncmp(word->data, "/usr/", 5) || !strncmp(word->data, "/bin/", 5)))
		cs_buf_adds(&base, base_of(word->data));
	add_word(out, base.len ? &base : word);
}

void add_command(struct cs_buf *out, const cJSON *exec, size_t columns)
{
	const cJSON *argv = argv_of(exec);
	const cJSON *first = script_word(exec);
	size_t start = out->len;

	if (!first)
		first = argv ? argv->child : NULL;
	for (const cJSON *item = first; item; item = item->next) {
		AUTO_BUF struct cs_buf word = CS_BUF_INIT;

		if (columns && out->len - start > columns * 4)
			break; /* no character has more than four bytes: it is cut anyway */
		add_bytes(&word, item);
		if (item == first) {
			add_first(out, &word, columns > 0);
		} else {
			cs_buf_addc(out, ' ');
			add_word(out, &word);
		}
	}
	if (out->len == start) {
		AUTO_BUF struct cs_buf name = CS_BUF_INIT;

		add_program(&name, exec);
		add_word(out, &name);
	}
}

/* argv[0] is neither what was asked for nor what ran. */
static bool is_misnamed(const cJSON *exec, const struct cs_buf *first, const struct cs_buf *exe)
{
	AUTO_BUF struct cs_buf file = CS_BUF_INIT;
	const char *name = base_of(first->data);

	add_member(&file, exec, "file");
	name += *name == '-'; /* a login shell */
	return exe->len && strcmp(name, base_of(exe->data)) != 0 &&
	       strcmp(name, base_of(file.data)) != 0;
}

static void mark_name(struct line *line, const cJSON *exec, const char *interpreter)
{
	AUTO_BUF struct cs_buf first = CS_BUF_INIT;
	AUTO_BUF struct cs_buf exe = CS_BUF_INIT;
	struct cs_buf *tail;

	add_first_word(&first, exec);
	add_member(&exe, exec, "exe");
	if (script_word(exec)) {
		tail = line_tail(line, CS_DIM);
		cs_buf_addc(tail, '(');
		add_foreign(tail, interpreter ? interpreter : base_of(first.data));
		cs_buf_addc(tail, ')');
	} else if (is_misnamed(exec, &first, &exe)) {
		tail = line_tail(line, CS_YELLOW);
		cs_buf_adds(tail, "[it is ");
		add_foreign(tail, exe.data);
		cs_buf_addc(tail, ']');
	}
}

void line_marks(struct line *line, const cJSON *exec, const char *interpreter)
{
	AUTO_BUF struct cs_buf why = CS_BUF_INIT;
	AUTO_BUF struct cs_buf rule = CS_BUF_INIT;
	struct cs_buf *tail;

	mark_name(line, exec, interpreter);
	if (!cs_json_bool(exec, "verified", true)) {
		add_member(&why, exec, "unverified");
		tail = line_tail(line, CS_YELLOW);
		cs_buf_adds(tail, why.len ? "[unverified: " : "[unverified");
		add_foreign(tail, why.data);
		cs_buf_addc(tail, ']');
		cs_buf_truncate(&why, 0);
	}
	if (is_allowed(exec))
		return;
	add_member(&why, exec, "reason");
	add_member(&rule, exec, "rule");
	if (why.len) {
		tail = line_tail(line, CS_RED);
		cs_buf_adds(tail, "-- ");
		add_foreign(tail, why.data);
	}
	if (rule.len) {
		tail = line_tail(line, CS_DIM);
		cs_buf_adds(tail, "-- rule ");
		add_foreign(tail, rule.data);
	}
}
