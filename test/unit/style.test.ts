import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { rules, violations } from '../support/style-rules.ts';
import type { SourceFile } from '../support/style-rules.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function filesOf(folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(root, path).split(sep).join('/'), text: readFileSync(path, 'utf8') }));
}

// The rules themselves quote what they forbid.
const files = [...filesOf('src'), ...filesOf('test')].filter(({ path }) => path !== 'test/support/style-rules.ts');

describe('the style of the code', () => {
  it.for(rules.map((rule) => [rule.name, rule] as const))('%s', ([, rule]) => {
    const found = violations([rule], files).map(({ place, what }) => `${place} ${what}`);
    expect(found, `${rule.name}. Instead: ${rule.cure}`).toEqual([]);
  });

  it.for(rules.map((rule) => [rule.name, rule] as const))('is seen when broken: %s', ([, rule]) => {
    expect(rule.find(rule.bad)).not.toEqual([]);
  });

  it('lets through what is allowed', () => {
    const good: SourceFile[] = [
      { path: 'src/gateway/x.ts', text: "import { y } from '../actors/y.ts';\nimport type { Clock } from '../clock.ts';" },
      { path: 'src/actors/runtime/x.ts', text: "import { y } from '../../transport/y.ts';\n// Date.now() would not be testable.\n" },
      { path: 'src/node.ts', text: "import { y } from './gateway/y.ts';" },
      { path: 'src/clock.ts', text: 'export const now = () => Date.now();' },
      { path: 'src/cli/start.ts', text: "console.log('http://127.0.0.1'); /* Math.random() */ process.exit(1);" },
      { path: 'src/events/x.ts', text: 'socket.setTimeout(1);\n// ---- a section\nconst at = new Date(event.time);' },
      { path: 'src/transport/nats-transport.ts', text: "import { connect } from 'nats';" },
    ];
    expect(violations(rules, good)).toEqual([]);
  });

  it('names the layer that is broken, in both directions and through folders', () => {
    const bad: SourceFile[] = [
      { path: 'src/actors/runtime/x.ts', text: "\nimport { y } from '../../projections/y.ts';" },
      { path: 'src/projections/network/x.ts', text: "import { y } from '../../actors/y.ts';" },
      { path: 'src/transport/x.ts', text: "const y = await import('../events/y.ts');" },
      { path: 'src/clock.ts', text: "import type { EventLog } from './events/event-log.ts';" },
      { path: 'src/gateway/x.ts', text: "import { readConfig } from '../config.ts';" },
      { path: 'src/events/y.ts', text: "import { z } from '../node.ts';" },
    ];
    const places = violations(rules, bad).map(({ place, what }) => `${place} ${what}`);
    expect(places).toEqual([
      'src/actors/runtime/x.ts:2 actors imports projections',
      'src/projections/network/x.ts:1 projections imports actors',
      'src/transport/x.ts:1 transport imports events',
      'src/clock.ts:1 the leaf clock imports events',
      'src/gateway/x.ts:1 gateway imports config',
      'src/events/y.ts:1 events imports node',
    ]);
  });
});
