import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readHart } from './read-hart.ts'
import type { ArchiveScanner } from '../../../src/hart/scan.ts'
import { formatKeyName, formatPublicKey, parsePublicKey } from '../../../src/hart/origin-key.ts'
import type { PublicKey } from '../../../src/hart/origin-key.ts'
import { formatIdent } from '../../../src/package/ident.ts'
import { ask } from '../ask.ts'
import type { Answer, Asked } from '../ask.ts'
import type { BuiltHart } from '../build-hart.ts'

// The requests of `hab` and `hab-sup` 0.7 to 0.9 of 2016 (habitat-2016.md 3 and 4). It is as strict as they
// were, and throws where they panicked.

export interface Package2016 {
  readonly ident: string
  readonly tdeps: readonly string[]
}

/** The depot client of both programs. */
export class DepotClient2016 {
  readonly #url: string
  readonly #product: string

  constructor(url: string, product: 'hab' | 'hab-sup' = 'hab') {
    this.#url = url
    this.#product = product
  }

  /** Treats every status but 200 as "not found". Throws for an unexpected body. */
  async showPackage(ident: string): Promise<Package2016 | undefined> {
    const path = ident.split('/').length === 4 ? ident : `${ident}/latest`
    const answer = await this.#ask(`pkgs/${path}`)
    return answer.status === 200 ? decodePackage(answer.text) : undefined
  }

  async fetchPackage(ident: string, folder: string): Promise<string> {
    return save(await this.#expect(200, `pkgs/${ident}/download`), folder)
  }

  async putPackage(hart: BuiltHart, token: string): Promise<void> {
    const headers = { authorization: `Bearer ${token}`, 'content-length': hart.bytes.length }
    await this.#expect(201, `pkgs/${formatIdent(hart.ident)}?checksum=${hart.checksum}`, {
      method: 'POST',
      headers,
      body: hart.bytes,
    })
  }

  async fetchOriginKey(origin: string, revision: string, folder: string): Promise<string> {
    return save(await this.#expect(200, `origins/${origin}/keys/${revision}`), folder)
  }

  async putOriginKey(key: PublicKey, token: string): Promise<void> {
    const body = formatPublicKey(key)
    const headers = { authorization: `Bearer ${token}`, 'content-length': body.length }
    await this.#expect(201, `origins/${key.origin}/keys/${key.revision}`, { method: 'POST', headers, body })
  }

  async #expect(status: number, path: string, asked: Asked = {}): Promise<Answer> {
    const answer = await this.#ask(path, asked)
    if (answer.status !== status) throw new HttpError2016(answer.status)
    return answer
  }

  #ask(path: string, asked: Asked = {}): Promise<Answer> {
    const agent = `${this.#product}/0.8.0/20160708162234 (x86_64-linux; 4.4.0)`
    return ask(`${this.#url}/${path}`, { ...asked, headers: { 'user-agent': agent, ...asked.headers } })
  }
}

export class HttpError2016 extends Error {
  readonly status: number

  constructor(status: number) {
    super(`HTTP ${status}`)
    this.status = status
  }
}

/** Does `hab pkg upload` (habitat-2016.md 3.4). `folder` has the dependencies. Returns the steps. */
export async function upload2016(
  client: DepotClient2016,
  hart: BuiltHart,
  options: { token: string; tdeps?: readonly string[]; folder?: readonly BuiltHart[] },
): Promise<string[]> {
  const { token, tdeps = [], folder = [] } = options
  const done: string[] = []
  await client.putOriginKey(hart.keys.publicKey, token).then(
    () => done.push(`key ${formatKeyName(hart.keys.publicKey)}`),
    (error: unknown) => {
      if (!(error instanceof HttpError2016) || error.status === 401 || error.status === 403) throw error
      done.push('key exists')
    },
  )
  for (const dep of tdeps) {
    if ((await client.showPackage(dep)) !== undefined) continue
    const local = folder.find((candidate) => formatIdent(candidate.ident) === dep)
    if (local === undefined) throw new Error(`missing ${dep}`)
    await client.putPackage(local, token)
    done.push(dep)
  }
  const ident = formatIdent(hart.ident)
  if ((await client.showPackage(ident)) !== undefined) return [...done, 'exists']
  await client.putPackage(hart, token).catch((error: unknown) => {
    if (!(error instanceof HttpError2016) || error.status !== 409) throw error
  })
  return [...done, ident]
}

/** Does `hab-sup start -s at-once` on a host of its own (habitat-2016.md 4.2 and 4.3). */
export class Supervisor2016 {
  readonly #client: DepotClient2016
  readonly #folder: string
  readonly #scanner: ArchiveScanner
  readonly #keys = new Map<string, PublicKey>()
  readonly installed: string[] = []
  running = ''

  constructor(url: string, folder: string, scanner: ArchiveScanner) {
    this.#client = new DepotClient2016(url, 'hab-sup')
    this.#folder = folder
    this.#scanner = scanner
  }

  async start(ident: string): Promise<void> {
    const found = await this.#client.showPackage(ident)
    if (found === undefined) throw new Error(`package not found: ${ident}`)
    for (const wanted of [...found.tdeps, found.ident]) {
      if (!this.installed.includes(wanted)) await this.#install(wanted, 'fetch keys')
    }
    this.running = found.ident
  }

  /** Does what the supervisor does every 60 s: fetches only the package itself, and no keys. */
  async poll(): Promise<'updated' | 'nothing'> {
    const [origin, name] = this.running.split('/')
    const remote = await this.#client.showPackage(`${origin ?? ''}/${name ?? ''}`)
    if (remote === undefined || !isGreater(remote.ident, this.running)) return 'nothing'
    await this.#install(remote.ident, 'known keys')
    this.running = remote.ident
    return 'updated'
  }

  async #install(ident: string, keys: 'fetch keys' | 'known keys'): Promise<void> {
    const path = await this.#client.fetchPackage(ident, this.#folder)
    const expected = `${ident.replaceAll('/', '-')}-x86_64-linux.hart`
    if (path !== join(this.#folder, expected))
      throw new Error(`the supervisor expects the file name ${expected}`)
    if (keys === 'fetch keys') {
      const { header } = await readHart(path, {
        keys: () => undefined,
        scanner: this.#scanner,
        signatures: 'verify',
      })
      const name = formatKeyName(header.signer)
      if (!this.#keys.has(name))
        this.#keys.set(name, await this.#fetchKey(header.signer.origin, header.signer.revision))
    }
    const hart = await readHart(path, {
      keys: (signer) => this.#keys.get(formatKeyName(signer)),
      scanner: this.#scanner,
    })
    if (formatIdent(hart.metadata.ident) !== ident) throw new Error('another package')
    this.installed.push(ident)
  }

  async #fetchKey(origin: string, revision: string): Promise<PublicKey> {
    const path = await this.#client.fetchOriginKey(origin, revision, this.#folder)
    if (path !== join(this.#folder, `${origin}-${revision}.pub`))
      throw new Error('the supervisor expects another file name of the key')
    return parsePublicKey(await readFile(path, 'utf8'))
  }
}

/** Saves the body under `X-Filename`, unchecked. */
async function save(answer: Answer, folder: string): Promise<string> {
  const name = answer.headers['x-filename']
  if (typeof name !== 'string') throw new Error('missing X-Filename')
  await mkdir(folder, { recursive: true })
  const path = join(folder, name)
  await writeFile(path, answer.body)
  return path
}

/** Requires six fields; `config` may be null or absent. Every ident needs all four parts. */
function decodePackage(text: string): Package2016 {
  const json = JSON.parse(text) as Record<string, unknown>
  const { ident, checksum, manifest, deps, tdeps, exposes, config } = json
  if (typeof checksum !== 'string' || typeof manifest !== 'string')
    throw new TypeError('checksum and manifest must be strings')
  if (config !== undefined && config !== null && typeof config !== 'string')
    throw new TypeError('config must be a string')
  if (!Array.isArray(deps) || !Array.isArray(tdeps) || !Array.isArray(exposes))
    throw new TypeError('deps, tdeps and exposes must be arrays')
  if (!exposes.every(Number.isInteger)) throw new TypeError('ports must be integers')
  deps.forEach(decodeIdent)
  return { ident: decodeIdent(ident), tdeps: tdeps.map(decodeIdent) }
}

function decodeIdent(json: unknown): string {
  const { origin, name, version, release } = json as Record<string, unknown>
  const parts = [origin, name, version, release]
  if (!parts.every((part) => typeof part === 'string')) throw new TypeError('an ident must have four strings')
  return parts.join('/')
}

/** Compares releases of one package (habitat-2016.md 2.7). Incomparable versions are not greater. */
function isGreater(a: string, b: string): boolean {
  const [left, right] = [a, b].map((ident) => {
    const [, , version = '', release = ''] = ident.split('/')
    const [, numbers = '', extension] = /([\d.]+)(?:-(.+))?/.exec(version) ?? []
    return {
      numbers: numbers.split('.').map((part) => (part === '' ? Number.NaN : Number(part))),
      extension,
      release,
    }
  })
  if (left === undefined || right === undefined) return false
  for (let i = 0; i < Math.max(left.numbers.length, right.numbers.length); i += 1) {
    const [x = 0, y = 0] = [left.numbers[i], right.numbers[i]]
    if (x !== y) return x > y
  }
  if (left.extension !== right.extension) {
    if (left.extension === undefined || right.extension === undefined) return left.extension === undefined
    return left.extension > right.extension
  }
  return left.release > right.release
}
