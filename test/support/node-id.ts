let count = 0;

/** No two runners of a projection share one. */
export const newNodeId = (): string => `node${process.pid}_${++count}`;
