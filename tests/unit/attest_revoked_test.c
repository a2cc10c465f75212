/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revoked keys: lists that ssh-keygen makes, asked of ssh-keygen too (-Q); sections put together
 * by hand; and whatever is not understood in full denies.
 */
#include "attest_world.h"

#define NAMES 5 /* a b c: ed25519; d: ecdsa; e: security key */

static const char names[] = "abcde";
static struct aw_key world[NAMES];

/* Files a.pub .. e.pub, and private halves of the kinds that ssh-keygen makes. */
static void setup(void)
{
	fx_setup();
	for (size_t i = 0; i < NAMES; i++) {
		AUTO_FREE char *path = cs_asprintf("%c.pub", names[i]);
		AUTO_FREE char *pub = NULL;
		AUTO_FREE char *line = NULL;

		world[i] = aw_key_new(i < 3 ? AW_ED25519 : i == 3 ? AW_ECDSA384 : AW_SK_ED25519);
		pub = aw_public(&world[i]);
		line = cs_asprintf("%s %c@example.org\n", pub, names[i]);
		aw_put(path, line, strlen(line));
	}
}

static void teardown(void)
{
	for (size_t i = 0; i < NAMES; i++)
		aw_key_release(&world[i]);
	fx_teardown();
}

/* The names of the keys that a list revokes, in order; "!" where it cannot be read. */
static void revoked(char out[NAMES + 1], const char *data, size_t len)
{
	struct cs_revoked_keys *list = NULL;
	struct cs_err err = CS_ERR_INIT;
	size_t n = 0;

	if (cs_revoked_keys_parse(&list, "list", data, len, &err) < 0) {
		ck_assert_msg(!strncmp(err.msg, "list:", 5), "%s", err.msg);
		ck_assert_ptr_null(list);
		strcpy(out, "!");
		return;
	}
	for (size_t i = 0; i < NAMES; i++) {
		struct cs_ssh_key shown = aw_shown(&world[i]);

		if (cs_revoked_keys_has(list, &shown))
			out[n++] = names[i];
		cs_ssh_key_release(&shown);
	}
	out[n] = '\0';
	cs_revoked_keys_free(list);
}

/* ---- made by ssh-keygen ---- */

static const struct {
	const char *how, *wanted;
	bool krl;
} made[] = {
	{ "ssh-keygen -q -k -f list", "", true },
	{ "ssh-keygen -q -k -f list a.pub", "a", true },
	{ "ssh-keygen -q -k -f list a.pub b.pub d.pub e.pub", "abde", true },
	{ "ssh-keygen -q -k -f list a.pub; ssh-keygen -q -k -u -f list c.pub", "ac", true },
	{ "(printf 'sha1: '; cat b.pub) >s; ssh-keygen -q -k -f list s", "b", true },
	{ "(printf 'sha256: '; cat e.pub) >s; ssh-keygen -q -k -f list s", "e", true },
	{ "(printf 'key: '; cat c.pub) >s; ssh-keygen -q -k -f list s", "c", true },
	{ "(printf 'hash: '; ssh-keygen -l -f c.pub | cut -d' ' -f2) >s; ssh-keygen -q -k -f list "
	  "s",
	  "c", true },
	{ "(for k in a b c; do printf 'sha256: '; cat $k.pub; done; printf 'sha1: '; cat d.pub) >s;"
	  " ssh-keygen -q -k -z 7 -f list s e.pub",
	  "abcde", true },
	/* certificates: serials, ranges and bitmaps of them, ids; read over */
	{ "ssh-keygen -q -t ed25519 -N '' -f ca; (echo 'serial: 1'; echo 'serial: 5-70';"
	  " echo 'serial: 1000-1001'; echo 'serial: 1005'; echo 'id: someone') >s;"
	  " ssh-keygen -q -k -s ca.pub -f list s a.pub",
	  "a", true },
	/* texts */
	{ ": >list", "" },
	{ "printf '# nobody\\n\\n  \\n' >list", "" },
	{ "cp a.pub list", "a" },
	{ "cat a.pub b.pub d.pub e.pub >list", "abde" },
	{ "cut -d' ' -f1,2 a.pub >list; sed 's/ /  /; s/^/\\t/' b.pub >>list", "ab" },
	{ "sed 's/$/\\r/' a.pub >list", "a" },
	{ "printf %s \"$(cat a.pub)\" >list", "a" },
	{ "(echo '# gone'; echo; ssh-keygen -l -f b.pub | cut -d' ' -f2) >list", "b" },
	/* not understood: an error, never a shorter list */
	{ "echo who >list", "!" },
	{ "(cat a.pub; echo who) >list", "!" },
	{ "echo SHA256:short >list", "!" },
	{ "ssh-keygen -l -E md5 -f b.pub | cut -d' ' -f2 >list", "!" },
	{ "echo 'ssh-ed25519 AAAA' >list", "!" },
	{ "echo ssh-ed25519 >list", "!" },
	{ "sed 's/^ssh-ed25519/ssh-rsa/' a.pub >list", "!" },
	{ "(cat a.pub; printf '\\0'; cat b.pub) >list", "!" },
	{ "ssh-keygen -q -k -f list a.pub; truncate -s -1 list", "!" },
	{ "ssh-keygen -q -k -f list a.pub; printf '\\7\\0\\0\\0\\0' >>list", "!" },
	{ "ssh-keygen -q -k -f list a.pub; printf '\\377' >>list", "!" },
	{ "ssh-keygen -q -k -f list a.pub; sed -i '1s/^SSHKRL/SSHKRX/' list", "!" },
	{ "head -c 100000 /dev/zero >list", "!" },
};

/* What ssh-keygen -Q says of the same list. */
static void check_oracle(const char *wanted)
{
	AUTO_FREE char *there = fx_output("for k in a b c d e; do ssh-keygen -Q -f list $k.pub "
					  ">/dev/null 2>&1 || printf $k; done");

	ck_assert_str_eq(there, wanted);
}

START_TEST(made_by_ssh_keygen)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	char got[NAMES + 1];

	fx_run("%s", made[_i].how);
	list = aw_slurp("list");
	revoked(got, list.data, list.len);
	ck_assert_msg(!strcmp(got, made[_i].wanted), "%s: %s", made[_i].how, got);
	if (made[_i].krl)
		check_oracle(made[_i].wanted);
}
END_TEST

/* Any byte less: refused, but where a list of a section less is a whole list. */
START_TEST(truncated)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	char got[NAMES + 1];
	int whole = 0;

	fx_run("(printf 'sha1: '; cat b.pub; printf 'sha256: '; cat e.pub) >s;"
	       " ssh-keygen -q -k -f list s a.pub");
	list = aw_slurp("list");
	for (size_t len = 1; len < list.len; len++) {
		revoked(got, list.data, len);
		whole += *got != '!';
	}
	/* The head alone, and behind each of the sections but the last. */
	ck_assert_int_le(whole, 3);
	revoked(got, list.data, list.len);
	ck_assert_str_eq(got, "abe");
}
END_TEST

/* ---- by hand ---- */

static void add_u64(struct cs_buf *b, uint64_t n)
{
	aw_u32(b, n >> 32);
	aw_u32(b, n & 0xffffffff);
}

static void add_head(struct cs_buf *b, uint32_t version)
{
	cs_buf_add(b, "SSHKRL\n", 8);
	aw_u32(b, version);
	add_u64(b, 1);
	add_u64(b, 1700000000);
	add_u64(b, 0);
	aw_text(b, "");
	aw_text(b, "a comment");
}

static void add_section(struct cs_buf *b, int kind, const struct cs_buf *content)
{
	cs_buf_addc(b, (char)kind);
	aw_string(b, content->data, content->len);
}

START_TEST(sections)
{
	AUTO_BUF struct cs_buf key = CS_BUF_INIT, digest = CS_BUF_INIT, sig = CS_BUF_INIT;
	AUTO_BUF struct cs_buf short_digest = CS_BUF_INIT;
	uint8_t sum[CS_SHA256_LEN];
	/* sections; 'k' key a, 'h' SHA-256 of b, 's' a signature; digits: a section of that kind */
	static const struct {
		const char *sections, *wanted;
		int version;
	} rows[] = {
		{ "", "", 1 },	     { "k", "a", 1 },  { "kh", "ab", 1 }, { "hk", "ab", 1 },
		{ "kk", "a", 1 },    { "k", "!", 0 },  { "k", "!", 2 },	  { "ks", "a", 1 },
		{ "khss", "ab", 1 }, { "sk", "!", 1 }, { "ksh", "!", 1 }, { "k0", "!", 1 },
		{ "k6", "!", 1 },    { "k9", "!", 1 }, { "kx", "!", 1 },  { "k3", "!", 1 },
		{ "k1", "a", 1 },    { "kS", "!", 1 },
	};

	aw_string(&key, world[0].blob.data, world[0].blob.len);
	cs_sha256(sum, world[1].blob.data, world[1].blob.len);
	aw_string(&digest, sum, sizeof(sum));
	aw_string(&short_digest, sum, sizeof(sum) - 1);
	aw_text(&sig, "not looked at");
	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		AUTO_BUF struct cs_buf list = CS_BUF_INIT;
		char got[NAMES + 1];

		add_head(&list, (uint32_t)rows[i].version);
		for (const char *s = rows[i].sections; *s; s++) {
			if (*s == 'k')
				add_section(&list, 2, &key);
			else if (*s == 'h')
				add_section(&list, 5, &digest);
			else if (*s == 'x')
				add_section(&list, 5, &short_digest);
			else
				add_section(&list, *s == 's' || *s == 'S' ? 4 : *s - '0', &sig);
			if (*s == 's')
				aw_text(&list, "the signature");
		}
		revoked(got, list.data, list.len);
		ck_assert_msg(!strcmp(got, rows[i].wanted), "%s: %s", rows[i].sections, got);
	}
}
END_TEST

/* Any bit of a list flipped: not read, or not one key more or less than there is another list for.
 */
START_TEST(bits_flipped)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT, key = CS_BUF_INIT;
	size_t head;

	add_head(&list, 1);
	head = list.len;
	aw_string(&key, world[0].blob.data, world[0].blob.len);
	add_section(&list, 2, &key);
	for (size_t bit = 0; bit < 8 * list.len; bit++) {
		char got[NAMES + 1];

		list.data[bit / 8] ^= (char)(1 << bit % 8);
		revoked(got, list.data, list.len);
		/* versions, date, flags and comment say nothing about keys */
		if (bit / 8 < 8)
			ck_assert_str_eq(got, "!");
		else if (bit / 8 < head)
			ck_assert(!strcmp(got, "!") || !strcmp(got, "a"));
		else
			ck_assert(!strcmp(got, "!") || !*got);
		list.data[bit / 8] ^= (char)(1 << bit % 8);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attest_revoked");
	TCase *t = tcase_create("revoked keys");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_loop_test(t, made_by_ssh_keygen, 0, CS_COUNT(made));
	tcase_add_test(t, truncated);
	tcase_add_test(t, sections);
	tcase_add_test(t, bits_flipped);
	suite_add_tcase(s, t);
	return unit_run(s);
}
