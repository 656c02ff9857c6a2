import type { RunRow } from '../../projections/read-model.ts';
import { Edge, connectionOf, pageRange } from '../connections.ts';
import type { PageArguments } from '../connections.ts';
import type { Context } from '../context.ts';

interface Measured {
  readonly amount: number;
  readonly elapsedSeconds: number;
}

const speed = (measured: Measured) => (measured.elapsedSeconds === 0 ? 0 : measured.amount / measured.elapsedSeconds);

export const statistics = {
  Statistics: {
    speed,
    async runs(_: unknown, args: PageArguments, { services }: Context) {
      const page = await services.readModel.runs(pageRange(args, 'runs', services.logId));
      return connectionOf(page, services.logId, (run) => new Edge('runs', run.position, run.id, run));
    },
  },
  Run: { speed, label: (run: RunRow) => (run.label === '' ? null : run.label) },
};
