import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OutgoingHttpHeaders } from 'node:http'
import { readHart } from './read-hart.ts'
import type { ArchiveScanner } from '../../../src/hart/scan.ts'
import { formatKeyName, formatPublicKey, parsePublicKey } from '../../../src/hart/origin-key.ts'
import { formatIdent, hartFileName, originOf, parseIdent } from '../../../src/package/ident.ts'
import { ask } from '../ask.ts'
import type { Answer, Asked } from '../ask.ts'
import type { BuiltHart } from '../build-hart.ts'

// The requests of `hab` and `hab-sup` 2.1 (habitat-today.md 0 to 2). It is as strict as they are.

const TARGET = 'x86_64-linux'

/** The error for an unexpected status. Its message is the `msg` of a `{code,msg}`, or the text. */
export class ApiError extends Error {
  readonly status: number

  constructor({ status, text }: Answer) {
    super(
      `[${status}] ${status === 401 ? 'Please check that you have specified a valid Personal Access Token.' : messageIn(text)}`,
    )
    this.status = status
  }
}

export class HabToday {
  readonly #base: string
  readonly #token: string | undefined
  readonly #product: string

  /** `bldrUrl` is HAB_BLDR_URL. `/v1` is appended if it has no path. */
  constructor(bldrUrl: string, options: { token?: string; product?: 'hab' | 'hab-sup' } = {}) {
    const { origin, pathname } = new URL(bldrUrl)
    this.#base = origin + (pathname === '/' ? '/v1' : pathname.replace(/\/$/, ''))
    this.#token = options.token
    this.#product = options.product ?? 'hab'
  }

  /** Returns the latest release in the channel, or the given release; `undefined` for 404. */
  async showPackage(
    channel: string,
    ident: string,
  ): Promise<{ ident: string; tdeps: readonly string[] } | undefined> {
    const [origin = '', ...rest] = ident.split('/')
    const path = `channels/${origin}/${channel}/pkgs/${rest.join('/')}${rest.length < 3 ? '/latest' : ''}?target=${TARGET}`
    const answer = await this.#ask(path)
    if (answer.status === 404) return undefined
    return decodePackage(expected(answer, 200).text)
  }

  async isThere(ident: string): Promise<boolean> {
    const [origin = '', ...rest] = ident.split('/')
    const answer = await this.#ask(`channels/${origin}/unstable/pkgs/${rest.join('/')}?target=${TARGET}`)
    if (answer.status === 404) return false
    return expected(answer, 200).status === 200
  }

  async fetchPackage(ident: string): Promise<{ fileName: string; bytes: Buffer }> {
    return fileOf(expected(await this.#ask(`pkgs/${ident}/download?target=${TARGET}`), 200))
  }

  /** Sends no token. */
  async fetchOriginKey(origin: string, revision: string): Promise<{ fileName: string; bytes: Buffer }> {
    return fileOf(expected(await this.#ask(`origins/${origin}/keys/${revision}`, {}, 'anonymously'), 200))
  }

  async putOriginKey(hart: BuiltHart): Promise<'added' | 'exists'> {
    const { publicKey } = hart.keys
    const body = [Buffer.from(formatPublicKey(publicKey))]
    const answer = await this.#ask(`origins/${publicKey.origin}/keys/${publicKey.revision}`, {
      method: 'POST',
      body,
    })
    if (answer.status === 409) return 'exists'
    return expected(answer, 200, 201) && 'added'
  }

  /** Uploads chunked, without a Content-Type. 409 and 501 are no errors. */
  async putPackage(hart: BuiltHart, isForced = false): Promise<'uploaded' | 'exists' | 'unsupported'> {
    const path = `pkgs/${formatIdent(hart.ident)}?checksum=${hart.checksum}&target=${hart.target}&forced=${String(isForced)}`
    const answer = await this.#ask(path, { method: 'POST', body: pieces(hart.bytes) })
    if (answer.status === 409) return 'exists'
    if (answer.status === 501) return 'unsupported'
    return expected(answer, 200, 201) && 'uploaded'
  }

  async createChannel(origin: string, channel: string): Promise<'created' | 'exists'> {
    const answer = await this.#ask(`channels/${origin}/${channel}`, { method: 'POST' })
    if (answer.status === 409) return 'exists'
    return expected(answer, 201) && 'created'
  }

  async promote(ident: string, channel: string, act: 'promote' | 'demote' = 'promote'): Promise<void> {
    const [origin = '', ...rest] = ident.split('/')
    const headers = { 'content-length': 0 }
    expected(
      await this.#ask(`channels/${origin}/${channel}/pkgs/${rest.join('/')}/${act}?target=${TARGET}`, {
        method: 'PUT',
        headers,
      }),
      200,
    )
  }

  async listChannels(origin: string): Promise<string[]> {
    const answer = expected(await this.#ask(`channels/${origin}`, {}, 'anonymously'), 200, 206)
    return (JSON.parse(answer.text) as unknown[]).map((channel) => stringOf(channel, 'name'))
  }

  #ask(
    path: string,
    asked: Asked = {},
    who: 'with the token' | 'anonymously' = 'with the token',
  ): Promise<Answer> {
    const headers: OutgoingHttpHeaders = {
      'user-agent': `${this.#product}/2.1.78/20260801000000 (${TARGET}; 6.12.0)`,
      accept: '*/*',
      connection: 'close',
      ...(this.#token !== undefined &&
        who === 'with the token' && { authorization: `Bearer ${this.#token}` }),
      ...asked.headers,
    }
    return ask(`${this.#base}/depot/${path}`, { ...asked, headers })
  }
}

/**
 * Does `hab pkg upload -c CHANNEL` (habitat-today.md 1.6). `folder` has the dependencies. Returns the steps.
 */
export async function uploadToday(
  hab: HabToday,
  hart: BuiltHart,
  options: {
    tdeps?: readonly string[]
    folder?: readonly BuiltHart[]
    channel?: string
    isForced?: boolean
  } = {},
): Promise<string[]> {
  const { tdeps = [], folder = [], channel, isForced = false } = options
  const ident = formatIdent(hart.ident)
  const done = [`key ${await hab.putOriginKey(hart)}`]
  if ((await hab.isThere(ident)) && !isForced) {
    done.push('existing')
  } else {
    for (const dep of tdeps) {
      if (await hab.isThere(dep)) continue
      const local = folder.find((candidate) => formatIdent(candidate.ident) === dep)
      if (local === undefined) throw new Error(`MissingArtifact ${dep}`)
      await hab.putOriginKey(local)
      done.push(`${dep} ${await hab.putPackage(local)}`)
    }
    done.push(`${ident} ${await hab.putPackage(hart, isForced)}`)
  }
  if (channel !== undefined && !done.at(-1)?.endsWith('unsupported')) {
    if (channel !== 'unstable' && channel !== 'base') await hab.createChannel(hart.ident.origin, channel)
    await hab.promote(ident, channel)
  }
  return done
}

/**
 * A machine with a package cache. Does `hab pkg install`, which the Supervisor's updater also does
 * (habitat-today.md 2).
 */
export class Machine {
  readonly #hab: HabToday
  readonly #folder: string
  readonly #scanner: ArchiveScanner
  readonly installed: string[] = []

  constructor(hab: HabToday, folder: string, scanner: ArchiveScanner) {
    this.#hab = hab
    this.#folder = folder
    this.#scanner = scanner
  }

  /** Returns the installed ident. Throws with the channels that have the package if this one does not. */
  async install(ident: string, channel = 'base'): Promise<string> {
    const found = ident.split('/').length === 4 ? ident : (await this.#hab.showPackage(channel, ident))?.ident
    if (found === undefined) throw new Error(await this.#hints(ident, channel))
    if (this.installed.includes(found)) return found
    const { metadata } = await this.#fetch(found)
    for (const dep of metadata.tdeps.map(formatIdent)) {
      if (this.installed.includes(dep)) continue
      await this.#fetch(dep)
      this.installed.push(dep)
    }
    this.installed.push(found)
    return found
  }

  async #hints(ident: string, channel: string): Promise<string> {
    const names = await this.#hab.listChannels(originOf(ident))
    const having: string[] = []
    for (const name of names) {
      const there = await this.#hab.showPackage(name, ident)
      if (there !== undefined) having.push(`${there.ident} in ${name}`)
    }
    return `Cannot find a release of package in any sources: ${ident} in ${channel}; there is ${having.join(', ') || 'none'}`
  }

  async #fetch(ident: string): Promise<Awaited<ReturnType<typeof readHart>>> {
    const { fileName, bytes } = await this.#hab.fetchPackage(ident)
    await mkdir(this.#folder, { recursive: true })
    await writeFile(join(this.#folder, fileName), bytes)
    const path = join(this.#folder, hartFileName(parseIdent(ident), TARGET))
    const { header } = await readHart(path, {
      keys: () => undefined,
      scanner: this.#scanner,
      signatures: 'verify',
    })
    const keyPath = join(this.#folder, `${formatKeyName(header.signer)}.pub`)
    const cached = await readFile(keyPath, 'utf8').catch(() => undefined)
    if (cached === undefined) {
      const key = await this.#hab.fetchOriginKey(header.signer.origin, header.signer.revision)
      await writeFile(join(this.#folder, key.fileName), key.bytes)
    }
    const publicKey = parsePublicKey(await readFile(keyPath, 'utf8'))
    const hart = await readHart(path, { keys: () => publicKey, scanner: this.#scanner })
    if (formatIdent(hart.metadata.ident) !== ident || hart.metadata.target !== TARGET)
      throw new Error('the depot sent another package')
    return hart
  }
}

function expected(answer: Answer, ...statuses: number[]): Answer {
  if (!statuses.includes(answer.status)) throw new ApiError(answer)
  return answer
}

function fileOf(answer: Answer): { fileName: string; bytes: Buffer } {
  const fileName = answer.headers['x-filename']
  if (typeof fileName !== 'string') throw new Error('MissingHeader X-Filename')
  if (answer.headers['content-encoding'] !== undefined) throw new Error('hab cannot decode this encoding')
  return { fileName, bytes: answer.body }
}

/** All seven fields are required; versions and releases are strings or null. */
function decodePackage(text: string): { ident: string; tdeps: string[] } {
  const json: unknown = JSON.parse(text)
  for (const field of ['checksum', 'manifest', 'config']) stringOf(json, field)
  const { ident, deps, tdeps, exposes } = json as Record<string, unknown>
  if (!Array.isArray(deps) || !Array.isArray(tdeps) || !Array.isArray(exposes))
    throw new TypeError('missing field')
  if (!exposes.every((port) => Number.isInteger(port) && (port as number) >= 0))
    throw new TypeError('expected u32')
  deps.forEach(decodeIdent)
  return { ident: decodeIdent(ident), tdeps: tdeps.map(decodeIdent) }
}

function decodeIdent(json: unknown): string {
  return ['origin', 'name', 'version', 'release'].map((part) => stringOf(json, part)).join('/')
}

function stringOf(json: unknown, field: string): string {
  const value = (json as Record<string, unknown>)[field]
  if (typeof value !== 'string') throw new TypeError(`missing field ${field}`)
  return value
}

function messageIn(text: string): string {
  try {
    const { code, msg } = JSON.parse(text) as Record<string, unknown>
    return Number.isInteger(code) && typeof msg === 'string' ? msg : text
  } catch {
    return text
  }
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
}
