import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { gatherBeside } from '../../../src/cli/backup/partial.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a backup removes what killed ones have left beside its file, and nothing else', async () => {
  const folder = await tempDir('backup');
  const file = join(folder, 'backup.tar.gz');
  const living = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1_000)'], { stdio: 'ignore' });
  onTestFinished(() => void living.kill());
  const dead = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  await once(dead, 'exit');
  // In a container the one that was killed had the pid of this one.
  const left = [`backup.tar.gz.partial-${dead.pid}`, `backup.tar.gz.partial-${process.pid}`];
  const kept = [
    `backup.tar.gz.partial-${living.pid}`,
    `other.tar.gz.partial-${dead.pid}`,
    `backup.tar.gz.partial-${dead.pid}.txt`,
    'backup.tar.gz',
  ];
  for (const name of [...left, kept[0]!]) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'log.mdb'), 'part');
    await writeFile(join(folder, `${name}.tar.gz`), 'part');
  }
  for (const name of kept.slice(1)) await writeFile(join(folder, name), 'mine');
  const during = await gatherBeside(file, async (own) => {
    await writeFile(join(own, 'log.mdb'), 'whole');
    await expect(gatherBeside(file, async () => undefined)).rejects.toThrow('another backup is writing it');
    return readdir(own);
  });
  expect(during).toEqual(['log.mdb']);
  expect((await readdir(folder)).toSorted()).toEqual([...kept, `${kept[0]}.tar.gz`].toSorted());
  await expect(gatherBeside(join(folder, 'none', 'backup'), async () => undefined)).rejects.toThrow('its folder does not exist');
});

test('a backup to a full disk says which one', async () => {
  const file = join(await tempDir('backup'), 'backup.tar.gz');
  const full = `${file} cannot be written: its disk is full: make room there, or choose another place`;
  await expect(gatherBeside(file, () => writeFile('/dev/full', 'part'))).rejects.toThrow(full);
  // As LMDB says it.
  await expect(gatherBeside(file, () => Promise.reject(new Error('No space left on device')))).rejects.toThrow(full);
});
