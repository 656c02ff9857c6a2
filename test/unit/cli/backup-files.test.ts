import { mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { assertReplaceable, pack } from '../../../src/cli/backup/archive.ts';
import { createManifest, manifestName, verifyManifest } from '../../../src/cli/backup/manifest.ts';
import { saveSessions } from '../../../src/cli/backup/saved-sessions.ts';
import { isSameLog } from '../../../src/cli/copy/log-address.ts';
import type { Database } from '../../../src/projections/database.ts';
import { tempDir } from '../../support/temp-dir.ts';

const about = { createdAt: '2026-01-01T00:00:00.000Z', logId: 'id', commits: 3, position: null, sessions: 1 };

describe('a backup that is replaced', () => {
  it('is a backup, or nothing yet', async () => {
    const folder = await tempDir('backup-files');
    const target = join(folder, 'one.tar.gz');
    await assertReplaceable(target);
    await writeFile(target, '');
    await assertReplaceable(target);
    await mkdir(join(folder, 'gathered'));
    await writeFile(join(folder, 'gathered', manifestName), JSON.stringify(await createManifest(about, [])));
    await pack(join(folder, 'gathered'), [manifestName], target, { replace: true, signal: new AbortController().signal });
    await assertReplaceable(target);
  });

  it('is nothing else', async () => {
    const folder = await tempDir('backup-files');
    await writeFile(join(folder, 'log.mdb'), Buffer.alloc(8192, 7));
    await writeFile(join(folder, 'posts.txt.gz'), gzipSync('a post\n'.repeat(10_000)));
    for (const path of [join(folder, 'log.mdb'), join(folder, 'posts.txt.gz'), folder, '/dev/null'])
      await expect(assertReplaceable(path), path).rejects.toMatchObject({ code: 'NOT_A_BACKUP' });
  });
});

it('a manifest that lacks something is told before anything is restored', async () => {
  const folder = await tempDir('backup-files');
  for (const missing of ['createdAt', 'logId', 'commits', 'sessions', 'files']) {
    const manifest = { ...(await createManifest(about, [])), [missing]: undefined };
    await writeFile(join(folder, manifestName), JSON.stringify(manifest));
    await expect(verifyManifest(folder, []), missing).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' });
  }
});

it('a backup is restored when every file is what was saved, and not where one is damaged, missing, or of a newer Starling', async () => {
  const folder = await tempDir('backup-files');
  const path = join(folder, 'log.mdb');
  const verified = () => verifyManifest(folder, ['log.mdb']);
  await expect(verified()).rejects.toMatchObject({ code: 'BACKUP_DAMAGED', message: expect.stringContaining('no manifest') });
  await writeFile(path, 'whole');
  const manifest = await createManifest(about, [path]);
  const write = (content: string) => writeFile(join(folder, manifestName), content);
  await write(JSON.stringify(manifest));
  expect(await verified()).toEqual(manifest);
  await writeFile(path, 'whale');
  await expect(verified()).rejects.toMatchObject({ code: 'BACKUP_DAMAGED', message: expect.stringContaining('is not what was saved') });
  await write(JSON.stringify({ ...manifest, files: [] }));
  await expect(verified()).rejects.toMatchObject({ code: 'BACKUP_DAMAGED', message: expect.stringContaining('log.mdb is missing') });
  await write('{');
  await expect(verified()).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' });
  await write(JSON.stringify({ format: manifest.format + 1, otherwise: true }));
  await expect(verified()).rejects.toMatchObject({ code: 'BACKUP_NEWER', message: expect.stringContaining('reads up to 1') });
});

it('sessions are saved whole where the disk takes a part of what is written', async () => {
  const path = join(await tempDir('backup-files'), 'sessions.ndjson');
  const pages = [Array.from({ length: 5 }, (_, index) => ({ key: String(index), line: JSON.stringify({ index }) })), []];
  const database = {
    transaction: <T>(_: object, work: (session: { query: () => Promise<unknown> }) => Promise<T>) =>
      work({ query: async () => pages.shift() }),
  } as unknown as Database;
  const file = await open(path, 'wx');
  const write = file.write.bind(file) as (text: string) => Promise<unknown>;
  Object.assign(file, { write: (text: string) => write(text.slice(0, 10)) });
  expect(await saveSessions(database, file)).toBe(5);
  await file.close();
  expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(6);
});

it('a log is the same behind a link', async () => {
  const folder = await tempDir('backup-files');
  const [directory, linked] = [join(folder, 'data'), join(folder, 'linked')];
  await mkdir(directory);
  await symlink(directory, linked);
  const at = (path: string) => ({ engine: 'lmdb', directory: path }) as const;
  expect(await isSameLog(at(directory), at(linked))).toBe(true);
  expect(await isSameLog(at(directory), at(join(folder, 'other')))).toBe(false);
  expect(await isSameLog(at(directory), { engine: 'eventstoredb', space: 'data', url: '' })).toBe(false);
});
