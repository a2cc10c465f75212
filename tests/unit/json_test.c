/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/json.h"

#include "countersign/base.h"
#include "unit.h"

#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *name;
	const char *in;
	size_t len;
	const char *out; /* compact, or NULL: refused */
} parse_rows[] = {
	{ "null", TEXT("null"), "null" },
	{ "space around", TEXT(" \t\r\n[ 1 , 2 ] \n"), "[1,2]" },
	{ "nested", TEXT("{\"a\":[{},[],{\"b\":true}],\"c\":false}"),
	  "{\"a\":[{},[],{\"b\":true}],\"c\":false}" },
	{ "numbers", TEXT("[0,-0,-1,1.5,1e2,1E+2,25e-1,9007199254740992]"),
	  "[0,0,-1,1.5,100,100,2.5,9007199254740992]" },
	{ "small number", TEXT("1e-7"), "1e-07" },
	{ "digits", TEXT("0.1"), "0.1" },
	{ "many digits", TEXT("0.30000000000000004"), "0.30000000000000004" },
	{ "escapes", TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	  "\"\\\"\\\\/\\u0008\\u000c\\n\\r\\t\"" },
	{ "UTF-8", TEXT("\"\xc3\xa4\xf0\x9f\x98\x80\""), "\"\\u00e4\\ud83d\\ude00\"" },
	{ "unicode escapes", TEXT("\"\\u00E4\\ud83d\\ude00\""), "\"\\u00e4\\ud83d\\ude00\"" },
	{ "DEL", TEXT("\"\x7f\""), "\"\\u007f\"" },
	{ "script end", TEXT("\"</script>\""), "\"\\u003c/script>\"" },
	{ "line separator", TEXT("\"\xe2\x80\xa8\""), "\"\\u2028\"" },
	{ "key escaped", TEXT("{\"\xc3\xa4\\n\":1}"), "{\"\\u00e4\\n\":1}" },
	{ "keys that differ in case", TEXT("{\"a\":1,\"A\":2}"), "{\"a\":1,\"A\":2}" },
	{ "same key in two objects", TEXT("[{\"a\":1},{\"a\":2}]"), "[{\"a\":1},{\"a\":2}]" },
	{ "empty", TEXT("") },
	{ "blank", TEXT(" ") },
	{ "byte order mark", TEXT("\xef\xbb\xbf[]") },
	{ "two values", TEXT("1 2") },
	{ "bytes behind", TEXT("{}x") },
	{ "NUL behind", TEXT("{}\0") },
	{ "unclosed", TEXT("[1") },
	{ "crossed", TEXT("[1}") },
	{ "closed twice", TEXT("[1]]") },
	{ "comma at the end", TEXT("[1,]") },
	{ "comma first", TEXT("[,1]") },
	{ "comma in object", TEXT("{\"a\":1,}") },
	{ "no colon", TEXT("{\"a\" 1}") },
	{ "no value", TEXT("{\"a\":}") },
	{ "key not a string", TEXT("{a:1}") },
	{ "word", TEXT("True") },
	{ "word cut", TEXT("tru") },
	{ "word longer", TEXT("nullx") },
	{ "leading zero", TEXT("01") },
	{ "plus", TEXT("+1") },
	{ "minus alone", TEXT("-") },
	{ "point at the end", TEXT("1.") },
	{ "point first", TEXT(".5") },
	{ "exponent empty", TEXT("1e") },
	{ "hexadecimal", TEXT("0x1") },
	{ "infinite", TEXT("1e400") },
	{ "NaN", TEXT("NaN") },
	{ "number too long",
	  TEXT("1000000000000000000000000000000000000000000000000000000000000000") },
	{ "unterminated", TEXT("\"a") },
	{ "raw newline", TEXT("\"a\nb\"") },
	{ "raw escape", TEXT("\"\x1b\"") },
	{ "raw NUL", TEXT("\"a\0b\"") },
	{ "escaped NUL", TEXT("\"a\\u0000b\"") },
	{ "bad escape", TEXT("\"\\x\"") },
	{ "bad unicode escape", TEXT("\"\\u12g4\"") },
	{ "single quotes", TEXT("'a'") },
	{ "high surrogate", TEXT("\"\\ud83d\"") },
	{ "high surrogate, other", TEXT("\"\\ud83d\\u0041\"") },
	{ "low surrogate", TEXT("\"\\ude00\"") },
	{ "Latin-1", TEXT("\"\xe4\"") },
	{ "overlong", TEXT("\"\xc0\xaf\"") },
	{ "UTF-8 surrogate", TEXT("\"\xed\xa0\x80\"") },
	{ "comment", TEXT("[] // a") },
	{ "key twice", TEXT("{\"a\":1,\"b\":2,\"a\":3}") },
	{ "key twice, spelled", TEXT("[{\"a\":1,\"\\u0061\":2}]") },
};

START_TEST(parse)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_JSON cJSON *item = NULL;
	struct cs_err err = CS_ERR_INIT;
	const char *name = parse_rows[_i].name;
	/* Bytes that follow in memory are not part of the text. */
	AUTO_FREE char *exact = cs_malloc(parse_rows[_i].len + 1);
	int rc;

	memcpy(exact, parse_rows[_i].in, parse_rows[_i].len);
	exact[parse_rows[_i].len] = '1';
	rc = cs_json_parse(&item, exact, parse_rows[_i].len, &err);
	if (!parse_rows[_i].out) {
		ck_assert_msg(rc == CS_CORRUPT && err.code == rc && !item, "%s: %d", name, rc);
		return;
	}
	ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
	cs_json_print(&out, item, false);
	ck_assert_msg(!strcmp(out.data, parse_rows[_i].out), "%s: %s", name, out.data);
}
END_TEST

static int parse_nested(int depth)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_JSON cJSON *item = NULL;

	for (int i = 0; i < depth; i++)
		cs_buf_adds(&text, i % 2 ? "{\"a\":" : "[");
	cs_buf_adds(&text, "1");
	for (int i = depth; i-- > 0;)
		cs_buf_adds(&text, i % 2 ? "}" : "]");
	return cs_json_parse(&item, text.data, text.len, NULL);
}

START_TEST(limits)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_JSON cJSON *item = NULL;

	ck_assert_int_eq(parse_nested(64), 0);
	ck_assert_int_eq(parse_nested(65), CS_CORRUPT);
	cs_buf_reserve(&text, 16 << 20);
	memset(text.data, ' ', 16 << 20);
	text.data[0] = '1';
	ck_assert_int_eq(cs_json_parse(&item, text.data, 16 << 20, NULL), 0);
	ck_assert_int_eq(cs_json_parse(&item, text.data, (16 << 20) + 1, NULL), CS_LIMIT);
}
END_TEST

START_TEST(indented)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_JSON cJSON *obj = cJSON_CreateObject();
	cJSON *list = cJSON_CreateArray();

	cs_json_add_str(obj, "s", NULL);
	cJSON_AddItemToArray(list, cJSON_CreateNumber(1));
	cs_json_add(obj, "l", list);
	cs_json_add(obj, "e", cJSON_CreateArray());
	cs_json_add_bool(obj, "b", true);
	cs_json_print(&out, obj, true);
	ck_assert_str_eq(out.data, "{\n  \"s\": null,\n  \"l\": [\n    1\n  ],\n  \"e\": [],\n"
				   "  \"b\": true\n}");
}
END_TEST

/* Whatever the bytes are, the text is ASCII, parses, and gives the bytes back. */
START_TEST(bytes_round_trip)
{
	for (int len = 0; len < 6; len++) {
		for (int first = 0; first < 256; first++) {
			AUTO_BUF struct cs_buf text = CS_BUF_INIT;
			AUTO_BUF struct cs_buf back = CS_BUF_INIT;
			AUTO_JSON cJSON *obj = cJSON_CreateObject();
			AUTO_JSON cJSON *again = NULL;
			char in[6];

			for (int i = 0; i < 6; i++)
				in[i] = (char)(first + i * 37);
			cs_json_add_bytes(obj, "x", in, (size_t)len);
			cs_json_print(&text, obj, false);
			for (size_t i = 0; i < text.len; i++)
				ck_assert_msg(text.data[i] >= 0x20 && text.data[i] < 0x7f, "%d",
					      first);
			ck_assert_int_eq(cs_json_parse(&again, text.data, text.len, NULL), 0);
			ck_assert_int_eq(cs_json_get_bytes(&back, again, "x"), 0);
			ck_assert_msg(back.len == (size_t)len && !memcmp(back.data, in, back.len),
				      "%d bytes from %02x: %s", len, first, text.data);
		}
	}
}
END_TEST

static const struct {
	const char *name;
	const char *text;
	int rc;
	const char *bytes;
} get_rows[] = {
	{ "string", "{\"x\":\"a\"}", 0, "a" },
	{ "one", "{\"x\":{\"base64\":\"/w==\"}}", 0, "\xff" },
	{ "two", "{\"x\":{\"base64\":\"//8=\"}}", 0, "\xff\xff" },
	{ "three", "{\"x\":{\"base64\":\"////\"}}", 0, "\xff\xff\xff" },
	{ "four", "{\"x\":{\"base64\":\"/////w==\"}}", 0, "\xff\xff\xff\xff" },
	{ "absent", "{}", CS_NOTFOUND },
	{ "not an object", "[]", CS_NOTFOUND },
	{ "number", "{\"x\":1}", CS_CORRUPT },
	{ "other object", "{\"x\":{\"base32\":\"AA\"}}", CS_CORRUPT },
	{ "not padded", "{\"x\":{\"base64\":\"/w\"}}", CS_CORRUPT },
	{ "half padded", "{\"x\":{\"base64\":\"/w=\"}}", CS_CORRUPT },
	{ "one digit", "{\"x\":{\"base64\":\"/\"}}", CS_CORRUPT },
	{ "only padding", "{\"x\":{\"base64\":\"====\"}}", CS_CORRUPT },
	{ "more behind padding", "{\"x\":{\"base64\":\"/w==/w==\"}}", CS_CORRUPT },
	{ "stray bits", "{\"x\":{\"base64\":\"/x==\"}}", CS_CORRUPT },
	{ "stray bits, two", "{\"x\":{\"base64\":\"//9=\"}}", CS_CORRUPT },
	{ "padding inside", "{\"x\":{\"base64\":\"/=/=\"}}", CS_CORRUPT },
	{ "blank", "{\"x\":{\"base64\":\"/ ==\"}}", CS_CORRUPT },
	{ "URL alphabet", "{\"x\":{\"base64\":\"__8=\"}}", CS_CORRUPT },
};

START_TEST(get_bytes)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_JSON cJSON *item = NULL;
	const char *name = get_rows[_i].name;
	int rc = cs_json_parse(&item, get_rows[_i].text, strlen(get_rows[_i].text), NULL);

	ck_assert_msg(rc == 0, "%s", name);
	cs_buf_adds(&out, ">");
	rc = cs_json_get_bytes(&out, item, "x");
	ck_assert_msg(rc == get_rows[_i].rc, "%s: %d", name, rc);
	ck_assert_msg(!strcmp(out.data + 1, rc ? "" : get_rows[_i].bytes), "%s", name);
}
END_TEST

START_TEST(integers)
{
	static const int64_t values[] = { 0,
					  -1,
					  1000000,
					  9007199254740991,
					  9007199254740992,
					  9007199254740993,
					  -9007199254740992,
					  -9007199254740993,
					  INT64_MAX,
					  INT64_MIN };

	for (size_t i = 0; i < CS_COUNT(values); i++) {
		AUTO_BUF struct cs_buf text = CS_BUF_INIT;
		AUTO_JSON cJSON *obj = cJSON_CreateObject();
		AUTO_JSON cJSON *again = NULL;

		cs_json_add_int(obj, "n", values[i]);
		cs_json_print(&text, obj, false);
		ck_assert_int_eq(cs_json_parse(&again, text.data, text.len, NULL), 0);
		ck_assert_int_eq(cs_json_int(again, "n", 7), values[i]);
	}
}
END_TEST

START_TEST(getters_default)
{
	static const char text[] =
		"{\"s\":\"a\",\"n\":1,\"t\":true,\"z\":null,\"f\":1.5,\"b\":1e300,"
		"\"d\":\"12\",\"w\":\" 12\",\"x\":\"12x\",\"e\":\"\","
		"\"h\":\"99999999999999999999\",\"p\":\"+1\",\"o\":\"012\"}";
	AUTO_JSON cJSON *j = NULL;

	ck_assert_int_eq(cs_json_parse(&j, text, strlen(text), NULL), 0);
	ck_assert_str_eq(cs_json_str(j, "s", "?"), "a");
	ck_assert_str_eq(cs_json_str(j, "S", "?"), "?");
	ck_assert_str_eq(cs_json_str(j, "n", "?"), "?");
	ck_assert_ptr_null(cs_json_str(j, "z", NULL));
	ck_assert_ptr_null(cs_json_str(NULL, "z", NULL));
	ck_assert(cs_json_bool(j, "t", false));
	ck_assert(cs_json_bool(j, "n", true));
	ck_assert(!cs_json_bool(j, "s", false));
	ck_assert_int_eq(cs_json_int(j, "n", 7), 1);
	ck_assert_int_eq(cs_json_int(j, "d", 7), 12);
	for (const char *key = "sftzbwxehpo"; *key; key++) {
		const char name[2] = { *key, '\0' };

		ck_assert_msg(cs_json_int(j, name, 7) == 7, "%s", name);
	}
}
END_TEST

/* Strings that did not come through cs_json_bytes are still printed as valid JSON. */
START_TEST(print_repairs)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_JSON cJSON *list = cJSON_CreateArray();

	cJSON_AddItemToArray(list, cJSON_CreateString("a\xff"));
	cJSON_AddItemToArray(list, cJSON_CreateNumber(1e308 * 10));
	cs_json_print(&out, list, false);
	ck_assert_str_eq(out.data, "[\"a\\ufffd\",null]");
}
END_TEST

/* A document of our own that is deeper than the reader goes is cut, and still JSON. */
START_TEST(print_cuts)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_JSON cJSON *again = NULL;
	AUTO_JSON cJSON *list = cJSON_CreateNumber(1);

	for (int i = 0; i < 70; i++) {
		cJSON *outer = cJSON_CreateArray();

		cJSON_AddItemToArray(outer, list);
		cJSON_AddItemToArray(outer, cJSON_CreateTrue());
		list = outer;
	}
	cs_json_print(&out, list, false);
	ck_assert_ptr_nonnull(strstr(out.data, "[[null,true],true]"));
	ck_assert_int_eq(cs_json_parse(&again, out.data, out.len, NULL), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json");
	TCase *t = tcase_create("json");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, parse, 0, CS_COUNT(parse_rows));
	tcase_add_test(t, limits);
	tcase_add_test(t, indented);
	tcase_add_test(t, bytes_round_trip);
	tcase_add_loop_test(t, get_bytes, 0, CS_COUNT(get_rows));
	tcase_add_test(t, integers);
	tcase_add_test(t, getters_default);
	tcase_add_test(t, print_repairs);
	tcase_add_test(t, print_cuts);
	suite_add_tcase(s, t);
	return unit_run(s);
}
