import { createHash } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { DepotError } from '../../errors.ts'
import { PACKAGE_ROOT } from '../../package-root.ts'
import { named } from '../requests/described.ts'
import { shows } from '../requests/reading.ts'

// The reference of the API for people: Swagger UI, which reads openapi.yaml in the browser. The page only
// shows the document: it cannot call other operations of the API, and it needs no token. The files of the
// page are read when they are requested.

/** Where Swagger UI is: beside the bundle in a package, and among the development packages in a clone. */
const FOLDERS = [join(import.meta.dirname, 'reference'), join(PACKAGE_ROOT, 'node_modules/swagger-ui-dist')]

/**
 * The script of the page. It makes Swagger UI show all operations, without a choice of servers and without
 * forms for tokens.
 */
const START = `const { openapi } = document.getElementById('reference').dataset
const nothing = () => () => null
SwaggerUIBundle({
  url: openapi,
  dom_id: '#reference',
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  docExpansion: 'list',
  filter: true,
  plugins: [
    { wrapComponents: { ServersContainer: nothing, authorizeBtn: nothing, authorizeOperationBtn: nothing } },
  ],
  supportedSubmitMethods: [],
  validatorUrl: null,
})
`

const TYPES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'start.js': 'text/javascript; charset=utf-8',
}
const FILES = Object.keys(TYPES)

/**
 * Allows this depot's own scripts, styles and description, and the images in the style sheet. Nothing is
 * inline.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')
const HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}
const A_YEAR = 'public, max-age=31536000, immutable'

const Page = named(
  'ReferencePage',
  z.string().describe('an HTML page'),
  '<!doctype html><title>hart-depot API</title>',
)

/** Routes for the reference of the API: its page, and the files that the page loads. */
export function referenceRoutes(app: FastifyInstance): void {
  let digests: Promise<ReadonlyMap<string, string>> | undefined

  app.get(
    '/docs/api',
    {
      ...shows('every-token'),
      schema: {
        operationId: 'getReference',
        tags: ['operation'],
        summary: 'Shows this document as a page',
        description: 'For people with a browser. The page loads nothing from other hosts.',
        errors: ['not_found'],
        response: { 200: { description: 'the page', content: { 'text/html': { schema: Page } } } },
      },
    },
    async (request, reply) => {
      digests ??= digestFiles()
      digests.catch(() => (digests = undefined)) // so that a later request looks again
      return reply
        .headers({ ...HEADERS, 'cache-control': 'no-cache' })
        .type('text/html; charset=utf-8')
        .send(pageOf(request.publicPath, await digests))
    },
  )

  app.get<{ Params: { file: string }; Querystring: { v?: string } }>(
    '/docs/api/:file',
    { ...shows('every-token'), schema: { hide: true } },
    async (request, reply) => {
      const { file } = request.params
      const bytes = await readReferenceFile(file)
      reply
        .headers({ ...HEADERS, vary: 'accept-encoding' })
        .header('cache-control', request.query.v === digestOf(bytes) ? A_YEAR : 'no-cache')
        .type(TYPES[file] ?? 'application/octet-stream')
      return acceptsGzip(request.headers['accept-encoding'])
        ? reply.header('content-encoding', 'gzip').send(await promisify(gzip)(bytes))
        : reply.send(bytes)
    },
  )
}

function pageOf(publicPath: string, digests: ReadonlyMap<string, string>): string {
  const path = publicPath.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  const url = (file: string) => `${path}/docs/api/${file}?v=${encodeURIComponent(digests.get(file) ?? '')}`
  const integrity = (file: string) => `integrity="sha256-${digests.get(file)}"`
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>hart-depot API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="${url('swagger-ui.css')}" ${integrity('swagger-ui.css')}>
  </head>
  <body>
    <noscript>This page needs JavaScript. <a href="${path}/openapi.yaml">openapi.yaml</a> has the same content.</noscript>
    <div id="reference" data-openapi="${path}/openapi.yaml"></div>
    <script src="${url('swagger-ui-bundle.js')}" ${integrity('swagger-ui-bundle.js')}></script>
    <script src="${url('start.js')}" ${integrity('start.js')}></script>
  </body>
</html>
`
}

async function digestFiles(): Promise<ReadonlyMap<string, string>> {
  const entries = FILES.map(async (file) => [file, digestOf(await readReferenceFile(file))] as const)
  return new Map(await Promise.all(entries))
}

/**
 * Reads a file of the page. Throws `not_found` if the page has no such file, or if Swagger UI is not
 * installed.
 */
async function readReferenceFile(file: string): Promise<Buffer> {
  if (file === 'start.js') return Buffer.from(START)
  if (!FILES.includes(file)) throw new DepotError('not_found', 'the reference has no such file')
  for (const folder of FOLDERS) {
    const path = join(folder, file)
    if (await exists(path)) return readFile(path)
  }
  throw new DepotError(
    'not_found',
    'the reference is not installed: run npm ci with development packages, or use the package or the image; /openapi.yaml has the same content',
  )
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64')
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(String(header ?? ''))
}
