import { parseArgs } from 'node:util';
import { scenarioNames } from './scenarios.ts';
import type { ScenarioName } from './scenarios.ts';

export interface Options {
  readonly scenarios: readonly ScenarioName[];
  readonly data: string | undefined;
  readonly quick: boolean;
  readonly out: string | undefined;
  readonly help: boolean;
}

export const usage = `npm run bench [-- [options] SCENARIO…]

Measures Starling against its targets, each scenario beside a floor of the same run. Without a scenario: all of them.
Scenarios: ${scenarioNames.join(', ')}

  --data FOLDER   folder of follows.tsv.gz and posts.txt.gz (else STARLING_TEST_DATA, else ../shared/data, else a generated population)
  --quick         small and short: shows that everything runs; the figures mean little
  --out FOLDER    where JSON, SVG and PNG go (test/bench/results; with --quick nowhere unless named)
  --help          this text
`;

/** @throws with a sentence for the user when an argument is not known. */
export function parseOptions(argv: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { data: { type: 'string' }, quick: { type: 'boolean' }, out: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  const unknown = positionals.filter((name) => !scenarioNames.includes(name as ScenarioName));
  if (unknown.length > 0) throw new Error(`no scenario is called ${unknown.join(', ')}; there are ${scenarioNames.join(', ')}`);
  return {
    scenarios: positionals.length === 0 ? scenarioNames : scenarioNames.filter((name) => positionals.includes(name)),
    data: values.data,
    quick: values.quick ?? false,
    out: values.out,
    help: values.help ?? false,
  };
}
