import { hashPassword } from '../../gateway/passwords.ts';
import { limits } from '../../limits.ts';
import type { Node } from '../../node.ts';
import { JobFailed } from '../control-protocol.ts';
import type { JobContext } from '../control-server.ts';
import { type ImportSummary, importNetwork } from '../import/import-network.ts';
import { numberArgument, onlyArguments, pathArgument, textArgument, wrong } from './job-arguments.ts';
import { waitUntilProjected } from './wait-until-projected.ts';

/** Stands where a hash would: it is the hash of nothing, so that every password is a wrong one. */
const noPassword = '!';

export async function importJob(node: Node, given: Readonly<Record<string, unknown>>, context: JobContext): Promise<ImportSummary> {
  onlyArguments(given, ['follows', 'posts', 'password', 'seed', 'inFlight']);
  const follows = pathArgument(given, 'follows');
  if (follows === undefined) throw wrong('follows', 'is needed');
  const password = textArgument(given, 'password', 2 * limits.passwordLengthMax);
  if (importing.has(node)) throw new JobFailed('BUSY', 'another import is running: wait for its end');
  importing.add(node);
  try {
    const summary = await importNetwork(
      {
        follows,
        posts: pathArgument(given, 'posts'),
        passwordHash: password === undefined ? noPassword : await hashPassword(password),
        seed: numberArgument(given, 'seed', 1, 0, 2 ** 32 - 1),
        inFlight: numberArgument(given, 'inFlight', limits.importInFlightDefault, 1, limits.importInFlightMax),
      },
      { commands: node.commands, namespace: node.log.namespace, clock: node.clock, ...context },
    );
    await waitUntilProjected(node, context);
    return summary;
  } finally {
    importing.delete(node);
  }
}

/** Two imports at once would both fill the mailboxes and gain nothing. */
const importing = new WeakSet<Node>();
