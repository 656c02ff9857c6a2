import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { WebSocket } from 'ws';
import { endWithRunner } from './end-with-runner.ts';
import { makeTempDir } from './temp-dir.ts';
import { eventually } from './wait-for.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** A Chromium on PATH, if there is one. */
export async function findBrowser(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name);
      if (
        await access(path, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return path;
    }
  }
  return undefined;
}

/** What a page did, as the DevTools protocol tells it. */
export interface BrowserPage {
  /** Addresses of all requests and WebSockets. */
  readonly requested: readonly string[];
  /** Errors and warnings of the console, exceptions, and what the browser refused, such as by a content security policy. */
  readonly complaints: readonly string[];
  /** Runs before the scripts of the next page. */
  beforeScripts(script: string): Promise<void>;
  open(url: string): Promise<void>;
  evaluate<T>(expression: string): Promise<T>;
}

export interface Browser {
  readonly page: BrowserPage;
  close(): Promise<void>;
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface Event {
  readonly method: string;
  readonly params: {
    readonly request?: { readonly url: string };
    readonly url?: string;
    readonly type?: string;
    readonly args?: readonly { readonly value?: unknown; readonly description?: string }[];
    readonly entry?: { readonly level: string; readonly text: string; readonly url?: string };
    readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
  };
}

/** A headless browser with a profile of its own, which can reach nothing but 127.0.0.1. */
export async function startBrowser(path: string): Promise<Browser> {
  const profile = await makeTempDir('browser');
  const args = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--no-first-run',
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
    '--remote-debugging-port=0',
    `--user-data-dir=${profile.path}`,
    'about:blank',
  ];
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  endWithRunner(child);
  const ended = new Promise<void>((resolve) => void child.once('close', () => resolve()));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said = (said + chunk).slice(-100_000)));
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
    await profile.remove();
  };
  try {
    const [, address] = await eventually(() => /DevTools listening on (ws:\/\/\S+)/.exec(said), 'the browser listens', 60_000);
    return { page: await openPage(address!), close };
  } catch (cause) {
    await close();
    throw new Error(`the browser did not start: ${said}`, { cause });
  }
}

async function openPage(address: string): Promise<BrowserPage> {
  const socket = new WebSocket(address);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  const answers = new Map<number, (answer: Answer) => void>();
  const requested: string[] = [];
  const complaints: string[] = [];
  let session: string | undefined;
  let sent = 0;
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { id?: number } & Event & Answer;
    if (message.id === undefined) note(message, requested, complaints);
    else answers.get(message.id)?.(message);
  });

  async function call<T>(method: string, params: object = {}): Promise<T> {
    const id = ++sent;
    const answered = new Promise<Answer>((resolve) => answers.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params, ...(session !== undefined && { sessionId: session }) }));
    const { result, error } = await answered;
    answers.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result as T;
  }

  const { targetId } = await call<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
  session = (await call<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true })).sessionId;
  for (const domain of ['Network', 'Runtime', 'Log', 'Page']) await call(`${domain}.enable`);
  return {
    requested,
    complaints,
    beforeScripts: (source) => call('Page.addScriptToEvaluateOnNewDocument', { source }),
    open: (url) => call('Page.navigate', { url }),
    async evaluate<T>(expression: string) {
      const { result } = await call<{ result: { value: T } }>('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
      return result.value;
    },
  };
}

function note({ method, params }: Event, requested: string[], complaints: string[]): void {
  if (method === 'Network.requestWillBeSent') requested.push(params.request!.url);
  else if (method === 'Network.webSocketCreated') requested.push(params.url!);
  else if (method === 'Runtime.exceptionThrown')
    complaints.push(params.exceptionDetails!.exception?.description ?? params.exceptionDetails!.text);
  else if (method === 'Log.entryAdded' && params.entry!.level === 'error')
    complaints.push(`${params.entry!.text} ${params.entry!.url ?? ''}`);
  else if (method === 'Runtime.consoleAPICalled' && (params.type === 'error' || params.type === 'assert')) {
    complaints.push((params.args ?? []).map(({ value, description }) => description ?? JSON.stringify(value)).join(' '));
  }
}
