import { execFileSync } from 'node:child_process';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { pack } from '../../../src/cli/backup/archive.ts';
import { manifestName } from '../../../src/cli/backup/manifest.ts';
import { savedSessionsName } from '../../../src/cli/backup/saved-sessions.ts';
import type { CommandContext } from '../../../src/cli/command-line.ts';
import { run } from '../../../src/cli/restore.ts';
import { logFileName } from '../../../src/events/lmdb-log.ts';
import { tempDir } from '../../support/temp-dir.ts';

const given = (file: string, data: string) => ({
  help: false,
  positionals: [file],
  text: {},
  switches: new Set<string>(),
  flags: { data },
});

it('a backup that was cut is named as such, and leaves nothing', async () => {
  const folder = await tempDir('restore');
  const [gathered, whole, cut] = [join(folder, 'gathered'), join(folder, 'whole.tar.gz'), join(folder, 'cut.tar.gz')];
  await mkdir(gathered);
  await writeFile(join(gathered, manifestName), '{}');
  await writeFile(join(gathered, logFileName), Buffer.alloc(4096));
  await writeFile(join(gathered, savedSessionsName), '');
  await pack(gathered, [manifestName, logFileName, savedSessionsName], whole, { replace: false, signal: new AbortController().signal });
  await writeFile(cut, (await readFile(whole)).subarray(0, -20));
  const data = join(folder, 'data');
  for (let time = 0; time < 100; time++) {
    await expect(run(given(cut, data), {} as CommandContext)).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' });
    expect((await readdir(data)).filter((name) => name !== 'version' && !name.startsWith('lock.'))).toEqual([]);
  }
});

it.skipIf(process.getuid?.() !== 0)('a restore to a full disk says where, and goes on when there is room', async () => {
  const [folder, data] = [await tempDir('restore'), await tempDir('full')];
  const [gathered, file] = [join(folder, 'gathered'), join(folder, 'whole.tar.gz')];
  await mkdir(gathered);
  await writeFile(join(gathered, logFileName), Buffer.alloc(256 * 1024));
  await pack(gathered, [logFileName], file, { replace: false, signal: new AbortController().signal });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', data]);
  onTestFinished(() => void execFileSync('umount', ['-l', data]));
  await expect(run(given(file, data), {} as CommandContext)).rejects.toThrow(/^the disk is full at .*: make room there and restore again$/);
  execFileSync('mount', ['-o', 'remount,size=1m', data]);
  await expect(run(given(file, data), {} as CommandContext)).rejects.toThrow('it has no manifest');
});
