export interface GraphqlError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: { readonly code?: string } & Readonly<Record<string, unknown>>;
}

export interface GraphqlAnswer<Data> {
  readonly status: number;
  readonly data: Data | null;
  readonly errors: readonly GraphqlError[];
  readonly extensions: Readonly<Record<string, unknown>>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- the shape of an answer is known to the query beside the call
type AnyData = any;

/** Asks as any client would and gives back what came, errors included. `url`: with or without `/graphql`. */
export async function gqlAnswer<Data = AnyData>(
  url: string,
  query: string,
  variables?: object,
  token?: string,
  signal?: AbortSignal,
): Promise<GraphqlAnswer<Data>> {
  const response = await fetch(url.endsWith('/graphql') ? url : new URL('/graphql', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, ...(variables !== undefined && { variables }) }),
    ...(signal && { signal }),
  });
  const text = await response.text();
  let body: Partial<GraphqlAnswer<Data>>;
  try {
    body = JSON.parse(text) as Partial<GraphqlAnswer<Data>>;
  } catch (cause) {
    throw new Error(`not a GraphQL answer (HTTP ${response.status}): ${text.slice(0, 500)}`, { cause });
  }
  return { status: response.status, data: body.data ?? null, errors: body.errors ?? [], extensions: body.extensions ?? {} };
}

/** The data of an answer without errors. @throws with all errors of the answer otherwise. */
export async function gql<Data = AnyData>(url: string, query: string, variables?: object, token?: string): Promise<Data> {
  const answer = await gqlAnswer<Data>(url, query, variables, token);
  if (answer.errors.length > 0 || answer.data === null) {
    throw new Error(
      `GraphQL (HTTP ${answer.status}): ${answer.errors.map((error) => `${error.extensions?.code ?? '?'} ${error.message}`).join('; ') || 'no data'}`,
    );
  }
  return answer.data;
}

/** Registers a user and gives back the token and where that stands in the log. */
export async function register(
  url: string,
  handle: string,
  password = 'correct horse battery',
): Promise<{ token: string; userId: string; position: string }> {
  const document = 'mutation($input: RegisterInput!) { register(input: $input) { token user { id } position userErrors { code } } }';
  const { register: payload } = await gql(url, document, { input: { handle, password } });
  if (payload.userErrors.length > 0) throw new Error(`${handle}: ${payload.userErrors[0].code}`);
  return { token: payload.token, userId: payload.user.id, position: payload.position };
}
