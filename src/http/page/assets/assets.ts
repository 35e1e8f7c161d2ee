import { createHash } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { PACKAGE_ROOT } from '../../../package-root.ts'

// The style sheet and the script of all pages. Their names contain the hash of their content, so browsers
// keep them for ever. They are compressed once, when the page is loaded.

/** Where the files are: beside the bundle in a package, and among the sources in a clone. */
const FOLDERS = [join(import.meta.dirname, 'page'), join(PACKAGE_ROOT, 'src/http/page/assets')]
const MORPH = 'idiomorph.min.js'
const A_YEAR = 'public, max-age=31536000, immutable'
const HASH_LENGTH = 16
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
}

/** The paths of the files of a page, below the path of the depot. */
export interface AssetPaths {
  readonly style: string
  readonly script: string
}

interface Asset {
  readonly name: string
  readonly type: string
  readonly plain: Buffer
  readonly gzip: Buffer
  readonly br: Buffer
}

/** Adds the routes of the files. Rejects if one cannot be read. */
export async function assetRoutes(page: FastifyInstance): Promise<AssetPaths> {
  const [style, script] = await Promise.all([
    makeAsset('page.css', await readAsset('page.css')),
    makeAsset('page.js', Buffer.concat([await readMorph(), Buffer.from('\n'), await readAsset('page.js')])),
  ])
  const byName = new Map([style, script].map((asset) => [asset.name, asset]))
  page.get<{ Params: { file: string } }>('/assets/:file', async (request, reply) => {
    const asset = byName.get(request.params.file)
    if (asset === undefined) return reply.code(404).send()
    const encoding = encodingOf(request.headers['accept-encoding'])
    reply.headers({ 'cache-control': A_YEAR, vary: 'accept-encoding' }).type(asset.type)
    if (encoding !== 'plain') reply.header('content-encoding', encoding)
    return reply.send(asset[encoding])
  })
  return { style: `/assets/${style.name}`, script: `/assets/${script.name}` }
}

async function makeAsset(file: string, plain: Buffer): Promise<Asset> {
  const extension = extname(file)
  const hash = createHash('sha256').update(plain).digest('hex').slice(0, HASH_LENGTH)
  const [br, gzipped] = await Promise.all([
    promisify(brotliCompress)(plain, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }),
    promisify(gzip)(plain, { level: 9 }),
  ])
  const name = `${file.slice(0, -extension.length)}-${hash}${extension}`
  return { name, type: TYPES[extension] ?? 'application/octet-stream', plain, gzip: gzipped, br }
}

async function readAsset(file: string): Promise<Buffer> {
  for (const folder of FOLDERS) {
    const path = join(folder, file)
    if (await exists(path)) return readFile(path)
  }
  throw new Error(`the file ${file} of the page is not installed`)
}

/** Reads the library that changes a page in place, beside the bundle or among the packages. */
async function readMorph(): Promise<Buffer> {
  const [packed = ''] = FOLDERS.map((folder) => join(folder, MORPH))
  if (await exists(packed)) return readFile(packed)
  return readFile(createRequire(import.meta.url).resolve(`idiomorph/dist/${MORPH}`))
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Returns how to encode an answer for a browser, from its `Accept-Encoding`. */
export function encodingOf(header: string | string[] | undefined): 'br' | 'gzip' | 'plain' {
  const accepted = String(header ?? '')
    .split(',')
    .map((item) => item.trim().split(/\s*;\s*/))
    .filter(([, quality]) => !/^q=0(\.0*)?$/.test(quality ?? ''))
    .map(([name]) => name)
  return accepted.includes('br') ? 'br' : accepted.includes('gzip') ? 'gzip' : 'plain'
}
