import { shardCount } from '../../transport/subjects.ts';
import type { Context } from '../context.ts';

export const clusterQuery = {
  async cluster(_: unknown, __: unknown, { services }: Context) {
    const { transport, eventLog } = services.cluster;
    return { nodes: services.cluster.nodes(), shardCount, transport, eventLog, projections: () => services.cluster.projections() };
  },
};
