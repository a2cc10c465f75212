/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. A terminal obeys what it is sent, and some of what it can be told outlives
 * the program or reaches beyond it: it writes the clipboard, types its own answers as if the user
 * had, prints, resizes windows, reprograms keys. So nothing passes that is not in a table here.
 *
 * The parser is the one that terminals have (ECMA-48; the state diagram of DEC's VT500 as xterm
 * reads it), with these differences, all towards "no":
 *  - a sequence is held until its last byte and then put out whole, or dropped. No prefix of a
 *    refused sequence is ever put out, so the terminal is in its ground state whenever we are;
 *  - introducers are ESC and a 7-bit character. C1 controls, as bytes or as UTF-8, and bytes that
 *    are no UTF-8 become U+FFFD: terminals disagree about them, and we need not know which is
 * right;
 *  - strings (OSC, DCS, APC, PM, SOS, screen's ESC k) end as in a terminal, or at MAX_HELD bytes:
 *    then they were no strings, and what was held is shown, escaped, so that no output is lost;
 *  - numbers have at most five digits: terminals have had overflows.
 *
 * What may be answered by the terminal comes back as the program's input, and after its end as the
 * shell's. Therefore: only answers made of digits, or of the terminal's own constants; nothing
 * that reports a text which the program itself could have set (titles, DECRQSS, macros, checksums
 * of the screen). Whoever pumps the bytes discards answers that come late.
 */
#include "countersign/base/terminal.h"

#include <stdio.h>
#include <string.h>
#include "countersign/base/escape.h"
#include "countersign/base/own.h"

enum state { GROUND, UTF8, ESCAPE, NF, CSI, STRING, STRING_ESCAPE };

#define ESC	   0x1b
#define BEL	   0x07
#define CAN	   0x18
#define SUB	   0x1a
#define DEL	   0x7f
#define MAX_DIGITS 5
#define MAX_PARAMS 32
#define ORIGIN	   6 /* private mode: positions count from the scroll region */

/* ---- the tables ------------------------------------------------------------------------------ */

/* Single controls. Not here: ENQ (the answerback is typed for the user), NUL, XON, XOFF, DEL. */
static const char controls[] = "\a\b\t\n\v\f\r\016\017";

/*
 * ESC and one character. Not here: c (full reset: takes the scrollback, which holds what was shown
 * before the run), H (tab stops outlive the run, as would CSI g), Z (an old DA), N O n o | } ~
 * (shifts of character sets), l m (memory lock).
 */
static const char escapes[] = "78DEM=>";

/* ESC, intermediate, final: ASCII and line drawing as G0 and G1. "% @" would leave UTF-8, " G" asks
 * for C1 in answers, "# 3" doubles the height of lines. */
static const char *const designations[] = { "(B", "(0", ")B", ")0" };

/*
 * Private modes (CSI ? n h, CSI ? n l). Each has a value to go back to; one that has not, or that
 * differs between terminals, is refused: 1007 (wheel as arrows), 3 (132 columns clears), 1001 (the
 * terminal waits for an answer), 1048 (a cursor saved), 9001 and all others.
 */
/* clang-format off */
static const struct {
	uint16_t n;
	bool usual; /* as terminals have it */
	bool alternate;
} modes[] = {
	{ 1, false, false },	/* cursor keys send application sequences */
	{ 5, false, false },	/* reverse screen (visible bells) */
	{ ORIGIN, false, false },
	{ 7, true, false },	/* wraparound */
	{ 12, false, false },	/* blinking cursor */
	{ 25, true, false },	/* cursor */
	{ 47, false, true },
	{ 66, false, false },	/* keypad */
	{ 1000, false, false }, /* mouse: buttons */
	{ 1002, false, false }, /* and drags */
	{ 1003, false, false }, /* and motion */
	{ 1004, false, false }, /* focus */
	{ 1005, false, false }, /* encodings of mouse reports */
	{ 1006, false, false },
	{ 1015, false, false },
	{ 1016, false, false },
	{ 1047, false, true },
	{ 1049, false, true },
	{ 2004, false, false }, /* bracketed paste */
	{ 2026, false, false }, /* synchronized output */
	{ 2027, false, false }, /* grapheme clusters */
	{ 2031, false, false }, /* tells of changes of the colour scheme */
	{ 2048, false, false }, /* tells of resizing */
};
/* clang-format on */
_Static_assert(CS_COUNT(modes) <= CS_TERMINAL_MAX_MODES, "one bit a mode");

struct sequence {
	char prefix;	   /* one of < = > ?, or 0 */
	char intermediate; /* or 0 */
	char final;
	size_t n; /* parameters, an empty one counted as 0; n is 0 where there are none */
	uint32_t v[MAX_PARAMS];
	bool colons;
};

typedef bool rule(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s);
static rule pass, pass_moving, pass_erase, pass_mode, pass_rendition, pass_report, pass_region,
	pass_plain, pass_private, pass_push_keys, pass_pop_keys, pass_set_keys, pass_shape,
	pass_other_keys, pass_query, pass_size, pass_scheme, pass_at_most_one;

/*
 * Control sequences: CSI prefix parameters intermediate final. A rule puts the sequence out and
 * returns true, or returns false. Not here, for example: i (media copy), t but sizes (windows,
 * titles and reports of them), q (LEDs), x (terminal parameters), $ rectangles, * y (checksums of
 * the screen tell its content), * z (macros), " p (may turn on C1), # p (stacks), > t, > p.
 */
static const struct {
	char prefix, intermediate, final;
	rule *rule;
} sequences[] = {
	{ 0, 0, '@', pass },		  /* ICH */
	{ 0, 0, 'A', pass_moving },	  /* CUU */
	{ 0, 0, 'B', pass_moving },	  /* CUD */
	{ 0, 0, 'C', pass },		  /* CUF */
	{ 0, 0, 'D', pass },		  /* CUB */
	{ 0, 0, 'E', pass_moving },	  /* CNL */
	{ 0, 0, 'F', pass_moving },	  /* CPL */
	{ 0, 0, 'G', pass },		  /* CHA */
	{ 0, 0, 'H', pass_moving },	  /* CUP */
	{ 0, 0, 'I', pass },		  /* CHT */
	{ 0, 0, 'J', pass_erase },	  /* ED, but 3: the scrollback is the user's */
	{ 0, 0, 'K', pass },		  /* EL */
	{ 0, 0, 'L', pass },		  /* IL */
	{ 0, 0, 'M', pass },		  /* DL */
	{ 0, 0, 'P', pass },		  /* DCH */
	{ 0, 0, 'S', pass },		  /* SU */
	{ 0, 0, 'T', pass_at_most_one },  /* SD; with five it is mouse tracking */
	{ 0, 0, 'X', pass },		  /* ECH */
	{ 0, 0, 'Z', pass },		  /* CBT */
	{ 0, 0, '`', pass },		  /* HPA */
	{ 0, 0, 'a', pass },		  /* HPR */
	{ 0, 0, 'b', pass },		  /* REP */
	{ 0, 0, 'c', pass_query },	  /* DA1: digits; every TUI's last question */
	{ 0, 0, 'd', pass_moving },	  /* VPA */
	{ 0, 0, 'e', pass_moving },	  /* VPR */
	{ 0, 0, 'f', pass_moving },	  /* HVP */
	{ 0, 0, 'h', pass_mode },	  /* SM: insert only; 20 changes what Enter sends */
	{ 0, 0, 'l', pass_mode },	  /* RM */
	{ 0, 0, 'm', pass_rendition },	  /* SGR */
	{ 0, 0, 'n', pass_report },	  /* DSR 6: digits; 5 is our own question */
	{ 0, 0, 'r', pass_region },	  /* DECSTBM */
	{ 0, 0, 's', pass_plain },	  /* SCOSC; with parameters it is DECSLRM */
	{ 0, 0, 't', pass_size },	  /* XTWINOPS 14, 16, 18: sizes in digits, nothing else */
	{ 0, 0, 'u', pass_plain },	  /* SCORC */
	{ 0, ' ', 'q', pass_shape },	  /* DECSCUSR */
	{ 0, '!', 'p', pass_plain },	  /* DECSTR */
	{ '?', 0, 'h', pass_private },	  /* DECSET, each mode by its own row */
	{ '?', 0, 'l', pass_private },	  /* DECRST */
	{ '?', 0, 'n', pass_scheme },	  /* 6: cursor; 996: light or dark; digits */
	{ '?', 0, 'u', pass_query },	  /* kitty keyboard: which flags; digits */
	{ '?', '$', 'p', pass_scheme },	  /* DECRQM: which value has a mode; digits */
	{ '>', 0, 'c', pass_query },	  /* DA2: digits */
	{ '>', 0, 'q', pass_query },	  /* XTVERSION: the terminal's own name */
	{ '>', 0, 'm', pass_other_keys }, /* modifyOtherKeys */
	{ '>', 0, 'u', pass_push_keys },  /* kitty keyboard */
	{ '<', 0, 'u', pass_pop_keys },
	{ '=', 0, 'u', pass_set_keys },
};

/*
 * Operating system commands: questions for colours, which TUIs choose theirs by. The answer is a
 * colour that the program could not set. Not here: titles (0 1 2), links (8: the text stays, where
 * it leads is not shown), clipboard (52), directory, notifications and files (7 9 99 777 1337),
 * prompt marks (133: ours could be forged), colours to set and reset (they outlive the run, and
 * hide text).
 */
static bool colour_query(const char *s, size_t len)
{
	size_t digits = 0;

	if (len == 4 && (!memcmp(s, "10;?", 4) || !memcmp(s, "11;?", 4)))
		return true;
	if (len < 5 || memcmp(s, "4;", 2) != 0)
		return false;
	while (2 + digits < len && s[2 + digits] >= '0' && s[2 + digits] <= '9')
		digits++;
	return digits >= 1 && digits <= 3 && len == 2 + digits + 2 &&
	       !memcmp(s + 2 + digits, ";?", 2);
}

/* ---- putting out ----------------------------------------------------------------------------- */

static void put(struct cs_buf *out, struct cs_terminal *t, const char *data, size_t len)
{
	cs_buf_add(out, data, len);
	t->in_line = data[len - 1] != '\n';
}

static void put_sequence(struct cs_buf *out, struct cs_terminal *t)
{
	put(out, t, t->held, t->len);
}

/* What was held is no sequence: shown, and forgotten. */
static void show_held(struct cs_buf *out, struct cs_terminal *t)
{
	size_t start = out->len;

	cs_escape_terminal(out, t->held, t->len, CS_ESCAPE_LINE);
	for (size_t i = start; t->flags & CS_TERMINAL_EIGHT_BIT && i < out->len; i++)
		if ((uint8_t)out->data[i] >= 0x80)
			out->data[i] = '?';
	t->in_line = true;
	t->state = GROUND;
	t->len = 0;
}

static void drop(struct cs_terminal *t)
{
	t->refused++;
	t->state = GROUND;
	t->len = 0;
}

static void put_replacement(struct cs_buf *out, struct cs_terminal *t)
{
	if (t->flags & CS_TERMINAL_EIGHT_BIT)
		put(out, t, "?", 1);
	else
		put(out, t, "\xef\xbf\xbd", 3);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static bool pass(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	(void)s;
	put_sequence(out, t);
	return true;
}

static bool pass_moving(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	t->moved = true;
	return pass(out, t, s);
}

static bool pass_plain(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	t->moved = true;
	return !s->n && pass(out, t, s);
}

static bool pass_at_most_one(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	return s->n <= 1 && pass(out, t, s);
}

static bool pass_erase(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	return s->n <= 1 && (!s->n || s->v[0] <= 2) && pass(out, t, s);
}

static bool pass_mode(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	if (s->n != 1 || s->v[0] != 4)
		return false;
	t->insert = s->final == 'h';
	return pass(out, t, s);
}

static bool pass_rendition(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	t->rendition = s->n > 1 || (s->n == 1 && (s->v[0] || s->colons));
	return pass(out, t, s);
}

static bool pass_region(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	if (s->n > 2)
		return false;
	t->region = s->n > 0;
	return pass_moving(out, t, s);
}

static bool pass_shape(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	if (s->n > 1 || (s->n && s->v[0] > 6))
		return false;
	t->cursor_shape = s->n && s->v[0];
	return pass(out, t, s);
}

static bool ask(struct cs_buf *out, struct cs_terminal *t)
{
	if (t->flags & CS_TERMINAL_NO_QUERIES)
		return false;
	t->queries++;
	put_sequence(out, t);
	return true;
}

static bool pass_query(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	return (!s->n || (s->n == 1 && !s->v[0])) && ask(out, t);
}

static bool pass_report(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	return s->n == 1 && s->v[0] == 6 && ask(out, t);
}

static bool pass_size(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	return s->n == 1 && (s->v[0] == 14 || s->v[0] == 16 || s->v[0] == 18) && ask(out, t);
}

static bool pass_scheme(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	bool known = s->final == 'p' || s->v[0] == 6 || s->v[0] == 996;

	return s->n == 1 && known && ask(out, t);
}

static bool pass_other_keys(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	if (s->n < 1 || s->n > 2 || s->v[0] != 4)
		return false;
	t->other_keys = s->n == 2 && s->v[1];
	return pass(out, t, s);
}

/* The modes of a list that have a row; the others are left out. */
static bool pass_private(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	AUTO_BUF struct cs_buf list = CS_BUF_INIT;
	bool on = s->final == 'h';

	for (size_t i = 0; i < s->n; i++) {
		for (size_t m = 0; m < CS_COUNT(modes); m++) {
			if (modes[m].n != s->v[i])
				continue;
			cs_buf_addf(&list, "%s%u", list.len ? ";" : "\033[?", modes[m].n);
			if (on != modes[m].usual)
				t->modes |= UINT32_C(1) << m;
			else
				t->modes &= ~(UINT32_C(1) << m);
			if (modes[m].alternate)
				t->alternate = on;
			t->moved |= modes[m].n == ORIGIN || modes[m].alternate;
			t->origin |= modes[m].n == ORIGIN;
		}
	}
	if (!list.len)
		return false;
	cs_buf_addc(&list, s->final);
	put(out, t, list.data, list.len);
	return true;
}

/*
 * The kitty keyboard protocol has a stack on each screen. The entries below the program's own are
 * the shell's: it can neither pop nor change them.
 */
static bool pass_push_keys(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	uint8_t *n = &t->n_keys[t->alternate];

	if (s->n > 1 || (s->n && s->v[0] > 31) || *n == CS_TERMINAL_MAX_KEYS)
		return false;
	t->keys[t->alternate][(*n)++] = s->n ? (uint8_t)s->v[0] : 0;
	return pass(out, t, s);
}

static bool pass_pop_keys(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	uint8_t *n = &t->n_keys[t->alternate];
	uint32_t pops = s->n && s->v[0] ? s->v[0] : 1;
	char text[16];

	if (s->n > 1 || !*n)
		return false;
	if (pops > *n)
		pops = *n;
	*n -= (uint8_t)pops;
	put(out, t, text, (size_t)snprintf(text, sizeof text, "\033[<%uu", (unsigned)pops));
	return true;
}

static bool pass_set_keys(struct cs_buf *out, struct cs_terminal *t, const struct sequence *s)
{
	uint8_t n = t->n_keys[t->alternate];
	uint32_t flags = s->n ? s->v[0] : 0, how = s->n == 2 && s->v[1] ? s->v[1] : 1;

	if (!n || s->n > 2 || flags > 31 || how > 3)
		return false;
	uint8_t *top = &t->keys[t->alternate][n - 1];
	*top = (uint8_t)(how == 1 ? flags : how == 2 ? *top | flags : *top & ~flags);
	return pass(out, t, s);
}

/* ---- control sequences ----------------------------------------------------------------------- */

/* Takes the held CSI apart. False: not by the grammar, or with too much of something. */
static bool parse(struct sequence *s, const struct cs_terminal *t)
{
	const char *p = t->held + 2, *end = t->held + t->len - 1;
	size_t digits = 0;
	bool any = false;

	memset(s, 0, sizeof *s);
	s->final = *end;
	if (p < end && *p >= '<' && *p <= '?')
		s->prefix = *p++;
	for (; p < end && *p >= '0' && *p <= ';'; p++) {
		any = true;
		if (*p == ':' || *p == ';') {
			s->colons |= *p == ':';
			digits = 0;
			if (++s->n >= MAX_PARAMS)
				return false;
			continue;
		}
		if (++digits > MAX_DIGITS)
			return false;
		s->v[s->n] = s->v[s->n] * 10 + (uint32_t)(*p - '0');
	}
	s->n += any;
	if (p < end && *p >= ' ' && *p <= '/')
		s->intermediate = *p++;
	return p == end;
}

static void csi_done(struct cs_buf *out, struct cs_terminal *t)
{
	struct sequence s;

	for (size_t i = 0; parse(&s, t) && i < CS_COUNT(sequences); i++) {
		if (sequences[i].final != s.final || sequences[i].prefix != s.prefix ||
		    sequences[i].intermediate != s.intermediate)
			continue;
		/* Colons part the colours of SGR, and nothing else. */
		if ((s.colons && s.final != 'm') || !sequences[i].rule(out, t, &s))
			break;
		t->state = GROUND;
		t->len = 0;
		return;
	}
	drop(t);
}

static void escape_done(struct cs_buf *out, struct cs_terminal *t)
{
	char c = t->held[1];

	if (!strchr(escapes, c)) {
		drop(t);
		return;
	}
	if (c == '=' || c == '>')
		t->keypad = c == '=';
	t->moved |= c == '8' || c == 'M';
	put_sequence(out, t);
	t->state = GROUND;
	t->len = 0;
}

static void designation_done(struct cs_buf *out, struct cs_terminal *t)
{
	for (size_t i = 0; t->len == 3 && i < CS_COUNT(designations); i++) {
		if (memcmp(t->held + 1, designations[i], 2) != 0)
			continue;
		t->charset |= t->held[2] != 'B';
		put_sequence(out, t);
		t->state = GROUND;
		t->len = 0;
		return;
	}
	drop(t);
}

static void string_done(struct cs_buf *out, struct cs_terminal *t, const char *end)
{
	if (t->held[1] != ']' || !colour_query(t->held + 2, t->len - 2u) ||
	    t->flags & CS_TERMINAL_NO_QUERIES) {
		drop(t);
		return;
	}
	t->queries++;
	put_sequence(out, t);
	cs_buf_adds(out, end); /* terminals answer with the terminator that they were asked with */
	t->state = GROUND;
	t->len = 0;
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void hold(struct cs_terminal *t, uint8_t c, enum state state)
{
	t->held[t->len++] = (char)c;
	t->state = (uint8_t)state;
}

static void ground(struct cs_buf *out, struct cs_terminal *t, uint8_t c)
{
	if (c == ESC) {
		hold(t, c, ESCAPE);
	} else if (c < ' ' || c == DEL) {
		if (!c || !strchr(controls, c))
			return;
		t->charset |= c == 016;
		put(out, t, (const char *)&c, 1);
	} else if (c < 0x80) {
		put(out, t, (const char *)&c, 1);
	} else if (c < 0xc2 || c > 0xf4) {
		put_replacement(out, t);
	} else {
		t->need = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		hold(t, c, UTF8);
	}
}

static void utf8_done(struct cs_buf *out, struct cs_terminal *t)
{
	uint32_t cp;
	bool good = t->len == t->need && cs_utf8_decode(&cp, t->held, t->len) && cp >= 0xa0;

	for (size_t i = 0; good && t->flags & CS_TERMINAL_EIGHT_BIT && i < t->len; i++)
		good = (uint8_t)t->held[i] >= 0xa0;
	if (good)
		put_sequence(out, t);
	else
		put_replacement(out, t);
	t->state = GROUND;
	t->len = 0;
}

/* ESC in the middle of anything begins anew, as in a terminal; CAN and SUB end it. */
static bool aborts(struct cs_terminal *t, uint8_t c)
{
	if (c != ESC && c != CAN && c != SUB)
		return false;
	drop(t);
	if (c == ESC)
		hold(t, c, ESCAPE);
	return true;
}

/* Within a sequence single controls act at once; DEL is nothing. */
static bool acts_at_once(struct cs_buf *out, struct cs_terminal *t, uint8_t c)
{
	if (c >= ' ' && c != DEL)
		return false;
	if (c && c != DEL && strchr(controls, c)) {
		t->charset |= c == 016;
		put(out, t, (const char *)&c, 1);
	}
	return true;
}

static void escape(struct cs_buf *out, struct cs_terminal *t, uint8_t c)
{
	if (c == '[') {
		hold(t, c, CSI);
	} else if (c && strchr("]PX^_k", c)) {
		hold(t, c, STRING);
	} else if (c < '0') {
		hold(t, c, NF);
	} else {
		hold(t, c, ESCAPE);
		escape_done(out, t);
	}
}

/* False: the byte is not used up. */
static bool in_sequence(struct cs_buf *out, struct cs_terminal *t, uint8_t c)
{
	if (aborts(t, c) || acts_at_once(out, t, c))
		return true;
	if (c >= 0x80 || t->len == CS_TERMINAL_MAX_CSI) {
		show_held(out, t);
		return false;
	}
	if (t->state == ESCAPE) {
		escape(out, t, c);
	} else if (t->state == NF) {
		hold(t, c, NF);
		if (c >= '0')
			designation_done(out, t);
	} else {
		hold(t, c, CSI);
		if (c >= '@')
			csi_done(out, t);
	}
	return true;
}

static bool in_string(struct cs_buf *out, struct cs_terminal *t, uint8_t c)
{
	if (t->state == STRING_ESCAPE) {
		t->state = STRING;
		if (c == '\\') {
			string_done(out, t, "\033\\");
			return true;
		}
		aborts(t, ESC);
		return false;
	}
	if (c == ESC) {
		t->state = STRING_ESCAPE;
	} else if (c == BEL && t->held[1] == ']') {
		string_done(out, t, "\a");
	} else if (c == CAN || c == SUB) {
		drop(t);
	} else if (t->len == CS_TERMINAL_MAX_HELD) {
		show_held(out, t);
		return false;
	} else {
		hold(t, c, STRING);
	}
	return true;
}

static bool step(struct cs_buf *out, struct cs_terminal *t, uint8_t c)
{
	switch ((enum state)t->state) {
	case GROUND:
		ground(out, t, c);
		return true;
	case UTF8:
		if ((c & 0xc0) != 0x80) {
			utf8_done(out, t);
			return false;
		}
		hold(t, c, UTF8);
		if (t->len == t->need)
			utf8_done(out, t);
		return true;
	case STRING:
	case STRING_ESCAPE:
		return in_string(out, t, c);
	case ESCAPE:
	case NF:
	case CSI:
		break;
	}
	return in_sequence(out, t, c);
}

void cs_terminal_filter(struct cs_buf *out, struct cs_terminal *t, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		while (!step(out, t, p[i]))
			;
}

void cs_terminal_end(struct cs_buf *out, struct cs_terminal *t)
{
	if (t->state == UTF8)
		utf8_done(out, t);
	else if (t->state != GROUND)
		show_held(out, t);
}

/* ---- giving the terminal back ---------------------------------------------------------------- */

static void switch_modes(struct cs_buf *out, const struct cs_terminal *t, bool back, bool alternate)
{
	for (size_t m = 0; m < CS_COUNT(modes); m++) {
		if (t->modes >> m & 1 && modes[m].alternate == alternate)
			cs_buf_addf(out, "\033[?%u%c", modes[m].n,
				    back == modes[m].usual ? 'h' : 'l');
	}
}

static void pop_keys(struct cs_buf *out, const struct cs_terminal *t, bool alternate)
{
	if (t->n_keys[alternate])
		cs_buf_addf(out, "\033[<%uu", t->n_keys[alternate]);
}

static void push_keys(struct cs_buf *out, const struct cs_terminal *t, bool alternate)
{
	for (size_t i = 0; i < t->n_keys[alternate]; i++)
		cs_buf_addf(out, "\033[>%uu", t->keys[alternate][i]);
}

void cs_terminal_leave(struct cs_buf *out, const struct cs_terminal *t)
{
	const struct {
		bool changed;
		const char *back;
	} table[] = {
		{ t->rendition, "\033[0m" },   { t->charset, "\033(B\033)B\017" },
		{ t->keypad, "\033>" },	       { t->insert, "\033[4l" },
		{ t->other_keys, "\033[>4m" }, { t->cursor_shape, "\033[0 q" },
	};

	/* The alternate screen's stack of keys is reached from the alternate screen only. */
	if (t->alternate)
		pop_keys(out, t, true);
	switch_modes(out, t, true, false);
	switch_modes(out, t, true, true);
	pop_keys(out, t, false);
	for (size_t i = 0; i < CS_COUNT(table); i++)
		if (table[i].changed)
			cs_buf_adds(out, table[i].back);
	/* Resetting either homes the cursor; the last line is where nothing is lost. */
	if (t->region)
		cs_buf_adds(out, "\033[r");
	if (t->region || t->origin)
		cs_buf_adds(out, "\033[9999;1H");
	if (t->in_line || t->region || t->origin)
		cs_buf_adds(out, "\r\n");
	/* A program that moved the cursor up may have left lines below it. */
	if (t->moved)
		cs_buf_adds(out, "\033[J");
}

void cs_terminal_enter(struct cs_buf *out, const struct cs_terminal *t)
{
	push_keys(out, t, false);
	switch_modes(out, t, false, true);
	if (t->alternate)
		push_keys(out, t, true);
	switch_modes(out, t, false, false);
	if (t->keypad)
		cs_buf_adds(out, "\033=");
	if (t->insert)
		cs_buf_adds(out, "\033[4h");
	if (t->other_keys)
		cs_buf_adds(out, "\033[>4;2m");
}
