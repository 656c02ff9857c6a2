import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { controlSocketOf, openDataDirectory, requireDataDirectory } from '../../../src/data-directory.ts';
import { DirectoryInUse, holderOf, lockDirectory } from '../../../src/directory-lock.ts';
import { tempDir } from '../../support/temp-dir.ts';

describe('openDataDirectory', () => {
  it('makes a private directory with a version', async () => {
    const path = join(await tempDir(), 'a', 'b');
    const directory = await openDataDirectory(path);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect(await readFile(join(path, 'version'), 'utf8')).toBe('2\n');
    expect(directory.fresh).toBe(true);
    await directory.release();
    const again = await openDataDirectory(path);
    expect(again.fresh).toBe(false);
    await again.release();
  });

  it('of an older format becomes one that an older Starling refuses, before anybody writes to it', async () => {
    const path = await tempDir();
    await writeFile(join(path, 'version'), '1\n');
    const directory = await openDataDirectory(path);
    expect(directory.fresh).toBe(false);
    expect(await readFile(join(path, 'version'), 'utf8')).toBe('2\n');
    await directory.release();
  });

  it('is not made for who needs what is in it: an empty backup would look like a good one', async () => {
    const path = join(await tempDir(), 'mistyped');
    await expect(requireDataDirectory(path)).rejects.toThrow(
      /there is no data directory of Starling at .*mistyped: say where it is with --data/,
    );
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await (await openDataDirectory(path)).release();
    await requireDataDirectory(path);
  });

  it.each([
    [
      'of a newer format',
      async (path: string) => writeFile(join(path, 'version'), '3\n'),
      /has format 3, and this Starling reads up to format 2: start it with the newer Starling/,
    ],
    ['with a damaged version', async (path: string) => writeFile(join(path, 'version'), 'x'), /version is damaged: it should hold 2/],
    [
      'of somebody else',
      async (path: string) => writeFile(join(path, 'letter.txt'), 'x'),
      /neither empty nor a data directory of Starling/,
    ],
    [
      'with half of a restore',
      async (path: string) => void (await mkdir(join(path, 'restore.unfinished'))),
      /a restore to .* was interrupted: run it again/,
    ],
  ])('refuses a directory %s and leaves it unlocked', async (_, prepare, message) => {
    const path = await tempDir();
    await prepare(path);
    await expect(openDataDirectory(path)).rejects.toThrow(message);
    expect(await holderOf(path)).toBeUndefined();
  });

  it('leaves nothing in a folder of somebody else', async () => {
    const path = await tempDir();
    await writeFile(join(path, 'letter.txt'), 'x');
    for (const forRestore of [false, true])
      await expect(openDataDirectory(path, { forRestore })).rejects.toThrow(/neither empty nor a data directory of Starling/);
    expect(await readdir(path)).toEqual(['letter.txt']);
  });

  it('says so when it is a file, or goes round in a circle', async () => {
    const path = await tempDir();
    await writeFile(join(path, 'file'), '');
    await symlink('circle', join(path, 'circle'));
    await expect(openDataDirectory(join(path, 'file'))).rejects.toThrow(/cannot be used: it is not a directory/);
    await expect(openDataDirectory(join(path, 'file', 'below'))).rejects.toThrow(/cannot be used: it is not a directory/);
    await expect(openDataDirectory(join(path, 'circle'))).rejects.toThrow(/cannot be used: .*(circle|not a directory)/);
  });

  it('says so when this user may not use it', async () => {
    const path = await tempDir();
    await chmod(path, 0o500);
    // Nothing is forbidden to root: the call is made as somebody else.
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid?.(65_534);
    try {
      await expect(openDataDirectory(path)).rejects.toThrow(
        `the data directory ${path} cannot be used: this user may not read and write it`,
      );
      await expect(openDataDirectory(join(path, 'below'))).rejects.toThrow('this user may not read and write it: change its owner or mode');
    } finally {
      if (root) process.seteuid?.(0);
    }
  });

  it('finds a short place for the control socket of a long directory, the same one each time', async () => {
    const long = join(await tempDir(), 'x'.repeat(120));
    const socket = await controlSocketOf(long);
    onTestFinished(() => rm(join(socket, '..'), { recursive: true }));
    expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(107);
    expect(await controlSocketOf(long)).toBe(socket);
    expect((await stat(join(socket, '..'))).mode & 0o777).toBe(0o700);
  });
});

describe('the lock of a directory', () => {
  it('names the process that holds it', async () => {
    const path = await tempDir();
    const lock = await lockDirectory(path);
    expect(await holderOf(path)).toBe(process.pid);
    await expect(lockDirectory(path)).rejects.toThrow(new DirectoryInUse(path, process.pid));
    await lock.release();
    expect(await holderOf(path)).toBeUndefined();
    await (await lockDirectory(path)).release();
  });

  it('opens when its holder is dead, even if the pid lives on in another process', async () => {
    const path = await tempDir();
    const child = spawn('sleep', ['60']);
    try {
      await once(child, 'spawn');
      await writeFile(join(path, 'lock.7'), JSON.stringify({ pid: child.pid, start: '1', boot: 'before' }));
      const lock = await lockDirectory(path);
      expect(await readdir(path)).toEqual(['lock.8']);
      await lock.release();
    } finally {
      child.kill('SIGKILL');
    }
  });

  it.each(['', '{', '{"pid":"x"}', 'null', '[]'])('opens when it holds %j', async (text) => {
    const path = await tempDir();
    await writeFile(join(path, 'lock.1'), text);
    await (await lockDirectory(path)).release();
  });

  it('gives way to a higher one that a faster process took', async () => {
    const path = await tempDir();
    const lock = await lockDirectory(path);
    await writeFile(join(path, 'lock.1000'), await readFile(join(path, 'lock.1'), 'utf8'));
    await expect(lockDirectory(path)).rejects.toThrow(DirectoryInUse);
    expect((await readdir(path)).toSorted()).toEqual(['lock.1', 'lock.1000']);
    await lock.release();
  });

  it('lets one of many win', async () => {
    const path = await tempDir();
    await writeFile(join(path, 'lock.3'), 'of a dead one');
    const script = `
      import { lockDirectory } from ${JSON.stringify(new URL('../../../src/directory-lock.ts', import.meta.url).href)};
      try { await lockDirectory(${JSON.stringify(path)}); console.log('held'); } catch (error) { console.log(error.code); }
      setTimeout(() => {}, 60_000);
    `;
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    try {
      const said = await Promise.all(children.map(async (child) => String((await once(child.stdout, 'data'))[0]).trim()));
      expect(said.toSorted()).toEqual(['DATA_DIRECTORY_IN_USE', 'DATA_DIRECTORY_IN_USE', 'DATA_DIRECTORY_IN_USE', 'held']);
    } finally {
      for (const child of children) child.kill('SIGKILL');
    }
  });
});
