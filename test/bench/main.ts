import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chart, png } from './chart.ts';
import { machine } from './harness.ts';
import type { Machine, Result } from './harness.ts';
import { findInput, readTexts } from './input.ts';
import { parseOptions, usage } from './options.ts';
import type { Options } from './options.ts';
import { runScenario } from './scenarios.ts';
import { fullSizes, quickSizes } from './sizes.ts';
import { createStand } from './stand.ts';
import { createProgress, markdown, table } from './table.ts';

const results = fileURLToPath(new URL('results', import.meta.url));

process.exitCode = await main(process.argv.slice(2));

/** Returns the exit code: 0 when everything was measured, whether targets were reached or not; 1 when a scenario failed; 2 for wrong arguments. */
async function main(argv: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(argv);
  } catch (cause) {
    process.stderr.write(`${(cause as Error).message}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  const facts = machine();
  const { found, failed, label } = await measure(options);
  if (found.length > 0) process.stdout.write(`${table(found, facts, label)}\n`);
  const folder = options.out ?? (options.quick ? undefined : results);
  if (folder !== undefined && found.length > 0) await writeResults(folder, found, facts, label);
  return failed ? 1 : 0;
}

async function measure(options: Options): Promise<{ found: readonly Result[]; failed: boolean; label: string }> {
  const sizes = options.quick ? quickSizes : fullSizes;
  const folder = await mkdtemp(join(tmpdir(), 'starling-bench-'));
  const progress = createProgress();
  try {
    const input = await findInput({
      data: options.data,
      generatedUsers: sizes.generatedUsers,
      folder,
      generate: options.quick && options.data === undefined,
    });
    const stand = createStand({ sizes, input, folder, texts: await readTexts(input, 1_000), progress: (text) => progress.show(text) });
    const found: Result[] = [];
    let failed = false;
    // Ctrl-C ends the children too: they end when their channel to us is gone.
    const onInterrupt = () => process.exit(130);
    process.once('SIGINT', onInterrupt);
    try {
      for (const name of options.scenarios) {
        try {
          found.push(...(await runScenario(name, stand)));
        } catch (cause) {
          failed = true;
          progress.clear();
          process.stderr.write(`${name}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`);
        }
      }
    } finally {
      process.off('SIGINT', onInterrupt);
      await stand.close();
      progress.clear();
    }
    return { found, failed, label: input.label };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeResults(folder: string, found: readonly Result[], facts: Machine, label: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const svg = chart(found, facts, label);
  const image = png(svg);
  const drawn = Buffer.isBuffer(image);
  await writeFile(join(folder, 'results.json'), `${JSON.stringify({ machine: facts, data: label, results: found }, undefined, 2)}\n`);
  await writeFile(join(folder, 'results.md'), `${markdown(found)}\n`);
  await writeFile(join(folder, 'results.svg'), svg);
  if (drawn) await writeFile(join(folder, 'results.png'), image);
  else process.stderr.write(`no PNG: ${image.reason}\n`);
  process.stdout.write(`\n${folder}: results.json, results.md, results.svg${drawn ? ', results.png' : ''}\n`);
}
