import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { DepotClient } from '../../../client/client.ts'
import { RequestRefused } from '../../../client/errors.ts'
import type { Upload } from '../../../client/operations.ts'
import { readChecksum, readPackageFile, readSigner } from '../../../client/package-file.ts'
import { formatIdent, hartFileName } from '../../../package/ident.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import { exitCodeOf, explain } from '../../failure.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import { connectToChange, remoteOptions } from '../connect.ts'
import type { Connected, RemoteOptions } from '../connect.ts'
import { promotionText } from '../views/change-text.ts'
import { findKeyFile } from '../key-files.ts'
import { transferProgress } from './transfer-progress.ts'

export const upload: Define = (command, io) =>
  remoteOptions(command)
    .argument('<file...>', 'package files (.hart)')
    .option('--promote <view>', 'promote all of them into this view, in one revision')
    .option(
      '--with-deps <folder>',
      'first upload the packages of this folder that they need and the depot lacks',
    )
    .option(
      '--key <file>',
      'the public key of the signer, sent if the depot lacks it; also looked for where hab keeps keys',
    )
    .addHelpText(
      'after',
      examples([
        [
          'upload results/acme-app-1.2.0-20260101120000-x86_64-linux.hart --promote acceptance',
          'publish and promote',
        ],
        ['upload app.hart --with-deps /hab/cache/artifacts', 'publish a package and what it needs'],
      ]),
    )
    .action(async (given, options) => {
      const connected = connectToChange(io, options)
      const files = given.map((file) => pathOf(io, file))
      if (options.promote !== undefined) await connected.depot.getView({ view: options.promote }) // before anything is sent
      const all =
        options.withDeps === undefined
          ? files
          : await withDependencies(connected.depot, files, pathOf(io, options.withDeps))
      const releases = await uploadFiles(io, connected, all, options)
      await finish(connected, releases, options.promote)
    })

/**
 * Sends the public keys of the signers that the depot lacks, as far as this machine has them. Then uploads
 * the package files in order. Throws {@link Exit}, which names the file that was refused and those uploaded
 * before it.
 */
export async function uploadFiles(
  io: Io,
  connected: Connected,
  files: readonly string[],
  options: Pick<RemoteOptions, 'quiet'> & { readonly key?: string | undefined },
): Promise<Upload[]> {
  const signers = new Set<string>()
  for (const file of files) {
    const { origin, revision } = await explained(file, async () => readSigner(file))
    signers.add(`${origin}/${revision}`)
  }
  for (const signer of signers) await sendKey(io, connected, signer, options.key)
  const uploads: Upload[] = []
  for (const file of files) {
    const before = uploads.map(({ ident }) => ident).join(', ')
    uploads.push(
      await explained(
        file,
        async () => uploadOne(io, connected.depot, file, options),
        before === '' ? '' : `. Uploaded before: ${before}`,
      ),
    )
  }
  // The last upload that warns of a quota has the newest number.
  for (const warning of uploads.at(-1)?.warnings ?? []) connected.out.note(`Warning: ${warning}.`)
  return uploads
}

/** Runs a step for a file. Errors of the depot or the file then say which file it was. */
async function explained<Result>(file: string, step: () => Promise<Result>, more = ''): Promise<Result> {
  try {
    return await step()
  } catch (error) {
    const sentence = explain(error)
    if (sentence === '') throw error
    throw new Exit(exitCodeOf(error), `${file} was not uploaded: ${sentence}${more}`)
  }
}

/**
 * Returns the files, preceded by those files of the folder that they need and the depot lacks. Throws {@link
 * Exit} if files are missing.
 */
async function withDependencies(
  depot: DepotClient,
  files: readonly string[],
  folder: string,
): Promise<string[]> {
  const needed = new Set<string>()
  const missing = new Set<string>()
  for (const file of files) {
    const { target, needs } = await explained(file, async () => readPackageFile(file))
    for (const ident of needs) {
      const path = join(folder, hartFileName(ident, target))
      if (files.some((other) => basename(other) === basename(path)) || needed.has(path)) continue
      if (await hasRelease(depot, { ...ident, target })) continue
      if (await exists(path)) needed.add(path)
      else missing.add(formatIdent(ident))
    }
  }
  if (missing.size > 0)
    throw new Exit(
      EXIT.notFound,
      `neither the depot nor ${folder} has ${[...missing].join(', ')}. Nothing was uploaded`,
    )
  return [...needed, ...files]
}

async function hasRelease(
  depot: DepotClient,
  release: Parameters<DepotClient['getRelease']>[0],
): Promise<boolean> {
  return (await unlessAbsent(depot.getRelease(release))) !== undefined
}

async function unlessAbsent<Found>(asked: Promise<Found>): Promise<Found | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof RequestRefused && error.status === 404) return undefined
    throw error
  }
}

/**
 * Sends the public key of a signer, `origin/revision`, if the depot lacks the key and this machine has it. If
 * neither has the key, sends nothing: the depot then decides whether to accept the package.
 */
async function sendKey(
  io: Io,
  { depot, out }: Connected,
  signer: string,
  keyFile: string | undefined,
): Promise<void> {
  const [origin = '', revision = ''] = signer.split('/')
  if ((await unlessAbsent(depot.getOriginKey({ origin, revision }))) !== undefined) return
  const name = `${origin}-${revision}`
  const body = await findKeyFile(io, name, keyFile === undefined ? [] : [keyFile])
  if (body === undefined) return
  try {
    await depot.putOriginKey({ origin, revision, body })
  } catch (error) {
    if (!(error instanceof RequestRefused)) throw error
    throw new Exit(
      exitCodeOf(error),
      `nothing was uploaded: the depot lacks the key ${name}, and ${explain(error)}`,
    )
  }
  out.note(`Added the key ${name} to ${origin}.`)
}

async function uploadOne(
  io: Io,
  depot: DepotClient,
  file: string,
  options: Pick<RemoteOptions, 'quiet'>,
): Promise<Upload> {
  const { size: totalBytes } = await stat(file)
  const progress = transferProgress(io, options, { name: basename(file), totalBytes })
  try {
    const { origin } = await readSigner(file)
    return await depot.uploadFile(
      file,
      {
        // The depot recognizes repeated uploads by their checksums. They need no room in the quota.
        checksum: await readChecksum(file),
        // File names begin with the origin. With it, the depot checks the quota before the file is sent.
        ...(basename(file).startsWith(`${origin}-`) && { origin }),
      },
      { signal: io.signal, onProgress: (bytes) => progress.show(bytes) },
    )
  } finally {
    progress.end()
  }
}

/** Promotes the uploaded releases, if wanted, and shows the result. */
async function finish(
  { depot, out }: Connected,
  uploads: readonly Upload[],
  view: string | undefined,
): Promise<void> {
  const releases = uploads.map(({ promotion: _promotion, warnings: _warnings, ...release }) => release)
  const published = releases.map(({ ident, target }) => `${ident} (${target}) is published.`)
  const promote = async () => {
    if (view === undefined) return null
    const body = { releases: releases.map(({ ident, target }) => ({ ident, target })) }
    try {
      return await depot.promote({ view, body })
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error
      throw new Exit(
        exitCodeOf(error),
        `${published.join(' ')} Nothing was promoted into ${view}: ${explain(error)}`,
      )
    }
  }
  const promotion = await promote()
  out.show(
    { releases, promotion },
    {
      whole: () => [...published, ...(promotion === null ? [] : [promotionText(out, promotion)])].join('\n'),
      brief: () => releases.map(({ ident }) => ident),
    },
  )
}

async function exists(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
