/**
 * What every process of Starling gives to Node: a young generation of 64 MB at most instead of 16 for each half, so that what a replay, an import or a burst of
 * requests makes dies before it has been copied twice. It grows only under load. `bin/starling.js` and `package.json` say the same.
 */
export const nodeOptions: readonly string[] = ['--max-semi-space-size=64'];
