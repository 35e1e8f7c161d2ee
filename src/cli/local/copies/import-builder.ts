import { setTimeout as pause } from 'node:timers/promises'
import { compareDepots } from '../../../import/compare.ts'
import type { ImportComparison } from '../../../import/compare.ts'
import { formatBytes, formatColumns, printable } from '../../../text/columns.ts'
import { readTokens } from '../../../config/client-tokens.ts'
import { readConfig } from '../../../config/config.ts'
import { ACCOUNT_NAME } from '../../../access/account-name.ts'
import { copy } from '../../../import/copy.ts'
import type { Copied } from '../../../import/copy.ts'
import { whoAmI } from '../../../remote/destination.ts'
import { saveHistory } from '../../../import/history.ts'
import { planImport } from '../../../import/plan.ts'
import type { ImportOptions, Plan, PlannedOrigin } from '../../../import/plan.ts'
import { RemoteDepot } from '../../../remote/remote-depot.ts'
import { counted } from '../../../text/counted.ts'
import { didYouMean } from '../../../text/nearest.ts'
import { isOriginName } from '../../../package/ident.ts'
import { TARGETS, isTarget } from '../../../package/target.ts'
import { isViewName } from '../../../views/view.ts'
import {
  expectOneStdin,
  expectReachable,
  parseHttpUrl,
  readTokenFile,
  withTempFolder,
} from '../other-depot.ts'
import { Progress } from '../progress.ts'
import { urlOf } from '../url.ts'
import { SEVERAL, collect, examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'

/** The maximum number of differences that are listed. */
const MAX_DIFFERENCES = 100

export const importBuilder: Define = (command, io) =>
  outputOptions(command)
    .argument('<url>', 'the Builder, for example https://bldr.habitat.sh')
    .option('--origin <origin>', `the origin to copy; ${SEVERAL}`, collect)
    .option(
      '--channel <channel>',
      `copy only this channel and the releases in it, without their dependencies; ${SEVERAL}`,
      collect,
    )
    .option('--target <target>', `copy only packages for this target; ${SEVERAL}`, collect)
    .option('--owner <account>', 'give copied origins to this account, not to that of the token')
    .option('--to <url>', 'the running depot to copy into; the default is that on DEPOT_LISTEN')
    .option(
      '--token-file <file>',
      'a token of the source, needed for private packages; - is stdin. The default is HAB_AUTH_TOKEN',
    )
    .option(
      '--to-token-file <file>',
      'a token of the destination, preferably of an administrator. The default is HART_DEPOT_TOKEN',
    )
    .option('--create-accounts', 'create the accounts of members that the destination lacks, without tokens')
    .option('--exact', 'also demote what the channels of the source do not have any more')
    .option(
      '--accept-unknown-signers',
      "also copy packages whose signer's key the source has lost, to a depot with DEPOT_SIGNATURES=verify",
    )
    .option('--history <file>', 'save when the source promoted and demoted releases, as lines of JSON')
    .option('--compare', 'compare both depots afterwards; if they differ, the exit code is 8')
    .option('--dry-run', 'show what would be copied, and write nothing')
    .addHelpText(
      'after',
      `${examples([
        ['import-builder https://bldr.habitat.sh --origin acme --dry-run', 'show what an origin has'],
        [
          'import-builder https://bldr.habitat.sh --origin core --channel stable --target x86_64-linux',
          'copy what is stable for Linux',
        ],
      ])}

Verifies each package before uploading it, and skips what the destination already has. With a token of the source, also copies members with
their roles, the owner, and the newest secret key, as far as the token may. After an abort, run it again; until the cut-over, it can run on a
schedule. Stores up to four packages in TMPDIR while it copies them.`,
    )
    .action(async (given, options) => {
      const url = parseHttpUrl(given)
      const wanted = { ...importOptions(options), findsSurplus: options.exact === true }
      const { dryRun = false, tokenFile, toTokenFile } = options
      expectOneStdin(tokenFile, toTokenFile)
      const { host, port } = readConfig(io.env)
      const to = parseHttpUrl(options.to ?? urlOf(host, port))
      const tokens = readTokens(io.env)
      const source = new RemoteDepot({
        url,
        token: (await readTokenFile(io, tokenFile)) ?? tokens.habitat,
        pause,
      })
      const destination = new RemoteDepot({
        url: to,
        token: (await readTokenFile(io, toTokenFile)) ?? tokens.hartDepot,
        pause,
      })

      const out = new Output(io, options)
      const progress = new Progress(io.stderr)
      const transfer = { source, destination, reporter: progress }
      for (const depot of [source, destination]) await expectReachable(depot)
      const account = await whoAmI(destination)
      let copied: Copied | undefined
      let comparison: ImportComparison | undefined
      let events: number | undefined
      try {
        const plan = await planImport(transfer, wanted)
        progress.end()
        out.print(planText(plan))
        if (!dryRun)
          copied = await withTempFolder('hart-depot-import-', (folder) =>
            copy(transfer, plan, {
              folder,
              account,
              owner: wanted.owner,
              createsAccounts: options.createAccounts === true,
              isExact: options.exact === true,
              acceptsUnknownSigners: options.acceptUnknownSigners === true,
            }),
          )
        if (options.history !== undefined) {
          progress.begin('saving promotions of the source')
          const file = pathOf(io, options.history)
          events = await saveHistory(source, file, { origins: wanted.origins, now: io.now() })
        }
        if (options.compare === true) comparison = await compareDepots(transfer, wanted)
        progress.end()
        out.show(
          {
            plan: plan.origins.map(originJson),
            copied: copied ?? null,
            ...(events !== undefined && { history: events }),
            ...(comparison && { comparison }),
            failed: progress.failures,
            notes: progress.notes,
          },
          {
            whole: () =>
              [
                ...(copied === undefined ? [] : [`\n${copiedText(copied, progress.failures.length > 0)}`]),
                ...(events === undefined
                  ? []
                  : [
                      `Saved ${counted(events, 'promotion or demotion', 'promotions and demotions')} of the source.`,
                    ]),
                ...(comparison === undefined ? [] : [comparisonText(comparison)]),
              ].join('\n'),
          },
        )
      } finally {
        progress.end()
      }
      if (progress.failures.length > 0)
        throw new Exit(
          EXIT.failed,
          `${counted(progress.failures.length, 'item')} ${copied === undefined ? 'cannot' : 'could not'} be copied (see above); all others ${copied === undefined ? 'can' : 'were'}`,
        )
      if (comparison !== undefined && comparison.differences.length > 0)
        throw new Exit(EXIT.differs, 'the two depots differ, as listed above')
    })

function importOptions(values: {
  origin?: string[] | undefined
  channel?: string[] | undefined
  target?: string[] | undefined
  owner?: string | undefined
}): ImportOptions {
  const { origin: origins = [] } = values
  if (origins.length === 0) throw new UsageError('--origin is missing')
  const wrongOrigin = origins.find((name) => !isOriginName(name))
  if (wrongOrigin !== undefined)
    throw new UsageError(`${JSON.stringify(wrongOrigin)} is not an origin's name`)
  const wrongChannel = values.channel?.find((name) => !isViewName(name))
  if (wrongChannel !== undefined)
    throw new UsageError(`${JSON.stringify(wrongChannel)} is not a channel's name`)
  if (values.owner !== undefined && !ACCOUNT_NAME.test(values.owner))
    throw new UsageError(`${JSON.stringify(values.owner)} is not an account's name`)
  const targets = values.target?.map((target) => {
    if (!isTarget(target))
      throw new UsageError(
        `${JSON.stringify(target)} is not a target: ${TARGETS.join(', ')}${didYouMean(target, TARGETS)}`,
      )
    return target
  })
  return { origins: [...new Set(origins)], channels: values.channel, targets, owner: values.owner }
}

function originJson({ name, isNew, keys, keysPresent, releases, filesPresent, channels }: PlannedOrigin) {
  const files = releases.flatMap((release) => release.files)
  return {
    origin: name,
    is_new: isNew,
    keys: keys.length,
    keys_here: keysPresent,
    releases: files.length,
    bytes: files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0),
    releases_of_unknown_size: files.filter(({ sizeBytes }) => sizeBytes === undefined).length,
    releases_here: filesPresent,
    channels: channels.map((channel) => ({
      channel: channel.name,
      is_new: channel.isNew,
      members: channel.joining,
      members_here: channel.membersPresent,
    })),
  }
}

function planText(plan: Plan): string {
  const origins = plan.origins.map(originJson)
  const rows = origins.map((shown) => [
    shown.is_new ? `${shown.origin} (new)` : shown.origin,
    `${shown.keys} (${shown.keys_here} present)`,
    `${shown.releases} (${shown.releases_here} present)`,
    `${shown.releases_of_unknown_size > 0 ? 'over ' : ''}${formatBytes(shown.bytes)}`,
  ])
  const channels = origins.flatMap((shown) =>
    shown.channels.map((channel) => [
      shown.origin,
      channel.is_new ? `${channel.channel} (new)` : channel.channel,
      `${channel.members} (${channel.members_here} present)`,
    ]),
  )
  const tables = [
    formatColumns(['ORIGIN', 'KEYS', 'RELEASES', 'BYTES'], rows),
    ...(channels.length > 0 ? [formatColumns(['ORIGIN', 'CHANNEL', 'MEMBERS'], channels)] : []),
  ]
  return `To copy:\n\n${tables.join('\n\n')}`
}

function copiedText(copied: Copied, hasFailures: boolean): string {
  const { origins, keys, releases, bytes, channels, members, demoted, accounts, people, secretKeys } = copied
  if (Object.values(copied).every((count) => count === 0))
    return hasFailures ? 'Nothing was changed.' : 'Nothing was changed: the destination has all of it.'
  const others = [
    ...(demoted > 0 ? [`demoted ${demoted}`] : []),
    ...(accounts > 0 ? [`created ${counted(accounts, 'account')}`] : []),
    ...(people > 0 ? [`gave roles to ${counted(people, 'account')}`] : []),
    ...(secretKeys > 0 ? [`stored ${counted(secretKeys, 'secret key')}`] : []),
  ]
  return [
    `Copied ${counted(origins, 'origin')}, ${counted(keys, 'key')}, ${counted(releases, 'release')} (${formatBytes(bytes)}), ${counted(channels, 'channel')}; promoted ${counted(members, 'member')}`,
    ...others,
  ].join('; ')
}

function comparisonText({ keys, releases, members, differences }: ImportComparison): string {
  if (differences.length === 0)
    return `Both depots have the same ${counted(keys, 'key')}, ${counted(releases, 'release')} and ${counted(members, 'member')} of channels.`
  const shown = differences.slice(0, MAX_DIFFERENCES)
  const more = differences.length - shown.length
  return ['The depots differ:', ...shown, ...(more > 0 ? [`and in ${counted(more, 'more place')}`] : [])]
    .map(printable)
    .join('\n')
}
