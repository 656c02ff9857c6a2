import { GraphQLError, Kind, OperationTypeNode } from 'graphql';
import type { SelectionNode, ValidationContext, ValidationRule } from 'graphql';

/**
 * The field of a subscription cannot be left out by a directive: nothing would be left to subscribe to, over which the library throws. The GraphQL
 * specification of September 2025 forbids it too (section 5.2.4.1).
 */
export const subscriptionKeepsItsField: ValidationRule = (context) => ({
  OperationDefinition({ operation, selectionSet }) {
    if (operation === OperationTypeNode.SUBSCRIPTION) check(context, selectionSet.selections, new Set());
  },
});

function check(context: ValidationContext, selections: readonly SelectionNode[], seen: Set<string>): void {
  for (const selection of selections) {
    if (selection.directives?.some(({ name }) => name.value === 'skip' || name.value === 'include'))
      context.reportError(new GraphQLError('The field of a subscription cannot be left out by @skip or @include.', { nodes: selection }));
    if (selection.kind === Kind.INLINE_FRAGMENT) check(context, selection.selectionSet.selections, seen);
    if (selection.kind !== Kind.FRAGMENT_SPREAD || seen.has(selection.name.value)) continue;
    seen.add(selection.name.value);
    check(context, context.getFragment(selection.name.value)?.selectionSet.selections ?? [], seen);
  }
}
