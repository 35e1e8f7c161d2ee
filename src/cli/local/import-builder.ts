import { setTimeout as pause } from 'node:timers/promises'
import { formatBytes, formatColumns } from '../../text/columns.ts'
import { readConfig, readTokens } from '../../config.ts'
import { ACCOUNT_NAME } from '../../access/account-name.ts'
import { copy } from '../../import/copy.ts'
import type { Copied } from '../../import/copy.ts'
import { whoAmI } from '../../remote/destination.ts'
import { planImport } from '../../import/plan.ts'
import type { ImportOptions, Plan, PlannedOrigin } from '../../import/plan.ts'
import { RemoteDepot } from '../../remote/remote-depot.ts'
import { didYouMean } from '../../text/nearest.ts'
import { isOriginName } from '../../package/ident.ts'
import { TARGETS, isTarget } from '../../package/target.ts'
import { isViewName } from '../../views/view.ts'
import { expectReachable, parseHttpUrl, readTokenFile, withTempFolder } from './other-depot.ts'
import { Progress } from './progress.ts'
import { urlOf } from './url.ts'
import { UsageError, onlyArgument, parseOptions } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'

const OPTIONS = {
  origin: { type: 'string', multiple: true, default: [] as string[] },
  channel: { type: 'string', multiple: true },
  target: { type: 'string', multiple: true },
  owner: { type: 'string' },
  to: { type: 'string' },
  'token-file': { type: 'string' },
  'to-token-file': { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

export const importBuilder: Subcommand = {
  usage:
    'URL --origin O… [--channel C]… [--target T]… [--owner ACCOUNT] [--to URL] [--token-file FILE] [--to-token-file FILE] [--dry-run] [--json]',
  summary: 'copy origins, keys, packages and channels from a Builder into a running depot',
  details: [
    'Verifies each package before uploading it, and skips what the destination already has. After an abort, run it again.',
    '--origin O           the origin to copy; can be repeated',
    '--channel C          copy only this channel and the releases in it, without their dependencies; can be repeated',
    '--target T           copy only packages for this target; can be repeated',
    '--owner ACCOUNT      give copied origins to this account instead of the account of the token',
    '--to URL             the depot to copy into; the default is the depot on DEPOT_LISTEN. It must be running',
    '--token-file FILE    a token of the source, needed for private packages; - is stdin. The default is $HAB_AUTH_TOKEN',
    '--to-token-file FILE a token of the destination, preferably of an administrator. The default is $HART_DEPOT_TOKEN',
    '--dry-run            show what would be copied, and write nothing',
    '--json               print the result as JSON',
    'Stores up to four packages in $TMPDIR while it copies them.',
  ],
  async run(args) {
    const { values, positionals } = parseOptions(args, OPTIONS)
    const url = parseHttpUrl(onlyArgument(positionals, 'URL'))
    const options = importOptions(values)
    const config = readConfig()
    const to = parseHttpUrl(values.to ?? urlOf(config.host, config.port))
    if (values['token-file'] === '-' && values['to-token-file'] === '-')
      throw new UsageError('only one of the tokens can come from stdin')
    const tokens = readTokens()
    const source = new RemoteDepot({
      url,
      token: (await readTokenFile(values['token-file'])) ?? tokens.habitat,
      pause,
    })
    const destination = new RemoteDepot({
      url: to,
      token: (await readTokenFile(values['to-token-file'])) ?? tokens.own,
      pause,
    })

    const progress = new Progress(process.stderr)
    const transfer = { source, destination, reporter: progress }
    for (const depot of [source, destination]) await expectReachable(depot)
    const account = await whoAmI(destination)
    let copied: Copied | undefined
    try {
      const plan = await planImport(transfer, options)
      progress.end()
      if (!values.json) console.log(planText(plan))
      if (!values['dry-run'])
        copied = await withTempFolder('hart-depot-import-', (folder) =>
          copy(transfer, plan, { folder, account, owner: values.owner }),
        )
      if (values.json)
        console.log(
          JSON.stringify(
            {
              plan: plan.origins.map(originJson),
              copied: copied ?? null,
              failed: progress.failures,
              notes: progress.notes,
            },
            undefined,
            2,
          ),
        )
      else if (copied !== undefined) console.log(`\n${copiedText(copied)}`)
    } finally {
      progress.end()
    }
    if (progress.failures.length > 0)
      throw new ImportIncomplete(
        `${progress.failures.length} items ${copied === undefined ? 'cannot' : 'could not'} be copied (see above); all others ${copied === undefined ? 'can' : 'were'}`,
      )
  },
}

/** Some items failed, and all others were copied. The exit code is 1. */
class ImportIncomplete extends Error {
  readonly code = 'ERR_IMPORT_INCOMPLETE'
}

function importOptions(values: {
  origin: string[]
  channel?: string[] | undefined
  target?: string[] | undefined
  owner?: string | undefined
}): ImportOptions {
  if (values.origin.length === 0) throw new UsageError('--origin is missing')
  const wrongOrigin = values.origin.find((name) => !isOriginName(name))
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
  return { origins: [...new Set(values.origin)], channels: values.channel, targets, owner: values.owner }
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

function copiedText({ origins, keys, releases, bytes, channels, members }: Copied): string {
  return `Copied ${origins} origins, ${keys} keys, ${releases} releases (${formatBytes(bytes)}), ${channels} channels; promoted ${members} members`
}
