import { afterAll, expect, test } from 'vitest';
import { findBrowser, startBrowser } from '../support/browser.ts';
import type { Browser } from '../support/browser.ts';
import { gql, register } from '../support/graphql-client.ts';
import { endOrphans, startStarling } from '../support/starling-process.ts';
import type { StarlingProcess } from '../support/starling-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import type { TempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

const started: { directory?: TempDir; starling?: StarlingProcess; browser?: Browser } = {};
afterAll(async () => {
  await started.browser?.close();
  await started.starling?.stop();
  if (started.directory) await endOrphans(started.directory.path);
  await started.directory?.remove();
});

test('the page in a browser loads from the gateway alone, queries, and is pushed new posts', async (context) => {
  const path = await findBrowser();
  if (path === undefined) return context.skip('no Chromium on PATH: install the package chromium to run this');
  started.directory = await makeTempDir('graphiql');
  started.starling = await startStarling({ dataDirectory: started.directory.path });
  const { url } = started.starling;
  const { token } = await register(url, 'ada');
  const post = (text: string) => gql(url, 'mutation ($text: String!) { createPost(input: { text: $text }) { position } }', { text }, token);
  await post('Hello from before');

  started.browser = await startBrowser(path);
  const { page } = started.browser;
  const shown = () => page.evaluate<string>("document.querySelector('.result-window')?.innerText ?? ''");
  const editor = "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror";
  // The page parses what is written a moment later, and runs what it has parsed.
  const hasRead = (document: string) => `${editor}.documentAST?.loc.source.body ${document}`;
  const write = async (query: string) => {
    await page.evaluate(`${editor}.setValue(${JSON.stringify(query)})`);
    await eventually(() => page.evaluate<boolean>(hasRead(`=== ${JSON.stringify(query)}`)), 'the page has read the document', 30_000);
  };
  // While the page still loads its pane for answers, the button does nothing; once it works, it becomes the one that stops.
  const press = () => page.evaluate("document.querySelector('.graphiql-execute-button[aria-label^=Execute]')?.click()");

  await page.open(`${url}/`);
  await eventually(() => page.evaluate<boolean>(hasRead('!== undefined')), 'the page has read its first document', 60_000);
  await write('{ publicTimeline(first: 1) { edges { node { text author { handle } } } } }');
  await eventually(
    async () => {
      await press();
      return (await shown()).includes('Hello from before');
    },
    'the answer is shown',
    30_000,
    200,
  );

  await write('subscription { userTimeline(handle: "ada") { node { text } } }');
  await eventually(
    async () => {
      await press();
      return page.requested.some((address) => address.startsWith('ws://'));
    },
    'the page opens a WebSocket',
    30_000,
    500,
  );
  let number = 0;
  await eventually(
    async () => {
      // The subscription shows nothing from before it began, and when that is the page does not say.
      await post(`Pushed ${++number}`);
      return /Pushed \d/.test(await shown());
    },
    'a pushed post is shown',
    30_000,
    200,
  );

  const { host } = new URL(url);
  const elsewhere = page.requested.filter((address) => !address.startsWith('data:') && new URL(address).host !== host);
  expect(elsewhere).toEqual([]);
  expect(page.requested.length).toBeGreaterThan(6);
  expect(page.complaints).toEqual([]);
});
