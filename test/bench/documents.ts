// What the load sends: the documents of an ordinary client, the same for floor and subject.

const createPostDocument =
  'mutation ($text: String!) { createPost(input: { text: $text }) { commandId position userErrors { code message } } }';
const createAndReadPostDocument =
  'mutation ($text: String!) { createPost(input: { text: $text }) { post { id text createdAt author { handle name } } position userErrors { code message } } }';
const postFields = 'id text createdAt author { id handle name }';
const pageFields = `edges { cursor node { ${postFields} } } pageInfo { hasNextPage endCursor position }`;

const request = (query: string, variables: object = {}) => JSON.stringify({ query, variables });

export const createPost = (text: string) => request(createPostDocument, { text });
export const createAndReadPost = (text: string) => request(createAndReadPostDocument, { text });
export const homeTimeline = request(`query { homeTimeline(first: 20) { ${pageFields} } }`);
export const userTimeline = (handle: string) =>
  request(`query ($handle: String!) { user(handle: $handle) { handle posts(first: 20) { ${pageFields} } } }`, { handle });
export const follow = (handle: string) =>
  request('mutation ($handle: String!) { follow(input: { handle: $handle }) { position userErrors { code message } } }', { handle });
export const unfollow = (handle: string) =>
  request('mutation ($handle: String!) { unfollow(input: { handle: $handle }) { position userErrors { code message } } }', { handle });

/** What stands in every good answer, and in no other. */
export const expected = {
  mutation: '"userErrors":[]',
  homeTimeline: '{"data":{"homeTimeline":{"edges":[',
  userTimeline: '"posts":{"edges":[',
} as const;
