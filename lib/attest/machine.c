/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's own key: an OpenSSH ed25519 key without a passphrase (OpenSSH's PROTOCOL.key), made
 * on first use. No ssh-keygen: the end of a run costs no process, and users without an account in
 * passwd, whom it turns away, run agents too. It says
 * "this run happened here", never that a human looked; it proves that only where it is listed.
 */
#include "sign.h"
#include "sshsig.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_FILE   "machine_key"
#define KEY_TYPE   "ssh-ed25519"
#define COMMENT	   "countersign machine key"
#define AUTH_MAGIC "openssh-key-v1"
#define MAX_FILE   (16 << 10)
#define SEED_LEN   32
#define SIG_LEN	   64
#define BLOCK	   8  /* of the cipher "none" */
#define LINE_LEN   70 /* of the armor */

struct machine_key {
	struct cs_buf public_key; /* wire format */
	uint8_t seed[SEED_LEN];
};

static void machine_key_release(struct machine_key *k)
{
	cs_buf_release(&k->public_key);
	OPENSSL_cleanse(k->seed, sizeof(k->seed));
}

/* ---- making ---- */

static bool new_pair(uint8_t seed[SEED_LEN], uint8_t point[SEED_LEN])
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t seed_len = SEED_LEN, point_len = SEED_LEN;
	const bool good = pkey && EVP_PKEY_get_raw_private_key(pkey, seed, &seed_len) == 1 &&
			  EVP_PKEY_get_raw_public_key(pkey, point, &point_len) == 1;

	EVP_PKEY_free(pkey);
	return good;
}

/* The private part: both halves and a comment, padded with 1, 2, 3... to whole blocks. */
static void private_part(struct cs_buf *out, const uint8_t seed[SEED_LEN],
			 const uint8_t point[SEED_LEN])
{
	uint8_t pair[2 * SEED_LEN];
	uint32_t check;

	memcpy(pair, seed, SEED_LEN);
	memcpy(pair + SEED_LEN, point, SEED_LEN);
	cs_random(&check, sizeof(check));
	wire_add_u32(out, check);
	wire_add_u32(out, check);
	wire_add_string(out, KEY_TYPE, strlen(KEY_TYPE));
	wire_add_string(out, point, SEED_LEN);
	wire_add_string(out, pair, sizeof(pair));
	wire_add_string(out, COMMENT, strlen(COMMENT));
	for (char pad = 1; out->len % BLOCK; pad++)
		cs_buf_addc(out, pad);
	OPENSSL_cleanse(pair, sizeof(pair));
}

static void armor(struct cs_buf *out, const struct cs_buf *bytes)
{
	AUTO_BUF struct cs_buf base64 = CS_BUF_INIT;

	cs_base64_encode(&base64, bytes->data, bytes->len);
	cs_buf_adds(out, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (size_t at = 0; at < base64.len; at += LINE_LEN)
		cs_buf_addf(out, "%.*s\n", LINE_LEN, base64.data + at);
	cs_buf_adds(out, "-----END OPENSSH PRIVATE KEY-----\n");
	OPENSSL_cleanse(base64.data, base64.len);
}

/* The file as ssh-keygen writes it. */
static int new_key(struct cs_buf *text, struct cs_err *err)
{
	AUTO_BUF struct cs_buf bytes = CS_BUF_INIT;
	AUTO_BUF struct cs_buf secret = CS_BUF_INIT;
	AUTO_BUF struct cs_buf public_key = CS_BUF_INIT;
	uint8_t seed[SEED_LEN], point[SEED_LEN];

	if (!new_pair(seed, point))
		return cs_err_set(err, CS_MALFUNCTION, "libcrypto could not make a key");
	wire_add_string(&public_key, KEY_TYPE, strlen(KEY_TYPE));
	wire_add_string(&public_key, point, sizeof(point));
	private_part(&secret, seed, point);
	cs_buf_add(&bytes, AUTH_MAGIC, sizeof(AUTH_MAGIC));
	wire_add_string(&bytes, "none", 4);
	wire_add_string(&bytes, "none", 4);
	wire_add_string(&bytes, "", 0);
	wire_add_u32(&bytes, 1);
	wire_add_string(&bytes, public_key.data, public_key.len);
	wire_add_string(&bytes, secret.data, secret.len);
	armor(text, &bytes);
	OPENSSL_cleanse(seed, sizeof(seed));
	OPENSSL_cleanse(secret.data, secret.len);
	OPENSSL_cleanse(bytes.data, bytes.len);
	return 0;
}

static int sync_file(const char *path, struct cs_err *err)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? cs_err_sys(err, "sync %s", path) : 0;
}

/*
 * Under a name of its own, on the disk, then linked into place: whoever comes first has made it,
 * and a power cut leaves a whole key or none.
 */
static int make_key(const char *dir, const char *path, struct cs_err *err)
{
	uint64_t r;
	AUTO_FREE char *temp = NULL;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	int rc = new_key(&text, err);

	cs_random(&r, sizeof(r));
	temp = cs_asprintf("%s/.machine_key-%016llx", dir, (unsigned long long)r);
	if (rc == 0)
		rc = cs_write_file(AT_FDCWD, temp, text.data, text.len, 0600, err);
	OPENSSL_cleanse(text.data, text.len);
	if (rc < 0)
		return rc;
	rc = sync_file(temp, err);
	if (rc == 0 && link(temp, path) < 0 && errno != EEXIST)
		rc = cs_err_sys(err, "link %s", path);
	unlink(temp); /* what stays behind is a key that nobody uses, and nobody else may read */
	return rc;
}

/* ---- reading ---- */

static int bad_key(const char *path, struct cs_err *err)
{
	return cs_err_set(err, CS_CORRUPT,
			  "%s is not an ed25519 key without a passphrase; remove it to have a new "
			  "one made",
			  path);
}

static bool parse_key(struct machine_key *out, const struct cs_buf *bytes)
{
	struct wire w = { (const uint8_t *)bytes->data, bytes->len, false };
	struct wire_string magic = wire_bytes(&w, sizeof(AUTH_MAGIC));
	struct wire_string public_key, private_part, pair;
	uint32_t check;

	wire_expect(&w, "none"); /* cipher */
	wire_expect(&w, "none"); /* key derivation */
	wire_expect(&w, "");
	if (wire_u32(&w) != 1)
		return false;
	public_key = wire_string(&w);
	private_part = wire_string(&w);
	if (!wire_done(&w) || memcmp(magic.p, AUTH_MAGIC, sizeof(AUTH_MAGIC)) != 0)
		return false;
	w = (struct wire){ private_part.p, private_part.len, false };
	check = wire_u32(&w);
	if (wire_u32(&w) != check)
		return false;
	wire_expect(&w, KEY_TYPE);
	wire_string(&w); /* the public half again */
	pair = wire_string(&w);
	if (w.bad || pair.len != 2 * (size_t)SEED_LEN)
		return false;
	cs_buf_add(&out->public_key, public_key.p, public_key.len);
	memcpy(out->seed, pair.p, SEED_LEN);
	return true;
}

/* Ours, and nobody else's to read. CS_NOTFOUND: there is none. */
static int read_key(struct machine_key *out, const char *path, struct cs_err *err)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf bytes = CS_BUF_INIT;
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	bool good;
	int rc;

	if (fd < 0 && errno == ENOENT)
		return cs_err_set(err, CS_NOTFOUND, "no %s", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return cs_err_sys(err, "open %s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return cs_err_set(err, CS_REFUSED, "%s may be read or owned by others", path);
	rc = cs_read_fd(&text, fd, MAX_FILE, err);
	if (rc < 0)
		return cs_err_wrap(err, "%s", path);
	good = attest_dearmor(&bytes, text.data, "OPENSSH PRIVATE KEY") && parse_key(out, &bytes);
	OPENSSL_cleanse(text.data, text.len);
	OPENSSL_cleanse(bytes.data, bytes.len);
	return good ? 0 : bad_key(path, err);
}

/* As mkdir -p, links followed: it is the operator's own HOME. */
static int make_directories(const char *dir, struct cs_err *err)
{
	AUTO_FREE char *path = cs_strdup(dir);

	for (char *p = path + 1; p[-1]; p++) {
		char was = *p;

		if (was && was != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return cs_err_sys(err, "make directory %s", path);
		*p = was;
		if (!was)
			break;
	}
	return 0;
}

static int get_or_make(struct machine_key *out, const char *dir, const char *path,
		       struct cs_err *err)
{
	struct cs_err missing = CS_ERR_INIT;
	int rc = read_key(out, path, &missing);

	if (rc == 0)
		return 0;
	if (rc != CS_NOTFOUND)
		return cs_err_set(err, rc, "%s", missing.msg);
	rc = make_directories(dir, err);
	if (rc == 0)
		rc = make_key(dir, path, err);
	return rc < 0 ? rc : read_key(out, path, err);
}

/*
 * The public half beside it, for people who want to list the machine. Whoever was killed before
 * has not written it; it is the same bytes whoever does. Without it the key signs as well: no
 * failure here is one.
 */
static void show_public(const struct machine_key *key, const char *path)
{
	AUTO_FREE char *pub = cs_asprintf("%s.pub", path);
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	if (access(pub, F_OK) == 0)
		return;
	cs_buf_adds(&text, KEY_TYPE " ");
	cs_base64_encode(&text, key->public_key.data, key->public_key.len);
	cs_buf_adds(&text, " " COMMENT "\n");
	(void)!cs_write_file(AT_FDCWD, pub, text.data, text.len, 0644, NULL);
}

static int get_key(struct machine_key *out, const char *dir, struct cs_err *err)
{
	AUTO_FREE char *path = cs_asprintf("%s/%s", dir, KEY_FILE);
	int rc = get_or_make(out, dir, path, err);

	if (rc == 0)
		show_public(out, path);
	return rc;
}

/* ---- signing ---- */

static int sign_bytes(uint8_t sig[SIG_LEN], const struct machine_key *key,
		      const struct cs_buf *bytes, struct cs_err *err)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->seed, SEED_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = SIG_LEN;
	bool good = pkey && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		    EVP_DigestSign(ctx, sig, &len, (const unsigned char *)bytes->data,
				   bytes->len) == 1 &&
		    len == SIG_LEN;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return good ? 0 : cs_err_set(err, CS_MALFUNCTION, "libcrypto could not sign");
}

static int sign_message(struct cs_buf *out, const struct machine_key *key,
			const struct cs_buf *message, struct cs_err *err)
{
	static const struct wire_string hash = { (const uint8_t *)"sha512", 6 };
	AUTO_BUF struct cs_buf bytes = CS_BUF_INIT;
	AUTO_BUF struct cs_buf signature = CS_BUF_INIT;
	uint8_t sig[SIG_LEN];
	int rc = sshsig_signed_bytes(&bytes, CS_NS_RUN, hash, message->data, message->len, err);

	if (rc == 0)
		rc = sign_bytes(sig, key, &bytes, err);
	if (rc < 0)
		return rc;
	wire_add_string(&signature, KEY_TYPE, strlen(KEY_TYPE));
	wire_add_string(&signature, sig, sizeof(sig));
	sshsig_blob(out, &key->public_key, CS_NS_RUN, "sha512", &signature);
	return 0;
}

int cs_attest_sign_machine(struct cs_buf *line, const char *statement, size_t len, const char *dir,
			   struct cs_err *err)
{
	struct machine_key key = { .public_key = CS_BUF_INIT };
	AUTO_BUF struct cs_buf pae = CS_BUF_INIT;
	AUTO_BUF struct cs_buf sig = CS_BUF_INIT;
	int rc = get_key(&key, dir, err);

	cs_dsse_pae(&pae, CS_IN_TOTO_TYPE, statement, len);
	if (rc == 0)
		rc = sign_message(&sig, &key, &pae, err);
	machine_key_release(&key);
	return rc < 0 ? rc : attest_seal(line, statement, len, CS_NS_RUN, &sig, &pae, err);
}
