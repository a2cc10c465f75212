/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DSSE envelopes (https://github.com/secure-systems-lab/dsse, v1.0.2): one JSON object a line. The
 * signature is over the pre-authentication encoding of the decoded payload, and these very bytes
 * are what is read afterwards: nothing is parsed before its signature is known but the envelope.
 */
#include "countersign/attest.h"

#include <string.h>

void cs_envelope_init(struct cs_envelope *e)
{
	*e = (struct cs_envelope){ .payload = CS_BUF_INIT };
	for (size_t i = 0; i < CS_ENVELOPE_SIGS; i++)
		e->sigs[i].sig = (struct cs_buf)CS_BUF_INIT;
}

void cs_envelope_release(struct cs_envelope *e)
{
	for (size_t i = 0; i < CS_ENVELOPE_SIGS; i++) {
		free(e->sigs[i].keyid);
		cs_buf_release(&e->sigs[i].sig);
	}
	free(e->payload_type);
	cs_buf_release(&e->payload);
	cs_envelope_init(e);
}

void cs_dsse_pae(struct cs_buf *out, const char *type, const void *body, size_t len)
{
	cs_buf_addf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
	cs_buf_add(out, body, len);
}

/* ---- reading ---- */

static int get_base64(struct cs_buf *out, const cJSON *obj, const char *key, struct cs_err *err)
{
	AUTO_FREE char *text = NULL;

	if (!cs_json_str(obj, key, NULL))
		return cs_err_set(err, CS_CORRUPT, "envelope without %s", key);
	text = cs_strdup(cs_json_str(obj, key, NULL));
	/* The URL-safe alphabet is as good. */
	for (char *p = text; *p; p++)
		*p = (char)(*p == '-' ? '+' : *p == '_' ? '/' : *p);
	if (cs_base64_decode(out, text, strlen(text)) < 0)
		return cs_err_set(err, CS_CORRUPT, "envelope: %s is not base64", key);
	return 0;
}

static int get_signatures(struct cs_envelope *e, const cJSON *root, struct cs_err *err)
{
	const cJSON *array = cJSON_GetObjectItemCaseSensitive(root, "signatures");

	if (!cJSON_IsArray(array) || !array->child)
		return cs_err_set(err, CS_CORRUPT, "envelope without a signature");
	for (const cJSON *item = array->child; item; item = item->next) {
		struct cs_envelope_sig *sig = &e->sigs[e->n_sigs];
		int rc;

		if (e->n_sigs == CS_ENVELOPE_SIGS)
			return cs_err_set(err, CS_LIMIT, "envelope with more than %d signatures",
					  CS_ENVELOPE_SIGS);
		e->n_sigs++;
		sig->keyid = cs_strdup(cs_json_str(item, "keyid", ""));
		rc = get_base64(&sig->sig, item, "sig", err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cs_envelope_parse(struct cs_envelope *out, const char *line, size_t len, struct cs_err *err)
{
	AUTO_JSON cJSON *root = NULL;
	const char *type;
	int rc;

	cs_envelope_release(out);
	if (len > CS_ENVELOPE_MAX)
		return cs_err_set(err, CS_LIMIT, "envelope of %zu bytes", len);
	rc = cs_json_parse(&root, line, len, err);
	if (rc < 0)
		return cs_err_wrap(err, "envelope");
	type = cs_json_str(root, "payloadType", NULL);
	if (!type)
		return cs_err_set(err, CS_CORRUPT, "envelope without payloadType");
	out->payload_type = cs_strdup(type);
	rc = get_base64(&out->payload, root, "payload", err);
	return rc < 0 ? rc : get_signatures(out, root, err);
}

/* ---- writing ---- */

static void add_base64(cJSON *obj, const char *key, const struct cs_buf *bytes)
{
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;

	cs_base64_encode(&text, bytes->data, bytes->len);
	cs_json_add_str(obj, key, text.data);
}

void cs_envelope_format(struct cs_buf *out, const struct cs_envelope *e)
{
	AUTO_JSON cJSON *root = cJSON_CreateObject();
	cJSON *array = cJSON_CreateArray();

	add_base64(root, "payload", &e->payload);
	cs_json_add_str(root, "payloadType", e->payload_type);
	cs_json_add(root, "signatures", array);
	for (size_t i = 0; i < e->n_sigs; i++) {
		cJSON *item = cJSON_CreateObject();

		cs_json_add_str(item, "keyid", e->sigs[i].keyid);
		add_base64(item, "sig", &e->sigs[i].sig);
		cJSON_AddItemToArray(array, item);
	}
	cs_json_print(out, root, false);
	cs_buf_addc(out, '\n');
}
