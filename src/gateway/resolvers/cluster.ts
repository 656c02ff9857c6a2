import { shardCount } from '../../transport/subjects.ts';
import type { Context } from '../context.ts';

export const cluster = {
  Query: {
    cluster(_: unknown, __: unknown, { services }: Context) {
      const { transport, eventLog } = services.cluster;
      return { nodes: services.cluster.nodes(), shardCount, transport, eventLog };
    },
  },
  // A resolver, since a function among the values is called by GraphQL itself and not by documents that are compiled.
  Cluster: { projections: (_: unknown, __: unknown, { services }: Context) => services.cluster.projections() },
};
