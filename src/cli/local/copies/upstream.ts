import pino from 'pino'
import { DepotError } from '../../../errors.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { compareOrigin } from '../../../upstream/compare-origin.ts'
import type { OriginComparison } from '../../../upstream/compare-origin.ts'
import { openSource } from '../../../upstream/source.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { Output, outputOptions } from '../../output.ts'
import { confirm, shouldAsk } from '../../remote/confirm.ts'
import { readLocalConfig } from '../data-folder.ts'
import { readDepot } from '../read-depot.ts'
import { submit } from '../submit.ts'

/** How many releases of one kind a text lists. */
const MAX_LISTED = 20

export const upstreamAdopt: Define = (command, io) =>
  outputOptions(command)
    .argument('<origin>', 'an origin that exists here, and that DEPOT_UPSTREAM_ORIGINS lists')
    .option('--dry-run', 'only show what would change')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `${examples([
        ['upstream adopt core --dry-run', 'compare the releases and keys of core with those of upstream'],
        ['upstream adopt core --yes', 'let releases of core come from upstream from now on'],
      ])}

What is here stays, also where upstream has other bytes. Afterwards, nobody can upload to the origin here. Can run beside a server.`,
    )
    .action(async (name, { dryRun = false, ...options }) => {
      const config = readLocalConfig(io)
      const { upstream } = config
      if (upstream === undefined)
        throw new DepotError('invalid_request', 'DEPOT_UPSTREAM is not set: it names the upstream depot')
      const origin = await readDepot(config, (db) => getOrigin(db, name))
      if (!upstream.origins.includes(name))
        throw new DepotError(
          'invalid_request',
          `DEPOT_UPSTREAM_ORIGINS does not list ${name}: add it here and in the settings of the server first`,
        )
      const out = new Output(io, options)
      const source = await openSource(upstream, 'background', { log: pino({ level: 'silent' }) })
      const comparison = await readDepot(config, (db) => compareOrigin(db, source, name))
      const show = (isAdopted: boolean) =>
        out.show(
          { origin: name, upstream: upstream.url, ...toJson(comparison), adopted: isAdopted },
          {
            whole: () =>
              isAdopted
                ? `${name} comes from ${upstream.url} ${origin.isUpstream ? 'already' : 'now'}`
                : 'Nothing was changed.',
          },
        )
      out.print(toText(name, upstream.url, comparison))
      if (dryRun) return show(origin.isUpstream)
      if (!origin.isUpstream && shouldAsk(io, options))
        await confirm(io, `Shall ${name} come from ${upstream.url}?`)
      await submit(config, io, 'adoptOrigin', { origin: name, upstream: upstream.url })
      show(true)
    })

export const upstreamDisown: Define = (command, io) =>
  outputOptions(command)
    .argument('<origin>', 'an origin that comes from upstream')
    .addHelpText(
      'after',
      examples([
        ['upstream disown core', 'let members of the origin upload to core again'],
        ['upstream disown core --quiet', 'print nothing'],
      ]),
    )
    .action(async (name, options) => {
      const config = readLocalConfig(io)
      await submit(config, io, 'disownOrigin', { origin: name })
      const out = new Output(io, options)
      out.show(
        { origin: name, adopted: false },
        { whole: () => `${name} is an origin of this depot; what was fetched stays` },
      )
      if (config.upstream?.origins.includes(name) === true)
        out.note(`remove ${name} from DEPOT_UPSTREAM_ORIGINS, too`)
    })

function toJson({ same, differing, onlyHere, differingKeys, keysOnlyHere }: OriginComparison): object {
  return {
    same_releases: same,
    differing_releases: differing,
    releases_only_here: onlyHere,
    differing_keys: differingKeys,
    keys_only_here: keysOnlyHere,
  }
}

function toText(origin: string, url: string, comparison: OriginComparison): string {
  const { same, differing, onlyHere, differingKeys, keysOnlyHere } = comparison
  return [
    `Releases of ${origin} that ${url} has with the same bytes: ${same}`,
    ...section('Releases that it has with other bytes; those here stay', differing),
    ...section('Releases that it does not have; they stay', onlyHere),
    ...section(
      'Keys that it has with other bytes; packages that it signed with them are refused',
      differingKeys,
    ),
    ...section('Keys that it does not have; they stay', keysOnlyHere),
    'Afterwards, releases and keys come from there, and nobody can add any here.',
  ].join('\n')
}

function section(title: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const more = names.length - MAX_LISTED
  return [
    `${title}: ${names.length}`,
    ...names.slice(0, MAX_LISTED).map((name) => `  ${name}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ]
}
