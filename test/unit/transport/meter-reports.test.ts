import { expect, it } from 'vitest';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { startMeters, subscribeMeters } from '../../../src/transport/meter-reports.ts';
import type { MeterReport } from '../../../src/transport/meter-reports.ts';
import { metersSubject } from '../../../src/transport/subjects.ts';
import { createManualClock } from '../../support/manual-clock.ts';

async function system() {
  const clock = createManualClock();
  const transport = createLocalTransport({ clock });
  const reports: MeterReport[] = [];
  await subscribeMeters({ transport, space: 's' }, (report) => reports.push(report));
  return { clock, transport, reports, node: (nodeId: string, space = 's') => startMeters({ transport, space, nodeId, clock }) };
}

it('reports every 100 ms what a node counted, and nothing while there is nothing to tell', async () => {
  const { clock, reports, node } = await system();
  const meters = node('n1');
  await clock.advance(1_000);
  expect(reports).toEqual([]);
  meters.count('commandsAnswered', 2);
  meters.count('commandsAnswered', 3);
  meters.count('entriesPushed', 7);
  await clock.advance(99);
  expect(reports).toEqual([]);
  await clock.advance(1);
  expect(reports).toEqual([{ nodeId: 'n1', at: clock.now(), commandsAnswered: 5, eventsProjected: 0, entriesPushed: 7 }]);
  await clock.advance(1_000);
  expect(reports).toHaveLength(1);
  meters.count('eventsProjected', 1);
  await clock.advance(100);
  expect(reports[1]).toMatchObject({ commandsAnswered: 0, eventsProjected: 1, entriesPushed: 0 });
  await meters.stop();
});

it('loses no count however the counting falls, and sends the rest when it stops', async () => {
  const { clock, reports, node } = await system();
  const meters = [node('n1'), node('n2')];
  for (let step = 1; step <= 100; step += 1) {
    for (const each of meters) each.count('commandsAnswered', step);
    await clock.advance(step);
  }
  for (const each of meters) {
    each.count('commandsAnswered', 1);
    await each.stop();
  }
  await clock.advance(0);
  for (const nodeId of ['n1', 'n2']) {
    const own = reports.filter((report) => report.nodeId === nodeId);
    expect(own.reduce((sum, report) => sum + report.commandsAnswered, 0)).toBe(5_051);
  }
  expect(clock.sleepers()).toBe(0);
});

it('leaves out what is no report, and the reports of another system', async () => {
  const { clock, transport, reports, node } = await system();
  const good = { nodeId: 'n', at: 1, commandsAnswered: 1, eventsProjected: 1, entriesPushed: 1 };
  const bad = [
    null,
    'text',
    {},
    { ...good, nodeId: 1 },
    { ...good, at: 'now' },
    { ...good, entriesPushed: -1 },
    { ...good, eventsProjected: 0.5 },
  ];
  for (const body of bad) transport.publish(metersSubject('s'), { type: 'MeterReport', format: 1, body });
  transport.publish(metersSubject('s'), { type: 'MeterReport', format: 2, body: good });
  transport.publish(metersSubject('s'), { type: 'Other', format: 1, body: good });
  const other = node('n9', 'another');
  other.count('commandsAnswered', 1);
  await other.stop();
  transport.publish(metersSubject('s'), { type: 'MeterReport', format: 1, body: good });
  await clock.advance(100);
  expect(reports).toEqual([good]);
});
