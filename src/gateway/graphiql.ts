import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';

const require = createRequire(import.meta.url);

// From the packages as they are installed: nothing comes from outside, and nothing is copied.
const files: Readonly<Record<string, { readonly inPackage: string; readonly path: string; readonly type: string }>> = {
  'react.js': { inPackage: 'react', path: 'umd/react.production.min.js', type: 'text/javascript' },
  'react-dom.js': { inPackage: 'react-dom', path: 'umd/react-dom.production.min.js', type: 'text/javascript' },
  'graphql-ws.js': { inPackage: 'graphql-ws', path: 'umd/graphql-ws.min.js', type: 'text/javascript' },
  'graphiql.js': { inPackage: 'graphiql', path: 'graphiql.min.js', type: 'text/javascript' },
  'graphiql.css': { inPackage: 'graphiql', path: 'graphiql.min.css', type: 'text/css' },
};

/** GET /: a page to write queries, mutations and subscriptions in. */
export function addGraphiqlRoutes(app: FastifyInstance): void {
  const page = readFileSync(new URL('graphiql.html', import.meta.url), 'utf8');
  const policy = contentSecurityPolicy(page);
  app.get('/', (_, reply) => reply.header('content-security-policy', policy).type('text/html; charset=utf-8').send(page));
  for (const [name, file] of Object.entries(files)) {
    // Read when somebody opens the page: most nodes never show it.
    let content: Buffer | undefined;
    app.get(`/graphiql/${name}`, (_, reply) => {
      content ??= readFileSync(join(dirname(require.resolve(`${file.inPackage}/package.json`)), file.path));
      return reply.type(`${file.type}; charset=utf-8`).header('cache-control', 'public, max-age=3600').send(content);
    });
  }
}

/** Scripts: our own files and the one in the page, known by its hash. Styles may stand in the page, since the editor sets them so. */
function contentSecurityPolicy(page: string): string {
  const script = /<script>([\s\S]*?)<\/script>/.exec(page)?.[1] ?? '';
  const hash = createHash('sha256').update(script).digest('base64');
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
