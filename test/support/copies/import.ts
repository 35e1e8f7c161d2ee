import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copy } from '../../../src/import/copy.ts'
import type { Copied } from '../../../src/import/copy.ts'
import { whoAmI } from '../../../src/remote/destination.ts'
import { planImport } from '../../../src/import/plan.ts'
import type { ImportOptions, Plan } from '../../../src/import/plan.ts'
import { RemoteDepot } from '../../../src/remote/remote-depot.ts'
import { formatIdent } from '../../../src/package/ident.ts'
import { ask } from '../ask.ts'
import type { Answer } from '../ask.ts'
import { bearer } from '../origin.ts'
import { ADMIN_TOKEN } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

export interface Imported {
  readonly plan: Plan
  readonly copied: Copied | undefined
  /** `WHAT: WHY` */
  readonly failures: readonly string[]
  readonly notes: readonly string[]
  /** The pauses before retries, in milliseconds. */
  readonly pauses: readonly number[]
}

interface Options extends Partial<ImportOptions> {
  readonly token?: string
  readonly toToken?: string
  readonly owner?: string
  readonly createsAccounts?: boolean
  readonly acceptsUnknownSigners?: boolean
  readonly isDryRun?: boolean
}

/** Runs an import in this process, without waiting between retries. */
export async function importInto(
  destination: TestDepot | { url: string },
  sourceUrl: string,
  options: Options = {},
): Promise<Imported> {
  const {
    origins = ['acme'],
    channels,
    targets,
    token,
    toToken = ADMIN_TOKEN,
    owner,
    createsAccounts = false,
    acceptsUnknownSigners = false,
    isDryRun = false,
  } = options
  const pauses: number[] = []
  const failures: string[] = []
  const notes: string[] = []
  const pause = async (ms: number) => pauses.push(ms)
  const reporter = {
    begin: () => undefined,
    advance: () => undefined,
    fail: (what: string, why: string) => failures.push(`${what}: ${why}`),
    note: (text: string) => notes.push(text),
  }
  const transfer = {
    source: new RemoteDepot({ url: sourceUrl, token, pause }),
    destination: new RemoteDepot({ url: destination.url, token: toToken, pause }),
    reporter,
  }
  const account = await whoAmI(transfer.destination)
  const plan = await planImport(transfer, { origins, channels, targets, owner })
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-import-test-'))
  try {
    const copied = isDryRun
      ? undefined
      : await copy(transfer, plan, { folder, account, owner, createsAccounts, acceptsUnknownSigners })
    const left = await readdir(folder)
    if (left.length > 0) throw new Error(`the import left ${left.join(', ')}`)
    return { plan, copied, failures: failures.toSorted(), notes, pauses }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Returns the members of a view as `IDENT for TARGET`, sorted. */
export async function membersOf({ url }: TestDepot, view: string): Promise<string[]> {
  return namesIn(
    await ask(`${url}/api/v1/views/${view}/members?limit=1000`, { headers: bearer() }),
    'members',
  )
}

/** Returns every `latest` of a view as `IDENT for TARGET`, sorted. */
export async function latestIn({ url }: TestDepot, view: string): Promise<string[]> {
  return namesIn(
    await ask(`${url}/api/v1/views/${view}/content?limit=1000`, { headers: bearer() }),
    'pointers',
  )
}

/** Returns an empty list if there is no such view. */
function namesIn({ status, text }: Answer, list: 'members' | 'pointers'): string[] {
  if (status === 404) return []
  const body = JSON.parse(text) as Record<typeof list, { ident: string; target: string }[]>
  return body[list].map(({ ident, target }) => `${ident} for ${target}`).toSorted()
}

export async function bytesOf(
  { url }: TestDepot,
  { ident, target }: { ident: Parameters<typeof formatIdent>[0]; target: string },
): Promise<Buffer> {
  const answer = await ask(`${url}/v1/depot/pkgs/${formatIdent(ident)}/download?target=${target}`, {
    headers: bearer(),
  })
  if (answer.status !== 200) throw new Error(`${formatIdent(ident)} answered ${answer.status}`)
  return answer.body
}

/** Returns the number of ledger entries. */
export async function changesOf({ depot }: TestDepot): Promise<number> {
  const { count } = await depot.db
    .selectFrom('ledger')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}
