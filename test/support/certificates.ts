import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const openssl = (words: readonly string[]) => run('openssl', words);

export interface Certificates {
  readonly ca: string;
  /** For localhost. */
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

/** A certificate authority of a day, and what it vouches for: a server on the loopback and a client. All are paths of files. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const file = (name: string) => join(directory, name);
  await openssl([
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test ca'],
    ...['-keyout', file('ca.key'), '-out', file('ca.pem')],
  ]);
  const signed = async (name: string, extension: string) => {
    await writeFile(file(`${name}.ext`), extension);
    await openssl([
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`],
      ...['-keyout', file(`${name}.key`), '-out', file(`${name}.csr`)],
    ]);
    await openssl([
      ...['x509', '-req', '-in', file(`${name}.csr`), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2'],
      ...['-extfile', file(`${name}.ext`), '-out', file(`${name}.pem`)],
    ]);
    return { cert: file(`${name}.pem`), key: file(`${name}.key`) };
  };
  const server = await signed('server', 'subjectAltName=DNS:localhost');
  const client = await signed('client', 'extendedKeyUsage=clientAuth');
  return { ca: file('ca.pem'), server, client };
}
