import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { findNatsServer } from '../../src/cli/cluster/nats-server-binary.ts';

const folder = fileURLToPath(new URL('../../docker', import.meta.url));

// A password of digits is what NATS would take for a number.
it.each(['1234567890', '12e45678', 'abcdef'])('nats-server takes the configuration of the containers with the password %s', (password) => {
  const found = findNatsServer(process.env);
  if ('problem' in found) throw new Error(found.problem);
  const compose = parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'), { merge: true }) as {
    services: Record<string, { environment: Record<string, string> }>;
  };
  const fill = (value: string): string => value.replaceAll('${NATS_PASSWORD}', password).replace(/\$\{\w+:-(\w+)\}/, '$1');
  const environment = Object.entries(compose.services['nats-2']!.environment).map(([name, value]) => [name, fill(value)]);
  const check = (): unknown =>
    execFileSync(found.path, ['-t', '-c', join(folder, 'nats.conf')], {
      encoding: 'utf8',
      stdio: 'pipe',
      env: { ...process.env, ...(Object.fromEntries(environment) as Record<string, string>) },
    });
  expect(check).not.toThrow();
});
