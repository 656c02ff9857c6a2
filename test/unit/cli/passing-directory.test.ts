import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { openPassingDirectory } from '../../../src/cli/passing-directory.ts';
import { identityOf } from '../../../src/process-identity.ts';
import { tempDir } from '../../support/temp-dir.ts';

it('goes with its node; one that a killed node has left goes with the next start, and nothing else does', async () => {
  const parent = await tempDir('passing');
  const made = async (name: string, files: Readonly<Record<string, string>>) => {
    await mkdir(join(parent, name));
    for (const [file, text] of Object.entries(files)) await writeFile(join(parent, name, file), text);
  };
  const dead = JSON.stringify({ ...(await identityOf(process.pid)), pid: 4_194_304 });
  await made('starling-node-killed', { version: '1\n', 'lock.1': dead, 'control.sock': '' });
  await made('starling-node-unfinished', {});
  await made('starling-other', { version: '1\n', 'lock.1': dead });
  await writeFile(join(parent, 'starling-node-file'), '');
  const running = await openPassingDirectory(parent);
  const another = await openPassingDirectory(parent);
  const others = ['starling-node-file', 'starling-node-unfinished', 'starling-other'];
  expect((await readdir(parent)).toSorted()).toEqual([...others, basename(running.path), basename(another.path)].toSorted());
  await running.release();
  await another.release();
  expect((await readdir(parent)).toSorted()).toEqual(others);
});
