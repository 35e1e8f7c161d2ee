import type { AddressInfo } from 'node:net'
import pino from 'pino'
import { generateToken } from '../../../accounts/token.ts'
import { readConfig } from '../../../config/config.ts'
import { openDepot } from '../../../depot/open.ts'
import { Blake2b } from '../../../hart/blake2b.ts'
import { packHart } from '../../../hart/pack.ts'
import { buildServer } from '../../../http/server.ts'
import { formatKeyName, formatPublicKey, generateKeyPair } from '../../../hart/origin-key.ts'
import { formatIdent, makeIdent } from '../../../package/ident.ts'
import type { Ident } from '../../../package/ident.ts'
import { withTempFolder } from '../other-depot.ts'
import { SimulatedSupervisor } from './simulated-supervisor.ts'
import type { PollResult } from './simulated-supervisor.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import type { Out } from '../../io.ts'

export const demo: Define = (command, io) =>
  command
    .addHelpText(
      'after',
      examples([
        ['demo', 'show in a few seconds what the views of a depot are for'],
        ['demo | less', 'read it page by page'],
      ]),
    )
    .action(() =>
      withTempFolder('hart-depot-demo-', (folder) =>
        withServer(folder, (api) => showPromotions(api, io.stdout)),
      ),
    )

const PIPELINE = ['acceptance', 'union', 'rehearsal', 'delivered'] as const
const VERSIONS = ['1.0.0', '1.1.0', '1.2.0'] as const

/**
 * Runs `act` against a depot in the folder that listens on the loopback address. Closes the depot afterwards.
 */
async function withServer(folder: string, act: (api: Api) => Promise<void>): Promise<void> {
  const token = generateToken()
  const config = readConfig({ DEPOT_DATA: folder, DEPOT_LISTEN: '127.0.0.1:0', DEPOT_ADMIN_TOKEN: token })
  const depot = await openDepot(config, { log: pino({ level: 'silent' }), inProcess: true })
  try {
    const app = await buildServer(depot)
    try {
      await app.listen({ host: config.host, port: config.port })
      const { port } = app.server.address() as AddressInfo
      await act(new Api(`http://127.0.0.1:${port}/v1/depot`, token))
    } finally {
      await app.close()
    }
  } finally {
    await depot.close()
  }
}

/** The requests of a deployment pipeline. Each throws unless it succeeds. */
class Api {
  readonly url: string
  readonly #token: string

  constructor(url: string, token: string) {
    this.url = url
    this.#token = token
  }

  createOrigin(name: string): Promise<void> {
    return this.#post('origins', 201, JSON.stringify({ name }))
  }

  addKey(origin: string, revision: string, text: string): Promise<void> {
    return this.#post(`origins/${origin}/keys/${revision}`, 201, text)
  }

  upload(ident: Ident, hart: Buffer): Promise<void> {
    const checksum = new Blake2b().update(hart).digest()
    return this.#post(`pkgs/${formatIdent(ident)}?checksum=${checksum}`, 201, new Uint8Array(hart))
  }

  promote(ident: Ident, view: string): Promise<void> {
    return this.#post(`views/${view}/pkgs/${formatIdent(ident)}/promote`, 200)
  }

  async #post(path: string, expected: number, body?: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const response = await fetch(`${this.url}/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}` },
      ...(body !== undefined && { body }),
    })
    const text = await response.text()
    if (response.status !== expected) throw new Error(`POST ${path} answered ${response.status} ${text}`)
  }
}

async function showPromotions(api: Api, stdout: Out): Promise<void> {
  const print = (line: string) => void stdout.write(`${line}\n`)
  const { releases, keyName } = await uploadReleases(api)
  print(`The depot is at ${api.url}. One supervisor polls each view V at …/views/V.`)
  print(`acme/app ${VERSIONS.join(', ')} are uploaded, signed with ${keyName}.\n`)
  print(formatRow('', ['what the supervisor of each view sees']))
  print(formatRow('', PIPELINE))
  const pipeline = new Pipeline(api, print)
  await pipeline.show('before any promotion')
  for (const ident of releases) {
    for (const view of PIPELINE) {
      await pipeline.promote(ident, view)
      await pipeline.show(`promote ${ident.version} into ${view}`)
    }
  }
  const [, older, newest] = releases
  if (older === undefined || newest === undefined) throw new Error('the demo has too few releases')
  await pipeline.promote(older, 'delivered')
  const polled = await pipeline.show(`roll delivered back to ${older.version}`)
  if (polled.get('delivered')?.change !== 'older') throw new Error('the rollback is not a downgrade')

  print(`
1.0.0 @1  the latest release of the view, and the view's revision
*         the supervisor downloaded the release and verified checksum and signature (${pipeline.downloads} times)
!         like *, but the release is older than the one before. Supervisors do this only with
          --update-condition track-channel; others, and those of 2016, would stay at ${newest.version}.`)
}

async function uploadReleases(api: Api): Promise<{ releases: readonly Ident[]; keyName: string }> {
  const { publicKey, secretKey } = generateKeyPair('acme', Date.now())
  await api.createOrigin('acme')
  await api.addKey('acme', publicKey.revision, formatPublicKey(publicKey))
  const releases = VERSIONS.map((version, day) =>
    makeIdent({ origin: 'acme', name: 'app', version, release: `2026010${day + 1}120000` }),
  )
  for (const ident of releases) {
    const files = [
      { path: 'bin/app', content: `#!/bin/sh\necho this is acme/app ${ident.version}\n`, mode: 0o755 },
    ]
    await api.upload(ident, packHart({ ident, target: 'x86_64-linux', secretKey, files }))
  }
  return { releases, keyName: formatKeyName(publicKey) }
}

/** The views of the demo, with a supervisor that polls each. */
class Pipeline {
  readonly #api: Api
  readonly #print: (line: string) => void
  readonly #supervisors: ReadonlyMap<string, SimulatedSupervisor>
  readonly #promoted = new Map<string, Ident>()
  downloads = 0

  constructor(api: Api, print: (line: string) => void) {
    this.#api = api
    this.#print = print
    this.#supervisors = new Map(
      PIPELINE.map((view) => [view, new SimulatedSupervisor(`${api.url}/views/${view}`, 'acme/app')]),
    )
  }

  async promote(ident: Ident, view: (typeof PIPELINE)[number]): Promise<void> {
    await this.#api.promote(ident, view)
    this.#promoted.set(view, ident)
  }

  /**
   * Polls each view once and prints the answers. Throws unless each view answers with the release promoted
   * last.
   */
  async show(step: string): Promise<ReadonlyMap<string, PollResult | undefined>> {
    const polled = new Map<string, PollResult | undefined>()
    for (const [view, supervisor] of this.#supervisors) polled.set(view, await supervisor.poll())
    for (const [view, answer] of polled) {
      expectIdent(view, answer?.ident, this.#promoted.get(view))
      if (answer !== undefined && answer.change !== 'none') this.downloads += 1
    }
    this.#print(formatRow(step, [...polled.values()].map(formatPolled)))
    return polled
  }
}

function expectIdent(view: string, actual: Ident | undefined, expected: Ident | undefined): void {
  const [left, right] = [actual, expected].map((ident) =>
    ident === undefined ? 'nothing' : formatIdent(ident),
  )
  if (left !== right) throw new Error(`${view} should answer with ${right}, but answered with ${left}`)
}

function formatPolled(polled: PollResult | undefined): string {
  if (polled === undefined) return '-'
  const mark = { first: '*', newer: '*', older: '!', none: '' }[polled.change]
  return `${polled.ident.version} @${polled.revision} ${mark}`
}

function formatRow(heading: string, cells: readonly string[]): string {
  return `${heading.padEnd(34)}${cells.map((cell) => cell.padEnd(14)).join('')}`.trimEnd()
}
