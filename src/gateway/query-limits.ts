import { GraphQLInt, Kind, getNamedType, isInterfaceType, isObjectType } from 'graphql';
import type {
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLNamedType,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';
import { limits } from '../limits.ts';
import { apiError } from './errors.ts';

export type Variables = Readonly<Record<string, unknown>> | null | undefined;

/** What one selection costs, given the variables: fields, times the sizes of the pages that they stand in. */
type Cost = (variables: Variables, memo: Map<Cost, number>) => number;

export interface Measures {
  /** Fields nested in each other, introspection apart: GraphQL's own rule bounds that. */
  readonly depth: number;
  readonly aliases: number;
  /** Fields of the largest operation, those of a fragment counted wherever it is spread: what compiling it has to write out. */
  readonly fields: number;
  /** The complexity of an operation; undefined: the only one there is. */
  complexity(operationName: string | null | undefined, variables: Variables): number;
}

/** Measures a document that need not be valid: unknown fields cost one, and fragments that contain themselves cost nothing (validation refuses them). */
export function measure(schema: GraphQLSchema, document: DocumentNode): Measures {
  const measurer = new Measurer(schema, document);
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const costs = new Map(operations.map((operation) => [operation.name?.value ?? '', measurer.costOf(operation)]));
  return {
    depth: Math.max(0, ...operations.map((operation) => measurer.depthOf(operation.selectionSet, new Map()))),
    aliases: measurer.aliases,
    fields: Math.max(0, ...operations.map((operation) => measurer.fieldsOf(operation.selectionSet, new Map()))),
    complexity(operationName, variables) {
      const cost = typeof operationName === 'string' && operationName !== '' ? costs.get(operationName) : costs.values().next().value;
      return cost ? cost(variables, new Map()) : 0;
    },
  };
}

/** @throws QUERY_TOO_COMPLEX */
export function checkShape({ depth, aliases }: Measures): void {
  if (depth > limits.queryDepthMax) throw tooComplex(`Fields may be nested ${limits.queryDepthMax} deep; these are ${depth} deep.`);
  if (aliases > limits.queryAliasesMax) throw tooComplex(`A document may have ${limits.queryAliasesMax} aliases; this one has ${aliases}.`);
}

/** Returns the complexity, for whoever adds up a batch. @throws QUERY_TOO_COMPLEX */
export function checkComplexity(measures: Measures, operationName: string | null | undefined, variables: Variables, already = 0): number {
  const complexity = already + measures.complexity(operationName, variables);
  if (complexity > limits.queryComplexityMax) {
    throw tooComplex(`The complexity is ${complexity}, and at most ${limits.queryComplexityMax}: ask for smaller pages or fewer fields.`);
  }
  return complexity;
}

export function tooComplex(message: string) {
  return apiError('QUERY_TOO_COMPLEX', message);
}

class Measurer {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #fragmentCosts = new Map<string, Cost>();
  aliases = 0;

  constructor(schema: GraphQLSchema, document: DocumentNode) {
    this.#schema = schema;
    const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
    this.#fragments = new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
  }

  costOf(operation: OperationDefinitionNode): Cost {
    // Without a prototype, in which a variable named `__proto__` would be lost.
    const defaults = Object.create(null) as Record<string, unknown>;
    for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
      if (defaultValue?.kind === Kind.INT) defaults[variable.name.value] = Number(defaultValue.value);
    }
    const cost = this.#selections(operation.selectionSet, this.#schema.getRootType(operation.operation) ?? undefined);
    return (variables, memo) => cost({ ...defaults, ...variables }, memo);
  }

  /** `seen`: depths of the fragments that are done, and 0 for those that are being looked at. */
  depthOf(selectionSet: SelectionSetNode, seen: Map<string, number>): number {
    let deepest = 0;
    for (const selection of selectionSet.selections) {
      let depth = 0;
      if (selection.kind === Kind.INLINE_FRAGMENT) depth = this.depthOf(selection.selectionSet, seen);
      else if (selection.kind === Kind.FRAGMENT_SPREAD) depth = this.#depthOfFragment(selection.name.value, seen);
      else if (!selection.name.value.startsWith('__'))
        depth = 1 + (selection.selectionSet ? this.depthOf(selection.selectionSet, seen) : 0);
      deepest = Math.max(deepest, depth);
    }
    return deepest;
  }

  #depthOfFragment(name: string, seen: Map<string, number>): number {
    const known = seen.get(name);
    if (known !== undefined) return known;
    seen.set(name, 0);
    const fragment = this.#fragments.get(name);
    const depth = fragment ? this.depthOf(fragment.selectionSet, seen) : 0;
    seen.set(name, depth);
    return depth;
  }

  /** `seen`: fields of the fragments that are done, and 0 for those that are being looked at. */
  fieldsOf(selectionSet: SelectionSetNode, seen: Map<string, number>): number {
    return selectionSet.selections.reduce((sum, selection) => {
      if (selection.kind !== Kind.FRAGMENT_SPREAD) {
        const inner = selection.selectionSet ? this.fieldsOf(selection.selectionSet, seen) : 0;
        return sum + inner + (selection.kind === Kind.FIELD ? 1 : 0);
      }
      const name = selection.name.value;
      const known = seen.get(name);
      if (known !== undefined) return sum + known;
      seen.set(name, 0);
      const fragment = this.#fragments.get(name);
      const fields = fragment ? this.fieldsOf(fragment.selectionSet, seen) : 0;
      seen.set(name, fields);
      return sum + fields;
    }, 0);
  }

  #selections(selectionSet: SelectionSetNode, type: GraphQLNamedType | undefined): Cost {
    const costs = selectionSet.selections.map((selection) => {
      if (selection.kind === Kind.FIELD) return this.#field(selection, type);
      if (selection.kind === Kind.FRAGMENT_SPREAD) return this.#fragment(selection.name.value);
      const condition = selection.typeCondition?.name.value;
      return this.#selections(selection.selectionSet, condition === undefined ? type : this.#schema.getType(condition));
    });
    return (variables, memo) => costs.reduce((sum, cost) => sum + cost(variables, memo), 0);
  }

  #field(node: FieldNode, parent: GraphQLNamedType | undefined): Cost {
    if (node.alias) this.aliases += 1;
    const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
    const inner = node.selectionSet ? this.#selections(node.selectionSet, field && getNamedType(field.type)) : () => 0;
    // Its lists have no sizes to multiply by, so that it costs what a whole introspection does.
    if (node.name.value === '__schema' || node.name.value === '__type')
      return (variables, memo) => limits.introspectionComplexity + inner(variables, memo);
    const isConnection = field?.args.some((argument) => argument.name === 'first' && argument.type === GraphQLInt);
    if (!isConnection) return (variables, memo) => 1 + inner(variables, memo);
    return (variables, memo) => limits.connectionComplexity + pageSize(node, variables) * inner(variables, memo);
  }

  /** Fragments may be spread many times and in each other: each is measured once, and added up once for each set of variables. */
  #fragment(name: string): Cost {
    const known = this.#fragmentCosts.get(name);
    if (known) return known;
    let inner: Cost | undefined;
    const cost: Cost = (variables, memo) => {
      const done = memo.get(cost);
      if (done !== undefined) return done;
      memo.set(cost, 0);
      const sum = inner?.(variables, memo) ?? 0;
      memo.set(cost, sum);
      return sum;
    };
    this.#fragmentCosts.set(name, cost);
    const fragment = this.#fragments.get(name);
    if (fragment) inner = this.#selections(fragment.selectionSet, this.#schema.getType(fragment.typeCondition.name.value));
    return cost;
  }
}

/** What the resolver will take; sizes that it refuses count as the largest. */
function pageSize(node: FieldNode, variables: Variables): number {
  const size = intArgument(node, 'first', variables) ?? intArgument(node, 'last', variables) ?? limits.pageSizeDefault;
  return Math.min(Math.max(size, 1), limits.pageSizeMax);
}

function intArgument(node: FieldNode, name: string, variables: Variables): number | undefined {
  const value = node.arguments?.find((argument) => argument.name.value === name)?.value;
  if (value?.kind === Kind.INT) return Number(value.value);
  const given = value?.kind === Kind.VARIABLE ? variables?.[value.name.value] : undefined;
  return typeof given === 'number' ? given : undefined;
}
