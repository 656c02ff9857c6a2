import { GraphQLError, NoFragmentCyclesRule, parse, specifiedRules, validate } from 'graphql';
import type { DocumentNode, GraphQLSchema } from 'graphql';
import { LRUCache } from 'lru-cache';
import { limits } from '../limits.ts';
import { checkShape, measure, tooComplex } from './query-limits.ts';
import type { Measures } from './query-limits.ts';
import { subscriptionKeepsItsField } from './subscription-rule.ts';

const rules = [...specifiedRules, subscriptionKeepsItsField];

/** A document that is parsed and within the limits of its shape; its complexity depends on the variables: `checkComplexity`. */
export interface ParsedDocument {
  readonly document: DocumentNode;
  readonly measures: Measures;
}

export type Prepared = ParsedDocument | { readonly errors: readonly GraphQLError[] };

interface Remembered {
  readonly parsed: Prepared;
  /** Absent until somebody asked for it. */
  validated?: Prepared;
}

const rememberedBySchema = new WeakMap<GraphQLSchema, LRUCache<string, Remembered>>();

/** Parses and measures, for an executor that validates by itself. Remembered by the text, errors too: the same bad document again costs nothing. */
export function parseDocument(schema: GraphQLSchema, source: string): Prepared {
  return remembered(schema, source).parsed;
}

/** Parses, measures and validates: what is left can be executed once `checkComplexity` has passed its variables. */
export function prepareDocument(schema: GraphQLSchema, source: string): Prepared {
  const entry = remembered(schema, source);
  return (entry.validated ??= validated(schema, entry.parsed));
}

function remembered(schema: GraphQLSchema, source: string): Remembered {
  // Too large a text is not even a key.
  if (source.length > limits.queryBytesMax || Buffer.byteLength(source) > limits.queryBytesMax) {
    return { parsed: { errors: [tooComplex(`A document has at most ${limits.queryBytesMax} bytes.`)] } };
  }
  let documents = rememberedBySchema.get(schema);
  if (documents === undefined) rememberedBySchema.set(schema, (documents = new LRUCache({ max: limits.documentsRememberedMax })));
  let entry = documents.get(source);
  if (entry === undefined) documents.set(source, (entry = { parsed: parsed(schema, source) }));
  return entry;
}

function parsed(schema: GraphQLSchema, source: string): Prepared {
  try {
    const document = parse(source, { maxTokens: limits.queryTokensMax });
    // Alone, and before all else: the rule that compares fields in pairs runs out of stack on fragments that go round in large circles.
    const circles = validate(schema, document, [NoFragmentCyclesRule], { maxErrors: 10 });
    if (circles.length > 0) return { errors: circles };
    const measures = measure(schema, document);
    checkShape(measures);
    return { document, measures };
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    const tooMany = error.message.includes(`more that ${limits.queryTokensMax} tokens`);
    return { errors: [tooMany ? tooComplex(`A document has at most ${limits.queryTokensMax} tokens.`) : error] };
  }
}

function validated(schema: GraphQLSchema, document: Prepared): Prepared {
  if ('errors' in document) return document;
  const errors = validate(schema, document.document, rules, { maxErrors: 10 });
  return errors.length > 0 ? { errors } : document;
}
