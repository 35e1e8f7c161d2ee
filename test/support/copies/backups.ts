import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from '../ask.ts'
import type { BuiltHart } from '../build-hart.ts'
import { bearer, makeOrigin, publishAll } from '../origin.ts'
import { runHere, scratchFolder } from '../run-cli.ts'
import type { Ended } from '../run-cli.ts'
import { startDepot } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

export const APP = 'acme/app/1.0.0/20260101000000'
export const WEB = 'acme/web/1.0.0/20260101000000'
export const NEW = 'acme/new/1.0.0/20260101000000'

export interface BackupScene {
  /** A listening depot with the releases {@link APP} and {@link WEB}. */
  readonly started: TestDepot
  readonly app: BuiltHart
  readonly web: BuiltHart
  /** A folder for backups, and one for a restored depot. Neither exists. */
  readonly to: string
  readonly data: string
  /** Runs commands on the depot, and on the restored one. */
  readonly run: (...args: string[]) => Promise<Ended>
  readonly runRestored: (...args: string[]) => Promise<Ended>
}

export async function backupScene(t: { teardown(fn: () => Promise<void>): unknown }): Promise<BackupScene> {
  const folder = await scratchFolder(t)
  const scratch = await scratchFolder(t)
  const [to, data] = [join(scratch, 'backups'), join(scratch, 'data')]
  const started = await startDepot(t, { folder, listen: true })
  await makeOrigin(started)
  const [app, web] = await publishAll(started, APP, WEB)
  if (app === undefined || web === undefined) throw new Error('unreachable')
  return {
    started,
    app,
    web,
    to,
    data,
    run: (...args) => runHere(args, { DEPOT_DATA: folder }),
    runRestored: (...args) => runHere(args, { DEPOT_DATA: data }),
  }
}

/** Lists the checksums of the packages in a folder of backups. */
export async function blobsIn(to: string): Promise<string[]> {
  const files = await readdir(join(to, 'blobs'), { recursive: true })
  return files
    .filter((name) => /^..\/[0-9a-f]{64}$/.test(name))
    .map((name) => name.slice(3))
    .toSorted()
}

export const removeRelease = ({ url }: TestDepot, ident: string) =>
  ask(`${url}/v1/depot/pkgs/${ident}`, { method: 'DELETE', headers: bearer() })
