import { existsSync } from 'node:fs'
import { lstat, readdir, stat, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import pino from 'pino'
import { listAccounts } from '../../../accounts/account-store.ts'
import { listWrongCounts } from '../../../audit/wrong-count-store.ts'
import { verifyBlobs } from '../../../audit/verify-blobs.ts'
import { readDiskSpace } from '../../../blobs/disk-space.ts'
import { storageOf } from '../../../blobs/open.ts'
import { DepotClient } from '../../../client/client.ts'
import { NotADepot, RequestRefused } from '../../../client/errors.ts'
import type { LedgerHead } from '../../../client/operations.ts'
import { MAX_CLOCK_SKEW_MS } from '../../../clock.ts'
import type { Config } from '../../../config/config.ts'
import type { Db } from '../../../database/database.ts'
import { openEngine } from '../../../database/engine.ts'
import { findState } from '../../../database/state-store.ts'
import { connectControl } from '../../../depot/control.ts'
import { findSecretKeys } from '../../../depot/secret-key.ts'
import { findHash, findHead } from '../../../ledger/ledger-store.ts'
import { secretKeyId } from '../../../origins/secret-box.ts'
import { listSealedOtherwise, listSealingKeys } from '../../../origins/sealed-store.ts'
import { readVersion } from '../../../package-root.ts'
import { formatBytes } from '../../../text/columns.ts'
import { didYouMean } from '../../../text/nearest.ts'
import { MAX_WEBHOOKS } from '../../../webhooks/webhook.ts'
import { listWebhooks } from '../../../webhooks/webhook-store.ts'
import { explain } from '../../failure.ts'
import type { Io } from '../../io.ts'
import { faultsOfTls } from './authorities.ts'
import { nameOf } from '../denial.ts'
import { expectDepot, readLocalConfig } from '../data-folder.ts'
import type { LocalConfig } from '../data-folder.ts'
import { readDepot } from '../read-depot.ts'
import { urlOf } from '../url.ts'

/** What was found about one part of an installation. */
export interface Examined {
  readonly check: string
  /** One sentence each, without a full stop. Empty if all is well. */
  readonly problems: readonly string[]
  /** What was found, if all is well. */
  readonly detail: string
}

type Found = Omit<Examined, 'check'>

const OLDEST_NODE = 24
/** A disk with room for fewer files is a problem. */
const MIN_FREE_FILES = 10_000
/** The bits of a file's mode that give access to users outside its group. */
const ACCESS_OF_OTHERS = 0o007

/** Examines the depot on this machine. Never rejects: what prevents a check is its finding. */
export async function examine(io: Io): Promise<Examined[]> {
  const examined: Examined[] = []
  const check = async (name: string, find: () => Promise<Found> | Found): Promise<boolean> => {
    const found = await Promise.resolve()
      .then(find)
      .catch((error: unknown): Found => ({ problems: [explain(error)], detail: '' }))
    examined.push({ check: name, ...found })
    return found.problems.length === 0
  }
  await check('Node', examineNode)
  let config: LocalConfig | undefined
  await check('settings', () => {
    config = readLocalConfig(io)
    return { problems: contradictions(config, availableParallelism()), detail: 'they agree with each other' }
  })
  await check('TLS', async () => ({ problems: await faultsOfTls(io), detail: 'nothing is wrong' }))
  if (config === undefined) return examined
  const known = config
  const hasDepot = await check('data folder', async () => examineFolder(known))
  if (!hasDepot && known.database.engine === 'sqlite' && !existsSync(known.database.file)) {
    const orphan = await findOrphanedServer(known)
    if (orphan !== undefined) await check('server', () => problem(orphan))
    return examined
  }
  await check('disk', async () => examineDisk(known))
  const inDatabase = async (find: (db: Db) => Promise<Found>) => readDepot(known, find)
  if (await check('database', async () => inDatabase(async (db) => examineDatabase(db, known)))) {
    await check('changes', async () => inDatabase(examineChanges))
    await check('clock', async () => inDatabase(async (db) => examineClock(db, io.now())))
    await check('secrets', async () => inDatabase(async (db) => examineSecrets(db, known)))
    await check('packages', async () => inDatabase(async (db) => examinePackages(db, known)))
    await check('accounts', async () => inDatabase(async (db) => examineAccounts(db, known)))
    await check('webhooks', async () => inDatabase(examineWebhooks))
  }
  await check('server', async () => examineServer(known))
  return examined
}

function examineNode(): Found {
  const { node } = process.versions
  const isOld = Number.parseInt(node, 10) < OLDEST_NODE
  return {
    problems: isOld ? [`this is Node ${node}, and the depot needs ${OLDEST_NODE} or newer`] : [],
    detail: node,
  }
}

/** Describes settings that are valid alone, but wrong together or on this machine: one sentence for each. */
export function contradictions(
  config: Pick<Config, 'host' | 'publicUrl' | 'trustProxy' | 'upstream' | 'workers'>,
  processors: number,
): string[] {
  const { host, publicUrl, trustProxy, upstream, workers } = config
  const isLoopback = host === 'localhost' || host === '::1' || host.startsWith('127.')
  return [
    ...(publicUrl?.startsWith('https:') === true && trustProxy === false
      ? [
          'DEPOT_PUBLIC_URL is an https: URL, so there is a proxy, but DEPOT_TRUST_PROXY is off: all clients have the address of the proxy, and one with wrong tokens locks out the others',
        ]
      : []),
    ...(trustProxy === true && !isLoopback
      ? [
          `DEPOT_TRUST_PROXY is on, and the depot listens on ${host}: every client can claim another address. Name the addresses of the proxies instead`,
        ]
      : []),
    ...(upstream?.origins.length === 0
      ? ['DEPOT_UPSTREAM is set, but DEPOT_UPSTREAM_ORIGINS is not: nothing is fetched from upstream']
      : []),
    ...(workers > processors
      ? [`DEPOT_WORKERS is ${workers}, but this machine has ${processors} processors`]
      : []),
  ]
}

async function examineChanges(db: Db): Promise<Found> {
  const reason = await findState(db, 'moving')
  const advice =
    'If nobody uses the depot that it was moved to, hart-depot move --cancel lets this one accept changes again'
  return {
    problems: reason === undefined ? [] : [`the depot accepts no changes: ${reason}. ${advice}`],
    detail: 'they are accepted',
  }
}

/** File systems by the type of `statfs` (statfs(2)) on which a depot is not safe, and why. */
const UNSAFE: Readonly<Record<number, string>> = {
  0x6969: 'is on NFS, where SQLite cannot lock files reliably: use a disk of this machine',
  0x517b: 'is on a Windows share (SMB), where SQLite cannot lock files reliably: use a disk of this machine',
  0xff534d42:
    'is on a Windows share (CIFS), where SQLite cannot lock files reliably: use a disk of this machine',
  0xfe534d42:
    'is on a Windows share (SMB), where SQLite cannot lock files reliably: use a disk of this machine',
}

async function examineFolder(config: LocalConfig): Promise<Found> {
  expectDepot(config, 'write')
  const { dataFolder, database } = config
  const databases = database.engine === 'sqlite' ? [database.file] : []
  const problems: string[] = []
  for (const file of [...databases, join(dataFolder, 'secret.key')])
    if (existsSync(file) && ((await stat(file)).mode & ACCESS_OF_OTHERS) !== 0)
      problems.push(`every user of this machine has access to ${file}: chmod 600 ${file}`)
  for (const folder of new Set([...databases.map((file) => dirname(file)), await storageFolder(config)])) {
    const unsafe = process.platform === 'linux' ? UNSAFE[(await statfs(folder)).type >>> 0] : undefined
    if (unsafe !== undefined) problems.push(`${folder} ${unsafe}`)
  }
  return { problems: [...problems, ...(await foreignFile(config))], detail: dataFolder }
}

/**
 * Describes the first file of another owner than that of the database. Looks only at the entries of the data
 * folder and of the folder of packages, and not into folders below these.
 */
async function foreignFile(config: Config): Promise<string[]> {
  const { dataFolder, database } = config
  if (database.engine !== 'sqlite') return []
  const { uid: owner } = await stat(database.file)
  for (const folder of [dataFolder, await storageFolder(config)])
    for (const name of (await readdir(folder)).filter((found) => found !== 'lost+found')) {
      const file = join(folder, name)
      const uid = (await lstat(file).catch(() => undefined))?.uid // it may be gone by now
      if (uid !== undefined && uid !== owner)
        return [
          `${file} belongs to ${nameOf(uid)}, and the database to ${nameOf(owner)}: chown -R gives all files to the user of the depot`,
        ]
    }
  return []
}

/** Returns the folder of packages, or the data folder if there is none. */
async function storageFolder(config: Config): Promise<string> {
  const folder = dirname(dirname((await storageOf(config)).placeOf('0'.repeat(64))))
  return existsSync(folder) ? folder : config.dataFolder
}

async function examineDisk(config: Config): Promise<Found> {
  const { dataFolder } = config
  const spaces = await readDiskSpace({ config, blobs: { spool: { folder: await storageFolder(config) } } })
  const problems: string[] = []
  for (const [what, { freeBytes, reserveBytes }] of Object.entries(spaces))
    if (freeBytes < reserveBytes)
      problems.push(
        `uploads are refused: the disk of the ${what} has ${formatBytes(freeBytes)} left, and ${formatBytes(reserveBytes)} are reserved for other writes`,
      )
  const { ffree, files } = await statfs(dataFolder)
  if (files > 0 && ffree < MIN_FREE_FILES)
    problems.push(`the disk of ${dataFolder} has room for only ${ffree} more files`)
  return { problems, detail: `${formatBytes(spaces.packages.freeBytes)} free` }
}

async function examineClock(db: Db, now: number): Promise<Found> {
  const { at } = await findHead(db)
  const isBehind = at - now > MAX_CLOCK_SKEW_MS
  return {
    problems: isBehind
      ? [
          `the clock says ${new Date(now).toISOString()}, but the last change was made at ${new Date(at).toISOString()}: it was set back, or it was wrong then`,
        ]
      : [],
    detail: 'it agrees with the ledger',
  }
}

async function examineDatabase(db: Db, { database }: Config): Promise<Found> {
  const damage = await (await openEngine(database)).findDamage?.()
  if (damage !== undefined)
    return problem(`the database is damaged (${damage.replaceAll(/\s+/g, ' ')}): restore it from a backup`)
  const wrong = await listWrongCounts(db, 1)
  return {
    problems: wrong.length > 0 ? ['the counts of releases are wrong: hart-depot verify shows them'] : [],
    detail: 'it answers, and its counts are right',
  }
}

async function examineSecrets(db: Db, config: Config): Promise<Found> {
  const { secretKeys, secretKeyFile, dataFolder } = config
  const isGiven = secretKeys !== undefined || secretKeyFile !== undefined
  const isNeeded = (await listSealingKeys(db)).length > 0
  let keys: readonly Buffer[] = []
  // Without this, a missing file would be created.
  if (isGiven || isNeeded || existsSync(join(dataFolder, 'secret.key')))
    keys = await findSecretKeys(config, db, pino({ level: 'silent' }))
  const [newest] = keys
  const isUnfinished =
    newest !== undefined && (await listSealedOtherwise(db, secretKeyId(newest), 1)).length > 0
  return {
    problems: isUnfinished
      ? ['some are encrypted with an earlier key: hart-depot secret-key rotate encrypts them again']
      : [],
    detail: isNeeded ? 'they can be decrypted' : 'there are none',
  }
}

async function examinePackages(db: Db, config: Config): Promise<Found> {
  const { blobs, damaged, damagedCount } = await verifyBlobs(db, await storageOf(config), undefined)
  const shown = damaged.slice(0, 3).map(({ idents, checksum }) => idents[0] ?? checksum)
  return {
    problems:
      damagedCount === 0
        ? []
        : [
            `the files of ${damagedCount} packages are missing or damaged, among them ${shown.join(', ')}: upload the same files again, or restore them; hart-depot verify lists all`,
          ],
    detail: `the files of ${blobs} are there, with the right sizes`,
  }
}

async function examineAccounts(db: Db, { originCreators = [] }: Config): Promise<Found> {
  const accounts = await listAccounts(db)
  const names = accounts.map(({ name }) => name)
  const administrators = accounts.filter((each) => each.isAdministrator && each.disabledAt === undefined)
  return {
    problems: [
      ...originCreators
        .filter((name) => !names.includes(name))
        .map(
          (name) =>
            `DEPOT_ORIGIN_CREATORS names ${name}, but there is no such account${didYouMean(name, names)}`,
        ),
      ...(administrators.length === 0
        ? ['no administrator is enabled: hart-depot account add NAME --admin adds one']
        : []),
    ],
    detail: `${accounts.length}, ${administrators.length} of them administrators`,
  }
}

async function examineWebhooks(db: Db): Promise<Found> {
  const webhooks = await listWebhooks(db, { limit: MAX_WEBHOOKS })
  const problems = webhooks.flatMap(({ name, host, progress }) => {
    const { pause } = progress
    if (pause === undefined || pause.why === 'asked') return []
    const why = pause.why === 'gone' ? 'it answered 410' : 'it failed for more than five days'
    return [
      `the webhook ${name} to ${host} is paused, because ${why}: hart-depot webhook resume ${name} continues, and loses nothing`,
    ]
  })
  return { problems, detail: webhooks.length === 0 ? 'there are none' : `${webhooks.length}` }
}

async function examineServer(config: LocalConfig): Promise<Found> {
  const { dataFolder, host, port } = config
  const control = await connectControl(dataFolder)
  control?.destroy()
  const isRunning = control !== undefined
  if (port === 0) return { problems: [], detail: isRunning ? 'it runs' : 'it does not run' }
  const url = urlOf(host, port)
  const depot = new DepotClient({ url, retries: 0 })
  try {
    const answer = await unlessClosed(depot.getVersion())
    if (answer !== undefined && answer.name !== 'hart-depot') throw new NotADepot(url)
    if (!isRunning)
      return problem(
        `the depot at ${url} has another data folder than ${dataFolder}: check DEPOT_DATA and DEPOT_LISTEN`,
      )
    const head = await unlessClosed(depot.getLedgerHead())
    if (head !== undefined && !(await hasEntry(config, head)))
      return problem(`another depot than that of ${dataFolder} answers at ${url}: check DEPOT_LISTEN`)
    const own = readVersion()
    const { version = own } = answer ?? {}
    const { reasons } = await depot.checkReadiness()
    return {
      problems: [
        ...reasons,
        ...(version === own
          ? []
          : [`the depot at ${url} is ${version}, and this program is ${own}: restart it`]),
        ...(await examinePolls(depot)),
      ],
      detail: `it answers at ${url}`,
    }
  } catch (error) {
    if (error instanceof NotADepot || (error instanceof RequestRefused && error.status === 404))
      return problem(`another program than this depot answers at ${url}: check DEPOT_LISTEN`)
    if (error instanceof RequestRefused) return problem(`the depot at ${url} is not ready: ${error.message}`)
    return isRunning
      ? problem(`a depot runs on ${dataFolder}, but not at ${url}: ${explain(error)}. Check DEPOT_LISTEN`)
      : { problems: [], detail: 'it does not run' }
  } finally {
    depot.close()
  }
}

/** Reports whether the ledger of the depot has this entry. Returns true if the database cannot be read. */
async function hasEntry(config: LocalConfig, { sequence, hash }: LedgerHead): Promise<boolean> {
  return readDepot(config, async (db) => (await findHash(db, sequence)) === hash).catch(() => true)
}

/** Describes a server that runs although its data folder is gone: its process still has the database open. */
async function findOrphanedServer({ host, port }: Config): Promise<string | undefined> {
  if (port === 0) return undefined
  const url = urlOf(host, port)
  const depot = new DepotClient({ url, retries: 0 })
  try {
    const { problems } = await depot.checkReadiness()
    return problems.some(({ code }) => code === 'data_gone')
      ? `the server at ${url} still has the database that was there, so do not stop it: see docs/runbooks/data-folder-gone.md`
      : undefined
  } catch {
    return undefined // no depot answers
  } finally {
    depot.close()
  }
}

/** The gauges of failed polls by name, and what each counts. */
const POLLS: Readonly<Record<string, string>> = {
  'hart_depot_polled_absent_names{what="view"}': 'views that do not exist were polled for',
  hart_depot_polling_refused_addresses: 'addresses polled without a valid token',
}

/** Resolves with `undefined` if the depot gives this answer only to callers with a token. */
async function unlessClosed<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  return answer.catch((error: unknown) => {
    if (error instanceof RequestRefused && error.code === 'unauthenticated') return undefined
    throw error
  })
}

/** Describes failed polls. The metrics have counts but no names, because they may be public. */
async function examinePolls(depot: DepotClient): Promise<string[]> {
  const metrics = (await unlessClosed(depot.readMetrics())) ?? ''
  return metrics.split('\n').flatMap((line) => {
    const [name = '', count = '0'] = line.split(' ')
    const what = POLLS[name]
    return what === undefined || count === '0'
      ? []
      : [`in the last day, ${what} (${count}): hart-depot status shows their names to administrators`]
  })
}

function problem(sentence: string): Found {
  return { problems: [sentence], detail: '' }
}
