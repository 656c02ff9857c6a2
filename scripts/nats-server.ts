// Makes sure that there is a nats-server for the tests: where none is new enough, it fetches Debian 13's package through
// this machine's own mirror and unpacks it into node_modules/.cache. Nothing is installed, no source of the machine changes.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNatsServer, natsServerCache, natsServerVersionMin } from '../src/cli/cluster/nats-server-binary.ts';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

function main(): void {
  const found = findNatsServer(process.env);
  if ('path' in found) return;
  if (process.env['STARLING_NATS_SERVER']) return fail(found.problem);
  console.log(`nats-server: ${found.problem}; fetching Debian 13's package for the tests ...`);
  try {
    fetchPackage(mirror());
  } catch (cause) {
    return fail(`${found.problem}, and Debian's package could not be fetched: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const fetched = findNatsServer(process.env);
  if ('problem' in fetched) return fail(fetched.problem);
  console.log(`nats-server: ready in ${fetched.path}`);
}

/** The address from which this machine gets Debian itself: `--print-uris` names it even where no list was ever fetched. */
function mirror(): string {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const suite = /^VERSION_CODENAME="?(\w+)/m.exec(release)?.[1];
  if (!/^ID="?debian/m.test(release) || suite === undefined) throw new Error('this machine is not a Debian');
  const uri = new RegExp(`^'([^']+)/dists/${suite}/InRelease'`, 'm').exec(run('apt-get', ['--print-uris', 'update']))?.[1];
  if (uri === undefined) throw new Error(`apt knows no mirror of Debian ${suite}`);
  return uri;
}

/** Works with directories of its own for lists and cache, so it needs no rights; apt checks the signature of the archive. */
function fetchPackage(uri: string): void {
  mkdirSync(natsServerCache, { recursive: true });
  const work = mkdtempSync(join(natsServerCache, 'fetching-'));
  try {
    for (const folder of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(work, folder), { recursive: true });
    const signed = existsSync(keyring) ? ` [signed-by=${keyring}]` : '';
    writeFileSync(join(work, 'sources.list'), `deb${signed} ${uri} trixie main\n`);
    const own = {
      'Dir::Etc::SourceList': join(work, 'sources.list'),
      'Dir::Etc::SourceParts': '-',
      'Dir::State::Lists': join(work, 'lists'),
      'Dir::Cache': join(work, 'cache'),
      'Acquire::Languages': 'none',
      'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
      'Acquire::Retries': '3',
      // Whoever runs this owns the folders; apt's own user could not read them.
      'APT::Sandbox::User': '',
      'APT::Update::Post-Invoke-Success': '',
    };
    const options = Object.entries(own).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    run('apt-get', [...options, 'update'], work);
    run('apt-get', [...options, 'download', 'nats-server'], work);
    const file = readdirSync(work).find((name) => name.endsWith('.deb'));
    if (file === undefined) throw new Error('apt-get download left no package');
    run('dpkg-deb', ['-x', join(work, file), join(work, 'package')]);
    chmodSync(join(work, 'package/usr/sbin/nats-server'), 0o755);
    renameSync(join(work, 'package/usr/sbin/nats-server'), join(natsServerCache, 'nats-server'));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command: string, args: string[], cwd?: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', timeout: 180_000, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw new Error(`${command} failed: ${said || String(cause)}`, { cause });
  }
}

function fail(problem: string): void {
  console.error(`
The tests need nats-server ${natsServerVersionMin} or later: ${problem}.
Ways to get it:
  - a package of your system, if it is new enough (Debian 13: apt-get install nats-server)
  - a release from the NATS project, unpacked to a folder on PATH
  - a binary anywhere else, named by STARLING_NATS_SERVER=/path/to/nats-server
`);
  process.exitCode = 1;
}

main();
