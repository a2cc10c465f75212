/* SPDX-License-Identifier: Apache-2.0 */
#include "countersign/base/terminal.h"

#include "countersign/base.h"
#include "random.h"
#include "unit.h"

#define TEXT(s) s, sizeof(s) - 1
#define SAME	NULL
#define FFFD	"\xef\xbf\xbd"

/* clang-format off */
static const struct {
	const char *name;
	const char *in;
	size_t len;
	const char *out; /* SAME: passes as it is */
} rows[] = {
	{ "text", TEXT("a b~\\\r\n\t\b\a\v\f"), SAME },
	{ "UTF-8", TEXT("\xc3\xa4\xe2\x94\x80\xf0\x9f\x98\x80\xe2\x80\x8d"), SAME },
	{ "shifts", TEXT("\016x\017"), SAME },
	{ "NUL", TEXT("a\0b"), "ab" },
	{ "ENQ: answerback", TEXT("a\005b"), "ab" },
	{ "XON, XOFF", TEXT("a\021\023b"), "ab" },
	{ "CAN, SUB, DEL", TEXT("a\030\032\177b"), "ab" },
	/* invalid, and C1 */
	{ "C1 byte", TEXT("\x9b" "2J"), FFFD "2J" },
	{ "C1 as UTF-8", TEXT("\xc2\x9b" "2J"), FFFD "2J" },
	{ "C1 as UTF-8, string", TEXT("\xc2\x9d" "52;c;eA==\a"), FFFD "52;c;eA==\a" },
	{ "overlong escape", TEXT("\xc1\x9b\xe0\x80\x9b"), FFFD FFFD FFFD },
	{ "surrogate", TEXT("\xed\xa0\x80"), FFFD },
	{ "too large", TEXT("\xf4\x90\x80\x80\xf5"), FFFD FFFD },
	{ "cut by ASCII", TEXT("\xe2\x94z"), FFFD "z" },
	{ "cut by ESC", TEXT("\xe2\x94\033[m"), FFFD "\033[m" },
	{ "cut by the end", TEXT("\xe2\x94"), FFFD },
	{ "stray", TEXT("\x80\xff"), FFFD FFFD },
	/* ESC and one character */
	{ "DECSC, DECRC", TEXT("\0337\0338"), SAME },
	{ "IND, NEL, RI", TEXT("\033D\033E\033M"), SAME },
	{ "keypad", TEXT("\033=\033>"), SAME },
	{ "line drawing", TEXT("\033(0\033(B\033)0\033)B"), SAME },
	{ "other character set", TEXT("a\033(Ab\033*0c\033-Ad"), "abcd" },
	{ "full reset", TEXT("a\033cb"), "ab" },
	{ "tab stops", TEXT("a\033Hb\033[gc\033[3gd"), "abcd" },
	{ "old DA", TEXT("a\033Zb"), "ab" },
	{ "single shifts", TEXT("a\033Nb\033Oc"), "abc" },
	{ "leave UTF-8", TEXT("a\033%@b\033%Gc"), "abc" },
	{ "C1 in answers", TEXT("a\033 Gb\033 Fc"), "abc" },
	{ "double height, alignment", TEXT("a\033#3b\033#8c"), "abc" },
	{ "lone ST", TEXT("a\033\\b"), "ab" },
	{ "ESC at the end", TEXT("a\033"), "a\\e" },
	{ "ESC ESC", TEXT("\033\033[m"), "\033[m" },
	{ "ESC and a C1 byte", TEXT("\033\x9b" "0c"), "\\e" FFFD "0c" },
	/* control sequences */
	{ "cursor", TEXT("\033[A\033[2B\033[3C\033[4D\033[E\033[F\033[G\033[1;2H\033[5d\033[e\033[1;1f\033[`\033[a"), SAME },
	{ "erase", TEXT("\033[J\033[0J\033[1J\033[2J\033[K\033[2K\033[X"), SAME },
	{ "scrollback", TEXT("a\033[3Jb"), "ab" },
	{ "insert, delete", TEXT("\033[@\033[L\033[M\033[P\033[4h\033[4l\033[5b"), SAME },
	{ "scroll", TEXT("\033[2S\033[2T\033[3;10r\033[r"), SAME },
	{ "highlight tracking", TEXT("a\033[1;2;3;4;5Tb"), "ab" },
	{ "SGR", TEXT("\033[m\033[1;38;2;1;2;3m\033[4:3m\033[58:2::255:0:0m\033[0m"), SAME },
	{ "tabs", TEXT("\033[I\033[Z"), SAME },
	{ "saved cursor", TEXT("\033[s\033[u"), SAME },
	{ "margins", TEXT("a\033[1;10sb"), "ab" },
	{ "soft reset", TEXT("\033[!p"), SAME },
	{ "cursor shape", TEXT("\033[ q\033[0 q\033[6 q"), SAME },
	{ "no cursor shape", TEXT("a\033[7 qb"), "ab" },
	{ "new line mode", TEXT("a\033[20hb"), "ab" },
	{ "media copy", TEXT("a\033[ib\033[5ic\033[?5id"), "abcd" },
	{ "title report", TEXT("a\033[21tb\033[20tc"), "abc" },
	{ "window", TEXT("a\033[1t\033[2t\033[3;0;0t\033[8;9;9t\033[9;1t\033[22;0t\033[23;0tb"), "ab" },
	{ "window reports", TEXT("a\033[11t\033[13t\033[15t\033[19tb"), "ab" },
	{ "sizes", TEXT("\033[14t\033[16t\033[18t"), SAME },
	{ "size of the window", TEXT("a\033[14;2tb"), "ab" },
	{ "title modes", TEXT("a\033[>2tb"), "ab" },
	{ "LEDs", TEXT("a\033[1qb"), "ab" },
	{ "terminal parameters", TEXT("a\033[xb"), "ab" },
	{ "conformance", TEXT("a\033[62;0\"pb"), "ab" },
	{ "protection", TEXT("a\033[1\"qb"), "ab" },
	{ "rectangles", TEXT("a\033[65;1;1;9;9$xb\033[1;1;2;2;1;5;5;1$vc"), "abc" },
	{ "checksum of the screen", TEXT("a\033[1;1;1;1;9;9*yb"), "ab" },
	{ "macro", TEXT("a\033[1*zb"), "ab" },
	{ "state reports", TEXT("a\033[1$wb\033[1$uc"), "abc" },
	{ "stacks", TEXT("a\033[#{b\033[#}c\033[#Pd"), "abcd" },
	{ "locator", TEXT("a\033[1'zb\033['|c"), "abc" },
	{ "pointer, shift", TEXT("a\033[>1pb\033[>1sc"), "abc" },
	/* questions */
	{ "DA1, DA2, XTVERSION", TEXT("\033[c\033[0c\033[>c\033[>0q\033[>q"), SAME },
	{ "DA3", TEXT("a\033[=cb"), "ab" },
	{ "an answer", TEXT("a\033[?62;4cb\033[1;1Rc"), "abc" },
	{ "DSR", TEXT("\033[6n\033[?6n\033[?996n"), SAME },
	{ "other DSR", TEXT("a\033[5n\033[?15nb\033[?25nc\033[0nd\033[nf\033[?ng"), "abcdfg" },
	{ "DECRQM", TEXT("\033[?2026$p\033[?2027$p"), SAME },
	{ "kitty question", TEXT("\033[?u"), SAME },
	{ "colours", TEXT("\033]10;?\a\033]11;?\033\\\033]4;255;?\a"), SAME },
	/* private modes */
	{ "modes", TEXT("\033[?1h\033[?25l\033[?25h\033[?1049h\033[?2004h\033[?1000;1006h\033[?2026l"), SAME },
	{ "a list with others", TEXT("\033[?1049;9001;25;3h"), "\033[?1049;25h" },
	{ "only others", TEXT("a\033[?3h\033[?2l\033[?9h\033[?1001h\033[?1007h\033[?1048h\033[?9001h\033[?80hb"), "ab" },
	{ "save and restore modes", TEXT("a\033[?1sb\033[?1rc"), "abc" },
	/* keys */
	{ "kitty", TEXT("\033[>1u\033[=5;1u\033[<1u"), SAME },
	{ "kitty, both screens", TEXT("\033[>1u\033[?1049h\033[>3u\033[<1u\033[?1049l\033[<1u"), "\033[>1u\033[?1049h\033[>3u\033[<1u\033[?1049l\033[<1u" },
	{ "the shell's keys popped", TEXT("a\033[<ub\033[<9uc"), "abc" },
	{ "one popped", TEXT("\033[>1u\033[<u"), "\033[>1u\033[<1u" },
	{ "more popped than pushed", TEXT("\033[>1u\033[<9u"), "\033[>1u\033[<1u" },
	{ "the shell's keys set", TEXT("a\033[=1ub"), "ab" },
	{ "flags from the future", TEXT("a\033[>32ub"), "ab" },
	{ "other keys", TEXT("\033[>4;2m\033[>4m"), SAME },
	{ "other resources", TEXT("a\033[>1;2mb\033[>mc"), "abc" },
	/* strings */
	{ "title", TEXT("a\033]0;x\ab\033]1;x\ac\033]2;x\033\\d"), "abcd" },
	{ "clipboard", TEXT("a\033]52;c;eA==\ab\033]52;c;?\033\\c"), "abc" },
	{ "link: the text stays", TEXT("\033]8;;http://a\033\\text\033]8;;\033\\"), "text" },
	{ "directory, notifications, files", TEXT("a\033]7;file://h/\a\033]9;x\a\033]777;notify;x;y\a\033]1337;File=:eA==\a\033]99;;x\033\\b"), "ab" },
	{ "prompt marks, pointer", TEXT("a\033]133;A\ab\033]22;x\ac"), "abc" },
	{ "colours set", TEXT("a\033]10;#fff\ab\033]11;#fff\ac\033]4;1;#fff\ad\033]104\a\033]110\ae"), "abcde" },
	{ "a question and a colour", TEXT("a\033]4;1;?;2;#fff\ab\033]10;?;#fff\ac\033]4;;?\ad\033]4;1111;?\ae"), "abcde" },
	{ "cursor colour", TEXT("a\033]12;?\ab"), "ab" },
	{ "palette of the console", TEXT("a\033]P0ff0000\ab"), "ab" },
	{ "DECRQSS, XTGETTCAP", TEXT("a\033P$qm\033\\b\033P+q544e\033\\c"), "abc" },
	{ "sixel", TEXT("a\033Pq#0;2;0;0;0~-\n~\033\\b"), "ab" },
	{ "user-defined keys", TEXT("a\033P0;1|17/78\033\\b"), "ab" },
	{ "APC, kitty image", TEXT("a\033_Gi=1,a=q;AAAA\033\\b"), "ab" },
	{ "PM, SOS", TEXT("a\033^x\033\\b\033Xy\033\\c"), "abc" },
	{ "title of screen", TEXT("a\033kx\033\\b"), "ab" },
	{ "BEL does not end APC", TEXT("a\033_x\a\033[5i\033\\b"), "ab" },
	{ "a string in a string", TEXT("a\033]0;\033]52;c;x\ab"), "ab" },
	{ "a string cut by a sequence", TEXT("a\033]0;x\033[mb"), "a\033[mb" },
	{ "a string cut by CAN, SUB", TEXT("a\033]0;x\030b\033Px\032c"), "abc" },
	{ "passthrough of tmux", TEXT("a\033Ptmux;\033\033]52;c;x\a\033\\b"), "ab" },
	{ "unterminated", TEXT("a\033]0;x\xe2\x94\x80"), "a\\e]0;x\xe2\x94\x80" },
	{ "unterminated query", TEXT("a\033]11;?"), "a\\e]11;?" },
	{ "unterminated CSI", TEXT("a\033[3"), "a\\e[3" },
	/* the grammar */
	{ "controls act at once", TEXT("\033[\n1\r2\177C"), "\n\r\033[12C" },
	{ "CAN in CSI", TEXT("a\033[1\030Cb"), "aCb" },
	{ "ESC in CSI", TEXT("a\033[1\033[2C"), "a\033[2C" },
	{ "UTF-8 in CSI", TEXT("a\033[1\xc3\xa4" "C"), "a\\e[1\xc3\xa4" "C" },
	{ "C1 in CSI", TEXT("a\033[1\x9b" "5i"), "a\\e[1" FFFD "5i" },
	{ "prefix in the middle", TEXT("a\033[1?5hb"), "ab" },
	{ "two prefixes", TEXT("a\033[??25hb"), "ab" },
	{ "two intermediates", TEXT("a\033[ !pb"), "ab" },
	{ "parameters behind an intermediate", TEXT("a\033[ 1qb"), "ab" },
	{ "numbers too long", TEXT("a\033[999999Cb\033[000001Cc"), "abc" },
	{ "numbers long", TEXT("\033[9999;9999H"), SAME },
	{ "colons elsewhere", TEXT("a\033[1:2Hb\033[?25:1hc"), "abc" },
};
/* clang-format on */

static void filter(struct cs_buf *out, struct cs_terminal *t, const char *in, size_t len)
{
	cs_terminal_filter(out, t, in, len);
	cs_terminal_end(out, t);
}

/* Whole, cut at every byte, and byte by byte; and what came out passes unchanged. */
static void same_however_cut(const char *in, size_t len, const struct cs_buf *want, unsigned flags)
{
	for (size_t cut = 0; cut <= len + 1; cut++) {
		AUTO_BUF struct cs_buf out = CS_BUF_INIT;
		struct cs_terminal t = { .flags = flags };

		if (cut <= len) {
			cs_terminal_filter(&out, &t, in, cut);
			cs_terminal_filter(&out, &t, in + cut, len - cut);
		}
		for (size_t i = 0; cut > len && i < len; i++)
			cs_terminal_filter(&out, &t, in + i, 1);
		cs_terminal_end(&out, &t);
		ck_assert_uint_eq(out.len, want->len);
		ck_assert_mem_eq(out.data, want->data, want->len);
	}
	AUTO_BUF struct cs_buf again = CS_BUF_INIT;
	struct cs_terminal t = { .flags = flags };
	filter(&again, &t, want->data, want->len);
	ck_assert_uint_eq(again.len, want->len);
	ck_assert_mem_eq(again.data, want->data, want->len);
}

START_TEST(table)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_terminal t = CS_TERMINAL_INIT;
	const char *want = rows[_i].out ? rows[_i].out : rows[_i].in;
	size_t len = rows[_i].out ? strlen(want) : rows[_i].len;
	AUTO_BUF struct cs_buf shown = CS_BUF_INIT;

	filter(&out, &t, rows[_i].in, rows[_i].len);
	cs_escape_terminal(&shown, out.data, out.len, CS_ESCAPE_LINE);
	ck_assert_msg(out.len == len && !memcmp(out.data, want, len), "%s: %s", rows[_i].name,
		      shown.data);
	same_however_cut(rows[_i].in, rows[_i].len, &out, 0);
}
END_TEST

/*
 * The oracle, written from the other side: in what comes out there is no C1 control, no control
 * that is not named here, and behind each ESC one of few shapes.
 */
static const char *wrong(const struct cs_buf *out)
{
	for (size_t i = 0; i < out->len;) {
		const char *p = out->data + i;
		uint32_t cp = 0;
		size_t n = cs_utf8_decode(&cp, p, out->len - i);

		if (!n || (cp >= 0x7f && cp < 0xa0) ||
		    (cp < ' ' && !strchr("\a\b\t\n\v\f\r\016\017\033", (int)cp)) || !cp)
			return "a control";
		i += n;
		if (cp != 033)
			continue;
		if (strchr("78DEM=>", p[1]) && p[1])
			continue;
		if (p[1] == '(' || p[1] == ')') {
			if (p[2] != 'B' && p[2] != '0')
				return "a character set";
			continue;
		}
		if (p[1] == ']') {
			if (strncmp(p + 2, "10;?", 4) != 0 && strncmp(p + 2, "11;?", 4) != 0 &&
			    strncmp(p + 2, "4;", 2) != 0)
				return "a command";
			size_t body = strspn(p + 2, "0123456789;?");
			if (p[2 + body - 1] != '?' ||
			    (p[2 + body] != '\a' && strncmp(p + 2 + body, "\033\\", 2) != 0))
				return "a command's end";
			i += 1 + body + (p[2 + body] == '\a' ? 1 : 2);
			continue;
		}
		if (p[1] != '[')
			return "an escape";
		size_t body = strspn(p + 2, "0123456789:;<=>? !$");
		if (!p[2 + body] || !strchr("@ABCDEFGHIJKLMPSTXZ`abcdefhlmnpqrstu", p[2 + body]))
			return "a final";
		if (p[2 + body] == 't' && (body != 2 || p[2] != '1' || !strchr("468", p[3])))
			return "a window operation";
		if (p[2 + body] == 'J' && body && p[2] == '3')
			return "the scrollback";
	}
	return NULL;
}

/* Bytes that mean something, in any order. */
static size_t fill(char *in, size_t max, struct random *random)
{
	static const char *const pieces[] = {
		"\033",	    "\033[",	 "\033]",      "\033P", "\033_", "\033\\", "\a",
		"\x9b",	    "\xc2\x9b",	 "?",	       ">",	"=",	 "<",	   ";",
		":",	    "0",	 "1",	       "4",	"21",	 "25",	   "52",
		"1049",	    "h",	 "l",	       "m",	"t",	 "u",	   "i",
		"J",	    "c",	 "n",	       "p",	"q",	 "$",	   " ",
		"!",	    "\"",	 "\030",       "\n",	"\xe2",	 "\x94",   "\x80",
		"text",	    "\033]11;?", "\033]4;1;?", "\033(", "B",	 "0",	   "\005",
		"\033[>1u", "\033[3J",	 "\033k",
	};
	size_t len = 0;

	while (len + 8 < max) {
		const char *piece = pieces[random_below(random, CS_COUNT(pieces))];
		size_t n = strlen(piece);

		memcpy(in + len, piece, n);
		len += n;
	}
	return len;
}

START_TEST(nothing_refused_comes_out)
{
	struct random random = random_seeded();
	char in[96];

	for (int round = 0; round < 6000; round++) {
		AUTO_BUF struct cs_buf out = CS_BUF_INIT;
		struct cs_terminal t = { .flags = round % 4 };
		size_t len = fill(in, sizeof in, &random);

		filter(&out, &t, in, len);
		const char *what = t.flags & CS_TERMINAL_EIGHT_BIT ? NULL : wrong(&out);
		if (what) {
			AUTO_BUF struct cs_buf shown = CS_BUF_INIT;
			cs_escape_terminal(&shown, in, len, CS_ESCAPE_LINE);
			ck_abort_msg("SEED=%llu: %s: %s", (unsigned long long)random.seed, what, shown.data);
		}
		for (size_t i = 0; t.flags & CS_TERMINAL_EIGHT_BIT && i < out.len; i++)
			ck_assert((out.data[i] & 0xe0) != 0x80);
		if (round % 16 < 4)
			same_however_cut(in, len, &out, t.flags);
	}
}
END_TEST

/* ESC and every two bytes: the table is the only way out. */
START_TEST(every_short_escape)
{
	for (int a = 0; a < 256; a++) {
		for (int b = 0; b < 256; b++) {
			AUTO_BUF struct cs_buf out = CS_BUF_INIT;
			struct cs_terminal t = CS_TERMINAL_INIT;
			const char in[] = { 033, (char)a, (char)b };

			filter(&out, &t, in, sizeof in);
			ck_assert_msg(!wrong(&out), "%02x %02x: %s", a, b, wrong(&out));
		}
	}
}
END_TEST

/* An open string ends by itself, and nothing of it is lost. */
START_TEST(endless_string)
{
	static const char *const introducers[] = { "\033]0;", "\033P", "\033_", "\033^", "\033X" };
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_terminal t = CS_TERMINAL_INIT;
	size_t n = 0;

	cs_terminal_filter(&out, &t, introducers[_i], strlen(introducers[_i]));
	for (; !out.len && n <= 2 * CS_TERMINAL_MAX_HELD; n++)
		cs_terminal_filter(&out, &t, "x", 1);
	ck_assert_uint_le(n, CS_TERMINAL_MAX_HELD);
	cs_terminal_filter(&out, &t, "after", 5);
	ck_assert(!memcmp(out.data, "\\e", 2) && !strcmp(out.data + out.len - 6, "xafter"));
	ck_assert(!wrong(&out));
}
END_TEST

START_TEST(endless_csi)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_terminal t = CS_TERMINAL_INIT;

	cs_terminal_filter(&out, &t, "\033[", 2);
	for (int i = 0; i < 2 * CS_TERMINAL_MAX_CSI; i++)
		cs_terminal_filter(&out, &t, "1", 1);
	ck_assert(!memcmp(out.data, "\\e[11", 5));
	ck_assert_uint_eq(out.len, 2 * CS_TERMINAL_MAX_CSI + 3);
}
END_TEST

START_TEST(no_queries)
{
	static const char in[] =
		"a\033[c\033[6n\033[?u\033]11;?\a\033[18t\033[?2026$p\033[>q\033[mb";
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_terminal t = { .flags = CS_TERMINAL_NO_QUERIES };

	filter(&out, &t, in, sizeof in - 1);
	ck_assert_str_eq(out.data, "a\033[mb");
	ck_assert_uint_eq(t.queries, 0);
}
END_TEST

START_TEST(eight_bit)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	struct cs_terminal t = { .flags = CS_TERMINAL_EIGHT_BIT };

	/* U+011B is c4 9b: CSI for a terminal that reads bytes. */
	filter(&out, &t,
	       TEXT("\xc3\xa4\xc4\x9b"
		    "5i\x9b\033]\xc4\x9b"));
	ck_assert_str_eq(out.data, "\xc3\xa4?5i?\\e]??");
}
END_TEST

static const struct {
	const char *in;
	const char *leave;
	const char *enter;
} back_rows[] = {
	{ "", "", "" },
	{ "text\n", "", "" },
	{ "text", "\r\n", "" },
	{ "\033[31mred\033[m\n", "", "" },
	{ "\033[31mred\n", "\033[0m", "" },
	{ "\033[?25l\n", "\033[?25h", "\033[?25l" },
	{ "\033[?25l\033[?25h\n", "", "" },
	{ "\033[?1000;1006;2004h\n", "\033[?1000l\033[?1006l\033[?2004l",
	  "\033[?1000h\033[?1006h\033[?2004h" },
	{ "\033[?1049h\n", "\033[?1049l\033[J", "\033[?1049h" },
	{ "\033[>1u\033[?1049h\033[>3u\033[>5u\n", "\033[<2u\033[?1049l\033[<1u\033[J",
	  "\033[>1u\033[?1049h\033[>3u\033[>5u" },
	{ "\033[>1u\033[=6;2u\n", "\033[<1u", "\033[>7u" },
	{ "\033[2;5r\n", "\033[r\033[9999;1H\r\n\033[J", "" },
	{ "\033[2;5r\033[r\n", "\033[J", "" },
	{ "\033[?6h\n", "\033[?6l\033[9999;1H\r\n\033[J", "\033[?6h" },
	{ "fake\033[5A\n", "\033[J", "" },
	{ "\033(0\n", "\033(B\033)B\017", "" },
	{ "\033=\033[4h\033[>4;2m\033[5 q\n", "\033>\033[4l\033[>4m\033[0 q",
	  "\033=\033[4h\033[>4;2m" },
};

START_TEST(given_back)
{
	AUTO_BUF struct cs_buf out = CS_BUF_INIT;
	AUTO_BUF struct cs_buf leave = CS_BUF_INIT;
	AUTO_BUF struct cs_buf enter = CS_BUF_INIT;
	struct cs_terminal t = CS_TERMINAL_INIT;

	filter(&out, &t, back_rows[_i].in, strlen(back_rows[_i].in));
	cs_terminal_leave(&leave, &t);
	ck_assert_str_eq(leave.data, back_rows[_i].leave);
	cs_terminal_enter(&enter, &t);
	ck_assert_str_eq(enter.data, back_rows[_i].enter);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("terminal");
	TCase *t = tcase_create("terminal");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, table, 0, CS_COUNT(rows));
	tcase_add_test(t, nothing_refused_comes_out);
	tcase_add_test(t, every_short_escape);
	tcase_add_loop_test(t, endless_string, 0, 5);
	tcase_add_test(t, endless_csi);
	tcase_add_test(t, no_queries);
	tcase_add_test(t, eight_bit);
	tcase_add_loop_test(t, given_back, 0, CS_COUNT(back_rows));
	suite_add_tcase(s, t);
	return unit_run(s);
}
