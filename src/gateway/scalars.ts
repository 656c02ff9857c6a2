import { GraphQLError, Kind } from 'graphql';
import type { GraphQLScalarTypeConfig } from 'graphql';
import { formatPosition, parsePosition } from '../events/position.ts';
import type { Position } from '../events/position.ts';

type Scalar<Internal, External> = Pick<GraphQLScalarTypeConfig<Internal, External>, 'serialize' | 'parseValue' | 'parseLiteral'>;

/** Inside: milliseconds since the epoch. It is never an argument, so that there is nothing to parse. */
const dateTime: Scalar<number, string> = {
  serialize: (value) => new Date(value as number).toISOString(),
  parseValue: notAnInput('DateTime'),
  parseLiteral: notAnInput('DateTime'),
};

/** Inside: a `Position`. Whether it is one of this log, resolvers check: a text cannot know. */
const position: Scalar<Position, string> = {
  serialize: (value) => formatPosition(value as Position),
  parseValue: (value) => positionFrom(value),
  parseLiteral: (node) => positionFrom(node.kind === Kind.STRING ? node.value : undefined),
};

const long: Scalar<number, number> = {
  serialize(value) {
    if (!Number.isSafeInteger(value)) throw new TypeError('a Long must be a safe integer');
    return value as number;
  },
  parseValue: notAnInput('Long'),
  parseLiteral: notAnInput('Long'),
};

export const scalars = { DateTime: dateTime, Position: position, Long: long };

function positionFrom(value: unknown): Position {
  const parsed = typeof value === 'string' ? parsePosition(value) : undefined;
  if (parsed === undefined)
    throw new GraphQLError('This is not a position: hand back one that an answer contained.', { extensions: { code: 'BAD_USER_INPUT' } });
  return parsed;
}

function notAnInput(name: string): () => never {
  return () => {
    throw new GraphQLError(`${name} is never an argument.`);
  };
}
