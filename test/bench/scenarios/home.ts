import { expected, homeTimeline } from '../documents.ts';
import { interleave, ratioResult } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { Stand } from '../stand.ts';

/** Pages of 20 of the home timelines of all users in turn, against the same gateway that has such a page in a constant. */
export async function measureHome(stand: Stand): Promise<readonly Result[]> {
  const system = await stand.loaded();
  const { rounds, roundMs, warmUpMsMax, connections } = stand.sizes;
  const tokens = await stand.tokens();
  const entries = await system.call('prepareConstantPage', undefined);
  let from = 0;
  const plan = { connections, tokens, bodies: [homeTimeline], expect: expected.homeTimeline };
  const pages = (port: number) => async () => {
    const result = await stand.load({ ...plan, port, forMs: roundMs, from });
    from += result.answered;
    return result.perSecond;
  };
  stand.progress('home timelines: warm-up');
  // Everybody once, so that both gateways know all sessions.
  for (const port of [system.floorPort, system.port]) await stand.load({ ...plan, port, forMs: warmUpMsMax, requestsMax: tokens.length });
  stand.progress(`home timelines: ${rounds} rounds`);
  return [
    ratioResult(
      {
        scenario: 'home',
        title: 'home timeline pages of 20',
        target: { kind: 'at least', value: 0.2 },
        unit: 'pages/s',
        floorIs: 'the same gateway returning such a page from a constant',
        notes: [`${tokens.length.toLocaleString('en-US')} users in turn, ${entries} entries a page in the mean and in the constant`],
      },
      await interleave(rounds, pages(system.floorPort), pages(system.port)),
    ),
  ];
}
