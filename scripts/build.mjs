// Compiles src/ to dist/, copies what the compiler leaves behind (SQL, the GraphQL contract, pages), and bundles that for `bin/starling.js`.
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const bundle = join(dist, 'bundle');
const copied = new Set(['', '.sql', '.graphql', '.html']);
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
cpSync(join(root, 'src'), dist, { recursive: true, filter: (path) => copied.has(extname(path)) });

// To find, read and link a thousand small modules takes longer than all else that a start does: so commands load a few large ones.
await build({
  entryPoints: [join(dist, 'main.js')],
  outdir: bundle,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  sourcemap: true,
  logLevel: 'warning',
  // Native code, and a large client that few need.
  external: ['@eventstore/db-client', '@node-rs/argon2', 'lmdb'],
  // Packages written for `require`.
  banner: {
    js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);",
  },
  plugins: [{ name: 'files beside modules', setup: findFilesBesideModules }],
});

/** In a bundle, the address of our modules stays what it was: they read files beside them. */
function findFilesBesideModules({ onLoad }) {
  onLoad({ filter: /\.js$/ }, ({ path }) => {
    const module = relative(bundle, path);
    if (module.includes('node_modules')) return undefined;
    const address = `new URL(${JSON.stringify(module.replaceAll('\\', '/'))}, import.meta.url).href`;
    return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', address) };
  });
}
