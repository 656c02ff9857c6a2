import { crc32 } from 'node:zlib';
import { connect } from 'nats';
import { expect, onTestFinished, test } from 'vitest';
import { gql, gqlAnswer, register } from '../support/graphql-client.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { endOrphans, runStarling, startStarling } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

/** A commit as a later version might write it, behind everybody's back. */
async function writeUnknownEvent(server: string, userId: string): Promise<void> {
  const connection = await connect({ servers: server });
  const json = Buffer.from(JSON.stringify([1, `user-${userId}`, 0, null, 1, null, [['UserVanished', 1]]]));
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(json));
  await connection.jetstream().publish(`starling.starling.log.user-${userId}`, Buffer.concat([checksum, json]));
  await connection.close();
}

const post = 'mutation ($input: CreatePostInput!) { createPost(input: $input) { position post { id } userErrors { code } } }';

test(
  'an event that cannot be decoded stops the read models there and is named everywhere, also at the end of the log, and the rest goes on',
  { timeout: 120_000 },
  async () => {
    const nats = await startNatsServer({ jetStream: true });
    onTestFinished(() => nats.remove());
    const env = { NATS_URL: nats.url, STARLING_LOG: 'jetstream', STARLING_SPACE: 'starling' };
    const data = await tempDir('unknown');
    onTestFinished(() => endOrphans(data));
    const start = async () => {
      const node = await startStarling({ dataDirectory: data, env });
      onTestFinished(() => node.kill());
      return node;
    };
    const first = await start();
    const { token } = await register(first.url, 'ada');
    const stoppedBy = expect.stringMatching(/^commit \d+: event 0 has a type that this version of Starling does not know$/);
    const shown = async (url: string) => {
      const { cluster } = await gql(url, '{ cluster { projections { name lagEvents stoppedBy } } }');
      const named = (cluster.projections as { stoppedBy: string | null }[]).every((each) => each.stoppedBy !== null);
      return named && cluster.projections;
    };
    const expectNamed = async (url: string, lagEvents: number) => {
      expect(await eventually(() => shown(url), 'the projections have stopped', 20_000)).toEqual([
        { name: 'network', lagEvents, stoppedBy },
        { name: 'statistics', lagEvents, stoppedBy },
      ]);
      const status = await runStarling(['status', '--data', data]);
      expect(status).toMatchObject({ exitCode: 1, output: expect.stringMatching(/network +STOPPED: commit \d+: event 0 has a type/) });
      expect((await gql(url, '{ user(handle: "ada") { handle } }')).user).toEqual({ handle: 'ada' });
    };

    await writeUnknownEvent(nats.url, '370de332-99a4-5f34-ba9b-eb9ea299b782');
    await expectNamed(first.url, 1);
    const { data: done } = await gqlAnswer(first.url, post, { input: { text: 'all the same' } }, token);
    expect(done.createPost).toMatchObject({ position: expect.any(String), post: null, userErrors: [] });
    await expectNamed(first.url, 2);
    await writeUnknownEvent(nats.url, '7c0de332-99a4-5f34-ba9b-eb9ea299b782');
    expect(await first.stop()).toBe(0);

    const second = await start();
    await eventually(() => shown(second.url), 'they stop there again', 20_000);
    expect((await gqlAnswer(second.url, post, { input: { text: 'and again' } }, token)).data?.createPost.position).toEqual(
      expect.any(String),
    );
    const verified = await runStarling(['verify', '--data', data], { env });
    expect(verified.output).toMatch(/commit \d+: event 0 has a type that this version of Starling does not know/);
    expect(verified.exitCode).toBe(1);
  },
);
