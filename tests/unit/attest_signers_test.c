/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom we know: allowed_signers files, row by row against ssh-keygen. The rule: whoever is
 * accepted here is accepted there, as the same principal, in the same namespace, at the same time;
 * a row that is stricter here says so.
 */
#include "attest_world.h"

#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define REVIEW	 CS_NS_REVIEW

enum here { NOBODY = 0, ACCEPTS, CORRUPT };

/* K and L stand for two keys of which K signed; M for K's type with a key of another type. */
static const struct {
	const char *text;
	const char *ns;	  /* NULL: review */
	const char *when; /* in UTC; NULL: 2027-01-15 08:00:00 */
	enum here here;
	bool stricter; /* ssh-keygen accepts a@x */
} rows[] = {
	/* lines */
	{ "a@x K", NULL, NULL, ACCEPTS },
	{ "a@x K a comment \"with a quote", NULL, NULL, ACCEPTS },
	{ "# a comment\n\n  \n\ta@x\t K", NULL, NULL, ACCEPTS },
	{ "a@x K\r\n", NULL, NULL, ACCEPTS },
	{ "a@x K\n\n#b@x K", NULL, NULL, ACCEPTS },
	{ "\"a@x\" K", NULL, NULL, ACCEPTS },
	{ "a@x L\na@x K", NULL, NULL, ACCEPTS },
	{ "a@x L", NULL, NULL, NOBODY },
	{ "", NULL, NULL, NOBODY },
	{ "#a@x K", NULL, NULL, NOBODY },
	{ "b@x K", NULL, NULL, NOBODY },
	{ "a@x", NULL, NULL, CORRUPT },
	{ "a@x ssh-ed25519", NULL, NULL, CORRUPT },
	{ "a@x ssh-ed25519 AAAA", NULL, NULL, CORRUPT },
	{ "a@x ssh-ed25519 !!!!", NULL, NULL, CORRUPT },
	{ "a@x M", NULL, NULL, CORRUPT },
	{ "\"a@x K", NULL, NULL, CORRUPT },
	{ "K", NULL, NULL, CORRUPT },
	{ "\"\" K", NULL, NULL, CORRUPT },
	{ ",a@x K", NULL, NULL, CORRUPT, true },
	{ "a@x K\nnonsense", NULL, NULL, CORRUPT, true },
	/* principals: only what names one person */
	{ "* K", NULL, NULL, NOBODY, true },
	{ "*@x K", NULL, NULL, NOBODY, true },
	{ "?@x K", NULL, NULL, NOBODY, true },
	{ "a@x,b@x K", NULL, NULL, NOBODY, true },
	{ "!b@x,* K", NULL, NULL, NOBODY, true },
	{ "!a@x K", NULL, NULL, NOBODY },
	{ "a@x K\nb@x K", NULL, NULL, NOBODY, true },
	{ "a@x K\nb@x valid-before=\"20200101Z\" K", NULL, NULL, ACCEPTS },
	{ "a@x K\na@x K", NULL, NULL, ACCEPTS },
	{ "a@x cert-authority K", NULL, NULL, NOBODY },
	{ "a@x cert-authority K\na@x K", NULL, NULL, ACCEPTS },
	{ "a@x no-such-option K", NULL, NULL, NOBODY },
	{ "a@x no-such-option K\na@x K", NULL, NULL, ACCEPTS, false },
	/* namespaces */
	{ "a@x namespaces=\"" REVIEW "\" K", NULL, NULL, ACCEPTS },
	{ "a@x NameSpaces=\"git," REVIEW "\" K", NULL, NULL, ACCEPTS },
	{ "a@x namespaces=\"*@countersign\" K", NULL, NULL, ACCEPTS },
	{ "a@x namespaces=\"review?countersign\" K", NULL, NULL, ACCEPTS },
	{ "a@x namespaces=\"*,!review@*\" K", NULL, NULL, NOBODY },
	{ "a@x namespaces=\"!run@*,*\" K", NULL, NULL, ACCEPTS },
	{ "a@x namespaces=\"!review@*\" K", NULL, NULL, NOBODY },
	{ "a@x namespaces=\"git\" K", NULL, NULL, NOBODY },
	{ "a@x namespaces=\"git\" K", "git", NULL, ACCEPTS },
	{ "a@x namespaces=\"" REVIEW "\" K", "git", NULL, NOBODY },
	{ "a@x namespaces=\"" CS_NS_RUN "\" K", NULL, NULL, NOBODY },
	{ "a@x namespaces=\"REVIEW@countersign\" K", NULL, NULL, NOBODY },
	{ "a@x namespaces=\"revie[vw]@countersign\" K", NULL, NULL, NOBODY },
	{ "a@x namespaces=\"review\\@countersign\" K", NULL, NULL, NOBODY },
	{ "a@x namespaces=\"\" K", NULL, NULL, CORRUPT },
	{ "a@x namespaces=" REVIEW " K", NULL, NULL, CORRUPT },
	{ "a@x namespaces=\"git\",namespaces=\"" REVIEW "\" K", NULL, NULL, CORRUPT },
	{ "a@x namespaces=\"" REVIEW "\",namespaces=\"git\" K", NULL, NULL, CORRUPT },
	{ "a@x namespaces=\"git K", NULL, NULL, CORRUPT },
	{ "a@x namespaces=\"git\"" REVIEW " K", NULL, NULL, CORRUPT },
	{ "a@x namespaces=\"" REVIEW "\", K", NULL, NULL, CORRUPT },
	{ "a@x ,namespaces=\"" REVIEW "\" K", NULL, NULL, CORRUPT, true },
	{ "a@x namespaces K", NULL, NULL, CORRUPT },
	{ "a@x namespaces=\"git\\\",namespaces=\"" REVIEW "\",x=\" K", NULL, NULL, CORRUPT },
	/* times: from valid-after on, and before valid-before */
	{ "a@x valid-after=\"20270115080000Z\" K", NULL, "20270115080000", ACCEPTS },
	{ "a@x valid-after=\"20270115080000Z\" K", NULL, "20270115075959", NOBODY },
	{ "a@x valid-before=\"20270115080000Z\" K", NULL, "20270115075959", ACCEPTS },
	{ "a@x valid-before=\"20270115080000Z\" K", NULL, "20270115080000", NOBODY, true },
	{ "a@x valid-before=\"20270115080000Z\" K", NULL, "20270115080001", NOBODY },
	{ "a@x valid-after=\"202701150800Z\" K", NULL, "20270115080000", ACCEPTS },
	{ "a@x valid-after=\"202701150800Z\" K", NULL, "20270115075959", NOBODY },
	{ "a@x valid-after=\"20270115Z\" K", NULL, "20270115000000", ACCEPTS },
	{ "a@x valid-after=\"20270115Z\" K", NULL, "20270114235959", NOBODY },
	{ "a@x valid-after=\"20270115z\" K", NULL, "20270115000000", ACCEPTS },
	{ "a@x valid-after=\"20270115UTC\" K", NULL, "20270115000000", ACCEPTS },
	{ "a@x valid-after=\"20270115utc\" K", NULL, "20270114235959", NOBODY },
	/* the test's zone is two hours east of UTC in winter, three in summer */
	{ "a@x valid-after=\"20270115100000\" K", NULL, "20270115080000", ACCEPTS },
	{ "a@x valid-after=\"20270115100000\" K", NULL, "20270115075959", NOBODY },
	{ "a@x valid-after=\"20270715100000\" K", NULL, "20270715080000", ACCEPTS },
	{ "a@x valid-after=\"20270715100000\" K", NULL, "20270715075959", NOBODY },
	{ "a@x valid-before=\"20270715100000\" K", NULL, "20270715075959", ACCEPTS },
	{ "a@x valid-before=\"20270715100000\" K", NULL, "20270715080001", NOBODY },
	{ "a@x valid-before=\"20270115\" K", NULL, "20270114215959", ACCEPTS },
	{ "a@x valid-before=\"20270115\" K", NULL, "20270114220001", NOBODY },
	{ "a@x valid-after=\"20200101Z\",valid-before=\"20300101Z\" K", NULL, NULL, ACCEPTS },
	{ "a@x valid-after=\"20300101Z\",valid-before=\"20310101Z\" K", NULL, NULL, NOBODY },
	{ "a@x valid-before=\"99991231Z\" K", NULL, NULL, ACCEPTS },
	{ "a@x valid-after=\"99991231Z\" K", NULL, NULL, NOBODY },
	{ "a@x valid-before=\"20200101Z\" K\na@x K", NULL, NULL, ACCEPTS },
	{ "a@x valid-after=\"20300101Z\",valid-after=\"20200101Z\" K", NULL, NULL, CORRUPT },
	{ "a@x valid-before=\"20200101Z\",valid-before=\"20300101Z\" K", NULL, NULL, CORRUPT },
	{ "a@x valid-after=\"2020\" K", NULL, NULL, CORRUPT },
	{ "a@x valid-after=\"20201301\" K", NULL, NULL, CORRUPT },
	{ "a@x valid-after=\"20200101X\" K", NULL, NULL, CORRUPT },
	{ "a@x valid-after=\"20200101ZZ\" K", NULL, NULL, CORRUPT },
	{ "a@x valid-after=\"-0200101\" K", NULL, NULL, CORRUPT },
	{ "a@x valid-after=\"\" K", NULL, NULL, CORRUPT },
	{ "a@x valid-after K", NULL, NULL, CORRUPT },
	{ "a@x valid-after=20200101Z K", NULL, NULL, CORRUPT },
};

/* The row's text with the keys in it; the caller frees. */
static char *fill_in(const char *text, const char *k, const char *l, const char *m)
{
	struct cs_buf out = CS_BUF_INIT;
	const char *before = text;

	for (; *text; before = text++) {
		const char *key = *text == 'K' ? k : *text == 'L' ? l : *text == 'M' ? m : NULL;
		bool alone = (before == text || strchr(" \t#", *before)) &&
			     (!text[1] || strchr(" \n\r", text[1]));

		if (key && alone)
			cs_buf_adds(&out, key);
		else
			cs_buf_addc(&out, *text);
	}
	return cs_buf_take(&out);
}

static const char *when_of(size_t i)
{
	return rows[i].when ? rows[i].when : "20270115080000";
}

static int64_t to_ns(const char *digits)
{
	struct tm tm = { 0 };

	ck_assert_ptr_nonnull(strptime(digits, "%Y%m%d%H%M%S", &tm));
	return timegm(&tm) * NS_PER_S;
}

static enum here ask_ours(const char *text, const struct cs_ssh_key *key, const char *ns,
			  int64_t now_ns, struct cs_err *err)
{
	struct cs_signers *signers = NULL;
	const char *principal = NULL;
	enum here here = NOBODY;
	int rc = cs_signers_parse(&signers, "file", text, strlen(text), err);

	if (rc < 0) {
		ck_assert_ptr_null(signers);
		return rc == CS_CORRUPT ? CORRUPT : NOBODY;
	}
	rc = cs_signers_find(&principal, signers, key, ns, now_ns, err);
	ck_assert(rc == 0 || (rc == CS_REFUSED && !principal));
	if (rc == 0 && !strcmp(principal, "a@x"))
		here = ACCEPTS;
	cs_signers_free(signers);
	return here;
}

/* y or n a row: is a@x's signature good? */
static char *ask_ssh_keygen(void)
{
	return fx_output("while read -r i ns when; do ssh-keygen -Y verify -f $i.signers -I a@x "
			 "-n $ns -O verify-time=${when}Z -s $ns.sig <message >/dev/null 2>&1 && "
			 "printf y || printf n; done <rows");
}

START_TEST(as_ssh_keygen_has_it)
{
	static const char *const namespaces[] = { REVIEW, "git" };
	struct aw_key k = aw_key_new(AW_ED25519), l = aw_key_new(AW_ED25519);
	struct cs_ssh_key shown = aw_shown(&k);
	AUTO_FREE char *pub_k = aw_public(&k), *pub_l = aw_public(&l);
	AUTO_FREE char *pub_m = cs_asprintf("ssh-rsa%s", strchr(pub_k, ' '));
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	AUTO_FREE char *there = NULL;

	setenv("TZ", "EET-2EEST,M3.5.0/3,M10.5.0/4", 1);
	tzset();
	aw_put("message", "hello", 5);
	for (size_t i = 0; i < CS_COUNT(namespaces); i++) {
		const struct aw_how how = { .ns = namespaces[i] };
		AUTO_FREE char *path = cs_asprintf("%s.sig", namespaces[i]);
		AUTO_BUF struct cs_buf sig = CS_BUF_INIT;

		aw_sign(&sig, &k, "hello", 5, &how);
		aw_put_armored(path, &sig);
	}
	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		AUTO_FREE char *text = fill_in(rows[i].text, pub_k, pub_l, pub_m);
		AUTO_FREE char *path = cs_asprintf("%zu.signers", i);

		aw_put(path, text, strlen(text));
		cs_buf_addf(&list, "%zu %s %s\n", i, rows[i].ns ? rows[i].ns : REVIEW, when_of(i));
	}
	aw_put("rows", list.data, list.len);
	there = ask_ssh_keygen();
	ck_assert_uint_eq(strlen(there), CS_COUNT(rows));
	for (size_t i = 0; i < CS_COUNT(rows); i++) {
		AUTO_FREE char *text = fill_in(rows[i].text, pub_k, pub_l, pub_m);
		struct cs_err err = CS_ERR_INIT;
		enum here here = ask_ours(text, &shown, rows[i].ns ? rows[i].ns : REVIEW,
					  to_ns(when_of(i)), &err);
		bool wanted = rows[i].here == ACCEPTS || rows[i].stricter;

		ck_assert_msg(here == rows[i].here, "row %zu: %s: %d, %s", i, rows[i].text, here,
			      err.msg);
		ck_assert_msg(wanted == (there[i] == 'y'), "row %zu: %s: ssh-keygen says %c", i,
			      rows[i].text, there[i]);
	}
	cs_ssh_key_release(&shown);
	aw_key_release(&k);
	aw_key_release(&l);
}
END_TEST

/* Errors say where; what is set aside says why. */
START_TEST(explained)
{
	static const struct {
		const char *text, *says;
	} lines[] = {
		{ "a@x L\n\na@x K nonsense\nb@x", "file:4: " },
		{ "a@x L\n* K", "file:2 does not count: its principal is a pattern" },
		{ "a@x cert-authority K", "it names a certificate authority" },
		{ "a@x new-thing K", "it has an unknown option" },
		{ "a@x namespaces=\"git\" K", "it is not for this namespace" },
		{ "a@x valid-before=\"20000101Z\" K", "it has expired" },
		{ "a@x valid-after=\"20990101Z\" K", "it is not valid yet" },
		{ "a@x K\nb@x L\nb@x K", "stands under two principals: file:1 and 3" },
		{ "a@x L", "is not in file" },
	};
	struct aw_key k = aw_key_new(AW_ED25519), l = aw_key_new(AW_SK_ED25519);
	struct cs_ssh_key shown = aw_shown(&k);
	AUTO_FREE char *pub_k = aw_public(&k), *pub_l = aw_public(&l);

	for (size_t i = 0; i < CS_COUNT(lines); i++) {
		AUTO_FREE char *text = fill_in(lines[i].text, pub_k, pub_l, pub_l);
		struct cs_err err = CS_ERR_INIT;

		ck_assert_int_ne(ask_ours(text, &shown, REVIEW, to_ns("20270115080000"), &err),
				 ACCEPTS);
		ck_assert_msg(strstr(err.msg, lines[i].says), "%s: %s", lines[i].text, err.msg);
	}
	cs_ssh_key_release(&shown);
	aw_key_release(&k);
	aw_key_release(&l);
}
END_TEST

/* Every kind of key is found as itself, and no other kind in its place. */
START_TEST(every_kind)
{
	struct aw_key key = aw_key_new((enum aw_kind)_i), other = aw_key_new((enum aw_kind)_i);
	struct cs_ssh_key shown = aw_shown(&key), another = aw_shown(&other);
	AUTO_FREE char *pub = aw_public(&key);
	AUTO_FREE char *text = cs_asprintf("a@x %s\n", pub);
	struct cs_err err = CS_ERR_INIT;

	ck_assert_int_eq(ask_ours(text, &shown, REVIEW, NS_PER_S, &err), ACCEPTS);
	ck_assert_int_eq(ask_ours(text, &another, REVIEW, NS_PER_S, &err), NOBODY);
	/* A key without bytes is nobody's. */
	cs_ssh_key_release(&shown);
	ck_assert_int_eq(ask_ours(text, &shown, REVIEW, NS_PER_S, &err), NOBODY);
	cs_ssh_key_release(&another);
	aw_key_release(&key);
	aw_key_release(&other);
}
END_TEST

/* Keys that cannot sign here are set aside, and the others still count. */
START_TEST(keys_that_are_too_weak_or_unknown)
{
	struct aw_key weak = aw_key_of(AW_RSA, 1024, ""),
		      web = aw_key_of(AW_SK_ECDSA, 0, "https://x");
	struct aw_key good = aw_key_new(AW_ED25519);
	struct cs_ssh_key shown = aw_shown(&good);
	AUTO_FREE char *pub = aw_public(&good), *pub_weak = aw_public(&weak),
		       *pub_web = aw_public(&web);
	AUTO_FREE char *dss = cs_asprintf("c@x ssh-dss AAAAB3NzaC1kc3M=\na@x %s\n", pub);
	AUTO_FREE char *rsa = cs_asprintf("c@x %s\na@x %s\n", pub_weak, pub);
	AUTO_FREE char *sk = cs_asprintf("c@x %s\na@x %s\n", pub_web, pub);
	struct cs_err err = CS_ERR_INIT;

	ck_assert_int_eq(ask_ours(dss, &shown, REVIEW, NS_PER_S, &err), ACCEPTS);
	ck_assert_int_eq(ask_ours(rsa, &shown, REVIEW, NS_PER_S, &err), ACCEPTS);
	ck_assert_int_eq(ask_ours(sk, &shown, REVIEW, NS_PER_S, &err), ACCEPTS);
	cs_ssh_key_release(&shown);
	aw_key_release(&weak);
	aw_key_release(&web);
	aw_key_release(&good);
}
END_TEST

/* However many lines, and whatever their order. */
START_TEST(many_lines)
{
	enum { LINES = 10000 };
	struct aw_key k = aw_key_new(AW_ED25519);
	struct cs_ssh_key shown = aw_shown(&k);
	AUTO_FREE char *pub = aw_public(&k);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	struct cs_signers *signers = NULL;
	struct cs_err err = CS_ERR_INIT;

	for (int i = 0; i < LINES; i++)
		cs_buf_addf(&text, "a@x namespaces=\"n%d\" %s\n", i, pub);
	ck_assert_int_eq(ask_ours(text.data, &shown, "n9999", NS_PER_S, &err), ACCEPTS);
	ck_assert_int_eq(ask_ours(text.data, &shown, "n0", NS_PER_S, &err), ACCEPTS);
	ck_assert_int_eq(ask_ours(text.data, &shown, "n10000", NS_PER_S, &err), NOBODY);
	cs_buf_addf(&text, "a@x %s\n", pub);
	ck_assert_int_eq(cs_signers_parse(&signers, "file", text.data, text.len, &err), CS_LIMIT);
	cs_buf_truncate(&text, 10);
	cs_buf_addc(&text, '\0');
	ck_assert_int_eq(cs_signers_parse(&signers, "file", text.data, text.len, &err), CS_CORRUPT);
	cs_ssh_key_release(&shown);
	aw_key_release(&k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attest_signers");
	TCase *t = tcase_create("allowed_signers");

	tcase_add_checked_fixture(t, fx_setup, fx_teardown);
	tcase_set_timeout(t, FX_TIMEOUT_S);
	tcase_add_test(t, as_ssh_keygen_has_it);
	tcase_add_test(t, explained);
	tcase_add_loop_test(t, every_kind, 0, AW_KINDS);
	tcase_add_test(t, keys_that_are_too_weak_or_unknown);
	tcase_add_test(t, many_lines);
	suite_add_tcase(s, t);
	return unit_run(s);
}
