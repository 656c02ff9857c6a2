// Arrays as PostgreSQL reads them from text. The driver would escape every element; ids and numbers need none of that, and a batch has thousands.

/** For elements without special characters: ids, numbers, our own names; null stays null. */
export function plainArray(values: readonly (string | number | bigint | null)[]): string {
  return `{${values.map((value) => value ?? 'null').join(',')}}`;
}

export function textArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, String.raw`\$&`)}"`).join(',')}}`;
}
