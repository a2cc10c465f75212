/* SPDX-License-Identifier: Apache-2.0 */
/* Escaped text shows: no hidden character is left, and none of HTML's or Markdown's own. */
#include <stdlib.h>
#include "countersign/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must_show(const struct cs_buf *b, const char *also, const char *never)
{
	for (size_t i = 0; i < b->len;) {
		uint32_t cp = 0;
		size_t n = cs_utf8_decode(&cp, b->data + i, b->len - i);

		if (!n || (cs_hidden_char(cp) && (cp > 0x7f || !cp || !strchr(also, (int)cp))))
			abort();
		if (cp && cp < 0x80 && strchr(never, (int)cp))
			abort();
		i += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_BUF struct cs_buf line = CS_BUF_INIT;
	AUTO_BUF struct cs_buf text = CS_BUF_INIT;
	AUTO_BUF struct cs_buf html = CS_BUF_INIT;
	AUTO_BUF struct cs_buf markdown = CS_BUF_INIT;

	cs_escape_terminal(&line, data, len, CS_ESCAPE_LINE);
	must_show(&line, "", "");
	cs_escape_terminal(&text, data, len, CS_ESCAPE_TEXT);
	must_show(&text, "\n\t", "");
	cs_escape_html(&html, data, len);
	must_show(&html, "\n\t", "<>\"'");
	cs_escape_markdown(&markdown, data, len);
	must_show(&markdown, "", "<>\"'`*_[]()|\\@:!");
	return 0;
}
