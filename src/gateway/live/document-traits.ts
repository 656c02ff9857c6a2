import { BREAK, Kind, visit } from 'graphql';
import type { DocumentNode } from 'graphql';

/** What decides who may share the executions of a subscription. */
export interface DocumentTraits {
  /** A selected field depends on who looks, so that only one and the same viewer may share. */
  readonly viewerDependent: boolean;
  /** Variables that a message depends on. Those that stand only in arguments of the root field decide which messages come, and not what they look like. */
  readonly variables: readonly string[];
}

/** Fields that answer differently to different viewers say so in their name: `viewerFollows`, `followsViewer`. A test holds the schema to it. */
export const dependsOnViewer = (fieldName: string): boolean => /viewer/i.test(fieldName);

const known = new WeakMap<DocumentNode, DocumentTraits>();

/** Looks at all of the document, whichever operation was chosen: to share too little does no harm. */
export function traitsOf(document: DocumentNode): DocumentTraits {
  let traits = known.get(document);
  if (traits === undefined)
    known.set(document, (traits = { viewerDependent: selectsForViewer(document), variables: variablesOf(document) }));
  return traits;
}

function selectsForViewer(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Field(node) {
      if (!dependsOnViewer(node.name.value)) return undefined;
      found = true;
      return BREAK;
    },
  });
  return found;
}

function variablesOf(document: DocumentNode): string[] {
  const rootFields = new Set<unknown>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION)
      for (const selection of definition.selectionSet.selections) rootFields.add(selection);
  }
  const names = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Argument: (_node, _key, _parent, _path, ancestors) => (rootFields.has(ancestors.at(-1)) ? false : undefined),
    Variable: (node) => void names.add(node.name.value),
  });
  return [...names].toSorted();
}
