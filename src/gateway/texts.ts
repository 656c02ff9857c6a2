import { limits } from '../limits.ts';
import { badUserInput } from './errors.ts';

/** Line breaks of any kind, other controls, and what turns the direction of the text around it: a name must not reach into what stands beside it. */
const unfitForName = /[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u;
/** Anything that leaves a mark; what readers are told to ignore (joiners, fillers) and the blank of Braille leave none. */
const visible = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\u2800]/u;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Refuses what no UTF-8 text of PostgreSQL can hold, instead of changing it in silence: the character NUL, and halves of surrogate pairs.
 * @throws BAD_USER_INPUT
 */
export function checkStorable(text: string, what: string): void {
  if (text.includes('\0') || /\p{Surrogate}/u.test(text))
    throw badUserInput(`"${what}" holds a character that no text can hold: NUL, or half of a surrogate pair.`);
}

/** A name to show, without space around it; undefined for one that shows nothing. @throws BAD_USER_INPUT when it is too long or has line breaks or other control characters. */
export function parseName(text: string): string | undefined {
  checkStorable(text, 'name');
  const name = text.trim();
  if (unfitForName.test(name)) throw badUserInput('A name is one line without control characters.');
  if (Buffer.byteLength(name) > limits.nameBytesMax || countGraphemes(name) > limits.nameGraphemesMax) {
    throw badUserInput(`A name has at most ${limits.nameGraphemesMax} characters.`);
  }
  return visible.test(name) ? name : undefined;
}

function countGraphemes(text: string): number {
  return Array.from(graphemes.segment(text)).length;
}
