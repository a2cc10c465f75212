/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/hash.h"

#include "countersign/base/own.h"
#include "unit.h"

/* FIPS 180-4 examples (csrc.nist.gov, "SHA256.pdf") and the empty message. */
static const struct {
	const char *name;
	const char *unit; /* repeated */
	size_t times;
	const char *hex;
} vectors[] = {
	{ "empty", "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "448 bits", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "a million", "a", 1000000,
	  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};

START_TEST(known_answers)
{
	uint8_t digest[CS_SHA256_LEN];
	char hex[CS_SHA256_HEX];
	struct cs_sha256 h;

	cs_sha256_init(&h);
	for (size_t i = 0; i < vectors[_i].times; i++)
		cs_sha256_add(&h, vectors[_i].unit, strlen(vectors[_i].unit));
	cs_sha256_end(&h, digest);
	ck_assert_msg(!strcmp(cs_hex(hex, digest, sizeof(digest)), vectors[_i].hex), "%s: %s",
		      vectors[_i].name, hex);
}
END_TEST

START_TEST(pieces_equal_the_whole)
{
	uint8_t data[300];
	uint8_t whole[CS_SHA256_LEN];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	cs_sha256(whole, data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		uint8_t pieces[CS_SHA256_LEN];
		struct cs_sha256 h;

		cs_sha256_init(&h);
		cs_sha256_add(&h, data, cut);
		cs_sha256_add(&h, data + cut, sizeof(data) - cut);
		cs_sha256_end(&h, pieces);
		ck_assert_int_eq(memcmp(whole, pieces, sizeof(whole)), 0);
	}
}
END_TEST

START_TEST(hex_there_and_back)
{
	uint8_t bytes[256];
	uint8_t back[256];
	char hex[513];

	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	ck_assert_ptr_eq(cs_hex(hex, bytes, sizeof(bytes)), hex);
	ck_assert_int_eq(memcmp(hex, "000102", 6), 0);
	ck_assert_str_eq(hex + 506, "fdfeff");
	ck_assert_int_eq(cs_unhex(back, sizeof(back), hex), 0);
	ck_assert_int_eq(memcmp(bytes, back, sizeof(bytes)), 0);
	ck_assert_str_eq(cs_hex(hex, bytes, 0), "");
}
END_TEST

static const char *const no_hex[] = {
	"",	"a",	"ab",	"abc",	"abcde", "abcd0", "ABCD",
	"aBcd", "abcg", "abc ", " bcd", "0x12",	 "ab\nd",
};

START_TEST(anything_else_is_refused)
{
	uint8_t out[2] = { 1, 2 };

	ck_assert_msg(cs_unhex(out, 2, no_hex[_i]) == -1, "'%s'", no_hex[_i]);
	ck_assert_msg(out[0] == 1 && out[1] == 2, "'%s': written", no_hex[_i]);
}
END_TEST

/* Nothing can be said about one draw, but 64 draws of 40 bytes do not repeat or leave a byte. */
START_TEST(random_fills_everything)
{
	uint8_t seen[40] = { 0 };
	uint8_t draws[64][40] = { { 0 } };

	for (int i = 0; i < 64; i++) {
		cs_random(draws[i], sizeof(draws[i]));
		for (int j = 0; j < i; j++)
			ck_assert_int_ne(memcmp(draws[i], draws[j], sizeof(draws[i])), 0);
		for (size_t k = 0; k < sizeof(seen); k++)
			seen[k] |= draws[i][k];
	}
	for (size_t k = 0; k < sizeof(seen); k++)
		ck_assert_uint_ne(seen[k], 0);
	cs_random(NULL, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/hash");
	TCase *tc = tcase_create("hash");

	tcase_add_loop_test(tc, known_answers, 0, CS_COUNT(vectors));
	tcase_add_test(tc, pieces_equal_the_whole);
	tcase_add_test(tc, hex_there_and_back);
	tcase_add_loop_test(tc, anything_else_is_refused, 0, CS_COUNT(no_hex));
	tcase_add_test(tc, random_fills_everything);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
