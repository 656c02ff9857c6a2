import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pack } from '../../../src/cli/backup/archive.ts';
import { manifestName } from '../../../src/cli/backup/manifest.ts';
import { savedSessionsName } from '../../../src/cli/backup/saved-sessions.ts';
import type { CommandContext } from '../../../src/cli/command-line.ts';
import { run } from '../../../src/cli/restore.ts';
import { logFileName } from '../../../src/events/lmdb-log.ts';
import { tempDir } from '../../support/temp-dir.ts';

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
    const given = { help: false, positionals: [cut], text: {}, switches: new Set<string>(), flags: { data } };
    await expect(run(given, {} as CommandContext)).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' });
    expect((await readdir(data)).filter((name) => name !== 'version' && !name.startsWith('lock.'))).toEqual([]);
  }
});
