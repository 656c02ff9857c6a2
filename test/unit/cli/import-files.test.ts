import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAuthors, createCommandIds, createFingerprints, importedPostId } from '../../../src/cli/import/authors.ts';
import { readFollows, readPopulation, readPosts } from '../../../src/cli/import/files.ts';
import { ImportFileError, readLines } from '../../../src/cli/import/lines.ts';
import { parseCommandId, parsePostId } from '../../../src/events/ids.ts';
import { limits } from '../../../src/limits.ts';
import { tempDir } from '../../support/temp-dir.ts';

const never = new AbortController().signal;

async function fileOf(content: string | Uint8Array): Promise<string> {
  const path = join(await tempDir(), 'file');
  await writeFile(path, content);
  return path;
}

async function all<T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = [];
  for await (const batch of batches) found.push(...batch);
  return found;
}

async function linesOf(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { firstLine, lines } of readLines(path)) {
    expect(firstLine).toBe(found.length + 1);
    found.push(...lines);
  }
  return found;
}

describe('readLines', () => {
  it.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\nb', ['a', 'b']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['\n\n', ['', '']],
    ['\uFEFFa\nb\n', ['a', 'b']],
    // Its second byte is that of gzip.
    ['ы\n', ['ы']],
  ])('reads %j, plain and gzip', async (text, lines) => {
    expect(await linesOf(await fileOf(text))).toEqual(lines);
    expect(await linesOf(await fileOf(gzipSync(text)))).toEqual(lines);
  });

  it('reads what is longer than a block, and characters that a block cuts', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index} ${'é🙂'.repeat(20)}`);
    const text = lines.join('\n');
    expect(await linesOf(await fileOf(text))).toEqual(lines);
    expect(await linesOf(await fileOf(gzipSync(text)))).toEqual(lines);
  });

  it('reads gzip files that were put together, and refuses one with a hole', async () => {
    const [first, second] = [gzipSync('a\nb\n'), gzipSync('c\n')];
    expect(await linesOf(await fileOf(Buffer.concat([first, second])))).toEqual(['a', 'b', 'c']);
    for (const after of [second, Buffer.alloc(0)]) {
      const path = await fileOf(Buffer.concat([first, Buffer.alloc(300 * 1024), after]));
      await expect(linesOf(path)).rejects.toThrow(
        /: the gzip data is followed by zero bytes, at byte \d+ of \d+: was a part of the file lost\?$/,
      );
    }
  });

  it('names the line that is not UTF-8', async () => {
    const path = await fileOf(Buffer.concat([Buffer.from('one\ntwo\n'), Buffer.from([0xff, 0x0a]), Buffer.from('four\n')]));
    await expect(linesOf(path)).rejects.toThrow(new ImportFileError(path, 3, 'not valid UTF-8'));
  });

  it('says that gzip data is cut or damaged', async () => {
    const whole = gzipSync(Array.from({ length: 50_000 }, (_, index) => `${index * 7919}`).join('\n'));
    const cut = await fileOf(whole.subarray(0, whole.length - 20_000));
    await expect(linesOf(cut)).rejects.toThrow(/file: the gzip data ends too soon \(after about line \d+\): was the file cut\?/);
    const altered = Buffer.from(whole);
    altered.fill(0x55, 60_000, 60_100);
    await expect(linesOf(await fileOf(altered))).rejects.toThrow(/the gzip data is damaged \(after about line \d+\)/);
  });

  it('stops at a line without end', async () => {
    const path = await fileOf(`a\n${'x'.repeat(2 * 1024 * 1024)}`);
    await expect(linesOf(path)).rejects.toThrow(`${path}:2: the line is longer than 1048576 bytes`);
  });

  it('says what is wrong with a path', async () => {
    const folder = await tempDir();
    await expect(linesOf(folder)).rejects.toThrow('a directory, not a file');
    await expect(linesOf(join(folder, 'none'))).rejects.toThrow('none: no such file');
  });

  it('refuses a pipe without waiting for somebody who writes to it', async () => {
    const pipe = join(await tempDir(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(linesOf(pipe)).rejects.toThrow('pipe: not a file that can be read more than once');
  });
});

describe('a follows file', () => {
  it('gives follows, and users in the order of the file', async () => {
    const path = await fileOf('follower\tfollowee\n5\t0\n7\t5\n9\t5\n');
    expect(await all(readFollows(path))).toEqual([
      { follower: 5, followee: 0 },
      { follower: 7, followee: 5 },
      { follower: 9, followee: 5 },
    ]);
    const population = await readPopulation(path, never);
    expect(population).toMatchObject({ users: [5, 0, 7, 9], follows: 3 });
    expect([...population.followers]).toEqual([2, 1, 0, 0]);
  });

  it.each([
    ['', undefined, 'is empty: the first line must be the header "follower<TAB>followee"'],
    ['1\t2\n', 1, 'the first line must be the header "follower<TAB>followee"'],
    ['follower\tfollowee\n1\t2\n1 2\n', 3, 'two numbers with a tab between are wanted, not "1 2"'],
    ['follower\tfollowee\n1\t2\t3\n', 2, 'two numbers with a tab between are wanted, not "1\\t2\\t3"'],
    ['follower\tfollowee\n-1\t2\n', 2, 'two numbers with a tab between are wanted, not "-1\\t2"'],
    ['follower\tfollowee\n01\t2\n', 2, 'two numbers with a tab between are wanted, not "01\\t2"'],
    ['follower\tfollowee\n\n', 2, 'two numbers with a tab between are wanted, not ""'],
    ['follower\tfollowee\n3\t3\n', 2, '3 cannot follow themselves'],
  ])('refuses %j', async (text, line, what) => {
    const path = await fileOf(text);
    await expect(readPopulation(path, never)).rejects.toThrow(new ImportFileError(path, line, what));
  });
});

describe('a posts file', () => {
  it('names the first line that is no post', async () => {
    const path = await fileOf('fine\n\nfine\n');
    await expect(all(readPosts(path, (text) => (text === '' ? 'empty' : undefined)))).rejects.toThrow(
      new ImportFileError(path, 2, 'empty'),
    );
  });
});

describe('what an import derives from its content', () => {
  it('makes ids that everybody accepts, the same each time', () => {
    const namespace = 'b34a9a4f-08a0-4a37-8d4f-8a3c1b1f6f01';
    const importedCommandId = createCommandIds(namespace);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), (text, number) => {
        const post = importedPostId(`u${number}`, createFingerprints()(text));
        expect(parsePostId(post)).toBe(post);
        expect(importedPostId(`u${number}`, createFingerprints()(text))).toBe(post);
        const command = importedCommandId('post', post);
        expect(parseCommandId(command)).toBe(command);
      }),
    );
    expect(createCommandIds(namespace)('follow', 'u1', 'u2')).toBe(importedCommandId('follow', 'u1', 'u2'));
    const longest = importedCommandId('follow', `u${10 ** 15 - 1}`, `u${10 ** 15 - 1}`);
    expect(parseCommandId(longest)).toBe(longest);
    expect(importedCommandId('follow', 'u1', 'u23')).not.toBe(importedCommandId('follow', 'u12', 'u3'));
  });

  it('tells lines with the same text apart, wherever they stand', () => {
    const first = createFingerprints();
    const second = createFingerprints();
    const of = (next: (text: string) => Buffer, texts: string[]) => texts.map((text) => next(text).toString('hex'));
    const [a1, b1, a2] = of(first, ['a', 'b', 'a']);
    expect(a1).not.toBe(a2);
    expect(of(second, ['new', 'a', 'a', 'b'])).toEqual(expect.arrayContaining([a1!, a2!, b1!]));
  });

  it('remembers no more texts than one Map can hold', () => {
    // V8 throws beyond it, which would be in the middle of an import.
    expect(limits.importPostsMax).toBeLessThan(2 ** 24);
  });

  it('draws authors by their followers, and by the seed', () => {
    const followers = Uint32Array.of(0, 30, 10, 0, 60);
    const texts = Array.from({ length: 10_000 }, (_, index) => createFingerprints()(`text ${index}`));
    const draw = (seed: number) => texts.map(createAuthors(followers, seed));
    const drawn = draw(1);
    const share = (place: number) => drawn.filter((author) => author === place).length / texts.length;
    expect(share(0) + share(3)).toBe(0);
    expect(share(1)).toBeCloseTo(0.3, 1);
    expect(share(2)).toBeCloseTo(0.1, 1);
    expect(share(4)).toBeCloseTo(0.6, 1);
    expect(draw(1)).toEqual(drawn);
    expect(draw(2)).not.toEqual(drawn);
  });
});
