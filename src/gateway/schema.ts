import { readFileSync } from 'node:fs';
import { GraphQLInterfaceType, GraphQLObjectType, GraphQLScalarType, assertValidSchema, buildSchema } from 'graphql';
import type { GraphQLResolveInfo, GraphQLSchema } from 'graphql';
import type { Context } from './context.ts';
import { resolvers, typeOfNode } from './resolvers/resolvers.ts';
import { scalars } from './scalars.ts';

// Sources and arguments are `never` here, so that each resolver may name its own.
export type FieldResolver = (source: never, args: never, context: Context, info: GraphQLResolveInfo) => unknown;
export type Resolvers = Readonly<Record<string, Readonly<Record<string, FieldResolver>>>>;
export type SubscriptionResolvers = Readonly<
  Record<
    string,
    {
      /** Gives one value for each push; `resolve` turns it into the field, by default the property of the field's name. */
      readonly subscribe: (source: never, args: never, context: Context, info: GraphQLResolveInfo) => unknown;
      readonly resolve?: FieldResolver;
    }
  >
>;

/** The contract in schema.graphql with its resolvers. @throws when a resolver has no field: a slip of the pen must not wait for a client to find it. */
export function createSchema(subscriptionResolvers: SubscriptionResolvers = {}): GraphQLSchema {
  const schema = buildSchema(readFileSync(new URL('schema.graphql', import.meta.url), 'utf8'));
  assertValidSchema(schema);
  attachScalars(schema);
  attachResolvers(schema, resolvers);
  for (const [name, { subscribe, resolve }] of Object.entries(subscriptionResolvers)) {
    Object.assign(fieldOf(schema, 'Subscription', name), { subscribe }, resolve && { resolve });
  }
  const node = schema.getType('Node');
  if (node instanceof GraphQLInterfaceType) node.resolveType = typeOfNode;
  return schema;
}

function attachScalars(schema: GraphQLSchema): void {
  for (const [name, scalar] of Object.entries(scalars)) {
    const type = schema.getType(name);
    if (!(type instanceof GraphQLScalarType)) throw new Error(`schema.graphql has no scalar ${name}`);
    Object.assign(type, scalar);
  }
}

export function attachResolvers(schema: GraphQLSchema, attached: Resolvers): void {
  for (const [typeName, fields] of Object.entries(attached)) {
    for (const [name, resolve] of Object.entries(fields)) Object.assign(fieldOf(schema, typeName, name), { resolve });
  }
}

function fieldOf(schema: GraphQLSchema, typeName: string, name: string) {
  const type = schema.getType(typeName);
  const field = type instanceof GraphQLObjectType ? type.getFields()[name] : undefined;
  if (field === undefined) throw new Error(`schema.graphql has no field ${typeName}.${name}`);
  return field;
}
