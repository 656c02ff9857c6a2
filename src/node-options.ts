/**
 * For nodes whose read models take in whole floods: a young generation with halves of up to 64 MB instead of 16, so that what a replay makes dies before it has been
 * copied twice. It grows only under load. Not for nodes that have actors alone: those make little at a time, and two of them on one machine would only take
 * the processor's cache from each other. `npm start` in `package.json` says the same; the containers of the compose file are too small for it.
 */
export const nodeOptions: readonly string[] = ['--max-semi-space-size=64'];
