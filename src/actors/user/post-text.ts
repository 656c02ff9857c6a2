import { limits } from '../../limits.ts';
import type { Rejection } from '../commands.ts';

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
/** Anything that leaves a mark: neither white space nor a control nor what readers are told to ignore (joiners, fillers), nor the blank of Braille. */
const visible = /[^\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Why a text cannot be a post, or undefined when it can. The cheap questions come first, so that a megabyte costs no more than a line. */
export function rejectionOfPostText(text: string): Rejection | undefined {
  if (text.length > limits.postBytesMax) return 'post-too-long';
  if (!visible.test(text)) return 'post-empty';
  if (text.length <= limits.postGraphemesMax && text.length * 3 <= limits.postBytesMax) return undefined;
  if (Buffer.byteLength(text) > limits.postBytesMax || hasMoreGraphemes(text, limits.postGraphemesMax)) return 'post-too-long';
  return undefined;
}

/** Does a reader count more than `max` characters? Looks no further than it must. */
function hasMoreGraphemes(text: string, max: number): boolean {
  let count = 0;
  for (const _ of segmenter.segment(text)) if (++count > max) return true;
  return false;
}
